"""ACL beside a real Redis: replies to the byte, what users may and may not do, what becomes of their sessions, the log."""
import re
import time

import pytest

from kit.backends import TcpBackend
from kit.resp_client import Closed, RespClient

HASH = "a" * 64

SAME = [
    "ACL", "ACL FOO", "ACL GETUSER none", "ACL LOG x", "ACL LOG 0", "ACL LOG -1", "ACL LOG 1 2", "ACL GENPASS 0", "ACL GENPASS x",
    "ACL GENPASS 4097", "ACL GENPASS 1 2", "ACL CAT", "ACL CAT x", "ACL CAT all", "ACL CAT a b", "ACL SAVE", "ACL LOAD",
    "ACL HELP",
    ["ACL", "SETUSER", "a b"], ["ACL", "SETUSER", "a\0b"], ["ACL", "SETUSER", "a\nb"], "ACL SETUSER x (+get",
    "ACL SETUSER x (+nope)", "ACL SETUSER x (+get ~a* +nope)", "ACL SETUSER x +nope", "ACL SETUSER x +config|get|x",
    "ACL SETUSER x +get|", "ACL SETUSER x +config|", "ACL SETUSER x +config|nope", "ACL SETUSER x -config|nope",
    "ACL SETUSER x -get|x",
    "ACL SETUSER x |", "ACL SETUSER x +|", "ACL SETUSER x +|get", "ACL SETUSER x #12", f"ACL SETUSER x !{HASH}",
    f"ACL SETUSER x #{HASH.upper()}",
    "ACL SETUSER x <p", "ACL SETUSER x ~* ~a", "ACL SETUSER x &* &a", "ACL SETUSER x %~a", "ACL SETUSER x %RR~a",
    "ACL SETUSER x %R",
    "ACL SETUSER x %a", ["ACL", "SETUSER", "x", "~a b"], ["ACL", "SETUSER", "x", "&a\nb"], "ACL SETUSER x foo",
    "ACL SETUSER x + -",
    "ACL SETUSER x -@foo", "ACL SETUSER x @read", "ACL SETUSER x (on)", "ACL SETUSER x (", ["ACL", "SETUSER", "x", ""],
    "ACL LIST", "ACL USERS", "ACL SETUSER x reset", "ACL LIST", "ACL SETUSER y ()", "ACL LIST", "ACL SETUSER y clearselectors",
    "ACL SETUSER x +SELECT|Ab +select|aB", "ACL GETUSER x", "ACL SETUSER z %RW~a %R~b %W~b %w~c", "ACL GETUSER z",
    "ACL SETUSER z allkeys allchannels allcommands nopass on skip-sanitize-payload", "ACL GETUSER z",
    "ACL SETUSER z >p >p #" + HASH,
    "ACL GETUSER z", "ACL SETUSER z <p !" + HASH, "ACL GETUSER z", "ACL USERS", "ACL DELUSER x y z x nope", "ACL DELUSER",
    "ACL DELUSER default", "ACL SETUSER x", "ACL DELUSER x default", "ACL USERS", "ACL WHOAMI",
    ["ACL", "SETUSER", "x", '(~"a b" +get)'], ["ACL", "SETUSER", "x", '(~"a)'], "ACL GETUSER x", "ACL DELUSER x",
    "ACL DRYRUN nobody get", "ACL DRYRUN default nope", "ACL DRYRUN default get", "ACL DRYRUN default acl",
    "ACL DRYRUN default acl foo",
    "ACL DRYRUN default get k", "ACL DRYRUN", "AUTH nobody x", "AUTH a b c", "AUTH p", "HELLO 3 AUTH nobody x",
    "CLIENT KILL USER nobody",
]

