"""structures/geohash for tests."""
from hutch_engine.structures.geohash cimport (
    GEOHASH_BOXES, GEOHASH_STEPS, GEOHASH_TEXT_BYTES, GeoBox, GeoPlace, GeoShape, GeoTest, geo_distance, geo_is_place, geo_may_be,
    geo_test_init, geo_test_nearer, geo_within, geohash_cover, geohash_first, geohash_of, geohash_place, geohash_text)


cdef GeoPlace _place(tuple place):
    cdef GeoPlace found
    found.longitude, found.latitude = place
    return found


cdef GeoShape _shape(tuple centre, tuple size, double unit):
    cdef GeoShape shape
    shape.centre = _place(centre)
    shape.unit = unit
    shape.circular = len(size) == 1
    shape.radius = shape.width = shape.height = 0
    if shape.circular:
        shape.radius = size[0]
    else:
        shape.width, shape.height = size
    return shape


def is_place(tuple place):
    return geo_is_place(_place(place))


def number(tuple place):
    return geohash_of(_place(place))


def middle(double score):
    cdef GeoPlace found = geohash_place(score)
    return found.longitude, found.latitude


def text(tuple place):
    cdef char[GEOHASH_TEXT_BYTES] out
    geohash_text(_place(place), out)
    return out[:GEOHASH_TEXT_BYTES]


def distance(tuple one, tuple other):
    return geo_distance(_place(one), _place(other))


def cover(tuple centre, tuple size, double unit=1):
    """(first, end) of each box, None where there is none."""
    cdef GeoBox[GEOHASH_BOXES] boxes
    cdef GeoBox next
    cdef GeoShape shape = _shape(centre, size, unit)
    geohash_cover(&shape, boxes)
    found = []
    for i in range(GEOHASH_BOXES):
        next = boxes[i]
        next.bits += 1
        found.append((geohash_first(boxes[i]), geohash_first(next)) if boxes[i].step else None)
    return found


def within(tuple centre, tuple size, double score, double unit=1, bint measured=True, nearer=None):
    """The distance (0 where it is not measured), or None outside."""
    cdef GeoTest test
    cdef GeoShape shape = _shape(centre, size, unit)
    cdef double distance = 0
    geo_test_init(&test, &shape)
    if nearer is not None:
        geo_test_nearer(&test, nearer)
    return distance if geo_may_be(&test, score) and geo_within(&test, score, measured, &distance) else None
