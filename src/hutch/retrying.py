"""When a call may be run again, after the process that owned the store ended amid it.

What became of a command follows from how the connection ended. Where the first write failed, nothing was sent. Where a later one
failed, or reading failed with ECONNRESET, the owner had not read to the end of what was sent (Linux says so of Unix sockets: an end that is closed with unread bytes resets the
other), so the last command did not run. Where the connection just ended, all was read: it may have run.
"""
import errno
import functools
import sys
import time

from .exceptions import OwnerLostError

# How a connection ended: not at all, before anything was sent, before the owner had read all, after it.
NOT_LOST, NOT_SENT, NOT_READ, READ = range(4)

# Commands without the flag "write" that change something all the same, or tell somebody.
_NOT_TWICE = frozenset({"EVAL", "EVALSHA", "FCALL", "PUBLISH", "SPUBLISH", "EXEC", "FUNCTION", "SHUTDOWN", "DEBUG", "BGSAVE",
                        "BGREWRITEAOF", "CLUSTER", "FAILOVER", "REPLICAOF", "SLAVEOF", "MODULE"})
# Writes that leave the same and answer the same when they are run twice in a row.
_SAME_AGAIN = frozenset({"MSET", "SETEX", "PSETEX", "HMSET", "LSET", "FLUSHALL", "FLUSHDB", "PFMERGE", "SORT_RO", "TOUCH"})
_SET_CONDITIONS = frozenset({"NX", "XX", "GET", "IFEQ", "IFNE", "IFDEQ", "IFDNE"})
# Waiting commands that were sent longer ago than this were waiting, as far as anybody can tell.
WAITED_S = 0.1
_LAST_SECONDS = frozenset({"BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX", "BLMOVE", "BRPOPLPUSH"})
_FIRST_SECONDS = frozenset({"BLMPOP", "BZMPOP"})

ON_LINUX = sys.platform.startswith("linux")


def how_it_ended(error, reading, sent=True) -> int:
    """NOT_SENT, NOT_READ or READ, from the OSError that a socket raised (None: it ended without one) while reading or writing. `sent`:
    something was written before."""
    if error is None:
        return READ
    if not reading:
        return NOT_READ if sent else NOT_SENT
    return NOT_READ if ON_LINUX and error.errno == errno.ECONNRESET else READ


@functools.lru_cache(maxsize=None)
def _declared():
    """Names of the commands that change nothing, and of those that may wait: from the engine's own declarations."""
    from hutch_engine.door.engine import Engine
    engine = Engine(1)
    try:
        commands = engine.session(decode=True).execute(("COMMAND",))
    finally:
        engine.close()
    harmless, waiting = set(), set()
    for command in commands:
        flags = set(command[2])
        for part in command[9] if len(command) > 9 else ():
            flags.update(part[2])
        name = command[0].upper()
        if "write" not in flags and name not in _NOT_TWICE:
            harmless.add(name)
        if "blocking" in flags:
            waiting.add(name)
    return frozenset(harmless), frozenset(waiting)


def _name(words):
    name = words[0]
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    return str(name).split(" ", 1)[0].upper()


def may_run_twice(words) -> bool:
    """Is it the same whether this command ran once or twice in a row: for the data, and for its caller?"""
    name = _name(words)
    if name in _declared()[0] or name in _SAME_AGAIN:
        return True
    if name == "SET":
        return not any(str(word.decode("latin-1") if isinstance(word, bytes) else word).upper() in _SET_CONDITIONS for word in words[3:])
    return False


def waits(words) -> bool:
    """Is it a command that may wait?"""
    return _name(words) in _declared()[1]


def is_transaction(commands) -> bool:
    """Do these commands run as one, by the last of them?"""
    return len(commands) > 1 and _name(commands[0]) == "MULTI" and _name(commands[-1]) == "EXEC"


def may_try_again(commands, ended, seconds) -> bool:
    """May what was under way be sent again, `seconds` after it was sent, when the connection ended that way?"""
    if not commands or ended == NOT_SENT:
        return True
    if ended == NOT_READ and (len(commands) == 1 or is_transaction(commands)):
        return True
    if len(commands) == 1 and waits(commands[0]) and seconds >= WAITED_S:
        return True
    if is_transaction(commands):
        commands = commands[1:-1]
    return all(map(may_run_twice, commands))


def shortened(words, seconds):
    """A waiting command's words, `seconds` after its first try: it has that much less time left, though never none."""
    name = _name(words)
    try:
        if name in _LAST_SECONDS:
            place, unit = len(words) - 1, 1.0
        elif name in _FIRST_SECONDS:
            place, unit = 1, 1.0
        elif name in ("XREAD", "XREADGROUP"):
            place = next(i for i, word in enumerate(words) if str(word).upper() in ("BLOCK", "B'BLOCK'")) + 1
            unit = 1000.0
        else:
            return words
        limit = float(words[place])
    except (ValueError, TypeError, StopIteration, IndexError):
        return words
    if not limit:
        return words                     # without end
    left = max(limit - seconds * unit, 0.001 * unit)
    words = list(words)
    words[place] = int(max(left, 1)) if unit == 1000.0 else left
    return tuple(words)


def lost(store, commands, error) -> OwnerLostError:
    """The exception for commands that may have run, and are not tried again."""
    names = ", ".join(dict.fromkeys(map(_name, commands[:20]))) + (" ..." if len(commands) > 20 else "")
    found = OwnerLostError(
        f"the process that owned the store {store.name!r} ended, or closed the connection, while {names} was under way: "
        "whether it took effect is not known, and it was not tried again")
    found.commands = [tuple(words) for words in commands]
    found.__cause__ = error
    return found


class Pauses:
    """The pauses between looks at who owns a store: short at first, and not all at the same moment."""

    def __init__(self, patience):
        self.end = time.monotonic() + patience
        self._next = 0.001

    @property
    def over(self) -> bool:
        """Is there no patience left?"""
        return time.monotonic() >= self.end

    def __next__(self):
        pause = self._next
        self._next = min(pause * 1.5, 0.02)
        return pause
