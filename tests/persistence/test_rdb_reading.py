"""Reading RDB files: those of real servers, value by value; every older form, built by hand; what is refused, and in which words."""
import gzip
import json
import struct
from pathlib import Path

import pytest
from kit.rdb_files import AUX, END, FUNCTION, RESIZE, aux, contents, deadline, finished, key, magic, pairs, resealed, selected, text
from kit.rdb_forms import intset, length, listpack, string, ziplist, zipmap

from hutch_engine.door.engine import Engine

DATA = Path(__file__).parent / "data"
SERVERS = ("redis-7.0.15", "redis-8.2.3", "redis-8.10.2", "valkey-9.1.2")
WITH_VECTORS = ("redis-8.2.3", "redis-8.10.2")
LATER_MS = 4102444800000


class Failure(Exception):
    pass


class Store:
    """An engine, and a session to ask it."""

    def __init__(self, directory, **settings):
        self.engine = Engine()
        self.engine.configure("dir", str(directory))
        for name, value in settings.items():
            self.engine.configure(name.replace("_", "-"), value)
        self.session = self.engine.session(Failure)
        self.path = Path(directory) / "read.rdb"

    def __call__(self, *words):
        return self.session.execute(words)

    def load(self, data):
        self.path.write_bytes(data)
        return self.engine.load(self.path)

    def refusal(self, data):
        """What a file that cannot be loaded is refused for; nothing has changed."""
        before = self("DEBUG", "DIGEST"), self("FUNCTION", "LIST")
        with pytest.raises(ValueError) as caught:
            self.load(data)
        assert (self("DEBUG", "DIGEST"), self("FUNCTION", "LIST")) == before
        assert self("PING") == b"PONG"
        return str(caught.value)

    def close(self):
        self.session.close()
        self.engine.close()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.close()


# ---- files of real servers

def expected(name):
    described = json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))
    return described, {(int(database), bytes.fromhex(key)): about for database, keys in described["databases"].items()
                       for key, about in keys.items()}


def unhex(value):
    return bytes.fromhex(value)


def as_described(kind, value):
    """Our plain value in the words of the description."""
    if kind == "string":
        return value.hex()
    if kind in ("list", "set"):
        return [one.hex() for one in value]
    if kind == "zset":
        return [[member.hex(), score] for member, score in value]
    if kind == "hash":
        fields, deadlines = value
        return {one.hex(): of.hex() for one, of in fields.items()}, {one.hex(): ms for one, ms in deadlines.items()}
    return value


def described_value(about):
    kind, value = about["type"], about["value"]
    if kind == "set":
        return sorted(value)
    if kind == "zset":
        return [[member, float(score)] for member, score in value]
    if kind == "hash":
        return (value["fields"], value["deadlines_ms"]) if "fields" in value else (value, {})
    return value


def stream_as_described(value, about):
    """The description's entries, figures and groups, whichever of them it has."""
    described = about["value"]
    assert [[id, words] for id, words in value["entries"]] == described["entries"]
    for name in ("last-generated-id", "max-deleted-entry-id", "entries-added"):
        if name in described:
            assert value[name] == described[name], name
    assert len(value["groups"]) == len(described["groups"])
    for mine, its in zip(value["groups"], sorted(described["groups"], key=lambda group: group["name"])):
        name, last, read, pending, consumers = mine
        assert name == its["name"] and last == its["last-delivered-id"]
        assert [list(one) for one in pending] == [list(one) for one in its["pending"]]
        assert [one for one, _ in consumers] == sorted(
            one if isinstance(one, str) else one["name"] for one in its["consumers"])


