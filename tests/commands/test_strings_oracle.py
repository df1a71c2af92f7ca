"""Strings, keys and deadlines, command by command beside Redis 8.2: options, encodings, events, dirty counts.

The handlers run alone here (shims.commands), so that what each of them records can be seen; whole servers are
compared in test_differential.py."""
import itertools
import random
import re
import time

import pytest

from kit.resp_client import RespClient

Store = pytest.importorskip("shims.commands").Store

ALL_EVENTS = 0xFFFC              # every class, without K and E, which say how to publish


@pytest.fixture
def redis(oracle):
    with RespClient(oracle.host, oracle.port) as client:
        client.execute("FLUSHALL")
        yield client


def words(line):
    return [word.encode() for word in line.split()] if isinstance(line, str) else list(line)


def both(redis, lines):
    """The two servers' raw replies to the same commands."""
    store = Store(now_ms=int(time.time() * 1000))
    return [store.run(words(line))[0] for line in lines], [reply.raw for reply in redis.pipeline([words(l) for l in lines])]


def same(redis, lines):
    ours, theirs = both(redis, lines)
    for line, one, two in zip(lines, ours, theirs):
        if words(line)[0] in (b"PTTL", b"TTL") and one[1:2].isdigit() and two[1:2].isdigit():
            assert abs(int(one[1:]) - int(two[1:])) < 5000, line
        else:
            assert one == two, (line, lines)


STATES = ([], ["SET k before"], ["SET k 17 EX 100"])
OPTIONS = ("NX", "xx", "GET", "KEEPTTL", "PERSIST", "EX 10", "PX 20000", "EXAT 9999999999", "PXAT 9999999999999", "EX 0",
           "PX -5", "EX abc", "EX", "PXAT 1", "EXAT 9223372036854775", "EX 9223372036854775", "PX 9223372036854775807", "FOO", "IFEQ")


@pytest.mark.parametrize("count", (0, 1, 2))
@pytest.mark.parametrize("command", ("SET k after", "GETEX k"))
def test_options(redis, command, count):
    lines = []
    for options in itertools.product(OPTIONS, repeat=count):
        for state in STATES:
            lines += ["DEL k", *state, " ".join([command, *options]), "GET k", "PTTL k"]
    same(redis, lines)


def test_three_options(redis):
    chooser = random.Random(3)
    lines = []
    for _ in range(600):
        options = chooser.choices(OPTIONS[:9], k=3)
        lines += ["DEL k", *chooser.choice(STATES), " ".join(["SET k after", *options]), "GET k", "PTTL k"]
    same(redis, lines)


def test_expire_options(redis):
    lines = []
    flags = ("NX", "xx", "GT", "LT", "FOO")
    for command in ("EXPIRE k 50", "EXPIRE k 500", "PEXPIRE k -1", "EXPIREAT k 9999999999", "EXPIRE k x", "EXPIRE k 9223372036854775807",
                    "PEXPIREAT k 9223372036854775807", "EXPIRE k -9223372036854775", "EXPIRE k -9223372036854776"):
        for count in range(3):
            for options in itertools.product(flags, repeat=count):
                for state in STATES:
                    lines += ["DEL k", *state, " ".join([command, *options]), "PTTL k", "EXISTS k"]
    same(redis, lines)


def test_encodings(redis):
    """int, embstr and raw as 8.2.3 has them, key and value lengths and deadlines around the borders."""
    lines = []
    for key_length in (1, 5, 20):
        key, other = b"k" * key_length, b"o" * (key_length + 3)
        for length in sorted({1, 12, 13, 14, 20, 21, 22, 28, 29, 32, 33, 34, 36, 37, 40, 41, 42, 44, 45, 64}):
            value = b"v" * length
            for steps in (
                [(b"SET", key, value)], [(b"SET", key, value, b"EX", b"100")],
                [(b"SET", key, value), (b"EXPIRE", key, b"100"), (b"PERSIST", key)],
                [(b"SET", key, value), (b"RENAME", key, other), (b"RENAME", other, key)],
                [(b"SET", other, value), (b"COPY", other, key)],
                [(b"SET", key, value[:-1]), (b"APPEND", key, b"v")], [(b"APPEND", key, value)],
                [(b"SETRANGE", key, b"0", value)], [(b"SET", key, value, b"EX", b"100"), (b"GETEX", key, b"PERSIST")],
            ):
                lines += [b"DEL %b %b" % (key, other), *steps, (b"OBJECT", b"ENCODING", key), (b"STRLEN", key)]
    lines = [line.split() if isinstance(line, bytes) else line for line in lines]
    for text in ("007", "-0", "+1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1.0", "12"):
        for step in ("SET k {}", "APPEND k {}", "SETRANGE k 0 {}", "SETNX k {}", "GETSET k {}", "MSET k {}", "INCRBYFLOAT k {}"):
            lines += ["DEL k", step.format(text), "OBJECT ENCODING k", "INCR k", "OBJECT ENCODING k", ("APPEND", "k", ""), "OBJECT ENCODING k"]
    lines = [[w.encode() if isinstance(w, str) else w for w in line] if not isinstance(line, str) else line for line in lines]
    same(redis, lines)


