"""A connection without a socket that event loops can wait for.

kombu and Celery send a blocking command, give the socket's descriptor to epoll, and read when it is readable. Here the
descriptor is a bell's: native threads ring it when a session was served. A command that would wait is submitted instead of
executed, so that no thread ever waits in it.
"""
import select
import time

from redis.exceptions import ConnectionError

from hutch_engine.door.submissions import LATER, WAITING, Doorbell, Submission, listen

from .connection import REPLY, EmbeddedConnection, Line
from .exceptions import StoreClosedError

_WAIT = frozenset({"BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "XREAD", "XREADGROUP",
                   "WAIT", "WAITAOF"})
_LATER_S = 0.01                  # CLIENT PAUSE: how long until another look


class _Watcher:
    """Stands where a Doorbell expects a future: who is woken looks for himself."""

    @staticmethod
    def done():
        return True


class WatchedLine(Line):
    """Stands where a socket is expected, with a descriptor that is readable when there is something to read."""

    def __init__(self, session):
        super().__init__(session)
        self.bell = None         # made when somebody wants to wait

    def fileno(self):
        """The descriptor of the bell, which is made at the first call; -1 when the line is closed. OSError when no descriptor
        is left."""
        if self._session is None:
            return -1
        if self.bell is None:
            self.bell = Doorbell()
            listen(self._session, self.bell, _Watcher)
        return self.bell.fileno()

    def close(self):
        """End the session and the descriptor. May be called again."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        self.bell = None         # the descriptor ends with it, and selectors forget it


class WatchedConnection(EmbeddedConnection):
    """One session of a store, to be waited for by its descriptor."""

    def __init__(self, *args, **kwargs):
        self._later = False      # what was submitted can go on at another time
        super().__init__(*args, **kwargs)

    def _connect(self):
        super()._connect()
        return WatchedLine(self.session)

    # ---- the descriptor

    def _advance(self):
        """Go on with what was submitted. Is there a reply?"""
        incoming = self._incoming
        self._later = False
        while incoming:
            first = incoming[0][1]
            if isinstance(first, Submission) and not first.is_done:
                state = first.step()
                if state is LATER:
                    self._later = True
                    return False
                if state is WAITING:
                    if first.park(self._sock.bell, _Watcher):
                        return False
                    continue     # served between the two
            if first:
                return True
            incoming.popleft()
        return False

    @staticmethod
    def _is_over(source):
        return not source and (not isinstance(source, Submission) or source.is_done)

    def _look(self):
        """Leave the descriptor readable exactly if there is something to read, or to do."""
        bell = self._sock.bell
        if bell is None:
            return               # nobody watches
        bell.answer()            # silent first: what comes while we look is heard
        try:
            if self._advance() or self._later or self._collect():
                bell.ring()
        except (StoreClosedError, ConnectionError):
            bell.ring()          # who reads is told

    def _wait(self, timeout=None):
        """Until the descriptor is readable. Other threads run meanwhile."""
        select.select([self._sock], [], [], timeout)

    # ---- sending

    def send_packed_command(self, command, check_health=True):
        """As EmbeddedConnection's, with the same errors; a blocking command that comes alone is submitted, and waits without a
        thread."""
        if len(command) == 1 and str(command[0][0]).upper() in _WAIT:
            self._submit(command, check_health)
        else:
            super().send_packed_command(command, check_health)
        self._look()

    def _submit(self, command, check_health):
        if self._sock is None:
            self.connect_check_health(check_health=False)
        if check_health and self.health_check_interval:
            self.check_health()
        self._sock.fileno()
        self._incoming.append((REPLY, Submission(self.session, command, True)))

    # ---- reading

    def _has_anything(self):
        if self._sock is None:
            return False
        try:
            return self._advance() or self._collect()
        except StoreClosedError as error:
            self.disconnect()
            raise ConnectionError(str(error)) from None
        except BaseException:
            self.disconnect()
            raise

    def can_read(self, timeout=0):
        """As EmbeddedConnection's, with the same errors; it waits for the descriptor, at most `timeout` seconds (None: without
        end)."""
        if self._sock is None:
            self.connect()
        found = self._has_anything()
        if not found and timeout != 0:
            self._sock.fileno()
            self._look()
            self._wait(timeout)
            found = self._has_anything()
        if self._sock is not None:
            self._look()
        return found

    def _next_response(self, *args):
        while not self._has_anything() and self._incoming:
            if self._later:
                time.sleep(_LATER_S)
            else:
                self._look()
                self._wait()
        return super()._next_response(*args)

    def read_response(self, *args, **kwargs):
        """As EmbeddedConnection's, with the same errors; the descriptor is silent after the last reply."""
        try:
            return super().read_response(*args, **kwargs)
        finally:
            if self._sock is not None:
                self._look()     # the descriptor is silent after the last one