@pytest.mark.parametrize("name", SERVERS)
def test_the_file_of_a_real_server_holds_what_that_server_said(tmp_path, name):
    store = Store(tmp_path, rdb_skip_unknown_types="yes" if name in WITH_VECTORS else "no")
    described, keys = expected(name)
    figures = store.load((DATA / f"{name}.rdb").read_bytes())
    assert figures["expired"] == 0 and figures["skipped"] == (name in WITH_VECTORS)
    found = contents(store, (0, 3, 15))
    assert set(found) == {one for one, about in keys.items() if about["type"] != "vectorset"}
    for one, (kind, value, deadline_ms) in found.items():
        about = keys[one]
        assert kind == about["type"], one
        assert deadline_ms == about.get("deadline_ms", -1), one
        if kind == "stream":
            stream_as_described(value, about)
        else:
            assert as_described(kind, value) == described_value(about), one
    listed = pairs(store("FUNCTION", "LIST")[0])
    assert sorted(text(pairs(function)["name"]) for function in listed["functions"]) == sorted(described["functions"])
    assert store("FCALL", "answer", 0) == 42
    store.close()


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_a_type_that_is_not_there_stops_the_load(store, name):
    store("SET", "kept", "1")
    said = store.refusal((DATA / f"{name}.rdb").read_bytes())
    assert said.startswith('vectorset "vectors" (database 0, at byte ') and "Hutch does not have this type" in said
    at = int(said.split("at byte ")[1].split(")")[0])
    data = (DATA / f"{name}.rdb").read_bytes()
    assert data[at] == 7 and data[at + 1:at + 9] == b"\x07vectors"
    assert store("GET", "kept") == b"1" and store("DBSIZE") == 1


@pytest.mark.parametrize("name", SERVERS)
def test_what_is_in_a_file_is_told_without_loading_it(store, name):
    store("SET", "kept", "1")
    found = store.engine.check_file(DATA / f"{name}.rdb")
    described, keys = expected(name)
    kinds = {}
    for (database, _), about in keys.items():
        kinds[database, about["type"]] = kinds.get((database, about["type"]), 0) + 1
    assert {(database, kind): count for database, kind, count, _ in found["kept"] + found["lost"]} == kinds
    assert [kind for _, kind, _, _ in found["lost"]] == (["vectorset"] if name in WITH_VECTORS else [])
    assert found["error"] == "" and found["bytes"] == (DATA / f"{name}.rdb").stat().st_size
    assert found["valkey"] == (described["valkey"] is not None)
    assert 'library "sample" ""' in found["notes"]
    assert store("DBSIZE") == 1


# ---- forms of older servers

SCORES = [(b"a", 1), (b"b", 2.5), (b"c", float("inf"))]


def old_score(score):
    if score in (float("inf"), float("-inf")):
        return b"\xfe" if score > 0 else b"\xff"
    spelled = b"%.17g" % score
    return bytes([len(spelled)]) + spelled


def strings(*items):
    return b"".join(map(string, items))


