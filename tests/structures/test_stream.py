"""The log of a stream and its groups against plain lists and dicts, in blocks so short that they begin and end all the time."""
import random

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shims.stream import IdMapShim, StreamShim

TOP = 2**64 - 1
MAXLEN, MINID = 1, 2
KEEP, DELETE, ACKED = 1, 2, 3
NUMBERS = [b"%d" % (sign * (1 << bits) + by) for bits in (0, 6, 7, 12, 13, 15, 16, 23, 24, 31, 32, 63) for sign in (1, -1) for by in (-1, 0, 1)]
VALUES = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from((b"", b"a", b"-", b"01", b"+1", b"-0", b"x" * 63, b"x" * 64, b"9223372036854775808")),
    st.binary(max_size=20),
    st.sampled_from((100, 126, 127, 128, 4094, 4095, 4096, 16380, 16384, 70000)).map(lambda size: b"L" * size),
)
FIELDS = st.one_of(
    st.lists(st.tuples(st.sampled_from((b"a", b"b")), VALUES), min_size=2, max_size=2),
    st.lists(st.tuples(st.sampled_from((b"a", b"b", b"1", b"", b"n" * 200)), VALUES), min_size=1, max_size=5),
)
STEPS = st.sampled_from(((0, 1), (0, 1), (1, 0), (1, 0), (1, 5), (300, 2), (20000, 0), (2**40, 2**50)))


class LogModel(RuleBasedStateMachine):
    @initialize(max_bytes=st.sampled_from((0, 1, 40, 200, 4096)), max_entries=st.sampled_from((0, 1, 2, 3, 7)))
    def start(self, max_bytes, max_entries):
        self.real = StreamShim()
        self.empty_bytes = self.real.used_bytes
        self.model = {}
        self.last = (0, 0)
        self.limits = max_bytes, max_entries
        self.deleted = (0, 0)

    @rule(step=STEPS, pairs=FIELDS)
    def append(self, step, pairs):
        ms = self.last[0] + step[0]
        if ms > TOP:
            return
        id = (ms, self.last[1] + step[1] if step[0] == 0 else step[1])
        if id > (TOP, TOP) or id[1] > TOP:
            return
        assert self.real.append(id, pairs, *self.limits) == 0
        self.model[id] = pairs
        self.last = id

    @rule(many=st.lists(st.tuples(STEPS, FIELDS), min_size=5, max_size=30))
    def append_many(self, many):
        for step, pairs in many:
            self.append(step, pairs)

    def _near(self, data):
        ids = list(self.model) or [(0, 0)]
        ms, seq = data.draw(st.sampled_from(ids))
        return data.draw(st.sampled_from(((ms, seq), (ms, max(0, seq - 1)), (ms, min(seq + 1, TOP)), (max(0, ms - 1), TOP), (ms, 0), (0, 0), (TOP, TOP))))

    @rule(data=st.data())
    def delete(self, data):
        id = self._near(data)
        there = self.model.pop(id, None) is not None
        assert self.real.delete(id) == there
        if there:
            self.deleted = max(self.deleted, id)

    @precondition(lambda self: len(self.model) > 3)
    @rule(data=st.data())
    def delete_a_run(self, data):
        at = data.draw(st.integers(0, len(self.model) - 1))
        for id in list(self.model)[at:at + data.draw(st.integers(1, 12))]:
            assert self.real.delete(id)
            del self.model[id]
            self.deleted = max(self.deleted, id)

    @rule(data=st.data(), length=st.integers(0, 20))
    def trim_to_length(self, data, length):
        gone = list(self.model)[:max(0, len(self.model) - length)]
        assert self.real.trim(MAXLEN, max_length=length) == len(gone)
        for id in gone:
            del self.model[id]

    @rule(data=st.data())
    def trim_to_id(self, data):
        least = self._near(data)
        gone = [id for id in self.model if id < least]
        assert self.real.trim(MINID, min_id=least) == len(gone)
        for id in gone:
            del self.model[id]

    @rule(data=st.data(), length=st.integers(0, 20), limit=st.integers(0, 9))
    def trim_blocks(self, data, length, limit):
        before = len(self.model)
        gone = self.real.trim(MAXLEN, max_length=length, approximate=True, limit=limit)
        assert gone <= max(0, before - length) and (not limit or gone <= limit)
        for id in list(self.model)[:gone]:
            del self.model[id]

    @rule(data=st.data())
    def ranges(self, data):
        one, two = sorted((self._near(data), self._near(data)))
        wanted = [(id, pairs) for id, pairs in self.model.items() if one <= id <= two]
        assert self.real.range(one, two) == wanted
        assert self.real.range(one, two, backwards=True) == wanted[::-1]
        assert self.real.find(one) == self.model.get(one)

    @rule()
    def copy(self):
        assert self.real.copy_matches()

    @rule(after=st.integers(0, 3), step=STEPS, pairs=FIELDS)
    def refused(self, after, step, pairs):
        """Only large blocks are refused; whatever happens, the log is whole."""
        id = (self.last[0] + 1, step[1])
        if id[0] > TOP:
            return
        self.real.refuse_memory_after(after)
        outcome = self.real.append(id, pairs, *self.limits)
        self.real.refuse_memory_after(-1)
        assert outcome in (0, 3)
        if outcome == 0:
            self.model[id], self.last = pairs, id

    @invariant()
    def the_same(self):
        if not hasattr(self, "real"):
            return
        self.real.check()
        assert len(self.real) == len(self.model)
        assert self.real.ids == (next(iter(self.model), (0, 0)), self.last, self.deleted)
        assert self.real.memory == self.real.used_bytes
        if not self.model:
            assert self.real.blocks == 0

    def teardown(self):
        if hasattr(self, "real"):
            assert self.real.range() == list(self.model.items())
            self.real.free_in_slices(3)
            assert self.real.live_blocks == 0


