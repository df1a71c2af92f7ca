"""See command_names.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init, buffer_reserve
from hutch_engine.base.slice cimport Slice, ascii_lower, slice_is
from hutch_engine.commands.command cimport Command
from hutch_engine.commands.command_table cimport command_table_by_id, command_table_find, command_table_ids

cdef enum:
    HEAD_BYTES = 8
    NOWHERE = -1


# Commands of Redis 8.2 that are not in the table: a redis.conf that gives them other names, or none, is followed as far as that goes.
cdef const char* ABSENT[19]
ABSENT[:] = [b"failover", b"migrate", b"psync", b"replconf", b"replicaof", b"slaveof", b"sync",
             b"vadd", b"vcard", b"vdim", b"vemb", b"vgetattr", b"vinfo", b"vismember", b"vlinks", b"vrandmember", b"vrem", b"vsetattr",
             b"vsim"]


cdef bint _is_absent(Slice name) noexcept nogil:
    cdef size_t i
    for i in range(19):
        if slice_is(name, ABSENT[i]):
            return True
    return False


cdef void command_names_init(CommandNames* names) noexcept nogil:
    memset(names, 0, sizeof(CommandNames))
    buffer_init(&names.given, NULL)


cdef void command_names_clear(CommandNames* names) noexcept nogil:
    buffer_clear(&names.given)


cdef inline void _head(const CommandNames* names, size_t at, uint32_t* id_out, uint32_t* length_out) noexcept nogil:
    memcpy(id_out, names.given.data + at, 4)
    memcpy(length_out, names.given.data + at + 4, 4)


cdef bint _is_same(const char* name, Slice other) noexcept nogil:
    """Equal but for ASCII case."""
    cdef size_t i
    for i in range(other.length):
        if ascii_lower(name[i]) != ascii_lower(other.data[i]):
            return False
    return True


cdef int64_t _place_of(const CommandNames* names, Slice name) noexcept nogil:
    """Where in names.given this name stands, or NOWHERE."""
    cdef size_t at = 0
    cdef uint32_t id, length
    while at < names.given.length:
        _head(names, at, &id, &length)
        if length == name.length and _is_same(names.given.data + at + HEAD_BYTES, name):
            return <int64_t>at
        at += HEAD_BYTES + length
    return NOWHERE


cdef void _set_gone(CommandNames* names, const Command* command, bint gone) noexcept nogil:
    cdef uint64_t bit = <uint64_t>1 << (command.id & 63)
    if gone:
        names.gone[command.id >> 6] |= bit
    else:
        names.gone[command.id >> 6] &= ~bit


cdef const Command* command_names_find(const CommandNames* names, Slice name) noexcept nogil:
    cdef int64_t at = _place_of(names, name)
    cdef uint32_t id, length
    cdef const Command* command
    if at != NOWHERE:
        _head(names, <size_t>at, &id, &length)
        return command_table_by_id(id)
    command = command_table_find(name)
    return command if command != NULL and command_keeps_name(names, command) else NULL


cdef bint command_names_reach(const CommandNames* names, const Command* command) noexcept nogil:
    cdef size_t at = 0
    cdef uint32_t id, length
    if command_keeps_name(names, command):
        return True
    while at < names.given.length:
        _head(names, at, &id, &length)
        if id == command.id:
            return True
        at += HEAD_BYTES + length
    return False


cdef void _take_away(CommandNames* names, const Command* command, Slice name) noexcept nogil:
    """The name leads to this command, and is to lead nowhere."""
    cdef int64_t at = _place_of(names, name)
    cdef size_t rest
    if at == NOWHERE:
        _set_gone(names, command, True)
        return
    rest = <size_t>at + HEAD_BYTES + name.length
    memmove(names.given.data + at, names.given.data + rest, names.given.length - rest)
    names.given.length -= HEAD_BYTES + name.length


cdef void _give(CommandNames* names, const Command* command, Slice name) noexcept nogil:
    """Requires: room in names.given; the name leads nowhere."""
    cdef uint32_t id = command.id, length = <uint32_t>name.length
    if command_table_find(name) == command:
        _set_gone(names, command, False)
        return
    buffer_append(&names.given, <const char*>&id, 4)
    buffer_append(&names.given, <const char*>&length, 4)
    buffer_append(&names.given, name.data, name.length)


cdef const char* command_names_change(CommandNames* names, Slice old, Slice new) noexcept nogil:
    cdef const Command* command = command_names_find(names, old)
    cdef const Command* other
    if names.fixed:
        return b"commands can be renamed only before the first client is there"
    if command_table_ids() > 64 * COMMAND_NAMES_WORDS or (command == NULL and not _is_absent(old)):
        return b"No such command in rename-command"
    if new.length:
        other = command_names_find(names, new)
        # Its present name is free by then.
        if other != NULL and not (other == command and new.length == old.length and _is_same(new.data, old)):
            return b"Target command name already exists"
        if new.length > 0xFFFFFFFFU or not buffer_reserve(&names.given, HEAD_BYTES + new.length):
            names.given.failed = False
            return b"out of memory"
    if command == NULL:
        return NULL              # which nobody reaches by any name
    _take_away(names, command, old)
    if new.length:
        _give(names, command, new)
    names.changes += 1
    return NULL
