"""How long does one client wait while the server does something large to a collection?

    python bench/collections_stalls.py [--scale 1.0] [--only redis,hutch]

A probe sends PING over its own connection and takes the time of every reply, while
  del      a set of five million members is deleted (DEL, not UNLINK),
  grow     a hash grows from nothing through a million fields,
  zgrow    a sorted set does through a million members.
The same probe runs beside an idle server of the same kind in the same seconds; what is printed is the
worst reply of each and the difference. The machine's own pauses are in both: look at a few rounds.
"""
import argparse
import random
import time

from collections_cpu import request, send_all
from peers import hutch_peer, redis_peer
from stalls import report, watched

BATCH = 100                              # fields a command: the command itself is no stall
HANDFUL = 20                             # commands on the way at a time


def send_in_handfuls(peer, requests):
    for first in range(0, len(requests), HANDFUL):
        send_all(peer, requests[first:first + HANDFUL])


def members(total):
    return [request(b"SADD", b"large", *[b"member:%010d" % i for i in range(first, first + BATCH)])
            for first in range(0, total, BATCH)]


def fields(total):
    return [request(b"HSET", b"hash", *[word for i in range(first, first + BATCH)
                                        for word in (b"field:%010d" % i, b"value:%06d" % (i % 10**6))])
            for first in range(0, total, BATCH)]


def scores(total):
    chance = random.Random(3)
    return [request(b"ZADD", b"zset", *[word for i in range(first, first + BATCH)
                                        for word in (b"%d" % chance.randrange(10**6), b"member:%010d" % i)])
            for first in range(0, total, BATCH)]


def delete(peer):
    time.sleep(0.2)
    send_all(peer, [request(b"DEL", b"large")])
    time.sleep(2.5)                      # what goes on in the background


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the five million and the million")
    parser.add_argument("--only", default="redis,hutch")
    options = parser.parse_args()
    hash_fields = fields(int(options.scale * 1e6))
    zset_members = scores(int(options.scale * 1e6))
    for name, start in (("redis", redis_peer), ("hutch", hutch_peer)):
        if name not in options.only.split(","):
            continue
        peer, idle = start(), start()
        try:
            send_all(peer, members(int(options.scale * 5e6)))
            report(name, "del", *watched(peer, idle, lambda: delete(peer)))
            report(name, "grow", *watched(peer, idle, lambda: send_in_handfuls(peer, hash_fields)))
            report(name, "zgrow", *watched(peer, idle, lambda: send_in_handfuls(peer, zset_members)))
        finally:
            peer.stop()
            idle.stop()


if __name__ == "__main__":
    main()
