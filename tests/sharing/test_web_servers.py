"""Several worker processes of gunicorn (with and without preload) and uvicorn on one store."""
import os
import signal
import sys
import urllib.error
import urllib.request

import pytest

import hutch
from kit.launch import HUTCH_ENVIRONMENT, Launched
from kit.oracle import free_port
from kit.sharing import owner_of
from kit.waiting import wait_until

KIT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kit")


@pytest.fixture
def serve(place):
    started = []

    def start(module, *arguments):
        pytest.importorskip(module)
        port = free_port()
        server = Launched((sys.executable, "-m"), module, *(str(word).replace("PORT", str(port)) for word in arguments), cwd=KIT,
                          start_new_session=True,
                          env={"STORE": place, "PYTHONPATH": os.pathsep.join((KIT, HUTCH_ENVIRONMENT["PYTHONPATH"]))})
        server.url = f"http://127.0.0.1:{port}/"
        started.append(server)

        def answers():
            assert server.process.poll() is None, server.text()
            try:
                return _visit(server)
            except OSError:
                return None
        wait_until(answers)
        return server

    yield start
    for server in started:
        try:
            os.killpg(server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        server.process.wait()


def _visit(server):
    with urllib.request.urlopen(server.url, timeout=60) as answer:
        count, pid, owned = answer.read().decode().split()
    return int(count), int(pid), owned == "True"


@pytest.mark.parametrize("name, arguments", [
    ("gunicorn", ("-w", 3, "-b", "127.0.0.1:PORT", "web_applications:wsgi")),
    ("gunicorn", ("-w", 3, "-b", "127.0.0.1:PORT", "--preload", "web_applications:wsgi")),
    ("gunicorn", ("-w", 2, "-b", "127.0.0.1:PORT", "-k", "gthread", "--threads", 4, "--preload", "web_applications:wsgi")),
    ("uvicorn", ("--workers", 2, "--port", "PORT", "--log-level", "warning", "web_applications:asgi")),
], ids=["gunicorn", "preload", "threads", "uvicorn"])
def test_workers(place, serve, name, arguments):
    server = serve(name, *arguments)
    seen = [_visit(server) for _ in range(40)]
    counts = [count for count, _, _ in seen]
    assert counts == list(range(counts[0], counts[0] + 40))
    owner = owner_of(place)
    if "--preload" in arguments:
        assert owner == server.pid and not any(owned for _, _, owned in seen)
    # A worker that owns the store is killed: its server starts another, and the count goes on.
    if owner != server.pid:
        os.kill(owner, signal.SIGKILL)

        def goes_on():
            try:
                return _visit(server)
            except (urllib.error.URLError, ConnectionError):
                return None              # the request that the worker was killed with
        count, _, _ = wait_until(goes_on)
        assert count > counts[-1]
        wait_until(lambda: owner_of(place) not in (0, owner))
    server.process.send_signal(signal.SIGTERM)
    server.ended()
    with hutch.Redis(place) as r:
        assert int(r.get("visits")) >= counts[-1]
