"""Write-behind: what reaches the source, when, and what is left when it does not."""
import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import hutch
from hutch.cache import AsyncCache, AsyncWriteBehind, Cache, QueueFullError, WriteBehind, WriteError
from hutch.cache.write_behind import _TAKE


class Source:
    def __init__(self):
        self.values, self.batches, self.broken = {}, [], set()

    def write_many(self, values):
        self.batches.append(dict(values))
        if self.broken & set(values):
            raise OSError("down")
        self.values.update(values)

    def erase_many(self, keys):
        for key in keys:
            self.values.pop(key, None)

    def load(self, key):
        return self.values.get(key)


def behind(cache, source, **options):
    options = {"gather": 1, "start": False, **options}
    return WriteBehind(cache, "s", write_many=source.write_many, erase_many=source.erase_many, load=source.load, **options)


def test_in_batches_after_a_while(held):
    source = Source()
    store = behind(held.cache(), source, batch=3)
    for number in range(5):
        store.set(f"k{number}", number)
    store.set("k0", "newer")
    assert store.write_now() == 0 and store.pending == 5 and store.get("k0") == "newer"
    held.advance(1.1)
    assert store.write_now() == 3 and store.write_now() == 2 and store.write_now() == 0
    assert [len(batch) for batch in source.batches] == [3, 2] and source.values == {"k0": "newer", **{f"k{n}": n for n in range(1, 5)}}
    store.delete("k1")
    store.flush()
    assert "k1" not in source.values and store.pending == 0 and store.get("k1") is None
    assert store.cache.statistics.write == 6


def test_on_any_store(any_client):
    source = Source()
    store = behind(Cache(any_client), source, gather=0)
    store.set(("a", 1), {"x": b"\xff"})
    store.set(7, None)
    store.flush()
    assert source.values == {("a", 1): {"x": b"\xff"}, 7: None}
    source.broken.add("bad")
    broken = behind(Cache(any_client), source, gather=0, tries=1)
    broken.set("bad", 1)
    assert broken.write_now() == 1 and broken.failed()[0].error == "OSError: down"
    assert broken.drop_failed("bad") == 1 and broken.failed() == []
    left = [key if isinstance(key, str) else key.decode() for key in any_client.keys("cache!*")]
    assert left == ["cache!behind:s:version"]


def test_a_failed_write_is_tried_again_with_longer_pauses(held):
    source = Source()
    source.broken.add("bad")
    store = behind(held.cache(), source, gather=0, tries=4, pause=1, longest_pause=3)
    store.set("bad", 1), store.set("good", 2)
    store.write_now()
    assert source.values == {"good": 2} and store.pending == 1         # one bad value holds up no other
    for pause in (1, 2, 3):
        held.advance(pause - 0.01)
        assert store.write_now() == 0
        held.advance(0.011)
        assert store.write_now() == 1
    failed = store.failed()
    assert [(write.key, write.value, write.erased, write.error) for write in failed] == [("bad", 1, False, "OSError: down")]
    assert store.pending == 0
    store.cache.delete("s:bad")
    assert store.get("bad") == 1                                       # kept, and newer than the source
    with pytest.raises(WriteError):
        store.flush()
    source.broken.clear()
    assert store.retry_failed() == 1 and store.failed() == []
    store.flush()
    assert source.values["bad"] == 1


def test_a_newer_value_replaces_one_that_failed(held):
    source = Source()
    source.broken.add("k")
    store = behind(held.cache(), source, gather=0, tries=1)
    store.set("k", 1)
    store.write_now()
    source.broken.clear()
    store.set("k", 2)
    assert store.failed() == []
    store.flush()
    assert source.values == {"k": 2}


def test_what_waits_is_read_although_the_cache_forgot_it(held):
    source = Source()
    source.values.update(a="old", b="old")
    store = behind(held.cache(ttl=5), source, gather=100)
    store.set("a", "new")
    store.delete("b")
    held.advance(6)
    assert store.get("a") == "new" and store.get("b") is None and store.get_many(["a", "b"]) == {"a": "new"}
    store.invalidate("a")
    assert store.get("a") == "new"


