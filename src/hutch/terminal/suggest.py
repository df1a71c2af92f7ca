"""What may be typed next: commands, options, key names, fields, parameters. All of it is asked for on a connection of its own, so that
neither a MULTI nor a subscription is disturbed, with limits of time and number."""
from __future__ import annotations

import threading
import time
from typing import Any, Iterable, Iterator, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from . import TerminalError
from .link import House, Link
from .resp import Failure, Map
from .syntax import Command, Next, Node, after, find, own_docs, read_docs
from .target import Target
from .words import Word, escaped, read_line, typed

KEYS_MAX = 200               # that are offered at once
SCAN_S = 0.2                 # how long keys are looked for
ANSWER_S = 2.0               # how long an answer is waited for
# The groups of commands whose keys have one type.
TYPES = {"list": "list", "hash": "hash", "set": "set", "sorted-set": "zset", "stream": "stream"}


class Scout:
    """A second connection, which looks around. Whatever goes wrong, there is nothing to offer, and nothing else happens.

    Its methods may be called from any thread.
    """

    def __init__(self, target: Target, house: "House | None" = None):
        self._target = target
        self._house = house
        self._link: "Link | None" = None
        self._lock = threading.Lock()
        self._commands: "dict[str, Command]" = {}
        self._parameters: "list[bytes]" = []
        self._silent_until = 0.0             # after a failure, nothing is tried for a while

    def _call(self, db: int, *words: Any) -> Any:
        """A reply, None when there is none to be had. The lock is held."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            if self._link is None:
                self._link = Link(self._target, house=self._house, timeout=ANSWER_S)
                self._link.call("CLIENT", "NO-TOUCH", "ON")          # where it is known: looking is no use
            if self._link.db != db:
                self._link.call("SELECT", db)
            reply = self._link.call(*words)
        except TerminalError:
            self._silent_until = time.monotonic() + 5
            return None
        return None if isinstance(reply, Failure) else reply

    def log_in(self, username: "str | None", password: "str | None") -> None:
        """From now on, as this user."""
        with self._lock:
            self._silent_until = 0.0
            if self._link is not None and (self._link.username, self._link.password) != (username, password):
                self._link.username, self._link.password = username, password
                self._link.drop()
            self._target.username, self._target.password = username, password

    def commands(self) -> "dict[str, Command]":
        """The commands there, as the server documents them; as Hutch does where it does not. O(1) after the first time"""
        with self._lock:
            if not self._commands:
                reply = self._call(0, "COMMAND", "DOCS")
                try:
                    self._commands = read_docs(reply) if reply else own_docs()
                except (LookupError, TypeError, ValueError):
                    self._commands = own_docs()          # that is no documentation
            return self._commands

    def keys(self, db: int, prefix: bytes, kind: str = "") -> "list[bytes]":
        """Some keys that begin so, of one type if that is given."""
        pattern = b"".join(b"\\" + bytes((byte,)) if byte in b"*?[]\\" else bytes((byte,)) for byte in prefix) + b"*"
        return self._scan(db, ["SCAN"], ["MATCH", pattern, "COUNT", 1000, *(["TYPE", kind] if kind else [])], 1)

    def fields(self, db: int, key: bytes, prefix: bytes) -> "list[bytes]":
        """Some fields of a hash."""
        found = self._scan(db, ["HSCAN", key], ["COUNT", 500], 2)
        return [field for field in found if field.startswith(prefix)]

    def members(self, db: int, command: str, key: bytes, prefix: bytes) -> "list[bytes]":
        """Some members of a set or a sorted set; `command` is SSCAN or ZSCAN."""
        found = self._scan(db, [command, key], ["COUNT", 500], 1 if command == "SSCAN" else 2)
        return [member for member in found if member.startswith(prefix)]

    def _scan(self, db: int, words: "Sequence[Any]", options: "Sequence[Any]", step: int) -> "list[bytes]":
        found: "dict[bytes, None]" = {}
        end, cursor = time.monotonic() + SCAN_S, b"0"
        with self._lock:
            while True:
                reply = self._call(db, *words, cursor, *options)
                if not isinstance(reply, list) or len(reply) != 2:
                    break
                cursor = reply[0]
                found.update(dict.fromkeys(reply[1][::step]))
                if cursor == b"0" or len(found) >= KEYS_MAX or time.monotonic() > end:
                    break
        return sorted(found)[:KEYS_MAX]

    def parameters(self) -> "list[bytes]":
        """Names of the server's parameters. O(1) after the first time"""
        with self._lock:
            if not self._parameters:
                reply = self._call(0, "CONFIG", "GET", "*")
                if reply:
                    self._parameters = sorted(key for key, _ in reply) if isinstance(reply, Map) else sorted(reply[::2])
            return self._parameters

    def channels(self, prefix: bytes) -> "list[bytes]":
        """Channels that somebody listens to."""
        with self._lock:
            reply = self._call(0, "PUBSUB", "CHANNELS")
        return sorted(name for name in reply or () if name.startswith(prefix))[:KEYS_MAX]

    def users(self, prefix: bytes) -> "list[bytes]":
        """Names of users."""
        with self._lock:
            reply = self._call(0, "ACL", "USERS")
        return sorted(name for name in reply or () if name.startswith(prefix))[:KEYS_MAX]

    def close(self) -> None:
        """End the connection."""
        if self._lock.acquire(timeout=ANSWER_S):         # somebody who still waits for an answer ends with the process
            if self._link is not None:
                self._link.drop()
            self._lock.release()


