"""See oom_score.pxd."""
from libc.errno cimport errno
from libc.stdint cimport int64_t
from libc.stdio cimport FILE, fclose, fgets, fopen, fprintf
from libc.stdlib cimport atoi
from libc.string cimport strerror
from hutch_engine.base.buffer cimport Buffer, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.state.config cimport LOG_WARNING, Config
from hutch_engine.state.engine cimport Engine
from hutch_engine.state.log cimport log_write

cdef enum:
    OOM_SCORE_MAX = 1000         # the system's

cdef const char* PLACE = b"/proc/self/oom_score_adj"

# Of the process, as its score is: a process has one server whose configuration may move it.
cdef bint _moved = False         # the score is ours ...
cdef int64_t _base = 0           # ... and was this before


cdef void _log_failure(Engine* engine, const char* what, int why) noexcept nogil:
    cdef Buffer line
    buffer_init(&line, NULL)
    buffer_append_text(&line, what)
    buffer_append_text(&line, strerror(why))
    log_write(engine, LOG_WARNING, buffer_slice(&line))
    buffer_clear(&line)


cdef bint _read(Engine* engine, int64_t* score_out) noexcept nogil:
    cdef char[32] text
    cdef bint good
    cdef FILE* file = fopen(PLACE, b"re")
    if file == NULL:
        _log_failure(engine, b"Unable to read oom_score_adj: ", errno)
        return False
    good = fgets(text, sizeof(text), file) != NULL
    if good:
        score_out[0] = atoi(text)
    else:
        _log_failure(engine, b"Unable to read oom_score_adj: ", errno)
    fclose(file)
    return good


cdef bint _write(Engine* engine, int64_t score) noexcept nogil:
    cdef int why = 0
    cdef FILE* file = fopen(PLACE, b"we")
    if file == NULL:
        why = errno
    else:
        if fprintf(file, b"%d\n", <int>score) < 0:
            why = errno
        if fclose(file) != 0:        # here it is written
            why = errno
    if why:
        _log_failure(engine, b"Unable to write oom_score_adj: ", why)
    return why == 0


cdef int64_t _score(const Config* config) noexcept nogil:
    """Of a master: Hutch is no replica, and has no child that saves."""
    cdef int64_t score = config.oom_score_adj_values[0] + (_base if config.oom_score_adj != OOM_ABSOLUTE else 0)
    return -OOM_SCORE_MAX if score < -OOM_SCORE_MAX else (OOM_SCORE_MAX if score > OOM_SCORE_MAX else score)


cdef bint oom_score_set(Engine* engine, Buffer* error_out) noexcept nogil:
    global _moved, _base
    cdef Config* config = &engine.config
    cdef bint good = True
    if config.oom_score_adj == OOM_RELATIVE:
        config.oom_score_adj = OOM_YES
    if not engine.logs_to_output:
        good = config.oom_score_adj == OOM_ALONE
        if not good:
            buffer_append_text(error_out, b"oom-score-adj is for the process of a server: this one is its host's")
        return good
    if config.oom_score_adj != OOM_ALONE:
        if not _moved:
            good = _read(engine, &_base)
        good = good and _write(engine, _score(config))
        _moved = good
    elif _moved:
        _moved = False
        good = _write(engine, _base)
    if not good:
        buffer_append_text(error_out, b"Failed to apply new oom_score_adj configuration, check server logs.")
    return good
