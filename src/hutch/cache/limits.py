"""Rate limits: how often something may happen, counted in a store, so that all threads and processes share one count.

    limit = SlidingWindow(limit=100, per=60)           # on a store of its own; or on a name, a path, a URL, a client, a Cache
    if not limit.hit("user:7"): ...

FixedWindow counts in windows that begin at multiples of `per` (cheapest; twice the limit may pass around a window's end). SlidingWindow remembers the time
of each: in no span of `per` seconds more than `limit` pass. TokenBucket lets `limit` a `per` pass on the average and `burst` at once. Each decision is
one script on the store's own clock, exact to a microsecond: nothing is lost or counted twice between two callers.
"""
from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
from typing import Any, Awaitable, Callable, ParamSpec, TypeVar

from .errors import RateLimited
from .keys import as_key
from .scripts import Script
from .stores import AsyncStore, SyncStore

P = ParamSpec("P")
R = TypeVar("R")
Self = TypeVar("Self")

_EXACT = 1 << 53                         # whole numbers up to here are exact in Lua

_NOW = "local time = redis.call('TIME') local now = time[1] * 1000000 + time[2]\n"

# KEYS key; ARGV limit, per in us, cost (0: only look) -> allowed, left, us until allowed, us until all is free. So are all three.
_FIXED = Script(_NOW + """
local limit, per, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local window = math.floor(now / per)
local was = redis.call('HMGET', KEYS[1], 'window', 'used')
local used = 0
if was[1] and tonumber(was[1]) == window then used = tonumber(was[2]) end
local ends = (window + 1) * per - now
local allowed = used + cost <= limit
if allowed and cost > 0 then
  used = used + cost
  redis.call('HSET', KEYS[1], 'window', string.format('%.0f', window), 'used', string.format('%.0f', used))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(ends / 1000)))
end
return {allowed and 1 or 0, math.max(limit - used, 0), allowed and 0 or ends, used > 0 and ends or 0}
""")

_SLIDING = Script(_NOW + """
local limit, per, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first = redis.call('LINDEX', KEYS[1], 0)
while first and tonumber(first) <= now - per do
  redis.call('LPOP', KEYS[1])
  first = redis.call('LINDEX', KEYS[1], 0)
end
local used = redis.call('LLEN', KEYS[1])
local allowed = used + cost <= limit
local wait = 0
if allowed then
  local text = string.format('%.0f', now)
  for i = 1, cost do redis.call('RPUSH', KEYS[1], text) end
  used = used + cost
  if cost > 0 then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(per / 1000))) end
else
  wait = tonumber(redis.call('LINDEX', KEYS[1], used + cost - limit - 1)) + per - now
end
local reset = 0
if used > 0 then reset = tonumber(redis.call('LINDEX', KEYS[1], -1)) + per - now end
return {allowed and 1 or 0, math.max(limit - used, 0), wait, reset}
""")

# A token is `per` units and a microsecond brings `limit` of them: whole numbers, so nothing is ever rounded. ARGV[4]: burst.
_BUCKET = Script(_NOW + """
local limit, per, cost, full = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]) * tonumber(ARGV[2])
local was = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = full, now
if was[1] then
  level, at = math.min(tonumber(was[1]), full), tonumber(was[2])
  if now > at then
    if now - at >= (full - level) / limit then level = full else level = level + (now - at) * limit end
    at = now
  end
end
local allowed = cost * per <= level
if allowed and cost > 0 then
  level = level - cost * per
  redis.call('HSET', KEYS[1], 'level', string.format('%.0f', level), 'at', string.format('%.0f', at))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((full - level) / limit / 1000) + math.max(0, math.ceil((at - now) / 1000)) + 1))
end
return {allowed and 1 or 0, math.floor(level / per), allowed and 0 or math.ceil((cost * per - level) / limit), math.ceil((full - level) / limit)}
""")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a limit says: true when it was allowed. `remaining`: how many more would be; `retry_after`: seconds until this would be allowed (0.0 when it
    was); `reset_after`: seconds until nothing counts any more."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    reset_after: float

    def __bool__(self) -> bool:
        return self.allowed



class _Limit:
    """What all limits share; `_script` is the kind's."""

    _script: Script
    _kind: str
    _store: Any

    def _begin(self, limit: int, per: float, burst: int | None, namespace: str) -> None:
        self.limit = limit
        self.per = per
        self.burst = limit if burst is None else burst
        per_us = round(per * 1_000_000)
        if not isinstance(limit, int) or not isinstance(self.burst, int) or limit < 1 or self.burst < 1:
            raise ValueError("limit and burst are whole numbers, 1 at least")
        if per_us < 1:
            raise ValueError("per is more than 0 seconds")
        if max(self.burst * per_us, limit * per_us) >= _EXACT:
            raise ValueError("limit (or burst) times per is too large to be counted exactly: less than 9e9 seconds")
        self._prefix = f"{namespace}!{self._kind}:".encode()
        self._words = limit, per_us
        self._most = self.burst if self._kind == "bucket" else limit

    def _ask(self, key: str | bytes, cost: int) -> tuple[Script, tuple[bytes], tuple[int, ...]]:
        if not isinstance(cost, int) or cost < 0:
            raise ValueError("a cost is a whole number")
        if cost > self._most:
            raise ValueError(f"a cost of {cost} is never allowed by a limit of {self._most}")
        return self._script, (self._prefix + as_key(key),), (*self._words, cost, self.burst)

    def _verdict(self, reply: list[int]) -> Verdict:
        allowed, remaining, wait, reset = reply
        return Verdict(bool(allowed), self._most, remaining, wait / 1_000_000, reset / 1_000_000)


