"""The prompt of `hutch cli`."""
from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Iterator, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import ThreadedCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style

from . import TerminalError
from .console import NOTHING, Console
from .history import Forgetful, PrivateHistory
from .link import AuthenticationNeeded, Link, NoConnection
from .resp import Failure
from .suggest import Place, Scout, Suggestions
from .syntax import Command, after, find
from .target import is_target, parse_target
from .words import read_line, safe_text, split_shell

LOCAL = {"help": "help [command | @group]: what a command does and takes", "peek": "peek key: what a key is and holds",
         "connect": "connect URL|PATH: go elsewhere", "clear": "clear: an empty screen", "exit": "exit: leave (also quit, Ctrl-D)"}
# Why one may want to think again.
WARNINGS = {
    "KEYS": "walks through all {keys} keys while everybody else waits; SCAN does it in steps",
    "FLUSHALL": "deletes all keys of all databases ({all})",
    "FLUSHDB": "deletes all {keys} keys of database {db}",
    "SHUTDOWN": "ends the server for everybody",
}
SLOW_S = 0.5                 # from there on the time is shown, as redis-cli does
PEEK_MAX = 20                # elements that `peek` shows

STYLE = Style.from_dict({
    "prompt": "bold", "prompt.state": "ansiyellow", "command": "ansigreen bold", "token": "ansicyan", "quoted": "ansiyellow",
    "hint": "ansibrightblack", "bottom-toolbar": "noreverse", "toolbar": "ansibrightblack", "toolbar.name": "bold"})


class Colours(Lexer):
    """Colours of what is typed: the command, its options, what stands in quotes."""

    def __init__(self, shell: "Shell"):
        self._shell = shell

    def lex_document(self, document: Document) -> Any:
        """A function from a line's number to its coloured pieces."""
        def line(number: int) -> StyleAndTextTuples:
            text = document.lines[number]
            data = text.encode("utf-8", "surrogateescape")
            pieces: StyleAndTextTuples = []
            words = read_line(data).words
            command, used = find(self._shell.commands, [word.value for word in words])
            end = 0
            for at, word in enumerate(words):
                style = ""
                if (command is not None and at < used) or (at == 0 and word.value.decode("utf-8", "replace").lower() in LOCAL):
                    style = "class:command"
                elif word.quoted:
                    style = "class:quoted"
                elif command is not None and word.value.isupper() and word.value.isalpha():
                    style = "class:token"
                pieces.append(("", data[end:word.start].decode("utf-8", "surrogateescape")))
                pieces.append((style, data[word.start:word.end].decode("utf-8", "surrogateescape")))
                end = word.end
            pieces.append(("", data[end:].decode("utf-8", "surrogateescape")))
            return pieces
        return line