# +config +config|get and the like: what an earlier rule said, and a later one says again.
COMPACTION = [
    "+config +config|get", "+config|get +config", "+config|get -config|set -config", "+config|get +config|set -config|get",
    "-get +get -get",
    "+@read -get +@read", "+@read +@write -@read", "+get +set +@all -get", "-@all +@admin -@dangerous +config|get", "+@all -@all",
    "+select|1 +select|2 +select", "+select|1 -select", "+get|a +get|b -@string", "+@STRING +Get -SET",
    "+client|id -client +client|list",
    "+@read +@read", "nocommands +get allcommands", "+xinfo -xinfo|stream +xinfo|help", "-xinfo|stream -xinfo +xinfo|stream +get",
]


def users_gone(*connections):
    for connection in connections:
        names = [name.decode() for name in connection.run([["ACL", "USERS"]])[0].value if name != b"default"]
        if names:
            connection.run([["ACL", "DELUSER", *names]])


@pytest.fixture
def real(oracle):
    connection = TcpBackend(oracle.host, oracle.port).open()
    yield connection
    users_gone(connection)
    connection.run([["CONFIG", "SET", "requirepass", ""], ["ACL", "LOG", "RESET"], ["CONFIG", "RESETSTAT"], ["FLUSHALL"]])
    connection.close()


class Two:
    """The same to both servers; what they answer must be the same bytes."""

    def __init__(self, ours, theirs):
        self.sides = (ours, theirs)

    def run(self, *commands):
        """Values of the last command's replies."""
        for command in commands:
            words = command.split(" ") if isinstance(command, str) else command
            mine, its = (side.execute(*words) for side in self.sides)
            assert mine.raw == its.raw, command
        return mine.value

    def send(self, command):
        from kit.resp_client import pack
        for side in self.sides:
            side.send_raw(pack(command.split(" ")))

    def read(self):
        mine, its = (side.read() for side in self.sides)
        assert mine.raw == its.raw
        return mine.value

    def is_closed(self):
        found = [side.read_until_closed(2) for side in self.sides]
        assert found[0] == found[1]
        return found[0][1]

    def close(self):
        for side in self.sides:
            side.close()


@pytest.fixture
def two(engine, oracle, real):
    """Makes connections to both."""
    made = []

    def make(*commands):
        pair = Two(RespClient("127.0.0.1", engine.port), RespClient(oracle.host, oracle.port))
        made.append(pair)
        pair.run(*commands) if commands else None
        return pair

    yield make
    for pair in made:
        pair.close()


def test_same_words(same_as_redis):
    same_as_redis(*SAME)


@pytest.mark.parametrize("rules", COMPACTION)
def test_rules_are_compacted_as_redis_does(two, rules):
    owner = two()
    owner.run(f"ACL SETUSER u {rules}", "ACL LIST", "ACL GETUSER u")
    for rule in rules.split(" "):
        owner.run(f"ACL SETUSER v {rule}", "ACL LIST")


def test_categories_hold_the_same_commands(client, real):
    known = set.intersection(*(set(side.run([["COMMAND", "LIST"]])[0].value) for side in (client, real)))
    for name in client.run([["ACL", "CAT"]])[0].value:
        ours, theirs = (set(side.run([["ACL", "CAT", name]])[0].value) for side in (client, real))
        assert ours & known == theirs & known


def test_a_password_is_made_of_as_many_digits_as_asked_for(client):
    for bits in (None, 1, 4, 5, 256, 257, 4096):
        password = client.run([["ACL", "GENPASS"] + ([str(bits)] if bits else [])])[0].value
        assert len(password) == ((bits or 256) + 3) // 4 and set(password) <= set(b"0123456789abcdef")
    assert len({client.run([["ACL", "GENPASS"]])[0].value for _ in range(50)}) == 50


# ---- who may do what

