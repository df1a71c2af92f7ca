"""Stores in the place of servers: programs that build redis-py's clients get embedded stores, without a change of theirs.

    >>> import redis
    >>> from hutch.testing import patch
    >>> with patch() as servers:
    ...     _ = redis.Redis(host="cache.internal", port=6380, db=2).set("greeting", "hello")
    ...     redis.from_url("redis://cache.internal:6380/2").get("greeting"), len(servers.stores)
    (b'hello', 1)

What is replaced is what pools make their connections of (`ConnectionPool.__init__`, and asyncio's, and a few methods of the cluster's and
Sentinel's clients), as long as a patch is at work; the names in `redis` stay what they are, so it does not matter who has imported
them. Pools whose connections are redis-py's own get connections that lead to a store of this process. Pools with a
connection class of somebody else's (kombu has one) keep it: it connects to a Unix socket behind which the same store listens.
"""
from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import shutil
import socket
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any, Callable, TypeVar, overload
from urllib.parse import urlsplit

import redis.asyncio.cluster
import redis.asyncio.connection
import redis.asyncio.sentinel
import redis.cluster
import redis.connection
import redis.sentinel
from redis.exceptions import ConnectionError

from ..asyncio.connection import EmbeddedConnection as AsyncEmbeddedConnection
from ..connection import REPLY, EmbeddedConnection
from ..store import Store
from ..watched import WatchedConnection
from .clock import Clock
from .faults import Fault
from .faulty import Faulty, FaultyAsync, Injected

if TYPE_CHECKING:
    from ..client import Redis

__all__ = ["Patch", "patch"]

F = TypeVar("F", bound=Callable[..., Any])
OVER = "a client that was made under hutch.testing.patch() is used when no patch is at work"
HERE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", ""})
SLOTS = 16384
_at_work: list["Patch"] = []             # the last one answers
_lock = threading.RLock()


def current() -> "Patch":
    """The innermost patch. ConnectionError when none is at work."""
    try:
        return _at_work[-1]
    except IndexError:
        raise ConnectionError(OVER) from None


def address_of(host: Any = None, port: Any = None, path: Any = None) -> str:
    """What a store is known by: "host:port", with one spelling for this machine, or the path of a Unix socket."""
    if path is not None:
        return os.fspath(path)
    host = "localhost" if host is None or host in HERE else str(host)
    return f"{host}:{6379 if port is None else int(port)}"


# ---- connections

def _without_the_way(options: dict[str, Any]) -> dict[str, Any]:
    """Options that say nothing of how to reach a server, and of who one is to it."""
    return {name: value for name, value in options.items()
            if not name.startswith("ssl") and name not in ("username", "password", "credential_provider")}


class _Standing:
    """What both kinds of connection have in common: an address, and the store that stands there now."""

    _has_socket_timeout = True

    def __init__(self, host="localhost", port=6379, path=None, **options):
        self._address = address_of(host, port, path)
        super().__init__(current().store_at(self._address), **_without_the_way(options))
        self.host, self.port = host, port
        if path is not None:
            self.path = path

    def _faults(self):
        return (*self._plan, *(_at_work[-1].faults if _at_work else ()))

    def _settle(self):
        self.store = current().store_at(self._address)

    def set_maint_notifications_cluster_handler_for_connection(self, handler):
        """Nothing: a store does not move away."""

    def set_maint_notifications_pool_handler_for_connection(self, handler):
        """Nothing: a store does not move away."""

    def _cluster_answer(self, words):
        """What a cluster of this one node says of itself, or None for a question that is the store's."""
        name = b" ".join(part if isinstance(part, bytes) else str(part).encode() for part in words[:2]).upper()
        here = [str(self.host).encode(), int(self.port), b"0" * 40, []]
        if name == b"CLUSTER SLOTS":
            return [[0, SLOTS - 1, here]]
        if name == b"CLUSTER MYID":
            return here[2]
        return None


class _Told(Injected):
    """A reply that is not the store's."""

    def __init__(self, reply, decode):
        super().__init__(reply)
        self._decode = decode

    def read(self, decode=None):
        """The reply, once."""
        reply = super().read()
        return reply if decode is False or not self._decode else _decoded(reply)


def _decoded(reply):
    if isinstance(reply, list):
        return [_decoded(item) for item in reply]
    return reply.decode() if isinstance(reply, bytes) else reply


