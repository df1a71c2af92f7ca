"""The compiled methods of the collections: redis-py's signatures, the slow path's results."""
import inspect
import threading

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

import hutch

METHODS = ["hset", "hget", "hgetall", "hmget", "lpush", "rpush", "lpop", "rpop", "lrange", "sadd", "srem", "sismember",
           "smembers", "zadd", "zscore", "zincrby", "zrange", "zrank", "expire", "xadd"]


class General(hutch.Redis):
    """The same client on the slow path."""

    def execute_command(self, *args, **options):
        return super().execute_command(*args, **options)


@pytest.mark.parametrize("name", METHODS)
def test_signature(name):
    mine = inspect.signature(getattr(hutch.Redis, name)).parameters
    theirs = inspect.signature(getattr(redis.Redis, name)).parameters
    if redis.VERSION >= (8, 1):
        assert list(mine) == list(theirs)
    shared = [parameter for parameter in theirs if parameter != "self"]
    assert [mine[p].default for p in shared] == [theirs[p].default for p in shared]
    assert [mine[p].kind for p in shared] == [theirs[p].kind for p in shared]
    assert getattr(hutch.Redis, name).__doc__


KEYS = st.sampled_from(["k", "l", b"m", "ü", "long" * 200])
WORDS = st.one_of(st.sampled_from(["a", "b", "c", b"d", "é", "", "x" * 600, 0, 7, -12]), st.integers(-2 ** 65, 2 ** 65),
                  st.floats(allow_nan=False), st.binary(max_size=5),
                  st.sampled_from([None, True, bytearray(b"ab"), memoryview(b"cd"), object]))
MEMBERS = st.sampled_from(["a", "b", b"c", "é", 5])
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(), st.integers(-2 ** 70, 2 ** 70),
                    st.sampled_from(["1", b"-1", "inf", "-inf", "x", None, float("inf"), -0.0, 1e300, 0.1]))
ENTRY_IDS = st.sampled_from(["1-1", "2-1", b"2-*", "3-*", "9-9", 5, "x", None, 1.5])      # none that the clock makes
INDEXES = st.one_of(st.integers(-5, 5), st.sampled_from(["0", b"-1", "x", 1.5, None, 2 ** 64]))


def call(name, *arguments, **options):
    return st.tuples(st.just(name), st.tuples(*arguments), st.fixed_dictionaries({}, optional=options))


FLAGS = {name: st.booleans() for name in ("nx", "xx", "gt", "lt")}
CALLS = st.one_of(
    call("hset", KEYS, MEMBERS, WORDS), call("hset", KEYS, mapping=st.dictionaries(MEMBERS, WORDS, max_size=4)),
    call("hset", KEYS, items=st.lists(MEMBERS, max_size=3), key=st.sampled_from(["a", None]), value=WORDS),
    call("hget", KEYS, MEMBERS), call("hgetall", KEYS),
    call("hmget", KEYS, st.one_of(MEMBERS, st.lists(MEMBERS, max_size=4), st.tuples(MEMBERS, MEMBERS), st.frozensets(MEMBERS, max_size=1))),
    call("hmget", KEYS, st.lists(MEMBERS, max_size=2), MEMBERS),
    call("lpush", KEYS), call("lpush", KEYS, WORDS), call("rpush", KEYS, WORDS, WORDS), call("rpush", KEYS, *[WORDS] * 20),
    call("lpop", KEYS, count=INDEXES), call("rpop", KEYS, count=INDEXES), call("lrange", KEYS, INDEXES, INDEXES),
    call("sadd", KEYS, WORDS), call("sadd", KEYS, MEMBERS, MEMBERS, WORDS), call("srem", KEYS, MEMBERS, MEMBERS), call("srem", KEYS),
    call("sismember", KEYS, WORDS), call("smembers", KEYS),
    call("zadd", KEYS, st.dictionaries(MEMBERS, NUMBERS, max_size=4)),
    call("zadd", KEYS, st.dictionaries(MEMBERS, NUMBERS, max_size=2), **FLAGS, ch=st.booleans(), incr=st.booleans()),
    call("zscore", KEYS, MEMBERS), call("zincrby", KEYS, NUMBERS, MEMBERS), call("zrange", KEYS, INDEXES, INDEXES),
    call("zrange", KEYS, INDEXES, INDEXES, desc=st.booleans(), withscores=st.booleans(), score_cast_func=st.sampled_from([float, str])),
    call("zrange", KEYS, st.sampled_from(["-", "(a", 0]), st.sampled_from(["+", "[c", 3]), byscore=st.booleans(), bylex=st.booleans(),
         offset=st.integers(0, 2), num=st.integers(-1, 2)),
    call("zrank", KEYS, MEMBERS), call("zrank", KEYS, MEMBERS, withscore=st.booleans()),
    call("expire", KEYS, st.one_of(st.integers(-1, 5000), st.sampled_from(["100", 1.5, None, 2 ** 63])), **FLAGS),
    call("xadd", KEYS, st.dictionaries(MEMBERS, WORDS, max_size=4), ENTRY_IDS),
    call("xadd", KEYS, st.dictionaries(MEMBERS, MEMBERS, min_size=1, max_size=2), ENTRY_IDS, maxlen=st.sampled_from([0, 1, 3, -1, True, "2", None]),
         approximate=st.booleans(), nomkstream=st.booleans(), minid=st.sampled_from([None, "3-0"]), limit=st.sampled_from([None, 5]),
         ref_policy=st.sampled_from([None, "KEEPREF", "x"])),
    call("xrange", KEYS), call("ttl", KEYS), call("delete", KEYS), call("set", KEYS, MEMBERS))


