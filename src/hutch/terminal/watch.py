"""What `hutch top` shows: what a server tells of itself, asked again and again, and its rates in between.

Nothing is asked that would hold a server up: keys are looked at a few at a time, along a SCAN that goes on from one look to the next.
What a server does not have, or does not let this user see, is left out and named.
"""
from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Sequence

from ..metrics.figures import Figures, number_of
from .link import Link
from .resp import Failure
from .words import typed

KEPT = 100                   # keys whose size is remembered
SHOWN = 10
CLIENTS_MAX = 2_000          # more are counted, and not listed
LOOK_S = 0.15                # at most, for keys


@dataclass
class Sample:
    """One look."""

    at: float
    time: float
    figures: Figures
    own: "Counter[str]"                              # our own calls until then, by the names of commandstats
    own_errors: int
    own_bytes: "tuple[int, int]"
    slow: "list[dict[str, Any]]" = field(default_factory=list)
    clients: "list[dict[str, str]]" = field(default_factory=list)
    missing: "dict[str, str]" = field(default_factory=dict)


def _show(data: Any) -> str:
    return typed(data) if isinstance(data, bytes) else str(data)


class Watch:
    """Looks at what is at the other end of a link. `keys` is how many keys are looked at between two pictures."""

    def __init__(self, link: Link, keys: int = 200):
        self._link = link
        self._keys = keys
        self._own: "Counter[str]" = Counter()
        self._own_errors = 0
        self._missing: "dict[str, str]" = {}
        self._cursor = b"0"
        self._sizes: "dict[bytes, int]" = {}
        self._heats: "dict[bytes, int]" = {}
        self._seen = 0
        self._rounds = 0
        self._ask("client|no-touch", "CLIENT", "NO-TOUCH", "ON")
        self._missing.clear()                        # older servers' looks count as use: no news to anybody

    def _ask(self, name: str, *words: Any, optional: bool = True) -> Any:
        if name in self._missing:
            return None
        reply = self._link.call(*words)
        if isinstance(reply, Failure):
            self._own_errors += 1                    # what is unknown or forbidden is not counted as a command
            if optional:
                self._missing[name] = reply.text
            return None
        self._own[name] += 1
        return reply

    def look(self) -> Sample:
        """Ask for everything once. ConnectionLost when the connection breaks."""
        text = self._ask("info", "INFO", "everything")
        if text is None:
            self._missing.pop("info", None)
            text = self._ask("info", "INFO") or b""
        figures = Figures(text)
        # Taken with the counters: what we ask from here on is in the next ones.
        own = Counter(self._own)
        own["info"] -= 1                             # INFO counts itself when it is over
        sample = Sample(time.monotonic(), time.time(), figures, own, self._own_errors, (self._link.received_bytes, self._link.sent_bytes))
        sample.slow = [_slow(entry) for entry in self._ask("slowlog|get", "SLOWLOG", "GET", SHOWN) or ()
                       if isinstance(entry, list) and len(entry) >= 4]
        if figures.number("connected_clients") <= CLIENTS_MAX:
            lines = self._ask("client|list", "CLIENT", "LIST") or b""
            sample.clients = [dict(part.split("=", 1) for part in line.split(" ") if "=" in part)
                              for line in lines.decode("utf-8", "replace").splitlines()]
        if self._keys:
            self._look_at_keys(figures)
        sample.missing = {name: text for name, text in self._missing.items()}
        return sample

    def _look_at_keys(self, figures: Figures) -> None:
        end = time.monotonic() + LOOK_S
        left = self._keys
        again = sorted(self._sizes, key=self._sizes.__getitem__, reverse=True)[:SHOWN]
        again += sorted(self._heats, key=self._heats.__getitem__, reverse=True)[:SHOWN]
        self._measure(list(dict.fromkeys(again)), figures)
        while left > 0 and time.monotonic() < end:
            reply = self._ask("scan", "SCAN", self._cursor, "COUNT", min(left, 100))
            if not isinstance(reply, list) or len(reply) != 2:
                return
            self._cursor, keys = reply
            self._measure(keys, figures)
            self._seen += len(keys)
            left -= max(len(keys), 10)
            if self._cursor == b"0":
                self._rounds += 1
                break

    def _measure(self, keys: "Sequence[bytes]", figures: Figures) -> None:
        for begin in range(0, len(keys), 100):
            part = keys[begin:begin + 100]
            for name, words, kept in (("memory|usage", ("MEMORY", "USAGE"), self._sizes), ("object|freq", ("OBJECT", "FREQ"), self._heats)):
                if name in self._missing or (name == "object|freq" and "lfu" not in figures.text("maxmemory_policy")):
                    continue
                replies = self._link.pipeline([(*words, key) for key in part])
                self._own[name] += len(part)
                for key, reply in zip(part, replies):
                    if isinstance(reply, Failure):
                        self._missing.setdefault(name, reply.text)
                    elif isinstance(reply, int):
                        kept[key] = reply
                    else:
                        kept.pop(key, None)          # it is gone
                if len(kept) > 4 * KEPT:
                    best = sorted(kept, key=kept.__getitem__, reverse=True)[:KEPT]
                    for key in set(kept) - set(best):
                        del kept[key]

    def picture(self, before: Sample, now: Sample) -> "dict[str, Any]":
        """What happened between two looks, as JSON has it. O(commands + clients)"""
        seconds = max(now.at - before.at, 1e-9)
        own = now.own - before.own
        figures, earlier = now.figures, before.figures

        def rate(name: str, less: float = 0) -> float:
            return round(max(figures.number(name) - earlier.number(name) - less, 0) / seconds, 2)

        hits = figures.number("keyspace_hits") - earlier.number("keyspace_hits")
        misses = figures.number("keyspace_misses") - earlier.number("keyspace_misses")
        all_hits, all_misses = figures.number("keyspace_hits"), figures.number("keyspace_misses")
        lfu = "lfu" in figures.text("maxmemory_policy")
        return {
            "server": {"address": self._link.target.label, "version": figures.text("redis_version"),
                       **({"valkey_version": figures.text("valkey_version")} if figures.has("valkey_version") else {}),
                       **({"hutch_version": figures.text("hutch_version")} if figures.has("hutch_version") else {}),
                       "role": figures.text("role"), "uptime_s": int(figures.number("uptime_in_seconds"))},
            "time": round(now.time, 3), "seconds": round(seconds, 6),
            "operations_per_s": rate("total_commands_processed", sum(own.values())),
            "bytes_in_per_s": rate("total_net_input_bytes", now.own_bytes[1] - before.own_bytes[1]),
            "bytes_out_per_s": rate("total_net_output_bytes", now.own_bytes[0] - before.own_bytes[0]),
            "hit_rate": round(hits / (hits + misses), 4) if hits + misses > 0 else None,
            "hit_rate_ever": round(all_hits / (all_hits + all_misses), 4) if all_hits + all_misses > 0 else None,
            "expired_per_s": rate("expired_keys"), "evicted_per_s": rate("evicted_keys"),
            "errors_per_s": rate("total_error_replies", now.own_errors - before.own_errors),
            "cpu": round((figures.number("used_cpu_user") + figures.number("used_cpu_sys") - earlier.number("used_cpu_user")
                          - earlier.number("used_cpu_sys")) / seconds, 3),
            "memory": {"used": int(figures.number("used_memory")), "peak": int(figures.number("used_memory_peak")),
                       "rss": int(figures.number("used_memory_rss")), "max": int(figures.number("maxmemory")),
                       "fragmentation": figures.number("mem_fragmentation_ratio"), "policy": figures.text("maxmemory_policy")},
            "keys": {"all": figures.keys, "databases": {
                str(number): {"keys": one.keys, "with_deadline": one.with_deadline, "average_ttl_ms": one.average_ttl_ms}
                for number, one in figures.databases.items()}},
            "clients": {"connected": int(figures.number("connected_clients")), "blocked": int(figures.number("blocked_clients")),
                        "pubsub": int(figures.number("pubsub_clients")), "max": int(figures.number("maxclients")),
                        "list": _clients(now.clients)},
            "commands": _commands(before, now, own, seconds),
            "biggest_keys": [{"key": _show(key), "bytes": size} for key, size in _most(self._sizes)],
            "hottest_keys": [{"key": _show(key), "frequency": heat} for key, heat in _most(self._heats)] if lfu else None,
            "keys_looked_at": self._seen, "rounds_of_keys": self._rounds,
            "slow": now.slow,
            "missing": now.missing,
        }


