"""Writes number_tables.h: the powers of ten that base/numbers and structures/json_number scale doubles by.

Python's integers make them exact without a line of constants; made at every import they would be a tenth of its time.
"""

EXACT_POWERS = 23           # 10**0 ... 10**22 are exact doubles


def nearest(k):
    """The 64-bit significand of 10**k rounded to nearest, its top bit set, and its binary exponent."""
    above, below = (10**k, 1) if k >= 0 else (1, 10**-k)
    exponent = above.bit_length() - below.bit_length() - 64
    while True:
        top, bottom = (above, below << exponent) if exponent >= 0 else (above << -exponent, below)
        rounded = (2 * top + bottom) // (2 * bottom)
        if rounded.bit_length() == 64:
            return rounded, exponent
        exponent += rounded.bit_length() - 64


def rounded_up(k):
    """The 128-bit significand of 10**k rounded up, its top bit set."""
    above, below = (10**k, 1) if k >= 0 else (1, 10**-k)
    shift = 127 - (above.bit_length() - below.bit_length())
    for guess in (shift - 1, shift, shift + 1):
        top, bottom = (above << guess, below) if guess >= 0 else (above, below << -guess)
        if 1 << 127 <= top // bottom < 1 << 128:
            return -(-top // bottom)
    raise AssertionError(k)


def table(kind, name, values):
    lines = "".join(f"    {value},\n" for value in values)
    return f"static const {kind} hutch_{name}[{len(values)}] = {{\n{lines}}};\n"


def text():
    cached = [nearest(k) for k in range(-348, 341, 8)]
    wide = [rounded_up(k) for k in range(-292, 325)]
    return "".join([
        "/* Made by tools/number_tables.py. */\n#ifndef HUTCH_NUMBER_TABLES_H\n#define HUTCH_NUMBER_TABLES_H\n#include <stdint.h>\n",
        "/* 10**-348, 10**-340 ... 10**340: significands of 64 bits, rounded to nearest, the top one set. */\n",
        table("uint64_t", "power_fractions", [f"{fraction:#x}u" for fraction, _ in cached]),
        table("int", "power_exponents", [exponent for _, exponent in cached]),
        "/* 10**-292 ... 10**324: significands of 128 bits, rounded up, the top one set. */\n",
        table("uint64_t", "power_high", [f"{value >> 64:#x}u" for value in wide]),
        table("uint64_t", "power_low", [f"{value & 0xFFFFFFFFFFFFFFFF:#x}u" for value in wide]),
        table("double", "exact_powers", [f"1e{k}" for k in range(EXACT_POWERS)]),
        table("uint64_t", "integer_powers", [f"{10**k}u" for k in range(20)]),
        f'static const char hutch_digit_pairs[201] = "{"".join(f"{i:02}" for i in range(100))}";\n#endif\n'])
