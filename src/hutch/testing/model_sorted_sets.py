"""The sorted set commands of the reference model: scores in a dict, and (score, member) in a SortedList of `sortedcontainers`."""
from __future__ import annotations

import math

from .double import parse_decimal, parse_double, spell
from .model import SYNTAX, ModelSession, Refused, command, need_integer
from .model_sets import Members
from .replies import NULL_ARRAY

INFINITY = float("inf")
NOT_A_NUMBER = "ERR resulting score is not a number (NaN)"


class Scores(dict):
    """The value of a sorted set: each member with its score; `order` has the same in order. Change it through put and forget.

    ImportError without the package `sortedcontainers`.
    """
    name = b"zset"

    def __init__(self, pairs=()):
        from sortedcontainers import SortedList     # of the test extra: only who uses sorted sets needs it
        super().__init__()
        self.order = SortedList()
        for member, score in dict(pairs).items():
            self.put(member, score)

    def __deepcopy__(self, memo):
        return Scores(self)

    def put(self, member, score):
        """Give a member this score, whether it is new or not. O(log n)"""
        self.forget(member)
        self[member] = score
        self.order.add((score, member))

    def forget(self, member):
        """Remove a member; returns whether there was one. O(log n)"""
        if member not in self:
            return False
        self.order.remove((self.pop(member), member))
        return True


def text(score: float) -> bytes:
    """A score as Redis writes it: the shortest that reads back the same."""
    if math.isinf(score):
        return b"inf" if score > 0 else b"-inf"
    return b"%d" % score if score == int(score) and abs(score) <= 2**62 else spell(score)


def need_float(word: bytes, error: str = "ERR value is not a valid float", parse=parse_double) -> float:
    """The number that a word spells, as `parse` reads it. Refused, with `error`, where it spells none."""
    number = parse(word)
    if number is None:
        raise Refused(error)
    return number


def shown(pairs, with_scores: bool) -> list:
    """(score, member) pairs as RESP2 lists them: one flat list of members, each followed by its score if asked for. O(pairs)"""
    return [word for score, member in pairs for word in ((member, text(score)) if with_scores else (member,))]


