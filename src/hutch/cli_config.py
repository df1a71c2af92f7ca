"""What redis-server reads at its start: configuration files and a command line that is one more of them.

`--port 6380 --bind 127.0.0.1 -::1` is turned into the lines `port "6380"` and `bind "127.0.0.1" "-::1"`
behind those of the file, so both have one syntax, one order and one kind of error. An engine checks and takes
them (`prepare`); `ConfigError` is what the user is told. A store and a server inside a program read their files here, too
(`configuration`).
"""
from __future__ import annotations

import glob
import os
import sys
from dataclasses import dataclass, replace
from typing import Callable, Iterable, Iterator, Sequence

from hutch_engine.door.engine import Engine

__all__ = ["ConfigError", "Directive", "ConfigFileMissing", "arguments_text", "configuration", "prepare", "read_directives",
           "read_file", "split_words"]

INCLUDES_NESTED = 64             # more than Python's stack of generators would like
BAD_DIRECTIVE = "Bad directive or wrong number of arguments"


class ConfigError(Exception):
    """A directive that cannot be used: its line number (from 1), its text, what is wrong with it, and the file it is in, if it
    is in one."""

    def __init__(self, line: int, text: str, reason: str, file: str = ""):
        super().__init__(f"{file + ', ' if file else ''}line {line}: {text}: {reason}")
        self.line = line
        self.text = text
        self.reason = reason
        self.file = file


class ConfigFileMissing(Exception):
    """A configuration file that cannot be read."""

    def __init__(self, path: str, reason: str):
        super().__init__(f"can't open config file '{path}': {reason}")


@dataclass(frozen=True)
class Directive:
    """One directive of a configuration: where it stands, its text, and its words."""
    line: int                    # in its own file
    text: str                    # as written, trimmed
    name: str                    # lower case
    values: tuple[str, ...]
    meant: str = ""              # what an engine is told instead of the text, wherever it runs: a relative `dir` made absolute
    file: str = ""               # absolute path; empty for the command line and standard input

    @property
    def value(self) -> str:
        """All values as one text, a space between two."""
        return " ".join(self.values)

    def error(self, reason: str) -> ConfigError:
        """The ConfigError that says what is wrong with this directive; it is returned, not raised."""
        return ConfigError(self.line, self.text, reason, self.file)


ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
SPACE = " \t\r\n\v\f\0"
HEX = set("0123456789abcdefABCDEF")


def split_words(line: str) -> list[str] | None:
    r"""The words of a line, with Redis's quoting; None when its quotes do not balance.

    >>> split_words(r'save "" requirepass "two words\x21" ' + r"'it\'s'")
    ['save', '', 'requirepass', 'two words!', "it's"]
    >>> split_words('bind "127.0.0.1') is None
    True
    """
    words: list[str] = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in SPACE:
            at += 1
        if at == end:
            return words
        word: list[str] = []
        quote = ""
        while True:
            if at == end:
                if quote:
                    return None
                break
            c = line[at]
            if not quote:
                if c in SPACE:
                    break
                if c in "\"'":
                    quote = c
                else:
                    word.append(c)
            elif c == quote:
                if at + 1 < end and line[at + 1] not in SPACE:
                    return None          # a closing quote ends its word
                quote = ""
            elif quote == '"' and c == "\\" and at + 1 < end:
                if line[at + 1] == "x" and len(HEX.intersection(line[at + 2:at + 4])) and \
                        set(line[at + 2:at + 4]) <= HEX and at + 3 < end:
                    # One byte, in the form that os.fsencode turns back into it.
                    word.append(os.fsdecode(bytes([int(line[at + 2:at + 4], 16)])))
                    at += 3
                else:
                    word.append(ESCAPES.get(line[at + 1], line[at + 1]))
                    at += 1
            elif quote == "'" and line.startswith("\\'", at):
                word.append("'")
                at += 1
            else:
                word.append(c)
            at += 1
        words.append("".join(word))


