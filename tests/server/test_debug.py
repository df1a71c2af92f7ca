"""DEBUG, MEMORY, SHUTDOWN, LOLWUT and TIME."""
import re
import time

import pytest

from subjects import TcpSubject


@pytest.fixture
def debugger(engine):
    from subjects import EmbeddedConnection
    return EmbeddedConnection(engine.session())


@pytest.fixture
def real(oracle):
    connection = TcpSubject(oracle.host, oracle.port).open()
    yield connection
    connection.run([["FLUSHALL"]])
    connection.close()


def both(debugger, real, *commands):
    script = [command.split(" ") if isinstance(command, str) else command for command in commands]
    for command, mine, its in zip(script, debugger.run(script), real.run(script)):
        assert mine.raw == its.raw, command


def test_sockets_need_leave(client):
    assert client.run([["DEBUG", "SLEEP", "0"]])[0].raw.startswith(b"-ERR DEBUG command not allowed.")


def test_digests_are_redis_own(debugger, real):
    both(debugger, real, "FLUSHALL", "DEBUG DIGEST", "SET a b", "SET n 12", "SET e x EX 1000", "SELECT 2", "SET a b",
         "DEBUG DIGEST", "DEBUG DIGEST-VALUE a nosuch", "SELECT 0", "DEBUG DIGEST-VALUE n e", "DEBUG POPULATE 100 k 20",
         "DEBUG DIGEST", "DEBUG POPULATE 3", "GET key:2", "GET k:99", "DEBUG POPULATE -1", "DEBUG POPULATE a", "DBSIZE")


@pytest.mark.parametrize("protocol", "23")
def test_protocol(debugger, real, protocol):
    names = "string integer double null array set map verbatim true false bignum foo".split()
    both(debugger, real, ["FLUSHALL"])
    for side in (debugger, real):
        side.run([["HELLO", protocol]])
    both(debugger, real, *[["DEBUG", "PROTOCOL", name] for name in names])


def test_same_words(debugger, real):
    both(debugger, real, "DEBUG", "DEBUG foo", "DEBUG OBJECT nosuch", "DEBUG HTSTATS 99", "DEBUG HTSTATS-KEY nosuch", "SET s 1",
         "DEBUG HTSTATS-KEY s", "DEBUG SET-ACTIVE-EXPIRE 1", "DEBUG CHANGE-REPL-ID", ["DEBUG", "ERROR", "FOO bar"],
         "DEBUG DICT-RESIZING 1", "DEBUG SLEEP 0", "MEMORY foo", "MEMORY HELP", "MEMORY USAGE nosuch",
         "MEMORY USAGE s SAMPLES", "MEMORY USAGE s SAMPLES -1", "MEMORY USAGE s SAMPLES x", "MEMORY USAGE s FOO 3",
         "MEMORY PURGE", "TIME 2", "SHUTDOWN foo", "SHUTDOWN ABORT", "SHUTDOWN NOSAVE SAVE", "SHUTDOWN ABORT NOW")


def test_object(debugger, real):
    for command in (["SET", "s", "12"], ["SET", "e", "hello"]):
        debugger.run([command]), real.run([command])
    for key in ("s", "e"):
        mine, its = (re.sub(rb"0x[0-9a-f]+|lru:\d+", b"", side.run([["DEBUG", "OBJECT", key]])[0].raw)
                     for side in (debugger, real))
        assert mine == its


def test_the_host_survives(debugger):
    for word in ("SEGFAULT", "PANIC", "OOM", "ASSERT", "RESTART", "CRASH-AND-RECOVER"):
        assert b"refused" in debugger.run([["DEBUG", word]])[0].raw
    assert debugger.run([["SHUTDOWN", "NOSAVE"]])[0].raw.startswith(b"-ERR SHUTDOWN would end")


def test_shutdown_by_a_client(engine, client):
    assert not engine.wait_shutdown(0)
    with pytest.raises(Exception):
        client.run([["SHUTDOWN", "NOSAVE"]])
    assert engine.wait_shutdown(5)


def test_odds_and_ends(debugger):
    now = debugger.run([["TIME"]])[0].value
    assert abs(int(now[0]) - time.time()) < 5
    art = debugger.run([["LOLWUT", "VERSION", "5"]])[0].value
    assert art.endswith(b"Redis ver. 8.2.3\n")
    debugger.run([["SET", "a", "x" * 1000]])
    assert debugger.run([["MEMORY", "USAGE", "a"]])[0].value > 1000
    stats = debugger.run([["MEMORY", "STATS"]])[0].value
    assert stats[::2][0] == b"peak.allocated" and len(stats) % 2 == 0
    assert b"slab" in debugger.run([["MEMORY", "MALLOC-STATS"]])[0].value
    assert debugger.run([["MEMORY", "DOCTOR"]])[0].value
