"""structures/listpack against a Python list, an encoder of its own, and the bytes that Redis makes."""
import random as python_random

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shims.listpack import Pack, element_bytes, is_valid

# On both sides of every border between encodings, and what looks like a number but is none.
NUMBERS = sorted({sign * (1 << bits) + offset for bits in (0, 6, 7, 12, 15, 16, 23, 24, 31, 32, 63)
                  for sign in (1, -1) for offset in (-1, 0, 1)} & set(range(-2**15, 2**15 + 2))
                 | {sign * (1 << bits) + offset for bits in (15, 23, 31, 62, 63)
                    for sign in (1, -1) for offset in (-2, -1, 0, 1)})
NUMBERS = [n for n in NUMBERS if -2**63 <= n < 2**63]
ODD = [b"", b"-", b"-0", b"+1", b"007", b" 1", b"1 ", b"1.0", b"0x1", b"9223372036854775808", b"-9223372036854775809",
       b"99999999999999999999", b"-99999999999999999999", b"184467440737095516150", b"1\0", b"\xff", b"\0"]
LENGTHS = [1, 2, 20, 21, 61, 62, 63, 64, 65, 122, 123, 124, 125, 126, 127, 128, 4094, 4095, 4096, 4097]
HUGE_LENGTHS = [16376, 16377, 16378, 16379, 16380, 2097144, 2097145, 2097146, 2097147]


def letters(length, serial=0):
    return (b"x%d" % serial + b"y" * length)[:length]


texts = st.one_of(
    st.sampled_from(NUMBERS).map(lambda n: b"%d" % n),
    st.sampled_from(ODD),
    st.binary(max_size=8),
    st.integers(-2**63, 2**63 - 1).map(lambda n: b"%d" % n),
    st.builds(letters, st.sampled_from(LENGTHS), st.integers(0, 3)),
)


def integer_of(text):
    try:
        value = int(text)
    except ValueError:
        return None
    return value if b"%d" % value == text and -2**63 <= value < 2**63 else None


def encode_element(text):
    value = integer_of(text)
    if value is None:
        size = len(text)
        if size < 64:
            body = bytes([0x80 | size]) + text
        elif size < 4096:
            body = bytes([0xE0 | size >> 8, size & 255]) + text
        else:
            body = b"\xf0" + size.to_bytes(4, "little") + text
    elif 0 <= value < 128:
        body = bytes([value])
    elif -4096 <= value < 4096:
        body = (0xC000 | value & 0x1FFF).to_bytes(2, "big")
    else:
        for code, width in ((0xF1, 2), (0xF2, 3), (0xF3, 4), (0xF4, 8)):
            if -1 << width * 8 - 1 <= value < 1 << width * 8 - 1:
                body = bytes([code]) + value.to_bytes(width, "little", signed=True)
                break
    size = len(body)
    back = [size & 127]
    # Redis spends one byte more on the last length of each width.
    width = 1 if size <= 127 else 2 if size < 16383 else 3 if size < 2097151 else 4
    while len(back) < width:
        size >>= 7
        back[-1] |= 0 if len(back) == 1 else 128
        back.append(size & 127)
    if width > 1:
        back = [b | 128 for b in back[:-1]] + [back[-1]]
    return body + bytes(reversed(back))


