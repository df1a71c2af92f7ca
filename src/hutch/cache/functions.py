"""Cached functions: what a decorator returns, sync and asyncio."""
from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Concatenate, Generic, ParamSpec, TypeVar, overload

from hutch_engine.door.cached_calls import Lookup, Missed

from .errors import CacheKeyError
from .flows import STORE_ERRORS, Flows
from .keys import CallKeys, as_key, called, prefix_of
from .options import Options
from .serializers import MsgPack, Raw, _restore

if TYPE_CHECKING:
    from .asyncio import AsyncCache
    from .sync import Cache

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

KeyOf = str | Callable[..., "str | bytes"]


class CachedFunction(ABC, Generic[P, R]):
    """How a type checker sees a cached function: it is called as before, and has these besides. (At run time it is a plain function with attributes,
    so a method's `self` is an argument like any other: `Class.method.invalidate(self, ...)`.)"""

    cache: Any
    options: Options
    __wrapped__: Callable[P, R]

    @abstractmethod
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it: the value comes from the cache, or is computed."""

    if TYPE_CHECKING:
        @overload
        def __get__(self, instance: None, owner: type[Any]) -> CachedFunction[P, R]: ...
        @overload
        def __get__(self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type[Any]) -> Callable[Q, R]: ...
        def __get__(self, instance: Any, owner: type[Any]) -> Any: ...

    @abstractmethod
    def key(self, *args: P.args, **kwargs: P.kwargs) -> bytes:
        """The key of this call in the cache (without the cache's namespace)."""

    @abstractmethod
    def uncached(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""

    @abstractmethod
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Remove this call's value; of one that is being computed, the value will not be kept. How many there were."""

    @abstractmethod
    def invalidate_all(self) -> Any:
        """Remove the values of all calls. How many there were."""

    @abstractmethod
    def put(self, value: R, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Keep a value for this call, without computing it."""

    @abstractmethod
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute this call's value and keep it, whatever there is."""


class AsyncCachedFunction(CachedFunction[P, Awaitable[R]]):
    """The same for a coroutine function: everything but `key` is awaited."""


def template_of(function: Callable[..., Any], template: str) -> Callable[..., str]:
    """Makes keys by a template, `"user:{user_id}"`, of a call's arguments by name. CacheKeyError for a name that is no parameter."""
    import string
    signature = inspect.signature(function)
    for _, field, _, _ in string.Formatter().parse(template):
        name = field.split(".")[0].split("[")[0] if field is not None else None
        if name is not None and name not in signature.parameters:
            raise CacheKeyError(f"key={template!r}: {called(function)} has no parameter {name!r}")

    def key(*args: Any, **kwargs: Any) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return template.format_map(bound.arguments)
    return key


class Calls:
    """One function's calls: their keys, how they are computed, and with which options."""

    def __init__(self, flows: Flows, function: Callable[..., Any], options: Options, key: KeyOf | None, prefix: str | None, ignore: Any):
        self.flows = flows
        self.function = function
        self.options = options
        if key is not None and (prefix is not None or ignore):
            raise CacheKeyError("key= makes the whole key: prefix= and ignore= have no part in it")
        self.prefix = (prefix if prefix is not None else prefix_of(function) if key is None else called(function)).encode()
        self.own_key = template_of(function, key) if isinstance(key, str) else key
        self.keys = CallKeys(function, flows.prefix + self.prefix, ignore)
        self.quick_count = self.keys.quick_count if key is None else -1

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The key in the store."""
        if self.own_key is not None:
            return self.flows.prefix + as_key(self.own_key(*args, **kwargs))
        return self.keys(args, kwargs)

    def obtain(self, key: bytes, args: tuple[Any, ...], kwargs: dict[str, Any], data: bytes | None) -> Any:
        """The flow to a call's value."""
        return self.flows.obtain(key, functools.partial(self.function, *args, **kwargs), self.options, self.tags(args, kwargs), data)

    def tags(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """The tags of a call."""
        return self.options.tags_of(args, kwargs)

    def without_store(self, key: bytes, error: BaseException) -> None:
        """The store could not be asked: raise the error, unless the cache does without it."""
        if not isinstance(error, STORE_ERRORS):
            raise error
        self.flows.store_failed(key, error)

    def all_prefix(self) -> bytes:
        """How all keys begin. CacheKeyError when the program makes them itself."""
        if self.own_key is not None:
            raise CacheKeyError("the keys of this function are made by key=: remove them by a tag, or by Cache.invalidate_prefix")
        return self.prefix


def lookup_of(calls: Calls, fetch: Callable[[bytes], Any]) -> Lookup:
    """The compiled way of a hit."""
    flows = calls.flows
    serializer = flows.codec.serializer
    kind = type(serializer)
    loads = None if kind is Raw else _restore if kind is MsgPack else serializer.loads
    clock = None if calls.options.early else flows.clock         # who may compute early has to draw
    return Lookup(calls.keys.prefix, calls.quick_count, calls.key, fetch, flows.codec.plain, kind is MsgPack, loads,
                  flows.statistics.counter("hit"), flows.hooks, clock)


def _refuse_descriptors(function: Any) -> None:
    if isinstance(function, (classmethod, property)):
        name = type(function).__name__
        raise TypeError(f"a {name} is no function: write @{name} above the cache's decorator, not below it")


def decorate(cache: Cache, function: Callable[P, R], options: Options, key: KeyOf | None, prefix: str | None, ignore: Any) -> CachedFunction[P, R]:
    """A function that answers from the cache."""
    _refuse_descriptors(function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{called(function)} is a coroutine function: it needs hutch.cache.AsyncCache")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"{called(function)} is a generator function: what it yields cannot be kept")
    flows = cache._flows
    calls = Calls(flows, function, options, key, prefix, ignore)
    drive, make_key = cache._drive, calls.key
    look = lookup_of(calls, cache._fetch)

    @functools.wraps(function)
    def cached(*args: Any, **kwargs: Any) -> Any:
        value = look(args, kwargs)
        if type(value) is not Missed:
            return value
        if value.error is not None:
            calls.without_store(value.name, value.error)
        return drive(calls.obtain(value.name, args, kwargs, value.data))

    def invalidate(*args: Any, **kwargs: Any) -> int:
        return drive(flows.remove([make_key(args, kwargs)]))

    def invalidate_all() -> int:
        prefix = calls.all_prefix()
        return drive(flows.invalidate_prefix(prefix + b"(", options.lease)) + drive(flows.invalidate_prefix(prefix + b"#", options.lease))

    def put(value: Any, *args: Any, **kwargs: Any) -> None:
        drive(flows.put(make_key(args, kwargs), value, options, calls.tags(args, kwargs)))

    def refresh(*args: Any, **kwargs: Any) -> Any:
        name = make_key(args, kwargs)
        value = function(*args, **kwargs)
        drive(flows.put(name, value, options, calls.tags(args, kwargs)))
        return value

    return _finished(cached, cache, calls, invalidate, invalidate_all, put, refresh)


def decorate_async(cache: AsyncCache, function: Callable[P, Awaitable[R]], options: Options, key: KeyOf | None, prefix: str | None,
                   ignore: Any) -> AsyncCachedFunction[P, R]:
    """A coroutine function that answers from the cache."""
    _refuse_descriptors(function)
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{called(function)} is no coroutine function: it needs hutch.cache.Cache")
    flows = cache._flows
    calls = Calls(flows, function, options, key, prefix, ignore)
    drive, fetch, make_key = cache._drive, cache._fetch, calls.key
    look = lookup_of(calls, fetch)

    @functools.wraps(function)
    async def cached(*args: Any, **kwargs: Any) -> Any:
        name = look.key(args, kwargs)
        try:
            data = await fetch(name)
        except STORE_ERRORS as error:
            calls.without_store(name, error)
            data = None
        value = look.open(name, data)
        if type(value) is not Missed:
            return value
        return await drive(calls.obtain(name, args, kwargs, data))

    async def invalidate(*args: Any, **kwargs: Any) -> int:
        return await drive(flows.remove([make_key(args, kwargs)]))

    async def invalidate_all() -> int:
        prefix = calls.all_prefix()
        return (await drive(flows.invalidate_prefix(prefix + b"(", options.lease))
                + await drive(flows.invalidate_prefix(prefix + b"#", options.lease)))

    async def put(value: Any, *args: Any, **kwargs: Any) -> None:
        await drive(flows.put(make_key(args, kwargs), value, options, calls.tags(args, kwargs)))

    async def refresh(*args: Any, **kwargs: Any) -> Any:
        name = make_key(args, kwargs)
        value = await function(*args, **kwargs)
        await drive(flows.put(name, value, options, calls.tags(args, kwargs)))
        return value

    return _finished(cached, cache, calls, invalidate, invalidate_all, put, refresh)


def _finished(cached: Any, cache: Any, calls: Calls, invalidate: Any, invalidate_all: Any, put: Any, refresh: Any) -> Any:
    """The attributes of a cached function."""
    begin = len(calls.flows.prefix)
    cached.cache = cache
    cached.options = calls.options
    cached.uncached = calls.function
    cached.key = lambda *args, **kwargs: calls.key(args, kwargs)[begin:]
    cached.invalidate, cached.invalidate_all, cached.put, cached.refresh = invalidate, invalidate_all, put, refresh
    return cached
