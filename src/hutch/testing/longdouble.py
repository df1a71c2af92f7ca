"""The arithmetic of INCRBYFLOAT: C's `long double` of x86 (64 bits of mantissa), in exact integers.

Redis adds in long double and prints with `%.17Lf`, trailing zeros cut. To answer the same text, numbers are kept as
fractions that were rounded to 64 bits of mantissa, half to even, wherever the C code rounds.
"""
from __future__ import annotations

import re
from fractions import Fraction

MANTISSA_BITS, MAX_EXPONENT, MIN_EXPONENT = 64, 16383, -16445      # the last: the exponent of the least denormal
DECIMAL = re.compile(rb"([+-]?)(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?\Z")
HEXADECIMAL = re.compile(rb"([+-]?)0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP]([+-]?\d+))?\Z")
INFINITY = "infinity"


def rounded(value: Fraction) -> Fraction | str:
    """`value` as the nearest long double; INFINITY where it does not fit."""
    if not value:
        return value
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - MANTISSA_BITS + 1, MIN_EXPONENT)
    steps = size / unit
    whole = steps.numerator // steps.denominator
    rest = steps - whole
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1):
        whole += 1
    size = whole * unit
    if size >= Fraction(2) ** (MAX_EXPONENT + 1):
        return INFINITY
    return size if value > 0 else -size


def parse_long_double(word: bytes) -> Fraction | str | None:
    """What strtold makes of the whole word: a number, INFINITY, or None where Redis refuses it."""
    if re.match(rb"[+-]?(inf|infinity)\Z", word, re.IGNORECASE):
        return INFINITY
    if len(word) >= 5 * 1024:       # the C code's buffer
        return None
    if found := HEXADECIMAL.match(word):
        digits, _, fraction = found[2].partition(b".")
        value = Fraction(int(digits + fraction or b"0", 16)) * Fraction(2) ** (int(found[3] or 0) - 4 * len(fraction))
    elif found := DECIMAL.match(word):
        if abs(int(found[3] or 0)) > 20_000:
            return None if found[2].strip(b"0.") else Fraction(0)
        digits, _, fraction = found[2].partition(b".")
        value = Fraction(_number(digits + fraction)) * Fraction(10) ** (int(found[3] or 0) - len(fraction))
    else:
        return None
    number = rounded(value)
    if number == INFINITY or (value and not number):
        return None                 # ERANGE, at either end
    return -number if found[1] == b"-" else number


def add_long_doubles(one: Fraction, two: Fraction) -> Fraction | str:
    """The sum as a long double; INFINITY where it does not fit."""
    return rounded(one + two)


def print_long_double(value: Fraction) -> bytes:
    """The number as `%.17Lf` prints it, rounded half to even as glibc does, without trailing zeros; never `-0`. O(digits)"""
    scaled = abs(value) * 10**17
    whole, rest = scaled.numerator // scaled.denominator, scaled - scaled.numerator // scaled.denominator
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1):
        whole += 1
    text = _decimal(whole // 10**17) + "." + _decimal(whole % 10**17).rjust(17, "0")
    text = text.rstrip("0").rstrip(".")
    return b"0" if text == "0" else ("-" if value < 0 else "").encode() + text.encode()


# Newer Pythons limit int <-> str to 4300 digits (a guard against slow conversions); these go around it in pieces.

def _number(digits: bytes) -> int:
    number = 0
    for at in range(0, len(digits), 4000):
        piece = digits[at:at + 4000]
        number = number * 10 ** len(piece) + int(piece)
    return number


def _decimal(number: int) -> str:
    if number < 10**4000:
        return str(number)
    high, low = divmod(number, 10**4000)
    return _decimal(high) + str(low).rjust(4000, "0")
