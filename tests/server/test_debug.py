"""DEBUG: the same answers as Redis where they are about data, and none that could hurt the host."""
import os
import random
import re
import threading
import time

import pytest

from kit.backends import EmbeddedBackend
from kit.resp_client import RespClient


@pytest.fixture
def engine(embedded):
    """A fresh engine without a listener (the fixture `embedded` skips while there is none)."""
    subject = EmbeddedBackend()
    yield subject
    subject.engine.close()


@pytest.fixture
def hutch(engine):
    return engine.open()


@pytest.fixture
def redis(oracle):
    client = RespClient(oracle.host, oracle.port)
    client.execute("FLUSHALL")
    yield client
    client.execute("FLUSHALL")
    client.execute("SELECT", 0)
    client.close()


def raw(client, *argv) -> bytes:
    return bytes(client.execute(*argv).raw)


def simple(client, *argv) -> str:
    answer = raw(client, *argv)
    assert answer[:1] == b"+" and answer.endswith(b"\r\n"), answer
    return answer[1:-2].decode()


# ---- against Redis

SAME = [
    ("DEBUG", "SLEEP", "0"), ("DEBUG", "SLEEP", "x"), ("DEBUG", "SLEEP", "-1"), ("DEBUG", "SLEEP"),
    ("DEBUG", "SLEEP", "0", "0"), ("DEBUG", "OBJECT"), ("DEBUG", "OBJECT", "no such"), ("DEBUG", "OBJECT", "k", "x"),
    ("DEBUG", "no such"), ("DEBUG", "JMAP"), ("DEBUG", "dump", "x"), ("DEBUG",), ("DEBUG", ""), ("DEBUG", "", "k"), ("DEBUG", "HELP", "x"),
    ("DEBUG", "ERROR", "hello x"), ("DEBUG", "ERROR", "-x\r\ny\0z"), ("DEBUG", "ERROR", ""), ("DEBUG", "ERROR"),
    ("DEBUG", "LOG", "hi"), ("DEBUG", "LOG"), ("DEBUG", "SET-ACTIVE-EXPIRE", "1"), ("DEBUG", "SET-ACTIVE-EXPIRE"),
    ("DEBUG", "PAUSE-CRON", "0"), ("DEBUG", "PAUSE-CRON"), ("DEBUG", "DICT-RESIZING", "1"), ("DEBUG", "DICT-RESIZING"),
    ("DEBUG", "CHANGE-REPL-ID"), ("DEBUG", "CHANGE-REPL-ID", "x"), ("DEBUG", "POPULATE"),
    ("DEBUG", "POPULATE", "x"), ("DEBUG", "POPULATE", "-1"), ("DEBUG", "POPULATE", "1", "p", "x"),
    ("DEBUG", "POPULATE", "1", "p", "-1"), ("DEBUG", "POPULATE", "1", "p", "1", "1"), ("DEBUG", "POPULATE", "0"),
    ("DEBUG", "HTSTATS"), ("DEBUG", "HTSTATS", "x"), ("DEBUG", "HTSTATS", "-1"), ("DEBUG", "HTSTATS", "16"),
    ("DEBUG", "HTSTATS", "9"), ("DEBUG", "HTSTATS", "9", "full"), ("DEBUG", "HTSTATS-KEY", "k"),
    ("DEBUG", "HTSTATS-KEY", "no such"), ("DEBUG", "HTSTATS-KEY"), ("DEBUG", "DIGEST", "x"), ("DEBUG", "DIGEST-VALUE"),
    ("DEBUG", "SDSLEN", "no such"), ("DEBUG", "SDSLEN", "i"), ("DEBUG", "SDSLEN"),
    ("DEBUG", "LISTPACK", "k"), ("DEBUG", "LISTPACK", "no such"), ("DEBUG", "LISTPACK"), ("DEBUG", "QUICKLIST", "k"),
    ("DEBUG", "QUICKLIST", "no such", "x"), ("DEBUG", "QUICKLIST"), ("DEBUG", "QUICKLIST", "k", "1", "2"),
] + [("DEBUG", "QUICKLIST-PACKED-THRESHOLD", *size.split()) for size in (
    "1 x -1 1kb 3gb 4gb 4293918720 4293918721 4294967295 99999999999999999999 0".split() + ["", "1 2"])] + [
] + [("DEBUG", "PROTOCOL", kind) for kind in (
    "string integer double bignum null array set map attrib verbatim true false PUSH TRUE nonsense".split())] + [
    ("DEBUG", "PROTOCOL"), ("DEBUG", "PROTOCOL", "null", "x"),
]


