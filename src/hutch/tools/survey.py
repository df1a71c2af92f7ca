"""The figures of `hutch inspect`: gathered key by key, in memory that does not grow with the number of keys."""
from __future__ import annotations

import functools
import heapq
import itertools
import re
from dataclasses import dataclass, field
from typing import Any

DAY_S = 86_400
# Deadlines by how far they lie ahead: seconds up to which one is counted here, and how that is called.
SPANS = ((0, "past"), (60, "under a minute"), (3600, "under an hour"), (DAY_S, "under a day"), (7 * DAY_S, "under a week"),
         (30 * DAY_S, "under 30 days"), (365 * DAY_S, "under a year"), (float("inf"), "a year and more"))
NONE = "none"
CHILDREN_MAX = 200               # of a prefix; what comes later is counted together ...
ENDS_MAX = 50                    # of last parts below one prefix: more than that are names of things, not kinds of them
NODES_MAX = 50_000               # ... and so is everything once there are so many prefixes
OTHERS = "(others)"
NAME_BYTES_MAX = 200             # of a key that is told

_NUMBER = re.compile(rb"\d+\Z")
_UUID = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_HEX = re.compile(rb"(?=[a-fA-F]*\d)[0-9a-fA-F]{16,}\Z")


@dataclass
class Sums:
    """Of keys: how many, of how many elements (a string's bytes), what memory they take, how large they are in a file (None: not
    looked at)."""

    keys: int = 0
    elements: int = 0
    memory: int = 0
    serialized: int | None = None

    def add(self, elements: int, memory: int, serialized: int | None) -> None:
        """One more key."""
        self.keys += 1
        self.elements += elements
        self.memory += memory
        if serialized is not None:
            self.serialized = (self.serialized or 0) + serialized

    def told(self) -> dict[str, int]:
        """For JSON."""
        found = {"keys": self.keys, "elements": self.elements, "memory": self.memory}
        return found if self.serialized is None else {**found, "serialized": self.serialized}


@dataclass
class Prefix:
    """A node of the tree of prefixes: all keys below it. `ends` are the last parts of names that end here, None where there are too many
    different ones for them to be kinds of keys."""

    sums: Sums = field(default_factory=Sums)
    below: dict[str, "Prefix"] = field(default_factory=dict)
    ends: dict[str, Sums] | None = field(default_factory=dict)


@dataclass(order=True)
class Big:
    """One of the biggest keys, in the order of their memory."""

    memory: int
    order: int                       # of two that are as big, the one that came first
    db: int = field(compare=False)
    key: bytes = field(compare=False)
    kind: str = field(compare=False)
    encoding: str = field(compare=False)
    elements: int = field(compare=False)
    serialized: int | None = field(compare=False)
    deadline: int | None = field(compare=False)


def readable(data: bytes) -> str:
    """Bytes as text that can be shown: what is no text, and controls, as escapes.

    >>> readable(b"caf\\xc3\\xa9\\n\\xff")
    'café\\\\n\\\\xff'
    """
    text = data.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


@functools.lru_cache(maxsize=16_384)
def part_of(name: bytes) -> str:
    """A part of a key's name as the tree of prefixes has it: what tells one thing from another of its kind is not shown.

    >>> part_of(b"user"), part_of(b"1234"), part_of(b"0f3a9c0de1b2a3c4d5")
    ('user', '<number>', '<hex>')
    """
    if _NUMBER.match(name):
        return "<number>"
    if _UUID.match(name):
        return "<uuid>"
    if _HEX.match(name):
        return "<hex>"
    return readable(name[:NAME_BYTES_MAX])


