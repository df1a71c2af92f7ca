"""Connections of redis-py that lead to a store in this process.

redis-py talks to a connection in three steps: pack, send, read. Here packing keeps the words, sending
runs them in the connection's session, and reading decodes what they answered.
"""
import functools
import logging
import os
import threading
import time
import weakref
from collections import deque

from redis._parsers.base import BaseParser
from redis._parsers.encoders import Encoder
from redis.connection import AbstractConnection, BlockingConnectionPool, ConnectionPool
from redis.exceptions import ConnectionError, DataError, ResponseError, TimeoutError
from redis.retry import Retry

from . import greenlets  # noqa: F401  (tells the engine how greenlets wait)
from .exceptions import StoreClosedError
from .store import Store, is_path, named_store, private_store, store_of

try:
    from redis.maint_notifications import MaintNotificationsConfig
    _NO_MAINTENANCE = {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}
except ImportError:              # before redis-py 7
    _NO_MAINTENANCE = {}

try:
    from redis.driver_info import resolve_driver_info as _resolve_driver_info
except ImportError:              # before redis-py 7.2
    _resolve_driver_info = None

try:
    Encoder("utf-8", "strict", False).encode(bytearray())
    BYTEARRAYS = True            # does this redis-py take a bytearray for a word? (7.2 does not, 8.1 does)
except DataError:
    BYTEARRAYS = False

REPLY, MESSAGE = "reply", "message"      # what a connection has to read

_log = logging.getLogger("hutch")

# Where every connection says that it leads: libraries read it from a pool's connection_kwargs.
ADDRESS = {"host": "embedded", "port": 0}
# What redis-py's pools tell their connections about servers that move away, and about sockets.
_MEANINGLESS = frozenset({
    "host", "port", "maint_notifications_config", "maint_notifications_pool_handler", "maintenance_state",
    "maintenance_notification_hash", "orig_host_address", "orig_socket_timeout", "orig_socket_connect_timeout",
    "oss_cluster_maint_notifications_handler", "socket_keepalive", "socket_keepalive_options", "socket_type"})
_DEFAULT = object()              # as long as the connection's own time-out says
CLOSED_BY_SERVER = "Connection closed by server."
NO_REPLY = "no reply will come: CLIENT REPLY is OFF, or was SKIP"
MANY = 2 ** 31                   # connections of a pool: each is one small struct, so there is no need to be mean


def meaningful(options: dict) -> dict:
    """The options of a connection, without what only says how to reach a server."""
    options = {name: value for name, value in options.items() if name not in _MEANINGLESS}
    if options.get("protocol", 0) is None:
        del options["protocol"]      # redis-py's own choice; some versions of it fail at a None
    return options


@functools.lru_cache
def own_driver() -> dict:
    """What connections tell a server of redis-py, as an option. Newer ones look their version up in the file system for each
    connection, which takes longer than all else of making one."""
    return {} if _resolve_driver_info is None else {"driver_info": _resolve_driver_info()}


def with_driver(options: dict) -> dict:
    """The options of a connection, with those of own_driver unless they say something else of it."""
    if "driver_info" in options or "lib_name" in options or "lib_version" in options:
        return options
    return {**own_driver(), **options}


def database_number(connection) -> int:
    """The database that a connection selects when it connects, which it did; -1 when it is not a number."""
    try:
        return int(connection.db or 0)
    except (TypeError, ValueError):
        return -1


@functools.lru_cache
def spells_ascii(encoding):
    """Are letters and digits the same bytes in this encoding as in ASCII?"""
    ascii_bytes = bytes(range(128))
    try:
        return ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii")
    except (UnicodeError, LookupError):
        return False


def decodes_as_written(pool):
    """Do its connections give the engine's own words and numbers as they are, or make something else of them by the
    encoding, as redis-py does?"""
    options = pool.connection_kwargs
    return not options.get("decode_responses") or spells_ascii(options.get("encoding", "utf-8"))


class Packer:
    """A command packer that leaves the words to the session."""

    def pack(self, *words):
        """The words as one command, unchanged: a list of one tuple."""
        return [words]


class Line:
    """Stands where redis-py expects a socket: what a connection closes when it disconnects."""

    def __init__(self, session):
        self._session = session

    def shutdown(self, how=None):
        """Does nothing: nobody is at the other end."""
        pass

    def close(self):
        """End the session. May be called again."""
        self._session.close()

    def settimeout(self, timeout):
        """Does nothing: time-outs are given to each call that waits."""
        pass

    def getsockname(self):
        """The address as pair: "embedded" and the session's CLIENT ID. StoreClosedError when the session has ended."""
        return ("embedded", self._session.id)

    getpeername = getsockname


