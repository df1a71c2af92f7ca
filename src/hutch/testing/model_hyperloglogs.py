"""The HyperLogLog commands of the reference model: 16384 registers, in Redis's dense bytes.

A HyperLogLog is a string, so GET and TYPE see one. Redis keeps small ones in a shorter, sparse form and remembers the last count in
the header; here every one that is written is dense and remembers none. Both forms are read.

    bytes 0..3     "HYLL"
    byte 4         0 dense, 1 sparse
    bytes 5..7     0
    bytes 8..15    the last count, little-endian; the highest bit says that it is not to be used
    bytes 16..     dense: 16384 registers of 6 bits, the first in the lowest bits of the first byte
                   sparse: runs: 00xxxxxx (x+1 zeros), 01xxxxxx yyyyyyyy (as many, in 14 bits), 1vvvvvxx (x+1 times v+1)
"""
from __future__ import annotations

import collections
import math

from .model import OK, WRONG_TYPE, Item, ModelSession, Refused, command

REGISTERS = 2**14
RANK_BITS = 50                   # of the hash, behind the 14 that choose the register
HEADER = 16
ALPHA = 0.721347520444481703680  # 1 / (2 ln 2)
NOT_ONE = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPT = "INVALIDOBJ Corrupted HLL object detected"


def murmur64(data: bytes, seed: int = 0xADC83B19) -> int:
    """MurmurHash64A, by Austin Appleby, of little-endian words. O(length)"""
    mask, m = 2**64 - 1, 0xC6A4A7935BD1E995
    h = seed ^ (len(data) * m & mask)
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        k = int.from_bytes(data[at:at + 8], "little") * m & mask
        k = (k ^ k >> 47) * m & mask
        h = (h ^ k) * m & mask
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 47) * m & mask
    return h ^ h >> 47


def place_and_rank(element: bytes) -> tuple[int, int]:
    """The register that an element belongs to, and the position of the first 1 in the rest of its hash, from 1."""
    h = murmur64(element)
    rest = h >> 14 | 1 << RANK_BITS
    return h % REGISTERS, (rest & -rest).bit_length()


def read(value: bytes) -> list[int]:
    """The registers of a HyperLogLog's bytes. Refused where they are none. O(registers)"""
    if len(value) < HEADER or not value.startswith(b"HYLL") or value[4] > 1 or (
            value[4] == 0 and len(value) != HEADER + REGISTERS * 6 // 8):
        raise Refused(NOT_ONE)
    if value[4] == 0:
        registers = []
        for at in range(HEADER, len(value), 3):          # four registers in three bytes
            four = int.from_bytes(value[at:at + 3], "little")
            registers += [four & 63, four >> 6 & 63, four >> 12 & 63, four >> 18]
        return registers
    registers, runs = [], iter(value[HEADER:])
    for byte in runs:
        if byte & 0x80:
            registers += [(byte >> 2 & 31) + 1] * ((byte & 3) + 1)
        elif byte & 0x40:
            registers += [0] * (((byte & 63) << 8 | next(runs, 0)) + 1)
        else:
            registers += [0] * ((byte & 63) + 1)
    if len(registers) != REGISTERS:
        raise Refused(CORRUPT)
    return registers


def written(registers: list[int]) -> bytes:
    """The dense bytes of registers. O(registers)"""
    body = bytearray()
    for a, b, c, d in zip(*[iter(registers)] * 4):
        body += (a | b << 6 | c << 12 | d << 18).to_bytes(3, "little")
    return b"HYLL" + bytes(11) + b"\x80" + bytes(body)


def count(registers: list[int]) -> int:
    """How many different elements made these registers, about: Otmar Ertl's estimator (2017). O(registers)"""
    times = collections.Counter(registers)
    z = REGISTERS * tau((REGISTERS - times[RANK_BITS + 1]) / REGISTERS)
    for rank in range(RANK_BITS, 0, -1):
        z = (z + times[rank]) * 0.5
    z += REGISTERS * sigma(times[0] / REGISTERS)
    return math.floor(ALPHA * REGISTERS * REGISTERS / z + 0.5)


def sigma(x: float) -> float:
    """What registers that were never hit add."""
    if x == 1:
        return math.inf
    y, z = 1.0, x
    while True:
        x *= x
        before, z = z, z + x * y
        y += y
        if z == before:
            return z


def tau(x: float) -> float:
    """What registers at their highest rank add."""
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1 - x
    while True:
        x = math.sqrt(x)
        before, y = z, y * 0.5
        z -= (1 - x) ** 2 * y
        if z == before:
            return z / 3


def registers_of(self: ModelSession, key: bytes) -> list[int] | None:
    """The registers of a key, or None without one. Refused where it has something else."""
    item = self.data.get(key)
    if item is None:
        return None
    if not isinstance(item.value, bytes):
        raise Refused(WRONG_TYPE)
    return read(item.value)


def keep(self: ModelSession, key: bytes, registers: list[int]) -> None:
    """Write the registers of a key, whose deadline stays."""
    self.put(key, written(registers), raw=True)


@command("pfadd", arity=-2)
def pfadd(self, name, args):
    """PFADD: 1 if the count may have changed or the key is new, otherwise 0. O(registers)"""
    registers = registers_of(self, args[0])
    changed = registers is None
    registers = [0] * REGISTERS if registers is None else registers
    for element in args[1:]:
        place, rank = place_and_rank(element)
        if rank > registers[place]:
            registers[place], changed = rank, True
    if changed:
        keep(self, args[0], registers)
    return int(changed)


@command("pfcount", arity=-2)
def pfcount(self, name, args):
    """PFCOUNT: how many different elements were added to one of the keys, about. O(registers) a key"""
    rows = [registers for key in args if (registers := registers_of(self, key)) is not None]
    return count([max(column) for column in zip(*rows)]) if rows else 0


@command("pfmerge", arity=-2)
def pfmerge(self, name, args):
    """PFMERGE: the first key has what all keys have, itself included. O(registers) a key"""
    rows = [registers for key in args if (registers := registers_of(self, key)) is not None]
    merged = [max(column) for column in zip(*rows)] if rows else [0] * REGISTERS
    if args[0] in self.data:
        keep(self, args[0], merged)
    else:
        self.data[args[0]] = Item(written(merged), raw=True)
    return OK


@command("pfdebug", arity=3)
def pfdebug(self, name, args):
    """PFDEBUG GETREG: the registers as a list. Refused for other subcommands, which show the form that an engine has chosen. O(registers)"""
    if args[0].upper() != b"GETREG":
        raise Refused(b"ERR Unknown PFDEBUG subcommand '%b'" % args[0])
    registers = registers_of(self, args[1])
    if registers is None:
        raise Refused("ERR The specified key does not exist")
    keep(self, args[1], registers)
    return registers
