"""The geo commands of the reference model: places as scores of a sorted set.

A place is a longitude and a latitude in degrees. Each is a number of 26 bits, its share of the range; interleaved they are the score.
So a score is a cell, and the place it stands for is the cell's middle. The earth is a sphere, distances are those of the haversine
formula. Searches look at every member; without an order they answer by score, where Redis goes by boxes of its map. (From a centre on
the map's very edge Redis misses boxes on the other side of it; the model does not.)
"""
from __future__ import annotations

import math
from functools import lru_cache

from .double import parse_double
from .model import SYNTAX, ModelSession, Refused, command, need_integer
from .model_sorted_sets import Scores, keep, text
from .replies import NULL_ARRAY, Double

EARTH_RADIUS_M = 6372797.560856
LONGITUDES, LATITUDES = (-180.0, 180.0), (-85.05112878, 85.05112878)
BITS = 26
LETTERS = b"0123456789bcdefghjkmnpqrstuvwxyz"
UNITS = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}
Place = tuple[float, float]


def share(value: float, low: float, high: float) -> int:
    """The number of 26 bits that says where in a range a value lies; one more for its very end."""
    return int((value - low) / (high - low) * (1 << BITS))


def interleaved(even: int, odd: int) -> int:
    """Two numbers of 26 bits as one, the bits of the first at the even places."""
    return sum((even >> bit & 1) << 2 * bit | (odd >> bit & 1) << 2 * bit + 1 for bit in range(BITS + 1))


def encode(place: Place, latitudes=LATITUDES) -> int:
    """The score of a place."""
    return interleaved(share(place[1], *latitudes), share(place[0], *LONGITUDES))


def whole(score: float) -> int:
    """A score as an unsigned integer of 64 bits; those that are none, which no GEOADD makes, as an x86-64 converts them."""
    if score < 2.0**63:
        return (int(score) if score >= -2.0**63 else -2**63) % 2**64
    return (int(score - 2.0**63) if score < 2.0**64 else 2**63) ^ 2**63


@lru_cache(maxsize=100_000)
def decode(score: float) -> Place:
    """The place that a score stands for: the middle of its cell."""
    bits = whole(score)
    middle = []
    for first, (low, high) in ((1, LONGITUDES), (0, LATITUDES)):
        cell = sum((bits >> 2 * bit + first & 1) << bit for bit in range(32))
        least = low + cell / (1 << BITS) * (high - low)
        most = low + (cell + 1) / (1 << BITS) * (high - low)
        middle.append(max(low, min(high, (least + most) / 2)))
    return middle[0], middle[1]


def distance(one: Place, two: Place) -> float:
    """How far two places are apart, in metres."""
    longitudes = math.radians(one[0]), math.radians(two[0])
    latitudes = math.radians(one[1]), math.radians(two[1])
    v = math.sin((longitudes[1] - longitudes[0]) / 2)
    if v == 0:
        return EARTH_RADIUS_M * abs(latitudes[1] - latitudes[0])
    u = math.sin((latitudes[1] - latitudes[0]) / 2)
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(u * u + math.cos(latitudes[0]) * math.cos(latitudes[1]) * v * v))


# ---- words

def need_place(words: list[bytes]) -> Place:
    """The place that two words spell. Refused where they are no numbers, or out of range."""
    longitude, latitude = parse_double(words[0]), parse_double(words[1])
    if longitude is None or latitude is None:
        raise Refused("ERR value is not a valid float")
    if not (LONGITUDES[0] <= longitude <= LONGITUDES[1] and LATITUDES[0] <= latitude <= LATITUDES[1]):
        raise Refused(f"ERR invalid longitude,latitude pair {longitude:f},{latitude:f}")
    return longitude, latitude


def need_unit(word: bytes) -> float:
    """The metres of a unit. Refused for an unknown one."""
    if word.upper() not in UNITS:
        raise Refused("ERR unsupported unit provided. please use M, KM, FT, MI")
    return UNITS[word.upper()]


def need_length(word: bytes, what: str) -> float:
    """A number. Refused where it is none; `what` is for the error."""
    number = parse_double(word)
    if number is None:
        raise Refused(f"ERR need numeric {what}")
    return number


def circle(words: list[bytes]) -> tuple[float, float, float, float]:
    """A radius and its unit, as (radius in metres, 0, 0, metres of the unit). Refused for bad ones."""
    radius = need_length(words[0], "radius")
    if radius < 0:
        raise Refused("ERR radius cannot be negative")
    unit = need_unit(words[1])
    return radius * unit, 0.0, 0.0, unit


