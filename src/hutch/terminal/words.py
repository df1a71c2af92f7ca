"""A line as it is typed, and the words of a command: redis-cli's rules, so that what works there works here."""
from __future__ import annotations

from typing import NamedTuple

_ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
_NAMES = {10: b"\\n", 13: b"\\r", 9: b"\\t", 8: b"\\b", 7: b"\\a", 34: b'\\"', 92: b"\\\\"}
_HEX = frozenset(b"0123456789abcdefABCDEF")
_SPACE = frozenset(b" \t\n\r\v\f")


class Word(NamedTuple):
    """A word, and where it stands in the line's UTF-8."""

    value: bytes
    start: int
    end: int
    quoted: bool             # was any of it in quotes?


class Line(NamedTuple):
    """What a line's words are."""

    words: "list[Word]"
    whole: bool              # all quotes are closed, and spaces follow them

    @property
    def values(self) -> "list[bytes]":
        """The words themselves."""
        return [word.value for word in self.words]


def read_line(text: "str | bytes") -> Line:
    """The words of a line, by redis-cli's rules of quoting. What stands in an unclosed quote is the last word. O(bytes)

    >>> [word.value for word in read_line('SET k "two words" x').words]
    [b'SET', b'k', b'two words', b'x']
    >>> read_line('GET "k').whole
    False
    """
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    words: "list[Word]" = []
    at, end, whole = 0, len(data), True
    while True:
        while at < end and data[at] in _SPACE:
            at += 1
        if at >= end:
            return Line(words, whole)
        start, value, quote, quoted = at, bytearray(), 0, False
        while at < end:
            byte = data[at]
            if quote == 34 and byte == 92 and at + 1 < end:
                if data[at + 1] == 120 and at + 3 < end and data[at + 2] in _HEX and data[at + 3] in _HEX:
                    value.append(int(data[at + 2:at + 4], 16))
                    at += 4
                else:
                    value.append(_ESCAPES.get(data[at + 1], data[at + 1]))
                    at += 2
            elif quote == 39 and byte == 92 and data[at + 1:at + 2] == b"'":
                value.append(39)
                at += 2
            elif quote and byte == quote:
                quote = 0
                at += 1
                if at < end and data[at] not in _SPACE:
                    whole = False
                    break
            elif quote:
                value.append(byte)
                at += 1
            elif byte in _SPACE:
                break
            elif byte in (34, 39):
                quote, quoted = byte, True
                at += 1
            else:
                value.append(byte)
                at += 1
        whole = whole and not quote
        words.append(Word(bytes(value), start, at, quoted))


def split_shell(text: str) -> "tuple[str, str]":
    """A line's command, and the shell command behind a lone `|`; "" where there is none. O(bytes)

    >>> split_shell('GET x | jq .name'), split_shell('SET x "a | b"')
    (('GET x ', 'jq .name'), ('SET x "a | b"', ''))
    """
    data = text.encode("utf-8", "surrogateescape")
    for word in read_line(data).words:
        if word.value == b"|" and not word.quoted:
            left, right = data[:word.start], data[word.end:]
            return left.decode("utf-8", "surrogateescape"), right.decode("utf-8", "surrogateescape").strip()
    return text, ""


def escaped(data: bytes, utf8: bool = False) -> str:
    """Bytes between quotes, as redis-cli shows a string. With `utf8` printable characters beyond ASCII are left as they are. O(bytes)

    >>> print(escaped(b'a "b"\\xff'), escaped('café'.encode(), utf8=True))
    "a \\"b\\"\\xff" "café"
    """
    if data.isascii() and data.decode("ascii").isprintable() and b'"' not in data and b"\\" not in data:
        return f'"{data.decode("ascii")}"'
    out = []
    for character in data.decode("utf-8" if utf8 else "latin-1", "surrogateescape"):
        code = ord(character)
        if code < 128:
            name = _NAMES.get(code)
            out.append(name.decode() if name else character if 32 <= code < 127 else f"\\x{code:02x}")
        elif utf8 and character.isprintable():
            out.append(character)
        elif utf8 and 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\x{code - 0xDC00:02x}")
        else:
            out.extend(f"\\x{byte:02x}" for byte in character.encode("utf-8" if utf8 else "latin-1"))
    return '"' + "".join(out) + '"'


def typed(data: bytes) -> str:
    """A word as one would type it: in quotes only where it must be. O(bytes)

    >>> typed(b"user:1"), typed(b"two words"), typed(b"")
    ('user:1', '"two words"', '""')
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return escaped(data)
    if text and text.isprintable() and text != "|" and not any(byte in b" \"'\\" for byte in data) and not any(
            character.isspace() for character in text):
        return text
    return escaped(data, utf8=True)


def safe_text(data: bytes) -> str:
    """Text of a server for a terminal: what would move the cursor or change colours is spelled out. O(bytes)

    >>> safe_text(b"a\\tb\\x1b[31m")
    'a\\tb\\\\x1b[31m'
    """
    text = data.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return text
    out = []
    for character in text:
        if character.isprintable() or character in "\n\t":
            out.append(character)
        elif character == "\r":
            pass                         # lines of INFO end so
        elif 0xDC80 <= ord(character) <= 0xDCFF:
            out.append(f"\\x{ord(character) - 0xDC00:02x}")
        else:
            out.extend(f"\\x{byte:02x}" for byte in character.encode("utf-8"))
    return "".join(out)