def encode(items, count=None):
    body = b"".join(map(encode_element, items))
    count = min(len(items), 65535) if count is None else count
    return (len(body) + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff"


class ListpackMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.real = Pack()
        self.model = []
        self.refused = False

    def index(self, data):
        return data.draw(st.integers(-len(self.model), len(self.model) - 1))

    @rule(refuse=st.booleans())
    def memory(self, refuse):
        self.refused = refuse
        self.real.refuse(refuse)

    @rule(text=texts, front=st.booleans())
    def push(self, text, front):
        if self.real.prepend(text) if front else self.real.append(text):
            self.model.insert(0 if front else len(self.model), text)
        else:
            assert self.refused

    @rule(items=st.lists(texts, max_size=20))
    def push_many(self, items):
        for item in items:
            self.push(item, False)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=texts, after=st.booleans())
    def insert(self, data, text, after):
        index = self.index(data) % len(self.model)
        at = self.real.insert(index, text, after)
        if at is None:
            assert self.refused
            return
        assert at == index + after
        self.model.insert(at, text)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=texts)
    def replace(self, data, text):
        index = self.index(data) % len(self.model)
        at = self.real.replace(index, text)
        if at is None:
            assert self.refused
            return
        assert at == index
        self.model[index] = text

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data):
        index = self.index(data) % len(self.model)
        following = self.real.delete(index)
        del self.model[index]
        assert following == (index if index < len(self.model) else None)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), count=st.integers(0, 30))
    def delete_run(self, data, count):
        index = self.index(data) % len(self.model)
        following = self.real.delete_run(index, count)
        del self.model[index:index + count]
        assert following == (index if index < len(self.model) else None)

    @rule(index=st.integers(-40, 40), count=st.integers(0, 40))
    def delete_range(self, index, count):
        self.real.delete_range(index, count)
        if -len(self.model) <= index < len(self.model):
            index %= len(self.model)
            del self.model[index:index + count]

    @rule(items=st.lists(texts, max_size=10))
    def append_pack(self, items):
        if self.real.append_pack(Pack(encode(items))):
            self.model += items
        else:
            assert self.refused

    @rule(index=st.integers(-40, 40))
    def seek(self, index):
        inside = -len(self.model) <= index < len(self.model)
        assert self.real.seek(index) == (index % len(self.model) if inside else None)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), text=texts, skip=st.integers(0, 2), known=st.booleans())
    def find(self, data, text, skip, known):
        start = self.index(data) % len(self.model)
        if known:
            text = data.draw(st.sampled_from(self.model))
        expected = None
        for index in range(start, len(self.model), skip + 1):
            if self.model[index] == text:
                expected = index
                break
        assert self.real.find(text, start, skip) == expected
        assert self.real.is_at(start, text) == (self.model[start] == text)

    @rule()
    def copy(self):
        copied = self.real.copy_bytes()
        assert copied == self.real.bytes if copied is not None else self.refused

    @invariant()
    def same(self):
        self.real.check()
        assert self.real.items() == self.model
        back = self.real.items_backward()
        assert [b"%d" % item if isinstance(item, int) else item for item in reversed(back)] == self.model
        assert [isinstance(item, int) for item in reversed(back)] == [integer_of(t) is not None for t in self.model]
        assert len(self.real) == len(self.model)
        assert self.real.bytes == encode(self.model)
        assert is_valid(self.real.bytes, True)

    def teardown(self):
        if hasattr(self, "real"):
            assert self.real.free() == 0


