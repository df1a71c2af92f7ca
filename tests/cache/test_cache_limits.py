"""Rate limits beside simple models of them, on a clock that is moved and on a real Redis."""
import asyncio
import threading

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import hutch
from hutch.cache import (
    AsyncCache, AsyncSlidingWindow, AsyncTokenBucket, Cache, FixedWindow, RateLimited, SlidingWindow, TokenBucket)

BEGIN_US = 1_700_000_000_000_000


class FixedModel:
    def __init__(self, limit, per_us, burst):
        self.limit, self.per, self.used = limit, per_us, {}

    def hit(self, now, cost):
        window = now // self.per
        used = self.used.get(window, 0)
        allowed = used + cost <= self.limit
        if allowed:
            used = self.used[window] = used + cost
        return allowed, self.limit - used, 0 if allowed else (window + 1) * self.per - now


class SlidingModel:
    def __init__(self, limit, per_us, burst):
        self.limit, self.per, self.times = limit, per_us, []

    def hit(self, now, cost):
        self.times = [time for time in self.times if time > now - self.per]
        allowed = len(self.times) + cost <= self.limit
        wait = 0
        if allowed:
            self.times += [now] * cost
        else:
            wait = self.times[len(self.times) + cost - self.limit - 1] + self.per - now
        return allowed, self.limit - len(self.times), wait


class BucketModel:
    def __init__(self, limit, per_us, burst):
        self.limit, self.per, self.full, self.level, self.at = limit, per_us, burst * per_us, burst * per_us, 0

    def hit(self, now, cost):
        self.level, self.at = min(self.full, self.level + (now - self.at) * self.limit), now
        allowed = cost * self.per <= self.level
        if allowed:
            self.level -= cost * self.per
        return allowed, self.level // self.per, 0 if allowed else -((self.level - cost * self.per) // self.limit)


KINDS = {FixedWindow: FixedModel, SlidingWindow: SlidingModel, TokenBucket: BucketModel}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(limit=st.integers(1, 6), burst=st.integers(1, 8), per_us=st.integers(1, 5_000_000),
       steps=st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 6)), max_size=40))
def test_as_the_model(kind, limit, burst, per_us, steps):
    with hutch.Redis() as client:
        engine = client.store.engine
        now = BEGIN_US
        engine.set_clock_ms(now / 1000)
        real = kind(client, limit=limit, per=per_us / 1_000_000, burst=burst)
        model = KINDS[kind](limit, per_us, burst)
        for pause, cost in steps:
            now += pause
            engine.advance_clock_ms(pause / 1000)
            if cost > real._most:
                with pytest.raises(ValueError):
                    real.hit("k", cost)
                continue
            verdict = real.hit("k", cost)
            assert (verdict.allowed, verdict.remaining, round(verdict.retry_after * 1_000_000)) == model.hit(now, cost)
            assert bool(verdict) is verdict.allowed
            if not verdict and kind is not FixedWindow:
                # Exactly then, and not a microsecond earlier.
                wait = round(verdict.retry_after * 1_000_000)
                if wait > 1:
                    engine.advance_clock_ms((wait - 1) / 1000)
                    assert not real.peek("k").remaining >= cost
                    now += wait - 1
                    model.hit(now, 0)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_on_any_store(any_client, kind):
    limit = kind(any_client, limit=3, per=3600)
    verdicts = [limit.hit("a") for _ in range(5)]
    assert [verdict.allowed for verdict in verdicts][:3] == [True] * 3
    assert verdicts[-1].remaining == 0 and 0 < verdicts[-1].retry_after <= 3600 and verdicts[0].remaining == 2
    assert limit.hit("b", 3) and not limit.hit("b")
    assert limit.peek("c").remaining == 3 and limit.peek("c").reset_after == 0
    limit.reset("a")
    assert limit.hit("a", 3)
    for key in any_client.keys("rate!*"):
        assert 0 < any_client.ttl(key) <= 3601


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_threads_share_one_count(any_client, kind):
    limits = [kind(any_client, limit=50, per=3600) for _ in range(4)]
    allowed = []

    def run(limit):
        for _ in range(25):
            allowed.append(bool(limit.hit("k")))
    threads = [threading.Thread(target=run, args=(limit,)) for limit in limits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 50


def test_waiting_and_decorating(held):
    cache = held.cache()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        held.advance(seconds)
    limit = TokenBucket(cache, limit=2, per=1, sleep=sleep)
    assert all(limit.wait("k") for _ in range(4)) and slept == [0.5, 0.5]
    assert not limit.wait("k", 2, timeout=0.9) and len(slept) == 2

    @limit.limited(key=lambda user: user)
    def work(user):
        return user
    assert work("a") == work("a") == "a" and work("b") == "b"
    with pytest.raises(RateLimited) as raised:
        work("a")
    assert raised.value.verdict.retry_after == 0.5


def test_asyncio(held):
    async def main():
        slept = []

        async def sleep(seconds):
            slept.append(seconds)
            held.advance(seconds)
        cache = AsyncCache(hutch.asyncio.Redis(store=held.store))
        limit = AsyncTokenBucket(cache, limit=2, per=1, sleep=sleep)
        assert await limit.hit("k", 2) and not await limit.hit("k") and (await limit.peek("k")).remaining == 0
        assert await limit.wait("k") and slept == [0.5]
        await limit.reset("k")

        @limit.limited("k")
        async def work():
            return 1
        assert await work() == await work() == 1
        with pytest.raises(RateLimited):
            await work()
    asyncio.run(main())


@pytest.mark.parametrize("wrong", [{"limit": 0, "per": 1}, {"limit": 1, "per": 0}, {"limit": 1.5, "per": 1}, {"limit": 10**9, "per": 10**9},
                                   {"limit": 1, "per": 1, "burst": 0}])
def test_wrong_limits(wrong):
    with pytest.raises(ValueError):
        TokenBucket(Cache(), **wrong)
    limit = FixedWindow(limit=1, per=1)
    for cost in (2, -1, 1.0):
        with pytest.raises(ValueError):
            limit.hit("k", cost)


@pytest.mark.parametrize("where", ["url", "cache", "client"])
def test_a_limit_ends_the_client_that_was_made_for_it(where):
    import redis
    with hutch.Server(port=0) as server, redis.Redis(port=server.port) as client:
        store = {"url": server.url, "cache": Cache(client, ttl=1), "client": client}[where]
        with SlidingWindow(store, limit=1, per=60) as limit:
            assert limit.hit() and not limit.hit()
            pool = limit._store.client.connection_pool
        assert bool(pool._available_connections and pool._available_connections[0]._sock) == (where != "url")

        async def later():
            async with AsyncSlidingWindow(server.url, limit=1, per=60, namespace="later") as limit:
                assert await limit.hit()
                connection, = limit._store.client.connection_pool._available_connections
                assert connection.is_connected
            assert not connection.is_connected
        asyncio.run(later())
