"""JSONPath for the reference model: what a path finds in a document, as places (tuples of names and indexes from the root).

    $             the document; a path without it is a legacy one, of which the first match counts
    .name ["name"]   a member; several names in one bracket
    .* [*]        all members or elements
    [0] [-1,2]    elements; a negative index counts from the end
    [1:4:2]       a slice
    ..            what follows, at any depth
    [?(...)]      members or elements for which it holds: @ is the element, $ the document; == != < <= > >= =~ && ||
"""
from __future__ import annotations

import operator
import re
from typing import Any, Iterator

Place = tuple
_NAME = re.compile(r"[^.\[\]()'\"\s,:=<>!&|@?*]+")
_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(\d*)\s*)?\]")
_INDEXES = re.compile(r"\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]")
_COMPARED = re.compile(r"\s*(==|!=|<=|>=|=~|<|>)\s*")
NOTHING = object()


class BadPath(Exception):
    """The text is no path."""


class Path:
    """A path that was read. BadPath for a text that is none."""

    def __init__(self, text: str):
        self.legacy = not text.startswith("$")
        self._text = text
        if self.legacy:
            text = "$" + ("" if text == "." else text if text[:1] in (".", "[") else "." + text)
        self.steps, at = _steps(text, 1)
        if at != len(text):
            raise BadPath(self._text)

    def find(self, root: Any) -> list[Place]:
        """The places that it finds, in order. O(document) at worst"""
        return [place for place, _ in _walk(self.steps, ((), root), root)]

    @property
    def parent(self) -> tuple["Path", str] | None:
        """The path without its last step, and that step's name; None unless it is a single member."""
        if not self.steps or self.steps[-1][1] or self.steps[-1][0][0] != "names" or len(self.steps[-1][0][1]) != 1:
            return None
        path = object.__new__(Path)
        path.legacy, path._text, path.steps = self.legacy, self._text, self.steps[:-1]
        return path, self.steps[-1][0][1][0]

    @property
    def is_static(self) -> bool:
        """Can it find but one place?"""
        return all(not descends and kind in ("names", "indexes") and len(what) == 1 for (kind, what), descends in self.steps)


def _steps(text: str, at: int) -> tuple[list, int]:
    steps = []
    while at < len(text) and text[at] in ".[":
        descends = text.startswith("..", at)
        at += 2 if descends else text[at] == "."
        if text.startswith("*", at):
            steps.append((("all", None), descends))
            at += 1
        elif text.startswith("[", at):
            step, at = _bracket(text, at + 1)
            steps.append((step, descends))
        else:
            found = _NAME.match(text, at)
            if not found:
                raise BadPath(text)
            steps.append((("names", [found[0]]), descends))
            at = found.end()
    return steps, at


def _unquoted(found: re.Match) -> str:
    return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2])


def _bracket(text: str, at: int) -> tuple[tuple, int]:
    if re.compile(r"\s*\*\s*\]").match(text, at):
        return ("all", None), text.index("]", at) + 1
    if found := _SLICE.match(text, at):
        start, end, by = (int(part) if part else None for part in found.groups())
        return ("slice", (start, end, 1 if by is None else by)), found.end()
    if found := _INDEXES.match(text, at):
        return ("indexes", [int(part) for part in found[1].split(",")]), found.end()
    if found := re.compile(r"\s*\?\s*").match(text, at):
        how, at = _either(text, found.end())
        return ("filter", how), _end(text, at)
    names = []
    while True:
        found = _STRING.match(text, _space(text, at))
        if not found:
            raise BadPath(text)
        names.append(_unquoted(found))
        at = _space(text, found.end())
        if not text.startswith(",", at):
            return ("names", names), _end(text, at)
        at += 1


def _space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _end(text: str, at: int, sign: str = "]") -> int:
    at = _space(text, at)
    if not text.startswith(sign, at):
        raise BadPath(text)
    return at + 1


# ---- filters

def _either(text: str, at: int) -> tuple[tuple, int]:
    how, at = _both(text, at)
    while text.startswith("||", at := _space(text, at)):
        other, at = _both(text, at + 2)
        how = ("or", how, other)
    return how, at


def _both(text: str, at: int) -> tuple[tuple, int]:
    how, at = _single(text, at)
    while text.startswith("&&", at := _space(text, at)):
        other, at = _single(text, at + 2)
        how = ("and", how, other)
    return how, at


