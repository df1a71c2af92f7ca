"""The commands `hutch` and `hutch-server`."""
from __future__ import annotations

import argparse
import os
import sys
from typing import Sequence

from .tools import commands as tools
from .version import REDIS_VERSION, __version__

# Programs with options of their own, which argparse does not read: name -> (what it does, module, function, what the module needs).
# The function takes the words behind the name and returns the exit code; the extra hutch[cli] brings what is needed.
PROGRAMS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "cli": ("speak to a store or a server, at a prompt or with one command", "terminal.cli", "main", ("click", "prompt_toolkit")),
    "top": ("watch a store or a server at work", "terminal.top", "main", ("click", "rich")),
    "bench": ("how fast it is here, beside a Redis if there is one", "terminal.bench", "main", ()),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hutch", description="Redis in the room: an in-process, Redis-compatible data-structure engine.")
    parser.add_argument("-v", "--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    # `serve` is listed here for --help; its own arguments are redis-server's and not argparse's to read.
    commands.add_parser("serve", add_help=False, help="serve Redis clients, with redis-server's options "
                                                      "(hutch serve --help)")
    for name, (text, *_) in PROGRAMS.items():
        commands.add_parser(name, add_help=False, help=f"{text} (hutch {name} --help)")
    quickstart = commands.add_parser("quickstart", help="see what it does, then serve until Ctrl-C")
    quickstart.add_argument("--once", action="store_true", help="end after the quick start")
    quickstart.add_argument("--port", type=int, default=6379, help="where to serve; the next free one if it is taken")
    tools.add(commands)
    commands.add_parser("version", help="print the versions of Hutch and of the Redis it speaks")
    commands.add_parser("info", help="print build and platform, for bug reports")
    return parser


def _version() -> str:
    return f"hutch {__version__} (Redis {REDIS_VERSION})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `hutch` with these words, those of the command line if None; returns the exit code.

    argparse ends the process with SystemExit where the words are not understood, and for --help and --version.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _open_closed()
    if arguments[:1] == ["serve"]:
        return server_main(arguments[1:])
    if arguments and arguments[0] in PROGRAMS:
        return _program(arguments[0], arguments[1:])
    options = _parser().parse_args(arguments)
    if hasattr(options, "tool"):
        return tools.run(options)
    if options.command == "version":
        print(_version())
    elif options.command == "info":
        from .cli_server import build_information
        for name, value in build_information().items():
            print(f"{name + ':':22}{value}")
    else:
        from . import quickstart
        return quickstart.main(options.port, options.once)
    return 0


def _open_closed() -> None:
    """Whoever started us has closed standard input or an output: there is nothing in it, and what is written there is lost."""
    sys.stdin = sys.stdin or open(os.devnull)
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")


def _program(name: str, arguments: Sequence[str]) -> int:
    from importlib import import_module

    from .terminal import TerminalError, need
    _, module, function, needed = PROGRAMS[name]
    try:
        need("cli", *needed)
    except TerminalError as error:
        print(f"hutch {name}: {error}", file=sys.stderr)
        return 2
    return getattr(import_module(f".{module}", __package__), function)(arguments)


def server_main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `hutch-server`, which takes redis-server's options; returns the exit code (see cli_server.main)."""
    from . import cli_server
    return cli_server.main(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
