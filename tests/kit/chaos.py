"""Many clients at once, over sockets and within the process, doing whatever may cross: subscribing, waiting, watching,
tracking, monitoring, running scripts without end, killing each other, hanging up in the middle of a request; threads, event
loops, compiled methods and long pipelines; databases that are emptied and swapped under them; forks, signals, objects that the
collector finds; and an engine, a listener or an interpreter that ends in the midst of it.

Nothing is compared. The process must live, every call must come back soon after the end, and until then somebody who asks
is answered. What each client does hangs on the seed alone; how they cross does not.

    python tests/kit/chaos.py --kind sockets --seconds 10 --seed 1

Kinds: `sockets` (with a listener), `alone` (without one), `limited` (maxmemory is set throughout), `ends` (processes whose
interpreter ends amid it), `refused` (the system has no more memory to give)."""
import argparse
import asyncio
import faulthandler
import gc
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

if __package__ in (None, ""):           # run as a program: the kit is found from the directory above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import redis

import hutch
import hutch.asyncio
from kit.resp_client import pack

ROUND_SECONDS = 2
PATIENCE_SECONDS = float(os.environ.get("HUTCH_CHAOS_PATIENCE", "60"))
KINDS = ("sockets", "alone", "limited", "ends", "refused")
ROOM_BYTES = 48 << 20            # what `refused` leaves to be had

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


def a_command(pick, limits=("0", "0", "3mb")):
    """The words of one command, most of them about waiting, listening and killing. `limits`: values for maxmemory."""
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
        ("FLUSHDB", pick.choice(("SYNC", "ASYNC"))), ("FLUSHALL", "ASYNC"), ("DEBUG", "SLEEP", "0.005"), ("RANDOMKEY",),
        ("SADD", k, *range(pick.choice((1, 600)))), ("SUNIONSTORE", k, k, other), ("SORT", k, "ALPHA"), ("DUMP", k),
        ("SCRIPT", "KILL"), ("FUNCTION", "KILL"), ("CONFIG", "SET", "notify-keyspace-events", pick.choice(("", "KEA"))),
        ("CONFIG", "SET", "maxmemory", pick.choice(limits)), ("INFO",), ("DEBUG", "DIGEST"),
    ))


class Interrupted(Exception):
    """A signal's handler wants the main thread back."""


# What a call may raise here: the store is closed, the session killed, an error was replied, CLIENT REPLY garbles EXEC
# (a ValueError, as in Redis it would be a protocol error).
EXPECTED = (redis.RedisError, ValueError)


