"""The timing wheel against a list of deadlines."""
import random

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shims.wheel import TimingWheel, relocated_loose_node

INT64_MAX = 2**63 - 1
INT64_MIN = -2**63
NOW = 1_700_000_000_000
PLENTY = 10**9

# Distances that land on every level and on both sides of its borders.
spans = st.one_of(
    st.integers(-3, 200),
    st.integers(0, 62).flatmap(lambda bits: st.integers(2**bits - 2, 2**bits + 2)),
    st.integers(0, 10**7),
)
times = st.one_of(
    st.integers(0, 1000), st.integers(NOW - 5, NOW + 5), st.just(0), st.just(NOW // 2**24 * 2**24 - 1),
    st.integers(-5000, 0),
)


def clamp(value):
    return max(INT64_MIN, min(INT64_MAX, value))


def drain(wheel, now, budget=PLENTY):
    """All that is due at `now`, in `budget`-sized turns."""
    numbers = []
    while True:
        left = budget
        while True:
            number, left = wheel.take(now, left)
            if number is None:
                break
            numbers.append(number)
        if left > 0:
            return numbers


class WheelModel(RuleBasedStateMachine):
    @initialize(now=times)
    def start(self, now):
        self.wheel = TimingWheel(now)
        self.wheel.give_window()
        self.now = self.highest = now
        self.deadlines = {}
        self.late = set()         # were due already when they were added: their order is free
        self.number = 0

    def _draw(self, data):
        return data.draw(st.sampled_from(sorted(self.deadlines)))

    def _enter(self, number, deadline):
        self.deadlines[number] = deadline
        self.late.discard(number)
        if deadline <= self.highest:
            self.late.add(number)

    @rule(span=spans)
    def add(self, span):
        deadline = clamp(self.now + span)
        self.wheel.add(self.number, deadline)
        self._enter(self.number, deadline)
        self.number += 1

    @rule(deadline=st.sampled_from([INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1, -1, 0, 2**62, 2**60 - 1]))
    def add_far(self, deadline):
        self.wheel.add(self.number, deadline)
        self._enter(self.number, deadline)
        self.number += 1

    @rule()
    def nearest(self):
        self._turns(PLENTY)              # of what is due or on its way to lower levels, only so many are looked at
        number = self.wheel.nearest(PLENTY)
        assert self.deadlines.get(number) == (min(self.deadlines.values()) if self.deadlines else None)

    @precondition(lambda self: self.deadlines)
    @rule(count=st.integers(1, 50))
    def evict(self, count):
        self._turns(PLENTY)
        for _ in range(min(count, len(self.deadlines))):
            number = self.wheel.nearest(PLENTY)
            assert self.deadlines[number] == min(self.deadlines.values())
            self.wheel.cancel(number)
            del self.deadlines[number]
            self.late.discard(number)

    @precondition(lambda self: self.deadlines)
    @rule(budget=st.integers(0, 5))
    def nearest_in_pieces(self, budget):
        """With little to move at once it answers one of them, whichever."""
        assert self.wheel.nearest(budget) in self.deadlines

    @rule(span=spans, count=st.integers(2, 70), stride=st.sampled_from([0, 1, 63, 64, 4096]))
    def add_many(self, span, count, stride):
        for i in range(count):
            deadline = clamp(self.now + span + i * stride)
            self.wheel.add(self.number, deadline)
            self._enter(self.number, deadline)
            self.number += 1

    @precondition(lambda self: self.deadlines)
    @rule(data=st.data())
    def cancel(self, data):
        number = self._draw(data)
        self.wheel.cancel(number)
        del self.deadlines[number]

    @precondition(lambda self: self.deadlines)
    @rule(data=st.data(), span=spans)
    def change(self, data, span):
        number = self._draw(data)
        deadline = clamp(self.now + span)
        self.wheel.change(number, deadline)
        self._enter(number, deadline)

    @precondition(lambda self: self.deadlines)
    @rule(data=st.data())
    def relocate(self, data):
        self.wheel.relocate(self._draw(data))

    @rule()
    def relocate_all(self):
        for number in self.deadlines:
            self.wheel.relocate(number)

    def _take(self, budget):
        """One turn; checks each node and the order; tells whether the turn ended for want of work."""
        before = budget
        last = INT64_MIN
        while True:
            number, left = self.wheel.take(self.now, budget)
            assert left <= budget
            budget = left
            if number is None:
                break
            assert left <= before - 1
            deadline = self.deadlines.pop(number)
            assert deadline <= self.now
            if number not in self.late:
                assert deadline >= last
                last = deadline
        assert before < 0 or budget >= 0
        return budget > 0

    def _turns(self, budget):
        self.highest = max(self.highest, self.now)
        turns = 0
        cost = len(self.deadlines) * 14 // budget + 2
        while not self._take(budget):
            turns += 1
            assert turns <= cost
        assert all(deadline > self.now for deadline in self.deadlines.values())

    @rule(step=spans, budget=st.sampled_from([1, 2, 7, PLENTY]))
    def advance(self, step, budget):
        self.now = clamp(self.now + max(step, 0))
        self._turns(budget)

    @rule(step=spans, budget=st.integers(-1, 5))
    def advance_partly(self, step, budget):
        self.now = clamp(self.now + max(step, 0))
        self.highest = max(self.highest, self.now)
        if self._take(budget):
            assert all(deadline > self.now for deadline in self.deadlines.values())

    @precondition(lambda self: self.deadlines)
    @rule()
    def advance_to_next(self):
        """Waking when the wheel says makes progress: a bounded number of wakings reaches the next node."""
        first = min(self.deadlines.values())
        for _ in range(12):
            at = self.wheel.next_ms()
            assert at <= max(first, 0)
            self.now = max(self.now, at)
            size = len(self.deadlines)
            self._turns(PLENTY)
            if len(self.deadlines) < size:
                return
        raise AssertionError("woken twelve times for nothing")

    @rule(step=st.one_of(st.integers(1, 100), st.integers(1, 10**8)), budget=st.sampled_from([1, 3, PLENTY]))
    def clock_goes_back(self, step, budget):
        self.now = clamp(self.now - step)
        self._turns(budget)

    @invariant()
    def sound(self):
        if not hasattr(self, "wheel"):
            return
        self.wheel.check()
        assert len(self.wheel) == len(self.deadlines)
        if self.deadlines:
            assert self.wheel.next_ms() <= max(0, min(self.deadlines.values()))
        else:
            assert self.wheel.next_ms() == INT64_MAX

    def teardown(self):
        if hasattr(self, "wheel"):
            self.highest = self.now = INT64_MAX
            self._turns(PLENTY)
            assert len(self.wheel) == 0 and not self.deadlines


WheelModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestWheelModel = WheelModel.TestCase


def test_empty():
    wheel = TimingWheel(NOW)
    assert wheel.next_ms() == INT64_MAX
    assert wheel.take(NOW, 10) == (None, 10)
    assert wheel.take(INT64_MAX, 10) == (None, 10)
    assert wheel.time_ms == INT64_MAX
    assert wheel.take(NOW, 10) == (None, 10)
    assert relocated_loose_node()


def test_overdue_comes_at_once():
    wheel = TimingWheel(NOW)
    for number, deadline in enumerate([NOW, NOW - 1, 0, -1, INT64_MIN]):
        wheel.add(number, deadline)
    assert wheel.next_ms() <= 0
    assert drain(wheel, NOW) == [0, 1, 2, 3, 4]


def test_exact_to_a_millisecond():
    wheel = TimingWheel(NOW)
    deadlines = [NOW + d for d in (1, 63, 64, 65, 4095, 4096, 4097, 10**6, 10**9)]
    for number, deadline in enumerate(deadlines):
        wheel.add(number, deadline)
    for number, deadline in enumerate(deadlines):
        assert drain(wheel, deadline - 1) == []
        assert drain(wheel, deadline) == [number]


@pytest.mark.parametrize("deadline", [NOW + 1, NOW + 10**6, NOW + 10**12, 2**62, INT64_MAX - 1, INT64_MAX])
def test_few_wakings_for_a_far_deadline(deadline):
    wheel = TimingWheel(NOW)
    wheel.add(1, deadline)
    wakings = 0
    while len(wheel):
        wakings += 1
        now = wheel.next_ms()
        assert now <= deadline
        number, _ = wheel.take(now, PLENTY)
        assert number is None or now == deadline
    assert wakings <= 11


def test_jump_costs_nothing_but_nodes():
    """One node, ten thousand years away: what it may cost is moving it once a level and taking it."""
    wheel = TimingWheel(0)
    wheel.add(1, 10**15)
    number, left = wheel.take(10**15, 100)
    assert number == 1 and left >= 100 - 12


def test_crowd_in_one_millisecond():
    count = 200_000
    budget = 1000
    wheel = TimingWheel(NOW)
    deadline = NOW + 3_600_000
    for number in range(count):
        wheel.add(number, deadline)
    wheel.check()
    seen = []
    turns = 0
    while len(wheel):
        left = budget
        while True:
            number, left = wheel.take(deadline, left)
            if number is None:
                break
            seen.append(number)
        assert left == 0 or not len(wheel)
        turns += 1
    assert seen == list(range(count))
    assert turns <= count * 12 // budget + 1


def test_crowd_spread_over_an_hour_comes_in_order():
    import random
    chance = random.Random(7)
    wheel = TimingWheel(NOW)
    deadlines = [NOW + chance.randrange(1, 3_600_000) for _ in range(100_000)]
    for number, deadline in enumerate(deadlines):
        wheel.add(number, deadline)
    now = NOW
    seen = []
    while len(wheel):
        now += chance.choice([1, 7, 100, 5_000, 250_000])
        batch = drain(wheel, now, 5000)
        assert all(deadlines[number] <= now for number in batch)
        seen += batch
    assert [deadlines[number] for number in seen] == sorted(deadlines)
    wheel.check()


def test_clock_set_back_an_hour():
    """What is set while the clock is behind the wheel comes at its time, not at once and not an hour late."""
    wheel = TimingWheel(NOW)
    wheel.add(0, NOW + 5_000_000)
    wheel.take(NOW, 10)
    past = NOW - 3_600_000
    wheel.add(1, past + 10_000)
    wheel.add(2, past + 5)
    wheel.add(3, past)
    assert drain(wheel, past) == [3]
    assert wheel.next_ms() <= past + 5
    assert drain(wheel, past + 5) == [2]
    assert drain(wheel, past + 9_999) == []
    assert drain(wheel, past + 10_000) == [1]
    assert drain(wheel, NOW + 4_999_999) == []
    assert drain(wheel, NOW + 5_000_000) == [0]


def test_slightly_older_clock_does_not_turn_the_wheel_back():
    wheel = TimingWheel(NOW)
    wheel.add(0, NOW + 100)
    assert drain(wheel, NOW + 50) == []
    assert drain(wheel, NOW + 46) == []
    assert wheel.time_ms == NOW + 50


@pytest.mark.parametrize("budget", [0, -5])
def test_no_budget_no_work(budget):
    wheel = TimingWheel(NOW)
    wheel.add(0, NOW)
    assert wheel.take(NOW, budget) == (None, budget)
    assert len(wheel) == 1


# ---- the nearest

def test_nearest_of_a_large_slot_is_exact_once_it_is_open():
    """20,000 deadlines in one slot of twelve days, opened 500 at a time; meanwhile the answers are among those that were seen."""
    generator = random.Random(5)
    wheel = TimingWheel(NOW)
    wheel.give_window()
    base = (NOW // 64**5 + 2) * 64**5
    deadlines = {number: base + generator.randrange(64**5) for number in range(20_000)}
    for number, deadline in deadlines.items():
        wheel.add(number, deadline)
    for _ in range(20_000 // 500 + 1):
        assert wheel.nearest(500) in deadlines
        wheel.check()
    assert wheel.is_open
    for number in sorted(deadlines, key=deadlines.get)[:3000]:
        found = wheel.nearest(500)
        assert deadlines[found] == deadlines[number]
        wheel.cancel(found)
    wheel.check()
    # Those that come before the opened slot, and within it before the nearest, are found as well.
    wheel.add(30_000, base - 5)
    wheel.add(30_001, base + 1)
    for number in (30_000, 30_001):
        assert wheel.nearest(500) == number
        wheel.cancel(number)
    # And time goes on as if nothing had been opened.
    assert wheel.next_ms() <= min(deadlines[n] for n in deadlines if deadlines[n] >= base)
    assert len(drain(wheel, base + 64**5)) == 17_000


def test_nearest_without_a_window_is_exact_where_few_lie():
    wheel = TimingWheel(NOW)
    for number in range(30):
        wheel.add(number, NOW + 10**9 - number)
    assert wheel.nearest(PLENTY) == 29
    assert TimingWheel(NOW).nearest(PLENTY) is None


def test_many_that_come_before_the_opened_part():
    """Each of a thousand adds comes earlier than all before, and is taken at once: nothing is opened anew for one of them."""
    wheel = TimingWheel(NOW)
    wheel.give_window()
    for number in range(1000):
        wheel.add(number, NOW + 10**9 + number)
    for number in range(1000, 2000):
        wheel.add(number, NOW + 10**9 - number)
        if number % 3 == 0:
            assert wheel.nearest(PLENTY) == number
            wheel.cancel(number)
    wheel.check()
    order = []
    while len(wheel):
        order.append(wheel.nearest(PLENTY))
        wheel.cancel(order[-1])
    assert order == [number for number in range(1999, 999, -1) if number % 3] + list(range(1000))
