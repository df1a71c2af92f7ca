"""Calls that wait, made by Python threads and by sockets at once, on one store."""
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import pytest
import redis
from redis.exceptions import ResponseError

import hutch
from kit.threads import run_in_threads
from kit.waiting import wait_until


def blocked(r):
    return int(r.info("clients")["blocked_clients"])


@pytest.fixture
def served():
    """A store with a listener, an embedded client of it and a maker of clients over TCP."""
    with hutch.Server(port=0) as server:
        near = hutch.Redis(store=server.store, decode_responses=True)
        yield near, lambda: redis.Redis(port=server.port, decode_responses=True)


def test_forms():
    r = hutch.Redis(decode_responses=True)
    r.rpush("k", *"abcdef")
    assert r.blpop("k") == ("k", "a") or r.blpop("k") == ["k", "b"]
    assert r.blmove("k", "l", 0, "LEFT", "RIGHT")
    assert r.brpoplpush("k", "l")
    assert r.blmpop(0, 1, "l", direction="LEFT", count=5)[0] == "l"
    r.delete("k")
    began = time.monotonic()
    assert r.blpop("k", timeout=0.05) is None
    assert r.brpop(["k", "l"], timeout=0.05) is None
    assert r.blmove("k", "l", 0.05) is None
    assert r.brpoplpush("k", "l", 0.05) is None
    assert r.blmpop(0.05, 1, "k", direction="LEFT") is None
    assert 0.245 <= time.monotonic() - began      # each up to a millisecond less: a deadline is a whole one


def test_forms_of_sorted_sets():
    r = hutch.Redis(decode_responses=True)
    r.zadd("z", {"a": 1, "b": 2.5, "c": 3, "d": 4})
    assert list(r.bzpopmin("z")) == ["z", "a", 1.0]
    assert list(r.bzpopmax(["n", "z"])) == ["z", "d", 4.0]
    key, members = r.bzmpop(0, 2, ["n", "z"], min=True, count=5)
    assert key == "z" and [(member, float(score)) for member, score in members] == [("b", 2.5), ("c", 3.0)]
    began = time.monotonic()
    assert r.bzpopmin("z", timeout=0.05) is None
    assert r.bzpopmax(["z", "l"], timeout=0.05) is None
    assert r.bzmpop(0.05, 1, ["z"], max=True) is None
    assert 0.147 <= time.monotonic() - began       # deadlines are whole milliseconds
    found = []
    waiting = threading.Thread(target=lambda: found.append(r.bzpopmin("z", timeout=30)))
    waiting.start()
    wait_until(lambda: blocked(r) == 1)
    r.zadd("z", {"x": 7})
    waiting.join(60)
    assert [list(one) for one in found] == [["z", "x", 7.0]] and not r.exists("z")


def test_others_go_on_while_one_waits():
    """One client object, several threads: a wait holds up nobody, the compiled methods included."""
    r = hutch.Redis(decode_responses=True)
    r.set("a", "1")
    found = []
    waiting = threading.Thread(target=lambda: found.append(r.blpop("k", timeout=30)))
    waiting.start()
    wait_until(lambda: blocked(r) == 1)
    for _ in range(1000):
        r.incr("n")
        assert r.get("a") == "1"
        r.execute_command("PING")
    assert waiting.is_alive() and not found
    r.rpush("k", "x")
    waiting.join(60)
    assert [list(one) for one in found] == [["k", "x"]]


def test_one_session_takes_turns():
    from hutch_engine.door.engine import Engine
    engine = Engine()
    session, other = engine.session(), engine.session()
    found = []
    waiting = threading.Thread(target=lambda: found.append(session.execute(["BLPOP", "k", "0"])))
    waiting.start()
    wait_until(lambda: b"blocked_clients:1" in other.execute(["INFO", "clients"]))
    second = threading.Thread(target=lambda: found.append(session.execute(["PING"])))
    second.start()
    time.sleep(0.02)
    assert not found
    other.execute(["RPUSH", "k", "x"])
    waiting.join(60)
    second.join(60)
    assert len(found) == 2 and [b"k", b"x"] in found
    engine.close()


