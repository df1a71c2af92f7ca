"""See standalone.pxd."""
from libc.stdint cimport int64_t
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.commands.call cimport Call, call_block_until, call_deadline, call_help, call_integer, call_may_block
from hutch_engine.commands.json cimport json_reply_modules
from hutch_engine.commands.reply cimport reply_array, reply_bulk_text, reply_error, reply_integer
from hutch_engine.state.engine cimport Engine, engine_of
from hutch_engine.persistence.append_log cimport SYNC_NEVER


# ---- replicas

cdef void cmd_role(Call* call) noexcept nogil:
    reply_array(call.reply, 3)
    reply_bulk_text(call.reply, b"master")
    reply_integer(call.reply, engine_of(call).replication.offset)
    reply_array(call.reply, 0)               # replicas


cdef bint _deadline(Call* call, size_t index, int64_t* deadline_ms_out) noexcept nogil:
    """argv[index] as a time-out in milliseconds, which becomes a Unix time, 0 for ever; else the error is written."""
    cdef int64_t timeout_ms
    if not parse_integer(call.argv[index], &timeout_ms):
        reply_error(call.reply, b"ERR timeout is not an integer or out of range")
        return False
    if timeout_ms < 0:
        reply_error(call.reply, b"ERR timeout is negative")
        return False
    return call_deadline(call, timeout_ms, deadline_ms_out)


cdef void cmd_wait(Call* call) noexcept nogil:
    """No replica will ever acknowledge anything: who wants one waits for the time-out."""
    cdef int64_t replicas, deadline_ms
    if not call_integer(call, 1, &replicas) or not _deadline(call, 2, &deadline_ms):
        return
    if replicas > 0 and call_may_block(call):
        call_block_until(call, deadline_ms)
    else:
        reply_integer(call.reply, 0)


cdef void cmd_waitaof(Call* call) noexcept nogil:
    cdef int64_t local, replicas, deadline_ms
    cdef Engine* engine
    cdef bint kept
    if not call_integer(call, 1, &local):
        return
    if local < 0 or local > 1:
        reply_error(call.reply, b"ERR value is out of range, value must between 0 and 1")
        return
    if not parse_integer(call.argv[2], &replicas) or replicas < 0:
        reply_error(call.reply, b"ERR value is out of range, must be positive")
        return
    if not _deadline(call, 3, &deadline_ms):
        return
    engine = engine_of(call)
    kept = engine.keyspace.journal != NULL and not engine.journaling.log_failed
    if local and engine.keyspace.journal == NULL:
        reply_error(call.reply, b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    elif replicas > 0 and call_may_block(call):
        call_block_until(call, deadline_ms)
    else:
        # Nobody waits for the second to be over: the disk is asked now, and the reply leaves when it has answered.
        engine.journaling.sync_wanted = kept and engine.config.appendfsync != SYNC_NEVER
        reply_array(call.reply, 2)
        reply_integer(call.reply, engine.journaling.sync_wanted)
        reply_integer(call.reply, 0)


# ---- modules

cdef void cmd_module_list(Call* call) noexcept nogil:
    json_reply_modules(call)


cdef void cmd_module_load(Call* call) noexcept nogil:
    # What Redis says of a file that it cannot load; none can be loaded here.
    reply_error(call.reply, b"ERR Error loading the extension. Please check the server logs.")


cdef void cmd_module_loadex(Call* call) noexcept nogil:
    cmd_module_load(call)


cdef void cmd_module_unload(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR Error unloading module: no such module with that name")


cdef void cmd_module_help(Call* call) noexcept nogil:
    cdef const char* lines[8]
    lines[:] = [
        b"LIST", b"    Return a list of loaded modules.",
        b"LOAD <path> [<arg> ...]", b"    Load a module library from <path>, passing to it any optional arguments.",
        b"LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        b"    Load a module library from <path>, while passing it module configurations and optional arguments.",
        b"UNLOAD <name>", b"    Unload a module.",
    ]
    call_help(call, lines, 8)


# ---- a cluster

cdef void _no_cluster(Call* call) noexcept nogil:
    reply_error(call.reply, b"ERR This instance has cluster support disabled")


cdef void cmd_asking(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_addslots(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_addslotsrange(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_bumpepoch(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_count_failure_reports(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_countkeysinslot(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_delslots(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_delslotsrange(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_failover(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_flushslots(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_forget(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_getkeysinslot(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_help(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_info(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_keyslot(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_links(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_meet(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_myid(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_myshardid(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_nodes(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_replicas(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_replicate(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_reset(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_saveconfig(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_set_config_epoch(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_setslot(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_shards(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_slaves(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_slot_stats(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_cluster_slots(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_readonly(Call* call) noexcept nogil:
    _no_cluster(call)


cdef void cmd_readwrite(Call* call) noexcept nogil:
    _no_cluster(call)
