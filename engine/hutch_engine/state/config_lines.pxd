"""Lines and files of a redis.conf: words and quotes, and what each line sets."""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.config cimport Config

cdef bint config_parse_line(Config* config, Slice line, uint64_t* changed_out, Buffer* error_out) noexcept nogil
"""One line of a redis.conf (CONFIG_AT_START); blank lines and comments do nothing."""
cdef bint config_load_file(Config* config, const char* path, uint64_t* changed_out, Buffer* error_out) noexcept nogil
"""All lines of a file; it becomes Config.config_file. The error names the line."""
cdef bint config_split_words(Slice line, Buffer* storage, Slice* words, size_t limit, size_t* count_out) noexcept nogil
"""Cut a line into words by Redis's quoting rules; the words lie in `storage`. False on unbalanced quotes or
more than `limit` words."""
