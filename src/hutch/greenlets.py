"""Waiting in threads whose greenlets take turns: gevent and eventlet.

A call that waits would stop the hub, and every greenlet of its thread with it. So where a hub runs, the present greenlet
waits for the hub's bell instead: a descriptor that the hub watches, and that native threads write to (base/bell).
Nothing is patched and nothing imported: whether the program uses gevent or eventlet is asked when a call is about to wait.
"""
import sys

from redis.exceptions import ConnectionError

from hutch_engine.door.waits import use_greenlets


class _Wake:
    """What a bell completes: one greenlet's wait."""
    __slots__ = ("_tell", "_done")

    def __init__(self, tell):
        self._tell = tell
        self._done = False

    def done(self):
        return self._done

    def set_result(self, result):
        self._done = True
        self._tell()


class _Hub:
    """A hub, its bell, and how many wait for that. The hub itself holds this object, as its attribute."""

    def __init__(self):
        from hutch_engine.door.submissions import Doorbell, listen
        self.bell = Doorbell()
        self._listen = listen
        self._waits = 0

    def wait(self, session, seconds, ticket):
        wait, tell = self._new_wait()
        wake = _Wake(tell)
        number = self._listen(session, self.bell, wake)
        if not self._waits:
            self._begin()                # only while somebody waits: a hub ends when it watches nothing any more
        self._waits += 1
        try:
            if not ticket.is_due:
                wait(seconds)
        finally:
            self._waits -= 1
            if not self._waits:
                self._end()
            self.bell.unpark(number, wake)


class _GeventHub(_Hub):
    def __init__(self, hub):
        import gevent
        from gevent.event import Event
        super().__init__()
        self._new_event = Event
        self._watcher = hub.loop.io(self.bell.fileno(), 1)
        self.sleep = gevent.sleep

    def _new_wait(self):
        event = self._new_event()
        return event.wait, event.set

    def _begin(self):
        self._watcher.start(self.bell.answer)

    def _end(self):
        self._watcher.stop()


class _EventletHub(_Hub):
    def __init__(self, hub):
        import eventlet
        from eventlet.event import Event
        super().__init__()
        self._new_event = Event
        self._timeout = eventlet.Timeout
        self._hub = hub
        self.sleep = eventlet.sleep

    def _new_wait(self):
        event = self._new_event()

        def wait(seconds):
            with self._timeout(seconds, False):
                event.wait()
        return wait, event.send

    def _begin(self):
        self._listener = self._hub.add(self._hub.READ, self.bell.fileno(), self._answer, self._ignore, self._ignore)

    def _end(self):
        self._hub.remove(self._listener)

    def _answer(self, descriptor):
        self.bell.answer()

    def _ignore(self, *anything):
        pass


def _hub_here():
    """The present thread's, or None where nobody else wants the thread."""
    modules = sys.modules
    if "gevent._hub_local" in modules:
        hub = modules["gevent._hub_local"].get_hub_if_exists()
        if hub is not None and hub.loop is not None and modules["greenlet"].getcurrent() is not hub:
            return _known(hub, _GeventHub)
    if "eventlet.hubs" in modules:
        hub = getattr(modules["eventlet.hubs"]._threadlocal, "hub", None)
        if hub is not None and modules["greenlet"].getcurrent() is not hub.greenlet:
            return _known(hub, _EventletHub)
    return None


def _known(hub, kind):
    known = getattr(hub, "_hutch_bell", None)
    if known is None or not known.bell.is_ours:          # a forked child has its parent's
        known = hub._hutch_bell = kind(hub)
    return known


def rest(session, seconds, ticket):
    """Let this greenlet wait until there is something for the session, at most `seconds` (None: without end) and not at all
    when `ticket` is due. Returns False, without waiting, where there are no greenlets."""
    hub = _hub_here()
    if hub is None:
        return False
    try:
        hub.wait(session, seconds, ticket)
    except ConnectionError:
        pass                             # the session is closed: the caller looks, and says so
    return True


def sleep(seconds):
    """Let other greenlets go on for so many seconds; returns False, without waiting, where there are none."""
    hub = _hub_here()
    if hub is None:
        return False
    hub.sleep(seconds)
    return True


use_greenlets(rest, sleep)
