"""Charts of Hutch's figures beside its peers, as SVG files for docs/performance.md.

    python bench/charts.py                   # measures, then draws; some ten minutes
    python bench/charts.py --draw            # only draws what docs/charts/figures.json has

Each figure is a ratio or a time that one of the scripts beside this one prints; Hutch and its peer are measured in turn in the same run. The file
keeps the commit, the machine and the date with the figures.
"""
import argparse
import datetime
import json
import platform
import re
import subprocess
import sys
from html import escape
from pathlib import Path

BENCH = Path(__file__).resolve().parent
CHARTS = BENCH.parent / "docs" / "charts"
FIGURES = CHARTS / "figures.json"
WIDTH, LABEL, BAR, GAP = 720, 190, 18, 26


def run(script, *arguments):
    """What a script of bench/ prints."""
    print(f"{script} {' '.join(arguments)} ...", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, str(BENCH / script), *arguments], check=True, capture_output=True, text=True).stdout


def ratios(text):
    """{"set": {"1": ratio, "16": ratio}, ...} of lines with test, pipeline, Redis's microseconds, Hutch's and the ratio."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(\w+)\s+(\d+)\s+[\d.]+\s+[\d.]+\s+([\d.]+)$", line)
        if match:
            found.setdefault(match[1], {})[match[2]] = float(match[3])
    return found


def memory(text):
    """[[label, Redis's bytes a key, Hutch's], ...]"""
    return [[f"{match[1]} bytes{' + deadline' if match[2] else ''}", float(match[3]), float(match[4])]
            for match in re.finditer(r"^ *(\d+) +(\+ deadline)? +([\d.]+) +([\d.]+) +[\d.]+$", text, re.MULTILINE)]


def commit():
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=BENCH, capture_output=True, text=True).stdout.strip()


def bars(title, unit, rows, line=None):
    """An SVG: one bar for each (label, value, its colour), and a line at the value that the peer has."""
    most = max([value for _, value, _ in rows] + [line or 0]) * 1.08
    scale = (WIDTH - LABEL - 70) / most
    height = 50 + GAP * len(rows) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
             f'<title>{escape(title)}</title>', f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             f'<text x="10" y="22" font-size="15" font-weight="bold" fill="#222222">{escape(title)}</text>']
    for number, (label, value, colour) in enumerate(rows):
        top = 42 + GAP * number
        parts.append(f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end" fill="#222222">{escape(label)}</text>')
        parts.append(f'<rect x="{LABEL}" y="{top}" width="{value * scale:.1f}" height="{BAR}" fill="{colour}"/>')
        parts.append(f'<text x="{LABEL + value * scale + 6:.1f}" y="{top + 14}" fill="#222222">{value:g}{escape(unit)}</text>')
    if line is not None:
        at = LABEL + line * scale
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="34" y2="{height - 8}" stroke="#b03030" stroke-dasharray="4 3"/>')
    return "\n".join([*parts, "</svg>", ""])


def draw(figures):
    colours = {"1": "#9db4c8", "16": "#4f7ca3", "100": "#1f4e79"}
    for name, title in (("server_cpu", "Server CPU time per request"), ("collections_cpu", "Server CPU time per request, collections")):
        rows = [(f"{test}, pipeline {depth}", value, colours[depth])
                for test, found in figures[name].items() for depth, value in found.items()]
        (CHARTS / f"{name.replace('_', '-')}.svg").write_text(bars(f"{title}: Redis 8.2.3 is 1", "", rows, 1))
    rows = [row for label, redis, hutch in figures["memory"]
            for row in ((f"{label}, Redis", redis, "#c9b99b"), (f"{label}, Hutch", hutch, "#4f7ca3"))]
    (CHARTS / "memory.svg").write_text(bars("Bytes of memory per key of 16 bytes, by its value", " B", rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    CHARTS.mkdir(exist_ok=True)
    if not arguments.draw:
        figures = {"commit": commit(), "date": datetime.date.today().isoformat(),
                   "machine": f"{platform.machine()}, {platform.system()}, CPython {platform.python_version()}",
                   "server_cpu": ratios(run("server_cpu.py", "--rounds", "3", "--requests", "60000", "--keys", "100000")),
                   "collections_cpu": ratios(run("collections_cpu.py", "--rounds", "3", "--requests", "40000",
                                                 "--tests", "lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100")),
                   "memory": memory(run("memory.py"))}
        for name in ("server_cpu", "collections_cpu", "memory"):
            if not figures[name]:
                sys.exit(f"{name}.py printed nothing that is understood")
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    draw(json.loads(FIGURES.read_text()))


if __name__ == "__main__":
    main()
