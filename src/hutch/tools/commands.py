"""The words of the tools on the command line, and which function each of them is."""
from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from importlib import import_module

FAILED = 2
TYPES = ("string", "list", "set", "zset", "hash", "stream", "json", "rejson-rl")
SOURCE = "an RDB file, a log (its directory, its manifest or a single file), JSON lines, the directory of a store, or a URL"


def _selecting(parser):
    parser.add_argument("--match", action="append", metavar="PATTERN", help="only keys that fit it, as KEYS has it; may be repeated")
    parser.add_argument("--type", action="append", type=_type, metavar="TYPE", help="only keys of this type (string, list, set, zset, hash, stream, "
                                                                        "json); may be repeated")
    parser.add_argument("--db", action="append", type=int, metavar="N", help="only this database; may be repeated")


def _type(text):
    """A type's name: one of ours, or a module's. What looks like a slip is refused, since it would find nothing, and say that all is well."""
    near = difflib.get_close_matches(text.lower(), TYPES, 1, 0.75)
    if near and near[0] != text.lower():
        raise argparse.ArgumentTypeError(f"{text!r} is no type; {near[0]} is one")
    return text


def _seconds(text):
    return round(float(text) * 1000)


def _count(text):
    """A number, perhaps with k, m or g behind it: of thousands, or (kb, mb, gb) of 1024."""
    found = re.fullmatch(r"(\d+)(?:([kmg])(b?))?", text.lower())
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    power = " kmg".index(found[2]) if found[2] else 0
    return int(found[1]) * (1024 if found[3] else 1000) ** power


