"""What a command sees: its words, its database, where to answer. And what most commands do first.

A handler is `void cmd_x(Call* call) noexcept nogil`. The executor has checked arity and state by then.
Exactly one complete reply must be written. argv[0] is the command's name; words are borrowed until
the handler returns, and may be the very bytes of the client's query buffer.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.reply cimport Reply
from hutch_engine.keyspace.entry cimport TYPE_NONE, Entry
from hutch_engine.keyspace.journal cimport Journal
from hutch_engine.keyspace.keyspace cimport Database, Keyspace
from hutch_engine.structures.table cimport TableSlot

cdef enum:                       # Call.flags
    CALL_IN_MULTI = 1            # inside EXEC: blocking commands answer at once
    CALL_IN_SCRIPT = 2
    CALL_NO_TOUCH = 4            # CLIENT NO-TOUCH: access times stay
    CALL_DENY_BLOCKING = 8
    CALL_REPLAYED = 16           # from the AOF or a master: deadlines are not judged

cdef struct Call:
    Slice* argv                  # borrowed
    size_t argc
    Keyspace* keyspace           # borrowed
    Database* database           # borrowed: the session's selected one
    Reply* reply                 # borrowed
    const Command* command       # borrowed
    void* session                # borrowed; the floor above knows what it is (server/session.pxd)
    uint64_t key_hash            # of argv[1], when key_hashed
    bint key_hashed              # the listener hashes first keys ahead of time, to prefetch
    uint32_t flags
    bint keys_limited            # set for a user who may not read each key: what patterns in words name is not for it
    size_t block_keys            # call_block's request: how many keys to wait for (0: not to wait) ...
    size_t block_first           # ... and which word is the first of them
    int64_t block_deadline_ms    # 0: wait for ever
    uint8_t block_type           # the type of value that is waited for
    bint block_until_gone        # also when the key is deleted, or gets a value of another type
    Slice* block_words           # owned: what is to be run instead of argv, in one block of the keyspace's heap ...
    size_t block_words_bytes     # ... of so many bytes; NULL: argv

ctypedef void (*CommandHandler)(Call* call) noexcept nogil

cdef inline uint64_t call_hash(Call* call, size_t index) noexcept nogil:
    """The hash of argv[index] as a key."""
    if index == 1 and call.key_hashed:
        return call.key_hash
    return _call_hash(call, index)

cdef uint64_t _call_hash(Call* call, size_t index) noexcept nogil
"""The half of call_hash that computes: the keyspace's hash of argv[index]. O(length)."""

cdef Entry* call_find_read(Call* call, size_t index) noexcept nogil
"""The entry of key argv[index] for reading (hits, misses, access time), or NULL."""
cdef Entry* call_find_read_type(Call* call, size_t index, int type, bint* wrong_type_out) noexcept nogil
"""The same, checked for its type: on the wrong one the WRONGTYPE error is written and *wrong_type_out set."""
cdef TableSlot call_find_write(Call* call, size_t index) noexcept nogil
"""The slot of key argv[index] for changing it, or NULL when there is no such key."""
cdef TableSlot call_find_write_type(Call* call, size_t index, int type, bint* wrong_type_out) noexcept nogil
"""As call_find_write, checked for its type: on the wrong one the WRONGTYPE error is written, *wrong_type_out is set, and the
answer is NULL. Without the key it is NULL, too, and nothing is written."""

cdef enum:
    HASHED_KEYS = 16             # how many keys call_hash_keys takes at once

cdef size_t call_hash_keys(Call* call, size_t first, size_t step, uint64_t* hashes_out) noexcept nogil
"""Hash the next keys argv[first], argv[first + step] ... (at most HASHED_KEYS) and have their buckets and
entries fetched, so that a command of many keys waits for memory once a batch; returns how many."""

cdef inline Entry* slot_entry(TableSlot slot) noexcept nogil:
    """The entry in a slot of a database's table of keys; the table owns it. Requires that the slot is not NULL."""
    return <Entry*>slot[0]

cdef inline void call_keep(Call* call, size_t index) noexcept nogil:
    """The value of key argv[index], which was looked up as for reading, is about to be changed: a snapshot that is being taken
    has it first."""
    if unlikely(call.keyspace.taken != NULL):
        _call_keep(call, index)
cdef void _call_keep(Call* call, size_t index) noexcept nogil
"""The half of call_keep that looks the key up."""
cdef bint call_integer(Call* call, size_t index, int64_t* value_out) noexcept nogil
"""argv[index] as an integer; else "ERR value is not an integer or out of range" is written, and False."""
cdef bint call_integer_or(Call* call, size_t index, int64_t* value_out, const char* error) noexcept nogil
"""As call_integer, with the caller's own error text (its code in front)."""
cdef bint call_double(Call* call, size_t index, double* value_out) noexcept nogil
"""Read argv[index] as a floating-point number; else "ERR value is not a valid float" is written, and the answer is False."""
cdef bint call_timeout(Call* call, size_t index, int64_t* deadline_ms_out) noexcept nogil
"""argv[index] as a time-out in seconds, which becomes a Unix time in ms, 0 for ever; else the error is written."""
cdef bint call_deadline(Call* call, int64_t wait_ms, int64_t* deadline_ms_out) noexcept nogil
"""So many ms from now as a Unix time, 0 for ever: rounded up, so that nobody is told that a time is over before it is.
False when it is too far away: the error is written."""
cdef inline bint call_may_block(const Call* call) noexcept nogil:
    """False inside EXEC and scripts: the command then answers as if its time-out had passed."""
    return not call.flags & (CALL_IN_MULTI | CALL_IN_SCRIPT | CALL_DENY_BLOCKING)

