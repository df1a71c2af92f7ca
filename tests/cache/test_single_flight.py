"""Of those who miss a key at once, one computes: threads, tasks, processes."""
import asyncio
import multiprocessing
import threading

import pytest
import redis

import hutch
from hutch.cache import AsyncCache, Cache


def in_threads(count, function):
    results, threads = [], []
    barrier = threading.Barrier(count)

    def run():
        barrier.wait()
        try:
            results.append(function())
        except Exception as error:
            results.append(error)
    for _ in range(count):
        threads.append(threading.Thread(target=run))
        threads[-1].start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.parametrize("caches", [1, 4])
def test_threads(any_client, caches):
    several = [Cache(any_client, ttl=60) for _ in range(caches)]
    calls, turn, gate = [], iter(range(1000)), threading.Event()

    def compute():
        calls.append(1)
        gate.wait(0.1)
        return ["value"]
    results = in_threads(8, lambda: several[next(turn) % caches].get_or_set("k", compute))
    assert results == [["value"]] * 8 and len(calls) == 1
    assert len({id(result) for result in results}) == 8
    assert all(not len(cache._flows.flights) for cache in several)


def test_an_error_is_everybodys(held):
    cache = held.cache()
    calls = []

    def compute():
        calls.append(1)
        threading.Event().wait(0.1)
        raise KeyError("x")
    results = in_threads(6, lambda: cache.get_or_set("k", compute))
    assert all(isinstance(result, KeyError) for result in results) and len(calls) < 6


def test_without_single_flight_all_compute(held):
    cache = held.cache(single_flight=False)
    barrier = threading.Barrier(4)
    assert in_threads(4, lambda: cache.get_or_set("k", lambda: barrier.wait(30) and 1 or 1)) == [1] * 4
    assert cache.statistics.compute == 4


def test_a_lease_ends_with_its_time(held):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        held.advance(seconds)
    held.client.set("cache!lease:k", "somebody who was killed", px=30_000)
    cache = held.cache(sleep=sleep)
    assert cache.get_or_set("k", lambda: 1) == 1
    assert 30 <= sum(slept) < 30.2 and max(slept) <= 0.1 and cache.statistics.wait == 1


def test_who_waits_takes_what_the_other_stored(held):
    other = held.cache()
    held.client.set("cache!lease:k", "another process", px=30_000)
    cache = held.cache(sleep=lambda seconds: other.set("k", "theirs"))
    assert cache.get_or_set("k", lambda: "mine") == "theirs"


def test_tasks(held):
    async def main():
        cache, second = held.async_cache(ttl=60), held.async_cache(ttl=60)
        calls = []

        @cache.cached
        async def compute(number):
            calls.append(number)
            await asyncio.sleep(0.05)
            return [number]
        results = await asyncio.gather(*(compute(number % 2) for number in range(10)))
        assert results == [[number % 2] for number in range(10)] and sorted(calls) == [0, 1]

        async def slow():
            calls.append("slow")
            await asyncio.sleep(0.05)
            return 5
        assert await asyncio.gather(cache.get_or_set("s", slow), second.get_or_set("s", slow)) == [5, 5] and calls.count("slow") == 1
        await cache.close()
        await second.close()
    asyncio.run(main())


def test_a_cancelled_leader_leaves_it_to_another(held):
    async def main():
        cache = held.async_cache()
        calls = []

        async def compute():
            calls.append(1)
            await asyncio.sleep(0.05 if len(calls) > 1 else 60)
            return "value"
        first = asyncio.create_task(cache.get_or_set("k", compute))
        while not calls:
            await asyncio.sleep(0)
        second = asyncio.create_task(cache.get_or_set("k", compute))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == "value" and len(calls) == 2
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not held.client.exists("cache!lease:k")
    asyncio.run(main())


def test_async_all_the_same(held):
    async def main():
        cache = held.async_cache(ttl=10, stale=60, soft_timeout=0.02, tags="t")
        go = asyncio.Event()
        values = iter(["old", "new"])

        async def value():
            await go.wait()
            return next(values)
        go.set()
        assert await cache.get_or_set("k", value) == "old"
        held.advance(11)
        go.clear()
        assert await cache.get_or_set("k", value) == "old"
        go.set()
        while await cache.get("k") != "new":
            await asyncio.sleep(0.001)
        assert await cache.invalidate_tags("t") == 1 and await cache.get("k", 3) == 3
        await cache.set_many({"a": 1, "b": 2})
        assert await cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
        assert await cache.delete("a") == 1 and await cache.clear() == 1
        await cache.close()
    asyncio.run(main())


def test_asyncio_on_a_real_redis(oracle):
    import redis.asyncio

    async def main():
        client = redis.asyncio.Redis(host=oracle.host, port=oracle.port, decode_responses=True)
        await client.flushall()
        async with AsyncCache(client, ttl=60) as cache:
            @cache.cached(tags="x")
            async def compute(word):
                return word.encode()
            assert await compute("é") == await compute("é") == "é".encode() and cache.statistics.compute == 1
            assert await compute.invalidate("é") == 1
            await compute("é")
            assert await cache.invalidate_tags("x") == 1
        await client.aclose()
    asyncio.run(main())


def test_a_forked_child_waits_for_no_thread_of_its_parent(remote):
    """What was being computed when the process forked is computed by nobody in the child; its lease in the store is the parent's."""
    import os
    from hutch.cache import LocalCache
    cache = Cache(redis.Redis(port=remote.connection_pool.connection_kwargs["port"]), lease=0.2, local=LocalCache())
    computing, go = threading.Event(), threading.Event()

    def slow():
        computing.set()
        go.wait(60)
        return "parent's"
    thread = threading.Thread(target=cache.get_or_set, args=("k", slow))
    thread.start()
    assert computing.wait(60)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if cache.get_or_set("k", lambda: "child's") == "child's" and cache.get("k") == "child's" else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    thread.join()
    assert cache.statistics.discard == 1 and cache.get("k") == "child's"
    cache.close()


def _process(url, path, barrier, results):
    client = redis.Redis.from_url(url) if url else hutch.Redis(path)
    cache = Cache(client, ttl=60)

    def compute():
        client.incr("computed")
        threading.Event().wait(0.2)
        return {"answer": 42}
    barrier.wait(60)
    results.put(cache.get_or_set("k", compute))
    client.close()


@pytest.mark.parametrize("where", ["redis", "path"])
def test_processes(where, request, tmp_path):
    context = multiprocessing.get_context("spawn")
    url = None
    if where == "redis":
        remote = request.getfixturevalue("remote")
        url = f"redis://127.0.0.1:{remote.connection_pool.connection_kwargs['port']}"
    barrier, results = context.Barrier(3), context.Queue()
    path = str(tmp_path / "store")
    processes = [context.Process(target=_process, args=(url, path, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    assert [results.get(timeout=100) for _ in processes] == [{"answer": 42}] * 3
    for process in processes:
        process.join(60)
    with redis.Redis.from_url(url) if url else hutch.Redis(path) as client:
        assert client.get("computed") == b"1"
