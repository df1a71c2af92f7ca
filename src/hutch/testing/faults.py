"""What goes wrong between a program and its Redis, on purpose: lost connections, time-outs, error replies, slow ones.

    >>> import hutch
    >>> from hutch.testing import faults
    >>> r = hutch.Redis()
    >>> with faults.inject(r, faults.readonly("SET", key="stock:*")) as (fault,):
    ...     _ = r.set("other", 1)
    ...     try:
    ...         r.set("stock:1", 5)
    ...     except hutch.ReadOnlyError as error:
    ...         print(error, fault.fired)
    You can't write against a read only replica. 1

A fault says what happens (the functions below), and to which commands: names (none: all but those of a connection's
beginning), a glob that one of the command's keys matches, a predicate of its words; the `nth` of these, or so many `times`.

    error, loading, readonly, oom, noauth, moved      the command does not run, and this is its reply
    connection_error, timeout                         nothing arrives at the store; with after=True the command runs, and its reply is lost
    torn                                              the command runs, and the connection is lost amid its reply
    slow                                              the reply takes its time: of a held clock if the store has one, else real time

They hold for sync clients and asyncio's, pipelines and transactions. (An error amid MULTI makes EXEC answer EXECABORT, as a server's.) What
the client does then is its own affair: a client that retries does so, and so its Retry may be tested, too.
"""
from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError, TimeoutError

__all__ = ["Fault", "connection_error", "error", "inject", "loading", "moved", "noauth", "oom", "readonly", "slow", "timeout", "torn"]

# What a connection sends by itself when it begins. Faults meet these only by their names, so that "the first command" is the program's.
HANDSHAKE = frozenset({b"HELLO", b"AUTH", b"SELECT", b"CLIENT SETINFO", b"CLIENT SETNAME", b"CLIENT MAINT_NOTIFICATIONS", b"CONNECT"})


def spelled(words: tuple) -> tuple[bytes, ...]:
    """The words of a command as bytes; the first, in which redis-py may have several ("CLIENT SETINFO"), split. O(bytes)"""
    plain = [word if isinstance(word, bytes) else bytes(word) if isinstance(word, (bytearray, memoryview)) else str(word).encode()
             for word in words]
    return (*plain[0].split(), *plain[1:])


class Fault:
    """One thing that goes wrong, and when. Made by the functions of this module; `matched` says how many commands it was made for,
    `fired` how many of them it hit."""

    def __init__(self, kind: str, make: Callable[[], Exception] | None, names: tuple[str, ...], key: str | bytes | None,
                 when: Callable[[tuple[bytes, ...]], bool] | None, nth: int | None, times: int | None, after: bool = False,
                 seconds: float = 0.0, text: bytes | None = None, torn_at: int | None = None):
        if nth is not None and nth < 1 or times is not None and times < 1:
            raise ValueError("nth and times count from 1")
        self.kind, self.make, self.after, self.seconds = kind, make, after, seconds
        self.text, self.torn_at = text, torn_at      # of an error reply, and where a torn one ends (-1: in the middle)
        self.matched = self.fired = 0
        self._names = frozenset(name.upper().encode() for name in names)
        self._key = key.encode() if isinstance(key, str) else key
        self._when, self._lock = when, threading.Lock()
        self._first = nth or 1
        self._last = None if times is None and nth is None else self._first + (times or 1) - 1

    def hits(self, words: tuple[bytes, ...]) -> bool:
        """Does it happen to this command, now? It is counted."""
        name = words[0].upper()
        whole = name + b" " + words[1].upper() if len(words) > 1 else name
        if self._names:
            if name not in self._names and whole not in self._names:
                return False
        elif name in HANDSHAKE or whole in HANDSHAKE:
            return False
        if self._key is not None:
            from .model_keys import matches
            if not any(matches(self._key, key) for key in keys_of(words)):
                return False
        if self._when is not None and not self._when(words):
            return False
        with self._lock:
            self.matched += 1
            hit = self.matched >= self._first and (self._last is None or self.matched <= self._last)
            self.fired += hit
        return hit

    def __repr__(self) -> str:
        names = b", ".join(sorted(self._names)).decode() or "every command"
        return f"<{self.kind} for {names}: {self.fired} of {self.matched}>"


_scratch = threading.local()


def keys_of(words: tuple[bytes, ...]) -> list[bytes]:
    """The keys among a command's words, as its declaration says. O(words)"""
    session = getattr(_scratch, "session", None)
    if session is None or not session.is_open:
        from ..store import Store
        _scratch.store = Store()
        session = _scratch.session = _scratch.store.engine.session(BaseParser.parse_error)
    try:
        return session.execute((b"COMMAND", b"GETKEYS", *words), False)
    except Exception:
        return []


def _fault(kind, make, names, key, when, nth, times, **how):
    return Fault(kind, make, names, key, when, nth, times, **how)


