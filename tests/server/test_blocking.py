"""Clients that wait for keys: the same scripts of several clients on Hutch and on Redis 8.2, whole replies.

A script is a list of steps "client: command"; {1} stands for client 1's ID, <list> and the like for a payload of DUMP. A client that waits is let wait, and what it
is answered in the end is compared, with what is left of the keys.
"""
import random
import re
import socket
import time

import pytest

from kit.rdb_forms import listpack, seal, stream, string
from kit.resp_client import Closed, RespClient
from kit.waiting import wait_until

PATIENCE_S = 60
PAYLOADS = {"<list>": seal(b"\x12\x01\x02" + string(listpack(b"a", b"b", b"c"))), "<zset>": seal(b"\x11" + string(listpack(b"a", 1, b"b", 2))),
            "<string>": seal(b"\x00\x01v"), "<broken>": seal(b"\x12\x00"),
            "<stream>": seal(stream([((1, 1), listpack(2, 0, 1, b"f", 0, 2, 0, 0, b"x", 4, 2, 1, 0, b"y", 4))], 2, (2, 1), first=(1, 1))),
            "<group>": seal(stream([((1, 1), listpack(1, 0, 1, b"f", 0, 2, 0, 0, b"x", 4))], 1, (1, 1), first=(1, 1), groups=[(b"g", (0, 0), 0, [], [])]))}


