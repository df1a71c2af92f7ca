"""`hutch serve` and `hutch-server` as processes, in redis-server's forms, and next to the real one."""
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from hutch import cli_config
from hutch.cli_config import arguments_text, quoted, split_words
from kit.launch import HUTCH, HUTCH_ENVIRONMENT, LINE, Launched, outcome, serve
from kit.oracle import free_port
from kit.redis_clients import shut_down


def connect(server, **options):
    return redis.Redis(port=server.port, **options)


# ---- starting and ending

def test_log_lines_of_a_whole_life():
    with serve("--save", "", "--bind", "127.0.0.1", "-::1") as server:
        assert connect(server).ping()
        assert server.terminate() == 0
        text, messages = server.text(), [message for _, _, message in server.messages()]
        assert all(LINE.match(line) or "signal-handler" in line for line in text.splitlines()), text
        assert re.search(rf"pid={server.pid}, just started", text)
        for wanted in (f"PID: {server.pid}", f"Running mode=standalone, port={server.port}.", "Server initialized",
                       "Ready to accept connections tcp", "User requested shutdown...",
                       "Hutch is now ready to exit, bye bye..."):
            assert messages.count(wanted) == 1, text
        assert re.search(rf"^{server.pid}:signal-handler \(\d+\) Received SIGTERM scheduling shutdown\.\.\.$", text,
                         re.MULTILINE)
        assert messages.index("Server initialized") < messages.index("Ready to accept connections tcp")


def test_sigint_ends_it_cleanly():
    with serve() as server:
        assert server.terminate(signal.SIGINT) == 0
        assert "Received SIGINT scheduling shutdown" in server.text()


def test_shutdown_from_a_client_ends_the_process():
    with serve() as server:
        client = connect(server)
        client.set("a", "b")
        shut_down(server.port)
        assert server.ended() == 0
        assert "bye bye" in server.text() and "signal-handler" not in server.text()


def test_signals_end_it_with_clients_connected():
    with serve() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as idle:
            assert connect(server).ping()
            assert server.terminate() == 0
            assert idle.recv(10) == b""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc")
def test_signals_that_redis_lives_through():
    with serve() as server:
        assert connect(server).ping()
        for number in (signal.SIGALRM, signal.SIGUSR2, signal.SIGHUP, signal.SIGPIPE):
            os.kill(server.pid, number)
            assert connect(server).ping(), number
        assert server.terminate() == 0


def test_idle_server_sleeps():
    with serve() as server:
        connect(server).ping()
        time.sleep(0.3)
        before = _cpu_ticks(server.pid)
        time.sleep(1)
        assert _cpu_ticks(server.pid) - before <= 5, "an idle server has work to do?"      # of 100 a second


def _cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_options_reach_the_engine(tmp_path):
    with serve("--maxclients", "100", "--maxmemory", "100mb", "--requirepass", "two words", "--databases", "4",
               "--client-output-buffer-limit", "pubsub", "1mb", "2mb", "3", "--maxmemory-policy", "allkeys-lru",
               "--dir", tmp_path) as server:
        with pytest.raises(redis.AuthenticationError):
            connect(server).ping()
        client = connect(server, password="two words", decode_responses=True)
        assert client.config_get("max*") | {"maxclients": "100", "maxmemory": str(100 << 20),
                                            "maxmemory-policy": "allkeys-lru"} == client.config_get("max*")
        assert "pubsub 1048576 2097152 3" in client.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
        assert client.config_get("databases") == {"databases": "4"}
        with pytest.raises(redis.ResponseError, match="DB index is out of range"):
            client.execute_command("SELECT", 4)
        if Path("/proc/self/cwd").exists():
            assert os.path.realpath(f"/proc/{server.pid}/cwd") == os.path.realpath(tmp_path)


def test_unix_socket_only(tmp_path):
    path = tmp_path / "hutch.sock"
    with Launched(HUTCH, "--port", 0, "--unixsocket", path, "--unixsocketperm", "700") as server:
        server.wait_for("Ready to accept connections unix")
        assert "connections tcp" not in server.text()
        assert path.stat().st_mode & 0o777 == 0o700
        client = redis.Redis(unix_socket_path=str(path))
        assert client.set("a", 1) and client.get("a") == b"1"
        assert server.terminate() == 0
        assert not path.exists()


