"""Whose time it is.

The deadlines of entries are the store's own. What a cache decides for itself (is a value stale, shall it be computed early) must follow the same
clock, so that a test which moves a store's clock moves the cache with it.
"""
from __future__ import annotations

import time
from typing import Any, Callable

Clock = Callable[[], float]              # Unix time in seconds


def clock_of(client: Any) -> Clock:
    """The clock of the Hutch store that the client works on, while its engine is in this process; otherwise the system's."""
    try:
        store = client.store
        store.engine.clock_ms
    except Exception:                    # another library's client, or a store that has its engine elsewhere
        if not hasattr(client, "store"):
            return time.time
        store = client.store

    def now() -> float:
        try:
            return store.engine.clock_ms / 1000
        except Exception:                # closed, or owned by another process by now
            return time.time()
    return now


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, one at least: what a store takes as a time to live."""
    return max(1, round(seconds * 1000))
