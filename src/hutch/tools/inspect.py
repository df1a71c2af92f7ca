"""`hutch inspect SOURCE`: what is in a file or a store, by type, size, prefix and deadline. It only looks."""
from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

from .links import AnyLink, LinkError
from .places import Place, open_place
from .progress import Bar
from .records import FOOTER_BYTES, READ_AT_ONCE_BYTES, text_of
from .selection import Selection
from .survey import Survey, readable

LENGTHS = {"string": "STRLEN", "list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN"}
BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def inspect(place: Place, *, selection: Selection | None = None, top: int = 20, separators: str = ":", depth: int = 4,
            serialized: bool | None = None, now_ms: int | None = None) -> dict[str, Any]:
    """The figures of an open place: see Survey.told, with `source` and `kind`. With `serialized` the sizes of values in a file are told,
    too: by DUMP, so that each value of a live store is fetched (None: of files only). O(keys), in bounded memory.

    LinkError when a store is not reached (any more), or lets us read no sizes.
    """
    selection = selection or Selection()
    if serialized is None:
        serialized = not place.is_live
    survey = Survey(now_ms=int(time.time() * 1000) if now_ms is None else now_ms, top=top, separators=separators, depth=depth)
    for db in selection.databases_of(place):
        link = place.link(db)
        with Bar(f"Database {db}", place.keys(db)) as bar:
            for _, keys in selection.walk(place, db):
                _look(link, db, keys, selection, survey, serialized)
                bar.advance(len(keys))
    return {"source": place.name, "kind": place.kind, **place.details, "notes": place.notes,
            "libraries": [name.decode("utf-8", "replace") for name, _ in place.libraries()], **survey.told()}


def _look(link: AnyLink, db: int, keys: list[bytes], selection: Selection, survey: Survey, serialized: bool) -> None:
    absolute = link.can("PEXPIRETIME", "PEXPIRETIME", "")
    asked = [words for key in keys for words in (("TYPE", key), ("OBJECT", "ENCODING", key), ("MEMORY", "USAGE", key),
                                                 ("PEXPIRETIME" if absolute else "PTTL", key))]
    replies = link.run(asked, again=True)
    found = []
    for at, key in enumerate(keys):
        kind, encoding, memory, deadline = replies[4 * at:4 * at + 4]
        for reply in (kind, memory, deadline):
            if isinstance(reply, Exception):
                raise LinkError(f"{link.name}: {reply}")
        if kind == b"none" or memory is None:
            continue                     # it has just ended
        kind = text_of(kind)
        if not selection.kinds or kind in selection.kinds:
            moment = None if deadline < 0 else deadline if absolute else survey.now_ms + deadline
            # Types of modules have an encoding of their own making, or none.
            found.append((key, kind, "" if encoding is None or isinstance(encoding, Exception) else text_of(encoding), memory, moment))
    lengths = link.run([(LENGTHS[kind], key) if kind in LENGTHS else ("EXISTS", key) for key, kind, *_ in found], again=True)
    sizes = _serialized(link, found) if serialized else [None] * len(found)
    for (key, kind, encoding, memory, deadline), length, size in zip(found, lengths, sizes):
        if not isinstance(length, Exception):        # it is of another type by now
            survey.add(db, key, kind, encoding, length, memory, size, deadline)


def _serialized(link, found):
    """What the values take in a file: never more of them at once than fits."""
    sizes: list[int | None] = []
    begin = 0
    while begin < len(found):
        end, total = begin + 1, found[begin][3]
        while end < len(found) and total + found[end][3] <= READ_AT_ONCE_BYTES:
            total += found[end][3]
            end += 1
        for reply in link.run([("DUMP", key) for key, *_ in found[begin:end]], again=True):
            sizes.append(len(reply) - FOOTER_BYTES if isinstance(reply, bytes) else None)
        begin = end
    return sizes


# ---- as text

def size_text(count: float) -> str:
    """A number of bytes for people's eyes.

    >>> size_text(512), size_text(1536), size_text(5 << 30)
    ('512 B', '1.5 KiB', '5.0 GiB')
    """
    for unit in BYTES:
        if count < 1024 or unit == BYTES[-1]:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    raise AssertionError


