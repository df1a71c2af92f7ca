"""Hypothesis strategies: keys, values, and the commands of each family.

    from hypothesis import given
    from hutch.testing import strategies

    @given(strategies.lists_of_commands("strings", "keys"))
    def test_it(commands):
        ...

Commands are tuples of words as bytes, for ``client.execute_command(*words)``. They are made of `grammar`, so most of them are well formed and
meet each other's keys. ImportError without the package `hypothesis`.
"""
from __future__ import annotations

from functools import lru_cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .grammar import FAMILIES, TERMINALS, Command, shapes

__all__ = ["command_objects", "commands", "elements", "families", "fields", "keys", "lists_of_commands", "members", "scores", "values"]

families = tuple(FAMILIES)


def _drawn(name: str) -> SearchStrategy[bytes]:
    terminal = TERMINALS[name]
    if terminal.words:
        return st.sampled_from(terminal.words)
    return st.integers(terminal.low, terminal.high).map(lambda number: b"%d" % number)


def keys() -> SearchStrategy[bytes]:
    """Keys: now and then any bytes, mostly a few that meet again."""
    return st.one_of(_drawn("key"), _drawn("key"), st.binary(max_size=20))


def values() -> SearchStrategy[bytes]:
    """Values of strings: any bytes, numbers, and texts around the sizes at which Redis changes an encoding."""
    return st.one_of(st.binary(max_size=64), st.integers(-2**63, 2**63 - 1).map(lambda number: b"%d" % number),
                     st.floats(allow_nan=False).map(lambda number: repr(number).encode()),
                     st.sampled_from((44, 45, 64, 65, 512)).map(lambda size: b"x" * size))


def elements() -> SearchStrategy[bytes]:
    """Elements of lists."""
    return st.one_of(_drawn("element"), values())


def members() -> SearchStrategy[bytes]:
    """Members of sets and sorted sets."""
    return st.one_of(_drawn("member"), values())


def fields() -> SearchStrategy[bytes]:
    """Fields of hashes."""
    return st.one_of(_drawn("field"), st.binary(max_size=20))


def scores() -> SearchStrategy[float]:
    """Scores of sorted sets: any doubles, infinities too, but no NaN."""
    return st.floats(allow_nan=False)


def _of_tree(node: Any, key: SearchStrategy[bytes] | None) -> SearchStrategy[tuple[bytes, ...]]:
    kind, what = node
    if kind == "word":
        return st.just((what,))
    if kind == "draw":
        return (key if what == "key" and key is not None else _drawn(what)).map(lambda word: (word,))
    if kind == "all":
        return st.tuples(*[_of_tree(item, key) for item in what]).map(lambda parts: tuple(word for part in parts for word in part))
    if kind == "one of":
        return st.one_of(*[_of_tree(item, key) for item in what])
    if kind == "maybe":
        return st.one_of(st.just(()), _of_tree(what, key))
    return st.lists(_of_tree(what, key), min_size=1, max_size=4).map(lambda parts: tuple(word for part in parts for word in part))


@lru_cache(maxsize=64)
def _commands_of(families: tuple[str, ...], keys: SearchStrategy[bytes] | None) -> SearchStrategy[Command]:
    # Made once: a state machine asks for it at each of its steps.
    return st.one_of(*[_of_tree(shape.tree, keys).map(lambda words, compare=shape.compare: Command(words, compare))
                       for shape in shapes(*families)])


def command_objects(*families: str, keys: SearchStrategy[bytes] | None = None) -> SearchStrategy[Command]:
    """Commands of these families, of all where none is named, each with the way to compare its replies (grammar.Command). `keys`: where
    their keys come from. KeyError for an unknown family."""
    return _commands_of(families, keys)


def commands(*families: str, keys: SearchStrategy[bytes] | None = None) -> SearchStrategy[tuple[bytes, ...]]:
    """Commands of these families (`families` lists them), of all where none is named, as tuples of words. `keys`: where their keys come
    from. KeyError for an unknown family."""
    return command_objects(*families, keys=keys).map(lambda command: command.words)


def lists_of_commands(*families: str, keys: SearchStrategy[bytes] | None = None, max_size: int = 30) -> SearchStrategy[list]:
    """Lists of `commands`."""
    return st.lists(commands(*families, keys=keys), max_size=max_size)
