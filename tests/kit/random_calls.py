"""Random calls of redis-py's methods: arguments made up by the names of parameters, some of them wrong on purpose.

A call is (method, positional arguments, keyword arguments); it is to be made on redis-py over TCP and on Hutch, with the same
outcome: value and types, or exception.
"""
import datetime
import inspect
import random

import redis
from redis.commands.core import CoreCommands

# Their answers are about this process, this moment or chance; or they would take the server, the connection or the other tests away.
_LEFT_OUT = frozenset("""
    auth bgrewriteaof bgsave cluster command command_docs command_list debug_object debug_segfault dump execute_command failover
    function_delete function_dump function_flush function_kill function_list function_load function_restore function_stats fcall fcall_ro
    hotkeys_get hotkeys_reset hotkeys_start hotkeys_stop info lastsave latency_doctor latency_graph latency_histogram latency_history
    latency_latest latency_reset lolwut memory_doctor memory_help memory_malloc_stats memory_purge memory_stats memory_usage migrate
    module_list module_load module_loadex module_unload psync quit randomkey readonly readwrite register_script replicaof reset role save
    script_debug script_flush script_kill select shutdown slaveof slowlog_get slowlog_len slowlog_reset stralgo sync time wait waitaof
    monitor pubsub_channels pubsub_numpat pubsub_numsub pubsub_shardchannels pubsub_shardnumsub hello unwatch watch object acl_genpass
    config_get config_set config_resetstat config_rewrite xinfo_stream himport_set
""".split())
METHODS = sorted(
    name for name in dir(CoreCommands)
    if not name.startswith(("_", "acl_", "client_", "command_", "ar", "himport_")) and name not in _LEFT_OUT
    and inspect.isfunction(getattr(CoreCommands, name)) and not name.endswith("_iter"))

# Chance or the clock decides what they answer: only its type is compared.
BY_TYPE = frozenset({"spop", "srandmember", "hrandfield", "zrandmember", "ttl", "pttl", "httl", "hpttl", "hexpiretime", "hpexpiretime",
                     "expiretime", "pexpiretime", "xpending_range", "xinfo_consumers", "scan", "sscan", "hscan", "zscan", "xautoclaim",
                     "xclaim", "xpending", "xinfo_groups"})
# In the order of a hash table.
UNORDERED = frozenset({"keys", "sunion", "sdiff", "sinter", "smembers", "hkeys", "hvals"})

KEYS = ["str", "int", "hash", "list", "set", "intset", "zset", "stream", "geo", "hll", "none", "new"]
WORDS = ["a", "b", "c", "1", "2", "x y", "", "ż", b"\x00\xff", 3, 4.5, b"b"]
PREPARED = [
    ("set", ("str", "hello"), {}), ("set", ("int", 10), {}), ("hset", ("hash",), {"mapping": {"a": 1, "b": "two", "c": 3.5}}),
    ("rpush", ("list", "a", "b", "c", 1, 2), {}), ("sadd", ("set", "a", "b", "c"), {}), ("sadd", ("intset", 1, 2, 3), {}),
    ("zadd", ("zset", {"a": 1, "b": 2.5, "c": -3}), {}), ("xadd", ("stream", {"a": 1}, "1-1"), {}), ("xadd", ("stream", {"b": 2}, "2-1"), {}),
    ("xgroup_create", ("stream", "group"), {"id": "0"}), ("geoadd", ("geo", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), {}),
    ("pfadd", ("hll", "a", "b"), {})]
_WRONG = [None, True, [], {}, (), object, 1.5, -1, "", b"", "text", 2 ** 70, float("inf"), float("nan"), ["a", None], {"a": None},
          memoryview(b"mv"), bytearray(b"ba"), datetime.timedelta(seconds=100), 1j, {"a", "b"} & {"a"}]
_NEVER_WRONG = frozenset({"timeout", "block", "id"})         # or the call waits for ever, or the clock makes an ID
# Their defaults would wait for ever, leave it to the clock, or to chance.
_ALWAYS_GIVEN = frozenset({("spop", "count"), ("xadd", "id")})
_FUTURE = datetime.datetime(2100, 1, 1)

