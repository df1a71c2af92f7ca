"""hutch.testing.FaultProxy: faults for clients behind sockets, in this process, in another one, in another language."""
import socket
import subprocess
import sys
import textwrap
import threading

import pytest
import redis
from hypothesis import given, settings, strategies as st
from redis.backoff import NoBackoff
from redis.retry import Retry

import hutch
from hutch.testing import Clock, FaultProxy, faults
from hutch.testing.proxy import Frames, Requests
from hutch.testing.replies import decode
from kit.waiting import SLOW, wait_until


@pytest.fixture
def server():
    with hutch.Server(port=0) as server:
        yield server


@pytest.fixture
def proxy(server):
    with FaultProxy(server) as proxy:
        yield proxy


def connected(proxy, **options):
    return redis.Redis.from_url(proxy.url, **{"decode_responses": True, "retry": Retry(NoBackoff(), 0), **options})


@pytest.fixture(params=(2, 3))
def r(proxy, request):
    with connected(proxy, protocol=request.param) as client:
        client.set("before", "v")
        yield client


def talk(proxy, sent, wanted=1):
    """Send bytes and read until so many bytes have come, or the end: what came, and how it ended."""
    with socket.create_connection(("127.0.0.1", proxy.port), 30) as line:
        line.sendall(sent)
        came = b""
        try:
            while len(came) < wanted:
                data = line.recv(65536)
                if not data:
                    return came, "end"
                came += data
        except ConnectionResetError:
            return came, "reset"
        except TimeoutError:
            return came, "silence"
        return came, None


@pytest.mark.parametrize("fault, raised, text", [
    (lambda: faults.loading("GET"), redis.BusyLoadingError, "Redis is loading the dataset in memory"),
    (lambda: faults.readonly("GET"), redis.ReadOnlyError, "You can't write against a read only replica."),
    (lambda: faults.oom("GET"), redis.OutOfMemoryError, "command not allowed when used memory > 'maxmemory'."),
    (lambda: faults.noauth("GET"), redis.AuthenticationError, "Authentication required."),
    (lambda: faults.moved(3999, "127.0.0.1:6381", "GET"), redis.exceptions.MovedError, "3999 127.0.0.1:6381"),
    (lambda: faults.error("WRONGTYPE of some sort", "GET"), redis.ResponseError, "WRONGTYPE of some sort"),
    (lambda: faults.connection_error("GET"), redis.ConnectionError, None),
    (lambda: faults.connection_error("GET", after=True), redis.ConnectionError, None),
    (lambda: faults.torn("GET"), redis.ConnectionError, None),
])
def test_every_kind(r, proxy, fault, raised, text):
    fault = fault()
    with faults.inject(proxy, fault):
        for times in (1, 2):
            with pytest.raises(raised) as info:
                r.get("before")
            assert text is None or str(info.value) == text
            assert fault.fired == times
        assert r.exists("before") == 1
    assert r.get("before") == "v" and not proxy.faults


def test_time_outs(proxy):
    with connected(proxy, socket_timeout=0.2 * SLOW) as r:
        with faults.inject(proxy, faults.timeout("INCRBY", nth=1), faults.timeout("INCRBY", nth=1, after=True)):
            for _ in range(2):
                with pytest.raises(redis.TimeoutError):
                    r.incr("n")
            assert r.incr("n") == 2          # the first did not run, the second did
        with faults.inject(proxy, faults.timeout("CONNECT", times=1)):
            r.connection_pool.disconnect()
            with pytest.raises(redis.TimeoutError):
                r.ping()
            assert r.ping()


def test_slow_replies(proxy, server):
    with connected(proxy, socket_timeout=0.2 * SLOW) as r:
        r.ping()                             # so that it is the command that takes too long, and not its connection
        with faults.inject(proxy, faults.slow(0.5 * SLOW, "INCRBY", nth=1)), pytest.raises(redis.TimeoutError):
            r.incr("n")
        with server.client() as direct:      # it runs, though nobody waits any more
            wait_until(lambda: direct.get("n") == b"1")
            with Clock(direct):
                before = direct.time()[0]
                with faults.inject(proxy, faults.slow(3600, "GET")):
                    assert r.get("n") == "1"             # of the held clock: at once
                assert direct.time()[0] == before + 3600


def test_which_commands(r, proxy):
    def outcomes(*commands):
        found = []
        for words in commands:
            try:
                found.append(r.execute_command(*words))
            except redis.RedisError as error:
                found.append(type(error).__name__)
        return found
    with faults.inject(proxy, faults.readonly("SET", nth=2)):
        assert outcomes(*[("SET", "a", 1)] * 3) == [True, "ReadOnlyError", True]
    with faults.inject(proxy, faults.oom(key="hot:*")):
        assert outcomes(("SET", "hot:1", 1), ("SET", "cold", "hot:1"), ("MSET", "a", 1, "hot:", 2)) == ["OutOfMemoryError", True, "OutOfMemoryError"]
    with faults.inject(proxy, faults.error("ERR no", "CONFIG GET")):
        assert outcomes(("CONFIG", "GET", "maxmemory"), ("PING",)) == ["ResponseError", True]


