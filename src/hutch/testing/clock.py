"""A clock that tests hold and move: nobody has to sleep to see a key expire.

    >>> import hutch
    >>> from hutch.testing import Clock
    >>> r = hutch.Redis()
    >>> with Clock(r) as clock:                     # held from here on
    ...     _ = r.set("session", "ann", ex=60)
    ...     clock.advance(seconds=59)
    ...     left = r.ttl("session")
    ...     clock.advance(seconds=1)
    ...     left, r.get("session")
    (1, None)
"""
from __future__ import annotations

import threading
import weakref
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Iterable, Union

if TYPE_CHECKING:
    from ..store import Store

__all__ = ["Clock", "Moment"]

_clocks: weakref.WeakKeyDictionary[Any, Clock] = weakref.WeakKeyDictionary()      # of each store, the last that took it

Moment = Union[datetime, date, float, int, str]


def unix_seconds(moment: Moment) -> float:
    """The Unix time in seconds that a moment stands for: a number as it is, a datetime (UTC where it has no zone), a date (its
    midnight, UTC), or a text as datetime.fromisoformat takes it. ValueError for another text, TypeError for all else.

        >>> unix_seconds("2030-01-01"), unix_seconds(1.5)
        (1893456000.0, 1.5)
    """
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    if isinstance(moment, (int, float)) and not isinstance(moment, bool):
        if not abs(moment) < 1 << 43:            # milliseconds have to fit; NaN is neither less nor more
            raise ValueError(f"{moment} is no moment: it is further away than clocks count")
        return float(moment)
    raise TypeError(f"a moment is a datetime, a date, a number of seconds or a text, not {type(moment).__name__}")


def store_behind(target: Any) -> "Store":
    """The store of a client of either kind, of a pool, a server, or a hutch.Store itself. TypeError where there is none."""
    from ..store import store_of
    for _ in range(3):
        try:
            return store_of(target)
        except TypeError:
            inner = getattr(target, "connection_pool", None)
            if inner is None:
                raise
            target = inner
    raise TypeError(f"{type(target).__name__} leads to no store of this process")


def clock_of(store: "Store") -> "Clock | None":
    """The clock that a store follows, or None where it has none but its engine's."""
    return _clocks.get(store)


