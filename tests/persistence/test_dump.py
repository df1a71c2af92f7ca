"""DUMP and RESTORE beside Redis 8.2: the same bytes, the same values, the same refusals; and damaged payloads."""
import random
import re

import pytest
from kit.rdb_forms import crc64, intset, length, listpack, seal, stream, string, ziplist, zipmap
from hypothesis import given, settings, strategies as st

from hutch.testing.replies import NULL_BULK, Error
from kit.waiting import wait_until
from kit.resp_client import RespClient

STANDARD = {"rdbcompression": "yes", "list-max-listpack-size": -2, "hash-max-listpack-entries": 512, "hash-max-listpack-value": 64,
            "set-max-intset-entries": 512, "set-max-listpack-entries": 128, "set-max-listpack-value": 64,
            "zset-max-listpack-entries": 128, "zset-max-listpack-value": 64, "stream-node-max-entries": 100,
            "maxmemory-policy": "noeviction", "notify-keyspace-events": ""}
SMALL = {"list-max-listpack-size": 4, "hash-max-listpack-entries": 5, "set-max-intset-entries": 6, "set-max-listpack-entries": 5,
         "zset-max-listpack-entries": 5, "hash-max-listpack-value": 9, "set-max-listpack-value": 9, "zset-max-listpack-value": 9,
         "stream-node-max-entries": 3}
NOISE = random.Random(1).randbytes(400_000)
SEVERAL_STRINGS = (b"quicklist", b"skiplist", b"stream")      # may each repeat the one before, in Redis
TABLES = (b"hashtable",)                 # whose order is each server's own
LATER_MS = 4_000_000_000_000


class Pair:
    """Hutch and Redis, told the same."""

    def __init__(self, hutch, oracle):
        self.oracle, self.generation = oracle, None
        self.ours = RespClient(hutch.host, hutch.port)

    def start(self, **config):
        if self.generation != self.oracle.generation:
            self.generation, self.theirs = self.oracle.generation, RespClient(self.oracle.host, self.oracle.port)
            self.both = [self.ours, self.theirs]
        for client in self.both:
            client.execute("FLUSHALL")
            for name, value in {**STANDARD, **config}.items():
                client.execute("CONFIG", "SET", name.replace("_", "-"), value)

    def same(self, *words):
        ours, theirs = (client.execute(*words) for client in self.both)
        assert ours.raw == theirs.raw, words[:3]
        return ours.value

    def dumps(self, key):
        return [client.execute("DUMP", key).value for client in self.both]

    def wash(self):
        """Redis never clears the table it looks for repetitions with: what it finds depends on what it compressed before.
        After something long and random there is nothing in it that a short string could repeat."""
        self.theirs.execute("SET", "wash", NOISE)
        self.theirs.execute("DUMP", "wash")
        self.theirs.execute("DEL", "wash")


@pytest.fixture(scope="module")
def servers(hutch_server, oracle):
    pair = Pair(hutch_server, oracle)
    yield pair
    pair.start()


@pytest.fixture
def pair(servers):
    servers.start()
    return servers


# ---- values by random commands

def element(chance):
    return chance.choice((
        lambda: b"%d" % chance.randint(-200, 300), lambda: b"%d" % chance.randint(-1 << 40, 1 << 40),
        lambda: b"%d" % chance.choice((-(1 << 63), (1 << 63) - 1, 127, 128, 32767, 32768, -32769, 1 << 31, -(1 << 31), 4095, 4096)),
        lambda: b"m%d" % chance.randint(0, 50), lambda: bytes(chance.randbytes(chance.randint(0, 12))),
        lambda: b"ab" * chance.randint(8, 40), lambda: bytes(chance.choices(b"abc ", k=chance.randint(18, 90))),
        lambda: chance.choice((b"", b"-0", b"007", b"+1", b"1.5", b" 1")),
        lambda: bytes(chance.choices(b"xyz", k=chance.choice((63, 64, 65, 4095, 4096, 9000))))))()


def some(chance, most=40):
    return [element(chance) for _ in range(chance.choice((1, 2, chance.randint(1, 8), chance.randint(1, most))))]


def strings(chance):
    yield "SET", "k", element(chance) * chance.choice((1, 1, 1, 5))
    if chance.random() < 0.3:
        yield "APPEND", "k", element(chance)


