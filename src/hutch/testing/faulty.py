"""Connections on which faults happen: see faults. What a connection is given are the words of commands, so they can be looked at.

A command that is hit does not reach the session, or its reply does not reach the reader; in place of it stands an Injected.
"""
from __future__ import annotations

import asyncio
import time
from typing import Any, Callable, Iterable

from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from ..connection import REPLY, EmbeddedConnection
from .clock import clock_of
from .faults import Fault, spelled

__all__ = ["Faulty", "FaultyAsync", "Injected", "spoil"]


class Injected:
    """Stands where a connection has a reply to read: an error reply, or an exception that reading it raises."""

    is_done = True               # as a Submission's: all that will come is there

    def __init__(self, error: Exception, raises: bool = False):
        self._error: Exception | None = error
        self._raises = raises

    def __bool__(self) -> bool:
        return self._error is not None

    def read(self, decode: Any = None) -> Exception:
        """The error reply, once; or raises."""
        error, self._error = self._error, None
        if self._raises:
            raise error
        return error

    def withdraw(self) -> None:
        """Nobody will read it."""
        self._error = None


def advance_held(store: Any, seconds: float) -> None:
    """Move the clock of a store that is held, with all other stores that follow it."""
    clock = clock_of(store)
    if clock is not None and clock.is_held:
        clock.advance(seconds=seconds)
    else:
        store.engine.advance_clock_ms(seconds * 1000, through=True)


class _Choosing:
    """What both kinds of connection have in common."""

    _plan: Iterable[Fault] = ()          # of the pool that the connection is of
    _amid_transaction = False
    _has_socket_timeout = False          # inside the process nothing times out on a socket, unless one is stood in for

    def _faults(self) -> Iterable[Fault]:
        return self._plan

    def _chosen(self, words: tuple) -> Fault | None:
        plain = spelled(words)
        name = plain[0].upper()
        found = next((fault for fault in self._faults() if fault.hits(plain)), None)
        if name == b"MULTI":
            self._amid_transaction = True
        elif name in (b"EXEC", b"DISCARD", b"RESET"):
            self._amid_transaction = False
        return found

    def _patience(self, fault: Fault) -> tuple[float, bool]:
        """How long to wait for a slow reply, and whether it comes by then."""
        limit = self.socket_timeout if self._has_socket_timeout else None
        return (fault.seconds, True) if limit is None or fault.seconds <= limit else (limit, False)

    def _wait_on_clock(self, seconds: float) -> bool:
        if not self.store.engine.clock_is_held:
            return False
        advance_held(self.store, seconds)
        return True


# Where Python's clock is frozen, sleeping is not.
_sleep = time.sleep


