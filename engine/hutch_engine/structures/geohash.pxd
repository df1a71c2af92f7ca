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

cdef struct GeoTest:             # what geo_within needs to know of a shape, reckoned once
    GeoShape shape
    double reach                 # of a circle: its radius, ...
    double far_latitude          # ... so many radians of latitude are surely beyond it
    double far_haversine         # ... and so large a haversine
    double longitude             # of the centre, in radians, as are the next three
    double latitude
    double latitude_cosine

cdef void geo_test_init(GeoTest* test, const GeoShape* shape) noexcept nogil
"""Prepare to ask for many places whether they lie in the shape. O(1)"""
cdef bint geo_within(const GeoTest* test, GeoPlace place, double* distance_out) noexcept nogil
"""Is the place in the shape? Then how far from its centre. O(1)"""
