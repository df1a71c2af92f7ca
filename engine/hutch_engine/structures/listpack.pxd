"""Listpack: a run of strings and integers in one block, byte for byte Redis's format (RDB files hold it).

    offset  size  what
      0      4    total bytes, little endian, this header and the end mark included
      4      2    number of elements, or 65535: count them
      6     ...   elements: encoding byte(s), data, and the element's length again, 7 bits a byte, to be
                  read backwards
      end    1    0xFF

    first byte           what follows
    0xxxxxxx             unsigned 7-bit integer
    10xxxxxx             string of up to 63 bytes
    110xxxxx +1          signed 13-bit integer
    1110xxxx +1          string of up to 4095 bytes
    F1 / F2 / F3 / F4    signed 16-, 24-, 32-, 64-bit integer, little endian
    F0 +4                string with a 32-bit length

(Format: antirez's listpack specification.) A listpack is one heap block of exactly `listpack_bytes`; functions
that change it return its new address, or NULL when a bigger block was refused (then it is unchanged).
Positions are pointers to an element; NULL stands for "none". Strings that spell an integer (parse_integer) are
stored as one. Total size stays below 1 GiB: LISTPACK_SAFE_BYTES is checked by callers.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice

cdef enum:
    LISTPACK_HEADER_BYTES = 6
    LISTPACK_END = 0xFF
    LISTPACK_SAFE_BYTES = 1 << 30
    LISTPACK_ELEMENT_EXTRA = 14          # what an element takes beside its bytes, at most
    LISTPACK_BEFORE = 0
    LISTPACK_AFTER = 1

ctypedef uint8_t Listpack

cdef struct ListpackValue:
    Slice bytes                  # borrowed from the listpack; data NULL for an integer
    int64_t integer

cdef Listpack* listpack_new(Heap* heap) noexcept nogil
"""Make an empty listpack, which the caller owns; never NULL."""
cdef void listpack_free(Heap* heap, Listpack* pack) noexcept nogil
"""Free the block. NULL is allowed."""
cdef size_t listpack_bytes(const Listpack* pack) noexcept nogil
"""The size of the block in bytes. O(1)."""
cdef uint64_t listpack_length(const Listpack* pack) noexcept nogil
"""How many elements it has. O(1) below 65535 elements, else O(n)."""
cdef uint8_t* listpack_first(const Listpack* pack) noexcept nogil
"""The first element, or NULL when there is none. O(1)."""
cdef uint8_t* listpack_last(const Listpack* pack) noexcept nogil
"""The last element, or NULL when there is none. O(1)."""
cdef uint8_t* listpack_next(const Listpack* pack, const uint8_t* at) noexcept nogil
"""The element behind this one, or NULL. O(1)."""
cdef uint8_t* listpack_previous(const Listpack* pack, const uint8_t* at) noexcept nogil
"""The element before this one, or NULL. O(1)."""
cdef uint8_t* listpack_seek(const Listpack* pack, int64_t index) noexcept nogil
"""The element at index, negative from the end; NULL out of range. O(n), from the nearer end."""
cdef ListpackValue listpack_get(const uint8_t* at) noexcept nogil
"""What the element holds: a string, borrowed from the listpack, or a number (then bytes.data is NULL)."""
cdef Slice listpack_text(const uint8_t* at, char* scratch) noexcept nogil
"""The element's bytes; an integer's digits are written to scratch (INTEGER_TEXT_MAX)."""
cdef bint listpack_is(const uint8_t* at, Slice text) noexcept nogil
"""Does the element spell `text`? O(its length)."""
cdef uint8_t* listpack_find(const Listpack* pack, uint8_t* start, Slice text, uint32_t skip) noexcept nogil
"""The first element from `start` on that spells text, comparing one and skipping `skip` in turn (1 for
fields with values between them). NULL if none. O(n)."""
cdef Listpack* listpack_insert(Heap* heap, Listpack* pack, Slice text, uint8_t* at, int where, uint8_t** new_at_out) noexcept nogil
"""Put text before or after the element `at` (LISTPACK_BEFORE / AFTER). O(bytes of the block)."""
cdef Listpack* listpack_append(Heap* heap, Listpack* pack, Slice text) noexcept nogil
"""Put text behind the last element. Returns the new address; NULL, and nothing is changed, when refused. O(its length), and
the block's when it is moved."""
cdef Listpack* listpack_prepend(Heap* heap, Listpack* pack, Slice text) noexcept nogil
"""Put text before the first element. Returns the new address; NULL, and nothing is changed, when refused. O(bytes of the
block)."""
cdef Listpack* listpack_replace(Heap* heap, Listpack* pack, uint8_t** at, Slice text) noexcept nogil
"""Put text in the place of the element *at, which points at its new place afterwards. O(bytes of the block)."""
cdef Listpack* listpack_delete(Heap* heap, Listpack* pack, uint8_t* at, uint8_t** next_out) noexcept nogil
"""Delete the element `at`. Never NULL. *next_out (if given) is the element that followed, or NULL. O(bytes of the block)."""
cdef Listpack* listpack_delete_range(Heap* heap, Listpack* pack, int64_t index, uint64_t count) noexcept nogil
"""Delete up to `count` elements from this index on, negative from the end; an index out of range deletes nothing. Returns the
new address, never NULL. O(n)."""
cdef Listpack* listpack_delete_run(Heap* heap, Listpack* pack, uint8_t** at, uint64_t count) noexcept nogil
"""`count` elements from *at on; *at is then what followed, or NULL."""
cdef Listpack* listpack_append_pack(Heap* heap, Listpack* pack, const Listpack* other) noexcept nogil
"""All elements of other behind those of pack (merging nodes)."""
cdef Listpack* listpack_copy(Heap* heap, const Listpack* pack) noexcept nogil
"""Make a copy, which the caller owns; NULL when refused. O(bytes)."""
cdef size_t listpack_element_bytes(Slice text) noexcept nogil
"""How many bytes text would take as an element. O(its length)."""
cdef size_t listpack_write(uint8_t* out, Slice text) noexcept nogil
"""The element that text would be, to `out`, which has room for text and LISTPACK_ELEMENT_EXTRA bytes; its size. For whoever
writes a listpack somewhere else than in the heap."""
cdef size_t listpack_write_integer(uint8_t* out, int64_t value) noexcept nogil
"""Write the element that a number would be, as listpack_write does; returns its size."""
cdef bint listpack_is_valid(const uint8_t* bytes, size_t size, bint deep) noexcept nogil
"""Bytes from a file or peer: is this a listpack? With deep every element is walked, both ways."""
cdef void listpack_check(const Listpack* pack) noexcept nogil
"""Verify that a listpack of our own is one (listpack_is_valid); panics in checks builds. O(n)."""
