"""hutch.Redis: a redis.Redis whose server is inside the process."""
import inspect
import sys
from contextlib import nullcontext
from typing import Any

import redis
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.client import Pipeline as RedisPipeline
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError, ExecAbortError, ResponseError, TimeoutError, WatchError

import hutch_engine.door.methods         # which puts the compiled methods into the classes named below  # noqa: F401
from hutch_engine.door.classes import Noticed, class_number
from hutch_engine.door.hot import quick_methods
from hutch_engine.door.hot_collections import HotCollections
from hutch_engine.door.hot_pipeline import HotPipeline, pipelines_are_pristine, quick_pipeline_methods

from .connection import EmbeddedConnection, EmbeddedConnectionPool, database_number
from .documents import DECODER, ENCODER
from .embedded_client import EmbeddedClient
from .lock import Lock
from .pristine import Pristine

_DECISIVE_METHODS = {"execute_command", "_execute_command", "_send_command_parse_response", "parse_response"}

_connection_is_pristine = Pristine({"connect", "disconnect", "send_command", "send_packed_command", "pack_command",
                                    "pack_commands", "read_response", "next_reply", "execute_many", "can_read"})
_pipeline_is_pristine = Pristine(
    {"execute", "execute_command", "immediate_execute_command", "pipeline_execute_command", "parse_response", "reset",
     "raise_first_error", "annotate_exception", "_execute_pipeline", "_execute_transaction"}, HotPipeline)


# What redis-py makes of SET's reply, unless somebody puts another callback in its place.
try:
    from redis._parsers.helpers import parse_set_result as _SET_SHAPED
except ImportError:
    _SET_SHAPED = None


# What these answer is a message. With RESP3 redis-py would wait for a reply for ever; here it hears at once that none will come.
_CONFIRMED = frozenset({"SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"})

_QUEUED = frozenset(("OK", b"OK", "QUEUED", b"QUEUED"))


def _all_queued(replies):
    try:
        return _QUEUED.issuperset(replies)
    except TypeError:            # a list: after a DISCARD among the commands, say
        return False


