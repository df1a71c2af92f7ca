"""What scripts and functions answer, beside Redis 8.2: every error text, both conversions, both protocols."""
import random
import re

import pytest

from kit import script_cases
from kit.backends import EmbeddedBackend
from kit.resp_client import RespClient

pytest.importorskip("lupa.lua51")
ADDRESS = re.compile(rb"0x[0-9a-f]+|\(nil\)")


class Both:
    """The same commands to Redis and to an engine of this process."""

    def __init__(self, oracle, protocol):
        self.theirs = RespClient(oracle.host, oracle.port, timeout=30)
        self.theirs.execute("HELLO", protocol)
        for command in (("CONFIG", "SET", "maxmemory", 0), ("CONFIG", "RESETSTAT"), ("FLUSHALL",), ("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH")):
            self.theirs.execute(*command)
        self.subject = EmbeddedBackend()
        self.ours = self.subject.engine.session()
        self.ours.protocol = protocol

    def raw(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return bytes(self.ours.execute_raw(words)), self.theirs.execute(*words).raw

    def __call__(self, *words):
        ours, theirs = self.raw(*words)
        assert ADDRESS.sub(b"0x", ours) == ADDRESS.sub(b"0x", theirs), words
        return ours

    def close(self):
        self.theirs.socket.close()
        self.subject.engine.close()


@pytest.fixture(params=(2, 3))
def both(oracle, request):
    pair = Both(oracle, request.param)
    yield pair
    pair.close()


def test_scripts(both):
    for script in script_cases.SCRIPTS:
        if script.startswith("local t={} t[1]=t "):
            continue                     # see test_endless_tables
        both("EVAL", script, 0)


def test_corners(both):
    for script in script_cases.CORNERS:
        both("EVAL", script, 0)


def test_conversions(both):
    for script in script_cases.CONVERSIONS:
        both("EVAL", script, 0)
        both("EVAL", script, 1, "key", "one", "two")


def test_commands(both):
    for command in script_cases.COMMANDS:
        both(*command)


def test_functions(both):
    for command in script_cases.FUNCTIONS:
        if command[:2] == ("FUNCTION", "LIST"):
            ours, theirs = both.raw(*command)            # libraries come in any order
            assert sorted(ours.split(b"\r\n")) == sorted(theirs.split(b"\r\n")), command
        else:
            both(*command)


def test_endless_tables(both):
    """It ends with Redis's error, inside of thousands of arrays."""
    ours = bytes(both.ours.execute_raw(("EVAL", "local t = {} t[1] = t return t", "0")))
    assert ours.startswith(b"*1\r\n*1\r\n") and ours.endswith(b"-ERR reached lua stack limit\r\n")
    assert both.ours.execute_raw(("PING",)) == b"+PONG\r\n"


@pytest.mark.parametrize("compressed", (False, True))
def test_dumps_are_exchanged(both, compressed):
    filler = "x" * 500 if compressed else "".join(map(chr, random.Random(1).sample(range(33, 90), 40)))
    for number in range(3):
        code = f"#!lua name=lib{number}\nredis.register_function('f{number}', function() return {number} end) --{filler}"
        both("FUNCTION", "LOAD", code)
    ours, theirs = (raw.partition(b"\r\n")[2][:-2] for raw in both.raw("FUNCTION", "DUMP"))
    for payload in (ours, theirs):
        both("FUNCTION", "RESTORE", payload, "REPLACE")
        both("FUNCTION", "RESTORE", payload, "FLUSH")
        both("FCALL", "f2", 0)
        both("FUNCTION", "FLUSH")
        both("FUNCTION", "RESTORE", payload)
        both("FCALL", "f0", 0)
    # Broken ones: every byte, one after the other.
    for at in range(0, len(theirs), 7):
        broken = bytearray(theirs)
        broken[at] ^= 1 + at % 255
        assert both.raw("FUNCTION", "RESTORE", bytes(broken), "REPLACE")[0].startswith(b"-ERR")
    both("FCALL", "f1", 0)


def test_errors_are_counted_once(both):
    for command in (("CONFIG", "RESETSTAT"), ("EVAL", "redis.call('nosuch')", 0), ("EVAL", "redis.call('get')", 0),
                    ("EVAL", "return redis.pcall('nosuch')", 0), ("EVAL", "error('x')", 0), ("EVAL", "return {err='MY x'}", 0),
                    ("SET", "s", "x"), ("EVAL", "redis.call('lpush', 's', 1)", 0), ("EVAL", "return redis.pcall('lpush', 's', 1)", 0),
                    ("EVAL", "redis.pcall('lpush', 's', 1) return 1", 0), ("EVALSHA", "x", 0)):
        both(*command)
    ours, theirs = (set(re.findall(rb"errorstat_\S+", raw)) for raw in both.raw("INFO", "errorstats"))
    assert ours == theirs


def test_scripts_are_evicted_as_in_redis(both):
    loaded = both("SCRIPT", "LOAD", "return 'loaded'").split(b"\r\n")[1]
    first = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
    both("EVAL", "return 1", 0)
    for number in range(499):
        both("EVAL", f"return {number} + 1000", 0)
    both("EVALSHA", first, 0)            # used: the next is older
    both("EVAL", "return 'one more'", 0)
    both("SCRIPT", "EXISTS", first, loaded)
    for number in range(500):
        both("EVAL", f"return {number} + 5000", 0)
    assert both("SCRIPT", "EXISTS", first, loaded) == b"*2\r\n:0\r\n:1\r\n"
    ours, theirs = (re.findall(rb"evicted_scripts:\d+|number_of_cached_scripts:\d+", raw) for raw in both.raw("INFO", "everything"))
    assert ours == theirs


def test_memory_rules(both):
    both("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('plain', function() return redis.call('set', 'x', 1) end)\n"
         "redis.register_function{function_name='oom', callback=function() return redis.call('set', 'x', 1) end, flags={'allow-oom'}}\n"
         "redis.register_function{function_name='reads', callback=function() return redis.call('get', 'x') end, flags={'no-writes'}}")
    both("CONFIG", "SET", "maxmemory", 1)
    for script in ("return redis.call('set', 'x', 1)", "return redis.pcall('set', 'x', 1)", "return redis.call('get', 'x')",
                   "redis.call('del', 'x') return redis.call('set', 'x', 1)", "#!lua\nreturn 1", "#!lua flags=no-writes\nreturn 1",
                   "#!lua flags=allow-oom\nreturn redis.call('set', 'x', 2)", "#!lua flags=no-writes\nreturn redis.call('get', 'x')"):
        both("EVAL", script, 0)
    for function in ("plain", "oom", "reads"):
        both("FCALL", function, 0)
    both("CONFIG", "SET", "maxmemory", 0)


def test_random_numbers_are_redis_s(both):
    script = "math.randomseed(ARGV[1]) return {math.random(100000), math.random(5, 900000), tostring(math.random())}"
    for seed in (0, 1, 5, -3, 2**31 - 1, 123456789):
        both("EVAL", script, 0, seed)
    for script in ("math.random(0)", "math.random(2, 1)", "math.random(1, 2, 3)", "math.random('x')", "math.randomseed()"):
        both("EVAL", script, 0)