class Place:
    """Where the cursor is: the words before it, and what is typed of the present one. `text` ends at the cursor."""

    def __init__(self, text: str):
        data = text.encode("utf-8", "surrogateescape")
        line = read_line(data)
        words = list(line.words)
        self.partial: "Word | None" = words.pop() if words and words[-1].end == len(data) and (
            not line.whole or not text[-1:].isspace()) else None
        self.words = [word.value for word in words]
        self.quoted = self.partial is not None and data[self.partial.start:self.partial.start + 1] in (b'"', b"'")
        self.typed = "" if self.partial is None else data[self.partial.start:].decode("utf-8", "surrogateescape")

    @property
    def prefix(self) -> bytes:
        """What is typed of the present word."""
        return self.partial.value if self.partial is not None else b""


class Suggestions(Completer):
    """prompt_toolkit's completer: commands, then what their declarations say may follow. `local` are the prompt's own commands."""

    def __init__(self, scout: Scout, local: "Mapping[str, str]", database: "Any"):
        self._scout = scout
        self._local = local
        self._database = database            # a function: the present one

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> "Iterator[Completion]":
        """What may stand at the cursor; nothing where looking fails, whatever the reason: nobody has asked for it. O(found)"""
        try:
            yield from self._completions(document)
        except Exception:
            return

    def _completions(self, document: Document) -> "Iterator[Completion]":
        place = Place(document.text_before_cursor)
        commands = self._scout.commands()
        if not place.words:
            yield from self._commands(place, commands)
            return
        if place.words[0].lower() == b"help":
            yield from self._commands(place, commands)
            return
        command, used = find(commands, place.words)
        if command is None:
            if place.words[0].lower() == b"peek":
                yield from _offer(place, self._scout.keys(self._database(), place.prefix), "key")
            return
        if command.subcommands and used == 1 and len(place.words) == 1:
            prefix = place.typed.upper()
            for name, inner in command.subcommands.items():
                last = name.rpartition(" ")[2]
                if last.startswith(prefix):
                    yield _completion(place, last, inner.summary)
            if not command.arguments:
                return
        following = after(command, place.words[used:])
        yield from self._following(place, command, following, place.words[used:])

    def _commands(self, place: Place, commands: "Mapping[str, Command]") -> "Iterator[Completion]":
        prefix = place.typed.upper()
        for name, command in sorted(commands.items()):
            if name.startswith(prefix) and not command.deprecated:
                yield _completion(place, name, command.summary)
        for name, summary in self._local.items():
            if name.startswith(place.typed.lower()) and place.typed and not place.words:
                yield _completion(place, name, summary)

    def _following(self, place: Place, command: Command, following: Next, words: "Sequence[bytes]") -> "Iterator[Completion]":
        prefix = place.typed.upper()
        for token in following.tokens:
            if token.upper().startswith(prefix) and not place.quoted:
                yield _completion(place, token, "")
        seen = set()
        for node in following.values:
            source = self._source(command, node, words)
            if source and source[0] not in seen:
                seen.add(source[0])
                yield from _offer(place, source[1](place.prefix), source[0])

    def _source(self, command: Command, node: Node, words: "Sequence[bytes]") -> Any:
        scout, db = self._scout, self._database()
        name = node.name.lower()
        if node.kind == "key":
            kind = TYPES.get(command.group, "")
            return "key", lambda prefix: scout.keys(db, prefix, kind) or (scout.keys(db, prefix) if kind else [])
        if command.name.startswith("CONFIG ") and name == "parameter":
            return "parameter", lambda prefix: [one for one in scout.parameters() if one.startswith(prefix.lower())]
        if command.group == "pubsub" and name in ("channel", "shardchannel"):
            return "channel", scout.channels
        if name in ("username", "user"):
            return "user", scout.users
        if not words:
            return None
        if command.group == "hash" and name == "field":
            return "field", lambda prefix: scout.fields(db, words[0], prefix)
        if name == "member" and command.group == "set":
            return "member", lambda prefix: scout.members(db, "SSCAN", words[0], prefix)
        if name == "member" and command.group in ("sorted-set", "geo"):
            return "member", lambda prefix: scout.members(db, "ZSCAN", words[0], prefix)
        return None


def _completion(place: Place, text: str, summary: str) -> Completion:
    # As it was typed: small letters stay small.
    if place.typed and place.typed.islower() and text.isupper():
        text = text.lower()
    return Completion(text, -len(place.typed), display_meta=summary)


def _offer(place: Place, found: "Iterable[bytes]", what: str) -> "Iterator[Completion]":
    for value in found:
        text = escaped(value, utf8=True) if place.quoted else typed(value)
        yield Completion(text, -len(place.typed), display_meta=what)
