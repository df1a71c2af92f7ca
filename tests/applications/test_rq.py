"""RQ: a worker process with its scheduler; every job runs in a child of the worker."""
from datetime import timedelta

import pytest

pytest.importorskip("rq")

import redis
from rq import Queue, Retry, Worker
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

import rq_jobs
from kit.waiting import wait_until

DB = 5


@pytest.fixture(scope="module")
def connection(server):
    with redis.Redis(port=server.port, db=DB) as client:
        client.flushdb()
        yield client


@pytest.fixture(scope="module")
def queue(connection):
    return Queue("work", connection=connection)


@pytest.fixture(scope="module")
def worker(server, connection, processes):
    return processes.start("rq.cli", "worker", "--url", server.url(DB), "--with-scheduler", "--name", "proof", "work", "low",
                           ready="Listening on work")


def finished(job):
    return wait_until(lambda: job.get_status(refresh=True) in (JobStatus.FINISHED, JobStatus.FAILED) and job)


def test_jobs(queue, worker, connection):
    jobs = [queue.enqueue(rq_jobs.multiply, n, 7) for n in range(20)]
    assert [finished(job).return_value() for job in jobs] == [n * 7 for n in range(20)]
    registry = FinishedJobRegistry(queue=queue)
    wait_until(lambda: {job.id for job in jobs} <= set(registry.get_job_ids()))
    assert len(queue) == 0
    [seen] = Worker.all(connection)
    assert seen.name == "proof" and seen.successful_job_count == 20


def test_many_at_once_and_a_dependent(queue, worker):
    first, second = queue.enqueue_many([Queue.prepare_data(rq_jobs.multiply, (2, 3)), Queue.prepare_data(rq_jobs.multiply, (4, 5))])
    last = queue.enqueue(rq_jobs.multiply, 6, 7, depends_on=[first, second])
    assert finished(last).return_value() == 42
    assert (finished(first).return_value(), finished(second).return_value()) == (6, 20)


def test_failure(queue, worker):
    job = finished(queue.enqueue(rq_jobs.fail, "on purpose"))
    assert job.is_failed and "ValueError: on purpose" in job.latest_result().exc_string
    registry = FailedJobRegistry(queue=queue)
    wait_until(lambda: job.id in registry)
    registry.remove(job)
    assert job.id not in registry


def test_retries(queue, worker):
    at_once = queue.enqueue(rq_jobs.third_time_lucky, retry=Retry(max=3))
    after_a_second = queue.enqueue(rq_jobs.third_time_lucky, retry=Retry(max=3, interval=1))
    hopeless = queue.enqueue(rq_jobs.fail, "again", retry=Retry(max=1))
    assert finished(at_once).return_value() == 3
    assert finished(hopeless).is_failed
    assert finished(after_a_second).return_value() == 3


def test_scheduled(queue, worker):
    job = queue.enqueue_in(timedelta(seconds=1), rq_jobs.multiply, 3, 4)
    far = queue.enqueue_in(timedelta(hours=1), rq_jobs.multiply, 1, 1)
    assert job.get_status() == JobStatus.SCHEDULED
    assert finished(job).return_value() == 12
    registry = ScheduledJobRegistry(queue=queue)
    assert registry.get_job_ids() == [far.id]
    far.delete()
    assert not Job.exists(far.id, queue.connection)
    with pytest.raises(Exception, match="No such job"):
        Job.fetch(far.id, queue.connection)


def test_canceled(queue, worker, connection):
    idle = Queue("nobody", connection=connection)
    job = idle.enqueue(rq_jobs.multiply, 1, 1)
    job.cancel()
    assert job.get_status() == JobStatus.CANCELED and len(idle) == 0


def test_worker_goes_down_in_order(queue, worker, connection, processes):
    assert processes.stop(worker) == 0
    wait_until(lambda: not Worker.all(connection))
