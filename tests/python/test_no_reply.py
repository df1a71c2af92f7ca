"""Replies that do not come (CLIENT REPLY), connections that end amid a pipeline (QUIT), and replies too deep to be read."""
import asyncio

import pytest
import redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

import hutch
import hutch.asyncio

# Over TCP redis-py waits for a reply that will not come, until its time-out. In process nothing is waited for: it is the same
# exception, at once.
SILENT = {
    "off": lambda r: r.client_reply("OFF"),
    "skip": lambda r: r.client_reply("SKIP"),
    "words": lambda r: r.execute_command("CLIENT", "REPLY", "OFF"),
    "pipeline, off": lambda r: r.pipeline(False).set("a", 1).execute_command("CLIENT REPLY OFF").set("b", 2).execute(),
    "pipeline, skip": lambda r: r.pipeline(False).set("a", 1).execute_command("CLIENT REPLY SKIP").set("b", 2).execute(),
    "transaction": lambda r: r.pipeline(True).set("a", 1).execute_command("CLIENT REPLY OFF").set("b", 2).execute(),
}
QUITTING = {
    "quit": (lambda r: r.execute_command("QUIT"), None),
    "last": (lambda r: r.pipeline(False).incr("n").execute_command("QUIT").execute(), None),
    "amid": (lambda r: r.pipeline(False).incr("n").execute_command("QUIT").incr("n").execute(), ConnectionError),
    "amid a transaction": (lambda r: r.pipeline(True).incr("n").execute_command("QUIT").incr("n").execute(), ConnectionError),
}


def outcome(action):
    try:
        return action()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("single", [False, True], ids=["pool", "single"])
@pytest.mark.parametrize("protocol", [2, 3, None])
@pytest.mark.parametrize("way", SILENT)
def test_no_reply_is_an_error_at_once(way, protocol, single):
    r = hutch.Redis(protocol=protocol, single_connection_client=single)
    r.ping(), r.ping()
    with pytest.raises(TimeoutError, match="CLIENT REPLY|no reply is due"):
        SILENT[way](r)
    assert r.set("c", 3) and r.get("c") == b"3"              # in a new session


@pytest.mark.parametrize("way", SILENT)
def test_as_redis_py_says_it(way, oracle):
    r = redis.Redis(host=oracle.host, port=oracle.port, socket_timeout=0.1, retry=Retry(NoBackoff(), 0))
    assert outcome(lambda: SILENT[way](r)) is TimeoutError
    assert r.ping()


@pytest.mark.parametrize("protocol", [2, 3, None])
@pytest.mark.parametrize("way", SILENT)
def test_no_reply_in_asyncio(way, protocol):
    async def main():
        r = hutch.asyncio.Redis(protocol=protocol)
        await r.ping()
        with pytest.raises(TimeoutError, match="CLIENT REPLY|no reply is due"):
            await SILENT[way](r)
        assert await r.set("c", 3) and await r.get("c") == b"3"
        await r.aclose()
    asyncio.run(main())


def test_a_client_of_the_engine_hears_none():
    session = hutch.Store().engine.session()
    assert session.execute(["CLIENT", "REPLY", "OFF"]) is None
    assert session.execute(["SET", "a", 1]) is None


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("way", QUITTING)
def test_quit(way, retries, oracle):
    action, kind = QUITTING[way]
    there = redis.Redis(host=oracle.host, port=oracle.port, retry=Retry(NoBackoff(), retries))
    here = hutch.Redis(retry=Retry(NoBackoff(), retries))
    there.flushall()
    mine, theirs = outcome(lambda: action(here)), outcome(lambda: action(there))
    assert mine == theirs and (kind is None or mine is kind)
    left = redis.Redis(host=oracle.host, port=oracle.port).get("n")      # Redis may not have closed the first one's connection yet
    assert here.get("n") == left

    async def main():
        r = hutch.asyncio.Redis(retry=AsyncRetry(NoBackoff(), retries))
        try:
            mine = await action(r)
        except Exception as error:
            mine = type(error)
        assert mine == theirs
        assert await r.get("n") == left
        await r.aclose()
    asyncio.run(main())


NESTED = "local t = {} for i = 1, %d do t = {t} end return t"


@pytest.mark.parametrize("way", [
    lambda r, script: r.eval(script, 0), lambda r, script: r.execute_command("EVAL", script, 0),
    lambda r, script: r.pipeline(False).eval(script, 0).execute()[0], lambda r, script: r.pipeline(True).eval(script, 0).execute()[0]])
@pytest.mark.parametrize("protocol", [2, 3])
def test_deep_replies(way, protocol):
    """Past what Python's own stack holds, redis-py's parser raises RecursionError."""
    r = hutch.Redis(protocol=protocol)
    r.set("a", 1)
    for round in range(3):
        found = way(r, NESTED % 300)
        for _ in range(300):
            [found] = found
        assert found == []
        with pytest.raises(RecursionError):
            way(r, NESTED % 5000)
        assert r.get("a") == b"1" and r.eval("return 1", 0) == 1

    async def main():
        r = hutch.asyncio.Redis(protocol=protocol)
        for round in range(3):
            with pytest.raises(RecursionError):
                await r.eval(NESTED % 5000, 0)
            assert await r.ping() and await r.eval("return 1", 0) == 1
        await r.aclose()

    asyncio.run(main())
