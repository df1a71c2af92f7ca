"""The set commands of the reference model: a Python set. Members are answered in order, which Redis does not promise."""
from __future__ import annotations

from .model import ModelSession, Refused, command, need_integer


class Members(set):
    name = b"set"


@command("sadd", arity=-3)
def sadd(self: ModelSession, name, args):
    value = self.collection(args[0], Members)
    value = self.new(args[0], Members()) if value is None else value
    before = len(value)
    value.update(args[1:])
    return len(value) - before


@command("srem", arity=-3)
def srem(self, name, args):
    value = self.collection(args[0], Members)
    if value is None:
        return 0
    before = len(value)
    value.difference_update(args[1:])
    self.drop_if_empty(args[0])
    return before - len(value)


@command("smembers", arity=2)
def smembers(self, name, args):
    return sorted(self.collection(args[0], Members) or ())


@command("scard", arity=2)
def scard(self, name, args):
    return len(self.collection(args[0], Members) or ())


@command("sismember", arity=3)
def sismember(self, name, args):
    return int(args[1] in (self.collection(args[0], Members) or ()))


@command("smismember", arity=-3)
def smismember(self, name, args):
    value = self.collection(args[0], Members) or ()
    return [int(member in value) for member in args[1:]]


@command("smove", arity=4)
def smove(self, name, args):
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
    """All keys are looked at before anything is answered: one of another type refuses the command."""
    sets = [self.collection(key, Members) or set() for key in keys]
    if operation == "inter":
        return set.intersection(*map(set, sets))
    return set.union(*map(set, sets)) if operation == "union" else set(sets[0]).difference(*sets[1:])


@command("sinter", "sunion", "sdiff", arity=-2)
def combine(self, name, args):
    return sorted(combined(self, name[1:], args))


@command("sinterstore", "sunionstore", "sdiffstore", arity=-3)
def store(self, name, args):
    result = combined(self, name[1:-5], args[1:])
    self.data.pop(args[0], None)
    if result:
        self.new(args[0], Members(result))
    return len(result)


@command("sintercard", arity=-3)
def sintercard(self, name, args):
    number = need_integer(args[0])
    keys, rest = args[1:1 + number], args[1 + number:]
    limit = need_integer(rest[1]) if rest else 0
    if limit < 0:
        raise Refused("ERR LIMIT can't be negative")
    found = len(combined(self, "inter", keys))
    return min(found, limit) if limit else found


@command("spop", arity=3)
def spop(self, name, args):
    """Only for as many as there are: which members go is chance otherwise."""
    value = self.collection(args[0], Members) or set()
    if need_integer(args[1]) < len(value):
        raise NotImplementedError("a random choice")
    self.data.pop(args[0], None)
    return sorted(value)
