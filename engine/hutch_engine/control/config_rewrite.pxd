"""CONFIG REWRITE: a redis.conf that says what is in force by now, and looks as its owner left it."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.config cimport Config

cdef bint config_rewrite(const Config* config, bint all_of_it, Buffer* error_out) noexcept nogil
"""Write Config.config_file anew, in one step. False, with the system's reason, when that cannot be."""
cdef bint config_rewritten(const Config* config, Slice old, bint all_of_it, Buffer* out) noexcept nogil
"""The file's new text. Comments and order stay; a parameter's first line gets its value, its further lines go; what is not
at its default and has no line is appended; with `all_of_it` even what is. False when memory was refused."""
