"""The queues of sessions that wait for a key: BLPOP and its kin, of all types.

    Engine.waiting.keys    table: database and key -> BlockedKey, the queue of its Waiters, first come first
    Blocked           one a waiting session: its words, its place in the wheel, its Waiters, one a key

A BlockedKey exists while somebody waits for it. Those that became ready are chained from Engine.waiting.ready_first on, and
served by executor/serving. Everything here requires the engine's lock.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Engine, Session
from hutch_engine.structures.wheel cimport WheelNode

cdef struct BlockedKey
cdef struct Blocked

cdef struct Waiter:                      # one session in the queue of one key
    Waiter* next                         # towards those that came later
    Waiter* previous
    BlockedKey* key                      # borrowed
    Blocked* owner

cdef struct BlockedKey:                  # one block; the name for the table lies behind: LEB128 length, 4 bytes of
    Waiter* first                        # database index, the key's bytes
    Waiter* last
    BlockedKey* next_ready
    bint is_ready                        # in the engine's chain
    uint32_t until_gone                  # waiters that want to hear of it when the key is gone

cdef struct Blocked:                     # one block, with the waiters, the words and their bytes behind
    WheelNode node                       # in the wheel when there is a deadline; first, so that it finds us
    Session* session
    const Command* command
    Slice* argv
    size_t argc
    size_t block_bytes
    Waiter* waiters
    size_t waiter_count
    int64_t deadline_ms
    uint64_t ticks                       # that its command took before it waited
    uint8_t type
    bint until_gone

cdef bint waiting_begin(Session* session) noexcept nogil
"""Let the session wait as its call asked for with call_block; a copy of its words is kept. False when memory was refused: it
does not wait. O(keys and bytes of the words)."""
cdef void waiting_decline(Session* session) noexcept nogil
"""Free what a call has made for a wait that it asked for, and that does not begin."""
cdef Blocked* waiting_end(Session* session) noexcept nogil
"""Take the session out of all queues and out of the wheel. Returns what it waited with, which the caller frees by
waiting_free. O(keys)."""
cdef void waiting_free(Engine* engine, Blocked* blocked) noexcept nogil
"""Free what waiting_end returned. Not NULL."""
cdef void waiting_forget(Session* session) noexcept nogil
"""End the wait of a session that is interrupted or disconnected, without a reply, and wake it. A session that does not wait is
left alone. O(keys)."""
cdef Slice waiting_key_name(const BlockedKey* key) noexcept nogil
"""The name of a key that is waited for (sessions/key_name); borrowed from it."""
cdef void waiting_drop_if_unwanted(Engine* engine, BlockedKey* key) noexcept nogil
"""Free a BlockedKey if nobody waits for it and it is not in the chain of ready keys. O(1)."""
cdef void waiting_note_ready(Engine* engine, int32_t database_index, Slice key) noexcept nogil
"""Note that a key has appeared, or is gone: those who wait for it are served when the running command is over. O(1); O(keys
waited for) when memory is refused, since all keys of the database count as ready then."""
cdef void waiting_mark_ready(Engine* engine, BlockedKey* key) noexcept nogil
"""Put a BlockedKey at the end of the chain of ready keys, if it is not there yet. O(1)."""
cdef void waiting_note_ready_all(Engine* engine, int32_t database_index) noexcept nogil
"""Note that any key of the database may be ready, since it has become another one (SWAPDB) or nobody knows what has changed.
O(keys waited for)."""
cdef int64_t waiting_next_ms(const Engine* engine) noexcept nogil
"""When the next time-out is, as a Unix time; INT64_MAX without one."""
cdef int64_t waiting_keys_until_gone(Engine* engine) noexcept nogil
"""How many keys have a waiter who also wants to hear that the key is gone (XREADGROUP). O(keys waited for)."""
cdef void waiting_check() noexcept nogil
"""Verify that the table finds a key's name where a BlockedKey has it; panics in checks builds."""
