"""Whoever replaces a method between a call and the wire is obeyed, by clients that exist already too: on an instance, on a
class of ours, on redis-py's. Tests simulate outages so, and tracers watch commands."""
import asyncio
import functools
import subprocess
import sys
from unittest import mock

import pytest
import redis
import redis.asyncio

import hutch
import hutch.asyncio

OUTAGE = redis.ConnectionError("outage")


@pytest.fixture
def r():
    r = hutch.Redis()
    r.set("a", "before")
    r.rpush("list", "x")
    assert r._hot
    return r


COMPILED = [
    lambda r: r.get("a"), lambda r: r.set("a", "after"), lambda r: r.set("a", "after", ex=10), lambda r: r.incr("n"),
    lambda r: r.delete("a"), lambda r: r.exists("a"), lambda r: r.ttl("a"), lambda r: r.hset("h", "f", 1), lambda r: r.rpush("list", "y"),
    lambda r: r.lrange("list", 0, -1), lambda r: r.zadd("z", {"m": 1}), lambda r: r.xadd("s", {"f": 1}), lambda r: r.publish("c", "m"),
    lambda r: r.eval("return 1", 0)]


def state(r):
    return {key: r.dump(key) for key in r.keys()}


@pytest.mark.parametrize("owner, name", [
    (hutch.Redis, "execute_command"), (redis.Redis, "execute_command"), (redis.Redis, "_execute_command"),
    (hutch.Redis, "parse_response"), (redis.Redis, "parse_response"), (redis.Redis, "_send_command_parse_response"),
    (hutch.EmbeddedConnectionPool, "get_connection"), (hutch.EmbeddedConnection, "send_command"),
    (hutch.EmbeddedConnection, "read_response")],
    ids=lambda value: value if isinstance(value, str) else f"{value.__module__.split('.')[0]}.{value.__name__}")
def test_an_outage_on_a_class(r, owner, name):
    r.eval("return 1", 0)
    r.eval("return 1", 0)
    before = state(r)
    with mock.patch.object(owner, name, side_effect=OUTAGE) as double:
        for call in COMPILED:
            with pytest.raises(redis.ConnectionError, match="outage"):
                call(r)
        assert double.call_count >= len(COMPILED)
    if name not in ("parse_response", "read_response"):      # what came before those has happened, as with redis-py
        assert state(r) == before
    r.ping()
    assert r._hot and r.set("a", 1) and r.get("a") == b"1"


def test_an_outage_on_a_pool(r):
    with mock.patch.object(r.connection_pool, "get_connection", side_effect=OUTAGE):
        for call in COMPILED:
            with pytest.raises(redis.ConnectionError, match="outage"):
                call(r)
    assert r.get("a") == b"before" and r._hot


def test_a_connection_in_the_clients_hand(r):
    connection = r.connection = mock.Mock(spec=hutch.EmbeddedConnection, db=0)
    connection.retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    connection.should_reconnect = lambda: False
    connection.read_response.return_value = b"from the mock"
    assert r.get("a") == b"from the mock"
    connection.send_command.assert_called_once()
    r.connection = None
    assert r.get("a") == b"before" and r._hot


@pytest.mark.parametrize("name", ["execute_command", "parse_response"])
def test_on_an_instance(r, name):
    other = hutch.Redis(store=r.store)
    other.ping()
    with mock.patch.object(r, name, side_effect=OUTAGE):
        with pytest.raises(redis.ConnectionError):
            r.get("a")
        assert other.get("a") == b"before" and other._hot
    assert r.get("a") == b"before" and r._hot


def test_on_a_subclass_and_by_a_change_of_class(r):
    class Mine(hutch.Redis):
        pass

    mine = Mine(store=r.store)
    mine.ping()
    assert mine._hot
    with mock.patch.object(Mine, "execute_command", side_effect=OUTAGE):
        with pytest.raises(redis.ConnectionError):
            mine.get("a")
        assert r.get("a") == b"before" and r._hot
    assert mine.get("a") == b"before"

    class Broken(hutch.Redis):
        def execute_command(self, *args, **options):
            raise OUTAGE

    mine.__class__ = Broken
    with pytest.raises(redis.ConnectionError):
        mine.get("a")


