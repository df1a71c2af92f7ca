"""Telling a supervisor (systemd, upstart) how a server is: redis-server's parameter `supervised`.

systemd's protocol is a datagram to the socket that $NOTIFY_SOCKET names (sd_notify(3)); upstart waits until the process stops itself.
"""
from __future__ import annotations

import os
import signal
import socket


def supervisor(wanted: str) -> str:
    """Who supervises this process, where the parameter says `wanted`: "systemd", "upstart", or "" for nobody. `auto` is whoever has put
    something into the environment."""
    present = {"systemd": bool(os.environ.get("NOTIFY_SOCKET")), "upstart": bool(os.environ.get("UPSTART_JOB"))}
    if wanted == "auto":
        return next((name for name in ("upstart", "systemd") if present[name]), "")
    return wanted if present.get(wanted) else ""


def notify(state: str) -> bool:
    """Send systemd a state, such as "READY=1". False where it cannot be reached: the server works without."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address[0] == "@":
        address = "\0" + address[1:]         # a name that is in no file system
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def ready(who: str) -> None:
    """Tell that connections are accepted."""
    if who == "systemd":
        notify("READY=1\nSTATUS=Ready to accept connections")
    elif who == "upstart":
        os.kill(os.getpid(), signal.SIGSTOP)


def stopping(who: str) -> None:
    """Tell that the server is about to end."""
    if who == "systemd":
        notify("STOPPING=1")
