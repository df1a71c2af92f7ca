"""Scripts beside other clients: effects, time, long ones, killing, ends of engines, threads and redis-py's helpers."""
import hashlib
import os
import signal
import threading
import time

import pytest

import hutch
from hutch_engine.door.engine import Engine
from kit.resp_client import RespClient

pytest.importorskip("lupa.lua51")
ENDLESS = "while true do end"
STUBBORN = "while true do pcall(function() while true do end end) end"
BUSY = b"-BUSY Redis is busy running a script. You can only call %s KILL or SHUTDOWN NOSAVE.\r\n"
KILLED = b"-ERR Script killed by user with SCRIPT KILL... script: "


class Running:
    """One call in a thread of its own; begun long enough to be answered BUSY."""

    def __init__(self, call, probe):
        self.answer = None
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 60
        while not probe().startswith(b"-BUSY"):
            assert time.monotonic() < deadline, "no BUSY came"

    def _run(self, call):
        try:
            self.answer = call()
        except Exception as error:
            self.answer = error

    def end(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.answer


@pytest.fixture
def engine():
    made = Engine()
    made.start_listener(any_port=True)
    made.session().execute(("CONFIG", "SET", "busy-reply-threshold", "30"))
    yield made
    made.close()


@pytest.fixture
def session(engine):
    return engine.session()


def client(engine):
    return RespClient("127.0.0.1", engine.port, timeout=30)


def caller(engine, kind):
    """A function that sends one command: over a socket, or from within."""
    if kind == "socket":
        connection = client(engine)
        return lambda *words: connection.execute(*words).raw
    own = engine.session()
    return lambda *words: bytes(own.execute_raw([word if isinstance(word, bytes) else str(word) for word in words]))


KINDS = ("socket", "embedded")


@pytest.mark.parametrize("script", (ENDLESS, STUBBORN, "coroutine.wrap(function() while true do end end)()",
                                    "#!lua flags=no-writes\nwhile true do redis.call('get', 'x') end"))
@pytest.mark.parametrize("killer", KINDS)
@pytest.mark.parametrize("runner", KINDS)
def test_an_endless_script_is_killed(engine, runner, killer, script):
    run, other = caller(engine, runner), caller(engine, killer)
    running = Running(lambda: run("EVAL", script, 0), lambda: other("GET", "x"))
    assert other("SET", "x", "1") == BUSY % b"SCRIPT"
    assert other("FUNCTION", "KILL") == BUSY % b"SCRIPT"
    assert other("FUNCTION", "STATS") == BUSY % b"SCRIPT"
    assert other("SCRIPT", "KILL") == b"+OK\r\n"
    digest = hashlib.sha1(script.encode()).hexdigest()
    line = 2 if script.startswith("#!") else 1
    assert running.end() == KILLED + b"%b, on @user_script:%d.\r\n" % (digest.encode(), line)
    assert other("GET", "x") == b"$-1\r\n" and run("PING") == b"+PONG\r\n"
    assert other("SCRIPT", "KILL") == b"-NOTBUSY No scripts in execution right now.\r\n"


@pytest.mark.parametrize("runner", KINDS)
def test_an_endless_function_is_killed(engine, runner):
    run, other = caller(engine, runner), caller(engine, "socket")
    run("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('endless', function() while true do end end)")
    running = Running(lambda: run("FCALL", "endless", 1, "key", "word"), lambda: other("GET", "x"))
    assert other("SCRIPT", "KILL") == BUSY % b"FUNCTION"
    assert b"$7\r\nendless\r\n$7\r\ncommand\r\n*5\r\n$5\r\nFCALL\r\n" in other("FUNCTION", "STATS")
    assert other("FUNCTION", "KILL") == b"+OK\r\n"
    assert running.end() == KILLED + b"endless, on @user_function:2.\r\n"


@pytest.mark.parametrize("runner", KINDS)
def test_a_script_that_wrote_is_not_killed_and_its_time_stands_still(engine, runner):
    run, other = caller(engine, runner), caller(engine, "socket")
    script = ("redis.call('SET', 'soon', 'x', 'PX', 5) redis.call('SET', 'mark', '1') "
              "local before = redis.call('TIME') local n = 0 while n < 40000000 do n = n + 1 end local after = redis.call('TIME') "
              "return {redis.call('GET', 'soon'), redis.call('PTTL', 'soon'), before[1] == after[1] and before[2] == after[2] and 1 or 0}")
    running = Running(lambda: run("EVAL", script, 0), lambda: other("GET", "x"))
    assert other("SCRIPT", "KILL").startswith(b"-UNKILLABLE Sorry the script already executed write commands")
    assert running.end() == b"*3\r\n$1\r\nx\r\n:5\r\n:1\r\n"
    time.sleep(0.02)
    assert other("GET", "soon") == b"$-1\r\n" and other("GET", "mark") == b"$1\r\n1\r\n"


@pytest.mark.parametrize("runner", KINDS)
def test_a_hundred_others_are_answered(engine, runner):
    """Clients that were there, and such that come: each is told BUSY, whole pipelines of them."""
    run, killer = caller(engine, runner), caller(engine, "socket")
    others = [client(engine) for _ in range(60)]
    running = Running(lambda: run("EVAL", ENDLESS, 0), lambda: killer("GET", "x"))
    others += [client(engine) for _ in range(40)]
    gone = [client(engine) for _ in range(20)]
    for one in others:
        one.send_raw(b"PING\r\nSET a 1\r\nGET a\r\n")
    for one in gone:
        one.send_raw(b"GET a\r\n")
        one.socket.close()
    for one in others:
        assert [one.read().raw for _ in range(3)] == [BUSY % b"SCRIPT"] * 3
    assert killer("SCRIPT", "KILL") == b"+OK\r\n"
    assert running.end().startswith(KILLED)
    for one in others:
        assert one.execute("PING").raw == b"+PONG\r\n"
        one.socket.close()


def test_what_is_behind_the_script_in_its_pipeline_runs_after_it(engine):
    one, killer = client(engine), caller(engine, "socket")
    one.send_raw(b"SET before 1\r\n")
    assert one.read().raw == b"+OK\r\n"
    running = Running(lambda: [one.send_raw(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\nGET before\r\nSET after 1\r\n" % (
        len(ENDLESS), ENDLESS.encode()))] + [one.read().raw for _ in range(3)], lambda: killer("GET", "x"))
    killer("SCRIPT", "KILL")
    answers = running.end()
    assert answers[1].startswith(KILLED) and answers[2:] == [b"$1\r\n1\r\n", b"+OK\r\n"]