def quoted(word: str) -> str:
    """The word as a configuration file would have it, in double quotes; split_words reads it back. O(length)"""
    out = []
    for c in word:
        if c in '\\"':
            out.append("\\" + c)
        elif c in "\n\r\t\b\a":
            out.append("\\" + {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\a": "a"}[c])
        elif c < " " or c == "\x7f":
            out.append(f"\\x{ord(c):02x}")
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def arguments_text(arguments: Sequence[str]) -> str:
    """The command line's options as lines of a configuration file.

    >>> print(arguments_text(["--port", "6380", "--bind", "127.0.0.1", "-::1", "--save", "--appendonly", "no"]))
    port "6380"
    bind "127.0.0.1" "-::1"
    save ""
    appendonly "no"
    """
    lines: list[str] = []
    name_may_follow = True       # `--port --x`: the word after a name is its value, whatever it looks like
    for at, word in enumerate(arguments):
        if word.startswith("--") and name_may_follow:
            line = word[2:]
            following = arguments[at + 1] if at + 1 < len(arguments) else "--"
            if word.lower() == "--save" and following.startswith("--"):
                line += ' ""'            # nothing to be saved
            lines.append(line)
            name_may_follow = len(split_words(word) or ()) != 1 or line.endswith('""')
        else:
            if not lines:
                lines.append("")
            lines[-1] += (" " if lines[-1] else "") + quoted(word)
            name_may_follow = True
    return "\n".join(lines)


def read_file(path: str) -> str:
    """The text of a configuration file; bytes that are not UTF-8 become surrogates. ConfigFileMissing when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError as error:
        raise ConfigFileMissing(path, error.strerror or str(error)) from None


def read_directives(text: str, chdir: Callable[[str], None] | None = os.chdir, file: str = "", file_lines: int | None = None,
                    including: tuple[str, ...] = ()) -> Iterator[Directive]:
    """Yield the directives of a configuration, those of included files in their place.

    `dir` changes the working directory on the way, so that what follows is relative to it, as in Redis; with `chdir` None it does
    not. The first `file_lines` lines (None: all) are those of `file`, which errors name; `including` are the files whose
    includes led here. ConfigError where quotes do not balance, where files include each other, and where `dir` cannot be
    entered; ConfigFileMissing where an included file cannot be read.
    """
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t\r\n")
        if not line or line.startswith("#"):
            continue
        place = file if file_lines is None or number <= file_lines else ""
        words = split_words(line)
        if words is None:
            raise ConfigError(number, line, "Unbalanced quotes in configuration line", place)
        if not words:
            continue
        directive = Directive(number, line, words[0].lower(), tuple(words[1:]), file=place)
        if directive.name == "include":
            if len(directive.values) != 1:
                raise directive.error(BAD_DIRECTIVE)
            for path in matching_files(directive.values[0]):
                real = os.path.realpath(path)
                led_here = including or (os.path.realpath(place) if place else "",)
                if real in led_here or len(led_here) > INCLUDES_NESTED:
                    raise directive.error("Files include each other in a circle")
                yield from read_directives(read_file(path), chdir, os.path.abspath(path), None, (*led_here, real))
            continue
        if directive.name == "dir" and len(directive.values) == 1 and chdir is not None:
            try:
                chdir(directive.values[0])
            except OSError as error:
                raise directive.error(error.strerror or str(error)) from None
            # Said once, and again to each further engine: the directory is another one by then.
            directive = replace(directive, meant=f"dir {quoted(os.getcwd())}")
        yield directive


def matching_files(pattern: str) -> Iterable[str]:
    """The files that a name in a configuration stands for: those that match it, in order, which may be none; or the one of this
    name."""
    if glob.has_magic(pattern):
        return sorted(glob.glob(pattern))
    return [pattern]


def configuration(path: str | os.PathLike[str]) -> list[Directive]:
    """The directives of a file for a store inside a program, whose working directory stays as it is. ValueError that names file and
    line where it cannot be read as a configuration, OSError where it cannot be read at all."""
    path = os.path.abspath(os.fspath(path))
    try:
        return list(read_directives(read_file(path), None, path))
    except ConfigError as error:
        raise ValueError(str(error)) from None
    except ConfigFileMissing as error:
        raise FileNotFoundError(str(error)) from None


def prepare(directives: Iterable[Directive], engine: Engine) -> list[Directive]:
    """Give the engine its configuration, one directive after the other; returns them. ConfigError for the first that it
    refuses."""
    prepared = []
    for directive in directives:
        try:
            engine.configure_line(directive.meant or directive.text)
        except ValueError as error:
            raise directive.error(str(error)) from None
        prepared.append(directive)
    return prepared


def databases_of(directives: Sequence[Directive]) -> int:
    """How many databases the engine is to be made with. ConfigError where that is no number at all."""
    for directive in reversed(directives):
        if directive.name == "databases":
            try:
                return max(int(directive.value), 1)
            except ValueError:
                raise directive.error("argument couldn't be parsed into an integer") from None
    return 16


def report(error: ConfigError, redis_version: str, file=None) -> None:
    """Write the error to `file` (standard error if None) in the form that redis-server uses, for the tools that look for it; and
    behind it which file that is."""
    print(f"\n*** FATAL CONFIG FILE ERROR (Redis {redis_version}) ***\n"
          f"Reading the configuration file, at line {error.line}\n"
          f">>> '{error.text}'\n"
          f"{error.reason}" + (f"\nIn the file '{error.file}'" if error.file else ""), file=file or sys.stderr, flush=True)
