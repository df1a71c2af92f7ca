"""A listener in the background of a program, over the store that the program uses directly."""
from __future__ import annotations

import threading
import weakref
from os.path import abspath
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Union
from urllib.parse import quote

from .exceptions import ForkedError, StoreClosedError
from .store import Store, apply_configuration, begin, configuration, databases_of, store_of
from .tls import TLS

if TYPE_CHECKING:
    import os
    from hutch_engine.door.engine import Engine
    from .client import Redis

__all__ = ["Server"]

Parameter = Union[str, int, float, bool, Iterable[Union[str, int]]]
HOST, PORT = "127.0.0.1", 6379
SECRETS = ("requirepass", "tls-key-file-pass")
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

    `config` is the path of a redis.conf. Its directives come before all that is given here; `host` and `port` are the file's where
    they are left at their defaults. In it, as everywhere in a redis.conf, `port 0` leaves TCP out.

    With `tls` (a hutch.TLS, a mapping of its arguments, or the path of a file with certificate and key) `port` speaks TLS, and
    nothing is served in the clear; with `tls_port`, too, that port does, and `port` stays plain:

        hutch.Server(port=6380, tls=hutch.TLS("server.crt", "server.key"))      # rediss://127.0.0.1:6380

    The listener runs in a native thread that does not need the GIL. It ends with `stop`, with the `with`
    block, or when the Server object goes; the store and its data stay as long as anybody uses them, and
    `start` serves them again. A parameter is one of the store, so it stays, too.

    ValueError for a parameter or a value that cannot be (of a file: with its name and line); OSError for a file that cannot be read;
    TypeError for `databases` together with a store, and for a `store`
    that is none.
    """

    def __init__(self, store: Any = None, *, host: str | Iterable[str] = HOST, port: int | None = PORT,
                 tls: TLS | Mapping[str, object] | str | None = None, tls_port: int | None = None, unixsocket: str | None = None,
                 password: str | None = None, databases: int | None = None,
                 crash_log: bool = False, config: "str | os.PathLike[str] | None" = None, **parameters: Parameter):
        directives = [] if config is None else configuration(config)
        told = {line.name: line.value for line in directives}
        if host == HOST and "bind" in told:
            host = told["bind"]
        if port == PORT and "port" in told:
            port = int(told["port"]) or None if told["port"].isdecimal() else port     # (a wrong one is refused below)
        unixsocket = unixsocket or told.get("unixsocket") or None
        password = told.get("requirepass") if password is None else password
        self._lock = threading.Lock()
        self._running = False
        self._port = 0
        self._hosts = host.split() if isinstance(host, str) else [str(one) for one in host]
        self._unix_socket = unixsocket
        self._password = password
        self._tls_port = 0
        if tls is not None and tls_port is None:
            port, tls_port = None, port
        self._any_port = port == 0
        self._any_tls_port = tls is not None and tls_port == 0
        if store is not None and databases is not None:
            raise TypeError("a store that exists has its databases already")
        self.store: Store = Store(databases=databases or databases_of(directives)) if store is None else store_of(store)
        self._engine = self.store.engine
        apply_configuration(self._engine, directives, without=() if store is None else ("databases",))
        if config is not None:
            self._engine.use_config_file(abspath(config))
        if self.store.is_shared:
            if unixsocket:
                raise ValueError("a store in a directory has its Unix socket there")
            unixsocket = self.store.directory.address()      # which goes on to be served, besides TCP
        settings = {name.replace("_", "-"): _text(value) for name, value in parameters.items()}
        settings["bind"] = " ".join(self._hosts)
        settings["port"] = str(port or 0)
        settings["tls-port"] = str(tls_port or 0)
        if tls is not None:
            settings.update(TLS.of(tls).parameters())
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
                shown = "..." if name in SECRETS else repr(value)
                raise ValueError(f"{name.replace('-', '_')}={shown}: {error}") from None
        if store is None:
            self.store._kept = begin(self._engine, {**told, **parameters})
        self._settings = settings
        self._finalizer: weakref.finalize | None = None     # while it listens

    # ---- start and stop

    def start(self) -> "Server":
        """Begin to listen, and return the server itself; nothing happens while it listens already.

        OSError when an address or port cannot be had, or a certificate not be read; StoreClosedError or ForkedError when the store is closed or another
        process's.
        """
        with self._lock:
            if self.running:
                return self
            if self.store.is_shared:
                self._engine.stop_listener()     # that of the directory alone: clients of other processes come again
            # Another server of this store may have listened elsewhere in the meantime.
            for name, value in self._settings.items():
                if name in ("bind", "port", "unixsocket") or name.startswith("tls-"):
                    self._engine.configure(name, value)
            self._engine.start_listener(any_port=self._any_port, any_tls_port=self._any_tls_port)
            self._running = True
            self._port = self._engine.port
            self._tls_port = self._engine.tls_port
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
        if not self.port and not self.tls_port:
            return ""
        first = self._hosts[0].lstrip("-") if self._hosts else ""
        return EVERYWHERE.get(first, first)

    @property
    def port(self) -> int:
        """The TCP port, that of TLS where there is no other; 0 without TCP, and while port 0 has not been replaced by a free one."""
        return self._plain_port or self.tls_port

    @property
    def _plain_port(self) -> int:
        if self.running:
            return self._engine.port         # a client may have moved it by CONFIG SET
        return self._port or int(self._settings["port"])

    @property
    def tls_port(self) -> int:
        """The port that speaks TLS; 0 without TLS, and while port 0 has not been replaced by a free one."""
        if self.running:
            return self._engine.tls_port
        return self._tls_port or int(self._settings["tls-port"])

    @property
    def unix_socket(self) -> str | None:
        """The path of the Unix socket as it was given; None without one."""
        return self._unix_socket

    @property
    def url(self) -> str:
        """A URL that redis.Redis.from_url takes: rediss:// where TCP speaks TLS alone, the Unix socket's only where there is no TCP."""
        user = f":{quote(self._password, safe='')}@" if self._password else ""
        if self.port:
            host = f"[{self.host}]" if ":" in self.host else self.host
            return f"redis{'' if self._plain_port else 's'}://{user}{host}:{self.port}/0"
        return f"unix://{user}{self._unix_socket or ''}"

    def client(self, **options: Any) -> "Redis":
        """A hutch.Redis on the served store: no socket, no password. Takes hutch.Redis's options, and raises what it does for
        them."""
        from .client import Redis
        return Redis(store=self.store, **options)

    def __repr__(self) -> str:
        if not self.running:
            return "<hutch.Server stopped>"
        from .connecting import without_password
        return f"<hutch.Server {without_password(self.url)}>"


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
