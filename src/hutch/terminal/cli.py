"""`hutch cli`: its options, and which of its ways is meant: one command, commands from a file, or the prompt."""
from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Sequence

import click

from . import TerminalError
from .console import ERROR_REPLY, INTERRUPTED, UNREACHABLE, Console
from .link import Link, NoConnection
from .target import Security, Target, is_target, parse_target

TARGET = "HUTCH_URL"             # of the environment: where to go when nothing is said
PASSWORDS = ("HUTCH_PASSWORD", "REDISCLI_AUTH")
HISTORY = "HUTCH_HISTORY"
TRACEBACK = "HUTCH_TRACEBACK"    # of the environment: errors that nobody has foreseen are shown whole

HELP = """Speak to a store or a server: a URL (hutch://, redis://, rediss://, valkey://, unix://), HOST:PORT, or the path of a store,
of a socket, or of an RDB file (which is read into memory). Without one: $HUTCH_URL, or 127.0.0.1:6379.

With a command, run it and end: 0 when it succeeds, 1 when the reply is an error, 2 when the server cannot be reached. Without
one, read commands: from the keyboard, or from standard input, a line each.

\b
    hutch cli                                  the server on this machine
    hutch cli ./store                          a store in a directory, alone or beside its other processes
    hutch cli redis://user@host/2              asks for the password
    hutch cli --json localhost:6380 HGETALL h  for jq and other programs
    hutch cli :memory: < commands.txt          tries them out
"""


@click.command("hutch cli", help=HELP, context_settings={"allow_interspersed_args": False, "max_content_width": 110})
@click.option("--target", hidden=True)
@click.option("-h", "--host", metavar="HOST", help="Host, as redis-cli takes it.")
@click.option("-p", "--port", type=click.IntRange(1, 65535), help="Port.")
@click.option("-s", "--socket", metavar="PATH", help="Unix socket.")
@click.option("-u", "--uri", metavar="URL", help="The URL, as redis-cli takes it.")
@click.option("-n", "--db", type=click.IntRange(0), help="Database.")
@click.option("--user", metavar="NAME", help="User name.")
@click.option("-a", "--pass", "password", metavar="PASSWORD", help="Password; better in $HUTCH_PASSWORD, which others cannot see.")
@click.option("--askpass", is_flag=True, help="Ask for the password.")
@click.option("--tls", is_flag=True, help="Speak TLS.")
@click.option("--cacert", metavar="FILE", help="Certificates of who is trusted.")
@click.option("--cacertdir", metavar="DIRECTORY", help="The same, in a directory.")
@click.option("--cert", metavar="FILE", help="Our certificate.")
@click.option("--key", metavar="FILE", help="Our certificate's key.")
@click.option("--sni", metavar="NAME", help="The server's name, where it is not the host's.")
@click.option("--insecure", is_flag=True, help="Do not look at the server's certificate.")
@click.option("-2", "protocol", flag_value=2, type=int, help="Speak RESP2: the default but for the prompt and --json.")
@click.option("-3", "protocol", flag_value=3, type=int, help="Speak RESP3.")
@click.option("--json", "form", flag_value="json", help="Show replies as JSON, a line each.")
@click.option("--raw", "form", flag_value="raw", help="Show replies raw: the default when the output is no terminal.")
@click.option("--no-raw", "form", flag_value="shape", help="Show replies as at a terminal: the default there.")
@click.option("--color/--no-color", default=None, help="Colours; by default where the output is a terminal and $NO_COLOR is not set.")
@click.option("-c", "--cluster", is_flag=True, help="In a Redis Cluster, go on to the node that has the key.")
@click.option("-r", "--repeat", type=int, default=1, metavar="TIMES", help="Run the command so often; -1: for ever.")
@click.option("-i", "--interval", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="The time between these.")
@click.option("-x", "last_from_stdin", is_flag=True, help="The command's last word is what standard input has.")
@click.option("--eval", "script", metavar="FILE", help="Run this script: the words are its keys, and behind a lone comma its arguments.")
@click.option("--scan", is_flag=True, help="Show all keys, found by SCAN.")
@click.option("--pattern", metavar="PATTERN", help="With --scan: keys of this pattern.")
@click.option("-e", "as_redis_cli", is_flag=True, hidden=True)
@click.option("--no-auth-warning", "as_redis_cli", is_flag=True, hidden=True)
@click.option("--warn/--no-warn", default=True, help="Ask before KEYS, FLUSHALL, FLUSHDB and SHUTDOWN at the prompt.")
@click.option("--pager/--no-pager", default=True, help="Show long replies with $HUTCH_PAGER, $PAGER or less.")
@click.option("--shell/--no-shell", default=True, help="Let COMMAND | program run programs.")
@click.option("--history", metavar="FILE", help="The history's file: $HUTCH_HISTORY, or ~/.hutch_history; \"\" for none.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[URL|PATH] [COMMAND ...]")
def command(**options: Any) -> int:
    """Run `hutch cli` with these options; returns the exit code."""
    return _run(options)


def target_first(arguments: "Sequence[str]", of: click.Command) -> "list[str]":
    """The words of a command line with the first one that is no option marked as --target, if it is one: so that options may stand
    before and behind it. O(words)

    >>> target_first(["-n", "2", "./store", "--json", "GET", "./x"], command)
    ['-n', '2', '--target', './store', '--json', 'GET', './x']
    """
    takes = {name for option in of.params if isinstance(option, click.Option) and not option.is_flag and option.flag_value is None
             for name in option.opts}
    takes |= {name for option in of.params if isinstance(option, click.Option) and not option.is_flag for name in option.opts
              if option.nargs == 1 and not option.is_flag}
    words, at = list(arguments), 0
    while at < len(words) and words[at].startswith("-") and len(words[at]) > 1 and words[at] != "--":
        at += 2 if words[at] in takes else 1
    if at < len(words) and is_target(words[at]):
        words.insert(at, "--target")
    return words


