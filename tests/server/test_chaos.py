"""A minute of tests/kit/chaos.py, each of its kinds in a process of its own. HUTCH_CHAOS_SECONDS (60, for all of them together) and
HUTCH_CHAOS_SEED make it longer and other; `make chaos` runs it for an hour."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.launch import HUTCH_ENVIRONMENT
from kit.waiting import SLOW

PROGRAM = Path(__file__).resolve().parents[1] / "kit/chaos.py"
KINDS = ("sockets", "alone", "limited", "ends", "refused")
SECONDS = float(os.environ.get("HUTCH_CHAOS_SECONDS", "60")) / len(KINDS)
SEED = os.environ.get("HUTCH_CHAOS_SEED", "1")
PATIENCE_SECONDS = 60 * SLOW


@pytest.mark.parametrize("kind", KINDS)
def test_chaos(kind):
    pytest.importorskip("lupa.lua51")
    if kind == "refused" and (sys.platform != "linux" or os.environ.get("HUTCH_BUILD") in ("sanitize", "threads")):
        pytest.skip("needs RLIMIT_AS, which the sanitizers' shadow memory does not fit into")
    done = subprocess.run([sys.executable, str(PROGRAM), "--kind", kind, "--seconds", str(SECONDS), "--seed", SEED],
                          env=dict(HUTCH_ENVIRONMENT, HUTCH_CHAOS_PATIENCE=str(PATIENCE_SECONDS)), capture_output=True,
                          text=True, timeout=SECONDS * 3 + 6 * PATIENCE_SECONDS)
    assert done.returncode == 0, (done.returncode, done.stderr[-8000:])
    assert f"{kind}: " in done.stdout and f"{kind}: 0 rounds" not in done.stdout
