"""JSONPath on any document finds what a simple evaluator in Python finds, and whatever the text of a path is, nothing but values or a
complaint comes of it. Regular expressions match what Python's do."""
import json
import re

import pytest
from hypothesis import example, given, settings, strategies as st

from shims.json import Document, find, search

NAMES = st.sampled_from(("a", "b", "c", "long_name_of_a_member", "two words", "\u00e9", "it's", 'quo"te', "back\\slash", ""))
PLAIN = ("a", "b", "c", "long_name_of_a_member")
SCALARS = st.none() | st.booleans() | st.integers(-20, 20) | st.sampled_from((0.5, 1.0, -2.25, 10.0)) | st.sampled_from(
    ("", "x", "xyz", "a longer text", "10"))
DOCUMENTS = st.recursive(SCALARS, lambda values: st.lists(values, max_size=5) | st.dictionaries(NAMES, values, max_size=5), max_leaves=25)

# ---- paths as data: (kind, ..., does it descend), and filters as nested tuples

INDEXES = st.integers(-6, 6)
TERMS = st.one_of(
    st.tuples(st.just("current"), st.lists(st.deferred(lambda: SIMPLE_STEPS), max_size=2)),
    st.tuples(st.just("root"), st.lists(st.deferred(lambda: SIMPLE_STEPS), max_size=2)),
    st.tuples(st.just("value"), SCALARS))
SIMPLE_STEPS = st.one_of(
    st.tuples(st.just("name"), NAMES), st.tuples(st.just("index"), st.lists(INDEXES, min_size=1, max_size=1)), st.tuples(st.just("all")))
FILTERS = st.recursive(
    st.one_of(st.tuples(st.just("there"), TERMS),
              st.tuples(st.sampled_from(("==", "!=", "<", "<=", ">", ">=")), TERMS, TERMS)),
    lambda filters: st.tuples(st.sampled_from(("and", "or")), filters, filters), max_leaves=4)
STEPS = st.one_of(
    SIMPLE_STEPS, st.tuples(st.just("names"), st.lists(NAMES, min_size=2, max_size=3)),
    st.tuples(st.just("index"), st.lists(INDEXES, min_size=1, max_size=3)),
    st.tuples(st.just("slice"), st.none() | INDEXES, st.none() | INDEXES, st.none() | st.integers(1, 3)),
    st.tuples(st.just("filter"), FILTERS))
PATHS = st.lists(st.tuples(STEPS, st.booleans()), max_size=3)


def quoted(name):
    quote = "'" if '"' in name else '"'
    return quote + name.replace("\\", "\\\\") + quote


def text_of_term(term):
    if term[0] == "value":
        return quoted(term[1]) if isinstance(term[1], str) else json.dumps(term[1])
    return {"current": "@", "root": "$"}[term[0]] + "".join(text_of_step(step, False) for step in term[1])


def text_of_filter(how):
    if how[0] == "there":
        return text_of_term(how[1])
    if how[0] in ("and", "or"):
        return f"({text_of_filter(how[1])}) {'&&' if how[0] == 'and' else '||'} ({text_of_filter(how[2])})"
    return text_of_term(how[1]) + how[0] + text_of_term(how[2])


def text_of_step(step, descends):
    dots = ".." if descends else ""
    kind = step[0]
    if kind == "name" and step[1] in PLAIN:
        return (dots or ".") + step[1]
    if kind == "all":
        return (dots or ".") + "*"
    if kind == "name":
        inside = quoted(step[1])
    elif kind == "names":
        inside = ", ".join(map(quoted, step[1]))
    elif kind == "index":
        inside = ",".join(map(str, step[1]))
    elif kind == "slice":
        start, end, by = ("" if part is None else str(part) for part in step[1:])
        inside = f"{start}:{end}" + (f":{by}" if by else "")
    else:
        inside = f"?({text_of_filter(step[1])})"
    return f"{dots}[{inside}]"


def text_of_path(path):
    return "$" + "".join(text_of_step(step, descends) for step, descends in path)


# ---- the evaluator

def children(value):
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def clamped(index, count):
    return index if index >= 0 else max(index + count, 0)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def loosely(value):
    """With numbers as numbers, and truth values apart from them."""
    if isinstance(value, bool) or value is None:
        return (type(value).__name__, value)
    if isinstance(value, list):
        return [loosely(item) for item in value]
    if isinstance(value, dict):
        return {name: loosely(item) for name, item in value.items()}
    return float(value) if is_number(value) else value


