"""Random damage to RDB files, under a right checksum and under a wrong one: refused cleanly or loaded cleanly.

HUTCH_RDB_ROUNDS=50 tries fifty times as many."""
import gc
import os
import random
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from kit.rdb_files import finished, key, resealed, selected
from kit.rdb_forms import length, string
from kit.waiting import wait_until
from test_rdb_reading import FORMS, WHOLE, Store, stream_form

ROUNDS = int(os.environ.get("HUTCH_RDB_ROUNDS", "1"))
DATA = Path(__file__).parent / "data"
# A file of every form that there is, and those of real servers.
EVERY_FORM = finished(selected(0) + b"".join(key(form, b"k:" + name.encode(), body) for name, (form, body, _) in FORMS.items())
                      + b"".join(key(form, b"s:%d" % form, stream_form(form)) for form in (15, 19, 21, 26, 27)), 15)
FILES = [EVERY_FORM, WHOLE, *(path.read_bytes() for path in sorted(DATA.glob("*.rdb")))]
INTERESTING = [b"\x00", b"\x01", b"\x3f", b"\x40", b"\x7f", b"\x80", b"\x81", b"\xc0", b"\xc3", b"\xfd", b"\xfe", b"\xff",
               b"\x80\xff\xff\xff\xff", b"\x80\x7f\xff\xff\xff", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff", b"\x81\x7f" + b"\xff" * 7,
               b"\x81\x00\x00\x00\x01\x00\x00\x00\x00", b"\x80\x40\x00\x00\x00"]
MOST_BYTES = 300_000_000                 # resident, more than before: a hundred times what the largest file could explain


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("damaged"), rdb_skip_unknown_types="yes")
    yield store
    store.close()


def damaged(data, changes):
    for kind, share, what in changes:
        at = 9 + int(share * (len(data) - 18))
        if kind == "flip":
            data = data[:at] + bytes([data[at] ^ what[0]]) + data[at + 1:]
        elif kind == "put":
            data = data[:at] + what + data[at + len(what):]
        elif kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "drop":
            data = data[:at] + data[at + len(what):]
        else:                            # "repeat": what stands there once more
            data = data[:at + 40] + data[at:]
    return data


def tried(store, data):
    """Load it; what is loaded can be walked, saved and loaded once more. Returns whether it was loaded."""
    try:
        store.load(data)
    except ValueError as error:
        assert str(error)
        return False
    for database in (0, 1):
        store("SELECT", database)
        for name in store("KEYS", "*")[:50]:
            store("MEMORY", "USAGE", name)
            assert store("DUMP", name)
    store("SELECT", 0)
    store("SAVE")
    assert store("DEBUG", "RELOAD", "NOSAVE") == b"OK"
    return True


def all_is_freed(store):
    """Housekeeping frees what a refused load leaves, in its own time."""
    wait_until(lambda: b"lazyfree_pending_objects:0\r\n" in store("INFO", "memory"))


changes = st.lists(st.tuples(st.sampled_from(("flip", "flip", "put", "put", "insert", "drop", "repeat")),
                             st.floats(0, 1, exclude_max=True),
                             st.one_of(st.sampled_from(INTERESTING), st.binary(min_size=1, max_size=6))), min_size=1, max_size=4)


@settings(max_examples=400 * ROUNDS, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=st.sampled_from(FILES), changes=changes, sealed=st.booleans())
def test_damaged_files(store, file, changes, sealed):
    data = damaged(file, changes)
    tried(store, resealed(data) if sealed else data)
    assert store("PING") == b"PONG"


def test_many_of_them_quickly(store):
    """One or two bytes somewhere, the checksum made right: what the real thing dies of in a few of a hundred."""
    generator = random.Random(20 + ROUNDS)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded = refused = 0
    for number in range(600 * ROUNDS):
        data = generator.choice(FILES)
        for _ in range(generator.choice((1, 1, 2, 5))):
            at = generator.randrange(9, len(data) - 8)
            what = generator.choice(INTERESTING) if generator.random() < 0.4 else bytes([generator.randrange(256)])
            data = data[:at] + what + data[at + len(what):]
        if tried(store, resealed(data)):
            loaded += 1
        else:
            refused += 1
    assert loaded > 20 * ROUNDS and refused > 100 * ROUNDS
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST_BYTES


def test_nothing_is_left_of_a_refused_file(store):
    """Memory goes back, whatever had been read before the damage."""
    store.load(WHOLE)
    data = (DATA / "redis-7.0.15.rdb").read_bytes()
    sizes = []
    for _ in range(6):
        for end in range(100, len(data), 997):
            with pytest.raises(ValueError):
                store.load(data[:end])
        all_is_freed(store)
        sizes.append(store.engine.used_memory)
    assert sizes[-1] <= sizes[1] + 4096, sizes


def test_a_file_of_a_real_server_that_is_cut_short_anywhere(store):
    for path in sorted(DATA.glob("*.rdb")):
        data = path.read_bytes()
        for end in range(0, len(data), 7 if ROUNDS > 1 else 61):
            with pytest.raises(ValueError):
                store.load(data[:end])


def test_values_nested_or_counted_beyond_reason(store):
    """Claims near 2^32 and 2^63, in every place where a number of things stands."""
    for number in (1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        for form in (1, 2, 3, 4, 5, 14, 18, 22, 24, 15, 19, 21, 26, 27):
            head = b"\0" * 8 if form == 24 else b""
            with pytest.raises(ValueError):
                store.load(finished(selected(0) + key(form, b"k", head + length(number) + string(b"x") * 3), 15))
        for body in (string(b"x")[:0] + length(number) + b"abc", b"\xc3" + length(3) + length(number) + b"abc",
                     b"\xc3" + length(number) + length(3) + b"abc"):
            with pytest.raises(ValueError):
                store.load(finished(selected(0) + key(0, b"k", body), 15))
        all_is_freed(store)
        assert store.engine.used_memory < 2_000_000
