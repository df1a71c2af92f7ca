"""Runs commands and shows their replies: one, several from a file, or those that the prompt reads."""
from __future__ import annotations

import sys
import time
from typing import Any, BinaryIO, Callable, Sequence

from . import TerminalError
from .link import ConnectionLost, Link
from .replies import COLOURS, Shape, is_text, raw, to_json
from .resp import Failure, Push
from .words import read_line

# Commands after which messages come until one has enough of them.
STREAMS = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR"})
# Commands that are answered once a word, and in RESP3 by messages.
ENDS_OF_SUBSCRIPTIONS = frozenset({"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"})
# Commands that make a connection something else than a terminal can be.
IMPOSSIBLE = {"SYNC": "a replica", "PSYNC": "a replica"}

NOTHING = object()               # stands for the reply where none comes
REDIRECTIONS_MAX = 8             # from one node of a cluster to the next

ERROR_REPLY, UNREACHABLE, INTERRUPTED = 1, 2, 130        # exit codes; 0 is success


class Console:
    """Shows replies. `form` is shape (redis-cli's for people), raw or json; `colours` only where somebody looks. With `cluster` a command
    goes on to the node that has its key, which is told to `on_redirection`."""

    def __init__(self, link: Link, form: str = "shape", *, colours: bool = False, utf8: bool = False, indent: "int | None" = None,
                 cluster: bool = False, out: "BinaryIO | None" = None, errors: "BinaryIO | None" = None):
        self.link = link
        self.form = form
        self.shape = Shape(COLOURS if colours else None, utf8)
        self.indent = indent
        self.cluster = cluster
        self.on_redirection: "Callable[[str], object] | None" = None
        self.out: BinaryIO = out or sys.stdout.buffer
        self.errors: BinaryIO = errors or sys.stderr.buffer
        link.on_push = self.show_push

    # ---- showing

    def render(self, reply: Any, words: "Sequence[bytes]" = (), form: "str | None" = None) -> bytes:
        """The reply as bytes, without a newline at the end. O(bytes)"""
        form = form or self.form
        if form == "raw":
            return raw(reply)
        if form == "json":
            return to_json(reply, self.indent).encode("utf-8")
        return self.shape.text(reply, is_text(words)).encode("utf-8", "replace")

    def write(self, data: bytes) -> None:
        """Put a line out at once."""
        self.out.write(data + b"\n")
        self.out.flush()

    def show(self, reply: Any, words: "Sequence[bytes]" = ()) -> bool:
        """Put a reply out; an error goes to the errors unless it is shown to people. Returns whether it is none."""
        failed = isinstance(reply, Failure)
        if failed and self.form != "shape":
            self.out.flush()
            self.errors.write(raw(reply) + b"\n")
            self.errors.flush()
        else:
            self.write(self.render(reply, words))
        return not failed

    def show_push(self, message: Push) -> None:
        """Put a message out that came between replies."""
        self.write(self.render(message))

    # ---- running

    def ask(self, words: "Sequence[bytes]") -> Any:
        """Send a command and return its reply: a list of them where there are several, NOTHING where none comes.

        TerminalError for what a terminal cannot do, and when the connection breaks.
        """
        name = words[0].decode("latin-1").upper()
        if name in IMPOSSIBLE:
            raise TerminalError(f"{name} makes the connection {IMPOSSIBLE[name]}'s: not for a terminal")
        option = words[2].decode("latin-1").upper() if name == "CLIENT" and len(words) == 3 and words[1].upper() == b"REPLY" else ""
        if option in ("OFF", "SKIP") or (self.link.muted and option != "ON"):
            self.link.send(words)
            self.link.muted = self.link.muted or option == "OFF"
            if option == "SKIP":
                self.link.send([b"PING"])            # the one that is passed over: the next command is answered again
            return NOTHING
        if option == "ON":
            self.link.muted = False
        if name in ENDS_OF_SUBSCRIPTIONS and not self.link.in_multi:
            self.link.send(words)
            replies = []
            for _ in range(max(len(words) - 1, 1)):
                replies.append(self.link.receive(pushes=True))
                if isinstance(replies[-1], Failure):
                    break
            return replies[0] if len(replies) == 1 else replies
        try:
            reply = self.link.call(*words)
        except ConnectionLost:
            if name == "SHUTDOWN":
                return NOTHING                       # it is done
            raise
        return self._follow(words, reply) if self.cluster else reply

    def _follow(self, words: "Sequence[bytes]", reply: Any) -> Any:
        """The reply of the node of a cluster that has the key."""
        for _ in range(REDIRECTIONS_MAX):
            parts = reply.text.split(" ") if isinstance(reply, Failure) else []
            if len(parts) != 3 or parts[0] not in ("MOVED", "ASK"):
                break
            host, _, port = parts[2].rpartition(":")
            if not port.isdigit():
                break
            if self.on_redirection is not None:
                self.on_redirection(f"-> Redirected to slot [{parts[1]}] located at {parts[2]}")
            self.link.move(host.strip("[]"), int(port))
            if parts[0] == "ASK":
                self.link.call("ASKING")
            reply = self.link.call(*words)
        return reply

    def is_stream(self, words: "Sequence[bytes]") -> bool:
        """Do messages follow this command without end?"""
        return words[0].decode("latin-1").upper() in STREAMS and not self.link.in_multi

    def stream(self, words: "Sequence[bytes]") -> bool:
        """Show what comes after such a command, until the connection ends or Ctrl-C is raised as KeyboardInterrupt; the connection is
        ended then. Returns False when the command was refused."""
        self.link.send(words)
        try:
            while True:
                message = self.link.receive(pushes=True)
                if isinstance(message, Failure):
                    return self.show(message, words)
                self.show(message, words)
        finally:
            if not sys.exc_info()[0] is None:
                self.link.drop()

    def run(self, words: "Sequence[bytes]") -> bool:
        """Run a command and show what comes of it. Returns False when that was an error. TerminalError as for `ask`."""
        if self.is_stream(words):
            return self.stream(words)
        reply = self.ask(words)
        return True if reply is NOTHING else self.show(reply, words)

    def run_lines(self, lines: "Callable[[], bytes]", source: str) -> int:
        """Run the commands of a file, a line each; `lines` returns the next one, none at the end. An error does not stop it, a lost
        connection does. Returns the exit code."""
        code, number = 0, 0
        while True:
            text = lines()
            if not text:
                return code
            number += 1
            line = read_line(text)
            if not line.words or line.words[0].value.startswith(b"#"):
                continue
            if not line.whole:
                self.errors.write(f"{source}, line {number}: unbalanced quotes\n".encode())
                self.errors.flush()
                code = ERROR_REPLY
                continue
            values = line.values
            if values[0].lower() in (b"quit", b"exit"):
                return code
            if not self.run(values):
                code = ERROR_REPLY

    def repeat(self, words: "Sequence[bytes]", times: int, interval: float) -> int:
        """Run a command that many times, for ever when it is negative, `interval` seconds apart. Returns the exit code."""
        code = 0
        while times:
            if not self.run(words):
                code = ERROR_REPLY
            times -= 1
            if times and interval:
                time.sleep(interval)
        return code
