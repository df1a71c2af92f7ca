"""JSON texts, JSONPaths and HyperLogLogs, damaged and crossed with each other for as long as one likes: HUTCH_FUZZ_SECONDS (2) each,
HUTCH_FUZZ_SEED (1) for other ones. `make fuzz-bytes` does it for an hour each, with the sanitizers.

Each kind begins with a few seeds and keeps what behaved in a new way (another complaint, another shape of the result): from those the next
ones are made. What is found is put among the seeds. The bytes that are being tried lie in a file, whose name is said, should a process die."""
import json
import math
import os
import random
import re
import time

from kit.json_commands import JsonCommands
from shims import hyperloglog as hll
from shims.json import Document, find, search

SECONDS = float(os.environ.get("HUTCH_FUZZ_SECONDS", "2"))
SEED = int(os.environ.get("HUTCH_FUZZ_SEED", "1"))
KEPT = 4000                      # of each kind, at most
LONGEST = 3000

JSON_SEEDS = (
    b'{"a":[1,-2,3.5,1e10,-0,0.1e-7],"b":{"c":null,"d":[true,false]},"long_name_of_a_member":"text"}', b'[18446744073709551615,-9223372036854775808,1e308]',
    b'"\\u00e9\\ud83d\\ude00\\n\\/\\b"', b'{"a":1,"a":2,"":{}}', b'[[[[]]],{},[{}]]', b" [ 1 , 2 ]\r\n", b'"\xc3\xa9\xf0\x9f\x98\x80"', b"[0.5,1.25,1e5,123456789012345678]",
    b'{"user":{"id":1,"name":"x","address":{"city":"y"}}}', b"[127,128,32767,32768,2147483647,2147483648]", b"-0.0", b"5e-324", b"1.7976931348623157e308",
    b"[" + b",".join(b'{"identifier":%d}' % i for i in range(30)) + b"]", b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(40)) + b"}", b"[" * 126 + b"]" * 126)
JSON_PIECES = (b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\", b"\\u", b"\\ud83d", b"\\udc00", b"\\u0000", b"0", b"e", b"E+", b"-", b".", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80",
               b"null", b"true", b"fals", b'{"a":', b"1e400", b"9" * 20, b"0" * 30, b" ", b"\n", b'"a":1,', b"NaN", b"Infinity", b"\xef\xbb\xbf", b"7" * 320)
PATH_SEEDS = (
    b"$", b".", b"$.a.b[0]", b"$..*", b"$['a',\"b\"]", b"$[1:-1:2]", b"$[0,1,-1]", b"$[?(@.a==1 && @.b!='x')]", b"$..[?@.c=~'^x+$']", b"$[?(@.a>$.b.c)]", b"a[0].b", b"$.a[*].b",
    b"$[?(@['a'][0]<=1.5e3||!(@.b))]", b"$.a[?(@.b==null)].c", b"$['quo\\'te']", b"$[?@.a==[1,2]]", b"$[?(@.a=={\"b\":1})]", b"$[-1:]", b"..a", b"$.a..b..c")
PATH_PIECES = (b"[", b"]", b"(", b")", b"?", b"@", b"$", b".", b"..", b"'", b'"', b"\\", b":", b",", b"&&", b"||", b"=~", b"==", b"!=", b"<=", b">", b"*", b" ", b"-", b"0", b"9" * 25,
               b"\xc3\xa9", b"\xff", b"true", b"null", b"[?(@", b"'a'", b"[::", b"{", b"+", b"^", b"(?i)", b"{1000}", b"\\d", b"\x00", b"!")
HLL_SEEDS = (hll.empty(), hll.put(hll.put(hll.empty(), 5, 3)[1], 9000, 32)[1], hll.dense(hll.empty()[:16], bytes(i * 7 % 64 for i in range(16384))),
             b"HYLL\x01" + bytes(11) + b"\x88\x7f\xfa\x43\xff\x84", b"HYLL\x01" + bytes(10) + b"\x80" + b"\x83" * 4096, b"HYLL\x01" + bytes(11) + b"\x3f" * 256)
HLL_PIECES = (b"\x7f\xff", b"\x7f", b"\x40", b"\x00", b"\x3f", b"\x80", b"\xff", b"\x83", b"\xfc", b"HYLL", b"\x01", b"\x02", b"\x40\x00", b"\x7f\xfe", b"\xff" * 8)


