"""What freezegun and time-machine say of the time, and when they say something else.

Both are told of by what moves them: their methods are wrapped while somebody follows them, and put back afterwards.
"""
from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from datetime import timezone
from typing import Any, Callable, Iterator

__all__ = ["Following", "Seen"]


@dataclass(frozen=True)
class Seen:
    """Somebody else's clock: a Unix time in seconds, and whether it runs on from there."""
    seconds: float
    runs: bool


def freezegun_s() -> Seen | None:
    """freezegun's clock, or None where it is not at work."""
    api = sys.modules.get("freezegun.api")
    factories = getattr(api, "freeze_factories", None)
    if not factories:
        return None
    factory = factories[-1]
    kind = type(factory).__name__
    # A look at one that ticks by itself would move it.
    moment = factory.time_to_freeze if kind.startswith("Step") else factory()
    return Seen(moment.replace(tzinfo=timezone.utc).timestamp(), kind.startswith("Ticking"))


def time_machine_s() -> Seen | None:
    """time-machine's clock, or None where it is not at work."""
    module = sys.modules.get("time_machine")
    # Before its version 3 a traveller was a set of coordinates.
    stack = getattr(module, "traveller_stack", None) or getattr(module, "coordinates_stack", None)
    if not stack:
        return None
    return Seen(stack[-1].time_ns() / 1e9, bool(stack[-1]._tick))


def movers() -> Iterator[tuple[Any, str]]:
    """(class, method) of all that starts, moves or ends a clock of theirs. ImportError where neither is installed."""
    found = False
    try:
        import freezegun.api as frozen
    except ImportError:
        pass
    else:
        found = True
        yield from ((frozen._freeze_time, name) for name in ("start", "stop"))
        for kind in (frozen.FrozenDateTimeFactory, frozen.TickingDateTimeFactory, frozen.StepTickTimeFactory):
            yield from ((kind, name) for name in ("tick", "move_to") if name in vars(kind))
    try:
        import time_machine
    except ImportError:
        pass
    else:
        found = True
        yield from ((time_machine.travel, name) for name in ("start", "stop"))
        kind = getattr(time_machine, "Traveller", None) or time_machine.Coordinates
        yield from ((kind, name) for name in ("shift", "move_to"))
    if not found:
        raise ImportError("there is nobody to follow: neither freezegun nor time-machine is installed")


class Following:
    """Calls `moved()` after every move of either library's clock, until `end`. ImportError where neither is installed."""

    def __init__(self, moved: Callable[[], None]):
        self._undo: list[tuple[Any, str, Any]] = []
        for kind, name in movers():
            original = vars(kind)[name]
            self._undo.append((kind, name, original))
            setattr(kind, name, _telling(original, moved))

    def look(self) -> Seen | None:
        """The clock that Python's time.time() shows now, or None where it is the system's."""
        return time_machine_s() or freezegun_s()

    def end(self) -> None:
        """Put their methods back. May be called again."""
        for kind, name, original in reversed(self._undo):
            setattr(kind, name, original)
        self._undo.clear()


def _telling(original: Callable, moved: Callable[[], None]) -> Callable:
    @functools.wraps(original)
    def wrapped(*args, **kwargs):
        answer = original(*args, **kwargs)
        moved()
        return answer
    return wrapped
