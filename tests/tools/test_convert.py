"""`hutch convert`: whatever goes from one form to another and back is what it was; real servers read what comes out."""
import gzip
import json
import os
import subprocess

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hutch.tools import jsonlines
from hutch.tools.convert import convert
from hutch.tools.places import PlaceError
from hutch.tools.rdb_bytes import CannotSay, payload
from hutch.tools.records import JSON_TYPE, Consumer, Group, Record, Stream, differences
from kit.oracle import PLAIN, RedisServer
from kit.tools import FILES, LIBRARY, everything, fill, tool

TARGETS = ("out.rdb", "out.jsonl", "out.jsonl.gz", "out/")


def assert_alike(found, wanted, ignored=()):
    """The same keys with the same values; when consumers were last seen aside."""
    keys = {key: record for key, record in wanted.items() if record.kind not in ignored}
    assert found.keys() == keys.keys()
    assert {key: differences(found[key], record) for key, record in keys.items() if differences(found[key], record)} == {}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_files_of_all_servers_come_back_exactly(file, target, tmp_path):
    wanted = everything(file)
    out = str(tmp_path) + "/" + target
    convert(str(file), out, skip_unknown=True)
    assert everything(out) == wanted


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_past_its_deadline_stays_in_a_file(dump, target, tmp_path):
    wanted = everything(dump)
    assert (0, b"over") in wanted[0] and wanted[0][0, b"hash:over"].value.keys() == {b"gone", b"stays"}
    out = str(tmp_path) + "/" + target
    convert(str(dump), out)
    assert everything(out) == wanted
    assert wanted[1] == [(b"shop", LIBRARY.encode())]


def test_commands_make_the_same_keys(dump, tmp_path):
    out = tmp_path / "out.aof"
    convert(str(dump), str(out))
    wanted, libraries = everything(dump)
    found, same = everything(out)
    assert same == libraries
    assert_alike(found, wanted)


def test_lines_of_a_conversion_are_the_same_again(dump, tmp_path):
    first, second, third = (tmp_path / name for name in ("1.jsonl", "2.rdb", "3.jsonl"))
    convert(str(dump), str(first))
    convert(str(first), str(second))
    convert(str(second), str(third))
    assert sorted(first.read_bytes().splitlines()) == sorted(third.read_bytes().splitlines())


@pytest.mark.parametrize("version", (9, 10))
def test_old_versions_have_what_they_have_a_place_for(dump, version, tmp_path):
    out = tmp_path / "old.rdb"
    with pytest.raises(PlaceError, match="no functions" if version == 9 else "no deadlines of hash fields|no plain form"):
        convert(str(dump), str(out), rdb_version=version)
    assert not out.exists() and not [name for name in os.listdir(tmp_path)]
    from hutch.tools.selection import Selection
    kinds = ["string", "list", "set", "zset", *(["stream"] if version > 9 else [])]
    convert(str(dump), str(out), rdb_version=version, functions=False, selection=Selection(kinds=kinds))
    assert out.read_bytes()[:9] == b"REDIS%04d" % version
    wanted, _ = everything(dump)
    assert_alike(everything(out)[0], {key: record for key, record in wanted.items() if record.kind in kinds})


def test_a_higher_version_than_need_be(dump, tmp_path):
    from hutch.tools.selection import Selection
    out = tmp_path / "out.rdb"
    convert(str(dump), str(out), rdb_version=12, selection=Selection(kinds=["list"]))
    assert out.read_bytes()[:9] == b"REDIS0012"
    assert {record.kind for record in everything(out)[0].values()} == {"list"}
    with pytest.raises(PlaceError, match="version 12"):
        convert(str(dump), str(tmp_path / "b.rdb"), rdb_version=11, selection=Selection(kinds=["hash"]))
    with pytest.raises(PlaceError, match="9 to 12"):
        convert(str(dump), str(tmp_path / "c.rdb"), rdb_version=13)


