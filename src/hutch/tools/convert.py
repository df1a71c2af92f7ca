"""`hutch convert SOURCE TARGET`: between RDB files, append-only files and JSON lines; what is in a live store, too."""
from __future__ import annotations

import gzip
import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Callable, Iterator

from ..store import Store
from . import jsonlines, rdb_bytes
from .links import LinkError, link_to_store
from .places import DATABASES, Place, PlaceError, open_place
from .progress import Bar
from .rdb_writing import FUNCTIONS_SINCE, RdbWriter
from .records import Record
from .selection import Selection
from .writing import commands, put

KINDS = ("rdb", "aof", "aof-dir", "jsonl")
ENDINGS = {".rdb": "rdb", ".aof": "aof", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".manifest": "aof-dir"}
OWN_VERSIONS = (11, 12)          # what our engine writes; older ones are written in plain forms
AOF_NAME = "appendonly.aof"


@dataclass
class Figures:
    """What was written: keys, those past their deadline among them; libraries of functions; and how many keys were `skipped` since Hutch
    does not have their types."""

    keys: int = 0
    libraries: int = 0
    bytes: int = 0
    skipped: int = 0


def kind_of(target: str) -> str:
    """What a target is to be, by its name. PlaceError when that does not tell.

    >>> kind_of("dump.rdb"), kind_of("keys.jsonl.gz"), kind_of("data/appendonlydir/")
    ('rdb', 'jsonl', 'aof-dir')
    """
    if target == "-":
        return "jsonl"
    if target.endswith(("/", os.sep)) or os.path.isdir(target):
        return "aof-dir"
    ending = os.path.splitext(target.removesuffix(".gz"))[1].lower()
    if ending not in ENDINGS:
        raise PlaceError(f"{target}: say what it is to be: --to {', '.join(KINDS)}")
    return ENDINGS[ending]


def convert(source: str, target: str, *, to: str | None = None, rdb_version: int | None = None, selection: Selection | None = None,
            skip_unknown: bool = False, replace: bool = False, functions: bool = True) -> Figures:
    """Write what is in the source (see places.open_place) into a new file or directory. The target is there when all of it is written,
    and not before; nothing else is changed. `rdb_version` is 9 to 12; None: the lowest that holds the data, but not below 11.

    PlaceError, with a text for people, when the source cannot be read, the target is there already (without `replace`), or its
    format has no place for a value; links.LinkError when nobody answers at a URL.
    """
    selection = selection or Selection()
    if "://" in target:
        raise PlaceError("hutch migrate is what writes into a live store")
    kind = to or kind_of(target)
    if rdb_version is not None and kind not in ("rdb", "aof-dir"):
        raise PlaceError("an RDB version is for targets that are RDB files")
    if rdb_version is not None and not rdb_bytes.VERSION_MIN <= rdb_version <= max(OWN_VERSIONS):
        raise PlaceError(f"RDB files are written in versions {rdb_bytes.VERSION_MIN} to {max(OWN_VERSIONS)}")
    if target != "-" and os.path.lexists(target) and not replace and kind != "aof-dir":
        raise PlaceError(f"{target} is there already: --replace writes over it")
    if kind == "aof-dir":
        _check_directory(target, replace)
    with open_place(source, skip_unknown=skip_unknown) as place:
        for note in place.notes:
            print(note, file=sys.stderr)
        try:
            return _WRITERS[kind](place, target, _Wanted(selection, functions, skip_unknown, kind != "jsonl"), rdb_version)
        except rdb_bytes.CannotSay as error:
            raise PlaceError(f"{target}: {error}") from None
        except OSError as error:
            if isinstance(error, LinkError):
                raise
            name = os.fsdecode(error.filename or target)
            if os.path.basename(name).startswith(".hutch-"):         # ours, on its way to be the target
                name = target
            raise PlaceError(f"{name}: {error.strerror or error}") from None


