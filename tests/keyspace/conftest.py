"""Fixtures of the tests of the keyspace: an engine of this process, without a listener."""
import pytest

from subjects import EmbeddedSubject


@pytest.fixture
def store(embedded):
    subject = EmbeddedSubject()
    yield subject
    subject.engine.close()


@pytest.fixture
def client(store):
    return store.open()