def _most(values: "dict[bytes, int]") -> "list[tuple[bytes, int]]":
    return sorted(values.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]


def _slow(entry: "list[Any]") -> "dict[str, Any]":
    return {"id": entry[0], "time": entry[1], "usec": entry[2], "command": " ".join(_show(word) for word in entry[3] or ())[:200],
            "client": _show(entry[4]) if len(entry) > 4 else "", "name": _show(entry[5]) if len(entry) > 5 else ""}


def _clients(clients: "list[dict[str, str]]") -> "list[dict[str, Any]]":
    """Those that take most memory."""
    found: "list[dict[str, Any]]" = [{"id": int(number_of(client.get("id"))), "address": client.get("addr", ""), "name": client.get("name", ""),
              "user": client.get("user", ""), "age_s": int(number_of(client.get("age"))), "idle_s": int(number_of(client.get("idle"))),
              "memory": int(number_of(client.get("tot-mem"))), "output_memory": int(number_of(client.get("omem"))),
              "command": client.get("cmd", "")} for client in clients]
    return sorted(found, key=lambda client: (-client["memory"], client["id"]))[:SHOWN]


def _commands(before: Sample, now: Sample, own: "Counter[str]", seconds: float) -> "list[dict[str, Any]]":
    earlier = before.figures.commands
    latencies = now.figures.latencies
    rows: "list[dict[str, Any]]" = []
    for name, figures in now.figures.commands.items():
        past = earlier.get(name)
        calls = figures.calls - (past.calls if past else 0)
        usec = figures.usec - (past.usec if past else 0)
        others = calls - own.get(name, 0)
        if others <= 0:
            continue
        rows.append({"command": name, "per_s": round(others / seconds, 2), "usec": round(usec / calls, 2),
                     "cpu": round(usec / calls * others / seconds / 1e6, 4),
                     "failed": figures.failed + figures.rejected - (past.failed + past.rejected if past else 0),
                     **{percentile: latencies[name][percentile] for percentile in ("p50", "p99", "p99.9") if percentile in latencies.get(name, ())}})
    return sorted(rows, key=lambda row: (-row["cpu"], row["command"]))[:2 * SHOWN]
