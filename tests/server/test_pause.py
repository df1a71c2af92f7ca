"""CLIENT PAUSE and what it holds: deadlines, eviction, writes; and what it lets pass."""

import pytest

from kit.backends import EmbeddedConnection
from kit.resp_client import RespClient, pack
from kit.waiting import wait_until

NOW = 1_700_000_000_000
# What readers see of the key p, due, and of the hash hh with a due field. (HLEN and HRANDFIELD: Redis counts a due field here.)
READS = ("GET p", "MGET p q", "EXISTS p", "TTL p", "PTTL p", "EXPIRETIME p", "TYPE p", "STRLEN p", "TOUCH p", "OBJECT ENCODING p", "DUMP p", "GETRANGE p 0 -1",
         "KEYS *", "SORT_RO p", "LCS p q", "RANDOMKEY", "HGETALL hh", "HGET hh a", "HMGET hh a b", "HKEYS hh", "HVALS hh", "HEXISTS hh a", "HSTRLEN hh a",
         "HTTL hh FIELDS 1 a", "HSCAN hh 0", "SCAN 0 TYPE list", "DBSIZE", "EXISTS all", "TYPE all", "HGETALL all", "HGET all a", "EXISTS all", "DBSIZE")


@pytest.fixture(params=("socket", "embedded"))
def caller(request, engine, client):
    return client if request.param == "socket" else EmbeddedConnection(engine.session())


def raw(connection, *lines):
    return [reply.raw for reply in connection.run([line.split() if isinstance(line, str) else line for line in lines])]


def info(connection, section, name):
    text = connection.run([("INFO", section)])[0].value.decode()
    return int(text.split(name + ":")[1].split("\r")[0])


@pytest.mark.parametrize("over", ("CLIENT UNPAUSE", "its time"))
def test_nothing_expires_while_it_lasts(engine, caller, over):
    engine.set_clock_ms(NOW)
    raw(caller, "SET p v PX 100", "SET q v", "HSET hh a 1 b 2", "HPEXPIRE hh 100 FIELDS 1 a", "CLIENT PAUSE 60000 WRITE")
    engine.advance_clock_ms(1000)
    assert raw(caller, "GET p", "EXISTS p", "PTTL p", "HGET hh a", "DBSIZE") == [b"$-1\r\n", b":0\r\n", b":-2\r\n", b"$-1\r\n", b":3\r\n"]
    assert info(caller, "stats", "expired_keys") == 0
    if over == "its time":
        engine.advance_clock_ms(59_000)
    else:
        raw(caller, over)
    wait_until(lambda: info(caller, "stats", "expired_keys") == 1)          # by itself: nobody has to look
    wait_until(lambda: info(caller, "stats", "expired_subkeys") == 1)
    assert raw(caller, "DBSIZE", "HLEN hh") == [b":2\r\n", b":1\r\n"]


def test_reads_in_a_pause_beside_redis(engine, client, oracle):
    with RespClient(oracle.host, oracle.port) as real:
        found = []
        for side in (client, real):
            side.pipeline([line.split() for line in ("FLUSHALL", "SET q v", "HSET hh a 1 b 2", "HSET all a 1", "SET p v PX 50", "HPEXPIRE hh 50 FIELDS 1 a",
                                                     "HPEXPIRE all 50 FIELDS 1 a", "CLIENT PAUSE 60000 WRITE", "DEBUG SLEEP 0.08")])
            found.append([reply.raw for reply in side.pipeline([line.split() for line in READS])])
            side.pipeline([("CLIENT", "UNPAUSE"), ("FLUSHALL",)])
        for line, ours, theirs in zip(READS, *found):
            if line == "RANDOMKEY" or line == "KEYS *":
                ours, theirs = (sorted(reply.split(b"\r\n")) if line == "KEYS *" else reply[:1] for reply in (ours, theirs))
            assert ours == theirs, line


