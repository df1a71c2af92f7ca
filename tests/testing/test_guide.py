"""docs/testing.md: all Python of the page is one test file, which passes."""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_guide_s_snippets_run(tmp_path):
    page = (ROOT / "docs/testing.md").read_text()
    snippets = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(snippets) >= 10
    (tmp_path / "test_guide_snippets.py").write_text("\n\n".join(snippets))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", str(tmp_path)], cwd=tmp_path,
                          text=True, capture_output=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(re.findall(r'def test_', page)) + 1} passed" in done.stdout, done.stdout


def test_the_guide_names_what_there_is():
    page = (ROOT / "docs/testing.md").read_text()
    from hutch.testing import faults
    for name in set(faults.__all__) - {"Fault", "inject"}:
        assert f"`{name}(" in page or f"faults.{name}" in page, name
