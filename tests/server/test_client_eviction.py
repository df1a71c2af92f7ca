"""maxmemory-clients: the biggest clients go, and maxmemory, which has effect at once."""
import socket
from contextlib import suppress

import pytest

import hutch
from hutch_engine.door.engine import Engine
from kit.waiting import SLOW, wait_until


class Client:
    """A connection with a name, that can take memory without reading or being answered."""

    def __init__(self, server, name):
        self.name = name
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.settimeout(20 * SLOW)
        self.call("CLIENT", "SETNAME", name)

    def send(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in
                            (word if isinstance(word, bytes) else word.encode() for word in words)))

    def call(self, *words):
        self.send(*words)
        return self.socket.recv(1000)

    def fill(self, size):
        """An argument that is never finished lies in its query buffer."""
        self.socket.sendall(b"*2\r\n$3\r\nGET\r\n$%d\r\n" % (2 * size) + b"x" * size)

    def is_gone(self):
        try:
            while self.socket.recv(1000):
                pass
        except ConnectionError:
            pass                 # with what it sent still unread
        return True

    def close(self):
        self.socket.close()


@pytest.fixture
def server():
    with hutch.Server(port=0) as server:
        yield server


@pytest.fixture
def admin(server):
    """An embedded caller: neither counted nor ended."""
    return server.client(decode_responses=True)


def names(admin):
    return {client["name"] for client in admin.client_list()}


def memory(admin, name):
    return next((int(client["tot-mem"]) for client in admin.client_list() if client["name"] == name), 0)


def test_the_biggest_goes(server, admin):
    small, big = Client(server, "small"), Client(server, "big")
    big.fill(3_000_000)
    wait_until(lambda: memory(admin, "big") > 3_000_000)
    assert admin.config_set("maxmemory-clients", "2mb")
    wait_until(lambda: names(admin) == {"", "small"})
    assert admin.info("stats")["evicted_clients"] == 1
    assert small.call("PING") == b"+PONG\r\n"
    assert big.is_gone()
    admin.config_resetstat()
    assert admin.info("stats")["evicted_clients"] == 0


