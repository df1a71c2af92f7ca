"""The parameter table by itself: defaults, ranges, texts, and the lines of a redis.conf."""
import pytest
from hypothesis import given, strategies as st
from shims.config import Parameters, Refused, quote, split

AT_START = 1


def refusal(name, value, flags=AT_START):
    with pytest.raises(Refused) as caught:
        Parameters().set(name, value, flags)
    return str(caught.value)


@pytest.mark.parametrize("name, text", [
    ("port", "6379"), ("maxmemory", "0"), ("maxmemory-policy", "noeviction"), ("save", ""), ("appendonly", "no"),
    ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    ("oom-score-adj-values", "0 200 800"), ("unixsocketperm", "0"), ("hash-max-ziplist-entries", "512"),
    ("list-max-listpack-size", "-2"), ("latency-tracking-info-percentiles", "50 99 99.9"), ("bind", "127.0.0.1 -::1"),
    ("enable-debug-command", "no"), ("notify-keyspace-events", ""), ("loglevel", "notice"),
])
def test_defaults(name, text):
    assert Parameters().get(name) == text


@pytest.mark.parametrize("name, given_text, text", [
    ("maxmemory", "100mb", str(100 * 1024 ** 2)), ("maxmemory", "1k", "1000"), ("maxmemory", "", "0"),
    ("maxmemory-clients", "5%", "5%"), ("shutdown-on-sigint", "force save", "save force"),
    ("notify-keyspace-events", "KEAmn", "AKEm"), ("notify-keyspace-events", "g$lshzxetdK", "AK"),
    ("notify-keyspace-events", "lKg$", "g$lK"), ("unixsocketperm", "700", "700"),
    ("lua-time-limit", "7", "7"), ("maxmemory-policy", "ALLKEYS-LRU", "allkeys-lru"),
    ("client-output-buffer-limit", "replica 1mb 2kb 3", "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"),
    ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"), ("dir", "/", "/"),
])
def test_values(name, given_text, text):
    parameters = Parameters()
    parameters.set(name, given_text, AT_START)
    assert parameters.get(name) == text


@pytest.mark.parametrize("name, value, message", [
    ("maxmemory", "-1", "argument must be a memory value"),
    ("maxmemory", "20000000000000000000", "argument must be greater or equal to 0"),
    ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
    ("maxclients", "-1", "argument must be greater or equal to 0"),
    ("hz", "abc", "argument couldn't be parsed into an integer"),
    ("protected-mode", "1", "argument must be 'yes' or 'no'"),
    ("loglevel", "x", "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"),
    ("notify-keyspace-events", "q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
    ("client-output-buffer-limit", "normal 1 2", "Wrong number of arguments in buffer limit configuration."),
    ("unixsocketperm", "9", "argument couldn't be parsed as an octal number"),
    ("dir", "/no/such/place", "No such file or directory"),
    ("nosuch", "1", "Bad directive or wrong number of arguments"),
    ("cluster-enabled", "yes", "Hutch does not have this yet: only the default is accepted (there is no cluster)"),
])
def test_refusals(name, value, message):
    assert refusal(name, value) == message


def test_a_refused_value_changes_nothing():
    parameters = Parameters()
    before = {name: parameters.get(name) for name in parameters.names()}
    for name in before:
        try:
            parameters.set(name, "\x01no value at all", AT_START)
        except Refused:
            assert parameters.get(name) == before[name], name


def test_defaults_can_be_set_again():
    """Whatever CONFIG GET shows, a rewritten redis.conf must take back."""
    parameters = Parameters()
    for name in parameters.names():
        text = parameters.get(name)
        if not text and name in ("replicaof", "slaveof"):
            continue             # which nobody writes: without a master it has no line
        parameters.line(name.encode() + b" " + quote(text.encode()))
        assert parameters.get(name) == text


def test_immutable_and_protected():
    assert refusal("port", "70000", 0) == "argument must be between 0 and 65535 inclusive"
    assert refusal("databases", "3", 0) == "can't set immutable config"
    assert refusal("dir", "/", 0) == "can't set protected config"


@pytest.mark.parametrize("line, words", [
    (b"", []), (b"  # x", [b"#", b"x"]), (b'set "a b" c', [b"set", b"a b", b"c"]), (b"'it\\'s'", [b"it's"]),
    (b'"\\x41\\n\\t\\\\"', [b"A\n\t\\"]), (b'"a"b', None), (b'"a', None), (b"'a", None), (b'a"b c"', [b"ab c"]),
    (b'""', [b""]),
])
def test_quoting(line, words):
    assert split(line) == words


@given(st.binary())
def test_quoted_text_reads_back(text):
    assert split(quote(text)) == [text]


@given(st.binary())
def test_any_line_is_answered(line):
    try:
        Parameters().line(line)
    except Refused:
        pass


def test_lines():
    parameters = Parameters()
    for line in (b"# a comment", b"", b"port 7000", b'requirepass "a b"', b"bind 127.0.0.1 -::1", b"client-output-buffer-limit pubsub 1mb 1mb 1",
                 b"slaveof no one", b'save ""'):
        parameters.line(line)
    assert [parameters.get(name) for name in ("port", "requirepass", "bind")] == ["7000", "a b", "127.0.0.1 -::1"]
    for line, reason in ((b"include x", "include is for files"), (b"loadmodule x", "no modules"), (b"port x y", "wrong number of arguments"),
                         (b"save 900 x", "Invalid save parameters"), (b'x "', "Unbalanced quotes")):
        with pytest.raises(Refused, match=reason):
            parameters.line(line)
