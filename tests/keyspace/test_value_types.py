"""The table of types: a type that lies outside the engine (shims/trial_type) is all that the others are, by its row alone."""
import re
import time
from pathlib import Path

import pytest

from hutch.testing.replies import Null, Simple
from kit.rdb_forms import length, seal

trial = pytest.importorskip("shims.trial_type", reason="the shims are not built")

ROOT = Path(__file__).resolve().parents[2]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MANY = 1000                      # counters of a value that is freed in slices


@pytest.fixture(autouse=True)
def nothing_left(store):
    before = trial.live_blocks()
    yield
    store.engine.close()
    assert trial.live_blocks() == before


def plain(value):
    """Without the distinctions of RESP: texts as bytes, nulls as None."""
    if isinstance(value, Simple):
        return value.text
    if isinstance(value, Null):
        return None
    return [plain(one) for one in value] if isinstance(value, list) else value


def call(client, *words):
    return plain(client.execute(*words).value)


def raw(client, *words) -> bytes:
    return bytes(client.execute(*words).raw)


def module_number(name, version):
    number = 0
    for letter in name:
        number = number << 6 | LETTERS.index(letter)
    return number << 10 | version


def payload(*counters, name="TrialPair", version=3, count=None, end=b"\0"):
    """As Redis's modules write: unsigned numbers are items of kind 2, signed ones of kind 1."""
    body = b"\x07" + length(module_number(name, version)) + b"\2" + length(len(counters) if count is None else count)
    for counter in counters:
        body += b"\1" + length(counter % (1 << 64))
    return seal(body + end)


def freed(store, client, least):
    """Wait until housekeeping has freed what it was given."""
    for _ in range(500):
        if trial.live_blocks() <= least:
            return True
        call(client, "PING")
        time.sleep(0.01)
    return False


# ---- what the row says

def test_names(store, client):
    trial.put(store.engine, b"pair", 1)
    trial.put(store.engine, b"chain", 1, 5)
    assert call(client, "TYPE", "pair") == b"TrialPair"
    assert call(client, "OBJECT", "ENCODING", "pair") == b"pair"
    assert call(client, "OBJECT", "ENCODING", "chain") == b"chain"
    assert call(client, "OBJECT", "REFCOUNT", "pair") == 1


def test_scan_by_type(store, client):
    trial.put(store.engine, b"pair", 1)
    call(client, "SET", "text", "a")
    call(client, "RPUSH", "list", "a")
    assert call(client, "SCAN", 0, "TYPE", "TrialPair") == [b"0", [b"pair"]]
    assert call(client, "SCAN", 0, "TYPE", "trialpair") == [b"0", [b"pair"]]     # as for all types: in any case
    assert call(client, "SCAN", 0, "TYPE", "string") == [b"0", [b"text"]]
    assert call(client, "SCAN", 0, "TYPE", "none") == [b"0", []]
    assert sorted(call(client, "KEYS", "*")) == [b"list", b"pair", b"text"]


def test_debug_object(store, client):
    trial.put(store.engine, b"chain", 1, 5)
    line = call(client, "DEBUG", "OBJECT", "chain")
    found = re.match(rb"Value at:0x[0-9a-f]+ refcount:1 encoding:chain serializedlength:(\d+) lru:\d+ "
                     rb"lru_seconds_idle:0 counters:5$", line)
    assert found, line
    assert int(found[1]) == len(call(client, "DUMP", "chain")) - 1 - 10          # all but form and footer
    for words in (("LISTPACK", "chain"), ("QUICKLIST", "chain"), ("SDSLEN", "chain"), ("HTSTATS-KEY", "chain")):
        assert raw(client, "DEBUG", *words).startswith(b"-ERR "), words


def test_digest(store, client):
    trial.put(store.engine, b"one", 1)
    trial.put(store.engine, b"same", 1)
    trial.put(store.engine, b"other", 2)
    one, same, other = call(client, "DEBUG", "DIGEST-VALUE", "one", "same", "other")
    assert one == same != other
    whole = call(client, "DEBUG", "DIGEST")
    call(client, "PEXPIREAT", "one", 4_000_000_000_000)
    assert call(client, "DEBUG", "DIGEST-VALUE", "one") != [one]
    assert call(client, "DEBUG", "DIGEST") != whole