def load_into(binary, directory, **files):
    """A real server that has loaded these files; a context manager."""
    class Loaded(RedisServer):
        def start(self):
            import shutil
            import tempfile
            made = tempfile.mkdtemp(prefix="hutch-load-")
            shutil.copytree(directory, made, dirs_exist_ok=True)
            self.made = made
            self.options = ("--dir", made, *files.get("options", ()))
            return super().start()

        def stop(self, told=False):
            import shutil
            super().stop(told)
            shutil.rmtree(self.made, ignore_errors=True)
    return Loaded(binary)


@pytest.mark.parametrize("form", ("rdb", "aof-dir", "aof", 9, 10))
def test_a_real_redis_loads_it(dump, form, tmp_path, oracle_binary):
    """All but JSON documents, for which it would need its module."""
    from hutch.tools.selection import Selection
    wanted = {key: record for key, record in everything(dump)[0].items() if record.deadline is None or record.deadline > 2_000_000_000_000}
    kinds = ["string", "list", "set", "zset", "stream", "hash"]
    if isinstance(form, int):
        convert(str(dump), str(tmp_path / "dump.rdb"), rdb_version=form, functions=False, selection=Selection(kinds=kinds[:5]))
        kinds = kinds[:5] if form > 9 else kinds[:4]         # version 9 forgets how many entries a stream had
        options = ()
    else:
        target = {"rdb": "dump.rdb", "aof-dir": "appendonlydir/", "aof": "appendonly.aof"}[form]
        convert(str(dump), str(tmp_path) + "/" + target, to=form, selection=Selection(kinds=kinds))
        options = () if form == "rdb" else ("--appendonly", "yes")
    with load_into(oracle_binary, tmp_path, options=options) as server:
        found, _ = everything(f"redis://127.0.0.1:{server.port}")
        found = {key: record for key, record in found.items() if record.kind in kinds}
        wanted = {key: record for key, record in wanted.items() if record.kind in kinds}
        wanted.pop((0, b"hash:over"), None)
        found.pop((0, b"hash:over"), None)
        assert_alike(found, wanted)


def test_a_live_store_is_a_source(oracle_binary, tmp_path):
    with RedisServer(oracle_binary) as server:
        r = redis.Redis(port=server.port)
        r.response_callbacks.clear()
        fill(r.execute_command, json=False)
        wanted = everything(f"redis://127.0.0.1:{server.port}")
        for target in ("a.jsonl", "a.rdb", "a.aof"):
            convert(f"redis://127.0.0.1:{server.port}", str(tmp_path / target))
            assert_alike(everything(tmp_path / target)[0], wanted[0])
        assert everything(tmp_path / "a.jsonl") == wanted


def test_filters(dump, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    code, _, err = tool(capsys, "convert", dump, out, "--match", "hash*", "--match", "*dated*", "--db", 3, "--no-functions")
    assert code == 0, err
    assert sorted((told.get("db", 0), told["key"]) for told in map(json.loads, out.read_text().splitlines())) == [
        (3, "dated"), (3, "hash"), (3, "hash:dated"), (3, "hash:long")]
    assert tool(capsys, "convert", dump, out)[0] == 2        # it is there
    assert tool(capsys, "convert", dump, out, "--replace", "--type", "json")[0] == 0
    assert {json.loads(line).get("type", "library") for line in out.read_text().splitlines()} == {JSON_TYPE, "library"}


def test_standard_input_and_output(dump, tmp_path):
    from kit.launch import HUTCH, HUTCH_ENVIRONMENT
    hutch = [*HUTCH[:-1]]
    lines = subprocess.run([*hutch, "convert", str(dump), "-"], capture_output=True, env=HUTCH_ENVIRONMENT, check=True).stdout
    subprocess.run([*hutch, "convert", "-", str(tmp_path / "back.rdb")], input=lines, env=HUTCH_ENVIRONMENT, check=True, capture_output=True)
    assert everything(tmp_path / "back.rdb") == everything(dump)


def test_packed_lines_are_the_lines(dump, tmp_path):
    convert(str(dump), str(tmp_path / "a.jsonl"))
    convert(str(dump), str(tmp_path / "a.jsonl.gz"))
    assert sorted(gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).splitlines()) == sorted((tmp_path / "a.jsonl").read_bytes().splitlines())


