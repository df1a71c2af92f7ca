"""Redis's RDB format, spelled out once more for the tests: payloads of any kind, whole ones and broken ones."""
import struct

VERSION = 12
POLYNOMIAL = 0x95AC9329AC4BC9B5          # Jones's, bits reversed


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        yield byte


TABLE = tuple(_table())


def crc64(data):
    crc = 0
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def seal(body, version=VERSION):
    """With the footer of a payload."""
    body = bytes(body) + struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def length(number):
    if number < 64:
        return bytes([number])
    if number < 16384:
        return struct.pack(">H", 0x4000 | number)
    return b"\x80" + struct.pack(">I", number) if number < 1 << 32 else b"\x81" + struct.pack(">Q", number)


def string(text):
    return length(len(text)) + text


def stream_id(ms, seq):
    return struct.pack(">QQ", ms, seq)


def listpack_element(item):
    if isinstance(item, int):
        if 0 <= item < 128:
            body = bytes([item])
        elif -4096 <= item < 4096:
            body = struct.pack(">H", 0xC000 | item & 0x1FFF)
        elif -32768 <= item < 32768:
            body = b"\xf1" + struct.pack("<h", item)
        elif -2147483648 <= item < 2147483648:
            body = b"\xf3" + struct.pack("<i", item)
        else:
            body = b"\xf4" + struct.pack("<q", item)
    elif len(item) < 64:
        body = bytes([0x80 | len(item)]) + item
    elif len(item) < 4096:
        body = struct.pack(">H", 0xE000 | len(item)) + item
    else:
        body = b"\xf0" + struct.pack("<I", len(item)) + item
    back, rest = [], len(body)
    while True:
        back.append(rest & 127)
        rest >>= 7
        if not rest:
            break
    return body + bytes([back[-1], *(part | 128 for part in reversed(back[:-1]))])


def listpack(*items):
    body = b"".join(map(listpack_element, items)) + b"\xff"
    return struct.pack("<IH", len(body) + 6, min(len(items), 65535)) + body


def intset(*numbers, width=2):
    return struct.pack("<II", width, len(numbers)) + b"".join(
        number.to_bytes(width, "little", signed=True) for number in numbers)


def ziplist(*items):
    entries, before, last = b"", 0, 10
    for item in items:
        if isinstance(item, int):
            if 0 <= item <= 12:
                body = bytes([0xF1 + item])
            elif -128 <= item < 128:
                body = b"\xfe" + struct.pack("b", item)
            elif -32768 <= item < 32768:
                body = b"\xc0" + struct.pack("<h", item)
            elif -8388608 <= item < 8388608:
                body = b"\xf0" + item.to_bytes(3, "little", signed=True)
            elif -2147483648 <= item < 2147483648:
                body = b"\xd0" + struct.pack("<i", item)
            else:
                body = b"\xe0" + struct.pack("<q", item)
        elif len(item) < 64:
            body = bytes([len(item)]) + item
        elif len(item) < 16384:
            body = struct.pack(">H", 0x4000 | len(item)) + item
        else:
            body = b"\x80" + struct.pack(">I", len(item)) + item
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + body
        last = 10 + len(entries)
        before = len(entry)
        entries += entry
    return struct.pack("<IIH", 11 + len(entries), last, len(items)) + entries + b"\xff"


def zipmap(*pairs, spare=0):
    def size(text):
        return bytes([len(text)]) if len(text) < 254 else b"\xfe" + struct.pack("<I", len(text))
    body = b"".join(size(field) + field + size(value) + bytes([spare]) + value + b"?" * spare for field, value in pairs)
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


def stream(blocks, entries, last, groups=(), form=21, first=(0, 0), deleted=(0, 0), added=None):
    """`blocks`: of (ID, listpack); `groups`: of (name, last ID, entries read, [(ID, ms, deliveries)], [(name, seen, active,
    [ID])])."""
    out = bytes([form]) + length(len(blocks))
    for id, pack in blocks:
        out += string(stream_id(*id)) + string(pack)
    out += length(entries) + length(last[0]) + length(last[1])
    if form > 15:
        out += b"".join(map(length, (*first, *deleted, entries if added is None else added)))
    out += length(len(groups))
    for name, at, read, pending, consumers in groups:
        out += string(name) + length(at[0]) + length(at[1])
        if form > 15:
            out += length(read % (1 << 64))
        out += length(len(pending)) + b"".join(
            stream_id(*id) + struct.pack("<q", ms) + length(times) for id, ms, times in pending)
        out += length(len(consumers))
        for consumer, seen, active, ids in consumers:
            out += string(consumer) + struct.pack("<q", seen) + (struct.pack("<q", active) if form == 21 else b"")
            out += length(len(ids)) + b"".join(stream_id(*id) for id in ids)
    return out