def test_memory_usage(store, client):
    trial.put(store.engine, b"pair", 1)
    trial.put(store.engine, b"many", 1, MANY)
    assert call(client, "MEMORY", "USAGE", "pair") < 200
    assert call(client, "MEMORY", "USAGE", "many") > 16 * MANY


def test_keysizes_count_others(store, client):
    """No line in INFO keysizes for a type that does not ask for one, and none of its keys among the others'."""
    before = call(client, "INFO", "keysizes")
    trial.put(store.engine, b"pair", 1)
    assert call(client, "INFO", "keysizes") == before
    call(client, "RENAME", "pair", "renamed")
    call(client, "DEL", "renamed")
    assert call(client, "INFO", "keysizes") == before


# ---- to bytes and back

@pytest.mark.parametrize("count", [2, 3, 70])
def test_dump_and_restore(store, client, count):
    trial.put(store.engine, b"k", -1, count)
    dumped = call(client, "DUMP", "k")
    assert dumped == payload(*range(-1, count - 1))
    assert call(client, "RESTORE", "copy", 0, dumped) == b"OK"
    digests = call(client, "DEBUG", "DIGEST-VALUE", "k", "copy")
    assert digests[0] == digests[1]
    assert call(client, "TYPE", "copy") == b"TrialPair"
    assert call(client, "DUMP", "copy") == dumped
    assert call(client, "RESTORE", "k", 5_000_000, payload(7, 8), "REPLACE") == b"OK"
    assert call(client, "DUMP", "k") == payload(7, 8)
    assert 0 < call(client, "PTTL", "k") <= 5_000_000


@pytest.mark.parametrize("broken", [
    payload(1, 2, end=b""), payload(1, 2, end=b"\1"), payload(1, 2, count=3), payload(1, 2, 3, count=2), payload(1),
    payload(),
    payload(1, 2, version=4), payload(1, 2, name="TrialPaiR"), payload(1, 2, 3, end=b"\2\1"),
    payload(1, 2, 3, count=1 << 40), seal(b"\x07"), seal(b"\x07\x81"), seal(b"\x06" + b"\0" * 20), seal(b"\x3f\0"), seal(b"\xff\0")])
def test_what_is_no_such_value_is_refused(client, broken):
    assert raw(client, "RESTORE", "k", 0, broken) == b"-ERR Bad data format\r\n"
    assert call(client, "EXISTS", "k") == 0


@pytest.mark.parametrize("whole", [payload(1, 1 << 40), payload(-1, 2, 300, 1 << 20)])
def test_damaged_payloads_leave_nothing_behind(client, whole):
    body = whole[:-10]
    before = trial.live_blocks()
    restored = 0
    for at in range(len(body)):
        for byte in (0, 1, 2, 5, 0x40, 0x80, 0x81, 0xC3, 0xFF, body[at] ^ 1):
            for damaged in (body[:at] + bytes([byte]) + body[at + 1:], body[:at] + bytes([byte]), body[:at]):
                answer = raw(client, "RESTORE", "k", 0, seal(damaged))
                restored += answer == b"+OK\r\n"
                assert answer in (b"+OK\r\n", b"-ERR Bad data format\r\n"), damaged
                if answer == b"+OK\r\n":
                    call(client, "DEL", "k")
                assert trial.live_blocks() == before, damaged
    assert restored                                      # some bytes only stand for other numbers


def test_number_of_a_module_as_redis_has_it():
    """What Redis 8.2.3 gave a module's type of this name and version in a payload."""
    assert trial.number_of_module(b"graphdata", 18) == 0x82B6A985D6AD6812 == module_number("graphdata", 18)
    assert trial.number_of_module(b"ReJSON-RL", 4) == module_number("ReJSON-RL", 4)
    for name, version in ((b"short", 1), (b"too long it is", 1), (b"not.valid", 1), (b"graphdata", 1024), (b"graphdata", -1)):
        assert trial.number_of_module(name, version) == 0