@pytest.mark.parametrize("wrote", (False, True))
@pytest.mark.parametrize("runner", KINDS)
def test_closing_ends_it(runner, wrote):
    engine = Engine()
    engine.start_listener(any_port=True)
    engine.session().execute(("CONFIG", "SET", "busy-reply-threshold", "30"))
    run, other = caller(engine, runner), caller(engine, "embedded")
    running = Running(lambda: run("EVAL", "redis.call('set', 'x', 1) " * wrote + ENDLESS, 0), lambda: other("GET", "x"))
    if runner == "socket":
        engine.stop_listener()
        running.end()
        assert other("DBSIZE") == b":%d\r\n" % wrote
    engine.close()
    running.end()


def test_a_script_without_a_threshold_is_ended_by_closing():
    engine = Engine()
    session = engine.session()
    session.execute(("CONFIG", "SET", "busy-reply-threshold", "0"))
    thread = threading.Thread(target=lambda: session.execute_raw(("EVAL", ENDLESS, "0")))
    thread.start()
    time.sleep(0.1)
    engine.close()
    thread.join(60)
    assert not thread.is_alive()


def signal_when_busy(engine, number):
    """Sends the process a signal once a script runs."""
    def send():
        probe = engine.session()
        while not bytes(probe.execute_raw(("GET", "x"))).startswith(b"-BUSY"):
            time.sleep(0.001)
        os.kill(os.getpid(), number)
    threading.Thread(target=send, daemon=True).start()


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread")
def test_ctrl_c_stops_a_script_that_reads(engine, session):
    with pytest.raises(KeyboardInterrupt):
        signal_when_busy(engine, signal.SIGINT)
        session.execute(("EVAL", ENDLESS, 0))
    assert session.execute_raw(("GET", "x")) == b"$-1\r\n"