def test_a_value_that_is_set_while_the_older_one_is_written(held):
    source = Source()
    store = behind(held.cache(), source, gather=0)
    write = source.write_many

    def slow(values):
        if values == {"k": 1}:
            store.set("k", 2)
            assert store.write_now() == 0                              # nobody else writes the key meanwhile
        write(values)
    store._write_many = slow
    store.set("k", 1)
    assert store.write_now() == 1 and store.pending == 1
    held.advance(0.002)
    assert store.write_now() == 1 and source.batches == [{"k": 1}, {"k": 2}] and store.pending == 0


def test_who_is_killed_while_writing_is_relieved(held):
    source = Source()
    first, second = behind(held.cache(), source, gather=0, write_lease=30), behind(held.cache(), source, gather=0)
    first.set("k", 1)

    def killed(values):
        raise KeyboardInterrupt
    first._write_many = killed
    with pytest.raises(KeyboardInterrupt):
        first.write_now()
    assert second.write_now() == 0 and second.pending == 1
    held.advance(31)
    assert second.write_now() == 1 and source.values == {"k": 1}


def test_the_queue_is_bounded(held):
    store = behind(held.cache(), Source(), max_queue=2)
    store.set("a", 1), store.set("b", 1), store.set("a", 2)
    with pytest.raises(QueueFullError):
        store.set("c", 1)
    with pytest.raises(QueueFullError):
        store.delete("c")
    assert store.cache.get("s:c") is None and store.pending == 2
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        store.flush()
    store.cache._sleep, store._put_timeout = sleep, 1
    store.set("c", 1)
    assert slept and store.get("c") == 1


def test_what_cannot_be_written_changes_nothing(held):
    store = behind(held.cache(), Source())
    with pytest.raises(TypeError):
        store.set("k", object())
    assert store.pending == 0 and held.client.dbsize() == 0
    with pytest.raises(TypeError):
        WriteBehind(held.cache(), "x")
    with pytest.raises(ValueError):
        behind(held.cache(), Source(), batch=0)
    with pytest.raises(TypeError, match="erase"):
        WriteBehind(held.cache(), "x", write=print, start=False).delete("k")


def test_the_thread_writes(any_client):
    done, values = threading.Event(), {}

    def write(key, value):
        values[key] = value
        if len(values) == 300:
            done.set()
    with WriteBehind(Cache(any_client), "s", write=write, gather=0.001, batch=50) as store:
        for number in range(300):
            store.set(number, number)
        assert done.wait(60)
    assert values == {number: number for number in range(300)} and store.pending == 0


def test_close_writes_what_waits_or_says_what_is_left(held):
    source = Source()
    store = behind(held.cache(), source, gather=1000)
    store.set("a", 1)
    store.close()
    assert source.values == {"a": 1}
    source.broken.add("b")
    again = behind(held.cache(), source, gather=1000)
    again.set("b", 1)
    with pytest.raises(WriteError, match="1 writes wait"):
        again.close()
    assert held.client.hlen("cache!behind:s:what") == 1


def test_asyncio(held):
    async def main():
        source = Source()

        async def write_many(values):
            source.write_many(values)

        async def erase_many(keys):
            source.erase_many(keys)

        async def load(key):
            return source.load(key)
        cache = AsyncCache(hutch.asyncio.Redis(store=held.store))
        async with AsyncWriteBehind(cache, "s", write_many=write_many, erase_many=erase_many, load=load, gather=0, tries=1) as store:
            await store.set("a", 1)
            await store.set("b", 2)
            while await store.pending():
                await asyncio.sleep(0.001)
            assert source.values == {"a": 1, "b": 2} and await store.get_many(["a", "b"]) == source.values
            await store.delete("a")
            await store.flush()
            assert source.values == {"b": 2} and await store.get("a") is None
            source.broken.add("c")
            await store.set("c", 1)
            while not await store.failed():
                await asyncio.sleep(0.001)
            source.broken.clear()
            await store.retry_failed()
            while "c" not in source.values:
                await asyncio.sleep(0.001)
            await store.set("d", 1)
        assert source.values["d"] == 1
        await cache.close()
    asyncio.run(main())


