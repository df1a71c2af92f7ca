"""Cache: for functions and threads."""
from __future__ import annotations

import contextvars
import os
import re
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable, Mapping, ParamSpec, TypeVar, overload

from .clock import Clock, clock_of
from .entries import EntryCodec
from .flights import Flight, Flights
from .flows import STORE_ERRORS, Flow, Flows
from .functions import CachedFunction, KeyOf, decorate
from .keys import as_key
from .options import Options
from .scripts import REMOVES_MANY
from .serializers import Serializer, serializer_of
from .statistics import Statistics
from .stores import SyncStore

P = ParamSpec("P")
R = TypeVar("R")

_caches: weakref.WeakSet[Any] = weakref.WeakSet()


class BaseCache:
    """What Cache and AsyncCache have in common: the options and the rules."""

    _flight: type[Any]

    def _begin(self, store: Any, namespace: str, serializer: str | Serializer, compress_above: int | None, max_bytes: int, clock: Clock | None,
               on_store_error: str, options: dict[str, Any]) -> None:
        if not namespace or any(sign in namespace for sign in ":!"):
            raise ValueError("a namespace is not empty, and has no ':' or '!'")
        if hasattr(store.client, "nodes_manager") and not re.search(r"\{[^}]+\}", namespace):
            raise ValueError('on a cluster all keys of a cache have to be in one slot: put a part of its namespace in braces, as in "{cache}"')
        if on_store_error not in ("compute", "raise"):
            raise ValueError("on_store_error is 'compute' or 'raise'")
        self._store = store
        self._options = Options(**options)
        self._flows = Flows(namespace, EntryCodec(serializer_of(serializer), compress_above, max_bytes), self._options, Flights(self._flight),
                            clock or clock_of(store.client), on_store_error == "raise")
        self._local: Any = None
        _caches.add(self)

    @property
    def client(self) -> Any:
        """The client of the store."""
        return self._store.client

    @property
    def namespace(self) -> str:
        """The name that all keys of this cache begin with in the store."""
        return self._flows.name.decode()

    @property
    def options(self) -> Options:
        """The options of whatever does not say its own."""
        return self._options

    @property
    def statistics(self) -> Statistics:
        """What this cache has done so far."""
        return self._flows.statistics

    def on(self, event: str, function: Callable[[str, Any, Any], Any]) -> Callable[[], None]:
        """Call `function(event, key, detail)` at each such event (see hutch.cache.EVENTS; "*" for all), in the thread or task in which it happens.
        Returns a function that ends it. ValueError for an unknown event."""
        return self._flows.hooks.add(event, function)

    def _key(self, key: str | bytes) -> bytes:
        return self._flows.prefix + as_key(key)

    def _forget_flights(self) -> None:
        # In a child of a fork: the threads and tasks that were computing are not there.
        self._flows.flights = Flights(self._flight)
        if self._local is not None:
            self._local.forget()