def lists(chance):
    yield "RPUSH", "k", *some(chance)
    for _ in range(chance.randint(0, 4)):
        yield chance.choice((("LPUSH", "k", *some(chance)), ("RPUSH", "k", *some(chance)), ("LTRIM", "k", 1, -2), ("LPOP", "k", 3),
                             ("LSET", "k", 0, element(chance)), ("LINSERT", "k", "AFTER", "m1", element(chance))))


def sets(chance):
    if chance.random() < 0.4:
        yield "SADD", "k", *(chance.randint(-1 << chance.choice((6, 15, 31, 62)), 1 << 20) for _ in range(chance.randint(1, 20)))
    yield "SADD", "k", *some(chance, 150)
    yield "SREM", "k", *some(chance)


def sorted_sets(chance):
    yield "ZADD", "k", *(word for member in some(chance, 150) for word in (
        chance.choice((b"1", b"0", b"1.5", b"inf", b"-inf", b"1e300", b"3.0000000001", b"%d" % chance.randint(-999, 1 << 50))), member))
    yield "ZREM", "k", *some(chance)


def hashes(chance):
    yield "HSET", "k", *(word for field in some(chance, 60) for word in (field, element(chance)))
    yield "HDEL", "k", *some(chance, 9)


def expiring_hashes(chance):
    yield from hashes(chance)
    yield "HSET", "k", "m1", "v", "m2", "v"
    for _ in range(chance.randint(1, 6)):
        yield "HPEXPIREAT", "k", LATER_MS + chance.randint(0, 1 << chance.choice((1, 10, 33))), "FIELDS", 3, "m1", element(chance), b"m%d" % chance.randint(0, 50)
    if chance.random() < 0.2:
        yield "HPERSIST", "k", "FIELDS", 2, "m1", "m2"


def streams(chance):
    ids = []
    ms, seq = chance.randint(1, 1 << 40), 0
    for _ in range(chance.randint(1, 25)):
        ms, seq = chance.choice(((ms, seq + 1), (ms, seq + chance.randint(1, 1 << 40)), (ms + chance.randint(1, 1 << 20), chance.randint(0, 3))))
        ids.append(b"%d-%d" % (ms, seq))
        yield "XADD", "k", ids[-1], *chance.choice((("a", element(chance)), ("a", element(chance), "b", 5), (element(chance), "x")))
    for id in chance.sample(ids, chance.randint(0, len(ids))):
        yield chance.choice((("XDEL", "k", id), ("XDEL", "k", id), ("XTRIM", "k", "MAXLEN", "~", 5), ("XTRIM", "k", "MAXLEN", len(ids) - 1)))


def read_streams(chance):
    yield from streams(chance)
    for group in chance.sample(("g", "group", "", "12"), 2):
        yield "XGROUP", "CREATE", "k", group, chance.choice(("0", "$", "5-5"))
        for _ in range(chance.randint(0, 4)):
            yield "XREADGROUP", "GROUP", group, chance.choice(("a", "bob", "7")), "COUNT", chance.randint(1, 9), "STREAMS", "k", ">"
        yield "XGROUP", "CREATECONSUMER", "k", group, "idle"
        yield "XCLAIM", "k", group, "idle", 0, b"%d-1" % chance.randint(1, 9), "RETRYCOUNT", 300


KINDS = (strings, lists, sets, sorted_sets, hashes, expiring_hashes, streams, read_streams)


def told(client, key):
    """All that a client can learn of a value."""
    asked = [client.execute("TYPE", key), client.execute("OBJECT", "ENCODING", key), client.execute("DEBUG", "DIGEST-VALUE", key)]
    if asked[0].value == b"hash" or str(asked[0].value) == "hash":
        fields = sorted(client.execute("HKEYS", key).value)
        asked += [client.execute("HPEXPIRETIME", key, "FIELDS", len(fields), *fields), client.execute("HMGET", key, *fields)]
    if str(asked[0].value) == "stream" or asked[0].value == b"stream":
        asked += [client.execute("XINFO", "STREAM", key, "FULL", "COUNT", 0)]
    return [reply.raw for reply in asked]


