"""Tools to test programs that use Redis or Hutch: a clock to hold and move, stores in the place of servers, faults, random commands,
and a reference model. The guide is docs/testing.md.

With pytest the fixtures come by themselves (``pip install hutch[testing]``); nothing of it is imported before it is asked for.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:                        # what __getattr__ finds
    from . import faults, strategies
    from .clock import Clock
    from .machine import RedisStateMachine
    from .model import Model
    from .patching import Patch, patch
    from .proxy import FaultProxy

_WHERE = {"Clock": "clock", "FaultProxy": "proxy", "Patch": "patching", "patch": "patching", "Model": "model", "RedisStateMachine": "machine"}

__all__ = ["Clock", "FaultProxy", "Model", "Patch", "RedisStateMachine", "patch"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    if name in ("faults", "strategies"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "faults", "strategies"})
