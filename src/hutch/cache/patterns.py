"""A cache in front of a source of truth: read-through, write-through, write-around. (Cache-aside is Cache itself, write-behind has a file of its own.)

A source is given as functions: `load(key)` returns a value (None: there is none), or `load_many(keys)` a dict of those there are; `write(key, value)` and
`erase(key)`, or `write_many(dict)` and `erase_many(keys)`. With an AsyncCache they are coroutine functions.
"""
from __future__ import annotations

import functools
import secrets
from typing import Any, Awaitable, Callable, Generic, Iterable, TypeVar

from .asyncio import AsyncCache
from .clock import milliseconds
from .entries import ABSENT
from .flows import FRESH, STORE_ERRORS, Flow
from .keys import key_text
from .options import Options
from .scripts import CLAIM, LOCK, RELEASE
from .sync import Cache

K = TypeVar("K")
V = TypeVar("V")


class Pattern:
    """The flows that sync and asyncio share. Keys are text (as it is), whole numbers (as text) or whatever else has a text (see key_text): a source has keys of one
    kind."""

    def _begin(self, cache: Any, name: str, source: dict[str, Callable[..., Any] | None], options: dict[str, Any]) -> None:
        self.cache = cache
        self.name = name
        self.options: Options = cache.options.changed(**options)
        self._flows = cache._flows
        self._prefix = self._flows.prefix + name.encode() + b":"
        self._load, self._load_many = source.get("load"), source.get("load_many")
        self._write, self._write_many = source.get("write"), source.get("write_many")
        self._erase, self._erase_many = source.get("erase"), source.get("erase_many")

    def _key(self, key: Any) -> bytes:
        text = key if type(key) is str else key_text(key)
        return self._prefix + text.encode("utf-8", "surrogatepass")

    def _tags(self, key: Any) -> tuple[str, ...]:
        return self.options.tags_of((key,))

    # Loading may be asked for one key or many, whichever of the two functions there is.

    def _loader(self, key: Any) -> Callable[[], Any]:
        if self._load is not None:
            return functools.partial(self._load, key)
        if self._load_many is None:
            raise TypeError(f"{type(self).__name__} has no load= to read {key!r} by")
        return _one_of_many(self._load_many, key, isinstance(self.cache, AsyncCache))

    def _compute(self, key: Any) -> Callable[[], Any]:
        """What is called for a key that the cache lacks."""
        return self._loader(key)

    def _get(self, key: Any) -> Flow:
        name = self._key(key)
        try:
            data = yield ("get", name)
        except STORE_ERRORS as error:
            self._flows.store_failed(name, error)
            data = None
        return (yield from self._flows.obtain(name, self._compute(key), self.options, self._tags(key), data))

    def _known(self, keys: list[Any]) -> Flow:
        """Of these keys, what is known besides the cache, without asking the source: {key: value}, where None says that there is no value."""
        return {}
        yield

    def _get_many(self, keys: Iterable[Any]) -> Flow:
        """What the cache has, in one command, and the rest from the source, in one call if it has load_many. Values of None are left out."""
        keys = list(dict.fromkeys(keys))
        names = {self._key(key): key for key in keys}
        found: dict[Any, Any] = {}
        try:
            replies = (yield ("run", ("MGET", *names))) if names else []
        except STORE_ERRORS as error:
            self._flows.store_failed(None, error)
            replies = [None] * len(names)
        missing = []
        for (name, key), data in zip(names.items(), replies):
            entry = self._flows.codec.parse(data)
            state = self._flows.worth(entry, self.options, draw=False)
            known, value = self._flows._answer_or_error(entry, self.options) if state == FRESH else (False, None)
            self._flows.tell("hit" if known else "miss", name)
            if known:
                found[key] = value if not (entry and entry.flags & ABSENT) else None
            else:
                missing.append(key)
        if missing:
            known_ones = yield from self._known(missing)
            found.update(known_ones)
            missing = [key for key in missing if key not in known_ones]
        if missing and self._load_many is not None:
            # The epoch, so that what is invalidated while it is loaded is not stored; a lease for each, so that a write to it has the same effect.
            tokens: dict[Any, tuple[bytes, int]] = {}
            load_many = self._load_many
            try:
                yield from self._lease_all(missing, tokens)
                loaded = yield ("call", lambda: load_many(missing))
                for key in missing:
                    value = loaded.get(key)
                    found[key] = value
                    yield from self._store_loaded(key, value, tokens.get(key))
                    tokens.pop(key, None)
            except GeneratorExit:        # nobody is there any more to be asked
                raise
            except BaseException:
                yield from self._release_all(missing, tokens)
                raise
        else:
            for key in missing:
                found[key] = yield from self._get(key)
        return {key: found[key] for key in keys if found.get(key) is not None}

    def _lease_all(self, keys: list[Any], tokens: dict[Any, tuple[bytes, int]]) -> Flow:
        """Leases of those keys that nobody computes, put into `tokens` as (token, epoch)."""
        if not self.options.single_flight:
            return
        for key in keys:
            name, token = self._key(key), secrets.token_hex(8).encode()
            tokens[key] = token, 0       # it may be granted, and the answer lost
            try:
                granted, epoch, *_ = yield ("script", CLAIM, (name, self._flows.lease_of(name), self._flows.epoch_key),
                                            (token, milliseconds(self.options.lease)))
            except STORE_ERRORS as error:
                del tokens[key]
                self._flows.store_failed(name, error)
                break
            if granted:
                tokens[key] = token, epoch
            else:
                del tokens[key]

    def _release_all(self, keys: list[Any], tokens: dict[Any, tuple[bytes, int]]) -> Flow:
        for key in keys:
            if key in tokens:
                try:
                    yield ("script", RELEASE, (self._flows.lease_of(self._key(key)),), (tokens[key][0],))
                except STORE_ERRORS as error:
                    self._flows.store_failed(None, error)

    def _store_loaded(self, key: Any, value: Any, lease: tuple[bytes, int] | None) -> Flow:
        options, name = self.options, self._key(key)
        if lease is None and options.single_flight:
            return                       # another one computes it, and stores it
        token, epoch = lease or (b"", 0)
        try:
            if (options.keep_if is not None and not options.keep_if(value)) or (value is None and options.negative_ttl == 0):
                if lease is not None:
                    yield from self._release_all([key], {key: lease})
            elif value is None and options.negative_ttl is not None:
                yield from self._flows.keep(name, self._flows.absent_entry(None, options), options.negative_ttl, 0, self._tags(key), token, epoch)
            else:
                ttl = options.ttl_of(value)
                yield from self._flows.keep(name, self._flows.entry(value, ttl, 0.0, options), ttl, options.stale, self._tags(key), token, epoch)
        except STORE_ERRORS as error:
            self._flows.store_failed(name, error)

    # ---- writing

    def _writer(self, key: Any, value: Any) -> Callable[[], Any]:
        if self._write is not None:
            return functools.partial(self._write, key, value)
        if self._write_many is None:
            raise TypeError(f"{type(self).__name__} has no write= to write {key!r} by")
        return functools.partial(self._write_many, {key: value})

    def _eraser(self, key: Any) -> Callable[[], Any]:
        if self._erase is not None:
            return functools.partial(self._erase, key)
        if self._erase_many is None:
            raise TypeError(f"{type(self).__name__} has no erase= to delete {key!r} by")
        return functools.partial(self._erase_many, [key])

    def _put_through(self, key: Any, change: Callable[[], Any], value: Any, erased: bool) -> Flow:
        """Change the source, then the cache, in the lease of the key: two writers of a key do so one after the other, and nobody loads in between."""
        flows, name = self._flows, self._key(key)
        token = b"w:" + secrets.token_hex(8).encode()
        lease = flows.lease_of(name)
        pause = 0.002
        try:
            while not (yield ("script", LOCK, (lease,), (token, milliseconds(self.options.lease)))):
                yield ("sleep", pause)
                pause = min(pause * 1.5, 0.1)
        except GeneratorExit:            # nobody is there any more to be asked
            raise
        except BaseException:            # it may have been granted, and the answer lost
            try:
                yield ("script", RELEASE, (lease,), (token,))
            except STORE_ERRORS as error:
                flows.tell("store_error", name, error)
            raise
        try:
            yield ("call", change)
        except BaseException as error:
            flows.tell("write_error", name, error)
            # It may have been written and not confirmed: nobody knows, so nothing is kept.
            yield from flows.remove([name])
            raise
        flows.tell("write", name)
        kept = False
        if not erased:
            try:
                ttl = self.options.ttl_of(value)
                entry = flows.entry(value, ttl, 0.0, self.options)
                # Only the lease is asked: what the source has now is newer than any invalidation.
                kept = yield from flows.keep(name, entry, ttl, self.options.stale, self._tags(key), token, 1 << 53)
            except GeneratorExit:
                raise
            except BaseException:        # the source has a newer value than the cache
                yield from flows.remove([name])
                raise
        if not kept:                     # deleted, or the write took longer than the lease: who reads next loads it
            yield ("script", RELEASE, (lease,), (token,))
            yield from flows.remove([name])

    def _put_around(self, key: Any, change: Callable[[], Any]) -> Flow:
        """Change the source, and forget what the cache has. What was loaded before the change is not stored after it."""
        name = self._key(key)
        try:
            yield ("call", change)
        except BaseException as error:
            self._flows.tell("write_error", name, error)
            raise
        else:
            self._flows.tell("write", name)
        finally:
            yield from self._flows.remove([name])


