"""Values as bytes. A serializer has a `letter`, which stands in front of what it wrote, `dumps` and `loads`.

What another serializer wrote is never decoded: the reader's own serializer decides, not the bytes. Pickle runs whatever code the bytes say, so it is
only used where a program asks for it, for stores that nobody else can write to.
"""
from __future__ import annotations

import datetime
import decimal
import json
import pickle
import struct
import uuid
from typing import Any, Protocol, runtime_checkable

from hutch_engine.door.msgpack import packed, unpacked


@runtime_checkable
class Serializer(Protocol):
    """How values become bytes. `letter` is one byte, another one for every serializer (lower case is Hutch's)."""

    letter: bytes

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value; TypeError or ValueError for a value that has none."""

    def loads(self, data: bytes) -> Any:
        """The value of these bytes; ValueError for bytes that `dumps` does not write."""


# ---- MessagePack: its own types, and in extensions what Python programs usually have besides.

_TUPLE, _SET, _FROZENSET, _INT, _DATETIME, _DATE, _TIME, _TIMEDELTA, _DECIMAL, _UUID, _COMPLEX, _TEXT, _BYTEARRAY = range(1, 14)
_TIMESTAMP = -1                          # MessagePack's own extension


def _extend(value: Any, depth: int) -> tuple[int, bytes]:
    kind = type(value)
    if kind is tuple:
        return _TUPLE, packed(list(value), _extend, b"", depth)
    if kind is set:
        return _SET, packed(list(value), _extend, b"", depth)
    if kind is frozenset:
        return _FROZENSET, packed(list(value), _extend, b"", depth)
    if kind is int:
        return _INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    if kind is str:
        return _TEXT, value.encode("utf-8", "surrogatepass")
    if kind is datetime.datetime:
        return _DATETIME, packed([value.isoformat(), value.fold])
    if kind is datetime.date:
        return _DATE, value.isoformat().encode()
    if kind is datetime.time:
        return _TIME, packed([value.isoformat(), value.fold])
    if kind is datetime.timedelta:
        return _TIMEDELTA, packed([value.days, value.seconds, value.microseconds])
    if kind is decimal.Decimal:
        return _DECIMAL, str(value).encode()
    if kind is uuid.UUID:
        return _UUID, value.bytes
    if kind is complex:
        return _COMPLEX, struct.pack(">dd", value.real, value.imag)
    if kind is bytearray:
        return _BYTEARRAY, bytes(value)
    raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} has no form in MessagePack: return plain data, or choose another "
                    "serializer for the cache")


def _restore(code: int, data: bytes, depth: int) -> Any:
    try:
        if code == _TUPLE:
            return tuple(unpacked(data, _restore, 0, depth))
        if code == _SET:
            return set(unpacked(data, _restore, 0, depth))
        if code == _FROZENSET:
            return frozenset(unpacked(data, _restore, 0, depth))
        if code == _INT:
            return int.from_bytes(data, "big", signed=True)
        if code == _TEXT:
            return data.decode("utf-8", "surrogatepass")
        if code == _DATETIME:
            text, fold = unpacked(data)
            return datetime.datetime.fromisoformat(text).replace(fold=fold)
        if code == _DATE:
            return datetime.date.fromisoformat(data.decode())
        if code == _TIME:
            text, fold = unpacked(data)
            return datetime.time.fromisoformat(text).replace(fold=fold)
        if code == _TIMEDELTA:
            return datetime.timedelta(*unpacked(data))
        if code == _DECIMAL:
            return decimal.Decimal(data.decode())
        if code == _UUID:
            return uuid.UUID(bytes=data)
        if code == _COMPLEX:
            return complex(*struct.unpack(">dd", data))
        if code == _BYTEARRAY:
            return bytearray(data)
        if code == _TIMESTAMP:
            return _timestamp(data)
    except (TypeError, ValueError, ArithmeticError, struct.error, RecursionError) as error:
        raise ValueError(f"MessagePack with a damaged extension {code}: {error}") from None
    raise ValueError(f"MessagePack with an extension that nobody knows: {code}")


def _timestamp(data: bytes) -> datetime.datetime:
    if len(data) == 4:
        seconds, nanoseconds = int.from_bytes(data, "big"), 0
    elif len(data) == 8:
        both = int.from_bytes(data, "big")
        seconds, nanoseconds = both & 0x3FFFFFFFF, both >> 34
    else:
        nanoseconds, seconds = struct.unpack(">Iq", data)
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=seconds, microseconds=nanoseconds // 1000)


class MsgPack:
    """MessagePack, the default. What goes in comes out, of the same type: None, bool, int of any size, float, str, bytes, bytearray, list, tuple, dict,
    set, frozenset, datetime, date, time, timedelta (zones become their offsets), Decimal, UUID and complex. Instances of subclasses and of other
    classes are a TypeError. Reads any MessagePack that has no foreign extensions."""

    letter = b"m"

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value. TypeError for a type it does not know, ValueError for what is nested deeper than 200 levels."""
        return packed(value, _extend)

    def loads(self, data: bytes) -> Any:
        """The value of these bytes. ValueError for bytes that are no MessagePack."""
        return unpacked(data, _restore)

    def _dumps_behind(self, value: Any, head: bytes) -> bytes:
        return packed(value, _extend, head)

    def _loads_from(self, data: bytes, begin: int) -> Any:
        return unpacked(data, _restore, begin)