def test_a_signal_s_handler_may_use_the_store(engine, session):
    seen = []

    def handler(number, frame):
        try:
            session.execute(("PING",))
        except RuntimeError as error:
            seen.append(error)
        with pytest.raises(RuntimeError):
            engine.close()
        seen.append(bytes(engine.session().execute_raw(("GET", "x"))))
        seen.append(bytes(engine.session().execute_raw(("SCRIPT", "KILL"))))

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal_when_busy(engine, signal.SIGALRM)
        assert session.execute_raw(("EVAL", ENDLESS, "0")).startswith(KILLED)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert "still running" in str(seen[0]) and seen[1:] == [BUSY % b"SCRIPT", b"+OK\r\n"]


def test_one_script_is_one_step_for_watchers_and_waiters(engine):
    waiter, watcher, run = client(engine), client(engine), caller(engine, "embedded")
    watcher.execute("WATCH", "watched")
    waiter.send_raw(b"BLPOP list 0\r\n")
    while b"blocked_clients:1" not in run("INFO", "clients"):
        pass
    # The waiter is served behind the script: what the script takes away again it never sees.
    run("EVAL", "redis.call('RPUSH', 'list', 'a') redis.call('LPOP', 'list') redis.call('SET', 'watched', 1)", 0)
    run("EVAL", "redis.call('RPUSH', 'list', 'b', 'c') redis.call('LPUSH', 'list', 'first')", 0)
    assert waiter.read().raw == b"*2\r\n$4\r\nlist\r\n$5\r\nfirst\r\n"
    watcher.execute("MULTI")
    watcher.execute("PING")
    assert watcher.execute("EXEC").raw == b"*-1\r\n"


@pytest.mark.parametrize("words, waits", (
    (("EVAL", "return redis.call('GET', 'x')", 0), True), (("EVAL", "#!lua\nreturn 1", 0), True),
    (("EVAL", "#!lua flags=no-writes\nreturn redis.call('GET', 'x')", 0), False), (("FCALL", "writes", 0), True), (("FCALL", "reads", 0), False),
    (("EVAL_RO", "return 1", 0), False)))
def test_a_pause_of_writes_holds_scripts_that_may_write(oracle, engine, words, waits):
    """As in Redis, which is asked as well."""
    for make in (lambda: client(engine), lambda: RespClient(oracle.host, oracle.port)):
        one, other = make(), make()
        one.execute("FUNCTION", "LOAD", "REPLACE", "#!lua name=l\nredis.register_function('writes', function() return 1 end)\nredis."
                    "register_function{function_name='reads', callback=function() return 1 end, flags={'no-writes'}}")
        other.execute("CLIENT", "PAUSE", 60000, "WRITE")
        try:
            one.socket.settimeout(0.15 if waits else 10)
            if waits:
                with pytest.raises(TimeoutError):
                    one.execute(*words)
            else:
                one.execute(*words)
        finally:
            other.execute("CLIENT", "UNPAUSE")
        one.socket.settimeout(10)
        if waits:
            one.read()
        one.socket.close()


def test_many_effects_of_one_script(engine):
    """More than are kept before they are seen to; waiters are served all the same."""
    waiter, run = client(engine), caller(engine, "embedded")
    waiter.send_raw(b"BLPOP key:700 0\r\n")
    while b"blocked_clients:1" not in run("INFO", "clients"):
        pass
    run("EVAL", "for i = 1, 5000 do redis.call('RPUSH', 'key:' .. i, i) end", 0)
    assert waiter.read().raw == b"*2\r\n$7\r\nkey:700\r\n$3\r\n700\r\n"
    assert run("DBSIZE") == b":4999\r\n"


