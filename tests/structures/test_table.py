"""structures/table against a dict, under growth, shrinkage, refused memory and pauses."""
import random as python_random

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shims.table import HashTable
from kit.chi_square import chi_square

# Few enough for collisions of names, all lengths at the borders of the comparison and of the length prefix.
LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 65, 66, 126, 127, 128, 129, 300, 16383, 16384]
small_numbers = st.integers(0, 400)


def name(number):
    """A key for each number: lengths differ, and pairs of equal length differ in one byte only."""
    length = LENGTHS[number % len(LENGTHS)]
    text = b"%d" % number
    if length < 4:
        return text
    place = number % (length - 3)
    return (b"." * place + text + b"." * length)[:max(length, place + len(text))]


keys = small_numbers.map(name)


class TableMachine(RuleBasedStateMachine):
    @initialize(key_offset=st.sampled_from([0, 8]), seed=st.integers(1, 1000))
    def begin(self, key_offset, seed):
        self.real = HashTable(key_offset, seed)
        self.empty_bytes = self.real.live_bytes
        self.model = {}
        self.serial = 0
        self.paused = 0
        self.forbidden = False
        self.scans = []           # [cursor, keys that were there all the time, keys seen]

    def number(self):
        self.serial += 1
        return self.serial

    def put(self, key):
        number = self.number()
        if key in self.model:
            assert self.real.replace(key, number)
        else:
            self.real.insert(key, number)
        self.model[key] = number

    def drop(self, key):
        assert self.real.remove(key) == (key in self.model)
        self.model.pop(key, None)
        for scan in self.scans:
            scan[1].discard(key)

    def shape(self):
        return self.real.sizes, self.real.moved

    @rule(key=keys)
    def insert_or_replace(self, key):
        self.put(key)

    @rule(first=small_numbers, how_many=st.integers(1, 200))
    def insert_many(self, first, how_many):
        for number in range(first, first + how_many):
            self.put(name(number))

    @rule(key=keys)
    def remove(self, key):
        self.drop(key)

    @rule(how_many=st.integers(1, 300), seed=st.integers(0, 5))
    def remove_many(self, how_many, seed):
        some = sorted(self.model)
        python_random.Random(seed).shuffle(some)
        for key in some[:how_many]:
            self.drop(key)

    @rule(key=keys)
    def find(self, key):
        before = self.shape()
        assert self.real.find(key) == self.model.get(key)
        assert self.shape() == before             # a lookup moves nothing

    @rule(buckets=st.integers(0, 20))
    def step(self, buckets):
        sizes, moved = self.shape()
        more = self.real.step(buckets)
        if self.paused:
            assert not more and self.shape() == (sizes, moved)
        else:
            assert more == self.real.resizing
            if self.real.sizes == sizes and moved >= 0:
                assert self.real.moved <= moved + buckets

    @rule(entries=st.integers(0, 3000))
    def reserve(self, entries):
        live = self.real.live_bytes
        sizes = self.real.sizes
        if self.real.reserve(entries):
            assert 7 * max(self.real.sizes) >= entries
        else:
            assert self.real.live_bytes == live and self.real.sizes == sizes

    @rule(entries=st.integers(8, 3000), allocations=st.integers(0, 1))
    def reserve_while_memory_is_short(self, entries, allocations):
        self.real.fail_after(allocations)
        self.reserve(entries)
        self.real.fail_after(None)

    @rule(first=small_numbers, how_many=st.integers(1, 60))
    def insert_and_remove_while_memory_is_short(self, first, how_many):
        """The chains grow instead of the array; nothing is lost, nothing fails."""
        names = [key for key in map(name, range(first, first + how_many)) if len(key) < 1000]
        self.real.fail_after(0)
        buckets = self.real.sizes
        for key in names:
            self.put(key)
        if buckets[0] >= 32 and not buckets[1]:
            assert self.real.sizes == buckets             # (smaller arrays are small blocks, always had)
        for key in names[::2]:
            self.drop(key)
        self.real.fail_after(None)

    @rule()
    def pause(self):
        self.real.pause()
        self.paused += 1

    @precondition(lambda self: self.paused)
    @rule()
    def unpause(self):
        self.real.unpause()
        self.paused -= 1

    @rule(forbidden=st.booleans())
    def forbid_resizing(self, forbidden):
        self.real.forbid_resizing(forbidden)
        self.forbidden = forbidden

    @precondition(lambda self: self.paused)
    @rule(key=keys, put=st.booleans())
    def nothing_moves_while_paused(self, key, put):
        sizes, moved = self.shape()
        self.put(key) if put else self.drop(key)
        assert self.real.moved == moved
        if sizes[0]:
            assert self.real.sizes == sizes

    @rule()
    def begin_scan(self):
        if len(self.scans) < 3:
            self.scans.append([None, set(self.model), set()])

    @precondition(lambda self: self.scans)
    @rule(which=st.integers(0, 2), calls=st.integers(1, 40))
    def go_on_with_scan(self, which, calls):
        scan = self.scans[which % len(self.scans)]
        for _ in range(calls):
            before = self.shape()
            scan[0], pairs = self.real.scan(scan[0] or 0)
            assert self.shape() == before
            assert len({key for key, _ in pairs}) == len(pairs)
            for key, number in pairs:
                assert self.model[key] == number
                scan[2].add(key)
            if scan[0] == 0:
                assert scan[1] <= scan[2]         # all that were there from the beginning to the end
                self.scans.remove(scan)
                break

    @rule()
    def random(self):
        pair = self.real.random_entry()
        if self.model:
            assert self.model[pair[0]] == pair[1]
        else:
            assert pair is None

    @rule(stop=st.integers(1, 50))
    def walk(self, stop):
        finished, pairs = self.real.each()
        assert finished and len(pairs) == len(self.model) and dict(pairs) == self.model
        finished, pairs = self.real.each(stop)
        assert finished == (stop > len(self.model))
        assert len(pairs) == min(stop, len(self.model)) and dict(pairs).items() <= self.model.items()

    @rule(slices=st.lists(st.integers(1, 30), min_size=1, max_size=5), stop=st.sampled_from([-1, -1, 1]))
    def drain(self, slices, stop):
        """Freed in slices; then, as the contract says, only clear."""
        position = left = 0
        handed = []
        while True:
            buckets = slices[len(handed) % len(slices)]
            position, left, pairs = self.real.drain(position, buckets, stop)
            handed += pairs
            assert left == len(self.real) == len(self.model) - len(handed)
            if left == 0 or len(slices) == 1:
                break
        if left == 0:
            assert len(handed) == len(self.model) and dict(handed) == self.model
            assert self.real.children == 0
        self.clear()

    @rule()
    def clear(self):
        self.real.clear()
        self.model.clear()
        for scan in self.scans:
            scan[1].clear()
        assert self.real.live_bytes == self.empty_bytes and self.real.buckets == 0

    @invariant()
    def same_contents(self):
        if not hasattr(self, "real"):
            return
        self.real.check()
        assert len(self.real) == len(self.model)
        assert self.real.aligned or self.real.buckets > 0 and CHECKED
        entries = sum(entry_bytes(key) for key in self.model)
        if not CHECKED and not self.forbidden:
            assert self.real.live_bytes == entries + self.real.memory + self.empty_bytes

    def teardown(self):
        if hasattr(self, "real"):
            assert dict(self.real.each()[1]) == self.model
            for _ in range(self.paused):
                self.real.unpause()
            self.real.forbid_resizing(False)
            for key in list(self.model):
                self.drop(key)
            for _ in range(1000):
                if not self.real.step(100):
                    break
            assert self.real.live_bytes == self.empty_bytes


