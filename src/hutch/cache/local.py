"""A small cache in this process, in front of a cache in a remote store: a hit needs no way to the server.

It is kept exact by client tracking: one connection of its own asks the server to tell of every change of a key of the cache's namespace (CLIENT TRACKING ON BCAST,
RESP3), whoever makes it, expiry and eviction included. What an entry is good for:

* A change is told at once, so an entry is served at most as long after it as the message takes. This process's own changes count at once. (So two threads that
  share a LocalCache may, for that long, see the newer value and then the older one again.)
* Whoever reads a key notes that before it asks the server. If a message about the key comes before the reply is here, the reply is served and not kept.
* No entry is kept longer than the server's time to live for it, counted from before the server was asked.
* While the connection is down nothing is kept and nothing is served from here: all goes to the server. A connection that says nothing for two
  `heartbeat`s, though it is asked to, is down.
"""
from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from typing import Any, Callable

from redis.exceptions import RedisError

from .flights import is_at_work, tell


class _Entries:
    """The entries, bounded, least recently used first. All methods are safe to call from any thread."""

    def __init__(self, max_entries: int, max_bytes: int):
        if max_entries < 1 or max_bytes < 1:
            raise ValueError("max_entries and max_bytes are 1 at least")
        self._lock = threading.Lock()
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._entries: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._asked: dict[bytes, list[object]] = {}
        self._bytes = 0
        self.is_up = False

    def get(self, key: bytes, now: float) -> bytes | None:
        """The bytes of an entry that is there and not past its deadline."""
        with self._lock:
            item = self._entries.get(key)
            if item is None:
                return None
            if item[1] <= now:
                self._remove(key)
                return None
            self._entries.move_to_end(key)
            return item[0]

    def asking(self, key: bytes) -> object | None:
        """Somebody is about to ask the server; None while nothing may be kept."""
        if not self.is_up:
            return None
        mark = object()
        with self._lock:
            self._asked.setdefault(key, []).append(mark)
        return mark

    def answered(self, key: bytes, mark: object | None, data: bytes | None, deadline: float) -> None:
        """The server's answer: kept, unless a message about the key came meanwhile."""
        if mark is None:
            return
        with self._lock:
            marks = self._asked.get(key)
            if marks is None or mark not in marks:
                return
            marks.remove(mark)
            if not marks:
                del self._asked[key]
            if data is None or not self.is_up or len(data) > self._max_bytes:
                return
            self._remove(key)
            self._entries[key] = data, deadline
            self._bytes += len(data)
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                self._remove(next(iter(self._entries)))

    def _remove(self, key: bytes) -> None:
        item = self._entries.pop(key, None)
        if item is not None:
            self._bytes -= len(item[0])

    def drop(self, key: bytes) -> None:
        """The key was changed."""
        with self._lock:
            self._asked.pop(key, None)
            self._remove(key)

    def clear(self, is_up: bool | None = None) -> None:
        """Anything may have changed; and from now on entries may be kept, or not."""
        with self._lock:
            self._asked.clear()
            self._entries.clear()
            self._bytes = 0
            if is_up is not None:
                self.is_up = is_up

    def __len__(self) -> int:
        return len(self._entries)


