"""structures/set against Python's set, in every form and across every change of form; and how fair it draws."""
import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from shims.set import SetOfBytes, union_by_bag
from kit.chi_square import chi_square, chi_square_limit

FORMS = ("intset", "listpack", "compact", "table")
integers = st.one_of(st.integers(-20, 20), st.sampled_from([sign * 2**bits + more for bits in (7, 15, 31, 63) for sign in (1, -1)
                                                            for more in (-1, 0, 1) if -2**63 <= sign * 2**bits + more < 2**63]))
texts = st.one_of(st.binary(max_size=4), st.binary(max_size=90), st.sampled_from([b"007", b"-0", b"+1", b"", b"x" * 127, b"x" * 128, b"y" * 3_000]))
members = st.one_of(integers.map(lambda number: b"%d" % number), texts)


def filled(form, members, **more):
    """A set in this form: the thresholds are set so that it gets there, and stays."""
    limits = {"intset": (10**9, 0, 0), "listpack": (0, 10**9, 10**9), "compact": (0, 0, 0), "table": (0, 0, 0)}[form]
    made = SetOfBytes(form, *limits, **more)
    for member in members:
        assert made.add(member) == "added"
    return made


class AgainstPython(RuleBasedStateMachine):
    known = Bundle("known")

    @initialize(form=st.sampled_from(FORMS), limits=st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 70)), seed=st.integers(1, 99))
    def start(self, form, limits, seed):
        self.real, self.model = SetOfBytes(form, *limits, seed=seed), set()

    @rule(target=known, member=members)
    def add(self, member):
        assert self.real.add(member) == ("exists" if member in self.model else "added")
        self.model.add(member)
        return member

    @rule(first=st.integers(-300, 300), count=st.integers(1, 400), name=st.sampled_from([b"%d", b"member:%d", b"%d and so forth"]))
    def add_many(self, first, count, name):
        for number in range(first, first + count):
            self.add(name % number)

    @rule(member=known)
    def remove_known(self, member):
        self.remove(member)

    @rule(member=members)
    def remove(self, member):
        assert self.real.remove(member) == (member in self.model)
        self.model.discard(member)

    @rule(leave=st.integers(0, 30))
    def remove_most(self, leave):
        for member in sorted(self.model)[leave:]:
            self.remove(member)

    @rule(member=members)
    def look(self, member):
        assert (member in self.real) == (member in self.model)

    @rule(limits=st.tuples(st.integers(0, 600), st.integers(0, 200), st.integers(0, 70)))
    def other_limits(self, limits):
        self.real.set_limits(*limits)

    @rule(more=st.sampled_from([1, 5, 13, 600]))
    def expect(self, more):
        assert self.real.expect(more)

    @rule()
    def pack(self):
        if all(member == b"0" or (member.lstrip(b"-").isdigit() and not member.lstrip(b"-").startswith(b"0")) and -2**63 <= int(member) < 2**63
               for member in self.model):
            assert self.real.pack_integers() == (self.real.form == "intset")

    @rule(count=st.integers(0, 40))
    def draw(self, count):
        count = min(count, len(self.model))
        drawn = self.real.draw(count)
        assert len(drawn) == len(set(drawn)) == count and set(drawn) <= self.model
        chosen, left = self.real.sample(count)
        assert len(chosen) == count and sorted(chosen + left) == sorted(self.model)
        if self.model:
            again = self.real.draw_again(count)
            assert len(again) == count and set(again) <= self.model and self.real.random_member() in self.model

    @rule()
    def copy(self):
        assert sorted(self.real.copied_members()) == sorted(self.model)

    @rule(allocations=st.integers(0, 3), member=members)
    def refused(self, allocations, member):
        self.real.refuse_after(allocations)
        outcome = self.real.add(member)
        self.real.refuse_after(None)
        assert outcome in ("exists",) if member in self.model else outcome in ("added", "refused")
        if outcome == "added":
            self.model.add(member)

    @invariant()
    def same(self):
        self.real.check()
        assert len(self.real) == len(self.model)
        assert sorted(self.real.members()) == sorted(self.model)

    @invariant()
    def scanned(self):
        cursor, found = self.real.scan(0)
        while cursor:
            cursor, more = self.real.scan(cursor)
            found += more
        assert set(found) == self.model

    def teardown(self):
        if hasattr(self, "real"):
            assert self.real.clear() == 0


AgainstPython.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAgainstPython = AgainstPython.TestCase


# -- which form -----------------------------------------------------------------------------------------------

def test_integers_stay_an_intset_up_to_the_limit():
    real = SetOfBytes("intset", 5, 128, 64)
    for number in range(5):
        real.add(b"%d" % number)
    assert real.form == "intset"
    assert real.add(b"3") == "exists" and real.form == "intset"
    real.add(b"5")
    assert real.form == "compact"


@pytest.mark.parametrize("text, size, form", [(b"x", 3, "listpack"), (b"x" * 64, 3, "listpack"), (b"x" * 65, 3, "compact"), (b"x", 128, "compact"), (b"x", 127, "listpack")])
def test_a_text_among_integers(text, size, form):
    real = SetOfBytes()
    for number in range(size):
        real.add(b"%d" % number)
    real.add(text)
    assert real.form == form
    assert sorted(real.members()) == sorted([text, *(b"%d" % number for number in range(size))])


def test_from_listpack_to_compact_to_table():
    real = SetOfBytes("listpack")
    forms = []
    for number in range(600):
        real.add(b"member:%d" % number)
        real.check()
        forms.append(real.form)
    assert forms == ["listpack"] * 128 + ["compact"] * 384 + ["table"] * 88


