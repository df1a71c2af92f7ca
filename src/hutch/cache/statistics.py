"""What a cache has done, in numbers, and who wants to hear of it."""
from __future__ import annotations

import itertools
import threading
from typing import Any, Callable

# What is counted, and may be listened to, under these names.
EVENTS = {
    "hit": "a value was found and served",
    "miss": "nothing was found, and a value has to be computed",
    "stale": "an older value was served: the computation failed, took too long, or goes on in the background",
    "early": "a value that was still fresh is computed again before its deadline",
    "wait": "a caller waits for another one's computation of the same key",
    "compute": "a computation has ended with a value",
    "error": "a computation has ended with an exception",
    "absent": "it was found, or found out, that there is no value (negative caching)",
    "set": "a value was stored",
    "discard": "a computed value was not stored: it was invalidated while it was computed, or took longer than its lease",
    "delete": "keys were deleted by name",
    "invalidate": "a tag, a prefix or everything was invalidated",
    "local_hit": "of the hits, those that the cache in front of a remote store answered",
    "store_error": "the store could not be reached or refused, and the cache did without it",
    "write": "a write reached the source behind the cache",
    "write_error": "a write to the source behind the cache failed",
}


class Statistics:
    """Counts of events since the cache was made, exact with any number of threads. Attributes are the names in EVENTS; `as_dict` has all of them."""

    def __init__(self) -> None:
        # next() of a count is one step for the interpreter: no count is lost between threads, and no lock is taken for a hit.
        self._counters = {name: itertools.count() for name in EVENTS}
        self._asked = {name: 0 for name in EVENTS}
        self._lock = threading.Lock()

    def counter(self, name: str) -> Callable[[], int]:
        """What to call to count one such event."""
        return self._counters[name].__next__

    def _value(self, name: str) -> int:
        # To ask is to count, so what was asked is taken off again.
        with self._lock:
            value = next(self._counters[name]) - self._asked[name]
            self._asked[name] += 1
            return value

    def __getattr__(self, name: str) -> int:
        if name.startswith("_") or name not in EVENTS:
            raise AttributeError(name)
        return self._value(name)

    def as_dict(self) -> dict[str, int]:
        """All counts by name."""
        return {name: self._value(name) for name in EVENTS}

    @property
    def hit_ratio(self) -> float:
        """Hits among hits and misses, 0.0 to 1.0; 0.0 when there were none."""
        hits, misses = self._value("hit"), self._value("miss")
        return hits / (hits + misses) if hits + misses else 0.0

    def __repr__(self) -> str:
        return "Statistics(" + ", ".join(f"{name}={count}" for name, count in self.as_dict().items() if count) + ")"


class Hooks:
    """Functions that are called as things happen, in the thread or task in which they do: `function(event, key, detail)`. `detail` is the exception of
    an error, the seconds of a computation, the names of tags, or None. What a hook raises goes to `sys.unraisablehook` and stops nothing."""

    def __init__(self, statistics: Statistics):
        self._counters = {name: statistics.counter(name) for name in EVENTS}
        self._functions: dict[str, tuple[Callable[..., Any], ...]] = {}
        self.hears_hits = False          # then a hit takes the longer way

    def add(self, event: str, function: Callable[[str, Any, Any], Any]) -> Callable[[], None]:
        """Call `function` at each such event ("*": at all). Returns a function that ends it. ValueError for an unknown event."""
        if event != "*" and event not in EVENTS:
            raise ValueError(f"no event is called {event!r}: choose from {', '.join(EVENTS)} or '*'")
        for name in EVENTS if event == "*" else (event,):
            self._functions[name] = (*self._functions.get(name, ()), function)
        self.hears_hits = bool(self._functions.get("hit"))

        def remove() -> None:
            for name in EVENTS if event == "*" else (event,):
                kept = list(self._functions.get(name, ()))
                if function in kept:
                    kept.remove(function)
                self._functions[name] = tuple(kept)
            self.hears_hits = bool(self._functions.get("hit"))
        return remove

    def tell(self, event: str, key: Any = None, detail: Any = None) -> None:
        """Count an event, and call those who want to hear of it."""
        self._counters[event]()
        for function in self._functions.get(event, ()):
            try:
                function(event, key, detail)
            except Exception as error:
                _unraisable(error, function)


def _unraisable(error: BaseException, thing: Any) -> None:
    import sys
    from types import SimpleNamespace
    sys.unraisablehook(SimpleNamespace(exc_type=type(error), exc_value=error, exc_traceback=error.__traceback__,
                                       err_msg="a hook of hutch.cache failed", object=thing))
