"""min-replicas-to-write where there are no replicas: nobody writes, in the words of a real Redis; reading goes on."""
import pytest
import redis

import hutch
from kit.backends import TcpBackend
from kit.launch import serve
from kit.oracle import RedisServer

SCRIPT = "#!lua flags={}\nreturn redis.call('{}','a')"
ASKED = [
    "SET a b", "GET a", "CONFIG SET min-replicas-to-write 1", "SET a c", "GET a", "DEL a", "INCR n x", "PUBLISH a b", "PFCOUNT a", "FLUSHALL", "EXPIRE a 0",
    "MULTI", "GET a", "EXEC", "MULTI", "SET a c", "GET a", "EXEC", "MULTI", "CONFIG SET min-replicas-max-lag 0", "SET a c", "EXEC",
    "CONFIG SET min-replicas-max-lag 10", "MULTI", "CONFIG SET min-slaves-to-write 0", "SET a d", "EXEC", "CONFIG SET min-slaves-to-write 3",
    ["EVAL", "return redis.call('get','a')", "0"], ["EVAL", "return redis.pcall('set','a','x').err", "0"],
    ["EVAL", "return redis.call('set','a','x')", "0"], ["EVAL", SCRIPT.format("no-writes", "get"), "0"], ["EVAL", SCRIPT.format("allow-oom", "get"), "0"],
    ["EVAL", "#!lua\nreturn redis.call('get','a')", "0"], ["EVAL", SCRIPT.format("no-writes", "incr"), "0"], ["EVAL_RO", "return redis.call('get','a')", "0"],
    "CONFIG SET maxmemory 1", ["EVAL", "return redis.pcall('set','a','x').err", "0"], "SET a x", "CONFIG SET maxmemory 0",
    ["EVAL", "redis.call('config','set','min-replicas-to-write','0')", "0"], "BLPOP nosuch 0.01", "LPOP nosuch", "XREADGROUP GROUP g c STREAMS s >", "SORT a",
    "SORT a STORE b", "GETEX a", "GETDEL a", "COPY a b", "RESTORE k 0 x", "FUNCTION FLUSH", "DBSIZE", "INFO errorstats x", "CONFIG GET min-*",
    "CONFIG SET min-replicas-to-write 0", "SET a e", "GET a", "CONFIG SET min-replicas-to-write -1", "CONFIG SET min-replicas-max-lag x",
]


def raw(connection, words):
    words = words.split(" ") if isinstance(words, str) else words
    return connection.run([words])[0].raw


def test_words_are_redis_own(oracle_binary):
    with RedisServer(oracle_binary) as real, serve("--save", "") as ours:
        sides = [TcpBackend("127.0.0.1", server.port).open() for server in (ours, real)]
        rows = [(words, *(raw(side, words) for side in sides)) for words in ASKED]
    different = [row for row in rows if row[1] != row[2] and row[0] not in ("INFO errorstats x", "CONFIG GET min-*")]
    assert not different, "\n".join(map(str, different))


def test_from_the_first_command_on(tmp_path):
    with serve("--save", "", "--min-slaves-to-write", "2") as server:
        client = redis.Redis(port=server.port)
        with pytest.raises(redis.ResponseError, match="NOREPLICAS Not enough good replicas to write."):
            client.set("a", 1)
        assert client.get("a") is None
        assert client.info("errorstats")["errorstat_NOREPLICAS"] == {"count": 1}


def test_in_a_program():
    """A compiled method, a pipeline, a transaction."""
    with hutch.Redis() as client:
        client.set("a", 1)
        client.config_set("min-replicas-to-write", 1)
        for write in (lambda: client.set("a", 2), lambda: client.incr("a"), lambda: client.delete("a"), lambda: client.hset("h", "a", 1),
                      lambda: client.pipeline(transaction=False).get("a").set("a", 2).execute(), lambda: client.pipeline().get("a").set("a", 2).execute(),
                      lambda: client.eval("return redis.call('set', 'a', 2)", 0)):
            with pytest.raises(redis.ResponseError, match="NOREPLICAS|Not enough good replicas"):
                write()
        assert client.get("a") == b"1" and client.pipeline().get("a").execute() == [b"1"] and not client.exists("h")
        client.config_set("min-replicas-max-lag", 0)
        assert client.incr("a") == 2
