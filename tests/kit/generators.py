"""Random commands: the registry of families, and the pools that their generators draw from.

A family is a file in tests/kit/families; each generator in it is a function that takes a `Gen` and answers an
argv (tuple of bytes), a Step, or a list of Steps that belong together:

    strings = Family("strings")

    @strings.generator(weight=4)
    def set_(g):
        return b"SET", g.key(), g.value(), *g.some(g.word(b"NX"), g.word(b"XX"))

Every generated command has a small chance to be damaged (see `Gen.damage`), which is where wrong arity, syntax
errors and nonsense numbers come from. What a generator may not do is depend on the clock: relative
deadlines are far away and never equal by accident, so that two servers agree however slow they are.
"""
from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Callable

INT64_MAX, INT64_MIN = 2**63 - 1, -2**63


@dataclass(frozen=True)
class Step:
    """One command of a sequence: who sends it, and how its two replies are compared (see differential.COMPARERS)."""
    argv: tuple[bytes, ...]
    compare: str = "exact"
    connection: int = 0
    silent: bool = False            # CLIENT REPLY OFF or SKIP: no reply comes


class Family:
    """A named set of weighted generators.

    `seeds` are commands that make keys of this family's types: every other family uses them to provoke WRONGTYPE
    once both servers know them.
    """
    registry: dict[str, "Family"] = {}

    def __init__(self, name: str, damage: float = 0.06, seeds: tuple = ()):
        self.name, self.damage, self.seeds = name, damage, seeds
        self.generators: list[tuple[float, bool, Callable]] = []
        Family.registry[name] = self

    def generator(self, weight: float = 1.0, damage: bool = True):
        """Register a generator; damage=False where random words would be unsafe or depend on the clock."""
        def add(function):
            self.generators.append((weight, damage, function))
            return function
        return add


