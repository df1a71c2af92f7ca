"""Bytes that are written while Python objects are looked at: on the stack as long as they are few, in a block of their own beyond. Needs the GIL."""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stddef cimport size_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy
from hutch_engine.base.compiler cimport likely

cdef enum:
    OUTPUT_SCRATCH = 1024            # bytes; most values fit

cdef struct Output:
    char* data                       # `scratch`, or a block that is owned
    size_t length
    size_t capacity
    char[OUTPUT_SCRATCH] scratch

cdef inline void output_init(Output* out) noexcept:
    """Nothing is written yet. It must not be moved, and wants output_clear."""
    out.data = &out.scratch[0]
    out.length = 0
    out.capacity = OUTPUT_SCRATCH

cdef inline int output_reserve(Output* out, size_t bytes) except -1:
    """Make room for so many more; MemoryError when there is none."""
    cdef size_t wanted = out.length + bytes
    cdef size_t capacity
    cdef void* data
    if likely(wanted <= out.capacity):
        return 0
    capacity = wanted + (wanted >> 1)
    data = realloc(NULL if out.data == &out.scratch[0] else out.data, capacity)
    if data == NULL:
        raise MemoryError()
    if out.data == &out.scratch[0]:
        memcpy(data, out.data, out.length)
    out.data = <char*>data
    out.capacity = capacity
    return 0

cdef inline char* output_room(Output* out, size_t bytes) except NULL:
    """Where the next `bytes` are to be written, which count as written; MemoryError when there is no room."""
    output_reserve(out, bytes)
    out.length += bytes
    return out.data + out.length - bytes

cdef inline int output_put(Output* out, const char* data, size_t count) except -1:
    """Write these; MemoryError when there is no room."""
    output_reserve(out, count)
    memcpy(out.data + out.length, data, count)
    out.length += count
    return 0

cdef inline bytes output_bytes(const Output* out):
    """A copy of what was written."""
    return PyBytes_FromStringAndSize(out.data, <Py_ssize_t>out.length)

cdef inline void output_clear(Output* out) noexcept:
    """Free its block, if it has one."""
    if out.data != &out.scratch[0]:
        free(out.data)
