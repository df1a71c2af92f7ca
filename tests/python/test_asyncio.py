"""hutch.asyncio.Redis gives what hutch.Redis gives, which gives what redis-py gives."""
import asyncio
import collections.abc
import gc
import inspect
import os
import threading
import warnings

import pytest
import redis
import redis.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError, DataError, ResponseError, WatchError

import hutch
import hutch.asyncio
from kit.api_calls import PASSING, SCRIPTS, outcome, types_of
from kit.compiled_calls import CALLS
from kit.event_loops import run_on, run_on_asyncio
from kit.threads import run_in_threads


async def awaited(client, method, args, kwargs):
    try:
        return "value", await getattr(client, method)(*args, **kwargs)
    except Exception as error:
        return "raised", type(error).__name__, str(error).replace("AsyncManagement", "Management")


# ---- the same results

@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "str"])
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("subject", SCRIPTS)
def test_same_results(subject, protocol, decode):
    async def main():
        there = hutch.Redis(protocol=protocol, decode_responses=decode)
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=decode) as here:
            for method, args, kwargs in SCRIPTS[subject]:
                mine = await awaited(here, method, args, kwargs)
                theirs = outcome(there, method, args, kwargs)
                if method in PASSING:
                    mine, theirs = mine[0], theirs[0]
                assert mine == theirs, (method, args, kwargs)
                assert types_of(mine) == types_of(theirs), (method, args, kwargs)
        there.close()

    run_on_asyncio(main())


@pytest.mark.parametrize("transaction", [False, True], ids=["plain", "atomic"])
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("subject", [name for name in SCRIPTS if name != "server"])
def test_same_results_in_a_pipeline(subject, protocol, transaction):
    async def main():
        here, there = hutch.asyncio.Redis(protocol=protocol), hutch.Redis(protocol=protocol)
        mine, theirs = here.pipeline(transaction), there.pipeline(transaction)
        for method, args, kwargs in SCRIPTS[subject]:
            refusals = [outcome(pipe, method, args, kwargs) for pipe in (mine, theirs)]
            assert refusals[0][0] == refusals[1][0], (method, args, refusals)
        results = [await awaited(mine, "execute", (), {"raise_on_error": False}),
                   outcome(theirs, "execute", (), {"raise_on_error": False})]
        if results[0][0] == "raised":
            results = [result[:2] for result in results]     # redis.asyncio has its own way to quote
        if results[0][0] == "value":
            results = [[(type(r), str(r)) if isinstance(r, Exception) else r for r in result[1]] for result in results]
        assert results[0] == results[1]
        await here.aclose()

    run_on_asyncio(main())


class General(hutch.asyncio.Redis):
    """The same client on the slow path."""

    async def execute_command(self, *args, **options):
        return await super().execute_command(*args, **options)


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.lists(CALLS, max_size=30))
def test_same_as_the_general_way(decode, calls):
    async def main():
        hot, general = hutch.asyncio.Redis(decode_responses=decode), General(decode_responses=decode)
        await hot.ping()
        await general.ping()
        assert hot._hot and not general._hot
        for method, *args in calls:
            assert await awaited(hot, method, args, {}) == await awaited(general, method, args, {}), (method, args)

    run_on_asyncio(main())


def test_keywords_and_many_arguments():
    async def main():
        async with hutch.asyncio.Redis(decode_responses=True) as r:
            await r.ping()
            assert await r.set(name="a", value=1, ex=100, nx=True) is True
            assert await r.get(name="a") == "1" and 99 <= await r.ttl(name="a") <= 100
            assert await r.rpush("l", *range(100)) == 100
            assert await r.lrange("l", start=0, end=-1) == [str(i) for i in range(100)]
            assert await r.hset("h", mapping={str(i): i for i in range(50)}) == 50
            assert await r.hmget("h", [str(i) for i in range(50)]) == [str(i) for i in range(50)]
            assert await r.zadd("z", {"a": 1, "b": 2}, nx=True, ch=True) == 2
            assert await r.zrange("z", 0, -1, desc=True, withscores=True) == [("b", 2.0), ("a", 1.0)]
            assert await r.delete(*[str(i) for i in range(40)], "a") == 1
            assert await r.sadd("s", *"abcde") == 5 and await r.smembers("s") == set("abcde")
            with pytest.raises(TypeError):
                await r.get()
            with pytest.raises(DataError):
                await r.set("a", [1])

    run_on_asyncio(main())