def test_pipelines_and_transactions(r, proxy, server):
    with faults.inject(proxy, faults.readonly("INCRBY", nth=2)):
        with r.pipeline(transaction=False) as pipe:
            found = pipe.set("p", 1).incr("p").incr("p").incr("p").get("p").execute(raise_on_error=False)
        assert [type(one).__name__ if isinstance(one, Exception) else one for one in found] == [True, 2, "ReadOnlyError", 3, "3"]
    with faults.inject(proxy, faults.readonly("INCRBY")):
        with r.pipeline() as pipe, pytest.raises(redis.ReadOnlyError):
            pipe.set("p", 7).incr("p").execute()
        assert r.get("p") == "3"
    with faults.inject(proxy, faults.error("ERR not now", "EXEC", nth=1)):
        with r.pipeline() as pipe, pytest.raises(redis.ResponseError):
            pipe.set("p", 8).execute()
        assert r.get("p") == "3"
        with r.pipeline() as pipe:
            assert pipe.set("p", 8).execute() == [True]
    with faults.inject(proxy, faults.connection_error("INCRBY", nth=3)):
        with r.pipeline(transaction=False) as pipe, pytest.raises(redis.ConnectionError):
            pipe.set("p", 1).incr("p").incr("p").incr("p").incr("p").execute()
    with server.client() as direct:
        assert direct.get("p") == b"3"       # what came before the third ran


def test_the_reply_is_torn_where_it_is_said(proxy, server):
    with server.client() as direct:
        direct.set("long", "x" * 100)
    with faults.inject(proxy, faults.torn("GET", at=10)):
        assert talk(proxy, b"*2\r\n$3\r\nGET\r\n$4\r\nlong\r\n", 11) == (b"$100\r\nxxxx", "reset")
    with faults.inject(proxy, faults.torn("GET")):
        came, ended = talk(proxy, b"*2\r\n$3\r\nGET\r\n$4\r\nlong\r\n", 1000)
        assert ended == "reset" and came == b"$100\r\n" + b"x" * 48
    with pytest.raises(ValueError):
        faults.torn(at=0)


def test_nobody_there(r, proxy, server):
    r.ping()
    with proxy.down():
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                r.ping()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), 30)
    assert r.get("before") == "v"
    with r.client() as single:
        single.ping()
        proxy.reset()
        with pytest.raises(redis.ConnectionError):
            single.ping()
    assert r.ping()
    with faults.inject(proxy, faults.connection_error("CONNECT", times=1)):
        r.connection_pool.disconnect()
        with pytest.raises(redis.ConnectionError):
            r.ping()
        assert r.ping()
    with faults.inject(proxy, faults.error("ERR max number of clients reached", "CONNECT")):
        r.connection_pool.disconnect()
        with pytest.raises(redis.ConnectionError):
            r.ping()
    server.stop()                            # the proxy's clients hear what they would of a server that has gone
    with pytest.raises(redis.ConnectionError):
        r.ping()
    server.start()


def test_a_client_that_retries(proxy):
    with connected(proxy, retry=Retry(NoBackoff(), 2)) as r:
        with faults.inject(proxy, faults.connection_error("GET", times=2)) as (fault,):
            assert r.get("key") is None and fault.fired == 2


@pytest.mark.parametrize("protocol", (2, 3))
def test_subscribers(proxy, server, protocol):
    with connected(proxy, protocol=protocol) as r, server.client() as direct:
        heard = r.pubsub()
        heard.subscribe("a", "b")
        heard.psubscribe("p*")
        assert [heard.get_message(timeout=30)["type"] for _ in range(3)] == ["subscribe", "subscribe", "psubscribe"]
        for number in range(3):
            direct.publish("a", number)
            direct.publish("pub", number)
        assert [heard.get_message(timeout=30)["data"] for _ in range(6)] == ["0", "0", "1", "1", "2", "2"]
        with faults.inject(proxy, faults.error("NOPERM no", "SUBSCRIBE", nth=1)):
            heard.subscribe("c")
            with pytest.raises(redis.exceptions.NoPermissionError):
                heard.get_message(timeout=30)
        heard.unsubscribe()
        heard.punsubscribe()
        assert sorted(heard.get_message(timeout=30)["type"] for _ in range(3)) == ["punsubscribe", "unsubscribe", "unsubscribe"]
        heard.ping()
        heard.aclose() if hasattr(heard, "aclose") else heard.close()
        with connected(proxy, protocol=protocol) as other:
            with faults.inject(proxy, faults.connection_error("PUBLISH", after=True)), pytest.raises(redis.ConnectionError):
                other.publish("a", 1)


def test_waiting_commands_and_monitors(r, proxy, server):
    found = []
    thread = threading.Thread(target=lambda: found.append(r.blpop("list", timeout=60)))
    thread.start()
    with server.client() as direct:
        wait_until(lambda: direct.info("clients")["blocked_clients"] == 1)
        direct.rpush("list", "x")
        thread.join(30)
        assert [list(one) for one in found] == [["list", "x"]]
        with r.monitor() as monitor:
            direct.set("seen", 1)
            assert "seen" in monitor.next_command()["command"]