def test_configuration_file_stdin_and_includes(tmp_path):
    (tmp_path / "more.conf").write_text("maxclients 55\n")
    (tmp_path / "redis.conf").write_text(
        "# a comment\n\n  include more.conf\ntimeout 7\r\nrequirepass \"a\\x20b\"\nmaxmemory 1gb\n")
    with Launched(HUTCH, tmp_path / "redis.conf", "--port", port := free_port(), "--timeout", 8, "-", cwd=tmp_path,
                  stdin="tcp-keepalive 99\n") as server:
        server.wait_for("Ready to accept")
        server.port = port
        client = connect(server, password="a b", decode_responses=True)
        found = client.config_get("maxclients", "timeout", "maxmemory", "tcp-keepalive")
        assert found == {"maxclients": "55", "timeout": "8", "maxmemory": str(1 << 30), "tcp-keepalive": "99"}


def test_background_pidfile_and_logfile(tmp_path):
    port = free_port()
    code, text = outcome(HUTCH, "--port", port, "--daemonize", "yes", "--pidfile", tmp_path / "pid",
                         "--logfile", tmp_path / "log")
    assert (code, text) == (0, "")
    client = redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200))
    assert client.ping()
    pid = int((tmp_path / "pid").read_text())
    assert os.getsid(pid) == pid
    shut_down(port)
    end = time.monotonic() + 60
    while "bye bye" not in (log := (tmp_path / "log").read_text()):
        assert time.monotonic() < end, log
        time.sleep(0.02)
    assert f"PID: {pid}" in log and "Removing the pid file." in log
    assert not (tmp_path / "pid").exists()


def test_foreground_writes_a_pidfile_when_asked(tmp_path):
    with serve("--pidfile", tmp_path / "pid", "--loglevel", "notice") as server:
        assert int((tmp_path / "pid").read_text()) == server.pid
        assert server.terminate() == 0
    assert not (tmp_path / "pid").exists()


def test_log_level_and_logo():
    port = free_port()
    with Launched(HUTCH, "--port", port, "--loglevel", "warning") as server:
        assert redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200)).ping()
        assert server.terminate() == 0
        assert [message for _, mark, message in server.messages() if mark != "#"] == []
        assert "bye bye" in server.text()
    with serve("--always-show-logo", "yes") as server:
        assert re.search(rf"PID: {server.pid}\n", server.text())


# ---- what is refused, beside redis-server's own words

BAD = [
    ["--port", "abc"], ["--port"], ["--port", "70000"], ["--port", "1", "--port", "x"], ["--port", "1", "2"],
    ["--port 1 2"], ["--PORT", "z"], ["--maxmemory", "3xx"], ["--maxclients", "0"], ["--databases", "0"],
    ["--appendonly", "maybe"], ["--daemonize", "maybe"], ["--loglevel", "loud"], ["--unixsocketperm", "9"],
    ["--client-output-buffer-limit", "normal", "1"], ["--dir", "/no/such/place"], ["--save", "--port", "x"],
    ["--logfile", "--x", "--port", "z"], ["--port", "--save"], ["--maxmemory-policy", "none"], ["--hz", "many"],
    ["--timeout", "-1"], ["--tcp-keepalive", "x"],
    ["broken.conf"], ["unbalanced.conf"], ["circle.conf"], ["good.conf", "--maxclients", "z"],
    ["including.conf"], ["--include", "broken.conf"], ["--include", "no*.conf", "--port", "x"],
    ["--logfile", "/no/such/place/log"], ["--port", "1 ", "--maxclients", "z"],
]


@pytest.fixture(scope="module")
def configurations(tmp_path_factory):
    place = tmp_path_factory.mktemp("configurations")
    (place / "broken.conf").write_text("# one\nport x\n")
    (place / "unbalanced.conf").write_text('timeout 1\nbind "127.0.0.1\n')
    (place / "good.conf").write_text("timeout 1\n\n")
    (place / "including.conf").write_text("timeout 1\n\ninclude broken.conf\n")
    (place / "circle.conf").write_text("port x\ninclude circle.conf\n")
    for number in (1, 2, 3):
        (place / f"ring{number}.conf").write_text(f"include ring{number % 3 + 1}.conf\n")
    return place


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_configurations_are_refused_in_redis_words(arguments, configurations, oracle_binary):
    code, text = outcome(HUTCH, *arguments, cwd=configurations)
    wanted_code, wanted = outcome((str(oracle_binary),), *arguments, cwd=configurations)
    # Redis does not say in which file it is.
    text = re.sub(rf"\nIn the file '{re.escape(str(configurations))}/\w+\.conf'\n$", "\n", text)
    assert (code, re.sub(r"Redis \S+\)", "", text)) == (wanted_code, re.sub(r"Redis \S+\)", "", wanted))


