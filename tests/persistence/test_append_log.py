"""The append-only file: what it says, that it brings everything back, and what becomes of one that is torn or damaged."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from kit.families import families
from kit.generators import Gen
from kit.launch import HUTCH_ENVIRONMENT
from kit.oracle import find_oracle, free_port
from kit.resp_client import RespClient

from hutch_engine.door.engine import Engine


class Failure(Exception):
    pass


class Kept:
    """A store kept in a directory, and one session in it."""

    def __init__(self, directory, **parameters):
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.engine = Engine(seed=5)
        for name, value in {"dir": str(directory), "appendonly": "yes", **parameters}.items():
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

    def digest(self):
        return self("DEBUG", "DIGEST")

    def close(self):
        self.engine.close()

    @property
    def log(self):
        """All increments' bytes, and the base's where it is of commands."""
        found = b""
        directory = self.directory / "appendonlydir"
        for line in (directory / "appendonly.aof.manifest").read_text().splitlines():
            name = line.split()[1]
            if name.endswith(".aof"):
                found += (directory / name).read_bytes()
        return found

    def increment(self):
        return sorted((self.directory / "appendonlydir").glob("*.incr.aof"))[-1]

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def commands(log):
    """The commands of a log, as lists of words."""
    found, at = [], 0
    while at < len(log):
        if log[at:at + 1] == b"#":
            at = log.index(b"\n", at) + 1
            continue
        assert log[at:at + 1] == b"*"
        end = log.index(b"\r\n", at)
        count, at = int(log[at + 1:end]), end + 2
        words = []
        for _ in range(count):
            end = log.index(b"\r\n", at)
            length = int(log[at + 1:end])
            words.append(log[end + 2:end + 2 + length])
            at = end + 4 + length
        found.append(words)
    return found


# ---- what it says

SCRIPT = """
set a 1 ex 100 | set a 2 px 100000 get | setex b 10 x | psetex b 20000 x | getex b ex 50 | getex b persist | getex b
set n 1 nx | set n 2 nx | incr n | append n x | getset n 3 | incrbyfloat f 1.5 | mset p 1 q 2 | msetnx p 1 z 2
hset h f1 v1 f2 v2 | hexpire h 100 fields 1 f1 | hincrbyfloat h g 2 | hgetex h ex 100 fields 1 f2 | hgetex h persist fields 1 f2
hgetdel h fields 1 f2 | hsetex h ex 1000 fields 1 q w | hexpireat h 1 fields 1 q | hpersist h fields 1 f1 | hset e f v | hpexpireat e 1 fields 1 f
sadd s 1 2 3 4 5 | spop s 10 | sadd s 1 | smove s t 1 | sort h
xadd st 1-1 a b | xadd st 1-2 a b | xgroup create st g 0 | xreadgroup group g c count 1 streams st > | xreadgroup group g c noack streams st >
xack st g 1-1 | xadd st 2-* c d | xgroup setid st g 0 | xdel st 1-1 | xgroup delconsumer st g c
rpush l 1 2 3 4 5 6 | blpop l 0 | lmpop 1 l left count 1 | blmove l m left right 0 | expire l 100 | expire l -1 | rpush l x | brpop l 0
zadd zs 1 a 2 b 3 c | zincrby zs 1.5 a | bzpopmin zs 0 | zpopmax zs | zadd zs xx 5 nobody
multi | set x 1 | incr x | get x | exec | multi | get x | exec | multi | set x 5 | exec
eval redis.call('set','e','1')redis.call('incr','e') 0 | eval redis.call('set','e2','1') 0 | eval return(redis.call('incr','x')) 0
getdel x | set y 1 | expire y 100 | persist y | rename y y2 | copy y2 y3 | unlink y2 y3 | del nothing
select 3 | get nothing | set q 1 | move q 5 | swapdb 3 5 | flushdb | select 0 | flushall | set last 1
"""
TIME = re.compile(rb"^17\d{11}$|^18\d{11}$")


def _said(log):
    """Names in capitals, times as T: what is to be compared."""
    found = []
    for words in commands(log):
        words = [b"T" if TIME.match(word) else word for word in words]
        words[0] = words[0].upper()
        found.append(b" ".join(words).decode())
    return found


def _run_script(execute):
    for one in SCRIPT.replace("\n", "|").split("|"):
        if one.split():
            execute(*one.split())


# Where we say the same in other words: the commands that wait stay what they are, since they find what they look for when it is run again.
OTHERWISE = {"LPOP l": "BLPOP l 0", "RPOP l": "BRPOP l 0", "LMOVE l m left right": "BLMOVE l m left right 0", "ZPOPMIN zs": "BZPOPMIN zs 0",
             "LPOP l 1": "LMPOP 1 l left count 1", "HSETEX h KEEPTTL FIELDS 1 g 2": "HSET h g 2", "HSETEX h PXAT T fields 1 q w": "HSETEX h PXAT T FIELDS 1 q w",
             "HPEXPIREAT h T fields 1 f2": "HPEXPIREAT h T FIELDS 1 f2", "SET n 3": "GETSET n 3", "HPERSIST h fields 1 f2": "HPERSIST h FIELDS 1 f2",
             "HDEL h f2": "HGETDEL h fields 1 f2"}


def test_says_what_redis_says(tmp_path, real_server):
    """The same commands here and there: the two logs hold the same commands but for times."""
    with Kept(tmp_path / "ours") as ours:
        _run_script(ours.tried)
    directory = tmp_path / "theirs"
    directory.mkdir()
    with real_server(directory, "--appendonly", "yes") as theirs:
        _run_script(theirs.execute)
        theirs.execute("PING")
        time.sleep(0.2)
        log = b"".join(path.read_bytes() for path in sorted((directory / "appendonlydir").glob("*.incr.aof")))
    expected = [OTHERWISE.get(line, line) for line in _said(log)]
    # Of a consumer that XREADGROUP makes we say so first; Redis leaves it to XCLAIM.
    assert [line for line in _said(ours.log) if line != "XGROUP CREATECONSUMER st g c"] == expected


class RealServer:
    def __init__(self, binary, directory, *arguments):
        self.port = free_port()
        self.process = subprocess.Popen(
            [str(binary), "--port", str(self.port), "--dir", str(directory), "--save", "", "--enable-debug-command", "yes", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = None

    def __enter__(self):
        end = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, "the real server has ended"
            try:
                self.client = RespClient("127.0.0.1", self.port)
                if self.client.execute("PING").raw == b"+PONG\r\n":
                    return self
            except OSError:
                pass
            assert time.monotonic() < end
            time.sleep(0.02)

    def execute(self, *words):
        return self.client.execute(*words)

    def digest(self):
        return self.client.execute("DEBUG", "DIGEST").value.text

    def __exit__(self, *exc_info):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="session")
def real_server():
    binary = find_oracle()
    if binary is None:
        pytest.skip("NOT COMPARED WITH REDIS: no redis-server 8.2 found")
    return lambda directory, *arguments: RealServer(binary, directory, *arguments)


# ---- that it brings everything back

WRITING = ("strings", "keys", "sets", "hashes", "lists", "sorted_sets", "streams", "transactions", "scripting", "dump", "sort", "bitmaps",
           "hyperloglogs", "geo")


def _random_commands(seed, count):
    return [step.argv for step in Gen(seed).sequence(families(*WRITING), count) if step.argv[0].upper() not in LEFT_OUT]


# What stops us, or leaves no trace in the data.
LEFT_OUT = (b"DEBUG", b"RESET", b"QUIT", b"CLIENT", b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"MONITOR", b"CONFIG")


@pytest.mark.parametrize("seed", range(8))
def test_brings_back_what_random_commands_left(tmp_path, seed):
    """Every write family, transactions and scripts: after a restart the digest is what it was, and the deadlines are."""
    with Kept(tmp_path) as store:
        for words in _random_commands(seed, 600):
            if words[0].upper().startswith((b"BL", b"BR", b"BZ", b"XREAD")) and b"BLOCK" in words:
                continue
            store.tried(*words)
        store.tried("DISCARD")
        before = store.digest(), store("DBSIZE"), store("INFO", "keyspace")
        figures = [line.split(b",avg_ttl")[0] for line in before[2].splitlines()]
    with Kept(tmp_path) as store:
        assert (store.digest(), store("DBSIZE")) == before[:2]
        assert [line.split(b",avg_ttl")[0] for line in store("INFO", "keyspace").splitlines()] == figures


@pytest.mark.parametrize("seed", (21, 22))
def test_redis_reads_ours_and_we_read_redis(tmp_path, real_server, seed):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    words = [words for words in _random_commands(seed, 500) if not words[0].upper().startswith((b"B", b"XREAD"))]
    with Kept(ours) as store:
        for one in words:
            store.tried(*one)
        store.tried("DISCARD")
        digest = store.digest()
    with real_server(ours, "--appendonly", "yes") as server:
        assert server.digest() == digest
    with real_server(theirs, "--appendonly", "yes") as server:
        for one in words:
            server.execute(*one)
        server.execute("DISCARD")
        digest = server.digest()
        server.execute("BGREWRITEAOF")
        server.execute("SET", "behind", "it")
        digest = server.digest()
        time.sleep(1.2)
    with Kept(theirs) as store:
        assert store.digest() == digest


def test_redis_check_aof_is_content(tmp_path):
    binary = find_oracle()
    if binary is None:
        pytest.skip("NOT COMPARED WITH REDIS: no redis-server 8.2 found")
    tool = tmp_path / "redis-check-aof"              # the server is this tool, too, under this name
    tool.symlink_to(binary)
    with Kept(tmp_path) as store:
        for number in range(100):
            store("SET", f"key:{number}", number)
        store("BGREWRITEAOF")
        store("SET", "behind", "it")
    found = subprocess.run([str(tool), str(tmp_path / "appendonlydir" / "appendonly.aof.manifest")], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def _wait_for_rewrite(store):
    end = time.monotonic() + 60
    while b"aof_rewrite_in_progress:1" in store("INFO", "persistence") or b"aof_rewrite_scheduled:1" in store("INFO", "persistence"):
        assert time.monotonic() < end
        time.sleep(0.002)
    assert b"aof_last_bgrewrite_status:ok" in store("INFO", "persistence")


@pytest.mark.parametrize("seed", range(3))
def test_a_rewrite_amid_writes(tmp_path, seed):
    words = _random_commands(100 + seed, 900)
    with Kept(tmp_path) as store:
        for number, one in enumerate(words):
            if number % 150 == 75:
                store.tried("DISCARD")
                store.tried("BGREWRITEAOF")
            if not (one[0].upper().startswith((b"B", b"XREAD")) and b"BLOCK" in one):
                store.tried(*one)
        store.tried("DISCARD")
        _wait_for_rewrite(store)
        digest = store.digest()
        names = sorted(path.name for path in (tmp_path / "appendonlydir").iterdir())
        assert len(names) == 3, names             # base, increment, manifest: what was before is gone
    with Kept(tmp_path) as store:
        assert store.digest() == digest


def test_a_base_of_commands(tmp_path, real_server):
    """aof-use-rdb-preamble no: Redis reads it, and so do we."""
    with Kept(tmp_path, aof_use_rdb_preamble="no") as store:
        for words in _random_commands(31, 500):
            if not words[0].upper().startswith((b"B", b"XREAD")):
                store.tried(*words)
        store.tried("DISCARD")
        store("FUNCTION", "LOAD", "REPLACE", "#!lua name=kept\nredis.register_function('one', function() return 1 end)")
        store("BGREWRITEAOF")
        store("SET", "behind", "it", "EX", 1000)
        _wait_for_rewrite(store)
        digest = store.digest()
        assert [path.suffix for path in (tmp_path / "appendonlydir").glob("*base*")] == [".aof"]
    with Kept(tmp_path, aof_use_rdb_preamble="no") as store:
        assert store.digest() == digest
        assert store("FCALL", "one", 0) == 1
    with real_server(tmp_path, "--appendonly", "yes") as server:
        assert server.digest() == digest


def test_switched_on_and_off_at_run_time(tmp_path):
    store = Kept(tmp_path, appendonly="no")
    store("SET", "before", 1)
    store("CONFIG", "SET", "appendonly", "yes")
    _wait_for_rewrite(store)
    store("SET", "while", 2)
    store("CONFIG", "SET", "appendonly", "no")
    store("SET", "after", 3)
    store.close()
    with Kept(tmp_path) as store:
        assert sorted(store("KEYS", "*")) == [b"before", b"while"]


def test_switched_on_while_a_snapshot_is_written(tmp_path):
    """Its first rewrite is one that is scheduled, for whoever waits until the log is there."""
    store = Kept(tmp_path, appendonly="no", rdb_key_save_delay=2000)
    for key in range(100):
        store("SET", f"key:{key}", 1)
    store("BGSAVE")
    store("CONFIG", "SET", "appendonly", "yes")
    told = store("INFO", "persistence")
    assert b"rdb_bgsave_in_progress:1" not in told or b"aof_rewrite_scheduled:1" in told
    store("CONFIG", "SET", "rdb-key-save-delay", 0)
    _wait_for_rewrite(store)
    store("SET", "behind", "it")
    store.close()
    with Kept(tmp_path) as store:
        assert store("DBSIZE") == 101


def test_switched_off_and_on_and_closed_at_once(tmp_path):
    """The thread in the background is at the end of the old log when the store closes: it begins no new one. (It did, and the end waited
    for it for ever.)"""
    for number in range(20):
        store = Kept(tmp_path / str(number), appendfsync="no")
        for key in range(100):
            store("SET", f"key:{key}", "x" * 1000)
        store("CONFIG", "SET", "appendonly", "no")
        store("CONFIG", "SET", "appendonly", "yes")
        store.close()
        with Kept(tmp_path / str(number)) as store:
            assert store("DBSIZE") == 100


# ---- torn, damaged

def _small_log(directory):
    with Kept(directory) as store:
        store("SET", "a", "1")
        store("MULTI")
        store("SET", "b", "2")
        store("INCR", "b")
        store("EXEC")
        store("RPUSH", "l", "x", "y")


def test_torn_at_every_byte(tmp_path):
    """A killed process leaves any beginning of the log behind: what is whole comes back, no half transaction, and the next
    start reads what was written after the cut."""
    _small_log(tmp_path / "whole")
    whole = sorted((tmp_path / "whole" / "appendonlydir").glob("*.incr.aof"))[-1].read_bytes()
    for length in range(len(whole)):
        directory = tmp_path / "torn"
        shutil.copytree(tmp_path / "whole", directory)
        path = sorted((directory / "appendonlydir").glob("*.incr.aof"))[-1]
        path.write_bytes(whole[:length])
        with Kept(directory) as store:
            found = store.tried("GET", "a"), store.tried("GET", "b"), store.tried("LLEN", "l")
            assert found in ((None, None, 0), (b"1", None, 0), (b"1", b"3", 0), (b"1", b"3", 2)), length
            store("SET", "later", length)
        with Kept(directory) as store:
            assert store("GET", "later") == b"%d" % length
            assert (store.tried("GET", "a"), store.tried("GET", "b"), store.tried("LLEN", "l")) == found
        shutil.rmtree(directory)


@pytest.mark.parametrize("what, damaged", [
    ("no command", lambda log: log[:40] + b"garbage\r\n" + log[40:]),
    ("unknown", lambda log: log.replace(b"$5\r\nRPUSH", b"$5\r\nRPUSX")),
    ("arity", lambda log: log.replace(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", b"*2\r\n$3\r\nSET\r\n$1\r\na\r\n")),
    ("negative length", lambda log: log.replace(b"$1\r\na", b"$-1\r\na", 1)),
    ("absurd length", lambda log: log.replace(b"$1\r\na", b"$99999999999\r\na", 1)),
    ("past the end, but commands follow", lambda log: log.replace(b"$1\r\na", b"$9999\r\na", 1)),
    ("EXEC alone", lambda log: log.replace(b"*1\r\n$5\r\nMULTI\r\n", b"")),
    ("MULTI twice", lambda log: log.replace(b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$5\r\nMULTI\r\n" * 2)),
    ("not a write", lambda log: log + b"*1\r\n$8\r\nSHUTDOWN\r\n"),
    ("zero words", lambda log: log + b"*0\r\n"),
])
def test_damage_is_refused(tmp_path, what, damaged):
    _small_log(tmp_path)
    path = sorted((tmp_path / "appendonlydir").glob("*.incr.aof"))[-1]
    log = path.read_bytes()
    assert damaged(log) != log
    path.write_bytes(damaged(log))
    with pytest.raises(ValueError, match="append-only file"):
        Kept(tmp_path)
    assert path.read_bytes() == damaged(log)             # nothing was cut off


@pytest.mark.parametrize("seed", range(int(os.environ.get("HUTCH_LOG_DAMAGE", "60"))))
def test_random_damage_is_refused_or_loaded(tmp_path, seed):
    _small_log(tmp_path)
    path = sorted((tmp_path / "appendonlydir").glob("*.incr.aof"))[-1]
    log = bytearray(path.read_bytes())
    generator = random.Random(seed)
    for _ in range(generator.randrange(1, 4)):
        at = generator.randrange(len(log))
        kind = generator.randrange(3)
        if kind == 0:
            log[at] = generator.randrange(256)
        elif kind == 1:
            del log[at:at + generator.randrange(1, 9)]
        else:
            log[at:at] = generator.randbytes(generator.randrange(1, 9))
    path.write_bytes(log)
    try:
        Kept(tmp_path).close()
    except ValueError as error:
        assert "append-only file" in str(error)


def test_the_manifest_is_judged(tmp_path):
    _small_log(tmp_path)
    path = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    text = path.read_text()
    for wrong in ("nonsense\n", text + "file x seq 1 type b\n", text.replace("seq 1 type i", "seq x type i"), text + text.splitlines()[-1] + "\n",
                  text.replace("appendonly.aof.1.incr.aof", "../elsewhere"), text.replace("appendonly.aof.1.incr.aof", "absent.aof"), text.rstrip("\n"), "",
                  "\n" + text, text + "\n"):
        path.write_text(wrong)
        with pytest.raises(ValueError):
            Kept(tmp_path)
    path.write_text("# a comment\n" + text)
    with Kept(tmp_path) as store:
        assert store("GET", "b") == b"3"


def test_a_log_of_redis_before_7(tmp_path):
    """One file, commands or an RDB file with commands behind it, becomes the base."""
    (tmp_path / "appendonly.aof").write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")
    with Kept(tmp_path) as store:
        store("SELECT", 2)
        assert store("GET", "a") == b"1"
        store("SET", "b", 2)
    assert not (tmp_path / "appendonly.aof").exists()
    with Kept(tmp_path) as store:
        store("SELECT", 2)
        assert sorted(store("KEYS", "*")) == [b"a", b"b"]


@pytest.mark.parametrize("moved", (False, True))
def test_a_single_files_upgrade_goes_on_where_it_was_interrupted(tmp_path, moved):
    """The manifest is written first; the file may still be where it was, or be moved already."""
    directory = tmp_path / "appendonlydir"
    directory.mkdir()
    (directory / "appendonly.aof.manifest").write_text("file appendonly.aof seq 1 type b\n")
    ((directory if moved else tmp_path) / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")
    if moved:
        (tmp_path / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$5\r\nother\r\n$1\r\n1\r\n")       # not ours any more
    for _ in range(2):
        with Kept(tmp_path) as store:
            assert store("GET", "a") == b"1" and store("DBSIZE") == 1
    assert (directory / "appendonly.aof").exists() and (tmp_path / "appendonly.aof").exists() == moved


# ---- killed

KILLED = """
    import sys
    from hutch_engine.door.engine import Engine
    engine = Engine(seed=1)
    for name, value in zip(sys.argv[1::2], sys.argv[2::2]):
        engine.configure(name, value)
    engine.restore()
    session = engine.session(ValueError)
    print("ready", flush=True)
    number = int(session.execute(("GET", "n")) or 0)
    while True:
        session.execute(("MULTI",))
        session.execute(("INCR", "n"))
        session.execute(("RPUSH", "l", "x" * (number % 50)))
        session.execute(("EXEC",))
        if number % 97 == 0:
            session.execute(("BGREWRITEAOF",)) if b"in_progress:1" not in session.execute(("INFO", "persistence")) else None
        number += 1
        print(number, flush=True)
