"""Whoever watches or tracks keys hears of these and of no others, however many come and go: what changes a key asks a filter of keys
before it tells anybody (sessions/key_filter)."""
import random

import pytest

from hutch_engine.door.engine import Engine

KEYS = [b"", *(bytes([65 + i]) * length for length in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 40) for i in range(12)), *(b"user:%d" % i for i in range(200))]


@pytest.fixture
def engine():
    return Engine(seed=1)


def test_watches(engine):
    chance = random.Random(5)
    writer = engine.session()
    watchers = [(engine.session(), set()) for _ in range(6)]
    broken, present = set(), set()
    for _ in range(4000):
        number = chance.randrange(len(watchers))
        session, watched = watchers[number]
        key = chance.choice(KEYS)
        what = chance.random()
        if what < 0.45:
            session.execute(["WATCH", key])
            if number not in broken:
                watched.add(key)
        elif what < 0.6:
            session.execute(["UNWATCH"])
            watched.clear()
            broken.discard(number)
        elif what < 0.7:
            session.execute(["MULTI"])
            session.execute(["PING"])
            assert (session.execute(["EXEC"]) is None) == (number in broken)
            watched.clear()
            broken.discard(number)
        else:
            writer.execute(["SET", key, "v"] if what < 0.9 else ["DEL", key])
            for i, (_, keys) in enumerate(watchers):
                if key in keys and (what < 0.9 or key in present):
                    broken.add(i)
                    keys.clear()
            (present.add if what < 0.9 else present.discard)(key)


def test_tracked_keys(engine):
    chance = random.Random(6)
    writer = engine.session()
    trackers = [(engine.session(), set()) for _ in range(4)]
    for session, _ in trackers:
        session.execute(["HELLO", 3])
        session.execute(["CLIENT", "TRACKING", "ON"])
    for turn in range(3000):
        session, tracked = chance.choice(trackers)
        key = chance.choice(KEYS)
        if chance.random() < 0.6:
            session.execute(["GET", key])
            tracked.add(key)
        elif chance.random() < 0.05:
            session.execute(["CLIENT", "TRACKING", "OFF"])
            session.execute(["CLIENT", "TRACKING", "ON"])
            tracked.clear()
        else:
            writer.execute(["SET", key, str(turn)])
            for other, keys in trackers:
                assert messages(other) == ([[b"invalidate", [key]]] if key in keys else [])
                keys.discard(key)


def test_prefixes_want_every_key(engine):
    writer, told = engine.session(), engine.session()
    told.execute(["HELLO", 3])
    for prefix, key in ((b"", b"any"), (b"user:", b"user:7")):
        told.execute(["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix])
        writer.execute(["SET", key, "v"])
        assert messages(told) == [[b"invalidate", [key]]]
        told.execute(["CLIENT", "TRACKING", "OFF"])
        writer.execute(["SET", key, "w"])
        assert messages(told) == []


def messages(session):
    found = []
    waiting = session.receive(0)
    while waiting:
        found.append(waiting.read())
    return found
