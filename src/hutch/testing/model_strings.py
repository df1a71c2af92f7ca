"""The string commands of the reference model."""
from __future__ import annotations

from .longdouble import INFINITY, add_long_doubles, parse_long_double, print_long_double
from .model import (INT64_MAX, INT64_MIN, MAX_STRING, NOT_A_FLOAT, OK, OVERFLOW, SYNTAX, TOO_LONG, Item, Map, ModelSession,
                    Refused, command, need_integer)

EXPIRY = (b"EX", b"PX", b"EXAT", b"PXAT")


def parse_options(words: list[bytes], allowed: tuple[bytes, ...]) -> tuple[set[bytes], tuple[bytes, bytes] | None]:
    """SET's and GETEX's options: the plain words found, and the expiry option with its argument (the last one wins), or None.
    Refused for a word that is not `allowed`, and for options that do not go together."""
    found: set[bytes] = set()
    expiry = None
    rest = list(words)
    while rest:
        word = rest.pop(0).upper()
        if word in EXPIRY and rest and not found & {b"KEEPTTL", b"PERSIST"} and (expiry is None or expiry[0] == word):
            expiry = word, rest.pop(0)
        elif word not in allowed or (word in (b"KEEPTTL", b"PERSIST") and expiry):
            raise Refused(SYNTAX)
        else:
            found.add(word)
        if {b"NX", b"XX"} <= found:
            raise Refused(SYNTAX)
    return found, expiry


@command("set", arity=-3)
def set_(self: ModelSession, name, args):
    """SET with all its options of Redis 8.2: OK, or None where a condition does not hold; with GET the old value. Refused for
    bad options and deadlines."""
    key, value = args[:2]
    found, expiry = parse_options(args[2:], (b"NX", b"XX", b"GET", b"KEEPTTL"))
    at_ms = self.positive_deadline(*expiry, name) if expiry else None
    old = self.string(key) if b"GET" in found else None
    if (b"NX" in found and key in self.data) or (b"XX" in found and key not in self.data):
        return old
    if at_ms is not None:
        self.put_with_deadline(key, value, at_ms)
    else:
        kept = self.data[key].deadline_ms if b"KEEPTTL" in found and key in self.data else None
        self.data[key] = Item(value, kept)
    return old if b"GET" in found else OK


@command("setex", "psetex", arity=4)
def setex(self, name, args):
    """SETEX and PSETEX: set with a deadline from now. Refused where that is not positive."""
    key, word, value = args
    self.put_with_deadline(key, value, self.positive_deadline(b"PX" if name == "psetex" else b"EX", word, name))
    return OK


@command("setnx", arity=3)
def setnx(self, name, args):
    """SETNX: set a key that does not exist; returns whether it did, as 1 or 0."""
    if args[0] in self.data:
        return 0
    self.data[args[0]] = Item(args[1])
    return 1


@command("get", arity=2)
def get(self, name, args):
    """GET: the value, or None."""
    return self.string(args[0])


@command("getset", arity=3)
def getset(self, name, args):
    """GETSET: set a value, without a deadline; returns the old one, or None."""
    old = self.string(args[0])
    self.data[args[0]] = Item(args[1])
    return old


@command("getdel", arity=2)
def getdel(self, name, args):
    """GETDEL: remove a key and return its value, or None."""
    value = self.string(args[0])
    self.data.pop(args[0], None)
    return value


@command("getex", arity=-2)
def getex(self, name, args):
    """GETEX: the value, or None, after a change of its deadline. One that has passed removes the key. Refused for bad options."""
    key = args[0]
    found, expiry = parse_options(args[1:], (b"PERSIST",))
    value = self.string(key)
    if value is None:
        return None             # a bad deadline goes unnoticed where there is no key
    if expiry:
        at_ms = self.positive_deadline(*expiry, name)
        if at_ms <= self.now:
            del self.data[key]
        else:
            self.data[key].deadline_ms = at_ms
    elif b"PERSIST" in found:
        self.data[key].deadline_ms = None
    return value


@command("mget", arity=-2)
def mget(self, name, args):
    """MGET: the values as a list, None where there is none or it has another type. O(keys given)"""
    items = [self.data.get(key) for key in args]
    return [item.value if item and isinstance(item.value, bytes) else None for item in items]


@command("mset", arity=-3)
def mset(self, name, args):
    """MSET: set several keys. Refused for an odd number of words. O(keys given)"""
    if len(args) % 2:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    for key, value in zip(args[::2], args[1::2]):
        self.data[key] = Item(value)
    return OK


@command("msetnx", arity=-3)
def msetnx(self, name, args):
    """MSETNX: set several keys, or none if one of them exists; returns 1 or 0. Refused for an odd number of words. O(keys
    given)"""
    if len(args) % 2:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    if any(key in self.data for key in args[::2]):
        return 0
    mset(self, name, args)
    return 1


@command("append", arity=3)
def append(self, name, args):
    """APPEND: add to the end; returns the length in bytes. Refused past MAX_STRING. O(length)"""
    key, tail = args
    old = self.string(key)
    if old is None:
        self.data[key] = Item(tail)
        return len(tail)
    if len(old) + len(tail) > MAX_STRING:
        raise Refused(TOO_LONG)
    self.put(key, old + tail, raw=True)
    return len(old) + len(tail)


@command("strlen", arity=2)
def strlen(self, name, args):
    """STRLEN: the length in bytes; 0 without a key."""
    return len(self.string(args[0]) or b"")


