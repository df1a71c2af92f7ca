"""CPU time of the server process per request for bitmaps, HyperLogLogs and geo: Hutch against Redis 8.2; and, with --in-process, the
time of Hutch's own methods.

    python bench/bits_and_places.py [--rounds 3] [--requests 60000] [--pipeline 1,16] [--tests setbit,pfadd,...] [--in-process]

redis-benchmark drives both with 50 clients; where offsets are random this program does, since those of redis-benchmark begin with
zeros, which are no numbers. Large strings have a megabyte of random bytes; HyperLogLogs are dense unless said
otherwise; there are 10,000 places on some 1,000 by 1,000 km. Each round measures one server right after the other; the ratio is
the median of the rounds' ratios.
"""
import argparse
import random
import socket
import statistics
import timeit

from collections_cpu import Test, measure, request, send_all, wait_until_idle
from peers import hutch_peer, redis_peer

LARGE = 1 << 20
CLIENTS = 50
NEAR = "GEOSEARCH places FROMLONLAT 15.5 40.25 BYRADIUS 100 km ASC COUNT 10"

TESTS = {
    "bitcount_1mb": Test("BITCOUNT large1", data="large", share=0.25),
    "bitpos_1mb": Test("BITPOS zeros 1", data="large", share=0.25),
    "bitop_and_1mb": Test("BITOP AND dest large1 large2", data="large", share=0.25),
    "bitop_xor_1mb": Test("BITOP XOR dest large1 large2 large3", data="large", share=0.25),
    "bitop_not_1mb": Test("BITOP NOT dest large1", data="large", share=0.25),
    "bitop_diff_1mb": Test("BITOP DIFF dest large1 large2 large3", data="large", share=0.25),
    "bitop_one_1mb": Test("BITOP ONE dest large1 large2 large3", data="large", share=0.25),
    "setbit": Test("SETBIT bits __offset__ 1"),
    "getbit": Test("GETBIT bits __offset__", data="bits"),
    "bitfield": Test("BITFIELD bits INCRBY u8 #__offset__ 1", 100000),
    "pfadd": Test("PFADD hll element:__rand_int__"),
    "pfadd_sparse": Test("PFADD hll:__rand_int__ a b c", 1000),
    "pfadd_filling": Test("PFADD hll element:__rand_int__", 1000),
    "pfcount": Test("PFCOUNT dense1", data="dense"),
    "pfcount_3": Test("PFCOUNT dense1 dense2 dense3", data="dense", share=0.1),
    "pfmerge": Test("PFMERGE dest dense1 dense2", data="dense", share=0.1),
    "geoadd": Test("GEOADD places 12.5 38.__rand_int__ place:__rand_int__"),
    "geodist": Test("GEODIST places place:17 place:4000 km", data="places"),
    "geosearch_10": Test(NEAR, data="places", share=0.3),
    "geosearch_10_far": Test(NEAR.replace("100 km", "500 km"), data="places", share=0.05),
    "geosearch_all": Test(NEAR.replace(" ASC COUNT 10", ""), data="places", share=0.3),
    "geosearch_box": Test(NEAR.replace("BYRADIUS 100", "BYBOX 200 200"), data="places", share=0.3),
}


def data(kind):
    """Yields the requests that make the data."""
    chance = random.Random(7)
    if kind == "large":
        for n in (1, 2, 3):
            yield request(b"SET", b"large%d" % n, chance.randbytes(LARGE))
        yield request(b"SETBIT", b"zeros", b"%d" % (8 * LARGE - 1), b"1")
    elif kind == "bits":
        yield request(b"SET", b"bits", chance.randbytes(125000))
    elif kind == "dense":
        for n in (1, 2, 3):
            for first in range(0, 30000, 500):
                yield request(b"PFADD", b"dense%d" % n, *(b"%d:%d" % (n, i) for i in range(first, first + 500)))
            yield request(b"PFCOUNT", b"dense%d" % n)
    elif kind == "places":
        for first in range(0, 10000, 500):
            words = [word for i in range(first, first + 500)
                     for word in (b"%.6f" % chance.uniform(10, 21), b"%.6f" % chance.uniform(36, 45), b"place:%d" % i)]
            yield request(b"GEOADD", b"places", *words)


