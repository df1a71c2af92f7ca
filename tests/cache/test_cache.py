"""Cached functions and values: deadlines, failures, tags, and what is kept of them."""
import inspect
import threading

import pytest
import redis

import hutch
from hutch.cache import Cache, CacheTimeoutError, NotSerializableError, Options


def counted(function):
    calls = []

    def called(*args, **kwargs):
        calls.append(args)
        return function(*args, **kwargs)
    called.calls = calls
    called.__name__ = called.__qualname__ = "called"
    return called


def test_a_call_is_answered_from_the_cache(any_client):
    cache = Cache(any_client, ttl=60)
    calls = []

    @cache.cached
    def user(number: int, full: bool = False) -> dict:
        """A user."""
        calls.append(number)
        return {"number": number, "full": full, "raw": b"\xff"}

    expected = {"number": 7, "full": False, "raw": b"\xff"}
    assert user(7) == user(7) == user(number=7) == user(7, full=False) == user(7, False) == expected
    assert calls == [7]
    assert user("7") != user(7) and len(calls) == 2
    assert 0 < any_client.pttl(b"cache:" + user.key(7)) <= 60_000
    assert user.__doc__ == "A user." and inspect.signature(user).parameters["full"].default is False
    assert cache.statistics.hit == 5 and cache.statistics.miss == 2 and cache.statistics.hit_ratio == 5 / 7
    assert user.uncached(7) == expected and len(calls) == 3
    assert user.invalidate(7) == 1 and user.invalidate(7) == 0
    user(7)
    assert len(calls) == 4
    user.put({"number": 0}, 7)
    assert user(7) == {"number": 0} and user.refresh(7) == expected and user(7) == expected
    assert user.invalidate_all() == 2


def test_values_by_key(any_client):
    cache = Cache(any_client, namespace="shop")
    assert cache.get("a") is None and cache.get("a", 5) == 5
    cache.set("a", None)
    assert cache.get("a", 5) is None
    cache.set_many({"b": [1, 2], b"c": (3,)}, ttl=10)
    assert cache.get_many(["a", "b", b"c", "d"]) == {"a": None, "b": [1, 2], b"c": (3,)}
    assert cache.delete("a", "b", "x") == 2
    assert cache.get_or_set("e", lambda: "new") == cache.get_or_set("e", lambda: "newer") == "new"
    assert cache.clear() == 2 and any_client.keys("shop:*") == []


def test_nobody_shares_a_value():
    cache = Cache()

    @cache.cached
    def numbers():
        return [1]
    numbers().append(2)
    numbers().append(3)
    assert numbers() == [1]


def test_values_end_with_their_ttl(held):
    cache = held.cache(ttl=60)
    function = cache.cached(counted(lambda: 1), key="one")
    function()
    held.advance(59.999)
    function()
    assert len(function.uncached.calls) == 1
    held.advance(0.002)
    function()
    assert len(function.uncached.calls) == 2


def test_the_ttl_may_depend_on_the_value_and_jitter_only_shortens(held):
    cache = held.cache(ttl=lambda value: value, jitter=0.5)
    for number in range(1, 200):
        cache.set(str(number), number)
        left = held.client.pttl(f"cache:{number}")
        assert number * 500 <= left <= number * 1000
    with pytest.raises(ValueError):
        cache.set("x", 0)


def test_invalidated_by_tags_at_once(any_client):
    cache = Cache(any_client)

    @cache.cached(tags=lambda number: ["all", f"user:{number}"])
    def user(number):
        return number
    for number in range(1500):
        user(number)
    cache.set("other", 1, tags="all", ttl=5)
    assert cache.invalidate_tags("user:7", "user:8", "nothing") == 2
    assert cache.invalidate_tags("all") == 1499
    assert cache.invalidate_tags("all") == 0
    assert not any_client.keys("cache:*") and not any_client.keys("cache!tag:all")


