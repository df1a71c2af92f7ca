"""Every way in passes the places where others hook in, once a command: admission, where rights and states of the server are judged, and the
observers, who are shown what has run (monitors, tracking; a slow log and a journal later)."""
import asyncio
import threading

import pytest
import redis

import hutch
import hutch.asyncio

trial_observer = pytest.importorskip("shims.trial_observer")


@pytest.fixture
def store():
    with hutch.Store() as store:
        yield store


@pytest.fixture
def counted(store):
    """A function that runs something and returns how many commands were asked about and how many were shown meanwhile."""
    observer = trial_observer.TrialObserver(store.engine)

    def count(run):
        run()                                # a client's first call brings a handshake, too
        observer.take()
        run()
        return observer.take()
    yield count
    observer.close()


def in_task(run):
    async def main():
        return await run()
    return asyncio.run(main())


def test_calls_in_the_process(store, counted):
    client = hutch.Redis(store=store)
    assert counted(lambda: client.execute_command("SET", "k", "v")) == (1, 1)
    assert counted(lambda: client.set("k", "v")) == (1, 1)                      # compiled, with an inner function
    assert counted(lambda: client.hset("h", "f", "v")) == (1, 1)                # compiled, with the command's handler
    assert counted(lambda: pytest.raises(redis.ResponseError, client.hget, "k", "f")) == (1, 1)
    assert counted(lambda: pytest.raises(redis.ResponseError, client.execute_command, "GET")) == (1, 0)
    assert counted(lambda: pytest.raises(redis.ResponseError, client.execute_command, "NOSUCH")) == (1, 0)


def test_pipelines(store, counted):
    client = hutch.Redis(store=store)

    def run(transaction):
        pipe = client.pipeline(transaction=transaction)
        pipe.set("k", "v").get("k").hset("h", "f", "v").execute()
    assert counted(lambda: run(False)) == (3, 3)
    # In a transaction, a command is asked about when it is queued, and again when it is run: rights may have been taken away meanwhile.
    assert counted(lambda: run(True)) == (1 + 3 + 1 + 3, 5)


def test_sockets(store, counted):
    with hutch.Server(store=store, port=0) as server, redis.Redis(port=server.port) as far:
        assert counted(lambda: far.set("k", "v")) == (1, 1)
        pipe = far.pipeline(transaction=False)
        assert counted(lambda: pipe.set("k", "v").get("k").execute()) == (2, 2)
        pipe = far.pipeline()
        assert counted(lambda: pipe.set("k", "v").get("k").execute()) == (1 + 2 + 1 + 2, 4)


def test_scripts(store, counted):
    client = hutch.Redis(store=store)
    client.function_load("#!lua name=mine\nredis.register_function('mine', function(keys) return redis.call('SET', keys[1], 'v') end)")
    assert counted(lambda: client.eval("redis.call('SET', KEYS[1], 'v') return redis.call('GET', KEYS[1])", 1, "k")) == (3, 3)
    assert counted(lambda: client.fcall("mine", 1, "k")) == (2, 2)
    assert counted(lambda: client.eval("return redis.pcall('NOSUCH')['err']", 0)) == (2, 1)


def test_who_waits(store, counted):
    client, other = hutch.Redis(store=store), hutch.Redis(store=store)

    def run():
        waiter = threading.Thread(target=other.blpop, args=("list", 60))
        waiter.start()
        while client.info("clients")["blocked_clients"] == 0:
            pass
        client.rpush("list", "x")
        waiter.join()
    asked, shown = counted(run)
    infos = shown - 2
    # BLPOP is asked about when it comes and when it is served, and shown once.
    assert infos > 0 and asked == infos + 1 + 2


def test_asyncio(store, counted):
    async def run():
        client = hutch.asyncio.Redis(store=store)
        await client.set("k", "v")
        await client.hset("h", "f", "v")
        await client.execute_command("GET", "k")
        pipe = client.pipeline(transaction=False)
        await pipe.set("k", "v").get("k").execute()
        await client.aclose()
    before = counted(lambda: in_task(run))
    assert before[0] == before[1] >= 5
