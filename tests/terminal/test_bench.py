"""`hutch bench`: that it measures, leaves nothing behind, and says what is wrong."""
import json
import os
import signal
import subprocess
import time

import pytest
import redis

from kit.oracle import find_oracle
from terminal.conftest import ENVIRONMENT, PROGRAM


def children_of(pid):
    out = subprocess.run(["ps", "-e", "-ww", "-o", "pid=,args="], capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if "hutch-bench-" in line and str(pid) not in line.split()[0]]


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
        assert any(str(tmp_path) in line for line in children_of(process.pid))
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == code
    end = time.monotonic() + 30
    while any(str(tmp_path) in line for line in children_of(process.pid)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(str(tmp_path) in line for line in children_of(process.pid))
    assert os.listdir(tmp_path) == []
