"""`hutch bench`: that it measures, leaves nothing behind, and says what is wrong."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis

from kit.oracle import find_oracle
from terminal.conftest import ENVIRONMENT, PROGRAM


def children_of(pid, place):
    """The other processes that have this directory in their environment. (What a server is called is no longer how it was started.)"""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if int(path.parts[2]) != pid and f"TMPDIR={place}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parts[2]))
        except OSError:                      # it is gone, or not ours
            pass
    return found


def test_alone(run):
    code, out, errors = run("bench", "--quick", "--alone", "--json")
    assert code == 0 and errors == ""
    found = json.loads(out)
    assert found["beside"] is None and {row["what"] for row in found["calls"]} >= {"get", "set", "zadd"}
    assert all(row["hutch_ns"] > 0 for row in found["calls"]) and found["calls"][0]["of_dict"] > 0
    assert {(row["what"], row["pipeline"]) for row in found["servers"]} >= {("GET", 1), ("ZADD", 100)}
    assert all(row["servers"]["Hutch"]["per_s"] > 0 and row["servers"]["Hutch"]["cpu_us"] > 0 for row in found["servers"])
    assert 20 < found["memory_bytes_per_key"]["Hutch"] < 500


def test_beside_a_redis(run):
    path = find_oracle()
    if path is None:
        pytest.skip("no redis-server to be beside")
    code, out, errors = run("bench", "--quick", "--redis", path)
    assert code == 0 and errors == ""
    assert "beside Redis 8.2" in out and "geometric means" in out and "of redis-py's" in out


def test_beside_a_server_that_runs(run, oracle):
    with redis.Redis(host=oracle.host, port=oracle.port) as client:
        client.set("bench:mine", "untouched")
        code, out, errors = run("bench", "--quick", "--json", "--url", f"redis://{oracle.host}:{oracle.port}")
        assert code == 0 and errors == ""
        assert json.loads(out)["geometric_means"]["1"] > 0
        assert client.keys("*") == [b"bench:mine"]
        client.flushall()


def test_mistakes_are_a_line(run):
    for words, text in ((["--redis", "/no/such/server"], "/no/such/server"), (["--url", "127.0.0.1:1"], "Could not connect"),
                        (["--url", ":memory:"], "--url"), (["--seconds", "0"], "--seconds"), (["--rounds", "0"], "--rounds")):
        code, out, errors = run("bench", *words)
        assert code == 2 and text in errors and errors.count("\n") == 1, errors


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_ends_what_it_has_started(number, code, tmp_path):
    environment = {**ENVIRONMENT, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*PROGRAM, "bench", "--alone"], stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        assert children_of(process.pid, tmp_path)
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == code
    end = time.monotonic() + 30
    while children_of(process.pid, tmp_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert not children_of(process.pid, tmp_path)
    assert os.listdir(tmp_path) == []