def test_a_tag_forgets_what_expired(held):
    cache = held.cache()
    for number in range(10):
        cache.set(f"a{number}", 1, ttl=1, tags="t")
    held.advance(2)
    cache.set("b", 1, ttl=1, tags="t")
    assert held.client.zcard("cache!tag:t") == 1
    held.advance(2)
    assert not held.client.exists("cache!tag:t")
    cache.set("c", 1, tags="t")
    cache.set("d", 1, ttl=1, tags="t")
    assert held.client.ttl("cache!tag:t") == -1


@pytest.mark.parametrize("prefix", ["a*", "a[b]", "a\\", "a?c", "ab", "^"])
def test_a_prefix_is_no_pattern(any_client, prefix):
    cache = Cache(any_client)
    others = ["abc", "xa*", "axx", "b"]
    for key in [prefix + "1", prefix + "2", *others]:
        cache.set(key, 1)
    wanted = 2 + sum(key.startswith(prefix) for key in others)
    assert cache.invalidate_prefix(prefix) == wanted


@pytest.mark.parametrize("how", ["delete", "tag", "prefix", "set", "clear"])
def test_what_is_invalidated_while_it_is_computed_is_not_kept(any_client, how):
    cache, other = Cache(any_client, tags="t"), Cache(any_client)

    def compute():
        match how:
            case "delete":
                other.delete("k")
            case "tag":
                other.invalidate_tags("t")
            case "prefix":
                other.invalidate_prefix("k")
            case "clear":
                other.clear()
            case "set":
                other.set("k", "newer")
        return "older"
    assert cache.get_or_set("k", compute) == "older"
    assert cache.get("k") == ("newer" if how == "set" else None)
    assert cache.statistics.discard == 1
    assert not any_client.exists("cache!lease:k")
    assert cache.get_or_set("j", lambda: 1) == 1 and cache.get("j") == 1


def test_a_failed_computation_serves_the_older_value_for_a_while(held):
    cache = held.cache(ttl=10, stale=60, retry_after=5)
    results = iter([1, ValueError("down"), ValueError("down"), 4])

    @cache.cached
    def value():
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result
    assert value() == 1
    held.advance(10.5)
    assert value() == 1 and value() == 1           # once tried, then fresh for 5 seconds
    assert cache.statistics.stale == 1 and cache.statistics.error == 1
    held.advance(5.5)
    assert value() == 1 and cache.statistics.error == 2
    held.advance(5.5)
    assert value() == 4
    held.advance(71)
    results = iter([KeyError("x")])
    with pytest.raises(KeyError):
        value()


def test_errors_are_raised_and_not_kept(held):
    cache = held.cache(ttl=10)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_set("k", lambda: 1 / 0)
    assert held.client.dbsize() == 0
    assert cache.get_or_set("k", lambda: 1) == 1


def test_negative_caching(held):
    cache = held.cache(ttl=100, negative_ttl=5, negative_errors=(LookupError,))
    function = cache.cached(counted(lambda which: {"none": None, "one": 1}[which]))
    for _ in range(2):
        assert function("none") is None
        with pytest.raises(LookupError) as raised:
            function("missing")
    assert raised.value.args == ("missing",) and len(function.uncached.calls) == 2
    held.advance(5.001)
    assert function("none") is None and len(function.uncached.calls) == 3
    assert cache.get(function.key("none"), "default") == "default"
    never = held.cache(negative_ttl=0)
    assert never.get_or_set("n", lambda: None) is None and not held.client.exists("cache:n")


def test_what_is_not_to_be_kept(held):
    cache = held.cache(keep_if=lambda value: value > 1)
    assert cache.get_or_set("a", lambda: 1) == 1 and cache.get_or_set("a", lambda: 2) == 2 and cache.get("a") == 2


