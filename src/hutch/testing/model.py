"""A reference model of Redis 8.2 in plain Python: every type of value, keys, deadlines and databases.

    model = Model(clock_ms=lambda: 0)
    model.execute("SET", "a", 1)        # Simple(text=b'OK')
    model.execute("INCR", "a")          # 2

It is written to be read and checked, not to be fast: a database is a dict, a deadline is looked at when a key is. The
differential tests hold it to a real server, byte for byte; the state machines then hold the engine to the model.
Nulls are None; errors are `Error` values, never raised to the caller.
"""
from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Callable

from .replies import OK, Error, Map, Simple  # noqa: F401  (the command files take them from here)

INT64_MAX, INT64_MIN = 2**63 - 1, -2**63
MAX_STRING = 512 * 1024 * 1024
DATABASES = 16
CANONICAL_INTEGER = re.compile(rb"(0|-?[1-9][0-9]*)\Z")


class Refused(Exception):
    """A command's error reply, on its way out of the model."""

    def __init__(self, text: str | bytes):
        self.text = text.encode() if isinstance(text, str) else text


# An answer that depends on how an engine keeps a value (OBJECT ENCODING of a collection), which the model does not say.
UNMODELLED = b"(not modelled)"

NOT_AN_INTEGER = "ERR value is not an integer or out of range"
OUT_OF_INT = "ERR value is out of range, value must between -2147483648 and 2147483647"
NOT_A_FLOAT = "ERR value is not a valid float"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NO_KEY = "ERR no such key"
OVERFLOW = "ERR increment or decrement would overflow"
SAME_OBJECT = "ERR source and destination objects are the same"
BAD_DATABASE = "ERR DB index is out of range"
TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
OUT_OF_INT64_POSITIVE = "ERR value is out of range, must be positive"
NO_LFU = ("ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between "
          "policies at runtime LRU and LFU data will take some time to adjust.")


@dataclass
class Item:
    """A value with its deadline (Unix time in ms) and, for strings, whether it was last left as raw bytes."""
    value: Any
    deadline_ms: int | None = None
    raw: bool = False       # edited in place: OBJECT ENCODING says "raw" even of a short string
    text: bool = False      # INCRBYFLOAT stores text, though it may look like an integer


def integer(word: bytes) -> int | None:
    """The number that a word spells as Redis keeps integers, or None: an int64, no sign but a minus, no leading zeros, no
    spaces."""
    if len(word) > 20 or not CANONICAL_INTEGER.match(word) or word == b"-0":
        return None
    number = int(word)
    return number if INT64_MIN <= number <= INT64_MAX else None


def need_integer(word: bytes, text: str = NOT_AN_INTEGER) -> int:
    """The int64 that the word spells. Refused, with `text`, where it spells none."""
    number = integer(word)
    if number is None:
        raise Refused(text)
    return number


def need_c_int(word: bytes, text: str | None = None) -> int:
    """The int of 32 bits that the word spells. Refused where it spells none; `text` replaces both of the usual errors."""
    number = need_integer(word, text or NOT_AN_INTEGER)
    if not -2**31 <= number < 2**31:
        raise Refused(text or OUT_OF_INT)
    return number


def need_at_least(word: bytes, least: int, text: str) -> int:
    """The int64 that the word spells. Refused, with `text`, where it spells none, and for one below `least`."""
    number = need_integer(word, text)
    if number < least:
        raise Refused(text)
    return number


def numbered_keys(words: list[bytes], text: str = SYNTAX) -> tuple[list[bytes], list[bytes]]:
    """A number of keys, those, and the words behind them. Refused for a number below 1, and with `text` where there are fewer words."""
    number = need_at_least(words[0], 1, "ERR numkeys should be greater than 0")
    if number > len(words) - 1:
        raise Refused(text)
    return words[1:1 + number], words[1 + number:]


def pop_options(rest: list[bytes], ends: tuple[bytes, bytes]) -> tuple[bytes, int]:
    """What is behind the keys of LMPOP and ZMPOP: which end, in capitals, and how many. Refused for anything else there."""
    if not rest or rest[0].upper() not in ends:
        raise Refused(SYNTAX)
    count = None
    for at in range(1, len(rest), 2):
        if rest[at].upper() != b"COUNT" or at + 1 == len(rest) or count is not None:
            raise Refused(SYNTAX)
        count = need_at_least(rest[at + 1], 1, "ERR count should be greater than 0")
    return rest[0].upper(), 1 if count is None else count


def clean(text: bytes) -> bytes:
    """The text on one line, as error texts are: line ends become spaces. O(length)"""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")


class Model:
    """A store; `execute` runs a command on a default session, `session()` makes more, each with its own database."""

    def __init__(self, clock_ms: Callable[[], int] | None = None, commands: dict | None = None):
        """`commands` stands for COMMANDS: a copy of it with some replaced, say."""
        self.commands = COMMANDS if commands is None else commands
        self.clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self.databases: list[dict[bytes, Item]] = [{} for _ in range(DATABASES)]
        self._default = self.session()

    def session(self) -> "ModelSession":
        """A new ModelSession on database 0 of this store."""
        return ModelSession(self)

    def execute(self, *argv) -> Any:
        """Run one command on the default session; see ModelSession.execute."""
        return self._default.execute(*argv)

    def purge(self) -> None:
        """Drop every key whose deadline has come, and every field of a hash. O(keys)"""
        now = self.clock_ms()
        for database in self.databases:
            for key in [key for key, item in database.items() if item.deadline_ms is not None and item.deadline_ms < now]:
                del database[key]
            for key, item in list(database.items()):
                if hasattr(item.value, "purge"):        # a hash's fields have deadlines, too
                    item.value.purge(now)
                    if not item.value:
                        del database[key]


