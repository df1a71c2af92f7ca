"""Malformed and unusual RESP: the very bytes that come back, and whether the connection is closed, as Redis 8.2 does it.

Every case runs on the oracle and on Hutch in the same test, on a fresh connection each. The first test needs no Hutch:
it keeps the list honest by asking a second real Redis.
"""
import selectors

import pytest

from kit.resp_client import RespClient, pack

BIG = b"1" * 70_000
PING = pack(["PING"])

# Bytes sent on a fresh connection. What follows shows whether the connection still works.
CASES = {
    # Nothing to do, nothing to say.
    "zero words": b"*0\r\n" + PING, "minus one word": b"*-1\r\n" + PING, "many minus words": b"*-2147483649\r\n" + PING,
    "empty line": b"\r\n" + PING, "two empty lines": b"\r\n\r\nPING\r\n", "spaces": b"   \r\nPING\r\n", "bare newline": b"\nPING\n",
    # Multibulk counts.
    "count: letter": b"*a\r\n", "count: none": b"*\r\n", "count: space": b"* 1\r\n" + PING, "count: plus": b"*+1\r\n$4\r\nPING\r\n",
    "count: leading zero": b"*01\r\n$4\r\nPING\r\n", "count: float": b"*1.0\r\n", "count: over 32 bits": b"*2147483648\r\n",
    "count: at 31 bits": b"*2147483647\r\n", "count: a million": b"*1048577\r\n", "count: over 64 bits": b"*9999999999999999999\r\n",
    "count: endless": b"*" + BIG, "count: NUL": b"*1\x00\r\n",
    # Bulk lengths.
    "length: letter": b"*1\r\n$a\r\n", "length: none": b"*1\r\n$\r\n", "length: negative": b"*1\r\n$-1\r\n", "length: minus two": b"*1\r\n$-2\r\n",
    "length: leading zero": b"*1\r\n$04\r\nPING\r\n", "length: plus": b"*1\r\n$+4\r\nPING\r\n", "length: over the limit": b"*1\r\n$536870913\r\n",
    "length: over 64 bits": b"*1\r\n$9999999999999999999\r\n", "length: endless": b"*1\r\n$" + BIG,
    "length: second word": b"*2\r\n$4\r\nECHO\r\n$x\r\n", "length: zero name": b"*1\r\n$0\r\n\r\n" + PING, "length: zero word": pack(["ECHO", ""]),
    # The dollar.
    "dollar: missing": b"*1\r\nPING\r\n", "dollar: plus": b"*1\r\n+PING\r\n", "dollar: newline": b"*1\r\n\r\n", "dollar: NUL": b"*1\r\n\x00\r\n",
    "dollar: high byte": b"*1\r\n\xff\r\n", "dollar: array inside": b"*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\na\r\n", "dollar: colon": b"*2\r\n$4\r\nECHO\r\n:1\r\n",
    "dollar: after good commands": PING + b"*1\r\nX\r\n" + PING,
    # Line ends.
    "end of a bulk is not looked at": b"*1\r\n$4\r\nPINGxx" + PING, "byte after CR is not looked at": b"*1\rx$4\rxPING\r\n",
    "newline alone in a header": b"*1\n$4\nPING\n",
    # Half a command: no answer, no close.
    "half: star": b"*", "half: count": b"*1", "half: CR": b"*1\r", "half: header": b"*1\r\n", "half: length": b"*1\r\n$4", "half: bulk": b"*1\r\n$4\r\nPI",
    "half: CRLF": b"*1\r\n$4\r\nPING\r", "half: huge bulk": b"*1\r\n$500000000\r\nabc", "half: inline": b"PING",
    # Inline commands.
    "inline: LF": b"PING\n", "inline: spaces": b"  PING   a \r\n", "inline: tab": b"PING\ta\r\n", "inline: double quotes": b'PING "\\x41\\n\\t\\\\ b"\r\n',
    "inline: bad hex": b'PING "\\xzz\\q"\r\n', "inline: single quotes": b"PING 'a\\'b\\n'\r\n", "inline: empty quotes": b'""\r\n' + PING, "inline: empty word": b'PING ""\r\n',
    "inline: open double": b'PING "a\r\n', "inline: open single": b"PING 'a\r\n", "inline: glued": b'PING "a"b\r\n', "inline: glued single": b"PING 'a'b\r\n",
    "inline: quote in word": b'PING a"b c"\r\n', "inline: backslash": b"PING a\\nb\r\n", "inline: CR inside": b"PING a\rb\r\n", "inline: dollar": b"$4\r\nPING\r\n",
    "inline: plus": b"+OK\r\n", "inline: minus": b"-ERR\r\n", "inline: binary": b"\xff\xfe\r\n", "inline: unknown": b"NOSUCH a b\r\n", "inline: wrong arity": b"GET\r\n",
    "inline: endless": b"a" * 70_000, "inline: endless after a good one": PING + b"a" * 70_000, "inline: many": b"PING\r\n" * 100,
    # Visitors from the web.
    "http: get": b"GET / HTTP/1.1\r\n", "http: post": b"POST / HTTP/1.1\r\n\r\n", "http: host": b"Host: example.com\r\n", "http: post as multibulk": pack(["POST", "/"]),
    "http: host as multibulk": pack(["host:", "x"]), "http: after a good command": PING + b"POST / HTTP/1.1\r\n" + PING,
    "http: behind QUIT": PING + PING + b"QUIT\r\nPOST / HTTP/1.1\r\n", "http: host behind QUIT": PING + b"QUIT\r\nHost: x\r\n" + PING,
    "http: in MULTI": b"MULTI\r\nPOST /\r\nEXEC\r\n", "http: with a body that is no RESP": b"POST / HTTP/1.1\r\n*x\r\n" + PING,
    "http: many before it": PING * 300 + b"POST / HTTP/1.1\r\n",
    # Leaving.
    "quit": b"QUIT\r\n" + PING, "quit with words": b"QUIT now\r\n",
    # CLIENT REPLY: which commands are answered.
    "reply off": b"CLIENT REPLY OFF\r\nPING\r\nSET a\r\nNOSUCH\r\nCLIENT REPLY ON\r\nPING\r\n", "reply skip": b"CLIENT REPLY SKIP\r\nPING\r\nECHO a\r\n",
    "reply off, on in a transaction": b"MULTI\r\nCLIENT REPLY OFF\r\nPING\r\nEXEC\r\nPING\r\nCLIENT REPLY ON\r\n",
    "reply on in a transaction": b"MULTI\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\nCLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nEXEC\r\nPING\r\n",
    "exec while replies are off": b"MULTI\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\nCLIENT REPLY OFF\r\nEXEC\r\nPING\r\n" * 2,
    "replies off, errors of exec": b"CLIENT REPLY OFF\r\nEXEC\r\nMULTI\r\nNOSUCH\r\nEXEC\r\nMULTI\r\nPING\r\nCLIENT REPLY ON\r\nECHO a\r\nEXEC\r\nPING\r\n",
    "skip exec": b"MULTI\r\nPING\r\nCLIENT REPLY SKIP\r\nEXEC\r\nPING\r\nCLIENT REPLY SKIP\r\nEXEC\r\nPING\r\n",
    "reply skip in a transaction": b"MULTI\r\nCLIENT REPLY SKIP\r\nPING\r\nEXEC\r\nPING\r\nPING\r\n", "reply skip twice": b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
    "reply skip, reset": b"CLIENT REPLY SKIP\r\nRESET\r\nPING\r\n", "reply skip, reset twice": b"CLIENT REPLY SKIP\r\nRESET\r\nRESET\r\nPING\r\n",
    "reply off, reset": b"CLIENT REPLY OFF\r\nRESET\r\nPING\r\n", "reply off, skip, reset": b"CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nRESET\r\nPING\r\n",
    "reply skip, reset in a transaction": b"MULTI\r\nCLIENT REPLY SKIP\r\nRESET\r\nPING\r\n", "reset, reply skip": b"RESET\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
    # In a transaction.
    "error in MULTI": b"MULTI\r\n*a\r\n", "empty commands in MULTI": b"MULTI\r\n*0\r\n\r\nPING\r\nEXEC\r\n",
}

