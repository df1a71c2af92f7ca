"""See geohash.pxd. The order of operations is part of the result: nothing here may be put more simply."""
from libc.math cimport asin, cos, fabs, sin, sqrt
from libc.stdint cimport UINT64_MAX, uint8_t, uint32_t, uint64_t

cdef double GEO_LONGITUDE_MAX = 180
cdef double GEO_LATITUDE_MAX = 85.05112878

cdef double EARTH_RADIUS = 6372797.560856        # the one that Redis reckons with
cdef double HALF_MERCATOR = 20037726.37          # half the side of the projection's square
cdef double RADIANS = 3.14159265358979323846 / 180.0
# How much beyond a bound a quick look must find a place to be sure that the exact reckoning would, too.
cdef double SURELY = 1.000001
cdef double CELLS = 67108864                     # 2 ** GEOHASH_STEPS

cdef const char* ALPHABET = b"0123456789bcdefghjkmnpqrstuvwxyz"

cdef struct Area:
    GeoPlace least
    GeoPlace most


# ---- numbers

cdef inline uint64_t _spread(uint32_t bits) noexcept nogil:
    """A zero above each bit."""
    cdef uint64_t x = bits
    x = (x | x << 16) & 0x0000ffff0000ffffULL
    x = (x | x << 8) & 0x00ff00ff00ff00ffULL
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fULL
    x = (x | x << 2) & 0x3333333333333333ULL
    return (x | x << 1) & 0x5555555555555555ULL


cdef inline uint32_t _gather(uint64_t x) noexcept nogil:
    """Every other bit, from the lowest on."""
    x &= 0x5555555555555555ULL
    x = (x | x >> 1) & 0x3333333333333333ULL
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0fULL
    x = (x | x >> 4) & 0x00ff00ff00ff00ffULL
    x = (x | x >> 8) & 0x0000ffff0000ffffULL
    return <uint32_t>(x | x >> 16)


cdef inline uint64_t _encode(GeoPlace place, double latitude_max, int step) noexcept nogil:
    cdef double latitude = (place.latitude + latitude_max) / (latitude_max + latitude_max)
    cdef double longitude = (place.longitude + 180) / 360
    latitude *= <double>(<uint64_t>1 << step)
    longitude *= <double>(<uint64_t>1 << step)
    return _spread(<uint32_t>latitude) | _spread(<uint32_t>longitude) << 1


cdef inline Area _decode(uint64_t bits, int step) noexcept nogil:
    cdef Area area
    cdef uint32_t latitude = _gather(bits)
    cdef uint32_t longitude = _gather(bits >> 1)
    cdef double scale = 1.0 / <double>(<uint64_t>1 << step)      # a power of two, by which products are quotients
    cdef double height = GEO_LATITUDE_MAX + GEO_LATITUDE_MAX
    area.least.latitude = -GEO_LATITUDE_MAX + (<double>latitude * scale) * height
    area.most.latitude = -GEO_LATITUDE_MAX + (<double><uint32_t>(latitude + 1) * scale) * height
    area.least.longitude = -180 + (<double>longitude * scale) * 360
    area.most.longitude = -180 + (<double><uint32_t>(longitude + 1) * scale) * 360
    return area


cdef bint geo_is_place(GeoPlace place) noexcept nogil:
    return (-GEO_LONGITUDE_MAX <= place.longitude <= GEO_LONGITUDE_MAX
            and -GEO_LATITUDE_MAX <= place.latitude <= GEO_LATITUDE_MAX)


cdef uint64_t geohash_of(GeoPlace place) noexcept nogil:
    return _encode(place, GEO_LATITUDE_MAX, GEOHASH_STEPS)


cdef inline double _clipped(double value, double most) noexcept nogil:
    if value > most:
        return most
    return -most if value < -most else value


cdef GeoPlace geohash_place(double score) noexcept nogil:
    cdef Area area = _decode(<uint64_t>score, GEOHASH_STEPS)
    cdef GeoPlace place
    place.longitude = _clipped((area.least.longitude + area.most.longitude) / 2, GEO_LONGITUDE_MAX)
    place.latitude = _clipped((area.least.latitude + area.most.latitude) / 2, GEO_LATITUDE_MAX)
    return place


