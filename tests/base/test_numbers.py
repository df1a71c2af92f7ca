"""Numbers and their text, against Python's exact arithmetic and against Redis 8.2."""
import locale
import math
import random
import re
import struct
import subprocess
from fractions import Fraction

import pytest
from hypothesis import example, given, settings, strategies as st

from shims.numbers import (
    decimal_of, double_of, double_text, integer_of, integer_text, long_double_of_parts, long_double_sum,
    long_double_text, unsigned_of)

INT64_MAX = 2**63 - 1
INT64_MIN = -2**63


def double_of_bits(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


doubles = st.one_of(
    st.integers(0, 2**64 - 1).map(double_of_bits),
    st.floats(),
    st.integers(-2**64, 2**64).map(float),
    st.builds(lambda digits, places: digits / 10**places, st.integers(-10**9, 10**9), st.integers(0, 12)),
    st.integers(-1074, 1023).map(lambda power: math.ldexp(1.0, power)),
    st.integers(-320, 308).map(lambda power: float(f"1e{power}")),
).filter(lambda value: not math.isnan(value))

number_words = st.text(alphabet="0123456789+-.eExXpPaAfFiInNtTyY \t\0_,", max_size=14).map(str.encode)


# Integers

def string2ll(text):
    if not re.fullmatch(rb"0|-?[1-9][0-9]*", text):
        return None
    value = int(text)
    return value if INT64_MIN <= value <= INT64_MAX else None


def string2ull(text):
    text = text.split(b"\0")[0]
    value = string2ll(text)
    if value is not None:
        return value if value >= 0 else None
    match = re.fullmatch(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)", text)
    if not match or int(match[2]) >= 2**64:
        return None
    return -int(match[2]) % 2**64 if match[1] == b"-" else int(match[2])


near_borders = st.sampled_from(
    [0, 2**31, 2**32, 10**18, 10**19, INT64_MAX, -INT64_MIN, 2**64, 10**20]
).flatmap(lambda border: st.integers(border - 3, border + 3))
integer_words = st.one_of(
    st.integers(INT64_MIN, INT64_MAX).map(lambda value: b"%d" % value),
    near_borders.map(lambda value: b"%d" % value),
    near_borders.map(lambda value: b"-%d" % value),
    st.text(alphabet="0123456789+- \0", max_size=23).map(str.encode),
    st.binary(max_size=6),
)


@given(integer_words)
@example(b"")
@example(b"-")
@example(b"-0")
@example(b"+1")
@example(b"00")
@example(b"-05")
@example(b"5\0x")
def test_reading_integers(text):
    assert integer_of(text) == string2ll(text)
    assert unsigned_of(text) == string2ull(text)


@given(st.one_of(st.integers(INT64_MIN, INT64_MAX),
                 st.integers(0, 18).map(lambda power: 10**power),
                 st.integers(0, 18).map(lambda power: 1 - 10**power)))
@example(INT64_MIN)
@example(INT64_MAX)
def test_writing_integers(value):
    assert integer_text(value) == b"%d" % value


def test_integers_as_redis_reads_them(oracle):
    words = [b"5", b" 5", b"+5", b"007", b"-05", b"-5", b"-0", b"-00", b"", b"5\0x", b"18446744073709551615",
             b"18446744073709551616", b"-18446744073709551615", b"-18446744073709551616", b"5 ", b"x", b"+",
             b"--5", b"+ 5", b"0x5", b"\t05", b"\v5", b"9223372036854775807", b"9223372036854775808",
             b"-9223372036854775808", b"-9223372036854775809", b"1" * 20, b"1" * 21]
    for word in words:
        replies = oracle.ask_all([("SET", "n", word), ("INCRBY", "n", "0"), ("SET", "n", "0"), ("INCRBY", "n", word)])
        value = integer_of(word)
        for reply in (replies[1], replies[3]):
            assert reply == value if value is not None else isinstance(reply, Exception), word
        replies = oracle.ask_all([("SCAN", word), ("DEL", "s"), ("XADD", "s", b"1-" + word, "f", "v")])
        value = unsigned_of(word)
        assert isinstance(replies[0], Exception) == (value is None), word
        assert replies[2] == b"1-%d" % value if value is not None else isinstance(replies[2], Exception), word


# Doubles

@given(doubles)
def test_writing_doubles_round_trips(value):
    text = double_text(value)
    assert len(text) <= 40
    assert struct.pack("<d", float(text)) == struct.pack("<d", value)
    back = double_of(text)
    assert struct.pack("<d", back) == struct.pack("<d", value)


@pytest.mark.parametrize("value, text", [
    (1.5, b"1.5"), (3.0, b"3"), (-0.0, b"-0"), (0.0, b"0"), (1e21, b"1e+21"), (1e17, b"100000000000000000"),
    (2.0**62, b"4611686018427387904"), (9.2e18, b"9.2e+18"), (123456789012345680000.0, b"123456789012345680000"),
    (1e-5, b"0.00001"), (1e-6, b"0.000001"), (1e-7, b"1e-7"), (0.00001234, b"1.234e-5"), (5e-324, b"5e-324"),
    (1.7976931348623157e308, b"1.7976931348623157e+308"), (math.inf, b"inf"), (-math.inf, b"-inf"),
    (math.nan, b"nan"), (-math.nan, b"nan"),
    # Grisu2's own spelling of these:
    (1e23, b"99999999999999990000000"), (-1.2345678901234567e-7, b"-1.2345678901234566e-7"),
])
def test_spelling(value, text):
    assert double_text(value) == text


DOUBLE = re.compile(
    rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    rb"|(?P<hex>0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?)"
    rb"|(?P<inf>[iI][nN][fF](?:[iI][nN][iI][tT][yY])?))")


def get_double(text):
    match = DOUBLE.fullmatch(text)
    if not match:
        return None
    if match["inf"]:
        return float(text)
    if match["hex"]:
        try:
            value = float.fromhex(text.decode())
        except OverflowError:
            return None
    else:
        value = float(text)
    mantissa = re.split(rb"[pP]" if match["hex"] else rb"[eE]", text)[0]
    if math.isinf(value) or (value == 0 and re.search(rb"[1-9a-fA-F]", mantissa)):
        return None
    return value


double_words = st.one_of(
    number_words,
    st.builds(lambda value, form: (form % value).encode(), doubles,
              st.sampled_from(["%.17g", "%.3e", "%r", "%+.5f", "%.25e", "%.1f"])),
    doubles.map(lambda value: value.hex().encode()),
    st.from_regex(DOUBLE, fullmatch=True),
    st.from_regex(rb"[+-]?[0-9]{1,25}\.?[0-9]{0,25}(?:[eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


def same(a, b):
    if a is None or b is None:
        return a is b
    return struct.pack("<d", a) == struct.pack("<d", b)


@settings(max_examples=1000, deadline=None)
@given(double_words)
@example(b"9007199254740993")
@example(b"2e-324")
@example(b"3e-324")
@example(b"0x1p-1075")
@example(b"0e99999999999999999999")
@example(b"1e22")
@example(b"1e23")
@example(b"nan")
@example(b"-nan(1)")
@example(b"0x")
@example(b"0x.p1")
@example(b"infinit")
def test_reading_doubles(text):
    assert same(double_of(text), get_double(text)), text


@settings(max_examples=150, deadline=None)
@given(doubles.filter(math.isfinite), st.integers(-2, 2), st.integers(0, 3000), st.integers(0, 2000))
def test_reading_long_doubles_texts(value, beyond, zeros, tail):
    """Texts longer than any buffer: the middle between two doubles, a hair more, a hair less."""
    middle = (Fraction(value) + Fraction(math.nextafter(value, math.inf))) / 2 if abs(value) < 1e300 else Fraction(value)
    scaled = middle * 10**1080               # an integer: no double has more decimals than 1074 (and one more)
    assert scaled.denominator == 1
    digits = str(abs(scaled.numerator) * 10**tail + (beyond if scaled else 0))
    sign = "-" if scaled < 0 else ""
    text = f"{sign}{'0' * zeros}{digits}e{-1080 - tail}".encode()
    assert same(double_of(text), get_double(text))
    text = f"{sign}0.{'0' * zeros}{digits}e{zeros + len(digits) - 1080 - tail}".encode()
    assert same(double_of(text), get_double(text))


@pytest.mark.parametrize("text, value", [
    (b"0" * 3000 + b"1.25e1", 12.5), (b"0x" + b"0" * 3000 + b".8p1", 1.0), (b"1" * 400, None),
    (b"0." + b"0" * 3000 + b"1e3000", 0.1), (b"0x1" + b"0" * 2000 + b"p-8000", 1.0),
    (b"0x1." + b"0" * 2000 + b"1p52", 2.0**52), (b"0x10000000000000.8" + b"0" * 2000, 2.0**52),
    (b"0x10000000000000.8" + b"0" * 2000 + b"1", 2.0**52 + 1),
    (b"-" + b"0" * 5000, -0.0), (b"." * 2000, None), (b"1" * 300 + b"." + b"1" * 2000 + b".", None),
    (b"0" * 2000 + b"e", None), (b"0" * 2000 + b"e+", None), (b"0" * 2000 + b"e9999999999999999999999", 0.0),
    (b"0" * 2000 + b"p5", None), (b"1e" + b"0" * 2000 + b"5", 1e5), (b"1e-" + b"9" * 2000, None),
    (b" " + b"0" * 2000, None), (b"0" * 2000 + b"\0", None), (b"infinity" * 200, None),
])
def test_reading_very_long_texts(text, value):
    assert same(double_of(text), value)


# The ends of ranges, and what SORT weighs

def get_decimal(text):
    """What fast_float takes: it has no hexadecimal, and no number is too large or too small for it."""
    text = text.split(b"\0")[0]
    if text and not re.fullmatch(rb"[+-]?(?:inf(?:inity)?|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)", text, re.IGNORECASE):
        return None
    return float(text or b"0")


@settings(max_examples=1000, deadline=None)
@given(st.one_of(double_words, st.from_regex(rb"[+-]?[0-9]{0,3}\.?[0-9]{0,3}\.?[0-9]{0,2}(?:[eE][+-]?[0-9]{0,4})?\.?", fullmatch=True)))
@example(b"1.2.3")
@example(b"1..2")
@example(b"1.")
@example(b".")
@example(b"")
@example(b"\0")
@example(b"1.5\0junk")
@example(b"1e400")
@example(b"-1e-400")
@example(b"0." + b"0" * 330 + b"1")
@example(b"-" + b"1" * 400)
@example(b"0." + b"0" * 5000 + b"1e4990")
@example(b"1e" + b"9" * 50)
@example(b"0e" + b"9" * 50)
@example(b"0x10")
@example(b"1e5.")
def test_reading_decimals(text):
    assert same(decimal_of(text), get_decimal(text)), text


# Long doubles: exact decimals of an exact binary number

def human(value):
    """%.17f without trailing zeros, of a Fraction."""
    scaled = round(abs(value) * 10**17)                     # round() of a Fraction: half to even
    whole, decimals = divmod(scaled, 10**17)
    text = f"{whole}.{decimals:017d}".rstrip("0").rstrip(".")
    return ("-" if value < 0 and scaled else "").encode() + text.encode()


def is_wide():
    """An x86 long double, whose 64 bits hold any uint64_t?"""
    return long_double_of_parts(2**64 - 1, 0, False) == b"18446744073709551615"


@settings(max_examples=1000)
@given(st.integers(0, 2**53 - 1), st.integers(-200, 200), st.booleans())
def test_writing_long_doubles(significand, exponent, negative):
    value = Fraction(significand) * Fraction(2)**exponent
    assert long_double_of_parts(significand, exponent, negative) == human(-value if negative else value)


@settings(max_examples=1000)
@given(st.integers(0, 2**64 - 1), st.integers(-140, 70), st.booleans())
@example(2**64 - 1, -64, False)
@example(2**64 - 1, -121, True)
@example(1, -18, False)
def test_writing_wide_long_doubles(significand, exponent, negative):
    if not is_wide():
        pytest.skip("long double is not the 80-bit one here")
    value = Fraction(significand) * Fraction(2)**exponent
    assert long_double_of_parts(significand, exponent, negative) == human(-value if negative else value)


@pytest.mark.parametrize("text, back", [
    (b"10.5", b"10.5"), (b"-0", b"0"), (b"-1e-30", b"0"), (b"3.0e3", b"3000"), (b"inf", b"inf"),
    (b"-Infinity", b"-inf"), (b"nan", None), (b"", None), (b" 1", None), (b"1 ", None), (b"1\0", None),
    (b"0x1p3", b"8"), (b"1" * 5119, None), (b"0" * 5118 + b"1", b"1"), (b"0" * 5119 + b"1", None), (b"1e", None),
])
def test_long_double_words(text, back):
    assert long_double_text(text) == back


# Locale

@pytest.fixture(params=["de_DE", "ps_AF"])
def comma(request, tmp_path, monkeypatch):
    """A locale with another decimal separator (that of ps_AF has two bytes), compiled where none is installed."""
    name = request.param + ".UTF-8"
    before = locale.setlocale(locale.LC_NUMERIC)
    try:
        locale.setlocale(locale.LC_NUMERIC, name)
    except locale.Error:
        try:
            subprocess.run(["localedef", "-i", request.param, "-f", "UTF-8", str(tmp_path / name)],
                           check=False, capture_output=True)
            monkeypatch.setenv("LOCPATH", str(tmp_path))
            locale.setlocale(locale.LC_NUMERIC, name)
        except (OSError, locale.Error):
            pytest.skip(f"the locale {name} is neither installed nor can it be compiled here")
    assert locale.localeconv()["decimal_point"] != "."
    yield
    locale.setlocale(locale.LC_NUMERIC, before)


def test_locale_makes_no_difference(comma):
    assert double_of(b"0.1234567890123456789e5") == 12345.678901234567
    assert double_of(b"1,5") is None
    assert double_text(1234.5) == b"1234.5"
    assert long_double_text(b"1234567.25") == b"1234567.25"
    assert long_double_text(b"1180591620717411303424") == b"1180591620717411303424"      # 2**70
    assert long_double_text(b"-0x1p70") == b"-1180591620717411303424"


# Redis 8.2

def _random_doubles(count, seed):
    chance = random.Random(seed)
    values = []
    while len(values) < count:
        kind = chance.randrange(6)
        if kind == 0:
            value = double_of_bits(chance.getrandbits(64))
        elif kind == 1:
            value = chance.uniform(-1e6, 1e6)
        elif kind == 2:
            value = round(chance.uniform(-1e6, 1e6), chance.randrange(8))
        elif kind == 3:
            value = math.ldexp(chance.choice([1.0, 1.5, chance.random()]), chance.randrange(-1074, 1023))
        elif kind == 4:
            value = float(chance.getrandbits(chance.randrange(1, 70)))
        else:
            value = chance.randrange(1, 10000) * 10.0**chance.randrange(-300, 300)
        if math.isfinite(value):
            values.append(value)
    return values


def test_doubles_as_redis_writes_them(oracle):
    values = _random_doubles(30_000, 1) + [math.inf, -math.inf, -0.0, 2.0**62, 2.0**62 + 1024, -2.0**62]
    oracle.ask("CONFIG", "SET", "zset-max-listpack-entries", "0")
    for start in range(0, len(values), 5000):
        batch = values[start:start + 5000]
        replies = oracle.ask_all([("DEL", "z")] + [("ZADD", "z", v.hex(), i) for i, v in enumerate(batch)]
                        + [("ZSCORE", "z", i) for i in range(len(batch))])
        for value, reply in zip(batch, replies[1 + len(batch):]):
            assert double_text(value) == reply, value.hex()
    oracle.ask("DEL", "z")


def test_doubles_as_redis_reads_them(oracle):
    chance = random.Random(2)
    words = [b"0x1p3", b"+5", b" 5", b"5 ", b"infinity", b"INF", b"1e400", b"1e-400", b"1e-320", b"2e-324",
             b"nan", b"1e", b"1e+", b".5", b"5.", b".", b"", b"5\0", b"0x", b"0x.8", b"0x1p", b"0x1p-1080",
             b"0e999999999", b"-0", b"1_0", b"1,5", b"\t5", b"infinit", b"1e99999999999999999999",
             b"0" * 5000 + b"1", b"1" * 400, b"0." + b"0" * 3000 + b"1e3000", b"0" * 2000 + b"x1"]
    for _ in range(6000):
        words.append("".join(chance.choice("01234567890123456789.eE+-xXpPaf iIn") for _ in
                             range(chance.randrange(1, 9))).encode())
        words.append(b"%d.%de%d" % (chance.getrandbits(60), chance.getrandbits(60), chance.randrange(-350, 310)))
    for start in range(0, len(words), 3000):
        batch = words[start:start + 3000]
        replies = oracle.ask_all([("DEL", "z")] + [("ZADD", "z", w, i) for i, w in enumerate(batch)]
                        + [("ZSCORE", "z", i) for i in range(len(batch))])
        for word, reply in zip(batch, replies[1 + len(batch):]):
            value = double_of(word)
            assert (None if value is None else double_text(value)) == reply, word
    oracle.ask("DEL", "z")


def test_incrbyfloat_as_redis_does_it(oracle):
    if not is_wide():
        pytest.skip("long double is not the 80-bit one here")
    chance = random.Random(3)

    def word():
        kind = chance.randrange(6)
        if kind == 0:
            return b"%d" % chance.randrange(-10**chance.randrange(1, 22), 10**18)
        if kind == 1:
            return b"%.*f" % (chance.randrange(20), chance.uniform(-1e7, 1e7))
        if kind == 2:
            return b"%r" % chance.choice(_random_doubles(1, chance.random()))
        if kind == 3:
            return b"%de%d" % (chance.randrange(-10**6, 10**6), chance.randrange(-40, 40))
        if kind == 4:
            return b"%.17f" % chance.random()
        return chance.choice([b"0", b"-0", b"1e-17", b"5e-18", b"-5e-18", b"0.1", b"1e400", b"-1e400", b"0x1p-60"])

    pairs = [(word(), word()) for _ in range(8000)]
    replies = oracle.ask_all([command for a, b in pairs for command in
                             (("SET", "f", a), ("INCRBYFLOAT", "f", b))])
    for (a, b), reply in zip(pairs, replies[1::2]):
        if not isinstance(reply, Exception):
            assert long_double_sum(a, b) == reply, (a, b)
        else:
            assert long_double_sum(a, b) in (None, b"inf", b"-inf", b"nan"), (a, b, reply)
