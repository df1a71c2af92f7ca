"""What was typed at the prompt, but for passwords."""
from __future__ import annotations

import os
from typing import Iterable, Sequence

from prompt_toolkit.history import FileHistory, InMemoryHistory

from .words import read_line


def is_secret(words: "Sequence[bytes]") -> bool:
    """Do these words say a password? Such a line goes into no history.

    >>> [is_secret(line.split()) for line in (b"AUTH x", b"GET auth", b"CONFIG SET requirepass x", b"HELLO 3 AUTH a b")]
    [True, False, True, True]
    """
    upper = [word.upper() for word in words]
    if not upper:
        return False
    if upper[0] == b"AUTH" or (upper[:2] == [b"ACL", b"SETUSER"]) or (upper[0] in (b"HELLO", b"MIGRATE") and (
            b"AUTH" in upper or b"AUTH2" in upper)):
        return True
    if upper[0] == b"CONNECT":
        return any(b"@" in word for word in words)
    return upper[:2] == [b"CONFIG", b"SET"] and any(b"PASS" in word or b"AUTH" in word for word in upper[2:])


class Forgetful(InMemoryHistory):
    """A history without lines that say passwords."""

    def append_string(self, string: str) -> None:
        """Remember a line, unless it says a password."""
        if not is_secret(read_line(string).values):
            super().append_string(string)


class PrivateHistory(FileHistory):
    """A history file for its owner's eyes, without lines that say passwords."""

    def append_string(self, string: str) -> None:
        """Remember a line, unless it says a password."""
        if not is_secret(read_line(string).values):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Keep a line in the file; one that cannot be written keeps none."""
        try:
            os.close(os.open(self.filename, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600))
            super().store_string(string)
        except OSError:
            pass

    def load_history_strings(self) -> "Iterable[str]":
        """The lines, newest first; none when the file cannot be read."""
        try:
            return list(super().load_history_strings())
        except OSError:
            return []
