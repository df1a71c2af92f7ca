"""The hash against a dict of (value, deadline), through all its forms, and with due fields that nobody removed."""
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kit.chi_square import chi_square

FieldHash = pytest.importorskip("shims.hash").FieldHash
PACKED, DEADLINES, TABLE = 0, 1, 2
REFUSED, CHANGED, ADDED = 0, 1, 2
NEVER = 2**63 - 1

names = st.one_of(st.integers(0, 14).map(lambda n: b"f%d" % n), st.sampled_from((b"", b"7", b"-12", b"\x00", b"x" * 17, b"y" * 200)))
values = st.one_of(st.binary(max_size=20), st.integers(-2**63, 2**63 - 1).map(lambda n: b"%d" % n), st.sampled_from((b"", b"007", b"v" * 130, b"w" * 3000)))
times = st.integers(1, 60)


class HashMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.real = FieldHash(6, 150)
        self.model, self.clock = {}, 0

    def live(self):
        return {name: pair for name, pair in self.model.items() if pair[1] == -1 or pair[1] >= self.clock}

    @rule(name=names, value=values, keep=st.booleans())
    def set(self, name, value, keep):
        known = self.live().get(name)
        assert self.real.set(name, value, keep) == (CHANGED if known else ADDED)
        self.model[name] = (value, known[1] if known and keep else -1)

    @rule(name=names)
    def delete(self, name):
        assert self.real.delete(name) == (name in self.live())
        self.model.pop(name, None)

    @rule(name=names, after=times)
    def set_deadline(self, name, after):
        if name in self.live():
            assert self.real.set_deadline(name, self.clock + after)
            self.model[name] = (self.model[name][0], self.clock + after)

    @rule(name=names)
    def clear_deadline(self, name):
        if name in self.live():
            assert self.real.clear_deadline(name) == (self.model[name][1] != -1)
            self.model[name] = (self.model[name][0], -1)

    @rule(ms=st.integers(0, 25))
    def time_passes(self, ms):
        self.clock += ms
        self.real.now(self.clock)

    @rule(budget=st.integers(0, 4))
    def take_due(self, budget):
        due = len(self.model) - len(self.live())
        taken = self.real.take_due(budget)
        assert taken == min(budget, due)
        if taken < due:
            # Among those of the same millisecond any may go first; the earlier ones must be gone.
            left = sorted(at for _, at in self.model.values() if -1 < at < self.clock)[taken:]
            assert self.real.earliest() == left[0]
            self.real.take_due(100)
        self.model = self.live()

    @rule()
    def copy(self):
        assert self.real.copy_swap()

    @rule()
    def expect_deadlines(self):
        self.real.expect_deadlines()
        assert self.real.form != PACKED

    @rule(count=st.integers(0, 12))
    def sample(self, count):
        found = self.real.sample(count)
        live = self.live()
        assert len(found) == len({name for name, _ in found}) == min(count, len(live))
        assert all(live[name][0] == value for name, value in found)

    @rule()
    def random_field(self):
        found, live = self.real.random_field(), self.live()
        assert found is None if not live else live[found[0]][0] == found[1]

    @rule()
    def scan(self):
        cursor, found = 0, {}
        while True:
            cursor, some = self.real.scan(cursor)
            found.update(some)
            if cursor == 0:
                break
        assert found == {name: value for name, (value, _) in self.live().items()}

    @invariant()
    def same(self):
        self.real.check()
        live = self.live()
        assert len(self.real) == len(live)
        assert self.real.stored() == len(self.model)
        assert sorted(self.real.items()) == sorted((name, value) for name, (value, _) in live.items())
        for name in (*self.model, b"absent"):
            assert self.real.get(name) == (live[name][0] if name in live else None)
            assert self.real.deadline(name) == (live[name][1] if name in live else None)
        deadlines = [at for _, at in self.model.values() if at != -1]
        assert self.real.earliest() == (min(deadlines) if deadlines else NEVER)

    def teardown(self):
        self.real.free_in_slices(3)
        assert self.real.used_bytes == 0


TestHash = HashMachine.TestCase
TestHash.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_forms():
    small = FieldHash(4, 10)
    for n in range(4):
        small.set(b"f%d" % n, b"v")
    assert small.form == PACKED
    small.set_deadline(b"f2", 50)
    assert small.form == DEADLINES and small.items()[0][0] == b"f2"
    small.set(b"f4", b"v")
    assert small.form == TABLE and small.deadline(b"f2") == 50 and small.deadline(b"f0") == -1
    for field, value in ((b"f", b"v" * 11), (b"f" * 11, b"v")):
        long = FieldHash(4, 10)
        long.set(b"a", b"1")
        long.set(field, value)
        assert long.form == TABLE and long.get(b"a") == b"1"


