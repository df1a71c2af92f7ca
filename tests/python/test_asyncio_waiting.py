"""Tasks that wait: no thread, first come first served, and nothing lost when they are cancelled."""
import asyncio
import contextlib
import gc
import random
import threading
import time
import warnings
from collections import Counter

import pytest
import redis.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError, ResponseError

import hutch
import hutch.asyncio
from kit.event_loops import run_on, run_on_asyncio
from kit.waiting import async_wait_until


def blocked(client):
    return int(hutch.Redis(store=client.store).info("clients")["blocked_clients"])


async def parked(client, *calls):
    """Tasks that wait for these calls, in this order."""
    tasks = []
    for call in calls:
        before = blocked(client)
        tasks.append(asyncio.ensure_future(call))
        await async_wait_until(lambda: blocked(client) == before + 1)
    return tasks


def test_forms(loop_kind):
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        tasks = await parked(r, r.blpop("l1", 9), r.brpop(["n", "l2"], 9), r.blmove("l3", "to", 9, "LEFT", "RIGHT"),
                             r.brpoplpush("l4", "to", 9), r.blmpop(9, 2, "n", "l5", direction="RIGHT", count=2),
                             r.bzpopmin("z1", 9), r.bzpopmax("z2", 9), r.bzmpop(9, 1, ["z3"], min=True, count=2))
        for number in range(1, 6):
            await r.rpush(f"l{number}", "a", "b", "c")
        for number in range(1, 4):
            await r.zadd(f"z{number}", {"a": 1, "b": 2.5})
        *got, last = await asyncio.gather(*tasks)
        assert got == [("l1", "a"), ("l2", "c"), "a", "c", ["l5", ["c", "b"]], ("z1", "a", 1.0), ("z2", "b", 2.5)]
        assert last[0] == "z3" and [(member, float(score)) for member, score in last[1]] == [("a", 1.0), ("b", 2.5)]
        assert await r.blpop("l1") == ("l1", "b")            # at once
        began = time.monotonic()
        assert await asyncio.gather(r.blpop("n", 0.05), r.brpop("n", 0.05), r.blmove("n", "l1", 0.05), r.bzpopmin("n", 0.05),
                                    r.blmpop(0.05, 1, "n", direction="LEFT")) == [None] * 5
        assert 0.045 <= time.monotonic() - began
        with pytest.raises(ResponseError):
            await r.blpop("z1", 1)
        await r.aclose()

    run_on(loop_kind, main())


def test_the_loop_goes_on_meanwhile(loop_kind):
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        [task] = await parked(r, r.blpop("k"))
        before = threading.active_count()
        for _ in range(1000):
            await r.incr("n")
        assert r._hot and threading.active_count() <= before and not task.done()
        await r.rpush("k", "x")
        assert await task == ("k", "x")

    run_on(loop_kind, main())


def test_time_out_by_the_engines_clock():
    async def main():
        r = hutch.asyncio.Redis()
        r.store.engine.set_clock_ms(1_000_000)
        [task] = await parked(r, r.blpop("k", 3600))
        r.store.engine.advance_clock_ms(3_599_999)
        await asyncio.sleep(0.02)
        assert not task.done()
        r.store.engine.advance_clock_ms(1)
        assert await asyncio.wait_for(task, 5) is None

    run_on_asyncio(main())


def test_first_come_first_served():
    """Tasks, a thread and a socket in one queue."""
    with hutch.Server(port=0) as server:
        async def main():
            r = hutch.asyncio.Redis(store=server.store, decode_responses=True)
            plain = hutch.Redis(store=server.store, decode_responses=True)
            far = redis.asyncio.Redis(port=server.port, decode_responses=True)
            order = []

            async def take(number):
                kind = number % 3
                if kind == 0:
                    got = await r.blpop("k", 30)
                elif kind == 1:
                    got = await asyncio.to_thread(plain.blpop, "k", 30)
                else:
                    got = await far.blpop("k", 30)
                order.append((number, got[1]))

            tasks = await parked(r, *(take(number) for number in range(12)))
            for number in range(12):
                await (far if number % 2 else r).rpush("k", number)
                await async_wait_until(lambda: len(order) == number + 1)
            await asyncio.gather(*tasks)
            assert order == [(number, str(number)) for number in range(12)]
            await far.aclose()

        run_on_asyncio(main())