class ModelSession:
    """A client of a Model: it has a database selected, and runs commands. Command handlers get it as their first argument."""

    def __init__(self, model: Model):
        self.model, self.database = model, 0
        self.protocol = 2        # RESP's: few replies differ by more than their spelling

    @property
    def data(self) -> dict[bytes, Item]:
        """The selected database: each key, as bytes, with its Item."""
        return self.model.databases[self.database]

    def execute(self, *argv) -> Any:
        """Run one command and return its reply, an error as an Error value; words may be bytes, str or int. O(keys), besides
        the command."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in argv]
        command = self.model.commands.get(words[0].lower().decode("latin-1"))
        try:
            if command is None:
                raise Refused(self._unknown(words))
            handler, arity, name = command
            if len(words) != arity if arity > 0 else len(words) < -arity:
                raise Refused(f"ERR wrong number of arguments for '{name}' command")
            # As in Redis, time stands still while a command runs.
            self.now = self.model.clock_ms()
            self.model.purge()
            return handler(self, name, words[1:])
        except Refused as refused:
            return Error(clean(refused.text))

    @staticmethod
    def _unknown(words: list[bytes]) -> bytes:
        shown = b""
        for word in words[1:]:
            if len(shown) >= 128:
                break
            shown += b"'%b' " % word.split(b"\0")[0][:128 - len(shown)]
        name = words[0].split(b"\0")[0][:128]
        return b"ERR unknown command '%b', with args beginning with: %b" % (name, shown)

    def string(self, key: bytes) -> bytes | None:
        """The value of a key, or None. Refused where it is of another type."""
        item = self.data.get(key)
        if item is None:
            return None
        if not isinstance(item.value, bytes):
            raise Refused(WRONG_TYPE)
        return item.value

    def collection(self, key: bytes, *kinds: type) -> Any:
        """The value of a key, or None. Refused where it is not an instance of one of these classes."""
        item = self.data.get(key)
        if item is not None and not isinstance(item.value, kinds):
            raise Refused(WRONG_TYPE)
        return item.value if item is not None else None

    def new(self, key: bytes, value: Any) -> Any:
        """Make a key with this collection, in the place of what was there; returns the collection."""
        self.data[key] = Item(value)
        return value

    def drop_if_empty(self, key: bytes) -> None:
        """Remove the key if its collection has no element left."""
        if key in self.data and not self.data[key].value:
            del self.data[key]

    def put(self, key: bytes, value: bytes, **how) -> None:
        """Change the value in place: the deadline stays. `how` is `raw` or `text` of Item."""
        old = self.data.get(key)
        self.data[key] = Item(value, old.deadline_ms if old else None, **how)

    def deadline(self, word: bytes, unit_ms: int, relative: bool, name: str) -> int:
        """The Unix time in ms that a deadline in seconds (unit_ms 1000) or milliseconds (1) stands for. Refused where the word
        is no integer, or the time no int64; `name` is the command's, for the error."""
        number = need_integer(word)
        at_ms = number * unit_ms
        if INT64_MIN <= at_ms <= INT64_MAX and relative:
            at_ms += self.now
        if not INT64_MIN <= at_ms <= INT64_MAX:
            raise Refused(f"ERR invalid expire time in '{name}' command")
        return at_ms

    def positive_deadline(self, option: bytes, word: bytes, name: str) -> int:
        """SET's and GETEX's rule: the Unix time in ms, where a deadline in the past is fine. Refused for a number that is not
        positive."""
        if need_integer(word) <= 0:
            raise Refused(f"ERR invalid expire time in '{name}' command")
        return self.deadline(word, 1000 if option in (b"EX", b"EXAT") else 1, option in (b"EX", b"PX"), name)

    def put_with_deadline(self, key: bytes, value: bytes, at_ms: int) -> None:
        """Set a string with a deadline (Unix time in ms); a deadline that has passed removes the key."""
        if at_ms < self.now:     # a key lives through the millisecond of its deadline
            self.data.pop(key, None)
        else:
            self.data[key] = Item(value, at_ms)


# One dict for all commands: name -> (handler, arity as COMMAND tells it, name for error texts).
COMMANDS: dict[str, tuple[Callable, int, str]] = {}


def command(*names: str, arity: int):
    """A decorator that enters a handler into COMMANDS under these names; `arity` is as COMMAND tells it.

    A handler is called with the session, the command's name and the words after it, as bytes. It returns the reply or raises
    Refused: always where a key holds a value of another type than the handler's, and where its docstring says so.
    """
    def add(function):
        for name in names:
            COMMANDS[name] = (function, arity, name)        # the name goes into error texts
        return function
    return add


# The families register themselves; each file reads like the documentation of its commands.
from . import (model_bitmaps, model_geo, model_hashes, model_hyperloglogs, model_json, model_keys, model_lists, model_sets,  # noqa: E402, F401
               model_sorted_sets, model_streams, model_strings)
