"""Lists: every command of the group, with every option, at limits so low that lists change their form all the time.

Few distinct elements, so that LREM, LPOS and LINSERT find some; sizes around the limits of 4 and 8 KiB and of plain nodes.
"""
from kit.generators import Family, Step

lists = Family("lists", seeds=(lambda g: (b"RPUSH", g.key(), b"a", b"1", b"b"),))

LIMITS = (b"-1", b"-2", b"-2", b"-5", b"0", b"1", b"2", b"3", b"8", b"128")
ELEMENTS = (b"a", b"b", b"c", b"1", b"2", b"-7", b"128", b"4096", b"70000", b"9223372036854775807", b"01", b"", b"x" * 63, b"x" * 64)


def element(g):
    kind = g.random.random()
    if kind < 0.80:
        return g.pick(ELEMENTS)
    return g.value() if kind < 0.93 else b"L" * g.pick((500, 2000, 2040, 4083, 4090, 4096, 4097, 8180, 8192, 8193, 12000, 66000))


def elements(g, most=5):
    if g.chance(0.05):
        return [g.pick(ELEMENTS) for _ in range(g.pick((40, 130, 300)))]
    return [element(g) for _ in range(g.random.randint(1, most))]


def index(g):
    return b"%d" % g.random.randint(-12, 12) if g.chance(0.7) else g.index()


def set_index(g):
    """Redis cuts the index of LSET to 32 bits: 9223372036854775807 sets the last element there. Not copied, so not drawn."""
    while True:
        made = index(g)
        if not made.lstrip(b"-").isdigit() or abs(int(made)) < 2**31 or not -2**63 <= int(made) < 2**63:
            return made


def end(g):
    return g.word(g.pick((b"LEFT", b"RIGHT"))) if g.chance(0.95) else g.pick((b"UP", b"", b"LEFT\x00", b"LEFTX"))


def shown(g, *argv):
    """The command, and often what it made of the list."""
    steps = [Step(tuple(argv))]
    if g.chance(0.5):
        steps.append(Step((b"OBJECT", b"ENCODING", argv[1]), compare="encoding"))
    if g.chance(0.3):
        steps.append(Step((b"LRANGE", argv[1], b"0", b"-1")))
    return steps if len(steps) > 1 else argv


@lists.generator(weight=10)
def push(g):
    return shown(g, g.pick((b"LPUSH", b"RPUSH", b"LPUSH", b"RPUSH", b"LPUSHX", b"RPUSHX")), g.key(), *elements(g))


@lists.generator(weight=4)
def pop(g):
    count = [g.pick((b"0", b"1", b"2", b"7", b"100", g.integer()))] if g.chance(0.5) else []
    return shown(g, g.pick((b"LPOP", b"RPOP")), g.key(), *count)


@lists.generator(weight=4)
def read(g):
    return g.pick((
        lambda: (b"LLEN", g.key()),
        lambda: (b"LRANGE", g.key(), index(g), index(g)),
        lambda: (b"LRANGE", g.key(), b"0", b"-1"),
        lambda: (b"LINDEX", g.key(), index(g)),
    ))()


@lists.generator(weight=3)
def position(g):
    rank = g.pick((b"1", b"2", b"-1", b"-2", b"0", b"-9223372036854775808", b"-9223372036854775807", g.integer()))
    counts = (b"0", b"1", b"2", b"-1", b"5", b"100", g.integer())
    return b"LPOS", g.key(), g.pick(ELEMENTS), *g.some((g.word(b"RANK"), rank), (g.word(b"COUNT"), g.pick(counts)),
                                                        (g.word(b"MAXLEN"), g.pick(counts)), chance=0.4)


@lists.generator(weight=2, damage=False)            # see set_index
def set_(g):
    return shown(g, b"LSET", g.key(), set_index(g), element(g))


@lists.generator(weight=4)
def change(g):
    return g.pick((
        lambda: shown(g, b"LINSERT", g.key(), g.word(g.pick((b"BEFORE", b"AFTER"))) if g.chance(0.96) else b"NEAR", g.pick(ELEMENTS), element(g)),
        lambda: shown(g, b"LINSERT", g.key(), g.pick((b"BEFORE", b"AFTER")), g.pick(ELEMENTS), element(g)),
    ))()


