"""rename-command: the same names beside a real Redis, for every way in, and a log that other servers understand."""
from contextlib import closing

import pytest
import redis
from hypothesis import given, settings, strategies as st

import hutch
from hutch_engine.door.engine import Engine
from kit.backends import TcpBackend
from kit.launch import serve
from kit.oracle import RedisServer

RENAMED = {"config": "cfg", "get": "Fetch", "set": "get", "flushall": "", "debug": "", "acl": "", "mget": "set", "lpush": "x y",
           "eval": "run", "multi": "begin", "hset": "HSET", "command": "commands"}
OPTIONS = [word for old, new in RENAMED.items() for word in ("--rename-command", old, new)]
ASKED = [
    "CONFIG GET hz", "CFG GET hz", "cfg get HZ", "CFG", "CFG NOSUCH", "CFG NOSUCH a b", "CONFIG NOSUCH", "CFG HELP", "cfg get",
    "GET a b", "FETCH a", "fetch", "GET", "get a", "SET a b", "set", "MGET a", "FLUSHALL", "flushall async", "DEBUG SLEEP 0", "HSET h a b",
    "LPUSH l a", ["x y", "l", "a"], ["X Y", "l"], ["x y"], "BEGIN", "GET k 1", "FETCH k", "SET k", "SET k k", "EXEC", "BEGIN",
    "FLUSHALL", "EXEC", "MULTI", "EVAL 1 0", "RUN 1 0",
    ["RUN", "return {redis.pcall('set','a','c'), redis.pcall('fetch','a'), redis.pcall('FLUSHALL').err}", "0"],
    ["RUN", "return redis.call('mget','a')", "0"], ["RUN", "return redis.pcall('get','a').err", "0"],
    "COMMAND COUNT", "COMMANDS INFO config", "COMMANDS INFO cfg|get", "COMMANDS INFO config|get", "COMMANDS INFO flushall",
    "COMMANDS LIST FILTERBY PATTERN flush*", "COMMANDS LIST FILTERBY PATTERN fetch", "COMMANDS LIST FILTERBY PATTERN get",
    "COMMANDS GETKEYS get a b", "COMMANDS GETKEYS set a b c", "COMMANDS GETKEYS mget a", "COMMANDS GETKEYSANDFLAGS fetch a",
    "COMMANDS GETKEYS flushall", "COMMANDS NOSUCH", "COMMANDS HELP", "PING", "OBJECT NOSUCH",
]


@pytest.fixture(scope="module")
def both(oracle_binary):
    with RedisServer(oracle_binary, *OPTIONS) as real, serve("--save", "", *OPTIONS) as ours:
        yield ours, real


def raw(connection, words):
    words = words.split(" ") if isinstance(words, str) else words
    return connection.run([[word.encode() for word in words]])[0].raw


@pytest.mark.parametrize("resp", [2, 3])
def test_names_are_redis_own(both, resp):
    sides = [TcpBackend("127.0.0.1", server.port).open() for server in both]
    different = []
    for words in [f"HELLO {resp}", *ASKED]:
        for side in sides:
            raw(side, "PING")        # Redis takes the old name of the command before for that command
        mine, its = (raw(side, words) for side in sides)
        if mine != its and not (words == "HELLO 3" or words == "HELLO 2"):
            different.append((words, mine, its))
    assert not different, '\n'.join(map(str, different))


def test_monitors_see_what_was_said(both):
    """The words of the client and of the script, not the old names; and no password, whatever AUTH is called."""
    seen = []
    for server in both:
        with closing(TcpBackend("127.0.0.1", server.port).open()) as watching, closing(TcpBackend("127.0.0.1", server.port).open()) as talking:
            assert raw(watching, "MONITOR") == b"+OK\r\n"
            for words in ("FETCH a", "get a b", "set a b", ["RUN", "redis.call('get','a','b') return redis.call('fetch','a')", "0"], "cfg get hz",
                          "COMMANDS COUNT", "BEGIN", "fetch a", "EXEC", "ECHO end"):
                raw(talking, "PING")     # as above
                raw(talking, words)
            lines = b""
            while b'"end"' not in lines:
                lines += watching.socket.recv(65536)
        seen.append([line.partition(b'] ')[2] for line in lines.splitlines() if b'"PING"' not in line])
    assert seen[0] == seen[1] and any(b'"fetch" "a"' in line for line in seen[0])


def test_the_commands_are_those_that_have_a_name(both):
    """And there they go by their old ones."""
    for server in both:
        client = redis.Redis(port=server.port, decode_responses=True)
        names = {entry[0] for entry in _one(client, "COMMANDS")}
        assert not {"flushall", "debug", "acl"} & names and {"config", "get", "set", "mget"} <= names
        assert len(names) == _one(client, "COMMANDS", "COUNT")
        docs = _one(client, "COMMANDS", "DOCS")
        assert len(docs) // (1 if isinstance(docs, dict) else 2) == len(names)


def test_a_file_may_take_any_command_of_redis_away(oracle, tmp_path):
    """Also those that are not here."""
    names = {entry[0] for entry in _one(redis.Redis(port=oracle.port, decode_responses=True), "COMMAND")}
    (tmp_path / "a.conf").write_text("".join(f'rename-command {name} ""\n' for name in sorted(names)))
    with hutch.Store(config=tmp_path / "a.conf") as store:
        with pytest.raises(ValueError, match="unknown command 'PING'"):
            store.engine.session(ValueError).execute(["PING"])