def entry_bytes(key):
    prefix = 1 + (len(key) >= 1 << 7) + (len(key) >= 1 << 14)
    size = 8 + prefix + len(key)
    if size > 2048:
        return size
    step = 8 if size <= 512 else 64
    return (size + step - 1) // step * step


def blocks_are_unaligned():
    """The checks builds put a size in front of each block, so arrays may begin anywhere."""
    tables = [HashTable() for _ in range(8)]
    for table in tables:
        table.insert(b"x", 1)
    return not all(table.aligned for table in tables)


CHECKED = blocks_are_unaligned()
TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None,
                                     suppress_health_check=list(HealthCheck))


def numbered(number):
    return b"key:%012d" % number


# --- growth, shrinkage, bounded work ------------------------------------------------------------------

def test_growth_and_shrinkage_give_everything_back():
    table = HashTable(8)
    empty = table.live_bytes
    many = 300_000
    most = table.insert_range(0, many)
    assert most <= 2                                   # buckets moved by one insertion
    assert len(table) == many
    assert table.count_found(0, many) == many
    assert table.count_found(many, 2 * many) == 0
    table.check()
    while table.step(1000):
        pass
    assert 0.4 < many / (7 * table.buckets) < 0.96
    assert table.depth <= 5
    most = table.remove_range(0, many - 1000)
    assert most <= 8
    assert table.count_found(many - 1000, many) == 1000
    while table.step(1000):
        pass
    assert table.buckets * 7 <= 8 * 1000               # not below an eighth full
    table.check()
    table.remove_range(many - 1000, many)
    while table.step(1000):
        pass
    assert table.live_bytes == empty and table.buckets == 0


