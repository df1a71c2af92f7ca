"""Every parameter that Redis shows, with values good and bad: the same acceptance, the same words, the same value read
back, from CONFIG SET and from a redis.conf. Where Hutch says no to what Redis takes, the parameter is listed here."""
import os
import random
import re
import subprocess

import pytest
from shims.config import Parameters, Refused

from kit.backends import TcpBackend
from kit.launch import serve
from kit.oracle import RedisServer

ROUNDS = int(os.environ.get("HUTCH_CONFIG_ROUNDS", "1"))
NOT_YET = "Hutch does not have this yet: only the default is accepted"
# What Hutch refuses though Redis takes it, and why.
REFUSED_HERE = {
    "cluster-enabled": "there is no cluster",
    "replicaof": "nor a master", "slaveof": "its other name",
    "activedefrag": "slabs need none",
    "locale-collate": "it is the host's",
    "list-compress-depth": "nodes of lists are not compressed",
    "watchdog-period": "nor a watchdog",
    "lua-enable-deprecated-api": "scripts have none of it",
}
# In Redis it is a module's: a file's value is looked at when that has been loaded.
OF_A_MODULE = {"vset-force-single-threaded-execution"}
# Not Redis 8.2's: of a later one, or of Hutch.
NOT_THERE = {"aof-load-corrupt-tail-max-size", "rdb-skip-unknown-types", "tls-auth-clients-user", "tls-handshake-timeout"}
# Asked for elsewhere: they would take this very connection away, or move the server.
# The Redis that is compared with knows the parameters of TLS, and dies where it is to begin with it.
OWN_TESTS = {"port", "bind", "requirepass", "tls-port", "tls-replication", "tls-cluster"}

VALUES = ["", " ", "0", "1", "-1", "2", "5", "10", "500", "512", "777", "800", "1024", "65535", "65536", "2147483647", "2147483648",
          "-2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
          "9223372036854775800", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
          "18446744073709551616", "99999999999999999999999999", "1 ", " 1", "+1", "01", "-0", "1.5", "1e3", "0x10", "1kb", "1KB",
          "3m", "2gb", "7b", "b", "kb", "8589934592gb", "1gbx", "1 kb", "10%", "100%", "101%", "-5%", "%", "yes", "no", "YES",
          "maybe", "default", "save", "nosave", "save nosave", "default save", "now  force", "force now save", "a", "A-b.c", "a b",
          "a/b", "a_b", "a#b", "a=b", "\xe9", "\"a", "{title}", "{nosuch}", "{title", "x {port}", "C", "xx_YY", "normal 1 2",
          "normal 1mb 2kb 3", "pubsub 1 2 3 replica 4 5 6", "slave 0 0 0", "normal 1 1 99999999999", "normal 1  1 1",
          "normal 18446744073709551615 0 0", "normal 1 1 -1", "foo 1 1 1", "50 99", "100.5", "99.12345678", "0 1 2", "0  1 2",
          "-3000 0 0", "1 2", "900 1", "900 1 ", "0 1", "KEA", "Kg$q", "AKEm", "no one", "127.0.0.1 6379", "everysec", "always",
          "local", "resetchannels", "allkeys-lfu", "verbose", "swapdb", "hostname"]


def values_for(name, generator):
    """The odd ones for everything, and a few that no list has."""
    for value in VALUES:
        yield value
    for _ in range(4 * ROUNDS):
        yield str(generator.choice([generator.randrange(-10, 3000), generator.getrandbits(generator.randrange(1, 70))])) + \
            generator.choice(["", "", "", "k", "mb", "%", " "])
        yield "".join(generator.choice("ab-._{}%0159 /") for _ in range(generator.randrange(1, 9)))


def endangers(name, value):
    """It would end the connection that asks, or make Redis ask for tens of gigabytes."""
    return name == "maxclients" and re.fullmatch(r"\d{6,}", value) or name == "maxmemory-clients" and not re.fullmatch(r"0?|\D.*|.*[^\d%bkmgBKMG].*|\d{8,}.*|\d+[mg]b?|10?[01]?%", value)


def names():
    return [name for name in Parameters().names() if name not in OWN_TESTS | NOT_THERE]


