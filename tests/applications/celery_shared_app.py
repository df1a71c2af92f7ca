"""The application of celery_app for worker processes whose broker and results are in a directory: $BROKER and $BACKEND."""
import os

import hutch
import hutch.celery  # noqa: F401  (makes the scheme known)

os.environ.setdefault("NOTES", "")
import celery_app

app = celery_app.app


@app.task(name="proof.where", shared=False)
def where(key):
    """Count in the store itself, from a child of the pool: its number, and whether it owns the store."""
    path = os.environ["BROKER"].partition("://")[2].partition("?")[0]
    with hutch.Redis(path, db=5) as r:
        r.incr(key)
        return os.getpid(), r.store.is_owned
