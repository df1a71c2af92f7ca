"""Redis in the room: an in-process, Redis-compatible data-structure engine with redis-py's API.

    >>> import hutch
    >>> r = hutch.Redis()
    >>> r.set("greeting", "hello")
    True
    >>> r.get("greeting")
    b'hello'
"""
from . import exceptions
from .client import Pipeline, Redis, StrictRedis, from_url
from .connection import EmbeddedBlockingConnectionPool, EmbeddedConnection, EmbeddedConnectionPool
from .exceptions import *  # noqa: F401,F403
from .exceptions import REDIS_NAMES
from .store import Store
from .version import __version__

# As redis calls them.
BlockingConnectionPool = EmbeddedBlockingConnectionPool
Connection = EmbeddedConnection
ConnectionPool = EmbeddedConnectionPool

__all__ = ["BlockingConnectionPool", "Connection", "ConnectionPool", "EmbeddedBlockingConnectionPool", "EmbeddedConnection",
           "EmbeddedConnectionPool", "ForkedError", "OwnerLostError", "Pipeline", "Redis", "Server", "SharedStore", "Store", "StoreClosedError",
           "StoreLockedError", "StrictRedis", "__version__", "exceptions", "from_url", *REDIS_NAMES]


def __getattr__(name):
    # Loaded when asked for: a program that only uses the store in process needs no server.
    if name == "Server":
        from .server import Server
        return Server
    if name == "SharedStore":
        from .shared import SharedStore
        return SharedStore
    if name in ("asyncio", "cache"):
        from importlib import import_module
        return import_module(f"hutch.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), "Server", "SharedStore", "asyncio", "cache"})
