"""CPU time of the server process per request for lists, hashes, sets and sorted sets: Hutch against Redis 8.2.

    python bench/collections_cpu.py [--rounds 3] [--requests 60000] [--pipeline 1,16,100] [--tests lpush,zadd,...]

redis-benchmark drives both with 50 clients; members, fields and scores are drawn from a million. Before each
measurement the server is emptied and the data that the test needs is put in (pops never run dry), which is not
counted. Each round measures one server right after the other; the ratio is the median of the rounds' ratios.
"""
import argparse
import math
import random
import socket
import statistics
import subprocess
import time
from collections import namedtuple

from peers import hutch_peer, redis_peer, tool

MILLION = 1000000
KEYS = 10000                             # of the small collections that are read

# What is sent, the range that __rand_int__ is drawn from, what the data is (see `data`), and how many requests
# one of --requests stands for (long replies count for more than one).
Test = namedtuple("Test", "words range data share", defaults=(MILLION, None, 1.0))

TESTS = {
    "lpush": Test("LPUSH mylist xxx"),
    "rpush": Test("RPUSH mylist xxx"),
    "lpop": Test("LPOP mylist", data="list"),
    "rpop": Test("RPOP mylist", data="list"),
    "sadd": Test("SADD myset element:__rand_int__"),
    "hset": Test("HSET myhash element:__rand_int__ xxx"),
    "spop": Test("SPOP myset", data="set"),
    "zadd": Test("ZADD myzset __rand_int__ element:__rand_int__"),
    "zpopmin": Test("ZPOPMIN myzset", data="zset"),
    "lrange_100": Test("LRANGE mylist 0 99", data="list", share=0.5),
    "lrange_300": Test("LRANGE mylist 0 299", data="list", share=0.25),
    "lrange_500": Test("LRANGE mylist 0 499", data="list", share=0.15),
    "lrange_600": Test("LRANGE mylist 0 599", data="list", share=0.15),
    "hgetall_20": Test("HGETALL hash:__rand_int__", KEYS, "hashes", 0.5),
    "sunion_50": Test("SUNION one:__rand_int__ two:__rand_int__", KEYS, "sets", 0.25),
    "zrange_10": Test("ZRANGE zset:__rand_int__ 0 9", KEYS, "zsets", 0.5),
    "zadd_big": Test("ZADD myzset __rand_int__ element:__rand_int__", MILLION, "big zset"),
    "zadd_grow": Test("ZADD myzset __rand_int__ element:__rand_int__", 2000000000, "big zset"),
}


def request(*words):
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))


def data(kind, requests):
    """Yields the requests that make the data, few and large."""
    if kind is None:
        return
    chance = random.Random(7)
    if kind in ("hashes", "sets", "zsets"):
        for key in range(KEYS):
            if kind == "hashes":
                pairs = [word for field in range(20) for word in (b"field:%d" % field, b"value:%d" % chance.randrange(MILLION))]
                yield request(b"HSET", b"hash:%012d" % key, *pairs)
            elif kind == "zsets":
                pairs = [word for member in range(20) for word in (b"%d" % chance.randrange(MILLION), b"member:%d" % member)]
                yield request(b"ZADD", b"zset:%012d" % key, *pairs)
            else:
                for name in (b"one", b"two"):
                    members = [b"element:%d" % chance.randrange(100) for _ in range(90)]
                    yield request(b"SADD", b"%b:%012d" % (name, key), *list(dict.fromkeys(members))[:50])
        return
    total = MILLION if kind == "big zset" else max(1000, requests)
    for first in range(0, total, 500):
        if kind == "list":
            yield request(b"RPUSH", b"mylist", *[b"xxx"] * 500)
        elif kind == "set":
            yield request(b"SADD", b"myset", *[b"element:%012d" % i for i in range(first, first + 500)])
        else:
            pairs = [word for i in range(first, first + 500) for word in (b"%d" % chance.randrange(MILLION), b"element:%012d" % i)]
            yield request(b"ZADD", b"myzset", *pairs)


def send_all(peer, requests):
    """All requests over one connection; each is answered with one line."""
    with socket.create_connection(("127.0.0.1", peer.port), 60) as connection:
        for first in range(0, len(requests), 1000):
            part = requests[first:first + 1000]
            connection.sendall(b"".join(part))
            lines = 0
            while lines < len(part):
                shown = connection.recv(65536)
                if not shown or b"-" in shown:
                    raise SystemExit(f"{peer.name}: {shown!r}")
                lines += shown.count(b"\n")


def wait_until_idle(peer):
    """What is left to do in the background, as freeing what was flushed, is not this measurement's."""
    used, before = peer.cpu_seconds(), -1
    deadline = time.monotonic() + 10
    while used - before > 0.001 and time.monotonic() < deadline:
        time.sleep(0.03)
        used, before = peer.cpu_seconds(), used


def measure(peer, test, pipeline, requests, made):
    send_all(peer, [request(b"FLUSHALL", b"SYNC")])
    wait_until_idle(peer)
    send_all(peer, made)
    wait_until_idle(peer)
    before = peer.cpu_seconds()
    subprocess.run([tool("redis-benchmark"), "-p", str(peer.port), "-c", "50", "-P", str(pipeline), "-n", str(requests),
                    "-r", str(test.range), "-q", *test.words.split()], stdout=subprocess.DEVNULL, check=True)
    return (peer.cpu_seconds() - before) / requests * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=60000, help="unpipelined; five times as many at pipelines")
    parser.add_argument("--pipeline", default="1,16,100")
    parser.add_argument("--tests", default=",".join(TESTS))
    options = parser.parse_args()
    peers = [redis_peer(), hutch_peer()]
    try:
        print(f"{'test':11} {'pipeline':>8} {'redis us':>9} {'hutch us':>9} {'ratio':>6}")
        for pipeline in map(int, options.pipeline.split(",")):
            ratios = []
            for name in options.tests.split(","):
                test = TESTS[name]
                requests = int(options.requests * test.share) * (1 if pipeline == 1 else 5)
                made = list(data(test.data, requests))
                rows = [[measure(peer, test, pipeline, requests, made) for peer in peers] for _ in range(options.rounds)]
                ratios.append(statistics.median(hutch / redis for redis, hutch in rows))
                redis, hutch = (statistics.median(column) for column in zip(*rows))
                print(f"{name:11} {pipeline:8} {redis:9.3f} {hutch:9.3f} {ratios[-1]:6.2f}", flush=True)
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            print(f"{'mean':11} {pipeline:8} {'':19} {mean:6.2f}   geometric; the worst {max(ratios):.2f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()


if __name__ == "__main__":
    main()
