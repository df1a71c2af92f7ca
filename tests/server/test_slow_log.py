"""SLOWLOG beside a real Redis: the same commands leave the same entries, their times and numbers aside."""
import re
import threading

import pytest

import hutch
from kit.backends import TcpBackend
from kit.waiting import wait_until


@pytest.fixture
def both(client, oracle):
    """Hutch and Redis, each with a slow log of everything."""
    real = TcpBackend(oracle.host, oracle.port).open()
    sides = (client, real)
    for side in sides:
        side.run([["FLUSHALL"], ["CONFIG", "SET", "slowlog-max-len", "128", "slowlog-log-slower-than", "0"], ["SLOWLOG", "RESET"]])
    yield sides
    real.run([["CONFIG", "SET", "slowlog-log-slower-than", "10000", "slowlog-max-len", "128"], ["SLOWLOG", "RESET"], ["FLUSHALL"]])
    real.close()


def entries(side, count="-1"):
    found = side.run([["SLOWLOG", "GET", count]])[0].value
    for number, time, took, argv, address, name in found:
        assert time > 1_600_000_000 and took >= 0
    assert [entry[0] for entry in found] == list(range(found[0][0], found[0][0] - len(found), -1)) if found else True
    return found


def seen(side):
    """(words, is there an address, name) of each entry, the oldest first."""
    return [(argv, bool(address), name) for _, _, _, argv, address, name in reversed(entries(side))]


def test_the_same_entries(both):
    script = [
        ["CLIENT", "SETNAME", "bob"], ["set", "a", "b"], ["GET", "a"], ["NOSUCH"], ["GET"], ["LPUSH", "a", "x"],
        ["EVAL", "redis.call('set', KEYS[1], ARGV[1]); return redis.call('get', 'x')", "1", "x", "y"],
        ["MULTI"], ["GET", "x"], ["INCR", "q"], ["EXEC"], ["MULTI"], ["GET", "x"], ["DISCARD"],
        ["RPUSH", "many", *map(str, range(30))], ["RPUSH", "many", *map(str, range(31))], ["RPUSH", "many", *map(str, range(40))],
        ["SET", "long", "v" * 128], ["SET", "long", "v" * 129], ["SET", "k" * 500, "v"], ["SET", "bytes", b"\x00\xff\r\n"],
        ["RPUSH", "both", *["w" * 200] * 50],
        ["BLPOP", "nothing", "0.01"], ["CLIENT", "NO-TOUCH", "on"], ["SLOWLOG", "LEN"], ["PING"],
    ]
    for side in both:
        side.run(script)
    ours, theirs = (seen(side) for side in both)
    assert ours == theirs
    assert [words[0] for words, _, _ in ours].count(b"EXEC") == 0


def test_secrets(both):
    script = [
        ["AUTH", "topsecret"], ["AUTH", "topuser", "topsecret"], ["HELLO", "3", "AUTH", "topuser", "topsecret", "SETNAME", "x"],
        ["HELLO", "2"], ["CONFIG", "SET", "masterauth", "topsecret", "hz", "10"], ["CONFIG", "SET", "hz", "10", "masterauth", ""],
        ["CONFIG", "SET", "requirepass", ""], ["CONFIG", "SET", "requirepass"],
    ]
    for side in both:
        for command in script:
            side.run([command])
    ours, theirs = (seen(side) for side in both)
    assert ours == theirs
    assert b"top" not in b" ".join(word for words, _, _ in ours for word in words)


def test_replies(same_as_redis):
    same_as_redis("SLOWLOG", "SLOWLOG HELP", "SLOWLOG GET -2", "SLOWLOG GET x", "SLOWLOG GET 1 2", "SLOWLOG LEN 1", "SLOWLOG RESET",
                  "SLOWLOG RESET x", "SLOWLOG LEN", "SLOWLOG GET", "SLOWLOG GET 0", "SLOWLOG GET 5", "SLOWLOG NOSUCH")


