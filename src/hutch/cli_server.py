"""`hutch serve`: an engine as a process of its own, in the ways of redis-server.

The order: read the configuration, check it on an engine, go to the background if asked (an engine never
survives a fork, so the real one is made after it), log, listen, wait for a signal or a client's SHUTDOWN.
The main thread sleeps meanwhile; the listener is a native thread.
"""
from __future__ import annotations

import os
import platform
import signal
import struct
import sys
import time
from typing import Iterator, Mapping, Sequence, TextIO

from hutch_engine.door.engine import Engine

from . import cli_config, cli_limits
from .cli_config import ConfigError, ConfigFileMissing, Directive
from .exceptions import StoreLockedError
from .shared import Served
from .supervision import Supervisor
from .version import REDIS_VERSION, __version__

LEVELS = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3, "nothing": 4}
SYSTEM_LEVELS = {"debug": "DEBUG", "verbose": "INFO", "notice": "NOTICE", "warning": "WARNING"}
MARKS = {"debug": ".", "verbose": "-", "notice": "*", "warning": "#"}
BITS = struct.calcsize("P") * 8
DAEMON_PIDFILE = "/var/run/hutch.pid"    # with `daemonize yes` and no `pidfile`
IGNORED = (signal.SIGHUP, signal.SIGUSR2)    # redis-server lives through them, too
WAIT_SECONDS = 3600.0            # the longest sleep in one piece; signals and SHUTDOWN end it early

USAGE = """\
Usage: hutch-server [/path/to/redis.conf] [options] [-]
       hutch-server - (read config from stdin)
       hutch-server -v or --version
       hutch-server -h or --help

Options are those of redis.conf: `--name value`, several values one after the other, in any order, as often as
you like. They come after the file's.

Examples:
       hutch-server (serve on port 6379)
       hutch-server /etc/redis/6379.conf
       hutch-server --port 7777
       hutch-server --port 0 --unixsocket /run/hutch.sock
       hutch-server --port 0 --tls-port 6380 --tls-cert-file server.crt --tls-key-file server.key --tls-ca-cert-file ca.crt
       hutch-server --bind 127.0.0.1 -::1 --requirepass "two words"
       hutch-server /etc/myredis.conf --loglevel verbose
       echo 'maxmemory 128mb' | hutch-server -
"""

LOGO = """
   (\\_/)      Hutch {version} (Redis {redis}), {bits} bit
   (o.o)      Running in standalone mode
   (")(")     Port: {port}
 __|___|__    PID: {pid}
"""


class Log:
    """Lines as redis-server writes them: 12345:M 23 Nov 2026 00:24:00.123 * text"""

    def __init__(self, path: str = "", level: str = "notice", syslog: tuple[str, str] | None = None):
        self.path = path
        self.level = level
        self.system = None       # its module, where syslog=(ident, facility) was asked for
        if syslog is not None:
            import syslog as system
            ident, facility = syslog
            system.openlog(ident, system.LOG_PID | system.LOG_NDELAY, getattr(system, f"LOG_{facility.upper()}"))
            self.system = system
        self.role = "C"          # while it starts; M, a master, once it serves

    def check(self) -> None:
        """Try whether the file can be written; OSError when it cannot."""
        if self.path:
            open(self.path, "a").close()

    def __call__(self, level: str, text: str) -> None:
        if LEVELS[level] < LEVELS.get(self.level, 2):
            return
        now = time.time()
        if self.system is not None:
            self.system.syslog(getattr(self.system, f"LOG_{SYSTEM_LEVELS[level]}"), text)
        self.raw(time.strftime(f"{os.getpid()}:{self.role} %d %b %Y %H:%M:%S.{int(now * 1000) % 1000:03d} "
                               f"{MARKS[level]} ", time.localtime(now)) + text + "\n")

    def raw(self, text: str) -> None:
        """Write text as it is, without time or level. A file that cannot be written is passed over in silence."""
        # Opened anew for every line, as Redis does: logs can be rotated by renaming.
        try:
            if self.path:
                with open(self.path, "a") as file:
                    file.write(text)
            else:
                print(text, end="", flush=True)
        except OSError:
            pass                 # a full disk or a closed pipe must not end the server


class Stop(BaseException):
    """A signal asks the process to end. No Exception, so that nothing on its way takes it for one."""