def _single(text: str, at: int) -> tuple[tuple, int]:
    at = _space(text, at)
    if text.startswith("(", at):
        how, at = _either(text, at + 1)
        return how, _end(text, at, ")")
    one, at = _term(text, at)
    if found := _COMPARED.match(text, at):
        other, at = _term(text, found.end())
        return (found[1], one, other), at
    return ("there", one), at


def _term(text: str, at: int) -> tuple[tuple, int]:
    if text[at:at + 1] in ("@", "$"):
        steps, end = _steps(text, at + 1)
        return (text[at], steps), end
    if found := _STRING.match(text, at):
        return ("value", _unquoted(found)), found.end()
    for word, value in (("true", True), ("false", False), ("null", None)):
        if text.startswith(word, at):
            return ("value", value), at + len(word)
    if found := _NUMBER.match(text, at):
        return ("value", float(found[0]) if re.search("[.eE]", found[0]) else int(found[0])), found.end()
    raise BadPath(text)


def is_number(value: Any) -> bool:
    """Is it a number? True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(one: Any, two: Any) -> bool:
    """Are two values equal? Numbers by what they are worth, and true is not 1. O(values)"""
    if is_number(one) and is_number(two):
        return one == two
    if type(one) is not type(two):
        return False
    if isinstance(one, list):
        return len(one) == len(two) and all(map(equal, one, two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(one[name], two[name]) for name in one)
    return one == two


def _value(term: tuple, current: Any, root: Any) -> Any:
    kind, what = term
    if kind == "value":
        return what
    found = [value for _, value in _walk(what, ((), current if kind == "@" else root), root)]
    return found[0] if len(found) == 1 else NOTHING


def _holds(how: tuple, current: Any, root: Any) -> bool:
    if how[0] == "there":
        return _value(how[1], current, root) is not NOTHING
    if how[0] in ("and", "or"):
        one = _holds(how[1], current, root)
        return (one and _holds(how[2], current, root)) if how[0] == "and" else (one or _holds(how[2], current, root))
    one, two = _value(how[1], current, root), _value(how[2], current, root)
    if how[0] in ("==", "!="):
        return (one is not NOTHING and two is not NOTHING and equal(one, two)) == (how[0] == "==")
    if how[0] == "=~":
        return isinstance(one, str) and isinstance(two, str) and re.search(two, one) is not None
    comparable = is_number(one) and is_number(two) or (type(one) is type(two) and isinstance(one, (str, bool, type(None))))
    if not comparable:
        return False
    if one is None:
        return how[0] in ("<=", ">=")
    if isinstance(one, str):
        one, two = one.encode(), two.encode()
    return {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[how[0]](one, two)


# ---- walking

def children(place: Place, value: Any) -> list[tuple[Place, Any]]:
    """The members of an object, the elements of an array, with their places; nothing else has any."""
    if isinstance(value, dict):
        return [((*place, name), item) for name, item in value.items()]
    return [((*place, at), item) for at, item in enumerate(value)] if isinstance(value, list) else []


def _clamped(index: int, count: int) -> int:
    return index if index >= 0 else max(index + count, 0)


def _apply(step: tuple, place: Place, value: Any, root: Any) -> list[tuple[Place, Any]]:
    kind, what = step
    if kind == "names":
        return [((*place, name), value[name]) for name in what if isinstance(value, dict) and name in value]
    if kind == "all":
        return children(place, value)
    if kind == "filter":
        if not isinstance(value, (list, dict)):
            return [(place, value)] if _holds(what, value, root) else []
        return [(where, item) for where, item in children(place, value) if _holds(what, item, root)]
    if not isinstance(value, list):
        return []
    if kind == "indexes":
        places = [_clamped(index, len(value)) for index in what]
        return [((*place, at), value[at]) for at in places if at < len(value)]
    start, end, by = what
    start = 0 if start is None else _clamped(start, len(value))
    end = len(value) if end is None else min(_clamped(end, len(value)), len(value))
    return [((*place, at), value[at]) for at in range(start, end, by or 1)]


def _walk(steps: list, here: tuple[Place, Any], root: Any) -> Iterator[tuple[Place, Any]]:
    if not steps:
        yield here
        return
    (step, descends), rest = steps[0], steps[1:]
    for found in _apply(step, *here, root):
        yield from _walk(rest, found, root)
    if descends:
        for child in children(*here):
            yield from _walk(steps, child, root)
