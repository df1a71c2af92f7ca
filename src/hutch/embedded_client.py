"""What hutch.Redis and hutch.asyncio.Redis have in common: their options, and when their compiled methods may answer."""
import inspect
import weakref

from redis.backoff import NoBackoff
from redis.client import CaseInsensitiveDict

from hutch_engine.door.classes import class_number

from .connection import EmbeddedPool, decodes_as_written, leads_elsewhere
from .documents import DECODER, ENCODER

# What redis.Redis takes for the way to a server. It means nothing inside the process, and is taken so that
# programs need not be changed: a client without a socket never times out on one.
_IGNORED = frozenset({"socket_timeout", "socket_connect_timeout", "socket_read_size", "socket_keepalive",
                      "socket_keepalive_options", "retry_on_timeout", "maint_notifications_config",
                      "event_dispatcher"})

try:
    from redis.driver_info import resolve_driver_info as _resolve_driver_info
    _NOT_GIVEN = inspect.signature(_resolve_driver_info).parameters["lib_name"].default
except (ImportError, KeyError):
    _resolve_driver_info = None


def _with_driver(kwargs):
    """Connections of newer redis-pys want `driver_info` for lib_name and lib_version, and warn of these."""
    if _resolve_driver_info is not None and ("lib_name" in kwargs or "lib_version" in kwargs):
        kwargs["driver_info"] = _resolve_driver_info(
            *(kwargs.pop(name, _NOT_GIVEN) for name in ("driver_info", "lib_name", "lib_version")))
    return kwargs


# Attributes of a client that decide whether the compiled methods may answer.
_DECISIVE = frozenset({"execute_command", "parse_response", "response_callbacks", "connection_pool", "connection"})


class Callbacks(CaseInsensitiveDict):
    """Response callbacks that tell their clients when somebody changes them.

    Those of modules' commands (JSON.GET) are of no interest to compiled methods, which send none of these: json() and the like
    set some whenever they are called."""

    def __init__(self, callbacks):
        dict.__init__(self, callbacks)
        self.clients = weakref.WeakSet()     # one, and its copies
        self.changed = False
        self.modules_changed = 0             # how often those of modules' commands were

    def _changed(self, names):
        for name in names:
            if isinstance(name, str) and "." in name:
                self.modules_changed += 1
                continue
            self.changed = True
            for client in self.clients:
                client._hot_disable()
            return

    def __setitem__(self, name, callback):
        self._changed((name,))
        super().__setitem__(name, callback)

    def __delitem__(self, name):
        self._changed((name,))
        super().__delitem__(name)

    def update(self, callbacks):
        """Take over all callbacks of a dict; command names count in any case. O(callbacks)"""
        self._changed(callbacks)
        super().update(callbacks)

    def pop(self, *args):
        """Remove the callback of a command and return it; KeyError when there is none and no default was given."""
        self._changed(args[:1])
        return super().pop(*args)

    def clear(self):
        """Remove all callbacks."""
        self._changed(self)
        super().clear()


