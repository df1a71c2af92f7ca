"""Are two replies to the same command the same, as far as servers agree?"""
from __future__ import annotations

from typing import Any

from .model import UNMODELLED
from .replies import Double, Error, Map, Null, Set

__all__ = ["same"]

NEAR = 5_000                     # seconds or ms: two servers run one after the other


def without_form(value: Any) -> Any:
    """A reply without what RESP2 and RESP3 spell differently: maps flat, sets as lists, doubles as texts, one kind of null."""
    if isinstance(value, Map):
        return [without_form(word) for pair in value.pairs for word in pair]
    if isinstance(value, (list, Set)):
        return [without_form(item) for item in (value.items if isinstance(value, Set) else value)]
    if isinstance(value, Double):
        return value.text
    return None if isinstance(value, Null) else value


def same(one: Any, two: Any, compare: str = "exact") -> bool:
    """Do they say the same? `compare` is a Command's. What the model does not say is the same as anything, and the texts of two errors
    are compared up to their first word."""
    if UNMODELLED in (one, two):
        return True
    if isinstance(one, Error) and isinstance(two, Error):
        return compare == "errors" or one.text.split(b" ")[0].upper() == two.text.split(b" ")[0].upper()
    one, two = without_form(one), without_form(two)
    if one == two and type(one) is type(two):
        return True
    if type(one) is not type(two) or isinstance(one, Error):
        return False
    if compare == "near":
        return isinstance(one, int) and one >= 0 and two >= 0 and abs(one - two) <= NEAR
    if compare == "unordered":
        return isinstance(one, list) and sorted(map(repr, one)) == sorted(map(repr, two))
    return compare == "shape" and (not isinstance(one, list) or len(one) == len(two))
