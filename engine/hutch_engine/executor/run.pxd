"""Running a command that was admitted, and all that is noted of it: statistics, time, monitors, tracking.

`run_command` calls a command's handler. A compiled method that calls an inner function instead stands between `run_begin` and
`run_end`, which note the same. What happens afterwards because of the command's effects is executor/aftermath.
Everything here requires the engine's lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from hutch_engine.base.compiler cimport likely, ticks, unlikely
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.executor.latency cimport latency_note
from hutch_engine.executor.slow_log cimport slow_log_note_words
from hutch_engine.state.engine cimport BUSY_NOT, CommandStats, Engine, Session
from hutch_engine.keyspace.journal cimport Journal, journal_end_unit

cdef enum:
    OBSERVED_WORDS = 16              # of a compiled method's command, beside its name

cdef void run_command(Session* session, const Command* command, Slice* argv, size_t argc, bint hashed,
                      uint64_t key_hash) noexcept nogil
"""Run the handler of an admitted command, which writes its reply to session.reply, and note it. `hashed`: key_hash is the hash
of argv[1]. A command that asks to wait sets session.call.block_keys and has written nothing. When memory was refused for
the reply, an error takes its place."""
cdef void run_observed(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil
"""Tell Engine.execution.observers of a command that has run: monitors see it, and a tracking client's reads are remembered."""
cdef void run_observed_words(Session* session, const Command* command, const Slice* words, size_t count) noexcept nogil
"""The same for an inner function, which has the words (at most OBSERVED_WORDS) without the command's name."""
cdef void run_refuse_to_wait(Session* session, const Command* command) noexcept nogil
"""Answer for a command that asked to wait and was refused memory for it: it was called, and has failed (nothing was rejected, which
would be before it is called)."""
cdef void run_uncount(Session* session, const Command* command) noexcept nogil
"""Take a call out of the statistics again: the command waits, and has not been executed yet."""
cdef void run_take_inbox(Session* session) noexcept nogil
"""Append what a socket's command sent to its own client (session.inbox) behind the command's reply. An embedded session's
inbox is left alone."""
cdef inline void run_settle_journal(Engine* engine) noexcept nogil:
    """What expired or was evicted beside a command stands in the journal, each for itself: that may be written now. Not inside of
    EXEC, nor of a script, which are one thing with what expires meanwhile."""
    cdef Journal* journal = engine.keyspace.journal
    if unlikely(journal != NULL) and journal.bytes.length != journal.unit_start and engine.scripts.busy == BUSY_NOT:
        journal_end_unit(journal, False)
cdef void run_mute_reply(Session* session, size_t mark) noexcept nogil
"""Drop what a command has answered since `mark` if CLIENT REPLY OFF or SKIP says so. To be called after each command."""

cdef inline void run_begin(Engine* engine, const Command* command) noexcept nogil:
    """Note when an inner function that stands for a command begins. Usually only one call in UNTIMED_CALLS (executor/slow_log) is
    timed: two looks at the clock would be a fifth of a GET."""
    engine.execution.hot_ticks = 0 if likely(engine.statistics.commands[command.id].calls & engine.execution.untimed_calls) else ticks()


cdef inline void run_end(Session* session, const Command* command, const Slice* words, size_t count) noexcept nogil:
    """Note that the inner function did what the command does, without an error; observers have been shown it already. The words
    are those behind the command's name, at most OBSERVED_WORDS."""
    cdef Engine* engine = session.engine
    cdef CommandStats* stats = &engine.statistics.commands[command.id]
    cdef uint64_t elapsed
    stats.calls += 1
    if unlikely(engine.execution.hot_ticks != 0):
        elapsed = ticks() - engine.execution.hot_ticks
        engine.execution.hot_ticks = 0
        stats.ticks += elapsed
        latency_note(engine, stats, elapsed)
        if unlikely(elapsed >= engine.execution.slow_ticks):
            slow_log_note_words(session, command, words, count, elapsed)
    else:
        stats.untimed += 1
    engine.statistics.commands_processed += 1
    session.commands += 1
