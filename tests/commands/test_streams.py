"""Streams as commands: a state machine against a model, consumers that crash, redis-py's methods beside Redis."""
import random
import threading
import time

import pytest
import redis
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import hutch
from kit.threads import THREADS, run_in_threads

GROUPS = st.sampled_from(("g", "h"))
CONSUMERS = st.sampled_from(("a", "b", "c"))
KEEP, DELETE, ACKED = "KEEPREF", "DELREF", "ACKED"
REFS = st.sampled_from((KEEP, DELETE, ACKED))


class StreamsAndGroups(RuleBasedStateMachine):
    """Entries and groups as plain dicts: what is read, what is pending for whom, how often it was delivered."""

    @initialize(block=st.sampled_from((1, 2, 3, 100)))
    def start(self, block):
        self.r = hutch.Redis(decode_responses=True)
        self.r.config_set("stream-node-max-entries", block)
        self.entries = {}
        self.last = 0
        self.groups = {}                 # name -> [last ID, {ID: [consumer, deliveries]}]

    @rule(by=st.integers(1, 3), values=st.lists(st.sampled_from(("", "1", "x" * 70, "-5")), min_size=1, max_size=3))
    def add(self, by, values):
        self.last += by
        fields = {f"f{number}": value for number, value in enumerate(values)}
        assert self.r.xadd("s", fields, id=f"{self.last}-1") == f"{self.last}-1"
        self.entries[self.last] = fields

    @rule(number=st.integers(1, 10))
    def add_many(self, number):
        for _ in range(number):
            self.add(1, ["v"])

    @rule(name=GROUPS, at=st.integers(0, 20))
    def make_group(self, name, at):
        if name in self.groups:
            with pytest.raises(redis.ResponseError, match="BUSYGROUP"):
                self.r.xgroup_create("s", name, "0", mkstream=True)
        else:
            self.r.xgroup_create("s", name, f"{at}-1", mkstream=True)
            self.groups[name] = [at, {}]

    @rule(name=GROUPS)
    def destroy_group(self, name):
        if self.groups:                  # else there may be no key
            assert self.r.xgroup_destroy("s", name) == (self.groups.pop(name, None) is not None)

    @rule(name=GROUPS, at=st.integers(0, 20))
    def turn_group(self, name, at):
        if name in self.groups:
            self.r.xgroup_setid("s", name, f"{at}-1")
            self.groups[name][0] = at

    def _shown(self, ids):
        return [(f"{id}-1", self.entries.get(id, {})) for id in ids]

    @rule(name=GROUPS, consumer=CONSUMERS, count=st.integers(1, 5), no_ack=st.booleans())
    def read(self, name, consumer, count, no_ack):
        if name not in self.groups:
            return
        group = self.groups[name]
        new = [id for id in self.entries if id > group[0]][:count]
        got = self.r.xreadgroup(name, consumer, {"s": ">"}, count=count, noack=no_ack)
        assert got == ([["s", self._shown(new)]] if new else [])
        for id in new:
            group[0] = id
            if not no_ack:
                group[1][id] = [consumer, 1]

    @rule(name=GROUPS, consumer=CONSUMERS, after=st.integers(0, 20), count=st.integers(1, 5))
    def read_again(self, name, consumer, after, count):
        if name not in self.groups:
            return
        pending = self.groups[name][1]
        mine = sorted(id for id, (whose, _) in pending.items() if whose == consumer and id > after)[:count]
        assert self.r.xreadgroup(name, consumer, {"s": f"{after}-1"}, count=count) == [["s", self._shown(mine)]]
        for id in mine:
            pending[id][1] += id in self.entries

    @rule(name=GROUPS, ids=st.sets(st.integers(1, 30), min_size=1, max_size=5))
    def acknowledge(self, name, ids):
        pending = self.groups[name][1] if name in self.groups else {}
        assert self.r.xack("s", name, *(f"{id}-1" for id in ids)) == len(ids & set(pending))
        for id in ids:
            pending.pop(id, None)

    def _wanted(self, id):
        return any(id > last or id in pending for last, pending in self.groups.values())

    def _delete(self, id, refs):
        """What XDELEX answers."""
        if refs == ACKED and self._wanted(id):
            return 2
        if refs == DELETE:
            for _, pending in self.groups.values():
                pending.pop(id, None)
        return -1 if self.entries.pop(id, None) is None else 1

    @rule(refs=REFS, ids=st.lists(st.integers(1, 30), min_size=1, max_size=5))
    def delete(self, refs, ids):
        if self.entries or self.groups:
            shown = self.r.execute_command("XDELEX", "s", refs, "IDS", len(ids), *(f"{id}-1" for id in ids))
            assert shown == [self._delete(id, refs) for id in ids]

    @rule(name=GROUPS, refs=REFS, ids=st.lists(st.integers(1, 30), min_size=1, max_size=5))
    def acknowledge_and_delete(self, name, refs, ids):
        wanted = []
        for id in ids:
            there = name in self.groups and self.groups[name][1].pop(id, None) is not None
            wanted.append((2 if self._delete(id, refs) == 2 else 1) if there else -1)
        assert self.r.execute_command("XACKDEL", "s", name, refs, "IDS", len(ids), *(f"{id}-1" for id in ids)) == wanted

    @rule(length=st.integers(0, 12), refs=REFS)
    def trim(self, length, refs):
        gone = 0
        for id in list(self.entries):
            if len(self.entries) > length:
                gone += self._delete(id, refs) == 1
        assert self.r.execute_command("XTRIM", "s", "MAXLEN", length, refs) == gone

    @rule(name=GROUPS, consumer=CONSUMERS, ids=st.lists(st.integers(1, 30), min_size=1, max_size=4, unique=True), force=st.booleans(), only_ids=st.booleans())
    def claim(self, name, consumer, ids, force, only_ids):
        if name not in self.groups:
            return
        pending, claimed = self.groups[name][1], []
        for id in ids:
            if id not in self.entries:
                pending.pop(id, None)
                continue
            if id not in pending and force:
                pending[id] = [consumer, 1]
            if id in pending:
                pending[id] = [consumer, pending[id][1] + (not only_ids)]
                claimed.append(id)
        got = self.r.xclaim("s", name, consumer, 0, [f"{id}-1" for id in ids], force=force, justid=only_ids)
        assert got == ([f"{id}-1" for id in claimed] if only_ids else self._shown(claimed))

    @rule(name=GROUPS, consumer=CONSUMERS, start=st.integers(0, 20), count=st.integers(1, 5))
    def claim_by_itself(self, name, consumer, start, count):
        if name not in self.groups:
            return
        pending, claimed, lost = self.groups[name][1], [], []
        following = sorted(id for id in pending if id >= start)
        for id in following[:count]:
            if id in self.entries:
                pending[id] = [consumer, pending[id][1] + 1]
                claimed.append(id)
            else:
                del pending[id]
                lost.append(f"{id}-1")
        cursor = f"{following[count]}-1" if len(following) > count else "0-0"
        assert self.r.xautoclaim("s", name, consumer, 0, f"{start}-1", count) == [cursor, self._shown(claimed), lost]

    @rule(name=GROUPS, consumer=CONSUMERS)
    def remove_consumer(self, name, consumer):
        if name in self.groups:
            pending = self.groups[name][1]
            mine = [id for id, (whose, _) in pending.items() if whose == consumer]
            assert self.r.xgroup_delconsumer("s", name, consumer) == len(mine)
            for id in mine:
                del pending[id]

    @rule()
    def copy(self):
        if self.entries or self.groups:
            assert self.r.copy("s", "copy", replace=True)
            assert self.r.xrange("copy") == self.r.xrange("s")
            one, two = (self.r.execute_command("XINFO", "STREAM", key, "FULL", "COUNT", 0) for key in ("s", "copy"))
            assert one == two
            self.r.rename("copy", "s")

    @invariant()
    def the_same(self):
        if not hasattr(self, "r"):
            return
        assert self.r.xrange("s") == self._shown(self.entries)
        assert self.r.xrevrange("s") == self._shown(self.entries)[::-1]
        assert self.r.xlen("s") == len(self.entries)
        for name, (last, pending) in self.groups.items():
            shown = self.r.xpending_range("s", name, "-", "+", 1000)
            assert [(one["message_id"], one["consumer"], one["times_delivered"]) for one in shown] == \
                [(f"{id}-1", *pending[id]) for id in sorted(pending)]
        if self.entries or self.groups:
            assert [(one["name"], one["last-delivered-id"], one["pending"]) for one in self.r.xinfo_groups("s")] == \
                [(name, f"{last}-1", len(pending)) for name, (last, pending) in sorted(self.groups.items())]

    def teardown(self):
        if hasattr(self, "r"):
            self.r.close()


