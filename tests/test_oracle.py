"""The Redis that we compare with dies, hangs or is spoilt in the midst of a comparison: that is told, mended, and no fault of ours."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit import oracle_supervisor
from kit.backends import SupervisedBackend, TcpConnection, TcpBackend
from kit.differential import Comparison
from kit.generators import Step
from kit.oracle_supervisor import OracleSupervisor
from kit.resp_client import RespClient, Reply

HERE = Path(__file__).parent
FATAL = (b"DEBUG", b"SEGFAULT")
SPOILING = (b"ACL", b"SETUSER", b"default", b"-@all", b"+ping")
HANGING = (b"EVAL", b"while true do end", b"0")
ORDINARY = [Step((b"SET", b"k%d" % at, b"v")) for at in range(5)]
AFTER = [Step((b"GET", b"k%d" % at)) for at in range(5)]


@pytest.fixture
def victim(oracle_binary):
    """A server of this test's own; its losses are the test's, and no warnings."""
    at = len(oracle_supervisor.LOSSES)
    with OracleSupervisor(oracle_binary, "--enable-debug-command", "yes") as supervisor:
        yield supervisor
    del oracle_supervisor.LOSSES[at:]


class Immune(TcpBackend):
    """Another Redis, which answers the bad commands without running them, and tells lies when it is asked to."""
    lie = staticmethod(lambda argv, raw: raw)

    def open(self):
        connection = TcpConnection(self.host, self.port)
        honest = connection.run

        def run(commands, silent=frozenset()):
            replies = honest([(b"PING",) if argv in (FATAL, SPOILING, HANGING) else argv for argv in commands])
            return [Reply(None, self.lie(argv, reply.raw)) if self.lie(argv, reply.raw) != reply.raw else reply
                    for argv, reply in zip(commands, replies)]
        connection.run = run
        return connection


@pytest.fixture
def comparison(victim, second_oracle):
    both = Comparison(Immune(second_oracle.host, second_oracle.port), SupervisedBackend(victim), 2)
    yield both
    both.close()


@pytest.mark.parametrize("command, told", ((FATAL, "died of SIGSEGV"), (SPOILING, "was spoilt")), ids=("dies", "spoilt"))
def test_a_comparison_goes_on_with_a_fresh_oracle(comparison, victim, command, told):
    """It is played again, without what killed it twice; and the differences that are there are found all the same."""
    at, before = len(oracle_supervisor.LOSSES), victim.generation
    steps = [*ORDINARY, Step(command), *AFTER]
    assert comparison.compare(steps) is None
    losses = oracle_supervisor.losses_since(at)
    assert len(losses) == 2 == victim.generation - before and all(loss.mended for loss in losses)
    for loss in losses:
        assert told in loss.what and any(command[1] in data for data in loss.last_sent), str(loss)
        assert "played again" in str(loss)
    if command == FATAL:
        assert all("BUG REPORT" in loss.log for loss in losses)
    assert comparison.kept_off == {command} and not comparison.not_compared
    # From now on it is kept off it, and nothing is lost any more.
    assert comparison.compare(steps) is None
    assert len(oracle_supervisor.losses_since(at)) == 2
    # A fault in the same sequence is one.
    comparison.subject.backend.lie = lambda argv, raw: b"$5\r\nwrong\r\n" if argv == (b"GET", b"k3") else raw
    comparison.subject.close()
    comparison.subject = type(comparison.subject)(comparison.subject.backend, 2)
    found = comparison.compare(steps)
    assert found and found.steps[found.index].argv == (b"GET", b"k3") and len(oracle_supervisor.losses_since(at)) == 2


def test_a_difference_beside_a_death_is_still_found(comparison):
    comparison.subject.backend.lie = lambda argv, raw: b"+KO\r\n" if argv[0] == b"SET" else raw
    comparison.subject.close()
    comparison.subject = type(comparison.subject)(comparison.subject.backend, 2)
    found = comparison.compare([Step(FATAL), *ORDINARY])
    assert found and found.steps[found.index] == ORDINARY[0]


class Fragile(SupervisedBackend):
    """Dies of whatever is sent to it."""

    def open(self):
        connection = TcpConnection(self.host, self.port)
        honest = connection.run

        def run(commands, silent=frozenset()):
            if commands[0] in [step.argv for step in ORDINARY]:
                self.supervisor.server.process.kill()
                self.supervisor.server.process.wait()
            return honest(commands, silent)
        connection.run = run
        return connection


def test_a_sequence_that_always_kills_is_given_up_loudly(victim, second_oracle):
    both = Comparison(Immune(second_oracle.host, second_oracle.port), Fragile(victim), 2)
    assert both.compare([*ORDINARY, *AFTER], seed=77) is None
    assert both.not_compared == [77]
    assert both.compare(AFTER) is None and both.not_compared == [77]
    both.close()


def test_a_script_without_end(victim, monkeypatch):
    monkeypatch.setattr(oracle_supervisor, "PATIENCE_SECONDS", 5)
    with RespClient(victim.host, victim.port) as client:
        client.execute("CONFIG", "SET", "busy-reply-threshold", "1")
        client.send_raw(b"EVAL 'while true do end' 0\r\n")
        loss = victim.check()
    assert loss and b"while true" in loss.last_sent[-1]
    with RespClient(victim.host, victim.port) as client:
        assert client.execute("PING").raw == b"+PONG\r\n"


def test_between_two_tests_it_is_tidied_up(victim):
    with RespClient(victim.host, victim.port) as client:
        client.pipeline([("SET", "k", "v"), ("CONFIG", "SET", "maxmemory-samples", "9", "notify-keyspace-events", "KEA"),
                         ("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() end)")])
        assert victim.check(tidy=True) is None
        assert [reply.raw for reply in client.pipeline([("DBSIZE",), ("CONFIG", "GET", "maxmemory-samples"), ("CONFIG", "GET", "notify-keyspace-events"),
                                                        ("FUNCTION", "LIST")])] == \
            [b":0\r\n", b"*2\r\n$17\r\nmaxmemory-samples\r\n$1\r\n5\r\n", b"*2\r\n$22\r\nnotify-keyspace-events\r\n$0\r\n\r\n", b"*0\r\n"]


# ---- whole tests, in a run of their own

SUITE = '''
import os
from pathlib import Path

import pytest
from kit.resp_client import RespClient

def once(name):
    """Whether this is the first time that somebody asks."""
    try:
        Path(os.environ["TRACES"], name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

@pytest.fixture
def client(oracle):
    with RespClient(oracle.host, oracle.port) as client:
        yield client

def test_dies_once(client):
    client.execute("SET", "k", "v")
    if once("died"):
        client.execute("DEBUG", "SEGFAULT")
    assert client.execute("GET", "k").value == b"v"

def test_spoilt_once(client, oracle):
    if once("spoilt"):
        client.execute("ACL", "SETUSER", "default", "-@all")
    assert client.execute("SET", "k", "v").raw == b"+OK\\r\\n"

def test_killed_behind_its_back(oracle):
    oracle.server.process.kill()

def test_after_it(client):
    assert client.execute("DBSIZE").value == 0

def test_dies_always(client, oracle):
    oracle.server.process.kill()
    client.execute("PING")

def test_fault_of_ours(client):
    once("fault") or once("fault again")
    assert client.execute("GET", "k").value == b"what Hutch would say"
'''


def test_tests_are_repeated(oracle_binary, tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    traces = tmp_path / "traces"
    traces.mkdir()
    environment = dict(os.environ, TRACES=str(traces), PYTHONPATH=os.pathsep.join([str(HERE), *sys.path]))
    environment.pop("PYTEST_XDIST_WORKER", None)
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rfs", "-p", "conftest", "-p", "no:cacheprovider", "-p", "no:xdist",
                          "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)],
                         env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "1 failed, 4 passed, 1 skipped, 6 warnings" in ran.stdout, ran.stdout + ran.stderr
    for told in ("FAILED test_suite.py::test_fault_of_ours", "lost 3 times in this test, at last: died of SIGKILL",
                 "test_dies_once: the Redis that we compare with died of SIGSEGV", "BUG REPORT", "was spoilt (its users are",
                 "test_killed_behind_its_back: the Redis that we compare with died of SIGKILL", r"ACL\r\n$7\r\nSETUSER"):
        assert told in ran.stdout, (told, ran.stdout)
    assert sorted(path.name for path in traces.iterdir()) == ["died", "fault", "spoilt"]          # a fault is not repeated
