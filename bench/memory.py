"""RSS per key, Hutch against Redis 8.2: a million keys of 16 bytes with values of several sizes.

    python bench/memory.py [--keys 1000000]

Each figure comes from a fresh pair of servers: resident memory after the fill less before, per key.
"""
import argparse

from peers import hutch_peer, redis_peer


def rss_per_key(start, keys, size, deadline):
    peer = start()
    try:
        client = peer.client(protocol=2)
        client.ping()
        before = peer.rss_bytes()
        value = b"v" * size
        for first in range(0, keys, 10000):
            pipe = client.pipeline(transaction=False)
            for i in range(first, first + 10000):
                pipe.set("key:%012d" % i, value, ex=100000 if deadline else None)
            pipe.execute()
        client.close()
        return (peer.rss_bytes() - before) / keys
    finally:
        peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1000000)
    options = parser.parse_args()
    print(f"{'value':>14} {'redis':>7} {'hutch':>7} {'ratio':>6}   bytes of RSS a key")
    for size, deadline in ((16, False), (32, False), (32, True), (64, False), (200, False)):
        redis, hutch = (rss_per_key(start, options.keys, size, deadline) for start in (redis_peer, hutch_peer))
        print(f"{size:4} {'+ deadline' if deadline else '':>9} {redis:7.1f} {hutch:7.1f} {hutch / redis:6.2f}", flush=True)


if __name__ == "__main__":
    main()