def version_line() -> str:
    """What `hutch-server --version` prints: the Redis version first, then Hutch's own."""
    # Tools that look for the first version number want to know what the server speaks.
    return f"Hutch server v={REDIS_VERSION} hutch={__version__} bits={BITS}"


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop; returns the process's exit code. Errors are printed or logged, not raised."""
    first = arguments[0] if arguments else ""
    if first in ("-v", "--version"):
        print(version_line())
        return 0
    if first in ("-h", "--help"):
        print(USAGE, end="", file=sys.stderr)
        return 1                 # redis-server's
    if first in ("--test-memory", "--check-system"):
        print(f"{first} is not something Hutch does: use a memory tester such as memtester, and your system's own "
              "checks.", file=sys.stderr)
        return 1
    if "--sentinel" in arguments:
        print("Hutch has no sentinel mode.", file=sys.stderr)
        return 1
    log = Log()
    config_file = os.path.abspath(first) if first and not first.startswith("-") else ""
    try:
        trial = Engine()
        try:
            directives = cli_config.prepare(_directives(arguments, log), trial)
            settings = _settings(trial)
        finally:
            trial.close()
    except ConfigFileMissing as error:
        log("warning", f"Fatal error, {error}")
        return 1
    except ConfigError as error:
        cli_config.report(error, REDIS_VERSION)
        return 1
    log = Log(settings["logfile"], settings["loglevel"],
              (settings["syslog-ident"], settings["syslog-facility"]) if settings["syslog-enabled"] == "yes" else None)
    try:
        log.check()
    except OSError as error:
        print(f"\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\nCan't open the log file: {error.strerror}",
              file=sys.stderr)
        return 1
    background = settings["daemonize"] == "yes" and not Supervisor(settings["supervised"]).kind     # who wants it where it is
    if background:
        _daemonize()
    return _serve(directives, settings, log, background, config_file, configured=bool(arguments))


def _directives(arguments: Sequence[str], log: Log) -> Iterator[Directive]:
    rest = list(arguments)
    text = path = ""
    if rest and not rest[0].startswith("-"):
        path = os.path.abspath(rest.pop(0))
        text = "\n".join(map(cli_config.read_file, cli_config.matching_files(path)))
    file_lines = text.count("\n") + 1 if path else 0
    from_stdin = False
    if rest and rest[0] == "-":
        from_stdin = True
        del rest[0]
    elif len(rest) > 1 and rest[-1] == "-":
        from_stdin = True
        del rest[-1]
    if from_stdin:
        log("notice", "Reading config from stdin")
        text += ("\n" if text else "") + sys.stdin.read()
    if rest:
        text += "\n" + cli_config.arguments_text(rest)
    return cli_config.read_directives(text, file=path, file_lines=file_lines)


def _without_effect(engine: Engine, directives: Sequence[Directive]) -> Iterator[str]:
    """What a file sets to something else than it is by default, and does nothing here."""
    names = [name for name in {directive.name: None for directive in directives} if engine.no_effect(name)]
    if names:
        fresh = Engine()
        try:
            for name in names:
                if engine.parameter(name) != fresh.parameter(name):
                    yield f"{name} has no effect: {engine.no_effect(name)}"
        finally:
            fresh.close()


def _settings(engine: Engine) -> dict[str, str]:
    """What the process itself goes by, as the engine understood it."""
    names = ("daemonize", "pidfile", "logfile", "loglevel", "always-show-logo", "port", "bind", "unixsocket", "dir",
             "appendonly", "supervised", "tls-port", "maxclients", "tcp-backlog", "syslog-enabled", "syslog-ident", "syslog-facility",
             "crash-log-enabled")
    return {name: engine.parameter(name) for name in names}


