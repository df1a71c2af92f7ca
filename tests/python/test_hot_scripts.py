"""Compiled eval and evalsha: the slow path's results, a session of their own, others let in."""
import os
import signal
import threading
import time

import pytest
import redis

import hutch

INCREMENT = "return redis.call('INCRBY', KEYS[1], ARGV[1])"


class General(hutch.Redis):
    """The same client on the slow path."""

    def execute_command(self, *args, **options):
        return super().execute_command(*args, **options)


SCRIPTS = [
    ("return 1", 0), ("return {1, 'two', {3.9}, false, 'after'}", 0), ("return nil", 0), ("return redis.status_reply('FINE')", 0),
    ("return redis.error_reply('MY own')", 0), ("return {ok = 'yes'}", 0), ("return ARGV", 0, "a", b"\xc3\xa4", 5, 1.5), ("return KEYS", 2, "k", "l", "m"),
    (INCREMENT, 1, "n", 2), (INCREMENT, 1, "n", "x"), ("return redis.call('NOPE')", 0), ("return nonsense", 0), ("syntax error", 0),
    ("return string.rep('x', 20000)", 0), ("redis.setresp(3) return redis.call('HGETALL', KEYS[1])", 1, "h"), ("return 1", "x"),
    ("return 1", -1), ("return 1", 5), ("return 1", 0, None), ("return {double = 1.5}", 0), ("redis.setresp(3) return true", 0),
]


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("protocol", [None, 2, 3])
def test_same_as_the_general_way(protocol, decode):
    hot, general = (kind(protocol=protocol, decode_responses=decode) for kind in (hutch.Redis, General))
    for _ in range(2):
        for call in SCRIPTS:
            for client in (hot, general):
                client.hset("h", mapping={"a": 1, "b": "c"})
            assert outcome(lambda: hot.eval(*call)) == outcome(lambda: general.eval(*call)), call
            shas = [outcome(lambda: client.script_load(call[0])) for client in (hot, general)]
            assert shas[0] == shas[1]
            if isinstance(shas[0], str):
                assert outcome(lambda: hot.evalsha(shas[0], *call[1:])) == outcome(lambda: general.evalsha(shas[0], *call[1:])), call
    assert outcome(lambda: hot.evalsha("f" * 40, 0)) == outcome(lambda: general.evalsha("f" * 40, 0))
    mine, theirs = ({name: (stat["calls"], stat["failed_calls"]) for name, stat in client.info("commandstats").items()
                     if name.startswith(("cmdstat_eval", "cmdstat_incr"))} for client in (hot, general))
    assert mine == theirs


def test_others_are_let_in_and_may_kill():
    r = hutch.Redis()
    r.config_set("busy-reply-threshold", 50)
    assert r.eval("return 1", 0) == 1        # from now on the compiled way
    ended = []
    runner = threading.Thread(target=lambda: ended.append(outcome(lambda: r.eval("while true do end", 0))))
    runner.start()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = outcome(lambda: r.get("k"))
        if isinstance(found, tuple):
            break
    assert found[0] is redis.exceptions.BusyLoadingError or "BUSY" in found[1]
    assert "BUSY" in outcome(lambda: r.eval("return 2", 0))[1]
    assert r.script_kill()
    runner.join(60)
    assert not runner.is_alive() and "killed by user" in ended[0][1]
    assert r.eval("return 3", 0) == 3 and r.get("k") is None


def test_a_script_of_a_transaction_lets_others_in():
    """It must not hold the GIL while it waits to get the engine back."""
    r = hutch.Redis()
    r.config_set("busy-reply-threshold", 20)
    ended, stop = [], threading.Event()

    def run():
        pipe = r.pipeline()
        pipe.execute_command("EVAL", "while true do end", 0)
        ended.append(outcome(lambda: pipe.execute(raise_on_error=False)))

    def ask():
        client = hutch.Redis(store=r.store)
        while not stop.is_set():
            outcome(lambda: client.get("k"))

    runner = threading.Thread(target=run)
    others = [threading.Thread(target=ask) for _ in range(4)]
    for thread in (runner, *others):
        thread.start()
    end = time.monotonic() + 60
    while runner.is_alive() and time.monotonic() < end:
        time.sleep(0.05)
        outcome(r.script_kill)
    stop.set()
    for thread in (runner, *others):
        thread.join(60)
    assert not runner.is_alive() and "killed by user" in ended[0][0].args[0]


def test_disconnecting_under_a_running_script():
    r = hutch.Redis()
    other = hutch.Redis(store=r.store)
    r.config_set("busy-reply-threshold", 50)
    r.eval("return 1", 0)
    ended = []
    runner = threading.Thread(target=lambda: ended.append(outcome(lambda: r.eval("while true do end", 0))))
    runner.start()
    end = time.monotonic() + 60
    while time.monotonic() < end and not isinstance(outcome(lambda: other.get("k")), tuple):
        pass
    r.connection_pool.disconnect()
    assert other.script_kill()
    runner.join(60)
    assert not runner.is_alive() and len(ended) == 1
    assert r.eval("return 3", 0) == 3


def test_ctrl_c_ends_a_script_that_only_reads():
    r = hutch.Redis()
    r.config_set("busy-reply-threshold", 50)
    r.eval("return 1", 0)
    other = hutch.Redis(store=r.store)

    def interrupt():
        while not isinstance(outcome(lambda: other.get("k")), tuple):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        threading.Thread(target=interrupt, daemon=True).start()
        r.eval("while true do end", 0)
    assert r.eval("return 3", 0) == 3


def test_database_and_transactions():
    r = hutch.Redis("scripts of a database", db=3)
    r.eval("return 1", 0)
    r.eval("return redis.call('SET', KEYS[1], 'v')", 1, "k")
    assert r.get("k") == b"v" and hutch.Redis("scripts of a database").get("k") is None
    with r.pipeline() as pipe:
        pipe.watch("k")
        r.eval("return redis.call('SET', KEYS[1], 'w')", 1, "k")
        pipe.multi()
        pipe.ping()
        with pytest.raises(redis.WatchError):
            pipe.execute()


def test_one_connection_only():
    r = hutch.Redis(max_connections=1)
    assert [r.eval("return 1", 0) for _ in range(3)] == [1, 1, 1]
    single = hutch.Redis(single_connection_client=True)
    single.execute_command("SELECT", 5)
    single.eval("return redis.call('SET', KEYS[1], 1)", 1, "k")
    single.eval("return redis.call('SET', KEYS[1], 1)", 1, "l")
    assert single.execute_command("DBSIZE") == 2


def test_locks():
    r = hutch.Redis()
    total = []

    def work():
        for _ in range(50):
            with r.lock("lock", timeout=10, sleep=0.0005):
                seen = len(total)
                time.sleep(0)
                total.append(seen)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == list(range(300))
    lock = r.lock("other", timeout=5)
    assert lock.acquire(blocking=False) and not r.lock("other").acquire(blocking=False)
    lock.extend(5)
    lock.reacquire()
    lock.release()
    with pytest.raises(redis.exceptions.LockError):
        lock.release()