class Round:
    """One store's life, with everybody on it."""

    def __init__(self, pick, kind):
        self.pick = pick
        self.kind = kind
        self.listens = kind != "alone" and not (kind == "ends" and pick.random() < 0.5)
        self.limits = {"limited": ("3mb", "5mb"), "refused": ("0",)}.get(kind, ("0", "0", "3mb"))
        self.over = threading.Event()
        self.store = hutch.Store(bind="127.0.0.1", enable_debug_command=True, busy_reply_threshold=20)
        self.engine = self.store.engine
        if kind == "limited":
            self.engine.configure("maxmemory", "3mb")
            self.engine.configure("maxmemory-policy", pick.choice(("noeviction", "allkeys-lru", "volatile-ttl", "allkeys-random")))
        self.port = 0
        if self.listens:
            self.engine.start_listener(any_port=True)
            self.port = self.engine.port
        self.client = hutch.Redis(store=self.store)
        self.surprises = []
        parts = [self.call] * 3 + [self.kill, self.methods, self.loop, self.empty]
        if kind != "refused":
            parts += [self.pipelines, self.drop]              # they start threads
        if self.listens:
            parts += [self.talk] * 5
        # The address sanitizer's allocator is not made ready for a fork by gcc before 14: a child may wait for its lock for ever.
        if kind not in ("refused", "ends") and "LD_PRELOAD" not in os.environ:
            parts.append(self.fork)
        if kind == "refused":
            parts += [self.fill] * 2
        self.threads = [threading.Thread(target=self.play, args=(part, random.Random(pick.random())), daemon=True)
                        for part in parts]
        for thread in list(self.threads):
            try:
                thread.start()
            except RuntimeError:                              # `refused`: there is no room for its stack
                self.threads.remove(thread)

    def play(self, part, pick):
        while not self.over.is_set():
            try:
                part(pick)
            except EXPECTED:
                time.sleep(0.001)
            except OSError:
                time.sleep(0.01)                              # refused, reset, or killed by somebody
            except MemoryError:
                if self.kind != "refused":
                    self.surprises.append(f"{part.__name__}: MemoryError")
            except Exception as error:
                if type(error).__name__ != "ReplyError" and not (self.kind == "refused" and "start new thread" in str(error)):
                    self.surprises.append(f"{part.__name__}: {error!r}")

    # ---- over sockets

    def talk(self, pick):
        """One connection: some commands, in pieces and pipelines, with or without reading; then it goes."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.settimeout(0.05)
            for _ in range(pick.randrange(1, 30)):
                if self.over.is_set():
                    return
                data = b"".join(pack(a_command(pick, self.limits)) for _ in range(pick.choice((1, 1, 1, 5, 40))))
                if pick.random() < 0.03:                      # broken bytes
                    at = pick.randrange(len(data))
                    data = data[:at] + bytes([pick.randrange(256)]) + data[at + 1:]
                if pick.random() < 0.05:                      # a part of a request, and away
                    data = data[:pick.randrange(len(data))]
                connection.sendall(data)
                try:
                    if pick.random() < 0.8:
                        connection.recv(pick.choice((1, 100, 1 << 16)))
                except TimeoutError:
                    pass

    # ---- within the process

    def call(self, pick):
        """One session."""
        session = self.engine.session()
        for _ in range(pick.randrange(1, 30)):
            if self.over.is_set():
                return
            words = a_command(pick, self.limits)
            if "0" in words and words[0] != "CONFIG":         # nobody interrupts a wait without end, but the engine's end
                words = tuple("0.2" if word == "0" else word for word in words)
            way = pick.random()
            try:
                if way < 0.1:
                    session.execute_many([a_command(pick, self.limits) for _ in range(3)])
                elif way < 0.15:
                    session.receive(0.01)
                else:
                    session.execute(words)
            except Exception as error:
                if type(error).__name__ != "ReplyError":
                    raise
        if pick.random() < 0.5:
            session.close()

    def kill(self, pick):
        """Somebody who keeps scripts from running for ever."""
        session = self.engine.session()
        while not self.over.is_set():
            for words in (("SCRIPT", "KILL"), ("FUNCTION", "KILL")):
                try:
                    session.execute(words)
                except Exception as error:
                    if type(error).__name__ != "ReplyError":
                        raise
            time.sleep(pick.choice((0.005, 0.05)))

    def kill_until_all_are_out(self):
        session = self.engine.session()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and any(thread.is_alive() for thread in self.threads[:-1]):
            # Waits without end, too, have nobody else to end them here.
            for words in (("SCRIPT", "KILL"), ("FUNCTION", "KILL"), ("CLIENT", "UNPAUSE"), ("CLIENT", "KILL", "SKIPME", "yes")):
                try:
                    session.execute(words)
                except redis.ConnectionError:                 # killed itself
                    session.open()
                except Exception:
                    pass
            time.sleep(0.01)

    def methods(self, pick):
        """The compiled methods of a client that others use, too."""
        r = self.client if pick.random() < 0.7 else hutch.Redis(store=self.store)
        for _ in range(pick.randrange(1, 300)):
            k = key(pick)
            pick.choice((
                lambda: r.set(k, "v" * pick.choice((1, 3000))), lambda: r.get(k), lambda: r.incr(k), lambda: r.delete(k),
                lambda: r.hset(k, "f", "v"), lambda: r.hgetall(k), lambda: r.lpush(k, 1, 2), lambda: r.lrange(k, 0, -1),
                lambda: r.zadd(k, {"m": 1}), lambda: r.sadd(k, 1), lambda: r.smembers(k), lambda: r.exists(k, "k0"),
                lambda: r.set(k, 1, px=5), lambda: r.eval(pick.choice(SCRIPTS), 1, k), lambda: r.blpop(k, 0.005),
                lambda: r.xadd(k, {"f": 1}), lambda: r.publish("c1", "m")))()
        if pick.random() < 0.2:
            r.close()

    def pipelines(self, pick):
        """Long ones, in a session that another thread may close."""
        session = self.engine.session()
        def closes():
            time.sleep(pick.random() / 100)
            session.close()
        closer = threading.Thread(target=closes)
        closer.start()
        try:
            r = hutch.Redis(store=self.store)
            with r.pipeline(transaction=pick.random() < 0.5) as p:
                for i in range(pick.choice((10, 400, 3000))):
                    p.set(key(pick), i).get(key(pick))
                if pick.random() < 0.3:
                    p.blpop(key(pick), 0.01)
                p.execute(raise_on_error=False)
            session.execute_many([("SET", f"p{i % 100}", i) for i in range(4000)])
        finally:
            closer.join()

    def loop(self, pick):
        """An event loop with tasks that wait, are cancelled, listen."""
        async def one(r, number):
            for _ in range(10):
                way = pick.randrange(6)
                try:
                    if way == 0:
                        await asyncio.wait_for(r.blpop(key(pick), 0.05), pick.choice((0.01, 1)))
                    elif way == 1:
                        async with r.pipeline() as p:
                            await p.set(key(pick), 1).get(key(pick)).execute(raise_on_error=False)
                    elif way == 2:
                        async with r.pubsub() as listener:
                            await listener.subscribe("c1")
                            await listener.get_message(timeout=0.01)
                    elif way == 3:
                        await r.eval(pick.choice(SCRIPTS[3:7]), 1, key(pick))
                    else:
                        await r.set(key(pick), number)
                        await r.get(key(pick))
                except (redis.ResponseError, asyncio.TimeoutError):
                    pass
        async def all_of_them():
            r = hutch.asyncio.Redis(store=self.store)
            await asyncio.gather(*[one(r, number) for number in range(8)], return_exceptions=True)
            if pick.random() < 0.5:
                await r.aclose()
        asyncio.run(all_of_them())

    def empty(self, pick):
        session = self.engine.session()
        for _ in range(200):
            session.execute(pick.choice((("FLUSHALL",), ("FLUSHDB",), ("SWAPDB", 0, 1), ("FLUSHALL", "ASYNC"), ("SWAPDB", 1, 2))))
            if pick.random() < 0.1:
                time.sleep(0.002)

    def drop(self, pick):
        """Objects in cycles, for the collector to find: sessions that listen, replies nobody read."""
        class Holder:
            pass
        for _ in range(20):
            holder = Holder()
            holder.itself = holder
            holder.session = self.engine.session()
            holder.session.execute(("SUBSCRIBE", "c1", "c2"))
            holder.replies = holder.session.submit([("PING",)] * 3)
            holder.client = hutch.Redis(store=self.store)
            holder.client.ping()
            holder.other = hutch.Redis() if pick.random() < 0.3 else None
            if holder.other:
                holder.other.set("k", "v", ex=100)
                if pick.random() < 0.3:
                    hutch.Server(holder.other, port=0).start()
        del holder
        gc.collect()

    def fork(self, pick):
        """A child has nothing of its parent's but errors, and may have an engine of its own."""
        session = self.engine.session()
        child = os.fork()
        if child == 0:
            verdict = 1
            try:
                signal.alarm(int(PATIENCE_SECONDS))
                try:
                    session.execute(("PING",))
                except hutch.exceptions.ForkedError:
                    own = hutch.Store().engine.session()
                    verdict = 0 if own.execute(("SET", "k", "v")) == b"OK" and own.execute(("GET", "k")) == b"v" else 2
                session.close()
                del session
            finally:
                os._exit(verdict)
        _, status = os.waitpid(child, 0)
        if status:
            self.surprises.append(f"a forked child ended with {status}")
        time.sleep(0.02)

    def fill(self, pick):
        """More than there is: big values and very many small ones."""
        session = self.engine.session()
        for number in range(200):
            words = pick.choice((
                ("SET", f"big{number}", b"v" * pick.choice((1 << 16, 1 << 20, 1 << 23))), ("APPEND", "more", b"v" * (1 << 20)),
                ("RPUSH", f"l{number}", *range(5000)), ("SADD", f"s{number}", *range(number, number + 5000)),
                ("ZADD", f"z{number}", *[word for i in range(3000) for word in (i, f"m{i}")]),
                ("HSET", f"h{number}", *[word for i in range(3000) for word in (f"f{i}", "v" * 100)]),
                ("MSET", *[word for i in range(3000) for word in (f"m{number}:{i}", "v" * 50)]),
                ("SETRANGE", "far", 1 << pick.randrange(16, 29), "x"), ("LRANGE", f"l{number}", 0, -1),
                ("SUNIONSTORE", "u", *[f"s{i}" for i in range(200)]), ("XADD", "x", "*", "f", "v" * 5000), ("FLUSHALL",)))
            try:
                session.execute(words)
            except MemoryError:
                pass
            except Exception as error:
                if type(error).__name__ != "ReplyError":
                    raise

    # ---- asking, and the end

    def _asked(self):
        if self.listens:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.settimeout(5)
                connection.sendall(pack(("PING",)))
                return bool(connection.recv(100))
        try:
            return self.engine.session().execute(("PING",)) == b"PONG"
        except Exception as error:
            return type(error).__name__ == "ReplyError"       # be it BUSY

    def answers(self):
        """Is a newcomer answered? Somebody may kill it, or pause all, hence several tries."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if self._asked():
                    return True
            except (OSError, redis.RedisError, MemoryError):
                pass
        return False

    def live(self, seconds):
        """The main thread takes part, until a signal's handler calls it away."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                self.call(self.pick)
            except (Interrupted, MemoryError, OSError, *EXPECTED):
                pass
            except Exception as error:
                if type(error).__name__ != "ReplyError":
                    raise

    def still_out(self):
        frames = sys._current_frames()
        # Python loses the end of a thread that it has no memory for.
        return [thread for thread in self.threads if thread.is_alive() and (self.kind != "refused" or thread.ident in frames)]

    def end(self):
        way = self.pick.randrange(5)
        if way == 0:
            self.engine.stop_listener()
            time.sleep(0.05)
        elif way == 1:
            both = [threading.Thread(target=self.engine.close, daemon=True) for _ in range(2)]
            for thread in both:
                thread.start()
            for thread in both:
                thread.join(PATIENCE_SECONDS)
        elif way == 2 and self.listens:
            self.engine.stop_listener()
            self.engine.start_listener(any_port=True)
            self.port = self.engine.port
            time.sleep(0.1)
        elif way == 3:
            self.over.set()                                   # nobody closes it: the collector ends it
            killer = threading.Thread(target=self.kill_until_all_are_out)
            killer.start()
            self.threads.append(killer)
        if way != 3:
            self.engine.close()
            self.over.set()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.still_out() and time.monotonic() < deadline:
            self.still_out()[0].join(0.05)
        stuck = self.still_out()
        if stuck:
            faulthandler.dump_traceback(sys.__stderr__)
        if stuck or self.surprises:
            print(*self.surprises, sep="\n", file=sys.__stderr__, flush=True)
            raise SystemExit(f"stuck: {stuck}, surprises: {self.surprises[:5]}")


