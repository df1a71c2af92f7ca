"""Values as Redis's own bytes, in the plain forms that every Redis since 5 reads, for who does not read what our engine writes.

    record  = form (1 byte), value                          what RESTORE takes, in front of a footer: version (2), CRC-64 (8)
    length  = 00xxxxxx | 01xxxxxx x | 80 xxxx | 81 xxxxxxxx  big-endian
    string  = length, bytes
    list    = form 1: length, strings        set   = form 2: length, strings       hash  = form 4: length, pairs of strings
    zset    = form 5: length, (string, double as 8 bytes)
    stream  = form 15 (RDB 9), 19 (RDB 10), 21 (RDB 11): see `stream`
"""
from __future__ import annotations

import struct
from typing import Iterable

from hutch_engine.door.checksum import checksum

from .records import Record, Stream, numbered

VERSION_MIN, VERSION_MAX = 9, 11
FORM_VERSION = 12                                 # of payloads that are passed on as they came
ENTRIES_A_BLOCK, BLOCK_BYTES = 100, 4096          # as stream-node-max-entries and -bytes
MAX_64 = (1 << 64) - 1
SAME_FIELDS = 2                                   # a stream entry's flag: its fields are the block's
LISTPACK_COUNT_MAX = 65535                        # more elements than that are not counted in the head


class CannotSay(ValueError):
    """A value that these forms, or this version, have no place for."""


def length(number: int) -> bytes:
    """A number as RDB writes lengths.

    >>> length(3), length(300), length(70_000).hex()
    (b'\\x03', b'A,', '8000011170')
    """
    if number < 64:
        return bytes((number,))
    if number < 16384:
        return struct.pack(">H", 0x4000 | number)
    return b"\x80" + struct.pack(">I", number) if number < 1 << 32 else b"\x81" + struct.pack(">Q", number)


def string(data: bytes) -> bytes:
    """Bytes behind their length."""
    return length(len(data)) + data


def sealed(body: bytes, version: int) -> bytes:
    """A payload for RESTORE: form and value, with their footer."""
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", checksum(body))


def form_and_value(record: Record, version: int = VERSION_MAX) -> tuple[int, bytes]:
    """The form's number and the value's bytes, for readers of that RDB version (9 to 11). CannotSay when there is no such form: fields
    with deadlines, JSON, types that are only known as DUMP's bytes."""
    value = record.value
    if record.kind == "string":
        return 0, string(value)
    if record.kind == "list":
        return 1, _row(value)
    if record.kind == "set":
        return 2, _row(value)
    if record.kind == "zset":
        return 5, length(len(value)) + b"".join(string(member) + struct.pack("<d", score) for member, score in value)
    if record.kind == "hash":
        if any(deadline is not None for _, deadline in value.values()):
            raise CannotSay(f"RDB version {version} has no deadlines of hash fields")
        return 4, length(len(value)) + b"".join(string(name) + string(data) for name, (data, _) in value.items())
    if record.kind == "stream":
        return (15 if version < 10 else 19 if version < 11 else 21), stream(value, version)
    raise CannotSay(f"RDB version {version} has no plain form of type {record.kind}")


def payload(record: Record, version: int = VERSION_MAX) -> bytes:
    """What RESTORE makes this value from. CannotSay as form_and_value."""
    form, value = form_and_value(record, version)
    return sealed(bytes((form,)) + value, version)


def _row(items):
    return length(len(items)) + b"".join(map(string, items))


# ---- listpacks, as streams have them

def _element(item: int | bytes) -> bytes:
    if isinstance(item, int):
        if 0 <= item < 128:
            body = bytes((item,))
        elif -4096 <= item < 4096:
            body = struct.pack(">H", 0xC000 | item & 0x1FFF)
        elif -32768 <= item < 32768:
            body = b"\xf1" + struct.pack("<h", item)
        elif -(1 << 23) <= item < 1 << 23:
            body = b"\xf2" + struct.pack("<i", item)[:3]
        elif -(1 << 31) <= item < 1 << 31:
            body = b"\xf3" + struct.pack("<i", item)
        else:
            body = b"\xf4" + struct.pack("<q", item)
    elif len(item) < 64:
        body = bytes((0x80 | len(item),)) + item
    elif len(item) < 4096:
        body = struct.pack(">H", 0xE000 | len(item)) + item
    else:
        body = b"\xf0" + struct.pack("<I", len(item)) + item
    # How long it is, to be read from behind: seven bits a byte, and all but the first of them marked.
    left = len(body)
    parts = [left & 127]
    while left := left >> 7:
        parts.append(left & 127)
    return body + bytes([parts[-1], *(part | 128 for part in reversed(parts[:-1]))])


