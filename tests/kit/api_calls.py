"""Calls of redis-py's methods, by subject, that all clients should answer alike: embedded and over TCP, sync and asyncio."""
import datetime

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


def types_of(value):
    if isinstance(value, (list, tuple)):
        return type(value), [types_of(item) for item in value]
    if isinstance(value, dict):
        return type(value), {repr(key): types_of(item) for key, item in value.items()}
    return type(value)


def outcome(client, method, args, kwargs):
    try:
        return "value", getattr(client, method)(*args, **kwargs)
    except Exception as error:
        return "raised", type(error).__name__, str(error)
