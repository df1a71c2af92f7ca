"""A proxy between clients and a server, on which faults happen: for code in other processes and other languages.

    >>> import hutch, redis
    >>> from hutch.testing import FaultProxy, faults
    >>> with hutch.Server(port=0) as server, FaultProxy(server) as proxy:
    ...     r = redis.Redis.from_url(proxy.url)              # or a program of any kind that is told this URL
    ...     with faults.inject(proxy, faults.readonly("SET")):
    ...         try:
    ...             r.set("key", "v")
    ...         except redis.ReadOnlyError as error:
    ...             print(error)
    You can't write against a read only replica.

The proxy is a thread of this process. It looks at the words of every command, and at the ends of replies and no further: what a fault
puts into a client's stream stands where the reply to its command would. Messages and pushes go past.

    client -> words of a command -> a fault?  no: to the server, and its reply is waited for in the order of commands
                                              yes: the reply is another one, or none, or the connection ends there
"""
from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import Any, Iterator
from urllib.parse import unquote, urlsplit

from .faults import Fault

__all__ = ["FaultProxy", "Frames"]

CHUNK = 65536
# Where Python's clock is frozen, the proxy's is not.
_monotonic = time.monotonic
# RST instead of FIN: who reads gets "Connection reset by peer".
_ABRUPT = struct.pack("ii", 1, 0)
# In RESP2 a subscriber's messages are arrays like any other.
_MESSAGE = re.compile(rb"[*>][34]\r\n\$\d+\r\n[ps]?(message|subscribe|unsubscribe)\r\n")
_SUBSCRIBING = frozenset({b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"})


class Frames:
    """Cuts a stream of RESP into its outermost values, without looking at what is in them. O(bytes), whatever the pieces are."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0             # what is before it has been looked at
        self._missing = 1        # values until the outermost one is whole

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream; returns the values that are whole now. ValueError where it is no RESP."""
        self._buffer += data
        found, begin = [], 0
        while (end := self._step()) is not None:
            if end:
                found.append(bytes(self._buffer[begin:end]))
                begin, self._missing = end, 1
        if begin:
            del self._buffer[:begin]
            self._at -= begin
        return found

    @property
    def is_amid(self) -> bool:
        """Has a value begun that is not whole?"""
        return bool(self._buffer)

    def first(self, data: bytes) -> tuple[bytes | None, bytes]:
        """Take the next bytes up to the end of one value: that one, or None while it is not whole, and the bytes behind it."""
        self._buffer += data
        while (end := self._step()) is not None:
            if end:
                found, rest = bytes(self._buffer[:end]), bytes(self._buffer[end:])
                self._buffer.clear()
                self._at, self._missing = 0, 1
                return found, rest
        return None, b""

    def _step(self) -> int | None:
        """Look at one value's head: None where more bytes are needed, the end of the outermost value, or 0 amid it."""
        line_end = self._buffer.find(b"\r\n", self._at)
        if line_end < 0:
            return None
        kind, end = self._buffer[self._at], line_end + 2
        more = 0
        if kind in b"$=!":
            length = int(self._buffer[self._at + 1:line_end])
            if length >= 0:
                end += length + 2
                if len(self._buffer) < end:
                    return None
        elif kind in b"*~>":
            more = max(int(self._buffer[self._at + 1:line_end]), 0)
        elif kind in b"%|":
            more = 2 * int(self._buffer[self._at + 1:line_end]) + (kind == 0x7C)
        elif kind not in b"+-:,#(_":
            raise ValueError(f"no RESP: {bytes(self._buffer[self._at:line_end])[:40]!r}")
        self._at = end
        self._missing += more - 1
        return end if self._missing == 0 else 0


class Requests:
    """Cuts what a client sends into commands: their words, and their bytes."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._line = bytearray()

    def feed(self, data: bytes) -> list[tuple[tuple[bytes, ...], bytes]]:
        """Take the next bytes; returns the commands that are whole now. ValueError where they are none."""
        found: list[tuple[tuple[bytes, ...], bytes]] = []
        while data:
            if self._frames.is_amid or not self._line and data[:1] == b"*":
                frame, data = self._frames.first(data)
                if frame is not None:
                    found.append((_words(frame), frame))
                continue
            line, newline, data = data.partition(b"\n")     # as people type it
            self._line += line + newline
            if newline:
                whole = bytes(self._line)
                self._line.clear()
                if words := tuple(whole.split()):
                    found.append((words, whole))
        return found


def _words(frame: bytes) -> tuple[bytes, ...]:
    """The words of a command that is an array of bulk strings. ValueError for another."""
    words = []
    at = frame.index(b"\r\n") + 2
    while at < len(frame):
        end = frame.index(b"\r\n", at)
        if frame[at:at + 1] != b"$":
            raise ValueError("a command is an array of bulk strings")
        start = end + 2
        at = start + int(frame[at + 1:end])
        words.append(frame[start:at])
        at += 2
    return tuple(words)


class _Expected:
    """What is to become of the next reply: `text` stands in its place, `comes` whether the server sends one, `ends` how the connection
    does with it. A subscription is answered by `messages` messages."""

    __slots__ = ("text", "comes", "ends", "torn_at", "messages")

    def __init__(self, text: bytes | None = None, comes: bool = True, ends: Any = None, torn_at: int | None = None, messages: int = 0):
        self.text, self.comes, self.ends, self.torn_at, self.messages = text, comes, ends, torn_at, messages


_RESET, _SILENCE = "reset", "silence"


class _Line:
    """A client's connection, and its own to the server."""

    def __init__(self, proxy: "FaultProxy", reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.proxy, self.reader, self.writer = proxy, reader, writer
        self.up: asyncio.StreamWriter | None = None
        self.expected: deque[_Expected] = deque()
        self.amid_transaction = self.subscribed = self.monitoring = False
        self.replies = b"ON"                 # CLIENT REPLY's
        self.silent = self.ended = False
        self.task: Any = None

    async def serve(self) -> None:
        """Until either side ends."""
        fault = self.proxy._fault((b"CONNECT",))
        if fault is not None and fault.make is None:
            await self.proxy._pass_time(fault.seconds)
        elif fault is not None and fault.kind == "time-out":
            self.silent = True
        elif fault is not None:
            if fault.text is None:
                self.reset()
            else:                                    # as a server that has too many clients
                self.writer.write(b"-" + fault.text + b"\r\n")
                self.writer.close()
            return
        try:
            reader, self.up = await self.proxy._connect()
        except OSError:
            self.reset()
            return
        # The first that ends, ends the other.
        both = [asyncio.ensure_future(self.forth()), asyncio.ensure_future(self.back(reader))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self.up.close()
            self.writer.close()

    def reset(self) -> None:
        """End the client's connection, as a machine that goes down does."""
        self.ended = True
        sock = self.writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0 and sock.family != getattr(socket, "AF_UNIX", None):   # it may have ended by itself
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
        self.writer.transport.abort()

    # ---- what the client sends

    async def forth(self) -> None:
        """Hand commands on, but for those that are hit."""
        requests = Requests()
        while data := await self.reader.read(CHUNK):
            if self.silent:
                continue
            try:
                commands = requests.feed(data)
            except (ValueError, IndexError):         # the server says what is wrong with it
                self.up.write(data)
                self.monitoring = True
                continue
            for words, raw in commands:
                await self.one(words, raw)
                if self.ended or self.silent:
                    break
            await self.up.drain()
            if self.ended:
                return

    async def one(self, words: tuple[bytes, ...], raw: bytes) -> None:
        """Hand a command on, or let a fault happen to it."""
        name = words[0].upper() if words else b""
        fault = self.proxy._fault(words) if words else None
        was_amid = self.amid_transaction
        if name == b"MULTI":
            self.amid_transaction = True
        elif name in (b"EXEC", b"DISCARD", b"RESET"):
            self.amid_transaction = False
        if fault is None:
            self.forward(name, words, raw)
        elif fault.make is None:                     # slow
            await self.proxy._pass_time(fault.seconds)
            self.forward(name, words, raw)
        elif fault.text is not None:
            text = b"-" + fault.text + b"\r\n"
            if was_amid and name not in (b"EXEC", b"DISCARD", b"RESET"):
                self.up.write(b"*1\r\n$11\r\nHUTCH.FAULT\r\n")       # no such command: EXEC will answer EXECABORT
                self.expect(_Expected(text))
            else:
                if was_amid:                         # as a server that refuses EXEC: the transaction is over
                    self.up.write(b"*1\r\n$7\r\nDISCARD\r\n")
                    self.expect(_Expected(text))
                else:
                    self.expect(_Expected(text, comes=False))
        else:
            ends = _SILENCE if fault.kind == "time-out" else _RESET
            if fault.after:
                self.up.write(raw)
            self.expect(_Expected(None if fault.torn_at is not None else b"", fault.after, ends, fault.torn_at))
            if ends is _SILENCE:
                self.silent = True
            else:
                await self.over()

    async def over(self) -> None:
        """Wait until the reset that is expected has come; what the client sends meanwhile is lost."""
        while not self.ended and await self.reader.read(CHUNK):
            pass
        if not self.ended:                           # the client went first
            self.ended = True

    def forward(self, name: bytes, words: tuple[bytes, ...], raw: bytes) -> None:
        """To the server; what will come back is remembered."""
        self.up.write(raw)
        if name == b"CLIENT" and len(words) == 3 and words[1].upper() == b"REPLY":
            self.replies = words[2].upper()
            if self.replies != b"ON":
                return
        elif self.replies != b"ON":
            if self.replies == b"SKIP":
                self.replies = b"ON"
            return
        if name in _SUBSCRIBING:
            self.expect(_Expected(messages=max(len(words) - 1, 1)))
            return
        self.expect(_Expected())
        if name == b"MONITOR":
            self.monitoring = True

    def expect(self, expected: _Expected) -> None:
        """Remember what is to become of the next reply; if none is waited for, it may be due."""
        self.expected.append(expected)
        self.settle()

    # ---- what the server sends

    async def back(self, reader: asyncio.StreamReader) -> None:
        """Hand replies on, or what stands for them."""
        frames = Frames()
        while data := await reader.read(CHUNK):
            if self.monitoring and not self.expected:
                self.writer.write(data)
            else:
                for frame in frames.feed(data):
                    self.reply(frame)
                    if self.ended:
                        return
            if not self.writer.transport.is_closing():
                await self.writer.drain()
        if self.silent:                              # the client is to wait, whatever the server does
            await asyncio.Event().wait()

    def reply(self, frame: bytes) -> None:
        """A whole value has come from the server."""
        first = self.expected[0] if self.expected else None
        message = _MESSAGE.match(frame) if self.subscribed or first and first.messages or frame[:1] == b">" else None
        if message is not None:
            if message[1] == b"subscribe":
                self.subscribed = True
            elif message[1] == b"unsubscribe" and frame.endswith(b":0\r\n"):
                self.subscribed = False
            if message[1] != b"message" and first is not None and first.messages:
                first.messages -= 1
                if not first.messages:
                    self.expected.popleft()
        elif frame[:1] != b">" and first is not None:
            self.send(self.expected.popleft(), frame)
            frame = b""
        if frame and (self.expected or not self.silent):
            self.writer.write(frame)
        self.settle()

    def settle(self) -> None:
        """Give the client what is due without the server."""
        while self.expected and not self.expected[0].comes and not self.ended:
            self.send(self.expected.popleft(), b"")

    def send(self, expected: _Expected, frame: bytes) -> None:
        """A reply, or what stands for it."""
        if expected.torn_at is not None:
            frame = frame[:expected.torn_at if expected.torn_at > 0 else max(len(frame) // 2, 1)]
        self.writer.write(frame if expected.text is None else expected.text)
        if expected.ends is _RESET:
            self.reset()


class _Loop(asyncio.SelectorEventLoop):
    def time(self) -> float:
        return _monotonic()


class FaultProxy:
    """Stands between clients and a server, and lets faults happen (`hutch.testing.faults.inject`): see the module.

    `target` is a hutch.Server, or the URL (redis:// or unix://) of any server. The proxy listens on a free port of 127.0.0.1, or on `port`; with
    `unixsocket` on that path instead. Its thread begins with `start` or a ``with`` block, and ends with it. ValueError for
    a target that speaks TLS, and for a URL that is of no such server.
    """

    def __init__(self, target: Any, *, port: int = 0, unixsocket: str | None = None):
        url = target if isinstance(target, str) else target.url
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "valkey", "unix"):
            raise ValueError(f"faults are put into what is read, so not {parts.scheme or url!r}: redis:// or unix://")
        self._parts = parts
        self._store = None if isinstance(target, str) else target.store
        self._port, self._unix_socket = port, unixsocket
        self.faults: list[Fault] = []
        self._lines: set[_Line] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.AbstractServer | None = None

    # ---- beginning and end

    def start(self) -> "FaultProxy":
        """Begin to listen, and return the proxy itself. OSError where the port cannot be had; RuntimeError where it listens already."""
        if self._thread is not None:
            raise RuntimeError("this proxy listens already")
        self._loop = _Loop()
        self._thread = threading.Thread(target=self._run, name="hutch-fault-proxy", daemon=True)
        self._thread.start()
        try:
            self._call(self._listen())
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all connections and stop listening. May be called again."""
        if self._thread is None:
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._thread = self._loop = None

    __enter__ = start

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @contextmanager
    def down(self) -> Iterator[None]:
        """In a ``with`` block nobody listens: connections are reset, new ones refused. Afterwards the port is the same. RuntimeError for
        a proxy that has not begun. The server behind it hears of nothing but closed connections."""
        if self._thread is None:
            raise RuntimeError("this proxy does not listen")
        self._call(self._close())
        try:
            yield
        finally:
            self._call(self._listen())

    def reset(self) -> None:
        """Reset the connections that there are. Clients may come again."""
        if self._thread is not None:
            self._call(self._reset())

    # ---- where it is

    @property
    def port(self) -> int:
        """The TCP port; 0 with a Unix socket, and before a free one was found."""
        return self._port

    @property
    def url(self) -> str:
        """The URL for clients: the server's own, with this address."""
        user, at, _ = self._parts.netloc.rpartition("@")
        if self._unix_socket is not None:
            return f"unix://{user}{at}{self._unix_socket}"
        path = self._parts.path if self._parts.scheme != "unix" else "/0"
        return f"redis://{user}{at}127.0.0.1:{self._port}{path or '/0'}" + (f"?{self._parts.query}" if self._parts.query else "")

    def __repr__(self) -> str:
        if self._thread is None:
            return "<hutch.testing.FaultProxy stopped>"
        from ..connecting import without_password
        return f"<hutch.testing.FaultProxy {without_password(self.url)}>"

    # ---- in the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        if self._unix_socket is not None:
            self._server = await asyncio.start_unix_server(self._accept, self._unix_socket)
            return
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _reset(self) -> None:
        ends = []
        for line in self._lines:
            line.reset()
            line.task.cancel()
            ends.append(line.task)
        await asyncio.gather(*ends, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(self, reader, writer)
        line.task = asyncio.current_task()
        self._lines.add(line)
        try:
            await line.serve()
        except (OSError, ValueError):
            line.reset()
        except asyncio.CancelledError:       # by _reset; the server would log it
            pass
        finally:
            self._lines.discard(line)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = self._parts
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(unquote(parts.path))
        return await asyncio.open_connection(parts.hostname or "127.0.0.1", parts.port or 6379)

    def _fault(self, words: tuple[bytes, ...]) -> Fault | None:
        return next((fault for fault in tuple(self.faults) if fault.hits(words)), None)

    async def _pass_time(self, seconds: float) -> None:
        """Of the store's held clock, if there is one; else really."""
        if self._store is not None and self._store.engine.clock_is_held:
            from .faulty import advance_held
            await asyncio.get_running_loop().run_in_executor(None, advance_held, self._store, seconds)
        else:
            await asyncio.sleep(seconds)