TestStreamsAndGroups = StreamsAndGroups.TestCase
TestStreamsAndGroups.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


def test_each_entry_goes_to_one_consumer():
    """Ten threads wait for the same group; what one of them is given nobody else gets, and nothing is left."""
    r = hutch.Redis()
    r.xgroup_create("s", "g", "0", mkstream=True)
    got = [[] for _ in range(THREADS)]
    together = threading.Barrier(THREADS)

    def work(i):
        together.wait()
        if i == 0:
            for number in range(4000):
                r.xadd("s", {"n": number})
                if number % 50 == 0:
                    time.sleep(0.001)        # they wait again
        while True:
            reply = r.xreadgroup("g", f"c{i}", {"s": ">"}, count=1 + i, block=300)
            if not reply:
                return
            ids = [id for id, _ in reply[0][1]]
            got[i] += [fields[b"n"] for _, fields in reply[0][1]]
            assert r.xack("s", "g", *ids) == len(ids)

    run_in_threads(work)
    assert sorted(int(number) for mine in got for number in mine) == list(range(4000))
    assert r.xpending("s", "g")["pending"] == 0
    assert all(list(map(int, mine)) == sorted(map(int, mine)) for mine in got)       # each one in order
    r.close()


def test_nothing_is_lost_when_consumers_crash():
    """Consumers that forget what they were given: others take it over, and every entry is acknowledged once."""
    r = hutch.Redis()
    r.xgroup_create("s", "g", "0", mkstream=True)
    total, acknowledged, lock = 3000, {}, threading.Lock()

    def settle(ids):
        for id in ids:
            if r.xack("s", "g", id):
                with lock:
                    acknowledged[id] = acknowledged.get(id, 0) + 1

    def work(i):
        chance = random.Random(i)
        if i == 0:
            for number in range(total):
                r.xadd("s", {"n": number})
        life = 0
        end = time.monotonic() + 60
        while len(acknowledged) < total and time.monotonic() < end:
            name = f"c{i}-{life}"
            if chance.random() < 0.7:
                reply = r.xreadgroup("g", name, {"s": ">"}, count=5, block=5)
                ids = [id for id, _ in reply[0][1]] if reply else []
            else:
                ids = [id for id, _ in r.xautoclaim("s", "g", name, 20, count=20)[1]]
            if chance.random() < 0.2:
                life += 1                # it crashed: what it was given stays pending
                continue
            settle(ids)

    run_in_threads(work)
    assert len(acknowledged) == total and set(acknowledged.values()) == {1}
    assert r.xpending("s", "g")["pending"] == 0
    assert r.xinfo_groups("s")[0]["lag"] == 0
    r.close()


