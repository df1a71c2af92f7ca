"""What a call costs in process while other things go on: ns a call, less the loop, beside the same call on a store where nothing does.

    python bench/everyday.py [--seconds 0.05] [--rounds 7] [--only get,set] [--conditions waiter,monitor] [--asyncio] [--cpu]

Conditions: a memory limit that is far away (with and without an eviction policy), a thread that waits in BLPOP for another key, a subscriber to
another channel, somebody's WATCH on another key, keyspace events (with and without somebody who listens), a client that tracks another key,
a listener with an idle connection, no slow log (the plain store has the usual one), the latency monitor, a slow log that keeps every
call, a MONITOR that another process reads over a socket, as redis-cli does, and one that a thread of this
process reads (which wants the GIL for each line, and so a good part of the caller's time, whatever the calls cost). Every round times all conditions one after the other and the plain store with each of
them; the ratio is the median of the rounds' ratios.
"""
import argparse
import asyncio
import statistics
import subprocess
import sys
import threading
import time
import timeit

import redis

import hutch
import hutch.asyncio

CALLS = {
    "get": ('x.get("foo")', 'x.set("foo", "bar")'),
    "set": ('x.set("foo", "bar")', "pass"),
    "incr": ('x.incr("counter")', "pass"),
    "hset": ('x.hset("hash", "field", "value")', "pass"),
    "lpush": ('x.lpush("list", "value")', "pass"),
    "rpop": ('x.rpop("list")', 'for i in range(200): x.lpush("list", *["v"] * 1000)'),
}


clock = [time.perf_counter]

READER = """
import socket, sys
far = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
far.sendall(b"MONITOR\\r\\n")
print(far.recv(5), flush=True)
while far.recv(1 << 20):
    pass
"""


class Condition:
    """A store in which something goes on; `end()` puts an end to it."""

    def __init__(self, name, settings=None, start=None):
        self.name = name
        self.store = hutch.Store(**(settings or {}))
        self.client = hutch.Redis(store=self.store)
        self.task_client = hutch.asyncio.Redis(store=self.store)
        self.ends = start(self.store) if start else []

    def end(self):
        for end in self.ends:
            end()
        self.client.close()
        asyncio.run(self.task_client.aclose())
        self.store.close()


def waiter(store):
    other = hutch.Redis(store=store)
    thread = threading.Thread(target=lambda: other.blpop("another list", 0), daemon=True)
    thread.start()
    time.sleep(0.05)
    return [lambda: hutch.Redis(store=store).lpush("another list", "x"), thread.join]


def subscriber(store):
    messages = hutch.Redis(store=store).pubsub()
    messages.subscribe("another channel")
    messages.get_message(timeout=1)
    return [messages.close]


def event_reader(store):
    messages = hutch.Redis(store=store).pubsub()
    messages.psubscribe("__keyevent@*__:expired")
    messages.get_message(timeout=1)
    return [messages.close]


def watcher(store):
    pipe = hutch.Redis(store=store).pipeline()
    pipe.watch("another key")
    return [pipe.reset]


def tracker(store):
    other = hutch.Redis(store=store, protocol=3)
    connection = other.connection_pool.get_connection()
    connection.send_command("CLIENT", "TRACKING", "ON")
    connection.read_response()
    connection.send_command("GET", "another key")
    connection.read_response()
    return [connection.disconnect]


def listener(store):
    server = hutch.Server(store=store, port=0)
    server.start()
    far = redis.Redis(port=server.port)
    far.ping()
    return [far.close, server.stop]


def monitor(store):
    server = hutch.Server(store=store, port=0)
    server.start()
    far = subprocess.Popen([sys.executable, "-c", READER, str(server.port)], stdout=subprocess.PIPE)
    far.stdout.readline()
    return [far.kill, far.wait, server.stop]