class Faulty(_Choosing):
    """Stands before a sync EmbeddedConnection."""

    def _connect(self):
        fault = next((fault for fault in self._faults() if fault.hits((b"CONNECT",))), None)
        if fault is not None and fault.make is not None:
            raise fault.make()
        return super()._connect()

    def send_packed_command(self, command, check_health=True):
        """As EmbeddedConnection's, with what the faults make of it."""
        if not self._faults():
            super().send_packed_command(command, check_health)
            return
        if self._sock is None:
            self.connect_check_health(check_health=False)
        waiting: list = []
        for words in command:
            fault = self._chosen(words)
            if fault is None:
                waiting.append(words)
                continue
            if waiting:
                super().send_packed_command(waiting, check_health)
                waiting = []
            self._let_happen(fault, words)
        if waiting:
            super().send_packed_command(waiting, check_health)

    def _let_happen(self, fault: Fault, words: tuple) -> None:
        if fault.make is None:
            seconds, comes = self._patience(fault)
            if not self._wait_on_clock(seconds):
                _sleep(seconds)
            super().send_packed_command([words])
            if not comes:
                self._incoming.pop()
                self._incoming.append((REPLY, Injected(TimeoutError("Timeout reading from socket"), raises=True)))
            return
        error = fault.make()
        if isinstance(error, ResponseError) or fault.kind == "loading":
            if self._amid_transaction:
                super().send_packed_command([("HUTCH.FAULT",)])      # no such command: EXEC will answer EXECABORT
                self._incoming.pop()
            self._incoming.append((REPLY, Injected(error)))
        elif fault.after:
            super().send_packed_command([words])
            self._incoming.pop()
            self._incoming.append((REPLY, Injected(error, raises=True)))
        else:
            self.disconnect()
            raise error

    def execute_many(self, commands):
        """As EmbeddedConnection's, with what the faults make of it."""
        if not self._faults():
            return super().execute_many(commands)
        self.send_packed_command(commands)
        replies = []
        for _ in commands:
            try:
                replies.append(self.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies

    def disconnect(self, *args, **kwargs):
        """As EmbeddedConnection's."""
        self._amid_transaction = False
        super().disconnect(*args, **kwargs)


class FaultyAsync(_Choosing):
    """Stands before an EmbeddedConnection of hutch.asyncio."""

    async def _connect(self):
        fault = next((fault for fault in self._faults() if fault.hits((b"CONNECT",))), None)
        if fault is not None and fault.make is not None:
            raise fault.make()
        await super()._connect()

    async def send_packed_command(self, command, check_health=True):
        """As EmbeddedConnection's, with what the faults make of it."""
        if not self._faults():
            await super().send_packed_command(command, check_health)
            return
        if not self._live:
            await self.connect_check_health(check_health=False)
        waiting: list = []
        for words in command:
            fault = self._chosen(words)
            if fault is None:
                waiting.append(words)
                continue
            if waiting:
                await self._send_and_finish(waiting)
                waiting = []
            await self._let_happen(fault, words)
        if waiting:
            await super().send_packed_command(waiting, check_health)

    async def _send_and_finish(self, commands):
        from ..asyncio.waiting import finish
        await super().send_packed_command(commands)
        await finish(self._incoming[-1][1])

    async def _let_happen(self, fault: Fault, words: tuple) -> None:
        if fault.make is None:
            seconds, comes = self._patience(fault)
            if not self._wait_on_clock(seconds):
                await asyncio.sleep(seconds)
            await self._send_and_finish([words])
            if not comes:
                self._incoming.pop()
                self._incoming.append((REPLY, Injected(TimeoutError("Timeout reading from socket"), raises=True)))
            return
        error = fault.make()
        if isinstance(error, ResponseError) or fault.kind == "loading":
            if self._amid_transaction:
                await self._send_and_finish([("HUTCH.FAULT",)])
                self._incoming.pop()
            self._incoming.append((REPLY, Injected(error)))
        elif fault.after:
            await self._send_and_finish([words])
            self._incoming.pop()
            self._incoming.append((REPLY, Injected(error, raises=True)))
        else:
            self.drop()
            raise error

    async def execute_many(self, commands):
        """As EmbeddedConnection's, with what the faults make of it."""
        if not self._faults():
            return await super().execute_many(commands)
        await self.send_packed_command(commands)
        replies = []
        for _ in commands:
            try:
                replies.append(await self.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies

    def drop(self):
        """As EmbeddedConnection's."""
        self._amid_transaction = False
        super().drop()

    _close = drop


def spoil(pool: Any, client: Any, faults: tuple[Fault, ...]) -> Callable[[], None]:
    """Let faults happen to all connections of a pool, those that there are and those to come; returns the function that undoes it.
    TypeError for a pool whose connections do not lead to a store of this process."""
    before = getattr(pool, "connection_class", None)
    if before is None or not isinstance(before, type):
        raise TypeError(f"{type(client).__name__} is no client and no pool")
    if issubclass(before, EmbeddedConnection):
        mixin = Faulty
    else:
        from ..asyncio.connection import EmbeddedConnection as AsyncConnection
        if not issubclass(before, AsyncConnection):
            raise TypeError("faults happen between a client and a store of this process: to a hutch.Redis, or under hutch.testing.patch()")
        mixin = FaultyAsync
    bases = (before,) if issubclass(before, mixin) else (mixin, before)
    spoilt = type(before.__name__, bases, {"_plan": (*getattr(before, "_plan", ()), *faults), "__module__": __name__})

    def change(old: type, new: type) -> None:
        pool.connection_class = new
        for connection in _connections(pool, client):
            if type(connection) is old:
                connection.__class__ = new

    change(before, spoilt)
    return lambda: change(spoilt, before)


def _connections(pool: Any, client: Any) -> list:
    queue = getattr(pool, "pool", None)
    found = [*getattr(pool, "_available_connections", ()), *getattr(pool, "_in_use_connections", ()),
             *(getattr(queue, "queue", None) or getattr(queue, "_queue", ())), *getattr(pool, "_connections", ()),
             getattr(pool, "_shared", None), getattr(client, "connection", None)]
    # Behind a proxy of redis-py's, when replies are cached on this side.
    return [getattr(connection, "_conn", connection) for connection in found if connection is not None]
