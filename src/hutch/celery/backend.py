"""Celery's Redis result backend, on a store of this process."""
from celery.backends.redis import RedisBackend

import hutch

from .connection import WatchedConnection
from .stores import options_of, pool_for

# Options of RedisBackend that say how to reach a server.
_ADDRESS_OPTIONS = frozenset({"host", "port", "socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry_on_timeout"})


class HutchBackend(RedisBackend):
    """The result backend of URLs hutch://name/database: Celery's RedisBackend on a store of this process."""

    def _params_from_url(self, url, defaults):
        name, options = options_of(url)
        kept = {key: value for key, value in defaults.items() if key not in _ADDRESS_OPTIONS}
        return {**kept, **options, "name": name, "connection_class": WatchedConnection}

    def _get_client(self):
        return hutch.Redis

    def _get_pool(self, **params):
        return pool_for(**params)

    def ensure(self, fun, args, **policy):
        """Call ``fun(*args)`` once and return what it returns; what it raises is passed on. RedisBackend's would try again."""
        # A server may come back, so RedisBackend tries for twenty seconds. A store that is closed, or another process's, does not.
        return fun(*args)
