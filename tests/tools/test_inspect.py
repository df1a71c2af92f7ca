"""`hutch inspect`: the figures are those of the commands, and nothing changes by looking."""
import hashlib
import json
import os
import re
from html.parser import HTMLParser

import pytest
import redis

import hutch
from hutch.tools.inspect import inspect
from hutch.tools.places import open_place
from hutch.tools.survey import OTHERS, Survey, part_of
from kit.oracle import RedisServer
from kit.tools import everything, fill, saved, tool


def told(source, **options):
    with open_place(str(source), skip_unknown=True) as place:
        return inspect(place, **options)


def digest_of(place):
    return {os.path.join(path, name): (hashlib.sha256(open(os.path.join(path, name), "rb").read()).hexdigest(), os.stat(os.path.join(path, name)).st_mtime_ns)
            for path, _, names in os.walk(place) for name in names}


def test_sums_are_those_of_the_keys(dump):
    keys, _ = everything(dump)
    found = told(dump)
    assert found["keys"] == len(keys) and found["rdb_version"] == 12 and found["libraries"] == ["shop"]
    assert {db: row["keys"] for db, row in found["databases"].items()} == {
        str(db): sum(key[0] == db for key in keys) for db in sorted({key[0] for key in keys})}
    by_kind = {}
    for row in found["types"]:
        by_kind[row["type"]] = by_kind.get(row["type"], 0) + row["keys"]
    assert by_kind == {kind: sum(record.kind == kind for record in keys.values()) for kind in by_kind}
    for name in ("keys", "memory", "elements", "serialized"):
        assert sum(row[name] for row in found["types"]) == found[name] == sum(row.get(name, 0) for row in found["deadlines"].values())
    assert found["deadlines"]["past"]["keys"] == 1 and found["deadlines"]["a year and more"]["keys"] == 2
    assert [row["memory"] for row in found["biggest"]] == sorted((row["memory"] for row in found["biggest"]), reverse=True)
    assert found["longest"]["list"][0]["key"] == "list:long" and found["longest"]["list"][0]["elements"] == 3000


def test_sizes_and_encodings_are_those_of_the_commands(tmp_path):
    path = saved(tmp_path / "dump.rdb", databases=(0,))
    with hutch.Store(dir=str(tmp_path), save="") as store:
        r = hutch.Redis(store=store)
        wanted = {key.decode("utf-8", "backslashreplace"): (r.object("ENCODING", key).decode(), r.memory_usage(key), len(r.dump(key)) - 10)
                  for key in r.keys() if key.isascii() and not key.endswith(b":long")}       # a table's size hangs on how it grew
    found = {row["key"]: (row["encoding"], row["memory"], row["serialized"]) for row in told(path, top=100)["biggest"]}
    assert {key: found[key] for key in wanted} == wanted


def test_a_file_is_not_changed(dump, tmp_path):
    with hutch.Store(dir=str(tmp_path), appendonly=True) as store:
        r = hutch.Redis(store=store)
        r.set("a", "b")
    with open(next((tmp_path / "appendonlydir").glob("*.incr.aof")), "ab") as file:
        file.write(b"*3\r\n$3\r\nSE")                # torn
    for place in (dump.parent, tmp_path):
        before = digest_of(place)
        found = told(place)
        assert found["keys"] and digest_of(place) == before
    assert any("read up to byte" in note for note in found["notes"])


def test_a_live_store_is_not_touched(oracle_binary):
    with RedisServer(oracle_binary, "--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0") as server:
        r = redis.Redis(port=server.port)
        r.response_callbacks.clear()
        fill(r.execute_command, json=False)
        keys = r.execute_command("KEYS", "*")
        before = {key: (r.execute_command("OBJECT", "FREQ", key), r.execute_command("DUMP", key)) for key in keys}
        before = {key: (r.execute_command("OBJECT", "FREQ", key), dump) for key, (_, dump) in before.items()}
        found = told(f"redis://127.0.0.1:{server.port}", serialized=True)
        assert {key: r.execute_command("OBJECT", "FREQ", key) for key in keys} == {key: freq for key, (freq, _) in before.items()}
        assert found["keys"] == len(keys) and found["kind"] == "live"
        assert "serialized" not in told(f"redis://127.0.0.1:{server.port}")
        with open_place(f"redis://127.0.0.1:{server.port}") as place:
            assert inspect(place)["memory"] == sum(r.execute_command("MEMORY", "USAGE", key) for key in keys)


def test_a_store_that_is_open_is_asked_through_its_socket(tmp_path):
    import subprocess
    import sys

    from kit.launch import HUTCH_ENVIRONMENT
    program = "import hutch, sys; r = hutch.Redis(sys.argv[1]); r.set('a', 'b'); print('there', flush=True); sys.stdin.read(); r.close()"
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "store")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=HUTCH_ENVIRONMENT) as owner:
        assert owner.stdout.readline() == "there\n"
        assert told(tmp_path / "store")["kind"] == "live"
        owner.stdin.close()
    found = told(tmp_path / "store")
    assert (found["kind"], found["keys"]) == ("aof", 1)


