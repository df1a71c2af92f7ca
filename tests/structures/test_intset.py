"""structures/intset against a sorted list, an encoder of its own, and the bytes that Redis makes."""
from bisect import bisect_left, insort
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shims.intset import Numbers, is_valid

BORDERS = [sign * (1 << bits) + offset for bits in (7, 15, 31, 62, 63) for sign in (1, -1) for offset in (-1, 0, 1)]
BORDERS = [n for n in BORDERS if -2**63 <= n < 2**63]
numbers = st.one_of(st.integers(-20, 20), st.integers(-2**15, 2**15 - 1), st.integers(-2**31, 2**31 - 1),
                    st.integers(-2**63, 2**63 - 1), st.sampled_from(BORDERS))


def width_of(number):
    return 2 if -2**15 <= number < 2**15 else 4 if -2**31 <= number < 2**31 else 8


def encode(items, width):
    return b"".join([width.to_bytes(4, "little"), len(items).to_bytes(4, "little")]
                    + [item.to_bytes(width, "little", signed=True) for item in items])


class IntsetMachine(RuleBasedStateMachine):
    @initialize(most=st.sampled_from([2, 4, 8]))
    def begin(self, most):
        self.real = Numbers()
        self.model = []
        self.width = 2
        self.most = most             # widths come slowly: else every set is of eight bytes at once
        self.refused = False

    def fit(self, number):
        half = 1 << self.most * 8 - 1
        return (number + half) % (2 * half) - half

    @rule(refuse=st.booleans())
    def memory(self, refuse):
        self.refused = refuse
        self.real.refuse(refuse)

    @rule(most=st.sampled_from([2, 4, 8]))
    def widen(self, most):
        self.most = most

    @rule(number=numbers)
    def add(self, number):
        number = self.fit(number)
        added = self.real.add(number)
        if added is None:
            assert self.refused
            return
        assert added == (number not in self.model)
        if added:
            insort(self.model, number)
            self.width = max(self.width, width_of(number))

    @rule(many=st.lists(numbers, max_size=40))
    def add_many(self, many):
        for number in many:
            self.add(number)

    @rule(number=numbers)
    def remove_any(self, number):
        self.remove(number)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_known(self, data):
        self.remove(data.draw(st.sampled_from(self.model)))

    def remove(self, number):
        assert self.real.remove(number) == (number in self.model)
        if number in self.model:
            self.model.remove(number)

    @rule(index=st.integers(0, 60), count=st.integers(0, 60))
    def remove_range(self, index, count):
        self.real.remove_range(index, count)
        del self.model[index:index + count]

    @rule(number=numbers)
    def look(self, number):
        for asked in (number, self.fit(number)):
            assert (asked in self.real) == (asked in self.model)
            assert self.real.index(asked) == bisect_left(self.model, asked)

    @precondition(lambda self: self.model)
    @rule()
    def pick(self):
        assert self.real.pick() in self.model

    @rule()
    def copy(self):
        copied = self.real.copy_bytes()
        assert copied == self.real.bytes if copied is not None else self.refused

    @invariant()
    def same(self):
        self.real.check()
        assert len(self.real) == len(self.model)
        assert self.real.items() == self.model
        assert self.real.bytes == encode(self.model, self.width)
        assert is_valid(self.real.bytes, True)
        for number in self.model:
            assert number in self.real

    def teardown(self):
        if hasattr(self, "real"):
            assert self.real.free() == 0


TestIntset = IntsetMachine.TestCase
TestIntset.settings = settings(max_examples=150, stateful_step_count=40, deadline=None,
                               suppress_health_check=list(HealthCheck))


def test_thousands():
    real = Numbers()
    for number in range(0, 9000, 3):
        assert real.add(number * 7919 % 9001 - 4000)
    expected = sorted(number * 7919 % 9001 - 4000 for number in range(0, 9000, 3))
    assert real.items() == expected
    real.check()
    for number in range(-4100, 5100):
        at = bisect_left(expected, number)
        assert (number in real) == (at < len(expected) and expected[at] == number)
        assert real.index(number) == at
    for number in expected[::2]:
        assert real.remove(number)
    assert real.items() == expected[1::2]
    assert real.free() == 0


def test_refused_memory_changes_nothing():
    real = Numbers()
    for number in range(1144):           # 2,296 bytes: a block without room for one more
        real.add(number)
    before = real.bytes
    real.refuse(True)
    assert real.add(5000) is None and real.add(2**40) is None and real.add(5) is False
    assert real.bytes == before
    assert real.remove(3)
    assert len(real) == 1143
    assert real.free() == 0


def test_picks_are_fair():
    real = Numbers(seed=4)
    for number in (1, 70000, 2**40, -5, 6):
        real.add(number)
    counts = Counter(real.pick() for _ in range(50000))
    assert set(counts) == set(real.items())
    # Five standard deviations of 10,000 expected hits.
    assert all(abs(count - 10000) < 5 * (50000 * 0.2 * 0.8) ** 0.5 for count in counts.values())


def test_validation():
    good = encode([-5, 0, 70000], 4)
    assert is_valid(good, True)
    assert is_valid(encode([], 2), True)
    assert is_valid(encode([1, 2], 8), True)            # wider than needed: removal leaves that
    assert not is_valid(encode([0, -5], 2), True) and is_valid(encode([0, -5], 2), False)
    assert not is_valid(encode([5, 5], 2), True)
    for width in (0, 1, 3, 16):
        assert not is_valid(width.to_bytes(4, "little") + bytes(4), True)
    for cut in range(len(good)):
        assert not is_valid(good[:cut], False)
    assert not is_valid(good + b"\0", False)
    # A length whose size in bytes would wrap in 32 bits.
    assert not is_valid((8).to_bytes(4, "little") + (2**29).to_bytes(4, "little"), False)


@settings(max_examples=400, deadline=None)
@given(st.sets(st.integers(-2**31, 2**31 - 1), max_size=8), st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
def test_damaged_bytes(items, changes):
    data = bytearray(encode(sorted(items), 4))
    for place, byte in changes:
        data[place % len(data)] = byte
    if is_valid(bytes(data), True):
        width = data[0]
        found = [int.from_bytes(data[at:at + width], "little", signed=True) for at in range(8, len(data), width)]
        assert found == sorted(set(found)) and len(found) == int.from_bytes(data[4:8], "little")


@pytest.mark.parametrize("items", [[5], [3, -1, 32767], [1, 32768, -32769], [1, 2**31, -2**63, 70000, 2**63 - 1]])
def test_bytes_of_redis(oracle, items):
    import redis
    client = redis.Redis(oracle.host, oracle.port)
    compression = client.config_get("rdbcompression")
    client.config_set("rdbcompression", "no")
    client.config_set("set-max-intset-entries", 512)     # other tests share the server
    client.delete("intset")
    real = Numbers()
    for item in items:
        client.sadd("intset", item)
        real.add(item)
        dump = client.dump("intset")
        assert dump[0] == 11 and dump[1] < 64
        assert real.bytes == dump[2:-10]
    for item in items[1:]:
        client.srem("intset", item)
        real.remove(item)
        assert real.bytes == client.dump("intset")[2:-10]
    client.delete("intset")
    client.config_set("rdbcompression", compression["rdbcompression"])
    client.close()
