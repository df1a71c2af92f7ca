"""Which form a value has, beside Redis 8.2, while random commands make it grow and shrink over every threshold.

After each command OBJECT ENCODING, DEBUG OBJECT (the bytes in a file; of a long list also where its nodes end) and
DEBUG DIGEST-VALUE of all keys are compared. Thresholds change in mid-run, as they may.
"""
import random
import re

import pytest

from kit.backends import EmbeddedBackend
from kit.resp_client import RespClient

KEYS = ("a", "b", "c")
STEPS = 120


def text(chance, lengths=(1, 3, 9, 10, 11, 12, 63, 64, 65, 300)):
    kind = chance.random()
    if kind < 0.45:
        return str(chance.choice((chance.randrange(30), chance.randrange(-200, 40000), chance.randrange(-2**40, 2**40))))
    if kind < 0.5:
        return chance.choice(("", "007", "-0", "1.5", "9223372036854775808", "-9223372036854775808"))
    return chance.choice("abcdefghij") * chance.choice(lengths)


def some(chance, most=6):
    """Now and then many at once: a threshold is jumped over."""
    return [text(chance) for _ in range(chance.choice((1, 1, 1, 2, 3, most, 5 * most)))]


def index(chance):
    return str(chance.randrange(-12, 12))


def of_lists(chance):
    key, other, end = chance.choice(KEYS), chance.choice(KEYS), chance.choice(("LEFT", "RIGHT"))
    big = chance.choice(("y" * 3000, "y" * 5000, "y" * 9000)) if chance.random() < 0.1 else text(chance)
    return chance.choice((
        ("RPUSH", key, *some(chance, 12)), ("LPUSH", key, *some(chance)), ("RPUSH", key, big), ("LPUSH", key, big),
        ("RPUSHX", key, big), ("LPUSHX", key, *some(chance)), ("LPOP", key, str(chance.randrange(1, 9))), ("RPOP", key),
        ("RPOP", key, str(chance.randrange(1, 30))), ("LSET", key, index(chance), big), ("LREM", key, index(chance), text(chance)),
        ("LINSERT", key, chance.choice(("BEFORE", "AFTER")), text(chance), big), ("LTRIM", key, index(chance), index(chance)),
        ("LTRIM", key, "0", str(chance.randrange(1, 9))), ("LMOVE", key, other, end, chance.choice(("LEFT", "RIGHT"))),
        ("RPOPLPUSH", key, other), ("LMPOP", "2", key, other, end, "COUNT", str(chance.randrange(1, 9))),
        ("COPY", key, other, "REPLACE"), ("RENAME", key, other), ("SORT", key, "ALPHA", "STORE", other),
        ("SORT", key, "ALPHA", "LIMIT", "0", str(chance.randrange(20)), "STORE", other), ("DEL", key)))


def of_hashes(chance):
    key, other = chance.choice(KEYS), chance.choice(KEYS)
    def pairs():
        return [word for field in some(chance, 5) for word in (field, text(chance))]
    field, far = text(chance, (1,)), "4102444800000"
    return chance.choice((
        ("HSET", key, *pairs()), ("HMSET", key, *pairs()), ("HSETNX", key, field, text(chance)), ("HSET", key, field, text(chance)),
        ("HDEL", key, *some(chance, 20)), ("HINCRBY", key, text(chance), "7"), ("HINCRBYFLOAT", key, text(chance), "0.5"),
        ("HPEXPIREAT", key, far, "FIELDS", "1", field), ("HPEXPIREAT", key, far[:-1] + "7", "FIELDS", "2", field, "1"),
        ("HPEXPIREAT", key, "1", "FIELDS", "1", field), ("HPERSIST", key, "FIELDS", "1", field),
        ("HGETDEL", key, "FIELDS", "1", field), ("HGETEX", key, "PXAT", far, "FIELDS", "1", field),
        ("HGETEX", key, "PERSIST", "FIELDS", "1", field), ("HSETEX", key, "PXAT", far, "FIELDS", "1", field, text(chance)),
        ("HSETEX", key, "FNX", "FIELDS", "1", field, text(chance)), ("HSETEX", key, "KEEPTTL", "FIELDS", "1", field, text(chance)),
        ("COPY", key, other, "REPLACE"), ("RENAME", key, other), ("DEL", key)))


def of_sets(chance, stores=True):
    key, one, two = chance.choice(KEYS), chance.choice(KEYS), chance.choice(KEYS)
    numbers = [str(chance.randrange(60)) for _ in range(chance.choice((1, 2, 12)))]
    storing = (("SUNIONSTORE", key, one, two), ("SINTERSTORE", key, one, two), ("SDIFFSTORE", key, one, two))
    return chance.choice((
        ("SADD", key, *some(chance)), ("SADD", key, *numbers), ("SADD", key, *numbers), ("SREM", key, *some(chance, 20)),
        ("SREM", key, *numbers), ("SMOVE", one, two, text(chance)), ("SMOVE", one, two, numbers[0]), ("SPOP", key, "1000"),
        *(storing if stores else ()), ("COPY", one, two, "REPLACE"), ("RENAME", one, two), ("DEL", key)))


