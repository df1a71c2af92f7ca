"""HyperLogLogs against a model of registers in Python, at every level of vectors; the runs of the sparse form walked whole; and bytes
that are none."""
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shims import bits, hyperloglog as hll

REGISTERS, HEADER = 16384, 16


@pytest.fixture(params=range(bits.best_level() + 1))
def level(request):
    before = bits.level()
    bits.set_level(request.param)
    yield request.param
    bits.set_level(before)


def runs(data):
    """The registers that a sparse one says, by the format's definition."""
    found, at, body = bytearray(), 0, data[HEADER:]
    while at < len(body):
        byte = body[at]
        if byte & 0x80:
            found += bytes(((byte >> 2 & 31) + 1,)) * ((byte & 3) + 1)
        elif byte & 0x40:
            found += bytes(((byte & 63) << 8 | body[at + 1]) + 1)
            at += 1
        else:
            found += bytes(byte + 1)
        at += 1
    return bytes(found)


def packed(registers):
    whole = 0
    for i, value in enumerate(registers):
        whole |= value << 6 * i
    return whole.to_bytes(REGISTERS * 6 // 8, "little")


def murmur(data, seed=0xadc83b19):
    m, mask = 0xc6a4a7935bd1e995, 2**64 - 1
    h = seed ^ len(data) * m & mask
    for i in range(0, len(data) - len(data) % 8, 8):
        k = int.from_bytes(data[i:i + 8], "little") * m & mask
        h = (h ^ (k ^ k >> 47) * m & mask) * m & mask
    if len(data) % 8:
        h = (h ^ int.from_bytes(data[len(data) - len(data) % 8:], "little")) * m & mask
    h = (h ^ h >> 47) * m & mask
    return h ^ h >> 47


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_places(element):
    h = murmur(element)
    rest = h >> 14 | 1 << 50
    assert hll.place(element) == (h & 16383, (rest & -rest).bit_length())


def test_empty():
    assert hll.empty() == b"HYLL\x01" + bytes(11) + b"\x7f\xff"
    assert hll.is_valid(hll.empty()) and hll.is_whole(hll.empty()) and hll.count(hll.empty()) == 0


# Few registers and values, so that runs meet, split and merge.
puts = st.lists(st.tuples(st.integers(0, 40) | st.sampled_from((0, 63, 64, 65, 100, 16320, 16382, 16383)), st.integers(1, 5)), max_size=120)


@settings(max_examples=200, deadline=None)
@given(puts)
def test_sparse_puts(steps):
    data, model = hll.empty(), bytearray(REGISTERS)
    for register, value in steps:
        outcome, data = hll.put(data, register, value)
        assert outcome == ("raised" if value > model[register] else "same")
        model[register] = max(model[register], value)
        assert runs(data) == bytes(model) and hll.is_whole(data)
        assert data[15] & 0x80 or not any(model)


def test_limits_of_the_sparse_form():
    data = hll.empty()
    assert hll.put(data, 5, 33) == ("too sparse", data)
    assert hll.put(data, 5, 32)[0] == "raised"
    assert hll.put(data, 5, 1, sparse_max=19) == ("too sparse", data)       # five zeros take a byte, the others two
    assert hll.put(data, 5, 1, sparse_max=20)[0] == "raised"
    assert hll.put(data, 65, 1, sparse_max=20) == ("too sparse", data)      # more than 64 take two
    full = hll.put(data, 5, 1)[1]
    assert hll.put(full, 5, 2, sparse_max=0)[0] == "raised"                 # no longer than before


def test_dense_and_merge(level):
    r = random.Random(level)
    for _ in range(6):
        registers = bytes(r.choice((0, r.randrange(64), 63)) for _ in range(REGISTERS))
        data = hll.dense(hll.empty()[:HEADER], registers)
        assert data == b"HYLL\x00" + bytes(11) + packed(registers)
        assert hll.is_valid(data) and hll.merge([data]) == registers
        other = bytes(r.randrange(64) for _ in range(REGISTERS))
        sparse = hll.empty()
        for _ in range(50):
            sparse = hll.put(sparse, r.randrange(REGISTERS), r.randint(1, 32))[1]
        together = [data, hll.dense(data[:HEADER], other), sparse]
        assert hll.merge(together) == bytes(map(max, registers, other, runs(sparse)))
        register = r.randrange(REGISTERS)
        for value in (registers[register], min(63, registers[register] + 1)):
            outcome, changed = hll.put(data, register, value)
            assert outcome == ("raised" if value > registers[register] else "same")
            expected = bytearray(registers)
            expected[register] = max(value, registers[register])
            assert changed[HEADER:] == packed(expected)


def ertl(registers):
    """The improved raw estimator as the paper states it."""
    m, q = REGISTERS, 50
    counts = [registers.count(value) for value in range(64)]

    def sigma(x):
        if x == 1:
            return math.inf
        y, z = 1.0, x
        while True:
            x *= x
            before, z, y = z, z + x * y, y + y
            if z == before:
                return z

    def tau(x):
        if x in (0, 1):
            return 0.0
        y, z = 1.0, 1 - x
        while True:
            x = math.sqrt(x)
            before, y = z, y * 0.5
            z -= (1 - x) ** 2 * y
            if z == before:
                return z / 3
    z = m * tau((m - counts[q + 1]) / m)
    for k in range(q, 0, -1):
        z = 0.5 * (z + counts[k])
    z += m * sigma(counts[0] / m)
    return 0 if math.isinf(z) else round(m * m / (2 * math.log(2)) / z)


def test_counts(level):
    r = random.Random(level)
    for most in (1, 3, 20, 51, 64):
        registers = bytes(r.randrange(most) for _ in range(REGISTERS))
        assert abs(hll.count_registers(registers) - ertl(registers)) <= ertl(registers) * 1e-14 + 1
        assert hll.count(hll.dense(hll.empty()[:HEADER], registers)) == hll.count_registers(registers)
    data = hll.empty()
    for i in range(500):
        data = hll.put(data, *hll.place(b"%d" % i))[1]
    assert hll.count(data) == hll.count_registers(runs(data)) == ertl(runs(data))
    assert abs(hll.count(data) - 500) < 20


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.integers(0, REGISTERS - 1), st.integers(1, 63))
def test_bytes_that_are_no_runs(body, register, value):
    """Nothing is read or written beyond the end (the sanitizer looks), and what is no HyperLogLog is found out."""
    data = b"HYLL\x01" + bytes(11) + body
    whole = hll.is_whole(data)
    assert (hll.count(data) is not None) == whole
    assert (hll.merge([data]) is not None) == whole
    outcome, changed = hll.put(data, register, value)
    if outcome in ("corrupt", "too sparse", "same"):
        assert changed == data
    if whole:
        assert outcome != "corrupt" and hll.is_whole(changed)


@pytest.mark.parametrize("data, valid", (
    (b"", False), (b"HYLL\x01" + bytes(10), False), (b"HYLL\x01" + bytes(11), True), (b"HYLL\x02" + bytes(11), False),
    (b"HYLL\x00" + bytes(11), False), (b"HYLL\x00" + bytes(11 + 12288), True), (b"HYLL\x00" + bytes(12 + 12288), False),
    (b"HYLl\x01" + bytes(11), False)))
def test_headers(data, valid):
    assert hll.is_valid(data) == valid
