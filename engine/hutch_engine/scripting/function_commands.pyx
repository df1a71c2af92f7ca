"""See function_commands.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.clock cimport monotonic_us
from hutch_engine.base.glob cimport glob_matches
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call, call_help, call_word, error_subcommand
from hutch_engine.commands.command cimport CMD_DENYOOM, CMD_MAY_REPLICATE, CMD_WRITE, Command
from hutch_engine.commands.reply cimport (
    Reply, reply_array, reply_array_at, reply_bulk, reply_bulk_text, reply_error, reply_error_parts,
    reply_error_slice, reply_integer, reply_map, reply_mark, reply_null, reply_ok, reply_set, reply_simple)
from hutch_engine.formats.rdb cimport rdb_verify_footer, rdb_write_footer
from hutch_engine.scripting.eval_commands cimport cmd_evalsha, cmd_evalsha_ro, eval_script_flags
from hutch_engine.scripting.function_library cimport (
    RESTORE_APPEND, RESTORE_FLUSH, RESTORE_REPLACE, function_library_add, function_library_compile,
    function_library_find_function, function_library_flush, function_library_free, function_library_remove)
from hutch_engine.scripting.function_payload cimport (
    PAYLOAD_CORRUPT, PAYLOAD_END, PAYLOAD_NOT_A_FUNCTION, Payload, function_payload_add, function_payload_next)
from hutch_engine.scripting.interpreter cimport interpreter_ready
from hutch_engine.scripting.script_run cimport script_kill, script_may_run, script_run
from hutch_engine.scripting.shebang cimport FLAG_COUNT, shebang_flag_names
from hutch_engine.scripting.state cimport (
    SCRIPT_ALLOW_OOM, SCRIPT_COMPATIBLE, SCRIPT_NO_WRITES, Function, Interpreter, Library, Named, ScriptRun, Scripting,
    scripting_of)
from hutch_engine.state.engine cimport Session, engine_of, session_of
from hutch_engine.structures.table cimport table_count, table_each


# ---- FCALL

cdef void _fcall(Call* call, bint read_only) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    cdef Function* function = NULL
    cdef ScriptRun run
    cdef int64_t keys
    if scripting != NULL:
        function = function_library_find_function(scripting, call.argv[1])
    if function == NULL:
        reply_error(call.reply, b"ERR Function not found")
        return
    if not parse_integer(call.argv[2], &keys):
        reply_error(call.reply, b"ERR Bad number of keys provided")
        return
    if keys > <int64_t>(call.argc - 3):
        reply_error(call.reply, b"ERR Number of keys can't be greater than number of args")
        return
    if keys < 0:
        reply_error(call.reply, b"ERR Number of keys can't be negative")
        return
    if not script_may_run(session_of(call), function.flags, read_only):
        return
    run.interpreter = &scripting.functions
    run.caller = session_of(call)
    run.flags = function.flags
    run.is_function = True
    run.read_only = read_only
    run.name = buffer_slice(&function.name)
    run.argv = call.argv
    run.argc = call.argc
    script_run(&run, function.reference, call.argv + 3, <size_t>keys, call.argv + 3 + keys, call.argc - 3 - <size_t>keys)


cdef void cmd_fcall(Call* call) noexcept nogil:
    _fcall(call, False)


cdef void cmd_fcall_ro(Call* call) noexcept nogil:
    _fcall(call, True)


cdef uint64_t flags_of_script(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    cdef Scripting* scripting = scripting_of(session.engine)
    cdef Function* function = NULL
    cdef uint64_t flags = SCRIPT_COMPATIBLE
    if command.handler == <void*>cmd_fcall or command.handler == <void*>cmd_fcall_ro:
        function = function_library_find_function(scripting, argv[1]) if scripting != NULL else NULL
        if function != NULL:
            flags = function.flags
    else:
        flags = eval_script_flags(session.engine, argv, command.handler == <void*>cmd_evalsha
                                  or command.handler == <void*>cmd_evalsha_ro)
    if flags & SCRIPT_COMPATIBLE:
        return command.flags
    return (command.flags & ~<uint64_t>CMD_MAY_REPLICATE | (0 if flags & SCRIPT_NO_WRITES else CMD_WRITE)
            | (0 if flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES) else CMD_DENYOOM))


# ---- bringing libraries in and out

cdef void cmd_function_load(Call* call) noexcept nogil:
    cdef bint replace = False
    cdef Interpreter* interpreter
    cdef Library* library
    cdef Buffer error
    cdef size_t i
    for i in range(2, call.argc - 1):
        if not call_word(call, i, b"REPLACE"):
            reply_error_parts(call.reply, b"ERR Unknown option given: ", call.argv[i], b"")
            return
        replace = True
    interpreter = interpreter_ready(session_of(call), True)
    if interpreter == NULL:
        return
    buffer_init(&error, NULL)
    library = function_library_compile(interpreter, call.argv[call.argc - 1], replace, &error)
    if library != NULL and function_library_add(interpreter, library, RESTORE_REPLACE if replace else RESTORE_APPEND, &error):
        call.keyspace.dirty += 1
        reply_bulk(call.reply, buffer_slice(&library.name))
    else:
        reply_error_slice(call.reply, buffer_slice(&error))
    buffer_clear(&error)


cdef void cmd_function_delete(Call* call) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    if scripting == NULL or not function_library_remove(scripting, call.argv[2]):
        reply_error(call.reply, b"ERR Library not found")
        return
    call.keyspace.dirty += 1
    reply_ok(call.reply)


cdef void cmd_function_flush(Call* call) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    if call.argc > 3:
        error_subcommand(call)
        return
    if call.argc == 3 and not call_word(call, 2, b"SYNC") and not call_word(call, 2, b"ASYNC"):
        reply_error(call.reply, b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
        return
    if scripting != NULL:
        function_library_flush(scripting)
    call.keyspace.dirty += 1
    reply_ok(call.reply)


cdef struct Dumping:
    Buffer* payload
    bint compress


cdef bint _dump_library(void* context, void* entry) noexcept nogil:
    cdef Dumping* dumping = <Dumping*>context
    function_payload_add(dumping.payload, buffer_slice(&(<Library*>(<Named*>entry).named).code), dumping.compress)
    return True


cdef void cmd_function_dump(Call* call) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    cdef Buffer payload
    cdef Dumping dumping
    buffer_init(&payload, &engine_of(call).client_bytes)
    dumping.payload = &payload
    dumping.compress = engine_of(call).config.rdbcompression != 0
    if scripting != NULL:
        table_each(&scripting.libraries, _dump_library, &dumping)
    rdb_write_footer(&payload)
    if payload.failed:
        reply_error(call.reply, b"OOM no memory for the payload")
    else:
        reply_bulk(call.reply, buffer_slice(&payload))
    buffer_clear(&payload)


cdef Library* _read_payload(Interpreter* interpreter, Slice payload, Buffer* error) noexcept nogil:
    """All its libraries as a list; NULL for none of them, or with the error's text."""
    cdef Library* list = NULL
    cdef Library* library
    cdef Payload found
    cdef Buffer storage
    cdef Slice code
    cdef size_t offset = 0
    buffer_init(&storage, NULL)
    while True:
        found = function_payload_next(payload, &offset, &storage, &code)
        if found == PAYLOAD_END:
            break
        library = NULL
        if found == PAYLOAD_NOT_A_FUNCTION:
            buffer_append_text(error, b"ERR given type is not a function")
        elif found == PAYLOAD_CORRUPT:
            buffer_append_text(error, b"ERR Failed loading library data")
        else:
            library = function_library_compile(interpreter, code, True, error)
        if library == NULL:
            while list != NULL:
                library = list.next
                function_library_free(interpreter, list)
                list = library
            break
        library.next = list
        list = library
    buffer_clear(&storage)
    return list


