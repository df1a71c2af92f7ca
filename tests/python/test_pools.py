"""Pools to a store: redis-py's own classes and ours, what libraries read from them, and how long a store lives."""
import asyncio
import copy
import gc
import threading

import pytest
import redis
import redis.asyncio

import hutch
import hutch.asyncio

POOLS = {
    "ours": lambda store, **options: hutch.ConnectionPool(store=store, **options),
    "ours, blocking": lambda store, **options: hutch.BlockingConnectionPool(store=store, **options),
    "redis-py's": lambda store, **options: redis.ConnectionPool(connection_class=hutch.EmbeddedConnection, store=store, **options),
    "redis-py's, blocking": lambda store, **options: redis.BlockingConnectionPool(
        connection_class=hutch.EmbeddedConnection, store=store, **options),
}
PROTOCOLS = [{}, {"protocol": None}, {"protocol": 2}, {"protocol": 3}]


@pytest.mark.parametrize("options", PROTOCOLS, ids=str)
@pytest.mark.parametrize("of", [redis.Redis, hutch.Redis])
@pytest.mark.parametrize("kind", POOLS)
def test_a_pool_serves_a_client(kind, of, options):
    store = hutch.Store()
    pool = POOLS[kind](store, decode_responses=True, **options)
    r = of(connection_pool=pool)
    assert r.set("a", "1") and r.get("a") == "1" and r.get("a") == "1"
    assert r.pipeline().incr("a").hset("h", "f", 1).hgetall("h").execute() == [2, 1, {"f": "1"}]
    with r.pubsub() as pubsub:
        pubsub.subscribe("c")
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        r.publish("c", "m")
        assert pubsub.get_message(timeout=5)["data"] == "m"
    with r.lock("l", timeout=5):
        pass
    assert r.blpop("nothing", timeout=0.01) is None
    hutch.Redis(store=store).client_kill_filter(_type="normal")
    assert r.get("a") == "2"
    pool.disconnect()
    assert r.get("a") == "2"


ASYNC_POOLS = {
    "ours": lambda store, **options: hutch.asyncio.ConnectionPool(store=store, **options),
    "ours, blocking": lambda store, **options: hutch.asyncio.BlockingConnectionPool(store=store, **options),
    "redis-py's": lambda store, **options: redis.asyncio.ConnectionPool(
        connection_class=hutch.asyncio.EmbeddedConnection, store=store, **options),
    "redis-py's, blocking": lambda store, **options: redis.asyncio.BlockingConnectionPool(
        connection_class=hutch.asyncio.EmbeddedConnection, store=store, **options),
}


@pytest.mark.parametrize("options", PROTOCOLS, ids=str)
@pytest.mark.parametrize("of", [redis.asyncio.Redis, hutch.asyncio.Redis])
@pytest.mark.parametrize("kind", ASYNC_POOLS)
def test_an_asyncio_pool_serves_a_client(kind, of, options):
    async def main():
        store = hutch.Store()
        r = of(connection_pool=ASYNC_POOLS[kind](store, decode_responses=True, **options))
        assert await r.set("a", "1") and await r.get("a") == "1" and await r.get("a") == "1"
        assert await r.pipeline().incr("a").hset("h", "f", 1).hgetall("h").execute() == [2, 1, {"f": "1"}]
        async with r.pubsub() as pubsub:
            await pubsub.subscribe("c")
            assert (await pubsub.get_message(timeout=5))["type"] == "subscribe"
            await r.publish("c", "m")
            assert (await pubsub.get_message(timeout=5))["data"] == "m"
        assert await r.blpop("nothing", timeout=0.01) is None
        await r.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("client", [
    lambda: hutch.Redis(db=2), lambda: hutch.Redis(connection_pool=hutch.BlockingConnectionPool(db=2)),
    lambda: hutch.asyncio.Redis(db=2), lambda: hutch.Redis.from_url("hutch:///2")])
