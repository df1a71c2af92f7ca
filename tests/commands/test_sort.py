"""What the comparison with Redis does not show of SORT: effects, refused memory, scripts, and a model for large sorts."""
import random

import pytest
from hypothesis import given, settings, strategies as st

Store = pytest.importorskip("shims.commands").Store
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
EVERYTHING = 0xFFFF
IN_SCRIPT = 2


def run(store, *argv, **options):
    return store.run([word if isinstance(word, bytes) else str(word).encode() for word in argv], **options)


def array(*items):
    return b"*%d\r\n" % len(items) + b"".join(b"$%d\r\n%s\r\n" % (len(item), item) for item in items)


def items_of(reply):
    """An array of bulk strings and nulls."""
    head, rest = reply.split(b"\r\n", 1)
    assert head[:1] == b"*"
    found = []
    for _ in range(int(head[1:])):
        size, rest = rest.split(b"\r\n", 1)
        found.append(None if size == b"$-1" else rest[:int(size[1:])])
        rest = rest if size == b"$-1" else rest[int(size[1:]) + 2:]
    assert rest == b""
    return found


def names(effects):
    return [(effect[0], effect[2]) for effect in effects]


def test_effects_of_store():
    store = Store()
    run(store, "RPUSH", "l", 3, 1, 2)
    store.want(True, EVERYTHING)
    assert names(run(store, "SORT", "l", "STORE", "d")[1]) == [("new", b"d"), ("touched", b"d"), ("sortstore", b"d")]
    assert names(run(store, "SORT", "l", "STORE", "d")[1]) == [("touched", b"d"), ("overwritten", b"d"), ("sortstore", b"d")]
    run(store, "SET", "d", "x", "EX", 100)
    assert names(run(store, "SORT", "l", "STORE", "d")[1]) == [
        ("touched", b"d"), ("overwritten", b"d"), ("type_changed", b"d"), ("sortstore", b"d")]
    assert run(store, "TTL", "d")[0] == b":-1\r\n"
    assert names(run(store, "SORT", "nosuch", "STORE", "d")[1]) == [("keymiss", b"nosuch"), ("touched", b"d"), ("del", b"d")]
    assert names(run(store, "SORT", "nosuch", "STORE", "d")[1]) == [("keymiss", b"nosuch")]
    assert names(run(store, "SORT", "l", "BY", "q_*", "GET", "#")[1]) == [("keymiss", b"q_%d" % n) for n in (3, 1, 2)]
    assert run(store, "SORT_RO", "l")[1] == []


def test_dirty_counts_what_is_stored():
    store = Store()
    run(store, "RPUSH", "l", 3, 1, 2)
    for command, change in ((("SORT", "l", "GET", "#", "GET", "w_*", "STORE", "d"), 6), (("SORT", "l"), 0),
                            (("SORT", "nosuch", "STORE", "d"), 1), (("SORT", "nosuch", "STORE", "d"), 0)):
        before = store.counters()["dirty"]
        run(store, *command)
        assert store.counters()["dirty"] - before == change


def test_a_set_in_a_script_has_an_order():
    store = Store()
    run(store, "SADD", "s", "b", "10", "9", "a")
    assert run(store, "SORT", "s", "BY", "nosort", "DESC", flags=IN_SCRIPT)[0] == array(b"b", b"a", b"9", b"10")
    assert run(store, "SORT_RO", "s", "BY", "nosort", flags=IN_SCRIPT)[0] == array(b"10", b"9", b"a", b"b")


def test_a_key_sorted_into_itself():
    store = Store()
    run(store, "RPUSH", "l", *range(400, 0, -1))
    assert run(store, "SORT", "l", "STORE", "l")[0] == b":400\r\n"
    assert items_of(run(store, "LRANGE", "l", 0, -1)[0]) == [b"%d" % n for n in range(1, 401)]
    run(store, "SADD", "s", 3, 1, 2)
    assert run(store, "SORT", "s", "STORE", "s")[0] == b":3\r\n"
    assert run(store, "TYPE", "s")[0] == b"+list\r\n"


@pytest.mark.parametrize("command", (
    ("SORT", "l"), ("SORT", "l", "ALPHA"), ("SORT", "l", "BY", "w_*", "ALPHA"), ("SORT", "l", "STORE", "d"), ("SORT", "s"),
    ("SORT", "l", "GET", "w_*", "STORE", "d"), ("SORT", "l", "BY", "nosort", "STORE", "d"),
))
def test_refused_memory_changes_nothing(command):
    for allowed in (*range(12), 50, 200, 10**6):
        store = Store()
        run(store, "RPUSH", "l", *(b"%d" % n * 40 for n in range(10, 300)))
        run(store, "SADD", "s", *range(1000))
        for n in range(10, 300, 3):
            run(store, "SET", b"w_" + b"%d" % n * 40, n)
        run(store, "SET", "d", "before")
        used = store.used_bytes
        store.fail_after(allowed)
        reply = run(store, *command)[0]
        store.fail_after()
        if reply == OOM:
            assert store.used_bytes == used
            assert run(store, "GET", "d")[0] == b"$6\r\nbefore\r\n"
        else:
            assert reply[:1] in b"*:"
        run(store, "FLUSHALL")
        if allowed == 0:
            assert reply == OOM
    assert reply != OOM


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 10**9), st.booleans(), st.booleans(), st.booleans())
def test_large_sorts(count, seed, alpha, descending, by):
    chance = random.Random(seed)
    elements = [b"%d" % chance.randint(-count, count) for _ in range(count)]
    store = Store()
    for at in range(0, count, 50):
        run(store, "RPUSH", "l", *elements[at:at + 50])
    weights = {}
    if by:
        for element in set(elements):
            if chance.random() < 0.9:
                weights[element] = b"%d" % chance.randint(0, 50)
                run(store, "SET", b"w_" + element, weights[element])

    def order(element):
        weight = weights.get(element) if by else element
        if alpha:
            return (weight is not None, weight or b"")
        return int(weight or 0), element
    # Equal ones stay in their order, with reverse as well.
    expected = sorted(elements, key=order, reverse=descending)
    command = ["SORT", "l", *(["BY", "w_*"] if by else []), *(["ALPHA"] if alpha else []), *(["DESC"] if descending else [])]
    assert items_of(run(store, *command)[0]) == expected
    start, limit = chance.randint(0, count), chance.randint(0, 40)
    assert items_of(run(store, *command, "LIMIT", start, limit)[0]) == expected[start:start + limit]
