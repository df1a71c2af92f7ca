"""What commands look like, family by family, as text; random commands and Hypothesis's strategies are made of it.

A line is a command. Words in capitals stand for themselves, small ones for something that is drawn (TERMINALS); ``[...]`` may be left out,
``a|b`` is one of both, ``(...)+`` comes once or a few times. Behind a semicolon stands how the replies of two servers are compared: as
they are, or

    unordered   the order is an engine's affair
    near        it is a time that is left, or has passed
    shape       chance decides: the same kind and number of things
    errors      as they are, but the texts of errors are an engine's affair
"""
from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Iterable

__all__ = ["FAMILIES", "TERMINALS", "Command", "Shape", "random_command", "shapes"]


@dataclass(frozen=True)
class Command:
    """A command's words, and how its replies are compared."""
    words: tuple[bytes, ...]
    compare: str = "exact"

    def __str__(self) -> str:
        """As one line for redis-cli."""
        return " ".join(quoted(word) for word in self.words)


def quoted(word: bytes) -> str:
    """A word as redis-cli takes it: plain, or in double quotes with backslashes.

        >>> print(quoted(b"key"), quoted(b""), quoted(b'a "b"'), quoted(bytes([0, 255, 10])))
        key "" "a \\"b\\"" "\\x00\\xff\\n"
    """
    if re.fullmatch(rb"[A-Za-z0-9_:.,+*@%/<>=~$^&!?()\[\]{}-]+", word):
        return word.decode()
    named = {ord('"'): '\\"', ord("\\"): "\\\\", 10: "\\n", 13: "\\r", 9: "\\t"}
    return '"' + "".join(named.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in word) + '"'


# ---- what is drawn

@dataclass(frozen=True)
class Terminal:
    """Something that is drawn: one of some words, or an integer between two (both included)."""
    words: tuple[bytes, ...] = ()
    low: int = 0
    high: int = 0

    def random(self, rng: random.Random) -> bytes:
        """One of them."""
        return rng.choice(self.words) if self.words else b"%d" % rng.randint(self.low, self.high)


def _words(*words: str) -> Terminal:
    return Terminal(tuple(word.encode() for word in words))


TERMINALS: dict[str, Terminal] = {
    "key": _words("k1", "k2", "k3", "k4"),
    # HyperLogLogs are strings, but their bytes are an engine's affair: they have keys of their own.
    "sketch": _words("h1", "h2", "h3"),
    "value": Terminal((b"", b"a", b"bc", b"hello", b"0", b"1", b"-5", b"12345678901", b"3.5", b"x" * 50, b"\x00\xff\r\n")),
    "element": _words("a", "b", "c", "1", "a longer element that is not packed, since it has more than 64 bytes"),
    "member": _words("a", "b", "c", "d", "e", "f", "1", "2", "33"),
    "field": _words("f1", "f2", "f3", "f4", "n"),
    "number": Terminal(low=-20, high=20),
    "float": _words("0.1", "-2.5", "3", "1e3", "0"),
    "score": _words("0", "1", "-1", "2.5", "10", "inf", "-inf", "3"),
    "low": _words("-inf", "0", "(1", "1", "-1"),
    "high": _words("+inf", "(10", "10", "2.5", "1"),
    "first": _words("-", "[a", "(b", "[c"),
    "last": _words("+", "[d", "(e", "[c"),
    "index": Terminal(low=-6, high=6),
    "count": Terminal(low=1, high=4),
    "offset": Terminal(low=0, high=40),
    "bit": Terminal(low=0, high=1),
    "seconds": Terminal(low=1000, high=100_000),
    "milliseconds": Terminal(low=1_000_000, high=100_000_000),
    "type": _words("u8", "i5", "u1", "i16", "u63"),
    "id": Terminal(tuple(b"%d-%d" % (ms, seq) for ms in range(1, 6) for seq in range(2))),
    "start": _words("-", "1", "2-1", "(3-0"),
    "end": _words("+", "4", "3-1", "(5-0"),
    "group": _words("g1", "g2"),
    "consumer": _words("alice", "bob"),
    "longitude": _words("13.361389", "15.087269", "2.3522", "-74.006", "0", "100.5"),
    "latitude": _words("38.115556", "37.502669", "48.8566", "40.7128", "0", "-33.25"),
    "radius": _words("200", "1000", "5000", "20000"),
    "place": _words("Palermo", "Catania", "Paris", "a", "b"),
    "json": _words("1", "-2.5", "true", "null", '"text"', "[1,2,3]", '{"a":1,"b":[true,"x"]}', '{"a":{"b":2},"n":10}', "[]", '"x"'),
    "path": _words("$", "$.a", "$.b", "$.n", "$.a.b", "$[0]", "$[-1]", "$.*", "$..a", "$.b[0]", "$[1:]", "$['a','n']"),
    "static": _words("$", "$.a", "$.b", "$.n", "$.a.b", "$[0]"),
    "scalar": _words("1", "true", '"x"', "null", "-2.5"),
}