def monitor_thread(store):
    other = hutch.Redis(store=store)
    reader = other.monitor()
    reader.__enter__()
    stop = threading.Event()

    def read():
        while not stop.is_set():
            try:
                reader.next_command()
            except Exception:
                return
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return [stop.set]


CONDITIONS = {
    "maxmemory": dict(settings={"maxmemory": "100mb"}),
    "allkeys-lru": dict(settings={"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}),
    "waiter": dict(start=waiter),
    "subscriber": dict(start=subscriber),
    "watch": dict(start=watcher),
    "events": dict(settings={"notify_keyspace_events": "Ex"}),
    "event reader": dict(settings={"notify_keyspace_events": "Ex"}, start=event_reader),
    "tracking": dict(start=tracker),
    "listener": dict(start=listener),
    "no slow log": dict(settings={"slowlog_log_slower_than": -1}),
    "latency monitor": dict(settings={"latency_monitor_threshold": 5}),
    "slow log of all": dict(settings={"slowlog_log_slower_than": 0}),
    "monitor": dict(start=monitor),
    "monitor thread": dict(start=monitor_thread),
}


class TaskTimer:
    """timeit.Timer for what is awaited in a task; a statement without an await takes the loop's own time."""

    def __init__(self, statement, client):
        space = {"x": client}
        exec(f"async def loop(count):\n    for _ in range(count):\n        {statement}", space)
        self.loop = space["loop"]

    def timeit(self, number):
        async def main():
            await self.loop(1)
            started = clock[0]()
            await self.loop(number)
            return clock[0]() - started
        return asyncio.run(main())


def timed(condition, call, seconds, in_tasks):
    """Nanoseconds a call, less what the loop itself takes."""
    statement, setup = CALLS[call]
    client = condition.client
    exec(setup, {"x": client})
    timer = timeit.Timer(statement, timer=clock[0], globals={"x": client})
    if in_tasks:
        timer = TaskTimer(f"await {statement}", condition.task_client)
    count, elapsed = 100, 0.0
    if call == "rpop":
        count = 20000
        elapsed = timer.timeit(count)
    else:
        while True:
            elapsed = timer.timeit(count)
            if elapsed > seconds:
                break
            count = int(count * max(2.0, min(10.0, seconds / max(elapsed, 1e-9))))
    client.delete("list")
    empty = TaskTimer("pass", client) if in_tasks else timeit.Timer("pass", timer=clock[0])
    return (elapsed - empty.timeit(count)) / count * 1e9


def compare(calls, conditions, seconds, rounds, in_tasks):
    plain = Condition("plain")
    print(f"{'':16s}" + "".join(f"{call:>18s}" for call in calls))
    for name in conditions:
        condition = Condition(name, **CONDITIONS[name])
        row = []
        for call in calls:
            pairs = [(timed(plain, call, seconds, in_tasks), timed(condition, call, seconds, in_tasks)) for _ in range(rounds)]
            ratio = statistics.median(two / one for one, two in pairs)
            row.append(f"{min(two for _, two in pairs):9.0f} ({ratio:5.2f})")
        print(f"{name:16s}" + "".join(f"{cell:>18s}" for cell in row), flush=True)
        condition.end()
    row = [f"{min(timed(plain, call, seconds, in_tasks) for _ in range(rounds)):9.0f}" for call in calls]
    print(f"{'plain':16s}" + "".join(f"{cell:>18s}" for cell in row))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default=",".join(CALLS))
    parser.add_argument("--conditions", default=",".join(CONDITIONS))
    parser.add_argument("--cpu", action="store_true", help="count the calling thread's processor time, on a machine that has much else to do")
    parser.add_argument("--asyncio", action="store_true", help="await the same calls in a task")
    options = parser.parse_args()
    if options.cpu:
        clock[0] = time.thread_time
    compare(options.only.split(","), options.conditions.split(","), options.seconds, options.rounds, options.asyncio)


if __name__ == "__main__":
    main()
