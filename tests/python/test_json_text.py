"""The compiled JSON of the clients' json() beside Python's own: any value, any text, damaged ones too; and what json() leaves as it was."""
import json
import struct
from collections import OrderedDict

import pytest
import redis
from hypothesis import given, settings, strategies as st

import hutch
import hutch.asyncio
from hutch.documents import DECODER, ENCODER
from hutch_engine.door.json_text import Unusual, json_decoded, json_encoded

TEXTS = st.text(max_size=40) | st.sampled_from(("", "quote \" \\ / \n\t\x00\x1f\x7f", "\u00e9\u20ac\U0001f600", "\ud83d", "x" * 2000))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2**65, 2**65), st.integers(-1000, 1000), st.floats(), TEXTS,
    st.sampled_from((0.0, -0.0, 1e16, 2.0**53, 2.0**53 - 1, -2.0**60, 1e-7, 5e-324, 1.7976931348623157e308, 123456.789, 0.1)))
VALUES = st.recursive(SCALARS, lambda values: st.lists(values, max_size=6) | st.lists(values, max_size=3).map(tuple) | st.dictionaries(
    TEXTS, values, max_size=8) | st.dictionaries(st.integers(0, 9) | st.booleans() | st.none(), values, max_size=2), max_leaves=30)


def same(a, b):
    """To the last bit, order and type."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or a != a and b != b
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except (ValueError, TypeError, RecursionError) as error:
        return type(error), str(error)


@settings(max_examples=500, deadline=None)
@given(VALUES)
def test_any_value_is_written_as_python_writes_it(value):
    text = ENCODER.encode(value)
    assert same(json.loads(text), json.loads(json.dumps(value)))
    if isinstance(text, bytes):                          # compact, and read alike by our own side
        assert same(json_decoded(text), json.loads(text)) and same(json_decoded(text.decode()), json.loads(text))


@settings(max_examples=500, deadline=None)
@given(VALUES, st.data(), st.booleans(), st.sampled_from((None, 1)))
def test_any_text_is_read_as_python_reads_it(value, data, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.sampled_from(("", "[", "]", "{", "}", '"', ",", ":", "\\", "\\u", "\\ud83d", "\\ude00", "0", "e", "E+", "-", ".", "\x00", "\x1f", "null", "tru",
                                           "NaN", "Infinity", " ", "\ufeff", "1e400", "1e-400", "9" * 20, '"a":1,', "\\u00e9", "\\x")))
        text = text[:at] + piece + text[at + data.draw(st.integers(0, 2)):]
    wanted, found = outcome(json.loads, text), outcome(DECODER.decode, text)
    assert same(wanted, found) or wanted == found or isinstance(wanted, tuple) and wanted[0] is found[0], text
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return
    try:
        assert same(json_decoded(encoded), wanted), text
    except Unusual:
        pass


@given(st.binary(max_size=40))
def test_any_bytes(data):
    try:
        assert same(json_decoded(data), json.loads(data.decode()))
    except Unusual:
        pass


@pytest.mark.parametrize("text, value", (
    (b"0", 0), (b"-0", 0), (b"-0.0", -0.0), (b"999999999999999999", 10**18 - 1), (b"-9223372036854775808", -2**63), (b"1" * 40, int("1" * 40)),
    (b"1e400", float("inf")), (b"1e-400", 0.0), (b"5e-324", 5e-324), (b"0.1", 0.1), (b"1E5", 1e5), (b" [ 1 , {} ] \n", [1, {}]), (b'"\\ud83d\\ude00\\/\\u0041"', "\U0001f600/A"),
    (b'{"a":1,"a":2}', {"a": 2}), (b'""', ""), (b'{"":[]}', {"": []})))
def test_texts(text, value):
    assert same(json_decoded(text), value) and same(json.loads(text), value)


@pytest.mark.parametrize("text", (
    b"", b" ", b"01", b"-", b"1.", b".5", b"1e", b"+1", b"tru", b"nulL", b"NaN", b"-Infinity", b'"', b'"\\', b'"\\"', b'"\x01"', b'"\\ud83d"', b'"\\ude00"', b'"\\ud83d\\u0041"',
    b'"\\u12"', b'"\\u12g4"', b'"\\q"', b"[1", b"[1,", b"[1,]", b"[,]", b"{1:2}", b'{"a"', b'{"a":', b'{"a":1,}', b"1 2", b"[]]", b"\xff", b'"\xff"', b'"\xed\xa0\x80"', b"[" * 300, b"\x00",
    b"1\x00"))
def test_texts_that_are_left_to_python(text):
    with pytest.raises(Unusual):
        json_decoded(text)


def test_values_that_are_left_to_python():
    around = []
    around.append(around)
    for value in (2**63, -2**63 - 1, float("nan"), float("inf"), "\ud800", {1: 2}, {None: 1}, {"a": object()}, OrderedDict(a=1), around, b"bytes", {1, 2}):
        assert json_encoded(value) is None
    assert json_encoded((1, [True, None], {"é": "\x01\"\\"})) == '[1,[true,null],{"é":"\\u0001\\"\\\\"}]'.encode()
    deep = []
    for _ in range(150):
        deep = [deep]
    assert json_decoded(json_encoded(deep)) == deep
    with pytest.raises(ValueError, match="Circular"):
        ENCODER.encode(around)
    with pytest.raises(TypeError, match="not JSON serializable"):
        ENCODER.encode(object())


def test_json_leaves_the_compiled_methods_as_they_are():
    with hutch.Redis() as client:
        client.set("a", 1)
        assert client._hot
        documents = client.json()
        assert client._hot
        documents.set("d", "$", {"a": [1, 2.5, None, "é"]})
        assert documents.get("d") == {"a": [1, 2.5, None, "é"]} and client.get("a") == b"1" and client._hot
        client.set_response_callback("GET", lambda reply: "shaped")
        assert not client._hot and client.get("a") == "shaped"


def test_json_is_made_once_and_anew_where_it_would_be_another():
    with hutch.Redis(decode_responses=True) as client:
        first = client.json()
        assert client.json() is first
        first.set("d", "$", {"a": 1})
        client.set_response_callback("JSON.GET", lambda reply: "mine")
        assert first.get("d") == "mine"
        assert client.json() is not first and client.json().get("d") == {"a": 1}      # as redis-py, which sets its own again

        class Shouting(json.JSONDecoder):
            def decode(self, text, *rest):
                return str(text).upper()

        assert client.json(decoder=Shouting()).get("d") == '{"A":1}'
        assert client.json().get("d") == {"a": 1}
        client.execute_command = lambda *words, **options: words
        assert client.json().get("d")[0] == "JSON.GET"


def test_a_null_and_no_key():
    with hutch.Redis() as client:
        client.json().set("d", "$", None)
        assert client.json().get("d") is None and client.json().get("nope") is None and client.json().get("d", "$") == [None]
        with pytest.raises(redis.ResponseError):
            client.json().set("d", "$", float("nan"))
