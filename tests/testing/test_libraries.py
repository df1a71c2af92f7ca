"""What stands on redis-py, unchanged, under hutch.testing.patch(): django-redis, RQ, limits, Celery and kombu, taskiq, django's own cache."""
import asyncio
import threading

import pytest
import redis

from hutch.testing import faults, patch


@pytest.fixture
def servers():
    with patch() as servers:
        yield servers


# ---- django-redis

@pytest.fixture
def django_cache(servers):
    django = pytest.importorskip("django")
    pytest.importorskip("django_redis")
    from django.conf import settings
    if not settings.configured:
        cache = lambda **more: {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://cache.internal:6379/1", **more}  # noqa: E731
        settings.configure(CACHES={
            "default": cache(OPTIONS={"CLIENT_CLASS": "django_redis.client.DefaultClient", "PASSWORD": "secret"}),
            "compressed": cache(KEY_PREFIX="z", OPTIONS={"COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
                                                         "SERIALIZER": "django_redis.serializers.json.JSONSerializer"}),
            "ignoring": cache(LOCATION="redis://broken.internal", OPTIONS={"IGNORE_EXCEPTIONS": True}),
            "django": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://cache.internal:6379/2"}},
            SESSION_ENGINE="django.contrib.sessions.backends.cache", INSTALLED_APPS=[])
        django.setup()
    from django.core.cache import caches
    return caches


def test_django_redis(servers, django_cache):
    cache = django_cache["default"]
    assert cache.set("key", {"a": [1, 2]}, timeout=60) and cache.get("key") == {"a": [1, 2]}
    assert cache.ttl("key") in (59, 60) and cache.get("none", "default") == "default"
    assert cache.add("key", 1) is False and cache.get_or_set("other", lambda: 5) == 5
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2} and cache.incr("a") == 2 and cache.incr_version("b") == 2
    assert set(cache.keys("*")) >= {"key", "other", "a"} and list(cache.iter_keys("ke*")) == ["key"]
    assert cache.delete_pattern("o*") == 1 and cache.has_key("key") and cache.touch("key", 5) and cache.persist("key")
    with cache.lock("lock", timeout=5):
        assert cache.has_key("lock")
    assert servers.client("redis://cache.internal:6379/1").exists(":1:key") == 1
    servers.clock.advance(seconds=1)
    cache.set("soon", 1, timeout=10)
    servers.clock.advance(seconds=10)
    assert cache.get("soon") is None
    cache.clear()
    assert cache.keys("*") == []


def test_django_redis_serializers_and_exceptions(servers, django_cache):
    cache = django_cache["compressed"]
    cache.set("key", {"text": "x" * 1000})
    assert cache.get("key") == {"text": "x" * 1000}
    raw = servers.client("redis://cache.internal/1")
    assert [raw.strlen(key) < 100 for key in raw.keys("z:*")] == [True]
    with faults.inject(servers, faults.connection_error()):
        assert django_cache["ignoring"].get("key") is None
        with pytest.raises(redis.ConnectionError):
            django_cache["default"].get("key")


def test_django_s_own_cache_and_sessions(servers, django_cache):
    cache = django_cache["django"]
    cache.set("key", {"a": 1}, 60)
    assert cache.get("key") == {"a": 1} and cache.incr("n") if cache.add("n", 1) else True
    from django.contrib.sessions.backends.cache import SessionStore
    session = SessionStore()
    session["user"] = 5
    session.save()
    assert SessionStore(session.session_key)["user"] == 5
    session.delete()
    assert not SessionStore().exists(session.session_key)


def test_django_s_pools_of_the_test_before(servers, django_cache):
    """django-redis keeps its pools for as long as the process: under each patch they lead to its stores."""
    assert django_cache["default"].get("key") is None
    assert django_cache["default"].set("key", 1)


# ---- RQ

def add(one, two):
    return one + two


def fail():
    raise ValueError("not today")


def test_rq(servers):
    rq = pytest.importorskip("rq")
    connection = redis.Redis.from_url("redis://queue.internal")
    queue = rq.Queue("default", connection=connection)
    later = queue.enqueue(add, 1, two=2)
    failing = queue.enqueue(fail)
    after = queue.enqueue(add, 3, 4, depends_on=later)
    assert len(queue) == 2 and later.get_status() == "queued" and after.get_status() == "deferred"
    worker = rq.SimpleWorker([queue], connection=connection)
    assert worker.work(burst=True)
    assert later.return_value() == 3 and after.return_value() == 7 and failing.get_status(refresh=True) == "failed"
    assert "not today" in failing.latest_result().exc_string
    assert failing.id in rq.registry.FailedJobRegistry(queue=queue) and later.id in rq.registry.FinishedJobRegistry(queue=queue)
    failing.requeue()
    assert queue.job_ids == [failing.id]
    with queue.connection.pipeline() as pipe:
        jobs = queue.enqueue_many([rq.Queue.prepare_data(add, (n, n)) for n in range(3)], pipeline=pipe)
        pipe.execute()
    assert len(queue) == 4 and rq.job.Job.fetch_many([job.id for job in jobs], connection)[2].args == (2, 2)
    assert servers.client("redis://queue.internal").smembers("rq:queues") == {b"rq:queue:default"}


def test_rq_at_once_and_later(servers):
    rq = pytest.importorskip("rq")
    from datetime import datetime, timedelta, timezone
    connection = redis.Redis(host="queue.internal")
    queue = rq.Queue(is_async=False, connection=connection)
    assert queue.enqueue(add, 1, 2).return_value() == 3
    queue = rq.Queue("later", connection=connection)
    job = queue.enqueue_at(datetime(2020, 1, 1, tzinfo=timezone.utc), add, 1, 2)
    other = queue.enqueue_in(timedelta(hours=1), add, 1, 2)
    registry = rq.registry.ScheduledJobRegistry(queue=queue)
    assert set(registry.get_job_ids()) == {job.id, other.id}
    scheduler = rq.scheduler.RQScheduler([queue], connection=connection)
    scheduler.acquire_locks()
    scheduler.enqueue_scheduled_jobs()
    assert queue.job_ids == [job.id] and registry.get_job_ids() == [other.id]


# ---- limits

@pytest.mark.parametrize("uri", ["redis://limits.internal:6379/1", "redis+cluster://node:7000"])
@pytest.mark.parametrize("strategy", ["FixedWindowRateLimiter", "MovingWindowRateLimiter", "SlidingWindowCounterRateLimiter"])
def test_limits(servers, uri, strategy):
    limits = pytest.importorskip("limits")
    storage = limits.storage.storage_from_string(uri)
    limiter = getattr(limits.strategies, strategy)(storage)
    three = limits.parse("3/minute")
    assert storage.check() and [limiter.hit(three, "user") for _ in range(4)] == [True, True, True, False]
    assert limiter.get_window_stats(three, "user").remaining == 0 and not limiter.test(three, "user") and limiter.test(three, "other")
    limiter.clear(three, "user")
    assert limiter.hit(three, "user")


def test_limits_of_asyncio(servers):
    limits = pytest.importorskip("limits")

    async def main():
        storage = limits.storage.storage_from_string("async+redis://limits.internal:6379", implementation="redispy")
        limiter = limits.aio.strategies.MovingWindowRateLimiter(storage)
        two = limits.parse("2/minute")
        assert [await limiter.hit(two, "user") for _ in range(3)] == [True, True, False]
    asyncio.run(main())


# ---- Celery and kombu, which have connections of their own

def test_celery(servers):
    celery = pytest.importorskip("celery")
    app = celery.Celery("patched", broker="redis://broker.internal:6379/0", backend="redis://results.internal:6379/1")
    app.conf.update(task_always_eager=False, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)

    @app.task(name="add")
    def added(one, two):
        return one + two

    from celery.contrib.testing.worker import start_worker
    app.loader.import_module("celery.contrib.testing.tasks")
    app.set_default()
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        assert added.delay(1, 2).get(timeout=60) == 3
    assert {"broker.internal:6379", "results.internal:6379"} <= set(servers.stores)


def test_kombu(servers):
    kombu = pytest.importorskip("kombu")
    with kombu.Connection("redis://:secret@broker.internal:6379/0") as connection:
        queue = connection.SimpleQueue("letters")
        queue.put({"a": 1})
        message = queue.get(timeout=10)
        assert message.payload == {"a": 1}
        message.ack()
        queue.close()


# ---- taskiq

def test_taskiq(servers):
    taskiq_redis = pytest.importorskip("taskiq_redis")

    async def main():
        broker = taskiq_redis.ListQueueBroker("redis://tasks.internal").with_result_backend(
            taskiq_redis.RedisAsyncResultBackend("redis://tasks.internal"))

        @broker.task
        async def added(one: int, two: int) -> int:
            return one + two

        await broker.startup()
        task = await added.kiq(1, 2)
        from taskiq.receiver import Receiver
        async for message in broker.listen():
            await Receiver(broker).callback(message)
            break
        assert (await task.wait_result(timeout=30)).return_value == 3
        await broker.shutdown()
    asyncio.run(main())


def test_nothing_of_it_stays():
    assert redis.Redis().connection_pool.connection_class is redis.Connection and threading.active_count() < 50
