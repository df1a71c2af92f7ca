"""The JSON commands of the reference model: documents are Python's dicts, lists, strings, numbers, True, False and None.

The texts of errors are shorter than the module's. Paths that begin with "$" answer a list, an answer for each place; legacy ones the
answer for the first place, and an error where there is none.
"""
from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any, Callable

from .double import spell
from .model import OK, SYNTAX, WRONG_TYPE, ModelSession, Refused, command, need_integer
from .model_json_paths import NOTHING, BadPath, Path, Place, equal, is_number

NO_KEY = "ERR could not perform this operation on a key that doesn't exist"
LARGEST = 2**64 - 1
NO_PLACE = "ERR Path does not exist"


class Document:
    """The value of a JSON key."""
    name = b"ReJSON-RL"

    def __init__(self, root: Any):
        self.root = root

    def __bool__(self) -> bool:
        return True

    def at(self, place: Place) -> Any:
        """The value at a place. KeyError or IndexError where there is none any more."""
        value = self.root
        for step in place:
            value = value[step]
        return value

    def put(self, place: Place, value: Any) -> None:
        """Replace the value at a place, or add a member."""
        if place:
            self.at(place[:-1])[place[-1]] = value
        else:
            self.root = value


def parse(text: bytes) -> Any:
    """The value that a text spells. Refused where it spells none."""
    def number(digits: str) -> Any:
        value = int(digits)
        return value if -2**63 <= value <= LARGEST else float(digits)

    def nothing(word: str) -> Any:
        raise ValueError(word)

    try:
        return json.loads(text.decode(), parse_int=number, parse_constant=nothing)
    except (ValueError, RecursionError):
        raise Refused("ERR the text is no JSON") from None


def spelled_number(value: Any) -> str:
    """A number as documents have it: doubles with a point, or with an exponent where they are large or small."""
    if isinstance(value, int):
        return str(value)
    if value == 0 or 1e-5 <= abs(value) < 1e16:
        text = repr(value)
        if "e" in text:                      # Python begins with exponents below 0.0001
            digits, _, power = text.partition("e")
            sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
            text = f"{sign}0.{'0' * (-int(power) - 1)}{digits.replace('.', '')}"
        return text
    return spell(value).decode().replace("e+", "e")


