"""What outlives what: threads in the middle of something, and an engine, a session or an object that goes meanwhile.

Whatever may kill its process runs in one of its own, and must end by itself and well.
"""
import gc
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

import hutch
from hutch_engine.door.engine import Engine
from kit.launch import HUTCH_ENVIRONMENT
from kit.resp_client import RespClient, pack
from kit.waiting import SLOW, wait_until

PATIENCE_SECONDS = 60 * SLOW
HELPERS = """
import faulthandler, gc, os, random, signal, socket, sys, threading, time
faulthandler.enable()
import hutch, redis
from hutch_engine.door.engine import Engine

def pack(*words):
    words = [str(word).encode() for word in words]
    return b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%b\\r\\n" % (len(word), word) for word in words)

def listening(engine):
    engine.configure("bind", "127.0.0.1")
    engine.configure("enable-debug-command", "yes")
    engine.start_listener(any_port=True)
    return engine

def start(work, *args):
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    return thread

def unless_busy(call):
    # a script of another caller may hold up this one
    try:
        call()
    except Exception as error:
        if not str(error).startswith("BUSY"):
            raise

def ends(*threads):
    for thread in threads:
        thread.join(50)
        assert not thread.is_alive(), "a thread does not come back"
"""


def alone(code, returncode=0, environment=HUTCH_ENVIRONMENT, **options):
    """Run it in a process of its own; what it wrote to the error stream."""
    done = subprocess.run([sys.executable, "-c", HELPERS + textwrap.dedent(code)], env=environment, capture_output=True,
                          timeout=PATIENCE_SECONDS, text=True, **options)
    assert done.returncode == returncode, (done.returncode, done.stdout[-3000:], done.stderr[-6000:])
    return done.stderr


# ---- an engine that is closed while threads are in it

@pytest.mark.parametrize("work", [
    "session.execute_many([('SET', 'k%d' % (i % 50), 'v' * 100) for i in range(2000)])",
    "session.execute_many([('SET', 'k', 1), ('BLPOP', 'none', '0.001'), *[('INCR', 'n')] * 600])",
    "session.execute(('EVAL', \"for i = 1, 100000 do redis.call('INCR', 'n') end\", 0))",
    "session.execute(('GET', 'k'))",
    "session.execute(('BLPOP', 'none', '0.002'))",
    "session.receive(0.001)",
], ids=["pipeline", "waits in a pipeline", "script", "hot loop", "wait", "messages"])
def test_a_store_is_closed_amid(work):
    if "EVAL" in work:
        pytest.importorskip("lupa.lua51")
    alone("""
    def loop(engine):
        try:
            session = engine.session()
            if "receive" in WORK:
                session.execute(("SUBSCRIBE", "c"))
            while True:
                unless_busy(lambda: exec(WORK, {"session": session}))
        except ConnectionError:
            pass
    for turn in range(10):
        engine = listening(Engine()) if turn % 2 else Engine()
        engine.configure("busy-reply-threshold", "5")
        threads = [start(loop, engine) for _ in range(3)]
        for _ in range(turn % 5 + 1):
            unless_busy(lambda: engine.session().execute(("SET", "k", 1)))
            time.sleep(0.003)
        engine.close()
        ends(*threads)
    """.replace("WORK", repr(work)))


def test_a_store_is_closed_amid_the_methods_of_a_client():
    alone("""
    def loop(r):
        try:
            while True:
                r.set("k", 1); r.get("k"); r.incr("n"); r.hset("h", "f", 1); r.lpush("l", 1); r.delete("l")
                with r.pipeline(transaction=False) as p:
                    for i in range(700):
                        p.set("k%d" % i, i)
                    p.execute()
        except redis.exceptions.ConnectionError:
            pass
    for turn in range(8):
        store = hutch.Store()
        r = hutch.Redis(store=store)
        threads = [start(loop, r) for _ in range(4)]
        time.sleep(0.01 * (turn % 4))
        store.close()
        ends(*threads)
    """)