class ScriptRunner:
    """One server with some clients, and one that looks on."""

    def __init__(self, host, port, protocol=2, clients=5):
        self.eye = RespClient(host, port)
        self.eye.execute("FLUSHALL")
        self.clients = {}
        self.ids = {}
        for number in range(clients):
            client = RespClient(host, port)
            client.execute("HELLO", protocol)
            self.clients[str(number)] = client
            self.ids[str(number)] = client.execute("CLIENT", "ID").value
        self.replies = {number: [] for number in self.clients}
        self.owed = dict.fromkeys(self.clients, 0)

    def flags(self, number):
        """CLIENT LIST's; None when the client is gone. Redis empties databases in a thread and lets the caller of FLUSHALL wait
        for that, which on a busy machine takes its time: that is no waiting of the kind that is looked for here."""
        while True:
            lines = self.eye.execute("CLIENT", "LIST", "ID", self.ids[number]).value
            text = lines.decode() if isinstance(lines, bytes) else str(lines)
            flags = text.split(" flags=")[1].split()[0] if " flags=" in text else None
            if flags != "b" or " cmd=flush" not in text:
                return flags
            time.sleep(0.001)

    def read(self, number):
        """Whatever client `number` is owed, or leave it when it waits."""
        while self.owed[number]:
            # FLUSHALL may make its caller wait, too, for a moment: client 0 is always waited for.
            if number != "0" and self.clients[number].is_quiet() and self.flags(number) == "b":
                return
            self.clients[number].socket.settimeout(0.005)
            try:
                self.replies[number].append(self.clients[number].read().raw)
                self.owed[number] -= 1
            except (socket.timeout, TimeoutError):
                if self.flags(number) in (None, "b"):
                    return
            except (Closed, ConnectionError):
                self.replies[number].append(b"closed")
                self.owed[number] = 0

    def send(self, number, *commands):
        for words in commands:
            words = [PAYLOADS.get(word) or word.encode() for word in words]
            self.clients[number].send_raw(b"*%d\r\n" % len(words) + b"".join(
                b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
            self.owed[number] += 1
        self.read(number)

    def run(self, steps, skip_waiting=False):
        for step in steps:
            number, _, line = step.partition(":")
            self.read(number)
            if self.owed[number] and skip_waiting:
                continue
            for name, id in self.ids.items():
                line = line.replace("{" + name + "}", str(id))
            if line.strip() == "wait":
                wait_until(lambda: self.flags(number) != "b")
                continue
            if line.strip() == "close":
                id = self.ids[number]
                self.clients[number].socket.close()
                self.owed[number] = 0
                wait_until(lambda: self.flags(number) is None)
                continue
            self.send(number, *[one.split() for one in line.split(";")])
            if "KILL" in line:
                wait_until(lambda: all(self.flags(name) is not None or name == number or self._gone(name)
                                            for name in self.clients))
        for number in self.clients:
            self.read(number)
        return {**self.replies, "waiting": [name for name in self.clients if self.flags(name) == "b"]}

    def _gone(self, name):
        self.read(name)
        return True

    def close(self):
        for client in (*self.clients.values(), self.eye):
            client.socket.close()


# A push, and then some milliseconds of looking for nothing. Without spaces and semicolons: the steps' own.
SLOW = "redis.call('RPUSH',KEYS[1],'a')redis.call('PEXPIRE',KEYS[1],1)return('x'):rep(8000000):find('y')"
SCRIPTS = {
    "RESTORE of a list": ["1: BLPOP k 0", "2: BRPOP k 0", "3: BLMOVE k l LEFT LEFT 0", "4: BLPOP k 0", "0: RESTORE k 0 <list>", "0: EXISTS k", "0: LRANGE l 0 -1"],
    "RESTORE of a sorted set": ["1: BZPOPMIN k 0", "2: BZPOPMAX n k 0", "3: BZMPOP 0 1 k MIN", "0: RESTORE k 0 <zset>", "0: EXISTS k"],
    "RESTORE of a stream": ["1: XREAD BLOCK 0 STREAMS k $", "2: XREAD COUNT 1 BLOCK 0 STREAMS k 0", "3: XREAD BLOCK 0 STREAMS k 5-5", "0: RESTORE k 0 <stream>", "0: XADD k 6-1 f z"],
    "RESTORE of another type": ["1: BLPOP k 0", "2: BZPOPMIN k 0", "3: XREAD BLOCK 0 STREAMS k 0", "0: RESTORE k 0 <string>", "0: RESTORE k 0 <list> REPLACE", "0: RESTORE k 0 <zset> REPLACE",
                                "0: RESTORE k 0 <stream> REPLACE"],
    "RESTORE over what is there": ["1: BLPOP k 0", "0: SET k v", "0: RESTORE k 0 <list>", "0: RESTORE k 0 <list> REPLACE", "0: LRANGE k 0 -1"],
    "RESTORE of what is broken or past": ["1: BLPOP k 0", "0: RESTORE k 0 <broken>", "0: RESTORE k 1 <list> ABSTTL", "0: EXISTS k", "0: RESTORE k 100000 <list>", "0: LRANGE k 0 -1"],
    "RESTORE in EXEC and in a script": ["1: BLPOP k 0", "2: BLPOP k 0", "0: MULTI; RESTORE k 0 <list>; LPOP k; EXEC", "0: DEL k", "3: BLPOP k 0",
                                        "0: EVAL redis.call('RESTORE',KEYS[1],0,ARGV[1]) 1 k <list>", "0: LRANGE k 0 -1"],
    "RESTORE over a group's stream": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: RESTORE k 0 <group> REPLACE", "0: XPENDING k g",
                                      "0: XGROUP CREATE l h $ MKSTREAM", "2: XREADGROUP GROUP h a BLOCK 0 STREAMS l >", "0: RESTORE l 0 <group> REPLACE", "3: XREADGROUP GROUP g a BLOCK 0 STREAMS k >",
                                      "0: RESTORE k 0 <list> REPLACE"],
    "RESTORE that only deletes": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: RESTORE k 1 <group> REPLACE ABSTTL", "0: EXISTS k"],
    "XREAD for all": ["0: XADD k 1-1 a 1", "1: XREAD BLOCK 0 STREAMS k $", "2: XREAD COUNT 1 BLOCK 0 STREAMS k 1-1", "3: XREAD BLOCK 0 STREAMS n k 0 5-5",
                      "0: XADD k 2-1 a 2", "0: XADD k 9-1 a 3"],
    "XREAD from $ of nothing": ["1: XREAD BLOCK 0 STREAMS k $", "0: XADD k 1-1 a 1", "1: XREAD BLOCK 0 STREAMS k $", "0: XADD k 1-2 a 2"],
    "XREAD and EXEC": ["1: XREAD BLOCK 0 STREAMS k $", "0: MULTI; XADD k 1-1 a 1; XADD k 1-2 a 2; EXEC", "1: XREAD BLOCK 0 STREAMS k 1-2",
                       "0: MULTI; XADD k 1-3 a 1; DEL k; EXEC", "0: XADD k 1-1 a 1", "0: XADD k 1-4 a 1"],
    "XREAD +": ["1: XREAD BLOCK 0 STREAMS k +", "0: XADD k 1-1 a 1", "2: XREAD BLOCK 0 STREAMS k +"],
    "XREAD of a key that changes its type": ["1: XREAD BLOCK 0 STREAMS k 0", "0: SET k v", "0: DEL k", "0: RPUSH k x", "0: RENAME k l", "0: XADD k 1-1 a 1"],
    "XREAD, deleted before it is served": ["1: XREAD BLOCK 0 STREAMS k 0", "0: MULTI; XADD k 1-1 a 1; XDEL k 1-1; EXEC", "0: XADD k 1-2 a 1"],
    "XREAD by RENAME, COPY, MOVE": ["1: XREAD BLOCK 0 STREAMS k 0", "2: XREAD BLOCK 0 STREAMS m 0", "0: XADD s 1-1 a 1", "0: COPY s m", "0: RENAME s k"],
    "XREAD and lists": ["1: XREAD BLOCK 0 STREAMS k 0", "2: BLPOP k 0", "0: XADD k 1-1 a 1", "0: DEL k", "0: RPUSH k x"],
    "one of a group": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "2: XREADGROUP GROUP g b BLOCK 0 STREAMS k >",
                       "3: XREADGROUP GROUP g c BLOCK 0 COUNT 1 STREAMS k >", "0: XADD k 1-1 a 1", "0: XADD k 1-2 a 2", "0: XADD k 1-3 a 3", "0: XPENDING k g"],
    "a group gets several": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 COUNT 2 STREAMS k >", "2: XREADGROUP GROUP g b BLOCK 0 STREAMS k >",
                             "3: XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "0: MULTI; XADD k 1-1 a 1; XADD k 1-2 a 2; XADD k 1-3 a 3; EXEC", "0: XPENDING k g"],
    "two groups, and none": ["0: XGROUP CREATE k g $ MKSTREAM", "0: XGROUP CREATE k h $", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >",
                             "2: XREADGROUP GROUP h a NOACK BLOCK 0 STREAMS k >", "3: XREAD BLOCK 0 STREAMS k $", "0: XADD k 1-1 a 1", "0: XINFO GROUPS k"],
    "a group's history waits for nothing": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k 0", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k x"],
    "a group destroyed": ["0: XGROUP CREATE k g $ MKSTREAM", "0: XGROUP CREATE k h $", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >",
                          "2: XREADGROUP GROUP h a BLOCK 0 STREAMS k >", "0: XGROUP DESTROY k g", "0: XADD k 1-1 a 1"],
    "a group's key deleted": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "2: XREAD BLOCK 0 STREAMS k $", "0: DEL k",
                              "0: XADD k 1-1 a 1"],
    "a group's key overwritten": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: SET k v"],
    "a group's key renamed": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: RENAME k l"],
    "a group's key renamed over": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: RPUSH l x", "0: RENAME l k"],
    "a group's key renamed over by the like": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >",
                                               "0: XGROUP CREATE l g 0 MKSTREAM", "0: XADD l 5-5 a 1", "0: RENAME l k"],
    "a group's key unlinked and made anew": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >",
                                             "0: MULTI; UNLINK k; XGROUP CREATE k g 0 MKSTREAM; EXEC", "0: XADD k 1-1 a 1"],
    "a group's key flushed": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "2: XREAD BLOCK 0 STREAMS k 0", "0: FLUSHALL"],
    "a group's key swapped away": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: SWAPDB 0 1"],
    "a group's key expires": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: PEXPIRE k 1", "1: wait"],
    "a group turned back": ["0: XADD k 1-1 a 1", "0: XGROUP CREATE k g $", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "0: XGROUP SETID k g 0",
                            "0: XADD k 1-2 a 2"],
    "one of two keys of a group deleted": ["0: XGROUP CREATE k g $ MKSTREAM", "0: XGROUP CREATE l g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS l k > >", "0: DEL k"],
    "stream time-outs": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREAD BLOCK 10 STREAMS k $", "1: wait", "1: XREADGROUP GROUP g a BLOCK 10 STREAMS k >", "1: wait", "1: PING"],
    "streams inside EXEC": ["0: MULTI; XREAD BLOCK 0 STREAMS k $; XGROUP CREATE k g 0 MKSTREAM; XREADGROUP GROUP g a BLOCK 0 STREAMS k >; EXEC"],
    "waiting for a stream, unblocked and killed": ["0: XGROUP CREATE k g $ MKSTREAM", "1: XREADGROUP GROUP g a BLOCK 0 STREAMS k >", "2: XREAD BLOCK 0 STREAMS k $",
                                                   "3: XREAD BLOCK 0 STREAMS k $", "0: CLIENT UNBLOCK {1}", "0: CLIENT UNBLOCK {2} ERROR", "0: CLIENT KILL ID {3}", "0: XADD k 1-1 a 1"],
    "first come first served": ["1: BLPOP k 0", "2: BRPOP k 0", "3: BLPOP k 0", "0: RPUSH k a b c d", "0: LRANGE k 0 -1"],
    "too little for all": ["1: BLPOP k 0", "2: BLPOP k 0", "0: RPUSH k a", "0: EXISTS k", "0: RPUSH k b", "0: EXISTS k"],
    "several keys": ["1: BLPOP a b 0", "0: RPUSH b x", "1: BLPOP b a 0", "0: RPUSH a y"],
    "a key twice": ["1: BLPOP k k 0", "0: RPUSH k x y", "0: LRANGE k 0 -1"],
    "another type": ["1: BLPOP k 0", "0: SET k v", "0: DEL k", "0: RPUSH k 1"],
    "another type in front": ["1: BLPOP a b 0", "0: SET a x", "0: RPUSH b 1", "0: LRANGE b 0 -1"],
    "over another type": ["1: BLPOP k 0", "0: SET k v", "0: RPUSH l 1", "0: RENAME l k"],
    "gone before EXEC ends": ["1: BLPOP k 0", "0: MULTI; RPUSH k a; DEL k; EXEC", "0: RPUSH k z"],
    "after EXEC": ["1: BLPOP a b 0", "2: BLPOP b 0", "0: MULTI; RPUSH b 1; RPUSH a 2; EXEC", "0: LRANGE a 0 -1", "0: LRANGE b 0 -1"],
    "inside EXEC": ["0: MULTI; BLPOP k 0; BLMOVE k l LEFT LEFT 0; BLMPOP 0 1 k LEFT; BRPOPLPUSH k l 0; EXEC"],
    "the order of keys in EXEC": ["1: BLPOP b a 0", "2: BLPOP a b 0", "0: MULTI; LPUSH a 1; LPUSH b 2; EXEC", "0: EXISTS a b"],
    "a chain of moves": ["1: BLMOVE a b LEFT RIGHT 0", "2: BLMOVE b c LEFT RIGHT 0", "3: BLPOP c 0", "0: RPUSH a x", "0: EXISTS a b c"],
    "a ring of moves": ["1: BLMOVE a b LEFT RIGHT 0", "2: BLMOVE b a LEFT RIGHT 0", "3: BLPOP b 0", "0: RPUSH a x", "0: LRANGE a 0 -1", "0: LRANGE b 0 -1"],
    "a move to itself": ["1: BRPOPLPUSH a a 0", "0: RPUSH a x y", "0: LRANGE a 0 -1"],
    "a target of another type": ["0: SET b v", "1: BLMOVE a b LEFT RIGHT 0", "0: RPUSH a x", "0: LRANGE a 0 -1"],
    "a target of another type, and others": ["0: SET b v", "1: BLMOVE a b LEFT RIGHT 0", "2: BLPOP a 0", "0: RPUSH a x", "0: EXISTS a"],
    "RENAME": ["1: BLPOP k 0", "0: RPUSH l x", "0: RENAME l k"],
    "COPY": ["1: BLPOP k 0", "0: RPUSH l x", "0: COPY l k", "0: LRANGE l 0 -1"],
    "COPY over": ["1: BLPOP k 0", "0: RPUSH l x", "0: SET k v", "0: COPY l k REPLACE", "0: EXISTS k"],
    "SORT": ["1: BLPOP k 0", "0: RPUSH l 2 1", "0: SORT l STORE k", "0: LRANGE k 0 -1"],
    "SORT over another type": ["1: BLPOP k 0", "0: RPUSH l 2 1", "0: SET k v", "0: SORT l STORE k", "0: LRANGE k 0 -1"],
    "MOVE": ["1: SELECT 1", "1: BLPOP k 0", "0: RPUSH k x", "0: MOVE k 1"],
    "LMOVE": ["1: BLPOP k 0", "0: RPUSH l x", "0: LMOVE l k LEFT LEFT", "0: EXISTS l k"],
    "SWAPDB": ["1: BLPOP k 0", "2: BLPOP l 0", "0: SELECT 1", "0: RPUSH k x", "0: SWAPDB 0 1", "0: EXISTS k", "0: SELECT 0", "0: EXISTS k"],
    "SWAPDB away": ["1: SELECT 1", "1: BLPOP k 0", "0: RPUSH k x", "0: SWAPDB 1 0"],
    "another database": ["1: SELECT 1", "1: BLPOP k 0", "0: RPUSH k x", "0: SELECT 1", "0: RPUSH k y"],
    "BLMPOP": ["1: BLMPOP 0 2 a b RIGHT COUNT 2", "0: RPUSH b 1 2 3", "0: LRANGE b 0 -1", "1: BLMPOP 0 1 b LEFT COUNT 9", "0: EXISTS b"],
    "there already": ["0: RPUSH k a b c", "1: BLPOP n k 0", "1: BRPOP k 0", "1: BLMOVE k l LEFT LEFT 0"],
    "wrong type at once": ["0: SET k v", "1: BLPOP k 0", "1: BLPOP n k 0", "1: BLMOVE k l LEFT LEFT 0", "1: BLMPOP 0 1 k LEFT"],
    "time-outs": ["1: BLPOP k 0.02", "1: wait", "1: BRPOP k l 0.01", "1: wait", "1: BLMOVE k l LEFT LEFT 0.001", "1: wait",
                  "1: BRPOPLPUSH k l 0.01", "1: wait", "1: BLMPOP 0.01 1 k LEFT", "1: wait", "1: PING", "0: RPUSH k x"],
    "bad time-outs": ["1: BLPOP k x", "1: BLPOP k -1", "1: BLPOP k 1e30", "1: BLPOP k inf", "1: BLPOP k -inf", "1: BLPOP k nan",
                      "1: BLMOVE k l LEFT LEFT x", "1: BLMPOP x 1 k LEFT", "1: BLMPOP -1 0 k LEFT", "1: BRPOPLPUSH k l -0.5"],
    "CLIENT UNBLOCK": ["1: BLPOP k 0", "0: CLIENT UNBLOCK {1}", "1: BLMOVE k l LEFT LEFT 0", "0: CLIENT UNBLOCK {1} TIMEOUT",
                       "1: BLMPOP 0 1 k LEFT", "0: CLIENT UNBLOCK {1} error", "0: CLIENT UNBLOCK {1} ERROR", "0: CLIENT UNBLOCK {1} x",
                       "0: CLIENT UNBLOCK x", "0: CLIENT UNBLOCK 99999", "0: CLIENT UNBLOCK {1} ERROR y", "1: PING", "0: RPUSH k v"],
    "CLIENT KILL": ["1: BLPOP k 0", "2: BLPOP k 0", "0: CLIENT KILL ID {1}", "0: RPUSH k a b", "0: LRANGE k 0 -1"],
    "a client leaves": ["1: BLPOP k 0", "2: BLPOP k 0", "1: close", "0: RPUSH k a b", "0: LRANGE k 0 -1"],
    "a pipeline behind it": ["1: PING; BLPOP k 0; PING; BLPOP k 0; ECHO end", "0: RPUSH k a", "0: RPUSH k b"],
    "no reply wanted": ["1: CLIENT REPLY OFF;BLPOP k 0;CLIENT REPLY ON"],
    "DEL, FLUSHALL and nothing": ["1: BLPOP k 0", "0: DEL k", "0: FLUSHALL", "0: RPUSH k x"],
    "SWAPDB of nothing": ["1: BLPOP k 0", "0: SWAPDB 0 1", "0: RPUSH k x"],
    "sorted sets: first come first served": ["1: BZPOPMIN k 0", "2: BZPOPMAX k 0", "3: BZPOPMIN k 0", "0: ZADD k 1 a 2.5 b 3 c 4 d",
                                             "0: ZRANGE k 0 -1 WITHSCORES"],
    "sorted sets: too little for all": ["1: BZPOPMAX k 0", "2: BZPOPMIN k 0", "0: ZADD k 1 a", "0: EXISTS k", "0: ZADD k inf b", "0: EXISTS k"],
    "sorted sets: several keys": ["1: BZPOPMIN a b 0", "0: ZADD b 1 x", "1: BZMPOP 0 2 b a MAX", "0: ZADD a 2 y"],
    "sorted sets: a key twice": ["1: BZPOPMIN k k 0", "0: ZADD k 1 x 2 y", "0: ZCARD k"],
    "sorted sets: ZINCRBY": ["1: BZPOPMIN k 0", "0: ZINCRBY k -0.5 x", "1: BZPOPMIN k 0", "0: ZADD k XX 1 x", "0: ZADD k INCR 7 x"],
    "sorted sets: another type": ["1: BZPOPMIN k 0", "0: RPUSH k v", "0: DEL k", "0: SADD k v", "0: DEL k", "0: ZADD k 1 x"],
    "sorted sets and lists": ["1: BZPOPMIN k 0", "2: BLPOP k 0", "3: BZMPOP 0 1 k MIN COUNT 2", "0: RPUSH k x y", "0: DEL k",
                              "0: ZADD k 1 a 2 b 3 c 4 d", "0: ZCARD k"],
    "sorted sets: over another type": ["1: BZPOPMIN k 0", "0: SET k v", "0: ZADD l 1 x", "0: RENAME l k"],
    "sorted sets: after EXEC": ["1: BZPOPMIN a b 0", "2: BZPOPMAX b 0", "0: MULTI; ZADD b 1 x; ZADD a 2 y; EXEC", "0: EXISTS a b"],
    "sorted sets: the order of keys in EXEC": ["1: BZPOPMIN b a 0", "2: BZPOPMIN a b 0", "0: MULTI; ZADD a 1 x; ZADD b 2 y; EXEC", "0: EXISTS a b"],
    "sorted sets: grown in EXEC": ["1: BZPOPMIN k 0", "0: MULTI; ZADD k 5 a; ZADD k 1 b; ZREM k b; ZADD k 0 c; EXEC", "0: ZRANGE k 0 -1"],
    "sorted sets: gone before EXEC ends": ["1: BZPOPMIN k 0", "0: MULTI; ZADD k 1 a; DEL k; EXEC", "0: ZADD k 2 z"],
    "sorted sets: popped before EXEC ends": ["1: BZPOPMIN k 0", "0: MULTI; ZADD k 1 a; BZPOPMIN k 0; EXEC", "0: ZADD k 2 z"],
    "sorted sets: inside EXEC": ["0: MULTI; BZPOPMIN k 0; BZPOPMAX k l 0; BZMPOP 0 1 k MIN; EXEC"],
    "sorted sets: RENAME": ["1: BZPOPMIN k 0", "0: ZADD l 1 x", "0: RENAME l k"],
    "sorted sets: COPY": ["1: BZPOPMIN k 0", "0: ZADD l 1 x", "0: COPY l k", "0: ZCARD l", "2: BZPOPMAX k 0", "0: SET k v", "0: COPY l k REPLACE"],
    "sorted sets: MOVE": ["1: SELECT 1", "1: BZMPOP 0 1 k MAX", "0: ZADD k 1 x", "0: MOVE k 1"],
    "sorted sets: SWAPDB": ["1: BZPOPMIN k 0", "0: SELECT 1", "0: ZADD k 1 x", "0: SWAPDB 0 1", "0: EXISTS k"],
    "sorted sets: stores": ["0: ZADD x 1 a 2 b", "0: ZADD y 3 b 4 c", "1: BZPOPMIN k 0", "2: BZPOPMAX k 0", "3: BZMPOP 0 1 k MIN COUNT 9",
                            "0: ZUNIONSTORE k 2 x y", "0: EXISTS k", "1: BZPOPMIN k 0", "0: ZINTERSTORE k 2 x y", "1: BZPOPMIN k 0",
                            "0: ZDIFFSTORE k 2 x y", "1: BZPOPMIN k 0", "0: ZRANGESTORE k y 0 -1", "0: ZRANGE k 0 -1"],
    "sorted sets: a store over another type": ["0: ZADD x 1 a", "1: BZPOPMIN k 0", "0: SET k v", "0: ZUNIONSTORE k 1 x",
                                               "0: ZCARD k", "0: ZADD k 0 b", "0: DEL k", "0: ZADD k 2 c"],
    "sorted sets: BZMPOP": ["1: BZMPOP 0 2 a b MAX COUNT 2", "0: ZADD b 1 x 2 y 3 z", "0: ZCARD b", "1: BZMPOP 0 1 b MIN COUNT 9", "0: EXISTS b"],
    "sorted sets: there already": ["0: ZADD k 1 a 2.5 b inf c", "1: BZPOPMIN n k 0", "1: BZPOPMAX k 0", "1: BZMPOP 0 2 n k MIN", "0: EXISTS k"],
    "sorted sets: wrong type at once": ["0: SET k v", "1: BZPOPMIN k 0", "1: BZPOPMAX n k 0", "1: BZMPOP 0 2 n k MIN"],
    "sorted sets: time-outs": ["1: BZPOPMIN k 0.02", "1: wait", "1: BZPOPMAX k l 0.01", "1: wait", "1: BZMPOP 0.01 1 k MIN", "1: wait", "1: PING",
                               "0: ZADD k 1 x"],
    "sorted sets: bad words": ["1: BZPOPMIN k x", "1: BZPOPMIN k -1", "1: BZPOPMAX k 1e30", "1: BZPOPMIN k nan", "1: BZPOPMIN k", "1: BZMPOP 0 1 k",
                               "1: BZMPOP x 1 k MIN", "1: BZMPOP x 1 k LEFT", "1: BZMPOP -1 0 k MIN", "1: BZMPOP -1 2 k MIN", "1: BZMPOP 0 x k MIN",
                               "1: BZMPOP -1 1 k MIN", "1: BZMPOP 0 1 k MIN COUNT", "1: BZMPOP 0 1 k MIN COUNT 0", "1: BZMPOP x 1 k MIN COUNT x",
                               "1: BZMPOP 0 1 k MIN COUNT 1 COUNT 1", "1: BZMPOP 0 1 k MIN MAX", "1: BZMPOP 0 9223372036854775807 k MIN"],
    "sorted sets: CLIENT UNBLOCK": ["1: BZPOPMIN k 0", "0: CLIENT UNBLOCK {1}", "1: BZMPOP 0 1 k MIN", "0: CLIENT UNBLOCK {1} ERROR", "0: ZADD k 1 x"],
    "sorted sets: a client leaves": ["1: BZPOPMIN k 0", "2: BZPOPMIN k 0", "1: close", "0: ZADD k 1 a 2 b", "0: ZRANGE k 0 -1"],
    "RENAMENX": ["1: BLPOP k 0", "2: BZPOPMIN z 0", "0: RPUSH l x", "0: ZADD y 1 m", "0: RENAMENX l k", "0: RENAMENX y z", "0: EXISTS k l y z"],
    "COPY to another database": ["1: SELECT 2", "1: BLPOP k 0", "0: RPUSH l x", "0: COPY l k", "0: COPY l k DB 2", "0: EXISTS k l"],
    "RPOPLPUSH": ["1: BLPOP k 0", "0: RPUSH l x y", "0: RPOPLPUSH l k", "0: LRANGE l 0 -1", "1: BRPOP k 0", "0: RPOPLPUSH l k", "0: EXISTS k l"],
    "LINSERT and LSET do not": ["0: RPUSH l x", "1: BLPOP k 0", "0: LINSERT k BEFORE x y", "0: LSET k 0 v", "0: LPUSHX k v", "0: LREM k 0 v", "0: RPUSH k v"],
    "waiting behind a move": ["1: BLMOVE a b LEFT LEFT 0", "2: BLMOVE b c RIGHT LEFT 0", "3: BRPOPLPUSH c d 0", "4: BLMPOP 0 2 e d LEFT COUNT 3",
                              "0: MULTI; RPUSH a x y; LMOVE a b LEFT LEFT; EXEC", "0: EXISTS a b c d e", "0: LRANGE a 0 -1", "0: LRANGE b 0 -1"],
    "a move into what others wait for too": ["1: BLPOP b 0", "2: BLMOVE a b LEFT LEFT 0", "3: BLPOP b a 0", "0: RPUSH a 1 2 3", "0: LRANGE a 0 -1", "0: EXISTS b"],
    "several clients on several keys": ["1: BLPOP a b c 0", "2: BLPOP c b 0", "3: BRPOP b 0", "4: BLMPOP 0 2 c a RIGHT COUNT 2",
                                        "0: MULTI; RPUSH c 1 2; RPUSH b 3 4; RPUSH a 5 6; EXEC", "0: LRANGE a 0 -1", "0: LRANGE b 0 -1", "0: LRANGE c 0 -1"],
    "several clients, one key after the other": ["1: BLPOP a b 0", "2: BLPOP b a 0", "3: BLPOP a 0", "4: BLPOP b 0", "0: RPUSH b 1", "0: RPUSH b 2", "0: RPUSH a 3",
                                                 "0: RPUSH a 4", "0: EXISTS a b"],
    "in line again": ["1: BLPOP k 0", "2: BLPOP k 0", "0: RPUSH k a", "1: BLPOP k 0", "0: RPUSH k b", "0: RPUSH k c"],
    "BLMPOP takes what there is": ["1: BLMPOP 0 1 k LEFT COUNT 2", "2: BLMPOP 0 1 k RIGHT COUNT 10", "3: BLPOP k 0", "0: RPUSH k 1 2 3 4 5", "0: EXISTS k", "0: RPUSH k 6"],
    "BLMPOP's words": ["1: BLMPOP 0 1 k LEFT COUNT 0", "1: BLMPOP 0 1 k LEFT COUNT -1", "1: BLMPOP 0 1 k LEFT COUNT x", "1: BLMPOP 0 1 k MIN", "1: BLMPOP 0 1 k",
                       "1: BLMPOP 0 2 k LEFT", "1: BLMPOP 0 x k LEFT", "1: BLMPOP 0 0 LEFT", "1: BLMPOP 0 1 k LEFT COUNT 1 COUNT 1", "1: BLMPOP 0 1 k LEFT RIGHT",
                       "1: BLMPOP 0 1 k LEFT COUNT", "1: BLMPOP 0 9223372036854775807 k LEFT"],
    "the shortest time-outs": ["1: BLPOP k 0.001", "1: wait", "1: BLPOP k 0.0001", "1: wait", "1: BLPOP k 1e-9", "1: wait", "1: BZPOPMIN k 0.001", "1: wait",
                               "1: BLMPOP 1e-300 1 k LEFT", "1: wait", "1: BZMPOP 0.0009 1 k MIN", "1: wait", "1: BLPOP k +0.001", "1: wait", "1: PING"],
    "time-outs at the edge": ["1: BLPOP k -0", "0: CLIENT UNBLOCK {1}", "1: BLPOP k -0.001", "0: CLIENT UNBLOCK {1}", "1: BLPOP k -0.0009", "0: CLIENT UNBLOCK {1}", "1: BLPOP k -0.002", "1: BLPOP k 9223372036854775807",
                              "1: BLPOP k 1e18", "1: BLPOP k 0x1p-9", "1: wait", "1: BLPOP k", "1: BZPOPMIN k -0.5", "1: BLMOVE k l LEFT LEFT -1", "1: BLMPOP -1 1 k LEFT",
                              "1: BZMPOP -0.5 1 k MIN", "1: BRPOPLPUSH k l 1e300", "1: BLMOVE k l UP LEFT x", "1: BLMOVE k l LEFT DOWN 0", "1: PING"],
    "the longest time-out": [step for seconds in ("9000000000000", "9000000000000000", "9221000000000000", "9223372036854775", "9223372036854776")
                             for step in (f"1: BLPOP k {seconds}", "0: CLIENT UNBLOCK {1}")],
    "the type changes and changes back": ["1: BLPOP k 0", "2: BZPOPMIN k 0", "0: ZADD k 1 a 2 b", "0: DEL k", "0: RPUSH k x y", "0: LRANGE k 0 -1"],
    "the type changes in EXEC": ["1: BLPOP k 0", "2: BZPOPMIN k 0", "0: MULTI; RPUSH k x; DEL k; ZADD k 1 a; EXEC", "0: EXISTS k",
                                 "2: BZPOPMIN k 0", "0: MULTI; ZADD k 1 a; DEL k; RPUSH k x; EXEC", "0: EXISTS k"],
    "the target changes its type meanwhile": ["1: BLMOVE a b LEFT LEFT 0", "2: BLPOP a 0", "0: SET b v", "0: RPUSH a x", "0: EXISTS a", "0: GET b"],
    "a target of the other kind": ["1: BLMOVE a b LEFT LEFT 0", "2: BZPOPMIN b 0", "0: ZADD z 1 m", "0: RPUSH a x", "0: LRANGE b 0 -1", "0: RENAME z b"],
    "a key that is due": ["1: BLPOP k 0", "0: SET k v PX 1", "3: BLPOP nothing 0.02", "3: wait", "0: RPUSH k x", "0: EXISTS k"],
    "FLUSHALL, FLUSHDB and what was there": ["0: SET k v", "1: BLPOP l 0", "2: BZPOPMIN z 0", "0: FLUSHALL", "0: RPUSH m 1", "0: FLUSHDB", "0: MULTI; RPUSH l x; FLUSHALL; EXEC",
                                             "0: RPUSH l y", "0: ZADD z 1 a"],
    "FLUSHALL and again in EXEC": ["1: BLPOP k 0", "0: MULTI; RPUSH k a; FLUSHALL; RPUSH k b c; EXEC", "0: LRANGE k 0 -1"],
    "SWAPDB with waiters on both sides": ["1: BLPOP k 0", "2: SELECT 1", "2: BLPOP k 0", "0: SELECT 1", "0: RPUSH l x", "0: SELECT 0", "0: RPUSH l y", "0: SWAPDB 0 1", "0: RENAME l k",
                                          "0: SELECT 1", "0: RENAME l k", "0: EXISTS k"],
    "SWAPDB in EXEC": ["1: BLPOP k 0", "2: SELECT 1", "2: BLPOP k 0", "0: MULTI; RPUSH k a; SWAPDB 0 1; EXEC", "0: EXISTS k", "0: RPUSH k b"],
    "UNBLOCK in EXEC": ["1: BLPOP k 0", "2: BLPOP k 0", "0: MULTI; RPUSH k a; CLIENT UNBLOCK {1} ERROR; EXEC", "0: EXISTS k", "0: MULTI; CLIENT UNBLOCK {2}; RPUSH k b; EXEC", "0: LRANGE k 0 -1"],
    "UNBLOCK of who does not wait": ["0: CLIENT UNBLOCK {1}", "0: CLIENT UNBLOCK {0}", "0: CLIENT UNBLOCK {1} ERROR", "0: CLIENT UNBLOCK -1", "0: CLIENT UNBLOCK"],
    "UNBLOCK of sorted sets with a pipeline behind": ["1: BZPOPMAX k 0; PING; BZMPOP 0 1 k MAX COUNT 2; PING", "0: CLIENT UNBLOCK {1} ERROR", "0: CLIENT UNBLOCK {1} TIMEOUT"],
    "KILL in EXEC": ["1: BLPOP k 0", "2: BLPOP k 0", "0: MULTI; CLIENT KILL ID {1}; RPUSH k a b; EXEC", "0: LRANGE k 0 -1"],
    "due when EXEC is over": ["1: BLPOP k 0", "2: BLMPOP 0 1 k LEFT", "0: MULTI; RPUSH k a; PEXPIRE k 3; DEBUG SLEEP 0.02; EXEC", "0: EXISTS k", "0: RPUSH k b"],
    "sorted sets: due when EXEC is over": ["1: BZPOPMIN k 0", "0: MULTI; ZADD k 1 a; PEXPIRE k 3; DEBUG SLEEP 0.02; EXEC", "0: EXISTS k", "0: ZADD k 1 b"],
    "due when a script is over": ["1: BLPOP k 0", "0: EVAL " + SLOW + " 1 k", "0: EXISTS k", "0: RPUSH k b"],
    "PAUSE WRITE": ["1: BLPOP k 0", "2: CLIENT PAUSE 100000 WRITE", "0: RPUSH k x", "2: EXISTS k", "2: CLIENT UNPAUSE", "0: PING", "2: EXISTS k"],
    "waiting while paused": ["2: CLIENT PAUSE 100000 WRITE", "1: BLPOP k 0.01", "2: CLIENT UNPAUSE", "1: wait", "1: PING"],
    "a time-out while paused": ["1: BLPOP k 0.02", "2: CLIENT PAUSE 100000 WRITE", "1: wait", "2: CLIENT UNPAUSE"],
    "UNBLOCK while paused": ["1: BLPOP k 0", "2: CLIENT PAUSE 100000 WRITE", "2: CLIENT UNBLOCK {1} ERROR", "1: PING", "2: CLIENT UNPAUSE"],
    "who waits and closes behind a pipeline": ["1: BLPOP k 0; PING", "2: BLPOP k 0", "1: close", "0: RPUSH k a", "0: EXISTS k"],
    "WATCH and a waiter": ["0: WATCH k", "1: BLPOP k 0", "2: RPUSH k x", "0: MULTI; PING; EXEC", "0: WATCH k", "1: BLPOP k 0", "0: MULTI; RPUSH k y; EXEC", "0: EXISTS k"],
    "WATCH of a move's target": ["1: BLMOVE a b LEFT LEFT 0", "0: WATCH b", "2: RPUSH a x", "0: MULTI; PING; EXEC"],
    "inside EXEC with something there": ["0: RPUSH k a b c d e", "0: MULTI; BLPOP n k 0; BRPOP k 0; BLMOVE k l LEFT LEFT 0; BLMPOP 0 2 n k LEFT COUNT 9; BRPOPLPUSH l l 0; BLPOP k 0; EXEC"],
    "sorted sets: inside EXEC with something there": ["0: ZADD k 1 a 2 b 3 c", "0: MULTI; BZPOPMIN n k 0; BZPOPMAX k 0; BZMPOP 0 2 n k MAX COUNT 9; BZPOPMIN k 0; EXEC"],
    "sorted sets: BZMPOP takes what there is": ["1: BZMPOP 0 1 k MIN COUNT 2", "2: BZMPOP 0 1 k MAX COUNT 10", "3: BZPOPMAX k 0", "0: ZADD k 1 a 2 b 3 c 4 d", "0: EXISTS k", "0: ZADD k nan e", "0: ZADD k 5 e"],
    "sorted sets: several clients on several keys": ["1: BZPOPMIN a b 0", "2: BZPOPMAX b a 0", "3: BZMPOP 0 2 c b MIN", "4: BZPOPMIN c 0",
                                                     "0: MULTI; ZADD c 1 x; ZADD b 1 y 2 z; ZADD a 3 w; EXEC", "0: EXISTS a b c"],
    "sorted sets: SWAPDB and RENAMENX": ["1: SELECT 1", "1: BZPOPMIN k 0", "0: ZADD k 1 a", "0: SWAPDB 0 1", "1: BZPOPMIN k 0", "0: SELECT 1", "0: ZADD l 2 b", "0: RENAMENX l k"],
    "sorted sets: ZADD that adds nothing": ["1: BZPOPMIN k 0", "0: ZADD k XX 1 a", "0: ZADD k GT 1 a", "0: ZREM k a", "1: BZPOPMIN k 0", "0: ZADD k NX INCR 2 a"],
    "sorted sets: stores of nothing": ["0: ZADD x 1 a", "1: BZPOPMIN k 0", "0: ZINTERSTORE k 2 x y", "0: ZDIFFSTORE k 2 x x", "0: ZRANGESTORE k x 5 9", "0: SADD s a", "0: SUNIONSTORE k s", "0: ZUNIONSTORE k 2 s x"],
    "lists: stores of another kind": ["0: ZADD x 1 a", "1: BLPOP k 0", "0: ZUNIONSTORE k 1 x", "0: SADD s a", "0: SUNIONSTORE k s", "0: SORT s ALPHA STORE k"],
    "who is waited for sorts into itself": ["0: RPUSH l 3 1 2", "1: BLPOP k 0", "0: MULTI; SORT l STORE k; SORT k DESC STORE k; EXEC", "0: LRANGE k 0 -1"],
}


