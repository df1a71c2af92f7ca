"""The timing wheel's working.

    level 0    64 slots of 1 ms            all deadlines of a slot are the same
    level 1    64 slots of 64 ms
    level L    64 slots of 64**L ms        level 10 uses 16 of its slots: 11 * 6 = 66 bits > 64

Times are compared as unsigned numbers with the sign bit flipped ("ticks"), which keeps their order and
makes every int64 a run of eleven digits.

Invariants
  - A node in slots[L][d] agrees with `time` in all digits above L, its digit L is d, and d is greater
    than digit L of `time`. So every slot of level L begins before every slot of level L + 1, and
    within a level the lowest occupied slot is the next one: no search, however far apart they are.
  - `time` moves only when `due` and `cascading` are empty, and never past the start of an occupied
    slot without emptying it. What moves to `due` therefore is in order.
  - What is in the window belongs to the slot that begins at window_ms, and `time` is before it. Nodes that are added later lie in
    the slot itself until the window takes them. The window is a wheel like this one, whose `due` has those of its nodes that come
    before its own time; its count is not kept.
  - occupied[L] has bit d exactly when the ring of slots[L][d] has a node. An unoccupied head is never
    read, so a new wheel needs no 17 KB of initialisation.

Lists are rings: first.link = &head.next, last.next = head. Cancelling needs no list, appending no walk,
and a whole slot is handed over in O(1).
"""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t, uintptr_t
from hutch_engine.base.checks cimport HUTCH_CHECKS, hutch_panic, invariant
from hutch_engine.base.compiler cimport clz64, ctz64, prefetch, unlikely

cdef enum:
    DIGIT_BITS = 6
    DIGIT_MASK = 63
    LOOKED_AT = 32               # nodes of a list in which the nearest is looked for one by one: no more are worth opening a slot


# Rings ------------------------------------------------------------------------------------------------

cdef inline void _ring_init(WheelNode* head) noexcept nogil:
    head.next = head
    head.link = &head.next


cdef inline bint _ring_is_empty(const WheelNode* head) noexcept nogil:
    return head.next == head


cdef inline void _ring_append(WheelNode* head, WheelNode* node) noexcept nogil:
    node.next = head
    node.link = head.link
    head.link[0] = node
    head.link = &node.next


cdef inline void _ring_remove(WheelNode* node) noexcept nogil:
    node.link[0] = node.next
    node.next.link = node.link
    node.link = NULL


cdef inline void _ring_move(WheelNode* source, WheelNode* target) noexcept nogil:
    """Append all of `source` to `target`; the source head is not to be read afterwards."""
    if _ring_is_empty(source):
        return
    target.link[0] = source.next
    source.next.link = target.link
    source.link[0] = target           # the last node's `next`
    target.link = source.link


# Places -----------------------------------------------------------------------------------------------

cdef inline uint64_t _ticks_of(int64_t time_ms) noexcept nogil:
    return <uint64_t>time_ms ^ (<uint64_t>1 << 63)


cdef inline int _level_between(uint64_t a, uint64_t b) noexcept nogil:
    """The highest digit in which two different times differ."""
    return (63 - clz64(a ^ b)) // DIGIT_BITS


cdef inline int _digit(uint64_t ticks, int level) noexcept nogil:
    return <int>((ticks >> (level * DIGIT_BITS)) & DIGIT_MASK)


cdef inline uint64_t _slot_start(uint64_t ticks, int level, int digit) noexcept nogil:
    """The first tick of slot `digit` of `level` as seen from `ticks`."""
    cdef uint64_t start = <uint64_t>digit << (level * DIGIT_BITS)
    if level < WHEEL_LEVELS - 1:      # above the top level there is nothing, and a shift by 66 is undefined
        start |= ticks >> ((level + 1) * DIGIT_BITS) << ((level + 1) * DIGIT_BITS)
    return start


