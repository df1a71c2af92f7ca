"""Lines as words, by the quoting rules of a redis.conf."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice

cdef bint words_split(Slice line, Buffer* storage, Slice* words, size_t limit, size_t* count_out) noexcept nogil
"""Cut a line into words by Redis's quoting rules; the words are borrowed from `storage`. False on unbalanced quotes or more
than `limit` words."""
