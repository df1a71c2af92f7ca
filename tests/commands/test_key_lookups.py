"""What commands count when they look for their keys, beside Redis 8.2: hits, misses, and how often each key was touched.

An LFU counter that always rises (lfu-log-factor 0) tells of every touch.
"""

from kit.resp_client import RespClient

SETUP = ("HSET h a 1 b 2", "SET num 5", "XADD s 1-1 a b", "XGROUP CREATE s g 0", "SET str x", "SADD set a", "RPUSH l a b", "RPUSH l2 a", "ZADD z 1 a")
KEYS = ("s", "str", "set", "l", "l2", "z", "h", "num", "new", "x", "d")
COMMANDS = (
    "HGET h a", "HSET h a 1", "HDEL h a", "HDEL h x", "HINCRBY h c 1", "HINCRBYFLOAT h c 1", "HEXPIRE h 10 FIELDS 1 a", "HPERSIST h FIELDS 1 a",
    "HGETDEL h FIELDS 1 a", "HGETEX h EX 10 FIELDS 1 a", "HSETEX h FIELDS 1 a b", "HSETNX h a b", "HTTL h FIELDS 1 a", "HMGET h a b", "HSCAN h 0",
    "HLEN h", "HEXISTS h a", "HSTRLEN h a", "HKEYS h", "HVALS h", "HGETALL h", "HRANDFIELD h", "INCR num", "INCRBYFLOAT num 1", "DECR num",
    "INCR new", "APPEND str x", "APPEND new x", "SETRANGE str 1 x", "SET str x", "SET str x NX", "SET str x XX", "SET str x KEEPTTL", "SET str x GET",
    "SETEX str 10 x", "GETSET str y", "GETDEL str", "GETEX str", "GETEX str PERSIST", "MSET str a new b", "MSETNX str a new b", "MSETNX new b",
    "EXPIRE str 10", "EXPIRE str -1", "PERSIST str", "RENAME str new", "RENAME str l", "COPY str new", "COPY str l REPLACE", "COPY str l",
    "MOVE str 1", "TOUCH str", "EXISTS str", "TYPE str", "DEL str", "UNLINK str", "LPUSH l a", "LPUSHX l a", "LPUSHX none a", "LPUSH new a", "LPOP l",
    "LPOP l 0", "LRANGE l 0 -1", "LINDEX l 0", "LINSERT l BEFORE a b", "LINSERT l BEFORE zz b", "LSET l 0 a", "LREM l 0 a", "LTRIM l 0 0", "LPOS l a",
    "LLEN l", "LMOVE l l2 LEFT LEFT", "LMOVE l l LEFT LEFT", "RPOPLPUSH l new", "SADD set b", "SREM set a", "SISMEMBER set a", "SMEMBERS set",
    "SPOP set", "SRANDMEMBER set", "SCARD set", "SMOVE set new a", "SUNIONSTORE new set", "SUNIONSTORE set set", "SINTERSTORE new set set",
    "SDIFFSTORE d set none", "SUNIONSTORE str set", "ZADD z 2 b", "ZINCRBY z 1 a", "ZREM z a", "ZPOPMIN z", "ZCARD z", "ZRANGE z 0 -1",
    "ZUNIONSTORE d 2 z set", "ZINTERSTORE z 1 z", "ZDIFFSTORE d 1 z", "ZREMRANGEBYRANK z 0 0", "ZRANGESTORE z z 0 -1", "ZSCAN z 0", "SSCAN set 0",
    "SORT l ALPHA STORE d", "SORT l BY nosort STORE l2", "XADD s * a b", "XADD new * a b", "XREAD COUNT 1 STREAMS s 0",
    "XREADGROUP GROUP g c STREAMS s 0", "XDEL s 1-1", "XTRIM s MAXLEN 0", "XGROUP CREATE s g2 0", "XGROUP CREATE new g 0 MKSTREAM",
    "XGROUP SETID s g 0", "XCLAIM s g c 0 1-1 FORCE", "RESTORE str 0 x", "RESTORE new 0 x", "DUMP str", "OBJECT ENCODING str", "OBJECT FREQ str",
    "BRPOP l l2 1", "BZMPOP 1 1 z MIN", "BRPOPLPUSH l l2 1", "BLMOVE l l LEFT RIGHT 1", "WATCH str", "LCS str str", "STRLEN str", "GETRANGE str 0 1",
    "MGET str str", "XAUTOCLAIM s g c 0 bad", "XAUTOCLAIM none g c 0 bad", "XAUTOCLAIM s g c 0 0", "XAUTOCLAIM s g c x 0", "XAUTOCLAIM s nog c 0 0",
    "XAUTOCLAIM s nog c 0 bad", "XAUTOCLAIM s g c 0 0 COUNT x", "XAUTOCLAIM s g c 0 0 COUNT 0", "XAUTOCLAIM s g c 0 0 FOO",
    "XAUTOCLAIM str g c 0 bad", "XAUTOCLAIM s g c 0 (bad", "XCLAIM s g c 0 bad", "XCLAIM s g c x 1-1", "XCLAIM none g c 0 bad",
    "XCLAIM s nog c 0 bad", "XCLAIM s g c 0 1-1", "XCLAIM s g c 0 1-1 IDLE x", "XCLAIM s g c 0 1-1 FOO", "XCLAIM str g c 0 bad",
    "XPENDING s g bad + 10", "XPENDING s g - + x", "XPENDING s g", "XPENDING none g", "XPENDING s nog", "XPENDING str g", "XPENDING s g IDLE x - + 1",
    "XACK s g bad", "XACK s g 1-1", "XACK none g bad", "XACK s nog bad", "XACK str g 1-1", "XRANGE s bad +", "XRANGE none bad +",
    "XRANGE s - + COUNT x", "XRANGE str - +", "XREAD STREAMS s bad", "XREAD STREAMS s none 0", "XREAD STREAMS str 0 0", "XREAD STREAMS s $",
    "XREAD BLOCK 0 STREAMS str $", "XREADGROUP GROUP g c STREAMS s bad", "XREADGROUP GROUP g c STREAMS s >", "XREADGROUP GROUP nog c STREAMS s >",
    "XREADGROUP GROUP g c STREAMS none >", "XREADGROUP GROUP g c STREAMS str >", "XDEL s bad", "XTRIM s MAXLEN x", "XTRIM s MAXLEN 10", "XLEN s",
    "XLEN none", "XINFO STREAM s", "XINFO STREAM none", "XINFO GROUPS s", "XINFO CONSUMERS s g", "XINFO CONSUMERS s nog", "XSETID s bad",
    "XSETID s 1-1", "XSETID none 1-1", "XADD s bad a b", "XADD s 0-0 a b", "XADD none bad a b", "XGROUP CREATE s g bad", "XGROUP CREATE s g 0",
    "XGROUP CREATE none g 0", "XGROUP DESTROY none g", "XGROUP SETID s g bad", "XGROUP CREATECONSUMER s g c", "XGROUP DELCONSUMER s g c",
    "XDELEX s IDS 1 bad", "XDELEX s IDS 1 1-1", "XACKDEL s g IDS 1 bad", "XACKDEL s g IDS 1 1-1", "BLMOVE str x LEFT LEFT 0.01",
    "BLMOVE set x LEFT LEFT 0.01", "BLMOVE none x LEFT LEFT 0.01", "BLMOVE l str LEFT LEFT 0.01", "LMOVE l str LEFT LEFT",
    "BLMOVE l x LEFT LEFT 0.01", "BLPOP str 0.01", "BLPOP none str 0.01", "BLPOP none 0.01", "BLPOP l 0.01", "BLMPOP 0.01 2 none str LEFT",
    "BLMPOP 0.01 1 l LEFT", "BZPOPMIN str 0.01", "BZPOPMIN z 0.01", "BZMPOP 0.01 1 str MIN", "BRPOPLPUSH str x 0.01", "BRPOPLPUSH none x 0.01",
    "LMPOP 1 str LEFT", "ZMPOP 1 str MIN", "LMPOP 2 none l LEFT", "BLPOP l bad", "BLMOVE l x LEFT LEFT bad", "BLMOVE l x LEFT FOO 0",
    "BLMOVE str x LEFT LEFT bad", "LPOP str", "LPOS str a", "GETRANGE str a b", "GETEX str EX x", "GETEX str EX 100", "SUBSTR str 0 -1",
    "GETSET str x", "SET str y GET", "SETNX str x", "LCS str none", "STRLEN set", "GET set", "MGET str none set", "HGET str a", "HGETALL none",
    "SINTERCARD 2 set none LIMIT x", "SINTERCARD 2 set none", "SINTER set none", "SINTER none set", "SUNION set none", "SDIFF none set",
    "SDIFF set none", "SMISMEMBER none a", "SMISMEMBER set a", "SMOVE set x a", "SRANDMEMBER set x", "SRANDMEMBER none", "SPOP none", "ZRANGE z 0 x",
    "ZRANGE none 0 -1", "ZRANGESTORE d z 0 -1", "ZRANGESTORE d none 0 -1", "ZUNIONSTORE d 1 z", "ZUNION 2 z none", "ZINTERCARD 1 z", "ZDIFF 2 z none",
    "ZRANDMEMBER z x", "ZRANK z a", "ZSCORE none a", "ZMSCORE none a", "ZCOUNT z x y", "ZCOUNT none x y", "ZLEXCOUNT z x y", "ZADD str 1 a",
    "ZINCRBY z x a", "SORT l", "SORT none", "SORT l BY nosort GET str", "SORT l BY w_* GET v_*", "SORT str", "OBJECT ENCODING none",
    "OBJECT IDLETIME str", "MEMORY USAGE str", "MEMORY USAGE none", "DEBUG OBJECT str", "TYPE none", "TTL str", "TTL none", "EXISTS str none",
    "TOUCH str none", "COPY none new", "RENAME none new", "RENAMENX str l", "DUMP none", "RESTORE str 0 bad", "PERSIST none", "EXPIRE none 10",
    "SSCAN none 0", "SSCAN set bad", "SSCAN set 0 COUNT x", "HSCAN none 0", "HRANDFIELD none", "HRANDFIELD none 1", "HTTL none FIELDS 1 a",
    "HEXPIRE none 10 FIELDS 1 a", "HGETEX none FIELDS 1 a", "HGETDEL none FIELDS 1 a", "HSETEX none FIELDS 1 a b", "HINCRBY none a x",
    "HINCRBYFLOAT none a x", "INCRBYFLOAT str x", "INCR str", "SETRANGE str x y", "LINDEX l x", "LINDEX none 0", "LRANGE none 0 -1",
    "LINSERT none BEFORE a b", "LSET none 0 a", "LREM none 0 a", "LTRIM none 0 1", "LLEN none", "DELEX str", "DIGEST str", "MSETEX 1 a b",
    "XCLAIM str g c 0 1-1", "XAUTOCLAIM s g c 0 0 JUSTID", "XAUTOCLAIM str g c 0 0", "XAUTOCLAIM none g c 0 0", "BRPOPLPUSH none x 0.01",
    "BLMOVE l str LEFT LEFT 0.01", "BRPOP str 0.01", "BZPOPMAX l 0.01", "BLMPOP 0.01 1 str LEFT",
)


def counted(host, port):
    """For each command: whether it was an error, and what it has left behind in the counters."""
    found = []
    with RespClient(host, port) as client:
        before = client.execute("CONFIG", "GET", "maxmemory-policy").value
        client.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "0", "lfu-decay-time", "0")     # a minute may begin
        try:
            for command in COMMANDS:
                client.pipeline([("FLUSHALL",), *(line.split() for line in SETUP), ("CONFIG", "RESETSTAT")])
                reply = client.execute(*command.split()).raw
                stats = client.execute("INFO", "stats").value.decode()
                found.append((reply[:1], [int(stats.split(name)[1].split("\r")[0]) for name in ("keyspace_hits:", "keyspace_misses:")],
                              {key: reply.raw for key, reply in zip(KEYS, client.pipeline([("OBJECT", "FREQ", key) for key in KEYS]))}))
        finally:
            client.pipeline([("CONFIG", "SET", "maxmemory-policy", before[1], "lfu-log-factor", "10", "lfu-decay-time", "1"), ("FLUSHALL",)])
    return found


def test_hits_misses_and_touches(hutch_server, oracle):
    for command, ours, theirs in zip(COMMANDS, *(counted(side.host, side.port) for side in (hutch_server, oracle))):
        assert ours == theirs, command