FORMS = {
    "string": (0, string(b"x"), ("string", b"x")),
    "int8": (0, b"\xc0\xf9", ("string", b"-7")),
    "int16": (0, b"\xc1\xb8\x0b", ("string", b"3000")),
    "int32": (0, b"\xc2" + struct.pack("<i", -70000), ("string", b"-70000")),
    "lzf": (0, b"\xc3" + length(5) + length(10) + b"\x00a\xe0\x00\x00", ("string", b"a" * 10)),
    "list": (1, length(3) + strings(b"a", b"b", b"a"), ("list", [b"a", b"b", b"a"])),
    "set": (2, length(2) + strings(b"x", b"y"), ("set", [b"x", b"y"])),
    "zset": (3, length(3) + b"".join(string(member) + old_score(score) for member, score in SCORES), ("zset", SCORES)),
    "hash": (4, length(2) + strings(b"f", b"1", b"g", b"2"), ("hash", ({b"f": b"1", b"g": b"2"}, {}))),
    "zset 2": (5, length(3) + b"".join(string(member) + struct.pack("<d", score) for member, score in SCORES), ("zset", SCORES)),
    "zipmap": (9, string(zipmap((b"f", b"1"), (b"g", b"2"))), ("hash", ({b"f": b"1", b"g": b"2"}, {}))),
    "list ziplist": (10, string(ziplist(b"a", 12, b"b")), ("list", [b"a", b"12", b"b"])),
    "intset": (11, string(intset(1, 5, 70000, width=4)), ("set", [b"1", b"5", b"70000"])),
    "zset ziplist": (12, string(ziplist(b"a", 1, b"b", b"2.5")), ("zset", [(b"a", 1), (b"b", 2.5)])),
    "hash ziplist": (13, string(ziplist(b"f", 1, b"g", 2)), ("hash", ({b"f": b"1", b"g": b"2"}, {}))),
    "quicklist": (14, length(2) + strings(ziplist(b"a", 1), ziplist(b"b")), ("list", [b"a", b"1", b"b"])),
    "hash listpack": (16, string(listpack(b"f", 1)), ("hash", ({b"f": b"1"}, {}))),
    "zset listpack": (17, string(listpack(b"a", 1)), ("zset", [(b"a", 1)])),
    "quicklist 2": (18, length(2) + b"\x02" + string(listpack(b"a", 1)) + b"\x01" + string(b"plain"),
                    ("list", [b"a", b"1", b"plain"])),
    "set listpack": (20, string(listpack(b"a", b"b")), ("set", [b"a", b"b"])),
    "hash early deadlines": (22, length(2) + length(LATER_MS) + strings(b"f", b"1") + length(0) + strings(b"g", b"2"),
                             ("hash", ({b"f": b"1", b"g": b"2"}, {b"f": LATER_MS}))),
    "hash early pack": (23, string(listpack(b"f", 1, LATER_MS, b"g", 2, 0)),
                        ("hash", ({b"f": b"1", b"g": b"2"}, {b"f": LATER_MS}))),
    "hash deadlines": (24, struct.pack("<Q", LATER_MS) + length(2) + length(6) + strings(b"f", b"1") + length(0) + strings(b"g", b"2"),
                       ("hash", ({b"f": b"1", b"g": b"2"}, {b"f": LATER_MS + 5}))),
    "hash pack": (25, struct.pack("<Q", LATER_MS) + string(listpack(b"f", 1, LATER_MS, b"g", 2, 0)),
                  ("hash", ({b"f": b"1", b"g": b"2"}, {b"f": LATER_MS}))),
}
ONE_ENTRY = string(struct.pack(">QQ", 5, 1)) + string(listpack(1, 0, 1, b"f", 0, 2, 0, 0, b"v", 4))
STREAM_ENTRIES = [("5-1", ["f", "v"])]


def group(form):
    read = b"" if form == 15 else length(1)
    times = struct.pack("<Q", 7) * (1 if form < 21 else 2)
    id = struct.pack(">QQ", 5, 1)
    nacks = length(0) if form == 27 else b""
    return (string(b"g") + length(5) + length(1) + read + length(1) + id + struct.pack("<Q", 7) + length(3)
            + length(1) + string(b"c") + times + length(1) + id + nacks)


def stream_form(form):
    figures = length(1) + length(5) + length(1)
    if form > 15:
        figures += length(5) + length(1) + length(0) + length(0) + length(1)
    producers = length(100) + length(100) + length(0) + length(0) + length(0) if form >= 26 else b""
    return length(1) + ONE_ENTRY + figures + length(1) + group(form) + producers


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("version", (1, 4, 9, 12))
def test_forms_that_were_ever_written(store, name, version):
    form, body, found = FORMS[name]
    store.load(finished(selected(0) + key(form, b"k", body), version))
    assert contents(store) == {(0, b"k"): (*found, -1)}


@pytest.mark.parametrize("form", (15, 19, 21, 26, 27))
def test_streams(store, form):
    store.load(finished(selected(0) + key(form, b"s", stream_form(form)), 15))
    kind, value, _ = contents(store)[0, b"s"]
    assert kind == "stream" and value["entries"] == STREAM_ENTRIES
    assert value["groups"] == [("g", "5-1", 1, [("5-1", "c", 3)], [("c", 1)])]


