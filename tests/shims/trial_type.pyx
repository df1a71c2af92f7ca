"""A value type that the engine does not have: two counters, or a row of them. It shows how little a new type touches: this
file is all of it, the row included (docs/adding-a-type.md). Importing it adds the type to all engines of the process.

    pair     one block of two counters
    chain    a header and a block for each counter, so that there is something to free in slices

In RDB it is a module's type: how many counters, then each of them.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.digest cimport Digest, digest_mix
from hutch_engine.base.memory cimport Heap, heap_block_bytes, heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.door.engine cimport Engine
from hutch_engine.formats.rdb_module cimport (
    module_number, module_read_signed, module_read_unsigned, module_write_signed, module_write_unsigned)
from hutch_engine.keyspace.entry cimport Entry, Value, entry_encoding, entry_pointer, value_of_pointer
from hutch_engine.keyspace.keyspace cimport keyspace_add, keyspace_hash
from hutch_engine.keyspace.value_type cimport DEBUG_DETAILS_MAX, RdbReader, ValueMaker, ValueType
from hutch_engine.keyspace.value_types cimport value_type_add
from hutch_engine.state.engine cimport Engine as EngineStruct

cdef enum:
    TYPE_TRIAL = 14
    TRIAL_PAIR = 0               # encodings
    TRIAL_CHAIN = 1
    VERSION = 3                  # of what is written to RDB

cdef struct TrialBlock:
    TrialBlock* next
    int64_t counter

cdef struct TrialChain:
    TrialBlock* first            # owned
    uint64_t length

cdef int64_t _live_blocks = 0    # of all engines; tests have one at a time


# ---- the structure

cdef void* _block(Heap* heap, size_t bytes) noexcept nogil:
    global _live_blocks
    cdef void* block = heap_try_alloc(heap, bytes)
    if block != NULL:
        _live_blocks += 1
    return block


cdef void _block_free(Heap* heap, void* block, size_t bytes) noexcept nogil:
    global _live_blocks
    _live_blocks -= 1
    heap_free(heap, block, bytes)


cdef uint64_t _count(uint8_t encoding, const void* pointer) noexcept nogil:
    return 2 if encoding == TRIAL_PAIR else (<const TrialChain*>pointer).length


cdef bint _free_some(Heap* heap, uint8_t encoding, void* pointer, uint64_t steps) noexcept nogil:
    cdef TrialChain* chain = <TrialChain*>pointer
    cdef TrialBlock* block
    if encoding == TRIAL_PAIR:
        _block_free(heap, pointer, 2 * sizeof(int64_t))
        return False
    while chain.first != NULL:
        if steps == 0:
            return True
        block = chain.first
        chain.first = block.next
        _block_free(heap, block, sizeof(TrialBlock))
        steps -= 1
    _block_free(heap, chain, sizeof(TrialChain))
    return False


cdef void _free(Heap* heap, uint8_t encoding, void* pointer) noexcept nogil:
    _free_some(heap, encoding, pointer, <uint64_t>-1)


cdef uint64_t _effort(uint8_t encoding, const void* pointer) noexcept nogil:
    return 1 if encoding == TRIAL_PAIR else (<const TrialChain*>pointer).length + 1


cdef TrialChain* _chain_new(Heap* heap) noexcept nogil:
    cdef TrialChain* chain = <TrialChain*>_block(heap, sizeof(TrialChain))
    if chain != NULL:
        chain.first = NULL
        chain.length = 0
    return chain


cdef TrialBlock** _chain_add(Heap* heap, TrialChain* chain, TrialBlock** end, int64_t counter) noexcept nogil:
    """At `end`, the last link; the new last one, or NULL when refused."""
    cdef TrialBlock* block = <TrialBlock*>_block(heap, sizeof(TrialBlock))
    if block == NULL:
        return NULL
    block.next = NULL
    block.counter = counter
    end[0] = block
    chain.length += 1
    return &block.next


cdef void* _copy(Heap* heap, uint8_t encoding, const void* pointer) noexcept nogil:
    cdef TrialChain* copied
    cdef TrialBlock** end
    cdef const TrialBlock* source
    cdef void* pair
    if encoding == TRIAL_PAIR:
        pair = _block(heap, 2 * sizeof(int64_t))
        if pair != NULL:
            memcpy(pair, pointer, 2 * sizeof(int64_t))
        return pair
    copied = _chain_new(heap)
    if copied == NULL:
        return NULL
    end = &copied.first
    source = (<const TrialChain*>pointer).first
    while source != NULL:
        end = _chain_add(heap, copied, end, source.counter)
        if end == NULL:
            _free(heap, TRIAL_CHAIN, copied)
            return NULL
        source = source.next
    return copied


cdef uint64_t _memory(uint8_t encoding, const void* pointer, uint64_t samples) noexcept nogil:
    if encoding == TRIAL_PAIR:
        return heap_block_bytes(2 * sizeof(int64_t))
    return heap_block_bytes(sizeof(TrialChain)) + (<const TrialChain*>pointer).length * heap_block_bytes(sizeof(TrialBlock))


# ---- what else the row asks for

cdef uint64_t _length(const Entry* entry) noexcept nogil:
    return _count(entry_encoding(entry), entry_pointer(entry))


cdef void _digest(Digest* digest, const Entry* entry) noexcept nogil:
    cdef const TrialBlock* block
    if entry_encoding(entry) == TRIAL_PAIR:
        digest_mix(digest, slice_of(<const char*>entry_pointer(entry), sizeof(int64_t)))
        digest_mix(digest, slice_of(<const char*>entry_pointer(entry) + sizeof(int64_t), sizeof(int64_t)))
        return
    block = (<const TrialChain*>entry_pointer(entry)).first
    while block != NULL:
        digest_mix(digest, slice_of(<const char*>&block.counter, sizeof(int64_t)))
        block = block.next


cdef void _details(const Entry* entry, char* out) noexcept nogil:
    snprintf(out, DEBUG_DETAILS_MAX, b" counters:%llu", <unsigned long long>_length(entry))


cdef void _save(Buffer* out, const Entry* entry, bint compress) noexcept nogil:
    cdef const TrialBlock* block
    module_write_unsigned(out, _length(entry))
    if entry_encoding(entry) == TRIAL_PAIR:
        module_write_signed(out, (<int64_t*>entry_pointer(entry))[0])
        module_write_signed(out, (<int64_t*>entry_pointer(entry))[1])
        return
    block = (<const TrialChain*>entry_pointer(entry)).first
    while block != NULL and not out.failed:
        module_write_signed(out, block.counter)
        block = block.next


cdef bint _load(RdbReader* reader, const ValueMaker* maker, int form, Buffer* storage, Value* value_out) noexcept nogil:
    cdef uint64_t count
    cdef int64_t counter
    cdef int64_t* pair
    cdef TrialChain* chain
    cdef TrialBlock** end
    if form != VERSION or not module_read_unsigned(reader, &count) or count < 2:
        return False
    if count == 2:
        pair = <int64_t*>_block(maker.heap, 2 * sizeof(int64_t))
        if pair == NULL:
            reader.refused = True
            return False
        if not module_read_signed(reader, &pair[0]) or not module_read_signed(reader, &pair[1]):
            _free(maker.heap, TRIAL_PAIR, pair)
            return False
        value_out[0] = value_of_pointer(TYPE_TRIAL, TRIAL_PAIR, pair)
        return True
    chain = _chain_new(maker.heap)
    if chain == NULL:
        reader.refused = True
        return False
    end = &chain.first
    while chain.length < count:
        if not module_read_signed(reader, &counter):
            _free(maker.heap, TRIAL_CHAIN, chain)
            return False
        end = _chain_add(maker.heap, chain, end, counter)
        if end == NULL:
            reader.refused = True
            _free(maker.heap, TRIAL_CHAIN, chain)
            return False
    value_out[0] = value_of_pointer(TYPE_TRIAL, TRIAL_CHAIN, chain)
    return True


# ---- the row

cdef void _trial_type(ValueType* row) noexcept nogil:
    row.name = b"TrialPair"
    row.encodings[TRIAL_PAIR].name = b"pair"
    row.encodings[TRIAL_CHAIN].name = b"chain"
    row.digest_number = 5                # Redis's of all modules' types
    row.module_version = VERSION
    row.free = _free
    row.free_some = _free_some
    row.effort = _effort
    row.copy = _copy
    row.memory = _memory
    row.length = _length
    row.digest = _digest
    row.details = _details
    row.save = _save
    row.load = _load


if not value_type_add(TYPE_TRIAL, _trial_type):
    raise SystemError("the table of types did not take the trial type")


# ---- for the tests

cdef void _incomplete(ValueType* row) noexcept nogil:
    _trial_type(row)
    row.memory = NULL


def add_again():
    """What the table says of a number that is taken, of none that there is, and of a row that lacks something."""
    return value_type_add(TYPE_TRIAL, _trial_type), value_type_add(15, _trial_type), value_type_add(13, _incomplete)


def number_of_module(bytes name, int version):
    return module_number(PyBytes_AS_STRING(name), version)


def live_blocks():
    """How many blocks of trial values there are."""
    return _live_blocks


cdef struct Putting:
    Slice key
    int64_t first
    uint64_t count
    bint done


cdef void _put(EngineStruct* engine, void* context) noexcept nogil:
    cdef Putting* putting = <Putting*>context
    cdef Heap* heap = &engine.heap
    cdef Value value
    cdef TrialChain* chain
    cdef TrialBlock** end
    cdef int64_t* pair
    if putting.count == 2:
        pair = <int64_t*>_block(heap, 2 * sizeof(int64_t))
        pair[0] = putting.first
        pair[1] = putting.first + 1
        value = value_of_pointer(TYPE_TRIAL, TRIAL_PAIR, pair)
    else:
        chain = _chain_new(heap)
        end = &chain.first
        while chain.length < putting.count:
            end = _chain_add(heap, chain, end, putting.first + <int64_t>chain.length)
        value = value_of_pointer(TYPE_TRIAL, TRIAL_CHAIN, chain)
    engine.keyspace.now_ms = 0
    putting.done = keyspace_add(&engine.keyspace, engine.keyspace.databases, putting.key,
                                keyspace_hash(&engine.keyspace, putting.key), value) != NULL


def put(Engine engine, bytes key, int64_t first, uint64_t count=2):
    """Counters from `first` on, under a key of database 0 that is not there."""
    cdef Putting putting
    putting.key = slice_of(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
    putting.first = first
    putting.count = count
    putting.done = False
    engine.do(_put, &putting)
    assert putting.done
