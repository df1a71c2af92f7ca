"""Running the commands of an append-only file again.

A log is believed only as far as it is whole. A command that the file ends in the middle of, and a MULTI without its EXEC, are a *torn
tail*: what a killed process leaves behind. It is cut off (aof-load-truncated), so that what is written next follows a whole
command. Everything else is damage, and refused with its place: words that are no RESP, unknown commands, wrong numbers of words,
lengths that no command has, and a length that reaches past the end of the file while whole commands follow it. (Redis takes that
for a torn tail, too, and loses what follows.)
"""
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.state.engine cimport Engine, Session

cdef enum ReplayStep:
    REPLAY_MORE = 0
    REPLAY_HUNGRY                # replay_fill
    REPLAY_DONE                  # up to the end of the file
    REPLAY_TORN                  # up to Replay.whole; behind it is a torn tail
    REPLAY_FAILED                # Replay.error says why

cdef struct Replay:
    Engine* engine               # borrowed
    Session* session             # owned: runs the commands
    int fd                       # borrowed
    Buffer window                # bytes of the file; owned
    uint64_t window_at           # where in the file it begins
    size_t at                    # what has been run ends here, in the window
    size_t seen                  # what has been looked through, inside of a transaction
    uint64_t whole               # place in the file: all before it has been run
    bint in_transaction          # MULTI has been seen at `at`
    bint running_transaction     # ... and its EXEC, so it is being run
    bint at_end                  # the file has no more than the window
    uint64_t commands            # run
    Buffer words                 # Slices of the command that is looked at
    Buffer error

cdef bint replay_begin(Replay* replay, Engine* engine, int fd, uint64_t position) noexcept nogil
"""Begin at the descriptor's place, which is `position` in the file. False when memory was refused. Requires the lock."""
cdef bint replay_fill(Replay* replay) noexcept nogil
"""Read on. False when that fails (Replay.error). Needs no lock."""
cdef ReplayStep replay_step(Replay* replay, uint64_t commands) noexcept nogil
"""Run up to so many commands. Requires the lock, and Keyspace.loading."""
cdef void replay_end(Replay* replay) noexcept nogil
"""Free the session and the buffers. Requires the lock."""