EVENTFUL = """set a 1|set a 2|set a 3 EX 100|set a 4 keepttl|set b 1 get|set a x nx|set nosuch x xx|mset a 1 n 2|getset a 9
incr a|append a x|set a 5|incrbyfloat a 1.5|set k1 v|set k2 v|rename k1 k2|copy a k2 replace|copy a k2|copy a k9|expire a -1|set z 1
getex z pxat 1|set z 1|getdel z|set a 1|move a 1|setrange q 0 x|setrange q 0 y|msetnx r 1 r 2|msetnx r 3 s 4|set z 1 ex 10|persist z
persist z|set z 5|incrby z 5|exists nosuch|type nosuch|object encoding nosuch|ttl nosuch|getex nosuch|del a b|unlink z
copy nosuch x|rename k2 k2|renamenx k2 k2|renamenx k2 k3|setnx k3 a|setnx k4 a|psetex k4 5000 b|expire k4 100|expire k4 10 GT|pexpireat k4 1
decrby q 1|incr n|decr n|touch n|get n|get nosuch|mget n nosuch|strlen n|getrange n 0 1|lcs n q|getex n ex 100|getex n persist
getex n persist|getex n|flushdb|flushdb|set a 1|flushall|flushall|swapdb 1 2|swapdb 1 1|swapdb 1 2""".replace("\n", "|").split("|")


def dirty(redis):
    return int(re.search(rb"rdb_changes_since_last_save:(\d+)", redis.execute("INFO", "persistence").value).group(1))


def test_events_and_dirty(redis, oracle):
    """What each command announces, in order, and by how much it counts as a change."""
    store = Store(now_ms=int(time.time() * 1000))
    store.want(True, ALL_EVENTS)
    redis.execute("CONFIG", "SET", "notify-keyspace-events", "KEAmnoc")
    try:
        with RespClient(oracle.host, oracle.port) as listener:
            listener.execute("PSUBSCRIBE", "__keyevent*")
            listener.execute("PSUBSCRIBE", "mark")
            for line in EVENTFUL:
                before, ours_before = dirty(redis), store.counters()["dirty"]
                reply, effects = store.run(words(line))
                assert reply == redis.execute(*words(line)).raw, line
                redis.execute("PUBLISH", "mark", "x")
                theirs = []
                while True:
                    _, _, channel, payload = listener.read().value
                    if channel == b"mark":
                        break
                    database, event = re.fullmatch(rb"__keyevent@(\d+)__:(.*)", channel).groups()
                    theirs.append((event.decode(), int(database), payload))
                ours = [effect[:3] for effect in effects if len(effect) == 4]
                assert ours == theirs, line
                assert store.counters()["dirty"] - ours_before == dirty(redis) - before, line
    finally:
        redis.execute("CONFIG", "SET", "notify-keyspace-events", "")


def test_hits_and_misses(redis):
    store = Store()
    def stats():
        text = redis.execute("INFO", "stats").value
        return [int(re.search(rb"keyspace_%b:(\d+)" % name, text).group(1)) for name in (b"hits", b"misses")]
    for line in EVENTFUL:
        hits, misses = stats()
        ours = store.counters()
        store.run(words(line))
        redis.execute(*words(line))
        now, theirs = store.counters(), stats()
        assert [now["hits"] - ours["hits"], now["misses"] - ours["misses"]] == [theirs[0] - hits, theirs[1] - misses], line


def test_lcs(redis):
    chooser = random.Random(9)
    lines = []
    for _ in range(300):
        for key in (b"a", b"b"):
            lines.append((b"SET", key, bytes(chooser.choices(b"abcd", k=chooser.randrange(40)))))
        options = chooser.sample(["IDX", "LEN", "WITHMATCHLEN", "MINMATCHLEN 2", "MINMATCHLEN -1", "MINMATCHLEN x", "FOO"], chooser.randrange(4))
        lines.append(" ".join(["LCS a b", *options]))
    same(redis, [line if isinstance(line, str) else list(line) for line in lines])


def test_lcs_that_is_too_big(redis):
    big = b"x" * 20_000
    for options in ([], [b"LEN"], [b"IDX"]):
        same(redis, [[b"SET", b"a", big], [b"SET", b"b", big], [b"LCS", b"a", b"b", *options]])


def test_scan_cursors(redis):
    store = Store()
    for cursor in ("0", " 0", "+0", "-0", "00", "-1", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
                   "18446744073709551616", "x", "0x0", "", "0 ", "--0", "\t0", "9223372036854775808", "-00"):
        argv = [b"SCAN", cursor.encode()]
        assert (store.run(argv)[0][:1] == b"-") == (redis.execute(*argv).raw[:1] == b"-"), cursor


def test_wrong_setrange_sizes(redis):
    same(redis, ["SETRANGE k 536870912 x", "SETRANGE k 9223372036854775807 x", "SETRANGE k -1 x", [b"SETRANGE", b"k", b"999999999999", b""],
                 "EXISTS k", "SET k 12", [b"SETRANGE", b"k", b"999999999999", b""], [b"SETRANGE", b"k", b"-1", b""], "OBJECT ENCODING k"])
