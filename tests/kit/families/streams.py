"""Streams and their groups: every command with every option, in blocks so short that they begin and end all the time.

IDs rise slowly through a run, and those that are asked for lie near: most commands meet entries. "*" is drawn only
behind an ID far in the future, where it does not depend on the clock. Idle times are 0 or hours.
"""
from kit.generators import Family, Step

streams = Family("streams", seeds=(lambda g: (b"XADD", g.key(), b"1-1", b"f", b"1"),))

KEYS = (b"k0", b"k0", b"k1")
GROUPS = (b"g0",) * 6 + (b"g1", b"g1", b"g2", b"")
CONSUMERS = (b"c0", b"c0", b"c1", b"c1", b"c2", b"c3", b"")
FIELDS = (b"a", b"b", b"7", b"field", b"")
VALUES = (b"", b"1", b"-1", b"127", b"128", b"4095", b"-4096", b"4096", b"32768", b"-32769", b"8388607", b"8388608", b"2147483648",
          b"-2147483649", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"01", b"x" * 63, b"x" * 64)
FUTURE = b"99999999999999"
ODD_IDS = (b"0", b"0-0", b"-", b"+", b"$", b">", b"*", b"5-*", b"x", b"1-x", b"-1", b"1-", b"18446744073709551615", b"18446744073709551616",
           b"18446744073709551615-18446744073709551615", b"01-02", b"1-1-1", b"(1", b"1-1\x00", FUTURE + b"-5")
HOUR = b"3600000"
COUNTS = (b"0", b"1", b"1", b"2", b"10", b"-1", b"x", b"", b"1152921504606846976")     # of XAUTOCLAIM, whose peer allocates them at once


def key(g):
    return g.pick(KEYS) if g.chance(0.93) else g.key()


def now(g):
    return getattr(g, "stream_now", 1)


def new_id(g):
    g.stream_now = now(g) + g.pick((0, 0, 1, 1, 1, 2, 7, 300))
    kind = g.random.random()
    if kind < 0.5:
        return b"%d-%d" % (g.stream_now, g.random.randint(0, 3))
    if kind < 0.75:
        return b"%d-*" % g.stream_now
    return b"%d" % g.stream_now if kind < 0.92 else g.pick([odd for odd in ODD_IDS if odd != b"*"])


def some_id(g):
    kind = g.random.random()
    if kind < 0.85:
        return b"%d-%d" % (max(0, now(g) - g.random.randint(0, 25)), g.random.randint(0, 3))
    return b"%d" % max(0, now(g) - g.random.randint(0, 25)) if kind < 0.95 else g.pick(ODD_IDS)


def ids(g, most=4):
    return [some_id(g) for _ in range(g.random.randint(1, most))]


def start(g):
    return g.pick((b"-", b"-", b"0", some_id(g), some_id(g), b"(" + some_id(g), g.pick(ODD_IDS)))


def end(g):
    return g.pick((b"+", b"+", b"+", some_id(g), some_id(g), b"(" + some_id(g), g.pick(ODD_IDS)))


def number(g):
    return g.pick((b"0", b"1", b"2", b"3", b"10", b"10")) if g.chance(0.93) else g.integer()


def count(g, chance=0.5):
    return [g.word(b"COUNT"), number(g)] if g.chance(chance) else []


def idle(g):
    """Never a few milliseconds: it would depend on the servers' speed what is idle for so long."""
    return g.pick((b"0", b"0", b"0", HOUR, b"-1")) if g.chance(0.95) else g.pick(g.BORDERS + (b"x", b"", b"1.5"))


def bent(g, argv):
    """Damage that moves no number to where an idle time stands."""
    return argv if g.chance(0.94) else argv[:-1] if g.chance(0.6) else (*argv, g.pick((b"", b"x", b"JUSTID", b"0-1")))


def refs(g, chance=0.4):
    return [g.word(g.pick((b"KEEPREF", b"DELREF", b"ACKED")))] if g.chance(chance) else []


def value(g):
    kind = g.random.random()
    return g.pick(VALUES) if kind < 0.7 else g.value() if kind < 0.95 else b"v" * g.pick((100, 126, 127, 300, 4090, 4096, 17000))


def pairs(g):
    if g.chance(0.7):
        return [word for name in (b"a", b"b", b"field")[:g.pick((1, 2, 2, 3))] for word in (name, value(g))]
    return [word for _ in range(g.random.randint(1, 4)) for word in (g.pick(FIELDS), value(g))]


def trimming(g):
    """DELREF and ACKED not together with "~": Redis 8.2.3 spoils a block then, and dies when it is read."""
    made = [g.word(b"MAXLEN"), b"%d" % g.random.randint(0, 12)] if g.chance(0.6) else [g.word(b"MINID"), some_id(g)]
    approximate = g.chance(0.4)
    if approximate or g.chance(0.2):
        made.insert(1, b"~" if approximate else b"=")
    if g.chance(0.4 if approximate else 0.04):
        made += [g.word(b"LIMIT"), g.pick((b"0", b"1", b"3", b"6", b"100", b"-1", g.integer()))]
    some = [g.word(b"KEEPREF")] if approximate and g.chance(0.2) else [] if approximate else refs(g)
    return some + made if g.chance(0.5) else made + some


