"""The bitmap commands of the reference model. A string is an integer whose highest bit is the first."""
from __future__ import annotations

from .model import MAX_STRING, SYNTAX, Item, ModelSession, Refused, command, integer, need_integer

BAD_OFFSET = "ERR bit offset is not an integer or out of range"
BAD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."


def bit_offset(word: bytes, width: int = 0) -> int:
    """The number of a bit; with a width, "#3" is that of the fourth integer of so many bits. Refused beyond MAX_STRING."""
    counted = width > 0 and word[:1] == b"#"
    number = integer(word[1:] if counted else word)
    if number is not None and counted:
        number = (number * width + 2**63) % 2**64 - 2**63        # as 64 bits go
    if number is None or not 0 <= number < MAX_STRING * 8:
        raise Refused(BAD_OFFSET)
    return number


def bits(data: bytes, first: int, count: int) -> int:
    """So many bits from `first` on, as an unsigned integer; beyond the end there are zeros."""
    start, size = first // 8, (first % 8 + count + 7) // 8
    window = int.from_bytes(data[start:start + size].ljust(size, b"\0"), "big")
    return window >> (8 * size - first % 8 - count) & (1 << count) - 1


def with_bits(data: bytes, first: int, count: int, value: int) -> bytes:
    """The same bytes, but for these bits, which must be there."""
    start, size = first // 8, (first % 8 + count + 7) // 8
    shift = 8 * size - first % 8 - count
    window = int.from_bytes(data[start:start + size], "big") & ~((1 << count) - 1 << shift) | value << shift
    return data[:start] + window.to_bytes(size, "big") + data[start + size:]