def test_what_libraries_read_from_a_pool(client):
    """pottery and the tracers read host, port and db there."""
    r = client()
    for kwargs in (r.connection_pool.connection_kwargs, r.get_connection_kwargs()):
        assert (kwargs["host"], kwargs["port"], kwargs["db"]) == ("embedded", 0, 2)
    connection = r.connection_pool.make_connection()
    assert (connection.host, connection.port, connection.db) == ("embedded", 0, 2)


def test_a_blocking_pool_waits_for_a_connection():
    pool = hutch.BlockingConnectionPool(max_connections=1, timeout=10)
    r = hutch.Redis(connection_pool=pool)
    connection = pool.get_connection()
    threading.Timer(0.05, pool.release, (connection,)).start()
    assert r.set("a", 1)
    pool.timeout = 0.01
    connection = pool.get_connection()
    with pytest.raises(redis.ConnectionError):
        r.get("a")
    pool.release(connection)
    assert r.get("a") == b"1"


@pytest.mark.parametrize("make", [hutch.ConnectionPool, hutch.BlockingConnectionPool, hutch.asyncio.ConnectionPool,
                                  hutch.asyncio.BlockingConnectionPool])
def test_a_pool_of_a_name_and_of_a_url(make):
    keeper = hutch.Redis("pool of a name")
    assert make("pool of a name").store is keeper.store
    assert make.from_url("hutch://pool of a name/3").connection_kwargs["db"] == 3
    with pytest.raises(TypeError):
        make("pool of a name", store=keeper.store)


# ---- any db that redis-py takes

@pytest.mark.parametrize("db", ["2", b"2", 2, None, 0, "0", "", 15])
def test_the_database_in_any_spelling(db, oracle):
    there = redis.Redis(host=oracle.host, port=oracle.port, db=db)
    here = hutch.Redis(db=db)
    for r in (there, here):
        r.flushall()
        r.set("a", 1)
        assert r.get("a") == b"1" and r.get("a") == b"1"
    assert set(here.info("keyspace")) == set(there.info("keyspace"))
    assert here._hot

    async def main():
        r = hutch.asyncio.Redis(db=db, store=here.store)
        assert await r.get("a") == b"1" and await r.get("a") == b"1" and r._hot
        await r.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("db", ["two", 99, -1, 1.5, True, 2 ** 40])
def test_no_database(db, oracle):
    def outcome(r):
        try:
            return r.get("a")
        except Exception as error:
            return type(error), str(error)

    here = hutch.Redis(db=db)
    assert outcome(here) == outcome(redis.Redis(host=oracle.host, port=oracle.port, db=db))
    assert len(here.connection_pool._in_use_connections) == 0


# ---- copies

def test_copy():
    r = hutch.Redis(decode_responses=True)
    r.set("a", 1)
    other = copy.copy(r)
    assert type(other) is hutch.Redis and other.connection_pool is r.connection_pool
    assert other.get("a") == "1" and other.get("a") == "1" and other._hot
    other.set_response_callback("GET", lambda reply: "shaped")           # one table for both, as in redis-py
    assert other.get("a") == "shaped" == r.get("a")
    del other
    gc.collect()
    assert r.get("a") == "shaped"


def test_a_copy_keeps_the_store():
    other = copy.copy(hutch.Redis())
    gc.collect()
    assert other.set("a", 1) and other.get("a") == b"1"


def test_copy_of_a_subclass_and_in_asyncio():
    class Mine(hutch.Redis):
        pass

    r = Mine()
    r.extra = [1]
    other = copy.copy(r)
    assert type(other) is Mine and other.extra is r.extra and other.ping()

    async def main():
        r = hutch.asyncio.Redis()
        await r.set("a", 1)
        other = copy.copy(r)
        assert await other.get("a") == b"1" and await other.get("a") == b"1"
        await r.aclose()
    asyncio.run(main())


# ---- names, as redis has them

