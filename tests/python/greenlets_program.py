"""Run by test_greenlets.py: python greenlets_program.py gevent|eventlet patched|plain

Every case waits for what another greenlet of this thread does, so that it never ends if waiting stops the hub.
"""
import sys

library, patching = sys.argv[1:]
if library == "gevent":
    import gevent
    import gevent.monkey
    if patching == "patched":
        gevent.monkey.patch_all()
    from gevent import Timeout, sleep, spawn

    def join(greenlet):
        return greenlet.get(timeout=10)
else:
    import eventlet
    if patching == "patched":
        eventlet.monkey_patch()
    from eventlet import Timeout, sleep, spawn

    def join(greenlet):
        with Timeout(10):
            return greenlet.wait()

import threading

import redis

import hutch

r = None                         # a client of a new store for each case


def soon(function, *args, **kwargs):
    """In another greenlet, once this one waits."""
    def later():
        sleep(0.02)
        return function(*args, **kwargs)
    return spawn(later)


def commands_that_wait():
    soon(r.rpush, "a", 1, 2, 3, 4)
    assert r.blpop("a", timeout=10) == ("a", "1") and r.llen("a") == 3
    soon(r.rpush, "b", 1, 2, 3)
    assert r.brpop(["none", "b"]) == ("b", "3")
    soon(r.rpush, "c", 1)
    assert r.blmove("c", "d", 10) == "1"
    soon(r.rpush, "c", 1)
    assert r.brpoplpush("c", "d", 10) == "1"
    soon(r.rpush, "c", 1)
    assert r.blmpop(10, 1, "c", direction="LEFT") == ["c", ["1"]]
    soon(r.zadd, "z", {"m": 1})
    assert r.bzpopmin("z", 10)[:2] == ("z", "m") or r.zcard("z") == 0
    soon(r.zadd, "z", {"m": 1})
    assert r.bzmpop(10, 1, "z", min=True)[0] == "z"
    soon(r.xadd, "x", {"f": "v"})
    assert r.xread({"x": "$"}, block=10000)
    r.xgroup_create("x", "g", "$")
    soon(r.xadd, "x", {"f": "v"})
    assert r.xreadgroup("g", "me", {"x": ">"}, block=10000)
    assert r.blpop("none", timeout=0.05) is None


def many_waiters():
    waiters = [spawn(r.blpop, "q", 10) for _ in range(200)]
    sleep(0.05)
    for number in range(200):
        r.rpush("q", number)
    assert sorted(int(join(waiter)[1]) for waiter in waiters) == list(range(200))


def pubsub():
    p = r.pubsub(ignore_subscribe_messages=True)
    p.subscribe("a")
    assert p.get_message() is None
    soon(r.publish, "a", "x")
    assert p.get_message(timeout=10)["data"] == "x"
    soon(r.publish, "a", "y")
    assert next(p.listen())["data"] == "y"
    assert p.get_message(timeout=0.05) is None
    heard = []
    readers = [spawn(lambda: heard.append(p.get_message(timeout=10)["data"])) for _ in range(20)]
    sleep(0.02)
    for number in range(20):
        r.publish("a", number)
    for reader in readers:
        join(reader)
    assert sorted(map(int, heard)) == list(range(20))
    p.close()


def monitor():
    with r.monitor() as m:
        soon(r.execute_command, "ECHO", "hello")
        while "ECHO hello" not in m.next_command()["command"]:
            pass


def pipelines():
    pipe = r.pipeline(transaction=False).set("k", 1).blpop("q", timeout=10).get("k")
    soon(r.rpush, "q", 1)
    assert pipe.execute() == [True, ("q", "1"), "1"]


def pause():
    r.client_pause(10000, all=False)
    soon(r.client_unpause)
    assert r.set("k", 1) is True
    r.client_pause(100)
    assert r.set("k", 2) is True         # ends by itself


