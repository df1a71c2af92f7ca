"""Streams, Hutch against Redis 8.2: memory of an entry, CPU time of XADD and of reading and acknowledging in a group.

    python bench/streams.py [--rounds 5] [--entries 1000000] [--requests 200000] [--pipeline 16]

Memory: resident bytes an entry of one stream of a million entries of three fields. CPU: of the server process per
request, in turn within one run; the ratio is the median of the rounds' ratios. XADD is driven by redis-benchmark, with
IDs of the server's making, over a stream that is kept short. A group request is XREADGROUP of ten new entries or the
XACK of them, eight consumers in turn.
"""
import argparse
import socket
import statistics
import subprocess

from peers import hutch_peer, redis_peer, tool

BATCH = 10                      # entries a XREADGROUP brings
CONSUMERS = 8


def fields(number):
    """Texts that differ: what is saved is what surrounds them (Redis takes 56 bytes, 40 of them text)."""
    return {"user": "user-%08d" % number, "event": "page-view-%05d" % (number % 99999), "path": "/a/b/%06d" % (number % 999999)}


def fill(peer, entries):
    client = peer.client(protocol=2)
    for start in range(0, entries, 10000):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(start + 10000, entries)):
            pipe.xadd("stream", fields(number))
        pipe.execute()
    client.close()


def rss_per_entry(start, entries):
    peer = start()
    try:
        client = peer.client(protocol=2)
        client.ping()
        before = peer.rss_bytes()
        fill(peer, entries)
        length, used = client.xlen("stream"), client.memory_usage("stream", samples=0)
        assert length == entries
        client.close()
        return (peer.rss_bytes() - before) / entries, used / entries
    finally:
        peer.stop()


def xadd(peer, pipeline, requests):
    before = peer.cpu_seconds()
    subprocess.run([tool("redis-benchmark"), "-p", str(peer.port), "-c", "50", "-P", str(pipeline), "-n", str(requests), "-q",
                    "XADD", "bench", "MAXLEN", "~", "100000", "*", "sensor", "sensor-0042", "temperature", "211", "state", "ok"],
                   stdout=subprocess.DEVNULL, check=True)
    return (peer.cpu_seconds() - before) / requests * 1e6


def encoded(*words):
    words = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Ids:
    """Reads the IDs out of XREADGROUP's replies, as cheaply as Python can."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb", buffering=1 << 20)

    def ask(self, *requests):
        self.socket.sendall(b"".join(requests))

    def entries(self):
        """The IDs of one stream's entries."""
        line = self.file.readline()
        if line[:2] == b"*-":
            return []
        for _ in range(3):
            self.file.readline()             # *2, the name
        found = []
        for _ in range(int(self.file.readline()[1:])):
            self.file.readline()
            self.file.readline()
            found.append(self.file.readline()[:-2])
            for _ in range(2 * int(self.file.readline()[1:])):
                self.file.readline()
        return found

    def number(self):
        return int(self.file.readline()[1:])


def group(peer, pipeline, requests):
    """As many XREADGROUP as XACK; the stream is filled before."""
    entries = requests // 2 * BATCH
    client = peer.client(protocol=2)
    client.delete("stream")
    fill(peer, entries)
    client.xgroup_create("stream", "group", "0")
    ids = Ids(peer.port)
    reads = [encoded("XREADGROUP", "GROUP", "group", "consumer-%d" % (i % CONSUMERS), "COUNT", str(BATCH), "STREAMS", "stream", ">")
             for i in range(pipeline)]
    before = peer.cpu_seconds()
    done = 0
    while done < requests // 2:
        ids.ask(*reads)
        batches = [ids.entries() for _ in reads]
        batches = [batch for batch in batches if batch]
        ids.ask(*(encoded("XACK", "stream", "group", *batch) for batch in batches))
        acknowledged = sum(ids.number() for _ in batches)
        assert acknowledged == sum(map(len, batches))
        done += pipeline
    spent = peer.cpu_seconds() - before
    assert client.xpending("stream", "group")["pending"] == 0
    client.delete("stream")
    client.close()
    return spent / (2 * done) * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=1000000)
    parser.add_argument("--requests", type=int, default=200000)
    parser.add_argument("--pipeline", type=int, default=16)
    options = parser.parse_args()
    (redis, redis_says), (hutch, hutch_says) = (rss_per_entry(start, options.entries) for start in (redis_peer, hutch_peer))
    print(f"memory   redis {redis:6.1f}  hutch {hutch:6.1f}  ratio {hutch / redis:5.2f}   bytes of RSS an entry "
          f"(MEMORY USAGE {redis_says:.1f}, {hutch_says:.1f})", flush=True)
    peers = [redis_peer(), hutch_peer()]
    try:
        for name, measure, requests in (("XADD", xadd, options.requests * 5), ("group", group, options.requests // 10)):
            rows = [[measure(peer, options.pipeline, requests) for peer in peers] for _ in range(options.rounds)]
            ratio = statistics.median(hutch / redis for redis, hutch in rows)
            redis, hutch = (statistics.median(column) for column in zip(*rows))
            print(f"{name:8} redis {redis:6.3f}  hutch {hutch:6.3f}  ratio {ratio:5.2f}   us of CPU a request", flush=True)
    finally:
        for peer in peers:
            peer.stop()


if __name__ == "__main__":
    main()
