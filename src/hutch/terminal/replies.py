"""Replies as text: in redis-cli's shapes for people, raw for other programs, and as JSON."""
from __future__ import annotations

import json
import math
from typing import Any, Mapping, Sequence

from .resp import BigNumber, Double, Failure, Map, Push, Set, Status, Verbatim
from .words import escaped, safe_text

# What each part of a reply is coloured with (SGR codes).
COLOURS: "Mapping[str, str]" = {"index": "2", "string": "32", "status": "36", "integer": "33", "nil": "2", "error": "31", "key": "34"}

# Commands whose replies are texts for people, and are shown as they are, as redis-cli does; with subcommand where they have one.
_TEXTS = frozenset({
    ("info",), ("lolwut",), ("debug", "htstats"), ("debug", "htstats-key"), ("client", "list"), ("client", "info"), ("cluster", "info"),
    ("cluster", "nodes"), ("memory", "malloc-stats"), ("memory", "doctor"), ("latency", "graph"), ("latency", "doctor"),
    ("proxy", "info")})


def is_text(words: "Sequence[bytes]") -> bool:
    """Is the reply to this command a text for people?"""
    lower = tuple(word.decode("latin-1").lower() for word in words[:2])
    return lower[:1] in _TEXTS or lower in _TEXTS


class Shape:
    """Replies in redis-cli's shapes. `colours` maps kinds of parts to SGR codes; None leaves them plain. With `utf8` letters beyond
    ASCII are shown, where redis-cli spells their bytes."""

    def __init__(self, colours: "Mapping[str, str] | None" = None, utf8: bool = False):
        self._colours = colours
        self._utf8 = utf8

    def _paint(self, kind: str, text: str) -> str:
        code = self._colours.get(kind) if self._colours else None
        return f"\x1b[{code}m{text}\x1b[0m" if code else text

    def text(self, reply: Any, is_text: bool = False) -> str:
        """The reply, without a newline at the end. O(bytes)

        >>> print(Shape().text([b"a", 1, [None, b"c"]]))
        1) "a"
        2) (integer) 1
        3) 1) (nil)
           2) "c"
        """
        if is_text and isinstance(reply, bytes) and not isinstance(reply, Failure):
            return safe_text(reply).rstrip("\n")
        out: "list[str]" = []
        self._put(out, reply, "", "string")
        return "".join(out)

    def _put(self, out: "list[str]", reply: Any, prefix: str, kind: str) -> None:
        if isinstance(reply, Failure):
            out.append(self._paint("error", f"(error) {safe_text(reply)}"))
        elif isinstance(reply, Status):
            out.append(self._paint("status", safe_text(reply)))
        elif isinstance(reply, Verbatim):
            out.append(safe_text(reply))
        elif isinstance(reply, BigNumber):
            out.append(self._paint("integer", f"(integer) {safe_text(reply)}"))
        elif isinstance(reply, bytes):
            out.append(self._paint(kind, escaped(reply, self._utf8)))
        elif reply is None:
            out.append(self._paint("nil", "(nil)"))
        elif isinstance(reply, bool):
            out.append(self._paint("integer", "(true)" if reply else "(false)"))
        elif isinstance(reply, Double):
            out.append(self._paint("integer", f"(double) {reply.text}"))
        elif isinstance(reply, int):
            out.append(self._paint("integer", f"(integer) {reply}"))
        else:
            self._put_list(out, reply, prefix)

    def _put_list(self, out: "list[str]", reply: Any, prefix: str) -> None:
        if not reply:
            what = "hash" if isinstance(reply, Map) else "set" if isinstance(reply, Set) else "push" if isinstance(reply, Push) else "array"
            out.append(self._paint("nil", f"(empty {what})"))
            return
        mark = "#" if isinstance(reply, Map) else "~" if isinstance(reply, Set) else ")"
        width = len(str(len(reply)))
        inner = prefix + " " * (width + 2)
        for at, element in enumerate(reply, 1):
            if at > 1:
                out.append("\n" + prefix)
            out.append(self._paint("index", f"{at:>{width}}{mark}") + " ")
            if isinstance(reply, Map):
                self._put(out, element[0], inner, "key")
                out.append(self._paint("index", " => "))
                value: "list[str]" = []
                self._put(value, element[1], inner, "string")
                # What takes several lines begins on a line of its own.
                if isinstance(element[1], list) and any("\n" in part for part in value):
                    out.append("\n" + inner)
                out += value
            else:
                self._put(out, element, inner, "string")


def raw(reply: Any) -> bytes:
    """The reply for other programs: strings as they are, elements on lines of their own. No newline at the end. O(bytes)

    >>> raw([b"a", 1, None, b"c"])
    b'a\\n1\\n\\nc'
    """
    if isinstance(reply, bytes):
        return bytes(reply)
    if reply is None:
        return b""
    if isinstance(reply, bool):
        return b"(true)" if reply else b"(false)"
    if isinstance(reply, Double):
        return reply.text.encode()
    if isinstance(reply, int):
        return b"%d" % reply
    if isinstance(reply, Map):
        return b"\n".join(raw(key) + b" " + raw(value) for key, value in reply)
    return b"\n".join(map(raw, reply))


def plain(reply: Any) -> Any:
    """The reply as json has values. Bytes that are no UTF-8 become lone surrogates, from which Python's "surrogateescape" makes them
    again. O(bytes)

    >>> plain(Map([(b"a", [1, None, Failure(b"ERR no")])]))
    {'a': [1, None, {'error': 'ERR no'}]}
    """
    if isinstance(reply, Failure):
        return {"error": reply.text}
    if isinstance(reply, BigNumber):
        return int(reply)
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "surrogateescape")
    if isinstance(reply, Double):
        # JSON has neither.
        return float(reply) if math.isfinite(reply) else reply.text
    if isinstance(reply, Map):
        return {_name(key): plain(value) for key, value in reply}
    if isinstance(reply, list):
        return [plain(element) for element in reply]
    return reply


def _name(key: Any) -> str:
    value = plain(key)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def to_json(reply: Any, indent: "int | None" = None) -> str:
    """The reply as a line of JSON, or as several with `indent`. O(bytes)

    >>> print(to_json(["café".encode(), b"\\xff"]))
    ["café","\\udcff"]
    """
    value = plain(reply)
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:               # a lone surrogate: spelled out, and it alone
        text = "".join(f"\\u{ord(character):04x}" if 0xD800 <= ord(character) <= 0xDFFF else character for character in text)
    return text