"""


@pytest.mark.parametrize("round", range(int(os.environ.get("HUTCH_KILLS", "3"))))
def test_always_loses_nothing_that_was_acknowledged(tmp_path, round):
    """kill -9 again and again, amid writes and rewrites: no acknowledged transaction is lost, and none is half there."""
    program = textwrap.dedent(KILLED)
    last = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", program, "dir", str(tmp_path), "appendonly", "yes", "appendfsync", "always"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=HUTCH_ENVIRONMENT)
        assert process.stdout.readline() == b"ready\n", process.stderr.read()
        end = time.monotonic() + random.uniform(0.05, 0.6)
        while time.monotonic() < end:
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            if line.strip().isdigit() and line.endswith(b"\n"):
                last = int(line)
        process.wait()
        process.stderr.close()
        process.stdout.close()
        with Kept(tmp_path) as store:
            number = int(store("GET", "n") or 0)
            assert last <= number <= last + 1
            assert store("LLEN", "l") == number
            last = number


# ---- a disk that refuses

FULL = """
    import resource, sys
    from hutch_engine.door.engine import Engine
    engine = Engine(seed=1)
    for name, value in zip(sys.argv[1::2], sys.argv[2::2]):
        engine.configure(name, value)
    engine.restore()
    session = engine.session(ValueError)
    import signal, time
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, hard))
    done = 0
    try:
        for number in range(100000):
            session.execute(("SET", f"key:{number}", "x" * 100))
            done += 1
            if number % 50 == 0:
                time.sleep(0.01)
    except ValueError as error:
        assert "MISCONF" in str(error), error
    try:
        session.execute(("PING",))
        raise AssertionError("PING hides it")
    except ValueError as error:
        assert "MISCONF" in str(error), error
    assert session.execute(("GET", "key:0")) == b"x" * 100
    assert b"aof_last_write_status:err" in session.execute(("INFO", "persistence"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for _ in range(300):
        try:
            session.execute(("SET", "again", "1"))
            break
        except ValueError:
            time.sleep(0.05)
    else:
        raise AssertionError("service does not return")
    engine.close()
    print(done)
"""


@pytest.mark.parametrize("policy", ("everysec", "always"))
def test_a_full_disk_and_its_end(tmp_path, policy):
    """Writes are refused with MISCONF while it lasts, reads are not; nothing is lost, and service returns."""
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(FULL), "dir", str(tmp_path), "appendonly", "yes", "appendfsync", policy],
                           capture_output=True, text=True, env=HUTCH_ENVIRONMENT, timeout=120)
    assert found.returncode == 0, found.stderr
    done = int(found.stdout)
    with Kept(tmp_path) as store:
        assert store("GET", "again") == b"1"
        assert store("DBSIZE") >= done + 1
        assert store("EXISTS", *(f"key:{number}" for number in range(done))) == done


def test_json_comes_back(tmp_path):
    """By the log and by a base, as the module's own serialisation has it."""
    with Kept(tmp_path) as store:
        store("JSON.SET", "doc", "$", '{"a": [1, 2.5, "x", null, true], "b": {"c": -7}}')
        store("JSON.NUMINCRBY", "doc", "$.a[1]", "0.1")
        store("JSON.ARRAPPEND", "doc", "$.a", '"y"', "3")
        store("JSON.SET", "doc", "$.b.d", '{"e": []}')
        store("JSON.DEL", "doc", "$.a[0]")
        store("BGREWRITEAOF")
        _wait_for_rewrite(store)
        store("JSON.STRAPPEND", "doc", "$.a[1]", '"z"')
        store("JSON.CLEAR", "doc", "$.b.c")
        before = store("JSON.GET", "doc")
    with Kept(tmp_path) as store:
        assert store("JSON.GET", "doc") == before
        assert b'"xz"' in before


def test_a_power_cut_at_any_moment(tmp_path):
    """Under always the disk has, at every answer, what was answered: files cut back to what was synced by then bring it back, rewrites
    in between included."""
    moments = []
    with Kept(tmp_path / "store", appendfsync="always") as store:
        for number in range(120):
            store("MULTI")
            store("SET", "n", number)
            store("RPUSH", "l", number)
            store("EXEC")
            if number % 40 == 20:
                store.tried("BGREWRITEAOF")
                _wait_for_rewrite(store)
            directory = tmp_path / "store" / "appendonlydir"
            if number % 7 == 0:
                copy = tmp_path / f"at{number}"
                shutil.copytree(tmp_path / "store", copy)
                moments.append((number, copy, {path.name: path.stat().st_size for path in directory.iterdir()}))
    for number, copy, sizes in moments:
        for path in (copy / "appendonlydir").iterdir():
            os.truncate(path, min(sizes.get(path.name, path.stat().st_size), path.stat().st_size))
        with Kept(copy) as store:
            assert store("GET", "n") == b"%d" % number
            assert store("LLEN", "l") == number + 1


def test_torn_where_a_rewrite_began(tmp_path):
    """The increment of a rewrite is listed, and empty, while the last of the old one is written: its torn tail is cut off, too."""
    _small_log(tmp_path)
    directory = tmp_path / "appendonlydir"
    old = max(directory.glob("*.incr.aof"))
    manifest = directory / "appendonly.aof.manifest"
    manifest.write_text(manifest.read_text() + "file appendonly.aof.2.incr.aof seq 2 type i\n")
    (directory / "appendonly.aof.2.incr.aof").write_bytes(b"")
    old.write_bytes(old.read_bytes()[:-3])
    with Kept(tmp_path) as store:
        assert store("GET", "b") == b"3" and store("LLEN", "l") == 0
        store("SET", "later", 1)
    with Kept(tmp_path) as store:
        assert store("GET", "later") == b"1"
    old.write_bytes(old.read_bytes()[:-3])               # now something follows: that is no torn tail
    with pytest.raises(ValueError, match="append-only file"):
        Kept(tmp_path)


# ---- DEBUG LOADAOF

@pytest.mark.parametrize("as_commands", (False, True))
def test_debug_loadaof(tmp_path, as_commands):
    with Kept(tmp_path, aof_use_rdb_preamble="no" if as_commands else "yes") as store:
        for words in _random_commands(11, 400):
            store.tried(*words)
        store("SELECT", "0")
        store("SET", "deadline", "1", "PX", "100000")
        store("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
        before = store.digest()
        assert store("DEBUG", "LOADAOF") == b"OK"
        assert store.digest() == before
        assert 0 < store("PTTL", "deadline") <= 100000
        assert store("FCALL", "f", "0") == 1
        store("SET", "after", "1")           # the log goes on where it was
        before = store.digest()
        store("MULTI")
        store("DEBUG", "LOADAOF")
        assert store("EXEC") == [b"OK"]
        assert store.digest() == before
    with Kept(tmp_path) as store:
        assert store.digest() == before


@pytest.mark.parametrize("policy", ("always", "everysec"))
def test_debug_loadaof_amid_a_transaction(tmp_path, policy):
    """What the transaction did before is loaded again with the rest, and what it does afterwards follows."""
    with Kept(tmp_path, appendfsync=policy) as store:
        store("SET", "before", "1")
        store("MULTI")
        store("INCR", "before")
        store("RPUSH", "list", "a", "b")
        store("DEBUG", "LOADAOF")
        store("RPUSH", "list", "c")
        store("INCR", "before")
        assert store("EXEC") == [2, 2, b"OK", 3, 3]
        assert store("LRANGE", "list", "0", "-1") == [b"a", b"b", b"c"]
        before = store.digest()
        store("DEBUG", "LOADAOF")
        assert store.digest() == before
    with Kept(tmp_path) as store:
        assert store.digest() == before


def test_debug_loadaof_amid_writers(tmp_path):
    """Other threads write, and are refused or served meanwhile; what they were answered is there at the end."""
    import threading
    with Kept(tmp_path, appendfsync="always") as store:
        stop, answered = threading.Event(), [0, 0, 0]

        def write(number):
            session = store.engine.session(Failure)
            while not stop.is_set():
                try:
                    session.execute(("RPUSH", f"list:{number}", "x" * 50))
                    answered[number] += 1
                except Failure as error:
                    assert "LOADING" in str(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            assert store("DEBUG", "LOADAOF") == b"OK"
        stop.set()
        for thread in threads:
            thread.join()
        assert [store("LLEN", f"list:{number}") for number in range(3)] == answered
        assert store("DEBUG", "LOADAOF") == b"OK"
        assert [store("LLEN", f"list:{number}") for number in range(3)] == answered


def test_debug_loadaof_while_delays_are_watched(tmp_path):
    with Kept(tmp_path, latency_monitor_threshold=1) as store:
        for number in range(100):
            store("XADD", "s", "*", "n", number)
        assert store("DEBUG", "LOADAOF") == b"OK"
        assert store("XLEN", "s") == 100
        assert store("DEBUG", "LOADAOF") == b"OK"


def test_debug_loadaof_of_a_damaged_log(tmp_path):
    with Kept(tmp_path) as store:
        store("SET", "a", "1")
        store("DEBUG", "LOADAOF")
        with open(store.increment(), "ab") as file:
            file.write(b"*1\r\n$7\r\nNOTHING\r\n")
        assert "Error trying to load the AOF files" in str(store.tried("DEBUG", "LOADAOF"))
        store("SET", "b", "1")               # and it lives on


def test_debug_loadaof_without_a_log(tmp_path):
    """As in Redis: everything is forgotten."""
    with Kept(tmp_path, appendonly="no") as store:
        store("SET", "a", "1")
        store("DEBUG", "LOADAOF")
        assert store("DBSIZE") == 0



# ---- files that are removed, and what closing cannot write any more

@pytest.mark.parametrize("policy", ("everysec", "always"))
def test_files_that_are_removed_while_they_are_in_use(tmp_path, policy):
    """What is written to a file without a name is kept by nobody: writes are refused until a rewrite has begun a new one."""
    with Kept(tmp_path, appendfsync=policy) as store:
        store("SET", "before", 1)
        shutil.rmtree(tmp_path / "appendonlydir")
        refused = None
        for number in range(600):
            found = store.tried("SET", "after", number)
            if isinstance(found, Failure):
                refused = str(found)
                break
            time.sleep(0.01)
        assert refused is not None and "MISCONF" in refused
        refused = str(store.tried("SET", "after", "x"))            # under `always` the first one has happened, and may be lost
        assert "MISCONF" in refused and "removed" in refused
        kept = store("GET", "after")
        assert b"aof_last_write_status:err" in store("INFO", "persistence")
        store("BGREWRITEAOF")
        _wait_for_rewrite(store)
        for _ in range(300):
            if store.tried("SET", "again", 1) == b"OK":
                break
            time.sleep(0.02)
        assert store("GET", "again") == b"1"
    with Kept(tmp_path) as store:
        assert [store("GET", name) for name in ("before", "after", "again")] == [b"1", kept, b"1"]


def test_closing_tells_of_removed_files(tmp_path):
    store = Kept(tmp_path)
    store("SET", "a", 1)
    shutil.rmtree(tmp_path / "appendonlydir")
    store("SET", "b", 2)
    with pytest.warns(RuntimeWarning, match="end of the append-only file is lost: it was removed"):
        store.close()
    store.close()                            # says it once


CLOSED_ON_A_FULL_DISK = """
    import resource, signal, sys, warnings
    from hutch_engine.door.engine import Engine
    engine = Engine(seed=1)
    for name, value in zip(sys.argv[1::2], sys.argv[2::2]):
        engine.configure(name, value)
    engine.restore()
    session = engine.session(ValueError)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    assert session.execute(("SET", "long", "x" * 50000)) == b"OK"
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        engine.close()
    print([(one.category.__name__, str(one.message)) for one in found])
"""


def test_closing_tells_of_a_full_disk(tmp_path):
    """With everysec a write is answered before it stands in the file: closing is the last chance to say that it never will."""
    log = tmp_path / "log"
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(CLOSED_ON_A_FULL_DISK), "dir", str(tmp_path), "appendonly", "yes",
                            "logfile", str(log)], capture_output=True, text=True, env=HUTCH_ENVIRONMENT, timeout=120)
    assert found.returncode == 0, found.stderr
    assert "[('RuntimeWarning', 'the end of the append-only file is lost: File too large')]" in found.stdout
    assert "Closing, and the end of the append-only file is lost: File too large." in log.read_text()
    with Kept(tmp_path) as store:
        assert store("EXISTS", "long") == 0


def test_switching_the_log_off_on_a_full_disk_warns_of_nothing(tmp_path, recwarn):
    store = Kept(tmp_path)
    store("SET", "a", 1)
    shutil.rmtree(tmp_path / "appendonlydir")
    store("CONFIG", "SET", "appendonly", "no")
    for _ in range(500):
        if b"aof_enabled:0" in store("INFO", "persistence"):
            break
        time.sleep(0.01)
    assert store("SET", "b", 2) == b"OK"
    store.close()
    assert not [one for one in recwarn if one.category is RuntimeWarning]


def test_a_base_of_commands_begins_with_its_time(tmp_path):
    """So that a log can be cut off at a second before its base was made, as a whole."""
    with Kept(tmp_path, aof_use_rdb_preamble="no", aof_timestamp_enabled="yes") as store:
        store("SET", "a", 1)
        store("BGREWRITEAOF")
        _wait_for_rewrite(store)
        base, = (tmp_path / "appendonlydir").glob("*.base.aof")
        assert re.match(rb"#TS:\d{10}\r\n\*", base.read_bytes())
    with Kept(tmp_path) as store:
        assert store("GET", "a") == b"1"


def test_switching_the_log_off_ends_its_rewrite(tmp_path):
    """Even one that would pause for long; and it can be switched on again at once."""
    with Kept(tmp_path) as store:
        store("SET", "a", 1)
        store("SET", "b", 1)
        store("CONFIG", "SET", "rdb-key-save-delay", 1000000000)
        store("BGREWRITEAOF")
        for _ in range(500):
            if b"aof_rewrite_in_progress:1" in store("INFO", "persistence"):
                break
            time.sleep(0.01)
        store("CONFIG", "SET", "appendonly", "no")
        _wait_for_rewrite(store)
        store("CONFIG", "SET", "rdb-key-save-delay", 0)
        store("CONFIG", "SET", "appendonly", "yes")
        _wait_for_rewrite(store)
        store("SET", "c", 1)
    with Kept(tmp_path) as store:
        assert store("EXISTS", "a", "b", "c") == 3
