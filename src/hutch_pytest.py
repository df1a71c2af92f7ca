"""The pytest plugin: fixtures for tests of programs that use Redis or Hutch (docs/testing.md).

It is apart from the package `hutch` so that test runs that use none of it do not load the engine; what the fixtures need is imported
by the first test that asks for one.

All fixtures of a test share one store, which is that test's own: keys, CONFIG, scripts, users, sessions and subscriptions of other
tests cannot be in it, and it lies in this process, so workers of xdist have nothing to do with each other.

    @pytest.mark.hutch(decode_responses=True, protocol=3, name="sessions", parameters={"maxmemory": "1mb"}, clock="follow", patch=True)

The ini options hutch_decode_responses, hutch_protocol, hutch_clock and hutch_patch are the same for all tests.
"""
from contextlib import contextmanager

import pytest

_MARKS = frozenset({"decode_responses", "protocol", "name", "parameters", "clock", "patch", "db", "encoding"})
_CLOCKS = ("held", "running", "follow")


def pytest_addoption(parser):
    """Make the ini options known."""
    parser.addini("hutch_decode_responses", "hutch_redis and hutch_async answer str instead of bytes", type="bool", default=False)
    parser.addini("hutch_protocol", "the RESP protocol of hutch_redis and hutch_async: 2 or 3", default="")
    parser.addini("hutch_clock", "hutch_clock is held, running, or does as freezegun and time-machine do: held, running, follow",
                  default="held")
    parser.addini("hutch_patch", "true: every test runs under a hutch.testing.patch() of its own, but for those marked hutch(patch=False); "
                                 "session, session-sockets: the whole run is under one, which begins before tests are collected",
                  default="false")


def pytest_configure(config):
    """Make the marker known."""
    config.addinivalue_line("markers", "hutch(decode_responses, protocol, name, db, encoding, parameters, clock, patch): "
                                       "what the store and the clients of the hutch fixtures are like")
    kind = _patched(config)
    if kind.startswith("session"):
        from hutch.testing.patching import Patch
        patch = Patch(sockets=kind == "session-sockets").start()
        config.add_cleanup(patch.stop)


def _patched(config):
    value = str(config.getini("hutch_patch")).strip().lower()
    if value in ("false", "no", "off", "0", ""):
        return ""
    if value in ("true", "yes", "on", "1"):
        return "test"
    if value not in ("session", "session-sockets"):
        raise pytest.UsageError(f"hutch_patch is true, false, session or session-sockets, not {value!r}")
    return value


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Tests that are to run under a patch get it before their other fixtures."""
    everywhere = _patched(config) == "test"
    for item in items:
        marker = item.get_closest_marker("hutch")
        wanted = everywhere if marker is None else marker.kwargs.get("patch", everywhere)
        names = getattr(item, "fixturenames", None)
        if wanted and names is not None and "hutch_patch" not in names:
            names.insert(0, "hutch_patch")


def _marked(request):
    found = {}
    for marker in reversed(list(request.node.iter_markers("hutch"))):        # the nearest one last
        if marker.args or not _MARKS.issuperset(marker.kwargs):
            raise pytest.UsageError(f"the marker hutch takes {', '.join(sorted(_MARKS))}, by name")
        found.update(marker.kwargs)
    return found


def _client_options(request):
    marked = _marked(request)
    options = {name: marked[name] for name in ("decode_responses", "protocol", "db", "encoding") if name in marked}
    config = request.config
    if "decode_responses" not in options and config.getini("hutch_decode_responses"):
        options["decode_responses"] = True
    if "protocol" not in options and config.getini("hutch_protocol"):
        options["protocol"] = int(config.getini("hutch_protocol"))
    return options


@pytest.fixture
def hutch_store(request):
    """A hutch.Store for this test alone, which all other fixtures lead to. With `name` in the marker it also goes by that name, as
    hutch.Redis(name) asks for it."""
    from hutch.testing.fixtures import named_for_now
    from hutch.store import Store
    marked = _marked(request)
    store = Store(**marked.get("parameters", {}))
    try:
        if marked.get("name"):
            with named_for_now(store, marked["name"]):
                yield store
        else:
            yield store
    finally:
        store.close()


@pytest.fixture
def hutch_redis(request, hutch_store):
    """A hutch.Redis on the test's store."""
    from hutch.testing.fixtures import fresh_client
    client = fresh_client(hutch_store, **_client_options(request))
    yield client
    client.close()


@pytest.fixture
def hutch_async(request, hutch_store):
    """A hutch.asyncio.Redis on the test's store, for whatever runs the test's event loop."""
    from hutch.testing.fixtures import fresh_async_client
    return fresh_async_client(hutch_store, **_client_options(request))


@pytest.fixture
def hutch_server(hutch_store):
    """A hutch.Server that serves the test's store on a free port of 127.0.0.1: `.url` is for code in other processes."""
    from hutch.server import Server
    with Server(hutch_store, port=0) as server:
        yield server


@pytest.fixture
def hutch_proxy(hutch_server):
    """A hutch.testing.FaultProxy before hutch_server: who connects to its `.url`, in whatever process, meets the faults that are injected
    into it."""
    from hutch.testing.proxy import FaultProxy
    with FaultProxy(hutch_server) as proxy:
        yield proxy


@contextmanager
def _clock(request, make):
    kind = _marked(request).get("clock") or request.config.getini("hutch_clock")
    if kind not in _CLOCKS:
        raise pytest.UsageError(f"hutch_clock is {', '.join(_CLOCKS)}, not {kind!r}")
    clock = make()
    try:
        if kind == "follow":
            clock.follow()
        elif kind == "running":
            clock.run()
        yield clock
    finally:
        clock.release()


@pytest.fixture
def hutch_clock(request, hutch_store):
    """The hutch.testing.Clock of the test's store, and of the stores of hutch_patch where the test has one: held, unless the marker or
    the ini option says "running" or "follow"."""
    from hutch.testing.clock import Clock
    patch = request.getfixturevalue("hutch_patch") if "hutch_patch" in request.fixturenames else None

    def make():
        if patch is None:
            return Clock(hutch_store)
        patch.clock.add(hutch_store)
        return patch.clock

    with _clock(request, make) as clock:
        yield clock


@pytest.fixture
def hutch_patch(request):
    """A hutch.testing.Patch that is at work during the test: redis-py's clients lead to stores of this process."""
    from hutch.testing.patching import Patch
    with Patch(**_marked(request).get("parameters", {})) as patch:
        yield patch
