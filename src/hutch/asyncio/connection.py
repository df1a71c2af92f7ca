"""Connections of redis.asyncio that lead to a store in this process.

As in hutch.connection, packing keeps the words, sending runs them in the connection's session, and reading decodes what
they answered. A command that waits lets its task wait when the reply is read; where no reply is due, reading waits for
a message.
"""
import asyncio
import inspect
import logging
import math
from collections import deque

import redis.asyncio
from redis._parsers.base import AsyncBaseParser, BaseParser
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.exceptions import ConnectionError, DataError, MaxConnectionsError, ResponseError, TimeoutError

from hutch_engine.door.submissions import Submission, clone_session

from ..connection import (
    ADDRESS, BYTEARRAYS, CLOSED_BY_SERVER, MANY, MESSAGE, NO_REPLY, REPLY, EmbeddedPool, leads_elsewhere, meaningful,
    with_driver)
from ..exceptions import StoreClosedError
from ..store import Store, store_of
from .waiting import complete, finish, noticed

_NO_MAINTENANCE = {}
if "maint_notifications_config" in inspect.signature(AbstractConnection.__init__).parameters:
    from redis.maint_notifications import MaintNotificationsConfig
    _NO_MAINTENANCE = {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}

IDLE_SESSIONS_MAX = 64              # that waited and may again, kept by a pool
MESSAGES_IN_A_ROW = 256          # that one task reads before others have their turn

_log = logging.getLogger("hutch.asyncio")


class Parser(AsyncBaseParser):
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

    async def can_read(self):
        """Is a reply there, or will one come?"""
        return self._connection is not None and self._connection.has_replies()

    async def can_read_destructive(self):
        """The same as can_read: here, to look takes nothing."""
        return await self.can_read()

    async def read_response(self, disable_decoding=False, **ignored):
        """The next reply, as EmbeddedConnection.next_reply gives it, and with its errors; an error reply is returned, not
        raised."""
        return await self._connection.next_reply(disable_decoding)

    # ---- RESP3's push messages

    def set_pubsub_push_handler(self, handler):
        """From now on RESP3's pub/sub messages go to ``handler(message)``; None: they are returned as they are read."""
        self.pubsub_push_handler_func = handler

    def set_invalidation_push_handler(self, handler):
        """From now on RESP3's invalidation messages go to ``handler(message)``; None: they are dropped."""
        self.invalidation_push_handler_func = handler

    async def handle_push(self, message):
        """Give a message to its handler, and await what that returns if need be.

        Returns the handler's answer, or the message itself where a pub/sub message has no handler. What the handler of
        invalidation messages raises is logged; what that of pub/sub raises is passed on.
        """
        if message[0] in ("invalidate", b"invalidate"):
            try:
                return await _called(self.invalidation_push_handler_func, message)
            except Exception:    # as redis-py: the command that is being read for has nothing to do with it
                _log.exception("the handler of invalidation messages failed")
                return None
        handler = self.pubsub_push_handler_func
        return message if handler is None else await _called(handler, message)


async def _called(handler, message):
    answer = handler(message) if handler is not None else None
    return await answer if inspect.isawaitable(answer) else answer