def write(value: Any) -> str:
    """The text of a value, without spaces. O(value)"""
    if isinstance(value, dict):
        return "{" + ",".join(f"{write(name)}:{write(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return spelled_number(value) if is_number(value) else json.dumps(value, ensure_ascii=False)


def kind(value: Any) -> bytes:
    """The name of a value's type, as JSON.TYPE has it."""
    if value is None:
        return b"null"
    for types, name in ((bool, b"boolean"), (int, b"integer"), (float, b"number"), (str, b"string"), (list, b"array")):
        if isinstance(value, types):
            return name
    return b"object"


# ---- documents and paths of commands

def path_of(word: bytes) -> Path:
    """The path that a word spells. Refused where it spells none."""
    try:
        return Path(word.decode())
    except (BadPath, UnicodeDecodeError):
        raise Refused("ERR the text is no path") from None


def document(self: ModelSession, key: bytes) -> Document | None:
    """The document of a key, or None. Refused where it has another type."""
    item = self.data.get(key)
    if item is not None and not isinstance(item.value, Document):
        raise Refused(WRONG_TYPE)
    return item.value if item is not None else None


def need_document(self: ModelSession, key: bytes) -> Document:
    """The document of a key. Refused where there is none."""
    value = document(self, key)
    if value is None:
        raise Refused(NO_KEY)
    return value


def each(value: Document, path: Path, wanted: type | tuple[type, ...], change: Callable[[Any], tuple[Any, Any]]) -> Any:
    """Change the values at a path's places: `change(value)` gives the new value and the answer. Values of another type stay, and
    None is their answer. A legacy path answers for its last place; Refused where it finds none of the type."""
    answers = []
    for place in path.find(value.root):
        here = value.at(place)
        if not isinstance(here, wanted) or (isinstance(here, bool) and wanted is not bool):
            answers.append(NOTHING)
            continue
        new, answer = change(here)
        value.put(place, new)
        answers.append(answer)
    return answers_of(path, answers)


def answers_of(path: Path, answers: list) -> Any:
    """All answers for a path that begins with "$", otherwise the last that is one. Refused where a legacy path has none."""
    if not path.legacy:
        return [None if answer is NOTHING else answer for answer in answers]
    some = [answer for answer in answers if answer is not NOTHING]
    if not some:
        raise Refused(NO_PLACE)
    return some[-1]


def look(self: ModelSession, args: list[bytes], wanted: type | tuple[type, ...], tell: Callable[[Any], Any]) -> Any:
    """What JSON.STRLEN and its like answer: `tell(value)` for each place whose value is of the type, None for the others."""
    path = path_of(args[1] if len(args) > 1 else b".")
    value = document(self, args[0])
    if value is None:
        if path.legacy:
            return None
        raise Refused(NO_KEY)
    found = [value.at(place) for place in path.find(value.root)]
    if path.legacy:
        if not found and wanted is dict:
            return None
        if not found:
            raise Refused(NO_PLACE)
        if not isinstance(found[0], wanted):
            raise Refused(WRONG_TYPE)
        return tell(found[0])
    return [tell(item) if isinstance(item, wanted) else None for item in found]


# ---- commands

@command("json.set", arity=-4)
def json_set(self: ModelSession, name, args):
    """JSON.SET: replace the values at a path's places, or add a member to objects; OK, or None where NX or XX is against it, or
    nothing was there. Refused for a bad path or text, and for a new document that is not put at the root."""
    key, words, text = args[0], args[1], args[2]
    only = args[3].upper() if len(args) > 3 else b""
    if len(args) > 4 or only not in (b"", b"NX", b"XX"):
        raise Refused(SYNTAX)
    new, path, value = parse(text), path_of(words), document(self, key)
    if value is None:
        if only == b"XX":
            return None
        if path.steps:
            raise Refused("ERR new objects must be created at the root")
        self.new(key, Document(new))
        return OK
    places = path.find(value.root)
    if places:
        if only == b"NX":
            return None
        if not places[0]:
            self.new(key, Document(new))
            return OK
        for place in places:
            value.put(place, deepcopy(new))
        return OK
    if only == b"XX":
        return None
    above = path.parent
    if above is None or not path.is_static:
        raise Refused("ERR array index out of range" if path.is_static else "ERR wrong static path")
    added = False
    for place in above[0].find(value.root):
        if isinstance(value.at(place), dict):
            value.put((*place, above[1]), deepcopy(new))
            added = True
    return OK if added else None


@command("json.get", arity=-2)
def json_get(self, name, args):
    """JSON.GET without options of form: the text of the document, or of an array of what a path finds, or of an object with an array
    for each of several; None without a key. Refused for a legacy path that finds nothing."""
    value = document(self, args[0])
    if value is None:
        return None
    paths = [path_of(word) for word in args[1:] or [b"."]]
    every = any(not path.legacy for path in paths)
    found = []
    for path in paths:
        values = [value.at(place) for place in path.find(value.root)]
        if not every and not values:
            raise Refused(NO_PLACE)
        found.append(values if every else values[0])
    if len(paths) == 1:
        return write(found[0]).encode()
    return write({word.decode(): item for word, item in zip(args[1:], found)}).encode()


@command("json.mget", arity=-3)
def json_mget(self, name, args):
    """JSON.MGET: for each key what JSON.GET answers, None without a key, for another type, and where a legacy path finds nothing."""
    path, answers = path_of(args[-1]), []
    for key in args[:-1]:
        item = self.data.get(key)
        found = [item.value.at(place) for place in path.find(item.value.root)] if item and isinstance(item.value, Document) else None
        if found is None or (path.legacy and not found):
            answers.append(None)
        else:
            answers.append(write(found[0] if path.legacy else found).encode())
    return answers


@command("json.del", "json.forget", arity=-2)
def json_del(self, name, args):
    """JSON.DEL and JSON.FORGET: remove the values at a path's places, or the key; returns how many."""
    value = document(self, args[0])
    path = path_of(args[1] if len(args) > 1 else b"$")
    if value is None:
        return 0
    if not path.steps:
        del self.data[args[0]]
        return 1
    # What lies within another one goes with it, and is not counted; elements go from behind, so that indexes stay right.
    places = set(path.find(value.root))
    if () in places:
        del self.data[args[0]]
        return 1
    places = [place for place in places if not any(place[:length] in places for length in range(len(place)))]
    for place in sorted(places, key=lambda place: [(isinstance(step, int), step) if isinstance(step, int) else (False, 0) for step in place],
                        reverse=True):
        del value.at(place[:-1])[place[-1]]
    return len(places)


@command("json.type", arity=-2)
def json_type(self, name, args):
    """JSON.TYPE: the names of types; None without a key."""
    value = document(self, args[0])
    path = path_of(args[1] if len(args) > 1 else b".")
    if value is None:
        return None
    found = [kind(value.at(place)) for place in path.find(value.root)]
    return (found[0] if found else None) if path.legacy else found


@command("json.numincrby", "json.nummultby", arity=4)
def json_number(self, name, args):
    """JSON.NUMINCRBY and JSON.NUMMULTBY: the text of the new numbers, null for what is none. Refused for an operand that is no
    number, and for a result that is too large."""
    value, path = need_document(self, args[0]), path_of(args[1])

    def change(old):
        by = parse(args[2])              # which nobody looks at where there is no number
        if not is_number(by):
            raise Refused("ERR the operand is no number")
        new = old + by if name == "json.numincrby" else old * by
        if isinstance(new, int) and not -2**63 <= new < 2**63:
            new = float(new)
        if isinstance(new, float) and not math.isfinite(new):
            raise Refused("ERR result is not a number")
        return new, new

    return write(each(value, path, (int, float), change)).encode()


@command("json.strappend", arity=-3)
def json_strappend(self, name, args):
    """JSON.STRAPPEND: the new lengths in bytes. Refused where what is added is no string."""
    more = parse(args[-1])
    value, path = need_document(self, args[0]), path_of(args[1] if len(args) == 3 else b".")

    def change(old):
        if not isinstance(more, str):
            raise Refused(WRONG_TYPE)
        return old + more, len((old + more).encode())

    return each(value, path, str, change)


@command("json.strlen", arity=-2)
def json_strlen(self, name, args):
    """JSON.STRLEN: lengths in bytes."""
    return look(self, args, str, lambda text: len(text.encode()))


@command("json.arrlen", arity=-2)
def json_arrlen(self, name, args):
    """JSON.ARRLEN: numbers of elements."""
    return look(self, args, list, len)


@command("json.objlen", arity=-2)
def json_objlen(self, name, args):
    """JSON.OBJLEN: numbers of members."""
    return look(self, args, dict, len)


@command("json.objkeys", arity=-2)
def json_objkeys(self, name, args):
    """JSON.OBJKEYS: lists of names."""
    return look(self, args, dict, lambda members: [name.encode() for name in members])


@command("json.arrappend", arity=-4)
def json_arrappend(self, name, args):
    """JSON.ARRAPPEND: the new numbers of elements."""
    value, path, more = need_document(self, args[0]), path_of(args[1]), [parse(word) for word in args[2:]]
    return each(value, path, list, lambda old: (old + deepcopy(more), len(old) + len(more)))


@command("json.arrinsert", arity=-5)
def json_arrinsert(self, name, args):
    """JSON.ARRINSERT: the new numbers of elements. Refused for an index outside of one of the arrays: then nothing changes."""
    value, path, at = need_document(self, args[0]), path_of(args[1]), need_integer(args[2])
    more = [parse(word) for word in args[3:]]
    for place in path.find(value.root):
        here = value.at(place)
        if isinstance(here, list) and not -len(here) <= at <= len(here):
            raise Refused("ERR index out of bounds")
    return each(value, path, list, lambda old: (old[:at if at >= 0 else len(old) + at] + deepcopy(more) + old[at if at >= 0 else len(old) + at:],
                                                len(old) + len(more)))


@command("json.arrpop", arity=-2)
def json_arrpop(self, name, args):
    """JSON.ARRPOP: the texts of the elements that were taken out, from the end unless an index says otherwise; None of an empty array."""
    value, path = need_document(self, args[0]), path_of(args[1] if len(args) > 1 else b".")
    at = need_integer(args[2]) if len(args) > 2 else -1

    def change(old):
        if not old:
            return old, None
        index = max(0, len(old) + at) if at < 0 else min(at, len(old) - 1)
        return old[:index] + old[index + 1:], write(old[index]).encode()

    return each(value, path, list, change)


@command("json.arrtrim", arity=5)
def json_arrtrim(self, name, args):
    """JSON.ARRTRIM: only the elements from start to end, both included, stay; the new numbers of elements."""
    value, path, start, end = need_document(self, args[0]), path_of(args[1]), need_integer(args[2]), need_integer(args[3])

    def change(old):
        first = max(0, len(old) + start) if start < 0 else start
        last = max(0, len(old) + end) if end < 0 else end
        new = old[first:last + 1]
        return new, len(new)

    return each(value, path, list, change)


@command("json.arrindex", arity=-4)
def json_arrindex(self, name, args):
    """JSON.ARRINDEX: where a value is found first, from start up to end (left out; 0: to the last), -1 where it is not."""
    wanted = parse(args[2])
    start, end = (need_integer(args[3]) if len(args) > 3 else 0), (need_integer(args[4]) if len(args) > 4 else 0)

    def tell(array):
        first = max(0, len(array) + start) if start < 0 else min(start, max(len(array) - 1, 0))
        last = len(array) if end == 0 else max(0, len(array) + end) if end < 0 else min(end, len(array))
        return next((at for at in range(first, last) if equal(array[at], wanted)), -1)

    need_document(self, args[0])
    return look(self, args[:2], list, tell)


@command("json.clear", arity=-2)
def json_clear(self, name, args):
    """JSON.CLEAR: objects and arrays become empty, numbers 0; returns how many changed."""
    value, path = need_document(self, args[0]), path_of(args[1] if len(args) > 1 else b"$")
    cleared = 0
    for place in path.find(value.root):
        try:
            here = value.at(place)
        except (KeyError, IndexError, TypeError):
            continue                         # it went with another one
        if (isinstance(here, (dict, list)) and here) or (is_number(here) and here != 0):
            value.put(place, {} if isinstance(here, dict) else [] if isinstance(here, list) else 0)
            cleared += 1
    return cleared


@command("json.toggle", arity=3)
def json_toggle(self, name, args):
    """JSON.TOGGLE: true becomes false and false true: 1 and 0 for the new values; the text for a legacy path."""
    value, path = need_document(self, args[0]), path_of(args[1])
    answer = each(value, path, bool, lambda old: (not old, int(not old)))
    return (b"true" if answer else b"false") if path.legacy else answer


@command("json.merge", arity=4)
def json_merge(self, name, args):
    """JSON.MERGE (RFC 7396): members are put, a null in an object removes, everything else replaces. OK. Refused as JSON.SET is."""
    new, path, value = parse(args[2]), path_of(args[1]), document(self, args[0])
    if value is None:
        if path.steps:
            raise Refused("ERR new objects must be created at the root")
        self.new(args[0], Document(new))
        return OK
    places = path.find(value.root)
    if not places:
        above = path.parent
        if above is None or not path.is_static:
            raise Refused("ERR array index out of range" if path.is_static else "ERR wrong static path")
        above_places = [place for place in above[0].find(value.root) if isinstance(value.at(place), dict)]
        for place in above_places:
            value.put((*place, above[1]), merged(None, new))
        return OK if above_places else None
    for place in places:
        value.put(place, merged(value.at(place), new))
    return OK


def merged(old: Any, new: Any) -> Any:
    """A value with another one merged into it. O(both)"""
    if not isinstance(new, dict):
        return deepcopy(new)
    result = dict(old) if isinstance(old, dict) else {}
    for name, item in new.items():
        if item is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), item)
    return result


@command("json.mset", arity=-4)
def json_mset(self, name, args):
    """JSON.MSET: JSON.SET of several, each a key, a path and a text. OK. Refused, before anything is done, where one cannot be."""
    if len(args) % 3:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    before = {key: deepcopy(self.data.get(key)) for key in args[::3]}
    try:
        for key, words, text in zip(args[::3], args[1::3], args[2::3]):
            json_set(self, "json.set", [key, words, text])
    except Refused:
        for key, item in before.items():
            if item is None:
                self.data.pop(key, None)
            else:
                self.data[key] = item
        raise
    return OK
