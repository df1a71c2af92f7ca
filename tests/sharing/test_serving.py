"""`hutch serve` and hutch.Server on a store in a directory: on purpose, and never by mistake."""
import os
import signal

import pytest
import redis

import hutch
from kit.launch import HUTCH, Launched
from kit.oracle import free_port
from kit.sharing import owner_of
from kit.waiting import wait_until


@pytest.fixture
def serve(tmp_path):
    """Starts `hutch serve` with these options, on a free port, `port` of the result."""
    started = []

    def start(*options):
        port = free_port()
        server = Launched(HUTCH, "--port", port, *options, cwd=str(tmp_path))
        server.port = port
        started.append(server)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()


def test_not_by_mistake(place, owner, serve):
    for options in (("--dir", place), ("--dir", place, "--appendonly", "yes"), ("--dir", place, "--save", "60 1"),
                    ("--dir", place, "--appendonly", "no", "--save", "")):
        server = serve(*options)
        assert server.ended() == 1
        assert f"is open in another process ({owner.pid}, serving)" in server.text()
    assert owner_of(place) == owner.pid
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello"


def test_on_purpose(place, serve):
    with hutch.Redis(place, appendfsync="always", parameters={"maxmemory": "88mb"}) as r:
        r.set("greeting", "hello")
    server = serve("--dir", place)       # a store is kept as it was
    server.wait_for("Ready to accept connections tcp")
    over_tcp = redis.Redis(port=server.port, decode_responses=True)
    assert over_tcp.get("greeting") == "hello"
    assert over_tcp.config_get("append*")["appendonly"] == "yes" and over_tcp.config_get("maxmemory")["maxmemory"] == str(88 << 20)
    assert over_tcp.config_get("appendfsync")["appendfsync"] == "always"
    with hutch.Redis(place, decode_responses=True) as r:
        assert r.get("greeting") == "hello" and not r.store.is_owned and r.store.owner == server.pid
        assert r.incr("n") == 1 and over_tcp.incr("n") == 2
        server.process.kill()
        server.process.wait()
        assert r.incr("n") == 3 and r.store.is_owned
        assert serve("--dir", place).ended() == 1
    server = serve("--dir", place)
    server.wait_for("Ready to accept connections unix")
    with hutch.Redis(place) as r:
        assert r.incr("n") == 4 and not r.store.is_owned
    server.process.send_signal(signal.SIGTERM)
    assert server.ended() == 0
    assert not os.path.exists(os.path.join(place, "hutch.sock"))


def test_a_socket_elsewhere(place, serve, tmp_path):
    socket = str(tmp_path / "socket")
    os.mkdir(place)
    server = serve("--dir", place, "--appendonly", "yes", "--unixsocket", socket)
    server.wait_for("Ready to accept connections unix")
    with hutch.Redis(place) as r:
        assert r.set("a", 1) and not r.store.is_owned
        server.process.kill()
        server.process.wait()
        assert r.incr("a") > 0 and r.store.is_owned


def test_plain_servers_beside_each_other(tmp_path, serve):
    """Without an append-only file, servers may lie in one directory, as Redis's may."""
    for _ in range(2):
        serve("--dir", str(tmp_path)).wait_for("Ready to accept connections")
    assert "hutch.lock" not in os.listdir(tmp_path)
    first = serve("--dir", str(tmp_path), "--appendonly", "yes")
    first.wait_for("Ready to accept connections")
    second = serve("--dir", str(tmp_path), "--appendonly", "yes")
    assert second.ended() == 1 and str(first.pid) in second.text()


def test_a_server_besides_the_socket(place, run):
    with hutch.Redis(place, decode_responses=True) as r:
        r.set("greeting", "hello")
        other = run("client", place)
        other.wait_for("ready")
        with hutch.Server(r, port=0) as server:
            assert redis.Redis(port=server.port).get("greeting") == b"hello"
            third = run("client", place)
            third.wait_for("ready")
            assert owner_of(place) == os.getpid()
            port = server.port
        with pytest.raises(redis.ConnectionError):
            redis.Redis(port=port).ping()
        fourth = run("client", place)
        fourth.wait_for("ready")
        assert r.get("greeting") == "hello" and owner_of(place) == os.getpid()
        with pytest.raises(ValueError):
            hutch.Server(r, port=0, unixsocket=place + ".sock")
        for program in (other, third, fourth):
            program.kill()


def test_a_server_is_the_owners(place, owner):
    with hutch.Redis(place) as r, pytest.raises(hutch.StoreLockedError, match=str(owner.pid)):
        hutch.Server(r, port=0)
    wait_until(lambda: owner_of(place) == owner.pid)
