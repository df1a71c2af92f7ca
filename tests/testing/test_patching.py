"""hutch.testing.patch(): clients of redis-py lead to stores of this process, until the end of the patch."""
import asyncio
import threading

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

import hutch
import hutch.asyncio
from hutch.testing import faults, patch
from hutch.testing.patching import Patch

NEVER = Retry(NoBackoff(), 0)


@pytest.fixture
def servers():
    with patch() as servers:
        yield servers


@pytest.mark.parametrize("make", [
    lambda: redis.Redis(host="there", port=6380, db=2, password="secret", username="me"),
    lambda: redis.from_url("redis://me:secret@there:6380/2"),
    lambda: redis.StrictRedis("there", 6380, 2),
    lambda: redis.Redis(connection_pool=redis.ConnectionPool(host="there", port=6380, db=2)),
    lambda: redis.Redis(connection_pool=redis.BlockingConnectionPool.from_url("redis://there:6380/2", max_connections=2)),
    lambda: redis.Redis.from_pool(redis.ConnectionPool.from_url("redis://there:6380?db=2")),
    lambda: redis.Redis(host="there", port=6380, db=2, ssl=True, ssl_cert_reqs="none"),
    lambda: redis.from_url("rediss://there:6380/2?ssl_check_hostname=false"),
    lambda: redis.Redis(host="there", port=6380, db=2, single_connection_client=True, protocol=3),
])
def test_every_way_to_make_a_client(servers, make):
    client = make()
    client.set("key", "v")
    assert hutch.Redis(store=servers.store("redis://there:6380"), db=2).get("key") == b"v"
    assert servers.client("redis://there:6380/2").get("key") == b"v" and list(servers.stores) == ["there:6380"]
    assert isinstance(client, redis.Redis) and not isinstance(client, hutch.Redis)


def test_addresses(servers):
    redis.Redis().set("key", "v")
    assert redis.Redis("127.0.0.1").get("key") == b"v" and redis.from_url("redis://[::1]").get("key") == b"v"
    assert redis.Redis(port=6380).get("key") is None and redis.Redis(db=1).get("key") is None
    redis.Redis(unix_socket_path="/run/redis.sock").set("key", "u")
    assert redis.from_url("unix:///run/redis.sock?db=0").get("key") == b"u"
    assert servers.client("unix:///run/redis.sock").get("key") == b"u"
    assert set(servers.stores) == {"localhost:6379", "localhost:6380", "/run/redis.sock"}


def test_what_clients_do(servers):
    r = redis.Redis(decode_responses=True)
    with r.pipeline() as pipe:
        pipe.watch("n")
        pipe.multi()
        assert pipe.incr("n").incr("n").execute() == [1, 2]
    with r.lock("lock", timeout=5):
        assert r.exists("lock")
    assert r.register_script("return {KEYS[1], ARGV[1]}")(["k"], ["a"]) == ["k", "a"]
    heard = r.pubsub()
    heard.subscribe("channel")
    assert heard.get_message(timeout=5)["type"] == "subscribe"
    r.publish("channel", "x")
    assert heard.get_message(timeout=5)["data"] == "x"
    heard.close()
    found = []
    thread = threading.Thread(target=lambda: found.append(r.blpop("list", timeout=60)))
    thread.start()
    r.rpush("list", "x")
    thread.join(30)
    assert found == [("list", "x")] and list(r.scan_iter("n")) == ["n"]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        r.get("list2" if r.rpush("list2", 1) else "")


def test_asyncio(servers):
    async def main():
        for r in (redis.asyncio.Redis(host="there"), redis.asyncio.from_url("redis://there"),
                  redis.asyncio.Redis.from_pool(redis.asyncio.BlockingConnectionPool.from_url("redis://there")),
                  redis.asyncio.Redis(host="there", ssl=True), redis.asyncio.Redis(host="there", single_connection_client=True)):
            await r.set("key", "v")
            assert await r.get("key") == b"v"
            async with r.pipeline() as pipe:
                assert await pipe.incr("n").delete("n").execute() == [1, 1]
            heard = r.pubsub()
            await heard.subscribe("channel")
            assert (await heard.get_message(timeout=5))["type"] == "subscribe"
            await r.publish("channel", "x")
            assert (await heard.get_message(timeout=5))["data"] == b"x"
            await heard.aclose()
            if r.connection is None:
                waiting = asyncio.create_task(r.blpop("list", timeout=60))
                await asyncio.sleep(0)
                await r.rpush("list", "x")
                assert await waiting == (b"list", b"x")
            await r.aclose()
    asyncio.run(main())
    assert servers.client("redis://there").get("key") == b"v"


def test_tasks_of_several_loops(servers):
    """A client that a program has for good is used by one loop after the other."""
    r = redis.asyncio.Redis()
    for number in range(3):
        assert asyncio.run(r.incr("n")) == number + 1


