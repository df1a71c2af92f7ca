"""hutch.testing.Clock: what is due happens when the clock is moved, in its order, for whoever waits; nobody sleeps."""
import asyncio
import threading
from datetime import date, datetime, timedelta, timezone

import pytest
import redis

import hutch
import hutch.asyncio
from hutch.testing import Clock
from kit.waiting import wait_until


@pytest.fixture
def r():
    with hutch.Redis(decode_responses=True) as client:
        yield client


@pytest.fixture
def clock(r):
    with Clock(r) as clock:
        yield clock


def waits(r, number=1):
    """Wait until so many clients wait in the store."""
    wait_until(lambda: int(r.info("clients")["blocked_clients"]) == number)


def test_keys_and_fields_expire(r, clock):
    r.set("key", "v", ex=60)
    r.hset("hash", "field", "v")
    r.hset("hash", "stays", "v")
    r.hexpire("hash", 30, "field")
    clock.advance(seconds=29)
    assert r.ttl("key") == 31 and r.hgetall("hash") == {"field": "v", "stays": "v"}
    clock.advance(seconds=1)
    assert r.hgetall("hash") == {"stays": "v"}
    clock.advance(timedelta(seconds=29), milliseconds=999)
    assert r.pttl("key") == 1
    clock.advance(milliseconds=1)
    assert r.get("key") is None and r.info("stats")["expired_keys"] == 1


def test_held_clock_stands_still(r, clock):
    first = r.time()
    assert r.time() == first and r.eval("return redis.call('TIME')", 0) == [str(part) for part in first]
    assert clock.is_held and clock.time() == first[0] + first[1] / 1e6
    assert clock.now() == datetime.fromtimestamp(clock.time(), timezone.utc)


def test_moved_to_a_moment(r, clock):
    for moment in (datetime(2030, 1, 1), "2030-01-01", date(2030, 1, 1), 1893456000, datetime(2030, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))):
        clock.move_to(0)
        clock.move_to(moment)
        assert r.time() == (1893456000, 0)
    assert r.xadd("stream", {"a": 1}) == "1893456000000-0"
    r.expireat("stream", 1893456001)
    clock.move_to("2031-01-01T00:00:00")
    assert not r.exists("stream")
    clock.move_to("2029-06-01")          # backward: nothing comes back, and nothing is too early
    assert r.set("key", "v", px=10) and r.pttl("key") == 10
    clock.advance(milliseconds=10)
    assert not r.exists("key")
    with pytest.raises(ValueError):
        clock.advance(seconds=-1)
    with pytest.raises(ValueError):
        clock.move_to("soon")
    for number in (float("nan"), float("inf"), -1e300, 1e18):
        with pytest.raises(ValueError, match="moment"):
            clock.move_to(number)
    with pytest.raises(TypeError):
        clock.move_to(None)


def test_stream_ages(r, clock):
    r.xgroup_create("stream", "group", "0", mkstream=True)
    r.xadd("stream", {"a": 1})
    assert r.xreadgroup("group", "one", {"stream": ">"})
    clock.advance(minutes=5)
    assert r.xpending_range("stream", "group", "-", "+", 10)[0]["time_since_delivered"] == 300_000
    assert r.xinfo_consumers("stream", "group")[0]["idle"] == 300_000
    assert r.xautoclaim("stream", "group", "two", 300_001)[1] == []
    clock.advance(milliseconds=1)
    assert len(r.xautoclaim("stream", "group", "two", 300_001)[1]) == 1


def test_idle_times_and_frequencies(r, clock):
    r.set("key", "v")
    clock.advance(hours=1)
    assert r.object("idletime", "key") == 3600
    r.config_set("maxmemory-policy", "allkeys-lfu")
    r.set("counted", "v")
    before = r.object("freq", "counted")
    clock.advance(minutes=3)
    assert before > 0 and r.object("freq", "counted") == max(0, before - 3)


def test_waiting_threads_wake(r, clock):
    found = []
    thread = threading.Thread(target=lambda: found.append((r.blpop("list", timeout=30), r.time()[0])))
    began = r.time()[0]
    thread.start()
    waits(r)
    clock.advance(seconds=29)
    assert not found
    clock.advance(seconds=10)
    thread.join(30)
    assert found == [(None, began + 39)]


@pytest.mark.parametrize("command", [("WAIT", 1, 60_000), ("XREAD", "BLOCK", 60_000, "STREAMS", "s", "$"), ("BZPOPMIN", "z", 60),
                                     ("BLMOVE", "a", "b", "LEFT", "LEFT", 60)])
def test_every_wait_ends(r, clock, command):
    found = []
    thread = threading.Thread(target=lambda: found.append(r.execute_command(*command)))
    thread.start()
    waits(r)
    clock.advance(minutes=1)
    thread.join(30)
    assert found == [0 if command[0] == "WAIT" else None] or found == [[]] or found == [{}]


def test_tasks_wake(clock, r):
    async def main():
        a = hutch.asyncio.Redis(store=r.store, decode_responses=True)
        tasks = [asyncio.create_task(a.blpop(f"list{i}", timeout=10 * i)) for i in range(1, 4)]
        while r.info("clients")["blocked_clients"] != 3:
            await asyncio.sleep(0)
        clock.advance(seconds=25)
        assert await asyncio.gather(*tasks[:2]) == [None, None] and not tasks[2].done()
        await a.rpush("list3", "x")
        assert await tasks[2] == ("list3", "x")
        await a.aclose()
    asyncio.run(main())


