"""What the JSON commands share: documents, paths, values from words, places where values are changed, and replies.

The order of the checks and the texts are RedisJSON's. A path that is not given is the legacy root, which replies show.
"""
from libc.stdint cimport int64_t, uint32_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Entry
from hutch_engine.keyspace.keyspace cimport keyspace_maker
from hutch_engine.structures.json_find cimport JsonMatches
from hutch_engine.structures.json_path cimport JsonPath
from hutch_engine.structures.json_value cimport JsonMaker, JsonWord
from hutch_engine.structures.table cimport TableSlot

cdef struct JsonQuery:           # a path's values in a document
    JsonPath path
    JsonMatches matches
    Entry* entry                 # borrowed; NULL: no such key
    TableSlot slot               # where it lies, if it was opened for a change
    bint open                    # path and matches are to be cleared
    bint refused                 # memory was; else the path was none

cdef struct JsonPlace:           # where a value is to be changed
    JsonWord* owner              # the slot of what holds it; NULL: it is the root
    JsonWord* slot               # its own; NULL: a number in a packed array
    uint32_t position
    JsonWord word                # the value, borrowed

cdef inline JsonMaker json_maker(const Call* call) noexcept nogil:
    """What new values are made with; it lives as long as the keyspace."""
    cdef JsonMaker maker
    maker.heap = call.keyspace.heap
    maker.hash_key = &call.keyspace.hash_key
    return maker

cdef inline bint json_path_is_modern(Slice path) noexcept nogil:
    """Does it begin as no legacy path does? It may be wrong all the same."""
    return path.length > 0 and path.data[0] == c'$' and (path.length == 1 or path.data[1] == c'.' or path.data[1] == c'[')

cdef Slice json_path_word(const Call* call, size_t index) noexcept nogil
"""The word that is the path, or "." where there is none."""
cdef bint json_open(Call* call, size_t index, bint for_change, JsonQuery* query) noexcept nogil
"""Look up the document of key argv[index]. False: the key holds something else, and the error was written. query.entry is NULL where
there is no key."""
cdef bint json_query(Call* call, JsonQuery* query, Slice path, bint with_ways) noexcept nogil
"""Find a path's values in the document that was opened; json_query_clear afterwards. False: no path, or refused memory; the error was
written and there is nothing to clear."""
cdef bint json_finds_nothing(Slice path) noexcept nogil
"""Is it a legacy path that does not compile? JSON.TYPE, JSON.OBJKEYS and JSON.OBJLEN answer as if it found nothing. O(length)."""
cdef void json_query_clear(JsonQuery* query) noexcept nogil
"""Free path and matches, if there are some."""
cdef JsonWord json_value_word(Call* call, size_t index, bint whole, const char* code, uint32_t* depth_out) noexcept nogil
"""The value that argv[index] spells, owned by the caller. JSON_NONE: the error was written, with `code` in front. `whole`: nothing may
stand behind it."""
cdef bint json_is_text(Call* call, size_t index) noexcept nogil
"""Is argv[index] UTF-8? Else the error is written."""
cdef bint json_position_word(Call* call, size_t index, int64_t* value_out) noexcept nogil
"""argv[index] as an integer; else the error is written."""

cdef bint json_place(JsonQuery* query, size_t index, const JsonMaker* maker, JsonPlace* place_out) noexcept nogil
"""Where the match at `index` lies now. False: it is gone with another one that was changed before it."""
cdef bint json_place_put(const JsonMaker* maker, JsonWord* root, JsonPlace* place, JsonWord word) noexcept nogil
"""Another value there, which owns the word from now on; the old one is freed. False: memory was refused, nothing has changed."""
cdef size_t json_places_need(JsonQuery* query, const JsonMaker* maker, size_t each) noexcept nogil
"""How much memory it may take to put values of `each` bytes into all places."""
cdef bint json_promise(Call* call, size_t count, size_t bytes) noexcept nogil
"""Before so many places are changed: memory for all of them, until heap_promise_end; for one place there is no need, since it is
changed or it is not. False: the error was written."""
cdef bint json_fits(Call* call, size_t steps, uint32_t depth) noexcept nogil
"""May a value of so many levels be put behind so many steps? Else the error is written."""

cdef void json_changed(Call* call, size_t index, const char* event) noexcept nogil
"""The end of a change: touched, an event of the module's class, one more dirty."""
cdef void json_reply_value(Call* call, JsonWord word) noexcept nogil
"""Reply with the compact text as a bulk string."""
cdef void json_reply_expanded(Call* call, JsonWord word) noexcept nogil
"""Reply with the value as RESP3 has such: maps, arrays, numbers, strings, truth values, null."""
cdef size_t json_bulk_begin(Call* call) noexcept nogil
"""Where a bulk string begins whose bytes are appended to the reply's buffer next."""
cdef void json_bulk_end(Call* call, size_t begin) noexcept nogil
"""The bulk string that began there ends; its header is put in front."""
cdef void json_error_path(Call* call, Slice path, const char* what) noexcept nogil
"""The error "ERR Path '...' does not exist", with `what` behind it."""
cdef void json_error_kind(Call* call, const char* wanted, JsonWord found) noexcept nogil
"""The error of a value of another type than is wanted."""
cdef void json_error_no_key(Call* call) noexcept nogil
"""The error of a command that needs a document and has none."""
cdef bint json_no_key(Call* call, Slice path) noexcept nogil
"""Is it a legacy path, for which reading commands answer null where there is no key? Else the error was written."""
