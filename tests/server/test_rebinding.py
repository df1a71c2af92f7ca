"""CONFIG SET port and bind: the listener moves, its clients stay, and a failure changes nothing."""
import socket
import threading
import time

import pytest
import redis

import hutch
from hutch_engine.door.engine import Engine
from kit.backends import EmbeddedConnection, TcpBackend
from kit.launch import serve
from kit.oracle import free_port
from kit.redis_clients import shut_down
from kit.waiting import SLOW


def greets(port, host="127.0.0.1", seconds=5):
    try:
        with socket.create_connection((host, port), seconds) as client:
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def is_silent(port, host="127.0.0.1"):
    """Nobody answers there any more: the listener's thread closes the old place as soon as it has a turn."""
    end = time.monotonic() + 20 * SLOW
    while greets(port, host):
        assert time.monotonic() < end
        time.sleep(0.005)
    return True


@pytest.fixture(params=["socket", "embedded"])
def asker(request, engine, client):
    """CONFIG SET comes from a client of the listener, or from a caller in the program."""
    if request.param == "socket":
        return client
    return EmbeddedConnection(engine.session())


def configured(asker, *words):
    return asker.run([["CONFIG", "SET", *map(str, words)]])[0].raw


def test_the_present_value_changes_nothing(engine, client, asker):
    port = engine.port
    assert configured(asker, "port", port) == b"+OK\r\n"
    assert configured(asker, "bind", "127.0.0.1") == b"+OK\r\n"
    assert configured(asker, "port", port, "bind", "127.0.0.1") == b"+OK\r\n"
    assert engine.port == port and greets(port)


def test_another_port(engine, client, asker):
    old, new = engine.port, free_port()
    assert configured(asker, "port", new) == b"+OK\r\n"
    assert greets(new) and engine.port == new
    assert client.run([["PING"]])[0].raw == b"+PONG\r\n"        # who was there stays
    assert client.run([["CONFIG", "GET", "port"]])[0].value == [b"port", str(new).encode()]
    assert f"tcp_port:{new}\r\n".encode() in client.run([["INFO", "server"]])[0].value
    assert is_silent(old)


def test_there_and_back_at_once(engine, client, asker):
    old, new = engine.port, free_port()
    for _ in range(5):
        for port in (new, old):
            assert configured(asker, "port", port) == b"+OK\r\n"
    assert greets(old) and is_silent(new)
    assert client.run([["PING"]])[0].raw == b"+PONG\r\n"


def test_other_addresses(engine, client, asker):
    port = engine.port
    assert is_silent(port, "127.0.0.2")
    assert configured(asker, "bind", "127.0.0.1 127.0.0.2") == b"+OK\r\n"
    assert greets(port) and greets(port, "127.0.0.2")
    assert configured(asker, "bind", "127.0.0.2") == b"+OK\r\n"
    assert greets(port, "127.0.0.2") and is_silent(port)
    # one that holds the present one's place
    assert configured(asker, "bind", "*") == b"+OK\r\n"
    assert greets(port) and greets(port, "127.0.0.3")
    assert configured(asker, "bind", "127.0.0.1") == b"+OK\r\n"
    assert greets(port) and is_silent(port, "127.0.0.3")
    assert client.run([["PING"]])[0].raw == b"+PONG\r\n"


def test_no_tcp_any_more_and_again(engine, client, asker):
    port = engine.port
    assert configured(asker, "port", 0) == b"+OK\r\n"
    assert is_silent(port)
    assert configured(asker, "port", port) == b"+OK\r\n"
    assert greets(port)
    assert configured(asker, "bind", "") == b"+OK\r\n"
    assert is_silent(port)
    assert client.run([["PING"]])[0].raw == b"+PONG\r\n"


@pytest.mark.parametrize("words", [["bind", "nosuchhost.invalid"], ["bind", "127.0.0.1 nosuchhost.invalid"],
                                   ["bind", "127.0.0.1 "], ["port", "TAKEN"], ["timeout", "5", "port", "TAKEN"],
                                   ["bind", "127.0.0.1 192.0.2.1"], ["port", "TAKEN", "bind", "127.0.0.1 127.0.0.2"]], ids=" ".join)
