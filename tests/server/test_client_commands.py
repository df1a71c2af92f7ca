"""CLIENT: errors as Redis words them, the line of CLIENT LIST, and what one client does to another."""
import re

import pytest

from kit.backends import TcpBackend

SAME = [
    "CLIENT", "CLIENT foo", "CLIENT ID x", "CLIENT LIST TYPE foo", "CLIENT LIST ID", "CLIENT LIST ID a",
    "CLIENT LIST ID 99999999", "CLIENT LIST foo", "CLIENT LIST TYPE replica", "CLIENT LIST MAXAGE 3",
    "CLIENT KILL", "CLIENT KILL foo", "CLIENT KILL ID a", "CLIENT KILL ID 0", "CLIENT KILL ID 99999999",
    "CLIENT KILL ID 99 98", "CLIENT KILL ADDR 1.1.1.1:2", "CLIENT KILL foo bar", "CLIENT KILL TYPE foo",
    "CLIENT KILL TYPE pubsub", "CLIENT KILL USER nosuch", "CLIENT KILL SKIPME foo", "CLIENT KILL MAXAGE 0",
    "CLIENT KILL MAXAGE abc", "CLIENT KILL MAXAGE 10000", ["CLIENT", "SETNAME", "a b"], "CLIENT SETNAME x",
    "CLIENT GETNAME", ["CLIENT", "SETNAME", ""], "CLIENT GETNAME", ["CLIENT", "SETINFO", "lib-name", "a b"],
    "CLIENT SETINFO lib-name x", "CLIENT SETINFO foo 1", "CLIENT NO-EVICT foo", "CLIENT NO-EVICT on",
    "CLIENT NO-TOUCH foo", "CLIENT NO-TOUCH off", "CLIENT REPLY foo", "CLIENT REPLY ON", "CLIENT PAUSE a",
    "CLIENT PAUSE -1", "CLIENT PAUSE 1 foo", "CLIENT PAUSE 99999999999999999999", "CLIENT PAUSE 1 write",
    "CLIENT UNPAUSE", "CLIENT UNPAUSE x",
]


def test_same_words(same_as_redis):
    same_as_redis(*SAME)


def fields_of(line):
    return [field.split("=", 1)[0] for field in line.decode().split()]


def test_the_line_has_redis_fields(client, oracle):
    real = TcpBackend(oracle.host, oracle.port).open()
    ours, theirs = (side.run([["CLIENT", "INFO"]])[0].value for side in (client, real))
    real.close()
    assert fields_of(ours) == fields_of(theirs)
    assert re.search(rb" cmd=client\|info user=default redir=-1 resp=2 ", ours)


def test_kill_another(engine, client):
    other = TcpBackend("127.0.0.1", engine.port).open()
    id = other.run([["CLIENT", "ID"]])[0].value
    assert client.run([["CLIENT", "KILL", "ID", str(id)]])[0].value == 1
    with pytest.raises(Exception):
        for _ in range(100):
            other.run([["PING"]])
    listed = client.run([["CLIENT", "LIST", "ID", str(id)]])[0].value
    assert listed == b""


def test_list_by_id(client):
    id = client.run([["CLIENT", "ID"]])[0].value
    line = client.run([["CLIENT", "LIST", "ID", str(id)]])[0].value
    assert line.startswith(b"id=%d " % id) and line.endswith(b"\n")


