"""Geo: every command of the group, in both forms of the sorted set; poles, the date line, and scores that are no places."""
from kit.generators import Family, Step

geo = Family("geo", seeds=(lambda g: (b"GEOADD", g.key(), b"13.361389", b"38.115556", b"Palermo"),))

OWN = (b"geo0", b"geo1", b"geo2")
UNITS = (b"m", b"km", b"ft", b"mi", b"M", b"KM", b"Mi")
CENTRES = ((13.36, 38.11), (0.0, 0.0), (179.99, 0.5), (-179.99, -0.5), (10.0, 84.9), (-60.0, -84.9), (120.0, 67.0), (-120.0, -70.0))


def geo_key(g):
    return g.pick(OWN) if g.chance(0.85) else g.key()


def place(g):
    kind = g.random.random()
    if kind < 0.55:
        x, y = g.pick(CENTRES)
        spread = g.pick((0.001, 0.1, 1.0, 5.0))
        x, y = x + g.random.uniform(-spread, spread), y + g.random.uniform(-spread, spread)
        x = x - 360 if x > 180 else x + 360 if x < -180 else x
        y = max(-85.05112878, min(85.05112878, y))
    elif kind < 0.9:
        x, y = g.random.uniform(-180, 180), g.random.uniform(-85.05, 85.05)
    elif kind < 0.96:
        x, y = g.pick((-180, 180, 0, 90)), g.pick((-85.05112878, 85.05112878, 0, 66, 80))
    else:
        return g.pick(((b"181", b"0"), (b"0", b"85.06"), (b"x", b"1"), (b"1", b""), (b"inf", b"0"), (b"0", b"nan"), (b"1e300", b"1"))) \
            if g.chance(0.5) else (g.float(), g.float())
    return repr(x).encode(), repr(y).encode()


def member(g):
    kind = g.random.random()
    if kind < 0.75:
        return b"p%d" % g.random.randint(0, 40)
    return b"%d" % g.random.randint(-5, 30) if kind < 0.95 else g.value()


def number(g):
    kind = g.random.random()
    if kind < 0.5:
        return b"%d" % g.random.randint(0, 500)
    if kind < 0.9:
        return repr(g.random.uniform(0, 10 ** g.random.randint(0, 8))).encode()
    return g.pick((b"0", b"-1", b"x", b"1e9", b"inf", b"1e-300", b"30000000", b"20037726.37", b"5000000"))


def unit(g):
    return g.pick(UNITS) if g.chance(0.97) else g.pick((b"", b"cm", b"kilometre"))


@geo.generator(weight=8)
def geoadd(g):
    options = g.some(g.word(b"NX"), g.word(b"XX"), g.word(b"CH"), chance=0.1)
    return b"GEOADD", geo_key(g), *options, *(word for _ in range(g.random.randint(1, 6)) for word in (*place(g), member(g)))


@geo.generator(weight=1)
def geoadd_many(g):
    return b"GEOADD", g.pick(OWN), *(word for i in range(g.pick((10, 17, 60, 130, 300))) for word in (*place(g), b"p%d" % i))


@geo.generator(weight=0.7)
def same_places(g):
    """Equal distances, in whose order the sorting shows."""
    x, y = place(g)
    return b"GEOADD", g.pick(OWN), *(word for i in range(g.pick((3, 9, 60))) for word in (x, y, b"p%d" % i))


@geo.generator(weight=0.5, damage=False)
def scores(g):
    """What no GEOADD would have put there."""
    return b"ZADD", g.pick(OWN), g.pick((b"-1", b"1e300", b"inf", b"-inf", b"4503599627370496", b"0.5", b"0", b"9e18", b"1.8e19", b"3e19",
                                         b"4503599627370495", b"-5000000000000000", b"18014398509481983")), member(g)


@geo.generator(weight=1)
def take_away(g):
    return g.pick(((b"ZREM", g.pick(OWN), member(g)), (b"DEL", g.pick(OWN)), (b"ZCARD", g.pick(OWN)), (b"OBJECT", b"ENCODING", g.pick(OWN)),
                   (b"ZRANGE", g.pick(OWN), b"0", b"-1", b"WITHSCORES")))


@geo.generator(weight=3)
def ask(g):
    key = geo_key(g)
    return g.pick(((b"GEOPOS", key, *(member(g) for _ in range(g.random.randint(0, 3)))),
                   (b"GEOHASH", key, *(member(g) for _ in range(g.random.randint(0, 3)))),
                   (b"GEODIST", key, member(g), member(g), *g.some(unit(g), chance=0.6))))


def shared_options(g):
    count = b"%d" % g.random.randint(1, 12) if g.chance(0.95) else g.pick((b"0", b"-1", b"x", b"9223372036854775807"))
    return g.some((g.word(b"WITHDIST"),), (g.word(b"WITHCOORD"),), (g.word(b"WITHHASH"),), (g.pick((g.word(b"ASC"), g.word(b"DESC"))),),
                  (g.word(b"COUNT"), count, *((g.word(b"ANY"),) if g.chance(0.4) else ())), chance=0.4)


@geo.generator(weight=12)
def geosearch(g):
    centre = (g.word(b"FROMMEMBER"), member(g)) if g.chance(0.5) else (g.word(b"FROMLONLAT"), *place(g))
    shape = (g.word(b"BYRADIUS"), number(g), unit(g)) if g.chance(0.5) else (g.word(b"BYBOX"), number(g), number(g), unit(g))
    options = shared_options(g)
    words = [*centre, *shape, *options] if g.chance(0.8) else [*options, *shape, *centre]
    if g.chance(0.04):
        words += g.pick(((b"FROMMEMBER", b"p1"), (b"FROMLONLAT", b"1", b"1"), (b"BYBOX", b"1", b"1", b"m"), (b"BYRADIUS", b"1", b"m"), (b"ANY",)))
    if g.chance(0.3):
        if g.chance(0.8):
            words = [word for word in words if not word.upper().startswith(b"WITH")]
        return b"GEOSEARCHSTORE", geo_key(g), geo_key(g), *words, *g.some(g.word(b"STOREDIST"))
    return b"GEOSEARCH", geo_key(g), *words


@geo.generator(weight=5)
def older(g):
    options = shared_options(g)
    if g.chance(0.25):
        options = [word for word in options if not word.upper().startswith(b"WITH") or g.chance(0.05)]
        options += (g.pick((g.word(b"STORE"), g.word(b"STOREDIST"))), geo_key(g))
    read_only = b"_RO" if g.chance(0.3) else b""
    if g.chance(0.5):
        return b"GEORADIUS" + read_only, geo_key(g), *place(g), number(g), unit(g), *options
    return b"GEORADIUSBYMEMBER" + read_only, geo_key(g), member(g), number(g), unit(g), *options


@geo.generator(weight=1, damage=False)
def stored(g):
    """What a search stored, with its scores; and the thresholds of the packed form."""
    if g.chance(0.3):
        return [Step((b"CONFIG", b"SET", b"zset-max-listpack-entries", g.pick((b"128", b"5", b"0"))))]
    return [Step((b"GEOSEARCHSTORE", b"found", g.pick(OWN), b"FROMLONLAT", *(b"%.3f" % part for part in g.pick(CENTRES)), b"BYRADIUS",
                  b"%d" % g.random.randint(1, 3_000), b"km", *g.some(b"STOREDIST", (b"COUNT", b"5")))),
            Step((b"ZRANGE", b"found", b"0", b"-1", b"WITHSCORES")), Step((b"OBJECT", b"ENCODING", b"found"))]
