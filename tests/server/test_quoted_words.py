"""Errors that quote a client's word: what Redis makes of NULs, line ends and long words in them."""
import pytest

WORDS = [b"\x00", b"a\x00b", b"\r\n", b"a\r\nb", b"x" * 300, b"\xff\x01", b"", b"'%s%n'"]
LINES = [
    "CLIENT SETINFO ? x", "CLIENT ?", "?", "? ?", "CONFIG SET ? 1", "CLIENT LIST TYPE ?", "CLIENT KILL ? ?", "CLIENT TRACKING ?",
    "HELLO 3 ?", "EXPIRE a 1 ?", "HSETEX h ? FIELDS 1 a b", "SCRIPT ?", "FUNCTION ?", "FUNCTION LIST ?", "FUNCTION DELETE ?",
    "XGROUP ? s g", "XINFO ? s", "XGROUP CREATE s ? 0", "XGROUP DESTROY s ?", "XINFO CONSUMERS s ?", "XREADGROUP GROUP ? c STREAMS s >",
    "XPENDING s ?", "XACK s g ?", "PUBSUB ?", "OBJECT ? x", "COMMAND ?", "AUTH ?", "AUTH ? ?", "SET a b ?", "SCAN 0 ?", "FCALL ? 0",
]
SHEBANGS = [
    [b"EVAL", b"#!lua ?\nreturn 1", b"0"], [b"EVAL", b"#!? flags=x\nreturn 1", b"0"], [b"EVAL", b"#!lua flags=?\nreturn 1", b"0"],
    [b"FUNCTION", b"LOAD", b"#!lua name=?\nredis.register_function('a', function() end)"], [b"FUNCTION", b"LOAD", b"#!? name=x\n"],
]


@pytest.mark.parametrize("quoted", WORDS, ids=repr)
def test_same_words(same_as_redis, quoted):
    commands = [line.encode().split(b" ") for line in LINES] + SHEBANGS
    if b"\n" in quoted:             # FUNCTION LIST of Redis 8.2.3 replies with the word's line end, which ends the reply
        commands = [command for command in commands if command not in SHEBANGS and command[:2] != [b"FUNCTION", b"LIST"]]
    same_as_redis(["DEL", "s"], ["XADD", "s", "1-1", "a", "b"], *([word.replace(b"?", quoted) for word in command] for command in commands))


def test_prefixes_that_overlap(same_as_redis):
    same_as_redis(["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", b"a\x00b", "PREFIX", b"a"],
                  ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", b"a\x00b"], ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", b"a"])
