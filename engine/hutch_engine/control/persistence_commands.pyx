"""See persistence_commands.pxd."""
from libc.stdint cimport uint32_t
from hutch_engine.base.buffer cimport Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.slice cimport slice_of_text
from hutch_engine.commands.call cimport Call, call_word
from hutch_engine.commands.reply cimport reply_error, reply_error_slice, reply_integer, reply_ok
from hutch_engine.persistence.rdb_input cimport RDB_PUT_ADD, RDB_PUT_MERGE, RDB_PUT_REPLACE
from hutch_engine.persistence.rdb_load cimport rdb_load_at_once, rdb_load_flags, rdb_load_path
from hutch_engine.persistence.saving cimport saving_is_wanted, saving_last_s, saving_save
from hutch_engine.state.config cimport LOG_WARNING
from hutch_engine.state.engine cimport Engine, engine_of
from hutch_engine.state.log cimport log_write


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
    if _save(call):
        reply_ok(call.reply)


cdef bint persistence_save_at_end(Engine* engine, bint save, bint no_save) noexcept nogil:
    cdef Buffer reason
    cdef bint saved
    # What is still being loaded is no data set to be saved over the file it comes from.
    if no_save or engine.persistence.loading or not (save or saving_is_wanted(engine)):
        return True
    log_write(engine, LOG_WARNING, slice_of_text(b"Saving the final RDB snapshot before exiting."))
    buffer_init(&reason, NULL)
    saved = saving_save(engine, &reason)
    buffer_clear(&reason)
    if not saved:
        log_write(engine, LOG_WARNING, slice_of_text(b"Error trying to save the DB, can't exit."))
    return saved


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
