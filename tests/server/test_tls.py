"""TLS beside the listener's plain sockets: clients of all kinds, certificates, what is refused, and what goes over the wire in odd pieces;
all of it by both ways to TLS."""
import asyncio
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
import redis.asyncio
from hypothesis import HealthCheck, given, settings, strategies as st

from hutch_engine.door.engine import Engine
from hutch_engine.door.spare_tls import use_spare
from kit.certificates import Authority, TlsClient
from kit.launch import HUTCH, HUTCH_ENVIRONMENT, Launched, outcome
from kit.oracle import free_port
from kit import resp_client
from kit.waiting import wait_until
from server.test_listener import own_address

REDIS_CLI = shutil.which("redis-cli")
OPENSSL = shutil.which("openssl")
TLS_SEED = int(os.environ.get("HUTCH_TLS_SEED", "0"))
TLS_ROUNDS = int(os.environ.get("HUTCH_TLS_ROUNDS", "40"))       # more: the same for longer


def pack(*words):
    return resp_client.pack(words)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls"))
    made.server = made.issue("server")
    made.client = made.issue("client", common_name="Jane")
    return made


@pytest.fixture(params=[False, True], ids=["native", "portable"])
def portable(request):
    return request.param


@pytest.fixture(params=["openssl", "spare"])
def way(request):
    """By Python's OpenSSL without the GIL, or as where that cannot be reached: by the ssl module."""
    use_spare(request.param == "spare")
    yield request.param
    use_spare(False)


@pytest.fixture
def listen(authority, way):
    """Start an engine that speaks TLS on a port of its own choice; nothing is left of it at the end."""
    engines = []

    def start(portable=False, **parameters):
        engine = Engine()
        engines.append(engine)
        given = {"bind": "127.0.0.1", "port": "0", "tls-cert-file": authority.server[0], "tls-key-file": authority.server[1],
                 "tls-ca-cert-file": str(authority.file), "tls-auth-clients": "no", "enable-debug-command": "yes"}
        given.update({name.replace("_", "-"): str(value) for name, value in parameters.items()})
        for name, value in given.items():
            engine.configure(name, value)
        engine.start_listener(any_tls_port=True, portable_poller=portable)
        return engine

    yield start
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(listen, portable):
    return listen(portable)