def _one_of_many(load_many: Callable[..., Any], key: Any, is_async: bool) -> Callable[[], Any]:
    if is_async:
        async def load() -> Any:
            return (await load_many([key])).get(key)
        return load
    return lambda: load_many([key]).get(key)


class ReadThrough(Pattern, Generic[K, V]):
    """Values come from the cache, which loads what it lacks from the source: `load(key)`, or `load_many(keys)`, or both. `name` is what its keys begin with in
    the cache. All other arguments are Options, instead of the cache's; `tags` may be a function of the key."""

    def __init__(self, cache: Cache, name: str, *, load: Callable[[K], V | None] | None = None,
                 load_many: Callable[[list[K]], dict[K, V]] | None = None, **options: Any):
        self._begin(cache, name, {"load": load, "load_many": load_many}, options)

    def get(self, key: K) -> V | None:
        """The value, loaded where it is not cached. None when the source has none. Raises what `load` raises."""
        return self.cache._drive(self._get(key))

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of those keys that have one; what is not cached is loaded by one call of `load_many`, if there is one."""
        return self.cache._drive(self._get_many(keys))

    def invalidate(self, *keys: K) -> int:
        """Forget what the cache has of these keys: somebody else changed the source. How many there were."""
        return self.cache._drive(self._flows.remove([self._key(key) for key in keys]))


class WriteThrough(ReadThrough[K, V]):
    """A write goes to the source, and then to the cache, before the call returns. Two writers of one key do it one after the other, in all processes. A write
    that fails raises what `write` raised, and the cache forgets the key, since nobody knows how far it came."""

    def __init__(self, cache: Cache, name: str, *, write: Callable[[K, V], Any], erase: Callable[[K], Any] | None = None,
                 load: Callable[[K], V | None] | None = None, load_many: Callable[[list[K]], dict[K, V]] | None = None, **options: Any):
        self._begin(cache, name, {"load": load, "load_many": load_many, "write": write, "erase": erase}, options)

    def set(self, key: K, value: V) -> None:
        """Write a value to the source and to the cache."""
        self.cache._drive(self._put_through(key, self._writer(key, value), value, False))

    def delete(self, key: K) -> None:
        """Erase a value from the source and from the cache."""
        self.cache._drive(self._put_through(key, self._eraser(key), None, True))


class WriteAround(WriteThrough[K, V]):
    """A write goes to the source only, and the cache forgets the key: for values that are seldom read after they are written."""

    def set(self, key: K, value: V) -> None:
        """Write a value to the source; the cache forgets its own."""
        self.cache._drive(self._put_around(key, self._writer(key, value)))

    def delete(self, key: K) -> None:
        """Erase a value from the source; the cache forgets its own."""
        self.cache._drive(self._put_around(key, self._eraser(key)))


class AsyncReadThrough(Pattern, Generic[K, V]):
    """ReadThrough with asyncio: `load` and `load_many` are coroutine functions."""

    def __init__(self, cache: AsyncCache, name: str, *, load: Callable[[K], Awaitable[V | None]] | None = None,
                 load_many: Callable[[list[K]], Awaitable[dict[K, V]]] | None = None, **options: Any):
        self._begin(cache, name, {"load": load, "load_many": load_many}, options)

    async def get(self, key: K) -> V | None:
        """The value, loaded where it is not cached. None when the source has none. Raises what `load` raises."""
        return await self.cache._drive(self._get(key))

    async def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of those keys that have one; what is not cached is loaded by one call of `load_many`, if there is one."""
        return await self.cache._drive(self._get_many(keys))

    async def invalidate(self, *keys: K) -> int:
        """Forget what the cache has of these keys: somebody else changed the source. How many there were."""
        return await self.cache._drive(self._flows.remove([self._key(key) for key in keys]))