def test_what_a_user_may_do(two):
    two("ACL SETUSER u on >p ~app:* %R~ro:* %W~wo:* &news:* +@all -flushall -config +config|get -@admin +select|0")
    user = two("AUTH u p", "ACL WHOAMI")
    user.run(
        "SET app:1 x", "GET app:1", "GET other", "SET ro:1 x", "GET ro:1", "SET wo:1 x", "GET wo:1", "EXISTS wo:1",
        "TYPE ro:1", "GETSET wo:1 y",
        "SET wo:1 y GET", "SET wo:1 y", "APPEND wo:1 y", "MGET app:1 ro:1", "MGET app:1 wo:1", "MSET app:1 1 wo:2 2",
        "MSET app:1 1 ro:2 2",
        "COPY ro:1 wo:1", "COPY wo:1 ro:1", "RENAME app:1 wo:5", "RENAME app:1 ro:5", "SORT app:l BY x* GET y*",
        "SORT app:l BY nosort",
        "SORT app:l STORE wo:l", "SORT app:l STORE other", "SORT app:l GET #", "BITOP AND wo:b app:a ro:a",
        "BITOP AND ro:b app:a app:a",
        "SUNIONSTORE wo:s app:s ro:s", "SUNIONSTORE wo:s app:s wo:t", "ZUNIONSTORE wo:z 2 app:z ro:z",
        "ZUNIONSTORE wo:z 2 app:z nope",
        "ZUNIONSTORE wo:z 0 app:z", "ZUNIONSTORE nope 0 app:z", "ZUNION 3 app:z", "LMPOP 1 ro:l LEFT",
        "LMPOP 9999999999 app:l LEFT",
        "LMPOP 1 app:l LEFT", "GEORADIUS app:g 0 0 1 km STORE ro:g", "GEORADIUS app:g 0 0 1 km STORE wo:g",
        "GEORADIUS app:g 0 0 1 km STORE wo:g STOREDIST nope", "GEORADIUSBYMEMBER app:g m 1 km STOREDIST nope",
        "XREAD COUNT 1 STREAMS app:x 0",
        "XREAD COUNT 1 STREAMS app:x wo:x 0 0", "EVAL return 1 0", "EVAL return 1 1 app:1", "EVAL return 1 1 ro:1",
        "EVAL_RO return 1 1 ro:1",
        "EVAL_RO return 1 1 wo:1", "PUBLISH news:1 x", "PUBLISH other x", "SPUBLISH other x", "SUBSCRIBE other",
        "SUBSCRIBE news:1 other",
        "PSUBSCRIBE news:*", "PSUBSCRIBE news:1", "PSUBSCRIBE *", "UNSUBSCRIBE", "CONFIG GET maxmemory-samples",
        "CONFIG SET maxmemory-samples 5",
        "FLUSHALL", "SELECT 0", "SELECT 1", "ACL LIST", "ACL WHOAMI", "DEBUG JMAP", "NOPE", "GET", "OBJECT ENCODING wo:1",
        "OBJECT ENCODING nope",
        "MEMORY USAGE app:1", "MEMORY USAGE nope", "TOUCH nope", "PFCOUNT app:h", "PFCOUNT ro:h", "BITFIELD ro:1 GET u8 0",
        "BITFIELD ro:1 SET u8 0 1", "SET ro:1 x GET", "GETDEL ro:1", "GETEX ro:1", "GETEX ro:1 EX 10", "EXPIRE ro:1 10",
        "PERSIST wo:1", "TTL wo:1")


def test_without_rights_and_before_a_password(two):
    """Every command that both know: the same refusal, and nothing else."""
    owner = two("CONFIG SET requirepass secret", "AUTH secret", "ACL SETUSER nobody on nopass")
    ours, theirs = ({entry[0]: entry for entry in side.execute("COMMAND").value} for side in owner.sides)
    newcomer, nobody = two(), two("AUTH nobody x")
    for name in sorted(set(ours) & set(theirs)):
        entries = [ours[name], *(sub for sub in ours[name][9] if sub[0] in {other[0] for other in theirs[name][9]})]
        for entry in entries:
            words = [word.decode() for word in entry[0].split(b"|")]
            words += ["1"] * (abs(entry[1]) - len(words))
            if words[0] in ("quit", "reset", "hello", "auth", "shutdown", "sync", "psync", "replconf"):
                continue
            newcomer.run(words)
            nobody.run(words)