class LocalCache:
    """Entries of a remote store, kept in this process; give it to a Cache or AsyncCache as `local`. `max_entries`, `max_bytes`: what is least recently used makes
    room. `heartbeat`: seconds after which a silent connection is asked whether it is there. ValueError for a store that is in this process anyway."""

    def __init__(self, max_entries: int = 10_000, max_bytes: int = 64 << 20, heartbeat: float = 5.0):
        self._bounds = max_entries, max_bytes
        self._entries = _Entries(*self._bounds)
        self._heartbeat = heartbeat
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._connection: Any = None
        self._cache: Any = None

    @property
    def is_up(self) -> bool:
        """Is the connection there that tells of changes? Otherwise everything goes to the server."""
        return self._entries.is_up

    def __len__(self) -> int:
        return len(self._entries)

    def attach(self, cache: Any) -> Callable[[bytes], Any]:
        """For Cache and AsyncCache: how entries are read. ValueError when it has a cache already, or the store is in this process."""
        if self._cache is not None:
            raise ValueError("a LocalCache belongs to one cache")
        client = cache.client
        pool = getattr(client, "connection_pool", None)
        if pool is None or hasattr(client, "store"):
            raise ValueError("a LocalCache stands in front of a server that redis-py reaches by one pool; a Hutch store is in this process already")
        self._cache = cache
        self._kind, self._keywords = pool.connection_class, {**pool.connection_kwargs, "protocol": 3, "decode_responses": False}
        self._hit = cache.statistics.counter("local_hit")
        import inspect
        return self._fetch_async if inspect.iscoroutinefunction(cache._drive) else self._fetch

    # ---- reading

    def _fetch(self, key: bytes) -> bytes | None:
        if self._thread is None or not self._thread.is_alive():
            self._start()
        now = time.monotonic()
        data = self._entries.get(key, now)
        if data is not None:
            self._hit()
            return data
        mark = self._entries.asking(key)
        if mark is None:
            return self._cache._store.get(key)
        data, left = None, -2
        try:
            pipeline = self._cache.client.pipeline(transaction=False)
            pipeline.execute_command("GET", key, **self._cache._store.options)
            pipeline.pttl(key)
            data, left = pipeline.execute()
        finally:
            self._entries.answered(key, mark, data, now + left / 1000 if left >= 0 else float("inf") if left == -1 else now)
        return data

    async def _fetch_async(self, key: bytes) -> bytes | None:
        if not is_at_work(self._task):
            self._task = asyncio.get_running_loop().create_task(self._listen_async())
        now = time.monotonic()
        data = self._entries.get(key, now)
        if data is not None:
            self._hit()
            return data
        mark = self._entries.asking(key)
        if mark is None:
            found: bytes | None = await self._cache._store.get(key)
            return found
        data, left = None, -2
        try:
            pipeline = self._cache.client.pipeline(transaction=False)
            pipeline.execute_command("GET", key, **self._cache._store.options)
            pipeline.pttl(key)
            data, left = await pipeline.execute()
        finally:
            self._entries.answered(key, mark, data, now + left / 1000 if left >= 0 else float("inf") if left == -1 else now)
        return data

    def changed(self, keys: Any) -> None:
        """This process changes these keys, or (None) any number of them."""
        if keys is None:
            self._entries.clear()
        else:
            for key in keys:
                self._entries.drop(key)

    def forget(self) -> None:
        """Begin anew, as a child of a fork has to: its parent's thread is not there, and the connection is the parent's."""
        self._entries, self._starting = _Entries(*self._bounds), threading.Lock()
        self._thread = self._task = self._connection = None

    # ---- listening

    def _heard(self, message: Any) -> None:
        if isinstance(message, (list, tuple)) and len(message) == 2 and message[0] in (b"invalidate", "invalidate"):
            if message[1] is None:           # FLUSHALL
                self._entries.clear()
            else:
                for key in message[1]:
                    self._entries.drop(key if isinstance(key, bytes) else key.encode("utf-8", "surrogateescape"))

    def _start(self) -> None:
        with self._starting:
            if not self._closed.is_set() and (self._thread is None or not self._thread.is_alive()):
                self._entries.clear(is_up=False)                 # nobody has told of changes
                self._thread = threading.Thread(target=self._listen, name="hutch-local-cache", daemon=True)
                self._thread.start()

    def _listen(self) -> None:
        pause = 0.05
        while not self._closed.is_set():
            connection = self._kind(**self._keywords)
            self._connection = connection
            try:
                connection.connect()
                connection._parser.set_invalidation_push_handler(self._heard)
                connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self._cache._flows.prefix)
                while connection.read_response(push_request=True) not in (b"OK", "OK"):
                    pass
                self._entries.clear(is_up=True)
                pause, asked = 0.05, False
                while not self._closed.is_set():
                    if connection.can_read(timeout=self._heartbeat):
                        connection.read_response(push_request=True)
                        asked = False
                    elif asked:
                        break
                    else:
                        connection.send_command("PING")
                        asked = True
            except (RedisError, OSError):
                pass
            except (AttributeError, ValueError):
                if not self._closed.is_set():
                    raise
            finally:
                self._entries.clear(is_up=False)
                connection.disconnect()
            self._closed.wait(pause)
            pause = min(pause * 2, 5.0)

    async def _listen_async(self) -> None:
        pause = 0.05
        while not self._closed.is_set():
            connection = self._kind(**self._keywords)
            try:
                await connection.connect()
                connection._parser.set_invalidation_push_handler(self._heard_async)
                await connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self._cache._flows.prefix)
                while await connection.read_response(push_request=True) not in (b"OK", "OK"):
                    pass
                self._entries.clear(is_up=True)
                pause = 0.05
                await self._hear(connection)
            except (RedisError, OSError, asyncio.TimeoutError):
                pass
            finally:
                self._entries.clear(is_up=False)
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _heard_async(self, message: Any) -> None:
        self._heard(message)

    async def _hear(self, connection: Any) -> None:
        """Read until the connection ends, or says nothing although it is asked to."""
        asked = False
        reading: asyncio.Future[Any] = asyncio.ensure_future(connection.read_response(push_request=True))
        try:
            while True:
                done, _ = await asyncio.wait((reading,), timeout=self._heartbeat)
                if done:
                    reading.result()
                    asked = False
                    reading = asyncio.ensure_future(connection.read_response(push_request=True))
                elif asked:
                    return
                else:
                    await connection.send_command("PING")
                    asked = True
        finally:
            reading.cancel()
            await asyncio.wait((reading,))

    def close(self) -> None:
        """End the connection and forget all entries."""
        self._closed.set()
        connection, thread = self._connection, self._thread
        if thread is not None and thread.is_alive():
            socket = getattr(connection, "_sock", None)
            if socket is not None:           # wakes the thread, which disconnects
                try:
                    socket.shutdown(2)
                except OSError:
                    pass
            thread.join(self._heartbeat + 1)
        self._entries.clear(is_up=False)

    async def aclose(self) -> None:
        """End the connection and forget all entries."""
        self._closed.set()
        if self._task is not None:
            await tell(self._task, self._task.cancel)
        self._entries.clear(is_up=False)


__all__ = ["LocalCache"]
