"""The same random commands on Hutch and on Redis 8.2: whole replies, byte for byte, in RESP2 and RESP3.

HUTCH_DIFF_COMMANDS sets how many commands a run compares (half of them in each protocol); HUTCH_DIFF_SEED repeats a run.
The harness itself is tested first: Redis against Redis must agree, and a server that lies must be found out.
"""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hutch.testing.replies import decode
from kit.backends import SupervisedBackend, ModelBackend, TcpConnection, TcpBackend
from kit.differential import SEQUENCE, Comparison
from kit.families import EMBEDDED, families
from kit.generators import Gen, Step
from kit.launch import HUTCH_ENVIRONMENT
from kit.resp_client import Closed, Reply

COMMANDS = int(os.environ.get("HUTCH_DIFF_COMMANDS", "60000"))
SEED = int(os.environ.get("HUTCH_DIFF_SEED", "20260801"))


def assert_same_replies(subject, oracle, protocol, chosen, commands=COMMANDS // 2):
    both = Comparison(subject, SupervisedBackend(oracle), protocol)
    try:
        done, found = both.run(commands, SEED, chosen)
    finally:
        both.close()
    if found:
        pytest.fail(str(found), pytrace=False)
    assert done >= commands
    # What it died of once or twice is told and left out; with more, it is no comparison any more.
    assert len(both.not_compared) * 20 <= done // SEQUENCE, both.not_compared


@pytest.mark.parametrize("protocol", (2, 3))
def test_redis_agrees_with_itself(oracle, second_oracle, protocol):
    """What the generators make and the comparers demand holds between two servers that are the same."""
    assert_same_replies(SupervisedBackend(second_oracle), oracle, protocol, families(), COMMANDS // 4)


@pytest.mark.parametrize("protocol", (2, 3))
def test_model(oracle, protocol):
    assert_same_replies(ModelBackend(), oracle, protocol, families("strings", "keys", "bitmaps"))


@pytest.mark.parametrize("protocol", (2, 3))
def test_listener(oracle, hutch_server, protocol):
    assert_same_replies(TcpBackend(hutch_server.host, hutch_server.port), oracle, protocol, families())


@pytest.mark.parametrize("protocol", (2, 3))
def test_embedded(oracle, embedded, protocol):
    assert_same_replies(embedded, oracle, protocol, families(*EMBEDDED))


class Liar(TcpBackend):
    """A Redis whose answers are turned into wrong ones by `lie(argv, reply)`."""

    def __init__(self, host, port, lie):
        super().__init__(host, port)
        self.lie = lie

    def open(self):
        connection = TcpConnection(self.host, self.port)
        honest = connection.run
        connection.run = lambda commands: [Reply(decode(raw)[0], raw) for raw in (
            self.lie(argv, reply.raw) for argv, reply in zip(commands, honest(commands)))]
        return connection


@pytest.mark.parametrize("name, lie, least, last", (
    ("a wrong byte in one error text", lambda argv, raw: raw.replace(b"syntax error", b"Syntax error"), 1, b""),
    ("a wrong integer", lambda argv, raw: b":7\r\n" if argv[0] == b"STRLEN" and raw == b":6\r\n" else raw, 2, b"STRLEN"),
    ("a key that SCAN forgets", lambda argv, raw: b"*2\r\n$1\r\n0\r\n*0\r\n" if argv[0] == b"SCAN" and b"\r\nk1\r\n" in raw else raw, 2, b"SCAN"),
    ("a TTL far off", lambda argv, raw: b":99\r\n" if argv[0] == b"TTL" and raw[1:2].isdigit() else raw, 3, b"TTL"),
))
def test_lies_are_found_and_shrunk(oracle, second_oracle, name, lie, least, last):
    both = Comparison(Liar(second_oracle.host, second_oracle.port, lie), SupervisedBackend(oracle), 2)
    _, found = both.run(20_000, 1, families("strings", "keys"))
    both.close()
    assert found, name
    assert len(found.steps) <= least, str(found)
    assert last in found.steps[-1].argv[0].upper(), str(found)


def test_a_dead_connection_is_a_difference(oracle, second_oracle):
    """A subject that hangs up in the middle is reported with the command that did it, and the run can go on."""
    class HangsUp(TcpBackend):
        def open(self):
            connection = TcpConnection(self.host, self.port)
            honest = connection.run

            def run(commands):
                at = next((at for at, argv in enumerate(commands) if argv[0] == b"GETDEL"), len(commands))
                before = honest(commands[:at])
                if at < len(commands):
                    connection.socket.shutdown(2)
                    lost = Closed(b"")
                    lost.replies = before
                    raise lost
                return before
            connection.run = run
            return connection

    both = Comparison(HangsUp(second_oracle.host, second_oracle.port), SupervisedBackend(oracle), 2)
    _, found = both.run(5_000, 1, families("strings"))
    both.close()
    assert found and [step.argv[0] for step in found.steps] == [b"GETDEL"], str(found)


def test_generation_is_repeatable():
    assert Gen(5).sequence(families(), 500) == Gen(5).sequence(families(), 500)
    assert Gen(5).sequence(families(), 500) != Gen(6).sequence(families(), 500)
    assert all(isinstance(step, Step) and all(isinstance(word, bytes) for word in step.argv)
               for step in Gen(7).sequence(families(), 5_000))


def test_as_a_program(oracle):
    program = Path(__file__).resolve().parent / "kit/differential.py"
    ran = subprocess.run([sys.executable, str(program), "--subject", "model", "--commands", "150", "--seed", "1", "--protocol", "3"],
                         env=HUTCH_ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0 and ran.stdout.startswith("RESP3: 1") and "seed 1" in ran.stdout, ran.stdout + ran.stderr
