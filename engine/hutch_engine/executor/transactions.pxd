"""MULTI, EXEC, DISCARD, WATCH, UNWATCH; and what is true of every transaction that runs, EXEC's or a compiled pipeline's."""
from libc.stdint cimport uint32_t
from hutch_engine.base.compiler cimport likely
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport CALL_IN_MULTI, Call
from hutch_engine.commands.command cimport Command
from hutch_engine.executor.admission cimport admission_is_plain_with
from hutch_engine.executor.effects cimport effects_announce_new
from hutch_engine.executor.run cimport run_command
from hutch_engine.state.engine cimport Session

cdef void transaction_begin(Session* session) noexcept nogil
"""The session's transaction runs from here on, in one moment. transaction_end must follow. O(1)"""
cdef void transaction_end(Session* session, uint32_t call_flags) noexcept nogil
"""All of its commands have run; those that follow are called with `call_flags` again. O(1)"""

cdef bint transaction_judges(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil
"""The half of transaction_admits that looks closely."""

cdef inline bint transaction_admits(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    """May the next command run? False: what came before it has used up the memory there was, or the user lost the right to it since
    it was queued; that is answered."""
    return likely(admission_is_plain_with(session, command, argv, argc)) or transaction_judges(session, command, argv, argc)

cdef inline void transaction_run(Session* session, const Command* command, Slice* argv, size_t argc,
                                 uint32_t call_flags) noexcept nogil:
    """Run a command that transaction_admits; `call_flags` are EXEC's own. transaction_tell must follow."""
    session.call.flags = call_flags | CALL_IN_MULTI
    run_command(session, command, argv, argc, False, 0)

cdef inline void transaction_tell(Session* session) noexcept nogil:
    """Tell of what a command did before the next one runs, so that messages come in the order of the commands. O(its effects)"""
    effects_announce_new(session.engine)

cdef void cmd_multi(Call* call) noexcept nogil
cdef void cmd_exec(Call* call) noexcept nogil
cdef void cmd_discard(Call* call) noexcept nogil
cdef void cmd_watch(Call* call) noexcept nogil
cdef void cmd_unwatch(Call* call) noexcept nogil
