"""Django's own tests of cache backends (tests/cache of its source distribution), on four ways from Django to a Hutch store.

    python tools/django_cache_suite.py DIRECTORY_OF_DJANGO_S_TESTS

Each way inherits the tests that Django holds all of its backends to, or those of its Redis backend. What a way cannot pass is said
where it is left out.
"""
from __future__ import annotations

import os
import sys

import django
from django.conf import settings

import hutch

server = hutch.Server(port=0).start()
# Another server in its place, to see what is its and what is Django's.
URL = os.environ.get("HUTCH_SUITE_URL", f"redis://127.0.0.1:{server.port}")
settings.configure(
    SECRET_KEY="of the tests", ALLOWED_HOSTS=["testserver"], ROOT_URLCONF="cache.tests", USE_TZ=False, MIDDLEWARE=[],
    DATABASES={name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for name in ("default", "other")},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "cache"],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": URL}})
sys.path.insert(0, sys.argv[1])
django.setup()

from cache import tests as theirs  # noqa: E402
from django.test import TestCase, override_settings  # noqa: E402
from django.test.utils import get_runner  # noqa: E402


def on(backend: str, location: str, **more: object):
    """The settings that Django's tests of its Redis backend use, for another way."""
    return override_settings(CACHES=theirs.caches_setting_for_tests(
        base={"BACKEND": backend, "LOCATION": location, **more}, exclude=theirs.redis_excluded_caches))


@on("django.core.cache.backends.redis.RedisCache", URL)
class OverTheListener(theirs.RedisCacheTests):
    """Django's own backend, redis-py and a socket: nothing of Hutch's in the process but the server."""


@on("hutch.django.HutchCache", "django-suite")
class InTheProcess(theirs.RedisCacheTests):
    """hutch.django."""

    def test_cache_client_class(self):
        """Its client is Django's, extended."""
        self.assertTrue(issubclass(theirs.cache._class, theirs.RedisCacheClient))

    # There are no pools of connections to several servers, and it has a get_client of its own.
    test_get_connection_pool = test_get_connection_pool_index = test_redis_pool_options = test_incr_write_connection = None


class OfDjangoRedis(theirs.BaseCacheTests, TestCase):
    """django-redis, which differs from Django's own backends on any server, a real Redis as well."""

    # It does not look for keys that memcached would refuse, and a key that holds None is none to it.
    test_invalid_key_characters = test_invalid_key_length = test_invalid_with_version_key_length = None
    test_incr_version = test_decr_version = None
    # It returns how many were deleted, and not which could not be set.
    test_delete_many_no_keys = test_set_many_empty_data = test_set_many_returns_empty_list_on_success = None


@on("django_redis.cache.RedisCache", f"{URL}/1")
class DjangoRedisOverTheListener(OfDjangoRedis):
    """django-redis, redis-py and a socket."""


@on("django_redis.cache.RedisCache", "hutch://django-redis-suite", OPTIONS={
    "CONNECTION_POOL_CLASS": "hutch.ConnectionPool", "CONNECTION_POOL_KWARGS": {"keep": True}, "REDIS_CLIENT_CLASS": "hutch.Redis"})
class DjangoRedisInTheProcess(OfDjangoRedis):
    """django-redis on a pool of embedded connections."""


del OfDjangoRedis

if __name__ == "__main__":
    import unittest
    runner = get_runner(settings)(verbosity=1, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = runner.run_suite(suite)
    runner.teardown_databases(databases)
    print(f"{result.testsRun} run, {len(result.failures) + len(result.errors)} failed, {len(result.skipped)} skipped")
    server.stop()
    sys.exit(not result.wasSuccessful())
