"""The exceptions of redis-py, and the two that only a store inside the process knows."""
from redis.exceptions import *  # noqa: F401,F403
from redis import __all__ as _names
from redis import exceptions as _exceptions
from redis.exceptions import ConnectionError as _ConnectionError

# Those that `redis` has at its top level, and so has `hutch`.
REDIS_NAMES = sorted(name for name in _names if isinstance(getattr(_exceptions, name, None), type)
                     and issubclass(getattr(_exceptions, name), Exception))


class StoreClosedError(_ConnectionError):
    """The store was closed, or a client's session in it ended (QUIT, CLIENT KILL)."""


class ForkedError(_ConnectionError):
    """The store belongs to the process that this one was forked from. Make a store of your own."""


__all__ = sorted(name for name, value in globals().items() if isinstance(value, type) and issubclass(value, Exception)
                 and not name.startswith("_"))
