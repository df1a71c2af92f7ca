"""Sorted sets as commands: what the random commands beside Redis (tests/families/sorted_sets.py) cannot compare."""
from collections import Counter

import hutch
import pytest
from kit.chi_square import chi_square


@pytest.fixture(params=[128, 0], ids=["packed", "tree"])
def r(request):
    client = hutch.Redis(store=hutch.Store(seed=5))
    client.config_set("zset-max-listpack-entries", request.param)
    yield client
    client.close()


@pytest.mark.parametrize("arguments", [(), (1,), (-1,), (3,), (-3,), (60,)])
def test_zrandmember_is_fair(r, arguments):
    names = [b"%d" % i for i in range(100)]
    r.zadd("z", {name: i // 10 for i, name in enumerate(names)})
    counts = Counter()
    while counts.total() < 20_000:
        drawn = r.execute_command("ZRANDMEMBER", "z", *arguments)
        drawn = drawn if isinstance(drawn, list) else [drawn]
        if arguments and arguments[0] > 0:
            assert len(set(drawn)) == arguments[0]
        counts.update(drawn)
    assert set(counts) == set(names)
    assert chi_square([counts[name] for name in names], counts.total() / len(names)) < 160          # 99 degrees of freedom: p < 0.0001 beyond


def test_zrandmember_draws_few_of_many(r):
    """Distinct draws from a set that is too large to be walked: each member as likely, each order, too."""
    names = [b"%d" % i for i in range(200)]
    r.zadd("z", dict.fromkeys(names, 1))
    counts, firsts = Counter(), Counter()
    for _ in range(4_000):
        drawn = r.zrandmember("z", 5)
        assert len(set(drawn)) == 5
        counts.update(drawn)
        firsts[drawn.index(max(drawn))] += 1
    assert chi_square([counts[name] for name in names], counts.total() / len(names)) < 290          # 199 degrees of freedom
    if r.object("encoding", "z") == b"skiplist":
        assert chi_square([firsts[number] for number in range(5)], 4_000 / 5) < 24             # 4 degrees


def test_an_emptied_set_goes_whatever_emptied_it(r):
    for remove in (("ZREM", "z", "a", "b"), ("ZPOPMIN", "z", 2), ("ZPOPMAX", "z", 5), ("ZMPOP", 1, "z", "MAX", "COUNT", 9),
                   ("ZREMRANGEBYRANK", "z", 0, -1), ("ZREMRANGEBYSCORE", "z", "-inf", "inf"), ("ZREMRANGEBYLEX", "z", "-", "+"),
                   ("ZRANGESTORE", "z", "z", 5, 9), ("ZDIFFSTORE", "z", 2, "z", "z")):
        r.zadd("z", {"a": 1, "b": 1})
        r.execute_command(*remove)
        assert not r.exists("z"), remove


def test_a_result_may_replace_its_source(r):
    r.zadd("z", {"a": 1, "b": 2, "c": 3})
    assert r.execute_command("ZRANGESTORE", "z", "z", 1, 2) == 2
    assert r.execute_command("ZUNIONSTORE", "z", 2, "z", "z") == 2
    assert r.zrange("z", 0, -1, withscores=True) in ([(b"b", 4.0), (b"c", 6.0)], [[b"b", 4.0], [b"c", 6.0]])


def test_a_copy_is_a_value_of_its_own(r):
    r.zadd("z", {"m%d" % i: i for i in range(100)})
    r.copy("z", "y")
    r.zremrangebyrank("z", 10, 89)
    assert (r.zcard("z"), r.zcard("y")) == (20, 100)
    assert r.zrank("y", "m50") == 50


def test_scan_sees_what_stays_while_others_come_and_go(r):
    stay = {b"stay%d" % i for i in range(500)}
    r.zadd("z", dict.fromkeys(stay, 1))
    seen, cursor, i = set(), 0, 0
    while True:
        cursor, batch = r.zscan("z", cursor, count=7)
        seen.update(pair[0] for pair in batch)
        r.zadd("z", {"come%d" % (i + j): j for j in range(40)})
        if i > 400:
            r.zrem("z", *("come%d" % (i - 400 + j) for j in range(40)))
        i += 40
        if cursor == 0 or i > 100_000:
            break
    assert cursor == 0 and stay <= seen


def test_large_sets_leave_no_memory_behind():
    r = hutch.Redis()
    r.set("x", 1)
    before = r.info("memory")["used_memory"]
    for name in ("DEL", "UNLINK", "SET"):
        for at in range(0, 20_000, 1_000):
            r.zadd("z", {"member%d" % (at + i): (at + i) * 7919 % 1000 for i in range(1_000)})
        r.execute_command(*((name, "z", "x") if name == "SET" else (name, "z")))
        r.delete("z")
        for _ in range(200):
            if r.info("memory")["used_memory"] <= before + 8_192:
                break
            __import__("time").sleep(0.02)
        assert r.info("memory")["used_memory"] <= before + 8_192


@pytest.mark.parametrize("command", [
    ("ZADD", "z", 5, b"n" * 5000), ("ZADD", "absent", 5, b"n" * 5000), ("ZINCRBY", "z", 1, b"n" * 5000), ("ZUNIONSTORE", "out", 2, "z", "long"),
    ("ZINTERSTORE", "out", 2, "long", "long"), ("ZDIFFSTORE", "out", 1, "long"), ("ZUNION", 1, "long"), ("ZRANGESTORE", "out", "long", 0, -1),
    ("COPY", "long", "absent"), ("ZRANGESTORE", "z", "long", 0, -1),
])
@pytest.mark.parametrize("limits", [(128, 10_000), (0, 0)], ids=["packed", "tree"])
def test_refused_memory_changes_nothing(command, limits):
    store = pytest.importorskip("shims.commands").Store()

    def run(*words):
        return store.run([word if isinstance(word, bytes) else str(word).encode() for word in words])[0]
    store.limit_sorted_sets(*limits)
    run("ZADD", "z", 1, "a", 2, "b")
    run("ZADD", "long", 1, b"l" * 4000, 2, b"m" * 4000)
    state = ("ZRANGE", "z", 0, -1, "WITHSCORES"), ("ZRANGE", "long", 0, -1, "WITHSCORES"), ("EXISTS", "out", "absent")
    before = [run(*ask) for ask in state]
    dirty = store.counters()["dirty"]
    store.fail_after(0)
    assert run(*command).startswith(b"-OOM")
    store.fail_after()
    assert store.counters()["dirty"] == dirty
    assert [run(*ask) for ask in state] == before