KEYS = ("key", "sketch")         # terminals that are keys

FAMILIES: dict[str, str] = {
    "strings": """
        SET key value [NX|XX] [GET] [KEEPTTL|EX seconds|PX milliseconds]
        SET key number
        GET key
        GETSET key value
        GETDEL key
        GETEX key [EX seconds|PX milliseconds|PERSIST]
        SETNX key value
        SETEX key seconds value
        MSET (key value)+
        MSETNX (key value)+
        MGET (key)+
        APPEND key value
        STRLEN key
        GETRANGE key index index
        SETRANGE key offset value
        INCR key
        DECR key
        INCRBY key number
        DECRBY key number
        INCRBYFLOAT key float
        LCS key key [LEN]
    """,
    "keys": """
        DEL (key)+
        UNLINK (key)+
        EXISTS (key)+
        TYPE key
        RENAME key key
        RENAMENX key key
        COPY key key [REPLACE]
        EXPIRE key seconds [NX|XX|GT|LT]
        PEXPIRE key milliseconds
        TTL key ; near
        PTTL key ; near
        EXPIRETIME key ; near
        PERSIST key
        TOUCH (key)+
    """,
    "bitmaps": """
        SETBIT key offset bit
        GETBIT key offset
        BITCOUNT key [index index [BYTE|BIT]]
        BITPOS key bit [index [index [BYTE|BIT]]]
        BITOP (AND|OR|XOR) key (key)+
        BITOP NOT key key
        BITFIELD key (GET type offset|SET type offset number|INCRBY type offset number)+
        BITFIELD key OVERFLOW (WRAP|SAT|FAIL) INCRBY type offset number
    """,
    "lists": """
        LPUSH key (element)+
        RPUSH key (element)+
        LPUSHX key (element)+
        RPUSHX key (element)+
        LPOP key [count]
        RPOP key [count]
        LLEN key
        LRANGE key index index
        LINDEX key index
        LSET key index element
        LINSERT key (BEFORE|AFTER) element element
        LREM key (index|1|-1) element
        LTRIM key index index
        LPOS key element [RANK count] [COUNT count]
        LMOVE key key (LEFT|RIGHT) (LEFT|RIGHT)
        RPOPLPUSH key key
        LMPOP 2 key key (LEFT|RIGHT) [COUNT count]
    """,
    "sets": """
        SADD key (member)+
        SREM key (member)+
        SCARD key
        SISMEMBER key member
        SMISMEMBER key (member)+
        SMEMBERS key ; unordered
        SMOVE key key member
        SINTER (key)+ ; unordered
        SUNION (key)+ ; unordered
        SDIFF (key)+ ; unordered
        SINTERSTORE key (key)+
        SUNIONSTORE key (key)+
        SDIFFSTORE key (key)+
        SINTERCARD 2 key key [LIMIT count]
    """,
    "hashes": """
        HSET key (field value)+
        HSET key field number
        HMSET key (field value)+
        HSETNX key field value
        HGET key field
        HMGET key (field)+
        HDEL key (field)+
        HLEN key
        HEXISTS key field
        HSTRLEN key field
        HGETALL key ; unordered
        HKEYS key ; unordered
        HVALS key ; unordered
        HINCRBY key field number
    """,
    "sorted_sets": """
        ZADD key (score member)+
        ZADD key [NX|XX] [CH] (score member)+
        ZADD key (GT|LT) [CH] score member
        ZADD key XX INCR score member
        ZINCRBY key score member
        ZREM key (member)+
        ZCARD key
        ZSCORE key member
        ZMSCORE key (member)+
        ZRANK key member [WITHSCORE]
        ZREVRANK key member
        ZCOUNT key low high
        ZRANGE key index index [REV] [WITHSCORES]
        ZRANGE key low high BYSCORE [LIMIT 0 count] [WITHSCORES]
        ZRANGESTORE key key index index
        ZPOPMIN key [count]
        ZPOPMAX key [count]
        ZREMRANGEBYRANK key index index
        ZREMRANGEBYSCORE key low high
        ZUNIONSTORE key 2 key key [AGGREGATE (SUM|MIN|MAX)]
        ZINTERSTORE key 2 key key [WEIGHTS 2 3]
        ZUNION 2 key key WITHSCORES
        ZINTER 2 key key
        ZDIFF 2 key key
        ZINTERCARD 2 key key [LIMIT count]
        ZMPOP 2 key key (MIN|MAX) [COUNT count]
    """,
    "streams": """
        XADD key id (field value)+
        XADD key [NOMKSTREAM] [MAXLEN count] id field value
        XLEN key
        XRANGE key start end [COUNT count]
        XREVRANGE key end start [COUNT count]
        XDEL key (id)+
        XTRIM key (MAXLEN count|MINID id)
        XREAD [COUNT count] STREAMS key id
        XGROUP CREATE key group (id|$) [MKSTREAM]
        XGROUP SETID key group id
        XGROUP CREATECONSUMER key group consumer
        XGROUP DELCONSUMER key group consumer
        XGROUP DESTROY key group
        XREADGROUP GROUP group consumer [COUNT count] STREAMS key >
        XREADGROUP GROUP group consumer STREAMS key id
        XACK key group (id)+
        XPENDING key group
        XCLAIM key group consumer 0 (id)+ [JUSTID]
        XAUTOCLAIM key group consumer 0 0 [COUNT count] [JUSTID]
        XINFO GROUPS key
    """,
    "geo": """
        GEOADD key [NX|XX] [CH] (longitude latitude place)+
        GEOPOS key (place)+
        GEODIST key place place [m|km|ft|mi]
        GEOHASH key (place)+
        GEOSEARCH key FROMLONLAT longitude latitude BYRADIUS radius km ; unordered
        GEOSEARCH key FROMMEMBER place BYBOX radius radius km ; unordered
        GEOSEARCHSTORE key key FROMLONLAT longitude latitude BYRADIUS radius km
    """,
    "hyperloglogs": """
        PFADD sketch (element)+
        PFCOUNT (sketch)+
        PFMERGE sketch (sketch)+
    """,
    "json": """
        JSON.SET key $ json ; errors
        JSON.SET key static json [NX|XX] ; errors
        JSON.GET key [path] ; errors
        JSON.MGET key key path ; errors
        JSON.DEL key path ; errors
        JSON.TYPE key path ; errors
        JSON.NUMINCRBY key path number ; errors
        JSON.STRAPPEND key path "x" ; errors
        JSON.STRLEN key path ; errors
        JSON.ARRAPPEND key path (json)+ ; errors
        JSON.ARRINDEX key path scalar ; errors
        JSON.ARRINSERT key path 0 json ; errors
        JSON.ARRLEN key path ; errors
        JSON.ARRPOP key path [index] ; errors
        JSON.ARRTRIM key path index index ; errors
        JSON.OBJKEYS key path ; errors
        JSON.OBJLEN key path ; errors
        JSON.CLEAR key path ; errors
        JSON.TOGGLE key path ; errors
        JSON.MERGE key static json ; errors
    """,
}


