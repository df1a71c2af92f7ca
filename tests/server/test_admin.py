"""TIME, LOLWUT, SHUTDOWN and MEMORY."""
import re
import threading
import time

import pytest

from kit.backends import EmbeddedConnection, TcpBackend
from kit.resp_client import Closed

SAME = [
    "TIME 2", "MEMORY", "MEMORY foo", "MEMORY HELP", "MEMORY HELP x", "MEMORY PURGE", "MEMORY PURGE x", "MEMORY USAGE",
    "MEMORY USAGE nosuch", "MEMORY USAGE nosuch SAMPLES a", "SET s 1", "MEMORY USAGE s SAMPLES", "MEMORY USAGE s SAMPLES -1",
    "MEMORY USAGE s SAMPLES x", "MEMORY USAGE s FOO 3", "MEMORY USAGE s SAMPLES 3 x", "MEMORY STATS x", "MEMORY DOCTOR x",
    "SHUTDOWN foo", "SHUTDOWN ABORT", "SHUTDOWN ABORT ABORT", "SHUTDOWN NOSAVE SAVE", "SHUTDOWN SAVE NOSAVE",
    "SHUTDOWN ABORT NOW", "SHUTDOWN FORCE ABORT", "SHUTDOWN NOW NOW foo", "SHUTDOWN NOSAVE NOSAVE SAVE",
    "LOLWUT VERSION x", "LOLWUT VERSION 1", "LOLWUT VERSION 7", "LOLWUT VERSION 5 a", "LOLWUT VERSION 6 10 x",
    "MULTI", "SHUTDOWN", "EXEC",
]


@pytest.fixture
def inside(engine):
    """A caller in the process."""
    return EmbeddedConnection(engine.session())


def ask(connection, *argv):
    return connection.run([argv])[0]


def test_same_words(same_as_redis):
    same_as_redis(*SAME)


def test_time_is_the_engines(engine, inside):
    seconds, microseconds = (int(word) for word in ask(inside, "TIME").value)
    assert abs(seconds + microseconds / 1e6 - time.time()) < 5
    engine.set_clock_ms(1_234_567_890_123)
    assert ask(inside, "TIME").value == [b"1234567890", b"123000"]


@pytest.mark.parametrize("argv", [(), ("VERSION", "5"), ("VERSION", "6", "40", "20"), ("VERSION", "8", "x"), ("a", "b"),
                                  ("10", "10"), ("VERSION",), ("VERSION", "5", "-1", "99999999999"), ("100", "9")])
def test_lolwut(inside, argv):
    art = ask(inside, "LOLWUT", *argv).value
    assert art.endswith(b"\n\nRedis ver. 8.2.3\n") and b"|_|___|_|___|/" in art
    assert ask(inside, "LOLWUT", *argv).value != art


def test_lolwut_keeps_to_the_wished_size(inside):
    lines = ask(inside, "LOLWUT", "VERSION", "5", "80", "20").value.decode().split("\n")[:-3]
    assert len(lines) == 20 and {len(line) for line in lines} == {80}


# ---- SHUTDOWN

@pytest.mark.parametrize("argv", [(), ("NOSAVE",), ("nosave", "now", "force"), ("SAVE", "FORCE")])
def test_shutdown_by_a_client(engine, client, argv, tmp_path):
    engine.configure("dir", str(tmp_path))
    assert not engine.wait_shutdown(0)
    seen = []

    def wait():
        seen.append(engine.wait_shutdown(10))

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.02)
    with pytest.raises(Exception):                       # no reply: the connection ends
        client.run([("SHUTDOWN", *argv)])
    waiter.join()
    assert seen == [True]


def test_nobody_is_served_after_shutdown(engine, client):
    """Until whoever runs the program ends it: neither those that are there nor new ones."""
    port = engine.port
    others = [TcpBackend("127.0.0.1", port).open() for _ in range(5)]
    for other in others:
        ask(other, "PING")
    others[0].send_raw(b"*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n")
    client.send_raw(b"SHUTDOWN NOSAVE\r\nSET a 1\r\n")
    for connection in (client, *others):
        with pytest.raises((Closed, ConnectionError)):
            connection.read()
        with pytest.raises((Closed, ConnectionError)):
            connection.execute("SET", "a", "1")
    with pytest.raises(ConnectionRefusedError):
        TcpBackend("127.0.0.1", port).open()
    assert engine.wait_shutdown(10)
    inside = EmbeddedConnection(engine.session())        # the store is the program's
    assert ask(inside, "EXISTS", "a").value == 0 and ask(inside, "SET", "b", "1").raw == b"+OK\r\n"


def test_shutdown_that_cannot_save(engine, client, tmp_path):
    (tmp_path / "dump.rdb").mkdir()
    engine.configure("dir", str(tmp_path))
    assert ask(client, "SHUTDOWN", "SAVE").raw == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    assert not engine.wait_shutdown(0)
    assert ask(client, "PING").raw == b"+PONG\r\n"


