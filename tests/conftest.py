"""Shared fixtures: a real Redis to compare with, and Hutch's own listener. One of each per file and xdist worker."""
import importlib.util
import signal
import sys
from pathlib import Path

# Some applications bring hiredis along, with which redis-py over TCP spells words in another way, and refuses others. What
# Hutch is compared with is redis-py's own; the applications' processes have their hiredis.
sys.modules.setdefault("hiredis", None)

import pytest

pytest.register_assert_rewrite("kit")        # a helper's failed assertion shows its values, too

from kit.oracle import MISSING, find_oracle, find_tool
from kit.oracle_plugin import pytest_runtest_protocol      # noqa: F401  (repeats tests whose oracle was lost)
from kit.oracle_supervisor import OracleSupervisor


def pytest_configure(config):
    """A shell that starts a job in the background has it ignore Ctrl-C, and so would all the programs that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# These take longest, or mostly wait: they come first, so that at the end every worker has short tests to take from another.
LONG_FIRST = (
    "applications/", "server/test_chaos.py", "commands/test_short_of_memory.py", "commands/test_refused_memory.py",
    "scripting/test_lua_libraries.py", "python/test_lifetimes.py", "server/test_cli.py", "test_collections_model.py", "test_ways_in.py",
    "test_differential.py", "test_sanitized_runs.py", "persistence/test_dump.py", "base/test_numbers.py", "scripting/test_hostile.py",
    "python/test_asyncio_waiting.py", "python/test_greenlets.py", "structures/test_stream.py", "test_strings_model.py",
    "server/test_batches.py", "base/test_glob.py", "python/test_asyncio_pubsub.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Files that take long come first; within a file nothing moves, since its tests share servers."""
    def rank(item):
        name = item.nodeid.removeprefix("tests/")
        return next((at for at, long in enumerate(LONG_FIRST) if name.startswith(long)), len(LONG_FIRST))
    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_at_the_root():
    """A real Redis saves where it was started, unless it is told of another directory."""
    dump = Path(__file__).resolve().parents[1] / "dump.rdb"
    there = dump.exists()
    yield
    assert there or not dump.exists(), f"{dump}: some test starts a redis-server without a directory of its own"


@pytest.fixture(scope="session")
def oracle_binary():
    path = find_oracle()
    if path is None:
        pytest.skip(MISSING)
    return path


# A server a file: what cannot be tidied up between two tests (DEBUG's switches, what scripts changed in their libraries) ends with it.

@pytest.fixture(scope="module")
def oracle(oracle_binary):
    """A running redis-server 8.2 with `.host` and `.port`; when it is lost, its OracleSupervisor puts another in its place."""
    with OracleSupervisor(oracle_binary, "--enable-debug-command", "yes") as supervisor:
        yield supervisor


@pytest.fixture(scope="module")
def second_oracle(oracle_binary):
    """A second one: what holds between two real servers may be asked of Hutch."""
    with OracleSupervisor(oracle_binary, "--enable-debug-command", "yes") as supervisor:
        yield supervisor


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
    """An EmbeddedBackend: the engine in this process."""
    need_engine()
    from kit.backends import EmbeddedBackend
    return EmbeddedBackend()
