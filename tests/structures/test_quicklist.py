"""The quicklist against a Python list, at limits so low that nodes split, merge and vanish all the time."""
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shims.quicklist import PackedList, removed_from_pack

PLENTY = 2**64 - 1
FILLS = st.sampled_from((-1, -2, -5, -9, 0, 1, 2, 3, 5, 40))
TEXTS = st.one_of(
    st.sampled_from((b"", b"a", b"b", b"1", b"-1", b"70000", b"01", b"x" * 63, b"x" * 64)),
    st.binary(max_size=20),
    st.integers(-2**63, 2**63 - 1).map(lambda number: b"%d" % number),
    st.sampled_from((1000, 2030, 4080, 4096, 4097, 8192, 8193, 70000)).map(lambda size: b"L" * size),
)


class QuicklistModel(RuleBasedStateMachine):
    @initialize(fill=FILLS)
    def start(self, fill):
        self.real = PackedList(fill)
        self.model = []
        self.fill = fill
        self.empty_bytes = self.real.used_bytes

    def _index(self, data):
        return data.draw(st.integers(-len(self.model), len(self.model) - 1))

    @rule(text=TEXTS, at_head=st.booleans())
    def push(self, text, at_head):
        assert self.real.push(text, at_head)
        self.model.insert(0 if at_head else len(self.model), text)

    @rule(texts=st.lists(TEXTS, max_size=40), at_head=st.booleans())
    def push_many(self, texts, at_head):
        for text in texts:
            self.push(text, at_head)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=TEXTS, after=st.booleans())
    def insert(self, data, text, after):
        index = self._index(data)
        assert self.real.insert(index, text, after)
        self.model.insert(index % len(self.model) + after, text)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=TEXTS)
    def replace(self, data, text):
        index = self._index(data)
        assert self.real.replace(index, text)
        self.model[index] = text

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data):
        first = data.draw(st.integers(0, len(self.model) - 1))
        count = data.draw(st.integers(0, len(self.model) - first))
        self.real.delete(first, count)
        del self.model[first:first + count]

    @precondition(lambda self: self.model)
    @rule(at_head=st.booleans())
    def pop(self, at_head):
        self.real.delete(0 if at_head else len(self.model) - 1, 1)
        self.model.pop(0 if at_head else -1)

    @rule(data=st.data(), most=st.sampled_from((1, 2, 5, PLENTY)), backwards=st.booleans())
    def remove(self, data, most, backwards):
        text = data.draw(st.sampled_from(self.model)) if self.model else b"a"
        gone = [i for i, one in enumerate(self.model) if one == text]
        gone = set((gone[::-1] if backwards else gone)[:most])
        assert self.real.remove(text, most, backwards) == len(gone)
        self.model = [one for i, one in enumerate(self.model) if i not in gone]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), backwards=st.booleans(), limit=st.one_of(st.just(2**62), st.integers(0, 20)))
    def find(self, data, backwards, limit):
        text = data.draw(st.sampled_from([*self.model, b"nosuch"]))
        start = self._index(data) % len(self.model)
        looked_at = range(start, -1, -1) if backwards else range(start, len(self.model))
        expected = next((i for i in looked_at[:limit] if self.model[i] == text), None)
        found, _ = self.real.find(start, text, backwards, limit)
        assert found == expected

    @rule(limit=FILLS)
    def through_pack(self, limit):
        if self.real.through_pack(limit, self.fill):
            assert self.real.nodes == 1

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=TEXTS, after=st.booleans(), allocations=st.integers(0, 4), kind=st.integers(0, 3))
    def refused(self, data, text, after, allocations, kind):
        """Whatever is refused changes nothing; what is not refused is done."""
        index = self._index(data)
        self.real.fail_after(allocations)
        try:
            if kind == 0:
                done = self.real.insert(index, text, after)
            elif kind == 1:
                done = self.real.replace(index, text)
            elif kind == 2:
                done = self.real.push(text, after)
            else:
                assert self.real.copy_items() in (None, self.model)
                return
        finally:
            self.real.fail_after(PLENTY)
        if not done:
            return
        if kind == 0:
            self.model.insert(index % len(self.model) + after, text)
        elif kind == 1:
            self.model[index] = text
        else:
            self.model.insert(0 if after else len(self.model), text)

    @invariant()
    def same(self):
        self.real.check()
        assert len(self.real) == len(self.model)
        assert self.real.items() == self.model
        assert self.real.items(backwards=True) == self.model[::-1]
        assert self.real.memory == self.real.used_bytes
        for index in {-len(self.model) - 1, -len(self.model), -1, 0, len(self.model) // 2, len(self.model) - 1, len(self.model)}:
            if -len(self.model) <= index < len(self.model):
                assert self.real.get(index) == (self.model[index], index % len(self.model))
            else:
                assert self.real.get(index) is None

    def teardown(self):
        if hasattr(self, "real"):
            assert self.real.copy_items() == self.model
            self.real.delete(0, len(self.model))
            assert self.real.used_bytes == self.empty_bytes


TestQuicklist = QuicklistModel.TestCase
TestQuicklist.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.lists(st.sampled_from((b"a", b"b", b"1", b"12345")), max_size=30), st.sampled_from((b"a", b"1", b"c")),
       st.sampled_from((1, 2, PLENTY)), st.booleans())
def test_removing_from_a_listpack(items, text, most, backwards):
    gone = [i for i, one in enumerate(items) if one == text]
    gone = set((gone[::-1] if backwards else gone)[:most])
    assert removed_from_pack(items, text, most, backwards) == ([one for i, one in enumerate(items) if i not in gone], len(gone))


def test_an_index_is_found_without_walking():
    """Thousands of nodes: every index is right."""
    many = PackedList(10)
    for number in range(20_000):
        many.push(b"%d" % number, number % 3 == 0)
    expected = [*(b"%d" % n for n in range(19_998, -1, -3)), *(b"%d" % n for n in range(20_000) if n % 3)]
    assert many.nodes >= 1000
    for index in (*range(0, 20_000, 37), -1, -20_000):
        assert many.get(index)[0] == expected[index]


@pytest.mark.parametrize("fill, sizes, nodes", (
    (-1, [4097], 1),                     # by itself
    (-1, [4096], 1),
    (-1, [2000, 2000, 2000], 2),
    (2, [1, 1, 1], 2),
    (0, [1, 1], 2),
    (500, [8193, 1, 1], 2),
))
def test_where_nodes_end(fill, sizes, nodes):
    made = PackedList(fill)
    for size in sizes:
        made.push(b"a" * size, False)
    assert made.nodes == nodes
