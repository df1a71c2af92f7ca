"""Is what stands between a call and the wire redis-py's own and ours, or did somebody put something in its place?

Tests replace methods on classes to simulate an outage, tracers (OpenTelemetry, Sentry, ddtrace) wrap redis-py's, and some
did so before Hutch was imported. So nothing is compared with what was there at import: a function is redis-py's own if it
was written in redis-py.
"""
import weakref
from types import FunctionType, MethodDescriptorType

from hutch_engine.door.classes import class_number

_OWN_PACKAGES = frozenset({"redis", "hutch", "hutch_engine"})


def is_own(attribute) -> bool:
    """Was this attribute of a class written in redis-py or here?"""
    kind = type(attribute)
    if kind is FunctionType:
        return str(attribute.__globals__.get("__name__", "")).partition(".")[0] in _OWN_PACKAGES
    # Compiled methods, and descriptors of ours.
    return kind is MethodDescriptorType or kind.__module__.partition(".")[0] in _OWN_PACKAGES or (
        kind.__name__ == "cython_function_or_method" and str(attribute.__module__).partition(".")[0] in _OWN_PACKAGES)


class Pristine:
    """Calls tell whether a class is: all definitions of `names`, in it and its bases, are redis-py's own or ours; and so are
    those that compiled methods stand in for, in the bases behind the class `base` (`compiled` has them, if it does not)."""

    def __init__(self, names, base=None, compiled=None):
        self._names = self._behind = frozenset(names)
        self._base = base
        if base is not None:
            self._behind |= {name for kind in (compiled or base).__mro__[:-1] for name in vars(kind) if not name.startswith("_")}
        self._known = weakref.WeakKeyDictionary()        # class -> its number when it was looked at, and what was found

    def __call__(self, kind) -> bool:
        number = class_number(kind)
        known = self._known.get(kind)
        if known is None or known[0] != number or not number:
            known = number, self._look(kind)
            self._known[kind] = known
        return known[1]

    def _look(self, kind):
        names = self._names
        for base in kind.__mro__:
            attributes = vars(base)
            if not all(is_own(attributes[name]) for name in names if name in attributes):
                return False
            if base is self._base:
                names = self._behind
        return True
