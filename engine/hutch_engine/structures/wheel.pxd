"""Hierarchical timing wheel in milliseconds (Varghese and Lauck 1987): deadlines are added and cancelled
in O(1), and due ones come out in order of their millisecond, a bounded number a turn.

Eleven levels of 64 slots cover every 64-bit time. A node whose deadline first differs from `time` in
6-bit digit L sits at level L in the slot of that digit; when `time` reaches the slot's start its nodes
move to lower levels, at most LEVELS times in a node's life. Moving is part of the bounded work: the
slot's list becomes `cascading` and is emptied piece by piece before anything later happens.

Nodes are intrusive: the owner embeds a WheelNode, zeroed before its first use, and finds itself from it.
A node is in at most one wheel. Lists are rings through a head inside the Wheel, so a Wheel must not be
moved or copied once it was initialised. Nothing here allocates. Not thread-safe: the engine's lock guards it.

The clock may go back. Nodes that were handed out stay out; a node that was added since and is due after
the new `now_ms` is put back into the slots, and `time` goes back with it.

Eviction wants the nearest node long before it is due (wheel_nearest). The slot in which it lies may span days and hold a
million nodes, so that slot is *opened*: its nodes go to a second wheel, the *window*, which is ahead of the clock. The window is
borrowed room; a wheel without one is none the worse for anything else.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    WHEEL_LEVELS = 11
    WHEEL_SLOTS = 64

cdef struct WheelNode:
    WheelNode* next              # borrowed; the list's head after the last node
    WheelNode** link             # what points at this node; NULL while in no wheel
    int64_t deadline_ms

cdef struct Wheel:
    int64_t time_ms              # the slots hold only deadlines after this time
    uint64_t count               # with those in the window
    Wheel* window                # wheel_nearest's, room given by the wheel's owner; NULL: none yet
    int64_t window_ms            # where the opened slot begins ...
    int window_level             # ... and at which level it lies; -1: none is open
    uint64_t[WHEEL_LEVELS] occupied          # one bit a slot
    WheelNode due                # head of the reached nodes: wheel_take hands these out
    WheelNode cascading          # head of the nodes being moved to lower levels
    WheelNode[WHEEL_LEVELS][WHEEL_SLOTS] slots       # heads; without meaning while their bit is 0

cdef void wheel_init(Wheel* wheel, int64_t now_ms) noexcept nogil
"""An empty wheel; touches none of the slots. Nothing to give back at the end."""
cdef void wheel_add(Wheel* wheel, WheelNode* node, int64_t deadline_ms) noexcept nogil
"""Put a node that is in no wheel in, which stays its owner's. The deadline may be in the past (due at once); any int64 is
accepted. O(1)."""
cdef void wheel_cancel(Wheel* wheel, WheelNode* node) noexcept nogil
"""Take a node out of the wheel, in which it must be. O(1)."""
cdef WheelNode* wheel_take(Wheel* wheel, int64_t now_ms, int64_t* budget) noexcept nogil
"""A node whose deadline is <= now_ms, removed from the wheel; NULL when none is left or when `budget`
is used up (each node moved or taken costs 1; *budget <= 0 afterwards means: call again later).

Nodes come in order of their millisecond, but for those that were already due when they were added:
these come first, in the order of adding. Cost: O(1) a unit of budget, and O(levels) a stretch of empty
time, however long."""
cdef int64_t wheel_next_ms(const Wheel* wheel) noexcept nogil
"""When to call wheel_take next: a lower bound of the next deadline (the start of its slot), exact at
level 0, so waking then makes progress. Zero or less when nodes wait to be taken or moved: call at once.
INT64_MAX when empty. O(levels)."""
cdef WheelNode* wheel_nearest(Wheel* wheel, int64_t budget) noexcept nogil
"""The node with the earliest deadline, which stays in the wheel; NULL when it is empty. Without a window it is the earliest of
those that were looked at. At most `budget` nodes are moved: a slot that holds more is opened by several calls, which meanwhile
answer the earliest of those that have been moved, and of a few others. A node is moved LEVELS times at most, unless
many nodes that come earlier are added and taken again. Cost: O(budget), O(1) where the nearest slots hold few."""
cdef void wheel_relocated(WheelNode* node) noexcept nogil
"""The node's memory was moved (bytes copied): mend the links that point at its old place. Call it before
another node is touched or moved; a node in no wheel is left as it is. O(1)."""
cdef void wheel_check(const Wheel* wheel) noexcept nogil
"""Walk everything and verify the invariants; panics in checks builds. O(nodes)."""