@pytest.mark.parametrize("config", ({}, {"rdbcompression": "no"}, SMALL), ids=("standard", "plain", "small"))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_exchange(servers, kind, config):
    servers.start(**config)
    packed = config.get("rdbcompression") != "no"

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, (1 << 64) - 1))
    def exchange(seed):
        chance = random.Random(seed)
        for client in servers.both:
            client.execute("DEL", "k", "ours", "theirs")
        for words in kind(chance):
            for client in servers.both:
                client.execute(*words)
        if not servers.same("EXISTS", "k"):
            return
        servers.wash()
        ours, theirs = servers.dumps("k")
        encoding = servers.same("OBJECT", "ENCODING", "k")
        if encoding in TABLES or (packed and encoding in SEVERAL_STRINGS):
            pass
        elif encoding == b"listpackex":                  # Redis may remember a first deadline that is no more
            assert ours[9:-10] == theirs[9:-10]
        elif kind is read_streams:                       # times are each server's own
            assert len(ours) == len(theirs)
        else:
            assert ours == theirs
        for name, payload, source in (("ours", ours, servers.ours), ("theirs", theirs, servers.theirs)):
            assert servers.same("RESTORE", name, 0, payload) is not None
            copies = [told(client, name) for client in servers.both]
            assert copies[0] == copies[1]
            # A small table may come back packed; what it holds is the same.
            original = told(source, "k")
            assert copies[0][:1] + copies[0][2:] == original[:1] + original[2:]

    exchange()


# ---- forms of old, and what is refused

MANY = [b"f%d" % i for i in range(700)]
PAIRS = [word for i in range(6) for word in (b"f%d" % i, i * 1000)]
OLD = {
    "list": b"\x01\x03" + string(b"a") + b"\xc0\x05" + string(b"b" * 100),
    "list of one long": b"\x01\x01" + string(b"a" * 9000),
    "zset": b"\x03\x04" + string(b"a") + b"\x031.5" + string(b"b") + b"\xff" + string(b"c") + b"\xfe" + string(b"d") + b"\x02-0",
    "list ziplist": b"\x0a" + string(ziplist(b"a", 5, -7, 300, -40000, 1 << 24, 1 << 40, 12, 13, b"x" * 70, b"y" * 20000)),
    "zset ziplist": b"\x0c" + string(ziplist(b"a", 1, b"b", b"1.5", b"c", b"inf")),
    "hash ziplist": b"\x0d" + string(ziplist(*PAIRS)),
    "hash ziplist, many": b"\x0d" + string(ziplist(*[word for field in MANY for word in (field, 1)])),
    "quicklist": b"\x0e\x02" + string(ziplist(b"a", b"b")) + string(ziplist(*MANY)),
    "quicklist with nothing in a node": b"\x0e\x02" + string(ziplist()) + string(ziplist(b"a")),
    "zipmap": b"\x09" + string(zipmap((b"a", b"1"), (b"b" * 300, b"x"), (b"", b""), spare=3)),
    "zipmap, short": b"\x09" + string(zipmap((b"a", b"1"), (b"b", b"x"))),
    "zipmap, many": b"\x09" + string(zipmap(*((field, b"1") for field in MANY))),
    "set, few": b"\x02\x03" + string(b"a") + string(b"b") + string(b"1"),
    "set, many": b"\x02" + length(700) + b"".join(map(string, MANY)),
    "set of two hundred": b"\x02" + length(200) + b"".join(map(string, MANY[:200])),
    "set with a long one": b"\x02\x02" + string(b"1") + string(b"x" * 65),
    "intset, many": b"\x0b" + string(intset(*range(600))),
    "intset, wide": b"\x0b" + string(intset(-5, 1, 1 << 40, width=8)),
    "set listpack, many": b"\x14" + string(listpack(*MANY[:200])),
    "zset listpack, many": b"\x11" + string(listpack(*[word for i in range(200) for word in (MANY[i], i)])),
    "hash listpack, many": b"\x10" + string(listpack(*[word for field in MANY for word in (field, 1)])),
    "hash, early metadata": b"\x16\x02" + length(LATER_MS) + string(b"a") + string(b"1") + length(0) + string(b"b") + string(b"2"),
    "hash, early listpack": b"\x17" + string(listpack(b"a", b"1", LATER_MS, b"b", b"2", 0)),
    "hash, metadata": b"\x18" + LATER_MS.to_bytes(8, "little") + b"\x02" + length(1) + string(b"a") + string(b"1") + length(0) + string(b"b") + string(b"2"),
    "hash, metadata of many": b"\x18" + LATER_MS.to_bytes(8, "little") + length(600) + b"".join(length(i % 7) + string(MANY[i]) + string(b"1") for i in range(600)),
    "hash, listpack of many": b"\x19" + LATER_MS.to_bytes(8, "little") + string(listpack(*[word for i in range(600) for word in (MANY[i], b"1", LATER_MS + i)])),
    "plain nodes": b"\x12\x03\x01" + string(b"abc") + b"\x02" + string(listpack(b"a", 1)) + b"\x01" + string(b"x" * 9000),
    "plain node alone": b"\x12\x01\x01" + string(b"abc"),
    "something behind it": b"\x00\x01a???",
    "string of 64 bits length": b"\x00\x81" + (5).to_bytes(8, "big") + b"abcde",
}
ENTRY = (0, 0, 0, b"x", 4)
BLOCK = listpack(2, 1, 1, b"a", 0, 2, *ENTRY[1:], 3, 0, 1, b"y", 4, 0, 5, -3, 2, b"p", 1, b"q", 2, 8)
OLD["stream"] = stream([((1, 3), BLOCK)], 2, (9, 9))
OLD["stream, second form"] = stream([((1, 3), BLOCK)], 2, (9, 9), form=19, first=(1, 3), deleted=(1, 4), added=7, groups=[
    (b"g", (1, 3), 1, [((1, 3), 1000, 2), ((7, 7), 2000, 1)], [(b"a", 500, 0, [(7, 7)]), (b"b", 600, 0, [(1, 3)])])])
