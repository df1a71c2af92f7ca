"""INFO keysizes, and the subexpiry of INFO keyspace: how large the values are, kept exact by every change, beside Redis."""
import re

import pytest

from kit.backends import EmbeddedConnection, TcpBackend
from kit.families import families
from kit.generators import Gen


@pytest.fixture
def both(engine, oracle):
    engine.set_clock_ms(1_700_000_000_000)                  # the fields' deadlines below lie far ahead
    real = TcpBackend(oracle.host, oracle.port).open()
    real.run([["FLUSHALL"]])
    yield EmbeddedConnection(engine.session()), real
    real.run([["FLUSHALL"], ["RESET"]])
    real.close()


def keysizes(side) -> str:
    return side.run([["INFO", "keysizes"]])[0].value.decode()


def subexpiry(side) -> list[str]:
    return [line.rpartition("=")[2] for line in side.run([["INFO", "keyspace"]])[0].value.decode().splitlines()[1:]]


STEPS = """
SET a |SET b 9|INCR b|INCRBY b 1000000|DECRBY b 2000000|SET b -9|DECR b|SET b 999|INCR b|INCRBY b 9999999999|SET c abc
APPEND c abcdefgh|SETRANGE c 100 x|SET c2 12345|APPEND c2 6|SETRANGE d 100000 x|GETSET d 1|SET d 12345678
MSET m1 1 m2 22 m3 333|MSETNX m4 4 m5 55555|SETEX e 100 abcd|SET e abcdefgh KEEPTTL|PERSIST e|INCRBYFLOAT f 1.5|INCRBYFLOAT f 1000000
SET big 1|SETRANGE big 600 x|SETRANGE big 3000 x|SETRANGE big 1500000 x|SET big 1|GETDEL c|GETEX e EX 100|LCS a b
RPUSH l a b c|LPUSH l d|LPOP l 3|LPUSHX l x y z w v|LINSERT l BEFORE x q|LSET l 0 zz|LREM l 1 q|LTRIM l 1 2|RPOPLPUSH l l2|LMOVE l l2 LEFT RIGHT
RPUSH l3 1 2 3 4 5 6 7 8|LMPOP 1 l3 LEFT COUNT 5|BLPOP l3 0|BLMOVE l3 l4 LEFT LEFT 0|RPOP l3|RPUSH n a|SORT n STORE n2
HSET h a 1 b 2|HSET h c 3 d 4|HDEL h a|HSETNX h z 1|HINCRBY h n 1|HEXPIRE h 1000000000 FIELDS 1 b|HPERSIST h FIELDS 1 b
HEXPIRE h 1000000000 FIELDS 2 b c|HGETDEL h FIELDS 1 c|HDEL h b d z n|HSETEX h2 EX 1000000000 FIELDS 2 a 1 b 2|HEXPIRE h2 0 FIELDS 1 a
ZADD z 1 a 2 b|ZADD z 3 c 4 d|ZREM z a|ZADD z NX 1 a|ZINCRBY z 1 q|ZPOPMIN z|ZPOPMAX z 2|ZRANGESTORE z2 z 0 -1|ZREMRANGEBYRANK z2 0 0
ZUNIONSTORE z3 2 z z2|ZADD z3 1 a 2 b 3 c|ZREMRANGEBYSCORE z3 1 2|ZREMRANGEBYLEX z3 - +|ZMPOP 1 z MIN|SORT z STORE z4
SADD s 1 2 3|SADD s 4|SREM s 1|SADD s a b c d|SPOP s 3|SPOP s|DEL s|SADD s 4 2 6|SMOVE s s2 4|SMOVE s s2 2|SUNIONSTORE s3 s s2|SINTERSTORE s3 s s|SDIFFSTORE s3 s nokey
SADD s5 1 2 3 4 5 6 7 8 9|SPOP s5 8|SPOP s5 2|XADD x * a 1|SET x 1|XADD x2 * a 1|DEL x2
COPY z z9|RENAME z9 z10|MOVE z10 5|RENAME h2 l|SET l2 now-a-string|RPUSH new 1|SUNIONSTORE new s2|DEL s s2 nokey|UNLINK z4
DUMP b|EXPIRE big 100|SWAPDB 0 5|SWAPDB 0 5|SELECT 3|SET x y|RPUSH y 1 2 3|FLUSHDB|SET x yy|SELECT 0|MOVE m1 3|FLUSHDB|FLUSHALL
""".replace("\n", "|").strip("|").split("|")


