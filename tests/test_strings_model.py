"""Hypothesis state machines: strings, keys, deadlines and databases of the engine against the reference model.

Unlike the random runs of test_differential.py, time moves here: the engine's clock is held and moved a step at a time, so
that every deadline is met to the millisecond, and Hypothesis shrinks what it finds. The same machine first runs the model
against a real Redis, without moving time, which keeps the machine itself honest.
"""
import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hutch.testing.model import Model
from hutch.testing.replies import NULL_BULK, encode
from kit.backends import ModelBackend, TcpBackend

START_MS = 1_800_000_000_000
FAR_S = 10_000_000

keys = st.sampled_from([b"a", b"b", b"c", b"", b"a\x00b", b"long-" * 12])
integers = st.one_of(st.integers(-20, 20), st.sampled_from([2**63 - 1, -2**63, 2**63, 2**31]))
values = st.one_of(st.binary(max_size=70), integers.map(lambda number: b"%d" % number),
                   st.sampled_from([b"0.1", b"1e3", b" 1", b"007", b"-0", b"inf", b"3.0"]), st.text("ab", max_size=20).map(str.encode))
floats = st.one_of(st.floats(-1e6, 1e6, allow_nan=False).map(repr), st.sampled_from(["nan", "inf", "1e400", "x", "0.1"]))
indexes = st.one_of(st.integers(-30, 30), integers)
databases = st.integers(-1, 3)
options = st.sampled_from


class StringsAndKeys(RuleBasedStateMachine):
    """`subject` is set by `machine_for`; a subject with a clock gets deadlines that come during the run."""
    subject = None

    def __init__(self):
        super().__init__()
        self.connection = self.subject.open()
        self.clock = self.subject.clock
        self.now_ms = START_MS
        self.model = Model(clock_ms=(lambda: self.now_ms) if self.clock else None)
        self.connection.run([("RESET",), ("FLUSHALL",)])
        if self.clock:
            self.clock.set_ms(self.now_ms)

    def teardown(self):
        if self.clock:
            self.clock.release()
        self.connection.close()

    def both(self, *argv):
        """Run on both; the replies must be the same bytes. Answers the model's reply."""
        wanted = self.model.execute(*argv)
        got = self.connection.run([argv])[0]
        assert got.raw == encode(wanted), f"{argv}: {got.raw!r}, expected {encode(wanted)!r}"
        return wanted

    def deadline(self, data, relative: bool, unit_ms: int) -> int:
        """A number for EX, PXAT and their like: soon where time can be moved, else far away or in the past."""
        if not self.clock:
            far = data.draw(st.integers(FAR_S, 2 * FAR_S))
            return far * 1000 // unit_ms if relative else (START_MS + far * 1000) // unit_ms
        soon = data.draw(st.one_of(st.integers(-2, 10).map(lambda seconds: seconds * 1000), st.integers(-5, 50)))
        return soon // unit_ms if relative else (self.now_ms + soon) // unit_ms

    # -- time ---------------------------------------------------------------------------------------------
    @rule(step_ms=st.one_of(st.integers(1, 60), st.sampled_from([999, 1000, 1001, 10_000])))
    def time_passes(self, step_ms):
        if self.clock:
            self.now_ms += step_ms
            self.clock.set_ms(self.now_ms)

    # -- strings ------------------------------------------------------------------------------------------
    @rule(key=keys, value=values, condition=options([(), (), ("NX",), ("XX",), ("NX", "XX")]), get=st.booleans(),
          expiry=options(["", "", "EX", "PX", "EXAT", "PXAT", "KEEPTTL"]), data=st.data())
    def set(self, key, value, condition, get, expiry, data):
        words = ["SET", key, value, *condition, *(["GET"] if get else [])]
        if expiry:
            words.append(expiry)
        if expiry not in ("", "KEEPTTL"):
            words.append(self.deadline(data, expiry in ("EX", "PX"), 1000 if expiry.startswith("E") else 1))
        self.both(*words)

    @rule(key=keys, name=options(["SETEX", "PSETEX"]), value=values, data=st.data())
    def setex(self, key, name, value, data):
        self.both(name, key, self.deadline(data, True, 1 if name == "PSETEX" else 1000), value)

    @rule(key=keys, expiry=options(["", "PERSIST", "EX", "PX", "EXAT", "PXAT"]), data=st.data())
    def getex(self, key, expiry, data):
        words = ["GETEX", key, *([expiry] if expiry else [])]
        if expiry not in ("", "PERSIST"):
            words.append(self.deadline(data, expiry in ("EX", "PX"), 1000 if expiry.startswith("E") else 1))
        self.both(*words)

    @rule(key=keys, name=options(["GET", "GETDEL", "STRLEN", "INCR", "DECR", "TYPE", "PERSIST"]))
    def of_one_key(self, key, name):
        self.both(name, key)

    @rule(key=keys, name=options(["SETNX", "GETSET", "APPEND"]), value=values)
    def with_a_value(self, key, name, value):
        self.both(name, key, value)

    @rule(key=keys, name=options(["INCRBY", "DECRBY"]), by=integers)
    def incrby(self, key, name, by):
        self.both(name, key, by)

    @rule(key=keys, by=floats)
    def incrbyfloat(self, key, by):
        self.both("INCRBYFLOAT", key, by)

    @rule(key=keys, start=indexes, end=indexes)
    def getrange(self, key, start, end):
        self.both("GETRANGE", key, start, end)

    @rule(key=keys, offset=st.one_of(st.integers(-1, 80), st.just(2**31)), value=values)
    def setrange(self, key, offset, value):
        self.both("SETRANGE", key, offset, value)

    @rule(pairs=st.lists(st.tuples(keys, values), min_size=1, max_size=4), name=options(["MSET", "MSETNX"]))
    def mset(self, pairs, name):
        self.both(name, *(word for pair in pairs for word in pair))

    @rule(names=st.lists(keys, min_size=1, max_size=4))
    def mget(self, names):
        self.both("MGET", *names)

    @rule(one=keys, two=keys, how=options([(), ("LEN",), ("IDX",), ("IDX", "WITHMATCHLEN"), ("IDX", "MINMATCHLEN", 2)]))
    def lcs(self, one, two, how):
        self.both("LCS", one, two, *how)

    # -- keys ---------------------------------------------------------------------------------------------
    @rule(names=st.lists(keys, min_size=1, max_size=4), name=options(["DEL", "UNLINK", "EXISTS", "TOUCH"]))
    def of_several_keys(self, names, name):
        self.both(name, *names)

    @rule(key=keys, name=options(["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]), data=st.data(),
          condition=options([(), (), ("NX",), ("XX",), ("GT",), ("LT",), ("XX", "GT"), ("NX", "LT")]))
    def expire(self, key, name, condition, data):
        if condition and not self.clock:
            condition = ()          # a real server's clock moves between the two answers
        self.both(name, key, self.deadline(data, not name.endswith("AT"), 1 if name.startswith("P") else 1000), *condition)

    @rule(key=keys, name=options(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]))
    def ttl(self, key, name):
        if self.clock:
            self.both(name, key)

    @rule(source=keys, destination=keys, name=options(["RENAME", "RENAMENX"]))
    def rename(self, source, destination, name):
        self.both(name, source, destination)

    @rule(source=keys, destination=keys, database=databases, replace=st.booleans(), elsewhere=st.booleans())
    def copy(self, source, destination, database, replace, elsewhere):
        self.both("COPY", source, destination, *(("DB", database) if elsewhere else ()), *(("REPLACE",) if replace else ()))

    @rule(key=keys, database=databases)
    def move(self, key, database):
        self.both("MOVE", key, database)

    @rule(database=databases)
    def select(self, database):
        self.both("SELECT", database)

    @rule(one=databases, two=databases)
    def swapdb(self, one, two):
        self.both("SWAPDB", one, two)

    @rule(name=options(["FLUSHDB", "FLUSHALL"]), how=options([(), ("ASYNC",), ("SYNC",)]))
    def flush(self, name, how):
        self.both(name, *how)

    # -- what must hold after every step --------------------------------------------------------------------
    @invariant()
    def same_keys(self):
        wanted = self.model.execute("KEYS", "*")
        got = self.connection.run([("KEYS", "*")])[0].value
        assert sorted(got) == wanted
        if self.clock:              # a real server may still count what is due
            self.both("DBSIZE")


def machine_for(the_subject, examples: int, steps: int = 40):
    class Machine(StringsAndKeys):
        subject = the_subject
    run_state_machine_as_test(Machine, settings=settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]))