class Redis(EmbeddedClient, HotCollections, redis.Redis):
    """Redis in the room: the whole of redis-py's API on a store inside this process.

    Without a name the client has a store of its own; clients with the same name share one.

        >>> import hutch
        >>> r = hutch.Redis(decode_responses=True)
        >>> r.set("greeting", "hello")
        True
        >>> r.get("greeting")
        'hello'

    A name that is a path (with a separator, or an os.PathLike) is a directory in which the store is kept, for all processes that open it
    (docs/durability.md): ``hutch.Redis("path/to/store")``. Its log is synced every second, or as ``appendfsync`` says ("always",
    "everysec", "no"); ``parameters`` is a dict of more, by their names in a redis.conf.

    Another store ends, with all that is in it, when its last client is closed or collected, as at the end of a ``with`` block.
    With ``keep=True`` it stays: one with a name for as long as the process lives. A hutch.Store that is given as ``store``
    ends when it is closed itself. A closed client may be used again as long as there is its store.

    Safe to be used by many threads at once. Options are redis.Redis's, except those that say where a server is.

    TypeError for an unknown option, for one that says where a server is, and for a name and a store at once; ValueError for a
    name that is empty, and for a directory that cannot hold a store, or holds one that cannot be loaded.
    """

    _pool_class = EmbeddedConnectionPool
    _connection_class = EmbeddedConnection
    _options_known = frozenset(inspect.signature(AbstractConnection.__init__).parameters) - {"self", "parser_class", "command_packer"}
    _decisive_methods = frozenset(_DECISIVE_METHODS)
    _class_is_pristine = Pristine(_DECISIVE_METHODS, HotCollections)
    _pool_is_pristine = Pristine({"get_connection", "release", "make_connection"})
    _connection_is_pristine = _connection_is_pristine

    def __init__(self, name: Any = None, *, db: int = 0, username: Any = None, password: Any = None, store: Any = None, keep: bool = False,
                 connection_pool: Any = None, encoding: str = "utf-8", encoding_errors: str = "strict", decode_responses: bool = False,
                 client_name: Any = None, single_connection_client: bool = False, max_connections: Any = None, protocol: Any = None,
                 retry: Any = None, retry_on_error: Any = None, health_check_interval: float = 0, redis_connect_func: Any = None,
                 credential_provider: Any = None, cache: Any = None, cache_config: Any = None, **options: Any) -> None:
        if connection_pool is None and (cache is not None or cache_config is not None):
            options.update(cache=cache, cache_config=cache_config)
        own_pool, connection_pool = self._choose_pool(
            connection_pool, name, store, keep, options, max_connections=max_connections, db=db, username=username, password=password,
            encoding=encoding, encoding_errors=encoding_errors, decode_responses=decode_responses, client_name=client_name,
            protocol=protocol, retry=retry, retry_on_error=retry_on_error, health_check_interval=health_check_interval,
            redis_connect_func=redis_connect_func, credential_provider=credential_provider)
        super().__init__(connection_pool=connection_pool, single_connection_client=single_connection_client)
        self.auto_close_connection_pool = own_pool
        self._own_response_callbacks()

    def _pool_classes(self):
        remote = sys.modules.get("hutch.remote")
        return (self._pool_class,) if remote is None else (self._pool_class, remote.SharedConnectionPool)

    def _connection_fits(self):
        return self.connection_pool.cache is None and (super()._connection_fits() or type(self.connection) is EmbeddedConnection)

    def _session_fits(self):
        # A connection of the client's own: in its session, or not at all.
        return self.connection is None or not self._hot_attached or self._hot_owns(self.connection.session)

    def __del__(self):
        # A PubSub, a monitor, another client may go on with the pool: it ends, and with it a store that was made for it, when
        # the last of them is gone. Only `close` ends it for all.
        try:
            self.auto_close_connection_pool = False
            self.close()
        except Exception:
            pass

    def _attach_script_session(self):
        """The compiled eval and evalsha get a connection to themselves: others are let in while a script runs."""
        pool = self.connection_pool
        others = []
        try:
            connection = pool.get_connection()
            while self._hot_owns(connection.session):
                others.append(connection)
                connection = pool.get_connection()
            self._hot_attach_scripts(connection.session)
        except redis.ConnectionError:
            pass                         # max_connections: scripts go the slow path
        for connection in others:
            pool.release(connection)

    def execute_command(self, *args, **options):
        """Run a command and return its reply, shaped as redis-py shapes it. Error replies are raised as redis-py's
        ResponseError and its subclasses; StoreClosedError and ForkedError, both a ConnectionError, when the store is closed or
        another process's; TimeoutError at once where CLIENT REPLY lets no reply come; DataError for an argument that is not
        bytes, str or a number."""
        if self._hot_stale:
            self._hot_reconsider()
        if not self._plain or NEVER_DECODE in options:
            return super().execute_command(*args, **options)
        pool = self.connection_pool
        connection = self.connection
        single = connection is not None
        if not single:
            connection = pool.get_connection()
        elif connection._sock is None:
            connection.connect()
        elif connection.session.has_messages:
            connection.heard_all()       # as redis-py hears of them when it reads the reply
        if connection.session is None:
            return self._execute_elsewhere(connection, args, options)
        try:
            if self._hot_pending:
                self._hot_pending = False
                self._hot_attach(connection.session, database_number(connection))
            if self._scripts_pending and args[0] in ("EVAL", "EVALSHA"):
                self._scripts_pending = False
                if not single:
                    self._attach_script_session()
            try:
                if args[0] in _CONFIRMED and connection.protocol not in (3, "3"):
                    connection.send_command(*args)
                    response = connection.read_response()
                else:
                    response = connection.session.execute_split(args)
            except Exception as error:
                if EMPTY_RESPONSE in options and isinstance(error, ResponseError):
                    return options[EMPTY_RESPONSE]
                if isinstance(error, connection.retry._supported_errors):
                    return self._try_again(connection, error, args, options)
                if isinstance(error, (ConnectionError, TimeoutError)):
                    connection.disconnect()      # as redis-py's read_response
                raise
        finally:
            if not single:
                pool.release(connection)
        name = args[0]
        callbacks = self.response_callbacks
        if name in callbacks:
            options.pop(EMPTY_RESPONSE, None)
            options.pop("keys", None)
            return callbacks[name](response, **options)
        return response

    def _execute_elsewhere(self, connection, args, options):
        """The store's owner is another process, to which the connection leads."""
        try:
            try:
                response = connection.call(args)
            except ResponseError:
                if EMPTY_RESPONSE in options:
                    return options[EMPTY_RESPONSE]
                raise
        except (ConnectionError, TimeoutError, ResponseError) as error:
            if isinstance(error, ResponseError) and not isinstance(error, connection.retry._supported_errors):
                raise
            return self._try_again(connection, error, args, options)
        finally:
            self.connection_pool.release(connection)
        name = args[0]
        callbacks = self.response_callbacks
        if name in callbacks:
            options.pop(EMPTY_RESPONSE, None)
            options.pop("keys", None)
            return callbacks[name](response, **options)
        return response

    def _try_again(self, connection, error, args, options):
        """The first try ended with an error that the connection's Retry knows: what follows is redis-py's."""
        failed = [error]

        def attempt():
            if failed:
                raise failed.pop()
            return self._send_command_parse_response(connection, args[0], *args, **options)

        with self.single_connection_lock if connection is self.connection else nullcontext():
            return connection.retry.call_with_retry(attempt, lambda error: connection.disconnect())

    def close(self):
        """Disconnect; a store that the client has to itself, or the last of the store's name, ends unless it is kept. May be
        called again."""
        super().close()
        if getattr(self, "auto_close_connection_pool", False):
            self.connection_pool.close()         # older redis-py only disconnects

    # The hot method of the same meaning, not redis-py's alias of its own.
    def __contains__(self, name):
        return self.exists(name) != 0

    def lock(self, name, *args, lock_class=None, **options):
        """A lock on ``name``, to be held by one thread at a time; see redis.Redis.lock. Nothing is sent before it is acquired."""
        if lock_class is None and len(args) < 5:
            lock_class = Lock
        return super().lock(name, *args, **({} if lock_class is None else {"lock_class": lock_class}), **options)

    def pipeline(self, transaction=True, shard_hint=None):
        """A Pipeline, whose commands are gathered and run together; with `transaction` (the default), atomically."""
        pipeline = Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        if self._hot_stale:
            self._hot_reconsider()
        if self._plain and type(pipeline) is Pipeline and self.connection is None and not pipeline._hot_prepare(self):
            number = class_number(Pipeline)
            if _pipeline_is_pristine(Pipeline):
                pipelines_are_pristine(number)
                pipeline._hot_prepare(self)
        return pipeline


