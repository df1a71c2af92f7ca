"""Every redis-py method of the commands that exist gives what redis.Redis over TCP gives from a real Redis.

The calls of one script are made on both clients, in both protocols, with and without decode_responses, and
their results compared: values and types, or exception classes and messages.
"""
import datetime

import pytest
import redis

import hutch

DAY = datetime.timedelta(days=1)


def call(method, *args, **kwargs):
    return method, args, kwargs


# One script a subject; each begins with an empty database.
SCRIPTS = {
    "strings": [
        call("set", "a", "1"), call("get", "a"), call("get", "missing"), call("set", "a", b"\x00\xff"),
        call("set", "n", 10), call("set", "f", 1.5), call("get", "f"), call("incr", "n"), call("incr", "n", 5),
        call("incrby", "n", amount=7), call("decr", "n"), call("decrby", "n", 3), call("get", "n"),
        call("incrbyfloat", "f", 0.25), call("incrbyfloat", "f"), call("append", "s", "hello"),
        call("append", "s", " world"), call("strlen", "s"), call("getrange", "s", 0, 4), call("substr", "s", 1, 3),
        call("setrange", "s", 6, "redis"), call("get", "s"), call("getset", "s", "new"), call("getset", "fresh", "x"),
        call("getdel", "s"), call("getdel", "s"), call("setnx", "once", 1), call("setnx", "once", 2),
        call("mset", {"k1": "v1", "k2": "v2"}), call("mget", "k1", "k2", "nope"), call("mget", ["k1", "nope"]),
        call("msetnx", {"k1": "no", "k3": "no"}), call("msetnx", {"k4": 1, "k5": 2.5}), call("mget", "k4", "k5"),
        call("set", "uni", "żółw €"), call("get", "uni"), call("set", memoryview(b"ba"), memoryview(b"mv")),
        call("get", b"ba"), call("incr", "k1"), call("set", "big", 2 ** 70), call("get", "big"), call("incr", "big"),
        call("mget", []),
    ],
    "set options": [
        call("set", "a", "1", nx=True), call("set", "a", "2", nx=True), call("set", "a", "3", xx=True),
        call("set", "no", "3", xx=True), call("set", "a", "4", get=True), call("set", "a", "5", nx=True, get=True),
        call("set", "fresh", "1", get=True), call("set", "a", "6", ex=100), call("ttl", "a"),
        call("set", "a", "7", keepttl=True), call("ttl", "a"), call("set", "a", "8"), call("ttl", "a"),
        call("set", "a", "9", px=100000), call("ttl", "a"), call("set", "a", "9", 50), call("ttl", "a"),
        call("set", "a", "1", ex=DAY), call("ttl", "a"), call("set", "a", "1", px=DAY), call("ttl", "a"),
        call("set", "a", "1", exat=4102444800), call("expiretime", "a"), call("set", "a", "1", pxat=4102444800000),
        call("pexpiretime", "a"), call("set", "a", "1", ex=0), call("set", "a", "1", ex=1, px=1),
        call("set", "a", "1", ex="ten"), call("set", "a", True), call("set", "a", None), call("set", "a", [1]),
        call("setex", "a", 60, "v"), call("setex", "a", DAY, "v"), call("psetex", "a", 60000, "v"), call("ttl", "a"),
        call("getex", "a", persist=True), call("ttl", "a"), call("getex", "a", ex=30), call("ttl", "a"),
        call("getex", "a"), call("getex", "missing"),
    ],
    "keys": [
        call("set", "a", 1), call("set", "b", 2), call("exists", "a"), call("exists", "a", "b", "a", "no"),
        call("delete", "a", "no"), call("delete", "no"), call("delete"), call("exists"), call("unlink", "b"),
        call("unlink", "b", "c"), call("type", "a"), call("set", "a", 1), call("type", "a"), call("rename", "a", "z"),
        call("rename", "a", "z"), call("renamenx", "z", "y"), call("set", "x", 1), call("renamenx", "x", "y"),
        call("touch", "x", "y", "no"), call("copy", "x", "x2"), call("copy", "x", "x2"),
        call("copy", "x", "x2", replace=True), call("copy", "x", "x3", destination_db=3), call("move", "x2", 3),
        call("move", "x2", 3), call("keys", "y"), call("keys", "no*"), call("dbsize"), call("object", "encoding", "x"),
        call("object", "refcount", "x"), call("object", "encoding", "none"), call("lcs", "x", "y"),
        call("scan", match="y"), call("scan", 0, "nothing*"), call("scan", 0, _type="list"), call("swapdb", 0, 3),
        call("get", "x3"), call("swapdb", 0, 3), call("get", "x3"), call("flushdb"), call("randomkey"),
        call("set", "one", 1), call("randomkey"), call("flushdb", asynchronous=True), call("flushall"),
        call("flushall", asynchronous=True),
    ],
    "expiry": [
        call("set", "a", 1), call("ttl", "a"), call("pttl", "a"), call("ttl", "no"), call("pttl", "no"),
        call("expire", "a", 100), call("ttl", "a"), call("expire", "no", 100), call("expire", "a", 200, nx=True),
        call("expire", "a", 200, gt=True), call("expire", "a", 100, gt=True), call("expire", "a", 100, lt=True),
        call("expire", "a", DAY, xx=True), call("ttl", "a"), call("pexpire", "a", 100000), call("ttl", "a"),
        call("pexpire", "a", DAY), call("expireat", "a", 4102444800), call("expiretime", "a"),
        call("expireat", "a", datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)), call("expiretime", "a"),
        call("pexpireat", "a", 4102444800123), call("pexpiretime", "a"), call("persist", "a"), call("persist", "a"),
        call("expiretime", "a"), call("expiretime", "no"), call("expire", "a", -1), call("exists", "a"),
        call("expire", "a", "soon"), call("expire", "a", 10, nx=True, xx=True),
    ],
    "lcs": [
        call("mset", {"a": "ohmytext", "b": "mynewtext"}), call("lcs", "a", "b"), call("lcs", "a", "b", len=True),
        call("lcs", "a", "b", idx=True), call("lcs", "a", "b", idx=True, minmatchlen=4),
        call("lcs", "a", "b", idx=True, minmatchlen=4, withmatchlen=True), call("lcs", "a", "b", len=True, idx=True),
    ],
    "server": [
        call("ping"), call("echo", "hello"), call("echo", b"\xff"), call("client_setname", "me"), call("client_getname"),
        call("dbsize"), call("config_get", "maxmemory"), call("config_get", "nothing*"),
        call("config_get", "maxmemory", "appendonly"), call("config_set", "maxmemory-samples", 6),
        call("config_get", "maxmemory-samples"), call("config_set", "maxmemory-samples", 5),
        call("config_set", "no-such", 1), call("config_resetstat"), call("client_no_touch", "ON"),
        call("client_no_touch", "OFF"), call("client_no_evict", "ON"), call("client_unpause"),
        call("memory_usage", "missing"), call("object", "help"), call("command_count"),
        call("command_getkeys", "MSET", "a", 1, "b", 2), call("command_info", "get"), call("select", 1),
        call("select", 0), call("select", 99), call("execute_command", "NO", "SUCH"), call("execute_command", "GET"),
        call("execute_command", "CONFIG GET", "maxmemory"), call("execute_command", "set", "lower", "case"),
        call("auth", "wrong"), call("execute_command", "AUTH"), call("quit"), call("ping"),
    ],
}
PASSING = {"command_count"}      # of a different number of commands


def outcome(client, method, args, kwargs):
    try:
        return "value", getattr(client, method)(*args, **kwargs)
    except Exception as error:
        return "raised", type(error).__name__, str(error)


def clients(oracle, **options):
    there = redis.Redis(host=oracle.host, port=oracle.port, **options)
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
            assert _types(mine) == _types(theirs), (method, args, kwargs)


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


def _types(value):
    if isinstance(value, (list, tuple)):
        return type(value), [_types(item) for item in value]
    if isinstance(value, dict):
        return type(value), {repr(key): _types(item) for key, item in value.items()}
    return type(value)


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
