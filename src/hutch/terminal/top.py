"""`hutch top`: a store or a server at work, in a terminal that is kept up to date, or as text or JSON for scripts."""
from __future__ import annotations

import json
import os
import select
import sys
import time
from collections import deque
from typing import Any, Callable, Iterator, Sequence

import click
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from . import cli
from .link import ConnectionLost, Link, NoConnection
from .watch import Watch
from .words import safe_text

BARS = " ▁▂▃▄▅▆▇█"
HISTORY = 60
TEXT_COLUMNS = 130           # where the output is no terminal
WIDE = 110                   # from there on tables stand side by side
KEYS_LIVE, KEYS_ONCE = 200, 2_000

HELP = """Watch a store or a server at work: operations and bytes per second, hit rate, memory, the biggest and hottest keys that are
found on the way, clients, slow commands, latencies. q or Ctrl-C ends it.

Takes what `hutch cli` takes: a URL, HOST:PORT or a path; without one $HUTCH_URL, or 127.0.0.1:6379.
"""


def _options(function: "Callable[..., Any]") -> "Callable[..., Any]":
    # Where to go, and as whom, is said as for `hutch cli`.
    wanted = ("target", "host", "port", "socket", "uri", "db", "user", "password", "askpass", "tls", "cacert", "cacertdir", "cert", "key",
              "sni", "insecure")
    for option in reversed([param for param in cli.command.params if param.name in wanted]):
        function = click.option(*option.opts, option.name, **_like(option))(function)
    return function


def _like(option: click.Parameter) -> "dict[str, Any]":
    assert isinstance(option, click.Option)
    settings: "dict[str, Any]" = {"help": option.help, "hidden": option.hidden, "metavar": option.metavar}
    return {**settings, "is_flag": True} if option.is_flag else {**settings, "type": option.type}


@click.command("hutch top", help=HELP, context_settings={"max_content_width": 110})
@_options
@click.option("-i", "--interval", type=click.FloatRange(0.1), default=1.0, metavar="SECONDS", help="The time between two looks.")
@click.option("-c", "--count", type=click.IntRange(1), metavar="TIMES", help="End after so many.")
@click.option("--once", is_flag=True, help="One picture as text, of one interval; then end.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each picture.")
@click.option("--keys", type=click.IntRange(0, 10_000), metavar="NUMBER",
              help="Keys that are looked at between two pictures: 200, with --once 2,000; 0: none.")
@click.option("--color/--no-color", default=None, help="Colours; by default where the output is a terminal.")
def command(**options: Any) -> int:
    """Run `hutch top` with these options; returns the exit code."""
    live = not (options["once"] or options["as_json"]) and sys.stdout.isatty()
    count = 1 if options["once"] else options["count"]
    with Link(cli.target_of(options)) as link:
        cli.connect(link)
        keys = options["keys"] if options["keys"] is not None else KEYS_ONCE if options["once"] else KEYS_LIVE
        watch = Watch(link, keys)
        pictures = _pictures(link, watch, options["interval"], count, _pause if live else _sleep)
        if options["as_json"]:
            for picture in pictures:
                print(json.dumps(picture, ensure_ascii=True, separators=(",", ":")), flush=True)
            return 0
        colour = options["color"]
        wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else TEXT_COLUMNS
        console = Console(width=wide, no_color=None if colour is None else not colour, force_terminal=True if colour else None,
                          highlight=False, soft_wrap=False)
        if live:
            return _live(console, pictures)
        for picture in pictures:
            console.print(view(picture, columns=console.width))
    return 0


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _pause(seconds: float) -> bool:
    """Sleep; False when somebody wants to leave."""
    if not sys.stdin.isatty():
        return _sleep(seconds)
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        if left <= 0:
            return True
        if select.select([sys.stdin], [], [], left)[0] and os.read(sys.stdin.fileno(), 100).lower().startswith((b"q", b"\x1b", b"\x04")):
            return False


def _pictures(link: Link, watch: Watch, interval: float, count: "int | None", pause: "Callable[[float], bool]") -> "Iterator[dict[str, Any]]":
    """Pictures, each of an interval. A server that goes away is waited for, unless its first pictures are still to come."""
    before = watch.look()
    told = 0
    while pause(interval):
        try:
            now = watch.look()
            if now.figures.number("uptime_in_seconds") < before.figures.number("uptime_in_seconds"):
                before = now                         # it was started anew: its counters, too
                continue
            yield watch.picture(before, now)
        except (NoConnection, ConnectionLost):
            if not told:
                raise
            continue
        before = now
        told += 1
        if count is not None and told >= count:
            return


