"""Keys as plain values, read by commands; what two places, or a line of a file, are compared and made by.

A value is, by its type: bytes of a string; a list of a list's elements; a set's members in order; (member, score) of a sorted set in its
order; {field: (value, deadline or None)} of a hash; a Stream; a JSON document's text as bytes; for all other types the bytes of
DUMP, without their footer. Deadlines are Unix times in milliseconds.
"""
from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Sequence

from .links import AnyLink, is_unknown

JSON_TYPE = "ReJSON-RL"
READ_AT_ONCE_BYTES = 16 << 20    # what the values of one round may take; a larger one is read alone
FIELDS_AT_ONCE = 10_000
FOOTER_BYTES = 10                # of a DUMP: version and checksum
PLAIN_TYPES = ("string", "list", "set", "zset", "hash", "stream", JSON_TYPE)
READERS = {
    "string": lambda key: ("GET", key),
    "list": lambda key: ("LRANGE", key, 0, -1),
    "set": lambda key: ("SMEMBERS", key),
    "zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    "hash": lambda key: ("HGETALL", key),
    "stream": lambda key: ("XINFO", "STREAM", key, "FULL", "COUNT", 0),
    JSON_TYPE: lambda key: ("JSON.GET", key),
}


@dataclass
class Consumer:
    """Of a group: when it was last seen and last took something, None where that is not known."""

    name: bytes
    seen: int | None = None
    active: int | None = None


@dataclass
class Group:
    """Of a stream. `pending` has (ID, consumer's name, time of delivery, number of deliveries)."""

    name: bytes
    last: str
    read: int | None = None
    consumers: list[Consumer] = field(default_factory=list)
    pending: list[tuple[str, bytes, int, int]] = field(default_factory=list)


@dataclass
class Stream:
    """IDs are text: "1526919030474-55"."""

    entries: list[tuple[str, list[bytes]]] = field(default_factory=list)
    last: str = "0-0"
    deleted: str = "0-0"
    added: int = 0
    groups: list[Group] = field(default_factory=list)


@dataclass
class Record:
    """A key with its value; `deadline` None where it has none."""

    key: bytes
    kind: str
    value: Any
    deadline: int | None = None

    @property
    def is_opaque(self) -> bool:
        """Is the value only known as DUMP's bytes?"""
        return self.kind not in PLAIN_TYPES


def text_of(value: Any) -> str:
    """A reply's text."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def pairs(reply: Any) -> dict[str, Any]:
    """A reply of names and values, one after the other, as a dict."""
    return dict(zip(map(text_of, reply[::2]), reply[1::2]))


def numbered(id: str) -> tuple[int, int]:
    """A stream's ID as two numbers.

    >>> numbered("5-1") < numbered("10-0")
    True
    """
    milliseconds, _, number = id.partition("-")
    return int(milliseconds), int(number or 0)


def read(link: AnyLink, keys: Sequence[bytes], *, again: bool = True) -> list[Record | None]:
    """The keys' records, None for keys that are not there (any more). Memory is taken for these values and no others.

    LinkError when the place is not reached; redis.ResponseError when a value cannot be read.
    """
    sized = link.can("MEMORY USAGE", "MEMORY", "USAGE", "")
    absolute = link.can("PEXPIRETIME", "PEXPIRETIME", "")
    asked: list[tuple] = []
    for key in keys:
        asked += [("TYPE", key), ("PEXPIRETIME" if absolute else "PTTL", key)]
        if sized:
            asked.append(("MEMORY", "USAGE", key))
    replies = link.run(asked, again=again)
    now = int(time.time() * 1000)
    step = 3 if sized else 2
    found: list[Record | None] = []
    sizes = []
    for at, key in enumerate(keys):
        kind, deadline, *size = replies[step * at:step * at + step]
        for reply in (kind, deadline):
            if isinstance(reply, Exception):
                raise reply
        kind = text_of(kind)
        found.append(None if kind == "none" else
                     Record(key, kind, None, None if deadline < 0 else deadline if absolute else now + deadline))
        sizes.append(size[0] if size and isinstance(size[0], int) else 0)
    begin = 0
    while begin < len(keys):
        end, total = begin + 1, sizes[begin]
        while end < len(keys) and total + sizes[end] <= READ_AT_ONCE_BYTES:
            total += sizes[end]
            end += 1
        _read_values(link, found, range(begin, end), again)
        begin = end
    return found


def _read_values(link, found, places, again):
    here = [at for at in places if found[at] is not None]
    replies = link.run([READERS.get(found[at].kind, lambda key: ("DUMP", key))(found[at].key) for at in here], again=again)
    hashes = []
    for at, reply in zip(here, replies):
        record = found[at]
        if isinstance(reply, Exception) and "WRONGTYPE" in str(reply) or reply is None or reply == [] and record.kind != "stream":
            # It became something else, or ended, since its type was read.
            found[at] = read_one_again(link, record.key) if isinstance(reply, Exception) else None
            continue
        if isinstance(reply, Exception) and "no such key" in str(reply).lower():
            found[at] = None
            continue
        if isinstance(reply, Exception):
            raise reply
        record.value = shaped(record.kind, reply)
        if record.kind == "hash":
            hashes.append(record)
    if hashes and link.can("HPEXPIRETIME", "HPEXPIRETIME", hashes[0].key, "FIELDS", 1, ""):
        _read_field_deadlines(link, hashes, again)


def read_one_again(link: AnyLink, key: bytes) -> Record | None:
    """The record of a key that was of another type a moment ago."""
    return read(link, [key])[0]


def _read_field_deadlines(link, hashes, again):
    asked, told = [], []
    for record in hashes:
        names = list(record.value)
        for begin in range(0, len(names), FIELDS_AT_ONCE):
            part = names[begin:begin + FIELDS_AT_ONCE]
            asked.append(("HPEXPIRETIME", record.key, "FIELDS", len(part), *part))
            told.append((record, part))
    for (record, part), reply in zip(told, link.run(asked, again=again)):
        if isinstance(reply, Exception) or reply is None:
            if reply is None or "WRONGTYPE" in str(reply) or is_unknown(reply):
                continue                 # it has just gone or changed
            raise reply
        for name, deadline in zip(part, reply):
            if deadline >= 0:
                record.value[name] = (record.value[name][0], deadline)


def shaped(kind: str, reply: Any) -> Any:
    """The plain value that a reading command's reply tells."""
    if kind == "set":
        return sorted(reply)
    if kind == "zset":
        return [(member, float(score)) for member, score in zip(reply[::2], reply[1::2])]
    if kind == "hash":
        return {name: (value, None) for name, value in zip(reply[::2], reply[1::2])}
    if kind == "stream":
        return _stream(pairs(reply))
    if kind in PLAIN_TYPES:
        return reply
    return reply[:-FOOTER_BYTES]


