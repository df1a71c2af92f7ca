"""The hash commands of the reference model: a dict, and the deadlines of those fields that have one."""
from __future__ import annotations

from .model import INT64_MAX, INT64_MIN, OK, ModelSession, Refused, command, integer, need_integer


class Fields(dict):
    """The value of a hash: each field with its value; `deadlines` has the Unix time in ms of those fields that have one."""
    name = b"hash"

    def __init__(self, *what):
        super().__init__(*what)
        self.deadlines: dict[bytes, int] = {}

    def __deepcopy__(self, memo):
        copy = Fields(self)
        copy.deadlines = dict(self.deadlines)
        return copy

    def forget(self, field):
        """Remove a field and its deadline; returns its value, or None where there was none."""
        self.deadlines.pop(field, None)
        return self.pop(field, None)

    def purge(self, now_ms):
        """Remove the fields whose deadline is before `now_ms`: one lives through the millisecond of its deadline. O(fields with
        deadlines)"""
        for field in [field for field, at_ms in self.deadlines.items() if at_ms < now_ms]:
            self.forget(field)


def wrong_arity(name):
    """The Refused of a wrong number of arguments; it is returned, not raised."""
    return Refused(f"ERR wrong number of arguments for '{name}' command")


@command("hset", "hmset", arity=-4)
def hset(self: ModelSession, name, args):
    """HSET and HMSET: set fields, which lose their deadlines. HSET returns how many are new. Refused for an odd number of
    words."""
    if len(args) % 2 == 0:
        raise wrong_arity(name)
    value = self.collection(args[0], Fields)
    value = self.new(args[0], Fields()) if value is None else value
    before = len(value)
    for field, text in zip(args[1::2], args[2::2]):
        value.deadlines.pop(field, None)
        value[field] = text
    return OK if name == "hmset" else len(value) - before


@command("hsetnx", arity=4)
def hsetnx(self, name, args):
    """HSETNX: set a field that does not exist; returns whether it did, as 1 or 0."""
    value = self.collection(args[0], Fields)
    if value is not None and args[1] in value:
        return 0
    hset(self, name, args)
    return 1


@command("hget", arity=3)
def hget(self, name, args):
    """HGET: the value of a field, or None."""
    return (self.collection(args[0], Fields) or {}).get(args[1])


@command("hmget", arity=-3)
def hmget(self, name, args):
    """HMGET: the values of fields as a list, None where there is none. O(fields asked for)"""
    value = self.collection(args[0], Fields) or {}
    return [value.get(field) for field in args[1:]]


@command("hdel", arity=-3)
def hdel(self, name, args):
    """HDEL: remove fields; returns how many there were. O(fields given)"""
    value = self.collection(args[0], Fields)
    if value is None:
        return 0
    gone = sum(value.forget(field) is not None for field in args[1:])
    self.drop_if_empty(args[0])
    return gone


@command("hlen", arity=2)
def hlen(self, name, args):
    """HLEN: the number of fields."""
    return len(self.collection(args[0], Fields) or ())


@command("hexists", arity=3)
def hexists(self, name, args):
    """HEXISTS: 1 if the field exists, otherwise 0."""
    return int(args[1] in (self.collection(args[0], Fields) or ()))


@command("hstrlen", arity=3)
def hstrlen(self, name, args):
    """HSTRLEN: the length in bytes of a field's value, 0 without one."""
    return len((self.collection(args[0], Fields) or {}).get(args[1], b""))


@command("hkeys", "hvals", "hgetall", arity=2)
def hgetall(self, name, args):
    """HKEYS, HVALS and HGETALL, sorted: in no order that a test may rely on. HGETALL as RESP2 has it, a flat list. O(n log n)"""
    value = self.collection(args[0], Fields) or {}
    if name == "hgetall":
        return [word for pair in sorted(value.items()) for word in pair]
    return sorted(value if name == "hkeys" else value.values())


@command("hincrby", arity=4)
def hincrby(self, name, args):
    """HINCRBY: add to a field, whose deadline stays; returns the sum. Refused where a number is no int64, or the sum would not
    be one."""
    by = need_integer(args[2])
    value = self.collection(args[0], Fields)
    old = (value or {}).get(args[1], b"0")
    number = integer(old)
    if number is None:
        raise Refused("ERR hash value is not an integer")
    if not INT64_MIN <= number + by <= INT64_MAX:
        raise Refused("ERR increment or decrement would overflow")
    value = self.new(args[0], Fields()) if value is None else value
    value[args[1]] = b"%d" % (number + by)       # its deadline stays
    return number + by


@command("hexpire", "hpexpire", "hexpireat", "hpexpireat", arity=-6)
def hexpire(self, name, args):
    """HEXPIRE, HPEXPIRE, HEXPIREAT and HPEXPIREAT, well formed: key time [NX | XX | GT | LT] FIELDS n field ...

    Returns a list with set_deadline's answer for each field. Refused where the time is no int64.
    """
    unit_ms, relative = 1 if name.startswith("hp") else 1000, not name.endswith("at")
    at_ms = need_integer(args[1]) * unit_ms + (self.now if relative else 0)
    condition = None if args[2].upper() == b"FIELDS" else args[2].upper()
    fields = args[4:] if condition is None else args[5:]
    value = self.collection(args[0], Fields)
    if value is None:
        return [-2] * len(fields)
    replies = [set_deadline(self, value, field, at_ms, condition) for field in fields]
    self.drop_if_empty(args[0])
    return replies


def set_deadline(self, value, field, at_ms, condition):
    """Give one field a deadline (Unix time in ms): -2 without such a field, 0 where the condition does not hold, 1 when it is
    set, 2 when it had passed and the field is gone."""
    if field not in value:
        return -2
    old = value.deadlines.get(field)
    if (condition == b"NX" and old is not None) or (condition == b"XX" and old is None) \
            or (condition == b"GT" and (old is None or at_ms <= old)) or (condition == b"LT" and old is not None and at_ms >= old):
        return 0
    if at_ms <= self.now:
        value.forget(field)
        return 2
    value.deadlines[field] = at_ms
    return 1


@command("httl", "hpttl", "hexpiretime", "hpexpiretime", arity=-5)
def httl(self, name, args):
    """HTTL, HPTTL, HEXPIRETIME and HPEXPIRETIME: a list with the seconds or ms of each field, -1 without a deadline, -2 without
    a field."""
    value = self.collection(args[0], Fields)
    replies = []
    for field in args[3:]:
        at_ms = value.deadlines.get(field) if value is not None else None
        if value is None or field not in value:
            replies.append(-2)
        elif at_ms is None:
            replies.append(-1)
        else:
            ms = at_ms - (0 if name.endswith("time") else self.now)
            replies.append(ms if name.startswith("hp") else (ms + 999) // 1000)
    return replies


@command("hpersist", arity=-5)
def hpersist(self, name, args):
    """HPERSIST: remove deadlines of fields: a list of 1 where there was one, -1 where there was none, -2 without such a field."""
    value = self.collection(args[0], Fields)
    return [-2 if value is None or field not in value else 1 if value.deadlines.pop(field, None) is not None else -1
            for field in args[3:]]


@command("hgetdel", arity=-5)
def hgetdel(self, name, args):
    """HGETDEL: remove fields and return their values as a list, None where there was none. O(fields given)"""
    value = self.collection(args[0], Fields)
    found = [None if value is None else value.forget(field) for field in args[3:]]
    if value is not None:
        self.drop_if_empty(args[0])
    return found
