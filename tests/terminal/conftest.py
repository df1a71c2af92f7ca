"""Servers to speak to, and the programs of the command line as processes."""
import os
import subprocess
import sys

import pytest

import hutch
from kit.launch import HUTCH_ENVIRONMENT

# A program must not find this machine's own settings, nor leave a history behind.
ENVIRONMENT = {**{name: value for name, value in HUTCH_ENVIRONMENT.items()
                  if not name.startswith(("HUTCH_URL", "HUTCH_PASSWORD", "REDISCLI_", "LESS", "PAGER", "NO_COLOR", "COLUMNS", "LINES"))},
               "HUTCH_HISTORY": "", "LC_ALL": "C.UTF-8"}
PROGRAM = [sys.executable, "-m", "hutch"]


@pytest.fixture
def server():
    """A listener over a store of its own."""
    with hutch.Server(port=0, enable_debug_command="yes") as server:
        yield server


@pytest.fixture
def run(tmp_path):
    """Runs `hutch` with these words to its end: (exit code, output, errors)."""
    def run(*words, stdin=b"", env=None, seconds=120):
        done = subprocess.run([*PROGRAM, *map(str, words)], input=stdin if isinstance(stdin, bytes) else stdin.encode(),
                              capture_output=True, timeout=seconds, env={**ENVIRONMENT, **(env or {})}, cwd=tmp_path)
        return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape")
    return run


@pytest.fixture
def spawn(tmp_path):
    """Starts a program in a pseudo-terminal, as pexpect has it; ended with the test."""
    pexpect = pytest.importorskip("pexpect")
    children = []

    def spawn(*words, program=None, env=None, dimensions=(40, 130)):
        command = [*(program or PROGRAM), *map(str, words)]
        child = pexpect.spawn(command[0], command[1:], env={**ENVIRONMENT, "TERM": "xterm-256color", **(env or {})}, dimensions=dimensions,
                              cwd=tmp_path, encoding="utf-8", codec_errors="replace", timeout=60)
        children.append(child)
        return child
    yield spawn
    for child in children:
        child.close(force=True)


@pytest.fixture
def redis_cli():
    """Runs Debian's redis-cli with these words: its output, as bytes."""
    from kit.oracle import PLAIN, find_tool
    path = find_tool("redis-cli")
    if path is None:
        pytest.skip("NOT COMPARED WITH REDIS-CLI: it is not installed (the package redis-tools)")

    def ask(port, *words, stdin=b""):
        return subprocess.run([path, "-p", str(port), *words], input=stdin, capture_output=True, timeout=60, env=PLAIN).stdout
    return ask


def pytest_collection_modifyitems(items):
    if os.name != "posix":
        for item in items:
            item.add_marker(pytest.mark.skip(reason="the programs are driven in a pseudo-terminal"))
