"""Calls of the compiled methods of strings and keys, odd ones too."""
import sys

from hypothesis import strategies as st

KEYS = st.sampled_from(["a", "b", b"c", "ü", "", "long" * 200])
VALUES = st.one_of(st.integers(-2 ** 65, 2 ** 65), st.text(max_size=20), st.binary(max_size=20), st.floats(allow_nan=False),
                   st.sampled_from(["12", "-5", "9223372036854775807", "x" * 600, 0, True, None]))
CALLS = st.one_of(
    st.tuples(st.just("get"), KEYS), st.tuples(st.just("set"), KEYS, VALUES), st.tuples(st.just("ttl"), KEYS),
    st.tuples(st.just("set"), KEYS, VALUES, st.sampled_from([None, 100])), st.tuples(st.just("exists"), KEYS, KEYS),
    st.tuples(st.sampled_from(["incr", "incrby", "decr", "decrby"]), KEYS,
              st.one_of(st.integers(-10, 10), st.integers(-2 ** 64, 2 ** 64), st.sampled_from([True, "1", 1.5]))),
    st.tuples(st.sampled_from(["delete", "unlink"]), KEYS, KEYS), st.tuples(st.just("exists")),
    st.tuples(st.just("append"), KEYS, st.sampled_from(["1", "y"])), st.tuples(st.just("expire"), KEYS, st.just(50)))


FLAG = st.sampled_from([True, False, None, 1])
SECONDS = st.one_of(st.none(), st.integers(-1, 100), st.sampled_from([2 ** 64, 1.5, "5", True]))
OPTIONS = st.fixed_dictionaries({}, optional={"nx": FLAG, "xx": FLAG, "keepttl": FLAG, "get": FLAG, "ex": SECONDS, "px": SECONDS,
                                              "exat": st.none(), "wrong": st.none()})
CALLS = st.one_of(CALLS, st.tuples(st.just("set"), KEYS, VALUES, OPTIONS))


def redis_py_calls(call, *args, **options):
    """How often redis-py's way was taken meanwhile, and what came of the call."""
    seen = []

    def profile(frame, event, _):
        if event == "call" and frame.f_code.co_name in ("execute_command", "pipeline_execute_command"):
            seen.append(frame)
    sys.setprofile(profile)
    try:
        found = "value", call(*args, **options)
    except Exception as error:
        found = type(error), str(error)
    finally:
        sys.setprofile(None)
    return len(seen), found
