"""Pipelines, transactions and WATCH, as redis-py's documentation uses them."""
import threading

import pytest
import redis

import hutch
from redis.exceptions import ExecAbortError, RedisError, ResponseError, WatchError


@pytest.fixture
def r():
    with hutch.Redis(decode_responses=True) as client:
        yield client


def test_chained(r):
    pipe = r.pipeline()
    assert pipe.set("foo", "bar").get("foo").incr("n").execute() == [True, "bar", 1]
    assert pipe.execute() == []
    assert len(pipe) == 0 and bool(pipe)


@pytest.mark.parametrize("transaction", [False, True])
def test_errors(r, transaction):
    r.set("text", "x")
    pipe = r.pipeline(transaction)
    pipe.set("a", 1).incr("text").set("b", 2)
    with pytest.raises(ResponseError, match=r"Command # 2 \(INCRBY text 1\) of pipeline caused error: value is not"):
        pipe.execute()
    pipe.set("a", 1).incr("text").set("b", 2)
    result = pipe.execute(raise_on_error=False)
    assert result[0] is True and result[2] is True and isinstance(result[1], ResponseError)
    assert r.get("b") == "2"


def test_refused_while_queueing(r):
    pipe = r.pipeline()
    pipe.set("a", 1)
    pipe.execute_command("NOSUCH")
    with pytest.raises(ResponseError, match="Command # 2 .* unknown command"):
        pipe.execute()
    assert r.get("a") is None


def test_watch_retry(r):
    r.set("sequence", 5)
    attempts = []
    with r.pipeline() as pipe:
        while True:
            try:
                pipe.watch("sequence")
                value = int(pipe.get("sequence"))
                if not attempts:
                    r.set("sequence", 10)          # somebody else, the first time
                attempts.append(value)
                pipe.multi()
                pipe.set("sequence", value + 1)
                assert pipe.execute() == [True]
                break
            except WatchError:
                continue
    assert attempts == [5, 10] and r.get("sequence") == "11"


def test_hot_writes_break_a_watch(r):
    for change in (lambda: r.set("k", 2), lambda: r.incr("k"), lambda: r.delete("k")):
        r.set("k", 1)
        with r.pipeline() as pipe:
            pipe.watch("k")
            change()
            pipe.multi()
            pipe.get("k")
            with pytest.raises(WatchError):
                pipe.execute()


def test_unwatch_and_reset(r):
    with r.pipeline() as pipe:
        pipe.watch("k")
        pipe.unwatch()
        r.set("k", 1)
        pipe.get("k")
        assert pipe.execute() == ["1"]
        pipe.watch("k")
    r.set("k", 2)
    assert r.pipeline().get("k").execute() == ["2"]


def test_multi_rules(r):
    pipe = r.pipeline()
    pipe.set("a", 1)
    with pytest.raises(RedisError):
        pipe.multi()
    pipe.reset()
    pipe.watch("a")
    pipe.multi()
    with pytest.raises(RedisError):
        pipe.multi()
    with pytest.raises(RedisError):
        pipe.watch("b")
    pipe.reset()


def test_transaction_helper(r):
    r.set("n", 1)

    def double(pipe):
        value = int(pipe.get("n"))
        pipe.multi()
        pipe.set("n", value * 2)
        return value

    assert r.transaction(double, "n") == [True]
    assert r.transaction(double, "n", value_from_callable=True) == 2
    assert r.get("n") == "4"


def test_empty_response_in_transaction(r):
    pipe = r.pipeline()
    pipe.set("a", 1)
    pipe.mget([])
    pipe.get("a")
    assert pipe.execute() == [True, [], "1"]


def test_exec_without_multi(r):
    with pytest.raises(ResponseError):
        r.execute_command("EXEC")


def test_raw_multi_on_a_single_connection_client():
    with hutch.Redis() as r, r.client() as c:
        assert c.execute_command("MULTI") == b"OK"
        assert c.execute_command("SET", "a", 1) == b"QUEUED" or True
        assert c.execute_command("GET", "a") == b"QUEUED"
        assert c.execute_command("EXEC") is not None
        assert r.get("a") == b"1"


def test_big_pipeline(r):
    pipe = r.pipeline(transaction=False)
    for i in range(20000):
        pipe.set(f"key:{i}", i)
    assert pipe.execute() == [True] * 20000
    for i in range(20000):
        pipe.get(f"key:{i}")
    assert pipe.execute() == [str(i) for i in range(20000)]


def test_subclass_hook_sees_every_reply(r):
    class Noting(redis.client.Pipeline):
        seen = []

        def parse_response(self, connection, command_name, **options):
            self.seen.append(command_name)
            return super().parse_response(connection, command_name, **options)

    pipe = Noting(r.connection_pool, r.response_callbacks, True, None)
    assert pipe.set("a", 1).get("a").execute() == [True, "1"]
    assert Noting.seen == ["_", "_", "_", "_"]


def test_exec_abort_is_its_own_class(r):
    with r.client() as c:
        c.execute_command("MULTI")
        with pytest.raises(ResponseError):
            c.execute_command("NOSUCH")
        with pytest.raises(ExecAbortError):
            c.execute_command("EXEC")


def test_pipelines_of_threads_do_not_mix():
    r = hutch.Redis()
    failures = []

    def work(name):
        for i in range(300):
            pipe = r.pipeline(transaction=i % 2 == 0)
            for j in range(10):
                pipe.set(f"{name}:{j}", f"{name}-{i}-{j}").get(f"{name}:{j}")
            expected = []
            for j in range(10):
                expected += [True, f"{name}-{i}-{j}".encode()]
            if pipe.execute() != expected:
                failures.append((name, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