def test_long_members_make_a_table_of_a_compact_set():
    real = SetOfBytes("listpack")
    real.add(b"x" * 9_000)
    assert real.form == "compact"
    real.add(b"y" * 9_000)
    assert real.form == "table" and sorted(map(len, real.members())) == [9_000, 9_000]
    assert real.clear() == 0


@pytest.mark.parametrize("first, expected, form", [(b"1", 512, "intset"), (b"1", 513, "table"), (b"x", 128, "listpack"), (b"x", 129, "compact"), (b"x", 513, "table")])
def test_the_first_form(first, expected, form):
    real = SetOfBytes()
    real.renew(first, expected)
    assert real.form == form


def test_more_expected_than_fits():
    real = SetOfBytes()
    real.add(b"1")
    assert real.expect(512) and real.form == "intset"
    assert real.expect(513) and real.form == "table" and real.members() == [b"1"]


# -- memory ---------------------------------------------------------------------------------------------------

def test_two_hundred_members_of_twelve_bytes_take_sixteen_and_a_half_each():
    real = SetOfBytes("listpack")
    for number in range(200):
        real.add(b"member%06d" % number)
    assert real.memory() / 200 < 20


@pytest.mark.parametrize("form", FORMS)
def test_what_memory_says_is_what_is_used(form):
    before = SetOfBytes(form).used_bytes
    real = filled(form, [b"%d" % number for number in range(300)])
    assert real.form == form
    assert real.memory() == real.used_bytes and real.used_bytes > before
    assert abs(real.memory(5) - real.memory()) < real.memory() / 5


def test_a_compact_set_gives_memory_back():
    real = filled("compact", [b"member:%d" % number for number in range(500)])
    full = real.memory()
    for number in range(480):
        real.remove(b"member:%d" % number)
        real.check()
    assert real.memory() < full / 4 and len(real) == 20
    for number in range(5_000):                   # as many come as go: holes are filled
        real.add(b"other:%d" % number)
        real.remove(b"other:%d" % (number - 10))
        real.check()
    assert real.memory() < full / 4


def test_a_set_is_freed_in_slices():
    real = filled("table", [b"%d" % number for number in range(20_000)])
    assert real.effort() == 20_000
    slices, largest = 0, 0
    while True:
        before = real.used_bytes
        more = real.free_some(100)
        slices += 1
        largest = max(largest, before - real.used_bytes) if more else largest
        if not more:
            break
    assert slices > 50 and largest < 200 * 16 and real.used_bytes == 0


# -- chance ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shrunk", [False, True])
def test_every_member_is_as_likely(form, shrunk):
    size = 60
    real = filled(form, [b"%d" % number for number in range(size * 10 if shrunk and form in ("table", "intset") else size * 2 if shrunk else size)], seed=7)
    for number in range(size, size * 10):
        real.remove(b"%d" % number)
    assert real.form == form and len(real) == size
    draws = 30_000
    singles = Counter(real.random_member() for _ in range(draws))
    assert chi_square([singles[b"%d" % number] for number in range(size)], draws / size) < chi_square_limit(size - 1)
    again = Counter(real.draw_again(draws))
    assert chi_square([again[b"%d" % number] for number in range(size)], draws / size) < chi_square_limit(size - 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size, count", [(9, 2), (7, 3), (6, 5)])         # drawn one by one, drawn in one walk
def test_every_choice_is_as_likely(form, size, count):
    real = filled(form, [b"%d" % number for number in range(size)], seed=11)
    choices = list(combinations([b"%d" % number for number in range(size)], count))
    draws = 300 * len(choices)
    drawn = Counter(tuple(sorted(real.draw(count))) for _ in range(draws))
    assert chi_square([drawn[choice] for choice in choices], 300) < chi_square_limit(len(choices) - 1)
    kept = Counter(tuple(sorted(real.sample(count)[0])) for _ in range(draws))
    assert chi_square([kept[choice] for choice in choices], 300) < chi_square_limit(len(choices) - 1)


# -- scanning while it changes --------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(20))
def test_a_scan_sees_what_stays_through_every_form(seed):
    choice = random.Random(seed)
    stay = [b"stay:%d" % number for number in range(choice.choice([5, 100, 300, 1_000]))]
    real = SetOfBytes("listpack", seed=seed + 1)
    for member in stay:
        real.add(member)
    cursor, found = real.scan(0)
    number = 0
    while cursor:
        for _ in range(choice.choice([0, 50, 500]) if number < 5_000 else 0):      # or it would grow before the cursor for ever
            number += 1
            real.add(b"come:%d" % number)
        for _ in range(choice.choice([0, 0, 800])):
            real.remove(b"come:%d" % choice.randint(1, number + 1))
        cursor, more = real.scan(cursor)
        found += more
    assert set(stay) <= set(found)


# -- bags -----------------------------------------------------------------------------------------------------

@given(st.lists(st.tuples(st.sampled_from(FORMS[1:]), st.lists(members, max_size=40, unique=True)), min_size=1, max_size=4), st.lists(members, max_size=5))
@settings(max_examples=150, deadline=None)
def test_bags_unite_and_subtract(contents, without):
    sets = [filled(form, texts) for form, texts in contents]
    union = {text for _, texts in contents for text in texts}
    found, news = union_by_bag(sets, without)
    assert news == len(union) and len(found) == len(set(found)) and set(found) == union - set(without)
