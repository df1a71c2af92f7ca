"""The MessagePack of the cache: what goes in comes out, other implementations agree, and no bytes do harm."""
import datetime
import decimal
import math
import sys
import uuid

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hutch.cache import Json, MsgPack, Pickle, Raw
from hutch_engine.door.msgpack import packed, unpacked

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ours = MsgPack()
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(-100, 100) | st.binary(), inner), max_leaves=25)
rich = st.recursive(
    plain | st.integers() | st.text(st.characters(codec=None)) | st.datetimes(timezones=st.none() | st.just(datetime.timezone.utc)) | st.dates()
    | st.times() | st.timedeltas() | st.decimals(allow_nan=False) | st.uuids() | st.complex_numbers(allow_nan=False) | st.binary().map(bytearray),
    lambda inner: st.tuples(inner, inner) | st.frozensets(st.integers() | st.text()) | st.sets(st.integers()) | st.lists(inner), max_leaves=15)


def same(a, b):
    return type(a) is type(b) and a == b and (type(a) not in (list, tuple) or all(map(same, a, b)))


@patient
@given(plain)
def test_as_the_other_one(value):
    data = ours.dumps(value)
    assert data == msgpack.packb(value) and msgpack.unpackb(data, strict_map_key=False) == value
    assert ours.loads(data) == value


@patient
@given(rich)
def test_what_goes_in_comes_out(value):
    assert same(ours.loads(ours.dumps(value)), value)


@pytest.mark.parametrize("count", [0, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_sizes(count):
    for value in ("x" * count, b"x" * count, [1] * count, {str(n): n for n in range(count)}, tuple(range(count))):
        assert ours.loads(ours.dumps(value)) == value
    if count:
        assert ours.dumps(("x" * count,)) and ours.loads(msgpack.packb([1.5] * count, use_single_float=True)) == [1.5] * count


def test_numbers_at_their_borders():
    for power in (5, 7, 8, 15, 16, 31, 32, 63, 64, 65, 200):
        for value in (1 << power, -(1 << power)):
            for number in (value - 1, value, value + 1):
                assert ours.loads(ours.dumps(number)) == number
                if -(1 << 63) <= number < 1 << 64:
                    assert ours.dumps(number) == msgpack.packb(number)
    assert math.isnan(ours.loads(ours.dumps(math.nan))) and ours.loads(ours.dumps(-0.0)).hex() == "-0x0.0p+0"


def test_timestamps_of_others():
    for moment in (datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc), datetime.datetime(1900, 1, 1, 0, 0, 0, 5, tzinfo=datetime.timezone.utc),
                   datetime.datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=datetime.timezone.utc)):
        assert ours.loads(msgpack.packb(moment, datetime=True)) == moment


@settings(patient, max_examples=500)
@given(st.binary())
def test_any_bytes_are_a_value_or_an_error(data):
    try:
        ours.loads(data)
    except ValueError:
        pass


@settings(patient, max_examples=300)
@given(rich, st.data())
def test_damaged_bytes(value, data):
    raw = bytearray(ours.dumps(value))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    for some in (bytes(raw), bytes(raw[:data.draw(st.integers(0, len(raw)))])):
        try:
            ours.loads(some)
        except ValueError:
            pass


def test_nesting_is_bounded():
    deep = []
    for _ in range(199):
        deep = [deep]
    assert ours.loads(ours.dumps(deep)) == deep
    with pytest.raises(ValueError):
        ours.dumps([deep])
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError):
        ours.dumps(loop)
    tuples = ()
    for _ in range(300):
        tuples = (tuples,)
    with pytest.raises(ValueError):
        ours.dumps(tuples)
    nested = b"\x90"
    for _ in range(3000):                # an extension in an extension, which takes another way down
        nested = msgpack.packb(msgpack.ExtType(1, b"\x91" + nested))
    for data in (b"\x91" * 10_000 + b"\xc0", b"\x81\xc0" * 10_000 + b"\xc0", nested):
        with pytest.raises(ValueError):
            ours.loads(data)


def test_refusals():
    class Text(str):
        pass
    for value in (object(), Text("x"), 1 .__class__, sys, [{1: object()}], {(1,): {2: Ellipsis}}):
        with pytest.raises(TypeError):
            ours.dumps(value)
    for data in (b"", b"\xc1", b"\x01\x02", b"\x81\x90\x01", b"\xdd\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xd4\x63\x00",
                 b"\xd4\x01\x05", b"\xa1\xff"):
        with pytest.raises(ValueError):
            ours.loads(data)
    with pytest.raises(ValueError):
        unpacked(b"\x01", None, 5)
    with pytest.raises(TypeError):
        packed((1,))
    with pytest.raises(TypeError):
        packed((1,), lambda value, depth: (200, b""))
    with pytest.raises(ZeroDivisionError):
        packed((1,), lambda value, depth: 1 / 0)


def test_extend_may_change_what_is_written():
    value = [object(), 1, 2]
    members = {1: object(), 2: 3}

    def extend(it, depth):
        value.clear()
        members.clear()
        return 5, b"x"
    assert packed(value, extend) and packed(members, extend)


def test_the_others():
    for serializer in (Json(), Pickle()):
        assert serializer.loads(serializer.dumps({"a": [1, None, "é\ud800"]})) == {"a": [1, None, "é\ud800"]}
        with pytest.raises(ValueError):
            serializer.loads(b"\xff nonsense")
        with pytest.raises((TypeError, ValueError)):
            serializer.dumps(lambda: 1)
    assert Raw().loads(Raw().dumps(b"x")) == b"x"
    with pytest.raises(TypeError):
        Raw().dumps("x")
    assert ours.loads(ours.dumps([uuid.UUID(int=5), decimal.Decimal("1.10")])) == [uuid.UUID(int=5), decimal.Decimal("1.10")]
