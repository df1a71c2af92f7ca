"""Users in files, beside a real Redis: aclfile, ACL LOAD and SAVE, `user` lines of a redis.conf, CONFIG REWRITE."""
import os
import stat
import time

import pytest
import redis

from kit.launch import HUTCH, Launched
from kit.oracle import PLAIN, free_port
from kit.resp_client import RespClient

HASH = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940"     # of "p"
USERS = f"""\

user bob on #{HASH} ~a* %R~b* resetchannels &c +@read -get (+set ~w*) (%W~x* resetchannels &y +@all)
\tuser eve off nopass\r
user default on nopass sanitize-payload ~* &* +@all
"""
DAMAGED = [
    "usr bob on", "user", "user ", "bob", "user bob on +nope -@nope", "user bob ~a %foo &b +x", "user bob on\nuser bob off",
    "user bob (+get ~a", "user bob (+nope) foo bar", "user bob #123 <p", "user bob on +get\n\n\nuser eve +config|get|x",
    "user bob ~* ~a", "user bob &* &a", "user bob )", "user bob +get|", "user  bob on",
]


class Process:
    """A server of its own: Hutch or Redis."""

    def __init__(self, command, directory, *lines, environment=None):
        directory.mkdir(exist_ok=True)
        self.port = free_port()
        self.config = directory / "redis.conf"
        self.config.write_text("\n".join([*lines, f"port {self.port}", "bind 127.0.0.1", 'save ""']) + "\n")
        self.launched = Launched(command, self.config, environment=environment, cwd=directory)

    def __enter__(self):
        self.launched.__enter__()
        return self

    def __exit__(self, *error):
        return self.launched.__exit__(*error)

    def client(self):
        self.launched.wait_for("Ready to accept connections")
        return RespClient("127.0.0.1", self.port)

    def ends(self):
        assert self.launched.process.wait(60) != 0
        return self.launched.text()


@pytest.fixture
def launch(tmp_path, oracle_binary):
    """Both servers with these lines and this file of users, each in a directory of its own."""
    made = []

    def make(*lines, users=None):
        pair = []
        for name, command, environment in (("ours", HUTCH, None), ("theirs", [str(oracle_binary)], PLAIN)):
            directory = tmp_path / f"{name}{len(made)}"
            directory.mkdir()
            if users is not None:
                (directory / "users.acl").write_text(users, newline="")
            process = Process(command, directory, *lines, environment=environment)
            made.append(process)
            pair.append(process)
        return pair

    yield make
    for process in made:
        process.__exit__(None, None, None)


def same(pair, *words):
    mine, its = (side.execute(*words) for side in pair)
    assert mine.raw == its.raw, words
    return mine.value