def test_early_by_chance(held, monkeypatch):
    cache = held.cache(ttl=100, early=1.0)
    draws = [0.5]
    monkeypatch.setattr("hutch.cache.flows.random.random", lambda: draws[0])
    clock = iter([0.0, 10.0] * 10)
    monkeypatch.setattr("hutch.cache.flows.time.perf_counter", lambda: next(clock))
    values = iter(range(10))

    @cache.cached
    def value():
        return next(values)
    assert value() == 0                            # took 10 seconds: -10 * ln(0.5) is 6.9
    held.advance(93)
    assert value() == 0
    held.advance(0.2)
    assert value() == 1 and cache.statistics.early == 1
    assert value() == 1


def test_soft_and_hard_time_outs(held):
    cache = held.cache(ttl=10, stale=60, soft_timeout=0.02)
    cache.set("k", "old")
    held.advance(11)
    go, done = threading.Event(), []

    def slow():
        go.wait(30)
        return "new"
    cache.on("set", lambda *what: done.append(what))
    assert cache.get_or_set("k", slow) == "old"
    with pytest.raises(CacheTimeoutError):
        cache.get_or_set("j", slow, timeout=0.02)
    assert cache.get_or_set("k", lambda: "another") == "old"     # somebody is at it
    go.set()
    cache.close()
    again = held.cache(ttl=10)
    assert again.get("k") == "new" and again.get("j") == "new"


def test_background_serves_the_older_one_at_once(held):
    cache = held.cache(ttl=10, stale=60, background=True)
    cache.set("k", "old")
    held.advance(11)
    go = threading.Event()
    assert cache.get_or_set("k", lambda: go.wait(30) and "new") == "old"
    assert cache.get_or_set("k", lambda: "third") == "old"
    go.set()
    cache.close()
    assert held.cache().get("k") == "new"


def test_a_function_may_call_itself():
    cache = Cache()

    @cache.cached
    def factorial(number):
        return 1 if number < 2 else number * factorial(number - 1)
    assert factorial(20) == 2432902008176640000

    @cache.cached
    def odd(depth=[2]):
        depth[0] -= 1
        return odd() if depth[0] else "end"
    with pytest.raises(TypeError):
        cache.cached(lambda x: x)(object())


def test_methods(held):
    cache = held.cache()

    class Shop:
        def __init__(self, name):
            self.name = name

        def __cache_key__(self):
            return self.name

        @cache.cached
        def price(self, article):
            return f"{self.name}:{article}"

        @cache.cached(ignore=["self"])
        def tax(self, land):
            return len(land)
    assert Shop("a").price(1) == "a:1" and Shop("b").price(1) == "b:1" and Shop("a").price(1) == "a:1"
    assert cache.statistics.compute == 2
    assert Shop("a").tax("de") == Shop("b").tax("de") == 2 and cache.statistics.compute == 3
    assert Shop.price.invalidate(Shop("a"), 1) == 1


def test_keys_of_the_programs_own(held):
    cache = held.cache()

    @cache.cached(key="user:{user_id}")
    def user(user_id, session=None):
        return user_id
    user(7, session=object())
    assert held.client.exists("cache:user:7") and user.key(7) == b"user:7"

    @cache.cached(key=lambda a, b: f"{a}-{b}")
    def pair(a, b):
        return a
    pair(1, b=2)
    assert held.client.exists("cache:1-2")
    with pytest.raises(TypeError):
        pair.invalidate_all()
    with pytest.raises(TypeError, match="no parameter"):
        cache.cached(key="{x}")(lambda y: y)


def test_a_store_that_is_gone():
    client = redis.Redis(port=1, socket_connect_timeout=0.1, retry=None)
    cache = Cache(client)
    function = cache.cached(counted(lambda: 5), key="k")
    assert function() == 5 and function() == 5 and cache.get("k", 7) == 7
    assert cache.statistics.store_error >= 4
    with pytest.raises(redis.ConnectionError):
        cache.set("k", 1)
    strict = Cache(client, on_store_error="raise")
    for call in (strict.cached(key="k")(lambda: 5), lambda: strict.get("k"), lambda: strict.get_or_set("k", lambda: 1)):
        with pytest.raises(redis.ConnectionError):
            call()


