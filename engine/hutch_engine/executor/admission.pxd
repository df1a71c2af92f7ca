"""May a command run? All that is asked before one runs, in one place, for whoever sends it.

`admission_judge` asks in Redis's order: is it known, has it the right number of words, may this client send it, in this
state of the server, and is there memory? What differs between the ways in is data (Way, and the limits of a script). Who asked
says what becomes of the verdict: a client gets Redis's error (`admission_refuse`), a script its own texts, EXEC an element of
its reply.

In everyday use nothing of it concerns a command: `admission_is_plain` sees that with a few comparisons.
Everything here requires the engine's lock.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.memory cimport heap_is_short
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport CMD_PROTECTED, Command
from hutch_engine.executor.rights cimport rights_plainly
from hutch_engine.state.engine cimport (
    GATE_RENAMED, SESSION_AUTHENTICATED, SESSION_MONITOR, SESSION_MULTI, SESSION_RESTRICTED, SESSION_SUBSCRIBED, Engine, Session,
    engine_used_memory)

cdef enum Way:                       # who sends a command
    WAY_CLIENT = 0                   # a socket, a Python call, a compiled method
    WAY_QUEUE = 1                    # EXEC: it was judged as WAY_CLIENT when it was queued
    WAY_SCRIPT = 2                   # a script or function
    WAY_SERVED = 3                   # a waiting command is run again; it was judged as WAY_CLIENT when it came

cdef enum:                           # limits of WAY_SCRIPT
    LIMIT_READ_ONLY = 1 << 0         # the script may not write
    LIMIT_NO_MEMORY = 1 << 1         # maxmemory was reached when it began, and it has not written yet
    LIMIT_LIFTED = 1 << 2            # DEBUG SET-DISABLE-DENY-SCRIPTS: what is not for scripts runs in them

cdef enum Verdict:
    ADMITTED = 0
    ADMIT_TO_QUEUE                   # inside MULTI: to be kept for EXEC
    ADMIT_LATER                      # CLIENT PAUSE: nothing has happened, ask again when it is over
    REFUSED_UNKNOWN
    REFUSED_ARITY
    REFUSED_PROTECTED                # enable-debug-command and the like
    REFUSED_PASSWORD
    REFUSED_RIGHTS                   # to this user, with these words
    REFUSED_IN_MULTI
    REFUSED_BUSY                     # a script overruns its time
    REFUSED_LOADING                  # a file is being read
    REFUSED_MEMORY
    REFUSED_TO_MONITOR
    REFUSED_TO_SUBSCRIBER
    REFUSED_IN_SCRIPT
    REFUSED_READ_ONLY                # to a script that may not write
    REFUSED_DISK                     # what was written could not be kept
    REFUSED_REPLICAS                 # min-replicas-to-write

cdef enum:
    # What of a session's state admission asks about.
    ASKED_OF_SESSION = SESSION_MULTI | SESSION_SUBSCRIBED | SESSION_MONITOR | SESSION_AUTHENTICATED | SESSION_RESTRICTED

cdef inline bint admission_engine_is_plain(const Engine* engine, const Command* command) noexcept nogil:
    """Nothing about the engine stops the command."""
    # With maxmemory 0 the right side is the largest number there is; used memory that equals the limit is looked at closely.
    return (likely(engine.execution.gate & ~<uint32_t>GATE_RENAMED == 0
                   and engine_used_memory(engine) - 1 < <uint64_t>engine.config.maxmemory - 1
                   and not heap_is_short(&engine.heap))
            and not command.flags & CMD_PROTECTED)

cdef inline bint admission_is_plain(const Session* session, const Command* command) noexcept nogil:
    """Can nothing stop this command of a client's, whose words are known to be right in number? True: it is admitted; False:
    admission_judge is to be asked."""
    return likely(session.flags & ASKED_OF_SESSION == SESSION_AUTHENTICATED) and admission_engine_is_plain(session.engine, command)

cdef inline bint admission_is_plain_with(Session* session, const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    """The same of a command whose words are at hand: a user's rights stop it as little, where that is quickly seen."""
    cdef uint32_t asked = session.flags & ASKED_OF_SESSION
    return (admission_engine_is_plain(session.engine, command)
            and (likely(asked == SESSION_AUTHENTICATED)
                 or (asked == SESSION_AUTHENTICATED | SESSION_RESTRICTED and rights_plainly(session, command, argv, argc))))

cdef Verdict admission_judge(Session* session, const Command* command, Slice* argv, size_t argc, Way way,
                             uint32_t limits) noexcept nogil
"""Decide what becomes of a command. `command` is what command_resolve found, or NULL; `limits` are those of WAY_SCRIPT, else
0. Keys may be evicted, and a pause whose time is over ends; nothing else is changed, and nothing is written."""
cdef uint64_t admission_flags(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil
"""The command's CMD_ bits as it is judged by: EXEC's together with those of its queue, a script's as its first line says."""
cdef bint admission_finds_memory(Session* session, const Command* command, Slice* argv, size_t argc, Way way) noexcept nogil
"""The part of admission_judge that asks for memory: evicts until maxmemory is kept, and mends the heap's reserve. False: the
command is to be refused. For compiled methods argv is NULL."""
cdef bint admission_enables(const Session* session, int64_t setting) noexcept nogil
"""Does an enable-... parameter (ENABLE_YES, ENABLE_LOCAL, ENABLE_NO) let this session do it? Local are Unix sockets and loopback
addresses; a caller in the process is asked about by whoever asks. O(1)."""
cdef const char* admission_disk_text(const Engine* engine) noexcept nogil
"""The error of REFUSED_DISK. Borrowed."""
cdef const char* admission_replicas_text() noexcept nogil
"""The error of REFUSED_REPLICAS, as static text."""
cdef void admission_refuse(Session* session, const Command* command, Slice* argv, size_t argc, Verdict verdict) noexcept nogil
"""Write the error reply of a refused client, and count it. Inside MULTI, the transaction cannot be executed any more. A client
that speaks HTTP gets no reply and is disconnected."""
