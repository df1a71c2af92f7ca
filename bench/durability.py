"""What keeping data on disk costs: server CPU a SET under everysec and always, calls in the process, replies while a snapshot is taken.

    python bench/durability.py [--requests N] [--keys N] [--rounds N]

Hutch and Redis 8.2 run in turn; ratios below 1 are Hutch's. A request's CPU is that of the whole server process. The longest reply is
that of a client that sends PING and SET without a pause while the other one saves; beside it stands what an idle server shows in
the same time.
"""
from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from peers import Peer, redis_server, tool                                                   # noqa: E402

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


def longest_reply(port, seconds, keys):
    """Of PING and SET to random keys, in milliseconds."""
    import random
    generator = random.Random(1)
    longest = 0.0
    end = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < end:
            key = b"key:%012d" % generator.randrange(keys)
            started = time.perf_counter()
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$16\r\n%b\r\n$3\r\nxyz\r\n" % key)
            connection.recv(64)
            longest = max(longest, time.perf_counter() - started)
    return longest * 1000


def snapshots(keys):
    for name, start in (("Hutch", HUTCH), ("Redis", [redis_server()])):
        peer = Peer(name, start)
        try:
            benchmark(peer.port, "-t", "set", "-n", keys * 2, "-r", keys, "-P", 64, "-d", 32)
            idle = longest_reply(peer.port, 3, keys)
            before = peer.cpu_seconds()
            command(peer.port, "BGSAVE")
            during, started = 0.0, time.monotonic()
            while b"rdb_bgsave_in_progress:1" in command(peer.port, "INFO", "persistence"):
                during = max(during, longest_reply(peer.port, 0.2, keys))
            print(f"BGSAVE of {keys} keys, {name}: longest reply {during:.2f} ms, idle {idle:.2f} ms; {time.monotonic() - started:.1f} s, "
                  f"{(peer.cpu_seconds() - before) / keys * 1e6:.2f} us of CPU a key (Redis's child not counted)", flush=True)
        finally:
            peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=400000)
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    in_process()
    policies(options.rounds, options.requests)
    snapshots(options.keys)


if __name__ == "__main__":
    main()
