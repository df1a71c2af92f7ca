"""COMMAND: names, key extraction and filters as Redis has them."""
import random

import pytest

SAME = [
    "COMMAND foo", "COMMAND HELP", "COMMAND COUNT x", "COMMAND GETKEYS", "COMMAND GETKEYS get", "COMMAND GETKEYS get a",
    "COMMAND GETKEYS mset a b c d", "COMMAND GETKEYS ping", "COMMAND GETKEYS nosuch a", "COMMAND GETKEYS set a",
    "COMMAND GETKEYSANDFLAGS set a b", "COMMAND GETKEYSANDFLAGS mset a b c d", "COMMAND GETKEYSANDFLAGS ping",
    "COMMAND GETKEYS object encoding a", "COMMAND GETKEYS object foo", "COMMAND LIST FILTERBY foo x",
    "COMMAND LIST FILTERBY", "COMMAND LIST FILTERBY ACLCAT foo", "COMMAND LIST FILTERBY MODULE foo", "COMMAND LIST foo",
    "COMMAND LIST FILTERBY PATTERN getr*", "COMMAND INFO nosuch", "COMMAND INFO get nosuch", "COMMAND DOCS nosuch",
]


def test_same_words(same_as_redis):
    same_as_redis(*SAME)


WORDS = [b"0", b"1", b"2", b"3", b"-1", b"a", b"key", b"STREAMS", b"GROUP", b"COUNT", b"BLOCK", b"BY", b"STORE", b"GET", b"LIMIT", b"WEIGHTS", b"LEFT",
         b"MIN", b"*", b""]


def test_keys_of_random_words(client, oracle):
    """Requests that mostly make no sense: what their keys are, or which complaint there is."""
    client, real = both_sides(client, oracle)
    chosen = random.Random(8)
    for name in every_name(client):
        for _ in range(25):
            words = [b"COMMAND", chosen.choice([b"GETKEYS", b"GETKEYSANDFLAGS"]), *name.split(b"|"), *chosen.choices(WORDS, k=chosen.randrange(8))]
            mine, its = (side.run([words])[0].raw for side in (client, real))
            assert mine == its, words
    real.close()


def test_info_of_subcommands(client):
    one, other = client.run([["COMMAND", "INFO", "client|list"], ["COMMAND", "INFO", "CLIENT|LIST"]])
    assert one.raw == other.raw and one.value[0][0] == b"client|list"


def test_counts_agree(client):
    count, names, everything = client.run([["COMMAND", "COUNT"], ["COMMAND", "LIST"], ["COMMAND"]])
    top_level = [name for name in names.value if b"|" not in name]
    assert count.value == len(top_level) == len(everything.value) > 60
    assert {entry[0] for entry in everything.value} == set(top_level)


def test_list_names_subcommands_too(client, oracle):
    """Without a filter as with one; what Hutch lacks is left out."""
    client, real = both_sides(client, oracle)
    mine, its, matched = (set(side.run([words])[0].value) for side, words in (
        (client, ["COMMAND", "LIST"]), (real, ["COMMAND", "LIST"]),
        (client, ["COMMAND", "LIST", "FILTERBY", "PATTERN", "*"])))
    real.close()
    assert mine == matched and b"client|list" in mine and set(filter(is_redis_s, mine)) <= its


# ---- the whole table, against Redis's

def both_sides(client, oracle):
    from kit.backends import TcpBackend
    return client, TcpBackend(oracle.host, oracle.port).open()


def is_redis_s(name):
    """Not Valkey's, and not a module's (tests/commands/test_json_oracle.py)."""
    return name != b"script|show" and not name.startswith(b"json.")


def every_name(client) -> list[bytes]:
    """Those that Redis may have too."""
    return [name for name in client.run([["COMMAND", "LIST"]])[0].value if is_redis_s(name)]


@pytest.mark.parametrize("protocol", "23")
def test_info_of_every_command(client, oracle, protocol):
    """Name, arity, flags, legacy keys, categories, tips and key specifications; subcommands are asked one by one."""
    client, real = both_sides(client, oracle)
    for side in (client, real):
        side.run([["HELLO", protocol]])
    for name in every_name(client):
        mine, its = (side.run([["COMMAND", "INFO", name]])[0].value[0] for side in (client, real))
        assert mine[:9] == its[:9], name
    real.close()


def test_categories(client, oracle):
    client, real = both_sides(client, oracle)
    known = set(every_name(client))
    for category in real.run([["ACL", "CAT"]])[0].value:
        mine, its = (set(side.run([["COMMAND", "LIST", "FILTERBY", "ACLCAT", category]])[0].value)
                     for side in (client, real))
        assert set(filter(is_redis_s, mine)) == its & known, category
    real.close()


REQUESTS = """
SET|SET k|SET k v GET|SET k v EX 1 GET|MSET|MSET a|MSET a 1 b|MSETNX a 1|DEL|DEL a b c|COPY a b|RENAME a b|LCS a b|LCS a
OBJECT|OBJECT HELP|OBJECT FREQ a b|MEMORY USAGE k|MEMORY USAGE|MEMORY|PING|WATCH a b|EXISTS|SCAN 0|RANDOMKEY|foo bar
CLIENT LIST|CONFIG GET a|GETEX k EX 1|MULTI|debug object k|COMMAND|COMMAND GETKEYS get a|command foo|client|client foo
""".replace("\n", "|").strip("|").split("|")


@pytest.mark.parametrize("request_line", REQUESTS)
def test_keys_of_requests(same_as_redis, request_line):
    same_as_redis(f"COMMAND GETKEYS {request_line}", f"COMMAND GETKEYSANDFLAGS {request_line}")


@pytest.mark.parametrize("name", ["client|nosuch", "get|x", "|", "client|", "CLIENT|list", "", "get", "Client"])
def test_odd_names(client, oracle, name):
    client, real = both_sides(client, oracle)
    for word in ("INFO", "DOCS"):
        mine, its = (side.run([["COMMAND", word, name]])[0].value for side in (client, real))
        assert len(mine) == len(its) and [type(part) for part in mine] == [type(part) for part in its]
    real.close()
