"""The listener over real sockets: batches, limits, slow and hostile clients, both pollers."""
import os
import random
import resource
import select
import socket
import stat
import struct
import threading
import time

import pytest

from kit.resp_client import Closed, RespClient, pack
from server.test_resp_parser import PROBLEMS
from shims.listener import Server


NIL = b"$-1\r\n"


@pytest.fixture(params=[False, True], ids=["native", "portable"])
def portable(request):
    return request.param


@pytest.fixture
def serve(portable):
    """Start a server with this configuration; all are closed at the end, and nothing may be left of them."""
    servers = []

    def start(**config):
        servers.append(Server(portable=portable, **config))
        return servers[-1]
    yield start
    for server in servers:
        if (left := server.close()) is not None:
            assert left[0] == 0                                  # sessions


@pytest.fixture
def server(serve):
    return serve()


def connect(server):
    return RespClient("127.0.0.1", server.port)


def eventually(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.005)


def raw_reply(server, data, leave=False):
    """What comes back, and whether the server hung up. With `leave` we hang up first, and it will."""
    client = connect(server)
    client.send_raw(data)
    if leave:
        client.socket.shutdown(socket.SHUT_WR)
    answer, closed = client.read_until_closed(20)
    client.close()
    return answer, closed


# ---- requests and replies

def test_one_after_the_other(server):
    with connect(server) as client:
        for i in range(100):
            assert client.execute("set", "k", i).raw == b"+OK\r\n"
            assert client.execute("get", "k").value == b"%d" % i


@pytest.mark.parametrize("count", [2, 127, 128, 129, 1000, 20000])
def test_pipelines_answer_in_order(server, count):
    with connect(server) as client:
        replies = client.pipeline([("set", "k%d" % i, i) for i in range(count)]
                                  + [("get", "k%d" % i) for i in range(count)])
    assert [reply.value for reply in replies[count:]] == [b"%d" % i for i in range(count)]


def test_any_split(server):
    source = random.Random(1)
    commands = [("append", "k", "x" * source.choice([0, 1, 100, 20000])) for _ in range(60)]
    data = b"".join(map(pack, commands))
    with connect(server) as client:
        place = 0
        while place < len(data):
            step = source.choice([1, 2, 7, 100, 5000, 40000])
            client.send_raw(data[place:place + step])
            place += step
            if source.random() < 0.2:
                time.sleep(0.001)
        total = 0
        for command in commands:
            total += len(command[2])
            assert client.read().raw == b":%d\r\n" % total