def test_a_session_comes_to_lie_where_another_was():
    """One thread closes and opens a session in whose pipeline another one is: addresses say nothing."""
    alone("""
    engine = Engine()
    session = engine.session()
    over = threading.Event()
    def pipelines():
        while not over.is_set():
            try:
                assert set(session.execute_many([("SET", "k", "v")] * 3000)) <= {b"OK"}
            except ConnectionError:
                pass
    def waits():
        while not over.is_set():
            try:
                assert session.execute(("BLPOP", "none", "0.001")) is None
            except ConnectionError:
                pass
    threads = [start(pipelines), start(waits), start(waits)]
    for turn in range(1000):
        session.close()
        session.open()
        if turn % 10 == 0:
            time.sleep(0.0003)
    over.set()
    ends(*threads)
    """)


def test_two_threads_close_bring_up_and_bring_down_a_listener():
    alone("""
    def busy(engine, doing):
        try:
            while True:
                try:
                    doing(engine)
                except OSError as error:
                    if isinstance(error, ConnectionError):
                        raise
        except ConnectionError:
            pass
    for turn in range(20):
        engine = Engine()
        engine.configure("bind", "127.0.0.1")
        ups = [start(busy, engine, lambda engine: engine.start_listener(any_port=True)) for _ in range(2)]
        def down(engine):
            engine.stop_listener()
            engine.port
        downs = [start(busy, engine, down) for _ in range(2)]
        time.sleep(0.01)
        closers = [start(engine.close) for _ in range(2)]
        ends(*closers, *ups, *downs)
        assert engine.is_closed
    """)


def test_a_client_is_closed_while_another_thread_begins_to_wait():
    alone("""
    def wait(r):
        for _ in range(20):
            try:
                r.blpop("none", 0.002)
                with r.pipeline() as p:
                    p.set("a", 1).blpop("none", 0.001).execute()
                with r.pipeline(transaction=False) as p:
                    p.set("a", 1).blpop("none", 0.001).execute()
            except redis.exceptions.ConnectionError:
                pass
    over = threading.Event()
    def compute():
        while not over.is_set():
            sum(range(1000))
    computing = [start(compute) for _ in range(2)]
    sys.setswitchinterval(1e-5)
    store = hutch.Store()
    for turn in range(10):
        r = hutch.Redis(store=store)
        threads = [start(wait, r) for _ in range(4)]
        for _ in range(30):
            r.close()
            time.sleep(0.0005)
        ends(*threads)
    over.set()
    ends(*computing)
    """)


# ---- the lock

@pytest.mark.parametrize("empty", [("FLUSHALL",), ("FLUSHDB", "ASYNC"), ("SWAPDB", 0, 1)], ids=lambda words: words[0])
def test_databases_are_emptied_and_swapped_while_sockets_send(empty):
    alone("""
    engine = listening(Engine())
    port = engine.port
    over = threading.Event()
    def send(pick):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while not over.is_set():
                batch = [pack("SET", "k%d" % pick.randrange(5000), "v") for _ in range(100)]
                batch += [pack("HSET", "h%d" % pick.randrange(9), pick.randrange(3000), 1) for _ in range(100)]
                connection.sendall(b"".join(batch))
                connection.recv(65536)
    threads = [start(send, random.Random(i)) for i in range(3)]
    session = engine.session()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        session.execute(EMPTY)
    over.set()
    ends(*threads)
    engine.close()
    """.replace("EMPTY", repr(empty)))


@pytest.mark.parametrize("call", ["hutch.Redis(store=store).get('k')", "store.engine.session().execute(('GET', 'k'))",
                                  "hutch.Redis(store=store).lpush('l', 1)",
                                  "hutch.Redis(store=store).pipeline().get('k').execute()",
                                  "asyncio.run(asking(hutch.asyncio.Redis(store=store)))"],
                         ids=["method", "session", "collection", "pipeline", "asyncio"])