def test_what_newer_streams_have_and_ours_have_not(store):
    producers = length(100) + length(100) + length(1) + string(b"p") + length(1) + string(b"i") + length(5) + length(1) + length(0) + length(0)
    remembered = stream_form(26)[:-7] + producers
    said = store.refusal(finished(selected(0) + key(26, b"s", remembered), 15))
    assert said.startswith('stream "s" (database 0, at byte 11): it has what XADD IDMP remembers of producers')
    nacked = stream_form(27)
    id = struct.pack(">QQ", 5, 1)
    nacked = nacked.replace(string(b"c") + struct.pack("<QQ", 7, 7) + length(1) + id + length(0),
                            string(b"c") + struct.pack("<QQ", 7, 7) + length(0) + length(1) + id)
    assert "pending for no consumer (XNACK)" in store.refusal(finished(selected(0) + key(27, b"s", nacked), 15))
    store.engine.configure("rdb-skip-unknown-types", "yes")
    figures = store.load(finished(selected(0) + key(27, b"s", nacked) + key(26, b"t", remembered) + key(0, b"k", string(b"v")), 15))
    assert figures["skipped"] == 2 and contents(store) == {(0, b"k"): ("string", b"v", -1)}


def test_valkeys_hash(store):
    fields = length(3) + b"".join(strings(field, b"1") + struct.pack("<q", ms) for field, ms in (
        (b"a", -1), (b"b", LATER_MS), (b"c", LATER_MS + 7)))
    data = finished(selected(0) + key(22, b"h", fields), 80)
    store.load(data)
    assert contents(store)[0, b"h"] == ("hash", ({b"a": b"1", b"b": b"1", b"c": b"1"}, {b"b": LATER_MS, b"c": LATER_MS + 7}), -1)
    # Redis has used the number for something else, and its newer ones are none of Valkey's.
    assert "damaged" in store.refusal(finished(selected(0) + key(22, b"h", fields), 12))
    assert 'form 24 "h"' in store.refusal(finished(selected(0) + key(24, b"h", FORMS["hash deadlines"][1]), 80))


def test_hashes_with_templates(store):
    template = b"\xf2" + length(7) + length(2) + strings(b"age", b"name")
    data = template + selected(0) + key(30, b"p", string(listpack(7, 42, b"Ada"))) + key(32, b"a", length(7) + strings(b"1", b"Bob"))
    store.load(finished(data, 15))
    assert contents(store) == {(0, b"p"): ("hash", ({b"age": b"42", b"name": b"Ada"}, {}), -1),
                               (0, b"a"): ("hash", ({b"age": b"1", b"name": b"Bob"}, {}), -1)}
    assert "template is not in the file" in store.refusal(finished(selected(0) + key(32, b"a", length(7) + strings(b"1", b"Bob")), 15))
    assert "damaged" in store.refusal(finished(template + selected(0) + key(30, b"p", string(listpack(7, 42))), 15))


def test_records_that_are_no_keys(store):
    library = b"#!lua name=l\nredis.register_function('f', function() return 7 end)"
    body = (aux(b"redis-ver", b"7.2.0") + aux(b"used-mem", b"1000000") + FUNCTION + string(library) + selected(2)
            + RESIZE + length(1 << 40) + length(1 << 40) + b"\xf4" + length(1) + length(2) + length(3)
            + b"\xf8" + length(100) + key(0, b"idle", string(b"x")) + b"\xf9\x07" + key(0, b"often", string(b"y"))
            + b"\xfd" + struct.pack("<i", 2000000000) + key(0, b"old", string(b"z"))
            + deadline(1000) + key(0, b"gone", string(b"z")) + deadline(LATER_MS) + key(0, b"later", string(b"z")))
    figures = store.load(finished(body, 11))
    assert figures == {"keys": 4, "expired": 1, "skipped": 0, "bytes": len(finished(body, 11))}
    store("SELECT", 2)
    assert 99 <= store("OBJECT", "IDLETIME", "idle") <= 101
    found = contents(store, (2,))
    assert {name: deadline_ms for (_, name), (_, _, deadline_ms) in found.items()} == {
        b"idle": -1, b"often": -1, b"old": 2000000000000, b"later": LATER_MS}
    assert store("FCALL", "f", 0) == 7
    assert store.engine.used_memory < 20_000_000            # whatever the hint said
    store.engine.configure("maxmemory-policy", "allkeys-lfu")
    store.load(finished(body, 11))
    store("SELECT", 2)
    assert store("OBJECT", "FREQ", "often") == 7