def both(oracle, engine, protocol, steps, skip_waiting=False):
    found = []
    for host, port in (("127.0.0.1", engine.port), (oracle.host, oracle.port)):
        runner = ScriptRunner(host, port, protocol)
        try:
            found.append(runner.run(steps, skip_waiting))
        finally:
            runner.close()
    return found


@pytest.mark.parametrize("protocol", (2, 3))
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "no reply wanted"])
def test_scripts(oracle, engine, protocol, name):
    ours, theirs = both(oracle, engine, protocol, SCRIPTS[name])
    assert ours == theirs


def random_script(chance):
    """Without SWAPDB: in which order it makes several keys ready is nobody's to know, in Redis neither."""
    keys = ("a", "b", "c")
    steps = []
    for _ in range(25):
        key, other = chance.choice(keys), chance.choice(keys)
        if chance.random() < 0.5:
            number = chance.choice("1234")   # skipped while it still waits
            several = " ".join(chance.sample(keys, chance.randint(1, 3)))
            steps.append(f"{number}: " + chance.choice((
                f"BLPOP {several} 0", f"BRPOP {several} 0", f"BLMOVE {key} {other} LEFT RIGHT 0", f"BRPOPLPUSH {key} {other} 0",
                f"BLMPOP 0 1 {key} LEFT COUNT 2")))
        else:
            steps.append("0: " + chance.choice((
                f"RPUSH {key} 1", f"LPUSH {key} 2 3", f"RPUSH {key} 4 5 6", f"LMOVE {key} {other} LEFT LEFT", f"RENAME {key} {other}",
                f"COPY {key} {other} REPLACE", f"DEL {key}", f"SET {key} v", f"LTRIM {key} 1 0", f"SELECT {chance.randint(0, 1)}",
                f"MULTI; RPUSH {key} 7; LPUSH {other} 8; EXEC", f"MULTI; RPUSH {key} 9; DEL {key}; EXEC",
                f"MULTI; DEL {key}; RPUSH {key} x y; LMOVE {key} {other} LEFT LEFT; EXEC", f"LRANGE {key} 0 -1")))
    return [*steps, *(f"0: TYPE {key}" for key in keys), *(f"0: LRANGE {key} 0 -1" for key in keys)]


