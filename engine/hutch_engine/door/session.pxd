"""The Session of Python: one client of an engine, its commands and its messages.

The locking rule is door/handle's. Each call has its own words and its own reply, so threads may share a Session; whoever
comes back to one after the lock was free meanwhile knows it by its number, since another may lie at its address.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.bell cimport Bell
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.growth cimport growth_outgrows_memory
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.door.codec cimport Arguments, Codec
from hutch_engine.door.handle cimport EngineHandle
from hutch_engine.executor.executor cimport Executed
from hutch_engine.sessions.monitor_records cimport RecordCursor
from hutch_engine.state.engine cimport DeferredFree, Session as SessionStruct

cdef enum:
    REPLY_SMALL = 512                # bytes copied out under the lock; a longer reply's buffer is taken over

cdef enum Entered:                   # may a call of this session do what it came for?
    ENTERED
    ENTER_STORE_CLOSED
    ENTER_SESSION_CLOSED
    ENTER_KILLED                     # or the session is another one than it was
    ENTER_TURN                       # another thread waits in it, or has not yet taken what it was answered
    ENTER_OWN_SCRIPT                 # this thread's script runs in it

cdef struct Taken:                   # what one round under the lock brought back
    Entered entered                  # otherwise nothing happened
    uint64_t session_id              # whose round it was
    uint32_t turn_ticket             # of deferred_free.served, when it was looked at
    uint32_t pause_ticket            # of Engine.pause.over, likewise ...
    int64_t pause_left_us            # ... and how long CLIENT PAUSE lasts
    Executed outcome                 # of the last command that was tried
    size_t done                      # commands that ran
    bint refused                     # no memory for the reply
    uint64_t sync_offset             # the disk is to have the log up to here before the reply is told; 0: it need not
    bint ended                       # the session is to be closed: QUIT, CLIENT KILL
    size_t length
    char* data                       # `small`, or big.data
    Buffer big                       # owned
    char[REPLY_SMALL] small

cdef struct Visit:                   # what a SessionAction wants, and what it finds
    uint64_t id                      # of the session it is for; 0: the one that is there
    uint32_t ticket                  # of deferred_free.served
    int64_t number
    bint flag
    Taken* taken
    Bell* bell
    Buffer buffer
    RecordCursor records             # of the buffer
    SessionStruct** other            # where another Session has its own

cdef inline void taken_init(Taken* taken) noexcept nogil:
    """Make it empty, with room for a short reply. Allocates nothing."""
    taken.length = 0
    taken.data = taken.small
    taken.big.data = NULL
    taken.refused = False
    taken.sync_offset = 0
    taken.ended = False
    taken.entered = ENTERED

cdef inline bint taken_is_refused(const Taken* taken) noexcept nogil:
    """Was there no memory for the replies, or is there none for the objects that they would become? Of all that is taken, and
    without the lock: long ones are read through."""
    return taken.refused or (taken.big.data != NULL and growth_outgrows_memory(taken.big.data, taken.big.length))

cdef void take_reply(SessionStruct* session, Taken* taken) noexcept nogil
"""Move what the session has answered behind what `taken` holds already."""
cdef void run_commands(SessionStruct** slot, const Command* command, Slice* argv, const size_t* counts, size_t total,
                       bint patient, Taken* taken) noexcept nogil
"""Execute `total` commands whose words lie one after the other in argv, take their replies along and release the
lock. `patient`: the GIL is not held, so others may have the lock in between."""

ctypedef void (*SessionAction)(Session session, Visit* visit) noexcept nogil

cdef class Session:
    cdef readonly EngineHandle engine
    cdef SessionStruct* core         # owned; NULL when closed; guarded by the engine's lock
    cdef DeferredFree* deferred_free # owned: room for __dealloc__ to leave the session in, so that it needs no memory
    cdef readonly Codec codec

    cdef Entered look(self, uint64_t id) noexcept nogil
    cdef int refuse(self, Entered entered) except -1
    cdef Entered try_visit(self, SessionAction action, Visit* visit) noexcept
    cdef int visit(self, SessionAction action, Visit* visit) except -1
    cdef int visit_always(self, SessionAction action, Visit* visit) noexcept
    cdef void run_round(self, const Command* command, Slice* argv, const size_t* counts, size_t total, bint patient,
                        bint at_once, Taken* taken) noexcept nogil
    cdef int synced(self, Taken* taken) except -1
    cdef int attempt(self, Slice* argv, const size_t* counts, size_t total, bint at_once, Taken* taken) except -1
    cdef int _wait_a_turn(self, uint32_t ticket) except -1
    cdef int _await_reply(self, Taken* taken) except -1
    cdef int _execute(self, Arguments* arguments, const size_t* counts, size_t total, Taken* taken) except -1
    cdef object call(self, tuple words, bint split, int decode)

cdef void take_served(Session session, Visit* visit) noexcept nogil
"""A SessionAction: if the wait is over, its reply goes into visit.taken, and visit.flag is set."""
cdef void interrupt_wait(Session session, Visit* visit) noexcept nogil
"""A SessionAction: wait no longer; visit.flag is set if the wait was over, and its reply is still there to be taken."""