class _Watchable(WatchedConnection):
    """Has a descriptor for whoever asks for one (Celery waits for results with it); others wait without."""

    def send_packed_command(self, command, check_health=True):
        if self._sock is None or self._sock.bell is None:
            EmbeddedConnection.send_packed_command(self, command, check_health)
        else:
            super().send_packed_command(command, check_health)


class PatchedConnection(_Standing, Faulty, _Watchable):
    """Stands for redis.Connection and its like: leads to the store that stands at its address in the innermost patch."""

    def _connect(self):
        self._settle()
        return super()._connect()


class PatchedClusterConnection(PatchedConnection):
    """The same for a cluster's client, which hears that this node is all of it."""

    def send_packed_command(self, command, check_health=True):
        """As EmbeddedConnection's."""
        if len(command) == 1 and (answer := self._cluster_answer(command[0])) is not None:
            if self._sock is None:
                self.connect()
            self._incoming.append((REPLY, _Told(answer, self.encoder.decode_responses)))
            return
        super().send_packed_command(command, check_health)


class AsyncPatchedConnection(_Standing, FaultyAsync, AsyncEmbeddedConnection):
    """Stands for redis.asyncio.Connection and its like, in the same way."""

    def _open(self):
        self._settle()
        super()._open()

    async def connect(self):
        """As redis-py's."""
        if not self._live:
            self._settle()
        await super().connect()


class AsyncPatchedClusterConnection(AsyncPatchedConnection):
    """The same for a cluster's client."""

    async def send_packed_command(self, command, check_health=True):
        """As EmbeddedConnection's."""
        if len(command) == 1 and (answer := self._cluster_answer(command[0])) is not None:
            if not self._live:
                await self.connect()
            self._incoming.append((REPLY, _Told(answer, self.encoder.decode_responses)))
            return
        await super().send_packed_command(command, check_health)


def _listener_of(connection: Any) -> str:
    # Credentials are for the server that is stood in for.
    connection.username = connection.password = connection.credential_provider = None
    return current().listen_at(address_of(getattr(connection, "host", None), getattr(connection, "port", None),
                                          getattr(connection, "path", None)))


class _Through:
    """Stands before somebody else's class of connections."""

    def _connect(self):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(self.socket_connect_timeout)
            line.connect(_listener_of(self))
            line.settimeout(self.socket_timeout)
        except BaseException:
            line.close()
            raise
        return line


class _ThroughAsync:
    async def _connect(self):
        self._reader, self._writer = await asyncio.open_unix_connection(_listener_of(self))


_sync_kinds = (redis.connection.Connection, redis.connection.SSLConnection, redis.connection.UnixDomainSocketConnection)
_async_kinds = (redis.asyncio.connection.Connection, redis.asyncio.connection.SSLConnection,
                redis.asyncio.connection.UnixDomainSocketConnection)


@functools.lru_cache(maxsize=None)
def standing_for(kind: type, cluster: bool = False, sockets: bool = False) -> type:
    """The class of connections that a pool gets in the place of this one; `sockets`: under a patch that uses them."""
    if not isinstance(kind, type) or issubclass(kind, (_Through, _ThroughAsync)) or kind.__module__.partition(".")[0] == "hutch":
        return kind
    if kind in _sync_kinds and not (sockets and not cluster):
        return PatchedClusterConnection if cluster else PatchedConnection
    if kind in _async_kinds and not (sockets and not cluster):
        return AsyncPatchedClusterConnection if cluster else AsyncPatchedConnection
    for kinds, through in ((_sync_kinds, _Through), (_async_kinds, _ThroughAsync)):
        if issubclass(kind, kinds):
            return type(kind.__name__, (through, kind), {"__module__": kind.__module__})
    return kind


# ---- what is replaced in redis-py

def _pool_init(original):
    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.connection_class = standing_for(self.connection_class, False, current().sockets)
    return __init__


def _node_init(original):
    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.connection_class = standing_for(self.connection_class, True)
    return __init__


def _create_node(original):
    @functools.wraps(original)
    def create_redis_node(self, *args, **kwargs):
        client = original(self, *args, **kwargs)
        # (A socket's would ask the store what only a cluster knows.)
        if client.connection_pool.connection_class in (PatchedConnection, *(standing_for(kind, False, True) for kind in _sync_kinds)):
            client.connection_pool.connection_class = PatchedClusterConnection
        return client
    return create_redis_node