def test_each_step(both):
    for line in STEPS:
        words = line.split(" ")
        for side in both:
            side.run([words])
        mine, its = map(keysizes, both)
        assert mine == its, line
        if words[0] != "HPERSIST":                          # Redis goes on counting a hash until it looks for what is due
            assert subexpiry(both[0]) == subexpiry(both[1]), line


def test_bins_have_redis_names(both):
    mine, its = both
    for exponent in range(27):
        for side in both:
            side.run([["SETRANGE", f"k{exponent}", str((1 << exponent) - 1), "x"]])
    assert keysizes(mine) == keysizes(its)
    assert ",512=1,1K=1," in keysizes(mine) and "64M=1" in keysizes(mine)


SIZES = {b"string": ("STRLEN", "strings_sizes"), b"list": ("LLEN", "lists_items"), b"set": ("SCARD", "sets_items"),
         b"zset": ("ZCARD", "zsets_items"), b"hash": ("HLEN", "hashes_items")}


def recount(side, database=0) -> str:
    """INFO keysizes by asking every key."""
    keys = side.run([["KEYS", "*"]])[0].value
    found = {}
    for key in keys:
        kind = side.run([["TYPE", key]])[0].raw[1:-2]
        if kind in SIZES:
            size = side.run([[SIZES[kind][0], key]])[0].value
            bins = found.setdefault(kind, {})
            bins[size.bit_length()] = bins.get(size.bit_length(), 0) + 1
    lines = ["# Keysizes\r\n"]
    for kind, (_, name) in SIZES.items():
        if kind in found:
            pairs = (f"{(1 << bits >> 1) or 0}={count}" for bits, count in sorted(found[kind].items()))
            lines.append(f"db{database}_distrib_{name}:{','.join(pairs)}\r\n")
    return "".join(lines)


def test_random_commands_keep_it_exact(engine):
    """Whatever happens to keys: the figures are those that a count of all keys gives."""
    side = EmbeddedConnection(engine.session())
    random_ones = Gen(24)
    for _ in range(60):
        for step in random_ones.sequence(families("strings", "keys", "sets", "hashes", "lists", "sorted_sets", "sort", "bitmaps", "hyperloglogs", "geo"), 60):
            # All in one database; and nobody would end a wait.
            if not step.argv[0].upper().startswith((b"SELECT", b"SWAPDB", b"MOVE", b"COPY", b"MULTI", b"B")):
                side.session.execute_raw(list(step.argv))
        assert spelled(keysizes(side)) == recount(side)


def spelled(text) -> str:
    """With numbers for K and M."""
    for unit, zeros in (("K", 1 << 10), ("M", 1 << 20)):
        text = re.sub(rf"(\d+){unit}=", lambda found: f"{int(found.group(1)) * zeros}=", text)
    return text


def test_compiled_methods_and_scripts(engine):
    import hutch
    with hutch.Redis() as r:
        r.set("a", "xyz")
        r.set("a", "xyzxyz")
        r.incr("n", 9)
        r.incr("n")
        r.lpush("l", *"abcdefg")
        r.lpop("l", 5)
        r.hset("h", mapping={"a": 1, "b": 2, "c": 3, "d": 4})
        r.zadd("z", {"a": 1, "b": 2})
        r.sadd("s", 1, 2, 3, 4)
        r.srem("s", 1)
        r.delete("z")
        r.eval("redis.call('append', 'a', ARGV[1]) redis.call('rpush', 'l', 1, 2)", 0, "x" * 20)
        with r.pipeline() as pipe:
            pipe.set("p", "x" * 40).set("p", "y").rpush("l", 1).execute()
        assert r.info("keysizes") == {
            "db0_distrib_strings_sizes": {"1": 1, "2": 1, "16": 1}, "db0_distrib_lists_items": {"4": 1},
            "db0_distrib_sets_items": {"2": 1}, "db0_distrib_hashes_items": {"4": 1}}
        r.flushall()
        assert r.info("keysizes") == {}


def test_expiry_takes_keys_and_fields_off(engine):
    side = EmbeddedConnection(engine.session())
    engine.set_clock_ms(1_700_000_000_000)
    side.run([["SET", "k", "abc", "PX", "10"], ["HSET", "h", "a", "1", "b", "2", "c", "3", "d", "4"],
              ["HPEXPIRE", "h", "10", "FIELDS", "3", "a", "b", "c"]])
    assert "strings_sizes:2=1" in keysizes(side) and "hashes_items:4=1" in keysizes(side) and subexpiry(side) == ["1"]
    engine.advance_clock_ms(20)
    assert keysizes(side) == "# Keysizes\r\ndb0_distrib_hashes_items:1=1\r\n" and subexpiry(side) == ["0"]
