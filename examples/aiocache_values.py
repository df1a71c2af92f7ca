"""aiocache on a Hutch store: its Redis backend with another client.

    python examples/aiocache_values.py
"""
import asyncio

from aiocache import RedisCache
from aiocache.serializers import JsonSerializer

import hutch.asyncio


def cache_on(client):
    cache = RedisCache(serializer=JsonSerializer(), namespace="example")
    cache.client = client
    return cache


async def main():
    async with hutch.asyncio.Redis() as client:
        cache = cache_on(client)
        await cache.set("ada", {"born": 1815}, ttl=60)
        print(await cache.get("ada"), await cache.increment("visits"), await cache.multi_get(["ada", "nobody"]), await cache.exists("ada"))


if __name__ == "__main__":
    asyncio.run(main())