def test_a_caller_that_had_to_wait_does_not_keep_the_lock_while_it_waits_for_the_gil(call):
    """A socket's command has the lock; a thread waits for it; a third one has the GIL and does not give it away before the
    socket has been answered once more."""
    alone("""
    import asyncio, mmap
    import hutch.asyncio
    async def asking(client):
        await client.get("k")
    store = hutch.Store()
    listening(store.engine)
    port = store.engine.port
    shared = mmap.mmap(-1, 2)
    CALL                                             # once in peace: connections are there, and modules imported
    child = os.fork()
    if child == 0:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(pack("DEBUG", "SLEEP", "0.5"))
            shared[0] = 1
            connection.recv(100)
            for _ in range(20):
                connection.sendall(pack("PING"))
                connection.recv(100)
            shared[1] = 1
            os._exit(0)
    while shared[0] == 0:
        pass
    time.sleep(0.1)
    def ask():
        CALL
    thread = start(ask)
    time.sleep(0.1)                                  # it waits for the lock now
    sys.setswitchinterval(1000)
    end = time.perf_counter() + 30
    while shared[1] == 0 and time.perf_counter() < end:
        pass
    answered = shared[1]
    sys.setswitchinterval(0.005)
    os.waitpid(child, 0)
    assert answered, "nobody was answered while a caller waited for the GIL"
    ends(thread)
    """.replace("CALL", call))


# ---- objects that go

def count(client, *words):
    return client.execute(*words).value


@pytest.fixture
def engine():
    engine = Engine()
    engine.configure("bind", "127.0.0.1")
    engine.configure("enable-debug-command", "yes")
    engine.start_listener(any_port=True)
    yield engine
    engine.close()


@pytest.mark.parametrize("holder", ["socket", "embedded"])
def test_a_session_whose_object_went_while_the_lock_was_taken_is_freed_without_another_call(engine, holder):
    session = engine.session()
    session.execute(["SUBSCRIBE", "news"])
    with RespClient("127.0.0.1", engine.port) as asker, RespClient("127.0.0.1", engine.port) as socket:
        assert count(asker, "PUBSUB", "NUMSUB", "news")[1] == 1
        if holder == "socket":
            socket.send_raw(pack(["DEBUG", "SLEEP", "0.3"]))
        else:
            engine_holder = engine.session()
            threading.Thread(target=engine_holder.execute, args=(["DEBUG", "SLEEP", "0.3"],)).start()
        time.sleep(0.1)
        del session                              # waits for nothing
        gc.collect()
        wait_until(lambda: count(asker, "PUBSUB", "NUMSUB", "news")[1] == 0)


def test_an_engine_may_go_at_any_time():
    """Its listener is in the middle of something, its housekeeping too: the collector waits for neither, and the interpreter
    may end meanwhile."""
    alone("""
    for turn in range(10):
        engine = listening(Engine())
        session = engine.session()
        session.execute(("SET", "k", 1, "EX", 100))
        connection = socket.create_connection(("127.0.0.1", engine.port))
        connection.sendall(pack("DEBUG", "SLEEP", "0.5" if turn % 2 else "0"))
        time.sleep(0.02)
        cycle = [engine, session]
        if turn % 3:
            cycle.append(cycle)
        del engine, session, cycle
        gc.collect()
    """)


def test_an_engine_that_went_leaves_nothing_behind():
    alone("""
    def threads():
        return len(os.listdir("/proc/self/task"))
    first = threading.Thread(target=int)      # with it, a thread sanitizer begins one of its own
    first.start()
    first.join()
    before = threads()
    for _ in range(20):
        engine = listening(Engine())
        port = engine.port
        engine.session().execute(("SET", "k", "v", "EX", 100))
        del engine
    end = time.monotonic() + 30
    while threads() > before:
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError("it listens still")
    """ if sys.platform == "linux" else "")


