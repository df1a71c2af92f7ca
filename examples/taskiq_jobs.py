"""taskiq over a Hutch server: a worker process, results in the same server.

    python examples/taskiq_jobs.py
"""
import asyncio
import os

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from workers import PYTHON, served

URL = os.environ.get("HUTCH_URL", "redis://127.0.0.1:6379/0")


def broker_at(url):
    broker = ListQueueBroker(url).with_result_backend(RedisAsyncResultBackend(url))
    broker.register_task(add, task_name="add")
    return broker


async def add(a: int, b: int) -> int:
    return a + b


broker = broker_at(URL)


async def main():
    with served(PYTHON, "-m", "taskiq", "worker", "taskiq_jobs:broker", "--workers", "1") as url:
        here = broker_at(url)
        await here.startup()
        sent = [await here.find_task("add").kiq(n, 3) for n in range(5)]
        results = [(await one.wait_result(timeout=120)).return_value for one in sent]
        await here.shutdown()
        return results


if __name__ == "__main__":
    print(asyncio.run(main()))
