"""What a SOURCE is, and how it is opened without changing anything in it.

    a URL                                    a live store: read over a connection, by SCAN
    a directory of a store that is open      its owner's socket, the same
    an RDB file, a log (its manifest, its directory, or a single file), JSON lines
                                             read into an engine of its own, whose clock stands still at the beginning of time: so nothing
                                             expires, and what is past its deadline is there, too
"""
from __future__ import annotations

import gzip
import itertools
import os
import socket
import sys
import zlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Callable, Iterator

from ..directory import LOCK_NAME, SOCKET_NAME, StoreDirectory
from ..store import Store
from . import jsonlines, logs
from .links import AnyLink, Link, LinkError, database_in, info, is_unknown, link_to_store, opener
from .progress import Bar
from .writing import put

DATABASES = 100_000              # more than anybody has: a file is not to be refused for them
BEGINNING_MS = 1
REPLAYED_AT_ONCE = 1000
LINES_AT_ONCE = 200
PUT_AT_ONCE_BYTES = 4 << 20
TODAYS = frozenset({b"XCLAIM", b"XGROUP"})
GZIP_MAGIC = b"\x1f\x8b"
ERRORS_TOLD = 20


class PlaceError(Exception):
    """A source that is none, or cannot be read; its text is for people."""


@dataclass
class Place:
    """A source that is open. `link(db)` gives the one connection to that database; `notes` are lines on what was met while it was
    read; `libraries` are (name, code)."""

    name: str
    kind: str                    # "live", "rdb", "aof" or "jsonl"
    open_link: Callable[[int], AnyLink]
    database: int | None = None  # the one that a URL names
    store: Store | None = None
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    links: dict[int, AnyLink] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """May others change it meanwhile?"""
        return self.kind == "live"

    def link(self, db: int = 0) -> AnyLink:
        """A connection to that database; it ends with the place. LinkError when it cannot be reached."""
        found = self.links.get(db)
        if found is None:
            self.links[db] = found = self.open_link(db)
        return found

    def databases(self) -> list[int]:
        """The numbers of the databases to look at: the one of the URL, or all that hold keys."""
        return [self.database] if self.database is not None else self.link(0).databases()

    def libraries(self) -> list[tuple[bytes, bytes]]:
        """The libraries of functions, (name, code). Nothing where the place has none, or does not tell."""
        node = self.link(0).masters()[0][1]
        reply, = node.run([("FUNCTION", "LIST", "WITHCODE")], again=True)
        if isinstance(reply, Exception):
            if not is_unknown(reply):
                raise LinkError(f"{self.name}: {reply}")
            return []
        found = [dict(zip(one[::2], one[1::2])) for one in reply]
        return [(one[b"library_name"], one[b"library_code"]) for one in found]

    def keys(self, db: int) -> int:
        """How many keys the database has: about, for a cluster."""
        return sum(node.call("DBSIZE") for _, node in self.link(db).masters())

    def close(self) -> None:
        """End the connections, and what was read. May be called again."""
        for link in self.links.values():
            link.close()
        self.links.clear()
        if self.store is not None:
            self.store.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def open_place(source: str, *, no_touch: bool = True, skip_unknown: bool = False) -> Place:
    """Open a source. With `skip_unknown`, keys of types that Hutch does not have are left out of files, and told of in `notes`.

    PlaceError, with a text for people, when it is none, or cannot be read; links.LinkError when nobody answers at a URL.
    """
    if "://" in source:
        directory = _directory_in(source)
        if directory is not None:
            place = open_place(directory, no_touch=no_touch, skip_unknown=skip_unknown)
            place.name, place.database = source, database_in(source)
            return place
        try:
            place = Place(source, "live", opener(source, no_touch=no_touch), database_in(source))
            from ..connecting import without_password
            place.name = without_password(source)
            place.link(place.database or 0).call("PING")
        except ValueError as error:
            raise PlaceError(str(error)) from None
        except LinkError:
            raise
        except Exception as error:       # redis-py's: NOAUTH, wrong passwords; a directory that cannot be opened
            raise PlaceError(f"{source}: {error}") from None
        return place
    try:
        if source == "-":
            return _from_lines(source, sys.stdin.buffer)
        if os.path.isdir(source):
            return _open_directory(source, no_touch, skip_unknown)
        return _open_file(source, skip_unknown)
    except logs.LogError as error:
        raise PlaceError(str(error)) from None
    except OSError as error:
        raise PlaceError(f"{error.filename or source}: {error.strerror or error}") from None


