"""What may be run again when the owner ended amid it, and how that is known."""
import errno
import os
import socket
import sys

import pytest

import hutch
from hutch.retrying import (
    NOT_READ, NOT_SENT, READ, how_it_ended, is_transaction, may_run_twice, may_try_again, shortened, waits)


def test_commands():
    for words in (("GET", "k"), ("get", "k"), (b"MGET", "k"), ("SET", "k", "v"), ("SET", "k", "v", "EX", 7), ("MSET", "k", "v"),
                  ("PING",), ("CONFIG GET", "x"), ("CLIENT", "SETNAME", "x"), ("HELLO", 3), ("WATCH", "k"), ("SUBSCRIBE", "c"),
                  ("LRANGE", "k", 0, -1), ("SCAN", 0), ("EVAL_RO", "return 1", 0), ("FLUSHALL",), ("SETEX", "k", 1, "v")):
        assert may_run_twice(words), words
    for words in (("INCR", "k"), ("SET", "k", "v", "NX"), ("SET", "k", "v", "get"), ("RPUSH", "k", 1), ("LPOP", "k"), ("DEL", "k"),
                  ("EVAL", "return 1", 0), ("PUBLISH", "c", "m"), ("EXEC",), ("HSET", "h", "f", "v"), ("XADD", "s", "*", "a", 1),
                  ("FUNCTION", "LOAD", "x"), ("XGROUP", "CREATE", "s", "g", 0), ("GETDEL", "k"), ("NONSENSE",), ("SPUBLISH", "c", 1)):
        assert not may_run_twice(words), words
    assert waits(("BLPOP", "k", 0)) and waits(("xreadgroup",)) and not waits(("GET", "k"))
    assert is_transaction([("MULTI",), ("INCR", "k"), ("EXEC",)]) and not is_transaction([("INCR", "k")])


def test_what_may_be_tried_again():
    incr = [("INCR", "k")]
    assert may_try_again(incr, NOT_READ, 0) and not may_try_again(incr, READ, 0)
    transaction = [("MULTI",), *incr, ("EXEC",)]
    assert may_try_again(transaction, NOT_READ, 0) and not may_try_again(transaction, READ, 0)
    assert may_try_again([("MULTI",), ("GET", "k"), ("EXEC",)], READ, 0)
    assert not may_try_again(incr * 2, NOT_READ, 0)      # the first may have run
    assert may_try_again([("GET", "k"), ("SET", "k", 1)], READ, 0)
    pop = [("BLPOP", "k", 0)]
    assert may_try_again(pop, READ, 5) and not may_try_again(pop, READ, 0.01)
    assert may_try_again((), READ, 0) and may_try_again(incr * 2, NOT_SENT, 0)


def test_time_that_is_left():
    assert shortened(("BLPOP", "a", "b", 10), 4) == ("BLPOP", "a", "b", 6.0)
    assert shortened(("BLPOP", "a", 0), 4) == ("BLPOP", "a", 0)
    assert shortened(("BLPOP", "a", 1), 4) == ("BLPOP", "a", 0.001)
    assert shortened(("BLMPOP", 10, 1, "a", "LEFT"), 4) == ("BLMPOP", 6.0, 1, "a", "LEFT")
    assert shortened(("XREAD", b"BLOCK", 5000, "STREAMS", "s", "$"), 4) == ("XREAD", b"BLOCK", 1000, "STREAMS", "s", "$")
    assert shortened(("XREAD", "STREAMS", "s", 0), 4) == ("XREAD", "STREAMS", "s", 0)
    assert shortened(("GET", "k"), 4) == ("GET", "k")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what Linux says of Unix sockets")
@pytest.mark.parametrize("read", [0, 5, 100])
def test_what_the_system_says(read):
    """An end that is closed with unread bytes resets the other; what was answered before that is still read."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    mine.sendall(b"x" * 100)
    assert len(theirs.recv(read) if read else b"") == read
    theirs.sendall(b"reply")
    theirs.close()
    assert mine.recv(10) == b"reply"
    if read == 100:
        assert mine.recv(10) == b""
    else:
        with pytest.raises(ConnectionResetError) as caught:
            mine.recv(10)
        assert how_it_ended(caught.value, True) == NOT_READ
    with pytest.raises(BrokenPipeError) as caught:
        mine.sendall(b"x")
    assert how_it_ended(caught.value, False) == NOT_READ and how_it_ended(caught.value, False, False) == NOT_SENT
    assert how_it_ended(None, True) == READ
    assert how_it_ended(OSError(errno.EIO, ""), True) == READ


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what Linux says of Unix sockets")
def test_a_connection_that_nobody_accepted(tmp_path):
    place = os.path.join(tmp_path, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        mine = socket.socket(socket.AF_UNIX)
        mine.connect(place)
        mine.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        mine.recv(1)


def test_an_error_of_the_callers_own_is_not_taken_for_the_sockets(place, owner):
    """A call inside the handling of a reset, of another connection, is judged by its own."""
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello"
        try:
            raise ConnectionResetError(errno.ECONNRESET, "of something else")
        except ConnectionResetError:
            owner.kill()
            assert r.incr("n") == 1
