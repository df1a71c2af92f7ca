"""volatile-ttl: what goes is what would have gone first anyway, exactly."""
import random
import time

import pytest

import hutch
from hutch.exceptions import ResponseError


def used(client):
    return client.info("memory")["used_memory"]


@pytest.mark.parametrize("spread_s", [10, 3600, 86400 * 30])
def test_the_nearest_deadlines_go_first(spread_s):
    generator = random.Random(spread_s)
    with hutch.Redis() as client:
        client.config_set("maxmemory-policy", "volatile-ttl")
        from_ms = int(time.time() * 1000) + 1_000_000
        deadlines = {}
        for number in range(1000):
            deadlines[f"key:{number}"] = from_ms + generator.randrange(spread_s * 1000)
            client.set(f"key:{number}", "v" * 300, pxat=deadlines[f"key:{number}"])
        client.set("forever", "v")
        client.config_set("maxmemory", used(client) - 100_000)
        client.set("forever", "w")
        left = {key.decode() for key in client.keys("key:*")}
        evicted = len(deadlines) - len(left)
        assert 100 < evicted < 900 and client.info("stats")["evicted_keys"] == evicted
        assert sorted(map(deadlines.get, left)) == sorted(deadlines.values())[evicted:]
        assert client.get("forever") == b"w"
        # It stays so while keys come and go, nearer and farther ones.
        for number in range(1000, 2000):
            name = f"key:{number}"
            deadlines[name] = from_ms + generator.randrange(spread_s * 1000)
            client.set(name, "v" * 300, pxat=deadlines[name])
            there = {key.decode() for key in client.keys("key:*")}
            gone = left - there
            assert sorted(map(deadlines.get, gone)) == sorted(map(deadlines.get, left))[:len(gone)]
            left = there
        assert client.info("stats")["evicted_keys"] > evicted + 500


def test_of_all_databases():
    with hutch.Store() as store:
        first, second = hutch.Redis(store=store), hutch.Redis(store=store, db=3)
        first.config_set("maxmemory-policy", "volatile-ttl")
        for number in range(500):
            (first if number % 2 else second).set(number, "v" * 300, ex=1000 + number)
        first.config_set("maxmemory", used(first) - 50_000)
        first.set("x", "y")
        left = sorted(int(key) for client in (first, second) for key in client.keys("[0-9]*"))
        assert left == list(range(500 - len(left), 500)) and len(left) < 450


def test_keys_without_deadlines_stay():
    with hutch.Redis() as client:
        client.config_set("maxmemory-policy", "volatile-ttl")
        for number in range(200):
            client.set(number, "v" * 300)
        client.config_set("maxmemory", used(client) - 1000)
        with pytest.raises(ResponseError, match="command not allowed when used memory"):
            client.set("more", "v")
        assert client.dbsize() == 200


def test_deleted_changed_and_flushed_while_a_slot_is_open():
    generator = random.Random(1)
    with hutch.Redis() as client:
        client.config_set("maxmemory-policy", "volatile-ttl")
        for number in range(3000):
            client.set(number, "v" * 300, ex=86400 * 20 + generator.randrange(86400 * 5))
        client.config_set("maxmemory", used(client) - 100_000)
        client.set("x", "y")
        for number in range(0, 3000, 3):
            client.delete(number)
        for number in range(1, 3000, 3):
            client.persist(number)
        for number in range(2, 3000, 3):
            client.expire(number, generator.randrange(10, 86400 * 30))
        for number in range(3000, 6000):
            client.set(number, "v" * 300, ex=86400 * 20 + generator.randrange(86400 * 5))
        assert client.dbsize() > 0
        client.flushall()
        client.set("a", "b", ex=100)
        assert client.ttl("a") == 100
