"""Sets: every command of the group, in all three forms.

Members come from small pools, so that sets meet. What a table answers has no order of its own: `unordered` there.
Random draws cannot be compared, nor what they leave behind: they ask for all, or work on a set that goes away at once.
"""
from kit.generators import Family, Step

sets = Family("sets", seeds=(lambda g: (b"SADD", g.key(), b"a", b"b"), lambda g: (b"SADD", g.key(), b"1", b"2")))

INTSET, LISTPACK, VALUE = b"set-max-intset-entries", b"set-max-listpack-entries", b"set-max-listpack-value"
# Where intsets may hold fewer than listpacks, what becomes of a stored result depends on the order of a table: see `narrow`.
LIMITS = ((b"512", b"128"), (b"4", b"3"), (b"16", b"12"), (b"4", b"0"), (b"0", b"0"), (b"1000", b"300"))


def member(g):
    kind = g.random.random()
    if kind < 0.5:
        return b"%d" % g.random.randint(-6, 14)
    if kind < 0.8:
        return b"m%d" % g.random.randint(0, 12)
    if kind < 0.85:
        return g.pick((b"", b"007", b"-0", b"+1", b"1.0", b"\x00\xff", b"x" * 63, b"x" * 64, b"x" * 65, b"y" * 5_000))
    return g.value()


def members(g, most=8):
    if g.chance(0.5):
        first = g.random.randint(-40, 40)
        return [b"%d" % (first + i) for i in range(g.random.randint(1, most))]
    return [member(g) for _ in range(g.random.randint(1, most))]


@sets.generator(weight=12)
def sadd(g):
    return b"SADD", g.key(), *members(g)


@sets.generator(weight=1)
def sadd_many(g):
    """Across the thresholds at once."""
    name = g.pick((b"%d", b"m%d", b"%d"))
    first = g.random.randint(-50, 50)
    return b"SADD", g.key(), *(name % (first + i) for i in range(g.pick((5, 20, 127, 128, 129, 200, 511, 512, 513, 600))))


@sets.generator(weight=0.6)
def widths(g):
    """Integers of every width."""
    return b"SADD", g.key(), *(b"%d" % (g.pick((2**15, 2**31, 2**63)) * g.pick((1, -1)) + g.random.randint(-2, 2)) for _ in range(g.random.randint(1, 4)))


@sets.generator(weight=6)
def srem(g):
    return b"SREM", g.key(), *members(g)


@sets.generator(weight=4)
def ask(g):
    return g.pick(((b"SISMEMBER", g.key(), member(g)), (b"SMISMEMBER", g.key(), *members(g)), (b"SCARD", g.key())))


@sets.generator(weight=4)
def smembers(g):
    return Step((b"SMEMBERS", g.key()), compare="unordered")


@sets.generator(weight=3)
def smove(g):
    return b"SMOVE", g.key(), g.key(), member(g)


@sets.generator(weight=6)
def operations(g):
    return Step((g.pick((b"SINTER", b"SUNION", b"SDIFF")), *g.keys()), compare="unordered")


INTEGERS = (b"n0", b"n1", b"n2", b"n3")        # sets of few integers: what they answer is in order
AS_USUAL = Step((b"CONFIG", b"SET", INTSET, b"512", LISTPACK, b"128"))


@sets.generator(weight=3, damage=False)
def integers(g):
    key = g.pick(INTEGERS)
    if g.chance(0.2):
        return g.pick(((b"DEL", key), (b"SMEMBERS", key), (b"SSCAN", key, b"0")))
    numbers = [b"%d" % g.pick((g.random.randint(-20, 60), g.random.randint(-20, 60), 2**15 + g.random.randint(-2, 2), -2**40)) for _ in range(g.random.randint(1, 12))]
    return [AS_USUAL, Step((g.pick((b"SADD", b"SADD", b"SREM")), key, *numbers))]


@sets.generator(weight=3, damage=False)
def operations_on_integers(g):
    """The very order, too."""
    keys = [g.pick((*INTEGERS, b"none")) for _ in range(g.random.randint(1, 4))]
    name = g.pick((b"SINTER", b"SUNION", b"SDIFF", b"SINTER", b"SUNION", b"SDIFF", b"SUNIONSTORE"))
    return [AS_USUAL, Step((name, *((g.pick(INTEGERS),) if name.endswith(b"STORE") else ()), *keys))]


