"""A redis.conf for a store and a server inside a program: the same reader, the same refusals, the program's own place in the system."""
import os
import threading

import pytest
import redis

import hutch
from hutch import cli_config
from kit.launch import HUTCH, Launched, outcome
from kit.oracle import free_port
from kit.redis_clients import client_that_tries_once


def write(path, text):
    path.write_text(text)
    return path


def test_a_store_of_a_file(tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "more.conf", "maxmemory-policy allkeys-lru\nrename-command keys ''\n")
    path = write(tmp_path / "a.conf", f"databases 3\ninclude {tmp_path}/m*.conf\nmaxmemory 50mb\nrequirepass \"x y\"\nsave \"\"\nport 7000\n"
                                      f"dir {tmp_path}/data\nappendonly yes\n")
    before = os.getcwd()
    with hutch.Store(config=path, maxmemory="60mb") as store:
        client = hutch.Redis(store=store, decode_responses=True)
        assert client.config_get("maxmemory*") | {"maxmemory": str(60 << 20), "maxmemory-policy": "allkeys-lru"} == client.config_get("maxmemory*")
        assert client.config_get("databases") == {"databases": "3"} and client.info("server")["config_file"] == str(path)
        with pytest.raises(redis.ResponseError, match="DB index"):
            client.execute_command("SELECT", 3)
        client.set("a", "b")
        assert client.config_rewrite()
    assert os.getcwd() == before and (tmp_path / "data" / "appendonlydir").is_dir()
    assert "maxmemory 60mb" in path.read_text() and f"include {tmp_path}/m*.conf" in path.read_text()
    with hutch.Store(config=path) as store:
        assert hutch.Redis(store=store).get("a") == b"b"


def test_a_server_of_a_file(tmp_path):
    port = free_port()
    path = write(tmp_path / "a.conf", f"port {port}\nbind 127.0.0.1\nrequirepass secret\nunixsocket {tmp_path}/s\ndatabases 2\nrename-command get fetch\n")
    with hutch.Server(config=path) as server:
        assert server.port == port and server.unix_socket == f"{tmp_path}/s" and ":secret@" in server.url
        client = redis.Redis.from_url(server.url)
        assert client.set("a", "b") and client.execute_command("FETCH", "a") == b"b"
        assert redis.Redis(unix_socket_path=server.unix_socket, password="secret").ping()
        assert server.client().config_get("databases") == {"databases": "2"}
    with hutch.Server(config=path, port=0, unixsocket=str(tmp_path / "t"), password="other", hz=77) as server:
        assert server.port not in (0, port) and server.client().config_get("hz") == {"hz": "77"}
        assert redis.Redis(port=server.port, password="other").ping() and server.unix_socket == f"{tmp_path}/t"
    write(path, f"port 0\nunixsocket {tmp_path}/s\n")
    with hutch.Server(config=path) as server:
        assert server.port == 0 and redis.Redis(unix_socket_path=server.unix_socket).ping()


def test_a_server_of_a_file_on_a_store_that_is_there(tmp_path):
    with hutch.Redis() as client:
        client.set("a", "b")
        with hutch.Server(client, config=write(tmp_path / "a.conf", "timeout 9\ndatabases 99\n"), port=0) as server:
            assert redis.Redis(port=server.port).get("a") == b"b"
            assert client.config_get("timeout", "databases") == {"timeout": "9", "databases": "16"}
        with pytest.raises(ValueError, match="b.conf, line 1: rename-command get x: commands can be renamed only before"):
            hutch.Server(client, config=write(tmp_path / "b.conf", "rename-command get x\n"), port=0)


BAD = ["port x", "nosuch 1", "maxmemory 1qb", 'requirepass "a', "include a.conf", "port 1 2", "appendonly maybe", "rename-command a b", "hz",
       "save 1", "databases x", "loglevel loud", "dir /no/such/place", "cluster-enabled yes", "include", "bind"]


