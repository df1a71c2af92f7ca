"""What the cache does, step by step, for sync and asyncio alike.

A *flow* is a generator. It yields what it needs, and is sent the answer, or has the exception thrown in:

    ("get", key)                        the bytes of an entry or None, from the nearest place
    ("run", words)                      a command's reply
    ("script", script, keys, words)     a script's reply
    ("call", function)                  what a function of the program returns
    ("sleep", seconds)
    ("wait", flight, seconds)           has it ended?
    ("spawn", flow, flight, key)        nothing: that flow, which leads the flight of the key, is run by a thread or task of its own

Cache drives flows by calls, AsyncCache by awaiting; neither has another copy of a rule.
"""
from __future__ import annotations

import math
import random
import secrets
import time
from typing import Any, Callable, Generator, Iterable

import redis

from .clock import Clock, milliseconds
from .entries import ABSENT, Entry, EntryCodec
from .errors import CacheTimeoutError, NotSerializableError
from .flights import AGAIN, ERROR, VALUE, Flights
from .keys import as_key
from .options import Options
from .scripts import CLAIM, INVALIDATE_PREFIX, INVALIDATE_TAGS, KEEP_STALE, RELEASE, STORE, escaped
from .statistics import Hooks, Statistics

Flow = Generator[tuple[Any, ...], Any, Any]
STORE_ERRORS = (redis.RedisError, OSError)

NOTHING, STALE, EARLY, FRESH = range(4)  # what an entry is good for
_FENCE_MS = 600_000                      # how long invalidations are remembered, unless leases are longer
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1


class Absent(Exception):
    """Carries an entry of negative caching to who knows what to make of it."""