def test_length_and_threshold(both):
    for side in both:
        side.run([["CONFIG", "SET", "slowlog-max-len", "3"], *[["SET", str(i), "v"] for i in range(10)]])
    for side in both:
        assert side.run([["SLOWLOG", "LEN"]])[0].value == 3
        assert [argv[0] for _, _, _, argv, _, _ in entries(side)] == [b"SLOWLOG", b"SET", b"SET"]
        side.run([["CONFIG", "SET", "slowlog-max-len", "0"], ["SET", "a", "b"]])
        assert [argv[:2] for _, _, _, argv, _, _ in entries(side)] == [[b"SLOWLOG", b"GET"], [b"SLOWLOG", b"LEN"], [b"SET", b"9"]]
        side.run([["CONFIG", "SET", "slowlog-max-len", "128", "slowlog-log-slower-than", "-1"], ["SLOWLOG", "RESET"], ["SET", "a", "b"]])
        assert entries(side) == []
        side.run([["CONFIG", "SET", "slowlog-log-slower-than", "3000"], ["SET", "a", "b"], ["DEBUG", "SLEEP", "0.005"], ["GET", "a"]])
        slow, = [entry for entry in entries(side) if entry[3] == [b"DEBUG", b"SLEEP", b"0.005"]]
        assert slow[2] >= 5000


def test_what_waited_counts_its_own_time(engine, both):
    """BLPOP waits for 50 ms of the engine's clock, and is not slow."""
    client, _ = both
    client.run([["CONFIG", "SET", "slowlog-log-slower-than", "20000"], ["SLOWLOG", "RESET"]])
    other = TcpBackend("127.0.0.1", engine.port).open()
    waiting = threading.Thread(target=lambda: client.run([["BLPOP", "list", "0"]]))
    waiting.start()
    wait_until(lambda: b"blocked_clients:1" in other.run([["INFO", "clients"]])[0].value)
    other.run([["DEBUG", "SLEEP", "0.05"], ["RPUSH", "list", "v"]])
    waiting.join()
    assert [argv[0] for _, _, _, argv, _, _ in entries(client)] == [b"DEBUG"]
    other.close()


def test_lua_between_two_commands_is_nobodys_time(client):
    client.run([["CONFIG", "SET", "slowlog-log-slower-than", "20000"], ["SLOWLOG", "RESET"],
                ["EVAL", "local n = 0; while n < 3e7 do n = n + 1 end; return redis.call('PING')", "0"]])
    assert {argv[0] for _, _, _, argv, _, _ in entries(client)} == {b"EVAL"}


def test_embedded_and_compiled():
    """Below a millisecond every compiled call is timed; above it, one in 64 is."""
    with hutch.Redis(client_name="me") as client:
        client.config_set("slowlog-log-slower-than", 0)
        client.slowlog_reset()
        client.set("a", "b")
        client.get("a")
        client.incr("n")
        client.hset("h", "f", "v")
        client.execute_command("set", "x", "y")
        with client.pipeline() as pipe:
            pipe.set("p", "1").get("p").execute()
        found = client.slowlog_get()
        commands = [entry["command"] for entry in reversed(found)]
        assert commands[1:] == [b"SET a b", b"GET a", b"INCRBY n 1", b"HSET h f v", b"set x y", b"MULTI", b"SET p 1", b"GET p"]
        assert {entry["client_name"] for entry in found} == {b"me"}
        assert all(entry["client_address"].startswith(b"embedded") for entry in found)
        client.config_set("slowlog-log-slower-than", 1000)
        client.slowlog_reset()
        client.execute_command("DEBUG", "SLEEP", "0.002")
        assert client.slowlog_len() == 1


def test_names_and_addresses(both):
    for side in both:
        side.run([["CLIENT", "SETNAME", "carol"], ["PING"]])
        latest = entries(side)[0]
        assert latest[3:4] == [[b"PING"]] and re.fullmatch(rb"127\.0\.0\.1:\d+", latest[4]) and latest[5] == b"carol"
