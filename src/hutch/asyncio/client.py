"""hutch.asyncio.Redis: a redis.asyncio.Redis whose server is inside the process."""
import asyncio
import inspect
import sys
from typing import Any

import redis.asyncio
from redis.asyncio.client import Pipeline as RedisPipeline
from redis.asyncio.connection import AbstractConnection
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import (ConnectionError, ExecAbortError, MaxConnectionsError, ResponseError, TimeoutError,
                              WatchError)

from hutch_engine.door.submissions import LATER, WAITING, Submission, run_now
from hutch_engine.door.hot_async import HotAsync, async_methods
from hutch_engine.door.hot_collections import HotCollections

from ..connection import database_number
from ..documents import DECODER, ENCODER
from ..embedded_client import EmbeddedClient
from ..exceptions import StoreClosedError
from ..pristine import Pristine
from .connection import NO_REPLY, EmbeddedConnection, EmbeddedConnectionPool
from .lock import Lock
from .pubsub import PubSub
from .waiting import LATER_S, finish

_DECISIVE_METHODS = {"execute_command", "_send_command_parse_response", "parse_response", "initialize"}
_connection_is_pristine = Pristine({"connect", "disconnect", "send_command", "send_packed_command", "pack_command",
                                    "pack_commands", "read_response", "next_reply", "execute_many"})
_pipeline_is_pristine = Pristine({"parse_response", "execute_command", "_execute_pipeline", "_execute_transaction"})

# What a callback may return that nobody awaits: to ask inspect takes longer than a command.
_FINISHED = frozenset({bool, int, float, str, bytes, list, tuple, dict, set, type(None)})


