"""hutch.asyncio.Redis: a redis.asyncio.Redis whose server is inside the process."""
import asyncio
import inspect

import redis.asyncio
from redis.asyncio.client import Pipeline as RedisPipeline
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import ConnectionError, ExecAbortError, ResponseError, WatchError

from hutch_engine.door_async import LATER, WAITING, Submission, run_now
from hutch_engine.door_hot_async import HotAsync, async_methods

from ..client import _Callbacks, _DECISIVE, _IGNORED, _refusal
from ..connection import decodes_as_written
from ..exceptions import StoreClosedError
from .connection import EmbeddedConnection, EmbeddedConnectionPool
from .lock import Lock
from .pubsub import PubSub
from .waiting import LATER_S, finish

_KNOWN = frozenset(inspect.signature(AbstractConnection.__init__).parameters) - {"self", "parser_class"}

# What a callback may return that nobody awaits: to ask inspect takes longer than a command.
_FINISHED = frozenset({bool, int, float, str, bytes, list, tuple, dict, set, type(None)})


class Redis(HotAsync, redis.asyncio.Redis):
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

    A plain command never suspends its task. A blocking one waits without a thread; when its task is cancelled, it leaves
    the queue, and an element that it was given in that very moment goes back to where it was. Clients may be used by
    several event loops in several threads. Options are redis.asyncio.Redis's, except those that say where a server is.
    """

    def __init__(self, name=None, *, db=0, username=None, password=None, store=None, connection_pool=None,
                 encoding="utf-8", encoding_errors="strict", decode_responses=False, client_name=None,
                 single_connection_client=False, max_connections=None, protocol=None, retry=None,
                 retry_on_error=None, health_check_interval=0, redis_connect_func=None, credential_provider=None,
                 **options):
        self._hot_pending = False
        own_pool = connection_pool is None
        if own_pool:
            unknown = set(options) - _KNOWN - _IGNORED
            if unknown:
                raise TypeError(_refusal(sorted(unknown)).replace("hutch.Redis", "hutch.asyncio.Redis"))
            kwargs = {key: value for key, value in options.items() if key in _KNOWN and key not in _IGNORED}
            connection_pool = EmbeddedConnectionPool(
                name, store=store, max_connections=max_connections, db=db, username=username, password=password,
                encoding=encoding, encoding_errors=encoding_errors, decode_responses=decode_responses,
                client_name=client_name, protocol=protocol,
                # One more try, at once: what can fail is a session that another client killed.
                retry=Retry(NoBackoff(), 1) if retry is None else retry,
                retry_on_error=[] if retry_on_error is None else retry_on_error,
                health_check_interval=health_check_interval, redis_connect_func=redis_connect_func,
                credential_provider=credential_provider, **kwargs)
        elif name is not None or store is not None:
            raise TypeError("a connection_pool brings its store with it")
        super().__init__(connection_pool=connection_pool, single_connection_client=single_connection_client)
        self.auto_close_connection_pool = own_pool
        self.response_callbacks = self._own_callbacks = _Callbacks(self.response_callbacks, self)
        self._hot_reconsider()

    @classmethod
    def from_url(cls, url, **kwargs):
        """A client for hutch:// (a store of its own), hutch://name or hutch://name/2; options in the query."""
        from ..url import parse_url
        kwargs.update(parse_url(url))
        return cls(kwargs.pop("name", None), **kwargs)

    @property
    def store(self):
        """The hutch.Store this client works on."""
        return self.connection_pool.store

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        if name in _DECISIVE and "_own_callbacks" in self.__dict__:
            self._hot_reconsider()

    def __delattr__(self, name):
        object.__delattr__(self, name)
        if name in _DECISIVE:
            self._hot_reconsider()

    def _hot_reconsider(self):
        """May the compiled methods answer? Not when anything between a method and the wire was replaced."""
        kind = type(self)
        mine = self.__dict__
        pool = self.connection_pool
        plain = (kind.execute_command is Redis.execute_command and "execute_command" not in mine
                 and kind._send_command_parse_response is redis.asyncio.Redis._send_command_parse_response
                 and kind.parse_response is redis.asyncio.Redis.parse_response and "parse_response" not in mine
                 and self.response_callbacks is mine.get("_own_callbacks")
                 and type(pool) is EmbeddedConnectionPool and pool.connection_class is EmbeddedConnection
                 and decodes_as_written(pool))
        self._plain = plain
        # A connection of one's own may be amid anything, and tasks take turns on it.
        plain = plain and not self.single_connection_client
        self._hot_enable(plain)
        self._hot_pending = self._scripts_pending = plain

    async def execute_command(self, *args, **options):
        """Run a command and return its reply, shaped as redis-py shapes it."""
        if not self._plain or self.single_connection_client or NEVER_DECODE in options:
            return await super().execute_command(*args, **options)
        connection = self.connection_pool._shared
        if connection is None or not connection.is_connected:
            connection = await self.connection_pool.shared_connection()
        if self._hot_pending:
            self._hot_pending = False
            self._hot_attach(connection.session, connection.db)
        try:
            if self._scripts_pending and args[0] in ("EVAL", "EVALSHA"):
                if self._hot:
                    self._hot_attach_scripts(self.connection_pool.script_session(connection.session))
                self._scripts_pending = False
            response = run_now(connection.session, args)
            while response is LATER:
                await asyncio.sleep(LATER_S)
                response = run_now(connection.session, args)
            if response is WAITING:
                response = await self._wait(connection.session, args)
        except StoreClosedError:
            # The session ended before the command ran. redis-py knows how to begin a new one.
            again = True
        except ResponseError:
            if EMPTY_RESPONSE in options:
                return options[EMPTY_RESPONSE]
            raise
        else:
            again = False
        if again:
            if not connection.is_usable:
                connection.drop()
            return await super().execute_command(*args, **options)
        name = args[0]
        callbacks = self.response_callbacks
        if name in callbacks:
            options.pop(EMPTY_RESPONSE, None)
            options.pop("keys", None)
            shaped = callbacks[name](response, **options)
            return shaped if type(shaped) in _FINISHED or not inspect.isawaitable(shaped) else await shaped
        return response

    async def _wait(self, session, args):
        """A blocking command, in a session of its own: others go on meanwhile."""
        pool = self.connection_pool
        waiting = pool.lend_session(session)
        try:
            submission = Submission(waiting, (args,), True)
            await finish(submission)
            response = submission.read() if submission else None
        finally:
            pool.take_back(waiting)
        if isinstance(response, Exception):
            raise response
        return response

    async def aclose(self, close_connection_pool=None):
        """End this client; and its store, if it has one to itself or was the last of the store's name."""
        await super().aclose(close_connection_pool)
        if close_connection_pool or (close_connection_pool is None and self.auto_close_connection_pool):
            await self.connection_pool.aclose()      # older redis-py only disconnects

    def lock(self, name, *args, lock_class=None, **options):
        """A lock on ``name``, to be held by one task at a time; see redis.asyncio.Redis.lock."""
        if lock_class is None and len(args) < 5:
            lock_class = Lock
        return super().lock(name, *args, **({} if lock_class is None else {"lock_class": lock_class}), **options)

    def pubsub(self, **options):
        """Something to subscribe with, and to hear from; see redis.asyncio.Redis.pubsub."""
        dispatcher = getattr(self, "_event_dispatcher", None)
        if dispatcher is not None:
            options.setdefault("event_dispatcher", dispatcher)
        return PubSub(self.connection_pool, **options)

    def pipeline(self, transaction=True, shard_hint=None):
        """Commands that are gathered and run together; with `transaction` (the default), atomically."""
        return Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


for _name, _method in async_methods(Redis).items():
    setattr(Redis, _name, _method)


class Pipeline(RedisPipeline):
    """redis.asyncio's pipeline; what was gathered goes through the session in one piece."""

    def _runs_plainly(self, connection, commands):
        kind = type(self)
        if kind.parse_response is not RedisPipeline.parse_response or not isinstance(connection, EmbeddedConnection):
            return False
        for args, options in commands:
            if options and (NEVER_DECODE in options or EMPTY_RESPONSE in options):
                return False
            if args[0][:1] in ("H", "h", b"H", b"h") and str(args[0]).upper().startswith("HIMPORT"):
                return False
        return True

    def set(self, name, value, *args, **options):
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


def from_url(url, **kwargs):
    """A client for a hutch:// URL; see Redis.from_url."""
    return Redis.from_url(url, **kwargs)