class Flows:
    """The rules of one cache: how keys are called in the store, what entries are good for, who computes."""

    def __init__(self, namespace: str, codec: EntryCodec, options: Options, flights: Flights, clock: Clock, raise_store_errors: bool):
        self.name = namespace.encode()
        self.prefix = self.name + b":"
        self.codec = codec
        self.options = options
        self.flights = flights
        self.clock = clock
        self.raise_store_errors = raise_store_errors
        self.statistics = Statistics()
        self.hooks = Hooks(self.statistics)
        self.tell = self.hooks.tell

    # ---- names in the store

    def lease_of(self, key: bytes) -> bytes:
        """The key of an entry's lease."""
        return b"%b!lease:%b" % (self.name, key[len(self.prefix):])

    def tag_keys(self, tags: Iterable[str]) -> list[bytes]:
        """The two keys of each tag: its entries, its fence."""
        keys = []
        for tag in tags:
            text = as_key(tag)
            keys += [b"%b!tag:%b" % (self.name, text), b"%b!fence:%b" % (self.name, text)]
        return keys

    @property
    def epoch_key(self) -> bytes:
        """The key of the number of invalidations."""
        return self.name + b"!epoch"

    @property
    def fence_key(self) -> bytes:
        """The key of the last invalidation by prefix."""
        return self.name + b"!fence"

    # ---- what was found

    def worth(self, entry: Entry | None, options: Options, draw: bool = True) -> int:
        """NOTHING, STALE, FRESH, or EARLY: still fresh, and it fell to this caller to compute it again.

        Source of the draw: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", PVLDB 8 (2015), XFetch: compute
        when now - cost * beta * ln(random) is past the deadline. The longer a computation takes, the earlier it begins.
        """
        if entry is None:
            return NOTHING
        if not entry.fresh_until_ms:
            return FRESH
        left = entry.fresh_until_ms / 1000 - self.clock()
        if left <= 0:
            return STALE
        if draw and options.early and -entry.cost * options.early * math.log(1.0 - random.random()) >= left:
            return EARLY
        return FRESH

    def open(self, entry: Entry | None) -> tuple[bool, Any]:
        """(True, value) of an entry; (False, None) of what is none or damaged. Absent is raised for one that says there is no value."""
        if entry is None:
            return False, None
        try:
            value = self.codec.value_of(entry)
        except ValueError:
            return False, None
        if entry.flags & ABSENT:
            raise Absent(value)
        return True, value

    def answer(self, entry: Entry | None, options: Options) -> tuple[bool, Any]:
        """As `open`; of an entry that says there is no value, (True, None), or the error that said so is raised again."""
        try:
            return self.open(entry)
        except Absent as absent:
            what = absent.args[0]
        self.tell("absent")
        if what is None:
            return True, None
        try:
            name, *arguments = what
        except (TypeError, ValueError):
            return False, None
        for kind in options.negative_errors:
            if f"{kind.__module__}.{kind.__qualname__}" == name:
                try:
                    error = kind(*arguments)
                except Exception:        # it is made of other things than it shows: to be computed again
                    return False, None
                raise error
        return False, None               # no error of ours: another function's entry

    def store_failed(self, key: bytes | None, error: BaseException) -> None:
        """The store did not do what it was asked to: go on without it, or raise the error, as the cache was told to."""
        self.tell("store_error", key, error)
        if self.raise_store_errors:
            raise error

    # ---- flows

    def obtain(self, key: bytes, call: Callable[[], Any], options: Options, tags: tuple[str, ...], data: bytes | None) -> Flow:
        """The value of a key: the entry's (`data`, as it was just read), or computed by `call`."""
        counted = False
        while True:
            entry = self.codec.parse(data)
            state = self.worth(entry, options)
            found, value = (False, None) if state == NOTHING else self._answer_or_error(entry, options)
            if not found:
                state = NOTHING
            if state == FRESH:
                self.tell("hit", key)
                return _result(value)
            if not counted:
                counted = True
                self.tell("early" if state == EARLY else "miss", key)
            own = self.flights.alone()
            try:
                flight, mine = self.flights.join(key, own) if options.single_flight else (own, True)
                if flight is None:           # the computation asks for its own key
                    return (yield ("call", call))
                limit = options.soft_timeout if state >= STALE and options.soft_timeout is not None else options.timeout
                background = options.background and state == STALE
                if mine:
                    lead = self.lead(flight, key, call, options, tags, data, state, value)
                    if background or limit is not None:
                        flight.owner = None  # whoever runs it says so; the caller may come back meanwhile
                        yield ("spawn", lead, flight, key)
                        own = None
                    else:
                        yield from lead
                elif state == EARLY:
                    self.tell("hit", key)
                    return _result(value)
                if background:
                    self.tell("stale", key)
                    return _result(value)
                if flight.outcome is None:
                    if not mine:
                        self.tell("wait", key)
                    if not (yield ("wait", flight, limit)):
                        if state >= STALE:
                            self.tell("stale", key)
                            return _result(value)
                        raise CacheTimeoutError(f"computing {key.decode(errors='replace')} takes longer than {limit} seconds")
                how, thing, stored = flight.outcome
                if how == ERROR:
                    raise thing
                if how == VALUE:
                    if mine or stored is None:
                        return _result(thing)
                    found, value = self._answer_or_error(self.codec.parse(stored), options)
                    if found:
                        return _result(value)
            except BaseException:        # no thread to be had, or a signal's exception, which may come anywhere: nobody shall wait for this flight
                if own is not None:
                    self.abandon(own, key)
                raise
            # Whoever computed was cancelled, or its entry is none of ours: begin anew.
            data = yield ("get", key)

    def _answer_or_error(self, entry: Entry | None, options: Options) -> tuple[bool, Any]:
        try:
            return self.answer(entry, options)
        except options.negative_errors as error:
            return True, _Raised(error)

    def lead(self, flight: Any, key: bytes, call: Callable[[], Any], options: Options, tags: tuple[str, ...], data: bytes | None, state: int,
             old: Any) -> Flow:
        """Compute a key for all who wait for `flight`, under a lease in the store, and store it. `data`, `state` and `old`: what was found before."""
        flight.owner = self.flights.me()
        outcome: tuple[int, Any, bytes | None] = (AGAIN, None, None)
        token = b""
        try:
            reachable, epoch = True, 0
            if options.single_flight:
                token = secrets.token_hex(8).encode()
                try:
                    epoch, newer = yield from self._claim(key, token, options, data, patient=state == NOTHING or (
                        state == STALE and not options.background))
                    if newer is not None:
                        token = b""
                        if newer is data:
                            outcome = (VALUE, old, data)
                        else:
                            found, value = self._answer_or_error(self.codec.parse(newer), options)
                            outcome = (VALUE, value, newer) if found else outcome
                        return
                except STORE_ERRORS as error:
                    reachable, token = False, b""
                    self.store_failed(key, error)
            started = time.perf_counter()
            try:
                value = yield ("call", call)
            except Exception as error:
                self.tell("error", key, error)
                outcome = yield from self._failed(error, key, token, epoch, options, tags, data, state, old)
                token = b""
                return
            cost = time.perf_counter() - started
            self.tell("compute", key, cost)
            stored = None
            outcome = (VALUE, value, None)
            if options.keep_if is not None and not options.keep_if(value):
                return
            absent = value is None and options.negative_ttl is not None
            if absent:
                self.tell("absent", key)
                if options.negative_ttl == 0:
                    return
                stored = self.absent_entry(None, options)
                ttl = options.negative_ttl
            else:
                ttl = options.ttl_of(value)
                stored = self.entry(value, ttl, cost, options)
            if reachable:
                try:
                    kept = yield from self.keep(key, stored, ttl, 0 if absent else options.stale, tags, token, epoch)
                    token = b""
                    if not kept:
                        self.tell("discard", key)
                except STORE_ERRORS as error:
                    token = b""
                    self.store_failed(key, error)
            outcome = (VALUE, value, stored)
        except GeneratorExit:
            token = b""                  # nobody is there any more to be asked
            raise
        except Exception as error:       # of the options' functions, the serializer, or a store that must not be gone without
            outcome = (ERROR, error, None)
        finally:
            try:
                if token:
                    yield ("script", RELEASE, (self.lease_of(key),), (token,))
            except STORE_ERRORS as error:
                self.tell("store_error", key, error)
            finally:
                self.flights.leave(key, flight)
                flight.finish(outcome)

    def abandon(self, flight: Any, key: bytes) -> None:
        """A computation that never began: who waits for it begins anew."""
        self.flights.leave(key, flight)
        flight.finish((AGAIN, None, None))

    def _claim(self, key: bytes, token: bytes, options: Options, data: bytes | None, patient: bool) -> Flow:
        """Take the lease: (epoch, None). (0, bytes) when there is a newer entry, or `data` when somebody else has it and we are not `patient`."""
        names = key, self.lease_of(key), self.epoch_key
        pause, told = _FIRST_PAUSE, False
        while True:
            granted, epoch, *rest = yield ("script", CLAIM, names, (token, milliseconds(options.lease)))
            current = rest[0] if rest else None
            if current is not None and current != data and self.worth(self.codec.parse(current), options, draw=False) == FRESH:
                if granted:
                    yield ("script", RELEASE, names[1:2], (token,))
                return 0, current
            if granted:
                return epoch, None
            if not patient:
                return 0, data
            if not told:
                told = True
                self.tell("wait", key)
            yield ("sleep", pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _failed(self, error: Exception, key: bytes, token: bytes, epoch: int, options: Options, tags: tuple[str, ...], data: bytes | None,
                state: int, old: Any) -> Flow:
        """What becomes of a computation that raised: it is known that there is no value, the older value is served, or the error is raised."""
        lease = self.lease_of(key)
        outcome: tuple[int, Any, bytes | None] = (ERROR, error, None)
        try:
            if options.negative_errors and isinstance(error, options.negative_errors) and options.negative_ttl != 0:
                ttl = options.negative_ttl if options.negative_ttl is not None else options.ttl_of(None)
                self.tell("absent", key)
                yield from self.keep(key, self.absent_entry(error, options), ttl, 0, tags, token, epoch)
            elif state >= STALE and data is not None:
                self.tell("stale", key)
                outcome = (VALUE, old, data)
                if state == STALE:
                    until = int((self.clock() + options.retry_after) * 1000)
                    was = self.codec.parse(data)
                    yield ("script", KEEP_STALE, (key, lease), (token, data, self.codec.with_times(data, until, was.cost if was else 0.0)))
                elif token:
                    yield ("script", RELEASE, (lease,), (token,))
            elif token:
                yield ("script", RELEASE, (lease,), (token,))
        except STORE_ERRORS as store_error:
            self.tell("store_error", key, store_error)
        return outcome

    def absent_entry(self, error: Exception | None, options: Options) -> bytes:
        """The bytes that say there is no value, and what said so."""
        if error is None:
            return self.codec.encode(None, absent=True)
        kind = next(kind for kind in options.negative_errors if isinstance(error, kind))
        arguments = error.args if all(type(word) in (str, int, float, bool, bytes, type(None)) for word in error.args) else (str(error),)
        return self.codec.encode([f"{kind.__module__}.{kind.__qualname__}", *arguments], absent=True)

    def entry(self, value: Any, ttl: float | None, cost: float, options: Options) -> bytes:
        """The bytes of an entry. NotSerializableError."""
        if ttl is None or not options.is_timed:
            return self.codec.encode(value)
        return self.codec.encode(value, int((self.clock() + ttl) * 1000), cost)

    def keep(self, key: bytes, entry: bytes, ttl: float | None, stale: float, tags: tuple[str, ...], token: bytes = b"", epoch: int = 0) -> Flow:
        """Store an entry: with a token only if its lease still stands and nothing was invalidated meanwhile. Was it stored?"""
        ttl_ms = 0 if ttl is None else milliseconds(ttl + stale)
        kept = yield ("script", STORE, (key, self.lease_of(key), self.fence_key, *self.tag_keys(tags)), (entry, ttl_ms, token, epoch))
        if kept:
            self.tell("set", key)
        return bool(kept)

    def put(self, key: bytes, value: Any, options: Options, tags: tuple[str, ...]) -> Flow:
        """Store a value that somebody has."""
        ttl = options.ttl_of(value)
        yield from self.keep(key, self.entry(value, ttl, 0.0, options), ttl, options.stale, tags)

    def read(self, key: bytes, default: Any, stale: bool) -> Flow:
        """A value, or the default: nothing is computed."""
        try:
            entry = self.codec.parse((yield ("get", key)))
        except STORE_ERRORS as error:
            self.store_failed(key, error)
            return default
        return self.look(key, entry, default, stale)

    def look(self, key: bytes, entry: Entry | None, default: Any, stale: bool) -> Any:
        """The value of an entry that was read, or the default."""
        try:
            state = self.worth(entry, self.options, draw=False)
            found, value = self.open(entry) if state == FRESH or (stale and state == STALE) else (False, None)
        except Absent:
            self.tell("absent", key)
            found, value = False, None
        self.tell("hit" if found else "miss", key)
        return value if found else default

    def read_many(self, keys: list[bytes], stale: bool) -> Flow:
        """The values of those keys that have one, by key."""
        if not keys:
            return {}
        try:
            replies = yield ("run", ("MGET", *keys))
        except STORE_ERRORS as error:
            self.store_failed(None, error)
            replies = [None] * len(keys)
        nothing = object()
        values = {key: self.look(key, self.codec.parse(data), nothing, stale) for key, data in zip(keys, replies)}
        return {key: value for key, value in values.items() if value is not nothing}

    def put_many(self, pairs: list[tuple[bytes, Any]], options: Options, tags: tuple[str, ...]) -> Flow:
        """Store several values, one after the other."""
        for key, value in pairs:
            yield from self.put(key, value, options, tags)

    def remove(self, keys: list[bytes]) -> Flow:
        """Delete entries; what is being computed for these keys will not be stored. How many there were."""
        if not keys:
            return 0
        yield ("run", ("UNLINK", *map(self.lease_of, keys)))     # first: from here on nothing older can be stored
        removed = yield ("run", ("UNLINK", *keys))
        self.tell("delete", keys[0] if len(keys) == 1 else tuple(keys), removed)
        return removed

    def invalidate_tags(self, tags: tuple[str, ...], lease: float) -> Flow:
        """Remove all entries with one of these tags, at once. How many there were."""
        if not tags:
            return 0
        removed = yield ("script", INVALIDATE_TAGS, (self.epoch_key, *self.tag_keys(tags)), (max(_FENCE_MS, milliseconds(lease)),))
        self.tell("invalidate", None, tags)
        return removed

    def invalidate_prefix(self, prefix: bytes, lease: float) -> Flow:
        """Remove all entries whose keys begin so, at once. How many there were."""
        removed = yield ("script", INVALIDATE_PREFIX, (self.epoch_key, self.fence_key),
                         (escaped(self.prefix + prefix) + b"*", max(_FENCE_MS, milliseconds(lease))))
        self.tell("invalidate", prefix, None)
        return removed


class _Raised:
    """An error that an entry stands for, on its way to the caller."""

    def __init__(self, error: BaseException):
        self.error = error


def _result(value: Any) -> Any:
    if type(value) is _Raised:
        raise value.error
    return value


__all__ = ["Flow", "Flows", "NotSerializableError"]