def _key(r):
    key = r.choice(KEYS)
    return r.choice([key, key, key, key.encode(), memoryview(key.encode())])


def _word(r):
    return r.choice(WORDS)


def _number(r):
    return r.choice([0, 1, 2, 3, -1, -2, 10, "1", 100])


def _some(make, most=3):
    return lambda r: [make(r) for _ in range(r.randint(1, most))]


def _flag(r):
    return r.choice([False, False, True])


def _rarely(make, otherwise=None):
    return lambda r: make(r) if r.random() < 0.3 else otherwise


def _score(r):
    return r.choice([0, 1, 2.5, -3, "1.5", 1e20])


def _mapping(r):
    return {r.choice(["a", "b", "c", b"d", 5]): _word(r) for _ in range(r.randint(1, 3))}


def _scores(r):
    return {r.choice(["a", "b", "c", "d", b"e"]): _score(r) for _ in range(r.randint(1, 3))}


def _border(r):
    return r.choice(["-inf", "+inf", "(1", 0, 2.5, "-", "+", "[a", "(c", 1])


def _id(r):
    return r.choice(["1-1", "2-1", "3-1", "5-5", "0", "-", "+", b"2-1", "$", ">"])


def _choose(*values):
    return lambda r: r.choice(values)


# What a parameter of that name is given, in any method or in one.
BY_NAME = {
    **dict.fromkeys(("name", "key", "src", "dst", "dest", "destination", "source", "first", "second", "key1", "key2", "first_list", "second_list",
                     "store", "store_dist"), _key),
    **dict.fromkeys(("keys", "names", "sources"), _some(_key)),
    **dict.fromkeys(("value", "member", "refvalue", "value1", "value2", "place1", "place2", "message", "channel", "shard_channel"), _word),
    **dict.fromkeys(("values", "members", "fields", "args"), _some(_word)),
    **dict.fromkeys(("start", "end", "index", "offset", "amount", "num", "bit", "rank", "maxlen", "limit", "cursor", "num_keys", "numkeys",
                     "by", "lbound", "ubound", "entries_read", "size"), _number),
    "count": _choose(1, 2, 3, 0, -1, 10), "maxlen": _rarely(_number), "minid": _rarely(_id), "limit": _rarely(_number),
    "mapping": _mapping, "items": _rarely(_some(_word)), "streams": lambda r: {_key(r): r.choice(["0", "1-1", "$", ">"])},
    "min": _border, "max": _border, "ids": _some(_id), "id": _choose("5-1", "6-1", "7-1", "7-*", "bad", "0", "8"), "start_id": _id,
    "min_idle_time": _choose(0, 0, 10), "message_ids": _some(_id), "groupname": _choose("group", "group", "other"),
    "consumername": _choose("me", "you"), "time": _choose(100, 1000, datetime.timedelta(hours=1), 0, -1), "timeout": _choose(0.01, 0.01, 0.002),
    "seconds": _choose(100, 1000, datetime.timedelta(hours=1)), "milliseconds": _choose(100000, datetime.timedelta(hours=1)), "time_ms": _choose(100000),
    "when": _choose(4102444800, _FUTURE, 1), "unix_time_seconds": _choose(4102444800, _FUTURE), "unix_time_milliseconds": _choose(4102444800000, _FUTURE),
    "ex": _rarely(_choose(100, datetime.timedelta(hours=1), 0)), "px": _rarely(_choose(100000, datetime.timedelta(hours=1))),
    "exat": _rarely(_choose(4102444800, _FUTURE)), "pxat": _rarely(_choose(4102444800000, _FUTURE)), "ttl": _choose(0, 100000),
    "pattern": _choose("*", "s*", "h?sh", "[a-h]*"), "match": _rarely(_choose("*", "a*")), "_type": _rarely(_choose("string", "LIST")),
    "script": _choose("return 1", "return {1, 'two', {3}}", "return redis.call('get', KEYS[1])", "return redis.error_reply('MY error')", "return ARGV"),
    "keys_and_args": _some(_key), "sha": _choose("e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "f" * 40, "x"),
    "unit": _rarely(_choose("m", "km", "mi")), "radius": _choose(200, 1, "100"), "width": _rarely(_choose(400)), "height": _rarely(_choose(400)),
    "longitude": _choose(15, 13.4, 200), "latitude": _choose(37, 38.1, 100), "sort": _rarely(_choose("ASC", "DESC", "bad")),
    "aggregate": _rarely(_choose("SUM", "MIN", "MAX", "bad")), "operation": _choose("AND", "OR", "XOR", "NOT", "bad"), "mode": _rarely(_choose("BYTE", "BIT")),
    "direction": _choose("LEFT", "RIGHT", "bad"), "ordering": _choose("LEFT", "RIGHT"), "where": _choose("BEFORE", "after", "bad"), "score_cast_func": _choose(float, int, str),
    "get": _rarely(_choose(True, "#", ["#", "w_*"])), "by": _rarely(_choose("nosort", "w_*")), "destination_db": _rarely(_choose(0, 1)), "db": _choose(1, 2),
    "first": _choose(0, 1), "second": _choose(1, 0), "block": _rarely(_choose(1, 2)), "section": _rarely(_choose("server")), "ref_policy": _rarely(_choose("KEEPREF", "DELREF")),
    "data_persist_option": _rarely(_choose("FNX", "FXX")), "any": _flag, "predicates": _some(_word), "payload": _choose(b"\x00\x01x", b""),
    "encoding": _choose("u8", "i16"), "kwargs": lambda r: {}, "minmatchlen": _rarely(_number), "bits": _rarely(_number),
    "ifeq": lambda r: None, "ifne": lambda r: None, "ifdeq": lambda r: None, "ifdne": lambda r: None, "idmpauto": lambda r: None, "idmp": lambda r: None,
    "asynchronous": _flag, "sync_type": _choose("SYNC", "ASYNC"), "fieldset_name": _word,
}
BY_METHOD = {
    ("zadd", "mapping"): _scores, ("zincrby", "amount"): _score, ("zcount", "min"): _border, ("mset", "mapping"): lambda r: {_key_text(r): _word(r)},
    ("msetnx", "mapping"): lambda r: {r.choice(["new", "newer"]): _word(r)}, ("incrbyfloat", "amount"): _choose(0.5, 1, "2.25", -1e3),
    ("hincrbyfloat", "amount"): _choose(0.5, 1, "2.25"), ("geoadd", "values"): _choose((13.3, 38.1, "Palermo"), (15, 37.5, "Catania", 200, 1, "bad"), (1, 2)),
    ("geodist", "place1"): _choose("Palermo", "no"), ("geodist", "place2"): _choose("Catania", "no"), ("geosearch", "member"): _rarely(_choose("Palermo", "no")),
    ("geohash", "values"): _choose(("Palermo",), ("no", "Catania")), ("geopos", "values"): _choose(("Palermo",), ("no", "Catania")),
    ("setbit", "value"): _choose(0, 1, 2), ("setbit", "offset"): _choose(0, 7, 100, -1), ("getbit", "offset"): _choose(0, 7, 100, -1),
    ("setrange", "offset"): _choose(0, 3, 20, -1), ("blmpop", "numkeys"): _choose(1, 2), ("lmpop", "num_keys"): _choose(1, 2),
    ("bitcount", "mode"): _rarely(_choose("BYTE", "BIT")), ("lpos", "maxlen"): _rarely(_number), ("sort", "groups"): _flag, ("sort", "num"): _rarely(_number),
    ("sort", "start"): _rarely(_number), ("sort_ro", "num"): _rarely(_number), ("sort_ro", "start"): _rarely(_number),
    ("eval", "numkeys"): _choose(0, 1, 2), ("evalsha", "numkeys"): _choose(0, 1), ("eval_ro", "numkeys"): _choose(0, 1), ("evalsha_ro", "numkeys"): _choose(0, 1),
    ("xrange", "min"): _id, ("xrange", "max"): _id, ("xrevrange", "min"): _id, ("xrevrange", "max"): _id, ("xadd", "fields"): _mapping,
    ("xgroup_create", "id"): _choose("$", "0", "1-1"), ("xgroup_setid", "id"): _choose("$", "0", "1-1"), ("xpending_range", "min"): _id, ("xpending_range", "max"): _id,
    ("pexpire", "time"): _choose(100000, datetime.timedelta(hours=1), 0, -1), ("echo", "value"): _word, ("lcs", "len"): _flag, ("hset", "key"): _word, ("hget", "key"): _word, ("hsetnx", "key"): _word, ("hdel", "keys"): _some(_word),
    ("hexists", "key"): _word, ("hstrlen", "key"): _word, ("hincrby", "key"): _word, ("hincrbyfloat", "key"): _word, ("hmget", "keys"): _some(_word),
    ("hgetdel", "keys"): _some(_word), ("hgetex", "keys"): _some(_word), ("hset", "mapping"): _rarely(_mapping), ("publish", "kwargs"): lambda r: {},
    ("spop", "count"): _choose(10, 0), ("lpop", "count"): _rarely(_number), ("rpop", "count"): _rarely(_number), ("zpopmin", "count"): _rarely(_number),
    ("zpopmax", "count"): _rarely(_number), ("restore", "name"): _choose("new", "newer"), ("bitop", "dest"): _key, ("pfadd", "values"): _some(_word),
}


def _key_text(r):
    return r.choice(KEYS)


def _made(r, method, parameter):
    make = BY_METHOD.get((method, parameter.name)) or BY_NAME.get(parameter.name)
    if make is not None:
        return make(r)
    return _flag(r) if isinstance(parameter.default, bool) else parameter.default if parameter.default is not parameter.empty else _word(r)


class _Recorder(redis.Redis):
    """Has no connection, and keeps what it should have sent."""

    def execute_command(self, *args, **options):
        self.sent = args[0]


def methods_of(commands):
    """The methods that send one of these commands, in lower case."""
    recorder, r, found = _Recorder(), random.Random(0), []
    for method in METHODS:
        recorder.sent = None
        for _ in range(50):
            try:
                _, args, named = random_call(r, 0, [method])
                getattr(recorder, method)(*args, **named)
            except Exception:
                continue
            if recorder.sent:
                break
        if recorder.sent and recorder.sent.split()[0].lower() in commands:
            found.append(method)
    return found


def random_call(r, wrong=0.1, methods=METHODS):
    """A method and arguments that suit it, more or less; `wrong`: how often something else takes an argument's place."""
    method = r.choice(methods)
    positional, named, by_position = [], {}, True
    parameters = list(inspect.signature(getattr(redis.Redis, method)).parameters.values())[1:]
    waits = method == "spop" or any(parameter.name in _NEVER_WRONG for parameter in parameters)
    for parameter in parameters:
        optional = parameter.default is not parameter.empty
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            if by_position:
                positional += [_wrong(r) if r.random() < wrong / 2 else value for value in _several(_made(r, method, parameter))]
            continue
        given = parameter.name == "timeout" or (method, parameter.name) in _ALWAYS_GIVEN
        if optional and not given and r.random() < 0.55:
            by_position = by_position and parameter.kind is parameter.KEYWORD_ONLY
            continue
        value = _wrong(r) if r.random() < wrong / 2 and parameter.name not in _NEVER_WRONG and not given else _made(r, method, parameter)
        if by_position and parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(value)
        else:
            named[parameter.name] = value
    if waits:
        return method, tuple(positional), named
    if r.random() < wrong / 4 and positional:
        positional.pop()
    if r.random() < wrong / 8:
        positional.append(_wrong(r))
    if r.random() < wrong / 8:
        named["no_such_option"] = 1
    return method, tuple(positional), named


def _several(value):
    return value if isinstance(value, (list, tuple)) else [value]


def _wrong(r):
    return r.choice(_WRONG)
