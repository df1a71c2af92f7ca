"""The request parser: any split of the bytes gives the same commands, bad bytes Redis's own errors."""
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shims.resp_parser import Parser

words = st.one_of(st.binary(max_size=12), st.binary(min_size=13, max_size=300), st.just(b"x" * 5000))
requests = st.lists(words, min_size=1, max_size=8)


def multibulk(request):
    return b"*%d\r\n" % len(request) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in request)


def quoted(word):
    return b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"'


def pieces(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


def fed(parser, parts):
    return [request for part in parts for request in parser.feed(part)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(requests, st.sampled_from(["multibulk", "inline", "empty"]))), st.lists(st.integers(0, 10**6)),
       st.booleans())
def test_any_split_gives_the_same_requests(plan, cuts, batches):
    data, expected = b"", []
    for request, form in plan:
        if form == "multibulk":
            data += multibulk(request)
            expected.append(request)
        elif form == "inline":
            request = [word[:300] for word in request]             # a line is at most 64 KiB
            data += b" ".join(map(quoted, request)) + b"\r\n"
            expected.append(request)
        else:
            data += random.Random(len(data)).choice([b"\r\n", b"*0\r\n", b"*-1\r\n", b"  \n"])
    parser = Parser(batches=batches)
    assert fed(parser, pieces(data, cuts)) == expected
    assert parser.pending == 0
    parser.feed(b"")
    if not batches:
        assert parser.account_bytes <= 16384      # nothing kept but the scratch of quoted words


@settings(max_examples=100, deadline=None)
@given(st.lists(requests, min_size=1, max_size=4))
def test_one_byte_at_a_time(plan):
    data = b"".join(map(multibulk, plan))
    assert fed(Parser(), [data[i:i + 1] for i in range(len(data))]) == plan


@settings(max_examples=300, deadline=None)
@given(st.lists(requests, min_size=1, max_size=4),
       st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6), st.lists(st.integers(0, 10**6)))
def test_damaged_bytes_do_not_depend_on_the_split(plan, damage, cuts):
    data = bytearray(b"".join(map(multibulk, plan)))
    for place, byte in damage:
        data[place % len(data)] = byte
    data = bytes(data)
    together, apart = Parser(), Parser()
    expected = until_error(together, [data])
    assert until_error(apart, pieces(data, cuts)) == expected


def until_error(parser, parts):
    found = []
    for part in parts:
        found += parser.feed(part)
        if found and isinstance(found[-1], str):
            break
    return found


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(
    [b"*", b"$", b"\r\n", b"*3\r\n", b"$3\r\n", b"*1\r\n$4\r\nPING\r\n", b'"', b"'", b"\\", b"\\x", b"*2147483647\r\n",
     b"$536870912\r\n", b"$-1\r\n", b"*-1\r\n", b"\0", b"00", b"9999999999999999999"]))), st.lists(st.integers(0, 10**6)),
    st.booleans(), st.booleans())
def test_garbage(parts, cuts, authenticated, batches):
    parser = Parser(authenticated=authenticated, batches=batches)
    until_error(parser, pieces(b"".join(parts), cuts))
    assert parser.account_bytes < 40000


def test_a_rewound_request_is_parsed_again():
    parser = Parser()
    data = multibulk([b"set", b"k", b"v" * 100])
    assert parser.feed(data[:50]) == []
    parser.rewind()
    assert parser.feed(data[50:]) == [[b"set", b"k", b"v" * 100]]


def test_what_is_missing_is_known():
    parser = Parser()
    parser.feed(b"*2\r\n$3\r\nget\r\n")
    assert parser.missing == 0
    parser.feed(b"$100000\r\nabc")
    assert parser.missing == 100000 + 2 - 3
    assert parser.feed(b"d" * (parser.missing - 2)) == []
    assert parser.missing == 2
    assert len(parser.feed(b"\r\n")[0][1]) == 100000
    assert parser.missing == 0


def test_claims_cost_nothing():
    parser = Parser()
    assert parser.feed(b"*2147483647\r\n$536870912\r\nabc") == []
    assert parser.account_bytes == 0


@pytest.mark.parametrize("line, request_", [
    (b"ping\n", [b"ping"]),
    (b"  set  k\tv \r\n", [b"set", b"k", b"v"]),
    (b'set k "a b\\n\\x41\\"\\q"\r\n', [b"set", b"k", b'a b\nA"q']),
    (b"set k 'a \\' \\n'\r\n", [b"set", b"k", b"a ' \\n"]),
    (b'set ab"c d" ""\r\n', [b"set", b"abc d", b""]),
    (b'echo "\\x4"\r\n', [b"echo", b"x4"]),
    (b"echo a\rb\r\n", [b"echo", b"a", b"b"]),
    (b"echo a\0b\r\n", [b"echo", b"a"]),
    (b"echo a\x0bb\r\n", [b"echo", b"a\x0bb"]),
])
def test_inline(line, request_):
    assert Parser().feed(line) == [request_]


PROBLEMS = [
    (b"*x\r\n", "invalid multibulk length"),
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*+1\r\n", "invalid multibulk length"),
    (b"*01\r\n", "invalid multibulk length"),
    (b"*99999999999999999999\r\n", "invalid multibulk length"),
    (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
    (b"*1\r\n\r\n", "expected '$', got ' '"),
    (b"*1\r\n:4\r\n", "expected '$', got ':'"),
    (b"*1\r\n$x\r\n", "invalid bulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    (b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
    (b"*" + b"1" * 65537, "too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 65537, "too big bulk count string"),
    (b"*1\r\n" + b"x" * 65538, "too big bulk count string"),
    (b"a" * 65537, "too big inline request"),
    (b'set "a\r\n', "unbalanced quotes in request"),
    (b'set "a"b\r\n', "unbalanced quotes in request"),
    (b"set 'a\r\n", "unbalanced quotes in request"),
    (b'set "a\\\r\n', "unbalanced quotes in request"),
]


@pytest.mark.parametrize("data, problem", PROBLEMS)
def test_protocol_errors(data, problem):
    assert Parser().feed(data) == ["ERR Protocol error: " + problem]
    slowly = Parser()
    assert until_error(slowly, [data[i:i + 4096] for i in range(0, len(data), 4096)]) == ["ERR Protocol error: " + problem]
    assert slowly.feed(b"") == ["ERR Protocol error: " + problem]      # and stays an error


def test_limits_before_authentication():
    def stranger(data):
        return Parser(authenticated=False).feed(data)
    assert stranger(multibulk([b"x"] * 10)) == [[b"x"] * 10]
    assert stranger(b"*11\r\n") == ["ERR Protocol error: unauthenticated multibulk length"]
    assert stranger(multibulk([b"x" * 16384])) == [[b"x" * 16384]]
    assert stranger(b"*1\r\n$16385\r\n") == ["ERR Protocol error: unauthenticated bulk length"]
