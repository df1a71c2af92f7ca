"""Places on the sphere as numbers of 52 bits, distances, and the stretches of such numbers that cover an area. Nothing here owns
memory.

A place is two fixed-point numbers, each of `step` bits: how far it lies between the least and the greatest latitude, and the
same of longitudes. Their bits are interleaved, the longitude's above the latitude's, so that what begins alike lies close
together: a prefix of 2 * step bits is a *box*. Places have 26 steps, which doubles hold exactly, so that they can be
scores of sorted sets. (G. M. Morton 1966; G. Niemeyer's geohash, 2008.) Latitudes end where the Mercator projection becomes
a square.

All arithmetic is Redis's to the operation, as its replies show all digits. Angles are in degrees, lengths in metres.
"""
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    GEOHASH_STEPS = 26           # of a place
    GEOHASH_TEXT_BYTES = 11
    GEOHASH_BOXES = 9            # that an area is looked for in

cdef struct GeoPlace:
    double longitude
    double latitude

cdef struct GeoShape:            # what is looked for: a circle or a box on the map
    GeoPlace centre
    bint circular
    double unit                  # metres
    double radius                # in units, as are the next two
    double width
    double height

cdef struct GeoBox:              # a stretch of numbers
    uint64_t bits
    uint8_t step                 # 0: none

cdef bint geo_is_place(GeoPlace place) noexcept nogil
"""Does it lie where places may be? O(1)"""
cdef uint64_t geohash_of(GeoPlace place) noexcept nogil
"""The number of a place. Requires geo_is_place. O(1)"""
cdef GeoPlace geohash_place(double score) noexcept nogil
"""The middle of what has this number as its score; any double has one. O(1)"""
cdef void geohash_text(GeoPlace place, char* out) noexcept nogil
"""The usual geohash, whose latitudes go to the poles: GEOHASH_TEXT_BYTES. O(1)"""
cdef double geo_distance(GeoPlace one, GeoPlace other) noexcept nogil
"""Between two places, along the sphere. O(1)"""
cdef void geohash_cover(const GeoShape* shape, GeoBox* boxes_out) noexcept nogil
"""GEOHASH_BOXES boxes that together cover the shape: its centre's, and the neighbours in Redis's order; those that are of no
use have step 0. O(1)"""
cdef inline uint64_t geohash_first(GeoBox box) noexcept nogil:
    """The least number in a box; that of the next box is the first beyond it."""
    return box.bits << (2 * (GEOHASH_STEPS - box.step))

cdef struct GeoTest:             # what is reckoned once of a shape, to look at many places
    GeoShape shape
    double reach                 # of a circle: its radius in metres
    double longitude             # of the centre, in radians, as is the next
    double latitude
    double latitude_cosine
    uint64_t north_least         # the latitude's bits of a number that may be inside, and at most; then the longitude's
    uint64_t north_most
    uint64_t east_least
    uint64_t east_most
    double cosine_least          # of all latitudes between those, at least and at most
    double cosine_most
    double near_haversine        # up to here a place is surely in the circle, ...
    double far_haversine         # ... and beyond this one it is surely outside, or farther than is wanted (geo_test_nearer)
    bint wraps                   # the shape may lie across the date line, or around a pole

cdef void geo_test_init(GeoTest* test, const GeoShape* shape) noexcept nogil
"""Prepare to ask for many places whether they lie in the shape. O(1)"""
cdef void geo_test_nearer(GeoTest* test, double distance) noexcept nogil
"""From now on only places are wanted that are no farther away than this: geo_within may say no to others. O(1)"""
cdef inline bint geo_may_be(const GeoTest* test, double score) noexcept nogil:
    """A first look at a score: False if its place is surely not in the shape. O(1), a few comparisons."""
    cdef uint64_t bits = <uint64_t>score
    return (test.north_least <= bits & 0x5555555555555555ULL <= test.north_most
            and test.east_least <= bits & 0xaaaaaaaaaaaaaaaaULL <= test.east_most)
cdef bint geo_within(const GeoTest* test, double score, bint measured, double* distance_out) noexcept nogil
"""Is the place of this score in the shape? Then, if that is to be `measured`, how far it is from the centre, too. O(1)"""