def of_sorted_sets(chance):
    key, one, two = chance.choice(KEYS), chance.choice(KEYS), chance.choice(KEYS)
    def score():
        return str(chance.choice((chance.randrange(9), -0.0, 0.1, 1e300, "inf", chance.random())))
    pairs = [word for member in some(chance) for word in (score(), member)]
    return chance.choice((
        ("ZADD", key, *pairs), ("ZADD", key, *pairs), ("ZADD", key, "XX", *pairs), ("ZINCRBY", key, score(), text(chance)),
        ("ZREM", key, *some(chance, 20)), ("ZPOPMIN", key, str(chance.randrange(9))), ("ZPOPMAX", key),
        ("ZREMRANGEBYRANK", key, index(chance), index(chance)), ("ZREMRANGEBYSCORE", key, "1", "3"),
        ("ZUNIONSTORE", key, "2", one, two), ("ZINTERSTORE", key, "2", one, two, "WEIGHTS", "2", "0.5"),
        ("ZDIFFSTORE", key, "2", one, two), ("ZRANGESTORE", key, one, index(chance), index(chance)),
        ("ZRANGESTORE", key, one, "0", "5", "BYSCORE"), ("ZUNIONSTORE", key, "2", one, "set"), ("SADD", "set", *some(chance)),
        ("SREM", "set", *some(chance)), ("SUNIONSTORE", "set", "set"), ("ZMPOP", "1", key, "MIN", "COUNT", "4"),
        ("COPY", one, two, "REPLACE"), ("RENAME", one, two), ("DEL", key)))


FAMILIES = {
    "lists": (of_lists, {"list-max-listpack-size": ("-1", "-2", "-3", "-5", "-7", "0", "1", "2", "3", "4", "9", "128", "40000")}),
    "hashes": (of_hashes, {"hash-max-listpack-entries": ("0", "1", "2", "5", "12", "512"),
                           "hash-max-listpack-value": ("0", "1", "10", "64")}),
    "sets": (lambda chance: of_sets(chance, False),
             {"set-max-intset-entries": ("0", "1", "5", "12", "512"), "set-max-listpack-entries": ("0", "1", "6", "20", "128"),
              "set-max-listpack-value": ("0", "1", "10", "64")}),
    # Where fewer numbers than members are allowed, what a store makes depends on the order in a table.
    "stored sets": (of_sets, {"set-max-intset-entries": ("20", "30", "512"), "set-max-listpack-entries": ("0", "1", "6", "20"),
                              "set-max-listpack-value": ("0", "1", "10", "64")}),
    "sorted sets": (of_sorted_sets, {"zset-max-listpack-entries": ("0", "1", "6", "20", "128"),
                                     "zset-max-listpack-value": ("0", "1", "10", "64")}),
}
DEFAULTS = {"list-max-listpack-size": "-2", "hash-max-listpack-entries": "512",
            "hash-max-listpack-value": "64", "set-max-intset-entries": "512", "set-max-listpack-entries": "128",
            "set-max-listpack-value": "64", "zset-max-listpack-entries": "128", "zset-max-listpack-value": "64"}


@pytest.fixture
def both(embedded, oracle):
    engine = EmbeddedBackend()
    redis = RespClient(oracle.host, oracle.port)
    redis.execute("FLUSHALL")
    redis.execute("CONFIG", "SET", "rdbcompression", "no")
    redis.execute("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")

    def compare(commands):
        mine = engine_session.run(commands)
        its = redis.pipeline(commands)
        for command, one, two in zip(commands, mine, its):
            compressed = b"ql_compressed:1" in two.raw
            yield command, tidy(bytes(one.raw), compressed), tidy(bytes(two.raw), compressed)

    engine_session = engine.open()
    yield compare
    redis.pipeline([("FLUSHALL",), ("CONFIG", "SET", "rdbcompression", "yes", *(word for pair in DEFAULTS.items() for word in pair))])
    redis.close()
    engine.engine.close()


def tidy(reply, compressed):
    """Without addresses and times of DEBUG OBJECT, and without the length of nodes that only Redis compresses."""
    if compressed:
        reply = re.sub(rb"serializedlength:\d+", b"", reply)
    return re.sub(rb"Value at:\S+|lru:\d+|lru_seconds_idle:\d+|ql_compressed:\d", b"", reply)


