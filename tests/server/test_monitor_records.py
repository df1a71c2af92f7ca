"""What monitors are sent is written as records and becomes text when it is taken (sessions/monitor_records): nothing is lost or moved,
whatever else the session is sent in between, and however late it reads."""
import random
import re
import time

import pytest

import hutch
from hutch_engine.door.engine import Engine
from kit.resp_client import Closed, RespClient, pack
from kit.waiting import wait_until

LINE = re.compile(rb"\+(\d+\.\d{6}) \[(\d+) ([^\]]*)\] (.*)\r\n", re.S)


@pytest.fixture
def server():
    with hutch.Server(port=0) as server:
        yield server


def client(server):
    return RespClient("127.0.0.1", server.port)


def words_of(raw):
    """The words of a line, taken apart as its escapes say."""
    found = LINE.fullmatch(raw)
    assert found, raw
    return [word[1:-1].decode() for word in re.findall(rb'"(?:[^"\\]|\\.)*"', found[4])]


def lines_until(reader, last):
    found = []
    while not found or found[-1] != last:
        found.append(words_of(reader.read().raw))
    return found


def test_replies_stay_where_they_were(server):
    """Commands of the monitor's own, and others' between them, without a read in between."""
    monitor, other = client(server), client(server)
    assert monitor.execute("MONITOR").raw == b"+OK\r\n"
    for i in range(200):
        for k in range(i % 4):
            other.execute("SET", f"key:{i}", k)
        monitor.send_raw(pack(["PING", f"echo {i}"]))
        wait_until(lambda: b" cmd=ping" in other.execute("CLIENT", "LIST").value)
    for i in range(200):
        for k in range(i % 4):
            assert words_of(monitor.read().raw) == ["SET", f"key:{i}", str(k)]
        assert monitor.read().value == b"echo %d" % i
        assert words_of(monitor.read().raw) == ["PING", f"echo {i}"]


def test_late_readers_lose_nothing(server):
    """Far more than is made text at once, in words of all lengths and bytes; each of three monitors has it all."""
    monitors, other = [client(server) for _ in range(3)], client(server)
    for monitor in monitors:
        monitor.execute("MONITOR")
    chance = random.Random(3)
    sent = []
    for i in range(4000):
        sent.append([chance.choice(["SET", "GETSET", "set"]), f"key:{i}", "x" * chance.choice((0, 1, 7, 100, 3000))])
    for first in range(0, len(sent), 500):
        other.pipeline(sent[first:first + 500])
    other.execute("SET", "bytes", bytes(range(256)))
    other.execute("ECHO", "end")
    quoted = []
    for monitor in monitors:
        found = lines_until(monitor, ["ECHO", "end"])
        assert found[:-2] == sent
        quoted.append(found[-2][2])
    assert len(set(quoted)) == 1 and len(quoted[0]) > 600


def test_a_monitor_that_ends_keeps_what_was_there(server):
    monitor, other = client(server), client(server)
    monitor.execute("MONITOR")
    other.pipeline([("SET", "k", str(i)) for i in range(50)])
    monitor.send_raw(pack(["RESET"]) + pack(["PING"]))
    assert [words_of(monitor.read().raw) for _ in range(50)] == [["SET", "k", str(i)] for i in range(50)]
    assert monitor.read().raw == b"+RESET\r\n"
    assert monitor.read().raw == b"+PONG\r\n"
    other.execute("SET", "k", "v")
    assert monitor.execute("ECHO", "nothing more").value == b"nothing more"


def test_secrets_scripts_and_databases(server):
    monitor, other = client(server), client(server)
    monitor.execute("MONITOR")
    other.execute("AUTH", "name", "secret")
    other.execute("HELLO", "3", "AUTH", "name", "secret", "SETNAME", "x")
    other.execute("SELECT", "3")
    other.execute("EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", "k", "v")
    lines = [LINE.fullmatch(monitor.read().raw).groups() for _ in range(5)]
    assert [words for *_, words in lines] == [
        b'"AUTH" "(redacted)" "(redacted)"', b'"HELLO" "3" "AUTH" "(redacted)" "(redacted)" "SETNAME" "x"', b'"SELECT" "3"',
        b'"EVAL" "return redis.call(\'SET\', KEYS[1], ARGV[1])" "1" "k" "v"', b'"SET" "k" "v"']
    assert [database for _, database, *_ in lines] == [b"0", b"0", b"3", b"3", b"3"] and lines[4][2] == b"lua"
    assert all(abs(float(at) - time.time()) < 600 for at, *_ in lines)


def test_what_is_unread_is_counted_and_limited(server):
    monitor, other = client(server), client(server)
    number = monitor.execute("CLIENT", "ID").value
    other.execute("CONFIG", "SET", "client-output-buffer-limit", "normal 8mb 0 0")
    monitor.execute("MONITOR")
    seen = 0
    with pytest.raises(AssertionError, match="cut off"):
        for _ in range(200):
            other.execute("SET", "k", b"v" * 100000)
            shown = other.execute("CLIENT", "LIST", "ID", number).value
            assert shown, "cut off"
            seen = max(seen, int(re.search(rb" omem=(\d+)", shown)[1]))
    assert seen > 1000000
    assert b"total_net_output_bytes" in other.execute("INFO", "stats").value
    with pytest.raises((Closed, ConnectionError)):
        while True:
            monitor.read()


def test_in_the_process():
    engine = Engine(seed=1)
    monitor, other = engine.session(), engine.session()
    monitor.execute(["MONITOR"])
    monitor.execute(["SUBSCRIBE", "channel"])
    sent = []
    for i in range(300):
        other.execute(["SET", "k", str(i)])
        sent.append(["SET", "k", str(i)])
        if i % 50 == 0:
            other.execute(["PUBLISH", "channel", str(i)])
            sent += [[b"message", b"channel", b"%d" % i], ["PUBLISH", "channel", str(i)]]
    found = []
    while waiting := monitor.receive(0):
        while waiting:
            message = waiting.read()
            found.append(message if isinstance(message, list) else words_of(b"+%b\r\n" % message))
    assert found[0] == ["SUBSCRIBE", "channel"] or found.pop(0)[0] == b"subscribe"
    assert found[-len(sent):] == sent