class AsyncWriteThrough(AsyncReadThrough[K, V]):
    """WriteThrough with asyncio."""

    def __init__(self, cache: AsyncCache, name: str, *, write: Callable[[K, V], Awaitable[Any]], erase: Callable[[K], Awaitable[Any]] | None = None,
                 load: Callable[[K], Awaitable[V | None]] | None = None, load_many: Callable[[list[K]], Awaitable[dict[K, V]]] | None = None,
                 **options: Any):
        self._begin(cache, name, {"load": load, "load_many": load_many, "write": write, "erase": erase}, options)

    async def set(self, key: K, value: V) -> None:
        """Write a value to the source and to the cache."""
        await self.cache._drive(self._put_through(key, self._writer(key, value), value, False))

    async def delete(self, key: K) -> None:
        """Erase a value from the source and from the cache."""
        await self.cache._drive(self._put_through(key, self._eraser(key), None, True))


class AsyncWriteAround(AsyncWriteThrough[K, V]):
    """WriteAround with asyncio."""

    async def set(self, key: K, value: V) -> None:
        """Write a value to the source; the cache forgets its own."""
        await self.cache._drive(self._put_around(key, self._writer(key, value)))

    async def delete(self, key: K) -> None:
        """Erase a value from the source; the cache forgets its own."""
        await self.cache._drive(self._put_around(key, self._eraser(key)))


__all__ = ["AsyncReadThrough", "AsyncWriteAround", "AsyncWriteThrough", "Pattern", "ReadThrough", "WriteAround", "WriteThrough"]
