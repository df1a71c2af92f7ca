"""A store in a directory, which several processes use: one owns its engine and listens, the others are its clients.

Whoever comes first has the directory's lock, loads the files, and listens on a Unix socket in the directory. When the owner
ends, however it ends, the lock is free; whoever needs the store next takes it, loads, and is the owner from then on.
"""
import atexit
import os
import socket
import stat
import sys
import threading
import time
import weakref

from hutch_engine.door.engine import Engine

from .directory import SOCKET_NAME, StoreDirectory, quoted
from .exceptions import ForkedError, StoreClosedError
from .store import Store, text_of

# What the owner settles, whatever the settings say.
_OWN = frozenset({"dir", "appendonly", "port", "bind", "unixsocket", "unixsocketperm", "daemonize", "pidfile", "logfile", "databases"})
_STRICTNESS = {"no": 0, "everysec": 1, "always": 2}
PATIENCE_S = 60.0                # how long a call waits for an owner that does not answer: loading may take long

no_fork = threading.RLock()      # held while a lock is being taken: a child must know of each that it has inherited
_held = set()                    # of _Holding and Kept: what this process has locked
_known = weakref.WeakSet()       # all shared stores
_by_path = weakref.WeakValueDictionary()
_lock = threading.RLock()


class _Holding:
    """What the owner has: the lock, the engine with what was in the files, and the listener. Raises what Engine.restore and
    Engine.start_listener do, with the lock still taken."""

    def __init__(self, directory, lock, parameters):
        self.pid = os.getpid()
        self.lock = lock
        self.address = directory.address()
        lock.say("loading")
        if not directory.is_store:
            directory.remember({})
        lines = directory.settings()
        self.engine = engine = Engine(_databases(lines, parameters), closed_error=StoreClosedError, forked_error=ForkedError)
        try:
            engine.configure("save", "")
            engine.configure("appendfsync", "everysec")
            for line in lines:
                if line.split(" ", 1)[0].lower() not in _OWN:
                    engine.configure_line(line)
            for name, value in parameters.items():
                if name not in _OWN:
                    engine.configure(name, value)
            engine.use_config_file(directory.settings_path)
            engine.configure("dir", directory.path)
            engine.configure("appendonly", "yes")
            engine.restore()
            self.listen()
            lock.say("serving")
        except BaseException:
            engine.close()
            raise

    def listen(self):
        """Listen in the directory. OSError when that cannot be."""
        if os.path.islink(self.address):
            os.unlink(self.address)      # of `hutch serve`, to a socket elsewhere
        for name, value in {"bind": "", "port": "0", "tls-port": "0", "unixsocket": self.address, "unixsocketperm": "600"}.items():
            self.engine.configure(name, value)
        self.engine.start_listener()

    def end(self):
        """Write everything, let go of the lock. In a child nothing happens. May be called again."""
        if self.pid != os.getpid():
            return
        engine = self.engine
        if not engine.is_closed:
            # First the listener, between two turns: what came in is answered, and what did not was not run.
            try:
                engine.stop_listener()
            except StoreClosedError:
                pass
            engine.close()
        with no_fork:
            self.lock.release()
            _held.discard(self)

    def forget(self):
        """In a child of the process: what it has inherited is let go of, so that the owner's end is seen by others."""
        self.lock.release()
        close_sockets_at(self.address)


def close_sockets_at(address):
    """Close this process's sockets that are bound to that path, and those that were accepted there. O(descriptors)"""
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            numbers = [int(name) for name in os.listdir(directory)]
            break
        except OSError:
            numbers = []
    for number in numbers:
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as one:
                is_there = one.family == socket.AF_UNIX and one.getsockname() == address
            if is_there:
                os.close(number)
        except OSError:
            continue


def _databases(lines, parameters):
    found = 16
    for line in lines:
        name, _, value = line.partition(" ")
        if name.lower() == "databases":
            found = int(value)
    return int(parameters.get("databases", found))


