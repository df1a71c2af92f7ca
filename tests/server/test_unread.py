"""CLIENT LIST and INFO: what a client has not read of its replies and messages."""
import re
import socket
from contextlib import suppress

import pytest

import hutch
from kit.resp_client import RespClient, pack
from kit.waiting import wait_until


def slow_reader(host, port):
    """A client whose system buffers little for it."""
    client = RespClient(host, port)
    client.socket.close()
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.connect((host, port))
    client.socket.settimeout(10)
    return client


def figures(eye, id):
    line = eye.execute("CLIENT", "LIST", "ID", id).value.decode()
    found = {name: int(value) for name, value in re.findall(r" (obl|oll|omem|tot-mem)=(\d+)", line)}
    found["events"] = re.search(r" events=(\w*)", line)[1]
    return found


def fetch(client, eye):
    for _ in range(30):
        client.send_raw(b"GET big\r\n")
    return 9_000_000


def listen(client, eye):
    client.execute("SUBSCRIBE", "c")
    for _ in range(9000):
        eye.execute("PUBLISH", "c", b"x" * 1000)
    return 9_000_000


@pytest.mark.parametrize("wait_for", [fetch, listen])
def test_a_socket_that_does_not_read(hutch_server, oracle, wait_for):
    def play(host, port):
        eye, client = RespClient(host, port), slow_reader(host, port)
        eye.execute("SET", "big", b"x" * 300_000)
        id = client.execute("CLIENT", "ID").value
        fresh = figures(eye, id)
        assert (fresh["oll"], fresh["omem"], fresh["events"]) == (0, 0, "r")
        sent = wait_for(client, eye)
        # The systems' own buffers take some of it: up to a few MB.
        full = wait_until(lambda: (now := figures(eye, id))["omem"] > sent // 8 and now["events"] == "rw" and now)
        assert full["oll"] > 1
        assert full["omem"] < full["tot-mem"] < 4 * full["omem"] + 100_000
        client.socket.settimeout(0.05)

        def emptied():
            with suppress(TimeoutError):          # all is read, or the next has not come yet
                while client.socket.recv(1 << 20):
                    pass
            return (now := figures(eye, id))["events"] == "r" and now
        empty = wait_until(emptied)
        assert (empty["oll"], empty["omem"]) == (0, 0)
        client.close()
        eye.close()
    play(oracle.host, oracle.port)
    play("127.0.0.1", hutch_server.port)


def test_little_stands_in_the_fixed_block(hutch_server):
    eye = RespClient("127.0.0.1", hutch_server.port)
    with hutch.Redis(store=hutch_server.store) as inside:
        pubsub = inside.pubsub()
        pubsub.subscribe("few")
        id = pubsub.connection.session.id
        before = figures(eye, id)
        eye.execute("PUBLISH", "few", b"x" * 1000)
        after = figures(eye, id)
        assert before["obl"] < after["obl"] - 1000 < 2000 and (after["oll"], after["omem"]) == (0, 0)
        pubsub.close()
    eye.close()


def test_an_embedded_subscriber_that_does_not_read():
    with hutch.Redis() as client:
        pubsub = client.pubsub()
        pubsub.subscribe("a")
        id = pubsub.connection.session.id
        for _ in range(300):
            client.publish("a", b"x" * 1000)

        def line():
            return next(one for one in client.client_list() if int(one["id"]) == id)
        full = line()
        assert int(full["omem"]) > 300_000 and int(full["oll"]) > 1
        assert int(full["tot-mem"]) > int(full["omem"])
        assert client.info("clients")["client_recent_max_output_buffer"] > 300_000
        assert client.info("memory")["mem_clients_normal"] > 300_000
        while pubsub.get_message():
            pass
        assert (line()["oll"], line()["omem"]) == ("0", "0")
        pubsub.close()


def test_requests_that_were_kept_while_their_client_did_not_read():
    """They fill the buffer that they lie in. When the replies before them are out at last, the listener makes room in it for more, of
    which there is none, and then reads what was kept: where the buffer lies now. (Builds with checks and sanitizers see where.)"""
    keys, value = 40, b"x" * 1_000_000                    # more replies than the listener keeps for who does not read
    first = pack(["MGET", *["big"] * keys])
    pings = (16384 - (len(first) - 300)) // len(pack(["PING"]))
    with hutch.Server(port=0) as server:
        eye = RespClient("127.0.0.1", server.port)
        eye.execute("SET", "big", value)
        clients = [RespClient("127.0.0.1", server.port) for _ in range(3)]
        ids = [client.execute("CLIENT", "ID").value for client in clients]
        for client, id in zip(clients, ids):
            client.send_raw(first[:300])
            wait_until(lambda: b" qbuf=300 " in eye.execute("CLIENT", "LIST", "ID", id).value)
        for client, id in zip(clients, ids):
            client.send_raw(first[300:] + pack(["PING"]) * pings)
            wait_until(lambda: figures(eye, id)["omem"] > 30_000_000)
        expected = b"*%d\r\n" % keys + (b"$%d\r\n" % len(value) + value + b"\r\n") * keys + b"+PONG\r\n" * pings
        for client in clients:
            found = bytearray()
            while len(found) < len(expected) and (chunk := client.socket.recv(1 << 20)):
                found += chunk
            assert bytes(found) == expected, len(found)
            assert client.execute("ECHO", "more").value == b"more"
