"""Huey with its two Redis storages: a list one waits for, and a sorted set one waits for."""
import pytest

pytest.importorskip("huey")

import huey_app
from huey.exceptions import TaskException

WAIT = 20


@pytest.fixture(scope="module", params=["plain", "priority"])
def tasks(request, server, processes):
    queue, tasks = huey_app.make(request.param, server.port)
    queue.flush()
    consumer = processes.start(
        "huey.bin.huey_consumer", "huey_app.queue", "-w", "2", "-k", "thread", "-s", "1", ready="Huey consumer started",
        HUEY_PORT=str(server.port), HUEY_KIND=request.param)
    yield tasks
    processes.kill(consumer)


def test_tasks(tasks):
    results = [tasks["add"](n, n) for n in range(30)]
    assert [one.get(blocking=True, timeout=WAIT) for one in results] == [2 * n for n in range(30)]


def test_schedule(tasks):
    assert tasks["add"].schedule((20, 3), delay=1).get(blocking=True, timeout=WAIT) == 23
    revoked = tasks["add"].schedule((1, 1), delay=1)
    revoked.revoke()
    assert revoked.is_revoked()


def test_retries_and_failures(tasks):
    failed = tasks["stubborn"]()
    with pytest.raises(TaskException):
        failed.get(blocking=True, timeout=WAIT)
    failed.reset()
    while True:
        try:
            assert failed.get(blocking=True, timeout=WAIT) == "at last"
            break
        except TaskException:
            failed.reset()
    hopeless = tasks["add"](1, "x")
    with pytest.raises(TaskException, match="TypeError"):
        hopeless.get(blocking=True, timeout=WAIT)


def test_lock(tasks):
    assert tasks["alone"](5).get(blocking=True, timeout=WAIT) == 5
