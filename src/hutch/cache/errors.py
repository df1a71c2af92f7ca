"""What hutch.cache raises of its own."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .limits import Verdict


class CacheError(Exception):
    """The base of the errors that are the cache's own, and not the function's or the store's."""


class CacheTimeoutError(CacheError, TimeoutError):
    """A computation took longer than its `timeout`, and there was no older value to serve. It goes on, and its value is kept."""


class CacheKeyError(CacheError, TypeError):
    """Arguments of which no key can be made; the message says what to do about it."""


class NotSerializableError(CacheError, TypeError):
    """A value that the cache's serializer has no bytes for. It was computed, and is in `value`."""

    def __init__(self, message: str, value: Any = None) -> None:
        super().__init__(message)
        self.value = value


class QueueFullError(CacheError):
    """As many writes wait for the writer of a write-behind cache as its `max_queue` allows. Nothing was changed."""


class WriteError(CacheError):
    """Writes that were not written when a write-behind cache had to be empty (`flush`). They are still kept: `pending`, `failed`."""


class RateLimited(CacheError):
    """A limited call was not allowed; `verdict` says when it will be."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"too many calls: try again in {verdict.retry_after:.3f} seconds")
        self.verdict = verdict
