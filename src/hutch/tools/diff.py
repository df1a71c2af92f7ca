"""`hutch diff A B`: which keys of two files or stores are missing, more, or different. Two places never have to agree in how they keep a
value, nor in how they would dump it: the values are compared."""
from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, TextIO

from .jsonlines import written
from .places import Place, open_place
from .progress import Bar
from .records import Record, Stream, differences, read
from .selection import BATCH, Selection

SAME, DIFFERENT = 0, 1
TOLD_MAX = 1_000_000             # of keys that differ, whose names' hashes are kept so that none is told twice
VALUE_SHOWN = 60


@dataclass
class Found:
    """A key that is not the same: `what` is "missing" (A has it, B has not), "extra" (B has it), or "different", and then `fields` tells in
    what: type, value, deadline."""

    db: int
    key: bytes
    what: str
    fields: list[str] = field(default_factory=list)
    a: Record | None = None
    b: Record | None = None


@dataclass
class Figures:
    """How many keys were the same, and how many were not."""

    same: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    functions: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """Nothing differs."""
        return not (self.missing or self.extra or self.different or self.functions)


def diff(a: Place, b: Place, tell: Callable[[Found], None], *, selection: Selection | None = None, tolerance_ms: int = 0,
         again: bool = True, to_db: int | None = None, functions: bool = True, extras: bool = True) -> Figures:
    """Compare two open places and tell of every difference. Memory is taken for a few hundred keys at a time, and 8 bytes for each key
    that differs. What a live store's clients change meanwhile may be told as a difference; with `again`, a key that differs in a
    live store is read once more before it is. With `to_db`, A's database is held against that one of B. Without `extras`
    it does not matter what only B has.

    LinkError when a store is not reached (any more).
    """
    selection = selection or Selection()
    figures = Figures()
    told: set[bytes] = set()
    live = again and (a.is_live or b.is_live)

    def once(found: Found) -> bool:
        name = hashlib.blake2b(b"%d " % found.db + found.key, digest_size=8).digest()
        if name in told:
            return False
        if len(told) < TOLD_MAX:
            told.add(name)
        return True

    mine, theirs = selection.databases_of(a), selection.databases_of(b)
    if to_db is None and len(mine) == len(theirs) == 1 and a.database is not None and b.database is not None:
        to_db = theirs[0]                # two URLs that name a database each: these are compared
    if to_db is not None:
        theirs = [db for db in theirs if db == to_db] or [to_db]
    for db in mine if to_db is None else mine[:1]:
        other = db if to_db is None else to_db
        with Bar(f"Database {db} of {a.name}", a.keys(db)) as bar:
            for found in _both_ways(a, b, db, other, selection, tolerance_ms, live, figures, bar):
                if once(found):
                    setattr(figures, found.what, getattr(figures, found.what) + 1)
                    tell(found)
    for other in theirs if extras else ():
        db = other if to_db is None else mine[0] if mine else 0
        with Bar(f"Database {other} of {b.name}", b.keys(other)) as bar:
            for found in _only_in_b(a, b, db, other, selection, live, bar):
                if once(found):
                    figures.extra += 1
                    tell(found)
    if functions and not (selection.match or selection.kinds or selection.databases):
        ours, others = dict(a.libraries()), dict(b.libraries())
        figures.functions = sorted(name.decode("utf-8", "replace") for name in ours.keys() | others.keys()
                                   if ours.get(name) != others.get(name))
    return figures


def _both_ways(a, b, db, other, selection, tolerance_ms, live, figures, bar):
    """The keys of A, each held against B's."""
    for records in selection.records(a, db):
        bar.advance(len(records))
        for record, twin in zip(records, read(b.link(other), [record.key for record in records])):
            found = _compared(db, record.key, record, twin, tolerance_ms)
            if found is not None and live:
                record, = read(a.link(db), [record.key])
                twin, = read(b.link(other), [found.key])
                found = _compared(db, found.key, record, twin, tolerance_ms)
            if found is None:
                figures.same += 1
            elif found.what != "extra":          # that one is the other way's to tell
                yield found


