"""An entry of the cache, as bytes.

    offset  size  meaning
    0       1     letter of the serializer that wrote the payload
    1       1     flags: 1 there are times, 2 the value is absent (negative caching), 4 the payload is compressed (zlib)
    2       12    only with flag 1: until when it is fresh (Unix time, ms, int64) and how long it took to compute (s, float32), big-endian
    ...           the payload

The deadline of the whole is the store's. An entry that is not of this form, or of another serializer, is no entry: a miss.
"""
from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

from .errors import NotSerializableError
from .serializers import MsgPack, Serializer

TIMED, ABSENT, COMPRESSED = 1, 2, 4
_TIMES = struct.Struct(">qf")


class Entry(NamedTuple):
    """What was read: the payload is decoded only when it is wanted."""

    flags: int
    fresh_until_ms: int                  # 0: as long as the store keeps it
    cost: float                          # seconds
    payload: Any                         # the bytes, and where in them it begins


class EntryCodec:
    """Writes and reads entries with one serializer. Payloads of more than `compress_above` bytes are compressed, where that makes them smaller; one that
    would be larger than `max_bytes` when it is decompressed is no entry."""

    def __init__(self, serializer: Serializer, compress_above: int | None = None, max_bytes: int = 256 << 20):
        self.serializer = serializer
        self.compress_above = compress_above
        self.max_bytes = max_bytes
        self.plain = serializer.letter + b"\0"           # the head of most entries: nothing to look at before the payload
        self._behind = getattr(serializer, "_dumps_behind", None)
        self._from = getattr(serializer, "_loads_from", None)

    def encode(self, value: Any, fresh_until_ms: int = 0, cost: float = 0.0, absent: bool = False) -> bytes:
        """The bytes of an entry. NotSerializableError for a value that the serializer refuses."""
        flags = (TIMED if fresh_until_ms else 0) | (ABSENT if absent else 0)
        head = self.serializer.letter + bytes((flags,))
        if fresh_until_ms:
            head += _TIMES.pack(fresh_until_ms, cost)
        if absent:
            return head + MsgPack().dumps(value)
        try:
            if self._behind is not None and self.compress_above is None:
                return self._behind(value, head)
            payload = self.serializer.dumps(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise NotSerializableError(str(error), value) from error
        if self.compress_above is not None and len(payload) > self.compress_above:
            smaller = zlib.compress(payload, 1)
            if len(smaller) < len(payload):
                return head[:1] + bytes((flags | COMPRESSED,)) + head[2:] + smaller
        return head + payload

    def parse(self, data: bytes | None) -> Entry | None:
        """The entry of these bytes; None for what is none."""
        if data is None or len(data) < 2 or data[:1] != self.serializer.letter or data[1] > 7:
            return None
        flags = data[1]
        if not flags & TIMED:
            return Entry(flags, 0, 0.0, (data, 2))
        if len(data) < 14:
            return None
        fresh_until_ms, cost = _TIMES.unpack_from(data, 2)
        return Entry(flags, fresh_until_ms, cost, (data, 14))

    def value_of(self, entry: Entry) -> Any:
        """The value. ValueError for a payload that is damaged."""
        data, begin = entry.payload
        if entry.flags & COMPRESSED:
            return self.serializer.loads(self._decompressed(data[begin:]))
        if entry.flags & ABSENT:
            return MsgPack().loads(data[begin:])
        if self._from is not None:
            return self._from(data, begin)
        return self.serializer.loads(data[begin:])

    def _decompressed(self, data: bytes) -> bytes:
        machine = zlib.decompressobj()
        try:
            payload = machine.decompress(data, self.max_bytes)
        except zlib.error as error:
            raise ValueError(f"an entry that cannot be decompressed: {error}") from None
        if not machine.eof or machine.unused_data:
            raise ValueError("an entry that is larger than max_bytes, or not whole")
        return payload

    def with_times(self, data: bytes, fresh_until_ms: int, cost: float) -> bytes:
        """The same entry, fresh until another time."""
        flags = data[1]
        begin = 14 if flags & TIMED else 2
        return data[:1] + bytes((flags | TIMED,)) + _TIMES.pack(fresh_until_ms, cost) + data[begin:]

