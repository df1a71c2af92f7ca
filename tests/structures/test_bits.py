"""Bits of bytes, against Python's integers: every loop at every level of vectors that this machine has."""
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shims import bits

LEVELS = range(bits.best_level() + 1)
every_level = pytest.mark.parametrize("level", LEVELS)
# Where the loops change their step: words, vectors, four vectors, and a byte beside each.
SIZES = sorted({max(0, base + more) for base in (0, 8, 16, 32, 64, 128, 256, 512, 1024, 8192) for more in (-1, 0, 1, 7)})


@pytest.fixture(autouse=True)
def same_level_afterwards():
    before = bits.level()
    yield
    bits.set_level(before)


def as_int(data):
    return int.from_bytes(data, "big")


def bit_of(data, offset):
    return data[offset // 8] >> (7 - offset % 8) & 1


def contents(size, r):
    """Random, full, empty, and but for one bit full or empty."""
    yield r.randbytes(size)
    for byte in (0, 255):
        yield bytes((byte,)) * size
        for _ in range(3):
            made = bytearray(bytes((byte,)) * size)
            if size:
                made[r.randrange(size)] ^= 1 << r.randrange(8)
            yield bytes(made)


def test_the_best_level_is_used_until_another_is_chosen():
    assert bits.level() == bits.best_level()
    bits.set_level(0)
    assert bits.level() == 0
    bits.set_level(99)
    assert bits.level() == bits.best_level()


@every_level
def test_count_and_find(level):
    bits.set_level(level)
    r = random.Random(level)
    for size in SIZES[1:]:
        for data in contents(size, r):
            if not data:
                continue
            for first, last in ((0, 8 * size - 1), *(sorted((r.randrange(8 * size), r.randrange(8 * size))) for _ in range(4))):
                shifted = as_int(data) >> (8 * size - 1 - last) & (1 << (last - first + 1)) - 1
                assert bits.count(data, first, last) == shifted.bit_count()
                for value in (0, 1):
                    expected = next((i for i in range(first, last + 1) if bit_of(data, i) == value), None) if size < 300 else ...
                    if expected is ...:
                        wanted = shifted if value else shifted ^ (1 << (last - first + 1)) - 1
                        expected = last - (wanted.bit_length() - 1) if wanted else None
                    assert bits.find(data, value, first, last) == expected


MODEL = {
    "AND": lambda a, others: a & all_of(others), "OR": lambda a, others: a | any_of(others),
    "XOR": lambda a, others: odd_of([a, *others]), "NOT": lambda a, others: ~a,
    "DIFF": lambda a, others: a & ~any_of(others), "DIFF1": lambda a, others: ~a & any_of(others),
    "ANDOR": lambda a, others: a & any_of(others), "ONE": lambda a, others: one_of([a, *others]),
}


def any_of(numbers):
    found = 0
    for number in numbers:
        found |= number
    return found


def all_of(numbers):
    found = -1
    for number in numbers:
        found &= number
    return found


def odd_of(numbers):
    found = 0
    for number in numbers:
        found ^= number
    return found


def one_of(numbers):
    once = twice = 0
    for number in numbers:
        twice |= once & number
        once |= number
    return once & ~twice


@every_level
@pytest.mark.parametrize("operation", MODEL)
def test_combine(level, operation):
    bits.set_level(level)
    r = random.Random(f"{level} {operation}")
    least = 1 if operation in ("AND", "OR", "XOR", "ONE", "NOT") else 2
    for size in SIZES[1:]:
        for count in ([1] if operation == "NOT" else {least, 2, 3, 7}):
            # Of different lengths, the shorter ones going on with zeros; and all of the same.
            for lengths in ([size] * count, [size, *(r.randint(0, size) for _ in range(count - 1))]):
                r.shuffle(lengths)
                sources = [r.randbytes(length) for length in lengths]
                padded = [as_int(source.ljust(size, b"\0")) for source in sources]
                expected = (MODEL[operation](padded[0], padded[1:]) & (1 << 8 * size) - 1).to_bytes(size, "big")
                assert bits.combine(operation, sources) == expected
                assert bits.combine(operation, sources, lengths.index(size)) == expected


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=30), st.integers(0, 300), st.integers(1, 64), st.integers(0, 2**64 - 1))
def test_integers_in_bytes(data, offset, width, value):
    size = max(len(data), (offset + width + 7) // 8)
    whole = as_int(data.ljust(size, b"\0"))
    shift = 8 * size - offset - width
    mask = (1 << width) - 1
    assert bits.read(data, offset, width) == whole >> shift & mask
    written = bits.write(data.ljust(size, b"\0"), offset, width, value)
    assert as_int(written) == whole & ~(mask << shift) | (value & mask) << shift
    assert bits.set_(data.ljust(size, b"\0"), offset, value & 1)[1] == value & 1


signed = st.integers(-2**63, 2**63 - 1) | st.integers(-300, 300)


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**64 - 1) | st.integers(0, 600), signed, st.integers(1, 63), st.sampled_from(["WRAP", "SAT", "FAIL"]))
def test_unsigned_overflow(value, more, width, overflow):
    most = (1 << width) - 1
    # What is beyond its bits already is too large, whatever is taken from it.
    exact = value + more if value <= most else value + max(more, 0)
    fits, result = bits.fit_unsigned(value, more, width, overflow)
    assert fits == (value <= most and 0 <= exact <= most)
    if fits:
        assert result == exact
    elif overflow == "SAT":
        assert result == (most if exact > most else 0)
    elif overflow == "WRAP":
        assert result == value + more & most


@settings(max_examples=600, deadline=None)
@given(signed, signed, st.integers(1, 64), st.sampled_from(["WRAP", "SAT", "FAIL"]))
def test_signed_overflow(value, more, width, overflow):
    most = (1 << width - 1) - 1
    least = -most - 1
    inside = least <= value <= most
    fits, result = bits.fit_signed(value, more, width, overflow)
    assert fits == (inside and least <= value + more <= most)
    if fits:
        assert result == value + more
    elif overflow == "SAT":
        # Redis takes what is so far below that the way up does not fit 64 bits for what is above.
        far_below = width < 64 and most - value >= 2**63
        assert result == (most if (value > most or far_below or inside and value + more > most) else least)
    elif overflow == "WRAP":
        wrapped = value + more & (1 << width) - 1
        assert result == (wrapped - (1 << width) if wrapped > most else wrapped)