@pytest.mark.parametrize("packed", (True, False))
@pytest.mark.parametrize("deadline", (True, False))
def test_refused_memory_changes_nothing(packed, deadline):
    one = FieldHash(1000 if packed else 1, 100_000)
    for n in range(60):
        one.set(b"f%d" % n, b"o" * 100)
        if deadline:
            one.set_deadline(b"f%d" % n, 1000 - n)
    before, used = sorted(one.items()), one.used_bytes
    deadlines = [one.deadline(name) for name, _ in before]
    for allowed in range(3):
        one.fail_after(allowed)
        for name in (b"f7", b"new"):
            if one.set(name, b"n" * 5000) == REFUSED:
                assert sorted(one.items()) == before and one.used_bytes == used
            else:
                one.fail_after()
                (one.delete(name) if name == b"new" else one.set(name, b"o" * 100))
                if deadline:
                    one.set_deadline(b"f7", 993)
                one.fail_after(allowed)
        one.fail_after()
        one.check()
        assert [one.deadline(name) for name, _ in sorted(one.items())] == deadlines
    one.fail_after(0)
    assert one.set(b"new", b"n" * 5000) == REFUSED
    assert not packed or not one.copy_swap()         # a table's blocks are small: they are always to be had
    one.fail_after()
    assert sorted(one.items()) == before


def test_values_are_overwritten_in_place():
    one = FieldHash(1, 10)
    for n in range(2000):
        one.set(b"f%d" % n, b"value-%04d" % n)
    used = one.used_bytes
    for n in range(2000):
        one.set(b"f%d" % n, b"other-%04d" % n)
    assert one.used_bytes == used and one.get(b"f1234") == b"other-1234"


def test_many_deadlines_come_in_order():
    one = FieldHash(1, 10)
    order = [(n * 7919) % 3001 for n in range(3000)]
    for n, at in enumerate(order):
        one.set(b"f%d" % n, b"v")
        one.set_deadline(b"f%d" % n, at + 1)
    for n in range(0, 3000, 3):
        one.set_deadline(b"f%d" % n, order[n] + 5001)
    for n in range(1, 3000, 9):
        one.clear_deadline(b"f%d" % n)
    one.check()
    left = 3000
    for now in range(0, 8100, 97):
        one.now(now)
        assert len(one) == sum(1 for n in range(3000) if (n % 9 == 1 or order[n] + (5001 if n % 3 == 0 else 1) >= now))
        one.take_due(10**6)
        assert one.stored() == len(one) <= left
        left = len(one)
    assert left == len(range(1, 3000, 9)) and one.earliest() == NEVER


@pytest.mark.parametrize("size, packed", ((10, True), (10, False), (200, False)))
def test_random_is_fair(size, packed):
    """Also where the table shrank, and where a third of the fields is due."""
    one = FieldHash(1000 if packed else 1, 1000)
    for n in range(size * 20):
        one.set(b"f%d" % n, b"v")
    for n in range(size, size * 20):
        one.delete(b"f%d" % n)
    for n in range(0, size, 3):
        one.set_deadline(b"f%d" % n, 5)
    one.now(6)
    live = [b"f%d" % n for n in range(size) if n % 3]
    for draw, each in ((lambda: [one.random_field()[0]], 1), (lambda: [name for name, _ in one.sample(2)], 2), (lambda: [name for name, _ in one.sample(len(live) // 2)], len(live) // 2)):
        counts = dict.fromkeys(live, 0)
        rounds = 200 * len(live) // each
        for _ in range(rounds):
            for name in draw():
                counts[name] += 1
        freedom = len(live) - 1
        assert chi_square(counts.values(), rounds * each / len(live)) < freedom + 5 * (2 * freedom) ** 0.5 + 10


def test_bytes_a_field():
    one = FieldHash(512, 64)
    one.fill(0, 100_000, 14, 14)
    assert one.used_bytes / 100_000 < 0.8 * 72
    assert abs(one.memory() - one.used_bytes) < 20_000


def test_freed_in_slices():
    one = FieldHash(1, 64)
    one.fill(0, 20_000, 8, 8)
    assert one.free_in_slices(128) > 50
    assert one.used_bytes == 0
