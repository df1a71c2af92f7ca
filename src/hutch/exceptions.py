"""The exceptions of redis-py, and those that only a store inside the process, or in a directory, knows."""
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


class StoreLockedError(_ConnectionError):
    """The store in a directory is open in another process that does not share it, or not yet."""


class OwnerLostError(_ConnectionError):
    """The process that owned the store ended while a command was under way that must not be run twice: whether it took effect is
    not known. It was not tried again. `commands` are those that were under way, as tuples of words."""

    commands = ()


__all__ = sorted(name for name, value in globals().items() if isinstance(value, type) and issubclass(value, Exception)
                 and not name.startswith("_"))
