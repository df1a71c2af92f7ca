"""What docs/terminal.md shows is what happens."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from terminal.conftest import ENVIRONMENT

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "terminal.md"
TEXT = GUIDE.read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("jq") is None, reason="the guide pipes to jq, which is not installed")
def test_consoles(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "hutch").write_text(f'#!/bin/sh\nexec {sys.executable} -m hutch "$@"\n')
    (tools / "hutch").chmod(0o755)
    script, wanted = ["exec 2>&1"], []
    for block in blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                script.append(f"echo {len(wanted)}:")
                script.append("last() { return $code; }; last; " + line[2:] + "; code=$?")
                wanted.append("")
            else:
                wanted[-1] += line + "\n"
    assert len(wanted) > 8
    done = subprocess.run(["bash", "-c", "code=0\n" + "\n".join(script)], capture_output=True, text=True, cwd=tmp_path, timeout=300,
                          env={**ENVIRONMENT, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"})
    found = re.split(r"^\d+:\n", done.stdout, flags=re.MULTILINE)[1:]
    assert found == wanted


def test_python(tmp_path):
    pytest.importorskip("prometheus_client")
    pytest.importorskip("opentelemetry.trace")
    (program := tmp_path / "guide.py").write_text("\n".join(blocks("python")))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr


def test_every_metric_is_told_of():
    from hutch.metrics.catalogue import LABELLED, SINGLE
    for metric in [*SINGLE, *(metric for metric, _ in LABELLED.values())]:
        last = metric.name.partition("_")[2]
        assert metric.name in TEXT or f"_{last}" in TEXT or f"`_{metric.name.split('_')[-2]}_`" in TEXT, metric.name


def test_every_option_is_known():
    from hutch.terminal.cli import command
    known = {name for option in command.params for name in option.opts + option.secondary_opts}
    part = TEXT[TEXT.index("redis-cli's options"):TEXT.index("### One command")]
    assert set(re.findall(r"`(--?[a-z0-9-]+)`", part)) <= known
    assert "--history" in known and "--no-shell" in known
