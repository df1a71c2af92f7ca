"""One rule for all ways in: the same command gives the same reply, effects and figures, whoever sends it and however.

Each command of CASES comes in by each way of kit/ways_in: a socket, a call in the process, a compiled method, pipelines, EXEC, a
script, a function, asyncio, a client that waits. What is seen of it is compared with a real Redis that is asked by the way that
corresponds.
"""
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

import hutch
from kit.json_oracle import MISSING as NO_MODULE, find_module
from kit.oracle import RedisServer
from kit.waiting import wait_until
from kit.ways_in import (
    COMPILED, OBSERVERS, WAYS, WAYS_OF_SEVERAL, Case, World, by_asyncio_call, by_asyncio_method, by_embedded_call, by_embedded_function,
    by_embedded_script, by_exec, by_function, by_method, by_script, by_socket, name_of, served, thrice, words)


def case(line, *setup, method=None, keys="k", name=None, **options):
    """`method`: "name argument ..." or a tuple; the keys are those that are watched and tracked."""
    argv = words(line)
    return Case(name or " ".join(map(str, argv)), argv, setup, words(method) if method else (), words(keys) if keys else (),
                **options)


STRING, HASH, LIST, SET, ZSET = ("SET k text",), ("HSET k a 1 b 2",), ("RPUSH k a b c",), ("SADD k a",), ("ZADD k 1 a 2 b",)
STREAM = ("XADD k 1-1 f v", "XGROUP CREATE k g 0")
CASES = [
    # strings
    case("GET k", *STRING, method="get k"), case("GET k", method="get k", name="GET of nothing"),
    case("SET k v", *STRING, method="set k v"), case("SET k v NX", *STRING, method=("set", "k", "v", None, None, True)),
    case("SET k v EX 100", *STRING, method=("set", "k", "v", 100)),
    case("SET k v EX 100", "SET k 5", method=("set", "k", "v", 100), name="SET EX over a number"),
    case("GET k", "SET k 5", method="get k", name="GET of a number"), case("INCRBY k 1", "SET k 5", method="incr k"),
    case("INCRBY k 7", method=("incrby", "k", 7)), case("DECRBY k 1", "SET k 5", method="decr k"),
    case("APPEND k x", *STRING, method="append k x"), case("STRLEN k", *STRING, method="strlen k"),
    case("GETDEL k", *STRING, method="getdel k"), case("MSET k 1 l 2", method=("mset", {"k": "1", "l": "2"}), keys="k l"),
    case("MGET k n", *STRING, method="mget k n", keys="k n"), case("GETSET k v", *STRING, method="getset k v"),
    case("SETRANGE k 1 x", *STRING, method=("setrange", "k", 1, "x")),
    case("INCRBYFLOAT k 0.5", "SET k 1", method=("incrbyfloat", "k", "0.5")), case("GETEX k PERSIST", "SET k v EX 100"),
    case("SETNX k v", method="setnx k v"), case("SET k v", *LIST, method="set k v", name="SET over a list"),
    case("INCRBY k 1", "SET k 9223372036854775807", method="incr k", name="INCRBY too far"),
    # keys
    case("DEL k n", *STRING, method="delete k n"), case("DEL k", *LIST, method="delete k"),
    case("UNLINK k", *HASH, method="unlink k"), case("DEL n", method="delete n"),
    case("EXISTS k n", *STRING, method="exists k n"), case("EXPIRE k 100", *STRING, method=("expire", "k", 100)),
    case("EXPIRE n 100", method=("expire", "n", 100)),
    case("EXPIRE k -1", *STRING, method=("expire", "k", -1), name="EXPIRE of the past"),
    case("PERSIST k", "SET k v EX 100", method="persist k"), case("TTL k", "SET k v EX 100", method="ttl k"),
    case("TTL k", "SET k v PX 100800", method="ttl k", name="TTL of a part of a second"), case("TTL n", method="ttl n"),
    case("PTTL k", *STRING, method="pttl k"), case("TYPE k", *LIST, method="type k"),
    case("RENAME k l", *STRING, method="rename k l", keys="k l"), case("COPY k l", *STRING, method="copy k l", keys="k l"),
    case("MOVE k 1", *STRING, method=("move", "k", 1)), case("TOUCH k", *STRING, method="touch k"),
    case("DBSIZE", *STRING, method="dbsize"), case("FLUSHDB", *STRING), case("FLUSHALL", *STRING), case("KEYS *", *STRING),
    case("OBJECT ENCODING k", *STRING), case("RANDOMKEY", *STRING), case("SWAPDB 0 1", *STRING),
    case("GET k", "SET k v PX 1", method="get k", due_ms=3, name="GET of what is due"),
    case("SET k v", "SET k v PX 1", method="set k v", due_ms=3, name="SET of what is due"),
    case("DEL k", "SET k v PX 1", method="delete k", due_ms=3, name="DEL of what is due"),
    case("EXISTS k", "SET k v PX 1", method="exists k", due_ms=3, name="EXISTS of what is due"),
    case("INCRBY k 1", "SET k 5 PX 1", method="incr k", due_ms=3, name="INCRBY of what is due"),
    case("TTL k", "SET k 5 PX 1", method="ttl k", due_ms=3, name="TTL of what is due"),
    case("HGET k a", *HASH, "PEXPIRE k 1", method="hget k a", due_ms=3, name="HGET of what is due"),
    # what one sees of a running store
    case("SLOWLOG RESET", *STRING), case("SLOWLOG GET x"), case("LATENCY RESET", *STRING), case("LATENCY GRAPH nosuch"),
    # hashes
    case("HSET k c 3", *HASH, method="hset k c 3"), case("HSET k a 1", *HASH, method="hset k a 1", name="HSET of the same"),
    case("HGET k a", *HASH, method="hget k a"), case("HGET n a", method="hget n a"), case("HGETALL k", *HASH, method="hgetall k"),
    case("HDEL k a", *HASH, method="hdel k a"), case("HDEL k a b", *HASH, method="hdel k a b"),
    case("HINCRBY k a 5", *HASH, method=("hincrby", "k", "a", 5)), case("HMGET k a n", *HASH, method="hmget k a n"),
    case("HLEN k", *HASH, method="hlen k"), case("HEXISTS k a", *HASH, method="hexists k a"),
    case("HEXPIRE k 100 FIELDS 1 a", *HASH, method=("hexpire", "k", 100, "a")), case("HGETDEL k FIELDS 1 a", *HASH),
    # lists
    case("LPUSH k v", *LIST, method="lpush k v"),
    case("LPUSH k v", method="lpush k v", waits=("BLPOP", "k", "0"), name="LPUSH of a new list"),
    case("RPUSH k v w", method="rpush k v w", waits=("BRPOP", "k", "0")), case("LPOP k", *LIST, method="lpop k"),
    case("RPOP k", "RPUSH k a", method="rpop k"), case("LPOP n", method="lpop n"),
    case("LRANGE k 0 -1", *LIST, method=("lrange", "k", 0, -1)), case("LLEN k", *LIST, method="llen k"),
    case("LTRIM k 1 1", *LIST, method=("ltrim", "k", 1, 1)), case("LSET k 0 x", *LIST, method=("lset", "k", 0, "x")),
    case("LREM k 0 a", *LIST, method=("lrem", "k", 0, "a")),
    case("RPOPLPUSH k l", *LIST, method="rpoplpush k l", keys="k l", waits=("BLPOP", "l", "0")),
    case("LINSERT k BEFORE b x", *LIST, method="linsert k BEFORE b x"), case("LPUSHX k v", method="lpushx k v"),
    # sets
    case("SADD k a b", *SET, method="sadd k a b"), case("SREM k a", *SET, method="srem k a"),
    case("SMEMBERS k", *SET, method="smembers k"), case("SISMEMBER k a", *SET, method="sismember k a"),
    case("SCARD k", *SET, method="scard k"), case("SPOP k", *SET, method="spop k"),
    case("SINTERSTORE l k k", *SET, method="sinterstore l k k", keys="k l"),
    case("SMOVE k l a", *SET, method="smove k l a", keys="k l"),
    # sorted sets
    case("ZADD k 3 c", *ZSET, method=("zadd", "k", {"c": 3})),
    case("ZADD k 3 c", method=("zadd", "k", {"c": 3}), waits=("BZPOPMIN", "k", "0"), name="ZADD of a new one"),
    case("ZSCORE k a", *ZSET, method="zscore k a"), case("ZSCORE k n", *ZSET, method="zscore k n"),
    case("ZINCRBY k 2 a", *ZSET, method=("zincrby", "k", 2, "a")), case("ZREM k a", *ZSET, method="zrem k a"),
    case("ZRANGE k 0 -1", *ZSET, method=("zrange", "k", 0, -1)), case("ZCARD k", *ZSET, method="zcard k"),
    case("ZRANK k b", *ZSET, method="zrank k b"), case("ZPOPMIN k", *ZSET, method="zpopmin k"),
    case("ZRANGESTORE l k 0 0", *ZSET, method=("zrangestore", "l", "k", 0, 0), keys="k l"),
    case("ZUNIONSTORE l 1 k", *ZSET, keys="k l", waits=("BZPOPMAX", "l", "0")),
    # streams
    case("XADD k 5-5 f v", *STREAM, method=("xadd", "k", {"f": "v"}, "5-5"), waits=("XREAD", "BLOCK", "0", "STREAMS", "k", "$")),
    case("XLEN k", *STREAM, method="xlen k"), case("XRANGE k - +", *STREAM, method="xrange k - +"),
    case("XDEL k 1-1", *STREAM, method="xdel k 1-1"), case("XTRIM k MAXLEN 0", *STREAM), case("XGROUP CREATE k h 0", *STREAM),
    case("XREADGROUP GROUP g c STREAMS k >", *STREAM),
    case("XACK k g 1-1", *STREAM, "XREADGROUP GROUP g c STREAMS k >", method="xack k g 1-1"),
    # bitmaps, HyperLogLogs, places
    case("SETBIT k 7 1", *STRING, method=("setbit", "k", 7, 1)), case("SETBIT k 100 0", method=("setbit", "k", 100, 0), name="SETBIT of nothing"),
    case("SETBIT k 1 1", *STRING, method=("setbit", "k", 1, 1), name="SETBIT of the same"), case("GETBIT k 1", *STRING, method=("getbit", "k", 1)),
    case("SETBIT k -1 1", *STRING, method=("setbit", "k", -1, 1)), case("SETBIT k 1 1", *LIST, method=("setbit", "k", 1, 1), name="SETBIT of a list"),
    case("BITCOUNT k", *STRING, method="bitcount k"), case("BITCOUNT k 1 -1 BIT", *STRING, method=("bitcount", "k", 1, -1, "BIT")),
    case("BITPOS k 1", *STRING, method=("bitpos", "k", 1)), case("BITPOS k 0 1", *STRING, method=("bitpos", "k", 0, 1)),
    case("BITOP NOT l k", *STRING, method="bitop NOT l k", keys="k l"), case("BITOP AND k n m", *STRING, method="bitop AND k n m"),
    case("BITOP XOR l k k", *STRING, "RPUSH l a", method="bitop XOR l k k", keys="k l", name="BITOP over a list"),
    case("BITFIELD k SET u8 0 65 INCRBY i5 100 1 GET u4 0", *STRING), case("BITFIELD k OVERFLOW FAIL SET u1 0 5", *STRING),
    case("BITFIELD k OVERFLOW FAIL INCRBY u1 0 5", name="BITFIELD of nothing that fails"), case("BITFIELD_RO k GET u8 0", *STRING),
    case("PFADD k a b", method="pfadd k a b"), case("PFADD k a", "PFADD k a", method="pfadd k a", name="PFADD of the same"),
    case("PFADD k", method="pfadd k"), case("PFADD k a", *STRING, method="pfadd k a", name="PFADD of a text"),
    case("PFCOUNT k", "PFADD k a", method="pfcount k"), case("PFCOUNT k", "PFADD k a", "PFCOUNT k", method="pfcount k", name="PFCOUNT once more"),
    case("PFCOUNT k l", "PFADD k a", "PFADD l b", method="pfcount k l", keys="k l"), case("PFCOUNT n", method="pfcount n"),
    case("PFMERGE l k", "PFADD k a", method="pfmerge l k", keys="k l"), case("PFMERGE k k", "PFADD k a", "PFDEBUG TODENSE k"),
    case("PFDEBUG TODENSE k", "PFADD k a"),
    case("GEOADD k 13.3 38.1 a", method=("geoadd", "k", (13.3, 38.1, "a")), waits=("BZPOPMIN", "k", "0")),
    case("GEOADD k CH 13.3 38.1 a", "GEOADD k 1 1 a", method=("geoadd", "k", (13.3, 38.1, "a"), False, False, True)),
    case("GEOADD k 200 38.1 a"), case("GEODIST k a b km", "GEOADD k 1 1 a 2 2 b"),
    case("GEOPOS k a n", "GEOADD k 1 1 a"), case("GEOHASH k a n", "GEOADD k 1 1 a", method="geohash k a n"),
    case("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 200 km ASC", "GEOADD k 1 1 a 2 2 b"),
    case("GEOSEARCHSTORE l k FROMMEMBER a BYBOX 300 300 km", "GEOADD k 1 1 a 2 2 b", keys="k l", waits=("BZPOPMIN", "l", "0")),
    case("GEOSEARCHSTORE l n FROMMEMBER a BYBOX 3 3 km", *LIST, "RPUSH l a", keys="n l", name="GEOSEARCHSTORE of nothing"),
    case("GEORADIUS k 1 1 200 km STOREDIST l", "GEOADD k 1 1 a 2 2 b", *STRING[1:], keys="k l"),
    case("GEORADIUSBYMEMBER_RO k n 1 km", "GEOADD k 1 1 a"),
    # sort, dump, others
    case("SORT k", "RPUSH k 3 1 2", method="sort k"),
    case("SORT k STORE l", "RPUSH k 3 1 2", keys="k l", waits=("BLPOP", "l", "0")), case("DUMP k", *STRING),
    case(("RESTORE", "k", "0", b"\x00\x01v\x0c\x00\x0e\xe0\x54\x90\x77\x9d\x8a\xbb"), name="RESTORE of what is broken"),
    case("PING", keys="", method="ping"), case("ECHO x", keys="", method="echo x"),
    case("PUBLISH c m", keys="", method="publish c m"), case("CONFIG GET maxmemory-samples", keys=""),
    case("ACL WHOAMI", keys=""), case("ACL USERS", keys=""), case("ACL DRYRUN default GET k", keys=""), case("ACL NOSUCH", keys=""),
    case("CONFIG SET maxmemory-samples 5", keys=""), case("CLIENT GETNAME", keys=""), case("SELECT 0", keys=""),
    case("SCRIPT EXISTS x", keys=""),
    # errors of each kind
    case("GET k", *LIST, method="get k", name="GET of a list"), case("SET k v GET", *LIST, name="SET GET of a list"),
    case("LPUSH k v", *STRING, method="lpush k v", name="LPUSH of a string"),
    case("INCRBY k 1", *STRING, method="incr k", name="INCRBY of a text"),
    case("INCRBY k 1", *LIST, method="incr k", name="INCRBY of a list"),
    case("HSET k a b", *STRING, method="hset k a b", name="HSET of a string"),
    case("HGET k a", *STRING, method="hget k a", name="HGET of a string"),
    case("ZADD k 1 a", *STRING, method=("zadd", "k", {"a": 1}), name="ZADD of a string"),
    case("SADD k a", *STRING, method="sadd k a", name="SADD of a string"),
    case("LPOP k", *STRING, method="lpop k", name="LPOP of a string"),
    case("SMEMBERS k", *STRING, method="smembers k", name="SMEMBERS of a string"),
    case("ZSCORE k a", *STRING, method="zscore k a", name="ZSCORE of a string"),
    case("LRANGE k 0 -1", *STRING, method=("lrange", "k", 0, -1), name="LRANGE of a string"),
    case("XADD k 1-1 f v", *STREAM, method=("xadd", "k", {"f": "v"}, "1-1"), name="XADD of an old ID"),
    case("EXPIRE k x", *STRING, method="expire k x"), case("RENAME n l", method="rename n l", keys="n l"),
    case("LSET k 9 x", *LIST, method=("lset", "k", 9, "x")), case("SET k v EX 0", *STRING, method=("set", "k", "v", 0)),
    case("GET", keys=""), case("GET k x", keys=""), case("HSET k a", keys="k"), case("NOSUCH k", keys=""),
    case("OBJECT NOSUCH k", keys=""), case("CONFIG", keys=""), case("EXPIRE k 9 NX XX", *STRING),
    case("HINCRBY k a x", *HASH, method="hincrby k a x"), case("ZINCRBY k x a", *ZSET, method="zincrby k x a"),
    # memory: maxmemory is reached, and nothing may be evicted
    *(case(line, *setup, method=method, config=(("maxmemory", "1"),), name=f"{line.split()[0]} without memory")
      for line, setup, method in (
        ("GET k", STRING, "get k"), ("SET k v", STRING, "set k v"), ("INCRBY k 1", (), "incr k"), ("DEL k", STRING, "delete k"),
        ("EXPIRE k 100", STRING, ("expire", "k", 100)), ("LPOP k", LIST, "lpop k"), ("LPUSH k v", LIST, "lpush k v"),
        ("HSET k c 3", HASH, "hset k c 3"), ("HDEL k a", HASH, "hdel k a"), ("ZADD k 3 c", ZSET, ("zadd", "k", {"c": 3})),
        ("XADD k 5-5 f v", STREAM, ("xadd", "k", {"f": "v"}, "5-5")),
        ("SADD k z", SET, "sadd k z"), ("PUBLISH c m", (), "publish c m"), ("COPY k l", STRING, "copy k l"))),
    # maxmemory is set, and far away
    *(case(line, *setup, method=method, config=(("maxmemory", "1gb"),), name=f"{line.split()[0]} below maxmemory")
      for line, setup, method in (
        ("GET k", STRING, "get k"), ("SET k v", STRING, "set k v"), ("INCRBY k 1", (), "incr k"), ("DEL k", STRING, "delete k"),
        ("HSET k c 3", HASH, "hset k c 3"), ("LPUSH k v", LIST, "lpush k v"))),
]

