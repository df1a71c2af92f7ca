"""A harness made for redis-server starts Hutch as it is: its configuration file, its log, its signals.

The steps are those of Redis's own Tcl suite: a file of directives with a relative `dir`, the server started from
another directory, its standard output watched until it is there.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from kit.launch import HUTCH, HUTCH_ENVIRONMENT, Launched
from kit.oracle import free_port
from kit.waiting import SLOW

# What that suite writes for every server, in its order; each directive once.
DIRECTIVES = {
    "always-show-logo": "yes", "notify-keyspace-events": "KEA", "daemonize": "no", "pidfile": "/var/run/redis.pid",
    "port": "6379", "timeout": "0", "bind": "127.0.0.1", "loglevel": "verbose", "logfile": "''", "databases": "16",
    "latency-monitor-threshold": "1", "repl-diskless-sync-delay": "0", "save": "''", "rdbcompression": "yes",
    "dbfilename": "dump.rdb", "dir": "./", "slave-serve-stale-data": "yes", "appendonly": "no", "appendfsync": "everysec",
    "no-appendfsync-on-rewrite": "no", "activerehashing": "yes", "enable-protected-configs": "yes",
    "enable-debug-command": "yes", "enable-module-command": "yes", "propagation-error-behavior": "panic",
    "shutdown-on-sigterm": "force",
}
# What single test files of it add.
OVERRIDES = {"use-exit-on-panic": "yes", "key-load-delay": "500", "rdb-key-save-delay": "200", "crash-memcheck-enabled": "no",
             "client-output-buffer-limit": "", "latency-tracking-info-percentiles": "", "list-max-ziplist-entries": "16"}


class Harness:
    """The server of one configuration file in `root`/tests/tmp/server.N, and what it has said."""

    def __init__(self, root, **directives):
        self.root = Path(root)
        self.directory = Path("tests/tmp/server.1")
        (self.root / self.directory).mkdir(parents=True)
        self.program = self.root / "src/redis-server"
        self.program.parent.mkdir()
        # (Not a shell's: it does not live with a preloaded thread sanitizer.)
        self.program.write_text(f"#!{sys.executable}\nimport os, sys\nos.execv({HUTCH[0]!r}, [*{list(HUTCH)!r}, *sys.argv[1:]])\n")
        self.program.chmod(0o755)
        self.directives = dict(DIRECTIVES, dir=f"./{self.directory}",
                               unixsocket=str(self.root / self.directory / "socket"), **directives)
        self.stdout = self.root / self.directory / "stdout"

    def start(self):
        self.port = free_port()
        self.directives["port"] = str(self.port)
        self.file = self.root / "tests/tmp/redis.conf.1"
        self.file.write_text("".join(f"{name} {value}\n" for name, value in self.directives.items()))
        with open(self.stdout, "ab") as out:
            self.process = subprocess.Popen([self.program, self.file.relative_to(self.root)], cwd=self.root, stdout=out,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=HUTCH_ENVIRONMENT)
        self.wait_for(rf"(?s) PID: {self.process.pid}.*Server initialized")
        self.wait_for("Ready to accept")
        return self

    def wait_for(self, pattern, seconds=30):
        end = time.monotonic() + seconds * SLOW
        while not re.search(pattern, self.stdout.read_text()):
            assert self.process.poll() is None, self.stdout.read_text()
            assert time.monotonic() < end, self.stdout.read_text()
            time.sleep(0.02)

    def client(self, **options):
        return redis.Redis(port=self.port, decode_responses=True, **options)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGCONT)
        return self.process.wait(20 * SLOW)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def test_the_suites_own_start(tmp_path):
    with Harness(tmp_path, **OVERRIDES) as server:
        client = server.client()
        directory = str((tmp_path / server.directory).resolve())
        assert client.config_get("dir") == {"dir": directory}
        assert client.config_get("port") == {"port": str(server.port)}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("enable-module-command") == {"enable-module-command": "yes"}
        assert client.config_get("key-load-delay") == {"key-load-delay": "500"}
        assert client.info("server")["config_file"] == str(server.file)
        assert client.info("server")["process_id"] == server.process.pid
        # what it does before and between its tests
        assert client.flushall() and client.function_flush()
        assert client.execute_command("DEBUG", "SLEEP", "0") == "OK"
        assert client.config_resetstat() and client.config_rewrite()
        assert redis.Redis(unix_socket_path=server.directives["unixsocket"]).ping()
        assert server.stop() == 0
    assert "bye bye" in server.stdout.read_text()


def test_a_second_start_in_the_same_place(tmp_path):
    """Its restart_server: one more "Ready to accept" in the same log."""
    harness = Harness(tmp_path)
    for times in (1, 2):
        with harness as server:
            assert server.client().ping()
            assert server.stop() == 0
        assert harness.stdout.read_text().count("Ready to accept connections tcp") == times


def test_a_taken_port_is_told_in_the_words_it_looks_for(tmp_path):
    harness = Harness(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (tmp_path / "x.conf").write_text(f"port {taken.getsockname()[1]}\nbind 127.0.0.1\n")
        done = subprocess.run([harness.program, "x.conf"], cwd=tmp_path, capture_output=True, text=True,
                              env=HUTCH_ENVIRONMENT, timeout=60 * SLOW)
    assert done.returncode == 1 and "Failed listening on port" in done.stdout


def test_sigalrm_is_noted_and_survived(tmp_path):
    with Harness(tmp_path) as server:
        os.kill(server.process.pid, signal.SIGALRM)
        server.wait_for("Received SIGALRM")
        assert server.client().ping()


@pytest.mark.parametrize("directory", ["relative", "./relative/", "relative/../relative"])
def test_a_relative_directory_is_entered_once(directory, tmp_path):
    (tmp_path / "relative").mkdir()
    port = free_port()
    (tmp_path / "a.conf").write_text(f"dir {directory}\nport {port}\nlogfile inside.log\nsave\n")
    with Launched(HUTCH, "a.conf", cwd=tmp_path) as server:
        end = time.monotonic() + 30 * SLOW
        log = tmp_path / "relative/inside.log"
        while not (log.exists() and "Ready to accept" in log.read_text()):
            assert server.process.poll() is None, server.text()
            assert time.monotonic() < end
            time.sleep(0.02)
        assert redis.Redis(port=port, decode_responses=True).config_get("dir")["dir"] == str((tmp_path / "relative").resolve())
