"""A connection to a server or to a store, that answers what is on the wire: redis-py shapes replies, and that would hide differences.

    >>> with connect("hutch://") as store:
    ...     store.run((b"SET", b"key", b"v")), store.run((b"GET", b"key"))
    (Simple(text=b'OK'), b'v')
"""
from __future__ import annotations

import socket
import ssl
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from .model import Model
from .replies import Incomplete, Null, decode, encode

__all__ = ["Wire", "connect"]

TIMEOUT_S = 60.0


class Wire(Protocol):
    """What `connect` returns."""

    def run(self, words: tuple) -> Any:
        """Send a command and return its reply, as replies.decode gives it."""

    def close(self) -> None:
        """Disconnect. May be called again."""


class _Closing:
    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def _bytes(word: Any) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()


class SocketWire(_Closing):
    """To a server, over TCP, TLS or a Unix socket."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        if parts.scheme == "unix":
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(TIMEOUT_S)
            self._socket.connect(unquote(parts.path))
            database = parse_qs(parts.query).get("db", ["0"])[0]
        else:
            self._socket = socket.create_connection((parts.hostname or "localhost", parts.port or 6379), TIMEOUT_S)
            if parts.scheme in ("rediss", "valkeys"):
                self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=parts.hostname)
            database = parts.path.strip("/") or "0"
        self._buffer = bytearray()
        if parts.password is not None:
            self._need_ok("AUTH", *([unquote(parts.username)] if parts.username else []), unquote(parts.password))
        if database != "0":
            self._need_ok("SELECT", database)

    def _need_ok(self, *words: str) -> None:
        reply = self.run(words)
        if encode(reply) != b"+OK\r\n":
            self.close()
            raise ConnectionError(f"{words[0]}: {getattr(reply, 'text', reply)!r}")

    def run(self, words: tuple) -> Any:
        """Send a command and return its reply. OSError (ConnectionError among them) when the server hangs up or is silent."""
        self._socket.sendall(encode([_bytes(word) for word in words]))
        while True:
            try:
                reply, end = decode(self._buffer)
            except Incomplete:
                got = self._socket.recv(65536)
                if not got:
                    raise ConnectionError("the server hung up") from None
                self._buffer += got
                continue
            del self._buffer[:end]
            return reply

    def close(self) -> None:
        """Disconnect. May be called again."""
        self._socket.close()


class StoreWire(_Closing):
    """To a store of this process."""

    def __init__(self, store: Any):
        self._session = store.engine.session()

    def run(self, words: tuple) -> Any:
        """Run a command and return its reply."""
        return decode(bytes(self._session.execute_raw([_bytes(word) for word in words])))[0]

    def close(self) -> None:
        """End the session. May be called again."""
        self._session.close()


class ModelWire(_Closing):
    """To a Model: its replies as a server would send them."""

    def __init__(self, model: Model):
        self._session = model.session()

    def run(self, words: tuple) -> Any:
        """Run a command and return its reply."""
        if _bytes(words[0]).upper() == b"HELLO":
            self._session.protocol = int(words[1])
            return Null(b"_")
        return decode(encode(self._session.execute(*words), self._session.protocol))[0]

    def close(self) -> None:
        """Nothing."""


def connect(where: Any) -> Any:
    """A connection to where a URL says (redis, rediss, valkey, valkeys, unix; hutch for a store of this process; model for a new
    reference model), to a hutch.Store, to the store of a client of Hutch, or to a Model. ValueError for another URL, OSError where nobody
    answers."""
    if isinstance(where, Model):
        return ModelWire(where)
    if not isinstance(where, str):
        from .clock import store_behind
        return StoreWire(store_behind(where))
    scheme = where.partition(":")[0]
    if scheme in ("redis", "rediss", "valkey", "valkeys", "unix"):
        return SocketWire(where)
    if scheme == "hutch":
        from ..store import Store, named_store
        name = urlsplit(where).netloc
        return StoreWire(named_store(name) if name else Store())
    if scheme == "model":
        return ModelWire(Model())
    raise ValueError(f"{where!r} is no redis://, rediss://, valkey://, unix://, hutch:// or model:// URL")
