"""`hutch cli` with what servers there are: TLS, clusters, and ends of servers."""
import os
import shutil
import ssl
import subprocess
import time

import pytest
import redis

from kit.oracle import PLAIN, RedisServer, find_oracle, find_tool, free_port
from kit.screens import Screen
from terminal.conftest import ENVIRONMENT, PROGRAM


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates, and is not installed")
    place = tmp_path_factory.mktemp("certificates")

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=place)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=ca")
    for name in ("server", "client"):
        (place / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.crt", "-days", "2",
                "-extfile", "names")
    return place


@pytest.fixture(scope="module")
def secure(certificates, tmp_path_factory):
    """A redis-server with TLS: Debian's has it."""
    path = find_tool("redis-server")
    if path is None:
        pytest.skip("NO SERVER WITH TLS: Debian's redis-server is not installed")
    port, place = free_port(), tmp_path_factory.mktemp("secure")
    process = subprocess.Popen(
        [path, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(place), "--tls-cert-file",
         str(certificates / "server.crt"), "--tls-key-file", str(certificates / "server.key"), "--tls-ca-cert-file", str(certificates / "ca.crt")], stdout=subprocess.PIPE, env=PLAIN)
    try:
        out = b""
        while b"Ready to accept" not in out:
            line = process.stdout.readline()
            if not line:
                pytest.skip("NO SERVER WITH TLS: this redis-server has none")
            out += line
        yield port
    finally:
        process.kill()
        process.wait()


def test_tls(run, secure, certificates):
    ca, cert, key = (certificates / name for name in ("ca.crt", "client.crt", "client.key"))
    words = ["--cacert", ca, "--cert", cert, "--key", key]
    assert run("cli", *words, f"rediss://127.0.0.1:{secure}", "PING") == (0, "PONG\n", "")
    assert run("cli", f"rediss://localhost:{secure}?ssl_ca_certs={ca}&ssl_certfile={cert}&ssl_keyfile={key}", "-3", "PING") == (0, "PONG\n", "")
    assert run("cli", "--tls", "--insecure", "--cert", cert, "--key", key, "-h", "127.0.0.1", "-p", secure, "PING") == (0, "PONG\n", "")
    big = "x" * 3_000_000
    assert run("cli", *words, "-x", f"rediss://127.0.0.1:{secure}", "SET", "big", stdin=big)[0] == 0
    assert run("cli", *words, f"rediss://127.0.0.1:{secure}", "GET", "big")[1] == big + "\n"
    for wrong, text in ((["--cert", cert, "--key", key], "certificate verify failed|self|issuer"), (["--cacert", ca], ""),
                        (["--cacert", ca, "--cert", cert, "--key", key, "--sni", "other.example"], "other.example"),
                        (["--cacert", "/no/such/file"], "o such file")):
        code, out, errors = run("cli", *wrong, f"rediss://127.0.0.1:{secure}", "PING")
        assert code == 2 and out == "" and errors.count("\n") == 1 and "Traceback" not in errors, errors
        assert any(part in errors for part in text.split("|")), errors
    code, out, errors = run("cli", "-p", secure, "PING")
    assert code == 2 and errors.count("\n") == 1
    assert ssl.OPENSSL_VERSION


def test_a_tls_connection_comes_back(spawn, secure, certificates):
    words = ["--cacert", certificates / "ca.crt", "--cert", certificates / "client.crt", "--key", certificates / "client.key"]
    screen = Screen(spawn("cli", *words, f"rediss://127.0.0.1:{secure}"))
    screen.ask("SELECT 1", "OK\n", "[1]>")
    with redis.Redis(port=secure, ssl=True, ssl_ca_certs=str(certificates / "ca.crt"), ssl_certfile=str(certificates / "client.crt"),
                     ssl_keyfile=str(certificates / "client.key")) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    screen.ask("SET k v", "OK\n")
    screen.ask("HGETALL none", "(empty hash)", "[1]>")


def test_a_cluster(run):
    path = find_oracle()
    if path is None:
        pytest.skip("no Redis to make a cluster of")
    with RedisServer(path, "--cluster-enabled", "yes") as one, RedisServer(path, "--cluster-enabled", "yes") as two:
        nodes = [redis.Redis(host=node.host, port=node.port, decode_responses=True) for node in (one, two)]
        nodes[0].execute_command("CLUSTER ADDSLOTSRANGE", 0, 8191)
        nodes[1].execute_command("CLUSTER ADDSLOTSRANGE", 8192, 16383)
        nodes[0].execute_command("CLUSTER MEET", two.host, two.port)
        end = time.monotonic() + 60
        while any(node.execute_command("CLUSTER INFO")["cluster_state"] != "ok" for node in nodes):
            assert time.monotonic() < end
            time.sleep(0.1)
        script = "".join(f"SET key:{number} {number}\n" for number in range(20)) + "".join(f"GET key:{number}\n" for number in range(20))
        code, out, errors = run("cli", "-c", f"{one.host}:{one.port}", stdin=script)
        assert (code, errors) == (0, "") and out == "OK\n" * 20 + "".join(f"{number}\n" for number in range(20))
        assert all(node.dbsize() for node in nodes)
        code, out, errors = run("cli", f"{one.host}:{one.port}", stdin=script)
        assert code == 1 and "MOVED" in errors


@pytest.mark.parametrize("where", [":memory:", "./store"])
def test_shutdown(run, spawn, where):
    assert run("cli", where, stdin=b"SET a 1\nSHUTDOWN NOSAVE\n") == (0, "OK\n", "")
    screen = Screen(spawn("cli", "--no-warn", where))
    screen.ask("SHUTDOWN NOSAVE", "Could not connect", "not connected>")
    screen.child.sendeof()
    assert screen.ended() == 0


def test_an_owner_that_is_killed_is_followed(spawn, tmp_path):
    """The prompt was one of several processes with the store; now it owns it."""
    owner = subprocess.Popen([*PROGRAM, "cli", "./store"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, cwd=tmp_path)
    owner.stdin.write(b"SET k kept\n")
    owner.stdin.flush()
    assert owner.stdout.readline() == b"OK\n"
    screen = Screen(spawn("cli", "./store"))
    screen.ask("GET k", '"kept"\n')
    owner.kill()
    owner.wait()
    screen.ask("GET k", '"kept"\n')
    screen.ask("SET k again", "OK\n", "./store>")
    screen.child.sendeof()
    assert screen.ended() == 0
    assert os.path.isdir(tmp_path / "store" / "appendonlydir")
