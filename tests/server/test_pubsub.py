"""Pub/sub over sockets, beside Redis 8.2; slow subscribers; what the listener does for clients that others write to."""
import random
import socket
import threading
import time

import pytest
import redis

import hutch
from kit.message_scripts import assert_same_messages
from kit.resp_client import RespClient

PATIENCE_S = 60
# In hash order on Redis; of several patterns that fit, too.
UNORDERED = ("unsubscribe", "PUBSUB CHANNELS", "SHARDCHANNELS", "PUBLISH ab")

SCRIPTS = {
    "channels": [
        "0: SUBSCRIBE a b a", "2: SUBSCRIBE a", "1: PUBLISH a hello", "1: PUBLISH b there", "1: PUBLISH c nobody",
        "3: PUBLISH a three", "0: UNSUBSCRIBE a", "1: PUBLISH a again", "0: UNSUBSCRIBE q", "0: unsubscribe",
        "0: UNSUBSCRIBE", "0: GET x", "1: PUBSUB NUMSUB a b c", "1: PUBSUB CHANNELS", "2: close", "1: PUBSUB CHANNELS",
        "1: PUBLISH a ''", "1: SUBSCRIBE ''", "3: PUBLISH '' ''"],
    "patterns": [
        "0: PSUBSCRIBE a* *b [c-d]?", "2: PSUBSCRIBE a*", "2: SUBSCRIBE ab", "1: PUBLISH ab x", "1: PUBLISH cx y",
        "1: PUBLISH zz n", "1: PUBSUB NUMPAT", "0: PUNSUBSCRIBE a*", "1: PUBSUB NUMPAT", "1: PUBLISH abb z", "0: PUNSUBSCRIBE nope",
        "2: PUNSUBSCRIBE", "2: PUNSUBSCRIBE", "1: PUBSUB NUMPAT", "1: PUBLISH ab y", "2: RESET", "1: PUBSUB CHANNELS"],
    "shards": [
        "0: SSUBSCRIBE s t", "2: SSUBSCRIBE s", "0: SUBSCRIBE s", "1: SPUBLISH s x", "1: PUBLISH s y", "1: PUBSUB SHARDCHANNELS",
        "1: PUBSUB SHARDCHANNELS t*", "1: PUBSUB SHARDNUMSUB s t u", "1: PUBSUB SHARDNUMSUB", "0: SUNSUBSCRIBE t", "2: SUNSUBSCRIBE",
        "2: SUNSUBSCRIBE", "0: sunsubscribe", "0: GET x", "0: UNSUBSCRIBE s", "0: GET x", "1: SPUBLISH s x"],
    "what a RESP2 subscriber may do": [
        "0: SUBSCRIBE a", "0: GET x", "0: MULTI", "0: PING", "0: PING x", "0: PING x y", "0: HELLO 3", "0: CLIENT ID",
        "0: GET", "0: NOSUCH", "0: SSUBSCRIBE s", "0: PSUBSCRIBE p", "0: PUBLISH a x", "0: RESET", "0: GET x", "0: PSUBSCRIBE z",
        "0: DEBUG SLEEP 0", "0: QUIT", "1: PUBSUB NUMPAT"],
    "RESP3 does not mind": [
        "2: SUBSCRIBE a", "2: GET x", "2: PUBLISH a self", "2: PING", "2: PING x", "2: PSUBSCRIBE a*", "2: PUBLISH a self", "2: INCR n",
        "2: HELLO 2", "2: GET x", "2: UNSUBSCRIBE a", "2: PUNSUBSCRIBE a*", "2: GET x"],
    "transactions": [
        "0: MULTI", "0: SUBSCRIBE a b", "0: PUBLISH a one", "0: GET x", "0: PSUBSCRIBE a*", "0: SSUBSCRIBE s", "0: EXEC", "0: GET x",
        "1: PUBLISH a two", "2: SUBSCRIBE a", "2: MULTI", "2: PUBLISH a three", "2: SET k 1", "2: UNSUBSCRIBE a", "2: PUBLISH a four",
        "2: EXEC", "3: MULTI", "3: SUBSCRIBE z", "3: DISCARD", "3: PUBSUB CHANNELS"],
    "errors": [
        "0: SUBSCRIBE", "0: PUBLISH a", "0: PUBLISH a b c", "0: PSUBSCRIBE", "0: SSUBSCRIBE", "0: SPUBLISH a", "0: PUBSUB", "0: PUBSUB NOPE",
        "0: PUBSUB NUMPAT x", "0: PUBSUB CHANNELS a b", "0: PUBSUB SHARDCHANNELS a b", "0: PUBSUB HELP", "0: PUBSUB HELP x"],
    "kills": [
        "0: SUBSCRIBE a", "2: SUBSCRIBE a", "1: CLIENT KILL ID {0}", "1: PUBSUB NUMSUB a", "1: CLIENT KILL TYPE pubsub",
        "1: PUBSUB NUMSUB a", "1: PUBLISH a x"],
    "scripts": [
        "0: CONFIG SET notify-keyspace-events KEA", "2: PSUBSCRIBE *", "0: SUBSCRIBE a",
        "1: EVAL \"redis.call('SET', 'k', 1) redis.call('PUBLISH', 'a', 'x') redis.call('DEL', 'k') return redis.call('PUBLISH', 'a', 'y')\" 0",
        "2: EVAL \"redis.call('SET', 'k', 1) redis.call('PUBLISH', 'a', 'x') return redis.call('INCR', 'k')\" 0",
        "1: EVAL \"return redis.call('SUBSCRIBE', 'a')\" 0", "1: EVAL \"return redis.call('MONITOR')\" 0",
        "1: EVAL \"return redis.call('PUBSUB', 'NUMPAT')\" 0", "3: CONFIG SET notify-keyspace-events ''"],
    "events": [
        "0: CONFIG SET notify-keyspace-events KEA", "2: PSUBSCRIBE __key*", "3: SUBSCRIBE __keyevent@0__:set", "1: SET k v",
        "1: MULTI", "1: SET k 2", "1: PUBLISH __key x", "1: DEL k", "1: EXEC", "2: SET own 1", "2: MULTI", "2: PUBLISH __keyq y",
        "2: SET own 2", "2: EXEC", "1: SELECT 3", "1: LPUSH l a", "1: RPOP l", "1: MSET a 1 b 2", "1: FLUSHALL",
        "0: CONFIG SET notify-keyspace-events ''", "1: SET k v"],
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_message_script(hutch_server, oracle, name):
    assert_same_messages(hutch_server, oracle, SCRIPTS[name], unordered=UNORDERED)


def test_muted(hutch_server, oracle):
    def play(host, port):
        client, other = RespClient(host, port), RespClient(host, port)
        client.execute("HELLO", "3")
        client.execute("SUBSCRIBE", "a")
        client.send_raw(b"CLIENT REPLY OFF\r\nSUBSCRIBE b\r\nPUBLISH a self\r\nGET x\r\n")
        found = [client.read().raw for _ in range(2)]
        other.execute("PUBLISH", "b", "y")
        found.append(client.read().raw)
        client.send_raw(b"CLIENT REPLY ON\r\n")
        found.append(client.read().raw)
        client.send_raw(b"CLIENT REPLY SKIP\r\nPUBLISH b z\r\nPING\r\n")
        return [*found, client.read().raw, client.read().raw]
    assert play("127.0.0.1", hutch_server.port) == play(oracle.host, oracle.port)


@pytest.mark.parametrize("protocols", ["2222", "3333"])
@pytest.mark.parametrize("seed", range(6))
def test_random_message_scripts(hutch_server, oracle, seed, protocols):
    random_ = random.Random(seed)
    names = ("a", "b", "ab", "x")
    steps = []
    for _ in range(80):
        who = random_.randrange(4)
        command = random_.choice(("SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE", "PUBLISH",
                                  "PUBLISH", "PUBLISH", "SPUBLISH", "NUMSUB", "RESET"))
        some = " ".join(random_.sample(names, random_.randint(1, 3)))
        if command[0] == "P" and command[1:] in ("SUBSCRIBE", "UNSUBSCRIBE"):
            some = " ".join(random_.sample(("a*", "*", "?b", "[ax]", "q"), 2))
        if command in ("PUBLISH", "SPUBLISH"):
            steps.append(f"{who}: {command} {random_.choice(names)} m{len(steps)}")
        elif command == "NUMSUB":
            steps.append(f"{who}: PUBSUB {random_.choice(('NUMSUB', 'SHARDNUMSUB'))} a b ab x")
        elif command == "RESET":
            steps += [f"{who}: RESET", f"{who}: HELLO {protocols[0]}"]
        else:
            steps.append(f"{who}: {command} {some}")
    # Several of one client's patterns may fit: which comes first is the server's hash order.
    assert_same_messages(hutch_server, oracle, steps, protocols, ("PUBLISH",))


def test_figures(hutch_server):
    client = RespClient("127.0.0.1", hutch_server.port)
    subscriber = RespClient("127.0.0.1", hutch_server.port)
    subscriber.execute("CLIENT", "SETNAME", "listener")
    for words in (("SUBSCRIBE", "f1"), ("SUBSCRIBE", "f2"), ("PSUBSCRIBE", "p*"), ("SSUBSCRIBE", "s")):
        subscriber.execute(*words)
    line = next(line for line in client.execute("CLIENT", "LIST", "TYPE", "pubsub").value.decode().splitlines()
                if "name=listener" in line)
    assert " flags=P " in line and " sub=2 psub=1 ssub=1 " in line
    info = dict(line.split(":", 1) for line in client.execute("INFO").value.decode().splitlines() if ":" in line)
    assert (info["pubsub_clients"], info["pubsub_channels"], info["pubsub_patterns"], info["pubsubshard_channels"]) == ("1", "2", "1", "1")


def test_a_slow_subscriber_is_cut_off():
    """By the hard limit; the quick ones get everything."""
    with hutch.Server(port=0) as server:
        admin = redis.Redis(port=server.port)
        admin.config_set("client-output-buffer-limit", "pubsub 2mb 0 0")
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"SUBSCRIBE a\r\n")
        quick = RespClient("127.0.0.1", server.port)
        quick.execute("SUBSCRIBE", "a")
        while admin.pubsub_numsub("a")[0][1] < 2:
            time.sleep(0.001)
        message = b"x" * 50000
        for number in range(400):
            admin.publish("a", b"%d " % number + message)
            assert quick.read().value[2].startswith(b"%d " % number)
        assert admin.pubsub_numsub("a") == [(b"a", 1)]
        assert admin.info("stats")["client_output_buffer_limit_disconnections"] == 1
        slow.close()
        admin.close()


