"""Stores for the tests of hutch.cache: one in the process whose clock is held, and a real Redis, to which time can only be added by hand."""
import pytest

import hutch
import redis
from hutch.cache import AsyncCache, Cache

BEGIN_MS = 1_700_000_000_000


class Held:
    """A Hutch store whose clock stands still until it is moved. `caches` are closed at the end."""

    def __init__(self):
        self.store = hutch.Store()
        self.store.engine.set_clock_ms(BEGIN_MS)
        self.client = hutch.Redis(store=self.store)
        self.caches = []

    def cache(self, **options):
        """A new Cache on the store, as another thread or process would have."""
        cache = Cache(hutch.Redis(store=self.store), **options)
        self.caches.append(cache)
        return cache

    def async_cache(self, **options):
        """A new AsyncCache on the store, for the running loop."""
        return AsyncCache(hutch.asyncio.Redis(store=self.store), **options)

    def advance(self, seconds):
        """Let this much time pass."""
        self.store.engine.advance_clock_ms(seconds * 1000)

    def close(self):
        """End it all."""
        for cache in self.caches:
            cache.close()
        self.client.close()
        self.store.close()


@pytest.fixture
def held():
    it = Held()
    yield it
    it.close()


@pytest.fixture
def remote(oracle):
    """A client of a real Redis that is empty."""
    client = redis.Redis(host=oracle.host, port=oracle.port)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(params=["embedded", "redis", "decoding"])
def any_client(request):
    """A client of each kind: in the process, of a real Redis, and one that decodes replies."""
    if request.param == "embedded":
        with hutch.Redis() as client:
            yield client
        return
    oracle = request.getfixturevalue("oracle")
    client = redis.Redis(host=oracle.host, port=oracle.port, decode_responses=request.param == "decoding")
    client.flushall()
    yield client
    client.close()
