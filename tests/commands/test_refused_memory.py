"""The system refuses the first, the second, ... block that a command asks for, and all that follow: the command answers
Redis's OOM error and has changed nothing, or it does without; and given memory again, it does what it does otherwise.

Refused are large blocks only, and then small ones, too, where they are tried (base/memory). Of some commands the memory is
promised beforehand: they are refused as a whole, or not.
"""
import threading

import pytest
import redis

refusal = pytest.importorskip("shims.refusal", reason="the shims are not built")

from hutch_engine.door.engine import Engine
import hutch
from kit.waiting import wait_until

LONG = b"v" * 5000
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
NOW_MS = 1_700_000_000_000


large_only = pytest.mark.skipif(refusal.CHECKED, reason="the build with checks refuses small blocks, too: others than are counted here")
SMALL = [True] if refusal.CHECKED else [False, True]


class Room:
    """An engine and its callers; the first one's commands are those that memory is refused to."""

    def __init__(self, preparation=()):
        self.engine = Engine(seed=1)
        self.engine.configure("enable-debug-command", "yes")
        self.engine.set_clock_ms(NOW_MS)
        self.sessions = {}
        self.run("DEBUG", "PAUSE-CRON", "1")
        for words in preparation:
            assert not self.run(*words).startswith(b"-"), words

    def run(self, *words, who="first"):
        if who not in self.sessions:
            self.sessions[who] = self.engine.session()
        return bytes(self.sessions[who].execute_raw([w if isinstance(w, bytes) else str(w).encode() for w in words]))

    def refused(self, allocations, *words, small=refusal.CHECKED):
        """The reply, and whether a block may have been refused."""
        self.run("PING")
        refusal.refuse_after(self.engine, allocations, small)
        try:
            reply = self.run(*words)
        finally:
            left = refusal.relent(self.engine)
        refusal.check(self.engine)
        return reply, left == 0

    def state(self, forms=True):
        """All that can be asked for and that a refused command must leave alone; without `forms`: but for how values lie in
        memory, since one may have become a table before there was no room for what was to come in."""
        self.run("SELECT", 0, who="observer")
        asked = [self.run("DEBUG", "DIGEST", who="observer"), self.functions(),
                 self.run("PUBSUB", "CHANNELS", who="observer"), self.run("PUBSUB", "NUMPAT", who="observer"),
                 self.run("PUBSUB", "SHARDCHANNELS", who="observer")]
        for key in sorted(self.sessions["observer"].execute(["KEYS", "*"])):
            asked += [key, self.run("TYPE", key, who="observer"), self.run("DEBUG", "DIGEST-VALUE", key, who="observer"),
                      self.run("OBJECT", "ENCODING", key, who="observer") if forms else None, self.run("PTTL", key, who="observer")]
            if asked[-4] == b"+stream\r\n":
                refusal.check_stream(self.engine, key)
                asked.append(self.run("XINFO", "STREAM", key, "FULL", "COUNT", "0", who="observer"))
        return asked

    def heard(self, who):
        """The messages that wait for a session."""
        waiting = self.sessions[who].receive(0)
        found = []
        while waiting:
            try:
                found.append(waiting.read())
            except Exception as error:
                found.append(error)
        return found

    def functions(self):
        """The libraries with their code, in whatever order."""
        return sorted(self.run("FUNCTION", "LIST", "WITHCODE", who="observer").split(b"*8\r\n$12\r\nlibrary_name"))

    def close(self):
        self.engine.close()


FILL = "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-0', 'f', ARGV[2]) end"
# As many pending entries as a small directory of chunks can name: one more asks for a large one.
PENDING = [("EVAL", FILL, 1, "s", 21100, "x"), ("XGROUP", "CREATE", "s", "g", "0"), ("XREADGROUP", "GROUP", "g", "one", "COUNT", 20992, "STREAMS", "s", ">"),
           ("XGROUP", "CREATECONSUMER", "s", "g", "two")]
STREAM = [("EVAL", FILL, 1, "s", 12, LONG), ("XGROUP", "CREATE", "s", "g", "3"), ("XREADGROUP", "GROUP", "g", "one", "COUNT", 4, "STREAMS", "s", ">")]
LIBRARY = b"#!lua name=lib\n--" + b"x" * 6000 + b"\nredis.register_function('f', function() return 1 end)"
OTHER = LIBRARY.replace(b"lib", b"other").replace(b"'f'", b"'o'")
CONSUMERS = [("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")] + [("XGROUP", "CREATECONSUMER", "s", "g", f"c{i:03}") for i in range(256)]
GROUPS = [("XGROUP", "CREATE", "s", f"g{i:03}", "0", "MKSTREAM") for i in range(256)]