# ---- kinds

def rounds(kind, seconds, pick):
    """Lives of stores one after the other, in this process."""
    main = threading.current_thread()
    happening = None

    def handler(number, frame):
        if happening is not None and pick.random() < 0.3:
            try:
                happening.client.get("k1")                    # the engine is asked amid a call of the same thread
            except EXPECTED:
                pass
        if pick.random() < 0.3:
            raise Interrupted

    def strikes():
        while main.is_alive():
            time.sleep(pick.random() / 20)
            if armed:
                signal.pthread_kill(main.ident, signal.SIGUSR1)

    armed = False
    signal.signal(signal.SIGUSR1, handler)
    threading.Thread(target=strikes, daemon=True).start()
    until = time.monotonic() + seconds
    count = 0
    while time.monotonic() < until:
        happening = Round(pick, kind)
        if kind == "refused":
            bound_memory(True)
        lasts = ROUND_SECONDS * pick.random()
        armed = kind != "refused"
        try:
            happening.live(lasts)
        except Interrupted:
            pass
        finally:
            while armed:
                try:
                    armed = False
                    time.sleep(0.1)                           # one that is under way
                except Interrupted:
                    pass
        if not happening.answers():
            faulthandler.dump_traceback(sys.__stderr__)
            raise SystemExit("nobody answers")
        time.sleep(ROUND_SECONDS * pick.random() / 2)
        if kind == "refused":
            bound_memory(False)
        happening.end()
        count += 1
    return count