# The same before authentication, with requirepass set.
UNAUTHENTICATED = {
    "eleven words": b"*11\r\n", "ten words": b"*10\r\n", "a bulk over 16384": b"*1\r\n$16385\r\n", "a bulk of 16384": b"*1\r\n$16384\r\n", "ping": b"PING\r\n",
    "get": b"GET a\r\n", "unknown": b"NOSUCH\r\n", "wrong arity": b"SET a\r\n", "multi": b"MULTI\r\n", "hello": b"HELLO\r\n", "hello 3": b"HELLO 3\r\n", "hello 9": b"HELLO 9\r\n",
    "hello, wrong password": b"HELLO 3 AUTH default x\r\n", "hello with name": b"HELLO 3 SETNAME a\r\n", "auth, wrong": b"AUTH x\r\n", "auth, wrong user": b"AUTH a b\r\n",
    "auth, nothing": b"AUTH\r\n", "auth, right": b"AUTH secret\r\nPING\r\n", "auth, right, by name": b"AUTH default secret\r\nPING\r\n", "limits end with auth": b"AUTH secret\r\n*11\r\n",
    "quit": b"QUIT\r\n", "reset": b"RESET\r\nPING\r\n", "reset drops auth": b"AUTH secret\r\nRESET\r\nPING\r\n", "command count": b"COMMAND COUNT\r\n", "unknown subcommand": b"CLIENT NOSUCH\r\n",
    "zero words": b"*0\r\nPING\r\n", "too big inline": b"a" * 70_000, "exec": b"EXEC\r\n", "http": b"POST / HTTP/1.1\r\n",
}

# Redis drops the replies of the same read when it hangs up on a visitor from the web.
DEPENDS_ON_READS = {"http: after a good command", "http: in MULTI"}
QUIET_SECONDS = 0.05        # after this long without a byte, the answer is taken to be complete,
ALL_QUIET_SECONDS = 0.3     # and those of many


