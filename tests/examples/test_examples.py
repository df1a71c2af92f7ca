"""Each program in examples/ runs, and does what it says."""
import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hutch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_flask_caching(example):
    module = example("flask_site", "flask_caching")
    client = module.app.test_client()
    assert client.get("/square/7").json == client.get("/square/7").json == {"square": 49}
    assert module.computed == [7] and module.store.dbsize() == 1
    with module.app.app_context():
        assert module.cube(3) == module.cube(3) == 27 and module.computed == [7, 3]
        module.cache.delete_memoized(module.cube)
        assert module.cube(3) == 27 and module.computed == [7, 3, 3]
        module.cache.clear()
    assert module.store.dbsize() == 0


def test_fastapi(example):
    module = example("fastapi_service", "fastapi", "httpx")
    from fastapi.testclient import TestClient
    with TestClient(module.app) as client:
        answers = [client.get("/report/2024", headers={"x-user": "ada"}) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert answers[0].json() == {"year": 2024, "days": 366} and module.computed == [2024]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 61
        assert client.get("/report/2023", headers={"x-user": "bob"}).json()["days"] == 365


def test_limits(example, capsys):
    module = example("limited", "limits")
    module.main()
    assert capsys.readouterr().out.count("[True, True, True, False, False]") == 3
    store = module.storage("another")
    assert store.check() and store.incr("key", 60) == 1 and store.get("key") == 1
    store.reset()
    assert store.get("key") == 0


def test_aiocache(example, capsys):
    module = example("aiocache_values", "aiocache")
    asyncio.run(module.main())
    assert capsys.readouterr().out.strip() == "{'born': 1815} 1 [{'born': 1815}, None] True"


def test_rq(example):
    assert example("background_jobs", "rq").with_rq() == 5


def test_taskiq(example):
    assert asyncio.run(example("background_jobs", "taskiq", "taskiq_redis").with_taskiq()) == 5


def test_docket(example):
    assert asyncio.run(example("background_jobs", "docket").with_docket()) == 5


def test_slowapi(example):
    module = example("slowapi_service", "slowapi", "fastapi", "httpx")
    from fastapi.testclient import TestClient
    with TestClient(module.app) as client:
        assert [client.get("/report", headers={"x-user": "ada"}).status_code for _ in range(5)] == [200] * 3 + [429] * 2
        assert client.get("/report", headers={"x-user": "bob"}).json() == {"report": "long"}


# ---- with worker processes: whole programs

@pytest.mark.parametrize("name, needs, said", [
    ("celery_jobs", ("celery",), ["(5, 20)"]),
    ("rq_jobs", ("rq",), ["[0, 7, 14, 42]"]),
    ("taskiq_jobs", ("taskiq", "taskiq_redis"), ["[3, 4, 5, 6, 7]"]),
    ("docket_jobs", ("docket",), ["[5, 50]"]),
    ("chat", ("channels_redis",), ["another process: HELLO OVER THERE", "RedisChannelLayer ['hello', 'hello']", "RedisPubSubChannelLayer ['hello', 'hello']"]),
])
def test_with_workers(name, needs, said):
    for need in needs:
        pytest.importorskip(need, reason=f"EXAMPLE NOT TRIED: {need} is not installed (pip install -e .[test,applications,frameworks])")
    done = subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py")], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0 and done.stdout.strip().splitlines() == said, done.stdout + done.stderr


# ---- Django, whose settings belong to a process: each in one of its own

DJANGO = """
import sys
sys.path.insert(0, sys.argv[1])
import django_site
from django.core.cache import cache, caches
from django.test import Client
one, two = Client(), Client()
assert [one.get("/").json() for _ in range(3)][-1] == {"yours": 3, "all": 3}
assert two.get("/").json() == {"yours": 1, "all": 4}
cache.set("k", {"a": [1, b"x", None]}, timeout=50)
assert cache.get("k") == {"a": [1, b"x", None]} and cache.touch("k", 60) and cache.has_key("k")
cache.set_many({"a": 1, "b": "two"})
assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": "two"}
assert cache.incr("a", 5) == 6 and cache.decr("a") == 5 and cache.get_or_set("new", lambda: 3) == 3
assert not cache.add("a", 1) and cache.add("z", 1) and cache.delete("z") and not cache.delete("z")
cache.set("versioned", 1, version=2)
assert cache.get("versioned") is None and cache.get("versioned", version=2) == 1
cache.set("gone", 1, timeout=0)
assert cache.get("gone", "default") == "default"
import threading
seen = []
thread = threading.Thread(target=lambda: seen.append(caches["default"].get("a")))
thread.start(), thread.join()
assert seen == [5]
"""


def django(tmp_path, backend, more, **environment):
    script = tmp_path / "script.py"
    script.write_text(DJANGO + more)
    subprocess.run([sys.executable, str(script), str(EXAMPLES)], check=True, timeout=120,
                   env={**os.environ, "HUTCH_EXAMPLE": backend, **environment})


def test_django(tmp_path):
    pytest.importorskip("django", reason="EXAMPLE NOT TRIED: django is not installed")
    django(tmp_path, "hutch", """
client = cache.client
engine = client.store.engine
cache.set("short", 1, timeout=5)
engine.advance_clock_ms(5_001)
assert cache.get("short") is None
import os
child = os.fork()
if child == 0:
    try:
        assert cache.get("a") is None       # a store without a path begins anew in each process
        cache.set("a", 9)
        assert cache.get("a") == 9
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
assert os.waitpid(child, 0)[1] == 0
assert cache.get("a") == 5
cache.clear()
assert client.dbsize() == 0
""")


def test_django_with_a_path(tmp_path):
    pytest.importorskip("django", reason="EXAMPLE NOT TRIED: django is not installed")
    path = str(tmp_path / "store")
    django(tmp_path, "hutch", """
import os
child = os.fork()
if child == 0:
    code = 1
    try:
        code = 0 if cache.get("a") == 5 and cache.incr("a") == 6 else 2
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert cache.get("a") == 6
""", HUTCH_EXAMPLE_STORE=path)
    with hutch.Redis(path) as client:
        assert client.get(":1:a") == b"6"


def test_django_redis(tmp_path):
    pytest.importorskip("django_redis", reason="EXAMPLE NOT TRIED: django_redis is not installed")
    django(tmp_path, "django-redis", """
from django_redis import get_redis_connection
import hutch
assert isinstance(get_redis_connection(), hutch.Redis)
assert cache.ttl("k") == 60 and sorted(cache.keys("[ab]")) == ["a", "b"] and cache.delete_pattern("[ab]") == 2
with cache.lock("lock"):
    pass
""")
