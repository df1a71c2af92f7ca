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

What takes long takes the loop's time: a script that runs for a second holds up its event loop for that second (other
threads and loops go on, and may kill it past `busy-reply-threshold`). Run such a one in a thread:
`await asyncio.to_thread(hutch.Redis(store=r.store).eval, script, 0)`.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import *  # noqa: F401,F403
from ..exceptions import REDIS_NAMES
from .client import Pipeline, Redis, StrictRedis, from_url
from .connection import EmbeddedBlockingConnectionPool, EmbeddedConnection, EmbeddedConnectionPool
from .lock import Lock
from .pubsub import PubSub

if TYPE_CHECKING:                        # names that a type checker does not see in a computed __all__
    from redis.exceptions import *  # noqa: F401,F403
    from ..exceptions import ForkedError, OwnerLostError, StoreClosedError, StoreLockedError
    from ..connecting import AsyncClient

# As redis.asyncio calls them.
BlockingConnectionPool = EmbeddedBlockingConnectionPool
Connection = EmbeddedConnection
ConnectionPool = EmbeddedConnectionPool

__all__ = ["BlockingConnectionPool", "Connection", "ConnectionPool", "EmbeddedBlockingConnectionPool", "EmbeddedConnection",
           "EmbeddedConnectionPool", "ForkedError", "Lock", "OwnerLostError", "Pipeline", "PubSub", "Redis", "StoreClosedError",
           "StoreLockedError", "StrictRedis", "connect", "from_url", *REDIS_NAMES]


def connect(url: str, **options: Any) -> AsyncClient:
    """A client of whatever the URL names, for asyncio: see hutch.connect, whose URLs and errors it has. Nothing is connected, and
    nothing but the URL is looked at, before the first call is awaited."""
    from ..connecting import connect_async
    return connect_async(url, **options)