def one_end(seed):
    """A process that ends amid it all."""
    pick = random.Random(seed)
    threading.excepthook = lambda *ignored: None
    happening = Round(pick, "ends")
    time.sleep(pick.random() * 0.5)
    way = pick.randrange(5)
    if way == 0:
        sys.exit(0)
    if way == 1:
        happening.store.close()
    elif way == 2:
        signal.signal(signal.SIGINT, lambda *ignored: sys.exit(0))
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    elif way == 3:
        del happening
        gc.collect()
    # else it falls off its end


def ends(seconds, pick):
    until = time.monotonic() + seconds
    count = 0
    while time.monotonic() < until:
        seed = pick.randrange(1 << 30)
        done = subprocess.run([sys.executable, __file__, "--kind", "end", "--seed", str(seed)], capture_output=True, text=True,
                              timeout=PATIENCE_SECONDS)
        if done.returncode:
            raise SystemExit(f"the end of seed {seed} came with {done.returncode}:\n{done.stderr[-5000:]}")
        count += 1
    return count


def bound_memory(bounded):
    """The address space of this process: what everybody asks the system for is refused from here on, or no longer."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as sizes:
        used = int(sizes.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES if bounded else hard, hard))


def refused(seconds, pick):
    if os.environ.get("MALLOC_ARENA_MAX") != "2":             # else each thread reserves 64 MiB of addresses for its own
        os.execve(sys.executable, [sys.executable, *sys.argv], dict(os.environ, MALLOC_ARENA_MAX="2"))
    return rounds("refused", seconds, pick)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=KINDS + ("end",), required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    faulthandler.enable()
    pick = random.Random(options.seed)
    if options.kind == "end":
        faulthandler.dump_traceback_later(PATIENCE_SECONDS / 2, exit=False)
        one_end(options.seed)
        return
    faulthandler.dump_traceback_later(options.seconds * 2 + 4 * PATIENCE_SECONDS, exit=True)
    if options.kind == "ends":
        count = ends(options.seconds, pick)
    elif options.kind == "refused":
        count = refused(options.seconds, pick)
    else:
        count = rounds(options.kind, options.seconds, pick)
    faulthandler.cancel_dump_traceback_later()
    print(f"{options.kind}: {count} rounds")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
