"""What a server by itself answers about replicas, modules and a cluster: ROLE, WAIT, MODULE, CLUSTER and their kin."""
import asyncio
import threading
import time

import pytest
import redis

import hutch
import hutch.asyncio
from kit.backends import EmbeddedConnection, TcpBackend
from kit.waiting import wait_until

SAME = """
ROLE x|LASTSAVE x|WAIT|WAIT 0 0|WAIT -5 10|WAIT 0 100|WAIT 1 -1|WAIT a 1|WAIT 1 a|WAIT 1 99999999999999999999
WAIT 1 9223372036854775807|WAIT 1 1|WAIT 9999999999 1|WAIT 1 1 1|WAITAOF|WAITAOF 0 0|WAITAOF 0 0 0|WAITAOF 0 1 1|WAITAOF 1 0 0|WAITAOF 1 1 1
WAITAOF 2 0 0|WAITAOF -1 0 0|WAITAOF a 0 0|WAITAOF 0 -1 0|WAITAOF 0 a 0|WAITAOF 0 0 -1|WAITAOF 0 0 a|WAITAOF 1 0 -1|WAITAOF 0 0 9223372036854775807
READONLY|READONLY x|READWRITE|READWRITE x|ASKING|ASKING x
MODULE|MODULE foo|MODULE LIST x|MODULE HELP|MODULE HELP x|MODULE LOAD|MODULE LOAD /nosuch|MODULE LOADEX /nosuch|MODULE LOADEX /nosuch CONFIG a b
MODULE UNLOAD|MODULE UNLOAD nosuch|MODULE UNLOAD nosuch x
CLUSTER|CLUSTER foo|CLUSTER HELP|CLUSTER INFO|CLUSTER INFO x|CLUSTER MYID|CLUSTER KEYSLOT|CLUSTER KEYSLOT a|CLUSTER NODES|CLUSTER SLOTS
CLUSTER SHARDS|CLUSTER LINKS|CLUSTER MYSHARDID|CLUSTER COUNTKEYSINSLOT 1|CLUSTER GETKEYSINSLOT 1 1|CLUSTER RESET|CLUSTER RESET HARD
CLUSTER ADDSLOTS 1|CLUSTER DELSLOTS 1|CLUSTER ADDSLOTSRANGE 1 2|CLUSTER DELSLOTSRANGE 1 2|CLUSTER FLUSHSLOTS|CLUSTER FORGET a|CLUSTER MEET a 1
CLUSTER MEET a|CLUSTER REPLICATE a|CLUSTER REPLICAS a|CLUSTER SLAVES a|CLUSTER FAILOVER|CLUSTER FAILOVER FORCE|CLUSTER BUMPEPOCH|CLUSTER SAVECONFIG
CLUSTER SET-CONFIG-EPOCH 1|CLUSTER SETSLOT 1 STABLE|CLUSTER SLOT-STATS|CLUSTER SLOT-STATS SLOTSRANGE 0 1|CLUSTER COUNT-FAILURE-REPORTS a
MULTI|WAIT 1 0|WAITAOF 0 1 0|WAITAOF 1 0 0|CLUSTER INFO|READONLY|READWRITE|ASKING|EXEC|MULTI|MODULE LOAD x|EXEC
EVAL return{redis.call('wait',1,0)} 0|EVAL return{redis.call('waitaof',0,1,0)} 0|EVAL return{redis.pcall('waitaof',1,0,0)} 0
EVAL return{redis.pcall('role')} 0|EVAL return{redis.pcall('cluster','info')} 0|EVAL return{redis.pcall('cluster','reset')} 0
EVAL return{redis.pcall('readonly')} 0|EVAL return{redis.pcall('asking')} 0|EVAL return{redis.pcall('module','list')} 0
COMMAND GETKEYS wait 1 1|COMMAND GETKEYS cluster keyslot a|COMMAND GETKEYS module load a
""".replace("\n", "|").strip("|").split("|")


def test_same_words(same_as_redis):
    same_as_redis(*SAME)


@pytest.mark.parametrize("protocol", "23")
def test_role(client, oracle, protocol):
    real = TcpBackend(oracle.host, oracle.port).open()
    mine, its = (side.run([["HELLO", protocol], ["MULTI"], ["ROLE"], ["EXEC"]])[3] for side in (client, real))
    real.close()
    assert mine.raw == b"*1\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
    its.value[0][1] = 0                  # it counts what WAIT would have told replicas
    assert mine.value == its.value


def test_json_is_told_of_as_a_module(client):
    """The oracle has another one built in."""
    assert client.run([["MODULE", "LIST"]])[0].value == [[b"name", b"ReJSON", b"ver", 20803, b"path", b"", b"args", []]]
    assert b"module:name=ReJSON,ver=20803,api=1," in client.run([["INFO", "modules"]])[0].value


def test_last_save_is_the_start(engine, client):
    when = client.run([["LASTSAVE"]])[0].value
    assert abs(when - time.time()) < 60
    info = client.run([["INFO", "persistence"]])[0].value
    assert b"rdb_last_save_time:%d\r\n" % when in info


@pytest.mark.parametrize("setting", ["yes", "local"])
def test_modules_where_they_are_allowed(engine, oracle_binary, setting):
    from kit.oracle import RedisServer
    engine.configure("enable-module-command", setting)
    with RedisServer(oracle_binary, "--enable-module-command", setting) as server:
        sides = [TcpBackend(host, port).open() for host, port in (("127.0.0.1", engine.port), (server.host, server.port))]
        for line in ("MODULE LOAD /nosuch", "MODULE LOADEX /nosuch", "MODULE LOADEX /nosuch CONFIG a b", "MODULE UNLOAD nosuch"):
            mine, its = (side.run([line.split()])[0].raw for side in sides)
            assert mine == its, line
        for side in sides:
            side.close()