@pytest.mark.parametrize("protocol", [2, 3])
def test_same_answers(hutch, redis, protocol):
    for client in (hutch, redis):
        client.execute("HELLO", protocol)
        client.execute("SET", "k", "v")
        client.execute("SET", "i", "7")
    for argv in SAME:
        if protocol == 3 and argv[1:] in (("PROTOCOL", "PUSH"), ("PROTOCOL", "attrib")):
            continue                     # more than one reply; see below
        assert raw(hutch, *argv) == raw(redis, *argv), argv


def test_what_is_more_than_a_reply(engine):
    """Bytes as Redis 8.2.3 sends them: an attribute in front of the reply, a push behind it."""
    session = engine.engine.session()
    session.execute_raw([b"HELLO", b"3"])
    assert bytes(session.execute_raw([b"DEBUG", b"PROTOCOL", b"push"])) == (
        b"$40\r\nSome real reply following the push reply\r\n>2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n")
    assert bytes(session.execute_raw([b"DEBUG", b"PROTOCOL", b"attrib"])) == (
        b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
        b"$39\r\nSome real reply following the attribute\r\n")
    assert session.execute([b"DEBUG", b"PROTOCOL", b"attrib"]) == b"Some real reply following the attribute"


VALUES = ["", "v", "1", "-1", "12345678901234567890", "007", "x" * 41, "x" * 500, "x" * 5000, "\r\n", "\0", "ä"]


def test_digests_agree(hutch, redis):
    for client in (hutch, redis):
        assert simple(client, "DEBUG", "DIGEST") == "0" * 40
    for database in (0, 3, 15):
        for i, value in enumerate(VALUES):
            for client in (hutch, redis):
                client.execute("SELECT", database)
                client.execute("SET", f"key {i}", value)
                if i % 3 == 1:
                    client.execute("PEXPIRE", f"key {i}", 10_000_000)
        names = [f"key {i}" for i in range(len(VALUES))] + ["no such"]
        assert raw(hutch, "DEBUG", "DIGEST-VALUE", *names) == raw(redis, "DEBUG", "DIGEST-VALUE", *names)
    digest = simple(hutch, "DEBUG", "DIGEST")
    assert digest == simple(redis, "DEBUG", "DIGEST") != "0" * 40
    for client in (hutch, redis):
        client.execute("SELECT", 3)
        client.execute("PERSIST", "key 1")
    assert digest != simple(hutch, "DEBUG", "DIGEST") == simple(redis, "DEBUG", "DIGEST")


# Every form of every collection; each line is run on both servers.
COLLECTIONS = """
RPUSH list 1 2 abc 1
RPUSH list:long {300}
RPUSH list:big x {long}
SADD set:ints 3 1 2 -70000
SADD set:pack b a 1
SADD set:compact {200}
SADD set:table {1000}
ZADD zset 1 a -0 b 0.1 c 3e300 d inf e -inf f 17 1
ZADD zset:tree 1.5 {long} -0 b 0.1 c 3e300 d inf e -inf f
HSET hash a 1 b {short} 3 c
HSET hash:table {long} 1 a {long}
HSET hash:due a 1 b 2 c 3
HPEXPIREAT hash:due 4102444800000 FIELDS 1 b
HPEXPIREAT hash:due 4102444801000 FIELDS 1 c
HSET hash:due:table a 1 b {long} c 3
HPEXPIREAT hash:due:table 4102444800000 FIELDS 1 b
HPEXPIREAT hash:due:table 4102444900000 FIELDS 1 c
HSET hash:was:due a 1 b 2
HEXPIRE hash:was:due 1000 FIELDS 1 a
HPERSIST hash:was:due FIELDS 1 a
HSET hash:was:due:table a 1 b {long}
HEXPIRE hash:was:due:table 1000 FIELDS 1 a
HPERSIST hash:was:due:table FIELDS 1 a
RPUSH list:due a
PEXPIRE list:due 10000000
"""


