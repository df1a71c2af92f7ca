"""What one awaited call costs in process: ns a call, less the empty loop, inside one running event loop.

    python bench/asyncio_calls.py [--seconds 0.5] [--waiters 10000] [--uvloop]

Peers that are installed take part: burner-redis, and redis.asyncio over TCP to a redis-server 8.2. Every figure is the best
of rounds that run one subject after the other. Then many tasks wait at once: how long they take to come and to be
served, and what one that waits costs in memory.
"""
import argparse
import asyncio
import time
import tracemalloc

import hutch.asyncio

CALLS = {
    "get": lambda x: x.get("foo"),
    "set": lambda x: x.set("foo", "bar"),
    "incr": lambda x: x.incr("counter"),
    "hget": lambda x: x.hget("hash", "field"),
    "lpush": lambda x: x.lpush("list", "a"),
    "strlen": lambda x: x.strlen("foo"),
    "pipeline of 100": lambda x: _pipeline(x),
    "blpop, ready": lambda x: _ready(x),
    "lock, unlock": lambda x: _lock(x),
    "publish, hear": lambda x: _hear(x),
    "publish of 100": lambda x: _publish(x),
    "100 published, heard": lambda x: _flood(x),
}
BURNER = {"get", "set"}
EMBEDDED_ONLY = {"publish of 100"}


async def _pipeline(x):
    pipe = x.pipeline(transaction=False)
    for _ in range(100):
        pipe.set("foo", "bar")
    await pipe.execute()


async def _ready(x):
    await x.rpush("ready", "a")
    await x.blpop("ready")


async def _lock(x):
    lock = x.lock("lock")
    await lock.acquire()
    await lock.release()


pubsubs = {}                     # client -> its one subscriber


async def _subscriber(x):
    if x not in pubsubs:
        pubsubs[x] = x.pubsub(ignore_subscribe_messages=True)
        await pubsubs[x].subscribe("channel")
        await pubsubs[x].get_message(timeout=1)
    return pubsubs[x]


async def _hear(x):
    """One message from one task to another, which waits for it: the loop goes round in between."""
    pubsub = await _subscriber(x)
    heard = asyncio.ensure_future(pubsub.get_message(timeout=None))
    await asyncio.sleep(0)
    await x.publish("channel", "message")
    await heard


async def _publish(x):
    """To one subscriber; what it got is let go of undecoded: this is the publisher's part."""
    pubsub = await _subscriber(x)
    for _ in range(100):
        await x.publish("channel", "message")
    pubsub.connection.session.receive(0)


async def _flood(x):
    pubsub = await _subscriber(x)
    for _ in range(100):
        await x.publish("channel", "message")
    for _ in range(100):
        await pubsub.get_message(timeout=None)


async def timed(name, x, count):
    """Seconds of `count` awaited calls. The loop is written out for the short ones: a lambda would be part of the figure."""
    begin = time.perf_counter()
    if name == "get":
        for _ in range(count):
            await x.get("foo")
    elif name == "set":
        for _ in range(count):
            await x.set("foo", "bar")
    elif name == "incr":
        for _ in range(count):
            await x.incr("counter")
    elif name == "hget":
        for _ in range(count):
            await x.hget("hash", "field")
    elif name == "lpush":
        for _ in range(count):
            await x.lpush("list", "a")
    elif name is None:
        for _ in range(count):
            pass
    else:
        call = CALLS[name]
        for _ in range(count):
            await call(x)
    return time.perf_counter() - begin


async def nanoseconds(name, subjects, seconds, rounds=10):
    prepared = {}
    for key, x in subjects.items():
        count = 1
        while (taken := await timed(name, x, count)) < seconds / 50:
            count *= 4
        prepared[key] = max(1, int(count * seconds / rounds / taken))
    loop = min([await timed(None, None, 100000) for _ in range(5)]) / 100000
    best = {}
    for _ in range(rounds):
        for key, x in subjects.items():
            best[key] = min(best.get(key, 1e9), await timed(name, x, prepared[key]) / prepared[key])
    return {key: (taken - loop) * 1e9 for key, taken in best.items()}


async def waiters(count):
    """Seconds until all wait, until all are served one by one; and bytes a waiting task."""
    r = hutch.asyncio.Redis()
    await r.ping()
    tracemalloc.start()
    objects, engine = tracemalloc.get_traced_memory()[0], r.store.engine.used_memory
    tasks = [asyncio.ensure_future(r.blpop("k")) for _ in range(count)]
    await asyncio.sleep(0)
    objects, engine = tracemalloc.get_traced_memory()[0] - objects, r.store.engine.used_memory - engine
    tracemalloc.stop()
    await r.rpush("k", *range(count))
    await asyncio.gather(*tasks)
    begin = time.perf_counter()
    tasks = [asyncio.ensure_future(r.blpop("k")) for _ in range(count)]
    await asyncio.sleep(0)
    waiting = time.perf_counter() - begin
    for number in range(count):
        await r.rpush("k", number)
    await asyncio.gather(*tasks)
    served = time.perf_counter() - begin - waiting
    print(f"{count} tasks wait after {waiting:.2f} s and are served, one push each, in {served:.2f} s; "
          f"a wait takes {engine / count:.0f} bytes of the engine and {objects / count:.0f} of Python objects, its task included")
    await r.aclose()


async def measure(options):
    subjects = {"hutch": hutch.asyncio.Redis()}
    try:
        from burner_redis import BurnerRedis
        subjects["burner-redis"] = BurnerRedis()
    except ImportError:
        pass
    peer = None
    if not options.no_server:
        import redis.asyncio
        from peers import redis_peer
        peer = redis_peer()
        subjects["redis.asyncio, TCP"] = redis.asyncio.Redis(port=peer.port)
    for x in subjects.values():
        await x.set("foo", "bar")
    print(f"{'ns a call':<22}" + "".join(f"{name:>20}" for name in subjects) + f"{'burner/hutch':>16}")
    for name in CALLS:
        able = {key: x for key, x in subjects.items() if (key != "burner-redis" or name in BURNER)
                and (key == "hutch" or name not in EMBEDDED_ONLY)}
        found = await nanoseconds(name, able, options.seconds)
        for x in able.values():
            await x.delete("list")
        ratio = f"{found['burner-redis'] / found['hutch']:>16.1f}" if "burner-redis" in found else ""
        print(f"{name:<22}" + "".join(f"{found[key]:>20.0f}" if key in found else f"{'':>20}" for key in subjects) + ratio)
    for pubsub in pubsubs.values():
        await pubsub.aclose()
    if peer:
        await subjects["redis.asyncio, TCP"].aclose()
        peer.stop()
    await waiters(options.waiters)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=0.5, help="a measurement")
    options.add_argument("--waiters", type=int, default=10000)
    options.add_argument("--no-server", action="store_true", help="without redis.asyncio over TCP")
    options.add_argument("--uvloop", action="store_true")
    options = options.parse_args()
    if options.uvloop:
        import uvloop
        uvloop.run(measure(options))
    else:
        asyncio.run(measure(options))


if __name__ == "__main__":
    main()
