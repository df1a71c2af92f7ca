"""Compiled pipelines: what redis-py's own way gathers, runs, counts and raises."""
import inspect
import threading

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.client import Pipeline as RedisPipeline

import hutch
from hutch.client import Pipeline

METHODS = ["set", "get", "incr", "incrby", "decr", "decrby", "delete", "expire", "hset", "hget", "hgetall", "lpush", "rpush", "lpop",
           "rpop", "lrange", "sadd", "srem", "smembers", "zadd", "zscore", "zincrby", "execute"]


class General(hutch.Redis):
    """The same client on the slow path, its pipelines too."""

    def execute_command(self, *args, **options):
        return super().execute_command(*args, **options)


@pytest.mark.parametrize("name", METHODS)
def test_signature(name):
    mine = inspect.signature(getattr(Pipeline, name)).parameters
    theirs = inspect.signature(getattr(RedisPipeline, name)).parameters
    if redis.VERSION >= (8, 1):
        assert list(mine) == list(theirs)
    shared = [parameter for parameter in theirs if parameter != "self"]
    assert [mine[p].default for p in shared] == [theirs[p].default for p in shared]
    assert getattr(Pipeline, name).__doc__


KEYS = st.sampled_from(["k", "l", b"m", "ü"])
WORDS = st.sampled_from(["a", "b", b"c", "é", "", 7, -12, 1.5, "x" * 600, None])


def call(name, *arguments, **options):
    return st.tuples(st.just(name), st.tuples(*arguments), st.fixed_dictionaries({}, optional=options))


CALLS = st.one_of(
    call("set", KEYS, WORDS), call("set", KEYS, WORDS, nx=st.booleans(), ex=st.sampled_from([None, 100, -1])), call("get", KEYS),
    call("incr", KEYS), call("incrby", KEYS, st.sampled_from([5, "x", 2 ** 64])), call("decr", KEYS), call("delete", KEYS, KEYS),
    call("delete"), call("expire", KEYS, st.sampled_from([100, -1, "5"])), call("expire", KEYS, st.just(50), nx=st.booleans()),
    call("hset", KEYS, WORDS, WORDS), call("hset", KEYS, mapping=st.dictionaries(st.sampled_from("ab"), WORDS, max_size=3)),
    call("hget", KEYS, WORDS), call("hgetall", KEYS), call("lpush", KEYS, WORDS, WORDS), call("lpush", KEYS), call("rpush", KEYS, WORDS),
    call("lpop", KEYS, count=st.sampled_from([None, 1, 0, -1])), call("rpop", KEYS), call("lrange", KEYS, st.just(0), st.just(-1)),
    call("sadd", KEYS, WORDS), call("srem", KEYS, WORDS), call("smembers", KEYS),
    call("zadd", KEYS, st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, 2.5, "inf", "x"]), max_size=2)), call("zscore", KEYS, st.just("a")),
    call("zincrby", KEYS, st.sampled_from([1, 0.5, "x"]), st.just("a")),
    call("append", KEYS, st.just("z")), call("type", KEYS), call("execute_command", st.sampled_from(["PING", "NOPE", "GET"])),
    call("zrange", KEYS, st.just(0), st.just(-1), withscores=st.booleans()), call("object", st.just("ENCODING"), KEYS))


def run(client, pipelines):
    found = []
    for transaction, raising, calls in pipelines:
        pipe = client.pipeline(transaction=transaction)
        try:
            for name, arguments, options in calls:
                result = getattr(pipe, name)(*arguments, **options)
                assert result is pipe or name == "execute"
            found.append(len(pipe))
            found.append([(type(r), str(r)) if isinstance(r, Exception) else r for r in pipe.execute(raising)])
        except Exception as error:
            found.append((type(error), str(error)))
        found.append((len(pipe), [words for words, _ in pipe.command_stack], pipe.watching, pipe.explicit_transaction))
        pipe.reset()                                 # gathering may have ended with an error
        found.append(pipe.ping().execute())          # it can be used again
    return found


