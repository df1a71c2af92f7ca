"""SORT and SORT_RO over lists, sets and sorted sets, with weights and answers from strings and hashes.

Left out is what Redis itself leaves open: the order of elements of equal weight under BY and ALPHA (its partial sort
under LIMIT mixes them, and sets and sorted sets come to it in the order of their tables), and that of a set
nobody sorts, which is compared without regard to order.
"""
from kit.generators import Family, Step

sort = Family("sort", damage=0.08)

ORDERED = (b"list", b"ranked")              # kept apart from the common keys, so that there is often something to sort
NUMBERS = tuple(b"%d" % n for n in (*range(-3, 14), 128, 4096, 70000, -40000, 2**31, 2**53 + 1, 2**63 - 1, -2**63))
FLOATS = (b"0.5", b"-2.25", b"1e3", b"1e400", b"-1e400", b"1e-400", b"4e-320", b"inf", b"-inf", b"+7", b"3.", b".25", b"007",
          b"", b"1\x00x", b"-0", b"INFINITY", b"9" * 350, b"0." + b"0" * 400 + b"1", b"0e999999999999")
NO_NUMBERS = (b"x", b"nan", b" 1", b"1 ", b"0x10", b"1e", b"-", b"+", b".", b"e5", b"1e+", b"+-1", b"infx", b"1_0", b"--1", b"\t2")
TEXTS = (b"a", b"b", b"B", b"_", b"ab", b"abc", b"\xff", b"\xc3\xa9", b"z" * 70, b"10", b"9", b"a*", b"w_1", b"x->y")
PATTERNS = (b"w_*", b"w_*", b"w_*", b"h_*->f", b"h_*->f", b"h_*->g", b"h_*->", b"h_*", b"w_*->f", b"*", b"*->f", b"w_*_*", b"h_*->f->g", b"w_*\x00z",
            b"h_*->f\x00", b"#*", b"->*->f", b"h_*-->f")
CONSTANT = (b"nosort", b"#", b"h_->f", b"", b"x\x00*")


def element(g, texts=False):
    kind = g.random.random()
    if texts and kind < 0.5:
        return g.pick(TEXTS)
    if kind < 0.9:
        return g.pick(NUMBERS)
    return g.pick(FLOATS) if kind < 0.985 else g.pick(NO_NUMBERS)


def source(g):
    kind = g.random.random()
    if kind < 0.75:
        return g.pick((b"list", b"list", b"members", b"ranked"))
    return g.key() if kind < 0.97 else b"nosuch"


@sort.generator(weight=14, damage=False)
def fill(g):
    many = g.pick((1, 3, 5, 8, 9, 17, 40)) if g.chance(0.95) else 300
    texts = g.chance(0.4)
    chosen = [element(g, texts) if many < 300 else b"%d" % g.random.randint(-500, 500) for _ in range(many)]
    steps = [Step((b"DEL", kind)) for kind in (b"list", b"members", b"ranked") if g.chance(0.2)]
    kind = g.pick((b"list", b"list", b"members", b"ranked"))
    if kind == b"list":
        if g.chance(0.1):
            chosen += [b"a\x00b", b"a\x00a", b"a"]
        return [*steps, Step((g.pick((b"RPUSH", b"LPUSH")), kind, *chosen))]
    # Elements that a set's members are compared by must differ as C strings too.
    chosen = [one for one in chosen if b"\x00" not in one]
    if not chosen:
        return [*steps, Step((b"DEL", kind))]
    if kind == b"members":
        return [*steps, Step((b"SADD", kind, *chosen))]
    return [*steps, Step((b"ZADD", kind, *(word for one in chosen for word in (b"%d" % g.random.randint(-5, 5), one))))]


@sort.generator(weight=5)
def weights(g):
    named = element(g, True)
    kind = g.random.random()
    if kind < 0.55:
        return b"SET", b"w_" + named, g.pick(NUMBERS + TEXTS[:3] if g.chance(0.1) else NUMBERS + FLOATS)
    if kind < 0.9:
        return b"HSET", b"h_" + named, g.pick((b"f", b"f", b"g", b"f->g", b"->f")), g.pick(NUMBERS + FLOATS)
    if kind < 0.95:
        return b"RPUSH", g.pick((b"w_", b"h_")) + named, b"1"
    return b"DEL", g.pick((b"w_", b"h_")) + named


@sort.generator(weight=1, damage=False)
def many_weights(g):
    """A different weight for each: then BY with ALPHA has one order."""
    names = sorted({element(g, True) for _ in range(12)})
    return Step((b"MSET", *(word for name in names for word in (b"w_" + name, b"%d" % g.random.randint(0, 10**6)))))


def gets(g):
    most = g.pick((0, 0, 0, 1, 1, 2, 4))
    return [word for _ in range(most) for word in (g.word(b"GET"), g.pick(PATTERNS + CONSTANT + (b"#", b"#")))]


def limit(g):
    bound = lambda: g.pick((b"0", b"1", b"2", b"3", b"7", b"100", b"-1", b"-5")) if g.chance(0.96) else g.integer()
    return g.word(b"LIMIT"), g.pick((b"0", b"0", b"1", b"2", bound())), g.pick((b"1", b"2", b"5", b"20", bound()))