class Survey:
    """Takes keys and sums them up. `separators` are the characters between the parts of a key's name, `now_ms` the moment from which
    deadlines are counted."""

    def __init__(self, *, now_ms: int, top: int = 20, separators: str = ":", depth: int = 4):
        self.now_ms, self.top, self.depth = now_ms, top, depth
        self.split = re.compile(b"[" + re.escape(separators.encode()) + b"]") if separators else None
        self.separator = separators[:1]
        self.total = Sums()
        self.types: dict[tuple[str, str], Sums] = {}
        self.databases: dict[int, Sums] = {}
        self.deadlines = {name: Sums() for name in (NONE, *(name for _, name in SPANS))}
        self.prefixes = Prefix()
        self.biggest: list[Big] = []
        self.longest: dict[str, list[tuple]] = {}
        self._order = itertools.count(0, -1)
        self._nodes = 0

    def add(self, db: int, key: bytes, kind: str, encoding: str, elements: int, memory: int, serialized: int | None,
            deadline: int | None) -> None:
        """One more key. O(log top) and the length of its name."""
        sums = (elements, memory, serialized)
        self.total.add(*sums)
        self.types.setdefault((kind, encoding), Sums()).add(*sums)
        self.databases.setdefault(db, Sums()).add(*sums)
        self.deadlines[self._span(deadline)].add(*sums)
        self._add_prefixes(key, sums)
        if self.top <= 0:
            return
        order = next(self._order)
        if len(self.biggest) < self.top or memory > self.biggest[0].memory:
            big = Big(memory, order, db, key, kind, encoding, elements, serialized, deadline)
            (heapq.heappush if len(self.biggest) < self.top else heapq.heapreplace)(self.biggest, big)
        row = self.longest.setdefault(kind, [])
        if len(row) < self.top or elements > row[0][0]:
            (heapq.heappush if len(row) < self.top else heapq.heapreplace)(row, (elements, order, db, key, encoding, memory))

    def _span(self, deadline):
        if deadline is None:
            return NONE
        left = (deadline - self.now_ms) / 1000
        return next(name for seconds, name in SPANS if left < seconds or seconds == float("inf"))

    def _add_prefixes(self, key, sums):
        node = self.prefixes
        node.sums.add(*sums)
        if self.split is None:
            return
        *parts, last = self.split.split(key, self.depth + 1)
        for part in parts[:self.depth]:
            name = part_of(part)
            below = node.below.get(name)
            if below is None:
                if len(node.below) >= CHILDREN_MAX or self._nodes >= NODES_MAX:
                    below = node.below.setdefault(OTHERS, Prefix())
                else:
                    self._nodes += 1
                    below = node.below[name] = Prefix()
            node = below
            node.sums.add(*sums)
        if node.ends is not None:
            name = part_of(last) if len(parts) <= self.depth else OTHERS
            ends = node.ends.get(name)
            if ends is None:
                if len(node.ends) >= ENDS_MAX:
                    node.ends = None
                    return
                ends = node.ends[name] = Sums()
            ends.add(*sums)

    # ---- what came out

    def tree(self, share: float = 0.005) -> list[dict[str, Any]]:
        """The prefixes by what memory they take; those with less than `share` of all are told together. A prefix that has nothing but
        another one is told with that."""
        return self._tree(self.prefixes, "", share * self.total.memory)

    def _tree(self, node, name, least):
        found, small = [], Sums()
        nodes = [(below.sums, part, below) for part, below in node.below.items()]
        nodes += [(sums, part, None) for part, sums in (node.ends or {}).items()]
        for sums, part, below in sorted(nodes, key=lambda item: (-item[0].memory, item[1], item[2] is None)):
            if sums.memory < least or part == OTHERS:
                _merge(small, sums)
                continue
            path = name + part
            if below is not None:
                path += self.separator
            while below is not None and (only := _only_child(below)) is not None:
                path += only[0] + (self.separator if only[1] is not None else "")
                below = only[1]
            found.append({"prefix": path, **sums.told(), "below": [] if below is None else self._tree(below, path, least)})
        # Names of too many different things are not told one by one.
        if small.keys and (found or node is self.prefixes):
            found.append({"prefix": name + OTHERS, **small.told(), "below": []})
        return found

    def told(self) -> dict[str, Any]:
        """All figures, for JSON. Sizes are bytes, deadlines Unix times in milliseconds."""
        return {
            **self.total.told(),
            "databases": {str(db): sums.told() for db, sums in sorted(self.databases.items())},
            "types": [{"type": kind, "encoding": encoding, **sums.told()}
                      for (kind, encoding), sums in sorted(self.types.items(), key=lambda item: -item[1].memory)],
            "deadlines": {name: sums.told() for name, sums in self.deadlines.items()},
            "biggest": [{"db": one.db, "key": readable(one.key), "type": one.kind, "encoding": one.encoding, "elements": one.elements,
                         "memory": one.memory, **({} if one.serialized is None else {"serialized": one.serialized}),
                         **({} if one.deadline is None else {"deadline": one.deadline})}
                        for one in sorted(self.biggest, reverse=True)],
            "longest": {kind: [{"db": db, "key": readable(key), "encoding": encoding, "elements": elements, "memory": memory}
                               for elements, _, db, key, encoding, memory in sorted(row, reverse=True)]
                        for kind, row in sorted(self.longest.items())},
            "prefixes": self.tree(),
        }


def _only_child(node):
    """(part, node or None) of the one thing that is below a prefix; None when there are others, or things without a name."""
    if node.ends is None or len(node.below) + len(node.ends) != 1:
        return None
    part, below = next(iter(node.below.items()), (None, None))
    if part is None:
        part = next(iter(node.ends))
    return None if part == OTHERS else (part, below)


def _merge(into, sums):
    into.keys += sums.keys
    into.elements += sums.elements
    into.memory += sums.memory
    if sums.serialized is not None:
        into.serialized = (into.serialized or 0) + sums.serialized