cdef inline WheelNode* _slot_open(Wheel* wheel, int level, int digit) noexcept nogil:
    """The head of a slot that is about to get a node."""
    cdef WheelNode* head = &wheel.slots[level][digit]
    cdef uint64_t bit = <uint64_t>1 << digit
    if not wheel.occupied[level] & bit:
        wheel.occupied[level] |= bit
        _ring_init(head)
    return head


cdef inline void _place(Wheel* wheel, WheelNode* node) noexcept nogil:
    cdef uint64_t time
    cdef uint64_t deadline
    cdef int level
    if node.deadline_ms <= wheel.time_ms:
        _ring_append(&wheel.due, node)
        return
    time = _ticks_of(wheel.time_ms)
    deadline = _ticks_of(node.deadline_ms)
    level = _level_between(time, deadline)
    _ring_append(_slot_open(wheel, level, _digit(deadline, level)), node)


cdef inline int _next_level(const Wheel* wheel) noexcept nogil:
    """The lowest level with a node, which is the one with the next deadline; WHEEL_LEVELS if none."""
    cdef int level = 0
    while level < WHEEL_LEVELS and wheel.occupied[level] == 0:
        level += 1
    return level


cdef void _turn_back(Wheel* wheel, int64_t now_ms) noexcept nogil:
    """Set `time` to an earlier time.

    Let K be the highest digit in which the two times differ. Seen from the earlier one, all that was
    below level K lies in the slot of level K that `time` was in (no node can be there yet); everything
    else stays where it is. Cost: at most 64 * K ring moves, whatever the rings' lengths.
    """
    cdef uint64_t time = _ticks_of(wheel.time_ms)
    cdef int top = _level_between(time, _ticks_of(now_ms))
    cdef int level
    cdef int digit
    cdef WheelNode* head
    for level in range(top):
        while wheel.occupied[level]:
            digit = ctz64(wheel.occupied[level])
            wheel.occupied[level] &= wheel.occupied[level] - 1
            head = _slot_open(wheel, top, _digit(time, top))
            _ring_move(&wheel.slots[level][digit], head)
    wheel.time_ms = now_ms


# The window -------------------------------------------------------------------------------------------

