"""What the system allows a server process: descriptors for its clients, the queue of those who are not accepted yet."""
from __future__ import annotations

import resource
from typing import Callable

__all__ = ["clients_possible", "check_backlog"]

RESERVED = 32                            # descriptors, as in Redis: what the process needs beside its clients
STEP = 16
SOMAXCONN = "/proc/sys/net/core/somaxconn"

Log = Callable[[str, str], None]


def clients_possible(wanted: int, log: Log) -> int:
    """How many clients there may be when `wanted` are asked for: the limit of open files is raised where it is too low, as far as the
    system lets us. The log says what was done. 0: not even one, and the server is not to start."""
    needed = wanted + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    best, reason = _raised(needed, soft, hard)
    if best >= needed:
        log("notice", f"Increased maximum number of open files to {needed} (it was originally set to {soft}).")
        return wanted
    if best <= RESERVED:
        log("warning", f"Your current 'ulimit -n' of {soft} is not enough for the server to start. Please increase your open file limit "
                       f"to at least {needed}. Exiting.")
        return 0
    log("warning", f"You requested maxclients of {wanted} requiring at least {needed} max file descriptors.")
    log("warning", f"Server can't set maximum open files to {needed} because of OS error: {reason}.")
    log("warning", f"Current maximum open files is {best}. maxclients has been reduced to {best - RESERVED} to compensate for low ulimit. "
                   "If you need higher maxclients increase 'ulimit -n'.")
    return best - RESERVED


def _raised(needed: int, soft: int, hard: int) -> tuple[int, str]:
    """The limit that there is now, and why it is no higher."""
    reason = "Operation not permitted"
    best = needed
    while best > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard if hard == resource.RLIM_INFINITY else max(best, hard)))
            return best, reason
        except (OSError, ValueError) as error:
            # Above the hard limit: a privileged process may, others come down to it.
            reason = getattr(error, "strerror", None) or reason
            best = hard if hard != resource.RLIM_INFINITY and best > hard else best - STEP
    return soft, reason


def check_backlog(backlog: int, log: Log) -> None:
    """Tell when the system shortens the queue that tcp-backlog asks for."""
    try:
        with open(SOMAXCONN) as file:
            longest = int(file.read())
    except (OSError, ValueError):
        return                           # no Linux
    if 0 < longest < backlog:
        log("warning", f"WARNING: The TCP backlog setting of {backlog} cannot be enforced because {SOMAXCONN} is set to the lower value "
                       f"of {longest}.")
