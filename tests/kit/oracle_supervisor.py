"""Keeps a real Redis fit to be compared with.

Random commands are hard on a server: Redis 8.2.3 itself now and then dies of them, is caught in a script without end, or has its
default user taken its rights away. Whatever is compared with it afterwards differs, and none of that is a fault of ours. So
everything that is compared with a Redis asks its supervisor:

    supervisor.check()       after something failed, or between two tests: None, or the Loss that was found and mended

A server that is lost is replaced by a fresh one on another port, and the loss is told: LOSSES has what was sent last and what the
log says, and the hooks in oracle_plugin make warnings of them, and repeat the test.
"""
from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

from hutch.testing.replies import BadReply, Error
from kit.oracle import RedisServer
from kit.resp_client import LAST_SENT, Closed, RespClient

PATIENCE_SECONDS = 20           # a loaded machine is no dead one
DYING_SECONDS = 10              # a crash is written to the log before the process ends
REMEMBERED = 12                 # pipelines


@dataclass
class Loss:
    """An oracle that could not be asked any more."""
    what: str
    last_sent: list[bytes]
    log: str
    mended: bool                # whoever compared noticed, and played again what it had played: nothing to repeat

    def __str__(self) -> str:
        sent = "\n".join(f"    {data!r}" for data in self.last_sent) or "    (nothing by a RespClient)"
        return (f"the Redis that we compare with {self.what} and was replaced, "
                f"{'what was being compared was played again' if self.mended else 'a test that failed is repeated'}.\n"
                f"  Sent last:\n{sent}\n  Its log:\n    " + self.log.replace("\n", "\n    "))


LOSSES: list[Loss] = []         # of this process, in order
SUPERVISORS: list["OracleSupervisor"] = []    # those with a server


class OracleSupervisor:
    """A RedisServer that is replaced when it is lost. `generation` counts them: who keeps a connection looks at it."""
    host = "127.0.0.1"

    def __init__(self, binary, *options: str):
        self.binary, self.options = binary, options
        self.server: RedisServer | None = None
        self.generation = 0

    @property
    def port(self) -> int:
        return self.server.port

    def start(self) -> "OracleSupervisor":
        self.server = RedisServer(self.binary, *self.options).start()
        self.generation += 1
        with RespClient(self.host, self.port, PATIENCE_SECONDS) as client:
            self._users, self._config = self._state(client)
        LAST_SENT[self.port] = deque(maxlen=REMEMBERED)
        if self not in SUPERVISORS:
            SUPERVISORS.append(self)
        return self

    def stop(self) -> None:
        if self.server is not None:
            how = self.server.ended()
            if how:
                self._tell(how, False)
            self._end()

    def _end(self) -> None:
        SUPERVISORS.remove(self)
        LAST_SENT.pop(self.port, None)
        self.server.stop(told=True)
        self.server = None

    def __enter__(self) -> "OracleSupervisor":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()

    @staticmethod
    def _state(client: RespClient) -> tuple[bytes, dict]:
        users, config = client.pipeline([("ACL", "LIST"), ("CONFIG", "GET", "*")])
        return users.raw, {} if isinstance(config.value, Error) else dict(zip(config.value[::2], config.value[1::2]))

    def _tell(self, what: str, mended: bool) -> Loss:
        # Of a long pipeline its end; the beginning of one that was cut off says nothing.
        sent = [data if len(data) <= 600 else b"..." + data[-600:] for data in LAST_SENT.get(self.port, ())]
        loss = Loss(what, sent, self.server.log(), mended)
        LOSSES.append(loss)
        return loss

    def _trouble(self, tidy: bool) -> str | None:
        """What is wrong with the server. Settings that differ are set back, which is no trouble."""
        how = self.server.ended()
        if how:
            return how
        try:
            with RespClient(self.host, self.port, PATIENCE_SECONDS) as client:
                client._last_sent = None                # what we ask is nothing that it died of
                users, config = self._state(client)
                if users != self._users:
                    return f"was spoilt (its users are {users[:300]!r})"
                changed = {name: value for name, value in self._config.items() if config.get(name) != value}
                if tidy:
                    replies = client.pipeline([*(("CONFIG", "SET", name, value) for name, value in changed.items()),
                                               ("FLUSHALL",), ("FUNCTION", "FLUSH", "SYNC")])
                    refused = [reply.value for reply in replies if isinstance(reply.value, Error)]
                    if refused:
                        return f"was spoilt (it cannot be tidied up: {refused[0]!r})"
        except (Closed, OSError, BadReply) as silence:
            return self.server.ended(DYING_SECONDS) or f"does not answer ({type(silence).__name__}: {silence})"
        return None

    def check(self, mended: bool = False, tidy: bool = False) -> Loss | None:
        """Look after the server, and replace one that is lost. With `tidy` it is emptied, too, and its configuration set back."""
        trouble = self._trouble(tidy)
        if trouble is None:
            return None
        loss = self._tell(trouble, mended)
        self._end()
        self.start()
        return loss


def losses_since(at: int) -> list[Loss]:
    return list(itertools.islice(LOSSES, at, None))
