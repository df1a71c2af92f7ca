"""JSON documents beside RedisJSON: random commands, in RESP2 and RESP3, reply by reply and document by document; and payloads of DUMP in
both directions.

What is not compared: the order in which the module answers several paths and RESP3's maps (a hash table's, anew in each process), the
rest of the text about a path that is none, and how much memory values take.
"""
import json
import os
import random

import pytest

from hutch.testing.replies import Error, Map
from kit.backends import EmbeddedBackend, TcpBackend
from kit.json_commands import KEYS, JsonCommands
from kit.json_oracle import MISSING, json_server

COMMANDS = int(os.environ.get("HUTCH_JSON_COMMANDS", 3000))
SEED = int(os.environ.get("HUTCH_JSON_SEED", 1))
PATH_FAULT = b"Error occurred on position"


@pytest.fixture(scope="module")
def module():
    server = json_server()
    if server is None:
        pytest.skip(MISSING)
    yield server
    server.stop()


@pytest.fixture
def both(module):
    """Connections to Hutch and to the module, both empty."""
    ours, theirs = EmbeddedBackend().open(), TcpBackend(module.host, module.port).open()
    theirs.run([["FLUSHALL"]])
    yield ours, theirs
    theirs.run([["RESET"]])
    theirs.close()


def without_order(value):
    if isinstance(value, Map):
        return {"map": sorted((repr(without_order(key)), repr(without_order(item))) for key, item in value.pairs)}
    return [without_order(item) for item in value] if isinstance(value, list) else value


def plain(argv, reply):
    """What of a reply is to be the same."""
    value = reply.value
    if isinstance(value, Error) and value.text.startswith(PATH_FAULT):
        return PATH_FAULT
    if isinstance(value, Error):
        return bytes(byte for byte in value.text if byte < 128)       # the module's errors have other letters in Latin-1
    if isinstance(value, bytes) and argv[0] == b"JSON.GET" and value.startswith(b"{"):
        document = json.loads(value)
        return [(name, json.dumps(document[name])) for name in sorted(document)] if len(argv) > 3 else value
    if isinstance(value, bytes) and argv[0] == b"JSON.DEBUG":
        return "bytes"
    return without_order(value) if isinstance(value, (list, Map)) else reply.raw


def compare(ours, theirs, argv):
    mine, other = ours.run([argv])[0], theirs.run([argv])[0]
    assert plain(argv, mine) == plain(argv, other), f"{argv}\nours   {mine.raw!r}\ntheirs {other.raw!r}"
    return mine


@pytest.mark.parametrize("protocol", (2, 3))
@pytest.mark.parametrize("part", range(4))
def test_random_commands(both, protocol, part):
    ours, theirs = both
    for connection in both:
        connection.run([["HELLO", protocol]])
    commands = JsonCommands(random.Random(f"{SEED} {protocol} {part}"))
    before = []
    for _ in range(COMMANDS):
        argv = commands.command()
        before = [*before[-8:], argv]
        try:
            compare(ours, theirs, argv)
            for key in KEYS:
                compare(ours, theirs, (b"JSON.GET", key))
        except AssertionError as difference:
            raise AssertionError(f"{difference}\nafter {before}") from None


def test_payloads_move_in_both_directions(both):
    ours, theirs = both
    commands = JsonCommands(random.Random(SEED))
    for _ in range(300):
        text = json.dumps(commands.value()).encode()
        compare(ours, theirs, (b"JSON.SET", b"k", b"$", text))
        mine, other = ours.run([(b"DUMP", b"k")])[0].value, theirs.run([(b"DUMP", b"k")])[0].value
        compare(ours, theirs, (b"RESTORE", b"r1", b"0", mine, b"REPLACE"))
        compare(ours, theirs, (b"JSON.GET", b"r1"))
        compare(ours, theirs, (b"RESTORE", b"r2", b"0", other, b"REPLACE"))
        assert compare(ours, theirs, (b"JSON.GET", b"r2")).value == ours.run([(b"JSON.GET", b"k")])[0].value
