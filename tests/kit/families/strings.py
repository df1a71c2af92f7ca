"""Strings: every command of the group, with every option."""
from kit.generators import Family, Step

strings = Family("strings")


@strings.generator(weight=8)
def set_(g):
    return b"SET", g.linear_key(), g.value(), *g.some(g.word(b"NX"), g.word(b"XX"), g.word(b"GET"), g.word(b"KEEPTTL"), g.expiry(),
                                                       chance=0.18)


@strings.generator(weight=2)
def set_relatives(g):
    return g.pick((
        lambda: (b"SETNX", g.key(), g.value()),
        lambda: (b"SETEX", g.key(), g.seconds(), g.value()),
        lambda: (b"PSETEX", g.key(), g.milliseconds(), g.value()),
        lambda: (b"GETSET", g.key(), g.value()),
    ))()


@strings.generator(weight=4)
def get(g):
    return b"GET", g.linear_key()


@strings.generator(weight=2)
def getex(g):
    return b"GETEX", g.key(), *g.some(g.word(b"PERSIST"), g.expiry(), chance=0.4)


@strings.generator()
def getdel(g):
    return b"GETDEL", g.key()


@strings.generator(weight=2)
def many(g):
    name = g.pick((b"MGET", b"MSET", b"MSET", b"MSETNX"))
    if name == b"MGET":
        return name, *g.keys()
    return name, *(word for key in g.keys() for word in (key, g.value()))


@strings.generator(weight=2)
def append(g):
    return b"APPEND", g.linear_key(), g.value()


@strings.generator(weight=2)
def strlen(g):
    return b"STRLEN", g.linear_key()


@strings.generator(weight=3)
def getrange(g):
    return g.pick((b"GETRANGE", b"SUBSTR")), g.linear_key(), g.index(), g.index()


@strings.generator(weight=0.15, damage=False)
def long_ones(g):
    """Keys and values of up to a megabyte, through every kind of access."""
    key, other = g.long_key(), g.pick((g.long_key(), g.key()))
    made = []
    for _ in range(g.random.randint(1, 4)):
        made.append(g.pick((
            lambda: (b"SET", key, g.long_value(), *g.some(g.word(b"GET"), g.word(b"KEEPTTL"), chance=0.2)),
            lambda: (b"GET", key), lambda: (b"APPEND", key, g.long_value()), lambda: (b"STRLEN", key), lambda: (b"INCR", key),
            lambda: (b"SETRANGE", key, b"%d" % g.random.randint(0, 2_000), g.text()), lambda: (b"GETRANGE", key, g.index(), g.index()),
            lambda: (b"MSET", key, g.long_value(), other, g.value()), lambda: (b"MGET", key, other), lambda: (b"EXISTS", key, other),
            lambda: (b"RENAME", key, other), lambda: (b"COPY", key, other, b"REPLACE"), lambda: (b"GETDEL", key),
            lambda: (b"EXPIRE", key, g.seconds()), lambda: (b"PERSIST", key), lambda: (b"OBJECT", b"ENCODING", key),
            lambda: (key[:70_000], key), lambda: (b"OBJECT", key), lambda: (b"MOVE", key, b"1"),
            lambda: (b"SETNX", key, g.long_value()), lambda: (b"GETSET", other, g.long_value()),
        ))())
    return [Step(argv) for argv in [*made, (b"DEL", key, other)]]


@strings.generator(weight=2)
def setrange(g):
    if g.chance(0.1):
        return b"SETRANGE", g.BIG_KEY, b"%d" % g.random.randint(0, 1_000_000), g.text()
    offset = b"%d" % g.random.randint(0, 60) if g.chance(0.85) else g.pick((b"-1", b"536870911", b"536870912", *g.BORDERS))
    # An offset just under the limit is only sent with an empty value, or half a gigabyte would be allocated.
    value = b"" if offset == b"536870911" else g.text()
    return Step((b"SETRANGE", g.key(), offset, value))


@strings.generator(weight=5)
def counters(g):
    name = g.pick((b"INCR", b"DECR", b"INCRBY", b"DECRBY"))
    return (name, g.key(), g.integer()) if name.endswith(b"BY") else (name, g.key())


@strings.generator(weight=3)
def incrbyfloat(g):
    return b"INCRBYFLOAT", g.key(), g.float()


@strings.generator(weight=3)
def lcs(g):
    options = g.some(g.word(b"LEN"), g.word(b"IDX"), g.word(b"IDX"), (g.word(b"MINMATCHLEN"), g.integer()), g.word(b"WITHMATCHLEN"),
                     chance=0.3)
    return b"LCS", g.key(), g.key(), *options


@strings.generator(weight=2)
def lcs_texts(g):
    """Two texts that have something in common, and their LCS, so that long answers are seen."""
    one, two = g.text(30, b"ab"), g.text(30, b"abc")
    return [Step((b"MSET", b"k0", one, b"k1", two)),
            Step((b"LCS", b"k0", b"k1", *g.some(b"IDX", b"WITHMATCHLEN", (b"MINMATCHLEN", b"%d" % g.random.randint(0, 5)), chance=0.6)))]