@command("setbit", arity=4)
def setbit(self: ModelSession, name, args):
    """SETBIT: set or clear a bit, growing the string; returns what it was. Refused for what is no offset or no bit."""
    key, offset, bit = args[0], bit_offset(args[1]), integer(args[2])
    if bit not in (0, 1):
        raise Refused("ERR bit is not an integer or out of range")
    data = (self.string(key) or b"").ljust(offset // 8 + 1, b"\0")
    self.put(key, with_bits(data, offset, 1, bit), raw=True)
    return bits(data, offset, 1)


@command("getbit", arity=3)
def getbit(self, name, args):
    """GETBIT: a bit, 0 beyond the end. Refused for what is no offset."""
    offset = bit_offset(args[1])
    return bits(self.string(args[0]) or b"", offset, 1)


def in_bits(word: bytes) -> bool:
    """Whether BIT is said, rather than BYTE. Refused for any other word."""
    if word.upper() not in (b"BIT", b"BYTE"):
        raise Refused(SYNTAX)
    return word.upper() == b"BIT"


def clipped(start: int, end: int, by_bits: bool, size: int) -> tuple[int, int]:
    """The first bit and the one behind the last of a range of bytes or bits; negative ends are counted from the string's."""
    total = size * 8 if by_bits else size
    start, end = (max(0, number + total) if number < 0 else number for number in (start, end))
    end = min(end, total - 1) + 1
    return (start, end) if by_bits else (start * 8, end * 8)


@command("bitcount", arity=-2)
def bitcount(self, name, args):
    """BITCOUNT: how many bits are set, in all or in a range. Refused for a range that is none. O(length)"""
    if len(args) not in (1, 3, 4):
        raise Refused(SYNTAX)
    start, end = map(need_integer, args[1:3]) if len(args) > 1 else (0, -1)
    by_bits = len(args) == 4 and in_bits(args[3])
    data = self.string(args[0]) or b""
    if start < 0 and end < 0 and start > end:
        return 0
    first, behind = clipped(start, end, by_bits, len(data))
    return bits(data, first, behind - first).bit_count() if first < behind else 0


@command("bitpos", arity=-3)
def bitpos(self, name, args):
    """BITPOS: the first bit that is 1, or 0, in all or in a range; -1 if there is none, but zeros follow a string whose end was not
    given. Refused for a range or a bit that is none. O(length)"""
    bit = need_integer(args[1])
    if bit not in (0, 1):
        raise Refused("ERR The bit argument must be 1 or 0.")
    if len(args) > 5:
        raise Refused(SYNTAX)
    start = need_integer(args[2]) if len(args) > 2 else 0
    by_bits = len(args) == 5 and in_bits(args[4])
    end = need_integer(args[3]) if len(args) > 3 else -1
    data = self.string(args[0])
    if data is None:
        return -1 if bit else 0
    first, behind = clipped(start, end, by_bits, len(data))
    if first >= behind:
        return -1
    wanted = bits(data, first, behind - first)
    if not bit:
        wanted ^= (1 << behind - first) - 1
    if wanted:
        return behind - wanted.bit_length()
    return -1 if bit or len(args) > 3 else behind


@command("bitop", arity=-4)
def bitop(self, name, args):
    """BITOP: combine strings bit by bit, the shorter ones going on with zeros; returns the length in bytes of the result, whose key
    goes where that is 0. Refused for an operation that is none, and a wrong number of sources. O(length * sources)"""
    operation, target, keys = args[0].upper().decode("latin-1"), args[1], args[2:]
    if operation not in ("AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"):
        raise Refused(SYNTAX)
    if operation == "NOT" and len(keys) != 1:
        raise Refused("ERR BITOP NOT must be called with a single source key.")
    if operation in ("DIFF", "DIFF1", "ANDOR") and len(keys) < 2:
        raise Refused(f"ERR BITOP {operation} must be called with at least two source keys.")
    sources = [self.string(key) or b"" for key in keys]
    size = max(map(len, sources))
    first, *others = (int.from_bytes(source.ljust(size, b"\0"), "big") for source in sources)
    every, some, once, twice = first, 0, first, 0
    for number in others:
        every, some = every & number, some | number
        once, twice = once | number, twice | once & number
    odd = first
    for number in others:
        odd ^= number
    result = {"AND": every, "OR": first | some, "XOR": odd, "NOT": ~first, "DIFF": first & ~some, "DIFF1": ~first & some,
              "ANDOR": first & some, "ONE": once & ~twice}[operation] & (1 << 8 * size) - 1
    if size:
        self.data[target] = Item(result.to_bytes(size, "big"), raw=True)
    else:
        self.data.pop(target, None)
    return size


def field_type(word: bytes) -> tuple[bool, int]:
    """Whether a field is signed, and how many bits it has. Refused for what is no type."""
    word = word.split(b"\0")[0]
    width = integer(word[1:]) if word[:1] in (b"i", b"u") else None
    if width is None or not 1 <= width <= (64 if word[:1] == b"i" else 63):
        raise Refused(BAD_TYPE)
    return word[:1] == b"i", width


def fields(words: list[bytes]) -> list[tuple]:
    """BITFIELD's subcommands: (action, signed, width, offset, amount, overflow). Refused for words that are none."""
    found, rest, overflow = [], list(words), b"WRAP"
    while rest:
        action = rest.pop(0).upper()
        if action == b"OVERFLOW" and rest:
            overflow = rest.pop(0).upper()
            if overflow not in (b"WRAP", b"SAT", b"FAIL"):
                raise Refused("ERR Invalid OVERFLOW type specified")
            continue
        if len(rest) < {b"GET": 2, b"SET": 3, b"INCRBY": 3}.get(action, len(rest) + 1):
            raise Refused(SYNTAX)
        signed, width = field_type(rest.pop(0))
        offset = bit_offset(rest.pop(0), width)
        amount = need_integer(rest.pop(0)) if action != b"GET" else 0
        found.append((action, signed, width, offset, amount, overflow))
    return found


def as_signed(value: int, signed: bool, width: int) -> int:
    """Bits as the integer that they stand for."""
    return value - (1 << width) if signed and value >> width - 1 else value


@command("bitfield", "bitfield_ro", arity=-2)
def bitfield(self, name, args):
    """BITFIELD and BITFIELD_RO: read, set and add to integers; returns a list of what was read, or was there, or became, None where
    overflow forbids it. Refused for words that are none, and for writing with BITFIELD_RO."""
    todo, replies = fields(args[1:]), []
    writing = [offset + width for action, _, width, offset, _, _ in todo if action != b"GET"]
    if writing and name == "bitfield_ro":
        raise Refused("ERR BITFIELD_RO only supports the GET subcommand")
    data = self.string(args[0]) or b""
    if writing:
        data = data.ljust((max(writing) + 7) // 8, b"\0")
    for action, signed, width, offset, amount, overflow in todo:
        old = as_signed(bits(data, offset, width), signed, width)
        if action == b"GET":
            replies.append(old)
            continue
        least, most = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        new = old + amount if action == b"INCRBY" else amount if signed else amount % 2**64
        if not least <= new <= most:
            if overflow == b"FAIL":
                replies.append(None)
                continue
            if overflow == b"SAT":
                # What is so far below that the way up does not fit 64 bits is taken for what is above.
                far_below = action == b"SET" and width < 64 and most - new >= 2**63
                new = most if new > most or far_below else least
            else:
                new = as_signed(new & (1 << width) - 1, signed, width)
        data = with_bits(data, offset, width, new & (1 << width) - 1)
        replies.append(new if action == b"INCRBY" else old)
    if writing:
        self.put(args[0], data, raw=True)
    return replies
