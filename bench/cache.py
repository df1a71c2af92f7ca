"""What a hit of a cached function costs: ns a call of CPU time, Hutch and its peers in turn.

    python bench/cache.py [--rounds 7] [--calls 20000]

Peers that are installed take part: cachetools (a TTLCache, whose value is shared by all callers), cashews in memory, diskcache (which keeps a file) and aiocache in memory. All have
a ttl. `null` is a function that returns a constant. Each round runs every subject once; the figure is the best round's, and the ratio is between bests.
"""
import argparse
import asyncio
import importlib.metadata
import platform
import sys
import tempfile
import time

from hutch.cache import AsyncCache, Cache, FixedWindow, SlidingWindow, TokenBucket

VALUE = {"id": 17, "name": "Ada", "tags": ["a", "b"], "rate": 1.5}
DATA = b"some bytes of a small value"


def null(number, word):
    return DATA


def of_hutch():
    small, raw = Cache(ttl=600), Cache(ttl=600, serializer="raw")

    @small.cached
    def values(number, word):
        return VALUE

    @raw.cached
    def data(number, word):
        return DATA
    tagged = Cache(ttl=600, stale=60)

    @tagged.cached
    def timed(number, word):
        return VALUE
    return {"hutch.cache, msgpack": values, "hutch.cache, bytes (raw)": data, "hutch.cache, msgpack, stale-on-error": timed}


def of_peers():
    subjects = {}
    try:
        import cachetools

        @cachetools.cached(cachetools.TTLCache(1000, 600))
        def shared(number, word):
            return VALUE
        subjects["cachetools TTLCache"] = shared
    except ImportError:
        print("cachetools is not installed")
    try:
        import diskcache
        disk = diskcache.Cache(tempfile.mkdtemp(prefix="hutch-bench-"))

        @disk.memoize(expire=600)
        def kept(number, word):
            return VALUE
        subjects["diskcache"] = kept
    except ImportError:
        print("diskcache is not installed")
    return subjects


def of_asyncio():
    small, raw = AsyncCache(ttl=600), AsyncCache(ttl=600, serializer="raw")

    @small.cached
    async def values(number, word):
        return VALUE

    @raw.cached
    async def data(number, word):
        return DATA

    async def empty(number, word):
        return DATA
    subjects = {"null (a coroutine)": empty, "hutch.cache AsyncCache, msgpack": values, "hutch.cache AsyncCache, bytes (raw)": data}
    try:
        from cashews import cache
        cache.setup("mem://")

        @cache(ttl=600, key="key:{number}:{word}")
        async def cashew(number, word):
            return VALUE
        subjects["cashews mem"] = cashew
    except ImportError:
        print("cashews is not installed")
    try:
        import aiocache

        @aiocache.cached(ttl=600)
        async def aio(number, word):
            return VALUE
        subjects["aiocache mem"] = aio
    except ImportError:
        print("aiocache is not installed")
    return subjects


def cpu_ns(function, calls):
    began = time.thread_time_ns()
    for _ in range(calls):
        function(7, "word")
    return (time.thread_time_ns() - began) / calls


async def cpu_ns_async(function, calls):
    began = time.thread_time_ns()
    for _ in range(calls):
        await function(7, "word")
    return (time.thread_time_ns() - began) / calls


def show(best, unit):
    for name, ns in best.items():
        print(f"  {name:42} {ns:9,.0f} ns  {ns / unit:6.2f}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--calls", type=int, default=20_000)
    options = options.parse_args()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("hutch", "cachetools", "cashews", "diskcache", "aiocache")
                if name in {dist.metadata["Name"] for dist in importlib.metadata.distributions()}]
    print(f"Python {platform.python_version()}, {platform.machine()}; {', '.join(versions)}")

    subjects = {"null": null, **of_hutch(), **of_peers()}
    best = {name: float("inf") for name in subjects}
    for function in subjects.values():
        function(7, "word")
    for _ in range(options.rounds):
        for name, function in subjects.items():
            best[name] = min(best[name], cpu_ns(function, options.calls))
    print("a hit, and its ratio to hutch.cache with msgpack:")
    show(best, best["hutch.cache, msgpack"])

    async def asynchronous():
        subjects = of_asyncio()
        best = {name: float("inf") for name in subjects}
        for function in subjects.values():
            await function(7, "word")
        for _ in range(options.rounds):
            for name, function in subjects.items():
                best[name] = min(best[name], await cpu_ns_async(function, max(options.calls // 4, 100)))
        print("an awaited hit, and its ratio to hutch.cache with msgpack:")
        show(best, best["hutch.cache AsyncCache, msgpack"])
    asyncio.run(asynchronous())

    others = {"a miss (single flight, lease and store)": missing(Cache(ttl=600)),
              "a miss without single flight": missing(Cache(ttl=600, single_flight=False))}
    for kind in (FixedWindow, SlidingWindow, TokenBucket):
        limit = kind(limit=1000, per=1)
        others[f"{kind.__name__}.hit"] = lambda number, word, limit=limit: limit.hit("key")
    print("others:")
    show({name: min(cpu_ns(function, options.calls // 4) for _ in range(options.rounds)) for name, function in others.items()},
         best["hutch.cache, msgpack"])


def missing(cache):
    numbers = iter(range(1 << 60))
    function = cache.cached(lambda number: VALUE, prefix="f")
    return lambda number, word: function(next(numbers))


if __name__ == "__main__":
    sys.exit(main())
