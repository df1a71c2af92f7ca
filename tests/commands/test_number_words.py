"""Words that are numbers, or nearly: every command that reads a double, beside Redis 8.2, byte for byte."""
import random
import struct

import pytest

from kit.backends import TcpBackend

WORDS = [
    # Two points, no digits, signs in the wrong places.
    b"1.2.3", b"1..2", b"1.5.5", b"..1", b"1..", b"3.7.", b".", b"..", b"", b"+", b"-", b"++1", b"+-1", b"-+1", b"--1", b"+1", b"-.5", b"+.5",
    b".5", b"5.", b"-5.", b"1_0", b"1,5", b"1f", b"1L", b"0b1", b"0o7", b"012", b"00", b"-0", b"+0", b"-0.0", b"(1", b"((1", b"[1",
    # Exponents.
    b"e1", b"1e", b"1e+", b"1e-", b"1e+1", b"1E5", b"1e1.5", b".e1", b"5.e1", b".5e1", b"1e0000000000000000000001", b"1e" + b"0" * 1100 + b"1",
    # Too large and too small, by digits and by exponents; subnormal; on the border.
    b"1e400", b"-1e400", b"1e-400", b"-1e-400", b"0e400", b"0e999999999999", b"1e999999999999999999999", b"1e-999999999999999999999",
    b"0." + b"0" * 330, b"0." + b"0" * 330 + b"1", b"-0." + b"0" * 330 + b"1", b"1" + b"0" * 400, b"-" + b"1" * 400, b"9" * 6000,
    b"1" + b"0" * 1000 + b"e-1000", b"0." + b"0" * 1100 + b"1e1100", b"0." + b"3" * 6000, b"0" * 2000, b"0" * 2000 + b"1", b"3" * 5119, b"3" * 5120,
    b"4.9e-324", b"2.4e-324", b"2.5e-324", b"1e-320", b"2.2250738585072014e-308", b"1.7976931348623157e308", b"1.7976931348623159e308",
    b"9007199254740993", b"9007199254740993.0000000000000000000000000000001", b"0" * 255 + b"1", b"0" * 256 + b"1", b"1." + b"0" * 255,
    # Hexadecimal, infinity, NaN.
    b"0x10", b"0X10", b"-0x1", b"+0x1", b"0x1p3", b"0x1p5000", b"0x1p-5000", b"0x", b"0x.p1", b"0x1.8", b"inf", b"+inf", b"-inf", b"Inf", b"INF",
    b"infinity", b"-Infinity", b"INFINITY", b"infi", b"infinit", b"infinityx", b"nan", b"-nan", b"+nan", b"NaN", b"nan()", b"nan(12)", b"nan(",
    # White space, zero bytes, other bytes behind and before.
    b" 1", b"1 ", b"\t1", b"1\n", b"\x0b1", b"\x001", b"1\x00", b"1\x002", b"1.5\x00.5", b"inf\x00", b"\x00", b"\xff", b"\xd9\xa1",
]
PIECES = [b"0", b"1", b"9", b"12", b".", b"e", b"E", b"+", b"-", b"0x", b"p", b"inf", b"infinity", b"nan", b" ", b"\0", b"(", b"400", b"000000", b"a",
          b"_", b"1e5", b"3.7", b"e-324", b"e308", b"0." + b"0" * 100]


def random_word(chance):
    kind = chance.random()
    if kind < 0.5:
        return b"".join(chance.choices(PIECES, k=chance.randint(1, 6)))
    if kind < 0.7:
        digits = [b"%d" % chance.randrange(10**chance.randint(0, most)) for most in (20, 25, 3)]
        return b"%b%b.%b%b" % (chance.choice((b"", b"-", b"+")), digits[0], digits[1], chance.choice((b"", b"e" + digits[2], b"e-" + digits[2])))
    if kind < 0.8:
        return repr(struct.unpack("<d", chance.randbytes(8))[0]).encode()
    word = bytearray(chance.choice(WORDS)[:400]) + b"0"
    word[chance.randrange(len(word))] = chance.choice(b"0159.eE+-x pnif\0")
    return bytes(word)


def asked(word):
    """Every command that reads a double, and what it has made of the word."""
    return [
        (b"DEL", b"z", b"to", b"s", b"h", b"l", b"set"),
        (b"ZADD", b"set", b"-inf", b"a", b"-1", b"b", b"0", b"c", b"1e-320", b"d", b"1", b"e", b"5", b"f", b"1e300", b"g", b"inf", b"h"),
        (b"ZADD", b"z", word, b"m"), (b"ZSCORE", b"z", b"m"), (b"ZADD", b"z", b"1", b"a", word, b"b"), (b"ZADD", b"z", b"INCR", word, b"i"),
        (b"DEL", b"z"), (b"ZINCRBY", b"z", word, b"m"), (b"ZADD", b"z", b"GT", b"CH", word, b"m"),
        (b"ZRANGEBYSCORE", b"set", word, b"+inf"), (b"ZRANGEBYSCORE", b"set", b"-inf", word, b"LIMIT", b"0", b"5"),
        (b"ZRANGEBYSCORE", b"set", b"(" + word, b"inf"), (b"ZREVRANGEBYSCORE", b"set", b"(" + word, b"-inf"),
        (b"ZREVRANGEBYSCORE", b"set", b"inf", word), (b"ZCOUNT", b"set", word, b"inf"), (b"ZCOUNT", b"set", b"-inf", b"(" + word),
        (b"ZRANGE", b"set", word, b"inf", b"BYSCORE"), (b"ZRANGE", b"set", b"(" + word, b"-inf", b"BYSCORE", b"REV"),
        (b"ZRANGESTORE", b"to", b"set", word, b"inf", b"BYSCORE"), (b"ZREMRANGEBYSCORE", b"to", b"-inf", word), (b"ZCARD", b"to"),
        (b"ZUNION", b"1", b"set", b"WEIGHTS", word, b"WITHSCORES"), (b"ZINTERSTORE", b"to", b"1", b"set", b"WEIGHTS", word),
        (b"INCRBYFLOAT", b"s", word), (b"SET", b"s", word), (b"INCRBYFLOAT", b"s", b"0"),
        (b"HINCRBYFLOAT", b"h", b"f", word), (b"HSET", b"h", b"f", word), (b"HINCRBYFLOAT", b"h", b"f", b"1"),
        (b"RPUSH", b"l", b"0", word, b"1", b"-1"), (b"SORT", b"l"),
        (b"MULTI",), (b"BLPOP", b"none", word), (b"BZPOPMIN", b"none", word), (b"BLMPOP", word, b"1", b"none", b"LEFT"),
        (b"BZMPOP", word, b"1", b"none", b"MIN"), (b"BLMOVE", b"none", b"to", b"LEFT", b"LEFT", word), (b"BRPOPLPUSH", b"none", b"to", word),
        (b"EXEC",),
    ]


@pytest.mark.parametrize("protocol", (b"2", b"3"))
def test_every_command_reads_doubles_as_redis_does(embedded, oracle, protocol):
    chance = random.Random(20261201)
    words = WORDS + [random_word(chance) for _ in range(400)]
    sides = embedded.open(), TcpBackend(oracle.host, oracle.port).open()
    for side in sides:
        side.run([(b"HELLO", protocol), (b"FLUSHALL",)])
    for start in range(0, len(words), 50):
        commands = [command for word in words[start:start + 50] for command in asked(word)]
        for command, ours, theirs in zip(commands, *(side.run(commands) for side in sides)):
            assert ours.raw == theirs.raw, command
    for side in sides:
        side.run([(b"RESET",), (b"FLUSHALL",)])
        side.close()
