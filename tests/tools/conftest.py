import pytest

from kit.tools import saved


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """An RDB file with something of everything, what is past its deadline among it."""
    return saved(tmp_path_factory.mktemp("dump") / "dump.rdb", past=True)
