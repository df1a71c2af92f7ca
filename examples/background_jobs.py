"""Job queues in a Hutch store: RQ in the process, taskiq and docket over a server inside the program.

    python examples/background_jobs.py
"""
import asyncio

import hutch


def add(a, b):
    return a + b


def with_rq():
    """RQ's queue on an embedded client; its SimpleWorker runs in the process."""
    from rq import Queue, SimpleWorker
    with hutch.Redis() as client:
        queue = Queue(connection=client)
        job = queue.enqueue(add, 2, 3)
        SimpleWorker([queue], connection=client).work(burst=True)
        return job.return_value(refresh=True)


async def with_taskiq():
    """taskiq's broker and results over the server; the worker's receiver in the same loop."""
    from taskiq.receiver import Receiver
    from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend
    with hutch.Server(port=0) as server:
        broker = ListQueueBroker(server.url).with_result_backend(RedisAsyncResultBackend(server.url))
        task = broker.task("add")(add)
        broker.is_worker_process = True
        await broker.startup()
        finish = asyncio.Event()
        worker = asyncio.create_task(Receiver(broker, max_async_tasks=2).listen(finish))
        try:
            sent = await task.kiq(2, 3)
            return (await sent.wait_result(timeout=30)).return_value
        finally:
            finish.set()
            worker.cancel()
            await asyncio.wait((worker,), timeout=10)
            await broker.shutdown()


async def with_docket():
    """docket over the server: its memory:// without another engine."""
    from docket import Docket, Worker
    done = []

    async def note(a: int, b: int) -> None:
        done.append(add(a, b))
    with hutch.Server(port=0) as server:
        async with Docket(name="example", url=server.url) as docket:
            docket.register(note)
            await docket.add(note)(2, 3)
            async with Worker(docket) as worker:
                await worker.run_until_finished()
    return done[0]


if __name__ == "__main__":
    print(with_rq(), asyncio.run(with_taskiq()), asyncio.run(with_docket()))
