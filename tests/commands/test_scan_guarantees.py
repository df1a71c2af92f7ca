"""SCAN, SSCAN, HSCAN and ZSCAN while others change what is scanned.

Whatever is there from the first call to the last comes at least once; what comes was there when it came; and the end is reached
once the changes end. Tables grow and shrink between the calls, and packed values become large ones.
"""
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

import hutch

KINDS = ("SCAN", "SSCAN", "SSCAN of numbers", "HSCAN", "HSCAN NOVALUES", "ZSCAN")


class Scanned:
    """One value (or the keys) with members that are numbers, and how each kind of it is changed and scanned."""

    def __init__(self, kind, small):
        self.kind = kind
        self.client = hutch.Redis(store=hutch.Store(seed=1), decode_responses=True)
        for limit, usual in (("set-max-intset-entries", 512), ("set-max-listpack-entries", 128), ("hash-max-listpack-entries", 512),
                             ("zset-max-listpack-entries", 128)):
            self.client.config_set(limit, usual if small else 0)

    def name(self, number):
        return str(number) if "numbers" in self.kind else f"m{number}"

    def add(self, numbers):
        names = [self.name(number) for number in numbers]
        if not names:
            return
        if self.kind == "SCAN":
            self.client.mset(dict.fromkeys(names, "v"))
        elif self.kind.startswith("SSCAN"):
            self.client.sadd("k", *names)
        elif self.kind.startswith("HSCAN"):
            self.client.hset("k", mapping={name: "v" + name for name in names})
        else:
            self.client.zadd("k", {name: int(name[1:]) for name in names})

    def remove(self, numbers):
        names = [self.name(number) for number in numbers]
        if names:
            {"SC": lambda: self.client.delete(*names), "SS": lambda: self.client.srem("k", *names),
             "HS": lambda: self.client.hdel("k", *names), "ZS": lambda: self.client.zrem("k", *names)}[self.kind[:2]]()

    def scan(self, cursor, count):
        """The next cursor and the names; values are checked here."""
        if self.kind == "SCAN":
            return self.client.scan(cursor, count=count)
        if self.kind.startswith("SSCAN"):
            return self.client.sscan("k", cursor, count=count)
        if self.kind == "HSCAN NOVALUES":
            return self.client.hscan("k", cursor, count=count, no_values=True)
        if self.kind == "HSCAN":
            cursor, found = self.client.hscan("k", cursor, count=count)
            assert all(value == "v" + name for name, value in found.items())
            return cursor, list(found)
        cursor, found = self.client.zscan("k", cursor, count=count)
        assert all(score == int(name[1:]) for name, score in found)
        return cursor, [name for name, _ in found]


changes = st.lists(st.tuples(st.sampled_from(["add", "remove", "remove all", "nothing"]), st.integers(0, 1500), st.integers(1, 1200)), max_size=12)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(small=st.booleans(), stay=st.integers(1, 300), others=st.integers(0, 1500), count=st.sampled_from([1, 7, 10, 100, 1000]), plan=changes)
def test_what_stays_is_seen(kind, small, stay, others, count, plan):
    it = Scanned(kind, small)
    steady = set(range(0, 3000, 10)[:stay])
    present = steady | {number for number in range(others) if number % 10}
    it.add(present)
    plan, cursor, seen = list(plan), 0, set()
    for _ in range(20_000):
        cursor, names = it.scan(cursor, count)
        assert set(names) <= {it.name(number) for number in present}      # nothing that is gone, nothing made up
        seen.update(names)
        if cursor == 0:
            break
        if plan:
            what, start, number = plan.pop(0)
            touched = {i for i in range(start, start + number) if i % 10}
            if what == "add":
                it.add(touched)
                present |= touched
            elif what == "remove":
                it.remove(touched & present)
                present -= touched
            elif what == "remove all":
                it.remove(present - steady)
                present = set(steady)
    assert cursor == 0, "it never ended"
    assert {it.name(number) for number in steady} <= seen
    it.client.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_becomes_large_and_small_again_in_mid_scan(kind):
    """Every size at which the scan can be, with the table doubled and with it emptied before the second call."""
    for size in (1, 9, 130, 600, 3000):
        for grow in (True, False):
            it = Scanned(kind, True)
            it.add(range(size))
            cursor, names = it.scan(0, 5)
            seen = set(names)
            if grow:
                it.add(range(size, size * 9 + 600))
                stay = range(size)
            else:
                stay = range(0, size, 50)
                it.remove(set(range(size)) - set(stay))
            while cursor:
                cursor, names = it.scan(cursor, 5)
                seen.update(names)
            assert {it.name(number) for number in stay} <= seen
            it.client.close()