def test_model_against_redis(oracle):
    machine_for(TcpBackend(oracle.host, oracle.port), 60)


def test_model_against_itself_with_moving_time():
    """The machine's handling of time, on a subject that is right by definition."""
    class HeldModel(ModelBackend):
        def __init__(self):
            super().__init__()
            self.now_ms = START_MS
            self.model.clock_ms = lambda: self.now_ms

        @property
        def clock(self):
            return self

        def set_ms(self, ms):
            self.now_ms = ms

        def release(self):
            pass
    machine_for(HeldModel(), 60)


def test_engine(embedded):
    machine_for(embedded, 250)


def test_deadlines_to_the_millisecond(embedded):
    """A key lives through the millisecond of its deadline, as in Redis, and is gone after it, looked at or not."""
    connection = embedded.open()
    connection.run([("FLUSHALL",)])
    try:
        for lead_ms in (1, 2, 63, 64, 65, 1000, 4095, 4096, 4097, 262_144, 10**7, 10**9, 10**11):
            embedded.set_ms(START_MS)
            connection.run([("SET", "k", "v", "PX", lead_ms)])
            embedded.set_ms(START_MS + lead_ms)
            assert [reply.value for reply in connection.run([("GET", "k"), ("PTTL", "k"), ("DBSIZE",)])] == [b"v", 0, 1], lead_ms
            embedded.set_ms(START_MS + lead_ms + 1)
            assert [reply.value for reply in connection.run([("DBSIZE",), ("GET", "k")])] == [0, NULL_BULK], lead_ms
    finally:
        embedded.release()
        connection.close()
