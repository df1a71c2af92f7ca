"""Celery with broker and results on a store of this process: worker and producers are threads, and nothing listens."""
import os
import subprocess
import sys
import threading
import time
import uuid

import pytest

pytest.importorskip("celery")

import kombu
from celery import chain, chord, group, states
from celery.contrib.testing.worker import start_worker
from celery.exceptions import ChordError, TaskRevokedError

import celery_app
import hutch
import hutch.celery
from hutch.celery.stores import store_for
from kit.waiting import wait_until

WAIT = 30


@pytest.fixture
def name():
    """A store of the test's own."""
    return f"Celery-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["threads", "solo"])
def app(request, name):
    """An application whose worker runs in a thread."""
    with (celery_app.connected(f"hutch://{name}/0", f"hutch://{name}/1") as app,
          start_worker(app, perform_ping_check=False, pool=request.param, concurrency=2, queues=["proof"], shutdown_timeout=20)):
        yield app


@pytest.fixture
def tasks(app):
    return lambda name: app.tasks[f"proof.{name}"]


def test_many_tasks(app, tasks, name):
    add, stubborn = tasks("add"), tasks("stubborn")
    groups = [group(add.s(n, k) for n in range(40))() for k in range(3)]
    chords = [chord((add.s(n, k) for n in range(9)), tasks("total").s())() for k in range(10)]
    chains = [chain(add.s(n, 1), add.s(10), add.s(100))() for n in range(10)]
    retried = [stubborn.delay(n, n % 3) for n in range(20)]
    start = time.time()
    later = [tasks("moment").apply_async(countdown=0.5) for _ in range(5)]
    assert [one.get(timeout=WAIT) for one in groups] == [[n + k for n in range(40)] for k in range(3)]
    assert [one.get(timeout=WAIT) for one in chords] == [36 + 9 * k for k in range(10)]
    assert [one.get(timeout=WAIT) for one in chains] == [n + 111 for n in range(10)]
    assert [tuple(one.get(timeout=WAIT)) for one in retried] == [(n, n % 3) for n in range(20)]
    assert all(one.get(timeout=WAIT) >= start + 0.5 for one in later)
    broker, results = hutch.Redis(name), hutch.Redis(name, db=1)
    wait_until(lambda: not broker.exists("unacked", "unacked_index", "proof"))
    assert 0 < results.ttl(f"celery-task-meta-{later[0].id}") <= celery_app.RESULT_EXPIRES_SECONDS
    assert store_for(name).engine.port == 0, "nothing listens"


def test_failures(tasks):
    with pytest.raises(ValueError, match="on purpose"):
        tasks("broken").delay("on purpose").get(timeout=WAIT)
    failed = chord([tasks("add").s(1, 1), tasks("broken").s("in a chord")], tasks("total").s())()
    error = failed.get(timeout=WAIT, propagate=False)
    assert isinstance(error, ChordError) and "in a chord" in str(error)


