"""Sorted sets: every command of the group, in both forms; sets take part in unions and the like.

Ranges by text are asked of sets whose scores are all the same: elsewhere what Redis answers from its big form depends on
random heights. (The packed form's answer does not: there any set will do, see `texts_anywhere`.)
"""
from kit.generators import Family, Step

sorted_sets = Family("sorted_sets", seeds=(lambda g: (b"ZADD", g.key(), b"1", b"a", b"2", b"b"),))

ENTRIES, VALUE = b"zset-max-listpack-entries", b"zset-max-listpack-value"
SAME = (b"same0", b"same1")              # keys of sets whose scores are all 0
SCORES = (b"0", b"-0", b"1", b"2", b"-1", b"1.5", b"inf", b"-inf", b"3.3", b"0.1", b"1e17", b"1e300", b"-1e-10", b"123456789012345678",
          b"5e-324", b"0x10", b"+1", b"1e400", b"nan", b"Infinity")


def score(g):
    kind = g.random.random()
    if kind < 0.6:
        return b"%d" % g.random.randint(-5, 12)
    if kind < 0.75:
        return repr(round(g.random.uniform(-20, 20), g.random.randint(0, 6))).encode()
    return g.pick(SCORES) if kind < 0.97 else g.float()


def member(g):
    kind = g.random.random()
    if kind < 0.6:
        return b"m%d" % g.random.randint(0, 15)
    if kind < 0.8:
        return b"%d" % g.random.randint(-3, 10)
    if kind < 0.87:
        return g.pick((b"", b"007", b"-0", b"a", b"b", b"ab", b"\x00\xff", b"x" * 63, b"x" * 64, b"x" * 65, b"y" * 3_000))
    return g.value()


def pairs(g, most=6):
    return [word for _ in range(g.random.randint(1, most)) for word in (score(g), member(g))]


def bound(g):
    if g.chance(0.25):
        return g.pick((b"-inf", b"+inf", b"inf", b"(inf", b"(-inf", b"(", b"", b"1e400", b"-1e400", b"(1e-400", b"0x10", b"((1", b" 1",
                       b"1.2.3", b"1..2", b"(1.5.5", b"1.", b"0." + b"0" * 330 + b"1", b"1\x002"))
    return (b"(" if g.chance(0.3) else b"") + (score(g) if g.chance(0.9) else g.float())


def text_bound(g):
    if g.chance(0.3):
        return g.pick((b"-", b"+", b"-", b"+", b"", b"[", b"(", b"-a", b"+\x00a", b"a"))
    return g.pick((b"[", b"(")) + (g.text(3) if g.chance(0.6) else member(g))


def limit(g):
    return g.word(b"LIMIT"), g.pick((b"0", b"1", b"2", b"5", b"-1", b"x", b"100")), g.pick((b"0", b"1", b"3", b"-1", b"-2", b"100", b"x"))


@sorted_sets.generator(weight=10)
def zadd(g):
    options = g.some(g.word(b"NX"), g.word(b"XX"), g.word(b"GT"), g.word(b"LT"), chance=0.08) + g.some(g.word(b"CH"), chance=0.2)
    if g.chance(0.12):
        return b"ZADD", g.key(), *options, g.word(b"INCR"), *pairs(g, 1)
    return b"ZADD", g.key(), *options, *pairs(g)


@sorted_sets.generator(weight=1)
def zadd_many(g):
    """Across the threshold at once, ascending, descending or mixed; and enough for a tree of some height."""
    count = g.pick((5, 20, 127, 128, 129, 200, 500))
    first, step = g.random.randint(-50, 50), g.pick((1, -1, 0.5, 0, 7.25))
    return b"ZADD", g.key(), *(word for i in range(count) for word in (repr(first + (i * 37 % 101 if step == 7.25 else i * step)).encode(), b"m%d" % i))


@sorted_sets.generator(weight=1.5, damage=False)
def zadd_same(g):
    return b"ZADD", g.pick(SAME), *(word for _ in range(g.random.randint(1, 40)) for word in (b"0", g.text(3) if g.chance(0.7) else member(g)))


@sorted_sets.generator(weight=3)
def zincrby(g):
    return b"ZINCRBY", g.key(), score(g), member(g)


@sorted_sets.generator(weight=5)
def zrem(g):
    return b"ZREM", g.pick((g.key(), g.key(), g.pick(SAME))), *(member(g) for _ in range(g.random.randint(1, 6)))