def collections():
    """The lines' words, and the keys that they make."""
    filled = {"{300}": [f"element {i} of it" for i in range(900)], "{200}": [f"m{i}" for i in range(200)],
              "{1000}": [f"member {i}" for i in range(500)] + [str(i) for i in range(500)], "{long}": ["y" * 9000], "{short}": ["y" * 60]}
    lines = [[part for word in line.split() for part in filled.get(word, [word])] for line in COLLECTIONS.split("\n") if line]
    return lines, sorted({line[1] for line in lines})


def test_digests_of_collections_agree(hutch, redis):
    lines, names = collections()
    for database in (0, 5):
        for client in (hutch, redis):
            client.execute("SELECT", database)
            for line in lines:
                client.execute(*line)
        for name in names:
            assert raw(hutch, "OBJECT", "ENCODING", name) == raw(redis, "OBJECT", "ENCODING", name), name
            assert raw(hutch, "DEBUG", "DIGEST-VALUE", name) == raw(redis, "DEBUG", "DIGEST-VALUE", name), name
        assert simple(hutch, "DEBUG", "DIGEST") == simple(redis, "DEBUG", "DIGEST") != "0" * 40


def test_digests_of_random_contents_agree(hutch, redis):
    chance = random.Random(7)
    for _ in range(600):
        key, member = f"k{chance.randrange(12)}", str(chance.choice((chance.randrange(40), chance.random())))
        line = chance.choice((
            ("RPUSH", key, member), ("LPUSH", key, member), ("SADD", key, member), ("ZADD", key, str(chance.uniform(-9, 9)), member),
            ("HSET", key, member, str(chance.random())), ("HPEXPIREAT", key, "4102444800000", "FIELDS", "1", member),
            ("LPOP", key), ("ZPOPMIN", key), ("SREM", key, member), ("HDEL", key, member)))
        for client in (hutch, redis):
            client.execute(*line)
    assert simple(hutch, "DEBUG", "DIGEST") == simple(redis, "DEBUG", "DIGEST") != "0" * 40


def test_objects_of_collections(hutch, redis):
    """Encoding, length in a file that does not compress, and of lists the nodes."""
    lines, names = collections()
    redis.execute("CONFIG", "SET", "rdbcompression", "no")
    for client in (hutch, redis):
        for line in lines:
            client.execute(*line)
    for name in names:
        mine, its = (re.match(r"Value at:\S+ (.*) lru:\d+ lru_seconds_idle:\d+(.*)$", simple(client, "DEBUG", "OBJECT", name)).groups()
                     for client in (hutch, redis))
        assert mine == its, name
    redis.execute("CONFIG", "SET", "rdbcompression", "yes")


def test_tables_of_collections(hutch, redis):
    lines, names = collections()
    for client in (hutch, redis):
        for line in lines:
            client.execute(*line)
    for name in names:
        mine, its = raw(hutch, "DEBUG", "HTSTATS-KEY", name, "full"), raw(redis, "DEBUG", "HTSTATS-KEY", name, "full")
        if its.startswith(b"-"):
            assert mine == its, name
        else:
            elements = re.compile(rb" number of elements: (\d+)\n")
            assert sum(map(int, elements.findall(mine))) == sum(map(int, elements.findall(its))), name
            assert (b"\r\nHash table 0 stats (main hash table):\n table size: ") in mine


def test_inner_forms_are_shown(hutch):
    """Redis prints them to standard output; a library does not, and answers with them."""
    hutch.execute("RPUSH", "list", 12, "abc")
    assert hutch.execute("DEBUG", "LISTPACK", "list").value.decode() == (
        "{total bytes 14} {num entries 2}\n{index 0, offset 6} [int]12\n{index 1, offset 8} [str]abc\n")
    hutch.execute("HSET", "hash", "f", "x" * 50)
    hutch.execute("HPEXPIREAT", "hash", 4102444800000, "FIELDS", 1, "f")
    shown = hutch.execute("DEBUG", "LISTPACK", "hash").value.decode()
    assert "[str]" + "x" * 40 + "...\n" in shown and shown.endswith("[int]4102444800000\n")
    hutch.execute("CONFIG", "SET", "list-max-listpack-size", 2)
    hutch.execute("RPUSH", "long", 1, 2, 3, "x" * 9000)
    shown = hutch.execute("DEBUG", "QUICKLIST", "long").value.decode()
    assert shown == ("{count : 4}\n{len : 3}\n{fill : 2}\n{quicklist node(0): container : PACKED, size : 11}\n"
                     "{quicklist node(1): container : PACKED, size : 9}\n{quicklist node(2): container : PLAIN, size : 9000}\n")
    assert "[int]3\n" in hutch.execute("DEBUG", "QUICKLIST", "long", 1).value.decode()
    assert raw(hutch, "DEBUG", "LISTPACK", "long") == b"-ERR Not a listpack encoded object.\r\n"
    assert raw(hutch, "DEBUG", "QUICKLIST", "list") == b"-ERR Not a quicklist encoded object.\r\n"


