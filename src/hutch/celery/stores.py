"""The stores behind hutch:// URLs of Celery."""
import os

from ..connection import EmbeddedConnectionPool
from ..exceptions import ForkedError
from ..store import is_path, named_store
from ..url import parse_url

DEFAULT_NAME = "celery"

# A named store ends with its last client, and a broker must not: messages wait in it while nobody is connected.
_kept = {}


def options_of(url):
    """The name of the store, and the options for a pool, of a hutch:// URL, as a pair. ValueError for a URL that is not one."""
    options = parse_url(url)
    return options.pop("name", DEFAULT_NAME), options


def store_for(name):
    """The store of that name, which lives as long as this process; or the one in that directory, which children use, too.
    ForkedError in a child of the process that made one without a directory."""
    if is_path(name):
        from ..shared import shared_store
        store = shared_store(name)
        store.keep()
        return store
    store = _kept.get(name)
    if store is None or store.closed:
        store = _kept[name] = named_store(name)
        store.attach(store)                # the process itself is one of its clients
    if store._pid != os.getpid():
        raise ForkedError(
            f"the store {name!r} belongs to the process that made it: with hutch:// Celery's worker needs a pool that does not "
            "fork (--pool threads or solo). For several processes use hutch serve and redis://.")
    return store


def pool_for(name, connection_class, **options):
    """A pool of connections of that class to that store; options that are None are left out. Raises what store_for does."""
    options = {key: value for key, value in options.items() if value is not None}
    store = store_for(name)
    parameters = {"appendfsync": options.pop("appendfsync", None), **options.pop("parameters", {})}
    if store.is_shared:
        from ..remote import RemoteConnectionPool
        store.want(parameters)
        return RemoteConnectionPool(store=store, connection_class=connection_class, **options)
    return EmbeddedConnectionPool(store=store, connection_class=connection_class, **options)


def connection_class_for(name):
    """The class of connections that event loops can wait for: to a store of this process, or to one in a directory."""
    if is_path(name):
        from ..remote import RemoteConnection
        return RemoteConnection
    from ..watched import WatchedConnection
    return WatchedConnection