# ---- what a call of a compiled method is

def test_signatures():
    for name in ("get", "set", "incr", "delete", "exists", "ttl", "expire", "hset", "lpush", "zadd", "zrange", "zrank"):
        mine = inspect.signature(getattr(hutch.asyncio.Redis, name)).parameters
        assert list(mine) == list(inspect.signature(getattr(hutch.Redis, name)).parameters)
        assert getattr(hutch.asyncio.Redis, name).__doc__ == getattr(hutch.Redis, name).__doc__
        assert getattr(hutch.asyncio.Redis, name).__name__ == name
    r = hutch.asyncio.Redis()
    assert list(inspect.signature(r.get).parameters) == ["name"]
    assert isinstance(r, redis.asyncio.Redis)
    with pytest.raises(TypeError):
        hutch.asyncio.Redis.get(5, "k")
    with pytest.raises(TypeError):
        hutch.asyncio.Redis.get()


@pytest.mark.parametrize("general", [False, True], ids=["short", "general"])
def test_a_call_is_a_coroutine(loop_kind, general):
    async def main():
        r = (General if general else hutch.asyncio.Redis)(decode_responses=True)
        await r.set("a", "1")
        call = r.get("a")
        assert asyncio.iscoroutine(call) and inspect.isawaitable(call)
        assert isinstance(call, collections.abc.Coroutine)
        assert "Redis.get" in repr(call)
        assert await call == "1"
        with pytest.raises(RuntimeError):
            await call
        assert await asyncio.create_task(r.get("a")) == "1"
        assert await asyncio.wait_for(r.get("a"), 1) == "1"
        assert await asyncio.shield(r.get("a")) == "1"
        assert await asyncio.gather(r.incr("n"), r.incr("n"), r.get("n")) == [1, 2, "2"]
        await r.hset("h", "f", 1)
        failed = await asyncio.gather(r.lpush("h", 1), r.get("h"), r.get("a"), return_exceptions=True)
        assert [type(one) for one in failed] == [ResponseError, ResponseError, str]
        with pytest.raises(ResponseError):
            await asyncio.create_task(r.incr("h"))

    run_on(loop_kind, main())


def test_nothing_happens_before_it_is_awaited():
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        await r.set("a", "1")
        call = r.set("a", "2")
        assert await r.get("a") == "1"
        await call
        assert await r.get("a") == "2"
        task = asyncio.create_task(r.set("a", "3"))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() and await r.get("a") == "2"
        await r.rpush("l", "x")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(r.lpop("l"), 0)
        assert await r.llen("l") == 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            r.set("a", "4")
        assert ["was never awaited" in str(one.message) for one in caught] == [True]
        call = r.set("a", "5")
        call.close()
        with pytest.raises(ValueError):
            r.set("a", "6").throw(ValueError("mine"))
        assert await r.get("a") == "2"

    run_on_asyncio(main())


def test_values_that_iteration_could_mistake():
    """Results that are tuples or exceptions arrive as they are, on every way to await."""
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        await r.ping()
        await r.zadd("z", {"a": 1})

        class Driven:
            def __init__(self, call):
                self.call = call

            def __await__(self):
                return (yield from self.call)

        assert await Driven(r.zrange("z", 0, -1)) == ["a"]
        assert await Driven(r.get("none")) is None
        assert await r.zrange("z", 0, -1, withscores=True) == [("a", 1.0)]
        call = r.get("none")
        with pytest.raises(StopIteration) as stop:
            call.send(None)
        assert stop.value.value is None
        call = r.zscore("z", "a")
        with pytest.raises(StopIteration) as stop:
            next(call)
        assert stop.value.value == 1.0

    run_on_asyncio(main())


