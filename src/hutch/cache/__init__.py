"""A cache for functions and values, sync and asyncio, in a Hutch store or any Redis.

    >>> from hutch.cache import Cache
    >>> cache = Cache(ttl=60)
    >>> @cache.cached(tags="users")
    ... def user(number: int) -> dict:
    ...     return {"number": number}
    >>> user(7)
    {'number': 7}
    >>> cache.invalidate_tags("users")
    1

docs/caching.md says what each option promises.
"""
from .asyncio import AsyncCache
from .errors import (
    CacheError, CacheKeyError, CacheTimeoutError, NotSerializableError, QueueFullError, RateLimited, WriteError)
from .functions import AsyncCachedFunction, CachedFunction
from .keys import key_text
from .limits import (
    AsyncFixedWindow, AsyncSlidingWindow, AsyncTokenBucket, FixedWindow, SlidingWindow, TokenBucket, Verdict)
from .local import LocalCache
from .options import Options
from .patterns import AsyncReadThrough, AsyncWriteAround, AsyncWriteThrough, ReadThrough, WriteAround, WriteThrough
from .serializers import Json, MsgPack, Pickle, Raw, Serializer
from .statistics import EVENTS, Statistics
from .sync import Cache
from .write_behind import AsyncWriteBehind, FailedWrite, WriteBehind

__all__ = [
    "AsyncCache", "AsyncCachedFunction", "AsyncFixedWindow", "AsyncReadThrough", "AsyncSlidingWindow",
    "AsyncTokenBucket", "AsyncWriteAround", "AsyncWriteBehind", "AsyncWriteThrough", "Cache", "CacheError",
    "CacheKeyError", "CacheTimeoutError", "CachedFunction", "EVENTS", "FailedWrite", "FixedWindow", "Json", "LocalCache", "MsgPack",
    "NotSerializableError", "Options", "Pickle", "QueueFullError", "RateLimited", "Raw", "ReadThrough", "Serializer",
    "SlidingWindow", "Statistics", "TokenBucket", "Verdict", "WriteAround", "WriteBehind", "WriteError", "WriteThrough",
    "key_text",
]
