"""`hutch migrate SOURCE TARGET`: copy the keys of one store into another while both are in use."""
from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Sequence

from redis.exceptions import ResponseError

from ..connecting import without_password
from .diff import Found, diff, shown
from .links import AnyLink, LinkError, database_in, info, opener
from .migration_state import State
from .payloads import COMMANDS, PLAIN, RAW, RESEALED, WAYS, resealed
from .places import Place, PlaceError, open_place
from .progress import Bar
from .rdb_bytes import CannotSay, payload as plain_payload
from .records import READ_AT_ONCE_BYTES, differences, read, text_of
from .selection import Selection
from .writing import commands

DONE, INCOMPLETE = 0, 1
TOLD_MAX = 100                   # of keys that could not be copied
# By version of the target: what it reads of plain forms.
PLAIN_VERSIONS = (((7, 2), 11), ((7, 0), 10), ((0, 0), 9))
REFUSED = ("DUMP payload version or checksum", "Bad data format", "payload version")


@dataclass
class Figures:
    """How many keys were copied; were there already, the same (`present`); are there and different (`conflicts`); ended meanwhile
    (`gone`); could not be copied (`failed`). `bytes` of payloads, `ways` by which the copied ones went."""

    copied: int = 0
    present: int = 0
    conflicts: int = 0
    gone: int = 0
    failed: int = 0
    bytes: int = 0
    libraries: int = 0
    ways: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))
    wrong: int = 0               # what --verify found

    @property
    def is_complete(self) -> bool:
        """Is the target as the source was when each key was read?"""
        return not (self.conflicts or self.failed or self.wrong)


@dataclass
class _Key:
    """A key on its way."""

    name: bytes
    raw: bytes
    deadline: int | None
    payload: bytes = b""
    reason: str = ""