@lists.generator(weight=3)
def remove(g):
    return g.pick((
        lambda: shown(g, b"LREM", g.key(), b"%d" % g.random.randint(-3, 3) if g.chance(0.8) else g.integer(), g.pick(ELEMENTS)),
        lambda: shown(g, b"LTRIM", g.key(), index(g), index(g)),
    ))()


@lists.generator(weight=4)
def move(g):
    return g.pick((
        lambda: shown(g, b"LMOVE", g.key(), g.key(), end(g), end(g)),
        lambda: shown(g, b"RPOPLPUSH", g.key(), g.key()),
    ))()


@lists.generator(weight=3)
def pop_of_several(g):
    keys = g.keys()
    number = b"%d" % len(keys) if g.chance(0.9) else g.integer()
    counts = (b"1", b"2", b"100", b"0", g.integer())
    return b"LMPOP", number, *keys, end(g), *g.some((g.word(b"COUNT"), g.pick(counts)), b"FOO" if g.chance(0.1) else (), chance=0.4)


def timeout(g, name):
    """Only where the key is sure to be there, or inside a transaction: else the wait would hold up the comparison."""
    return g.pick((b"0", b"0.01", b"1", b"1e-5", b"-1", b"x", b"", b"1e30", b"inf", b"-inf", b"nan", b"9223372036854775", b"9223372036854770", b" 1"))


@lists.generator(weight=3, damage=False)
def without_waiting(g):
    """The forms that wait: inside MULTI they never do."""
    number = b"%d" % g.random.randint(1, 3)
    inside = g.pick((
        lambda: (g.pick((b"BLPOP", b"BRPOP")), *g.keys(), timeout(g, b"")),
        lambda: (b"BLMOVE", g.key(), g.key(), end(g), end(g), timeout(g, b"")),
        lambda: (b"BRPOPLPUSH", g.key(), g.key(), timeout(g, b"")),
        lambda: (b"BLMPOP", timeout(g, b""), number, *g.keys(), end(g), *g.some((b"COUNT", g.pick((b"1", b"3", b"0", b"x"))))),
    ))
    return [Step((b"MULTI",)), *(Step(inside()) for _ in range(g.random.randint(1, 3))), Step((b"EXEC",))]


@lists.generator(weight=1.2, damage=False)
def limits(g):
    return b"CONFIG", b"SET", b"list-max-listpack-size", g.pick(LIMITS)


@lists.generator(weight=1, damage=False)
def through_the_limits(g):
    """One list that grows and shrinks under one limit."""
    key = g.key()
    made = [(b"DEL", key), (b"CONFIG", b"SET", b"list-max-listpack-size", g.pick(LIMITS))]
    for _ in range(g.random.randint(3, 25)):
        made.append(g.pick((
            lambda: (g.pick((b"LPUSH", b"RPUSH")), key, *elements(g, 8)),
            lambda: (g.pick((b"LPUSH", b"RPUSH")), key, b"m" * g.random.randint(0, 5000)),
            lambda: (g.pick((b"LPOP", b"RPOP")), key, b"%d" % g.random.randint(1, 5)),
            lambda: (b"LSET", key, set_index(g), element(g)),
            lambda: (b"LINSERT", key, g.pick((b"BEFORE", b"AFTER")), g.pick(ELEMENTS), element(g)),
            lambda: (b"LREM", key, b"%d" % g.random.randint(-3, 3), g.pick(ELEMENTS)),
            lambda: (b"LMOVE", key, key, g.pick((b"LEFT", b"RIGHT")), g.pick((b"LEFT", b"RIGHT"))),
            lambda: (b"LTRIM", key, index(g), index(g)),
        ))())
        made.append((b"OBJECT", b"ENCODING", key))
    return [Step(argv) for argv in (*made, (b"LRANGE", key, b"0", b"-1"))]


@lists.generator(weight=1)
def whole_values(g):
    """What keys do with lists."""
    return g.pick((
        lambda: shown(g, b"COPY", g.key(), g.key(), *g.some(b"REPLACE", chance=0.7)),
        lambda: (b"RENAME", g.key(), g.key()),
        lambda: (b"DEL", g.key()),
        lambda: (b"TYPE", g.key()),
        lambda: (b"SET", g.key(), b"v"),
    ))()
