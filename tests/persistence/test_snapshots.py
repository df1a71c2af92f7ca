"""BGSAVE and rewrites: the file is what the data were at one moment, whatever happens while it is written."""
import os
import random
import resource
import time

import pytest
from kit.families import families
from kit.generators import Gen

from hutch_engine.door.engine import Engine

WRITING = ("strings", "keys", "sets", "hashes", "lists", "sorted_sets", "streams", "transactions", "scripting", "dump", "sort", "bitmaps",
           "hyperloglogs", "geo")
LEFT_OUT = (b"DEBUG", b"RESET", b"QUIT", b"CLIENT", b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"MONITOR", b"CONFIG")


class Failure(Exception):
    pass


class Store:
    def __init__(self, directory, **parameters):
        self.engine = Engine(seed=5)
        for name, value in {"dir": str(directory), **parameters}.items():
            self.engine.configure(name.replace("_", "-"), str(value))
        self.engine.restore()
        self.session = self.engine.session(Failure)

    def __call__(self, *words):
        return self.session.execute(words)

    def tried(self, *words):
        try:
            return self.session.execute(words)
        except Failure as error:
            return error

    def runs(self):
        return b"rdb_bgsave_in_progress:1" in self("INFO", "persistence")

    def wait(self):
        end = time.monotonic() + 120
        while self.runs():
            assert time.monotonic() < end
            time.sleep(0.001)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.engine.close()


def commands(seed, count):
    return [step.argv for step in Gen(seed).sequence(families(*WRITING), count)
            if step.argv[0].upper() not in LEFT_OUT and not (step.argv[0].upper().startswith((b"B", b"XREAD")) and b"BLOCK" in step.argv)]


def filled(store, seed):
    """Random values of all types, and enough keys for the walk to take its time."""
    for words in commands(seed, 500):
        store.tried(*words)
    store.tried("DISCARD")
    for number in range(300):
        store("SET", f"filling:{number}", number)


@pytest.mark.parametrize("seed", range(int(os.environ.get("HUTCH_SNAPSHOTS", "6"))))
def test_a_point_in_time_amid_random_writes(tmp_path, seed):
    """Every command that changes a value in place runs while the file is written; it holds what was there when it was begun."""
    with Store(tmp_path, rdb_key_save_delay=500) as store:
        filled(store, seed)
        amid = [words for words in commands(1000 + seed, 3000) if words[0].upper() not in (b"FLUSHALL", b"FLUSHDB")]
        digest = store("DEBUG", "DIGEST")
        store("BGSAVE")
        ran = 0
        for ran, words in enumerate(amid):
            store.tried(*words)
            if ran % 20 == 0 and not store.runs():
                break
        store.tried("DISCARD")
        assert ran >= 20
        store.wait()
        assert b"rdb_last_bgsave_status:ok" in store("INFO", "persistence")
    with Store(tmp_path) as store:
        assert store("DEBUG", "DIGEST") == digest


def test_emptied_and_left_empty(tmp_path):
    """In the middle of the walk, and no key comes afterwards."""
    with Store(tmp_path, rdb_key_save_delay=1000) as store:
        filled(store, 78)
        digest = store("DEBUG", "DIGEST")
        store("BGSAVE")
        time.sleep(0.02)
        store("FLUSHALL")
        store.wait()
    with Store(tmp_path) as store:
        assert store("DEBUG", "DIGEST") == digest


@pytest.mark.parametrize("what", (["FLUSHALL"], ["FLUSHALL", "ASYNC"], ["FLUSHDB"], ["SWAPDB", "0", "3"], ["SWAPDB", "3", "9"],
                                  ["MULTI", "SWAPDB 0 3", "FLUSHDB", "SET new 1", "EXEC"]), ids=" ".join)
