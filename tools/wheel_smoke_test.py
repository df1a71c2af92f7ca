"""A program that uses an installed Hutch, and nothing of its sources: in the process, from several threads, as a server that redis-py and
redis-cli speak to over TCP, with a script, and through the commands it brings. For wheels (tools/test_wheel.py, cibuildwheel)."""
import asyncio, shutil, subprocess, sys, threading
from pathlib import Path
import hutch, hutch.asyncio, hutch_engine, redis

home = Path(sys.prefix).resolve()
for module in (hutch, hutch_engine):
    assert home in Path(module.__file__).resolve().parents, module.__file__

r = hutch.Redis(decode_responses=True)
assert r.set("k", "v") is True and r.get("k") == "v" and r.incr("n", 5) == 5
assert r.rpush("l", 1, 2, 3) == 3 and r.zadd("z", {"a": 1}) == 1 and r.hset("h", mapping={"f": "v"}) == 1 and r.xadd("x", {"f": "v"})
assert r.eval("return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}", 1, "k", "a") == ["k", "a", "v"]
with r.pipeline() as pipe:
    assert pipe.set("p", 1).get("p").execute() == [True, "1"]
threads = [threading.Thread(target=lambda: [r.incr("n") for _ in range(500)]) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert r.get("n") == "2005"

async def tasks():
    client = hutch.asyncio.Redis()
    waiting = asyncio.ensure_future(client.blpop("queue"))
    await asyncio.sleep(0)
    await client.rpush("queue", "x")
    assert await waiting == (b"queue", b"x") or await waiting == [b"queue", b"x"]
    await client.aclose()
asyncio.run(tasks())

with hutch.Server(port=0) as server:
    far = redis.Redis(port=server.port, decode_responses=True)
    assert far.set("k", "far") and far.get("k") == "far" and far.eval("return redis.call('GET', KEYS[1])", 1, "k") == "far"
    assert "redis_version" in far.info("server")
    if shutil.which("redis-cli"):
        told = subprocess.run(["redis-cli", "-p", str(server.port), "GET", "k"], capture_output=True, text=True, timeout=60)
        assert told.stdout == "far\n", told
    far.close()
for command in ("hutch", "hutch-server"):
    told = subprocess.run([Path(sys.executable).with_name(command), "--version"], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and hutch.__version__ in told.stdout, told
# The programs for people: what needs an extra says so, what needs none works.
program = Path(sys.executable).with_name("hutch")
for command in ("cli", "top"):
    told = subprocess.run([program, command], capture_output=True, text=True, timeout=60)
    assert told.returncode == 2 and "pip install 'hutch[cli]'" in told.stderr and told.stderr.count("\n") == 1, told
told = subprocess.run([program, "bench", "--quick", "--alone"], capture_output=True, text=True, timeout=300)
assert told.returncode == 0 and "As a server" in told.stdout, told
print("ok: hutch", hutch.__version__, "from", Path(hutch.__file__).parent)
