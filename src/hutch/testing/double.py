"""Doubles as Redis reads them: the whole word or nothing, by one grammar for scores and another for the ends of ranges."""
from __future__ import annotations

import math
import re
from decimal import Decimal

INFINITY = re.compile(rb"[+-]?inf(inity)?\Z", re.IGNORECASE)
DECIMAL = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\Z", re.IGNORECASE)
HEXADECIMAL = re.compile(rb"[+-]?0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(p[+-]?[0-9]+)?\Z", re.IGNORECASE)


def parse_double(word: bytes) -> float | None:
    """strtod's numbers, but no NaN; None where Redis refuses it, for its size as well.

    >>> parse_double(b"1.5"), parse_double(b"0x10"), parse_double(b"1.2.3"), parse_double(b"1e400"), parse_double(b"nan")
    (1.5, 16.0, None, None, None)
    """
    if INFINITY.match(word):
        return float(word)
    if DECIMAL.match(word):
        number = float(word)
        digits = re.split(rb"[eE]", word)[0]
    elif HEXADECIMAL.match(word):
        try:
            number = float.fromhex(word.decode())
        except OverflowError:
            return None
        digits = re.split(rb"[pP]", word)[0][2:]
    else:
        return None
    if math.isinf(number) or (number == 0 and re.search(rb"[1-9a-fA-F]", digits)):
        return None                 # ERANGE, at either end
    return number


def parse_decimal(word: bytes) -> float | None:
    """The ends of ranges: no hexadecimal, nothing is too large or too small, a zero byte ends the word, and "" is 0.

    >>> parse_decimal(b"1e400"), parse_decimal(b""), parse_decimal(b"1..2")
    (inf, 0.0, None)
    """
    word = word.split(b"\0")[0]
    if not word:
        return 0.0
    return float(word) if INFINITY.match(word) or DECIMAL.match(word) else None


def spell(number: float) -> bytes:
    """A finite double as Redis writes it: the fewest digits that read back the same, with an exponent where that is shorter.

    >>> spell(3.0), spell(0.001), spell(0.0001234), spell(1e22), spell(-1.5e-7)
    (b'3', b'0.001', b'1.234e-4', b'1e+22', b'-1.5e-7')
    """
    sign, digits, power = Decimal(repr(number)).as_tuple()
    while len(digits) > 1 and digits[-1] == 0:
        digits, power = digits[:-1], power + 1
    text = "".join(map(str, digits))
    minus = "-" if sign else ""
    if text == "0":
        return (minus + text).encode()
    exponent = power + len(text) - 1
    if power >= 0 and exponent < len(text) + 7:
        text += "0" * power
    elif power < 0 and (power > -7 or abs(exponent) < 4):
        whole = len(text) + power
        text = f"0.{'0' * -whole}{text}" if whole <= 0 else f"{text[:whole]}.{text[whole:]}"
    else:
        text = f"{text[0]}{'.' if len(text) > 1 else ''}{text[1:]}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"
    return (minus + text).encode()