def test_replies_that_were_refused(proxy):
    sent = (b"CLIENT REPLY OFF\r\nSET a 1\r\nGET a\r\nCLIENT REPLY ON\r\nGET a\r\nCLIENT REPLY SKIP\r\nGET a\r\n"
            b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nGET b\r\n")
    with faults.inject(proxy, faults.oom("GET", key="b")):
        wanted = b"+OK\r\n$1\r\n1\r\n$1\r\n1\r\n-OOM command not allowed when used memory > 'maxmemory'.\r\n"
        assert talk(proxy, sent, len(wanted)) == (wanted, None)


def test_what_is_no_command(proxy):
    came, ended = talk(proxy, b"*1\r\n+PING\r\n", 1000)
    assert came.startswith(b"-ERR Protocol error") and ended is not None


PROGRAM = """
    import sys, redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    r = redis.Redis.from_url(sys.argv[1], retry=Retry(NoBackoff(), 0))
    for number in range(4):
        try:
            print(r.incr("n"))
        except redis.RedisError as error:
            print(type(error).__name__)
"""


def test_another_process(proxy):
    with faults.inject(proxy, faults.readonly("INCRBY", nth=2), faults.torn("INCRBY", nth=2)):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM), proxy.url], check=True, timeout=120, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "ReadOnlyError", "ConnectionError", "3"]


def test_unix_sockets_and_urls(tmp_path):
    path = str(tmp_path / "behind")
    with hutch.Server(port=None, unixsocket=path, password="s3cret") as server:
        with FaultProxy(server.url, unixsocket=str(tmp_path / "before")) as proxy, connected(proxy) as r:
            assert proxy.url == f"unix://:s3cret@{tmp_path / 'before'}" and r.ping() and "before" in repr(proxy) and "s3cret" not in repr(proxy)
            with faults.inject(proxy, faults.connection_error("PING")), pytest.raises(redis.ConnectionError):
                r.ping()
        with FaultProxy(server) as proxy, connected(proxy) as r:
            assert r.ping() and proxy.url == f"redis://:s3cret@127.0.0.1:{proxy.port}/0"
            with pytest.raises(RuntimeError):
                proxy.start()
        proxy.stop()
        with pytest.raises(RuntimeError):
            proxy.down().__enter__()
    for url in ("rediss://127.0.0.1:1", "http://127.0.0.1", "nowhere"):
        with pytest.raises(ValueError):
            FaultProxy(url)


def test_a_large_reply(proxy, server):
    with server.client() as direct, connected(proxy, decode_responses=False) as r:
        direct.set("large", b"x" * 10_000_000)
        direct.rpush("list", *(b"%d" % n for n in range(100_000)))
        assert len(r.get("large")) == 10_000_000 and r.lrange("list", 0, -1)[-1] == b"99999"
        assert r.set("copy", b"y" * 3_000_000) and direct.strlen("copy") == 3_000_000


FRAMES = st.recursive(
    st.sampled_from([b"+OK\r\n", b"-ERR no\r\n", b":12\r\n", b"$-1\r\n", b"*-1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b"(123456789012345678901\r\n"])
    | st.binary(max_size=20).map(lambda text: b"$%d\r\n%b\r\n" % (len(text), text)),
    lambda inner: st.lists(inner, max_size=4).map(lambda items: b"*%d\r\n%b" % (len(items), b"".join(items)))
    | st.lists(inner, max_size=4).map(lambda items: b">%d\r\n%b" % (len(items), b"".join(items)))
    | st.lists(st.tuples(inner, inner), max_size=3).map(lambda pairs: b"%%%d\r\n%b" % (len(pairs), b"".join(a + b for a, b in pairs))),
    max_leaves=10)


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=6), st.integers(1, 30))
def test_frames(frames, piece):
    stream = b"".join(frames)
    cutter, found = Frames(), []
    for at in range(0, len(stream), piece):
        found += cutter.feed(stream[at:at + piece])
    assert found == frames and all(decode(bytearray(frame))[1] == len(frame) for frame in frames)


@settings(deadline=None)
@given(st.lists(st.lists(st.binary(max_size=10), min_size=1, max_size=4) | st.sampled_from([b"PING\r\n", b"SET a 1\n", b"\r\n"]), max_size=6),
       st.integers(1, 30))
def test_requests(commands, piece):
    stream, wanted = b"", []
    for one in commands:
        if isinstance(one, bytes):
            stream += one
            if one.split():
                wanted.append(tuple(one.split()))
        else:
            stream += b"*%d\r\n" % len(one) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in one)
            wanted.append(tuple(one))
    cutter, found = Requests(), []
    for at in range(0, len(stream), piece):
        found += cutter.feed(stream[at:at + piece])
    assert [words for words, _ in found] == wanted
