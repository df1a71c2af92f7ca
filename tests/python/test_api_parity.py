"""Every redis-py method of the commands that exist gives what redis.Redis over TCP gives from a real Redis.

The calls of one script are made on both clients, in both protocols, with and without decode_responses, and
their results compared: values and types, or exception classes and messages.
"""
import asyncio

import pytest
import redis
import redis.asyncio

import hutch
import hutch.asyncio
from kit.api_calls import PASSING, SCRIPTS, call, outcome, types_of
from kit.redis_clients import retry_at_once


def clients(oracle, **options):
    there = redis.Redis(host=oracle.host, port=oracle.port, retry=retry_at_once(), **options)
    there.flushall()
    return hutch.Redis(**options), there


@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "str"])
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("subject", SCRIPTS)
def test_same_results(oracle, subject, protocol, decode):
    here, there = clients(oracle, protocol=protocol, decode_responses=decode)
    with here, there:
        for method, args, kwargs in SCRIPTS[subject]:
            mine = outcome(here, method, args, kwargs)
            theirs = outcome(there, method, args, kwargs)
            if method in PASSING:
                mine, theirs = mine[0], theirs[0]
            assert mine == theirs, (method, args, kwargs)
            assert types_of(mine) == types_of(theirs), (method, args, kwargs)


@pytest.mark.parametrize("transaction", [False, True], ids=["plain", "atomic"])
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("subject", [name for name in SCRIPTS if name != "server"])
def test_same_results_in_a_pipeline(oracle, subject, protocol, transaction):
    here, there = clients(oracle, protocol=protocol)
    with here, there:
        mine, theirs = here.pipeline(transaction), there.pipeline(transaction)
        for method, args, kwargs in SCRIPTS[subject]:
            refusals = [outcome(pipe, method, args, kwargs) for pipe in (mine, theirs)]
            assert [r[0] for r in refusals] in (["value"] * 2, ["raised"] * 2), (method, refusals)
        results = [outcome(pipe, "execute", (), {"raise_on_error": False}) for pipe in (mine, theirs)]
        if results[0][0] == "value":
            results = [[(type(r), str(r)) if isinstance(r, Exception) else r for r in result[1]] for result in results]
        assert results[0] == results[1]


@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "str"])
def test_scan_iter(oracle, decode):
    here, there = clients(oracle, decode_responses=decode)
    for client in (here, there):
        client.mset({f"user:{i}": i for i in range(500)})
        client.mset({f"other:{i}": i for i in range(50)})
    assert set(here.scan_iter("user:*")) == set(there.scan_iter("user:*"))
    assert set(here.scan_iter(count=7)) == set(there.scan_iter(count=7))
    assert sorted(here.keys()) == sorted(there.keys())


def test_mapping_protocol(oracle):
    for client in clients(oracle):
        client["a"] = "1"
        assert client["a"] == b"1"
        assert "a" in client and "b" not in client
        del client["a"]
        with pytest.raises(KeyError):
            client["a"]


def test_encodings(oracle):
    for options in ({"encoding": "latin-1"}, {"encoding": "latin-1", "decode_responses": True},
                    {"encoding": "utf-16"}, {"encoding_errors": "replace", "decode_responses": True}):
        here, there = clients(oracle, **options)
        for client in (here, there):
            client.set("plain", "text")
            client.set("umlaut", "ä")
            client.set("raw", b"\xff\xfe\x61\x00")
        for key in ("plain", "umlaut", "raw"):
            assert outcome(here, "get", (key,), {}) == outcome(there, "get", (key,), {}), (options, key)


# Encodings that spell even digits and letters in other bytes than ASCII. redis-py spells numbers and names of commands in UTF-8
# whatever the encoding, and option words as any other text: then a server knows no EX.
FOREIGN = ["utf-16", "utf-32-be", "cp500"]

