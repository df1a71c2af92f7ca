"""Hierarchical timing wheel in milliseconds (Varghese and Lauck 1987): deadlines are added and cancelled
in O(1), and due ones come out in order of their millisecond, a bounded number a turn.

Eleven levels of 64 slots cover every 64-bit time. A node whose deadline first differs from `time` in
6-bit digit L sits at level L in the slot of that digit; when `time` reaches the slot's start its nodes
move to lower levels, at most LEVELS times in a node's life. Moving is part of the bounded work: the
slot's list becomes `cascading` and is emptied piece by piece before anything later happens.

Nodes are intrusive: the owner embeds a WheelNode and finds itself from it. A node is in at most one
wheel. Not thread-safe: the engine's lock guards it.
"""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.memory cimport Heap

cdef enum:
    WHEEL_LEVELS = 11
    WHEEL_SLOTS = 64

cdef struct WheelNode:
    WheelNode* next              # borrowed
    WheelNode** link             # what points at this node; NULL while in no wheel
    int64_t deadline_ms

cdef struct Wheel:
    int64_t time_ms              # everything due before or at this time is out of the slots
    uint64_t count
    uint64_t[WHEEL_LEVELS] occupied          # one bit a slot
    WheelNode* due               # reached: wheel_take hands these out
    WheelNode* cascading         # being moved to lower levels
    WheelNode*[WHEEL_LEVELS][WHEEL_SLOTS] slots

cdef void wheel_init(Wheel* wheel, int64_t now_ms) noexcept nogil
cdef void wheel_add(Wheel* wheel, WheelNode* node, int64_t deadline_ms) noexcept nogil
"""O(1). The deadline may be in the past (due at once); any int64 is accepted."""
cdef void wheel_cancel(Wheel* wheel, WheelNode* node) noexcept nogil
"""O(1). The node must be in this wheel."""
cdef WheelNode* wheel_take(Wheel* wheel, int64_t now_ms, int64_t* budget) noexcept nogil
"""A node whose deadline is <= now_ms, removed from the wheel; NULL when none is left or when `budget`
is used up (each node moved or taken costs 1; *budget <= 0 afterwards means: call again later)."""
cdef int64_t wheel_next_ms(const Wheel* wheel) noexcept nogil
"""No deadline is earlier than this; INT64_MAX when empty. A lower bound of the next deadline (the start
of its slot), exact at level 0: waking then makes progress. O(levels)."""
cdef void wheel_relocated(WheelNode* node) noexcept nogil
"""The node's memory was moved (bytes copied): mend the links that point at its old place."""
cdef void wheel_check(const Wheel* wheel) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds."""
