"""`hutch check FILE`: what is in an RDB file, what of it would be lost, and why it would be refused. No store that anybody
uses takes part: an engine of its own reads the file, and keeps no more than the keys' names meanwhile."""
from __future__ import annotations

import os
import sys
from typing import Any, Mapping, Sequence, TextIO

from hutch_engine.door.engine import Engine

from .cli_config import split_words
from .cli_server import Progress

DATABASES = 100_000              # more than anybody has: the file is not to be refused for them
USUAL_DATABASES = 16


def check(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What is in the file: see Engine.check_file, whose dict is returned. FileNotFoundError when there is none.

    >>> check("no/such.rdb")
    Traceback (most recent call last):
        ...
    FileNotFoundError: there is no file no/such.rdb
    """
    engine = Engine(databases=DATABASES)
    try:
        with Progress("Reading") as progress:
            return engine.check_file(path, progress=progress)
    finally:
        engine.close()


def main(paths: Sequence[str], out: TextIO | None = None) -> int:
    """Print what is in each file; returns 0 when all of them can be loaded as they are, else 1."""
    out = out or sys.stdout
    good = True
    for path in paths:
        try:
            found = check(path)
        except OSError as error:
            print(f"{path}: {error.strerror or error}", file=out)
            good = False
            continue
        good = describe(path, found, out) and good
    return 0 if good else 1


def describe(path: str, found: Mapping[str, Any], out: TextIO) -> bool:
    """Print what was found in one file; returns whether it can be loaded as it is."""
    kind = "Valkey's version" if found["valkey"] else "version"
    if found["version"]:
        print(f"{path}: RDB file, {kind} {found['version']}, {found['bytes']:,} bytes read", file=out)
    else:
        print(f"{path}:", file=out)
    trailing = False
    empty = 0
    for note in found["notes"]:
        words = split_words(note) or []
        trailing = trailing or words[:1] == ["trailing"]
        empty += words[:1] == ["empty"]
        if words[:1] == ["aux"]:
            print(f"  {words[1]} {words[2]}", file=out)
        elif words[:1] == ["library"]:
            print(f"  library of functions: {words[1]}", file=out)
    if empty:
        print(f"  {empty:,} collections without elements, which are left out", file=out)
    by_database: dict[int, list[str]] = {}
    for database, name, keys, _ in sorted(found["kept"]):
        by_database.setdefault(database, []).append(f"{keys:,} of type {name}")
    for database, parts in sorted(by_database.items()):
        print(f"  database {database}: {', '.join(parts)}", file=out)
    print(f"  {found['keys']:,} keys, {found['expired']:,} of them past their deadline", file=out)
    for database, name, keys, position in sorted(found["lost"]):
        print(f"  LOST: {keys:,} of type {name} in database {database}, the first at byte {position:,}", file=out)
    most = max((database for database, *_ in (*found["kept"], *found["lost"])), default=0)
    if most >= USUAL_DATABASES:
        print(f"  needs a store of {most + 1} databases (`databases {most + 1}`)", file=out)
    if trailing:
        print("  more bytes follow the end: they would be ignored", file=out)
    if found["error"]:
        print(f"  REFUSED: {found['error']}", file=out)
    elif found["lost"]:
        print("  REFUSED: Hutch does not have these types; `rdb-skip-unknown-types yes` loads the rest", file=out)
    else:
        print("  can be loaded", file=out)
    return not found["error"] and not found["lost"]
