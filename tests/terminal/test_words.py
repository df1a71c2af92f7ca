"""Lines as they are typed, and words as they are shown."""
import json

from hypothesis import given, strategies as st

from hutch.cli_config import split_words
from hutch.terminal.history import is_secret
from hutch.terminal.replies import plain, to_json
from hutch.terminal.resp import Failure, Map, Status
from hutch.terminal.words import escaped, read_line, safe_text, split_shell, typed


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=8), st.booleans())
def test_what_is_shown_can_be_typed(words, utf8):
    for line in (" ".join(escaped(word, utf8) for word in words), " ".join(typed(word) for word in words)):
        found = read_line(line)
        assert found.whole and found.values == words


@given(st.text(alphabet="ab \t\"'\\xn01|", max_size=30))
def test_lines_are_read_as_redis_reads_them(text):
    found, wanted = read_line(text), split_words(text)
    if wanted is None:
        assert not found.whole
    else:
        assert found.whole and [value.decode("latin-1") for value in found.values] == wanted


@given(st.binary(max_size=60))
def test_any_bytes_can_be_read(data):
    found = read_line(data)
    assert all(0 <= word.start < word.end <= len(data) for word in found.words)


@given(st.binary(max_size=60))
def test_nothing_moves_the_cursor(data):
    for text in (safe_text(data), escaped(data, True), escaped(data), typed(data)):
        assert all(character.isprintable() or character in "\n\t" for character in text)


def test_bidirectional_marks_are_spelled_out():
    assert escaped("a\u202eb".encode(), True) == r'"a\xe2\x80\xaeb"'
    assert safe_text("a\u202eb".encode()) == r"a\xe2\x80\xaeb"


@given(st.recursive(st.none() | st.integers() | st.binary(max_size=10) | st.booleans(),
                    lambda inner: st.lists(inner, max_size=4), max_leaves=12))
def test_json_is_json_and_keeps_bytes(value):
    def back(value):
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        return [back(one) for one in value] if isinstance(value, list) else value
    text = to_json(value)
    assert "\n" not in text and back(json.loads(text)) == value
    assert json.loads(to_json(value, 2)) == json.loads(text)


def test_json_of_what_json_does_not_have():
    assert plain(Map([(1, Failure(b"ERR no")), (b"k", [Status(b"OK")])])) == {"1": {"error": "ERR no"}, "k": ["OK"]}


def test_pipes():
    assert split_shell("GET x | jq '.a | .b'") == ("GET x ", "jq '.a | .b'")
    assert split_shell("SET x a|b") == ("SET x a|b", "")
    assert split_shell("SET x '|'") == ("SET x '|'", "")


def test_secrets():
    for line in (b"auth x", b"AUTH user x", b"ACL SETUSER a >x", b"hello 3 auth a b", b"CONFIG SET maxmemory 1 requirepass x",
                 b"config set tls-key-file-pass x", b"connect redis://a:b@h", b"MIGRATE h 1 k 0 1 AUTH x", b"config set masterauth x"):
        assert is_secret(line.split()), line
    for line in (b"GET auth", b"CONFIG GET requirepass", b"CONFIG SET maxmemory 1", b"connect h 1", b"", b"HSET h auth x"):
        assert not is_secret(line.split()), line