def _stream(told):
    groups = []
    for group in map(pairs, told["groups"]):
        consumers = [Consumer(one["name"], _moment(one.get("seen-time")), _moment(one.get("active-time")))
                     for one in map(pairs, group["consumers"])]
        pending = [(text_of(id), consumer, when, times) for id, consumer, when, times in group.get("pel", group.get("pending"))]
        groups.append(Group(group["name"], text_of(group["last-delivered-id"]), group.get("entries-read"), consumers, pending))
    return Stream([(text_of(id), words) for id, words in told["entries"]], text_of(told["last-generated-id"]),
                  text_of(told.get("max-deleted-entry-id", "0-0")), told.get("entries-added", len(told["entries"])), groups)


def _moment(told):
    return None if told is None or told < 0 else told


# ---- comparing

def differences(a: Record, b: Record, tolerance_ms: int = 0) -> list[str]:
    """In what two records of one key differ: of "type", "value" and "deadline". Deadlines (a key's, fields', and the times of
    deliveries in streams) may be so many milliseconds apart. When consumers were last seen is not looked at."""
    if a.kind != b.kind:
        return ["type"]
    found = []
    if not same_value(a, b, tolerance_ms):
        found.append("value")
    if not _near(a.deadline, b.deadline, tolerance_ms):
        found.append("deadline")
    return found


def same_value(a: Record, b: Record, tolerance_ms: int = 0) -> bool:
    """Have two records of one type the same value? O(its elements)"""
    if a.kind == "hash":
        return a.value.keys() == b.value.keys() and all(
            value == b.value[name][0] and _near(deadline, b.value[name][1], tolerance_ms) for name, (value, deadline) in a.value.items())
    if a.kind == "stream":
        return _same_stream(a.value, b.value, tolerance_ms)
    if a.kind == JSON_TYPE:
        return a.value == b.value or _canonical(a.value) == _canonical(b.value)
    return a.value == b.value


def _near(a, b, tolerance_ms):
    return a is b if a is None or b is None else abs(a - b) <= tolerance_ms


def _canonical(document):
    return json.dumps(json.loads(document), sort_keys=True)


def _same_stream(a, b, tolerance_ms):
    if (a.entries, a.last, a.deleted, a.added) != (b.entries, b.last, b.deleted, b.added) or len(a.groups) != len(b.groups):
        return False
    for one, other in zip(sorted(a.groups, key=lambda group: group.name), sorted(b.groups, key=lambda group: group.name)):
        if (one.name, one.last, one.read) != (other.name, other.last, other.read):
            return False
        if {consumer.name for consumer in one.consumers} != {consumer.name for consumer in other.consumers}:
            return False
        if len(one.pending) != len(other.pending):
            return False
        for (id, consumer, when, times), (other_id, other_consumer, other_when, other_times) in zip(one.pending, other.pending):
            if (id, consumer, times) != (other_id, other_consumer, other_times) or abs(when - other_when) > tolerance_ms:
                return False
    return True