def test_a_wait_ends():
    r = hutch.Redis(decode_responses=True)
    results = {}
    threads = [threading.Thread(target=lambda i=i: results.__setitem__(i, r.xread({"s": "$"}, block=20_000))) for i in range(3)]
    for thread in threads:
        thread.start()
    while r.info("clients")["blocked_clients"] < 3:
        time.sleep(0.001)
    id = r.xadd("s", {"f": "v"})
    for thread in threads:
        thread.join(60)
    assert list(results.values()) == [[["s", [(id, {"f": "v"})]]]] * 3
    started = time.monotonic()
    assert r.xread({"s": "$"}, block=30) == [] and time.monotonic() - started >= 0.029
    r.close()


def test_ids_follow_the_clock():
    r = hutch.Redis(decode_responses=True)
    before = int(time.time() * 1000)
    ids = [tuple(map(int, r.xadd("s", {"f": "v"}).split("-"))) for _ in range(2000)]
    assert ids == sorted(set(ids)) and before <= ids[0][0] and ids[-1][0] <= time.time() * 1000 + 1
    r.xadd("s", {"f": "v"}, id="99999999999999-7")
    assert r.xadd("s", {"f": "v"}) == "99999999999999-8"         # the clock is behind: the ID is not
    r.close()


@pytest.mark.parametrize("command", ["DEL", "UNLINK", "SET", "FLUSHALL"])
def test_a_large_stream_goes(command):
    """With its pending entries, and off the command's way."""
    r = hutch.Redis()
    r.set("k", "v")
    empty = r.info("memory")["used_memory"]
    with r.pipeline(transaction=False) as pipe:
        for number in range(30_000):
            pipe.xadd("s", {"n": number, "text": "x" * 40})
        pipe.execute()
    r.xgroup_create("s", "g", "0")
    for name in "abc":
        r.xreadgroup("g", name, {"s": ">"}, count=10_000)
    size = r.memory_usage("s")
    assert size > 30_000 * 100
    full = r.info("memory")["used_memory"]
    assert abs(full - empty - size) < 200_000
    r.execute_command(command, *(("s", "v") if command == "SET" else () if command == "FLUSHALL" else ("s",)))
    end = time.monotonic() + 20
    while r.info("memory")["used_memory"] > empty + 300_000:
        assert time.monotonic() < end
        time.sleep(0.01)
    r.close()


