"""Hypothesis state machines: lists, hashes, sets and sorted sets of the engine against the reference model, a machine a type.

Every machine begins with thresholds of its own (a few elements, or the usual ones) and adds in batches that jump over them,
so that each value goes through all its forms. As with strings (test_strings_model.py), time moves where the subject has a clock,
and the same machines first hold the model to a real Redis.
"""
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hutch.testing.model import Model
from hutch.testing.replies import encode
from kit.backends import EmbeddedBackend, TcpBackend

START_MS = 1_800_000_000_000
options = st.sampled_from

keys = options([b"a", b"b", b"c"])
any_key = options([b"a", b"b", b"c", b"a", b"b", b"c", b"text", b"none"])
# Numbers of every width, and texts around the sizes at which packed forms end and lengths take another byte.
names = st.one_of(st.integers(0, 40).map(lambda number: b"%d" % number), options([b"a", b"b", b"", b"a\x00b", b"-0", b"x" * 9, b"x" * 10, b"x" * 11]),
                  st.integers(-2**40, 2**40).map(lambda number: b"%d" % number), options([b"y" * 63, b"y" * 64, b"y" * 65, b"z" * 300, b"-9223372036854775808"]))
some = st.one_of(st.lists(names, min_size=1, max_size=3),
                 st.tuples(st.integers(0, 100), st.integers(5, 60)).map(lambda run: [b"%d" % i for i in range(run[0], run[0] + run[1])]),
                 st.tuples(st.integers(0, 50), st.integers(5, 60)).map(lambda run: [b"m%d" % i for i in range(run[0], run[0] + run[1])]))
indexes = st.one_of(st.integers(-12, 12), st.integers(-200, 200))
LIMITS = {
    "list-max-listpack-size": ["-2", "-1", "0", "1", "3", "8"],
    "hash-max-listpack-entries": ["0", "4", "30", "512"], "hash-max-listpack-value": ["0", "10", "64"],
    "set-max-intset-entries": ["0", "4", "30", "512"], "set-max-listpack-entries": ["0", "4", "30", "128"], "set-max-listpack-value": ["0", "10", "64"],
    "zset-max-listpack-entries": ["0", "4", "30", "128"], "zset-max-listpack-value": ["0", "10", "64"],
}
USUAL = {"list-max-listpack-size": "-2", "hash-max-listpack-entries": "512", "hash-max-listpack-value": "64", "set-max-intset-entries": "512",
         "set-max-listpack-entries": "128", "set-max-listpack-value": "64", "zset-max-listpack-entries": "128", "zset-max-listpack-value": "64"}


class Collections(RuleBasedStateMachine):
    """What all four have in common: whole keys, deadlines, thresholds. `subject` is set by `machine_for`."""
    subject = None
    prefix = ""                     # of this type's thresholds

    def __init__(self):
        super().__init__()
        self.connection = self.subject.open()
        self.clock = self.subject.clock
        self.now_ms = START_MS
        self.model = Model(clock_ms=(lambda: self.now_ms) if self.clock else None)
        self.connection.run([("RESET",), ("FLUSHALL",)])
        if self.clock:
            self.clock.set_ms(self.now_ms)
        self.both("SET", "text", "v")

    def teardown(self):
        self.connection.run([("CONFIG", "SET", *(word for pair in USUAL.items() for word in pair))])
        if self.clock:
            self.clock.release()
        self.connection.close()

    def both(self, *argv, unordered=False):
        """Run on both; the replies must be the same bytes, or the same elements."""
        wanted = self.model.execute(*argv)
        got = self.connection.run([argv])[0]
        if unordered and isinstance(got.value, list):
            assert sorted(got.value) == sorted(wanted), argv
        else:
            assert got.raw == encode(wanted), f"{argv}: {got.raw!r}, expected {encode(wanted)!r}"
        return wanted

    @initialize(data=st.data())
    def begin(self, data):
        self.thresholds(data)

    @rule(data=st.data())
    def thresholds(self, data):
        pairs = [(name, data.draw(options(values))) for name, values in LIMITS.items() if name.startswith(self.prefix)]
        assert self.connection.run([("CONFIG", "SET", *(word for pair in pairs for word in pair))])[0].raw == b"+OK\r\n"

    @rule(step_ms=options([1, 2, 3, 50, 1000, 10_000]))
    def time_passes(self, step_ms):
        if self.clock:
            self.now_ms += step_ms
            self.clock.set_ms(self.now_ms)

    @rule(one=any_key, two=keys, name=options(["DEL", "UNLINK", "TYPE", "EXISTS", "RENAME", "RENAMENX", "COPY", "COPY REPLACE", "SET", "PTTL"]))
    def whole_keys(self, one, two, name):
        if name in ("RENAME", "RENAMENX") or name.startswith("COPY"):
            self.both(*name.split()[:1], one, two, *name.split()[1:])
        elif name == "SET":
            self.both("SET", two, "v")
            self.both("GETDEL", two)
        elif name == "PTTL" and not self.clock or one == b"text":
            self.both("EXISTS", one)
        else:
            self.both(name, one)

    @rule(key=keys, ms=st.integers(1, 60))
    def expire(self, key, ms):
        if self.clock:
            self.both("PEXPIRE", key, ms)

    @rule(key=any_key, name=options(["GET", "INCR", "LLEN", "HLEN", "SCARD", "ZCARD"]))
    def other_types(self, key, name):
        if not (name == "INCR" and key == b"none"):
            self.both(name, key)

    def look(self, key):
        raise NotImplementedError

    @invariant()
    def same_contents(self):
        for key in ("a", "b", "c"):
            self.look(key)


