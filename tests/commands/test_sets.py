"""What no other server can show of sets: which effects in which order, refused memory, fair draws, freeing in slices."""
from collections import Counter
from itertools import combinations

import pytest
from kit.chi_square import chi_square

Store = pytest.importorskip("shims.commands").Store
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
EVERY_EVENT = 0xFFFF & ~(1 << 11)           # all but key misses


def run(store, *argv, **options):
    return store.run([word if isinstance(word, bytes) else str(word).encode() for word in argv], **options)[0]


def words(reply):
    """The bulk strings of an array or a set."""
    lines = reply.split(b"\r\n")
    return lines[2::2]


# As Redis 8.2.3 says them with notify-keyspace-events AKEnoc.
EVENTS = [line.split(" -> ") for line in """
SET s x -> new s, set s
SADD a 1 2 3 -> new a, sadd a
SADD a 1 ->
SADD a 1 9 -> sadd a
SREM a 77 ->
SREM a 1 77 -> srem a
SREM a 2 3 9 10 -> srem a, del a
SADD a 1 2 -> new a, sadd a
SMOVE a b 1 -> srem a, new b, sadd b
SMOVE a b 2 -> srem a, del a, sadd b
SADD a 1 2 3 -> new a, sadd a
SINTERSTORE d a b -> new d, sinterstore d
SINTERSTORE d a b -> overwritten d, sinterstore d
SINTERSTORE s a b -> overwritten s, type_changed s, sinterstore s
SET s x -> overwritten s, type_changed s, set s
SUNIONSTORE s a b -> overwritten s, type_changed s, sunionstore s
SDIFFSTORE s a b -> overwritten s, sdiffstore s
SDIFFSTORE s a a -> del s
SDIFFSTORE s a a ->
SINTERSTORE d a nosuch -> del d
SINTERSTORE d a nosuch ->
SUNIONSTORE a a b -> overwritten a, sunionstore a
SPOP a -> spop a
SPOP a 0 ->
SPOP a 1 -> spop a
SPOP a 9 -> spop a, del a
SADD a 1 -> new a, sadd a
SPOP a -> spop a, del a
SADD a 1 -> new a, sadd a
SMOVE a a 1 ->
SADD m 1 2 3 4 5 6 7 8 9 10 -> new m, sadd m
SPOP m 9 -> spop m
""".strip().replace(" ->\n", " -> \n").split("\n")]


def test_events_come_in_redis_s_order():
    store = Store()
    store.want(True, EVERY_EVENT)
    for command, expected in ((command.removesuffix(" ->"), "".join(events)) for command, *events in EVENTS):
        effects = store.run([word.encode() for word in command.split()])[1]
        events = [f"{event[0]} {event[2].decode()}" for event in effects if len(event) == 4]
        assert ", ".join(events) == expected, command
        touched = {event[2].decode() for event in effects if event[0] == "touched"}
        assert touched == {event.split()[1] for event in expected.split(", ") if event}, command


def test_what_is_stored_has_no_deadline():
    store = Store()
    run(store, "SADD", "a", 1, 2)
    run(store, "EXPIRE", "a", 100)
    run(store, "SUNIONSTORE", "a", "a")
    assert run(store, "TTL", "a") == b":-1\r\n"


LONG = b"n" * 5_000


@pytest.mark.parametrize("command", [
    ("SADD", "k", LONG), ("SADD", "absent", LONG), ("SADD", "absent", "x", LONG), ("SADD", "k", "new", "2", LONG), ("SADD", "table", LONG, "new"),
    ("SMOVE", "long", "k", LONG), ("SMOVE", "long", "absent", LONG), ("SMOVE", "k", b"K" * 5_000, "2"), ("SUNIONSTORE", "k", "long"),
    ("SINTERSTORE", "absent", "long", "long"), ("SDIFFSTORE", "k", "long", "k"), ("COPY", "long", "absent"), ("COPY", "big", "absent"),
    ("SADD", "k", *range(10_000, 12_000)),
])
@pytest.mark.parametrize("allocations", (0, 1, 2))
def test_refused_memory_changes_nothing(command, allocations):
    store = Store()
    run(store, "SADD", "k", 1, 2, 3)
    run(store, "SADD", "table", *(f"m{n}" for n in range(1_000)))
    run(store, "SADD", "big", *(f"m{n}" for n in range(400)))
    run(store, "SADD", "long", LONG, "y")

    def state():
        return [sorted(words(run(store, "SMEMBERS", key))) for key in ("k", "table", "big", "long", "absent", b"K" * 5_000)]
    before, dirty = state(), store.counters()["dirty"]
    store.fail_after(allocations)
    reply = run(store, *command)
    store.fail_after()
    if reply == OOM:
        assert state() == before and store.counters()["dirty"] == dirty
    else:
        assert not reply.startswith(b"-") and store.counters()["dirty"] > dirty


