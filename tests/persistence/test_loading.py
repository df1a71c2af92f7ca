"""While a file is loaded: who hears LOADING, by every way in, and what goes on nevertheless."""
import asyncio
import threading
import time

import pytest
import redis
from kit.rdb_files import finished, key, selected
from kit.rdb_forms import length, string

import hutch
import hutch.asyncio

LOADING = "Redis is loading the dataset in memory"


@pytest.fixture
def store(tmp_path):
    store = hutch.Store()
    store.engine.configure("dir", str(tmp_path))
    yield store
    store.close()


def client_of(store):
    return hutch.Redis(store=store, retry=None, retry_on_error=[])


def test_all_ways_in_hear_it(store):
    client = client_of(store)
    client.set("a", "1")
    script = client.register_script("return 1")
    store.engine.announce_loading()
    for call in (lambda: client.get("a"), lambda: client.set("a", "2"), lambda: client.execute_command("GET", "a"), lambda: client.ping(),
                 lambda: client.pipeline(transaction=False).get("a").execute(), lambda: client.pipeline().set("a", "3").execute(),
                 lambda: client.eval("return redis.call('get', 'a')", 0), lambda: script(), lambda: client.hset("h", "f", "v"),
                 lambda: client.blpop("l", 0.1), lambda: client.dbsize()):
        with pytest.raises(redis.exceptions.BusyLoadingError, match=LOADING):
            call()

    async def asked():
        async with hutch.asyncio.Redis(store=store, retry=None, retry_on_error=[]) as one:
            await one.get("a")
    with pytest.raises(redis.exceptions.BusyLoadingError):
        asyncio.run(asked())
    assert client.info("persistence")["loading"] == 1 and client.config_get("dbfilename") == {"dbfilename": "dump.rdb"}
    for words in (("dir", "/nowhere"), ("maxmemory", "1x", "dir", "/nowhere")):
        with pytest.raises(redis.exceptions.BusyLoadingError, match=LOADING):
            client.execute_command("CONFIG", "SET", *words)
    assert store.engine.load() is None               # there is no file: served again
    assert client.get("a") == b"1"
    assert client.info("persistence")["loading"] == 0


def large_file(keys=60_000):
    return finished(selected(0) + b"".join(key(0, b"key:%d" % number, string(b"v" * 40)) for number in range(keys)), 11)


def test_others_are_answered_in_between(store, tmp_path):
    """Clients ask all the while: each answer is LOADING or that of the whole data set, never of a part of it."""
    client = client_of(store)
    client.set("old", "1")
    (tmp_path / "dump.rdb").write_bytes(large_file())
    seen, told = set(), []
    ended = threading.Event()

    def ask():
        one = client_of(store)
        while not ended.is_set():
            try:
                seen.add(one.dbsize())
            except redis.exceptions.BusyLoadingError:
                seen.add("loading")
            time.sleep(0)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        figures = store.engine.load(progress=lambda done, total: told.append((done, total)))
    finally:
        ended.set()
        thread.join()
    assert figures["keys"] == 60_000 == client.dbsize()
    assert seen <= {1, "loading", 60_000}
    assert told == sorted(told) and told[-1][0] == told[-1][1] == figures["bytes"]


def test_progress_may_end_it(store, tmp_path):
    client = client_of(store)
    client.set("old", "1")
    (tmp_path / "dump.rdb").write_bytes(large_file())

    class Enough(Exception):
        pass

    def enough(done, total):
        raise Enough
    with pytest.raises(Enough):
        store.engine.load(progress=enough)
    # Either it was over before the first look, or nothing of it is there.
    assert client.dbsize() in (1, 60_000)
    assert store.engine.load()["keys"] == 60_000


def test_an_engine_that_is_closed_meanwhile(store, tmp_path):
    (tmp_path / "dump.rdb").write_bytes(large_file(200_000))
    begun = threading.Event()
    outcome = []

    def load():
        try:
            outcome.append(store.engine.load(progress=lambda *_: begun.set()))
        except Exception as error:
            outcome.append(error)
        begun.set()
    thread = threading.Thread(target=load)
    thread.start()
    begun.wait(60)
    store.close()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(outcome[0], (dict, ConnectionError, redis.exceptions.ConnectionError)), outcome


def test_waiters_are_served_what_was_loaded(store, tmp_path):
    (tmp_path / "dump.rdb").write_bytes(finished(selected(0) + key(1, b"l", length(1) + string(b"x")), 11))
    client = client_of(store)
    got = []
    thread = threading.Thread(target=lambda: got.append(client_of(store).blpop("l", 60)))
    thread.start()
    while client.info("clients")["blocked_clients"] == 0:
        time.sleep(0.001)
    store.engine.load()
    thread.join(60)
    assert got == [(b"l", b"x")]