class Cache(BaseCache):
    """A cache in a store: a Hutch store (None: one of its own; a name; a path; a hutch.Store), a URL, or a client (hutch.Redis, redis.Redis).

    `namespace`: what its keys begin with. `serializer`: msgpack, json, pickle, raw, or an object (hutch.cache.Serializer). `compress_above`: entries of
    more bytes are compressed. `max_bytes`: no entry is decompressed to more. `clock`: the time in seconds, the store's own by default, `sleep`: how to
    wait for others. `on_store_error`: "compute" goes on without the store, "raise" raises its error. `local`: a LocalCache that keeps entries of a remote
    store in this process. `threads`: how many computations may go on in the background. All other arguments are Options.

        >>> cache = Cache(ttl=60)
        >>> @cache.cached
        ... def double(number: int) -> int:
        ...     return 2 * number
        >>> double(21), double(21)
        (42, 42)
        >>> cache.statistics.hit
        1
    """

    _flight = Flight

    def __init__(self, store: Any = None, *, namespace: str = "cache", serializer: str | Serializer = "msgpack", compress_above: int | None = None,
                 max_bytes: int = 256 << 20, clock: Clock | None = None, sleep: Callable[[float], Any] = time.sleep,
                 on_store_error: str = "compute", local: Any = None, threads: int = 32, **options: Any):
        self._begin(SyncStore(store), namespace, serializer, compress_above, max_bytes, clock, on_store_error, options)
        self._sleep = sleep
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._fetch = self._store.get
        if local is not None:
            self._local = local
            self._fetch = local.attach(self)

    # ---- flows

    def _drive(self, flow: Flow) -> Any:
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._do(step)
                except BaseException as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            return end.value

    def _do(self, step: tuple[Any, ...]) -> Any:
        kind = step[0]
        if kind == "script":
            if self._local is not None:
                return self._change(step)
            return self._store.script(*step[1:])
        if kind == "call":
            return step[1]()
        if kind == "get":
            return self._fetch(step[1])
        if kind == "run":
            if self._local is not None and step[1][0] == "UNLINK":
                return self._change(step)
            return self._store.run(*step[1])
        if kind == "wait":
            return step[1].wait(step[2])
        if kind == "sleep":
            return self._sleep(step[1])
        if kind == "spawn":
            return self._spawn(step[1])
        raise AssertionError(kind)

    def _change(self, step: tuple[Any, ...]) -> Any:
        # Before, so that nobody here is served what the script replaces once it has run; and after, for what was read meanwhile.
        changed = step[1][1:] if step[0] == "run" else None if step[1] in REMOVES_MANY else step[2]
        self._local.changed(changed)
        try:
            return (self._store.run(*step[1]) if step[0] == "run" else self._store.script(*step[1:]))
        finally:
            self._local.changed(changed)

    def _spawn(self, flow: Flow) -> None:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="hutch-cache")
            self._executor.submit(contextvars.copy_context().run, self._drive, flow)

    def _forget_flights(self) -> None:
        super()._forget_flights()
        self._executor, self._lock = None, threading.Lock()

    # ---- functions

    @overload
    def cached(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...
    @overload
    def cached(self, function: None = None, /, *, key: KeyOf | None = None, prefix: str | None = None, ignore: Iterable[str] = (),
               **options: Any) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...
    def cached(self, function: Any = None, /, *, key: KeyOf | None = None, prefix: str | None = None, ignore: Iterable[str] = (),
               **options: Any) -> Any:
        """Decorate a function: its calls are answered from the cache. With or without arguments.

        `key`: a template (`"user:{user_id}"`) or a function of the same arguments that returns the key. `prefix`: what keys begin with, instead of
        module and name. `ignore`: parameters that do not make another call. All else are Options, instead of the cache's.
        TypeError for a coroutine function (see AsyncCache) and a generator function. A hit costs the making of the key and one GET.
        """
        def decorator(function: Callable[P, R]) -> CachedFunction[P, R]:
            return decorate(self, function, self._options.changed(**options), key, prefix, ignore)
        return decorator if function is None else decorator(function)

    # ---- keys

    def get(self, key: str | bytes, default: Any = None, *, stale: bool = False) -> Any:
        """The value of a key, or `default` when there is none; with `stale`, also one past its ttl that is kept for failures."""
        return self._drive(self._flows.read(self._key(key), default, stale))

    def get_many(self, keys: Iterable[str | bytes], *, stale: bool = False) -> dict[str | bytes, Any]:
        """The values of those keys that have one, by key, in one command."""
        names = {self._key(key): key for key in keys}
        return {names[name]: value for name, value in self._drive(self._flows.read_many(list(names), stale)).items()}

    def get_or_set(self, key: str | bytes, compute: Callable[[], R], **options: Any) -> R:
        """The value of a key, computed by `compute()` when there is none, by all the rules of Options. Raises what `compute` raises."""
        name = self._key(key)
        changed = self._options.changed(**options)
        try:
            data = self._fetch(name)
        except STORE_ERRORS as error:
            self._flows.store_failed(name, error)
            data = None
        return self._drive(self._flows.obtain(name, compute, changed, changed.tags_of(), data))

    def set(self, key: str | bytes, value: Any, **options: Any) -> None:
        """Keep a value (cache-aside). Whatever is being computed for the key will not be stored. NotSerializableError; the store's errors are raised."""
        changed = self._options.changed(**options)
        self._drive(self._flows.put(self._key(key), value, changed, changed.tags_of()))

    def set_many(self, values: Mapping[str | bytes, Any], **options: Any) -> None:
        """Keep several values; each is stored by itself."""
        changed = self._options.changed(**options)
        self._drive(self._flows.put_many([(self._key(key), value) for key, value in values.items()], changed, changed.tags_of()))

    def delete(self, *keys: str | bytes) -> int:
        """Remove values; what is being computed for these keys will not be stored. How many there were."""
        return self._drive(self._flows.remove([self._key(key) for key in keys]))

    def invalidate_tags(self, *tags: str) -> int:
        """Remove all values with one of these tags, at once; what is being computed with one of them will not be stored. How many there were.
        O(values with the tags)"""
        return self._drive(self._flows.invalidate_tags(tags, self._options.lease))

    def invalidate_prefix(self, prefix: str | bytes) -> int:
        """Remove all values whose keys begin so, at once; nothing that is being computed will be stored. How many there were. O(keys in the database):
        tags are quicker where the store has many."""
        return self._drive(self._flows.invalidate_prefix(as_key(prefix), self._options.lease))

    def clear(self) -> int:
        """Remove all values of this cache's namespace. How many there were. O(keys in the database)"""
        return self.invalidate_prefix(b"")

    def close(self) -> None:
        """Wait for what goes on in the background; end what was made for this cache: its store too, if it is the cache's own."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()
        if self._local is not None:
            self._local.close()
        self._store.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _after_fork() -> None:
    for cache in list(_caches):
        cache._forget_flights()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
