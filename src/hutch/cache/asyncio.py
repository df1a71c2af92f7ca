"""AsyncCache: for coroutine functions and tasks."""
from __future__ import annotations

import asyncio
from typing import Any, Awaitable, Callable, Iterable, Mapping, ParamSpec, TypeVar, overload

from .clock import Clock
from .flights import AsyncFlight
from .flows import STORE_ERRORS, Flow
from .functions import AsyncCachedFunction, KeyOf, decorate_async
from .keys import as_key
from .scripts import REMOVES_MANY
from .serializers import Serializer
from .stores import AsyncStore
from .sync import BaseCache

P = ParamSpec("P")
R = TypeVar("R")


class AsyncCache(BaseCache):
    """Cache with asyncio: what there is called is here awaited. The store is a Hutch store (None, a name, a path, a hutch.Store), a URL, or an asyncio client
    (hutch.asyncio.Redis, redis.asyncio.Redis). Arguments as Cache's, but `sleep` is a coroutine function, and there are no threads: what goes
    on in the background is a task. Several event loops may use one AsyncCache as far as its client allows it.
    """

    _flight = AsyncFlight

    def __init__(self, store: Any = None, *, namespace: str = "cache", serializer: str | Serializer = "msgpack", compress_above: int | None = None,
                 max_bytes: int = 256 << 20, clock: Clock | None = None, sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
                 on_store_error: str = "compute", local: Any = None, **options: Any):
        self._begin(AsyncStore(store), namespace, serializer, compress_above, max_bytes, clock, on_store_error, options)
        self._sleep = sleep
        self._tasks: set[asyncio.Task[Any]] = set()
        self._fetch = self._store.get
        if local is not None:
            self._local = local
            self._fetch = local.attach(self)

    # ---- flows

    async def _drive(self, flow: Flow) -> Any:
        try:
            step = next(flow)
            while True:
                try:
                    answer = await self._do(step)
                except BaseException as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            return end.value

    async def _do(self, step: tuple[Any, ...]) -> Any:
        kind = step[0]
        if kind == "script":
            if self._local is not None:
                return await self._change(step)
            return await self._store.script(*step[1:])
        if kind == "call":
            return await step[1]()
        if kind == "get":
            return await self._fetch(step[1])
        if kind == "run":
            if self._local is not None and step[1][0] == "UNLINK":
                return await self._change(step)
            return await self._store.run(*step[1])
        if kind == "wait":
            return await step[1].wait(step[2])
        if kind == "sleep":
            return await self._sleep(step[1])
        if kind == "spawn":
            return self._spawn(*step[1:])
        raise AssertionError(kind)

    async def _change(self, step: tuple[Any, ...]) -> Any:
        # Before, so that nobody here is served what the script replaces once it has run; and after, for what was read meanwhile.
        changed = step[1][1:] if step[0] == "run" else None if step[1] in REMOVES_MANY else step[2]
        self._local.changed(changed)
        try:
            return await (self._store.run(*step[1]) if step[0] == "run" else self._store.script(*step[1:]))
        finally:
            self._local.changed(changed)

    def _spawn(self, flow: Flow, flight: Any, key: bytes) -> None:
        def ended(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if flight.outcome is None:   # cancelled before it began
                self._flows.abandon(flight, key)
        task = asyncio.get_running_loop().create_task(self._drive(flow))
        self._tasks.add(task)            # the loop itself keeps only a weak reference
        task.add_done_callback(ended)

    # ---- functions

    @overload
    def cached(self, function: Callable[P, Awaitable[R]], /) -> AsyncCachedFunction[P, R]: ...
    @overload
    def cached(self, function: None = None, /, *, key: KeyOf | None = None, prefix: str | None = None, ignore: Iterable[str] = (),
               **options: Any) -> Callable[[Callable[P, Awaitable[R]]], AsyncCachedFunction[P, R]]: ...
    def cached(self, function: Any = None, /, *, key: KeyOf | None = None, prefix: str | None = None, ignore: Iterable[str] = (),
               **options: Any) -> Any:
        """Decorate a coroutine function: its calls are answered from the cache. With or without arguments.

        `key`: a template (`"user:{user_id}"`) or a function of the same arguments that returns the key. `prefix`: what keys begin with, instead of
        module and name. `ignore`: parameters that do not make another call. All else are Options, instead of the cache's.
        TypeError for any other function (see Cache). A hit costs the making of the key and one GET.
        """
        def decorator(function: Callable[P, Awaitable[R]]) -> AsyncCachedFunction[P, R]:
            return decorate_async(self, function, self._options.changed(**options), key, prefix, ignore)
        return decorator if function is None else decorator(function)

    # ---- keys

    async def get(self, key: str | bytes, default: Any = None, *, stale: bool = False) -> Any:
        """The value of a key, or `default` when there is none; with `stale`, also one past its ttl that is kept for failures."""
        return await self._drive(self._flows.read(self._key(key), default, stale))

    async def get_many(self, keys: Iterable[str | bytes], *, stale: bool = False) -> dict[str | bytes, Any]:
        """The values of those keys that have one, by key, in one command."""
        names = {self._key(key): key for key in keys}
        return {names[name]: value for name, value in (await self._drive(self._flows.read_many(list(names), stale))).items()}

    async def get_or_set(self, key: str | bytes, compute: Callable[[], Awaitable[R]], **options: Any) -> R:
        """The value of a key, computed by `compute()` when there is none, by all the rules of Options. Raises what `compute` raises."""
        name = self._key(key)
        changed = self._options.changed(**options)
        try:
            data = await self._fetch(name)
        except STORE_ERRORS as error:
            self._flows.store_failed(name, error)
            data = None
        return await self._drive(self._flows.obtain(name, compute, changed, changed.tags_of(), data))

    async def set(self, key: str | bytes, value: Any, **options: Any) -> None:
        """Keep a value (cache-aside). Whatever is being computed for the key will not be stored. NotSerializableError; the store's errors are raised."""
        changed = self._options.changed(**options)
        await self._drive(self._flows.put(self._key(key), value, changed, changed.tags_of()))

    async def set_many(self, values: Mapping[str | bytes, Any], **options: Any) -> None:
        """Keep several values; each is stored by itself."""
        changed = self._options.changed(**options)
        await self._drive(self._flows.put_many([(self._key(key), value) for key, value in values.items()], changed, changed.tags_of()))

    async def delete(self, *keys: str | bytes) -> int:
        """Remove values; what is being computed for these keys will not be stored. How many there were."""
        return await self._drive(self._flows.remove([self._key(key) for key in keys]))

    async def invalidate_tags(self, *tags: str) -> int:
        """Remove all values with one of these tags, at once; what is being computed with one of them will not be stored. How many there were.
        O(values with the tags)"""
        return await self._drive(self._flows.invalidate_tags(tags, self._options.lease))

    async def invalidate_prefix(self, prefix: str | bytes) -> int:
        """Remove all values whose keys begin so, at once; nothing that is being computed will be stored. How many there were. O(keys in the database):
        tags are quicker where the store has many."""
        return await self._drive(self._flows.invalidate_prefix(as_key(prefix), self._options.lease))

    async def clear(self) -> int:
        """Remove all values of this cache's namespace. How many there were. O(keys in the database)"""
        return await self.invalidate_prefix(b"")

    async def close(self) -> None:
        """Wait for what goes on in the background; end what was made for this cache: its store too, if it is the cache's own."""
        here = asyncio.get_running_loop()
        tasks = [task for task in list(self._tasks) if task.get_loop() is here]      # of loops that have ended, nothing comes any more
        if tasks:
            await asyncio.wait(tasks)
        if self._local is not None:
            await self._local.aclose()
        await self._store.close()

    async def __aenter__(self) -> AsyncCache:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()
