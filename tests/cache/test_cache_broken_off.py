"""What is left when something breaks off in the middle: cancelled tasks, event loops that end, functions that raise, values without bytes."""
import asyncio
import functools
import threading

import pytest

import hutch
from hutch.cache import (
    AsyncCache, AsyncReadThrough, AsyncWriteBehind, AsyncWriteThrough, Cache, CacheKeyError, NotSerializableError, ReadThrough, WriteThrough)
from hutch.cache.serializers import Json


class Cancelling:
    """Stands before an AsyncStore's `script`: the nth call is cancelled, before it is sent or after the store has done it."""

    def __init__(self, store, nth, after):
        self.store, self.script, self.left, self.after = store, store.script, nth, after
        store.script = self

    async def __call__(self, script, keys, words):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise asyncio.CancelledError
        reply = await self.script(script, keys, words)
        if self.left == 0:
            raise asyncio.CancelledError
        return reply

    def end(self):
        """Let all calls through again."""
        self.store.script = self.script


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_cancelled_write_through_leaves_no_lease_and_no_older_value(nth, after):
    async def go():
        source = {"k": 1}

        async def write(key, value):
            source[key] = value

        async def load(key):
            return source.get(key)

        async with AsyncCache(ttl=60) as cache:
            users = AsyncWriteThrough(cache, "user", write=write, load=load)
            assert await users.get("k") == 1
            cancelling = Cancelling(cache._store, nth, after)
            try:
                await users.set("k", 2)
            except asyncio.CancelledError:
                pass
            cancelling.end()
            assert not await cache.client.keys("*!lease:*")
            assert await users.get("k") == source["k"]
    asyncio.run(go())


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, 7))
def test_a_cancelled_read_of_many_leaves_no_lease(nth, after):
    async def go():
        async def load_many(keys):
            return dict.fromkeys(keys, 1)

        async with AsyncCache(ttl=60) as cache:
            users = AsyncReadThrough(cache, "user", load_many=load_many)
            cancelling = Cancelling(cache._store, nth, after)
            with pytest.raises(asyncio.CancelledError):
                await users.get_many(["a", "b", "c"])
            cancelling.end()
            assert not await cache.client.keys("*!lease:*")
            assert await users.get_many(["a", "b", "c"]) == {"a": 1, "b": 1, "c": 1}
    asyncio.run(go())


def test_many_whose_values_have_no_bytes_leave_no_lease():
    with Cache(ttl=60) as cache:
        users = ReadThrough(cache, "user", load_many=lambda keys: {key: object() for key in keys})
        with pytest.raises(NotSerializableError):
            users.get_many(["a", "b", "c"])
        assert not cache.client.keys("*")
        nothing = ReadThrough(cache, "none", load_many=lambda keys: None)
        with pytest.raises(AttributeError):
            nothing.get_many(["a", "b"])
        assert not cache.client.keys("*")


def test_a_ttl_that_is_none_leaves_no_older_value():
    source = {"k": 1}
    with Cache(ttl=lambda value: -1 if value == 2 else 60) as cache:
        users = WriteThrough(cache, "user", load=source.get, write=source.__setitem__)
        assert users.get("k") == 1
        with pytest.raises(ValueError, match="ttl"):
            users.set("k", 2)
        assert source == {"k": 2} and not cache.client.keys("*")


