"""Read-through, write-through, write-around: what the source is asked, and what the cache has afterwards."""
import asyncio
import threading

import pytest

from hutch.cache import (
    AsyncReadThrough, AsyncWriteAround, AsyncWriteThrough, Cache, ReadThrough, WriteAround, WriteThrough)


class Source:
    """A database of sorts, which notes what it is asked."""

    def __init__(self, **values):
        self.values, self.asked, self.broken = dict(values), [], False

    def load(self, key):
        self.asked.append(("load", key))
        return self.values.get(key)

    def load_many(self, keys):
        self.asked.append(("load_many", *keys))
        return {key: self.values[key] for key in keys if key in self.values}

    def write(self, key, value):
        self.asked.append(("write", key))
        if self.broken:
            raise OSError("down")
        self.values[key] = value

    def erase(self, key):
        self.asked.append(("erase", key))
        self.values.pop(key, None)


def test_read_through(any_client):
    source = Source(a=1, b=2)
    users = ReadThrough(Cache(any_client, ttl=60, negative_ttl=5), "user", load=source.load, tags=lambda key: ["users"])
    assert users.get("a") == users.get("a") == 1 and users.get("x") is None and users.get("x") is None
    assert source.asked == [("load", "a"), ("load", "x")]
    assert users.get_many(["a", "b", "x"]) == {"a": 1, "b": 2} and source.asked[2:] == [("load", "b")]
    assert users.invalidate("a", "b") == 2
    users.get("a")
    assert users.cache.invalidate_tags("users") == 2         # a, and that there is no x


def test_many_at_once(any_client):
    source = Source(a=1, b=2, c=3)
    users = ReadThrough(Cache(any_client, ttl=60, negative_ttl=5), "user", load_many=source.load_many)
    assert users.get_many(["a", "b", "x", "a"]) == {"a": 1, "b": 2}
    assert users.get_many(["a", "b", "c", "x"]) == {"a": 1, "b": 2, "c": 3}
    assert source.asked == [("load_many", "a", "b", "x"), ("load_many", "c")]
    assert users.get("c") == 3 and users.get_many([]) == {} and not any_client.keys("cache!lease*")
    users.invalidate("c")
    assert users.get("c") == 3 and source.asked[2:] == [("load_many", "c")]


def test_what_is_invalidated_while_many_are_loaded_is_not_kept(held):
    cache = held.cache()

    def load_many(keys):
        cache.invalidate_prefix("user:a")
        users.invalidate("b")
        return dict.fromkeys(keys, 1)
    users = ReadThrough(cache, "user", load_many=load_many)
    assert users.get_many(["a", "b"]) == {"a": 1, "b": 1}
    assert not held.client.keys("cache:*")

    def broken(keys):
        raise OSError("down")
    with pytest.raises(OSError):
        ReadThrough(cache, "user", load_many=broken).get_many(["a", "b"])
    assert not held.client.keys("cache!lease:*")


def test_write_through(any_client):
    source = Source()
    users = WriteThrough(Cache(any_client, ttl=60), "user", load=source.load, write=source.write, erase=source.erase)
    users.set("a", {"x": 1})
    assert source.values == {"a": {"x": 1}} and users.get("a") == {"x": 1} and source.asked == [("write", "a")]
    source.broken = True
    with pytest.raises(OSError):
        users.set("a", {"x": 2})
    assert not any_client.exists("cache:user:a")
    source.broken = False
    users.set("a", 3)
    users.delete("a")
    assert users.get("a") is None and not source.values and not any_client.keys("cache!lease*")


def test_a_write_overtakes_a_load(held):
    """What is loaded before a write is not kept after it."""
    cache = held.cache()
    source = Source(a="old")
    loading, written = threading.Event(), threading.Event()

    def load(key):
        value = source.load(key)
        loading.set()
        written.wait(30)
        return value
    for kind in (WriteThrough, WriteAround):
        source.values["a"] = "old"
        users = kind(cache, f"user{kind.__name__}", load=load, write=source.write)
        loading.clear(), written.clear()
        got = []
        thread = threading.Thread(target=lambda: got.append(users.get("a")))
        thread.start()
        assert loading.wait(30)
        users.set("a", "new")                      # does not wait for the load
        written.set()
        thread.join()
        assert got == ["old"] and users.get("a") == "new"


def test_two_writers_one_after_the_other(any_client):
    """The cache ends with what the source ends with."""
    values = {}

    def write(key, value):
        threading.Event().wait(0.002)
        values[key] = value
    writers = [WriteThrough(Cache(any_client), "user", write=write) for _ in range(4)]

    def run(writer, number):
        for turn in range(5):
            writer.set("a", [number, turn])
    threads = [threading.Thread(target=run, args=(writer, number)) for number, writer in enumerate(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writers[0].cache.get("user:a") == values["a"]


def test_a_write_that_outlives_its_lease_leaves_nothing(held):
    cache = held.cache(lease=5)
    users = WriteThrough(cache, "user", write=lambda key, value: held.advance(6))
    users.set("a", 1)
    assert not held.client.keys("cache*:*a")


def test_write_around(held):
    source = Source(a=1)
    users = WriteAround(held.cache(), "user", load=source.load, write=source.write, erase=source.erase)
    users.get("a")
    users.set("a", 2)
    assert not held.client.exists("cache:user:a") and users.get("a") == 2
    users.delete("a")
    assert users.get("a") is None


def test_without_functions():
    cache = Cache()
    with pytest.raises(TypeError, match="load="):
        ReadThrough(cache, "x").get("a")
    with pytest.raises(TypeError, match="erase="):
        WriteThrough(cache, "x", write=lambda key, value: None).delete("a")


def test_asyncio(held):
    async def main():
        source = Source(a=1, b=2)

        async def load(key):
            return source.load(key)

        async def load_many(keys):
            return source.load_many(keys)

        async def write(key, value):
            source.write(key, value)

        async def erase(key):
            source.erase(key)
        cache = held.async_cache()
        users = AsyncReadThrough(cache, "r", load_many=load_many)
        assert await users.get("a") == 1 and await users.get_many(["a", "b"]) == {"a": 1, "b": 2} and await users.invalidate("a") == 1
        through = AsyncWriteThrough(cache, "t", load=load, write=write, erase=erase)
        await through.set("c", 3)
        assert source.values["c"] == 3 and await through.get("c") == 3 and source.asked[-1] == ("write", "c")
        await through.delete("c")
        assert await through.get("c") is None
        around = AsyncWriteAround(cache, "o", load=load, write=write, erase=erase)
        await around.set("d", 4)
        assert source.asked[-1] == ("write", "d") and await around.get("d") == 4 and source.asked[-1] == ("load", "d")
        await around.delete("d")
        await cache.close()
    asyncio.run(main())
