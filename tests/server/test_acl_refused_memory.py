"""Users while the system refuses memory: their blocks are malloc's, so a malloc that fails is preloaded into a server (kit/failing_malloc.c).

The first, the second, ... block that a command asks for is refused, and all that follow: the command answers an error and the users
are what they were, or it answers that it is done and they are what they were to become; nobody gets in who should not.
"""
import ctypes
import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from kit.launch import serve
from kit.resp_client import Closed, RespClient

SOURCE = Path(__file__).parents[1] / "kit" / "failing_malloc.c"
COMPILER = shutil.which("cc") or shutil.which("gcc")
GLIBC = hasattr(ctypes.CDLL(None), "gnu_get_libc_version") and hasattr(ctypes.CDLL(None), "__libc_malloc")
pytestmark = [
    pytest.mark.skipif(os.environ.get("HUTCH_BUILD") in ("sanitize", "threads"), reason="a sanitizer has a malloc of its own"),
    pytest.mark.skipif(not COMPILER or not GLIBC, reason="a malloc to preload needs a compiler and glibc"),
]
BLOCKS_MAX = 400
LONG = "x" * 3000
RULES = ["on", ">secret", f"~{LONG}*", "%R~read:*", "&news:*", "+@read", "-get", "+set|a", f"(+get ~{LONG})", "(+set ~b* &c*)"]


class Server:
    """A server whose memory can be refused, and who asks it."""

    def __init__(self, directory, *arguments):
        library = directory / "failing_malloc.so"
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        control = directory / "control"
        control.write_bytes(struct.pack("qq", -1, 0))
        with open(control, "r+b") as file:
            self.control = mmap.mmap(file.fileno(), 16)
        self.process = serve("--save", "", *arguments, cwd=directory, env={"LD_PRELOAD": str(library), "HUTCH_MALLOC_CONTROL": str(control)})
        self.owner = self.client()

    def client(self):
        return RespClient("127.0.0.1", self.process.port)

    def refused(self, blocks, client, *words):
        """The reply (None: the connection was closed), and whether a block was refused."""
        self.control[:] = struct.pack("qq", blocks, 0)
        try:
            reply = client.execute(*words).raw
        except (Closed, ConnectionError):
            reply = None
        finally:
            refused = struct.unpack("qq", self.control[:])[1]
            self.control[:] = struct.pack("qq", -1, 0)
        return reply, refused > 0

    def users(self):
        return self.owner.execute("ACL", "LIST").raw

    def memory(self):
        return int(self.owner.execute("INFO", "memory").value.split(b"used_memory:")[1].split(b"\r")[0])

    def end(self):
        self.owner.close()
        self.process.__exit__(None, None, None)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "users.acl").write_text("user default on nopass ~* &* +@all\n")
    server = Server(tmp_path, "--aclfile", "users.acl")
    server.directory = tmp_path
    yield server
    server.end()


def blocks_refused(server):
    """Numbers for `refused`, until the body says by server.through() that none was refused any more."""
    for blocks in range(BLOCKS_MAX):
        server.enough = False
        yield blocks
        if server.enough:
            assert blocks, "nothing was refused: the test is blind"
            return
    pytest.fail("it asks for more blocks than are refused here")


@pytest.mark.parametrize("present", [(), ("on", ">old", "~old*", "+get", "(+set ~old)")], ids=["new", "changed"])
def test_setuser(server, present):
    server.owner.execute("ACL", "SETUSER", "u", *present, *RULES)
    after = server.users()
    for blocks in blocks_refused(server):
        server.owner.execute("ACL", "DELUSER", "u")
        if present:
            server.owner.execute("ACL", "SETUSER", "u", *present)
        before = server.users()
        client = server.client()
        client.execute("PING")
        reply, refused = server.refused(blocks, client, "ACL", "SETUSER", "u", *RULES)
        assert reply is None or reply == b"+OK\r\n" or reply.startswith(b"-OOM"), (blocks, reply)
        found = server.users()
        assert found == after if reply == b"+OK\r\n" else found in (before, after) if reply is None else found == before, (blocks, reply)
        client.close()
        server.enough = not refused and reply == b"+OK\r\n"


