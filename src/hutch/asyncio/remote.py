"""Connections of redis.asyncio to the process that owns a store in a directory, and the pool that leads there or into this process."""
import asyncio
import errno
import os
import time
import weakref

from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, MaxConnectionsError, TimeoutError

from ..connection import ADDRESS, EmbeddedPool, meaningful
from ..exceptions import OwnerLostError
from ..remote import OTHER_TROUBLE
from ..retrying import NOT_LOST, NOT_READ, NOT_SENT, ON_LINUX, READ, Pauses, lost, may_try_again, shortened, waits
from ..shared import PATIENCE_S
from ..store import store_of
from .connection import _NO_MAINTENANCE, EmbeddedConnectionPool


def _ended(error):
    """How a connection ended, of which the stream says this."""
    number = getattr(error, "errno", None)
    return NOT_READ if number == errno.EPIPE or (number == errno.ECONNRESET and ON_LINUX) else READ


class TakeoverRetry(Retry):
    """redis-py's Retry for one connection to an owner; see hutch.remote.TakeoverRetry."""

    def __init__(self, connection, given):
        super().__init__(given._backoff, given._retries, given._supported_errors)
        self._given = given
        self._connection = weakref.ref(connection)

    def __deepcopy__(self, memo):
        return self._given

    async def call_with_retry(self, do, fail, is_retryable=None, with_failure_count=False):
        """As redis-py's."""
        connection = self._connection()
        pauses = None
        failures = 0
        try:
            while True:
                try:
                    return await do()
                except ConnectionError as error:
                    failures += 1
                    ended = connection.ended
                    if isinstance(error, BusyLoadingError):
                        pauses = pauses or Pauses(PATIENCE_S)    # `hutch serve` is about to own the store
                        if pauses.over:
                            raise
                        await asyncio.sleep(next(pauses))
                    elif isinstance(error, OTHER_TROUBLE) or ended == NOT_LOST:
                        if not await self._tries_again(error, failures, is_retryable):
                            if isinstance(error, self._supported_errors) and not isinstance(error, OwnerLostError):
                                await self._failed(fail, error, failures, with_failure_count)
                            raise
                    else:
                        commands, seconds = connection.under_way()
                        if not may_try_again(commands, ended, seconds):
                            refusal = lost(connection.store, commands, error)
                            await self._failed(fail, refusal, failures, with_failure_count)
                            raise refusal from error
                        pauses = pauses or Pauses(PATIENCE_S)
                        if pauses.over:
                            raise
                        if len(commands) == 1 and waits(commands[0]):
                            connection.waited_since(time.monotonic() - seconds)
                    await self._failed(fail, error, failures, with_failure_count)
                except self._supported_errors as error:
                    failures += 1
                    again = await self._tries_again(error, failures, is_retryable)
                    await self._failed(fail, error, failures, with_failure_count)
                    if not again:
                        raise
        finally:
            connection.waited_since(None)

    async def _tries_again(self, error, failures, is_retryable):
        if not isinstance(error, self._supported_errors) or (is_retryable and not is_retryable(error)):
            return False
        if isinstance(error, (*OTHER_TROUBLE, TimeoutError)) and type(self._given._backoff) is NoBackoff and self._given._retries <= 1:
            return False
        if self._retries >= 0 and failures > self._retries:
            return False
        pause = self._backoff.compute(failures)
        if pause > 0:
            await asyncio.sleep(pause)
        return True

    @staticmethod
    async def _failed(fail, error, failures, with_failure_count):
        if with_failure_count:
            await fail(error, failures)
        else:
            await fail(error)