def random_sorted_script(chance):
    keys = ("a", "b", "c")
    steps = []
    for _ in range(25):
        key, other = chance.choice(keys), chance.choice(keys)
        if chance.random() < 0.5:
            number = chance.choice("1234")   # skipped while it still waits
            several = " ".join(chance.sample(keys, chance.randint(1, 3)))
            steps.append(f"{number}: " + chance.choice((
                f"BZPOPMIN {several} 0", f"BZPOPMAX {several} 0", f"BZMPOP 0 1 {key} MIN COUNT 2", f"BZMPOP 0 2 {key} {other} MAX",
                f"BLPOP {several} 0")))
        else:
            steps.append("0: " + chance.choice((
                f"ZADD {key} 1 x", f"ZADD {key} 2 y 3 z", f"ZADD {key} 4 x 5 y 6 z 7 w", f"ZINCRBY {key} 1 x", f"RENAME {key} {other}",
                f"COPY {key} {other} REPLACE", f"DEL {key}", f"RPUSH {key} v", f"ZREM {key} x y z", f"ZUNIONSTORE {key} 2 {key} {other}",
                f"ZRANGESTORE {key} {other} 0 1", f"ZDIFFSTORE {key} 2 {key} {other}",
                f"MULTI; ZADD {key} 7 x; ZADD {other} 8 y; EXEC", f"MULTI; ZADD {key} 9 x; DEL {key}; EXEC",
                f"MULTI; DEL {key}; ZADD {key} 1 x 2 y; ZUNIONSTORE {other} 1 {key}; ZPOPMIN {key}; EXEC", f"ZCARD {key}")))
    return [*steps, *(f"0: TYPE {key}" for key in keys), *(f"0: ZRANGE {key} 0 -1 WITHSCORES" for key in keys)]


