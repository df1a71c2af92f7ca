"""See words.pxd."""
from hutch_engine.base.buffer cimport Buffer, buffer_reserve
from hutch_engine.base.slice cimport Slice, slice_of


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


cdef bint words_split(Slice line, Buffer* storage, Slice* words, size_t limit, size_t* count_out) noexcept nogil:
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