@command("zadd", arity=-4)
def zadd(self: ModelSession, name, args):
    """ZADD with all its options: how many are new, with CH how many changed, with INCR the score or None. Refused for options
    that do not go together, for a score that is no number, and for a sum that is none. O(log n) a member"""
    options, at = set(), 1
    while at < len(args) and args[at].upper() in (b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"):
        options.add(args[at].upper())
        at += 1
    words = args[at:]
    if len(words) % 2 or not words:
        raise Refused(SYNTAX)
    if {b"NX", b"XX"} <= options:
        raise Refused("ERR XX and NX options at the same time are not compatible")
    if (b"NX" in options and options & {b"GT", b"LT"}) or {b"GT", b"LT"} <= options:
        raise Refused("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"INCR" in options and len(words) > 2:
        raise Refused("ERR INCR option supports a single increment-element pair")
    pairs = [(need_float(score), member) for score, member in zip(words[::2], words[1::2])]
    value = self.collection(args[0], Scores)
    if value is None:
        if b"XX" in options:
            return None if b"INCR" in options else 0
        value = self.new(args[0], Scores())
    added = changed = 0
    answer = None
    for score, member in pairs:
        old = value.get(member)
        if (b"NX" in options and old is not None) or (b"XX" in options and old is None):
            continue
        if b"INCR" in options and old is not None:
            score += old
            if math.isnan(score):
                raise Refused(NOT_A_NUMBER)
        if old is not None and ((b"GT" in options and score <= old) or (b"LT" in options and score >= old)):
            continue
        answer = text(score)
        added += old is None
        changed += old is not None and score != old
        value.put(member, score)
    self.drop_if_empty(args[0])
    if b"INCR" in options:
        return answer
    return added + changed if b"CH" in options else added


@command("zincrby", arity=4)
def zincrby(self, name, args):
    """ZINCRBY: add to a score; returns the new one. Refused as zadd is."""
    return zadd(self, name, [args[0], b"INCR", args[1], args[2]])


@command("zcard", arity=2)
def zcard(self, name, args):
    """ZCARD: the number of members."""
    return len(self.collection(args[0], Scores) or ())


@command("zscore", arity=3)
def zscore(self, name, args):
    """ZSCORE: a member's score as text, or None."""
    score = (self.collection(args[0], Scores) or {}).get(args[1])
    return None if score is None else text(score)


@command("zmscore", arity=-3)
def zmscore(self, name, args):
    """ZMSCORE: the scores of members as a list, None where there is none. O(members given)"""
    value = self.collection(args[0], Scores) or {}
    return [text(value[member]) if member in value else None for member in args[1:]]


@command("zrank", "zrevrank", arity=-3)
def zrank(self, name, args):
    """ZRANK and ZREVRANK: a member's rank from 0, or None; with WITHSCORE a list of rank and score, or NULL_ARRAY. O(log n)"""
    value = self.collection(args[0], Scores)
    with_score = len(args) == 3
    if value is None or args[1] not in value:
        return NULL_ARRAY if with_score else None
    rank = value.order.index((value[args[1]], args[1]))
    rank = rank if name == "zrank" else len(value) - 1 - rank
    return [rank, text(value[args[1]])] if with_score else rank


@command("zrem", arity=-3)
def zrem(self, name, args):
    """ZREM: remove members; returns how many there were. O(log n) a member"""
    value = self.collection(args[0], Scores)
    if value is None:
        return 0
    gone = sum(value.forget(member) for member in args[1:])
    self.drop_if_empty(args[0])
    return gone


def score_end(word: bytes) -> tuple[float, bool]:
    """One end of a range of scores: the score, and whether the end itself is left out. Refused where it is no number."""
    number = need_float(word.removeprefix(b"("), "ERR min or max is not a float", parse_decimal)
    return number, word.startswith(b"(")


def text_end(word: bytes):
    """One end of a range of members: the text, and whether the end itself is left out. Refused where it does not begin with `[`
    or `(`, and is neither `-` nor `+`."""
    if word in (b"-", b"+"):
        return word, False
    if word[:1] not in (b"[", b"("):
        raise Refused("ERR min or max not valid string range item")
    return word[1:], word[:1] == b"("


def within(value: Scores, by: bytes, low: bytes, high: bytes) -> list[tuple[float, bytes]]:
    """The pairs of a range, ascending: by BYSCORE, by BYLEX, or by rank if `by` is neither. Refused for a bad end. O(n)"""
    if by == b"BYSCORE":
        (least, least_open), (most, most_open) = score_end(low), score_end(high)
        return [pair for pair in value.order if (least < pair[0] or (least == pair[0] and not least_open))
                and (pair[0] < most or (pair[0] == most and not most_open))]
    if by == b"BYLEX":
        (least, least_open), (most, most_open) = text_end(low), text_end(high)
        if least == b"+" and low == b"+" or high == b"-":
            return []
        return [pair for pair in value.order if (low == b"-" or least < pair[1] or (least == pair[1] and not least_open))
                and (high == b"+" or pair[1] < most or (pair[1] == most and not most_open))]
    start, end = need_integer(low), need_integer(high)
    start = max(start + len(value), 0) if start < 0 else start
    end = end + len(value) if end < 0 else end
    return list(value.order[start:max(end + 1, start)])


def select(self, key, words) -> tuple[list, bool]:
    """ZRANGE's words behind its key: the pairs, and whether scores are wanted. Refused for bad ends, and for options that do
    not go together. O(n)"""
    low, high, rest = words[0], words[1], [word.upper() for word in words[2:]]
    at = 0
    while at < len(rest):
        if rest[at] not in (b"BYSCORE", b"BYLEX", b"REV", b"WITHSCORES", b"LIMIT") or (rest[at] == b"LIMIT" and at + 2 >= len(rest)):
            raise Refused(SYNTAX)
        at += 3 if rest[at] == b"LIMIT" else 1
    by = next((word for word in rest if word in (b"BYSCORE", b"BYLEX")), b"")
    limit = rest.index(b"LIMIT") if b"LIMIT" in rest else None
    skip, count = (need_integer(words[2 + limit + 1]), need_integer(words[2 + limit + 2])) if limit is not None else (0, -1)
    if count != -1 and not by:
        raise Refused("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if b"WITHSCORES" in rest and by == b"BYLEX":
        raise Refused("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    reverse = b"REV" in rest
    for end in (low, high) if by else ():
        score_end(end) if by == b"BYSCORE" else text_end(end)
    value = self.collection(key, Scores)
    if value is None:
        if not by:
            need_integer(low), need_integer(high)
        return [], b"WITHSCORES" in rest
    if by:
        pairs = within(value, by, *((high, low) if reverse else (low, high)))
        pairs = pairs[::-1] if reverse else pairs
        pairs = [] if skip < 0 else pairs[skip:] if count < 0 else pairs[skip:skip + count]
    elif reverse:
        reversed_order = list(value.order)[::-1]
        start, end = need_integer(low), need_integer(high)
        start = max(start + len(reversed_order), 0) if start < 0 else start
        end = end + len(reversed_order) if end < 0 else end
        pairs = reversed_order[start:max(end + 1, start)]
    else:
        pairs = within(value, by, low, high)
    return pairs, b"WITHSCORES" in rest


@command("zrange", arity=-4)
def zrange(self, name, args):
    """ZRANGE with all its options; see select."""
    return shown(*select(self, args[0], args[1:]))


@command("zrangestore", arity=-5)
def zrangestore(self, name, args):
    """ZRANGESTORE: replace the target by a range; returns how many members it has. Refused as select is."""
    pairs, _ = select(self, args[1], args[2:])
    return keep(self, args[0], {member: score for score, member in pairs})


def keep(self, key, pairs: dict) -> int:
    """Replace the key by a sorted set of these members and scores, or by nothing where there are none; returns how many. O(n
    log n)"""
    self.data.pop(key, None)
    if pairs:
        self.new(key, Scores(pairs))
    return len(pairs)


@command("zcount", "zlexcount", arity=4)
def zcount(self, name, args):
    """ZCOUNT and ZLEXCOUNT: how many members a range has. Refused for a bad end. O(n)"""
    by = b"BYSCORE" if name == "zcount" else b"BYLEX"
    for end in args[1:]:
        score_end(end) if by == b"BYSCORE" else text_end(end)
    value = self.collection(args[0], Scores)
    return 0 if value is None else len(within(value, by, *args[1:]))


@command("zremrangebyscore", "zremrangebylex", "zremrangebyrank", arity=4)
def zremrange(self, name, args):
    """ZREMRANGEBYSCORE, ZREMRANGEBYLEX and ZREMRANGEBYRANK: remove a range; returns how many there were. Refused for a bad end.
    O(n)"""
    by = {"e": b"BYSCORE", "x": b"BYLEX"}.get(name[-1], b"")
    for end in args[1:]:
        score_end(end) if by == b"BYSCORE" else text_end(end) if by else need_integer(end)
    value = self.collection(args[0], Scores)
    if value is None:
        return 0
    gone = within(value, by, *args[1:])
    for _, member in gone:
        value.forget(member)
    self.drop_if_empty(args[0])
    return len(gone)


@command("zpopmin", "zpopmax", arity=-2)
def zpop(self, name, args):
    """ZPOPMIN and ZPOPMAX: remove the first or last members and return them with their scores. Refused for a negative count.
    O(n)"""
    count = need_integer(args[1], "ERR value is out of range, must be positive") if len(args) == 2 else 1
    if count < 0:
        raise Refused("ERR value is out of range, must be positive")
    value = self.collection(args[0], Scores)
    return shown(taken(self, args[0], value, name == "zpopmax", count), True) if value is not None else []


def taken(self, key, value, highest: bool, count: int) -> list:
    """Remove up to `count` pairs from one end of a sorted set and return them; an empty one's key goes, too. O(n)"""
    order = list(value.order)
    pairs = (order[::-1] if highest else order)[:count]
    for _, member in pairs:
        value.forget(member)
    self.drop_if_empty(key)
    return pairs


@command("zmpop", arity=-4)
def zmpop(self, name, args):
    """ZMPOP, well formed: the first key that has a sorted set, and the pairs taken from it; NULL_ARRAY where none has. O(n)"""
    number = need_integer(args[0])
    keys, rest = args[1:1 + number], args[1 + number:]
    count = need_integer(rest[2]) if len(rest) > 1 else 1
    for key in keys:
        value = self.collection(key, Scores)
        if value is not None:
            return [key, [[member, text(score)] for score, member in taken(self, key, value, rest[0].upper() == b"MAX", count)]]
    return NULL_ARRAY


@command("zunion", "zinter", "zdiff", "zunionstore", "zinterstore", "zdiffstore", arity=-3)
def combine(self, name, args):
    """ZUNION, ZINTER, ZDIFF and their STORE forms, well formed: the members, with scores if asked for, or how many were stored.

    In a set each member counts with a score of 1. Refused for a weight that is no number. O(n log n)
    """
    stored = name.endswith("store")
    words = args[1:] if stored else args
    number = need_integer(words[0])
    keys, rest = words[1:1 + number], [word.upper() for word in words[1 + number:]]
    weights = [need_float(word, "ERR weight value is not a float") for word in rest[rest.index(b"WEIGHTS") + 1:][:number]] if b"WEIGHTS" in rest else [1.0] * number
    how = rest[rest.index(b"AGGREGATE") + 1] if b"AGGREGATE" in rest else b"SUM"
    sources = [self.collection(key, Scores, Members) or {} for key in keys]
    sources = [dict.fromkeys(source, 1.0) if isinstance(source, set) else dict(source) for source in sources]
    operation = name.removesuffix("store")[1:]
    if operation == "diff":
        result = {member: score for member, score in sources[0].items() if not any(member in other for other in sources[1:])}
    else:
        result = {}
        for source, weight in zip(sources, weights):
            for member, score in source.items():
                score = score * weight
                score = 0.0 if math.isnan(score) else score
                if member in result:
                    score = together(how, result[member], score)
                result[member] = score
        if operation == "inter":
            result = {member: score for member, score in result.items() if all(member in source for source in sources)}
    if stored:
        return keep(self, args[0], result)
    return shown(sorted((score, member) for member, score in result.items()), b"WITHSCORES" in rest)


def together(how: bytes, one: float, two: float) -> float:
    """The score of a member that two sources have, by SUM, MIN or MAX; a sum that is no number is 0."""
    if how == b"SUM":
        return 0.0 if math.isnan(one + two) else one + two
    return min(one, two) if how == b"MIN" else max(one, two)


@command("zintercard", arity=-3)
def zintercard(self, name, args):
    """ZINTERCARD, well formed: how many members the intersection has, at most LIMIT. Refused for a negative limit. O(members)"""
    number = need_integer(args[0])
    keys, rest = args[1:1 + number], args[1 + number:]
    limit = need_integer(rest[1]) if rest else 0
    sources = [set(self.collection(key, Scores, Members) or ()) for key in keys]
    if limit < 0:
        raise Refused("ERR LIMIT can't be negative")
    found = len(set.intersection(*sources))
    return min(found, limit) if limit else found