TestListpack = ListpackMachine.TestCase
TestListpack.settings = settings(max_examples=150, stateful_step_count=40, deadline=None,
                                 suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("length", LENGTHS + HUGE_LENGTHS)
def test_lengths_at_every_border(length):
    text = letters(length)
    pack = Pack()
    assert pack.append(b"before") and pack.append(text) and pack.append(b"behind")
    assert pack.bytes == encode([b"before", text, b"behind"])
    assert pack.items() == [b"before", text, b"behind"]
    assert pack.items_backward() == [b"behind", text, b"before"]
    assert element_bytes(text) == len(encode_element(text))
    assert pack.find(b"behind") == 2
    assert is_valid(pack.bytes, True)
    assert pack.replace(1, b"1") == 1
    pack.check()
    assert pack.bytes == encode([b"before", b"1", b"behind"])


@given(texts)
def test_element_bytes(text):
    assert element_bytes(text) == len(encode_element(text))


def test_more_elements_than_the_header_counts():
    pack = Pack()
    for i in range(65533):
        pack.append(b"1")
    for expected in (65534, 65535, 65536, 65537):
        assert pack.append(b"2")
        assert len(pack) == expected
        assert pack.bytes[4:6] == min(expected, 65535).to_bytes(2, "little")
        assert is_valid(pack.bytes, True)
    assert pack.seek(65536) == 65536 and pack.seek(65537) is None
    assert pack.seek(-65537) == 0 and pack.seek(-65538) is None
    assert pack.seek(-1) == 65536
    assert pack.delete(0) == 0
    assert len(pack) == 65536
    pack.delete_range(-2, 99)
    assert pack.bytes[4:6] == b"\xff\xff"          # nobody has counted yet
    assert len(pack) == 65534
    assert pack.bytes[4:6] == b"\xfe\xff"          # now they have
    assert is_valid(pack.bytes, True)
    assert pack.append_pack(Pack(encode([b"3"] * 10)))
    assert len(pack) == 65544 and pack.bytes[4:6] == b"\xff\xff"
    pack.check()
    assert pack.find(b"3") == 65534


def test_elements_that_no_writer_makes():
    """Numbers as strings, numbers and lengths in wider forms than needed: read, and found."""
    elements = [b"\x8212\x03", b"\xe0\x03abc\x05", b"\xf0\x02\x00\x00\x0034\x07", b"\xf4" + b"\x05" + bytes(7) + b"\x09",
                b"\xc0\x07\x02", b"\xf1\xff\xff\x03"]
    body = b"".join(elements)
    data = (len(body) + 7).to_bytes(4, "little") + len(elements).to_bytes(2, "little") + body + b"\xff"
    pack = Pack(data)
    wanted = [b"12", b"abc", b"34", b"5", b"7", b"-1"]
    assert pack.items() == wanted
    for index, text in enumerate(wanted):
        assert pack.find(text) == index
        assert pack.is_at(index, text) and not pack.is_at(index, text + b"0")
    assert pack.delete(0) == 0
    assert pack.items() == wanted[1:]
    assert pack.replace(0, b"x") == 0
    assert pack.items() == [b"x"] + wanted[2:]
    pack.check()


def test_refused_growth_changes_nothing():
    pack = Pack(encode([b"one", b"2", letters(3000)]))
    before = pack.bytes
    pack.refuse(True)
    assert not pack.append(letters(5000)) and not pack.prepend(letters(5000))
    assert pack.insert(1, letters(5000), True) is None and pack.replace(1, letters(5000)) is None
    assert not pack.append_pack(Pack(encode([letters(5000)])))
    assert pack.bytes == before
    # Taking away works even then.
    pack.delete_range(2, 1)
    assert pack.delete(0) == 0
    assert pack.items() == [b"2"]
    assert pack.free() == 0


def decodes(data):
    """The elements, walked as a reader of untrusted bytes would; only for data that is_valid let through."""
    pack = Pack(data)
    items = pack.items()
    assert len(pack) == len(items) == len(pack.items_backward())
    pack.check()
    return items


@settings(max_examples=400, deadline=None)
@given(st.lists(texts, min_size=1, max_size=8), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)),
                                                         min_size=1, max_size=4))
@example([b"a"], [(0, 0)])
def test_damaged_bytes(items, changes):
    data = bytearray(encode(items))
    for place, byte in changes:
        data[place % len(data)] = byte
    if is_valid(bytes(data), True):
        assert is_valid(bytes(data), False)
        decodes(bytes(data))


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=8), st.data())
def test_bytes_cut_short(items, data):
    whole = encode(items)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert not is_valid(whole[:cut], True)
    # With header and end mark made to fit, only a cut between elements (and a count that fits) will do.
    piece = whole[6:max(cut, 6)]
    for count in (0xFFFF, len(items)):
        made = (len(piece) + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + piece + b"\xff"
        if is_valid(made, True):
            assert decodes(made) == items[:len(decodes(made))]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.sampled_from([0, 1, 2, 65535]))
def test_arbitrary_bytes(body, count):
    data = (len(body) + 7).to_bytes(4, "little") + count.to_bytes(2, "little") + body + b"\xff"
    if is_valid(data, True):
        decodes(data)


