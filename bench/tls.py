"""CPU time of the server process per request over TLS, Hutch against a redis-server that has it, in turn within one run.

    python bench/tls.py [--rounds 5] [--requests 100000] [--pipeline 1,16] [--server /usr/bin/redis-server]

The peer is the distribution's redis-server (Debian's 7.0 is built with TLS), with the same certificate, made by openssl for this run.
Compare the OpenSSLs: both versions are told. redis-benchmark drives both with 50 clients. `connect` makes new connections, a handshake
each; `big` gets a value of 1 MB. Each round measures one server right after the other; the ratio is the median of the rounds' ratios.
"""
import argparse
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

from peers import Peer, free_port, tool

TESTS = {
    "ping": ["-t", "ping_mbulk"],
    "set": ["-t", "set"],
    "get": ["-t", "get"],
    "set4k": ["-t", "set", "-d", "4096"],
}


def certificate(directory, kind):
    """(certificate, key) signed by itself."""
    names = [os.path.join(directory, name) for name in ("server.crt", "server.key")]
    key = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run([tool("openssl"), "req", "-x509", *key, "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", names[0], "-keyout", names[1]], check=True, stderr=subprocess.DEVNULL)
    return names


class TlsPeer(Peer):
    """A server with TLS on a second port."""

    def __init__(self, name, command, files):
        self.tls_port = free_port()
        super().__init__(name, command + ["--tls-port", str(self.tls_port), "--tls-cert-file", files[0], "--tls-key-file", files[1],
                                          "--tls-auth-clients", "no"])


def measured(peer, work, requests):
    before = peer.cpu_seconds()
    work()
    return (peer.cpu_seconds() - before) / requests * 1e6


def benchmark(peer, test, pipeline, requests):
    arguments = [tool("redis-benchmark"), "-p", str(peer.tls_port), "--tls", "--insecure", "-c", "50", "-P", str(pipeline), "-n",
                 str(requests), "-r", "100000", "-q", *TESTS[test]]
    return measured(peer, lambda: subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True), requests)


def connections(peer, files, requests):
    context = ssl.create_default_context(cafile=files[0])

    def work():
        for _ in range(requests):
            with socket.create_connection(("127.0.0.1", peer.tls_port)) as sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
                tls.sendall(b"PING\r\n")
                tls.recv(100)
    return measured(peer, work, requests)


def big_values(peer, files, requests):
    client = peer.client()
    client.set("big", "x" * 1_000_000)
    client.close()
    context = ssl.create_default_context(cafile=files[0])
    with socket.create_connection(("127.0.0.1", peer.tls_port)) as sock, context.wrap_socket(sock, server_hostname="localhost") as tls:
        def work():
            for _ in range(requests):
                tls.sendall(b"GET big\r\n")
                left = 1_000_012
                while left:
                    left -= len(tls.recv(min(left, 65536)))
        return measured(peer, work, requests)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--pipeline", default="1,16")
    parser.add_argument("--tests", default=",".join((*TESTS, "connect", "big")))
    parser.add_argument("--server", default=shutil.which("redis-server"))
    parser.add_argument("--key", choices=("rsa", "ec"), default="rsa")
    options = parser.parse_args()
    if not options.server:
        sys.exit("there is no redis-server with TLS: install the package redis-server, or name one with --server")
    directory = tempfile.mkdtemp(prefix="hutch-bench-")
    peers = []
    try:
        files = certificate(directory, options.key)
        peers += [TlsPeer("redis", [options.server], files), TlsPeer("hutch", [sys.executable, "-m", "hutch", "serve"], files)]
        time.sleep(0.5)
        print(subprocess.run([options.server, "--version"], capture_output=True, text=True).stdout.split(" sha")[0])
        print(f"Python's OpenSSL: {ssl.OPENSSL_VERSION}; the system's: "
              f"{subprocess.run([tool('openssl'), 'version'], capture_output=True, text=True).stdout.strip()}")
        print(f"{'test':8} {'pipeline':>8} {'redis us':>9} {'hutch us':>9} {'ratio':>6}")
        for test in options.tests.split(","):
            for pipeline in map(int, options.pipeline.split(",")) if test in TESTS else (1,):
                def once(peer):
                    if test == "connect":
                        return connections(peer, files, options.requests // 500)
                    if test == "big":
                        return big_values(peer, files, options.requests // 1000)
                    return benchmark(peer, test, pipeline, options.requests * (1 if pipeline == 1 else 5))
                rows = [[once(peer) for peer in peers] for _ in range(options.rounds)]
                ratio = statistics.median(hutch / redis for redis, hutch in rows)
                redis, hutch = (statistics.median(column) for column in zip(*rows))
                print(f"{test:8} {pipeline:8} {redis:9.3f} {hutch:9.3f} {ratio:6.2f}", flush=True)
    finally:
        for peer in peers:
            peer.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