OLD["stream, first form"] = stream([((1, 3), BLOCK)], 2, (9, 9), form=15, groups=[
    (b"g", (1, 3), 1, [((1, 3), 1000, 2)], [(b"a", 500, 0, [(1, 3)])]), (b"h", (9, 9), 1, [], [])])
OLD["stream without entries"] = stream([], 0, (5, 5), deleted=(5, 5), added=3, groups=[(b"", (0, 0), -1, [], [])])


@pytest.mark.parametrize("name", OLD)
def test_older_forms(pair, name):
    assert pair.same("RESTORE", "k", 0, seal(OLD[name])) is not None
    ours, theirs = (told(client, "k") for client in pair.both)
    assert ours == theirs
    # And it is a value like any other: both write it so that the other one reads it.
    for client, payload in zip(reversed(pair.both), pair.dumps("k")):
        assert not isinstance(client.execute("RESTORE", "back", 0, payload).value, Error)
        assert told(client, "back")[2:] == ours[2:]


PENDING = [((1, 3), 1000, 2)]
REFUSED = {
    "nothing": b"", "no such type": b"\xc8", "a type of modules": b"\x07\x01", "a function": b"\xf5\x01a", "opcode": b"\xfa\x01a\x01b",
    "string, short": b"\x00\x3fabc", "string, of no form": b"\x00\xc4abc", "string, length of no form": b"\x00\x82abc",
    "string, huge": b"\x00\x81" + b"\xff" * 8, 
    "string, unpacked too long": b"\x00\xc3\x03\x80\xff\xff\xff\xff\x00a\x00",
    "string, packed bytes broken": b"\x00\xc3\x03\x14\xe0\x05\x01", "no elements": b"\x01\x00", "more elements than bytes": b"\x01\x81" + b"\x7f" * 8 + b"\x01a",
    "set of none": b"\x02\x00", "set, one twice": b"\x02\x02\x01a\x01a", "set, an integer twice": b"\x02\x02\xc0\x05\x015",
    "zset of none": b"\x05\x00", "zset, one twice": b"\x05\x02\x01a" + bytes(8) + b"\x01a" + bytes(8), "zset, no number": b"\x05\x01\x01a" + b"\xff" * 8,
    "zset, old, no number": b"\x03\x01\x01a\xfd", "hash of none": b"\x04\x00",
    "hash, odd": b"\x04\x02\x01a\x01b\x01c", "intset, empty": b"\x0b" + string(intset()), "intset, short": b"\x0b" + string(intset(1, 2)[:-1]),
    "intset, of no width": b"\x0b" + string(intset(1, 2, width=3)), "listpack, empty set": b"\x14" + string(listpack()),
    "listpack, cut off": b"\x14" + string(listpack(b"a", b"b")[:-1]), "hash listpack, empty": b"\x10" + string(listpack()),
    "zset listpack, empty": b"\x11" + string(listpack()), "quicklist of none": b"\x12\x00", "quicklist, empty nodes": b"\x12\x01\x02" + string(listpack()),
    "quicklist, of no kind": b"\x12\x01\x03" + string(listpack(b"a")), "quicklist, an empty plain node": b"\x12\x01\x01\x00",
    "ziplist, length": b"\x0a" + string(ziplist(b"a")[:-1]), "ziplist, tail": b"\x0a" + string(ziplist(b"a", b"b")[:4] + b"\x0a" + ziplist(b"a", b"b")[5:]),
    "ziplist, count": b"\x0a" + string(ziplist(b"a")[:8] + b"\x05" + ziplist(b"a")[9:]), "ziplist, odd hash": b"\x0d" + string(ziplist(b"a")),
    "ziplist, one twice": b"\x0d" + string(ziplist(b"a", 1, b"a", 2)), "zipmap, short": b"\x09" + string(zipmap((b"a", b"b"))[:-1]),
    "zipmap, one twice": b"\x09" + string(zipmap((b"a", b"b"), (b"a", b"c"))),
    "metadata, none": b"\x18" + bytes(8) + b"\x00", "listpack with deadlines, empty": b"\x19" + bytes(8) + string(listpack()),
    "stream, short ID": b"\x15\x01" + string(b"a" * 15) + string(BLOCK), "stream, empty block": stream([((1, 3), listpack())], 0, (9, 9)),
    "stream, length without blocks": stream([], 5, (9, 9)), "stream, blocks twice": stream([((1, 3), BLOCK), ((1, 3), BLOCK)], 4, (9, 9)),
    "group twice": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, [], [])] * 2),
    "pending twice": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, PENDING * 2, [(b"a", 0, 0, [(1, 3)])])]),
    "pending for two": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, PENDING, [(b"a", 0, 0, [(1, 3)] * 2)])]),
    "pending for a consumer only": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, [], [(b"a", 0, 0, [(1, 3)])])]),
    "consumer twice": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, [], [(b"a", 0, 0, [])] * 2)]),
    "groups cut off": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, PENDING, [(b"a", 0, 0, [(1, 3)])])])[:-3],
}
# What only a deep look finds (sanitize-dump-payload yes), and what our structures could not hold.
REFUSED_DEEP = {
    "hash, one twice": b"\x04\x02\x01a\x01b\x01a\x01b",
    "stream, count": stream([((1, 3), listpack(2, 0, 1, b"a", 0, 2, *ENTRY[1:]))], 2, (9, 9)),
    "intset, order": b"\x0b" + string(intset(2, 1)), "intset, one twice": b"\x0b" + string(intset(1, 1)),
    "listpack, an element too long": b"\x14" + string(b"\x0b\x00\x00\x00\x01\x00\x85a\x02\x03\xff"),
    "listpack, the way back": b"\x14" + string(b"\x0a\x00\x00\x00\x01\x00\x81a\x05\xff"),
    "listpack, count": b"\x14" + string(b"\x0a\x00\x00\x00\x05\x00\x81a\x02\xff"),
    "set listpack, one twice": b"\x14" + string(listpack(b"a", b"a")), "hash listpack, one twice": b"\x10" + string(listpack(b"a", 1, b"a", 1)),
    "hash listpack, odd": b"\x10" + string(listpack(b"a", 1, b"b")), "zset listpack, one twice": b"\x11" + string(listpack(b"a", 1, b"a", 2)),
    "deadlines, odd": b"\x19" + bytes(8) + string(listpack(b"a", 1)),
    "stream, elements": stream([((1, 3), listpack(1, 0, 1, b"a", 0, 2, 0, 0, b"x", 9))], 1, (9, 9)),
    "stream, cut entry": stream([((1, 3), listpack(1, 0, 1, b"a", 0, 2, 0, 0))], 1, (9, 9)),
    "stream, names": stream([((1, 3), listpack(1, 0, 9, b"a", 0, 2, *ENTRY[1:]))], 1, (9, 9)),
    "pending for nobody": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, PENDING, [])]),
}
REFUSED_BY_US = {
    "string, into the footer": b"\x00\x05abc", "string, an integer into the footer": b"\x00\xc2abc",
    "string, unpacked to nothing": b"\x00\xc3\x01\x00\x00", "metadata, earliest": b"\x18" + b"\xff" * 8 + b"\x01\x00\x01a\x01b",
    "zset listpack, order": b"\x11" + string(listpack(b"b", 2, b"a", 1)), "zset listpack, no number": b"\x11" + string(listpack(b"a", b"x")),
    "zset listpack, order of members": b"\x11" + string(listpack(b"b", 1, b"a", 1)),
    "deadlines, order": b"\x19" + bytes(8) + string(listpack(b"a", b"1", 0, b"b", b"2", LATER_MS)),
    "deadlines, of no number": b"\x19" + bytes(8) + string(listpack(b"a", b"1", b"x")), "deadlines, negative": b"\x19" + bytes(8) + string(listpack(b"a", b"1", -5)),
    "stream, entries out of order": stream([((1, 3), listpack(2, 0, 1, b"a", 0, 2, *ENTRY[1:], 2, 0, 0, b"x", 4))], 2, (9, 9)),
    "stream, before its block": stream([((1, 3), listpack(2, 0, 1, b"a", 0, 2, *ENTRY[1:], 2, -1, 0, b"x", 4))], 2, (9, 9)),
    "stream, blocks out of order": stream([((2, 3), BLOCK), ((1, 3), BLOCK)], 4, (9, 9)),
    "stream, length": stream([((1, 3), BLOCK)], 3, (9, 9)), "stream, last ID": stream([((1, 3), BLOCK)], 2, (1, 3)),
    "stream, first entry with other names": stream([((1, 3), listpack(1, 0, 1, b"a", 0, 0, 0, 0, 1, b"b", b"x", 6))], 1, (9, 9)),
    "stream, first entry elsewhere": stream([((1, 3), listpack(1, 0, 1, b"a", 0, 2, 0, 1, b"x", 4))], 1, (9, 9)),
    "groups out of order": stream([], 0, (9, 9), groups=[(b"h", (0, 0), 0, [], []), (b"g", (0, 0), 0, [], [])]),
    "pending out of order": stream([], 0, (9, 9), groups=[(b"g", (0, 0), 0, [((2, 2), 1, 1), ((1, 1), 1, 1)], [(b"a", 0, 0, [(1, 1), (2, 2)])])]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(pair, name):
    assert isinstance(pair.same("RESTORE", "k", 0, seal(REFUSED[name])), Error)
    assert pair.same("EXISTS", "k") == 0


@pytest.mark.parametrize("name", (*REFUSED_DEEP, *REFUSED_BY_US))
def test_refused_after_a_deep_look(pair, name):
    payload = seal({**REFUSED_DEEP, **REFUSED_BY_US}[name])
    pair.ours.execute("SET", "k", "v")
    answer = pair.ours.execute("RESTORE", "k", 0, payload, "REPLACE").value
    assert answer == Error(b"ERR Bad data format")
    assert pair.ours.execute("GET", "k").value == b"v"
    if name in REFUSED_DEEP:
        pair.theirs.execute("CONFIG", "SET", "sanitize-dump-payload", "yes")
        try:
            assert isinstance(pair.theirs.execute("RESTORE", "k", 0, payload).value, Error)
        finally:
            pair.theirs.execute("CONFIG", "SET", "sanitize-dump-payload", "no")


def test_footers(pair):
    body = b"\x00\x01a"
    for payload in (seal(body), seal(body, 6), seal(body, 13), seal(body)[:-1], seal(body) + b"x", body, b"",
                    seal(body)[:-1] + b"\x00", b"\x00\x01b" + seal(body)[3:]):
        pair.same("RESTORE", "k", 0, payload, "REPLACE")
    for nothing in (seal(b""), bytes(10)):       # Redis would read the footer as a value
        assert pair.ours.execute("RESTORE", "n", 0, nothing).value == Error(b"ERR Bad data format")
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA


# ---- the commands

def test_options(pair):
    pair.same("RPUSH", "l", "a", "b")
    list_, string_ = pair.dumps("l")[0], seal(b"\x00\x01v")
    for words in (("k", 0, list_), ("k", 0, list_), ("k", "x", "x"), ("n", "x", "x"), ("n", -1, "x"), ("n", 0, "x"), ("n", 0, list_, "FOO"), ("n", 0, list_, "REPLACE", "IDLETIME"),
                  ("n", 0, list_, "FREQ", 1, "IDLETIME", 1), ("n", 0, list_, "IDLETIME", 1, "FREQ", 1), ("n", 0, list_, "IDLETIME", -1), ("n", 0, list_, "IDLETIME", "x"),
                  ("n", 0, list_, "FREQ", 256), ("n", 0, list_, "FREQ", -1), ("k", 0, list_, "FREQ", "x"), ("n", 1 << 63, list_), ("n", (1 << 63) - 1, list_), ("n",), ("n", 0),
                  ("k", 0, string_, "replace"), ("k", 1, string_, "ABSTTL"), ("k", 1, string_, "ABSTTL", "REPLACE"), ("k", 1, string_, "ABSTTL", "REPLACE"), ("k", 1000000, list_),
                  ("t", LATER_MS, string_, "ABSTTL"), ("t", 0, list_, "REPLACE"), ("t", LATER_MS, list_, "ABSTTL", "REPLACE"), ("t", (1 << 63) - 1, list_, "absttl", "REPLACE"),
                  ("i", 0, list_, "IDLETIME", 1000), ("i", 0, list_, "FREQ", 255, "REPLACE")):
        pair.same("RESTORE", *words)
        for key in ("k", "n", "t"):
            pair.same("TYPE", key)
            pair.same("PEXPIRETIME" if key == "t" else "TTL", key)
    pair.same("RESTORE-ASKING", "a", 0, list_)
    for words in (("DUMP",), ("DUMP", "none"), ("DUMP", "a"), ("DUMP", "a", "b"), ("LRANGE", "a", 0, -1)):
        pair.same(*words)


def test_access(pair):
    payload = seal(b"\x00\x01v")
    pair.same("RESTORE", "k", 0, payload, "IDLETIME", 1000)
    for client in pair.both:
        assert 1000 <= client.execute("OBJECT", "IDLETIME", "k").value <= 1002
        client.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    for frequency in (0, 7, 255):
        pair.same("RESTORE", "k", 0, payload, "FREQ", frequency, "REPLACE")
        pair.same("OBJECT", "FREQ", "k")
    pair.same("RESTORE", "k", 0, payload, "IDLETIME", 9, "REPLACE")
    pair.same("OBJECT", "FREQ", "k")


def test_dumping_shows_only_what_lives(pair):
    pair.same("SET", "k", "v", "PXAT", 1)
    assert pair.same("DUMP", "k") == NULL_BULK
    pair.same("SET", "k", "v")
    pair.same("PEXPIREAT", "k", LATER_MS)
    assert pair.same("DUMP", "k") == seal(b"\x00\x01v")           # without its deadline


def test_fields_that_are_due(pair):
    for name in ("hash, metadata", "hash, listpack of many", "hash, metadata of many", "hash, early listpack"):
        body = OLD[name].replace(LATER_MS.to_bytes(8, "little"), (1000).to_bytes(8, "little"))
        for client in pair.both:
            client.execute("RESTORE", "k", 0, seal(body), "REPLACE")
    body = b"\x19" + (5).to_bytes(8, "little") + string(listpack(b"a", b"1", 5, b"b", b"2", 0))
    pair.same("RESTORE", "h", 0, seal(body))
    for client in pair.both:
        assert client.execute("HGET", "h", "a").value == NULL_BULK
        assert client.execute("HGET", "h", "b").value == b"2"


# ---- damage

def walk(client, key):
    """Everything that reads a whole value."""
    kind = client.execute("TYPE", key).value
    client.execute("DEBUG", "DIGEST-VALUE", key)
    client.execute("MEMORY", "USAGE", key, "SAMPLES", 0)
    for words in {"list": (("LRANGE", key, 0, -1), ("LPOS", key, "x"), ("LPOP", key)), "set": (("SMEMBERS", key), ("SRANDMEMBER", key, -5), ("SADD", key, "new"), ("SPOP", key)),
                  "zset": (("ZRANGE", key, 0, -1, "WITHSCORES"), ("ZADD", key, 1.5, "new"), ("ZPOPMIN", key), ("ZRANGEBYSCORE", key, 0, "inf")),
                  "hash": (("HGETALL", key), ("HPEXPIRETIME", key, "FIELDS", 1, "a"), ("HSET", key, "new", 1), ("HPEXPIREAT", key, LATER_MS, "FIELDS", 1, "new"), ("HDEL", key, "a")),
                  "stream": (("XRANGE", key, "-", "+"), ("XREVRANGE", key, "+", "-"), ("XINFO", "STREAM", key, "FULL", "COUNT", 0), ("XADD", key, "*", "a", "b"),
                             ("XAUTOCLAIM", key, "g", "new", 0, 0), ("XTRIM", key, "MAXLEN", 3)),
                  "ReJSON-RL": (("JSON.GET", key, "$..*"), ("JSON.NUMINCRBY", key, "$..*", 0.5), ("JSON.DEL", key, "$..a"))}.get(str(kind if not isinstance(kind, bytes) else kind.decode()), ()):
        client.execute(*words)
    return client.execute("DUMP", key).value


def used_bytes(client):
    text = client.execute("INFO", "memory").value
    return int(re.search(r"used_memory:(\d+)", text if isinstance(text, str) else text.decode()).group(1))


class Embedded:
    """An engine in this process, spoken to like a client."""

    def __init__(self):
        from kit.backends import EmbeddedBackend
        self.subject = EmbeddedBackend()
        self.connection = self.subject.open()

    def execute(self, *words):
        return self.connection.run([words])[0]


@pytest.mark.parametrize("seed", range(8))
def test_damaged_payloads(seed):
    """Whatever bytes come, they are taken or refused, and nothing is left of those that were refused."""
    pytest.importorskip("hutch_engine.door.engine")
    client = Embedded()
    chance = random.Random(seed)
    bodies = list(OLD.values())
    for kind in KINDS:
        for compress in ("yes", "no"):
            client.execute("CONFIG", "SET", "rdbcompression", compress)
            for words in (("FLUSHALL",), *kind(chance)):
                client.execute(*words)
            payload = client.execute("DUMP", "k").value
            bodies += [payload[:-10]] if isinstance(payload, bytes) else []
    for text in ('{"a":[1,2.5,{"b":null}],"a longer name":"text \\u00e9","c":[true,[],{}]}', "[1,2,3]", '"' + "x" * 200 + '"', "[" * 100 + "]" * 100):
        client.execute("JSON.SET", "k", "$", text)
        bodies.append(client.execute("DUMP", "k").value[:-10])
    client.execute("FLUSHALL", "SYNC")
    client.execute("SET", "k", "v")
    taken = refused = 0
    before = used_bytes(client)
    for _ in range(2500):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            at = chance.randrange(len(body))
            action = chance.random()
            if action < 0.6:
                body[at] = chance.choice((chance.randrange(256), body[at] ^ 1 << chance.randrange(8), 0, 255, 254, body[at] + 1 & 255))
            elif action < 0.75:
                del body[at:at + chance.choice((1, 1, 4))]
            elif action < 0.9:
                body[at:at] = body[at:at + chance.choice((1, 4, 20))]
            else:
                body = body[:at + 1]
            body = body or bytearray(1)
        if client.execute("RESTORE", "r", 0, seal(body), "REPLACE").raw == b"+OK\r\n":
            taken += 1
            again = walk(client, "r")
            assert not isinstance(again, bytes) or client.execute("RESTORE", "again", 0, again, "REPLACE").raw == b"+OK\r\n"
        else:
            refused += 1
        client.execute("DEL", "r", "again")
        assert client.execute("GET", "k").raw == b"$1\r\nv\r\n"
    assert taken > 100 and refused > 100
    wait_until(lambda: used_bytes(client) - before < 100_000)        # tables that grew, and no more; what is big is freed by housekeeping
