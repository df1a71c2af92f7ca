"""A store in a directory: what it is, and how a second process uses it."""
import asyncio
import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hutch
import hutch.asyncio
from hutch import directory
from kit.launch import HUTCH_ENVIRONMENT
from kit.sharing import owner_of
from kit.waiting import wait_until


# ---- the directory

def test_what_is_there(place):
    with hutch.Redis(place) as r:
        r.set("a", 1)
        assert r.store.is_owned and not r.store.closed
        assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
        for name in ("hutch.sock", "hutch.lock"):
            assert stat.S_IMODE(os.stat(os.path.join(place, name)).st_mode) == 0o600
        assert owner_of(place) == os.getpid()
        assert r.config_get("appendfsync") == {"appendfsync": "everysec"} or r.config_get("appendfsync")[b"appendfsync"] == b"everysec"
    assert not os.path.exists(os.path.join(place, "hutch.sock"))
    assert {"hutch.lock", "appendonlydir"} <= set(os.listdir(place))
    with hutch.Redis(Path(place)) as r:
        assert r.get("a") == b"1"


def test_closed_and_used_again(place):
    r = hutch.Redis(place)
    r.set("a", 1)
    other = hutch.Redis(place)
    assert other.store is r.store
    r.close()
    assert other.get("a") == b"1" and r.get("a") == b"1"
    r.close()
    other.close()
    assert r.store.closed
    assert r.get("a") == b"1" and r.incr("a") == 2       # a closed client of redis-py's connects again
    r.close()


def test_a_directory_that_was_removed(place):
    first = hutch.Redis(place)
    first.set("a", 1)
    first.close()
    shutil.rmtree(place)
    with hutch.Redis(place) as r:
        assert r.get("a") is None and r.set("a", 2) and r.store is first.store
    with hutch.Redis(place) as r:
        assert r.get("a") == b"2"


def test_what_a_store_in_files_has_at_the_interpreters_end(place):
    """Also one that is not shared, and is not closed."""
    os.mkdir(place)
    program = ("import hutch\nstore = hutch.Store(dir=%r, appendonly=True)\nr = hutch.Redis(store=store)\n"
               "for i in range(5000): r.rpush('numbers', i)" % place)
    subprocess.run([sys.executable, "-c", program], env=HUTCH_ENVIRONMENT, check=True)
    with hutch.Redis(place) as r:
        assert r.llen("numbers") == 5000


def test_a_store_of_ones_own(place):
    with hutch.SharedStore(place, maxmemory="100mb") as store:
        r = hutch.Redis(store=store)
        assert r.set("a", 1) and r.config_get("maxmemory")["maxmemory"] == str(100 << 20)
        r.close()
        assert not store.closed
        assert hutch.Redis(store=store).get("a") == b"1"
    with pytest.raises(hutch.StoreClosedError):
        r.get("a")


def test_a_collected_client_ends_it(place):
    r = hutch.Redis(place)
    r.set("a", 1)
    del r
    import gc
    gc.collect()
    with hutch.Redis(place) as r:
        assert r.get("a") == b"1" and r.store.is_owned


def test_a_long_path(tmp_path, run):
    place = str(tmp_path / ("long" * 30) / ("longer" * 20) / "store")
    with hutch.Redis(place) as r:
        r.set("greeting", "hello")
        assert r.store.is_owned
        other = run("client", place)
        other.wait_for("ready")
        assert "hutch.sock" in os.listdir(place)
        os.stat(os.path.join(place, "hutch.sock"))
    assert "hutch.sock" not in os.listdir(place) or wait_until(lambda: owner_of(place) == other.pid)


def test_places_that_cannot_be(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="not a directory"):
        hutch.Redis(str(file))
    monkeypatch.setattr(directory, "file_system_of", lambda path: "nfs4")
    with pytest.raises(ValueError, match="network file system"):
        hutch.Redis(str(tmp_path / "far"))
    monkeypatch.undo()
    monkeypatch.setattr(directory.fcntl, "flock", lambda *arguments: None)
    with pytest.raises(ValueError, match="locks do not lock"):
        hutch.Redis(str(tmp_path / "unlocked"))

    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(directory.fcntl, "flock", refuse)
    with pytest.raises(ValueError, match="does not take locks"):
        hutch.Redis(str(tmp_path / "unlocked"))
    assert not [name for name in os.listdir(tmp_path / "unlocked") if "probe" in name]