@sorted_sets.generator(weight=5)
def ask(g):
    key = g.key()
    return g.pick(((b"ZSCORE", key, member(g)), (b"ZMSCORE", key, member(g), member(g)), (b"ZCARD", key),
                   (b"ZRANK", key, member(g), *g.some(g.word(b"WITHSCORE"))), (b"ZREVRANK", key, member(g), *g.some(g.word(b"WITHSCORE"))),
                   (b"OBJECT", b"ENCODING", key)))


@sorted_sets.generator(weight=5)
def zrange(g):
    kind = g.pick((b"", b"BYSCORE"))
    ends = (lambda: bound(g)) if kind else g.index
    words = g.some((g.word(b"REV"),), limit(g), (g.word(b"WITHSCORES"),), chance=0.3)
    if kind:
        words.insert(g.random.randint(0, len(words)) if b"LIMIT" not in [word.upper() for word in words] else 0, g.word(kind))
    if g.chance(0.25):
        return b"ZRANGESTORE", g.key(), g.key(), ends(), ends(), *words
    return b"ZRANGE", g.key(), ends(), ends(), *words


# A damaged range by text could be asked of other keys: junk is in the words themselves.
@sorted_sets.generator(weight=4, damage=False)
def by_text(g):
    key, ends = g.pick(SAME), (text_bound(g), text_bound(g))
    junk = (g.pick(g.JUNK),) if g.chance(0.05) else ()
    name = g.pick((b"ZRANGE", b"ZRANGE", b"ZRANGESTORE", b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZLEXCOUNT", b"ZREMRANGEBYLEX"))
    if name in (b"ZLEXCOUNT", b"ZREMRANGEBYLEX"):
        return name, key, *ends, *junk
    if name.endswith(b"BYLEX"):
        return name, key, *ends, *g.some(limit(g), chance=0.4), *junk
    words = g.some((g.word(b"REV"),), limit(g), *((g.word(b"WITHSCORES"),) if g.chance(0.1) else ()), chance=0.3)
    store = (g.pick((g.key(), *SAME)),) if name == b"ZRANGESTORE" else ()
    return name, *store, key, *ends, g.word(b"BYLEX"), *words, *junk


@sorted_sets.generator(weight=3)
def older_ranges(g):
    scores = g.some(g.word(b"WITHSCORES"), limit(g), chance=0.3)
    return g.pick((
        lambda: (b"ZREVRANGE", g.key(), g.index(), g.index(), *g.some(g.word(b"WITHSCORES"))),
        lambda: (g.pick((b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE")), g.key(), bound(g), bound(g), *scores),
    ))()


@sorted_sets.generator(weight=2)
def counts(g):
    return b"ZCOUNT", g.key(), bound(g), bound(g)


@sorted_sets.generator(weight=1.5)
def removals(g):
    return g.pick((
        lambda: (b"ZREMRANGEBYRANK", g.key(), g.index(), g.index()),
        lambda: (b"ZREMRANGEBYSCORE", g.key(), bound(g), bound(g)),
    ))()


@sorted_sets.generator(weight=0.6, damage=False)
def texts_anywhere(g):
    """By text over different scores, packed. Its own key and members, so that the form is sure while the limits allow it."""
    key = b"texts"
    made = [(b"CONFIG", b"SET", ENTRIES, b"128", VALUE, b"64"), (b"DEL", key),
            (b"ZADD", key, *(word for _ in range(g.random.randint(1, 9)) for word in (score(g), g.text(2))))]
    for _ in range(4):
        made.append((g.pick((b"ZRANGEBYLEX", b"ZREVRANGEBYLEX", b"ZLEXCOUNT", b"ZREMRANGEBYLEX")), key, text_bound(g), text_bound(g)))
    return [Step(argv) for argv in (*made, (b"DEL", key))]


@sorted_sets.generator(weight=3)
def pops(g):
    if g.chance(0.6):
        return g.pick((b"ZPOPMIN", b"ZPOPMAX")), g.key(), *g.some(g.pick((b"0", b"1", b"3", b"50", b"-1", b"x")), chance=0.5)
    keys = g.keys(3)
    number = b"%d" % len(keys) if g.chance(0.93) else g.integer()
    return b"ZMPOP", number, *keys, g.word(g.pick((b"MIN", b"MAX"))), *g.some((g.word(b"COUNT"), g.pick((b"1", b"2", b"30", b"0", b"-1", b"x"))))


@sorted_sets.generator(weight=2, damage=False)
def pop_or_wait(g):
    """The forms that wait: inside MULTI they never do, elsewhere not for long."""
    def one(timeouts):
        keys, timeout = g.keys(3), g.pick(timeouts)
        if g.chance(0.5):
            return g.pick((b"BZPOPMIN", b"BZPOPMAX")), *keys, timeout
        number = b"%d" % len(keys) if g.chance(0.9) else g.integer()
        counts = (b"1", b"2", b"30", b"0", b"-1", b"x")
        return (b"BZMPOP", timeout, number, *keys, g.word(g.pick((b"MIN", b"MAX", b"MIN", b"MAX", b"LEFT"))),
                *g.some((g.word(b"COUNT"), g.pick(counts)), (g.word(b"COUNT"), b"2") if g.chance(0.1) else (), chance=0.4))

    if g.chance(0.4):
        return one((b"0.001", b"1e-3", b"0x1p-10", b"-1", b"x", b"", b"1e30", b"-inf", b"nan", b"9223372036854775"))
    inside = (b"0", b"0.01", b"1", b"1e-5", b"-1", b"x", b"inf", b"9223372036854770", b" 1")
    return [Step((b"MULTI",)), *(Step(one(inside)) for _ in range(g.random.randint(1, 3))), Step((b"EXEC",))]


@sorted_sets.generator(weight=5)
def combine(g):
    name = g.pick((b"ZUNION", b"ZINTER", b"ZDIFF", b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE", b"ZINTERCARD"))
    keys = [b"plain" if g.chance(0.2) else g.key() for _ in range(g.random.randint(1, 3))]
    number = b"%d" % len(keys) if g.chance(0.95) else g.integer()
    options = [(g.word(b"WITHSCORES"),)] if not name.endswith(b"STORE") or g.chance(0.05) else []
    if name == b"ZINTERCARD":
        options = [(g.word(b"LIMIT"), g.pick((b"0", b"1", b"2", b"-1", b"x")))]
    elif not name.startswith(b"ZDIFF") or g.chance(0.05):
        options += [(g.word(b"WEIGHTS"), *(score(g) for _ in keys)), (g.word(b"AGGREGATE"), g.word(g.pick((b"SUM", b"MIN", b"MAX", b"AVG"))))]
    store = (g.key(),) if name.endswith(b"STORE") else ()
    return name, *store, number, *keys, *g.some(*options, chance=0.35)


@sorted_sets.generator(weight=1)
def plain_set(g):
    return b"SADD", b"plain", *(member(g) for _ in range(g.random.randint(1, 5)))


@sorted_sets.generator(weight=1)
def random_members(g):
    """Only what must be the same on both sides: how many, and of what shape."""
    key = g.key()
    if g.chance(0.3):
        return Step((b"ZRANDMEMBER", key), "shape")
    count = g.pick((b"0", b"1", b"3", b"-3", b"1000", b"-20", b"x", b"-9223372036854775808"))
    return Step((b"ZRANDMEMBER", key, count, *g.some(g.word(b"WITHSCORES"))), "count")


@sorted_sets.generator(weight=1.5)
def zscan(g):
    options = g.some((g.word(b"MATCH"), g.pick((b"*", b"m*", b"*1", b"[a-m]*", b"m1"))), (g.word(b"COUNT"), g.pick((b"1", b"7", b"5000", b"0", b"x"))),
                     *((g.word(b"NOVALUES"),) if g.chance(0.1) else ()), chance=0.4)
    return Step((b"ZSCAN", g.key(), b"0" if g.chance(0.9) else g.pick((b"x", b"", b"-1")), *options), compare="scan")


@sorted_sets.generator(weight=0.5, damage=False)
def limits(g):
    entries, value = g.pick(((b"128", b"64"), (b"3", b"64"), (b"0", b"0"), (b"16", b"4"), (b"1000", b"100"), (b"8", b"64")))
    return [Step((b"CONFIG", b"SET", ENTRIES, entries, VALUE, value))]


@sorted_sets.generator(weight=1)
def whole(g):
    return g.pick(((b"COPY", g.key(), g.key(), b"REPLACE"), (b"RENAME", g.key(), g.key()), (b"DEL", g.key()), (b"UNLINK", g.key()),
                   (b"TYPE", g.key()), (b"EXISTS", g.key())))
