"""hutch.Server: one store, used directly and by real Redis clients at once."""
import asyncio
import gc
import os
import socket
import threading

import pytest
import redis

import hutch
from kit.redis_clients import client_that_tries_once, shut_down


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@pytest.fixture
def server():
    with hutch.Server(port=0) as server:
        yield server


def test_both_doors_lead_to_one_store(server):
    direct, plain = server.client(decode_responses=True), redis.Redis(port=server.port, decode_responses=True)
    direct.set("a", "1")
    assert plain.incr("a") == 2
    assert direct.get("a") == "2"
    assert plain.client_info()["addr"].startswith("127.0.0.1:")
    assert sorted(direct.scan_iter()) == ["a"]


def test_where_it_is(server):
    assert server.host == "127.0.0.1" and server.port > 0 and server.unix_socket is None
    assert server.url == f"redis://127.0.0.1:{server.port}/0"
    assert redis.Redis.from_url(server.url).ping()
    assert server.url in repr(server)


def test_serves_a_store_that_exists_already():
    mine = hutch.Redis(decode_responses=True)
    mine.set("who", "me")
    with hutch.Server(mine, port=0) as server:
        assert redis.Redis(port=server.port).get("who") == b"me"
        with pytest.raises(OSError, match="already"):
            hutch.Server(mine, port=0).start()
    assert mine.get("who") == "me"
    with hutch.Server(mine.store, port=0) as server:
        assert redis.Redis(port=server.port).get("who") == b"me"


def test_a_served_store_outlives_the_client_that_brought_it():
    mine = hutch.Redis()
    mine.set("a", "1")
    with hutch.Server(mine, port=0) as server:
        mine.close()
        assert redis.Redis(port=server.port).get("a") == b"1"


def test_start_and_stop_may_be_repeated():
    server = hutch.Server(port=0)
    assert not server.running and "stopped" in repr(server)
    server.stop()
    assert server.start() is server.start()
    first = server.port
    client = client_that_tries_once(first)
    client.set("kept", "yes")
    server.stop()
    server.stop()
    assert not server.running and not can_connect(first)
    with pytest.raises(redis.ConnectionError):
        client.ping()
    server.start()
    assert redis.Redis(port=server.port).get("kept") == b"yes"
    server.stop()


def test_stop_closes_the_clients(server):
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(b"PING\r\n")
    assert connection.recv(100) == b"+PONG\r\n"
    server.stop()
    connection.settimeout(10)
    assert connection.recv(100) == b""


def test_ends_when_nobody_has_it_any_more():
    server = hutch.Server(port=0).start()
    port = server.port
    assert can_connect(port)
    del server
    gc.collect()
    assert not can_connect(port)


def test_a_taken_port_is_an_os_error(server):
    other = hutch.Server(port=server.port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    assert not other.running
    server.stop()
    with other:
        assert can_connect(other.port)


def test_unix_socket(tmp_path):
    path = str(tmp_path / "hutch.sock")
    with hutch.Server(port=None, unixsocket=path) as server:
        assert (server.port, server.host, server.unix_socket) == (0, "", path)
        assert server.url == f"unix://{path}"
        assert redis.Redis.from_url(server.url).ping()
        with pytest.raises(OSError):
            can_connect(0) or socket.create_connection(("127.0.0.1", 0), 1)
    assert not os.path.exists(path)


def test_ipv6_and_several_addresses():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with hutch.Server(host=["::1", "127.0.0.1"], port=0) as server:
        assert server.url == f"redis://[::1]:{server.port}/0"
        assert redis.Redis.from_url(server.url).ping()
        assert redis.Redis(host="127.0.0.1", port=server.port).ping()


def test_password():
    with hutch.Server(port=0, password="p@ss word") as server:
        assert server.client().ping() and "word" not in repr(server)
        with pytest.raises(redis.AuthenticationError):
            client_that_tries_once(server.port).ping()
        assert redis.Redis.from_url(server.url).ping()


def test_parameters_by_their_redis_names():
    with hutch.Server(port=0, databases=3, maxclients=7, maxmemory="100mb", lazyfree_lazy_user_del=True, save="",
                      client_output_buffer_limit=["normal", "10mb", 0, 0]) as server:
        client = redis.Redis(port=server.port, decode_responses=True)
        found = client.config_get("*")
        assert found["maxclients"] == "7" and found["maxmemory"] == str(100 << 20)
        assert found["databases"] == "3" and found["lazyfree-lazy-user-del"] == "yes"
        assert found["client-output-buffer-limit"].startswith("normal 10485760 0 0")
        with pytest.raises(redis.ResponseError, match="out of range"):
            redis.Redis(port=server.port, db=3).ping()


@pytest.mark.parametrize("parameters", [{"no_such_thing": 1}, {"maxmemory": "lots"}, {"port": 70000}], ids=str)
def test_mistakes_show_when_they_are_made(parameters):
    with pytest.raises(ValueError):
        hutch.Server(**parameters)


def test_what_cannot_be_served():
    with pytest.raises(TypeError):
        hutch.Server("somewhere")
    with pytest.raises(TypeError):
        hutch.Server(hutch.Redis(), databases=3)


def test_shutdown_from_a_client_is_told(server):
    assert server.wait(0.01) is False
    told = []
    waiter = threading.Thread(target=lambda: told.append(server.wait(20)))
    waiter.start()
    shut_down(server.port)
    waiter.join(30)
    assert told == [True]
    server.stop()
    server.start()                                       # another life
    assert redis.Redis(port=server.port).ping() and server.wait(0.01) is False


def test_many_threads_through_both_doors(server):
    def work(make):
        client = make()
        for _ in range(300):
            client.incr("n")
    doors = [server.client, lambda: redis.Redis(port=server.port)] * 3
    threads = [threading.Thread(target=work, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.client().get("n") == b"1800"


def test_asyncio_clients(server):
    async def go():
        client = redis.asyncio.Redis(port=server.port)
        try:
            await asyncio.gather(*(client.incr("n") for _ in range(50)))
            return await client.get("n")
        finally:
            await client.aclose()
    assert asyncio.run(go()) == b"50"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_its_parents_server_alone(server):
    child = os.fork()
    if child == 0:
        try:
            server.stop()
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert redis.Redis(port=server.port).ping()
