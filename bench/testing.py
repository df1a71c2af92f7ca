"""What the pytest fixtures cost a test: a fresh store and a client on it, made and closed, beside what else might be done.

    python bench/testing.py
"""
import time

import hutch
from hutch.store import Store
from hutch.testing.fixtures import fresh_async_client, fresh_client


def microseconds(function, rounds=2000, tries=5):
    """The fastest try's time of one call: what the machine does besides is not the fixture's."""
    function()
    best = float("inf")
    for _ in range(tries):
        began = time.perf_counter()
        for _ in range(rounds):
            function()
        best = min(best, (time.perf_counter() - began) / rounds)
    return best * 1e6


def hutch_redis():
    store = Store()
    fresh_client(store).close()
    store.close()


def hutch_async():
    store = Store()
    fresh_async_client(store)
    store.close()


def with_a_command():
    store = Store()
    client = fresh_client(store)
    client.set("key", "value")
    client.close()
    store.close()


def new_client():
    hutch.Redis().close()


def new_store():
    Store().close()


shared = hutch.Redis()


def one_store_emptied():
    shared.flushall()


def main():
    """Print a row for each."""
    for name, function in (("hutch_redis", hutch_redis), ("hutch_async", hutch_async), ("hutch_redis and its first command", with_a_command),
                           ("a store alone", new_store), ("hutch.Redis(), made and closed", new_client),
                           ("FLUSHALL of one that is shared, which leaves CONFIG, scripts ...", one_store_emptied)):
        print(f"{microseconds(function):8.1f} us  {name}")


if __name__ == "__main__":
    main()
