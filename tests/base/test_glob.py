"""Glob matching against a plain recursive matcher and against Redis 8.2."""
import random
import time

import pytest
from hypothesis import example, given, settings, strategies as st

from shims.glob import is_literal, matches


def tokens_of(pattern):
    """The pattern as a list of "*" and of predicates on (byte, ignore_case)."""
    tokens = []
    i = 0
    while i < len(pattern):
        c = pattern[i]
        i += 1
        if c == ord("*"):
            tokens.append("*")
        elif c == ord("?"):
            tokens.append(lambda byte, ignore: True)
        elif c == ord("["):
            inverted = pattern[i:i + 1] == b"^"
            i += inverted
            parts = []
            while i < len(pattern) and pattern[i] != ord("]"):
                if pattern[i] == ord("\\") and i + 1 < len(pattern):
                    parts.append(("exactly", pattern[i + 1]))
                    i += 2
                elif i + 2 < len(pattern) and pattern[i + 1] == ord("-"):
                    parts.append(("range", pattern[i], pattern[i + 2]))
                    i += 3
                else:
                    parts.append(("byte", pattern[i]))
                    i += 1
            i += 1
            tokens.append(lambda byte, ignore, parts=parts, inverted=inverted:
                          inverted != any(part_matches(part, byte, ignore) for part in parts))
        else:
            if c == ord("\\") and i < len(pattern):
                c = pattern[i]
                i += 1
            tokens.append(lambda byte, ignore, c=c: lower(byte, ignore) == lower(c, ignore))
    return tokens


def lower(byte, ignore):
    return byte + 32 if ignore and ord("A") <= byte <= ord("Z") else byte


def signed(byte):
    return byte - 256 if byte > 127 else byte


def part_matches(part, byte, ignore):
    if part[0] == "exactly":
        return part[1] == byte
    if part[0] == "byte":
        return lower(part[1], ignore) == lower(byte, ignore)
    first, last = sorted((signed(part[1]), signed(part[2])))
    return lower(first, ignore) <= lower(signed(byte), ignore) <= lower(last, ignore)


def model(pattern, text, ignore=False):
    if not text:
        return not pattern
    tokens = tokens_of(pattern)
    reached = {0}                                  # positions in the text, token by token
    for token in tokens:
        if token == "*":
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(text) and token(text[at], ignore)}
    return len(text) in reached


alphabet = "ab" * 4 + "AzZ01" + "**??[[]]^^--\\\\" + "\0\x7f"
patterns = st.one_of(
    st.text(alphabet=alphabet, max_size=12).map(lambda s: s.encode("latin-1")),
    st.lists(st.sampled_from(["*", "**", "?", "[a-b]", "[^a]", "[b-a]", "[a", "[^", "[", "]", "[]", "[\\]]", "\\",
                              "\\*", "a", "b", "[a-]", "[a-]]", "[Z-a]", "[\\a-b]", "[a-\\]", "-", "[^^]", "\xff",
                              "[\x80-\xff]", "[a-\xff]", "[]a]", "[--a]"]), max_size=6)
    .map(lambda parts: "".join(parts).encode("latin-1")),
    st.binary(max_size=8),
)
texts = st.one_of(st.text(alphabet="abAZz]-\\*^\0[\xff\x80", max_size=8).map(lambda s: s.encode("latin-1")),
                  st.binary(max_size=8))


@settings(max_examples=3000, deadline=None)
@given(patterns, texts, st.booleans())
@example(b"*", b"", False)
@example(b"", b"", False)
@example(b"", b"a", False)
@example(b"[", b"a", False)
@example(b"[^", b"a", False)
@example(b"[Z-a]", b"[", True)
@example(b"[\\A]", b"a", True)
def test_against_the_model(pattern, text, ignore):
    assert matches(pattern, text, ignore) == model(pattern, text, ignore)