def looks():
    return [look for key in (*KEYS, "set") for look in (
        ("OBJECT", "ENCODING", key), ("DEBUG", "OBJECT", key), ("DEBUG", "DIGEST-VALUE", key))]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("family", FAMILIES)
def test_forms_through_every_threshold(both, family, seed):
    chance = random.Random(seed)
    make, limits = FAMILIES[family]
    done = []
    for _ in range(STEPS):
        command = make(chance)
        if chance.random() < 0.06 or not done:
            command = ("CONFIG", "SET", *(word for name, values in limits.items() for word in (name, chance.choice(values))))
        done.append(command)
        compared = list(both([command, *looks()]))
        # What comes in which order out of a set is nobody's to know.
        if command[0] != "SPOP":
            assert compared[0][1] == compared[0][2], done[-8:]
        for look, mine, its in compared[1:]:
            assert mine == its, (look, done)


# Each limit to the element: name, the value it gets, the command that makes `n` elements, and the forms at and past it.
EXACT = [
    ("hash-max-listpack-entries", 7, lambda n: ("HSET", "k", *(str(i) for i in range(2 * n)))),
    ("hash-max-listpack-value", 7, lambda n: ("HSET", "k", "f", "v" * n)),
    ("hash-max-listpack-value", 7, lambda n: ("HSET", "k", "f" * n, "v")),
    ("set-max-intset-entries", 7, lambda n: ("SADD", "k", *(str(i) for i in range(n)))),
    ("set-max-listpack-entries", 7, lambda n: ("SADD", "k", *(f"m{i}" for i in range(n)))),
    ("set-max-listpack-value", 7, lambda n: ("SADD", "k", "m" * n)),
    ("zset-max-listpack-entries", 7, lambda n: ("ZADD", "k", *(word for i in range(n) for word in (str(i), f"m{i}")))),
    ("zset-max-listpack-value", 7, lambda n: ("ZADD", "k", "1", "m" * n)),
    ("list-max-listpack-size", 7, lambda n: ("RPUSH", "k", *(str(i) for i in range(n)))),
    ("list-max-listpack-size", -1, lambda n: ("RPUSH", "k", "x" * (n + 4072))),
    ("list-max-listpack-size", -2, lambda n: ("LPUSH", "k", "x" * (n + 8168))),
    ("list-max-listpack-size", -5, lambda n: ("RPUSH", "k", "x" * (n + 65512))),
    ("list-max-listpack-size", -9, lambda n: ("RPUSH", "k", "x" * (n + 65512))),
]


@pytest.mark.parametrize("limit, value, make", EXACT)
def test_forms_at_the_very_limit(both, limit, value, make):
    forms = set()
    for n in range(1, 36) if limit.startswith("list") else range(1, 12):
        commands = [("DEL", "k", "l"), ("CONFIG", "SET", limit, value), make(n), ("OBJECT", "ENCODING", "k"), ("COPY", "k", "l"),
                    ("OBJECT", "ENCODING", "l"), ("DEBUG", "OBJECT", "l"), ("DEBUG", "DIGEST-VALUE", "k", "l"),
                    # A key of one by one, and a copy under a lower limit, which looks at it again or does not.
                    ("CONFIG", "SET", limit, str(int(value) // 2)), ("COPY", "k", "l", "REPLACE"), ("OBJECT", "ENCODING", "l")]
        for command, mine, its in both(commands):
            assert mine == its, (n, command)
            if command == ("OBJECT", "ENCODING", "k"):
                forms.add(mine)
    assert len(forms) == 2


@pytest.mark.parametrize("limit", ["-1", "-2", "1", "4", "5", "16"])
@pytest.mark.parametrize("shrink", [("RPOP", "k"), ("LPOP", "k"), ("LTRIM", "k", "1", "-1"), ("LREM", "k", "1", "30"), ("LMOVE", "k", "l", "LEFT", "RIGHT"),
                                    ("LMPOP", "1", "k", "RIGHT", "COUNT", "2"), ("LSET", "k", "0", "1")])
def test_lists_that_shrink_go_back(both, limit, shrink):
    """To a listpack at half the limit, as Redis does; seen at every single step."""
    element = "30" if not limit.startswith("-") else "e" * 500
    commands = [("CONFIG", "SET", "list-max-listpack-size", limit), ("RPUSH", "k", *[element] * 35), ("LSET", "k", "7", "x" * 10)]
    for _ in range(36):
        commands += [shrink if shrink[0] != "LREM" else ("LREM", "k", "1", element), ("OBJECT", "ENCODING", "k"), ("DEBUG", "OBJECT", "k")]
    forms = []
    for command, mine, its in both(commands):
        assert mine == its, command
        if command[0] == "OBJECT":
            forms.append(mine)
    assert b"quicklist" in forms[0]
