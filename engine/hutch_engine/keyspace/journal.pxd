"""What happened, as commands: RESP on its way to the append-only file.

Commands are appended as they change something, expired and evicted keys as the DEL that they amount to. What one client's command
(or EXEC, or script) did is a *unit*: one command stands as it is, several stand between MULTI and EXEC, and nobody takes part
of a unit. A journal knows neither files nor sockets; whoever writes takes the bytes of whole units (journal_take).

Everything here requires the engine's lock. A journal that was refused memory (`failed`) takes nothing more, since it would lack a
command: what it has is whole, and whoever writes begins a new log from the data (journal_begin_anew).
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.lock cimport Signal
from hutch_engine.base.slice cimport Slice

cdef struct Journal:
    Buffer bytes                 # owned: whole units that nobody has taken yet, then the unit that is being made
    size_t unit_start            # where that one begins
    uint32_t unit_commands       # how many commands it has
    int32_t database             # what a reader of all the bytes would have selected; -1: nothing yet
    uint64_t offset              # bytes of all units so far, taken ones included
    uint64_t dirty_seen          # Keyspace.dirty as far as it has been told of
    bint replaced                # the running command has said itself what it did (call_log)
    bint failed
    Signal* writer               # borrowed: whoever writes sleeps on it ...
    bint writer_waits            # ... and wants to be woken by the next unit
    int64_t now_s                # Unix time to be noted with what follows (aof-timestamp-enabled); 0: none is
    int64_t noted_s              # the last that was

cdef void journal_init(Journal* journal) noexcept nogil
"""An empty journal."""
cdef void journal_clear(Journal* journal) noexcept nogil
"""Free its memory, and forget what nobody has taken. The journal stays usable."""
cdef void journal_begin(Journal* journal, int32_t database, size_t words) noexcept nogil
"""Begin a command of so many words, which follow by journal_word and its likes; a SELECT is put in front where the database is
another one. database -1: it needs none."""
cdef void journal_word(Journal* journal, Slice word) noexcept nogil
"""The next word, copied. O(length)."""
cdef void journal_text(Journal* journal, const char* text) noexcept nogil
"""The next word: text that ends with NUL."""
cdef void journal_integer(Journal* journal, int64_t value) noexcept nogil
"""The next word: a number as decimal digits."""
cdef void journal_command(Journal* journal, int32_t database, const Slice* words, size_t count) noexcept nogil
"""A whole command. O(bytes)."""
cdef void journal_deletion(Journal* journal, int32_t database, Slice key, bint lazy) noexcept nogil
"""A key went though no command named it: DEL, or UNLINK where it is freed lazily. O(length)."""
cdef void journal_end_unit(Journal* journal, bint whole) noexcept nogil
"""The unit is over: it may be taken from now on. `whole`: several commands belong together, between MULTI and EXEC; else each
stands for itself (what housekeeping expired). O(bytes of the unit)."""
cdef void journal_begin_anew(Journal* journal) noexcept nogil
"""From here on a reader has other bytes in front of these: a SELECT comes first, and what was refused is forgotten. Requires that
no unit is being made."""
cdef bint journal_take(Journal* journal, Buffer* out) noexcept nogil
"""Move the bytes of whole units behind those of `out`, which is empty or keeps its own; False when there are none. O(1) for an
empty `out`, and the bytes of a unit that is not whole yet."""