def test_ten_thousand_tasks(loop_kind):
    count = 10000

    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        await r.ping()
        empty = r.store.engine.used_memory
        tasks = [asyncio.ensure_future(r.blpop("k", 60)) for _ in range(count)]
        await async_wait_until(lambda: blocked(r) == count)
        assert (r.store.engine.used_memory - empty) / count < 2000
        await r.rpush("k", *range(count // 2))
        for number in range(count // 2, count):
            await r.rpush("k", number)
        assert [int(value) for _, value in await asyncio.gather(*tasks)] == list(range(count))
        assert blocked(r) == 0
        tasks = [asyncio.ensure_future(r.blpop("k", 60)) for _ in range(count)]
        await async_wait_until(lambda: blocked(r) == count)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert blocked(r) == 0
        assert r.store.engine.used_memory - empty < 1 << 20      # sessions that are no longer needed went
        assert len(await r.client_list()) < 100
        await r.aclose()

    run_on(loop_kind, main())


def test_streams(loop_kind):
    """XREAD really waits, and a cancelled one holds up nobody."""
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        began = time.monotonic()
        assert not await r.xread({"s": "$"}, block=50)
        assert time.monotonic() - began >= 0.045
        first, second = await parked(r, r.xread({"s": "$"}, block=5000), r.xread({"s": "$"}, block=0))
        first.cancel()
        await asyncio.wait([first])
        await r.xadd("s", {"f": "v"}, id="1-1")
        assert (await second) == [["s", [("1-1", {"f": "v"})]]]
        await r.xgroup_create("s", "g", "$")
        readers = await parked(r, *(r.xreadgroup("g", f"c{i}", {"s": ">"}, count=1, block=0) for i in range(3)))
        readers[1].cancel()
        await asyncio.wait([readers[1]])             # or it might be served before it hears of it
        for i in range(2):
            await r.xadd("s", {"n": i}, id=f"2-{i}")
        got = await asyncio.gather(*readers, return_exceptions=True)
        assert got[0] == [["s", [("2-0", {"n": "0"})]]] and got[2] == [["s", [("2-1", {"n": "1"})]]]
        assert isinstance(got[1], asyncio.CancelledError)
        assert (await r.xpending("s", "g"))["pending"] == 2

    run_on(loop_kind, main())


# ---- the end of a wait from outside

def test_unblocked_and_killed(loop_kind):
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        for mode, expected in (((), None), (("TIMEOUT",), None)):
            [task] = await parked(r, r.blpop("k", 30))
            [waiting] = [one for one in await r.client_list() if "b" in one["flags"]]
            assert await r.execute_command("CLIENT UNBLOCK", waiting["id"], *mode) == 1
            assert await task is expected
        [task] = await parked(r, r.blpop("k", 30))
        [waiting] = [one for one in await r.client_list() if "b" in one["flags"]]
        await r.client_unblock(waiting["id"], error=True)
        with pytest.raises(ResponseError, match="UNBLOCKED"):
            await task
        # redis-py connects again and asks again.
        [task] = await parked(r, r.blpop("k", 30))
        [waiting] = [one for one in await r.client_list() if "b" in one["flags"]]
        await r.client_kill_filter(_id=waiting["id"])
        await async_wait_until(lambda: blocked(r) == 1)
        await r.rpush("k", "x")
        assert await task == ("k", "x")

    run_on(loop_kind, main())


def test_the_end_of_the_store(loop_kind):
    async def main(end):
        store = hutch.Store()
        r = hutch.asyncio.Redis(store=store)
        tasks = await parked(r, r.blpop("k", 30), r.pipeline(transaction=False).blpop("k", 30).execute(), r.bzpopmin("z"))
        await end(store, r)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, ConnectionError) for one in results), results

    async def here(store, r):
        store.close()

    async def elsewhere(store, r):
        await asyncio.to_thread(store.close)

    for end in (here, elsewhere):
        run_on(loop_kind, main(end))


def test_noticed(loop_kind):
    """What a session that waits for messages hears of: here, its own end."""
    from hutch.asyncio.waiting import noticed

    async def main(end):
        store = hutch.Store()
        r = hutch.asyncio.Redis(store=store)
        session = store.engine.session()
        looks = []
        task = asyncio.ensure_future(noticed(session, lambda: looks.append(session.id)))
        await asyncio.sleep(0.01)
        assert len(looks) == 1
        end(store, hutch.Redis(store=store), looks[0])
        with pytest.raises(hutch.StoreClosedError):
            await asyncio.wait_for(task, 5)

    for end in (lambda store, r, number: r.client_kill_filter(_id=number), lambda store, r, number: store.close()):
        run_on(loop_kind, main(end))


@pytest.mark.parametrize("retries", [0, 1])
def test_disconnected(retries):
    """It asks again as often as the client's Retry lets it."""
    async def main():
        r = hutch.asyncio.Redis(retry=redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), retries))
        [task] = await parked(r, r.blpop("k", 30))
        await r.connection_pool.disconnect()
        if retries:
            await async_wait_until(lambda: blocked(r) == 1)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        else:
            with pytest.raises(redis.ConnectionError):
                await task
        assert blocked(r) == 0

    run_on_asyncio(main())


