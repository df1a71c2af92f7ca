"""RDB files of an older version than our engine writes, in plain forms: for a Redis of yesterday.

    "REDIS0009", AUX fields, functions (form F5, from version 10 on)
    of each database: FE number, FB keys deadlines, and of each key: FC deadline (8), form, name, value
    FF, CRC-64 of all before it (8)

They are larger than need be: a Redis that loads one packs small collections again.
"""
from __future__ import annotations

import struct
from typing import BinaryIO

from hutch_engine.door.checksum import checksum

from ..version import REDIS_VERSION
from .rdb_bytes import form_and_value, length, string
from .records import Record

WRITTEN_AT_ONCE = 1 << 20
AUX, RESIZE, DEADLINE, SELECT, END, FUNCTION = b"\xfa", b"\xfb", b"\xfc", b"\xfe", b"\xff", b"\xf5"
FUNCTIONS_SINCE = 10


class RdbWriter:
    """Writes one file, key by key. CannotSay when the version has no place for a value; OSError when it cannot be written."""

    def __init__(self, out: BinaryIO, version: int):
        self.out, self.version = out, version
        self.sum = 0
        self._parts: list[bytes] = []
        self._waiting = 0
        self._put(b"REDIS%04d" % version)
        for name, value in ((b"redis-ver", REDIS_VERSION.encode()), (b"redis-bits", b"64")):
            self._put(AUX + string(name) + string(value))

    def _put(self, data: bytes) -> None:
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= WRITTEN_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._parts)
        self.sum = checksum(data, self.sum)
        self.out.write(data)
        self._parts, self._waiting = [], 0

    def library(self, code: bytes) -> None:
        """A library of functions. Versions before 10 have none."""
        self._put(FUNCTION + string(code))

    def database(self, number: int, keys: int) -> None:
        """What follows is in this database, of about so many keys."""
        self._put(SELECT + length(number) + RESIZE + length(keys) + length(0))

    def key(self, record: Record) -> None:
        """A key."""
        form, value = form_and_value(record, self.version)
        if record.deadline is not None:
            self._put(DEADLINE + struct.pack("<q", record.deadline))
        self._put(bytes((form,)) + string(record.key) + value)

    def end(self) -> None:
        """The end of the file."""
        self._put(END)
        self._flush()
        self.out.write(struct.pack("<Q", self.sum))
