"""CONFIG over a socket, compared with Redis where the words are Redis's."""
import pytest
import redis

from kit.backends import TcpBackend
from kit.launch import serve
from kit.oracle import RedisServer
from kit.waiting import wait_until

REFUSED = [
    "CONFIG SET nosuch 1", "CONFIG SET maxmemory abc", "CONFIG SET maxmemory -1", "CONFIG SET maxclients 0",
    "CONFIG SET maxmemory-policy foo", "CONFIG SET hz abc", "CONFIG SET loglevel foo",
    "CONFIG SET notify-keyspace-events q", "CONFIG SET client-output-buffer-limit foo",
    "CONFIG SET client-query-buffer-limit 1", "CONFIG SET databases 3", "CONFIG SET dir /nonexistent",
    "CONFIG SET dbfilename a/b", "CONFIG SET port 99999", "CONFIG SET timeout -1", "CONFIG SET maxmemory-samples 0",
    "CONFIG SET slowlog-log-slower-than -2", "CONFIG SET maxmemory-clients 200%", "CONFIG SET hz 11 hz 12",
    "CONFIG SET hz 11 port", "CONFIG SET hz 11 nosuch 1", "CONFIG SET hz 11 databases 3", "CONFIG SET hz",
    "CONFIG GET", "CONFIG GET nosuch", "CONFIG", "CONFIG foo", "CONFIG REWRITE", "CONFIG REWRITE x", "CONFIG RESETSTAT x",
    "CONFIG HELP", "CONFIG GET hz", "CONFIG GET HZ", "CONFIG GET maxmemory\rsamples", "CONFIG SET maxmemory-policy allkeys\rlru",
    "CONFIG GET \\hz", "CONFIG SET hz 11 HZ\r 12", "CONFIG GET key\x7fload-delay",
]
CHANGED = [
    "CONFIG SET maxmemory 100mb", "CONFIG GET maxmemory", "CONFIG SET maxmemory 0",
    "CONFIG SET hash-max-ziplist-entries 5 hash-max-listpack-entries 6", "CONFIG GET hash-max-ziplist-entries",
    "CONFIG SET hash-max-listpack-entries 512", "CONFIG SET notify-keyspace-events KEAmn",
    "CONFIG GET notify-keyspace-events", ["CONFIG", "SET", "notify-keyspace-events", ""],
    "CONFIG SET slowlog-max-len 5 maxmemory-samples 7", "CONFIG GET slowlog-max-len", "CONFIG GET maxmemory-samples",
    "CONFIG SET slowlog-max-len 128 maxmemory-samples 5", "CONFIG RESETSTAT",
    # all or nothing
    "CONFIG SET maxmemory-samples 9 hz x", "CONFIG GET maxmemory-samples",
]


def test_errors_are_redis_own(same_as_redis):
    same_as_redis(*REFUSED)


def test_changes(same_as_redis):
    same_as_redis(*CHANGED)


def test_every_parameter_that_redis_shows_has_its_default(client, oracle):
    """Only what a test server sets for itself differs."""
    real = TcpBackend(oracle.host, oracle.port).open()
    ask = ["CONFIG", "GET", "*"]
    ours, theirs = (dict(zip(words[::2], words[1::2])) for words in
                    (client.run([ask])[0].value, real.run([ask])[0].value))
    assert set(ours) == set(theirs)
    own = {b"port", b"dir", b"bind", b"enable-debug-command", b"logfile", b"save", b"unixsocket", b"hz",
           b"daemonize", b"loglevel"}
    # (a listener's start raises or lowers maxclients on neither side here)
    assert {name: (ours[name], theirs[name]) for name in ours if name not in own and ours[name] != theirs[name]} == {}


def test_resetstat_of_what_was_saved_and_refused(oracle_binary, tmp_path):
    """Saves and rewrites are counted anew, refused passwords are not."""
    found = []
    for server in (RedisServer(oracle_binary, "--appendonly", "yes", "--appendfsync", "no"),
                   serve("--save", "", "--appendonly", "yes", "--dir", tmp_path)):
        with server:
            client = redis.Redis(port=server.port, decode_responses=True)
            client.set("a", "b")
            client.save()
            client.bgrewriteaof()
            wait_until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0 and client.info("persistence")["aof_rewrites"])
            with pytest.raises(redis.AuthenticationError):
                client.execute_command("AUTH", "x", "y")
            names = ("rdb_saves", "aof_rewrites", "acl_access_denied_auth", "total_error_replies", "rdb_last_bgsave_status")
            before = client.info()
            client.config_resetstat()
            after = client.info()
            found.append([(name, before[name] > 0 if isinstance(before[name], int) else before[name], after[name]) for name in names
                          if name != "acl_access_denied_auth"] + [after["acl_access_denied_auth"] == before["acl_access_denied_auth"] > 0])
    assert found[0] == found[1]


def test_rewrite(engine, tmp_path):
    session = engine.session(error_factory=RuntimeError)
    with pytest.raises(RuntimeError, match="without a config file"):
        session.execute(["CONFIG", "REWRITE"])


def test_password(engine, client):
    assert client.run([["CONFIG", "SET", "requirepass", "secret"]])[0].raw == b"+OK\r\n"
    # whoever is in stays in; the next one is asked
    assert client.run([["PING"]])[0].raw == b"+PONG\r\n"
    other = TcpBackend("127.0.0.1", engine.port).open()
    assert other.run([["PING"]])[0].raw.startswith(b"-NOAUTH")
    assert other.run([["HELLO", "3"]])[0].raw.startswith(b"-NOAUTH HELLO must be called")
    assert other.run([["AUTH", "wrong"]])[0].raw.startswith(b"-WRONGPASS")
    assert other.run([["AUTH", "secret"]])[0].raw == b"+OK\r\n"
    assert other.run([["PING"]])[0].raw == b"+PONG\r\n"
    other.close()
