"""Servers that keep an append-only file, killed while sockets write, and asked about what they keep."""
import os
import random
import signal
import threading
import time

import pytest
import redis
from kit.launch import serve
from kit.resp_client import RespClient
from kit.waiting import wait_until


def _write(port, name, acknowledged, stop):
    """Pipelines of SET and INCR, noting what was answered."""
    client = redis.Redis(port=port, retry=None)
    number = 0
    try:
        while not stop.is_set():
            pipe = client.pipeline(transaction=number % 3 == 0)
            for step in range(5):
                pipe.set(f"{name}:{number + step}", number + step)
            pipe.execute()
            number += 5
            acknowledged[name] = number
    except (redis.ConnectionError, OSError):
        pass


@pytest.mark.parametrize("round", range(int(os.environ.get("HUTCH_KILLS", "2"))))
@pytest.mark.parametrize("policy", ("always", "everysec"))
def test_killed_under_load(tmp_path, policy, round):
    """kill -9 while six clients write: `always` loses nothing that was answered; `everysec` at most the last moments, without holes."""
    acknowledged, stop = {}, threading.Event()
    options = ("--dir", tmp_path, "--appendonly", "yes", "--appendfsync", policy)
    with serve(*options) as server:
        threads = [threading.Thread(target=_write, args=(server.port, f"client{n}", acknowledged, stop)) for n in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.3, 0.8))
        if round % 2:
            redis.Redis(port=server.port).bgrewriteaof()
        time.sleep(random.uniform(0.1, 0.4))
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        stop.set()
        for thread in threads:
            thread.join()
    with serve(*options) as server:
        client = redis.Redis(port=server.port, decode_responses=True)
        for name, count in acknowledged.items():
            found = {int(key.split(":")[1]) for key in client.scan_iter(f"{name}:*", count=1000)}
            assert found == set(range(len(found))), "a hole"
            if policy == "always":
                assert len(found) >= count
        assert client.dbsize() > 0


def test_ends_by_signal_and_by_shutdown(tmp_path):
    options = ("--dir", tmp_path, "--appendonly", "yes")
    with serve(*options) as server:
        redis.Redis(port=server.port).set("a", 1)
        assert server.terminate() == 0
    with serve(*options) as server:
        client = redis.Redis(port=server.port)
        assert client.get("a") == b"1"
        client.set("b", 2)
        client.shutdown()
        assert server.ended() == 0
    with serve(*options) as server:
        assert redis.Redis(port=server.port).mget("a", "b") == [b"1", b"2"]


def test_waitaof_and_info(tmp_path):
    with serve("--dir", tmp_path, "--appendonly", "yes") as server:
        client = redis.Redis(port=server.port)
        client.set("a", 1)
        assert client.waitaof(1, 0, 1000) == [1, 0]
        assert client.waitaof(0, 0, 0)[1] == 0
        found = client.info("persistence")
        assert found["aof_enabled"] == 1 and found["aof_current_size"] > found["aof_base_size"] > 0
        assert found["aof_last_write_status"] == found["aof_last_bgrewrite_status"] == "ok"
        increment = max((tmp_path / "appendonlydir").glob("*.incr.aof"))
        assert b"SET" in increment.read_bytes().upper()
        client.config_set("auto-aof-rewrite-min-size", "10kb")
        client.config_set("auto-aof-rewrite-percentage", 50)
        client.set("big", "x" * 50000)
        end = time.monotonic() + 60
        while client.info("persistence")["aof_rewrites"] == 0:
            assert time.monotonic() < end
            client.incr("n")
            time.sleep(0.05)


def test_expiry_and_eviction_are_logged(tmp_path):
    """As DEL, though no client asks: what has gone does not come back."""
    with serve("--dir", tmp_path, "--appendonly", "yes") as server:
        client = redis.Redis(port=server.port)
        client.set("short", 1, px=20)
        client.hset("h", mapping={"a": 1, "b": 2})
        client.hpexpire("h", 20, "a")
        for number in range(200):
            client.set(f"fill:{number}", "x" * 1000)
        time.sleep(0.1)
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", used - 100000)
        left = client.dbsize()
        client.waitaof(1, 0, 0)
        text = max((tmp_path / "appendonlydir").glob("*.incr.aof")).read_bytes()
    assert left < 200
    assert b"$3\r\nDEL\r\n$5\r\nshort" in text and b"HDEL\r\n$1\r\nh\r\n$1\r\na" in text and b"DEL\r\n$6\r\nfill:" in text
    with serve("--dir", tmp_path, "--appendonly", "yes") as server:
        assert redis.Redis(port=server.port).dbsize() == left


def test_timestamps(tmp_path):
    with serve("--dir", tmp_path, "--appendonly", "yes", "--aof-timestamp-enabled", "yes") as server:
        client = redis.Redis(port=server.port)
        client.set("a", 1)
        time.sleep(1.1)
        client.set("b", 1)
        client.waitaof(1, 0, 0)
        text = max((tmp_path / "appendonlydir").glob("*.incr.aof")).read_bytes()
    assert text.count(b"#TS:") == 2
    with serve("--dir", tmp_path, "--appendonly", "yes") as server:
        assert redis.Redis(port=server.port).dbsize() == 2


def test_a_damaged_log_stops_the_start(tmp_path):
    with serve("--dir", tmp_path, "--appendonly", "yes") as server:
        redis.Redis(port=server.port).set("a", 1)
        server.terminate()
    path = max((tmp_path / "appendonlydir").glob("*.incr.aof"))
    path.write_bytes(path.read_bytes() + b"*nonsense\r\n")
    with pytest.raises(AssertionError, match="append-only file is damaged"):
        with serve("--dir", tmp_path, "--appendonly", "yes"):
            pass


def test_clients_hear_of_a_transaction_only_when_it_is_kept(tmp_path):
    """always: after the answer the increment has it."""
    with serve("--dir", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        client = RespClient("127.0.0.1", server.port)
        for number in range(50):
            client.execute("MULTI")
            client.execute("SET", f"key:{number}", number)
            client.execute("INCR", "n")
            client.execute("EXEC")
            text = max((tmp_path / "appendonlydir").glob("*.incr.aof")).read_bytes()
            assert text.endswith(b"EXEC\r\n") and text.count(b"EXEC\r\n") == number + 1
