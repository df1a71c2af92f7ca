"""Processes that share a store in a directory."""
import os
import signal
import sys
from pathlib import Path

from kit.launch import Launched
from kit.waiting import wait_until

PROGRAMS = str(Path(__file__).with_name("sharing_programs.py"))


class Program(Launched):
    """A process of programs.py: it says what it has done, line by line."""

    def __init__(self, name, *arguments, **options):
        super().__init__((sys.executable,), PROGRAMS, name, *arguments, **options)

    def lines(self):
        return self.text().splitlines()

    def kill(self):
        """End it at once, and see its end."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()


def owner_of(path):
    """The process that the lock's file names once it serves; 0 before."""
    try:
        pid, _, state = Path(path, "hutch.lock").read_text().partition(" ")
    except OSError:
        return 0
    return int(pid) if state.strip() == "serving" and pid.isdigit() else 0


def wait_for_owner(path, other_than=0):
    """The process that serves the store, once it is another."""
    return wait_until(lambda: (found := owner_of(path)) != other_than and found)
