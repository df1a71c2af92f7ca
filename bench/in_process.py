"""What one call costs in process: ns a call, less the loop, beside the same method on a class around a dict.

    python bench/in_process.py [--seconds 0.2] [--threads 10]

Peers that are installed take part: burner-redis, fakeredis, and redis-py over TCP to a redis-server 8.2. Every
figure is the best of rounds that run one subject after the other, so that the ratios come from the same
seconds of the machine.
"""
import argparse
import asyncio
import statistics
import sys
import threading
import time
import timeit

import redis

import hutch


class Dict:
    """What a program would write instead of a store."""

    def __init__(self):
        self.values = {}

    def get(self, name):
        return self.values.get(name)

    def set(self, name, value):
        self.values[name] = value
        return True

    def incr(self, name, amount=1):
        value = self.values.get(name, 0) + amount
        self.values[name] = value
        return value

    def delete(self, *names):
        return sum(1 for name in names if self.values.pop(name, None) is not None)

    def exists(self, *names):
        return sum(1 for name in names if name in self.values)


CALLS = {
    "get": 'x.get("foo")',
    "set": 'x.set("foo", "bar")',
    "incr": 'x.incr("counter")',
    "exists": 'x.exists("foo")',
    "delete": 'x.delete("gone")',
    "mget": 'x.mget("foo", "counter")',
    "pipeline of 10": 'p = x.pipeline(transaction=False)\nfor i in range(10): p.set("foo", "bar")\np.execute()',
}


def loops(statement, subject, seconds, setup="pass"):
    timer = timeit.Timer(statement, setup, globals={"x": subject})
    count = 1
    while (taken := timer.timeit(count)) < seconds / 20:
        count *= 4
    return timer, max(1, int(count * seconds / taken))


def nanoseconds(subjects, statement, seconds, rounds=10, setup="pass"):
    """{name: ns a call, less the empty loop}; the subjects take turns."""
    prepared = {name: loops(statement, subject, seconds / rounds, setup) for name, subject in subjects.items()}
    empty, empty_count = loops("pass", None, seconds / rounds)
    loop = min(empty.repeat(5, empty_count)) / empty_count
    taken = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, (timer, count) in prepared.items():
            taken[name].append(timer.timeit(count) / count - loop)
    return {name: min(times) * 1e9 for name, times in taken.items()}


def burner(seconds):
    """burner-redis speaks asyncio only: its cost is taken inside one running loop."""
    try:
        from burner_redis import BurnerRedis
    except ImportError:
        return {}

    async def measure():
        x = BurnerRedis()
        await x.set("foo", "bar")
        found = {}
        for name, call in (("get", lambda: x.get("foo")), ("set", lambda: x.set("foo", "bar"))):
            count, start = 0, time.perf_counter()
            while (now := time.perf_counter()) - start < seconds:
                for _ in range(1000):
                    await call()
                count += 1000
            found[name] = (now - start) / count * 1e9
        return found

    return asyncio.run(measure())


def together(subject, threads, seconds=0.5):
    """Calls a second of `threads` threads that get and set at once."""
    stop = threading.Event()
    counts = [0] * threads

    def work(i):
        get, set_ = subject.get, subject.set
        while not stop.is_set():
            for _ in range(500):
                set_("foo", "bar")
                get("foo")
            counts[i] += 1000

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    time.sleep(seconds)
    stop.set()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - start)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=0.5, help="a measurement")
    options.add_argument("--threads", type=int, default=10)
    options.add_argument("--no-server", action="store_true", help="without redis-py over TCP")
    options = options.parse_args()
    subjects = {"dict": Dict(), "hutch": hutch.Redis()}
    try:
        import fakeredis
        subjects["fakeredis"] = fakeredis.FakeRedis()
    except ImportError:
        pass
    peer = None
    if not options.no_server:
        from peers import Peer, redis_server
        peer = Peer("redis", [redis_server()])
        subjects["redis-py, TCP"] = redis.Redis(port=peer.port)
    for subject in subjects.values():
        subject.set("foo", "bar")
        subject.set("foo", "bar")
    print(f"{'ns a call':<16}" + "".join(f"{name:>16}" for name in subjects) + f"{'hutch/dict':>14}")
    figures = {}
    for name, statement in CALLS.items():
        able = {key: x for key, x in subjects.items() if not (key == "dict" and name in ("mget", "pipeline of 10"))}
        figures[name] = found = nanoseconds(able, statement, options.seconds)
        ratio = f"{found['hutch'] / found['dict']:>14.2f}" if "dict" in found else ""
        print(f"{name:<16}" + "".join(f"{found[key]:>16.0f}" if key in found else f"{'':>16}" for key in subjects) + ratio)
    for name, taken in burner(options.seconds).items():
        print(f"burner-redis {name}: {taken:.0f} ns, {taken / figures[name]['hutch']:.1f} times hutch")
    if peer:
        for name in ("get", "set"):
            print(f"redis-py over TCP {name}: {figures[name]['redis-py, TCP'] / figures[name]['hutch']:.0f} times hutch")
    alone, many = {}, {}
    for name in ("dict", "hutch"):
        alone[name] = statistics.median(together(subjects[name], 1) for _ in range(3))
        many[name] = statistics.median(together(subjects[name], options.threads) for _ in range(3))
        print(f"{name}: {alone[name] / 1e6:.2f} million calls a second with 1 thread, "
              f"{many[name] / 1e6:.2f} with {options.threads}: {many[name] / alone[name]:.2f}")
    if peer:
        peer.stop()


if __name__ == "__main__":
    main()