class AsAModel(RuleBasedStateMachine):
    """Whatever fails and whoever writes: the source ends with the last value of each key, and nothing is lost."""

    def __init__(self):
        super().__init__()
        self.store = hutch.Store()
        self.store.engine.set_clock_ms(1_700_000_000_000)
        self.source, self.model = Source(), {}
        self.writers = [behind(Cache(hutch.Redis(store=self.store), ttl=3), self.source, gather=1, tries=2, batch=2, pause=1) for _ in range(2)]

    keys, who = st.sampled_from("abcd"), st.integers(0, 1)

    @rule(key=keys, value=st.integers(), who=who)
    def set(self, key, value, who):
        self.writers[who].set(key, value)
        self.model[key] = value

    @rule(key=keys, who=who)
    def delete(self, key, who):
        self.writers[who].delete(key)
        self.model.pop(key, None)

    @rule(key=keys)
    def breaks(self, key):
        self.source.broken.add(key)

    @rule()
    def mended(self):
        self.source.broken.clear()

    @rule(seconds=st.sampled_from([0.5, 1.1, 4, 100]))
    def later(self, seconds):
        self.store.engine.advance_clock_ms(seconds * 1000)

    @rule(who=who)
    def writes(self, who):
        self.writers[who].write_now()

    @rule(who=who)
    def killed_amid_a_write(self, who):
        writer = self.writers[who]
        reply = writer.cache._store.script(_TAKE, writer._keys, (2, 5000, "0"))
        assert len(reply) <= 4

    @rule()
    def retried(self):
        self.writers[0].retry_failed()

    @invariant()
    def the_last_value_is_read(self):
        for key in "abcd":
            assert self.writers[1].get(key) == self.model.get(key)

    def teardown(self):
        self.source.broken.clear()
        self.store.engine.advance_clock_ms(1_000_000)
        self.writers[0].retry_failed()
        self.writers[0].flush()
        assert self.source.values == self.model
        self.store.close()


AsAModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TestAsAModel = AsAModel.TestCase

PROGRAM = textwrap.dedent("""
    import os, sys, time
    import hutch
    from hutch.cache import Cache, WriteBehind
    path, log, end = sys.argv[1:]
    cache = Cache(hutch.Redis(path, appendfsync="always"))
    source = open(log, "a", buffering=1)
    def write_many(values):
        source.write("".join(f"{key} {value}\\n" for key, value in values.items()))
    behind = WriteBehind(cache, "s", write_many=write_many, gather=0.02, batch=7, write_lease=0.5)
    number = 0
    while end == "kill" or number < 50:
        behind.set(f"key{number % 100}", number)
        os.write(1, b"%d\\n" % number)
        number += 1
""")


def written(log):
    values = {}
    for line in log.read_text().splitlines():
        if line.count(" ") == 1:
            key, value = line.split()
            values[key] = int(value)
    return values


def test_a_killed_process_loses_no_write(tmp_path):
    """A store with a path: whoever comes next writes what the killed process was told is kept."""
    log, path = tmp_path / "source", tmp_path / "store"
    acknowledged = -1
    for kill_after in (50, 400, 900):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), str(log), "kill"], stdout=subprocess.PIPE)
        for _ in range(kill_after):
            acknowledged = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split(b"\n")[:-1]
        acknowledged = int(rest[-1]) if rest else acknowledged
        process.wait()
        with hutch.Redis(str(path)) as client:
            expected = {}
            for number in range(acknowledged + 1):
                expected[f"key{number % 100}"] = number

            def write_many(values):
                with open(log, "a") as source:
                    source.write("".join(f"{key} {value}\n" for key, value in values.items()))
            store = WriteBehind(Cache(client), "s", write_many=write_many, start=False)
            store.flush()
        found = written(log)
        # The last call may have been kept without our hearing of it.
        for key, number in expected.items():
            assert found[key] in (number, acknowledged + 1), key
        log.write_text("")


def test_the_end_of_a_process_writes_what_waits(tmp_path):
    log = tmp_path / "source"
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "store"), str(log), "end"], check=True, stdout=subprocess.DEVNULL, timeout=120)
    assert written(log) == {f"key{number}": number for number in range(50)}
