"""What `hutch migrate --state FILE` keeps, so that it goes on where it was ended: cursors and counts, as JSON."""
from __future__ import annotations

import json
import os
import tempfile
import time
from typing import Any

from .places import PlaceError

VERSION = 1
SAVED_EVERY_S = 1.0


class State:
    """The file at `path` (None: nothing is kept). `job` says which migration it belongs to; `identity` changes when the source began
    anew, and its cursors with it. PlaceError when the file is another migration's, or cannot be read."""

    def __init__(self, path: str | None, job: dict[str, Any], identity: str):
        self.path, self.job, self.identity = path, job, identity
        self.databases: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, int] = {}
        self.resumed = self.restarted = False
        self._saved = 0.0
        if path is not None and os.path.exists(path):
            self._read(path)

    def _read(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                told = json.load(file)
            if told["version"] != VERSION or told["job"] != self.job:
                raise PlaceError(f"{path} belongs to another migration: from {told['job']['source']} to {told['job']['target']}, with other "
                                 "options perhaps. Without the file, one begins anew")
            databases, counts, identity = told["databases"], told["counts"], told["identity"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlaceError(f"{path}: no state of a migration: {error}") from None
        self.resumed = True
        self.restarted = identity != self.identity
        if not self.restarted:
            self.databases, self.counts = databases, counts

    def cursors(self, db: int) -> dict[str, int]:
        """Where to go on in a database: see links.scan."""
        return dict(self.databases.get(str(db), {}).get("cursors", {}))

    def is_done(self, db: int) -> bool:
        """Was the database walked to its end?"""
        return bool(self.databases.get(str(db), {}).get("done"))

    def note(self, db: int, cursors: dict[str, int], counts: dict[str, int], *, done: bool = False) -> None:
        """All up to these cursors has been copied. It is written once a second, and when a database is done."""
        self.databases[str(db)] = {"cursors": cursors, "done": done}
        self.counts = counts
        if done or time.monotonic() - self._saved >= SAVED_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write the file: the old one is there until the new one is whole. PlaceError when that fails."""
        self._saved = time.monotonic()
        if self.path is None:
            return
        try:
            descriptor, name = tempfile.mkstemp(prefix=".hutch-state-", dir=os.path.dirname(os.path.abspath(self.path)))
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump({"version": VERSION, "job": self.job, "identity": self.identity, "databases": self.databases,
                           "counts": self.counts}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except OSError as error:
            raise PlaceError(f"{self.path}: {error.strerror}") from None

    def forget(self) -> None:
        """The migration is over: nothing is left to go on with."""
        if self.path is not None and os.path.exists(self.path):
            os.unlink(self.path)