def outcome(client, name, arguments, options):
    try:
        found = getattr(client, name)(*arguments, **options)
    except Exception as error:
        return type(error), str(error)
    return type(found), repr(found) if isinstance(found, float) else found


@pytest.mark.parametrize("protocol", [None, 2, 3])
@settings(max_examples=60, deadline=None)
@given(decode=st.booleans(), calls=st.lists(CALLS, max_size=40))
def test_same_as_the_general_way(protocol, decode, calls):
    hot, general = (kind(decode_responses=decode, protocol=protocol) for kind in (hutch.Redis, General))
    hot.ping()
    general.ping()
    assert hot._hot and not general._hot
    for name, arguments, options in calls:
        assert outcome(hot, name, arguments, options) == outcome(general, name, arguments, options), (name, arguments, options)
    mine, theirs = ({name: (stat["calls"], stat["failed_calls"]) for name, stat in client.info("commandstats").items()
                     if name not in ("cmdstat_hello", "cmdstat_client|setinfo", "cmdstat_info")} for client in (hot, general))
    assert mine == theirs
    for section, fields in (("stats", ("keyspace_hits", "keyspace_misses", "total_error_replies")),
                            ("persistence", ("rdb_changes_since_last_save",))):
        mine, theirs = hot.info(section), general.info(section)
        assert {f: mine[f] for f in fields} == {f: theirs[f] for f in fields}


@pytest.mark.parametrize("size", [0, 1, 100, 1000, 100_000])
def test_long_replies(size):
    r = hutch.Redis()
    r.ping()
    words = [b"%d" % i for i in range(size)]
    if size:
        r.rpush("l", *words)
        r.sadd("s", *words)
        r.zadd("z", {word: i for i, word in enumerate(words)})
        r.hset("h", mapping={word: word * 2 for word in words})
    for _ in range(2):                       # the first one gives its buffer away
        assert r.lrange("l", 0, -1) == words
        assert r.zrange("z", 0, -1) == words
        assert r.smembers("s") == set(words)
        assert r.hgetall("h") == {word: word * 2 for word in words}
        assert r.hmget("h", words or ["none"]) == ([word * 2 for word in words] or [None])


def test_watchers_and_waiters_are_told():
    r, other = hutch.Redis("told"), hutch.Redis("told")
    for change in (lambda: other.hset("k", "f", 1), lambda: other.sadd("k", 1), lambda: other.zadd("k", {"m": 1}),
                   lambda: other.rpush("k", 1), lambda: other.set("k", 1), lambda: other.incr("k"), lambda: other.delete("k"),
                   lambda: (other.set("k", 1), other.expire("k", 100))):
        r.delete("k")
        if change is not None:
            with r.pipeline() as pipe:
                if "delete" in change.__code__.co_names or "incr" in change.__code__.co_names:
                    r.set("k", 1)
                pipe.watch("k")
                change()
                pipe.multi()
                pipe.ping()
                with pytest.raises(redis.WatchError):
                    pipe.execute()
    r.delete("k")
    got = []
    waiter = threading.Thread(target=lambda: got.append(r.blpop("k", 10)))
    waiter.start()
    while not other.info("clients")["blocked_clients"]:
        pass
    assert other._hot and other.rpush("k", "served") == 1
    waiter.join(60)
    assert got == [(b"k", b"served")] and other.exists("k") == 0


def test_a_reply_that_is_no_text():
    r = hutch.Redis(decode_responses=True)
    r.rpush("l", b"\xff")
    with pytest.raises(UnicodeDecodeError):
        r.lrange("l", 0, -1)
    with pytest.raises(UnicodeDecodeError):
        r.lpop("l")
    assert r.exists("l") == 0


def test_other_encodings():
    r = hutch.Redis(encoding="latin-1", decode_responses=True)
    r.rpush("l", "ä")
    assert r.lrange("l", 0, -1) == ["ä"]
    assert hutch.Redis(store=r.store).lrange("l", 0, -1) == [b"\xe4"]


def test_threads_share_a_client():
    r = hutch.Redis()
    r.ping()
    r.rpush("l", *range(2000))
    expected = [b"%d" % i for i in range(2000)]
    wrong = []

    def work(i):
        for turn in range(300):
            if r.lrange("l", 0, -1) != expected or r.lrange("l", i, i) != [expected[i]]:
                wrong.append(i)
            r.hset("h", f"{i}", turn)
            if r.hget("h", f"{i}") != b"%d" % turn or r.zincrby("z", 1, f"{i}") != turn + 1:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
