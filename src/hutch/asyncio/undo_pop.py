"""Undoing a blocking command that was answered just before its task was cancelled.

The task will never see the answer, so what the command took goes back to where it was, as if the cancellation had come
first. Over a network it would be lost.
"""
from redis.exceptions import RedisError

from hutch_engine.door.submissions import LATER, WAITING, run_now


class CannotUndo(Exception):
    """What a command took cannot go back: the key is something else by now, or the command that would do it cannot run at once.
    """


def undo_pop(session, words, reply) -> bool:
    """Put back what `words`, a blocking command, was answered. False if that cannot be: then the answer must be delivered after
    all.

    `reply` is the answer undecoded, an error as an exception instance. Reading takes nothing, and XREADGROUP's entries stay
    pending for their consumer, so there is nothing to put back. O(elements that were taken)
    """
    if reply is None or isinstance(reply, Exception):
        return True                      # timed out, or unblocked with an error
    name, *words = _split(words)
    undo = _UNDO.get(name)
    if undo is None:
        return True
    try:
        undo(session, words, reply)
    except (RedisError, CannotUndo):
        return False
    return True


def _split(words):
    first, *rest = words
    if isinstance(first, str):
        first = first.encode()
    return [*bytes(first).upper().split(), *rest]


def _run(session, *words):
    answer = run_now(session, words, decode=False)
    if answer is LATER or answer is WAITING:
        raise CannotUndo
    return answer


def _bytes(word):
    return word.upper().encode() if isinstance(word, str) else bytes(word).upper()


def _push(left):
    def undo(session, words, reply):
        key, element = reply
        _run(session, "LPUSH" if left else "RPUSH", key, element)
    return undo


def _push_many(session, words, reply):
    key, elements = reply
    left = b"LEFT" in [_bytes(word) for word in words[2 + int(words[1]):][:1]]
    _run(session, "LPUSH" if left else "RPUSH", key, *reversed(elements))


def _move_back(session, words, reply):
    source, destination, *where = words
    came_from, went_to = [_bytes(word) for word in where[:2]] if len(where) > 1 else (b"RIGHT", b"LEFT")
    # Somebody may have taken it from there already, or put something on top: then it is not lost either.
    if _run(session, "LINDEX", destination, 0 if went_to == b"LEFT" else -1) == reply:
        _run(session, "LMOVE", destination, source, went_to, came_from)


def _add(session, words, reply):
    key, member, score = reply
    _run(session, "ZADD", key, "NX", score, member)


def _add_many(session, words, reply):
    key, members = reply
    # RESP2 without nesting, or pairs.
    pairs = members if members and isinstance(members[0], (list, tuple)) else zip(members[::2], members[1::2])
    _run(session, "ZADD", key, "NX", *[word for member, score in pairs for word in (score, member)])


_UNDO = {
    b"BLPOP": _push(True), b"BRPOP": _push(False), b"BLMPOP": _push_many, b"BLMOVE": _move_back,
    b"BRPOPLPUSH": _move_back, b"BZPOPMIN": _add, b"BZPOPMAX": _add, b"BZMPOP": _add_many,
}
