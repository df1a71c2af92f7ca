"""CPU time of SAVE and of loading an RDB file, per key: Hutch against Redis 8.2.

    python bench/rdb_files.py [--keys 2000000] [--rounds 3] [--values text|noise]

The data: 60 in 100 keys are strings, 15 in 100 (of all) have deadlines, and there are as many hashes of 8 fields as lists of 20,
sets of 10 and sorted sets of 10. Redis saves a file first, which each of the two then loads at its start, in turn; what a start on
an empty directory costs is taken off. SAVE is asked of what was loaded. Ratios are medians of the rounds' ratios.
"""
import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from peers import Peer, redis_server

WORDS = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi psi "
         "omega").split()
BATCH = 2000


def value(chance, kind):
    if kind == "noise":
        return chance.randbytes(chance.randrange(8, 80))
    return " ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 10))).encode()


def commands(keys, kind):
    chance = random.Random(11)
    deadline_ms = int(time.time() * 1000) + 10 ** 9
    for number in range(keys):
        share = number % 20
        due = chance.randrange(100) < 15
        if share < 12:
            name = f"string:{number}"
            yield ("SET", name, value(chance, kind), *(("PXAT", deadline_ms + number) if due else ()))
            continue
        if share < 14:
            name = f"hash:{number}"
            yield ("HSET", name, *(word for field in range(8) for word in (f"field:{field}", value(chance, kind)[:20])))
        elif share < 16:
            name = f"list:{number}"
            yield ("RPUSH", name, *(value(chance, kind)[:16] for _ in range(20)))
        elif share < 18:
            name = f"set:{number}"
            yield ("SADD", name, *(f"member:{chance.getrandbits(30)}" for _ in range(10)))
        else:
            name = f"zset:{number}"
            yield ("ZADD", name, *(word for member in range(10) for word in (chance.getrandbits(16) / 8, f"member:{member}")))
        if due:
            yield ("PEXPIREAT", name, deadline_ms + number)


def fill(peer, keys, kind):
    client = peer.client(socket_timeout=None)
    pipe = client.pipeline(transaction=False)
    for number, words in enumerate(commands(keys, kind), 1):
        pipe.execute_command(*words)
        if number % BATCH == 0:
            pipe.execute()
    pipe.execute()
    client.close()


class Started:
    """A server that begins on a file, and what its start has cost."""

    def __init__(self, name, command, file=None):
        self.directory = Path(tempfile.mkdtemp(prefix="hutch-bench-"))
        if file is not None:
            shutil.copy(file, self.directory / "dump.rdb")
        self.peer = Peer(name, command + ["--dir", str(self.directory)])
        self.client = self.peer.client(socket_timeout=None)
        while True:
            try:
                self.client.ping()
                break
            except Exception:
                time.sleep(0.02)
        self.start_seconds = self.peer.cpu_seconds()

    def save(self):
        before = self.peer.cpu_seconds()
        self.client.save()
        return self.peer.cpu_seconds() - before

    def stop(self):
        self.client.close()
        self.peer.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--values", choices=("text", "noise"), default="text")
    options = parser.parse_args()
    commands_of = {"redis": [redis_server()], "hutch": [sys.executable, "-m", "hutch", "serve"]}
    with tempfile.TemporaryDirectory(prefix="hutch-bench-") as place:
        file = Path(place, "all.rdb")
        first = Started("redis", commands_of["redis"])
        fill(first.peer, options.keys, options.values)
        first.save()
        shutil.move(first.directory / "dump.rdb", file)
        first.stop()
        print(f"{options.keys:,} keys of {options.values}, {file.stat().st_size / 1e6:.1f} MB")
        figures = {"load": {"redis": [], "hutch": []}, "save": {"redis": [], "hutch": []}}
        for _ in range(options.rounds):
            for name, command in commands_of.items():
                empty = Started(name, command)
                idle = empty.start_seconds
                empty.stop()
                full = Started(name, command, file)
                assert full.client.dbsize() == options.keys
                figures["load"][name].append((full.start_seconds - idle) / options.keys)
                figures["save"][name].append(full.save() / options.keys)
                full.stop()
        for what, of in figures.items():
            ratios = [ours / theirs for ours, theirs in zip(of["hutch"], of["redis"])]
            print(f"{what}: hutch {statistics.median(of['hutch']) * 1e6:.2f} us a key, redis {statistics.median(of['redis']) * 1e6:.2f} us, "
                  f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})")


if __name__ == "__main__":
    main()