class Parser(BaseParser):
    """redis-py wants one per connection; the decoding is the session's."""

    def __init__(self, socket_read_size=0):
        self._connection = None

        self.pubsub_push_handler_func = None
        self.invalidation_push_handler_func = None

    def on_connect(self, connection):
        """From now on read from this connection."""
        self._connection = connection

    def on_disconnect(self):
        """Let go of the connection."""
        self._connection = None

    def can_read(self, timeout=0):
        """Is there a reply or a message? Waits at most `timeout` seconds. See EmbeddedConnection.can_read for what it raises."""
        return self._connection is not None and self._connection.can_read(timeout)

    def read_response(self, disable_decoding=False, **ignored):
        """The next reply, as EmbeddedConnection.read_response gives it, and with its errors; the connection stays open after
        one."""
        return self._connection.read_response(disable_decoding, disconnect_on_error=False)

    # ---- RESP3's push messages

    def set_pubsub_push_handler(self, handler):
        """From now on RESP3's pub/sub messages go to ``handler(message)``; None: they are returned as they are read."""
        self.pubsub_push_handler_func = handler

    def set_invalidation_push_handler(self, handler):
        """From now on RESP3's invalidation messages go to ``handler(message)``; None: they are dropped."""
        self.invalidation_push_handler_func = handler

    def handle_push(self, message):
        """Give a message to its handler. Returns the handler's answer, or the message itself where a pub/sub message has no
        handler.

        What the handler of invalidation messages raises is logged; what that of pub/sub raises is passed on.
        """
        if message[0] in ("invalidate", b"invalidate"):
            handler = self.invalidation_push_handler_func
            try:
                return handler(message) if handler else None
            except Exception:    # as redis-py: the command that is being read for has nothing to do with it
                _log.exception("the handler of invalidation messages failed")
                return None
        handler = self.pubsub_push_handler_func
        return handler(message) if handler else message