@pytest.mark.parametrize("pattern, text, answer", [
    (b"h?llo", b"hello", True), (b"h*llo", b"heeeello", True), (b"h[ae]llo", b"hillo", False),
    (b"h[^e]llo", b"hallo", True), (b"h[a-b]llo", b"hcllo", False), (b"h\\*llo", b"h*llo", True),
    (b"a**", b"a", True), (b"*a*", b"a", True), (b"**", b"", False), (b"a\\", b"a\\", True),
    (b"[a\\", b"\\", True), (b"[a-", b"-", True), (b"[a-", b"a", True), (b"[b-a]", b"a", True),
    (b"[a-]", b"b", False), (b"[a-]", b"_", True),
])
def test_examples(pattern, text, answer):
    assert matches(pattern, text) == answer


def test_literal():
    assert is_literal(b"") and is_literal(b"user:{1}]^-") and is_literal(b"\0")
    for special in (b"a*", b"?", b"x[y", b"a\\b"):
        assert not is_literal(special)


def test_hostile_patterns_end():
    text = b"a" * 3000
    start = time.process_time()
    assert not matches(b"a*" * 900 + b"b", text)
    assert not matches(b"*?" * 900 + b"[^a]", text)
    assert matches(b"*a" * 1000, text)
    assert not matches(b"*a" * 1001, text)         # Redis gives up here
    assert matches(b"*a" * 1000 + b"*", text)
    assert not matches(b"*" * 100_000 + b"b", text)
    assert time.process_time() - start < 2


def _match_of(oracle, pattern):
    """KEYS, but without its short cut for the pattern "*"."""
    return set(oracle.ask("SSCAN", "texts", 0, "MATCH", pattern, "COUNT", 1_000_000)[1])


def test_as_redis_matches(oracle):
    chance = random.Random(4)
    letters = [bytes([byte]) for byte in b"aabbAZz01]-\\*^[\0\x7f\x80\xff"]
    special = letters + [b"*", b"?", b"[", b"]", b"^", b"-", b"\\"] * 3
    words = {b"".join(chance.choices(letters, k=chance.randrange(7))) for _ in range(1500)} | {b""}
    oracle.ask("DEL", "texts")
    oracle.ask("SADD", "texts", *words)
    cases = [b"*", b"**", b"", b"[", b"[^", b"[a", b"[a-", b"[a-]", b"[]", b"[^]", b"\\", b"a\\", b"[\\", b"[a\\",
             b"[\\]]", b"[a-\\]", b"[\xff-a]", b"[a-\xff]", b"[\x80-\xff]*", b"*[^a]*", b"?*?", b"\0*"]
    cases += [b"".join(chance.choices(special, k=chance.randrange(1, 9))) for _ in range(1500)]
    for pattern in cases:
        if pattern == b"*":              # SSCAN asks nobody about this one
            continue
        assert {word for word in words if matches(pattern, word)} == _match_of(oracle, pattern), pattern
    oracle.ask("DEL", "texts")


def test_case_ignored_as_redis_does(oracle):
    names = oracle.ask("COMMAND", "LIST")
    chance = random.Random(5)
    letters = [bytes([byte]) for byte in b"aegstzAEGSTZ|-_[]^^**??\\"] + [b"[A-", b"[z-", b"[Z-a]", b"[\\S", b"[^a-M]"]
    for _ in range(1500):
        pattern = b"".join(chance.choices(letters, k=chance.randrange(1, 7))) + chance.choice([b"*", b"", b"?*"])
        reply = oracle.ask("COMMAND", "LIST", "FILTERBY", "PATTERN", pattern)
        assert {name for name in names if matches(pattern, name, True)} == set(reply), pattern


def test_redis_gives_up_behind_a_thousand_stars(oracle):
    oracle.ask("DEL", "texts")
    oracle.ask("SADD", "texts", b"a" * 1200)
    for pattern in (b"*a" * 1000, b"*a" * 1001, b"*a" * 1000 + b"*", b"*a" * 1001 + b"*", b"?*" * 1001, b"?*" * 1002):
        assert matches(pattern, b"a" * 1200) == bool(_match_of(oracle, pattern)), len(pattern)
    oracle.ask("DEL", "texts")
