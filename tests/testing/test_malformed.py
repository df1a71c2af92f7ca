"""The reference model says what a real Redis says to malformed commands, too: words missing, too many, out of place, of the wrong kind,
numbers that are none or out of range, keys of another type."""
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hutch.testing.comparing import same
from hutch.testing.grammar import random_command
from hutch.testing.model import Model, UNMODELLED
from hutch.testing.wire import connect

WORDS = (b"", b"abc", b"1.5", b"-1", b"+1", b" 1", b"01", b"0", b"1", b"2", b"9223372036854775808", b"-9223372036854775809", b"2147483648", b"nan",
         b"inf", b"-inf", b"1e400", b"0x10", b"(1", b"[a", b"-", b"+", b"$", b">", b"XX", b"NX", b"GT", b"COUNT", b"LIMIT", b"WITHSCORES",
         b"REV", b"BYSCORE", b"RANK", b"MAXLEN", b"LEFT", b"MIN", b"AGGREGATE", b"WEIGHTS")


@st.composite
def commands(draw, families):
    """A command of one of the families, with up to two of its words spoilt; and how replies to it are compared."""
    command = random_command(draw(st.randoms(use_true_random=False)), families)
    words = list(command.words)
    for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
        at = draw(st.integers(1, len(words)))
        how = draw(st.sampled_from(("drop", "replace", "replace", "add", "repeat")))
        if how == "add" or at == len(words):
            words.insert(at, draw(st.sampled_from(WORDS)))
        elif how == "drop":
            del words[at]
        else:
            words[at] = draw(st.sampled_from(WORDS)) if how == "replace" else draw(st.sampled_from(words[1:]))
    return tuple(words), command.compare


# (No family with deadlines: the two clocks are not one. test_differential has strings and keys.)
@pytest.mark.parametrize("families", [("lists", "sets"), ("sets", "lists"), ("hashes", "lists"), ("sorted_sets", "sets"), ("streams", "lists"),
                                      ("bitmaps", "lists")], ids="-".join)
def test_beside_redis(oracle, families):
    with connect(f"redis://127.0.0.1:{oracle.port}") as theirs:
        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(commands(families), min_size=1, max_size=25))
        def beside(sequence):
            mine = connect(Model())
            theirs.run((b"FLUSHALL",))
            for words, compare in sequence:
                said, wanted = mine.run(words), theirs.run(words)
                if not same(said, wanted, compare) and said != UNMODELLED:
                    assert said == wanted, words
        beside()