class EmbeddedConnection(AbstractConnection):
    """One session of a store. For pools of redis-py's: ``ConnectionPool(connection_class=EmbeddedConnection, store=store)``."""

    host = ADDRESS["host"]       # redis-py's cache asks where a connection leads
    port = ADDRESS["port"]

    def __init__(self, store: Store, **kwargs):
        self.store = store_of(store)
        self.session = None
        self._incoming = deque()         # (REPLY or MESSAGE, a Replies), in the order in which a socket would bring them
        self._reading = threading.Lock() # of them; nothing waits while it is held
        kwargs = meaningful(kwargs)
        kwargs["parser_class"] = Parser
        kwargs["command_packer"] = Packer()
        super().__init__(**_NO_MAINTENANCE, **with_driver(kwargs))

    def set_parser(self, parser_class):
        """As redis-py's, but the parser stays: it reads both protocols, and keeps its handlers."""
        # redis-py changes the parser with the protocol. Ours reads both, and keeps its handlers.
        if not isinstance(getattr(self, "_parser", None), Parser):
            self._parser = Parser()

    def repr_pieces(self):
        """As redis-py's: (name, value) pairs for the connection's repr, here the store, the database and the client's name."""
        pieces = [("store", self.store.name or hex(id(self.store))), ("db", self.db)]
        if self.client_name:
            pieces.append(("client_name", self.client_name))
        return pieces

    def _connect(self):
        self.store.check_open()
        engine = self.store.engine
        if self.session is None or self.session.engine is not engine:        # a shared store's is another in each reign
            encoder = self.encoder
            self.session = engine.session(
                BaseParser.parse_error, decode=encoder.decode_responses, encoding=encoder.encoding,
                errors=encoder.encoding_errors, data_error=DataError, silence_error=TimeoutError,
                bytearrays=BYTEARRAYS)
        else:
            self.session.open()
        return Line(self.session)

    def _host_error(self):
        return f"store {self.store.name or hex(id(self.store))}"

    def _error_message(self, exception):
        return str(exception)

    def disconnect(self, *args, **kwargs):
        """As redis-py's: end the session. Replies that nobody read are dropped. The store stays."""
        self._incoming.clear()
        super().disconnect(*args, **kwargs)

    @property
    def is_usable(self):
        """Connected, nothing left to read, and not killed by another client."""
        if self._sock is None:
            return False
        waiting = self.session.has_messages
        if waiting is None:
            return False
        try:
            return self.heard_all() if waiting or self._incoming else True
        except StoreClosedError:
            return False

    def heard_all(self):
        """Handle messages that nobody reads here, left over or in between: RESP3's go to their handlers, if there are any, as
        they would while a reply is read. False if there is more, of which a client of a server would mistake the first for its
        next reply. StoreClosedError when the session has ended. O(messages)"""
        while self._collect():
            if self._incoming[0][0] is REPLY or self.protocol not in (3, "3"):
                return False
            message = self._take(False)[1]
            if not isinstance(message, list):
                return False                 # of MONITOR
            self._parser.handle_push(message)
        return True

    # ---- sending

    def send_packed_command(self, command, check_health=True):
        """As redis-py's, with a list of commands, each a tuple of words: they run here, and their replies wait to be read.

        ConnectionError when the store is closed; DataError or UnicodeError for a word that cannot be sent, and then nothing
        ran. After any other error the connection is closed. O(commands), besides what they cost.
        """
        if self._sock is None:
            self.connect_check_health(check_health=False)
        if check_health and self.health_check_interval:
            self.check_health()
        try:
            self._collect()                  # what came before the reply is to be read before it
            replies = self.session.submit(command, True)
            if replies:
                self._incoming.append((REPLY, replies))
        except StoreClosedError as error:
            self.disconnect()
            raise ConnectionError(str(error)) from None
        except (DataError, UnicodeError):
            raise                # a word that cannot be sent: nothing was
        except BaseException:
            self.disconnect()    # amid a transaction, perhaps
            raise

    def send_command(self, *args, **kwargs):
        """Run one command, given as its words; its reply waits to be read. Raises what send_packed_command does."""
        self.send_packed_command([args], check_health=kwargs.get("check_health", True))

    def pack_command(self, *args):
        """The words as a list of one command, for send_packed_command."""
        return [args]

    def pack_commands(self, commands):
        """The commands as a list, for send_packed_command. O(commands)"""
        return list(commands)

    # ---- reading

    def _collect(self):
        """Is there anything to read? Messages that have come join what has."""
        with self._reading:
            incoming = self._incoming
            while incoming and self._is_over(incoming[0][1]):
                incoming.popleft()
            messages = self.session.receive(0)
            if messages is not None:
                incoming.append((MESSAGE, messages))
            return bool(incoming and incoming[0][1])

    @staticmethod
    def _is_over(source):
        return not source

    def _take(self, disable_decoding):
        """The first that has come, and what it is; (None, None) if nothing has."""
        with self._reading:                  # several threads may read from one connection: none gets another's
            incoming = self._incoming
            while incoming:
                kind, source = incoming[0]
                if source:
                    return kind, source.read(False if disable_decoding else None)
                if not self._is_over(source):
                    break
                incoming.popleft()
        return None, None

    def _await(self, timeout, monotonic=time.monotonic):
        """Is there anything to read? Waits for a message for `timeout` seconds, or without end. The clock is a default, where tools that
        freeze a test's time do not look for one: for them it would stand still."""
        end = None
        session = self.session
        try:
            while True:
                ticket = session.ticket
                if self._collect():
                    return True
                if timeout is not None:
                    if end is None:
                        end = monotonic() + timeout
                    timeout = end - monotonic()
                    if timeout <= 0:
                        return False
                session.await_messages(timeout, ticket)
        except StoreClosedError as error:
            raise ConnectionError(str(error)) from None

    def can_read(self, timeout=0):
        """Is there a reply or a message to read? Connects if need be, and waits at most `timeout` seconds (None: without end).
        ConnectionError when the store is closed, or is closed meanwhile."""
        if self._sock is None:
            self.connect()
        return self._await(timeout)

    def _next_response(self, disable_decoding, timeout, push_request, monotonic=time.monotonic):
        end = None
        while True:
            kind, response = self._take(disable_decoding)
            if kind is REPLY:
                return response
            if kind is MESSAGE:
                if not isinstance(response, list) or self.protocol not in (3, "3"):
                    return response
                answer = self._parser.handle_push(response)
                if push_request:
                    return answer
                continue
            if self.session is None or not self.session.is_open:
                raise ConnectionError(CLOSED_BY_SERVER)
            if timeout is _DEFAULT:
                # A server that owes nothing would let a client wait for ever. Only one that listens should.
                timeout = None if push_request or self.session.is_listening else 0
            if timeout is not None:
                if end is None:
                    end = monotonic() + timeout
                timeout = max(0, end - monotonic())
            if not self._await(timeout):
                if push_request:
                    return None              # another thread has read what was seen to be there
                raise TimeoutError(f"Timeout reading from {self._host_error()}: no reply is due")

    def read_response(self, disable_decoding=False, *, timeout=_DEFAULT, disconnect_on_error=True, push_request=False):
        """As redis-py's: the next reply or message. `timeout` is in seconds (None: without end); without one, reading waits
        only where messages are expected.

        An error reply is raised as a ResponseError. TimeoutError when nothing has come in time, ConnectionError when the
        session has ended: after these the connection is closed, unless `disconnect_on_error` is false. With `push_request`,
        None instead of TimeoutError.
        """
        try:
            response = self._next_response(disable_decoding, timeout, push_request)
            if isinstance(response, ConnectionError):
                raise response
        except BaseException:
            if disconnect_on_error:
                self.disconnect()
            raise
        if isinstance(response, ResponseError):
            try:
                raise response
            finally:
                del response     # no reference cycle through the traceback
        return response

    def execute_many(self, commands):
        """Run a pipeline's commands at once; returns the list of replies, error replies as exception instances. O(commands)

        Connects if need be. ConnectionError when the store is closed or a command ended the session (QUIT), TimeoutError where
        CLIENT REPLY lets replies not come, DataError or UnicodeError for a word that cannot be sent.
        """
        if self._sock is None:
            self.connect()
        try:
            replies = self.session.execute_many(commands, None, True)
        except StoreClosedError as error:
            self.disconnect()
            raise ConnectionError(str(error)) from None
        except (DataError, UnicodeError) as error:
            if isinstance(error, UnicodeDecodeError):
                self.disconnect()        # a watch, perhaps, that EXEC has ended
            raise
        except BaseException:
            self.disconnect()
            raise
        if len(replies) != len(commands):
            silent = self.session.is_open        # CLIENT REPLY among them; else QUIT
            self.disconnect()
            if silent:
                raise TimeoutError(NO_REPLY)
            raise ConnectionError(CLOSED_BY_SERVER)
        return replies


