"""See geo.pxd. The order of the checks is Redis's, and so is the order of what is found: of unsorted replies that of the boxes that
are searched, each from its least number on; of sorted ones that which Redis's sorting leaves equal distances in."""
from libc.math cimport llrint
from libc.stdint cimport SIZE_MAX, int64_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport qsort
from hutch_engine.base.memory cimport Heap, heap_free, heap_try_alloc, heap_try_resize
from hutch_engine.base.numbers cimport INTEGER_TEXT_MAX, format_integer, parse_double, parse_integer
from hutch_engine.base.outcome cimport OK
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.commands.call cimport (
    Call, call_find_read_type, call_integer, error_memory, error_not_float, error_syntax)
from hutch_engine.commands.reply cimport (
    reply_array, reply_bulk, reply_bulk_integer, reply_double, reply_error, reply_error_parts, reply_integer, reply_null,
    reply_null_array)
from hutch_engine.commands.zset cimport ADD_CH, ADD_NX, ADD_XX, zset_add, zset_store
from hutch_engine.keyspace.entry cimport TYPE_ZSET, Entry
from hutch_engine.keyspace.keyspace cimport zset_of
from hutch_engine.structures.geohash cimport (
    GEOHASH_BOXES, GEOHASH_TEXT_BYTES, GeoBox, GeoPlace, GeoShape, GeoTest, geo_distance, geo_is_place, geo_may_be, geo_test_init,
    geo_test_nearer, geo_within, geohash_cover, geohash_first, geohash_of, geohash_place, geohash_text)
from hutch_engine.structures.sorted_set cimport (
    SortedCursor, SortedSet, sorted_set_add, sorted_set_at, sorted_set_free, sorted_set_new, sorted_set_next, sorted_set_score)
from hutch_engine.structures.sorted_tree cimport (
    SortedNode, SortedPath, sorted_member_bytes, sorted_node_members, sorted_node_scores, sorted_tree_at, sorted_tree_before_score,
    sorted_tree_count, sorted_tree_next_leaf)

cdef enum:
    PLACES_AT_HAND = 16          # of one GEOADD, for whose words there is room on the stack
    FOUND_AT_HAND = 64
    NEAREST_MOST = 1000          # up to so many are found by dropping the farthest; more by sorting all
    DISTANCE_TEXT_MAX = 32

cdef enum Order:
    UNSORTED
    ASCENDING
    DESCENDING

cdef struct Found:
    double distance              # metres
    double score
    const char* member           # borrowed from the set; or the integer that it is, which a packed set spells out nowhere
    size_t length                # SIZE_MAX: an integer
    size_t order                 # how many were found before

cdef struct Search:
    bint by_location             # GEORADIUS: the centre and radius are words 2 to 5
    bint by_member               # GEORADIUSBYMEMBER: words 2 to 4
    bint may_store
    size_t source                # the word that is the key which is searched
    size_t store                 # ... under which the result is stored; 0: nowhere
    bint store_distance
    bint with_distance
    bint with_hash
    bint with_place
    bint from_given
    bint from_member
    bint shape_given
    bint any
    Order order
    int64_t count                # 0: all
    bint measured                # distances are needed
    bint nearest                 # only the `count` nearest are kept, ...
    bint equals                  # ... and whether one was dropped that is as far as one that was kept
    GeoShape shape
    bint found_key
    SortedSet set                # if found_key
    Found* found                 # owned by the heap, unless `few`
    size_t found_count
    size_t found_capacity
    Found[FOUND_AT_HAND] few


# ---- words

cdef bint _place(Call* call, size_t index, GeoPlace* place_out) noexcept nogil:
    """argv[index] and the next as longitude and latitude; else the error is written."""
    cdef char[400 * 2] text              # %f spells all digits of a double
    if not parse_double(call.argv[index], &place_out.longitude) or not parse_double(call.argv[index + 1], &place_out.latitude):
        error_not_float(call)
        return False
    if geo_is_place(place_out[0]):
        return True
    snprintf(text, sizeof(text), b"ERR invalid longitude,latitude pair %f,%f", place_out.longitude, place_out.latitude)
    reply_error(call.reply, text)
    return False