def test_many_in_one_call():
    """A wait in the middle of a pipeline."""
    r = hutch.Redis(decode_responses=True)
    found = []

    def work():
        with r.pipeline(transaction=False) as pipe:
            found.extend(pipe.set("a", "1").blpop("k").get("a").blpop("k").execute())

    thread = threading.Thread(target=work)
    thread.start()
    for value in ("x", "y"):
        wait_until(lambda: blocked(r) == 1)
        r.rpush("k", value)
        wait_until(lambda: not r.exists("k"))
    thread.join(60)
    assert [list(one) if isinstance(one, (list, tuple)) else one for one in found] == [True, ["k", "x"], "1", ["k", "y"]]


def test_first_come_first_served(served):
    near, far = served
    served_to = []
    threads = []
    for number in range(12):
        client = near if number % 2 else far()
        threads.append(threading.Thread(target=lambda number=number, client=client: served_to.append((number, client.blpop("k", 30)[1]))))
        threads[-1].start()
        wait_until(lambda: blocked(near) == number + 1)
    for number in range(12):
        (near if number % 3 else far()).rpush("k", number)
        wait_until(lambda: len(served_to) == number + 1)
    assert served_to == [(number, str(number)) for number in range(12)]


def test_nothing_is_lost_and_nothing_comes_twice(served):
    near, far = served
    each, makers, takers = 400, 4, 6
    taken = [[] for _ in range(takers)]

    def make(i):
        client = near if i % 2 else far()
        for number in range(each):
            key = f"q{number % 3}"
            if number % 10 == 9:
                with client.pipeline() as pipe:
                    pipe.lpush(key, f"{i}:{number}").lmove(key, "q0", "LEFT", "RIGHT").execute()
            else:
                client.rpush(key, f"{i}:{number}")

    def take(i):
        client = near if i % 2 else far()
        while True:
            kind = len(taken[i]) % 3
            if kind == 0:
                got = client.blpop(["q0", "q1", "q2"], 20)
                value = got[1]
            elif kind == 1:
                got = client.blmpop(20, 3, "q2", "q1", "q0", direction="RIGHT")
                value = got[1][0]
            else:
                value = client.blmove("q1", f"mine{i}", 0.01, "LEFT", "RIGHT") or client.brpop(["q2", "q0", "q1"], 20)[1]
            if value == "end":
                return
            taken[i].append(value)

    def work(i):
        if i < takers:
            take(i)
        else:
            make(i - takers)

    def end():
        wait_until(lambda: sum(map(len, taken)) == each * makers, 60)
        for _ in range(takers):
            near.rpush("q0", "end")

    ender = threading.Thread(target=end)
    ender.start()
    run_in_threads(work, takers + makers)
    ender.join()
    everything = Counter(value for values in taken for value in values)
    assert everything == Counter(f"{i}:{number}" for i in range(makers) for number in range(each))


def test_nothing_is_lost_of_sorted_sets_either(served):
    near, far = served
    each, makers, takers = 300, 3, 5
    taken = [[] for _ in range(takers)]

    def make(i):
        client = near if i % 2 else far()
        for number in range(each):
            key, member = f"z{number % 3}", f"{i}:{number}"
            if number % 10 == 9:        # in a transaction, behind another one that goes again
                with client.pipeline() as pipe:
                    pipe.zadd(key, {"passing": -1}).zadd(key, {member: number}).zrem(key, "passing").execute()
            else:
                client.zadd(key, {member: number})

    def take(i):
        client = near if i % 2 else far()
        while True:
            if len(taken[i]) % 3 == 0:
                members = [client.bzpopmin(["z0", "z1", "z2"], 20)[1]]
            elif len(taken[i]) % 3 == 1:
                members = [client.bzpopmax(["z2", "z0", "z1"], 20)[1]]
            else:
                members = [member for member, _ in client.bzmpop(20, 3, ["z1", "z2", "z0"], min=True, count=3)[1]]
            for member in members:
                if member.startswith("end"):
                    near.zadd("z0", {member + "'": 1e9})        # for the next one
                    return
                taken[i].append(member)

    def end():
        wait_until(lambda: sum(map(len, taken)) == each * makers, 60)
        near.zadd("z0", {"end": 1e9})

    ender = threading.Thread(target=end)
    ender.start()
    run_in_threads(lambda i: take(i) if i < takers else make(i - takers), takers + makers)
    ender.join()
    assert Counter(member for members in taken for member in members) == Counter(f"{i}:{number}" for i in range(makers) for number in range(each))