class RemoteConnection(AbstractConnection):
    """A connection to the process that owns a store, whichever that is when it connects: this one, too, when there is no other."""

    host = ADDRESS["host"]
    port = ADDRESS["port"]
    session = None                       # an EmbeddedConnection has one

    def __init__(self, store, **kwargs):
        self.store = store_of(store)
        self.pid = os.getpid()
        self._commands = ()
        self._sent_at = 0.0
        self._since = None
        self._stream = None              # between `_reach` and `_connect`
        self.ended = NOT_LOST
        super().__init__(**{**_NO_MAINTENANCE, "socket_timeout": None, "socket_connect_timeout": None, **meaningful(kwargs)})

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

    async def connect(self):
        """As redis-py's; an owner that ends amid the handshake is followed by another."""
        await self.retry.call_with_retry(self.connect_check_health, lambda error: self.disconnect())

    async def connect_check_health(self, check_health=True, retry_socket_connect=True):
        """As redis-py's. StoreClosedError when the store was closed in this process; StoreLockedError when a process has it that
        does not share it; ValueError when its files cannot be loaded."""
        if not self.is_connected:
            # Here, where redis-py does not wrap what is wrong with the store in another error; it takes over at `_connect`.
            self._stream = await self._reach()
            await super().connect_check_health(check_health, retry_socket_connect)

    async def _reach(self):
        store = self.store
        store.check_open()
        self.ended = NOT_LOST
        pauses = Pauses(PATIENCE_S)
        while True:
            if not store.is_owned:
                await asyncio.to_thread(store.take)      # loading takes its time, and the loop goes on
            try:
                return await asyncio.open_unix_connection(path=store.directory.address())
            except OSError as error:
                if pauses.over:
                    raise TimeoutError(f"nobody serves the store {store.name!r}, and {store.directory.owner() or 'somebody'} has its "
                                       f"lock: {error}") from None
            store.check_shared()
            await asyncio.sleep(next(pauses))

    async def _connect(self):
        (self._reader, self._writer), self._stream = self._stream, None

    def drop(self):
        """Disconnect, without waiting for anything."""
        self._parser.on_disconnect()
        try:
            self._close()
        except RuntimeError:             # its loop is closed
            self._writer = self._reader = None

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

    # ---- sending and reading

    async def send_packed_command(self, command, check_health=True):
        """As redis-py's. What is sent must have been packed by this connection."""
        noted = self._commands           # the handshake and the health check have commands of their own
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health and self.health_check_interval:
            await self.check_health()
        self._note(noted)
        self.ended = NOT_LOST
        reader = self._reader
        if reader.at_eof() or reader.exception() is not None:
            self.ended = NOT_SENT
            await self.disconnect(nowait=True)
            raise ConnectionError(f"the connection to the owner of the store {self.store.name!r} has ended")
        writer = self._writer
        try:
            writer.writelines([command] if isinstance(command, bytes) else command)
            if writer.transport.is_closing():
                self.ended = NOT_SENT    # the first write failed
                raise ConnectionError(f"the connection to the owner of the store {self.store.name!r} has ended")
            await writer.drain()
        except OSError as error:
            self.ended = _ended(reader.exception() or error)
            await self.disconnect(nowait=True)
            raise ConnectionError(f"the connection to the owner of the store {self.store.name!r} ended: {error}") from error
        except BaseException:
            await self.disconnect(nowait=True)
            raise

    async def send_command(self, *args, **kwargs):
        """As redis-py's."""
        if self._since is not None:
            args = shortened(args, time.monotonic() - self._since)
        await super().send_command(*args, **kwargs)

    def pack_command(self, *args):
        """As redis-py's; the command counts as the one that is sent next."""
        self._note((args,))
        return super().pack_command(*args)

    def pack_commands(self, commands):
        """As redis-py's; the commands count as those that are sent next."""
        commands = list(commands)
        packed = super().pack_commands(commands)
        self._note(commands)             # which redis-py has packed one by one
        return packed

    async def read_response(self, *args, **kwargs):
        """As redis-py's."""
        reader = self._reader
        try:
            response = await super().read_response(*args, **kwargs)
        except ConnectionError:
            if reader is not None and (reader.exception() is not None or reader.at_eof()):
                self.ended = _ended(reader.exception())
            raise
        if len(self._commands) == 1:
            self._commands = ()          # it is answered
        return response