def test_no_more_than_needed_go(server, admin):
    """The sum is what counts; within one size class some stay."""
    clients = [Client(server, f"c{number}") for number in range(10)]
    for client in clients:
        client.fill(700_000)
    wait_until(lambda: all(memory(admin, client.name) > 700_000 for client in clients))
    total = sum(int(client["tot-mem"]) for client in admin.client_list() if client["name"])
    assert admin.config_set("maxmemory-clients", total // 2)
    wait_until(lambda: len(names(admin)) <= 6)
    left = sum(int(client["tot-mem"]) for client in admin.client_list() if client["name"])
    assert 0 < left <= total // 2
    assert 4 <= admin.info("stats")["evicted_clients"] <= 6


def test_growing_clients_go_as_they_grow(server, admin):
    admin.config_set("maxmemory-clients", "1mb")
    client = Client(server, "grows")
    with suppress(ConnectionError):              # it may be gone before it has sent all
        client.fill(3_000_000)
    wait_until(lambda: "grows" not in names(admin))


def test_replies_that_nobody_reads_count(server, admin):
    admin.config_set("maxmemory-clients", "3mb")
    admin.set("big", b"x" * 400_000)
    client = Client(server, "deaf")
    try:
        for _ in range(100):
            client.send("GET", "big")
    except OSError:
        pass
    wait_until(lambda: "deaf" not in names(admin))


def test_queued_commands_count(server, admin):
    admin.config_set("maxmemory-clients", "2mb")
    client = Client(server, "queues")
    assert client.call("MULTI") == b"+OK\r\n"
    for _ in range(40):
        try:
            client.send("SET", "k", b"x" * 100_000)
        except OSError:
            break
    wait_until(lambda: "queues" not in names(admin))


@pytest.mark.parametrize("command", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_subscriptions_count(command, server, admin):
    admin.config_set("maxmemory-clients", "300kb")
    client = Client(server, "subscribes")
    try:
        for start in range(0, 20_000, 100):
            client.send(command, *[str(number) for number in range(start, start + 100)])
            client.socket.recv(100_000)
    except OSError:
        pass
    wait_until(lambda: "subscribes" not in names(admin))


def test_a_big_argument_counts_before_its_command_runs(server, admin):
    admin.config_set("maxmemory-clients", "3mb")
    client = Client(server, "big")
    try:
        client.send("MSET", "k", "v", "l", b"x" * 3 * 1024 * 1024)
    except OSError:
        pass
    assert client.is_gone()
    assert admin.exists("k") == 0


def test_no_evict_keeps_one(server, admin):
    kept, other = Client(server, "kept"), Client(server, "other")
    assert kept.call("CLIENT", "NO-EVICT", "ON") == b"+OK\r\n"
    kept.fill(3_000_000)
    wait_until(lambda: memory(admin, "kept") > 3_000_000)
    admin.config_set("maxmemory-clients", "2mb")
    wait_until(lambda: "other" not in names(admin))          # what remains is over the limit, and who may go has gone
    assert "kept" in names(admin)


def test_embedded_callers_are_not_ended(server, admin):
    admin.set("big", b"x" * 3_000_000)
    admin.config_set("maxmemory-clients", "1mb")
    assert len(admin.get("big")) == 3_000_000
    assert admin.pipeline().get("big").get("big").execute()
    assert admin.info("stats")["evicted_clients"] == 0


def test_a_part_of_maxmemory(server, admin):
    client = Client(server, "big")
    client.fill(3_000_000)
    wait_until(lambda: memory(admin, "big") > 3_000_000)
    admin.config_set("maxmemory-clients", "10%")        # of no limit: none
    assert "big" in names(admin)
    admin.config_set("maxmemory", "100mb")
    assert "big" in names(admin)
    admin.config_set("maxmemory", "20mb")
    wait_until(lambda: "big" not in names(admin))


def test_no_limit_any_more(server, admin):
    admin.config_set("maxmemory-clients", "2mb")
    admin.config_set("maxmemory-clients", "0")
    client = Client(server, "big")
    client.fill(3_000_000)
    wait_until(lambda: memory(admin, "big") > 3_000_000)
    assert admin.info("stats")["evicted_clients"] == 0
    client.close()
    wait_until(lambda: "big" not in names(admin))


# ---- maxmemory

def test_setting_maxmemory_evicts_at_once():
    engine = Engine()
    session = engine.session()
    for number in range(500):
        session.execute(["SET", f"k{number}", b"x" * 10_000])
    used = engine.used_memory
    session.execute(["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"])
    session.execute(["CONFIG", "SET", "maxmemory", str(used - 2_000_000)])
    assert engine.used_memory <= used - 2_000_000       # before anybody asks for anything
    assert 200 < session.execute(["DBSIZE"]) < 400
    engine.close()


def test_without_a_policy_nothing_goes():
    engine = Engine()
    session = engine.session()
    session.execute(["SET", "k", b"x" * 1_000_000])
    session.execute(["CONFIG", "SET", "maxmemory", "500000"])
    assert session.execute(["DBSIZE"]) == 1
    with pytest.raises(Exception, match="OOM"):
        session.execute(["SET", "l", "x"])
    engine.close()


def test_evicted_keys_are_announced():
    store = hutch.Redis(decode_responses=True)
    store.config_set("notify-keyspace-events", "Ee")
    store.config_set("maxmemory-policy", "allkeys-lru")
    store.set("k", b"x" * 1_000_000)
    listening = store.pubsub()
    listening.subscribe("__keyevent@0__:evicted")
    listening.get_message(timeout=5)
    store.config_set("maxmemory", 900_000)
    assert listening.get_message(timeout=5)["data"] == "k"
    assert store.dbsize() == 0