def _pack(items: Iterable[int | bytes]) -> bytes:
    elements = list(map(_element, items))
    body = b"".join(elements)
    return struct.pack("<IH", len(body) + 7, min(len(elements), LISTPACK_COUNT_MAX)) + body + b"\xff"


# ---- streams

def _id(id: str) -> bytes:
    return struct.pack(">QQ", *numbered(id))


def _lengths(id: str) -> bytes:
    milliseconds, number = numbered(id)
    return length(milliseconds) + length(number)


def _blocks(entries):
    """Runs of entries, none long, each of which has a listpack to itself."""
    block, size = [], 0
    for id, words in entries:
        taken = sum(map(len, words)) + 32
        # An ID is written as its distance from the block's first, in 63 bits.
        if block and (len(block) >= ENTRIES_A_BLOCK or size + taken > BLOCK_BYTES or _is_far(block[0][0], id)):
            yield block
            block, size = [], 0
        block.append((id, words))
        size += taken
    if block:
        yield block


def _is_far(first, id):
    (ms, number), (other_ms, other_number) = numbered(first), numbered(id)
    return other_ms - ms >= 1 << 63 or abs(other_number - number) >= 1 << 63


def _block(entries):
    """count, deleted, fields of the first entry, 0; then of each entry: flags, distances of its ID, its words, and how many elements
    that were, for who reads backwards."""
    first, words = entries[0]
    names = words[::2]
    ms, number = numbered(first)
    items: list = [len(entries), 0, len(names), *names, 0]
    for id, words in entries:
        own_ms, own_number = numbered(id)
        if words[::2] == names:
            items += [SAME_FIELDS, own_ms - ms, own_number - number, *words[1::2], len(names) + 3]
        else:
            items += [0, own_ms - ms, own_number - number, len(words) // 2, *words, len(words) + 4]
    return _pack(items)


def stream(value: Stream, version: int) -> bytes:
    """A stream's bytes: blocks by their first ID; length, last ID; from version 10 on first ID, the highest deleted one, and how many were
    ever added; its groups: what is pending, then the consumers, from version 11 on with the time of their last success."""
    blocks = list(_blocks(value.entries))
    out = [length(len(blocks))]
    for block in blocks:
        out += (string(_id(block[0][0])), string(_block(block)))
    out += (length(len(value.entries)), _lengths(value.last))
    if version >= 10:
        first = value.entries[0][0] if value.entries else "0-0"
        out += (_lengths(first), _lengths(value.deleted), length(value.added))
    out.append(length(len(value.groups)))
    for group in value.groups:
        out += (string(group.name), _lengths(group.last))
        if version >= 10:
            out.append(length(MAX_64 if group.read is None else group.read))
        out.append(length(len(group.pending)))
        out += (_id(id) + struct.pack("<q", when) + length(times) for id, _, when, times in group.pending)
        out.append(length(len(group.consumers)))
        by_consumer: dict[bytes, list[str]] = {}
        for id, name, *_ in group.pending:
            by_consumer.setdefault(name, []).append(id)
        for consumer in group.consumers:
            seen = -1 if consumer.seen is None else consumer.seen
            active = seen if consumer.active is None and consumer.seen is None else consumer.active
            out += (string(consumer.name), struct.pack("<q", seen))
            if version >= 11:
                out.append(struct.pack("<q", -1 if active is None else active))
            mine = by_consumer.get(consumer.name, ())
            out.append(length(len(mine)))
            out += map(_id, mine)
    return b"".join(out)
