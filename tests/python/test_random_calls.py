"""Random calls on Hutch and on redis-py over TCP to a real Redis: the same values and types, the same exceptions.

HUTCH_CALLS: how many calls of each kind (sync, pipelines, asyncio; protocols; decoding). HUTCH_CALLS_SEED: others.
"""
import asyncio
import os
import random
import warnings
from itertools import product

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

import hutch
import hutch.asyncio
from kit.api_calls import types_of
from kit.random_calls import BY_TYPE, UNORDERED, methods_of
from kit.random_calls import PREPARED as ALL_PREPARED
from kit.random_calls import random_call as any_call

CALLS = int(os.environ.get("HUTCH_CALLS", 300))
SEED = int(os.environ.get("HUTCH_CALLS_SEED", 1))
ROUND = 50                       # calls on one state
WAYS = [{"protocol": protocol, "decode_responses": decode} for protocol, decode in product((2, 3, None), (False, True))]
NAMES = [f"{'RESP' + str(way['protocol']) if way['protocol'] else 'default'}-{'str' if way['decode_responses'] else 'bytes'}" for way in WAYS]

COMMANDS = frozenset(command.lower() for command in hutch.Redis(decode_responses=True).command_list())
METHODS = methods_of(COMMANDS)
PREPARED = [call for call in ALL_PREPARED if call[0] in METHODS]

pytestmark = pytest.mark.filterwarnings("ignore")


def comparable(method, kind, *found):
    """What two clients must have in common."""
    if kind == "raised":
        error = found[0]
        # A method written in another language words it in another way.
        return (kind, type(error), str(error)) if not isinstance(error, (TypeError, AttributeError, ValueError)) else (kind, type(error))
    value = found[0]
    if isinstance(value, Exception):
        return type(value), str(value)
    if method in BY_TYPE:
        return kind, type(value), bool(value)
    if method in UNORDERED and isinstance(value, (list, set)):
        return kind, type(value), sorted(map(repr, value))
    return kind, repr(value) if value != value else value, types_of(value) if not isinstance(value, set) else type(value)


def random_call(rng, wrong=0.1):
    return any_call(rng, wrong, METHODS)


def test_most_methods_take_part():
    assert len(METHODS) > 150 and {"get", "set", "zadd", "xadd", "hset", "blpop", "eval", "sort", "lcs", "expire"} <= set(METHODS)


def outcome(client, method, args, named):
    try:
        return "value", getattr(client, method)(*args, **named)
    except Exception as error:
        return "raised", error


def state_of(client):
    """All keys and what they hold, as a plain client sees it."""
    found = {}
    for key in sorted(client.keys()):
        kind = client.type(key)
        found[key] = kind, client.object("encoding", key), client.ttl(key) > 0, {
            b"string": client.get, b"hash": client.hgetall, b"list": lambda k: client.lrange(k, 0, -1), b"set": lambda k: sorted(client.smembers(k)),
            b"zset": lambda k: client.zrange(k, 0, -1, withscores=True), b"stream": client.xrange}[kind](key)
    return found