cdef void cmd_function_restore(Call* call) noexcept nogil:
    cdef int policy = RESTORE_APPEND
    cdef Interpreter* interpreter
    cdef Library* list
    cdef Buffer error
    if call.argc > 4:
        error_subcommand(call)
        return
    if call.argc == 4:
        if call_word(call, 3, b"FLUSH"):
            policy = RESTORE_FLUSH
        elif call_word(call, 3, b"REPLACE"):
            policy = RESTORE_REPLACE
        elif not call_word(call, 3, b"APPEND"):
            reply_error(call.reply, b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
            return
    if not rdb_verify_footer(call.argv[2], not call.keyspace.checksums_ignored):
        reply_error(call.reply, b"ERR DUMP payload version or checksum are wrong")
        return
    interpreter = interpreter_ready(session_of(call), True)
    if interpreter == NULL:
        return
    buffer_init(&error, NULL)
    list = _read_payload(interpreter, call.argv[2], &error)
    if error.length == 0 and function_library_add(interpreter, list, policy, &error):
        call.keyspace.dirty += 1
        reply_ok(call.reply)
    else:
        reply_error_slice(call.reply, buffer_slice(&error))
    buffer_clear(&error)


# ---- looking at them

cdef struct Listing:
    Call* call
    bint by_name
    Slice pattern
    bint with_code
    int64_t count


cdef void _describe(Reply* reply, Function* function) noexcept nogil:
    cdef const char* names[FLAG_COUNT]
    cdef int count = shebang_flag_names(function.flags, names)
    cdef int i
    reply_map(reply, 3)
    reply_bulk_text(reply, b"name")
    reply_bulk(reply, buffer_slice(&function.name))
    reply_bulk_text(reply, b"description")
    if function.has_description:
        reply_bulk(reply, buffer_slice(&function.description))
    else:
        reply_null(reply)
    reply_bulk_text(reply, b"flags")
    reply_set(reply, count)
    for i in range(count):
        reply_simple(reply, names[i])


cdef bint _list_library(void* context, void* entry) noexcept nogil:
    cdef Listing* listing = <Listing*>context
    cdef Library* library = <Library*>(<Named*>entry).named
    cdef Reply* reply = listing.call.reply
    cdef Function* function = library.functions
    if listing.by_name and not glob_matches(listing.pattern, buffer_slice(&library.name), True):
        return True
    listing.count += 1
    reply_map(reply, 4 if listing.with_code else 3)
    reply_bulk_text(reply, b"library_name")
    reply_bulk(reply, buffer_slice(&library.name))
    reply_bulk_text(reply, b"engine")
    reply_bulk_text(reply, b"LUA")
    reply_bulk_text(reply, b"functions")
    reply_array(reply, library.function_count)
    while function != NULL:
        _describe(reply, function)
        function = function.next
    if listing.with_code:
        reply_bulk_text(reply, b"library_code")
        reply_bulk(reply, buffer_slice(&library.code))
    return True


cdef void cmd_function_list(Call* call) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    cdef Listing listing
    cdef size_t i = 2
    cdef size_t mark
    listing.call = call
    listing.by_name = False
    listing.with_code = False
    listing.count = 0
    while i < call.argc:
        if not listing.with_code and call_word(call, i, b"WITHCODE"):
            listing.with_code = True
        elif not listing.by_name and call_word(call, i, b"LIBRARYNAME"):
            if i + 1 == call.argc:
                reply_error(call.reply, b"ERR library name argument was not given")
                return
            i += 1
            listing.by_name = True
            listing.pattern = call.argv[i]
        else:
            reply_error_parts(call.reply, b"ERR Unknown argument ", call.argv[i], b"")
            return
        i += 1
    mark = reply_mark(call.reply)
    if scripting != NULL:
        table_each(&scripting.libraries, _list_library, &listing)
    reply_array_at(call.reply, mark, listing.count)


cdef void cmd_function_stats(Call* call) noexcept nogil:
    cdef Scripting* scripting = scripting_of(engine_of(call))
    cdef ScriptRun* run = scripting.run if scripting != NULL else NULL
    cdef Reply* reply = call.reply
    cdef size_t i
    if run != NULL and not run.is_function:
        reply_error(reply, b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
        return
    reply_map(reply, 2)
    reply_bulk_text(reply, b"running_script")
    if run == NULL:
        reply_null(reply)
    else:
        reply_map(reply, 3)
        reply_bulk_text(reply, b"name")
        reply_bulk(reply, run.name)
        reply_bulk_text(reply, b"command")
        reply_array(reply, <int64_t>run.argc)
        for i in range(run.argc):
            reply_bulk(reply, run.argv[i])
        reply_bulk_text(reply, b"duration_ms")
        reply_integer(reply, (monotonic_us() - run.started_us) // 1000)
    reply_bulk_text(reply, b"engines")
    reply_map(reply, 1)
    reply_bulk_text(reply, b"LUA")
    reply_map(reply, 2)
    reply_bulk_text(reply, b"libraries_count")
    reply_integer(reply, <int64_t>table_count(&scripting.libraries) if scripting != NULL else 0)
    reply_bulk_text(reply, b"functions_count")
    reply_integer(reply, <int64_t>table_count(&scripting.function_table) if scripting != NULL else 0)


cdef void cmd_function_kill(Call* call) noexcept nogil:
    script_kill(session_of(call), True)


cdef const char* function_help[36]
function_help[:] = [
    b"LOAD [REPLACE] <FUNCTION CODE>",
    b"    Create a new library with the given library name and code.",
    b"DELETE <LIBRARY NAME>",
    b"    Delete the given library.",
    b"LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    b"    Return general information on all the libraries:",
    b"    * Library name",
    b"    * The engine used to run the Library",
    b"    * Functions list",
    b"    * Library code (if WITHCODE is given)",
    b"    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
    b"STATS",
    b"    Return information about the current function running:",
    b"    * Function name",
    b"    * Command used to run the function",
    b"    * Duration in MS that the function is running",
    b"    If no function is running, return nil",
    b"    In addition, returns a list of available engines.",
    b"KILL",
    b"    Kill the current running function.",
    b"FLUSH [ASYNC|SYNC]",
    b"    Delete all the libraries.",
    b"    When called without the optional mode argument, the behavior is determined by the",
    b"    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    b"    * ASYNC: Asynchronously flush the libraries.",
    b"    * SYNC: Synchronously flush the libraries.",
    b"DUMP",
    b"    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
    b"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    b"    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
    b"    control how to handle existing libraries (default APPEND):",
    b"    * FLUSH: delete all existing libraries.",
    b"    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
    b"    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
    b"      libraries with the new libraries (notice that even on this option there is a chance of failure",
    b"      in case of functions name collision with another library).",
]


cdef void cmd_function_help(Call* call) noexcept nogil:
    call_help(call, function_help, 36)
