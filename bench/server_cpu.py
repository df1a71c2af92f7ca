"""CPU time of the server process per request, Hutch against Redis 8.2, in turn within one run.

    python bench/server_cpu.py [--rounds 5] [--requests 200000] [--pipeline 1,16,100] [--tests ping,set,...]

redis-benchmark drives both with 50 clients over a million keys (filled first). Each round measures one
server right after the other; the ratio is the median of the rounds' ratios.
"""
import argparse
import statistics
import subprocess

from peers import hutch_peer, redis_peer, tool

TESTS = {
    "ping": ["-t", "ping_mbulk"],
    "set": ["-t", "set"],
    "get": ["-t", "get"],
    "incr": ["-t", "incr"],
    "mset": ["-t", "mset"],
}


def fill(peer, keys):
    client = peer.client(protocol=2)
    for start in range(0, keys, 10000):
        pipe = client.pipeline(transaction=False)
        for i in range(start, min(start + 10000, keys)):
            pipe.set("key:%012d" % i, "xxx")
        pipe.execute()
    client.close()


def measure(peer, test, pipeline, requests, keys):
    before = peer.cpu_seconds()
    subprocess.run([tool("redis-benchmark"), "-p", str(peer.port), "-c", "50", "-P", str(pipeline), "-n", str(requests),
                    "-r", str(keys), "-q", *TESTS[test]], stdout=subprocess.DEVNULL, check=True)
    return (peer.cpu_seconds() - before) / requests * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200000)
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--pipeline", default="1,16,100")
    parser.add_argument("--tests", default=",".join(TESTS))
    options = parser.parse_args()
    peers = [redis_peer(), hutch_peer()]
    try:
        for peer in peers:
            fill(peer, options.keys)
        print(f"{'test':6} {'pipeline':>8} {'redis us':>9} {'hutch us':>9} {'ratio':>6}")
        for pipeline in map(int, options.pipeline.split(",")):
            requests = options.requests if pipeline == 1 else options.requests * 5
            for test in options.tests.split(","):
                rows = [[measure(peer, test, pipeline, requests // (5 if test == "mset" else 1), options.keys)
                         for peer in peers] for _ in range(options.rounds)]
                ratio = statistics.median(hutch / redis for redis, hutch in rows)
                redis, hutch = (statistics.median(column) for column in zip(*rows))
                print(f"{test:6} {pipeline:8} {redis:9.3f} {hutch:9.3f} {ratio:6.2f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()


if __name__ == "__main__":
    main()
