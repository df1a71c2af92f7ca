"""Bars: rich's where it is there, plain ones where not, nothing where there is no terminal."""
import io
import subprocess
import sys

import pytest

from hutch.tools import progress
from kit.launch import HUTCH, HUTCH_ENVIRONMENT


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_with_rich():
    pytest.importorskip("rich", reason="NOT TRIED WITH RICH: it is not installed (the test extra has it)")
    out = Terminal()
    with progress.Bar("Keys", 10, out) as bar:
        for _ in range(20):              # more than was expected: a live store grows
            bar.advance(1, "2 not copied")
        bar._rich.refresh()
    assert "Keys" in out.getvalue() and "20/20" in out.getvalue()


def test_without_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setattr(progress.Progress, "PATIENCE_SECONDS", 0)
    out = Terminal()
    with progress.Bar("Keys", 10, out) as bar:
        bar.advance(5)
    assert "Keys [####" in out.getvalue() and "50.0 %" in out.getvalue()


def test_without_a_terminal():
    out = io.StringIO()
    with progress.Bar("Keys", 10, out) as bar:
        bar.advance(5)
    assert out.getvalue() == ""


def test_the_tools_do_without_rich(dump):
    program = "import sys; sys.modules['rich'] = None; from hutch.cli import main; sys.exit(main(sys.argv[1:]))"
    said = subprocess.run([sys.executable, "-c", program, "inspect", str(dump)], env=HUTCH_ENVIRONMENT, capture_output=True, text=True)
    assert said.returncode == 0 and "Biggest keys" in said.stdout and not said.stderr


def test_serving_loads_no_tools():
    program = "import sys, hutch, hutch.cli; print(sorted(name for name in sys.modules if name.startswith(('hutch.tools.', 'rich'))))"
    said = subprocess.run([sys.executable, "-c", program], env=HUTCH_ENVIRONMENT, capture_output=True, text=True)
    assert said.stdout.strip() == "['hutch.tools.commands']"


def test_who_has_read_enough(dump):
    """`hutch convert ... - | head -1`"""
    with subprocess.Popen([*HUTCH[:-1], "convert", str(dump), "-"], env=HUTCH_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        assert tool.stdout.readline().startswith(b"{")
        tool.stdout.close()
        assert b"Traceback" not in tool.stderr.read()