def answer(server, data: bytes) -> tuple[bytes, bool]:
    """All that comes back, and whether the server closed the connection."""
    with RespClient(server.host, server.port) as client:
        try:
            client.send_raw(data)
        except OSError:
            pass                # closed while we were still sending: the answer may be there all the same
        return client.read_until_closed(QUIET_SECONDS)


def answers(server, inputs: dict, cut: int = 1 << 20) -> dict:
    """What comes back for each of the inputs, sent at once over a connection each, `cut` bytes at a time: one wait for silence
    does for all."""
    clients = {name: RespClient(server.host, server.port) for name in inputs}
    open_ones, found, closed = selectors.DefaultSelector(), dict.fromkeys(inputs, b""), dict.fromkeys(inputs, False)
    for name, client in clients.items():
        try:
            for at in range(0, len(inputs[name]), cut):
                client.send_raw(inputs[name][at:at + cut])
        except OSError:
            pass
        open_ones.register(client.socket, selectors.EVENT_READ, name)
    while open_ones.get_map() and (ready := open_ones.select(ALL_QUIET_SECONDS)):
        for key, _ in ready:
            try:
                data = key.fileobj.recv(1 << 16)
            except OSError:
                data = b""
            found[key.data] += data
            if not data:
                closed[key.data] = True
                open_ones.unregister(key.fileobj)
    for client in clients.values():
        client.close()
    return {name: (found[name], closed[name]) for name in inputs}


def same(subject, oracle, data: bytes, got, wanted) -> None:
    if got != wanted:
        # A busy machine can be slower than that: once more with patience.
        patient = [read_slowly(server, data) for server in (subject, oracle)]
        assert patient[0] == patient[1]


def read_slowly(server, data: bytes, cut: int = 1 << 20) -> tuple[bytes, bool]:
    """The same with patience; `cut`: how many bytes are sent at a time."""
    with RespClient(server.host, server.port) as client:
        for at in range(0, len(data), cut):
            try:
                client.send_raw(data[at:at + cut])
            except OSError:
                break
        return client.read_until_closed(3.0)


@pytest.fixture
def with_password():
    """A function that sets a server's password for the test."""
    servers = []

    def protect(server):
        with RespClient(server.host, server.port) as client:
            assert client.execute("CONFIG", "SET", "requirepass", "secret").raw == b"+OK\r\n"
        servers.append(server)
        return server
    yield protect
    for server in servers:
        with RespClient(server.host, server.port) as client:
            client.execute("AUTH", "secret")
            assert client.execute("CONFIG", "SET", "requirepass", "").raw == b"+OK\r\n"


@pytest.fixture(scope="module")
def malformed(hutch_server, oracle):
    """What Hutch and the oracle answer to each of CASES."""
    return answers(hutch_server, CASES), answers(oracle, CASES)


def test_two_real_servers_agree(oracle, second_oracle, malformed):
    other = answers(second_oracle, CASES)
    for name, data in CASES.items():
        same(second_oracle, oracle, data, other[name], malformed[1][name])


@pytest.mark.parametrize("name", CASES)
def test_malformed(name, hutch_server, oracle, malformed):
    same(hutch_server, oracle, CASES[name], malformed[0][name], malformed[1][name])


def test_protocol_error_while_replies_are_off(hutch_server, oracle):
    """Neither says a word. Redis then keeps a connection that can do nothing any more; Hutch closes it."""
    data = b"CLIENT REPLY OFF\r\n*x\r\n"
    assert answer(oracle, data) == (b"", False)
    assert read_slowly(hutch_server, data) == (b"", True)


@pytest.mark.parametrize("name", UNAUTHENTICATED)
def test_unauthenticated(name, hutch_server, oracle, with_password):
    ours, theirs, data = with_password(hutch_server), with_password(oracle), UNAUTHENTICATED[name]
    same(ours, theirs, data, answer(ours, data), answer(theirs, data))


def test_two_real_servers_agree_unauthenticated(oracle, second_oracle, with_password):
    with_password(oracle)
    with_password(second_oracle)
    ours, theirs = answers(second_oracle, UNAUTHENTICATED), answers(oracle, UNAUTHENTICATED)
    for name, data in UNAUTHENTICATED.items():
        same(second_oracle, oracle, data, ours[name], theirs[name])


SHORT = {name: data for name, data in CASES.items() if len(data) < 200 and name not in DEPENDS_ON_READS}


@pytest.fixture(scope="module")
def byte_by_byte(hutch_server):
    return answers(hutch_server, SHORT, cut=1)


@pytest.mark.parametrize("name", SHORT)
def test_byte_by_byte(name, hutch_server, malformed, byte_by_byte):
    """How the bytes are cut into reads changes nothing, apart from DEPENDS_ON_READS and the 64 KB limits."""
    if byte_by_byte[name] != malformed[0][name]:
        assert read_slowly(hutch_server, SHORT[name], cut=1) == read_slowly(hutch_server, SHORT[name])
