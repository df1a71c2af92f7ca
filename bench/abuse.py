"""How long a normal client waits while others abuse the server: the median and the 99th percentile of its requests, calm and beside each
kind of abuse, for Hutch and for Redis, in turn within one run.

    python bench/abuse.py [--requests 4000] [--idle 5000] [--rounds 3] [--tls]

The peer is the Redis 8.2 of the other benchmarks, or over TLS a redis-server that has it (--server). The abusers are a process of their own
and stop with the measurement; they take the lowest priority, so that what the client waits for is the server and not the abusers' own use
of a processor. What to look at is the last column: the percentile beside its calm value, which is to stay within 3. Rounds go through
all of it, and the ratio is the median of the rounds' ratios. "turn" is what the server's loop took for one turn, by its own clock: that
tells of its work where the machine has fewer cores than there are processes here.
"""
import argparse
import multiprocessing
import os
import random
import resource
import shutil
import socket
import ssl
import statistics
import sys
import tempfile
import time

from peers import Peer, redis_server, tool
from tls import TlsPeer, certificate

GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"


def dial(port, context):
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock, server_hostname="localhost") if context else sock


def random_bytes(port, context, idle):
    generator = random.Random(1)
    while True:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(generator.randbytes(generator.randrange(1, 5000)))
        yield


def slow_drip(port, context, idle):
    clients = [dial(port, context) for _ in range(100)]
    while True:
        for byte in GET:
            for sock in clients:
                sock.send(bytes([byte]))
            time.sleep(0.01)
            yield


def idle_connections(port, context, idle):
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(idle)]
    while clients:
        time.sleep(0.05)
        yield


def never_read(port, context, idle):
    """Bounded: a redis-server would keep all of it, 20 MB a client."""
    clients = [dial(port, context) for _ in range(5)]
    for sock in clients:
        sock.sendall(b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n" * 200)
    while clients:
        time.sleep(0.05)
        yield


def new_connections(port, context, idle):
    """One after the other; over TLS a handshake each."""
    while True:
        with dial(port, context) as sock:
            sock.sendall(GET)
            sock.recv(100)
        yield


ABUSES = {"calm": None, "random bytes": random_bytes, "slow drip": slow_drip, "idle": idle_connections, "never read": never_read,
          "connecting": new_connections}


def abuse(name, port, cafile, idle, ready, stop):
    context = ssl.create_default_context(cafile=cafile) if cafile else None
    work = ABUSES[name](port, context, idle)
    for _ in range(3):
        next(work)
    os.nice(19)
    ready.set()
    while not stop.is_set():
        try:
            next(work)
        except OSError:
            pass


def loop_figures(client):
    stats = client.info("stats")
    return stats["eventloop_cycles"], stats["eventloop_duration_sum"]


def measure(peer, name, cafile, options):
    """p50 and p99 of the client's requests, and what a turn of the server's loop took; all in microseconds."""
    context = ssl.create_default_context(cafile=cafile) if options.tls else None
    port = peer.tls_port if options.tls else peer.port
    ready, stop = multiprocessing.Event(), multiprocessing.Event()
    process = None
    if ABUSES[name]:
        process = multiprocessing.Process(target=abuse, args=(name, port, cafile if options.tls else None, options.idle, ready, stop), daemon=True)
        process.start()
        if not ready.wait(60):
            sys.exit(f"the abuse {name!r} did not begin")
    taken = []
    watcher = peer.client()
    before = loop_figures(watcher)
    with dial(port, context) as sock:
        for _ in range(options.requests):
            began = time.perf_counter_ns()
            sock.sendall(GET)
            sock.recv(100)
            taken.append((time.perf_counter_ns() - began) / 1000)
            time.sleep(0.0002)
    turns, duration_us = (now - then for now, then in zip(loop_figures(watcher), before))
    watcher.close()
    stop.set()
    if process:
        process.join(5)
        process.kill()
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100], duration_us / max(turns, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--server", help="the peer's redis-server")
    options = parser.parse_args()
    options.server = options.server or (shutil.which("redis-server") if options.tls else redis_server())
    if not options.server:
        sys.exit("there is no redis-server with TLS: install the package redis-server, or name one with --server")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY:
        options.idle = min(options.idle, hard - 100)
    directory = tempfile.mkdtemp(prefix="hutch-bench-")
    peers = []
    try:
        hutch = [sys.executable, "-m", "hutch", "serve"]
        cafile = None
        if options.tls:
            files = certificate(directory, "rsa")
            cafile = files[0]
            peers += [TlsPeer("redis", [options.server], files), TlsPeer("hutch", hutch, files)]
        else:
            peers += [Peer("redis", [options.server]), Peer("hutch", hutch)]
        time.sleep(0.5)
        for peer in peers:
            client = peer.client()
            client.mset({"k": "v", "big": "x" * 100_000})
            client.close()
        print(f"{'TLS' if options.tls else 'plain'}, {os.cpu_count()} processors")
        rounds = {peer.name: [] for peer in peers}
        for _ in range(options.rounds):
            for peer in peers:
                rounds[peer.name].append({name: measure(peer, name, cafile, options) for name in ABUSES})
        print(f"{'server':6} {'abuse':13} {'p50 us':>8} {'p99 us':>8} {'turn us':>8} {'of calm':>8}")
        for peer in peers:
            for name in ABUSES:
                p50, p99, turn = (statistics.median(column) for column in zip(*(one[name] for one in rounds[peer.name])))
                ratio = statistics.median(one[name][1] / one["calm"][1] for one in rounds[peer.name])
                print(f"{peer.name:6} {name:13} {p50:8.0f} {p99:8.0f} {turn:8.1f} {ratio:8.2f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
