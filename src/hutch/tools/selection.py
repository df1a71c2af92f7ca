"""Which keys a tool works on: by pattern, by type, by database."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Sequence

from .links import scan
from .places import Place
from .records import JSON_TYPE, Record, read

BATCH = 500
NAMES = {"json": JSON_TYPE, "rejson-rl": JSON_TYPE}


@dataclass
class Selection:
    """`match` are patterns as KEYS has them, of which one is to fit; `kinds` names of types; `databases` numbers. Empty: all."""

    match: Sequence[bytes] = ()
    kinds: Sequence[str] = ()
    databases: Sequence[int] = ()

    @staticmethod
    def of(options) -> "Selection":
        """What the command line says."""
        return Selection([one.encode("utf-8", "surrogateescape") for one in options.match or ()],
                         [NAMES.get(one.lower(), one.lower()) for one in options.type or ()], options.db or ())

    def databases_of(self, place: Place) -> list[int]:
        """The numbers of those that the place has, or its URL names, and that are to be looked at."""
        there = place.databases()
        return [number for number in there if not self.databases or number in self.databases]

    def walk(self, place: Place, db: int, begin: dict[str, int] | None = None,
             count: int = BATCH) -> Iterator[tuple[dict[str, int], list[bytes]]]:
        """The keys by pieces, with where to go on: see links.scan. A key may come twice in different pieces, not in one."""
        only = self.kinds[0] if len(self.kinds) == 1 else None
        for at, pattern in enumerate(self.match or [None]):
            done = {name[len(f"{at}/"):]: cursor for name, cursor in (begin or {}).items() if name.startswith(f"{at}/")}
            earlier = {f"{other}/": -1 for other in range(at)}
            for cursors, keys in scan(place.link(db), match=pattern, kind=only, count=count, begin=done):
                yield {**earlier, **{f"{at}/{name}": cursor for name, cursor in cursors.items()}}, list(dict.fromkeys(keys))

    def takes(self, record: Record) -> bool:
        """Is the record of a type that is to be looked at?"""
        return not self.kinds or record.kind in self.kinds

    def records(self, place: Place, db: int) -> Iterator[list[Record]]:
        """The keys with their values, by pieces; of a file each key comes once, of a live store perhaps twice."""
        seen: set[bytes] = set()
        for _, keys in self.walk(place, db):
            if not place.is_live and len(self.match) > 1:
                # Two patterns may fit one key. What was read from a file does not move between two steps of SCAN.
                keys = [key for key in keys if key not in seen]
                seen.update(keys)
            yield [record for record in read(place.link(db), keys) if record is not None and self.takes(record)]