class Hints(Processor):
    """Shows behind the cursor what is still to come."""

    def __init__(self, shell: "Shell"):
        self._shell = shell

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The line, with the hint behind it."""
        document = transformation_input.document
        pieces = transformation_input.fragments
        # A line that is done is left without it.
        if transformation_input.lineno == document.line_count - 1 and document.is_cursor_at_the_end and not get_app().is_done:
            hint = self._shell.hint(document.text)
            room = transformation_input.width - sum(len(piece[1]) for piece in (*self._shell.prompt(), *pieces)) - 1
            if len(hint) > room:
                hint = hint[:max(room - 3, 0)] + "..." if room > 12 else ""
            if hint:
                pieces = [*pieces, ("class:hint", hint)]
        return Transformation(pieces)


class Shell:
    """Reads commands and shows their replies until one has enough."""

    def __init__(self, console: Console, *, history: "str | None" = None, warn: bool = True, pager: bool = True, shell: bool = True):
        self.console = console
        self.warn, self.pager, self.allow_shell = warn, pager, shell
        self.commands: "dict[str, Command]" = {}
        self._hinted: "tuple[str, Any, str]" = ("", None, "")
        console.on_redirection = self._say
        self._begin()
        kept: History = PrivateHistory(history) if history else Forgetful()
        self._session: "PromptSession[str]" = PromptSession(
            history=kept, completer=ThreadedCompleter(self._suggestions), complete_while_typing=True, lexer=Colours(self),
            input_processors=[Hints(self)], bottom_toolbar=self._toolbar, style=STYLE, enable_history_search=False,
            reserve_space_for_menu=6)

    @property
    def link(self) -> Link:
        """The connection."""
        return self.console.link

    def _begin(self) -> None:
        link = self.link
        self._scout = Scout(link.target, link.house)
        self._suggestions = Suggestions(self._scout, LOCAL, lambda: self.link.db)
        self.commands = {}

    def _learn(self, scout: Scout) -> None:
        commands = scout.commands()
        if scout is self._scout:
            self.commands = commands
            self._session.app.invalidate()               # what was typed meanwhile has a hint now

    # ---- what is shown around the line

    def prompt(self) -> StyleAndTextTuples:
        """What stands before the line: where we are, in which database, and whether in a transaction."""
        link = self.link
        if not link.is_connected:
            return [("class:prompt.state", "not connected"), ("class:prompt", "> ")]
        pieces: StyleAndTextTuples = [("class:prompt", link.target.label)]
        if link.db:
            pieces.append(("class:prompt", f"[{link.db}]"))
        if link.in_multi:
            pieces.append(("class:prompt.state", "(TX)"))
        pieces.append(("class:prompt", "> "))
        return pieces

    def hint(self, text: str) -> str:
        """What may follow this text, as a command's syntax. O(words)"""
        commands = self.commands                         # another thread may bring them just now
        if self._hinted[0] == text and self._hinted[1] is commands:
            return self._hinted[2]
        hint = ""
        place = Place(text)
        words = [*place.words, *([place.prefix] if place.partial is not None else [])]
        command, used = find(commands, words)
        if command is not None and not place.quoted and (place.partial is None or len(words) > used or used == len(words)):
            if command.subcommands and used == 1 and not command.arguments:
                hint = "subcommand ..." if len(words) == 1 else ""
            else:
                hint = after(command, words[used:]).hint
            if hint and not text[-1:].isspace():
                hint = " " + hint
        self._hinted = (text, commands, hint)
        return hint

    def _toolbar(self) -> StyleAndTextTuples:
        words = Place(self._session.default_buffer.document.text).words or [
            word.value for word in read_line(self._session.default_buffer.document.text).words]
        command, _ = find(self.commands, words)
        if command is None:
            return [("class:toolbar", "Tab completes · help COMMAND explains · COMMAND | program pipes · Ctrl-D leaves")]
        text = command.summary
        if command.complexity:
            text += f"  {command.complexity}"
        if command.deprecated:
            text += f"  (deprecated: {command.deprecated})"
        width = shutil.get_terminal_size().columns - len(command.name) - 3
        return [("class:toolbar.name", command.name + " "), ("class:toolbar", text[:max(width, 0)])]

    # ---- the loop

    def run(self) -> int:
        """Read and run lines until `exit` or Ctrl-D; returns the exit code."""
        self.say_hello()
        while True:
            try:
                text = self._session.prompt(self.prompt)
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            again = True
            try:
                if not self.do(text):
                    break
            except KeyboardInterrupt:
                lost = " (the transaction is gone)" if self.link.in_multi else ""
                self.link.drop()
                self._say(f"interrupted{lost}")
            except TerminalError as error:
                self._say(str(error), "1;31")
                again = not isinstance(error, NoConnection)      # the next command tries by itself
            if again and not self.link.is_connected:
                self._reconnect()
        self._scout.close()
        return 0

    def say_hello(self) -> None:
        """Connect; ask for a password when one is needed."""
        try:
            connect_with_password(self.link)
        except TerminalError as error:
            self._say(str(error), "1;31")
        self._look_around()

    def _look_around(self) -> None:
        if self.link.house is not None and self.link.house.is_new:
            self._say(f"a new store in {self.link.target.path}")
        self._scout.log_in(self.link.username, self.link.password)
        # The prompt does not wait for this.
        threading.Thread(target=self._learn, args=(self._scout,), daemon=True).start()

    def _reconnect(self) -> None:
        try:
            self.link.connect()
        except TerminalError as error:
            self._say(str(error), "1;31")

    def _say(self, text: str, code: str = "2") -> None:
        safe = safe_text(text.encode("utf-8", "surrogateescape"))
        print(f"\x1b[{code}m{safe}\x1b[0m" if self.console.shape._colours else safe, flush=True)

    def do(self, text: str) -> bool:
        """Run a line. Returns whether to go on. TerminalError and KeyboardInterrupt are the caller's to tell."""
        command, program = split_shell(text)
        line = read_line(command)
        if not line.words:
            return True
        if not line.whole:
            raise TerminalError("Invalid argument(s): a quote is not closed, or something follows it without a space")
        words = line.values
        name = words[0].decode("utf-8", "replace").lower()
        if name in ("exit", "quit"):
            return False
        if name in ("help", "?"):
            self._help(b" ".join(words[1:]).decode("utf-8", "replace"))
        elif name == "clear":
            print("\x1b[H\x1b[2J", end="", flush=True)
        elif name == "connect":
            self._connect([word.decode("utf-8", "surrogateescape") for word in words[1:]])
        elif name == "peek" and len(words) == 2:
            self._peek(words[1])
        else:
            times = 1
            if words[0].isdigit() and len(words) > 1:        # 5 INCR x
                times, words = int(words[0]), words[1:]
            if self._is_confirmed(words):
                for _ in range(times):
                    self._run(words, program)
        return True

    def _run(self, words: "Sequence[bytes]", program: str) -> None:
        console = self.console
        if program and not self.allow_shell:
            raise TerminalError("no programs are run here (--no-shell); a | that is meant as a word is written \"|\"")
        if console.is_stream(words):
            if program:
                raise TerminalError("messages without end cannot be piped")
            self._say("Reading messages... (press Ctrl-C to leave)")
            try:
                console.stream(words)
            except KeyboardInterrupt:
                self.link.drop()
                print()
            return
        began = time.monotonic()
        reply = console.ask(words)
        took = time.monotonic() - began
        self._scout.log_in(self.link.username, self.link.password)
        if reply is NOTHING:
            return
        if program and not isinstance(reply, Failure):
            self._pipe(console.render(reply, words, "json" if console.form == "json" else "raw") + b"\n", program)
            return
        data = console.render(reply, words, "shape" if isinstance(reply, Failure) else None)
        self._page(data)
        if took >= SLOW_S:
            self._say(f"({took:.2f}s)")

    def _pipe(self, data: bytes, program: str) -> None:
        with _ctrl_c_for_others():
            found = subprocess.run(program, shell=True, input=data, check=False)
        if found.returncode not in (0, -13, 141):            # 13 is SIGPIPE: it has read enough
            self._say(f"({program} ended with {found.returncode})")

    def _page(self, data: bytes) -> None:
        size = shutil.get_terminal_size()
        pager = os.environ.get("HUTCH_PAGER") or os.environ.get("PAGER") or "less"
        if self.pager and data.count(b"\n") + len(data) // max(size.columns, 20) >= size.lines and shutil.which(pager.split()[0]):
            environment = dict(os.environ)
            environment.setdefault("LESS", "-RFX")
            with _ctrl_c_for_others():
                subprocess.run(pager, shell=True, input=data + b"\n", env=environment, check=False)
            return
        self.console.write(data)

    def _is_confirmed(self, words: "Sequence[bytes]") -> bool:
        name = words[0].decode("utf-8", "replace").upper()
        reason = WARNINGS.get(name) if self.warn else None
        if reason is None or not sys.stdin.isatty():
            return True
        counts = {"keys": "", "all": "all of them", "db": self.link.db}
        if not self.link.in_multi:
            size = self.link.call("DBSIZE")
            counts["keys"] = f"{size:,}" if isinstance(size, int) else ""
            info = self.link.call("INFO", "keyspace")
            if isinstance(info, bytes) and not isinstance(info, Failure):
                total = sum(int(part[5:]) for part in info.decode("latin-1").replace("\r\n", ",").replace(":", ",").split(",")
                            if part.startswith("keys="))
                counts["all"] = f"{total:,}"
        self._say(f"{name} " + reason.format(**counts).replace("  ", " "), "1;33")
        try:
            answer = input("Go on? (y/N) ")
        except (EOFError, KeyboardInterrupt):
            print()
            answer = ""
        return answer.strip().lower() in ("y", "yes")

    # ---- the prompt's own commands

    def _help(self, about: str) -> None:
        commands = self._scout.commands()
        if not about:
            for text in LOCAL.values():
                print(f"  {text}")
            print("  COMMAND | program: give a reply to a program of the shell (GET x | jq .)")
            print("  5 COMMAND: run it five times")
            groups = sorted({command.group for command in commands.values() if command.group})
            print(f"  groups: {' '.join('@' + group for group in groups)}")
            return
        if about.startswith("@"):
            chosen = [command for command in commands.values() if command.group == about[1:].lower()]
            if not chosen:
                raise TerminalError(f"there is no group {about}")
            self._page("\n".join(f"  {command.name:<20} {command.summary}" for command in chosen).encode())
            return
        command, _ = find(commands, about.encode().split())
        if command is None:
            raise TerminalError(f"no command is called {about}")
        lines = [command.syntax, f"  {command.summary}"]
        lines += [f"  {name}: {value}" for name, value in (
            ("complexity", command.complexity), ("since", command.since), ("group", command.group), ("deprecated", command.deprecated)) if value]
        lines += [f"  {inner.syntax}\n      {inner.summary}" for inner in (command.subcommands or {}).values()]
        self._page(safe_text("\n".join(lines).encode()).encode())

    def _connect(self, words: "Sequence[str]") -> None:
        if len(words) == 2 and words[1].isdigit():           # as in redis-cli
            words = [f"{words[0]}:{words[1]}"]
        if len(words) != 1 or not is_target(words[0]):
            raise TerminalError("connect URL, connect PATH or connect HOST PORT")
        target = parse_target(words[0])
        found = Link(target, self.link.wanted_protocol)
        try:
            connect_with_password(found)
        except BaseException:
            found.close()
            raise
        self._scout.close()
        self.link.close()
        self.console.link = found
        found.on_push = self.console.show_push
        self._begin()
        self._look_around()
        self._session.completer = ThreadedCompleter(self._suggestions)

    def _peek(self, key: bytes) -> None:
        """What a key is: type, encoding, memory, deadline, and its first elements."""
        if self.link.in_multi:
            raise TerminalError("not within a transaction")
        ask = self.link.call
        kind = ask("TYPE", key)
        if isinstance(kind, Failure):
            raise TerminalError(kind.text)
        if kind == b"none":
            self.console.show(None)
            return
        text = kind.decode()
        encoding, used, left = ask("OBJECT", "ENCODING", key), ask("MEMORY", "USAGE", key), ask("PTTL", key)
        facts = [text, encoding.decode() if isinstance(encoding, bytes) and not isinstance(encoding, Failure) else ""]
        if isinstance(used, int):
            facts.append(f"{used:,} bytes")
        if isinstance(left, int):
            facts.append("no deadline" if left < 0 else f"{left / 1000:,.1f} s left")
        last = PEEK_MAX - 1
        looks: "dict[str, tuple[list[Any], list[Any]]]" = {
            "string": (["STRLEN", key], ["GETRANGE", key, 0, 4095]), "list": (["LLEN", key], ["LRANGE", key, 0, last]),
            "set": (["SCARD", key], ["SSCAN", key, 0, "COUNT", PEEK_MAX]), "zset": (["ZCARD", key], ["ZRANGE", key, 0, last, "WITHSCORES"]),
            "hash": (["HLEN", key], ["HSCAN", key, 0, "COUNT", PEEK_MAX]), "stream": (["XLEN", key], ["XREVRANGE", key, "+", "-", "COUNT", PEEK_MAX]),
            "ReJSON-RL": (["JSON.TYPE", key], ["JSON.GET", key])}
        size, look = looks.get(text, ([], []))
        if size:
            length = ask(*size)
            if isinstance(length, int):
                facts.append(f"{length:,} {'bytes long' if text == 'string' else 'elements'}")
        self._say(", ".join(fact for fact in facts if fact), "36")
        if look:
            reply = ask(*look)
            if look[0] in ("SSCAN", "HSCAN") and isinstance(reply, list) and len(reply) == 2:
                reply = reply[1][:PEEK_MAX * (2 if look[0] == "HSCAN" else 1)]
            self._page(self.console.render(reply, (), "shape"))


@contextmanager
def _ctrl_c_for_others() -> "Iterator[None]":
    """While another program has the terminal, Ctrl-C is for that one. (A handler that does nothing, as programs inherit what is
    ignored.)"""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def connect_with_password(link: Link) -> None:
    """Connect; where a password is needed and somebody is there to be asked, ask, three times at most. TerminalError as
    Link.connect."""
    for attempt in range(4):
        try:
            link.connect()
            reply = link.call("PING")
            if not (isinstance(reply, Failure) and reply.startswith(b"NOAUTH")):
                return
            needed = AuthenticationNeeded(f"{link.target.label}: {reply.text}")
        except AuthenticationNeeded as error:
            needed = error
        if attempt == 3 or not sys.stdin.isatty():
            raise needed
        if attempt:
            print("That is not it.")
        if link.username:
            given = getpass.getpass(f"Password of {link.username}: ")
        else:
            given = getpass.getpass("Password: ")
        if not given:
            raise needed
        link.password = given
