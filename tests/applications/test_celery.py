"""Celery with its broker in database 0 and its results in database 1; worker processes, prefork as usual."""
import threading
import time
import uuid

import pytest

pytest.importorskip("celery")

from celery import chain, chord, group, states
from celery.exceptions import TaskRevokedError
from kombu.exceptions import OperationalError

import celery_app
from kit.waiting import wait_until

WAIT = 60


def start_worker(processes, emptied_server, *arguments, broker=None, backend=None, queues="proof", **environment):
    name = f"w{uuid.uuid4().hex[:6]}@here"
    process = processes.start(
        "celery", "-A", "celery_app", "worker", "-n", name, "-Q", queues, "--loglevel=INFO", "--without-mingle",
        *(arguments or ("-c", "2")), ready=f"{name} ready.",
        BROKER=broker or emptied_server.url(0), BACKEND=backend or emptied_server.url(1), NOTES=emptied_server.url(2), **environment)
    process.name = name
    return process


@pytest.fixture(scope="module")
def emptied_server(server):
    for db in range(3):
        with server.client(db) as client:
            client.flushdb()
    return server


@pytest.fixture(scope="module")
def worker(emptied_server, processes):
    return start_worker(processes, emptied_server)


@pytest.fixture(scope="module")
def app(emptied_server):
    with celery_app.connected(emptied_server.url(0), emptied_server.url(1)) as app:
        yield app


@pytest.fixture
def tasks(app):
    """The application's tasks by their short names."""
    return lambda name: app.tasks[f"proof.{name}"]


def test_five_hundred_tasks(app, tasks, worker, emptied_server):
    """Groups, chords, chains, retries, countdowns and ETAs at once; every result is the right one."""
    add, stubborn = tasks("add"), tasks("stubborn")
    start = time.time()
    groups = [group(add.s(n, k) for n in range(60))() for k in range(4)]                            # 240 tasks
    chords = [chord((add.s(n, k) for n in range(9)), tasks("total").s())() for k in range(16)]      # 160
    chains = [chain(add.s(n, 1), add.s(10), add.s(100))() for n in range(10)]                       # 30
    retried = [stubborn.delay(n, n % 3) for n in range(40)]                                         # 40
    later = [tasks("moment").apply_async(countdown=1) for _ in range(15)]                           # 15
    at = app.now().timestamp() + 1.5
    dated = [tasks("moment").apply_async(eta=app.now().fromtimestamp(at, app.timezone)) for _ in range(15)]
    assert [one.get(timeout=WAIT) for one in groups] == [[n + k for n in range(60)] for k in range(4)]
    assert [one.get(timeout=WAIT) for one in chords] == [36 + 9 * k for k in range(16)]
    assert [one.get(timeout=WAIT) for one in chains] == [n + 111 for n in range(10)]
    assert [tuple(one.get(timeout=WAIT)) for one in retried] == [(n, n % 3) for n in range(40)]
    assert all(one.get(timeout=WAIT) >= start + 1 for one in later)
    assert all(one.get(timeout=WAIT) >= at for one in dated)
    # Everything was acknowledged, and nothing is left in the queue.
    with emptied_server.client() as client:
        wait_until(lambda: not client.exists("unacked", "unacked_index", "proof"))


def test_failures_reach_the_caller(tasks, worker):
    failed = tasks("broken").delay("on purpose")
    with pytest.raises(ValueError, match="on purpose"):
        failed.get(timeout=WAIT)
    assert failed.state == states.FAILURE and "ValueError" in failed.traceback
    hopeless = tasks("stubborn").delay(1, 9)
    with pytest.raises(RuntimeError, match="not yet: 1"):
        hopeless.get(timeout=WAIT)
    assert chord([tasks("add").s(1, 1), tasks("broken").s("in a chord")], tasks("total").s())().get(
        timeout=WAIT, propagate=False).args[0].startswith("Dependency")


def test_nested_canvas(tasks, worker):
    add, total = tasks("add"), tasks("total")
    work = chain(group(add.s(n, n) for n in range(5)), total.s(), group(add.s(1), add.s(2)), total.s())
    assert work().get(timeout=WAIT) == 43


def test_results_expire(tasks, worker, emptied_server):
    result = tasks("add").delay(2, 2)
    assert result.get(timeout=WAIT) == 4
    with emptied_server.client(1) as client:
        key = f"celery-task-meta-{result.id}"
        expires = celery_app.RESULT_EXPIRES_SECONDS
        assert expires - 60 < client.ttl(key) <= expires
        result.forget()
        assert not client.exists(key)


def test_remote_control(app, tasks, worker):
    """Fanout: the control exchange is PUBLISH and PSUBSCRIBE, the answers come through a queue."""
    assert wait_until(lambda: app.control.ping(destination=[worker.name], timeout=5)) == [{worker.name: {"ok": "pong"}}]
    inspect = app.control.inspect([worker.name], timeout=5)
    assert "proof.add" in inspect.registered()[worker.name]
    assert [queue["name"] for queue in inspect.active_queues()[worker.name]] == ["proof"]
    assert inspect.stats()[worker.name]["broker"]["transport"] == "redis"
    # Without a destination the first answer does not end the wait.
    assert {name for answer in app.control.broadcast("ping", reply=True, timeout=1) for name in answer} == {worker.name}

    waiting = tasks("add").apply_async((1, 1), countdown=100)
    wait_until(lambda: any(one["request"]["id"] == waiting.id for one in inspect.scheduled()[worker.name]))
    waiting.revoke()
    wait_until(lambda: waiting.id in inspect.revoked()[worker.name])
    stats = inspect.stats()[worker.name]
    assert stats["total"]["proof.add"] > 100 and stats["pool"]["max-concurrency"] == 2


