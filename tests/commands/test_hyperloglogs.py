"""HyperLogLogs beside Redis: equal bytes after every so many elements, values that move between the two, and what PFCOUNT leaves
behind."""
import random

import hutch
import pytest
import redis

from kit.resp_client import RespClient


@pytest.fixture
def other(oracle):
    with RespClient(oracle.host, oracle.port) as client:
        client.execute("FLUSHALL")
        yield client


@pytest.fixture
def r():
    with hutch.Redis() as client:
        yield client


@pytest.mark.parametrize("sparse_max", (3000, 100, 0, 14000))
@pytest.mark.parametrize("batch", (1, 7, 400))
def test_bytes_and_counts_are_equal(r, other, batch, sparse_max):
    chance = random.Random(batch)
    r.config_set("hll-sparse-max-bytes", sparse_max)
    other.execute("CONFIG", "SET", "hll-sparse-max-bytes", sparse_max)
    for turn in range(120 if batch == 1 else 40):
        elements = [chance.randbytes(chance.randint(0, 30)) for _ in range(batch)]
        assert r.pfadd("k", *elements) == other.execute("PFADD", "k", *elements).value
        if turn % 3 == 0:
            assert r.pfcount("k") == other.execute("PFCOUNT", "k").value
        assert r.get("k") == other.execute("GET", "k").value
    assert r.execute_command("PFDEBUG", "ENCODING", "k") == other.execute("PFDEBUG", "ENCODING", "k").value.text
    other.execute("CONFIG", "SET", "hll-sparse-max-bytes", 3000)


def test_values_move_between_both(r, other):
    for count in (0, 3, 500, 20_000):
        other.execute("PFADD", "theirs", *range(count))
        r.pfadd("ours", *range(count // 2, count * 2))
        r.restore("theirs", 0, other.execute("DUMP", "theirs").value, replace=True)
        other.execute("RESTORE", "ours", 0, r.dump("ours"), "REPLACE")
        assert r.pfcount("theirs") == other.execute("PFCOUNT", "theirs").value
        assert r.pfcount("ours", "theirs") == other.execute("PFCOUNT", "ours", "theirs").value
        assert r.pfmerge("both", "ours", "theirs") and other.execute("PFMERGE", "both", "ours", "theirs").value
        assert r.get("both") == other.execute("GET", "both").value
        assert r.pfcount("both") == r.pfcount("ours", "theirs") == other.execute("PFCOUNT", "both").value
        assert r.pfadd("theirs", "more", "of", "it") == other.execute("PFADD", "theirs", "more", "of", "it").value
        assert r.get("theirs") == other.execute("GET", "theirs").value


def test_a_count_is_kept_with_the_value(r):
    """PFCOUNT of one key writes: whoever watches the key hears of it, once."""
    r.pfadd("k", "a", "b")
    before = r.get("k")
    with r.pipeline() as pipe:
        pipe.watch("k")
        assert r.pfcount("k") == 2
        pipe.multi()
        pipe.get("k")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    after = r.get("k")
    assert before[8:16] != after[8:16] == (2).to_bytes(8, "little")
    with r.pipeline() as pipe:
        pipe.watch("k")
        assert r.pfcount("k") == 2
        pipe.multi()
        pipe.get("k")
        assert pipe.execute() == [after]


def test_corrupt_runs_change_nothing(r):
    """Redis has added the earlier elements when it finds out at a later one; here nothing is half done."""
    value = b"HYLL\x01" + bytes(11) + b"\x7f\xf0"        # some runs are missing at the end
    r.set("k", value)
    for command in (("PFADD", "k", *range(3000)), ("PFMERGE", "k", "k"), ("PFDEBUG", "TODENSE", "k"), ("PFDEBUG", "GETREG", "k"),
                    ("PFCOUNT", "k", "k")):
        with pytest.raises(redis.ResponseError, match="INVALIDOBJ Corrupted HLL object detected"):
            r.execute_command(*command)
        assert r.get("k") == value


def test_self_test(r):
    assert r.execute_command("PFSELFTEST") in (True, "OK", b"OK")


@pytest.mark.parametrize("simd", ("ON", "OFF"))
def test_debugging_is_as_in_redis(r, other, simd):
    r.execute_command("PFDEBUG", "SIMD", simd)
    for count in (2, 3000):
        for words in (("PFADD", "k", *range(count)), ("PFDEBUG", "ENCODING", "k"), ("PFDEBUG", "GETREG", "k"), ("GET", "k"),
                      ("PFDEBUG", "TODENSE", "k"), ("PFCOUNT", "k"), ("PFMERGE", "l", "k"), ("GET", "l"), ("DEL", "k")):
            theirs = other.execute(*words).value
            ours = r.execute_command(*words)
            assert ours == getattr(theirs, "text", theirs) or ours is True, words
    r.execute_command("PFDEBUG", "SIMD", "ON")
