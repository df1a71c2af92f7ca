"""Programs with redis-om (its JSON models, as far as they need no search) and coredis say the same on Hutch as on a Redis with RedisJSON."""
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import hutch
from kit.json_oracle import MISSING, json_server

PROGRAM = Path(__file__).with_name("json_models.py")


@pytest.fixture(scope="module")
def module():
    server = json_server()
    if server is None:
        pytest.skip(MISSING)
    yield server
    server.stop()


def said(client, port):
    run = subprocess.run([sys.executable, str(PROGRAM), client, str(port)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout.splitlines()


@pytest.mark.parametrize("client, package", (("redis-om", "redis_om"), ("coredis", "coredis")))
def test_a_program_says_the_same(module, client, package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{client} is not installed: it is in the extra `applications`")
    with hutch.Server(port=0) as server:
        ours = said(client, server.port)
    assert len(ours) >= 5 and ours == said(client, module.port)