cdef bint _unit(Call* call, size_t index, double* metres_out) noexcept nogil:
    """argv[index] as a unit; else the error is written."""
    cdef Slice word = call.argv[index]
    if slice_is(word, b"M"):
        metres_out[0] = 1
    elif slice_is(word, b"KM"):
        metres_out[0] = 1000
    elif slice_is(word, b"FT"):
        metres_out[0] = 0.3048
    elif slice_is(word, b"MI"):
        metres_out[0] = 1609.34
    else:
        reply_error(call.reply, b"ERR unsupported unit provided. please use M, KM, FT, MI")
        return False
    return True


cdef bint _length(Call* call, size_t index, double* length_out, const char* error) noexcept nogil:
    """argv[index] as a number; else the error is written."""
    if parse_double(call.argv[index], length_out):
        return True
    reply_error(call.reply, error)
    return False


cdef bint _circle(Call* call, size_t index, GeoShape* shape) noexcept nogil:
    """argv[index] and the next as a radius and its unit."""
    shape.circular = True
    if not _length(call, index, &shape.radius, b"ERR need numeric radius"):
        return False
    if shape.radius < 0:
        reply_error(call.reply, b"ERR radius cannot be negative")
        return False
    return _unit(call, index + 1, &shape.unit)


cdef bint _box(Call* call, size_t index, GeoShape* shape) noexcept nogil:
    """argv[index] and the next two as width, height and their unit."""
    shape.circular = False
    if (not _length(call, index, &shape.width, b"ERR need numeric width")
            or not _length(call, index + 1, &shape.height, b"ERR need numeric height")):
        return False
    if shape.width < 0 or shape.height < 0:
        reply_error(call.reply, b"ERR height or width cannot be negative")
        return False
    return _unit(call, index + 2, &shape.unit)


# ---- GEOADD

cdef void cmd_geoadd(Call* call) noexcept nogil:
    """ZADD does the work, on words with scores in the places of positions."""
    cdef Slice[2 + 2 * PLACES_AT_HAND] few_words
    cdef char[INTEGER_TEXT_MAX * PLACES_AT_HAND] few_digits
    cdef Slice* words = few_words
    cdef char* digits = few_digits
    cdef Slice* argv = call.argv
    cdef size_t argc = call.argc
    cdef uint32_t options = 0
    cdef size_t first = 2
    cdef size_t count, i
    cdef size_t block_bytes = 0
    cdef bint right = True
    cdef GeoPlace place
    while first < argc:
        if slice_is(argv[first], b"NX"):
            options |= ADD_NX
        elif slice_is(argv[first], b"XX"):
            options |= ADD_XX
        elif slice_is(argv[first], b"CH"):
            options |= ADD_CH
        else:
            break
        first += 1
    count = (argc - first) // 3
    if count == 0 or (argc - first) % 3 or (options & ADD_NX and options & ADD_XX):
        error_syntax(call)
        return
    if count > PLACES_AT_HAND:
        block_bytes = (2 + 2 * count) * sizeof(Slice) + count * INTEGER_TEXT_MAX
        words = <Slice*>heap_try_alloc(call.keyspace.heap, block_bytes)
        if words == NULL:
            error_memory(call)
            return
        digits = <char*>(words + 2 + 2 * count)
    words[0] = argv[0]
    words[1] = argv[1]
    for i in range(count):
        right = _place(call, first + 3 * i, &place)
        if not right:
            break
        words[2 + 2 * i] = slice_of(digits, format_integer(<int64_t>geohash_of(place), digits))
        words[3 + 2 * i] = argv[first + 3 * i + 2]
        digits += INTEGER_TEXT_MAX
    if right:
        call.argv = words
        call.argc = 2 + 2 * count
        zset_add(call, options, 2)
        call.argv = argv
        call.argc = argc
    if block_bytes:
        heap_free(call.keyspace.heap, words, block_bytes)


