"""`hutch diff`: what is different is told, and nothing else."""
import json

import pytest
import redis

import hutch
from hutch.tools.convert import convert
from kit.oracle import RedisServer
from kit.tools import fill, tool

LATER_MS = 4_102_444_800_000


@pytest.fixture
def other(dump, tmp_path):
    """A function that changes a copy of the dump by commands, and returns the new file's path."""
    def changed(*commands, db=0):
        with hutch.Store(dir=str(dump.parent), dbfilename=dump.name, save="") as store:
            r = hutch.Redis(store=store, db=db)
            for words in commands:
                r.execute_command(*words)
            store.engine.configure("dir", str(tmp_path))
            store.engine.configure("dbfilename", "other.rdb")
            store.engine.save()
        return tmp_path / "other.rdb"
    return changed


def differences(capsys, a, b, *options):
    """{(db, key): (what, fields)} by --json, and the figures."""
    code, out, err = tool(capsys, "diff", a, b, "--json", *options)
    assert code in (0, 1), err
    *found, figures = map(json.loads, out.splitlines())
    assert code == (1 if found or figures["functions"] else 0)
    return {(one["db"], str(one["key"])): (one["what"], one.get("fields")) for one in found}, figures


def test_forms_do_not_matter(dump, tmp_path, capsys):
    for name in ("a.jsonl", "a.rdb", "log/"):
        convert(str(dump), f"{tmp_path}/{name}")
        assert differences(capsys, dump, f"{tmp_path}/{name}")[0] == {}
    code, out, _ = tool(capsys, "diff", dump, tmp_path / "a.jsonl")
    assert code == 0 and "0 differ" in out


@pytest.mark.parametrize("words, key, what", (
    (("SET", "string", "other"), "string", ("different", ["value", "deadline"][:1])),
    (("DEL", "string"), "string", ("missing", None)),
    (("SET", "new", "x"), "new", ("extra", None)),
    (("PEXPIREAT", "dated", LATER_MS + 5000), "dated", ("different", ["deadline"])),
    (("PERSIST", "dated"), "dated", ("different", ["deadline"])),
    (("LSET", "list:long", 1500, "x"), "list:long", ("different", ["value"])),
    (("SREM", "set", "x"), "set", ("different", ["value"])),
    (("ZADD", "zset", 0.2, "tenth"), "zset", ("different", ["value"])),
    (("HSET", "hash", "f", "w"), "hash", ("different", ["value"])),
    (("HPERSIST", "hash:dated", "FIELDS", 1, "a"), "hash:dated", ("different", ["value"])),
    (("XACK", "stream", "first", "4-1"), "stream", ("different", ["value"])),
    (("XDEL", "stream", "100-1"), "stream", ("different", ["value"])),
    (("XGROUP", "CREATECONSUMER", "stream", "first", "new"), "stream", ("different", ["value"])),
    (("XGROUP", "SETID", "stream", "first", "0"), "stream", ("different", ["value"])),
    (("JSON.SET", "document", "$.a", "1"), "document", ("different", ["value"]))))
def test_each_kind_of_change_is_seen(dump, other, words, key, what, capsys):
    # What is past its deadline has gone from the copy.
    options = ("--match", key)
    found, figures = differences(capsys, dump, other(words), *options)
    assert found == {(0, key): what}
    found, _ = differences(capsys, other(words), dump, *options)
    mirrored = {"missing": "extra", "extra": "missing"}.get(what[0], what[0])
    assert found == {(0, key): (mirrored, what[1])}


def test_types_databases_and_functions(dump, other, capsys):
    path = other(("DEL", "list"), ("SET", "list", "x"), ("FUNCTION", "FLUSH"), db=3)
    found, figures = differences(capsys, dump, path)
    assert found.pop((0, "over")) == ("missing", None) and found.pop((0, "hash:over")) == ("different", ["value"])
    assert found == {(3, "list"): ("different", ["type"])} and figures["functions"] == ["shop"]
    assert differences(capsys, dump, path, "--db", 0, "--match", "s*")[0] == {}


def test_tolerance(dump, other, capsys):
    path = other(("PEXPIREAT", "dated", LATER_MS + 1500), ("HPEXPIREAT", "hash:dated", LATER_MS - 1500, "FIELDS", 1, "a"))
    assert differences(capsys, dump, path, "--match", "*dated*", "--tolerance", "2")[0] == {}
    assert len(differences(capsys, dump, path, "--match", "*dated*", "--tolerance", "1")[0]) == 2


def test_text_shows_where_they_part(dump, other, capsys):
    path = other(("HSET", "hash:long", "f77", "changed"), ("LSET", "list:long", 1234, "changed"), ("XTRIM", "stream", "MAXLEN", 0))
    code, out, _ = tool(capsys, "diff", dump, path)
    assert code == 1
    assert "b'f77'" in out and "b'element 1234'" in out and "f78" not in out


def test_live_stores_of_two_makes(oracle_binary, dump, capsys, tmp_path):
    with RedisServer(oracle_binary) as server, hutch.Server(port=0) as mine:
        urls = f"redis://127.0.0.1:{server.port}", mine.url
        clients = [redis.Redis.from_url(url) for url in urls]
        for client in clients:
            client.response_callbacks.clear()
            fill(client.execute_command, json=False)
        found, figures = differences(capsys, *urls, "--tolerance", 60)
        keys = clients[0].dbsize()
        assert found == {} and figures["same"] == keys > 15
        clients[1].execute_command("SET", "only", "here")
        assert differences(capsys, *urls, "--tolerance", 60)[0] == {(0, "only"): ("extra", None)}
        assert differences(capsys, urls[0] + "/0", urls[1] + "/5")[1]["missing"] == keys


def test_what_cannot_be_compared(dump, tmp_path, capsys):
    (tmp_path / "broken.rdb").write_bytes(dump.read_bytes()[:-20])
    for words in ((dump, tmp_path / "none"), (dump, tmp_path / "broken.rdb"), ("redis://127.0.0.1:1", dump), (dump, "nosuch://x")):
        code, _, err = tool(capsys, "diff", *words)
        assert code == 2 and err.startswith("hutch diff: ")