def _directory_in(url):
    """The directory that a hutch:// URL names, or None. As a source it is looked at, and not opened, which would load and mend it."""
    if not url.lower().startswith("hutch://"):
        return None
    from ..store import is_path
    from ..url import parse_url
    try:
        name = parse_url("hutch" + url[5:]).get("name")
    except ValueError as error:
        raise PlaceError(str(error)) from None
    if not is_path(name):
        return None
    if not os.path.isdir(name):
        raise PlaceError(f"{url}: there is no directory {name}")
    return name


def _open_directory(source, no_touch, skip_unknown):
    if os.path.exists(os.path.join(source, LOCK_NAME)):
        directory = StoreDirectory(source, make=False)
        address = directory.address()
        if _answers(address):
            from redis.connection import ConnectionPool, UnixDomainSocketConnection

            def open_link(db, keep=directory):           # with it goes what the address stands on
                return Link(ConnectionPool(connection_class=UnixDomainSocketConnection, path=address, db=db, protocol=2), source,
                            no_touch=no_touch)
            return Place(source, "live", open_link)
    manifest = logs.manifest_in(source)
    if manifest is not None:
        return _from_log(source, manifest, skip_unknown)
    dump = os.path.join(source, "dump.rdb")
    if os.path.exists(dump):
        return _from_rdb(dump, skip_unknown)
    raise PlaceError(f"{source}: this directory has neither {SOCKET_NAME} to ask, nor a manifest of a log, nor a dump.rdb")