def shown(g, argv):
    """The command, and often what it made of the stream."""
    where = argv[2] if argv[0] == b"XGROUP" and len(argv) > 2 else argv[1]
    steps = [Step(tuple(argv), compare="streams")]
    if g.chance(0.3):
        steps.append(Step((b"XINFO", b"STREAM", where)))
    if g.chance(0.2):
        steps.append(Step((b"XINFO", b"STREAM", where, b"FULL", b"COUNT", b"0"), compare="streams"))
    if g.chance(0.2):
        steps.append(Step((b"XINFO", b"GROUPS", where)))
    return steps if len(steps) > 1 else steps[0]


@streams.generator(weight=12, damage=False)
def add(g):
    middle = g.some(trimming(g) if g.chance(0.5) else (), g.word(b"NOMKSTREAM") if g.chance(0.2) else (), chance=0.5)
    argv = (b"XADD", key(g), *[w for part in middle for w in ([part] if isinstance(part, bytes) else part)], new_id(g), *pairs(g))
    damaged = g.damage(argv) if g.chance(0.06) else argv
    return shown(g, argv if b"*" in damaged or len(damaged) < 2 else damaged)


@streams.generator(weight=1, damage=False)
def add_by_itself(g):
    where = key(g)
    return [Step((b"XADD", where, FUTURE + b"-1", b"a", b"1")), Step((b"XADD", where, b"*", *pairs(g))), Step((b"XREVRANGE", where, b"+", b"-", b"COUNT", b"2"))]


@streams.generator(weight=4)
def read_range(g):
    return g.pick((
        lambda: (b"XRANGE", key(g), start(g), end(g), *count(g)),
        lambda: (b"XREVRANGE", key(g), end(g), start(g), *count(g)),
        lambda: (b"XLEN", key(g)),
    ))()


@streams.generator(weight=4)
def delete(g):
    some = ids(g)
    numids = b"%d" % len(some) if g.chance(0.95) else g.integer()
    return shown(g, g.pick((
        lambda: (b"XDEL", key(g), *some),
        lambda: (b"XDELEX", key(g), *refs(g, 0.7), b"IDS", numids, *some),
        lambda: (b"XDELEX", key(g), b"IDS", numids, *some, *refs(g, 0.3)),
    ))())


@streams.generator(weight=3)
def trim(g):
    return shown(g, (b"XTRIM", key(g), *trimming(g)))


@streams.generator(weight=1)
def set_id(g):
    return shown(g, (b"XSETID", key(g), new_id(g), *g.some((g.word(b"ENTRIESADDED"), b"%d" % g.random.randint(-1, 60)),
                                                            (g.word(b"MAXDELETEDID"), some_id(g)))))


@streams.generator(weight=5)
def group(g):
    at = g.pick((b"0", b"0", b"$", some_id(g)))
    read = [g.word(b"ENTRIESREAD"), b"%d" % g.random.randint(-2, 30)] if g.chance(0.3) else []
    return shown(g, g.pick((
        lambda: (b"XGROUP", g.word(b"CREATE"), key(g), g.pick(GROUPS), at, *g.some(g.word(b"MKSTREAM"), chance=0.6), *read),
        lambda: (b"XGROUP", g.word(b"CREATE"), key(g), g.pick(GROUPS), b"0", b"MKSTREAM"),
        lambda: (b"XGROUP", g.word(b"SETID"), key(g), g.pick(GROUPS), at, *read),
        lambda: (b"XGROUP", g.word(b"CREATECONSUMER"), key(g), g.pick(GROUPS), g.pick(CONSUMERS)),
        lambda: (b"XGROUP", g.word(b"DELCONSUMER"), key(g), g.pick(GROUPS), g.pick(CONSUMERS)),
        lambda: (b"XGROUP", g.word(b"DESTROY"), key(g), g.pick(GROUPS)) if g.chance(0.4) else (b"XGROUP", b"HELP"),
    ))())


def sources(g, new):
    keys = [key(g)] if g.chance(0.75) else [key(g) for _ in range(g.pick((2, 2, 3)))]
    return [b"STREAMS", *keys, *(new() for _ in keys)]


@streams.generator(weight=3)
def read(g):
    return Step((b"XREAD", *count(g), *sources(g, lambda: g.pick((b"0", b"+", b"$", some_id(g), some_id(g))))), compare="streams")


@streams.generator(weight=12)
def read_as_group(g):
    new = (lambda: b">") if g.chance(0.7) else (lambda: g.pick((b"0", some_id(g), b">", g.pick(ODD_IDS))))
    argv = (b"XREADGROUP", g.word(b"GROUP"), g.pick(GROUPS), g.pick(CONSUMERS), *count(g), *g.some(g.word(b"NOACK"), chance=0.1), *sources(g, new))
    return [Step(argv, compare="streams"), *shown_group(g, argv[argv.index(b"STREAMS") + 1], argv[2])]


