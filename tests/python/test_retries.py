"""retry and retry_on_error: a command runs again as often as the client's Retry says, and never once more."""
import asyncio
import threading

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, ResponseError, TimeoutError
from redis.retry import Retry

import hutch
import hutch.asyncio
from kit.waiting import wait_until

# Each tells how often it ran, and fails: through the slow path, and through compiled methods.
FAILING = {
    "general": lambda r: r.execute_command("EVAL", "redis.call('incr', 'ran') return redis.error_reply('READONLY no')", 0),
    "compiled script": lambda r: r.eval("redis.call('incr', 'ran') return redis.error_reply('READONLY no')", 0),
    "loading": lambda r: r.execute_command("EVAL", "redis.call('incr', 'ran') return redis.error_reply('LOADING yet')", 0),
}


def ran(r):
    return int(hutch.Redis(store=r.store).get("ran") or 0)


def wanted(options, kind, of=Retry):
    """How often a command runs that is answered by such an error, by redis-py's rules."""
    retry = options.get("retry")
    known = (retry or of(NoBackoff(), 1))._supported_errors + tuple(options.get("retry_on_error", ()))
    return 1 + (retry._retries if retry else 1) if issubclass(kind, known) else 1


def settings(of):
    return {"default": {}, "one error": {"retry_on_error": [ReadOnlyError]},
            "all replies, three": {"retry_on_error": [ResponseError], "retry": of(NoBackoff(), 3)},
            "in the Retry": {"retry": of(NoBackoff(), 2, (ReadOnlyError,))}, "never": {"retry": of(NoBackoff(), 0)},
            "everything, never": {"retry_on_error": [redis.RedisError], "retry": of(NoBackoff(), 0)},
            "connections": {"retry_on_error": [ConnectionError, TimeoutError, BusyLoadingError], "retry": of(NoBackoff(), 2)}}


@pytest.mark.parametrize("single", [False, True], ids=["pool", "single"])
@pytest.mark.parametrize("setting", settings(Retry))
@pytest.mark.parametrize("way", FAILING)
def test_error_replies(way, setting, single):
    options = settings(Retry)[setting]
    r = hutch.Redis(single_connection_client=single, **options)
    r.set("warm", 1), r.eval("return 1", 0), r.eval("return 1", 0)
    kind = BusyLoadingError if way == "loading" else ReadOnlyError
    with pytest.raises(kind):
        FAILING[way](r)
    assert ran(r) == wanted(options, kind)
    assert r.get("warm") == b"1"


def test_as_redis_py_over_tcp(oracle):
    """The same number of tries, by hand: the table above is not taken on trust."""
    for options in settings(Retry).values():
        for way in FAILING:
            r = redis.Redis(host=oracle.host, port=oracle.port, **{"retry": Retry(NoBackoff(), 1), **options})
            r.flushall()
            kind = BusyLoadingError if way == "loading" else ReadOnlyError
            with pytest.raises(kind):
                FAILING[way](r)
            assert int(r.get("ran")) == wanted(options, kind), (options, way)


COMPILED = [("lpush", "s", 1), ("incr", "s"), ("hget", "s", "f"), ("smembers", "s"), ("zadd", "s", {"a": 1}), ("xadd", "s", {"a": 1}),
            ("expire", "s", 2 ** 62)]


@pytest.mark.parametrize("call", COMPILED, ids=lambda call: call[0])
def test_compiled_methods_and_pipelines(call):
    r = hutch.Redis(retry_on_error=[ResponseError], retry=Retry(NoBackoff(), 2))
    plain = hutch.Redis(store=r.store)
    r.set("s", "text")
    name, *args = call

    def tries(client, action):
        plain.config_resetstat()
        with pytest.raises(ResponseError):
            action(client)
        stats = plain.info("commandstats")
        return sum(stat["calls"] for key, stat in stats.items() if key.split("_")[1].startswith(name.rstrip("by")))

    assert tries(r, lambda client: getattr(client, name)(*args)) == 3
    assert tries(plain, lambda client: getattr(client, name)(*args)) == 1
    for transaction in (False, True):
        for how in (lambda pipe: pipe, lambda pipe: pipe.ping()):        # gathered by the compiled methods, and by redis-py's
            action = lambda client: getattr(how(client.pipeline(transaction)), name)(*args).execute()
            assert tries(r, action) == 3 and tries(plain, action) == 1


def test_set_retry():
    r = hutch.Redis()
    other = hutch.Redis(connection_pool=r.connection_pool)
    r.set("s", "text"), other.ping()
    assert r._hot and other._hot
    r.set_retry(Retry(NoBackoff(), 2, (ReadOnlyError, ResponseError)))
    for client in (r, other):
        client.set("ran", 0)
        with pytest.raises(ReadOnlyError):
            FAILING["compiled script"](client)
        assert ran(r) == 3
    r.set_retry(Retry(NoBackoff(), 0))
    r.set("ran", 0)
    with pytest.raises(ReadOnlyError):
        FAILING["compiled script"](r)
    assert ran(r) == 1 and r._hot and other._hot