class EmbeddedClient:
    """What both clients share. It stands before redis-py's client, whose methods it completes; subclasses say:"""

    _pool_class = None               # of the pool that a client makes for itself
    _connection_class = None         # of that pool's connections
    _options_known = frozenset()     # options of a connection
    _decisive_methods = frozenset()  # a client in which one of these was replaced takes the slow path
    _class_is_pristine = None        # Pristine, for the client's class and for the other two
    _pool_is_pristine = None
    _connection_is_pristine = None

    def _connection_fits(self):
        """May commands go to the session directly, as far as the client's own connection is concerned? Surely where it has none."""
        return self.connection is None

    def _pool_classes(self):
        """Classes of pools whose sessions the compiled methods may run in."""
        return (self._pool_class,)

    def _session_fits(self):
        """May compiled methods run in the session that they have?"""
        return True

    # ---- making a client

    def _choose_pool(self, pool, name, store, keep, options, *, retry, retry_on_error, **known):
        """Is it the client's own, and the pool. `options`: those given by names that the client's signature does not have."""
        self._hot_pending = False
        parameters = options.pop("parameters", None)
        appendfsync = options.pop("appendfsync", None)
        if appendfsync is not None:
            parameters = {**(parameters or {}), "appendfsync": appendfsync}
        if pool is not None:
            if name is not None or store is not None or keep or parameters:
                raise TypeError("a connection_pool brings its store with it")
            return False, pool
        if parameters is not None:
            known["parameters"] = parameters
        allowed = self._options_known | {"cache", "cache_config"} if "cache" in options else self._options_known
        unknown = set(options) - allowed - _IGNORED
        if unknown:
            raise TypeError(self._refusal(sorted(unknown)))
        if leads_elsewhere(name, store) and options.get("socket_timeout") is not None:
            known["socket_timeout"] = options["socket_timeout"]      # for as long as another process is the owner
        options = _with_driver({key: value for key, value in options.items() if key not in _IGNORED})
        return True, self._pool_class(
            name, store=store, keep=keep,
            # One more try, at once: what can fail is a session that another client killed.
            retry=self._pool_class._retry_class(NoBackoff(), 1) if retry is None else retry,
            retry_on_error=[] if retry_on_error is None else retry_on_error, **known, **options)

    @classmethod
    def _refusal(cls, names):
        client = "hutch.asyncio.Redis" if ".asyncio." in cls._pool_class.__module__ else "hutch.Redis"
        where = [name for name in names if name in ("host", "port", "unix_socket_path") or name.startswith("ssl")]
        if where:
            return (f"{client} is inside this process: it takes no {', '.join(where)}. "
                    "Use redis.Redis to reach a server.")
        return f"{client}() got unexpected keyword arguments: {', '.join(names)}"

    def _own_response_callbacks(self):
        """The end of making one: from here on the client hears of what is replaced in it."""
        self.response_callbacks = self._own_callbacks = Callbacks(self.response_callbacks)
        self._own_callbacks.clients.add(self)
        self._begin()

    def _begin(self):
        pool = self.connection_pool
        if isinstance(pool, EmbeddedPool):
            pool.clients.add(self)
        self._hot_reconsider()

    @classmethod
    def from_url(cls, url, **kwargs):
        """A client for hutch:// (a store of its own), hutch://name or hutch://name/2; options in the query. ValueError for
        another URL; TypeError for an option that a client does not have."""
        from .url import parse_url
        kwargs.update(parse_url(url))
        return cls(kwargs.pop("name", None), **kwargs)

    @property
    def store(self):
        """The hutch.Store this client works on. AttributeError when its pool is one of redis-py's."""
        return self.connection_pool.store

    def json(self, encoder=ENCODER, decoder=DECODER):
        """JSON documents; see redis.Redis.json. The same object again, as long as it would be like the first."""
        callbacks = self.response_callbacks
        if encoder is not ENCODER or decoder is not DECODER or type(callbacks) is not Callbacks:
            return super().json(encoder=encoder, decoder=decoder)
        found = self.__dict__.get("_documents")
        if found is not None:
            documents, changes, pool = found
            if changes == callbacks.modules_changed and pool is self.connection_pool and documents.execute_command == self.execute_command:
                return documents
        documents = super().json(encoder=encoder, decoder=decoder)
        self.__dict__["_documents"] = documents, callbacks.modules_changed, self.connection_pool
        return documents

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        if name in _DECISIVE and "_own_callbacks" in self.__dict__:
            if name == "connection_pool" and isinstance(value, EmbeddedPool):
                value.clients.add(self)
            self._hot_reconsider()

    def __delattr__(self, name):
        object.__delattr__(self, name)
        if name in _DECISIVE:
            self._hot_reconsider()

    def _hot_reconsider(self):
        """May the compiled methods answer? Not when anything between a method and the wire was replaced."""
        mine = self.__dict__
        pool = self.connection_pool
        callbacks = self.response_callbacks
        pool_class = type(pool) if type(pool) in self._pool_classes() else self._pool_class
        kinds = type(self), pool_class, self._connection_class
        numbers = tuple(map(class_number, kinds))        # before anything is looked at
        self._plain = plain = (
            self._class_is_pristine(kinds[0]) and self._decisive_methods.isdisjoint(mine)
            and callbacks is mine.get("_own_callbacks")
            and type(pool) is pool_class and pool.is_pristine and self._pool_is_pristine(kinds[1])
            and decodes_as_written(pool)
            and pool.connection_class is self._connection_class and self._connection_is_pristine(kinds[2])
            and self._connection_fits())
        hot = plain and not callbacks.changed and not pool.retries_replies and self._session_fits()
        self._hot_enable(kinds, numbers, hot)
        self._hot_pending = hot and not self._hot_attached
        self._scripts_pending = hot

    def set_retry(self, retry):
        """From now on this retries, in all connections; see redis.Redis.set_retry."""
        super().set_retry(retry)
        self._hot_reconsider()

    def __copy__(self):
        """Another client on the same connections, as a copy of redis-py's."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__, auto_close_connection_pool=False)
        self._own_callbacks.clients.add(other)
        other._begin()
        return other
