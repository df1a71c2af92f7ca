"""Servers and processes for real applications."""
import os
import signal
import sys
from pathlib import Path

import redis

from kit.launch import PLAIN, Launched

APPLICATIONS = Path(__file__).resolve().parents[1] / "applications"
PASSWORD = "open sesame"


class ApplicationServer:
    """A server: where it is, and how to speak with it."""

    def __init__(self, kind, port, socket_path, password=None):
        self.kind, self.port, self.socket_path, self.password = kind, port, str(socket_path), password

    def url(self, db):
        secret = f":{self.password.replace(' ', '%20')}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/{db}"

    def socket_url(self, db):
        secret = f":{self.password.replace(' ', '%20')}@" if self.password else ""
        return f"redis+socket://{secret}{self.socket_path}?virtual_host={db}"

    def client(self, db=0):
        return redis.Redis(port=self.port, db=db, password=self.password, decode_responses=True)


class Processes:
    """Starts processes in groups of their own, and ends the groups."""

    def __init__(self):
        self._running = []

    def start(self, *command, ready, seconds=30, **environment):
        """`python -m command...` here, when its output says `ready`."""
        process = Launched([sys.executable, "-m"], *command, cwd=APPLICATIONS, start_new_session=True, environment=PLAIN,
                           env=dict(environment, PYTHONPATH=str(APPLICATIONS), PYTHONUNBUFFERED="1"))
        self._running.append(process)
        process.wait_for(ready, seconds)
        return process

    def kill(self, process):
        """SIGKILL for the process and its children, as when a machine goes down."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.process.wait()

    def stop(self, process, seconds=20):
        """SIGTERM, as an operator would; its exit code."""
        return process.terminate(seconds=seconds)

    def end(self):
        for process in self._running:
            self.kill(process)
            process.__exit__()

