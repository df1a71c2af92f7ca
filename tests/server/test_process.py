"""What a server process is to its system: its title, and who watches over it."""
import os
import re
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest
import redis

from hutch.supervision import Supervisor
from kit.launch import HUTCH, HUTCH_ENVIRONMENT, Launched, serve
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


# ---- oom-score-adj

def score(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def refused(client, *pairs):
    with pytest.raises(redis.ResponseError) as refusal:
        client.execute_command("CONFIG", "SET", *pairs)
    return str(refusal.value)


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="the score is Linux's")
def test_the_score_of_a_server_is_moved_and_put_back(oracle_binary):
    base = score(os.getpid())
    figures = []
    for command in (HUTCH, (str(oracle_binary),)):
        port = free_port()
        with Launched(command, "--port", port, "--save", "", "--oom-score-adj", "yes", "--oom-score-adj-values", "20", "200", "800") as server:
            server.wait_for("Ready to accept connections")
            client = redis.Redis(port=port, decode_responses=True)
            seen = [score(server.pid) - base, client.config_get("oom-score-adj*")]
            for pairs in (("oom-score-adj-values", "30 200 800"), ("oom-score-adj", "absolute"), ("oom-score-adj-values", "2000 200 800"),
                          ("oom-score-adj", "relative"), ("oom-score-adj-values", "7 8 9"), ("oom-score-adj", "no"), ("oom-score-adj", "no")):
                assert client.execute_command("CONFIG", "SET", *pairs) == "OK"
                seen += [score(server.pid), client.config_get("oom-score-adj*")]
            assert seen[-2] == base
            seen.append(refused(client, "oom-score-adj-values", "1 2"))
            seen.append(refused(client, "oom-score-adj-values", "1 2 2001"))
            seen.append(refused(client, "oom-score-adj", "maybe"))
        figures.append(seen)
    assert figures[0] == figures[1]


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="the score is Linux's")
def test_a_score_that_the_system_refuses():
    """Nobody goes below what he came with, unless he may do anything."""
    command = ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource", "--no-new-privs"]
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root needs setpriv to be refused anything")
    with Launched((*(command if os.getuid() == 0 else ()), *HUTCH), "--port", port := free_port(), environment=HUTCH_ENVIRONMENT) as server:
        server.wait_for("Ready to accept connections")
        client = redis.Redis(port=port, decode_responses=True)
        before = score(server.pid)
        client.config_set("oom-score-adj-values", "-500 0 0")
        error = refused(client, "maxmemory-samples", "7", "oom-score-adj", "absolute", "port", other := free_port())
        assert error == "CONFIG SET failed (possibly related to argument 'oom-score-adj') - Failed to apply new oom_score_adj configuration, " \
                        "check server logs."
        assert "Unable to write oom_score_adj: Permission denied" in server.text()
        assert score(server.pid) == before
        assert client.config_get("oom-score-adj") == {"oom-score-adj": "no"} and client.config_get("maxmemory-samples") == {"maxmemory-samples": "5"}
        assert client.config_get("port") == {"port": str(port)} and other != port


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="the score is Linux's")
def test_a_programs_score_is_its_own(tmp_path):
    import hutch
    before = score(os.getpid())
    with hutch.Server(port=0) as server:
        client = server.client()
        assert "this one is its host's" in refused(client, "oom-score-adj", "yes")
        assert client.config_get("oom-score-adj") in ({"oom-score-adj": "no"}, {b"oom-score-adj": b"no"})
        client.config_set("oom-score-adj-values", "900 900 900")
        assert score(os.getpid()) == before
    (tmp_path / "redis.conf").write_text("oom-score-adj yes\noom-score-adj-values 500 500 500\n")
    with hutch.Store(config=str(tmp_path / "redis.conf")) as store:
        assert hutch.Redis(store=store).ping()
        assert score(os.getpid()) == before
