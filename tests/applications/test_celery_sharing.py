"""Celery on a store in a directory: several workers with the prefork pool, and no server. Owners are killed amid the work."""
import os
import signal
import sys
import uuid

import pytest

pytest.importorskip("celery")

from celery import chain, chord, group

import celery_app
import hutch
import hutch.celery  # noqa: F401
from kit.application_servers import APPLICATIONS
from kit.launch import HUTCH_ENVIRONMENT, Launched
from kit.sharing import owner_of
from kit.waiting import wait_until

WAIT = 120


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "queue")


@pytest.fixture
def start_worker(place):
    started = []

    def start(*arguments):
        name = f"w{uuid.uuid4().hex[:6]}@here"
        worker = Launched(
            (sys.executable, "-m"), "celery", "-A", "celery_shared_app", "worker", "-n", name, "-Q", "proof", "--loglevel=INFO",
            "--without-mingle", *(arguments or ("-c", "2")), cwd=APPLICATIONS, start_new_session=True,
            env={"BROKER": f"hutch://{place}?db=0&appendfsync=always", "BACKEND": f"hutch://{place}?db=1", "PYTHONUNBUFFERED": "1",
                 "PYTHONPATH": os.pathsep.join((str(APPLICATIONS), HUTCH_ENVIRONMENT["PYTHONPATH"]))})
        worker.wait_for(f"{name} ready.", 120)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        _kill(worker)


def _kill(worker):
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    worker.process.wait()


@pytest.fixture
def app(place):
    with celery_app.connected(f"hutch://{place}?db=0", f"hutch://{place}?db=1") as app:
        yield app


def _work(app, rounds):
    add = app.tasks["proof.add"]
    groups = [group(add.s(n, k) for n in range(20))() for k in range(rounds)]
    chords = [chord((add.s(n, k) for n in range(5)), app.tasks["proof.total"].s())() for k in range(rounds)]
    chains = [chain(add.s(n, 1), add.s(10), add.s(100))() for n in range(rounds)]
    assert [one.get(timeout=WAIT) for one in groups] == [[n + k for n in range(20)] for k in range(rounds)]
    assert [one.get(timeout=WAIT) for one in chords] == [10 + 5 * k for k in range(rounds)]
    assert [one.get(timeout=WAIT) for one in chains] == [n + 111 for n in range(rounds)]


def test_prefork_workers(place, app, start_worker):
    """The first worker owns the store; a second one, its children, and the program that asks are its clients."""
    first = start_worker()
    second = start_worker()
    assert owner_of(place) == first.pid
    _work(app, 3)
    found = [app.send_task("proof.where", ("visits",), queue="proof").get(timeout=WAIT) for _ in range(8)]
    assert not any(owned for _, owned in found)
    assert not {pid for pid, _ in found} & {first.pid, second.pid, os.getpid()}
    with hutch.Redis(place, db=5) as r:
        assert r.get("visits") == b"8"
    # In order: the worker ends, and the others go on.
    first.process.send_signal(signal.SIGTERM)
    assert first.ended(60) == 0
    wait_until(lambda: owner_of(place) != first.pid)
    _work(app, 2)


def test_the_owner_is_killed(place, app, start_worker):
    first = start_worker()
    start_worker()
    _work(app, 1)
    assert owner_of(place) == first.pid
    tasks = [app.tasks["proof.add"].delay(n, n) for n in range(10)]
    assert [task.get(timeout=WAIT) for task in tasks] == [2 * n for n in range(10)]
    _kill(first)
    _work(app, 2)
    assert owner_of(place) != first.pid
    start_worker()
    _work(app, 2)