def every_method(r):
    """What redis-py's methods return: IDs and times are given, or left out."""
    shown = []
    show = shown.append
    for number in range(1, 8):
        show(r.xadd("s", {"a": number, "b": "x"}, id=f"{number}-1", maxlen=6, approximate=False))
    show(r.xadd("n", {"a": 1}, nomkstream=True))
    show(r.xadd("s", {"a": 1}, id="8-*", minid="3-0", approximate=False, ref_policy="DELREF"))
    show(r.xlen("s"))
    show(r.xrange("s", count=2))
    show(r.xrange("s", "(3-1", "5"))
    show(r.xrevrange("s", count=2))
    show(r.xread({"s": "5-1"}, count=1))
    show(r.xread({"s": "5-1", "n": "0", "t": "$"}))
    show(r.xread({"s": "+"}))
    show(r.xread({"s": "$"}, block=1))
    show(r.xgroup_create("s", "g", "0"))
    show(r.xgroup_create("m", "g", "$", mkstream=True, entries_read=0))
    show(r.xgroup_createconsumer("s", "g", "c"))
    show(r.xreadgroup("g", "c", {"s": ">"}, count=3))
    show(r.xreadgroup("g", "d", {"s": ">", "m": ">"}, count=1))
    show(r.xreadgroup("g", "d", {"m": ">"}))
    show(r.xdel("s", "3-1"))
    show(r.xreadgroup("g", "c", {"s": "0"}))
    show(r.xpending("s", "g"))
    show(r.xpending("m", "g"))
    show([{name: value for name, value in one.items() if name != "time_since_delivered"} for one in r.xpending_range("s", "g", "-", "+", 9)])
    show(r.xpending_range("s", "g", "-", "+", 9, idle=100_000))
    show(r.xclaim("s", "g", "d", 0, ["4-1"]))
    show(r.xclaim("s", "g", "d", 0, ["4-1", "5-1"], justid=True))
    show(r.xautoclaim("s", "g", "e", 0, count=2))
    show(r.xautoclaim("s", "g", "e", 0, justid=True))
    show(r.xack("s", "g", "4-1", "9-9"))
    show(r.xackdel("s", "g", "5-1", "9-9", ref_policy="ACKED"))
    show(r.xdelex("s", "6-1", "9-9", ref_policy="ACKED"))
    show(r.xinfo_stream("s"))
    show(r.xinfo_stream("m"))
    show([{name: value for name, value in one.items() if name not in ("idle", "inactive")} for one in r.xinfo_consumers("s", "g")])
    show(r.xinfo_groups("s"))
    full = r.xinfo_stream("s", full=True)
    for group in full["groups"]:
        for name, value in list(group.items()):
            if name in (b"pending", "pending", b"consumers", "consumers"):
                group[name] = len(value)
    show(full)
    show(r.xgroup_setid("s", "g", "0"))
    show(r.xgroup_delconsumer("s", "g", "d"))
    show(r.xtrim("s", maxlen=2, approximate=False))
    show(r.xtrim("s", maxlen=0))
    show(r.xgroup_destroy("s", "g"))
    show(r.type("s"))
    show(r.object("encoding", "s"))
    for call in (lambda: r.xadd("s", {"a": 1}, id="1-1"), lambda: r.xreadgroup("no", "c", {"s": ">"}), lambda: r.xinfo_stream("no"),
                 lambda: r.xgroup_create("m", "g"), lambda: r.xadd("s", {})):
        try:
            show(call())
        except Exception as error:
            show((type(error).__name__, str(error)))
    return shown


@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}, {"protocol": 3, "decode_responses": True}], ids=str)
def test_redis_py_returns_the_same(oracle, options):
    with redis.Redis(host=oracle.host, port=oracle.port, **options) as theirs, hutch.Redis(**options) as ours:
        theirs.flushall()
        for one, two in zip(every_method(ours), every_method(theirs), strict=True):
            assert one == two
