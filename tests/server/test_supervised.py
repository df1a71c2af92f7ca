"""`supervised`: what systemd hears of a server, and that nobody else hears anything."""
import os
import signal
import socket

import pytest
from kit.launch import serve

from hutch import supervisor


@pytest.fixture
def systemd(tmp_path):
    """A socket as systemd's, and how it is named in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(60)
        yield channel, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


@pytest.mark.parametrize("wanted", ("systemd", "auto"))
def test_systemd_hears_when_it_is_ready_and_when_it_ends(systemd, wanted, tmp_path):
    channel, environment = systemd
    with serve("--supervised", wanted, "--daemonize", "yes", "--dir", tmp_path, env=environment) as server:
        assert channel.recv(1000).splitlines()[0] == b"READY=1"
        assert server.process.poll() is None            # supervised servers do not go to the background
        assert server.terminate() == 0
        assert channel.recv(1000) == b"STOPPING=1"


def test_without_systemd_it_says_so(tmp_path):
    with serve("--supervised", "systemd", "--dir", tmp_path, env={"NOTIFY_SOCKET": ""}) as server:
        assert "systemd supervision requested, but NOTIFY_SOCKET not found!" in server.text()


def test_nobody_hears_without_the_parameter(systemd, tmp_path):
    channel, environment = systemd
    with serve("--dir", tmp_path, env=environment) as server:
        assert server.terminate() == 0
    channel.setblocking(False)
    with pytest.raises(BlockingIOError):
        channel.recv(1000)


def test_upstart_waits_until_it_stops_itself(tmp_path):
    with serve("--supervised", "upstart", "--dir", tmp_path, env={"UPSTART_JOB": "hutch"}) as server:
        _, status = os.waitpid(server.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        server.process.send_signal(signal.SIGCONT)
        assert server.terminate() == 0


@pytest.mark.parametrize("name", ("@hutch-test-notify", "/hutch/nowhere", "relative", ""))
def test_an_address_that_is_not_there(name, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    assert not supervisor.notify("READY=1")


def test_a_name_outside_the_file_system(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0hutch-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@hutch-test-{os.getpid()}")
        assert supervisor.notify("READY=1")
        channel.settimeout(60)
        assert channel.recv(100) == b"READY=1"
