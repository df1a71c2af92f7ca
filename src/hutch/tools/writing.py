"""Records put into a place: by RESTORE of bytes made from the value, or by the type's own commands where those cannot say it."""
from __future__ import annotations

from typing import Any, Iterator, Sequence

from redis.exceptions import ResponseError

from .links import AnyLink, Command
from .rdb_bytes import FORM_VERSION, CannotSay, payload, sealed
from .records import JSON_TYPE, Record, numbered

WORDS_A_COMMAND = 1000


def _parts(words: Sequence[Any], size: int = WORDS_A_COMMAND) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(words), size):
        yield words[begin:begin + size]


def number_text(score: float) -> str:
    """A score as Redis reads it, to the last bit.

    >>> number_text(3.0), number_text(float("-inf")), number_text(0.1)
    ('3', '-inf', '0.1')
    """
    text = repr(score)
    return text[:-2] if text.endswith(".0") else text


def commands(record: Record) -> list[Command]:
    """The commands that make the key where there is none. CannotSay for a type of which only DUMP's bytes are known. O(value)"""
    key, value = record.key, record.value
    made: list[Command]
    if record.kind == "string":
        made = [("SET", key, value)]
    elif record.kind == "list":
        made = [("RPUSH", key, *part) for part in _parts(value)]
    elif record.kind == "set":
        made = [("SADD", key, *part) for part in _parts(value)]
    elif record.kind == "zset":
        made = [("ZADD", key, *(word for member, score in part for word in (number_text(score), member))) for part in _parts(value)]
    elif record.kind == "hash":
        made = [("HSET", key, *(word for name, (data, _) in part for word in (name, data))) for part in _parts(list(value.items()))]
        by_deadline: dict[int, list[bytes]] = {}
        for name, (_, deadline) in value.items():
            if deadline is not None:
                by_deadline.setdefault(deadline, []).append(name)
        made += [("HPEXPIREAT", key, deadline, "FIELDS", len(part), *part)
                 for deadline, names in by_deadline.items() for part in _parts(names)]
    elif record.kind == "stream":
        made = _stream_commands(key, value)
    elif record.kind == JSON_TYPE:
        made = [("JSON.SET", key, "$", value)]
    else:
        raise CannotSay(f"no commands make a {record.kind}")
    if record.deadline is not None:
        made.append(("PEXPIREAT", key, record.deadline))
    return made


def _stream_commands(key, stream):
    """What is pending although its entry was deleted can only be claimed while that is there: such entries are put in, and deleted at the
    end."""
    there = {id for id, _ in stream.entries}
    gone = sorted({id for group in stream.groups for id, *_ in group.pending if id not in there}, key=numbered)
    entries = sorted([*stream.entries, *((id, [b"", b""]) for id in gone)], key=lambda entry: numbered(entry[0]))
    made = [("XADD", key, id, *words) for id, words in entries]
    if not entries:
        made.append(("XADD", key, "MAXLEN", 0, "0-1", "", ""))       # trimmed, it is none that was deleted
    for group in stream.groups:
        read = () if group.read is None else ("ENTRIESREAD", group.read)
        made.append(("XGROUP", "CREATE", key, group.name, group.last, *read))
        made += [("XGROUP", "CREATECONSUMER", key, group.name, consumer.name) for consumer in group.consumers]
        made += [("XCLAIM", key, group.name, consumer, 0, id, "TIME", when, "RETRYCOUNT", times, "FORCE", "JUSTID")
                 for id, consumer, when, times in group.pending]
    made += [("XDEL", key, *part) for part in _parts(gone)]
    made.append(("XSETID", key, stream.last, "ENTRIESADDED", max(stream.added, len(stream.entries)), "MAXDELETEDID", stream.deleted))
    return made


def restoring(record: Record, version: int, *, replace: bool = False) -> Command:
    """RESTORE of the record, in the forms of that RDB version. CannotSay when they have none for it."""
    if record.is_opaque:
        # What the footer says was not kept: the lowest that may be.
        bytes_ = sealed(record.value, FORM_VERSION)
    else:
        bytes_ = payload(record, version)
    words: list[Any] = ["RESTORE", record.key, record.deadline or 0, bytes_]
    if record.deadline is not None:
        words.append("ABSTTL")
    if replace:
        words.append("REPLACE")
    return words


def put(link: AnyLink, records: Sequence[Record]) -> None:
    """Make these keys, in a place where there are none, and whose reader is ours. redis.ResponseError for one that is refused."""
    words: list[Command] = []
    for record in records:
        if record.kind == "stream" or record.is_opaque:
            words.append(restoring(record, 11))
        else:
            words += commands(record)
    for part in _parts(words):
        for said, reply in zip(part, link.run(part)):
            if isinstance(reply, Exception):
                raise ResponseError(f"the key {_key_of(said)!r}: {reply}")


def _key_of(words):
    return words[2] if words[0] == "XGROUP" else words[1]