TestLog = LogModel.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class GroupModel(RuleBasedStateMachine):
    NAMES = st.sampled_from((b"", b"a", b"b", b"ab", b"\x00\xff"))
    IDS = st.tuples(st.integers(0, 9), st.integers(0, 30))

    @initialize()
    def start(self):
        self.real = StreamShim()
        self.model = {}                  # name -> ({ID: consumer}, {consumers})

    @rule(name=NAMES)
    def add(self, name):
        if name not in self.model:
            assert self.real.group_add(name, (5, 5))
            self.model[name] = {}, set()

    @rule(name=NAMES)
    def remove(self, name):
        if self.model.pop(name, None):
            self.real.group_remove(name)

    @rule(name=NAMES, consumer=NAMES)
    def add_consumer(self, name, consumer):
        if name in self.model and consumer not in self.model[name][1]:
            assert self.real.consumer_add(name, consumer)
            self.model[name][1].add(consumer)

    @rule(name=NAMES, consumer=NAMES)
    def remove_consumer(self, name, consumer):
        if name in self.model and consumer in self.model[name][1]:
            self.real.consumer_remove(name, consumer)
            pending, consumers = self.model[name]
            consumers.remove(consumer)
            for id in [id for id, whose in pending.items() if whose == consumer]:
                del pending[id]

    @rule(name=NAMES, consumer=NAMES, ids=st.lists(IDS, min_size=1, max_size=60))
    def deliver(self, name, consumer, ids):
        for id in ids:
            if name in self.model and consumer in self.model[name][1]:
                pending = self.model[name][0]
                assert (self.real.pending_give if id in pending else self.real.pending_add)(name, consumer, id)
                pending[id] = consumer

    @rule(name=NAMES, ids=st.lists(IDS, min_size=1, max_size=60))
    def acknowledge(self, name, ids):
        for id in ids:
            if name in self.model:
                assert self.real.pending_remove(name, id) == (self.model[name][0].pop(id, None) is not None)

    @rule(id=IDS)
    def forget(self, id):
        assert self.real.wanted(id) == any(id > (5, 5) or id in pending for pending, _ in self.model.values())
        self.real.forget(id)
        for pending, _ in self.model.values():
            pending.pop(id, None)

    @rule()
    def copy(self):
        assert self.real.copy_matches()

    @invariant()
    def the_same(self):
        if not hasattr(self, "real"):
            return
        self.real.check()
        shown = self.real.groups()
        assert list(shown) == sorted(self.model)
        for name, (_, pending, consumers) in shown.items():
            wanted, named = self.model[name]
            assert list(pending.items()) == sorted(wanted.items())
            assert consumers == [(one, sorted(id for id, whose in wanted.items() if whose == one)) for one in sorted(named)]

    def teardown(self):
        if hasattr(self, "real"):
            effort = self.real.effort
            assert self.real.free_in_slices(5) >= effort // 6
            assert self.real.live_blocks == 0


