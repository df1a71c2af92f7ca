"""Places, distances and boxes: against definitions in Python, and against each other."""
import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from shims import geohash

LATITUDE = 85.05112878
EARTH = 6372797.560856
places = st.tuples(st.floats(-180, 180), st.floats(-LATITUDE, LATITUDE))


def bits(value, most, count=26):
    return int((value + most) / (most + most) * 2 ** count)


def interleaved(place, latitude_most):
    longitude, latitude = bits(place[0], 180), bits(place[1], latitude_most)
    return sum((longitude >> i & 1) << 2 * i + 1 | (latitude >> i & 1) << 2 * i for i in range(27))


@settings(max_examples=500, deadline=None)
@given(places)
def test_numbers_and_places(place):
    assert geohash.is_place(place)
    number = geohash.number(place)
    assert number == interleaved(place, LATITUDE)
    if number < 2 ** 52:             # the northern and the eastern edge lie beyond
        longitude, latitude = geohash.middle(number)
        assert abs(longitude - place[0]) <= 360 / 2 ** 26 and abs(latitude - place[1]) <= 2 * LATITUDE / 2 ** 26
        assert geohash.number((longitude, latitude)) == number


def test_where_places_end():
    assert geohash.is_place((180, LATITUDE)) and geohash.is_place((-180, -LATITUDE))
    for place in ((180.0001, 0), (0, 85.0512), (math.inf, 0), (0, -math.inf), (math.nan, 0), (0, math.nan)):
        assert not geohash.is_place(place)


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False) | st.integers(0, 2 ** 64).map(float))
def test_any_score_has_a_place(score):
    longitude, latitude = geohash.middle(score)
    assert -180 <= longitude <= 180 and -LATITUDE <= latitude <= LATITUDE


def test_texts():
    assert geohash.text((13.361389338970184, 38.1155563954963)) == b"sqc8b49rny0"
    assert geohash.text((15.087267458438873, 37.50266842333162)) == b"sqdtr74hyu0"
    assert geohash.text((0.0, 0.0)) == b"s0000000000"


@settings(max_examples=300, deadline=None)
@given(places, places)
def test_distances(one, other):
    found = geohash.distance(one, other)
    x1, y1, x2, y2 = map(math.radians, (*one, *other))
    a = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    assert abs(found - 2 * EARTH * math.asin(math.sqrt(min(a, 1)))) < 1e-3
    assert geohash.distance(one, one) == 0


def near(centre, r):
    """Places at all scales around a centre, and anywhere."""
    spread = 10 ** r.uniform(-6, 2)
    longitude = (centre[0] + r.uniform(-spread, spread) + 180) % 360 - 180
    latitude = max(-LATITUDE, min(LATITUDE, centre[1] + r.uniform(-spread, spread)))
    return (longitude, latitude) if r.random() < 0.8 else (r.uniform(-180, 180), r.uniform(-LATITUDE, LATITUDE))


CENTRES = ((0.0, 0.0), (13.4, 52.5), (179.9999, 10.0), (-180.0, -40.0), (100.0, LATITUDE), (-20.0, -84.9), (0.0, 84.0), (7.0, -60.0))


def test_a_quick_look_decides_as_the_distance_does():
    r = random.Random(3)
    inside = 0
    for _ in range(20_000):
        centre = r.choice(CENTRES) if r.random() < 0.5 else (r.uniform(-180, 180), r.uniform(-LATITUDE, LATITUDE))
        score, unit = float(geohash.number(near(centre, r))), r.choice((1.0, 1000.0, 0.3048))
        exact = geohash.distance(centre, geohash.middle(score))
        for size in (10 ** r.uniform(-3, 7.4) / unit, 0.0, math.inf, exact / unit, math.nextafter(exact / unit, 0), exact / unit * 1.0000001,
                     exact / unit * 0.9999999):
            expected = exact if exact <= size * unit else None
            assert geohash.within(centre, (size,), score, unit) == expected, (centre, score, size, unit)
            found = geohash.within(centre, (size,), score, unit, measured=False)
            assert (found is None) == (expected is None), (centre, score, size, unit)
            assert geohash.within(centre, (size,), score, unit, nearer=exact) == expected
            inside += expected is not None
    assert inside > 50_000


def test_boxes_on_the_map():
    r = random.Random(4)
    inside = 0
    for _ in range(30_000):
        centre = r.choice(CENTRES) if r.random() < 0.5 else (r.uniform(-180, 180), r.uniform(-LATITUDE, LATITUDE))
        score = float(geohash.number(near(centre, r)))
        place = geohash.middle(score)
        up = EARTH * abs(place[1] * (math.pi / 180) - centre[1] * (math.pi / 180))
        across = geohash.distance(place, (centre[0], place[1]))
        for width, height in ((10 ** r.uniform(-3, 7.4), 10 ** r.uniform(-3, 7.4)), (2 * across, 2 * up), (across * 2.000001, up * 2.000001),
                              (across * 1.999999, 1e9), (1e9, up * 1.999999), (0.0, 0.0)):
            expected = geohash.distance(centre, place) if up <= height / 2 and across <= width / 2 else None
            assert geohash.within(centre, (width, height), score) == expected, (centre, score, width, height)
            assert (geohash.within(centre, (width, height), score, measured=False) is None) == (expected is None)
            inside += expected is not None
    assert inside > 50_000


def test_what_is_in_a_shape_is_in_its_boxes():
    r = random.Random(5)
    looked = 0
    while looked < 20_000:
        centre = (r.uniform(-180, 180), r.uniform(-60, 60))
        reach = 10 ** r.uniform(0, 6)
        size = (reach,) if r.random() < 0.5 else (reach, r.uniform(0, 2 * reach))
        boxes = geohash.cover(centre, size)
        assert boxes[0] is not None and boxes[0][0] <= geohash.number(centre) < boxes[0][1]
        spread = math.degrees(max(size) / EARTH) * 2.5
        for _ in range(20):
            place = ((centre[0] + r.uniform(-spread, spread) + 180) % 360 - 180, centre[1] + r.uniform(-spread, spread))
            if not geohash.is_place(place) or geohash.within(centre, size, float(geohash.number(place))) is None:
                continue
            looked += 1
            number = geohash.number(place)
            assert any(first <= number < end for first, end in filter(None, boxes)), (centre, size, place)


def test_the_widest_shapes():
    """Boxes stay numbers of 52 bits however large, small or odd a shape is; on the edges of the map there is one bit more for each
    direction."""
    for centre in ((0, 0), (180, LATITUDE), (-180, -LATITUDE), (179.9, 84)):
        for size in ((0,), (5e-324,), (1e300,), (math.inf,), (0, 0), (math.inf, 1), (1, 1e200)):
            for first, end in filter(None, geohash.cover(centre, size)):
                assert 0 <= first < end <= 2 ** 54