def test_commands_that_redis_has_not_are_no_way_in_either(engine, client):
    """Every command there is, JSON's and the newest included: before a password, and for a user without rights."""
    commands = [entry for top in client.execute("COMMAND").value for entry in (top, *top[9])]
    names = {entry[0] for entry in commands}
    assert {b"json.set", b"json.get", b"json.debug", b"hgetex", b"xdelex", b"config|set"} <= names and len(names) > 350
    client.execute("ACL", "SETUSER", "nobody", "on", "nopass")
    client.execute("CONFIG", "SET", "requirepass", "secret")
    try:
        newcomer, nobody = (RespClient("127.0.0.1", engine.port) for _ in range(2))
        nobody.execute("AUTH", "nobody", "x")
        for entry in commands:
            words = [word.decode() for word in entry[0].split(b"|")]
            words += ["1"] * (abs(entry[1]) - len(words))
            if any(flag.text == b"no_auth" for flag in entry[2]) or words[0] == "module":     # that is refused to everybody, as in Redis
                continue
            if entry[9] and words[0] != "command":        # of its subcommands one has to be named
                continue
            begins = b"-EXECABORT Transaction discarded because of: " if words == ["exec"] else b"-"
            assert newcomer.execute(*words).raw == begins + b"NOAUTH Authentication required.\r\n", words
            assert nobody.execute(*words).raw.startswith(begins + b"NOPERM User nobody has no permissions to run the '%s' command" % entry[0]), words
        for side in (newcomer, nobody):
            side.close()
    finally:
        client.execute("CONFIG", "SET", "requirepass", "")
        client.execute("ACL", "DELUSER", "nobody")


def test_selectors_are_tried_in_turn(two):
    two("ACL SETUSER u on nopass (+get ~a*) (+set ~b*) +getdel ~c*")
    two("AUTH u x").run("GET a", "GET b", "SET b 1", "SET a 1", "SET c 1", "GETDEL c", "GETDEL a", "MGET a", "PING")


def test_the_default_user_switched_off(two):
    owner = two()
    owner.run("ACL SETUSER u on >p +@all ~* &*")
    other = two("AUTH u p")
    other.run("ACL SETUSER default off", "PING")
    owner.run("PING")
    newcomer = two()
    newcomer.run("PING", "AUTH x", "AUTH default x", "HELLO 3", "HELLO 3 AUTH u wrong", "AUTH u p", "PING", "RESET", "PING",
        "AUTH u p", "ACL SETUSER default on")
    two("PING")


def test_requirepass_is_the_default_users_password(two):
    owner = two("CONFIG SET requirepass one", "ACL LIST", "CONFIG GET requirepass", "CONFIG SET requirepass two", "ACL LIST")
    newcomer = two()
    newcomer.run("GET a", "AUTH one", "AUTH default two", "GET a")
    owner.run("CONFIG SET requirepass", ["CONFIG", "SET", "requirepass", ""], "ACL LIST")
    two().run("GET a", "AUTH x", "AUTH default x")


def test_rights_that_are_lost_at_once(two):
    owner = two("ACL SETUSER u on nopass +@all ~*")
    user = two("AUTH u x", "SET a 1")
    owner.run("ACL SETUSER u -set")
    user.run("SET a 2", "GET a")
    owner.run("ACL SETUSER u resetkeys ~b*")
    user.run("GET a", "GET b")
    owner.run("ACL SETUSER u off")
    user.run("GET b")
    two().run("AUTH u x")


# ---- transactions, scripts, waiting