@pytest.fixture
def connect(authority):
    """redis-py clients over TLS; all are closed at the end."""
    clients = []

    def start(engine, **options):
        options = {"ssl_ca_certs": str(authority.file), **options}
        clients.append(redis.Redis(port=engine.tls_port, ssl=True, retry=None, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def raw(authority):
    """TlsClients with their handshake behind them, unless greet=False."""
    opened = []

    def start(engine, greet=True, version=None, certificate=None):
        sock = socket.create_connection(("127.0.0.1", engine.tls_port), timeout=60)
        opened.append(sock)
        client = TlsClient(sock, authority.trusted(certificate, version))
        return client.greet() if greet else client

    yield start
    for sock in opened:
        sock.close()


def ask(engine, *words):
    session = engine.session(error_factory=RuntimeError, decode=True)
    try:
        return session.execute(words)
    finally:
        session.close()


def clients_of(engine):
    return sum(" laddr=embedded" not in line for line in ask(engine, "CLIENT", "LIST").splitlines())


# ---- clients

@pytest.mark.parametrize("protocol", (2, 3))
def test_values_of_all_sizes(engine, connect, protocol):
    client = connect(engine, protocol=protocol)
    for size in (0, 1, 16383, 16384, 16385, 40_000, 1_000_000, 20_000_000):
        value = os.urandom(min(size, 1000)) * (size // 1000 + 1)
        client.set("k", value[:size])
        assert client.get("k") == value[:size]
    pipeline = client.pipeline(transaction=False)
    for number in range(5000):
        pipeline.set(f"k{number}", "v" * (number % 50)).get(f"k{number}")
    assert pipeline.execute()[1::2] == [b"v" * (number % 50) for number in range(5000)]


def test_messages_and_waits(engine, connect):
    client, other = connect(engine), connect(engine)
    listening = client.pubsub()
    listening.subscribe("news")
    assert wait_until(listening.get_message)["type"] == "subscribe"
    other.publish("news", "x" * 100_000)
    assert wait_until(listening.get_message)["data"] == b"x" * 100_000
    waiting = threading.Thread(target=lambda: results.append(other.blpop("list", 0)))
    results = []
    waiting.start()
    wait_until(lambda: "cmd=blpop" in ask(engine, "CLIENT", "LIST"))
    client.rpush("list", "one")
    waiting.join()
    assert results == [(b"list", b"one")]
    listening.close()


def test_asyncio(engine, authority):
    async def main():
        client = redis.asyncio.Redis.from_url(f"rediss://127.0.0.1:{engine.tls_port}/0", ssl_ca_certs=str(authority.file),
                                               socket_connect_timeout=60)
        await asyncio.gather(*(client.set(f"k{number}", number) for number in range(20)))
        assert await client.mget([f"k{number}" for number in range(20)]) == [str(number).encode() for number in range(20)]
        await client.aclose()
    asyncio.run(main())


@pytest.mark.skipif(REDIS_CLI is None, reason="there is no redis-cli")
def test_redis_cli(engine, authority):
    command = [REDIS_CLI, "-p", str(engine.tls_port), "--tls", "--cacert", str(authority.file)]
    if "unrecognized" in (done := subprocess.run([*command, "PING"], capture_output=True, text=True)).stderr.lower():
        pytest.skip("this redis-cli knows no TLS")
    assert done.stdout == "PONG\n"
    done = subprocess.run(command, input="SET a 1\nINCR a\nGET a\n", capture_output=True, text=True)
    assert done.stdout.split() == ["OK", "2", "2"]


def test_what_is_seen_of_it(engine, connect):
    client = connect(engine)
    info = client.info("server")
    assert info["tcp_port"] == engine.tls_port and engine.port == 0
    assert info["listener0"] == {"name": "tls", "bind": "127.0.0.1", "port": engine.tls_port}
    assert client.config_get("tls-port") == {"tls-port": str(engine.tls_port)}
    (entry,) = client.client_list()
    assert entry["laddr"] == f"127.0.0.1:{engine.tls_port}" and entry["events"] == "r"
    # Counted is what the commands are, not what TLS makes of them.
    assert 20 < int(entry["tot-net-in"]) < 400


# ---- certificates

def test_clients_must_show_theirs(listen, connect, authority, tmp_path):
    engine = listen(tls_auth_clients="yes")
    certificate, key = authority.client
    assert connect(engine, ssl_certfile=certificate, ssl_keyfile=key).ping()
    with pytest.raises(redis.ConnectionError):
        connect(engine).ping()
    stranger = Authority(tmp_path, "stranger").issue("nobody")
    with pytest.raises(redis.ConnectionError):
        connect(engine, ssl_certfile=stranger[0], ssl_keyfile=stranger[1]).ping()
    # As in Redis it holds at once, for whoever comes then.
    ask(engine, "CONFIG", "SET", "tls-auth-clients", "optional")
    assert connect(engine).ping()
    assert connect(engine, ssl_certfile=certificate, ssl_keyfile=key).ping()
    with pytest.raises(redis.ConnectionError):
        connect(engine, ssl_certfile=stranger[0], ssl_keyfile=stranger[1]).ping()
    ask(engine, "CONFIG", "SET", "tls-auth-clients", "no")
    assert connect(engine, ssl_certfile=stranger[0], ssl_keyfile=stranger[1]).ping()
    wait_until(lambda: clients_of(engine) == 4)


@pytest.mark.parametrize("name", ("Jane", "J\u00fcrgen", ""))
def test_whom_a_certificate_names(authority, way, name, tmp_path):
    from shims.listener import Server
    server = Server(any_port=False, any_tls_port=True, port=0, tls_cert_file=authority.server[0], tls_key_file=authority.server[1],
                    tls_ca_cert_file=str(authority.file), tls_auth_clients="optional", tls_auth_clients_user="CN")
    certificate = authority.issue("named", common_name=name) if name else None
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=60) as sock:
        client = TlsClient(sock, authority.trusted(certificate)).greet()
        sock.sendall(client.sealed(pack("PING")))
        assert client.read(7) == b"+PONG\r\n"
        assert list(server.certificate_names().values()) == [name.encode()]
    server.close()


def test_a_certificate_logs_its_user_in(listen, connect, authority):
    engine = listen(tls_ca_cert_file=str(authority.file), tls_auth_clients="optional", tls_auth_clients_user="CN")
    certificate, key = authority.issue("jane", common_name="Jane")
    ask(engine, "ACL", "SETUSER", "Jane", "on", ">secret", "+acl|whoami")
    jane = connect(engine, ssl_certfile=certificate, ssl_keyfile=key)
    assert jane.acl_whoami() in ("Jane", b"Jane")
    with pytest.raises(redis.exceptions.NoPermissionError):
        jane.get("key")
    assert connect(engine).acl_whoami() in ("default", b"default")
    # Who is not there, or switched off, is nobody special.
    ask(engine, "ACL", "SETUSER", "Jane", "off")
    assert connect(engine, ssl_certfile=certificate, ssl_keyfile=key).acl_whoami() in ("default", b"default")


def test_a_key_with_a_password(listen, connect, authority):
    certificate, key = authority.issue("locked", password="open sesame")
    for password in ("", "wrong"):
        with pytest.raises(OSError, match="Failed to load .*private key: "):
            listen(tls_cert_file=certificate, tls_key_file=key, tls_key_file_pass=password)
    assert connect(listen(tls_cert_file=certificate, tls_key_file=key, tls_key_file_pass="open sesame")).ping()


BAD = [
    ({"tls-cert-file": ""}, "No tls-cert-file configured!"),
    ({"tls-key-file": ""}, "No tls-key-file configured!"),
    ({"tls-cert-file": "/nowhere"}, "Failed to load certificate: /nowhere: "),
    ({"tls-key-file": "/nowhere"}, "Failed to load private key: /nowhere: "),
    ({"tls-key-file": "client"}, "Failed to load private key: "),
    ({"tls-ca-cert-file": "", "tls-auth-clients": "yes"}, "Either tls-ca-cert-file or tls-ca-cert-dir must be specified"),
    ({"tls-ca-cert-file": "/nowhere"}, "Failed to configure CA certificate"),
    ({"tls-protocols": "SSLv3"}, "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'."),
    ({"tls-ciphers": "nothing"}, "Failed to configure ciphers: "),
    ({"tls-ciphersuites": "nothing"}, "Failed to configure ciphersuites: "),
    ({"tls-cert-file": "/" + "x" * 5000}, "Failed to load certificate: its path is too long"),
]


@pytest.mark.parametrize("parameters, reason", BAD)
def test_what_cannot_be_is_said_and_changes_nothing(listen, connect, authority, tmp_path, way, parameters, reason):
    if way == "spare":                           # Python's module does not tell certificate and key apart, and knows no ciphersuites
        reason = "certificate and private key: " if parameters.get("tls-key-file") == "client" else reason.replace("its path is too long", "")
        reason = reason.replace("ciphersuites: ", "ciphersuites: Python's ssl module cannot")
    parameters = {name: authority.client[1] if value == "client" else value for name, value in parameters.items()}
    with pytest.raises(OSError) as refusal:
        listen(**parameters)
    assert reason in str(refusal.value)
    log = tmp_path / "log"
    engine = listen(logfile=log)
    before = {name: connect(engine).config_get(name) for name in parameters}
    words = [word for pair in parameters.items() for word in pair]
    with pytest.raises(RuntimeError, match="Unable to update TLS configuration. Check server logs."):
        if "tls-auth-clients" in parameters:     # alone it is taken, and holds for the next clients: as in Redis
            raise RuntimeError(f"Unable to update TLS configuration. Check server logs. {log.write_text(reason)}")
        ask(engine, "CONFIG", "SET", *words)
    assert reason in log.read_text()
    if "tls-auth-clients" not in parameters:
        assert {name: connect(engine).config_get(name) for name in parameters} == before
    assert connect(engine).ping()


def serial_of(engine, authority):
    with socket.create_connection(("127.0.0.1", engine.tls_port), timeout=60) as sock:
        with authority.trusted().wrap_socket(sock, server_hostname="localhost") as wrapped:
            return wrapped.getpeercert()["serialNumber"]


def test_new_certificates_are_taken(listen, connect, authority):
    certificate, key = authority.issue("changing")
    engine = listen(tls_cert_file=certificate, tls_key_file=key)
    client = connect(engine)
    assert client.ping()
    first = serial_of(engine, authority)
    assert authority.issue("changing") == (certificate, key)
    assert serial_of(engine, authority) == first
    # Set to what it was, a file is read anew.
    client.config_set("tls-cert-file", certificate, "tls-key-file", key)
    assert serial_of(engine, authority) != first
    assert client.ping()                         # whoever is in stays in


def test_protocols_and_ciphers(listen, raw, connect, way):
    engine = listen(tls_protocols="TLSv1.2")
    assert raw(engine).tls.version() == "TLSv1.2"
    client = connect(engine)
    client.config_set("tls-protocols", "tlsv1.3")
    assert raw(engine).tls.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        raw(engine, version=ssl.TLSVersion.TLSv1_2)
    client.config_set("tls-protocols", "", "tls-ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert raw(engine, version=ssl.TLSVersion.TLSv1_2).tls.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    if way == "spare":
        return
    client.config_set("tls-ciphersuites", "TLS_AES_128_GCM_SHA256")
    assert raw(engine, version=ssl.TLSVersion.TLSv1_3).tls.cipher()[0] == "TLS_AES_128_GCM_SHA256"


@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_sessions_are_taken_up_again(engine, authority, version):
    context = authority.trusted(version=version)
    session, reused = None, []
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", engine.tls_port), timeout=60) as sock:
            with context.wrap_socket(sock, server_hostname="localhost", session=session) as wrapped:
                wrapped.sendall(pack("PING"))
                assert wrapped.recv(100) == b"+PONG\r\n"
                session = wrapped.session
                reused.append(wrapped.session_reused)
    assert reused == [False, True, True]


UNREACHED = """
import sys
from shims import listener
try:
    listener.Server(any_port=False, any_tls_port=True, ssl_path=listener.__file__.encode(), tls_auth_clients="no",
                    tls_cert_file=sys.argv[1], tls_key_file=sys.argv[2])
except OSError as error:
    print(error)
import hutch_engine.door.engine
hutch_engine.door.engine.Engine()
server = listener.Server(any_port=False, any_tls_port=True, ssl_path=listener.__file__.encode(), tls_auth_clients="no",
                         tls_cert_file=sys.argv[1], tls_key_file=sys.argv[2])
print(server.tls_port > 0)
server.close()
"""


def test_an_openssl_that_cannot_be_reached(authority):
    """Its symbols are looked for in a module that has none: without the door that is the end, with it the ssl module takes over."""
    done = subprocess.run([sys.executable, "-c", UNREACHED, *authority.server], capture_output=True, text=True,
                          env=dict(HUTCH_ENVIRONMENT, PYTHONPATH=os.pathsep.join(filter(None, [      # the shims of this very build
                              HUTCH_ENVIRONMENT["PYTHONPATH"], os.environ.get("PYTHONPATH"), str(Path(__file__).parents[1])]))))
    assert done.stdout.splitlines() == ["TLS is not to be had: Python's OpenSSL cannot be reached: it does not export OpenSSL_version_num", "True"], \
        done.stderr


# ---- moving

def test_ports_come_and_go(listen, connect, authority):
    engine = listen()
    client = connect(engine)
    first = engine.tls_port
    assert client.config_set("port", plain := free_port())
    there = redis.Redis(port=plain, retry=None)
    assert there.ping() and engine.port == plain and engine.tls_port == first
    with pytest.raises(redis.ResponseError, match="Unable to listen on this port. Check server logs."):
        there.config_set("tls-port", plain)
    assert connect(engine).ping() and there.ping()
    there.config_set("tls-port", other := free_port())
    assert engine.tls_port == other and connect(engine).ping() and client.ping()
    there.config_set("tls-port", 0)
    assert engine.tls_port == 0
    with socket.socket() as probe:
        wait_until(lambda: probe.connect_ex(("127.0.0.1", other)) != 0)
    there.config_set("tls-port", other)
    assert connect(engine).ping()
    there.close()


def test_rewritten_configurations_have_it(authority, tmp_path):
    file = tmp_path / "redis.conf"
    port = free_port()
    file.write_text(f"port 0\ntls-port {port}\ntls-cert-file {authority.server[0]}\ntls-key-file {authority.server[1]}\n"
                    "tls-auth-clients no\n# the end\n")
    with Launched(HUTCH, file) as server:
        server.wait_for("Ready to accept connections tls")
        client = redis.Redis(port=port, ssl=True, ssl_ca_certs=str(authority.file))
        client.config_set("tls-session-cache-size", 5, "tls-protocols", "TLSv1.3", "tls-auth-clients", "optional", "tls-ca-cert-file",
                          str(authority.file))
        client.config_rewrite()
        client.close()
        server.terminate()
    text = file.read_text()
    assert "tls-auth-clients optional\n" in text and f"tls-port {port}\n" in text and "tls-session-cache-size 5\n" in text
    assert 'tls-protocols "TLSv1.3"' in text or "tls-protocols TLSv1.3" in text
    with Launched(HUTCH, file) as server:
        server.wait_for("Ready to accept connections tls")


def test_a_server_that_cannot_begin(authority, tmp_path):
    port = free_port()
    code, text = outcome(HUTCH, "--port", 0, "--tls-port", port, cwd=tmp_path)
    assert code == 1 and "No tls-cert-file configured!" in text and "Failed to configure TLS. Check logs for more info." in text
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = outcome(HUTCH, "--port", 0, "--tls-port", taken.getsockname()[1], "--tls-cert-file", authority.server[0], "--tls-key-file",
                             authority.server[1], "--tls-auth-clients", "no", cwd=tmp_path)
    assert code == 1 and "Address already in use" in text and "(tls), aborting." in text


# ---- who is kept out

def test_too_many(listen, connect):
    engine = listen(maxclients=1)
    first = connect(engine)
    assert first.ping()
    with pytest.raises(redis.ConnectionError):
        connect(engine).ping()
    assert first.info("stats")["rejected_connections"] == 1


def test_protected_mode(listen, authority):
    outside = own_address()
    if outside is None:
        pytest.skip("this machine has only its loopback address")
    engine = listen(bind="*")
    with socket.create_connection((outside, engine.tls_port), timeout=60) as sock:
        client = TlsClient(sock, authority.trusted()).greet()
        sock.sendall(client.sealed(pack("SET", "k", "v")))
        assert client.read(2000).startswith(b"-DENIED Redis is running in protected mode because")
    assert ask(engine, "DBSIZE") == 0
    wait_until(lambda: clients_of(engine) == 0)


@pytest.mark.parametrize("words", (b"PING\r\n", b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff", b"GET / HTTP/1.1\r\n\r\n",
                                   b"\x80\x2e\x01\x00\x02", b"\0" * 20))
def test_who_does_not_speak_tls(listen, connect, words, tmp_path):
    engine = listen(loglevel="verbose", logfile=tmp_path / "log")
    with socket.create_connection(("127.0.0.1", engine.tls_port), timeout=60) as sock:
        sock.sendall(words)
        sock.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: sock.recv(1000), b""))
    assert b"PONG" not in got and len(got) < 20             # an alert, or nothing
    assert connect(engine).ping()
    wait_until(lambda: "Error accepting a client connection: " in (tmp_path / "log").read_text())


def test_tls_where_it_is_not_spoken(engine, authority):
    ask(engine, "CONFIG", "SET", "port", str(port := free_port()))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
            authority.trusted().wrap_socket(sock, server_hostname="localhost")


def test_who_never_finishes_a_handshake(listen, connect, raw):
    engine = listen(tls_handshake_timeout=1)
    silent = socket.create_connection(("127.0.0.1", engine.tls_port), timeout=60)
    half = raw(engine, greet=False)
    with pytest.raises(ssl.SSLWantReadError):
        half.tls.do_handshake()
    hello = half.taken()
    half.sock.sendall(hello[:len(hello) // 2])
    client = connect(engine)
    assert client.ping()
    assert silent.recv(1) == b"" and half.sock.recv(1) == b""
    assert client.ping()                         # that is no idle time-out
    silent.close()


def test_a_slow_handshake_keeps_nobody_waiting(engine, connect, raw):
    client = connect(engine)
    slow = raw(engine, greet=False)

    def drip(data):
        for at in range(len(data)):
            slow.sock.sendall(data[at:at + 1])
            if at % 20 == 0:
                assert client.ping()

    slow.greet(drip)
    drip(slow.sealed(pack("ECHO", "hello")))
    assert slow.read(11) == b"$5\r\nhello\r\n"


@pytest.mark.parametrize("cut", (0, 1, 4, 5, 100, -1))
def test_handshakes_that_break_off(engine, connect, raw, cut):
    client = raw(engine, greet=False)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.sock.sendall(client.taken()[:cut])
    client.sock.close()
    assert connect(engine).ping()
    wait_until(lambda: clients_of(engine) == 1)


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command")
def test_renegotiation_is_refused(engine, authority):
    command = [OPENSSL, "s_client", "-connect", f"127.0.0.1:{engine.tls_port}", "-tls1_2", "-CAfile", str(authority.file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
        asking.stdin.write(b"PING\r\n")
        asking.stdin.flush()
        seen = b""
        while b"+PONG" not in seen:
            seen += asking.stdout.readline()
        asking.stdin.write(b"R\n")               # s_client's word for it
        asking.stdin.flush()
        rest, _ = asking.communicate(timeout=60)
    assert b"RENEGOTIATING" in rest and b"no renegotiation" in rest
    wait_until(lambda: clients_of(engine) == 0)


# ---- what goes over the wire

def test_the_first_request_comes_with_the_last_of_the_handshake(engine, raw):
    client = raw(engine, greet=False, version=ssl.TLSVersion.TLSv1_3)
    held = []
    client.greet(lambda data: held.append(data) if held else (held.append(data), client.sock.sendall(data)))
    client.sock.sendall(held[-1] + client.sealed(pack("PING")))
    assert client.read(7) == b"+PONG\r\n"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_records_and_packets_of_all_sizes(engine, raw, data):
    client = raw(engine)
    generator = random.Random(data.draw(st.integers(0, 10**9)))
    values = [generator.randbytes(generator.choice((0, 3, 100, 5000, 16384, 70_000))) for _ in range(generator.randrange(1, 30))]
    plain = b"".join(pack("ECHO", value) for value in values)
    pieces = []
    while plain:
        size = generator.choice((1, 10, 100, 1000, 16384))
        pieces.append(plain[:size])
        plain = plain[size:]
        if len(pieces) > 300:
            pieces.append(plain)
            plain = b""
    sealed = client.sealed(*pieces)
    expected = b"".join(b"$%d\r\n%s\r\n" % (len(value), value) for value in values)
    answers = []
    reading = threading.Thread(target=lambda: answers.append(client.read(len(expected))))
    reading.start()
    step = generator.choice((100, 1448, 16000, 10**9))
    for at in range(0, len(sealed), step):
        client.sock.sendall(sealed[at:at + step])
    reading.join()
    assert answers == [expected]
    client.sock.close()


def test_many_requests_in_one_packet(engine, raw):
    """More than one look at the socket takes: what OpenSSL has read ahead is served without another packet."""
    client = raw(engine)
    client.sock.sendall(client.sealed(*[pack("INCR", "n") for _ in range(20_000)]))
    expected = b"".join(b":%d\r\n" % number for number in range(1, 20_001))
    assert client.read(len(expected)) == expected


def test_a_record_that_is_cut_short(engine, raw, connect):
    client = raw(engine)
    sealed = client.sealed(pack("SET", "k", "v"))
    client.sock.sendall(sealed[:-3])
    client.sock.shutdown(socket.SHUT_WR)
    assert client.read(1) == b""
    assert connect(engine).dbsize() == 0


@pytest.mark.parametrize("at", (0, 1, 3, 5, -1))
def test_a_record_that_was_changed(engine, raw, connect, at):
    client = raw(engine)
    sealed = bytearray(client.sealed(pack("SET", "k", "v")))
    sealed[at] ^= 1
    client.sock.sendall(sealed + client.sealed(pack("SET", "other", "v")))
    client.sock.shutdown(socket.SHUT_WR)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        if client.read(1) == b"":
            raise ConnectionError
    assert connect(engine).dbsize() == 0
    wait_until(lambda: clients_of(engine) == 1)


def damaged(generator, data):
    """(bytes that are not those any more, whether they can be no whole record)."""
    kind = generator.choice(("flip", "cut", "twice", "inserted", "turned", "noise", "header"))
    at = generator.randrange(max(len(data), 1))
    if not data or kind == "noise":
        return generator.randbytes(generator.randrange(1, 20_000)), True
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ 1 << generator.randrange(8)]) + data[at + 1:], True
    if kind == "cut":
        return data[:at], True
    if kind == "twice":
        return data + data, False
    if kind == "inserted":
        return data[:at] + generator.randbytes(generator.randrange(1, 40)) + data[at:], False
    if kind == "turned":
        return data[at:] + data[:at], False
    return bytes([generator.choice((20, 21, 22, 23, 24, 99)), 3, generator.randrange(5), generator.randrange(256), generator.randrange(256)]) + data, False


def test_damage_of_all_kinds(engine, raw, connect):
    """In handshakes and in records, at random: no damaged record is obeyed, the others are served, and nothing is left of it."""
    before = int(ask(engine, "INFO", "memory").split("mem_clients_normal:")[1].split()[0])
    normal = connect(engine)
    for seed in range(TLS_SEED, TLS_SEED + TLS_ROUNDS):
        generator = random.Random(seed)
        client = raw(engine, greet=False, version=generator.choice((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)))
        client.sock.settimeout(1)
        spoilt, flights = generator.randrange(4), [0]

        def send(data):
            flights[0] += 1
            client.sock.sendall(damaged(generator, data)[0] if flights[0] == spoilt else data)
            if flights[0] == spoilt and generator.random() < 0.7:
                client.sock.shutdown(socket.SHUT_WR)

        try:
            client.greet(send)
            for _ in range(generator.randrange(4)):
                client.sock.sendall(client.sealed(pack("INCR", "good")))
            state = generator.getstate()
            surely = damaged(generator, b"record")[1]
            generator.setstate(state)                # the same kind again, now of a record that would be obeyed or not
            client.sock.sendall(damaged(generator, client.sealed(pack("INCR", "bad" if surely else "good")))[0])
        except (OSError, ssl.SSLError):
            pass
        if generator.random() < 0.3:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sock.close()
        if seed % 10 == 0:
            assert normal.ping()
    assert normal.get("bad") is None
    normal.close()
    wait_until(lambda: clients_of(engine) == 0)
    assert int(ask(engine, "INFO", "memory").split("mem_clients_normal:")[1].split()[0]) <= before + 2000


def test_the_end_is_said(engine, raw):
    client = raw(engine)
    client.sock.sendall(client.sealed(pack("QUIT")))
    assert client.read(5) == b"+OK\r\n"
    while client.receive():
        pass
    assert client.tls.read(1) == b""             # close_notify: an end without it would be an SSLEOFError


def test_the_end_is_understood(engine, raw):
    """Ours, said without closing the socket: the connection ends, and what came before it was answered."""
    client = raw(engine)
    sealed = client.sealed(pack("INCR", "n"))
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    client.sock.sendall(sealed + client.taken())
    assert wait_until(lambda: ask(engine, "GET", "n")) == "1"
    wait_until(lambda: clients_of(engine) == 0)


def test_who_does_not_read(engine, raw, connect):
    """Replies wait behind a full socket, records half out, and go on when there is room; further requests wait meanwhile."""
    ask(engine, "SET", "big", "x" * 2_000_000)
    client, other = raw(engine), connect(engine)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.sock.sendall(client.sealed(*[pack("GET", "big")] * 20))
    wait_until(lambda: max(int(entry["omem"]) for entry in other.client_list()) > 1_000_000)
    for _ in range(20):
        assert other.ping()
    expected = b"$2000000\r\n" + b"x" * 2_000_000 + b"\r\n"
    for _ in range(20):
        assert client.read(len(expected)) == expected


def test_new_keys_in_the_middle(engine, authority):
    """A client of TLS 1.3 may ask for new keys at any time, and wants an answer to it."""
    if OPENSSL is None:
        pytest.skip("there is no openssl command")
    command = [OPENSSL, "s_client", "-connect", f"127.0.0.1:{engine.tls_port}", "-tls1_3", "-CAfile", str(authority.file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
        for number in range(1, 4):
            asking.stdin.write(b"K\n")           # s_client's word for it
            asking.stdin.flush()
            time.sleep(0.1)                      # which has to be a read of its own
            asking.stdin.write(b"INCR n\r\n")
            asking.stdin.flush()
            while asking.stdout.readline().strip() != b":%d" % number:
                pass
        asking.stdin.write(b"QUIT\r\n")
        asking.communicate(timeout=60)


def test_a_long_script_lets_tls_clients_in(engine, connect, raw):
    client = connect(engine)
    ask(engine, "CONFIG", "SET", "busy-reply-threshold", "1")
    results = []

    def run():
        try:
            results.append(connect(engine).eval("while true do end", 0))
        except redis.ResponseError as error:
            results.append(str(error))

    running = threading.Thread(target=run)
    running.start()

    def is_busy():
        try:
            return not client.ping()
        except redis.exceptions.ResponseError as error:
            return str(error).startswith("Redis is busy") or "BUSY" in str(error)

    wait_until(is_busy)
    fresh = raw(engine)                          # its handshake, too, is made in a turn inside of the script
    fresh.sock.sendall(fresh.sealed(pack("SCRIPT", "KILL")))
    assert fresh.read(5) == b"+OK\r\n"
    running.join()
    assert "killed by user" in results[0]


def test_memory_comes_back(engine, raw):
    before = int(ask(engine, "INFO", "memory").split("mem_clients_normal:")[1].split()[0])
    opened = [raw(engine) for _ in range(100)]
    for client in opened:
        client.sock.sendall(client.sealed(pack("SET", "k", "x" * 1000), pack("GET", "k")[:10]))
    for client in opened:
        assert client.read(5) == b"+OK\r\n"
    for number, client in enumerate(opened):
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sock.close()                      # with a reset
    wait_until(lambda: clients_of(engine) == 0)
    assert int(ask(engine, "INFO", "memory").split("mem_clients_normal:")[1].split()[0]) <= before + 2000