def test_a_loop_that_ends_amid_waits(loop_kind):
    """Its tasks go with it; the store stays, and nobody stands in the queue any more."""
    store = hutch.Store()

    async def main(r):
        await parked(r, r.blpop("k"), r.blpop("k", 30))

    loop = loop_kind()
    r = hutch.asyncio.Redis(store=store)
    loop.set_exception_handler(lambda *ignored: None)
    tasks = loop.run_until_complete(main(r))
    loop.close()
    hutch.Redis(store=store).rpush("k", "x")                 # rings for a loop that is closed
    del tasks, loop
    end = time.monotonic() + 60
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while blocked(r):
            assert time.monotonic() < end
            gc.collect()

    async def later():
        [task] = await parked(r, r.blpop("other"))
        await r.rpush("other", "y")
        assert await task == (b"other", b"y")

    run_on(loop_kind, later())


# ---- cancellation

def test_cancelled_in_the_queue(loop_kind):
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        first, second, third = await parked(r, r.blpop("k"), r.blpop("k"), r.blpop("k"))
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert blocked(r) == 2
        await r.rpush("k", "1", "2", "3")
        assert [await first, await third] == [("k", "1"), ("k", "2")]
        assert await r.brpop("k", 5) == ("k", "3")           # nothing hangs afterwards
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(r.blpop("k"), 0.02)
        assert blocked(r) == 0
        [task] = await parked(r, r.pipeline(transaction=False).set("a", 1).blpop("k").set("a", 2).execute())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert blocked(r) == 0 and await r.get("a") == "1"
        async with r.client() as mine:
            [task] = await parked(r, mine.blpop("k"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await mine.get("a") == "1" and blocked(r) == 0

    run_on(loop_kind, main())


FORMS = {       # the wait, what serves it, and how to read what is there afterwards
    "blpop": (lambda r: r.blpop("k"), lambda r: r.rpush("k", "a", "b", "c"), lambda r: r.lrange("k", 0, -1), ["a", "b", "c"]),
    "brpop": (lambda r: r.brpop(["n", "k"]), lambda r: r.rpush("k", "a", "b", "c"), lambda r: r.lrange("k", 0, -1),
              ["a", "b", "c"]),
    "blmpop left": (lambda r: r.blmpop(0, 2, "n", "k", direction="LEFT", count=2), lambda r: r.rpush("k", "a", "b", "c"),
                    lambda r: r.lrange("k", 0, -1), ["a", "b", "c"]),
    "blmpop right": (lambda r: r.execute_command("blmpop", 0, 1, b"k", b"right", "COUNT", 2),
                     lambda r: r.rpush("k", "a", "b", "c"), lambda r: r.lrange("k", 0, -1), ["a", "b", "c"]),
    "blmove": (lambda r: r.blmove("k", "to", 0, "LEFT", "RIGHT"), lambda r: r.rpush("k", "a", "b"),
               lambda r: r.lrange("k", 0, -1), ["a", "b"]),
    "brpoplpush": (lambda r: r.brpoplpush("k", "to", 0), lambda r: r.rpush("k", "a", "b"), lambda r: r.lrange("k", 0, -1),
                   ["a", "b"]),
    "xread": (lambda r: r.xread({"k": "$"}, block=0), lambda r: r.xadd("k", {"f": 1}, id="1-1"),
              lambda r: r.xrange("k"), [("1-1", {"f": "1"})]),
    "bzpopmin": (lambda r: r.bzpopmin("k"), lambda r: r.zadd("k", {"a": 0.1, "b": 2}),
                 lambda r: r.zrange("k", 0, -1, withscores=True), [("a", 0.1), ("b", 2.0)]),
    "bzpopmax": (lambda r: r.bzpopmax("k"), lambda r: r.zadd("k", {"a": 0.1, "b": 1e300}),
                 lambda r: r.zrange("k", 0, -1, withscores=True), [("a", 0.1), ("b", 1e300)]),
    "bzmpop": (lambda r: r.bzmpop(0, 1, ["k"], min=True, count=2), lambda r: r.zadd("k", {"a": 0.1, "b": 2, "c": 3}),
               lambda r: r.zrange("k", 0, -1, withscores=True), [("a", 0.1), ("b", 2.0), ("c", 3.0)]),
}


@pytest.mark.parametrize("when", ["before the loop heard", "after the loop heard"])
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("form", FORMS)
def test_cancelled_when_it_was_served(form, protocol, when):
    """What was taken for it goes back, in its order; nothing stays behind elsewhere."""
    wait, serve, read, expected = FORMS[form]

    async def main(resp):
        r = hutch.asyncio.Redis(decode_responses=True, protocol=protocol)
        [task] = await parked(r, wait(r))
        await serve(r)
        if when == "after the loop heard":
            # The bell has rung and the future is done, but the task did not run yet.
            bell = _bell()
            bell.answer()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        found = await read(r)
        assert [tuple(one) if isinstance(one, list) else one for one in found] == expected
        assert await r.exists("to") == 0 and blocked(r) == 0

    run_on_asyncio(main(protocol))


def _bell():
    from hutch.asyncio.waiting import doorbell
    return doorbell(asyncio.get_running_loop())


def test_given_back_to_the_next_in_the_queue():
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        first, second = await parked(r, r.blpop("k"), r.blpop("k"))
        await r.rpush("k", "x")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == ("k", "x")

    run_on_asyncio(main())


def test_what_cannot_go_back_is_delivered():
    """The key became something else, or memory is short: losing it would be worse than a late cancellation."""
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        [task] = await parked(r, r.blpop("k"))
        await r.rpush("k", "x")
        await r.set("k", "a string")
        task.cancel()
        assert await task == ("k", "x")
        [task] = await parked(r, r.blpop("l"))
        await r.rpush("l", "y")
        await r.config_set("maxmemory", 1)
        task.cancel()
        assert await task == ("l", "y")
        await r.config_set("maxmemory", 0)
        [task] = await parked(r, r.blmove("l", "to", 0))
        await r.rpush("l", "y")
        await r.lpop("to")                   # somebody took it: nothing to put back
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await r.exists("l", "to") == 0

    run_on_asyncio(main())


STEPS = st.lists(st.one_of(
    st.tuples(st.just("wait"), st.sampled_from(["blpop", "brpop", "blmpop", "bzpopmin", "blmove"])),
    st.tuples(st.just("push"), st.integers(1, 3)), st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("turn"), st.integers(1, 3))), max_size=60)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_nothing_lost_and_nothing_twice_step_by_step(steps):
    """Waits, pushes, cancellations and turns of the loop in any order."""
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        await r.ping()
        tasks, pushed = [], 0
        waits = {"blpop": lambda: r.blpop("k"), "brpop": lambda: r.brpop("k"), "bzpopmin": lambda: r.bzpopmin("z"),
                 "blmpop": lambda: r.blmpop(0, 1, "k", direction="LEFT", count=2), "blmove": lambda: r.blmove("k", "to", 0)}
        for what, amount in steps:
            if what == "wait":
                tasks.append(asyncio.ensure_future(waits[amount]()))
            elif what == "push":
                await r.rpush("k", *range(pushed, pushed + amount))
                await r.zadd("z", {f"z{pushed + i}": i for i in range(amount)})
                pushed += amount
            elif what == "cancel" and tasks:
                tasks[amount % len(tasks)].cancel()
            else:
                for _ in range(amount if what == "turn" else 0):
                    await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        members = Counter(await r.zrange("z", 0, -1))
        values = Counter([*await r.lrange("k", 0, -1), *await r.lrange("to", 0, -1)])
        for one in got:
            if isinstance(one, tuple) and len(one) == 3:
                members[one[1]] += 1
            elif isinstance(one, tuple):
                values[one[1]] += 1
            elif isinstance(one, list):
                values.update(one[1])
            else:
                assert isinstance(one, (asyncio.CancelledError, str))        # what was moved is in its new list
        assert values == Counter(str(i) for i in range(pushed))
        assert members == Counter(f"z{i}" for i in range(pushed))
        assert blocked(r) == 0

    run_on_asyncio(main())


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_of_cancellations(loop_kind, seed):
    """Takers that give up at random moments, beside threads and the listener's clients that push and take."""
    with hutch.Server(port=0) as server:
        async def main():
            dice = random.Random(seed)
            r = hutch.asyncio.Redis(store=server.store, decode_responses=True)
            far = redis.asyncio.Redis(port=server.port, decode_responses=True)
            total, got = 3000, []
            pushing = threading.Thread(target=push, args=(total, random.Random(seed + 100)))

            async def take(i):
                kinds = [lambda: r.blpop(["q0", "q1"]), lambda: r.brpop(["q1", "q2"]), lambda: r.brpop(["q2", "q0"]),
                         lambda: r.blmpop(0, 3, "q0", "q1", "q2", direction="RIGHT", count=3)]
                while len(got) < total:
                    task = asyncio.ensure_future(kinds[dice.randrange(4)]())
                    try:
                        answer = await asyncio.wait_for(task, dice.choice([0, 0.0001, 0.001, 0.003]))
                    except asyncio.TimeoutError:
                        # From 3.12 on, wait_for may say so of a task that has just ended well: what it took is its result.
                        if task.cancelled():
                            continue
                        answer = task.result()
                    got.extend(answer[1] if isinstance(answer[1], list) else [answer[1]])

            async def elsewhere():
                while len(got) < total:
                    answer = await far.blpop(["q0", "q1", "q2"], 1)
                    if answer:
                        got.append(answer[1])
                    await asyncio.sleep(0.002)

            pushing.start()
            takers = [asyncio.ensure_future(take(i)) for i in range(20)] + [asyncio.ensure_future(elsewhere())]
            try:
                await async_wait_until(lambda: len(got) >= total, 40)
            finally:
                pushing.join()
                await asyncio.gather(*takers, return_exceptions=True)
                await far.aclose()
            assert Counter(got) == Counter(str(number) for number in range(total))
            assert blocked(r) == 0

        def push(total, dice):
            client = hutch.Redis(store=server.store)
            for number in range(total):
                client.rpush(f"q{dice.randrange(3)}", number)
                if number % 50 == 0:
                    time.sleep(0.001)

        run_on(loop_kind, main())


def test_a_worker_ends_when_it_is_told_to(loop_kind):
    """A cancellation that meets an element is not swallowed: the worker's loop must not go on for ever."""
    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        done = []

        async def worker():
            while True:
                done.append((await r.blpop("k"))[1])

        for number in range(200):
            task = asyncio.ensure_future(worker())
            await async_wait_until(lambda: blocked(r) == 1)
            await r.rpush("k", number)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)
            assert task.cancelled()
        assert [*done, *await r.lrange("k", 0, -1)] == [str(number) for number in range(200)]

    run_on(loop_kind, main())
