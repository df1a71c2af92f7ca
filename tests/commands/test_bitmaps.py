"""Bitmaps beside Redis, and against a bytearray: growth of all kinds, BITOP over its own sources, and the limits."""
import random

import hutch
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from hutch.testing.model import Model
from kit.resp_client import RespClient
from shims import bits


@pytest.fixture
def other(oracle):
    with RespClient(oracle.host, oracle.port) as client:
        client.execute("FLUSHALL")
        yield client


@pytest.fixture
def r():
    with hutch.Redis() as client:
        yield client


@pytest.mark.parametrize("seed", range(6))
def test_growth(r, seed):
    """From inside the entry to a block of its own, by little and in leaps: what was there stays, and what is new is 0."""
    chance = random.Random(seed)
    model = bytearray()
    if seed % 2:
        model[:] = b"some text"
        r.set("k", bytes(model))
    reach = 40
    for _ in range(300):
        if chance.random() < 0.05:
            reach = min(reach * chance.choice((2, 10, 30)), 40_000_000)
        offset, bit = chance.randrange(reach), chance.randrange(2)
        model.extend(bytes(max(0, offset // 8 + 1 - len(model))))
        old = model[offset // 8] >> (7 - offset % 8) & 1
        model[offset // 8] = model[offset // 8] & ~(128 >> offset % 8) | bit * (128 >> offset % 8)
        assert r.setbit("k", offset, bit) == old
        assert r.getbit("k", offset) == bit and r.strlen("k") == len(model)
    assert r.get("k") == bytes(model)
    assert r.bitcount("k") == int.from_bytes(model, "big").bit_count()


def test_the_last_bit_costs_no_time_and_little_memory(r):
    before = int(r.info("memory")["used_memory"])
    assert r.setbit("k", 2**32 - 1, 1) == 0 and r.getbit("k", 2**32 - 1) == 1
    assert r.strlen("k") == 2**29
    assert r.setbit("text", 7, 1) == 0 and r.setbit("text", 2**31, 1) == 0 and r.get("text")[:1] == b"\x01"
    r.delete("k", "text")
    assert int(r.info("memory")["used_memory"]) < before + 2**20


def test_limit(other):
    for limit in ("1048576", "2000000"):
        other.execute("CONFIG", "SET", "proto-max-bulk-len", limit)
        with hutch.Redis() as r:
            r.config_set("proto-max-bulk-len", limit)
            for words in (("SETBIT", "k", int(limit) * 8 - 1, 1), ("SETBIT", "k", int(limit) * 8, 1), ("GETBIT", "k", int(limit) * 8),
                          ("BITFIELD", "k", "SET", "u8", int(limit) * 8 - 8, 5), ("BITFIELD", "k", "SET", "u8", f"#{limit}", 5),
                          ("BITFIELD", "k", "GET", "i64", int(limit) * 8 - 1), ("STRLEN", "k")):
                theirs = other.execute(*words).value
                try:
                    ours = r.execute_command(*words)
                except redis.ResponseError as error:
                    assert str(error) in str(theirs)
                else:
                    assert ours == theirs
    other.execute("CONFIG", "SET", "proto-max-bulk-len", 536870912)


@pytest.mark.parametrize("level", range(bits.best_level() + 1))
def test_bitop_over_its_own_sources(r, level):
    """The result goes over the destination's block where it fits; deadlines go, and so do other types."""
    best = bits.best_level()
    bits.set_level(level)
    try:
        chance, model = random.Random(level), Model()
        names = ["a", "b", "c", "d"]
        for turn in range(300):
            key = chance.choice(names)
            made = [("SET", key, chance.randbytes(chance.choice((0, 10, 600, 700, 1400, 5000))))]
            if chance.random() < 0.2:
                made.append(("EXPIRE", key, 1000))
            elif chance.random() < 0.1:
                made = [("DEL", key), ("RPUSH", key, "x")]
            operation = chance.choice(("AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"))
            sources = [chance.choice(names) for _ in range(1 if operation == "NOT" else chance.randint(2, 5))]
            made.append(("BITOP", operation, chance.choice(names), *sources))
            made += [(command, name) for name in names for command in ("GET", "TTL", "TYPE")]
            for words in made:
                expected = model.execute(*words)
                try:
                    found = r.execute_command(*words)
                except redis.ResponseError as error:
                    assert str(error).encode() in expected.text or b"WRONGTYPE" in expected.text
                else:
                    assert found == getattr(expected, "text", expected) or words[0] == "TTL" and found > 900 or found is True, words
    finally:
        bits.set_level(best)


words = st.one_of(
    st.tuples(st.just("GET"), st.tuples(st.sampled_from("iu"), st.integers(1, 63)), st.integers(0, 200)),
    st.tuples(st.sampled_from(("SET", "INCRBY")), st.tuples(st.sampled_from("iu"), st.integers(1, 63)), st.integers(0, 200),
              st.integers(-2**63, 2**63 - 1) | st.integers(-300, 300)),
    st.tuples(st.just("OVERFLOW"), st.sampled_from(("WRAP", "SAT", "FAIL"))))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.lists(words, max_size=8))
def test_bitfield_is_what_the_model_says(text, subcommands):
    argv = ["BITFIELD", "k"]
    for subcommand in subcommands:
        argv += [f"{word[0]}{word[1]}" if isinstance(word, tuple) else str(word) for word in subcommand]
    model = Model()
    with hutch.Redis() as r:
        for run in (("SET", "k", text), argv, ("GET", "k")):
            expected = model.execute(*run)
            assert r.execute_command(*run) in (expected, True)


def test_bitfield_objects_of_redis_py(r):
    field = r.bitfield("k", "SAT")
    assert field.incrby("u2", 100, 5).set("i8", "#1", -5).get("i8", 8).execute() == [3, 0, -5]
    assert r.bitfield_ro("k", "i8", 8, [("u2", 100)]) == [-5, 3]