def retry(of=Retry):
    return of(NoBackoff(), 1)


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_calls(oracle, way):
    rng = random.Random(f"{SEED} {way}")
    for _ in range(max(1, CALLS // ROUND)):
        there, here = redis.Redis(host=oracle.host, port=oracle.port, retry=retry(), **said(way)), hutch.Redis(**way)
        there.flushall(), there.script_flush()
        made = []
        for method, args, named in [*PREPARED, *[random_call(rng) for _ in range(ROUND)]]:
            made.append((method, args, named))
            theirs, mine = (comparable(method, *outcome(client, method, args, named)) for client in (there, here))
            assert mine == theirs, (SEED, made[-1], made[len(PREPARED):-1])
        compare_states(oracle, here, made)


def compare_states(oracle, here, made):
    there, mine = redis.Redis(host=oracle.host, port=oracle.port), hutch.Redis(store=here.store)
    assert state_of(mine) == state_of(there), (SEED, made)


@pytest.mark.parametrize("transaction", [False, True], ids=["plain", "atomic"])
@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_pipelines(oracle, way, transaction):
    rng = random.Random(f"{SEED} {way} {transaction}")
    for _ in range(max(1, CALLS // ROUND // 2)):
        there, here = redis.Redis(host=oracle.host, port=oracle.port, retry=retry(), **said(way)), hutch.Redis(**way)
        there.flushall(), there.script_flush()
        made = []
        for method, args, named in PREPARED:
            for client in (there, here):
                getattr(client, method)(*args, **named)
        for _ in range(8):
            theirs, mine = there.pipeline(transaction), here.pipeline(transaction)
            raising, names = rng.random() < 0.5, []
            for _ in range(rng.randint(1, 8)):
                method, args, named = random_call(rng, 0.05)
                made.append((method, args, named))
                gathered = [outcome(pipe, method, args, named) for pipe in (theirs, mine)]
                assert gathered[0][0] == gathered[1][0], (SEED, made)
                if gathered[0][0] == "raised":
                    assert type(gathered[0][1]) is type(gathered[1][1]), (SEED, made)
                else:
                    names.append(method)
            results = [outcome(pipe, "execute", (), {"raise_on_error": raising}) for pipe in (theirs, mine)]
            if results[0][0] == results[1][0] == "value":
                assert len(results[0][1]) == len(results[1][1]), (SEED, made)
                for i, pair in enumerate(zip(*(result[1] for result in results))):
                    name = names[i] if len(names) == len(results[0][1]) else "spop"
                    theirs, mine = (comparable(name, "value", value) for value in pair)
                    assert mine == theirs, (SEED, name, made)
            else:
                theirs, mine = (comparable("", *result) for result in results)
                assert mine == theirs, (SEED, made)
        compare_states(oracle, here, made)


def said(way):
    """What is given of it: some versions of redis-py fail at a protocol of None (6.4 sends it, 7.2 has none then)."""
    return {name: value for name, value in way.items() if value is not None}


async def async_outcome(client, method, args, named):
    try:
        return "value", await getattr(client, method)(*args, **named)
    except Exception as error:
        return "raised", error


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_asyncio_calls(oracle, way):
    async def main():
        rng = random.Random(f"{SEED} {way} asyncio")
        for _ in range(max(1, CALLS // ROUND)):
            there = redis.asyncio.Redis(host=oracle.host, port=oracle.port, retry=retry(redis.asyncio.retry.Retry), **said(way))
            here = hutch.asyncio.Redis(**way)
            await there.flushall(), await there.script_flush()
            made = []
            for method, args, named in [*PREPARED, *[random_call(rng) for _ in range(ROUND)]]:
                made.append((method, args, named))
                theirs = comparable(method, *await async_outcome(there, method, args, named))
                mine = comparable(method, *await async_outcome(here, method, args, named))
                assert mine == theirs, (SEED, made[-1], made[len(PREPARED):-1])
            compare_states(oracle, here, made)
            await there.aclose()
            await here.aclose()
    asyncio.run(main())


@pytest.mark.parametrize("transaction", [False, True], ids=["plain", "atomic"])
@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_asyncio_pipelines(oracle, way, transaction):
    async def main():
        rng = random.Random(f"{SEED} {way} {transaction} asyncio")
        for _ in range(max(1, CALLS // ROUND // 4)):
            there = redis.asyncio.Redis(host=oracle.host, port=oracle.port, retry=retry(redis.asyncio.retry.Retry), **said(way))
            here = hutch.asyncio.Redis(**way)
            await there.flushall(), await there.script_flush()
            made = []
            for method, args, named in PREPARED:
                for client in (there, here):
                    await getattr(client, method)(*args, **named)
            for _ in range(8):
                pipes = there.pipeline(transaction), here.pipeline(transaction)
                names = []
                for _ in range(rng.randint(1, 8)):
                    method, args, named = random_call(rng, 0.05)
                    made.append((method, args, named))
                    gathered = [outcome(pipe, method, args, named) for pipe in pipes]
                    for kind, value in gathered:
                        if asyncio.iscoroutine(value):
                            value.close()
                    assert gathered[0][0] == gathered[1][0], (SEED, made)
                    names.append(method)
                results = [await async_outcome(pipe, "execute", (), {"raise_on_error": False}) for pipe in pipes]
                if results[0][0] == results[1][0] == "value" and len(results[0][1]) == len(results[1][1]) == len(names):
                    for name, *pair in zip(names, *(result[1] for result in results)):
                        theirs, mine = (comparable(name, "value", value) for value in pair)
                        assert mine == theirs, (SEED, name, made)
                elif results[0][0] == "raised":
                    theirs, mine = (comparable("", *result) for result in results)
                    assert mine == theirs, (SEED, made)
                else:
                    assert [r[0] for r in results] == ["value"] * 2 and len(results[0][1]) == len(results[1][1]), (SEED, made)
            compare_states(oracle, here, made)
            await there.aclose()
            await here.aclose()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(main())