def _discover_master(original):
    @functools.wraps(original)
    def discover_master(self, service_name):
        return service_name, 6379
    return discover_master


def _discover_slaves(original):
    @functools.wraps(original)
    def discover_slaves(self, service_name):
        return [(service_name, 6379)]
    return discover_slaves


def _later(wrap):
    def wrapped(original):
        answer = wrap(original)

        @functools.wraps(original)
        async def method(self, *args):
            return answer(self, *args)
        return method
    return wrapped


_REPLACED: tuple[tuple[type, str, Callable], ...] = (
    (redis.connection.ConnectionPool, "__init__", _pool_init),
    (redis.asyncio.connection.ConnectionPool, "__init__", _pool_init),
    (redis.cluster.NodesManager, "create_redis_node", _create_node),
    (redis.asyncio.cluster.ClusterNode, "__init__", _node_init),
    (redis.sentinel.Sentinel, "discover_master", _discover_master),
    (redis.sentinel.Sentinel, "discover_slaves", _discover_slaves),
    (redis.asyncio.sentinel.Sentinel, "discover_master", _later(_discover_master)),
    (redis.asyncio.sentinel.Sentinel, "discover_slaves", _later(_discover_slaves)),
)
_originals: list[tuple[type, str, Any]] = []


def _replace() -> None:
    for kind, name, wrap in _REPLACED:
        original = vars(kind)[name]
        _originals.append((kind, name, original))
        setattr(kind, name, wrap(original))


def _put_back() -> None:
    while _originals:
        setattr(*_originals.pop())


# ---- a patch

