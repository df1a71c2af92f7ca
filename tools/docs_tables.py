#!/usr/bin/env python3
"""Writes docs/commands.md and docs/parameters.md: what Hutch has of Redis 8.2.

    make docs-tables

The commands come from their declarations and from tools/commands_of_redis.toml, the parameters from the engine's own table, which
tests/shims/config shows. tests/test_docs_tables.py fails when a page is not what this makes.
"""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import declarations  # noqa: E402

LONG_MAX = 2 ** 63 - 1
INT_MAX = 2 ** 31 - 1
NOTICE = "<!-- Written by tools/docs_tables.py (make docs-tables): change what it reads, not this page. -->\n"
GROUPS = {
    "generic": "Keys", "string": "Strings", "list": "Lists", "hash": "Hashes", "set": "Sets", "sorted-set": "Sorted sets", "stream": "Streams",
    "bitmap": "Bitmaps", "hyperloglog": "HyperLogLogs", "geo": "Geo", "pubsub": "Messages", "transactions": "Transactions",
    "scripting": "Scripts and functions", "connection": "Connections", "server": "Server", "cluster": "Cluster", "module": "Modules",
}


# ---- commands

def every_command():
    """Rows of name ("client|list"), group, since, has it, note, in alphabetical order; those of RedisJSON by their own group."""
    notes = declarations.tomllib.loads((ROOT / "tools/commands_of_redis.toml").read_text(encoding="utf-8"))
    rows = {}
    for command in declarations.load(ROOT / "engine/hutch_engine/commands"):
        for one in (command, *command.subcommands):
            group = command.group if command.group in GROUPS else "module"
            rows[one.fullname] = (one.fullname, group, one.since, True, notes["differs"].get(one.fullname, ""))
    unknown = set(notes["differs"]) - set(rows)
    if unknown:
        raise SystemExit(f"tools/commands_of_redis.toml tells of commands that are not declared: {', '.join(sorted(unknown))}")
    for name, (group, since, why) in notes["absent"].items():
        rows.setdefault(name, (name, group, since, False, why))
    return [rows[name] for name in sorted(rows)]


def commands_page():
    """The text of docs/commands.md."""
    rows = every_command()
    there = [row for row in rows if row[3]]
    lines = [
        "# Commands", "", NOTICE,
        f"Every command and subcommand of Redis 8.2, and RedisJSON's. Hutch has {len(there)} of {len(rows)}; what it has takes the same "
        "words and gives the same replies, in RESP2 and RESP3, but for what stands under \"differs\". `since` is the Redis version "
        "that brought the command.", "",
    ]
    for group, title in GROUPS.items():
        chosen = [row for row in rows if row[1] == group]
        if not chosen:
            continue
        lines += [f"## {title}", "", "| Command | since | Hutch | differs, or why not |", "|---|---|---|---|"]
        lines += [f"| `{name.upper().replace('|', ' ')}` | {since} | {'yes' if has else 'no'} | {note} |"
                  for name, _, since, has, note in chosen]
        lines.append("")
    return "\n".join(lines)


# ---- parameters

def _bound(number):
    """A bound in a form that can be read."""
    for named, text in ((LONG_MAX, "2^63 - 1"), (INT_MAX, "2^31 - 1"), (-INT_MAX - 1, "-2^31"), (2 ** 32 - 1, "2^32 - 1")):
        if number == named:
            return text
    return str(number)


def _values(row):
    """What a parameter may be, in a few words."""
    kind = row["kind"]
    if kind == "yes-no":
        return "yes, no"
    if kind in ("choice", "choices"):
        return ", ".join(row["choices"]) + (" (several)" if kind == "choices" else "")
    if kind == "integer":
        return f"{_bound(row['low'])} to {_bound(row['high'])}"
    if kind == "octal":
        return f"{row['low']:o} to {row['high']:o}, octal"
    if kind in ("memory", "memory-or-percent"):
        return f"bytes{', or percent of maxmemory' if kind != 'memory' else ''}" + (f", at least {row['low']}" if row["low"] else "")
    return {"text": "text", "addresses": "addresses", "directory": "a directory", "file-name": "a name without a path",
            "percentiles": "numbers from 0 to 100", "host-name": "a host's name", "title": "text with {names}", "save": "pairs of seconds and changes",
            "locale": "a locale", "node-name": "text", "master": "host and port, or `no one`",
            "output-limits": "class, hard limit, soft limit, seconds", "events": "letters", "oom-values": "three numbers"}[kind]


def parameters_page(rows, default_of):
    """The text of docs/parameters.md, from tests/shims/config's rows() and a function from a name to the default's text."""
    rows = sorted(rows, key=lambda row: row["name"])
    states = [_state(row) for row in rows]
    counts = [states.count(state) for state in ("works", "default", "idle")]
    lines = [
        "# Parameters", "", NOTICE,
        f"Every parameter that `CONFIG GET *` of Redis 8.2 shows, and a few that it hides: {len(rows)}. {counts[0]} work as they do there. "
        f"{counts[1]} have only their default: another value is refused, with the reason. {counts[2]} take Redis's values, are shown and "
        "rewritten, and have no effect, since there is nothing here that they could be about: the reason is in the last column.", "",
        "*start*: a file or the command line sets it, `CONFIG SET` does not. *protected*: `CONFIG SET` needs "
        "`enable-protected-configs`. *secret*: logs and `MONITOR` do not show it. *hidden*: `CONFIG GET` shows it only by its whole name.", "",
        "Lines of a redis.conf that are no parameters: `include` is followed (patterns too; circles are refused), `rename-command` is "
        "obeyed, `loadmodule` is refused.", "",
        "| Parameter | default | values | | state |", "|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"`{row['name']}`" + (f", `{row['alias']}`" if row["alias"] else "")
        default = "the working directory" if row["kind"] == "directory" else default_of(row["name"])
        marks = ", ".join(mark for mark, key in (("start", "immutable"), ("protected", "protected"), ("secret", "sensitive"),
                                                 ("hidden", "hidden")) if row[key])
        state = {"works": "works", "default": "only its default", "idle": "no effect"}[_state(row)]
        lines.append(f"| {name} | {f'`{default}`' if default else ''} | {_values(row)} | {marks} | "
                     f"{state}{': ' + row['why'] if row['why'] else ''} |")
    return "\n".join([*lines, ""])


def _state(row):
    if row["default_only"]:
        return "default"
    return "idle" if row["idle"] else "works"


def pages():
    """Path below docs/ and text of every page. ImportError without the test modules (make .venv/.built-shims)."""
    sys.path.insert(0, str(ROOT / "tests"))
    from shims.config import Parameters, rows
    defaults = Parameters()
    return {"commands.md": commands_page(), "parameters.md": parameters_page(list(rows()), defaults.get)}


if __name__ == "__main__":
    for page, content in pages().items():
        (ROOT / "docs" / page).write_text(content, encoding="utf-8")