@sets.generator(weight=5)
def stores(g):
    return g.pick((b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE")), g.key(), *g.keys()


@sets.generator(weight=3)
def sintercard(g):
    keys = g.keys()
    count = b"%d" % len(keys) if g.chance(0.9) else g.integer()
    return b"SINTERCARD", count, *keys, *g.some((g.word(b"LIMIT"), g.pick((b"0", b"1", b"2", b"5", b"-1", b"x", *g.BORDERS))), chance=0.5)


@sets.generator(weight=3)
def object_encoding(g):
    return b"OBJECT", b"ENCODING", g.key()


@sets.generator(weight=2)
def sscan(g):
    options = g.some((g.word(b"MATCH"), g.pick((b"*", b"m*", b"?", b"[0-5]", b"", b"-*"))),
                     (g.word(b"COUNT"), g.pick((b"1", b"3", b"100", b"0", b"-1", b"x", *g.BORDERS))), g.word(b"NOVALUES"), b"FOO", chance=0.25)
    return Step((b"SSCAN", g.key(), b"0", *options), compare="scan")


@sets.generator(weight=0.5)
def sscan_cursor(g):
    cursor = g.pick((b"x", b"", b"-1", b"0\x00", b"0\x00x", b"\x000", b" 0", b"18446744073709551616", b"0x0", b"1.5", b"00"))
    return Step((b"SSCAN", g.key(), cursor, *g.some((b"COUNT", b"10"), b"FOO", b"MATCH", chance=0.3)), compare="scan")


@sets.generator(weight=2, damage=False)       # a count left out, and one would be drawn
def all_of_it(g):
    """Draws that leave no choice: more than there are."""
    count = g.pick((b"100000", b"9223372036854775807", b"0", b"-0", b"-9223372036854775808", b"x", b"", b" 1", b"1.5", b"-1x", b"9223372036854775808"))
    return Step((g.pick((b"SPOP", b"SRANDMEMBER", b"SRANDMEMBER")), g.key(), count, *g.some(b"1", chance=0.05)), compare="unordered")


@sets.generator(weight=2, damage=False)
def draws(g):
    """How many are drawn is the same on both sides; the sets they were drawn from go afterwards."""
    key, words = g.key(), members(g, 30)
    made = [Step((b"DEL", key)), Step((b"SADD", key, *words)), Step((b"OBJECT", b"ENCODING", key))]
    for _ in range(g.random.randint(1, 4)):
        made += [Step(g.pick(((b"SPOP", key), (b"SRANDMEMBER", key), (b"SPOP", key, b"%d" % g.random.randint(0, 30)),
                              (b"SRANDMEMBER", key, b"%d" % g.random.randint(-20, 30)))), compare="count"),
                 Step((b"SCARD", key)), Step((b"EXISTS", key))]
    return [*made, Step((b"DEL", key))]


@sets.generator(weight=0.5, damage=False)
def draw_a_table(g):
    """SPOP of nearly all makes what is left a listpack again."""
    size, left = g.random.randint(130, 300), g.pick((1, 5, 20, 40))
    key = g.key()
    return [Step((b"DEL", key)), Step((b"SADD", key, *(b"member:%d" % i for i in range(size)))), Step((b"OBJECT", b"ENCODING", key)),
            Step((b"SPOP", key, b"%d" % (size - left)), compare="count"), Step((b"OBJECT", b"ENCODING", key)), Step((b"SCARD", key)),
            Step((b"SRANDMEMBER", key, b"3"), compare="count"), Step((b"DEL", key))]


@sets.generator(weight=0.4, damage=False)
def thresholds(g):
    if g.chance(0.3):
        return b"CONFIG", b"SET", VALUE, g.pick((b"64", b"5", b"0", b"20"))
    intset, listpack = g.pick(LIMITS)
    return b"CONFIG", b"SET", INTSET, intset, LISTPACK, listpack


@sets.generator(weight=0.4, damage=False)
def narrow(g):
    """Hardly any integers, many strings: how a set that is added to changes."""
    key, made = g.key(), []
    for _ in range(g.random.randint(2, 6)):
        made += [(b"SADD", key, *members(g)), (b"OBJECT", b"ENCODING", key)]
    for limit in (b"2", b"0", b"5"):
        if g.chance(0.5):
            made.insert(g.random.randrange(len(made)), (b"CONFIG", b"SET", INTSET, limit, LISTPACK, b"20"))
    return [Step(argv) for argv in [(b"DEL", key), *made, (b"DEL", key), (b"CONFIG", b"SET", INTSET, b"512", LISTPACK, b"128")]]


@sets.generator(weight=0.5)
def keys_(g):
    return g.pick(((b"COPY", g.key(), g.key(), b"REPLACE"), (b"RENAME", g.key(), g.key()), (b"DEL", g.key()), (b"TYPE", g.key()),
                   (b"UNLINK", g.key(), g.key())))