def test_modules_data_are_refused_or_left_out(store):
    items = b"\x02" + length(5) + b"\x01" + length(9) + b"\x03" + b"\0" * 4 + b"\x04" + b"\0" * 8 + b"\x05" + string(b"text") + b"\x00"
    number = length(int.from_bytes(b"\x12" * 8, "big"))
    for record in (b"\xf7" + number + length(2) + length(1) + items, b"\xf3" + length(1) + b"\0\0\0\1" + items + key(0, b"k", string(b"v")),
                   key(7, b"m", number + items), key(28, b"arr", length(1) + length(0) + length(3) + length(3) + string(b"x"))):
        data = finished(selected(0) + record + key(0, b"also", string(b"here")), 15)
        assert "Hutch" in store.refusal(data)
        store.engine.configure("rdb-skip-unknown-types", "yes")
        assert store.load(data)["skipped"] == 1 and store("GET", "also") == b"here"
        store.engine.configure("rdb-skip-unknown-types", "no")
        store("FLUSHALL")
    for form in (6, 33, 57, 200):
        store.engine.configure("rdb-skip-unknown-types", "yes")
        assert "cannot tell where its value ends" in store.refusal(finished(selected(0) + key(form, b"m", string(b"?")), 15))


# ---- what is refused

WHOLE = finished(selected(0) + key(0, b"a", string(b"1")) + key(16, b"h", string(listpack(b"f", b"v" * 30))) + selected(1)
                 + key(2, b"s", length(3) + strings(b"x", b"y", b"z")), 11)


@pytest.mark.parametrize("data, said", (
    (b"", "shorter than its first line"), (b"REDIS00", "shorter than its first line"), (b"NOTREDIS0011", "does not begin with"),
    (b"REDISabcd\xff", "no number"), (b"REDIS0016\xff", "version 16"), (b"REDIS0000\xff", "version 0"), (b"VALKEY081\xff", "version 81"),
    (magic(11), "without an end"), (magic(11) + selected(0), "without an end"), (magic(11) + END, "ends in the middle: the checksum"),
    (finished(selected(16), 11), "this store has only 16 databases"), (finished(selected(1 << 40), 11), "databases"),
    (finished(b"\xf6" + string(b"x"), 10), "release candidates"),
    (finished(FUNCTION + string(b"#!lua name=x\nerror('no')"), 11), "in a library of functions"),
    (finished(selected(0) + key(0, b"a", string(b"1")) * 2, 11), 'string "a" (database 0, at byte 16) stands in the file twice'),
    (finished(selected(0) + key(0, b"a", string(b"1")), 11, sum=5), "RDB CRC error: the checksum is wrong"),
    (finished(selected(0) + key(0, b"a", length(1 << 50)), 11), 'string "a" (database 0, at byte 11): its value is damaged'),
    (finished(selected(0) + key(2, b"s", length(1 << 62)), 11), "its value is damaged"),
    (finished(selected(0) + key(1, b"l", b"\x81" + b"\xff" * 8), 11), "its value is damaged"),
    (finished(selected(0) + b"\x00" + length(1 << 33), 11), "damaged name of a key"),
    (finished(selected(0) + key(0, b"z", b"\xc3" + length(4) + length(1 << 31) + b"abcd"), 11), "its value is damaged"),
    (finished(selected(0) + key(16, b"h", string(listpack(b"f", 1, b"f", 2))), 11), 'hash "h" (database 0, at byte 11): its value is damaged'),
    (finished(AUX + b"\x81" + b"\xff" * 8, 11), "damaged AUX field"), (finished(b"\xf2" + length(1) + length(1 << 40), 15), "damaged template"),
))
def test_refusals_say_why(store, data, said):
    assert said in store.refusal(data)
    assert said in store.engine.check_file(store.path)["error"]


