"""structures/wheel for tests: nodes are known by a number the test chooses."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset
from hutch_engine.structures.wheel cimport (
    Wheel, WheelNode, wheel_add, wheel_cancel, wheel_check, wheel_init, wheel_nearest, wheel_next_ms, wheel_relocated,
    wheel_take)


cdef struct Owner:
    uint64_t number
    WheelNode node


cdef class TimingWheel:
    cdef Wheel* wheel
    cdef dict owners          # number -> address of its Owner, owned

    def __cinit__(self, int64_t now_ms):
        self.owners = {}
        self.wheel = <Wheel*>malloc(sizeof(Wheel))
        if self.wheel == NULL:
            raise MemoryError
        memset(self.wheel, 0xA5, sizeof(Wheel))     # the wheel must not rely on zeroed memory
        wheel_init(self.wheel, now_ms)

    def __dealloc__(self):
        for address in self.owners.values():
            free(<void*><size_t>address)
        free(self.wheel.window)
        free(self.wheel)

    def give_window(self):
        """Room for the slot that `nearest` opens."""
        assert self.wheel.window == NULL
        self.wheel.window = <Wheel*>malloc(sizeof(Wheel))
        memset(self.wheel.window, 0xA5, sizeof(Wheel))
        wheel_init(self.wheel.window, 0)

    def nearest(self, int64_t budget):
        """The number of the node that is due first, or None."""
        cdef WheelNode* node = wheel_nearest(self.wheel, budget)
        if node == NULL:
            return None
        return (<Owner*>(<char*>node - <size_t>&(<Owner*>NULL).node)).number

    @property
    def is_open(self):
        return self.wheel.window_level >= 0

    cdef Owner* owner(self, number) except NULL:
        return <Owner*><size_t>self.owners[number]

    def add(self, uint64_t number, int64_t deadline_ms):
        assert number not in self.owners
        cdef Owner* owner = <Owner*>calloc(1, sizeof(Owner))
        if owner == NULL:
            raise MemoryError
        owner.number = number
        self.owners[number] = <size_t>owner
        wheel_add(self.wheel, &owner.node, deadline_ms)

    def cancel(self, uint64_t number):
        cdef Owner* owner = self.owner(number)
        wheel_cancel(self.wheel, &owner.node)
        assert owner.node.link == NULL
        free(owner)
        del self.owners[number]

    def change(self, uint64_t number, int64_t deadline_ms):
        """Cancel and add the same node again."""
        cdef Owner* owner = self.owner(number)
        wheel_cancel(self.wheel, &owner.node)
        wheel_add(self.wheel, &owner.node, deadline_ms)

    def relocate(self, uint64_t number):
        cdef Owner* old = self.owner(number)
        cdef Owner* moved = <Owner*>malloc(sizeof(Owner))
        if moved == NULL:
            raise MemoryError
        memcpy(moved, old, sizeof(Owner))
        memset(old, 0xA5, sizeof(Owner))
        free(old)
        wheel_relocated(&moved.node)
        self.owners[number] = <size_t>moved

    def take(self, int64_t now_ms, int64_t budget):
        """(number or None, budget left)"""
        cdef WheelNode* node = wheel_take(self.wheel, now_ms, &budget)
        cdef Owner* owner
        if node == NULL:
            return None, budget
        assert node.link == NULL
        owner = <Owner*>(<char*>node - <size_t>&(<Owner*>NULL).node)
        number = owner.number
        free(owner)
        del self.owners[number]
        return number, budget

    def next_ms(self):
        return wheel_next_ms(self.wheel)

    def check(self):
        wheel_check(self.wheel)

    @property
    def time_ms(self):
        return self.wheel.time_ms

    def __len__(self):
        return self.wheel.count


def relocated_loose_node():
    """A node in no wheel stays as it is."""
    cdef WheelNode node
    memset(&node, 0, sizeof(node))
    wheel_relocated(&node)
    return node.link == NULL and node.next == NULL


def bench(uint64_t nodes, int64_t spread_ms, int64_t step_ms):
    """(nanoseconds an add, nanoseconds an add and cancel, nanoseconds a node from slot to hand)"""
    import time
    cdef WheelNode* all = <WheelNode*>calloc(nodes, sizeof(WheelNode))
    cdef Wheel* wheel = <Wheel*>malloc(sizeof(Wheel))
    cdef uint64_t state = 88172645463325252
    cdef uint64_t i
    cdef uint64_t taken = 0
    cdef int64_t budget
    cdef int64_t now = 1_700_000_000_000
    if all == NULL or wheel == NULL:
        raise MemoryError
    wheel_init(wheel, now)
    start = time.perf_counter()
    with nogil:
        for i in range(nodes):
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            wheel_add(wheel, &all[i], now + <int64_t>(state % <uint64_t>spread_ms))
    added = time.perf_counter()
    with nogil:
        for i in range(nodes):
            wheel_cancel(wheel, &all[i])
            wheel_add(wheel, &all[i], all[i].deadline_ms)
    changed = time.perf_counter()
    with nogil:
        while taken < nodes:
            budget = INT64_MAX
            while wheel_take(wheel, now, &budget) != NULL:
                taken += 1
            now += step_ms
    done = time.perf_counter()
    free(all)
    free(wheel)
    return ((added - start) * 1e9 / nodes, (changed - added) * 1e9 / nodes, (done - changed) * 1e9 / nodes)