@command("getrange", "substr", arity=4)
def getrange(self, name, args):
    """GETRANGE and SUBSTR: the bytes from start to end, both included, negative from the end. O(length)"""
    start, end = need_integer(args[1]), need_integer(args[2])
    value = self.string(args[0]) or b""
    if start < 0 and end < 0 and start > end:
        return b""
    start = max(start + len(value), 0) if start < 0 else start
    end = max(end + len(value), 0) if end < 0 else end
    return value[start:end + 1]


@command("setrange", arity=4)
def setrange(self, name, args):
    """SETRANGE: overwrite from an offset on, zero bytes before it; returns the length in bytes. Refused for a negative offset,
    and past MAX_STRING. O(length)"""
    key, offset, piece = args[0], need_integer(args[1]), args[2]
    if offset < 0:
        raise Refused("ERR offset is out of range")
    old = self.string(key) or b""
    if not piece:
        return len(old)
    if offset + len(piece) > MAX_STRING:
        raise Refused(TOO_LONG)
    self.put(key, old[:offset].ljust(offset, b"\0") + piece + old[offset + len(piece):], raw=True)
    return len(self.data[key].value)


def increment(self: ModelSession, key: bytes, by: int) -> int:
    """Add to the integer of a key, whose deadline stays; returns the sum. Refused where there is no int64, or the sum is none."""
    value = self.string(key)
    number = (need_integer(value) if value is not None else 0) + by
    if not INT64_MIN <= number <= INT64_MAX:
        raise Refused(OVERFLOW)
    self.put(key, b"%d" % number)
    return number


@command("incr", arity=2)
def incr(self, name, args):
    """INCR: see increment."""
    return increment(self, args[0], 1)


@command("decr", arity=2)
def decr(self, name, args):
    """DECR: see increment."""
    return increment(self, args[0], -1)


@command("incrby", arity=3)
def incrby(self, name, args):
    """INCRBY: see increment. Refused where the word is no int64, too."""
    return increment(self, args[0], need_integer(args[1]))


@command("decrby", arity=3)
def decrby(self, name, args):
    """DECRBY: see increment. Refused where the word is no int64 or cannot be negated, too."""
    by = need_integer(args[1])
    if by == INT64_MIN:
        raise Refused("ERR decrement would overflow")
    return increment(self, args[0], -by)


@command("incrbyfloat", arity=3)
def incrbyfloat(self, name, args):
    """INCRBYFLOAT: add as C's long double does; returns the sum as text. Refused where there is no number, and for an infinite
    sum."""
    old = self.string(args[0])
    one = parse_long_double(old if old is not None else b"0")
    two = parse_long_double(args[1]) if one is not None else None
    if two is None:
        raise Refused(NOT_A_FLOAT)
    total = INFINITY if INFINITY in (one, two) else add_long_doubles(one, two)
    if total == INFINITY:
        raise Refused("ERR increment would produce NaN or Infinity")
    text = print_long_double(total)
    self.put(args[0], text, text=True)
    return text


@command("lcs", arity=-3)
def lcs(self, name, args):
    """LCS with all its options: the longest common subsequence, its length (LEN) or a Map of its matches (IDX). Refused for bad
    options and for values that are no strings. O(product of both lengths)"""
    texts = []
    for key in args[:2]:
        item = self.data.get(key)
        if item and not isinstance(item.value, bytes):
            raise Refused("ERR The specified keys must contain string values")
        texts.append(item.value if item else b"")
    found, least, rest = set(), 0, list(args[2:])
    while rest:
        word = rest.pop(0).upper()
        if word in (b"IDX", b"LEN", b"WITHMATCHLEN"):
            found.add(word)
        elif word == b"MINMATCHLEN" and rest:
            least = max(need_integer(rest.pop(0)), 0)
        else:
            raise Refused(SYNTAX)
    if {b"IDX", b"LEN"} <= found:
        raise Refused("ERR If you want both the length and indexes, please just use IDX.")
    common, runs = longest_common(*texts)
    if b"LEN" in found:
        return len(common)
    if b"IDX" not in found:
        return common
    matches = [[[a, a + size - 1], [b, b + size - 1]] + ([size] if b"WITHMATCHLEN" in found else [])
               for a, b, size in runs if size >= least]
    return Map(((b"matches", matches), (b"len", len(common))))


def longest_common(one: bytes, two: bytes) -> tuple[bytes, list[tuple[int, int, int]]]:
    """The longest common subsequence, and its runs (start in one, start in two, length) from the end of the texts to their
    start. O(product of both lengths)

    Of several longest ones Redis takes the one found by walking back from the ends, giving up a byte of `two` first where both
    ways are as long.
    """
    lengths = [[0] * (len(two) + 1)]
    for a in one:
        above, row = lengths[-1], [0]
        for at, b in enumerate(two):
            row.append(above[at] + 1 if a == b else max(above[at + 1], row[at]))
        lengths.append(row)
    pairs = []
    i, j = len(one), len(two)
    while i and j:
        if one[i - 1] == two[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    runs: list[tuple[int, int, int]] = []
    for a, b in pairs:
        if runs and runs[-1][:2] == (a + 1, b + 1):
            runs[-1] = (a, b, runs[-1][2] + 1)
        else:
            runs.append((a, b, 1))
    return bytes(one[a] for a, _ in reversed(pairs)), runs
