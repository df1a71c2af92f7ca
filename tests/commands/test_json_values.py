"""JSON documents as values of the engine: what commands about keys do with them, what is Hutch's own beside the module (depth, doubles, names
that begin alike), and that nothing is left of documents that go. (Replies are compared with the module in test_json_oracle.py.)"""
import json
import time

import pytest
from hypothesis import given, settings, strategies as st

from hutch.testing.replies import Error, Simple
from kit.backends import EmbeddedBackend

OK = Simple(b"OK")


@pytest.fixture
def run():
    connection = EmbeddedBackend().open()
    return lambda *words: connection.run([words])[0].value


def used(run):
    """Bytes of the keyspace; each kind of error has a block of its own, and clients have their buffers."""
    run("CONFIG", "RESETSTAT")
    text = run("INFO", "memory")
    figure = lambda name: int(text.split(b"\n" + name + b":")[1].split(b"\r")[0])                  # noqa: E731
    return figure(b"used_memory") - figure(b"mem_clients_normal")


def test_as_a_value(run):
    assert run("JSON.SET", "k", "$", '{"a":[1,2,3]}') == OK
    assert run("TYPE", "k") == Simple(b"ReJSON-RL")
    assert run("OBJECT", "ENCODING", "k") == b"raw"
    assert run("OBJECT", "REFCOUNT", "k") == 1
    assert run("SCAN", 0, "TYPE", "rejson-rl") == [b"0", [b"k"]]
    assert run("COPY", "k", "l") == 1
    assert run("JSON.SET", "l", "$.a[0]", "9") == OK
    assert run("JSON.GET", "k") == b'{"a":[1,2,3]}' and run("JSON.GET", "l") == b'{"a":[9,2,3]}'
    assert run("RENAME", "l", "m") == OK
    assert run("JSON.GET", "m", "$.a") == [b"[[9,2,3]]"][0]
    assert isinstance(run("GET", "k"), Error) and run("GET", "k").text.startswith(b"WRONGTYPE")
    assert run("SET", "k", "text") == OK and run("TYPE", "k") == Simple(b"string")
    assert run("SORT", "m").text.startswith(b"WRONGTYPE")


def test_a_time_to_live_stays(run):
    run("JSON.SET", "k", "$", "1")
    run("EXPIRE", "k", 100)
    run("JSON.SET", "k", "$", '{"a":1}')
    run("JSON.NUMINCRBY", "k", "$.a", 1)
    assert 90 <= run("TTL", "k") <= 100
    run("JSON.DEL", "k")
    assert run("EXISTS", "k") == 0


def test_memory_is_told(run):
    run("JSON.SET", "k", "$", json.dumps({"text": "x" * 1000, "numbers": list(range(100))}))
    whole = run("MEMORY", "USAGE", "k")
    assert 1100 <= whole <= 1500
    inside = run("JSON.DEBUG", "MEMORY", "k", "$.*")
    assert 1000 <= inside[0] <= 1100 and 100 <= inside[1] <= 150
    assert run("JSON.DEBUG", "MEMORY", "k") < whole


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_is_left_of_what_goes(data):
    """Whatever is done to a document, in the end all its blocks are back."""
    connection = EmbeddedBackend().open()
    run = lambda *words: connection.run([words])[0].value           # noqa: E731
    for key in ("other", "k", "l", "r"):                             # the table of keys has room for them afterwards
        run("SET", key, "x")
    run("DEL", "k", "l", "r")
    before = used(run)
    texts = st.sampled_from(('{"a":{"b":[1,2,3],"long name of it":"and a longer text"}}', "[1,2.5,null]", '"a text that needs a block"', "7",
                             "[0.1234567890123456,0.2345678901234567]", '{"a":1,"b":2,"long name of it":{"a":{}}}', "[[],[[]],{}]", "1e300"))
    paths = st.sampled_from(("$", "$.a", "$.a.b", "$..*", "$.*", "$.a.b[1]", "$[0]", "$[*]", "$['long name of it']", "$..a", "$.new"))
    for _ in range(data.draw(st.integers(1, 15))):
        run(*data.draw(st.one_of(
            st.tuples(st.sampled_from(("JSON.SET", "JSON.MERGE", "JSON.ARRAPPEND")), st.just("k"), paths, texts),
            st.tuples(st.just("JSON.ARRINSERT"), st.just("k"), paths, st.just("0"), texts),
            st.tuples(st.sampled_from(("JSON.DEL", "JSON.CLEAR", "JSON.ARRPOP", "JSON.TOGGLE")), st.just("k"), paths),
            st.tuples(st.sampled_from(("JSON.NUMINCRBY", "JSON.NUMMULTBY")), st.just("k"), paths, st.sampled_from(("1", "0.1", "2"))),
            st.tuples(st.just("JSON.STRAPPEND"), st.just("k"), paths, st.just('"more of it"')),
            st.tuples(st.just("JSON.ARRTRIM"), st.just("k"), paths, st.just("1"), st.just("-1")),
            st.tuples(st.just("JSON.MSET"), st.just("k"), paths, texts, st.just("l"), st.just("$"), texts),
            st.tuples(st.just("COPY"), st.just("k"), st.just("l"), st.just("REPLACE")))))
        for key in (b"k", b"l"):
            text = run("JSON.GET", key)
            if isinstance(text, bytes):
                json.loads(text)
                assert run("RESTORE", "r", 0, run("DUMP", key), "REPLACE") == OK and run("JSON.GET", "r") == text
    run("DEL", "k", "l", "r")
    assert used(run) == before


