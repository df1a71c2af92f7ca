"""The ways by which a command comes in, and all that may be seen of it afterwards.

A World is one server with whoever watches it: a subscriber to keyspace events, a client with a WATCH, one with CLIENT TRACKING, a
MONITOR, one that waits for a key. `World.observe(case, way)` empties the server, sets the case up, sends its command by the way and
answers an Observation, which tests/test_ways_in.py compares with what a real Redis shows.
"""
from __future__ import annotations

import ast
import asyncio
import re
import threading
from dataclasses import dataclass, field, fields

import redis
import redis.asyncio
from redis._parsers.base import BaseParser

import hutch
import hutch.asyncio
from hutch.testing.replies import Error, Null, Simple
from kit.resp_client import RespClient, pack
from kit.waiting import wait_until

SHAPES = redis.Redis(protocol=2).response_callbacks
SCRIPT = "return redis.call(unpack(ARGV))"
LIBRARY = "#!lua name=ways\nredis.register_function('run', function(keys, args) return redis.call(unpack(args)) end)"
OBSERVERS = ("events", "watch", "tracking", "broadcast", "monitor", "waiter")
BEGIN, END = "the case begins", "the case ends"
FIGURES = ("keyspace_hits", "keyspace_misses", "total_commands_processed", "total_error_replies", "expired_keys", "evicted_keys")


def words(line):
    return tuple(line.split(" ")) if isinstance(line, str) else tuple(line)


@dataclass(frozen=True)
class Case:
    """One command, what there is before it, and the method of redis-py that sends it."""
    name: str
    argv: tuple
    setup: tuple = ()
    method: tuple = ()              # (name, *arguments) of the same command, where redis-py has one
    keys: tuple = ()                # watched and tracked
    waits: tuple = ()               # what a client that waits for the key sends, which the command serves
    due_ms: int = 0                 # how long to wait before: a deadline has come by then
    config: tuple = ()              # (parameter, value) while the command runs
    served_by: tuple = ()           # the command waits until another client has sent this
    then: tuple = ()                # cases whose commands follow at once: in the same pipeline or transaction


@dataclass
class Observation:
    reply: object = None
    digest: bytes = b""
    dirty: int = 0
    calls: dict = field(default_factory=dict)           # of INFO commandstats: (calls, rejected, failed)
    timed: tuple = ()                                   # commands that INFO latencystats knows
    errors: dict = field(default_factory=dict)          # of INFO errorstats
    figures: dict = field(default_factory=dict)
    events: tuple = ()
    watch_broken: bool | None = None
    invalidated: tuple = ()
    broadcast: tuple = ()
    monitored: tuple = ()
    served: object = None                               # what the client that waits was answered

    def differences(self, other) -> dict:
        found = {}
        for one in fields(self):
            mine, its = getattr(self, one.name), getattr(other, one.name)
            if mine != its:
                found[one.name] = (mine, its)
        return found


# -- replies --------------------------------------------------------------------------------------------------

def plain(value):
    """A decoded reply as redis-py's parser has it."""
    if isinstance(value, Error):
        return refusal(BaseParser.parse_error(value.text.decode()))
    if isinstance(value, Simple):
        return value.text
    if isinstance(value, Null):
        return None
    return [plain(one) for one in value] if isinstance(value, list) else value


def refusal(error):
    """An exception's kind and text, without what a script, or redis-py of a pipeline, adds to it."""
    text = re.sub(r"^Command # \d+ \(.*?\) of pipeline caused error: ", "", str(error))
    if re.fullmatch(r"\((['\"]).*\1,\)", text):                   # redis.asyncio shows the exception's arguments
        text = ast.literal_eval(text)[0]
    return "error", type(error).__name__, re.sub(r" script: .*", "", text)


def is_refusal(value):
    return isinstance(value, tuple) and value[:1] == ("error",)


def shaped(case, value):
    """What redis-py makes of the reply. Lua has no nil among arrays, nor a nil array."""
    if is_refusal(value):
        return value
    name = case.argv[0].upper()
    shape = SHAPES.get(name)
    return shape(value) if shape is not None else value