# ---- lines as trees

@dataclass(frozen=True)
class Shape:
    """A line: a tree of ("word", bytes), ("draw", name), ("all", nodes), ("one of", nodes), ("maybe", node) and ("some", node)."""
    tree: tuple
    compare: str


_TOKEN = re.compile(r"[()\[\]|+]|[^\s()\[\]|+]+")


def _parse(text: str) -> tuple:
    tokens = _TOKEN.findall(text)
    at = 0

    def alternatives(end: str) -> tuple:
        nonlocal at
        ways, items = [], []
        while at < len(tokens) and tokens[at] != end:
            token = tokens[at]
            at += 1
            if token == "|":
                ways.append(("all", tuple(items)))
                items = []
            elif token in "([":
                inner = alternatives("])"["[(".index(token)])
                at += 1
                if token == "[":
                    inner = ("maybe", inner)
                elif at < len(tokens) and tokens[at] == "+":
                    at += 1
                    inner = ("some", inner)
                items.append(inner)
            elif token in TERMINALS:
                items.append(("draw", token))
            else:
                items.append(("word", token.encode()))
        ways.append(("all", tuple(items)))
        return ways[0] if len(ways) == 1 else ("one of", tuple(ways))

    return alternatives("")


@lru_cache(maxsize=None)
def shapes(*families: str) -> tuple[Shape, ...]:
    """The commands of these families, of all where none is named. KeyError for an unknown one."""
    found = []
    for family in families or FAMILIES:
        for line in filter(None, map(str.strip, FAMILIES[family].splitlines())):
            text, _, compare = line.partition(" ; ")
            found.append(Shape(_parse(text), compare.strip() or "exact"))
    return tuple(found)


# ---- random commands

def random_command(rng: random.Random, families: Iterable[str] = (), rename: Callable[[bytes], bytes] | None = None) -> Command:
    """A command of these families, of all where none is named; `rename` is what becomes of its keys. KeyError for an unknown
    family."""
    shape = rng.choice(shapes(*families))
    words: list[bytes] = []

    def walk(node: Any) -> None:
        kind, what = node
        if kind == "word":
            words.append(what)
        elif kind == "draw":
            word = TERMINALS[what].random(rng)
            words.append(rename(word) if rename is not None and what in KEYS else word)
        elif kind == "all":
            for item in what:
                walk(item)
        elif kind == "one of":
            walk(rng.choice(what))
        elif kind == "maybe":
            if rng.random() < 0.4:
                walk(what)
        else:
            for _ in range(rng.choice((1, 1, 2, 3))):
                walk(what)

    walk(shape.tree)
    return Command(tuple(words), shape.compare)
