"""Write-behind: a write returns when the store has it, and reaches the source soon after.

What is to be written waits in the store itself, not in the process: it is as durable as the store (a Hutch store with a path, a Redis that keeps its data), and
whoever comes next writes what a killed process has left. Of one key only the last value waits. The keys of a source S in a cache N:

    N!behind:S:what      hash: key -> version:payload (an entry, or nothing for an erasure)
    N!behind:S:due       sorted set: keys that wait, by when they are to be written (ms)
    N!behind:S:busy      sorted set: keys that somebody writes now, by when that counts as given up (ms)
    N!behind:S:tries     hash: key -> failed tries
    N!behind:S:failed    hash: key -> version:payload of what was given up
    N!behind:S:errors    hash: key -> the last error of what was given up
    N!behind:S:version   counter

A write reaches the source at least once: a process that is killed between the source's write and our note of it leaves it to be written again.
"""
from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
import weakref
from typing import Any, Awaitable, Callable, Generic, Iterable, NamedTuple, TypeVar

from hutch_engine.door.msgpack import packed, unpacked

from .asyncio import AsyncCache
from .clock import milliseconds
from .errors import QueueFullError, WriteError
from .flights import is_at_work, tell
from .flows import STORE_ERRORS, Flow
from .patterns import Pattern
from .scripts import Script
from .serializers import _extend, _restore
from .sync import Cache

K = TypeVar("K")
V = TypeVar("V")

_log = logging.getLogger("hutch.cache")

_NOW = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"

# ARGV key, payload, most that may wait, ms to gather, entry, its ttl in ms; KEYS 8 and 9: entry, lease -> version, or 0 when too many wait
_PUT = Script(_NOW + """
local waits = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
if not waits and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
local version = redis.call('INCR', KEYS[7])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', version) .. ':' .. ARGV[2])
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then redis.call('ZADD', KEYS[2], 'NX', string.format('%d', now + ARGV[4]), ARGV[1]) end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HDEL', KEYS[5], ARGV[1])
redis.call('HDEL', KEYS[6], ARGV[1])
redis.call('DEL', KEYS[9])
if ARGV[5] == '' then redis.call('DEL', KEYS[8])
elseif ARGV[6] == '0' then redis.call('SET', KEYS[8], ARGV[5])
else redis.call('SET', KEYS[8], ARGV[5], 'PX', ARGV[6]) end
return version
""")

# ARGV most, lease in ms, whether those count that are not due yet -> key, version:payload ...
_TAKE = Script(_NOW + """
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
  redis.call('ZREM', KEYS[3], key)
  redis.call('ZADD', KEYS[2], 'NX', string.format('%d', now), key)
end
local reply = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3] == '1' and '+inf' or now, 'LIMIT', 0, ARGV[1])) do
  local what = redis.call('HGET', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
  if what then
    redis.call('ZADD', KEYS[3], string.format('%d', now + ARGV[2]), key)
    reply[#reply + 1] = key
    reply[#reply + 1] = what
  end
end
return reply
""")

# ARGV key, version, key, version ... -> how many of them are done; of others there is a newer value, which is due now
_DONE = Script(_NOW + """
local done = 0
for i = 1, #ARGV, 2 do
  local what = redis.call('HGET', KEYS[1], ARGV[i])
  redis.call('ZREM', KEYS[3], ARGV[i])
  redis.call('HDEL', KEYS[4], ARGV[i])
  if what and string.match(what, '^%d+') == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
    done = done + 1
  elseif what then
    redis.call('ZADD', KEYS[2], 'NX', string.format('%d', now), ARGV[i])
  end
end
return done
""")

# ARGV key, version, error, most tries, first pause in ms, longest pause in ms -> 'again', 'newer' or 'failed'
_NOT_DONE = Script(_NOW + """
local what = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if not what or string.match(what, '^%d+') ~= ARGV[2] then
  redis.call('HDEL', KEYS[4], ARGV[1])
  if what then redis.call('ZADD', KEYS[2], 'NX', string.format('%d', now), ARGV[1]) end
  return 'newer'
end
local tries = redis.call('HINCRBY', KEYS[4], ARGV[1], 1)
if tries >= tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[5], ARGV[1], what)
  redis.call('HSET', KEYS[6], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 'failed'
end
local pause = math.min(ARGV[5] * 2 ^ math.min(tries - 1, 40), tonumber(ARGV[6]))
redis.call('ZADD', KEYS[2], string.format('%.0f', now + pause), ARGV[1])
return 'again'
""")