class EmbeddedConnection(AbstractConnection):
    """One session of a store. For pools of redis-py's: ``ConnectionPool(connection_class=EmbeddedConnection, store=store)``."""

    host = ADDRESS["host"]
    port = ADDRESS["port"]

    def __init__(self, store: Store, **kwargs):
        self.store = store_of(store)
        self.session = None
        self._live = False
        # (REPLY, a Submission) or (MESSAGE, a Replies), in the order in which a socket would bring them
        self._incoming = deque()
        self._unbroken = 0               # messages that were read since others had their turn
        self._listeners = set()          # futures of tasks that wait for a message
        kwargs = meaningful(kwargs)
        kwargs["parser_class"] = Parser
        super().__init__(**with_driver({**_NO_MAINTENANCE, **kwargs}))

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

    def _host_error(self):
        return f"store {self.store.name or hex(id(self.store))}"

    def _error_message(self, exception):
        return str(exception)

    def getpeername(self):
        """"embedded" while connected, otherwise None."""
        return "embedded" if self._live else None

    # ---- beginning and ending

    @property
    def is_connected(self):
        """Is there a session? It may have been killed: see is_usable."""
        return self._live

    @property
    def is_usable(self):
        """Connected, no reply left to read, and not killed by another client."""
        return self._live and self.session.is_open and not (self._incoming and self.has_replies())

    async def heard_all(self):
        """Handle messages that nobody reads here, left over or in between: RESP3's go to their handlers, if there are any, as
        they would while a reply is read. False if there is more, of which a client of a server would mistake the first for its
        next reply. StoreClosedError when the session has ended. O(messages)"""
        while self.has_messages():
            if self.protocol not in (3, "3") or not isinstance(message := self._incoming[0][1].read(), list):
                return False
            await self._parser.handle_push(message)
        return True

    async def connect_check_health(self, check_health=True, retry_socket_connect=True):
        """As redis-py's: connect if need be. StoreClosedError or ForkedError when the store is closed or another process's."""
        if not self._live:
            self._open()         # here, where redis-py does not wrap what is wrong with the store in another error
            await super().connect_check_health(check_health, retry_socket_connect)

    async def _connect(self):
        self._live = True

    def _open(self):
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

    def drop(self):
        """Disconnect, without waiting for anything: a coroutine is not needed for it. Replies that nobody read are dropped."""
        for kind, source in self._incoming:
            if kind is REPLY:
                source.withdraw()
        self._incoming.clear()
        self._parser.on_disconnect()
        self._should_reconnect = False
        if self._live:
            self._live = False
            self.session.close()

    _close = drop

    async def disconnect(self, nowait=False, error=None, failure_count=None, health_check_failed=False):
        """As redis-py's: end the session. Replies that nobody read are dropped. The store stays."""
        self.drop()

    # ---- sending

    async def send_packed_command(self, command, check_health=True):
        """As redis-py's, with a list of commands, each a tuple of words: they run here until one has to wait; the rest runs
        when the replies are read.

        ConnectionError when the store is closed; DataError or UnicodeError for a word that cannot be sent, and then nothing
        ran. After any other error the connection is closed. O(commands), besides what they cost.
        """
        if not self._live:
            await self.connect_check_health(check_health=False)
        if check_health and self.health_check_interval:
            await self.check_health()
        try:
            self._collect()      # what came before the reply is to be read before it
            submission = Submission(self.session, command, True)
            submission.step()
        except StoreClosedError as error:
            self.drop()
            raise ConnectionError(str(error)) from None
        except (DataError, UnicodeError):
            raise                # a word that cannot be sent: nothing was
        except BaseException:
            self.drop()          # amid a transaction, perhaps
            raise
        self._incoming.append((REPLY, submission))
        for future in self._listeners:
            complete(future)     # the reply is theirs, as on a socket

    async def send_command(self, *args, **kwargs):
        """Run one command, given as its words; its reply waits to be read. Raises what send_packed_command does."""
        await self.send_packed_command([args], check_health=kwargs.get("check_health", True))

    def pack_command(self, *args):
        """The words as a list of one command, for send_packed_command."""
        return [args]

    def pack_commands(self, commands):
        """The commands as a list, for send_packed_command. O(commands)"""
        return list(commands)

    # ---- reading

    def _head(self):
        """What is to be read next: a message, or a submission that has replies, or will have; None for nothing."""
        incoming = self._incoming
        while incoming:
            kind, source = head = incoming[0]
            if source or (kind is REPLY and not source.is_done):
                return head
            incoming.popleft()
        return None

    def _collect(self):
        """Messages that have come join what has."""
        messages = self.session.receive(0)
        if messages is not None:
            self._incoming.append((MESSAGE, messages))

    def _due(self):
        """The first submission that has replies, or will have."""
        for kind, source in self._incoming:
            if kind is REPLY and (source or not source.is_done):
                return source
        return None

    def has_replies(self):
        """Is a reply there, or will one come?"""
        return self._due() is not None

    async def next_reply(self, disable_decoding=False):
        """The next reply, when it is there; an error reply as an exception instance.

        TimeoutError when no reply is due, ConnectionError when the session has ended, StoreClosedError when it ends in the
        meantime.
        """
        submission = self._due()
        if submission is not None and not submission:
            await finish(submission)
            submission = self._due()
        if submission is None:
            if self.session is None or not self.session.is_open:
                raise ConnectionError(CLOSED_BY_SERVER)
            raise TimeoutError(f"Timeout reading from {self._host_error()}: no reply is due")
        return submission.read(False if disable_decoding else None)

    def has_messages(self):
        """Is a message next: of pub/sub, invalidation, MONITOR? StoreClosedError when the session has ended."""
        return self._has_anything() and self._incoming[0][0] is MESSAGE

    def _has_anything(self):
        if self._head() is None:
            self._collect()
        return bool(self._incoming)

    async def can_read(self):
        """Is there a reply or a message to read? True, too, when the store is closed: reading then says so."""
        try:
            return self._live and self._has_anything()
        except StoreClosedError:
            return True          # reading will say what happened

    can_read_destructive = can_read

    @property
    def is_awaited(self):
        """Does a task wait for a message here?"""
        return bool(self._listeners)

    async def _next_message(self, disable_decoding, push_request):
        """The next message; None for one that went to a handler instead."""
        self._unbroken += 1
        message = self._incoming[0][1].read(False if disable_decoding else None)
        if not isinstance(message, list) or self.protocol not in (3, "3"):
            return message
        answer = await self._parser.handle_push(message)
        return answer if push_request else None

    def message_at_hand(self):
        """A pub/sub message that was received and needs no handler of ours, or None. It is what reading would give."""
        incoming = self._incoming
        if (not incoming or incoming[0][0] is REPLY or not incoming[0][1] or self._unbroken >= MESSAGES_IN_A_ROW
                or self.health_check_interval or self._parser.pubsub_push_handler_func is not None
                or self._parser.invalidation_push_handler_func is not None):
            return None
        self._unbroken += 1
        message = incoming[0][1].read()
        return None if message[0] in ("invalidate", b"invalidate") and self.protocol in (3, "3") else message

    async def _something(self, timeout):
        """Is there a reply or a message to read? Waits `timeout` seconds for it, or without end. Nothing suspends
        the task between the answer and the reading, so a task that is cancelled has taken nothing."""
        if self._unbroken >= MESSAGES_IN_A_ROW:
            self._unbroken = 0
            await asyncio.sleep(0)
        if self._has_anything():
            return True
        self._unbroken = 0
        if timeout is None or timeout > 0:
            return await noticed(self.session, self._has_anything, timeout, self._listeners)
        await asyncio.sleep(0)   # whoever asks again and again lets others go on
        return self._has_anything()

    async def _next_response(self, disable_decoding, timeout, push_request):
        end = None
        if timeout == math.inf:
            timeout = None
        elif timeout is not None:
            end = asyncio.get_running_loop().time() + timeout
        while True:
            if end is None and not push_request and not self._has_anything() and not self.session.is_listening:
                # A server that owes nothing would let a client wait for ever. Only one that listens should.
                return await self.next_reply()       # which says so
            if not await self._something(timeout):
                return None
            kind, source = self._incoming[0]
            if kind is REPLY:
                if end is None or source:
                    return await self.next_reply(disable_decoding)
                try:
                    return await asyncio.wait_for(self.next_reply(disable_decoding), timeout)
                except asyncio.TimeoutError:
                    return None
            response = await self._next_message(disable_decoding, push_request)
            if push_request or response is not None:
                return response
            if end is not None:
                timeout = end - asyncio.get_running_loop().time()

    async def read_response(self, disable_decoding=False, timeout=None, *, disconnect_on_error=True, push_request=False):
        """As redis-py's: the next reply or message; None when there is none within `timeout` seconds (None: without end).

        An error reply is raised as a ResponseError. TimeoutError when no reply is due and no message is expected,
        ConnectionError when the session has ended: after these the connection is closed, unless `disconnect_on_error` is false.
        A task that is cancelled while it waits for a reply closes the connection, too; one that waits for a message does not.
        """
        if not self._live:
            raise ConnectionError(CLOSED_BY_SERVER)
        due = True
        try:
            head = self._head()
            if head is not None and head[0] is REPLY and head[1]:
                response = head[1].read(False if disable_decoding else None)
            else:
                due = self.has_replies()
                response = await self._next_response(disable_decoding, timeout, push_request)
            if isinstance(response, ConnectionError):
                raise response
        except StoreClosedError as error:
            self.drop()
            raise ConnectionError(str(error)) from None
        except asyncio.CancelledError:
            if disconnect_on_error and due:
                self.drop()      # a command that was withdrawn, amid a transaction perhaps
            raise
        except BaseException:
            if disconnect_on_error:
                self.drop()
            raise
        if self.health_check_interval:
            self.next_health_check = asyncio.get_running_loop().time() + self.health_check_interval
        if isinstance(response, ResponseError):
            try:
                raise response
            finally:
                del response     # no reference cycle through the traceback
        return response

    async def execute_many(self, commands):
        """Run a pipeline's commands at once; returns the list of replies, error replies as exception instances. O(commands)

        Connects if need be. ConnectionError when the store is closed or a command ended the session (QUIT), TimeoutError where
        CLIENT REPLY lets replies not come, DataError or UnicodeError for a word that cannot be sent.
        """
        if not self._live:
            await self.connect()
        submission = Submission(self.session, commands, True)
        try:
            await finish(submission)
            replies = submission.read_all()
        except StoreClosedError as error:
            self.drop()
            raise ConnectionError(str(error)) from None
        except BaseException:
            self.drop()          # a watch, perhaps, that EXEC has ended; or a wait that was cancelled
            raise
        if len(replies) != len(submission.commands):
            silent = self.session.is_open        # CLIENT REPLY among them; else QUIT
            self.drop()
            if silent:
                raise TimeoutError(NO_REPLY)
            raise ConnectionError(CLOSED_BY_SERVER)
        return replies


