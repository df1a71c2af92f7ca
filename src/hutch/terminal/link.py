"""A connection to a server or a store, which comes back when it is lost.

Stores of Hutch are reached through a socket, too: that of their directory, or one that is made for the purpose. So a reply is the same
bytes whatever it comes from, and a prompt that holds a store keeps nobody else from it.
"""
from __future__ import annotations

import os
import shutil
import socket
import ssl
import tempfile
import time
from dataclasses import replace
from typing import Any, Callable, Sequence

from redis.exceptions import RedisError

from . import TerminalError
from .resp import PIECE, Failure, ProtocolError, Push, Reader, Sendable, Status, pack
from .target import Target

PATIENCE_S = 60.0            # for the owner of a store, who may be loading it
CONNECT_S = 10.0


class ConnectionLost(TerminalError):
    """The connection broke after a command was sent: whether it was run is not known."""


class NoConnection(TerminalError):
    """The server cannot be reached."""


class AuthenticationNeeded(TerminalError):
    """The server wants a password, or another one."""


class House:
    """A store of Hutch's that this process opens for its connections. TerminalError when it cannot be opened."""

    def __init__(self, target: Target):
        import hutch
        self._target = target
        self._shared: Any = None
        self._server: Any = None
        self._directory = ""
        self.is_new = False                  # was the store's directory made just now?
        try:
            if target.kind == "store":
                self.is_new = not os.path.isdir(target.path)
                self._shared = hutch.SharedStore(target.path)
                self._shared.take()
                self._shared.check_shared()
            else:
                store = hutch.Store()
                if target.kind == "file":
                    from ..cli_server import Progress
                    with Progress("Reading") as progress:
                        store.engine.load(os.path.abspath(target.path), progress=progress)
                self._directory = tempfile.mkdtemp(prefix="hutch-")          # this user's alone
                self._server = hutch.Server(store, port=None, unixsocket=os.path.join(self._directory, "socket")).start()
        except (OSError, ValueError, RedisError) as error:
            self.close()
            raise TerminalError(f"{target.label}: {getattr(error, 'strerror', None) or error}") from None

    @property
    def is_owner(self) -> bool:
        """Is the engine in this process?"""
        return self._shared is None or self._shared.is_owned

    def connect(self) -> socket.socket:
        """A socket to the store, whoever owns it: this process when nobody else does. OSError when nobody answers."""
        end = time.monotonic() + PATIENCE_S
        while True:
            if self._shared is not None:
                try:
                    self._shared.take()
                    self._shared.check_shared()
                except (OSError, ValueError, RedisError) as error:
                    raise TerminalError(str(error)) from None
            address = self._server.unix_socket if self._server else self._shared.directory.address()
            found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                found.connect(address)
                return found
            except OSError:
                found.close()
                # An owner that does not listen is about to, or has just ended. If that is we, somebody has told us to SHUTDOWN.
                if self._server or self.is_owner or time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def close(self) -> None:
        """Write and end the store, if it is this process's. May be called again."""
        if self._server is not None:
            store = self._server.store
            self._server.stop()
            store.close()
            self._server = None
        if self._shared is not None:
            self._shared.close()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