class Redis(EmbeddedClient, HotAsync, redis.asyncio.Redis):
    """Redis in the room, for asyncio: the whole of redis.asyncio's API on a store inside this process.

    Without a name the client has a store of its own; clients with the same name share one, those of hutch.Redis among
    them.

        >>> import asyncio
        >>> import hutch.asyncio
        >>> async def main():
        ...     r = hutch.asyncio.Redis(decode_responses=True)
        ...     await r.rpush("letters", "a", "b")
        ...     return await r.blpop("letters")
        >>> asyncio.run(main())
        ('letters', 'a')

    A name that is a path is a directory in which the store is kept, for all processes that open it: see hutch.Redis. It is opened, and
    perhaps loaded, at the first call.

    A plain command never suspends its task, unless the store's owner is another process. A blocking one waits without a thread; when its task is cancelled, it leaves
    the queue, and an element that it was given in that very moment goes back to where it was. Clients may be used by
    several event loops in several threads. Options are redis.asyncio.Redis's, except those that say where a server is.

    TypeError for an unknown option, for one that says where a server is, and for a name and a store at once; ValueError for a
    name that is empty, and for a directory that cannot hold a store.
    """

    _pool_class = EmbeddedConnectionPool
    _connection_class = EmbeddedConnection
    _options_known = frozenset(inspect.signature(AbstractConnection.__init__).parameters) - {"self", "parser_class"}
    _decisive_methods = frozenset(_DECISIVE_METHODS)
    _class_is_pristine = Pristine(_DECISIVE_METHODS, HotAsync, HotCollections)
    _pool_is_pristine = Pristine({"get_connection", "release", "make_connection", "shared_connection", "lend_session"})
    _connection_is_pristine = _connection_is_pristine

    def __init__(self, name: Any = None, *, db: int = 0, username: Any = None, password: Any = None, store: Any = None, keep: bool = False,
                 connection_pool: Any = None, encoding: str = "utf-8", encoding_errors: str = "strict", decode_responses: bool = False,
                 client_name: Any = None, single_connection_client: bool = False, max_connections: Any = None, protocol: Any = None,
                 retry: Any = None, retry_on_error: Any = None, health_check_interval: float = 0, redis_connect_func: Any = None,
                 credential_provider: Any = None, auto_close_connection_pool: Any = None, **options: Any) -> None:
        own_pool, connection_pool = self._choose_pool(
            connection_pool, name, store, keep, options, max_connections=max_connections, db=db, username=username, password=password,
            encoding=encoding, encoding_errors=encoding_errors, decode_responses=decode_responses, client_name=client_name,
            protocol=protocol, retry=retry, retry_on_error=retry_on_error, health_check_interval=health_check_interval,
            redis_connect_func=redis_connect_func, credential_provider=credential_provider)
        super().__init__(connection_pool=connection_pool, single_connection_client=single_connection_client)
        self.auto_close_connection_pool = own_pool if auto_close_connection_pool is None else auto_close_connection_pool
        self._own_response_callbacks()

    def _pool_classes(self):
        remote = sys.modules.get("hutch.asyncio.remote")
        return (self._pool_class,) if remote is None else (self._pool_class, remote.SharedConnectionPool)

    def _connection_fits(self):
        # A connection of one's own may be amid anything, and tasks take turns on it.
        return not self.single_connection_client and super()._connection_fits()

    async def execute_command(self, *args, **options):
        """Run a command and return its reply, shaped as redis-py shapes it. Error replies are raised as redis-py's
        ResponseError and its subclasses; StoreClosedError and ForkedError, both a ConnectionError, when the store is closed or
        another process's; TimeoutError at once where CLIENT REPLY lets no reply come; MaxConnectionsError when no session is
        free for a wait."""
        if self._hot_stale:
            self._hot_reconsider()
        if not self._plain or NEVER_DECODE in options or self.connection_pool.leads_elsewhere:
            return await super().execute_command(*args, **options)
        connection = self.connection_pool._shared
        if connection is None or not connection.is_connected:
            connection = await self.connection_pool.shared_connection()
        waits = False
        try:
            if self._hot_pending:
                self._hot_pending = False
                self._hot_attach(connection.session, database_number(connection))
            if self._scripts_pending and args[0] in ("EVAL", "EVALSHA"):
                if self._hot:
                    self._hot_attach_scripts(self.connection_pool.script_session(connection.session))
                self._scripts_pending = False
            response = run_now(connection.session, args)
            while response is LATER:
                await asyncio.sleep(LATER_S)
                response = run_now(connection.session, args)
            if response is WAITING:
                waits = True
                response = await self._wait(connection.session, args)
        except StoreClosedError as error:
            # Before the command ran: that is no try. redis-py knows how to begin a new session.
            failed = error if waits else None
        except MaxConnectionsError:
            raise
        except Exception as error:
            if EMPTY_RESPONSE in options and isinstance(error, ResponseError):
                return options[EMPTY_RESPONSE]
            if isinstance(error, (ConnectionError, TimeoutError)):
                connection.drop()                        # as redis-py's read_response
            failed = error
        else:
            name = args[0]
            callbacks = self.response_callbacks
            if name in callbacks:
                options.pop(EMPTY_RESPONSE, None)
                options.pop("keys", None)
                shaped = callbacks[name](response, **options)
                return shaped if type(shaped) in _FINISHED or not inspect.isawaitable(shaped) else await shaped
            return response
        if failed is None:
            if not connection.is_usable:
                connection.drop()
            return await super().execute_command(*args, **options)
        if not isinstance(failed, connection.retry._supported_errors):
            raise failed
        return await self._try_again(failed, args, options)

    async def _try_again(self, error, args, options):
        """The first try ended with an error that the connections' Retry knows: what follows is redis-py's."""
        failed = [error]
        pool = self.connection_pool
        connection = await pool.get_connection()

        async def attempt():
            if failed:
                raise failed.pop()
            return await self._send_command_parse_response(connection, args[0], *args, **options)

        async def fail(error):
            await connection.disconnect()

        try:
            return await connection.retry.call_with_retry(attempt, fail)
        finally:
            await pool.release(connection)

    async def _wait(self, session, args):
        """A blocking command, in a session of its own: others go on meanwhile."""
        pool = self.connection_pool
        waiting = pool.lend_session(session)
        try:
            submission = Submission(waiting, (args,), True)
            await finish(submission)
            if not submission:
                raise TimeoutError(NO_REPLY)
            response = submission.read()
        finally:
            pool.return_session(waiting)
        if isinstance(response, Exception):
            raise response
        return response

    async def aclose(self, close_connection_pool=None):
        """End this client; and its store, if it has one to itself or was the last of the store's name. May be called again."""
        await super().aclose(close_connection_pool)
        if close_connection_pool or (close_connection_pool is None and self.auto_close_connection_pool):
            await self.connection_pool.aclose()      # older redis-py only disconnects

    def lock(self, name, *args, lock_class=None, **options):
        """A lock on ``name``, to be held by one task at a time; see redis.asyncio.Redis.lock. Nothing is sent before it is
        acquired."""
        if lock_class is None and len(args) < 5:
            lock_class = Lock
        return super().lock(name, *args, **({} if lock_class is None else {"lock_class": lock_class}), **options)

    def pubsub(self, **options):
        """A PubSub, to subscribe with and to hear messages from; see redis.asyncio.Redis.pubsub."""
        dispatcher = getattr(self, "_event_dispatcher", None)
        if dispatcher is not None:
            options.setdefault("event_dispatcher", dispatcher)
        return PubSub(self.connection_pool, **options)

    def pipeline(self, transaction=True, shard_hint=None):
        """A Pipeline, whose commands are gathered and run together; with `transaction` (the default), atomically."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


for _name, _method in async_methods(Redis).items():
    setattr(Redis, _name, _method)


class Pipeline(RedisPipeline):
    """redis.asyncio's pipeline; what was gathered goes through the session in one piece."""

    def json(self, encoder=ENCODER, decoder=DECODER):
        """JSON documents; see redis.Redis.json. What is called on them is gathered, too."""
        return super().json(encoder=encoder, decoder=decoder)

    def _runs_plainly(self, connection, commands):
        if (not _pipeline_is_pristine(type(self)) or "parse_response" in self.__dict__
                or not isinstance(connection, EmbeddedConnection) or not _connection_is_pristine(type(connection))):
            return False
        for args, options in commands:
            if options and (NEVER_DECODE in options or EMPTY_RESPONSE in options):
                return False
            if args[0][:1] in ("H", "h", b"H", b"h") and str(args[0]).upper().startswith("HIMPORT"):
                return False
        return True

    def set(self, name, value, *args, **options):
        """As redis-py's: SET, with the same options and the same DataError for those that do not go together."""
        if args or options:
            return super().set(name, value, *args, **options)
        return self.execute_command("SET", name, value)     # without redis-py's sorting out of options

    def _shape(self, response, args, options):
        """A reply as its command's callback makes it: perhaps something to await."""
        callback = self.response_callbacks.get(args[0])
        if callback is None:
            return response
        options.pop("keys", None)
        return callback(response, **options)

    async def _execute_pipeline(self, connection, commands, raise_on_error):
        if not self._runs_plainly(connection, commands):
            return await super()._execute_pipeline(connection, commands, raise_on_error)
        responses = await connection.execute_many([args for args, _ in commands])
        for i, (args, options) in enumerate(commands):
            response = responses[i]
            if isinstance(response, Exception):
                if not isinstance(response, ResponseError):
                    raise response
                continue
            try:
                shaped = self._shape(response, args, options)
                responses[i] = shaped if type(shaped) in _FINISHED or not inspect.isawaitable(shaped) else await shaped
            except ResponseError as error:
                responses[i] = error
            if args[0] in self.UNWATCH_COMMANDS:
                self.watching = False
            elif args[0] == "WATCH":
                self.watching = True
        if raise_on_error:
            self.raise_first_error(commands, responses)
        return responses

    async def _execute_transaction(self, connection, commands, raise_on_error):
        if not self._runs_plainly(connection, commands):
            return await super()._execute_transaction(connection, commands, raise_on_error)
        replies = await connection.execute_many([("MULTI",), *[args for args, _ in commands], ("EXEC",)])
        errors = []
        for i, reply in enumerate(replies[:-1]):
            if isinstance(reply, ConnectionError):
                raise reply
            if isinstance(reply, Exception):
                if i:
                    self.annotate_exception(reply, i, commands[i - 1][0])
                errors.append((max(i - 1, 0), reply))
        response = replies[-1]
        if isinstance(response, ExecAbortError) and errors:
            raise errors[0][1]
        if isinstance(response, Exception):
            raise response
        self.watching = False                # EXEC ends every WATCH
        if response is None:
            raise WatchError("Watched variable changed.")
        for i, error in errors:
            response.insert(i, error)
        if len(response) != len(commands):
            await connection.disconnect()
            raise ResponseError("Wrong number of response items from pipeline execution")
        if raise_on_error:
            self.raise_first_error(commands, response)
        for i, (args, options) in enumerate(commands):
            if not isinstance(response[i], Exception):
                shaped = self._shape(response[i], args, options)
                response[i] = shaped if type(shaped) in _FINISHED or not inspect.isawaitable(shaped) else await shaped
        return response


StrictRedis = Redis              # as redis-py still calls it, too


def from_url(url, **kwargs):
    """A client for a hutch:// URL; see Redis.from_url. ValueError for a URL that is not one."""
    return Redis.from_url(url, **kwargs)