def test_nothing_stays_between_scripts(session):
    for attack in ("x = 1", "_G.x = 1", "rawset(_G, 'x', 1)", "string.x = 1", "rawset(string, 'x', 1)", "table.insert(redis, 1)",
                   "table.insert(getmetatable(''), 1)", "getmetatable('').x = 1", "setmetatable(_G, {})", "setmetatable(string, {})",
                   "getmetatable(_G).__index = nil", "rawset(getmetatable(_G), '__index', 1)", "redis.call = nil", "math.random = nil",
                   "coroutine.x = 1", "for k, v in pairs(_G) do if type(v) == 'table' and k ~= 'KEYS' and k ~= 'ARGV' then v.x = 1 end end",
                   "local f, s, k = pairs(redis) s.x = 1", "select(2, pairs(_G)).x = 1", "table.foreach(_G, function(k, v) _G[k] = 1 end)",
                   "loadstring('x = 1')()", "load(function() return nil end) x = 1", "_G._G.x = 1", "getmetatable('').__index.x = 1",
                   "cjson.x = 1", "os.x = 1", "table.sort(KEYS, function() x = 1 end) x = 1"):
        answer = session.execute_raw(("EVAL", attack, "2", "b", "a"))
        assert b"Attempt to modify a readonly table" in answer, (attack, answer)
    for name in ("x", "print", "dofile", "loadfile", "require", "module", "package", "io", "debug", "getfenv", "setfenv", "newproxy"):
        answer = session.execute_raw(("EVAL", f"return {name}", "0"))
        assert b"nonexistent global variable" in answer, (name, answer)
    session.execute(("EVAL", "KEYS.kept = 1 ARGV.kept = 1 redis.setresp(3)", 0))
    assert session.execute_raw(("EVAL", "return {tostring(KEYS.kept), tostring(ARGV.kept), true}", "0")) == b"*3\r\n$3\r\nnil\r\n$3\r\nnil\r\n:1\r\n"
    assert session.execute_raw(("EVAL", "local n = 0 for k in pairs(os) do n = n + 1 end return n", "0")) == b":1\r\n"


def test_a_cached_script_is_shown(session):
    script = "return 'the text'  -- with its comment"
    digest = session.execute(("SCRIPT", "LOAD", script), decode=True)
    assert session.execute(("SCRIPT", "SHOW", digest.upper()), decode=True) == script
    assert session.execute_raw(("SCRIPT", "SHOW", "x")) == b"-NOSCRIPT No matching script. Please use EVAL.\r\n"


def test_bytecode_is_never_read(session):
    for script in ("return loadstring(string.dump(function() return 1 end))", "local d = string.dump(function() end) local n = 0 return load("
                   "function() n = n + 1 return n <= #d and d:sub(n, n) or nil end)", "return loadstring('\\27Lua')"):
        assert session.execute_raw(("EVAL", script, "0")) == b"$-1\r\n"
    assert b"unexpected symbol" in session.execute_raw(("EVAL", b"\x1bLuaQ\0", "0"))


def test_memory_is_bounded(session):
    answer = session.execute_raw(("EVAL", "local s, t = ('x'):rep(100000), {} for i = 1, 9 do s = s .. s end while true do t[#t + 1] = s .. #t end", "0"))
    assert answer.startswith(b"-ERR Error running script") and b"not enough memory" in answer
    assert session.execute_raw(("EVAL", "return 1", "0")) == b":1\r\n"
    session.execute(("SCRIPT", "FLUSH"))
    assert b"used_memory_vm_eval:0" in session.execute_raw(("INFO", "memory"))


def vm_bytes(session):
    return int(session.execute(("INFO", "memory"), decode=True).partition("used_memory_vm_eval:")[2].split()[0])


@pytest.mark.parametrize("scripts", (100_000, pytest.param(10_000_000, marks=pytest.mark.skipif(
    "HUTCH_LONG" not in os.environ, reason="ten minutes: set HUTCH_LONG"))))
def test_memory_stays_flat(engine, session, scripts):
    used, vm = [], []
    for part in range(10):
        for number in range(scripts // 10000):
            session.execute_many([("EVAL", "return {redis.call('SET', KEYS[1], ARGV[1]), {ARGV[1]}, #ARGV}", 1, "key", f"value{n}")
                                  for n in range(900)] + [("EVAL", f"return {number}, {n}", 0) for n in range(100)])
        used.append(engine.used_memory)
        vm.append(vm_bytes(session))
    assert max(used[2:]) < used[1] * 1.2 + 100_000
    assert max(vm[2:]) < vm[1] * 1.5 + 500_000


def test_without_lua_the_answer_says_what_to_install(tmp_path):
    """Everything else works."""
    import subprocess
    import sys
    program = ("import sys\nsys.modules['lupa'] = None\nfrom hutch_engine.door.engine import Engine\ns = Engine().session()\n"
               "print(bytes(s.execute_raw(('EVAL', 'return 1', '0'))))\nprint(bytes(s.execute_raw(('SET', 'a', '1'))))\n"
               "print(bytes(s.execute_raw(('SCRIPT', 'EXISTS', 'x'))), bytes(s.execute_raw(('FUNCTION', 'LIST'))))")
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True).stdout
    assert "pip install lupa" in out and "+OK" in out and ":0" in out and "*0" in out


# ---- redis-py's helpers