def test_names():
    for name in ("StrictRedis", "ConnectionPool", "BlockingConnectionPool", "Connection", "RedisError", "ConnectionError", "TimeoutError",
                 "ResponseError", "WatchError", "DataError", "AuthenticationError", "BusyLoadingError", "PubSubError", "ReadOnlyError",
                 "InvalidResponse", "ChildDeadlockedError", "from_url", "Redis"):
        for mine, theirs in ((hutch, redis), (hutch.asyncio, redis.asyncio)):
            assert hasattr(mine, name) and name in mine.__all__, name
            found = getattr(theirs, name)
            if isinstance(found, type):
                assert issubclass(getattr(mine, name), found) or name in ("Connection",)
    assert hutch.StrictRedis is hutch.Redis and hutch.asyncio.StrictRedis is hutch.asyncio.Redis


def test_the_options_of_redis_py_are_taken():
    import inspect
    for mine, theirs in ((hutch.Redis, redis.Redis), (hutch.asyncio.Redis, redis.asyncio.Redis)):
        for name, parameter in inspect.signature(theirs).parameters.items():
            value = parameter.default
            if name in ("host", "port", "unix_socket_path") or name.startswith("ssl") or value is parameter.empty:
                continue
            mine(**{name: value})


def test_whose_pool_it_is():
    async def main():
        r = hutch.asyncio.Redis("kept open", auto_close_connection_pool=False)
        await r.set("a", 1)
        await r.aclose()
        assert not r.store.closed and await r.get("a") == b"1"
        await r.aclose(close_connection_pool=True)
        assert r.store.closed
    asyncio.run(main())


# ---- how long a store lives

def test_after_with_where_the_store_is_there():
    keeper = hutch.Redis("shared after with")
    with hutch.Redis("shared after with") as r:
        r.set("a", 1)
    assert r.get("a") == b"1" and r.get("a") == b"1" and r._hot
    keeper.close()                                           # it was used again: now it is the last
    assert r.get("a") == b"1"
    r.close()
    assert r.store.closed
    with hutch.Redis(store=hutch.Store()) as r:
        r.set("a", 1)
    assert r.get("a") == b"1"


@pytest.mark.parametrize("name", [None, "alone after with"])
def test_after_with_where_it_is_not(name):
    with hutch.Redis(name) as r:
        r.set("a", 1)
    for call in (lambda: r.get("a"), lambda: r.ping(), lambda: r.pipeline().get("a").execute(), lambda: r.pubsub().subscribe("c")):
        with pytest.raises(hutch.StoreClosedError, match="keep=True"):
            call()


@pytest.mark.parametrize("name", [None, "kept after with"])
def test_after_with_where_it_is_kept(name):
    with hutch.Redis(name, keep=True) as r:
        r.set("a", 1)
    assert r.get("a") == b"1" and r.get("a") == b"1"
    if name:
        del r
        gc.collect()
        with hutch.Redis(name) as r:
            assert r.get("a") == b"1"
        assert r.get("a") == b"1"
        r.store.close()
        assert hutch.Redis(name).get("a") is None


def test_kept_by_a_url_and_by_one_of_several():
    first = hutch.Redis("kept later")
    hutch.Redis.from_url("hutch://kept later?keep=yes").set("a", 1)
    first.close()
    gc.collect()
    r = hutch.Redis("kept later")
    assert r.get("a") == b"1"
    r.store.close()


def test_in_asyncio():
    async def main():
        async with hutch.asyncio.Redis("kept in asyncio", keep=True) as r:
            await r.set("a", 1)
        assert await r.get("a") == b"1" and await r.get("a") == b"1"
        await r.aclose()
        assert hutch.Redis("kept in asyncio").get("a") == b"1"
        r.store.close()
        async with hutch.asyncio.Redis() as r:
            await r.set("a", 1)
        for call in (lambda: r.get("a"), lambda: r.ping(), lambda: r.pipeline().get("a").execute()):
            with pytest.raises(hutch.StoreClosedError, match="keep=True"):
                await call()
    asyncio.run(main())


def test_keep_needs_a_store_of_its_own():
    with pytest.raises(TypeError):
        hutch.Redis(connection_pool=hutch.ConnectionPool(), keep=True)