@pytest.mark.parametrize("size", [16383, 16384, 65536, 1 << 20, 5_000_000, 40_000_000])
def test_big_arguments(server, size):
    value = os.urandom(1000) * (size // 1000) + b"y" * (size % 1000)
    with connect(server) as client:
        for _ in range(2):
            assert client.execute("set", "k", value).raw == b"+OK\r\n"
            assert client.execute("get", "k").value == value
        assert client.execute("strlen", "k").value == size
        eventually(lambda: server.client_bytes < 1 << 20)         # the huge buffers went back


def test_many_clients_at_once(server):
    clients = [connect(server) for _ in range(300)]
    for turn in range(5):
        for i, client in enumerate(clients):
            client.send_raw(pack(("set", "k%d" % i, turn)) + pack(("get", "k%d" % i)))
        for client in clients:
            assert client.read().raw == b"+OK\r\n"
            assert client.read().value == b"%d" % turn
    assert server.counter("clients") == server.counter("received") == 300
    for client in clients:
        client.close()
    eventually(lambda: server.counter("clients") == 0)


def test_threads_lose_no_increment(server):
    def work():
        with connect(server) as client:
            for _ in range(20):
                client.pipeline([("incrby", "n", 1)] * 50)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect(server) as client:
        assert client.execute("get", "n").value == b"8000"


def test_inline_commands(server):
    assert raw_reply(server, b'set k "a b"\r\nget k\r\n\r\nget k\n', leave=True)[0] == b"+OK\r\n$3\r\na b\r\n$3\r\na b\r\n"


def test_many_quoted_inline_commands(server):
    line = b'append k "' + b"\\x41" * 5000 + b'"\r\n'
    with connect(server) as client:
        client.send_raw(line * 20)
        assert [client.read().value for _ in range(20)] == [5000 * (i + 1) for i in range(20)]


def test_byte_counters(server):
    with connect(server) as client:
        client.execute("set", "k", "v" * 1000)
        client.execute("get", "k")
        client.execute("get", "k")
        sent = len(pack(("set", "k", "v" * 1000))) + 2 * len(pack(("get", "k")))
        eventually(lambda: server.counter("bytes_in") == sent)
        eventually(lambda: server.counter("bytes_out") == 5 + 2 * 1009)


# ---- bad requests

@pytest.mark.parametrize("data, problem", PROBLEMS)
def test_protocol_errors_answer_and_close(server, data, problem):
    error = b"-ERR Protocol error: %b\r\n" % problem.encode()
    good = pack(("set", "k", "v"))
    assert raw_reply(server, data) == (error, True)
    assert raw_reply(server, good + good + data + (good if data.endswith(b"\n") else b"")) == (b"+OK\r\n+OK\r\n" + error, True)


def test_web_pages_are_hung_up_on(server):
    assert raw_reply(server, b"POST / HTTP/1.1\r\nHost: x\r\n\r\nset k v\r\n") == (b"", True)
    assert raw_reply(server, b"set k v\r\nhost: x\r\n") == (b"", True)


def test_limits_before_authentication(serve):
    server = serve(requirepass="secret")
    assert raw_reply(server, b"*11\r\n") == (b"-ERR Protocol error: unauthenticated multibulk length\r\n", True)
    assert raw_reply(server, b"*2\r\n$3\r\nget\r\n$16385\r\n") == (b"-ERR Protocol error: unauthenticated bulk length\r\n", True)
    assert raw_reply(server, pack(("get", "k")) * 2, leave=True)[0] == b"-NOAUTH Authentication required.\r\n" * 2


def test_proto_max_bulk_len(serve):
    server = serve(proto_max_bulk_len=1 << 20)
    assert raw_reply(server, b"*2\r\n$3\r\nget\r\n$1048577\r\n") == (b"-ERR Protocol error: invalid bulk length\r\n", True)
    with connect(server) as client:
        assert client.execute("set", "k", b"x" * (1 << 20)).raw == b"+OK\r\n"


def test_query_buffer_limit(serve):
    server = serve(client_query_buffer_limit=1 << 20)
    with connect(server) as client:
        client.send_raw(b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$3000000\r\n")
        try:
            client.send_raw(b"x" * 3000000)
        except OSError:
            pass
        assert client.read_until_closed(20)[1]
    assert server.counter("query_closes") == 1


def test_claims_cost_nothing(server):
    clients = [connect(server) for _ in range(50)]
    for client in clients:
        client.send_raw(b"*2147483647\r\n$3\r\nset\r\n$536870912\r\n" + b"x" * 100)
    eventually(lambda: server.counter("bytes_in") > 50 * 100)
    time.sleep(0.05)
    assert server.client_bytes < 50 * (2 << 20) + (1 << 20)       # room for 2 MiB each, none of it touched
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for client in clients:
        client.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - usage < 10000
    eventually(lambda: server.counter("clients") == 0)


def test_random_bytes_disturb_nobody(server):
    source = random.Random(2)
    with connect(server) as bystander:
        for _ in range(200):
            data = bytes(source.choice(b"*$0123456789\r\n\0abc\"'\\") for _ in range(source.randrange(1, 200)))
            with connect(server) as client:
                client.send_raw(data)
                if source.random() < 0.5:
                    client.socket.shutdown(socket.SHUT_WR)
                    client.read_until_closed(20)
            assert bystander.execute("set", "k", "v").raw == b"+OK\r\n"
    eventually(lambda: server.counter("clients") == 0)


# ---- clients that come and go

def test_maxclients(serve):
    server = serve(maxclients=3)
    clients = [connect(server) for _ in range(3)]
    assert [client.execute("get", "k").raw for client in clients] == [NIL] * 3
    assert connect(server).read_until_closed(20) == (b"-ERR max number of clients reached\r\n", True)
    assert server.counter("rejected") == 1
    clients.pop().close()
    eventually(lambda: server.counter("clients") == 2)
    assert connect(server).execute("get", "k").raw == NIL


def test_idle_clients_time_out(serve):
    server = serve(timeout=1)
    for _ in range(20):
        client, busy = connect(server), connect(server)
        pauses, last = [], time.monotonic()
        try:
            while not select.select([client.socket], [], [], 0.05)[0]:
                pauses.append(time.monotonic() - last)
                last = time.monotonic()
                assert busy.execute("get", "k").raw == NIL
            assert client.read_until_closed(30) == (b"", True)
            assert busy.execute("get", "k").raw == NIL
            break
        except (Closed, OSError):                   # right, if the machine kept us from being busy
            assert max([*pauses, time.monotonic() - last]) > 0.7
    else:
        pytest.skip("this machine is too loaded to keep a client busy")


def test_resets(server):
    for _ in range(50):
        client = connect(server)
        client.send_raw(pack(("get", "k")) * 10 + b"*3\r\n$3")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    eventually(lambda: server.counter("received") == 50 and server.counter("clients") == 0)


def test_half_closed_clients_get_their_answers(server):
    client = connect(server)
    client.send_raw(pack(("set", "k", "v")) * 100)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.read_until_closed(20) == (b"+OK\r\n" * 100, True)


def test_kill(server):
    with connect(server) as client, connect(server) as other:
        client.execute("get", "k")
        other.execute("get", "k")
        address = b"127.0.0.1:%d" % client.socket.getsockname()[1]
        (session,) = [session for session in server.sessions() if session[1] == address]
        assert session[2] == b"127.0.0.1:%d" % server.port
        server.kill(session[0])
        assert client.read_until_closed(20) == (b"", True)
        assert other.execute("get", "k").raw == NIL


def test_replies_from_other_threads(server):
    with connect(server) as client:
        client.execute("get", "k")
        (session,) = server.sessions()
        for i in range(100):
            server.append(session[0], b":%d\r\n" % i)
        assert [client.read().value for _ in range(100)] == list(range(100))


def test_close_with_clients_in_every_state(serve):
    server = serve()
    of_users = server.client_bytes                # counted there, too
    clients = [connect(server) for _ in range(20)]
    for client in clients[:10]:
        client.send_raw(pack(("set", "k", "v")) + b"*2\r\n$3\r\nget\r\n$100000\r\nx")
        assert client.read().raw == b"+OK\r\n"
    sessions, account = server.close()
    assert (sessions, account) == (0, of_users)
    for client in clients:
        assert client.read_until_closed(20) == (b"", True)


# ---- slow readers

def test_big_replies_arrive_whole(server):
    value = os.urandom(1000) * 3000
    with connect(server) as client, connect(server) as other:
        client.execute("set", "k", value)
        client.send_raw(pack(("get", "k")) * 30)                  # 90 MB, more than is kept for a client at once
        for _ in range(100):
            assert other.execute("strlen", "k").value == len(value)
        for _ in range(30):
            assert client.read().value == value
        assert client.execute("get", "none").raw == NIL


def test_a_client_that_never_reads_costs_bounded_memory(server):
    with connect(server) as client, connect(server) as other:
        client.execute("set", "k", b"x" * 1_000_000)
        client.socket.settimeout(0.5)
        try:
            for _ in range(400):                                  # 4 GB if all were answered
                client.send_raw(pack(("get", "k")) * 1000)
        except TimeoutError:
            pass
        assert server.client_bytes < 100 << 20
        assert other.execute("strlen", "k").value == 1_000_000
    eventually(lambda: server.counter("clients") == 1 or server.counter("clients") == 0)
    eventually(lambda: server.client_bytes < 1 << 20)


def test_hard_output_limit(serve):
    server = serve(client_output_buffer_limit="normal 1000000 0 0")
    with connect(server) as client:
        client.execute("set", "k", b"x" * 900_000)
        assert len(client.execute("get", "k").value) == 900_000
        client.send_raw(pack(("get", "k")) * 50)
        assert client.read_until_closed(20)[1]
    assert server.counter("output_closes") == 1


def test_soft_output_limit(serve):
    server = serve(client_output_buffer_limit="normal 0 100000 1")
    with connect(server) as client:
        client.execute("set", "k", b"x" * 1_000_000)
        assert len(client.execute("get", "k").value) == 1_000_000
        client.send_raw(pack(("get", "k")) * 20)
        eventually(lambda: server.counter("output_closes") == 1)
        assert client.read_until_closed(20)[1]


# ---- CLIENT PAUSE

def test_paused_writes_wait_and_keep_their_order(server):
    with connect(server) as client, connect(server) as reader:
        client.execute("set", "k", "0")
        server.pause(60000)
        client.send_raw(pack(("get", "k")) + pack(("append", "k", "1")) + pack(("get", "k")) + pack(("append", "k", "x" * 20000)))
        assert client.read().value == b"0"
        assert reader.execute("get", "k").value == b"0"
        client.send_raw(pack(("append", "k", "2")) + b"*2\r\n$3\r\nget")
        time.sleep(0.15)
        assert reader.execute("get", "k").value == b"0"
        server.unpause()
        assert [client.read().value for _ in range(4)] == [2, b"01", 20002, 20003]
        client.send_raw(b"\r\n$1\r\nk\r\n")
        assert client.read().value == b"01" + b"x" * 20000 + b"2"


def test_a_pause_ends_by_itself(server):
    with connect(server) as client:
        client.execute("set", "k", "0")
        started = time.monotonic()
        server.pause(150, everything=True)
        assert client.execute("get", "k").value == b"0"
        assert 0.149 <= time.monotonic() - started


def test_a_paused_client_may_leave(server):
    server.pause(60000)
    with connect(server) as client:
        client.send_raw(pack(("set", "k", "v")))
        eventually(lambda: server.counter("bytes_in") > 0)
    eventually(lambda: server.counter("clients") == 0)
    server.unpause()
    with connect(server) as client:
        assert client.execute("get", "k").raw == NIL


# ---- addresses

def test_unix_socket(serve, tmp_path):
    path = tmp_path / "hutch.sock"
    server = serve(unixsocket=path, unixsocketperm="700", port="0", any_port=False)
    assert server.port == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(pack(("set", "k", "v")))
        assert client.recv(100) == b"+OK\r\n"
        assert server.sessions()[0][1:3] == (b"%b:0" % str(path).encode(),) * 2
    # A socket file left by a crash is replaced.
    second = serve(unixsocket=path, any_port=True)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(pack(("get", "k")))
        assert client.recv(100) == b"$-1\r\n"
    second.close()
    assert not path.exists()


def test_files_are_not_mistaken_for_sockets(serve, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(OSError, match="exists and is not a socket"):
        serve(unixsocket=path)
    assert path.read_text() == "data"
    with pytest.raises(OSError, match="the path has"):
        serve(unixsocket=tmp_path / ("x" * 200))


def test_a_taken_port_is_said_clearly(server, serve):
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{server.port}: bind: Address already in use"):
        serve(port=server.port, any_port=False)


def test_ipv6_and_optional_addresses(serve):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = serve(bind="127.0.0.1 -::1 -203.0.113.77")
    try:
        client = RespClient("::1", server.port)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    assert client.execute("set", "k", "v").raw == b"+OK\r\n"
    assert server.sessions()[0][1] == b"[::1]:%d" % client.socket.getsockname()[1]
    client.close()
    with pytest.raises(OSError, match="203.0.113.77"):
        serve(bind="203.0.113.77")


def test_every_address(serve):
    server = serve(bind="* -::*")
    with connect(server) as client:
        assert client.execute("get", "k").raw == NIL


def test_protected_mode(serve):
    outside = own_address()
    if outside is None:
        pytest.skip("this machine has only its loopback address")
    server = serve(bind="*")
    answer, closed = RespClient(outside, server.port).read_until_closed(20)
    assert closed and answer.startswith(b"-DENIED Redis is running in protected mode because") and len(answer) > 900
    assert answer.endswith(b"in order for the server to start accepting connections from the outside.\r\n")
    server.configure("protected-mode", "no")
    assert RespClient(outside, server.port).execute("get", "k").raw == NIL


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))                       # sends nothing
            address = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


def test_no_descriptor_left(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with connect(server) as client:
        client.execute("get", "k")
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(fd.fileno() for fd in waiting) + 1, hard))
            for each in waiting:
                each.connect_ex(("127.0.0.1", server.port))
            time.sleep(0.3)
            assert client.execute("set", "k", "v").raw == b"+OK\r\n"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        eventually(lambda: server.counter("clients") == 4)
        for each in waiting:
            each.close()
