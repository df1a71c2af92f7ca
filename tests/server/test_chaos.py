"""Many clients at once, over sockets and within the process, doing whatever may cross: subscribing, waiting, watching,
tracking, monitoring, running scripts without end, killing each other, hanging up in the middle of a request; and an engine or a
listener that ends in the midst of it.

Nothing is compared. The process must live, every call must come back soon after the end, and until then somebody who asks
is answered. What each client does hangs on the seed alone; how they cross does not.

HUTCH_CHAOS_SECONDS (10) and HUTCH_CHAOS_SEED make it longer and other."""
import faulthandler
import os
import random
import socket
import sys
import threading
import time

import pytest

from hutch_engine.door import Engine
from resp_client import pack

SECONDS = float(os.environ.get("HUTCH_CHAOS_SECONDS", "10"))
SEED = int(os.environ.get("HUTCH_CHAOS_SEED", "1"))
ROUND_SECONDS = 2
PATIENCE_SECONDS = 30
SOCKETS, EMBEDDED, KILLERS = 6, 4, 1

ENDLESS = "while true do end"
SCRIPTS = (
    ENDLESS, "while true do pcall(function() while true do end end) end", "while true do redis.call('GET', KEYS[1]) end",
    "for i = 1, 2000 do redis.call('RPUSH', KEYS[1], i) end redis.call('DEL', KEYS[1])",
    "redis.call('PUBLISH', 'c1', 'from a script') return redis.call('LPUSH', KEYS[1], 'x')",
    "local t = {} for i = 1, 20000 do t[i] = i end return t", "error({err = 'MINE own'})", "return redis.call('BLPOP', KEYS[1], 0)",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", "redis.setresp(3) return redis.call('XADD', KEYS[1], '*', 'f', 'v')",
)
LIBRARY = "#!lua name=%s\nredis.register_function('%s', function(keys) for i = 1, 1e8 do redis.call('GET', keys[1] or 'k1') end end)"


def key(pick):
    return f"k{pick.randrange(6)}"


def a_command(pick):
    """The words of one command, most of them about waiting, listening and killing."""
    k, other, channel = key(pick), key(pick), f"c{pick.randrange(4)}"
    script = pick.choice(SCRIPTS)
    name = f"f{pick.randrange(3)}"
    wait = pick.choice(("0.01", "0.1", "0.3", "0"))
    return pick.choice((
        ("SET", k, "v" * pick.choice((1, 40, 5000))), ("GET", k), ("DEL", k, other), ("INCR", k), ("PEXPIRE", k, pick.randrange(50)),
        ("RPUSH", k, "a", "b"), ("LPOP", k), ("ZADD", k, 1, "a", 2, "b"), ("XADD", k, "*", "f", "v"), ("HSET", k, "f", "v"),
        ("RENAME", k, other), ("FLUSHALL",), ("SWAPDB", 0, 1), ("SELECT", pick.randrange(2)), ("COPY", k, other, "REPLACE"),
        ("BLPOP", k, other, wait), ("BRPOP", k, wait), ("BLMOVE", k, other, "LEFT", "RIGHT", wait), ("BZPOPMIN", k, other, wait),
        ("BLMPOP", wait, 2, k, other, "LEFT"), ("XREAD", "BLOCK", int(float(wait) * 1000), "STREAMS", k, "$"),
        ("XGROUP", "CREATE", k, "g", "$", "MKSTREAM"), ("XGROUP", "DESTROY", k, "g"),
        ("XREADGROUP", "GROUP", "g", "me", "BLOCK", int(float(wait) * 1000), "STREAMS", k, ">"),
        ("SUBSCRIBE", channel, "c9"), ("PSUBSCRIBE", "c*", "__key*"), ("SSUBSCRIBE", channel), ("UNSUBSCRIBE",), ("PUNSUBSCRIBE",),
        ("SUNSUBSCRIBE",), ("PUBLISH", channel, "m" * pick.choice((1, 3000))), ("SPUBLISH", channel, "m"),
        ("MONITOR",), ("RESET",), ("HELLO", pick.choice((2, 3))), ("CLIENT", "NO-EVICT", "ON"),
        ("CLIENT", "TRACKING", "ON"), ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", k), ("CLIENT", "TRACKING", "ON", "OPTIN"),
        ("CLIENT", "TRACKING", "ON", "REDIRECT", pick.randrange(1, 60)), ("CLIENT", "TRACKING", "OFF"), ("CLIENT", "CACHING", "YES"),
        ("MULTI",), ("EXEC",), ("DISCARD",), ("WATCH", k), ("UNWATCH",),
        ("CLIENT", "REPLY", pick.choice(("ON", "SKIP"))), ("CLIENT", "PAUSE", pick.randrange(30), pick.choice(("WRITE", "ALL"))),
        ("CLIENT", "UNPAUSE"), ("CLIENT", "LIST"), ("CLIENT", "UNBLOCK", pick.randrange(1, 60), pick.choice(("ERROR", "TIMEOUT"))),
        ("CLIENT", "KILL", "ID", pick.randrange(1, 60)), ("CLIENT", "KILL", "TYPE", pick.choice(("pubsub", "normal")), "SKIPME", "no"),
        ("EVAL", script, 1, k), ("EVAL", script, 1, k), ("EVAL_RO", script, 1, k), ("SCRIPT", "FLUSH"), ("SCRIPT", "LOAD", script),
        ("FUNCTION", "LOAD", "REPLACE", LIBRARY % (name, name)), ("FCALL", name, 1, k), ("FUNCTION", "FLUSH"), ("FUNCTION", "DUMP"),
        ("SCRIPT", "KILL"), ("FUNCTION", "KILL"), ("CONFIG", "SET", "notify-keyspace-events", pick.choice(("", "KEA"))),
        ("CONFIG", "SET", "maxmemory", pick.choice(("0", "0", "3mb"))), ("INFO",), ("DEBUG", "DIGEST"),
    ))