def test_everything_is_given_back():
    store = Store()
    empty = store.used_bytes
    for n in range(0, 700, 25):
        run(store, "SADD", f"i{n}", *range(n + 1))
        run(store, "SADD", f"m{n}", *(f"member:{i}" for i in range(n + 1)))
        run(store, "SUNIONSTORE", f"u{n}", f"i{n}", f"m{n}", f"m{n // 2}")
        run(store, "SDIFFSTORE", f"d{n}", f"u{n}", f"i{n // 2}")
        run(store, "SINTERSTORE", f"n{n}", f"u{n}", f"m{n}")
        run(store, "SUNION", f"u{n}", f"i{n}", f"d{n}")
        run(store, "SDIFF", f"u{n}", f"i{n}", f"d{n}")
        run(store, "COPY", f"u{n}", f"c{n}")
        run(store, "SPOP", f"u{n}", n * 2)
        run(store, "SPOP", f"c{n}", n // 2)
        run(store, "SMOVE", f"m{n}", f"i{n}", "member:0")
    for n in range(0, 700, 25):
        for name in "imudnc":
            run(store, "SREM", f"{name}{n}", *range(n + 1))
            run(store, "DEL", f"{name}{n}") if n % 2 else run(store, "SPOP", f"{name}{n}", 10**6)
    run(store, "FLUSHALL")
    store.free_lazily()
    assert run(store, "DBSIZE") == b":0\r\n" and store.used_bytes - empty < 4_096


def test_deleting_a_large_set_is_quick_and_freeing_comes_in_slices():
    store = Store()
    for first in range(0, 50_000, 1_000):
        run(store, "SADD", "big", *range(10**9 + first, 10**9 + first + 1_000))
    full = store.used_bytes
    for delete in (lambda: run(store, "DEL", "big"), lambda: run(store, "SET", "big", "x"), lambda: run(store, "FLUSHALL"), lambda: run(store, "SPOP", "big", 50_000),
                   lambda: run(store, "SPOP", "big", 49_999), lambda: run(store, "SUNIONSTORE", "big", "nosuch", "nosuch")):
        run(store, "DEL", "big")
        store.free_lazily()
        for first in range(0, 50_000, 1_000):
            run(store, "SADD", "big", *range(10**9 + first, 10**9 + first + 1_000))
        before = store.used_bytes
        assert before > full * 0.9
        delete()
        assert store.used_bytes > before * 0.9         # still there, but in nobody's way
        assert store.free_lazily(100) > 50
        assert store.used_bytes < before / 20


@pytest.mark.parametrize("prefix", (b"", b"m"))                     # an intset; a listpack or a table
@pytest.mark.parametrize("size, count", [(8, 1), (8, 3), (7, 6), (9, 8)])     # drawn one by one; the few that stay move out
def test_spop_is_fair(prefix, size, count):
    store = Store(seed=3)
    everything = [prefix + b"%d" % n for n in range(size)]
    choices = list(combinations(sorted(everything), count))
    rounds = 100 * len(choices)
    gone = Counter()
    for _ in range(rounds):
        run(store, "SADD", "a", *everything)
        gone[tuple(sorted(words(run(store, "SPOP", "a", count))))] += 1
        run(store, "DEL", "a")
    degrees = len(choices) - 1
    limit = degrees * (1 - 2 / (9 * degrees) + 3.719 * (2 / (9 * degrees)) ** 0.5) ** 3     # 99.99 %, after Wilson and Hilferty
    assert chi_square([gone[choice] for choice in choices], 100) < limit


@pytest.mark.parametrize("size", (100, 300, 3_000))
def test_spop_in_a_set_that_shrank_is_fair(size):
    """A set of which a tenth is left; who goes first?"""
    store = Store(seed=5)
    first = Counter()
    everything = [b"m%d" % n for n in range(size)]
    run(store, "SADD", "source", *everything)
    run(store, "SREM", "source", *everything[size // 10:])
    for _ in range(size * 5):
        first[words(run(store, "SRANDMEMBER", "source", 1))[0]] += 1
    left, degrees = size // 10, size // 10 - 1
    limit = degrees * (1 - 2 / (9 * degrees) + 3.719 * (2 / (9 * degrees)) ** 0.5) ** 3
    assert len(first) == left and chi_square(first.values(), size * 5 / left) < limit
