"""When the owner of a store ends, another process takes over: nothing acknowledged is lost, and there are never two.

HUTCH_SHARING_SECONDS says for how long owners are killed in turn; a few seconds without it.
"""
import asyncio
import collections
import os
import random
import signal
import threading
import time

import pytest

import hutch
import hutch.asyncio
from kit.sharing import owner_of, wait_for_owner
from kit.waiting import async_wait_until, wait_until

SECONDS = float(os.environ.get("HUTCH_SHARING_SECONDS", "6"))


# ---- one call

def test_an_idle_client_takes_over(place, owner):
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello" and not r.store.is_owned
        owner.kill()
        assert r.get("greeting") == b"hello" and r.store.is_owned and owner_of(place) == os.getpid()
        assert r.incr("n") == 1


@pytest.mark.parametrize("call", ["get", "incr", "pipeline", "transaction", "lock", "script", "pubsub", "client", "scan"])
def test_the_first_call_after_the_owners_end(place, owner, call):
    with hutch.Redis(place, decode_responses=True) as r:
        assert r.get("greeting") == "hello"
        alone = r.client()
        script = r.register_script("return redis.call('get', KEYS[1])")
        assert script(keys=["greeting"]) == "hello" and alone.get("greeting") == "hello"
        owner.kill()
        if call == "get":
            assert r.get("greeting") == "hello"
        elif call == "incr":
            assert r.incr("n") == 1
        elif call == "pipeline":
            assert r.pipeline(transaction=False).get("greeting").incr("n").execute() == ["hello", 1]
        elif call == "transaction":
            assert r.pipeline().get("greeting").incr("n").execute() == ["hello", 1]
        elif call == "lock":
            with r.lock("lock"):
                pass
        elif call == "script":
            assert script(keys=["greeting"]) == "hello"
        elif call == "pubsub":
            subscriber = r.pubsub()
            subscriber.subscribe("news")
            assert subscriber.get_message(timeout=60)["type"] == "subscribe"
            subscriber.close()
        elif call == "client":
            assert alone.get("greeting") == "hello" and alone.incr("n") == 1
        elif call == "scan":
            assert list(r.scan_iter()) == ["greeting"]
        alone.close()
        assert r.get("greeting") == "hello" and r.store.is_owned


def test_an_end_in_order(place, run):
    """The owner closes, and its clients go on without hearing of it."""
    owner = hutch.Redis(place, appendfsync="always")
    owner.set("greeting", "hello")
    log = place + ".log"
    writers = [run("writer", place, f"{log}{i}", f"w{i}", "always") for i in range(2)]
    for i in range(2):
        wait_until(lambda i=i: os.path.exists(f"{log}{i}") and b"pair" in open(f"{log}{i}", "rb").read())
    owner.close()
    following = wait_for_owner(place, os.getpid())
    assert following in [writer.pid for writer in writers]
    for i in range(2):
        size = os.path.getsize(f"{log}{i}")
        wait_until(lambda i=i, size=size: os.path.getsize(f"{log}{i}") > size)
    _stop(writers)
    _, _, lost = _check(place, [f"{log}{i}" for i in range(2)], True)
    assert not lost


def test_a_process_that_ends_hands_over(place, run):
    for how in ("close", "exception", "exit", "os._exit"):
        path = f"{place}-{how.replace('.', '')}"
        run("one_write", path, how).ended()
        with hutch.Redis(path) as r:
            assert r.llen("numbers") == 1000, how


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_signals(place, run, number):
    """A signal that ends the process at once finds in the file what is some milliseconds old."""
    program = run("one_write", place, "wait")
    program.wait_for("ready")
    wait_until(lambda: b"999" in b"".join(open(os.path.join(place, "appendonlydir", name), "rb").read()[-40:]
                                           for name in os.listdir(os.path.join(place, "appendonlydir"))))
    os.kill(program.pid, number)
    program.ended()
    with hutch.Redis(place) as r:
        assert r.llen("numbers") == 1000


