"""Keys of any type, deadlines and databases in the reference model."""
from __future__ import annotations

import random
from copy import deepcopy

from .model import (BAD_DATABASE, DATABASES, NO_KEY, NO_LFU, OK, SAME_OBJECT, SYNTAX, ModelSession,
                    Refused, Simple, UNMODELLED, command, integer, need_c_int, need_integer)


def database_index(word: bytes) -> int:
    """The number of a database that a word names. Refused where it names none."""
    index = need_c_int(word)
    if not 0 <= index < DATABASES:
        raise Refused(BAD_DATABASE)
    return index


@command("del", "unlink", arity=-2)
def delete(self: ModelSession, name, args):
    """DEL and UNLINK: remove keys; returns how many there were. O(keys given)"""
    return sum(self.data.pop(key, None) is not None for key in args)


@command("exists", "touch", arity=-2)
def exists(self, name, args):
    """EXISTS and TOUCH: how many of the keys exist, each counted as often as it is given. O(keys given)"""
    return sum(key in self.data for key in args)


@command("type", arity=2)
def type_(self, name, args):
    """TYPE: the name of a value's type as a Simple."""
    return Simple(type_name(self, args[0]))


def type_name(self: ModelSession, key: bytes) -> bytes:
    """The name of the type of a key's value; b"none" without a key."""
    if key not in self.data:
        return b"none"
    return getattr(self.data[key].value, "name", b"string")


@command("copy", arity=-3)
def copy(self, name, args):
    """COPY, with DB and REPLACE: copy a value and its deadline; returns 1, or 0 when nothing was copied. Refused for a bad
    option or database, and for a copy onto itself. O(elements)"""
    source, target, rest = args[0], args[1], list(args[2:])
    replace, index = False, self.database
    while rest:
        word = rest.pop(0).upper()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and rest:
            index = database_index(rest.pop(0))
        else:
            raise Refused(SYNTAX)
    there = self.model.databases[index]
    if there is self.data and source == target:
        raise Refused(SAME_OBJECT)
    if source not in self.data or (target in there and not replace):
        return 0
    there[target] = deepcopy(self.data[source])
    return 1


@command("move", arity=3)
def move(self, name, args):
    """MOVE: take a key to another database; returns 1, or 0 when it is not here or is there already. Refused for a bad
    database."""
    there = self.model.databases[database_index(args[1])]
    if there is self.data:
        raise Refused(SAME_OBJECT)
    if args[0] not in self.data or args[0] in there:
        return 0
    there[args[0]] = self.data.pop(args[0])
    return 1


@command("rename", arity=3)
def rename(self, name, args):
    """RENAME: the target is replaced. Refused without a source."""
    source, target = args
    if source not in self.data:
        raise Refused(NO_KEY)
    self.data[target] = self.data.pop(source)
    return OK


@command("renamenx", arity=3)
def renamenx(self, name, args):
    """RENAMENX: RENAME, unless there is a target; returns 1 or 0. Refused without a source."""
    if args[0] in self.data and args[1] in self.data:
        return 0
    rename(self, name, args)
    return 1