cdef void geohash_text(GeoPlace place, char* out) noexcept nogil:
    cdef uint64_t bits = _encode(place, 90, GEOHASH_STEPS)
    cdef int i
    for i in range(GEOHASH_TEXT_BYTES - 1):
        out[i] = ALPHABET[bits >> (52 - 5 * (i + 1)) & 31]
    out[GEOHASH_TEXT_BYTES - 1] = ALPHABET[0]        # there are only 52 bits, and eleven letters by custom


# ---- distances

cdef inline double _latitude_distance(double one, double other) noexcept nogil:
    return EARTH_RADIUS * fabs(other * RADIANS - one * RADIANS)


cdef double geo_distance(GeoPlace one, GeoPlace other) noexcept nogil:
    cdef double u, a
    cdef double v = sin((other.longitude * RADIANS - one.longitude * RADIANS) / 2)
    if v == 0:
        return _latitude_distance(one.latitude, other.latitude)
    u = sin((other.latitude * RADIANS - one.latitude * RADIANS) / 2)
    a = u * u + cos(one.latitude * RADIANS) * cos(other.latitude * RADIANS) * v * v
    return 2.0 * EARTH_RADIUS * asin(sqrt(a))


# ---- looking at many places

cdef inline double _haversine_of(double distance) noexcept nogil:
    """What two places have that are so far apart; 2, which none have, where that is half around the world or more."""
    cdef double half = distance / EARTH_RADIUS / 2
    return sin(half) * sin(half) if half < 1.57 else 2


cdef void _latitude_bounds(GeoTest* test, double reach) noexcept nogil:
    """Latitudes are as far apart as their difference says."""
    cdef double aside = reach / EARTH_RADIUS * SURELY / RADIANS + 1e-9
    cdef double south = test.shape.centre.latitude - aside
    cdef double north = test.shape.centre.latitude + aside
    cdef double farthest = north if north > -south else -south
    cdef double cell = (GEO_LATITUDE_MAX + GEO_LATITUDE_MAX) / CELLS
    test.north_least = 0
    test.north_most = UINT64_MAX
    if south - 2 * cell > -GEO_LATITUDE_MAX:
        test.north_least = _spread(<uint32_t>((south - 2 * cell + GEO_LATITUDE_MAX) / cell))
    if north + 2 * cell < GEO_LATITUDE_MAX:
        test.north_most = _spread(<uint32_t>((north + 2 * cell + GEO_LATITUDE_MAX) / cell))
    # What geo_may_be lets through may be a few cells farther out.
    south -= 4 * cell
    north += 4 * cell
    farthest += 4 * cell
    test.cosine_least = cos(farthest * RADIANS) / SURELY if farthest < GEO_LATITUDE_MAX else 0
    test.cosine_most = 1
    if south > 0:
        test.cosine_most = cos(south * RADIANS) * SURELY
    elif north < 0:
        test.cosine_most = cos(north * RADIANS) * SURELY


cdef void _longitude_bounds(GeoTest* test, double sine) noexcept nogil:
    """How far the shape goes east and west, from the sine of the greatest half angle at its centre's pole: all around, where it has
    the pole or crosses the date line."""
    cdef double aside = 2 * asin(sine) / RADIANS * SURELY + 1e-9 if sine < 0.7 else 180
    cdef double west = test.shape.centre.longitude - aside
    cdef double east = test.shape.centre.longitude + aside
    cdef double cell = 360.0 / CELLS
    test.wraps = not (west - 2 * cell > -GEO_LONGITUDE_MAX and east + 2 * cell < GEO_LONGITUDE_MAX)
    test.east_least = 0
    test.east_most = UINT64_MAX
    if not test.wraps:
        test.east_least = _spread(<uint32_t>((west - 2 * cell + GEO_LONGITUDE_MAX) / cell)) << 1
        test.east_most = _spread(<uint32_t>((east + 2 * cell + GEO_LONGITUDE_MAX) / cell)) << 1