@pytest.mark.parametrize("number, words", ((errno.EACCES, "may not write"), (errno.EROFS, "read-only file system")))
def test_places_that_are_not_ours(tmp_path, monkeypatch, number, words):
    """The message says what is wrong, and not with a file that the caller has never heard of."""
    import tempfile

    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number), "/probe")

    place = str(tmp_path / "store")
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(OSError, match=words) as caught:
        hutch.Redis(place)
    assert caught.value.errno == number and place in str(caught.value) and "probe" not in str(caught.value)
    if number == errno.EACCES:
        uid = os.geteuid()
        monkeypatch.setattr(directory.os, "geteuid", lambda: uid + 1)
        with pytest.raises(PermissionError, match="another user"):
            hutch.Redis(place)


def test_names_that_are_no_text(tmp_path, monkeypatch):
    place = os.fsencode(tmp_path) + b"/\xff\xfe 'x\""
    with hutch.Redis(os.fsdecode(place)) as r:
        r.set("a", 1)
        assert r.store.is_owned
    with hutch.Redis(os.fsdecode(place)) as r:
        assert r.get("a") == b"1"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with hutch.Redis(".") as r:
        assert r.store.is_owned and os.listdir(".")


def test_file_systems(tmp_path):
    mounts = tmp_path / "mounts"
    device = os.stat(tmp_path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts.write_text(f"1 0 {number} / / rw - ext4 /dev/a rw\n"
                      f"2 1 0:99 / /somewhere/else rw - nfs4 host:/x rw\n"
                      f"3 1 0:98 / /with\\040space rw shared:1 - cifs //host/y rw\n")
    assert directory.file_system_of(str(tmp_path), str(mounts)) == "ext4"
    assert directory.file_system_of(str(tmp_path), str(tmp_path / "none")) == ""
    if sys.platform.startswith("linux"):
        assert directory.file_system_of("/proc/self") == "proc"


def test_files_that_cannot_be_loaded(place):
    with hutch.Redis(place) as r:
        r.set("a", 1)
    base = next(Path(place, "appendonlydir").glob("*.manifest"))
    saved = base.read_bytes()
    base.write_bytes(b"nonsense\n")
    with pytest.raises(ValueError):
        hutch.Redis(place)
    base.write_bytes(saved)
    with hutch.Redis(place) as r:        # the lock was let go of
        assert r.get("a") == b"1"


# ---- promises and parameters

def test_parameters_are_kept(place):
    with hutch.Redis(place, appendfsync="always", parameters={"maxmemory": "50mb", "hash-max-listpack-entries": 7}) as r:
        r.set("a", 1)
    with hutch.Redis(place, decode_responses=True) as r:
        assert r.config_get("maxmemory")["maxmemory"] == str(50 << 20)
        assert r.config_get("appendfsync")["appendfsync"] == "always"
        assert r.config_get("hash-max-listpack-entries")["hash-max-listpack-entries"] == "7"
    with hutch.Redis(place, appendfsync="no", decode_responses=True) as r:       # somebody else was promised more
        assert r.config_get("appendfsync")["appendfsync"] == "always"
    with hutch.Redis(place, decode_responses=True) as r:
        r.config_set("appendfsync", "everysec")
        r.config_rewrite()
    with hutch.Redis(place, decode_responses=True) as r:
        assert r.config_get("appendfsync")["appendfsync"] == "everysec"
        assert r.config_get("maxmemory")["maxmemory"] == str(50 << 20)


def test_parameters_of_a_client(place, owner):
    with hutch.Redis(place, parameters={"maxmemory": "77mb"}, appendfsync="always", decode_responses=True) as r:
        assert r.config_get("maxmemory")["maxmemory"] == str(77 << 20) and not r.store.is_owned
        assert r.config_get("appendfsync")["appendfsync"] == "always"
        owner.kill()
        assert r.config_get("maxmemory")["maxmemory"] == str(77 << 20) and r.store.is_owned
        assert r.config_get("appendfsync")["appendfsync"] == "always"


def test_parameters_that_cannot_be(place):
    for wrong in ({"dir": "/tmp"}, {"appendonly": "no"}, {"port": 7}, {"nonsense": 1}, {"maxmemory": "much"}):
        with pytest.raises(ValueError):
            hutch.Redis(place, parameters=wrong)
    with pytest.raises(ValueError):
        hutch.Redis(place, appendfsync="sometimes")
    with pytest.raises(TypeError):
        hutch.Redis("name", appendfsync="always")
    with hutch.Redis(place) as r:
        assert r.store.is_owned


# ---- a second process

@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [False, True])
def test_a_client(place, owner, protocol, decode):
    def text(value):
        return value if decode else value.encode()

    with hutch.Redis(place, decode_responses=decode, protocol=protocol) as r:
        assert r.get("greeting") == text("hello") and not r.store.is_owned and r.store.owner == owner.pid
        assert r.get("none") is None and r.set("n", 1) is True and r.incr("n") == 2
        assert r.set("big", "x" * 300_000) and len(r.get("big")) == 300_000
        assert r.set("empty", "") and r.get("empty") == text("")
        assert r.set("lines", "a\r\nb\r\n") and r.get("lines") == text("a\r\nb\r\n")
        assert r.hset("h", mapping={"a": 1, "b": 2}) == 2 and r.hgetall("h") == {text("a"): text("1"), text("b"): text("2")}
        assert r.zadd("z", {"a": 1.5}) == 1 and r.zscore("z", "a") == 1.5
        assert "h" in r and r.ttl("h") == -1 and sorted(r.scan_iter("h*")) == [text("h")]
        with pytest.raises(hutch.ResponseError, match="WRONGTYPE"):
            r.incr("h")
        with pytest.raises(hutch.DataError):
            r.set("a", object())
        assert r.get("greeting") == text("hello")
        with r.pipeline() as pipe:
            assert pipe.set("p", 1).incr("p").get("p").execute() == [True, 2, text("2")]
        with r.pipeline(transaction=False) as pipe:
            with pytest.raises(hutch.ResponseError):
                pipe.set("p", "x").incr("p").execute()

        def add(pipe):
            value = int(pipe.get("n"))
            pipe.multi()
            pipe.set("n", value + 1)

        assert r.transaction(add, "n") == [True]
        with r.pipeline() as pipe:
            pipe.watch("n")
            r.set("n", 9)
            pipe.multi()
            pipe.incr("n")
            with pytest.raises(hutch.WatchError):
                pipe.execute()
        assert r.eval("return {KEYS[1], ARGV[1]}", 1, "k", "v") == [text("k"), text("v")]
        assert r.register_script("return 7")() == 7
        with r.lock("lock", timeout=60) as lock:
            assert lock.owned()
        assert r.blpop("empty-list", timeout=0.05) is None
        with r.client() as alone:
            assert alone.get("greeting") == text("hello")
        assert r.info("server")["redis_version"] and r.dbsize() > 5
        other = hutch.Redis(place, db=3, decode_responses=decode)
        other.set("greeting", "there")
        assert other.get("greeting") == text("there") and r.get("greeting") == text("hello")