def guarded(call):
    try:
        return call()
    except redis.RedisError as error:
        return refusal(error)


async def guarded_in_task(call):
    try:
        return await call()
    except redis.RedisError as error:
        return refusal(error)


# -- ways -----------------------------------------------------------------------------------------------------
# Each sends the case's command in a world and answers its reply as redis-py has it. Those of a socket are open to a real Redis, too.

def by_socket(world, case):
    return shaped(case, plain(world.actor.execute(*case.argv).value))


def by_socket_pipeline(world, case):
    replies = world.actor.pipeline([one.argv for one in (case, *case.then)])
    return [shaped(one, plain(reply.value)) for one, reply in zip((case, *case.then), replies)]


def by_exec(world, case):
    cases = case, *case.then
    world.actor.send_raw(pack(("MULTI",)) + b"".join(pack(one.argv) for one in cases) + pack(("EXEC",)))
    _, *queued, replies = (world.actor.read().value for _ in range(len(cases) + 2))
    for one in queued:
        if one != Simple(b"QUEUED"):                  # redis-py shows this one, and not that of EXEC
            return plain(one)
    if not isinstance(replies, list):
        return plain(replies)
    replies = [shaped(one, plain(reply)) for one, reply in zip(cases, replies)]
    return replies if case.then else replies[0]


def by_script(world, case):
    return shaped(case, plain(world.actor.execute("EVAL", SCRIPT, 0, *case.argv).value))


def by_function(world, case):
    return shaped(case, plain(world.actor.execute("FCALL", "run", 0, *case.argv).value))


def by_embedded_call(world, case):
    return guarded(lambda: world.client.execute_command(*case.argv))


def by_method(world, case):
    name, *arguments = case.method
    return guarded(lambda: getattr(world.client, name)(*arguments))


def _gather(pipe, case):
    for one in (case, *case.then):
        if one.method:
            name, *arguments = one.method
            getattr(pipe, name)(*arguments)
        else:
            pipe.execute_command(*one.argv)
    return pipe


def _of_pipeline(case, call):
    found = guarded(call)
    if not isinstance(found, list):
        return found
    found = [refusal(one) if isinstance(one, Exception) else one for one in found]
    return found if case.then else found[0]


def by_pipeline(world, case):
    return _of_pipeline(case, lambda: _gather(world.client.pipeline(transaction=False), case).execute(raise_on_error=False))


def by_transaction(world, case):
    return _of_pipeline(case, lambda: _gather(world.client.pipeline(transaction=True), case).execute(raise_on_error=False))


def by_embedded_script(world, case):
    found = guarded(lambda: world.client.eval(SCRIPT, 0, *case.argv))
    return shaped(case, found)


def by_embedded_function(world, case):
    found = guarded(lambda: world.client.fcall("run", 0, *case.argv))
    return shaped(case, found)


def by_asyncio_call(world, case):
    return world.in_loop(guarded_in_task(lambda: world.async_client.execute_command(*case.argv)))


def by_asyncio_method(world, case):
    name, *arguments = case.method
    return world.in_loop(guarded_in_task(lambda: getattr(world.async_client, name)(*arguments)))


def by_asyncio_pipeline(world, case, transaction=False):
    pipe = _gather(world.async_client.pipeline(transaction), case)
    return _of_pipeline(case, lambda: world.in_loop(pipe.execute(raise_on_error=False)))


def by_asyncio_transaction(world, case):
    return by_asyncio_pipeline(world, case, True)


def served(way):
    """The way, of a command that waits: when it does, another client sends what it waits for."""
    def by_waiting(world, case):
        found = []
        waiting = threading.Thread(target=lambda: found.append(way(world, case)))
        waiting.start()
        try:
            wait_until(lambda: world.blocked_clients() or found)
            world.second_actor.execute(*case.served_by)
        finally:
            waiting.join(60)
        return found[0]
    by_waiting.__name__ = f"{way.__name__}_that_waits"
    return by_waiting


def thrice(way):
    """The same command three times, of which the last reply counts."""
    def by_three(world, case):
        return [way(world, case) for _ in range(3)][-1]
    by_three.__name__ = f"{way.__name__}_thrice"
    return by_three


