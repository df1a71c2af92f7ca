"""Keys of calls: the same for the same call, another one for every other."""
import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections import namedtuple

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hutch.cache import CacheKeyError, key_text
from hutch.cache.keys import CallKeys, whole_key
from hutch_engine.door.cached_calls import plain_key

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.dates() | st.uuids()
arguments = st.recursive(atoms, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3)
                         | st.frozensets(st.integers() | st.text()), max_leaves=8)


def normal(value):
    """What two arguments have to share to be the same one."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(map(normal, value))
    if isinstance(value, dict):
        return "dict", frozenset((normal(name), normal(member)) for name, member in value.items())
    if isinstance(value, frozenset):
        return "set", frozenset(map(normal, value))
    if isinstance(value, float):
        return "float", repr(value)
    return type(value).__name__, value


def f(a, b=2, *rest, c=3, **others):
    pass


@settings(patient, max_examples=400)
@given(st.lists(arguments, max_size=3), st.lists(arguments, max_size=3))
def test_other_arguments_another_key(first, second):
    keys = CallKeys(lambda *args: None, b"p")
    assert (keys(tuple(first), {}) == keys(tuple(second), {})) == (normal(first) == normal(second))


words = st.none() | st.booleans() | st.integers() | st.text() | st.text("abc'\\,() ") | st.text(min_size=100, max_size=300)


@settings(patient, max_examples=400)
@given(st.lists(words, max_size=4))
def test_the_compiled_way_makes_the_same_key(arguments):
    quick = plain_key(b"some.prefix", tuple(arguments))
    slow = whole_key(b"some.prefix", map(key_text, arguments))
    assert quick in (None, slow) and len(slow) <= 240
    if all(type(word) is not str or (word.isascii() and len(word) < 10 and not set(word) & {"'", "\\"}) for word in arguments) and all(
            type(word) is not int or -(1 << 63) <= word < 1 << 63 for word in arguments):
        assert quick == slow


@patient
@given(st.integers(), st.integers(), st.integers())
def test_however_it_is_called(a, b, c):
    keys = CallKeys(f, b"f")
    assert keys((a, b), {"c": c}) == keys((a,), {"c": c, "b": b}) == keys((), {"c": c, "b": b, "a": a})
    assert keys((a,), {}) == keys((a, 2), {}) == keys((a, 2), {"c": 3})
    assert keys((a, b), {"x": 1, "y": 2}) == keys((a, b), {"y": 2, "x": 1})
    assert len({keys((a, b, c), {}), keys((a, b), {"c": c}), keys((a, b), {"z": c}), keys((a, b), {"c": f"{c}"})}) == (3 if c == 3 else 4)


def test_texts():
    class Colour(enum.Enum):
        RED = 1

    class Small(enum.IntEnum):
        ONE = 1

    @dataclasses.dataclass
    class Point:
        x: int
        note: str = dataclasses.field(default="", compare=False)

    class Own:
        def __cache_key__(self):
            return (1, "x")

    class Text(str):
        pass
    Pair = namedtuple("Pair", "a b")
    values = [1, True, 1.0, "1", b"1", "True", None, "None", (1,), [1], {1}, {1: 1}, Colour.RED, Small.ONE, Point(1), Own(), Pair(1, 2), (1, 2), int, "int",
              Text("1"), datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), decimal.Decimal(1), uuid.UUID(int=1), pathlib.PurePosixPath("1"), 1 << 64,
              -(1 << 64), range(3), 1j, bytearray(b"1"), (), [], {}, set(), "", "(1)", ((1,), 2), (1, (2,)), "'", "\\", "\\'", "','"]
    texts = [key_text(value) for value in values]
    assert len(set(texts)) == len(texts)
    assert key_text(Point(1, "a")) == key_text(Point(1, "b")) and key_text({2, 1}) == key_text({1, 2})


def test_refused_with_a_reason():
    class Plain:
        pass
    loop = []
    loop.append(loop)
    for value in (Plain(), lambda: 1, [Plain()], loop, iter([])):
        with pytest.raises(CacheKeyError, match="key="):
            key_text(value)
    with pytest.raises(CacheKeyError, match="does not have"):
        CallKeys(f, b"f", ignore=["nobody"])
    with pytest.raises(TypeError, match="argument"):
        CallKeys(f, b"f")((), {})
    ignoring = CallKeys(lambda session, number: None, b"g", ignore=["session"])
    assert ignoring((Plain(), 1), {}) == ignoring((Plain(), 1), {})
