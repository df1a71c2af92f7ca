"""Real applications on real servers. What is started here ends here, however a test ends.

Every test runs on a real Redis and on `hutch serve`: the first says that the test is right, the second that Hutch is.
"""
import sys
from pathlib import Path

import pytest
import redis

from kit.application_servers import PASSWORD, ApplicationServer, Processes
from kit.launch import serve
from kit.oracle import MISSING, RedisServer, find_oracle

# The applications are modules beside the tests, for worker processes, too; not every way of importing tests puts them on the path.
sys.path.insert(0, str(Path(__file__).parent))


def _run(kind, directory):
    """A context manager with .port: a Redis or a Hutch that also listens at `directory`/socket."""
    options = ("--unixsocket", str(directory / "socket"))
    if kind == "redis":
        binary = find_oracle()
        if binary is None:
            pytest.skip(MISSING)
        return RedisServer(binary, *options)
    return serve("--bind", "127.0.0.1", *options)


@pytest.fixture(scope="session", params=["redis", "hutch"])
def server(request, tmp_path_factory):
    """A server that all applications share, each in databases of its own."""
    directory = tmp_path_factory.mktemp(request.param)
    with _run(request.param, directory) as running:
        yield ApplicationServer(request.param, running.port, directory / "socket")


@pytest.fixture(scope="session", params=["redis", "hutch"])
def guarded(request, tmp_path_factory):
    """A server that asks for a password."""
    directory = tmp_path_factory.mktemp(request.param)
    with _run(request.param, directory) as running:
        with redis.Redis(port=running.port) as client:      # who waits for the server to answer has no password
            client.config_set("requirepass", PASSWORD)
        yield ApplicationServer(request.param, running.port, directory / "socket", PASSWORD)


@pytest.fixture(scope="module")
def processes():
    """Processes that several tests of a module use."""
    group = Processes()
    yield group
    group.end()


@pytest.fixture
def own_processes():
    """Processes of one test."""
    group = Processes()
    yield group
    group.end()