def run_and_close(coroutine):
    """As tests of old did: a loop that is closed with tasks in it that nobody ended."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("run", [asyncio.run, run_and_close])
def test_write_behind_goes_on_in_another_event_loop(run):
    written = {}

    async def write(key, value):
        written[key] = value

    cache = AsyncCache(ttl=60)
    behind = AsyncWriteBehind(cache, "user", write=write, gather=0.0)

    async def set_only(key):
        await behind.set(key, 1)
        await asyncio.sleep(0)

    async def set_and_flush(key):
        await behind.set(key, 2)
        await behind.flush()

    async def end():
        await behind.close()
        await cache.close()

    run(set_only("a"))
    run(set_and_flush("b"))
    run(end())
    assert written == {"a": 1, "b": 2}


def test_a_background_that_never_began_is_waited_for_by_nobody():
    async def go():
        async with AsyncCache(ttl=0.01, stale=60, background=True) as cache:
            calls = []

            @cache.cached
            async def number():
                calls.append(1)
                return len(calls)

            assert await number() == 1
            await asyncio.sleep(0.02)
            assert await number() == 1
            for task in list(cache._tasks):
                task.cancel()
            for _ in range(3):           # the task ends, then its callback runs
                await asyncio.sleep(0)
            assert not len(cache._flows.flights)
            assert await number() == 1 and cache._tasks
            await asyncio.wait(list(cache._tasks))
            assert len(calls) == 2
    asyncio.run(go())


def test_without_a_thread_nobody_waits():
    with Cache(ttl=60, timeout=5) as cache:
        def refuse(*args):
            raise RuntimeError("can't start new thread")
        spawn, cache._spawn = cache._spawn, refuse
        with pytest.raises(RuntimeError, match="thread"):
            cache.get_or_set("k", lambda: 1)
        cache._spawn = spawn
        assert not len(cache._flows.flights) and cache.get_or_set("k", lambda: 1) == 1


class Two(Exception):
    """Made of two arguments."""

    def __init__(self, first, second):
        super().__init__(first, second)
        self.second = second


class Named(Exception):
    """Cannot be made of its text."""

    def __init__(self, *, code):
        super().__init__("text")
        self.code = code


def test_errors_of_negative_caching_are_made_anew():
    with Cache(ttl=60, negative_ttl=60) as cache:
        calls = []

        def fail(error):
            @cache.cached(negative_errors=type(error), prefix=type(error).__name__)
            def function():
                calls.append(1)
                raise error
            return function

        for error, asked in ((Two("a", 2), 1), (Named(code=5), 2), (FileNotFoundError(2, "nothing"), 1), (KeyError("x"), 1), (LookupError(), 1)):
            function = fail(error)
            calls.clear()
            for _ in range(2):
                with pytest.raises(type(error)) as caught:
                    function()
                assert caught.value.args == error.args
            assert len(calls) == asked
        function = fail(Two("a", object()))            # of its text alone it cannot be made
        cache.clear()
        for _ in range(2):
            with pytest.raises(Two):
                function()


@pytest.mark.parametrize("options", [
    {"ttl": float("inf")}, {"ttl": float("nan")}, {"ttl": 1e17}, {"ttl": 0}, {"ttl": -1}, {"stale": float("inf")}, {"stale": float("nan")},
    {"timeout": float("inf")}, {"lease": float("inf")}, {"negative_ttl": float("inf")}, {"negative_ttl": float("nan")},
    {"retry_after": float("inf")}, {"soft_timeout": 1e12, "stale": 1}])
def test_times_that_nobody_can_count_are_refused(options):
    with pytest.raises(ValueError, match=list(options)[0]):
        Cache(**{"ttl": 60, **options})


def test_a_function_without_a_name_needs_a_prefix():
    with Cache(ttl=60) as cache:
        power = functools.partial(pow, 2)
        with pytest.raises(CacheKeyError, match="prefix="):
            cache.cached(power)
        assert cache.cached(prefix="power")(power)(3) == 8 and cache.get("power(3)") is None
        assert cache.cached(key=lambda number: f"power:{number}")(power)(3) == 8 and cache.get("power:3") == 8
        for descriptor in (classmethod(lambda cls: 1), property(lambda self: 1)):
            with pytest.raises(TypeError, match="above"):
                cache.cached(descriptor)

        class Thing:
            @classmethod
            @cache.cached
            def name(cls, number):
                return f"{cls.__name__}{number}"

            @staticmethod
            @cache.cached
            def double(number):
                return 2 * number

        assert Thing.name(1) == Thing().name(1) == "Thing1" and Thing.double(2) == Thing().double(2) == 4


def test_tags_are_text_or_bytes():
    with Cache(ttl=60) as cache:
        cache.set("k", 1, tags=("a", b"b", "é"))
        assert cache.invalidate_tags("é".encode()) == 1
        with pytest.raises(CacheKeyError, match="text or bytes"):
            cache.set("k", 1, tags=(5,))
        assert cache.get("k") is None


def test_json_of_somebody_else_is_a_miss():
    with pytest.raises(ValueError):
        Json().loads(b"[" * 200_000)
    with hutch.Redis() as client, Cache(client, ttl=60, serializer="json") as cache:
        client.set("cache:k", b"j\0" + b"[" * 200_000)
        assert cache.get("k", "nothing") == "nothing"


@pytest.mark.parametrize("where", ["join", "me", "leave", "_claim"])
def test_an_interrupt_leaves_no_flight(monkeypatch, where):
    with Cache(ttl=60) as cache:
        calls = []
        of = cache._flows if where == "_claim" else cache._flows.flights
        done = getattr(of, where)

        def interrupted(*args, **kwargs):
            done(*args, **kwargs)
            raise KeyboardInterrupt
        monkeypatch.setattr(of, where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.get_or_set("k", lambda: calls.append(1))
        monkeypatch.undo()
        assert not len(cache._flows.flights)
        cache.client.delete("cache!lease:k")
        for _ in range(2):
            cache.get_or_set("k", lambda: calls.append(1))
        assert len(calls) <= 2


def test_write_behind_in_two_event_loops_has_one_task():
    written, tasks = {}, set()

    async def write(key, value):
        written[key] = value

    cache = AsyncCache(ttl=60)
    behind = AsyncWriteBehind(cache, "user", write=write, gather=0.0)
    barrier = threading.Barrier(2)

    async def set_some(number):
        if number:                       # the first one's loop has the task
            await asyncio.to_thread(barrier.wait)
        for at in range(10):
            await behind.set((number, at), at)
            tasks.add(behind._task)
            await asyncio.sleep(0.001)
        if not number:
            await asyncio.to_thread(barrier.wait)
            await asyncio.to_thread(barrier.wait)
        else:
            await asyncio.to_thread(barrier.wait)

    threads = [threading.Thread(target=asyncio.run, args=(set_some(number),)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tasks) == 1

    async def end():
        await behind.close()
        await cache.close()
    asyncio.run(end())
    assert len(written) == 20
