"""The list commands of the reference model: a list is a Python list."""
from __future__ import annotations

from .model import (INT64_MAX, INT64_MIN, NO_KEY, OK, OUT_OF_INT64_POSITIVE, SYNTAX, ModelSession, Refused, command, need_at_least, need_integer,
                    numbered_keys, pop_options)
from .replies import NULL_ARRAY


class List(list):
    """The value of a list: its elements as bytes."""
    name = b"list"


def side(word: bytes) -> bytes:
    """The word in capitals, LEFT or RIGHT. Refused for any other."""
    if word.upper() not in (b"LEFT", b"RIGHT"):
        raise Refused(SYNTAX)
    return word.upper()


def span(value: list, start: int, end: int) -> slice:
    """LRANGE's part of a list as a slice: both ends count, negative ones from the end, and it is cut to what is there."""
    start = max(start + len(value), 0) if start < 0 else start
    end = end + len(value) if end < 0 else end
    return slice(start, max(end + 1, start))


@command("lpush", "rpush", "lpushx", "rpushx", arity=-3)
def push(self: ModelSession, name, args):
    """LPUSH, RPUSH, LPUSHX and RPUSHX: add elements, the last two only to a list that exists; returns the length."""
    value = self.collection(args[0], List)
    if value is None:
        if name.endswith("x"):
            return 0
        value = self.new(args[0], List())
    for element in args[1:]:
        value.insert(0, element) if name.startswith("l") else value.append(element)
    return len(value)


@command("lpop", "rpop", arity=-2)
def pop(self, name, args):
    """LPOP and RPOP: an element or None; with a count a list, or NULL_ARRAY without a key. Refused for a count that is
    negative."""
    if len(args) > 2:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    count = need_integer(args[1], OUT_OF_INT64_POSITIVE) if len(args) == 2 else None
    if count is not None and count < 0:
        raise Refused(OUT_OF_INT64_POSITIVE)
    value = self.collection(args[0], List)
    if value is None:
        return None if count is None else NULL_ARRAY
    taken = take(self, args[0], value, b"LEFT" if name == "lpop" else b"RIGHT", 1 if count is None else count)
    return taken[0] if count is None else taken


def take(self, key, value, end, count):
    """Remove and return up to `count` elements from one end of a list, the outermost first; an empty list's key goes, too."""
    taken = value[:count] if end == b"LEFT" else value[::-1][:count]
    if end == b"LEFT":
        del value[:count]
    else:
        del value[max(len(value) - count, 0):]
    self.drop_if_empty(key)
    return taken


@command("llen", arity=2)
def llen(self, name, args):
    """LLEN: the number of elements."""
    return len(self.collection(args[0], List) or ())


@command("lrange", arity=4)
def lrange(self, name, args):
    """LRANGE: the elements from start to end, both included. Refused where an index is no int64. O(elements)"""
    start, end = need_integer(args[1]), need_integer(args[2])
    value = self.collection(args[0], List) or []
    return list(value[span(value, start, end)])


@command("lindex", arity=3)
def lindex(self, name, args):
    """LINDEX: the element at an index, negative from the end, or None. Refused where the index is no int64."""
    value = self.collection(args[0], List)
    if value is None:
        return None
    at = need_integer(args[1])
    return value[at] if -len(value) <= at < len(value) else None


@command("lset", arity=4)
def lset(self, name, args):
    """LSET: replace an element. Refused without a key, and for an index out of range."""
    value = self.collection(args[0], List)
    if value is None:
        raise Refused(NO_KEY)
    at = need_integer(args[1])
    if not -len(value) <= at < len(value):
        raise Refused("ERR index out of range")
    value[at] = args[2]
    return OK


@command("linsert", arity=5)
def linsert(self, name, args):
    """LINSERT: put an element before or after another; returns the length, -1 without that one, 0 without a key. O(elements)"""
    where = args[1].upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise Refused(SYNTAX)
    value = self.collection(args[0], List)
    if value is None:
        return 0
    if args[2] not in value:
        return -1
    value.insert(value.index(args[2]) + (where == b"AFTER"), args[3])
    return len(value)


@command("lrem", arity=4)
def lrem(self, name, args):
    """LREM: remove equal elements, so many from the start, or from the end if negative, or all if 0; returns how many.
    O(elements)"""
    count = need_integer(args[1])
    value = self.collection(args[0], List)
    if value is None:
        return 0
    at = [i for i, element in enumerate(value) if element == args[2]]
    gone = at[:count] if count > 0 else at[count:] if count < 0 else at
    for i in reversed(gone):
        del value[i]
    self.drop_if_empty(args[0])
    return len(gone)


@command("ltrim", arity=4)
def ltrim(self, name, args):
    """LTRIM: keep the elements from start to end, both included. Refused where an index is no int64. O(elements)"""
    start, end = need_integer(args[1]), need_integer(args[2])
    value = self.collection(args[0], List)
    if value is not None:
        value[:] = value[span(value, start, end)]
        self.drop_if_empty(args[0])
    return OK


@command("lmove", arity=5)
def lmove(self, name, args):
    """LMOVE: see move. Refused for a side that is neither LEFT nor RIGHT."""
    return move(self, args[0], args[1], side(args[2]), side(args[3]))


@command("rpoplpush", arity=3)
def rpoplpush(self, name, args):
    """RPOPLPUSH: move from the right end to the left."""
    return move(self, args[0], args[1], b"RIGHT", b"LEFT")


def move(self, source, target, from_, to):
    """Move one element between ends of two lists, or of one; returns it, or None without a source. Refused where the target has
    another type."""
    value = self.collection(source, List)
    if value is None:
        return None
    self.collection(target, List)
    element = value.pop(0 if from_ == b"LEFT" else -1)
    there = value if source == target else self.collection(target, List)
    if there is None:
        there = self.new(target, List())
    there.insert(0 if to == b"LEFT" else len(there), element)
    self.drop_if_empty(source)
    return element


@command("lpos", arity=-3)
def lpos(self, name, args):
    """LPOS, with its options in any order: an index or None, with COUNT a list. Refused for a RANK of 0, a negative COUNT or
    MAXLEN, and for any other word. O(elements)"""
    rank, count, most = 1, None, 0
    for at in range(2, len(args), 2):
        option = args[at].upper()
        if at + 1 == len(args) or option not in (b"RANK", b"COUNT", b"MAXLEN"):
            raise Refused(SYNTAX)
        word = args[at + 1]
        if option == b"COUNT":
            count = need_at_least(word, 0, "ERR COUNT can't be negative")
        elif option == b"MAXLEN":
            most = need_at_least(word, 0, "ERR MAXLEN can't be negative")
        else:
            rank = need_integer(word)
            if rank == INT64_MIN:
                raise Refused(f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
            if rank == 0:
                raise Refused("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative "
                              "to start from the end of the list")
    value = self.collection(args[0], List) or []
    order = list(enumerate(value))
    order = order[::-1] if rank < 0 else order
    hits = [i for i, element in order[:most or None] if element == args[1]][abs(rank) - 1:]
    if count is None:
        return hits[0] if hits else None
    return hits[:count or None]


@command("lmpop", arity=-4)
def lmpop(self, name, args):
    """LMPOP: the first key that has a list, and what was taken from it; NULL_ARRAY where none has. Refused for numbers below 1,
    and for words that are out of place."""
    keys, rest = numbered_keys(args)
    end, count = pop_options(rest, (b"LEFT", b"RIGHT"))
    for key in keys:
        value = self.collection(key, List)
        if value is not None:
            return [key, take(self, key, value, end, count)]
    return NULL_ARRAY