# -> how many were given up and wait now again
_RETRY = Script(_NOW + """
local all = redis.call('HGETALL', KEYS[5])
local count = 0
for i = 1, #all, 2 do
  if redis.call('HSETNX', KEYS[1], all[i], all[i + 1]) == 1 then
    redis.call('ZADD', KEYS[2], string.format('%d', now), all[i])
    count = count + 1
  end
end
redis.call('DEL', KEYS[5], KEYS[6])
return count
""")


class FailedWrite(NamedTuple):
    """A write that was given up after all its tries. It is kept until it is retried, dropped, or the key is written anew."""

    key: Any
    value: Any                           # None for an erasure
    erased: bool
    error: str


class _Behind(Pattern):
    """The flows that sync and asyncio share."""

    def _begin_behind(self, cache: Any, name: str, source: dict[str, Any], options: dict[str, Any], *, batch: int, gather: float, max_queue: int,
                      tries: int, pause: float, longest_pause: float, write_lease: float, exit_timeout: float) -> None:
        self._begin(cache, name, source, options)
        if self._write is None and self._write_many is None:
            raise TypeError("a write-behind cache needs write= or write_many=")
        for what, number in (("batch", batch), ("max_queue", max_queue), ("tries", tries)):
            if not isinstance(number, int) or number < 1:
                raise ValueError(f"{what} is a whole number, 1 at least")
        if gather < 0 or pause < 0 or longest_pause < 0 or not write_lease > 0:
            raise ValueError("times are not negative, and write_lease is more than 0 seconds")
        self.batch, self.gather, self.max_queue, self.tries = batch, gather, max_queue, tries
        self._pauses = round(pause * 1000), round(longest_pause * 1000)
        self._write_lease_ms = milliseconds(write_lease)
        self._exit_timeout = exit_timeout
        parts = ("what", "due", "busy", "tries", "failed", "errors", "version")
        self._keys = tuple(b"%b!behind:%b:%b" % (self._flows.name, name.encode(), part.encode()) for part in parts)

    @staticmethod
    def _pack_key(key: Any) -> bytes:
        return packed(key, _extend)

    def _enqueue(self, key: Any, value: Any, erased: bool) -> Flow:
        """Put a write into the queue and into the cache, at once. False when the queue is full."""
        name = self._key(key)
        if erased:
            if self._erase is None and self._erase_many is None:
                raise TypeError("a write-behind cache needs erase= or erase_many= to delete")
            payload = entry = b""
            ttl_ms = 0
        else:
            payload = self._flows.codec.encode(value)
            ttl = self.options.ttl_of(value)
            entry = self._flows.entry(value, ttl, 0.0, self.options)
            ttl_ms = 0 if ttl is None else milliseconds(ttl + self.options.stale)
        version = yield ("script", _PUT, (*self._keys, name, self._flows.lease_of(name)),
                         (self._pack_key(key), payload, self.max_queue, round(self.gather * 1000), entry, ttl_ms))
        if version:
            self._flows.tell("set", name)
        return bool(version)

    def _opened(self, what: bytes) -> tuple[bytes, bool, Any]:
        """(version, erased?, value) of what waits."""
        version, _, payload = what.partition(b":")
        if not payload:
            return version, True, None
        found, value = self._flows.open(self._flows.codec.parse(payload))
        if not found:
            raise ValueError("what waits was written with another serializer, or is damaged")
        return version, False, value

    # What waits is newer than the source: it is what a reader gets when the cache has lost it.

    def _known(self, keys: list[Any]) -> Flow:
        if not keys:
            return {}
        fields = [self._pack_key(key) for key in keys]
        waiting = yield ("run", ("HMGET", self._keys[0], *fields))
        given_up = yield ("run", ("HMGET", self._keys[4], *fields))
        known = {}
        for key, first, second in zip(keys, waiting, given_up):
            what = first if first is not None else second
            if what is not None:
                known[key] = self._opened(what)[2]
        return known

    # ---- writing to the source

    def _write_some(self, hurry: bool) -> Flow:
        """Write one batch. How many keys there were; with `hurry`, also those that are not due."""
        reply = yield ("script", _TAKE, self._keys, (self.batch, self._write_lease_ms, "1" if hurry else "0"))
        if not reply:
            return 0
        writes: list[tuple[bytes, bytes, Any, Any]] = []
        erasures: list[tuple[bytes, bytes, Any, Any]] = []
        for field, what in zip(reply[::2], reply[1::2]):
            try:
                version, erased, value = self._opened(what)
                key = unpacked(field, _restore)
            except ValueError as error:
                yield from self._not_done(field, what.partition(b":")[0], error)
                continue
            (erasures if erased else writes).append((field, version, key, value))
        yield from self._write_batch(writes, self._write_many, self._writer, lambda some: {key: value for _, _, key, value in some})
        yield from self._write_batch(erasures, self._erase_many, lambda key, _: self._eraser(key), lambda some: [key for _, _, key, _ in some])
        return len(reply) // 2

    def _write_batch(self, some: list[tuple[bytes, bytes, Any, Any]], many: Any, one: Callable[[Any, Any], Callable[[], Any]],
                     shaped: Callable[[Any], Any]) -> Flow:
        """Write these in one call, if there is one for many; if that fails, each by itself, so that one bad value holds up no other."""
        if many is not None and len(some) > 1:
            try:
                yield ("call", lambda: many(shaped(some)))
            except Exception as error:
                self._flows.tell("write_error", None, error)
            else:
                yield from self._done(some)
                return
        for item in some:
            field, version, key, value = item
            try:
                yield ("call", one(key, value) if many is None else (lambda: many(shaped([item]))))
            except Exception as error:
                yield from self._not_done(field, version, error)
            else:
                yield from self._done([item])

    def _done(self, some: list[tuple[bytes, bytes, Any, Any]]) -> Flow:
        words = [word for field, version, _, _ in some for word in (field, version)]
        yield ("script", _DONE, self._keys, words)
        for _, _, key, _ in some:
            self._flows.tell("write", self._key(key))

    def _not_done(self, field: bytes, version: bytes, error: Exception) -> Flow:
        text = f"{type(error).__name__}: {error}"[:1000]
        state = yield ("script", _NOT_DONE, self._keys, (field, version, text.encode("utf-8", "replace"), self.tries, *self._pauses))
        self._flows.tell("write_error", field, error)
        if state in (b"failed", "failed"):
            _log.error("write-behind %r: a write was given up after %d tries, and is kept (see failed()): %s", self.name, self.tries, text)

    def _count(self) -> Flow:
        return (yield ("run", ("HLEN", self._keys[0])))

    def _failures(self) -> Flow:
        reply = yield ("run", ("HGETALL", self._keys[4]))
        errors = yield ("run", ("HGETALL", self._keys[5]))
        what, why = _pairs(reply), _pairs(errors)
        failed = []
        for field, payload in what.items():
            text = why.get(field, b"").decode("utf-8", "replace")
            try:
                _, erased, value = self._opened(payload)
                failed.append(FailedWrite(unpacked(field, _restore), value, erased, text))
            except ValueError:
                failed.append(FailedWrite(field, payload, False, text))
        return failed

    def _drop(self, keys: Iterable[Any]) -> Flow:
        fields = [self._pack_key(key) for key in keys]
        if not fields:
            return 0
        yield ("run", ("HDEL", self._keys[5], *fields))
        return (yield ("run", ("HDEL", self._keys[4], *fields)))

    def _left(self, left: int, failed: int) -> WriteError | None:
        if not left and not failed:
            return None
        return WriteError(f"write-behind {self.name!r}: {left} writes wait still, and {failed} were given up; all are kept in the store")


