"""The key of a cached call: which calls are the same call?

`module.function(argument,argument)`: the arguments stand in the order of the function's parameters with its defaults filled in, so that `f(1, b=2)`,
`f(a=1, b=2)` and `f(1)` with a default of 2 are one call. Text stands in quotes, so that "1" and 1 are two; True and 1, 1 and 1.0 are two as well.
More positional or keyword arguments (*args, **kwargs) stand at the end, these sorted by name. A key of more than 240 bytes has a hash in the place of the
arguments. Objects that have no text of their own are refused, rather than told apart by an address that another object may have tomorrow.
"""
from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import hashlib
import inspect
import os
import uuid
from typing import Any, Callable, Iterable

from hutch_engine.door.cached_calls import plain_key

from .errors import CacheKeyError

KEY_MAX = 240                            # bytes; plain_key has the same
_DEPTH_MAX = 50
_ATOMS = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID, complex, float, range)


def key_text(value: Any, depth: int = 0) -> str:
    """The text by which an argument stands in a key: the same for equal values of one type, another one for all others. An object may say its own by a
    method `__cache_key__()`, which returns something that has a text. CacheKeyError for what has none."""
    if value is None or value is True or value is False:
        return str(value)
    kind: Any = type(value)
    if kind is str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if kind is int:
        return str(value) if -(1 << 63) <= value < 1 << 63 else f"0x{value:x}"
    if kind is bytes or kind is bytearray:
        return f"{kind.__name__[:5]}:{value.hex()}"
    if depth > _DEPTH_MAX:
        raise CacheKeyError(f"an argument is nested deeper than {_DEPTH_MAX} levels, or in itself: give key=, a function that makes the key")
    if kind is tuple or kind is list:
        begin, end = "()" if kind is tuple else "[]"
        return begin + ",".join(key_text(member, depth + 1) for member in value) + end
    if kind is set or kind is frozenset:
        return "{" + ",".join(sorted(key_text(member, depth + 1) for member in value)) + "}"
    if kind is dict:
        return "{" + ",".join(sorted(f"{key_text(name, depth + 1)}:{key_text(member, depth + 1)}" for name, member in value.items())) + ",}"
    name = f"{kind.__module__}.{kind.__qualname__}"
    if hasattr(kind, "__cache_key__"):
        return f"{name}<{key_text(value.__cache_key__(), depth + 1)}>"
    if isinstance(value, enum.Enum):
        return f"{name}.{value.name}" if value.name is not None else f"{name}<{key_text(value.value, depth + 1)}>"
    if kind in _ATOMS:
        return f"{kind.__name__}:{value!r}"
    if kind is type or isinstance(value, type):
        return f"class:{value.__module__}.{value.__qualname__}"
    if isinstance(value, os.PathLike):
        return f"{name}<{key_text(os.fspath(value), depth + 1)}>"
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return f"{name}({','.join(key_text(member, depth + 1) for member in value)})"
    if dataclasses.is_dataclass(value) and kind.__eq__ is not object.__eq__:
        members = (f"{field.name}={key_text(getattr(value, field.name), depth + 1)}" for field in dataclasses.fields(value) if field.compare)
        return f"{name}({','.join(members)})"
    base: Any
    for base in (str, int, bytes):
        if isinstance(value, base):
            return f"{name}<{key_text(base(value), depth + 1)}>"
    raise CacheKeyError(f"an argument of type {name} has no text for a key: give it a method __cache_key__, name it in ignore=, or give "
                        "key=, a function that makes the key of the arguments")


def whole_key(prefix: bytes, texts: Iterable[str]) -> bytes:
    """prefix(text,text); with a hash of the texts where that would be longer than 240 bytes."""
    words = ",".join(texts).encode("utf-8", "surrogatepass")
    if len(prefix) + len(words) + 2 <= KEY_MAX:
        return b"%b(%b)" % (prefix, words)
    return b"%b#%b" % (prefix, hashlib.blake2b(words, digest_size=20).hexdigest().encode())


class CallKeys:
    """Makes the keys of one function's calls. `ignore`: names of parameters that do not make another call (a session, a logger, `self`)."""

    def __init__(self, function: Callable[..., Any], prefix: bytes, ignore: Iterable[str] = ()):
        self.prefix = prefix
        self.signature = inspect.signature(function)
        ignored = frozenset(ignore)
        unknown = ignored.difference(self.signature.parameters)
        if unknown:
            raise CacheKeyError(f"ignore= names parameters that {called(function)} does not have: {', '.join(sorted(unknown))}")
        self.ignored = ignored
        parameters = self.signature.parameters.values()
        # So many positional arguments, and no others, are all there is: their texts are the key's, and the quick way may be tried.
        simple = all(parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters) and not ignored
        self.quick_count = len(self.signature.parameters) if simple else -1

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The key of a call. TypeError for arguments that the function does not take; CacheKeyError for one that has no text. O(their size)"""
        if not kwargs and len(args) == self.quick_count:
            key = plain_key(self.prefix, args)
            if key is not None:
                return key
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        texts = []
        for name, value in bound.arguments.items():
            if name in self.ignored:
                continue
            kind = self.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                texts.append("*" + key_text(tuple(value)))
            elif kind is inspect.Parameter.VAR_KEYWORD:
                texts.append("**" + key_text(dict(value)))
            else:
                texts.append(key_text(value))
        return whole_key(self.prefix, texts)


def called(function: Any) -> str:
    """What a function is called in messages."""
    return str(getattr(function, "__qualname__", function))


def prefix_of(function: Callable[..., Any]) -> str:
    """module.qualified_name, by which a function's keys begin. CacheKeyError for what has no name, as functools.partial's objects."""
    try:
        return f"{function.__module__}.{function.__qualname__}"
    except AttributeError:
        raise CacheKeyError(f"{function!r} has no name for its keys to begin with: give prefix= or key=") from None


def as_key(key: str | bytes) -> bytes:
    """A key that the caller made. CacheKeyError for what is neither text nor bytes."""
    if type(key) is bytes:
        return key
    if isinstance(key, str):
        return key.encode("utf-8", "surrogatepass")
    if isinstance(key, (bytes, bytearray, memoryview)):
        return bytes(key)
    raise CacheKeyError(f"a key is text or bytes, not {type(key).__name__}")