@pytest.mark.parametrize("seed", range(25))
def test_random_sorted_scripts(oracle, engine, seed):
    steps = random_sorted_script(random.Random(seed))
    ours, theirs = both(oracle, engine, 3, steps, True)
    assert ours == theirs, steps


@pytest.mark.parametrize("seed", range(40))
def test_random_scripts(oracle, engine, seed):
    steps = random_script(random.Random(seed))
    ours, theirs = both(oracle, engine, 2, steps, True)
    assert ours == theirs, steps


def test_what_others_see(engine):
    runner = ScriptRunner("127.0.0.1", engine.port)
    runner.run(["1: BLPOP k l 0", "2: BLPOP k 0"])
    assert runner.flags("1") == "b"
    info = runner.eye.execute("INFO", "clients").value.decode()
    assert "blocked_clients:2\r\n" in info and "total_blocking_keys:2\r\n" in info
    calls = runner.eye.execute("INFO", "commandstats").value.decode()
    assert "cmdstat_blpop" not in calls      # not executed yet
    runner.run(["0: RPUSH k x"])
    assert runner.flags("1") == "N"
    assert "cmdstat_blpop:calls=1," in runner.eye.execute("INFO", "commandstats").value.decode()
    assert "blocked_clients:1\r\n" in runner.eye.execute("INFO", "clients").value.decode()
    runner.close()