def test_rights_in_a_transaction(two):
    owner = two("ACL SETUSER u on nopass +@all -flushall ~a* &c*")
    user = two("AUTH u x", "MULTI")
    user.run("SET a1 1", "SET b1 1", "EXEC", "MULTI", "FLUSHALL", "EXEC", "MULTI", "PUBLISH d x", "EXEC", "MULTI", "SET a1 1",
        "SET a2 1", "PUBLISH c x", "GET a1")
    owner.run("ACL SETUSER u -get resetkeys ~a1 resetchannels")
    user.run("EXEC", "MULTI", "PING")
    owner.run("ACL SETUSER u -exec")
    user.run("EXEC", "DISCARD")


def test_rights_in_scripts(two):
    owner = two("ACL SETUSER u on nopass +@all -set +get ~a*")
    library = "#!lua name=l\nredis.register_function('f', function(k, a) return redis.call(unpack(a)) end)"
    owner.run(["FUNCTION", "LOAD", "REPLACE", library])
    user = two("AUTH u x")
    for call in ("call", "pcall"):
        user.run(["EVAL", f"return redis.{call}('set', 'a1', '1')", "0"], ["EVAL", f"return redis.{call}('get', 'b1')", "0"],
                 ["EVAL", f"return redis.{call}('get', 'a1')", "0"], ["EVAL", f"return redis.{call}('publish', 'c', 'x')", "0"])
    user.run("FCALL f 0 set a 1", "FCALL f 0 get b", "FCALL f 0 get a",
             ["EVAL", "return {tostring(redis.acl_check_cmd('get', 'a1')), tostring(redis.acl_check_cmd('get', 'b1')), "
                      "tostring(redis.acl_check_cmd('set', 'a1', 'x'))}", "0"], ["EVAL", "return redis.acl_check_cmd('nope')",
                      "0"])
    owner.run(["EVAL", "return redis.call('set', 'a1', '1')", "0"], "FUNCTION DELETE l")


def test_rights_that_are_lost_while_waiting(two):
    owner = two("ACL SETUSER u on nopass +@all ~*")
    user = two("AUTH u x")
    user.send("BLPOP a b 0")
    time.sleep(0.2)
    owner.run("ACL SETUSER u resetkeys ~b", "RPUSH a 1", "LLEN a")
    assert b"NOPERM" in user.read().text
    user.run("PING")


def test_who_is_deleted_is_gone(two):
    owner = two("ACL SETUSER u on nopass +@all ~* &*", "ACL SETUSER v on nopass +@all ~* &*")
    idle, waiting, listening, other = two("AUTH u x"), two("AUTH u x"), two("AUTH u x"), two("AUTH v x")
    waiting.send("BLPOP a 0")
    listening.run("SUBSCRIBE c")
    time.sleep(0.2)
    owner.run("ACL DELUSER u")
    assert idle.is_closed() and waiting.is_closed() and listening.is_closed()
    other.run("PING")
    other.send("ACL DELUSER v")
    assert other.read() == 1
    assert other.is_closed()


def test_who_listens_too_far_is_cut_off(two):
    owner = two("ACL SETUSER u on nopass +@all &a* &b")
    one, both, pattern, shard = (two("AUTH u x") for _ in range(4))
    one.run("SUBSCRIBE a1")
    both.run("SUBSCRIBE b")
    pattern.run("PSUBSCRIBE a*")
    shard.run("SSUBSCRIBE b")
    owner.run("ACL SETUSER u &c*", "PUBLISH a1 x")
    one.read(), pattern.read()
    owner.run("ACL SETUSER u resetchannels &a1")
    assert both.is_closed() and pattern.is_closed() and shard.is_closed()
    owner.run("PUBLISH a1 y")
    assert one.read() is not None


def test_client_list_and_kill_by_user(two):
    owner = two("ACL SETUSER u on nopass +@all")
    user = two("AUTH u x")
    for side in user.sides:
        assert b" user=u " in side.execute("CLIENT", "INFO").value
    owner.run("CLIENT KILL USER u")
    assert user.is_closed()
    owner.run("CLIENT KILL USER u", "CLIENT KILL USER nope")