def test_the_soft_limit():
    with hutch.Server(port=0) as server:
        admin = redis.Redis(port=server.port)
        admin.config_set("client-output-buffer-limit", "pubsub 0 100kb 1")
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(b"SUBSCRIBE a\r\n")
        while admin.pubsub_numsub("a")[0][1] < 1:
            time.sleep(0.001)
        began = time.monotonic()
        for _ in range(200):
            admin.publish("a", b"x" * 50000)
        assert admin.pubsub_numsub("a") == [(b"a", 1)] or time.monotonic() - began > 0.9      # the machine may have kept us
        end = time.monotonic() + PATIENCE_S
        while admin.pubsub_numsub("a") != [(b"a", 0)]:
            assert time.monotonic() < end
            time.sleep(0.05)
        slow.close()
        admin.close()


def test_many_subscribers_all_hear():
    with hutch.Server(port=0) as server:
        clients = [RespClient("127.0.0.1", server.port) for _ in range(200)]
        for client in clients:
            client.execute("SUBSCRIBE", "a")
        publisher = RespClient("127.0.0.1", server.port)
        for number in range(20):
            assert publisher.execute("PUBLISH", "a", str(number)).value == 200
        for client in clients:
            assert [client.read().value[2] for _ in range(20)] == [b"%d" % number for number in range(20)]
            client.close()
        end = time.monotonic() + PATIENCE_S
        while publisher.execute("PUBSUB", "NUMSUB", "a").value[1]:
            assert time.monotonic() < end
            time.sleep(0.001)
        publisher.close()