def box(words: list[bytes]) -> tuple[float, float, float, float]:
    """Width, height and their unit, as (-1, width and height in metres, metres of the unit). Refused for bad ones."""
    width, height = need_length(words[0], "width"), need_length(words[1], "height")
    if width < 0 or height < 0:
        raise Refused("ERR height or width cannot be negative")
    unit = need_unit(words[2])
    return -1.0, width * unit, height * unit, unit


def degrees(value: float) -> Double:
    """A coordinate as replies have it."""
    return Double(text(value))


def metres(value: float) -> bytes:
    """A distance as replies have it."""
    return b"%.4f" % value


# ---- commands

@command("geoadd", arity=-5)
def geoadd(self: ModelSession, name, args):
    """GEOADD with NX, XX and CH: ZADD with the scores of places; returns what ZADD does. Refused for bad places."""
    from .model_sorted_sets import zadd
    at = 1
    while at < len(args) and args[at].upper() in (b"NX", b"XX", b"CH"):
        at += 1
    options, words = args[1:at], args[at:]
    if len(words) % 3 or not words or {b"NX", b"XX"} <= {option.upper() for option in options}:
        raise Refused(SYNTAX)
    pairs = []
    for first in range(0, len(words), 3):
        pairs += [b"%d" % encode(need_place(words[first:first + 2])), words[first + 2]]
    return zadd(self, "zadd", [args[0], *options, *pairs])


@command("geopos", arity=-2)
def geopos(self, name, args):
    """GEOPOS: for each member longitude and latitude as Doubles, NULL_ARRAY where there is none."""
    value = self.collection(args[0], Scores) or {}
    return [[degrees(part) for part in decode(value[member])] if member in value else NULL_ARRAY for member in args[1:]]


@command("geohash", arity=-2)
def geohash(self, name, args):
    """GEOHASH: for each member its text of eleven letters by the usual map, whose latitudes go to 90 degrees; None where there is
    none."""
    value = self.collection(args[0], Scores) or {}
    texts = []
    for member in args[1:]:
        if member not in value:
            texts.append(None)
            continue
        bits = encode(decode(value[member]), (-90.0, 90.0))
        texts.append(bytes(LETTERS[bits >> 2 * BITS - 5 * letter & 31] for letter in range(1, 11)) + b"0")
    return texts


@command("geodist", arity=-4)
def geodist(self, name, args):
    """GEODIST: the distance of two members as text, or None where one is missing. Refused for an unknown unit."""
    if len(args) > 4:
        raise Refused(SYNTAX)
    unit = need_unit(args[3]) if len(args) == 4 else 1.0
    value = self.collection(args[0], Scores) or {}
    if args[1] not in value or args[2] not in value:
        return None
    return metres(distance(decode(value[args[1]]), decode(value[args[2]])) / unit)


class Search:
    """What is searched for."""

    def __init__(self):
        self.centre: Place | None = None
        self.from_member = False
        self.shape: tuple[float, float, float, float] | None = None
        self.options: set[bytes] = set()
        self.order = b""
        self.count = 0
        self.target: bytes | None = None
        self.store_distance = False

    def measure(self, place: Place) -> float | None:
        """How far the place is from the centre, in metres; None where it is outside."""
        radius, width, height, _ = self.shape
        if radius >= 0:
            far = distance(self.centre, place)
            return far if far <= radius else None
        if EARTH_RADIUS_M * abs(math.radians(place[1]) - math.radians(self.centre[1])) > height / 2 \
                or distance((place[0], place[1]), (self.centre[0], place[1])) > width / 2:
            return None
        return distance(self.centre, place)


def member_place(value: Scores | None, member: bytes) -> Place:
    """The place of a member; any place where there is no set, since nothing will be found. Refused where the set lacks it."""
    if value is None:
        return 0.0, 0.0
    if member not in value:
        raise Refused("ERR could not decode requested zset member")
    return decode(value[member])


