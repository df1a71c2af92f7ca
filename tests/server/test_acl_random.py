"""Random rules of users, beside a real Redis: how they are described, what DRYRUN says, and what really happens."""
import os
import random

import pytest

from kit.resp_client import RespClient

FIRST_SEED = int(os.environ.get("HUTCH_ACL_SEED", "0"))
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("HUTCH_ACL_SEEDS", "12")))       # more of them: the same for longer
COMMANDS = ["get", "set", "del", "mget", "config", "config|get", "config|set", "client", "client|id", "client|list", "select", "acl|whoami", "xinfo",
            "xinfo|stream", "sort", "publish", "subscribe", "eval", "ping", "object|encoding", "flushall", "debug", "GET", "Config|Get"]
CATEGORIES = ["read", "write", "string", "fast", "slow", "admin", "dangerous", "keyspace", "pubsub", "connection", "scripting", "list", "READ", "blocking"]
NAMES = ["a", "a*", "app:*", "*", "a?", "[ab]*", "x", "", "a\\*", "ro:*", "*b", "a*b"]
WORDS = ["a", "app:1", "ro:1", "b", "ab", "a*", "x", "", "axb", "app:"]

TRIED = [
    "get {0}", "set {0} 1", "set {0} 1 get", "del {0} {1}", "mget {0} {1}", "mset {0} 1 {1} 2", "copy {0} {1}", "rename {0} {1}", "exists {0}",
    "type {0}", "sort {0}", "sort {0} by nosort", "sort {0} by w*", "sort {0} get #", "sort {0} store {1}", "sort_ro {0} get x*",
    "publish {0} x", "spublish {0} x", "eval return(1) 1 {0}", "eval return(1) 0", "config get maxmemory", "client id", "client getname",
    "select 0", "select 1", "ping", "acl whoami", "object encoding {0}", "zunionstore {0} 2 {1} {0}", "georadius {0} 0 0 1 km store {1}",
    "xread streams {0} 0", "bitfield {0} get u8 0", "bitfield {0} set u8 0 1", "lmpop 2 {0} {1} left", "getdel {0}", "getex {0}", "getset {0} 1",
    "incr {0}", "bitop and {0} {1}", "pfcount {0}", "expire {0} 100", "scan 0", "keys nothing", "command count", "multi", "discard", "exec",
    "lpush {0} 1", "smove {0} {1} m", "sinterstore {0} {1}", "xinfo stream {0}", "memory usage {0}", "touch {0} {1}", "dump {0}", "unwatch", "watch {0}",
]


def rule(random, inner=False):
    kind = random.randrange(16 if inner else 24)
    if kind < 4:
        return random.choice("+-") + random.choice(COMMANDS)
    if kind < 7:
        return random.choice("+-") + "@" + random.choice(CATEGORIES)
    if kind < 8:
        return random.choice(["+@all", "-@all", "allcommands", "nocommands", "+ALLCOMMANDS", "+@nope", "+nope", "+config|nope", "-get|x"])
    if kind < 9:
        return "+" + random.choice(["get", "select", "sort", "publish", "config|get"]) + "|" + random.choice(["a", "app:1", "0", "1", "A"])
    if kind < 12:
        return random.choice(["~", "%R~", "%W~", "%RW~", "%wr~", "%"]) + random.choice(NAMES)
    if kind < 13:
        return random.choice(["allkeys", "~*", "resetkeys"])
    if kind < 15:
        return "&" + random.choice(NAMES)
    if kind < 16:
        return random.choice(["allchannels", "&*", "resetchannels"])
    if kind < 18:
        return random.choice(["on", "off", "nopass", "resetpass", "sanitize-payload", "skip-sanitize-payload", "on", "nopass"])
    if kind < 20:
        return random.choice("><") + random.choice("pqr")
    if kind < 21:
        return random.choice(["reset", "clearselectors", "foo", "+", "-", "~", "&", "#12"])
    inside = " ".join(rule(random, True) for _ in range(random.randrange(5)))
    return f"({inside})"


@pytest.fixture
def pair(engine, oracle):
    sides = RespClient("127.0.0.1", engine.port), RespClient(oracle.host, oracle.port)
    for side in sides:
        side.execute("HELLO", "3")
        side.execute("FLUSHALL")
    yield sides
    sides[1].execute("ACL", "DELUSER", "u", "v")
    for side in sides:
        side.close()


def both(pair, *words):
    mine, its = (side.execute(*words) for side in pair)
    assert mine.raw == its.raw, words
    return mine


def tried(random):
    words = random.choice(TRIED).format(random.choice(WORDS), random.choice(WORDS)).split(" ")
    if random.random() < 0.05:
        words = words[:-1] or words
    return words


@pytest.mark.parametrize("seed", SEEDS)
def test_random_rules(pair, engine, oracle, seed):
    chance = random.Random(seed)
    users = RespClient("127.0.0.1", engine.port), RespClient(oracle.host, oracle.port)
    taken = 0
    for _ in range(60):
        rules = [word for _ in range(chance.randrange(1, 6)) for word in rule(chance).split(" ")]
        if chance.random() < 0.1:
            rules = rules[:-1]
        taken += both(pair, "ACL", "SETUSER", "u", *rules).raw == b"+OK\r\n"
        both(pair, "ACL", "LIST")
        both(pair, "ACL", "GETUSER", "u")
        for _ in range(15):
            both(pair, "ACL", "DRYRUN", "u", *tried(chance))
    assert taken > 15
    both(pair, "ACL", "SETUSER", "u", "on", "nopass", "+ping")
    both(users, "AUTH", "u", "x")
    for _ in range(30):
        both(pair, "ACL", "SETUSER", "u", *["reset", "on", "nopass"], *[word for _ in range(8) for word in valid(chance)])
        for _ in range(25):
            words = tried(chance)
            if words[0] not in ("scan", "multi", "command", "memory") and words != ["client", "id"]:
                both(users, *words)
        both(users, "DISCARD")
    for side in users:
        side.close()


def valid(chance):
    """A rule that will be taken."""
    kind = chance.randrange(8)
    if kind < 3:
        return ["+@" + chance.choice(["all", "read", "write", "string", "keyspace", "list"])]
    if kind < 4:
        return ["-" + chance.choice(COMMANDS)]
    if kind < 5:
        return ["+" + chance.choice(COMMANDS)]
    if kind < 6:
        return ["resetkeys", chance.choice(["~", "%R~", "%W~"]) + chance.choice(NAMES)]
    if kind < 7:
        return ["resetchannels", "&" + chance.choice(NAMES)]
    return [f"(+@{chance.choice(['read', 'write', 'all'])} {chance.choice(['~', '%R~', '%W~'])}{chance.choice(NAMES)})"]
