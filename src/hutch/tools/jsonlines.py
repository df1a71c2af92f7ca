"""JSON lines: one key a line, so that a store can be read, searched, changed and compared with tools for text.

    {"db": 0, "key": "user:1", "type": "hash", "deadline": 1767225600000, "value": [["name", "Ann"], ["seen", "1", 1767225600000]]}
    {"library": "shop", "code": "#!lua name=shop\\n..."}

`deadline` is a Unix time in milliseconds, and left out where there is none; so is `db` where it is 0. Bytes are a JSON string where they
are UTF-8, and {"base64": "..."} where they are not: exactly the bytes come back. `value` is, by `type`:

    string      the bytes
    list, set   an array of bytes
    zset        an array of [member, score]; a score is a number, or "inf", "-inf"
    hash        an array of [field, value] or [field, value, deadline]
    stream      an object: entries [[id, field, value ...] ...], last, deleted, added,
                groups [{name, last, read, consumers [[name, seen, active] ...], pending [[id, consumer, delivered, times] ...]} ...]
    ReJSON-RL   the document itself

Other types have no `value` but `dump`, DUMP's bytes without their footer, in base64.
"""
from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

from .records import JSON_TYPE, Consumer, Group, Record, Stream, numbered

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
INFINITE = {"inf": math.inf, "-inf": -math.inf}


class LineError(ValueError):
    """A line that is none of these; its text says what is wrong with it."""


