"""Replies that would be far longer than what they are made of: the loops that write them stop when nobody will hear the rest, which is
when the client's output limit is passed, or when memory is refused. Each of these commands would go on for hours.
"""
import json
import os
import subprocess
import sys
import textwrap

import pytest

from kit.resp_client import Closed, RespClient

ENDLESS = 10 ** 12
FILL = [["HSET", "hash", *[f"{side}{i}" for i in range(1000) for side in "fv"]], ["HSET", "packed", "f", "v"],
        ["SADD", "set", *[f"m{i}" for i in range(1000)]], ["SADD", "few", "a", "b"], ["SADD", "numbers", 1, 2, 3],
        ["ZADD", "sorted", *[word for i in range(1000) for word in (i, f"m{i}")]], ["ZADD", "ranks", 1, "a"]]
COMMANDS = ([["HRANDFIELD", key, -ENDLESS, *more] for key in ("hash", "packed") for more in ((), ("WITHVALUES",))]
            + [["SRANDMEMBER", key, -ENDLESS] for key in ("set", "few", "numbers")]
            + [["ZRANDMEMBER", key, -ENDLESS, *more] for key in ("sorted", "ranks") for more in ((), ("WITHSCORES",))])


def words(command):
    return " ".join(str(word) for word in command)


@pytest.fixture
def server(engine):
    """A server with a limit of 100 KB, and an eye that has none."""
    eye = RespClient("127.0.0.1", engine.port)
    eye.pipeline(FILL)
    eye.execute("CONFIG", "RESETSTAT")
    eye.execute("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0")
    yield engine, eye
    eye.execute("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    eye.close()


def put_out(eye):
    text = eye.execute("INFO", "clients").value + eye.execute("INFO", "stats").value
    return int(text.split(b"client_output_buffer_limit_disconnections:")[1].split()[0])


def is_closed(client):
    client.socket.settimeout(60)
    with pytest.raises((Closed, ConnectionError)):
        while True:
            client.read()
    client.close()


@pytest.mark.parametrize("protocol", (2, 3))
@pytest.mark.parametrize("command", COMMANDS, ids=words)
def test_the_output_limit_stops_it(server, command, protocol):
    engine, eye = server
    client = RespClient("127.0.0.1", engine.port)
    client.execute("HELLO", protocol)
    client.send_raw(b"".join(map(packed, (["SET", "before", 1], command, ["SET", "after", 1]))))
    is_closed(client)
    assert put_out(eye) == 1
    assert eye.execute("EXISTS", "before", "after").value == 1           # what came behind it is not run
    assert eye.execute("DEL", "before", "after").value == 1


def packed(command):
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(str(word)), str(word).encode()) for word in command)


def test_a_transaction_is_done_to_its_end(server):
    engine, eye = server
    client = RespClient("127.0.0.1", engine.port)
    commands = (["MULTI"], ["SET", "x", 1], COMMANDS[0], ["SET", "y", 1], COMMANDS[-1], ["EXEC"], ["SET", "z", 1])
    client.send_raw(b"".join(map(packed, commands)))
    is_closed(client)
    assert put_out(eye) == 1 and eye.execute("EXISTS", "x", "y", "z").value == 2
    eye.execute("DEL", "x", "y")


def test_who_wants_no_reply_is_not_put_out(server):
    engine, eye = server
    client = RespClient("127.0.0.1", engine.port)
    client.send_raw(packed(["CLIENT", "REPLY", "SKIP"]) + packed(COMMANDS[0]) + packed(["PING"]))
    assert client.read().raw == b"+PONG\r\n" and put_out(eye) == 0
    client.close()


def test_replies_up_to_the_limit_come_whole(server):
    engine, eye = server
    client = RespClient("127.0.0.1", engine.port)
    for draws in 1, 100, 5000, 10000:
        assert len(client.execute("SRANDMEMBER", "few", -draws).value) == draws
    client.send_raw(packed(["SRANDMEMBER", "few", -20000]))
    is_closed(client)
    client = RespClient("127.0.0.1", engine.port)
    for _ in range(3):
        assert len(client.execute("SRANDMEMBER", "few", -10000).value) == 10000
    client.close()
    assert put_out(eye) == 1


def test_keys_stops_too(server):
    engine, eye = server
    eye.pipeline([["SET", f"key:{i:090}", 1] for i in range(3000)])
    client = RespClient("127.0.0.1", engine.port)
    client.send_raw(packed(["KEYS", "key:*"]))
    is_closed(client)
    assert put_out(eye) == 1
    eye.execute("FLUSHALL")


# ---- in a program

PROGRAM = """
import json, resource, sys
import hutch
from redis.exceptions import RedisError
client = hutch.Redis()
fill, commands = json.loads(sys.argv[1])
for command in fill:
    client.execute_command(*command)
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 60_000_000,) * 2)
ended = []
for command in commands:
    try:
        client.execute_command(*command)
        ended.append("answered")
    except (MemoryError, RedisError) as error:
        ended.append(type(error).__name__)
ways = (lambda: client.srandmember("set", -10 ** 12), lambda: client.hrandfield("hash", -10 ** 12, True),
        lambda: client.zrandmember("sorted", -10 ** 12), lambda: client.pipeline().srandmember("set", -10 ** 12).execute(),
        lambda: client.eval("return redis.call('SRANDMEMBER', 'set', '-1000000000000')", 0))
for way in ways:
    try:
        way()
        ended.append("answered")
    except (MemoryError, RedisError) as error:
        ended.append(type(error).__name__)
print(json.dumps([ended, client.scard("set"), client.hlen("hash"), client.set("still", "there")]))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm") or bool(os.environ.get("HUTCH_SANITIZE")), reason="counts address space")
def test_an_embedded_client_hears_that_memory_was_refused():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM), json.dumps([FILL, COMMANDS])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ended, members, fields, alive = json.loads(done.stdout)
    assert len(ended) == len(COMMANDS) + 5 and "answered" not in ended
    assert members == 1000 and fields == 1000 and alive
