"""DEBUG SET-DISABLE-DENY-SCRIPTS and SET-SKIP-CHECKSUM-VALIDATION, beside Redis, and what they may not do to the host."""
import pytest

from kit.backends import EmbeddedConnection, TcpBackend


@pytest.fixture(autouse=True)
def debugging(engine):
    engine.configure("enable-debug-command", "yes")


# ---- commands that are not for scripts, in scripts

IN_SCRIPTS = """
role|multi|exec|discard|watch a|unwatch|config get maxmemory|debug set-active-expire 1|client getname|client setname x|client id|client no-touch on
client reply on|subscribe a|psubscribe a|ssubscribe a|monitor|auth a|reset|module list x|lastsave
client setinfo lib-name x|client pause 0|client unpause|client unblock 999999|client kill id 999999|client trackinginfo|multi|set a b|exec|hello 2 setname y
""".replace("\n", "|").strip("|").split("|")


@pytest.fixture
def scripts_may_all(client, oracle):
    sides = client, TcpBackend(oracle.host, oracle.port).open()
    for side in sides:
        assert side.run([["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"]])[0].raw == b"+OK\r\n"
    yield sides
    for side in sides:
        side.run([["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "0"], ["RESET"]])
    sides[1].close()


def kind(reply):
    """Numbers and maps aside: IDs differ."""
    return reply if reply[:1] not in b":*" else reply[:1]


def test_set_disable_deny_scripts(scripts_may_all):
    for line in IN_SCRIPTS:
        words = ",".join(f"'{word}'" for word in line.split())
        for call in ("call", "pcall"):
            mine, its = (side.run([["EVAL", f"return redis.{call}({words})", "0"]])[0].raw for side in scripts_may_all)
            assert kind(mine) == kind(its), line
    for side in scripts_may_all:
        assert side.run([["GET", "a"]])[0].value == b"b"
        assert side.run([["DEL", "a"]])[0].value == 1
        side.run([["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "0"]])
        assert side.run([["EVAL", "return redis.call('role')", "0"]])[0].raw.startswith(b"-ERR This Redis command is not allowed from script")


def test_scripts_still_run_no_scripts(engine, client):
    """They would end, or use, the interpreter that runs them. (Redis 8.2.3 dies of the first.)"""
    inside = EmbeddedConnection(engine.session())
    client.run([["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"],
                ["FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function(keys, args) return redis.pcall(unpack(args)) end)"]])
    for words in (["EVAL", "return 1", "0"], ["EVALSHA", "a" * 40, "0"], ["FCALL", "f", "0"], ["FUNCTION", "FLUSH"], ["FUNCTION", "DELETE", "l"],
                  ["SCRIPT", "FLUSH"], ["FUNCTION", "LOAD", "REPLACE", "#!lua name=l\nredis.register_function('f', print)"], ["CLIENT", "TRACKING", "ON"]):
        for side in (client, inside):
            for reply in (side.run([["EVAL", "return redis.pcall(unpack(ARGV))", "0", *words]])[0],
                          side.run([["FCALL", "f", "0", *words]])[0]):
                assert reply.raw.startswith((b"-ERR This Redis command is not allowed from script", b"-ERR CLIENT TRACKING isn't allowed")), words
    for side in (client, inside):                            # those that are about the caller leave it, and us, whole
        for words in (["QUIT"], ["RESET"], ["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"], ["SHUTDOWN", "ABORT"], ["CONFIG", "RESETSTAT"],
                      ["MULTI"], ["WATCH", "a"], ["CLIENT", "REPLY", "OFF"], ["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"]):
            if words[:2] != ["CLIENT", "KILL"]:
                side.run([["EVAL", "return redis.pcall(unpack(ARGV))", "0", *words]])
        assert side.run([["EVAL", "return redis.call('get', 'nokey')", "0"]])[0].raw == b"$-1\r\n"
        assert side.run([["SET", "a", "1"]])[0].raw == b"+OK\r\n"


# ---- payloads with a wrong sum

def test_set_skip_checksum_validation(client, oracle):
    sides = client, TcpBackend(oracle.host, oracle.port).open()
    for side in sides:
        good = side.run([["SET", "a", "b"], ["DUMP", "a"]])[1].value
        library = side.run([["FUNCTION", "DUMP"]])[0].value
        wrong = [good[:-8] + b"XXXXXXXX", library[:-8] + b"XXXXXXXX", good[:-10] + b"\x63\x00XXXXXXXX", good[:5]]
        answers = []
        for switch in ("0", "1", "0"):
            assert side.run([["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", switch]])[0].raw == b"+OK\r\n"
            answers.append([side.run([["RESTORE", "c", "0", payload, "REPLACE"]])[0].raw[:4] for payload in (wrong[0], wrong[2], wrong[3])]
                           + [side.run([["FUNCTION", "RESTORE", wrong[1]]])[0].raw[:4]])
        assert answers == [[b"-ERR"] * 4, [b"+OK\r", b"-ERR", b"-ERR", b"+OK\r"], [b"-ERR"] * 4]
        assert side.run([["GET", "c"]])[0].value == b"b"
        # Bytes that make no value are refused all the same.
        side.run([["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1"]])
        assert side.run([["RESTORE", "d", "0", b"\x02\x05ab" + good[-10:]]])[0].raw.startswith(b"-ERR Bad data format")
        side.run([["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0"], ["DEL", "a", "c"]])
    sides[1].close()


def test_switches_want_one_word(same_as_redis):
    same_as_redis("DEBUG SET-DISABLE-DENY-SCRIPTS", "DEBUG SET-DISABLE-DENY-SCRIPTS 0 0", "DEBUG SET-SKIP-CHECKSUM-VALIDATION",
                  "DEBUG SET-SKIP-CHECKSUM-VALIDATION 0 0", "DEBUG SET-DISABLE-DENY-SCRIPTS x", "DEBUG SET-SKIP-CHECKSUM-VALIDATION x")
