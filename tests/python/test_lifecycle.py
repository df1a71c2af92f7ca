"""Stores and clients: whose they are, how they end, what a fork leaves."""
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref

import pytest
import redis

import hutch
from hutch.url import parse_url


def test_a_client_has_a_store_of_its_own():
    a, b = hutch.Redis(), hutch.Redis()
    a.set("k", "a")
    assert b.get("k") is None


def test_a_name_is_shared():
    a, b = hutch.Redis("shared"), hutch.Redis("shared", decode_responses=True)
    a.set("k", "v")
    assert b.get("k") == "v" and a.store is b.store
    a.close()
    assert b.get("k") == "v"
    b.close()
    assert hutch.Redis("shared").get("k") is None       # the last one took it along


def test_a_name_ends_with_its_last_client_without_close():
    a = hutch.Redis("dropped")
    a.set("k", 1)
    store = weakref.ref(a.store)
    del a
    gc.collect()
    assert store() is None
    assert hutch.Redis("dropped").get("k") is None


def test_a_store_object():
    with hutch.Store() as store:
        with hutch.Redis(store=store) as a:
            a.set("k", 1)
        assert hutch.Redis(store=store).get("k") == b"1"        # a client does not end what it was lent
        assert a.get("k") == b"1"                               # and may go on, as redis-py's does
    with pytest.raises(redis.exceptions.ConnectionError, match="the store is closed"):
        a.get("k")


def test_store_parameters():
    store = hutch.Store(maxmemory="100mb", maxmemory_policy="allkeys-lru")
    assert hutch.Redis(store=store).config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
    with pytest.raises(ValueError):
        hutch.Store(no_such_parameter=1)


def test_databases():
    store = hutch.Store()
    zero, two = hutch.Redis(store=store), hutch.Redis(store=store, db=2)
    two.set("k", "two")
    assert zero.get("k") is None and two.get("k") == b"two"
    with pytest.raises(redis.exceptions.ResponseError, match="out of range"):
        hutch.Redis(db=16).ping()


def test_select_moves_the_client_as_in_redis_py():
    r = hutch.Redis()
    r.set("k", "zero")
    r.select(1)
    assert r.get("k") is None
    r.set("k", "one")
    assert r.get("k") == b"one"
    r.select(0)
    assert r.get("k") == b"zero"


def test_a_single_connection_client_does_not_move_the_others():
    r = hutch.Redis()
    r.set("k", "zero")
    with r.client() as c:
        c.select(1)
        c.set("k", "one")
        assert r.get("k") == b"zero" and c.get("k") == b"one"


def test_closed_client():
    r = hutch.Redis()
    r.set("a", 1)
    r.close()
    r.close()
    for attempt in (lambda: r.get("a"), lambda: r.set("a", 1), lambda: r.mget("a"),
                    lambda: r.pipeline().get("a").execute()):
        with pytest.raises(redis.exceptions.ConnectionError):
            attempt()


def test_arguments_that_mean_a_server():
    with pytest.raises(TypeError, match="redis.Redis"):
        hutch.Redis(host="localhost")
    with pytest.raises(TypeError, match="nonsense"):
        hutch.Redis(nonsense=1)
    assert hutch.Redis(socket_timeout=5, socket_keepalive=True).ping()


def test_url():
    assert parse_url("hutch://") == {}
    assert parse_url("hutch://name") == {"name": "name"}
    assert parse_url("hutch://Name/2") == {"name": "Name", "db": 2}
    assert parse_url("hutch:///3") == {"db": 3}
    assert parse_url("hutch://u:p%40@n?db=4&decode_responses=yes&protocol=3&client_name=me") == {
        "username": "u", "password": "p@", "name": "n", "db": 4, "decode_responses": True, "protocol": 3,
        "client_name": "me"}
    for url in ("redis://localhost", "hutch://n?db=x"):
        with pytest.raises(ValueError):
            parse_url(url)
    assert parse_url("hutch:///var/lib/store") == {"name": "/var/lib/store"}
    assert parse_url("hutch:///var/lib/store?db=2&appendfsync=always") == {"name": "/var/lib/store", "db": 2, "appendfsync": "always"}
    assert parse_url("hutch://./data/store") == {"name": "./data/store"}
    assert parse_url("hutch:///var/my%20store/2") == {"name": "/var/my store/2"}
    with pytest.raises(ValueError):
        parse_url("hutch://name/var/lib/store")


