"""hutch.cache on a real Redis Cluster, with clients of both kinds, decoding or not."""
import asyncio

import pytest
import redis
import redis.asyncio

import hutch
from hutch.cache import AsyncCache, AsyncSlidingWindow, AsyncWriteBehind, Cache, LocalCache, SlidingWindow, TokenBucket, WriteBehind
from kit.cluster import RedisCluster


@pytest.fixture(scope="module")
def node():
    with RedisCluster() as cluster:
        yield cluster.nodes[0]


@pytest.mark.parametrize("decode", [False, True])
def test_sync(node, decode):
    client = hutch.connect(f"redis+cluster://{node.host}:{node.port}", decode_responses=decode)
    with pytest.raises(ValueError, match="one slot"):
        Cache(client, namespace="plain")
    with pytest.raises(ValueError, match="one pool"):
        Cache(client, namespace="{x}", local=LocalCache())
    cache, calls = Cache(client, ttl=60, namespace=f"{{shop}}{decode}"), []

    @cache.cached(tags="t")
    def function(number):
        calls.append(number)
        return {"number": number, "bytes": b"\xff"}

    assert function(1) == function(1) == {"number": 1, "bytes": b"\xff"} and calls == [1]
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2} and cache.invalidate_tags("t") == 1 and cache.clear() == 2
    written = {}
    with WriteBehind(cache, "w", write=written.__setitem__, load=written.get) as behind:
        behind.set("k", b"\xff")
        assert behind.get("k") == b"\xff"
    assert written == {"k": b"\xff"}
    for kind in (SlidingWindow, TokenBucket):        # each key by itself: no braces are needed
        limit = kind(client, limit=1, per=60, namespace=f"rate{decode}")
        assert limit.hit(b"\xfe") and not limit.hit(b"\xfe") and limit.hit("other")
    client.close()


@pytest.mark.parametrize("decode", [False, True])
def test_asyncio(node, decode):
    async def go():
        client = redis.asyncio.RedisCluster(host=node.host, port=node.port, decode_responses=decode)
        cache, calls, written = AsyncCache(client, ttl=60, namespace=f"{{later}}{decode}"), [], {}

        @cache.cached(tags="t")
        async def function(number):
            calls.append(number)
            return {"bytes": b"\xff"}

        async def write(key, value):
            written[key] = value

        assert await function(1) == await function(1) == {"bytes": b"\xff"} and calls == [1]
        assert await cache.invalidate_tags("t") == 1
        async with AsyncWriteBehind(cache, "w", write=write) as behind:
            await behind.set("k", b"\xff")
        assert written == {"k": b"\xff"}
        limit = AsyncSlidingWindow(client, limit=1, per=60, namespace=f"later{decode}")
        assert await limit.hit() and not await limit.hit()
        await client.aclose()
    asyncio.run(go())
