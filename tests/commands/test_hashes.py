"""What the comparison with Redis cannot show: events, exact deadlines under a held clock, due fields, and that the
wheel of field deadlines follows a hash wherever it goes."""
import random

import pytest

Store = pytest.importorskip("shims.commands").Store
ALL_EVENTS = 0xFFFF & ~(1 << 11 | 1 << 14 | 1 << 15)
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"


def run(store, *argv, **options):
    return store.run([word if isinstance(word, bytes) else str(word).encode() for word in argv], **options)[0]


def events(store, *argv):
    return [(name, key.decode()) for name, _, key, *_ in store.run([str(word).encode() for word in argv])[1]]


def test_events():
    """As Redis 8.2.3 sends them (measured), each command preceded by what it needs."""
    store = Store()
    store.want(False, ALL_EVENTS)
    for command, expected, dirty in (
            ("HSET h a 1 b 2 c 3 d 4", "new hset", 4), ("HSETNX h a 1", "", 0), ("HSETNX h z 1", "hset", 1), ("HDEL h zz", "", 0),
            ("HMSET h a 1 b 2", "hset", 2), ("HDEL h a b", "hdel", 2), ("HDEL h c d z", "hdel del", 3), ("HINCRBY h n 1", "new hincrby", 1),
            ("HINCRBYFLOAT h n 1", "hincrbyfloat", 1), ("HSET h a 1 b 2 c 3 d 4 e 5 f 6 g 7", "hset", 7),
            ("HEXPIRE h 100 FIELDS 2 a zz", "hexpire", 1), ("HEXPIRE h 100 NX FIELDS 1 a", "", 0), ("HEXPIRE h 0 FIELDS 1 a", "hdel", 1),
            ("HEXPIRE h 0 XX FIELDS 1 c", "", 0), ("HEXPIRE h 0 LT FIELDS 1 c", "hdel", 1), ("HPERSIST h FIELDS 2 d e", "", 0),
            ("HEXPIRE h 100 FIELDS 2 d e", "hexpire", 2), ("HPERSIST h FIELDS 2 d e", "hpersist", 1), ("HGETEX h FIELDS 1 d", "", 0),
            ("HGETEX h EX 100 FIELDS 1 d", "hexpire", 1), ("HGETEX h PERSIST FIELDS 1 d", "hpersist", 1), ("HGETEX h PERSIST FIELDS 1 d", "", 0),
            ("HGETEX h PXAT 1 FIELDS 2 e f", "hdel", 2), ("HGETDEL h FIELDS 1 zz", "", 0), ("HGETDEL h FIELDS 4 g d b n", "hdel del", 4),
            ("HSETEX h EX 100 FIELDS 1 a 1", "new hset hexpire", 1), ("HSETEX h FNX FIELDS 1 a 1", "", 0),
            ("HSETEX h PXAT 1 FIELDS 1 q 1", "hset hdel", 1), ("HSETEX h PXAT 1 FIELDS 2 a 1 q 1", "hset hdel del", 2),
            ("HSETEX h PXAT 1 FIELDS 2 a 1 q 1", "new hset hdel del", 2), ("HSETEX h FXX FIELDS 1 a 1", "", 0),
            ("HSET h a 1 b 2", "new hset", 2), ("HEXPIRE h 0 FIELDS 2 a b", "hdel del", 2), ("HSET h a 1", "new hset", 1)):
        before = store.counters()["dirty"]
        got = [(name, key) for name, key in events(store, *command.split()) if name != "ready"]
        assert got == [(name, "h") for name in expected.split()], command
        assert store.counters()["dirty"] - before == dirty, command


@pytest.fixture(params=("packed", "table"))
def store(request):
    """A store with hash h of fields a b c (values 1 2 3), packed or as a table."""
    made = Store()
    run(made, "HSET", "h", "a", 1, "b", 2, "c", 3, *(("long", "x" * 100) if request.param == "table" else ()))
    run(made, "HDEL", "h", "long")
    made.want(False, ALL_EVENTS)
    return made