def test_load(server):
    lines = ["user default on nopass ~* &* +@all", "user u " + " ".join(["on", "nopass", *RULES[2:]]), "user v on nopass ~v* +@all", ""]
    (server.directory / "users.acl").write_text("\n".join(lines))
    server.owner.execute("ACL", "LOAD")
    after = server.users()
    for blocks in blocks_refused(server):
        (server.directory / "users.acl").write_text("user default on nopass ~* &* +@all\nuser w on nopass ~w* +get\n")
        assert server.owner.execute("ACL", "LOAD").raw == b"+OK\r\n"
        before = server.users()
        (server.directory / "users.acl").write_text("\n".join(lines))
        client = server.client()
        client.execute("PING")
        reply, refused = server.refused(blocks, client, "ACL", "LOAD")
        assert reply is None or reply[:1] in b"+-", (blocks, reply)
        found = server.users()
        assert found == after if reply == b"+OK\r\n" else found in (before, after) if reply is None else found == before, (blocks, reply)
        client.close()
        server.enough = not refused and reply == b"+OK\r\n"


@pytest.mark.parametrize("words, lets_in", [(("AUTH", "u", "p"), True), (("AUTH", "u", "wrong" + LONG), False), (("AUTH", "nobody", "p"), False),
                                            (("HELLO", "3", "AUTH", "u", "p"), True), (("HELLO", "3", "AUTH", "u", "q", "SETNAME", "a" * 3000), False)])
def test_auth(server, words, lets_in):
    server.owner.execute("ACL", "SETUSER", "u", "on", ">p", "+acl|whoami", "+ping")
    server.owner.execute("ACL", "SETUSER", "default", ">secret", "resetpass", ">secret")
    for blocks in blocks_refused(server):
        client = server.client()
        reply, refused = server.refused(blocks, client, *words)
        who = b""
        if reply is not None:
            who = client.execute("ACL", "WHOAMI").raw
        assert not lets_in or reply is None or who == b"$1\r\nu\r\n" or reply.startswith(b"-"), (blocks, reply, who)
        if not lets_in:
            assert who in (b"", b"-NOAUTH Authentication required.\r\n"), (blocks, reply, who)
        client.close()
        server.enough = not refused
        if blocks > 60 and not lets_in:
            server.enough = True
    assert server.owner.execute("PING").raw == b"+PONG\r\n"


def test_describing(server):
    """ACL LIST, GETUSER, DRYRUN, SAVE and LOG answer in full, or that there is no memory; a file is replaced whole."""
    server.owner.execute("ACL", "SETUSER", "u", *RULES)
    limited = server.client()
    server.owner.execute("ACL", "SETUSER", "l", "on", "nopass", "+ping")
    limited.execute("AUTH", "l", "x")
    limited.execute("GET", LONG)
    server.owner.execute("ACL", "SAVE")
    saved = (server.directory / "users.acl").read_bytes()
    for words in (("ACL", "LIST"), ("ACL", "GETUSER", "u"), ("ACL", "DRYRUN", "u", "GET", LONG), ("ACL", "SAVE"), ("ACL", "USERS")):
        wanted = server.owner.execute(*words).raw
        for blocks in range(BLOCKS_MAX):
            client = server.client()
            client.execute("PING")
            reply, refused = server.refused(blocks, client, *words)
            assert reply is None or reply == wanted or reply.startswith(b"-"), (words, blocks, reply)
            assert (server.directory / "users.acl").read_bytes() == saved
            client.close()
            if not refused:
                assert reply == wanted
                break
    for blocks in range(20):
        reply, refused = server.refused(blocks, limited, "GET", f"{LONG}{blocks}")
        assert reply is None or reply.startswith((b"-NOPERM", b"-OOM")), (blocks, reply)
        if reply is None:
            limited = server.client()
            limited.execute("AUTH", "l", "x")
    assert server.owner.execute("PING").raw == b"+PONG\r\n"


def test_used_memory_counts_users(server):
    before = server.memory()
    for i in range(100):
        server.owner.execute("ACL", "SETUSER", f"u{i}", "on", *[f"~{i}:{LONG}*"], "(+get ~a*)")
    full = server.memory()
    assert full - before > 100 * len(LONG)
    for i in range(100):
        server.owner.execute("ACL", "DELUSER", f"u{i}")
    assert abs(server.memory() - before) < 20_000