def test_clients_behind_sockets(r, clock):
    with hutch.Server(r.store, port=0) as server:
        remote = redis.Redis(port=server.port, decode_responses=True)
        remote.set("key", "v", ex=3600)
        found = []
        thread = threading.Thread(target=lambda: found.append(remote.blpop("list", timeout=600)))
        thread.start()
        waits(r)
        clock.advance(hours=2)
        thread.join(30)
        assert found == [None] and remote.get("key") is None and remote.time() == r.time()
        remote.close()


def test_what_is_due_happens_in_its_order(r, clock):
    """A client that waits for three seconds is answered before a key goes in the fourth; each event has its own time."""
    r.config_set("notify-keyspace-events", "KEA")
    heard = r.pubsub()
    heard.psubscribe("__keyevent@0__:expired")
    for seconds, name in ((4, "d"), (1, "a"), (3, "c"), (2, "b"), (3600, "e")):
        r.set(name, "v", ex=seconds)
    clock.advance(hours=2)
    names = [message["data"] for message in iter(lambda: heard.get_message(timeout=0), None) if message["type"] == "pmessage"]
    assert names == ["a", "b", "c", "d", "e"]
    heard.close()

    r.xgroup_create("s", "g", "$", mkstream=True)
    r.expire("s", 4)
    found = []
    thread = threading.Thread(target=lambda: found.append(r.xreadgroup("g", "me", {"s": ">"}, block=3000)))
    thread.start()
    waits(r)
    clock.advance(seconds=10)            # not NOGROUP, which it would hear of a stream that had gone first
    thread.join(30)
    assert found == [[]] or found == [{}]


def test_a_pause_ends(r, clock):
    r.client_pause(60_000, all=False)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (r.set("key", "v"), done.set()))
    thread.start()
    clock.advance(seconds=59)
    assert not done.is_set()
    clock.advance(seconds=1)
    thread.join(30)
    assert done.is_set()


def test_several_stores(r, clock):
    other = hutch.Redis()
    clock.add(other, other.connection_pool)
    clock.advance(days=1)
    assert other.time() == r.time()
    with pytest.raises(TypeError):
        clock.add(redis.Redis())
    with pytest.raises(TypeError):
        clock.add(5)
    other.close()
    clock.advance(days=1)                # a closed store is left out


def test_running_clock(r):
    clock = Clock(r, held=False)
    clock.move_to("2040-01-01")
    assert not clock.is_held and datetime.fromtimestamp(r.time()[0], timezone.utc).year == 2040
    r.set("key", "v", ex=100)
    clock.advance(seconds=100)
    assert not r.exists("key")
    clock.hold()
    assert r.time() == r.time() and clock.is_held
    clock.run()
    wait_until(lambda: r.time() != r.time())
    clock.release()
    assert abs(r.time()[0] - datetime.now(timezone.utc).timestamp()) < 60


def test_steps_without_end_are_none(r, clock):
    """Centuries, with deadlines far and near and the clock set back before."""
    for at in range(200):
        r.set(f"key{at}", "v", px=at * 997 + 1)
    r.set("far", "v", ex=3_000_000_000)
    clock.move_to(1)
    assert r.dbsize() == 201
    clock.move_to(4_000_000_000)
    assert r.keys() == ["far"]


# ---- following

def test_follows_freezegun(r):
    freezegun = pytest.importorskip("freezegun")
    clock = Clock(r, held=False)
    clock.follow()
    original = freezegun.api._freeze_time.start
    with freezegun.freeze_time("2030-05-05 12:00:00") as frozen:
        assert datetime.fromtimestamp(r.time()[0], timezone.utc) == datetime(2030, 5, 5, 12, tzinfo=timezone.utc)
        r.set("key", "v", ex=60)
        frozen.tick(timedelta(seconds=61))
        assert not r.exists("key")
        frozen.move_to("2031-01-01")
        assert r.time() == (1924992000, 0)
        with freezegun.freeze_time("2032-01-01", tick=True):
            assert not clock.is_held and r.time()[0] >= 1956528000
        assert clock.is_held and r.time() == (1924992000, 0)
    assert not clock.is_held and abs(r.time()[0] - datetime.now(timezone.utc).timestamp()) < 60
    clock.release()
    assert freezegun.api._freeze_time.start is not original


def test_follows_time_machine(r):
    time_machine = pytest.importorskip("time_machine")
    clock = Clock(r, held=False)
    with time_machine.travel("2030-05-05T12:00:00+00:00", tick=False) as traveller:
        clock.follow()                   # when it is at work already
        assert r.time() == (1904212800, 0)
        r.set("key", "v", ex=60)
        traveller.shift(61)
        assert not r.exists("key")
        traveller.move_to("2031-01-01T00:00:00+00:00", tick=True)
        assert r.time()[0] in (1924992000, 1924992001)
    assert abs(r.time()[0] - datetime.now(timezone.utc).timestamp()) < 60
    clock.unfollow()
    with time_machine.travel("2030-05-05T12:00:00+00:00"):
        assert r.time()[0] < 1904212800
    clock.release()


def test_waits_for_messages_end_in_frozen_time(r):
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2030-01-01"):
        heard = r.pubsub()
        heard.subscribe("channel")
        assert heard.get_message(timeout=0.05)["type"] == "subscribe"
        assert heard.get_message(timeout=0.05) is None