def test_emptied_and_swapped_meanwhile(tmp_path, what):
    with Store(tmp_path, rdb_key_save_delay=100) as store:
        filled(store, 77)
        store("SELECT", 3)
        for number in range(2500):                       # more than is freed at once
            store("SET", f"three:{number}", number)
        store("SELECT", 0)
        digest = store("DEBUG", "DIGEST")
        store("BGSAVE")
        time.sleep(0.005)
        store.tried(*what) if what[0] != "MULTI" else [store(*one.split()) for one in what]
        for number in range(200):
            store("SET", f"filling:{number}", "after")
            store("SELECT", number % 2 * 3)
        store.wait()
        assert b"rdb_last_bgsave_status:ok" in store("INFO", "persistence")
    with Store(tmp_path) as store:
        assert store("DEBUG", "DIGEST") == digest


def test_what_expires_and_is_evicted_meanwhile(tmp_path):
    with Store(tmp_path, rdb_key_save_delay=200) as store:
        store.engine.set_clock_ms(1_700_000_000_000)
        for number in range(300):
            store("SET", f"short:{number}", number, "PX", 50 + number)
            store("SET", f"long:{number}", number)
            store("HSET", f"hash:{number}", "a", 1, "b", 2)
            store("HPEXPIRE", f"hash:{number}", 60 + number, "FIELDS", 1, "a")
        store("BGSAVE")
        for _ in range(30):
            store.engine.advance_clock_ms(20)
            time.sleep(0.001)
        store("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "2200000")
        store("CONFIG", "SET", "maxmemory", "0")
        store.wait()
        assert store("DBSIZE") < 900
    with Store(tmp_path) as store:
        found = Engine(seed=1)
        found.close()
        assert store("DBSIZE") == 600                    # what is due by the clock that runs now is gone, as after any restart
        assert store("EXISTS", *(f"long:{number}" for number in range(300))) == 300
        assert store("HGETALL", "hash:7") == {b"b": b"2"} or store("HLEN", "hash:7") == 1


@pytest.fixture
def gone(tmp_path):
    """A directory that a store was told of, and that is not there any more."""
    directory = tmp_path / "gone"
    directory.mkdir()
    return directory


def test_given_up_and_begun_again(tmp_path, gone):
    """Snapshots that are given up leave numbers behind that a later one must not mistake for its own: more of them than a byte
    has values."""
    with Store(gone) as store:
        for number in range(300):
            store("SET", f"key:{number}", number)
        gone.rmdir()
        for round in range(300):
            store("BGSAVE")
            store("SET", f"key:{round}", "changed")
            store.wait()
        assert b"rdb_last_bgsave_status:err" in store("INFO", "persistence")
        gone.mkdir()
        digest = store("DEBUG", "DIGEST")
        store("BGSAVE")
        store.wait()
        assert b"rdb_last_bgsave_status:ok" in store("INFO", "persistence")
    with Store(gone) as store:
        assert store("DEBUG", "DIGEST") == digest


def test_replies(tmp_path):
    with Store(tmp_path, rdb_key_save_delay=2000) as store:
        for number in range(300):
            store("SET", f"key:{number}", number)
        assert store("BGSAVE") == b"Background saving started"
        assert str(store.tried("BGSAVE")) == "ERR Background save already in progress"
        assert str(store.tried("SAVE")) == "ERR Background save already in progress"
        assert store("BGREWRITEAOF") == b"Background append only file rewriting scheduled"
        assert str(store.tried("BGSAVE", "NOW")) == "ERR syntax error"
        assert b"rdb_bgsave_in_progress:1" in store("INFO", "persistence")
        store("CONFIG", "SET", "rdb-key-save-delay", "0")
        store.wait()
        store("MULTI")
        store("BGSAVE")
        assert store("EXEC") == [b"Background saving scheduled"]
        end = time.monotonic() + 30
        while int(store("INFO", "persistence").split(b"rdb_saves:")[1].split()[0]) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_save_points(tmp_path):
    """`save 1 3`: three changes, and a second later they are on disk; BGSAVE is not asked for."""
    with Store(tmp_path, save="1 3") as store:
        store("MSET", "a", 1, "b", 2, "c", 3)
        end = time.monotonic() + 60
        while not (tmp_path / "dump.rdb").exists() or store.runs():
            assert time.monotonic() < end
            time.sleep(0.02)
        assert b"rdb_changes_since_last_save:0" in store("INFO", "persistence")
    with Store(tmp_path) as store:
        assert store("DBSIZE") == 3


def test_writes_are_refused_while_saving_fails(gone):
    """stop-writes-on-bgsave-error, and the end of it."""
    with Store(gone, save="3600 1") as store:
        store("SET", "a", 1)
        gone.rmdir()
        store("BGSAVE")
        store.wait()
        assert b"rdb_last_bgsave_status:err" in store("INFO", "persistence")
        assert str(store.tried("SET", "b", 1)).startswith("MISCONF Redis is configured to save RDB snapshots")
        assert str(store.tried("EVAL", "return redis.call('set', 'b', 1)", 0)).startswith("MISCONF Redis is configured")
        assert store("GET", "a") == b"1"
        store("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        store("SET", "b", 1)
        store("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
        assert "MISCONF" in str(store.tried("SET", "b", 2))
        gone.mkdir()
        store("BGSAVE")
        store.wait()
        store("SET", "b", 3)


def test_threads_write_all_the_while(tmp_path):
    """The compiled methods, too: a counter that one thread raises stands in the file as it was at the moment of BGSAVE."""
    import threading

    import hutch
    store = hutch.Store(dir=str(tmp_path), rdb_key_save_delay=50)
    r = hutch.Redis(store=store)
    for number in range(2000):
        r.set(f"key:{number}", 0)
    stop = threading.Event()

    def write():
        generator = random.Random(4)
        while not stop.is_set():
            number = generator.randrange(2000)
            r.incr(f"key:{number}")
            r.incr("total")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        r.bgsave()
        while r.info("persistence")["rdb_bgsave_in_progress"]:
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
    store.close()
    with Store(tmp_path) as loaded:
        total = int(loaded("GET", "total") or 0)
        found = sum(int(value) for value in loaded("MGET", *(f"key:{number}" for number in range(2000))))
        assert found - total in (0, 1)                   # between the two increments, at the most


# ---- long values, which go out in parts

LONG = 20000


def long_values(store):
    """One of each type that goes out in parts, a small neighbour of each, and a hash whose fields have deadlines."""
    for start in range(0, LONG, 500):
        numbers = range(start, start + 500)
        store("HSET", "hash", *(word for n in numbers for word in (f"field:{n}", n)))
        store("HSET", "aging", *(word for n in numbers for word in (f"field:{n}", n)))
        store("SADD", "set", *(f"member:{n}" for n in numbers))
        store("ZADD", "zset", *(word for n in numbers for word in (n % 1000, f"member:{n}")))
        store("RPUSH", "list", *(f"element:{n}" * 4 for n in numbers))
    for n in range(LONG):
        store("XADD", "stream", f"{n + 1}-1", "field", f"value {n} of many")
    store("XGROUP", "CREATE", "stream", "group", "0")
    store("XREADGROUP", "GROUP", "group", "me", "COUNT", 500, "STREAMS", "stream", ">")
    store("HEXPIRE", "aging", 1000, "FIELDS", 500, *(f"field:{n}" for n in range(500)))
    for name in LONG_NAMES:
        store("SET", f"beside:{name}", name)


LONG_NAMES = ("hash", "aging", "set", "zset", "list", "stream")
CHANGES = {"hash": ["HSET", "hash", "new", "1"], "aging": ["HDEL", "aging", "field:3"], "set": ["SREM", "set", "member:7"],
           "zset": ["ZADD", "zset", "5", "member:70"], "list": ["LPUSH", "list", "new"], "stream": ["XDEL", "stream", "5-1"]}
AMID = {
    "changed": lambda name: [CHANGES[name], ["SET", "beside:set", "after"], CHANGES[name]],
    "others change first": lambda name: [["SET", "beside:hash", "after"], ["SET", "new", "1"], ["DEL", "beside:zset"], CHANGES[name]],
    "only others": lambda name: [["SET", f"beside:{other}", "after"] for other in LONG_NAMES],
    "another long one": lambda name: [CHANGES[other] for other in LONG_NAMES if other != name],
    "deleted": lambda name: [["DEL", name]],
    "unlinked": lambda name: [["SET", "beside:hash", "after"], ["UNLINK", name], ["SET", name, "anew"]],
    "renamed": lambda name: [["RENAME", name, "other"], CHANGES[name][:1] + ["other"] + CHANGES[name][2:]],
    "renamed onto": lambda name: [["RENAME", "beside:set", name]],
    "moved": lambda name: [["MOVE", name, "5"]],
    "copied": lambda name: [["COPY", name, "twin"], CHANGES[name][:1] + ["twin"] + CHANGES[name][2:], ["DEL", "twin"]],
    "overwritten": lambda name: [["SET", name, "text"]],
    "expires": lambda name: [["PEXPIRE", name, "1"]],
    "gets a deadline": lambda name: [["EXPIRE", name, "1000"], ["PERSIST", name]],
    "emptied": lambda name: [["FLUSHALL"], CHANGES[name]],
    "emptied later": lambda name: [["SET", "beside:set", "after"], ["FLUSHALL", "ASYNC"], ["SET", "new", "1"]],
    "swapped": lambda name: [["SWAPDB", "0", "3"], ["SET", "beside:set", "after"], CHANGES[name], ["SELECT", "3"], CHANGES[name]],
    "read": lambda name: [["HRANDFIELD", "hash", "3"], ["SRANDMEMBER", "set", "3"], ["HSCAN", "hash", "0"], ["ZRANGE", "zset", "5", "9"],
                          ["LINDEX", "list", "900"], ["XRANGE", "stream", "-", "+", "COUNT", "3"], ["OBJECT", "ENCODING", name]],
}


@pytest.mark.parametrize("name, rewrite", [*((name, False) for name in LONG_NAMES), ("hash", True), ("list", True)])
@pytest.mark.parametrize("amid", AMID)
def test_in_the_middle_of_a_long_value(tmp_path, name, amid, rewrite):
    """Amid its parts it is changed, goes, or moves; others are saved meanwhile, and come behind it. All of it is what it was."""
    with Store(tmp_path, **({"appendonly": "yes"} if rewrite else {})) as store:
        long_values(store)
        for other in LONG_NAMES:                             # the walk meets no other long value before this one
            if other != name and amid != "another long one":
                store("DEL", other)
        digest = store("DEBUG", "DIGEST")
        store("CONFIG", "SET", "rdb-key-save-delay", "20000")
        store("BGREWRITEAOF" if rewrite else "BGSAVE")
        time.sleep(0.19)                                     # seven keys, and ten parts at least, are 20 ms each
        for words in AMID[amid](name):
            store.tried(*words)
        time.sleep(0.01)
        after = store("DEBUG", "DIGEST")
        store("CONFIG", "SET", "rdb-key-save-delay", "0")
        if rewrite:
            end = time.monotonic() + 60
            while b"aof_rewrite_in_progress:1" in store("INFO", "persistence"):
                assert time.monotonic() < end
                time.sleep(0.001)
            assert b"aof_last_bgrewrite_status:ok" in store("INFO", "persistence")
            after = store("DEBUG", "DIGEST")
        else:
            store.wait()
            assert b"rdb_last_bgsave_status:ok" in store("INFO", "persistence")
    with Store(tmp_path, **({"appendonly": "yes"} if rewrite else {})) as store:
        assert store("DEBUG", "DIGEST") == (after if rewrite else digest)


def test_a_full_disk_amid_a_long_value(tmp_path):
    """A snapshot that fails in the middle of one leaves it as it is, and the next has it whole."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store(tmp_path) as store:
        long_values(store)
        digest = store("DEBUG", "DIGEST")
        store("CONFIG", "SET", "rdb-key-save-delay", "1000")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, limits[1]))
        try:
            store("BGSAVE")
            store.wait()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert b"rdb_last_bgsave_status:err" in store("INFO", "persistence")
        store("CONFIG", "SET", "rdb-key-save-delay", "0")
        for name in LONG_NAMES:
            store("PEXPIRE", name, 1000000)                  # whoever changes them finds nothing unfinished
            store("PERSIST", name)
        store("BGSAVE")
        store.wait()
        assert b"rdb_last_bgsave_status:ok" in store("INFO", "persistence")
    with Store(tmp_path) as store:
        assert store("DEBUG", "DIGEST") == digest