def test_a_caller_in_the_process_cannot_end_it(engine, inside):
    for argv in (("SHUTDOWN",), ("SHUTDOWN", "NOSAVE", "NOW"), ("SHUTDOWN", "FORCE")):
        assert ask(inside, *argv).raw.startswith(b"-ERR SHUTDOWN would end the program")
    assert not engine.wait_shutdown(0)


# ---- MEMORY

def stats(connection) -> dict:
    flat = ask(connection, "MEMORY", "STATS").value
    return dict(zip(flat[::2], flat[1::2]))


def test_stats_have_redis_names_in_redis_order(inside, oracle):
    real = TcpBackend(oracle.host, oracle.port).open()
    real.run([["FLUSHALL"]])
    for side in (inside, real):
        side.run([["SET", "a", "1"], ["SELECT", "3"], ["SET", "b", "1"], ["SELECT", "0"]])
    assert list(stats(inside)) == list(stats(real))
    for side in (inside, real):
        side.run([["HELLO", "3"]])
    mine, its = (ask(side, "MEMORY", "STATS").value for side in (inside, real))
    assert [type(value) for _, value in mine.pairs] == [type(value) for _, value in its.pairs]
    real.run([["FLUSHALL"], ["RESET"]])
    real.close()


def test_stats_grow_with_the_data(engine, inside):
    empty = stats(inside)
    assert empty[b"keys.count"] == 0 and 0 < empty[b"startup.allocated"] <= empty[b"total.allocated"]
    ask(inside, "DEBUG", "POPULATE", "1000", "key", "1000")
    full = stats(inside)
    assert full[b"keys.count"] == 1000
    assert 1000 <= full[b"keys.bytes-per-key"] < 2000
    assert full[b"dataset.bytes"] - empty[b"dataset.bytes"] > 1_000_000
    assert full[b"total.allocated"] == pytest.approx(engine.used_memory, abs=20000)
    assert full[b"peak.allocated"] >= full[b"total.allocated"] >= full[b"overhead.total"] + full[b"dataset.bytes"] - 1
    assert 50 < float(full[b"dataset.percentage"]) <= 100


@pytest.mark.parametrize("size", [0, 10, 400, 600, 5000, 100_000])
def test_usage_is_what_the_key_takes(engine, inside, size):
    ask(inside, "SET", "first", "x")                     # tables and buffers are there from now on
    ask(inside, "MEMORY", "USAGE", "first")
    before = engine.used_memory
    ask(inside, "SET", "key", "x" * size)
    taken = engine.used_memory - before
    usage = ask(inside, "MEMORY", "USAGE", "key", "SAMPLES", "0").value
    assert size < usage and abs(usage - taken) <= 64 + size // 50


def test_usage_sees_a_key_that_is_due(engine, inside):
    engine.set_clock_ms(1_700_000_000_000)
    inside.run([["DEBUG", "SET-ACTIVE-EXPIRE", "0"], ["SET", "k", "v", "PX", "10"]])
    engine.set_clock_ms(1_700_000_001_000)
    assert ask(inside, "MEMORY", "USAGE", "k").value > 0
    assert ask(inside, "EXISTS", "k").value == 0


def test_doctor_purge_and_malloc_stats(inside):
    text = ask(inside, "MEMORY", "DOCTOR").value         # clients' tests look for these words
    assert text.startswith(b"Hi Sam, this instance is empty or is using very little memory")
    inside.run([["DEBUG", "POPULATE", "200000"], ["INFO", "memory"]])
    assert ask(inside, "MEMORY", "DOCTOR").value.startswith(b"Hi Sam, I can't find any memory issue in your instance.")
    for i in range(0, 200000, 4000):
        inside.run([["DEL", *[f"key:{n}" for n in range(i, i + 4000) if n % 16]]])
    inside.run([["DEBUG", "POPULATE", "20", "big", "2000000"]])
    text = ask(inside, "MEMORY", "DOCTOR").value         # every sixteenth key holds its slab
    mapped = re.search(rb"mapped for slabs: (\d+)", ask(inside, "MEMORY", "MALLOC-STATS").value)[1]
    assert b"Fragmentation" in text or mapped == b"0"    # the checks build has no slabs
    assert text.startswith((b"Sam, I detected a few issues in this ", b"Hi Sam, "))
    assert b"jemalloc" in ask(inside, "MEMORY", "MALLOC-STATS").value
    assert ask(inside, "MEMORY", "PURGE").raw == b"+OK\r\n"
    assert ask(inside, "DBSIZE").value == 12500 + 20
    assert ask(inside, "GET", "key:16").value == b"value:16"
    inside.run([["DEBUG", "POPULATE", "200000"]])        # purged slabs are used again
    assert ask(inside, "GET", "key:199999").value == b"value:199999"
    assert b"mapped for slabs: " in ask(inside, "MEMORY", "MALLOC-STATS").value
