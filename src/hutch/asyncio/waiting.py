"""How a task waits for a store: on a future that the event loop's bell completes."""
import asyncio
import select
import threading
import weakref

from hutch_engine.door.submissions import DONE, WAITING, Doorbell, listen

from .undo_pop import undo_pop

LATER_S = 0.005                  # between two tries of a command that CLIENT PAUSE holds up
_bells = weakref.WeakKeyDictionary()      # loop -> its bell, which the loop holds: it holds the tasks that wait


def doorbell(loop) -> Doorbell:
    """The bell of this loop, whose thread is ours; made when there is none. OSError when no descriptor is left for it."""
    known = _bells.get(loop)
    bell = known() if known is not None else None
    if bell is None or not bell.is_ours:
        bell = Doorbell()
        try:
            loop.add_reader(bell.fileno(), bell.answer)
        except NotImplementedError:
            _Relay(loop, bell).start()
        _bells[loop] = weakref.ref(bell)
    return bell


class _Relay(threading.Thread):
    """Watches the bell for a loop that cannot watch descriptors."""

    def __init__(self, loop, bell):
        super().__init__(name="hutch-bell", daemon=True)
        self._loop = weakref.ref(loop)
        self._bell = bell
        self._answered = threading.Event()

    def _answer(self):
        self._bell.answer()
        self._answered.set()

    def run(self):
        while True:
            ready = select.select([self._bell.fileno()], [], [], 1.0)[0]
            loop = self._loop()
            if loop is None or loop.is_closed():
                return
            if ready:
                self._answered.clear()
                try:
                    loop.call_soon_threadsafe(self._answer)
                except RuntimeError:             # closed just now
                    return
                self._answered.wait(1.0)
            del loop


async def finish(submission) -> bool:
    """Let all commands of a submission run, waiting where they wait. Returns nothing; the replies are then in the submission.

    A cancelled wait is withdrawn from the store. If the command was answered before the cancellation was, what it took is put
    back and the cancellation goes on; only where that cannot be (the key has become something else), the answer is delivered
    and the cancellation is not. StoreClosedError when the store is closed or the session ends.
    """
    while True:
        state = submission.step()
        if state is DONE:
            return
        if state is not WAITING:
            try:
                await asyncio.sleep(LATER_S)
            except BaseException:
                submission.withdraw()
                raise
            continue
        loop = asyncio.get_running_loop()
        bell = doorbell(loop)
        future = loop.create_future()
        number = submission.park(bell, future)
        if not number:
            continue
        try:
            await future
        except BaseException as reason:
            if submission.withdraw() or _given_back(submission) or isinstance(reason, GeneratorExit):
                raise
        finally:
            bell.unpark(number, future)


async def noticed(session, look, timeout=None, among=None):
    """Wait until `look` finds something, and return it; or what it found last, `timeout` seconds later (None: without end).

    `look` is called whenever there is something new for the session: a message, or its end (then it raises StoreClosedError, as
    every call of a session does). What it found is returned at once: a task that is cancelled has found nothing. While the task
    waits, its future is in the set `among`: to complete it lets `look` be called again.
    """
    loop = asyncio.get_running_loop()
    bell = doorbell(loop)
    end = None if timeout is None else loop.time() + timeout
    timer = None
    while True:
        future = loop.create_future()
        number = listen(session, bell, future)
        try:
            found = look()
            if found or (end is not None and loop.time() >= end):
                return found
            if end is not None:
                timer = loop.call_at(end, complete, future)
            if among is not None:
                among.add(future)
            await future
        finally:
            bell.unpark(number, future)
            if timer is not None:
                timer.cancel()
            if among is not None:
                among.discard(future)


def complete(future):
    """Complete the future, with None, unless it is done already."""
    if not future.done():
        future.set_result(None)


def _given_back(submission):
    return undo_pop(submission.session, submission.waited_for, submission.last_reply())
