"""Passwords and what else is nobody's: compared at an even pace, shown nowhere; beside Redis where it shows them."""
import time
from contextlib import closing

import pytest
import redis
from shims.config import Parameters, rows

from kit.backends import TcpBackend
from kit.launch import HUTCH, Launched, serve
from kit.oracle import RedisServer, free_port

WORD = "unseen-word"
SAYING = [
    ["AUTH", WORD], ["AUTH", "default", WORD], ["AUTH", WORD, WORD, WORD], ["HELLO", "3", "AUTH", "default", WORD],
    ["HELLO", "2", "AUTH", WORD, WORD, "SETNAME", "n"], ["HELLO", "2", "SETNAME", "auth", "AUTH", WORD, WORD], ["HELLO", "9", "AUTH", WORD, WORD],
    ["CONFIG", "SET", "masterauth", WORD], ["CONFIG", "SET", "hz", "12", "MASTERUSER", WORD, "requirepass", ""],
    ["CONFIG", "SET", "masterauth"], ["CONFIG", "SET", "requirepass", WORD, "hz", "x"],
]


def monitored(port):
    """What a monitor sees of the words above, sent by another client and by a transaction."""
    with closing(TcpBackend("127.0.0.1", port).open()) as watching, closing(TcpBackend("127.0.0.1", port).open()) as talking:
        assert watching.run([["MONITOR"]])[0].raw == b"+OK\r\n"
        for words in SAYING:
            talking.run([words])
        talking.run([["HELLO", "2"], ["ECHO", "end"]])
        seen = b""
        end = time.monotonic() + 60
        while b'"end"' not in seen:
            assert time.monotonic() < end
            seen += watching.socket.recv(65536)
    return [line.split(b"] ", 1)[1] for line in seen.splitlines() if b"] " in line]


def test_monitor_does_not_show_them(oracle_binary):
    with RedisServer(oracle_binary) as real, serve("--save", "") as ours:
        mine, its = monitored(ours.port), monitored(real.port)
    assert WORD.encode() not in b"".join(mine)
    assert len(mine) == len(its)
    # Redis shows them where it does not get so far as to read them, and a name that looks like an option.
    assert [(ours, theirs) for ours, theirs in zip(mine, its) if ours != theirs and WORD.encode() not in theirs and b"SETNAME" not in ours] == []


def test_which_parameters_are_secrets():
    """Those that Redis marks so; the values of no others are kept from a log."""
    assert {row["name"] for row in rows() if row["sensitive"]} >= {"requirepass", "masterauth", "masteruser"}


def test_config_get_shows_them_and_config_rewrite_writes_them(tmp_path):
    path = tmp_path / "a.conf"
    path.write_text(f'masterauth "{WORD} x"\n')
    path.chmod(0o600)
    with Launched(HUTCH, path, "--port", port := free_port(), "--requirepass", WORD) as server:
        server.wait_for("Ready to accept connections")
        client = redis.Redis(port=port, password=WORD, decode_responses=True)
        assert client.config_get("masterauth", "requirepass") == {"masterauth": WORD + " x", "requirepass": WORD}
        assert client.config_rewrite()
        assert f'masterauth "{WORD} x"' in path.read_text() and f'requirepass "{WORD}"' in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600, "others may read it now"
        assert WORD not in server.text()
        assert all(WORD not in str(value) for listed in client.client_list() for value in listed.values())
        assert WORD not in str(client.info("everything"))


@pytest.mark.parametrize("guess", ["", WORD[:-1], WORD + "x", WORD.upper(), "x" * 5000, WORD * 500])
def test_wrong_passwords(guess):
    with serve("--save", "", "--requirepass", WORD) as server:
        connection = TcpBackend("127.0.0.1", server.port).open()
        assert connection.run([["AUTH", guess]])[0].raw == b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        assert connection.run([["AUTH", WORD]])[0].raw == b"+OK\r\n"


def test_every_default_of_a_secret_is_empty():
    parameters = Parameters()
    assert {parameters.get(row["name"]) for row in rows() if row["sensitive"]} == {""}
