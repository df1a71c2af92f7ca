"""See config_lines.pxd."""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init, buffer_reserve
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.command_names cimport command_names_change
from hutch_engine.state.config cimport (CHANGED_NAMES, CONFIG_AT_START, CONFIG_FROM_FILE, PARAMETER_MULTI, Config, Parameter,
                                         config_refuse, config_set_words)
from hutch_engine.state.config_table cimport config_find

cdef enum:
    WORDS_MAX = 64


cdef bint _is_space(char c) noexcept nogil:
    return c == c' ' or c'\t' <= c <= c'\r'


cdef int _hex_digit(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    c |= 32
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    return -1


cdef char _escaped(char c) noexcept nogil:
    if c == c'n':
        return c'\n'
    if c == c'r':
        return c'\r'
    if c == c't':
        return c'\t'
    if c == c'b':
        return c'\b'
    if c == c'a':
        return 7
    return c


cdef bint config_split_words(Slice line, Buffer* storage, Slice* words, size_t limit, size_t* count_out) noexcept nogil:
    cdef size_t i = 0, count = 0
    cdef char* out
    cdef char* start
    cdef char quote
    cdef char c
    count_out[0] = 0
    # A word is never longer than its spelling: one reservation, and the words' addresses stay.
    if not buffer_reserve(storage, line.length + 1):
        return False
    out = storage.data + storage.length
    while True:
        while i < line.length and _is_space(line.data[i]):
            i += 1
        if i == line.length:
            break
        if count == limit:
            return False
        start = out
        quote = 0
        while i < line.length:
            c = line.data[i]
            if quote == c'"':
                if c == c'\\' and i + 3 < line.length and line.data[i + 1] == c'x' and \
                        _hex_digit(line.data[i + 2]) >= 0 and _hex_digit(line.data[i + 3]) >= 0:
                    out[0] = <char>(_hex_digit(line.data[i + 2]) * 16 + _hex_digit(line.data[i + 3]))
                    out += 1
                    i += 3
                elif c == c'\\' and i + 1 < line.length:
                    i += 1
                    out[0] = _escaped(line.data[i])
                    out += 1
                elif c == c'"':
                    if i + 1 < line.length and not _is_space(line.data[i + 1]):
                        return False
                    quote = 0
                    i += 1
                    break
                else:
                    out[0] = c
                    out += 1
            elif quote == c"'":
                if c == c'\\' and i + 1 < line.length and line.data[i + 1] == c"'":
                    i += 1
                    out[0] = c"'"
                    out += 1
                elif c == c"'":
                    if i + 1 < line.length and not _is_space(line.data[i + 1]):
                        return False
                    quote = 0
                    i += 1
                    break
                else:
                    out[0] = c
                    out += 1
            elif _is_space(c):
                break
            elif c == c'"' or c == c"'":
                quote = c
            else:
                out[0] = c
                out += 1
            i += 1
        if quote:
            return False
        words[count] = slice_of(start, <size_t>(out - start))
        count += 1
    storage.length = <size_t>(out - storage.data)
    count_out[0] = count
    return True


cdef const char* _refusal(Slice directive) noexcept nogil:
    """Directives of a redis.conf that are no parameters, and why they cannot be followed."""
    if slice_is(directive, b"include"):
        return b"include is for files: this line is none of one"
    if slice_is(directive, b"loadmodule"):
        return b"Hutch loads no modules"
    if slice_is(directive, b"user"):
        return b"ACL users are not supported yet: use requirepass"
    return NULL


cdef bint _rename(Config* config, Slice old, Slice new, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef const char* problem = command_names_change(&config.names, old, new)
    if problem != NULL:
        return config_refuse(error_out, problem)
    changed_out[0] |= CHANGED_NAMES
    return True


cdef bint _is_obsolete(Slice directive) noexcept nogil:
    """Redis 8 still reads these names, and ignores them."""
    return slice_is(directive, b"list-max-ziplist-entries") or slice_is(directive, b"list-max-ziplist-value") or \
        slice_is(directive, b"lua-replicate-commands") or slice_is(directive, b"io-threads-do-reads")


cdef bint _parse_words(Config* config, Slice* words, size_t count, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef const Parameter* parameter
    cdef Buffer storage
    cdef Slice[WORDS_MAX] inner
    cdef size_t inner_count
    cdef const char* refusal = _refusal(words[0])
    cdef bint good
    if refusal != NULL:
        return config_refuse(error_out, refusal)
    if _is_obsolete(words[0]) and count == 2:
        return True
    if slice_is(words[0], b"rename-command") and count == 3:
        return _rename(config, words[1], words[2], changed_out, error_out)
    parameter = config_find(words[0])
    if parameter == NULL:
        return config_refuse(error_out, b"Bad directive or wrong number of arguments")
    if not parameter.flags & PARAMETER_MULTI and count != 2:
        return config_refuse(error_out, b"wrong number of arguments")
    if not parameter.flags & PARAMETER_MULTI or count != 2 or words[1].length == 0:
        return config_set_words(config, parameter, words + 1, count - 1, CONFIG_AT_START | CONFIG_FROM_FILE, changed_out,
                                error_out)
    # All words of the value in one, quoted: `--bind "127.0.0.1 -::1"` of a command line.
    buffer_init(&storage, NULL)
    if not config_split_words(words[1], &storage, inner, WORDS_MAX, &inner_count):
        inner_count = 0
    good = config_set_words(config, parameter, inner, inner_count, CONFIG_AT_START | CONFIG_FROM_FILE, changed_out,
                            error_out)
    buffer_clear(&storage)
    return good


cdef bint config_parse_line(Config* config, Slice line, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef Buffer storage
    cdef Slice[WORDS_MAX] words
    cdef size_t count, start = 0
    cdef bint good = True
    while start < line.length and _is_space(line.data[start]):
        start += 1
    if start == line.length or line.data[start] == c'#':
        return True
    buffer_init(&storage, NULL)
    if not config_split_words(line, &storage, words, WORDS_MAX, &count):
        good = config_refuse(error_out, b"Unbalanced quotes in configuration line")
    elif count:
        good = _parse_words(config, words, count, changed_out, error_out)
    buffer_clear(&storage)
    return good