def test_subscribers_come_and_go_under_fire():
    with hutch.Server(port=0) as server, hutch.Redis(store=server.store) as inside:
        stop = threading.Event()

        def fire():
            number = 0
            while not stop.is_set():
                inside.publish("a", number)
                inside.rpush("jobs", number)
                number += 1
                if number % 100 == 0:
                    time.sleep(0.001)

        def come_and_go():
            for _ in range(60):
                with socket.create_connection(("127.0.0.1", server.port)) as client:
                    client.sendall(b"SUBSCRIBE a\r\n")
                    client.recv(1000)

        def wait():
            client = RespClient("127.0.0.1", server.port)
            for _ in range(200):
                client.execute("BLPOP", "jobs", "5")
            client.close()

        threads = [threading.Thread(target=body) for body in (fire, come_and_go, come_and_go, wait)]
        for thread in threads:
            thread.start()
        for thread in threads[1:]:
            thread.join(30)
        stop.set()
        threads[0].join()
        assert not any(thread.is_alive() for thread in threads)


def test_the_next_listener_is_woken_as_well():
    with hutch.Redis() as inside:
        for _ in range(20):
            with hutch.Server(port=0, store=inside.store) as server:
                client = RespClient("127.0.0.1", server.port)
                client.execute("SUBSCRIBE", "a")
                inside.publish("a", "x")
                assert client.read().value[2] == b"x"
                for _ in range(20):
                    inside.publish("a", "last words")