@pytest.mark.parametrize("end, expected", (("refused", r"calls=0,usec=0,.*,rejected_calls=1,failed_calls=0"), ("unblocked", r"calls=1,.*,rejected_calls=0,failed_calls=1"),
                                           ("timed out", r"calls=1,.*,rejected_calls=0,failed_calls=0"), ("served", r"calls=1,.*,rejected_calls=0,failed_calls=0")))
def test_a_command_that_waits_counts_when_it_is_answered(oracle, engine, end, expected):
    """Its time with it: what is refused in the end has taken none."""
    for host, port in ((oracle.host, oracle.port), ("127.0.0.1", engine.port)):
        runner = ScriptRunner(host, port, clients=2)
        for words in (["CONFIG", "RESETSTAT"], ["ACL", "SETUSER", "waiter", "reset", "on", "nopass", "+@all", "allkeys"]):
            runner.eye.execute(*words)
        waiter = runner.clients["1"]
        waiter.execute("AUTH", "waiter", "x")
        waiter.send_raw(b"BLPOP l %b\r\n" % (b"0.05" if end == "timed out" else b"0"))
        if end != "timed out":
            wait_until(lambda: runner.flags("1") == "b")
            assert b"cmdstat_blpop" not in runner.eye.execute("INFO", "commandstats").value
        if end == "refused":
            runner.eye.execute("ACL", "SETUSER", "waiter", "resetkeys")
        if end == "unblocked":
            runner.eye.execute("CLIENT", "UNBLOCK", runner.ids["1"], "ERROR")
        if end in ("refused", "served"):
            runner.eye.execute("RPUSH", "l", 1)
        waiter.read()
        told = runner.eye.execute("INFO", "commandstats").value.decode()
        assert re.search(f"^cmdstat_blpop:{expected}\\r$", told, re.M), (port, told)
        histogram = runner.eye.execute("LATENCY", "HISTOGRAM", "blpop").value
        assert histogram[1][1] == 1 if end != "refused" else histogram == [], (port, histogram)
        runner.eye.execute("ACL", "DELUSER", "waiter")