def _daemonize() -> None:
    """Leave the terminal: the parent ends with 0, the child goes on in a session of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


def _serve(directives: Sequence[Directive], settings: Mapping[str, str], log: Log, background: bool,
           config_file: str, configured: bool) -> int:
    pid = os.getpid()
    port = int(settings["port"])
    log("notice", "oO0OoO0OoO0Oo Hutch is starting oO0OoO0OoO0Oo")
    log("notice", f"Hutch version={__version__}, Redis version={REDIS_VERSION}, bits={BITS}, pid={pid}, just started")
    if configured:
        log("notice", "Configuration loaded")
    else:
        log("warning", "Warning: no config file specified, using the default config. In order to specify a config file "
                       "use hutch-server /path/to/redis.conf")
    log.role = "M"
    pidfile = settings["pidfile"] or (DAEMON_PIDFILE if background else "")
    wrote_pidfile = bool(pidfile) and _write_pidfile(pidfile, pid, log)
    if settings["always-show-logo"] == "yes" or not log.path and sys.stdout.isatty():
        log.raw(LOGO.format(version=__version__, redis=REDIS_VERSION, bits=BITS, port=port, pid=pid))
    log("notice", f"Running mode=standalone, port={port}.")
    log("notice", f"PID: {pid}")
    served_directory = Served(settings["dir"], settings["appendonly"] == "yes", {directive.name for directive in directives},
                              settings["unixsocket"])
    try:
        served_directory.begin()
    except StoreLockedError as error:
        log("warning", f"Fatal error, {error}: two processes must not write into one store. Exiting.")
        if wrote_pidfile:
            _remove(pidfile)
        return 1
    engine = Engine(databases=cli_config.databases_of(directives))
    try:
        cli_config.prepare(directives, engine)
        for line in served_directory.lines:
            engine.configure_line(line)
        if served_directory.lines:
            settings = _settings(engine)
        engine.use_config_file(config_file)
        engine.log_to_output()
        if settings["crash-log-enabled"] == "yes":
            engine.log_crashes()
        for text in _without_effect(engine, directives):
            log("notice", text)
        try:
            engine.load_users()
        except ValueError as error:
            log("warning", f"Aborting Hutch startup because of ACL errors: {error}")
            return 1
        served = _listen_until_told(engine, settings, port, log, served_directory)
        if served:
            log("notice", "User requested shutdown...")
        if wrote_pidfile:
            log("notice", "Removing the pid file.")
            _remove(pidfile)
            wrote_pidfile = False
        if served and settings["unixsocket"]:
            log("notice", "Removing the unix socket file.")
    finally:
        if wrote_pidfile:
            _remove(pidfile)
        engine.close()               # the listener first: it closes its clients and removes its socket
        served_directory.end()
    if served:
        log("warning", "Hutch is now ready to exit, bye bye...")
    return 0 if served else 1


def _listen_until_told(engine: Engine, settings: Mapping[str, str], port: int, log: Log, served_directory: Served) -> bool:
    """False when there is nothing to listen on."""
    tls_port = int(settings["tls-port"])
    if not ((port or tls_port) and settings["bind"] or settings["unixsocket"]):
        log("warning", "Configured to not listen anywhere, exiting.")
        return False
    supervisor = Supervisor(settings["supervised"])
    if supervisor.kind:
        log("notice", f"supervised by {supervisor.kind}")
    clients = cli_limits.clients_possible(int(settings["maxclients"]), log)
    if not clients:
        return False
    engine.configure("maxclients", str(clients))
    cli_limits.check_backlog(int(settings["tcp-backlog"]), log)
    with _Signals(log) as signals:
        supervisor.loading()
        engine.announce_loading()        # whoever comes before it begins hears LOADING, too
        try:
            engine.start_listener()
        except OSError as error:
            log("warning", f"Warning: {error}")
            log("warning", "Failed listening on a unix socket, aborting." if "nix socket" in str(error) else
                f"Failed listening on port {port} (tcp), aborting." if port and f":{port}:" in str(error) else
                f"Failed listening on port {tls_port} (tls), aborting." if f":{tls_port}:" in str(error) else
                "Failed to configure TLS. Check logs for more info." if tls_port else
                f"Failed listening on port {port} (tcp), aborting.")
            return False
        log("notice", "Server initialized")
        loaded = _load(engine, log, signals)
        if loaded is not None:
            return loaded
        served_directory.serves()
        if port:
            log("notice", "Ready to accept connections tcp")
        if settings["unixsocket"]:
            log("notice", "Ready to accept connections unix")
        if tls_port:
            log("notice", "Ready to accept connections tls")
        supervisor.ready()
        while True:
            name = signals.wait(engine)
            supervisor.stopping()
            if not name:
                return True              # SHUTDOWN has saved what it was to save
            log.raw(f"{os.getpid()}:signal-handler ({int(time.time())}) Received {name} scheduling shutdown...\n")
            if _save_before_end(engine, name):
                return True
            log("warning", "Errors trying to shut down the server. Check the logs for more information.")
            signals.again()


def _load(engine: Engine, log: Log, signals: _Signals) -> bool | None:
    """Load the file that the configuration names, if there is one. None when that is done; otherwise the server is to end: True
    since somebody asked for it meanwhile, False, with a line in the log, since the file cannot be loaded."""
    with Progress("Loading") as bar:
        def look(done: int, total: int) -> None:
            bar(done, total)
            if signals.name or engine.wait_shutdown(0):
                raise Stop

        try:
            engine.restore(progress=look)
        except ValueError as error:
            log("warning", f"Fatal error loading the DB: {error}. Exiting.")
            return False
        except Stop:
            return True
    return None


def _save_before_end(engine: Engine, name: str) -> bool:
    """What shutdown-on-sigterm and shutdown-on-sigint say of saving; False when it failed and the server is to go on."""
    how = engine.parameter(f"shutdown-on-{name.lower()}").split()
    return engine.save_before_end(save="save" in how, no_save="nosave" in how) or "force" in how


class Progress:
    """A bar in the terminal while something long goes on; nothing where there is no terminal, or it is over soon.

    >>> import io
    >>> with Progress("Loading", io.StringIO()) as progress:
    ...     progress(1, 2)
    """

    WIDTH = 40
    PATIENCE_SECONDS = 0.5

    def __init__(self, title: str, out: TextIO | None = None):
        self.title = title
        self.out = sys.stderr if out is None else out
        self.shown = False
        self.started = time.monotonic()
        self.next = self.started + self.PATIENCE_SECONDS

    def __enter__(self) -> "Progress":
        return self

    def __call__(self, done: int, total: int) -> None:
        """So much of `total` is done."""
        now = time.monotonic()
        if now < self.next or not total or not self.out.isatty():
            return
        self.next = now + 0.1
        self.shown = True
        share = min(done / total, 1.0)
        left = (now - self.started) * (1 - share) / share if share else 0.0
        bar = ("#" * int(self.WIDTH * share)).ljust(self.WIDTH, ".")
        self.out.write(f"\r{self.title} [{bar}] {100 * share:5.1f} %  {left:4.0f} s left ")
        self.out.flush()

    def __exit__(self, *exc_info: object) -> None:
        if self.shown:
            self.out.write("\r" + " " * (self.WIDTH + len(self.title) + 30) + "\r")
            self.out.flush()


def _write_pidfile(path: str, pid: int, log: Log) -> bool:
    try:
        with open(path, "w") as file:
            file.write(f"{pid}\n")
        return True
    except OSError as error:
        log("warning", f"Failed to write PID file: {error.strerror}")
        return False


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


class _Signals:
    """SIGTERM and SIGINT end the wait; a second one ends the process at once. What redis-server survives, we do."""

    def __init__(self, log: Log):
        self.log = log

    def __enter__(self) -> "_Signals":
        self.name = ""
        self.waiting = False
        self.before = {number: signal.signal(number, self._arrived) for number in (signal.SIGTERM, signal.SIGINT)}
        for number in IGNORED:
            self.before[number] = signal.signal(number, signal.SIG_IGN)
        self.before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._rang)
        return self

    def __exit__(self, *exc_info) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _rang(self, number: int, frame) -> None:
        # redis-server notes it, too: it is what its watchdog would have sent.
        self.log.raw(f"{os.getpid()}:signal-handler ({int(time.time())}) Received SIGALRM\n")

    def _arrived(self, number: int, frame) -> None:
        first = not self.name
        self.name = signal.Signals(number).name
        if not first:
            os._exit(1)
        if self.waiting:
            self.waiting = False
            raise Stop

    def again(self) -> None:
        """The signal that came has ended nothing: the next one is a first one once more."""
        self.name = ""

    def wait(self, engine: Engine) -> str:
        """The name of the signal that came, or "" when a client said SHUTDOWN."""
        try:
            self.waiting = True
            while not self.name and not engine.wait_shutdown(WAIT_SECONDS):
                pass
            self.waiting = False
        except Stop:
            pass
        return self.name


def build_information() -> dict[str, str]:
    """Versions, interpreter and platform for a bug report: what each is called, and its value as text."""
    import hutch_engine
    import redis
    return {
        "hutch": __version__,
        "redis compatibility": REDIS_VERSION,
        "redis-py": redis.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        "gil": "yes" if getattr(sys, "_is_gil_enabled", lambda: True)() else "no",
        "platform": platform.platform(),
        "bits": str(BITS),
        "processors": str(os.cpu_count()),
        "engine": os.path.dirname(hutch_engine.__file__),
    }

