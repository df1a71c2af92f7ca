"""What CLIENT LIST and INFO say of clients in every state, and what reads count, beside Redis 8.2."""
import time

import pytest

from kit.resp_client import RespClient

GROUP = ["XGROUP CREATE s g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"]
STATES = {
    "subscribed": ["SUBSCRIBE a b", "PSUBSCRIBE x*", "SSUBSCRIBE s"],
    "subscribed and not": ["SUBSCRIBE a", "UNSUBSCRIBE a", "PING"],
    "monitor": ["MONITOR"],
    "tracking": ["HELLO 3", "CLIENT TRACKING ON", "GET k"],
    "tracking prefixes": ["HELLO 3", "CLIENT TRACKING ON BCAST PREFIX foo NOLOOP"],
    "tracking no more": ["HELLO 3", "CLIENT TRACKING ON BCAST", "CLIENT TRACKING OFF"],
    "blocked": ["BLPOP nokey 0"],
    "blocked in a group": GROUP,
    "in MULTI": ["MULTI", "SET a 1", "GET b"],
    "watching": ["WATCH a b", "MULTI"],
    "watch broken": ["WATCH broken other", "SET broken 1", "WATCH more", "MULTI"],
    "watch broken by FLUSHDB": ["SELECT 9", "SET k 1", "WATCH k other", "FLUSHDB"],
    "kept": ["CLIENT NO-EVICT ON", "CLIENT NO-TOUCH ON"],
    "named": ["CLIENT SETNAME me", "CLIENT SETINFO LIB-NAME x", "CLIENT SETINFO LIB-VER 1.2", "SELECT 3"],
    "silent": ["CLIENT REPLY OFF", "PING"],
    "scripts": ["EVAL return(1) 0"],
    "unknown command": ["PING", "NOSUCH a"],
    "unknown subcommand": ["PING", "CLIENT NOSUCH"],
    "wrong number of words": ["PING", "GET"],
    "refused": ["MULTI", "WATCH a"],
}
FIELDS = ("name", "flags", "db", "sub", "psub", "ssub", "multi", "watch", "cmd", "user", "redir", "resp", "lib-name", "lib-ver")
NUMBERS = ("blocked_clients", "tracking_clients", "pubsub_clients", "watching_clients", "total_watched_keys", "total_blocking_keys",
           "total_blocking_keys_on_nokey", "pubsub_channels", "pubsub_patterns", "pubsubshard_channels", "tracking_total_keys",
           "tracking_total_items", "tracking_total_prefixes", "keyspace_hits", "keyspace_misses")


def info(admin):
    lines = admin.execute("INFO", "everything").value.decode().splitlines()
    return {name: int(value) for name, _, value in (line.partition(":") for line in lines) if name in NUMBERS}


def told(host, port, steps):
    """CLIENT LIST's fields of a client after the steps, and how INFO's numbers have moved by them."""
    with RespClient(host, port) as admin, RespClient(host, port) as client:
        admin.execute("FLUSHALL")
        number = client.execute("CLIENT", "ID").value
        before = info(admin)
        for step in steps:
            client.send_raw(b"".join([b"*%d\r\n" % len(step.split()), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in step.encode().split())]))
        until = time.monotonic() + 5
        while time.monotonic() < until:         # all has been read when the same is said twice
            line = admin.execute("CLIENT", "LIST", "ID", str(number)).value
            time.sleep(0.02)
            if admin.execute("CLIENT", "LIST", "ID", str(number)).value == line:
                break
        fields = dict(field.split("=", 1) for field in line.decode().split())
        after = info(admin)
        return {name: fields[name] for name in FIELDS} | {name: after[name] - before[name] for name in NUMBERS}


@pytest.mark.parametrize("state", STATES)
def test_client_list_and_info(engine, oracle, state):
    assert told("127.0.0.1", engine.port, STATES[state]) == told(oracle.host, oracle.port, STATES[state])


def test_a_redirection_that_broke(engine, oracle):
    def flags(host, port):
        with RespClient(host, port) as client, RespClient(host, port) as admin:
            target = RespClient(host, port)
            number = client.execute("CLIENT", "ID").value
            client.execute("HELLO", "3")
            client.execute("CLIENT", "TRACKING", "ON", "REDIRECT", str(target.execute("CLIENT", "ID").value))
            client.execute("GET", "redirected")
            target.close()
            until = time.monotonic() + 5
            while b"R" not in (found := admin.execute("CLIENT", "LIST", "ID", str(number)).value.split(b"flags=")[1].split()[0]) and time.monotonic() < until:
                admin.execute("SET", "redirected", "1")
                client.execute("GET", "redirected")
            return found
    assert flags("127.0.0.1", engine.port) == flags(oracle.host, oracle.port) == b"tR"


def test_reads_of_streams_count_twice(engine, oracle):
    lines = ["XADD s 1-1 a 1", "XGROUP CREATE s g 0", "XREAD STREAMS s 0", "XREAD STREAMS none 0", "XREAD STREAMS s $",
             "XREAD BLOCK 1 STREAMS none $", "XREADGROUP GROUP g c STREAMS s >", "XREADGROUP GROUP g c STREAMS s 0", "XPENDING s g",
             "XINFO STREAM s", "XRANGE none - +"]

    def counted(host, port):
        with RespClient(host, port) as client:
            client.execute("FLUSHALL")
            for line in lines:
                client.execute(*line.split())
                numbers = info(client)
                yield line, numbers["keyspace_hits"] - counted_before[0], numbers["keyspace_misses"] - counted_before[1]

    found = []
    for side in (("127.0.0.1", engine.port), (oracle.host, oracle.port)):
        with RespClient(*side) as client:
            numbers = info(client)
        counted_before = numbers["keyspace_hits"], numbers["keyspace_misses"]
        found.append(list(counted(*side)))
    assert found[0] == found[1]