def test_exact_to_the_millisecond(store):
    run(store, "HPEXPIRE", "h", 100, "FIELDS", 1, "a")
    assert store.check_field_deadlines() == 1
    store.advance(100)
    store.expire_due()
    assert run(store, "HGET", "h", "a") == b"$1\r\n1\r\n" and run(store, "HPTTL", "h", "FIELDS", 1, "a") == b"*1\r\n:0\r\n"
    store.advance(1)
    store.expire_due()
    assert store.counters()["expired_fields"] == 1 and store.check_field_deadlines() == 0
    assert run(store, "HLEN", "h") == b":2\r\n" and run(store, "HGET", "h", "a") == b"$-1\r\n"
    assert run(store, "HTTL", "h", "FIELDS", 2, "a", "b") == b"*2\r\n:-2\r\n:-1\r\n"


def test_the_last_field_takes_the_hash_along(store):
    run(store, "HPEXPIRE", "h", 50, "FIELDS", 3, "a", "b", "c")
    store.advance(51)
    assert store.next_deadline_ms() <= store.now_ms
    store.expire_due()
    assert run(store, "DBSIZE") == b":0\r\n" and run(store, "EXISTS", "h") == b":0\r\n"


@pytest.mark.parametrize("look", ("HGET h a", "HLEN h", "HGETALL h", "EXISTS h", "TYPE h", "HRANDFIELD h 5", "HSCAN h 0", "HEXISTS h b", "HSET h x 1", "HDEL h c"))
def test_who_looks_finds_no_due_field(store, look):
    """Without anybody expiring actively."""
    run(store, "HPEXPIRE", "h", 50, "FIELDS", 2, "a", "b")
    store.advance(51)
    reply, found = store.run([word.encode() for word in look.split()])
    assert ("hexpired", 0, b"h", 64) in [effect[:4] for effect in found]
    assert b"$1\r\na" not in reply and b"$1\r\nb" not in reply
    assert run(store, "HMGET", "h", "a", "b") == b"*2\r\n$-1\r\n$-1\r\n"
    run(store, "HPEXPIRE", "h", 1, "FIELDS", 2, "c", "x")
    store.advance(2)
    assert run(store, "EXISTS", "h") == b":0\r\n" and run(store, "DBSIZE") == b":0\r\n"


def test_where_expired_things_are_kept_they_are_not_seen(store):
    store.keep_expired(True)
    run(store, "HPEXPIRE", "h", 50, "FIELDS", 2, "a", "b")
    store.advance(51)
    assert run(store, "HLEN", "h") == b":1\r\n" and run(store, "HGETALL", "h") == b"*2\r\n$1\r\nc\r\n$1\r\n3\r\n"
    assert run(store, "HEXISTS", "h", "a") == b":0\r\n" and run(store, "HRANDFIELD", "h", 9) == b"*1\r\n$1\r\nc\r\n"
    assert run(store, "HTTL", "h", "FIELDS", 1, "a") == b"*1\r\n:-2\r\n"
    store.keep_expired(False)
    assert run(store, "HLEN", "h") == b":1\r\n" and store.counters()["expired_fields"] == 2


def test_deadlines_go_where_the_hash_goes(store):
    run(store, "HPEXPIRE", "h", 100, "FIELDS", 1, "a")
    run(store, "RENAME", "h", "h2")
    assert store.check_field_deadlines() == 1
    run(store, "COPY", "h2", "h3")
    assert store.check_field_deadlines() == 2
    run(store, "MOVE", "h3", 1)
    assert (store.check_field_deadlines(0), store.check_field_deadlines(1)) == (1, 1)
    run(store, "SWAPDB", 1, 2)
    assert (store.check_field_deadlines(0), store.check_field_deadlines(1), store.check_field_deadlines(2)) == (1, 0, 1)
    run(store, "EXPIRE", "h2", 1000)
    run(store, "PERSIST", "h2")
    run(store, "SET", "string", "x")
    run(store, "COPY", "h2", "string", "REPLACE")
    assert store.check_field_deadlines() == 2
    run(store, "SET", "string", "x")
    assert store.check_field_deadlines() == 1
    store.advance(101)
    store.expire_due()
    assert store.counters()["expired_fields"] == 2
    assert run(store, "HKEYS", "h2").count(b"$") == 2 and run(store, "HKEYS", "h3", database=2).count(b"$") == 2
    run(store, "HPEXPIRE", "h2", 5, "FIELDS", 1, "b")
    run(store, "DEL", "h2")
    assert store.check_field_deadlines() == 0
    run(store, "HSETEX", "h2", "PX", 5, "FIELDS", 1, "b", "1")
    run(store, "FLUSHALL")
    store.advance(10)
    store.expire_due()
    assert store.counters()["expired_fields"] == 2 and store.check_field_deadlines() == 0


