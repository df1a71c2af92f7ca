"""Many threads on one store: invariants that break if a command is not atomic."""
import random
import threading

from redis.exceptions import WatchError

import hutch
from kit.threads import THREADS, run_in_threads


def test_counts():
    r = hutch.Redis()

    def work(i):
        for _ in range(5000):
            r.incr("hot")
            r.incrby("general", 2)
        for _ in range(500):
            r.execute_command("INCR", "general")

    run_in_threads(work)
    assert r.get("hot") == b"%d" % (THREADS * 5000)
    assert r.get("general") == b"%d" % (THREADS * 10500)


def test_transfers_keep_the_total():
    r = hutch.Redis(decode_responses=True)
    r.mset({"left": 1000, "right": 1000})

    def work(i):
        chance = random.Random(i)
        done = 0
        while done < 100:
            with r.pipeline() as pipe:
                try:
                    pipe.watch("left", "right")
                    left, right = map(int, pipe.mget("left", "right"))
                    assert left + right == 2000
                    amount = chance.randrange(-5, 6)
                    pipe.multi()
                    pipe.set("left", left - amount).set("right", right + amount)
                    pipe.execute()
                    done += 1
                except WatchError:
                    continue

    run_in_threads(work)
    assert sum(map(int, r.mget("left", "right"))) == 2000


def test_multi_is_seen_whole():
    r = hutch.Redis(decode_responses=True)
    r.mset({"a": 0, "b": 0})
    stop = threading.Event()

    def work(i):
        if i < 3:
            for n in range(1500):
                r.pipeline().set("a", f"{i}-{n}").set("b", f"{i}-{n}").execute()
            stop.set()
        else:
            while not stop.is_set():
                a, b = r.mget("a", "b")
                assert a == b

    run_in_threads(work, 6)


def test_one_session_many_threads():
    store = hutch.Store()
    session = store.engine.session()

    def work(i):
        key = f"k{i}"
        for n in range(3000):
            value = f"{i}-{n}" * (1 + n % 200)      # short replies and long ones
            assert session.execute(("SET", key, value)) == b"OK"
            assert session.execute(("GET", key)) == value.encode()
            if n % 50 == 0:
                assert session.execute_many([("GET", key)] * 600) == [value.encode()] * 600

    run_in_threads(work, 6)


def test_sessions_come_and_go():
    store = hutch.Store()

    def work(i):
        for n in range(300):
            session = store.engine.session()
            session.execute(("SET", f"s{i}", n))
            if n % 2:
                session.close()
            del session

    run_in_threads(work)
    assert store.engine.session().execute(("GET", "s3")) == b"299"


def test_closing_under_load():
    for _ in range(10):
        store = hutch.Store()
        clients = [hutch.Redis(store=store) for _ in range(4)]

        def work(i):
            try:
                while True:
                    clients[i].incr("n")
                    clients[i].pipeline().incr("n").get("n").execute()
            except hutch.exceptions.ConnectionError:
                pass

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        threading.Event().wait(0.02)
        store.close()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