def test_populated_databases_agree(hutch, redis):
    for client in (hutch, redis):
        client.execute("SET", "key:3", "mine")
        for rest in ((1000,), (10, "big", 2000), (10, "short", 3), (3, ""), (2, "key", 1)):
            assert simple(client, "DEBUG", "POPULATE", *rest) == "OK"
        assert client.execute("DBSIZE").value == 1023
        assert client.execute("GET", "key:3").value == b"mine"
        assert client.execute("GET", "short:9").value == b"val"
    assert simple(hutch, "DEBUG", "DIGEST") == simple(redis, "DEBUG", "DIGEST")


OBJECT = re.compile(r"Value at:0x[0-9a-f]+ refcount:1 encoding:(\w+) serializedlength:(\d+) lru:(\d+) "
                    r"lru_seconds_idle:(\d+)$")


@pytest.mark.parametrize("value", ["12", "300", "-5", "70000", "99999999999", "1234567890", "-2147483648", "2147483648",
                                   "007", "hello world!", "", "y", "abcdefghijklmnop" * 4, "x" * 70, "x" * 17000])
def test_object(hutch, redis, value):
    redis.execute("CONFIG", "SET", "rdbcompression", "no")
    found = []
    for client in (hutch, redis):
        client.execute("SET", "k", value)
        found.append(OBJECT.match(simple(client, "DEBUG", "OBJECT", "k")).groups())
    redis.execute("CONFIG", "SET", "rdbcompression", "yes")
    assert found[0][:2] == found[1][:2]


def test_object_of_an_appended_number(hutch, redis):
    for client in (hutch, redis):
        client.execute("APPEND", "k", "1")
        client.execute("APPEND", "k", "2")
    assert [OBJECT.match(simple(client, "DEBUG", "OBJECT", "k")).groups()[:2] for client in (hutch, redis)] == [("raw", "2")] * 2


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("entries", [0, 1, 350])
def test_object_of_a_stream(hutch, redis, entries, groups):
    redis.execute("CONFIG", "SET", "rdbcompression", "no")
    found = []
    for client in (hutch, redis):
        client.execute("XGROUP", "CREATE", "k", "group", 0, "MKSTREAM")
        for i in range(1, entries + 1):
            client.execute("XADD", "k", f"{i}-1", "field", i, *(["other", "x" * (i % 70)] if i % 5 == 0 else []))
        client.execute("XDEL", "k", "5-1", "77-1")
        if groups:
            client.execute("XREADGROUP", "GROUP", "group", "consumer", "COUNT", 20, "STREAMS", "k", ">")
            client.execute("XACK", "k", "group", "3-1")
        else:
            client.execute("XGROUP", "DESTROY", "k", "group")
        found.append(OBJECT.match(simple(client, "DEBUG", "OBJECT", "k")).groups()[:2])
    redis.execute("CONFIG", "SET", "rdbcompression", "yes")
    assert found[0] == found[1]


# ---- by itself

def test_object_tells_idle_time_and_does_not_end_it(engine, hutch):
    engine.set_ms(1_700_000_000_000)
    hutch.execute("SET", "k", "v")
    engine.set_ms(1_700_000_030_000)
    for _ in range(2):
        assert OBJECT.match(simple(hutch, "DEBUG", "OBJECT", "k"))[4] == "30"
    engine.release()


