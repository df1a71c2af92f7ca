"""See persistence_commands.pxd."""
from libc.stdint cimport uint32_t
from hutch_engine.base.buffer cimport Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.slice cimport slice_of_text
from hutch_engine.commands.call cimport CALL_IN_MULTI, Call, call_word, error_syntax
from hutch_engine.commands.reply cimport reply_error, reply_error_slice, reply_integer, reply_ok, reply_simple
from hutch_engine.persistence.append_log cimport AppendLog
from hutch_engine.persistence.log_load cimport log_load_at_once
from hutch_engine.persistence.rdb_input cimport RDB_PUT_ADD, RDB_PUT_MERGE, RDB_PUT_REPLACE
from hutch_engine.persistence.rdb_load cimport rdb_load_at_once, rdb_load_flags, rdb_load_path
from hutch_engine.persistence.saving cimport saving_is_wanted, saving_last_s, saving_save
from hutch_engine.state.config cimport LOG_WARNING
from hutch_engine.state.engine cimport Engine, engine_of, session_of
from hutch_engine.state.log cimport log_write
from hutch_engine.persistence.snapshot_job cimport SNAPSHOT_REWRITE, SNAPSHOT_SAVE, snapshot_job_runs, snapshot_job_start
from hutch_engine.persistence.background cimport background_start, background_wake, persistence_can_rewrite


cdef void cmd_lastsave(Call* call) noexcept nogil:
    reply_integer(call.reply, saving_last_s(engine_of(call)))


cdef void _reply_failure(Call* call, const char* text, const Buffer* reason) noexcept nogil:
    cdef Buffer error
    buffer_init(&error, NULL)
    buffer_append_text(&error, text)
    buffer_append_slice(&error, buffer_slice(reason))
    reply_error_slice(call.reply, buffer_slice(&error))
    buffer_clear(&error)


cdef bint _save(Call* call) noexcept nogil:
    """False after an error reply."""
    cdef Buffer reason
    cdef bint saved
    buffer_init(&reason, NULL)
    saved = saving_save(engine_of(call), &reason)
    if not saved:
        _reply_failure(call, b"ERR saving failed at ", &reason)
    buffer_clear(&reason)
    return saved


cdef void cmd_save(Call* call) noexcept nogil:
    if snapshot_job_runs(engine_of(call), SNAPSHOT_SAVE):
        reply_error(call.reply, b"ERR Background save already in progress")
    elif _save(call):
        reply_ok(call.reply)


cdef void cmd_bgsave(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef bint schedule = call.argc == 2 and call_word(call, 1, b"SCHEDULE")
    if call.argc > 1 and not schedule:
        error_syntax(call)
    elif snapshot_job_runs(engine, SNAPSHOT_SAVE):
        reply_error(call.reply, b"ERR Background save already in progress")
    elif call.flags & CALL_IN_MULTI or (schedule and engine.journaling.snapshot_job != NULL):
        if _wake(engine):
            engine.journaling.snapshot_scheduled = True
        reply_simple(call.reply, b"Background saving scheduled")
    elif engine.journaling.snapshot_job != NULL:
        reply_error(call.reply, b"ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order "
                                b"to schedule a BGSAVE whenever possible.")
    elif snapshot_job_start(engine, SNAPSHOT_SAVE):
        reply_simple(call.reply, b"Background saving started")
    else:
        reply_error(call.reply, b"ERR there is no memory or thread for it")


cdef bint _wake(Engine* engine) noexcept nogil:
    """What is scheduled is begun by the thread in the background."""
    cdef bint runs = background_start(engine)
    background_wake(engine)
    return runs


cdef void cmd_bgrewriteaof(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    if snapshot_job_runs(engine, SNAPSHOT_REWRITE):
        reply_error(call.reply, b"ERR Background append only file rewriting already in progress")
    elif engine.journaling.snapshot_job != NULL or call.flags & CALL_IN_MULTI:
        if _wake(engine):
            engine.journaling.rewrite_scheduled = True
        reply_simple(call.reply, b"Background append only file rewriting scheduled")
    elif persistence_can_rewrite(engine) and snapshot_job_start(engine, SNAPSHOT_REWRITE):
        reply_simple(call.reply, b"Background append only file rewriting started")
    else:
        reply_error(call.reply, b"ERR Can't execute an AOF background rewriting. Please check the server logs for more information.")


cdef bint persistence_save_at_end(Engine* engine, bint save, bint no_save) noexcept nogil:
    cdef const AppendLog* log = <const AppendLog*>engine.journaling.log
    cdef Buffer reason
    cdef bint kept = True, saved
    if log != NULL and log.waits_for_base and not engine.journaling.rewrite_failed:
        # Switched on a moment ago: without its base nobody would find the data in the log. (Who waits for one that fails and fails
        # shall be able to end.)
        log_write(engine, LOG_WARNING, slice_of_text(b"Writing initial AOF, can't exit."))
        kept = False
    # What is still being loaded is no data set to be saved over the file it comes from.
    if no_save or engine.persistence.loading or not (save or saving_is_wanted(engine)):
        return kept
    log_write(engine, LOG_WARNING, slice_of_text(b"Saving the final RDB snapshot before exiting."))
    buffer_init(&reason, NULL)
    saved = saving_save(engine, &reason)
    buffer_clear(&reason)
    if not saved:
        log_write(engine, LOG_WARNING, slice_of_text(b"Error trying to save the DB, can't exit."))
    return saved and kept


cdef void debug_reload(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef bint save = True, flush = True, merge = False
    cdef Buffer path, reason
    cdef size_t i
    for i in range(2, call.argc):
        if call_word(call, i, b"NOSAVE"):
            save = False
        elif call_word(call, i, b"NOFLUSH"):
            flush = False
        elif call_word(call, i, b"MERGE"):
            merge = True
        else:
            reply_error(call.reply, b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
            return
    if save and not _save(call):
        return
    buffer_init(&path, NULL)
    buffer_init(&reason, NULL)
    rdb_load_path(engine, &path)
    if not path.failed and rdb_load_at_once(engine, path.data, rdb_load_flags(engine),
                                            RDB_PUT_REPLACE if flush else RDB_PUT_MERGE if merge else RDB_PUT_ADD, &reason):
        log_write(engine, LOG_WARNING, slice_of_text(b"DB reloaded by DEBUG RELOAD"))
        reply_ok(call.reply)
    else:
        _reply_failure(call, b"ERR Error trying to load the RDB dump, check server logs: ", &reason)
    buffer_clear(&path)
    buffer_clear(&reason)


cdef void debug_load_log(Call* call) noexcept nogil:
    cdef Engine* engine = engine_of(call)
    cdef Buffer reason
    buffer_init(&reason, NULL)
    if log_load_at_once(engine, session_of(call), &reason):
        log_write(engine, LOG_WARNING, slice_of_text(b"Append Only File loaded by DEBUG LOADAOF"))
        reply_ok(call.reply)
    else:
        log_write(engine, LOG_WARNING, buffer_slice(&reason))
        reply_error(call.reply, b"ERR Error trying to load the AOF files, check server logs.")
    buffer_clear(&reason)
