"""What the system allows a server process, and what is made of it: the lines of the log are redis-server's."""
import os
import re
import resource
import socket
import stat

import pytest
import redis

from hutch import cli_limits
from hutch.cli_limits import check_backlog, clients_possible
from hutch_engine.door.engine import Engine
from kit.launch import HUTCH, HUTCH_ENVIRONMENT, Launched
from kit.oracle import free_port
from kit.waiting import wait_until


def lines(text):
    """What a log says of limits, without the numbers of processes and the times."""
    found = re.findall(r"[#*] (.*(?:max(?:clients|imum)| TCP backlog ).*)$", text, re.MULTILINE)
    return [line for line in found if "overcommit" not in line]


def under(limit, command, *arguments):
    """The command with so many open files, and not one more."""
    return Launched(("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *command), *arguments,
                    environment=HUTCH_ENVIRONMENT if command == HUTCH else None)


@pytest.mark.parametrize("limit, clients", ((100, 10000), (200, 150), (1000, 10000)))
def test_as_many_clients_as_there_are_descriptors(oracle_binary, limit, clients):
    arguments = ("--maxclients", clients, "--save", "", "--tcp-backlog", 100000)
    logs, allowed = [], []
    for command in (oracle_binary,), HUTCH:
        port = free_port()
        with under(limit, command, "--port", port, *arguments) as server:
            server.wait_for("Ready to accept connections tcp")
            with redis.Redis(port=port) as client:
                allowed.append(client.config_get("maxclients"))
            logs.append(lines(server.text()))
    assert allowed[0] == allowed[1] and logs[0] == logs[1]


class Limits:
    """A process that is allowed this much; for resource.getrlimit and setrlimit."""

    def __init__(self, soft, hard, privileged=False):
        self.now = (soft, hard)
        self.privileged = privileged

    def getrlimit(self, which):
        return self.now

    def setrlimit(self, which, limits):
        if limits[1] > self.now[1] and not self.privileged:
            raise ValueError("not allowed to raise maximum limit")
        self.now = limits


@pytest.mark.parametrize("soft, hard, privileged, wanted, possible, now", (
    (1024, 4096, False, 10, 10, 1024),           # enough already
    (1024, 1 << 20, False, 10000, 10000, 10032), # raised
    (1024, 4096, False, 10000, 4064, 4096),      # as far as it goes
    (1024, 4096, True, 10000, 10000, 10032),     # and further
    (100, 100, False, 10000, 68, 100),
    (30, 30, False, 10000, 0, 30),               # not even one
    (resource.RLIM_INFINITY, resource.RLIM_INFINITY, False, 10000, 10000, resource.RLIM_INFINITY)))
def test_limits_are_raised_as_far_as_it_goes(monkeypatch, soft, hard, privileged, wanted, possible, now):
    limits = Limits(soft, hard, privileged)
    monkeypatch.setattr(cli_limits.resource, "getrlimit", limits.getrlimit)
    monkeypatch.setattr(cli_limits.resource, "setrlimit", limits.setrlimit)
    said = []
    assert clients_possible(wanted, lambda level, text: said.append((level, text))) == possible
    assert limits.now[0] == now
    if possible == 0:
        assert said == [("warning", "Your current 'ulimit -n' of 30 is not enough for the server to start. Please increase your open file "
                                    "limit to at least 10032. Exiting.")]
    elif possible < wanted:
        assert [level for level, _ in said] == ["warning"] * 3 and f"maxclients has been reduced to {possible}" in said[2][1]
    elif now != soft:
        assert said == [("notice", f"Increased maximum number of open files to {wanted + 32} (it was originally set to {soft}).")]
    else:
        assert said == []


def test_a_backlog_that_the_system_shortens():
    if not os.path.exists(cli_limits.SOMAXCONN):
        pytest.skip("no Linux")
    said = []
    check_backlog(1, lambda level, text: said.append(text))
    assert said == []
    check_backlog(2**31 - 1, lambda level, text: said.append(text))
    assert re.fullmatch(r"WARNING: The TCP backlog setting of 2147483647 cannot be enforced because /proc/sys/net/core/somaxconn is set to the "
                        r"lower value of \d+\.", said[0])


@pytest.mark.parametrize("given, mode", (("700", 0o700), ("777", 0o777), ("0600", 0o600)))
def test_permissions_of_the_unix_socket(tmp_path, given, mode):
    path = tmp_path / "socket"
    with Launched(HUTCH, "--port", 0, "--unixsocket", path, "--unixsocketperm", given) as server:
        server.wait_for("Ready to accept connections unix")
        assert stat.S_IMODE(path.stat().st_mode) == mode
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
        server.terminate()
    assert not path.exists()


def told_of(log, text):
    return wait_until(lambda: next((line for line in log.read_text().splitlines() if text in line), None))


def test_the_log_tells_who_went_over_a_limit(tmp_path):
    log = tmp_path / "log"
    log.touch()
    engine = Engine()
    for name, value in {"bind": "127.0.0.1", "logfile": str(log), "loglevel": "verbose", "client-query-buffer-limit": "1mb",
                        "client-output-buffer-limit": "normal 100kb 0 0"}.items():
        engine.configure(name, value)
    engine.start_listener(any_port=True)
    opened = []

    def connect(data):
        opened.append(socket.create_connection(("127.0.0.1", engine.port), timeout=60))
        try:
            opened[-1].sendall(data)
        except OSError:
            pass                                 # it hung up amid it
        return "addr=127.0.0.1:%d" % opened[-1].getsockname()[1]

    address = connect(b"*2\r\n$3\r\nGET\r\n$2000000\r\n" + b"x" * 1_500_000)
    assert address in told_of(log, "# Closing client that reached max query buffer length: id=")
    connect(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$300000\r\n" + b"x" * 300_000 + b"\r\n")
    assert opened[-1].recv(100) == b"+OK\r\n"
    address = connect(b"GET k\r\n" * 50)
    line = told_of(log, " scheduled to be closed ASAP for overcoming of output buffer limits.")
    assert address in line and "# Client id=" in line
    address = connect(b"*1\r\n$-5\r\n")
    assert address in told_of(log, "- Protocol error from client: ")
    session = engine.session(error_factory=RuntimeError, decode=True)
    session.execute(["CONFIG", "SET", "timeout", "1"])
    address = connect(b"CLIENT SETNAME sleepy\r\n")
    line = told_of(log, "name=sleepy")
    assert address in line and "- Closing idle client: " in line
    for sock in opened:
        sock.close()
    engine.close()