@pytest.mark.parametrize("source, target, said", (
    ("{dump}", "out.txt", "say what it is to be"), ("{tmp}/none.rdb", "out.rdb", "No such file"), ("{dump}", "redis://x", "hutch migrate"),
    ("{tmp}", "out.rdb", "neither"), ("{tmp}/text", "out.rdb", "neither an RDB file"), ("http://x", "out.rdb", "knows no URLs"),
    ("hutch://", "out.rdb", "without a name"), ("{dump}", "{tmp}/no/such/place.rdb", "No such file")))
def test_what_cannot_be_is_said(dump, source, target, said, tmp_path, capsys):
    (tmp_path / "text").write_text("hello")
    words = [word.format(dump=dump, tmp=tmp_path) for word in (source, target)]
    words[1] = words[1] if "/" in words[1] else str(tmp_path / words[1])
    code, out, err = tool(capsys, "convert", *words)
    assert code == 2 and said in err and not out
    assert not [name for name in os.listdir(tmp_path) if name != "text"]


def test_a_log_is_not_written_into_another(dump, tmp_path):
    convert(str(dump), str(tmp_path) + "/log/")
    with pytest.raises(PlaceError, match="holds a log already"):
        convert(str(dump), str(tmp_path) + "/log/", replace=True)


# ---- lines

names = st.binary(max_size=12)
some = st.binary(max_size=20)
moments = st.none() | st.integers(0, (1 << 62))
ids = st.tuples(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1)).map(lambda pair: f"{pair[0]}-{pair[1]}")


@st.composite
def streams(draw):
    entries = sorted(draw(st.sets(st.tuples(st.integers(1, 1 << 48), st.integers(0, 1 << 20)), max_size=6)))
    words = st.lists(some, min_size=1, max_size=3).flatmap(lambda fields: st.just([word for field in fields for word in (field, b"v" + field)]))
    consumers = draw(st.lists(some, unique=True, max_size=3))
    pending = [(f"{ms}-{number}", draw(st.sampled_from(consumers)), draw(st.integers(0, 1 << 50)), draw(st.integers(0, 1000)))
               for ms, number in entries if consumers and draw(st.booleans())]
    group = Group(b"g", f"{entries[-1][0]}-{entries[-1][1]}" if entries else "0-0", draw(st.none() | st.integers(0, 1000)),
                  [Consumer(name, draw(st.integers(0, 1 << 50)), draw(st.none() | st.integers(0, 1 << 50))) for name in sorted(consumers)], pending)
    last = f"{entries[-1][0]}-{entries[-1][1]}" if entries else "7-7"
    return Stream([(f"{ms}-{number}", draw(words)) for ms, number in entries], last, "0-0", len(entries) + draw(st.integers(0, 5)),
                  [group] if draw(st.booleans()) else [])


records = st.one_of(
    st.builds(Record, names, st.just("string"), some, moments),
    st.builds(Record, names, st.just("list"), st.lists(some, min_size=1, max_size=8), moments),
    st.builds(Record, names, st.just("set"), st.sets(some, min_size=1, max_size=8).map(sorted), moments),
    st.builds(Record, names, st.just("zset"), st.dictionaries(some, st.floats(allow_nan=False), min_size=1, max_size=8).map(
        lambda found: sorted(found.items(), key=lambda item: (item[1], item[0]))), moments),
    st.builds(Record, names, st.just("hash"), st.dictionaries(some, st.tuples(some, moments), min_size=1, max_size=8), moments),
    st.builds(Record, names, st.just("stream"), streams(), moments))


@settings(suppress_health_check=[HealthCheck.too_slow])      # it is, where the machine has other work
@given(records, st.integers(0, 15))
def test_a_line_is_its_record(record, db):
    line = jsonlines.line_of(record, db)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert jsonlines.parse(line) == (db, record)
    if record.kind == "zset":        # 0.0 and -0.0 are the same, and are not
        assert [repr(score) for _, score in record.value] == [repr(score) for _, score in jsonlines.parse(line)[1].value]