@contextmanager
def written_whole(path: str) -> Iterator[BinaryIO]:
    """A file to write that takes this name when it is whole and on the disk; on an error there is none. OSError when that fails."""
    directory = os.path.dirname(path) or "."
    descriptor, name = tempfile.mkstemp(prefix=".hutch-", dir=directory)
    try:
        with open(descriptor, "wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)               # mkstemp's files are for this user only: this is a file like any other
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
        _sync_directory(directory)
    except BaseException:
        if os.path.exists(name):
            os.unlink(name)
        raise


def _sync_directory(directory):
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class _Wanted:
    """What of a place is to be written: selected keys, functions, and keys of types that we do not have where the format takes them."""

    selection: Selection
    functions: bool
    skip_unknown: bool
    known_only: bool

    def takes(self, record: Record, figures: Figures) -> bool:
        """Is the key to be written? CannotSay for one that cannot be."""
        if not record.is_opaque or not self.known_only:
            return True
        if not self.skip_unknown:
            raise rdb_bytes.CannotSay(f"key {record.key!r}: Hutch does not have the type {record.kind}; --skip-unknown leaves such keys out")
        figures.skipped += 1
        return False

    @property
    def is_all(self) -> bool:
        """Is nothing to be left out?"""
        return self.functions and not (self.selection.match or self.selection.kinds or self.selection.databases)


def _every(place: Place, wanted: _Wanted, figures: Figures, take: Callable[[Record, int], None],
           begin: Callable[[int, int], None] | None = None) -> None:
    """Hand over every key once, database by database."""
    for db in wanted.selection.databases_of(place):
        keys = place.keys(db)
        if begin is not None:
            begin(db, keys)
        # SCAN tells of a key twice when others change a live store meanwhile.
        told: set[bytes] | None = set() if place.is_live else None
        with Bar(f"Database {db}", keys) as bar:
            for records in wanted.selection.records(place, db):
                for record in records:
                    if told is not None:
                        if record.key in told:
                            continue
                        told.add(record.key)
                    if wanted.takes(record, figures):
                        take(record, db)
                        figures.keys += 1
                bar.advance(len(records))


# ---- JSON lines

def _write_lines(place, target, wanted, _version):
    figures = Figures()

    def fill(out):
        if wanted.functions:
            for name, code in place.libraries():
                out.write(jsonlines.library_line(name, code))
                figures.libraries += 1
        _every(place, wanted, figures, lambda record, db: out.write(jsonlines.line_of(record, db)))

    if target == "-":
        fill(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return figures
    with written_whole(target) as file:
        if target.endswith(".gz"):
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
                fill(packed)
        else:
            fill(file)
    figures.bytes = os.path.getsize(target)
    return figures


# ---- RDB files

def _write_rdb(place, target, wanted, version):
    if version is not None and version < min(OWN_VERSIONS):
        figures = Figures()
        with written_whole(target) as file:
            _write_plain(place, file, wanted, version, figures)
    else:
        figures = _save(place, target, wanted, version)
    figures.bytes = os.path.getsize(target)
    return figures


def _write_plain(place, file, wanted, version, figures):
    writer = RdbWriter(file, version)
    libraries = place.libraries() if wanted.functions else []
    if libraries and version < FUNCTIONS_SINCE:
        raise rdb_bytes.CannotSay(f"RDB version {version} has no functions: --no-functions leaves them out")
    for _, code in libraries:
        writer.library(code)
        figures.libraries += 1

    def take(record, _db):
        try:
            writer.key(record)
        except rdb_bytes.CannotSay as error:
            raise rdb_bytes.CannotSay(f"key {record.key!r}: {error}") from None

    _every(place, wanted, figures, take, writer.database)
    writer.end()


def _save(place, target, wanted, version):
    """Our engine's own SAVE, of what was read, or of a copy of what is wanted."""
    figures = Figures()
    whole = place.store is not None and wanted.is_all
    store = place.store if whole else Store(databases=DATABASES)
    try:
        if whole:
            figures.keys = sum(place.keys(db) for db in place.databases())
            figures.libraries = len(place.libraries())
        else:
            store.engine.keep_due()
            store.engine.set_clock_ms(1)
            _copy(place, store, wanted, figures)
        directory = os.path.dirname(os.path.abspath(target))
        with tempfile.TemporaryDirectory(prefix=".hutch-", dir=directory) as made:
            store.engine.configure("dir", made)
            store.engine.configure("dbfilename", "dump.rdb")
            store.engine.save()
            path = os.path.join(made, "dump.rdb")
            if version is not None:
                _raise_version(path, version)
            os.replace(path, target)
        _sync_directory(directory)
    finally:
        if not whole:
            store.close()
    return figures


def _raise_version(path, version):
    """Say a higher version than the engine did: readers of a version read what lower ones have."""
    from hutch_engine.door.checksum import checksum
    with open(path, "r+b") as file:
        own = int(file.read(9)[5:])
        if own > version:
            raise rdb_bytes.CannotSay(f"RDB version {version} has no deadlines of hash fields; the data need version {own}")
        if own == version:
            return
        file.seek(0)
        file.write(b"REDIS%04d" % version)
        file.seek(0)
        sum_, left = 0, os.path.getsize(path) - 8
        while left:
            part = file.read(min(left, 1 << 20))
            sum_ = checksum(part, sum_)
            left -= len(part)
        file.write(sum_.to_bytes(8, "little"))
        file.flush()
        os.fsync(file.fileno())


def _copy(place, store, wanted, figures):
    links = {}
    waiting = []

    def take(record, db):
        if db not in links:
            links[db] = link_to_store(store, db)
        waiting.append(record)
        if len(waiting) >= 200:
            put(links[db], waiting)
            waiting.clear()

    def begin(db, _keys):
        end()
        begin.db = db

    def end():
        if waiting:
            put(links[begin.db], waiting)
            waiting.clear()

    if wanted.functions:
        loader = links[0] = link_to_store(store, 0)
        for _, code in place.libraries():
            loader.call("FUNCTION", "LOAD", code)
            figures.libraries += 1
    _every(place, wanted, figures, take, begin)
    end()
    for link in links.values():
        link.close()


# ---- append-only files

def packed(words) -> bytes:
    """A command as it stands in a log, and on the wire."""
    said = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(said) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in said)


def _write_commands(place, target, wanted, _version):
    """A single file of commands, as Redis before 7 has it. A key's commands stand between MULTI and EXEC where there are several."""
    figures = Figures()
    with written_whole(target) as out:
        selected = 0
        if wanted.functions:
            for _, code in place.libraries():
                out.write(packed(("FUNCTION", "LOAD", code)))
                figures.libraries += 1

        def take(record, db):
            nonlocal selected
            if db != selected:
                out.write(packed(("SELECT", db)))
                selected = db
            said = commands(record)
            if len(said) > 1:
                out.write(packed(("MULTI",)))
            for words in said:
                out.write(packed(words))
            if len(said) > 1:
                out.write(packed(("EXEC",)))

        _every(place, wanted, figures, take)
    figures.bytes = os.path.getsize(target)
    return figures


def _directory_of(target):
    return os.path.dirname(target) or "." if target.endswith(".manifest") else target


def _check_directory(target, replace):
    directory = _directory_of(target)
    if os.path.isdir(directory) and any(name.startswith(AOF_NAME) for name in os.listdir(directory)):
        # Files of a log go together: to mix two would be neither.
        raise PlaceError(f"{directory} holds a log already" + (": remove it first" if replace else ""))
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise PlaceError(f"{directory} is no directory")


def _write_directory(place, target, wanted, version):
    """A log as Redis 7 has it: the data as its base, and one increment, which is empty."""
    directory = _directory_of(target)
    os.makedirs(directory, exist_ok=True)
    figures = _write_rdb(place, os.path.join(directory, f"{AOF_NAME}.1.base.rdb"), wanted, version)
    with written_whole(os.path.join(directory, f"{AOF_NAME}.1.incr.aof")):
        pass
    with written_whole(os.path.join(directory, f"{AOF_NAME}.manifest")) as file:
        file.write(f"file {AOF_NAME}.1.base.rdb seq 1 type b\nfile {AOF_NAME}.1.incr.aof seq 1 type i\n".encode())
    return figures


_WRITERS = {"jsonl": _write_lines, "rdb": _write_rdb, "aof": _write_commands, "aof-dir": _write_directory}


def main(options) -> int:
    """The command line's; returns the exit code."""
    found = convert(options.source, options.target, to=options.to, rdb_version=options.rdb_version, selection=Selection.of(options),
                    skip_unknown=options.skip_unknown, replace=options.replace, functions=not options.no_functions)
    libraries = f", {found.libraries:,} libraries of functions" if found.libraries else ""
    size = f", {found.bytes:,} bytes" if found.bytes else ""
    skipped = f"; {found.skipped:,} of types that Hutch does not have were left out" if found.skipped else ""
    print(f"{options.target}: {found.keys:,} keys{libraries}{size}{skipped}", file=sys.stderr)
    return 0