def test_large_documents_are_freed_by_housekeeping(run):
    rows = [{"id": n, "a longer name": f"a text that needs a block {n}"} for n in range(20000)]
    before = used(run)
    for goes in (("DEL", "k"), ("UNLINK", "k"), ("JSON.DEL", "k"), ("JSON.SET", "k", "$", "1"), ("FLUSHALL",)):
        assert run("JSON.SET", "k", "$", json.dumps(rows)) == OK
        assert used(run) > before + 20000 * 60
        run(*goes)
        run("DEL", "k")
        deadline = time.monotonic() + 60
        while used(run) > before + 100_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert used(run) < before + 100_000, goes


def test_depth(run):
    """127 levels in a text, as in the module; 512 in a document, which may have grown."""
    assert run("JSON.SET", "k", "$", "[" * 127 + "]" * 127) == OK
    assert run("JSON.SET", "k", "$", "[" * 128 + "]" * 128) == Error(b"recursion limit exceeded at line 1 column 128")
    path, depth = "$" + "[0]" * 126, 127
    while depth + 100 <= 512:
        assert run("JSON.ARRAPPEND", "k", path, "[" * 100 + "]" * 100) == [1]
        path, depth = path + "[0]" * 100, depth + 100
    document = run("JSON.GET", "k")
    too_deep = Error(b"ERR recursion limit exceeded: a document may be 512 levels deep")
    assert run("JSON.ARRAPPEND", "k", path, "[" * 100 + "]" * 100) == too_deep
    assert run("JSON.SET", "k", path, "[" * 127 + "]" * 127) == too_deep
    assert run("JSON.GET", "k") == document
    assert run("RESTORE", "l", 0, run("DUMP", "k")) == OK and run("JSON.GET", "l") == document
    assert run("JSON.GET", "k", "$..[0]").count(b"[") > 512
    assert run("JSON.DEL", "k", "$..[0]") == 1 and run("COPY", "l", "m") == 1 and run("DEL", "l", "m") == 2


def test_where_the_module_is_wrong(run):
    run("JSON.SET", "k", "$", '{"a":1,"ab":2,"abc":{"x":3},"z":4}')
    assert run("JSON.DEL", "k", "$['a','ab','abc']") == 3 and run("JSON.GET", "k") == b'{"z":4}'
    run("JSON.SET", "k", "$", "[0,1,2,3,4,5,6,7,8,9,10,11]")
    assert run("JSON.DEL", "k", "$[1,10,1]") == 2 and run("JSON.GET", "k") == b"[0,2,3,4,5,6,7,8,9,11]"
    run("JSON.SET", "k", "$", "[0.1234567890123456789,12345678901234567.0,123456789012345680000]")
    assert run("JSON.GET", "k") == b"[0.12345678901234568,1.2345678901234568e16,1.2345678901234568e20]"
    run("JSON.SET", "k", "$", '{"a":{"p":1},"b":{"p":5}}')
    assert run("JSON.SET", "k", "$[?(@.p>2)].p", "0") == OK and run("JSON.GET", "k") == b'{"a":{"p":1},"b":{"p":0}}'
    assert run("JSON.GET", "k", "$[99999999999999999999]") == b"[]"


def test_what_changes_nothing_breaks_no_watch():
    engine = EmbeddedBackend()
    one, other = engine.open(), engine.open()
    one.run([("JSON.SET", "k", "$", '{"a":1,"s":"x"}')])
    for command, broken in ((("JSON.SET", "k", "$.a", "2", "NX"), False), (("JSON.NUMINCRBY", "k", "$.s", "1"), False),
                            (("JSON.DEL", "k", "$.nope"), False), (("JSON.GET", "k"), False), (("JSON.SET", "k", "$.a", "2"), True)):
        one.run([("WATCH", "k")])
        other.run([command])
        replies = one.run([("MULTI",), ("PING",), ("EXEC",)])
        assert (replies[2].value == [Simple(b"PONG")]) != broken, command
