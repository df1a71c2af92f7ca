"""Memory that the system refuses while a file is loaded: the load is refused, and everything is as it was."""
import gc

import pytest
from kit.rdb_files import finished, key, selected
from kit.rdb_forms import length, string
from test_rdb_damage import EVERY_FORM
from test_rdb_reading import DATA, Store

refusal = pytest.importorskip("shims.refusal", reason="the shims are not built")

LARGE = finished(selected(0) + b"".join(key(0, b"large:%d" % number, string(b"x" * 5000)) for number in range(40))
                 + key(2, b"set", length(3000) + b"".join(string(b"member:%d" % number) for number in range(3000)))
                 + key(1, b"list", length(300) + b"".join(string(b"element %d" % number * 20) for number in range(300))), 11)
FILES = {"forms": EVERY_FORM, "redis": (DATA / "redis-7.0.15.rdb").read_bytes(), "valkey": (DATA / "valkey-9.1.2.rdb").read_bytes(), "large": LARGE}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.close()


@pytest.mark.parametrize("small", [True] if refusal.CHECKED else [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_load_that_gets_no_memory_changes_nothing(store, name, small):
    store("SET", "kept", "1")
    store("EVAL", "return 1", 0)                 # Lua is there
    store.path.write_bytes(FILES[name])
    digest = store("DEBUG", "DIGEST")
    refused = 0
    allocations = 0
    while True:
        refusal.refuse_after(store.engine, allocations, small)
        try:
            store.engine.load(store.path)
            loaded = True
        except ValueError as error:
            assert "memory" in str(error) or "enough" in str(error), error
            loaded = False
        finally:
            left = refusal.relent(store.engine)
        refusal.check(store.engine)
        if loaded and left:
            break
        if not loaded:
            refused += 1
            assert store("DEBUG", "DIGEST") == digest and store("GET", "kept") == b"1"
        else:                                    # what was refused could be done without
            store("FLUSHALL")
            store("SET", "kept", "1")
        allocations += 1 if allocations < 40 else 23
    assert refused
    # The same with all the memory there is, and back again: nothing has been lost on the way.
    assert store.engine.load(store.path)["keys"] == store.engine.load(store.path)["keys"]
    gc.collect()
