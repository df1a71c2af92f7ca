"""Shared fixtures: a real Redis to compare with, and Hutch's own listener. One of each per file and xdist worker."""
import importlib.util
import signal
import sys

# Some applications bring hiredis along, with which redis-py over TCP spells words in another way, and refuses others. What
# Hutch is compared with is redis-py's own; the applications' processes have their hiredis.
sys.modules.setdefault("hiredis", None)

import pytest

from oracle import MISSING, find_oracle, find_tool
from oracle_keeper import Keeper
from oracle_reports import pytest_runtest_protocol      # noqa: F401  (repeats tests whose oracle was lost)


def pytest_configure(config):
    """A shell that starts a job in the background has it ignore Ctrl-C, and so would all the programs that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def oracle_binary():
    path = find_oracle()
    if path is None:
        pytest.skip(MISSING)
    return path


# A server a file: what cannot be tidied up between two tests (DEBUG's switches, what scripts changed in their libraries) ends with it.

@pytest.fixture(scope="module")
def oracle(oracle_binary):
    """A running redis-server 8.2 with `.host` and `.port`; when it is lost, its Keeper puts another in its place."""
    with Keeper(oracle_binary, "--enable-debug-command", "yes") as keeper:
        yield keeper


@pytest.fixture(scope="module")
def oracle_twin(oracle_binary):
    """A second one: what holds between two real servers may be asked of Hutch."""
    with Keeper(oracle_binary, "--enable-debug-command", "yes") as keeper:
        yield keeper


@pytest.fixture(scope="session")
def redis_tool():
    """A function that finds a tool of the distribution's redis package, or skips saying how to get it."""
    def find(name: str) -> str:
        path = find_tool(name)
        if path is None:
            pytest.skip(f"{name} is not on PATH (Debian: apt install redis-tools redis-server)")
        return path
    return find


def need_engine() -> None:
    """Skip while the engine is not built; an import that fails once it is built is a failure."""
    try:
        built = importlib.util.find_spec("hutch_engine.door.engine") is not None
    except ModuleNotFoundError:
        built = False
    if not built:
        pytest.skip("the engine is not built: hutch_engine.door.engine is missing")


def hutch_module():
    need_engine()
    import hutch
    return hutch


@pytest.fixture(scope="module")
def hutch_server():
    """Hutch's listener on a free port, with `.host` and `.port`."""
    with hutch_module().Server(port=0, enable_debug_command="yes") as server:        # as the oracle
        yield server


@pytest.fixture(scope="session")
def embedded():
    """An EmbeddedSubject: the engine in this process."""
    need_engine()
    from subjects import EmbeddedSubject
    return EmbeddedSubject()