def test_messages_between_processes(place, owner):
    with hutch.Redis(place, decode_responses=True) as r, hutch.Redis(place, decode_responses=True) as other:
        with r.pubsub(ignore_subscribe_messages=True) as subscriber:
            subscriber.subscribe("news")
            subscriber.psubscribe("n?ws")
            wait_until(lambda: r.pubsub_numsub("news") == [("news", 1)] or subscriber.get_message())
            assert other.publish("news", "one") == 2
            heard = [wait_until(subscriber.get_message)["type"] for _ in range(2)]
            assert heard == ["message", "pmessage"]


def test_many_threads(place, owner):
    with hutch.Redis(place) as r:
        def work():
            for _ in range(200):
                r.incr("count")
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert r.get("count") == b"1600"


def test_blocking_pool(place, owner):
    pool = hutch.BlockingConnectionPool(place, max_connections=2, timeout=60)
    r = hutch.Redis(connection_pool=pool)
    assert r.get("greeting") == b"hello"
    pool.close()


def test_client_side_cache(place, owner):
    from redis.cache import CacheConfig
    with hutch.Redis(place, protocol=3, cache_config=CacheConfig()) as r, hutch.Redis(place) as other:
        assert r.get("greeting") == b"hello" and r.get("greeting") == b"hello"
        other.set("greeting", "changed")
        wait_until(lambda: r.get("greeting") == b"changed")


