"""Fresh clients, quickly made: each test has a store of its own, in which nothing is left of the one before.

A new store costs some five microseconds, so nothing is tidied up between tests: keys, CONFIG, scripts, users, subscriptions and
sessions end with their store. What would cost more than all that is redis-py's making of a client; so one is made for each set
of options, and copied.
"""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

from .. import store as stores
from ..embedded_client import Callbacks
from ..store import Store

__all__ = ["fresh_async_client", "fresh_client", "named_for_now"]

_patterns: dict[tuple, Any] = {}         # (class, options) -> a client that nobody uses


def _fresh(kind: type, store: Store, options: dict[str, Any]) -> Any:
    try:
        key = kind, tuple(sorted(options.items()))
        pattern = _patterns.get(key)
    except TypeError:            # an option that cannot be hashed, or compared
        return kind(store=store, **options)
    if pattern is None:
        pattern = _patterns[key] = kind(store=Store(), **options)
    pool = pattern.connection_pool
    kwargs = dict(pool.connection_kwargs)
    del kwargs["store"]
    client = kind.__new__(kind)
    client.__dict__.update(pattern.__dict__)
    client.__dict__["response_callbacks"] = client.__dict__["_own_callbacks"] = callbacks = Callbacks(pattern.response_callbacks)
    callbacks.clients.add(client)
    client.__dict__["connection_pool"] = type(pool)(store=store, max_connections=pool.max_connections, **kwargs)
    client._begin()
    return client


def fresh_client(store: Store, **options: Any) -> Any:
    """A hutch.Redis on this store, with hutch.Redis's options; it is the caller's to close. Raises what hutch.Redis does."""
    from ..client import Redis
    return _fresh(Redis, store, options)


def fresh_async_client(store: Store, **options: Any) -> Any:
    """A hutch.asyncio.Redis on this store, with its options; it is the caller's to close. Raises what hutch.asyncio.Redis does."""
    from ..asyncio.client import Redis
    return _fresh(Redis, store, options)


@contextmanager
def named_for_now(store: Store, name: str) -> Iterator[None]:
    """In a ``with`` block, hutch.Redis(name) leads to this store; afterwards to the one it led to before. ValueError for an empty
    name."""
    if not name:
        raise ValueError("a store's name must not be empty")
    with stores._lock:
        before = stores._named.get(name)
        store.name = name
        stores._named[name] = store
    try:
        yield
    finally:
        with stores._lock:
            if stores._named.get(name) is store:
                if before is None:
                    del stores._named[name]
                else:
                    stores._named[name] = before
