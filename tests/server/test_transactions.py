"""MULTI, EXEC and WATCH with all that may come between: the same scripts on Hutch and on Redis 8.2."""
import pytest

from kit.message_scripts import assert_same_messages

SCRIPTS = {
    "blocking commands do not wait": [
        "0: MULTI", "0: BLPOP none 0", "0: BRPOP none 0", "0: BLMOVE none n LEFT RIGHT 0", "0: BLMPOP 0 1 none LEFT", "0: BZPOPMIN none 0",
        "0: BZMPOP 0 1 none MIN", "0: XREAD BLOCK 0 STREAMS s $", "0: RPUSH l 1 2", "0: BLPOP l 0", "0: EXEC"],
    "pushes serve who waits when all is done": [
        "1: RPUSH other x", "0: MULTI", "0: RPUSH l 1", "0: LPOP l", "0: RPUSH l 2", "0: EXEC", "1: LRANGE l 0 -1"],
    "errors": [
        "0: MULTI", "0: SET k", "0: SET k 1", "0: EXEC", "0: EXISTS k", "0: MULTI", "0: NOSUCH", "0: EXEC", "0: MULTI", "0: SET k 1",
        "0: LPUSH k 1", "0: INCR k", "0: EXEC", "0: EXEC", "0: DISCARD", "0: MULTI", "0: MULTI", "0: WATCH k", "0: EXEC", "0: MULTI", "0: EXEC x",
        "0: EXEC"],
    "watch": [
        "0: WATCH k", "1: SET k 1", "0: MULTI", "0: GET k", "0: EXEC", "0: WATCH k", "0: MULTI", "0: GET k", "0: EXEC", "0: WATCH k", "0: UNWATCH",
        "1: SET k 2", "0: MULTI", "0: GET k", "0: EXEC", "0: WATCH k", "0: SET k 3", "0: MULTI", "0: EXEC", "0: WATCH k", "1: DEL k", "0: MULTI",
        "0: DISCARD", "0: MULTI", "0: PING", "0: EXEC"],
    "watch and databases": [
        "0: SET k 1", "0: WATCH k", "1: SWAPDB 0 1", "0: MULTI", "0: PING", "0: EXEC", "0: SELECT 1", "0: WATCH k", "1: SWAPDB 0 1", "0: MULTI",
        "0: PING", "0: EXEC", "0: SELECT 0", "0: WATCH none", "1: SWAPDB 2 3", "0: MULTI", "0: PING", "0: EXEC", "0: WATCH k", "1: FLUSHALL",
        "0: MULTI", "0: PING", "0: EXEC", "0: WATCH none", "1: FLUSHALL", "0: MULTI", "0: PING", "0: EXEC", "0: SET k 1", "0: WATCH k",
        "1: SELECT 5", "1: FLUSHDB", "0: MULTI", "0: PING", "0: EXEC", "0: WATCH k", "1: SELECT 0", "1: MOVE k 4", "0: MULTI", "0: PING", "0: EXEC"],
    "watch and scripts": [
        "0: WATCH k", "1: EVAL \"return redis.call('SET', KEYS[1], 1)\" 1 k", "0: MULTI", "0: PING", "0: EXEC",
        "0: MULTI", "0: EVAL \"return redis.call('INCR', KEYS[1])\" 1 k", "0: EVAL \"return redis.call('NOSUCH')\" 0", "0: EVAL \"return redis.call('BLPOP', 'none', 0)\" 0",
        "0: INCR k", "0: EXEC"],
    "reset and quit": [
        "0: WATCH k", "0: MULTI", "0: SET k 1", "1: RESET", "1: PING", "2: WATCH k", "2: RESET", "3: SET k 2", "2: MULTI", "2: PING", "2: EXEC"],
    "subscribing inside": [
        "2: MULTI", "2: SUBSCRIBE a", "2: PUBLISH a x", "2: UNSUBSCRIBE a", "2: PUBLISH a y", "2: EXEC", "0: MULTI", "0: PSUBSCRIBE a*",
        "0: SET k 1", "0: EXEC", "0: GET k", "1: PUBLISH ab x", "0: PUNSUBSCRIBE", "0: GET k"],
    "monitors inside": ["0: MULTI", "0: MONITOR", "0: GET k", "0: MONITOR", "0: EXEC", "0: PING"],
    "settings inside": [
        "0: MULTI", "0: SELECT 3", "0: SET k 3", "0: SELECT 0", "0: GET k", "0: CLIENT SETNAME me", "0: CLIENT GETNAME", "0: EXEC", "1: MULTI", "1: CLIENT TRACKING ON", "1: CLIENT TRACKINGINFO", "1: EXEC"],
    "watched keys that fall due": [
        "0: SET k 1 PXAT 1", "0: WATCH k", "0: MULTI", "0: PING", "0: EXEC", "0: SET k 1", "0: WATCH k", "1: PEXPIREAT k 1", "0: MULTI", "0: PING",
        "0: EXEC", "0: SET k 1 EX 1000", "0: WATCH k", "1: EXPIRE k -1", "0: MULTI", "0: PING", "0: EXEC"],
    "watched keys that fall due and databases that change places": [
        "0: DEBUG SET-ACTIVE-EXPIRE 0", "0: SET k 1 PXAT 1", "0: WATCH k none", "1: SWAPDB 0 1", "1: SWAPDB 0 1", "0: MULTI", "0: PING", "0: EXEC",
        "0: WATCH k", "1: SWAPDB 0 1", "1: SET k 2", "0: MULTI", "0: PING", "0: EXEC",
        "0: FLUSHALL", "0: SET k 1 PXAT 1", "0: WATCH k", "1: FLUSHDB", "1: FLUSHDB", "0: MULTI", "0: PING", "0: EXEC",
        "1: SELECT 1", "1: SET k 1", "0: SET k 1 PXAT 1", "0: WATCH k", "1: SWAPDB 0 1", "0: MULTI", "0: PING", "0: EXEC",
        "0: WATCH k", "1: SWAPDB 0 1", "0: MULTI", "0: PING", "0: EXEC", "0: DEBUG SET-ACTIVE-EXPIRE 1"],
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_message_script(hutch_server, oracle, name):
    assert_same_messages(hutch_server, oracle, SCRIPTS[name], "2233")
