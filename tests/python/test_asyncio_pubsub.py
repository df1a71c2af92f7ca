"""redis.asyncio's pubsub(), monitor() and lock() on a store inside the process, on several event loops."""
import asyncio
import gc
import threading
import time

import pytest
import redis.asyncio
from redis.exceptions import AuthenticationError, ConnectionError, LockError, LockNotOwnedError, NoScriptError, ResponseError

import hutch
import hutch.asyncio
from kit.event_loops import run_on, run_on_asyncio
from kit.waiting import async_wait_until

PATIENCE_S = 60


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def protocol(request):
    return request.param


async def everything(pubsub):
    """All messages that have come, as (type, pattern, channel, data)."""
    found = []
    while (message := await pubsub.get_message()) is not None:
        found.append((message["type"], message["pattern"], message["channel"], message["data"]))
    return found


def reading(pubsub, count):
    """A task that listens for so many messages and returns their data."""
    async def read():
        heard = []
        async for message in pubsub.listen():
            heard.append(message["data"])
            if len(heard) == count:
                return heard
    return asyncio.ensure_future(read())


# ---- messages

def test_messages_come_in_order(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            async with r.pubsub() as pubsub:
                await pubsub.subscribe("a", "b")
                await pubsub.psubscribe("a*")
                await pubsub.execute_command("SSUBSCRIBE", "s")      # redis-py 8 has a method for it
                assert await r.publish("a", "1") == 2
                assert await r.publish("b", "2") == 1
                assert await r.publish("c", "3") == 0
                assert await r.spublish("s", "4") == 1
                await pubsub.unsubscribe("a")
                assert await r.publish("a", "5") == 1
                assert await everything(pubsub) == [
                    ("subscribe", None, "a", 1), ("subscribe", None, "b", 2), ("psubscribe", None, "a*", 3),
                    ("ssubscribe", None, "s", 1),
                    ("message", None, "a", "1"), ("pmessage", "a*", "a", "1"), ("message", None, "b", "2"),
                    ("smessage", None, "s", "4"), ("unsubscribe", None, "a", 2), ("pmessage", "a*", "a", "5")]
                assert await r.pubsub_channels() == ["b"]
                assert await r.pubsub_numsub("a", "b") == [("a", 0), ("b", 1)]
                assert await r.pubsub_numpat() == 1
                assert set(pubsub.channels) == {"b"}
                await pubsub.unsubscribe()
                await pubsub.punsubscribe()
                await pubsub.execute_command("SUNSUBSCRIBE")
                assert [message[0] for message in await everything(pubsub)] == ["unsubscribe", "punsubscribe", "sunsubscribe"]
                assert not pubsub.subscribed
                assert [message async for message in pubsub.listen()] == []
                assert await r.publish("b", "x") == 0
                await pubsub.subscribe("b")              # and again
                assert await r.publish("b", "y") == 1
            assert await r.pubsub_channels() == []

    run_on(loop_kind, main())


def test_handlers(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            seen = []

            async def later(message):
                await asyncio.sleep(0)
                seen.append(("later", message["channel"], message["data"]))

            def now(message):
                seen.append(("now", message["channel"], message["data"]))

            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("plain", a=now, b=later)
                await pubsub.psubscribe(**{"p*": later})
                for channel in "a", "b", "plain", "p1":
                    await r.publish(channel, "1")
                if hasattr(pubsub, "ssubscribe"):        # redis-py 8 has it
                    await pubsub.ssubscribe(s=now)
                    await r.spublish("s", "2")
                got = [message for _ in range(12) if (message := await pubsub.get_message()) is not None]
                assert [(message["type"], message["channel"]) for message in got] == [("message", "plain")]
                expected = [("now", "a", "1"), ("later", "b", "1"), ("later", "plain", "1"), ("later", "p1", "1")]
                assert seen == expected + [("now", "s", "2")] * hasattr(pubsub, "ssubscribe")

    run_on(loop_kind, main())


def test_run(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            seen, wrong = [], []

            def hear(message):
                seen.append(message["data"])
                if message["data"] == "bad":
                    raise ValueError("bad")

            pubsub = r.pubsub()
            await pubsub.subscribe(a=hear)
            task = asyncio.ensure_future(pubsub.run(exception_handler=lambda error, pubsub: wrong.append(error)))
            for number in range(100):
                await r.publish("a", number)
            await r.publish("a", "bad")
            await async_wait_until(lambda: len(seen) == 101)
            await pubsub.subscribe(b=hear)               # while it runs
            await r.publish("b", "more")
            await async_wait_until(lambda: seen[-1] == "more")
            assert seen == [*map(str, range(100)), "bad", "more"] and [type(error) for error in wrong] == [ValueError]
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await r.publish("a", "after")                # is still to be heard
            while await pubsub.get_message():
                pass
            assert seen[-1] == "after"
            await pubsub.aclose()

    run_on(loop_kind, main())


def test_get_message_waits(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("a")
                assert await pubsub.get_message() is None
                begin = time.monotonic()
                assert await pubsub.get_message(timeout=0.1) is None
                assert 0.09 < time.monotonic() - begin
                loop = asyncio.get_running_loop()
                for timeout in PATIENCE_S, None:
                    loop.call_later(0.05, lambda: asyncio.ensure_future(r.publish("a", "x")))
                    assert (await pubsub.get_message(timeout=timeout))["data"] == "x"
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(pubsub.get_message(timeout=None), 0.05)
                await r.publish("a", "y")
                assert (await pubsub.get_message(timeout=PATIENCE_S))["data"] == "y"

    run_on(loop_kind, main())


def test_asking_again_and_again_lets_others_go_on(loop_kind):
    """get_message() without a time-out, and listen() amid a flood, give others their turns."""
    async def main():
        async with hutch.asyncio.Redis() as r:
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("a")
                turns = 0

                async def other():
                    nonlocal turns
                    while True:
                        turns += 1
                        await asyncio.sleep(0)

                task = asyncio.ensure_future(other())
                for _ in range(50):
                    await pubsub.get_message()
                assert turns >= 49
                for _ in range(5000):
                    await r.publish("a", "x")
                before = turns
                assert len(await reading(pubsub, 5000)) == 5000
                assert turns - before >= 15
                task.cancel()

    run_on(loop_kind, main())


def test_undecodable_messages_do_not_stop_the_others(protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("a")
                await pubsub.get_message()
                await r.publish("a", b"\xff")
                await r.publish("a", "fine")
                with pytest.raises(UnicodeDecodeError):
                    await pubsub.get_message()
                assert (await pubsub.get_message())["data"] == "fine"

    run_on_asyncio(main())


# ---- cancellation, closing, killing

def test_cancelled_listeners_lose_nothing(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("a")
                heard = []

                async def take(how):
                    if how == 0:
                        async for message in pubsub.listen():
                            heard.append(int(message["data"]))
                    elif how == 1:
                        while True:
                            message = await pubsub.get_message(timeout=0.001)
                            if message is not None:
                                heard.append(int(message["data"]))
                    else:
                        while True:
                            heard.append(int((await pubsub.get_message(timeout=None))["data"]))

                sent = 0
                for round_ in range(120):
                    task = asyncio.ensure_future(take(round_ % 3))
                    if round_ % 2:
                        await asyncio.sleep(0)
                    for _ in range(round_ % 4):
                        await r.publish("a", sent)
                        sent += 1
                    for _ in range(round_ % 5):
                        await asyncio.sleep(0.0005 if round_ % 7 == 0 else 0)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                while (message := await pubsub.get_message(timeout=0.05)) is not None:
                    heard.append(int(message["data"]))
                assert heard == list(range(sent))
                assert r.store.engine is not None and not pubsub.connection._listeners

    run_on(loop_kind, main())


def test_cancellation_while_threads_publish(loop_kind):
    """Each publisher's messages come in order, once, to whichever task reads next."""
    publishers, each = 3, 400

    async def main():
        r = hutch.asyncio.Redis(decode_responses=True)
        pubsub = r.pubsub(ignore_subscribe_messages=True)
        await pubsub.subscribe("a")
        heard = []

        def publish(name):
            client = hutch.Redis(store=r.store)
            for number in range(each):
                client.publish("a", f"{name} {number}")
                if number % 50 == 0:
                    time.sleep(0.001)

        async def take():
            while True:
                message = await pubsub.get_message(timeout=0.002 if len(heard) % 3 else None)
                if message is not None:
                    heard.append(message["data"])

        threads = [threading.Thread(target=publish, args=(name,)) for name in range(publishers)]
        for thread in threads:
            thread.start()
        begin = time.monotonic()
        while len(heard) < publishers * each and time.monotonic() - begin < PATIENCE_S:
            task = asyncio.ensure_future(take())
            await asyncio.sleep(0.0005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for thread in threads:
            thread.join()
        for name in range(publishers):
            assert [text for text in heard if text.startswith(f"{name} ")] == [f"{name} {number}" for number in range(each)]
        await pubsub.aclose()
        await r.aclose()

    run_on(loop_kind, main())


def test_many_tasks_on_one_pubsub(loop_kind):
    """redis-py over a socket refuses this; here each message goes to one of them."""
    async def main():
        async with hutch.asyncio.Redis(decode_responses=True) as r:
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("a")
                tasks = [asyncio.ensure_future(pubsub.get_message(timeout=None)) for _ in range(20)]
                await asyncio.sleep(0.01)
                for number in range(25):
                    await r.publish("a", number)
                found = await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)
                heard = [int(message["data"]) for message in found if message is not None]
                heard += [int(message[3]) for message in await everything(pubsub)]
                assert sorted(heard) == list(range(25))

    run_on(loop_kind, main())


def test_a_killed_subscriber_subscribes_again(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("a")
                await pubsub.psubscribe("p*")
                await everything(pubsub)
                task = reading(pubsub, 2)
                await asyncio.sleep(0.01)
                assert await r.client_kill_filter(_type="pubsub", skipme=False) == 1
                plain = hutch.Redis(store=r.store)
                assert plain.pubsub_numpat() == plain.publish("a", "to nobody") == 0
                await async_wait_until(lambda: plain.pubsub_numpat() == 1)      # the last of the subscriptions
                assert await r.publish("a", "again") == 1
                assert await r.publish("p1", "x") == 1
                assert await asyncio.wait_for(task, PATIENCE_S) == ["again", "x"]

    run_on(loop_kind, main())


def test_retries_are_counted_as_redis_py_counts_them(loop_kind):
    async def main():
        none = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
        async with hutch.asyncio.Redis(retry=none) as r:
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("a")
                await pubsub.get_message()
                await r.client_kill_filter(_type="pubsub", skipme=False)
                with pytest.raises(ConnectionError):
                    await pubsub.get_message(timeout=PATIENCE_S)
                assert await pubsub.get_message() is None        # it has connected and subscribed again
                assert await r.publish("a", "x") == 1
                assert (await pubsub.get_message())["data"] == b"x"

    run_on(loop_kind, main())


def test_closing_ends_a_listener(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol) as r:
            pubsub = r.pubsub()
            await pubsub.subscribe("a")
            task = reading(pubsub, 9)
            await asyncio.sleep(0.01)
            await pubsub.aclose()
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(task, PATIENCE_S)
            assert await r.pubsub_channels() == []
            other = r.pubsub()
            await other.subscribe("b")               # in a connection that nobody waits at
            assert await r.publish("b", "x") == 1
            await other.aclose()

    run_on(loop_kind, main())


def test_the_stores_end_ends_a_listener(loop_kind):
    async def main():
        store = hutch.Store()
        r = hutch.asyncio.Redis(store=store)
        pubsub = r.pubsub()
        await pubsub.subscribe("a")
        task = reading(pubsub, 9)
        await asyncio.sleep(0.01)
        store.close()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(task, PATIENCE_S)
        await pubsub.aclose()
        await r.aclose()

    run_on(loop_kind, main())


def test_a_subscriber_that_does_not_read_is_cut_off(loop_kind):
    async def main():
        async with hutch.asyncio.Redis() as r:
            await r.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
            slow, quick = r.pubsub(ignore_subscribe_messages=True), r.pubsub(ignore_subscribe_messages=True)
            await slow.subscribe("a")
            await quick.subscribe("a")
            message = b"x" * 10000
            for _ in range(4):
                task = reading(quick, 50)
                for _ in range(50):
                    await r.publish("a", message)
                assert await asyncio.wait_for(task, PATIENCE_S) == [message] * 50
            assert (await r.info("stats"))["client_output_buffer_limit_disconnections"] == 1
            assert await r.pubsub_numsub("a") == [(b"a", 1)]
            assert await slow.get_message(timeout=0.01) is None      # it subscribes again; what it missed is gone
            assert await r.publish("a", "y") == 2
            await slow.aclose()
            await quick.aclose()

    run_on(loop_kind, main())


def test_memory_comes_back(loop_kind):
    async def main():
        async with hutch.asyncio.Redis() as r:
            async def once():
                pubsubs = [r.pubsub() for _ in range(50)]
                for number, pubsub in enumerate(pubsubs):
                    await pubsub.subscribe(f"c{number}")
                    await pubsub.psubscribe("p*")
                tasks = [asyncio.ensure_future(pubsub.get_message(timeout=None)) for pubsub in pubsubs]
                await asyncio.gather(*tasks)
                tasks = [reading(pubsub, 99) for pubsub in pubsubs]
                await asyncio.sleep(0.01)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for pubsub in pubsubs:
                    await pubsub.aclose()

            await once()
            gc.collect()
            await r.ping()
            before = r.store.engine.used_memory
            for _ in range(3):
                await once()
            gc.collect()
            await r.ping()
            assert r.store.engine.used_memory - before < 10000

    run_on(loop_kind, main())


# ---- from everywhere

def test_many_subscribers_and_ten_thousand_waiting_tasks(loop_kind):
    waiting, subscribers, messages = 10000, 50, 100

    async def main():
        async with hutch.asyncio.Redis(decode_responses=True) as r:
            waiters = [asyncio.ensure_future(r.blpop("k", 60)) for _ in range(waiting)]
            pubsubs = [r.pubsub(ignore_subscribe_messages=True) for _ in range(subscribers)]
            for pubsub in pubsubs:
                await pubsub.subscribe("a")
            tasks = [reading(pubsub, messages) for pubsub in pubsubs]
            for number in range(messages):
                assert await r.publish("a", number) == subscribers
                await r.rpush("k", *range(number * 100, number * 100 + 100))
                if number % 10 == 0:
                    await asyncio.sleep(0)
            expected = [str(number) for number in range(messages)]
            assert all(heard == expected for heard in await asyncio.gather(*tasks))
            assert [int(value) for _, value in await asyncio.gather(*waiters)] == list(range(waiting))
            for pubsub in pubsubs:
                await pubsub.aclose()

    run_on(loop_kind, main())


def test_loops_in_threads(loop_kind):
    store, loops, messages = hutch.Store(), 4, 200
    ready = threading.Barrier(loops, timeout=PATIENCE_S)
    found = {}

    def run(number):
        async def main():
            r = hutch.asyncio.Redis(store=store, decode_responses=True)
            pubsub = r.pubsub(ignore_subscribe_messages=True)
            await pubsub.subscribe("a")
            await asyncio.to_thread(ready.wait)
            task = reading(pubsub, loops * messages)
            for i in range(messages):
                assert await r.publish("a", f"{number} {i}") == loops
                await asyncio.sleep(0)
            found[number] = await task
            await asyncio.to_thread(ready.wait)
            await pubsub.aclose()
            await r.aclose()

        run_on(loop_kind, main())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == loops and all(heard == found[0] for heard in found.values())      # one order for all
    for number in range(loops):
        assert [int(text.split()[1]) for text in found[0] if text.startswith(f"{number} ")] == list(range(messages))
    store.close()


def test_from_sockets_threads_and_scripts(loop_kind, protocol):
    with hutch.Server(port=0) as server:
        async def main():
            r = hutch.asyncio.Redis(store=server.store, protocol=protocol, decode_responses=True)
            far = redis.asyncio.Redis(port=server.port, protocol=protocol, decode_responses=True)
            plain = hutch.Redis(store=server.store)
            here, there = r.pubsub(ignore_subscribe_messages=True), far.pubsub(ignore_subscribe_messages=True)
            for pubsub in here, there:
                await pubsub.subscribe("a")
                await pubsub.get_message(timeout=PATIENCE_S)
            tasks = [reading(here, 200), reading(there, 200)]
            for number in range(200):
                kind = number % 4
                if kind == 0:
                    assert await r.publish("a", number) == 2
                elif kind == 1:
                    assert await far.publish("a", number) == 2
                elif kind == 2:
                    assert await asyncio.to_thread(plain.publish, "a", number) == 2
                else:
                    assert await r.eval("return redis.call('publish', KEYS[1], ARGV[1])", 1, "a", number) == 2
            expected = [str(number) for number in range(200)]
            assert await asyncio.gather(*tasks) == [expected, expected]
            pipe = r.pipeline()
            assert await pipe.publish("a", 1).set("k", 2).publish("a", 3).execute() == [2, True, 2]
            assert [message[3] for message in await everything(here)] == ["1", "3"]
            await here.aclose()
            await there.aclose()
            await far.aclose()
            await r.aclose()

        run_on(loop_kind, main())


def test_keyspace_notifications(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            await r.config_set("notify-keyspace-events", "KEA")
            async with r.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.psubscribe("__keyevent@0__:*")
                task = reading(pubsub, 5)
                await asyncio.sleep(0)
                await r.set("k", 1)
                await r.lpush("l", 1)
                await r.delete("k", "l")
                await r.set("gone", 1, px=1)
                assert await asyncio.wait_for(task, PATIENCE_S) == ["k", "l", "k", "l", "gone"]
                await async_wait_until(lambda: hutch.Redis(store=r.store).exists("gone") == 0)
                found = await pubsub.get_message(timeout=PATIENCE_S)
                while found["channel"] != "__keyevent@0__:expired":
                    found = await pubsub.get_message(timeout=PATIENCE_S)
                assert found["data"] == "gone"

    run_on(loop_kind, main())


def test_push_handler():
    async def main():
        async with hutch.asyncio.Redis(protocol=3, decode_responses=True) as r:
            pushed = []

            async def push(message):
                pushed.append(message)

            async with r.pubsub(push_handler_func=push) as pubsub:
                await pubsub.subscribe("a")
                await r.publish("a", "x")
                assert [await pubsub.get_message() for _ in range(3)] == [None] * 3
                assert pushed == [["subscribe", "a", 1], ["message", "a", "x"]]

    run_on_asyncio(main())


@pytest.mark.parametrize("asynchronous", [True, False])
def test_invalidation_messages(loop_kind, asynchronous):
    async def main():
        async with hutch.asyncio.Redis(protocol=3, decode_responses=True) as r:
            connection = await r.connection_pool.get_connection()
            heard = []

            async def later(message):
                heard.append(message)

            connection._parser.set_invalidation_push_handler(later if asynchronous else heard.append)
            await connection.send_command("CLIENT", "TRACKING", "ON")
            assert await connection.read_response() == "OK"
            await connection.send_command("GET", "k")
            await connection.read_response()
            await r.set("k", 1)
            assert await connection.can_read()
            assert await connection.read_response(push_request=True, timeout=PATIENCE_S) is None
            assert heard == [["invalidate", ["k"]]]
            await connection.send_command("GET", "k")
            await connection.read_response()
            await r.set("k", 2)
            await connection.send_command("PING")                # what came before a reply is heard of before it
            assert await connection.read_response() == "PONG" and len(heard) == 2
            with pytest.raises(asyncio.TimeoutError):            # it waits for more
                await asyncio.wait_for(connection.read_response(), 0.01)
            await connection.send_command("GET", "k")
            assert await connection.read_response() == "2"
            await connection.disconnect()
            await r.connection_pool.release(connection)

    run_on(loop_kind, main())


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_ping_stands_between_the_messages(oracle, protocol):
    """All as a socket brings it."""
    async def play(client):
        async with client, client.pubsub() as pubsub:
            await client.flushall()
            await pubsub.subscribe("a")
            await client.publish("a", "1")
            await pubsub.ping()
            await client.publish("a", "2")
            await pubsub.ping("word")
            await pubsub.psubscribe("b*")
            await client.publish("a", "3")
            await client.publish("bb", "4")
            await pubsub.unsubscribe("a")
            await pubsub.ping()
            found = [await pubsub.get_message(timeout=PATIENCE_S) for _ in range(10)]
            assert await pubsub.get_message(timeout=0.05) is None
            return found

    async def main():
        mine = await play(hutch.asyncio.Redis(protocol=protocol))
        assert mine == await play(redis.asyncio.Redis(host=oracle.host, port=oracle.port, protocol=protocol))
        assert [message["type"] for message in mine] == ["subscribe", "message", "pong", "message", "pong", "psubscribe",
                                                         "message", "pmessage", "unsubscribe", "pong"]

    run_on_asyncio(main())


@pytest.mark.parametrize("words", [["ON"], ["ON", "BCAST"]], ids=["default", "bcast"])
@pytest.mark.parametrize("single", [False, True])
def test_messages_that_nobody_reads_do_not_pile_up(protocol, single, words):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True, single_connection_client=single) as client, \
                hutch.asyncio.Redis(store=client.store) as other:
            assert await client.execute_command("CLIENT TRACKING", *words) == "OK"
            pipe = client.pipeline(transaction=False)            # its connection, too
            pipe.execute_command("CLIENT TRACKING", *words)
            await pipe.execute()
            sizes = []
            for number in range(3000):
                await other.set("k", number)
                if number % 3 == 0:
                    assert await client.get("k") == str(number)
                elif number % 3 == 1:
                    assert await client.pipeline().get("k").execute() == [str(number)]
                else:
                    assert (await client.pipeline(transaction=False).get("k").incr("n").execute())[0] == str(number)
                if number in (500, 2999):
                    sizes.append(client.store.engine.used_memory)
            assert sizes[1] < sizes[0] + 4096

    run_on_asyncio(main())


def test_handlers_of_an_ordinary_client_hear_of_invalidations(oracle):
    """A handler at the parser, which redis-py calls when it reads the next reply. One that fails disturbs no command."""
    async def play(client, other):
        async with client, other:
            await other.flushall()
            heard = []

            async def hear(message):
                heard.append(message)
                raise ValueError("the handler's own affair")

            await client.execute_command("CLIENT TRACKING", "ON")
            client.connection._parser.set_invalidation_push_handler(hear)
            for number in range(5):
                await client.get("k")
                await other.set("k", number)
                assert await other.get("k") == b"%d" % number
                await client.get("other")
            await client.set("own", 1)
            await client.get("own")
            await client.set("own", 2)
            await client.get("k")
            return heard

    async def main():
        mine = await play(hutch.asyncio.Redis("heard", protocol=3, single_connection_client=True), hutch.asyncio.Redis("heard"))
        options = {"host": oracle.host, "port": oracle.port}
        assert mine == await play(redis.asyncio.Redis(protocol=3, single_connection_client=True, **options),
                                  redis.asyncio.Redis(**options))
        assert mine == [[b"invalidate", [b"k"]]] * 5 + [[b"invalidate", [b"own"]]]

    run_on_asyncio(main())


def test_tracking_without_anybody_who_listens(loop_kind):
    """Invalidation messages do not pile up where plain commands share a session."""
    async def main():
        async with hutch.asyncio.Redis(protocol=3) as r:
            other = hutch.asyncio.Redis(store=r.store)
            await r.execute_command("CLIENT", "TRACKING", "ON")
            await r.get("key")
            before = r.store.engine.used_memory
            for number in range(20000):
                await r.get("key")
                await other.set("key", number)
            assert r.store.engine.used_memory - before < 100_000
            await other.aclose()

    run_on(loop_kind, main())


@pytest.mark.skipif(not hasattr(redis.asyncio.Redis, "keyspace_notifications"), reason="redis-py 8 has it")
def test_keyspace_notification_objects(loop_kind):
    from redis.keyspace_notifications import KeyspaceChannel

    async def main():
        async with hutch.asyncio.Redis(decode_responses=True) as r:
            await r.config_set("notify-keyspace-events", "KEA")
            async with r.keyspace_notifications() as notifications:
                await notifications.subscribe(KeyspaceChannel("k"))
                await r.set("k", 1)
                found = None
                while found is None:
                    found = await notifications.get_message(timeout=1)
                assert found.key == "k" and found.event_type == "set"

    run_on(loop_kind, main())


def test_scripts_after_a_disconnection(loop_kind):
    async def main():
        async with hutch.asyncio.Redis() as r:
            assert await r.eval("return 1", 0) == 1
            await r.connection_pool.disconnect()
            assert await r.eval("return 2", 0) == 2
            await r.client_kill_filter(_type="normal", skipme=False)
            assert await r.eval("return 3", 0) == 3 and await r.ping()
            other = hutch.asyncio.Redis(store=r.store)
            await other.ping()
            await r.client_kill_filter(_type="normal", skipme=False)
            assert await other.eval("return 4", 0) == 4      # the first of this client
            await other.aclose()

    run_on(loop_kind, main())


GREETINGS = ("HELLO", "CLIENT")


async def commands(monitor, count):
    """The next commands, without the greetings of new connections."""
    seen = []
    while len(seen) < count:
        command = await monitor.next_command()
        if command["command"].split()[0] not in GREETINGS:
            seen.append(command)
    return seen


def test_monitor(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            await r.ping()
            async with r.monitor() as monitor:
                await r.set("k", 'a "quoted" word')
                with pytest.raises((AuthenticationError, ResponseError)):
                    await r.execute_command("AUTH", "secret")
                # redis-py takes what AUTH is answered for a lost connection, and tries once more.
                seen = await commands(monitor, 3)
                assert [command["command"] for command in seen] == ['SET k a "quoted" word', "AUTH (redacted)", "AUTH (redacted)"]
                assert seen[0]["client_address"] == "embedded" and seen[0]["db"] == 0
                task = asyncio.ensure_future(monitor.next_command())
                await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await r.set("n", 1)                              # nothing is lost by that
                async for command in monitor.listen():
                    if command["command"].split()[0] not in GREETINGS:
                        assert command["command"] == "SET n 1"
                        break
            await r.set("k", 1)

    run_on(loop_kind, main())


# ---- locks and scripts

def test_lock_contention(loop_kind):
    async def main():
        async with hutch.asyncio.Redis() as r:
            inside = 0

            async def work():
                nonlocal inside
                async with r.lock("l", sleep=0.001, timeout=30):
                    assert not inside
                    inside = 1
                    n = int(await r.get("n") or 0)
                    await asyncio.sleep(0)
                    await r.set("n", n + 1)
                    inside = 0

            await asyncio.gather(*(work() for _ in range(50)))
            assert await r.get("n") == b"50" and not await r.exists("l")

    run_on(loop_kind, main())


def test_lock_between_loops_and_threads():
    store, total = hutch.Store(), 60

    def coroutines():
        async def main():
            r = hutch.asyncio.Redis(store=store)
            for _ in range(total):
                async with r.lock("l", sleep=0.001):
                    n = int(await r.get("n") or 0)
                    await asyncio.sleep(0)
                    await r.set("n", n + 1)
            await r.aclose()

        run_on(asyncio.new_event_loop, main())

    def plain():
        r = hutch.Redis(store=store)
        for _ in range(total):
            with r.lock("l", sleep=0.001):
                n = int(r.get("n") or 0)
                time.sleep(0)
                r.set("n", n + 1)

    threads = [threading.Thread(target=target) for target in (coroutines, plain, coroutines, plain)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert hutch.Redis(store=store).get("n") == b"240"
    store.close()


def test_lock_rules(loop_kind):
    async def main():
        async with hutch.asyncio.Redis() as r:
            lock, other = r.lock("l", timeout=10), r.lock("l", timeout=10)
            assert await lock.acquire() and await lock.locked() and await lock.owned() and not await other.owned()
            assert not await other.acquire(blocking=False)
            assert not await other.acquire(blocking_timeout=0.15)
            assert await lock.extend(20) and 20 < await r.ttl("l") <= 30
            assert await lock.reacquire() and await r.ttl("l") <= 10
            with pytest.raises(LockError):
                await other.release()
            await lock.release()
            with pytest.raises(LockError):
                await lock.release()
            assert await other.acquire(token="mine") and await r.get("l") == b"mine"
            await r.delete("l")
            with pytest.raises(LockNotOwnedError):
                await other.release()

            class Own(redis.asyncio.lock.Lock):
                pass

            assert type(r.lock("l", lock_class=Own)) is Own

    run_on(loop_kind, main())


def test_a_cancelled_acquire_holds_nothing(loop_kind):
    async def main():
        async with hutch.asyncio.Redis() as r:
            lock, other = r.lock("l"), r.lock("l", sleep=0.001)
            await lock.acquire()
            task = asyncio.ensure_future(other.acquire())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await lock.release()
            await asyncio.sleep(0.01)
            assert not await lock.locked() and await other.acquire(blocking=False)
            await other.release()

    run_on(loop_kind, main())


def test_scripts(loop_kind, protocol):
    async def main():
        async with hutch.asyncio.Redis(protocol=protocol, decode_responses=True) as r:
            add = r.register_script("return redis.call('incrby', KEYS[1], ARGV[1])")
            assert await add(keys=["n"], args=[2]) == 2
            assert await asyncio.gather(*(add(keys=["n"], args=[1]) for _ in range(20))) == list(range(3, 23))
            await r.script_flush()
            assert await add(keys=["n"], args=[1]) == 23         # brought again
            pipe = r.pipeline()
            await add(keys=["n"], args=[1], client=pipe)
            assert await pipe.execute() == [24]
            assert await r.eval("return {1, 'a', {2}, false}", 0) == [1, "a", [2], None]
            with pytest.raises(ResponseError):
                await r.eval("return redis.call('lpush', KEYS[1], 1)", 1, "n")
            with pytest.raises(NoScriptError):
                await r.evalsha("f" * 40, 0)
            if protocol == 3:
                assert await r.eval("redis.setresp(3) return redis.call('hgetall', KEYS[1])", 1, "h") == {}
            assert await r.eval("return KEYS[1]", 1, "é") == "é"

    run_on(loop_kind, main())


def test_a_long_script_leaves_other_threads_alone():
    """It holds up its own loop; another loop hears BUSY and may kill it."""
    store = hutch.Store()
    hutch.Redis(store=store).config_set("busy-reply-threshold", 50)
    found = []

    def run():
        async def main():
            r = hutch.asyncio.Redis(store=store)
            try:
                await r.eval("while true do end", 0)
            except ResponseError as error:
                found.append(str(error))
            assert await r.eval("return 1", 0) == 1
            await r.aclose()

        run_on_asyncio(main())

    thread = threading.Thread(target=run)
    thread.start()

    async def main():
        r = hutch.asyncio.Redis(store=store)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                await r.get("k")
            except ResponseError as error:
                assert "BUSY" in str(error)
                break
            await asyncio.sleep(0.01)
        assert await r.script_kill()
        await asyncio.to_thread(thread.join, PATIENCE_S)
        assert found and "killed" in found[0]
        await r.aclose()

    run_on_asyncio(main())
    store.close()
