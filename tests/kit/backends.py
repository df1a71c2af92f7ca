"""Whatever answers commands, behind one small interface, so that one test runs against all of them.

    subject.open() -> connection;  connection.run([argv, ...]) -> [Reply, ...];  connection.close()

`run` answers raw bytes beside decoded values. A subject that is embedded can also hold and move its clock.
"""
from __future__ import annotations

import time

from hutch.testing.model import Model
from hutch.testing.replies import BadReply, Incomplete, decode, encode
from kit.resp_client import RespClient, Reply, as_bytes


SILENCE = Reply(None, b"")


class TcpBackend:
    """A server on a port: Hutch's listener, or a real Redis."""
    clock = None

    def __init__(self, host: str, port: int, name: str = "tcp"):
        self.host, self.port, self.name = host, port, name

    def open(self) -> "TcpConnection":
        return TcpConnection(self.host, self.port)


class SupervisedBackend(TcpBackend):
    """A real Redis with a supervisor: it may be lost, which is no difference, and another is then asked."""

    def __init__(self, supervisor):
        self.supervisor, self.name = supervisor, "redis"

    host = property(lambda self: self.supervisor.host)
    port = property(lambda self: self.supervisor.port)


class TcpConnection(RespClient):
    def run(self, commands: list, silent: frozenset = frozenset()) -> list[Reply]:
        """`silent` are the indexes of the commands that bring no reply; an empty one stands for it."""
        if not silent:
            return self.pipeline(commands)
        try:
            replies = self.pipeline(commands, len(commands) - len(silent))
        except Exception as lost:
            lost.replies = self._with_gaps(getattr(lost, "replies", []), silent)
            raise
        return self._with_gaps(replies, silent)

    @staticmethod
    def _with_gaps(replies: list[Reply], silent: frozenset) -> list[Reply]:
        for index in sorted(silent):
            replies.insert(index, SILENCE)
        return replies


class EmbeddedBackend:
    """The engine in this process, through hutch_engine.door.engine; one session stands for one connection."""
    name = "embedded"

    def __init__(self):
        from hutch_engine.door.engine import Engine        # lazily: the harness works before the engine is built
        self.engine = Engine()

    def open(self) -> "EmbeddedConnection":
        return EmbeddedConnection(self.engine.session())

    @property
    def clock(self):
        return self

    def set_ms(self, ms: int) -> None:
        self.engine.set_clock_ms(ms)

    def release(self) -> None:
        self.engine.release_clock()


class EmbeddedConnection:
    def __init__(self, session):
        self.session = session

    def run(self, commands: list, silent: frozenset = frozenset()) -> list[Reply]:
        replies = []
        for index, argv in enumerate(commands):
            raw = bytes(self.session.execute_raw([as_bytes(word) for word in argv]))
            if index in silent and not raw:
                replies.append(SILENCE)
                continue
            try:
                value, end = decode(raw)
            except Incomplete:
                end = -1
            if end != len(raw):
                lost = BadReply(f"not exactly one reply to {argv!r}: {raw!r}")
                lost.replies = replies
                raise lost
            replies.append(Reply(value, raw))
        return replies

    def execute(self, *argv) -> Reply:
        return self.run([argv])[0]

    def close(self) -> None:
        close = getattr(self.session, "close", None)
        if close:
            close()


class ModelBackend:
    """The reference model, answering in RESP like a server; HELLO and RESET are the connection's own."""
    name, clock = "model", None

    def __init__(self):
        self.model = Model(clock_ms=lambda: time.time_ns() // 1_000_000)

    def open(self) -> "ModelConnection":
        return ModelConnection(self.model.session())


class ModelConnection:
    def __init__(self, session):
        self.session, self.protocol = session, 2

    def run(self, commands: list) -> list[Reply]:
        replies = []
        for argv in commands:
            argv = [as_bytes(word) for word in argv]
            name = argv[0].upper()
            if name == b"HELLO":
                self.protocol = self.session.protocol = int(argv[1])
                value = None
            elif name == b"RESET":
                self.protocol, self.session.protocol, self.session.database, value = 2, 2, 0, None
            else:
                value = self.session.execute(*argv)
            raw = encode(value, self.protocol)
            replies.append(Reply(decode(raw)[0], raw))
        return replies

    def close(self) -> None:
        pass