cdef inline void call_block(Call* call, uint8_t type, size_t first, size_t count, int64_t deadline_ms) noexcept nogil:
    """Instead of a reply: run this command again, from its beginning, when one of the keys argv[first] ... has a
    value of this type; after the deadline it is answered with a null array. Nothing may have been changed."""
    call.block_type = type
    call.block_first = first
    call.block_keys = count
    call.block_deadline_ms = deadline_ms
    call.block_until_gone = False

cdef inline void call_block_until(Call* call, int64_t deadline_ms) noexcept nogil:
    """Instead of a reply: wait for no key at all. When the time is over the command is run once more, and then may not
    wait (call_may_block)."""
    call_block(call, TYPE_NONE, 0, 1, deadline_ms)

cdef Slice* call_block_words(Call* call, size_t extra_bytes) noexcept nogil
"""After call_block: a copy of argv that is run again in its place, words of it may be set to bytes that lie behind it
(extra_bytes of room at `words + argc`). NULL when memory was refused: the error is written, and nobody waits."""

cdef enum:
    WORD_BYTES = 96              # what a word may take in a collection beside its bytes: headers, its share of buckets and nodes

cdef bint call_promise(Call* call, size_t first, size_t more_bytes) noexcept nogil
"""Before argv[first] ... are put into one or many values: memory for all of them, and `more_bytes`, is promised until
heap_promise_end, so that the command is not refused in the middle. False: the OOM error was written, and nothing may be
changed. For one element there is no need: it is put, or it is not."""
cdef void call_changed(Call* call, size_t index, uint32_t event_class, const char* event) noexcept nogil
"""The usual end of a write to key argv[index]: touched, event (static text), one more dirty."""
# ---- the log. A command that changes something stands there as it came, unless it says here what it did: where what it did hangs
# on the time, on chance, or on who waited. What is logged so must have the same effect whenever it is run.
cdef Journal* call_log(Call* call, size_t words) noexcept nogil
"""Begin a command of so many words (journal_word) that stands in the log instead of the one that runs; several may. NULL when
nothing is logged."""
cdef void call_log_deadline(Call* call, const char* name, size_t at, const char* unit, int64_t deadline_ms) noexcept nogil
"""Log the command with argv[at] as this Unix time in ms; `name` in place of its name, `unit` of the word before that time; NULL
for either: as it is."""
cdef void call_log_key(Call* call, const char* name, size_t index) noexcept nogil
"""Log "name argv[index]"."""
cdef void call_log_fields(Call* call, const char* name, int64_t deadline_ms, size_t first) noexcept nogil
"""Log "name argv[1] [deadline_ms] FIELDS n argv[first] ..."; deadline_ms -1: without it."""
cdef void call_log_nothing(Call* call) noexcept nogil
"""The command is not to be logged, though it counts as a change."""
cdef inline bint call_word(Call* call, size_t index, const char* text) noexcept nogil:
    """Is argv[index] this option word (any case)?"""
    return slice_is_word(call.argv[index], text)
cdef bint slice_is_word(Slice word, const char* text) noexcept nogil
"""Does `word` spell `text`, ASCII case ignored? As in Redis, a NUL in the word ends it."""

cdef void error_syntax(Call* call) noexcept nogil
"""Write the reply "ERR syntax error"."""
cdef void error_wrong_type(Call* call) noexcept nogil
"""Write the reply "WRONGTYPE Operation against a key holding the wrong kind of value"."""
cdef void error_not_integer(Call* call) noexcept nogil
"""Write the reply "ERR value is not an integer or out of range"."""
cdef void error_not_float(Call* call) noexcept nogil
"""Write the reply "ERR value is not a valid float"."""
cdef void error_no_key(Call* call) noexcept nogil
"""Write the reply "ERR no such key"."""
cdef void error_memory(Call* call) noexcept nogil
"""Write the reply "OOM command not allowed when used memory > 'maxmemory'.": a block was refused."""
cdef void error_arity(Call* call) noexcept nogil
"""Write the reply "ERR wrong number of arguments for '...' command", which names the command."""
cdef void error_subcommand(Call* call) noexcept nogil
"""Write the reply "ERR unknown subcommand or wrong number of arguments for '...'", which names the subcommand and points to
HELP."""
cdef void error_expire(Call* call) noexcept nogil
"""Write the reply "ERR invalid expire time in '...' command", which names the command."""
cdef void call_help(Call* call, const char** lines, size_t count) noexcept nogil
"""The reply of `X HELP`: the lines as simple strings, under Redis's heading, and the HELP entry's own."""