NOTHING = object()


def value_of(term, current, root):
    if term[0] == "value":
        return term[1]
    found = [current if term[0] == "current" else root]
    for step in term[1]:
        found = [value for each in found for value in apply(step, each, root)]
    return found[0] if len(found) == 1 else NOTHING


def holds(how, current, root):
    if how[0] == "there":
        return value_of(how[1], current, root) is not NOTHING
    if how[0] == "and":
        return holds(how[1], current, root) and holds(how[2], current, root)
    if how[0] == "or":
        return holds(how[1], current, root) or holds(how[2], current, root)
    a, b = value_of(how[1], current, root), value_of(how[2], current, root)
    comparable = a is not NOTHING and b is not NOTHING and (
        is_number(a) and is_number(b) or type(a) is type(b) and not isinstance(a, (list, dict)))
    if how[0] in ("==", "!="):
        equal = a is not NOTHING and b is not NOTHING and loosely(a) == loosely(b)
        return equal == (how[0] == "==")
    if not comparable:
        return False
    if a is None:
        return how[0] in ("<=", ">=")
    if isinstance(a, str):
        a, b = a.encode(), b.encode()
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[how[0]]


def apply(step, value, root):
    kind = step[0]
    if kind in ("name", "names"):
        names = [step[1]] if kind == "name" else step[1]
        return [value[name] for name in names if isinstance(value, dict) and name in value]
    if kind == "all":
        return children(value)
    if kind == "filter":
        if not isinstance(value, (list, dict)):
            return [value] if holds(step[1], value, root) else []
        return [item for item in children(value) if holds(step[1], item, root)]
    if not isinstance(value, list):
        return []
    if kind == "index":
        places = [clamped(index, len(value)) for index in step[1]]
        return [value[place] for place in places if place < len(value)]
    start, end, by = step[1:]
    start = 0 if start is None else clamped(start, len(value))
    end = len(value) if end is None else min(clamped(end, len(value)), len(value))
    return value[start:end:by or 1] if start < end else []


def walk(path, value, root):
    if not path:
        return [value]
    (step, descends), rest = path[0], path[1:]
    found = [result for item in apply(step, value, root) for result in walk(rest, item, root)]
    if descends:
        for item in children(value):
            found += walk(path, item, root)
    return found


@settings(max_examples=500, deadline=None)
@given(DOCUMENTS, PATHS)
@example({"x": 30, "y": [50]}, [(("filter", (">", ("current", []), ("value", 20))), True)])
def test_paths_find_what_a_simple_evaluator_finds(value, path):
    document = Document()
    document.parse(json.dumps(value).encode())
    text = text_of_path(path)
    legacy, found = find(document, text.encode())
    assert not legacy
    # With their types and the order of members: 1 is not 1.0 and not True.
    assert [json.dumps(json.loads(item)) for item in found] == [json.dumps(item) for item in walk(path, value, value)], text


@settings(deadline=None)
@given(DOCUMENTS, PATHS)
def test_legacy_paths_are_the_same_without_the_dollar(value, path):
    document = Document()
    document.parse(json.dumps(value).encode())
    text = text_of_path(path)
    if text[1:2] == "." or text == "$":
        assert find(document, text[1:].encode() or b".") == (True, find(document, text.encode())[1])


@settings(max_examples=500, deadline=None)
@given(DOCUMENTS, PATHS, st.data())
def test_damaged_paths_are_refused_or_followed(value, path, data):
    document = Document()
    document.parse(json.dumps(value).encode())
    text = text_of_path(path)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.sampled_from(("", "[", "]", "(", ")", "?", "@", "$", ".", "..", "'", '"', "\\", ":", ",", "&&", "||", "=~", "==",
                                           "*", " ", "-", "0", "9" * 25, "\u00e9", "true", "null")))
        text = text[:at] + piece + text[at + data.draw(st.integers(0, 2)):]
    try:
        find(document, text.encode())
    except ValueError as wrong:
        assert str(wrong).startswith("Error occurred on position ")


@given(st.binary(max_size=30))
def test_any_bytes_as_a_path(path):
    document = Document()
    document.parse(b'{"a":[1,{"b":2}]}')
    try:
        find(document, path)
    except ValueError:
        pass