class _Keys:
    """While it lasts, keys are read as they are pressed."""

    def __enter__(self) -> "_Keys":
        self._saved: Any = None
        try:
            import termios
            import tty
            if sys.stdin.isatty():
                self._saved = termios.tcgetattr(sys.stdin)
                tty.setcbreak(sys.stdin)
        except (ImportError, OSError):
            pass
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._saved is not None:
            import termios
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)


def _live(console: Console, pictures: "Iterator[dict[str, Any]]") -> int:
    history: "deque[float]" = deque(maxlen=HISTORY)
    with _Keys(), Live(Text("looking ..."), console=console, screen=True, auto_refresh=False) as shown:
        try:
            for picture in pictures:
                history.append(picture["operations_per_s"])
                shown.update(view(picture, history, console.height - 1, console.width), refresh=True)
        except KeyboardInterrupt:
            pass
    return 0


# ---- the view

def human_bytes(number: float) -> str:
    """A number of bytes for people.

    >>> human_bytes(512), human_bytes(1536), human_bytes(5 * 1024 ** 3)
    ('512 B', '1.5 KiB', '5.0 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(number) < 1024 or unit == "TiB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    raise AssertionError


def human_time(usec: float) -> str:
    """Microseconds for people.

    >>> human_time(0.5), human_time(1500), human_time(2_500_000)
    ('0.5 us', '1.5 ms', '2.5 s')
    """
    if usec < 1000:
        return f"{usec:.1f} us" if usec < 100 else f"{usec:.0f} us"
    return f"{usec / 1000:.1f} ms" if usec < 1_000_000 else f"{usec / 1e6:.1f} s"


def human_duration(seconds: int) -> str:
    """Seconds for people.

    >>> human_duration(59), human_duration(3700), human_duration(200_000)
    ('59s', '1h01m', '2d07h')
    """
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02}h"


def sparkline(values: "Sequence[float]") -> str:
    """A row of small bars.

    >>> sparkline([0, 1, 2])
    ' ▄█'
    """
    most = max(values, default=0) or 1
    return "".join(BARS[round(value / most * (len(BARS) - 1))] for value in values)


def _percent(rate: "float | None") -> str:
    return "-" if rate is None else f"{rate:.1%}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, expand=False, header_style="dim",
                  min_width=len(title))
    for at, column in enumerate(columns):
        table.add_column(column.lstrip("<"), justify="left" if at == 0 or column.startswith("<") else "right",
                         overflow="ellipsis", no_wrap=True)
    return table


def _safe(text: str) -> str:
    return safe_text(text.encode("utf-8", "surrogateescape"))


def view(picture: "dict[str, Any]", history: "Sequence[float]" = (), lines: "int | None" = None,
         columns: int = TEXT_COLUMNS) -> RenderableType:
    """A picture as rich draws it, for a screen of so many columns; with `lines` no more rows than fit. O(rows)"""
    server, memory, clients, keys = picture["server"], picture["memory"], picture["clients"], picture["keys"]
    name = f"Hutch {server['hutch_version']} (Redis {server['version']})" if "hutch_version" in server else (
        f"Valkey {server['valkey_version']}" if "valkey_version" in server else f"Redis {server['version']}")
    head = Text.assemble((_safe(server["address"]), "bold"), f"  {name}, up {human_duration(server['uptime_s'])}, {server['role']}",
                         time.strftime("  %H:%M:%S", time.localtime(picture["time"])))
    used = human_bytes(memory["used"]) + (f" of {human_bytes(memory['max'])}" if memory["max"] else "")
    hits = _percent(picture["hit_rate"]) + (f" ({_percent(picture['hit_rate_ever'])} ever)" if picture["hit_rate_ever"] is not None else "")
    facts = Columns([Text.assemble((f"{name}  ", "dim"), (value, style)) for name, value, style in (
        ("operations/s", f"{picture['operations_per_s']:,.0f}", "bold green"), ("in/s", human_bytes(picture["bytes_in_per_s"]), ""),
        ("out/s", human_bytes(picture["bytes_out_per_s"]), ""), ("hit rate", hits, "bold"), ("cpu", f"{picture['cpu']:.1%}", "bold"),
        ("memory", used, "bold"), ("peak", human_bytes(memory["peak"]), ""), ("rss", human_bytes(memory["rss"]), ""),
        ("policy", _safe(memory["policy"]), ""), ("evicted/s", f"{picture['evicted_per_s']:,.0f}", ""),
        ("keys", f"{keys['all']:,}", "bold"), ("expired/s", f"{picture['expired_per_s']:,.0f}", ""),
        ("clients", f"{clients['connected']:,}", "bold"), ("blocked", f"{clients['blocked']:,}", ""),
        ("errors/s", f"{picture['errors_per_s']:,.0f}", ""))], padding=(0, 3))
    parts: "list[RenderableType]" = [head, facts]
    if history:
        parts.append(Text(f"{sparkline(history)}  most {max(history):,.0f}/s", "cyan"))
    wide = columns >= WIDE
    rows = 100 if lines is None else max((lines - 11 - len(parts)) // (3 if wide else 5), 1)
    parts += [Text(""), _commands_table(picture["commands"][:rows])]
    for tables in (_keys_tables(picture, rows), _slow_and_clients(picture, rows)):
        parts += [Text(""), _side_by_side(*tables)] if wide else [part for table in tables for part in (Text(""), table)]
    if picture["missing"]:
        named = ", ".join(sorted(name.replace("|", " ").upper() for name in picture["missing"]))
        parts.append(Text(f"not to be had here: {named}", "dim"))
    return Group(*parts)


def _commands_table(commands: "Sequence[dict[str, Any]]") -> Table:
    table = _table("Commands", "command", "calls/s", "time", "cpu", "p50", "p99", "p99.9", "failed")
    for row in commands:
        table.add_row(_safe(row["command"].replace("|", " ")), f"{row['per_s']:,.0f}", human_time(row["usec"]), f"{row['cpu']:.1%}",
                      *(human_time(row[one]) if one in row else "-" for one in ("p50", "p99", "p99.9")), f"{row['failed']:,}")
    if not commands:
        table.add_row("none but ours")
    return table


def _side_by_side(left: Table, right: Table) -> Table:
    grid = Table.grid(padding=(0, 4))
    grid.add_column(overflow="ellipsis")
    grid.add_column(overflow="ellipsis")
    grid.add_row(left, right)
    return grid


def _keys_tables(picture: "dict[str, Any]", rows: int) -> "tuple[Table, Table]":
    looked = f"{picture['keys_looked_at']:,} looks" + (f", {picture['rounds_of_keys']} rounds" if picture["rounds_of_keys"] else "")
    biggest = _table(f"Biggest keys found ({looked})", "key", "memory")
    for row in picture["biggest_keys"][:rows]:
        biggest.add_row(_safe(row["key"])[:50], human_bytes(row["bytes"]))
    hottest = _table("Hottest keys found", "key", "frequency")
    if picture["hottest_keys"] is None:
        hottest.add_row("known with an LFU maxmemory-policy only", "")
    for row in (picture["hottest_keys"] or ())[:rows]:
        hottest.add_row(_safe(row["key"])[:50], f"{row['frequency']:,}")
    return biggest, hottest


def _slow_and_clients(picture: "dict[str, Any]", rows: int) -> "tuple[Table, Table]":
    slow = _table("Slow commands", "time", "<when", "<command")
    for row in picture["slow"][:rows]:
        slow.add_row(human_time(row["usec"]), time.strftime("%H:%M:%S", time.localtime(row["time"])), _safe(row["command"])[:40])
    if not picture["slow"]:
        slow.add_row("none" if "slowlog|get" not in picture["missing"] else "-", "", "")
    clients = _table("Clients by memory", "<address", "<name", "memory", "age", "idle", "<last command")
    for row in picture["clients"]["list"][:rows]:
        clients.add_row(_safe(row["address"]), _safe(row["name"])[:16], human_bytes(row["memory"]), human_duration(row["age_s"]),
                        human_duration(row["idle_s"]), _safe(row["command"]))
    return clients, slow


def main(arguments: "Sequence[str]") -> int:
    """Run `hutch top` with these words; returns the exit code. What goes wrong is told in a line."""
    return cli.main(arguments, "hutch top", command)
