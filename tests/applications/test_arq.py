"""arq: asyncio on redis.asyncio, jobs in a sorted set."""
import asyncio
from datetime import timedelta

import pytest

pytest.importorskip("arq")

from arq import create_pool
from arq.jobs import ResultNotFound

import arq_app
from kit.waiting import wait_until

WAIT = 20


@pytest.fixture(scope="module")
def worker(server, processes):
    with server.client(arq_app.DB) as client:
        client.flushdb()
    return processes.start("arq", "arq_app.WorkerSettings", ready="Starting worker", ARQ_PORT=str(server.port))


async def result(job):
    """Its result. arq looks for it and then into the queue, and takes a job that ends in between for lost."""
    try:
        return await job.result(WAIT, poll_delay=0.05)
    except ResultNotFound:
        return await job.result(WAIT, poll_delay=0.05)


def test_jobs(server, worker):
    async def run():
        pool = await create_pool(arq_app.settings(server.port))
        try:
            jobs = [await pool.enqueue_job("multiply", n, 3) for n in range(30)]
            late = await pool.enqueue_job("multiply", 6, 7, _defer_by=timedelta(seconds=0.5))
            stubborn, broken = await pool.enqueue_job("stubborn"), await pool.enqueue_job("broken", "on purpose")
            assert await pool.enqueue_job("multiply", 1, 1, _job_id=jobs[0].job_id) is None      # that one exists
            assert [await result(job) for job in jobs] == [n * 3 for n in range(30)]
            assert await result(late) == 42
            assert await result(stubborn) == 3
            with pytest.raises(ValueError, match="on purpose"):
                await result(broken)
            assert {one.function for one in await pool.all_job_results()} >= {"multiply", "stubborn", "broken"}
            assert {one.function for one in await pool.queued_jobs()} <= {"cron:tick"}
        finally:
            await pool.aclose()
    asyncio.run(asyncio.wait_for(run(), 60))


def test_cron(server, worker):
    with server.client(arq_app.DB) as client:
        wait_until(lambda: int(client.get("ticks") or 0) >= 2)
