"""Starting server processes for tests, and their logs."""
from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hutch
import hutch_engine
from kit.oracle import PLAIN, free_port
from kit.waiting import SLOW

HUTCH = (sys.executable, "-m", "hutch", "serve")
# The very modules that the tests have, wherever the process is started.
HUTCH_ENVIRONMENT = dict(os.environ, PYTHONPATH=os.pathsep.join(
    str(Path(module.__file__).resolve().parents[1]) for module in (hutch, hutch_engine)))
LINE = re.compile(r"^(\d+):([CMX]) (\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}) ([.\-*#]) (.*)$")


class Launched:
    """A process whose output goes to a file that can be watched.

    Python processes get the modules that the tests have, unless `environment` is given.
    """

    def __init__(self, command, *arguments, cwd=None, stdin=None, env=None, environment=None, start_new_session=False):
        self.output = tempfile.NamedTemporaryFile(mode="r", suffix=".log")
        if environment is None:
            environment = HUTCH_ENVIRONMENT if command[0] == sys.executable else PLAIN
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)], cwd=cwd, env=dict(environment, **(env or {})),
            start_new_session=start_new_session,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=open(self.output.name, "ab"), stderr=subprocess.STDOUT)
        if stdin is not None:
            try:
                self.process.stdin.write(stdin.encode())
                self.process.stdin.close()
            except BrokenPipeError:      # it has ended without looking
                pass

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return Path(self.output.name).read_text()

    def messages(self):
        """(role, mark, text) of the log's lines."""
        return [match.group(2, 4, 5) for match in map(LINE.match, self.text().splitlines()) if match]

    def wait_for(self, text, seconds=60):
        end = time.monotonic() + seconds * SLOW
        while text not in self.text():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.text()}"
            assert time.monotonic() < end, f"no {text!r} in:\n{self.text()}"
            time.sleep(0.01)

    def ended(self, seconds=60):
        return self.process.wait(seconds * SLOW)

    def terminate(self, number=signal.SIGTERM, seconds=60):
        self.process.send_signal(number)
        return self.ended(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()


def serve(*arguments, **options):
    """hutch serve on a free port; a context manager with .port, ready to accept."""
    for attempt in range(5):
        port = free_port()
        server = Launched(HUTCH, "--port", port, *arguments, **options)
        server.port = port
        try:
            server.wait_for("Ready to accept connections tcp")
            return server
        except AssertionError:
            again = attempt < 4 and "Address already in use" in server.text()
            server.__exit__()            # and its log with it
            if not again:
                raise


def outcome(command, *arguments, **options):
    """Run to the end: (exit code, output)."""
    with Launched(command, *arguments, **options) as server:
        return server.ended(), server.text()