class EmbeddedConnectionPool(EmbeddedPool, redis.asyncio.ConnectionPool):
    """Connections to one store: a private one, the one of a `name`, or `store`.

    Plain commands of all tasks share one connection: they are over before another task comes to its turn. Pipelines,
    pub/sub and clients with a connection of their own get one each; a task that waits gets a session, which is
    what makes a connection one, without redis-py's object around it.
    """

    _retry_class = Retry
    leads_elsewhere = False          # to another process

    def __new__(cls, name=None, *, store=None, **kwargs):
        if cls is EmbeddedConnectionPool and leads_elsewhere(name, store):
            from .remote import SharedConnectionPool as cls
        return super().__new__(cls)

    def __init__(self, name=None, *, store=None, keep=False, connection_class=EmbeddedConnection, max_connections=None,
                 parameters=None, **kwargs):
        self._take_store(name, store, keep, parameters)
        self._shared = None
        self._scripts = None             # a session for scripts: others are let in while one runs
        self._idle_sessions = []
        self._waiting = set()
        super().__init__(connection_class=connection_class, max_connections=max_connections or MANY, store=self.store,
                         **{**ADDRESS, **_NO_MAINTENANCE, **kwargs})
        self.store.attach(self)

    def can_get_connection(self):
        """Is a connection idle, or may another be made?"""
        return bool(self._available_connections) or not self._is_full()

    def _is_full(self):
        return len(self._in_use_connections) + len(self._waiting) >= self.max_connections

    # ---- connections

    async def shared_connection(self):
        """The connection for commands that do not wait, open. Nobody owns it, and it is not released. StoreClosedError or
        ForkedError when the store is closed or another process's."""
        connection = self._shared
        if connection is None:
            connection = self.make_connection()
            await self._make_usable(connection)
            if self._shared is None:
                self._shared = connection
            return self._shared
        if not connection.is_usable:
            await self._make_usable(connection)
            if self._scripts is not None:
                clone_session(connection.session, self._scripts)          # it was closed with the others
        return connection

    async def _make_usable(self, connection):
        if not connection.is_usable:
            self.store.attach(self)                        # again, after aclose
        if not connection.is_usable or (connection.session.has_messages and not await connection.heard_all()):
            await connection.disconnect()
            await connection.connect()

    async def get_connection(self, command_name=None, *keys, **options):
        """An open connection. The last one that was released comes first.

        MaxConnectionsError when `max_connections` are in use; StoreClosedError or ForkedError when the store is closed or
        another process's. `command_name` and `keys` are not used.
        """
        try:
            connection = self._available_connections.pop()
        except IndexError:
            if self._is_full():
                raise MaxConnectionsError("Too many connections") from None
            connection = self.make_connection()
        self._in_use_connections.add(connection)
        try:
            await self._make_usable(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection):
        """Give back a connection that get_connection gave. One that is not in use here is ignored."""
        try:
            self._in_use_connections.remove(connection)
        except KeyError:
            return               # not ours, or released before
        if getattr(connection, "_should_reconnect", False):     # redis-py 7 and later mark connections so
            await connection.disconnect()
        if not connection.is_awaited:            # else a task will hear there that it was closed, and nobody else may use it
            self._available_connections.append(connection)

    def script_session(self, model):
        """The session that compiled eval and evalsha of all this pool's clients run in: one like `model`."""
        if self._scripts is None:
            self._scripts = clone_session(model)
        return self._scripts

    # ---- sessions that wait

    def lend_session(self, model):
        """A session like `model`, for one wait; to be given to return_session. MaxConnectionsError when `max_connections` are
        in use."""
        if self._is_full():
            raise MaxConnectionsError("Too many connections")
        try:
            idle = self._idle_sessions.pop()
        except IndexError:
            idle = None
        session = clone_session(model, idle)
        self._waiting.add(session)
        return session

    def return_session(self, session):
        """Take back what lend_session lent."""
        self._waiting.discard(session)
        if len(self._idle_sessions) < IDLE_SESSIONS_MAX:
            self._idle_sessions.append(session)
        else:
            session.close()

    # ---- ending

    async def disconnect(self, inuse_connections=True):
        """Disconnect what is idle, the shared connection and the scripts' session; with `inuse_connections` (the default) also
        what is in use, and sessions that wait. The store stays. O(connections)"""
        connections = list(self._available_connections)
        sessions, self._idle_sessions = self._idle_sessions, []
        if self._shared is not None:
            connections.append(self._shared)
        if self._scripts is not None:
            sessions.append(self._scripts)
        if inuse_connections:
            connections += list(self._in_use_connections)
            sessions += list(self._waiting)
        for session in sessions:
            session.close()
        for connection in connections:
            await connection.disconnect()

    async def aclose(self):
        """Disconnect. A store that was made for this pool, or by name, ends with its last pool, unless it is kept.
        O(connections)"""
        await self.disconnect()
        self.store.detach(self)


class EmbeddedBlockingConnectionPool(EmbeddedPool, BlockingConnectionPool):
    """A pool of so many connections to a store, whose callers wait until one is free; see redis.asyncio.BlockingConnectionPool."""

    _retry_class = Retry

    def __new__(cls, name=None, *, store=None, **kwargs):
        if leads_elsewhere(name, store):
            from .remote import RemoteBlockingConnectionPool
            return RemoteBlockingConnectionPool(name, store=store, **kwargs)
        return super().__new__(cls)

    def __init__(self, name=None, *, store=None, keep=False, connection_class=EmbeddedConnection, **kwargs):
        self._take_store(name, store, keep)
        super().__init__(connection_class=connection_class, store=self.store, **{**ADDRESS, **_NO_MAINTENANCE, **kwargs})
        self.store.attach(self)

    async def get_connection(self, command_name=None, *keys, **options):
        """A connection, when one is free. ConnectionError when none is within the pool's `timeout`, or the store is closed."""
        self.store.attach(self)
        return await super().get_connection()

    async def aclose(self):
        """Disconnect. A store that was made for this pool, or by name, ends with its last pool, unless it is kept.
        O(connections)"""
        await self.disconnect()
        self.store.detach(self)
