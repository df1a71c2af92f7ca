"""Actors; the worker processes of test_dramatiq.py run them. $URL is the server."""
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

NAMESPACE = "proof"


def broker_for(url):
    broker = RedisBroker(url=url, namespace=NAMESPACE, heartbeat_timeout=3000)
    broker.add_middleware(Results(backend=RedisBackend(url=url, namespace=f"{NAMESPACE}-results")))
    dramatiq.set_broker(broker)
    return broker


def add_actors(broker):
    @dramatiq.actor(broker=broker, store_results=True)
    def add(a, b):
        return a + b

    @dramatiq.actor(broker=broker, store_results=True, max_retries=5, min_backoff=50, max_backoff=100)
    def stubborn(key, failures):
        runs = broker.client.incr(f"runs:{key}")
        if runs <= failures:
            raise RuntimeError("not yet")
        return runs

    @dramatiq.actor(broker=broker, store_results=True, max_retries=0)
    def broken(text):
        raise ValueError(text)

    return {actor.actor_name: actor for actor in (add, stubborn, broken)}


if "URL" in os.environ:
    actors = add_actors(broker_for(os.environ["URL"]))
