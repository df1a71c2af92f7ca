"""Celery and kombu on a store of this process: ``broker_url`` and ``result_backend`` of the scheme hutch://.

    from celery import Celery
    app = Celery("shop", broker="hutch://shop/0", backend="hutch://shop/1")

Worker and producers are threads of one process; nothing listens, and no bytes leave it. ``hutch://`` alone is the store
"celery". Options in the query are hutch.Redis's: ``hutch://shop/0?client_name=checkout``. All of Celery's Redis transport
and backend works as ever: they are the same classes, on other connections.

Start the worker in a thread, with a pool that does not fork (threads or solo)::

    worker = app.Worker(pool="threads", concurrency=4)
    threading.Thread(target=worker.start, daemon=True).start()

A child process has no part in its parent's store: with the prefork pool its tasks end with hutch.ForkedError.

For workers of several processes, prefork pools among them, the store is one in a directory, and still there is no server::

    app = Celery("shop", broker="hutch:///var/lib/shop/queue?db=0", backend="hutch:///var/lib/shop/queue?db=1")

The first process that needs it owns it, the others reach it through its socket, and when the owner ends another takes over
(docs/durability.md). Or run ``hutch serve`` or hutch.Server, and use redis://.

Both schemes are known to Celery and kombu once ``hutch[celery]`` is installed; ``import hutch.celery`` does the same.
"""
import hutch_kombu                       # registers the transport; the backend has an entry point of its own

__all__ = ["BACKEND", "TRANSPORT"]

TRANSPORT = hutch_kombu.TRANSPORT
BACKEND = "hutch.celery.backend:HutchBackend"


def _register_backend() -> None:
    # Without the distribution's entry points: a source tree on the path.
    try:
        from celery.app.backends import BACKEND_ALIASES
    except ImportError:                  # kombu alone
        return
    BACKEND_ALIASES.setdefault("hutch", BACKEND)


_register_backend()