def test_revoked_task(app, tasks, worker):
    """Revoked while it waits in the worker for its time."""
    waiting = tasks("add").apply_async((1, 1), countdown=1)
    waiting.revoke()
    with pytest.raises(TaskRevokedError):
        waiting.get(timeout=WAIT)


def test_events(app, tasks, worker):
    """Task events are a fanout, too."""
    seen = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": seen.append})
        # Wakes every second to look at `should_stop`; `wakeup` asks the workers for a heartbeat.
        listener = threading.Thread(target=receiver.capture, kwargs={"limit": None, "timeout": WAIT, "wakeup": True})
        listener.start()
        try:
            wait_until(lambda: seen)
            result = tasks("add").delay(3, 4)
            wait_until(lambda: {"task-received", "task-started", "task-succeeded"}
                  <= {one["type"] for one in seen if one.get("uuid") == result.id})
        finally:
            receiver.should_stop = True
            listener.join(10)
    assert not listener.is_alive()


def test_priorities(app, tasks, emptied_server, own_processes):
    """Published before anybody consumes: the most urgent (0) comes first. Each priority is a list of its own."""
    with emptied_server.client(2) as notes:
        notes.delete("ranked")
        order = [9, 3, 0, 6, 9, 0, 3, 6, 0]
        for priority in order:
            tasks("note").apply_async(("ranked", str(priority)), queue="ranked", priority=priority)
        with emptied_server.client() as client:
            lists = [client.llen(name) for name in ("ranked", *(f"ranked\x06\x16{n}" for n in (3, 6, 9)))]
        assert lists == [3, 2, 2, 2]
        start_worker(own_processes, emptied_server, "-c", "1", "--pool", "solo", queues="ranked")
        wait_until(lambda: notes.llen("ranked") == len(order))
        assert notes.lrange("ranked", 0, -1) == sorted(map(str, order))


def test_killed_worker(app, tasks, emptied_server, own_processes):
    """A worker gets SIGKILL amid a task; another one gets the task when its message has been invisible for long enough."""
    first = start_worker(own_processes, emptied_server, "-c", "1", queues="late")
    with emptied_server.client(2) as notes, emptied_server.client() as client:
        notes.delete("late")
        result = tasks("long_work").apply_async(("late",), queue="late")
        wait_until(lambda: notes.llen("late") == 1)
        assert client.hlen("unacked") >= 1
        first_pid = notes.lindex("late", 0)
        killed = time.monotonic()
        own_processes.kill(first)
        start_worker(own_processes, emptied_server, "-c", "1", queues="late")
        assert result.get(timeout=WAIT) == [2, True]
        assert time.monotonic() - killed < celery_app.VISIBILITY_SECONDS + 15
        assert notes.llen("late") == 2 and notes.lindex("late", 1) != first_pid
        wait_until(lambda: not client.hlen("unacked"))


def test_warm_shutdown(tasks, emptied_server, own_processes):
    """SIGTERM: what was fetched and not begun goes back to the queue."""
    worker = start_worker(own_processes, emptied_server, "-c", "1", queues="held")
    results = [tasks("add").apply_async((n, n), queue="held", countdown=100) for n in range(3)]
    with emptied_server.client() as client:
        wait_until(lambda: client.hlen("unacked") >= 3)
        assert own_processes.stop(worker) == 0
        assert client.llen("held") == 3
    assert all(one.state == states.PENDING for one in results)


@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_password(guarded, own_processes, way):
    """With a password, over TCP and over a Unix socket (redis+socket://)."""
    url = guarded.url if way == "tcp" else guarded.socket_url
    with celery_app.connected(url(0), url(1)) as app:
        start_worker(own_processes, guarded, "-c", "1", broker=url(0), backend=url(1))
        add, total = app.tasks["proof.add"], app.tasks["proof.total"]
        assert chord((add.s(n, n) for n in range(10)), total.s())().get(timeout=WAIT) == 90
        assert app.tasks["proof.stubborn"].delay(7, 1).get(timeout=WAIT) == [7, 1]
        assert len(wait_until(lambda: app.control.ping(timeout=1))) == 1


def test_wrong_password(guarded):
    url = guarded.url(0).replace("open", "close")
    with celery_app.connected(url, url) as app, pytest.raises(OperationalError, match="invalid username-password pair"):
        app.connection().ensure_connection(max_retries=1)


def test_unix_socket(emptied_server, own_processes):
    broker, backend = emptied_server.socket_url(0), emptied_server.socket_url(1)
    with celery_app.connected(broker, backend) as app:
        start_worker(own_processes, emptied_server, "-c", "1", broker=broker, backend=backend, queues="socket")
        results = [app.tasks["proof.add"].apply_async((n, n), queue="socket") for n in range(20)]
        assert [one.get(timeout=WAIT) for one in results] == [2 * n for n in range(20)]
