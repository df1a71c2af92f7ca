"""The values of RESP2 and RESP3 as Python objects that keep every kind of reply apart.

A bulk string is `bytes`, an integer `int`, an array `list`, a boolean `bool`; everything else has a small
class of its own, so that `Simple(b"OK") != b"OK"` and a RESP2 null array differs from a null string.

    offset 0, one byte   rest of the first line       what follows
    $ = bulk, verbatim   length, or -1 for null       that many bytes, CRLF
    * ~ > array set push count, or -1 for null        that many replies
    %   map              count                        twice that many replies
    + - : , # ( _        the value itself             nothing
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Simple:
    """A simple string: `+OK`."""
    text: bytes


@dataclass(frozen=True)
class Error:
    """An error reply: `-ERR ...`; the text is without the leading dash."""
    text: bytes


@dataclass(frozen=True)
class Double:
    """A RESP3 double, kept as sent: `1`, `1.0` and `1e0` are different replies."""
    text: bytes


@dataclass(frozen=True)
class BigNumber:
    """A RESP3 big number."""
    text: bytes


@dataclass(frozen=True)
class Verbatim:
    """A RESP3 verbatim string with its three-letter format."""
    format: bytes
    text: bytes


@dataclass(frozen=True)
class Map:
    """A RESP3 map, in the order sent."""
    pairs: tuple


@dataclass(frozen=True)
class Set:
    """A RESP3 set, in the order sent."""
    items: tuple


@dataclass(frozen=True)
class Push:
    """A RESP3 push message: not a reply to any command."""
    items: tuple


@dataclass(frozen=True)
class Null:
    """A null; `kind` is the wire form: b"$-1", b"*-1" or b"_"."""
    kind: bytes


NULL_BULK = Null(b"$-1")
NULL_ARRAY = Null(b"*-1")
NULL = Null(b"_")
OK = Simple(b"OK")


class Incomplete(Exception):
    """The buffer ends inside a reply."""


class BadReply(Exception):
    """The bytes are not RESP."""


def decode(buffer, start: int = 0) -> tuple[Any, int]:
    """Decode the reply that begins at `start`; returns it, and the position behind it. O(bytes)

    Incomplete when the buffer ends inside the reply; BadReply for bytes that are not RESP, ValueError for a length or an
    integer that is no number.

        >>> decode(b"*2\\r\\n:1\\r\\n$1\\r\\na\\r\\n")
        ([1, b'a'], 15)
    """
    end = buffer.find(b"\r\n", start)
    if end < 0:
        raise Incomplete
    kind, line, at = buffer[start:start + 1], bytes(buffer[start + 1:end]), end + 2
    if kind in (b"$", b"="):
        length = int(line)
        if length < 0:
            return Null(b"$" + line), at
        if len(buffer) < at + length + 2:
            raise Incomplete
        data = bytes(buffer[at:at + length])
        if buffer[at + length:at + length + 2] != b"\r\n":
            raise BadReply(bytes(buffer[start:at + length + 2]))
        return (data if kind == b"$" else Verbatim(data[:3], data[4:])), at + length + 2
    if kind == b":":
        return int(line), at
    if kind == b"+":
        return Simple(line), at
    if kind == b"-":
        return Error(line), at
    if kind in (b"*", b"~", b">", b"%"):
        count = int(line)
        if count < 0:
            return Null(b"*" + line), at
        items = []
        for _ in range(count * 2 if kind == b"%" else count):
            item, at = decode(buffer, at)
            items.append(item)
        if kind == b"*":
            return items, at
        if kind == b"%":
            return Map(tuple(zip(items[::2], items[1::2]))), at
        return (Set if kind == b"~" else Push)(tuple(items)), at
    if kind == b",":
        return Double(line), at
    if kind == b"#" and line in (b"t", b"f"):
        return line == b"t", at
    if kind == b"(":
        return BigNumber(line), at
    if kind == b"_":
        return NULL, at
    raise BadReply(bytes(buffer[start:start + 80]))


def encode(value: Any, protocol: int = 2) -> bytes:
    """The bytes with which Redis would send `value` to a client of that protocol version, 2 or 3. O(bytes)

    Maps, sets, doubles, booleans and nulls turn into their RESP2 forms where the protocol is 2. TypeError for a value that has
    no form in RESP.

        >>> encode([1, None, Simple(b"OK")])
        b'*3\\r\\n:1\\r\\n$-1\\r\\n+OK\\r\\n'
    """
    if isinstance(value, (bytes, str)):
        data = value.encode() if isinstance(value, str) else value
        return b"$%d\r\n%b\r\n" % (len(data), data)
    if value is None or isinstance(value, Null):
        if protocol >= 3:
            return b"_\r\n"
        return (b"*-1" if value == NULL_ARRAY else b"$-1") + b"\r\n"
    if isinstance(value, bool):
        return (b"#t\r\n" if value else b"#f\r\n") if protocol >= 3 else b":%d\r\n" % value
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, Simple):
        return b"+%b\r\n" % value.text
    if isinstance(value, Error):
        return b"-%b\r\n" % value.text
    if isinstance(value, Double):
        return b",%b\r\n" % value.text if protocol >= 3 else encode(value.text)
    if isinstance(value, BigNumber):
        return b"(%b\r\n" % value.text if protocol >= 3 else encode(value.text)
    if isinstance(value, Verbatim):
        if protocol >= 3:
            return b"=%d\r\n%b:%b\r\n" % (len(value.text) + 4, value.format, value.text)
        return encode(value.text)
    if isinstance(value, Map):
        flat = [item for pair in value.pairs for item in pair]
        head = b"%%%d\r\n" % len(value.pairs) if protocol >= 3 else b"*%d\r\n" % len(flat)
        return head + b"".join(encode(item, protocol) for item in flat)
    if isinstance(value, (list, tuple)):
        return b"*%d\r\n" % len(value) + b"".join(encode(item, protocol) for item in value)
    if isinstance(value, (Set, Push)):
        mark = (b"~" if isinstance(value, Set) else b">") if protocol >= 3 else b"*"
        return mark + b"%d\r\n" % len(value.items) + b"".join(encode(item, protocol) for item in value.items)
    raise TypeError(f"no RESP form for {value!r}")
