"""JSON documents beside RedisJSON: random commands, in RESP2 and RESP3, reply by reply and document by document; and payloads of DUMP in
both directions.

What is not compared: the order in which the module answers several paths and RESP3's maps (a hash table's, anew in each process), the
rest of the text about a path that is none, and how much memory values take.
"""
import json
import os
import random

import pytest
import redis

import hutch
from hutch.testing.replies import Error, Map
from kit.backends import EmbeddedBackend, TcpBackend
from kit.json_commands import KEYS, JsonCommands
from kit.json_oracle import MISSING, json_server

COMMANDS = int(os.environ.get("HUTCH_JSON_COMMANDS", 1000))
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


def test_declarations_are_the_module_s(module):
    """But for the ACL categories: a module's commands have none in Redis, ours those that follow from their flags."""
    ours, theirs = EmbeddedBackend().open(), TcpBackend(module.host, module.port).open()
    names = theirs.run([("COMMAND", "LIST", "FILTERBY", "MODULE", "ReJSON")])[0].value
    assert len(names) == 25 and set(names) == set(ours.run([("COMMAND", "LIST", "FILTERBY", "MODULE", "ReJSON")])[0].value)
    for name in names:
        mine, other = (connection.run([("COMMAND", "INFO", name)])[0].value[0] for connection in (ours, theirs))
        assert mine[:6] + mine[7:] == other[:6] + other[7:], name
    theirs.close()


EVENTS = [line.split() for line in (
    "JSON.SET k $ 1", "JSON.SET new $ 1", "JSON.SET k $.a 2", "JSON.SET k $.new.x 2", "JSON.SET k $.a 1 NX", "JSON.DEL k", "JSON.DEL k $.a",
    "JSON.DEL k $.nope", "JSON.FORGET k $.a", "JSON.NUMINCRBY k $.a 1", "JSON.NUMINCRBY k $.s 1", "JSON.NUMMULTBY k $.a 1",
    "JSON.NUMPOWBY k $.a 2", 'JSON.STRAPPEND k $.s "x"', 'JSON.STRAPPEND k $.a "x"', "JSON.ARRAPPEND k $.b 1", "JSON.ARRAPPEND k $.a 1",
    "JSON.ARRINSERT k $.b 0 1", "JSON.ARRINSERT k $.b 99 1", "JSON.ARRPOP k $.b", "JSON.ARRPOP k $.e", "JSON.ARRTRIM k $.b 0 0",
    "JSON.ARRTRIM k $.b 0 -1", "JSON.ARRTRIM k $.a 0 0", "JSON.CLEAR k $", "JSON.CLEAR k $.s", "JSON.TOGGLE k $.t", "JSON.TOGGLE k $.a",
    'JSON.MERGE k $ {"a":1}', "JSON.MERGE k $.a.b.c null", "JSON.MERGE new $ 1", "JSON.MSET k $.a 2 n2 $ 1", "JSON.MSET k $.nope.x 2",
    "JSON.GET nokey", "JSON.DEL nokey", "COPY k k9", "RENAME k k9")]


def events_at(port):
    """What is published of each command."""
    with redis.Redis(port=port, decode_responses=True) as client, client.pubsub() as listener:
        client.config_set("notify-keyspace-events", "KEA")
        listener.psubscribe("__key*__:*")
        told = []
        for command in EVENTS:
            client.flushall()
            client.execute_command("JSON.SET", "k", "$", '{"a":1,"b":[1,2,[3]],"s":"hi","t":true,"o":{"x":1},"e":[]}')
            client.publish("__key__:begin", "")
            try:
                client.execute_command(*command)
            except redis.ResponseError:
                pass
            client.publish("__key__:end", "")
            heard = []
            while not heard or heard[-1][0] != "__key__:end":
                message = listener.get_message(timeout=10)
                heard.append((message["channel"], message["data"]))
            told.append((command, heard[heard.index(("__key__:begin", "")) + 1:-1]))
        client.config_set("notify-keyspace-events", "")
        return told


def test_events_are_the_module_s(module):
    with hutch.Server(port=0) as server:
        for ours, theirs in zip(events_at(server.port), events_at(module.port), strict=True):
            assert ours == theirs