class Kept:
    """The lock of a directory, while no listener shares what is in it. With it ends its engine, if there is one."""

    def __init__(self, lock, address="", engine=None):
        self.pid = os.getpid()
        self.lock = lock
        self.address = address
        self.engine = engine

    def release(self):
        """Let go of the lock. In a child nothing happens. May be called again."""
        if self.pid == os.getpid():
            with no_fork:
                self.lock.release()
                _held.discard(self)

    def end(self):
        """Close the engine, then let go of the lock. In a child nothing happens. May be called again."""
        if self.pid == os.getpid():
            if self.engine is not None:
                self.engine.close()
            self.release()

    def forget(self):
        """In a child of the process: the copy is let go of."""
        self.lock.release()
        if self.address:
            close_sockets_at(self.address)


def _kept_lock(directory, engine=None):
    """The lock as a Kept, for who will not wait for it; None when somebody has it. Whoever only looks has it for a moment: that is
    waited for. OSError as StoreDirectory.lock."""
    for _ in range(5):
        with no_fork:
            lock = directory.lock()
            if lock is not None:
                kept = Kept(lock, "", engine)
                _held.add(kept)
                return kept
        time.sleep(0.02)
    return None


def keep_directory(path, engine, always=True):
    """Lock a directory for an engine whose files are in it, and that other processes do not reach there; returns a Kept. Without
    `always` only one that is a store's already is locked. None when it was not, or the file system has no locks.

    StoreLockedError when somebody has it.
    """
    try:
        directory = StoreDirectory(path, make=False)
    except ValueError:
        return None                      # no POSIX system
    if not always and not directory.is_locked:
        return None
    try:
        kept = _kept_lock(directory, engine)
    except OSError:
        return None                      # the engine will say what is wrong with the directory
    if kept is None:
        raise directory.refusal()
    kept.lock.say("not shared")
    _end_with_process()
    return kept


class Served:
    """A directory with a store, for a server process that is its owner on purpose: the lock, what the settings there add to the
    server's own, and the socket. Made when the server does not fork any more."""

    def __init__(self, path, appendonly, given, socket_path):
        self._directory = StoreDirectory(path, make=False)
        self._kept = None
        self._link = ""
        self.lines = []                  # of the configuration, to be added
        # Without an append-only file, files that are saved now and then may lie beside each other, as with Redis.
        self.wanted = appendonly or self._directory.is_locked
        self._socket_path = socket_path
        if not appendonly and not self._directory.is_store:
            return
        if self._directory.is_store:
            if "appendonly" not in given:
                self.lines.append("appendonly yes")
            self.lines += [line for line in self._directory.settings()
                           if line.split(" ", 1)[0].lower() not in _OWN and line.split(" ", 1)[0].lower() not in given]
        if not socket_path:
            self.lines += [f"unixsocket {quoted(self._directory.address())}", "unixsocketperm 600"]

    def begin(self):
        """Take the lock. StoreLockedError when another process has it."""
        if not self.wanted:
            return
        try:
            self._kept = _kept_lock(self._directory)
        except OSError:
            return                       # the engine will say what is wrong with the directory
        if self._kept is None:
            raise self._directory.refusal()
        self._kept.lock.say("loading")
        link = os.path.join(self._directory.path, SOCKET_NAME)
        try:
            if os.path.islink(link) or (self._socket_path and os.path.lexists(link)):
                os.unlink(link)          # left behind by an owner that was killed
            if self._socket_path:
                os.symlink(os.path.abspath(self._socket_path), link)
                self._link = link
        except OSError:
            pass

    def serves(self):
        """Everything is loaded."""
        if self._kept is not None:
            self._kept.lock.say("serving")

    def end(self):
        """Let go of everything; the engine is closed."""
        if self._link:
            try:
                os.unlink(self._link)
            except OSError:
                pass
        if self._kept is not None:
            self._kept.release()


