"""The stores behind hutch:// URLs of Celery."""
import os

from ..connection import EmbeddedConnectionPool
from ..exceptions import ForkedError
from ..store import named_store
from ..url import parse_url

DEFAULT_NAME = "celery"

# A named store ends with its last client, and a broker must not: messages wait in it while nobody is connected.
_kept = {}


def options_of(url):
    """The name of the store, and the options for a pool, of a hutch:// URL, as a pair. ValueError for a URL that is not one."""
    options = parse_url(url)
    return options.pop("name", DEFAULT_NAME), options


def store_for(name):
    """The store of that name, which lives as long as this process. ForkedError in a child of the process that made it."""
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
    return EmbeddedConnectionPool(store=store_for(name), connection_class=connection_class,
                                  **{key: value for key, value in options.items() if value is not None})
