"""hutch.testing.faults: what goes wrong between a client and its store, on purpose."""
import asyncio

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import hutch
import hutch.asyncio
from hutch.testing import Clock, faults

NEVER = Retry(NoBackoff(), 0)


@pytest.fixture
def r():
    with hutch.Redis(decode_responses=True, retry=NEVER) as client:
        client.set("before", "v")        # compiled methods were in use
        yield client


@pytest.mark.parametrize("fault, raised, text", [
    (faults.loading("GET"), redis.BusyLoadingError, "Redis is loading the dataset in memory"),
    (faults.readonly("GET"), redis.ReadOnlyError, "You can't write against a read only replica."),
    (faults.oom("GET"), redis.OutOfMemoryError, "command not allowed when used memory > 'maxmemory'."),
    (faults.noauth("GET"), redis.AuthenticationError, "Authentication required."),
    (faults.moved(3999, "127.0.0.1:6381", "GET"), redis.exceptions.MovedError, "3999 127.0.0.1:6381"),
    (faults.error("WRONGTYPE of some sort", "GET"), redis.ResponseError, "WRONGTYPE of some sort"),
    (faults.connection_error("GET"), redis.ConnectionError, "Connection reset by peer"),
    (faults.timeout("GET"), redis.TimeoutError, "Timeout reading from socket"),
])
def test_every_kind(r, fault, raised, text):
    with faults.inject(r, fault):
        for times in (1, 2):
            with pytest.raises(raised) as info:
                r.get("before")
            assert str(info.value) == text and fault.fired == times
        assert r.exists("before") == 1
    assert r.get("before") == "v"

    async def main():
        a = hutch.asyncio.Redis(store=r.store, retry=redis.asyncio.retry.Retry(NoBackoff(), 0))
        assert await a.get("before") == b"v"
        with faults.inject(a, fault):
            with pytest.raises(raised) as info:
                await a.get("before")
            assert str(info.value) == text
            assert await a.exists("before") == 1
        assert await a.get("before") == b"v"
        await a.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_seconds_that_nobody_can_wait(seconds):
    with pytest.raises(ValueError, match="waited"):
        faults.slow(seconds, "GET")


def outcomes(r, commands):
    found = []
    for words in commands:
        try:
            found.append(r.execute_command(*words))
        except redis.RedisError as error:
            found.append(type(error).__name__)
    return found


def test_which_commands(r):
    with faults.inject(r, faults.readonly("SET", nth=2)):
        assert outcomes(r, [("SET", "a", 1)] * 3) == [True, "ReadOnlyError", True]
    with faults.inject(r, faults.readonly("set", times=2)):
        assert outcomes(r, [("SET", "a", 1)] * 3) == ["ReadOnlyError", "ReadOnlyError", True]
    with faults.inject(r, faults.readonly("SET", nth=2, times=2)):
        assert outcomes(r, [("SET", "a", 1)] * 4) == [True, "ReadOnlyError", "ReadOnlyError", True]
    with faults.inject(r, faults.oom(key="hot:*")):
        assert outcomes(r, [("SET", "hot:1", 1), ("SET", "cold", "hot:1"), ("MSET", "a", 1, "hot:", 2), ("PING",)]) == \
            ["OutOfMemoryError", True, "OutOfMemoryError", True]
    with faults.inject(r, faults.oom(when=lambda words: len(words[-1]) > 100)):
        assert outcomes(r, [("SET", "a", "x" * 100), ("SET", "a", "x" * 101)]) == [True, "OutOfMemoryError"]
    with faults.inject(r, faults.error("ERR no", "CONFIG GET")) as (fault,):
        assert outcomes(r, [("CONFIG GET", "maxmemory"), ("CONFIG", "GET", "maxmemory"), ("CONFIG", "RESETSTAT")])[:2] == ["ResponseError"] * 2
        assert fault.fired == fault.matched == 2 and "2 of 2" in repr(fault)
    with faults.inject(r, faults.oom("SET", times=1), faults.readonly("SET", times=1)):
        assert outcomes(r, [("SET", "a", 1)] * 3) == ["OutOfMemoryError", "ReadOnlyError", True]
    with pytest.raises(ValueError):
        faults.oom(nth=0)


def test_before_and_after(r):
    with faults.inject(r, faults.connection_error("INCR", nth=1), faults.timeout("INCR", nth=1, after=True)):
        assert outcomes(r, [("INCR", "n")] * 3) == ["ConnectionError", "TimeoutError", 2]
    assert r.get("n") == "2"             # the first did not run, the second did


