"""The random commands are fair: in each form of a value, where it shrank, and with every kind of count.

Chi-square tests over a store whose seed is fixed: what passes once passes always. The limit is the 99.99th percentile.
"""
from collections import Counter
from itertools import combinations, permutations

import pytest

import hutch
from kit.chi_square import chi_square, chi_square_limit

# Name of the random command, how members are made, how they go, a limit that makes the packed form large, and its value else.
KINDS = {
    "numbers": ("SRANDMEMBER", "SADD", lambda i: (i,), "SREM", "set-max-intset-entries", 512),
    "set": ("SRANDMEMBER", "SADD", lambda i: (f"m{i}",), "SREM", "set-max-listpack-entries", 128),
    "hash": ("HRANDFIELD", "HSET", lambda i: (f"m{i}", i), "HDEL", "hash-max-listpack-entries", 512),
    "sorted set": ("ZRANDMEMBER", "ZADD", lambda i: (i // 3, f"m{i}"), "ZREM", "zset-max-listpack-entries", 128),
}
FORMS = {"packed": 100_000, "usual": None, "large": 0}


def assert_fair(counts, choices, total):
    """`total` draws, each as likely to be any of the choices."""
    assert set(counts) <= set(choices)
    expected = total / len(choices)
    assert expected >= 10, "too few draws to tell"
    assert chi_square([counts[choice] for choice in choices], expected) < chi_square_limit(len(choices) - 1)


def filled(kind, form, size, shrunk):
    """A client, the random command and the members of key "k"; a shrunk one held forty times as many before."""
    draw, add, words, remove, limit, usual = KINDS[kind]
    client = hutch.Redis(store=hutch.Store(seed=len(kind) * 100 + size), decode_responses=True)
    client.config_set(limit, usual if FORMS[form] is None else FORMS[form])
    most = size * 40 if shrunk else size
    for start in range(0, most, 500):
        client.execute_command(add, "k", *(word for i in range(start, min(most, start + 500)) for word in words(i)))
    names = [str(words(i)[0 if kind != "sorted set" else 1]) for i in range(most)]
    # Every fortieth stays, so that survivors lie all over the table.
    left = names[::most // size]
    for start in range(0, most, 500):
        gone = [name for name in names[start:start + 500] if name not in set(left)]
        if gone:
            client.execute_command(remove, "k", *gone)
    return client, draw, left


def drawn(client, draw, *count):
    answer = client.execute_command(draw, "k", *count)
    return answer if isinstance(answer, list) else [answer]


@pytest.mark.parametrize("shrunk", [False, True], ids=["grown", "shrunk"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_member_is_as_likely(kind, form, shrunk):
    client, draw, names = filled(kind, form, 60, shrunk)
    # One, one of a list, some different, nearly all, more than all with repetitions.
    for count in ((), (1,), (-1,), (3,), (25,), (55,), (-3,), (-100,)):
        counts = Counter()
        while counts.total() < 6000:
            members = drawn(client, draw, *count)
            if count and count[0] > 0:
                assert len(members) == len(set(members)) == count[0]
            counts.update(members)
        if count not in ((25,), (55,)):
            assert_fair(counts, names, counts.total())
        else:
            # Without repetition counts vary less than the test expects; that each comes about as often is enough.
            rounds = counts.total() / count[0]
            share = count[0] / 60
            spread = (rounds * share * (1 - share)) ** 0.5
            assert all(abs(counts[name] - rounds * share) < 4.5 * spread for name in names)
    assert sorted(drawn(client, draw, 60)) == sorted(drawn(client, draw, 1000)) == sorted(names)
    client.close()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_choice_is_as_likely(kind, form):
    """Not only members for themselves: pairs, and triples, and what is left out."""
    client, draw, names = filled(kind, form, 7, True)
    for count in (2, 3, 6):
        choices = [tuple(sorted(choice)) for choice in combinations(names, count)]
        total = 40 * len(choices)
        assert_fair(Counter(tuple(sorted(drawn(client, draw, count))) for _ in range(total)), choices, total)
    # With repetition each place is drawn for itself.
    pairs = [*permutations(names, 2), *((name, name) for name in names)]
    assert_fair(Counter(tuple(drawn(client, draw, -2)) for _ in range(2000)), pairs, 2000)
    client.close()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["hash", "sorted set"])
def test_values_come_with_their_members(kind, form):
    client, draw, names = filled(kind, form, 30, True)
    values = client.hgetall("k") if kind == "hash" else dict(client.zrange("k", 0, -1, withscores=True))
    word = "WITHVALUES" if kind == "hash" else "WITHSCORES"
    for count in (5, 29, 30, 99, -5, -99):
        flat = client.connection_pool.get_connection()
        flat.send_command(draw, "k", count, word)
        answer = flat.read_response()
        client.connection_pool.release(flat)
        pairs = answer if answer and isinstance(answer[0], (list, tuple)) else list(zip(answer[::2], answer[1::2]))
        assert len(pairs) == (min(count, 30) if count > 0 else -count)
        assert all(float(values[name]) == float(value) for name, value in pairs)
    client.close()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["numbers", "set"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_spop_is_fair_where_the_set_shrank(kind, form, count):
    client, _, names = filled(kind, form, 6, True)
    choices = [tuple(sorted(choice)) for choice in combinations(names, count)]
    gone = Counter()
    total = 100 * len(choices)
    for _ in range(total):
        out = client.spop("k", count)
        gone[tuple(sorted(map(str, out)))] += 1
        client.sadd("k", *out)
    assert_fair(gone, choices, total)
    client.close()