# ---- waiting

def waiting(side) -> list[bytes]:
    """Ids of those that wait in WAIT or WAITAOF."""
    lines = side.run([["CLIENT", "LIST"]])[0].value.splitlines()
    return [line.split()[0][3:] for line in lines if b" flags=b " in line and b" cmd=wait" in line]


@pytest.mark.parametrize("argv, answer", [(("WAIT", "1", "0"), b":0\r\n"), (("WAITAOF", "0", "1", "0"), b"*2\r\n:0\r\n:0\r\n")])
@pytest.mark.parametrize("place", ["socket", "embedded"])
@pytest.mark.parametrize("end", ["TIMEOUT", "ERROR"])
def test_client_unblock(engine, client, argv, answer, place, end):
    waiter = TcpBackend("127.0.0.1", engine.port).open() if place == "socket" else EmbeddedConnection(engine.session())
    replies = []
    thread = threading.Thread(target=lambda: replies.append(waiter.run([argv])[0].raw))
    thread.start()
    wait_until(lambda: waiting(client))
    info = client.run([["INFO", "clients"]])[0].value
    assert b"blocked_clients:1\r\n" in info and b"total_blocking_keys:0\r\n" in info
    client.run([["SET", "1", "x"], ["RPUSH", "0", "x"]])           # the words are no keys
    assert client.run([["CLIENT", "UNBLOCK", waiting(client)[0], end]])[0].value == 1
    thread.join(20)
    assert replies == [answer if end == "TIMEOUT" else b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"]
    name = argv[0].lower().encode()
    stats = client.run([["INFO", "commandstats", "errorstats"]])[0].value
    assert b"cmdstat_%s:calls=1," % name in stats
    assert (b"errorstat_UNBLOCKED:count=1" in stats) == (end == "ERROR")
    waiter.close()


def test_the_time_out_is_the_engines(engine, client):
    """Milliseconds, of a clock that a test may hold."""
    engine.set_clock_ms(1_700_000_000_000)
    waiter = TcpBackend("127.0.0.1", engine.port).open()
    replies = []
    thread = threading.Thread(target=lambda: replies.extend(reply.raw for reply in waiter.run([["WAIT", "1", "5000"], ["PING"]])))
    thread.start()
    wait_until(lambda: waiting(client))
    assert b"clients_in_timeout_table:1\r\n" in client.run([["INFO", "clients"]])[0].value
    engine.advance_clock_ms(4999)
    assert waiting(client) and not replies
    engine.advance_clock_ms(2)
    thread.join(20)
    assert replies == [b":0\r\n", b"+PONG\r\n"]
    waiter.close()


def test_monitor_sees_it_once(engine, client):
    engine.set_clock_ms(1_700_000_000_000)
    watcher, waiter = (TcpBackend("127.0.0.1", engine.port).open() for _ in range(2))
    watcher.run([["MONITOR"]])
    waiter.socket.sendall(b"WAIT 1 10\r\n")
    wait_until(lambda: waiting(client))
    engine.advance_clock_ms(20)
    wait_until(lambda: not waiting(client))
    client.run([["ECHO", "the-end"]])
    seen = b""
    while b"the-end" not in seen:
        seen += watcher.socket.recv(4096)
    assert seen.count(b'"WAIT"') == 1
    watcher.close()
    waiter.close()


def test_threads_and_tasks():
    """redis-py's wait() inside the process: the time-out, and the end of the client."""
    with hutch.Redis() as r:
        assert r.wait(1, 10) == 0 and r.wait(0, 0) == 0
        assert r.execute_command("WAITAOF", 0, 1, 10) == [0, 0]
        with pytest.raises(redis.ResponseError, match="appendonly is disabled"):
            r.waitaof(1, 0, 0)
        with r.pipeline() as pipe:
            assert pipe.wait(1, 0).set("a", 1).execute() == [0, True]

        async def tasks():
            async with hutch.asyncio.Redis(store=r) as client:
                started = [asyncio.create_task(client.wait(1, 0)) for _ in range(3)]
                while r.info("clients")["blocked_clients"] < 3:
                    await asyncio.sleep(0.001)
                started[0].cancel()
                blocked = [row["id"] for row in r.client_list() if row["cmd"] == "wait"]
                assert await client.wait(1, 5) == 0
                while r.info("clients")["blocked_clients"] > 2:
                    await asyncio.sleep(0.001)
                for number in blocked:
                    r.client_unblock(number)
                return await asyncio.gather(*started, return_exceptions=True)

        cancelled, *others = asyncio.run(tasks())
        assert isinstance(cancelled, asyncio.CancelledError) and others == [0, 0]


def test_redis_py_asks(engine):
    """The client's own methods, over TCP and in the process."""
    with redis.Redis(port=engine.port) as over, hutch.Redis() as within:
        for r in (over, within):
            assert r.role() == [b"master", 0, []]
            assert r.lastsave().year >= 2024
            assert [module[b"name"] for module in r.module_list()] == [b"ReJSON"]
            for call in (r.readonly, r.readwrite, lambda: r.execute_command("CLUSTER", "INFO"), lambda: r.execute_command("ASKING")):
                with pytest.raises(redis.ResponseError, match="cluster support disabled"):
                    call()