def test_from_url():
    a = hutch.from_url("hutch://by-url/1?decode_responses=true")
    b = hutch.Redis.from_url("hutch://by-url", db=1)
    a.set("k", "v")
    assert a.get("k") == "v" and b.get("k") == b"v"
    pool = hutch.EmbeddedConnectionPool.from_url("hutch://by-url/1")
    assert hutch.Redis(connection_pool=pool).get("k") == b"v"
    assert hutch.Redis.from_pool(pool).get("k") == b"v"


def test_client_name_and_info():
    r = hutch.Redis(client_name="worker", decode_responses=True)
    assert r.client_getname() == "worker"
    assert r.client_list()[0]["name"] == "worker"
    assert r.client_id() == r.client_id()


def test_killed_session_reconnects():
    store = hutch.Store()
    a, b = hutch.Redis(store=store), hutch.Redis(store=store)
    a.set("k", 1)
    number = a.client_id()
    assert b.client_kill_filter(_id=number) == 1
    assert a.get("k") == b"1"
    assert a.client_id() != number


def test_quit_reconnects():
    r = hutch.Redis()
    assert r.quit() is True
    assert r.ping()


def test_repr():
    r = hutch.Redis("shown", password="secret")
    assert repr(r).startswith("<hutch.client.Redis(<hutch.connection.EmbeddedConnectionPool(")
    if redis.VERSION >= (7, 4):                          # older ones show it
        assert "secret" not in repr(r)


def test_pickle_refuses_as_redis_py():
    with pytest.raises(TypeError):
        pickle.dumps(hutch.Redis())
    with pytest.raises(TypeError):
        copy.deepcopy(hutch.Redis())
    with pytest.raises(TypeError):
        pickle.dumps(hutch.Store().engine)


def test_nothing_is_left_behind():
    store = hutch.Store()
    anchor = hutch.Redis(store=store)
    anchor.ping()
    for _ in range(50):
        r = hutch.Redis(store=store)
        r.set("k", "v")
        r.pipeline().get("k").execute()
        del r
    gc.collect()
    assert len(anchor.client_list()) == 1


def test_pause_holds_writes_and_lets_signals_in():
    store = hutch.Store()
    r, other = hutch.Redis(store=store), hutch.Redis(store=store)
    r.set("k", 0)
    start = time.monotonic()
    other.client_pause(300, all=False)
    r.set("k", 1)
    assert time.monotonic() - start >= 0.299
    other.client_pause(60000, all=False)
    assert r.get("k") == b"1"
    done = threading.Thread(target=lambda: r.set("k", 2))
    done.start()
    done.join(0.1)
    assert done.is_alive()
    other.client_unpause()
    done.join(60)
    assert not done.is_alive() and r.get("k") == b"2"


def test_ctrl_c_ends_a_pause():
    program = """
import hutch, os, signal, threading, sys
r = hutch.Redis()
r.client_pause(60000, all=True)
try:
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    r.set("k", 1)
except KeyboardInterrupt:
    print("interrupted")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=_environment())
    assert result.stdout.strip() == "interrupted", result.stderr


def test_the_end_of_the_interpreter():
    program = """
import hutch, threading
kept = hutch.Redis("kept")
kept.set("k", "v", ex=100)
pipe = kept.pipeline(); pipe.watch("k")
def forever():
    while True:
        kept.get("k"); kept.mget("k", "l")
for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
print("done")
"""
    for _ in range(3):
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                                env=_environment())
        assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "done", "")


def _environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork():
    r = hutch.Redis("forked")
    r.set("k", "parent")
    pipe = r.pipeline()
    pipe.watch("k")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        said = []
        for attempt in (lambda: r.get("k"), lambda: r.set("k", 1), lambda: r.mget("k"),
                        lambda: r.pipeline().get("k").execute()):
            try:
                attempt()
                said.append("nothing")
            except hutch.ForkedError:
                said.append("forked")
            except BaseException as error:       # noqa: B902 - told to the parent
                said.append(repr(error))
        fresh = hutch.Redis("forked")
        fresh.set("k", "child")
        said.append(fresh.get("k").decode())
        del pipe, r, fresh
        gc.collect()
        os.write(write, " ".join(said).encode())
        os._exit(0)
    os.close(write)
    said = b""
    while part := os.read(read, 1000):
        said += part
    os.close(read)
    assert os.waitpid(child, 0)[1] == 0
    assert said.decode() == "forked forked forked forked child"
    assert r.get("k") == b"parent"
