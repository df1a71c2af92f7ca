"""Redis in the room: an in-process, Redis-compatible data-structure engine with redis-py's API.

    >>> import hutch
    >>> r = hutch.Redis()
    >>> r.set("greeting", "hello")
    True
    >>> r.get("greeting")
    b'hello'
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import exceptions
from .client import Pipeline, Redis, StrictRedis, from_url
from .connection import EmbeddedBlockingConnectionPool, EmbeddedConnection, EmbeddedConnectionPool
from .exceptions import *  # noqa: F401,F403
from .exceptions import REDIS_NAMES
from .store import Store
from .version import __version__

if TYPE_CHECKING:                        # what __getattr__ finds, and names that a type checker does not see in a computed __all__
    from redis.exceptions import *  # noqa: F401,F403
    from .connecting import Client
    from .exceptions import ForkedError, OwnerLostError, StoreClosedError, StoreLockedError
    from .server import Server
    from .shared import SharedStore
    from .tls import TLS

# As redis calls them.
BlockingConnectionPool = EmbeddedBlockingConnectionPool
Connection = EmbeddedConnection
ConnectionPool = EmbeddedConnectionPool

__all__ = ["BlockingConnectionPool", "Connection", "ConnectionPool", "EmbeddedBlockingConnectionPool", "EmbeddedConnection",
           "EmbeddedConnectionPool", "ForkedError", "OwnerLostError", "Pipeline", "Redis", "Server", "SharedStore", "Store", "StoreClosedError",
           "StoreLockedError", "StrictRedis", "TLS", "__version__", "connect", "exceptions", "from_url", *REDIS_NAMES]


def connect(url: str, **options: Any) -> Client:
    """A client of whatever the URL names: an application that gets it from its settings grows by changing one of them.

        >>> r = connect("hutch://", decode_responses=True)
        >>> r.set("greeting", "hello"), r.get("greeting")
        (True, 'hello')

    ``hutch://`` with a name or a path gives a hutch.Redis; ``redis://``, ``rediss://``, ``valkey://``, ``valkeys://`` and ``unix://`` a
    redis.Redis, of which that is one; ``redis+cluster://`` (and its like, or ``?cluster=true``) a redis.cluster.RedisCluster, which has
    the same methods. `options` are those of the client; the URL's query wins over them.

    ValueError for a scheme that is not known and for a URL that cannot be; TypeError for an option that the client does not have;
    for a cluster, redis-py's exceptions when none of its nodes answers (the others connect at their first call). docs/growing.md
    """
    from .connecting import connect
    return connect(url, **options)


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a program that only uses the store in process needs no server.
    if name == "Server":
        from .server import Server
        return Server
    if name == "TLS":
        from .tls import TLS
        return TLS
    if name == "SharedStore":
        from .shared import SharedStore
        return SharedStore
    if name in ("asyncio", "cache"):
        from importlib import import_module
        return import_module(f"hutch.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "Server", "SharedStore", "TLS", "asyncio", "cache"})
