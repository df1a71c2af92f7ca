"""Connections of redis-py to the process that owns a store in a directory, and pools that lead there or into this process."""
import os
import socket
import time
import weakref

from redis.connection import AbstractConnection, BlockingConnectionPool, ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, MaxConnectionsError, TimeoutError
from redis.retry import Retry

from .connection import _NO_MAINTENANCE, ADDRESS, EmbeddedConnectionPool, EmbeddedPool, meaningful
from .exceptions import OwnerLostError, StoreClosedError, StoreLockedError
from .retrying import NOT_LOST, Pauses, how_it_ended, lost, may_try_again, shortened, waits
from .shared import PATIENCE_S
from .store import store_of

READ_AT_ONCE = 65536
# ConnectionErrors that say something else than that the connection is gone.
OTHER_TROUBLE = (StoreClosedError, StoreLockedError, MaxConnectionsError, AuthenticationError, BusyLoadingError, OwnerLostError)
_SUBSCRIBES = frozenset({"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "HELLO", "RESET", "CLIENT"})


class Socket(socket.socket):
    """A socket that remembers how it ended, and gives back first what was read too early."""

    ended = NOT_LOST

    def __init__(self):
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self.ahead = b""
        self.sent = False                # anything of what is under way

    def sendall(self, data, *flags):
        """As socket.socket's."""
        try:
            count = self.send(data, *flags)
            self.sent = True
            if count != len(data):
                super().sendall(memoryview(data)[count:], *flags)
        except OSError as error:
            self.ended = how_it_ended(error, False, self.sent)
            raise

    def recv(self, size, *flags):
        """As socket.socket's."""
        if self.ahead:
            found, self.ahead = self.ahead[:size], self.ahead[size:]
            return found
        try:
            found = super().recv(size, *flags)
        except (BlockingIOError, InterruptedError, socket.timeout):
            raise
        except OSError as error:
            self.ended = how_it_ended(error, True)
            raise
        if not found:
            self.ended = how_it_ended(None, True)
        return found

    def recv_into(self, buffer, size=0, *flags):
        """As socket.socket's."""
        found = self.recv(size or len(buffer), *flags)
        memoryview(buffer)[:len(found)] = found
        return len(found)


class TakeoverRetry(Retry):
    """redis-py's Retry for one connection to an owner: when that ends, what was under way is tried again if it may be; the caller
    hears OwnerLostError otherwise. Errors of other kinds are retried as `given`, the Retry of the client, says."""

    def __init__(self, connection, given):
        super().__init__(given._backoff, given._retries, given._supported_errors)
        self._given = given
        self._connection = weakref.ref(connection)

    def __deepcopy__(self, memo):
        return self._given

    def call_with_retry(self, do, fail, is_retryable=None, with_failure_count=False):
        """As redis-py's."""
        connection = self._connection()
        pauses = None
        failures = 0
        try:
            while True:
                try:
                    return do()
                except ConnectionError as error:
                    failures += 1
                    ended = connection.ended
                    if isinstance(error, BusyLoadingError):
                        pauses = pauses or Pauses(PATIENCE_S)    # `hutch serve` is about to own the store
                        if pauses.over:
                            raise
                        time.sleep(next(pauses))
                    elif isinstance(error, OTHER_TROUBLE) or ended == NOT_LOST:
                        if not self._tries_again(error, failures, is_retryable):
                            if isinstance(error, self._supported_errors) and not isinstance(error, OwnerLostError):
                                self._failed(fail, error, failures, with_failure_count)
                            raise
                    else:
                        commands, seconds = connection.under_way()
                        if not may_try_again(commands, ended, seconds):
                            refusal = lost(connection.store, commands, error)
                            self._failed(fail, refusal, failures, with_failure_count)
                            raise refusal from error
                        pauses = pauses or Pauses(PATIENCE_S)
                        if pauses.over:
                            raise
                        if len(commands) == 1 and waits(commands[0]):
                            connection.waited_since(time.monotonic() - seconds)
                    self._failed(fail, error, failures, with_failure_count)
                except self._supported_errors as error:
                    failures += 1
                    again = self._tries_again(error, failures, is_retryable)
                    self._failed(fail, error, failures, with_failure_count)
                    if not again:
                        raise
        finally:
            connection.waited_since(None)

    def _tries_again(self, error, failures, is_retryable):
        if not isinstance(error, self._supported_errors) or (is_retryable and not is_retryable(error)):
            return False
        if isinstance(error, (*OTHER_TROUBLE, TimeoutError)) and self._is_default:
            return False                 # whoever asks for more says so by a Retry of his own
        if self._retries >= 0 and failures > self._retries:
            return False
        pause = self._backoff.compute(failures)
        if pause > 0:
            time.sleep(pause)
        return True

    @property
    def _is_default(self):
        return type(self._given._backoff) is NoBackoff and self._given._retries <= 1

    @staticmethod
    def _failed(fail, error, failures, with_failure_count):
        if with_failure_count:
            fail(error, failures)
        else:
            fail(error)


class RemoteConnection(AbstractConnection):
    """A connection to the process that owns a store, whichever that is when it connects: this one, too, when there is no other."""

    host = ADDRESS["host"]
    port = ADDRESS["port"]
    session = None                       # an EmbeddedConnection has one

    def __init__(self, store, **kwargs):
        self.store = store_of(store)
        self._commands = ()              # that were sent last
        self._sent_at = 0.0
        self._since = None
        self._pushes = False             # may anything come that no command asked for?
        self.ended = NOT_LOST
        super().__init__(**{**_NO_MAINTENANCE, "socket_timeout": None, "socket_connect_timeout": None, **meaningful(kwargs)})
        self._utf8 = self.encoder.encoding.lower().replace("_", "-") in ("utf-8", "utf8") and self.encoder.encoding_errors == "strict"

    @property
    def retry(self):
        """A TakeoverRetry over the one that was given."""
        return self._retry

    @retry.setter
    def retry(self, given):
        self._retry = TakeoverRetry(self, given._given if isinstance(given, TakeoverRetry) else given)

    def repr_pieces(self):
        """As redis-py's: (name, value) pairs for the connection's repr."""
        pieces = [("store", self.store.name), ("db", self.db)]
        if self.client_name:
            pieces.append(("client_name", self.client_name))
        return pieces

    def _host_error(self):
        return f"store {self.store.name}"

    def _error_message(self, exception):
        return f"store {self.store.name}: {exception}"

    # ---- beginning and ending

    def _connect(self):
        store = self.store
        store.check_open()
        self._pushes = False
        self.ended = NOT_LOST
        pauses = Pauses(PATIENCE_S)
        while True:
            store.take()                 # nobody's: ours
            line = Socket()
            try:
                line.connect(store.directory.address())
                line.settimeout(self.socket_timeout)
                return line
            except (ConnectionError, OSError) as error:
                line.close()
                if pauses.over:
                    raise TimeoutError(f"nobody serves the store {store.name!r}, and {store.directory.owner() or 'somebody'} has its "
                                       f"lock: {error}") from None
            store.check_shared()
            time.sleep(next(pauses))

    def connect(self):
        """As redis-py's; an owner that ends amid the handshake is followed by another."""
        self.retry.call_with_retry(self.connect_check_health, lambda error: self.disconnect())

    def disconnect(self, *args, **kwargs):
        """As redis-py's."""
        if self._sock is not None and self._sock.ended != NOT_LOST:
            self.ended = self._sock.ended
        super().disconnect(*args, **kwargs)

    @property
    def is_usable(self):
        """Is it connected? Whether the owner is still there shows when something is sent."""
        return self._sock is not None

    # ---- what is under way

    def under_way(self):
        """The commands that were sent last, and how many seconds ago."""
        return self._commands, time.monotonic() - self._sent_at

    def waited_since(self, moment):
        """A waiting command was first sent at that moment (of time.monotonic): when it is sent again, it has less time left."""
        self._since = moment

    def _note(self, commands):
        self._commands = commands
        self._sent_at = time.monotonic()
        for words in commands:
            if words and words[0] in _SUBSCRIBES:
                self._pushes = True

    # ---- redis-py's way

    def send_packed_command(self, command, check_health=True):
        """As redis-py's. What is sent must have been packed by this connection."""
        if self._sock is None:
            noted = self._commands, self._sent_at        # the handshake has commands of its own
            self.connect_check_health(check_health=False)
            self._note(noted[0])
        if check_health and self.health_check_interval:
            noted = self._commands
            self.check_health()
            self._note(noted)
        self.ended = NOT_LOST
        self._sock.sent = False
        super().send_packed_command(command, False)

    def send_command(self, *args, **kwargs):
        """As redis-py's."""
        if self._since is not None:
            args = shortened(args, time.monotonic() - self._since)
        self._note((args,))
        super().send_command(*args, **kwargs)

    def pack_command(self, *args):
        """As redis-py's; the command counts as the one that is sent next."""
        self._note((args,))
        return super().pack_command(*args)

    def pack_commands(self, commands):
        """As redis-py's; the commands count as those that are sent next."""
        commands = list(commands)
        self._note(commands)
        return super().pack_commands(commands)

    def read_response(self, *args, **kwargs):
        """As redis-py's."""
        response = super().read_response(*args, **kwargs)
        if len(self._commands) == 1:
            self._commands = ()          # it is answered
        return response

    # ---- our way

    def call(self, args):
        """Send a command and return its reply; an error reply is raised. ConnectionError when the connection ends."""
        sock = self._sock
        if sock is None or self._pushes or self.health_check_interval or self._since is not None or args[0] in _SUBSCRIBES:
            self.send_command(*args)
            return self.read_response()
        self._commands = (args,)
        self._sent_at = time.monotonic()
        self.ended = NOT_LOST
        data = self._packed(args)
        if data is None:
            self.send_command(*args)
            return self.read_response()
        sock.sent = False
        try:
            sock.sendall(data)
            data = sock.recv(READ_AT_ONCE)
        except socket.timeout:
            self.disconnect()
            raise TimeoutError(f"the owner of the store {self.store.name!r} did not answer in time") from None
        except OSError as error:
            self.disconnect()
            raise ConnectionError(f"the connection to the owner of the store {self.store.name!r} ended: {error}") from None
        except BaseException:
            self.disconnect()
            raise
        kind = data[:1]
        if kind == b"$":
            end = data.find(b"\r\n", 1, 24)
            if end > 0:
                length = int(data[1:end])
                if length >= 0:
                    if len(data) == end + 4 + length:
                        self._commands = ()
                        return self.encoder.decode(data[end + 2:-2])
                elif len(data) == 5:
                    self._commands = ()
                    return None
        elif kind == b":":
            if data[-1] == 10 and data.find(b"\r\n") == len(data) - 2:
                self._commands = ()
                return int(data[1:-2])
        elif kind == b"+":
            if data[-1] == 10 and data.find(b"\r\n") == len(data) - 2:
                self._commands = ()
                return self.encoder.decode(data[1:-2])
        elif data == b"_\r\n":
            self._commands = ()
            return None
        elif not data:
            self.disconnect()
            raise ConnectionError(f"the connection to the owner of the store {self.store.name!r} ended")
        reader = getattr(self._parser, "_reader", None)
        if reader is not None and reader is not False:
            reader.feed(data)            # hiredis's
        else:
            sock.ahead = data            # for redis-py's parser
        return self.read_response()

    def _packed(self, args):
        """The command as bytes; None for one that redis-py packs better."""
        name = args[0]
        if not self._utf8 or type(name) is not str or " " in name:
            return None
        pieces = [b"*%d\r\n" % len(args)]
        for word in args:
            kind = type(word)
            if kind is str:
                word = word.encode()
            elif kind is int:
                word = b"%d" % word
            elif kind is not bytes:
                word = self.encoder.encode(word)
            if len(word) > READ_AT_ONCE:
                return None
            pieces.append(b"$%d\r\n%b\r\n" % (len(word), word))
        return b"".join(pieces)


class SharedConnectionPool(EmbeddedConnectionPool):
    """Connections to a store in a directory: sessions in this process while it is the owner, else to whoever is.

    TypeError and ValueError as EmbeddedConnectionPool; StoreLockedError when a process has the store that does not share it.
    """

    remote_connection_class = RemoteConnection

    def __init__(self, name=None, **kwargs):
        self._remote = []                # idle ones
        super().__init__(name, **kwargs)
        try:
            self.store.take()
        except BaseException:
            self.store.detach(self)
            raise

    def make_remote_connection(self):
        """A connection to the owner, not connected yet."""
        options = dict(self.connection_kwargs)
        connection = self.remote_connection_class(**options)
        if self.cache is not None:
            from redis.connection import CacheProxyConnection
            connection = CacheProxyConnection(connection, self.cache, self._lock)
        return connection

    def get_connection(self, command_name=None, *keys, **options):
        """An open connection: a session of this process's engine if it owns the store, else one to the owner.

        Raises what EmbeddedConnectionPool.get_connection does; TimeoutError when the owner does not answer for a minute.
        """
        store = self.store
        if self.pid != os.getpid():
            self._checkpid()
        if store.is_owned:
            return super().get_connection()
        if store._closed:
            store.attach(self)
            store.check_open()
        if not self._remote and store.take():
            return super().get_connection()
        try:
            connection = self._remote.pop()
        except IndexError:
            with self._lock:
                if len(self._in_use_connections) >= self.max_connections:
                    raise MaxConnectionsError("Too many connections") from None
                connection = self.make_remote_connection()
        self._in_use_connections.add(connection)
        try:
            if getattr(connection, "_conn", connection)._sock is None:
                connection.connect()
                if store.is_owned and type(connection) is RemoteConnection:
                    # It has become ours meanwhile: the short way.
                    self.release(connection)
                    return super().get_connection()
            if not store.told and store.parameters:
                store.tell(lambda name, value: _configured(connection, name, value))
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection):
        """Give back a connection that get_connection gave. One that is not in use here is ignored."""
        if not isinstance(getattr(connection, "_conn", connection), RemoteConnection):
            super().release(connection)
            return
        if self.pid != os.getpid():
            self._checkpid()
        try:
            self._in_use_connections.remove(connection)
        except KeyError:
            return
        if connection.pid != self.pid or getattr(connection, "_should_reconnect", False):
            connection.disconnect()
        if connection.pid == self.pid:
            self._remote.append(connection)

    def reset(self):
        """As redis-py's: forget all connections, in a child for example."""
        self._remote = []
        super().reset()

    def disconnect(self, inuse_connections=True):
        """Disconnect the idle connections, and with `inuse_connections` (the default) those in use. O(connections)"""
        super().disconnect(inuse_connections)
        for connection in list(self._remote):
            connection.disconnect()

    def _idle_connections(self):
        return [*getattr(self, "_available_connections", ()), *getattr(self, "_remote", ())]


def _configured(connection, name, value):
    def attempt():
        connection.send_command("CONFIG", "SET", name, value)
        connection.read_response()

    connection.retry.call_with_retry(attempt, lambda error: connection.disconnect())


class RemoteConnectionPool(EmbeddedPool, ConnectionPool):
    """Connections to the owner of a store, also where that is this process: for who waits for their descriptors."""

    _retry_class = Retry

    def __init__(self, name=None, *, store=None, keep=False, connection_class=RemoteConnection, parameters=None, **kwargs):
        self._take_store(name, store, keep, parameters)
        super().__init__(connection_class=connection_class, store=self.store, **{**_NO_MAINTENANCE, **ADDRESS, **kwargs})
        self.store.attach(self)

    def get_connection(self, command_name=None, *keys, **options):
        """An open connection. Raises what redis.ConnectionPool.get_connection does, and StoreClosedError when the store is closed."""
        self.store.attach(self)
        return super().get_connection()

    def close(self):
        """Disconnect. This process's part in a store that was opened by this pool ends with its last pool. O(connections)"""
        self.disconnect()
        self.store.detach(self)


class RemoteBlockingConnectionPool(EmbeddedPool, BlockingConnectionPool):
    """So many connections to the owner of a store, whose callers wait until one is free; also where the owner is this process."""

    _retry_class = Retry

    def __init__(self, name=None, *, store=None, keep=False, connection_class=RemoteConnection, parameters=None, **kwargs):
        self._take_store(name, store, keep, parameters)
        super().__init__(connection_class=connection_class, store=self.store, **{**_NO_MAINTENANCE, **ADDRESS, **kwargs})
        self.store.attach(self)

    def _idle_connections(self):
        queue = getattr(self, "pool", None)
        return () if queue is None else list(queue.queue)

    def get_connection(self, command_name=None, *keys, **options):
        """A connection, when one is free. ConnectionError when none is within the pool's `timeout`, or the store is closed."""
        self.store.attach(self)
        return super().get_connection()

    def close(self):
        """Disconnect. This process's part in a store that was opened by this pool ends with its last pool. O(connections)"""
        self.disconnect()
        self.store.detach(self)

