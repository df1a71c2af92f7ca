"""Keyspace notifications: random commands on Hutch and on Redis 8.2, and the events that each of them tells of.

    PYTHONPATH=src:engine:tests python tests/server/test_events.py --commands 20000 --seed 7 [families]
"""
import argparse
import sys
import time

import pytest

from kit.families import families
from kit.generators import Gen
from kit.oracle import RedisServer, find_oracle
from kit.resp_client import RespClient

FAMILIES = ("strings", "keys", "sets", "hashes", "lists", "sorted_sets", "streams", "sort", "bitmaps", "hyperloglogs", "geo", "dump")
MARK = b"__key-mark"
SEQUENCE = 100
# Which keys these find is each server's own affair.
BY_CHANCE = (b"SPOP", b"RANDOMKEY", b"HRANDFIELD", b"SRANDMEMBER", b"ZRANDMEMBER")


class Listener:
    """One server: a connection that works, and one that hears what it does."""

    def __init__(self, host, port, classes="KEAmnoc"):
        self.worker, self.ear = RespClient(host, port), RespClient(host, port)
        self.worker.execute("CONFIG", "SET", "notify-keyspace-events", classes)
        self.ear.execute("PSUBSCRIBE", "__key*")

    def play(self, commands):
        """The events of each command, as (channel, data)."""
        self.worker.execute("FLUSHALL")
        self.worker.execute("SELECT", "0")
        asked = [word for command in commands for word in (command, (b"PUBLISH", MARK, b""))]
        self.worker.pipeline(asked)
        found, events = [], []
        while len(found) < len(commands):
            _, _, channel, data = self.ear.read().value
            if channel == MARK:
                found.append(events)
                events = []
            elif b"expired" not in (data, channel[-7:]):
                # When a due key goes is each server's own affair: Hutch does not wait for somebody to look.
                events.append((channel, data))
        return found

    def close(self):
        self.worker.execute("CONFIG", "SET", "notify-keyspace-events", "")
        self.worker.close()
        self.ear.close()


def compare(one, two, seed, chosen, commands=SEQUENCE):
    steps = Gen(seed).sequence(families(*chosen), commands)
    listed = [step.argv for step in steps if step.connection == 0 and not step.silent and step.argv[0][:1] != b"@"
              and step.argv[0].upper() not in BY_CHANCE]
    ours, theirs = one.play(listed), two.play(listed)
    for number, (mine, other) in enumerate(zip(ours, theirs)):
        if listed[number][0].upper().startswith(b"SORT"):        # the order of a set's members is nobody's promise
            mine, other = sorted(mine), sorted(other)
        if listed[number][0].upper().startswith(b"X"):
            # How often, and before or behind which check of its words, a stream's key is looked up differs.
            mine, other = ([event for event in events if b"keymiss" not in (event[1], event[0][-7:])] for events in (mine, other))
        assert mine == other, "\n".join(
            [f"seed {seed}: events differ"]
            + [" ".join(repr(word[:60])[1:] for word in argv) for argv in listed[max(0, number - 12):number + 1]]
            + [f"ours   {mine}", f"theirs {other}"])


@pytest.fixture
def two(hutch_server, oracle):
    servers = [Listener("127.0.0.1", hutch_server.port), Listener(oracle.host, oracle.port)]
    yield servers
    for server in servers:
        server.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_events_of(two, family):
    for seed in range(6):
        compare(*two, seed, (family,))


def test_events_of_everything(two):
    for seed in range(100, 110):
        compare(*two, seed, FAMILIES)


@pytest.mark.parametrize("classes", ["KEA", "Kg$", "El", "Eg", "KEx", "Em", "En", "Eoc", "Ksh", "Ez", "", "g$"])
def test_classes(hutch_server, oracle, classes):
    commands = [tuple(line.encode().split()) for line in (
        "SET a 1", "GET a", "GET missing", "LPUSH l 1 2", "RENAME a b", "EXPIRE b 100", "SET l x", "SADD s 1", "HSET h f v",
        "ZADD z 1 m", "DEL s h z", "SET e 1 PXAT 1", "SET b 2", "SET e 1 PX 100000", "PEXPIREAT e 1", "COPY b c", "MOVE b 1",
        "APPEND c x", "SETRANGE c 0 y", "INCR n", "PERSIST e", "LPOP l", "GETDEL c")]
    two = [Listener("127.0.0.1", hutch_server.port, classes), Listener(oracle.host, oracle.port, classes)]
    one, other = (server.play(commands) for server in two)
    assert one == other
    for server in two:
        server.close()


def test_expiry_is_told_in_time(hutch_server):
    server = Listener("127.0.0.1", hutch_server.port, "Ex")
    server.worker.execute("SET", "soon", "1", "PX", "30")
    assert server.ear.read().value[2:] == [b"__keyevent@0__:expired", b"soon"]
    server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--commands", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("families", nargs="*", default=FAMILIES)
    asked = parser.parse_args()
    with RedisServer(find_oracle()) as server:
        two = Listener("127.0.0.1", asked.port), Listener(server.host, server.port)
        for number in range(asked.commands // SEQUENCE):
            compare(*two, asked.seed + number, asked.families)
    return 0


if __name__ == "__main__":
    sys.exit(main())
