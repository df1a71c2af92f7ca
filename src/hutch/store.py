"""A store: the engine that one or more clients share, and the stores that go by a name."""
import os
import threading
import weakref

from hutch_engine.door.engine import Engine

from .exceptions import ForkedError, StoreClosedError

KEEPING = frozenset({"dir", "dbfilename", "appendonly", "save"})       # parameters of stores that are kept in files

_lock = threading.RLock()        # re-entrant: the collector may end a client while a store is being looked up
_named = weakref.WeakValueDictionary()
_lasting = set()                 # of those, the ones that last without clients


def is_path(name) -> bool:
    """Does a client's name say where a store is kept, as a path, rather than what a store of this process is called?"""
    return isinstance(name, os.PathLike) or name in (os.curdir, os.pardir) or (
        isinstance(name, str) and (os.sep in name or bool(os.altsep and os.altsep in name)))


class Store:
    """Databases and their configuration, inside this process.

    A client made without one has a store to itself. To share one, give clients the same name
    (``hutch.Redis("sessions")``) or the same object::

        >>> import hutch
        >>> store = hutch.Store()
        >>> hutch.Redis(store=store).set("greeting", "hello")
        True
        >>> hutch.Redis(store=store).get("greeting")
        b'hello'

    Such a store lasts until it is closed, or nobody has it any more. One that goes by a name ends with its last client, unless
    one of them said ``keep=True``.

    Keyword arguments are parameters as CONFIG SET knows them, with underscores:
    ``Store(maxmemory="100mb", maxmemory_policy="allkeys-lru")``. `seed` makes random choices repeatable.

    A store is in memory only, unless a parameter says where and how it is kept: ``Store(dir="data", appendonly=True)`` loads what is
    there, and logs every change from then on; ``save="60 1000"`` saves it now and then.

    `config` is the path of a redis.conf, whose directives come before the keyword arguments. What is a server's in it (``port``,
    ``daemonize`` ...) is left to hutch.Server; ``dir`` moves the store's files and not the program.

    ValueError for a parameter or a value that cannot be (of a file: with its name and line), and when files cannot be loaded; StoreLockedError when another process has
    them open; MemoryError when there is no memory.
    """

    is_shared = False            # may another process own the engine?

    def __init__(self, *, databases: int | None = None, seed: int = 0, config=None, **parameters):
        self.name = None
        directives = [] if config is None else configuration(config)
        if databases is None:
            databases = databases_of(directives) if directives else 16
        self.engine = Engine(databases, seed, closed_error=StoreClosedError, forked_error=ForkedError)
        self._pools = None       # of clients that made this store, and that it ends with; see `attach`
        self._ended_with_clients = False
        self._pid = os.getpid()
        apply_configuration(self.engine, directives)
        if config is not None:
            self.engine.use_config_file(os.path.abspath(config))
        for parameter, value in parameters.items():
            self.engine.configure(parameter.replace("_", "-"), text_of(value))
        self._kept = begin(self.engine, {**{line.name: line.value for line in directives}, **parameters})

    def __repr__(self):
        return f"<{type(self).__module__}.{type(self).__name__}({self.name or hex(id(self))})>"

    @property
    def closed(self) -> bool:
        """Was the store closed, by `close` or with its last client?"""
        return self.engine.is_closed

    def close(self) -> None:
        """End all clients and free everything. May be called again. O(keys)

        RuntimeError when a script of this thread is still running in the store. In a forked child nothing happens.
        """
        _lasting.discard(self)
        self.engine.close()
        if self._kept is not None:
            self._kept.release()

    def __del__(self):
        kept = getattr(self, "_kept", None)
        if kept is not None:
            kept.end()           # other processes wait for the lock

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()

    def keep(self) -> None:
        """Let the store outlive its clients: one that goes by a name lasts as long as the process, unless it is closed."""
        with _lock:
            self._pools = None
            if self.name is not None:
                _lasting.add(self)

    def check_open(self) -> None:
        """Raise StoreClosedError, and say why, if the store ended with its last client; otherwise nothing happens."""
        if self._ended_with_clients and self._pid == os.getpid() and self.engine.is_closed:
            raise StoreClosedError(
                "the store is closed: it ended when its last client was closed. Give clients a hutch.Store of yours, or say "
                "keep=True, to keep a store without clients")

    def attach(self, pool) -> None:
        """Note that this pool uses the store: one that clients made for themselves ends with the last of its pools."""
        with _lock:
            if self._pools is not None:
                self._pools.add(pool)

    def detach(self, pool) -> None:
        """The pool does not use the store any more. Closes a store that clients made for themselves when it was the last."""
        with _lock:
            if self._pools is None or pool not in self._pools:
                return
            self._pools.discard(pool)
            if self._pools:
                return
            self._ended_with_clients = True
            if self.name is not None and _named.get(self.name) is self:
                del _named[self.name]
        self.close()


def configuration(path):
    """The directives of a redis.conf. ValueError, with file and line, where it is none; OSError where it cannot be read."""
    from .cli_config import configuration
    return configuration(path)


def databases_of(directives):
    """How many databases a configuration asks for. ValueError where that is no number."""
    from .cli_config import ConfigError, databases_of
    try:
        return databases_of(directives)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def apply_configuration(engine, directives, without=()):
    """Give the engine a configuration, but for directives of the names in `without`. ValueError, with file and line, for the first
    that it refuses."""
    if directives:
        from .cli_config import ConfigError, prepare
        try:
            prepare((line for line in directives if line.name not in without), engine)
        except ConfigError as error:
            raise ValueError(str(error)) from None


def begin(engine, parameters):
    """The end of an engine's making: what these parameters say of files is done. Returns the lock of the directory, if there is one.

    ValueError when the files cannot be loaded, or begun; StoreLockedError when another process has them open. Then the engine is
    closed.
    """
    given = {name.replace("-", "_"): value for name, value in parameters.items() if value not in (False, None, "", "no")}
    if KEEPING.isdisjoint(given):
        engine.settle()
        return None
    from .shared import keep_directory
    kept = None
    try:
        # An append-only file is one process's. Files that are saved now and then may lie beside each other, as with Redis.
        kept = keep_directory(given.get("dir", "."), engine, always="appendonly" in given)
        engine.restore()
    except BaseException:
        engine.close()
        if kept is not None:
            kept.release()
        raise
    return kept


def text_of(value):
    """A parameter's value as text, as in a redis.conf."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def private_store() -> Store:
    """A new store for one client, which ends with it."""
    store = Store()
    store._pools = weakref.WeakSet()
    return store


def named_store(name) -> Store:
    """The store of that name in this process, made when there is none. It ends with its last client, unless it is kept.

    ValueError for an empty name.
    """
    if not name:
        raise ValueError("a store's name must not be empty")
    with _lock:
        store = _named.get(name)
        # A forked child starts afresh: what it inherited is its parent's.
        if store is None or store.closed or store._pid != os.getpid():
            store = private_store()
            store.name = name
            _named[name] = store
        return store


def store_of(value) -> Store:
    """The store behind what a client was given: a Store, or an object with one as its `store`, as a Server. TypeError for all
    else."""
    store = value if isinstance(value, Store) else getattr(value, "store", None)
    if not isinstance(store, Store):
        raise TypeError(f"store must be a hutch.Store or a hutch.Server, not {type(value).__name__}")
    return store
