"""`supervised`: a server process tells who started it how far it is, systemd by a datagram and upstart by stopping itself once.

The protocol is systemd's sd_notify(3): lines of NAME=value to the Unix socket that $NOTIFY_SOCKET names.
"""
from __future__ import annotations

import os
import signal
import socket
from typing import Mapping

__all__ = ["Supervisor"]


class Supervisor:
    """Who watches over this process, by the parameter `supervised` and the environment: "systemd", "upstart" or "" for nobody.

    >>> Supervisor("auto", {}).kind
    ''
    >>> Supervisor("auto", {"NOTIFY_SOCKET": "/run/x"}).kind
    'systemd'
    """

    def __init__(self, asked: str, environment: Mapping[str, str] = os.environ):
        self._socket = environment.get("NOTIFY_SOCKET", "")
        self.kind = ""
        if asked in ("systemd", "auto") and self._socket[:1] in ("/", "@"):
            self.kind = "systemd"
        elif asked in ("upstart", "auto") and environment.get("UPSTART_JOB"):
            self.kind = "upstart"

    def ready(self) -> None:
        """The server accepts connections. Under upstart the process stops here, and upstart lets it go on."""
        if self.kind == "systemd":
            self._tell(f"STATUS=Ready to accept connections\nMAINPID={os.getpid()}\nREADY=1\n")
        elif self.kind == "upstart":
            os.kill(os.getpid(), signal.SIGSTOP)

    def loading(self) -> None:
        """It reads its files. A supervisor that cannot be reached is passed over in silence, here and elsewhere."""
        if self.kind == "systemd":
            self._tell("STATUS=Loading\n")

    def stopping(self) -> None:
        """It is about to end."""
        if self.kind == "systemd":
            self._tell("STATUS=Saving and ending\nSTOPPING=1\n")

    def _tell(self, text: str) -> None:
        # An @ stands for the zero that names in Linux's abstract namespace begin with.
        address = "\0" + self._socket[1:] if self._socket.startswith("@") else self._socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as out:
                out.sendto(text.encode(), address)
        except OSError:
            pass
