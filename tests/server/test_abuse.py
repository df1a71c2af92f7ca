"""Clients that mean no good, or know no better, over plain sockets and TLS: a normal client beside them is served rightly, and what
they cost comes back. How long the normal client waits meanwhile is measured in bench/abuse.py."""
import random
import resource
import socket
import ssl
import threading

import pytest
import redis

from hutch_engine.door.engine import Engine
from kit.certificates import Authority, TlsClient
from kit.resp_client import pack
from kit.waiting import wait_until

SEED = 4
IDLE = 1500


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls"))
    made.server = made.issue("server")
    return made


@pytest.fixture(params=["plain", "tls"])
def kind(request):
    return request.param


@pytest.fixture
def engine(authority):
    engine = Engine()
    for name, value in {"bind": "127.0.0.1", "tls-cert-file": authority.server[0], "tls-key-file": authority.server[1],
                        "tls-auth-clients": "no", "max-new-tls-connections-per-cycle": "10"}.items():
        engine.configure(name, value)
    engine.start_listener(any_port=True, any_tls_port=True)
    yield engine
    engine.close()


class Abuse:
    """Sockets of an abuser's, and a normal client that is asked in between."""

    def __init__(self, engine, authority, kind):
        self.engine, self.authority, self.kind = engine, authority, kind
        self.port = engine.port if kind == "plain" else engine.tls_port
        options = {"ssl": True, "ssl_ca_certs": str(authority.file)} if kind == "tls" else {}
        self.normal = redis.Redis(port=self.port, retry=None, **options)
        self.context = authority.trusted()
        self.count = 0
        self.opened = []
        self.bytes_before = self.client_bytes()

    def look(self):
        self.count += 1
        assert self.normal.incr("n") == self.count

    def socket(self):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.opened.append(sock)
        return sock

    def client(self):
        """A function that sends plain bytes its way, and its socket."""
        sock = self.socket()
        if self.kind == "plain":
            return sock.sendall, sock
        client = TlsClient(sock, self.context).greet()
        return lambda data: sock.sendall(client.sealed(data)), sock

    def ask(self, *words):
        session = self.engine.session(error_factory=RuntimeError, decode=True)
        try:
            return session.execute(words)
        finally:
            session.close()

    def clients(self):
        return sum(" laddr=embedded" not in line for line in self.ask("CLIENT", "LIST").splitlines())

    def client_bytes(self):
        self.look()
        return int(self.ask("INFO", "memory").split("mem_clients_normal:")[1].split()[0])

    def end(self):
        for sock in self.opened:
            sock.close()
        wait_until(lambda: self.clients() == 1)
        self.look()
        assert self.client_bytes() <= self.bytes_before + 70_000       # its own buffers, read into and not yet given back
        self.normal.close()


@pytest.fixture
def abuse(engine, authority, kind):
    made = Abuse(engine, authority, kind)
    yield made
    made.end()


def test_random_bytes(abuse):
    generator = random.Random(SEED)
    for number in range(100):
        sock = abuse.socket()
        try:
            for _ in range(generator.randrange(1, 5)):
                sock.sendall(generator.choice((generator.randbytes(generator.randrange(1, 3000)), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000000\r\n",
                                               b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n" * 100, b"*-5\r\n")))
        except OSError:
            pass                                 # it hung up on us
        if number % 10 == 0:
            abuse.look()
    assert abuse.normal.dbsize() == 1


def test_random_bytes_behind_a_handshake(abuse):
    generator = random.Random(SEED)
    for number in range(30):
        send, _ = abuse.client()
        try:
            for _ in range(3):
                send(generator.randbytes(generator.randrange(1, 20_000)).replace(b"FLUSH", b"").replace(b"SHUT", b""))
        except OSError:
            pass
        abuse.look()


def test_a_slow_drip(abuse):
    """One byte at a time, of a hundred requests at once."""
    request = pack(["SET", "drip", "x" * 30])
    clients = [abuse.client() for _ in range(40)]
    for at in range(len(request)):
        for send, _ in clients:
            send(request[at:at + 1])
        abuse.look()
    assert wait_until(lambda: abuse.ask("GET", "drip")) == "x" * 30


def test_idle_connections(abuse):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = IDLE if soft == resource.RLIM_INFINITY or soft > 3 * IDLE else (soft - 200) // 3
    for number in range(count):
        abuse.socket()                           # those of TLS say nothing: no handshake is ever begun
        if number % 50 == 0:
            abuse.look()
    wait_until(lambda: abuse.clients() == count + 1)
    for _ in range(100):
        abuse.look()


def test_idle_connections_behind_a_handshake(abuse):
    if abuse.kind == "plain":
        pytest.skip("plain sockets have none")
    clients = [abuse.client() for _ in range(200)]
    for send, _ in clients:
        send(pack(["GET", "k"]))
    abuse.look()


def test_pipelines_that_are_never_read(abuse):
    """Past what the sockets take and 32 MiB of replies, the requests stay where they are; nobody else feels it."""
    abuse.ask("SET", "big", "x" * 1_000_000)
    request = pack(["GET", "big"]) * 200
    for _ in range(3):
        send, sock = abuse.client()
        sending = threading.Thread(target=lambda send=send: _send_until_cut(send, request), daemon=True)
        sending.start()
    wait_until(lambda: abuse.client_bytes() > 3 * 20_000_000)
    for _ in range(100):
        abuse.look()
    assert abuse.client_bytes() < 3 * 40_000_000


def test_a_stranger_who_reads_nothing_is_put_out(abuse):
    """Who has yet to say who it is costs no more memory than its first few replies."""
    abuse.engine.configure("requirepass", "secret")
    abuse.normal.execute_command("AUTH", "secret")
    send, sock = abuse.client()
    with pytest.raises((OSError, ssl.SSLError)):
        for _ in range(400):
            send(pack(["SET", "k", "5"]) * 5000)
    abuse.engine.configure("requirepass", "")
    assert abuse.normal.info("stats")["client_output_buffer_limit_disconnections"] == 1
    abuse.look()


def _send_until_cut(send, data):
    try:
        send(data)
    except (OSError, ssl.SSLError):
        pass


def test_handshakes_that_come_to_nothing(abuse):
    if abuse.kind == "plain":
        pytest.skip("plain sockets have none")
    generator = random.Random(SEED)
    for number in range(150):
        sock = abuse.socket()
        hello = TlsClient(sock, abuse.context)
        with pytest.raises(ssl.SSLWantReadError):
            hello.tls.do_handshake()
        data = bytearray(hello.taken())
        what = number % 3
        if what == 0:
            data = data[:generator.randrange(len(data))]
        elif what == 1:
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        try:
            sock.sendall(data)
            if what == 2:
                sock.sendall(generator.randbytes(100))
            if number % 2:
                sock.close()
        except OSError:
            pass
        if number % 10 == 0:
            abuse.look()
