"""Append-only files as they lie on the disk: manifests, the commands in a file, and up to where it is whole.

    *2 CRLF $3 CRLF GET CRLF $1 CRLF a CRLF      a command: how many words, and of each how long it is
    #TS:1700000000 CRLF                          an annotation: when what follows was written

A file may begin with an RDB file (a base of Redis 7, or what older ones wrote after a rewrite). A manifest lists a base and increments,
in the order in which they are read.
"""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import BinaryIO, Callable, Iterator

from ..cli_config import split_words

WORDS_MAX = 1 << 20              # of a command, as Redis reads them from a socket
HEAD_BYTES_MAX = 32
NOTE_BYTES_MAX = 1024
RDB_MAGIC = (b"REDIS", b"VALKEY")
Progress = Callable[[int, int], None]


class LogError(ValueError):
    """A manifest or a file that is no append-only file; its text says why."""


@dataclass
class LogFile:
    """A line of a manifest: kind is "b" (base), "i" (increment) or "h" (history, not read any more)."""

    name: str
    number: int
    kind: str


@dataclass
class Tear:
    """Why a file is not whole: what was found, at which byte."""

    reason: str
    position: int


@dataclass
class Scan:
    """What a walk through the commands of a file has found so far. `good` is the byte behind the last whole command that stands in no open
    transaction: what may be kept; `at` the one behind the last whole command."""

    size: int
    good: int
    at: int
    commands: int = 0
    tear: Tear | None = None
    moment: int | None = None    # of the last annotation, in seconds

    @property
    def is_whole(self) -> bool:
        """Is the file good up to its end?"""
        return self.good == self.size


def read_manifest(path: str | os.PathLike[str]) -> list[LogFile]:
    """The files that a manifest lists. LogError when it is none that Redis would take; OSError when it cannot be read."""
    found: list[LogFile] = []
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        words = split_words(line)
        if words is None or len(words) < 6 or len(words) % 2:
            raise LogError(f"{path}: line {number} is no manifest's: {line!r}")
        values = dict(zip((word.lower() for word in words[::2]), words[1::2]))
        name, sequence, kind = values.get("file", ""), values.get("seq", ""), values.get("type", "")
        if not name or os.path.basename(name) != name or not sequence.isascii() or not sequence.isdigit() or kind not in ("b", "h", "i"):
            raise LogError(f"{path}: line {number} is no manifest's: {line!r}")
        found.append(LogFile(name, int(sequence), kind))
    if not found:
        raise LogError(f"{path}: the manifest is empty")
    if sum(one.kind == "b" for one in found) > 1:
        raise LogError(f"{path}: the manifest has more than one base")
    increments = [one.number for one in found if one.kind == "i"]
    if increments != sorted(set(increments)):
        raise LogError(f"{path}: the manifest's increments are not in the order of their numbers")
    return found


def files_in_order(found: list[LogFile]) -> list[LogFile]:
    """Those that are read, the base first."""
    return [one for one in found if one.kind == "b"] + [one for one in found if one.kind == "i"]


def manifest_in(directory: str | os.PathLike[str]) -> str | None:
    """The path of the manifest in a directory, or in the append-only directory in it; None when there is none. LogError when there are
    several."""
    found = []
    for place in (os.fspath(directory), *(entry.path for entry in os.scandir(directory) if entry.is_dir())):
        found += [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".manifest")]
        if found:
            break
    if len(found) > 1:
        raise LogError(f"{os.fspath(directory)}: there are several manifests: {', '.join(map(os.path.basename, found))}")
    return found[0] if found else None


def begins_as_rdb(head: bytes) -> bool:
    """Are these the first bytes of an RDB file?"""
    return head.startswith(RDB_MAGIC)


def commands(file: BinaryIO, scan: Scan, *, until: int | None = None) -> Iterator[list[bytes]]:
    """The commands of a file that is open at `scan.at`, one after the other; `scan` tells of the way. It ends at the file's end, and where
    something is wrong: then scan.tear says what. With `until`, in front of the first annotation of a later moment (Unix seconds)."""
    begun = False                    # has a MULTI no EXEC yet?
    while True:
        line = file.readline(NOTE_BYTES_MAX)
        if not line:
            break
        if line[:1] == b"#":
            if not line.endswith(b"\r\n"):
                scan.tear = Tear("an annotation that does not end", scan.at)
                return
            if line[:4] == b"#TS:" and line[4:-2].isdigit():
                moment = int(line[4:-2])
                if until is not None and moment > until:
                    return
                scan.moment = moment
            scan.at += len(line)
            if not begun:
                scan.good = scan.at
            continue
        words = _command(file, line, scan)
        if words is None:
            return
        scan.commands += 1
        name = words[0].upper()
        if name == b"MULTI":
            if begun:
                scan.tear = Tear("a MULTI in a MULTI", scan.at)
                return
            begun = True
        elif name in (b"EXEC", b"DISCARD"):
            if not begun:
                scan.tear = Tear(f"{name.decode()} without MULTI", scan.at)
                return
            begun = False
        scan.at = file.tell()
        if not begun:
            scan.good = scan.at
        yield words
    if begun:
        scan.tear = Tear("the end comes before the EXEC of a MULTI", scan.good)