@pytest.mark.parametrize("protocol", [None, 2, 3])
@settings(max_examples=60, deadline=None)
@given(decode=st.booleans(), pipelines=st.lists(st.tuples(st.booleans(), st.booleans(), st.lists(CALLS, max_size=12)), max_size=6))
def test_same_as_the_general_way(protocol, decode, pipelines):
    hot, general = (kind(decode_responses=decode, protocol=protocol) for kind in (hutch.Redis, General))
    hot.ping()
    general.ping()
    assert hot._hot and not general._hot
    assert run(hot, pipelines) == run(general, pipelines)
    mine, theirs = ({name: (stat["calls"], stat["failed_calls"]) for name, stat in client.info("commandstats").items()
                     if name not in ("cmdstat_hello", "cmdstat_client|setinfo", "cmdstat_info")} for client in (hot, general))
    # A queue that is refused as a whole has been counted before it came to that.
    if not any(name in ("execute_command", "delete", "lpush") or None in arguments for _, _, calls in pipelines for name, arguments, _ in calls):
        assert mine == theirs


def test_the_stack_is_redis_pys_when_looked_at():
    r = hutch.Redis()
    r.ping()
    pipe = r.pipeline()
    pipe.set("a", 1).get("a").append("a", "x").incr("b")
    assert [words for words, _ in pipe.command_stack] == [("SET", "a", 1), ("GET", "a"), ("APPEND", "a", "x"), ("INCRBY", "b", 1)]
    assert len(pipe) == 4 and bool(pipe) and pipe.execute() == [True, b"1", 2, 1]
    pipe.set("a", 2)
    pipe.reset()
    assert len(pipe) == 0 and pipe.execute() == [] and r.get("a") == b"1x"


def test_watching():
    r = hutch.Redis()
    other = hutch.Redis(store=r.store)
    r.set("k", 1)
    with r.pipeline() as pipe:
        pipe.watch("k")
        assert pipe.get("k") == b"1"             # at once
        pipe.multi()
        pipe.set("k", 2).get("k")
        assert pipe.execute() == [True, b"2"]
        pipe.watch("k")
        pipe.multi()
        pipe.set("k", 3)
        other.set("k", 9)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    # And the other way round: a compiled pipeline's changes are seen by who watches.
    for transaction in (True, False):
        with other.pipeline() as watcher:
            watcher.watch("k")
            r.pipeline(transaction=transaction).set("k", 5).execute()
            watcher.multi()
            watcher.ping()
            with pytest.raises(redis.WatchError):
                watcher.execute()


def test_a_transaction_is_atomic():
    r = hutch.Redis()
    stop, seen = threading.Event(), set()

    def look():
        while not stop.is_set():
            seen.add(tuple(r.mget("a", "b")))

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(300):
        r.pipeline().set("a", number).set("b", number).execute()
    stop.set()
    thread.join()
    assert all(a == b for a, b in seen)


def test_waiters_are_served_after_it():
    r = hutch.Redis()
    got = []
    waiter = threading.Thread(target=lambda: got.append(hutch.Redis(store=r.store).blpop("k", 10)))
    waiter.start()
    while not r.info("clients")["blocked_clients"]:
        pass
    assert r.pipeline().rpush("k", 1).rpush("k", 2).lrange("k", 0, -1).execute() == [1, 2, [b"1", b"2"]]
    waiter.join(60)
    assert got == [(b"k", b"1")] and r.lrange("k", 0, -1) == [b"2"]


def test_long_ones_and_long_replies():
    r = hutch.Redis()
    pipe = r.pipeline()
    for number in range(2000):
        pipe.set(f"k{number}", number)
    assert pipe.execute() == [True] * 2000
    for number in range(500):
        pipe.get(f"k{number}").lpush("l", "x" * 100)
    assert len(pipe.execute()) == 1000
    assert pipe.lrange("l", 0, -1).get("k7").execute() == [[b"x" * 100] * 500, b"7"]


def test_callbacks_and_subclasses():
    r = hutch.Redis()
    r.set_response_callback("GET", lambda response, **options: ("mine", response))
    assert r.pipeline().set("k", "v").get("k").execute() == [True, ("mine", b"v")]

    class Loud(Pipeline):
        seen = []

        def execute_command(self, *args, **options):
            self.seen.append(args[0])
            return super().execute_command(*args, **options)

    other = hutch.Redis()
    pipe = Loud(other.connection_pool, other.response_callbacks, True, None)
    assert pipe.set("k", 1).get("k").execute() == [True, b"1"] and Loud.seen == ["SET", "GET"]