@pytest.fixture(scope="module")
def both(oracle_binary):
    options = ("--enable-protected-configs", "yes")
    with RedisServer(oracle_binary, *options) as real, serve("--bind", "127.0.0.1", "-::1", *options) as ours:
        yield TcpBackend("127.0.0.1", ours.port).open(), TcpBackend("127.0.0.1", real.port).open()


def asked(connection, *words):
    return connection.run([[word.encode("latin-1") for word in words]])[0]


def read(connection, name):
    return asked(connection, "CONFIG", "GET", name).raw


def test_config_set(both):
    ours, theirs = both
    generator = random.Random(22)
    different = []
    for name in names():
        before = asked(theirs, "CONFIG", "GET", name).value
        for value in values_for(name, generator):
            if endangers(name, value):
                continue
            mine, its = (asked(side, "CONFIG", "SET", name, value).raw for side in both)
            if mine != its:
                if name in REFUSED_HERE and its == b"+OK\r\n" and mine.startswith(b"-ERR CONFIG SET failed"):
                    asked(theirs, "CONFIG", "SET", name, before[1].decode())
                    continue
                different.append((name, value, mine, its))
            elif mine == b"+OK\r\n" and name != "dir" and read(ours, name) != read(theirs, name):
                different.append((name, value, read(ours, name), read(theirs, name)))
        for side in both:
            asked(side, "CONFIG", "SET", name, before[1].decode("latin-1"))
    assert different == []


# Of several kinds, with their other names; none of them moves the server.
TOGETHER = ["hz", "HZ", "maxmemory-samples", "hash-max-listpack-entries", "hash-max-ziplist-entries", "list-max-listpack-size", "timeout",
            "notify-keyspace-events", "client-output-buffer-limit", "maxmemory-policy", "lazyfree-lazy-expire", "save", "slave-priority", "replica-priority",
            "min-replicas-to-write", "min-slaves-max-lag", "proc-title-template", "latency-tracking-info-percentiles", "repl-backlog-size",
            "shutdown-on-sigint", "masterauth", "loglevel", "databases", "nosuch", "dbfilename", "lfu-decay-time", "tcp-keepalive"]


def test_several_at_once(both):
    """All or none, and the same word is blamed."""
    generator = random.Random(24)
    different = []
    kept = sorted({name.lower() for name in TOGETHER} - {"nosuch"})
    before = {name: asked(both[1], "CONFIG", "GET", name).value[1].decode() for name in kept}
    for _ in range(400 * ROUNDS):
        words = []
        for name in generator.choices(TOGETHER, k=generator.randrange(1, 5)):
            words += [name, generator.choice(VALUES if generator.random() < 0.5 else ["1", "5", "10", "yes", "no", "", "100"])]
        if generator.random() < 0.05:
            words.pop()
        if any(endangers(name, value) for name, value in zip(words[::2], words[1::2])):
            continue
        mine, its = (asked(side, "CONFIG", "SET", *words).raw for side in both)
        state = [asked(side, "CONFIG", "GET", *kept).value for side in both]
        mine_now, its_now = (dict(zip(pairs[::2], pairs[1::2])) for pairs in state)
        if mine != its or mine_now != its_now:
            different.append((words, mine, its, {name: (mine_now[name], its_now.get(name)) for name in mine_now if mine_now[name] != its_now.get(name)}))
            break
    for side in both:
        for name, value in before.items():
            asked(side, "CONFIG", "SET", name, value)
    assert different == []


def test_patterns(both):
    """What CONFIG GET shows for several patterns, and by which names."""
    generator = random.Random(25)
    everything = names()
    own = {b"dir", b"port", b"bind", b"unixsocket", b"pidfile", b"logfile"}
    shown = set(asked(both[0], "CONFIG", "GET", "*").value[::2])
    for _ in range(300 * ROUNDS):
        patterns = []
        for name in generator.choices(everything, k=generator.randrange(1, 4)):
            at = generator.randrange(len(name))
            patterns.append(generator.choice([name, name.upper(), name.title(), name[:at] + "*", "*" + name[at:], name[:at] + "?" + name[at + 1:],
                                              name[:at] + "[a-z]" + name[at + 1:], "\\" + name, name[:at] + "**", f"[^{name[0]}]" + name[1:], name + "\\"]))
        mine, its = (asked(side, "CONFIG", "GET", *patterns).value for side in both)
        mine, its = (sorted((name, value) for name, value in zip(pairs[::2], pairs[1::2]) if name.lower() in shown and name.lower() not in own)
                     for pairs in (mine, its))
        # Of the server's own: what it was started with.
        assert [pair for pair in mine if pair not in its] == [] and [pair for pair in its if pair not in mine] == [], patterns