def test_a_waiting_call_goes_on(place, owner, run):
    with hutch.Redis(place, decode_responses=True) as r:
        found = []
        waiting = [threading.Thread(target=lambda i=i: found.append(hutch.Redis(place, decode_responses=True).blpop(f"queue-{i}")))
                   for i in range(3)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: r.info("clients")["blocked_clients"] == 3)
        time.sleep(0.2)                  # so that nobody can take them for calls that were just being answered
        owner.kill()
        wait_until(lambda: r.info("clients")["blocked_clients"] == 3)
        for i in range(3):
            r.rpush(f"queue-{i}", f"element-{i}")
        for thread in waiting:
            thread.join(60)
        assert sorted(found) == [(f"queue-{i}", f"element-{i}") for i in range(3)]


def test_a_waiting_call_has_its_time_out_once(place, owner):
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello"
        started = time.monotonic()
        timer = threading.Timer(0.5, owner.kill)
        timer.start()
        assert r.blpop("nothing", timeout=1.5) is None
        assert time.monotonic() - started >= 1.4
        timer.join()


def test_a_subscriber_goes_on(place, owner):
    with hutch.Redis(place, decode_responses=True) as r:
        heard = []
        subscriber = r.pubsub(ignore_subscribe_messages=True)
        subscriber.subscribe(news=lambda message: heard.append(message["data"]))
        wait_until(lambda: subscriber.get_message(timeout=0.1) is None)
        thread = subscriber.run_in_thread(sleep_time=0.05)
        assert r.publish("news", "before") == 1
        wait_until(lambda: heard == ["before"])
        owner.kill()
        wait_until(lambda: r.publish("news", "after"))
        wait_until(lambda: heard[-1] == "after")
        thread.stop()
        thread.join()


def test_what_is_not_known_is_said(place, owner):
    """The owner has read a write, and is stopped before it answers; then it is killed."""
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello"
        heard = []

        def call(name, *words):
            try:
                heard.append((name, getattr(hutch.Redis(place), name)(*words)))
            except hutch.ConnectionError as error:
                heard.append((name, error))

        # A script that goes on and on: the owner has read it, and is busy with it.
        endless = threading.Thread(target=call, args=("eval", "redis.call('incr', 'n') while true do end", 0))
        endless.start()
        wait_until(lambda: _is_busy(place))
        owner.kill()
        endless.join(60)
        (name, error), = heard
        assert isinstance(error, hutch.OwnerLostError) and "EVAL" in str(error) and "not known" in str(error)
        assert error.commands[0][0] == "EVAL"


def _is_busy(place):
    try:
        hutch.Redis(place).get("greeting")
        return False
    except hutch.ResponseError as error:
        return "BUSY" in str(error)


# ---- under load

def _check(place, logs, always, killed=0):
    sets, pairs, lost, counts = {}, set(), collections.Counter(), []
    for log in logs:
        for line in open(log, "rb").read().splitlines():
            words = line.split()
            if words[0] == b"set" and len(words) == 3:
                sets[words[1]] = float(words[2])
            elif words[0] == b"incr" and len(words) == 2:
                counts.append(int(words[1]))
            elif words[0] == b"pair" and len(words) == 2:
                pairs.add(words[1])
            elif words[0] == b"lost" and len(words) == 3:
                lost[words[2]] += 1
    with hutch.Redis(place) as r:
        assert r.store.is_owned
        names = list(sets)
        missing = [name for name, value in zip(names, r.mget(names)) if value is None] if names else []
        left, right = r.lrange("left", 0, -1), r.lrange("right", 0, -1)
        counter = int(r.get("counter") or 0)
    assert left == right                                 # transactions are whole
    doubled = [value for value, times in collections.Counter(left).items() if times > 1]
    if always:
        assert not missing
        assert not pairs - set(left)
        assert len(set(counts)) == len(counts)           # two owners would have counted twice
        # Beyond what was acknowledged: what nobody knows of, and what was under way in processes that were killed.
        assert max(counts) <= counter <= len(counts) + lost[b"INCRBY"] + lost[b"INCR"] + (killed + len(logs)) * 3
    assert not doubled
    return sets, missing, lost