def drive(peer, test, pipeline, requests, made):
    """As `measure`, with random offsets: all clients send, then all are answered."""
    send_all(peer, [request(b"FLUSHALL", b"SYNC")])
    wait_until_idle(peer)
    send_all(peer, made)
    wait_until_idle(peer)
    chance = random.Random(11)
    lines = pipeline * (2 if test.words.startswith("BITFIELD") else 1)          # of a reply
    blocks = [b"".join(request(*test.words.replace("__offset__", str(chance.randrange(test.range))).encode().split())
                       for _ in range(pipeline)) for _ in range(500)]
    clients = [socket.create_connection(("127.0.0.1", peer.port), 60) for _ in range(CLIENTS)]
    before = peer.cpu_seconds()
    for turn in range(requests // (pipeline * CLIENTS)):
        for at, client in enumerate(clients):
            client.sendall(blocks[(turn * CLIENTS + at) % len(blocks)])
        for client in clients:
            read = 0
            while read < lines:
                read += client.recv(65536).count(b"\n")
    used = peer.cpu_seconds() - before
    for client in clients:
        client.close()
    return used / (requests // (pipeline * CLIENTS) * pipeline * CLIENTS) * 1e6


def servers(options):
    peers = [redis_peer(), hutch_peer()]
    try:
        print(f"{'test':17} {'pipeline':>8} {'redis us':>9} {'hutch us':>9} {'ratio':>6}")
        for pipeline in map(int, options.pipeline.split(",")):
            for name in options.tests.split(","):
                test = TESTS[name]
                requests = max(500, int(options.requests * test.share)) * (1 if pipeline == 1 or test.share < 0.3 else 5)
                made = list(data(test.data))
                how = drive if "__offset__" in test.words else measure
                rows = [[how(peer, test, pipeline, requests, made) for peer in peers] for _ in range(options.rounds)]
                ratio = statistics.median(hutch / redis for redis, hutch in rows)
                redis, hutch = (statistics.median(column) for column in zip(*rows))
                print(f"{name:17} {pipeline:8} {redis:9.3f} {hutch:9.3f} {ratio:6.2f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()


def in_process():
    import hutch
    client = hutch.Redis()
    numbers = iter(range(10 ** 9))
    client.setbit("bits", 10 ** 6, 1)
    client.pfadd("dense", *range(20000))
    client.set("large", bytes(LARGE))
    client.geoadd("places", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
    calls = {
        "setbit": lambda: client.setbit("bits", 1234, 1), "getbit": lambda: client.getbit("bits", 1234),
        "bitcount": lambda: client.bitcount("few"), "bitcount of 1 MB": lambda: client.bitcount("large"),
        "pfadd of one that was there": lambda: client.pfadd("dense", "17"), "pfadd of new ones": lambda: client.pfadd("dense", next(numbers)),
        "pfadd sparse": lambda: client.pfadd("sparse", "17"), "pfcount": lambda: client.pfcount("sparse"),
        "geodist": lambda: client.geodist("places", "Palermo", "Catania"),
    }
    client.setbit("few", 7, 1)
    client.pfadd("sparse", 17)
    print(f"{'in process':28} {'ns':>8}")
    for name, call in calls.items():
        number = 200 if "MB" in name else 20000
        print(f"{name:28} {min(timeit.repeat(call, number=number, repeat=7)) / number * 1e9:8.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=60000, help="unpipelined; five times as many of the small ones at pipelines")
    parser.add_argument("--pipeline", default="1,16")
    parser.add_argument("--tests", default=",".join(TESTS))
    parser.add_argument("--in-process", action="store_true")
    options = parser.parse_args()
    if options.in_process:
        in_process()
    else:
        servers(options)


if __name__ == "__main__":
    main()
