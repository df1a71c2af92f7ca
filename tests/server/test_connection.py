"""HELLO AUTH SELECT PING ECHO QUIT RESET, byte for byte."""
ERRORS = [
    "HELLO 4", "HELLO a", "HELLO 3 foo", "HELLO 3 auth", "HELLO 3 auth a", "HELLO 3 auth a b", "HELLO 3 setname",
    ["HELLO", "3", "SETNAME", "a b"], "HELLO auth default x", "AUTH", "AUTH x", "AUTH default x", "AUTH foo x",
    "AUTH a b c", "SELECT 16", "SELECT a", "SELECT -1", "SELECT 99999999999", "SELECT 99999999999999999999",
    "SELECT 3", "SELECT 0", "PING", "PING a", "PING a b", "ECHO", "ECHO a", "RESET x",
]


def test_same_words(same_as_redis):
    same_as_redis(*ERRORS)


def test_hello(client):
    reply = client.run([["HELLO", "3", "SETNAME", "me"], ["CLIENT", "GETNAME"], ["RESET"], ["CLIENT", "GETNAME"]])
    fields = dict(reply[0].value.pairs)
    assert list(fields) == [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"]
    assert (fields[b"server"], fields[b"version"], fields[b"proto"]) == (b"redis", b"8.2.3", 3)
    assert [answer.raw for answer in reply[1:]] == [b"$2\r\nme\r\n", b"+RESET\r\n", b"$-1\r\n"]


def test_quit(client):
    assert client.run([["QUIT"]])[0].raw == b"+OK\r\n"
