"""redis.asyncio's API on a store inside this process.

    >>> import asyncio
    >>> import hutch.asyncio
    >>> async def main():
    ...     async with hutch.asyncio.Redis(decode_responses=True) as r:
    ...         await r.set("greeting", "hello")
    ...         return await r.get("greeting")
    >>> asyncio.run(main())
    'hello'

A plain command runs at once, in the event loop's thread: it is a function call. A blocking one parks its task until it is
served; no thread waits. Clients of hutch.Redis and of this module share a store by its name, or by `store=`.
"""
from .client import Pipeline, Redis, from_url
from .connection import EmbeddedConnection, EmbeddedConnectionPool

__all__ = ["EmbeddedConnection", "EmbeddedConnectionPool", "Pipeline", "Redis", "from_url"]