class Gen:
    """A seeded source of keys, values, numbers and options."""

    KEYS = (b"k0", b"k1", b"k2", b"k3", b"k4", b"key:5", b"a-longer-key-that-is-not-embedded-so-easily-6",
            b"", b"\x00\xff\r\n", b"*[?\\", "ключ".encode())
    # Up to a megabyte; drawn by few generators, as every reply that names one is as long.
    LONG_KEYS = (b"K" * 100, b"K" * 300, b"K" * 5_000, b"K" * 70_000, b"K" * 1_000_000)
    # Kept apart from KEYS: only commands whose cost is linear may see a string of a megabyte.
    BIG_KEY = b"big"
    BORDERS = (b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"-9223372036854775809",
               b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999")
    JUNK = BORDERS + (b"", b"abc", b" 1", b"1 ", b"+1", b"01", b"-0", b"0", b"-1", b"1.5", b"1e3", b"0x10", b"nan", b"inf",
                      b"\x00", b"a b", b"\xff\xfe", b"NX", b"*")
    FLOATS = (b"0", b"-0.0", b"0.1", b"0.2", b"-0.3", b"1.5", b"3.0e3", b"1e308", b"-1e308", b"1e17", b"1e-17", b"5e-18", b"1e400",
              b"123456789.123456789", b"3.14159265358979323846", b"1e4932", b"1e5000", b"inf", b"-inf", b"nan", b"0x10", b"0x1p-3",
              b"1.", b".5", b"+2", b"1.2.3", b"1..2", b"0." + b"0" * 330 + b"1", b"1e", b" 1", b"1 ", b"1_0", b"00012", b"9007199254740993", b"18446744073709551617.5")
    PAST_S = (1, 1000, 1_000_000_000)
    FUTURE_S = (2_000_000_000, 2_000_001_000, 2_000_002_000, 3_000_000_000)

    def __init__(self, seed: int, foreign: tuple = ()):
        self.random = random.Random(seed)
        self.foreign = foreign          # seeds of other families that both servers understand
        self.chance = lambda p: self.random.random() < p
        self.pick = self.random.choice

    # -- words --------------------------------------------------------------------------------------------
    def key(self) -> bytes:
        # The low indexes are drawn more often, so that commands meet each other's keys.
        return self.KEYS[min(int(self.random.expovariate(0.35)), len(self.KEYS) - 1)]

    def keys(self, most: int = 4) -> list[bytes]:
        return [self.key() for _ in range(self.random.randint(1, most))]

    def linear_key(self) -> bytes:
        """A key for commands of linear cost: sometimes the big one."""
        return self.BIG_KEY if self.chance(0.03) else self.key()

    def long_key(self) -> bytes:
        return self.LONG_KEYS[min(int(self.random.expovariate(0.9)), len(self.LONG_KEYS) - 1)]

    def long_value(self) -> bytes:
        """Around the sizes where encodings and buffers change, up to a megabyte."""
        size = self.pick((44, 45, 128, 511, 512, 513, 1_000, 16_384, 32_768, 65_536, 1_000_000))
        return bytes((self.random.randrange(256),)) * max(0, size + self.random.randint(-1, 1))

    def text(self, most: int = 40, alphabet: bytes = b"abc") -> bytes:
        return bytes(self.random.choices(alphabet, k=self.random.randint(0, most)))

    def value(self) -> bytes:
        kind = self.random.random()
        if kind < 0.35:
            return self.text()
        if kind < 0.60:
            return self.integer()
        if kind < 0.75:
            return self.float()
        if kind < 0.85:
            return self.random.randbytes(self.random.randint(0, 50))
        if kind < 0.95:
            return b"v" * self.random.randint(0, 60)
        return self.text(600) if kind < 0.98 else b""

    def integer(self) -> bytes:
        """Small ones, huge ones and nonsense; never one that would make SETRANGE allocate hundreds of megabytes."""
        kind = self.random.random()
        if kind < 0.7:
            return b"%d" % self.random.randint(-20, 120)
        if kind < 0.8:
            return b"%d" % self.pick((2**31, 2**31 - 1, -2**31, 2**32, 2**53 + 1, 2**62))
        return self.pick(self.BORDERS) if kind < 0.92 else self.pick(self.JUNK)

    def index(self) -> bytes:
        return b"%d" % self.random.randint(-70, 70) if self.chance(0.9) else self.integer()

    def float(self) -> bytes:
        if self.chance(0.3):
            return repr(round(self.random.uniform(-1000, 1000), self.random.randint(0, 12))).encode()
        return self.pick(self.FLOATS)

    def database(self) -> bytes:
        return b"%d" % self.random.randint(0, 3) if self.chance(0.9) else self.pick((b"15", b"16", b"-1", b"x", b"99999999999"))

    def word(self, word: bytes) -> bytes:
        """An option in upper, lower or mixed case."""
        return self.pick((word, word, word.lower(), word.title()))

    def some(self, *options, chance: float = 0.3) -> list[bytes]:
        """Each option (a word or a tuple of words) with the given chance, in random order."""
        chosen = [option if isinstance(option, tuple) else (option,) for option in options if self.chance(chance)]
        self.random.shuffle(chosen)
        return [word for option in chosen for word in option]

    # -- deadlines ----------------------------------------------------------------------------------------
    # Relative ones are random in a wide range: two of them never fall on the same millisecond, on which GT and LT
    # would depend. Absolute ones may be equal, as both servers get the very same number.
    def seconds(self) -> bytes:
        return self._deadline(self.random.randrange(10**5, 10**9), (b"9223372036854775", b"9223372036854776",
                                                                     b"-9223372036854775", b"-9223372036854776"))

    def milliseconds(self) -> bytes:
        return self._deadline(self.random.randrange(10**8, 10**12), ())

    def unix_seconds(self) -> bytes:
        return self._deadline(self.pick(self.PAST_S + self.FUTURE_S * 2), (b"9223372036854775", b"9223372036854776"))

    def unix_milliseconds(self) -> bytes:
        return self._deadline(self.pick(self.PAST_S + self.FUTURE_S * 2) * 1000 + self.random.randint(0, 2), ())

    def _deadline(self, usual: int, borders: tuple) -> bytes:
        if self.chance(0.85):
            return b"%d" % usual
        return self.pick(borders + self.BORDERS + (b"0", b"-1", b"-100", b"x", b"", b"1.5", b"+100", b" 1"))

    def expiry(self) -> tuple[bytes, bytes]:
        return self.pick((
            lambda: (self.word(b"EX"), self.seconds()), lambda: (self.word(b"PX"), self.milliseconds()),
            lambda: (self.word(b"EXAT"), self.unix_seconds()), lambda: (self.word(b"PXAT"), self.unix_milliseconds())))()

    # -- damage -------------------------------------------------------------------------------------------
    def damage(self, argv: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Drop, add, repeat, replace or swap words. No number between 1 and 10**5 is put anywhere: it could become
        a deadline that passes while the servers are compared."""
        if b"536870911" in argv:        # SETRANGE's last offset: any word but "" behind it makes half a gigabyte
            return argv
        words = list(argv)
        at = self.random.randrange(1, len(words)) if len(words) > 1 else 0
        kind = self.random.random()
        if kind < 0.3 and len(words) > 1:
            words.pop()
        elif kind < 0.5:
            words.append(self.pick(self.JUNK))
        elif kind < 0.6:
            words.insert(at or 1, words[at])
        elif kind < 0.65:
            words[0] = self.pick((words[0].lower(), words[0].title(), words[0] + b"X", words[0][:-1]))
        elif kind < 0.9 and at:
            words[at] = self.pick(self.JUNK)
        elif at and not any(word.upper() in (b"SETEX", b"PSETEX", b"EX", b"PX") for word in words):
            other = self.random.randrange(1, len(words))
            words[at], words[other] = words[other], words[at]
        return tuple(words)

    # -- sequences ----------------------------------------------------------------------------------------
    def steps(self, families: list[Family], damage: bool = True) -> list[Step]:
        """What one generator of one of the families makes: one step, or several that belong together."""
        if self.foreign and self.chance(0.02):
            return [Step(self.pick(self.foreign)(self))]
        family = self.random.choices(families, [sum(row[0] for row in one.generators) for one in families])[0]
        _, may_damage, function = self.random.choices(family.generators, [row[0] for row in family.generators])[0]
        made = function(self)
        made = made if isinstance(made, list) else [made]
        steps = [one if isinstance(one, Step) else Step(tuple(one)) for one in made]
        if damage and may_damage and len(steps) == 1 and self.chance(family.damage):
            steps = [replace(steps[0], argv=self.damage(steps[0].argv))]
        if len(steps) == 1 and steps[0].connection == 0 and self.chance(0.1):
            steps = [replace(steps[0], connection=1)]
        return steps

    def sequence(self, families: list[Family], length: int) -> list[Step]:
        made: list[Step] = []
        while len(made) < length:
            made += self.steps(families)
        return made
