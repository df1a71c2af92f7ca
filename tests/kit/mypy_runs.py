"""mypy, strict, on a program that uses the package."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def mypy(*arguments, cwd):
    """What mypy says, with these arguments, in this directory."""
    environment = {**os.environ, "MYPYPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'engine'}"}
    options = ["--strict", "--no-warn-return-any", "--follow-imports=silent", "--cache-dir", str(ROOT / ".mypy_cache")]
    return subprocess.run([sys.executable, "-m", "mypy", *options, *arguments], cwd=cwd, text=True, capture_output=True, env=environment,
                          timeout=500).stdout
