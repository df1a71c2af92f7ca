"""CLIENT TRACKING and MONITOR, beside Redis 8.2, and redis-py's client-side caching over it."""
import re
import shlex
import time

import pytest
import redis
from redis.cache import CacheConfig

import hutch
from kit.message_scripts import assert_same_messages
from kit.resp_client import RespClient, pack

PATIENCE_S = 60

SCRIPTS = {
    "default": [
        "2: CLIENT TRACKING ON", "2: GET k", "2: MGET a b", "0: SET k 1", "0: SET k 2", "0: MSET a 1 b 2", "2: GET k", "2: SET k 3",
        "2: GET k", "2: SET k 4", "3: GET k", "0: DEL k", "2: GET k", "0: SWAPDB 0 1", "0: SET k 1", "2: HGET h f", "0: HSET h f v",
        "2: SMEMBERS s", "0: SADD s 1", "0: SADD s 1", "2: EXISTS s", "0: RENAME s s2", "2: CLIENT TRACKINGINFO", "2: CLIENT GETREDIR",
        "2: CLIENT TRACKING OFF", "2: GET k", "0: SET k 1", "2: CLIENT TRACKINGINFO"],
    "transactions": [
        "2: CLIENT TRACKING ON", "2: GET k", "2: MULTI", "2: SET k 1", "2: GET k", "2: EXEC", "0: SET k 2", "2: MULTI", "2: GET k",
        "2: SET k 3", "2: EXEC", "0: SET k 4", "0: MULTI", "0: SET k 5", "0: SET k 6", "0: EXEC", "2: MULTI", "2: GET z", "2: DISCARD",
        "0: SET z 1"],
    "flush": ["2: CLIENT TRACKING ON", "3: CLIENT TRACKING ON BCAST", "2: GET k", "0: FLUSHALL", "0: SET k 1", "2: GET k",
              "0: SELECT 5", "0: FLUSHDB", "0: SET k 1", "0: FLUSHDB ASYNC"],
    "no loop": ["2: CLIENT TRACKING ON NOLOOP", "2: GET k", "2: SET k 1", "2: GET k", "0: SET k 2", "0: SET k 3",
                "2: CLIENT TRACKINGINFO", "3: CLIENT TRACKING ON BCAST NOLOOP", "3: SET q 1", "0: SET q 1"],
    "broadcast": [
        "2: CLIENT TRACKING ON BCAST PREFIX x", "3: CLIENT TRACKING ON BCAST", "0: SET x1 1", "0: SET y 1", "2: SET x2 2",
        "0: DEL x1 x2", "0: MSET x5 1 x6 2 y 3", "2: CLIENT TRACKINGINFO", "0: EXPIRE x5 100", "0: GET x5", "0: INCR x5", "0: SETNX x5 1",
        "0: LPUSH xl 1", "0: LPUSH x5 1", "2: CLIENT TRACKING OFF", "0: SET x1 1"],
    "opt in": [
        "2: CLIENT TRACKING ON OPTIN", "2: GET k", "0: SET k 1", "2: CLIENT CACHING YES", "2: CLIENT TRACKINGINFO", "2: GET k", "2: GET q",
        "0: MSET k 1 q 2", "2: CLIENT CACHING YES", "2: MULTI", "2: GET k", "2: GET q", "2: EXEC", "0: MSET k 1 q 2", "2: CLIENT CACHING NO",
        "2: CLIENT CACHING MAYBE", "2: CLIENT CACHING", "2: CLIENT CACHING YES", "2: CLIENT ID", "2: GET k", "0: SET k 1"],
    "opt out": [
        "2: CLIENT TRACKING ON OPTOUT", "2: GET k", "0: SET k 1", "2: CLIENT CACHING NO", "2: CLIENT TRACKINGINFO", "2: GET k", "2: GET q",
        "0: MSET k 1 q 2", "2: CLIENT CACHING YES"],
    "redirected to RESP2": [
        "1: SUBSCRIBE __redis__:invalidate", "0: CLIENT TRACKING ON REDIRECT {1}", "0: GET k", "3: SET k 1", "0: CLIENT GETREDIR",
        "0: CLIENT TRACKINGINFO", "3: FLUSHALL", "0: GET k", "0: SET k 1", "2: CLIENT TRACKING ON REDIRECT {1}", "2: GET k", "3: SET k 1",
        "0: GET k", "1: UNSUBSCRIBE", "3: SET k 2", "0: GET k", "1: close", "3: PING", "3: SET k 2", "0: CLIENT TRACKINGINFO", "2: GET k",
        "3: SET k 3", "2: CLIENT TRACKINGINFO"],
    "redirected to RESP3": ["0: CLIENT TRACKING ON REDIRECT {2}", "0: GET k", "1: SET k 1", "0: CLIENT TRACKING ON REDIRECT {3}", "0: GET k",
                            "1: SET k 2", "0: CLIENT TRACKING ON", "0: GET k", "1: SET k 3", "0: CLIENT GETREDIR"],
    "errors": [
        "2: CLIENT TRACKING", "2: CLIENT TRACKING MAYBE", "2: CLIENT TRACKING ON WHAT", "2: CLIENT TRACKING ON PREFIX a",
        "2: CLIENT TRACKING ON BCAST OPTIN", "2: CLIENT TRACKING ON OPTIN OPTOUT", "2: CLIENT TRACKING ON REDIRECT 99999999",
        "2: CLIENT TRACKING ON REDIRECT x", "2: CLIENT TRACKING ON REDIRECT", "2: CLIENT TRACKING ON REDIRECT {0} REDIRECT {1}",
        "2: CLIENT TRACKING ON BCAST PREFIX a PREFIX ab", "2: CLIENT TRACKING ON BCAST PREFIX aa PREFIX b", "2: CLIENT TRACKING ON",
        "2: CLIENT TRACKING ON BCAST PREFIX a", "2: CLIENT TRACKING ON BCAST PREFIX b", "2: CLIENT TRACKING ON BCAST PREFIX c",
        "2: CLIENT TRACKING OFF", "2: CLIENT TRACKING ON OPTIN", "2: CLIENT TRACKING ON OPTOUT", "2: CLIENT TRACKING OFF WHAT",
        "2: CLIENT CACHING YES", "2: CLIENT TRACKING OFF", "2: CLIENT CACHING YES", "2: CLIENT GETREDIR", "2: CLIENT GETREDIR x"],
    "reset": ["2: CLIENT TRACKING ON", "2: GET k", "2: RESET", "2: CLIENT TRACKINGINFO", "0: SET k 1"],
    "scripts": [
        "2: CLIENT TRACKING ON", "2: EVAL \"return redis.call('GET', KEYS[1])\" 1 k", "0: SET k 1", "2: EVAL_RO \"return redis.call('GET', KEYS[1])\" 1 k",
        "0: EVAL \"redis.call('SET', KEYS[1], 2) return redis.call('INCR', KEYS[1])\" 1 k", "2: GET k",
        "2: EVAL \"redis.call('SET', KEYS[1], 2) return redis.call('GET', KEYS[1])\" 1 k", "0: SET k 1",
        # (What a script of a NOLOOP client changes, Redis 8.2.3 tells that client of. We do not.)
        "3: CLIENT TRACKING ON BCAST", "3: EVAL \"return redis.call('SET', 'x', 2)\" 0", "0: EVAL \"return redis.call('SET', 'x', 2)\" 0"],
    "redirected to itself": [
        "2: CLIENT TRACKING ON REDIRECT {2}", "2: GET k", "0: SET k 1", "2: GET k", "2: SET k 2", "2: CLIENT GETREDIR",
        "2: CLIENT TRACKING ON BCAST REDIRECT {2}", "2: CLIENT TRACKING OFF", "2: CLIENT TRACKING ON BCAST REDIRECT {2}",
        "0: SET k 3", "2: CLIENT TRACKINGINFO",
        # RESP2 has a form for it while the session is subscribed, to whatever channel.
        "0: CLIENT TRACKING ON REDIRECT {0}", "0: GET k", "1: SET k 1", "0: GET k", "0: SUBSCRIBE __redis__:invalidate",
        "1: SET k 2", "1: SET k 3", "0: UNSUBSCRIBE", "0: GET k", "0: SUBSCRIBE other", "1: SET k 4", "0: UNSUBSCRIBE",
        "0: GET k", "1: SET k 5", "0: CLIENT TRACKING OFF", "0: CLIENT TRACKING ON BCAST REDIRECT {0}",
        "0: SUBSCRIBE __redis__:invalidate", "1: MSET b 1 a 2", "1: FLUSHALL", "0: UNSUBSCRIBE", "0: SET mine 1",
        "0: CLIENT TRACKINGINFO"],
    "read-only scripts": [
        # Their declared keys are not read by that.
        "2: CLIENT TRACKING ON", "2: EVAL_RO \"return 1\" 2 a b", "0: MSET a 1 b 2",
        "2: EVAL_RO \"return redis.call('GET', KEYS[2])\" 2 a b", "0: MSET a 1 b 2",
        "2: EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 a", "0: EVAL \"return 1\" 0",
        "2: EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 a", "0: SET a 1",
        "0: FUNCTION LOAD REPLACE \"#!lua name=tracked\\nredis.register_function{function_name='quiet', "
        "callback=function(k) return 1 end, flags={'no-writes'}}\"", "2: FCALL_RO quiet 1 a", "0: SET a 1",
        "2: MULTI", "2: EVAL_RO \"return 1\" 1 a", "2: EXEC", "0: SET a 2", "0: FUNCTION DELETE tracked"],
    "prefixes in order": [
        "2: CLIENT TRACKING ON BCAST PREFIX c PREFIX a PREFIX b", "2: CLIENT TRACKINGINFO", "3: CLIENT TRACKING ON BCAST",
        "0: MSET c2 1 c1 1 b 1 a 1 d 1 ab 1 a2 1 a10 1", "0: DEL c1 a d", "2: CLIENT TRACKING ON BCAST PREFIX B PREFIX aa",
        "2: CLIENT TRACKING ON BCAST PREFIX B", "2: CLIENT TRACKINGINFO",
        "0: MULTI", "0: SET b 1", "0: SET a 1", "0: SET B 1", "0: SET a 2", "0: EXEC",
        "0: EVAL \"for i = 9, 1, -1 do redis.call('SET', 'a' .. i, 1) redis.call('SET', 'b', i) end\" 0"],
    "no RESP3": ["0: CLIENT TRACKING ON", "0: GET k", "1: SET k 1", "0: HELLO 3", "0: GET k", "1: SET k 2"],
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_message_script(hutch_server, oracle, name):
    assert_same_messages(hutch_server, oracle, SCRIPTS[name], "2233")


def _heard(connection, sign, replies=0):
    """What came before the answer to a PING, which is sent when so many replies have come: else the server might read it with what was sent
    before, and answer it first."""
    found = []
    while sum(not raw.startswith(b">") for raw in found) < replies:
        found.append(connection.read().raw)
    connection.send_raw(b"PING %b\r\n" % sign)
    while not found or sign not in found[-1]:
        found.append(connection.read().raw)
    return found[:-1]


BATCH = (b"SET pb 1\r\nSET pa 1\r\nSET q 1\r\nSET pb 2\r\nINCR n\r\nDEL pa\r\nMULTI\r\nSET pz 1\r\nSET pc 1\r\nEXEC\r\n"
         b"RPUSH pl 1\r\nRENAME pl pm\r\n")
SCRIPT = pack(["EVAL", "redis.call('SET', 'p1', 1) redis.call('SET', 'p0', 1)", 0])


def test_a_batch_is_told_of_at_its_end(hutch_server, oracle):
    """One message a prefix, its keys in the order of their bytes; who did it hears of it behind all of the replies."""
    def play(host, port):
        plain, loop, actor = (RespClient(host, port) for _ in range(3))
        actor.execute("FLUSHALL")
        for client, words in (plain, ("PREFIX", "q", "PREFIX", "p")), (loop, ("NOLOOP",)), (actor, ("NOLOOP", "PREFIX", "p")):
            client.execute("HELLO", "3")
            client.execute("CLIENT", "TRACKING", "ON", "BCAST", *words)
        found = []
        # (What a script of a NOLOOP client changes, Redis 8.2.3 tells that client of. We do not.)
        for client, batch, replies in (actor, BATCH, 12), (loop, BATCH, 12), (plain, BATCH + SCRIPT + BATCH, 25):
            client.send_raw(batch)
            found.append(_heard(client, b"end", replies))
            found += [_heard(other, b"sign") for other in (plain, loop, actor)]
        # The last to change a key is the one who is not told of it.
        loop.send_raw(b"SET pa 1\r\nSET pb 1\r\n")
        found.append(_heard(loop, b"end", 2))
        return found
    assert play("127.0.0.1", hutch_server.port) == play(oracle.host, oracle.port)


def test_a_pipeline_of_an_embedded_client_is_told_of_at_its_end():
    with hutch.Redis(decode_responses=True) as client:
        heard = client.store.engine.session(decode=True)
        heard.protocol = 3
        heard.execute(["CLIENT", "TRACKING", "ON", "BCAST"])

        def messages():
            replies = heard.receive(0)
            found = []
            while replies:
                found.append(replies.read())
            return found
        for transaction in True, False:
            client.pipeline(transaction).set("c", 1).set("a", 1).set("b", 1).set("a", 2).execute()
            assert messages() == [["invalidate", ["a", "b", "c"]]]
            client.pipeline(transaction).lpush("c", 1).set("a", 1).delete("b").eval("return 1", 0).execute(False)
            assert messages() == [["invalidate", ["a", "b"]]]
        client.set("a", 1)
        client.mset({"b": 1, "a": 2})
        client.eval("for i = 1, 20000 do redis.call('SET', 'k' .. i % 3, i) end", 0)
        assert messages() == [["invalidate", ["a"]], ["invalidate", ["a", "b"]], ["invalidate", ["k0", "k1", "k2"]]]
        client.set("short", 1, px=1)
        client.store.engine.advance_clock_ms(10)
        assert messages() == [["invalidate", ["short"]], ["invalidate", ["short"]]]


def test_expired_and_evicted_keys_are_told_of():
    with hutch.Server(port=0) as server:
        client, other = RespClient("127.0.0.1", server.port), RespClient("127.0.0.1", server.port)
        client.execute("HELLO", "3")
        client.execute("CLIENT", "TRACKING", "ON")
        other.execute("SET", "k", "1", "PX", "40")
        client.execute("GET", "k")
        assert client.read().raw == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
        other.execute("SET", "big", "x" * 1000)
        client.execute("GET", "big")
        other.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "1")
        other.execute("SET", "more", "1")
        assert b"$3\r\nbig" in client.read().raw
        other.execute("CONFIG", "SET", "maxmemory", "0")


