"""Flower beside a Celery worker: it hears events, asks the worker, and counts what waits in the queues."""
import base64
import json
import urllib.request

import pytest

pytest.importorskip("flower")

import celery_app
from kit.oracle import free_port
from kit.waiting import wait_until

BROKER, BACKEND, NOTES = 9, 10, 11


def test_flower(server, own_processes):
    for db in (BROKER, BACKEND):
        with server.client(db) as client:
            client.flushdb()
    where = {"BROKER": server.url(BROKER), "BACKEND": server.url(BACKEND), "NOTES": server.url(NOTES)}
    port = free_port()
    own_processes.start("celery", "-A", "celery_app", "flower", f"--port={port}", "--address=127.0.0.1",
                        "--basic_auth=me:secret", "--inspect_timeout=2000", ready="Visit me at", **where)
    own_processes.start("celery", "-A", "celery_app", "worker", "-n", "flowered@here", "-Q", "proof", "-c", "1",
                        "--loglevel=INFO", ready="flowered@here ready.", **where)

    def ask(path):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={
            "Authorization": "Basic " + base64.b64encode(b"me:secret").decode()})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    with celery_app.connected(where["BROKER"], where["BACKEND"]) as app:
        results = [app.tasks["proof.add"].delay(n, n) for n in range(5)]
        assert [one.get(timeout=20) for one in results] == [0, 2, 4, 6, 8]
        unheard = [app.tasks["proof.add"].apply_async((1, 1), queue="celery") for _ in range(3)]
        tasks = lambda: {key: value for key, value in ask("/api/tasks").items() if value["state"] == "SUCCESS"}
        wait_until(lambda: {one.id for one in results} <= set(tasks()))
        assert tasks()[results[3].id]["result"] == "6"
        workers = wait_until(lambda: ask("/api/workers?refresh=1&workername=flowered@here"))
        assert "proof.add" in workers["flowered@here"]["registered"]
        assert [queue["name"] for queue in workers["flowered@here"]["active_queues"]] == ["proof"]
        lengths = {queue["name"]: queue["messages"] for queue in ask("/api/queues/length")["active_queues"]}
        assert lengths["proof"] == 0
        for one in unheard:
            one.forget()
