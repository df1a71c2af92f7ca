"""hutch.Redis: a redis.Redis whose server is inside the process."""
import inspect
import weakref

import redis
from redis.backoff import NoBackoff
from redis.client import EMPTY_RESPONSE, NEVER_DECODE, CaseInsensitiveDict
from redis.client import Pipeline as RedisPipeline
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError, ExecAbortError, ResponseError, WatchError
from redis.retry import Retry

from hutch_engine.door_hot import quick_methods
from hutch_engine.door_hot_collections import HotCollections
from hutch_engine.door_hot_pipeline import HotPipeline, quick_pipeline_methods

from .connection import EmbeddedConnection, EmbeddedConnectionPool, decodes_as_written
from .exceptions import StoreClosedError
from .lock import Lock

# What redis.Redis takes for the way to a server. It means nothing inside the process, and is taken so that
# programs need not be changed: a client without a socket never times out on one.
_IGNORED = frozenset({"socket_timeout", "socket_connect_timeout", "socket_read_size", "socket_keepalive",
                      "socket_keepalive_options", "retry_on_timeout", "maint_notifications_config", "lib_name",
                      "lib_version", "event_dispatcher"})
_KNOWN = frozenset(inspect.signature(AbstractConnection.__init__).parameters) - {"self", "parser_class", "command_packer"}

# Attributes that decide whether the compiled methods may answer.
_DECISIVE = frozenset({"execute_command", "parse_response", "response_callbacks", "connection_pool", "connection"})


# What redis-py makes of SET's reply, unless somebody puts another callback in its place.
try:
    from redis._parsers.helpers import parse_set_result as _SET_SHAPED
except ImportError:
    _SET_SHAPED = None


# What these answer is a message. With RESP3 redis-py would wait for a reply for ever; we answer None.
_CONFIRMED = frozenset({"SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"})

_QUEUED = frozenset(("OK", b"OK", "QUEUED", b"QUEUED"))


def _all_queued(replies):
    try:
        return _QUEUED.issuperset(replies)
    except TypeError:            # a list: after a DISCARD among the commands, say
        return False


class _Callbacks(CaseInsensitiveDict):
    """Response callbacks that tell their client when somebody changes them."""

    def __init__(self, callbacks, client):
        dict.__init__(self, callbacks)
        self._client = weakref.ref(client)

    def _changed(self):
        client = self._client()
        if client is not None:
            client._hot_enable(False)

    def __setitem__(self, name, callback):
        self._changed()
        super().__setitem__(name, callback)

    def __delitem__(self, name):
        self._changed()
        super().__delitem__(name)

    def update(self, callbacks):
        self._changed()
        super().update(callbacks)

    def pop(self, *args):
        self._changed()
        return super().pop(*args)

    def clear(self):
        self._changed()
        super().clear()