def error(text: str, *names: str, key: str | bytes | None = None, when: Callable | None = None, nth: int | None = None,
          times: int | None = None) -> Fault:
    """An error reply with this text, as a server sends it: ``error("WRONGTYPE Operation against ...", "GET")``. The command
    does not run; redis-py raises the exception that it has for the text. ValueError for a `nth` or `times` below 1."""
    parse = BaseParser.parse_error
    return _fault(text.split()[0].lower(), lambda: parse(text), names, key, when, nth, times, text=text.encode())


def loading(*names: str, **which: Any) -> Fault:
    """LOADING, as from a server that reads its files. redis-py raises BusyLoadingError, a ConnectionError. See `error`."""
    return error("LOADING Redis is loading the dataset in memory", *names, **which)


def readonly(*names: str, **which: Any) -> Fault:
    """READONLY, as from a replica, or after a failover. redis-py raises ReadOnlyError. See `error`."""
    return error("READONLY You can't write against a read only replica.", *names, **which)


def oom(*names: str, **which: Any) -> Fault:
    """OOM, as from a server past its maxmemory. redis-py raises OutOfMemoryError. See `error`."""
    return error("OOM command not allowed when used memory > 'maxmemory'.", *names, **which)


def noauth(*names: str, **which: Any) -> Fault:
    """NOAUTH, as from a server that wants a password. redis-py raises AuthenticationError. See `error`."""
    return error("NOAUTH Authentication required.", *names, **which)


def moved(slot: int, address: str, *names: str, **which: Any) -> Fault:
    """MOVED, as from a cluster's node that has the key's slot no more; `address` is host:port. redis-py raises MovedError, and a
    cluster's client goes there. See `error`."""
    return error(f"MOVED {slot} {address}", *names, **which)


def connection_error(*names: str, key: str | bytes | None = None, when: Callable | None = None, nth: int | None = None,
                     times: int | None = None, after: bool = False, text: str = "Connection reset by peer") -> Fault:
    """The connection is lost: before the command arrives, or with `after` when it has run and its reply was under way. The name
    "CONNECT" stands for connecting itself. redis-py raises ConnectionError, unless it retries. ValueError for a `nth` or
    `times` below 1."""
    return _fault("connection error", lambda: ConnectionError(text), names, key, when, nth, times, after=after)


def torn(*names: str, at: int | None = None, key: str | bytes | None = None, when: Callable | None = None, nth: int | None = None,
         times: int | None = None) -> Fault:
    """The command runs, and the connection is lost amid its reply: after `at` bytes, by default in the middle. Where there are no bytes (a
    client of a store in this process) it is connection_error(after=True). ValueError for an `at`, `nth` or `times` below 1."""
    if at is not None and at < 1:
        raise ValueError("at counts bytes from 1")
    return _fault("torn reply", lambda: ConnectionError("Connection reset by peer"), names, key, when, nth, times, after=True,
                  torn_at=-1 if at is None else at)


def timeout(*names: str, key: str | bytes | None = None, when: Callable | None = None, nth: int | None = None,
            times: int | None = None, after: bool = False) -> Fault:
    """No reply within the client's patience, and no time is spent on that: before the command arrives, or with `after` though it
    runs. redis-py raises TimeoutError, unless it retries. ValueError for a `nth` or `times` below 1."""
    return _fault("time-out", lambda: TimeoutError("Timeout reading from socket"), names, key, when, nth, times, after=after)


def slow(seconds: float, *names: str, key: str | bytes | None = None, when: Callable | None = None, nth: int | None = None,
         times: int | None = None) -> Fault:
    """The reply takes so many seconds: the store's held clock is moved by them, or they pass really where it runs. A client with a
    socket_timeout that is shorter waits for so long only, and gets TimeoutError; the command runs. ValueError for a `nth`
    or `times` below 1, and for seconds that are none."""
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{seconds} seconds cannot be waited for")
    return _fault("slow reply", None, names, key, when, nth, times, seconds=seconds)


@contextmanager
def inject(target: Any, *faults: Fault) -> Iterator[tuple[Fault, ...]]:
    """Let these happen to what the target sends, within a ``with`` block, which gets the faults: for a client of Hutch or its
    pool, for a client or a pool that was made under hutch.testing.patch(), for all of a Patch, or for whoever is connected to a
    FaultProxy.

    All clients of a pool share its faults. The first fault that hits a command is the one that happens. TypeError for a client
    of a real server.
    """
    if hasattr(target, "faults"):        # a Patch, a FaultProxy
        target.faults.extend(faults)
        try:
            yield faults
        finally:
            for fault in faults:
                target.faults.remove(fault)
        return
    from .faulty import spoil
    undo = spoil(getattr(target, "connection_pool", target), target, faults)
    try:
        yield faults
    finally:
        undo()