NUMBERS = [
    call("set", "q", 1.5), call("get", "q"), call("set", "q", 2 ** 70), call("get", "q"), call("set", "q", -2 ** 64), call("get", "q"),
    call("set", "q", 7), call("get", "q"), call("set", "q", float("inf")), call("get", "q"), call("set", "q", 1e300), call("get", "q"),
    call("set", "q", 5, ex=100), call("set", "q", 5, px=100, nx=True), call("setex", "q", 100, 0.5), call("get", "q"),
    call("incrbyfloat", "f", 0.25), call("incrbyfloat", "f", 2 ** 65), call("mset", {"a": 1.5, "b": 2 ** 80}), call("mget", "a", "b"),
    call("append", "a", 0.125), call("setrange", "a", 1, 2.5), call("get", "a"), call("lpush", "l", 1.5, 2 ** 90, "x"),
    call("lrange", "l", 0, -1), call("blpop", "none", timeout=0.01), call("brpop", ["none"], 0.01), call("blmove", "none", "l", 0.01),
    call("blpop", "l", timeout=0.5), call("hset", "h", "f", 2.5), call("hset", "h", mapping={"g": 2 ** 66, "i": 0.1}),
    call("hgetall", "h"), call("hincrbyfloat", "h", "f", 0.5), call("sadd", "s", 1.5, 2 ** 70), call("smembers", "s"),
    call("zadd", "z", {"m": 1.5, "n": 2 ** 60}), call("zrange", "z", 0, -1, withscores=True), call("zrangebyscore", "z", 0.5, 2.5),
    call("zincrby", "z", 0.5, "m"), call("zscore", "z", "m"), call("bzpopmin", "none", 0.01), call("expire", "z", 100),
    call("execute_command", "SET", "e", 0.5), call("execute_command", "GET", "e"), call("execute_command", "CONFIG GET", "maxmemory"),
    call("eval", "return {KEYS[1], ARGV[1], ARGV[2]}", 1, "k", 0.5, 2 ** 70), call("publish", "c", 1.5),
    call("xadd", "x", {"f": 1.5}, id=b"1-1"), call("xlen", "x"),
]


@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "str"])
@pytest.mark.parametrize("encoding", FOREIGN)
def test_numbers_in_foreign_encodings(oracle, encoding, decode):
    clients(oracle)
    options = {"encoding": encoding, "decode_responses": decode, "protocol": 2, "socket_timeout": 10}
    here, there = hutch.Redis(**options), redis.Redis(host=oracle.host, port=oracle.port, **options)
    with here, there:
        for method, args, kwargs in NUMBERS:
            assert outcome(here, method, args, kwargs) == outcome(there, method, args, kwargs), (method, args)
        for transaction in True, False:
            pipes = here.pipeline(transaction), there.pipeline(transaction)
            for method, args, kwargs in NUMBERS:
                for pipe in pipes:
                    outcome(pipe, method, args, kwargs)
            mine, theirs = (outcome(pipe, "execute", (), {"raise_on_error": False}) for pipe in pipes)
            assert repr(mine) == repr(theirs)


@pytest.mark.parametrize("encoding", FOREIGN)
def test_numbers_in_foreign_encodings_with_asyncio(oracle, encoding):
    async def results(client):
        found = []
        for method, args, kwargs in NUMBERS:
            try:
                found.append((method, args, await getattr(client, method)(*args, **kwargs)))
            except Exception as error:
                found.append((method, args, type(error).__name__, str(error)))
        await client.aclose()
        return found

    async def both():
        options = {"encoding": encoding, "protocol": 2}
        there = redis.asyncio.Redis(host=oracle.host, port=oracle.port, **options)
        await there.flushall()
        assert await results(hutch.asyncio.Redis(**options)) == await results(there)
    asyncio.run(both())


@pytest.mark.parametrize("encoding", FOREIGN)
@pytest.mark.parametrize("subject", SCRIPTS)
def test_same_results_in_foreign_encodings(oracle, subject, encoding):
    here, there = clients(oracle, protocol=2, encoding=encoding)
    with here, there:
        for method, args, kwargs in SCRIPTS[subject]:
            mine = outcome(here, method, args, kwargs)
            theirs = outcome(there, method, args, kwargs)
            if method in PASSING:
                mine, theirs = mine[0], theirs[0]
            assert mine == theirs, (method, args, kwargs)


def test_undecodable_raises_and_the_client_goes_on():
    r = hutch.Redis(decode_responses=True)
    r.set("raw", b"\xff")
    for _ in range(3):
        with pytest.raises(UnicodeDecodeError):
            r.get("raw")
        with pytest.raises(UnicodeDecodeError):
            r.mget("raw")
    assert r.set("ok", "fine") and r.get("ok") == "fine"


def test_lone_surrogate_is_an_error_as_in_redis_py():
    r = hutch.Redis()
    with pytest.raises(UnicodeEncodeError):
        r.set("k", "\ud800")
