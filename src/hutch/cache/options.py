"""How a value is kept: the options of a cache, of a function, or of one call."""
from __future__ import annotations

import dataclasses
import random
from typing import Any, Callable, Iterable, Union

TTL = Union[float, None, Callable[[Any], Union[float, None]]]
LONGEST = 9e9                            # seconds, some 285 years: what stores and waiting threads can count
Tags = Union[str, Iterable[str], Callable[..., Iterable[str]]]


@dataclasses.dataclass(frozen=True)
class Options:
    """All times are in seconds. docs/caching.md explains each of them.

    `ttl`: how long a value is fresh; None for ever; or a function of the value. `jitter`: by up to which part of it (0.1: a tenth) the ttl is made
    shorter at random, so that values stored together do not end together.
    `early`: above 0, values are computed again shortly before their deadline, by chance (XFetch; 1.0 is the paper's).
    `stale`: how long after its ttl a value may still be served, when computing a new one fails or takes longer than `soft_timeout`;
    `retry_after`: how long it then counts as fresh. `background`: a stale value is served at once, while one caller's background computes a new one.
    `timeout`: after so long a call raises CacheTimeoutError, if there is no stale value; the computation goes on.
    `single_flight`: of those who miss the same key at once, in all threads, tasks and processes, one computes. `lease`: so long the others wait for it
    before one of them computes, too.
    `negative_ttl`: how long it is kept that there is no value (None returned, or one of `negative_errors` raised); 0: not at all; None: as long as a
    value. `keep_if`: a value for which this function is false is returned, and not kept.
    `tags`: names under which values are invalidated together; for a function, also a function of its arguments that returns them.
    """

    ttl: TTL = None
    jitter: float = 0.0
    early: float = 0.0
    stale: float = 0.0
    retry_after: float = 1.0
    soft_timeout: float | None = None
    timeout: float | None = None
    background: bool = False
    single_flight: bool = True
    lease: float = 30.0
    negative_ttl: float | None = None
    negative_errors: tuple[type[Exception], ...] = ()
    keep_if: Callable[[Any], Any] | None = None
    tags: Tags = ()

    def __post_init__(self) -> None:
        for name in ("stale", "early", "jitter"):
            if not 0 <= getattr(self, name):
                raise ValueError(f"{name} must not be negative")
        if not callable(self.ttl) and self.ttl is not None and not self.ttl > 0:
            raise ValueError("ttl must be more than 0 seconds, or None")
        for name in ("ttl", "stale", "retry_after", "soft_timeout", "timeout", "lease", "negative_ttl"):
            value = getattr(self, name)
            if value is not None and not callable(value) and not value < LONGEST:
                raise ValueError(f"{name} must be less than 9e9 seconds" + ("; None is for ever" if name == "ttl" else ""))
        if self.jitter >= 1:
            raise ValueError("jitter is a part of the ttl, less than 1")
        for name in ("soft_timeout", "timeout", "lease", "retry_after"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be more than 0 seconds")
        if self.negative_ttl is not None and self.negative_ttl < 0:
            raise ValueError("negative_ttl must not be negative")
        if self.soft_timeout is not None and not self.stale:
            raise ValueError("soft_timeout serves a stale value: say for how long after its ttl one may be served (stale=)")
        if self.background and not self.stale:
            raise ValueError("background serves a stale value: say for how long after its ttl one may be served (stale=)")
        if self.negative_errors and callable(self.ttl) and self.negative_ttl is None:
            raise ValueError("where ttl is a function of the value, say how long it is kept that there is none (negative_ttl=)")
        if isinstance(self.tags, str):
            object.__setattr__(self, "tags", (self.tags,))
        if isinstance(self.negative_errors, type):
            object.__setattr__(self, "negative_errors", (self.negative_errors,))

    def changed(self, **changes: Any) -> Options:
        """These options with some of them changed. TypeError for an unknown name, ValueError for a value that is none."""
        return dataclasses.replace(self, **changes) if changes else self

    def ttl_of(self, value: Any) -> float | None:
        """The ttl of a value, jitter included. ValueError when the function `ttl` returns what is none."""
        ttl = self.ttl(value) if callable(self.ttl) else self.ttl
        if ttl is None:
            return None
        if not 0 < ttl < LONGEST:
            raise ValueError(f"ttl must be more than 0 seconds and less than 9e9, or None; the function ttl returned {ttl!r}")
        return ttl * (1 - self.jitter * random.random()) if self.jitter else ttl

    def tags_of(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> tuple[str, ...]:
        """The tags of a call."""
        tags = self.tags(*args, **(kwargs or {})) if callable(self.tags) else self.tags
        return (tags,) if isinstance(tags, str) else tuple(tags)

    @property
    def is_timed(self) -> bool:
        """Do entries need to say until when they are fresh?"""
        return bool(self.stale or self.early)
