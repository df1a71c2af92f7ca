"""See function_library.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.string cimport memset
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_reserve, buffer_slice)
from hutch_engine.base.leb128 cimport leb128_bytes, leb128_slice, leb128_write
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, ascii_lower, slice_of
from hutch_engine.scripting.function_api cimport function_api_forget, function_api_load
from hutch_engine.scripting.interpreter cimport interpreter_close
from hutch_engine.scripting.shebang cimport Shebang, shebang_read_library
from hutch_engine.scripting.state cimport NAMED_KEY_OFFSET, Function, Interpreter, Library, Named, Scripting
from hutch_engine.structures.table cimport (
    Table, TableSlot, table_clear, table_count, table_each, table_find, table_hash, table_insert, table_remove)

cdef enum:
    NAME_SMALL = 128                     # bytes of a function's name that are made lower case on the stack


# ---- the two tables

cdef inline size_t _named_bytes(size_t length) noexcept nogil:
    return NAMED_KEY_OFFSET + leb128_bytes(length) + length


cdef inline Slice _name_of(const Named* entry) noexcept nogil:
    return leb128_slice(<const char*>entry + NAMED_KEY_OFFSET)


cdef bint _put(Scripting* scripting, Table* table, Named** entry, Slice name, void* named, bint lower) noexcept nogil:
    """False when memory was refused: never for one that has been in the table."""
    cdef char* at
    cdef size_t i
    if entry[0] == NULL:
        entry[0] = <Named*>heap_try_alloc(&scripting.engine.heap, _named_bytes(name.length))
        if entry[0] == NULL:
            return False
        entry[0].named = named
        at = leb128_write(<char*>entry[0] + NAMED_KEY_OFFSET, name.length)
        for i in range(name.length):
            at[i] = ascii_lower(name.data[i]) if lower else name.data[i]
    table_insert(table, entry[0], table_hash(table, _name_of(entry[0])))
    return True


cdef inline void* _get(Table* table, Slice name) noexcept nogil:
    cdef TableSlot slot = table_find(table, name, table_hash(table, name))
    return (<Named*>slot[0]).named if slot != NULL else NULL


cdef void _take_out(Table* table, const Named* entry) noexcept nogil:
    """It may not be in there: _link stopped before it, or another has its name."""
    cdef uint64_t hash
    cdef TableSlot slot
    if entry != NULL:
        hash = table_hash(table, _name_of(entry))
        slot = table_find(table, _name_of(entry), hash)
        if slot != NULL and slot[0] == entry:
            table_remove(table, slot, hash)


cdef void _entry_free(Scripting* scripting, Named* entry) noexcept nogil:
    if entry != NULL:
        heap_free(&scripting.engine.heap, entry, _named_bytes(_name_of(entry).length))


cdef Library* function_library_find(Scripting* scripting, Slice name) noexcept nogil:
    return <Library*>_get(&scripting.libraries, name)


cdef bint _lower(Slice name, char* small, Buffer* large, Slice* lower_out) noexcept nogil:
    """`name` in lower case, on the stack when it is short; False when memory was refused."""
    cdef char* to = small
    cdef size_t i
    if name.length > NAME_SMALL:
        if not buffer_reserve(large, name.length):
            return False
        to = large.data
    for i in range(name.length):
        to[i] = ascii_lower(name.data[i])
    lower_out[0] = slice_of(to, name.length)
    return True


cdef Function* function_library_find_function(Scripting* scripting, Slice name) noexcept nogil:
    cdef char[NAME_SMALL] small
    cdef Buffer large
    cdef Slice lower
    cdef Function* found = NULL
    buffer_init(&large, NULL)
    if _lower(name, small, &large, &lower):
        found = <Function*>_get(&scripting.function_table, lower)
    buffer_clear(&large)
    return found


# ---- one library

cdef void function_library_free(Interpreter* interpreter, Library* library) noexcept nogil:
    cdef Function* function = library.functions
    cdef Function* following
    while function != NULL:
        following = function.next
        _entry_free(interpreter.scripting, function.entry)
        function_api_forget(interpreter, function)
        function = following
    _entry_free(interpreter.scripting, library.entry)
    buffer_clear(&library.name)
    buffer_clear(&library.code)
    heap_free(&interpreter.engine.heap, library, sizeof(Library))


cdef Library* function_library_compile(Interpreter* interpreter, Slice code, bint may_exist, Buffer* error) noexcept nogil:
    cdef Shebang shebang
    cdef Buffer storage
    cdef Library* library
    buffer_init(&storage, NULL)
    if not shebang_read_library(code, &shebang, &storage, error):
        buffer_clear(&storage)
        return NULL
    if not may_exist and function_library_find(interpreter.scripting, shebang.name) != NULL:
        buffer_append_text(error, b"ERR Library '")
        buffer_append_slice(error, shebang.name)
        buffer_append_text(error, b"' already exists")
        buffer_clear(&storage)
        return NULL
    library = <Library*>heap_try_alloc(&interpreter.engine.heap, sizeof(Library))
    if library == NULL:
        buffer_clear(&storage)
        buffer_append_text(error, b"OOM no memory for the library")
        return NULL
    memset(library, 0, sizeof(Library))
    buffer_init(&library.name, &interpreter.engine.client_bytes)
    buffer_init(&library.code, &interpreter.engine.client_bytes)
    buffer_append_slice(&library.name, shebang.name)
    buffer_append_slice(&library.code, code)
    buffer_clear(&storage)
    if library.name.failed or library.code.failed:
        buffer_append_text(error, b"OOM no memory for the library")
    elif function_api_load(interpreter, library, slice_of(code.data + shebang.length, code.length - shebang.length), error):
        if library.function_count:
            return library
        buffer_append_text(error, b"ERR No functions registered")
    function_library_free(interpreter, library)
    return NULL


# ---- all of them

cdef void _unlink(Scripting* scripting, Library* library) noexcept nogil:
    """Out of the tables; it may be put back."""
    cdef Function* function = library.functions
    while function != NULL:
        _take_out(&scripting.function_table, function.entry)
        function = function.next
    _take_out(&scripting.libraries, library.entry)


cdef bint _link(Scripting* scripting, Library* library) noexcept nogil:
    """False when memory was refused: then it is to be unlinked."""
    cdef Function* function = library.functions
    while function != NULL:
        if not _put(scripting, &scripting.function_table, &function.entry, buffer_slice(&function.name), function, True):
            return False
        function = function.next
    return _put(scripting, &scripting.libraries, &library.entry, buffer_slice(&library.name), library, False)


cdef bint _is_named_twice(const Function* function) noexcept nogil:
    """Does a later one of its library differ in case only?"""
    cdef const Function* other = function.next
    cdef size_t i
    while other != NULL:
        if other.name.length == function.name.length:
            i = 0
            while i < other.name.length and ascii_lower(other.name.data[i]) == ascii_lower(function.name.data[i]):
                i += 1
            if i == other.name.length:
                return True
        other = other.next
    return False


cdef bint _library_is_there(Scripting* scripting, Library* library, Buffer* error) noexcept nogil:
    if function_library_find(scripting, buffer_slice(&library.name)) == NULL:
        return False
    buffer_append_text(error, b"ERR Library ")
    buffer_append_slice(error, buffer_slice(&library.name))
    buffer_append_text(error, b" already exists")
    return True


cdef bint _function_is_there(Scripting* scripting, Library* library, Buffer* error) noexcept nogil:
    cdef Function* function = library.functions
    while function != NULL:
        if (function_library_find_function(scripting, buffer_slice(&function.name)) != NULL
                or _is_named_twice(function)):
            buffer_append_text(error, b"ERR Function ")
            buffer_append_slice(error, buffer_slice(&function.name))
            buffer_append_text(error, b" already exists")
            return True
        function = function.next
    return False


cdef bint _sum(void* context, void* entry) noexcept nogil:
    cdef Library* library = <Library*>(<Named*>entry).named
    (<uint64_t*>context)[0] += sizeof(Library) + library.code.capacity + library.function_count * sizeof(Function)
    return True


cdef void _figures(Scripting* scripting) noexcept nogil:
    cdef uint64_t bytes = 0
    table_each(&scripting.libraries, _sum, &bytes)
    scripting.engine.script_figures.libraries = table_count(&scripting.libraries)
    scripting.engine.script_figures.functions = table_count(&scripting.function_table)
    scripting.engine.script_figures.functions_bytes = bytes


cdef bint _collect(void* context, void* entry) noexcept nogil:
    cdef Library** list = <Library**>context
    cdef Library* library = <Library*>(<Named*>entry).named
    library.next = list[0]
    list[0] = library
    return True


cdef Library* _take_all(Scripting* scripting) noexcept nogil:
    """Every library, out of the tables, as a list."""
    cdef Library* list = NULL
    cdef Library* library
    table_each(&scripting.libraries, _collect, &list)
    library = list
    while library != NULL:
        _unlink(scripting, library)
        library = library.next
    return list


cdef void _free_list(Interpreter* interpreter, Library* list) noexcept nogil:
    cdef Library* following
    while list != NULL:
        following = list.next
        function_library_free(interpreter, list)
        list = following


cdef void _link_list(Scripting* scripting, Library* list) noexcept nogil:
    cdef Library* following
    while list != NULL:
        following = list.next
        list.next = NULL
        _link(scripting, list)
        list = following


cdef bint function_library_add(Interpreter* interpreter, Library* libraries, int policy, Buffer* error) noexcept nogil:
    cdef Scripting* scripting = interpreter.scripting
    cdef Library* library
    cdef Library* old = NULL             # gone if all goes well
    cdef Library* there
    cdef Library* added = NULL
    cdef bint refused = False
    if policy == RESTORE_FLUSH:
        old = _take_all(scripting)
    library = libraries
    while library != NULL and not refused:
        there = function_library_find(scripting, buffer_slice(&library.name))
        if there != NULL and policy != RESTORE_REPLACE:
            refused = _library_is_there(scripting, library, error)
        elif there != NULL:
            _unlink(scripting, there)
            there.next = old
            old = there
        library = library.next
    while libraries != NULL and not refused:
        # One payload may name a library twice.
        refused = _library_is_there(scripting, libraries, error) or _function_is_there(scripting, libraries, error)
        if not refused:
            library = libraries
            libraries = libraries.next
            library.next = added
            added = library
            refused = not _link(scripting, library)
            if refused:
                buffer_append_text(error, b"OOM no memory for the library")
    if refused:
        library = added
        while library != NULL:
            _unlink(scripting, library)
            library = library.next
        _free_list(interpreter, added)
        _free_list(interpreter, libraries)
        _link_list(scripting, old)
    else:
        library = added
        while library != NULL:
            there = library.next
            library.next = NULL
            library = there
        _free_list(interpreter, old)
    scripting.free_libraries = _free_all
    _figures(scripting)
    return not refused


cdef bint function_library_remove(Scripting* scripting, Slice name) noexcept nogil:
    cdef Library* library = function_library_find(scripting, name)
    if library == NULL:
        return False
    _unlink(scripting, library)
    function_library_free(&scripting.functions, library)
    _figures(scripting)
    return True


cdef void _free_all(Scripting* scripting) noexcept nogil:
    """Scripting.free_libraries."""
    _free_list(&scripting.functions, _take_all(scripting))
    table_clear(&scripting.libraries)
    table_clear(&scripting.function_table)


cdef void function_library_flush(Scripting* scripting) noexcept nogil:
    scripting.functions.engine = scripting.engine
    scripting.functions.scripting = scripting
    _free_all(scripting)
    interpreter_close(&scripting.functions)
    _figures(scripting)
