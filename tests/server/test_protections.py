"""Who may DEBUG, load modules and set protected parameters: beside Redis, by where a client is."""
import os
import socket

import pytest

from kit.launch import HUTCH, Launched
from kit.oracle import PLAIN, free_port

ASKED = ["DEBUG JMAP", "MODULE", "MODULE LIST", "MODULE LOAD /nosuch.so", "MODULE UNLOAD x", "CONFIG SET dbfilename x.rdb",
         "CONFIG SET hz 11 dbfilename y.rdb", "CONFIG SET DBFILENAME a/b", "CONFIG SET dbfilename z.rdb nosuch 1", "CONFIG GET dbfilename",
         "CONFIG GET hz", "CONFIG SET enable-protected-configs yes", "CONFIG SET enable-debug-command yes",
         "CONFIG SET enable-module-command yes", "CONFIG GET enable-protected-configs", "MULTI", "DEBUG JMAP", "CONFIG SET dbfilename q.rdb", "EXEC",
         "CONFIG GET dbfilename", "CONFIG SET hz 10"]
# Each has its own modules, and DEBUG its own subcommands: whether they are refused is the question.
THEIR_OWN = {"MODULE LIST", "DEBUG JMAP", "MODULE LOAD /nosuch.so", "EXEC"}
# Where clients come from, as (family, to, from).
PLACES = {
    "loopback": (socket.AF_INET, "127.0.0.1", None), "elsewhere on loopback": (socket.AF_INET, "127.0.0.1", "127.0.0.2"),
    "unix": (socket.AF_UNIX, None, None),
}


def connect(place, port, unix):
    family, to, source = PLACES[place]
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(60)
    if source:
        client.bind((source, 0))
    client.connect(unix if family == socket.AF_UNIX else (to, port))
    return client


def reply(lines):
    """The bytes of one reply."""
    head = lines.readline()
    assert head.endswith(b"\r\n"), "hung up"
    if head[:1] == b"$" and head != b"$-1\r\n":
        head += lines.read(int(head[1:]) + 2)
    elif head[:1] == b"*":
        for _ in range(int(head[1:])):
            head += reply(lines)
    return head


def answers(place, port, unix):
    with connect(place, port, unix) as client, client.makefile("rb") as lines:
        found = []
        for line in ASKED:
            client.sendall(line.encode() + b"\r\n")
            found.append(reply(lines))
        return found


def started(command, environment, directory, setting):
    port = free_port()
    unix = str(directory / f"{os.path.basename(command[0])[:3]}.sock")
    server = Launched(command, "--port", port, "--bind", "127.0.0.1", "--unixsocket", unix, "--save", "", "--enable-debug-command", setting,
                      "--enable-module-command", setting, "--enable-protected-configs", setting, environment=environment, cwd=directory)
    server.wait_for("Ready to accept connections unix")
    return server, port, unix


@pytest.mark.parametrize("setting", ["no", "yes", "local"])
def test_who_may_what(setting, oracle_binary, tmp_path):
    ours, *mine_at = started(HUTCH, None, tmp_path, setting)
    theirs, *its_at = started((str(oracle_binary),), PLAIN, tmp_path, setting)
    with ours, theirs:
        for place in PLACES:
            mine, its = answers(place, *mine_at), answers(place, *its_at)
            assert [row for row in zip(ASKED, mine, its) if row[1] != row[2] and (
                row[0] not in THEIR_OWN or (b"not allowed" in row[1]) != (b"not allowed" in row[2]))] == [], place
            assert (b"can't set protected config" in mine[5]) == (setting == "no") == (b"not allowed" in mine[0])