class Migration:
    """Copies from an open place to another. `tell(text)` hears of each key that was not copied, up to TOLD_MAX."""

    def __init__(self, source: Place, target: Place, *, replace: bool = False, selection: Selection | None = None, rate: float = 0,
                 bandwidth: float = 0, tell: Callable[[str], None] = lambda text: None):
        self.source, self.target, self.replace = source, target, replace
        self.selection = selection or Selection()
        self.rate, self.bandwidth, self.tell = rate, bandwidth, tell
        self.figures = Figures()
        self._first_way = RAW            # ways before it were refused for their version: they are not tried again
        self._told = 0
        self._plain_version: int | None = None
        self._started = time.monotonic()
        self._paid = 0.0

    def pairs(self) -> list[tuple[int, int]]:
        """The source's databases, each with the target's number for it. PlaceError when the target has no place for them."""
        mine = self.selection.databases_of(self.source)
        theirs = self.target.database
        if self.target.link(theirs or 0).is_cluster:
            theirs = 0
        if theirs is None:
            return [(db, db) for db in mine]
        if len(mine) > 1:
            raise PlaceError(f"{self.source.name} has keys in databases {', '.join(map(str, mine))}, and {self.target.name} is one: "
                             "choose with --db")
        return [(db, theirs) for db in mine]

    def run(self, state: State, *, functions: bool = True) -> Figures:
        """Copy all that is selected, from where `state` says. LinkError when a store is not reached any more, PlaceError when the target
        takes nothing (OOM, READONLY, NOPERM ...): `state` knows then how far it came."""
        for name, value in state.counts.items():
            if name.startswith("way "):
                self.figures.ways[name[4:]] = value
            elif name in asdict(self.figures):
                setattr(self.figures, name, value)
        pairs = self.pairs()
        try:
            if functions and not (self.selection.match or self.selection.kinds or self.selection.databases):
                self._copy_functions()
            for db, other in pairs:
                if not state.is_done(db):
                    self._copy_database(db, other, state)
        finally:
            state.save()
        return self.figures

    def _copy_database(self, db, other, state):
        source, target = self.source.link(db), self.target.link(other)
        with Bar(f"Database {db}", self.source.keys(db)) as bar:
            cursors: dict[str, int] = {}
            for cursors, keys in self.selection.walk(self.source, db, state.cursors(db)):
                self._copy(source, target, self._of_kinds(source, keys))
                state.note(db, cursors, self._counts())
                bar.advance(len(keys), self._note())
                self._rest()
            state.note(db, cursors, self._counts(), done=True)

    def _counts(self):
        told = {name: value for name, value in asdict(self.figures).items() if isinstance(value, int)}
        return {**told, **{f"way {way}": count for way, count in self.figures.ways.items()}}

    def _note(self):
        bad = self.figures.conflicts + self.figures.failed
        return f"{bad:,} not copied" if bad else ""

    def _rest(self):
        """As fast as is allowed, and no faster."""
        wanted = self._started + self._paid
        left = wanted - time.monotonic()
        if left > 0:
            time.sleep(left)
        elif left < -1:
            self._started = time.monotonic() - self._paid        # what was slow for its own reasons is not caught up

    def _of_kinds(self, source, keys):
        if len(self.selection.kinds) < 2:
            return keys
        kinds = source.run([("TYPE", key) for key in keys], again=True)
        return [key for key, kind in zip(keys, kinds) if text_of(kind) in self.selection.kinds]

    # ---- a piece of keys

    def _copy(self, source: AnyLink, target: AnyLink, keys: Sequence[bytes]) -> None:
        sized = source.can("MEMORY USAGE", "MEMORY", "USAGE", "")
        sizes = source.run([("MEMORY", "USAGE", key) for key in keys], again=True) if sized else [0] * len(keys)
        begin = 0
        while begin < len(keys):
            end, total = begin + 1, sizes[begin] or 0
            while end < len(keys) and total + (sizes[end] or 0) <= READ_AT_ONCE_BYTES:
                total += sizes[end] or 0
                end += 1
            self._copy_some(source, target, keys[begin:end])
            begin = end

    def _copy_some(self, source, target, keys):
        absolute = source.can("PEXPIRETIME", "PEXPIRETIME", "")
        replies = source.run([words for key in keys for words in (("DUMP", key), ("PEXPIRETIME" if absolute else "PTTL", key))], again=True)
        now = int(time.time() * 1000)
        waiting = []
        for key, raw, deadline in zip(keys, replies[::2], replies[1::2]):
            if isinstance(raw, ResponseError) or isinstance(deadline, ResponseError):
                self._failed(key, str(raw if isinstance(raw, ResponseError) else deadline))
            elif raw is None:
                self.figures.gone += 1
            else:
                waiting.append(_Key(key, raw, None if deadline < 0 else deadline if absolute else now + deadline))
        size = sum(len(key.raw) for key in waiting)
        self.figures.bytes += size
        self._paid += max(len(keys) / self.rate if self.rate else 0, size / self.bandwidth if self.bandwidth else 0)
        for way in range(self._first_way, COMMANDS):
            if not waiting:
                return
            ready, waiting = self._said(way, waiting, source)
            waiting += self._restore(target, ready, way, source)
        self._by_commands(source, target, waiting)

    def _said(self, way, keys, source):
        """The keys that can go this way, with their payloads, and those that cannot."""
        if way == RAW:
            said = [key.raw for key in keys]
        elif way == RESEALED:
            said = [resealed(key.raw) for key in keys]
        else:
            assert way == PLAIN
            said = self._in_plain_forms(keys, source)
        ready, others = [], []
        for key, payload in zip(keys, said):
            if payload is None:
                others.append(key)
            else:
                key.payload = payload
                ready.append(key)
        return ready, others

    def _in_plain_forms(self, keys, source):
        if self._plain_version is None:
            told = info(self.target.link(self.target.database or 0).masters()[0][1], "server")
            # Valkey says which Redis it is like in redis_version, too.
            parts = tuple(int(part) for part in told.get("redis_version", "5.0").split(".")[:2] if part.isdigit())
            self._plain_version = next(version for least, version in PLAIN_VERSIONS if parts >= least)
        said = []
        for record in read(source, [key.name for key in keys]):
            try:
                said.append(None if record is None else plain_payload(record, self._plain_version))
            except CannotSay:
                said.append(None)
        return said

    def _restore(self, target, keys, way, source):
        """RESTORE them; returns those that were refused for their payload."""
        replies = target.run([self._restoring(key) for key in keys], again=True)
        refused = []
        busy = []
        for key, reply in zip(keys, replies):
            text = str(reply) if isinstance(reply, Exception) else ""
            if not text:
                self.figures.copied += 1
                self.figures.ways[WAYS[way]] += 1
            elif "BUSYKEY" in text or "Target key name already exists" in text:
                busy.append(key)
            elif any(words in text for words in REFUSED):
                key.reason = text
                refused.append(key)
                if way == RAW and "version" in text:
                    self._first_way = RESEALED
            else:
                self._refuse(key.name, text)
        self._compare(source, target, busy)
        return refused

    def _restoring(self, key):
        words: list[Any] = ["RESTORE", key.name, key.deadline or 0, key.payload]
        if key.deadline is not None:
            words.append("ABSTTL")
        if self.replace:
            words.append("REPLACE")
        return words

    def _refuse(self, key, text):
        raise PlaceError(f"{self.target.name} refuses {shown(key)}: {text}")

    def _compare(self, source, target, keys):
        """What is there already is no conflict where it is the same: a migration that was ended, and goes on, meets its own keys."""
        names = [key.name for key in keys]
        for name, record, twin in zip(names, read(source, names), read(target, names)):
            if record is None:
                self.figures.gone += 1
            elif twin is not None and not differences(record, twin):
                self.figures.present += 1
            else:
                self.figures.conflicts += 1
                self._say(f"{shown(name)} is there, and different: --replace writes over it")

    def _by_commands(self, source, target, keys):
        """What no payload brings over: one key after the other, each in a transaction."""
        for key, record in zip(keys, read(source, [key.name for key in keys])):
            if record is None:
                self.figures.gone += 1
                continue
            try:
                words = commands(record)
                if self.replace:
                    words.insert(0, ("DEL", key.name))
                elif target.call("EXISTS", key.name):
                    self._compare(source, target, [key])
                    continue
                target.transact(key.name, words)
                self.figures.copied += 1
                self.figures.ways[WAYS[COMMANDS]] += 1
            except CannotSay:
                self._failed(key.name, key.reason or f"no way to bring over a {record.kind}")
            except ResponseError as error:
                # EXEC did the commands before the one that was refused: half a key is worse than none.
                target.run([("DEL", key.name)])
                self._failed(key.name, str(error))

    def _failed(self, name, reason):
        self.figures.failed += 1
        self._say(f"{shown(name)} was not copied: {reason}")

    def _say(self, text):
        self._told += 1
        if self._told <= TOLD_MAX:
            self.tell(text)
        elif self._told == TOLD_MAX + 1:
            self.tell("... and more, which are only counted from here on")

    # ---- functions

    def _copy_functions(self):
        libraries = self.source.libraries()
        if not libraries:
            return
        there = dict(self.target.libraries())
        for name, code in libraries:
            if there.get(name) == code:
                continue
            if name in there and not self.replace:
                self.figures.conflicts += 1
                self._say(f"the library of functions {text_of(name)} is there, and different: --replace writes over it")
                continue
            for _, node in self.target.link(self.target.database or 0).masters():
                reply, = node.run([("FUNCTION", "LOAD", "REPLACE", code)])
                if isinstance(reply, Exception):
                    self.figures.failed += 1
                    self._say(f"the library of functions {text_of(name)} was not copied: {reply}")
                    break
            else:
                self.figures.libraries += 1

    def verify(self) -> None:
        """Read every key of the source again, and hold it against the target's."""
        def tell(found: Found) -> None:
            self.figures.wrong += 1
            self._say(f"{shown(found.key)} is {found.what}" + (f": {', '.join(found.fields)}" if found.fields else ""))

        for db, other in self.pairs():
            one = Selection(self.selection.match, self.selection.kinds, [db])
            diff(self.source, self.target, tell, selection=one, to_db=other, extras=False)


