"""Waiting under gevent and eventlet: the other greenlets of the thread go on. In processes of their own, since patching is."""
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("greenlets_program.py")


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="greenlets copy stacks about, which a sanitizer takes for overruns")
@pytest.mark.parametrize("patching", ["patched", "plain"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets(library, patching):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = subprocess.run([sys.executable, "-W", "ignore", "-X", "faulthandler", str(PROGRAM), library, patching],
                          capture_output=True, text=True, timeout=240)
    assert done.stdout.endswith("\ndone\n") and done.returncode == 0, done.stdout + done.stderr