def add(commands) -> None:
    """Add the tools to the table of commands (argparse's subparsers)."""
    check = commands.add_parser("check", help="tell what is in an RDB file or a log, and whether it can be loaded; mend torn logs",
                                description="Tells what is in RDB files and logs (append-only files), and whether they can be loaded. Ends "
                                            "with 0 when all of them can be, as they are, else with 1.")
    check.add_argument("file", nargs="+", help="an RDB file, a log's manifest, its directory, or a single file of a log")
    check.add_argument("--fix", action="store_true", help="cut a torn log off behind its last whole command and transaction; asks first")
    check.add_argument("--yes", action="store_true", help="do not ask")
    check.add_argument("--until", type=int, metavar="SECONDS", help="with --fix: cut off what was written after that Unix time, where "
                                                                    "the log tells (aof-timestamp-enabled)")
    check.set_defaults(tool="check")

    inspect = commands.add_parser("inspect", help="types, sizes, biggest keys, prefixes and deadlines of a file or a store",
                                  description="Tells what is in a file or a store. Nothing is changed in it, nor noted as used.")
    inspect.add_argument("source", help=SOURCE)
    _selecting(inspect)
    inspect.add_argument("--top", type=int, default=20, metavar="N", help="how many of the biggest keys are told (20)")
    inspect.add_argument("--separator", default=":", metavar="CHARACTERS", help="what the parts of keys' names stand between (:)")
    inspect.add_argument("--depth", type=int, default=4, metavar="N", help="how many parts of a name the tree of prefixes shows (4)")
    inspect.add_argument("--serialized", action=argparse.BooleanOptionalAction, default=None,
                         help="tell how large values are in an RDB file, too: of a live store, each one has to be fetched for that")
    inspect.add_argument("--skip-unknown", action="store_true", help="leave out keys of types that Hutch does not have")
    inspect.add_argument("--json", action="store_true", help="as JSON")
    inspect.add_argument("--html", metavar="FILE", help="as a page with charts, which needs nothing else")
    inspect.set_defaults(tool="inspect")

    convert = commands.add_parser("convert", help="between RDB files, logs and JSON lines",
                                  description="Writes what is in a file or a store into a new file. The target's name tells what it becomes: "
                                              ".rdb, .aof (commands), a directory (a log as Redis 7 has it), .jsonl, .jsonl.gz.")
    convert.add_argument("source", help=SOURCE + "; - is JSON lines from standard input")
    convert.add_argument("target", help="a file that is not there yet, or a directory; - is JSON lines to standard output")
    convert.add_argument("--to", choices=("rdb", "aof", "aof-dir", "jsonl"), help="what the target becomes, whatever its name")
    convert.add_argument("--rdb-version", type=int, metavar="N", help="9 (Redis 5) to 12 (Redis 8); else the lowest that holds the data, "
                                                                      "11 at least")
    convert.add_argument("--replace", action="store_true", help="write over a file that is there")
    convert.add_argument("--no-functions", action="store_true", help="leave out the libraries of functions")
    convert.add_argument("--skip-unknown", action="store_true", help="leave out keys of types that Hutch does not have")
    _selecting(convert)
    convert.set_defaults(tool="convert")

    diff = commands.add_parser("diff", help="which keys of two files or stores differ",
                               description="Compares values, types and deadlines of two files or stores, key by key. Ends with 0 when "
                                           "nothing differs, with 1 when something does, and with 2 when they cannot be compared.")
    diff.add_argument("a", metavar="A", help=SOURCE)
    diff.add_argument("b", metavar="B", help="another one")
    diff.add_argument("--tolerance", type=_seconds, default=0, metavar="SECONDS", help="how far deadlines may be apart (0)")
    diff.add_argument("--no-functions", action="store_true", help="do not compare the libraries of functions")
    diff.add_argument("--skip-unknown", action="store_true", help="leave out keys of types that Hutch does not have")
    diff.add_argument("--json", action="store_true", help="a line of JSON for each difference, and one with the figures at the end")
    _selecting(diff)
    diff.set_defaults(tool="diff")

    migrate = commands.add_parser("migrate", help="copy the keys of one store into another while both are in use",
                                  description="Copies keys between Hutch, Redis, Valkey and Redis Clusters. What the source's clients change "
                                              "after a key was copied is not followed. Ends with 0 when all was copied, with 1 when some "
                                              "keys were not, and with 2 when it could not go on.")
    migrate.add_argument("source", help=SOURCE)
    migrate.add_argument("target", help="the URL of a store: redis://, rediss://, valkey://, unix://, redis+cluster://, hutch:///path")
    migrate.add_argument("--replace", action="store_true", help="write over keys that are there")
    migrate.add_argument("--verify", action="store_true", help="read all keys again at the end, and compare")
    migrate.add_argument("--state", metavar="FILE", help="note in this file how far it came; the same command goes on from there")
    migrate.add_argument("--rate", type=_count, default=0, metavar="KEYS", help="at most so many keys a second")
    migrate.add_argument("--bandwidth", type=_count, default=0, metavar="BYTES", help="at most so many bytes of values a second (10mb)")
    migrate.add_argument("--no-functions", action="store_true", help="leave out the libraries of functions")
    migrate.add_argument("--skip-unknown", action="store_true", help="leave out keys of types that Hutch does not have, of files")
    _selecting(migrate)
    migrate.set_defaults(tool="migrate")


def _give_up_output() -> None:
    """Nothing more can be written: what is kept for standard output is dropped, so that the interpreter's end has nothing to complain of."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def run(options) -> int:
    """Run the tool that was asked for; returns the exit code: 2 when it could not be done, and says why on standard error."""
    from redis.exceptions import RedisError

    from .links import LinkError
    from .places import PlaceError
    try:
        code = import_module(f"hutch.tools.{options.tool}").main(options)
        sys.stdout.flush()
        return code
    except (PlaceError, LinkError) as error:
        print(f"hutch {options.tool}: {error}", file=sys.stderr)
    except RedisError as error:
        print(f"hutch {options.tool}: {error}", file=sys.stderr)
    except MemoryError:
        print(f"hutch {options.tool}: there is not enough memory for this", file=sys.stderr)
    except BrokenPipeError:
        _give_up_output()                # whoever read our lines has had enough
    except KeyboardInterrupt:
        print(f"hutch {options.tool}: interrupted", file=sys.stderr)
        return 130
    except OSError as error:             # of our own output: what is read is told of by its place
        print(f"hutch {options.tool}: {error.strerror or error}", file=sys.stderr)
        _give_up_output()
    return FAILED
