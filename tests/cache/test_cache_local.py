"""A cache in the process in front of a remote one: exact by client tracking, on Redis and on Hutch's server."""
import asyncio
import random
import threading
import time

import pytest
import redis
import redis.asyncio

import hutch
from hutch.cache import AsyncCache, Cache, LocalCache
from kit.oracle import RedisServer


@pytest.fixture(params=["redis", "hutch"])
def port(request):
    """The port of an empty server."""
    if request.param == "hutch":
        with hutch.Server(port=0) as server:
            yield server.port
    else:
        oracle = request.getfixturevalue("oracle")
        redis.Redis(port=oracle.port).flushall()
        yield oracle.port


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def near(port, **options):
    """A Cache with a LocalCache that listens already."""
    local = LocalCache(heartbeat=options.pop("heartbeat", 5.0), max_entries=options.pop("max_entries", 100))
    cache = Cache(redis.Redis(port=port), local=local, **options)
    cache.get("nothing")
    until(lambda: local.is_up)
    return cache, local


def test_a_hit_asks_nobody(port):
    cache, local = near(port, ttl=60)
    other = Cache(redis.Redis(port=port), ttl=60)
    other.set("k", [1])
    monitored = redis.Redis(port=port)
    assert cache.get("k") == [1]
    asked = monitored.info("commandstats")["cmdstat_get"]["calls"]
    for _ in range(10):
        assert cache.get("k") == [1]
    # One more where the message of the first change came only after it was read.
    assert monitored.info("commandstats")["cmdstat_get"]["calls"] <= asked + 1 and cache.statistics.local_hit >= 9 and cache.statistics.hit == 11
    cache.close()


def test_somebody_elses_change_is_heard(port):
    cache, local = near(port, ttl=60)
    other = Cache(redis.Redis(port=port), ttl=60, tags="t")
    for change in (lambda: other.set("k", "new"), lambda: other.delete("k"), lambda: other.invalidate_tags("t"), lambda: other.clear(),
                   other.client.flushall, lambda: other.client.pexpire("cache:k", 1), lambda: other.client.rename("cache:k", "cache:j")):
        other.set("k", "old")
        until(lambda: cache.get("k") == "old" and len(local) == 1)
        change()
        until(lambda: cache.get("k") != "old")
    cache.close()


def test_its_own_change_counts_at_once(port):
    cache, local = near(port, ttl=60)
    for number in range(200):
        cache.set("k", number)
        assert cache.get("k") == number == cache.get("k")
    cache.set("t", 1, tags="tag")
    cache.get("t")
    cache.invalidate_tags("tag")
    assert cache.get("t") is None
    cache.get("k"), cache.delete("k")
    assert cache.get("k") is None
    cache.close()


def test_no_longer_than_the_server_keeps_it(port):
    cache, local = near(port)
    cache.set("k", 1, ttl=0.05)
    cache.set("j", 1)
    began = time.monotonic()
    while cache.get("k") == 1:
        assert time.monotonic() - began < 5
    assert cache.get("j") == 1
    cache.close()


def test_it_is_bounded(port):
    cache, local = near(port, max_entries=3)
    for number in range(10):
        cache.set(str(number), number)
        cache.get(str(number))
        until(lambda: cache.get(str(number)) == number and len(local) <= 3)
    cache.close()


def test_while_the_connection_is_down_nothing_is_served_from_here(oracle_binary):
    with RedisServer(oracle_binary) as server:
        cache, local = near(server.port, ttl=60)
        cache.set("k", 1)
        until(lambda: cache.get("k") == 1 and len(local) == 1)
        client = redis.Redis(port=server.port)
        for number in range(3):
            for row in client.client_list():
                if "B" in row["flags"]:                  # BCAST
                    client.client_kill_filter(_id=row["id"])
            client.set("cache:k", cache._flows.codec.encode(number))
            until(lambda: cache.get("k") == number)
            until(lambda: local.is_up)
        cache.close()
    assert not local.is_up and len(local) == 0


def test_a_silent_connection_is_given_up(oracle_binary):
    with RedisServer(oracle_binary) as server:
        cache, local = near(server.port, heartbeat=0.05)
        time.sleep(0.3)
        assert local.is_up                               # it is asked, and answers
        import os
        import signal
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            until(lambda: not local.is_up)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        until(lambda: local.is_up)
        cache.close()


def test_readers_and_writers_at_once(port):
    """A reader that has a local cache to itself never goes back to an older value than it has seen; all end with the last. (Of two that share one, the one may
    keep for the other what it asked for earlier, until the message of the change is here.)"""
    caches = [near(port)[0] for _ in range(2)]
    cache = caches[0]
    client = redis.Redis(port=port)
    encode = cache._flows.codec.encode
    client.set("cache:k", encode(0))
    stop, wrong = threading.Event(), []

    def read(cache):
        seen = 0
        while not stop.is_set():
            value = cache.get("k")
            if value < seen:
                wrong.append((seen, value))
            seen = value
    threads = [threading.Thread(target=read, args=(cache,)) for cache in caches]
    for thread in threads:
        thread.start()
    for number in range(1, 1500):
        client.set("cache:k", encode(number))
        if random.random() < 0.02:
            time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    until(lambda: all(cache.get("k") == 1499 for cache in caches))
    assert not wrong
    for cache in caches:
        assert cache.get("k") == 1499 and cache.statistics.local_hit
        cache.close()


def test_asyncio(port):
    async def main():
        local = LocalCache()
        client, other = redis.asyncio.Redis(port=port), Cache(redis.Redis(port=port))
        cache = AsyncCache(client, local=local)

        async def until(true):
            end = time.monotonic() + 30
            while not await true():
                assert time.monotonic() < end
                await asyncio.sleep(0.001)

        async def is_up():
            await cache.get("x")
            return local.is_up
        await until(is_up)
        other.set("k", "old")

        async def sees(value):
            return await cache.get("k") == value and len(local) == 1
        await until(lambda: sees("old"))
        other.set("k", "new")
        await until(lambda: sees("new"))
        assert await cache.get("k") == "new" and cache.statistics.local_hit
        await cache.set("k", "mine")
        assert await cache.get("k") == "mine"
        await cache.delete("k")
        assert await cache.get("k") is None
        for row in other.client.client_list():
            if "B" in row["flags"]:
                other.client.client_kill_filter(_id=row["id"])
        other.set("k", "later")
        await until(lambda: sees("later"))
        await cache.close()
        assert not local.is_up
        await client.aclose()
    asyncio.run(main())


def test_only_in_front_of_a_server():
    with pytest.raises(ValueError):
        Cache(hutch.Redis(), local=LocalCache())
    local = LocalCache()
    Cache(redis.Redis(), local=local)
    with pytest.raises(ValueError):
        Cache(redis.Redis(), local=local)
    with pytest.raises(ValueError):
        LocalCache(max_entries=0)
