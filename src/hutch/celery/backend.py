"""Celery's Redis result backend, on a store of this process, or on one in a directory."""
from celery.backends.redis import RedisBackend

import hutch

from ..store import is_path
from .stores import connection_class_for, options_of, pool_for

# Options of RedisBackend that say how to reach a server.
_ADDRESS_OPTIONS = frozenset({"host", "port", "socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry_on_timeout"})


class HutchBackend(RedisBackend):
    """The result backend of URLs hutch://name/database and hutch:///path: Celery's RedisBackend on a store of this process, or in a
    directory."""

    _is_shared = False

    def _params_from_url(self, url, defaults):
        name, options = options_of(url)
        kept = {key: value for key, value in defaults.items() if key not in _ADDRESS_OPTIONS}
        self._is_shared = is_path(name)
        return {**kept, **options, "name": name, "connection_class": connection_class_for(name)}

    def _get_client(self):
        return hutch.Redis

    def _get_pool(self, **params):
        return pool_for(**params)

    def ensure(self, fun, args, **policy):
        """Call ``fun(*args)`` and return what it returns; what it raises is passed on. RedisBackend's tries again, and so does this
        with a store in a directory."""
        # A server may come back, so RedisBackend tries for twenty seconds; so does the owner of a store in a directory. A store that
        # is closed, or another process's, does not.
        if self._is_shared:
            return super().ensure(fun, args, **policy)
        return fun(*args)