def locks():
    first = r.lock("l", timeout=10, thread_local=False)
    assert first.acquire()
    if patching == "patched":            # redis-py's lock sleeps between its tries
        soon(first.release)
        assert r.lock("l", timeout=10, blocking_timeout=10).acquire()
    else:
        assert not r.lock("l", timeout=10).acquire(blocking=False)


def turns_of_one_connection():
    single = hutch.Redis(store=r.store, single_connection_client=True, decode_responses=True)
    waiter = spawn(single.blpop, "q", 10)
    sleep(0.02)
    getter = spawn(single.echo, "after")
    sleep(0.02)
    r.rpush("q", 1)
    assert join(waiter) == ("q", "1") and join(getter) == "after"


def timeouts():
    for _ in range(3):
        try:
            with Timeout(0.05):
                r.blpop("q")
        except Timeout:
            pass
        else:
            raise AssertionError
    with Timeout(0.05, False):
        r.blpop("q")
    waiter = spawn(r.blpop, "q")
    sleep(0.02)
    waiter.kill()
    sleep(0.02)
    assert r.rpush("q", 1) == 1 and r.llen("q") == 1        # nobody waits there any more
    p = r.pubsub(ignore_subscribe_messages=True)
    p.subscribe("a")
    p.get_message()
    with Timeout(0.05, False):
        p.get_message(timeout=10)
    r.publish("a", "after")
    assert p.get_message(timeout=10)["data"] == "after"
    p.close()


def ends_while_waiting():
    def waits():
        try:
            r.blpop("q")
        except redis.ConnectionError:
            return "ended"
    waiter = spawn(waits)
    listener = r.pubsub()
    listener.subscribe("a")

    def listens():
        try:
            while True:
                listener.get_message(timeout=None)
        except redis.ConnectionError:
            return "ended"
    hearer = spawn(listens)
    sleep(0.05)
    r.store.close()
    assert join(waiter) == "ended" and join(hearer) == "ended"


def other_threads():
    """A real thread wakes the hub, and one without a hub waits in its own way."""
    if library == "eventlet" and patching == "patched":
        return                           # its locks, redis-py's among them then, are not for real threads
    if library == "gevent":
        real = gevent.monkey.get_original("threading", "Thread")
    else:
        from eventlet import patcher
        real = patcher.original("threading").Thread
    moment = threading.Event()
    found = []
    thread = real(target=lambda: found.append(r.blpop("to", timeout=10)))
    thread.start()
    pusher = real(target=lambda: (r.blpop("go", timeout=10), r.rpush("from", 1)))
    pusher.start()
    soon(r.rpush, "go", 1)
    assert r.blpop("from", timeout=10) == ("from", "1")
    r.rpush("to", 2)
    for _ in range(500):
        if found:
            break
        sleep(0.02)
    assert found == [("to", "2")] and not moment.is_set()


def server():
    with hutch.Server(port=0, store=r.store) as listener:
        outside = redis.Redis(port=listener.port, decode_responses=True)
        if patching == "patched":
            soon(r.rpush, "q", 1)
            assert outside.blpop("q", timeout=10) == ("q", "1")
        soon(outside.rpush, "p", 2)
        assert r.blpop("p", timeout=10) == ("p", "2")


def threads_are_greenlets():
    """Programs that were patched: threading's threads take turns in one."""
    if patching == "plain":
        return
    found = []
    threads = [threading.Thread(target=lambda: found.append(r.blpop("q", timeout=10))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for number in range(5):
        r.rpush("q", number)
    for thread in threads:
        thread.join(10)
    assert len(found) == 5


for case in (commands_that_wait, many_waiters, pubsub, monitor, pipelines, pause, locks, turns_of_one_connection, timeouts,
             ends_while_waiting, other_threads, server, threads_are_greenlets):
    for in_greenlet in False, True:
        r = hutch.Redis(decode_responses=True)
        if in_greenlet:
            join(spawn(case))
        else:
            case()                       # in the main one
        r.close()
        print(case.__name__, "in a greenlet" if in_greenlet else "in the main one", flush=True)
print("done")
