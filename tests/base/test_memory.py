"""The heap against a model of what is live; SipHash against CPython's; the random generator's ranges."""
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from shims.memory import SMALL_MAX, BufferOfTest, HeapOfTest, RandomOfTest, available_bytes, siphash

sizes = st.one_of(st.integers(0, 600), st.integers(0, 3 * SMALL_MAX), st.sampled_from([1 << 20, (1 << 20) + 1, 3 << 20]))


class HeapMachine(RuleBasedStateMachine):
    """Blocks keep their bytes, none overlap, and used memory is the sum of the rounded sizes."""
    blocks = Bundle("blocks")

    def __init__(self):
        super().__init__()
        self.heap = HeapOfTest()
        self.sizes = {}

    @rule(target=blocks, size=sizes, pattern=st.integers(0, 255))
    def alloc(self, size, pattern):
        block = self.heap.alloc(size, pattern)
        self.sizes[block] = size
        return block

    @rule(block=consumes(blocks))
    def free(self, block):
        self.heap.free(block)
        del self.sizes[block]

    @rule(target=blocks, block=consumes(blocks), size=sizes)
    def resize(self, block, size):
        moved = self.heap.resize(block, size)
        del self.sizes[block]
        self.sizes[moved] = size
        return moved

    @invariant()
    def exact(self):
        assert self.heap.live == len(self.sizes)
        assert self.heap.used == sum(HeapOfTest.block_bytes(size) for size in self.sizes.values())


TestHeapMachine = HeapMachine.TestCase
TestHeapMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_many_blocks_come_and_go():
    heap = HeapOfTest()
    random = RandomOfTest(7)
    live = []
    for _ in range(30000):
        if live and random.below(100) < 45:
            index = random.below(len(live))
            live[index], live[-1] = live[-1], live[index]
            heap.free(live.pop())
        else:
            live.append(heap.alloc(random.below(400), random.below(256)))
    for block in live:
        heap.free(block)
    assert (heap.used, heap.live) == (0, 0)


def test_a_refused_large_block_changes_nothing():
    heap = HeapOfTest()
    block = heap.alloc(100_000, 7)
    used = heap.used
    heap.refuse_after(0)
    assert heap.alloc(200_000, 1) is None
    assert heap.resize(block, 400_000) is None
    assert heap.zeroed(1 << 40, 1 << 40) is None
    assert heap.used == used
    heap.refuse_after(None)
    assert heap.zeroed(1000, 1000) is not None


slabs_only = pytest.mark.skipif(os.environ.get("HUTCH_BUILD", "release") != "release",
                                reason="checks and sanitize builds take every block from malloc, without slabs or reserve")


@slabs_only
@pytest.mark.parametrize("blocks_before", [1, 2000])
def test_what_must_succeed_draws_on_the_reserve_and_mends_it(blocks_before):
    heap = HeapOfTest()
    blocks = [heap.alloc(1000, 1, True) for _ in range(blocks_before)]      # the reserve is there from the first block on
    heap.refuse_after(0)
    assert not heap.short
    while not heap.short:
        blocks.append(heap.alloc(1000, 2, True))
    blocks += [heap.alloc(64, 3, True) for _ in range(1000)]
    blocks += [heap.alloc(1000, 2, True) for _ in range(900)]
    used = heap.used
    assert not heap.mend() and heap.used == used
    for block in blocks:
        heap.free(block)
    assert not heap.short and heap.used == 0
    while not heap.short:
        heap.alloc(1000, 2, True)
    assert not heap.mend()
    heap.refuse_after(None)
    assert heap.mend() and not heap.short
    heap.alloc(1000, 2, True)


@slabs_only
def test_tries_leave_the_reserve_alone():
    heap = HeapOfTest()
    blocks = [heap.alloc(1000, 1, True)]
    heap.refuse_after(0)
    while (block := heap.alloc(1000, 2)) is not None:
        blocks.append(block)
    assert not heap.short                        # all but the reserve is used, and it is whole
    while not heap.short:
        blocks.append(heap.alloc(500, 3, True))
    # One of this size there is, but not while the reserve is not whole.
    heap.free(blocks.pop(5))
    assert heap.alloc(1000, 4) is None
    heap.refuse_after(None)
    assert heap.alloc(1000, 4) is not None and not heap.short


def everything(heap, sizes, pattern=7):
    return [heap.alloc(size, pattern) for size in sizes]


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("sizes", [[24] * 4000, list(range(8, 2049, 8)) + [100] * 1000, [5000] * 80, [300_000], [40, 9000, 2048, 700] * 40])
def test_a_promise_is_kept(small, sizes):
    heap = HeapOfTest()
    assert heap.promise(1000)                    # the first one asks the system
    heap.promise_end()
    kept = everything(heap, [24] * 100)
    heap.refuse_after(0, small)
    assert heap.promise(sum(sizes) + 32 * len(sizes))
    blocks = everything(heap, sizes)
    heap.promise_end()
    assert None not in blocks
    assert heap.alloc(3000, 1) is None           # it is over
    for block in blocks + kept:
        heap.free(block)
    assert heap.used == 0
    heap.refuse_after(None)
    assert heap.alloc(24, 1) is not None and heap.alloc(3000, 1) is not None


