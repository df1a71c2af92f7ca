"""Which figures are given out, under which names: one table for Prometheus and OpenTelemetry."""
from __future__ import annotations

from typing import Iterator, Mapping, NamedTuple

from .figures import Figures, check_source


class Metric(NamedTuple):
    """A figure. `kind` is counter or gauge; `field` is INFO's, and `scale` what it is multiplied with."""

    name: str                # without prefix
    kind: str
    unit: str                # as OpenTelemetry writes it: By, s, {command}
    text: str
    field: str
    scale: float = 1.0


# What one number tells.
SINGLE = (
    Metric("uptime_seconds", "gauge", "s", "Since the store was opened or the server was started.", "uptime_in_seconds"),
    Metric("memory_used_bytes", "gauge", "By", "Memory of the data and what belongs to them.", "used_memory"),
    Metric("memory_peak_bytes", "gauge", "By", "The most that it has been.", "used_memory_peak"),
    Metric("memory_max_bytes", "gauge", "By", "The limit of maxmemory; 0 for none.", "maxmemory"),
    Metric("process_resident_bytes", "gauge", "By", "Memory of the whole process.", "used_memory_rss"),
    Metric("clients_connected", "gauge", "{client}", "Clients that are connected, embedded ones too.", "connected_clients"),
    Metric("clients_blocked", "gauge", "{client}", "Clients that wait in a command.", "blocked_clients"),
    Metric("clients_max", "gauge", "{client}", "The limit of maxclients.", "maxclients"),
    Metric("connections_received", "counter", "{connection}", "Connections that came.", "total_connections_received"),
    Metric("connections_rejected", "counter", "{connection}", "Connections that were refused for maxclients.", "rejected_connections"),
    Metric("commands_processed", "counter", "{command}", "Commands that were run.", "total_commands_processed"),
    Metric("error_replies", "counter", "{error}", "Errors that were answered.", "total_error_replies"),
    Metric("network_received_bytes", "counter", "By", "Bytes that came over sockets.", "total_net_input_bytes"),
    Metric("network_sent_bytes", "counter", "By", "Bytes that went over sockets.", "total_net_output_bytes"),
    Metric("keyspace_hits", "counter", "{key}", "Keys that were looked for and there.", "keyspace_hits"),
    Metric("keyspace_misses", "counter", "{key}", "Keys that were looked for and not there.", "keyspace_misses"),
    Metric("keys_expired", "counter", "{key}", "Keys whose deadline came.", "expired_keys"),
    Metric("keys_evicted", "counter", "{key}", "Keys that went for maxmemory.", "evicted_keys"),
    Metric("pubsub_channels", "gauge", "{channel}", "Channels that somebody listens to.", "pubsub_channels"),
    Metric("pubsub_patterns", "gauge", "{pattern}", "Patterns that somebody listens to.", "pubsub_patterns"),
    Metric("changes_since_save", "gauge", "{change}", "Changes since the last snapshot.", "rdb_changes_since_last_save"),
    Metric("last_save_timestamp_seconds", "gauge", "s", "When the last snapshot was finished, in Unix time.", "rdb_last_save_time"),
    Metric("aof_bytes", "gauge", "By", "Size of the append-only file.", "aof_current_size"),
    Metric("loading", "gauge", "1", "1 while files are loaded.", "loading"),
    Metric("cpu_user_seconds", "counter", "s", "Processor time of the whole process, its own.", "used_cpu_user"),
    Metric("cpu_system_seconds", "counter", "s", "Processor time of the whole process, the system's.", "used_cpu_sys"),
)

# What is told by database, command or kind of error: (metric, name of the label).
LABELLED = {
    "keys": (Metric("database_keys", "gauge", "{key}", "Keys, by database.", ""), "database"),
    "deadlines": (Metric("database_keys_with_deadline", "gauge", "{key}", "Keys with a deadline, by database.", ""), "database"),
    "calls": (Metric("command_calls", "counter", "{command}", "Calls, by command.", ""), "command"),
    "seconds": (Metric("command_seconds", "counter", "s", "Time spent, by command.", ""), "command"),
    "failed": (Metric("command_failures", "counter", "{command}", "Calls that failed or were refused, by command.", ""), "command"),
    "errors": (Metric("errors", "counter", "{error}", "Errors that were answered, by their first word.", ""), "error"),
}


def single(figures: Figures) -> "Iterator[tuple[Metric, float]]":
    """The plain figures of a source, those that it has. O(metrics)"""
    for metric in SINGLE:
        if figures.has(metric.field):
            yield metric, figures.number(metric.field) * metric.scale


def labelled(figures: Figures) -> "Mapping[str, list[tuple[str, float]]]":
    """By name in LABELLED: labels and values. O(commands)"""
    databases, commands = figures.databases, figures.commands
    return {
        "keys": [(str(number), one.keys) for number, one in databases.items()],
        "deadlines": [(str(number), one.with_deadline) for number, one in databases.items()],
        "calls": [(name, one.calls) for name, one in commands.items()],
        "seconds": [(name, one.usec / 1e6) for name, one in commands.items()],
        "failed": [(name, one.failed + one.rejected) for name, one in commands.items()],
        "errors": [(name, float(count)) for name, count in figures.errors.items()],
    }


def named(sources: "tuple[object, ...]", names: "Mapping[str, object]") -> "dict[str, object]":
    """Sources by the name that they are told apart by. ValueError when two have the same, TypeError for what is no source. O(sources)"""
    found: "dict[str, object]" = {}
    for source in (*sources, *names.values()):
        check_source(source)
    for source in sources:
        name = name_of(source)
        if name in found:
            raise ValueError(f"two stores are called {name!r}: give them names, as in orders=store")
        found[name] = source
    for name, source in names.items():
        if name in found:
            raise ValueError(f"two stores are called {name!r}")
        found[name] = source
    if not found:
        raise ValueError("there is nothing to look at: give stores, servers or clients")
    return found


def name_of(source: object) -> str:
    """What a source is called when nothing is said: a store's name or path, a remote server's address, "default"."""
    store = getattr(source, "store", source)
    name = getattr(store, "name", None)
    if isinstance(name, str) and name:
        return name
    pool = getattr(source, "connection_pool", None)
    where = getattr(pool, "connection_kwargs", None) or {}
    if where.get("host"):
        return f"{where['host']}:{where.get('port', 6379)}"
    return str(where.get("path") or "default")
