"""rdb_changes_since_last_save: what each command counts, beside Redis."""
import pytest

from kit.backends import TcpBackend

SETUP = """SET s 10|SET t abc|RPUSH l a b c d e|SADD x a b c|SADD y b c d|ZADD z 1 a 2 b 3 c|ZADD w 1 b 5 e|HSET h f 1 g 2
XADD st 1-1 f v|XADD st 2-1 f v|XADD st 3-1 f v|XGROUP CREATE st g 0|SET due 1 PX 100000|HSET hd f 1 g 2|HEXPIRE hd 1000 FIELDS 1 f""".replace(
    "\n", "|").split("|")
COMMANDS = """SET a 1|SET s 1 NX|SET s 1 XX GET|SETNX s 1|SETNX n 1|SETEX a 100 v|PSETEX a 100000 v|MSET a 1 b 2 c 3|MSETNX a 1 s 2|MSETNX a 1 b 2
GETSET s 5|GETDEL s|GETDEL nothing|GETEX s EX 100|GETEX s PERSIST|GETEX due PERSIST|GETEX s|APPEND s x|APPEND n x|APPEND s ""|SETRANGE s 2 xy|SETRANGE s 0 ""|INCR s
INCRBY s 5|DECR s|DECRBY s 2|INCRBYFLOAT s 1.5|DEL s|DEL s t nothing|UNLINK s t|RENAME s r|RENAME s s|RENAMENX s t|RENAMENX s r|COPY s q|COPY s t|COPY s t REPLACE
MOVE s 3|EXPIRE s 100|EXPIRE s 100 GT|EXPIRE s -1|EXPIRE nothing 5|PEXPIREAT s 99999999999999|PERSIST due|PERSIST s|TOUCH s t|LPUSH l x y|RPUSH l x|LPUSHX l x
LPUSHX nothing x|RPUSHX l x y|LPOP l|LPOP l 2|LPOP l 0|RPOP l 99|RPOP nothing|LSET l 0 z|LINSERT l BEFORE b x|LINSERT l AFTER nope x|LREM l 0 a|LREM l 0 nope|LTRIM l 1 2
LTRIM l 0 -1|LTRIM l 9 10|LMOVE l l2 LEFT RIGHT|RPOPLPUSH l l|LMPOP 1 l LEFT COUNT 2|LMPOP 1 nothing LEFT|BLPOP l 1|BLMOVE l l2 LEFT LEFT 1|BLMPOP 1 1 l LEFT COUNT 3
SADD x a|SADD x d e|SREM x a b nope|SREM x nope|SPOP x|SPOP x 2|SPOP x 99|SPOP x 0|SPOP nothing|SMOVE x y a|SMOVE x y nope|SMOVE x x a|SMOVE x y b|SINTERSTORE o x y|SINTERSTORE s x nothing
SUNIONSTORE o x y|SDIFFSTORE o x y|SDIFFSTORE o x x|ZADD z 1 a|ZADD z 5 a 6 q|ZADD z XX 1 nope|ZADD z CH 9 a 2 b|ZADD z INCR 1 a|ZADD z NX INCR 1 a|ZINCRBY z 1 a|ZREM z a nope|ZREM z nope|ZPOPMIN z|ZPOPMIN z 2
ZPOPMAX z 99|ZPOPMIN nothing|BZPOPMIN z 1|ZMPOP 1 z MIN COUNT 2|BZMPOP 1 1 z MAX COUNT 2|ZREMRANGEBYRANK z 0 1|ZREMRANGEBYSCORE z 0 9|ZREMRANGEBYSCORE z 50 60|ZREMRANGEBYLEX z - +
ZUNIONSTORE o 2 z w|ZINTERSTORE o 2 z w|ZINTERSTORE z 2 z nothing|ZDIFFSTORE o 2 z w|ZRANGESTORE o z 0 -1|ZRANGESTORE o nothing 0 -1|HSET h f 1|HSET h f 1 g 2 i 3|HMSET h f 1 i 2|HSETNX h f 1|HSETNX h i 1|HDEL h f nope|HDEL h nope
HDEL h f g|HINCRBY h f 2|HINCRBYFLOAT h f 1.5|HEXPIRE h 100 FIELDS 2 f g|HEXPIRE h 100 FIELDS 1 nope|HPEXPIRE h 0 FIELDS 1 f|HPERSIST hd FIELDS 2 f g|HPERSIST hd FIELDS 1 g|HGETEX h EX 100 FIELDS 1 f
HGETEX h FIELDS 1 f|HGETEX hd PERSIST FIELDS 1 f|HGETDEL h FIELDS 2 f nope|HGETDEL h FIELDS 1 nope|HSETEX h EX 100 FIELDS 2 f 1 i 2|HSETEX h FXX FIELDS 1 nope 1|HSETEX h FIELDS 1 f 1
XADD st 9-9 f v|XADD st MAXLEN 1 9-9 f v|XADD n NOMKSTREAM * f v|XDEL st 1-1 9-9|XDEL st 9-9|XTRIM st MAXLEN 1|XTRIM st MAXLEN 99|XSETID st 9-9|XGROUP CREATE st g2 0|XGROUP SETID st g 2-1|XGROUP CREATECONSUMER st g c|XGROUP DELCONSUMER st g c
XGROUP DESTROY st g|XGROUP DESTROY st nope|XREADGROUP GROUP g c STREAMS st >|XREADGROUP GROUP g c NOACK STREAMS st >|XREADGROUP GROUP g c STREAMS st 0|XACK st g 1-1|XCLAIM st g c 0 1-1|XCLAIM st g c 0 1-1 FORCE|XAUTOCLAIM st g c 0 0|XACKDEL st g KEYREF IDS 1 1-1|XDELEX st IDS 2 1-1 2-1
SORT l ALPHA STORE o|SORT nothing STORE o|SORT nothing STORE s|FLUSHDB|FLUSHALL|SWAPDB 0 1|SWAPDB 0 0|FUNCTION FLUSH|SCRIPT FLUSH|EVAL "return redis.call('set','a',1)" 0|PUBLISH c m|GET s|RESTORE r 0 x""".replace("\n", "|").split("|")


def words(line):
    import shlex
    return [word.encode() for word in shlex.split(line)]


def changes(side):
    reply = side.run([[b"INFO", b"persistence"]])[0].value
    text = reply if isinstance(reply, bytes) else getattr(reply, "text", reply)
    return int(text.split(b"rdb_changes_since_last_save:")[1].split(b"\r\n")[0])


@pytest.fixture(scope="module")
def both(hutch_server, oracle):
    sides = [TcpBackend(hutch_server.host, hutch_server.port).open(), TcpBackend(oracle.host, oracle.port).open()]
    yield sides
    for side in sides:
        side.close()


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_counts_what_redis_counts(both, line):
    counted = []
    for side in both:
        side.run([[b"FLUSHALL"], [b"SELECT", b"0"], *map(words, SETUP)])
        before = changes(side)
        reply = side.run([words(line)])[0]
        counted.append((changes(side) - before, reply.raw[:1]))
    assert counted[0] == counted[1], line
