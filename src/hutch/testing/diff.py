"""The same random commands on two servers; the first difference is made small and shown as lines for redis-cli.

    python -m hutch.testing diff redis://127.0.0.1:6379/9 --commands 20000 --families strings,lists

All keys begin with "hutch:diff:", and are removed before and afterwards. Nothing else is touched.
"""
from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from .comparing import same
from .grammar import FAMILIES, KEYS, TERMINALS, Command, random_command
from .wire import connect

__all__ = ["Difference", "compare", "main", "shrink"]

PREFIX = b"hutch:diff:"
SEQUENCE = 60                    # commands from one empty start to the next
SHRINK_SECONDS = 20.0
SHOWN = 400                      # characters of a reply
KEYS_USED = tuple(PREFIX + word for name in KEYS for word in TERMINALS[name].words)


def shown(reply: Any) -> str:
    """A reply as Python writes it, cut where it is long."""
    text = repr(reply)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


@dataclass(frozen=True)
class Difference:
    """A sequence of commands whose last one is answered differently, and by what."""
    commands: tuple[Command, ...]
    one: Any
    two: Any

    def __str__(self) -> str:
        """As lines for redis-cli, and the two replies to the last of them."""
        lines = [f"DEL {b' '.join(KEYS_USED).decode()}", *map(str, self.commands)]
        return "\n".join(lines) + f"\n# the one: {shown(self.one)}\n# the other: {shown(self.two)}"


class Pair:
    """Two connections, on which the same commands are run from an empty start."""

    def __init__(self, one: Any, two: Any):
        self.one, self.two = one, two
        self._clean = (b"DEL", *KEYS_USED)

    def clean(self) -> None:
        """Remove the keys."""
        self.one.run(self._clean)
        self.two.run(self._clean)

    def first_difference(self, commands: Sequence[Command]) -> Difference | None:
        """Run these from an empty start, up to the first that is answered differently. O(commands)"""
        self.clean()
        for number, command in enumerate(commands, 1):
            one, two = self.one.run(command.words), self.two.run(command.words)
            if not same(one, two, command.compare):
                return Difference(tuple(commands[:number]), one, two)
        return None


def simpler_words(command: Command) -> list[Command]:
    """The command with something left out, or with a simpler word in a place."""
    found = []
    words = command.words
    for at in range(len(words) - 1, 0, -1):
        found += [Command(words[:at] + words[at + size:], command.compare) for size in (2, 1) if at + size <= len(words)]
    for at in range(1, len(words)):
        for simple in (PREFIX + TERMINALS["key"].words[0],) if words[at].startswith(PREFIX) else (b"0", b"1", b"a"):
            if len(simple) <= len(words[at]) and simple != words[at] and (words[at], simple) not in ((b"0", b"1"), (b"0", b"a"), (b"1", b"a")):
                found.append(Command((*words[:at], simple, *words[at + 1:]), command.compare))
    return found


def shrink(found: Difference, again: Callable[[Sequence[Command]], Difference | None], seconds: float = SHRINK_SECONDS) -> Difference:
    """A smaller sequence that still differs: commands are left out, then words, until nothing more can be, or the time is over.
    `again(commands)` runs a sequence from an empty start."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = found
        found = _fewer_commands(found, again, end)
        for at in range(len(found.commands)):
            found = _fewer_words(found, at, again, end)
        if found == before:
            break
    return found


def _fewer_commands(found, again, end):
    piece = max(len(found.commands) // 2, 1)
    while piece:
        at = 0
        while at < len(found.commands) and time.monotonic() < end:
            smaller = again(found.commands[:at] + found.commands[at + piece:])
            if smaller is None:
                at += piece
            else:
                found = smaller
        piece //= 2
    return found


def _fewer_words(found, at, again, end):
    """The command at a place made simpler, for as long as that makes the difference stay."""
    while at < len(found.commands):
        for simpler in simpler_words(found.commands[at]):
            smaller = again((*found.commands[:at], simpler, *found.commands[at + 1:])) if time.monotonic() < end else None
            if smaller is not None:
                found = smaller
                break
        else:
            break
    return found


def compare(one: Any, two: Any, *, commands: int = 10_000, seed: int = 0, families: Sequence[str] = (),
            shrink_seconds: float = SHRINK_SECONDS) -> tuple[int, Difference | None]:
    """Run random commands on two servers (what wire.connect takes) and return how many were compared, and the first difference,
    shrunk, or None. The same seed gives the same commands. KeyError for an unknown family, OSError where a server does not
    answer. O(commands)"""
    with connect(one) as first, connect(two) as second:
        pair = Pair(first, second)
        rng = random.Random(seed)
        done = 0
        try:
            while done < commands:
                sequence = [random_command(rng, families, PREFIX.__add__) for _ in range(min(SEQUENCE, commands - done))]
                found = pair.first_difference(sequence)
                if found is not None:
                    return done + len(found.commands), shrink(found, pair.first_difference, shrink_seconds)
                done += len(sequence)
            return done, None
        finally:
            pair.clean()


def main(words: Sequence[str] | None = None) -> int:
    """The program: 0 where the servers agree, 1 where they do not, 2 for a wrong call or a server that does not answer."""
    parser = argparse.ArgumentParser(prog="python -m hutch.testing diff", description=__doc__.partition("\n")[0],
                                     epilog=f"All keys begin with {PREFIX.decode()}; nothing else is touched.")
    parser.add_argument("url", help="redis://, rediss://, valkey://, unix://, hutch:// or model://")
    parser.add_argument("--against", default="hutch://", metavar="URL", help="the other one (a new store of this process)")
    parser.add_argument("--commands", type=int, default=10_000, help="how many are compared (10000)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run")
    parser.add_argument("--families", default="", help=f"some of {','.join(FAMILIES)} (all but json)")
    given = parser.parse_args(words)
    families = tuple(filter(None, given.families.split(","))) or tuple(name for name in FAMILIES if name != "json")
    unknown = [name for name in families if name not in FAMILIES]
    if unknown:
        parser.error(f"no such family: {', '.join(unknown)}")
    seed = random.SystemRandom().randrange(2**31) if given.seed is None else given.seed
    try:
        done, found = compare(given.url, given.against, commands=given.commands, seed=seed, families=families)
    except (OSError, ValueError) as error:
        print(f"hutch.testing diff: {error}", file=sys.stderr)
        return 2
    if found is None:
        print(f"{done} commands, seed {seed}: no difference")
        return 0
    print(f"{given.url} and {given.against} differ (seed {seed}, after {done} commands):\n\n{found}")
    return 1
