"""structures/sorted_set and sorted_tree against a sorted list, in both forms and across the change."""
import random
from bisect import bisect_left, bisect_right

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from shims.sorted_set import SortedSetShim

SCORES = st.one_of(st.integers(-6, 6).map(float), st.floats(allow_nan=False).filter(lambda x: x != 0 or str(x) == "0.0"))
MEMBERS = st.one_of(st.integers(-3, 40).map(lambda i: b"%d" % i), st.binary(max_size=4), st.sampled_from((b"x" * 63, b"x" * 65, b"y" * 3000)))


class Machine(RuleBasedStateMachine):
    @initialize(entries=st.sampled_from((0, 4, 20, 128)))
    def start(self, entries):
        self.real = SortedSetShim(max_entries=entries, max_bytes=64)
        self.scores = {}
        self.order = []

    def _forget(self, member):
        self.order.remove((self.scores.pop(member), member))

    @rule(member=MEMBERS, score=SCORES)
    def put(self, member, score):
        new = member not in self.scores
        assert self.real.put(member, score) is new
        if not new:
            self._forget(member)
        self.scores[member] = score
        self.order.insert(bisect_left(self.order, (score, member)), (score, member))

    @rule(count=st.integers(1, 200), first=st.integers(0, 400), step=st.sampled_from((1.0, -1.0, 0.0, 0.37)))
    def put_run(self, count, first, step):
        """Runs, so that leaves split and nodes pile up."""
        for i in range(count):
            self.put(b"r%d" % (first + i), (first + i) * step if step != 0.37 else (i * 7919 % 101) * 0.5)

    @rule(member=MEMBERS)
    def remove(self, member):
        assert self.real.remove(member) is (member in self.scores)
        if member in self.scores:
            self._forget(member)

    @rule(data=st.data())
    def remove_present(self, data):
        if self.order:
            member = data.draw(st.sampled_from(self.order))[1]
            assert self.real.remove(member)
            self._forget(member)

    @rule(start=st.floats(0, 1), part=st.floats(0, 1))
    def remove_ranks(self, start, part):
        start = int(start * len(self.order))
        count = int(part * (len(self.order) - start))
        if count:
            self.real.remove_ranks(start, count)
            for _, member in self.order[start:start + count]:
                del self.scores[member]
            del self.order[start:start + count]

    @rule(member=MEMBERS, reverse=st.booleans())
    def rank(self, member, reverse):
        expected = None
        if member in self.scores:
            at = self.order.index((self.scores[member], member))
            expected = (len(self.order) - 1 - at if reverse else at, self.scores[member])
        assert self.real.rank(member, reverse) == expected
        assert self.real.score(member) == self.scores.get(member)

    @rule(least=SCORES, most=SCORES, least_open=st.booleans(), most_open=st.booleans())
    def score_ranks(self, least, most, least_open, most_open):
        inside = [i for i, (score, _) in enumerate(self.order)
                  if (score > least if least_open else score >= least) and (score < most if most_open else score <= most)]
        start, count = self.real.score_ranks(least, most, least_open, most_open)
        assert count == len(inside)
        assert not count or start == inside[0]

    @rule(start=st.floats(0, 1), reverse=st.booleans())
    def walk(self, start, reverse):
        start = int(start * len(self.order))
        expected = self.order[start::-1] if reverse else self.order[start:]
        assert self.real.items(start, reverse) == (expected if start < len(self.order) else [])

    @rule()
    def to_tree(self):
        assert self.real.to_tree() and not self.real.packed

    @precondition(lambda self: len(self.order) < 100)
    @rule()
    def to_pack(self):
        assert self.real.to_pack() and self.real.packed

    @rule()
    def copy(self):
        assert self.real.copy_items() == self.order

    @invariant()
    def same(self):
        if hasattr(self, "order"):
            self.real.check()
            assert len(self.real) == len(self.order)
            assert self.real.items() == self.order

    def teardown(self):
        if hasattr(self, "order"):
            if self.order:
                self.real.remove_ranks(0, len(self.order))
            self.real.check()
            assert self.real.to_pack() and self.real.live_blocks <= 1


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestSortedSet = Machine.TestCase