@command("expire", "pexpire", "expireat", "pexpireat", arity=-3)
def expire(self, name, args):
    """EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT: returns 1, or 0 without a key or where a condition does not hold. A deadline
    that has passed removes the key. Refused for bad options and times."""
    found = set()
    for word in args[2:]:
        if word.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            raise Refused(b"ERR Unsupported option " + word.split(b"\0")[0])
        found.add(word.upper())
    if b"NX" in found and len(found) > 1:
        raise Refused("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= found:
        raise Refused("ERR GT and LT options at the same time are not compatible")
    at_ms = self.deadline(args[1], 1 if name.startswith("p") else 1000, not name.endswith("at"), name)
    item = self.data.get(args[0])
    if item is None:
        return 0
    now_ms = item.deadline_ms
    # A key without a deadline lives for ever: nothing is greater, everything is less.
    if (b"NX" in found and now_ms is not None) or (b"XX" in found and now_ms is None) \
            or (b"GT" in found and (now_ms is None or at_ms <= now_ms)) \
            or (b"LT" in found and now_ms is not None and at_ms >= now_ms):
        return 0
    if at_ms <= self.now:
        del self.data[args[0]]
    else:
        item.deadline_ms = at_ms
    return 1


@command("ttl", "pttl", "expiretime", "pexpiretime", arity=2)
def ttl(self, name, args):
    """TTL, PTTL, EXPIRETIME and PEXPIRETIME: seconds or ms; -1 without a deadline, -2 without a key."""
    item = self.data.get(args[0])
    if item is None:
        return -2
    if item.deadline_ms is None:
        return -1
    ms = item.deadline_ms - (0 if name.endswith("time") else self.now)
    return ms if name.startswith("p") else (ms + 500) // 1000


@command("persist", arity=2)
def persist(self, name, args):
    """PERSIST: remove a deadline; returns 1, or 0 where there is none."""
    item = self.data.get(args[0])
    if item is None or item.deadline_ms is None:
        return 0
    item.deadline_ms = None
    return 1


@command("keys", arity=2)
def keys(self, name, args):
    """KEYS: the keys that match a pattern, sorted. O(keys)"""
    return sorted(key for key in self.data if matches(args[0], key))


@command("scan", arity=-2)
def scan(self, name, args):
    """SCAN, the whole iteration in one reply: cursor 0 and every key once, sorted, whatever COUNT says. Refused for a bad
    cursor or option. O(keys)"""
    cursor, rest = args[0], list(args[1:])
    if not is_cursor(cursor):
        raise Refused("ERR invalid cursor")
    pattern, kind = b"*", None
    while rest:
        word = rest.pop(0).upper()
        if not rest or word not in (b"COUNT", b"MATCH", b"TYPE"):
            raise Refused(SYNTAX)
        value = rest.pop(0)
        if word == b"COUNT":
            if need_integer(value) < 1:
                raise Refused(SYNTAX)
        elif word == b"MATCH":
            pattern = value
        else:
            kind = value.lower()
    return [b"0", sorted(key for key in self.data if matches(pattern, key) and kind in (None, type_name(self, key)))]


def is_cursor(word: bytes) -> bool:
    """Is the word what strtoull takes as a whole? Spaces and a sign may lead, as long as a plain number is not negative. A zero
    byte ends it."""
    word = word.split(b"\0")[0]
    number = integer(word)
    if number is not None:
        return number >= 0
    digits = word.lstrip(b" \t\n\v\f\r")
    digits = digits[1:] if digits[:1] in (b"+", b"-") else digits
    return digits.isdigit() and int(digits) < 2**64


@command("randomkey", arity=1)
def randomkey(self, name, args):
    """RANDOMKEY: a key by chance, or None. O(keys)"""
    return random.choice(sorted(self.data)) if self.data else None


@command("dbsize", arity=1)
def dbsize(self, name, args):
    """DBSIZE: the number of keys."""
    return len(self.data)


@command("select", arity=2)
def select(self, name, args):
    """SELECT: use another database. Refused where there is no such one."""
    self.database = database_index(args[0])
    return OK


@command("swapdb", arity=3)
def swapdb(self, name, args):
    """SWAPDB: exchange two databases. Refused where there is no such one."""
    one, two = need_c_int(args[0], "ERR invalid first DB index"), need_c_int(args[1], "ERR invalid second DB index")
    if not (0 <= one < DATABASES and 0 <= two < DATABASES):
        raise Refused(BAD_DATABASE)
    all_ = self.model.databases
    all_[one], all_[two] = all_[two], all_[one]
    return OK


@command("flushdb", "flushall", arity=-1)
def flush(self, name, args):
    """FLUSHDB and FLUSHALL: remove all keys of the selected database, or of all. Refused for a bad option."""
    if len(args) > 1 or (args and args[0].upper() not in (b"SYNC", b"ASYNC")):
        raise Refused(SYNTAX)
    for database in self.model.databases if name == "flushall" else [self.data]:
        database.clear()
    return OK


@command("object", arity=-2)
def object_(self, name, args):
    """OBJECT ENCODING, REFCOUNT, FREQ and IDLETIME: None without a key. UNMODELLED for the encoding of a collection; Refused
    for FREQ, and for other subcommands."""
    sub = args[0].lower()
    if sub not in (b"encoding", b"refcount", b"freq", b"idletime"):
        raise Refused(b"ERR unknown subcommand '%b'. Try OBJECT HELP." % args[0].split(b"\0")[0][:128])
    if len(args) != 2:
        raise Refused(b"ERR wrong number of arguments for 'object|%b' command" % sub)
    item = self.data.get(args[1])
    if item is None:
        return None
    if sub == b"freq":
        raise Refused(NO_LFU)
    if sub == b"encoding" and not isinstance(item.value, bytes):
        return UNMODELLED
    if sub == b"encoding":
        if not item.raw and not item.text and integer(item.value) is not None:
            return b"int"
        # 8.2 embeds key and value in one allocation of 64 bytes, in which a deadline takes eight.
        room = 41 if item.deadline_ms is None else 33
        return b"embstr" if not item.raw and len(args[1]) + len(item.value) <= room else b"raw"
    return 1 if sub == b"refcount" else 0


def matches(pattern: bytes, key: bytes) -> bool:
    """Does a key match a pattern, as KEYS and SCAN ask? See glob."""
    # Redis asks its glob function only of other patterns than `*`: it is the one that matches an empty key.
    return pattern == b"*" or glob(pattern, key)


def glob(pattern: bytes, text: bytes) -> bool:
    """Does the text match Redis's glob? It has `*`, `?`, classes with ranges and `^`, backslash escapes. The end of the pattern
    closes a class. Exponential in the number of `*` at worst.

    An oddity that programs can see: nothing but the empty pattern matches an empty text, not even `**`.
    """
    if not pattern or not text:
        return not pattern and not text
    head, rest = pattern[:1], pattern[1:]
    if head == b"*":
        rest = pattern.lstrip(b"*")
        return not rest or any(glob(rest, text[at:]) for at in range(len(text)))
    if head == b"[":
        hit, rest = _class(rest, text[0])
    elif head == b"?":
        hit = True
    else:
        if head == b"\\" and rest:
            head, rest = rest[:1], rest[1:]
        hit = text[:1] == head
    text = text[1:]
    return hit and (glob(rest, text) if text else not rest.lstrip(b"*"))


def _class(pattern: bytes, byte: int) -> tuple[bool, bytes]:
    """Whether the class (its text after the `[`) has the byte, and the pattern behind it."""
    negated = pattern[:1] == b"^"
    pattern = pattern[1:] if negated else pattern
    hit = False
    while pattern and pattern[:1] != b"]":
        if pattern[:1] == b"\\" and len(pattern) >= 2:
            hit, pattern = hit or pattern[1] == byte, pattern[2:]
        elif len(pattern) >= 3 and pattern[1:2] == b"-":
            low, high = sorted((pattern[0], pattern[2]))
            hit, pattern = hit or low <= byte <= high, pattern[3:]
        else:
            hit, pattern = hit or pattern[0] == byte, pattern[1:]
    return hit != negated, pattern[1:]