def test_what_is_evicted_for_a_command_is_told_of_before_its_reply():
    with hutch.Server(port=0) as server:
        client = RespClient("127.0.0.1", server.port)
        client.execute("HELLO", "3")
        client.execute("CLIENT", "TRACKING", "ON")
        client.execute("SET", "k", "1", "EX", "1000")
        client.execute("GET", "k")
        client.execute("CONFIG", "SET", "maxmemory-policy", "volatile-random", "maxmemory", "1")
        assert [client.execute("DBSIZE").raw, client.read().raw] == [b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", b":0\r\n"]
        client.execute("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize("options", ([], ["NOLOOP"]))
def test_who_is_forgotten_for_want_of_room_is_told(options):
    """Also by NOLOOP, and by whose own command it happens: nobody has changed the key."""
    with hutch.Server(port=0) as server:
        client = RespClient("127.0.0.1", server.port)
        client.execute("HELLO", "3")
        client.execute("CLIENT", "TRACKING", "ON", *options)
        client.execute("MSET", "a", "1", "b", "2")
        client.execute("MGET", "a", "b")
        client.execute("CONFIG", "SET", "tracking-table-max-keys", "1")
        assert client.read().raw[:-3] == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n"


@pytest.mark.parametrize("options", ([], ["NOLOOP"]))
def test_whose_command_evicts_a_key_is_told(options):
    with hutch.Server(port=0) as server:
        client = RespClient("127.0.0.1", server.port)
        client.execute("HELLO", "3")
        client.execute("CLIENT", "TRACKING", "ON", *options)
        client.execute("SET", "k", "1", "EX", "1000")
        client.execute("GET", "k")
        used = redis.Redis(port=server.port).info("memory")["used_memory"]
        client.execute("CONFIG", "SET", "maxmemory-policy", "volatile-random", "maxmemory", str(used + 200_000))
        client.execute("SETBIT", "big", "4000000", "0")           # fits when it is asked, and no more is left then
        assert [client.execute("DBSIZE").raw, client.read().raw] == [b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", b":1\r\n"]


def test_the_table_is_bounded(hutch_server):
    client, other = (RespClient("127.0.0.1", hutch_server.port) for _ in range(2))
    other.execute("CONFIG", "SET", "tracking-table-max-keys", "10")
    client.execute("HELLO", "3")
    client.execute("CLIENT", "TRACKING", "ON")
    client.send_raw(b"".join(b"GET t%d\r\n" % number for number in range(30)))
    pushes = [raw for raw in (client.read().raw for _ in range(50)) if raw[:1] == b">"]
    assert len(pushes) == 20
    info = other.execute("INFO", "stats").value.decode()
    assert "tracking_total_keys:10\r" in info and "tracking_total_items:10\r" in info
    other.execute("CONFIG", "SET", "tracking-table-max-keys", "1000000")
    client.close()


@pytest.mark.parametrize("keys, most", [(40, 10), (5000, 7)])
def test_a_lowered_bound_is_obeyed_without_another_command(hutch_server, oracle, keys, most):
    def play(host, port):
        client, other = (RespClient(host, port) for _ in range(2))
        client.execute("FLUSHALL")
        client.execute("HELLO", "3")
        client.execute("CLIENT", "TRACKING", "ON")
        for number in range(keys):
            client.execute("GET", b"t%d" % number)
        other.execute("CONFIG", "SET", "tracking-table-max-keys", most)
        told = {client.read().raw for _ in range(keys - most)}
        other.execute("CONFIG", "SET", "tracking-table-max-keys", "1000000")
        assert all(raw.startswith(b">2\r\n$10\r\ninvalidate\r\n*1\r\n") for raw in told)
        return len(told)
    assert play("127.0.0.1", hutch_server.port) == play(oracle.host, oracle.port)


def test_caching_of_redis_py():
    with hutch.Server(port=0) as server:
        client = redis.Redis(port=server.port, protocol=3, cache_config=CacheConfig(), decode_responses=True)
        other = redis.Redis(port=server.port)
        other.set("k", "1")
        assert client.get("k") == "1"
        calls = other.info("commandstats")["cmdstat_get"]["calls"]
        assert [client.get("k") for _ in range(5)] == ["1"] * 5
        assert other.info("commandstats")["cmdstat_get"]["calls"] == calls
        other.set("k", "2")
        end = time.monotonic() + PATIENCE_S
        while client.get("k") != "2":
            assert time.monotonic() < end
        other.flushall()
        while client.get("k") is not None:
            assert time.monotonic() < end
        client.close()
        other.close()


LINES = ["SET k 'a b'", "AUTH secret", "AUTH default secret", "HELLO 3 AUTH default x SETNAME me", "HELLO 2", "CONFIG GET port", "GET", "NOSUCH",
         "MULTI", "SET q 1", "GET q", "EXEC", "MULTI", "GET q", "DISCARD", "PUBLISH a b", "SELECT 2", "GET k", "CLIENT ID", "CLIENT LIST", "EVAL \"redis.call('SELECT', 3) return redis.call('SET', 'k', ARGV[1])\" 0 x",
         "EVAL_RO \"return redis.call('GET', 'k')\" 0", "SCRIPT LOAD \"return 1\"", "MULTI", "EVAL \"return redis.call('GET', 'k')\" 0", "EXEC",
         "BLPOP none 0.01", "OBJECT HELP", "LPUSH none 1 2", "BLPOP none 1", "SUBSCRIBE a", "PING", "RESET", "COMMAND COUNT", "CLIENT SETNAME x"]


def test_monitor(hutch_server, oracle):
    def play(host, port):
        monitor, client = RespClient(host, port), RespClient(host, port)
        client.execute("FLUSHALL")
        assert monitor.execute("MONITOR").raw == b"+OK\r\n"
        for line in LINES:
            client.execute(*shlex.split(line))
        client.execute("SET", "\\x\"\n\x01\xff".encode("latin-1"), "\a\b\t\r")
        client.execute("PING", "end")
        lines = []
        while b'"end"' not in (lines[-1] if lines else b""):
            lines.append(re.sub(rb"^\+\d+\.\d{6} \[(\d+) (127.0.0.1|lua)(:\d+)?\]", rb"\1 \2", monitor.read().raw))
        refused = monitor.execute("GET", "x").raw
        monitor.execute("RESET")
        client.execute("PING")
        monitor.send_raw(b"PING\r\n")
        return [*lines, refused, monitor.read().raw]
    assert play("127.0.0.1", hutch_server.port) == play(oracle.host, oracle.port)
