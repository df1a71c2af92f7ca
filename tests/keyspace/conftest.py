"""Fixtures of the tests of the keyspace: an engine of this process, without a listener."""
import pytest

from kit.backends import EmbeddedBackend


@pytest.fixture
def store(embedded):
    backend = EmbeddedBackend()
    yield backend
    backend.engine.close()


@pytest.fixture
def client(store):
    return store.open()