def test_random_deadlines_and_keys():
    """Hashes with deadlines of their own and of fields, under everything that moves them; all memory comes back."""
    store, chance = Store(), random.Random(5)
    empty = store.used_bytes
    keys, fields = [f"k{n}" for n in range(6)], [f"f{n}" for n in range(10)]
    for step in range(6000):
        key, other, field = chance.choice(keys), chance.choice(keys), chance.choice(fields)
        run(store, *chance.choice((
            ("HSET", key, field, "v" * chance.choice((1, 100))), ("HPEXPIRE", key, chance.randint(1, 60), "FIELDS", 2, field, fields[0]),
            ("HSETEX", key, "PX", chance.randint(1, 60), "FIELDS", 1, field, 1), ("HPERSIST", key, "FIELDS", 1, field), ("HDEL", key, field),
            ("RENAME", key, other), ("COPY", key, other, "REPLACE"), ("MOVE", key, 1), ("SET", key, "x"), ("DEL", key), ("PEXPIRE", key, chance.randint(1, 90)),
            ("PERSIST", key), ("SWAPDB", 0, 1), ("HGETDEL", key, "FIELDS", 1, field), ("HGETEX", key, "PERSIST", "FIELDS", 1, field))),
            database=chance.choice((0, 0, 0, 1)) if step % 2 else 0)
        store.check_field_deadlines(0), store.check_field_deadlines(1)
        if chance.random() < 0.3:
            store.advance(chance.randint(0, 8))
        if chance.random() < 0.2:
            store.expire_due()
            assert store.next_deadline_ms() > store.now_ms - 1
    run(store, "FLUSHALL")
    store.free_lazily(100)
    wheels = 4 * 17_000
    assert store.used_bytes <= empty + wheels and store.counters()["expired_fields"] > 50


def test_many_due_fields_go_in_slices():
    store = Store()
    for first in range(0, 20_000, 1000):
        run(store, "HSETEX", "h", "PX", 10, "FIELDS", 1000, *(word for n in range(first, first + 1000) for word in (f"f{n}", n)))
    run(store, "HSET", "h", "stays", 1)
    store.advance(11)
    slices = 1
    while store.expire_slice(64):
        slices += 1
    assert slices > 20_000 // 70 and run(store, "HLEN", "h") == b":1\r\n"
    assert store.counters()["expired_fields"] == 20_000


def test_deleting_a_large_hash_waits_for_housekeeping():
    store = Store()
    empty = store.used_bytes
    for first in range(0, 20_000, 1000):
        run(store, "HSET", "h", *(word for n in range(first, first + 1000) for word in (f"f{n}", n)))
    full = store.used_bytes
    for away in ("DEL", "UNLINK"):
        run(store, "COPY", "h", "h2")
        run(store, away, "h2")
        assert store.used_bytes > full * 1.5 and run(store, "EXISTS", "h2") == b":0\r\n"
        assert store.free_lazily(128) > 100
    run(store, "FLUSHALL", "SYNC")
    store.free_lazily(128)
    assert store.used_bytes < empty + 1000


@pytest.mark.parametrize("command", (("HSET", "h", "a", b"n" * 5000), ("HSET", "new", "a", b"n" * 5000), ("HSETNX", "h", "z", b"n" * 5000),
                                     ("HSET", "h", b"n" * 5000, "1"), ("HSETEX", "h", "FIELDS", 1, "a", b"n" * 600_000), ("HSETEX", "new", "EX", 5, "FIELDS", 1, "a", b"n" * 600_000)))
def test_refused_memory_changes_nothing(store, command):
    before, used, dirty = run(store, "HGETALL", "h"), store.used_bytes, store.counters()["dirty"]
    store.fail_after(0)
    assert run(store, *command) == OOM
    store.fail_after()
    assert run(store, "HGETALL", "h") == before and store.counters()["dirty"] == dirty
    assert run(store, "EXISTS", "new") == b":0\r\n"