def test_clusters(servers):
    for cluster in (redis.RedisCluster("node", 7000), redis.RedisCluster.from_url("redis://node:7000"),
                    redis.RedisCluster(startup_nodes=[redis.cluster.ClusterNode("node", 7000)], decode_responses=False)):
        assert cluster.set("key", "v") and cluster.get("key") == b"v" and cluster.dbsize() == 1
        assert cluster.mget_nonatomic("key", "other") == [b"v", None]
        with cluster.pipeline() as pipe:
            pipe.set("a", 1)
            pipe.get("a")
            assert pipe.execute() == [True, b"1"] and cluster.delete("a")
        cluster.close()

    async def main():
        cluster = redis.asyncio.RedisCluster("node", 7000, decode_responses=True)
        assert await cluster.get("key") == "v"
        async with cluster.pipeline() as pipe:
            assert await pipe.set("a", 1).get("a").execute() == [True, "1"]
        await cluster.aclose()
    asyncio.run(main())
    assert servers.client("redis://node:7000").get("a") == b"1"


def test_sentinels(servers):
    sentinel = redis.sentinel.Sentinel([("sentinel", 26379)], socket_timeout=5)
    master = sentinel.master_for("orders")
    assert master.set("key", "v") and sentinel.slave_for("orders").get("key") == b"v"
    assert servers.client("redis://orders:6379").get("key") == b"v"

    async def main():
        master = redis.asyncio.sentinel.Sentinel([("sentinel", 26379)]).master_for("orders")
        assert await master.get("key") == b"v"
        await master.aclose()
    asyncio.run(main())


def test_somebody_s_own_connections(servers):
    seen = []

    class Own(redis.Connection):
        def disconnect(self, *args):
            seen.append("disconnect")
            super().disconnect(*args)

    pool = redis.ConnectionPool(connection_class=Own, host="there", password="secret")
    r = redis.Redis(connection_pool=pool)
    r.set("key", "v")
    connection = pool.get_connection()
    assert isinstance(connection, Own) and connection._sock.fileno() > 0
    pool.release(connection)
    pool.disconnect()
    assert seen and r.get("key") == servers.client("redis://there").get("key") == b"v"

    class OwnAsync(redis.asyncio.Connection):
        pass

    async def main():
        r = redis.asyncio.Redis(connection_pool=redis.asyncio.ConnectionPool(connection_class=OwnAsync, host="there"))
        assert await r.get("key") == b"v"
        await r.aclose()
    asyncio.run(main())


def test_clients_of_before_are_left_alone():
    before = redis.Redis(port=1, retry=NEVER)
    with patch():
        with pytest.raises(redis.ConnectionError, match="localhost:1"):
            before.ping()
        assert redis.Redis(port=1).ping()


def test_it_is_undone():
    def state():
        return [vars(kind).get(name) for kind, name in (
            (redis.ConnectionPool, "__init__"), (redis.asyncio.ConnectionPool, "__init__"), (redis.cluster.NodesManager, "create_redis_node"),
            (redis.asyncio.cluster.ClusterNode, "__init__"), (redis.sentinel.Sentinel, "discover_master"),
            (redis.asyncio.sentinel.Sentinel, "discover_slaves"))]
    before = state()
    with patch() as servers:
        assert state() != before
        client = redis.Redis(retry=NEVER)
        own = servers.client(retry=NEVER)
        client.set("key", "v")
    assert state() == before
    with pytest.raises(redis.ConnectionError, match="no patch is at work"):
        client.get("key")
    with pytest.raises(redis.ConnectionError):
        own.get("key")
    with pytest.raises(KeyError):
        with patch():
            raise KeyError
    assert state() == before


def test_a_client_that_lives_on_leads_to_the_next_patch():
    with patch():
        client = redis.Redis(decode_responses=True)
        client.set("key", "v")
    with patch() as servers:
        assert client.get("key") is None and client.set("key", "w") and servers.client().get("key") == b"w"


def test_patches_nest():
    with patch() as outer:
        client = redis.Redis()
        client.set("key", "outer")
        with patch() as inner:
            made_inside = redis.Redis()
            assert made_inside.get("key") is None
            made_inside.set("key", "inner")
            assert inner.client().get("key") == b"inner"
        assert outer.client().get("key") == b"outer" and redis.Redis().get("key") == b"outer"
        assert made_inside.get("key") == client.get("key") == b"outer"
    one, two = Patch().start(), Patch().start()
    with pytest.raises(RuntimeError):
        one.start()
    one.stop()                               # not the last one first
    assert redis.Redis().ping()
    two.stop()
    two.stop()


