"""Bitmaps: every command of the group, on keys that all families share, and on a few large strings of their own.

Offsets stay small, or are beyond what is allowed: between them each would cost both servers half a gigabyte.
"""
from kit.generators import Family, Step

bitmaps = Family("bitmaps", seeds=(lambda g: (b"SETBIT", g.key(), b"7", b"1"),))

LARGE = (b"bits0", b"bits1", b"bits2")
FAR = (b"4294967296", b"4294967295000", b"-1", b"9223372036854775807", b"x", b"", b"#1", b"1.5", b"01")


def offset(g, most=300):
    return b"%d" % g.random.randint(0, most) if g.chance(0.93) else g.pick(FAR)


def large_value(g):
    """Long runs of one byte, random bytes, and borders of vectors."""
    size = g.pick((0, 1, 7, 8, 31, 32, 33, 127, 128, 129, 255, 256, 257, 1_000, 4_096, 70_001))
    kind = g.random.random()
    if kind < 0.3:
        return bytes((g.pick((0, 255)),)) * size
    if kind < 0.6:
        made = bytearray(bytes((g.pick((0, 255)),)) * size)
        if made:
            made[g.random.randrange(size)] = g.random.randrange(256)
        return bytes(made)
    return g.random.randbytes(size)


def bit_key(g):
    return g.pick(LARGE) if g.chance(0.4) else g.linear_key()


@bitmaps.generator(weight=6, damage=False)
def setbit(g):
    junk = (g.pick(g.JUNK),) if g.chance(0.02) else ()
    value = g.pick((b"0", b"1")) if g.chance(0.95) else g.pick((b"2", b"-1", b"x", b"", b"01", b"1\x00"))
    return b"SETBIT", g.key(), offset(g), value, *junk


@bitmaps.generator(weight=1, damage=False)
def setbit_far(g):
    """Growth in leaps, and by little."""
    return b"SETBIT", g.pick(LARGE), b"%d" % g.random.randint(0, g.pick((2_000, 600_000, 6_000_000))), g.pick((b"0", b"1"))


@bitmaps.generator(weight=4)
def getbit(g):
    return b"GETBIT", bit_key(g), offset(g, 70_000) if g.chance(0.3) else offset(g)


@bitmaps.generator(weight=2)
def set_(g):
    return b"SET", g.pick(LARGE), large_value(g)


def ends(g):
    def end():
        kind = g.random.random()
        if kind < 0.6:
            return b"%d" % g.random.randint(-40, 40)
        return b"%d" % g.random.randint(-70_000 * 8, 70_000 * 8) if kind < 0.85 else g.integer()
    return end(), end()


@bitmaps.generator(weight=6)
def bitcount(g):
    kind = g.random.random()
    if kind < 0.3:
        return b"BITCOUNT", bit_key(g)
    return b"BITCOUNT", bit_key(g), *ends(g), *g.some(g.word(g.pick((b"BIT", b"BYTE", b"BIT", b"BYTE", b"BITS"))), chance=0.6)


@bitmaps.generator(weight=6)
def bitpos(g):
    bit = g.pick((b"0", b"1")) if g.chance(0.95) else g.integer()
    start, end = ends(g)
    kind = g.random.random()
    if kind < 0.25:
        return b"BITPOS", bit_key(g), bit
    if kind < 0.45:
        return b"BITPOS", bit_key(g), bit, start
    return b"BITPOS", bit_key(g), bit, start, end, *g.some(g.word(g.pick((b"BIT", b"BYTE", b"BIT", b"BYTE", b"BITS"))), chance=0.6)


@bitmaps.generator(weight=6)
def bitop(g):
    name = g.word(g.pick((b"AND", b"OR", b"XOR", b"NOT", b"DIFF", b"DIFF1", b"ANDOR", b"ONE", b"NAND")))
    count = 1 if name.upper() == b"NOT" and g.chance(0.9) else g.random.randint(1, 5) if g.chance(0.95) else g.random.randint(15, 20)
    sources = [bit_key(g) for _ in range(count)]
    # What comes of a large string stays with its like: LCS takes the product of two lengths, of memory, too.
    large = g.chance(0.5) or any(source in (*LARGE, g.BIG_KEY) for source in sources)
    return b"BITOP", name, g.pick(LARGE) if large else g.key(), *sources


@bitmaps.generator(weight=2)
def look(g):
    return g.pick(((b"OBJECT", b"ENCODING", g.key()), (b"STRLEN", g.pick(LARGE)), (b"GETRANGE", g.pick(LARGE), b"0", b"300"),
                   (b"GET", g.key()), (b"EXPIRE", g.pick(LARGE), g.seconds()), (b"DEL", g.pick(LARGE)), (b"TTL", g.pick(LARGE))))


def field_type(g):
    if g.chance(0.95):
        return b"%b%d" % (g.pick((b"i", b"u")), g.pick((1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 56, 57, 62, 63)))
    return g.pick((b"i64", b"i64", b"u64", b"i65", b"i0", b"u", b"x8", b"", b"I8", b"u8\x00z", b"i-1", b"u08"))


def field_offset(g):
    if g.chance(0.3):
        return b"#%d" % g.random.randint(0, 9) if g.chance(0.95) else g.pick((b"#", b"#-1", b"##1", b"#4611686018427387905", b"#x"))
    return offset(g, 100)


def amount(g):
    kind = g.random.random()
    if kind < 0.5:
        return b"%d" % g.random.randint(-20, 20)
    if kind < 0.6:
        return b"%d" % (g.pick((-1, 1)) * (2**63 - 1 - 2 ** g.random.randint(0, 40)))
    if kind < 0.95:
        return b"%d" % (g.pick((-1, 1)) * 2 ** g.random.randint(0, 62) + g.random.randint(-1, 1))
    return g.integer()


def subcommand(g, write=True):
    kind = g.random.random()
    if kind < 0.3 or not write:
        return g.word(b"GET"), field_type(g), field_offset(g)
    if kind < 0.6:
        return g.word(b"SET"), field_type(g), field_offset(g), amount(g)
    if kind < 0.85:
        return g.word(b"INCRBY"), field_type(g), field_offset(g), amount(g)
    return g.word(b"OVERFLOW"), g.word(g.pick((b"WRAP", b"SAT", b"FAIL", b"SAT", b"FAIL", b"NONE")))


# A damaged one might set a bit half a gigabyte away.
@bitmaps.generator(weight=8, damage=False)
def bitfield(g):
    write = g.chance(0.9)
    words = [word for _ in range(g.random.randint(0, 5)) for word in subcommand(g, write)]
    if words and g.chance(0.04):
        words.pop(g.random.randrange(len(words)))
    # An offset that stood where a type should be is none; one that stands where an amount should be is harmless.
    return Step((g.pick((b"BITFIELD", b"BITFIELD", b"BITFIELD", b"BITFIELD_RO")), g.key(), *words))