def test_producers_in_many_threads(tasks):
    found = []

    def produce(number):
        found.append(sum(one.get(timeout=WAIT) for one in [tasks("add").delay(number, n) for n in range(20)]))
    threads = [threading.Thread(target=produce, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(found) == [20 * number + 190 for number in range(5)]


def test_remote_control(app, tasks):
    [answer] = wait_until(lambda: app.control.ping(timeout=1))
    [[worker, pong]] = answer.items()
    assert pong == {"ok": "pong"}
    inspect = app.control.inspect([worker], timeout=5)
    assert inspect.stats()[worker]["broker"]["transport"] == "hutch"
    waiting = tasks("add").apply_async((1, 1), countdown=1)
    waiting.revoke()
    with pytest.raises(TaskRevokedError):
        waiting.get(timeout=WAIT)
    assert waiting.state == states.REVOKED


def test_messages_outlive_connections(name):
    """A producer that went away before the first worker came."""
    with celery_app.connected(f"hutch://{name}/0", f"hutch://{name}/1") as app:
        sent = [app.tasks["proof.add"].delay(n, n).id for n in range(5)]
    with celery_app.connected(f"hutch://{name}/0", f"hutch://{name}/1") as app:
        with start_worker(app, perform_ping_check=False, pool="solo", queues=["proof"], shutdown_timeout=20):
            assert [app.AsyncResult(one).get(timeout=WAIT) for one in sent] == [0, 2, 4, 6, 8]


def test_a_closed_store_is_noticed_at_once(name):
    with celery_app.connected(f"hutch://{name}/0", f"hutch://{name}/1") as app:
        result = app.tasks["proof.add"].delay(1, 1)
        store_for(name).close()
        start = time.monotonic()
        with pytest.raises((RuntimeError, hutch.StoreClosedError)):
            result.get(timeout=WAIT)
        assert time.monotonic() - start < 10


# ---- kombu alone

def connect(url, **options):
    return kombu.Connection(url, transport_options=options)


def drain(connection, seconds):
    """Let it do what it has to do in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection.drain_events(timeout=max(0.01, end - time.monotonic()))
        except TimeoutError:
            pass


def test_what_nobody_acknowledged_comes_back(name):
    url = f"hutch://{name}/2"
    queue = kombu.Queue("work", kombu.Exchange("work"), routing_key="work")
    with connect(url) as producer, producer.Producer() as publish:
        publish.publish({"n": 1}, exchange=queue.exchange, routing_key="work", declare=[queue])
    seen = []
    options = {"visibility_timeout": 1, "unacked_restore_throttle": 1}
    lost = connect(url, **options)
    consumer = lost.Consumer(queue, callbacks=[lambda body, message: seen.append(body)])
    consumer.consume()
    lost.drain_events(timeout=5)
    # Its thread is gone without a word: nothing is restored by it, and its sessions end.
    lost.default_channel.qos.restore_at_shutdown = False
    lost.transport.cycle.close()
    lost.default_channel._disconnect_pools()
    assert seen == [{"n": 1}] and hutch.Redis(name, db=2).hlen("unacked") == 1

    def taken(body, message):
        seen.append((body, message.headers.get("redelivered") or message.delivery_info.get("redelivered")))
        message.ack()
    with connect(url, **options) as heir, heir.Consumer(queue, callbacks=[taken]):
        end = time.monotonic() + WAIT
        while len(seen) == 1 and time.monotonic() < end:
            try:
                heir.drain_events(timeout=0.3)       # shorter than a BRPOP, or kombu never looks for lost ones
            except TimeoutError:
                pass
    assert seen[1] == ({"n": 1}, True) and not hutch.Redis(name, db=2).exists("unacked")


def test_fanout_reaches_everybody(name):
    exchange = kombu.Exchange("news", type="fanout")
    seen = []
    listeners = []
    for number in range(3):
        connection = connect(f"hutch://{name}/0")
        queue = kombu.Queue(f"news.{number}", exchange)
        consumer = connection.Consumer(queue, callbacks=[lambda body, message, number=number: seen.append((number, body))],
                                       no_ack=True)
        consumer.consume()
        drain(connection, 0.1)           # subscribes
        listeners.append(connection)
    with connect(f"hutch://{name}/0") as producer, producer.Producer() as publish:
        publish.publish("hello", exchange=exchange, declare=[exchange])
    for connection in listeners:
        connection.drain_events(timeout=5)
        connection.release()
    assert sorted(seen) == [(0, "hello"), (1, "hello"), (2, "hello")]


def test_urls(name):
    with connect(f"hutch://{name}/3?client_name=me") as connection:
        assert connection.transport.driver_type == "hutch" and connection.as_uri() == f"hutch://{name}/3?client_name=me"
        connection.default_channel.client.set("here", 1)
        assert hutch.Redis(name, db=3).get("here") == b"1"
        assert "me" in {one["name"] for one in hutch.Redis(name).client_list()}
    assert kombu.Connection("hutch://me:secret@store/0").as_uri() == "hutch://me:**@store/0"
    with pytest.raises(TypeError):
        connect(f"hutch://{name}/0?nosuch=1").connect()


def test_password(name):
    keep = hutch.Redis(name)
    keep.config_set("requirepass", "secret")
    with connect(f"hutch://:secret@{name}/0") as connection:
        assert connection.default_channel.client.ping()
    wrong = connect(f"hutch://:wrong@{name}/0")
    with pytest.raises(wrong.connection_errors, match="WRONGPASS|invalid username-password"):
        wrong.connect()
    keep.config_set("requirepass", "")


def test_key_prefix(name):
    queue = kombu.Queue("work", kombu.Exchange("work"), routing_key="work")
    with connect(f"hutch://{name}/0", global_keyprefix="mine:") as connection, connection.Producer() as publish:
        publish.publish("hello", exchange=queue.exchange, routing_key="work", declare=[queue])
        assert hutch.Redis(name).llen("mine:work") == 1
        seen = []
        with connection.Consumer(queue, callbacks=[lambda body, message: (seen.append(body), message.ack())]):
            connection.drain_events(timeout=5)
        assert seen == ["hello"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told(name):
    """What a task of the prefork pool would see."""
    store_for(name)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            store_for(name)
            os.write(write, b"no error")
        except hutch.ForkedError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert b"--pool threads or solo" in os.read(read, 1000)


def test_installing_is_enough():
    """Celery finds the scheme by the distribution's entry points, without an import of Hutch."""
    from importlib.metadata import entry_points
    if not [one for one in entry_points(group="celery.result_backends") if one.name == "hutch"]:
        pytest.skip("Hutch is not installed, only on the path")
    program = ("import celery; app = celery.Celery('x', broker='hutch://', backend='hutch:///1'); "
               "print(app.connection().transport.driver_type, type(app.backend).__name__)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["hutch", "HutchBackend"], done.stderr
