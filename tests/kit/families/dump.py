"""DUMP and RESTORE: values of all families carried to other keys, and payloads whole and broken."""
from kit.generators import Family, Step
from kit.rdb_forms import intset, listpack, seal, string

dump = Family("dump")

# What a generator cannot know, a script can: what DUMP has just said.
CARRY = b"return redis.call('RESTORE', KEYS[2], ARGV[1], redis.call('DUMP', KEYS[1]), unpack(ARGV, 2))"
PAYLOADS = (
    seal(b"\x00\x01a"), seal(b"\x00\xc0\x05"), seal(b"\x00\xc3\x04\x0b\x00a\xe0\x00\x00"), seal(b"\x12\x01\x02" + string(listpack(b"a", 5))),
    seal(b"\x02\x03\x01a\x01b\x01c"), seal(b"\x0b" + string(intset(1, 2, 300))), seal(b"\x11" + string(listpack(b"a", 1, b"b", b"1.5"))),
    seal(b"\x05\x02\x01a" + bytes(8) + b"\x01b" + bytes(6) + b"\xf0\x3f"), seal(b"\x10" + string(listpack(b"f", b"v", b"g", 5))), seal(b"\x04\x01\x01f\x01v"),
    seal(b"\x00\x3fa"), seal(b"\x12\x00"), seal(b"\x02\x02\x01a\x01a"), seal(b"\x00\x01a", 13), seal(b"\x00\x01a")[:-1] + b"!", b"", b"abc")


def options(g):
    return g.some(g.word(b"REPLACE"), g.word(b"REPLACE"), g.word(b"ABSTTL"), (g.word(b"IDLETIME"), g.pick((b"0", b"100", b"-1", b"x"))),
                  (g.word(b"FREQ"), g.pick((b"0", b"255", b"256", b"-1"))), b"FOO", chance=0.25 if g.chance(0.3) else 0.0) or g.some(g.word(b"REPLACE"), chance=0.7)


def ttl(g):
    return b"0" if g.chance(0.6) else g.pick((g.milliseconds(), g.unix_milliseconds(), b"-1", b"x"))


@dump.generator(weight=5)
def carry(g):
    return b"EVAL", CARRY, b"2", g.key(), g.key(), ttl(g), *options(g)


@dump.generator(weight=3)
def restore(g):
    return g.pick((b"RESTORE", b"RESTORE", b"restore", b"RESTORE-ASKING")), g.key(), ttl(g), g.pick(PAYLOADS), *options(g)


@dump.generator(weight=1)
def dump_(g):
    # A table's order, and what Redis's LZF finds to repeat, are not to be known.
    return Step((b"DUMP", g.key()), compare="shape")