def open_target(url: str) -> Place:
    """The place to write into. PlaceError for what is no URL of a store, and when it lets nobody in; LinkError when nobody answers."""
    try:
        if "://" not in url:
            raise PlaceError(f"{url}: a target is the URL of a store: redis://..., or hutch:///path/to/store. hutch convert writes files")
        place = Place(without_password(url), "live", opener(url), database_in(url))
        place.link(place.database or 0).call("PING")
    except ValueError as error:
        raise PlaceError(str(error)) from None
    except ResponseError as error:
        raise PlaceError(f"{without_password(url)}: {error}") from None
    return place


def migrate(source: Place, target: Place, *, replace: bool = False, selection: Selection | None = None, rate: float = 0,
            bandwidth: float = 0, functions: bool = True, verify: bool = False, state: str | None = None,
            tell: Callable[[str], None] = lambda text: None) -> Figures:
    """Copy the keys of `source` into `target`, both of them open; the figures tell what became of them.

    What is there is left as it is, unless `replace`. Keys' deadlines are kept, to the millisecond. At most `rate` keys and `bandwidth` bytes
    of values a second (0: as fast as it goes). With `state`, a file's name, a migration that was ended goes on where it was; the
    file is gone when all keys have been walked. With `verify`, every key is read again on both sides at the end.

    PlaceError when the two are one, or the target takes nothing; LinkError when one of them is not reached any more. O(values)
    """
    selection = selection or Selection()
    identity = source.link(source.database or 0).identity()
    target_link = target.link(target.database or 0)
    if identity and identity == target_link.identity() and (source.database or 0) == (target.database or 0):
        raise PlaceError(f"{source.name} and {target.name} are the same store")
    migration = Migration(source, target, replace=replace, selection=selection, rate=rate, bandwidth=bandwidth, tell=tell)
    job = {"source": source.name, "target": target.name, "replace": replace, "databases": list(selection.databases),
           "match": [one.decode("latin-1") for one in selection.match], "kinds": list(selection.kinds)}
    kept = State(state, job, identity)
    if kept.restarted:
        tell("the source has begun anew since: all of its keys are looked at again")
    figures = migration.run(kept, functions=functions)
    if verify:
        migration.verify()
    kept.forget()                    # the walk is over: what was not copied is not copied by going on
    return figures


def main(options) -> int:
    """The command line's: 0 when all was copied, 1 when some keys were not."""
    with open_place(options.source, skip_unknown=options.skip_unknown) as source, open_target(options.target) as target:
        for note in source.notes:
            print(note, file=sys.stderr)
        try:
            figures = migrate(source, target, replace=options.replace, selection=Selection.of(options), rate=options.rate,
                              bandwidth=options.bandwidth, functions=not options.no_functions, verify=options.verify, state=options.state,
                              tell=lambda text: print(text, file=sys.stderr))
        except (LinkError, KeyboardInterrupt):
            if options.state:
                print(f"the same command goes on from here ({options.state})", file=sys.stderr)
            raise
    libraries = f", {figures.libraries:,} libraries of functions" if figures.libraries else ""
    print(f"{figures.copied:,} keys copied{libraries}, {figures.bytes:,} bytes of values; {figures.present:,} were there already, "
          f"{figures.conflicts:,} are there and different, {figures.failed:,} could not be copied, {figures.gone:,} ended meanwhile")
    if options.verify:
        print("verified: all of them are the same" if not figures.wrong else f"NOT THE SAME: {figures.wrong:,} keys")
    return DONE if figures.is_complete else INCOMPLETE