class Patch:
    """As long as it is at work (in a ``with`` block, a decorated function, or from `start` to `stop`), redis-py's clients that are made
    lead to stores of this process instead of servers: one for each address. See `patch`.

    Clients that were made before are left alone. Those that are made now and live on lead, under another patch, to that one's stores;
    without one they refuse to connect. Patches nest: the innermost answers. They are for all threads of the process.
    """

    def __init__(self, *, databases: int = 16, clock: bool = False, sockets: bool = False, **parameters: Any):
        self._options = {"databases": databases, "clock": clock, "sockets": sockets, **parameters}
        self._databases, self._parameters, self._wants_clock = databases, parameters, clock
        self.sockets = sockets
        self._process = os.getpid()
        self.stores: dict[str, Store] = {}
        self.faults: list[Fault] = []
        self._servers: dict[str, Any] = {}
        self._clock: Clock | None = None
        self._time_keeper: Store | None = None
        self._directory: str | None = None

    # ---- beginning and end

    def start(self) -> "Patch":
        """Begin, and return the patch itself. RuntimeError where it is at work already."""
        with _lock:
            if self in _at_work:
                raise RuntimeError("this patch is at work already")
            if not _at_work:
                _replace()
            _at_work.append(self)
            self._process = os.getpid()
            if self._wants_clock:
                self.clock           # held from now on
        return self

    def stop(self) -> None:
        """End: the stores are closed, and redis-py is as it was once no other patch is at work. May be called again. O(keys)"""
        if os.getpid() != self._process:         # what there is belongs to the process that this one was forked from
            return
        with _lock:
            if self not in _at_work:
                return
            _at_work.remove(self)
            if not _at_work:
                _put_back()
        for server in self._servers.values():
            server.stop()
        for store in self.stores.values():
            store.close()
        if self._time_keeper is not None:
            self._time_keeper.close()
        self.stores, self._servers, self._clock, self._time_keeper = {}, {}, None, None
        self.faults.clear()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    __enter__ = start

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __call__(self, function: F) -> F:
        """A function, coroutine function, generator function (of either kind) or class of tests (methods that begin with "test"), each
        call of which runs under a fresh patch like this one."""
        again = lambda: Patch(**self._options)  # noqa: E731
        if inspect.isclass(function):
            for name, method in list(vars(function).items()):
                if name.startswith("test") and inspect.isfunction(method):
                    setattr(function, name, self(method))
            return function
        wrapped: Any
        if inspect.iscoroutinefunction(function):
            @functools.wraps(function)
            async def wrapped(*args, **kwargs):
                with again():
                    return await function(*args, **kwargs)
        elif inspect.isgeneratorfunction(function):
            @functools.wraps(function)
            def wrapped(*args, **kwargs):
                with again():
                    return (yield from function(*args, **kwargs))
        elif inspect.isasyncgenfunction(function):       # a fixture of pytest-asyncio's: nothing is sent into it
            @functools.wraps(function)
            async def wrapped(*args, **kwargs):
                with again():
                    async with contextlib.aclosing(function(*args, **kwargs)) as items:
                        async for item in items:
                            yield item
        else:
            @functools.wraps(function)
            def wrapped(*args, **kwargs):
                with again():
                    return function(*args, **kwargs)
        return wrapped

    # ---- its stores

    def store_at(self, address: str) -> Store:
        """The store that stands at an address, as `stores` has it: made when it is first asked for."""
        store = self.stores.get(address)
        if store is None or store.closed:
            with _lock:
                store = self.stores.get(address)
                if store is None or store.closed:
                    store = Store(databases=self._databases, **self._parameters)
                    if self._clock is not None:
                        self._clock.add(store)
                    self.stores[address] = store
        return store

    def store(self, url: str | None = None, *, host: str = "localhost", port: int = 6379, path: Any = None) -> Store:
        """The store in the place of a server, by its URL (redis, rediss or unix) or its address; made when there is none yet."""
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme == "unix":
                return self.store_at(address_of(path=parts.path))
            host, port = parts.hostname or "localhost", parts.port or 6379
        return self.store_at(address_of(host, port, path))

    def client(self, url: str | None = None, **options: Any) -> "Redis":
        """A hutch.Redis on the store in the place of a server, by its URL, to prepare and to look at; its database is that of the
        URL. Takes hutch.Redis's options."""
        from ..client import Redis
        if url is not None and "db" not in options:
            path = urlsplit(url).path.strip("/")
            if path.isdigit() and not url.startswith("unix"):
                options["db"] = int(path)
        return Redis(store=self.store(url), **options)

    @property
    def clock(self) -> Clock:
        """The clock of all stores of this patch, those to come included; held from when it is first asked for."""
        with _lock:
            if self._clock is None:
                # A store that nobody leads to keeps the time while there is no other.
                self._time_keeper = Store()
                self._clock = Clock(self._time_keeper, *self.stores.values())
            return self._clock

    def listen_at(self, address: str) -> str:
        """The path of a Unix socket behind which the store of an address listens. ConnectionError in a forked process for an address that
        nobody had asked for before."""
        if os.getpid() != self._process:         # the lock may be in the hands of a thread that is not here
            if address not in self._servers:
                raise ConnectionError(f"{address} was not known when this process was forked from that of hutch.testing.patch()")
            return self._servers[address].unix_socket
        with _lock:
            server = self._servers.get(address)
            if server is None:
                from ..server import Server
                if self._directory is None:
                    self._directory = tempfile.mkdtemp(prefix="hutch-patch-")
                server = Server(self.store_at(address), port=None, unixsocket=os.path.join(self._directory, str(len(self._servers))))
                self._servers[address] = server.start()
            return server.unix_socket

    def __repr__(self) -> str:
        return f"<hutch.testing.Patch of {', '.join(self.stores) or 'no server yet'}>"


@overload
def patch(function: F, **options: Any) -> F: ...
@overload
def patch(function: None = None, **options: Any) -> Patch: ...
def patch(function: Any = None, **options: Any) -> Any:
    """Let redis-py's clients lead to stores of this process instead of servers: a Patch, to be used in a ``with`` block, as a decorator
    (with or without parentheses), or with its `start` and `stop`.

    `databases` is how many each store has; `clock=True` holds their clock (`Patch.clock`) from the beginning; with `sockets=True` clients
    keep redis-py's own connections, to a Unix socket of the store's, so that processes forked from this one reach the stores, too (not
    a cluster's clients); other options are parameters of every store, as of hutch.Store: ``patch(maxmemory="10mb")``. Users and
    passwords of the program's are not looked at.

    What is reached: redis.Redis, from_url, from_pool, redis.asyncio, pools of both kinds, RedisCluster (a cluster of one node), Sentinel
    (the master of each name is a store at the address "name:6379"), and what stands on them: django-redis, Celery, RQ, limits ... A
    connection that is made without a pool is not.
    """
    made = Patch(**options)
    return made if function is None else made(function)


if sys.platform == "win32":              # no Unix sockets there
    class _Through:                      # type: ignore[no-redef]  # noqa: F811
        """Stands before somebody else's class of connections."""

        def _connect(self):
            raise ConnectionError("hutch.testing.patch() stands in for redis-py's own connections only, on this system")
