"""`hutch cli` with a command, and with commands from a file: what comes out, and how it ends."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import redis

import hutch
from hutch.terminal.cli import command as cli_command, target_first
from hutch.terminal.target import parse_target
from hutch.terminal import TerminalError
from terminal.conftest import ENVIRONMENT, PROGRAM


def one_line(text, *parts):
    assert text.count("\n") == 1 and "Traceback" not in text, text
    for part in parts:
        assert part in text, text


def test_one_command(run, server):
    url = server.url
    assert run("cli", url, "SET", "k", "caf\u00e9 \"x\"") == (0, "OK\n", "")
    assert run("cli", url, "GET", "k") == (0, "caf\u00e9 \"x\"\n", "")
    assert run("cli", "--no-raw", url, "GET", "k") == (0, '"caf\\xc3\\xa9 \\"x\\""\n', "")
    assert run("cli", url, "--json", "GET", "k") == (0, '"caf\u00e9 \\"x\\""\n', "")
    assert run("cli", "-p", server.port, "GET", "none") == (0, "\n", "")
    assert run("cli", f"127.0.0.1:{server.port}", "-n", "3", "DBSIZE") == (0, "0\n", "")
    assert run("cli", "-p", server.port, "-3", "--no-raw", "HGETALL", "none") == (0, "(empty hash)\n", "")
    assert run("cli", "GET", "k", env={"HUTCH_URL": url})[1] == "caf\u00e9 \"x\"\n"
    assert run("cli", "-p", server.port, "-r", "3", "INCR", "n") == (0, "1\n2\n3\n", "")
    assert run("cli", "-p", server.port, "-x", "SET", "bytes", stdin=b"\x00\xff\r\n") == (0, "OK\n", "")
    assert server.client().get("bytes") == b"\x00\xff\r\n"


def test_exit_codes(run, server):
    code, out, errors = run("cli", server.url, "LPUSH")
    assert (code, out) == (1, "")
    one_line(errors, "wrong number of arguments")
    code, out, errors = run("cli", "--json", server.url, "NOSUCH")
    assert (code, out) == (1, "")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code, out, errors = run("cli", f"redis://ann:secret@127.0.0.1:{taken.getsockname()[1]}", "PING")
    assert (code, out) == (2, "")
    one_line(errors, "Could not connect to 127.0.0.1:")
    assert "secret" not in errors and "ann" not in errors


@pytest.mark.parametrize("words, part", [
    (["http://x", "PING"], "no scheme"), (["redis://h:port/"], "cannot be read"), (["redis://h/name", "PING"], "database"),
    (["--nosuch"], "nosuch"), (["-n", "x"], "-n"), (["-p", "1", "redis://h"], "two answers"), (["-x"], "-x"),
    (["--tls", ":memory:", "PING"], "TLS"), (["redis://127.0.0.1:1", "--cacert", "/no/such", "PING"], "onnect"),
    (["./file.txt", "PING"], "file.txt"), (["/no/such/place/at/all\0", "PING"], "")])
def test_mistakes_are_a_line(run, tmp_path, words, part):
    (tmp_path / "file.txt").write_text("no RDB file")
    if "\0" in words[0]:
        words = ["/proc/nowhere", "PING"]
    code, out, errors = run("cli", *words)
    assert (code, out) == (2, ""), errors
    one_line(errors, part)


def test_commands_from_a_file(run, server):
    script = b'SET a 1\n\n# a comment\nINCR a\nLPUSH a x\nHSET h "two words" \'v\'\nGET "a\nHGETALL h\nQUIT\nSET a lost\n'
    code, out, errors = run("cli", server.url, stdin=script)
    assert code == 1 and out == "OK\n2\n1\ntwo words\nv\n"
    assert "WRONGTYPE" in errors and "line 7: unbalanced quotes" in errors
    code, out, _ = run("cli", "--json", server.url, stdin=b"HGETALL h\nLRANGE none 0 -1\nGET none\n")
    assert code == 0 and [json.loads(line) for line in out.splitlines()] == [{"two words": "v"}, [], None]
    assert run("cli", server.url, stdin=b"MULTI\nINCR t\nEXEC\nGET t") == (0, "OK\nQUEUED\n1\n1\n", "")
    assert run("cli", server.url, stdin=b"CLIENT REPLY OFF\nSET q 1\nCLIENT REPLY ON\nCLIENT REPLY SKIP\nGET q\nGET q\n")[1] == "OK\n1\n1\n"


def test_scripts_and_scans(run, server, tmp_path):
    (tmp_path / "add.lua").write_text("return {KEYS[1], ARGV[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
    assert run("cli", server.url, "--eval", "add.lua", "n", ",", "5") == (0, "n\n5\n5\n", "")
    server.client().mset({f"k{number}": number for number in range(3000)})
    code, out, _ = run("cli", "--scan", server.url)
    assert code == 0 and len(set(out.split())) == len(out.split()) == 3001
    assert sorted(run("cli", server.url, "--scan", "--pattern", "k29?9")[1].split()) == [f"k29{number}9" for number in range(10)]
    for words, part in ((["--eval", "none.lua"], "none.lua"), (["--scan", "GET", "x"], "--scan"), (["--pattern", "x"], "--scan")):
        code, out, errors = run("cli", *words)
        assert code == 2
        one_line(errors, part)


def test_a_path_that_was_taken_for_a_command(run, tmp_path):
    (tmp_path / "shop").mkdir()
    code, _, errors = run("cli", "-p", 1, "shop")
    assert code == 2
    one_line(errors, "(./shop is a path)")


def test_stores_of_hutch(run, tmp_path):
    assert run("cli", "./store", "SET", "k", "kept")[:2] == (0, "OK\n")
    assert run("cli", "hutch://./store", "GET", "k")[:2] == (0, "kept\n")
    assert run("cli", f"hutch://{tmp_path}/store?db=2", "DBSIZE")[:2] == (0, "0\n")
    assert run("cli", ":memory:", "SET", "k", "v")[:2] == (0, "OK\n")
    assert run("cli", "hutch://", "DBSIZE")[:2] == (0, "0\n")
    with hutch.Redis(str(tmp_path / "store")) as client:         # beside its owner
        assert run("cli", tmp_path / "store", "GET", "k")[:2] == (0, "kept\n")
        assert run("cli", tmp_path / "store", "SET", "k", "changed")[:2] == (0, "OK\n")
        assert client.get("k") == b"changed"


def test_an_rdb_file_is_looked_at_and_left(run, tmp_path):
    with hutch.Store(dir=str(tmp_path), save="") as store:
        client = hutch.Redis(store=store)
        client.set("k", "from a file")
        client.save()
    before = (tmp_path / "dump.rdb").read_bytes()
    assert run("cli", "./dump.rdb", "GET", "k")[:2] == (0, "from a file\n")
    assert run("cli", "./dump.rdb", "DEL", "k")[:2] == (0, "1\n")
    assert (tmp_path / "dump.rdb").read_bytes() == before


def test_unix_sockets(run, tmp_path):
    path = tmp_path / "socket"
    with hutch.Server(port=None, unixsocket=str(path)):
        for words in (["-s", path], [path], [f"unix://{path}"], [f"unix://{path}?db=1"]):
            assert run("cli", *words, "PING") == (0, "PONG\n", "")


def test_passwords(run):
    with hutch.Server(port=0, password="s3 cret@") as server:
        assert run("cli", "-p", server.port, "PING")[0] == 1
        assert run("cli", server.url, "PING") == (0, "PONG\n", "")
        assert run("cli", "-p", server.port, "-a", "s3 cret@", "PING") == (0, "PONG\n", "")
        assert run("cli", "-p", server.port, "--user", "default", "-3", "PING", env={"HUTCH_PASSWORD": "s3 cret@"}) == (0, "PONG\n", "")
        assert run("cli", "-p", server.port, "PING", env={"REDISCLI_AUTH": "s3 cret@"}) == (0, "PONG\n", "")
        code, out, errors = run("cli", "-p", server.port, "-a", "wrong", "PING")
        assert code == 2
        one_line(errors, "WRONGPASS")


def test_a_password_for_a_server_without_one(run, server):
    assert run("cli", "-p", server.port, "-a", "any", "PING")[1] == "PONG\n"


def test_messages_until_interrupted(server):
    with subprocess.Popen([*PROGRAM, "cli", server.url, "--json", "SUBSCRIBE", "news"], stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert json.loads(process.stdout.readline())[0] == "subscribe"
        server.client().publish("news", "hello")
        assert json.loads(process.stdout.readline()) == ["message", "news", "hello"]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_a_reader_that_has_enough(server):
    server.client().rpush("l", *range(200_000))
    done = subprocess.run(f"{sys.executable} -m hutch cli {server.url} LRANGE l 0 -1 | head -1", shell=True, capture_output=True, env=ENVIRONMENT)
    assert done.stdout == b"0\n" and b"Traceback" not in done.stderr


def test_a_server_that_goes_away(run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1000)
        threading.Thread(target=serve, daemon=True).start()
        code, out, errors = run("cli", "-p", listener.getsockname()[1], "GET", "k")
        assert (code, out) == (2, "")
        one_line(errors, "closed the connection")


def test_what_is_no_redis_server(run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                time.sleep(1)
        threading.Thread(target=serve, daemon=True).start()
        code, _, errors = run("cli", "-p", listener.getsockname()[1], "GET", "k")
        assert code == 2
        one_line(errors, "no Redis server")


def test_other_servers(run, oracle):
    with redis.Redis(host=oracle.host, port=oracle.port) as client:
        client.hset("cli:h", "f", "v")
        assert run("cli", f"{oracle.host}:{oracle.port}", "--json", "HGETALL", "cli:h") == (0, '{"f":"v"}\n', "")
        client.flushall()


@pytest.mark.parametrize("name, missing", [("cli", "click"), ("cli", "prompt_toolkit"), ("top", "rich")])
def test_without_the_extra(name, missing):
    program = f"import sys; sys.modules[{missing!r}] = None; from hutch.cli import main; sys.exit(main([{name!r}, ':memory:', '--help']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 2 and done.stdout == ""
    one_line(done.stderr, f"hutch {name}: this needs {missing}: pip install 'hutch[cli]'")


def test_serving_needs_no_extra():
    program = "import sys; sys.modules.update(dict.fromkeys(['click', 'prompt_toolkit', 'rich'])); from hutch.cli import main; sys.exit(main(['serve', '-v']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0 and "Hutch" in done.stdout


def test_nothing_of_it_is_imported_with_hutch():
    # (redis-py looks for opentelemetry by itself.)
    program = ("import sys, hutch, hutch.cli; print([name for name in sys.modules if name.split('.')[0] in ('click', 'prompt_toolkit', 'rich', "
               "'prometheus_client') or name.startswith(('hutch.terminal', 'hutch.metrics'))])")
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT).stdout == "[]\n"


def test_where_options_may_stand():
    def first(*words):
        return target_first(words, cli_command)
    assert first("-n", "2", "./s", "--json", "GET", "./x") == ["-n", "2", "--target", "./s", "--json", "GET", "./x"]
    assert first("GET", "a://b") == ["GET", "a://b"]
    assert first("-3", "redis://h", "GET") == ["-3", "--target", "redis://h", "GET"]
    assert first("--json", "-r", "3", "h:1") == ["--json", "-r", "3", "--target", "h:1"]
    assert first("--pass", "a://b", "GET") == ["--pass", "a://b", "GET"]
    assert first("--", "./x") == ["--", "./x"]
    assert first() == []


def test_urls():
    target = parse_target("rediss://u%40:p%2F@[::1]:7/3?ssl_cert_reqs=none&ssl_ca_certs=/ca")
    assert (target.host, target.port, target.db, target.username, target.password) == ("::1", 7, 3, "u@", "p/")
    assert not target.tls.verify and target.tls.ca_file == "/ca" and target.label == "[::1]:7"
    assert "p/" not in repr(target)
    assert parse_target("unix://user:pw@/run/x.sock?db=2").path == "/run/x.sock"
    assert parse_target("valkey://h").port == 6379 and parse_target("hutch://name/4").db == 4
    for bad in ("ftp://h", "redis://h:99999", "redis://h/x", "hutch://a/b/c", "host:99999"):
        with pytest.raises(TerminalError):
            parse_target(bad)


def test_the_directory_of_a_closed_store_is_free_again(run, tmp_path):
    assert run("cli", "./s", "SET", "a", "1")[0] == 0
    with hutch.Redis(str(tmp_path / "s")) as client:
        assert client.get("a") == b"1"
    assert os.path.isdir(tmp_path / "s")
