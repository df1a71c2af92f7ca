"""A listener in the background of a program, over the store that the program uses directly."""
from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, Iterable, Union
from urllib.parse import quote

from .exceptions import ForkedError, StoreClosedError
from .store import Store, begin, store_of

if TYPE_CHECKING:
    from hutch_engine.door.engine import Engine
    from .client import Redis

__all__ = ["Server"]

Parameter = Union[str, int, float, bool, Iterable[Union[str, int]]]
EVERYWHERE = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}   # bound to all: reached here


class Server:
    """Serve Redis clients from inside a program.

    >>> import hutch, redis
    >>> with hutch.Server(port=0) as server:               # port 0: a free one
    ...     direct = server.client()                       # the same store, without a socket
    ...     _ = direct.set("greeting", "hello")
    ...     redis.Redis(port=server.port).get("greeting")  # any Redis client
    b'hello'

    `store` is what is served: a hutch.Redis or hutch.Store; without one the server has a store of its own. That of a store in a
    directory is served besides its socket there, by the process that owns it (StoreLockedError in another). `host`
    is an address or a list of them, `port=None` leaves TCP out. Any other parameter of redis.conf is given by its name, with
    underscores: `maxmemory="100mb"`, `save=""`, `client_output_buffer_limit="normal 0 0 0"`. `crash_log`: when the process dies of a
    fault (SIGSEGV and its like), a report goes to the log file, or to standard error; other handlers are called afterwards.

    The listener runs in a native thread that does not need the GIL. It ends with `stop`, with the `with`
    block, or when the Server object goes; the store and its data stay as long as anybody uses them, and
    `start` serves them again. A parameter is one of the store, so it stays, too.

    ValueError for a parameter or a value that cannot be; TypeError for `databases` together with a store, and for a `store`
    that is none.
    """

    def __init__(self, store: Any = None, *, host: str | Iterable[str] = "127.0.0.1", port: int | None = 6379,
                 unixsocket: str | None = None, password: str | None = None, databases: int | None = None,
                 crash_log: bool = False, **parameters: Parameter):
        self._lock = threading.Lock()
        self._running = False
        self._port = 0
        self._hosts = host.split() if isinstance(host, str) else [str(one) for one in host]
        self._unix_socket = unixsocket
        self._password = password
        self._any_port = port == 0
        if store is not None and databases is not None:
            raise TypeError("a store that exists has its databases already")
        self.store: Store = Store(databases=databases or 16) if store is None else store_of(store)
        self._engine = self.store.engine
        if self.store.is_shared:
            if unixsocket:
                raise ValueError("a store in a directory has its Unix socket there")
            unixsocket = self.store.directory.address()      # which goes on to be served, besides TCP
        settings = {name.replace("_", "-"): _text(value) for name, value in parameters.items()}
        settings["bind"] = " ".join(self._hosts)
        settings["port"] = str(port or 0)
        settings["unixsocket"] = unixsocket or ""
        self._unix_socket = unixsocket
        if password is not None:
            settings["requirepass"] = password
        if crash_log:
            settings["crash-log-enabled"] = "yes"            # given by its name, it takes effect
        # Settled now, so that a mistake shows where it was made. They are the listener's from its start on.
        for name, value in settings.items():
            try:
                self._engine.configure(name, value)
            except ValueError as error:
                raise ValueError(f"{name.replace('-', '_')}={value!r}: {error}") from None
        if store is None:
            self.store._kept = begin(self._engine, parameters)
        self._settings = settings
        self._finalizer: weakref.finalize | None = None     # while it listens

    # ---- start and stop

    def start(self) -> "Server":
        """Begin to listen, and return the server itself; nothing happens while it listens already.

        OSError when an address or port cannot be had; StoreClosedError or ForkedError when the store is closed or another
        process's.
        """
        with self._lock:
            if self.running:
                return self
            if self.store.is_shared:
                self._engine.stop_listener()     # that of the directory alone: clients of other processes come again
            # Another server of this store may have listened elsewhere in the meantime.
            for name in ("bind", "port", "unixsocket"):
                self._engine.configure(name, self._settings[name])
            self._engine.start_listener(any_port=self._any_port)
            self._running = True
            self._port = self._engine.port
            self._finalizer = weakref.finalize(self, _stop, self._engine, self.store if self.store.is_shared else None)
            self.store.attach(self)        # so that it outlives the client that brought it
        return self

    def stop(self) -> None:
        """Close every connection and stop listening. The store stays. May be called again. O(connections)"""
        with self._lock:
            self._running = False
            if self._finalizer is not None:
                self._finalizer()
                self._finalizer = None
                self.store.detach(self)

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Does it listen? False, too, when the store was closed."""
        return self._running and not self._engine.is_closed

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until a client says SHUTDOWN, at most `timeout` seconds (None: without end). Returns whether one did.
        StoreClosedError when the store is closed."""
        return self._engine.wait_shutdown(timeout)

    # ---- where it is

    @property
    def host(self) -> str:
        """An address that reaches the server from this machine; "" without TCP."""
        if not self.port:
            return ""
        first = self._hosts[0].lstrip("-") if self._hosts else ""
        return EVERYWHERE.get(first, first)

    @property
    def port(self) -> int:
        """The TCP port; 0 without TCP, and while port 0 has not been replaced by a free one."""
        if self.running:
            return self._engine.port         # a client may have moved it by CONFIG SET
        return self._port or int(self._settings["port"])

    @property
    def unix_socket(self) -> str | None:
        """The path of the Unix socket as it was given; None without one."""
        return self._unix_socket

    @property
    def url(self) -> str:
        """A URL that redis.Redis.from_url takes; the Unix socket's only where there is no TCP."""
        user = f":{quote(self._password, safe='')}@" if self._password else ""
        if self.port:
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"redis://{user}{host}:{self.port}/0"
        return f"unix://{user}{self._unix_socket or ''}"

    def client(self, **options: Any) -> "Redis":
        """A hutch.Redis on the served store: no socket, no password. Takes hutch.Redis's options, and raises what it does for
        them."""
        from .client import Redis
        return Redis(store=self.store, **options)

    def __repr__(self) -> str:
        return f"<hutch.Server {self.url if self.running else 'stopped'}>"


def _text(value: Parameter) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int, float)):
        return str(value)
    return " ".join(str(one) for one in value)


def _stop(engine: "Engine", shared: Any = None) -> None:
    try:
        engine.stop_listener()
        if shared is not None:
            shared.listen()      # in its directory, for the other processes
    except (StoreClosedError, ForkedError):
        pass                     # the store is closed, or belongs to the process that this one was forked from