def test_a_resize_ends_before_the_next_is_due():
    table = HashTable(0)
    begun = None
    number = 0
    while number < 120_000:
        before = table.resizing
        table.insert_range(number, number + 1)
        number += 1
        if table.resizing and not before:
            assert begun is None
            begun = number
        if begun and not table.resizing:
            assert number - begun <= table.buckets / 4 + 1
            begun = None


def test_both_halves_serve_while_growing_and_shrinking():
    table = HashTable(8)
    table.insert_range(0, 54_476)                      # 8192 buckets, 95 % full ...
    assert table.sizes == (8192, 0)
    table.insert_range(54_476, 54_490)                 # ... and a few more
    assert table.sizes == (8192, 16384) and 0 < table.moved <= 2 * 14
    while table.step(500):
        assert table.count_found(0, 54_490) == 54_490
        assert table.count_found(60_000, 70_000) == 0
        table.check()
    table.pause()
    table.remove_range(100, 54_490)
    assert table.sizes == (16384, 0) and len(table) == 100
    table.unpause()
    for _ in range(400):                               # each shrink divides by at most 16
        more = table.step(100)
        if table.resizing:
            assert table.sizes[0] <= 16 * table.sizes[1]
        assert table.count_found(0, 100) == 100
        if not more:
            break
    assert table.buckets == 64
    table.check()


def test_a_paused_table_only_grows_chains_and_catches_up():
    table = HashTable(0)
    table.insert_range(0, 10)
    while table.step(10):
        pass
    table.pause()
    sizes = table.sizes
    table.insert_range(10, 1000)
    assert table.sizes == sizes and table.depth > 50
    table.check()
    assert table.count_found(0, 1000) == 1000
    table.unpause()
    table.step(0)
    assert 7 * table.sizes[1] * 0.95 >= 1000           # straight to the size that is needed
    while table.step(1):
        table.check()
    assert table.depth <= 5 and table.count_found(0, 1000) == 1000


def test_refused_memory_postpones_growth():
    table = HashTable(8)
    table.insert_range(0, 20_000)
    while table.step(100):
        pass
    buckets = table.buckets
    table.insert_range(20_000, 27_000)                 # 4096 buckets take 27_239
    table.fail_after(0)
    table.insert_range(27_000, 29_000)
    assert table.buckets == buckets == 4096
    assert table.count_found(0, 29_000) == 29_000
    table.fail_after(None)
    table.insert_range(29_000, 29_064)
    assert table.sizes == (4096, 8192)
    assert table.count_found(0, 29_064) == 29_064


def test_reserve():
    table = HashTable(0)
    assert table.reserve(100_000)
    assert table.sizes == (16384, 0)
    live = table.live_bytes
    assert table.memory == live
    table.insert_range(0, 100_000)
    assert table.sizes == (16384, 0)
    assert table.reserve(10) and table.sizes == (16384, 0)
    assert table.reserve(400_000) and table.sizes == (16384, 65536)
    assert not table.reserve(4_000_000)                # not while a smaller resize is under way
    assert not HashTable(0).reserve(2**63)
    assert not HashTable(0).reserve(2**50)
    while table.step(1000):
        pass
    assert table.sizes == (65536, 0) and table.count_found(0, 100_000) == 100_000