@pytest.mark.parametrize("line", BAD)
def test_refusals_are_the_same_everywhere(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "a.conf", f"timeout 1\n\n{line}\n")
    if line == "bind":
        assert cli_config.configuration(path)[-1].values == ()       # Redis takes it, and listens nowhere
        return
    code, text = outcome(HUTCH, "a.conf", cwd=tmp_path)
    assert code == 1
    _, _, number, shown, reason = text.split("\n")[:5]
    assert (number, shown) == ("Reading the configuration file, at line 3", f">>> '{line}'") and f"In the file '{path}'" in text
    for make in (hutch.Store, hutch.Server):
        with pytest.raises(ValueError) as caught:
            make(config=path)
        assert str(caught.value) == f"{path}, line 3: {line}: {reason}"


def test_what_has_no_effect_is_told_of(tmp_path):
    path = write(tmp_path / "a.conf", "io-threads 4\nrepl-timeout 60\nslave-priority 7\nhz 20\ndynamic-hz yes\n")
    with Launched(HUTCH, path, "--port", free_port(), "--bind", "127.0.0.1") as server:
        server.wait_for("Ready to accept connections")
        told = [text for _, _, text in server.messages() if "has no effect" in text]
    assert told == ["io-threads has no effect: one thread serves all sockets",
                    "slave-priority has no effect: Hutch follows no master and has no replicas"]


def test_files_that_cannot_be_read(tmp_path):
    for make in (hutch.Store, hutch.Server):
        with pytest.raises(FileNotFoundError, match="can't open config file"):
            make(config=tmp_path / "nosuch.conf")
        with pytest.raises(FileNotFoundError, match="can't open config file"):
            make(config=write(tmp_path / "a.conf", "include /no/such.conf\n"))


def test_a_rewrite_keeps_what_is_not_its_business(tmp_path):
    """Includes, renamed commands, comments and order; who dies before the new file has its name leaves the old one."""
    write(tmp_path / "more.conf", "timeout 5\n")
    path = write(tmp_path / "a.conf", "# mine\n\ninclude more.conf\nrename-command get fetch\n# of hz\nhz 20\nrename-command del \"\"\n")
    path.chmod(0o640)
    port = free_port()
    with Launched(HUTCH, path, "--port", port, "--bind", "127.0.0.1", cwd=tmp_path) as server:
        server.wait_for("Ready to accept connections")
        client = redis.Redis(port=port)
        client.config_set("hz", 30)
        (tmp_path / f"a.conf.{server.pid}.rewrite").write_text("half of an ear")       # of a process that had this number
        assert client.config_rewrite()
        lines = path.read_text().splitlines()
        assert lines[:7] == ["# mine", "", "include more.conf", "rename-command get fetch", "# of hz", "hz 30", 'rename-command del ""']
        assert "timeout 5" in lines and "# Generated by CONFIG REWRITE" in lines
        assert sorted(os.listdir(tmp_path)) == ["a.conf", "more.conf"] and path.stat().st_mode & 0o777 == 0o640
        before = path.read_text()
        (tmp_path / f"a.conf.{server.pid}.rewrite").mkdir()                             # nothing can be written aside
        client.config_set("hz", 40)
        with pytest.raises(redis.ResponseError, match="Rewriting config file: File exists"):
            client.config_rewrite()
        assert path.read_text() == before
    with Launched(HUTCH, path, cwd=tmp_path) as server:
        server.wait_for("Ready to accept connections")
        assert redis.Redis(port=port, decode_responses=True).config_get("hz", "timeout") == {"hz": "30", "timeout": "5"}


def test_who_is_killed_amid_a_rewrite_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.conf"
    padding = [f"# {number} " + "x" * 200 for number in range(2000)]
    path.write_text("\n".join(["hz 20", *padding, "timeout 5", ""]))
    for round_ in range(6):
        port = free_port()
        with Launched(HUTCH, path, "--port", port, "--bind", "127.0.0.1", cwd=tmp_path) as server:
            server.wait_for("Ready to accept connections")
            client = client_that_tries_once(port)
            timer = threading.Timer(0.02 + 0.01 * round_, server.process.kill)
            timer.start()
            with pytest.raises(redis.ConnectionError):
                while True:
                    client.config_rewrite()
            timer.join()
        lines = path.read_text().splitlines()
        assert lines[:2001] == ["hz 20", *padding] and "timeout 5" in lines
        with hutch.Store(config=path) as store:
            assert store.engine.parameter("timeout") == "5"