def test_set_active_expire(engine, hutch):
    engine.set_ms(1_700_000_000_000)
    hutch.execute("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    hutch.execute("SET", "k", "v", "PX", 100)
    engine.set_ms(1_700_000_001_000)
    time.sleep(0.05)
    assert hutch.execute("DBSIZE").value == 1            # due, but nobody looked
    assert OBJECT.match(simple(hutch, "DEBUG", "OBJECT", "k"))
    hutch.execute("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert _soon(lambda: hutch.execute("DBSIZE").value == 0)
    engine.release()


def test_pause_cron(engine, hutch):
    engine.set_ms(1_700_000_000_000)
    assert simple(hutch, "DEBUG", "PAUSE-CRON", 1) == "OK"
    hutch.execute("SET", "k", "v", "PX", 100)
    engine.set_ms(1_700_000_001_000)
    time.sleep(0.05)
    assert hutch.execute("DBSIZE").value == 1
    assert raw(hutch, "GET", "k") == b"$-1\r\n"          # a look still expires
    hutch.execute("SET", "k", "v", "PX", 100)
    engine.set_ms(1_700_000_002_000)
    hutch.execute("DEBUG", "PAUSE-CRON", 0)
    assert _soon(lambda: hutch.execute("DBSIZE").value == 0)
    engine.release()


def _soon(holds) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("pipelined", [False, True])
def test_sleep_holds_everybody_but_not_the_interpreter(engine, pipelined):
    session, other = engine.engine.session(), engine.open()
    order, ended = [], threading.Event()

    def sleep():
        if pipelined:
            assert session.execute_many([["SET", "k", "1"], ["DEBUG", "SLEEP", "0.3"], ["GET", "k"]]) == [b"OK", b"OK", b"1"]
        else:
            session.execute(["DEBUG", "SLEEP", "0.3"])

    def ask():
        while not ended.is_set():
            other.execute("PING")
            order.append("answered")

    def count():
        while not ended.is_set():
            order.append("awake")
            time.sleep(0.001)

    sleeper, *others = threads = [threading.Thread(target=work) for work in (sleep, ask, count)]
    for thread in reversed(threads):
        thread.start()
    sleeper.join()
    ended.set()
    for thread in others:
        thread.join()
    # Somewhere in there the interpreter ran on while nobody was answered.
    longest = max(len(run) for run in "".join("." if one == "awake" else " " for one in order).split(" "))
    assert longest > 20


@pytest.mark.parametrize("name", "RESTART CRASH-AND-RECOVER OOM LEAK".split())
def test_nothing_harms_the_host(hutch, name):
    for argv in (("DEBUG", name), ("debug", name.lower(), "1")):
        assert re.match(rb"-ERR DEBUG (?i:%b) is refused: " % name.encode(), raw(hutch, *argv))
    assert raw(hutch, "PING") == b"+PONG\r\n"


@pytest.mark.parametrize("argv", [("REPLICATE", "x"),
                                  ("MALLCTL", "x"), ("SCRIPT", "LIST")])
def test_what_is_not_there_says_so(hutch, argv):
    assert raw(hutch, "DEBUG", *argv).startswith(b"-ERR DEBUG %b is not possible: " % argv[0].encode())


def test_help_lists_what_exists(hutch):
    lines = raw(hutch, "DEBUG", "HELP").decode().replace("\r\n+", "\r\n").split("\r\n")[1:-1]
    assert lines[0] == "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[-2:] == ["HELP", "    Print this help."]
    for line in lines[1:]:
        if line.startswith("    "):
            continue
        name, *words = line.split()
        # RELOAD would save here.
        words = ["no such word"] if name == "RELOAD" else ["0" for word in words if word.startswith("<")]
        answer = raw(hutch, "DEBUG", name, *words)
        assert b"unknown subcommand" not in answer and b"not possible" not in answer, line


def test_tables(hutch):
    hutch.execute("DEBUG", "POPULATE", 1000)
    hutch.execute("PEXPIRE", "key:1", 100_000)
    text = hutch.execute("DEBUG", "HTSTATS", 0, "full").value.decode()
    assert text.startswith("[Dictionary HT]\nHash table 0 stats (main hash table):\n table size: ")
    sizes = [int(n) for n in re.findall(r"table size: (\d+)", text)]
    counts = [int(n) for n in re.findall(r"number of elements: (\d+)", text)]
    assert sum(counts[:-1]) == 1000 and counts[-1] == 1 and sum(sizes) >= 1000
    chains = re.findall(r"^   (\d+): (\d+) \(", text.split("Hash table 1")[0], re.M)
    assert sum(int(length) * int(times) for length, times in chains) == counts[0]
    assert text.endswith("[Expires HT]\n number of elements: 1\n")


def test_forbidden_resizing(hutch):
    def sizes():
        return re.findall(r"table size: (\d+)", hutch.execute("DEBUG", "HTSTATS", 0).value.decode())
    hutch.execute("SET", "k", "v")
    before = sizes()
    hutch.execute("DEBUG", "DICT-RESIZING", 0)
    for i in range(500):
        hutch.execute("SET", i, i)
    assert sizes() == before
    hutch.execute("FLUSHALL")
    hutch.execute("SET", "k", "v")
    for i in range(500):
        hutch.execute("SET", i, i)
    assert sizes() == before                             # an emptied database does not forget
    hutch.execute("DEBUG", "DICT-RESIZING", 1)
    hutch.execute("SET", "another", "v")
    assert sizes() != before


def test_replication_id(hutch):
    hutch.execute("DEBUG", "CHANGE-REPL-ID")
    info = hutch.execute("INFO", "replication").value.decode()
    first = re.search(r"master_replid:(\w{40})", info)[1]
    hutch.execute("DEBUG", "CHANGE-REPL-ID")
    assert re.search(r"master_replid:(\w{40})", hutch.execute("INFO", "replication").value.decode())[1] != first
    assert "master_replid2:" + "0" * 40 in info


def test_log_goes_to_the_log_file(engine, hutch, tmp_path):
    engine.engine.configure("logfile", str(tmp_path / "hutch.log"))
    hutch.execute("DEBUG", "LOG", "a message")
    line = (tmp_path / "hutch.log").read_text()
    assert re.match(rf"{os.getpid()}:M \d\d \w+ \d{{4}} \d\d:\d\d:\d\d\.\d{{3}} # DEBUG LOG: a message\n$", line)


def test_stringmatch(hutch):
    assert hutch.execute("DEBUG", "STRINGMATCH-LEN", "h[ae]llo*", "hallo!").value == 1
    assert hutch.execute("DEBUG", "STRINGMATCH-LEN", "h[ae]llo", "hillo").value == 0
    # The pattern of an old denial of service: exponential in a naive matcher.
    assert hutch.execute("DEBUG", "STRINGMATCH-LEN", "a*" * 40 + "b", "a" * 60).value == 0


def test_string_lengths(hutch):
    hutch.execute("SET", "key", "x" * 100)
    shown = dict(part.strip().split(":") for part in simple(hutch, "DEBUG", "SDSLEN", "key").split(","))
    assert int(shown["key_sds_len"]) == 3 and int(shown["val_sds_len"]) == 100
    hutch.execute("SET", "key", "x" * 1000)
    hutch.execute("APPEND", "key", "x")
    shown = dict(part.strip().split(":") for part in simple(hutch, "DEBUG", "SDSLEN", "key").split(","))
    assert int(shown["val_sds_len"]) == 1001
    assert int(shown["val_zmalloc"]) >= 1001 + int(shown["val_sds_avail"])


@pytest.mark.parametrize("argv", [("KEYSIZES-HIST-ASSERT", "1"), ("QUICKLIST-PACKED-THRESHOLD", "100b"),
                                  ("REPLYBUFFER", "RESIZING", "0"), ("AOF-FLUSH-SLEEP", "0")])
def test_tuning_of_what_is_built_differently_does_nothing(hutch, argv):
    assert simple(hutch, "DEBUG", *argv) == "OK"


def test_debug_needs_permission_over_a_socket():
    hutch = pytest.importorskip("hutch")
    with hutch.Server(port=0) as server:
        client = RespClient(server.host, server.port)
        assert raw(client, "DEBUG", "SLEEP", "0").startswith(b"-ERR DEBUG command not allowed.")
        client.close()


@pytest.mark.parametrize("score", ["1e7", "1e8", "12e12", "1e17", "-1e17", "1152921504606846976", "0", "-0", "inf", "3.5", "1e22"])
def test_digests_of_scores_agree(hutch, redis, score):
    for client in (hutch, redis):
        client.execute("DEL", "z")
        client.execute("ZADD", "z", score, "m")
    assert raw(hutch, "DEBUG", "DIGEST-VALUE", "z") == raw(redis, "DEBUG", "DIGEST-VALUE", "z")