def _head(line: bytes, mark: bytes) -> int | None:
    """The number in a line such as "*3", or None when it is none such."""
    digits = line[1:-2]
    return int(digits) if line[:1] == mark and line.endswith(b"\r\n") and digits.isdigit() and len(line) < HEAD_BYTES_MAX else None


def _command(file: BinaryIO, line: bytes, scan: Scan) -> list[bytes] | None:
    count = _head(line, b"*")
    position = scan.at
    if count is None or not 0 < count <= WORDS_MAX:
        what = f"{line[:16]!r} where a command should begin" if line.endswith(b"\n") or len(line) >= NOTE_BYTES_MAX else "a torn command"
        scan.tear = Tear(what, position)
        return None
    position += len(line)
    words = []
    readline, read, size = file.readline, file.read, scan.size
    for _ in range(count):
        line = readline(HEAD_BYTES_MAX)
        digits = line[1:-2]
        if line[:1] != b"$" or line[-2:] != b"\r\n" or not digits.isdigit():
            torn = not line.endswith(b"\n") and len(line) < HEAD_BYTES_MAX
            scan.tear = Tear("a torn command" if torn else f"{line[:16]!r} where a word should begin", position)
            return None
        length = int(digits)
        position += len(line) + length + 2
        if position > size:          # never more is read than there is
            left = size - position + length + 2
            scan.tear = Tear(f"a word of {length:,} bytes, of which {left:,} are there", position - length - 2)
            return None
        data = read(length + 2)
        if data[-2:] != b"\r\n":
            scan.tear = Tear(f"{data[-2:]!r} where a word should end", position - 2)
            return None
        words.append(data[:-2])
    return words


def walk(path: str | os.PathLike[str], begin: int = 0, *, until: int | None = None, progress: Progress | None = None) -> Scan:
    """Walk all commands of a file, from byte `begin` on, and tell up to where it is whole. O(bytes)"""
    with open(path, "rb", buffering=1 << 20) as file:
        scan = Scan(os.fstat(file.fileno()).st_size, begin, begin)
        file.seek(begin)
        for count, _ in enumerate(commands(file, scan, until=until)):
            if progress is not None and not count % 1024:
                progress(scan.at, scan.size)
    return scan


@dataclass
class FileReport:
    """What was found in one file of a log."""

    path: str
    size: int = 0
    good: int = 0
    is_rdb: bool = False         # does it begin with an RDB file?
    commands: int = 0
    error: str = ""              # why it is not whole, or cannot be read at all
    damage: bool = False         # an RDB file that is refused, a file that is not there: nothing that cutting mends
    later: bool = False          # cut in front of a later moment than asked for
    rdb: dict = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Would it be loaded without anything being cut off?"""
        return not self.error and self.good == self.size


def check_file(path: str | os.PathLike[str], *, until: int | None = None, progress: Progress | None = None) -> FileReport:
    """What is in one file of commands, or with an RDB file in front of them. Nothing is changed. O(bytes)"""
    report = FileReport(os.fspath(path))
    try:
        report.size = os.path.getsize(path)
        with open(path, "rb") as file:
            report.is_rdb = begins_as_rdb(file.read(6))
    except OSError as error:
        report.error, report.damage = error.strerror or str(error), True
        return report
    begin = 0
    if report.is_rdb:
        from ..cli_check import check
        report.rdb = check(path)
        report.good = begin = report.rdb["bytes"]
        if report.rdb["error"] or report.rdb["lost"]:
            what = report.rdb["error"] or "it has types that Hutch does not have"
            report.error, report.damage = what, True
            return report
    scan = walk(path, begin, until=until, progress=progress)
    report.good, report.commands, report.size = scan.good, scan.commands, scan.size
    if scan.tear is not None:
        report.error = f"{scan.tear.reason}, at byte {scan.tear.position:,}"
    elif scan.good < scan.size:
        report.error, report.later = f"what follows byte {scan.good:,} is of a later moment", True
    return report


def check_log(manifest: str | os.PathLike[str], *, until: int | None = None, progress: Progress | None = None) -> list[FileReport]:
    """What is in the files of a log, in the order in which they are read. LogError for a manifest that is none; OSError when it cannot be
    read. O(bytes)"""
    directory = os.path.dirname(os.fspath(manifest)) or "."
    return [check_file(os.path.join(directory, one.name), until=until, progress=progress)
            for one in files_in_order(read_manifest(manifest))]


def cut(path: str | os.PathLike[str], size: int) -> None:
    """Cut the file off behind so many bytes, and wait until the disk has it. OSError when that fails."""
    with open(path, "r+b") as file:
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())