# ---- under other keys

@pytest.mark.parametrize("count", [2, 9])
def test_copy(store, client, count):
    trial.put(store.engine, b"k", 5, count)
    blocks = trial.live_blocks()
    assert call(client, "COPY", "k", "copy") == 1
    assert call(client, "COPY", "k", "far", "DB", 3) == 1
    assert trial.live_blocks() > blocks
    one, other = call(client, "DEBUG", "DIGEST-VALUE", "k", "copy")
    assert one == other
    assert call(client, "OBJECT", "ENCODING", "copy") == call(client, "OBJECT", "ENCODING", "k")
    assert call(client, "DEL", "k", "copy") == 2
    call(client, "SELECT", 3)
    assert call(client, "TYPE", "far") == b"TrialPair"
    assert call(client, "COPY", "far", "text") == 1
    assert call(client, "SET", "text", "over it") == b"OK"


def test_rename_and_move(store, client):
    trial.put(store.engine, b"k", 5, 4)
    dumped = call(client, "DUMP", "k")
    call(client, "EXPIRE", "k", 1000)
    blocks = trial.live_blocks()
    call(client, "SET", "in the way", "x")
    assert call(client, "RENAME", "k", "in the way") == b"OK"
    assert call(client, "RENAMENX", "in the way", "n") == 1
    assert call(client, "MOVE", "n", 2) == 1
    call(client, "SELECT", 2)
    assert call(client, "DUMP", "n") == dumped and 0 < call(client, "TTL", "n") <= 1000
    assert call(client, "PERSIST", "n") == 1
    assert trial.live_blocks() == blocks
    call(client, "SWAPDB", 2, 0)
    call(client, "SELECT", 0)
    assert call(client, "TYPE", "n") == b"TrialPair"


def test_refused_memory_leaves_nothing_behind(store, client):
    refusal = pytest.importorskip("shims.refusal", reason="the shims are not built")
    trial.put(store.engine, b"k", 5, 40)
    dumped = call(client, "DUMP", "k")
    before = trial.live_blocks()
    for words in (("COPY", "k", "other"), ("RESTORE", "other", 0, dumped)):
        refused = 0
        for blocks in range(200):
            refusal.refuse_after(store.engine, blocks, True)
            answer = raw(client, *words)
            refusal.relent(store.engine)
            if not answer.startswith(b"-OOM "):
                break
            refused += 1
            assert call(client, "EXISTS", "other") == 0 and trial.live_blocks() == before
        assert refused >= 40 and answer in (b":1\r\n", b"+OK\r\n"), answer
        assert call(client, "DEBUG", "DIGEST-VALUE", "k", "other") == 2 * call(client, "DEBUG", "DIGEST-VALUE", "k")
        call(client, "DEL", "other")


# ---- its end

@pytest.mark.parametrize("count", [2, MANY])
@pytest.mark.parametrize("how", [("DEL", "k"), ("UNLINK", "k"), ("FLUSHDB",), ("FLUSHALL", "ASYNC"), ("SET", "k", "x"),
                                 ("RENAME", "other", "k"), ("SUNIONSTORE", "k", "other"), ("PEXPIRE", "k", -1)])
def test_it_goes(store, client, how, count):
    call(client, "SADD", "other", 1, 2)
    before = trial.live_blocks()
    trial.put(store.engine, b"k", 1, count)
    assert trial.live_blocks() > before
    assert not raw(client, *how).startswith(b"-"), how
    if count == MANY:
        assert freed(store, client, before)
    assert trial.live_blocks() == before


def test_big_values_go_in_slices(store, client):
    before = trial.live_blocks()
    trial.put(store.engine, b"k", 1, 200 * MANY)
    assert call(client, "UNLINK", "k") == 1
    assert trial.live_blocks() > before              # what is left is housekeeping's
    assert freed(store, client, before)


def test_databases_go_in_slices(store, client):
    before = trial.live_blocks()
    for i in range(3000):
        trial.put(store.engine, b"k%d" % i, i, 2 if i % 100 else MANY)
    assert call(client, "FLUSHALL", "ASYNC") == b"OK"
    assert call(client, "DBSIZE") == 0
    assert freed(store, client, before)