WORDS = ["--port", "7000", "--port 7000", "--save", "60 1", "60", "1", "", "--save 60 1", "--bind", "127.0.0.1", "-::1", "--hz", "5", "--hz 5 ", "--appendonly",
         "no", "--HZ", "--include", "good.conf", "--rename-command", "get", "x", "-x", "--", "a b", "\"", "'", "--requirepass", "--x y\"", "\\", "--save ''",
         "--client-output-buffer-limit", "normal", "0", "--port\"", "--loglevel", "verbose", "--save \"\"", "--shutdown-on-sigint", "force", "-1"]
ROUNDS = int(os.environ.get("HUTCH_COMMAND_LINES", "25"))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_random_command_lines(seed, configurations, oracle_binary):
    """At whose end stands what no server starts with: what is complained of first, and in which words."""
    generator = random.Random(seed)
    arguments = generator.choices(WORDS, k=generator.randrange(1, 9)) + ["--maxclients", "z"]
    arguments = generator.choice([[], ["good.conf"], ["-"]]) + arguments
    stdin = "timeout 3\n# two\ntcp-keepalive 5" if arguments[0] == "-" else None
    (code, text), (wanted_code, wanted) = (outcome(command, *arguments, cwd=configurations, stdin=stdin)
                                           for command in (HUTCH, (str(oracle_binary),)))
    text, wanted = (re.sub(r"(?s)^.*?(?=\*\*\* FATAL|# Fatal error)", "", said) for said in (re.sub(r"In the file '.*'\n", "", text), wanted))
    if text.endswith("Bad directive or wrong number of arguments\n"):
        return                   # what Redis does not know may belong to a module, of which it hears later
    assert (code, text) == (wanted_code, wanted), arguments


@pytest.mark.parametrize("arguments, line, file", [
    (["broken.conf"], 2, "broken.conf"), (["including.conf"], 2, "broken.conf"), (["--include", "broken.conf"], 2, "broken.conf"),
    (["good.conf", "--maxclients", "z"], 4, ""), (["unbalanced.conf"], 2, "unbalanced.conf"), (["b*n.conf"], 2, "b*n.conf"),
    (["ring1.conf"], 1, "ring3.conf"),
])
def test_errors_name_their_file(arguments, line, file, configurations):
    code, text = outcome(HUTCH, *arguments, cwd=configurations)
    assert code == 1 and f"\nReading the configuration file, at line {line}\n" in text
    assert (f"\nIn the file '{configurations / file}'\n" in text) if file else "In the file" not in text


def test_a_file_may_be_included_twice_and_deeply(tmp_path, monkeypatch):
    """Only a circle is refused."""
    monkeypatch.chdir(tmp_path)
    for depth in range(40):
        (tmp_path / f"deep{depth}.conf").write_text(f"include deep{depth + 1}.conf\ninclude good.conf\n")
    (tmp_path / "good.conf").write_text("timeout 1\n")
    (tmp_path / "deep40.conf").write_text("hz 77\n")
    found = list(cli_config.read_directives("include deep0.conf"))
    assert [line.name for line in found] == ["hz"] + 40 * ["timeout"]
    assert {line.file for line in found} == {str(tmp_path / name) for name in ("good.conf", "deep40.conf")}


@pytest.mark.parametrize("arguments", [["--foo", "bar"], ["--no-such-parameter", "1"], ["--loadmodule", "x.so"]],
                         ids=" ".join)
def test_unknown_parameters_are_refused(arguments):
    code, text = outcome(HUTCH, *arguments)
    assert code == 1
    shown = f"{arguments[0][2:]} \"{arguments[1]}\""
    assert text.startswith("\n*** FATAL CONFIG FILE ERROR (Redis 8.2.3) ***\nReading the configuration file, at line 2\n"
                           f">>> '{shown}'\n")
    if arguments[0] != "--loadmodule":
        assert text.endswith("Bad directive or wrong number of arguments\n")


def test_what_is_not_there_yet_is_refused_and_not_ignored():
    for parameter, value in (("cluster-enabled", "yes"), ("activedefrag", "yes")):
        code, text = outcome(HUTCH, f"--{parameter}", value)
        assert code == 1 and f">>> '{parameter} \"{value}\"'" in text