def test_connecting(r):
    with faults.inject(r, faults.connection_error("CONNECT", times=1)):
        r.connection_pool.disconnect()
        assert outcomes(r, [("PING",), ("PING",)]) == ["ConnectionError", True]


def test_retries_are_the_client_s():
    r = hutch.Redis(retry=Retry(NoBackoff(), 2))
    with faults.inject(r, faults.connection_error("GET", times=2)) as (fault,):
        assert r.get("key") is None and fault.fired == 2
    with faults.inject(r, faults.connection_error("GET")) as (fault,):
        with pytest.raises(redis.ConnectionError):
            r.get("key")
        assert fault.fired == 3
    r.close()


@pytest.mark.parametrize("transaction", (True, False))
def test_pipelines(r, transaction):
    def run():
        with r.pipeline(transaction=transaction) as pipe:
            return pipe.set("p", 1).incr("p").get("p").execute(raise_on_error=False)

    assert run() == [True, 2, "2"]
    with faults.inject(r, faults.readonly("INCRBY")):
        if transaction:                  # as from a server: the transaction is not run
            with pytest.raises(redis.ReadOnlyError):
                run()
            assert r.get("p") == "2"
        else:
            answers = run()
            assert answers[0] is True and isinstance(answers[1], redis.ReadOnlyError) and answers[2] == "1"
    with faults.inject(r, faults.connection_error("GET", nth=1)):
        with pytest.raises(redis.ConnectionError):
            run()
        assert run() == [True, 2, "2"]
    assert run() == [True, 2, "2"]


@pytest.mark.parametrize("transaction", (True, False))
def test_pipelines_of_asyncio(transaction):
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True, retry=redis.asyncio.retry.Retry(NoBackoff(), 0))

        async def run():
            async with r.pipeline(transaction=transaction) as pipe:
                return await pipe.set("p", 1).incr("p").get("p").execute(raise_on_error=False)

        assert await run() == [True, 2, "2"]
        with faults.inject(r, faults.readonly("INCRBY")):
            if transaction:
                with pytest.raises(redis.ReadOnlyError):
                    await run()
                assert await r.get("p") == "2"
            else:
                answers = await run()
                assert answers[0] is True and isinstance(answers[1], redis.ReadOnlyError) and answers[2] == "1"
        with faults.inject(r, faults.timeout("GET", nth=1, after=True)):
            with pytest.raises(redis.TimeoutError):
                await run()
            assert await run() == [True, 2, "2"]
        assert await run() == [True, 2, "2"]
        await r.aclose()
    asyncio.run(main())


def test_slow_replies_take_the_held_clock_s_time(r):
    with Clock(r) as clock, faults.inject(r, faults.slow(3600, "GET")):
        r.set("key", "v", ex=3600)
        began = clock.time()
        assert r.get("before") == "v"
        assert clock.time() == began + 3600 and not r.exists("key")

    async def main():
        a = hutch.asyncio.Redis(store=r.store)
        with Clock(r) as clock, faults.inject(a, faults.slow(3600, "GET")):
            began = clock.time()
            assert await a.get("before") == b"v" and clock.time() == began + 3600
        await a.aclose()
    asyncio.run(main())


def test_slow_replies_without_a_held_clock(r):
    with faults.inject(r, faults.slow(0.001, "GET")) as (fault,):
        assert r.get("before") == "v" and fault.fired == 1


def test_faults_nest_and_are_undone(r):
    pool_class = r.connection_pool.connection_class
    with faults.inject(r, faults.oom("SET")):
        with faults.inject(r, faults.readonly("GET")):
            assert outcomes(r, [("SET", "a", 1), ("GET", "a")]) == ["OutOfMemoryError", "ReadOnlyError"]
        assert outcomes(r, [("SET", "a", 1), ("GET", "a")]) == ["OutOfMemoryError", None]
    assert r.connection_pool.connection_class is pool_class and outcomes(r, [("SET", "a", 1)]) == [True]


def test_a_client_to_itself():
    with hutch.Redis(single_connection_client=True, retry=NEVER) as r:
        r.ping()
        with faults.inject(r, faults.oom("SET")):
            assert outcomes(r, [("SET", "a", 1), ("GET", "a")]) == ["OutOfMemoryError", None]
        assert r.set("a", 1)


def test_real_servers_are_left_alone():
    with pytest.raises(TypeError, match="patch"):
        with faults.inject(redis.Redis(), faults.oom()):
            pass
    with pytest.raises(TypeError):
        with faults.inject(5, faults.oom()):
            pass
