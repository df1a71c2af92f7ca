"""The reference model's streams, HyperLogLogs and geo, beside a real Redis and beside the engine: the random commands of tests/kit, but for
those that say how an engine packs its values. (test_differential has strings, keys and bitmaps, test_collections_model the rest.)"""
import os

import pytest

from hutch.testing.model import COMMANDS, Model
from hutch.testing.replies import Double, Error, Map
from kit.backends import EmbeddedBackend, ModelConnection, SupervisedBackend
from kit.differential import COMPARERS
from kit.families import families
from kit.generators import Gen

AMOUNT = int(os.environ.get("HUTCH_MODEL_COMMANDS", "4000"))
SEED = int(os.environ.get("HUTCH_DIFF_SEED", "20261201"))
SEQUENCE = 120
RADIX = (b"radix-tree-keys", b"radix-tree-nodes")
MOMENTS = (b"idle", b"inactive", b"seen-time", b"active-time")
EDGES = {b"180", b"-180", b"85.05112878", b"-85.05112878"}


def modelled(argv, hyperloglogs):
    """Does the model say what the reply is?"""
    name, words = argv[0].upper(), [word.upper() for word in argv]
    if name.lower().decode("latin-1") not in COMMANDS or name in (b"OBJECT", b"SWAPDB", b"SELECT", b"MOVE", b"KEYS", b"RANDOMKEY", b"SCAN"):
        return False
    if b"HELP" in words or b"BLOCK" in words or (name in (b"XADD", b"XTRIM") and b"~" in argv):
        return False
    if name == b"ZADD" or not EDGES.isdisjoint(argv):        # scores that are no places; centres from where Redis does not see all
        return False
    if name.startswith(b"GEO") and b"COUNT" in words and (name == b"GEOSEARCHSTORE" or b"STORE" in words or b"STOREDIST" in words):
        return False                     # of those that are equally far, or of ANY, some are stored
    if hyperloglogs and (name in (b"GET", b"STRLEN", b"PFDEBUG", b"COPY") or argv[1:2] == (b"spoilt",)):
        return False
    return True


def plain(argv, value):
    """What of a reply is to be the same."""
    name, words = argv[0].upper(), [word.upper() for word in argv]
    if isinstance(value, Error):
        return value
    if name.startswith(b"GEO") and isinstance(value, list) and name not in (b"GEOPOS", b"GEOHASH"):
        if b"ANY" in words:
            return len(value)            # which of them is an engine's affair
        value = sorted(value, key=repr)  # and so is the order of those that are equally far
        return [row if b"COUNT" not in words else b"" for row in value]
    if name == b"ZRANGE" and isinstance(value, list):        # in RESP3 pairs, which the model of sorted sets does not make
        return [word.text if isinstance(word, Double) else word for row in value for word in (row if isinstance(row, list) else [row])]
    if isinstance(value, Map):           # in RESP2 flat
        value = [word for pair in value.pairs for word in pair]
    if isinstance(value, list):
        if name == b"XINFO" and RADIX[0] in value:
            at = value.index(RADIX[0])
            value = value[:at] + value[at + 4:]
        if name == b"XPENDING" and len(value) == 4 and isinstance(value[2], int):
            value = [*value[:2], "idle", value[3]]
        return ["moment" if at and value[at - 1] in MOMENTS and item != -1 else plain(argv, item) for at, item in enumerate(value)]
    return "moment" if name == b"XINFO" and isinstance(value, int) and value > 10**12 else value


def compare(subject, protocol, name, commands):
    model = Model()
    mine = ModelConnection(model.session())
    mine.run([("HELLO", str(protocol))])
    theirs = subject.open()
    theirs.run([("RESET",), ("HELLO", str(protocol))])
    gen = Gen(SEED + protocol)
    done = 0
    try:
        while done < commands:
            model.databases[0].clear()
            theirs.run([("FLUSHALL",)])
            before = []
            for step in gen.sequence(families(name), SEQUENCE):
                if not modelled(step.argv, name == "hyperloglogs"):
                    continue
                before.append(step.argv)
                one, two = mine.run([step.argv])[0], theirs.run([step.argv])[0]
                a, b = plain(step.argv, one.value), plain(step.argv, two.value)
                near = COMPARERS[step.compare if step.compare in ("seconds", "milliseconds") else "exact"]
                assert a == b or near(one, two), f"{step.argv}\nmodel  {a!r}\nserver {b!r}\n" + "\n".join(map(repr, before[-40:]))
                done += 1
    finally:
        theirs.run([("FLUSHALL",)])
        theirs.close()


@pytest.mark.parametrize("protocol", (2, 3))
@pytest.mark.parametrize("name", ("streams", "hyperloglogs", "geo"))
def test_beside_redis(oracle, name, protocol):
    compare(SupervisedBackend(oracle), protocol, name, AMOUNT // (8 if name == "hyperloglogs" else 1))


@pytest.mark.parametrize("protocol", (2, 3))
@pytest.mark.parametrize("name", ("streams", "hyperloglogs", "geo"))
def test_beside_the_engine(name, protocol):
    compare(EmbeddedBackend(), protocol, name, AMOUNT // (8 if name == "hyperloglogs" else 1))


def test_a_double_is_told_apart():
    assert plain((b"GEOPOS",), [Double(b"1")]) != plain((b"GEOPOS",), [b"1"])
