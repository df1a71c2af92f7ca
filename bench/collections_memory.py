"""RSS per element of lists, hashes, sets and sorted sets, Hutch against Redis 8.2, on fresh servers each.

    python bench/collections_memory.py [--scale 1.0] [--only hash,zset]

Resident memory after the fill less before, per element, keys included. A tenth of the values is there before, so
that what a server takes once, for its buffers and for the first block of every size, does not count.
"""
import argparse
import random
import socket
import time

from collections_cpu import request, send_all
from peers import hutch_peer, redis_peer

ELEMENTS = 2000000
BATCH = 200                              # elements a command: a value grows as it does in use


def words(kind, chance, index):
    """Of one element: members of 12 bytes, fields of 16 with values of 12, scores of six digits and a fraction."""
    if kind == "list":
        return (b"v:%010d" % chance.randrange(10**10),)
    if kind == "set":
        return (b"m:%010d" % chance.randrange(10**10),)
    if kind == "intset":
        return (b"%d" % chance.randrange(2**31),)
    if kind == "zset":
        return (b"%.3f" % chance.uniform(0, 10**6), b"m:%010d" % chance.randrange(10**10))
    return (b"field:%010d" % index, b"value:%06d" % chance.randrange(10**6))


COMMANDS = {"list": b"RPUSH", "set": b"SADD", "intset": b"SADD", "zset": b"ZADD", "hash": b"HSET"}

# kind, elements a key, elements in all, at most so much of Redis's
CASES = (
    [(kind, size, ELEMENTS, 0.95) for kind in ("hash", "list", "set", "zset") for size in (5, 20, 50, 128)]
    + [("list", 200, ELEMENTS, 0.95), ("hash", 200, ELEMENTS, 0.95), ("intset", 20, ELEMENTS, 0.95),
       ("intset", 200, ELEMENTS, 0.95),
       ("list", 100000, ELEMENTS, 1.0), ("set", 200, ELEMENTS, 0.7), ("set", 100000, ELEMENTS, 1.0),
       ("zset", 200, ELEMENTS, 0.7), ("zset", 100000, ELEMENTS, 0.7), ("hash", 1000000, 1000000, 0.8)])


def fill(peer, kind, size, keys):
    chance = random.Random(11)
    requests = []
    for key in keys:
        for first in range(0, size, BATCH):
            parts = [word for i in range(first, min(size, first + BATCH)) for word in words(kind, chance, i)]
            requests.append(request(COMMANDS[kind], b"%b:%010d" % (kind.encode(), key), *parts))
            if len(requests) == 1000:
                send_all(peer, requests)
                requests = []
    if requests:
        send_all(peer, requests)


def rss_per_element(start, kind, size, total):
    peer = start()
    keys = max(1, total // size)
    warm = keys // 10
    try:
        with socket.create_connection(("127.0.0.1", peer.port)) as connection:
            connection.sendall(b"PING\r\n")
            connection.recv(64)
        fill(peer, kind, size, range(warm))
        time.sleep(0.1)
        before = peer.rss_bytes()
        fill(peer, kind, size, range(warm, keys))
        time.sleep(0.3)                  # buffers of connections, a table that is still growing
        return (peer.rss_bytes() - before) / ((keys - warm) * size)
    finally:
        peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of elements")
    parser.add_argument("--only", default="", help="kinds, or kind/size: hash,set/200")
    options = parser.parse_args()
    only = [word for word in options.only.split(",") if word]
    print(f"{'value':8} {'elements':>8} {'redis':>7} {'hutch':>7} {'ratio':>6}   bytes of RSS an element")
    for kind, size, total, limit in CASES:
        if only and kind not in only and f"{kind}/{size}" not in only:
            continue
        total = max(size, int(total * options.scale))
        redis, hutch = (rss_per_element(start, kind, size, total) for start in (redis_peer, hutch_peer))
        print(f"{kind:8} {size:8} {redis:7.1f} {hutch:7.1f} {hutch / redis:6.2f}   {'' if hutch / redis <= limit else f'above {limit}'}",
              flush=True)


if __name__ == "__main__":
    main()