def moment_text(ms: int | None) -> str:
    """A Unix time in milliseconds, in UTC; "" for none, and the number where there is no such date."""
    if ms is None:
        return ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms / 1000))
    except (ValueError, OverflowError, OSError):
        return str(ms)


def _table(title: str, head: list[str], rows: list[list[str]], out: TextIO) -> None:
    if not rows:
        return
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    print(f"\n{title}", file=out)
    for row in (head, *rows):
        # The first column stands to the left, numbers to the right.
        print("  " + "  ".join(word.ljust(width) if not at else word.rjust(width)
                               for at, (word, width) in enumerate(zip(row, widths))).rstrip(), file=out)


def _bar(share: float, width: int = 24) -> str:
    return "#" * round(share * width)


def describe(told: dict[str, Any], out: TextIO) -> None:
    """Print the figures as text."""
    with_sizes = "serialized" in told
    whole = told["memory"] or 1
    version = f", version {told['rdb_version']}" if "rdb_version" in told else ""
    kinds = {"rdb": "RDB file", "aof": "append-only file", "jsonl": "JSON lines", "live": "live store"}
    print(f"{told['source']}: {kinds[told['kind']]}{version}", file=out)
    print(f"  {told['keys']:,} keys, {size_text(told['memory'])} of memory"
          + (f", {size_text(told['serialized'])} serialized" if with_sizes else ""), file=out)
    for note in told["notes"]:
        print(f"  {note}", file=out)
    if told["libraries"]:
        print(f"  libraries of functions: {', '.join(told['libraries'])}", file=out)

    def sums(row):
        return [f"{row['keys']:,}", f"{row['elements']:,}", size_text(row["memory"]), f"{100 * row['memory'] / whole:.1f} %",
                *([size_text(row.get("serialized", 0))] if with_sizes else [])]

    head = ["keys", "elements", "memory", "share", *(["serialized"] if with_sizes else [])]
    _table("Types", ["type", "encoding", *head], [[row["type"], row["encoding"], *sums(row)] for row in told["types"]], out)
    if len(told["databases"]) > 1:
        _table("Databases", ["database", *head], [[db, *sums(row)] for db, row in told["databases"].items()], out)
    _table("Deadlines", ["in", "keys", "memory", ""],
           [[name, f"{row['keys']:,}", size_text(row["memory"]), _bar(row["keys"] / max(told["keys"], 1)).ljust(24)]
            for name, row in told["deadlines"].items() if row["keys"]], out)
    _table("Biggest keys", ["key", "type", "encoding", "elements", "memory", "deadline"],
           [[_key(row), row["type"], row["encoding"], f"{row['elements']:,}", size_text(row["memory"]), moment_text(row.get("deadline"))]
            for row in told["biggest"]], out)
    rows: list[list[str]] = []
    _tree_rows(told["prefixes"], 0, whole, rows)
    _table("Prefixes", ["prefix", "keys", "memory", "share"], rows, out)


def _key(row):
    name = row["key"] if len(row["key"]) <= 60 else row["key"][:57] + "..."
    return f"{row['db']}:{name}" if row["db"] else name


def _tree_rows(nodes, level, whole, rows):
    for node in nodes:
        rows.append(["  " * level + node["prefix"], f"{node['keys']:,}", size_text(node["memory"]), f"{100 * node['memory'] / whole:.1f} %"])
        _tree_rows(node["below"], level + 1, whole, rows)


def main(options, out: TextIO | None = None) -> int:
    """The command line's; returns the exit code."""
    out = out or sys.stdout
    with open_place(options.source, skip_unknown=options.skip_unknown) as place:
        told = inspect(place, selection=Selection.of(options), top=options.top, separators=options.separator, depth=options.depth,
                       serialized=options.serialized)
    if options.html:
        from .inspect_page import page
        from .places import PlaceError
        try:
            with open(options.html, "w", encoding="utf-8") as file:
                file.write(page(told))
        except OSError as error:
            raise PlaceError(f"{options.html}: {error.strerror}") from None
    if options.json:
        print(json.dumps(told, ensure_ascii=False, indent=1), file=out)
    elif not options.html:
        describe(told, out)
    return 0


__all__ = ["describe", "inspect", "main", "moment_text", "readable", "size_text"]