@pytest.mark.parametrize("entries", [0, 1000])
def test_text_ranges(entries):
    chooser = random.Random(5)
    real = SortedSetShim(max_entries=entries)
    members = sorted({bytes(chooser.choices(b"abc", k=chooser.randint(0, 4))) for _ in range(150)})
    for member in members:
        real.put(member, 2.0)
    for _ in range(500):
        least, most = (None if chooser.random() < 0.1 else bytes(chooser.choices(b"abc", k=chooser.randint(0, 4))) for _ in "12")
        least_open, most_open = chooser.random() < 0.5, chooser.random() < 0.5
        start = 0 if least is None else (bisect_right if least_open else bisect_left)(members, least)
        end = len(members) if most is None else (bisect_left if most_open else bisect_right)(members, most)
        assert real.text_ranks(least, most, least_open, most_open) in ((start, max(0, end - start)), (0, max(0, end - start)))


@pytest.mark.parametrize("order", ["ascending", "descending", "random", "equal"])
def test_many(order):
    """Three levels and back, in the orders that split at one end or anywhere."""
    chooser = random.Random(7)
    real, count = SortedSetShim(max_entries=0), 30_000
    scores = {"ascending": range(count), "descending": range(count, 0, -1), "equal": [1] * count,
              "random": [chooser.random() for _ in range(count)]}[order]
    model = {b"m%d" % i: float(score) for i, score in enumerate(scores)}
    for member, score in model.items():
        assert real.put(member, score)
    real.check()
    ordered = sorted((score, member) for member, score in model.items())
    assert real.items() == ordered and real.height >= 2
    assert real.memory <= real.used_bytes
    for at in chooser.sample(range(count), 500):
        assert real.rank(ordered[at][1]) == (at, ordered[at][0])
    for score, member in chooser.sample(ordered, 10_000):
        assert real.put(member, score + chooser.choice((1e-9, 0.5, 1000))) is False
    real.check()
    rest = real.items()
    while len(rest) > 10:
        start = chooser.randrange(len(rest))
        run = min(chooser.choice((1, 50, 700)), len(rest) - start)
        real.remove_ranks(start, run)
        del rest[start:start + run]
    assert real.items() == rest
    real.check()


def test_gathered_and_freed_in_slices():
    chooser = random.Random(3)
    real = SortedSetShim(max_entries=0)
    for count in (0, 1, 63, 64, 5_000):
        pairs = [(chooser.randint(0, 50) * 0.5, b"%d" % chooser.randint(0, count)) for _ in range(count)]
        real.gather(pairs)
        real.check()
        assert real.items() == sorted((score, member) for member, score in {member: score for score, member in pairs}.items())
    assert real.free_in_slices(100) > 15
    assert len(real) == 0 and real.live_blocks <= 2


def test_refused_memory_changes_nothing():
    """A member block of a size that the client chose is tried; and so is a listpack that grows beyond small blocks."""
    for entries in (0, 1000):
        real = SortedSetShim(max_entries=entries, max_bytes=10_000)
        for i in range(100):
            real.put(b"%d" % i * 30, i)
        before = real.items()
        real.fail_after(0)
        assert real.put(b"z" * 5000, 50.5) is None
        real.fail_after(None)
        real.check()
        assert real.items() == before


def test_random_members_are_fair():
    for entries in (0, 1000):
        real = SortedSetShim(max_entries=entries)
        for i in range(100):
            real.put(b"%d" % i, i // 3)
        seen = {}
        for _ in range(20_000):
            member = real.random_member()
            seen[member] = seen.get(member, 0) + 1
        chi = sum((seen.get(b"%d" % i, 0) - 200) ** 2 / 200 for i in range(100))
        assert chi < 160             # 99 degrees of freedom: p < 0.0001 beyond


def test_small_sets_are_small():
    """200 members of 12 bytes: Redis 8.2 takes 102 bytes a member."""
    real = SortedSetShim(max_entries=128)
    for i in range(200):
        real.put(b"member%06d" % (i * 7919 % 200), i * 31 % 200)
    assert not real.packed and real.memory < 0.7 * 102 * 200
