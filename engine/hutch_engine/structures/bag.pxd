"""A bag: a set of members that lives for one command (SUNION, SDIFF), for the least work a member.

Members that lie in a set as a table wants them (set_has_blocks) are borrowed where they are; others are laid behind each other
in pieces of memory that go all at once. The sets must not change meanwhile.
"""
from libc.stdint cimport uint64_t
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.outcome cimport Outcome
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.set cimport SetVisitor
from hutch_engine.structures.table cimport Table

cdef struct BagPiece:
    BagPiece* next
    size_t bytes                 # of this block, header included

cdef struct Bag:
    Table table                  # entries: borrowed, or in a piece
    BagPiece* pieces             # owned
    char* free                   # in the first piece
    char* end

cdef void bag_init(Bag* bag, Heap* heap, const HashKey* hash_key, uint64_t expected) noexcept nogil
"""Make an empty bag, with room for `expected` members as far as memory allows. heap and hash_key are borrowed and must outlive
it."""
cdef void bag_clear(Bag* bag) noexcept nogil
"""Free the bag's memory; borrowed members stay where they are. O(pieces and buckets)."""
cdef Outcome bag_add(Bag* bag, Slice member, bint in_table) noexcept nogil
"""OK, EXISTS or NO_MEMORY. in_table: `member` is what set_each says of a set with set_has_blocks."""
cdef bint bag_remove(Bag* bag, Slice member) noexcept nogil
"""Remove a member; was it there? O(its length)."""
cdef uint64_t bag_length(const Bag* bag) noexcept nogil
"""How many members it has. O(1)."""
cdef bint bag_each(Bag* bag, SetVisitor visit, void* context) noexcept nogil
"""Visit every member once. False if the visitor stopped it."""
