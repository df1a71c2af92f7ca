"""Unmodified redis-py, redis-cli and redis-benchmark against a server process, over TCP and the Unix socket."""
import re
import subprocess
import time

import pytest
import redis

from kit.launch import PLAIN, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("server") / "hutch.sock"
    with serve("--unixsocket", path, "--bind", "127.0.0.1", "--enable-debug-command", "yes") as server:
        server.unix_socket = str(path)
        yield server


@pytest.fixture(params=["tcp2", "tcp3", "unix2", "unix3"])
def client(request, server):
    protocol = int(request.param[-1])
    way = {"port": server.port} if request.param.startswith("tcp") else {"unix_socket_path": server.unix_socket}
    client = redis.Redis(decode_responses=True, protocol=protocol, **way)
    client.flushall()
    yield client
    client.close()


def test_strings_and_counters(client):
    assert client.set("a", "1", ex=100) and client.get("a") == "1" and 98 < client.ttl("a") <= 100
    assert client.incr("a") == 2 and client.incrbyfloat("a", 0.5) == 2.5
    assert client.mset({"b": 1, "c": 2}) and client.mget("a", "b", "c", "d") == ["2.5", "1", "2", None]
    assert client.append("b", "23") == 3 and client.getrange("b", 1, -1) == "23"
    assert client.set("b", "x", nx=True) is None
    assert client.set("b", "new", get=True) == "123"
    assert client.delete("a", "b", "nosuch") == 2


def test_binary_values(client, server):
    raw = redis.Redis(port=server.port)
    value = bytes(range(256)) * 5000
    assert raw.set(b"\x00\xff", value) and raw.get(b"\x00\xff") == value


def test_scan_iter_finds_every_key(client):
    names = {f"key:{n}" for n in range(2000)}
    client.mset(dict.fromkeys(names, "x"))
    assert set(client.scan_iter(count=100)) == names
    assert set(client.scan_iter(match="key:1?")) == {f"key:1{n}" for n in range(10)}


def test_pipelines_and_transactions(client):
    with client.pipeline() as pipe:
        assert pipe.set("n", 1).incr("n").get("n").execute() == [True, 2, "2"]
    with client.pipeline(transaction=False) as pipe:
        for n in range(500):
            pipe.incr("n")
        assert pipe.execute()[-1] == 502
    with client.pipeline() as pipe:
        pipe.watch("n")
        client.set("n", "changed")
        pipe.multi()
        pipe.set("n", "mine")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    with client.pipeline() as pipe, pytest.raises(redis.ResponseError, match="not an integer"):
        pipe.incr("n").execute()
    assert client.transaction(lambda pipe: pipe.multi() or pipe.set("n", 5), "n") == [True]


def test_errors_become_redis_pys(client):
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NOSUCH", "a")
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        client.execute_command("SELECT", 16)


def test_databases_and_info(client, server):
    other = redis.Redis(port=server.port, db=15)
    other.set("a", 1)
    assert client.exists("a") == 0
    info = client.info()
    assert info["redis_version"].startswith("8.2.") and info["redis_mode"] == "standalone"
    assert info["db15"]["keys"] == 1 and info["tcp_port"] == server.port
    assert info["connected_clients"] >= 2 and info["process_id"] == server.pid


def test_expiry_is_seen_without_a_touch(client):
    before = client.info("stats")["expired_keys"]
    client.set("gone", 1, px=30)
    end = time.monotonic() + 60
    while client.info("stats")["expired_keys"] == before:
        assert time.monotonic() < end
    assert client.dbsize() == 0


def test_client_list_finds_a_client_by_name(client, server):
    named = redis.Redis(port=server.port, client_name="somebody", single_connection_client=True)
    number = named.client_id()
    found = [one for one in client.client_list() if one["name"] == "somebody"]
    assert [int(one["id"]) for one in found] == [number]
    assert client.client_kill_filter(_id=number) == 1


def test_pool_and_lock(server):
    pool = redis.BlockingConnectionPool(port=server.port, max_connections=3)
    clients = [redis.Redis(connection_pool=pool) for _ in range(5)]
    assert all(one.ping() for one in clients)
    pool.disconnect()


# ---- the tools of Redis's own package

def cli(tool, *arguments, text=None):
    done = subprocess.run([tool, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, env=PLAIN)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_redis_cli(redis_tool, server):
    tool = redis_tool("redis-cli")
    at = ["-p", server.port]
    assert cli(tool, *at, "PING") == "PONG\n"
    assert cli(tool, *at, "-n", 3, "SET", "a", "two words") == "OK\n"
    assert cli(tool, "-s", server.unix_socket, "-n", 3, "GET", "a") == "two words\n"
    assert cli(tool, *at, "-3", "CONFIG", "GET", "maxclients").split() == ["maxclients", "10000"]
    assert "unknown command" in cli(tool, *at, "NOSUCH")
    # What it does when a person opens it: COMMAND DOCS for the completion, then lines of input.
    assert cli(tool, *at, text="set b 1\nincr b\nmulti\nincr b\nexec\n").split() == ["OK", "2", "OK", "QUEUED", "3"]
    assert int(cli(tool, *at, "COMMAND", "COUNT")) > 60
    assert cli(tool, *at, "--scan", "--pattern", "b").split() == ["b"]


def test_redis_cli_pipe_mode(redis_tool, server):
    tool = redis_tool("redis-cli")
    lines = "".join(f"SET piped:{n} {n}\r\n" for n in range(5000))
    shown = cli(tool, "-p", server.port, "--pipe", text=lines)
    assert "errors: 0, replies: 5000" in shown


def test_redis_cli_surveys_the_keys(redis_tool, server):
    """--bigkeys asks DBSIZE, SCAN, TYPE and STRLEN, --memkeys MEMORY USAGE: both in pipelines of their own."""
    tool = redis_tool("redis-cli")
    at = ["-p", server.port]
    with redis.Redis(port=server.port) as writer:
        writer.flushall()
        writer.mset({f"key:{n}": "x" * n for n in range(500)})
    shown = cli(tool, *at, "--bigkeys")
    assert "Sampled 500 keys" in shown and "'\"key:499\"' has 499 bytes" in shown
    shown = cli(tool, *at, "--memkeys")
    # Which of the keys in the largest size class comes first is the table's secret.
    assert "Sampled 500 keys" in shown and "Biggest string found '\"key:4" in shown


def test_redis_benchmark_speaks_resp3(redis_tool, server):
    shown = cli(redis_tool("redis-benchmark"), "-p", server.port, "-3", "-n", 2000, "-t", "set,get", "--csv")
    assert '"SET","' in shown and '"GET","' in shown


@pytest.mark.parametrize("pipeline", [1, 16, 100])
def test_redis_benchmark(redis_tool, server, pipeline):
    tool = redis_tool("redis-benchmark")
    shown = cli(tool, "-p", server.port, "-n", 10000, "-c", 50, "-P", pipeline, "-r", 1000,
                "-t", "ping,set,get,incr,mset", "--csv")
    rates = dict(re.findall(r'^"([^"]+)","([\d.]+)"', shown, re.MULTILINE))
    assert {"SET", "GET", "INCR"} <= set(rates) and all(float(rate) > 100 for rate in rates.values())