# ---- the log and what is counted

def log_of(side):
    """Without what may differ: where a client came from, and when."""
    entries = []
    for entry in side.execute("ACL", "LOG").value:
        fields = {entry[i]: entry[i + 1] for i in range(0, len(entry), 2)}
        client = dict(field.split(b"=", 1) for field in fields[b"client-info"].split())
        assert fields[b"timestamp-created"] <= fields[b"timestamp-last-updated"]
        entries.append((list(fields), fields[b"count"], fields[b"reason"], fields[b"context"], fields[b"object"], fields[b"username"],
                        client[b"user"], client[b"cmd"]))
    return entries


def test_the_log(two):
    owner = two("CONFIG RESETSTAT", "ACL LOG RESET", "ACL SETUSER u on >p +@all -flushall ~a* &c")
    before = [figures_of(side) for side in owner.sides]
    user = two("AUTH u p")
    user.run("GET b", "GET b", "FLUSHALL", "PUBLISH d x", "AUTH u wrong", "AUTH nobody wrong", "MULTI", "GET b", "FLUSHALL",
        "DISCARD",
             ["EVAL", "return redis.pcall('get', 'b')", "0"], ["EVAL", "return redis.pcall('flushall')",
             "0"], "HELLO 2 AUTH u wrong", "GET b", "MGET a b c")
    ours, theirs = (log_of(side) for side in owner.sides)
    assert ours == theirs and len(ours) > 8
    owner.run("ACL LOG RESET", "ACL LOG")
    for side in owner.sides:
        side.execute("CONFIG", "SET", "acllog-max-len", "2")
    user.run("GET b1", "GET b2", "GET b3", "GET b4")
    ours, theirs = (log_of(side) for side in owner.sides)
    assert ours == theirs and len(ours) == 2
    for side in owner.sides:
        side.execute("CONFIG", "SET", "acllog-max-len", "128")
    after = [figures_of(side) for side in owner.sides]
    counted = [{name: int(value) - int(was[name]) if name.startswith("acl_access") else value for name, value in now.items()}
               for was, now in zip(before, after)]
    assert counted[0] == counted[1] and counted[0]["acl_access_denied_auth"] == 3


def figures_of(side):
    """Of INFO. The counters of what was denied begin with the server."""
    figures = {}
    for line in side.execute("INFO", "everything").value.decode().splitlines():
        if line.startswith(("acl_access", "errorstat", "cmdstat_get", "cmdstat_flushall", "cmdstat_publish", "cmdstat_auth")):
            name, _, value = line.partition(":")
            figures[name] = re.sub("usec=.*,rejected", "rejected", value)
    return figures


def test_lines_do_not_break_in_errors(client):
    hostile = "a\r\n+OK\r\n"
    for command in (["ACL", "SETUSER", "x", hostile], ["ACL", "SETUSER", "x", "(" + hostile], ["ACL", "CAT", hostile], ["ACL",
        "DRYRUN", hostile, "get"],
                    ["ACL", "DRYRUN", "default", hostile], ["CLIENT", "KILL", "USER", hostile], ["AUTH", hostile, "x"]):
        reply = client.run([command])[0]
        assert reply.raw.startswith(b"-") and reply.raw.count(b"\n") == 1 and reply.raw.count(b"\r") == 1
    assert client.run([["PING"]])[0].raw == b"+PONG\r\n"


def test_first_words_do_not_break_lines(client):
    """Redis 8.2 takes such a rule, and dies when it lists it."""
    for word in ("get|a b", "get|a\nuser eve on nopass +@all", "select|\t"):
        assert client.run([["ACL", "SETUSER", "x", "+" + word]])[0].raw.endswith(b": Syntax error\r\n")
    assert b"eve" not in b"".join(client.run([["ACL", "LIST"]])[0].value)


# ---- keys that are checked are those that are used

