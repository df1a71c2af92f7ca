"""RQ over a Hutch server: a worker process, which forks for each job.

    python examples/rq_jobs.py
"""
import time

import redis

from workers import PYTHON, served


def multiply(a, b):
    return a * b


def main():
    from rq import Queue
    import rq_jobs                       # by the name that the worker imports it by
    with served(PYTHON, "-m", "rq.cli", "worker", "--url", "{url}", "sums") as url, redis.Redis.from_url(url) as client:
        queue = Queue("sums", connection=client)
        jobs = [queue.enqueue(rq_jobs.multiply, n, 7) for n in range(3)]
        last = queue.enqueue(rq_jobs.multiply, 6, 7, depends_on=jobs)
        end = time.monotonic() + 120
        while not last.get_status(refresh=True) == "finished" and time.monotonic() < end:
            time.sleep(0.05)
        return [job.return_value(refresh=True) for job in (*jobs, last)]


if __name__ == "__main__":
    print(main())