class SharedStore(Store):
    """A store that is kept in a directory, for all processes that open it.

        >>> import hutch, tempfile
        >>> with tempfile.TemporaryDirectory() as place, hutch.SharedStore(place + "/store") as store:
        ...     hutch.Redis(store=store).set("greeting", "hello")
        True

    ``hutch.Redis("path/to/store")`` makes one, which ends with its last client in this process; one that is made here ends
    when it is closed. Parameters are given as for hutch.Store; they are kept in the directory, so that whoever owns the store later
    begins with them. One of the processes is the owner: its clients' calls run in the process, those of the others go through a
    Unix socket in the directory.

    ValueError for a path that cannot be a store's and for parameters that cannot be; StoreLockedError when a process has the store
    that does not share it.
    """

    is_shared = True

    def __init__(self, path, **parameters):
        self.directory = StoreDirectory(path)
        self.name = self.directory.given
        self.parameters = {}
        self.is_owned = False            # by this process
        self.told = False               # the owner, of our parameters
        self._holding = None
        self._pools = None
        self._clients_pools = weakref.WeakSet()
        self._ended_with_clients = False
        self._closed = False
        self._pid = os.getpid()
        self._taking = threading.RLock()
        self.want(parameters)
        with _lock:
            _known.add(self)

    def want(self, parameters) -> None:
        """Ask for parameters. ValueError for one that a shared store settles for itself, or that cannot be."""
        wanted = {name.replace("_", "-").lower(): text_of(value) for name, value in parameters.items() if value is not None}
        for name in wanted:
            if name in _OWN - {"databases"}:
                raise ValueError(f"{name} is not for a shared store to be told: it is kept by an append-only file in its directory, and "
                                 "served there. hutch.Server serves it elsewhere, too")
        if wanted:
            trial = Engine(int(wanted.get("databases", 1)))
            try:
                for name, value in wanted.items():
                    if name != "databases":
                        trial.configure(name, value)
            finally:
                trial.close()
        new = {name: value for name, value in wanted.items() if self.parameters.get(name) != value}
        if new:
            self.parameters.update(new)
            self.told = False
            if self.is_owned:
                self.tell(self._configure)

    def _configure(self, name, value):
        self.engine.configure(name, value)

    def tell(self, configure) -> None:
        """Bring this process's parameters to the owner by ``configure(name, value)``, once, and keep them for those to come. A
        promise about the disk is only made stricter."""
        if self.told:
            return
        self.told = True
        wanted = {name: value for name, value in self._wanted().items() if name != "databases"}
        try:
            for name, value in wanted.items():
                configure(name, value)
            if wanted:
                self.directory.remember(wanted)
        except BaseException:
            self.told = False
            raise

    def _wanted(self):
        wanted = dict(self.parameters)
        mine = wanted.get("appendfsync")
        if mine is not None:
            for line in self.directory.settings():
                name, _, value = line.partition(" ")
                if name.lower() == "appendfsync" and _STRICTNESS.get(value.strip(), 0) > _STRICTNESS.get(mine, 0):
                    del wanted["appendfsync"]
                    break
        return wanted

    # ---- owning

    def take(self) -> bool:
        """Is this process the owner? It becomes so if there is none: then the files are loaded first. O(bytes)

        ValueError when they cannot be loaded; StoreClosedError when this store was closed; OSError when the directory is gone.
        """
        if self.is_owned:
            return True
        with self._taking:
            if self.is_owned:
                return True
            if self._closed:
                raise StoreClosedError("the store is closed")
            with no_fork:
                lock = self.directory.lock()
                if lock is None:
                    return False
                kept = Kept(lock, self.directory.address())      # a fork while files are loaded: the child lets go
                _held.add(kept)
            try:
                wanted = self._wanted()
                holding = _Holding(self.directory, lock, wanted)
            except BaseException:
                kept.release()
                raise
            with no_fork:
                _held.discard(kept)
                _held.add(holding)
            self._holding = holding
            self.is_owned = True
            if wanted and not self.told:
                self.directory.remember(wanted)
            self.told = True
            _end_with_process()
        for pool in list(self._clients_pools):
            pool._tell_clients()
        return True

    def listen(self) -> None:
        """Serve the other processes: for who has stopped the listener. StoreClosedError when this process does not own the store any
        more; OSError when the socket cannot be had."""
        holding = self._holding
        if holding is None or not self.is_owned:
            raise StoreClosedError("the store is closed in this process")
        holding.listen()

    def check_shared(self) -> None:
        """StoreLockedError when the owner is one that does not share the store."""
        state = self.directory.owner().partition(" ")[2]
        if state.startswith("not shared"):
            raise self.directory.refusal()

    @property
    def engine(self):
        """The engine, where this process is the owner. StoreLockedError where another is, StoreClosedError when the store was
        closed."""
        holding = self._holding
        if self.is_owned and holding is not None:
            return holding.engine
        if self.take():
            return self._holding.engine
        raise self.directory.refusal()

    @property
    def closed(self) -> bool:
        """Was the store closed in this process, by `close` or with its last client?"""
        return self._closed

    @property
    def owner(self) -> int:
        """The number of the process that owns the store; 0 when none does. It may be another a moment later."""
        if self.is_owned:
            return os.getpid()
        with no_fork:
            lock = self.directory.lock()
            if lock is not None:
                lock.release()
                return 0
        pid = self.directory.owner().partition(" ")[0]
        return int(pid) if pid.isdigit() else 0

    def close(self) -> None:
        """End this process's use of the store. If it is the owner, everything is written to the disk, and another process may
        take over. May be called again.

        RuntimeError when a script of this thread is still running in the store. In a forked child nothing happens.
        """
        if self._pid != os.getpid():
            return
        with self._taking:
            self._closed = True
            holding, self._holding = self._holding, None
            self.is_owned = False
            if holding is not None:
                try:
                    holding.end()
                except RuntimeError:
                    self._holding, self.is_owned, self._closed = holding, True, False
                    raise
        for pool in list(self._clients_pools):
            pool._tell_clients()

    def keep(self) -> None:
        """Let this process's part in the store outlive its clients."""
        with _lock:
            self._pools = None
            _lasting.add(self)

    def check_open(self) -> None:
        """Raise StoreClosedError if the store was closed in this process; otherwise nothing happens."""
        if self._closed:
            raise StoreClosedError("the store is closed in this process")

    def attach(self, pool) -> None:
        """Note that this pool uses the store; one that ended with its last client begins anew."""
        with _lock:
            if not hasattr(pool, "_tell_clients"):
                return
            self._clients_pools.add(pool)
            if self._pools is not None:
                self._pools.add(pool)
                if self._closed and self._ended_with_clients:
                    self._closed = self._ended_with_clients = False

    def detach(self, pool) -> None:
        """The pool does not use the store any more. This process's part in it ends with the last one."""
        with _lock:
            if self._pools is None or pool not in self._pools:
                return
            self._pools.discard(pool)
            if self._pools:
                return
            self._ended_with_clients = True
        self.close()

    def _after_fork(self):
        self._taking = threading.RLock()
        self._pid = os.getpid()
        self._holding = None
        self.is_owned = False

    def __del__(self):
        try:
            self.close()
        except Exception:
            pass


