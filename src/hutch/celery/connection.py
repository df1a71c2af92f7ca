"""A connection without a socket that event loops can wait for.

kombu and Celery send a blocking command, give the socket's descriptor to epoll, and read when it is readable. Here the
descriptor is a bell's: native threads ring it when a session was served. A command that would wait is submitted instead of
executed, so that no thread ever waits in it.
"""
import select
import time

from redis.exceptions import ConnectionError

from hutch_engine.door_async import LATER, WAITING, Doorbell, Submission

from ..connection import EmbeddedConnection, Line
from ..exceptions import StoreClosedError

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
        if self._session is None:
            return -1
        if self.bell is None:
            self.bell = Doorbell()
        return self.bell.fileno()

    def close(self):
        session, self._session = self._session, None
        if session is not None:
            session.close()
        self.bell = None         # the descriptor ends with it, and selectors forget it


class WatchedConnection(EmbeddedConnection):
    """One session of a store, to be waited for by its descriptor."""

    def _connect(self):
        super()._connect()
        return WatchedLine(self.session)

    # ---- sending

    def send_packed_command(self, command, check_health=True):
        if len(command) == 1 and str(command[0][0]).upper() in _WAIT:
            self._submit(command, check_health)
        else:
            super().send_packed_command(command, check_health)
        if self._sock.bell is not None:
            self._look()

    def _submit(self, command, check_health):
        if self._sock is None:
            self.connect_check_health(check_health=False)
        if check_health and self.health_check_interval:
            self.check_health()
        self._sock.fileno()
        self._replies.append(Submission(self.session, command, True))

    # ---- reading

    def _advance(self):
        """Go on with what was submitted: (is there a reply, is it worth another look soon)."""
        replies = self._replies
        while replies:
            first = replies[0]
            if isinstance(first, Submission) and not first.is_done:
                state = first.step()
                if state is LATER:
                    return False, True
                if state is WAITING:
                    if first.park(self._sock.bell, _Watcher):
                        return False, False
                    continue     # served between the two
            if first:
                return True, True
            replies.popleft()
        return False, False

    def _look(self):
        """As _advance; leaves the descriptor readable if it is worth another look."""
        line = self._sock
        if line is None:
            return False, False
        bell = line.bell
        if bell is not None:
            bell.answer()        # silent first: what comes while we look is heard
        try:
            found, again = self._advance()
        except StoreClosedError as error:
            self.disconnect()
            raise ConnectionError(str(error)) from None
        except BaseException:
            self.disconnect()
            raise
        if again and bell is not None:
            bell.ring()
        return found, again

    def has_replies(self):
        return self._look()[0]

    def can_read(self, timeout=0):
        if self._sock is None:
            self.connect()
        if self.has_replies():
            return True
        return bool(timeout) and self._wait(timeout) and self.has_replies()

    def _wait(self, timeout=None):
        return bool(select.select([self._sock], [], [], timeout)[0])

    def next_reply(self, disable_decoding=False):
        while self._replies:
            found, again = self._look()
            if found:
                break
            if again:
                time.sleep(_LATER_S)
            else:
                self._wait()
        reply = super().next_reply(disable_decoding)
        if self._sock is not None and self._sock.bell is not None:
            self._look()         # the descriptor is silent after the last one
        return reply
