"""See command_keys.pxd."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport strlen
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.numbers cimport parse_integer
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.command cimport (
    CMD_MOVABLE_KEYS, KEY_ACCESS, KEY_BEGIN_INDEX, KEY_BEGIN_KEYWORD, KEY_BEGIN_UNKNOWN, KEY_FIND_KEYNUM, KEY_FIND_RANGE, KEY_NOT_KEY,
    KEY_OW, KEY_RO, KEY_RW, KEY_UPDATE, KEY_VARIABLE_FLAGS, Command, KeySpec)


cdef int64_t _streams_begin(const Slice* argv, size_t argc) noexcept nogil:
    """Behind the STREAMS of XREAD and XREADGROUP, whose options are read as the commands read them: a group or a consumer may be
    called "streams" (where Redis takes it for the option). -1: it is not there."""
    cdef size_t at = 1
    while at + 1 < argc:
        if slice_is(argv[at], b"streams"):
            return <int64_t>at + 1
        if slice_is(argv[at], b"group"):
            at += 3
        elif slice_is(argv[at], b"count") or slice_is(argv[at], b"block"):
            at += 2
        else:
            at += 1                  # NOACK; or nothing that they know, and they will say so
    return -1


cdef int64_t _spec_begin(const KeySpec* spec, const Slice* argv, size_t argc) noexcept nogil:
    """Where the specification's keys begin; -1: its keyword is not there."""
    cdef int64_t at, step, end
    if spec.begin_kind == KEY_BEGIN_INDEX:
        return spec.begin_index
    if spec.begin_kind != KEY_BEGIN_KEYWORD:
        return -1
    if spec.begin_keyword[0] == c'S' and slice_is(slice_of(spec.begin_keyword, strlen(spec.begin_keyword)), b"streams"):
        at = _streams_begin(argv, argc)
        if at > spec.begin_from:
            return at            # else the command will be refused, and these are what Redis would call its keys
    if spec.begin_from > 0:
        at = spec.begin_from
        step = 1
        end = <int64_t>argc
    else:
        at = <int64_t>argc + spec.begin_from
        step = -1
        end = 0
    while at > 0 and at < <int64_t>argc and at != end:
        # A keyword as the last word has no key behind it.
        if at + 1 < <int64_t>argc and slice_is(argv[at], spec.begin_keyword):
            return at + 1
        at += step
    return -1


cdef uint32_t _flags_of_fields(const Slice* argv, size_t argc) noexcept nogil:
    """BITFIELD only reads while all of its words are GETs and OVERFLOWs, and well formed."""
    cdef size_t i = 2
    while i < argc:
        if slice_is(argv[i], b"get") and argc - i - 1 >= 2:
            i += 3
        elif slice_is(argv[i], b"overflow") and argc - i - 1 >= 1:
            i += 2
        else:
            return KEY_RW | KEY_ACCESS | KEY_UPDATE
    return KEY_RO | KEY_ACCESS


cdef uint32_t _flags_here(const Command* command, const KeySpec* spec, const Slice* argv, size_t argc) noexcept nogil:
    """What this request does to the keys, where that depends on its words."""
    cdef size_t i
    if not spec.flags & KEY_VARIABLE_FLAGS:
        return spec.flags
    if slice_is(slice_of(command.name, command.name_length), b"bitfield"):
        return _flags_of_fields(argv, argc)
    if not slice_is(slice_of(command.name, command.name_length), b"set"):
        return spec.flags
    for i in range(3, argc):
        if slice_is(argv[i], b"GET"):
            return KEY_RW | KEY_ACCESS | KEY_UPDATE
    return KEY_OW | KEY_UPDATE


