"""A Celery application. Worker processes run it with $BROKER, $BACKEND and $NOTES; tests call `make`."""
import os
import time
from contextlib import contextmanager

import redis
from celery import Celery

VISIBILITY_SECONDS = 3
RESULT_EXPIRES_SECONDS = 500

CONFIGURATION = {
    "task_default_queue": "proof",
    "result_expires": RESULT_EXPIRES_SECONDS,
    "worker_prefetch_multiplier": 1,
    "worker_send_task_events": True,
    "task_send_sent_event": True,
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_SECONDS,
        # Look for messages nobody acknowledged every second, not every hundred.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",
    },
}


def notes():
    """A client of a database that Celery does not use, for what tasks write down."""
    return redis.Redis.from_url(os.environ["NOTES"], decode_responses=True)


def add(a, b):
    return a + b


def total(numbers):
    return sum(numbers)


def stubborn(self, number, failures):
    """Succeed after so many failures."""
    if self.request.retries < failures:
        raise self.retry(countdown=0.05, exc=RuntimeError(f"not yet: {number}"))
    return number, self.request.retries


def broken(text):
    raise ValueError(text)


def moment():
    return time.time()


def note(key, word):
    with notes() as client:
        client.rpush(key, word)


def long_work(self, key):
    """Begin, write down who began, and finish only when this is not the first attempt."""
    with notes() as client:
        attempt = client.rpush(key, os.getpid())
    if attempt == 1:
        time.sleep(100)
    return attempt, bool(self.request.delivery_info.get("redelivered"))


def make(broker, backend, **options):
    app = Celery("proof", broker=broker, backend=backend, **options)
    app.conf.update(CONFIGURATION)
    for function in (add, total, broken, moment, note):
        app.task(function, name=f"proof.{function.__name__}", shared=False)
    app.task(stubborn, name="proof.stubborn", shared=False, bind=True, max_retries=3)
    app.task(long_work, name="proof.long_work", shared=False, bind=True, acks_late=True)
    return app


@contextmanager
def connected(broker, backend):
    """The application in a test's process."""
    app = make(broker, backend, set_as_current=False)
    try:
        yield app
    finally:
        consumer = app.backend.result_consumer
        consumer.subscribed_to.clear()       # results that are collected later have nothing to unsubscribe from
        consumer.stop()
        app.close()


if "BROKER" in os.environ:
    app = make(os.environ["BROKER"], os.environ["BACKEND"])
