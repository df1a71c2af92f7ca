"""Celery over a Hutch server: broker, results, a worker with its pool of processes.

    python examples/celery_jobs.py

The worker alone, for a server elsewhere: HUTCH_URL=redis://... celery -A celery_jobs worker
(In the process, without a server: broker_url = result_backend = "hutch://...", see docs/celery.md.)
"""
import os

from celery import Celery, chord

from workers import PYTHON, served

URL = os.environ.get("HUTCH_URL", "redis://127.0.0.1:6379/0")
app = Celery("celery_jobs", broker=URL, backend=URL)
app.conf.update(worker_concurrency=2, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


def main():
    with served(PYTHON, "-m", "celery", "-A", "celery_jobs", "worker", "--loglevel", "WARNING") as url:
        app.conf.update(broker_url=url, result_backend=url)
        one = add.delay(2, 3).get(timeout=120)
        all_of_them = chord((add.s(n, n) for n in range(5)), total.s())().get(timeout=120)
        app.close()
        return one, all_of_them


if __name__ == "__main__":
    print(main())