def test_a_large_promise_is_asked_for_and_kept():
    heap = HeapOfTest()
    heap.alloc(24, 1)
    heap.refuse_after(0)
    used = heap.used
    assert not heap.promise(30_000_000) and heap.used == used
    heap.promise_end()
    heap.refuse_after(1)                         # so much address space, and no more
    assert heap.promise(30_000_000)
    blocks = everything(heap, [100] * 40_000 + [5000] * 2000 + [2_000_000] * 3)
    heap.promise_end()
    assert None not in blocks
    for block in blocks:
        heap.free(block)


def test_what_can_be_done_without_leaves_the_promise_alone():
    heap = HeapOfTest()
    assert heap.promise(400_000)
    heap.refuse_after(0)
    assert heap.spare(100_000) is None and heap.alloc(200_000, 1) is not None and heap.spare(100_000) is None
    assert heap.alloc(150_000, 1) is not None
    heap.promise_end()
    heap.refuse_after(None)
    assert heap.spare(100_000) is not None


@pytest.mark.parametrize("old, new", [(3 << 20, 2 << 20), (3 << 20, 900_000), (3 << 20, 100), (9000, 4000), (9000, 10), (600, 20)])
def test_nobody_refuses_to_take_bytes_back(old, new):
    heap = HeapOfTest()
    block = heap.alloc(old, 9)
    heap.refuse_after(0, True)
    block = heap.shrink(block, new)
    heap.refuse_after(None)
    heap.free(block)
    assert heap.used == 0


@pytest.mark.skipif(not hasattr(sys, "hash_info") or sys.hash_info.algorithm != "siphash13",
                    reason="this Python hashes strings by another function")
@given(st.lists(st.binary(max_size=70), min_size=1, max_size=20))
@settings(max_examples=5, deadline=None)
def test_siphash13_is_cpythons(values):
    # PYTHONHASHSEED=0 sets CPython's key to zero.
    code = "import sys; [print(hash(v) % 2**64) for v in eval(sys.argv[1])]"
    shown = subprocess.run([sys.executable, "-c", code, repr(values)], env={**os.environ, "PYTHONHASHSEED": "0"},
                           capture_output=True, text=True, check=True).stdout.split()
    for value, expected in zip(values, shown):
        if value and int(expected) != 2**64 - 2:      # hash(b"") is 0, and -1 is spelled -2
            assert siphash(bytes(16), value) == int(expected)


def test_random_is_in_range_and_repeatable():
    one, two, other = RandomOfTest(5), RandomOfTest(5), RandomOfTest(6)
    assert [one.next() for _ in range(50)] == [two.next() for _ in range(50)]
    assert one.next() != other.next()
    counts = [0] * 7
    for _ in range(70000):
        counts[one.below(7)] += 1
    assert all(9500 < count < 10500 for count in counts)
    assert all(0 <= one.unit() < 1 for _ in range(1000))
    assert RandomOfTest(0).next() != RandomOfTest(0).next()


@given(st.lists(st.one_of(
    st.tuples(st.just("append"), st.binary(max_size=300)),
    st.tuples(st.just("insert"), st.binary(max_size=30)),
    st.tuples(st.just("integer"), st.integers(-2**63, 2**63 - 1)),
    st.tuples(st.just("shrink"), st.integers(0, 500)),
    st.tuples(st.just("clear"), st.none()))))
@settings(deadline=None)
def test_buffer_holds_what_was_written(steps):
    buffer, model = BufferOfTest(), b""
    for step, value in steps:
        if step == "append":
            buffer.append(value)
            model += value
        elif step == "insert":
            buffer.insert(len(model) // 2, value)
            model = model[:len(model) // 2] + value + model[len(model) // 2:]
        elif step == "integer":
            buffer.append_integer(value)
            model += b"%d" % value
        elif step == "shrink":
            buffer.shrink(value)
            assert buffer.capacity <= max(len(model), value, 64) * 2
        else:
            buffer.clear()
            model = b""
        assert buffer.content == model
        assert buffer.accounted == buffer.capacity


def test_a_buffer_with_a_limit():
    buffer = BufferOfTest()
    buffer.append(b"x" * 5000)
    buffer.limit(12_000)
    buffer.append(b"y" * 7000)
    assert not buffer.failed and len(buffer.content) == 12_000
    buffer.append(b"z" * 20_000)
    assert buffer.failed == "over limit" and len(buffer.content) == 12_000
    buffer.clear()
    buffer.limit(0)
    buffer.append(b"z" * 200_000)
    assert not buffer.failed and len(buffer.content) == 200_000


def test_what_the_machine_can_still_give():
    if os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as file:
            total = int(file.readline().split()[1]) * 1024
        assert 0 < available_bytes() <= total
    buffer = BufferOfTest()
    buffer.append(b"$1\r\nx\r\n" * 1000)
    assert not buffer.outgrows_memory