def _pairs(reply: Any) -> dict[bytes, bytes]:
    """A hash's fields, whichever way the client shapes them."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2]))


class WriteBehind(_Behind, Generic[K, V]):
    """Writes go to the cache's store at once, and to the source in the background, in batches.

    The source: `write(key, value)` or `write_many(dict)`, `erase(key)` or `erase_many(keys)`, `load(key)` or `load_many(keys)`. A write may reach it more than
    once, and of several values of a key perhaps only the last. `gather`: how long after its first write a key waits for others to be written with it;
    `batch`: how many at most; `max_queue`: so many keys may wait, then `set` waits for room up to `put_timeout` seconds and raises QueueFullError.
    A failed write is tried again after `pause` seconds, twice that, and so on up to `longest_pause`; after `tries` it is given up and kept (`failed`,
    `retry_failed`). Who takes a batch has `write_lease` seconds to write it, then another one may. At the interpreter's end, and in `close`, what waits is
    written, for at most `exit_timeout` seconds; what is left stays in the store, and is reported.
    `start=False`: no thread; call `write_now`. All other arguments are Options, instead of the cache's.
    """

    def __init__(self, cache: Cache, name: str, *, write: Callable[[K, V], Any] | None = None, write_many: Callable[[dict[K, V]], Any] | None = None,
                 erase: Callable[[K], Any] | None = None, erase_many: Callable[[list[K]], Any] | None = None,
                 load: Callable[[K], V | None] | None = None, load_many: Callable[[list[K]], dict[K, V]] | None = None, batch: int = 100,
                 gather: float = 0.05, max_queue: int = 100_000, put_timeout: float = 0.0, tries: int = 10, pause: float = 0.1,
                 longest_pause: float = 60.0, write_lease: float = 60.0, exit_timeout: float = 10.0, start: bool = True, **options: Any):
        self._begin_behind(cache, name, {"load": load, "load_many": load_many, "write": write, "write_many": write_many, "erase": erase,
                                         "erase_many": erase_many}, options, batch=batch, gather=gather, max_queue=max_queue, tries=tries, pause=pause,
                           longest_pause=longest_pause, write_lease=write_lease, exit_timeout=exit_timeout)
        self._put_timeout = put_timeout
        self._starts = start
        self._closed = False
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._at_exit = _at_exit_of(self)
        if start:
            self._ensure_thread()        # for what another process has left

    def _compute(self, key: Any) -> Callable[[], Any]:
        loader = self._loader(key)

        def compute() -> Any:
            known = self.cache._drive(self._known([key]))
            return known[key] if key in known else loader()
        return compute

    def get(self, key: K) -> V | None:
        """The value: the cache's, or one that waits to be written, or the source's. None when there is none."""
        return self.cache._drive(self._get(key))

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of those keys that have one; what is not cached is loaded by one call of `load_many`, if there is one."""
        return self.cache._drive(self._get_many(keys))

    def invalidate(self, *keys: K) -> int:
        """Forget what the cache has of these keys: somebody else changed the source. What waits to be written still is. How many there were."""
        return self.cache._drive(self._flows.remove([self._key(key) for key in keys]))

    def set(self, key: K, value: V) -> None:
        """Keep a value and have it written. When this returns, the store has it. QueueFullError, NotSerializableError and the store's errors change nothing."""
        self._put(key, value, False)

    def delete(self, key: K) -> None:
        """Forget a value and have it erased. QueueFullError and the store's errors change nothing."""
        self._put(key, None, True)

    def _put(self, key: Any, value: Any, erased: bool) -> None:
        waited, pause = 0.0, 0.005
        while not self.cache._drive(self._enqueue(key, value, erased)):
            if waited >= self._put_timeout:
                raise QueueFullError(f"write-behind {self.name!r}: {self.max_queue} keys wait to be written already")
            self._wake.set()
            self.cache._sleep(pause)
            waited += pause
        if self._starts:
            self._ensure_thread()
            self._wake.set()

    # ---- the thread

    def _ensure_thread(self) -> None:
        thread = self._thread
        if thread is not None and thread.is_alive():
            return
        with self._lock:
            if not self._closed and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=_run, args=(weakref.ref(self), self._wake), name="hutch-write-behind", daemon=True)
                self._thread.start()

    def write_now(self) -> int:
        """Write a batch of what is due in this thread. How many keys it had; 0 when nothing is due."""
        return self.cache._drive(self._write_some(False))

    def flush(self, timeout: float | None = None) -> None:
        """Write all that waits, now, in this thread; what fails is tried once more, and then left to its pauses. For what others are writing it waits, up to
        `timeout`, or until nothing has moved for `write_lease` seconds. WriteError when something is left."""
        end = None if timeout is None else time.monotonic() + timeout
        fruitless, before = 0, self.pending
        patience = time.monotonic() + self._write_lease_ms / 1000 + 1
        while before and fruitless < 2 and time.monotonic() < (patience if end is None else end):
            taken = self.cache._drive(self._write_some(True))
            left = self.pending
            if left < before:
                fruitless, patience = 0, time.monotonic() + self._write_lease_ms / 1000 + 1
            elif taken:
                fruitless += 1
            else:                        # others are at the rest: if they were killed, their time ends with write_lease
                self.cache._sleep(0.005)
            before = left
        error = self._left(before, len(self.failed()))
        if error is not None:
            raise error

    @property
    def pending(self) -> int:
        """How many keys wait to be written, in the store."""
        return self.cache._drive(self._count())

    def failed(self) -> list[FailedWrite]:
        """What was given up, with the last error of each."""
        return self.cache._drive(self._failures())

    def retry_failed(self) -> int:
        """Try again what was given up. How many there were."""
        count = self.cache._store.script(_RETRY, self._keys, ())
        self._wake.set()
        return count

    def drop_failed(self, *keys: K) -> int:
        """Forget what was given up, for these keys. How many there were."""
        return self.cache._drive(self._drop(keys))

    def close(self) -> None:
        """Write what waits, for at most `exit_timeout` seconds, and end the thread. WriteError when something is left; it stays in the store. The
        cache is not closed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._wake.set()
        atexit.unregister(self._at_exit)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._exit_timeout)
        self.flush(self._exit_timeout)

    def __enter__(self) -> WriteBehind[K, V]:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _run(reference: Any, wake: threading.Event) -> None:
    """The thread of a WriteBehind: it ends with the object."""
    quiet = 0.05
    while True:
        behind = reference()
        if behind is None or behind._closed:
            return
        try:
            count = behind.cache._drive(behind._write_some(False))
        except STORE_ERRORS as error:
            behind._flows.tell("store_error", None, error)
            count = 0
        except Exception:
            _log.exception("write-behind %r", behind.name)
            count = 0
        # Asleep until somebody writes; but the store is looked at now and then, for what failed, and what others have left.
        quiet = behind.gather / 2 + 0.001 if count else min(quiet * 2, 0.5)
        del behind
        if not count:
            if wake.wait(quiet):
                wake.clear()
                quiet = 0.005


def _at_exit_of(behind: WriteBehind[Any, Any]) -> Callable[[], None]:
    reference = weakref.ref(behind)

    def at_exit() -> None:
        behind = reference()
        if behind is not None:
            try:
                behind.close()
            except WriteError as error:
                _log.error("%s", error)
            except Exception as error:
                _log.error("write-behind %r could not write at the end: %s", behind.name, error)
    atexit.register(at_exit)
    return at_exit


class AsyncWriteBehind(_Behind, Generic[K, V]):
    """WriteBehind with asyncio: the functions are coroutine functions, and a task does the writing. It begins with the first write, or by `start`; end it
    with `close` or `async with`, since a loop that ends waits for nobody (what waits stays in the store)."""

    def __init__(self, cache: AsyncCache, name: str, *, write: Callable[[K, V], Awaitable[Any]] | None = None,
                 write_many: Callable[[dict[K, V]], Awaitable[Any]] | None = None, erase: Callable[[K], Awaitable[Any]] | None = None,
                 erase_many: Callable[[list[K]], Awaitable[Any]] | None = None, load: Callable[[K], Awaitable[V | None]] | None = None,
                 load_many: Callable[[list[K]], Awaitable[dict[K, V]]] | None = None, batch: int = 100, gather: float = 0.05,
                 max_queue: int = 100_000, put_timeout: float = 0.0, tries: int = 10, pause: float = 0.1, longest_pause: float = 60.0,
                 write_lease: float = 60.0, exit_timeout: float = 10.0, **options: Any):
        self._begin_behind(cache, name, {"load": load, "load_many": load_many, "write": write, "write_many": write_many, "erase": erase,
                                         "erase_many": erase_many}, options, batch=batch, gather=gather, max_queue=max_queue, tries=tries, pause=pause,
                           longest_pause=longest_pause, write_lease=write_lease, exit_timeout=exit_timeout)
        self._put_timeout = put_timeout
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None

    def _compute(self, key: Any) -> Callable[[], Any]:
        loader = self._loader(key)

        async def compute() -> Any:
            known = await self.cache._drive(self._known([key]))
            return known[key] if key in known else await loader()
        return compute

    async def get(self, key: K) -> V | None:
        """The value: the cache's, or one that waits to be written, or the source's. None when there is none."""
        return await self.cache._drive(self._get(key))

    async def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of those keys that have one; what is not cached is loaded by one call of `load_many`, if there is one."""
        return await self.cache._drive(self._get_many(keys))

    async def invalidate(self, *keys: K) -> int:
        """Forget what the cache has of these keys: somebody else changed the source. What waits to be written still is. How many there were."""
        return await self.cache._drive(self._flows.remove([self._key(key) for key in keys]))

    async def set(self, key: K, value: V) -> None:
        """Keep a value and have it written. When this returns, the store has it. QueueFullError, NotSerializableError and the store's errors change nothing."""
        await self._put(key, value, False)

    async def delete(self, key: K) -> None:
        """Forget a value and have it erased. QueueFullError and the store's errors change nothing."""
        await self._put(key, None, True)

    async def _put(self, key: Any, value: Any, erased: bool) -> None:
        waited, pause = 0.0, 0.005
        while not await self.cache._drive(self._enqueue(key, value, erased)):
            if waited >= self._put_timeout:
                raise QueueFullError(f"write-behind {self.name!r}: {self.max_queue} keys wait to be written already")
            self.start()
            await self.cache._sleep(pause)
            waited += pause
        self.start()

    def start(self) -> None:
        """Begin to write what waits, by a task of the running loop, if none does so already."""
        if self._task is not None and self._wake is not None and is_at_work(self._task):
            loop = self._task.get_loop()
            if loop is asyncio.get_running_loop():
                self._wake.set()
            else:
                loop.call_soon_threadsafe(self._wake.set)
        elif not self._closed:
            self._wake = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._run(self._wake))

    async def _run(self, wake: asyncio.Event) -> None:
        quiet = 0.05
        while not self._closed:
            try:
                count = await self.cache._drive(self._write_some(False))
            except STORE_ERRORS as error:
                self._flows.tell("store_error", None, error)
                count = 0
            except Exception:
                _log.exception("write-behind %r", self.name)
                count = 0
            quiet = self.gather / 2 + 0.001 if count else min(quiet * 2, 0.5)
            if not count:
                try:
                    await asyncio.wait_for(wake.wait(), quiet)
                    wake.clear()
                    quiet = 0.005
                except asyncio.TimeoutError:
                    pass

    async def write_now(self) -> int:
        """Write a batch of what is due. How many keys it had; 0 when nothing is due."""
        return await self.cache._drive(self._write_some(False))

    async def flush(self, timeout: float | None = None) -> None:
        """Write all that waits, now; what fails is tried once more, and then left to its pauses. For what others are writing it waits, up to `timeout`, or
        until nothing has moved for `write_lease` seconds. WriteError when something is left."""
        end = None if timeout is None else time.monotonic() + timeout
        fruitless, before = 0, await self.pending()
        patience = time.monotonic() + self._write_lease_ms / 1000 + 1
        while before and fruitless < 2 and time.monotonic() < (patience if end is None else end):
            taken = await self.cache._drive(self._write_some(True))
            left = await self.pending()
            if left < before:
                fruitless, patience = 0, time.monotonic() + self._write_lease_ms / 1000 + 1
            elif taken:
                fruitless += 1
            else:                        # others are at the rest: if they were killed, their time ends with write_lease
                await self.cache._sleep(0.005)
            before = left
        error = self._left(before, len(await self.failed()))
        if error is not None:
            raise error

    async def pending(self) -> int:
        """How many keys wait to be written, in the store."""
        return await self.cache._drive(self._count())

    async def failed(self) -> list[FailedWrite]:
        """What was given up, with the last error of each."""
        return await self.cache._drive(self._failures())

    async def retry_failed(self) -> int:
        """Try again what was given up. How many there were."""
        count = await self.cache._store.script(_RETRY, self._keys, ())
        self.start()
        return count

    async def drop_failed(self, *keys: K) -> int:
        """Forget what was given up, for these keys. How many there were."""
        return await self.cache._drive(self._drop(keys))

    async def close(self) -> None:
        """Write what waits, for at most `exit_timeout` seconds, and end the task. WriteError when something is left; it stays in the store. The cache is
        not closed."""
        if self._closed:
            return
        self._closed = True
        if self._wake is not None:
            await tell(self._task, self._wake.set, self._exit_timeout)
        await self.flush(self._exit_timeout)

    async def __aenter__(self) -> AsyncWriteBehind[K, V]:
        self.start()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()


__all__ = ["AsyncWriteBehind", "FailedWrite", "WriteBehind"]