@settings(max_examples=300)
@given(records)
def test_plain_bytes_are_the_value(record):
    """What we build by hand in old forms is what the engine reads."""
    import hutch
    from hutch.tools.links import link_to_store
    from hutch.tools.records import read
    store = test_plain_bytes_are_the_value.__dict__.setdefault("store", hutch.Store())
    link = test_plain_bytes_are_the_value.__dict__.setdefault("link", link_to_store(store))
    try:
        bodies = [payload(record, version) for version in (11, 10, 9)]
    except CannotSay:
        assert record.kind == "hash"
        return
    for version, body in zip((11, 10, 9), bodies):
        link.run([("FLUSHALL",)])
        assert link.run([("RESTORE", record.key, 0, body)]) == [b"OK"]
        found, = read(link, [record.key])
        wanted = Record(record.key, record.kind, record.value)
        if version == 11:
            assert found == wanted
        elif version == 10 or record.kind != "stream":
            assert differences(found, wanted) == []


@pytest.mark.parametrize("line, said", (
    (b"[]", "an object"), (b"{", "no JSON"), (b'{"key": "a"}', "'type' is missing"), (b'{"key": "a", "type": "string"}', "'value' is missing"),
    (b'{"key": 1, "type": "string", "value": "x"}', "neither text nor base64"), (b'{"key": "a", "type": "tree", "value": 1}', "'tree'"),
    (b'{"key": "a", "type": "list", "value": []}', "not empty"), (b'{"key": "a", "type": "list", "value": "x"}', "array"),
    (b'{"key": "a", "type": "set", "value": ["x", "x"]}', "twice"), (b'{"key": "a", "type": "hash", "value": [["x"]]}', "no value of type"),
    (b'{"key": "a", "type": "zset", "value": [["x", "y"]]}', "missing|no value"), (b'{"key": "a", "type": "string", "value": {"base64": "?"}}', "base64"),
    (b'{"key": "a", "type": "string", "value": "x", "deadline": -1}', "whole numbers"), (b'{"key": "\\ud800", "type": "string", "value": "x"}', "surrogate"),
    (b'{"key": "a", "type": "stream", "value": {"entries": [["1", "a", "b"]], "last": "1-1", "deleted": "0-0", "added": 1, "groups": []}}', "no ID"),
    (b'{"key": "a", "type": "string", "value": "x", "db": true}', "whole numbers")))
def test_wrong_lines_are_refused_with_their_number(line, said, tmp_path):
    path = tmp_path / "wrong.jsonl"
    path.write_bytes(b'{"key": "good", "type": "string", "value": "x"}\n\n' + line + b"\n")
    with pytest.raises(PlaceError, match=f"line 3: .*({said})"):
        everything(path)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "twice.jsonl"
    path.write_bytes(b'{"key": "a", "type": "string", "value": "x"}\n' * 2)
    with pytest.raises(PlaceError, match="twice"):
        everything(path)


def test_the_real_checker_finds_no_fault(dump, tmp_path, oracle_binary):
    checker = tmp_path / "redis-check-rdb"
    checker.symlink_to(oracle_binary)
    from hutch.tools.selection import Selection
    for version in (9, 10, 11, 12):
        out = tmp_path / f"{version}.rdb"
        convert(str(dump), str(out), rdb_version=version, functions=version > 9,
                selection=Selection(kinds=["string", "list", "set", "zset", "stream", *(["hash"] if version == 12 else [])]))
        said = subprocess.run([str(checker), str(out)], capture_output=True, text=True, env=PLAIN)
        assert said.returncode == 0 and "RDB looks OK" in said.stdout, said.stdout