cdef inline bint _clear_if_in(Wheel* wheel, const WheelNode* head) noexcept nogil:
    """`head`'s ring has become empty: if it is a slot's, it is not occupied any more."""
    cdef size_t index = <uintptr_t>head - <uintptr_t>&wheel.slots[0][0]
    if index >= sizeof(wheel.slots):          # a head in front of the slots wraps to a huge number
        return False
    index //= sizeof(WheelNode)
    wheel.occupied[index // WHEEL_SLOTS] &= ~(<uint64_t>1 << (index % WHEEL_SLOTS))
    return True


cdef inline bint _window_is_empty(const Wheel* window) noexcept nogil:
    return _ring_is_empty(&window.due) and _ring_is_empty(&window.cascading) and _next_level(window) == WHEEL_LEVELS


cdef void _window_close(Wheel* wheel) noexcept nogil:
    """What is in the window goes back to the slot that was opened. O(levels * slots), however many nodes there are."""
    cdef Wheel* window = wheel.window
    cdef WheelNode* head
    cdef int level, digit
    if wheel.window_level < 0:
        return
    level = wheel.window_level
    wheel.window_level = -1
    if _window_is_empty(window):
        return
    head = _slot_open(wheel, level, _digit(_ticks_of(wheel.window_ms), level))
    _ring_move(&window.due, head)
    _ring_init(&window.due)
    _ring_move(&window.cascading, head)
    _ring_init(&window.cascading)
    for level in range(WHEEL_LEVELS):
        while window.occupied[level]:
            digit = ctz64(window.occupied[level])
            window.occupied[level] &= window.occupied[level] - 1
            _ring_move(&window.slots[level][digit], head)


cdef WheelNode* _earliest_in(WheelNode* head, WheelNode* best, bint* all_out) noexcept nogil:
    """The earliest of the first LOOKED_AT nodes of a list, or `best` if none of them is earlier. *all_out: those were all."""
    cdef WheelNode* node = head.next
    cdef int looked = 0
    while node != head and looked < LOOKED_AT:
        if best == NULL or node.deadline_ms < best.deadline_ms:
            best = node
        node = node.next
        looked += 1
    all_out[0] = node == head
    return best


cdef WheelNode* _nearest_ahead(Wheel* window, int64_t* budget) noexcept nogil:
    """The same as wheel_nearest in the window, which may be turned ahead as far as its nodes go."""
    cdef WheelNode* best = NULL
    cdef WheelNode* node
    cdef uint64_t time
    cdef int level, digit
    cdef int64_t start_ms
    cdef bint all_seen
    best = _earliest_in(&window.due, NULL, &all_seen)
    if not all_seen:
        # Many that come before its time: they get places of their own.
        node = window.due.next
        start_ms = node.deadline_ms
        while node != &window.due:
            if node.deadline_ms < start_ms:
                start_ms = node.deadline_ms
            node = node.next
            budget[0] -= 1
        if start_ms < window.time_ms:
            _turn_back(window, start_ms)
        _ring_move(&window.due, &window.cascading)
        _ring_init(&window.due)
        best = NULL
    while True:
        while not _ring_is_empty(&window.cascading) and budget[0] > 0:
            node = window.cascading.next
            _ring_remove(node)
            prefetch(window.cascading.next.next)
            budget[0] -= 1
            _place(window, node)
        best = _earliest_in(&window.due, best, &all_seen)
        best = _earliest_in(&window.cascading, best, &all_seen)
        level = _next_level(window)
        if level == WHEEL_LEVELS:
            return best
        digit = ctz64(window.occupied[level])
        time = _ticks_of(window.time_ms)
        start_ms = <int64_t>_ticks_of(<int64_t>_slot_start(time, level, digit))
        if best != NULL and best.deadline_ms < start_ms:
            return best
        node = _earliest_in(&window.slots[level][digit], best, &all_seen)
        if level == 0 or all_seen or budget[0] <= 0:
            return node
        # Too many to look at each time: they go to lower levels, and the window's time to where they begin.
        window.time_ms = start_ms
        window.occupied[level] &= window.occupied[level] - 1
        _ring_move(&window.slots[level][digit], &window.cascading)


cdef WheelNode* wheel_nearest(Wheel* wheel, int64_t budget) noexcept nogil:
    cdef Wheel* window = wheel.window
    cdef WheelNode* best
    cdef WheelNode* head
    cdef WheelNode* node
    cdef int level, digit
    cdef int64_t start_ms
    cdef bint all_seen
    if wheel.count == 0:
        return NULL
    if wheel.window_level >= 0 and _window_is_empty(window):
        wheel.window_level = -1
    best = _earliest_in(&wheel.due, NULL, &all_seen)
    best = _earliest_in(&wheel.cascading, best, &all_seen)
    level = _next_level(wheel)
    if level < WHEEL_LEVELS:
        digit = ctz64(wheel.occupied[level])
        head = &wheel.slots[level][digit]
        start_ms = <int64_t>_ticks_of(<int64_t>_slot_start(_ticks_of(wheel.time_ms), level, digit))
        if best != NULL and best.deadline_ms < start_ms:
            return best
        if wheel.window_level < 0 or start_ms <= wheel.window_ms:
            node = _earliest_in(head, best, &all_seen)
            if level == 0:
                return node                   # whatever is open begins later
            if all_seen or window == NULL:
                best = node
                if wheel.window_level < 0 or start_ms < wheel.window_ms:
                    return best
            else:
                if wheel.window_level >= 0 and start_ms != wheel.window_ms:
                    _window_close(wheel)
                if wheel.window_level < 0:
                    wheel.window_level = level
                    wheel.window_ms = window.time_ms = start_ms
                while not _ring_is_empty(head) and budget > 0:
                    node = head.next
                    _ring_remove(node)
                    prefetch(head.next.next)
                    budget -= 1
                    _place(window, node)
                if _ring_is_empty(head):
                    wheel.occupied[level] &= ~(<uint64_t>1 << digit)
                else:
                    best = _earliest_in(head, best, &all_seen)
    if wheel.window_level >= 0 and not (best != NULL and best.deadline_ms < wheel.window_ms):
        node = _nearest_ahead(window, &budget)
        if node != NULL and (best == NULL or node.deadline_ms < best.deadline_ms):
            best = node
    return best


# The contract -----------------------------------------------------------------------------------------

cdef void wheel_init(Wheel* wheel, int64_t now_ms) noexcept nogil:
    cdef int level
    wheel.time_ms = now_ms
    wheel.count = 0
    wheel.window = NULL
    wheel.window_level = -1
    wheel.window_ms = 0
    for level in range(WHEEL_LEVELS):
        wheel.occupied[level] = 0
    _ring_init(&wheel.due)
    _ring_init(&wheel.cascading)


cdef void wheel_add(Wheel* wheel, WheelNode* node, int64_t deadline_ms) noexcept nogil:
    invariant(node.link == NULL, b"wheel_add: the node is in a wheel")
    node.deadline_ms = deadline_ms
    wheel.count += 1
    _place(wheel, node)


cdef void wheel_cancel(Wheel* wheel, WheelNode* node) noexcept nogil:
    cdef WheelNode* head
    invariant(node.link != NULL, b"wheel_cancel: the node is in no wheel")
    invariant(wheel.count > 0, b"wheel_cancel: the wheel is empty")
    head = node.next
    wheel.count -= 1
    _ring_remove(node)
    # Alone in its ring, so `next` was the head. Asking where the head lies costs less than deriving the
    # slot from the deadline, and `due` and `cascading` have no bit to clear.
    if head.next == head and not _clear_if_in(wheel, head) and wheel.window_level >= 0:
        _clear_if_in(wheel.window, head)


cdef WheelNode* wheel_take(Wheel* wheel, int64_t now_ms, int64_t* budget) noexcept nogil:
    cdef WheelNode* node
    cdef uint64_t time
    cdef int64_t start_ms
    cdef int level
    cdef int digit
    if unlikely(wheel.window_level >= 0) and now_ms >= wheel.window_ms:
        _window_close(wheel)
    while budget[0] > 0:
        if not _ring_is_empty(&wheel.due):
            node = wheel.due.next
            _ring_remove(node)
            # The next node's line was just fetched for its link; the one behind it is the next miss.
            # Taking a million spread nodes: 20 to 30 % less.
            prefetch(wheel.due.next.next)
            budget[0] -= 1
            if unlikely(node.deadline_ms > now_ms):
                # Added as overdue while the clock was behind the wheel: it has to wait after all. Only
                # then is the wheel turned back, so that callers with a slightly older idea of the
                # time cost nothing.
                if now_ms < wheel.time_ms:
                    _window_close(wheel)      # its slot may become part of another one
                    _turn_back(wheel, now_ms)
                _place(wheel, node)
                continue
            wheel.count -= 1
            return node
        if not _ring_is_empty(&wheel.cascading):
            node = wheel.cascading.next
            _ring_remove(node)
            prefetch(wheel.cascading.next.next)
            budget[0] -= 1
            _place(wheel, node)
            continue
        if now_ms <= wheel.time_ms:
            return NULL
        level = _next_level(wheel)
        if level == WHEEL_LEVELS:
            wheel.time_ms = now_ms
            return NULL
        time = _ticks_of(wheel.time_ms)
        digit = ctz64(wheel.occupied[level])
        start_ms = <int64_t>_ticks_of(<int64_t>_slot_start(time, level, digit))
        if start_ms > now_ms:
            # No slot begins in between, so every node keeps its level and its slot.
            wheel.time_ms = now_ms
            return NULL
        wheel.time_ms = start_ms
        wheel.occupied[level] &= wheel.occupied[level] - 1
        # Both lists are empty here. A slot of level 0 is one millisecond: all of it is due.
        _ring_move(&wheel.slots[level][digit], &wheel.due if level == 0 else &wheel.cascading)
    return NULL


cdef int64_t wheel_next_ms(const Wheel* wheel) noexcept nogil:
    cdef int level
    cdef int64_t next_ms = INT64_MAX
    if not _ring_is_empty(&wheel.due) or not _ring_is_empty(&wheel.cascading):
        # Not time_ms: the clock may have gone back behind it. Not INT64_MIN: callers subtract `now`.
        return wheel.time_ms if wheel.time_ms < 0 else 0
    level = _next_level(wheel)
    if level < WHEEL_LEVELS:
        next_ms = <int64_t>_ticks_of(<int64_t>_slot_start(
            _ticks_of(wheel.time_ms), level, ctz64(wheel.occupied[level])))
    if wheel.window_level >= 0 and wheel.window_ms < next_ms and not _window_is_empty(wheel.window):
        next_ms = wheel.window_ms
    return next_ms


cdef void wheel_relocated(WheelNode* node) noexcept nogil:
    if node.link != NULL:
        node.link[0] = node
        node.next.link = &node.next


# Verification -----------------------------------------------------------------------------------------

cdef inline void _require(bint holds, const char* what) noexcept nogil:
    if not holds:
        hutch_panic(what)


cdef uint64_t _check_ring(const Wheel* wheel, const WheelNode* head, int level, int digit, uint64_t most) noexcept nogil:
    """Count a ring's nodes, at most so many; `level` is -1 for the lists that are not slots."""
    cdef const WheelNode* before = head
    cdef const WheelNode* node = head.next
    cdef uint64_t time = _ticks_of(wheel.time_ms)
    cdef uint64_t deadline
    cdef uint64_t count = 0
    while node != head:
        count += 1
        _require(count <= most, b"wheel: more nodes in the lists than were counted")
        _require(node.link == &before.next, b"wheel: a node's link does not point at what points at it")
        if level >= 0:
            _require(node.deadline_ms > wheel.time_ms, b"wheel: an overdue node is in a slot")
            deadline = _ticks_of(node.deadline_ms)
            _require(_level_between(time, deadline) == level, b"wheel: a node is at the wrong level")
            _require(_digit(deadline, level) == digit, b"wheel: a node is in the wrong slot")
        before = node
        node = node.next
    _require(head.link == &before.next, b"wheel: a head's link does not point at the last node")
    return count


cdef uint64_t _check_lists(const Wheel* wheel, uint64_t most) noexcept nogil:
    """Count all nodes, at most so many, and look at each."""
    cdef uint64_t count = _check_ring(wheel, &wheel.due, -1, 0, most)
    cdef uint64_t found
    cdef int level
    cdef int digit
    count += _check_ring(wheel, &wheel.cascading, -1, 0, most)
    for level in range(WHEEL_LEVELS):
        for digit in range(WHEEL_SLOTS):
            if wheel.occupied[level] >> digit & 1:
                found = _check_ring(wheel, &wheel.slots[level][digit], level, digit, most)
                _require(found > 0, b"wheel: an occupied slot is empty")
                count += found
    return count


cdef void wheel_check(const Wheel* wheel) noexcept nogil:
    cdef uint64_t count
    if not HUTCH_CHECKS:
        return
    count = _check_lists(wheel, wheel.count)
    if wheel.window_level >= 0:
        _require(wheel.time_ms < wheel.window_ms, b"wheel: time has passed the opened slot")
        count += _check_lists(wheel.window, wheel.count)
    _require(count == wheel.count, b"wheel: the lists do not hold as many nodes as were counted")