def test_foreign_and_damaged_entries_are_misses(held):
    cache = held.cache()
    for data in (b"", b"m", b"m\0", b"m\0\xc1", b"m\1short", b"m\x04nothing zlib", b"p\0cos\nsystem\n(S'true'\ntR.", b"m\xff\x01", b"j\0[]", b"m\0\x93\1",
                 b"m\2\x92\xa1x\xa1y", b"m\0\xdf\xff\xff\xff\xff", b"m\0" + b"\x91" * 100_000):
        held.client.set("cache:k", data)
        assert cache.get("k", "default") == "default"
        assert cache.get_or_set("k", lambda: 5) == 5
        assert cache.get("k") == 5
    held.client.delete("cache:k")
    held.client.rpush("cache:k", "x")
    assert cache.get_or_set("k", lambda: 6) == 6


def test_what_cannot_be_kept(held):
    cache = held.cache()
    with pytest.raises(NotSerializableError) as raised:
        cache.get_or_set("k", lambda: object)
    assert raised.value.value is object and not held.client.exists("cache!lease:k")
    with pytest.raises(NotSerializableError):
        cache.set("k", {1: object()})


def test_compression(held):
    cache = held.cache(compress_above=100, max_bytes=10_000)
    cache.set("small", "x" * 50)
    cache.set("large", "x" * 5_000)
    cache.set("random", bytes(range(256)))
    assert held.client.strlen("cache:large") < 100 and held.client.strlen("cache:small") == 54
    assert cache.get("large") == "x" * 5_000 and cache.get("random") == bytes(range(256))
    cache.set("bomb", "x" * 20_000)
    assert cache.get("bomb") is None


@pytest.mark.parametrize("serializer", ["msgpack", "json", "pickle", "raw"])
def test_serializers(held, serializer):
    cache = held.cache(serializer=serializer)
    value = b"bytes" if serializer == "raw" else {"a": [1, 2.5, None, True, "\ud800"]}
    function = cache.cached(counted(lambda: value), key="k")
    assert function() == function() == value and len(function.uncached.calls) == 1
    other = held.cache(serializer="json" if serializer != "json" else "msgpack")
    assert other.get("k") is None                  # never decoded by what the bytes say


def test_a_hook_that_fails_stops_nothing(held, monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    cache = held.cache()
    cache.on("hit", lambda *_: 1 / 0)
    cache.set("k", 5)
    assert cache.get("k") == 5 and cache.cached(key="k")(lambda: 6)() == 5
    assert [type(what.exc_value) for what in told] == [ZeroDivisionError] * 2


def test_hooks(held):
    cache = held.cache(ttl=5)
    heard = []
    end = cache.on("*", lambda event, key, detail: heard.append(event))
    function = cache.cached(key="k")(lambda: 1)
    function(), function()
    assert heard == ["miss", "compute", "set", "hit"]
    end()
    function()
    assert len(heard) == 4 and cache.statistics.hit == 2
    with pytest.raises(ValueError):
        cache.on("hits", print)


def test_wrong_options():
    for wrong in ({"ttl": 0}, {"ttl": -1}, {"jitter": 1}, {"soft_timeout": 1}, {"background": True}, {"lease": 0}, {"stale": -1},
                  {"negative_errors": (KeyError,), "ttl": len}):
        with pytest.raises(ValueError):
            Options(**wrong)
    with pytest.raises(TypeError):
        Cache(time_to_live=5)
    with pytest.raises(ValueError):
        Cache(namespace="a:b")
    with pytest.raises(ValueError):
        Cache(serializer="marshal")
    with pytest.raises(TypeError):
        Cache(hutch.asyncio.Redis())

    async def coroutine():
        pass
    with pytest.raises(TypeError, match="AsyncCache"):
        Cache().cached(coroutine)
