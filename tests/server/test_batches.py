"""Batches over large collections: what is fetched ahead of the commands changes nothing that they answer."""
import random

import redis

MEMBERS = 20000                          # beyond the sizes from which pops fetch ahead


def test_large_collections_in_pipelines(engine):
    client = redis.Redis(port=engine.port, protocol=2)
    chance = random.Random(1)
    scores = {b"m:%d" % i: chance.randrange(1000) for i in range(MEMBERS)}
    pipe = client.pipeline(transaction=False)
    for member, score in scores.items():
        pipe.sadd("set", member).hset("hash", member, score).zadd("zset", {member: score})
        pipe.lpush("list", member).set("string:%d" % score, score)
    assert all(reply for reply in pipe.execute())
    assert (client.scard("set"), client.hlen("hash"), client.zcard("zset")) == (MEMBERS,) * 3
    for member in scores:
        pipe.hget("hash", member).zscore("zset", member).sismember("set", member)
        pipe.hget("hash", b"no" + member).sismember("set", b"no" + member)
    replies = pipe.execute()
    for i, score in enumerate(scores.values()):
        assert replies[5 * i:5 * i + 5] == [b"%d" % score, score, 1, None, 0]
    # Fewer and fewer, down to nothing: the tables shrink meanwhile.
    for i in range(MEMBERS):
        pipe.spop("set")
        pipe.zpopmin("zset") if i % 3 else pipe.zpopmax("zset")
        pipe.lpop("list") if i % 2 else pipe.rpop("list")
    replies = pipe.execute()
    assert set(replies[0::3]) == set(scores)
    lowest = [pair for i, (pair,) in enumerate(replies[1::3]) if i % 3]
    highest = [pair for i, (pair,) in enumerate(replies[1::3]) if not i % 3]
    ordered = sorted((float(score), member) for member, score in scores.items())
    assert lowest + highest[::-1] == [(member, score) for score, member in ordered]
    assert set(replies[2::3]) == set(scores)
    assert client.exists("set", "zset", "list") == 0
    client.close()


def test_other_types_and_odd_words(engine):
    client = redis.Redis(port=engine.port, protocol=2)
    pipe = client.pipeline(transaction=False)
    for command in (["SET", "s", "x"], ["INCR", "n"], ["SADD", "s", "a"], ["HSET", "n", "f", "v"], ["ZADD", "s"], ["LPUSH", "l"],
                    ["ZADD", "z", "1", "a"], ["SADD", "z", "a"], ["HGETALL", "none"], ["SUNION", "s", "none"], ["ZADD", "z", "x", "y"]):
        pipe.execute_command(*command)
    shown = [reply if not isinstance(reply, Exception) else str(reply)[:9] for reply in pipe.execute(raise_on_error=False)]
    assert shown == [True, 1, "WRONGTYPE", "WRONGTYPE", "wrong num", "wrong num", 1, "WRONGTYPE", {}, "WRONGTYPE", "value is "]
    client.close()
