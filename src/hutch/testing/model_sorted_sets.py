"""The sorted set commands of the reference model: scores in a dict, and (score, member) in a SortedList of `sortedcontainers`."""
from __future__ import annotations

import math

from .double import parse_decimal, parse_double, spell
from .model import (OUT_OF_INT64_POSITIVE, SYNTAX, ModelSession, Refused, command, need_at_least, need_integer, numbered_keys,
                    pop_options)
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
    """ZRANK and ZREVRANK: a member's rank from 0, or None; with WITHSCORE a list of rank and score, or NULL_ARRAY. Refused for another
    word in its place. O(log n)"""
    if len(args) > 3:
        raise Refused(f"ERR wrong number of arguments for '{name}' command")
    if len(args) == 3 and args[2].upper() != b"WITHSCORE":
        raise Refused(SYNTAX)
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


def select(self, key, words, stores=False) -> tuple[list, bool]:
    """ZRANGE's words behind its key, ZRANGESTORE's if it `stores`: the pairs, and whether scores are wanted. Refused for bad ends, and for options that do
    not go together. O(n)"""
    low, high = words[:2]
    by, reverse, with_scores, skip, count, at = b"", False, False, 0, -1, 2
    while at < len(words):
        word = words[at].upper()
        if word == b"WITHSCORES" and not stores:
            with_scores = True
        elif word == b"LIMIT" and at + 2 < len(words):
            skip, count = need_integer(words[at + 1]), need_integer(words[at + 2])
            at += 2
        elif word == b"REV" and not reverse:
            reverse = True
        elif word in (b"BYSCORE", b"BYLEX") and not by:
            by = word
        else:
            raise Refused(SYNTAX)
        at += 1
    if count != -1 and not by:
        raise Refused("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if with_scores and by == b"BYLEX":
        raise Refused("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    for end in (low, high) if by else ():
        score_end(end) if by == b"BYSCORE" else text_end(end)
    value = self.collection(key, Scores)
    if value is None:
        if not by:
            need_integer(low), need_integer(high)
        return [], with_scores
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
    return pairs, with_scores


@command("zrange", arity=-4)
def zrange(self, name, args):
    """ZRANGE with all its options; see select."""
    return shown(*select(self, args[0], args[1:]))


@command("zrangestore", arity=-5)
def zrangestore(self, name, args):
    """ZRANGESTORE: replace the target by a range; returns how many members it has. Refused as select is."""
    pairs, _ = select(self, args[1], args[2:], stores=True)
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
    if len(args) > 2:
        raise Refused(SYNTAX)
    count = need_at_least(args[1], 0, OUT_OF_INT64_POSITIVE) if len(args) == 2 else 1
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
    """ZMPOP: the first key that has a sorted set, and the pairs taken from it; NULL_ARRAY where none has. Refused for numbers below
    1, and for words that are out of place. O(n)"""
    keys, rest = numbered_keys(args)
    end, count = pop_options(rest, (b"MIN", b"MAX"))
    for key in keys:
        value = self.collection(key, Scores)
        if value is not None:
            return [key, [[member, text(score)] for score, member in taken(self, key, value, end == b"MAX", count)]]
    return NULL_ARRAY


def sources_and_options(self, name, words):
    """What ZUNION and its like are given: the sets of the keys as dicts, and a dict of the options. Refused as Redis does, in its
    order: the number of keys, their types, then the options."""
    number = need_integer(words[0])
    if number < 1:
        raise Refused(f"ERR at least 1 input key is needed for '{name}' command")
    if number > len(words) - 1:
        raise Refused(SYNTAX)
    sources = [self.collection(key, Scores, Members) or {} for key in words[1:1 + number]]
    sources = [dict.fromkeys(source, 1.0) if isinstance(source, set) else dict(source) for source in sources]
    options = {b"WEIGHTS": [1.0] * number, b"AGGREGATE": b"SUM", b"WITHSCORES": False, b"LIMIT": 0}
    counts, weighs = name == "zintercard", name in ("zunion", "zinter", "zunionstore", "zinterstore")
    rest, at = words[1 + number:], 0
    while at < len(rest):
        option, left = rest[at].upper(), len(rest) - at - 1
        if option == b"WEIGHTS" and weighs and left >= number:
            options[option] = [need_float(word, "ERR weight value is not a float") for word in rest[at + 1:at + 1 + number]]
            at += number
        elif option == b"AGGREGATE" and weighs and left and rest[at + 1].upper() in (b"SUM", b"MIN", b"MAX"):
            at += 1
            options[option] = rest[at].upper()
        elif option == b"WITHSCORES" and not counts and not name.endswith("store"):
            options[option] = True
        elif option == b"LIMIT" and counts and left:
            at += 1
            options[option] = need_at_least(rest[at], 0, "ERR LIMIT can't be negative")
        else:
            raise Refused(SYNTAX)
        at += 1
    return sources, options


@command("zunion", "zinter", "zdiff", "zunionstore", "zinterstore", "zdiffstore", arity=-3)
def combine(self, name, args):
    """ZUNION, ZINTER, ZDIFF and their STORE forms: the members, with scores if asked for, or how many were stored.

    In a set each member counts with a score of 1. Refused as sources_and_options is. O(n log n)
    """
    stored = name.endswith("store")
    sources, options = sources_and_options(self, name, args[1:] if stored else args)
    weights, how = options[b"WEIGHTS"], options[b"AGGREGATE"]
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
    return shown(sorted((score, member) for member, score in result.items()), options[b"WITHSCORES"])


def together(how: bytes, one: float, two: float) -> float:
    """The score of a member that two sources have, by SUM, MIN or MAX; a sum that is no number is 0."""
    if how == b"SUM":
        return 0.0 if math.isnan(one + two) else one + two
    return min(one, two) if how == b"MIN" else max(one, two)


@command("zintercard", arity=-3)
def zintercard(self, name, args):
    """ZINTERCARD: how many members the intersection has, at most LIMIT. Refused as sources_and_options is. O(members)"""
    sources, options = sources_and_options(self, name, args)
    found = len(set.intersection(*map(set, sources)))
    return min(found, options[b"LIMIT"]) if options[b"LIMIT"] else found