_lasting = set()                 # stores that somebody keeps


def shared_store(path, parameters=None) -> SharedStore:
    """This process's part in the store in that directory, made when there is none. It ends with its last client.

    Raises what SharedStore does.
    """
    with _lock:
        store = _by_path.get(os.path.realpath(path))
        if store is None:
            store = SharedStore(path, **(parameters or {}))
            store._pools = weakref.WeakSet()
            _by_path[store.directory.path] = store
        else:
            if store.closed and not os.path.isdir(store.directory.path):
                store.directory = StoreDirectory(path)       # it was removed since
            store.want(parameters or {})
        return store


# ---- the ends of processes

def end_all() -> None:
    """Write and close every store that this process owns."""
    for holding in list(_held):
        try:
            holding.end()
        except Exception:        # a script of this thread, say: the process ends anyway
            pass
    for store in list(_known):
        if store.is_owned:
            store.is_owned = False
            store._closed = True


def _end_with_process():
    # Children that multiprocessing or Celery's billiard forks end without `atexit`, after these.
    for name in ("multiprocessing.util", "billiard.util"):
        util = sys.modules.get(name)
        if util is not None and _finalized.get(name) != os.getpid():
            _finalized[name] = os.getpid()
            util.Finalize(None, end_all, exitpriority=-100)


_finalized = {}
atexit.register(end_all)


def _after_fork_in_child():
    global no_fork, _lock
    no_fork = threading.RLock()
    _lock = threading.RLock()
    for holding in list(_held):
        holding.forget()
    _held.clear()
    for store in list(_known):
        store._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lambda: no_fork.acquire(), after_in_parent=lambda: no_fork.release(),
                        after_in_child=_after_fork_in_child)
