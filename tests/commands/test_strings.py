"""What no other server can show: refused memory, growth, bounds, due keys under SCAN, many keys at once."""
import pytest

Store = pytest.importorskip("shims.commands").Store
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"


def run(store, *argv, **options):
    return store.run([word if isinstance(word, bytes) else str(word).encode() for word in argv], **options)[0]


@pytest.mark.parametrize("command", (
    ("SET", "k", b"n" * 5000), ("SET", "k", b"n" * 5000, "EX", 100), ("SET", "k", b"n" * 5000, "GET"), ("GETSET", "k", b"n" * 5000),
    ("APPEND", "k", b"n" * 9000), ("SETRANGE", "k", 9000, "n"), ("SETRANGE", "absent", 9000, "n"), ("APPEND", "absent", b"n" * 9000),
    ("MSET", "k", b"n" * 5000), ("COPY", "k", "absent"), ("COPY", "k", "small", "REPLACE"), ("SETNX", "absent", b"n" * 5000),
))
@pytest.mark.parametrize("deadline", (False, True))
def test_refused_memory_changes_nothing(command, deadline):
    store = Store()
    run(store, "SET", "k", b"o" * 4000)
    run(store, "SET", "small", "s", "EX", 50)
    if deadline:
        run(store, "EXPIRE", "k", 70)
    before = run(store, "GET", "k"), run(store, "PTTL", "k"), run(store, "GET", "small"), run(store, "PTTL", "small"), run(store, "DBSIZE")
    dirty, used = store.counters()["dirty"], store.used_bytes
    store.fail_after(0)
    assert run(store, *command) == OOM
    store.fail_after()
    assert store.counters()["dirty"] == dirty
    assert before == (run(store, "GET", "k"), run(store, "PTTL", "k"), run(store, "GET", "small"), run(store, "PTTL", "small"), run(store, "DBSIZE"))
    assert run(store, "EXISTS", "absent") == b":0\r\n"
    run(store, "FLUSHALL")


def test_everything_is_given_back():
    store = Store()
    empty = store.used_bytes
    for n in range(300):
        run(store, "SET", f"k{n}", b"x" * (n * 7), *(("PX", 1000 + n) if n % 3 else ()))
        run(store, "APPEND", f"k{n}", b"y" * n)
        run(store, "COPY", f"k{n}", f"c{n % 50}", "REPLACE")
        run(store, "RENAME", f"k{n}", f"r{n % 70}")
        run(store, "MOVE", f"r{n % 70}", 1)
    run(store, "FLUSHALL", "SYNC")
    assert store.used_bytes == empty


def test_appending_has_room_to_spare():
    """A string that grows by 10 bytes at a time: its block is moved a few dozen times, not 100,000 times."""
    store = Store()
    run(store, "SET", "k", b"x" * 600)
    moved, last = 0, store.used_bytes
    for _ in range(100_000):
        run(store, "APPEND", "k", b"0123456789")
        moved += store.used_bytes != last
        last = store.used_bytes
    assert run(store, "STRLEN", "k") == b":1000600\r\n"
    assert moved < 30
    assert run(store, "GETRANGE", "k", -12, -1) == b"$12\r\n890123456789\r\n"


def test_length_limit():
    store = Store()
    store.limit_strings(100)
    error = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
    run(store, "SET", "k", b"x" * 90)
    assert run(store, "APPEND", "k", b"y" * 10) == b":100\r\n"
    assert run(store, "APPEND", "k", b"y") == error
    assert run(store, "SETRANGE", "k", 100, "y") == error
    assert run(store, "SETRANGE", "new", 99, "y") == b":100\r\n"
    assert run(store, "SETRANGE", "new", 9223372036854775807, "y") == error
    assert run(store, "LCS", "k", "new").startswith(b"-ERR Insufficient memory, transient memory for LCS")


def test_scan_takes_due_keys_away():
    store = Store()
    for n in range(500):
        run(store, "SET", f"k{n}", "v", *(("PX", 10) if n % 2 else ()))
    store.advance(11)
    assert run(store, "KEYS", "k1") == b"*0\r\n" and run(store, "DBSIZE") == b":500\r\n"
    reply = run(store, "SCAN", 0, "COUNT", 100_000, "MATCH", "nothing")
    assert reply == b"*2\r\n$1\r\n0\r\n*0\r\n"
    assert run(store, "DBSIZE") == b":250\r\n" and store.counters()["expired"] == 250


def test_a_deadline_passes_between_commands():
    store = Store()
    run(store, "SET", "k", "v", "PX", 100)
    store.advance(100)
    assert run(store, "GET", "k") == b"$1\r\nv\r\n"       # Redis keeps a key through the millisecond of its deadline
    store.advance(1)
    store.want(True, 0xFFFC)
    reply, effects = store.run([b"GET", b"k"])
    assert reply == b"$-1\r\n"
    assert [effect[0] for effect in effects] == ["expired", "touched", "keymiss"]
    run(store, "SET", "other", "v", "PX", 5)
    store.advance(6)
    store.expire_due()
    assert run(store, "DBSIZE") == b":0\r\n"


@pytest.mark.parametrize("count", (1, 2, 15, 16, 17, 40, 1000))
def test_many_keys(count):
    store = Store()
    names = [f"key{n}" for n in range(count)]
    assert run(store, "MSET", *(word for n, name in enumerate(names) for word in (name, n))) == b"+OK\r\n"
    values = b"".join(b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(count))
    assert run(store, "MGET", *names, "none") == b"*%d\r\n" % (count + 1) + values + b"$-1\r\n"
    assert run(store, "EXISTS", *names, names[0], "none") == b":%d\r\n" % (count + 1)
    assert run(store, "MSETNX", "none", "x", names[-1], "y") == b":0\r\n" and run(store, "EXISTS", "none") == b":0\r\n"
    assert run(store, "DEL", *names, names[0]) == b":%d\r\n" % count
    assert run(store, "DBSIZE") == b":0\r\n"


def test_lfu_and_lru():
    store = Store()
    store.lfu(True)
    run(store, "SET", "k", "v")
    assert run(store, "OBJECT", "FREQ", "k") == b":5\r\n"
    assert run(store, "OBJECT", "IDLETIME", "k").startswith(b"-ERR An LFU maxmemory policy is selected, idle time not tracked.")