class Kinds:
    """What is tried, in a row without end: old ones, damaged and crossed."""

    def __init__(self, seeds, pieces, name, place):
        self.random = random.Random(f"{SEED} {name}")
        self.kept, self.seen, self.pieces, self.tried = list(seeds), set(), pieces, 0
        self.last = os.open(place / f"last-{name}", os.O_RDWR | os.O_CREAT)
        print(f"what is being tried: {place / f'last-{name}'}", flush=True)

    def __iter__(self):
        end = time.monotonic() + SECONDS
        waiting = list(self.kept)
        while time.monotonic() < end:
            for _ in range(50):
                self.current = waiting.pop() if waiting else self.changed()
                os.pwrite(self.last, b"%8d " % len(self.current) + self.current, 0)
                self.tried += 1
                yield self.current
        os.close(self.last)
        print(f"{self.tried} tried, {len(self.kept)} kept", flush=True)

    def behaved(self, *how):
        """Keep the one that was tried, if none before behaved so."""
        if how not in self.seen:
            self.seen.add(how)
            if len(self.kept) < KEPT:
                self.kept.append(self.current)

    def changed(self):
        r = self.random
        text = bytearray(r.choice(self.kept))
        for _ in range(r.choice((1, 1, 1, 2, 3, 6))):
            at, how = r.randrange(len(text) + 1), r.randrange(8)
            if how == 0:
                del text[at:at + r.choice((1, 1, 2, 4, 20))]
            elif how == 1:
                text[at:at] = r.choice(self.pieces)
            elif how == 2:
                text[at:at + 1] = r.choice(self.pieces)
            elif how == 3 and at < len(text):
                text[at] ^= 1 << r.randrange(8)
            elif how == 4 and at < len(text):
                text[at] = r.randrange(256)
            elif how == 5:
                other = r.choice(self.kept)
                begin = r.randrange(len(other) + 1)
                text[at:at + r.choice((0, 0, 10, LONGEST))] = other[begin:begin + r.choice((5, 30, LONGEST))]
            elif how == 6:
                text[at:at] = text[at:at + r.choice((1, 5, 40))] * r.choice((1, 2, 20))
            else:
                del text[at:]
        return bytes(text[:LONGEST if len(text) < 12000 else 12304])


# ---- JSON

class OutOfRange(Exception):
    pass


def integer(text):
    value = int(text)
    return value if -2**63 <= value < 2**64 and text != "-0" else real(text)


def real(text):
    value = float(text)
    if math.isinf(value):
        raise OutOfRange
    return value


def refuse(name):
    raise ValueError(name)


def depth_of(value):
    return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0) if isinstance(value, (dict, list)) else 0


def surrogates(value):
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(surrogates(name) or surrogates(item) for name, item in value.items())
    return isinstance(value, list) and any(map(surrogates, value))


DECODER = json.JSONDecoder(parse_int=integer, parse_float=real, parse_constant=refuse)


def read_by_python(text):
    """(is there JSON at its beginning, its value); None: Python cannot say. As in the module, anything may stand behind a value."""
    try:
        characters = text.decode()
        begin = len(characters) - len(characters.lstrip(" \t\r\n"))
        value, end = DECODER.raw_decode(characters, begin)
    except (ValueError, OutOfRange):
        return False, None
    except RecursionError:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # Python stops before what cannot be a part of the number, serde_json complains of a number that was begun.
        number, rest = characters[begin:end].lower(), characters[end:end + 1].lower()
        if rest and "e" not in number and rest in ("e" if "." in number else ".e0123456789"):
            return False, None
    if depth_of(value) > 127 or surrogates(value):
        return False, None
    return True, value


# What Python forgets with the value of a name that comes again.
FORGOTTEN = re.compile("recursion limit|surrogate|hex escape")