@pytest.mark.parametrize("count", [2, MANY])
def test_expiry(store, client, count):
    store.set_ms(1_700_000_000_000)
    trial.put(store.engine, b"k", 1, count)
    trial.put(store.engine, b"unseen", 1, count)
    assert call(client, "PEXPIRE", "k", 100) == call(client, "PEXPIRE", "unseen", 100) == 1
    assert call(client, "PTTL", "k") == 100
    store.set_ms(1_700_000_000_101)
    assert call(client, "EXISTS", "k") == 0
    assert freed(store, client, 0)
    store.release()


# ---- commands of other types

FAMILIES = """
APPEND k x|DECR k|DECRBY k 1|GET k|GETDEL k|GETEX k|GETRANGE k 0 1|GETSET k x|INCR k|INCRBY k 1|INCRBYFLOAT k 1
SETRANGE k 0 x
SET k x GET|STRLEN k|SUBSTR k 0 1|LCS k k
BLMOVE k d LEFT LEFT 0|BLMPOP 0 1 k LEFT|BLPOP k 0|BRPOP k 0|BRPOPLPUSH k d 0|LINDEX k 0|LINSERT k BEFORE a b|LLEN k
LMOVE k d LEFT LEFT
LMOVE list k LEFT LEFT|LMPOP 1 k LEFT|LPOP k|LPOS k a|LPUSH k a|LPUSHX k a|LRANGE k 0 1|LREM k 0 a|LSET k 0 a
LTRIM k 0 1|RPOP k
RPOPLPUSH k d|RPUSH k a|RPUSHX k a
SADD k a|SCARD k|SDIFF k|SDIFFSTORE d k|SINTER k|SINTERCARD 1 k|SINTERSTORE d k|SISMEMBER k a|SMEMBERS k
SMISMEMBER k a|SMOVE k d a
SMOVE set k a|SPOP k|SRANDMEMBER k|SREM k a|SSCAN k 0|SUNION set k|SUNIONSTORE d set k
HDEL k f|HEXISTS k f|HEXPIRE k 1 FIELDS 1 f|HEXPIREAT k 1 FIELDS 1 f|HEXPIRETIME k FIELDS 1 f|HGET k f|HGETALL k
HGETDEL k FIELDS 1 f
HGETEX k FIELDS 1 f|HINCRBY k f 1|HINCRBYFLOAT k f 1|HKEYS k|HLEN k|HMGET k f|HMSET k f v|HPERSIST k FIELDS 1 f
HPEXPIRE k 1 FIELDS 1 f
HPEXPIREAT k 1 FIELDS 1 f|HPEXPIRETIME k FIELDS 1 f|HPTTL k FIELDS 1 f|HRANDFIELD k|HSCAN k 0|HSET k f v
HSETEX k FIELDS 1 f v
HSETNX k f v|HSTRLEN k f|HTTL k FIELDS 1 f|HVALS k
BZMPOP 0 1 k MIN|BZPOPMAX k 0|BZPOPMIN k 0|ZADD k 1 a|ZCARD k|ZCOUNT k 0 1|ZDIFF 1 k|ZDIFFSTORE d 1 k|ZINCRBY k 1 a
ZINTER 1 k
ZINTERCARD 1 k|ZINTERSTORE d 1 k|ZLEXCOUNT k - +|ZMPOP 1 k MIN|ZMSCORE k a|ZPOPMAX k|ZPOPMIN k|ZRANDMEMBER k
ZRANGE k 0 1
ZRANGEBYLEX k - +|ZRANGEBYSCORE k 0 1|ZRANGESTORE d k 0 1|ZRANK k a|ZREM k a|ZREMRANGEBYLEX k - +
ZREMRANGEBYRANK k 0 1
ZREMRANGEBYSCORE k 0 1|ZREVRANGE k 0 1|ZREVRANGEBYLEX k + -|ZREVRANGEBYSCORE k 1 0|ZREVRANK k a|ZSCAN k 0|ZSCORE k a
ZUNION 2 set k
ZUNIONSTORE d 1 k
XACK k g 1-1|XACKDEL k g IDS 1 1-1|XADD k * f v|XAUTOCLAIM k g c 0 0|XCLAIM k g c 0 1-1|XDEL k 1-1|XDELEX k IDS 1 1-1
XGROUP CREATE k g $
XGROUP CREATECONSUMER k g c|XINFO STREAM k|XINFO GROUPS k|XLEN k|XPENDING k g|XRANGE k - +|XREAD STREAMS k 0
XREADGROUP GROUP g c STREAMS k >
XREVRANGE k + -|XSETID k 1-1|XTRIM k MAXLEN 1
SORT k|SORT_RO k
""".replace("\n", "|").strip("|").split("|")
WHATEVER_IT_IS = {"MGET", "MSET", "MSETNX", "PSETEX", "SET", "SETEX", "SETNX"}       # they read nulls, overwrite, or leave it