def _compared(db, key, record, twin, tolerance_ms):
    if record is None:
        return None if twin is None else Found(db, key, "extra", [], None, twin)
    if twin is None:
        return Found(db, key, "missing", [], record, None)
    fields = differences(record, twin, tolerance_ms)
    return Found(db, key, "different", fields, record, twin) if fields else None


def _only_in_b(a, b, db, other, selection, live, bar) -> Iterator[Found]:
    for _, keys in selection.walk(b, other, count=BATCH):
        bar.advance(len(keys))
        there = a.link(db).run([("EXISTS", key) for key in keys], again=True)
        for key, found in zip(keys, there):
            if isinstance(found, Exception):
                raise found
            if not found:
                record, = read(b.link(other), [key])
                if record is None or not selection.takes(record):
                    continue
                if live and read(a.link(db), [key])[0] is not None:
                    continue
                yield Found(db, key, "extra", [], None, record)


# ---- what is printed

def shown(value: Any, limit: int = VALUE_SHOWN) -> str:
    """A value for people's eyes, its end left out where it is long."""
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def _described(found: Found, out: TextIO) -> None:
    mark = {"missing": "-", "extra": "+", "different": "!"}[found.what]
    record = found.a or found.b
    print(f"{mark} {found.db}:{shown(found.key)[1:]} ({record.kind if record else '?'}) {found.what}", file=out)
    if found.a is None or found.b is None:
        return
    for field_ in found.fields:
        a, b = {"type": (found.a.kind, found.b.kind), "deadline": (found.a.deadline, found.b.deadline)}.get(
            field_, (found.a.value, found.b.value))
        if field_ == "value":
            a, b = _where_they_part(a, b)
        print(f"    {field_}: {shown(a)} | {shown(b)}", file=out)


def _where_they_part(a, b):
    """What to show of two values: of collections, what only one of them has."""
    if isinstance(a, Stream) and isinstance(b, Stream):
        a, b = vars(a), vars(b)
    if isinstance(a, dict) and isinstance(b, dict):
        names = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
        return {name: a[name] for name in names if name in a}, {name: b[name] for name in names if name in b}
    if isinstance(a, list) and isinstance(b, list):
        at = next((at for at, (one, other) in enumerate(zip(a, b)) if one != other), min(len(a), len(b)))
        return a[at:at + 3], b[at:at + 3]
    return a, b


def as_json(found: Found) -> str:
    """A difference as a line of JSON."""
    told: dict[str, Any] = {"db": found.db, "key": written(found.key), "what": found.what}
    if found.fields:
        told["fields"] = found.fields
    for name, record in (("a", found.a), ("b", found.b)):
        if record is not None:
            told[name] = {"type": record.kind, "deadline": record.deadline}
    return json.dumps(told, ensure_ascii=False)


def main(options, out: TextIO | None = None) -> int:
    """The command line's: 0 when nothing differs, 1 when something does."""
    out = out or sys.stdout
    with open_place(options.a, skip_unknown=options.skip_unknown) as a, open_place(options.b, skip_unknown=options.skip_unknown) as b:
        for note in (*a.notes, *b.notes):
            print(note, file=sys.stderr)
        tell = (lambda found: print(as_json(found), file=out)) if options.json else (lambda found: _described(found, out))
        figures = diff(a, b, tell, selection=Selection.of(options), tolerance_ms=options.tolerance, functions=not options.no_functions)
    if options.json:
        print(json.dumps({"same": figures.same, "missing": figures.missing, "extra": figures.extra, "different": figures.different,
                          "functions": figures.functions}), file=out)
    else:
        for name in figures.functions:
            print(f"! library of functions {name}", file=out)
        print(f"{figures.same:,} keys are the same, {figures.different:,} differ, {figures.missing:,} are missing in {b.name}, "
              f"{figures.extra:,} are missing in {a.name}", file=out)
    return SAME if figures.is_same else DIFFERENT