def test_every_byte_of_a_pack_changed():
    whole = encode([b"1", b"-4000", b"40000", b"9000000000", b"abc", b"", letters(70), letters(130), b"300"])
    for place in range(len(whole)):
        for byte in range(256):
            data = whole[:place] + bytes([byte]) + whole[place + 1:]
            if is_valid(data, True):
                decodes(data)


# Redis's own bytes ------------------------------------------------------------------------------------------

def read_length(data, at):
    kind = data[at] >> 6
    if kind == 0:
        return data[at] & 63, at + 1
    if kind == 1:
        return (data[at] & 63) << 8 | data[at + 1], at + 2
    assert data[at] == 0x80
    return int.from_bytes(data[at + 1:at + 5], "big"), at + 5


def packed_value(dump):
    """The listpack inside a DUMP of an uncompressed value."""
    at = 1
    if dump[0] == 18:                # a list: one node, of the packed kind
        nodes, at = read_length(dump, at)
        kind, at = read_length(dump, at)
        assert (nodes, kind) == (1, 2)
    else:
        assert dump[0] in (16, 20)   # hash, set
    size, at = read_length(dump, at)
    assert at + size == len(dump) - 10
    return dump[at:at + size]


@pytest.fixture
def redis_dumps(oracle):
    import redis
    with redis.Redis(oracle.host, oracle.port) as client:
        client.config_set("rdbcompression", "no", "hash-max-listpack-value", 2**31 - 1, "hash-max-listpack-entries", 2**20,
                          "set-max-listpack-value", 2**31 - 1, "list-max-listpack-size", -5)
        yield client


def test_bytes_of_redis_lists(redis_dumps):
    chance = python_random.Random(5)
    pool = [b"%d" % n for n in NUMBERS] + ODD + [letters(length) for length in LENGTHS]
    for _ in range(60):
        items = [chance.choice(pool) for _ in range(chance.randint(1, 12))]
        redis_dumps.delete("listpack")
        redis_dumps.rpush("listpack", *items)
        pack = Pack()
        for item in items:
            pack.append(item)
        assert pack.bytes == packed_value(redis_dumps.dump("listpack"))


@pytest.mark.parametrize("length", LENGTHS + HUGE_LENGTHS)
def test_bytes_of_redis_hashes(redis_dumps, length):
    redis_dumps.delete("listpack")
    redis_dumps.hset("listpack", b"field", letters(length))
    pack = Pack()
    pack.append(b"field")
    pack.append(letters(length))
    assert pack.bytes == packed_value(redis_dumps.dump("listpack"))


def test_bytes_of_redis_sets(redis_dumps):
    items = [b"a", b"17", b"-1", letters(500), b"", b"-0"]
    redis_dumps.delete("listpack")
    redis_dumps.sadd("listpack", *items)
    found = packed_value(redis_dumps.dump("listpack"))
    assert sorted(decodes(found)) == sorted(items)
    assert sorted(encode_element(item) for item in decodes(found)) == sorted(map(encode_element, items))


@pytest.mark.parametrize("change", ["LPUSH", "LSET", "LREM", "LINSERT", "LTRIM"])
def test_bytes_after_redis_changed_them(redis_dumps, change):
    items = [b"%d" % n for n in NUMBERS[:20]] + ODD[:8]
    redis_dumps.delete("listpack")
    redis_dumps.rpush("listpack", *items)
    pack = Pack(encode(items))
    if change == "LPUSH":
        redis_dumps.lpush("listpack", letters(4096))
        pack.prepend(letters(4096))
    elif change == "LSET":
        redis_dumps.lset("listpack", 5, letters(200))
        pack.replace(5, letters(200))
    elif change == "LREM":
        redis_dumps.lrem("listpack", 1, items[3])
        pack.delete(pack.find(items[3]))
    elif change == "LINSERT":
        redis_dumps.linsert("listpack", "AFTER", items[7], b"77777")
        pack.insert(pack.find(items[7]), b"77777", True)
    else:
        redis_dumps.ltrim("listpack", 3, -4)
        pack.delete_range(-3, 3)
        pack.delete_range(0, 3)
    assert pack.bytes == packed_value(redis_dumps.dump("listpack"))