def test_decorators():
    seen = []

    @patch
    def plain(value):
        seen.append(redis.Redis().incr("n"))
        return value

    @patch(databases=20)
    async def later(value):
        seen.append(await redis.asyncio.Redis(db=19).incr("n"))
        return value

    @patch()
    def steps():
        yield redis.Redis().incr("n")

    @patch()
    class Tests:
        def test_one(self):
            return redis.Redis().incr("n")

    for _ in range(2):
        assert plain(5) == asyncio.run(later(5)) == 5
        assert list(steps()) == [1] and Tests().test_one() == 1
    assert seen == [1] * 4 and plain.__name__ == "plain"


def test_parameters_and_clock():
    with patch(maxmemory="2mb", databases=3, clock=True) as servers:
        r = redis.Redis(decode_responses=True)
        assert r.config_get("maxmemory") == {"maxmemory": "2097152"}
        with pytest.raises(redis.ResponseError, match="DB index"):
            redis.Redis(db=3).ping()
        r.set("key", "v", ex=60)
        servers.clock.advance(seconds=60)
        assert r.get("key") is None and redis.Redis("other").time() == r.time()


def test_threads(servers):
    found = []

    def work():
        client = redis.Redis()
        for _ in range(100):
            client.incr("n")
        found.append(client.ping())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [True] * 8 and servers.client().get("n") == b"800"


def test_faults_of_clients_and_of_all(servers):
    one, two = redis.Redis(retry=NEVER), redis.Redis(retry=NEVER)
    with faults.inject(one, faults.readonly("SET")):
        with pytest.raises(redis.ReadOnlyError):
            one.set("key", "v")
        assert two.set("key", "v")
    with faults.inject(servers, faults.connection_error("CONNECT")):
        with pytest.raises(redis.ConnectionError):
            redis.Redis(retry=NEVER).ping()

    async def main():
        r = redis.asyncio.Redis(retry=redis.asyncio.retry.Retry(NoBackoff(), 0))
        with faults.inject(servers, faults.loading("GET", nth=2)):
            assert await r.get("key") == b"v"
            with pytest.raises(redis.BusyLoadingError):
                await r.get("key")
        await r.aclose()
    asyncio.run(main())
    assert one.set("key", "w")


def test_slow_replies_and_the_socket_s_time_out(servers):
    r = redis.Redis(socket_timeout=5, retry=NEVER)
    clock = servers.clock
    began = clock.time()
    with faults.inject(r, faults.slow(3, "GET"), faults.slow(30, "INCRBY")):
        assert r.get("key") is None and clock.time() == began + 3
        with pytest.raises(redis.TimeoutError):
            r.incr("n")
        assert clock.time() == began + 8
    assert r.get("n") == b"1"                # it ran


def test_hutch_s_own_clients_are_left_alone(servers):
    named = hutch.Redis("patched?")
    named.set("key", "v")
    assert hutch.Redis("patched?").get("key") == b"v" and not servers.stores
    assert named._plain                      # its compiled methods are in use


def test_sockets_reach_forked_processes():
    """With redis-py's own connections, over a Unix socket; addresses that nobody had asked for are refused there."""
    import multiprocessing
    with patch(sockets=True) as servers:
        r = redis.Redis(host="there", db=2, password="secret", decode_responses=True)
        assert r.set("n", 1) and isinstance(r.connection_pool.get_connection(), redis.Connection)
        with r.pipeline() as pipe:
            assert pipe.incr("n").get("n").execute() == [2, "2"]
        with pytest.raises(redis.ResponseError):
            r.lpush("n", 1)

        def child():
            assert redis.Redis(host="there", db=2).incr("n") == 3 and r.incr("n") == 4
            servers.stop()                   # does nothing here
            with pytest.raises(redis.ConnectionError, match="elsewhere:6379 was not known"):
                redis.Redis(host="elsewhere", retry=NEVER).ping()
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(60)
        assert process.exitcode == 0 and r.get("n") == "4"
        assert servers.client("redis://there:6379/2").get("n") == b"4"

        async def main():
            a = redis.asyncio.from_url("redis://there:6379/2")
            assert await a.incr("n") == 5
            await a.aclose()
        asyncio.run(main())
        cluster = redis.RedisCluster("node", 7000)
        assert cluster.set("key", "v") and cluster.get("key") == b"v"
        cluster.close()
    with pytest.raises(redis.ConnectionError):
        redis.Redis(host="there", port=1, retry=NEVER).ping()


def test_a_decorated_generator_is_under_the_patch_until_it_ends():
    @patch
    async def later():
        r = redis.asyncio.Redis()
        await r.set("key", 1)
        yield await r.get("key")
        yield await r.get("key")

    async def main():
        return [item async for item in later()]
    assert asyncio.run(main()) == [b"1", b"1"]

    @patch()
    def now():
        r = redis.Redis()
        r.set("key", 1)
        yield r.get("key")
        return r.get("key")
    running = now()
    assert next(running) == b"1"
    with pytest.raises(StopIteration) as ended:
        next(running)
    assert ended.value.value == b"1"
