"""A state machine of Hypothesis that runs random commands on a store and on the reference model, to be extended.

    from hypothesis.stateful import rule
    from hutch.testing import RedisStateMachine, strategies

    class Carts(RedisStateMachine):
        families = ()                            # no commands but those of the rules

        @rule(item=strategies.fields())
        def add(self, item):
            Cart(self.redis).add(item)           # the code under test
            self.expect("HINCRBY", "cart", item, 1)

    TestCarts = Carts.TestCase

After each run the store has to hold what the model does. ImportError without the package `hypothesis`.
"""
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ..store import Store
from . import strategies
from .clock import Clock
from .comparing import same
from .fixtures import fresh_client
from .grammar import Command
from .model import Model
from .wire import _bytes, connect

__all__ = ["RedisStateMachine"]

# How a value is read, by its type, and how two answers are compared.
READ = {b"string": (("GET",), "exact"), b"list": (("LRANGE", 0, -1), "exact"), b"set": (("SMEMBERS",), "unordered"),
        b"hash": (("HGETALL",), "unordered"), b"zset": (("ZRANGE", 0, -1, "WITHSCORES"), "exact"), b"stream": (("XRANGE", "-", "+"), "exact"),
        b"ReJSON-RL": (("JSON.GET",), "exact")}


class RedisStateMachine(RuleBasedStateMachine):
    """A store of this process and a Model of it. In subclasses:

    families      whose commands are run on both and compared (strategies.families; empty: none)
    keys          a strategy of their keys, or None for the usual ones
    store_options parameters of the store, as of hutch.Store

    self.redis is a hutch.Redis on the store, self.store the store itself, self.model the Model, self.clock the clock of both, which
    is held and moved by a rule.
    """

    families: tuple[str, ...] = ("strings", "keys", "bitmaps", "lists", "sets", "hashes", "sorted_sets", "streams")
    keys: Any = None
    store_options: dict[str, Any] = {}

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(**self.store_options)
        self.redis = fresh_client(self.store)
        self.clock = Clock(self.store)
        self._over_ms = 0
        self.model = self.make_model(lambda: int(self.clock.time() * 1000) + self._over_ms)
        self._real, self._modelled = connect(self.store), connect(self.model)

    def make_model(self, clock_ms: Any) -> Model:
        """The model that is compared with; `clock_ms` is its clock. To be replaced by who has another one."""
        return Model(clock_ms)

    def commands(self) -> Any:
        """The strategy of the commands that are run on both."""
        return strategies.command_objects(*self.families, keys=self.keys)

    # ---- for rules

    def both(self, *words: Any, compare: str = "exact") -> Any:
        """Run a command on the store and on the model, and return the reply of the store (replies.decode). AssertionError where they
        differ; `compare` is a grammar.Command's."""
        real, expected = self._real.run(words), self._modelled.run(words)
        assert same(real, expected, compare), f"{Command(tuple(map(_bytes, words)))}\nstore: {real!r}\nmodel: {expected!r}"
        return real

    def expect(self, *words: Any) -> Any:
        """Run a command on the model alone, and return its reply: what the code under test should have done."""
        return self._modelled.run(words)

    def check(self) -> None:
        """AssertionError where the store does not hold what the model does: keys, types, values, deadlines. O(all of it)"""
        self.model.purge()
        keys = self.model.databases[0]
        real = sorted(self._real.run(("KEYS", "*")))
        assert real == sorted(keys), f"keys of the store: {real!r}\nof the model: {sorted(keys)!r}"
        for key in sorted(keys):
            kind = self.both("TYPE", key).text
            words, compare = READ[kind]
            if kind == b"string" and keys[key].value.startswith(b"HYLL"):        # a HyperLogLog's bytes are an engine's affair
                words = ("PFCOUNT",)
            self.both(words[0], key, *words[1:], compare=compare)
            self.both("PEXPIRETIME", key)

    # ---- rules

    @precondition(lambda self: self.families)
    @rule(commands=st.runner().flatmap(lambda self: st.lists(self.commands(), min_size=1, max_size=10)))
    def any_commands(self, commands: list[Command]) -> None:
        """Some commands of the families: several at once, since a step of a state machine costs more than a command."""
        for command in commands:
            self.both(*command.words, compare=command.compare)

    @rule(seconds=st.integers(1, 5000))
    def time_passes(self, seconds: int) -> None:
        """The clock moves; what is due by then, the last millisecond included, is gone."""
        self.clock.advance(seconds=seconds)
        self._over_ms = 1
        self.model.purge()
        self._over_ms = 0

    def teardown(self) -> None:
        """At the end of each run: both hold the same."""
        try:
            self.check()
        finally:
            self._real.close()
            self.redis.close()
            self.store.close()