class Clock:
    """The clock of one store or several, held from the moment it is made, or running on from where it is moved.

    Made for stores, clients, servers, or whatever has one; `add` takes more. Moving it forward lets happen, in its order, what
    would have happened in the meantime: keys and fields expire, with their events, waiting commands (BLPOP, XREADGROUP BLOCK, WAIT ...)
    run out of time, pauses end, for clients in the process, in tasks and behind sockets alike. TIME, idle times, the entries' IDs of
    XADD and scripts see the clock, too. Threads and tasks that were woken run when they come to their turn.

    What does not ask the store is not moved: time.time(), the socket_timeout of a client, PubSub.get_message(timeout=...). See `follow`.

    `held=False` leaves it running; it may be moved all the same. As a context manager it is released at the end.
    """

    def __init__(self, *targets: Any, held: bool = True):
        self._lock = threading.RLock()
        self._stores: list["Store"] = []
        self._held = held
        self._following: Any = None
        self.add(*targets)

    # ---- what it is the clock of

    def add(self, *targets: Any) -> None:
        """Let these follow this clock, too: stores, clients, pools, servers. TypeError for what leads to no store of this process."""
        with self._lock:
            for target in targets:
                store = store_behind(target)
                if store in self._stores:
                    continue
                if self._stores:
                    first = self._stores[0].engine
                    (store.engine.set_clock_ms if self._held else store.engine.run_clock_from_ms)(first.clock_us / 1000)
                elif self._held:
                    store.engine.hold_clock()
                self._stores.append(store)
                _clocks[store] = self

    def _engines(self) -> Iterable[Any]:
        self._stores = [store for store in self._stores if not store.closed]
        return [store.engine for store in self._stores]

    # ---- reading and moving it

    @property
    def is_held(self) -> bool:
        """Does it stand still between two moves?"""
        return self._held

    def time(self) -> float:
        """The Unix time in seconds that the stores have. RuntimeError for a clock without a store that is open."""
        with self._lock:
            for engine in self._engines():
                return engine.clock_us / 1e6
        raise RuntimeError("the clock has no open store")

    def now(self) -> datetime:
        """The time that the stores have, as a datetime in UTC. RuntimeError for a clock without a store that is open."""
        return datetime.fromtimestamp(self.time(), timezone.utc)

    def advance(self, delta: timedelta | None = None, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0,
                milliseconds: float = 0) -> None:
        """Move the clock forward by all of these together. Returns when everything that is due by then has happened in the stores: a
        key that has 60 seconds to live is gone after ``advance(seconds=60)``, and who waits for so long is answered. ValueError for a negative sum: use move_to. O(what is due)"""
        whole = (delta or timedelta()) + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
        if whole < timedelta():
            raise ValueError("a clock is advanced forward; move_to sets it back")
        with self._lock:
            for engine in self._engines():
                engine.advance_clock_ms(whole / timedelta(milliseconds=1), through=True)

    def move_to(self, moment: Moment) -> None:
        """Set the clock: a datetime (UTC without a zone), a date, a Unix time in seconds, or a text in ISO format. Forward it is
        as `advance`; setting it back brings no key back. A running clock runs on from there. ValueError or TypeError for what is no
        moment. O(what is due)"""
        milliseconds = unix_seconds(moment) * 1000
        with self._lock:
            for engine in self._engines():
                engine.set_clock_ms(milliseconds, through=True)
                if not self._held:
                    engine.run_clock_from_ms(milliseconds)

    def hold(self) -> None:
        """Let the clock stand still where it is."""
        with self._lock:
            self._held = True
            for engine in self._engines():
                engine.hold_clock()

    def run(self) -> None:
        """Let the clock run on from where it is."""
        with self._lock:
            self._held = False
            for engine in self._engines():
                engine.run_clock_from_ms(engine.clock_us / 1000)

    def release(self) -> None:
        """Give the stores the system's time again; what it says of freezegun or time-machine is not followed any more. May be called
        again."""
        self.unfollow()
        with self._lock:
            self._held = False
            for engine in self._engines():
                engine.release_clock()

    # ---- others' clocks

    def follow(self) -> None:
        """From now on, do as freezegun and time-machine do: hold, move and run this clock with theirs, where Python's time.time() is
        theirs, and give the stores the system's time where it is not. Both may be used in turn. `unfollow` ends it, and so does
        `release`.

        ImportError where neither is installed. A freezegun with `auto_tick_seconds` moves at every look at the time: the stores
        hear of that at the next move, or by `sync`.
        """
        from .following import Following
        with self._lock:
            if self._following is None:
                self._following = Following(self.sync)
        self.sync()

    def unfollow(self) -> None:
        """Do not follow others' clocks any more; the clock stays as it is."""
        with self._lock:
            if self._following is not None:
                self._following.end()
                self._following = None

    def sync(self) -> None:
        """Look at freezegun's or time-machine's clock now, while they are followed; otherwise nothing happens."""
        with self._lock:
            if self._following is None:
                return
            seen = self._following.look()
            self._held = seen is not None and not seen.runs
            for engine in self._engines():
                if seen is None:
                    engine.release_clock()
                    continue
                engine.set_clock_ms(seen.seconds * 1000, through=True)
                if seen.runs:
                    engine.run_clock_from_ms(seen.seconds * 1000)

    def __enter__(self) -> "Clock":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def __repr__(self) -> str:
        try:
            return f"<hutch.testing.Clock {'held at' if self._held else 'running,'} {self.now().isoformat()}>"
        except Exception:
            return "<hutch.testing.Clock without a store>"
