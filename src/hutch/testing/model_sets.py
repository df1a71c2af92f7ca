"""The set commands of the reference model: a Python set. Members are answered in order, which Redis does not promise."""
from __future__ import annotations

from .model import OUT_OF_INT64_POSITIVE, SYNTAX, ModelSession, Refused, command, need_at_least, numbered_keys


class Members(set):
    """The value of a set: its members as bytes."""
    name = b"set"


@command("sadd", arity=-3)
def sadd(self: ModelSession, name, args):
    """SADD: add members; returns how many are new."""
    value = self.collection(args[0], Members)
    value = self.new(args[0], Members()) if value is None else value
    before = len(value)
    value.update(args[1:])
    return len(value) - before


@command("srem", arity=-3)
def srem(self, name, args):
    """SREM: remove members; returns how many there were."""
    value = self.collection(args[0], Members)
    if value is None:
        return 0
    before = len(value)
    value.difference_update(args[1:])
    self.drop_if_empty(args[0])
    return before - len(value)


@command("smembers", arity=2)
def smembers(self, name, args):
    """SMEMBERS: the members, sorted. O(n log n)"""
    return sorted(self.collection(args[0], Members) or ())


@command("scard", arity=2)
def scard(self, name, args):
    """SCARD: the number of members."""
    return len(self.collection(args[0], Members) or ())


@command("sismember", arity=3)
def sismember(self, name, args):
    """SISMEMBER: 1 if it is a member, otherwise 0."""
    return int(args[1] in (self.collection(args[0], Members) or ()))


@command("smismember", arity=-3)
def smismember(self, name, args):
    """SMISMEMBER: a list of 1 and 0, one for each word. O(words)"""
    value = self.collection(args[0], Members) or ()
    return [int(member in value) for member in args[1:]]


@command("smove", arity=4)
def smove(self, name, args):
    """SMOVE: move a member to another set; returns 1, or 0 where it was none. Refused where one of the keys has another type."""
    source, target, member = args
    value = self.collection(source, Members)
    if value is None:
        return 0
    there = self.collection(target, Members)
    if source == target:
        return int(member in value)
    if member not in value:
        return 0
    value.remove(member)
    self.drop_if_empty(source)
    (self.new(target, Members()) if there is None else there).add(member)
    return 1


def combined(self, operation, keys):
    """The intersection ("inter"), union ("union") or difference ("diff") of the sets of these keys. All keys are looked at
    before anything is answered: Refused where one has another type. O(members)"""
    sets = [self.collection(key, Members) or set() for key in keys]
    if operation == "inter":
        return set.intersection(*map(set, sets))
    return set.union(*map(set, sets)) if operation == "union" else set(sets[0]).difference(*sets[1:])


@command("sinter", "sunion", "sdiff", arity=-2)
def combine(self, name, args):
    """SINTER, SUNION and SDIFF: the members, sorted. O(n log n)"""
    return sorted(combined(self, name[1:], args))


@command("sinterstore", "sunionstore", "sdiffstore", arity=-3)
def store(self, name, args):
    """SINTERSTORE, SUNIONSTORE and SDIFFSTORE: replace the target; returns how many members it has. O(members)"""
    result = combined(self, name[1:-5], args[1:])
    self.data.pop(args[0], None)
    if result:
        self.new(args[0], Members(result))
    return len(result)


@command("sintercard", arity=-3)
def sintercard(self, name, args):
    """SINTERCARD: how many members the intersection has, at most LIMIT. Refused for a number of keys below 1 or beyond the words,
    for a negative limit, and for any other word. O(members)"""
    keys, rest = numbered_keys(args, "ERR Number of keys can't be greater than number of args")
    limit = 0
    for at in range(0, len(rest), 2):
        if rest[at].upper() != b"LIMIT" or at + 1 == len(rest):
            raise Refused(SYNTAX)
        limit = need_at_least(rest[at + 1], 0, "ERR LIMIT can't be negative")
    found = len(combined(self, "inter", keys))
    return min(found, limit) if limit else found


@command("spop", arity=3)
def spop(self, name, args):
    """SPOP with a count, only for as many as there are: the members, sorted. NotImplementedError for fewer, since which of them
    go is chance. O(n log n)"""
    count = need_at_least(args[1], 0, OUT_OF_INT64_POSITIVE)
    value = self.collection(args[0], Members) or set()
    if count < len(value):
        raise NotImplementedError("a random choice")
    self.data.pop(args[0], None)
    return sorted(value)
