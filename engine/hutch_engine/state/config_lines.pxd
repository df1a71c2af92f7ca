"""Lines of a redis.conf: words and quotes, and what each line sets. Files are cli_config's, which follows includes."""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.state.config cimport Config

cdef bint config_parse_line(Config* config, Slice line, uint64_t* changed_out, Buffer* error_out) noexcept nogil
"""Set what one line of a redis.conf says (CONFIG_AT_START); blank lines and comments do nothing. False with the reason in
error_out."""
cdef bint config_split_words(Slice line, Buffer* storage, Slice* words, size_t limit, size_t* count_out) noexcept nogil
"""Cut a line into words by Redis's quoting rules; the words are borrowed from `storage`. False on unbalanced quotes or more
than `limit` words."""
