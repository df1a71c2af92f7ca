"""What the compiled methods of the collections cost: ns a call, less the loop, on short arguments.

    python bench/collections_in_process.py [--seconds 0.5] [--no-server]

fakeredis, burner-redis (which speaks asyncio only: its cost is taken inside one running loop) and redis-py over TCP take
part where they are installed. Ranges of a hundred elements stand beside a list's slice copied into new bytes objects.
"""
import argparse
import asyncio
import sys
import time

import redis

import hutch
from in_process import nanoseconds

# What is called, and the same for burner-redis where its method differs.
CALLS = {
    "hset": 'x.hset("h", "f", "v")',
    "hget": 'x.hget("h", "f")',
    "hgetall of 1": 'x.hgetall("h")',
    "hgetall of 5": 'x.hgetall("h5")',
    "hmget of 2": 'x.hmget("h5", ["f1", "f2"])',
    "lpush": 'x.lpush("pushed", "v")',
    "rpush": 'x.rpush("pushed", "v")',
    "lpop": 'x.lpop("pushed")',
    "rpop": 'x.rpop("pushed")',
    "lrange of 5": 'x.lrange("l", 0, 4)',
    "sadd": 'x.sadd("s", "a")',
    "srem": 'x.srem("s", "z")',
    "sismember": 'x.sismember("s", "a")',
    "smembers of 5": 'x.smembers("s")',
    "zadd": 'x.zadd("z", {"m5": 5})',
    "zscore": 'x.zscore("z", "m5")',
    "zincrby": 'x.zincrby("z1", 1, "m")',
    "zrange of 5": 'x.zrange("z", 0, 4)',
    "zrank": 'x.zrank("z", "m5")',
    "expire": 'x.expire("h", 1000)',
    "lrange of 100": 'x.lrange("l", 0, 99)',
    "zrange of 100": 'x.zrange("z100", 0, 99)',
}
PUSHED = 300_000                         # enough for lpop and rpop to find something, however often they are called


def fill(x):
    """Commands that make the collections; coroutines with burner-redis."""
    yield x.hset("h", "f", "v")
    for i in range(5):
        yield x.hset("h5", f"f{i}", f"v{i}")
    for i in range(100):
        yield x.rpush("l", f"element {i}")
    for member in "abcde":
        yield x.sadd("s", member)
    for i in range(8):
        yield x.zadd("z", {f"m{i}": i})
    for i in range(100):
        yield x.zadd("z100", {f"member {i}": i})


def burner(seconds):
    try:
        from burner_redis import BurnerRedis
    except ImportError:
        return {}

    async def measure():
        x = BurnerRedis()
        found = {}
        for command in fill(x):
            await command
        for i in range(PUSHED // 1000):
            await x.rpush("pushed", *["v"] * 1000)
        for name, statement in CALLS.items():
            call = eval(f"lambda: {statement}", {"x": x})
            try:
                await call()
            except Exception:
                continue                 # it has no such command
            best = float("inf")
            for _ in range(5):
                start = time.perf_counter()
                for _ in range(2000):
                    await call()
                best = min(best, (time.perf_counter() - start) / 2000)
            found[name] = best * 1e9
        return found

    return asyncio.run(measure())


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=0.3, help="a measurement")
    options.add_argument("--no-server", action="store_true", help="without redis-py over TCP")
    options = options.parse_args()
    subjects = {"hutch": hutch.Redis()}
    try:
        import fakeredis
        subjects["fakeredis"] = fakeredis.FakeRedis()
    except ImportError:
        print("fakeredis is not installed", file=sys.stderr)
    peer = None
    if not options.no_server:
        from peers import Peer, redis_server
        peer = Peer("redis", [redis_server()])
        subjects["redis-py, TCP"] = redis.Redis(port=peer.port)
    elements = [b"element %d" % i for i in range(100)]
    try:
        burned = burner(options.seconds)
        for x in subjects.values():
            for _ in fill(x):
                pass
        print(f"{'ns a call':<16}" + "".join(f"{name:>16}" for name in subjects) + (f"{'burner-redis':>16}" if burned else ""))
        for name, statement in CALLS.items():
            for x in subjects.values():
                x.delete("pushed")
                for _ in range(PUSHED // 1000 if "pushed" in statement else 0):
                    x.rpush("pushed", *["v"] * 1000)
            found = nanoseconds(subjects, statement, options.seconds)
            print(f"{name:<16}" + "".join(f"{found[key]:>16.0f}" for key in subjects)
                  + (f"{burned[name]:>16.0f}" if name in burned else ""), flush=True)
            if name.endswith("of 100"):
                copied = nanoseconds({"copy": elements}, "[b'%b' % element for element in x[0:100]]", options.seconds)["copy"]
                print(f"    a slice of 100 copied into new bytes objects: {copied:.0f} ns; {name} takes {found['hutch'] / copied:.2f} of it")
    finally:
        if peer:
            peer.stop()


if __name__ == "__main__":
    main()