def test_unblock_and_kill(served):
    near, far = served
    answers = []

    def wait():
        try:
            answers.append(near.blpop("k", 30))
        except ResponseError as error:
            answers.append(str(error))

    for mode, expected in (((), None), (("TIMEOUT",), None), (("ERROR",), "UNBLOCKED client unblocked via CLIENT UNBLOCK")):
        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: blocked(near) == 1)
        waiting = [one for one in near.client_list() if "b" in one["flags"]]
        assert near.execute_command("CLIENT UNBLOCK", waiting[0]["id"], *mode) == 1
        thread.join(60)
        assert answers.pop() == expected
    from hutch_engine.door.engine import ClosedError                    # noqa: F401
    session = near.store.engine.session()
    errors = []

    def wait_below():
        try:
            session.execute(["BLPOP", "k", "0"])
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=wait_below)
    thread.start()
    wait_until(lambda: blocked(near) == 1)
    far().execute_command("CLIENT KILL ID", [one for one in near.client_list() if "b" in one["flags"]][0]["id"])
    thread.join(60)
    assert len(errors) == 1 and blocked(near) == 0
    near.rpush("k", "still there")
    assert near.lrange("k", 0, -1) == ["still there"]


def test_a_pause_is_seen_as_waiting_and_leaves_no_trace(served):
    near, far = served
    eye = far()
    def waiting():
        return [client["flags"] for client in eye.client_list()].count("b"), blocked(eye)
    eye.client_pause(100_000, all=False)
    writers = [threading.Thread(target=client.rpush, args=("k", "x")) for client in (near, far())]
    for writer in writers:
        writer.start()
    wait_until(lambda: waiting() == (2, 2))
    eye.client_unpause()
    for writer in writers:
        writer.join()
    assert near.llen("k") == 2
    assert waiting() == (0, 0)


def test_the_end_of_the_store_ends_waits():
    from hutch_engine.door.engine import Engine
    engine = Engine()
    session = engine.session()
    errors = []

    def wait():
        try:
            session.execute(["BLPOP", "k", "0"])
        except ConnectionError_ as error:
            errors.append(error)

    ConnectionError_ = Exception
    thread = threading.Thread(target=wait)
    thread.start()
    other = engine.session()
    wait_until(lambda: b"blocked_clients:1" in other.execute(["INFO", "clients"]))
    engine.close()
    thread.join(60)
    assert errors and not thread.is_alive()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")
def test_a_signal_ends_the_wait():
    program = textwrap.dedent("""
        import os, signal, threading, time, hutch
        r = hutch.Redis(decode_responses=True)
        def interrupt():
            other = hutch.Redis(store=r.store)
            while not other.info("clients")["blocked_clients"]:
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
        try:
            threading.Thread(target=interrupt).start()
            r.blpop("k")
        except KeyboardInterrupt:
            print("interrupted")
        r.rpush("k", "x")
        print(r.lrange("k", 0, -1), r.info("clients")["blocked_clients"], list(r.blpop("k")))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.stdout.splitlines() == ["interrupted", "['x'] 0 ['k', 'x']"], done.stderr


def test_a_shared_session_keeps_replies_apart():
    """A served wait whose reply is still to be fetched, and other threads' commands in the same session."""
    store = hutch.Store()
    r = hutch.Redis(store=store)
    r.ping()
    session = r.connection_pool.get_connection().session         # the one of r's compiled methods, too
    other = hutch.Redis(store=store)
    wrong = []
    stop = threading.Event()

    def wait():
        for number in range(300):
            got = session.execute(["BLPOP", "k", "10"])
            if got != [b"k", b"%d" % number]:
                wrong.append(got)
        stop.set()

    def push():
        for number in range(300):
            other.rpush("k", number)
            wait_until(lambda: other.llen("k") == 0)

    def disturb():
        while not stop.is_set():
            if type(r.rpush("mine", "x")) is not int or session.execute(["LLEN", "none"]) != 0:
                wrong.append("mine")
            r.lpop("mine")

    run_in_threads(lambda i: (wait, push, disturb)[i](), 3)
    assert not wrong