def read_options(search: Search, words: list[bytes], value: Scores | None, name: str, may_store: bool) -> None:
    """The words behind the fixed ones. Refused for what is unknown or does not go together."""
    older, at = name.startswith("georadius"), 0
    while at < len(words):
        word, left = words[at].upper(), len(words) - at - 1
        if word in (b"WITHDIST", b"WITHHASH", b"WITHCOORD", b"ANY"):
            search.options.add(word)
        elif word in (b"ASC", b"DESC"):
            search.order = word
        elif word == b"COUNT" and left:
            search.count = need_integer(words[at + 1])
            if search.count <= 0:
                raise Refused("ERR COUNT must be > 0")
            at += 1
        elif older and may_store and word in (b"STORE", b"STOREDIST") and left:
            search.store_distance, search.target = word == b"STOREDIST", words[at + 1]
            at += 1
        elif not older and word == b"FROMMEMBER" and left and (search.from_member or search.centre is None):
            search.from_member, search.centre = True, member_place(value, words[at + 1])
            at += 1
        elif not older and word == b"FROMLONLAT" and left >= 2 and not search.from_member:
            search.centre = need_place(words[at + 1:at + 3])
            at += 2
        elif not older and word == b"BYRADIUS" and left >= 2 and (search.shape is None or search.shape[0] >= 0):
            search.shape = circle(words[at + 1:at + 3])
            at += 2
        elif not older and word == b"BYBOX" and left >= 3 and (search.shape is None or search.shape[0] < 0):
            search.shape = box(words[at + 1:at + 4])
            at += 3
        elif name == "geosearchstore" and word == b"STOREDIST":
            search.store_distance = True
        else:
            raise Refused(SYNTAX)
        at += 1


def judge(search: Search, name: str) -> None:
    """Do the options go together? Refused where not."""
    older, spoken = name.startswith("georadius"), name.encode()
    if search.target is not None and search.options & {b"WITHDIST", b"WITHHASH", b"WITHCOORD"}:
        which = "STORE option in GEORADIUS" if older else "GEOSEARCHSTORE"
        raise Refused(f"ERR {which} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    if search.centre is None:
        raise Refused(b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + spoken)
    if search.shape is None:
        if older:                # BYMEMBER of a key that is not there: nothing was looked at
            search.shape = (0.0, 0.0, 0.0, 1.0)
        else:
            raise Refused(b"ERR exactly one of BYRADIUS and BYBOX can be specified for " + spoken)
    if b"ANY" in search.options and not search.count:
        raise Refused("ERR the ANY argument requires COUNT argument")


def find(search: Search, value: Scores | None) -> list[tuple[float, bytes]]:
    """What lies inside, as (distance in metres, member): in order where one was asked for or some are counted. O(members)"""
    found = []
    for score, member in value.order if value is not None else ():
        far = search.measure(decode(score)) if 0 <= score < 1 << 2 * BITS else None       # else it is no place's
        if far is not None:
            found.append((far, member))
    if search.order or (search.count and b"ANY" not in search.options):
        found.sort(key=lambda pair: pair[0], reverse=search.order == b"DESC")
    return found[:search.count] if search.count else found


@command("geosearch", "geosearchstore", "georadius", "georadius_ro", "georadiusbymember", "georadiusbymember_ro", arity=-5)
def geosearch(self, name, args):
    """GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER with their _RO forms: the members, each in a list with
    distance, score and place as asked for; how many where they are stored. Refused as read_options and judge say. O(members)"""
    least = {"geosearch": 6, "geosearchstore": 7, "georadius": 5, "georadius_ro": 5}.get(name, 4)
    if len(args) < least:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    search, words = Search(), list(args)
    if name == "geosearchstore":
        search.target = words.pop(0)
    value = self.collection(words[0], Scores)
    if name.startswith("georadiusbymember"):
        search.centre = member_place(value, words[1])
        if value is not None:
            search.shape = circle(words[2:4])
        rest = words[4:]
    elif name.startswith("georadius"):
        search.centre, search.shape = need_place(words[1:3]), circle(words[3:5])
        rest = words[5:]
    else:
        rest = words[1:]
    read_options(search, rest, value, name, not name.endswith("_ro"))
    judge(search, name)
    found = find(search, value)
    unit = search.shape[3]
    if search.target is not None:
        return keep(self, search.target, {member: far / unit if search.store_distance else value[member] for far, member in found})
    if not search.options & {b"WITHDIST", b"WITHHASH", b"WITHCOORD"}:
        return [member for _, member in found]
    rows = []
    for far, member in found:
        row: list = [member]
        if b"WITHDIST" in search.options:
            row.append(metres(far / unit))
        if b"WITHHASH" in search.options:
            row.append(whole(value[member]))
        if b"WITHCOORD" in search.options:
            row.append([degrees(part) for part in decode(value[member])])
        rows.append(row)
    return rows
