"""BGSAVE and rewrites: the file is what the data were at one moment, whatever happens while it is written."""
import os
import random
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
