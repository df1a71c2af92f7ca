"""The only floor that speaks Python: Engine and Session as extension types.

Threads: any. The engine's lock is tried first and only waited for without the GIL; no Python object is
touched, made or freed, and nothing raised, while it is held. Each call has its own words and its own
reply, so threads may share a Session.
"""
from libc.stdint cimport uint32_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.lock cimport Signal
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.door_codec cimport Arguments, Codec
from hutch_engine.server.engine cimport Engine as EngineStruct, Session as SessionStruct
from hutch_engine.server.executor cimport Executed
from hutch_engine.server.listener cimport Listener

cdef enum:
    REPLY_SMALL = 512                # bytes copied out under the lock; a longer reply's buffer is taken over

cdef struct Grave:                   # a session whose Python object went while the lock was taken
    Grave* next
    SessionStruct* session
    Signal served                    # raised when a wait inside a blocking command is over; lives as long as the struct

cdef struct Taken:                   # what one round under the lock brought back
    Executed outcome                 # of the last command that was tried
    size_t done                      # commands that ran
    bint refused                     # no memory for the reply
    bint ended                       # the session is to be closed: QUIT, CLIENT KILL
    size_t length
    char* data                       # `small`, or big.data
    Buffer big                       # owned
    char[REPLY_SMALL] small

cdef inline void taken_init(Taken* taken) noexcept nogil:
    taken.length = 0
    taken.data = taken.small
    taken.big.data = NULL
    taken.refused = False
    taken.ended = False

cdef void take_reply(SessionStruct* session, Taken* taken) noexcept nogil
"""Move what the session has answered behind what `taken` holds already."""
cdef void run_commands(SessionStruct** slot, const Command* command, Slice* argv, const size_t* counts, size_t total,
                       bint patient, Taken* taken) noexcept nogil
"""Execute `total` commands whose words lie one after the other in argv, take their replies along and release the
lock. `patient`: the GIL is not held, so others may have the lock in between."""

cdef class Engine:
    cdef EngineStruct* core          # owned; lives as long as this object, emptied by close
    cdef Listener* listener          # owned; guarded by the engine's lock
    cdef bint closed                 # guarded by the engine's lock
    cdef Grave* graves               # atomic stack
    cdef readonly object closed_error
    cdef readonly object forked_error

    cdef int enter(self) except -1
    cdef void leave(self) noexcept nogil
    cdef int _configured(self, Slice name, Slice value, bint whole_line) except -1
    cdef void _bury(self) noexcept nogil
    cdef void _close(self) noexcept nogil
    cdef void _clock_moved(self) noexcept

cdef class Session:
    cdef readonly Engine engine
    cdef SessionStruct* core         # owned; NULL when closed; guarded by the engine's lock
    cdef Grave* grave                # owned: room to be buried in, so that dealloc needs no memory
    cdef readonly Codec codec

    cdef int enter(self) except -1
    cdef int _wait_a_turn(self) except -1
    cdef int _interrupt(self, SessionStruct* session) except -1
    cdef int _await_reply(self, Taken* taken) except -1
    cdef int run_round(self, Slice* argv, const size_t* counts, size_t total, Taken* taken) except -1
    cdef int _execute(self, Arguments* arguments, const size_t* counts, size_t total, Taken* taken) except -1
    cdef object call(self, tuple words, bint split, int decode)

cdef int raise_interrupt() except -1
"""After a call without the GIL in which a script may have run: raise what a signal's handler raised meanwhile."""