def test_replies_outlive_everything_in_a_cycle():
    """The collector ends the objects of a cycle in an order of its own (with sanitizers this fails loudly)."""
    from hutch_engine.door.submissions import Submission

    class Holder:
        pass

    gc.freeze()         # what all the tests before have left need not be walked through each time
    try:
        for _ in range(50):
            holder = Holder()
            holder.itself = holder
            holder.engine = Engine()
            holder.session = holder.engine.session()
            holder.session.execute(["SET", "k", "v" * 5000])
            holder.replies = [holder.session.submit([["GET", "k"]] * 3), Submission(holder.session, [["GET", "k"]] * 3)]
            holder.replies[1].step()
            seen = weakref.ref(holder)
            del holder
            gc.collect()
            assert seen() is None
    finally:
        gc.unfreeze()


def test_a_killed_session_is_in_no_list(engine):
    with RespClient("127.0.0.1", engine.port) as other:
        def killed():
            other.execute("CLIENT", "KILL", "ID", number)
            return not any(f"id={number} " in line for line in other.execute("CLIENT", "LIST").value.decode().splitlines())
        idle = engine.session()
        idle.execute(["SUBSCRIBE", "c"])
        number = idle.id
        assert killed()
        assert b"pubsub_clients:0" in other.execute("INFO", "clients").value
        with pytest.raises(ConnectionError, match="closed by server"):
            idle.execute(["PING"])
        idle.open()
        assert idle.execute(["PING"]) and idle.id != number
        waiting = engine.session()
        number = waiting.id
        failures = []

        def wait():
            try:
                waiting.execute(["BLPOP", "none", "0"])
            except ConnectionError as error:
                failures.append(str(error))
        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: b"blocked_clients:1" in other.execute("INFO", "clients").value)
        assert killed()
        assert b"blocked_clients:0" in other.execute("INFO", "clients").value
        thread.join(PATIENCE_SECONDS)
        assert failures == ["Connection closed by server."]


@pytest.mark.parametrize("take", [
    lambda r: r.pubsub(), lambda r: r.client(), lambda r: r.monitor(), lambda r: r.connection_pool, lambda r: r.pipeline(),
], ids=["pubsub", "client", "monitor", "pool", "pipeline"])
@pytest.mark.parametrize("name", [None, "outlives"], ids=["private", "named"])
def test_what_a_client_gave_out_outlives_it(take, name):
    r = hutch.Redis(name)
    r.set("k", "v")
    taken = take(r)
    gone = weakref.ref(r)
    del r
    gc.collect()
    if gone() is not None:               # a pipeline keeps its client
        assert type(taken).__name__ == "Pipeline"
    if name:
        assert hutch.Redis(name).get("k") == b"v"
    pool = getattr(taken, "connection_pool", taken)
    again = hutch.Redis(connection_pool=pool)
    assert again.get("k") == b"v"
    if hasattr(taken, "subscribe"):
        taken.subscribe("c")
        assert taken.get_message(timeout=5)["type"] == "subscribe"
        again.publish("c", "m")
        assert taken.get_message(timeout=5)["data"] == b"m"
    elif hasattr(taken, "next_command"):
        with taken:
            again.get("k")
            assert taken.next_command()["command"] == "GET k"
    elif hasattr(taken, "get"):
        assert taken.get("k") == b"v" or taken.execute() == [b"v"]


def test_a_store_of_a_client_alone_goes_with_what_the_client_gave_out():
    r = hutch.Redis("alone")
    engine = weakref.ref(r.store)
    subscriber = r.pubsub()
    del r
    gc.collect()
    assert engine() is not None
    del subscriber
    gc.collect()
    assert engine() is None


# ---- signals and the end of the interpreter

THREADS = {"hutch-listener": "listening(Engine())", "hutch-housekeep": "Engine()"}
# A sanitizer would take the signals that are sent here for faults of its own to report.
SIGNALS_LEFT = "handle_segv=0 handle_sigbus=0 handle_sigfpe=0 handle_sigill=0 handle_abort=0"
UNREPORTED = dict(HUTCH_ENVIRONMENT, **{name: f"{HUTCH_ENVIRONMENT.get(name, '')} {SIGNALS_LEFT}"
                                         for name in ("ASAN_OPTIONS", "TSAN_OPTIONS")})


