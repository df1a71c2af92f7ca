"""Places beside Redis: many of them, everywhere, and all ways to look for them; whole replies, byte for byte."""
import random

import pytest

from hutch_engine.door.engine import Engine
from kit.resp_client import RespClient

LATITUDE = 85.05112878


def somewhere(r):
    kind = r.random()
    if kind < 0.4:
        return r.uniform(-180, 180), r.uniform(-LATITUDE, LATITUDE)
    x, y = r.choice(((15.0, 40.0), (180.0, 0.0), (-180.0, 50.0), (0.0, 85.0), (90.0, -85.0), (0.0, 0.0)))
    spread = 10 ** r.uniform(-4, 1)
    return (x + r.gauss(0, spread) + 180) % 360 - 180, max(-LATITUDE, min(LATITUDE, y + r.gauss(0, spread)))


def search(r, count):
    x, y = somewhere(r)
    centre = ("FROMLONLAT", f"{x:.6f}", f"{y:.6f}") if r.random() < 0.6 else ("FROMMEMBER", f"p{r.randrange(count)}")
    unit = r.choice(("m", "km", "mi", "ft"))
    size = 10 ** r.uniform(0, 7.3) / {"m": 1, "km": 1000, "mi": 1609.34, "ft": 0.3048}[unit]
    shape = ("BYRADIUS", size, unit) if r.random() < 0.6 else ("BYBOX", size, size * r.uniform(0.01, 3), unit)
    words = [*centre, *shape]
    if r.random() < 0.6:
        words.append(r.choice(("ASC", "DESC")))
    if r.random() < 0.6:
        words += ["COUNT", r.choice((1, 2, 10, 100, 1500))] + ["ANY"] * (r.random() < 0.3)
    return words, [word for word in ("WITHDIST", "WITHCOORD", "WITHHASH") if r.random() < 0.4]


@pytest.mark.parametrize("protocol", (2, 3))
@pytest.mark.parametrize("count", (100, 6000))
def test_searches(oracle, count, protocol):
    engine = Engine(seed=1)
    session = engine.session()
    r = random.Random(f"{count} {protocol}")

    def ours(*words):
        return bytes(session.execute_raw([word if isinstance(word, bytes) else str(word).encode() for word in words]))

    with RespClient(oracle.host, oracle.port) as other:
        other.execute("FLUSHALL")
        other.execute("HELLO", protocol)
        ours("HELLO", protocol)
        words = [word for i in range(count) for word in (*(f"{part:.7f}" for part in somewhere(r)), f"p{i}")]
        # Some places are many members', and some members are integers.
        words += [word for i in range(count // 20) for word in (*words[30 * i:30 * i + 2], i)]
        for first in range(0, len(words), 300):
            assert ours("GEOADD", "g", *words[first:first + 300]) == other.execute("GEOADD", "g", *words[first:first + 300]).raw
        for _ in range(150):
            words, shown = search(r, count)
            asked = ("GEOSEARCH", "g", *words, *shown)
            assert ours(*asked) == other.execute(*asked).raw, asked
            if r.random() < 0.2:
                asked = ("GEOSEARCHSTORE", "t", "g", *words, *(["STOREDIST"] if r.random() < 0.5 else []))
                assert ours(*asked) == other.execute(*asked).raw, asked
                asked = ("ZRANGE", "t", 0, -1, "WITHSCORES")
                assert ours(*asked) == other.execute(*asked).raw
            one, two = f"p{r.randrange(count)}", f"p{r.randrange(count)}"
            for asked in (("GEODIST", "g", one, two, "km"), ("GEOHASH", "g", one), ("GEOPOS", "g", one, two)):
                assert ours(*asked) == other.execute(*asked).raw, asked
    engine.close()
