"""syslog-enabled: lines go to the system's log, too."""
import os
import re
import socket
import threading

import pytest

from kit.launch import serve
from kit.resp_client import RespClient
from kit.waiting import wait_until

SOCKET = "/dev/log"


@pytest.fixture
def system_log():
    """The lines that come, as long as the test runs."""
    if os.path.exists(SOCKET) or not os.access("/dev", os.W_OK):
        pytest.skip("NOT TESTED: the system has a log of its own, which tests cannot read")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(SOCKET)
    lines = []

    def read():
        while line := listener.recv(4096):
            lines.append(line.decode().rstrip("\0"))

    reader = threading.Thread(target=read)
    reader.start()
    yield lines
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(b"", SOCKET)
    reader.join()
    listener.close()
    os.unlink(SOCKET)


def test_lines(system_log):
    with serve("--syslog-enabled", "yes", "--syslog-ident", "my-store", "--syslog-facility", "local3", "--loglevel", "debug",
               "--enable-debug-command", "yes") as server:
        client = RespClient("127.0.0.1", server.port)
        client.execute("DEBUG", "LOG", "from the engine")
        for level in ("DEBUG", "VERBOSE", "NOTICE", "WARNING"):
            client.execute("EVAL", f"redis.log(redis.LOG_{level}, 'level {level}')", "0")
        client.close()
        server.terminate()
        wait_until(lambda: any("bye bye" in line for line in system_log))
        text = server.text()
    lines = [line for line in system_log if f"[{server.pid}]" in line]
    assert all(re.match(r"<\d+>\w{3} [ \d]\d \d\d:\d\d:\d\d my-store\[", line) for line in lines)
    said = {line.split("]: ", 1)[1]: int(line[1:line.index(">")]) for line in lines}
    local3 = 19 * 8
    assert said["DEBUG LOG: from the engine"] == local3 + 4 and said["Server initialized"] == local3 + 5
    assert [said[f"level {level}"] - local3 for level in ("DEBUG", "VERBOSE", "NOTICE", "WARNING")] == [7, 6, 5, 4]
    assert "from the engine" in text                         # and to where they went before


def test_nobody_listens():
    if os.path.exists(SOCKET):
        pytest.skip("NOT TESTED: the system has a log")
    with serve("--syslog-enabled", "yes", "--enable-debug-command", "yes") as server:
        assert RespClient("127.0.0.1", server.port).execute("DEBUG", "LOG", "lost").raw == b"+OK\r\n"