# ---- GEOPOS, GEOHASH, GEODIST

cdef bint _read(Call* call, size_t index, SortedSet* set, bint* found_out) noexcept nogil:
    """The sorted set of key argv[index], for reading; False when WRONGTYPE was written."""
    cdef bint wrong_type
    cdef Entry* entry = call_find_read_type(call, index, TYPE_ZSET, &wrong_type)
    found_out[0] = entry != NULL
    if entry != NULL:
        set[0] = zset_of(call.keyspace, entry)
    return not wrong_type


cdef inline bint _member_place(const SortedSet* set, Slice member, GeoPlace* place_out) noexcept nogil:
    """Where a member is; False if absent."""
    cdef double score
    if not sorted_set_score(set, member, &score):
        return False
    place_out[0] = geohash_place(score)
    return True


cdef void _reply_place(Call* call, GeoPlace place) noexcept nogil:
    reply_array(call.reply, 2)
    reply_double(call.reply, place.longitude)
    reply_double(call.reply, place.latitude)


cdef void cmd_geopos(Call* call) noexcept nogil:
    cdef SortedSet set
    cdef bint found
    cdef GeoPlace place
    cdef size_t i
    if not _read(call, 1, &set, &found):
        return
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        if found and _member_place(&set, call.argv[i], &place):
            _reply_place(call, place)
        else:
            reply_null_array(call.reply)


cdef void cmd_geohash(Call* call) noexcept nogil:
    cdef SortedSet set
    cdef bint found
    cdef GeoPlace place
    cdef char[GEOHASH_TEXT_BYTES] text
    cdef size_t i
    if not _read(call, 1, &set, &found):
        return
    reply_array(call.reply, <int64_t>call.argc - 2)
    for i in range(2, call.argc):
        if found and _member_place(&set, call.argv[i], &place):
            geohash_text(place, text)
            reply_bulk(call.reply, slice_of(text, GEOHASH_TEXT_BYTES))
        else:
            reply_null(call.reply)


