"""What a store in a directory costs: its owner, its clients, and a takeover.

    python bench/sharing.py [--rounds 7] [--seconds 0.2] [--keys 1000000] [--only client,owner,takeover]

client    us a call of a process that is not the owner (hutch.Redis over the store's socket), beside redis-py to a real Redis over a Unix
          socket; the ratio is the median of the rounds' ratios. `hiredis` tells whether redis-py has it: then both have.
owner     ns a call in the owner, everysec, beside a store in memory.
takeover  seconds from the kill -9 of an owner with that many keys (of 100 bytes, in the base as after a rewrite, and as commands) to the first
          reply that another process gets.
"""
import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import timeit

import redis

import hutch
from peers import redis_server

OWNER = """
import sys, threading, hutch
import time
r = hutch.Redis(sys.argv[1], parameters={"auto-aof-rewrite-percentage": 0})
keys, rewritten = int(sys.argv[2]), sys.argv[3] == "base"
pipe = r.pipeline(transaction=False)
for i in range(keys):
    pipe.set(f"key:{i:012}", "x" * 100)
    if i % 10000 == 9999:
        pipe.execute()
pipe.execute()
r.set("foo", "bar")
if rewritten:
    r.bgrewriteaof()
    while r.info("persistence")["aof_rewrite_in_progress"] or r.info("persistence")["aof_rewrite_scheduled"]:
        time.sleep(0.05)
time.sleep(1)
print("ready", flush=True)
threading.Event().wait()
"""


def start_owner(path, keys=0, how="log"):
    process = subprocess.Popen([sys.executable, "-c", OWNER, path, str(keys), how], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def calls_us(client, statement, seconds):
    timer = timeit.Timer(statement, globals={"x": client})
    number = max(1, int(timer.autorange()[0] / 4))
    count, spent = 0, 0.0
    while spent < seconds:
        spent += timer.timeit(number)
        count += number
    return spent / count * 1e6


def compare(title, mine, other, statements, options):
    for name, statement in statements.items():
        pairs = []
        for i in range(options.rounds):
            both = [(0, mine), (1, other)] if i % 2 else [(1, other), (0, mine)]
            found = [0.0, 0.0]
            for at, client in both:
                found[at] = calls_us(client, statement, options.seconds)
            pairs.append(found)
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{title:9}{name:12}{statistics.median(a for a, _ in pairs):9.3f} us {statistics.median(b for _, b in pairs):9.3f} us "
              f"   ratio {ratio:.2f}")


CALLS = {"get": 'x.get("foo")', "set": 'x.set("foo", "bar")', "incr": 'x.incr("n")', "hgetall": 'x.hgetall("h")',
         "lrange": 'x.lrange("l", 0, -1)',
         "pipeline 10": 'p = x.pipeline(transaction=False)\nfor i in range(10): p.get("foo")\np.execute()'}


def fill(client):
    client.flushall()
    client.set("foo", "bar")
    client.hset("h", mapping={f"f{i}": "value" for i in range(10)})
    client.rpush("l", *range(20))


def bench_client(options):
    try:
        import hiredis
        print("hiredis:", hiredis.__version__)
    except ImportError:
        print("hiredis: none")
    with tempfile.TemporaryDirectory() as directory:
        peer_socket = os.path.join(directory, "peer")
        peer = subprocess.Popen([redis_server(), "--port", "0", "--unixsocket", peer_socket, "--save", "", "--appendonly", "yes",
                                 "--dir", directory], stdout=subprocess.DEVNULL)
        owner = start_owner(os.path.join(directory, "store"))
        try:
            while not os.path.exists(peer_socket):
                time.sleep(0.05)
            mine, other = hutch.Redis(os.path.join(directory, "store")), redis.Redis(unix_socket_path=peer_socket)
            assert not mine.store.is_owned
            fill(mine), fill(other)
            compare("client", mine, other, CALLS, options)
        finally:
            owner.kill(), peer.kill()
            owner.wait(), peer.wait()


def bench_owner(options):
    with tempfile.TemporaryDirectory() as directory:
        with hutch.Redis(os.path.join(directory, "store")) as mine, hutch.Redis() as other:
            fill(mine), fill(other)
            compare("owner", mine, other, {name: CALLS[name] for name in ("get", "set", "incr")}, options)


def bench_takeover(options):
    for how in ("base", "log"):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "store")
            owner = start_owner(path, options.keys, how)
            r = hutch.Redis(path)
            assert r.get("foo") == b"bar" and not r.store.is_owned
            os.kill(owner.pid, signal.SIGKILL)
            start, began = time.perf_counter(), time.process_time()
            assert r.get("foo") == b"bar"
            spent, cpu = time.perf_counter() - start, time.process_time() - began
            owner.wait()
            assert r.store.is_owned and r.dbsize() >= options.keys
            size = sum(os.path.getsize(os.path.join(path, "appendonlydir", name)) for name in os.listdir(path + "/appendonlydir"))
            print(f"takeover {options.keys} keys, {how}: {spent:.3f} s, {cpu:.3f} s of CPU ({size / 1e6:.0f} MB)")
            r.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--only", default="client,owner,takeover")
    options = parser.parse_args()
    for name in options.only.split(","):
        globals()[f"bench_{name}"](options)


if __name__ == "__main__":
    main()
