"""The system itself refuses memory (RLIMIT_AS): a process that has a few MiB left of its address space is sent commands that want
more, by every way in. It lives; what it answers is an OOM error or the whole; every value is what it was or what it was to
become; and when the memory comes back, so does the service.

Child processes of this file: `python test_short_of_memory.py inside` uses an embedded client, `... serve` starts servers whose
clients are here. With HUTCH_LONG=1 commands are larger, and each meets more sizes of what is left.
"""
import contextlib
import functools
import gc
import os
import resource
import subprocess
import sys

import pytest

MIB = 1 << 20
LONG = bool(os.environ.get("HUTCH_LONG"))
WORDS = 20_000 if LONG else 13_000       # large enough for nearly every command to be refused at one of the sizes
LEFTS_MIB = (0.25, 2, 4, 6, 8, 11, 15) if LONG else (0, 2)
LEFTS_OTHER_WAYS_MIB = (1, 7) if LONG else (0.25,)


def squeeze(left_mib, pid=0):
    with open(f"/proc/{pid or 'self'}/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (taken + int(left_mib * MIB), hard))


def relenting(pid=0):
    """A call that gives the memory back, and needs none for itself: no frame, no new object."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
    return functools.partial(resource.prlimit, pid, resource.RLIMIT_AS, (hard, hard))


def pairs(prefix, count=WORDS):
    return [word for i in range(count) for word in (f"{prefix}{i:06}", f"v{i:06}" + "x" * 60)]


def scores(prefix, count=WORDS):
    return [word for i in range(count) for word in (str(i % 977), f"{prefix}{i:06}" + "y" * 40)]


def names(prefix, count=WORDS):
    return [f"{prefix}{i:06}" + "n" * 40 for i in range(count)]


# name: the commands before, the command, and how to ask for the state of what it changes.
ZCOUNT = ("ZCARD", "big")
CASES = {
    "zadd": ([], ["ZADD", "big", *scores("m")], ZCOUNT),
    "zadd more": ([["ZADD", "big", *scores("a", 500)]], ["ZADD", "big", *scores("m")], ZCOUNT),
    "zadd small": ([["ZADD", "big", 1, "one"]], ["ZADD", "big", *scores("m", 100)], ZCOUNT),
    "mset": ([], ["MSET", *pairs("k")], ("EXISTS", *pairs("k")[::2])),
    "msetnx": ([], ["MSETNX", *pairs("k")], ("EXISTS", *pairs("k")[::2])),
    "mset long": ([], ["MSET", *[word for i in range(60) for word in (f"k{i}", "v" * 150_000)]], ("EXISTS", *[f"k{i}" for i in range(60)])),
    "hset": ([], ["HSET", "big", *pairs("f")], ("HLEN", "big")),
    "hset more": ([["HSET", "big", *pairs("a", 300)]], ["HSET", "big", *pairs("f")], ("HLEN", "big")),
    "hsetex": ([], ["HSETEX", "big", "EXAT", "4000000000", "FIELDS", str(WORDS), *pairs("f")], ("HLEN", "big")),
    "hexpire": ([["HSET", "big", *pairs("f")]], ["HEXPIREAT", "big", "4000000000", "FIELDS", str(WORDS), *pairs("f")[::2]],
                ("HEXPIRETIME", "big", "FIELDS", str(WORDS), *pairs("f")[::2])),
    "sadd": ([], ["SADD", "big", *names("m")], ("SCARD", "big")),
    "sadd more": ([["SADD", "big", *map(str, range(500))]], ["SADD", "big", *names("m")], ("SCARD", "big")),
    "rpush": ([], ["RPUSH", "big", *names("m")], ("LLEN", "big")),
    "lpush more": ([["RPUSH", "big", *names("a", 100)]], ["LPUSH", "big", *names("m")], ("LLEN", "big")),
    "xadd": ([], ["XADD", "big", "1-1", *pairs("f")], ("XLEN", "big")),
    "xread": ([["EVAL", "for i = 1, 200 do redis.call('XADD', 'big', i .. '-0', 'f', ARGV[1]) end", "0", "x" * 30_000]],
              ["XREAD", "STREAMS", "big", "0"], ("XLEN", "big")),
    "sunionstore": ([["SADD", "one", *names("m")], ["SADD", "two", *names("o")]], ["SUNIONSTORE", "big", "one", "two"], ("SCARD", "big")),
    "zunionstore": ([["ZADD", "one", *scores("m")], ["ZADD", "two", *scores("o")]],
                    ["ZUNIONSTORE", "big", "2", "one", "two"], ZCOUNT),
    "zrangestore": ([["ZADD", "one", *scores("m")]], ["ZRANGESTORE", "big", "one", "0", "-1"], ZCOUNT),
    "sort store": ([["RPUSH", "one", *names("m")]], ["SORT", "one", "ALPHA", "STORE", "big"], ("LLEN", "big")),
    "copy zset": ([["ZADD", "one", *scores("m")]], ["COPY", "one", "big"], ZCOUNT),
    "copy hash": ([["HSET", "one", *pairs("m")]], ["COPY", "one", "big"], ("HLEN", "big")),
    "copy list": ([["RPUSH", "one", *names("m")]], ["COPY", "one", "big"], ("LLEN", "big")),
    "lrange": ([["RPUSH", "big", *names("m", 2 * WORDS)]], ["LRANGE", "big", "0", "-1"], ("LLEN", "big")),
    "lpop": ([["RPUSH", "big", *names("m", 2 * WORDS)]], ["LPOP", "big", str(2 * WORDS - 1)], ("LLEN", "big")),
    "spop": ([["SADD", "big", *names("m", 2 * WORDS)]], ["SPOP", "big", str(WORDS // 2)], ("SCARD", "big")),
    "zpopmin": ([["ZADD", "big", *scores("m", 2 * WORDS)]], ["ZPOPMIN", "big", str(2 * WORDS - 1)], ZCOUNT),
    "hgetdel": ([["HSET", "big", *pairs("f")]], ["HGETDEL", "big", "FIELDS", str(WORDS - 1), *pairs("f")[:-2:2]], ("HLEN", "big")),
    "getdel": ([["SET", "big", "v" * 20_000_000]], ["GETDEL", "big"], ("STRLEN", "big")),
    "getset": ([["SET", "big", "v" * 20_000_000]], ["GETSET", "big", "w"], ("STRLEN", "big")),
    "append": ([["SET", "big", "v" * 1000]], ["APPEND", "big", "w" * 20_000_000], ("STRLEN", "big")),
    "setrange": ([["SET", "big", "v" * 1000]], ["SETRANGE", "big", "30000000", "w"], ("STRLEN", "big")),
    "del": ([["ZADD", "big", *scores("m")], ["HSET", "other", *pairs("f")]], ["DEL", "big", "other"], ("EXISTS", "big", "other")),
}
# These give what memory there is for, and say how much.
IN_PART = {
    "xreadgroup": ([["EVAL", f"for i = 1, {2 * WORDS} do redis.call('XADD', 'big', i .. '-0', 'f', 'v') end", "0"],
                    ["XGROUP", "CREATE", "big", "g", "0"]],
                   ["XREADGROUP", "GROUP", "g", "c", "STREAMS", "big", ">"], lambda reply: len(reply[0][1]), 2 * WORDS),
    "xclaim": ([["EVAL", f"for i = 1, {WORDS} do redis.call('XADD', 'big', i .. '-0', 'f', 'v') end", "0"],
                ["XGROUP", "CREATE", "big", "g", "0"]],
               ["XCLAIM", "big", "g", "c", "0", *[f"{i}-0" for i in range(1, WORDS + 1)], "FORCE"], len, WORDS),
}
MANY = 60_000 if LONG else 25_000
LEFTS_MANY_MIB = (0.25, 2, 4, 8) if LONG else (0.25, 2)
WAYS = ("command", "pipeline", "transaction")


class Failed(Exception):
    pass


def answers(reply):
    """Is it an answer, and not a refusal? Anything else ends the test."""
    import redis
    if isinstance(reply, redis.exceptions.OutOfMemoryError) or isinstance(reply, MemoryError):
        return False
    if isinstance(reply, redis.ResponseError) and ("OOM" in str(reply) or "not enough memory" in str(reply) or "no memory" in str(reply)):
        return False
    if isinstance(reply, Exception):
        raise Failed(repr(reply)[:300])
    return True


def sent(client, way, words):
    if way == "command":
        return client.execute_command(*words)
    pipe = client.pipeline(transaction=way == "transaction")
    pipe.execute_command(*words)
    return pipe.execute(raise_on_error=False)[0]


def under_pressure(left, squeezed, relented, lost, action):
    """What the action returns, or its exception: a MemoryError also for those that a client may lose its connection to, whose
    words found no room. Looked at when there is memory again."""
    squeezed(left)
    try:
        try:
            return action()
        finally:
            relented()
    except (MemoryError, *lost):
        return MemoryError()
    except Exception as error:
        return error


def prepared(client, before):
    for command in before:
        client.execute_command(*command)
    client.execute_command("PING")
    gc.collect()


def usual_of(fresh, name):
    """What the state is before the command, what it answers with memory enough, and the state then."""
    before, words, asking = CASES[name]
    with fresh() as (client, *_):
        prepared(client, before)
        return client.execute_command(*asking), client.execute_command(*words), client.execute_command(*asking)


def try_case(fresh, name, way, lefts, states):
    """Every size of what is left, each in a new store (one that was larger once keeps its address space). Returns how often
    the command was refused."""
    before, words, asking = CASES[name]
    old, usual_reply, usual = states
    refused = 0
    for left in lefts:
        with fresh() as (client, squeezed, relented, lost):
            prepared(client, before)
            reply = under_pressure(left, squeezed, relented, lost, lambda: sent(client, way, words))
            found = client.execute_command(*asking)
            if answers(reply):
                if found != usual or name != "spop" and reply != usual_reply:
                    raise Failed(f"{name} {way} {left}: answered {str(reply)[:50]}, and has {str(found)[:50]}")
                continue
            refused += 1
            # Python's own MemoryError, and a connection that was closed, come before or behind the command.
            if isinstance(reply, MemoryError) and found == usual:
                continue
            if found != old:
                raise Failed(f"{name} {way} {left}: refused by {reply!r}, and changed from {str(old)[:50]} to {str(found)[:50]}")
            if not answers(client.execute_command(*words)) or client.execute_command(*asking) != usual:
                raise Failed(f"{name} {way} {left}: no service afterwards")
    return refused


def try_in_part(fresh, name, way, lefts):
    before, words, count, full = IN_PART[name]
    refused = 0
    for left in lefts:
        with fresh() as (client, squeezed, relented, lost):
            prepared(client, before)
            reply = under_pressure(left, squeezed, relented, lost, lambda: sent(client, way, words))
            pending = client.execute_command("XPENDING", "big", "g")
            pending = pending["pending"] if isinstance(pending, dict) else pending[0]
            if answers(reply):
                refused += count(reply) < full
                if count(reply) != pending:
                    raise Failed(f"{name} {way} {left}: {count(reply)} told, {pending} pending")
            else:
                refused += 1
            client.execute_command("XREADGROUP", "GROUP", "g", "other", "STREAMS", "big", ">")
    return refused


def try_many(fresh, way, lefts):
    """Small commands without end in one pipeline, transaction or script: those that were answered have their effect."""
    text = ("local done = 0 for i = 1, tonumber(ARGV[1]) do local r = redis.pcall('SET', 'k' .. i, ARGV[2] .. i) "
            "if r.err then return {done, r.err} end done = done + 1 end return {done, ''}")
    refused = 0
    for left in lefts:
        with fresh() as (client, squeezed, relented, lost):
            prepared(client, [["SET", "warm", "1"], ["EVAL", text, 0, 1, "v"], ["DEL", "k1"]])
            pipe = client.pipeline(transaction=way == "transaction")
            for i in range(MANY if way != "script" else 0):
                pipe.set(f"k{i + 1}", "v" * 100)
            run = (lambda: client.eval(text, 0, MANY, "v" * 100)) if way == "script" else (lambda: pipe.execute(raise_on_error=False))
            replies = under_pressure(left, squeezed, relented, lost, run)
            done = client.dbsize() - 1
            if not isinstance(replies, list):
                refused += not answers(replies)
            elif way == "script":
                refused += replies[1] != b""
                if done != replies[0]:
                    raise Failed(f"{done} keys, and {replies[0]} were set: {replies[1]}")
            else:
                good = sum(answers(reply) for reply in replies)
                refused += good < MANY
                if done != good:
                    raise Failed(f"{done} keys, and {good} were set")
            if not client.set("again", "1") or client.get("again") != b"1":
                raise Failed("no service afterwards")
    return refused


@contextlib.contextmanager
def fresh_inside():
    import hutch
    client = hutch.Redis()
    try:
        yield client, squeeze, relenting(), ()
    finally:
        client.close()


def inside(names):
    """The child with an embedded client: a line for each case that went well."""
    for name in names:
        states = usual_of(fresh_inside, name) if name in CASES else None
        for way in WAYS if name != "many" else ("pipeline", "transaction", "script"):
            lefts = LEFTS_MIB if way == "command" else LEFTS_OTHER_WAYS_MIB
            if name == "many":
                refused = try_many(fresh_inside, way, LEFTS_MANY_MIB)
            elif name in IN_PART:
                refused = try_in_part(fresh_inside, name, way, lefts)
            else:
                refused = try_case(fresh_inside, name, way, lefts, states)
            print("well", name.replace(" ", "-"), way, refused, flush=True)


def serve():
    """The child with servers: at each line a new one, whose port it says. Its memory is seen to by the parent."""
    import hutch
    for _ in sys.stdin:
        server = hutch.Server(port=0).start()
        print(server.port, flush=True)
        sys.stdin.readline()
        server.stop()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "inside":
        inside(sys.argv[2:])
    else:
        serve()
    sys.exit(0)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux") or os.environ.get("HUTCH_BUILD", "release") == "sanitize",
                                reason="needs Linux's address space limit, which the address sanitizer does not live with")


def child(*words):
    # What was freed leaves the address space, as far as malloc can be told to: the next store finds little left over.
    environment = os.environ | {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    return subprocess.Popen([sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment)


GROUPS = [list(CASES)[i::6] for i in range(6)] + [list(IN_PART), ["many"]]


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_embedded(group):
    process = child("inside", *GROUPS[group])
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, (process.returncode, out[-500:], err[-2000:])
    lines = [line.split() for line in out.splitlines()]
    assert len(lines) == len(GROUPS[group]) * 3 and all(line[0] == "well" for line in lines)
    assert sum(int(line[-1]) for line in lines) > 0, "nothing was refused: the test is blind"


@pytest.fixture(scope="module")
def fresh_server():
    """A new server, in a child that has one after the other."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    process = child("serve")

    @contextlib.contextmanager
    def fresh():
        process.stdin.write("new\n")
        process.stdin.flush()
        # A connection that was closed is an answer here; to try again later would only take time.
        client = redis.Redis(port=int(process.stdout.readline()), socket_timeout=60, retry=Retry(NoBackoff(), 0))
        yield client, lambda left: squeeze(left, process.pid), relenting(process.pid), (redis.ConnectionError, redis.TimeoutError)
        client.close()
        assert process.poll() is None, (process.returncode, process.stderr.read()[-2000:])
        process.stdin.write("stop\n")

    yield fresh
    process.kill()
    process.communicate()


@pytest.mark.parametrize("name", ["zadd more", "mset", "mset long", "hset more", "sadd more", "lpush more", "xread", "lpop", "spop", "getdel",
                                  "copy zset", "append"])
def test_socket(fresh_server, name):
    states = usual_of(fresh_server, name)
    refused = try_case(fresh_server, name, "command", (3,) if LONG else (1,), states)
    refused += try_case(fresh_server, name, "transaction", (1,) if LONG else (0.5,), states)
    assert refused or name not in ("zadd more", "mset", "mset long", "append"), "nothing was refused: the test is blind"


@pytest.mark.parametrize("name", IN_PART)
def test_socket_in_part(fresh_server, name):
    try_in_part(fresh_server, name, "command", (0.25, 1, 4))


@pytest.mark.parametrize("way", ["pipeline", "transaction", "script"])
def test_socket_many(fresh_server, way):
    try_many(fresh_server, way, (1, 4) if LONG else (1,))
