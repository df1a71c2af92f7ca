"""Django's cache, and with it its sessions, in a Hutch store.

    CACHES = {"default": {"BACKEND": "hutch.django.HutchCache", "LOCATION": "site"}}
    SESSION_ENGINE = "django.contrib.sessions.backends.cache"

LOCATION is a name (a store in this process), a path (a store that processes share, and that survives them), or a hutch:// URL; without one the store's name is
"django". OPTIONS are Django's `serializer`, and the options of hutch.Redis (`db`, `parameters` ...). It is Django's own Redis backend on another client: keys,
versions, time-outs and the form of values are the same, so a site may change from one to the other. (Values are pickled, as Django does it, unless OPTIONS name another
serializer: a path that others can write to is as good as their code.)
"""
import os
import threading

from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from .client import Redis

_clients = {}                            # by process, location and options: Django makes a cache for every thread and request
_lock = threading.Lock()


def _client(location, options):
    key = os.getpid(), location, repr(sorted(options.items()))
    client = _clients.get(key)
    if client is None:
        with _lock:
            client = _clients.get(key)
            if client is None:
                # What a fork has inherited is the parent's: a store without a path begins anew in each process, as Django's own cache in memory does.
                client = _clients[key] = Redis.from_url(location, **options) if "://" in location else Redis(location, keep=True, **options)
    return client


class HutchCacheClient(RedisCacheClient):
    """Django's client for Redis, on one hutch.Redis for each process, location and options."""

    def __init__(self, servers, serializer=None, **options):
        super().__init__(servers, serializer)
        self._location = servers[0] or "django"
        self._options = {"keep": True, **options} if "://" in self._location else options

    def get_client(self, key=None, *, write=False):
        """The hutch.Redis that all caches of this location share in the process."""
        return _client(self._location, self._options)


class HutchCache(RedisCache):
    """The cache backend: see the module's text."""

    def __init__(self, server, params):
        super().__init__("", params)
        self._servers = [str(server or "")]      # a path may have what Django takes for a list of servers
        self._class = HutchCacheClient

    @property
    def client(self):
        """The hutch.Redis under it, for what Django's cache has no method for."""
        return self._cache.get_client()