def test_failures_are_redis_own_and_leave_all_as_it_was(words, engine, client, asker, oracle):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = [str(taken.getsockname()[1]) if word == "TAKEN" else word for word in words]
        before = client.run([["CONFIG", "GET", "port", "bind", "timeout"]])[0].value
        real = TcpBackend(oracle.host, oracle.port).open()
        try:
            assert configured(asker, *words) == configured(real, *words)
        finally:
            real.close()
    assert client.run([["CONFIG", "GET", "port", "bind", "timeout"]])[0].value == before
    assert greets(engine.port)


def test_who_cannot_have_a_log_stays_where_he_is(tmp_path):
    """Two parameters at once, of which the second one fails: all is as before, the listener too."""
    engine = Engine()
    engine.configure("bind", "127.0.0.1")
    engine.configure("dir", str(tmp_path))
    engine.restore()
    engine.start_listener(any_port=True)
    try:
        (tmp_path / "appendonlydir").write_text("no directory")
        old, new = engine.port, free_port()
        asker = EmbeddedConnection(engine.session())
        assert b"Unable to turn on AOF" in configured(asker, "port", new, "appendonly", "yes")
        assert asker.run([["CONFIG", "GET", "port"]])[0].value == [b"port", b"%d" % old]
        assert engine.port == old and greets(old) and not greets(new)
    finally:
        engine.close()


def test_a_server_knows_where_it_is():
    with hutch.Server(port=0) as server:
        port = free_port()
        with redis.Redis(port=server.port) as client:
            assert client.config_set("port", port)
        assert server.port == port and server.url == f"redis://127.0.0.1:{port}/0"
        assert redis.Redis.from_url(server.url).ping()


def test_what_waits_in_the_old_place_is_served(engine, client):
    """Connections that the system made and nobody has accepted yet."""
    port = engine.port
    early = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    assert configured(client, "bind", "127.0.0.1 127.0.0.2") == b"+OK\r\n"
    for one in early:
        with one:
            one.settimeout(20)
            one.sendall(b"PING\r\n")
            assert one.recv(7) == b"+PONG\r\n"


def test_the_log_says_why():
    with socket.socket() as taken, serve("--bind", "127.0.0.1") as server:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(redis.ResponseError, match="Unable to listen on this port. Check server logs."):
            redis.Redis(port=server.port).config_set("port", taken.getsockname()[1])
        server.wait_for("Warning: Could not create server TCP listening socket")
        server.wait_for("Address already in use")


def test_a_server_that_was_told_to_end_lets_nobody_in():
    with serve("--bind", "127.0.0.1") as server:
        shut_down(server.port)
        assert server.ended() == 0
        assert is_silent(server.port)


def test_moves_while_clients_come_and_the_server_stops_and_starts():
    """From several sides at once; what is open at the end is what the configuration says."""
    ports = [free_port() for _ in range(4)]
    server = hutch.Server(port=ports[0])
    server.start()
    ended = threading.Event()
    failures = []

    def moves(number):
        client = server.client()
        while not ended.is_set():
            try:
                client.config_set("port", ports[number], "bind", f"127.0.0.1 127.0.0.{number + 2}")
            except redis.ResponseError as error:      # the other one has it, or the listener is between two lives
                if "Unable to listen" not in str(error) and "Failed to bind" not in str(error):
                    failures.append(error)
            number = (number + 2) % 4
            time.sleep(0.001)

    def comes():
        while not ended.is_set():
            for port in ports:
                greets(port, seconds=0.2)

    threads = [threading.Thread(target=moves, args=(number,)) for number in (0, 1)] + [threading.Thread(target=comes)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        time.sleep(0.02)
        server.stop()
        server.start()
    ended.set()
    for thread in threads:
        thread.join(60)
    assert failures == []
    client = server.client()
    client.config_set("port", ports[0], "bind", "127.0.0.1")
    assert greets(ports[0]) and all(is_silent(port) for port in ports[1:])
    server.stop()
    assert all(is_silent(port) for port in ports)


def test_on_systems_without_epoll():
    engine = Engine()
    engine.configure("bind", "127.0.0.1")
    engine.start_listener(any_port=True, portable_poller=True)
    old, new = engine.port, free_port()
    stays = TcpBackend("127.0.0.1", old).open()
    for asker in (stays, EmbeddedConnection(engine.session())):
        for port in (new, old):
            assert configured(asker, "port", port, "bind", "127.0.0.1 127.0.0.2") == b"+OK\r\n"
            assert greets(port) and greets(port, "127.0.0.2") and is_silent(old + new - port)
    assert stays.run([["PING"]])[0].raw == b"+PONG\r\n"
    stays.close()
    engine.close()