def test_other_methods_of_a_class_do_no_harm(r):
    with mock.patch.object(hutch.Redis, "hscan_iter"):
        assert r.get("a") == b"before"
        r.ping()
        assert r._hot

    class Mine(hutch.Redis):
        def get(self, name):
            return super().get(name).upper()

    mine = Mine(store=r.store)
    mine.ping()
    assert mine._hot and mine.get("a") == b"BEFORE"


def test_a_method_of_redis_py_that_a_compiled_one_stands_in_for(r):
    with mock.patch.object(redis.Redis, "get", return_value="mocked", create=True):
        assert r.get("a") == "mocked"
    assert r.get("a") == b"before"


def test_callbacks_once_changed_stay_obeyed(r):
    r.set_response_callback("GET", lambda reply: "shaped")
    r.connection_pool = r.connection_pool        # looks at everything again
    r.ping()
    assert r.get("a") == "shaped" and r.get("a") == "shaped"


# ---- pipelines

@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("owner, name", [
    (hutch.Pipeline, "execute"), (redis.client.Pipeline, "execute"), (hutch.Pipeline, "execute_command"),
    (redis.client.Pipeline, "execute_command"), (redis.client.Pipeline, "pipeline_execute_command"),
    (hutch.Pipeline, "parse_response"), (redis.client.Pipeline, "parse_response"), (redis.Redis, "parse_response"),
    (hutch.EmbeddedConnectionPool, "get_connection"), (hutch.EmbeddedConnection, "send_packed_command"),
    (hutch.EmbeddedConnection, "read_response")],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__module__", "").split(".")[0])
def test_a_pipeline_and_its_class(r, owner, name, transaction):
    existing, untouched = r.pipeline(transaction), r.pipeline(transaction)
    before = state(r)
    with mock.patch.object(owner, name, side_effect=OUTAGE):
        for pipe in (existing, r.pipeline(transaction)):
            with pytest.raises(redis.ConnectionError, match="outage"):
                pipe.set("a", "after").incr("n").execute()
    if name not in ("parse_response", "read_response"):
        assert state(r) == before
    assert untouched.set("a", "later").get("a").execute() == [True, b"later"]


@pytest.mark.parametrize("name", ["execute", "execute_command", "pipeline_execute_command", "parse_response"])
def test_a_pipeline_itself(r, name):
    pipe, other = r.pipeline(), r.pipeline()
    with mock.patch.object(pipe, name, side_effect=OUTAGE):
        with pytest.raises(redis.ConnectionError):
            pipe.incr("n").execute()
    pipe.reset()
    assert other.set("a", 1).execute() == [True]
    assert pipe.get("a").execute() == [b"1"]


def test_a_pipelines_own_methods_look_as_they_are():
    assert hutch.Pipeline.execute_command is redis.client.Pipeline.execute_command
    assert hutch.Redis().pipeline().execute_command.__func__ is redis.client.Pipeline.execute_command


# ---- tracers

def traced(seen):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(self, *args, **kwargs):
            seen.append([words for words, _ in self.command_stack] if function.__name__ == "execute" else args[0])
            return function(self, *args, **kwargs)
        return wrapper
    return decorate


def test_a_tracer_sees_every_command(r, monkeypatch):
    seen = []
    for owner, name in ((redis.client.Redis, "execute_command"), (redis.client.Pipeline, "execute"),
                        (redis.client.Pipeline, "immediate_execute_command")):
        monkeypatch.setattr(owner, name, traced(seen)(getattr(owner, name)))
    assert r.get("a") == b"before" and r.incr("n") == 1 and r.lrange("list", 0, -1) == [b"x"]
    assert r.pipeline().set("a", 1).incr("n").execute() == [True, 2]
    with r.pipeline() as pipe:
        pipe.watch("a")
        assert pipe.get("a") == b"1"
        pipe.multi()
        assert pipe.set("b", 2).execute() == [True]
    assert seen == ["GET", "INCRBY", "LRANGE", [("SET", "a", 1), ("INCRBY", "n", 1)], "WATCH", "GET", [("SET", "b", 2)]]
    monkeypatch.undo()
    r.ping()
    assert r._hot


PATCHED_FIRST = """
import asyncio, functools, redis, redis.asyncio
seen = []
def wrap(owner, name):
    function = getattr(owner, name)
    @functools.wraps(function)
    def wrapper(self, *args, **kwargs):
        seen.append((name, args[0] if name == "execute_command" else len(self.command_stack)))
        return function(self, *args, **kwargs)
    setattr(owner, name, wrapper)
for module in (redis.client, redis.asyncio.client):
    wrap(module.Redis, "execute_command")
    wrap(module.Pipeline, "execute")
import hutch, hutch.asyncio
r = hutch.Redis()
r.ping(), r.get("a"), r.get("a")
r.pipeline().get("a").execute()
async def main():
    r = hutch.asyncio.Redis()
    await r.ping(), await r.get("a"), await r.get("a")
    await r.pipeline().get("a").execute()
asyncio.run(main())
assert seen == [("execute_command", "PING"), ("execute_command", "GET"), ("execute_command", "GET"), ("execute", 1)] * 2, seen
"""


def test_a_tracer_that_came_before_hutch():
    subprocess.run([sys.executable, "-c", PATCHED_FIRST], check=True, timeout=60)


# ---- asyncio

ASYNC_OWNERS = [
    (hutch.asyncio.Redis, "execute_command"), (redis.asyncio.Redis, "execute_command"), (hutch.asyncio.Redis, "parse_response"),
    (redis.asyncio.Redis, "parse_response"), (redis.asyncio.Redis, "_send_command_parse_response"),
    (hutch.asyncio.EmbeddedConnectionPool, "get_connection"), (hutch.asyncio.EmbeddedConnection, "send_command"),
    (hutch.asyncio.EmbeddedConnection, "read_response")]


@pytest.mark.parametrize("owner, name", ASYNC_OWNERS,
                         ids=lambda value: value if isinstance(value, str) else f"{value.__module__.split('.')[0]}.{value.__name__}")
def test_an_outage_in_asyncio(owner, name):
    async def main():
        r = hutch.asyncio.Redis()
        await r.set("a", "before")
        await r.get("a")
        assert r._hot
        with mock.patch.object(owner, name, side_effect=OUTAGE):
            for call in COMPILED:
                with pytest.raises(redis.ConnectionError, match="outage"):
                    await call(r)
        if name not in ("parse_response", "read_response"):
            assert await r.keys() == [b"a"] and await r.get("a") == b"before"
        await r.ping()
        assert r._hot
        await r.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("name", ["execute_command", "parse_response", "connection_pool.get_connection"])
def test_an_outage_of_one_asyncio_client(name):
    async def main():
        r = hutch.asyncio.Redis()
        await r.set("a", "before")
        owner, attribute = (r, name) if "." not in name else (r.connection_pool, name.split(".")[1])
        with mock.patch.object(owner, attribute, side_effect=OUTAGE):
            for call in COMPILED:
                with pytest.raises(redis.ConnectionError, match="outage"):
                    await call(r)
        assert await r.set("a", 1) and await r.get("a") == b"1"
        assert r._hot
        await r.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("owner, name", [
    (hutch.asyncio.Pipeline, "execute"), (redis.asyncio.client.Pipeline, "execute"),
    (redis.asyncio.client.Pipeline, "parse_response"), (redis.asyncio.Redis, "parse_response"),
    (hutch.asyncio.EmbeddedConnection, "send_packed_command"), (hutch.asyncio.EmbeddedConnectionPool, "get_connection")],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__module__", "").split(".")[0])
def test_an_asyncio_pipeline_and_its_class(owner, name, transaction):
    async def main():
        r = hutch.asyncio.Redis()
        await r.set("a", "before")
        pipe = r.pipeline(transaction)
        with mock.patch.object(owner, name, side_effect=OUTAGE):
            with pytest.raises(redis.ConnectionError, match="outage"):
                await pipe.set("a", "after").execute()
        assert await r.pipeline(transaction).set("a", 1).get("a").execute() == [True, b"1"]
        await r.aclose()
    asyncio.run(main())


def test_an_asyncio_method_of_redis_py_that_a_compiled_one_stands_in_for():
    async def main():
        r = hutch.asyncio.Redis()
        await r.set("a", 1)
        with mock.patch.object(redis.asyncio.Redis, "get", mock.AsyncMock(return_value="mocked"), create=True):
            assert await r.get("a") == "mocked"
        assert await r.get("a") == b"1"
        await r.aclose()
    asyncio.run(main())