class Lists(Collections):
    prefix = "list-"
    ends = options(["LEFT", "RIGHT"])

    def look(self, key):
        self.both("LRANGE", key, 0, -1)

    @rule(key=any_key, elements=some, name=options(["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]))
    def push(self, key, elements, name):
        if key != b"none":
            self.both(name, key, *elements)

    @rule(key=any_key, name=options(["LPOP", "RPOP"]), count=st.one_of(st.none(), st.integers(-1, 50)))
    def pop(self, key, name, count):
        self.both(name, key, *([] if count is None else [count]))

    @rule(key=any_key, start=indexes, end=indexes, name=options(["LRANGE", "LTRIM"]))
    def ranges(self, key, start, end, name):
        self.both(name, key, start, end)

    @rule(key=any_key, index=indexes, element=names)
    def at(self, key, index, element):
        self.both("LINDEX", key, index)
        self.both("LSET", key, index, element)

    @rule(key=any_key, where=options(["BEFORE", "AFTER", "before", "x"]), pivot=names, element=names)
    def insert(self, key, where, pivot, element):
        self.both("LINSERT", key, where, pivot, element)

    @rule(key=any_key, count=st.integers(-3, 3), element=names)
    def remove(self, key, count, element):
        self.both("LREM", key, count, element)

    @rule(key=any_key, element=names, rank=options([1, -1, 2, -2, 0]), count=options([None, 0, 1, 3]), most=options([0, 5, 40]))
    def find(self, key, element, rank, count, most):
        self.both("LPOS", key, element, "RANK", rank, "MAXLEN", most, *([] if count is None else ["COUNT", count]))

    @rule(one=any_key, two=keys, source=ends, into=ends)
    def move(self, one, two, source, into):
        self.both("LMOVE", one, two, source, into)
        self.both("RPOPLPUSH", two, one) if one != b"none" else None

    @rule(several=st.lists(any_key, min_size=1, max_size=3), end=ends, count=st.integers(1, 40), blocking=st.booleans())
    def mpop(self, several, end, count, blocking):
        self.both("LMPOP", len(several), *several, end, "COUNT", count)


class Hashes(Collections):
    prefix = "hash-"

    def look(self, key):
        self.both("HGETALL", key, unordered=True)

    def pairs(self, fields, data):
        return [word for field in fields for word in (field, data.draw(names) if len(fields) < 4 else field + b"!")]

    @rule(key=keys, fields=some, name=options(["HSET", "HMSET"]), data=st.data())
    def set(self, key, fields, name, data):
        self.both(name, key, *self.pairs(fields, data))

    @rule(key=any_key, field=names, value=names)
    def set_one(self, key, field, value):
        self.both("HSET" if key == b"text" else "HSETNX", key if key != b"none" else b"a", field, value)
        self.both("HSET", key if key != b"none" else b"a", field, value)

    @rule(key=any_key, fields=some)
    def delete(self, key, fields):
        self.both("HDEL", key, *fields)

    @rule(key=any_key, fields=some, field=names)
    def read(self, key, fields, field):
        self.both("HMGET", key, *fields)
        for name in ("HGET", "HEXISTS", "HSTRLEN"):
            self.both(name, key, field)
        for name in ("HKEYS", "HVALS"):
            self.both(name, key, unordered=True)

    @rule(key=keys, field=names, by=options([1, -1, 2**62, -2**63]))
    def increment(self, key, field, by):
        self.both("HINCRBY", key, field, by)

    @rule(key=any_key, fields=st.lists(names, min_size=1, max_size=12, unique=True), ms=st.integers(-3, 80), absolute=st.booleans(),
          condition=options([(), (), (), ("NX",), ("XX",), ("GT",), ("LT",)]))
    def expire_fields(self, key, fields, ms, absolute, condition):
        if self.clock and (ms >= 0 or absolute):
            name, at = ("HPEXPIREAT", self.now_ms + ms) if absolute else ("HPEXPIRE", ms)
            self.both(name, key, at, *condition, "FIELDS", len(fields), *fields)
        else:
            self.both("HPEXPIREAT", key, START_MS + 10**10 + ms if ms >= 0 else 1, *condition, "FIELDS", len(fields), *fields)

    @rule(key=any_key, fields=st.lists(names, min_size=1, max_size=12, unique=True), name=options(["HPERSIST", "HPEXPIRETIME", "HEXPIRETIME", "HGETDEL", "HPTTL", "HTTL"]))
    def deadlines(self, key, fields, name):
        if self.clock or not name.endswith("TTL"):
            self.both(name, key, "FIELDS", len(fields), *fields)


class Sets(Collections):
    prefix = "set-"

    def look(self, key):
        self.both("SMEMBERS", key, unordered=True)

    @rule(key=any_key, members=some, name=options(["SADD", "SADD", "SREM"]))
    def change(self, key, members, name):
        if key != b"none":
            self.both(name, key, *members)

    @rule(key=any_key, members=some)
    def read(self, key, members):
        self.both("SMISMEMBER", key, *members)
        self.both("SISMEMBER", key, members[0])

    @rule(one=any_key, two=keys, member=names)
    def move(self, one, two, member):
        self.both("SMOVE", one, two, member)

    @rule(several=st.lists(any_key, min_size=1, max_size=4), name=options(["SINTER", "SUNION", "SDIFF"]), into=st.one_of(st.none(), keys))
    def combine(self, several, name, into):
        if into is None:
            self.both(name, *several, unordered=True)
        else:
            self.both(name + "STORE", into, *several)

    @rule(several=st.lists(any_key, min_size=1, max_size=3), limit=st.integers(-1, 8))
    def card(self, several, limit):
        self.both("SINTERCARD", len(several), *several, "LIMIT", limit)

    @rule(key=keys)
    def pop_all(self, key):
        self.both("SPOP", key, 10_000, unordered=True)


class SortedSets(Collections):
    prefix = "zset-"
    # Sums of these are exact, whatever the order.
    scores = st.one_of(st.integers(-5, 5), options(["0.5", "-2.25", "inf", "-inf", "1e300", "3"]))
    score_ends = st.one_of(st.integers(-6, 6).map(str), st.integers(-6, 6).map("({}".format), options(["-inf", "+inf", "(0.5", "(-inf", "x"]))
    text_ends = st.one_of(options(["-", "+", "[m", "(m1", "[", "(", "x"]), names.map(lambda name: b"[" + name), names.map(lambda name: b"(" + name))

    def look(self, key):
        self.both("ZRANGE", key, 0, -1, "WITHSCORES")

    @rule(key=any_key, members=some, flags=options([(), (), (), ("NX",), ("XX",), ("GT",), ("LT",), ("CH",), ("XX", "GT", "CH"), ("NX", "XX"), ("GT", "LT"), ("GT", "NX")]),
          same=st.booleans(), data=st.data())
    def add(self, key, members, flags, same, data):
        score = data.draw(self.scores)
        words = [word for i, member in enumerate(members) for word in (score if same else i % 7 - 3 if len(members) > 3 else data.draw(self.scores), member)]
        if key != b"none":
            self.both("ZADD", key, *flags, *words)

    @rule(key=any_key, member=names, score=scores, flags=options([(), ("NX",), ("XX",), ("GT",), ("LT",)]))
    def increment(self, key, member, score, flags):
        if key != b"none":
            self.both("ZADD", key, *flags, "INCR", score, member)
            self.both("ZINCRBY", key, score, member)

    @rule(key=any_key, members=some)
    def remove(self, key, members):
        self.both("ZREM", key, *members)

    @rule(key=any_key, members=some)
    def read(self, key, members):
        self.both("ZMSCORE", key, *members)
        for name in ("ZSCORE", "ZRANK", "ZREVRANK"):
            self.both(name, key, members[0])
        self.both("ZRANK", key, members[0], "WITHSCORE")

    @rule(key=any_key, by=options(["", "", "BYSCORE", "BYLEX"]), reverse=st.booleans(), limit=st.one_of(st.none(), st.tuples(st.integers(-1, 10), st.integers(-2, 10))),
          with_scores=st.booleans(), same=st.booleans(), into=st.one_of(st.none(), st.none(), keys), data=st.data())
    def range(self, key, by, reverse, limit, with_scores, same, into, data):
        ends = {"": indexes, "BYSCORE": self.score_ends, "BYLEX": self.text_ends}[by]
        if by == "BYLEX":
            if key in (b"text", b"none"):
                return
            self.both("DEL", key)       # BYLEX is for sets of one score only
            self.both("ZADD", key, *(word for member in data.draw(some) for word in (1, member)))
        words = [key, data.draw(ends), data.draw(ends), *([by] if by else []), *(["REV"] if reverse else []),
                 *(["LIMIT", *limit] if limit is not None else [])]
        if into is None:
            self.both("ZRANGE", *words, *(["WITHSCORES"] if with_scores else []))
        else:
            self.both("ZRANGESTORE", into, *words)

    @rule(key=any_key, low=score_ends, high=score_ends, start=indexes, end=indexes, name=options(["ZCOUNT", "ZREMRANGEBYSCORE", "ZREMRANGEBYRANK"]))
    def count_and_remove(self, key, low, high, start, end, name):
        self.both(name, key, *((start, end) if name.endswith("RANK") else (low, high)))

    @rule(key=keys, members=some, low=text_ends, high=text_ends, name=options(["ZLEXCOUNT", "ZREMRANGEBYLEX"]))
    def count_and_remove_texts(self, key, members, low, high, name):
        self.both("DEL", key)
        self.both("ZADD", key, *(word for member in members for word in (1, member)))
        self.both(name, key, low, high)

    @rule(key=any_key, name=options(["ZPOPMIN", "ZPOPMAX"]), count=st.one_of(st.none(), st.integers(-1, 40)))
    def pop(self, key, name, count):
        self.both(name, key, *([] if count is None else [count]))

    @rule(several=st.lists(any_key, min_size=1, max_size=3), end=options(["MIN", "MAX"]), count=st.integers(1, 30))
    def mpop(self, several, end, count):
        self.both("ZMPOP", len(several), *several, end, "COUNT", count)

    @rule(several=st.lists(st.one_of(any_key, st.just(b"set")), min_size=1, max_size=3), name=options(["ZUNION", "ZINTER", "ZDIFF"]), into=st.one_of(st.none(), keys),
          how=options([(), ("AGGREGATE", "SUM"), ("AGGREGATE", "MIN"), ("AGGREGATE", "MAX")]), weights=st.one_of(st.none(), st.lists(options([1, 2, "0.5", 4]), min_size=3, max_size=3)),
          members=some)
    def combine(self, several, name, into, how, weights, members):
        self.both("SADD", "set", *members)
        extra = [] if name == "ZDIFF" else [*(["WEIGHTS", *weights[:len(several)]] if weights else []), *how]
        if into is None:
            self.both(name, len(several), *several, *extra, "WITHSCORES")
        else:
            self.both(name + "STORE", into, len(several), *several, *extra)

    @rule(several=st.lists(any_key, min_size=1, max_size=3), limit=st.integers(-1, 8))
    def card(self, several, limit):
        self.both("ZINTERCARD", len(several), *several, "LIMIT", limit)


MACHINES = [Lists, Hashes, Sets, SortedSets]


def machine_for(the_machine, the_subject, examples: int, steps: int = 40):
    class Machine(the_machine):
        subject = the_subject
    run_state_machine_as_test(Machine, settings=settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_model_against_redis(oracle, machine):
    machine_for(machine, TcpBackend(oracle.host, oracle.port), 25)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_engine(embedded, machine):
    machine_for(machine, EmbeddedBackend(), 120)