# Of each way, the one by which a real Redis is asked. Only what is sent differs; there is no other list of what a way may do.
WAYS = {
    by_socket: by_socket, by_embedded_call: by_socket, by_method: by_socket, by_pipeline: by_socket, by_asyncio_call: by_socket,
    by_asyncio_method: by_socket, by_asyncio_pipeline: by_socket,
    by_exec: by_exec, by_transaction: by_exec, by_asyncio_transaction: by_exec,
    by_script: by_script, by_embedded_script: by_script, by_function: by_function, by_embedded_function: by_function,
}
# The same of several commands at once.
WAYS_OF_SEVERAL = {
    by_socket_pipeline: by_socket_pipeline, by_pipeline: by_socket_pipeline, by_asyncio_pipeline: by_socket_pipeline,
    by_exec: by_exec, by_transaction: by_exec, by_asyncio_transaction: by_exec,
}
# What is compiled is tried beside each kind of observer alone, too, as any of them might make it fall back.
COMPILED = {by_method, by_pipeline, by_transaction, by_asyncio_method, by_embedded_script}


def name_of(way):
    return way.__name__.removeprefix("by_")


# -- worlds ---------------------------------------------------------------------------------------------------

class World:
    """A server and its observers. With a `store`, the server is Hutch in this process, and the embedded ways are open."""

    def __init__(self, host, port, observers=(), store=None):
        self.observers = set(observers)
        self.admin, self.actor, self.second_actor = (RespClient(host, port) for _ in range(3))
        self.clients = [self.admin, self.actor, self.second_actor]
        self.client = self.async_client = self.loop = None
        if store is not None:
            self.client, self.async_client = hutch.Redis(store=store, protocol=2), hutch.asyncio.Redis(store=store, protocol=2)
            self.loop = asyncio.new_event_loop()
        assert not isinstance(self.admin.execute("FUNCTION", "LOAD", "REPLACE", LIBRARY).value, Error)
        self.asks = [("INFO", "commandstats", "errorstats", "stats", "persistence", "latencystats"), ("DEBUG", "DIGEST")]
        self.subscriber, self.watcher, self.tracker, self.broadcast, self.monitor, self.waiter = (
            self._join(RespClient(host, port)) if name in self.observers else None for name in OBSERVERS)
        # A deadline that has come stays for the command to meet.
        self.admin.execute("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        for way in WAYS if store is not None else ():
            way(self, Case("warming up", ("PING",), method=("ping",)))      # connections are made, and say who they are
        if self.subscriber:
            self.admin.execute("CONFIG", "SET", "notify-keyspace-events", "KEAmn")
            self.subscriber.execute("PSUBSCRIBE", "__key*__:*")
        if self.tracker:
            self.tracker.execute("HELLO", "3")
            self.tracker.execute("CLIENT", "TRACKING", "ON")
        if self.broadcast:
            self.broadcast.execute("HELLO", "3")
            self.broadcast.execute("CLIENT", "TRACKING", "ON", "BCAST")
        if self.monitor:
            self.monitor.execute("MONITOR")
        if self.waiter:
            self.waiter_id = self.waiter.execute("CLIENT", "ID").value

    def _join(self, client):
        self.clients.append(client)
        return client

    def in_loop(self, work):
        return self.loop.run_until_complete(work)

    def close(self):
        for client in self.clients:
            client.close()
        if self.loop is not None:
            self.in_loop(self.async_client.aclose())
            self.loop.close()
            self.client.close()

    def drained(self, client, sign=b"a sign of life"):
        """What the client was sent before it is answered."""
        client.send_raw(pack(("PING", sign)))
        found = []
        while True:
            reply = client.read()
            if sign in reply.raw:
                return found
            found.append(reply.value)

    def _monitored_until(self, sign):
        found = []
        while True:
            line = self.monitor.read().value.text
            if sign.encode() in line:
                return found
            found.append(line.decode())

    def observe(self, case: Case, way) -> Observation:
        before = [("FLUSHALL",), *map(words, case.setup), *(("CONFIG", "SET", *pair) for pair in case.config)]
        refused = [reply.value for reply in self.admin.pipeline(before) if isinstance(reply.value, Error)]
        assert not refused, (case.name, refused)
        if case.due_ms:
            self.admin.execute("DEBUG", "SLEEP", str(case.due_ms / 1000))
        if self.watcher:
            self.watcher.pipeline([("WATCH", *case.keys), ("MULTI",), ("ECHO", "x")] if case.keys else [("MULTI",), ("ECHO", "x")])
        if self.tracker:
            if case.keys and not case.due_ms:           # or this read would meet what is due, and not the command
                self.tracker.pipeline([("EXISTS", *case.keys)])
            self.drained(self.tracker)
        for one in filter(None, (self.subscriber, self.broadcast)):
            self.drained(one)
        waits = self.waiter is not None and bool(case.waits)
        if waits:
            self.waiter.send_raw(pack(case.waits))
            wait_until(self.blocked_clients)
        self.admin.pipeline([("ECHO", BEGIN), ("CONFIG", "RESETSTAT")])
        dirty = self._field(self.admin.execute("INFO", "persistence").value, "rdb_changes_since_last_save")
        seen = Observation(reply=way(self, case))
        info, digest = (reply.value for reply in self.admin.pipeline(self.asks))
        self._read_info(seen, info, dirty)
        seen.digest = bytes(plain(digest))
        after = [("ECHO", END), *(("CONFIG", "SET", name, "0") for name, _ in case.config)]
        self.admin.pipeline(after)
        if self.subscriber:
            seen.events = tuple(b" ".join(message[2:]) for message in self.drained(self.subscriber))
        if self.watcher:
            seen.watch_broken = isinstance(self.watcher.execute("EXEC").value, Null)
        if self.tracker:
            seen.invalidated = tuple(repr(message) for message in self.drained(self.tracker))
        if self.broadcast:
            seen.broadcast = tuple(repr(message) for message in self.drained(self.broadcast))
        if self.monitor:
            self._monitored_until(BEGIN)
            seen.monitored = tuple(self._lines(self._monitored_until(END)))
        if waits:
            seen.served = self._answered()
        return seen

    def blocked_clients(self):
        return self._field(self.admin.execute("INFO", "clients").value, "blocked_clients")

    def _answered(self):
        still = self.admin.execute("CLIENT", "UNBLOCK", self.waiter_id).value
        reply = plain(self.waiter.read().value)
        return "it still waits" if still else reply

    @staticmethod
    def _field(text, name):
        return int(re.search(rf"^{name}:(\d+)", text.decode(), re.MULTILINE)[1])

    def _read_info(self, seen, info, dirty):
        text = info.decode()
        own = {"config|resetstat", "info"}                    # what we asked ourselves
        asked = sum(int(count) for name, count in re.findall(r"^cmdstat_([^:]+):calls=(\d+)", text, re.MULTILINE) if name in own)
        seen.dirty = self._field(info, "rdb_changes_since_last_save") - dirty
        seen.calls = {name: tuple(int(re.search(rf"\b{word}=(\d+)", rest)[1]) for word in ("calls", "rejected_calls", "failed_calls"))
                      for name, rest in re.findall(r"^cmdstat_([^:]+):(.*)$", text, re.MULTILINE) if name not in own}
        timed = set(re.findall(r"^latency_percentiles_usec_([^:]+):", text, re.MULTILINE))
        seen.timed = tuple(sorted(timed - own))
        seen.errors = {name: int(count) for name, count in re.findall(r"^errorstat_([^:]+):count=(\d+)", text, re.MULTILINE)}
        seen.figures = {name: self._field(info, name) for name in FIGURES}
        seen.figures["total_commands_processed"] -= asked

    @staticmethod
    def _lines(lines):
        """Whose they are is left of them, and what; not when, nor by which address."""
        for line in lines:
            who, said = re.match(r"\+?[\d.]+ \[\d+ ([^\]]*)\] (.*)", line).groups()
            if not re.match(r'"(INFO|CONFIG|DEBUG)"', said):
                yield ("lua" if who == "lua" else "a client") + " " + said