def test_commands_of_other_types(store, client):
    call(client, "RPUSH", "list", "a")
    call(client, "SADD", "set", "a")
    trial.put(store.engine, b"k", 1)
    dumped = call(client, "DUMP", "k")
    for line in FAMILIES:
        answer = raw(client, *line.split(" "))
        assert answer in (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
                          b"-ERR The specified keys must contain string values\r\n"), line
        assert (line == "LCS k k") == answer.startswith(b"-ERR"), line
        assert call(client, "DUMP", "k") == dumped, line
    assert call(client, "MGET", "k", "k") == [None, None]
    assert call(client, "SETNX", "k", "x") == call(client, "MSETNX", "j", "x", "k", "x") == 0


def test_all_commands_of_other_types_were_tried(client):
    tried = {line.split(" ")[0] for line in FAMILIES} | WHATEVER_IT_IS
    for family in ("string", "list", "set", "hash", "sortedset", "stream"):
        for name in call(client, "COMMAND", "LIST", "FILTERBY", "ACLCAT", family):
            assert name.decode().upper().partition("|")[0] in tried, name


# ---- the table

def test_the_table_takes_whole_rows_for_free_numbers(client):
    assert trial.add_again() == (False, False, False)


def sources(*kinds):
    for kind in kinds:
        for root in ("engine", "src", "tools"):
            for path in (ROOT / root).rglob(f"*.{kind}"):
                if path.stem not in ("command_table", "command_handlers"):
                    yield path


def test_nothing_in_the_engine_knows_the_trial_type():
    for path in [*sources("pyx", "pxd", "py", "toml", "h"), ROOT / "setup.py"]:
        assert not re.search(r"TYPE_TRIAL|TrialPair|trial_type", path.read_text()), path


TYPE = re.compile(r"\bTYPE_(STRING|LIST|SET|ZSET|HASH|STREAM)\b")
# Who names more types than one, and why. A command of a family names its own type, and that of a result.
SEVERAL = {
    "keyspace/entry.pxd": "their numbers",
    "keyspace/value_types.pyx": "the table",
    "formats/rdb_values.pyx": "the other half of the table",
    "keyspace/keyspace.pxd": "which handle is for which",
    "keyspace/keyspace.pyx": "strings have a way of their own; hashes have deadlines inside, in a wheel of the keyspace",
    "commands/sort.pyx": "SORT takes lists, sets and sorted sets, and looks into strings and hashes",
    "commands/zset_operations.pyx": "ZUNION and its like take sets, too",
    "control/debug.pyx": "DEBUG SDSLEN is of strings, DEBUG HTSTATS-KEY knows compact sets",
}


def test_who_names_several_types():
    """A new type would have to be named wherever the others are told from each other."""
    found = set()
    for path in sources("pyx", "pxd"):
        if len(set(TYPE.findall(path.read_text()))) > 1:
            found.add(str(path.relative_to(ROOT / "engine/hutch_engine")))
    assert found == set(SEVERAL)


def test_types_have_numbers_of_their_own_encodings():
    """Encodings are numbered by type: there is no list of them all."""
    for path in sources("pyx", "pxd"):
        assert not re.search(r"\bENCODING_(?!S_MAX)", path.read_text()), path