class Redis(HotCollections, redis.Redis):
    """Redis in the room: the whole of redis-py's API on a store inside this process.

    Without a name the client has a store of its own; clients with the same name share one.

        >>> import hutch
        >>> r = hutch.Redis(decode_responses=True)
        >>> r.set("greeting", "hello")
        True
        >>> r.get("greeting")
        'hello'

    Safe to be used by many threads at once. Options are redis.Redis's, except those that say where a server is.
    """

    def __init__(self, name=None, *, db=0, username=None, password=None, store=None, connection_pool=None,
                 encoding="utf-8", encoding_errors="strict", decode_responses=False, client_name=None,
                 single_connection_client=False, max_connections=None, protocol=None, retry=None,
                 retry_on_error=None, health_check_interval=0, redis_connect_func=None, credential_provider=None,
                 cache=None, cache_config=None, **options):
        self._hot_pending = False
        own_pool = connection_pool is None
        if own_pool:
            unknown = set(options) - _KNOWN - _IGNORED
            if unknown:
                raise TypeError(_refusal(sorted(unknown)))
            kwargs = {key: value for key, value in options.items() if key in _KNOWN and key not in _IGNORED}
            if cache is not None or cache_config is not None:
                kwargs.update(cache=cache, cache_config=cache_config)
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
        from .url import parse_url
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
                 and kind._execute_command is redis.Redis._execute_command
                 and kind.parse_response is redis.Redis.parse_response and "parse_response" not in mine
                 and self.response_callbacks is mine.get("_own_callbacks")
                 and type(pool) is EmbeddedConnectionPool and pool.connection_class is EmbeddedConnection
                 and getattr(pool, "cache", None) is None
                 and decodes_as_written(pool))
        self._plain = plain
        self._hot_enable(plain)
        self._hot_pending = plain
        self._scripts_pending = plain

    def _lend_scripts_a_session(self):
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
            pass                         # max_connections: scripts go the general way
        for connection in others:
            pool.release(connection)

    def execute_command(self, *args, **options):
        """Run a command and return its reply, shaped as redis-py shapes it."""
        if not self._plain or NEVER_DECODE in options:
            return super().execute_command(*args, **options)
        pool = self.connection_pool
        connection = self.connection
        single = connection is not None
        if single:
            if connection.session.has_messages:
                connection.heard_all()   # as redis-py hears of them when it reads the reply
        else:
            connection = pool.get_connection()
        if self._hot_pending:
            self._hot_pending = False
            self._hot_attach(connection.session, connection.db)
        if self._scripts_pending and args[0] in ("EVAL", "EVALSHA"):
            self._scripts_pending = False
            if not single:
                self._lend_scripts_a_session()
        try:
            try:
                response = connection.session.execute_split(args)
                if response is None and args[0] in _CONFIRMED and connection.protocol not in (3, "3"):
                    response = connection.read_response()
            except ResponseError:
                if EMPTY_RESPONSE in options:
                    return options[EMPTY_RESPONSE]
                raise
        except StoreClosedError:
            # The session ended before the command ran. redis-py knows how to begin a new one.
            connection.disconnect()
            again = True
        else:
            again = False
        finally:
            if not single:
                pool.release(connection)
        if again:
            return super().execute_command(*args, **options)
        name = args[0]
        callbacks = self.response_callbacks
        if name in callbacks:
            options.pop(EMPTY_RESPONSE, None)
            options.pop("keys", None)
            return callbacks[name](response, **options)
        return response

    # The hot method of the same meaning, not redis-py's alias of its own.
    def __contains__(self, name):
        return self.exists(name) != 0

    def lock(self, name, *args, lock_class=None, **options):
        """A lock on ``name``, to be held by one thread at a time; see redis.Redis.lock."""
        if lock_class is None and len(args) < 5:
            lock_class = Lock
        return super().lock(name, *args, **({} if lock_class is None else {"lock_class": lock_class}), **options)

    def pipeline(self, transaction=True, shard_hint=None):
        """Commands that are gathered and run together; with `transaction` (the default), atomically."""
        pipeline = Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        if self._plain and type(pipeline) is Pipeline and self.connection is None:
            pipeline._hot_prepare(self)
        return pipeline


for _name, _method in quick_methods(Redis).items():
    setattr(Redis, _name, _method)       # descriptors of this very class: see door_hot


def _refusal(names):
    where = [name for name in names if name in ("host", "port", "unix_socket_path") or name.startswith("ssl")]
    if where:
        return (f"hutch.Redis is inside this process: it takes no {', '.join(where)}. "
                "Use redis.Redis to reach a server.")
    return f"hutch.Redis() got unexpected keyword arguments: {', '.join(names)}"


class Pipeline(HotPipeline, RedisPipeline):
    """redis-py's pipeline; what was gathered goes through the session in one piece."""

    def _runs_plainly(self, connection, commands):
        if type(self).parse_response is not RedisPipeline.parse_response or not isinstance(connection, EmbeddedConnection):
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


def from_url(url, **kwargs):
    """A client for a hutch:// URL; see Redis.from_url."""
    return Redis.from_url(url, **kwargs)
