"""HyperLogLogs: every command of the group; values in both forms, read back as bytes, and spoilt ones."""
from kit.generators import Family, Step

hyperloglogs = Family("hyperloglogs", seeds=(lambda g: (b"PFADD", g.key(), b"a"),))

OWN = (b"hll0", b"hll1", b"hll2", b"hll3")


def hll_key(g):
    return g.pick(OWN) if g.chance(0.7) else g.key()


def elements(g, most=5):
    return [b"%d" % g.random.randint(0, 100_000) if g.chance(0.7) else g.value() for _ in range(g.random.randint(0, most))]


@hyperloglogs.generator(weight=10)
def pfadd(g):
    return b"PFADD", hll_key(g), *elements(g)


@hyperloglogs.generator(weight=1)
def pfadd_many(g):
    """Towards the dense form, and past it."""
    first = g.random.randint(0, 50_000)
    return b"PFADD", g.pick(OWN), *(b"e%d" % i for i in range(first, first + g.pick((20, 200, 800, 3_000))))


@hyperloglogs.generator(weight=6)
def pfcount(g):
    return b"PFCOUNT", *(hll_key(g) for _ in range(g.pick((1, 1, 1, 2, 3))))


@hyperloglogs.generator(weight=3)
def pfmerge(g):
    return b"PFMERGE", *(hll_key(g) for _ in range(g.random.randint(1, 4)))


@hyperloglogs.generator(weight=6)
def bytes_(g):
    key = hll_key(g)
    return g.pick(((b"GET", key), (b"STRLEN", key), (b"OBJECT", b"ENCODING", key)))


@hyperloglogs.generator(weight=2)
def pfdebug(g):
    what = g.pick((b"DECODE", b"ENCODING", b"DECODE", b"ENCODING", b"TODENSE", b"GETREG", b"NOSUCH"))
    return b"PFDEBUG", g.word(what), hll_key(g)


@hyperloglogs.generator(weight=0.2, damage=False)
def simd(g):
    # To another word Redis 8.2.3 sends two replies, the error and the state.
    return b"PFDEBUG", g.word(b"SIMD"), g.pick((b"on", b"OFF"))


@hyperloglogs.generator(weight=1, damage=False)
def limit(g):
    return b"CONFIG", b"SET", b"hll-sparse-max-bytes", g.pick((b"3000", b"3000", b"100", b"0", b"40", b"1000", b"15000", b"20000"))


@hyperloglogs.generator(weight=1, damage=False)
def whole(g):
    key = g.pick(OWN)
    return g.pick(((b"DEL", key), (b"COPY", key, g.pick(OWN), b"REPLACE"), (b"RENAME", key, g.pick(OWN)), (b"SET", key, b"HYLL"),
                   (b"EXPIRE", key, g.seconds())))


@hyperloglogs.generator(weight=1, damage=False)
def spoilt(g):
    """A header with some runs behind it, right or wrong; one element or none is added, so that no server changes half of it."""
    key = b"spoilt"
    runs = g.pick((b"", b"\x7f\xff", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f\xff\x7f\xff", b"\x83" * 40, b"\xff" * 9, b"\x7f\xf0\x0e\x80",
                   b"\x7f\xf0\x8f\x8f\x8f\x83", g.random.randbytes(g.random.randint(1, 30)) + b"\x00"))
    header = g.pick((b"HYLL\x01\x00\x00\x00", b"HYLL\x01abc", b"HYLL\x00\x00\x00\x00", b"HYLL\x02\x00\x00\x00", b"HXLL\x01\x00\x00\x00"))
    value = header + g.pick((b"\x00" * 7 + b"\x80", b"\x00" * 8, b"\x05" + b"\x00" * 7)) + runs
    value = value[:g.random.randint(0, 20)] if g.chance(0.1) else value
    asked = ((b"PFCOUNT", key), (b"PFCOUNT", key, b"hll0"), (b"PFADD", key), (b"PFMERGE", b"hll3", key), (b"PFMERGE", key, b"hll0"),
             (b"PFDEBUG", b"TODENSE", key), (b"PFDEBUG", b"GETREG", key), (b"OBJECT", b"ENCODING", key))
    return [Step((b"SET", key, value)), Step(g.pick(asked)), Step((b"GET", key)), Step((b"DEL", key))]
