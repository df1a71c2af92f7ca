"""JSON values: texts round-trip, damaged ones are refused, trees change as Python's lists and dicts do, and nothing is left when memory is
refused. (Beside RedisJSON: tests/commands/test_json_oracle.py.)"""
import json
import math
import struct

import pytest
from hypothesis import given, settings, strategies as st

from shims.json import Document, spell

INTEGERS = st.integers(-2**63, 2**64 - 1)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(("x" * 254, "x" * 255, "x" * 300, "seven77", "eight888"))
SCALARS = st.none() | st.booleans() | INTEGERS | DOUBLES | TEXTS
NUMBER_ROWS = st.one_of(*(st.lists(numbers, max_size=12) for numbers in (
    st.integers(-128, 127), st.integers(-2**15, 2**15), st.integers(-2**31, 2**31), st.integers(-2**63, 2**63 - 1), DOUBLES,
    st.integers(0, 100).map(float))))
VALUES = st.recursive(SCALARS | NUMBER_ROWS, lambda values: st.lists(values, max_size=6) | st.dictionaries(TEXTS, values, max_size=30),
                      max_leaves=40)


def text_of(value, **options):
    return json.dumps(value, ensure_ascii=False, **options).encode()


def same(a, b):
    """With 1 and 1.0, and 0.0 and -0.0, kept apart."""
    if isinstance(a, float):
        return isinstance(b, float) and struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    return type(a) is type(b) and a == b


@given(VALUES, st.booleans())
def test_any_value_round_trips(value, ascii_only):
    document = Document()
    document.parse(json.dumps(value, ensure_ascii=ascii_only).encode())
    text = document.text()
    assert same(json.loads(text), value)
    document.parse(text)
    assert document.text() == text                       # the compact text is a fixed point
    assert same(json.loads(document.text(b"  ", b"\n", b" ")), value)
    document.copy()
    assert document.text() == text
    document.free(1)
    assert document.used == 0


def count_of(value):
    return 1 + sum(map(count_of, value.values() if isinstance(value, dict) else value)) if isinstance(value, (dict, list)) else 1


@given(VALUES, st.integers(1, 40))
def test_freeing_in_slices_leaves_nothing(value, steps):
    document = Document()
    document.parse(text_of(value))
    slices = document.free(steps)
    assert document.used == 0
    assert slices <= 1 + count_of(value) // steps


@given(DOUBLES)
def test_doubles_are_spelled_with_the_fewest_digits(value):
    text = spell(value).decode()
    assert struct.pack("d", float(text)) == struct.pack("d", value)

    def digits(spelling):
        mantissa, _, exponent = spelling.lstrip("-").partition("e")
        whole, _, places = mantissa.partition(".")
        return (whole + places).strip("0")

    assert digits(text) == digits(repr(value))
    assert ("e" in text) == (value != 0 and not 1e-5 <= abs(value) < 1e16)
    assert "e" in text or "." in text


@pytest.mark.parametrize("value, text", (
    (1.0, b"1.0"), (-0.0, b"-0.0"), (1e15, b"1000000000000000.0"), (1e16, b"1e16"), (1e-5, b"0.00001"), (1e-6, b"1e-6"),
    (1.5e-7, b"1.5e-7"), (5e-324, b"5e-324"), (1.7976931348623157e308, b"1.7976931348623157e308"), (123456.789, b"123456.789")))
def test_doubles_as_serde_json_spells_them(value, text):
    assert spell(value) == text


# What the module said of them; the line and the column count what was read.
FAULTS = {
    b"": "EOF while parsing a value at line 1 column 0", b"  ": "EOF while parsing a value at line 1 column 2",
    b"[": "EOF while parsing a list at line 1 column 1", b"{": "EOF while parsing an object at line 1 column 1",
    b'{"a"': "EOF while parsing an object at line 1 column 4", b'{"a":': "EOF while parsing a value at line 1 column 5",
    b"[1,2,]": "trailing comma at line 1 column 6", b'{"a":1,}': "trailing comma at line 1 column 8",
    b"[1 2]": "expected `,` or `]` at line 1 column 4", b"{1:2}": "key must be a string at line 1 column 2",
    b"01": "invalid number at line 1 column 2", b"1.": "EOF while parsing a value at line 1 column 2",
    b".5": "expected value at line 1 column 1", b"1E400": "number out of range at line 1 column 5", b"nul": "EOF while parsing a value at line 1 column 3",
    b'"a': "EOF while parsing a string at line 1 column 2", b'"\\q"': "invalid escape at line 1 column 3",
    b'"\x01"': "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 2",
    b'"\\ud83d"': "unexpected end of hex escape at line 1 column 8", b'"\\udc00a"': "lone leading surrogate in hex escape at line 1 column 7",
    b"[1,\n 2,\n x]": "expected value at line 3 column 2", b"[" * 128: "recursion limit exceeded at line 1 column 128",
}


