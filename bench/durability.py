"""What keeping data on disk costs: server CPU a SET under everysec and always, calls in the process, replies while a snapshot is taken.

    python bench/durability.py [--requests N] [--keys N] [--rounds N] [--elements N]

Hutch and Redis 8.2 run in turn; ratios below 1 are Hutch's. A request's CPU is that of the whole server process. The longest reply is
that of a client that sends SET to random keys while the server saves; beside it stands what an idle server shows in the same seconds.
"""
from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from peers import TICKS, Peer, redis_server, tool                                                   # noqa: E402

import hutch                                                                                  # noqa: E402

HUTCH = [sys.executable, "-m", "hutch", "serve"]


def command(port, *words):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in map(str.encode, words)))
        return connection.recv(65536)


def benchmark(port, *arguments):
    subprocess.run([tool("redis-benchmark"), "-p", str(port), "-q", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def cpu_a_set(peer, pipeline, requests, clients=50):
    arguments = ("-t", "set", "-n", requests, "-P", pipeline, "-c", clients, "-r", 100000, "-d", 32)
    benchmark(peer.port, *arguments)
    before, started = peer.cpu_seconds(), time.perf_counter()
    benchmark(peer.port, *arguments)
    elapsed = time.perf_counter() - started
    return (peer.cpu_seconds() - before) / requests * 1e6, requests / elapsed


def policies(rounds, requests):
    for policy in ("no log", "everysec", "always"):
        for pipeline, count in ((16, requests), (1, requests // (8 if policy == "always" else 2))):
            found = {"Hutch": [], "Redis": []}
            for _ in range(rounds):
                for name, start in (("Hutch", HUTCH), ("Redis", [redis_server()])):
                    peer = Peer(name, start)
                    try:
                        command(peer.port, "CONFIG", "SET", "appendfsync", "always" if policy == "always" else "everysec")
                        if policy != "no log":
                            command(peer.port, "CONFIG", "SET", "appendonly", "yes")
                            time.sleep(0.5)
                        found[name].append(cpu_a_set(peer, pipeline, count))
                    finally:
                        peer.stop()
            ours, theirs = (min(cpu for cpu, _ in found[name]) for name in ("Hutch", "Redis"))
            fast, slow = (max(rate for _, rate in found[name]) for name in ("Hutch", "Redis"))
            print(f"SET, {policy:8} pipeline {pipeline:2}: {ours:6.2f} us of CPU, Redis {theirs:6.2f}: {ours / theirs:.2f}"
                  f"    {fast:9.0f} requests a second, Redis {slow:9.0f}: {fast / slow:.2f}", flush=True)


def in_process():
    def nanoseconds(call, count=200000):
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter_ns()
            for _ in range(count):
                call("key", "value")
            best = min(best, (time.perf_counter_ns() - started) / count)
        return best

    def get_of(r):
        return lambda key, value: r.get(key)

    directory = tempfile.mkdtemp(prefix="hutch-bench-")
    try:
        plain = hutch.Redis(store=hutch.Store())
        kept = hutch.Redis(store=hutch.Store(dir=directory, appendonly=True))
        for name, call in (("set", lambda r: r.set), ("get", get_of), ("incr", lambda r: lambda key, value: r.incr("n"))):
            one, two = nanoseconds(call(plain)), nanoseconds(call(kept))
            print(f"in the process, {name:4}: {one:4.0f} ns in memory, {two:4.0f} ns kept (everysec): {two / one:.2f}", flush=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def probe(port, keys, changes, stop, found):
    """In a process of its own: the longest reply of SETs to random keys, one a half millisecond, in milliseconds. Beside them `changes` more
    keys are changed, in pipelines that are not timed."""
    import random
    generator = random.Random(port)
    longest = 0.0

    def request():
        return b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$32\r\n%b\r\n" % (generator.randrange(keys), b"x" * 32)

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not stop.is_set():
            one = request()
            started = time.perf_counter()
            connection.sendall(one)
            connection.recv(64)
            longest = max(longest, time.perf_counter() - started)
            if changes > 0:
                connection.sendall(b"".join(request() for _ in range(20)))
                got = 0
                while got < 20 * 5:
                    got += len(connection.recv(4096))
                changes -= 20
            time.sleep(0.0005)
    found.value = longest * 1000


def cpu_of_process(peer):
    """In ticks of 10 ms, but with the threads that have ended."""
    fields = Path(f"/proc/{peer.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def watched(peer, idle, keys, words, running):
    """(longest reply, that of an idle server in the same seconds, extra memory, seconds, CPU a key) while `words` is done."""
    context = multiprocessing.get_context("fork")
    stop, ours, other = context.Event(), context.Value("d"), context.Value("d")
    probes = [context.Process(target=probe, args=arguments)
              for arguments in ((peer.port, keys, keys // 100, stop, ours), (idle.port, keys, 0, stop, other))]
    before = peak = peer.rss_bytes()
    cpu, started = cpu_of_process(peer), time.monotonic()
    command(peer.port, *words)
    for one in probes:
        one.start()
    while running in command(peer.port, "INFO", "persistence"):
        peak = max(peak, peer.rss_bytes())
        time.sleep(0.02)
    took, cpu = time.monotonic() - started, cpu_of_process(peer) - cpu
    stop.set()
    for one in probes:
        one.join()
    return ours.value, other.value, (peak - before) / before, took, cpu / keys * 1e6


def snapshots(keys):
    """BGSAVE and a rewrite while 1 % of the keys change."""
    idle = Peer("idle", HUTCH)
    for name, start in (("Hutch", HUTCH), ("Redis", [redis_server()])):
        peer = Peer(name, start)
        try:
            benchmark(peer.port, "-t", "set", "-n", keys * 2, "-r", keys, "-P", 64, "-d", 32)
            command(peer.port, "CONFIG", "SET", "appendonly", "yes")
            while b"aof_rewrite_in_progress:1" in command(peer.port, "INFO", "persistence"):
                time.sleep(0.1)
            for words, running in (("BGSAVE",), b"rdb_bgsave_in_progress:1"), (("BGREWRITEAOF",), b"aof_rewrite_in_progress:1"):
                longest, beside, extra, took, cpu = watched(peer, idle, keys, words, running)
                print(f"{words[0]} of {keys} keys, 1 % changing, {name}: longest reply {longest:.2f} ms, idle server beside it {beside:.2f} ms; "
                      f"{extra:.1%} more memory{'' if name == 'Hutch' else ' (without the child)'}; {took:.1f} s, {cpu:.2f} us of CPU a key"
                      f"{'' if name == 'Hutch' else ' (without the child)'}", flush=True)
        finally:
            peer.stop()
    idle.stop()


def long_values(elements):
    """BGSAVE while one value has so many elements; nobody changes it."""
    idle = Peer("idle", HUTCH)
    for kind in ("hash", "set", "zset", "list", "stream"):
        peer = Peer("Hutch", HUTCH)
        try:
            client = peer.client()
            pipe = client.pipeline(transaction=False)
            for n in range(elements):
                if kind == "hash":
                    pipe.hset("long", f"field:{n}", f"value:{n}")
                elif kind == "set":
                    pipe.sadd("long", f"member:{n}")
                elif kind == "zset":
                    pipe.zadd("long", {f"member:{n}": n})
                elif kind == "list":
                    pipe.rpush("long", f"element:{n}")
                else:
                    pipe.xadd("long", {"field": f"value:{n}"})
                if n % 1000 == 999:
                    pipe.execute()
            longest, beside, _, took, _ = watched(peer, idle, 1000, ("BGSAVE",), b"rdb_bgsave_in_progress:1")
            print(f"BGSAVE of a {kind} of {elements}: longest reply {longest:.2f} ms, idle server beside it {beside:.2f} ms; {took:.1f} s; ", end="")
            command(peer.port, "CONFIG", "SET", "rdb-key-save-delay", "100000")
            command(peer.port, "BGSAVE")
            started = time.perf_counter()
            client.execute_command(*{"hash": ("HSET", "long", "new", 1), "set": ("SADD", "long", "new"), "zset": ("ZADD", "long", 1, "new"),
                                     "list": ("RPUSH", "long", "new"), "stream": ("XADD", "long", "*", "new", 1)}[kind])
            print(f"its first change meanwhile takes {(time.perf_counter() - started) * 1000:.0f} ms", flush=True)
        finally:
            peer.stop()
    idle.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=400000)
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--elements", type=int, default=1000000)
    options = parser.parse_args()
    in_process()
    policies(options.rounds, options.requests)
    long_values(options.elements)
    snapshots(options.keys)


if __name__ == "__main__":
    main()
