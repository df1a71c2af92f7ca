"""Keys of any type, deadlines, databases."""
from kit.generators import Family, Step

keys = Family("keys")


@keys.generator(weight=3)
def seed(g):
    """Strings to work on where the strings family is not mixed in."""
    return b"SET", g.key(), g.value(), *g.some(g.expiry(), chance=0.2)


@keys.generator(weight=4)
def several(g):
    return g.pick((b"DEL", b"UNLINK", b"EXISTS", b"EXISTS", b"TOUCH")), *g.keys()


@keys.generator(weight=2)
def type_(g):
    return b"TYPE", g.key()


@keys.generator(weight=3)
def copy(g):
    return b"COPY", g.key(), g.key(), *g.some((g.word(b"DB"), g.database()), g.word(b"REPLACE"), chance=0.4)


@keys.generator(weight=2)
def move(g):
    return b"MOVE", g.key(), g.database()


@keys.generator(weight=3)
def rename(g):
    return g.pick((b"RENAME", b"RENAMENX")), g.key(), g.key()


@keys.generator(weight=8)
def expire(g):
    name, deadline = g.pick(((b"EXPIRE", g.seconds), (b"PEXPIRE", g.milliseconds),
                             (b"EXPIREAT", g.unix_seconds), (b"PEXPIREAT", g.unix_milliseconds)))
    words = [g.word(word) for word in (b"NX", b"XX", b"GT", b"LT")]
    return name, g.key(), deadline(), *g.some(*words, chance=0.15)


@keys.generator(weight=5)
def ttl(g):
    name = g.pick((b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"))
    return Step((name, g.key()), compare="milliseconds" if name.startswith(b"P") else "seconds")


@keys.generator(weight=2)
def persist(g):
    return b"PERSIST", g.key()


def pattern(g):
    return g.pick((b"*", b"k*", b"k?", b"k[0-2]", b"k[^01]", b"[a-", b"\\*", b"k\\", b"", b"*:*", b"[k]0", b"k[2-0]", b"\\k0", b"a*b*c*",
                   b"k[\\0]", b"[^", b"**", b"?*", b"key:5", b"\x00*", "к*".encode()))


@keys.generator(weight=2)
def keys_(g):
    return Step((b"KEYS", pattern(g)), compare="unordered")


@keys.generator(weight=2)
def scan(g):
    """A full iteration; the sets of keys are compared."""
    types = (b"string", b"STRING", b"list", b"nonsense")
    options = g.some((g.word(b"MATCH"), pattern(g)), (g.word(b"COUNT"), g.pick((b"1", b"3", b"100", b"0", b"-1", b"x", *g.BORDERS))),
                     (g.word(b"TYPE"), g.pick(types)), chance=0.4)
    return Step((b"SCAN", b"0", *options), compare="scan")


@keys.generator(weight=0.5)
def scan_cursor(g):
    cursor = g.pick((b"x", b"", b"-1", b"0\x00", b"0\x00x", b"\x000", b" 0", b"18446744073709551616", b"0x0", b"1.5", b"00"))
    return Step((b"SCAN", cursor, *g.some((b"COUNT", b"10"), b"FOO", b"MATCH")), compare="scan")


@keys.generator(weight=0.5)
def randomkey(g):
    return Step((b"RANDOMKEY",), compare="shape")


@keys.generator(weight=3)
def object_(g):
    sub = g.pick((b"ENCODING", b"ENCODING", b"ENCODING", b"REFCOUNT", b"FREQ", b"IDLETIME", b"FOO", b"encoding"))
    return Step((b"OBJECT", sub, g.key()), compare="seconds" if sub == b"IDLETIME" else "exact")


@keys.generator(weight=1)
def dbsize(g):
    # `SET k v EXAT past` leaves a key that Redis counts until someone meets it: a whole iteration meets them all.
    return [Step((b"SCAN", b"0", b"COUNT", b"1000"), compare="scan"), Step((b"DBSIZE",))]


@keys.generator(weight=1)
def select(g):
    # Mostly back to 0, or the keys of a sequence would never meet.
    return b"SELECT", b"0" if g.chance(0.6) else g.database()


@keys.generator(weight=0.6)
def many_databases(g):
    """Keys strewn over all sixteen, some of the databases exchanged, then a look at some."""
    made = []
    for _ in range(g.random.randint(2, 5)):
        number, another = (b"%d" % g.random.randint(0, 15) for _ in range(2))
        made += [(b"SELECT", number), g.pick(((b"SET", g.key(), number), (b"MSET", g.key(), number, g.key(), number), (b"FLUSHDB",)))]
        if g.chance(0.4):
            made.append(g.pick(((b"SWAPDB", number, another), (b"MOVE", g.key(), another), (b"COPY", g.key(), g.key(), b"DB", another, b"REPLACE"))))
        made.append(g.pick(((b"EXISTS", *g.keys()), (b"GET", g.key()), (b"MGET", *g.keys()))))
    return [Step(argv) for argv in [*made, (b"SELECT", b"0")]]


@keys.generator(weight=0.6)
def swapdb(g):
    return b"SWAPDB", g.database(), g.database()


@keys.generator(weight=0.4)
def flush(g):
    return g.pick((b"FLUSHDB", b"FLUSHDB", b"FLUSHALL")), *g.some(g.pick((b"SYNC", b"ASYNC", b"sync", b"FOO")), chance=0.5)