cdef void _reply_distance(Call* call, double distance) noexcept nogil:
    """With four decimals, the last one rounded as the machine rounds halves."""
    cdef char[DISTANCE_TEXT_MAX] text
    cdef int64_t scaled = llrint(distance * 10000)
    cdef size_t length = format_integer(scaled // 10000, text)
    cdef int64_t rest = scaled % 10000
    cdef int i
    text[length] = b'.'
    for i in range(4):
        text[length + 4 - i] = <char>(48 + rest % 10)
        rest //= 10
    reply_bulk(call.reply, slice_of(text, length + 5))


cdef void cmd_geodist(Call* call) noexcept nogil:
    cdef double unit = 1
    cdef SortedSet set
    cdef bint found
    cdef GeoPlace one, other
    if call.argc > 5:
        error_syntax(call)
        return
    if call.argc == 5 and not _unit(call, 4, &unit):
        return
    if not _read(call, 1, &set, &found):
        return
    if found and _member_place(&set, call.argv[2], &one) and _member_place(&set, call.argv[3], &other):
        _reply_distance(call, geo_distance(one, other) / unit)
    else:
        reply_null(call.reply)


# ---- reading a search

cdef void _search_init(Search* search) noexcept nogil:
    search.by_location = False
    search.by_member = False
    search.may_store = False
    search.source = 1
    search.store = 0
    search.store_distance = False
    search.with_distance = False
    search.with_hash = False
    search.with_place = False
    search.from_given = False
    search.from_member = False
    search.shape_given = False
    search.any = False
    search.order = UNSORTED
    search.count = 0
    search.shape.radius = 0
    search.shape.width = 0
    search.shape.height = 0
    search.shape.unit = 1
    search.found = search.few
    search.found_count = 0
    search.found_capacity = FOUND_AT_HAND


cdef bint _centre_of_member(Call* call, Search* search, size_t index) noexcept nogil:
    """The member argv[index] as the centre; else the error is written. Without the key nothing will be found anyway."""
    if not search.found_key or _member_place(&search.set, call.argv[index], &search.shape.centre):
        return True
    reply_error(call.reply, b"ERR could not decode requested zset member")
    return False


cdef bint _fixed_words(Call* call, Search* search, size_t* at) noexcept nogil:
    """What the older commands say before their options, which begin at *at; False after an error."""
    if search.by_location:
        at[0] = 6
        return _place(call, 2, &search.shape.centre) and _circle(call, 4, &search.shape)
    if search.by_member:
        at[0] = 5
        return not search.found_key or (_centre_of_member(call, search, 2) and _circle(call, 3, &search.shape))
    at[0] = search.source + 1
    return True


cdef bint _shape_word(Call* call, Search* search, size_t* at, bint* known_out) noexcept nogil:
    """The words of GEOSEARCH and GEOSEARCHSTORE alone; False after an error."""
    cdef size_t left = call.argc - at[0] - 1
    cdef Slice word = call.argv[at[0]]
    known_out[0] = True
    if slice_is(word, b"FROMMEMBER") and left >= 1 and (search.from_member or not search.from_given):
        search.from_given = True
        search.from_member = True
        at[0] += 1
        return _centre_of_member(call, search, at[0])
    if slice_is(word, b"FROMLONLAT") and left >= 2 and not search.from_member:
        search.from_given = True
        at[0] += 2
        return _place(call, at[0] - 1, &search.shape.centre)
    if slice_is(word, b"BYRADIUS") and left >= 2 and (not search.shape_given or search.shape.circular):
        search.shape_given = True
        at[0] += 2
        return _circle(call, at[0] - 1, &search.shape)
    if slice_is(word, b"BYBOX") and left >= 3 and (not search.shape_given or not search.shape.circular):
        search.shape_given = True
        at[0] += 3
        return _box(call, at[0] - 2, &search.shape)
    if search.store and slice_is(word, b"STOREDIST"):
        search.store_distance = True
        return True
    known_out[0] = False
    return True


cdef bint _option(Call* call, Search* search, size_t* at) noexcept nogil:
    """The option at argv[*at], whose last word *at then is; False after an error."""
    cdef bint older = search.by_location or search.by_member
    cdef size_t left = call.argc - at[0] - 1
    cdef Slice word = call.argv[at[0]]
    cdef bint known
    if slice_is(word, b"WITHDIST"):
        search.with_distance = True
    elif slice_is(word, b"WITHHASH"):
        search.with_hash = True
    elif slice_is(word, b"WITHCOORD"):
        search.with_place = True
    elif slice_is(word, b"ANY"):
        search.any = True
    elif slice_is(word, b"ASC"):
        search.order = ASCENDING
    elif slice_is(word, b"DESC"):
        search.order = DESCENDING
    elif slice_is(word, b"COUNT") and left >= 1:
        at[0] += 1
        if not call_integer(call, at[0], &search.count):
            return False
        if search.count <= 0:
            reply_error(call.reply, b"ERR COUNT must be > 0")
            return False
    elif older and search.may_store and left >= 1 and (slice_is(word, b"STORE") or slice_is(word, b"STOREDIST")):
        search.store_distance = slice_is(word, b"STOREDIST")
        at[0] += 1
        search.store = at[0]
    else:
        known = False
        if not older and not _shape_word(call, search, at, &known):
            return False
        if not known:
            error_syntax(call)
            return False
    return True


cdef bint _read_search(Call* call, Search* search) noexcept nogil:
    """All words of a search; False after an error."""
    cdef bint older = search.by_location or search.by_member
    cdef bint storing = search.store != 0            # GEOSEARCHSTORE
    cdef size_t at
    if not _read(call, search.source, &search.set, &search.found_key) or not _fixed_words(call, search, &at):
        return False
    while at < call.argc:
        if not _option(call, search, &at):
            return False
        at += 1
    if search.store and (search.with_distance or search.with_hash or search.with_place):
        reply_error(call.reply, b"ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options" if storing
                    else b"ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    elif not older and not search.from_given:
        reply_error_parts(call.reply, b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", call.argv[0], b"")
    elif not older and not search.shape_given:
        reply_error_parts(call.reply, b"ERR exactly one of BYRADIUS and BYBOX can be specified for ", call.argv[0], b"")
    elif search.any and search.count == 0:
        reply_error(call.reply, b"ERR the ANY argument requires COUNT argument")
    else:
        # Whoever counts wants the nearest; ANY wants no order.
        if search.count and search.order == UNSORTED and not search.any:
            search.order = ASCENDING
        return True
    return False


# ---- finding

cdef inline size_t _wanted(const Search* search) noexcept nogil:
    """How many of those that were found are answered."""
    if search.count and <uint64_t>search.count < search.found_count:
        return <size_t>search.count
    return search.found_count


cdef inline void _swap(Found* a, Found* b) noexcept nogil:
    cdef Found kept = a[0]
    a[0] = b[0]
    b[0] = kept


cdef bint _more_room(Heap* heap, Search* search) noexcept nogil:
    """Twice the room for what is found; False when refused."""
    cdef size_t bytes = search.found_capacity * sizeof(Found)
    cdef Found* grown
    cdef size_t i
    if search.found == search.few:
        grown = <Found*>heap_try_alloc(heap, 2 * bytes)
        if grown != NULL:
            for i in range(search.found_count):
                grown[i] = search.few[i]
    else:
        grown = <Found*>heap_try_resize(heap, search.found, bytes, 2 * bytes)
    if grown == NULL:
        return False
    search.found = grown
    search.found_capacity *= 2
    return True


cdef bint _append(Heap* heap, Search* search, double score, double distance, Slice member, bint is_number) noexcept nogil:
    """One more was found; False when memory was refused."""
    cdef Found* found
    cdef int64_t number = 0
    if search.found_count == search.found_capacity and not _more_room(heap, search):
        return False
    found = &search.found[search.found_count]
    found.distance = distance
    found.score = score
    found.member = member.data
    found.length = member.length
    if is_number:
        parse_integer(member, &number)
        found.member = <const char*>number
        found.length = SIZE_MAX
    found.order = search.found_count
    search.found_count += 1
    return True


# While the nearest are searched, `found` is a heap with the farthest on top.

cdef void _rise(Search* search) noexcept nogil:
    """The last one goes up to its place."""
    cdef size_t at = search.found_count - 1
    while at and search.found[(at - 1) // 2].distance < search.found[at].distance:
        _swap(&search.found[(at - 1) // 2], &search.found[at])
        at = (at - 1) // 2


cdef void _drop_farthest(Search* search) noexcept nogil:
    """The top goes; whether another is equally far is noted."""
    cdef Found* found = search.found
    cdef double farthest = found[0].distance
    cdef size_t count = search.found_count - 1
    cdef size_t at = 0
    cdef size_t below
    search.found_count = count
    found[0] = found[count]
    while 2 * at + 1 < count:
        below = 2 * at + 1
        if below + 1 < count and found[below + 1].distance > found[below].distance:
            below += 1
        if found[below].distance <= found[at].distance:
            break
        _swap(&found[below], &found[at])
        at = below
    search.equals = search.equals or (count != 0 and found[0].distance == farthest)


cdef bint _look(Heap* heap, Search* search, GeoTest* test, double score, Slice member, bint is_number) noexcept nogil:
    """A member may be in the shape: then it is found. False when memory was refused."""
    cdef double distance = 0
    if not geo_within(test, score, search.measured, &distance):
        return True
    if search.nearest:
        if search.found_count == <size_t>search.count:
            if distance >= search.found[0].distance:
                search.equals = search.equals or distance == search.found[0].distance
                return True
            _drop_farthest(search)
        if not _append(heap, search, score, distance, member, is_number):
            return False
        _rise(search)
        if search.found_count == <size_t>search.count:
            geo_test_nearer(test, search.found[0].distance)
        return True
    return _append(heap, search, score, distance, member, is_number)


cdef bint _search_tree(Heap* heap, Search* search, GeoTest* test, double first, double end, size_t most) noexcept nogil:
    """Leaf by leaf: members' blocks are not touched before their scores tell that they may be inside."""
    cdef SortedPath path
    cdef SortedNode* leaf
    cdef const double* scores
    cdef uint16_t i
    cdef uint64_t rank = sorted_tree_before_score(search.set.tree, first, False)
    if rank == sorted_tree_count(search.set.tree):
        return True
    sorted_tree_at(search.set.tree, rank, &path)
    while True:
        leaf = path.nodes[0]
        scores = sorted_node_scores(leaf)
        for i in range(path.indexes[0], leaf.count):
            if scores[i] >= end:
                return True
            if not geo_may_be(test, scores[i]):
                continue
            if not _look(heap, search, test, scores[i], sorted_member_bytes(sorted_node_members(leaf)[i]), False):
                return False
            if search.found_count >= most:
                return True
        path.indexes[0] = leaf.count - 1
        if sorted_tree_next_leaf(&path) == NULL:
            return True


cdef bint _search_pack(Heap* heap, Search* search, GeoTest* test, double first, double end, size_t most) noexcept nogil:
    cdef SortedCursor cursor
    cdef bint more = sorted_set_at(&search.set, 0, &cursor)
    while more and cursor.score < end:
        if cursor.score >= first and geo_may_be(test, cursor.score):
            if not _look(heap, search, test, cursor.score, cursor.member, cursor.member.data == cursor.digits):
                return False
            if search.found_count >= most:
                return True
        more = sorted_set_next(&cursor)
    return True


cdef bint _find(Call* call, Search* search) noexcept nogil:
    """All that the shape has, box by box; False when memory was refused."""
    cdef GeoBox[GEOHASH_BOXES] boxes
    cdef GeoBox next
    cdef GeoTest test
    cdef Heap* heap = call.keyspace.heap
    cdef size_t most = <size_t>search.count if search.any else SIZE_MAX
    cdef size_t last = 0
    cdef size_t i
    cdef double first, end
    cdef bint done
    search.found_count = 0
    geohash_cover(&search.shape, boxes)
    geo_test_init(&test, &search.shape)
    for i in range(GEOHASH_BOXES):
        if boxes[i].step == 0:
            continue
        # Where boxes are as large as continents, some neighbours are the same.
        if last and boxes[i].bits == boxes[last].bits:
            continue
        if search.found_count >= most:
            break
        next = boxes[i]
        next.bits += 1
        first = <double>geohash_first(boxes[i])
        end = <double>geohash_first(next)
        if search.set.pack != NULL:
            done = _search_pack(heap, search, &test, first, end, most)
        else:
            done = _search_tree(heap, search, &test, first, end, most)
        if not done:
            return False
        last = i
    return True


# ---- sorting

cdef inline int _compare(const Found* a, const Found* b, Order order) noexcept nogil:
    if order == DESCENDING:
        return (a.distance < b.distance) - (a.distance > b.distance)
    return (a.distance > b.distance) - (a.distance < b.distance)


cdef int _ascending(const void* a, const void* b) noexcept nogil:
    cdef int order = _compare(<const Found*>a, <const Found*>b, ASCENDING)
    return order if order else ((<const Found*>a).order > (<const Found*>b).order) - ((<const Found*>a).order < (<const Found*>b).order)


cdef int _descending(const void* a, const void* b) noexcept nogil:
    cdef int order = _compare(<const Found*>a, <const Found*>b, DESCENDING)
    return order if order else ((<const Found*>a).order > (<const Found*>b).order) - ((<const Found*>a).order < (<const Found*>b).order)


cdef inline Found* _median(Found* a, Found* b, Found* c, Order order) noexcept nogil:
    if _compare(a, b, order) < 0:
        if _compare(b, c, order) < 0:
            return b
        return c if _compare(a, c, order) < 0 else a
    if _compare(b, c, order) > 0:
        return b
    return a if _compare(a, c, order) < 0 else c


cdef Found* _pivot(Found* a, size_t n, Order order) noexcept nogil:
    """The middle one, of three, or of three times three."""
    cdef Found* low = a
    cdef Found* middle = a + n // 2
    cdef Found* high = a + n - 1
    cdef size_t eighth = n // 8
    if n == 7:
        return middle
    if n > 40:
        low = _median(low, low + eighth, low + 2 * eighth, order)
        middle = _median(middle - eighth, middle, middle + eighth, order)
        high = _median(high - 2 * eighth, high - eighth, high, order)
    return _median(low, middle, high, order)


cdef void _sort_first(Found* a, size_t n, size_t wanted, Order order) noexcept nogil:
    """Put the first `wanted` of n in order, and leave parts alone that have none of them. (Quicksort of J. Bentley and M. McIlroy,
    1993, as Redis has it: which of equal distances comes first follows from its steps.) O(n) expected, and the sorting."""
    cdef Found* low
    cdef Found* high
    cdef Found* equal_low
    cdef Found* equal_high
    cdef size_t i, below, above, equal
    cdef int compared
    while n >= 7:
        _swap(a, _pivot(a, n, order))
        equal_low = low = a + 1
        equal_high = high = a + n - 1
        while True:
            while low <= high:
                compared = _compare(low, a, order)
                if compared > 0:
                    break
                if compared == 0:
                    _swap(equal_low, low)
                    equal_low += 1
                low += 1
            while low <= high:
                compared = _compare(high, a, order)
                if compared < 0:
                    break
                if compared == 0:
                    _swap(high, equal_high)
                    equal_high -= 1
                high -= 1
            if low > high:
                break
            _swap(low, high)
            low += 1
            high -= 1
        below = <size_t>(low - equal_low)
        above = <size_t>(equal_high - high)
        # The equal ones stood at both ends, and go to the middle.
        equal = <size_t>(equal_low - a)
        if below < equal:
            equal = below
        for i in range(equal):
            _swap(a + i, low - equal + i)
        equal = <size_t>(a + n - 1 - equal_high)
        if above < equal:
            equal = above
        for i in range(equal):
            _swap(low + i, a + n - equal + i)
        if below > 1:
            _sort_first(a, below, wanted, order)
        if above <= 1 or n - above >= wanted:
            return
        a += n - above
        wanted -= n - above
        n = above
    for i in range(1, n):
        low = a + i
        while low > a and _compare(low - 1, low, order) > 0:
            _swap(low, low - 1)
            low -= 1


cdef void _sort(Search* search, size_t wanted) noexcept nogil:
    if search.order == UNSORTED:
        return
    if wanted < search.found_count:
        _sort_first(search.found, search.found_count, wanted, search.order)
    else:
        qsort(search.found, search.found_count, sizeof(Found), _ascending if search.order == ASCENDING else _descending)


cdef bint _equals_among(const Search* search) noexcept nogil:
    """Are two of those that were found, and are in order, equally far?"""
    cdef size_t i
    for i in range(1, search.found_count):
        if search.found[i - 1].distance == search.found[i].distance:
            return True
    return False


cdef bint _find_and_sort(Call* call, Search* search) noexcept nogil:
    """What is to be answered stands at the beginning of `found`, in its order; False when memory was refused.

    Of the nearest few, most others need not be measured. Only where some are equally far, all must be there for Redis's sorting to
    say which of them come first."""
    search.nearest = search.order == ASCENDING and not search.any and 0 < search.count <= NEAREST_MOST
    search.equals = False
    search.measured = search.order != UNSORTED or search.with_distance or search.store_distance
    if search.nearest:
        if not _find(call, search):
            return False
        qsort(search.found, search.found_count, sizeof(Found), _ascending)
        if not search.equals and not _equals_among(search):
            return True
        search.nearest = False
    if not _find(call, search):
        return False
    _sort(search, _wanted(search))
    return True


# ---- answers

cdef void _reply_found(Call* call, const Search* search, size_t count) noexcept nogil:
    cdef int64_t more = search.with_distance + search.with_hash + search.with_place
    cdef const Found* found
    cdef size_t i
    reply_array(call.reply, <int64_t>count)
    for i in range(count):
        found = &search.found[i]
        if more:
            reply_array(call.reply, 1 + more)
        if found.length == SIZE_MAX:
            reply_bulk_integer(call.reply, <int64_t>found.member)
        else:
            reply_bulk(call.reply, slice_of(found.member, found.length))
        if search.with_distance:
            _reply_distance(call, found.distance / search.shape.unit)
        if search.with_hash:
            reply_integer(call.reply, <int64_t>found.score)
        if search.with_place:
            _reply_place(call, geohash_place(found.score))


cdef inline Slice _member(const Found* found, char* digits) noexcept nogil:
    """The member's bytes; an integer's digits go to `digits` (INTEGER_TEXT_MAX)."""
    if found.length == SIZE_MAX:
        return slice_of(digits, format_integer(<int64_t>found.member, digits))
    return slice_of(found.member, found.length)


cdef void _store_found(Call* call, const Search* search, size_t count) noexcept nogil:
    """As the value of the key that was named for it, whatever it was."""
    cdef SortedSet result
    cdef char[INTEGER_TEXT_MAX] digits
    cdef const Found* found
    cdef size_t longest = 0
    cdef size_t i
    for i in range(count):
        if _member(&search.found[i], digits).length > longest:
            longest = _member(&search.found[i], digits).length
    sorted_set_new(&result, call.keyspace.heap, &call.keyspace.hash_key, call.keyspace.limits.zset_entries,
                   call.keyspace.limits.zset_value_bytes, count, longest)
    for i in range(count):
        found = &search.found[i]
        if sorted_set_add(&result, _member(found, digits),
                          found.distance / search.shape.unit if search.store_distance else found.score) != OK:
            sorted_set_free(&result)
            error_memory(call)
            return
    if zset_store(call, search.store, &result,
                  b"georadiusstore" if search.by_location or search.by_member else b"geosearchstore") and count:
        call.keyspace.dirty += count - 1


cdef void _run(Call* call, Search* search) noexcept nogil:
    if not _read_search(call, search):
        return
    if search.found_key and not _find_and_sort(call, search):
        error_memory(call)
    elif search.store:
        _store_found(call, search, _wanted(search))
    else:
        _reply_found(call, search, _wanted(search))
    if search.found != search.few:
        heap_free(call.keyspace.heap, search.found, search.found_capacity * sizeof(Found))


cdef void cmd_geosearch(Call* call) noexcept nogil:
    cdef Search search
    _search_init(&search)
    _run(call, &search)


cdef void cmd_geosearchstore(Call* call) noexcept nogil:
    cdef Search search
    _search_init(&search)
    search.source = 2
    search.store = 1
    _run(call, &search)


cdef void _radius(Call* call, bint by_member, bint may_store) noexcept nogil:
    cdef Search search
    _search_init(&search)
    search.by_location = not by_member
    search.by_member = by_member
    search.may_store = may_store
    _run(call, &search)


cdef void cmd_georadius(Call* call) noexcept nogil:
    _radius(call, False, True)


cdef void cmd_georadius_ro(Call* call) noexcept nogil:
    _radius(call, False, False)


cdef void cmd_georadiusbymember(Call* call) noexcept nogil:
    _radius(call, True, True)


cdef void cmd_georadiusbymember_ro(Call* call) noexcept nogil:
    _radius(call, True, False)
