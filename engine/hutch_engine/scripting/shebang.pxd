"""The first line of a script or a library: #!lua flags=... or #!lua name=...."""
from libc.stdint cimport uint32_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef enum:
    SHEBANG_WORDS = 64
    FLAG_COUNT = 5

cdef struct Shebang:
    bint present
    size_t length                    # of the line, its end not counted
    uint32_t flags                   # SCRIPT_*
    Slice name                       # of a library; inside `storage`

cdef bint shebang_read(Slice text, Shebang* shebang, Buffer* storage, Buffer* error) noexcept nogil
"""The line of a script. False with an error's text (ERR and all). Without such a line the script is a compatible one."""
cdef bint shebang_flag(Slice word, uint32_t* flags) noexcept nogil
"""Add the flag of this name (case matters); False when there is none."""
cdef int shebang_flag_names(uint32_t flags, const char** names_out) noexcept nogil
"""The flags' names in Redis's order (room for FLAG_COUNT); returns how many."""
cdef bint shebang_is_name(Slice name) noexcept nogil
"""May a library or a function be called so?"""
cdef bint shebang_read_library(Slice text, Shebang* shebang, Buffer* storage, Buffer* error) noexcept nogil
"""The line of a library, with its engine and name."""