def test_customised_clients_see_every_command():
    async def main():
        seen = []

        class Recording(hutch.asyncio.Redis):
            async def execute_command(self, *args, **options):
                seen.append(args[0])
                return await super().execute_command(*args, **options)

        r = Recording()
        await r.set("a", 1)
        await r.get("a")
        assert seen == ["SET", "GET"]
        r = hutch.asyncio.Redis(decode_responses=True)
        await r.set("a", 1)
        assert r._hot
        r.set_response_callback("GET", lambda response, **options: f"<{response}>")
        assert not r._hot and await r.get("a") == "<1>"

        async def slowly(response, **options):
            await asyncio.sleep(0)
            return f"({response})"

        r.set_response_callback("GET", slowly)
        assert await r.get("a") == "(1)"
        assert await r.pipeline().get("a").execute() == ["(1)"]

    run_on_asyncio(main())


# ---- clients, stores, connections

def test_stores_are_shared():
    async def main():
        async with hutch.asyncio.Redis("together", decode_responses=True) as r:
            same = hutch.Redis("together", decode_responses=True)
            await r.set("a", "1")
            assert same.get("a") == "1" and r.store is same.store
            same.connection_pool.close()
            other = hutch.asyncio.from_url("hutch://together/2?decode_responses=yes")
            await other.set("a", "2")
            assert await r.get("a") == "1" and other.store is r.store
            assert await other.get("a") == "2"
            await other.aclose()
            assert await r.get("a") == "1"
            store = r.store
        assert store.closed
        with pytest.raises(hutch.StoreClosedError):
            await r.get("a")
        store = hutch.Store()
        first, second = hutch.asyncio.Redis(store=store), hutch.asyncio.Redis(store=store, db=1)
        await first.set("a", "1")
        assert await second.get("a") is None
        await first.aclose()
        assert not store.closed and await second.ping()
        with pytest.raises(TypeError):
            hutch.asyncio.Redis(host="localhost")
        with pytest.raises(TypeError):
            hutch.asyncio.Redis("name", store=store)

    run_on_asyncio(main())


def test_a_store_of_its_own_goes_with_its_client():
    """The loop's bell must not keep it."""
    import weakref

    async def main():
        r = hutch.asyncio.Redis()
        task = asyncio.create_task(r.blpop("k"))
        await asyncio.sleep(0.01)
        await r.rpush("k", "x")
        await task
        gone = weakref.ref(r.store)
        del r, task
        gc.collect()
        assert gone() is None

    run_on_asyncio(main())


def test_connections():
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True, client_name="me", protocol=3, db=3)
        await r.get("a")
        await r.pipeline().get("a").execute()
        task = asyncio.create_task(r.blpop("k"))
        await asyncio.sleep(0.01)
        listed = await r.client_list()
        assert [(one["name"], one["resp"], one["db"]) for one in listed] == [("me", "3", "3")] * 3
        assert {one["lib-name"] for one in listed} != {""}
        task.cancel()
        await asyncio.wait([task])
        async with r.client() as mine:
            number = await mine.client_id()
            assert await mine.client_id() == number and await mine.set("a", 1) and await mine.get("a") == "1"
            assert number != await r.client_id()
        with pytest.raises(ConnectionError):
            await hutch.asyncio.Redis(redis_connect_func=_fail).ping()
        connection = await r.connection_pool.get_connection()
        await connection.send_command("SET", "a", "2")
        await connection.send_command("GET", "a")
        assert await connection.can_read()
        assert await connection.read_response() == "OK" and await connection.read_response(disable_decoding=True) == b"2"
        with pytest.raises(redis.exceptions.TimeoutError):
            await connection.read_response()
        await r.connection_pool.release(connection)
        assert "EmbeddedConnection" in repr(connection) and "EmbeddedConnection" in repr(r)
        few = hutch.asyncio.Redis(max_connections=1)
        waiting = asyncio.create_task(few.blpop("k", 1))
        await asyncio.sleep(0.01)
        assert await few.set("a", 1)
        with pytest.raises(ConnectionError):
            await few.blpop("l")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await few.blpop("l", 0.01) is None

    run_on_asyncio(main())


