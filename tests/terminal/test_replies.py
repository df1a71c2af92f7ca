"""Replies in text, beside redis-cli's, of the same server; and what comes over the wire that is no reply."""
import json

import pytest
from hypothesis import given, strategies as st

from hutch.terminal.link import Link
from hutch.terminal.replies import Shape, raw, to_json
from hutch.terminal.resp import DEPTH_MAX, ProtocolError, Reader, pack
from hutch.terminal.target import Target

SETUP = [
    "SET s 'text \"with\" \\n\\x00\\xff caf\u00e9'", "SET n 12", "RPUSH l a b c d e f g h i j k", "HSET h f v 'g h' w", "HSET one f v", "SADD set one",
    "ZADD z 1.5 a -inf b 3 c", "XADD x 1-1 f v", "XADD x 2-1 f v g w", "GEOADD geo 13.361389 38.115556 Palermo"]
COMMANDS = [
    "PING", "ECHO ''", "GET s", "GET n", "GET none", "STRLEN s", "GET l", "NOSUCH", "GET", "LRANGE l 0 -1", "LRANGE none 0 -1", "HGETALL h",
    "HGETALL none", "SMEMBERS set", "SMEMBERS none", "ZRANGE z 0 -1 WITHSCORES", "ZSCORE z a", "ZSCORE z b", "XRANGE x - +", "XINFO STREAM x FULL",
    "GEOPOS geo Palermo none", "HRANDFIELD one 1 WITHVALUES", "COMMAND INFO get nosuch", "CONFIG GET maxmemory*", "CLIENT LIST", "MEMORY DOCTOR",
    "CLIENT INFO", "EVAL 'return {1,{2,{3,\"x\"},{}},false}' 0", "EVAL \"return {err='MY error'}\" 0",
    "EVAL \"return {1,{err='inner error'},{ok='fine'}}\" 0", "TYPE l", "COMMAND DOCS get", "SET s2 v GET", "SETRANGE n 20 x", "GET n",
    "XREAD STREAMS x 0", "EVAL \"redis.setresp(3) return {map={k={map={a={map={b={1,2}}}}}}}\" 0", "EVAL \"redis.setresp(3) return {map={k={map={a={map={b=1}}}}}}\" 0",
    "SCAN 0 COUNT 100 MATCH l", "OBJECT HELP"]
DEBUG = ["DEBUG PROTOCOL string", "DEBUG PROTOCOL integer", "DEBUG PROTOCOL double", "DEBUG PROTOCOL null", "DEBUG PROTOCOL array",
         "DEBUG PROTOCOL set", "DEBUG PROTOCOL map", "DEBUG PROTOCOL true", "DEBUG PROTOCOL false", "DEBUG PROTOCOL verbatim"]


def words_of(line):
    from hutch.terminal.words import read_line
    return read_line(line).values


@pytest.fixture
def filled(server):
    with Link(Target(port=server.port)) as link:
        for line in SETUP:
            link.call(*words_of(line))
        yield server


# What two connections cannot have the same.
def same_client(text):
    import re
    return re.sub(rb"(id|addr|laddr|fd|age|idle|tot-mem|qbuf|qbuf-free|argv-mem|rbs|rbp|tot-net-in|tot-net-out|tot-cmds|io-thread|multi-mem|lib-name|lib-ver|resp|flags|cmd|obl|omem)=\S*",
                  rb"\1", text)


@pytest.mark.parametrize("protocol", [2, 3])
def test_shapes_are_redis_clis(filled, redis_cli, protocol):
    from hutch.terminal.console import is_text
    with Link(Target(port=filled.port), protocol) as link:
        for line in [*COMMANDS, *DEBUG]:
            words = words_of(line)
            if words[:1] == [b"SET"]:
                link.call("DEL", words[1])
            ours = Shape().text(link.call(*words), is_text(words)).encode("utf-8", "surrogateescape") + b"\n"
            if words[:1] == [b"SET"]:
                link.call("DEL", words[1])
            theirs = redis_cli(filled.port, f"-{protocol}", "--no-raw", stdin=line.encode("utf-8", "surrogateescape") + b"\n")
            if words[0] == b"CLIENT":
                ours, theirs = same_client(ours).split(b"\n")[-2:], same_client(theirs).split(b"\n")[-2:]
                assert b"addr" in b"".join(ours + theirs)
                continue
            assert ours.rstrip(b"\n") == theirs.rstrip(b"\n"), line


def test_raw_is_redis_clis(filled, redis_cli):
    with Link(Target(port=filled.port)) as link:
        for line in COMMANDS:
            words = words_of(line)
            if words[0] in (b"CLIENT", b"SET") or "inner error" in line:
                continue             # redis-cli has an empty line behind an error
            assert raw(link.call(*words)).rstrip(b"\n") == redis_cli(
                filled.port, "--raw", stdin=line.encode("utf-8", "surrogateescape") + b"\n").rstrip(b"\n"), line


def test_json_says_what_redis_cli_says(filled, redis_cli):
    with Link(Target(port=filled.port), 3) as link:
        for line in COMMANDS:
            words = words_of(line)
            reply = link.call(*words)
            if words[0] in (b"CLIENT", b"SET", b"EVAL", b"NOSUCH", b"COMMAND") or (words[0] == b"GET" and words[1:] != [b"s"]):
                continue             # redis-cli's are no JSON where errors are in it
            theirs = redis_cli(filled.port, "--json", stdin=line.encode("utf-8", "surrogateescape") + b"\n")
            try:
                wanted = json.loads(theirs.decode("utf-8", "surrogateescape"), strict=False)
            except ValueError:
                continue
            assert json.loads(to_json(reply)) == wanted or b"inf" in theirs, line


def test_colours_change_nothing_but_colours():
    import re
    from hutch.terminal.replies import COLOURS
    reply = [b"a", 1, None, [b"b", True], b'"']
    assert re.sub(r"\x1b\[[0-9;]*m", "", Shape(COLOURS).text(reply)) == Shape().text(reply)


# ---- over the wire

def reader(data, size=3):
    pieces = [data[at:at + size] for at in range(0, len(data), size)] + [b""]
    return Reader(lambda _: pieces.pop(0))


@given(st.binary(max_size=80), st.integers(1, 90))
def test_no_bytes_break_the_reader(data, size):
    one = reader(data, size)
    try:
        while True:
            one.read()
    except (ProtocolError, ConnectionError):
        pass


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=6), st.integers(1, 40))
def test_commands_are_read_back(words, size):
    assert reader(pack(words), size).read() == words


def test_claimed_lengths_take_no_memory():
    with pytest.raises(ConnectionError):
        reader(b"$999999999999\r\nabc").read()
    with pytest.raises(ConnectionError):
        reader(b"*999999999999\r\n:1\r\n").read()


def test_nesting_is_bounded():
    with pytest.raises(ProtocolError, match="nested"):
        reader(b"*1\r\n" * (DEPTH_MAX + 5), 4096).read()


def test_other_servers_are_told_from_redis():
    with pytest.raises(ProtocolError, match="no Redis server"):
        reader(b"HTTP/1.1 400 Bad Request\r\n\r\n").read()
