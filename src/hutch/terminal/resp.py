"""Replies as they come over a socket, RESP2 and RESP3, without losing what a reply was: a status is not a string here, and a map
is not a list. (redis-py's parsers make the Python value that a program wants; a terminal shows what came.)"""
from __future__ import annotations

from typing import Any, Callable, Iterable, Union

DEPTH_MAX = 256              # nested replies; the deepest of Redis's own have eight levels
LINE_MAX = 1 << 20           # bytes of a line, errors and statuses
PIECE = 1 << 18              # bytes asked for at once

Sendable = Union[bytes, str, int, float]


class ProtocolError(Exception):
    """What came is no reply of RESP."""


class Status(bytes):
    """A simple string: OK."""


class Failure(bytes):
    """An error, whole or within another reply."""

    @property
    def text(self) -> str:
        """The error's text."""
        return self.decode("utf-8", "replace")


class Verbatim(bytes):
    """Text that is meant to be read as it is."""


class BigNumber(bytes):
    """A number past 64 bits, as text."""


class Double(float):
    """A double, which keeps the text it came as."""

    text: str

    def __new__(cls, text: str) -> "Double":
        number = float.__new__(cls, text)
        number.text = text
        return number


class Map(list):
    """Pairs of key and value."""


class Set(list):
    """Members."""


class Push(list):
    """A message that is no reply."""


def pack(words: Iterable[Sendable]) -> bytes:
    """The bytes of a command. O(bytes)

    >>> pack(["GET", b"k"])
    b'*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n'
    """
    parts = []
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"*%d\r\n" % len(parts) + b"".join(parts)


class Reader:
    """Reads one reply after the other by a function that returns the next bytes, or none at the end.

    Memory follows the bytes that are there, never a length that is claimed. ConnectionError when the other side has ended,
    ProtocolError for what is not RESP; after either the reader is of no use any more.
    """

    def __init__(self, receive: Callable[[int], bytes]):
        self._receive = receive
        self._data = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Put bytes behind those that were received."""
        self._data += data

    def _more(self) -> None:
        piece = self._receive(PIECE)
        if not piece:
            raise ConnectionError("Server closed the connection")
        if self._at:
            del self._data[:self._at]
            self._at = 0
        self._data += piece

    def _line(self) -> bytes:
        looked = 0
        while True:
            end = self._data.find(b"\r\n", self._at + looked)
            if end >= 0:
                line = bytes(self._data[self._at:end])
                self._at = end + 2
                return line
            looked = max(len(self._data) - self._at - 1, 0)
            if looked > LINE_MAX:
                raise ProtocolError("a line of the reply has no end")
            self._more()

    def _block(self, length: int) -> bytes:
        while len(self._data) - self._at < length + 2:
            self._more()
        block = bytes(self._data[self._at:self._at + length])
        if self._data[self._at + length:self._at + length + 2] != b"\r\n":
            raise ProtocolError("a string of the reply has another length than it says")
        self._at += length + 2
        return block

    def read(self, depth: int = 0) -> Any:
        """The next reply. O(bytes)"""
        if depth > DEPTH_MAX:
            raise ProtocolError("the reply is nested too deep")
        line = self._line()
        kind, rest = line[:1], line[1:]
        try:
            if kind == b"$":
                length = int(rest)
                return None if length < 0 else self._block(length)
            if kind == b"+":
                return Status(rest)
            if kind == b":":
                return int(rest)
            if kind == b"-":
                return Failure(rest)
            if kind == b"*":
                return None if int(rest) < 0 else [self.read(depth + 1) for _ in range(int(rest))]
            if kind == b"%":
                return Map((self.read(depth + 1), self.read(depth + 1)) for _ in range(int(rest)))
            if kind == b"~":
                return Set(self.read(depth + 1) for _ in range(int(rest)))
            if kind == b">":
                return Push(self.read(depth + 1) for _ in range(int(rest)))
            if kind == b"_":
                return None
            if kind == b"#":
                return rest == b"t"
            if kind == b",":
                return Double(rest.decode("ascii"))
            if kind == b"(":
                return BigNumber(rest)
            if kind == b"=":
                return Verbatim(self._block(int(rest))[4:])
            if kind == b"!":
                return Failure(self._block(int(rest)))
            if kind == b"|":                             # attributes of what follows, which nobody here asks for
                for _ in range(2 * int(rest)):
                    self.read(depth + 1)
                return self.read(depth)
        except ValueError:
            pass
        raise ProtocolError(f"this is no Redis server: it answers {line[:60]!r}")