def shown_group(g, where, name):
    steps = []
    if g.chance(0.3):
        steps.append(Step((b"XPENDING", where, name, b"-", b"+", b"100"), compare="streams"))
    if g.chance(0.3):
        steps.append(Step((b"XINFO", b"GROUPS", where)))
    if g.chance(0.2):
        steps.append(Step((b"XINFO", b"CONSUMERS", where, name), compare="streams"))
    return steps


@streams.generator(weight=4)
def acknowledge(g):
    some = ids(g)
    numids = b"%d" % len(some) if g.chance(0.95) else g.integer()
    where, name = key(g), g.pick(GROUPS)
    argv = g.pick((lambda: (b"XACK", where, name, *some), lambda: (b"XACKDEL", where, name, *refs(g, 0.7), b"IDS", numids, *some)))()
    return [*([made] if isinstance(made := shown(g, argv), Step) else made), *shown_group(g, where, name)]


@streams.generator(weight=3, damage=False)
def pending(g):
    where, name = key(g), g.pick(GROUPS)
    if g.chance(0.3):
        return b"XPENDING", where, name
    at = [g.word(b"IDLE"), idle(g)] if g.chance(0.4) else []
    argv = (b"XPENDING", where, name, *at, start(g), end(g), number(g), *([g.pick(CONSUMERS)] if g.chance(0.3) else []))
    return Step(bent(g, argv), compare="streams")


@streams.generator(weight=4, damage=False)
def claim(g):
    where, name = key(g), g.pick(GROUPS)
    options = g.some((g.word(b"IDLE"), g.pick((b"0", b"7200000", b"-5", g.integer()))), (g.word(b"TIME"), g.pick((b"1000", b"9999999999999", b"-1"))),
                     (g.word(b"RETRYCOUNT"), g.pick((b"0", b"1", b"9", b"-1", g.integer()))), g.word(b"FORCE"), g.word(b"JUSTID"),
                     (g.word(b"LASTID"), some_id(g)), chance=0.2)
    argv = g.pick((
        lambda: (b"XCLAIM", where, name, g.pick(CONSUMERS), idle(g), *ids(g), *options),
        lambda: (b"XAUTOCLAIM", where, name, g.pick(CONSUMERS), idle(g), start(g), *g.some((g.word(b"COUNT"), g.pick(COUNTS)), g.word(b"JUSTID"))),
    ))()
    return [Step(bent(g, argv), compare="streams"), *shown_group(g, where, name)]


@streams.generator(weight=2)
def inform(g):
    return g.pick((
        lambda: Step((b"XINFO", g.word(b"STREAM"), key(g))),
        lambda: Step((b"XINFO", b"STREAM", key(g), g.word(b"FULL"), *count(g)), compare="streams"),
        lambda: Step((b"XINFO", g.word(b"GROUPS"), key(g))),
        lambda: Step((b"XINFO", g.word(b"CONSUMERS"), key(g), g.pick(GROUPS)), compare="streams"),
        lambda: Step((b"XINFO", b"HELP")),
    ))()


@streams.generator(weight=1, damage=False)
def without_waiting(g):
    """The forms that wait: inside MULTI they never do."""
    wait = g.pick((b"0", b"1", b"-1", b"x", b"1.5", b"9223372036854775807", b"9223372036854775808"))
    inside = g.pick((
        lambda: (b"XREAD", b"BLOCK", wait, *count(g), *sources(g, lambda: g.pick((b"$", b"0", some_id(g))))),
        lambda: (b"XREADGROUP", b"GROUP", g.pick(GROUPS), g.pick(CONSUMERS), b"BLOCK", wait, *sources(g, lambda: b">")),
    ))
    return [Step((b"MULTI",)), *(Step(inside(), compare="streams") for _ in range(g.random.randint(1, 3))), Step((b"EXEC",))]


@streams.generator(weight=1.5, damage=False)
def limits(g):
    """Redis 8.2.3 dies when a block that was begun under a higher limit of bytes is read: there must be none."""
    entries = Step((b"CONFIG", b"SET", b"stream-node-max-entries", g.pick((b"0", b"1", b"2", b"3", b"5", b"100"))))
    bytes = Step((b"CONFIG", b"SET", b"stream-node-max-bytes", g.pick((b"0", b"30", b"60", b"200", b"4096"))))
    return entries if g.chance(0.6) else [Step((b"FLUSHALL",)), entries, bytes]


@streams.generator(weight=1.5)
def whole_values(g):
    """What keys do with streams."""
    return g.pick((
        lambda: shown(g, (b"COPY", key(g), key(g), *g.some(b"REPLACE", chance=0.7))),
        lambda: (b"RENAME", key(g), key(g)),
        lambda: (b"DEL", key(g)),
        lambda: (b"TYPE", key(g)),
        lambda: Step((b"OBJECT", b"ENCODING", key(g))),
        lambda: Step((b"DEBUG", b"DIGEST-VALUE", key(g))),
        lambda: Step((b"SCAN", b"0", b"TYPE", b"stream"), compare="scan"),
        lambda: (b"SET", key(g), b"v"),
    ))()
