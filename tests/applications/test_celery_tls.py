"""Celery with broker and results by rediss://: nothing is served in the clear."""
from urllib.parse import urlencode

import pytest

pytest.importorskip("celery")

import celery_app
from celery import chord, group

import redis
from kit.application_servers import Processes
from kit.certificates import Authority
from kit.launch import HUTCH, Launched
from kit.oracle import free_port


def test_tasks_by_rediss(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    port = free_port()
    query = urlencode({"ssl_cert_reqs": "required", "ssl_ca_certs": str(authority.file)})
    urls = [f"rediss://localhost:{port}/{database}?{query}" for database in range(3)]
    processes = Processes()
    with Launched(HUTCH, "--port", 0, "--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no",
                  "--save", "") as server:
        server.wait_for("Ready to accept connections tls")
        try:
            processes.start("celery", "-A", "celery_app", "worker", "-n", "tls@here", "-Q", "proof", "--loglevel=INFO", "--without-mingle",
                            "-c", "2", ready="tls@here ready.", BROKER=urls[0], BACKEND=urls[1], NOTES=urls[2])
            with celery_app.connected(*urls[:2]) as app:
                add, total = app.tasks["proof.add"], app.tasks["proof.total"]
                assert group(add.s(n, 1) for n in range(50))().get(timeout=60) == list(range(1, 51))
                assert chord((add.s(n, n) for n in range(9)), total.s())().get(timeout=60) == 72
        finally:
            processes.end()
        with redis.Redis.from_url(urls[0]) as client:
            assert {entry["laddr"] for entry in client.client_list()} == {client.client_list()[0]["laddr"]}