@pytest.mark.parametrize("text", FAULTS, ids=repr)
def test_faults_are_told_with_their_place(text):
    document = Document()
    with pytest.raises(ValueError) as refused:
        document.parse(text)
    assert str(refused.value) == FAULTS[text]
    assert document.used == 0


@given(VALUES, st.data())
def test_damaged_texts_are_refused_or_read(value, data):
    """Whatever is cut, put in or changed: an error or a value, and nothing is left behind."""
    text = bytearray(text_of(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        how = data.draw(st.integers(0, 2))
        piece = data.draw(st.sampled_from((b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\", b"\\u", b"0", b"e", b"-", b".", b"\x00", b"\xff",
                                           b"null", b'{"a":')))
        if how == 0:
            del text[at:at + data.draw(st.integers(1, 4))]
        else:
            text[at:at + how - 1] = piece
    document = Document()
    try:
        document.parse(bytes(text))
    except ValueError:
        return
    again = document.text()
    document.parse(again)
    assert document.text() == again


@given(st.binary(max_size=40))
def test_any_bytes(text):
    document = Document()
    try:
        document.parse(text)
    except ValueError:
        assert document.used == 0


def test_depth():
    document = Document()
    document.parse(b"[" * 127 + b"]" * 127)
    assert document.text() == b"[" * 127 + b"]" * 127
    document.parse(b'{"a":' * 500 + b"1" + b"}" * 500, depth=512)
    assert document.text() == b'{"a":' * 500 + b"1" + b"}" * 500
    document.copy()
    document.free(3)
    assert document.used == 0


def test_names_that_come_twice():
    document = Document()
    document.parse(b'{"a":1,"a":2,"b":3,"a":4}')
    assert document.text() == b'{"a":4,"b":3}'
    many = {f"name number {n % 40}": n for n in range(100)}
    document.parse(b"{" + b",".join(b'"name number %d":%d' % (n % 40, n) for n in range(100)) + b"}")
    assert json.loads(document.text()) == many and list(json.loads(document.text())) == list(many)


def test_memory():
    """What an element, a member and a shared name take."""
    document = Document()
    document.parse(text_of([math.pi * n for n in range(1000)]))
    assert document.memory <= 9000
    document.parse(text_of(list(range(100))))
    assert document.memory <= 2 * 100
    document.parse(text_of([{"a rather long name of a member": n, "and another one of these": n} for n in range(1000)]))
    assert document.memory < 1000 * 60
    person = {"id": 12345, "name": "Alice Johnson", "email": "alice.johnson@example.com", "active": True, "balance": 2543.75,
              "tags": ["premium", "verified"], "address": {"street": "123 Main Street", "city": "Springfield", "zip": "62704"}}
    document.parse(text_of(person, separators=(",", ":")))
    assert document.memory <= 2 * len(text_of(person, separators=(",", ":")))


# ---- changes

@settings(max_examples=150)
@given(NUMBER_ROWS | st.lists(SCALARS, max_size=6), st.lists(st.tuples(st.sampled_from(("insert", "replace", "remove")), st.integers(0, 30),
                                                                      SCALARS | st.integers(-200, 200)), max_size=12))
def test_arrays_change_as_lists_do(row, changes):
    document, model = Document(), list(row)
    document.parse(text_of(row))
    for how, at, value in changes:
        if how == "insert":
            at %= len(model) + 1
            document.insert(at, text_of(value))
            model.insert(at, value)
        elif model:
            at %= len(model)
            if how == "replace":
                document.replace(at, text_of(value))
                model[at] = value
            else:
                document.remove(at)
                del model[at]
        assert same(json.loads(document.text()), model)
    document.free(2)
    assert document.used == 0


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), SCALARS), max_size=120))
def test_objects_change_as_dicts_do(changes):
    """The last member takes the place of one that goes, as in the module."""
    document, model = Document(), []
    document.parse(b"{}")
    for puts, number, value in changes:
        name = f"n{number}" if number % 2 else f"a longer name {number}"
        position = next((at for at, (known, _) in enumerate(model) if known == name), None)
        if puts:
            document.put(name.encode(), text_of(value))
            if position is None:
                model.append((name, value))
            else:
                model[position] = (name, value)
        else:
            assert document.take(name.encode()) == (position is not None)
            if position is not None:
                model[position] = model[-1]
                model.pop()
    assert same(json.loads(document.text()), dict(model))
    document.free(2)
    assert document.used == 0


@settings(max_examples=100)
@given(VALUES, st.integers(0, 12))
def test_refused_memory_leaves_things_as_they_were(value, allocations):
    document = Document()
    document.parse(text_of(value))
    text, used = document.text(), document.used
    for change in (document.copy, lambda: document.parse(text)):
        document.refuse_after(allocations)
        try:
            change()
        except MemoryError:
            assert document.used == used
        document.refuse_nothing()
        assert document.text() == text
    document.free()
    assert document.used == 0