TestGroups = GroupModel.TestCase
TestGroups.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("seed", range(6))
def test_id_map(seed):
    """Appended, put in the middle, taken from the front, the end and anywhere: many chunks."""
    rng = random.Random(seed)
    real, model = IdMapShim(), {}
    for round in range(60):
        for _ in range(rng.randint(0, 300)):
            top = max(model, default=(0, 0))
            id = (top[0] + rng.randint(0, 2), top[1] + 1) if rng.random() < 0.7 else (rng.randint(0, 300), rng.randint(0, 300))
            if id not in model:
                model[id] = value = rng.randint(1, 2**60)
                assert real.put(id, value)
        ordered = sorted(model)
        kind = rng.random()
        some = ordered[:rng.randint(0, 250)] if kind < 0.5 else rng.sample(ordered, len(ordered) * rng.randint(0, 9) // 10)
        for id in some:
            assert real.remove(id) == model.pop(id)
            assert real.remove(id) == 0
        for _ in range(rng.randint(0, 30)):
            last = max(model, default=None)
            assert real.pop() == (model.pop(last) if last else 0)
        real.check()
        ordered = sorted(model)
        assert len(real) == len(model) and real.items() == [(id, model[id]) for id in ordered]
        assert real.items(backwards=True) == [(id, model[id]) for id in reversed(ordered)]
        for _ in range(20):
            id = (rng.randint(0, 300), rng.randint(0, 300))
            assert real.get(id) == model.get(id, 0)
            assert real.seek(id) == min((one for one in ordered if one >= id), default=None)
            assert real.seek(id, last=True) == max((one for one in ordered if one <= id), default=None)
    real.clear()
    assert real.live_blocks == 0


def radix_nodes(keys):
    """What a radix tree of these keys is made of: forks, ends, and a node for each run of single bytes between."""
    if len(keys) == 1:
        return 1 + (keys[0] != b"")
    common = 0
    while len({key[common] for key in keys}) == 1:
        common += 1
    heads = {}
    for key in keys:
        heads.setdefault(key[common], []).append(key[common + 1:])
    return (common > 0) + 1 + sum(radix_nodes(rest) for rest in heads.values())


@given(st.lists(st.tuples(st.sampled_from((0, 0, 1, 255, 256, 65536, 2**40)), st.sampled_from((1, 2, 255, 256, 2**60))), min_size=1, max_size=40))
@settings(deadline=None)
def test_tree_nodes(steps):
    real, at = StreamShim(), (1, 0)
    assert real.tree_nodes == 1
    keys = []
    for ms, seq in steps:
        at = (at[0] + ms, at[1] + seq if ms == 0 else seq)
        if at[1] > TOP:
            return
        assert real.append(at, [(b"f", b"v")], 4096, 1) == 0
        keys.append(at[0].to_bytes(8, "big") + at[1].to_bytes(8, "big"))
        assert real.tree_nodes == radix_nodes(keys)


def test_too_large():
    real = StreamShim()
    assert real.append((1, 1), [(b"f", b"v" * (2**30))]) == 5
    assert len(real) == 0 and real.ids == ((0, 0), (0, 0), (0, 0))


def test_a_trim_ends_at_the_highest_id():
    """Where an entry that is still wanted has no ID behind it."""
    real = StreamShim()
    real.group_add(b"g")
    for id in ((1, 1), (TOP, TOP)):
        real.append(id, [(b"f", b"v")])
    assert real.trim(MAXLEN, max_length=0, refs=ACKED) == 0 and len(real) == 2
    assert real.trim(MAXLEN, max_length=0, refs=DELETE) == 2 and len(real) == 0


def test_one_long_block():
    """Trimmed entry by entry in one walk, not one for each."""
    real = StreamShim()
    for number in range(1, 50_001):
        real.append((number, 0), [(b"f", b"%d" % number)], 0, 0)
    assert real.blocks == 1
    assert real.trim(MAXLEN, max_length=10) == 49_990
    assert real.trim(MINID, min_id=(49_995, 0), refs=DELETE) == 4
    assert real.ids[0] == (49_995, 0) and len(real) == 6
    real.check()


def test_lag_and_entries_read():
    real = StreamShim()
    real.group_add(b"g")
    assert real.lag(b"g") == 0
    for number in range(1, 11):
        real.append((number, 0), [(b"f", b"v")])
    assert real.lag(b"g") == 10
    for number in range(1, 5):
        real.read(b"g", (number, 0))
    assert real.lag(b"g") == 6 and real.entries_up_to((10, 0)) == 10
    real.delete((7, 0))                  # a gap ahead: nobody can tell
    assert real.lag(b"g") is None
    for number in (5, 6, 8):
        real.read(b"g", (number, 0))
    assert real.lag(b"g") is None
    real.trim(MAXLEN, max_length=1)
    assert real.lag(b"g") == 1
    real.read(b"g", (10, 0))
    assert real.lag(b"g") == 0


def test_a_large_log_takes_little():
    real = StreamShim()
    for number in range(20000):
        real.append((1_700_000_000_000 + number, 0), [(b"name", b"n%d" % number), (b"value", b"%d" % number), (b"state", b"ok")])
    assert real.memory / 20000 < 24 and real.memory == real.used_bytes