def test_a_resize_may_be_forbidden():
    table = HashTable(0)
    table.forbid_resizing(True)
    table.insert_range(0, 100)
    assert table.sizes == (1, 0) and not table.step(10) and not table.reserve(1000)
    assert table.count_found(0, 100) == 100
    table.forbid_resizing(False)
    table.step(0)
    assert table.sizes == (1, 32)


def test_only_one_array_while_idle():
    table = HashTable(8)
    for number in range(2000):
        table.insert(numbered(number), number)
        table.step(4096)
        assert table.sizes[1] == 0
        assert number < 7 * table.sizes[0]


# --- scan ---------------------------------------------------------------------------------------------

def test_a_scan_of_a_quiet_table_sees_each_entry_once():
    table = HashTable(8)
    table.insert_range(0, 20_000)
    while table.step(1000):
        pass
    visits, calls = table.scan_all()
    assert visits == 20_000 and calls == table.buckets


@pytest.mark.parametrize("moved", [0, 1, 100, 511, 512, 1000])
def test_a_scan_in_the_middle_of_growth_sees_each_entry_once(moved):
    table = HashTable(8)
    table.insert_range(0, 6000)                        # 1024 buckets
    assert table.sizes == (1024, 0)
    assert table.reserve(20_000)                       # to 4096
    table.step(moved)
    visits, calls = table.scan_all()
    assert visits == 6000
    assert calls == 1024 - moved + 4 * moved           # no position is more than one chain


@pytest.mark.parametrize("moved", [0, 1, 100, 511, 512, 3000])
def test_a_scan_in_the_middle_of_shrinking_sees_each_entry_once(moved):
    table = HashTable(8)
    table.reserve(20_000)
    table.insert_range(0, 1100)
    assert not table.resizing
    assert table.step(0) and table.sizes == (4096, 512)
    table.step(moved)
    visits, _ = table.scan_all()
    assert visits == 1100


@pytest.mark.parametrize("start, end", [(20, 20_000), (20_000, 20), (300, 300)])
def test_a_scan_across_many_resizes_misses_nothing(start, end):
    """One position at a time while the table grows or shrinks by orders of magnitude."""
    stay = 20
    for seed in range(1, 6):
        table = HashTable(0, seed)
        table.insert_range(0, start)
        seen = set()
        cursor = 0
        now = start
        while True:
            cursor, pairs = table.scan(cursor)
            seen.update(number for _, number in pairs)
            if cursor == 0:
                break
            if now < end:
                table.insert_range(now, now + 97)
                now += 97
            elif now > max(end, stay):
                table.remove_range(max(now - 97, stay), now)
                now = max(now - 97, stay)
            else:
                table.step(3)
        assert seen >= set(range(stay))


def test_the_work_of_a_scan_position_is_bounded_after_a_huge_shrink():
    table = HashTable(0)
    table.insert_range(0, 100_000)
    while table.step(1000):
        pass
    table.forbid_resizing(True)
    table.remove_range(50, 100_000)
    table.forbid_resizing(False)
    while table.step(7):
        cursor, pairs = table.scan(0)
        assert len(pairs) <= 50 and table.sizes[0] <= 16 * table.sizes[1]
        assert table.count_found(0, 50) == 50
    assert table.buckets <= 16


# --- random -------------------------------------------------------------------------------------------

def assert_fair(table, first, end, draws=40):
    """Chi-square of `draws` times as many draws as entries; 5 standard deviations are 1 in 10**6."""
    entries = end - first
    counts = table.random_counts(draws * entries, end)
    assert sum(counts[:first]) == 0
    freedom = entries - 1
    assert abs(chi_square(counts[first:], draws) - freedom) < 5 * (2 * freedom) ** 0.5


def settle(table):
    while table.step(1000):
        pass


def test_random_is_fair_at_usual_fill():
    table = HashTable(8, 7)
    table.insert_range(0, 3400)
    settle(table)
    assert table.depth >= 2                            # chains are among them
    assert_fair(table, 0, 3400)