def test_a_file_is_loaded_saved_and_loaded_again(launch, tmp_path):
    servers = launch("aclfile users.acl", "acl-pubsub-default allchannels", users=USERS)
    pair = [server.client() for server in servers]
    same(pair, "ACL", "LIST")
    for name in ("aclfile", "acl-pubsub-default", "acllog-max-len"):
        same(pair, "CONFIG", "GET", name)
    same(pair, "CONFIG", "SET", "aclfile", "x")
    same(pair, "ACL", "SETUSER", "new", "on", ">p", "~*", "(+get ~k*)")
    same(pair, "ACL", "SAVE")
    files = [(server.config.parent / "users.acl") for server in servers]
    assert files[0].read_bytes() == files[1].read_bytes() and b"user new on" in files[0].read_bytes()
    assert sorted(os.listdir(files[0].parent)) == ["redis.conf", "users.acl"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    same(pair, "ACL", "DELUSER", "new", "bob")
    same(pair, "ACL", "LOAD")
    same(pair, "ACL", "LIST")


@pytest.mark.parametrize("channels", ["allchannels", "resetchannels"])
def test_new_users_have_the_channels_of_the_parameter(launch, channels):
    servers = launch(f"acl-pubsub-default {channels}", "user one on +get", "user two resetchannels &a", "user default on nopass +@all ~*")
    pair = [server.client() for server in servers]
    same(pair, "ACL", "LIST")
    for rules in (["+get"], ["(+get)"], ["reset"], ["(+get)", "reset"], ["resetchannels"]):
        same(pair, "ACL", "SETUSER", f"u{rules[0][:2]}{len(rules)}", *rules)
    same(pair, "ACL", "LIST")


def test_damaged_files_are_refused_and_change_nothing(launch):
    servers = launch("aclfile users.acl", users=USERS)
    pair = [server.client() for server in servers]
    before = same(pair, "ACL", "LIST")
    for text in DAMAGED:
        for server in servers:
            (server.config.parent / "users.acl").write_bytes(text.encode())
        same(pair, "ACL", "LOAD")
        assert same(pair, "ACL", "LIST") == before
    (servers[0].config.parent / "users.acl").write_bytes(b"user a\0b on")       # Redis reads no further than the NUL
    assert b"users.acl:1: username 'a" in pair[0].execute("ACL", "LOAD").raw
    for server in servers:
        (server.config.parent / "users.acl").unlink()
    same(pair, "ACL", "LOAD")
    assert same(pair, "ACL", "LIST") == before


def test_a_server_does_not_start_with_a_damaged_file(launch):
    ours, theirs = launch("aclfile users.acl", users="user bob on\nusr eve\n")
    for text in (ours.ends(), theirs.ends()):
        assert "startup because of ACL errors: users.acl:2 should start with user keyword" in text
    ours, theirs = launch("aclfile missing.acl")
    for text in (ours.ends(), theirs.ends()):
        assert "Error loading ACLs, opening file 'missing.acl': No such file or directory" in text
    ours, theirs = launch("aclfile users.acl", "user bob on", users=USERS)
    for text in (ours.ends(), theirs.ends()):
        assert "please define either an ACL file or declare users directly in your redis.conf, but not both" in text


@pytest.mark.parametrize("line", ["user bob +@nope2 foo", "user bob ~* ~a", "user bob on\nuser bob off", "user bob (+get", "user"])
def test_bad_lines_of_users_are_refused_with_their_place(launch, line):
    ours, _ = launch(line)
    text = ours.ends()
    assert f"at line {line.count(chr(10)) + 1}\n>>> '{line.splitlines()[-1]}'" in text


def test_users_in_the_configuration_and_their_rewrite(launch, oracle_binary):
    servers = launch("requirepass first", "# of users", f"user bob on #{HASH} ~a* (+get ~b*)", 'user "eve" off "~a\'b"', "user default on >second ~* +@all")
    pair = [server.client() for server in servers]
    for side in pair:
        side.execute("AUTH", "first")
    same(pair, "GET", "a")
    same(pair, "AUTH", "second")
    same(pair, "ACL", "LIST")
    same(pair, "ACL", "SETUSER", "new", "on", ">x", "+@all", "~*")
    same(pair, "ACL", "DELUSER", "eve")
    same(pair, "CONFIG", "REWRITE")
    texts = [[line for line in server.config.read_text().split("\n") if line.startswith(("user", "#", "requirepass"))] for server in servers]
    assert sorted(texts[0]) == sorted(texts[1])
    listed = same(pair, "ACL", "LIST")
    again = Process(HUTCH, servers[0].config.parent / "again")
    again.config.write_text(servers[0].config.read_text().replace(f"port {servers[0].port}", f"port {again.port}").replace("dir ", "# "))
    again.launched.__exit__(None, None, None)
    with Launched(HUTCH, again.config, cwd=again.config.parent) as server:
        server.wait_for("Ready to accept connections")
        client = RespClient("127.0.0.1", again.port)
        client.execute("AUTH", "second")
        assert client.execute("ACL", "LIST").value == listed


def test_names_and_patterns_with_quotes_survive_a_rewrite(launch):
    ours, _ = launch("# nothing")
    client = ours.client()
    rules = ["on", "nopass", '~a"b', "~c'd", "~e\\f", "&\"", "+get|'x"]
    assert client.execute("ACL", "SETUSER", "o'brien", *rules).raw == b"+OK\r\n"
    listed = client.execute("ACL", "LIST").value
    assert client.execute("CONFIG", "REWRITE").raw == b"+OK\r\n"
    client.execute("ACL", "DELUSER", "o'brien")
    text = ours.config.read_text()
    from hutch_engine.door.engine import Engine
    engine = Engine()
    try:
        for line in text.splitlines():
            if line.startswith("user"):
                engine.configure_line(line)
        assert engine.session().execute(["ACL", "LIST"]) == listed
    finally:
        engine.close()


def test_sessions_when_the_file_is_loaded(launch):
    """Who is still there stays logged in, by the new rules; who is gone is put out, and who listens too far."""
    servers = launch("aclfile users.acl", users="user a on nopass +@all ~* &*\nuser b on nopass +@all ~* &*\nuser c on nopass +@all ~* &*\n")
    owner = [server.client() for server in servers]
    others = {}
    for name in "abc":
        others[name] = [RespClient("127.0.0.1", server.port) for server in servers]
        same(others[name], "AUTH", name, "x")
        same(others[name], "SUBSCRIBE" if name == "c" else "GET", "k")
    for server in servers:
        (server.config.parent / "users.acl").write_text("user a on nopass +@all -set ~* &*\nuser c on nopass +@all ~* resetchannels &x\n")
    same(owner, "ACL", "LOAD")
    same(others["a"], "GET", "k")
    same(others["a"], "SET", "k", "1")
    for name in "bc":
        for side in others[name]:
            assert side.read_until_closed(5) == (b"", True)


def test_an_embedded_store_reads_the_file(tmp_path):
    import hutch
    path = tmp_path / "users.acl"
    path.write_text("user bob on >p ~a* +get\n")
    with hutch.Store(aclfile=str(path)) as store:
        assert hutch.Redis(store=store).acl_users() == ["bob", "default"]
        with pytest.raises(redis.exceptions.NoPermissionError):
            hutch.Redis(store=store, username="bob", password="p").set("a", 1)
    path.write_text("user bob nonsense\n")
    with pytest.raises(ValueError, match="users.acl:1"):
        hutch.Store(aclfile=str(path))