def test_types_that_hutch_does_not_have(oracle_binary, tmp_path, capsys):
    with RedisServer(oracle_binary) as server:
        r = redis.Redis(port=server.port)
        url = f"redis://127.0.0.1:{server.port}"
        r.set("a", "b")
        r.execute_command("VADD", "vectors", "VALUES", 2, 1, 2, "x")
        for name in ("a.rdb", "a.aof", "a/"):
            code, _, err = tool(capsys, "convert", url, f"{tmp_path}/{name}")
            assert code == 2 and "vectorset" in err and "--skip-unknown" in err
        code, _, err = tool(capsys, "convert", url, tmp_path / "b.rdb", "--skip-unknown")
        assert code == 0 and "1 of types that Hutch does not have" in err
        assert list(everything(tmp_path / "b.rdb")[0]) == [(0, b"a")]
        assert tool(capsys, "convert", url, tmp_path / "b.jsonl")[0] == 0
        assert any("dump" in json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines())


def test_a_log_tells_what_its_store_had(tmp_path):
    import hutch
    from hutch.tools.places import Place
    from hutch.tools.links import link_to_store
    from hutch.tools.selection import Selection
    with hutch.Store(dir=str(tmp_path), appendonly=True) as store:
        r = hutch.Redis(store=store)
        r.response_callbacks.clear()
        fill(r.execute_command)
        r.execute_command("SET", "short", "x", "PX", 1)
        with Place("live", "live", lambda db: link_to_store(store, db)) as place:
            wanted = {(0, record.key): record for records in Selection().records(place, 0) for record in records}
    found, _ = everything(tmp_path)
    found.pop((0, b"short"), None), wanted.pop((0, b"short"), None)
    assert_alike(found, wanted)


def test_a_log_of_a_real_redis(tmp_path, oracle_binary):
    with RedisServer(oracle_binary, "--appendonly", "yes", "--appendfsync", "always", "--appenddirname", "log") as server:
        r = redis.Redis(port=server.port, db=7)
        r.response_callbacks.clear()
        r.execute_command("SELECT", 7)
        fill(r.execute_command, json=False)
        r.execute_command("HSET", "hash:short", "a", 1, "b", 2)
        r.execute_command("HPEXPIRE", "hash:short", 100_000, "FIELDS", 1, "a")
        wanted, _ = everything(f"redis://127.0.0.1:{server.port}")
        found, _ = everything(os.path.join(server.directory, "log"))
        assert_alike(found, wanted)


def test_a_log_with_a_torn_end_is_read_up_to_it(tmp_path):
    path = tmp_path / "torn.aof"
    command = b"*3\r\n$3\r\nSET\r\n$1\r\n%c\r\n$1\r\nx\r\n"
    path.write_bytes(command % b"a" + b"*1\r\n$5\r\nMULTI\r\n" + command % b"b")
    assert list(everything(path)[0]) == [(0, b"a")]
    path.write_bytes(command % b"a" + b"*2\r\n$4\r\nNOPE\r\n$1\r\na\r\n" + command % b"c")
    from hutch.tools.places import open_place
    with open_place(str(path)) as place:
        assert any("unknown command" in note for note in place.notes) and place.keys(0) == 2


def test_keys_that_were_due_while_the_log_was_written(tmp_path):
    """What a log says of a key that is past its deadline by now is what it was."""
    path = tmp_path / "old.aof"
    from hutch.tools.convert import packed
    path.write_bytes(packed(("SET", "a", "x", "PXAT", 1_600_000_000_000)) + packed(("APPEND", "a", "y")) + packed(("SET", "b", "z"))
                     + packed(("PEXPIREAT", "b", 1_600_000_000_000)) + packed(("HSET", "h", "f", "v", "g", "w"))
                     + packed(("HPEXPIREAT", "h", 1_600_000_000_000, "FIELDS", 1, "f")))
    found, _ = everything(path)
    assert {key: record.value for (_, key), record in found.items()} == {
        b"a": b"xy", b"b": b"z", b"h": {b"f": (b"v", 1_600_000_000_000), b"g": (b"w", None)}}


def test_sums_are_those_of_redis():
    from hutch_engine.door.checksum import checksum
    assert checksum(b"123456789") == 0xE9C6D914C4B8D9CA == checksum(b"6789", checksum(b"12345")) and checksum(b"") == 0