def options(g, *more):
    """In any order."""
    made = [option for option in more if option]
    if g.chance(0.35):
        made.append((g.word(g.pick((b"ASC", b"DESC", b"DESC"))),))
    chosen = gets(g)
    made += [tuple(chosen[i:i + 2]) for i in range(0, len(chosen), 2)]
    g.random.shuffle(made)
    return [word for option in made for word in option]


def ending(g, argv, damage=0.0):
    """To a key, and what then is there; or SORT_RO, which knows no STORE.

    Redis takes an ERANGE that an earlier command left in errno for its own and refuses good numbers. Reading a broken
    cursor clears it.
    """
    clear = Step((b"SCAN", b"x"))
    if g.chance(damage):
        return [clear, Step(g.damage(argv))]
    if g.chance(0.3):
        key = g.pick((b"list", b"stored", b"stored", b"stored", g.key(), argv[1]))
        where = g.random.randint(2, len(argv)) if len(argv) == 2 else len(argv)
        stored = (*argv[:where], g.word(b"STORE"), key)
        return [clear, Step(stored), Step((b"LRANGE", key, b"0", b"-1")), Step((b"OBJECT", b"ENCODING", key)), Step((b"TTL", key))]
    return [clear, Step((b"SORT_RO" if g.chance(0.3) else b"SORT", *argv[1:]), connection=g.pick((0, 0, 0, 1)))]


@sort.generator(weight=10)
def by_itself(g):
    key = source(g)
    alpha = (g.word(b"ALPHA"),) if g.chance(0.5) else ()
    return ending(g, (b"SORT", key, *options(g, alpha, limit(g) if g.chance(0.3) else ())), damage=0.1)


@sort.generator(weight=8, damage=False)
def by_numbers(g):
    return ending(g, (b"SORT", source(g), *options(g, (g.word(b"BY"), g.pick(PATTERNS)), limit(g) if g.chance(0.3) else ())))


@sort.generator(weight=3, damage=False)
def by_texts(g):
    """Weights may be equal or missing: lists only, whose order a stable sort keeps, and no LIMIT."""
    return ending(g, (b"SORT", b"list", *options(g, (g.word(b"BY"), g.pick(PATTERNS)), (b"ALPHA",))))


@sort.generator(weight=5, damage=False)
def in_place(g):
    return ending(g, (b"SORT", g.pick(ORDERED), *options(g, (g.word(b"BY"), g.pick(CONSTANT)), limit(g) if g.chance(0.5) else (),
                                                         (b"ALPHA",) if g.chance(0.2) else ())))


@sort.generator(weight=1, damage=False)
def set_in_place(g):
    argv = (b"SORT", b"members", b"BY", g.pick(CONSTANT))
    if g.chance(0.5):
        return [Step((b"SCAN", b"x")), Step((*argv, b"STORE", b"stored")), Step((b"LRANGE", b"stored", b"0", b"-1"))]
    return Step(argv, compare="unordered")


@sort.generator(weight=1, damage=False)
def wrong(g):
    return g.pick((
        (b"SORT", g.key(), b"LIMIT", b"0"), (b"SORT", g.key(), b"LIMIT", b"x", b"1"), (b"SORT", g.key(), b"LIMIT", b"0", b"x", b"FOO"),
        (b"SORT", g.key(), b"FOO", b"LIMIT", b"0", b"x"), (b"SORT", g.key(), b"BY"), (b"SORT", g.key(), b"GET"), (b"SORT", g.key(), b"STORE"),
        (b"SORT_RO", g.key(), b"STORE", b"x"), (b"SORT",), (b"SORT_RO",), (b"SORT", g.key(), b"ALPHA", b"ALPHA", b"ASC", b"DESC"),
        (b"SORT", b"list", b"BY", b"nosort", b"BY", b"w_*"), (b"SORT", b"list", b"BY", b"w_*", b"BY", b"nosort"),
        (b"SORT", b"list", b"STORE", b"stored", b"STORE", b"other"), (b"EXISTS", b"stored", b"other"), (b"EXPIRE", b"stored", g.seconds()),
        (b"OBJECT", b"ENCODING", b"ranked"), (b"COMMAND", b"GETKEYS", b"SORT", b"a", b"BY", b"STORE", b"STORE", b"b", b"STORE", b"c"),
        (b"COMMAND", b"GETKEYSANDFLAGS", b"SORT", b"a", b"LIMIT", b"STORE", b"x", b"GET", b"store", b"store", b"d", b"STORE"),
        (b"COMMAND", b"GETKEYS", b"SORT_RO", b"a", b"STORE", b"b"), (b"COMMAND", b"GETKEYS", b"SORT", b"a"),
    ))


@sort.generator(weight=1, damage=False)
def limits(g):
    return b"CONFIG", b"SET", *g.pick(((b"list-max-listpack-size", g.pick((b"-2", b"2", b"8", b"0", b"-1"))),
                                       (b"zset-max-listpack-value", g.pick((b"0", b"64"))),
                                       (b"set-max-intset-entries", g.pick((b"0", b"4", b"512")))))
