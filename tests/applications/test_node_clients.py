"""Redis's clients for Node: ioredis and node-redis see the same of Hutch as of a real Redis; with HUTCH_LONG, redis-commander's pages."""
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

import hutch
from kit.oracle import PLAIN, free_port
from kit.waiting import wait_until

SCRIPT = Path(__file__).with_name("node_clients.js")


def installed(place, *packages):
    """A directory with these packages of npm's."""
    if not shutil.which("npm"):
        pytest.skip("NOT TESTED WITH NODE'S CLIENTS: there is no npm")
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages], cwd=place, capture_output=True,
                          text=True, timeout=300, env=PLAIN)
    if done.returncode:
        pytest.skip(f"NOT TESTED WITH NODE'S CLIENTS: npm says {done.stderr[-500:]}")
    return place


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("node"), "ioredis@5", "redis@5")


def seen_of(port, place):
    program = place / SCRIPT.name
    shutil.copy(SCRIPT, program)
    done = subprocess.run(["node", program, str(port)], cwd=place, capture_output=True, text=True, timeout=120, env=PLAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_node_clients(clients, oracle):
    with hutch.Server(port=0) as server:
        ours = seen_of(server.port, clients)
    theirs = seen_of(oracle.port, clients)
    assert ours == theirs and len(ours) > 25


@pytest.mark.skipif(not os.environ.get("HUTCH_LONG"), reason="180 packages: set HUTCH_LONG")
def test_redis_commander(tmp_path):
    """A web page over the listener: what its server asks for is there, and in a browser its tree shows the keys."""
    place = installed(tmp_path, "redis-commander@0.9")
    with hutch.Server(port=0) as server:
        client = server.client()
        client.set("a string", "1"), client.hset("a hash", "f", "v"), client.xadd("a stream", {"f": "v"})
        port = free_port()
        process = subprocess.Popen([place / "node_modules/.bin/redis-commander", "--redis-host", "127.0.0.1", "--redis-port", str(server.port),
                                    "--port", str(port), "--address", "127.0.0.1"], cwd=place, env=PLAIN, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        try:
            def page(path=""):
                try:
                    return urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20).read().decode()
                except OSError:
                    return None
            wait_until(page)
            info = page("apiv2/server/info")
            assert '"Redis version","value":"8.2.3"' in info
            browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
            if browser:
                shown = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom",
                                        f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=120, env=PLAIN).stdout
                assert all(name in shown for name in ("a string", "a hash", "a stream"))
        finally:
            process.kill()
            process.communicate()
