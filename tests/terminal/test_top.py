"""`hutch top`: its figures, and the picture that a person sees."""
import json
import time

import pytest
import redis

import hutch
from hutch.terminal.link import Link
from hutch.terminal.target import Target
from hutch.terminal.watch import Watch
from kit.oracle import RedisServer, find_oracle
from kit.screens import Screen


def looks(server, keys=200, between=lambda: None):
    with Link(Target(port=server.port)) as link:
        watch = Watch(link, keys)
        before = watch.look()
        between()
        now = watch.look()
        return watch.picture(before, now)


def test_what_happened_in_between(server):
    client = redis.Redis(port=server.port)
    client.mset({"a": "x" * 5000, "b": "x"})

    def between():
        for _ in range(30):
            client.get("a")
        for _ in range(10):
            client.get("none")
        with pytest.raises(redis.ResponseError):
            client.lpush("a", 1)
        client.publish("c", "x")
    picture = looks(server, between=between)
    seconds = picture["seconds"]
    assert picture["operations_per_s"] * seconds == pytest.approx(42, abs=0.1)
    assert picture["hit_rate"] == 0.75
    rows = {row["command"]: row for row in picture["commands"]}
    assert set(rows) == {"get", "lpush", "publish"}                  # none of its own
    assert rows["get"]["per_s"] * seconds == pytest.approx(40, abs=0.1) and rows["get"]["p50"] > 0
    assert rows["lpush"]["failed"] == 1 and rows["get"]["failed"] == 0
    assert picture["biggest_keys"][0]["key"] == "a" and picture["biggest_keys"][0]["bytes"] >= 5000
    assert picture["keys"] == {"all": 2, "databases": {"0": {"keys": 2, "with_deadline": 0, "average_ttl_ms": 0}}}
    assert picture["clients"]["connected"] == 2 and len(picture["clients"]["list"]) == 2
    assert picture["bytes_in_per_s"] * seconds > 40 * len("*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
    assert picture["hottest_keys"] is None and picture["memory"]["used"] > 5000
    json.dumps(picture)


def test_a_calm_server_is_calm(server):
    picture = looks(server)
    assert picture["operations_per_s"] == 0 and picture["commands"] == [] and picture["hit_rate"] is None
    assert picture["bytes_in_per_s"] * picture["seconds"] < 10       # what it asks itself is taken off
    assert picture["bytes_out_per_s"] * picture["seconds"] < 10


def test_hottest_keys(server):
    client = server.client()
    client.config_set("maxmemory-policy", "allkeys-lfu")
    client.mset({f"k{number}": 1 for number in range(50)})
    far = redis.Redis(port=server.port)
    for _ in range(5000):
        far.get("k7")
    picture = looks(server)
    assert picture["hottest_keys"][0]["key"] == "k7"


def test_many_keys_are_looked_at_in_turn(server):
    client = server.client()
    pipe = client.pipeline(transaction=False)
    for number in range(5000):
        pipe.set(f"k{number}", "x" * (number % 100))
    pipe.execute()
    client.rpush("biggest", *range(20_000))
    with Link(Target(port=server.port)) as link:
        watch = Watch(link, 1000)
        before = now = watch.look()
        for _ in range(50):
            now = watch.look()
            if watch.picture(before, now)["rounds_of_keys"]:
                break
        picture = watch.picture(before, now)
    assert picture["biggest_keys"][0]["key"] == "biggest" and len(watch._sizes) <= 500
    assert client.object("idletime", "k1") is not None


def test_looking_is_no_use_of_a_key(server):
    client = server.client()
    client.set("k", "v")
    engine = server.store.engine
    engine.set_clock_ms(int(time.time() * 1000))
    engine.advance_clock_ms(100_000)
    before = client.object("idletime", "k")
    looks(server)
    assert client.object("idletime", "k") == before >= 99
    engine.release_clock()


def test_json_and_text(run, server):
    server.client().set("k\x1b[31m", "v")
    code, out, errors = run("top", server.url, "--json", "-i", "0.1", "-c", "2")
    assert code == 0 and errors == "" and [json.loads(line)["keys"]["all"] for line in out.splitlines()] == [1, 1]
    code, out, errors = run("top", server.url, "--once", "-i", "0.1")
    assert code == 0 and errors == ""
    for text in ("operations/s", "hit rate", "Biggest keys", "Clients by memory", "Slow commands", f"127.0.0.1:{server.port}", "Hutch "):
        assert text in out
    assert "\x1b" not in out
    code, out, errors = run("top", "127.0.0.1:1", "--once")
    assert code == 2 and errors.count("\n") == 1 and "Could not connect" in errors


def test_a_store_in_a_directory(run, tmp_path):
    with hutch.Redis(str(tmp_path / "s")) as client:
        client.set("k", "v")
        code, out, _ = run("top", "./s", "--once", "--json", "-i", "0.1")
        assert code == 0 and json.loads(out)["keys"]["all"] == 1


@pytest.fixture
def restricted():
    path = find_oracle()
    if path is None:
        pytest.skip("no Redis to restrict")
    with RedisServer(path, "--rename-command", "SLOWLOG", "", "--rename-command", "MEMORY", "") as server:
        yield server


def test_commands_that_are_missing_or_forbidden(run, restricted):
    address = f"{restricted.host}:{restricted.port}"
    with redis.Redis(host=restricted.host, port=restricted.port) as client:
        client.set("k", "v")
        client.acl_setuser("poor", enabled=True, passwords=["+pw"], commands=["+info", "+hello", "+ping"])
        client.acl_setuser("blind", enabled=True, passwords=["+pw"], commands=["+ping", "+hello"])
    picture = json.loads(run("top", address, "--once", "--json", "-i", "0.1")[1])
    assert set(picture["missing"]) == {"slowlog|get", "memory|usage"} and picture["clients"]["list"]
    picture = json.loads(run("top", f"redis://poor:pw@{address}", "--once", "--json", "-i", "0.1")[1])
    assert {"slowlog|get", "client|list", "scan"} <= set(picture["missing"]) and picture["keys"]["all"] == 1
    code, out, errors = run("top", f"redis://blind:pw@{address}", "--once", "-i", "0.1")
    assert code == 0 and errors == "" and "not to be had here" in out and "INFO" in out


def test_other_servers(run, oracle):
    with redis.Redis(host=oracle.host, port=oracle.port) as client:
        client.config_set("slowlog-log-slower-than", 0)
        client.set("top:k", "v")
        client.config_set("slowlog-log-slower-than", 10000)
        code, out, errors = run("top", f"{oracle.host}:{oracle.port}", "--once", "-i", "0.1")
        assert code == 0 and errors == "" and "SET top:k v" in out and "Redis 8.2" in out
        picture = json.loads(run("top", f"{oracle.host}:{oracle.port}", "--once", "--json", "-i", "0.1")[1])
        assert picture["slow"] and picture["missing"] == {}
        client.slowlog_reset()
        client.flushall()


def test_live(spawn, server):
    screen = Screen(spawn("top", server.url, "-i", "0.2"))
    screen.see("operations/s", "Biggest keys found", "none but ours")
    server.client().mset({"first": 1})
    screen.see("keys  1 ", "first ")
    far = redis.Redis(port=server.port)
    for _ in range(2000):
        far.ping()
    screen.child.send("q")
    assert screen.ended() == 0
    screen = Screen(spawn("top", server.url, dimensions=(12, 60)))       # small
    screen.see("operations/s")
    screen.child.sendintr()
    assert screen.ended() in (0, 130)


def test_a_server_that_is_started_anew(spawn, server):
    screen = Screen(spawn("top", server.url, "-i", "0.2"))
    screen.see("operations/s")
    port, store = server.port, server.store
    server.stop()
    screen.see("operations/s")
    with hutch.Server(store, port=port):
        hutch.Redis(store=store).set("later", 1)
        screen.see("later ")
    screen.child.send("q")
    assert screen.ended() == 0