class Round:
    """One engine's life, with everybody on it."""

    def __init__(self, pick):
        self.pick = pick
        self.over = threading.Event()
        self.engine = Engine()
        self.engine.configure("bind", "127.0.0.1")
        self.engine.configure("enable-debug-command", "yes")
        self.engine.configure("busy-reply-threshold", "20")
        self.engine.start_listener(any_port=True)
        self.port = self.engine.port
        self.surprises = []
        parts = [self.talk] * SOCKETS + [self.call] * EMBEDDED + [self.kill] * KILLERS
        self.threads = [threading.Thread(target=self.play, args=(part, random.Random(pick.random())), daemon=True)
                        for part in parts]
        for thread in self.threads:
            thread.start()

    def play(self, part, pick):
        try:
            while not self.over.is_set():
                part(pick)
        except Exception as error:
            self.surprises.append(repr(error))

    def talk(self, pick):
        """One connection: some commands, in pieces and pipelines, with or without reading; then it goes."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(0.05)
                for _ in range(pick.randrange(1, 30)):
                    if self.over.is_set():
                        return
                    data = b"".join(pack(a_command(pick)) for _ in range(pick.choice((1, 1, 1, 5, 40))))
                    if pick.random() < 0.03:                 # broken bytes
                        at = pick.randrange(len(data))
                        data = data[:at] + bytes([pick.randrange(256)]) + data[at + 1:]
                    if pick.random() < 0.05:                 # a part of a request, and away
                        data = data[:pick.randrange(len(data))]
                    connection.sendall(data)
                    try:
                        if pick.random() < 0.8:
                            connection.recv(pick.choice((1, 100, 1 << 16)))
                    except TimeoutError:
                        pass
        except OSError:
            time.sleep(0.01)                                  # refused, reset, or killed by somebody

    def call(self, pick):
        """One session within the process."""
        history = []
        try:
            session = self.engine.session()
            for _ in range(pick.randrange(1, 30)):
                if self.over.is_set():
                    return
                words = a_command(pick)
                if "0" in words:                              # nobody interrupts a wait without end, but the engine's end
                    words = tuple("0.2" if word == "0" else word for word in words)
                if pick.random() < 0.1:
                    words = [a_command(pick) for _ in range(3)]
                    history.append(words)
                    session.execute_many(words)
                else:
                    history.append(words)
                    session.execute(words)
            if pick.random() < 0.5:
                session.close()
        except Exception as error:
            if type(error).__name__ not in ("ClosedError", "ReplyError", "ValueError"):  # CLIENT REPLY in MULTI garbles EXEC, as in Redis
                raise AssertionError(f"{error!r} after {history[-12:]}") from error

    def kill(self, pick):
        """Somebody who keeps scripts from running for ever."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(0.2)
                while not self.over.is_set():
                    connection.sendall(pack(("SCRIPT", "KILL")) + pack(("FUNCTION", "KILL")))
                    if not connection.recv(4096):
                        return
                    time.sleep(pick.choice((0.005, 0.05)))
        except OSError:
            time.sleep(0.01)

    def answers(self):
        """Is a newcomer answered, be it with BUSY? Somebody may kill it, or pause all, hence several tries."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                    connection.settimeout(5)
                    connection.sendall(pack(("PING",)))
                    if connection.recv(100):
                        return True
            except OSError:
                pass
        return False

    def end(self):
        way = self.pick.randrange(4)
        if way == 0:
            self.engine.stop_listener()
            time.sleep(0.05)
        elif way == 1:
            both = [threading.Thread(target=self.engine.close, daemon=True) for _ in range(2)]
            for thread in both:
                thread.start()
            for thread in both:
                thread.join(PATIENCE_SECONDS)
        elif way == 2:
            self.engine.stop_listener()
            self.engine.start_listener(any_port=True)
            self.port = self.engine.port
            time.sleep(0.1)
        self.engine.close()
        self.over.set()
        deadline = time.monotonic() + PATIENCE_SECONDS
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        stuck = [thread for thread in self.threads if thread.is_alive()]
        if stuck:
            faulthandler.dump_traceback(sys.__stderr__)
        print(*self.surprises, sep="\n", file=sys.__stderr__, end="")
        assert not stuck and not self.surprises, (stuck, self.surprises)


def test_chaos():
    pytest.importorskip("lupa.lua51")
    pick = random.Random(SEED)
    faulthandler.dump_traceback_later(SECONDS * 3 + 4 * PATIENCE_SECONDS, exit=False)
    try:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            happening = Round(pick)
            time.sleep(ROUND_SECONDS * pick.random())
            assert happening.answers(), "nobody answers"
            time.sleep(ROUND_SECONDS * pick.random() / 2)
            happening.end()
    finally:
        faulthandler.cancel_dump_traceback_later()