cdef void geo_test_init(GeoTest* test, const GeoShape* shape) noexcept nogil:
    cdef double across
    test.shape = shape[0]
    test.longitude = shape.centre.longitude * RADIANS
    test.latitude = shape.centre.latitude * RADIANS
    test.latitude_cosine = cos(test.latitude)
    if shape.circular:
        test.reach = shape.radius * shape.unit
        _latitude_bounds(test, test.reach)
        across = test.reach
    else:
        test.reach = 0
        _latitude_bounds(test, shape.height * shape.unit / 2)
        across = shape.width * shape.unit / 2
    # A place of the shape is no farther from the meridian than `across`: haversines of longitudes are at most so large.
    _longitude_bounds(test, sqrt(_haversine_of(across)) / test.cosine_least if test.cosine_least > 0 else 1)
    test.far_haversine = _haversine_of(test.reach) * SURELY + 1e-18 if shape.circular else 2
    test.near_haversine = _haversine_of(test.reach) / SURELY - 1e-18 if test.far_haversine < 1 else 0


cdef void geo_test_nearer(GeoTest* test, double distance) noexcept nogil:
    cdef double far = _haversine_of(distance) * SURELY + 1e-18
    if far < test.far_haversine:
        test.far_haversine = far


cdef inline bint _surely_beyond(const GeoTest* test, double up, double across) noexcept nogil:
    """Is the haversine of half differences of latitude and longitude surely more than far_haversine? No sine is taken: between
    x * (1 - x * x / 6) and x lies that of x."""
    cdef double up_squared = up * up
    cdef double across_squared = across * across
    cdef double shorter_up = 1 - up_squared / 6
    cdef double shorter_across = 1 - across_squared / 6
    return (not test.wraps and up_squared < 2 and across_squared < 2
            and up_squared * shorter_up * shorter_up + test.latitude_cosine * test.cosine_least * across_squared * shorter_across
            * shorter_across > test.far_haversine)


cdef inline bint _in_circle(const GeoTest* test, GeoPlace place, bint measured, double* distance_out) noexcept nogil:
    """geo_distance, left as soon as it is clear that the place is inside and nobody measures, or that it is outside."""
    cdef double latitude = place.latitude * RADIANS
    cdef double up = (latitude - test.latitude) / 2
    cdef double across = (place.longitude * RADIANS - test.longitude) / 2
    cdef double u, v, a
    if _surely_beyond(test, up, across):
        return False
    if not measured and not test.wraps and up * up + test.latitude_cosine * test.cosine_most * across * across < test.near_haversine:
        return True
    v = sin(across)
    if v == 0:
        distance_out[0] = _latitude_distance(test.shape.centre.latitude, place.latitude)
    else:
        u = sin(up)
        a = u * u + test.latitude_cosine * cos(latitude) * v * v
        if a > test.far_haversine:
            return False
        distance_out[0] = 2.0 * EARTH_RADIUS * asin(sqrt(a))
    return not distance_out[0] > test.reach


cdef inline bint _in_box(const GeoTest* test, GeoPlace place, bint measured, double* distance_out) noexcept nogil:
    cdef const GeoShape* shape = &test.shape
    cdef GeoPlace beside
    if _surely_beyond(test, (place.latitude * RADIANS - test.latitude) / 2, (place.longitude * RADIANS - test.longitude) / 2):
        return False
    if _latitude_distance(place.latitude, shape.centre.latitude) > shape.height * shape.unit / 2:
        return False
    beside.longitude = shape.centre.longitude
    beside.latitude = place.latitude
    if geo_distance(place, beside) > shape.width * shape.unit / 2:
        return False
    if measured:
        distance_out[0] = geo_distance(shape.centre, place)
    return True


cdef bint geo_within(const GeoTest* test, double score, bint measured, double* distance_out) noexcept nogil:
    if test.shape.circular:
        return _in_circle(test, geohash_place(score), measured, distance_out)
    return _in_box(test, geohash_place(score), measured, distance_out)


# ---- boxes

cdef int _step_for(double reach, double latitude) noexcept nogil:
    """How fine a grid may be so that a place and its eight neighbours reach so far."""
    cdef int step = 1
    if reach == 0:
        return GEOHASH_STEPS
    while reach < HALF_MERCATOR:
        reach *= 2
        step += 1
    step -= 2
    # Towards the poles the boxes become narrow.
    if latitude > 66 or latitude < -66:
        step -= 1
        if latitude > 80 or latitude < -80:
            step -= 1
    if step < 1:
        return 1
    return step if step < GEOHASH_STEPS else GEOHASH_STEPS


