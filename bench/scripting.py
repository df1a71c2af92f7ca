"""Scripts: CPU time of the server process per request, Hutch against Redis 8.2, and what a call costs in process.

    python bench/scripting.py [--rounds 3] [--requests 100000] [--pipeline 16] [--tests incr,ten,...] [--no-server]

As a server: redis-benchmark drives both with 50 clients. Each round measures one server right after the other; the ratio is
the median of the rounds' ratios. In process: ns a call, less the loop; a lock is redis-py's, acquired and released.
"""
import argparse
import json
import statistics
import subprocess

import redis

import hutch
from in_process import nanoseconds
from peers import hutch_peer, redis_peer, tool

DOCUMENT = json.dumps({"users": [{"id": i, "name": f"user {i}", "score": i * 1.5, "tags": ["a", "b"], "active": True,
                                  "mail": f"user{i}@example.org"} for i in range(10)]}, separators=(",", ":"))

# Text, keys and arguments, and how many requests one of --requests stands for.
SCRIPTS = {
    "nothing": ("return 1", [], [], 1),
    "incr": ("return redis.call('INCR', KEYS[1])", ["counter:__rand_int__"], [], 1),
    "ten": ("for i = 1, 10 do redis.call('INCRBY', KEYS[1], ARGV[1]) end", ["counter:__rand_int__"], ["3"], 0.3),
    "cjson": ("return #cjson.encode(cjson.decode(ARGV[1]))", [], [DOCUMENT], 0.2),
    "cmsgpack": ("return #cmsgpack.pack(cjson.decode(ARGV[1]))", [], [DOCUMENT], 0.2),
    "unlock": ("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end",
               ["lock:__rand_int__"], ["token"], 1),
    "rows": ("return redis.call('LRANGE', KEYS[1], 0, 99)", ["list"], [], 0.2),
}


def measure(peer, script, pipeline, requests):
    text, keys, arguments, _ = SCRIPTS[script]
    with peer.client() as client:
        client.flushall()
        client.rpush("list", *range(100))
        digest = client.script_load(text)
    before = peer.cpu_seconds()
    subprocess.run([tool("redis-benchmark"), "-p", str(peer.port), "-c", "50", "-P", str(pipeline), "-n", str(requests), "-r", "100000",
                    "-q", "EVALSHA", digest, str(len(keys)), *keys, *arguments], stdout=subprocess.DEVNULL, check=True, timeout=300)
    return (peer.cpu_seconds() - before) / requests * 1e6


def as_server(options):
    peers = [redis_peer(), hutch_peer()]
    try:
        print(f"{'test':11} {'pipeline':>8} {'redis us':>9} {'hutch us':>9} {'ratio':>6}")
        for pipeline in map(int, options.pipeline.split(",")):
            for name in options.tests.split(","):
                requests = int(options.requests * SCRIPTS[name][3])
                rows = [[measure(peer, name, pipeline, requests) for peer in peers] for _ in range(options.rounds)]
                ratio = statistics.median(hutch / redis for redis, hutch in rows)
                redis_us, hutch_us = (statistics.median(column) for column in zip(*rows))
                print(f"{name:11} {pipeline:8} {redis_us:9.3f} {hutch_us:9.3f} {ratio:6.2f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()


def in_process(options):
    peer = redis_peer()
    try:
        subjects = {"hutch": hutch.Redis(), "redis-py, TCP": redis.Redis(port=peer.port)}
        text = SCRIPTS["incr"][0]
        calls = {"eval": f'x.eval("{text}", 1, "counter")', "evalsha": None, "set nx px": 'x.set("free", "v", nx=True, px=5000)'}
        print(f"{'ns a call':16}" + "".join(f"{name:>16}" for name in subjects))
        for name, statement in calls.items():
            if statement is None:
                digest = [client.script_load(text) for client in subjects.values()][0]
                statement = f'x.evalsha("{digest}", 1, "counter")'
            found = nanoseconds(subjects, statement, options.seconds)
            print(f"{name:16}" + "".join(f"{found[key]:16.0f}" for key in subjects), flush=True)
        locks = {name: client.lock("lock", timeout=10) for name, client in subjects.items()}
        found = nanoseconds(locks, "x.acquire(); x.release()", options.seconds)
        print(f"{'lock':16}" + "".join(f"{found[key]:16.0f}" for key in subjects))
        token = nanoseconds({"uuid": None}, "uuid.uuid1().hex.encode()", options.seconds, setup="import uuid")["uuid"]
        print(f"    of a lock's time, redis-py's token (uuid1) takes {token:.0f} ns")
    finally:
        peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--pipeline", default="16")
    parser.add_argument("--tests", default=",".join(SCRIPTS))
    parser.add_argument("--seconds", type=float, default=0.4, help="a measurement in process")
    parser.add_argument("--no-server", action="store_true")
    options = parser.parse_args()
    in_process(options)
    if not options.no_server:
        as_server(options)


if __name__ == "__main__":
    main()