@pytest.mark.skipif(sys.platform != "linux", reason="names threads by /proc")
@pytest.mark.parametrize("name", THREADS)
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT],
                         ids=lambda number: number.name)
def test_faulthandler_hears_of_a_fault_in_a_native_thread(name, number):
    told = alone(f"""
    import ctypes
    engine = {THREADS[name]}
    session = engine.session()
    session.execute(("SET", "k", "v", "EX", 1000))
    def numbers():
        for number in os.listdir("/proc/self/task"):
            if open(f"/proc/self/task/{{number}}/comm").read().strip() == "{name}":
                yield int(number)
    end = time.monotonic() + 30
    while not list(numbers()):
        assert time.monotonic() < end
    ctypes.CDLL(None).syscall(234, os.getpid(), *numbers(), {int(number)})       # tgkill: to this very thread
    time.sleep(30)
    """, returncode=-number, environment=UNREPORTED)
    assert told.startswith("Fatal Python error") and "Thread 0x" in told


@pytest.mark.skipif(sys.platform != "linux", reason="names threads by /proc")
def test_other_signals_stay_with_the_program():
    alone("""
    listening(Engine()).session().execute(("SET", "k", "v", "EX", 1000))
    kept = listening(Engine())
    kept.session().execute(("SET", "k", "v", "EX", 1000))
    masks = {}
    for number in os.listdir("/proc/self/task"):
        status = open(f"/proc/self/task/{number}/status").read()
        if "hutch-" in status:
            masks[status.split()[1]] = int(status.split("SigBlk:")[1].split()[0], 16)
    assert {"hutch-listener", "hutch-housekeep"} <= set(masks), masks
    for mask in masks.values():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGCHLD):
            assert mask >> (number - 1) & 1
    """)


WORKS = {
    "general": "session.execute(('GET', 'k'))",
    "pipeline": "session.execute_many([('SET', 'k', 'v')] * 3000)",
    "wait": "session.execute(('BLPOP', 'none', '0'))",
    "script": "session.execute(('EVAL', 'while true do end', 0))",
    "messages": "session.receive()",
    "method": "client.get('k')",
    "collection": "client.lpush('l', 1)",
    "hot script": "client.eval('while true do end', 0)",
    "sessions": "engine.session().close()",
    "shutdown": "engine.wait_shutdown()",
}
ENDS = {"falls off": "pass", "exit": "sys.exit(0)", "close": "store.close()", "SIGINT": "os.kill(os.getpid(), signal.SIGINT)"}


@pytest.mark.parametrize("work, end", [(work, "falls off") for work in WORKS] + [("script", end) for end in ENDS if end != "falls off"]
                         + [("pipeline", "close"), ("wait", "close"), ("method", "SIGINT")])
def test_the_interpreter_ends_amid_everything(work, end):
    if "script" in work:
        pytest.importorskip("lupa.lua51")
    alone(f"""
    store = hutch.Store(busy_reply_threshold=5)
    engine = listening(store.engine)
    port = engine.port
    client = hutch.Redis(store=store)
    client.set("t", 1, ex=100)
    def loop():
        session = engine.session()
        if {work == "messages"}:
            session.execute(("SUBSCRIBE", "c"))
        while True:
            {WORKS[work]}
    def send():
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while True:
                connection.sendall(pack("SET", "k", "v") * 100)
                connection.recv(65536)
    threading.excepthook = lambda *ignored: None
    signal.signal(signal.SIGINT, lambda *ignored: sys.exit(0))
    threads = [start(loop) for _ in range(3)] + [start(send) for _ in range(2)]
    time.sleep(0.1)
    {ENDS[end]}
    """)
