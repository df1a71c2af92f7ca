"""The exceptions of redis-py, and the two that only a store inside the process knows."""
from redis.exceptions import *  # noqa: F401,F403
from redis.exceptions import ConnectionError as _ConnectionError


class StoreClosedError(_ConnectionError):
    """The store was closed, or a client's session in it ended (QUIT, CLIENT KILL)."""


class ForkedError(_ConnectionError):
    """The store belongs to the process that this one was forked from. Make a store of your own."""