async def _fail(connection):
    raise ConnectionError("no")


def test_a_killed_client_begins_anew():
    async def main():
        store = hutch.Store()
        r, other = hutch.asyncio.Redis(store=store), hutch.Redis(store=store)
        for _ in range(3):
            await r.set("a", 1)
            other.client_kill_filter(_id=await r.client_id())
            assert await r.get("a") == b"1"
            other.client_kill_filter(_id=await r.client_id())
            assert await r.execute_command("STRLEN", "a") == 1
        await r.quit()
        assert await r.get("a") == b"1"
        await r.connection_pool.disconnect()
        assert await r.get("a") == b"1"

    run_on_asyncio(main())


def test_watch():
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        other = hutch.asyncio.Redis(store=r.store)
        await r.set("n", 1)
        async with r.pipeline() as pipe:
            await pipe.watch("n")
            value = int(await pipe.get("n"))
            await other.incr("n")
            pipe.multi()
            pipe.set("n", value + 1)
            with pytest.raises(WatchError):
                await pipe.execute()
        tries = []

        async def double(pipe):
            value = int(await pipe.get("n"))
            tries.append(value)
            if len(tries) == 1:
                await other.incr("n")
            pipe.multi()
            pipe.set("n", value * 2)

        assert await r.transaction(double, "n") == [True]
        assert tries == [2, 3] and await r.get("n") == "6"
        with pytest.raises(ResponseError, match="Command # 2"):
            await r.pipeline().set("a", 1).lpush("a", 1).get("a").execute()
        with pytest.raises(ResponseError):
            await r.pipeline(transaction=False).set("a", 1).lpush("a", 1).execute()

    run_on_asyncio(main())


def test_client_pause_holds_tasks_and_not_the_loop(loop_kind):
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        await r.ping()
        await r.client_pause(10000, all=False)
        tasks = [asyncio.create_task(call) for call in
                 (r.set("a", 1), r.execute_command("SET", "b", 2), r.pipeline().set("c", 3).execute(), r.blpop("k", 5))]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in tasks) and await r.get("a") is None
        await r.client_unpause()
        assert await asyncio.gather(*tasks[:3]) == [True, True, [True]]
        await r.rpush("k", "x")
        assert await tasks[3] == ("k", "x")

    run_on(loop_kind, main())


def test_many_loops_in_many_threads():
    """One store, and one client in all of the threads besides each thread's own."""
    store = hutch.Store()
    shared = hutch.asyncio.Redis(store=store, decode_responses=True)

    async def main(i):
        r = hutch.asyncio.Redis(store=store, decode_responses=True)
        for number in range(200):
            await shared.incr("n")
            await r.rpush(f"to{(i + 1) % 4}", number)
            assert await (shared if number % 2 else r).blpop(f"to{i}", 20) == (f"to{i}", str(number))
            await r.pipeline().incr("m").get("m").execute()

    run_in_threads(lambda i: run_on(asyncio.new_event_loop, main(i)), 4)
    client = hutch.Redis(store=store, decode_responses=True)
    assert client.get("n") == client.get("m") == "800"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told():
    r = hutch.asyncio.Redis("parents")
    mine = hutch.asyncio.Redis("parents")

    async def begin():
        await r.set("a", 1)
        task = asyncio.create_task(r.blpop("k", 0.01))
        await task

    async def child():
        for call in (r.get("a"), r.execute_command("STRLEN", "a"), r.blpop("k"), mine.ping()):
            try:
                await call
                return 1
            except hutch.ForkedError:
                pass
        fresh = hutch.asyncio.Redis("parents")
        task = asyncio.create_task(fresh.blpop("k"))
        await asyncio.sleep(0.01)
        await fresh.rpush("k", "x")
        return 0 if await task == (b"k", b"x") else 2

    run_on_asyncio(begin())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)      # other tests' threads
        pid = os.fork()
    if pid == 0:
        code = 3
        try:
            code = run_on_asyncio(child())
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    async def after():
        assert await r.get("a") == b"1"

    run_on_asyncio(after())