def test_files_that_cannot_be_read(tmp_path):
    code, text = outcome(HUTCH, "nosuch.conf", cwd=tmp_path)
    assert code == 1
    assert text.rstrip().endswith(f"# Fatal error, can't open config file '{tmp_path}/nosuch.conf': "
                                  "No such file or directory")
    (tmp_path / "a.conf").write_text("include /no/such.conf\n")
    code, text = outcome(HUTCH, "a.conf", cwd=tmp_path)
    assert code == 1 and "can't open config file '/no/such.conf': No such file or directory" in text


def test_a_taken_port_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, text = outcome(HUTCH, "--port", port, "--bind", "127.0.0.1")
    assert code == 1
    assert "Address already in use" in text and f"Failed listening on port {port} (tcp), aborting." in text


def test_nothing_to_listen_on_is_an_error():
    code, text = outcome(HUTCH, "--port", 0)
    assert code == 1 and "Configured to not listen anywhere, exiting." in text


# ---- the commands around it

@pytest.mark.parametrize("option", ["-v", "--version"])
def test_version_is_read_as_redis_servers(option):
    code, text = outcome(HUTCH, option)
    assert code == 0
    assert re.match(r"Hutch server v=8\.2\.\d+ hutch=\d+\.\d+\.\d+ bits=(32|64)\n$", text)


def test_help_and_refused_modes():
    assert outcome(HUTCH, "--help")[1].startswith("Usage: hutch-server [/path/to/redis.conf]")
    for arguments in (["--test-memory", "1"], ["--check-system"], ["x.conf", "--sentinel"]):
        code, text = outcome(HUTCH, *arguments)
        assert code == 1 and text.strip()


def test_subcommands():
    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "hutch", *arguments], capture_output=True, text=True,
                              env=HUTCH_ENVIRONMENT)
    assert re.match(r"hutch \d+\.\d+\.\d+ \(Redis 8\.2\.\d\)\n$", run("version").stdout)
    assert "platform:" in run("info").stdout
    assert run("nonsense").returncode == 2
    shown = run("--help").stdout
    assert all(word in shown for word in ("serve", "quickstart", "version", "info"))


def test_quick_start_runs():
    done = subprocess.run([sys.executable, "-m", "hutch", "quickstart", "--once"], capture_output=True, text=True,
                          env=HUTCH_ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "'hello from over there'" in done.stdout and "2 rounds" in done.stdout


def test_quick_start_serves_on_the_next_free_port_until_interrupted():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Launched((sys.executable, "-m", "hutch", "quickstart"), "--port", port,
                      env={"PYTHONUNBUFFERED": "1"}) as started:
            started.wait_for("until Ctrl-C", 30)
            assert f"Port {port} cannot be had" in started.text()
            serving = int(re.search(r"Serving on 127\.0\.0\.1:(\d+)", started.text()).group(1))
            assert redis.Redis(port=serving).ping()
            assert started.terminate(signal.SIGINT) == 0


# ---- quoting

@pytest.mark.parametrize("line, words", [
    ("", []), ("  ", []), ("a  b\tc", ["a", "b", "c"]), ('save ""', ["save", ""]),
    (r'"\x41\n\"\q"', ['A\n"q']), (r"'it\'s' x", ["it's", "x"]), (r"'a\n'", [r"a\n"]), ('"a', None), ("'a", None),
    ('"a"b', None), ('x"y"', ["xy"]), (r'"\x4"', ["x4"]), ("ab'cd'", ["abcd"]),
])
def test_split_words(line, words):
    assert split_words(line) == words


@pytest.mark.parametrize("word", ["", "a b", '"', "\\", "\x00\x1f\x7f", "tab\tnew\n", "ümlaut", "'"])
def test_quoted_words_are_read_back(word):
    assert split_words(quoted(word)) == [word]


def test_arguments_as_lines():
    assert arguments_text(["--port", "6380", "--bind", "127.0.0.1", "-::1", "--save", "--hz", "5"]) == \
        'port "6380"\nbind "127.0.0.1" "-::1"\nsave ""\nhz "5"'
    assert arguments_text(["--port 6380", "--save"]) == 'port 6380\nsave ""'


def test_included_files_in_a_circle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.conf").write_text("include a.conf\n")
    with pytest.raises(cli_config.ConfigError, match="circle"):
        list(cli_config.read_directives("include a.conf"))