# What may be replaced on a pool, so that its clients' compiled methods have to fall back.
POOL_DECISIVE = frozenset({"get_connection", "release", "make_connection", "connection_class", "cache"})


def leads_elsewhere(name, store) -> bool:
    """Is it a store in a directory, which another process may own?"""
    return is_path(name) if store is None else store_of(store).is_shared


class EmbeddedPool:
    """What pools to a store have in common: the store, their clients, their options."""

    def _take_store(self, name, store, keep, parameters=None):
        if name is not None and store is not None:
            raise TypeError("give a name or a store, not both")
        if parameters is not None and not is_path(name):
            raise TypeError("parameters are for a store in a directory that a client opens by its path")
        if store is not None:
            store = store_of(store)
        elif is_path(name):
            from .shared import shared_store
            store = shared_store(name, parameters)
        else:
            store = private_store() if name is None else named_store(name)
        if keep:
            store.keep()
        self.store = store
        self.clients = weakref.WeakSet()

    @classmethod
    def from_url(cls, url, **kwargs):
        """A pool for hutch://, hutch://name, hutch://name/2 or hutch:///path, with options in the query. ValueError for a URL that is
        not one."""
        from .url import parse_url
        kwargs.update(parse_url(url))
        appendfsync = kwargs.pop("appendfsync", None)
        if appendfsync is not None:
            kwargs["parameters"] = {**(kwargs.get("parameters") or {}), "appendfsync": appendfsync}
        return cls(kwargs.pop("name", None), **kwargs)

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        if name in POOL_DECISIVE:
            self._tell_clients()

    def __delattr__(self, name):
        object.__delattr__(self, name)
        if name in POOL_DECISIVE:
            self._tell_clients()

    def _tell_clients(self):
        for client in self.__dict__.get("clients", ()):
            client._hot_reconsider()

    @property
    def is_pristine(self):
        """Is nothing of the pool replaced, and do its connections retry as redis-py does?"""
        mine = self.__dict__
        retry = self.connection_kwargs.get("retry")
        return ("get_connection" not in mine and "release" not in mine and "make_connection" not in mine
                and (retry is None or type(retry) is self._retry_class))

    @property
    def retries_replies(self):
        """Is a command run again that was answered with an error?"""
        retry = self.connection_kwargs.get("retry")
        errors = list(self.connection_kwargs.get("retry_on_error") or ())
        if retry is not None:
            errors += retry._supported_errors
        return any(issubclass(kind, ResponseError) or issubclass(ResponseError, kind) for kind in errors)

    def set_retry(self, retry):
        """From now on this retries, in all connections; see redis.ConnectionPool.set_retry. O(connections)"""
        self.connection_kwargs["retry"] = retry
        super().set_retry(retry)
        self._tell_clients()

    def _idle_connections(self):
        return getattr(self, "_available_connections", ())

    def __del__(self):
        # Nobody has the connections that lie here. Each is in a cycle with its parser, which would keep the store.
        for connection in self._idle_connections():
            try:
                if connection is not None:           # asyncio's disconnect is a coroutine, which nobody would await
                    getattr(connection, "drop", connection.disconnect)()
            except Exception:
                pass