def test_threads_and_tasks_use_one_store():
    store = hutch.Store()
    plain = hutch.Redis(store=store)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            plain.incr("n")
            plain.rpush("k", "x")

    async def main():
        r = hutch.asyncio.Redis(store=store)
        for _ in range(500):
            assert await r.blpop("k", 10) == (b"k", b"x")
            await r.get("n")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        run_on_asyncio(main())
    finally:
        stop.set()
        thread.join()


def test_scripts_and_locks():
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        if not (await r.execute_command("EVAL", "return 1", 0)) == 1:
            raise AssertionError
        script = r.register_script("redis.call('SET', KEYS[1], ARGV[1]); return redis.call('GET', KEYS[1])")
        assert await script(keys=["a"], args=["1"]) == "1"
        async with r.pipeline() as pipe:
            await script(keys=["b"], args=["2"], client=pipe)
            assert await pipe.execute() == ["2"]
        assert await r.eval("return {1, ARGV[1]}", 0, "x") == [1, "x"]
        held = []

        async def hold(number):
            async with r.lock("lock", timeout=10, sleep=0.001, blocking_timeout=10):
                held.append(number)
                assert len(held) == 1
                await asyncio.sleep(0.002)
                held.pop()

        await asyncio.gather(*(hold(number) for number in range(10)))
        assert not await r.exists("lock")
        await r.aclose()

    run_on_asyncio(main())


WRONG = [("get", (), {}), ("get", ("a", "b"), {}), ("get", ("a",), {"no_such": 1}), ("get", ("a",), {"name": "a"}), ("set", ("a",), {}),
         ("set", (), {"value": 1}), ("hget", ("a",), {}), ("lrange", ("a", 1), {}), ("zadd", ("a",), {"nx": True}), ("expire", (), {"name": "a"}),
         ("incr", ("a", 1, 2), {}), ("exists", (), {"names": "a"}), ("eval", ("return 1",), {}), ("xadd", ("a",), {"maxlen": 1})]
RIGHT = [("get", (), {"name": "a"}), ("set", ("a",), {"value": 1}), ("set", ("a", 1), {"ex": 100}), ("delete", (), {}), ("exists", (), {}),
         ("eval", ("return 1", 0), {}), ("eval", (), {"script": "return 1", "numkeys": 0}), ("zadd", (), {"name": "z", "mapping": {"a": 1}}),
         ("hset", ("h",), {"mapping": {"a": 1}}), ("hset", ("h", "a", 1), {}), ("publish", ("a", "b"), {}), ("incr", ("n",), {"amount": 2}),
         ("xadd", ("s", {"a": 1}), {"id": "1-1", "maxlen": 3}), ("zrange", ("z", 0, -1), {"withscores": True}), ("lpop", ("l",), {"count": 2})]


@pytest.mark.parametrize("method, args, named", WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_arguments_that_do_not_fit_are_refused_at_the_call(method, args, named):
    async def main():
        here, there = hutch.asyncio.Redis(), redis.asyncio.Redis()
        for warm in range(2):
            errors = []
            for r in (here, there):
                with pytest.raises(TypeError) as raised:
                    getattr(r, method)(*args, **named)           # not awaited
                errors.append(str(raised.value))
            assert errors[0] == errors[1]
            await here.set("a", 1)
        await here.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("method, args, named", RIGHT, ids=lambda value: value if isinstance(value, str) else "")
def test_arguments_that_fit_are_taken(method, args, named, oracle):
    async def main():
        here, there = hutch.asyncio.Redis(), redis.asyncio.Redis(host=oracle.host, port=oracle.port)
        await there.flushall()
        await here.ping()
        found = []
        for r in (here, there):
            try:
                found.append(await getattr(r, method)(*args, **named))
            except redis.RedisError as error:
                found.append(str(error))
            await r.aclose()
        assert found[0] == found[1]
    asyncio.run(main())