def survey_of(keys, **options):
    survey = Survey(now_ms=0, **options)
    for key in keys:
        survey.add(0, key, "string", "raw", 1, 100, None, None)
    return survey


def test_the_tree_of_prefixes_collapses():
    keys = [b"user:%d:name" % at for at in range(50)] + [b"user:%d:mail" % at for at in range(50)] + [b"a:b:c:d:e:f"] * 20 + [b"single"]
    tree = survey_of(keys, depth=9).tree()
    assert [(node["prefix"], node["keys"]) for node in tree] == [("user:<number>:", 100), ("a:b:c:d:e:f", 20), ("single", 1)]
    assert [(node["prefix"], node["keys"]) for node in tree[0]["below"]] == [("user:<number>:mail", 50), ("user:<number>:name", 50)]
    assert [node["prefix"] for node in survey_of(keys, depth=2).tree()][:2] == ["user:<number>:", "a:b:"]
    assert survey_of([b"x.y:z"] * 3, separators=".:").tree()[0]["prefix"] == "x.y.z"
    # Names of very many things are no kinds of them.
    tree = survey_of([b"thing:%c%c" % (one, other) for one in b"ghijklmnop" for other in b"ghijklmnop"]).tree()
    assert [(node["prefix"], node["below"]) for node in tree] == [("thing:", [])]
    assert survey_of([b"session:%032x" % (at * 7919 ** 8) for at in range(1, 100)]).tree()[0]["prefix"] == "session:<hex>"


def test_the_tree_is_bounded():
    import random
    rng = random.Random(1)
    words = ["".join(rng.choices("ghijklmnop", k=8)).encode() for _ in range(3000)]
    survey = survey_of([b"%s:%s:x" % (one, other) for one, other in zip(words, words[1:])])
    assert len(survey.prefixes.below) <= 201
    assert sum(node["keys"] for node in survey.tree()) == 2999
    assert survey.tree()[-1]["prefix"] == OTHERS


@pytest.mark.parametrize("name, shown", ((b"0", "<number>"), (b"user", "user"), (b"deadbeef0123cafe", "<hex>"), (b"decade", "decade"),
                                         (b"123e4567-e89b-12d3-a456-426614174000", "<uuid>"), (b"\xff\n", "\\xff\\n")))
def test_parts_of_names(name, shown):
    assert part_of(name) == shown


def test_filters_and_json(dump, capsys):
    code, out, err = tool(capsys, "inspect", dump, "--json", "--type", "hash", "--db", 3, "--top", 2)
    assert code == 0, err
    found = json.loads(out)
    assert found["keys"] == 3 and {row["type"] for row in found["types"]} == {"hash"} and len(found["biggest"]) == 2
    code, out, _ = tool(capsys, "inspect", dump, "--match", "nothing*", "--json")
    assert code == 0 and json.loads(out)["keys"] == 0


def test_text(dump, capsys):
    code, out, _ = tool(capsys, "inspect", dump)
    assert code == 0
    for words in ("RDB file, version 12", "Biggest keys", "list:long", "a year and more", "hash:dated", "libraries of functions: shop"):
        assert words in out
    assert "\x00" not in out and "\\xff" in out


class Page(HTMLParser):
    """What a page refers to, and whether its tags are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.refers, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.refers += [value for name, value in attributes if name in ("src", "href", "action", "data", "srcset")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag


def test_the_page_needs_nothing_else(tmp_path, capsys):
    path = tmp_path / "dump.rdb"
    with hutch.Store(dir=str(tmp_path), dbfilename="dump.rdb", save="") as store:
        r = hutch.Redis(store=store)
        r.set("<script>alert(1)</script>&:x", "y" * 1000, pxat=4_102_444_800_000)
        r.rpush("list:1", *range(1000))
        store.engine.save()
    code, out, err = tool(capsys, "inspect", path, "--html", tmp_path / "page.html")
    assert code == 0 and not out, err
    text = (tmp_path / "page.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == [] and page.refers == [] and "script" not in page.tags and "svg" in page.tags
    assert not re.search(r"https?:|url\(|@import", text) and "&lt;script&gt;" in text
    assert tool(capsys, "inspect", path, "--html", tmp_path / "no" / "page.html")[0] == 2


def test_memory_does_not_grow_with_keys():
    """What a survey keeps of a million keys is what it keeps of ten thousand."""
    survey = Survey(now_ms=0)

    def weight():
        return len(survey.biggest) + sum(map(len, survey.longest.values())) + len(survey.types) + survey._nodes

    for at in range(10_000):
        survey.add(0, b"k:%d:x" % at, "string", "raw", at, at, None, None)
    before = weight()
    for at in range(10_000, 40_000):
        survey.add(0, b"k:%d:x" % at, "string", "raw", at, at, None, None)
    assert weight() == before
    assert survey.told()["biggest"][0]["memory"] == 39_999