TREE = ('{"rows":[' + ",".join('{"a name of a member":%d,"price":%d.25,"text":"row number %d"}' % (i, i, i) for i in range(20))
        + '],"numbers":[' + ",".join(map(str, range(600))) + '],"doubles":[' + ",".join(f"{i}.123456789012345678" for i in range(60))
        + '],"nested":{"a":{"b":[{},[],null,true,"' + "y" * 400 + '"]}}}')

CASES = {
    "xadd": (STREAM, ("XADD", "s", "500-1", "f", LONG)),
    "xadd fields": (STREAM, ("XADD", "s", "500-1", LONG, LONG, b"w" * 3000, "v")),
    "xadd absent": ((), ("XADD", "new", "5-1", "f", LONG)),
    "xadd many words": ((), ("XADD", "new", "5-1", *["f", "v"] * 600)),
    "xadd maxlen": (STREAM, ("XADD", "s", "MAXLEN", 5, "500-1", "f", LONG)),
    "xadd minid": (STREAM, ("XADD", "s", "MINID", "6-0", "500-1", "f", LONG)),
    "xadd delref": (STREAM, ("XADD", "s", "DELREF", "MAXLEN", 2, "500-1", "f", LONG)),
    "xadd directory": ([("EVAL", FILL, 1, "s", 9000, b"x" * 1300)], ("XADD", "s", "*", "f", LONG)),
    "xgroup create": (STREAM, ("XGROUP", "CREATE", "s", LONG, "0")),
    "xgroup mkstream": ((), ("XGROUP", "CREATE", "new", LONG, "0", "MKSTREAM")),
    "xgroup many": (GROUPS, ("XGROUP", "CREATE", "s", "last", "0")),
    "xgroup createconsumer": (STREAM, ("XGROUP", "CREATECONSUMER", "s", "g", LONG)),
    "xgroup many consumers": (CONSUMERS, ("XGROUP", "CREATECONSUMER", "s", "g", "last")),
    "xgroup delconsumer": (STREAM, ("XGROUP", "DELCONSUMER", "s", "g", "one")),
    "xgroup destroy": (STREAM, ("XGROUP", "DESTROY", "s", "g")),
    "xreadgroup": (STREAM, ("XREADGROUP", "GROUP", "g", "two", "STREAMS", "s", ">")),
    "xreadgroup long name": (STREAM, ("XREADGROUP", "GROUP", "g", LONG, "STREAMS", "s", ">")),
    "xreadgroup noack long name": (STREAM, ("XREADGROUP", "GROUP", "g", LONG, "NOACK", "STREAMS", "s", ">")),
    "xreadgroup history": (STREAM, ("XREADGROUP", "GROUP", "g", LONG, "STREAMS", "s", "0")),
    "xreadgroup directory": (PENDING, ("XREADGROUP", "GROUP", "g", "one", "COUNT", 1, "STREAMS", "s", ">")),
    "xread": (STREAM, ("XREAD", "STREAMS", "s", "0")),
    "xrange": (STREAM, ("XRANGE", "s", "-", "+")),
    "xclaim": (STREAM, ("XCLAIM", "s", "g", "two", 0, "4-0", "5-0")),
    "xclaim force": (STREAM, ("XCLAIM", "s", "g", LONG, 0, "4-0", "1-0", "FORCE")),
    "xclaim many": (PENDING, ("XCLAIM", "s", "g", "two", 0, *[f"{i}-0" for i in range(1, 400)], "JUSTID")),
    "xclaim directory": (PENDING, ("XCLAIM", "s", "g", "two", 0, *[f"{i}-0" for i in range(1, 20993)], "JUSTID")),
    "xclaim last id": (STREAM, ("XCLAIM", "s", "g", LONG, 0, "4-0", "LASTID", "9-0")),
    "xclaim one": (PENDING, ("XCLAIM", "s", "g", "two", 0, "20993-0", "FORCE")),
    "xreadgroup again": (PENDING + [("XGROUP", "SETID", "s", "g", "0")], ("XREADGROUP", "GROUP", "g", "two", "COUNT", 10, "STREAMS", "s", ">")),
    "xautoclaim": (STREAM, ("XAUTOCLAIM", "s", "g", LONG, 0, "0")),
    "xautoclaim directory": (PENDING, ("XAUTOCLAIM", "s", "g", "two", 0, "0", "COUNT", 20992, "JUSTID")),
    "xack": (PENDING, ("XACK", "s", "g", *[f"{i}-0" for i in range(1, 3000)])),
    "xdel": (STREAM, ("XDEL", "s", "2-0", "5-0", "12-0")),
    "xdelex": (STREAM, ("XDELEX", "s", "DELREF", "IDS", 2, "4-0", "5-0")),
    "xackdel": (STREAM, ("XACKDEL", "s", "g", "DELREF", "IDS", 2, "4-0", "5-0")),
    "xtrim": (STREAM, ("XTRIM", "s", "MAXLEN", 3)),
    "xtrim acked": (STREAM, ("XTRIM", "s", "MAXLEN", 3, "ACKED")),
    "xtrim all": (STREAM, ("XTRIM", "s", "MAXLEN", 0)),
    "xsetid": (STREAM, ("XSETID", "s", "900-0")),
    "copy": (STREAM, ("COPY", "s", "new")),
    "copy replace": (STREAM + [("SET", "new", LONG)], ("COPY", "s", "new", "REPLACE")),
    "copy groups": (PENDING, ("COPY", "s", "new")),
    "copy many groups": (GROUPS, ("COPY", "s", "new")),
    "json set": ((), ("JSON.SET", "j", "$", TREE)),
    "json set over": ([("JSON.SET", "j", "$", TREE)], ("JSON.SET", "j", "$", '{"a":[1,2,"' + "x" * 5000 + '"]}')),
    "json set path": ([("JSON.SET", "j", "$", TREE)], ("JSON.SET", "j", "$.new", TREE)),
    "json set all": ([("JSON.SET", "j", "$", TREE)], ("JSON.SET", "j", "$.rows[*].price", TREE)),
    "json set packed": ([("JSON.SET", "j", "$", TREE)], ("JSON.SET", "j", "$.doubles[5]", '"a text that needs a block"')),
    "json set packed all": ([("JSON.SET", "j", "$", TREE)], ("JSON.SET", "j", "$.numbers[*]", '"a text that needs a block"')),
    "json mset": ([("JSON.SET", "j", "$", TREE)], ("JSON.MSET", "j", "$.rows", TREE, "new", "$", TREE, "j", "$.other", "[1,2,3]")),
    "json merge": ([("JSON.SET", "j", "$", TREE)], ("JSON.MERGE", "j", "$", '{"rows":null,"x":' + TREE + ',"numbers":{"y":[1,"' + "z" * 300 + '"]}}')),
    "json merge all": ([("JSON.SET", "j", "$", TREE)], ("JSON.MERGE", "j", "$.rows[*]", '{"price":{"q":[1.5,"a longer text"]}}')),
    "json arrappend": ([("JSON.SET", "j", "$", TREE)], ("JSON.ARRAPPEND", "j", "$.numbers", TREE, "5")),
    "json arrappend all": ([("JSON.SET", "j", "$", TREE)], ("JSON.ARRAPPEND", "j", "$..*", TREE)),
    "json arrinsert": ([("JSON.SET", "j", "$", TREE)], ("JSON.ARRINSERT", "j", "$.doubles", 3, TREE)),
    "json arrpop": ([("JSON.SET", "j", "$", TREE)], ("JSON.ARRPOP", "j", "$.rows")),
    "json arrtrim": ([("JSON.SET", "j", "$", TREE)], ("JSON.ARRTRIM", "j", "$.rows", 1, 2)),
    "json numincrby": ([("JSON.SET", "j", "$", TREE)], ("JSON.NUMINCRBY", "j", "$..*", "0.123456789")),
    "json strappend": ([("JSON.SET", "j", "$", TREE)], ("JSON.STRAPPEND", "j", "$..*", '"' + "x" * 3000 + '"')),
    "json clear": ([("JSON.SET", "j", "$", TREE)], ("JSON.CLEAR", "j", "$..*")),
    "json del": ([("JSON.SET", "j", "$", TREE)], ("JSON.DEL", "j", "$..price")),
    "json get": ([("JSON.SET", "j", "$", TREE)], ("JSON.GET", "j", "$..*")),
    "json copy": ([("JSON.SET", "j", "$", TREE)], ("COPY", "j", "new")),
    "publish": ((), ("PUBLISH", LONG, LONG)),
    "eval set": ((), ("EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", 1, "k", LONG)),
    "eval set twice": ((), ("EVAL", "redis.pcall('SET', 'a', ARGV[1]) return redis.pcall('XADD', KEYS[1], '5-1', 'f', ARGV[1])", 1, "k", LONG)),
    "eval xadd": (STREAM, ("EVAL", "return redis.call('XADD', KEYS[1], '500-1', 'f', ARGV[1])", 1, "s", LONG)),
    "eval long": ((), ("EVAL", b"return 1 --" + LONG, 0)),
    "eval table": ((), ("EVAL", "local t = {} for i = 1, 5000 do t[i] = i end return #t", 0)),
    "eval string": ((), ("EVAL", "return #string.rep('x', 100000)", 0)),
    "eval reply": (STREAM, ("EVAL", "return #redis.call('XRANGE', KEYS[1], '-', '+')", 1, "s")),
    "script load": ((), ("SCRIPT", "LOAD", b"return 1 --" + LONG)),
    "function load": ((), ("FUNCTION", "LOAD", LIBRARY)),
    "function load second": ([("FUNCTION", "LOAD", OTHER)], ("FUNCTION", "LOAD", LIBRARY)),
    "function load replace": ([("FUNCTION", "LOAD", LIBRARY)], ("FUNCTION", "LOAD", "REPLACE", LIBRARY.replace(b"return 1", b"return 2"))),
    "function dump": ([("FUNCTION", "LOAD", LIBRARY)], ("FUNCTION", "DUMP")),
    "function flush": ([("FUNCTION", "LOAD", LIBRARY)], ("FUNCTION", "FLUSH")),
    "function load long names": ((), ("FUNCTION", "LOAD", b"#!lua name=" + b"n" * 3000 + b"\nredis.register_function('" + b"f" * 3000
                                                          + b"', function() return 1 end)")),
    "set": ((), ("SET", "k", LONG)),
    "set over a deadline": ([("SET", "k", "v", "EX", 100)], ("SET", "k", LONG)),
    "set over a list": ([("RPUSH", "k", "a", "b")], ("SET", "k", "v")),
    "set with a deadline": ([("SET", "k", "v")], ("SET", "k", LONG, "EX", 100)),
    "set get": ([("SET", "k", LONG)], ("SET", "k", "w" * 600, "GET")),
    "mset": ([("SET", "a", "old"), ("RPUSH", "b", "x"), ("SET", "c", LONG, "EX", 100)],
             ("MSET", "a", LONG, "b", LONG, "c", "short", "d", LONG, "e", "w" * 700)),
    "msetnx": ((), ("MSETNX", "a", LONG, "b", LONG, "c", "short")),
    "mset many": ((), ("MSET", *[word for i in range(400) for word in (f"key{i}", "v" * i)])),
    "append": ([("SET", "k", "v")], ("APPEND", "k", LONG)),
    "setrange": ((), ("SETRANGE", "k", 9000, "v")),
    "expire": ([("SET", "k", "v")], ("EXPIRE", "k", 100)),
    "persist": ([("SET", "k", "v", "EX", 100)], ("PERSIST", "k")),
    "rename": ([("SET", "k", "v", "EX", 100)], ("RENAME", "k", LONG)),
    "hset one": ((), ("HSET", "h", "f", LONG)),
    "hset": ([("HSET", "h", "a", "1", "b", "2")], ("HSET", "h", "a", "3", "c", "w" * 60, "d", LONG, "e", LONG, "b", "4")),
    "hset packed": ([("HSET", "h", *[w for i in range(40) for w in (f"f{i}", "v" * 60)])], ("HSET", "h", "f0", "x", "n", "v" * 60, "m", "v" * 60)),
    "hset to a table": ([("HSET", "h", *[w for i in range(500) for w in (f"f{i}", "v")])],
                        ("HSET", "h", *[w for i in range(495, 520) for w in (f"f{i}", "w")])),
    "hsetnx": ([("HSET", "h", "f", "v")], ("HSETNX", "h", "g", LONG)),
    "hincrby": ([("HSET", "h", *[w for i in range(60) for w in (f"f{i}", "v" * 60)])], ("HINCRBY", "h", "n", 5)),
    "hsetex": ([("HSET", "h", "a", "1")], ("HSETEX", "h", "PX", 5000, "FIELDS", 3, "a", "2", "b", LONG, "c", "w" * 60)),
    "hsetex one": ([("HSET", "h", "a", "1")], ("HSETEX", "h", "PX", 5000, "FIELDS", 1, "a", LONG)),
    "hsetex new": ((), ("HSETEX", "h", "PX", 5000, "FIELDS", 2, "a", "2", "b", "3")),
    "hexpire": ([("HSET", "h", *[w for i in range(600) for w in (f"f{i}", "v" * 50)])],
                ("HEXPIRE", "h", 100, "FIELDS", 300, *[f"f{i}" for i in range(300)])),
    "hexpire packed": ([("HSET", "h", *[w for i in range(50) for w in (f"f{i}", "v" * 50)])],
                       ("HEXPIRE", "h", 100, "FIELDS", 3, "f1", "f2", "f3")),
    "hexpire one": ([("HSET", "h", *[w for i in range(50) for w in (f"f{i}", "v" * 50)])], ("HEXPIRE", "h", 100, "FIELDS", 1, "f1")),
    "hpersist": ([("HSETEX", "h", "PX", 5000, "FIELDS", 600, *[w for i in range(600) for w in (f"f{i}", "v" * 50)])],
                 ("HPERSIST", "h", "FIELDS", 300, *[f"f{i}" for i in range(300)])),
    "hgetex": ([("HSET", "h", *[w for i in range(600) for w in (f"f{i}", "v" * 50)])],
               ("HGETEX", "h", "EX", 100, "FIELDS", 100, *[f"f{i}" for i in range(100)])),
    "sadd": ([("SADD", "s", "a")], ("SADD", "s", LONG, "b", LONG + b"2", "c")),
    "sadd integers": ([("SADD", "s", *range(100))], ("SADD", "s", *range(1000, 1600), 1 << 40)),
    "sadd one": ((), ("SADD", "s", LONG)),
    "smove": ([("SADD", "s", LONG, "a"), ("SADD", "t", "b")], ("SMOVE", "s", "t", LONG)),
    "sunionstore": ([("SADD", "s", LONG, "a"), ("SADD", "t", *range(600)), ("SET", "u", LONG)], ("SUNIONSTORE", "u", "s", "t")),
    "zadd": ([("ZADD", "z", 1, "a", 2, "b")], ("ZADD", "z", 3, "a", 4, LONG, 5, LONG + b"2", 1, "b")),
    "zadd packed": ([("ZADD", "z", *[w for i in range(60) for w in (i, f"m{i:040}")])], ("ZADD", "z", 99, "m" + "0" * 39 + "1", 1, "n" * 50, 2, "o" * 50)),
    "zadd to a tree": ([("ZADD", "z", *[w for i in range(127) for w in (i, f"m{i}")])], ("ZADD", "z", 500, "m3", 3, "x", 4, "y", 5, "w", 7, "m5")),
    "zadd many": ((), ("ZADD", "z", *[w for i in range(900) for w in (i % 17, f"member{i}")])),
    "zincrby": ([("ZADD", "z", 1, "a")], ("ZINCRBY", "z", 1, LONG)),
    "zunionstore": ([("ZADD", "z", 1, "a", 2, LONG), ("ZADD", "y", *[w for i in range(300) for w in (i, f"m{i}")])], ("ZUNIONSTORE", "t", 2, "z", "y")),
    "zrangestore": ([("ZADD", "y", *[w for i in range(300) for w in (i, f"m{i}")])], ("ZRANGESTORE", "t", "y", 0, -1)),
    "rpush": ([("RPUSH", "l", "a")], ("RPUSH", "l", "b", LONG, LONG, "c")),
    "lpush many": ([("RPUSH", "l", *range(100))], ("LPUSH", "l", *[f"e{i:050}" for i in range(60)])),
    "rpush new": ((), ("RPUSH", "l", LONG, "a", LONG * 3)),
    "linsert": ([("RPUSH", "l", "a", "b", LONG)], ("LINSERT", "l", "BEFORE", "b", LONG)),
    "lset": ([("RPUSH", "l", "a", "b", LONG)], ("LSET", "l", 1, LONG)),
    "lmove": ([("RPUSH", "l", "a", "b", LONG)], ("LMOVE", "l", "m", "RIGHT", "LEFT")),
    "lmpop": ([("RPUSH", "l", "a", "b", LONG)], ("LMPOP", 2, "m", "l", "LEFT", "COUNT", 2)),
    "sort store": ([("RPUSH", "l", *range(300, 0, -1))], ("SORT", "l", "STORE", "t")),
    "copy set": ([("SADD", "s", *[f"m{i}" for i in range(600)])], ("COPY", "s", "t")),
    "copy tree": ([("ZADD", "z", *[w for i in range(300) for w in (i, f"m{i}")])], ("COPY", "z", "t")),
    "copy hash": ([("HSETEX", "h", "PX", 5000, "FIELDS", 600, *[w for i in range(600) for w in (f"f{i}", "v" * 50)])], ("COPY", "h", "t")),
    "copy list": ([("RPUSH", "l", *[f"e{i:050}" for i in range(600)])], ("COPY", "l", "t")),
    "setbit": ((), ("SETBIT", "k", 80000, 1)),
    "setbit grows": ([("SET", "k", "v")], ("SETBIT", "k", 80000, 1)),
    "setbit far": ([("SET", "k", LONG)], ("SETBIT", "k", 8000000, 1)),
    "setbit of a number": ([("SET", "k", 7)], ("SETBIT", "k", 1, 1)),
    "bitop": ([("SET", "a", LONG), ("SET", "b", "w" * 6000)], ("BITOP", "XOR", "k", "a", "b")),
    "bitop over itself": ([("SET", "a", LONG), ("SET", "b", "w" * 9000, "EX", 100)], ("BITOP", "XOR", "b", "a", "b")),
    "bitop many": ([("SET", "a", LONG)], ("BITOP", "OR", "k", *["a", "b"] * 40)),
    "bitop over a list": ([("SET", "a", LONG), ("RPUSH", "k", "x")], ("BITOP", "NOT", "k", "a")),
    "bitfield": ([("SET", "k", "v")], ("BITFIELD", "k", "SET", "u8", 80000, 5, "INCRBY", "i5", 3, 9)),
    "pfadd": ((), ("PFADD", "p", *range(50))),
    "pfadd one": ([("PFADD", "p", *range(200))], ("PFADD", "p", "new")),
    "pfadd grows": ([("PFADD", "p", *range(400))], ("PFADD", "p", *range(400, 700))),
    "pfadd to dense": ([("PFADD", "p", *range(1000))], ("PFADD", "p", *range(1000, 2500))),
    "pfmerge": ([("PFADD", "p", *range(300)), ("PFADD", "q", *range(200, 500))], ("PFMERGE", "r", "p", "q")),
    "pfmerge dense": ([("PFADD", "p", *range(300)), ("PFADD", "q", *range(5000))], ("PFMERGE", "p", "q")),
    "pfdebug todense": ([("PFADD", "p", *range(300))], ("PFDEBUG", "TODENSE", "p")),
    "geoadd": ([("GEOADD", "g", 1, 1, "a")], ("GEOADD", "g", *[w for i in range(40) for w in (i, i, f"m{i}")])),
    "geoadd to a tree": ([("GEOADD", "g", *[w for i in range(125) for w in (i, 1, f"m{i}")])], ("GEOADD", "g", *[w for i in range(7) for w in (i, i, f"n{i}")])),
    "geosearch": ([("GEOADD", "g", *[w for i in range(300) for w in (i / 1000, 1, f"m{i}")])], ("GEOSEARCH", "g", "FROMLONLAT", 0, 1, "BYRADIUS", 900, "km", "ASC")),
    "geosearchstore": ([("GEOADD", "g", *[w for i in range(300) for w in (i / 1000, 1, f"m{i}")]), ("SET", "t", LONG)],
                       ("GEOSEARCHSTORE", "t", "g", "FROMLONLAT", 0, 1, "BYBOX", 900, 900, "km", "STOREDIST")),
    "watch": ((), ("WATCH", LONG, "a", "b")),
    "exec": ((), ("EVAL", "return redis.call('MSET', 'a', ARGV[1], 'b', ARGV[1])", 0, LONG)),
    "tracking": ((), ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", LONG, "PREFIX", b"w" * 5000)),
}

# Scripts answer as Lua does when it is Lua that lacks the memory, and keep what they have done: they are not undone.
WORDS_OF_SCRIPTS = (b"not enough memory", b"-OOM ", b"OOM command not allowed")
# Scripts are not undone: the first of two writes stays.
PARTLY = {"eval set twice"}
# Where small blocks are refused, too: consumers are made, and entries given, one after the other, as long as it goes well.
PARTLY_SMALL = {"xreadgroup", "xreadgroup directory", "xreadgroup again", "xreadgroup long name", "xclaim", "xclaim last id", "xclaim one", "xclaim many",
                "xclaim directory", "xclaim force", "xautoclaim", "xautoclaim directory"}
REFUSALS_MAX = 80


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize("name", CASES)
def test_each_block_refused(name, small):
    preparation, words = CASES[name]
    partly = name in PARTLY or small and name in PARTLY_SMALL
    usual = Room(preparation)
    before, contents_before = usual.state(), usual.state(False)
    reply_usual = usual.run(*words)
    after, contents_after = usual.state(), usual.state(False)
    usual.close()
    # Where the preparation takes its time, one in nine, and what it came to is not looked at again.
    slow = name.endswith("directory") or preparation[:1] == PENDING[:1]
    for allocations in range(0, REFUSALS_MAX, 9 if small and slow else 1):
        room = Room(preparation)
        assert slow or room.state() == before
        reply, may_be = room.refused(allocations, *words, small=small)
        if reply == OOM or reply.startswith(b"-") and any(text in reply for text in WORDS_OF_SCRIPTS) and words[0] in ("EVAL", "FUNCTION", "SCRIPT"):
            if not partly:
                assert room.state(False) == contents_before, (allocations, reply[:200])
                assert room.run(*words) == reply_usual
                assert room.state(False) == contents_after
        else:
            assert partly or (reply == reply_usual and room.state(False) == contents_after), (allocations, reply[:200], reply_usual[:200])
            assert partly or may_be or room.state() == after
        room.close()
        if not may_be:
            return
    assert small, "it asks for more blocks than are refused here"


@large_only
@pytest.mark.parametrize("command", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_subscriptions_that_were_refused(command):
    room = Room()
    before = room.state()
    refused = OOM[1:-2].decode()
    room.refused(0, command, LONG)
    assert [str(message) for message in room.heard("first")] == [refused] and room.state() == before
    room.refused(0, command, "short", LONG, "other")
    confirmed, error = room.heard("first")
    assert confirmed[1:] == [b"short", 1] and str(error) == refused
    counts = {"SUBSCRIBE": "CHANNELS", "SSUBSCRIBE": "SHARDCHANNELS", "PSUBSCRIBE": "NUMPAT"}[command]
    assert room.run("PUBSUB", counts, who="observer") == (b":1\r\n" if command == "PSUBSCRIBE" else b"*1\r\n$5\r\nshort\r\n")
    room.run(command, LONG)
    room.run(command.replace("SUB", "UNSUB"))
    assert [message[2] for message in room.heard("first")] == [2, 1, 0]
    assert room.state() == before
    room.close()


def test_publishing_needs_no_block():
    room = Room()
    room.run("SUBSCRIBE", LONG, who="reader")
    room.run("PSUBSCRIBE", "v*", who="pattern")
    room.run("MONITOR", who="monitor")
    room.run("CLIENT", "TRACKING", "ON", "BCAST", who="tracking")
    room.run("HELLO", "3", who="tracking")
    for _ in range(50):
        reply, _ = room.refused(0, "PUBLISH", LONG, LONG)
        assert reply == b":2\r\n"
        reply, _ = room.refused(0, "SET", LONG, LONG)
        assert reply == OOM
    assert room.run("DBSIZE") == b":0\r\n"
    room.close()


def test_keys_read_while_memory_is_refused_are_tracked_or_invalidated():
    """A client that reads a key whose name cannot be kept must not go on with what it has read for ever."""
    room = Room([("SET", LONG, "1"), ("SET", "short", "1")])
    room.run("HELLO", "3", who="reader")
    room.run("CLIENT", "TRACKING", "ON", who="reader")
    refusal.refuse_after(room.engine, 0, small=False)
    replies = room.run("GET", "short", who="reader"), room.run("GET", LONG, who="reader")
    refusal.relent(room.engine)
    refusal.check(room.engine)
    assert replies == (b"$1\r\n1\r\n", b"$1\r\n1\r\n")
    assert room.heard("reader") == [[b"invalidate", None]]          # the long name was not kept
    room.run("SET", "short", "2")
    room.run("SET", LONG, "2")
    assert room.heard("reader") == [[b"invalidate", [b"short"]]]
    room.close()


@large_only
@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("raising", [False, True])
def test_pipelines_refused_in_the_middle(transaction, raising):
    for allocations in range(14):
        r = hutch.Redis(decode_responses=True)
        engine = r.connection_pool.store.engine
        pipe = r.pipeline(transaction=transaction)
        for i in range(10):
            pipe.set(f"k{i}", "v" * 5000)
            pipe.incr("n")
        r.get("warm")
        refusal.refuse_after(engine, allocations)
        try:
            found, raised = pipe.execute(raise_on_error=raising), None
        except redis.ResponseError as error:
            found, raised = None, error
        finally:
            refusal.relent(engine)
        refusal.check(engine)
        done = min(allocations, 10)
        if transaction and done < 10 and not r.exists("n"):
            assert raised is not None and r.dbsize() == 0 or found
            continue
        assert int(r.get("n")) == 10
        assert [r.get(f"k{i}") for i in range(10)] == ["v" * 5000] * done + [None] * (10 - done)
        if raising and done < 10:
            assert f"Command # {2 * done + 1} (SET k{done}" in str(raised) and "OOM" in str(raised) or "command not allowed" in str(raised)
        else:
            assert raised is None and found[1::2] == list(range(1, 11)) and found[:2 * done:2] == [True] * done
            assert all(isinstance(error, redis.ResponseError) for error in found[2 * done::2])
        assert len(pipe) == 0 and pipe.set("again", "1").get("again").execute() == [True, "1"]
        r.close()


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize("policy", ["APPEND", "REPLACE", "FLUSH"])
def test_functions_restored(policy, small):
    source = Room([("FUNCTION", "LOAD", LIBRARY), ("FUNCTION", "LOAD", OTHER)])
    payload = source.sessions["first"].execute(["FUNCTION", "DUMP"], False)
    full = source.functions()
    source.close()
    for allocations in range(REFUSALS_MAX):
        room = Room([] if policy == "APPEND" else [("FUNCTION", "LOAD", LIBRARY.replace(b"return 1", b"return 7"))])
        before = room.state()
        reply, may_be = room.refused(allocations, "FUNCTION", "RESTORE", payload, policy, small=small)
        if reply.startswith(b"-"):
            assert any(text in reply for text in WORDS_OF_SCRIPTS), (allocations, reply)
            assert room.state() == before, allocations
            if policy != "APPEND":
                assert room.run("FCALL", "f", 0) == b":7\r\n"
            assert room.run("FUNCTION", "RESTORE", payload, policy) == b"+OK\r\n"
        assert room.functions() == full
        assert room.run("FCALL", "f", 0) == room.run("FCALL", "o", 0) == b":1\r\n"
        room.close()
        if not may_be:
            return
    assert small, "it asks for more blocks than are refused here"


@pytest.mark.parametrize("small", SMALL)
def test_a_wait_that_was_refused_is_a_call_that_failed(small):
    """Redis counts as rejected what was never called; this one was, and has looked at its keys."""
    for allocations in range(30):
        room, found = Room(), []
        room.run("PING")
        refusal.refuse_after(room.engine, allocations, small)
        thread = threading.Thread(target=lambda: found.append(room.run("BLPOP", "none", LONG, "0")))
        thread.start()
        thread.join(1)                  # it waits already, or has an answer
        refusal.relent(room.engine)
        if not found:
            room.run("CLIENT", "UNBLOCK", int(room.run("CLIENT", "ID", who="observer")[1:]) - 1, who="observer")
        thread.join(60)
        failed = found == [OOM]
        assert failed or found == [b"*-1\r\n"]
        shown = room.run("INFO", "commandstats", who="observer").decode()
        blpop = [line for line in shown.splitlines() if line.startswith("cmdstat_blpop:")][0]
        assert blpop.startswith("cmdstat_blpop:calls=1,") and blpop.endswith(f",rejected_calls=0,failed_calls={int(failed)}"), blpop
        assert (b"errorstat_OOM:count=1" in room.run("INFO", "errorstats", who="observer")) == failed
        room.close()
        if not failed:
            break
    assert allocations, "no wait was refused: the test is blind"


# ---- effects

class Waiting:
    """A session that waits for a key, in a thread."""

    def __init__(self, room, *words):
        session = room.engine.session()
        self.reply = None
        self.thread = threading.Thread(target=lambda: setattr(self, "reply", bytes(session.execute_raw([w.encode() if isinstance(w, str) else w for w in words]))))
        self.thread.start()
        wait_until(lambda: b"blocked_clients:1\r\n" in room.run("INFO", "clients", who="observer"))

    def end(self, room, patience_s):
        """The reply; None when it was not served in that time."""
        self.thread.join(patience_s if b"blocked_clients:1\r\n" in room.run("INFO", "clients", who="observer") else 30)
        served = self.reply
        if self.thread.is_alive():
            room.run("CLIENT", "UNBLOCK", *[line.split(b" ")[0][3:] for line in room.run("CLIENT", "LIST", who="observer").splitlines()
                                          if b"cmd=blpop" in line], who="observer")
            self.thread.join(30)
        assert not self.thread.is_alive()
        return served


WRITES = {
    "set": (("SET", "k", "w"),),
    "mset": (("MSET", "k", "w", "other", "w"),),
    "set and push": (("MULTI",), ("SET", "k", "w"), ("RPUSH", "list", "x"), ("EXEC",)),
    "script": (("EVAL", "redis.call('SET', 'k', 'w') redis.call('RPUSH', 'list', 'x')", 0),),
    "push": (("RPUSH", "list", "x"),),
    "long push": (("RPUSH", LONG, "x"),),
    "long set": (("SET", LONG, "w"),),
    "del": (("DEL", "k"),),
    "expire": (("PEXPIRE", "k", "-1"),),
}


@pytest.mark.parametrize("small", SMALL)
@pytest.mark.parametrize("name", WRITES)
def test_effects_that_are_lost(name, small):
    """Whatever is refused: a watched key that has changed keeps EXEC from running, who waits for a key that is there is
    served, and a tracking client does not go on with what has changed."""
    lost = 0
    for allocations in range(30):
        room = Room([("SET", "k", "v"), ("SET", LONG, "v") if name == "long set" else ("SET", "unused", "v")])
        if name.startswith("script"):
            room.run("EVAL", "return 1", 0)
        key = LONG if name.startswith("long") else "k"
        for who in ("watcher", "tracker"):
            room.run("HELLO", "3", who=who)
        room.run("WATCH", key, who="watcher")
        room.run("MULTI", who="watcher")
        room.run("CLIENT", "TRACKING", "ON", who="tracker")
        room.run("GET", key, who="tracker")
        waiting = Waiting(room, "BLPOP", LONG if name == "long push" else "list", "0") if "push" in name or name == "script" else None
        for words in WRITES[name][:-1]:
            room.run(*words)
        before = room.run("DEBUG", "DIGEST-VALUE", key, who="observer")
        reply, may_be = room.refused(allocations, *WRITES[name][-1], small=small)
        changed = room.run("DEBUG", "DIGEST-VALUE", key, who="observer") != before
        done = not reply.startswith(b"-") and b"-OOM" not in reply
        heard = room.heard("tracker")
        executed = room.run("EXEC", who="watcher")
        if changed:
            assert executed == b"_\r\n", (allocations, reply)
            assert heard and heard[0][0] == b"invalidate" and heard[0][1] in (None, [key if isinstance(key, bytes) else key.encode()]), heard
            lost += heard[0][1] is None
        if waiting is not None:
            served = waiting.end(room, 0.5 if done else 0)
            assert served is not None and b"x" in served or not done, (allocations, reply, served)
        room.close()
        if not may_be:
            break
    if small and name in ("set", "del", "expire"):
        assert lost, "no effect was lost: the test is blind"
