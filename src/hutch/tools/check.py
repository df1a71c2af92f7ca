"""`hutch check FILE`: what is in an RDB file or a log, whether it can be loaded, and with --fix a log that ends torn made whole."""
from __future__ import annotations

import os
import sys
from typing import TextIO

from .. import cli_check
from . import logs
from .progress import Bar

GOOD, BAD = 0, 1


def check(path: str, *, fix: bool = False, yes: bool = False, until: int | None = None, out: TextIO | None = None,
          answers: TextIO | None = None) -> int:
    """Tell what is in the file, a manifest's log or a directory's; returns 0 when it can be loaded as it is, else 1.

    With `fix`, a log that is torn is cut off behind its last whole command and transaction, once that was agreed to (`yes`: it is, otherwise
    it is asked for on `answers`). `until` cuts what was written after that moment (Unix seconds), where annotations tell of it.
    """
    out = out or sys.stdout
    try:
        place = os.fspath(path)
        if os.path.isdir(place):
            manifest = logs.manifest_in(place)
            if manifest is None:
                dump = os.path.join(place, "dump.rdb")
                if not os.path.exists(dump):
                    print(f"{path}: there is neither a manifest nor a dump.rdb in this directory", file=out)
                    return BAD
                place = dump
            else:
                place = manifest
        if place.endswith(".manifest"):
            with Bar("Reading") as progress:
                found = logs.check_log(place, until=until, progress=progress)
            print(f"{place}: append-only file of {len(found)} parts", file=out)
            return _settle(found, fix, yes, out, answers)
        with open(place, "rb") as file:
            head = file.read(6)
        if (logs.begins_as_rdb(head) or not head and place.endswith(".rdb")) and not place.endswith(".aof"):
            told = cli_check.check(place)
            if not _has_commands(place, told):
                if fix:
                    print(f"{place}: an RDB file is not repaired: a part of it cannot be told from the whole", file=out)
                return GOOD if cli_check.describe(place, told, out) else BAD
        if head and head[:1] not in (b"*", b"#") and not logs.begins_as_rdb(head) and not place.endswith(".aof"):
            # To cut it off behind its last whole command would be to empty somebody's file.
            what = ": JSON lines may be, which hutch inspect reads" if head.lstrip()[:1] == b"{" else ""
            print(f"{place}: neither an RDB file nor a log{what}", file=out)
            return BAD
        with Bar("Reading") as progress:
            found = [logs.check_file(place, until=until, progress=progress)]
        print(f"{place}: append-only file", file=out)
        return _settle(found, fix, yes, out, answers)
    except logs.LogError as error:
        print(error, file=out)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"{path}: {error.strerror or error}", file=out)
    return BAD


def _has_commands(path, found):
    """Does an RDB file have commands behind it, as the logs of Redis 4 to 6 have after a rewrite?"""
    if found["error"]:
        return False
    with open(path, "rb") as file:
        file.seek(found["bytes"])
        return file.read(1) == b"*"


def _describe(report, out):
    parts = []
    if report.is_rdb:
        parts.append(f"an RDB file of {report.rdb['keys']:,} keys")
    if report.commands or not report.is_rdb:
        parts.append(f"{report.commands:,} commands")
    print(f"  {os.path.basename(report.path)}: {report.size:,} bytes, {' and '.join(parts) if parts else 'unread'}", file=out)
    if report.error:
        print(f"    NOT WHOLE: {report.error}", file=out)
        if not report.damage:
            print(f"    good up to byte {report.good:,}; {report.size - report.good:,} bytes behind it are not", file=out)


def _settle(found, fix, yes, out, answers):
    for report in found:
        _describe(report, out)
    bad = [report for report in found if not report.is_whole]
    if not bad:
        print("  can be loaded", file=out)
        return GOOD
    first = bad[0]
    if first.damage:
        print("  REFUSED: cutting off an end does not mend this", file=out)
        return BAD
    if first is not found[-1]:
        print("  REFUSED: only the last part of a log may be cut off, and this is not the last. What comes after it would be replayed upon "
              "data that lack what was cut", file=out)
        return BAD
    if not fix:
        print("  hutch check --fix cuts off what is not good", file=out)
        return BAD
    return _fix(first, yes, out, answers)


def _fix(report, yes, out, answers):
    lock = _lock_of(report.path)
    if lock is False:
        print("  REFUSED: another process has this store open", file=out)
        return BAD
    try:
        print(f"  {os.path.basename(report.path)} would shrink from {report.size:,} to {report.good:,} bytes", file=out)
        if not yes:
            print("  Cut it off? [y/N]: ", end="", file=out, flush=True)
            if (answers or sys.stdin).readline().strip().lower() not in ("y", "yes"):
                print("  left as it is", file=out)
                return BAD
        # What was looked at is what is cut: nobody may have gone on writing meanwhile.
        if os.path.getsize(report.path) != report.size:
            print("  REFUSED: the file has changed since it was looked at; a server has it open", file=out)
            return BAD
        logs.cut(report.path, report.good)
        print(f"  cut off: {report.size - report.good:,} bytes are gone, the rest can be loaded", file=out)
        return GOOD
    finally:
        if lock:
            lock.release()


def _lock_of(path):
    """The lock of the store that the file belongs to; None when it belongs to none, False when another process has it."""
    from ..directory import LOCK_NAME, StoreDirectory
    directory = os.path.dirname(os.path.abspath(path))
    for place in (directory, os.path.dirname(directory)):
        if os.path.exists(os.path.join(place, LOCK_NAME)):
            from ..shared import no_fork
            with no_fork:
                return StoreDirectory(place, make=False).lock() or False
    return None


def main(options) -> int:
    """The command line's."""
    worst = GOOD
    for path in options.file:
        worst = max(worst, check(path, fix=options.fix, yes=options.yes, until=options.until))
    return worst
