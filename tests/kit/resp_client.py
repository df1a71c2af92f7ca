"""A raw RESP socket client: it sends what it is told and keeps the very bytes of every reply.

    client = RespClient(host, port)
    client.execute("SET", "a", 1).raw     # b"+OK\\r\\n"
    client.pipeline([["GET", "a"], ["PING"]])

Nothing is retried, reordered or interpreted, so that two servers can be compared byte for byte.
"""
from __future__ import annotations

import select
import socket
from collections import deque
from typing import Any, Iterable, NamedTuple

from hutch.testing.replies import BadReply, Incomplete, decode

# What was sent last to the ports that somebody watches: should the server there die, this is what it died of.
LAST_SENT: dict[int, deque] = {}


class Reply(NamedTuple):
    value: Any      # decoded, see hutch.testing.replies
    raw: bytes      # as it came


class Closed(Exception):
    """The server closed the connection; `.rest` holds the undecoded bytes that came before."""

    def __init__(self, rest: bytes):
        super().__init__(f"connection closed by the server, unread: {rest[:200]!r}")
        self.rest = rest


def as_bytes(word) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()


def pack(argv: Iterable) -> bytes:
    """One command as a RESP array of bulk strings."""
    words = [as_bytes(word) for word in argv]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class RespClient:
    def __init__(self, host: str, port: int, timeout: float = 30.0):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._last_sent = LAST_SENT.get(port)
        self._buffer = bytearray()
        self._at = 0

    def send_raw(self, data: bytes) -> None:
        if self._last_sent is not None:
            self._last_sent.append(data[-8000:])
        self.socket.sendall(data)

    def read(self) -> Reply:
        """The next reply; raises Closed, or socket.timeout."""
        while True:
            try:
                value, end = decode(self._buffer, self._at)
            except Incomplete:
                chunk = self.socket.recv(1 << 18)
                if not chunk:
                    raise Closed(bytes(self._buffer[self._at:])) from None
                # Drop what was answered only here, once a read, so a long pipeline costs no copying.
                del self._buffer[:self._at]
                self._at = 0
                self._buffer += chunk
                continue
            raw = bytes(self._buffer[self._at:end])
            self._at = end
            return Reply(value, raw)

    def is_quiet(self) -> bool:
        """Nothing has come yet that was not read."""
        return self._at == len(self._buffer) and not select.select([self.socket], [], [], 0)[0]

    def execute(self, *argv) -> Reply:
        self.send_raw(pack(argv))
        return self.read()

    def pipeline(self, commands: list, count: int | None = None) -> list[Reply]:
        """Send all commands at once, then read one reply for each (or `count` replies).

        Where the connection breaks, the error's `.replies` are those that came before.
        """
        self.send_raw(b"".join(map(pack, commands)))
        replies: list[Reply] = []
        try:
            while len(replies) < (len(commands) if count is None else count):
                replies.append(self.read())
        except (Closed, OSError, BadReply) as lost:
            lost.replies = replies
            raise
        return replies

    def read_until_closed(self, timeout: float) -> tuple[bytes, bool]:
        """Everything the server sends within `timeout` seconds of silence, and whether it closed."""
        data = bytes(self._buffer[self._at:])
        self._buffer.clear()
        self._at = 0
        self.socket.settimeout(timeout)
        try:
            while chunk := self.socket.recv(1 << 16):
                data += chunk
            return data, True
        except (ConnectionResetError, BrokenPipeError):
            return data, True
        except socket.timeout:
            return data, False

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "RespClient":
        return self

    def __exit__(self, *_) -> None:
        self.close()