def _one(client, *words):
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*words)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


@pytest.mark.parametrize("line, reason", [
    ("rename-command nosuch x", "No such command in rename-command"),
    ("rename-command get SET", "Target command name already exists"),
    ("rename-command config|get x", "No such command in rename-command"),
    ("rename-command get", "Bad directive or wrong number of arguments"),
    ('rename-command "" x', "No such command in rename-command"),
    ("rename-command get x\nrename-command get y", "No such command in rename-command"),
    ("rename-command acl x\nrename-command acl y", "No such command in rename-command"),
    ("rename-command get x\nrename-command set X", "Target command name already exists"),
])
def test_what_cannot_be_renamed(line, reason, tmp_path):
    (tmp_path / "a.conf").write_text(line + "\n")
    with pytest.raises(ValueError, match=f"a.conf, line {line.count(chr(10)) + 1}: rename-command .*: {reason}"):
        hutch.Store(config=tmp_path / "a.conf")


KNOWN = ["get", "set", "del", "ping", "xadd"]
NAMES = st.sampled_from([*KNOWN, "x", "yy", "a name", "GET", "Set", "X"])


@given(st.lists(st.tuples(NAMES, st.one_of(NAMES, st.just("")))))
@settings(max_examples=150, deadline=None)
def test_renamings_are_those_of_a_dictionary(renamings):
    """Redis's table of commands is one, in any case: a name is taken out, another is put in unless it is there."""
    model = {name: name for name in KNOWN}
    engine = Engine()
    try:
        for old, new in renamings:
            command = model.pop(old.lower(), None)
            good = command is not None and not (new and new.lower() in model)
            if command is not None:
                model[(new if good else old).lower()] = command
                if good and not new:
                    del model[""]
            if good:
                engine.configure_line(f'rename-command "{old}" "{new}"')
            else:
                with pytest.raises(ValueError, match="No such command|already exists"):
                    engine.configure_line(f'rename-command "{old}" "{new}"')
        session = engine.session(ValueError, decode=True)
        asked = sorted({*KNOWN, "x", "yy", "a name"})
        found = session.execute(["COMMAND", "INFO", *asked])
        assert {name: entry[0] for name, entry in zip(asked, found) if entry} == model
        listed = set(session.execute(["COMMAND", "LIST"]))
        assert {name for name in KNOWN if name in listed} == set(model.values())
    finally:
        engine.close()


def test_in_a_program_as_well(tmp_path):
    """A call, a compiled method, a pipeline, a script; a method whose command has another name goes the way of a client's."""
    (tmp_path / "a.conf").write_text("rename-command get fetch\nrename-command set put\nrename-command put set\nrename-command incr ''\n"
                                     "rename-command mset get\nrename-command del ''\n")
    with hutch.Store(config=tmp_path / "a.conf") as store:
        client = hutch.Redis(store=store)
        for _ in range(3):
            assert client.set("a", "b") is True
            assert client.execute_command("FETCH", "a") == b"b"
            with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'mset' command"):
                client.get("a")
            with pytest.raises(redis.ResponseError, match="unknown command 'DEL'"):
                client.delete("a")
            with pytest.raises(redis.ResponseError, match="unknown command 'DEL'"):
                client.pipeline(transaction=False).set("a", "b").delete("a").execute()
            assert client.pipeline().set("a", "c").execute_command("FETCH", "a").execute() == [True, b"c"]
            with pytest.raises(redis.ResponseError, match="unknown command 'INCR'"):
                client.execute_command("INCR", "a")
            assert client.exists("a") == 1
        assert client.execute_command("COMMAND COUNT") == len(client.command())
        # With clients about nothing changes any more: they look names up without the lock.
        with pytest.raises(ValueError, match="only before the first client"):
            store.engine.configure_line("rename-command exists ''")


def test_the_log_has_the_old_names(tmp_path):
    options = dict(dir=str(tmp_path), appendonly=True, appendfsync="always")
    (tmp_path / "a.conf").write_text("rename-command set put\nrename-command xgroup groups\nrename-command pexpireat ''\n")
    with hutch.Store(config=tmp_path / "a.conf", **options) as store:
        client = hutch.Redis(store=store)
        client.execute_command("PUT", "a", "b")
        client.execute_command("PUT", "c", "d", "EX", "1000")
        client.execute_command("GROUPS", "CREATE", "s", "g", "$", "MKSTREAM")
        client.expire("a", 1000)
    text = (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes().lower()
    assert b"$3\r\nset\r\n" in text and b"$6\r\nxgroup\r\n" in text and b"put" not in text
    with hutch.Store(**options) as store:
        client = hutch.Redis(store=store)
        assert client.get("a") == b"b" and client.ttl("a") > 900 and client.xinfo_groups("s")[0]["name"] == b"g"


def test_a_log_of_redis_own_with_new_names(tmp_path):
    """Redis logs what its clients said."""
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").write_text(
        "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nPUT\r\n$1\r\na\r\n$1\r\nb\r\n")
    (tmp_path / "a.conf").write_text(f"rename-command set put\ndir {tmp_path}\nappendonly yes\n")
    with hutch.Store(config=tmp_path / "a.conf") as store:
        assert hutch.Redis(store=store).get("a") == b"b"
    with pytest.raises(ValueError, match="there is no such command"):
        hutch.Store(dir=str(tmp_path), appendonly=True)