def test_paths_are_bounded():
    document = Document()
    document.parse(b'{"a":[1,{"b":2}]}')
    assert find(document, b"$" + b".a" * 1000)[1] == []
    for path in (b"$" + b".a" * 5000, b"$[?(" * 20 + b"@" + b")]" * 20, b"$[?" + b"(" * 1000 + b"@" + b")" * 1000 + b"]",
                 b"$[?@" + b"[?@" * 50 + b"]" * 51):
        with pytest.raises(ValueError):
            find(document, path)
    assert find(document, b"$.a[?" + b"||".join([b"@==2"] * 300) + b"||@==1]")[1] == [b"1"]


# What the module said of them.
@pytest.mark.parametrize("path, fault", (
    (b"$.", """Error occurred on position 2, "$. <<<<----", expected one of the following: <string>, '*'."""),
    (b"$.a[", """Error occurred on position 4, "$.a[ <<<<----", expected one of the following: '<string>[,<string>,...]', '<number>', """
              """['start:end:steps'], '*'."""),
    (b"$.a b", """Error occurred on position 4, "$.a  ---->>>> b", expected one of the following: EOI, '..'."""),
    (b"$[00]", """Error occurred on position 2, "$[ ---->>>> 00]", expected one of the following: ['start:end:steps']."""),
    (b"$.b[::0]", """Error occurred on position 6, "$.b[:: ---->>>> 0]", expected one of the following: pos_number."""),
    (b"$[?(@.p=)]", """Error occurred on position 7, "$[?(@.p ---->>>> =)]", expected one of the following: ge, gt, le, lt, eq, ne, re, """
                    """and, or, '..'."""),
    (b"$[?(@.p==1]", """Error occurred on position 10, "$[?(@.p==1 ---->>>> ]", expected one of the following: and, or."""),
    (b"a[", """Error occurred on position 4, "$.a[ <<<<----", expected one of the following: '<string>[,<string>,...]', '<number>', """
            """['start:end:steps'], '*'.""")))
def test_what_is_wrong_is_told(path, fault):
    document = Document()
    document.parse(b"{}")
    with pytest.raises(ValueError) as refused:
        find(document, path)
    assert str(refused.value) == fault


# ---- regular expressions

ATOMS = st.sampled_from(("a", "b", "ab", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\s", "(a|b)", "(?:ab|c)", r"\.", "^", "$", r"\b", "x", "1"))
PATTERNS = st.lists(st.tuples(ATOMS, st.sampled_from(("", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "*?", "+?"))), max_size=5).map(
    lambda pieces: "".join(atom + ("" if atom in ("^", "$", r"\b") else times) for atom, times in pieces))


@settings(max_examples=1000, deadline=None)
@given(PATTERNS, PATTERNS, st.booleans(), st.text("abcx1. \n", max_size=12))
def test_regular_expressions_match_what_python_s_do(one, other, both, text):
    pattern = f"{one}|{other}" if both else one
    wanted = re.search(pattern.replace("$", r"\Z"), text, re.ASCII) is not None
    assert search(pattern.encode(), text.encode()) == wanted


@pytest.mark.parametrize("pattern, text, found", (
    ("(?i)ABC", "xabcx", True), ("(?i:A)b", "ab", True), ("(?i:A)b", "aB", False), ("(?i)[a-c]+$", "ABC", True), ("(?s)a.b", "a\nb", True),
    ("a.b", "a\nb", False), ("(?m)^b$", "a\nb\nc", True), ("^b$", "a\nb\nc", False), (r"\x41\u0042\x{43}", "ABC", True), ("[[:alpha:]]+1", "ab1", True),
    ("[[:^digit:]]", "1", False), ("\u00e9", "caf\u00e9", True), (r"^\w+$", "caf\u00e9", True), ("^.{4}$", "caf\u00e9", True), ("(?P<n>a)b", "ab", True),
    ("(?<n>a)b", "ab", True), ("(", "(", None), ("*a", "a", None), ("[", "[", None), ("a{2,1}", "aa", None), (r"\q", "q", None), (r"(a)\1", "aa", None),
    ("(?=a)", "a", None), ("a{1001}", "a", None), ("(a{100}){100}", "a", None), ("[z-a]", "z", None), ("", "", True), ("a||b", "", True),
    (r"\bfoo\b", "a foo b", True), (r"\bfoo\b", "afoo", False), (r"\Aa\z", "a", True), ("(a*)*b", "a" * 50, False), ("(a|a)*b", "a" * 50, False)))
def test_regular_expressions_of_rust(pattern, text, found):
    assert search(pattern.encode(), text.encode()) is found


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_as_a_regular_expression(pattern, text):
    assert search(pattern.encode(errors="replace"), text.encode(errors="replace")) in (None, True, False)