def test_url(place, owner):
    with hutch.from_url(f"hutch://{place}?db=0&decode_responses=yes&appendfsync=always") as r:
        assert r.get("greeting") == "hello" and r.config_get("appendfsync")["appendfsync"] == "always"


def test_asyncio(place, owner):
    async def main():
        async with hutch.asyncio.Redis(place, decode_responses=True) as r:
            assert await r.get("greeting") == "hello" and not r.store.is_owned
            assert await r.incr("n") == 1 and await r.hset("h", mapping={"a": "1"}) == 1
            async with r.pipeline() as pipe:
                assert await pipe.set("p", 1).incr("p").execute() == [True, 2]
            with pytest.raises(hutch.ResponseError):
                await r.incr("h")
            assert await r.eval("return KEYS[1]", 1, "k") == "k"
            async with r.lock("lock"):
                pass
            waiting = [asyncio.create_task(r.blpop(f"queue-{i}")) for i in range(20)]
            await asyncio.sleep(0)
            for i in range(20):
                await r.rpush(f"queue-{i}", i)
            assert await asyncio.gather(*waiting) == [(f"queue-{i}", str(i)) for i in range(20)]
            subscriber = r.pubsub(ignore_subscribe_messages=True)
            await subscriber.subscribe("news")
            while not await r.publish("news", "hi"):
                await asyncio.sleep(0.01)
            while not (message := await subscriber.get_message(timeout=1)):
                pass
            assert message["data"] == "hi"
            await subscriber.aclose()
            assert sorted(await asyncio.gather(*(r.incr("count") for _ in range(50)))) == list(range(1, 51))
        pool = hutch.asyncio.BlockingConnectionPool(place, max_connections=2, timeout=60)
        r = hutch.asyncio.Redis(connection_pool=pool)
        assert await asyncio.gather(*(r.get("greeting") for _ in range(10))) == [b"hello"] * 10
        await r.aclose()
        await pool.aclose()

    asyncio.run(main())
    asyncio.run(main2(place))


async def main2(place):
    async with hutch.asyncio.Redis(place) as r:
        assert await r.get("greeting") == b"hello"


def test_asyncio_in_several_loops(place, owner):
    r = hutch.asyncio.Redis(place)
    for _ in range(3):
        assert asyncio.run(_get(r)) == b"hello"
    asyncio.run(r.aclose())


async def _get(r):
    return await r.get("greeting")


def test_asyncio_owner(place, run):
    async def main():
        async with hutch.asyncio.Redis(place, appendfsync="always") as r:
            await r.set("greeting", "hello")
            assert r.store.is_owned and await r.get("greeting") == b"hello"
            assert await r.hset("h", "a", 1) == 1
            other = run("client", place)
            while "ready" not in other.text():
                await asyncio.sleep(0.01)
            other.kill()
    asyncio.run(main())
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello"


def test_the_owner_may_use_the_socket_too(place):
    from hutch.remote import RemoteConnection
    with hutch.Redis(place) as r:
        r.set("greeting", "hello")
        through = hutch.Redis(connection_pool=hutch.ConnectionPool(place, connection_class=RemoteConnection))
        assert through.get("greeting") == b"hello"
        through.connection_pool.close()


def test_a_redis_client_may_use_it(place, owner):
    import redis
    with redis.Redis(unix_socket_path=os.path.join(place, "hutch.sock")) as r:
        assert r.get("greeting") == b"hello"


# ---- not by mistake

def test_a_store_that_is_not_shared(place, owner):
    with pytest.raises(hutch.StoreLockedError, match=str(owner.pid)):
        hutch.Store(dir=place, appendonly=True)
    with pytest.raises(hutch.StoreLockedError, match=str(owner.pid)):
        hutch.Server(port=0, dir=place, appendonly=True)
    owner.kill()
    with hutch.Store(dir=place, appendonly=True) as store:
        assert hutch.Redis(store=store).get("greeting") == b"hello"
        with pytest.raises(hutch.StoreLockedError, match="not shared"):
            hutch.Redis(place).get("greeting")
        program = subprocess.run([sys.executable, "-c", f"import hutch; hutch.Redis({place!r}).get('a')"], env=HUTCH_ENVIRONMENT,
                                 capture_output=True, text=True)
        assert "StoreLockedError" in program.stderr
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello"