# Beside a Redis with RedisJSON. A document of white space would be several words here.
DOCUMENT = (("JSON.SET", "k", "$", '{"a":1,"b":[1,2,[3]],"s":"text","t":true}'),)
JSON_CASES = [
    case(line, *setup, keys=keys) for line, setup, keys in (
        ("JSON.SET k $ [1,2]", (), "k"), ("JSON.SET k $.a 2", DOCUMENT, "k"), ("JSON.SET k $.n 2 XX", (), "k"), ("JSON.GET k", DOCUMENT, "k"),
        ("JSON.GET k $.b", DOCUMENT, "k"), ("JSON.GET n", (), "n"), ("JSON.MSET k $ 1 l $ 2", (), "k l"), ("JSON.MGET k n $.a", DOCUMENT, "k n"),
        ("JSON.NUMINCRBY k $.a 2", DOCUMENT, "k"), ("JSON.ARRAPPEND k $.b 4", DOCUMENT, "k"), ("JSON.ARRPOP k $.b", DOCUMENT, "k"),
        ('JSON.STRAPPEND k $.s "x"', DOCUMENT, "k"), ("JSON.TOGGLE k $.t", DOCUMENT, "k"), ('JSON.MERGE k $ {"a":null}', DOCUMENT, "k"),
        ("JSON.DEL k $.a", DOCUMENT, "k"), ("JSON.DEL k", DOCUMENT, "k"), ("JSON.CLEAR k", DOCUMENT, "k"), ("JSON.TYPE k $.*", DOCUMENT, "k"),
        ("JSON.OBJKEYS k $", DOCUMENT, "k"), ("JSON.RESP k $", DOCUMENT, "k"), ("TYPE k", DOCUMENT, "k"), ("COPY k l", DOCUMENT, "k l"),
        ("RENAME k l", DOCUMENT, "k l"), ("DEL k", DOCUMENT, "k"), ("OBJECT ENCODING k", DOCUMENT, "k"))
] + [
    case("JSON.SET k $ 1", *STRING, name="JSON.SET of a string", keys=""), case("GET k", *DOCUMENT, name="GET of a document", keys=""),
    case("JSON.SET k $ {bad", keys=""), case("JSON.SET k $.a", keys=""), case("JSON.GET k $[", *DOCUMENT, keys=""),
    case("JSON.GET k .n", *DOCUMENT, keys=""), case("JSON.NUMINCRBY n $ 1", keys=""),
    case("JSON.SET k $ 1", config=(("maxmemory", "1"),), name="JSON.SET without memory"),
    case("JSON.GET k", *DOCUMENT, config=(("maxmemory", "1"),), name="JSON.GET without memory"),
]

