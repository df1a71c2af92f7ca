"""Dramatiq: its broker is one large Lua script, its results are lists one waits for."""
import time

import pytest

pytest.importorskip("dramatiq")

import dramatiq
from dramatiq.results import ResultFailure

import dramatiq_app
from kit.waiting import wait_until

DB = 6
WAIT_MS = 20_000


@pytest.fixture(scope="module")
def emptied_server(server):
    with server.client(DB) as client:
        client.flushdb()
    return server


@pytest.fixture(scope="module")
def broker(emptied_server):
    broker = dramatiq_app.broker_for(emptied_server.url(DB))
    yield broker
    broker.close()


@pytest.fixture(scope="module")
def actors(broker):
    return dramatiq_app.add_actors(broker)


@pytest.fixture(scope="module")
def worker(emptied_server, processes):
    return processes.start("dramatiq", "dramatiq_app", "--processes", "2", "--threads", "2", ready="is ready for action",
                           URL=emptied_server.url(DB))


def test_actors(actors, worker):
    messages = [actors["add"].send(n, n) for n in range(100)]
    assert [one.get_result(block=True, timeout=WAIT_MS) for one in messages] == [2 * n for n in range(100)]


def test_group_and_pipeline(actors, worker):
    add = actors["add"]
    group = dramatiq.group([add.message(n, 1) for n in range(20)]).run()
    assert list(group.get_results(block=True, timeout=WAIT_MS)) == list(range(1, 21))
    pipeline = (add.message(1, 2) | add.message(10) | add.message(100)).run()
    assert pipeline.get_result(block=True, timeout=WAIT_MS) == 113


def test_retries(actors, worker):
    messages = [actors["stubborn"].send(f"r{n}", n) for n in range(4)]
    assert [one.get_result(block=True, timeout=WAIT_MS) for one in messages] == [1, 2, 3, 4]


def test_delay(actors, worker):
    start = time.monotonic()
    message = actors["add"].send_with_options(args=(1, 1), delay=500)
    assert message.get_result(block=True, timeout=WAIT_MS) == 2 and time.monotonic() - start >= 0.5


def test_failure_and_dead_letters(actors, worker, broker):
    message = actors["broken"].send("on purpose")
    with pytest.raises(ResultFailure, match="on purpose"):
        message.get_result(block=True, timeout=WAIT_MS)
    wait_until(lambda: broker.client.zcard(f"{dramatiq_app.NAMESPACE}:default.XQ"))
    assert broker.client.hlen(f"{dramatiq_app.NAMESPACE}:default.XQ.msgs") == 1
    broker.flush_all()


def test_everything_was_acknowledged(actors, worker, broker):
    actors["add"].send(1, 1).get_result(block=True, timeout=WAIT_MS)
    broker.join("default", timeout=WAIT_MS)
    acks = f"{dramatiq_app.NAMESPACE}:__acks__.*"
    wait_until(lambda: not [key for key in broker.client.scan_iter(acks) if broker.client.scard(key)])


def test_worker_goes_down_in_order(worker, processes):
    assert processes.stop(worker) == 0