def _answers(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(5)
        try:
            asking.connect(address)
        except OSError:
            return False
        return True


def _open_file(source, skip_unknown):
    if source.endswith(".manifest"):
        return _from_log(source, source, skip_unknown)
    with open(source, "rb") as file:
        head = file.read(16)
    if logs.begins_as_rdb(head) or not head and source.endswith(".rdb"):
        return _from_rdb(source, skip_unknown)
    if head[:1] in (b"*", b"#") or not head and source.endswith(".aof"):
        place = _place_of_own(source, "aof", skip_unknown)
        _replaying(place, source, 0, True)
        return place
    if head[:2] == GZIP_MAGIC:
        with gzip.open(source) as file:
            return _from_lines(source, file)             # type: ignore[arg-type]
    if head.lstrip()[:1] == b"{" or not head:
        with open(source, "rb") as file:
            return _from_lines(source, file)
    raise PlaceError(f"{source}: neither an RDB file nor a log nor JSON lines")


def _place_of_own(source, kind, skip_unknown=False):
    store = Store(databases=DATABASES, rdb_skip_unknown_types=skip_unknown)
    store.engine.keep_due()
    store.engine.set_clock_ms(BEGINNING_MS)
    return Place(source, kind, lambda db: link_to_store(store, db), store=store)


def _load(place, path):
    try:
        with Bar("Reading") as progress:
            found = place.store.engine.load(path, progress=progress)
    except ValueError as error:
        place.close()
        raise PlaceError(f"{path}: {error}") from None
    if found is None:
        raise PlaceError(f"{path}: there is no such file")
    if found["skipped"]:
        place.notes.append(f"{found['skipped']:,} keys of types that Hutch does not have were left out of {path} (hutch check tells)")
    return found["bytes"]


def _from_rdb(source, skip_unknown):
    place = _place_of_own(source, "rdb", skip_unknown)
    with open(source, "rb") as file:
        head = file.read(9)
        end = _load(place, source)
        digits = head[6:9] if head.startswith(b"VALKEY") else head[5:9]
        place.details["rdb_version"] = int(digits)
        file.seek(end)
        more = file.read(1)
    if more == b"*" or more and source.endswith(".aof"):
        place.kind = "aof"
        _replaying(place, source, end, True)
    elif more:
        place.notes.append(f"more bytes follow the end of {source}: they are ignored")
    return place


def _from_log(source, manifest, skip_unknown):
    files = logs.files_in_order(logs.read_manifest(manifest))
    place = _place_of_own(source, "aof", skip_unknown)
    directory = os.path.dirname(manifest) or "."
    for at, one in enumerate(files):
        path = os.path.join(directory, one.name)
        begin = 0
        with open(path, "rb") as file:
            if logs.begins_as_rdb(file.read(6)):
                begin = _load(place, path)
        _replaying(place, path, begin, at == len(files) - 1)
    return place


def _replaying(place, path, begin, is_last):
    """Run what a file says. What does not end well ends the reading, if it is the log's last file; another one must be whole."""
    link = place.link(0)
    refused: list[str] = []
    with Bar("Replaying") as progress, open(path, "rb", buffering=1 << 20) as file:
        scan = logs.Scan(os.fstat(file.fileno()).st_size, begin, begin)
        file.seek(begin)
        waiting: list[list[bytes]] = []
        unit: list[list[bytes]] = []
        for words in logs.commands(file, scan):
            # A transaction without its end is not done.
            unit.append(words)
            if scan.good == scan.at:
                waiting += unit
                unit = []
            if len(waiting) >= REPLAYED_AT_ONCE:
                _run(place, waiting, refused)
                waiting = []
                progress(scan.at, scan.size)
        _run(place, waiting, refused)
    link.run([("SELECT", 0)])
    if scan.tear is not None:
        if not is_last:
            place.close()
            raise PlaceError(f"{path}: {scan.tear.reason}, at byte {scan.tear.position:,}")
        place.notes.append(f"{path}: {scan.tear.reason}, at byte {scan.tear.position:,}; read up to byte {scan.good:,} of {scan.size:,}")
    place.notes += [f"{path}: refused: {text}" for text in refused[:ERRORS_TOLD]]
    if len(refused) > ERRORS_TOLD:
        place.notes.append(f"{path}: {len(refused) - ERRORS_TOLD:,} more were refused")


def _run(place, waiting, refused):
    """Times of deliveries are held against the clock, so what says them runs today. What expires by its own command would be gone then."""
    for todays, words in itertools.groupby(_units(waiting), key=lambda unit: any(words[0].upper() in TODAYS for words in unit)):
        if todays:
            place.store.engine.release_clock()
        _run_at_once(place.link(0), [one for unit in words for one in unit], refused)
        if todays:
            place.store.engine.set_clock_ms(BEGINNING_MS)


def _units(waiting):
    unit = []
    for words in waiting:
        unit.append(words)
        if unit[0][0].upper() != b"MULTI" or words[0].upper() in (b"EXEC", b"DISCARD"):
            yield unit
            unit = []


def _run_at_once(link, commands, refused):
    for words, reply in zip(commands, link.run(commands)):
        if isinstance(reply, Exception):
            refused.append(f"{words[0].decode('ascii', 'replace')}: {reply}")
        elif isinstance(reply, list) and words[0].upper() == b"EXEC":
            refused += [f"in a transaction: {one}" for one in reply if isinstance(one, Exception)]


def read_lines(file: BinaryIO | Any, name: str) -> Iterator[Any]:
    """What the lines of a file tell, as jsonlines.parse has it; blank ones are passed over. PlaceError for one that is wrong."""
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield jsonlines.parse(line)
            except jsonlines.LineError as error:
                raise PlaceError(f"{name}: line {number}: {error}") from None


def _from_lines(source, file):
    from redis.exceptions import ResponseError
    place = _place_of_own(source, "jsonl")
    try:
        by_database: dict[int, list] = {}
        gathered = 0
        for told in read_lines(file, source):
            if isinstance(told[0], bytes):
                place.link(0).call("FUNCTION", "LOAD", told[1])
                continue
            db, record = told
            if db >= DATABASES:
                raise PlaceError(f"{source}: there is no database {db}")
            by_database.setdefault(db, []).append(record)
            gathered += 1
            if gathered >= LINES_AT_ONCE:
                _put_all(place, by_database)
                gathered = 0
        _put_all(place, by_database)
    except (ResponseError, EOFError, zlib.error) as error:     # the latter two: of a damaged gzip file
        place.close()
        raise PlaceError(f"{source}: {error}") from None
    except BaseException:
        place.close()
        raise
    return place


def _put_all(place, by_database):
    for db, records in by_database.items():
        link = place.link(db)
        there = link.run([("EXISTS", record.key) for record in records])
        seen: set[bytes] = set()
        for record, found in zip(records, there):
            if found or record.key in seen:
                raise PlaceError(f"{place.name}: the key {record.key!r} stands twice in database {db}")
            seen.add(record.key)
        put(link, records)
    by_database.clear()


__all__ = ["DATABASES", "Place", "PlaceError", "info", "open_place", "read_lines"]