class EmbeddedConnectionPool(EmbeddedPool, ConnectionPool):
    """Connections to one store: a private one, the one of a `name`, or `store`.

    `keep` keeps a store that would end with its last pool: see hutch.Redis. TypeError for a name and a store at once,
    ValueError for a name that is empty, and for a path that cannot be a store's.
    """

    _retry_class = Retry

    def __new__(cls, name=None, *, store=None, **kwargs):
        if cls is EmbeddedConnectionPool and leads_elsewhere(name, store):
            from .remote import SharedConnectionPool as cls
        return super().__new__(cls)

    def __init__(self, name=None, *, store=None, keep=False, connection_class=EmbeddedConnection, max_connections=None,
                 parameters=None, **kwargs):
        self._take_store(name, store, keep, parameters)
        super().__init__(connection_class=connection_class, max_connections=max_connections or MANY, store=self.store,
                         **_NO_MAINTENANCE, **{**ADDRESS, **kwargs})
        self.store.attach(self)

    def get_connection(self, command_name=None, *keys, **options):
        """An open connection. The last one that was released comes first.

        redis-py's MaxConnectionsError (a ConnectionError) when `max_connections` are in use; StoreClosedError or ForkedError
        when the store is closed or another process's. `command_name` and `keys` are not used.
        """
        if self.pid != os.getpid():
            self._checkpid()
        try:
            connection = self._available_connections.pop()
        except IndexError:
            with self._lock:
                connection = self.make_connection()
        self._in_use_connections.add(connection)
        try:
            # Behind a proxy of redis-py's, when replies are cached on this side.
            if not getattr(connection, "_conn", connection).is_usable:
                self.store.attach(self)                    # again, after close
                connection.disconnect()
                connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection):
        """Give back a connection that get_connection gave. One that is not in use here is ignored."""
        if self.pid != os.getpid():
            self._checkpid()
        try:
            self._in_use_connections.remove(connection)
        except KeyError:
            return               # not ours, or released before
        if connection.pid != self.pid:
            connection.disconnect()
            return
        if getattr(connection, "_should_reconnect", False):     # redis-py 7 and later mark connections so
            connection.disconnect()
        self._available_connections.append(connection)

    def disconnect(self, inuse_connections=True):
        """Disconnect the idle connections, and with `inuse_connections` (the default) those in use. The store stays.
        O(connections)"""
        self._checkpid()
        with self._lock:
            connections = list(self._available_connections)
            if inuse_connections:
                connections += list(self._in_use_connections)
        for connection in connections:
            connection.disconnect()

    def close(self):
        """Disconnect. A store that was made for this pool, or by name, ends with its last pool, unless it is kept.
        O(connections)"""
        self.disconnect()
        self.store.detach(self)


class EmbeddedBlockingConnectionPool(EmbeddedPool, BlockingConnectionPool):
    """A pool of so many connections to a store, whose callers wait until one is free; see redis.BlockingConnectionPool."""

    _retry_class = Retry

    def __new__(cls, name=None, *, store=None, **kwargs):
        if leads_elsewhere(name, store):
            from .remote import RemoteBlockingConnectionPool
            return RemoteBlockingConnectionPool(name, store=store, **kwargs)
        return super().__new__(cls)

    def __init__(self, name=None, *, store=None, keep=False, connection_class=EmbeddedConnection, **kwargs):
        self._take_store(name, store, keep)
        super().__init__(connection_class=connection_class, store=self.store, **_NO_MAINTENANCE, **{**ADDRESS, **kwargs})
        self.store.attach(self)

    def _idle_connections(self):
        queue = getattr(self, "pool", None)
        return () if queue is None else list(queue.queue)

    def get_connection(self, command_name=None, *keys, **options):
        """A connection, when one is free. ConnectionError when none is within the pool's `timeout`, or the store is closed."""
        self.store.attach(self)
        return super().get_connection()

    def close(self):
        """Disconnect. A store that was made for this pool, or by name, ends with its last pool, unless it is kept.
        O(connections)"""
        self.disconnect()
        self.store.detach(self)
