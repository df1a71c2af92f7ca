"""What a server process is to its system: its title, and who watches over it."""
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest
import redis

from hutch.supervision import Supervisor
from kit.launch import HUTCH, Launched, serve
from kit.oracle import PLAIN, free_port
from kit.waiting import SLOW

on_linux = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="titles are read from /proc")


def title(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()


@on_linux
def test_the_title_follows_its_template(tmp_path):
    path = tmp_path / "a.conf"
    path.write_text(f"unixsocket {tmp_path}/s\n")
    port = free_port()
    with Launched(HUTCH, path, "--port", port, "--bind", "127.0.0.1", "-::1") as server:
        server.wait_for("Ready to accept connections")
        client = redis.Redis(port=port)
        assert title(server.pid) == f"hutch-server 127.0.0.1:{port}"
        for template, wanted in [("{title}.", "hutch-server."), ("  x {port}  ", f"x {port}"), ("{tls-port}|{server-mode}|", "0||"),
                                 ("{config-file} {title} c", f"{path} hutch-server c"), ("{unixsocket} .", f"{tmp_path}/s .")]:
            client.config_set("proc-title-template", template)
            assert title(server.pid) == wanted
        with pytest.raises(redis.ResponseError, match="template format is invalid"):
            client.config_set("proc-title-template", "{nosuch}")
        client.config_set("proc-title-template", "x" * 100000)          # no longer than there was room at the start
        assert re.fullmatch("x+", title(server.pid))
        assert client.ping()
        client.config_set("proc-title-template", "{title} {listen-addr}")
        client.config_set("port", other := free_port())
        assert title(server.pid) == f"hutch-server 127.0.0.1:{other}"


@on_linux
def test_the_title_may_stay(tmp_path):
    with serve("--set-proc-title", "no") as server:
        assert "serve" in title(server.pid)
        redis.Redis(port=server.port).config_set("proc-title-template", "{title} x")
        assert "serve" in title(server.pid)


@on_linux
def test_a_program_keeps_its_title():
    import hutch
    before = title(os.getpid())
    with hutch.Server(port=0) as server:
        server.client().config_set("proc-title-template", "{title} x")
    assert title(os.getpid()) == before


def test_the_titles_are_those_of_redis(oracle_binary, tmp_path):
    """But for the program's name, which is the path there."""
    for template in ("{title} {listen-addr} {server-mode}", "a {port} {unixsocket} {config-file} b {tls-port}"):
        found = []
        for command, environment in ((HUTCH, None), ((str(oracle_binary),), PLAIN)):
            port = free_port()
            with Launched(command, "--port", port, "--bind", "127.0.0.1", "--proc-title-template", template, environment=environment,
                          cwd=tmp_path) as server:
                server.wait_for("Ready to accept connections")
                # Redis leaves blanks and a full stop behind a short title.
                found.append(title(server.pid).replace(str(port), "PORT").replace(str(oracle_binary), "hutch-server").rstrip(" ."))
        assert found[0] == found[1]


def test_systemd_hears_of_it(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60 * SLOW)
        with serve("--supervised", "auto", "--daemonize", "yes", env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as server:
            assert "supervised by systemd" in server.text()
            assert b"STATUS=Loading" in listening.recv(1000)
            ready = listening.recv(1000)
            assert b"READY=1" in ready and f"MAINPID={server.pid}\n".encode() in ready
            assert server.terminate() == 0
            assert b"STOPPING=1" in listening.recv(1000)


def test_upstart_is_waited_for():
    port = free_port()
    with Launched(HUTCH, "--port", port, "--supervised", "upstart", env={"UPSTART_JOB": "hutch"}) as server:
        end = time.monotonic() + 60 * SLOW
        while _state(server.pid) != "T":
            assert time.monotonic() < end and server.process.poll() is None, server.text()
            time.sleep(0.01)
        os.kill(server.pid, signal.SIGCONT)
        assert redis.Redis(port=port).ping()
        assert server.terminate() == 0


def _state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("asked, environment, kind", [
    ("no", {"NOTIFY_SOCKET": "/x", "UPSTART_JOB": "x"}, ""), ("auto", {"UPSTART_JOB": "x"}, "upstart"), ("systemd", {}, ""),
    ("systemd", {"NOTIFY_SOCKET": "@x"}, "systemd"), ("systemd", {"NOTIFY_SOCKET": "x"}, ""), ("upstart", {"NOTIFY_SOCKET": "/x"}, ""),
])
def test_who_supervises(asked, environment, kind):
    supervisor = Supervisor(asked, environment)
    assert supervisor.kind == kind
    if kind != "upstart":
        supervisor.loading()             # nobody is there: nothing happens
        supervisor.ready()
        supervisor.stopping()