EMPTY = {
    "list": key(1, b"list", length(0)), "set": key(2, b"set", length(0)), "zset": key(3, b"zset", length(0)), "hash": key(4, b"hash", length(0)),
    "zset_2": key(5, b"zset_2", length(0)), "zipmap": key(9, b"zipmap", string(b"\0\xff")), "list_ziplist": key(10, b"list_ziplist", string(ziplist())),
    "zset_ziplist": key(12, b"zset_ziplist", string(ziplist())), "hash_ziplist": key(13, b"hash_ziplist", string(ziplist())),
    "quicklist": key(14, b"quicklist", length(0)), "quicklist_of_empty": key(14, b"quicklist_of_empty", length(2) + string(ziplist()) * 2),
    "hash_listpack": key(16, b"hash_listpack", string(listpack())), "zset_listpack": key(17, b"zset_listpack", string(listpack())),
    "quicklist_2": key(18, b"quicklist_2", length(0)),
    "quicklist_2_of_empty": key(18, b"quicklist_2_of_empty", length(1) + length(2) + string(listpack())), "set_listpack": key(20, b"set_listpack", string(listpack())),
}


def test_collections_without_elements_are_left_out(store):
    """As Redis does: old versions could leave such keys behind. Their deadlines go with them."""
    store.load(finished(selected(0) + b"".join(deadline(2_000_000_000_000) + one for one in EMPTY.values()) + key(0, b"a", string(b"1")), 11))
    assert store("KEYS", "*") == [b"a"] and store("TTL", "a") == -1
    found = store.engine.check_file(store.path)
    assert found["error"] is None or found["error"] == ""
    assert sum(note.startswith("empty ") for note in found["notes"]) == len(EMPTY)
    for wrong in (listpack()[:-1], b"", listpack()[:-1] + b"\0"):
        assert "its value is damaged" in store.refusal(finished(selected(0) + key(18, b"l", length(1) + length(2) + string(wrong)), 11))


def test_a_file_that_is_not_there(store):
    assert store.engine.load() is None
    assert store.engine.load("no/such/file.rdb") is None
    with pytest.raises(ValueError, match="reading failed|opening failed"):
        store.engine.load("/")
    with pytest.raises(FileNotFoundError):
        store.engine.check_file("no/such/file.rdb")


def test_the_checksum_may_be_missing_or_not_wanted(store, tmp_path):
    body = selected(0) + key(0, b"a", string(b"1"))
    store.load(finished(body, 11, sum=0))
    careless = Store(tmp_path, rdbchecksum="no")
    careless.load(finished(body, 11, sum=5))
    assert careless("GET", "a") == b"1"
    careless.close()


def test_what_follows_the_end_is_passed_over(store):
    store.load(WHOLE + b"\n")
    assert store("DBSIZE") == 2
    assert 'trailing "" ""' in store.engine.check_file(store.path)["notes"]


def test_a_file_that_is_cut_short_anywhere(store):
    for end in range(len(WHOLE)):
        said = store.refusal(WHOLE[:end])
        assert "shorter" in said or "ends" in said or "damaged" in said, (end, said)
    store.load(WHOLE)


def test_values_larger_than_what_is_read_at_once(store):
    """Records begin anywhere in the window, and go on behind it."""
    body, found = selected(0), {}
    for number in range(60):
        name, value = b"k%d" % number, bytes([number]) * (number * 4099)
        body += key(0, name, string(value))
        found[0, name] = ("string", value, -1)
    members = [b"member:%d" % number for number in range(100_000)]
    body += key(2, b"set", length(len(members)) + strings(*members)) + key(1, b"list", length(3) + strings(b"x" * 700_000, b"y" * 600_000, b"z"))
    found[0, b"set"] = ("set", sorted(members), -1)
    found[0, b"list"] = ("list", [b"x" * 700_000, b"y" * 600_000, b"z"], -1)
    store.load(finished(body, 11))
    assert contents(store) == found


def test_damage_under_a_right_checksum_is_found_in_every_byte(store):
    """Of a small file each byte is changed in some ways: what is loaded then is another file, and what is not is refused."""
    for at in range(9, len(WHOLE) - 8):
        for change in (1, 0x40, 0x80, 0xFF):
            data = resealed(WHOLE[:at] + bytes([WHOLE[at] ^ change]) + WHOLE[at + 1:])
            store.path.write_bytes(data)
            try:
                store.engine.load(store.path)
            except ValueError as error:
                assert str(error)
            assert store("PING") == b"PONG"