class Json:
    """JSON, for values that other programs read, too. Tuples come back as lists, the keys of dicts as text."""

    letter = b"j"

    def dumps(self, value: Any) -> bytes:
        """Compact JSON in UTF-8. TypeError or ValueError for a value that is none."""
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    def loads(self, data: bytes) -> Any:
        """The value of this JSON. ValueError for bytes that are none."""
        try:
            return json.loads(data.decode("utf-8", "surrogatepass"))
        except RecursionError:
            raise ValueError("JSON that is nested too deeply") from None


class Pickle:
    """Pickle, for every object of Python. Whoever can write to the store can run code in the programs that read from it: only for stores that are
    the program's own. Never chosen by itself."""

    letter = b"p"

    def __init__(self, protocol: int = pickle.HIGHEST_PROTOCOL):
        self.protocol = protocol

    def dumps(self, value: Any) -> bytes:
        """The pickle of a value. TypeError for one that cannot be pickled."""
        try:
            return pickle.dumps(value, self.protocol)
        except (pickle.PicklingError, AttributeError) as error:
            raise TypeError(str(error)) from error

    def loads(self, data: bytes) -> Any:
        """The object of this pickle. ValueError for one that cannot be made."""
        try:
            return pickle.loads(data)
        except Exception as error:       # unpickling may raise anything
            raise ValueError(f"a pickle that cannot be loaded: {error}") from error


class Raw:
    """Bytes as they are, for functions that return nothing else: the quickest."""

    letter = b"b"

    def dumps(self, value: Any) -> bytes:
        """The bytes themselves. TypeError for anything else."""
        if type(value) is not bytes:
            raise TypeError(f"the serializer Raw takes bytes, not {type(value).__name__}")
        return value

    def loads(self, data: bytes) -> Any:
        """The bytes themselves."""
        return data


_BY_NAME: dict[str, Any] = {"msgpack": MsgPack, "json": Json, "pickle": Pickle, "raw": Raw}


def serializer_of(choice: str | Serializer) -> Serializer:
    """The serializer of a name (msgpack, json, pickle, raw), or the one that was given. ValueError or TypeError for what is none."""
    if isinstance(choice, str):
        if choice not in _BY_NAME:
            raise ValueError(f"no serializer is called {choice!r}: choose from {', '.join(_BY_NAME)}, or give an object")
        return _BY_NAME[choice]()
    letter: Any = getattr(choice, "letter", None)
    if not isinstance(letter, bytes) or len(letter) != 1 or not callable(getattr(choice, "dumps", None)) or not callable(
            getattr(choice, "loads", None)):
        raise TypeError("a serializer has a letter (one byte), dumps and loads")
    return choice