def test_time_outs_follow_the_clock(engine):
    """A held clock: an hour passes in no time, and not a millisecond before."""
    engine.set_clock_ms(1_700_000_000_000)
    runner = ScriptRunner("127.0.0.1", engine.port)
    runner.run(["1: BLPOP k 3600", "2: BLPOP k 7200"])
    engine.advance_clock_ms(3_599_999)
    assert runner.flags("1") == "b"
    engine.advance_clock_ms(1)
    wait_until(lambda: runner.flags("1") == "N")
    runner.read("1")
    assert runner.replies["1"] == [b"*-1\r\n"] and runner.flags("2") == "b"
    runner.run(["0: RPUSH k x"])
    assert runner.replies["2"] == [b"*2\r\n$1\r\nk\r\n$1\r\nx\r\n"]
    runner.close()


@pytest.mark.parametrize("line", ("BLPOP k 0.002", "BZPOPMIN k 2e-3", "BLMOVE k l LEFT LEFT 0.0015", "BLMPOP 0.002 1 k LEFT",
                                  "XREAD BLOCK 2 STREAMS k 0", "XREADGROUP GROUP g c BLOCK 2 STREAMS s >", "WAIT 1 2", "WAITAOF 0 1 2",
                                  "pause"))
def test_no_time_out_comes_early(engine, line):
    """Who begins to wait late in a millisecond waits no part of one less."""
    engine.set_clock_ms(1_700_000_000_000.9)
    runner = ScriptRunner("127.0.0.1", engine.port)
    if line == "pause":
        runner.run(["0: CLIENT PAUSE 2 WRITE", "1: SET a b"])
    else:
        runner.run(["0: XGROUP CREATE s g $ MKSTREAM", "1: " + line])
    engine.advance_clock_ms(1.999)
    assert runner.flags("1") == "b"
    engine.advance_clock_ms(0.101)
    wait_until(lambda: runner.flags("1") == "N")
    runner.read("1")
    assert runner.replies["1"][-1] in (b"*-1\r\n", b"$-1\r\n", b"+OK\r\n", b":0\r\n", b"*2\r\n:0\r\n:0\r\n")
    runner.close()


def test_memory_comes_back(engine):
    runner = ScriptRunner("127.0.0.1", engine.port)
    def used():
        return int(runner.eye.execute("INFO", "memory").value.decode().split("used_memory_dataset:")[1].split("\r")[0])
    runner.run(["1: BLPOP warm 0.001"])
    runner.eye.execute("CONFIG", "RESETSTAT")
    before = engine.used_memory
    for _ in range(200):
        runner.run(["1: BLPOP k l m 0", "2: BLPOP k 50", "0: RPUSH k x y"])
    assert engine.used_memory < before + 20_000
    runner.close()