def test_register_script():
    with hutch.Redis() as r:
        add = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
        assert [add(keys=["n"], args=[5]), add(keys=["n"], args=[2])] == [5, 7]
        r.script_flush()
        assert add(keys=["n"], args=[1]) == 8           # loaded again by redis-py
        pipe = r.pipeline()
        add(keys=["n"], args=[1], client=pipe)
        assert pipe.execute() == [9]
        assert r.fcall is not None and r.eval("return ARGV", 0, "a", b"b", 3) == [b"a", b"b", b"3"]


def test_functions_through_redis_py():
    with hutch.Redis(decode_responses=True) as r:
        assert r.function_load("#!lua name=l\nredis.register_function('double', function(keys, args) return args[1] * 2 end)") == "l"
        assert r.fcall("double", 0, 21) == 42
        assert r.function_list()[0]
        with pytest.raises(Exception, match="Function not found"):
            r.fcall("nosuch", 0)


def test_locks_under_contention():
    """Eight threads, one counter that is read and written under the lock."""
    store = hutch.Store()
    total, threads, errors = 60, 8, []
    counter = {"value": 0}

    def work():
        try:
            own = store.client() if hasattr(store, "client") else hutch.Redis(store=store)
            for _ in range(total):
                with own.lock("lock", timeout=30, sleep=0.0005):
                    value = counter["value"]
                    time.sleep(0)
                    counter["value"] = value + 1
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not errors
    assert counter["value"] == total * threads


def test_a_lock_that_is_not_ours():
    from redis.exceptions import LockNotOwnedError
    with hutch.Redis() as r:
        lock = r.lock("l", timeout=10)
        assert lock.acquire(blocking=False) and not r.lock("l").acquire(blocking=False)
        assert lock.extend(5) and lock.reacquire() and lock.owned()
        r.set("l", "another")
        with pytest.raises(LockNotOwnedError):
            lock.release()


def test_the_log(tmp_path):
    """redis.log and DEBUG LOG write Redis's lines, from loglevel on, where there is a place for them."""
    path = tmp_path / "hutch.log"
    store = hutch.Store(logfile=str(path))
    r = hutch.Redis(store=store)
    r.eval("redis.log(redis.LOG_WARNING, 'one', 2, {}, 'three') redis.log(redis.LOG_DEBUG, 'unseen')", 0)
    r.eval("redis.log(redis.LOG_NOTICE, 'cut\\0off') redis.log(redis.LOG_NOTICE, string.rep('x', 5000))", 0)
    r.execute_command("DEBUG", "LOG", "four")
    r.config_set("loglevel", "nothing")
    r.eval("redis.log(redis.LOG_WARNING, 'unseen')", 0)
    lines = path.read_text().splitlines()
    assert [line.split(" ", 5)[5] for line in lines] == ["# one 2  three", "* cut", "* " + "x" * 1023, "# DEBUG LOG: four"]
    hutch.Redis().eval("redis.log(redis.LOG_WARNING, 'nowhere')", 0)


@pytest.mark.parametrize("script", ("return 1", "#!lua\nreturn 1", "#!lua flags=no-writes\nreturn 1", "#!lua flags=allow-oom\nreturn 1"))
def test_scripts_when_memory_is_gone_beside_redis(engine, oracle, script):
    """Refused like any command that may need memory: at once, when it is queued, and as a part of what EXEC would run."""
    found = []
    for port in (engine.port, oracle.port):
        with RespClient("127.0.0.1", port) as one:
            digest = one.execute("SCRIPT", "LOAD", script).value
            one.execute("FUNCTION", "LOAD", "REPLACE", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
            calls = [("EVAL", script, "0"), ("EVALSHA", digest, "0"), ("FCALL", "f", "0")]
            replies = one.pipeline([("CONFIG", "SET", "maxmemory", "1"), *calls])
            for call in calls:
                replies += one.pipeline([("MULTI",), call, ("EXEC",)])
                replies += one.pipeline([("CONFIG", "SET", "maxmemory", "0"), ("MULTI",), call])
                with RespClient("127.0.0.1", port) as other:
                    other.execute("CONFIG", "SET", "maxmemory", "1")
                    replies.append(one.execute("EXEC"))
            one.execute("CONFIG", "SET", "maxmemory", "0")
            found.append([reply.raw for reply in replies])
    assert found[0] == found[1]