cdef int64_t _sort_store(const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    """Where the key of SORT's last STORE is, -1 without one: its specification says no more than that it may be
    anywhere. What BY and GET name is no key of the request."""
    cdef int64_t found = -1
    cdef size_t at = 2
    if not slice_is(slice_of(command.name, command.name_length), b"sort"):
        return -1
    while at < argc:
        if slice_is(argv[at], b"limit"):
            at += 2
        elif slice_is(argv[at], b"get") or slice_is(argv[at], b"by"):
            at += 1
        elif at + 1 < argc and slice_is(argv[at], b"store"):
            at += 1                  # a key may be called "by" or "store" (where Redis takes it for the option)
            found = <int64_t>at
        at += 1
    return found


cdef inline bint _is_georadius(const Command* command) noexcept nogil:
    return command.flags & CMD_MOVABLE_KEYS and command.name_length >= 9 and slice_is(slice_of(command.name, 9), b"georadius")


cdef inline size_t _georadius_options(const Command* command) noexcept nogil:
    """Where the options begin: behind longitude and latitude, or a member."""
    return 6 if command.name_length == 9 else 5


cdef size_t _last_store(const Command* command, const Slice* argv, size_t argc) noexcept nogil:
    """Which word GEORADIUS stores at: the last one that follows a STORE; 0: none."""
    cdef size_t at = _georadius_options(command)
    cdef size_t stored = 0
    while at + 1 < argc:
        if slice_is(argv[at], b"store") or slice_is(argv[at], b"storedist"):
            at += 1
            stored = at
        at += 1
    return stored


cdef int64_t _keys_of_georadius(const Command* command, const Slice* argv, size_t argc, KeyPosition* positions,
                               size_t capacity) noexcept nogil:
    """GEORADIUS and GEORADIUSBYMEMBER where one of their two STOREs is not there: the key, and that of the last one that is. -1 for any
    other command."""
    cdef size_t stored
    if not _is_georadius(command):
        return -1
    stored = _last_store(command, argv, argc)
    if capacity > 0:
        positions[0].index = 1
        positions[0].flags = KEY_RO | KEY_ACCESS
    if stored and capacity > 1:
        positions[1].index = <uint32_t>stored
        positions[1].flags = KEY_OW | KEY_UPDATE
    return 2 if stored else 1


cdef int64_t command_keys(const Command* command, const Slice* argv, size_t argc, KeyPosition* positions,
                          size_t capacity) noexcept nogil:
    cdef int64_t found = 0
    cdef int64_t begin, last, step, at, number
    cdef const KeySpec* spec
    cdef uint32_t i
    for i in range(command.key_spec_count):
        spec = &command.key_specs[i]
        if spec.flags & KEY_NOT_KEY:
            continue
        if spec.begin_kind == KEY_BEGIN_UNKNOWN and spec.flags & KEY_OW:
            begin = _sort_store(command, argv, argc)
            if begin >= 0:
                if <size_t>found < capacity:
                    positions[found].index = <uint32_t>begin
                    positions[found].flags = spec.flags
                found += 1
            continue
        if spec.begin_kind == KEY_BEGIN_UNKNOWN:
            continue
        begin = _spec_begin(spec, argv, argc)
        if begin < 0 or begin >= <int64_t>argc:
            return _keys_of_georadius(command, argv, argc, positions, capacity)
        step = spec.key_step
        if spec.find_kind == KEY_FIND_RANGE:
            if spec.last_key >= 0:
                last = begin + spec.last_key
            elif spec.limit <= 1:
                last = <int64_t>argc + spec.last_key
            else:
                last = begin + (<int64_t>argc - begin) // spec.limit + spec.last_key
        elif spec.find_kind == KEY_FIND_KEYNUM:
            at = begin + spec.keynum_index
            if at >= <int64_t>argc or not parse_integer(argv[at], &number) or number < 1:
                return -1                       # of a command that takes none as well, EVAL: that makes no difference
            begin += spec.first_key
            if number > <int64_t>argc:
                return -1
            last = begin + (number - 1) * step
        else:
            continue
        if begin >= <int64_t>argc or last >= <int64_t>argc or last < begin or step < 1:
            return -1
        at = begin
        while at <= last:
            if <size_t>found < capacity:
                positions[found].index = <uint32_t>at
                positions[found].flags = _flags_here(command, spec, argv, argc)
            found += 1
            at += step
    # Both of GEORADIUS's STOREs were found, each where it stands first: it is the last of them that counts.
    if unlikely(command.flags & CMD_MOVABLE_KEYS) and _is_georadius(command) and <size_t>found < capacity:
        positions[found].index = <uint32_t>_last_store(command, argv, argc)
        positions[found].flags = KEY_OW | KEY_UPDATE
        for i in range(<uint32_t>found):
            if positions[i].index == positions[found].index:
                return found
        found += 1
    return found
