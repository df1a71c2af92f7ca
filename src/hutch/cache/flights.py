"""Computations under way in this process, and who waits for them (single flight)."""
from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable


def is_at_work(task: asyncio.Task[Any] | None) -> bool:
    """Is this task at work, in whatever loop? One of a loop that was closed before it ended is not done, and never will be."""
    return task is not None and not task.done() and not task.get_loop().is_closed()


async def tell(task: asyncio.Task[Any] | None, what: Callable[[], Any], timeout: float | None = None) -> None:
    """Do something that makes a task end, in the task's own loop, and wait for its end where that is this loop; another one's needs no waiting for."""
    if task is None or not is_at_work(task):
        return
    if task.get_loop() is not asyncio.get_running_loop():
        task.get_loop().call_soon_threadsafe(what)
        return
    what()
    await asyncio.wait((task,), timeout=timeout)


AGAIN, VALUE, ERROR = range(3)           # how a flight ended: without a result; with a value, or its entry's bytes; with an exception


class Flight:
    """One computation of one key. `outcome` is (how, thing, bytes of the entry or None); followers decode the bytes, so that no two callers share a list."""

    def __init__(self, owner: Any):
        self.owner = owner
        self.outcome: tuple[int, Any, bytes | None] | None = None
        self._done = threading.Event()

    def finish(self, outcome: tuple[int, Any, bytes | None]) -> None:
        """The end: whoever waits goes on. Only the first one counts."""
        if self.outcome is None:
            self.outcome = outcome
            self._done.set()

    def wait(self, seconds: float | None) -> bool:
        """Wait for the end, at most so long (None: for ever). Has it come?"""
        return self._done.wait(seconds)


class AsyncFlight:
    """The same for tasks of one event loop."""

    def __init__(self, owner: Any):
        self.owner = owner
        self.outcome: tuple[int, Any, bytes | None] | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(self, outcome: tuple[int, Any, bytes | None]) -> None:
        """The end: whoever waits goes on. Only the first one counts."""
        if self.outcome is None:
            self.outcome = outcome
            if not self._done.done():
                self._done.set_result(None)

    async def wait(self, seconds: float | None) -> bool:
        """Wait for the end, at most so long (None: for ever). Has it come?"""
        await asyncio.wait((self._done,), timeout=seconds)
        return self.outcome is not None


class Flights:
    """The flights of a cache by key; of an AsyncCache by event loop and key."""

    def __init__(self, kind: type[Any]):
        self._kind = kind
        self._is_async = kind is AsyncFlight
        self._lock = threading.Lock()
        self._by_key: dict[Any, Any] = {}

    def me(self) -> Any:
        """Who is asking: this thread, or this task."""
        return asyncio.current_task() if self._is_async else threading.get_ident()

    def _name(self, key: bytes) -> Any:
        return (asyncio.get_running_loop(), key) if self._is_async else key

    def alone(self) -> Any:
        """A flight that nobody else will find."""
        return self._kind(self.me())

    def join(self, key: bytes, own: Any) -> tuple[Any, bool]:
        """The flight of this key, and whether it is the caller's to lead: then it is `own`, which nobody has found before. (None, False): the caller leads it
        already, and would wait for itself."""
        me, name = self.me(), self._name(key)
        with self._lock:
            flight = self._by_key.get(name)
            if flight is None:
                self._by_key[name] = own
                return own, True
        return (None, False) if flight.owner == me else (flight, False)

    def leave(self, key: bytes, flight: Any) -> None:
        """The flight has ended: who comes now begins another one."""
        name = self._name(key)
        with self._lock:
            if self._by_key.get(name) is flight:
                del self._by_key[name]

    def __len__(self) -> int:
        return len(self._by_key)