for _name, _method in quick_methods(Redis).items():
    setattr(Redis, _name, _method)       # descriptors of this very class: see door/hot


class Pipeline(HotPipeline, RedisPipeline):
    """redis-py's pipeline; what was gathered goes through the session in one piece."""

    def _replaced(self):
        self._hot_prepare(None)

    execute_command = Noticed(RedisPipeline, "execute_command", _replaced)
    pipeline_execute_command = Noticed(RedisPipeline, "pipeline_execute_command", _replaced)
    parse_response = Noticed(RedisPipeline, "parse_response", _replaced)

    def json(self, encoder=ENCODER, decoder=DECODER):
        """JSON documents; see redis.Redis.json. What is called on them is gathered, too."""
        return super().json(encoder=encoder, decoder=decoder)

    def _runs_plainly(self, connection, commands):
        if (not _pipeline_is_pristine(type(self)) or "parse_response" in self.__dict__
                or not isinstance(connection, EmbeddedConnection) or not _connection_is_pristine(type(connection))):
            return False
        for _, options in commands:
            if options and (NEVER_DECODE in options or EMPTY_RESPONSE in options):
                return False
        for name in {args[0] for args, _ in commands}:
            if name[:1] in ("H", "h", b"H", b"h") and str(name).upper().startswith("HIMPORT"):
                return False
        return True

    def _shaped(self, response, args, options):
        callback = self.response_callbacks.get(args[0])
        if callback is None:
            return response
        options.pop("keys", None)
        return callback(response, **options)

    def _shape_all(self, responses, commands):
        """What redis-py makes of the replies of a transaction. Most of a long one's commands are alike: each name's
        callback is looked up once, and OK, of which the stock callback makes True, does not go through it."""
        callbacks = self.response_callbacks
        known = {}
        shaped = []
        for response, (args, options) in zip(responses, commands):
            name = args[0]
            try:
                callback = known[name]
            except (KeyError, TypeError):
                callback = known[name] = callbacks.get(name)
            if callback is None or isinstance(response, Exception):
                shaped.append(response)
            elif callback is _SET_SHAPED and not options and (response == "OK" or response == b"OK"):
                shaped.append(True)
            else:
                options.pop("keys", None)
                shaped.append(callback(response, **options))
        return shaped

    def _execute_pipeline(self, connection, commands, raise_on_error):
        if not self._runs_plainly(connection, commands):
            return super()._execute_pipeline(connection, commands, raise_on_error)
        responses = connection.execute_many([args for args, _ in commands])
        for i, (args, options) in enumerate(commands):
            response = responses[i]
            if isinstance(response, Exception):
                if not isinstance(response, ResponseError):
                    raise response
                continue
            try:
                responses[i] = self._shaped(response, args, options)
            except ResponseError as error:
                responses[i] = error
            if args[0] in self.UNWATCH_COMMANDS:
                self.watching = False
            elif args[0] == "WATCH":
                self.watching = True
        if raise_on_error:
            self.raise_first_error(commands, responses)
        return responses

    def _execute_transaction(self, connection, commands, raise_on_error):
        if not self._runs_plainly(connection, commands):
            return super()._execute_transaction(connection, commands, raise_on_error)
        replies = connection.execute_many([("MULTI",), *[args for args, _ in commands], ("EXEC",)])
        errors = []
        # As a rule all were queued, and nothing needs to be looked at one by one.
        for i, reply in enumerate(() if _all_queued(replies[:-1]) else replies[:-1]):
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
            connection.disconnect()
            raise ResponseError("Wrong number of response items from pipeline execution")
        if raise_on_error:
            self.raise_first_error(commands, response)
        return self._shape_all(response, commands)


for _name, _method in quick_pipeline_methods(Pipeline).items():
    setattr(Pipeline, _name, _method)


StrictRedis = Redis              # as redis-py still calls it, too


def from_url(url, **kwargs):
    """A client for a hutch:// URL; see Redis.from_url. ValueError for a URL that is not one."""
    return Redis.from_url(url, **kwargs)