class SharedConnectionPool(EmbeddedConnectionPool):
    """Connections to a store in a directory: sessions in this process while it is the owner, else to whoever is.

    The store is opened, and perhaps loaded, when a connection is first asked for.
    """

    remote_connection_class = RemoteConnection

    def __init__(self, name=None, **kwargs):
        self._remote = weakref.WeakKeyDictionary()       # loop -> idle ones: a stream belongs to its loop
        self._pid = os.getpid()
        super().__init__(name, **kwargs)

    @property
    def leads_elsewhere(self):
        """Is the owner another process, as far as is known?"""
        return not self.store.is_owned

    def make_remote_connection(self):
        """A connection to the owner, not connected yet."""
        return self.remote_connection_class(**self.connection_kwargs)

    def _tell_clients(self):
        # Sessions of an engine that this process does not have any more.
        if not self.store.is_owned:
            self._shared = self._scripts = None
            self._idle_sessions = []
        super()._tell_clients()

    def _check_process(self):
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._remote = weakref.WeakKeyDictionary()
            self._shared = self._scripts = None
            self._idle_sessions = []
            self._waiting = set()
            self._available_connections = []
            self._in_use_connections = set()
            super()._tell_clients()

    async def shared_connection(self):
        """As EmbeddedConnectionPool's, where this process is the owner."""
        self._check_process()
        return await super().shared_connection()

    async def get_connection(self, command_name=None, *keys, **options):
        """An open connection: a session of this process's engine if it owns the store, else one to the owner.

        Raises what EmbeddedConnectionPool.get_connection does; StoreLockedError when a process has the store that does not
        share it, ValueError when its files cannot be loaded, TimeoutError when the owner does not answer for a minute.
        """
        self._check_process()
        store = self.store
        if store.is_owned:
            return await super().get_connection()
        if store.closed:
            store.attach(self)
            store.check_open()
        loop = asyncio.get_running_loop()
        idle = self._remote.setdefault(loop, [])
        while idle and not idle[-1].is_connected:
            idle.pop()
        if not idle and await asyncio.to_thread(store.take):
            return await super().get_connection()
        if idle:
            connection = idle.pop()
        elif self._is_full():
            raise MaxConnectionsError("Too many connections")
        else:
            connection = self.make_remote_connection()
        self._in_use_connections.add(connection)
        try:
            if not connection.is_connected:
                await connection.connect()
            if not store.told and store.parameters:
                await self._tell(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def _tell(self, connection):
        wanted = []
        self.store.tell(lambda name, value: wanted.append((name, value)))
        async def configure(name, value):
            await connection.send_command("CONFIG", "SET", name, value)
            await connection.read_response()

        try:
            for name, value in wanted:
                await connection.retry.call_with_retry(lambda: configure(name, value), lambda error: connection.disconnect())  # noqa: B023
        except BaseException:
            self.store.told = False
            raise

    async def release(self, connection):
        """Give back a connection that get_connection gave. One that is not in use here is ignored."""
        if not isinstance(connection, RemoteConnection):
            await super().release(connection)
            return
        try:
            self._in_use_connections.remove(connection)
        except KeyError:
            return
        if getattr(connection, "_should_reconnect", False):     # redis-py 7 and later mark connections so
            await connection.disconnect()
        if connection.is_connected and connection.pid == os.getpid():
            self._remote.setdefault(asyncio.get_running_loop(), []).append(connection)

    async def disconnect(self, inuse_connections=True):
        """Disconnect what is idle; with `inuse_connections` (the default) also what is in use. The store stays. O(connections)"""
        await super().disconnect(inuse_connections)
        here = asyncio.get_running_loop()
        for loop, connections in list(self._remote.items()):
            for connection in connections:
                if loop is here:
                    await connection.disconnect()
                else:
                    connection.drop()
            connections.clear()

    def _idle_connections(self):
        return [*getattr(self, "_available_connections", ()),
                *(one for several in getattr(self, "_remote", {}).values() for one in several)]


class RemoteBlockingConnectionPool(EmbeddedPool, BlockingConnectionPool):
    """So many connections to the owner of a store, whose callers wait until one is free; also where the owner is this process."""

    _retry_class = Retry

    def __init__(self, name=None, *, store=None, keep=False, connection_class=RemoteConnection, parameters=None, **kwargs):
        self._take_store(name, store, keep, parameters)
        super().__init__(connection_class=connection_class, store=self.store, **{**ADDRESS, **_NO_MAINTENANCE, **kwargs})
        self.store.attach(self)

    async def get_connection(self, command_name=None, *keys, **options):
        """A connection, when one is free. ConnectionError when none is within the pool's `timeout`, or the store is closed."""
        self.store.attach(self)
        return await super().get_connection()

    async def aclose(self):
        """Disconnect. This process's part in a store that was opened by this pool ends with its last pool. O(connections)"""
        await self.disconnect()
        self.store.detach(self)