def target_of(options: "dict[str, Any]") -> Target:
    """Where these options lead. TerminalError when they make no sense."""
    text = options["target"] or options["uri"]
    if text and (options["host"] or options["port"] or options["socket"]):
        raise TerminalError("a URL or path and --host, --port or --socket are two answers to one question")
    if options["socket"]:
        target = Target("unix", path=options["socket"])
    elif options["host"] or options["port"]:
        target = Target(host=options["host"] or "127.0.0.1", port=options["port"] or 6379)
    else:
        target = parse_target(text or os.environ.get(TARGET) or "127.0.0.1:6379")
    if options["db"] is not None:
        target.db = options["db"]
    if options["user"]:
        target.username = options["user"]
    environment = next((os.environ[name] for name in PASSWORDS if os.environ.get(name)), None)
    if options["password"] is not None:
        target.password = options["password"]
    elif target.password is None and environment is not None and not target.is_ours:
        target.password = environment
    if options["askpass"]:
        import getpass
        target.password = getpass.getpass("Password: ")
    if options["tls"] or any(options[name] for name in ("cacert", "cacertdir", "cert", "key", "sni", "insecure")):
        if target.kind != "tcp":
            raise TerminalError("TLS is spoken over TCP only")
        target.tls = target.tls or Security()
    if target.tls is not None:
        tls = target.tls
        tls.ca_file, tls.ca_directory = options["cacert"] or tls.ca_file, options["cacertdir"] or tls.ca_directory
        tls.certificate, tls.key = options["cert"] or tls.certificate, options["key"] or tls.key
        tls.server_name = options["sni"] or tls.server_name
        tls.verify = tls.verify and not options["insecure"]
    return target


def history_file(given: "str | None") -> "str | None":
    """Where the history is kept; None for nowhere."""
    if given is not None:
        return given or None
    if HISTORY in os.environ:
        return os.environ[HISTORY] or None
    try:
        return str(Path.home() / ".hutch_history")
    except RuntimeError:
        return None


def _run(options: "dict[str, Any]") -> int:
    words = [os.fsencode(word) for word in options["words"]]
    here = sys.stdout.isatty()
    prompting = not words and sys.stdin.isatty() and here
    form = options["form"] or ("shape" if here else "raw")
    protocol = options["protocol"] or (3 if prompting or form == "json" else 2)
    colours = options["color"] if options["color"] is not None else here and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    utf8 = prompting and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    if options["last_from_stdin"]:
        if not words:
            raise TerminalError("-x adds a word to a command, and there is none")
        words.append(sys.stdin.buffer.read())
    if options["script"]:
        words = _script(options["script"], words)
    if options["scan"] and words or options["pattern"] and not options["scan"]:
        raise TerminalError("--scan takes no command but --pattern, which goes with it")
    prompting = prompting and not words and not options["scan"]
    with Link(target_of(options), protocol) as link:
        console = Console(link, form, colours=colours, utf8=utf8, indent=2 if here and form == "json" else None,
                          cluster=options["cluster"])
        if prompting:
            from .prompt import Shell
            return Shell(console, history=history_file(options["history"]), warn=options["warn"], pager=options["pager"],
                         shell=options["shell"]).run()
        if options["scan"]:
            connect(link)
            return _scan(console, options["pattern"])
        if words:
            try:
                connect(link)
            except NoConnection as error:
                if options["target"] is None and os.path.exists(options["words"][0]):
                    raise TerminalError(f"{error} (./{options['words'][0]} is a path)") from None
                raise
            return console.repeat(words, options["repeat"], options["interval"])
        connect(link)
        return console.run_lines(sys.stdin.buffer.readline, "standard input")


def _script(path: str, words: "list[bytes]") -> "list[bytes]":
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise TerminalError(f"{path}: {error.strerror}") from None
    keys = words.index(b",") if b"," in words else len(words)
    return [b"EVAL", text, b"%d" % keys, *words[:keys], *words[keys + 1:]]


def _scan(console: Console, pattern: "str | None") -> int:
    cursor = b"0"
    while True:
        words = [b"SCAN", cursor, *([b"MATCH", os.fsencode(pattern)] if pattern else []), b"COUNT", b"1000"]
        reply = console.link.call(*words)
        if not isinstance(reply, list) or len(reply) != 2:
            console.show(reply, words)
            return ERROR_REPLY
        cursor, keys = reply
        for key in keys:
            console.write(console.render(key))
        if cursor == b"0":
            return 0


def connect(link: Link) -> None:
    """Connect; who sits at a terminal is asked for a password that is missing."""
    if sys.stdin.isatty():
        from .prompt import connect_with_password
        connect_with_password(link)
    else:
        link.connect()


def main(arguments: "Sequence[str]", program: str = "hutch cli", of: click.Command = command) -> int:
    """Run a program of click's with these words; returns the exit code. What goes wrong is told in a line."""
    try:
        code = of.main(target_first(arguments, of), prog_name=program, standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        print(f"{program}: {error.format_message()}", file=sys.stderr)
        return UNREACHABLE
    except BrokenPipeError:
        # Whoever read our output has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR_REPLY
    except TerminalError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return UNREACHABLE
    except OSError as error:
        print(f"{program}: {error.strerror or error}", file=sys.stderr)
        return UNREACHABLE
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        text = " ".join(str(error).split())
        print(f"{program}: {type(error).__name__}: {text} (not foreseen: with {TRACEBACK}=1 it tells where)", file=sys.stderr)
        return UNREACHABLE
