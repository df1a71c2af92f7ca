"""Hashes: every command of the group, with every option, and the deadlines of fields."""
from kit.generators import Family, Step

hashes = Family("hashes")

FIELDS = (b"f0", b"f1", b"f2", b"f3", b"field:4", b"", b"7", b"-12", b"\x00\xff\r\n", b"*[?\\", b"a-longer-field-of-a-hash-8")


def field(g):
    if g.chance(0.25):
        return b"n%d" % g.random.randint(0, 40)          # enough of them to leave the packed form
    if g.chance(0.01):
        return b"F" * g.pick((63, 64, 65, 200, 5000))
    return FIELDS[min(int(g.random.expovariate(0.3)), len(FIELDS) - 1)]


def fields(g, most=5):
    return [field(g) for _ in range(g.random.randint(1, most))]


def pairs(g, most=5):
    return [word for name in fields(g, most) for word in (name, g.value())]


def counted(g, words, each=1):
    """FIELDS, how many, and the words; now and then the number is wrong."""
    count = len(words) // each
    number = b"%d" % count if g.chance(0.93) else g.pick((b"%d" % (count + 1), b"0", b"-1", b"x", b"", *g.BORDERS))
    return g.word(b"FIELDS"), number, *words


def limits(g, deadline):
    return g.pick((b"70368744177663", b"70368744177664", b"70368744177", b"70368744178")) if g.chance(0.03) else deadline()


@hashes.generator(weight=8)
def hset(g):
    return g.pick((b"HSET", b"HSET", b"HSET", b"HMSET")), g.key(), *pairs(g, 12 if g.chance(0.2) else 4)


@hashes.generator(weight=2)
def hsetnx(g):
    return b"HSETNX", g.key(), field(g), g.value()


@hashes.generator(weight=4)
def one_field(g):
    return g.pick((b"HGET", b"HGET", b"HEXISTS", b"HSTRLEN")), g.key(), field(g)


@hashes.generator(weight=3)
def hmget(g):
    return b"HMGET", g.key(), *fields(g)


@hashes.generator(weight=4)
def whole(g):
    name = g.pick((b"HGETALL", b"HKEYS", b"HVALS", b"HLEN"))
    return Step((name, g.key()), compare="exact" if name == b"HLEN" else "unordered")


@hashes.generator(weight=3)
def hdel(g):
    return b"HDEL", g.key(), *fields(g, 8)


@hashes.generator(weight=3)
def hincrby(g):
    return b"HINCRBY", g.key(), field(g), g.integer()


@hashes.generator(weight=3)
def hincrbyfloat(g):
    return b"HINCRBYFLOAT", g.key(), field(g), g.float()


@hashes.generator(weight=2)
def hrandfield(g):
    count = g.pick((b"0", b"1", b"3", b"100", b"-1", b"-7", b"x", b"", b"9223372036854775807", b"-9223372036854775808", b"4611686018427387904"))
    words = () if g.chance(0.3) else (count, *g.some(g.word(b"WITHVALUES"), chance=0.4))
    return Step((b"HRANDFIELD", g.key(), *words), compare="shape")


@hashes.generator(weight=2, damage=False)       # without its count it would be random
def hrandfield_all(g):
    return Step((b"HRANDFIELD", g.key(), b"1000", *g.some(g.word(b"WITHVALUES"))), compare="unordered")


@hashes.generator(weight=2)
def hscan(g):
    """Packed hashes come whole whatever COUNT says; those of the table form with a COUNT that is large enough."""
    pattern = g.pick((b"*", b"f*", b"f?", b"n[0-9]", b"", b"**", b"f0", b"\x00*"))
    options = g.some((g.word(b"MATCH"), pattern), g.word(b"NOVALUES"), (g.word(b"COUNT"), g.pick((b"100000", b"x", b"0", b"-1"))), chance=0.35)
    return Step((b"HSCAN", g.key(), b"0", *options, *((b"COUNT", b"100000") if g.chance(0.9) else ())), compare="scan")


@hashes.generator(weight=0.4)
def hscan_cursor(g):
    cursor = g.pick((b"x", b"", b"-1", b"0\x00", b"0\x00x", b"\x000", b" 0", b"18446744073709551616", b"0x0", b"1.5"))
    return Step((b"HSCAN", g.key(), cursor, *g.some((b"COUNT", b"10"), b"FOO", b"MATCH")), compare="exact")


# -- deadlines ------------------------------------------------------------------------------------------------

@hashes.generator(weight=8)
def hexpire(g):
    name, deadline = g.pick(((b"HEXPIRE", g.seconds), (b"HPEXPIRE", g.milliseconds),
                             (b"HEXPIREAT", g.unix_seconds), (b"HPEXPIREAT", g.unix_milliseconds)))
    condition = g.some(g.word(g.pick((b"NX", b"XX", b"GT", b"LT", b"FOO"))), chance=0.4)
    return name, g.key(), limits(g, deadline), *condition, *counted(g, fields(g))


@hashes.generator(weight=5)
def httl(g):
    name = g.pick((b"HTTL", b"HPTTL", b"HEXPIRETIME", b"HPEXPIRETIME"))
    return Step((name, g.key(), *counted(g, fields(g))), compare="field_milliseconds" if name.startswith(b"HP") else "field_seconds")


@hashes.generator(weight=2)
def hpersist(g):
    return b"HPERSIST", g.key(), *counted(g, fields(g))


def expiry(g):
    word, deadline = g.pick(((b"EX", g.seconds), (b"PX", g.milliseconds), (b"EXAT", g.unix_seconds), (b"PXAT", g.unix_milliseconds)))
    return g.word(word), limits(g, deadline)


@hashes.generator(weight=3)
def hgetex(g):
    return b"HGETEX", g.key(), *g.some(g.word(b"PERSIST"), expiry(g), chance=0.4), *counted(g, fields(g))


@hashes.generator(weight=4)
def hsetex(g):
    options = g.some(g.word(b"FNX"), g.word(b"FXX"), g.word(b"KEEPTTL"), expiry(g), chance=0.25)
    return b"HSETEX", g.key(), *options, *counted(g, pairs(g), each=2)


@hashes.generator(weight=2)
def hgetdel(g):
    return b"HGETDEL", g.key(), *counted(g, fields(g))


@hashes.generator(weight=2)
def encodings(g):
    """Smaller limits, so that hashes leave the packed form early; sometimes a look at which form it is."""
    made = [(b"CONFIG", b"SET", b"hash-max-listpack-entries", g.pick((b"0", b"3", b"8", b"512")),
             b"hash-max-listpack-value", g.pick((b"0", b"10", b"64")))] if g.chance(0.3) else []
    return [Step(argv) for argv in [*made, (b"OBJECT", b"ENCODING", g.key())]]


@hashes.generator(weight=1)
def elsewhere(g):
    return g.pick((
        lambda: (b"RENAME", g.key(), g.key()), lambda: (b"COPY", g.key(), g.key(), b"REPLACE"), lambda: (b"MOVE", g.key(), b"1"),
        lambda: (b"DEL", g.key()), lambda: (b"SET", g.key(), g.value()), lambda: (b"EXPIRE", g.key(), g.seconds()),
        lambda: (b"PERSIST", g.key()), lambda: (b"COPY", g.key(), g.key(), b"DB", b"1"), lambda: (b"TYPE", g.key()),
    ))()