def test_who_writes_under_a_pause_replaces_what_is_due(engine, caller):
    """A transaction that pauses the others goes on itself: a key that is due is no second key."""
    engine.set_clock_ms(NOW)
    raw(caller, "DEBUG SET-ACTIVE-EXPIRE 0", "SET p v PX 100", "RPUSH l a", "PEXPIRE l 100", "HSET hh a 1 b 2", "HPEXPIRE hh 100 FIELDS 1 a")
    engine.advance_clock_ms(1000)
    replies = raw(caller, "MULTI", "CLIENT PAUSE 60000 WRITE", "GET p", "SET p w", "RPUSH l b", "HSET hh a 2", "COPY p copy", "EXEC")[-1]
    assert replies == b"*6\r\n+OK\r\n$-1\r\n+OK\r\n:1\r\n:1\r\n:1\r\n"
    assert raw(caller, "GET p", "PTTL p", "LRANGE l 0 -1", "HGET hh a", "HLEN hh", "DBSIZE") == [
        b"$1\r\nw\r\n", b":-1\r\n", b"*1\r\n$1\r\nb\r\n", b"$1\r\n2\r\n", b":2\r\n", b":4\r\n"]
    raw(caller, "CLIENT UNPAUSE", "DEBUG SET-ACTIVE-EXPIRE 1")
    assert raw(caller, "DEL p", "EXISTS p", "DBSIZE") == [b":1\r\n", b":0\r\n", b":3\r\n"]


def test_nothing_is_evicted_while_it_lasts(engine, caller):
    raw(caller, *(("SET", f"key:{i}", "x" * 10_000) for i in range(50)), "CLIENT PAUSE 600000 WRITE", "CONFIG SET maxmemory-policy allkeys-lru maxmemory 300000")
    assert raw(caller, "GET none", "DBSIZE") == [b"$-1\r\n", b":50\r\n"]
    raw(caller, "CLIENT UNPAUSE", "GET none")
    assert info(caller, "stats", "evicted_keys") > 0


SCRIPTS = {
    "says that it does not write": "#!lua flags=no-writes\nreturn 1",
    "says nothing": "return 1",
    "may write": "#!lua\nreturn 1",
}


@pytest.mark.parametrize("way", ("EVAL", "EVALSHA", "FCALL", "EVAL_RO"))
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("multi", (False, True))
def test_scripts_that_do_not_write_pass(engine, oracle, way, script, multi):
    """Beside Redis: which of them wait under PAUSE WRITE, when they are queued and when they run."""
    text = SCRIPTS[script]
    found = []
    for host, port in (("127.0.0.1", engine.port), (oracle.host, oracle.port)):
        with RespClient(host, port) as eye, RespClient(host, port) as one:
            digest = eye.execute("SCRIPT", "LOAD", text).value
            flags = "" if "flags" not in text else ", flags={'no-writes'}"
            eye.execute("FUNCTION", "LOAD", "REPLACE", "#!lua name=pause\nredis.register_function{function_name='one', callback=function() return 1 end" + flags + "}")
            words = (way, {"EVALSHA": digest, "FCALL": "one"}.get(way, text), "0")
            number = one.execute("CLIENT", "ID").value
            eye.execute("CLIENT", "PAUSE", "60000", "WRITE")
            one.send_raw(b"".join(map(pack, ((("MULTI",), words, ("EXEC",)) if multi else (words,)))))
            replies, waits = [], False
            while len(replies) < (3 if multi else 1):
                one.socket.settimeout(0.005)
                try:
                    replies.append(one.read().raw)
                except TimeoutError:
                    if waits:                # after what it was answered before
                        break
                    waits = b"b" in eye.execute("CLIENT", "LIST", "ID", number).value.split(b" flags=")[1].split()[0]
            found.append((replies, waits))
            eye.execute("CLIENT", "UNPAUSE")
    assert found[0] == found[1]
