"""hutch.watched: a descriptor says when there is something to read, and no thread waits in a command."""
import select
import threading
import time

import pytest

pytest.importorskip("kombu")

import redis

import hutch
from hutch.watched import WatchedConnection
from hutch.connection import EmbeddedConnectionPool


@pytest.fixture
def store():
    with hutch.Store() as store:
        yield store


@pytest.fixture
def client(store):
    return hutch.Redis(store=store)


@pytest.fixture
def connection(store):
    pool = EmbeddedConnectionPool(store=store, connection_class=WatchedConnection)
    connection = pool.get_connection()
    yield connection
    pool.release(connection)
    pool.close()


def readable(connection, seconds=0.0):
    return bool(select.select([connection._sock], [], [], seconds)[0])


def test_a_wait_is_over(connection, client):
    connection.send_command("BRPOP", "a", "b", 10)
    assert not readable(connection) and not connection.can_read(timeout=0)
    client.lpush("b", "x")
    assert readable(connection, 5) and connection.can_read(timeout=0) and readable(connection)
    assert connection.read_response() == [b"b", b"x"]
    assert not readable(connection) and not connection.can_read(timeout=0)


def test_nothing_to_wait_for(connection, client):
    client.lpush("a", "x", "y")
    for expected in (b"x", b"y"):
        connection.send_command("BRPOP", "a", 10)
        assert readable(connection), "there is a reply, so epoll must say so"
        assert connection.read_response() == [b"a", expected]
    assert client.llen("a") == 0


def test_the_time_is_over(connection):
    connection.send_command("BRPOP", "a", 0.05)
    assert readable(connection, 5) and connection.read_response() is None


def test_an_error(connection, client):
    client.set("a", "x")
    connection.send_command("BRPOP", "a", 10)
    assert readable(connection)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        connection.read_response()


def test_reading_waits_for_the_reply(connection, client):
    connection.send_command("BLPOP", "a", 10)
    timer = threading.Timer(0.05, client.rpush, ("a", "late"))
    timer.start()
    assert connection.read_response() == [b"a", b"late"]
    timer.join()


def test_can_read_waits_for_its_time(connection, client):
    connection.send_command("BLPOP", "a", 10)
    start = time.monotonic()
    assert not connection.can_read(timeout=0.05) and time.monotonic() - start >= 0.05
    client.rpush("a", "x")
    assert connection.can_read(timeout=5)


def test_a_pause(connection, client):
    client.lpush("a", "x")
    client.client_pause(50)
    connection.send_command("BRPOP", "a", 10)
    assert connection.read_response() == [b"a", b"x"]


def test_plain_commands_between(connection, client):
    connection.send_command("BRPOP", "a", 0.01)
    assert connection.read_response() is None
    connection.send_command("PING")
    assert readable(connection), "a descriptor that is watched tells of every reply"
    assert connection.read_response() == b"PONG" and not readable(connection)


def test_disconnect_ends_the_wait(connection, client):
    connection.send_command("BRPOP", "a", 10)
    number = connection._sock.fileno()
    assert number >= 0 and client.info("clients")["blocked_clients"] == 1
    line = connection._sock
    connection.disconnect()
    assert line.fileno() == -1 and client.info("clients")["blocked_clients"] == 0
    client.lpush("a", "x")
    assert client.llen("a") == 1, "nobody took it"
    connection.send_command("BRPOP", "a", 10)
    assert connection.read_response() == [b"a", b"x"]


def test_killed_by_another_client(connection, client):
    connection.send_command("CLIENT", "ID")
    number = connection.read_response()
    connection.send_command("BRPOP", "a", 10)
    assert client.client_kill_filter(_id=number) == 1
    assert readable(connection, 5)
    with pytest.raises(redis.ConnectionError):
        connection.read_response()


def test_epoll_forgets_a_closed_descriptor(connection):
    poll = select.epoll() if hasattr(select, "epoll") else None
    if poll is None:
        pytest.skip("no epoll here")
    connection.send_command("BRPOP", "a", 0.01)
    poll.register(connection._sock, select.EPOLLIN)
    assert poll.poll(5)
    connection.disconnect()
    assert poll.poll(0) == []
    poll.close()