class Link:
    """A connection, its user, its database, and what state the session is in.

    `protocol` is 2 or 3; a server that does not know 3 is spoken to in 2. `on_push` is told of messages that come in between.
    `house` is the opened store of another Link to share.
    """

    def __init__(self, target: Target, protocol: int = 2, *, house: "House | None" = None, timeout: "float | None" = None,
                 on_push: "Callable[[Push], object] | None" = None):
        self.target = target
        self.wanted_protocol = protocol
        self.protocol = 2
        self.db = target.db
        self.username, self.password = target.username, target.password
        self.in_multi = False
        self.muted = False                   # CLIENT REPLY OFF
        self.on_push = on_push
        self.sent_bytes = self.received_bytes = 0
        self._timeout = timeout
        self._own_house = house is None
        self.house = House(target) if house is None and target.is_ours else house
        self._socket: "socket.socket | None" = None
        self._reader: "Reader | None" = None

    # ---- coming and going

    @property
    def is_connected(self) -> bool:
        """Is there a connection, as far as is known?"""
        return self._socket is not None

    def _open(self) -> socket.socket:
        target = self.target
        if self.house is not None:
            return self.house.connect()
        if target.kind == "unix":
            found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                found.connect(target.path)
            except BaseException:
                found.close()
                raise
            return found
        found = socket.create_connection((target.host, target.port), min(self._timeout or CONNECT_S, CONNECT_S))
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls is not None:
            try:
                found = target.tls.context().wrap_socket(found, server_hostname=target.tls.server_name or target.host)
            except BaseException:
                found.close()
                raise
        return found

    def connect(self) -> None:
        """Connect, log in, choose protocol and database. NoConnection, AuthenticationNeeded, or TerminalError for another refusal."""
        self.drop()
        try:
            found = self._open()
            found.settimeout(self._timeout or CONNECT_S)
        except ssl.SSLCertVerificationError as error:
            raise NoConnection(f"{self.target.label}: TLS: {error.verify_message} (--cacert FILE names who is trusted)") from None
        except OSError as error:
            raise NoConnection(f"Could not connect to {self.target.label}: {error.strerror or error}") from None
        self._socket, self._reader = found, Reader(self._receive)
        self.in_multi = self.muted = False
        try:
            self._greet()
            if self._socket is not None:
                self._socket.settimeout(self._timeout)
        except (OSError, ProtocolError) as error:
            self.drop()
            raise NoConnection(f"{self.target.label}: {error}") from None
        except TerminalError:
            self.drop()
            raise

    def _greet(self) -> None:
        login = ["AUTH", self.username or "default", self.password] if self.password is not None else []
        self.protocol = 2
        if self.wanted_protocol == 3:
            reply = self._ask(["HELLO", "3", *login])
            if not isinstance(reply, Failure):
                self.protocol, login = 3, []
            elif reply.startswith((b"NOAUTH", b"WRONGPASS")):
                raise AuthenticationNeeded(f"{self.target.label}: {reply.text}")
        if login:
            words = ["AUTH", *([self.username] if self.username else []), self.password or ""]
            reply = self._ask(words)
            if isinstance(reply, Failure):
                # A server without a password is not to be refused for one.
                if b"without any password" not in reply and b"no password is set" not in reply:
                    raise AuthenticationNeeded(f"{self.target.label}: {reply.text}")
        if self.db:
            reply = self._ask(["SELECT", self.db])
            if isinstance(reply, Failure):
                if reply.startswith(b"NOAUTH"):
                    raise AuthenticationNeeded(f"{self.target.label}: {reply.text}")
                raise TerminalError(f"database {self.db}: {reply.text}")

    def move(self, host: str, port: int) -> None:
        """Go to another node of the same cluster, as the same user. Raises what `connect` does."""
        self.drop()
        self.target = replace(self.target, kind="tcp", host=host or self.target.host, port=port)
        self.connect()

    def drop(self) -> None:
        """End the connection; the next command makes a new one."""
        found, self._socket, self._reader = self._socket, None, None
        self.in_multi = self.muted = False
        if found is not None:
            found.close()

    def close(self) -> None:
        """End the connection, and the store if it was opened for it."""
        self.drop()
        if self._own_house and self.house is not None:
            self.house.close()
            self.house = None

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def is_dead(self) -> bool:
        """Has the other side ended the connection since? What it has sent in the meantime is kept for who reads next."""
        if self._socket is None or self._reader is None:
            return True
        try:
            self._socket.settimeout(0)
            try:
                while data := self._receive(PIECE):
                    self._reader.feed(data)
                return True
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            finally:
                self._socket.settimeout(self._timeout)
        except (OSError, ValueError):
            return True

    # ---- commands

    def _ask(self, words: Sequence[Sendable]) -> Any:
        self._send(pack(words))
        return self._reply()

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(data)
        self.sent_bytes += len(data)

    def _receive(self, size: int) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(size)
        self.received_bytes += len(data)
        return data

    def _reply(self) -> Any:
        assert self._reader is not None
        while True:
            reply = self._reader.read()
            if not isinstance(reply, Push):
                return reply
            if self.on_push is not None:
                self.on_push(reply)

    def send(self, words: Sequence[Sendable]) -> None:
        """Send a command and read nothing. Connects first where there is no connection, or none any more."""
        if self.is_dead():
            self.connect()
        try:
            self._send(pack(words))
        except OSError as error:
            self.drop()
            raise ConnectionLost(f"{self.target.label}: {error.strerror or error}") from None
        except BaseException:
            self.drop()
            raise

    def receive(self, pushes: bool = False) -> Any:
        """The next reply; with `pushes` the next message or reply, whichever comes first. ConnectionLost when the connection breaks.

        Whatever else ends the wait, Ctrl-C too, ends the connection: its replies could not be told from each other any more.
        """
        if self._reader is None:
            raise ConnectionLost(f"{self.target.label}: not connected")
        try:
            return self._reader.read() if pushes else self._reply()
        except (OSError, ProtocolError) as error:
            self.drop()
            what = "no answer in time" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
            raise ConnectionLost(f"{self.target.label}: {what}") from None
        except BaseException:
            self.drop()
            raise

    def call(self, *words: Sendable) -> Any:
        """Send a command and return its reply. ConnectionLost when the connection broke after that: the command may have been run."""
        self.send(words)
        reply = self.receive()
        self._note(words, reply)
        return reply

    def put(self, data: bytes) -> None:
        """Send packed commands, and nothing else: for who counts the lines of the replies (`pass_over`). OSError as the socket."""
        self._send(data)

    def pass_over(self, lines: int) -> None:
        """Read so many lines of replies without looking at them. ConnectionError when the other side ends before."""
        while lines > 0:
            data = self._receive(PIECE)
            if not data:
                raise ConnectionError("Server closed the connection")
            lines -= data.count(b"\n")

    def pipeline(self, commands: Sequence[Sequence[Sendable]]) -> "list[Any]":
        """Send several commands at once and return their replies. Few enough that their replies find room on the way: some hundred."""
        if not commands:
            return []
        if self.is_dead():
            self.connect()
        try:
            self._send(b"".join(map(pack, commands)))
        except BaseException as error:
            self.drop()
            if isinstance(error, OSError):
                raise ConnectionLost(f"{self.target.label}: {error.strerror or error}") from None
            raise
        return [self.receive() for _ in commands]

    def _note(self, words: Sequence[Sendable], reply: Any) -> None:
        """What a command has changed about the session."""
        if isinstance(reply, Failure):
            if reply.startswith(b"EXECABORT"):
                self.in_multi = False
            return
        name = _text(words[0]).upper()
        if name in ("EXEC", "DISCARD"):
            self.in_multi = False
        elif self.in_multi and isinstance(reply, Status) and reply == b"QUEUED":
            return
        elif name == "MULTI":
            self.in_multi = True
        elif name == "SELECT" and len(words) == 2:
            self.db = int(_text(words[1]))
        elif name == "AUTH" and len(words) in (2, 3):
            self.username = _text(words[1]) if len(words) == 3 else None
            self.password = _text(words[-1])
        elif name == "HELLO" and len(words) > 1:
            self.protocol = self.wanted_protocol = int(_text(words[1]))
            for at, word in enumerate(words[2:-2], 2):
                if _text(word).upper() == "AUTH":
                    self.username, self.password = _text(words[at + 1]), _text(words[at + 2])
        elif name == "RESET":
            self.in_multi, self.db, self.protocol, self.wanted_protocol = False, 0, 2, 2


def _text(word: Sendable) -> str:
    return word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else str(word)
