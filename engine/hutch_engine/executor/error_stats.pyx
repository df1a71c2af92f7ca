"""See error_stats.pxd."""
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memcpy, memmove, memset
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_text, buffer_clear,
                                       buffer_init, buffer_slice)
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_of_text
from hutch_engine.state.config cimport LOG_WARNING
from hutch_engine.state.engine cimport Engine, ErrorStat
from hutch_engine.state.log cimport log_write

cdef enum:
    ERROR_NAMES = 128            # Engine.statistics.errors
    NAME_MAX = 30                # an error whose first word is longer counts as an ERR


cdef Slice _name_of(Slice text) noexcept nogil:
    cdef size_t i
    for i in range(min(text.length, <size_t>NAME_MAX + 1)):
        if text.data[i] == c' ':
            text.length = i
            return text
        if text.data[i] == c'\r':
            break
    return slice_of_text(b"ERR")


cdef inline bint _is(const ErrorStat* stat, Slice name) noexcept nogil:
    return memcmp(stat.name, name.data, name.length) == 0 and stat.name[name.length] == 0


cdef void _append_name(const ErrorStat* stat, Buffer* out) noexcept nogil:
    """Without what would end the line, or part it elsewhere."""
    cdef size_t i = 0
    cdef char c
    while stat.name[i]:
        c = stat.name[i]
        if c == c'#' or c == c':' or c == c'\n' or c == c'\r':
            c = c'_'
        buffer_append(out, &c, 1)
        i += 1


cdef void _stop(Engine* engine) noexcept nogil:
    cdef Buffer line
    cdef uint32_t i
    buffer_init(&line, NULL)
    log_write(engine, LOG_WARNING, slice_of_text(
        b"Errorstats stopped adding new errors because the number of errors reached the limit, may be misuse of lua "
        b"error_reply, please check INFO ERRORSTATS, this can be re-enabled via CONFIG RESETSTAT."))
    buffer_append_text(&line, b"Current errors code list: ")
    for i in range(engine.statistics.error_count):
        if i:
            buffer_append(&line, b", ", 2)
        buffer_append_text(&line, engine.statistics.errors[i].name)
    log_write(engine, LOG_WARNING, buffer_slice(&line))
    buffer_clear(&line)
    # Redis frees them in the background, where its tests look for them.
    engine.keyspace.lazy_freed += engine.statistics.error_count
    engine.statistics.error_count = 0
    _add(engine, slice_of_text(b"ERRORSTATS_DISABLED"))
    engine.statistics.errors_stopped = True


cdef void _add(Engine* engine, Slice name) noexcept nogil:
    """A name that is not there, in its place. There is room."""
    cdef uint32_t at = 0
    cdef ErrorStat* stat
    cdef int order
    while at < engine.statistics.error_count:
        stat = &engine.statistics.errors[at]
        order = memcmp(name.data, stat.name, name.length)
        if order < 0 or order == 0:          # a shorter one comes first
            break
        at += 1
    stat = &engine.statistics.errors[at]
    memmove(stat + 1, stat, (engine.statistics.error_count - at) * sizeof(ErrorStat))
    memcpy(stat.name, name.data, name.length)
    stat.name[name.length] = 0
    stat.count = 1
    engine.statistics.error_count += 1


cdef void error_stats_count(Engine* engine, Slice text) noexcept nogil:
    cdef Slice name
    cdef uint32_t i
    engine.statistics.error_replies += 1
    if unlikely(engine.statistics.errors_stopped):
        return
    name = _name_of(text)
    for i in range(engine.statistics.error_count):
        if _is(&engine.statistics.errors[i], name):
            engine.statistics.errors[i].count += 1
            return
    if engine.statistics.error_count == ERROR_NAMES:
        _stop(engine)
    else:
        _add(engine, name)


cdef void error_stats_clear(Engine* engine) noexcept nogil:
    memset(engine.statistics.errors, 0, sizeof(engine.statistics.errors))
    engine.statistics.error_count = 0
    engine.statistics.error_replies = 0
    engine.statistics.errors_stopped = False


cdef void error_stats_append(const Engine* engine, Buffer* out) noexcept nogil:
    cdef uint32_t i
    for i in range(engine.statistics.error_count):
        buffer_append_text(out, b"errorstat_")
        _append_name(&engine.statistics.errors[i], out)
        buffer_append_text(out, b":count=")
        buffer_append_integer(out, <long long>engine.statistics.errors[i].count)
        buffer_append(out, b"\r\n", 2)