UNCHANGED = ("JSON.SET k $.n 2 XX", "JSON.SET of a string", "JSON.SET k $ {bad", "JSON.NUMINCRBY n $ 1")

BLPOP = ("BLPOP", "k", "0")
WAITS = [
    case(BLPOP, method=("blpop", "k", 0), served_by=("LPUSH", "k", "v")),
    case("BRPOP k 0", method=("brpop", "k", 0), served_by=("RPUSH", "k", "v", "w")),
    case("BLMOVE k l LEFT RIGHT 0", method=("blmove", "k", "l", 0), keys="k l", served_by=("LPUSH", "k", "v")),
    case("BRPOPLPUSH k l 0", method=("brpoplpush", "k", "l", 0), keys="k l", served_by=("LPUSH", "k", "v")),
    case("BLMPOP 0 1 k LEFT", served_by=("LPUSH", "k", "v")),
    case("BZPOPMIN k 0", method=("bzpopmin", "k", 0), served_by=("ZADD", "k", "1", "a", "2", "b")),
    case("BZMPOP 0 1 k MAX", served_by=("ZADD", "k", "1", "a")),
    case("XREAD BLOCK 0 STREAMS k $", *STREAM, served_by=("XADD", "k", "5-5", "f", "v")),
    case("XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "XGROUP CREATE k g $ MKSTREAM", served_by=("XADD", "k", "5-5", "f", "v")),
    case("BLMOVE k l LEFT RIGHT 0", "SET l text", method=("blmove", "k", "l", 0), keys="k l", served_by=("LPUSH", "k", "v"),
         name="BLMOVE to a string"),
    case("XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "XGROUP CREATE k g $ MKSTREAM", served_by=("DEL", "k"),
         name="XREADGROUP of a group that goes"),
]
# Several at once: what is served, told and counted between them, and what after all of them.
SEVERAL = [
    case(first, *setup, method=method, keys=keys, name="; ".join((first, *map(str, rest))), waits=waits, then=tuple(
        case(line, method=its) for line, its in zip(rest, methods)))
    for first, method, rest, methods, setup, keys, waits in (
        ("SET k 1", "set k 1", ("INCRBY k 1", "GET k"), ("incr k", "get k"), (), "k", ()),
        ("SET k v", "set k v", ("INCRBY k 1", "SET l w"), ("incr k", "set l w"), (), "k l", ()),
        ("SET k v", "set k v", ("DEL k", "SET k w"), ("delete k", "set k w"), (), "k", ()),
        ("LPUSH k v", "lpush k v", ("LPOP k",), ("lpop k",), (), "k", ("BLPOP", "k", "0")),
        ("LPUSH k v", "lpush k v", ("LPUSH k w", "LRANGE k 0 -1"), ("lpush k w", ("lrange", "k", 0, -1)), (), "k", ("BLPOP", "k", "0")),
        ("ZADD k 1 a", ("zadd", "k", {"a": 1}), ("ZSCORE k a", "ZINCRBY k 1 a"), ("zscore k a", ("zincrby", "k", 1, "a")), (), "k",
         ("BZPOPMIN", "k", "0")),
        ("GET k", "get k", ("LPOP k", "HGET k a"), ("lpop k", "hget k a"), STRING, "k", ()),
        ("HSET k a 1", "hset k a 1", ("EXPIRE k 100", "HGETALL k"), (("expire", "k", 100), "hgetall k"), (), "k", ()),
        ("SADD k a", "sadd k a", ("SMEMBERS k", "SREM k a"), ("smembers k", "srem k a"), (), "k", ()),
        ("EXPIRE k -1", ("expire", "k", -1), ("GET k", "SET k new"), ("get k", "set k new"), STRING, "k", ()),
        ("SET k v", "set k v", ("NOSUCH",), ((),), (), "k", ()),
    )]
WAYS_THAT_WAIT = {served(way): served(by_socket)
                  for way in (by_socket, by_embedded_call, by_method, by_asyncio_call, by_asyncio_method)}

# Those that Redis does not let into scripts, and into transactions.
NOT_IN_SCRIPTS = [case(line, keys="", name=f"{line} in a script") for line in (
    "MULTI", "EXEC", "DISCARD", "WATCH k", "UNWATCH", "MONITOR", "SUBSCRIBE c", "PSUBSCRIBE c", "SSUBSCRIBE c", "UNSUBSCRIBE", "RESET",
    "QUIT", "HELLO 2", "AUTH x", "CLIENT ID", "CLIENT REPLY ON", "CLIENT TRACKING ON", "CLIENT PAUSE 1", "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 0", "EVAL return(1) 0", "FCALL run 0 PING", "SCRIPT FLUSH", "FUNCTION FLUSH", "DEBUG SLEEP 0", "ROLE", "SAVE",
    "NOSUCH", "GET", "OBJECT NOSUCH k")]
NOT_IN_TRANSACTIONS = [case(line, keys="", name=f"{line} in a transaction") for line in (
    "MULTI", "WATCH k", "SHUTDOWN NOSAVE", "SAVE", "NOSUCH", "GET", "SUBSCRIBE")]
# Of these, compiled methods take the time now and then only, and count all calls.
REPEATED = ("GET k", "SET k v", "INCRBY k 1", "DEL k n", "EXISTS k n", "TTL k", "HSET k c 3", "HGET k a", "LPUSH k v", "ZADD k 3 c",
            "GET of nothing")
THRICE = {way: thrice(way) for way in WAYS}
WAYS_THRICE = {THRICE[way]: THRICE[real_way] for way, real_way in WAYS.items()}


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where it shows: a field of Observation, ways, and cases. Each is to go; then its test says so."""
    what: str
    field: str
    ways: tuple
    cases: tuple


FAULTS = ()


def known(way, case, field):
    return any(field == fault.field and name_of(way) in fault.ways and case.name in fault.cases for fault in FAULTS)


COMPANIES = {"nobody looks on": (), "all look on": OBSERVERS, **{f"{name} alone": (name,) for name in OBSERVERS}}


def companies_of(way, case):
    """Who looks on. What is compiled may fall back for any of them, so it meets each alone, too."""
    chosen = ["nobody looks on", "all look on"]
    if way in COMPILED:
        chosen += [f"{name} alone" for name in OBSERVERS if name != "waiter" or case.waits]
    return chosen


class Worlds:
    """Pairs of Hutch and a Redis, by who looks on, each made when it is first wanted."""

    def __init__(self, binary, *options):
        self.binary, self.options, self.pairs, self.seen = binary, options, {}, {}
        self.stack = ExitStack()

    def pair(self, company):
        if company not in self.pairs:
            server = self.stack.enter_context(hutch.Server(port=0, enable_debug_command="yes"))
            real = self.stack.enter_context(RedisServer(self.binary, "--enable-debug-command", "yes", *self.options))
            self.pairs[company] = (World("127.0.0.1", server.port, COMPANIES[company], server.store),
                                   World(real.host, real.port, COMPANIES[company]))
            for world in self.pairs[company]:
                self.stack.callback(world.close)
        return self.pairs[company]

    def differences(self, company, case, way, real_way):
        ours, theirs = self.pair(company)
        asked = company, case.name, real_way
        if asked not in self.seen:
            self.seen[asked] = theirs.observe(case, real_way)
        return ours.observe(case, way).differences(self.seen[asked])


@pytest.fixture(scope="module")
def worlds(oracle_binary):
    worlds = Worlds(oracle_binary)
    with worlds.stack:
        yield worlds


@pytest.fixture(scope="module")
def json_worlds(oracle_binary):
    module = find_module()
    if module is None:
        pytest.skip(NO_MODULE)
    worlds = Worlds(oracle_binary, "--loadmodule", str(module))
    with worlds.stack:
        yield worlds


def suits(way, case):
    return bool(case.method) or "method" not in name_of(way)


def differences(worlds, case, ways, wanted=lambda way, case, field: not known(way, case, field)):
    """As lines of text, by all ways that suit the case."""
    return [f"{name_of(way)}, {company}, {field}: Hutch {mine!r}, Redis {its!r}"
            for way, real_way in ways.items() if suits(way, case)
            for company in companies_of(way, case)
            for field, (mine, its) in worlds.differences(company, case, way, real_way).items()
            if wanted(way, case, field)]


every = lambda cases: pytest.mark.parametrize("case", cases, ids=lambda case: case.name)        # noqa: E731


def test_all_observers_see_something(worlds):
    """What two servers that show nothing would agree on."""
    cases = {case.name: case for case in CASES}
    for world in worlds.pair("all look on"):
        written, read, pushed, refused = (
            world.observe(cases[name], by_exec) for name in ("SET k v", "GET k", "LPUSH of a new list", "GET of a list"))
        assert (written.reply, read.reply, pushed.reply) == (True, b"text", 1) and refused.reply[:2] == ("error", "ResponseError")
        assert written.events == (b"__keyspace@0__:k set", b"__keyevent@0__:set k") and read.events == ()
        assert (written.watch_broken, read.watch_broken) == (True, False)
        assert (len(written.invalidated), len(read.invalidated)) == (1, 0)
        assert written.monitored == ('a client "MULTI"', 'a client "SET" "k" "v"', 'a client "EXEC"')
        assert pushed.served == [b"k", b"v"]
        assert written.calls == {"multi": (1, 0, 0), "set": (1, 0, 0), "exec": (1, 0, 0)}
        assert refused.calls["get"] == (1, 0, 1) and refused.errors == {"WRONGTYPE": 1}
        assert refused.figures["total_error_replies"] == 1
        assert (written.dirty, read.dirty) == (1, 0) and read.figures["keyspace_hits"] == 1
        assert len({written.digest, pushed.digest, read.digest}) == 3 and {"multi", "set", "exec"} <= set(written.timed)
        assert written.differences(written) == {}
        assert set(written.differences(read)) >= {"reply", "digest", "dirty", "calls", "events", "watch_broken"}


@every(CASES)
def test_every_way_shows_what_redis_shows(worlds, case):
    assert differences(worlds, case, WAYS) == []


@every(JSON_CASES)
def test_every_way_shows_what_the_module_shows(json_worlds, case):
    """But for DEBUG DIGEST, which says the same of all of the module's documents; and the module tells watchers and trackers of keys
    that a command only wanted to change."""
    silent = ("watch_broken", "invalidated", "broadcast") if case.name in UNCHANGED else ()
    assert differences(json_worlds, case, WAYS, lambda way, case, field: field not in ("digest", *silent)) == []


@every(WAITS)
def test_who_is_served_shows_what_redis_shows(worlds, case):
    assert differences(worlds, case, WAYS_THAT_WAIT) == []


@every(SEVERAL)
def test_several_at_once_show_what_redis_shows(worlds, case):
    assert differences(worlds, case, WAYS_OF_SEVERAL) == []


@every(NOT_IN_SCRIPTS)
def test_what_scripts_may_not(worlds, case):
    ways = (by_script, by_embedded_script, by_function, by_embedded_function)
    assert differences(worlds, case, {way: WAYS[way] for way in ways}) == []


def test_who_read_what_was_due_hears_of_its_next_change(worlds):
    found = []
    for world in worlds.pair("tracking alone"):
        world.admin.pipeline([("FLUSHALL",), ("SET", "k", "v", "PX", "1"), ("DEBUG", "SLEEP", "0.003")])
        world.drained(world.tracker)
        assert world.tracker.execute("EXISTS", "k").value == 0
        at_once = world.drained(world.tracker)
        world.admin.execute("SET", "k", "new")
        found.append((at_once, world.drained(world.tracker)))
    assert found[0] == found[1]


@every(NOT_IN_TRANSACTIONS)
def test_what_transactions_may_not(worlds, case):
    assert differences(worlds, case, {by_exec: by_exec}) == []


@every([one for one in CASES if one.name in REPEATED])
def test_the_third_time_is_counted_as_the_first(worlds, case):
    assert differences(worlds, case, WAYS_THRICE) == []


def shows(worlds, fault):
    """Does the fault show in each of its cases still?"""
    cases = {case.name: case for case in (*CASES, *WAITS, *SEVERAL, *NOT_IN_SCRIPTS, *NOT_IN_TRANSACTIONS)}
    tables = WAYS, WAYS_THAT_WAIT, WAYS_THRICE, WAYS_OF_SEVERAL
    ways = {way: real_way for table in tables for way, real_way in table.items() if name_of(way) in fault.ways}
    assert {name_of(way) for way in ways} == set(fault.ways) and set(fault.cases) <= set(cases)
    return all(
        differences(worlds, cases[name], {way: real_way for way, real_way in ways.items() if (way in WAYS_OF_SEVERAL) >= bool(cases[name].then)},
                    lambda way, case, field: field == fault.field)
        for name in fault.cases)


def test_known_faults_show_still(worlds):
    """Whoever mends one takes its row away, so that it cannot come back unseen."""
    assert [fault.what for fault in FAULTS if not shows(worlds, fault)] == []
    assert not shows(worlds, Fault("none: GET answers what Redis answers", "reply", ("socket",), ("GET k",)))


# ---- CLIENT PAUSE WRITE

@pytest.mark.parametrize("line, method, held", (
    ("SET k v", "set k v", True), ("GET k", "get k", False), ("PUBLISH c m", "publish c m", True), ("LPUSH l v", "lpush l v", True),
    ("PING", "ping", False)))
def test_a_pause_holds_what_it_holds_in_redis(worlds, line, method, held):
    ours, theirs = worlds.pair("nobody looks on")
    one = case(line, method=method)
    expected = {real_way: paused(theirs, one, real_way) for real_way in set(WAYS.values())}
    assert {way for way, (was_held, _) in expected.items() if was_held} == (set(expected) if held else {by_script, by_function})
    assert {name_of(way): paused(ours, one, way) for way in WAYS} == {
        name_of(way): expected[real_way] for way, real_way in WAYS.items()}


def paused(world, case, way):
    """Whether the way was held until the end of the pause, and its reply."""
    world.admin.pipeline([("FLUSHALL",), ("SET", "k", "old"), ("CLIENT", "PAUSE", "1000000", "WRITE")])
    found = []
    thread = threading.Thread(target=lambda: found.append(way(world, case)))
    thread.start()
    try:
        held = bool(wait_until(lambda: found or world.blocked_clients())) and not found
        if held:
            assert world.admin.execute("GET", "k").value == b"old" and world.admin.execute("EXISTS", "l").value == 0
    finally:
        world.admin.execute("CLIENT", "UNPAUSE")
        thread.join(60)
    return held, found[0]
