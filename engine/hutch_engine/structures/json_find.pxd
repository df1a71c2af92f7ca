"""What a JSONPath finds in a document, and how to get there again.

Values are found in the order in which RedisJSON has them: level by level of a path, and with .. a value before what lies below it.
A *way* is kept where values are to be changed: by its steps a place is found again after others have been changed.
"""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.hash cimport HashKey
from hutch_engine.base.memory cimport Heap
from hutch_engine.base.slice cimport Slice
from hutch_engine.structures.json_path cimport JsonPath
from hutch_engine.structures.json_value cimport JsonWord

cdef enum:
    MATCHES_KEPT = 8

cdef struct JsonStep:            # of the way from the root to a value
    JsonWord key                 # of a member: one reference is ours; JSON_NONE: an element
    uint32_t index

cdef struct JsonMatches:
    size_t count
    JsonWord[MATCHES_KEPT] kept  # the first ones ...
    Buffer more                  # ... and the others
    bint with_ways
    bint refused                 # memory: some are missing
    Heap* heap                   # borrowed: of the keys in steps
    Buffer ends                  # how many steps there are up to the end of each way (size_t)
    Buffer steps

cdef bint json_find_plain(Slice path, JsonWord root, const HashKey* hash_key, JsonWord* word_out) noexcept nogil
"""A path of nothing but names ($.user.address.city) followed as it is read. False: it is of another kind. *word_out is JSON_NONE where
nothing is found. O(steps)."""
cdef void json_find_all(const JsonPath* path, JsonWord root, const HashKey* hash_key, JsonMatches* matches, bint with_ways,
                         Heap* heap) noexcept nogil
"""Find all values, in document order as RedisJSON has it. with_ways: and how to get there. The words are borrowed from the document.
`matches` is to be cleared; matches.refused: memory was short."""
cdef void json_find_owner(const JsonPath* path, JsonWord root, const HashKey* hash_key, JsonMatches* matches,
                               Heap* heap) noexcept nogil
"""The same without the last step of a static path, which has one: where a new member is to be put, with ways."""
cdef void json_matches_clear(JsonMatches* matches) noexcept nogil
"""Free what they own."""
cdef inline JsonWord json_match(const JsonMatches* matches, size_t index) noexcept nogil:
    """The value found at this place of the row."""
    return matches.kept[index] if index < MATCHES_KEPT else (<const JsonWord*>matches.more.data)[index - MATCHES_KEPT]

cdef inline JsonStep* json_match_way(const JsonMatches* matches, size_t index, size_t* count_out) noexcept nogil:
    """The steps that lead there, borrowed."""
    cdef const size_t* ends = <const size_t*>matches.ends.data
    cdef size_t begin = ends[index - 1] if index else 0
    count_out[0] = ends[index] - begin
    return <JsonStep*>matches.steps.data + begin

cdef JsonWord* json_follow(JsonWord* root, const JsonStep* steps, size_t count, const HashKey* hash_key) noexcept nogil
"""The slot at the end of a way, or NULL: it is not there any more, or what holds it is packed. O(steps)."""
cdef int64_t json_step_position(JsonWord owner, const JsonStep* step, const HashKey* hash_key) noexcept nogil
"""Which element or member of `owner` the step leads to; -1: none."""
