"""What an event loop needs of the door: commands that never wait in its thread, and a bell for those that do wait.

A plain command is a function call: `run_now` answers at once. A blocking one becomes a Submission, taken step by step:
when its session waits, the task that wants it parks on a future, and a Doorbell, whose descriptor the loop watches,
completes the futures of the sessions that were served. Native threads only write to the descriptor. A task that is
woken looks for itself, so that one ring too many does no harm.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.door.session cimport Session, Taken
from hutch_engine.door.codec cimport Arguments, Codec
from hutch_engine.base.bell cimport Bell

cdef class Doorbell:
    """Of one event loop."""
    cdef Bell* core                  # held
    cdef uint64_t pid                # of the process that made it
    cdef object __weakref__
    cdef dict waiting                # a session's number -> future, or a list of them; the loop's thread only

    cdef int _expect(self, uint64_t number, object future) except -1

cdef class Submission:
    """Commands on their way through a session."""
    cdef readonly Session session
    cdef readonly tuple commands     # the words; argv points into them
    cdef Codec codec
    cdef Arguments* arguments        # owned; NULL once all commands were given to the session
    cdef size_t* counts              # owned
    cdef size_t total
    cdef readonly size_t ran         # given to the session; the last of them may be waiting
    cdef size_t argv_used
    cdef uint64_t blocked            # the number of the session that waits for the last command's reply; 0: it does not
    cdef Buffer buffer               # owned: replies
    cdef size_t offset               # behind those that were read
    cdef size_t at                   # which command waits, or waited last
    cdef size_t last                 # where its reply begins

    cdef void _forget_words(self) noexcept
    cdef int _collect(self, Taken* taken) except -1
    cdef bint _resume(self) except -1