class _SyncLimit(_Limit):

    def __init__(self, store: Any = None, *, limit: int, per: float, burst: int | None = None, namespace: str = "rate",
                 sleep: Callable[[float], Any] = time.sleep):
        self._begin(limit, per, burst, namespace)
        self._is_own = not hasattr(store, "_store")          # and not a cache's
        self._store = SyncStore(store) if self._is_own else store._store
        self._sleep = sleep

    def hit(self, key: str | bytes = "", cost: int = 1) -> Verdict:
        """May it happen now? If so, it counts. ValueError for a cost that is never allowed; raises the store's errors."""
        return self._verdict(self._store.script(*self._ask(key, cost)))

    def peek(self, key: str | bytes = "") -> Verdict:
        """How things stand; nothing is counted."""
        return self._verdict(self._store.script(*self._ask(key, 0)))

    def reset(self, key: str | bytes = "") -> None:
        """Forget what was counted for a key."""
        self._store.run("UNLINK", self._prefix + as_key(key))

    def wait(self, key: str | bytes = "", cost: int = 1, timeout: float | None = None) -> Verdict:
        """Sleep until it is allowed, and count it; at most `timeout` seconds, after which the verdict is a refusal. Who waits has no turn reserved."""
        while True:
            verdict = self.hit(key, cost)
            if verdict or (timeout is not None and verdict.retry_after > timeout):
                return verdict
            if timeout is not None:
                timeout -= verdict.retry_after
            self._sleep(verdict.retry_after)

    def close(self) -> None:
        """End the client, if it was made for this limit (of a URL, a name or a path). What was counted stays in the store, where that stays."""
        if self._is_own:
            self._store.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def limited(self, key: str | Callable[..., str | bytes] = "", cost: int = 1) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function: a call that is not allowed raises RateLimited. `key`: a text, or a function of the arguments."""
        def decorator(function: Callable[P, R]) -> Callable[P, R]:
            @functools.wraps(function)
            def limited(*args: P.args, **kwargs: P.kwargs) -> R:
                verdict = self.hit(key(*args, **kwargs) if callable(key) else key, cost)
                if not verdict:
                    raise RateLimited(verdict)
                return function(*args, **kwargs)
            return limited
        return decorator


class _AsyncLimit(_Limit):

    def __init__(self, store: Any = None, *, limit: int, per: float, burst: int | None = None, namespace: str = "rate",
                 sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep):
        self._begin(limit, per, burst, namespace)
        self._is_own = not hasattr(store, "_store")          # and not a cache's
        self._store = AsyncStore(store) if self._is_own else store._store
        self._sleep = sleep

    async def hit(self, key: str | bytes = "", cost: int = 1) -> Verdict:
        """May it happen now? If so, it counts. ValueError for a cost that is never allowed; raises the store's errors."""
        return self._verdict(await self._store.script(*self._ask(key, cost)))

    async def peek(self, key: str | bytes = "") -> Verdict:
        """How things stand; nothing is counted."""
        return self._verdict(await self._store.script(*self._ask(key, 0)))

    async def reset(self, key: str | bytes = "") -> None:
        """Forget what was counted for a key."""
        await self._store.run("UNLINK", self._prefix + as_key(key))

    async def wait(self, key: str | bytes = "", cost: int = 1, timeout: float | None = None) -> Verdict:
        """Sleep until it is allowed, and count it; at most `timeout` seconds, after which the verdict is a refusal. Who waits has no turn reserved."""
        while True:
            verdict = await self.hit(key, cost)
            if verdict or (timeout is not None and verdict.retry_after > timeout):
                return verdict
            if timeout is not None:
                timeout -= verdict.retry_after
            await self._sleep(verdict.retry_after)

    async def close(self) -> None:
        """End the client, if it was made for this limit (of a URL, a name or a path). What was counted stays in the store, where that stays."""
        if self._is_own:
            await self._store.close()

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    def limited(self, key: str | Callable[..., str | bytes] = "",
                cost: int = 1) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """Decorate a coroutine function: a call that is not allowed raises RateLimited. `key`: a text, or a function of the arguments."""
        def decorator(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            @functools.wraps(function)
            async def limited(*args: P.args, **kwargs: P.kwargs) -> R:
                verdict = await self.hit(key(*args, **kwargs) if callable(key) else key, cost)
                if not verdict:
                    raise RateLimited(verdict)
                return await function(*args, **kwargs)
            return limited
        return decorator


class FixedWindow(_SyncLimit):
    """At most `limit` in each window of `per` seconds; windows begin at multiples of `per` of Unix time. O(1), a small hash a key."""

    _script, _kind = _FIXED, "fixed"


class SlidingWindow(_SyncLimit):
    """At most `limit` in any `per` seconds. O(cost and what is forgotten), some ten bytes for each that counts."""

    _script, _kind = _SLIDING, "sliding"


class TokenBucket(_SyncLimit):
    """`limit` a `per` seconds on the average, and `burst` (by default `limit`) at once after a quiet time. O(1), a small hash a key."""

    _script, _kind = _BUCKET, "bucket"


class AsyncFixedWindow(_AsyncLimit):
    """FixedWindow with asyncio."""

    _script, _kind = _FIXED, "fixed"


class AsyncSlidingWindow(_AsyncLimit):
    """SlidingWindow with asyncio."""

    _script, _kind = _SLIDING, "sliding"


class AsyncTokenBucket(_AsyncLimit):
    """TokenBucket with asyncio."""

    _script, _kind = _BUCKET, "bucket"