def written(data: bytes) -> Any:
    """Bytes as they stand in a line.

    >>> written(b"abc"), written(b"\\xff")
    ('abc', {'base64': '/w=='})
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def bytes_of(value: Any) -> bytes:
    """The bytes that `written` made this of. LineError for all else."""
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise LineError(f"{value[:40]!r} is no text: a surrogate stands alone") from None
    if isinstance(value, dict) and value.keys() == {"base64"} and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except binascii.Error as error:
            raise LineError(f"wrong base64: {error}") from None
    raise LineError(f"{str(value)[:40]!r} is neither text nor base64")


def line_of(record: Record, db: int = 0) -> bytes:
    """The record as a line, its end included. O(value)"""
    told: dict[str, Any] = {} if db == 0 else {"db": db}
    told["key"] = written(record.key)
    told["type"] = record.kind
    if record.deadline is not None:
        told["deadline"] = record.deadline
    if record.is_opaque:
        told["dump"] = base64.b64encode(record.value).decode()
    elif record.kind == JSON_TYPE:
        # The document's own text: numbers keep all their digits, and names their order.
        text = _encode(told)
        return text[:-1].encode() + b', "value": ' + record.value.replace(b"\n", b" ") + b"}\n"
    else:
        told["value"] = _WRITERS[record.kind](record.value)
    return _encode(told).encode() + b"\n"


def library_line(name: bytes, code: bytes) -> bytes:
    """A library of functions as a line."""
    return json.dumps({"library": written(name), "code": written(code)}, ensure_ascii=False).encode() + b"\n"


def _write_stream(stream):
    return {"entries": [[id, *map(written, words)] for id, words in stream.entries],
            "last": stream.last, "deleted": stream.deleted, "added": stream.added,
            "groups": [{"name": written(group.name), "last": group.last, "read": group.read,
                        "consumers": [[written(one.name), one.seen, one.active] for one in group.consumers],
                        "pending": [[id, written(consumer), when, times] for id, consumer, when, times in group.pending]}
                       for group in stream.groups]}


def _score(score):
    if math.isinf(score):
        return "inf" if score > 0 else "-inf"
    if score.is_integer() and abs(score) < 1 << 53 and (score or math.copysign(1.0, score) > 0):
        return int(score)
    return score


_WRITERS = {
    "string": written,
    "list": lambda value: [written(one) for one in value],
    "set": lambda value: [written(one) for one in value],
    "zset": lambda value: [[written(member), _score(score)] for member, score in value],
    "hash": lambda value: [[written(name), written(data)] if deadline is None else [written(name), written(data), deadline]
                           for name, (data, deadline) in sorted(value.items())],
    "stream": _write_stream,
}


# ---- reading

def parse(line: bytes) -> tuple[int, Record] | tuple[bytes, bytes]:
    """What a line tells: (database, record), or (name, code) of a library. LineError for a line that is none of these. O(line)"""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"no JSON: {error}") from None
    if not isinstance(told, dict):
        raise LineError("a line is an object")
    try:
        if "library" in told:
            return bytes_of(told["library"]), bytes_of(told["code"])
        kind, db, deadline = told["type"], told.get("db", 0), told.get("deadline")
        if not isinstance(kind, str) or not _is_count(db) or deadline is not None and not _is_count(deadline):
            raise LineError("type is text, db and deadline are whole numbers")
        key = bytes_of(told["key"])
        if "dump" in told:
            return db, Record(key, kind, base64.b64decode(told["dump"], validate=True), deadline)
        if kind not in _READERS:
            raise LineError(f"no value of type {kind!r} is known")
        return db, Record(key, kind, _READERS[kind](told["value"]), deadline)
    except LineError:
        raise
    except KeyError as error:
        raise LineError(f"{error.args[0]!r} is missing") from None
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError, binascii.Error):
        raise LineError(f"no value of type {told.get('type')!r}") from None


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _whole(value):
    if not _is_count(value):
        raise LineError(f"{value!r} is no whole number")
    return value


def _row(value):
    if not isinstance(value, list) or not value:
        raise LineError("a collection is an array that is not empty")
    return value


def _read_set(value):
    members = sorted(map(bytes_of, _row(value)))
    if any(a == b for a, b in zip(members, members[1:])):
        raise LineError("a set's member stands twice")
    return members


def _read_score(score):
    if isinstance(score, str):
        return INFINITE[score]
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        raise LineError(f"{score!r} is no score")
    return float(score)


def _read_zset(value):
    found = [(bytes_of(member), _read_score(score)) for member, score in _row(value)]
    if len(dict(found)) != len(found):
        raise LineError("a member stands twice")
    return found


def _read_hash(value):
    found = {bytes_of(name): (bytes_of(data), _whole(rest[0]) if rest else None) for name, data, *rest in _row(value)}
    if len(found) != len(value):
        raise LineError("a field stands twice")
    return found


def _read_stream(value):
    groups = [Group(bytes_of(group["name"]), _read_id(group["last"]), None if group["read"] is None else _whole(group["read"]),
                    [Consumer(bytes_of(name), _moment(seen), _moment(active)) for name, seen, active in group["consumers"]],
                    sorted(((_read_id(id), bytes_of(consumer), _whole(when), _whole(times))
                            for id, consumer, when, times in group["pending"]), key=lambda one: numbered(one[0])))
              for group in value["groups"]]
    entries = [(_read_id(id), list(map(bytes_of, words))) for id, *words in value["entries"]]
    if any(len(words) % 2 or not words for _, words in entries):
        raise LineError("a stream's entry has fields and values in turn")
    order = [numbered(id) for id, _ in entries]
    if any(a >= b for a, b in zip(order, order[1:])) or order and order[-1] > numbered(_read_id(value["last"])):
        raise LineError("a stream's entries are in the order of their IDs, up to its last")
    for group in groups:
        known = {consumer.name for consumer in group.consumers}
        if len(known) != len(group.consumers) or not all(consumer in known for _, consumer, *_ in group.pending):
            raise LineError("what is pending belongs to a consumer of the group, and each of those stands once")
        if len({id for id, *_ in group.pending}) != len(group.pending):
            raise LineError("an ID is pending twice")
    if len({group.name for group in groups}) != len(groups):
        raise LineError("a group stands twice")
    return Stream(entries, _read_id(value["last"]), _read_id(value["deleted"]), _whole(value["added"]), groups)


def _moment(value):
    return None if value is None else _whole(value)


def _read_id(text):
    parts = text.split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part) < 1 << 64 for part in parts):
        raise LineError(f"{text!r} is no ID of a stream's entry")
    return text


def _read_document(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_READERS = {"string": bytes_of, "list": lambda value: list(map(bytes_of, _row(value))), "set": _read_set, "zset": _read_zset,
            "hash": _read_hash, "stream": _read_stream, JSON_TYPE: _read_document}