def same(a, b):
    if isinstance(a, float):
        return isinstance(b, float) and a.hex() == b.hex()
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_json_texts(tmp_path):
    kinds = Kinds(JSON_SEEDS, JSON_PIECES, "json", tmp_path)
    for text in kinds:
        wanted = read_by_python(text)
        document = Document()
        try:
            document.parse(text)
        except ValueError as fault:
            assert wanted is None or not wanted[0] or FORGOTTEN.search(str(fault)), (text, fault)
            assert document.used == 0
            kinds.behaved(re.sub(r"\d+", "", str(fault)), min(len(text), 64) // 16)
            continue
        assert wanted is None or wanted[0], text
        again = document.text()
        if wanted is not None:
            assert same(json.loads(again, parse_int=integer), wanted[1]), text
        kinds.behaved(again[:1], len(again).bit_length(), document.memory.bit_length(), document.effort.bit_length())
        document.copy()
        assert document.text() == again, text
        document.parse(document.text(b" ", b"\n", b" "))
        assert document.text() == again, text
        document.free(kinds.random.randrange(1, 5))
        assert document.used == 0


# ---- paths and regular expressions

DOCUMENTS = (
    b'{"a":[1,{"b":2,"c":"xx"},[3,4,[5]],null,true],"b":{"a":"x","c":[1.5,2.5]},"c":"xyz","quo\'te":{"long_name_of_a_member":[{"a":1},{"a":"1"}]}}',
    b"[[1,2,3,4,5],[[6],{\"a\":{\"a\":{\"a\":7}}}],\"text\",{\"\":8,\"\xc3\xa9\":9}]", b'{"a":[' + b",".join(b'{"b":%d,"c":"%dx"}' % (i % 7, i) for i in range(40)) + b"]}", b'"text"')


def test_paths(tmp_path):
    kinds = Kinds(PATH_SEEDS, PATH_PIECES, "paths", tmp_path)
    documents = []
    for text in DOCUMENTS:
        documents.append(Document())
        documents[-1].parse(text)
    makers = JsonCommands(kinds.random)
    for path in kinds:
        if kinds.random.random() < 0.05:
            path = makers.path()
        document = kinds.random.choice(documents)
        try:
            legacy, found = find(document, path)
        except ValueError as fault:
            assert str(fault) == "utf-8" or str(fault).startswith("Error occurred on position "), (path, fault)
            kinds.behaved(str(fault).partition("expected one of")[2] or str(fault)[:3], min(len(path), 64) // 8)
            continue
        kinds.behaved(legacy, len(found).bit_length(), len(path) // 4)
        if kinds.random.random() < 0.1:
            for text in found:
                json.loads(text)


def test_regular_expressions(tmp_path):
    kinds = Kinds((b"^a+b*$", b"(?i)[a-z]{2,3}|x", b"[[:alpha:]]\\d\\w\\b", b"(a|b)*?c", b"\\x41\\u0042\\x{43}", b"(?:a.)+$", b"[^\\d-]", b"(?P<n>a)"), PATH_PIECES + (
        b"[[:digit:]]", b"\\b", b"\\p", b"{2,", b"|", b"(?", b"[^", b"a-z", b"x*?"), "regular-expressions", tmp_path)
    for pattern in kinds:
        text = pattern if kinds.random.random() < 0.3 else kinds.random.choice((b"", b"aab", b"caf\xc3\xa9 1\nx", b"a" * 200))
        try:
            pattern.decode(), text.decode()
        except ValueError:
            continue                                     # paths are UTF-8, and so are documents
        kinds.behaved(search(pattern, text), len(pattern) // 2, pattern[:1])


# ---- HyperLogLogs

def read_by_definition(data):
    """The registers, or None where it is no HyperLogLog or a broken one."""
    if len(data) < 16 or data[:4] != b"HYLL" or data[4] > 1 or data[4] == 0 and len(data) != 16 + 12288:
        return None
    if data[4] == 0:
        whole = int.from_bytes(data[16:], "little")
        return [whole >> 6 * i & 63 for i in range(16384)]
    found, at = bytearray(), 16
    while at < len(data):
        byte = data[at]
        if byte & 0x80:
            found += bytes(((byte >> 2 & 31) + 1,)) * ((byte & 3) + 1)
        elif byte & 0x40:
            if at + 1 == len(data):
                return None
            found += bytes(((byte & 63) << 8 | data[at + 1]) + 1)
            at += 1
        else:
            found += bytes(byte + 1)
        at += 1
    return found if len(found) == 16384 else None


def test_hyperloglogs(tmp_path):
    kinds = Kinds(HLL_SEEDS, HLL_PIECES, "hyperloglogs", tmp_path)
    for data in kinds:
        dense = data[4:5] == b"\x00"
        slow = not dense or kinds.random.random() < 0.05
        registers = read_by_definition(data) if slow else None
        if not hll.is_valid(data):
            assert data[:4] != b"HYLL" or len(data) < 16 or data[4] > 1 or dense and len(data) != 16 + 12288, data
            kinds.behaved("no header", len(data).bit_length())
            continue
        merged, count = hll.merge([data]), hll.count(data)
        if slow:
            assert merged == (None if registers is None else bytes(registers)), data
        assert (count is None) == (merged is None), data
        if merged is not None:
            assert count == hll.count_registers(merged), data
            assert hll.merge([hll.dense(data[:16], merged)]) == merged, data
        register, value = kinds.random.choice((0, 1, 63, 64, 16383, kinds.random.randrange(16384))), kinds.random.randrange(1, 64 if dense else 33)
        outcome, changed = hll.put(data, register, value)
        if outcome != "raised":
            assert changed == data, data
        elif merged is not None:
            assert hll.merge([changed]) == merged[:register] + bytes((max(value, merged[register]),)) + merged[register + 1:], (data, register, value)
        kinds.behaved(dense, outcome, merged is None, len(data).bit_length(), (count or 0).bit_length())