cdef Area _bounds(const GeoShape* shape) noexcept nogil:
    """What lies around the shape: the map's meridians are closest where it is nearest to a pole."""
    cdef Area area
    cdef double height = shape.unit * (shape.radius if shape.circular else shape.height / 2)
    cdef double width = shape.unit * (shape.radius if shape.circular else shape.width / 2)
    cdef double up = (height / EARTH_RADIUS) / RADIANS
    cdef double aside
    if shape.centre.latitude < 0:
        aside = width / EARTH_RADIUS / cos((shape.centre.latitude - up) * RADIANS) / RADIANS
    else:
        aside = width / EARTH_RADIUS / cos((shape.centre.latitude + up) * RADIANS) / RADIANS
    area.least.longitude = shape.centre.longitude - aside
    area.most.longitude = shape.centre.longitude + aside
    area.least.latitude = shape.centre.latitude - up
    area.most.latitude = shape.centre.latitude + up
    return area


cdef inline GeoBox _beside(GeoBox box, int east, int north) noexcept nogil:
    """The neighbour on that side; the map's edges meet. (On the very edge a place has a bit more than there should be, and keeps it
    in the direction in which nothing moves.)"""
    cdef GeoBox other
    cdef uint32_t mask = <uint32_t>((<uint64_t>1 << box.step) - 1)
    cdef uint32_t latitude = _gather(box.bits)
    cdef uint32_t longitude = _gather(box.bits >> 1)
    if north:
        latitude = (latitude + <uint32_t>north) & mask
    if east:
        longitude = (longitude + <uint32_t>east) & mask
    other.bits = _spread(latitude) | _spread(longitude) << 1
    other.step = box.step
    return other


# The order in which they are searched is that of unsorted replies.
cdef int[9] EASTWARD = [0, 0, 0, 1, -1, 1, -1, 1, -1]
cdef int[9] NORTHWARD = [0, 1, -1, 0, 0, 1, 1, -1, -1]


cdef inline bint _reaches(GeoBox box, const Area* bounds) noexcept nogil:
    """Do the neighbours on the four sides reach the bounds?"""
    cdef GeoBox north = _beside(box, 0, 1)
    cdef GeoBox south = _beside(box, 0, -1)
    cdef GeoBox east = _beside(box, 1, 0)
    cdef GeoBox west = _beside(box, -1, 0)
    return not (_decode(north.bits, north.step).most.latitude < bounds.most.latitude
                or _decode(south.bits, south.step).least.latitude > bounds.least.latitude
                or _decode(east.bits, east.step).most.longitude < bounds.most.longitude
                or _decode(west.bits, west.step).least.longitude > bounds.least.longitude)


cdef void geohash_cover(const GeoShape* shape, GeoBox* boxes_out) noexcept nogil:
    cdef Area bounds = _bounds(shape)
    cdef Area area
    cdef GeoBox box
    cdef bint no_north, no_south, no_east, no_west
    cdef int i
    cdef double half_width = shape.width / 2
    cdef double half_height = shape.height / 2
    cdef double reach = shape.radius if shape.circular else sqrt(half_width * half_width + half_height * half_height)
    box.step = <uint8_t>_step_for(reach * shape.unit, shape.centre.latitude)
    box.bits = _encode(shape.centre, GEO_LATITUDE_MAX, box.step)
    if box.step > 1 and not _reaches(box, &bounds):
        box.step -= 1
        box.bits = _encode(shape.centre, GEO_LATITUDE_MAX, box.step)
    area = _decode(box.bits, box.step)
    no_south = box.step >= 2 and area.least.latitude < bounds.least.latitude
    no_north = box.step >= 2 and area.most.latitude > bounds.most.latitude
    no_west = box.step >= 2 and area.least.longitude < bounds.least.longitude
    no_east = box.step >= 2 and area.most.longitude > bounds.most.longitude
    for i in range(GEOHASH_BOXES):
        boxes_out[i] = _beside(box, EASTWARD[i], NORTHWARD[i])
        if ((no_south and NORTHWARD[i] < 0) or (no_north and NORTHWARD[i] > 0)
                or (no_west and EASTWARD[i] < 0) or (no_east and EASTWARD[i] > 0)):
            boxes_out[i].bits = 0
            boxes_out[i].step = 0
