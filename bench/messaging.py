"""Messages and transactions: server CPU beside Redis 8.2, in turn within one run, and what calls cost in process.

    python bench/messaging.py [--rounds 5] [--publishes 40000] [--transactions 60000]

PUBLISH is sent by redis-benchmark's 50 clients to a channel with 10 subscribers, which read all of it. Transactions are
MULTI, SET, EXEC, a hundred of them in a piece. The ratio is the median of the rounds' ratios.
"""
import argparse
import selectors
import socket
import statistics
import subprocess
import threading
import time

import hutch
from peers import hutch_peer, redis_peer, tool

SUBSCRIBERS = 10


class Readers(threading.Thread):
    """Subscribers of one channel that throw away what they hear."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.sockets = []
        self.heard = 0
        for _ in range(SUBSCRIBERS):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(b"SUBSCRIBE news\r\n")
            client.recv(1000)
            self.selector.register(client, selectors.EVENT_READ)
            self.sockets.append(client)
        self.ended = False
        self.start()

    def run(self):
        while not self.ended:
            for key, _ in self.selector.select(0.1):
                self.heard += len(key.fileobj.recv(1 << 20))
            time.sleep(0.001)            # in big bites, so that the servers have the processors

    def end(self):
        self.ended = True
        self.join()
        for client in self.sockets:
            client.close()


def publish(peer, pipeline, requests):
    readers = Readers(peer.port)
    before = peer.cpu_seconds()
    subprocess.run([tool("redis-benchmark"), "-p", str(peer.port), "-c", "50", "-P", str(pipeline), "-n", str(requests), "-q",
                    "PUBLISH", "news", "a message of some length"], stdout=subprocess.DEVNULL, check=True)
    spent = peer.cpu_seconds() - before
    readers.end()
    return spent / requests * 1e6


def transactions(peer, pipeline, requests):
    """Whole transactions, a hundred in a piece."""
    piece = b"".join(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$7\r\nkey:%03d\r\n$3\r\nxxx\r\n*1\r\n$4\r\nEXEC\r\n" % i for i in range(100))
    answer = len(b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n") * 100
    client = socket.create_connection(("127.0.0.1", peer.port))
    before = peer.cpu_seconds()
    for _ in range(requests // 100):
        client.sendall(piece)
        left = answer
        while left:
            left -= len(client.recv(left))
    spent = peer.cpu_seconds() - before
    client.close()
    return spent / requests * 1e6


def best_of(rounds, calls, body):
    """The least time of a call, in ns."""
    best = None
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        for _ in range(calls):
            body()
        spent = (time.perf_counter_ns() - begin) / calls
        best = spent if best is None or spent < best else best
    return best


def in_process(rounds):
    client = hutch.Redis()
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    session = pubsub.connection.session

    def publish_1000():
        for _ in range(1000):
            client.publish("news", "a message of some length")

    def drained():
        publish_1000()
        session.receive(0)
    print(f"in process: publish to one subscriber inside {best_of(rounds, 30, drained) / 1000:.0f} ns")
    pubsub.close()
    quick = client.publish
    print(f"            publish to nobody {best_of(rounds, 50000, lambda: quick('none', 'x')):.0f} ns")

    def sets():
        pipe = client.pipeline()
        for i in range(100):
            pipe.set("key", "value")
        pipe.execute()
    print(f"            pipeline of 100 sets {best_of(rounds, 500, sets) / 1000:.1f} us")

    def plain():
        pipe = client.pipeline(transaction=False)
        for i in range(100):
            pipe.set("key", "value")
        pipe.execute()
    print(f"            the same, no transaction {best_of(rounds, 500, plain) / 1000:.1f} us")
    client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--publishes", type=int, default=40000)
    parser.add_argument("--transactions", type=int, default=60000)
    options = parser.parse_args()
    in_process(options.rounds)
    peers = [redis_peer(), hutch_peer()]
    try:
        print(f"{'server CPU':24} {'redis us':>9} {'hutch us':>9} {'ratio':>6}")
        for name, body, pipeline, requests in (("PUBLISH to 10, P=1", publish, 1, options.publishes),
                                               ("PUBLISH to 10, P=16", publish, 16, options.publishes * 2),
                                               ("MULTI SET EXEC", transactions, 100, options.transactions)):
            rows = [[body(peer, pipeline, requests) for peer in peers] for _ in range(options.rounds)]
            ratio = statistics.median(mine / theirs for theirs, mine in rows)
            theirs, mine = (statistics.median(column) for column in zip(*rows))
            print(f"{name:24} {theirs:9.3f} {mine:9.3f} {ratio:6.2f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()


if __name__ == "__main__":
    main()