def refused_by_redis(binary, directory, line):
    """What redis-server says of the line, or None. A line behind it is wrong, so that no server stays."""
    done = subprocess.run([str(binary), "-"], input=f"{line}\nport x\n".encode("latin-1"), capture_output=True, cwd=directory,
                          timeout=60)
    assert done.returncode == 1
    said = done.stderr.decode("latin-1").splitlines()
    at = next(number for number, text in enumerate(said) if text.startswith("Reading the configuration file, at line"))
    return None if said[at].endswith("line 2") else said[at + 2]


def refused_here(line):
    try:
        Parameters().line(line.encode("latin-1"))
    except Refused as refusal:
        return str(refusal)
    return None


ODD_LINES = ["save", "save \"\"", "client-output-buffer-limit", "latency-tracking-info-percentiles", "shutdown-on-sigint",
             "shutdown-on-sigint \"\"", "bind", "bind \"\"", "oom-score-adj-values", "replicaof no one", "slaveof \"no one\"",
             "replicaof no", "replicaof a b", "port", "port 1 2", "hz 5 6", "enable-module-command yes",
             "enable-module-command local", "use-exit-on-panic yes", "key-load-delay -5", "rdb-key-save-delay 7",
             "list-max-ziplist-entries 5", "io-threads-do-reads yes", "ignore-warnings a b", "notify-keyspace-events \"\"",
             "latency-tracking-info-percentiles 50 \" 1\"", "latency-tracking-info-percentiles \" 1 2\"",
             "client-output-buffer-limit \"normal 1 2 3\"", "client-output-buffer-limit normal 1 2 3 pubsub 4 5 6",
             "unixsocketperm \"\"", "unixsocketperm 8", "unixsocketperm 1000", "unixsocketperm \" 7\"", "unixsocketperm +7",
             "unixsocketperm -1", "cluster-announce-human-nodename a{b", "appendfilename \"\"", "appenddirname a/b"]


def lines():
    generator = random.Random(23)
    quotes = {name: VALUES for name in names()}
    for line in ODD_LINES:
        yield line
    for name, values in quotes.items():
        for value in generator.sample(values, 2 * ROUNDS):
            if "\"" not in value and name != "dir" and name not in OF_A_MODULE:
                yield f'{name} "{value}"'


def test_lines_of_a_file(oracle_binary, tmp_path):
    different = []
    for line in lines():
        its, mine = refused_by_redis(oracle_binary, tmp_path, line), refused_here(line)
        name = line.split(" ")[0]
        if its is None and mine is not None and name in REFUSED_HERE:
            continue
        if its != mine:
            different.append((line, mine, its))
    assert different == []


@pytest.mark.parametrize("name", sorted(set(REFUSED_HERE) - {"save", "locale-collate"}))
def test_what_is_refused_says_why(name):
    value = {"replicaof": "127.0.0.1 6379", "slaveof": "127.0.0.1 6379", "aclfile": "a"}.get(name)
    for attempt in ([value] if value else ["yes", "1"]):
        try:
            Parameters().set(name, attempt, 1)
        except Refused as refusal:
            if str(refusal).startswith(NOT_YET + " ("):
                return
    pytest.fail(f"{name} is taken")


def test_hidden_parameters_are_shown_by_name_only(both):
    for side in both:
        assert sorted(asked(side, "CONFIG", "GET", "*delay*").value[::2]) == \
            [b"repl-disable-tcp-nodelay", b"repl-diskless-sync-delay"]
        assert asked(side, "CONFIG", "GET", "key-load-delay").value == [b"key-load-delay", b"0"]
        assert asked(side, "CONFIG", "GET", "use-exit-on-panic").value == [b"use-exit-on-panic", b"no"]
