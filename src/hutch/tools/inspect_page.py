"""The figures of `hutch inspect` as one page of HTML: charts are SVG in it, it needs no network and runs no program."""
from __future__ import annotations

from html import escape
from typing import Any

from .inspect import moment_text, size_text

WIDTH, BAR, GAP, LABELS, FIGURES = 760, 18, 8, 190, 210       # of a chart, in its own units
# Told apart by those who see few colours, too, and by their order.
COLOURS = ("#3b6fb6", "#d1803c", "#4f9a62", "#a25ba0", "#b9a034", "#5aa6b8", "#8c6d5a", "#7a7f87")

STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #5c6474; --line: #d9dde4; --ground: #ffffff; --panel: #f6f7f9; --bar: #3b6fb6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #9aa3b2; --line: #333a46; --ground: #14171c; --panel: #1c2027; --bar: #6d9bdc; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .6rem; }
p { margin: .2rem 0; color: var(--soft); }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0 0; padding: 0; list-style: none; }
.figures li { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1rem; min-width: 9rem; }
.figures b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.figures span { color: var(--soft); font-size: .85rem; }
svg { display: block; width: 100%; height: auto; max-width: 760px; min-width: 480px; }
svg.strip { min-width: 0; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg text.soft { fill: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:first-child, td:first-child { min-width: 8rem; }
td:first-child { white-space: normal; overflow-wrap: anywhere; font-family: ui-monospace, monospace; font-size: .9em; }
details { border-left: 1px solid var(--line); margin: .15rem 0 .15rem .35rem; padding-left: .9rem; }
summary, .leaf { cursor: pointer; padding: .12rem 0; overflow-wrap: anywhere; }
.leaf { cursor: default; border-left: 1px solid var(--line); margin-left: .35rem; padding-left: 1.9rem; }
code { font: .9em ui-monospace, monospace; }
.soft { color: var(--soft); }
.note { color: var(--ink); border-left: 3px solid #d1803c; padding-left: .7rem; }
"""


def _chart(rows: list[tuple[str, float, str, str]]) -> str:
    """Horizontal bars: of (label, amount, text behind it, colour)."""
    most = max((amount for _, amount, *_ in rows), default=0) or 1
    height = len(rows) * (BAR + GAP)
    room = WIDTH - LABELS - FIGURES
    parts = [f'<div class="wide"><svg viewBox="0 0 {WIDTH} {height}" role="img">']
    for at, (label, amount, text, colour) in enumerate(rows):
        top = at * (BAR + GAP)
        width = max(amount / most * room, 1.5 if amount else 0)
        middle = top + BAR - 4.5
        parts.append(f'<text x="{LABELS - 10}" y="{middle}" text-anchor="end">{escape(label)}</text>'
                     f'<rect x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3" fill="{colour}"/>'
                     f'<text class="soft" x="{LABELS + width + 8:.1f}" y="{middle}">{escape(text)}</text>')
    return "".join(parts) + "</svg></div>"


def _keys(count: int) -> str:
    return f"{count:,} key{'' if count == 1 else 's'}"


def _share_strip(rows: list[tuple[str, float, str]]) -> str:
    """One bar, divided."""
    whole = sum(amount for _, amount, _ in rows) or 1
    at, parts = 0.0, [f'<div class="wide"><svg class="strip" viewBox="0 0 {WIDTH} 34" role="img">']
    for label, amount, colour in rows:
        width = amount / whole * WIDTH
        parts.append(f'<rect x="{at:.1f}" y="0" width="{max(width - 1.5, 0):.1f}" height="26" rx="3" fill="{colour}">'
                     f"<title>{escape(label)}: {100 * amount / whole:.1f} %</title></rect>")
        at += width
    return "".join(parts) + "</svg></div>"


def _table(head: list[str], rows: list[list[str]]) -> str:
    titles = "".join(f"<th>{escape(word)}</th>" for word in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(word)}</td>" for word in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def _tree(nodes: list[dict[str, Any]], whole: int, level: int = 0) -> str:
    parts = []
    for node in nodes:
        said = (f"<code>{escape(node['prefix'])}</code> <span class=soft>{size_text(node['memory'])}, "
                f"{100 * node['memory'] / whole:.1f} %, {_keys(node['keys'])}</span>")
        if node["below"]:
            opened = " open" if level == 0 and len(nodes) <= 12 else ""
            parts.append(f"<details{opened}><summary>{said}</summary>{_tree(node['below'], whole, level + 1)}</details>")
        else:
            parts.append(f'<div class="leaf">{said}</div>')
    return "".join(parts)


def page(told: dict[str, Any]) -> str:
    """The page for what `inspect` told. O(its rows)"""
    whole = told["memory"] or 1
    sized = "serialized" in told
    by_kind: dict[str, int] = {}
    for row in told["types"]:
        by_kind[row["type"]] = by_kind.get(row["type"], 0) + row["memory"]
    colours = {kind: COLOURS[min(at, len(COLOURS) - 1)] for at, kind in enumerate(sorted(by_kind, key=by_kind.__getitem__, reverse=True))}
    kinds = {"rdb": "RDB file", "aof": "Append-only file", "jsonl": "JSON lines", "live": "Live store"}
    version = f", version {told['rdb_version']}" if "rdb_version" in told else ""
    dated = told["keys"] - told["deadlines"]["none"]["keys"]
    figures = [(f"{told['keys']:,}", "keys"), (size_text(told["memory"]), "of memory"),
               *([(size_text(told["serialized"]), "in a file")] if sized else []),
               (f"{100 * dated / max(told['keys'], 1):.0f} %", "have a deadline"), (f"{len(told['databases']):,}", "databases")]
    head = ["keys", "elements", "memory", "share", *(["in a file"] if sized else [])]

    def sums(row):
        return [f"{row['keys']:,}", f"{row['elements']:,}", size_text(row["memory"]), f"{100 * row['memory'] / whole:.1f} %",
                *([size_text(row.get("serialized", 0))] if sized else [])]

    parts = ["<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
             '<meta name="viewport" content="width=device-width, initial-scale=1">',
             f"<title>{escape(told['source'])}</title><style>{STYLE}</style></head><body>",
             f"<h1>{escape(told['source'])}</h1><p>{kinds[told['kind']]}{version}</p>"]
    parts += [f'<p class="note">{escape(note)}</p>' for note in told["notes"]]
    if told["libraries"]:
        parts.append(f"<p>Libraries of functions: {escape(', '.join(told['libraries']))}</p>")
    parts.append('<ul class="figures">' + "".join(f"<li><b>{escape(figure)}</b><span>{name}</span></li>" for figure, name in figures) + "</ul>")
    if told["keys"]:
        parts += ["<h2>Memory by type and encoding</h2>",
                  _share_strip([(kind, amount, colours[kind]) for kind, amount in sorted(by_kind.items(), key=lambda item: -item[1])]),
                  _chart([(f"{row['type']}, {row['encoding']}" if row["encoding"] else row["type"], row["memory"],
                           f"{size_text(row['memory'])}, {_keys(row['keys'])}", colours[row["type"]]) for row in told["types"]]),
                  _table(["type", "encoding", *head], [[row["type"], row["encoding"], *sums(row)] for row in told["types"]]),
                  "<h2>Keys by deadline</h2>",
                  _chart([(name, row["keys"], f"{_keys(row['keys'])}, {size_text(row['memory'])}", "var(--bar)")
                          for name, row in told["deadlines"].items()])]
        if len(told["databases"]) > 1:
            parts += ["<h2>Databases</h2>", _table(["database", *head], [[db, *sums(row)] for db, row in told["databases"].items()])]
        parts += ["<h2>Biggest keys</h2>",
                  _table(["key", "database", "type", "encoding", "elements", "memory", "deadline (UTC)"],
                         [[row["key"], str(row["db"]), row["type"], row["encoding"], f"{row['elements']:,}", size_text(row["memory"]),
                           moment_text(row.get("deadline"))] for row in told["biggest"]])]
        if told["prefixes"]:
            parts += ["<h2>Prefixes</h2>", _tree(told["prefixes"], whole)]
    return "".join(parts) + "</body></html>\n"
