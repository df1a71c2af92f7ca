"""The Python that the pages show runs: all blocks of a page in their order, in one program of their own.

A block that cannot run here has a comment in the line before it, which no reader of the page sees: `<!-- not run: why -->`.
"""
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from kit.launch import HUTCH_ENVIRONMENT
from kit.waiting import SLOW

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?P<before>[^\n]*)\n+(?P<indent> *)```python\n(?P<text>.*?)\n(?P=indent)```", re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
# Pages whose snippets another test runs in its own way.
ELSEWHERE = {"files.md": "tools/test_guides.py", "growing.md": "tools/test_guides.py", "terminal.md": "terminal/test_terminal_guide.py"}


def _blocks(page):
    return [(match["text"], match.start("text")) for match in BLOCK.finditer("\n" + page.read_text())
            if not NOT_RUN.fullmatch(match["before"].strip())]


def _pages():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in pages if page.name not in ELSEWHERE and _blocks(page)]


def _program(page):
    """Each block at the lines that it has in its page, so that an error names them."""
    text = page.read_text()
    lines = []
    for block, start in _blocks(page):
        lines += [""] * (text.count("\n", 0, start - 1) - len(lines))
        lines += textwrap.dedent(block).split("\n")
    return "\n".join(lines)


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.name)
def test_a_pages_snippets_run(page, tmp_path):
    program = ("import sys\nsource = sys.stdin.read()\n"
               f"exec(compile(source, {page.name!r}, 'exec', dont_inherit=True), {{'__name__': '__main__'}})\n")
    done = subprocess.run([sys.executable, "-c", program], input=_program(page), capture_output=True, text=True, cwd=tmp_path,
                          env=dict(HUTCH_ENVIRONMENT, HOME=str(tmp_path)), timeout=120 * SLOW)
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere():
    missing = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not os.path.exists(page.parent / target):
                missing.append(f"{page.name}: {target}")
    assert not missing


def test_the_site_lists_every_page():
    """mkdocs.yml has all pages, and no other ones."""
    listed = re.findall(r"^ +- [^:\n]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))