def _kill_in_turn(place, start, logs, seconds):
    """Kill the owner again and again, and put a new process in its place; returns when each was killed."""
    killed = []
    programs = {(program := start(log)).pid: (program, log) for log in logs}
    end = time.monotonic() + seconds
    victim = 0
    while time.monotonic() < end or len(killed) < 3:
        victim = wait_for_owner(place, victim)
        program, log = programs[victim]
        size = os.path.getsize(log) if os.path.exists(log) else 0

        def goes_on():
            assert program.process.poll() is None, program.text()
            return os.path.exists(log) and os.path.getsize(log) > size + 2000
        wait_until(goes_on)
        time.sleep(random.uniform(0, 0.3))
        killed.append(time.time())
        program, log = programs.pop(victim)
        program.kill()
        another = start(log)
        programs[another.pid] = another, log
    _stop([program for program, _ in programs.values()])
    return killed


def _stop(programs):
    for program in programs:
        program.process.send_signal(signal.SIGSTOP)      # none takes over from another now
    for program in programs:
        program.kill()


@pytest.mark.parametrize("program", ["writer", "async_writer"])
def test_owners_killed_in_turn_always(place, run, program):
    logs = [f"{place}.log{i}" for i in range(3)]
    names = iter(range(10 ** 6))
    killed = _kill_in_turn(place, lambda log: run(program, place, log, f"w{next(names)}", "always"), logs, SECONDS)
    sets, missing, lost = _check(place, logs, True, len(killed))
    print(f"{len(killed)} owners killed, {len(sets)} writes acknowledged, none lost; not known: {dict(lost)}")


def test_owners_killed_in_turn_everysec(place, run):
    logs = [f"{place}.log{i}" for i in range(3)]
    names = iter(range(10 ** 6))
    killed = _kill_in_turn(place, lambda log: run("writer", place, log, f"w{next(names)}", "everysec"), logs, SECONDS)
    sets, missing, lost = _check(place, logs, False, len(killed))
    for name in missing:                 # the promise: the last two seconds before an end
        assert any(moment - 2 <= sets[name] <= moment + 0.1 for moment in killed)
    ages = [min(moment - sets[name] for moment in killed if moment + 0.1 >= sets[name]) for name in missing]
    print(f"{len(killed)} owners killed, {len(sets)} writes acknowledged, {len(missing)} lost, of the last {max(ages, default=0):.3f} s; "
          f"not known: {dict(lost)}")


# ---- asyncio

def test_asyncio_goes_on(place, owner):
    async def main():
        async with hutch.asyncio.Redis(place, decode_responses=True) as r:
            waiting = [asyncio.create_task(r.blpop(f"queue-{i}")) for i in range(5)]
            subscriber = r.pubsub(ignore_subscribe_messages=True)
            await subscriber.subscribe("news")
            heard = []

            async def listen():
                async for message in subscriber.listen():
                    heard.append(message["data"])

            listening = asyncio.create_task(listen())
            while (await r.info("clients"))["blocked_clients"] < 5:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert not r.store.is_owned
            owner.kill()
            assert sorted(await asyncio.gather(*(r.incr("n") for _ in range(10)))) == list(range(1, 11))
            assert r.store.is_owned and await r.get("greeting") == "hello"
            while (await r.info("clients"))["blocked_clients"] < 5:
                await asyncio.sleep(0.01)
            for i in range(5):
                await r.rpush(f"queue-{i}", i)
            assert await asyncio.gather(*waiting) == [(f"queue-{i}", str(i)) for i in range(5)]
            while not await r.publish("news", "again"):
                await asyncio.sleep(0.01)
            await async_wait_until(lambda: heard[-1:] == ["again"])
            listening.cancel()
            await subscriber.aclose()
            assert await r.pipeline().incr("n").execute() == [11]

    asyncio.run(main())


def test_a_program_of_asyncio_takes_over(place, owner, run):
    program = run("async_client", place)
    program.wait_for("ready")
    time.sleep(0.2)
    owner.kill()
    assert wait_for_owner(place, owner.pid) == program.pid
    with hutch.Redis(place) as r:
        assert not r.store.is_owned
        r.rpush("async-queue", "element")
        program.wait_for("popped element")
        wait_until(lambda: r.publish("news", "tidings"))
        program.wait_for("message message tidings")