@pytest.mark.parametrize("command", [
    "XREADGROUP COUNT 1 GROUP g streams STREAMS victim >", "XREADGROUP COUNT 1 GROUP streams c STREAMS victim >",
    "XREADGROUP NOACK GROUP g streams STREAMS victim 0", "XREADGROUP GROUP streams streams STREAMS victim >",
    "SORT ok1 STORE by STORE victim", "SORT ok1 STORE ok2 STORE victim", "SORT ok1 LIMIT 0 1 STORE get STORE victim",
    "GEORADIUS ok1 0 0 1 km STORE ok2 STOREDIST ok3 STORE victim",
    "GEORADIUSBYMEMBER ok1 m 1 km STOREDIST ok2 STORE ok3 STOREDIST victim",
    "GEORADIUS ok1 0 0 1 km STORE store STORE victim", "BITFIELD victim GET u8 0", "ZUNIONSTORE victim 1 ok1",
    "ZUNIONSTORE ok1 2 ok2 victim",
    "COPY ok1 victim", "LMOVE ok1 victim LEFT LEFT", "BLMPOP 0 2 ok1 victim LEFT", "SINTERCARD 2 ok1 victim",
    "MSET ok1 1 victim 1",
    "XREAD STREAMS ok1 victim 0 0", "EVAL x 2 ok1 victim", "SMOVE ok1 victim m", "PFMERGE ok1 victim",
    "GEOSEARCHSTORE ok1 victim FROMLONLAT 0 0 BYRADIUS 1 km",
])
def test_no_key_is_used_that_was_not_checked(client, command):
    owner_made = [["XGROUP", "CREATE", "victim", group, "$", "MKSTREAM"] for group in ("g", "streams")]
    client.run([*owner_made, ["ACL", "SETUSER", "u", "on", "nopass", "+@all", "~ok*", "~STREAMS", "~streams", "~by", "~get",
        "~store", "~c", "~g", "~m"], ["AUTH", "u", "x"]])
    assert client.run([command.split(" ")])[0].raw == b"-NOPERM No permissions to access a key\r\n"


def test_broadcasts_tell_no_names_of_keys_that_are_none_of_ones_business(engine, client):
    client.run([["ACL", "SETUSER", "u", "on", "nopass", "+@all", "~mine:*", "%W~yours"]])
    with RespClient("127.0.0.1", engine.port) as user:
        user.execute("HELLO", "3", "AUTH", "u", "x")
        user.execute("CLIENT", "TRACKING", "ON", "BCAST")
        client.run([["MSET", "mine:1", "1", "secret", "1", "yours", "1"], ["SET", "secret2", "1"], ["SET", "mine:2", "1"]])
        told = b""
        while b"mine:2" not in told or b"yours" not in told:
            told += user.read().raw
        assert b"secret" not in told and b"mine:1" in told
        client.run([["SET", "secret3", "1"], ["SET", "mine:3", "1"]])
        assert b"secret" not in user.read().raw and user.is_quiet()


def test_monitors_see_no_passwords(engine, client):
    with RespClient("127.0.0.1", engine.port) as monitor:
        monitor.execute("MONITOR")
        client.run([["ACL", "SETUSER", "u", "on", ">secret", "+@all"], ["AUTH", "u", "secret"], ["HELLO", "3", "AUTH", "u",
            "secret"],
                    ["ACL", "GETUSER", "secret"], ["ACL", "DELUSER", "secret"], ["PING"]])
        seen = b""
        while b"PING" not in seen:
            seen += monitor.socket.recv(65536)
        assert b"secret" not in seen


def test_closed_is_told_apart(two):
    """A connection that was closed says so to its next command."""
    owner = two("ACL SETUSER u on nopass +@all")
    user = two("AUTH u x")
    owner.run("ACL DELUSER u")
    assert user.is_closed()
    with pytest.raises((Closed, OSError)):
        user.sides[0].execute("PING")