def test_a_retry_of_ones_own_sees_every_try():
    seen = []

    class Mine(Retry):
        def call_with_retry(self, do, *args, **options):
            seen.append("command")
            return super().call_with_retry(do, *args, **options)

    r = hutch.Redis(retry=Mine(NoBackoff(), 0))
    r.set("a", 1)
    del seen[:]
    assert r.get("a") == b"1" and r.get("a") == b"1" and seen == ["command", "command"]


def waiting(r):
    return r.info("clients")["blocked_clients"]


@pytest.mark.parametrize("single", [False, True], ids=["pool", "single"])
@pytest.mark.parametrize("retries", [0, 1])
def test_killed_amid_a_wait(retries, single):
    store = hutch.Store()
    r = hutch.Redis(store=store, retry=Retry(NoBackoff(), retries), client_name="waits", single_connection_client=single)
    other = hutch.Redis(store=store)
    found = []

    def wait():
        try:
            found.append(r.blpop("k", 30))
        except ConnectionError as error:
            found.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: waiting(other))
    [client] = [c for c in other.client_list() if c["name"] == "waits" and "b" in c["flags"]]
    other.client_kill_filter(_id=client["id"])
    if retries:
        wait_until(lambda: waiting(other) and [c for c in other.client_list() if "b" in c["flags"] and c["id"] != client["id"]])
    else:
        thread.join(20)
    other.rpush("k", "element")
    thread.join(20)
    assert not thread.is_alive()
    if retries:
        assert found == [(b"k", b"element")]
    else:
        assert isinstance(found[0], ConnectionError) and other.lrange("k", 0, -1) == [b"element"]
    assert r.ping()


@pytest.mark.parametrize("transaction", [False, True])
def test_killed_amid_a_pipelines_wait(transaction):
    store = hutch.Store()
    other = hutch.Redis(store=store)
    r = hutch.Redis(store=store, retry=Retry(NoBackoff(), 0), client_name="waits")
    found = []

    def wait():
        try:
            found.append(r.pipeline(False).incr("ran").blpop("k", 30).execute())
        except ConnectionError as error:
            found.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: waiting(other))
    other.client_kill_filter(_id=[c for c in other.client_list() if "b" in c["flags"]][0]["id"])
    thread.join(20)
    assert isinstance(found[0], ConnectionError) and other.get("ran") == b"1"


def test_killed_while_idle_is_no_try():
    r = hutch.Redis(retry=Retry(NoBackoff(), 0))
    other = hutch.Redis(store=r.store)
    r.set("a", 1)
    for call in (lambda: r.get("a"), lambda: r.execute_command("GET", "a"), lambda: r.pipeline().get("a").execute()[0]):
        other.client_kill_filter(_type="normal")
        assert call() == b"1"


# ---- asyncio

@pytest.mark.parametrize("setting", settings(AsyncRetry))
@pytest.mark.parametrize("way", FAILING)
def test_error_replies_in_asyncio(way, setting):
    options = settings(AsyncRetry)[setting]

    async def main():
        r = hutch.asyncio.Redis(**options)
        await r.set("warm", 1), await r.eval("return 1", 0), await r.eval("return 1", 0)
        kind = BusyLoadingError if way == "loading" else ReadOnlyError
        with pytest.raises(kind):
            await FAILING[way](r)
        assert ran(r) == wanted(options, kind, AsyncRetry)
        assert await r.get("warm") == b"1"
        await r.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("transaction", [False, True])
def test_asyncio_compiled_methods_and_pipelines(transaction):
    async def main():
        r = hutch.asyncio.Redis(retry_on_error=[ResponseError], retry=AsyncRetry(NoBackoff(), 2))
        await r.set("s", "text")
        for action in (lambda: r.lpush("s", 1), lambda: r.pipeline(transaction).lpush("s", 1).execute()):
            await r.config_resetstat()
            with pytest.raises(ResponseError):
                await action()
            assert (await r.info("commandstats"))["cmdstat_lpush"]["calls"] == 3
        await r.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("retries", [0, 1])
def test_killed_amid_a_wait_in_asyncio(retries):
    async def main():
        r = hutch.asyncio.Redis(retry=AsyncRetry(NoBackoff(), retries))
        other = hutch.Redis(store=r.store)
        task = asyncio.ensure_future(r.blpop("k", 30))
        while not waiting(other):
            await asyncio.sleep(0)
        [client] = [c for c in other.client_list() if "b" in c["flags"]]
        other.client_kill_filter(_id=client["id"])
        while not task.done() and not [c for c in other.client_list() if "b" in c["flags"] and c["id"] != client["id"]]:
            await asyncio.sleep(0)
        other.rpush("k", "element")
        if retries:
            assert await task == (b"k", b"element")
        else:
            with pytest.raises(ConnectionError):
                await task
            assert other.lrange("k", 0, -1) == [b"element"]
        assert await r.ping()
        other.client_kill_filter(_type="normal")             # idle: no try
        assert await r.set("a", 1) and await r.get("a") == b"1"
        await r.aclose()
    asyncio.run(main())