def test_random_is_fair_in_small_tables():
    for entries in (1, 2, 7, 8, 15):
        table = HashTable(0, entries)
        table.insert_range(0, entries)
        settle(table)
        if entries > 1:
            assert_fair(table, 0, entries, 2000)
        else:
            assert table.random_counts(10, 1) == [10]


def test_random_is_fair_in_long_chains():
    table = HashTable(0, 3)
    table.pause()
    table.insert_range(0, 300)
    assert table.sizes == (1, 0)
    assert_fair(table, 0, 300)


def test_random_is_fair_in_chains_of_very_different_length():
    table = HashTable(0, 5)
    table.insert_range(0, 7)
    table.pause()
    table.insert_range(7, 60)
    table.unpause()
    table.step(0)
    assert table.sizes[0] == 1 and table.sizes[1] == 16
    settle(table)
    assert_fair(table, 0, 60, 500)


@pytest.mark.parametrize("moved", [1, 100, 300, 511])
def test_random_is_fair_while_growing(moved):
    table = HashTable(8, 11)
    table.insert_range(0, 3400)
    settle(table)
    assert table.sizes == (512, 0)
    table.reserve(12_000)
    table.step(moved)
    assert table.sizes == (512, 2048)
    assert_fair(table, 0, 3400)


@pytest.mark.parametrize("moved", [1, 100, 1000, 2047])
def test_random_is_fair_while_shrinking(moved):
    table = HashTable(8, 13)
    table.insert_range(0, 12_000)
    settle(table)
    table.pause()
    table.remove_range(500, 12_000)
    table.unpause()
    table.step(0)
    assert table.sizes == (2048, 256)
    table.step(moved)
    assert_fair(table, 0, 500, 200)


def test_random_finds_the_last_entries_of_a_table_that_could_not_shrink():
    """So sparse that draws fail: the exact walk answers, as fairly."""
    table = HashTable(0, 17)
    table.insert_range(0, 20_000)
    settle(table)
    table.forbid_resizing(True)
    table.remove_range(5, 20_000)
    assert_fair(table, 0, 5, 300)


# --- lazy freeing -------------------------------------------------------------------------------------

@pytest.mark.parametrize("resizing", [False, True])
def test_drain_hands_out_each_entry_once_in_bounded_slices(resizing):
    table = HashTable(8)
    empty = table.live_bytes
    table.insert_range(0, 50_000)
    settle(table)
    if resizing:
        table.reserve(200_000)
        table.step(3000)
        assert table.resizing
    numbers = []
    position, left = 0, len(table)
    while left:
        position, left, pairs = table.drain(position, 64)
        assert len(pairs) < 64 * 20
        numbers += [number for _, number in pairs]
        assert left == len(table) == 50_000 - len(numbers)
    assert sorted(numbers) == list(range(50_000))
    assert table.children == 0 and table.live_bytes == table.memory + empty
    table.clear()
    assert table.live_bytes == empty


def test_a_drain_can_be_given_up():
    table = HashTable(0)
    empty = table.live_bytes
    table.insert_range(0, 5000)
    position, left, pairs = table.drain(0, 100)
    assert 0 < left == 5000 - len(pairs)
    table.clear()
    assert table.live_bytes == empty


# --- keys ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("key_offset", [0, 8])
@pytest.mark.parametrize("length", LENGTHS)
def test_keys_that_differ_in_one_byte_are_told_apart(key_offset, length):
    table = HashTable(key_offset)
    base = bytes(i * 7 & 0xFF for i in range(length))
    others = {base}
    for place in sorted({0, 1, 3, 4, 7, 8, length // 2, length - 8, length - 5, length - 4, length - 1}):
        if 0 <= place < length:
            others.add(base[:place] + bytes([base[place] ^ 0x80]) + base[place + 1:])
    others.add(base + b"\0")
    if length:
        others.add(base[:-1])
    for number, key in enumerate(sorted(others)):
        table.insert(key, number)
    for number, key in enumerate(sorted(others)):
        assert table.find(key) == number
    table.check()
