"""The same random commands on two servers, compared byte for byte; a difference is shrunk and printed.

    python tests/kit/differential.py --port 6380 --commands 100000 --seed 7 --protocol 3

compares the server on that port with an oracle that it starts. A run is a number of sequences, each from an empty
store over two connections. See kit/generators.py for where commands come from and kit/families for what there is.
"""
from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

if __package__ in (None, ""):           # run as a program: the kit is found from the directory above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from hutch.testing.model import UNMODELLED
from hutch.testing.replies import BadReply, Error, Map, Set, Simple, encode
from kit.backends import SILENCE
from kit.families import EMBEDDED, families
from kit.families.connection import RESTORED
from kit.families.wrong_types import SEEDS
from kit.generators import Family, Gen, Step
from kit.resp_client import Closed, Reply

SEQUENCE = 150                  # commands from one empty store to the next
SHRINK_SECONDS = 30.0


# -- comparing ------------------------------------------------------------------------------------------------
# A comparer is asked only where the bytes differ, and answers whether that is fine.

def exact(one: Reply, two: Reply) -> bool:
    return False


def within(tolerance: int):
    """Figures that depend on the moment; -1 and -2 are answers of their own."""
    def compare(one: Reply, two: Reply) -> bool:
        a, b = one.value, two.value
        return type(a) is type(b) is int and a >= 0 and b >= 0 and abs(a - b) <= tolerance
    return compare


def each_within(tolerance: int):
    """The same for a list of figures."""
    compare = within(tolerance)
    return lambda one, two: (type(one.value) is type(two.value) is list and len(one.value) == len(two.value) and all(
        a == b or compare(Reply(a, b""), Reply(b, b"")) for a, b in zip(one.value, two.value)))


def sorted_alike(step: Step, one: Reply, two: Reply) -> bool:
    """SORT ALPHA compares C strings, which end at a NUL: of those that are equal so far Redis says no order."""
    def spelled(reply):
        return [word.split(b"\0")[0] for word in reply.value]
    if step.argv[0].upper() not in (b"SORT", b"SORT_RO") or not (isinstance(one.value, list) and isinstance(two.value, list)):
        return False
    return all(isinstance(word, bytes) for word in one.value + two.value) and spelled(one) == spelled(two) \
        and sorted(one.value) == sorted(two.value)


def unordered(one: Reply, two: Reply) -> bool:
    """A list, set or map in another order; in RESP2, CONFIG GET's flat pairs as well."""
    def items(value):
        if isinstance(value, Map):
            return sorted(map(repr, value.pairs))
        if isinstance(value, Set):
            return sorted(map(repr, value.items))
        return sorted(map(repr, value)) if isinstance(value, list) else None
    return type(one.value) is type(two.value) and items(one.value) is not None and items(one.value) == items(two.value)


def deep(one: Reply, two: Reply) -> bool:
    """The same items in any order, at every level: hash tables inside of hash tables."""
    def canonical(value):
        if isinstance(value, Map):
            return "map", sorted(repr((canonical(key), canonical(item))) for key, item in value.pairs)
        if isinstance(value, (list, Set)):
            return "list", sorted(repr(canonical(item)) for item in (value.items if isinstance(value, Set) else value))
        return value
    return type(one.value) is type(two.value) and canonical(one.value) == canonical(two.value)


def shape(one: Reply, two: Reply) -> bool:
    """The same kind of reply, whatever it says: random or machine-dependent content."""
    return type(one.value) is type(two.value) and not isinstance(one.value, Error)


def count(one: Reply, two: Reply) -> bool:
    """As many random things of the same kind."""
    def size(value):
        return len(value.items if isinstance(value, Set) else value) if isinstance(value, (list, Set)) else 0
    return shape(one, two) and size(one.value) == size(two.value)


def hello(one: Reply, two: Reply) -> bool:
    """HELLO's fields, except those that name the server and the connection."""
    def fields(value):
        if isinstance(value, list) and len(value) % 2 == 0:
            value = Map(tuple(zip(value[::2], value[1::2])))
        return [pair for pair in value.pairs if pair[0] not in (b"version", b"id", b"modules")] if isinstance(value, Map) else None
    return type(one.value) is type(two.value) and fields(one.value) is not None and fields(one.value) == fields(two.value)


MOMENTS = (b"idle", b"inactive", b"seen-time", b"active-time")


def streams(one: Reply, two: Reply) -> bool:
    """The times in replies about streams and their groups may differ a little."""
    def moment(a, b):
        return type(a) is type(b) is int and a >= 0 and b >= 0 and abs(a - b) <= 10_000

    def same(a, b):
        if isinstance(a, Map) and isinstance(b, Map):
            a, b = ([word for pair in side.pairs for word in pair] for side in (a, b))
        if not (isinstance(a, list) and isinstance(b, list)):
            return a == b or (moment(a, b) and a > 10**12)
        if len(a) != len(b):
            return False
        idle = 2 if len(a) == 4 and isinstance(a[2], int) and isinstance(a[3], int) else None      # XPENDING's
        return all(same(x, y) or (moment(x, y) and (at == idle or at and a[at - 1] in MOMENTS)) for at, (x, y) in enumerate(zip(a, b)))
    return type(one.value) is type(two.value) and same(one.value, two.value)


COMPARERS = {"exact": exact, "scan": exact, "seconds": within(2), "milliseconds": within(5000), "unordered": unordered, "deep": deep,
             "field_seconds": each_within(2), "field_milliseconds": each_within(5000),
             "streams": streams, "shape": shape, "count": count, "hello": hello}


def agree(steps: list[Step], ones: list[Reply], twos: list[Reply]) -> int | None:
    """The index of the first step whose replies disagree, or None.

    Inside MULTI the replies are QUEUED; the comparers wait for the EXEC that brings the real ones.
    """
    queued: dict[int, list[str]] = {}
    for index, (step, one, two) in enumerate(zip(steps, ones, twos)):
        waiting = queued.setdefault(step.connection, [])
        if two.value == Simple(b"QUEUED"):
            waiting.append(step.compare)
        ended = step.argv[0].upper() == b"EXEC" and len(step.argv) == 1
        if one.raw == two.raw or UNMODELLED in (one.value, two.value) or COMPARERS[step.compare](one, two) \
                or sorted_alike(step, one, two):
            fine = True
        elif ended and isinstance(one.value, list) and isinstance(two.value, list) and len(one.value) == len(two.value) == len(waiting):
            fine = all(a == b or UNMODELLED in (a, b) or COMPARERS[name](Reply(a, b""), Reply(b, b"")) for name, a, b in zip(waiting, one.value, two.value))
        else:
            fine = False
        if ended or step.argv[0].upper() in (b"DISCARD", b"RESET"):
            waiting.clear()
        if not fine:
            return index
    return None


# -- running --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Gone:
    """Stands where a reply should be: the connection was closed, or what came is not RESP."""
    why: str


class SequenceRunner:
    """Runs sequences on one backend over two connections, each from a clean slate."""

    def __init__(self, backend, protocol: int):
        self.backend, self.protocol = backend, protocol
        self.connections = [backend.open(), backend.open()]
        self.uncertain = False

    def close(self) -> None:
        for connection in self.connections:
            connection.close()

    def run(self, steps: list[Step], singly: bool = False) -> list[Reply]:
        """The replies to all steps. `singly`: no pipelines, so that it shows which command a server died of."""
        hello = (b"HELLO", b"%d" % self.protocol)
        for at in (1, 0):
            if self.uncertain:          # cut short, what was run may have left a connection mute
                self._reopen(at)
            try:
                self.connections[at].run([(b"RESET",), hello])
            except (Closed, OSError):
                self._reopen(at)
                self.connections[at].run([hello])
        self.uncertain = any(step.silent for step in steps)
        settings = [word for pair in RESTORED.items() for word in pair]
        self.connections[0].run([(b"FLUSHALL",), (b"CONFIG", b"SET", *settings), (b"FUNCTION", b"FLUSH"), (b"SCRIPT", b"FLUSH")])
        replies: list[Reply] = []
        while len(replies) < len(steps):
            step = steps[len(replies)]
            if step.compare == "scan":
                replies.append(self._guard(step.connection, lambda: [self._scan(step)])[-1])
                continue
            if step.argv[0] == b"@SLEEP":
                time.sleep(int(step.argv[1]) / 1000)
                replies.append(SILENCE)
                continue
            # As long a pipeline as possible: one connection, plain commands. A failed AUTH goes alone: Redis 8.2.3
            # sends no reply to it at all when it is not the first command of what it has read.
            end = len(replies) + 1
            while not singly and end < len(steps) and steps[end].connection == step.connection and steps[end].compare != "scan" and \
                    steps[end].argv[0] != b"@SLEEP" and b"AUTH" not in map(bytes.upper, steps[end].argv):
                end += 1
            batch = [hello if one.argv == (b"@HELLO",) else one.argv for one in steps[len(replies):end]]
            silent = frozenset(at for at, one in enumerate(steps[len(replies):end]) if one.silent)
            replies += self._guard(step.connection, lambda: self.connections[step.connection].run(batch, *([silent] if silent else [])))
            if isinstance(replies[-1].value, Gone):
                break
        missing = Reply(Gone("not sent: the connection was lost before"), b"")
        return replies + [missing] * (len(steps) - len(replies))

    def _guard(self, at: int, run) -> list[Reply]:
        try:
            return run()
        except (Closed, OSError, BadReply) as lost:
            try:
                self._reopen(at)
            except OSError:
                pass            # nobody is there any more: whoever runs next will hear of it
            return getattr(lost, "replies", []) + [Reply(Gone(f"{type(lost).__name__}: {lost}"), b"")]

    def _reopen(self, at: int) -> None:
        self.connections[at].close()
        self.connections[at] = self.backend.open()

    def _scan(self, step: Step) -> Reply:
        """A full iteration; the answer is the sorted list of what it brought."""
        at = 1 if step.argv[0].upper() == b"SCAN" else 2         # HSCAN, SSCAN and ZSCAN name a key first
        connection, cursor, found = self.connections[step.connection], b"".join(step.argv[at:at + 1]), set()
        if len(step.argv) <= at:
            return connection.run([step.argv])[0]
        for _ in range(10_000):
            reply = connection.run([(*step.argv[:at], cursor, *step.argv[at + 1:])])[0]
            if not (isinstance(reply.value, list) and len(reply.value) == 2):
                return reply
            cursor, batch = reply.value
            found.update(batch)
            if step.argv[at] != b"0":       # where a made-up cursor leads is the server's own affair
                return Reply([], encode([]))
            if cursor == b"0":
                return Reply(sorted(found), encode(sorted(found)))
        return Reply(Gone("SCAN does not come to an end"), b"")


@dataclass
class Difference:
    steps: list[Step]
    index: int
    subject: Reply
    oracle: Reply
    seed: int
    protocol: int

    def __str__(self) -> str:
        def cut(reply):
            raw = reply.raw or repr(reply.value).encode()
            return repr(raw if len(raw) <= 600 else raw[:600] + b"... (%d bytes)" % len(raw))
        lines = [f"Hutch and Redis differ (RESP{self.protocol}, seed {self.seed}):"]
        for number, step in enumerate(self.steps[:self.index + 1]):
            words = " ".join(repr(word)[1:] if len(word) <= 200 else f"{word[:60]!r}... ({len(word)} bytes)" for word in step.argv)
            lines.append(f"  {'>' if number == self.index else ' '} {'other: ' if step.connection else ''}{words}")
        return "\n".join([*lines, f"  subject: {cut(self.subject)}", f"  oracle:  {cut(self.oracle)}"])


class Comparison:
    """A backend under test, the subject, and the oracle run the same sequences.

    A server with a supervisor (see oracle_supervisor) may be lost in the midst of it. That is told, by the supervisor, and is no difference: the
    sequence is run again on a fresh one, command by command, and what that one dies of is kept off it from then on.
    """
    ATTEMPTS = 4

    def __init__(self, subject, oracle, protocol: int):
        self.protocol = protocol
        self.subject, self.oracle = SequenceRunner(subject, protocol), SequenceRunner(oracle, protocol)
        self.kept_off: set[tuple[bytes, ...]] = set()
        self.not_compared: list[int] = []           # seeds of sequences that were given up

    def close(self) -> None:
        self.subject.close()
        self.oracle.close()

    def compare(self, steps: list[Step], seed: int = 0) -> Difference | None:
        for attempt in range(self.ATTEMPTS):
            steps = [step for step in steps if step.argv not in self.kept_off]
            ones, twos = (self._run(runner, steps, attempt > 0) for runner in (self.subject, self.oracle))
            self.last = twos
            index = agree(steps, ones, twos)
            if index is None and not any(isinstance(one.value, Gone) for one in twos):
                return None
            lost = [self._restore(side) for side in ("subject", "oracle")]
            if not any(lost):
                return None if index is None else Difference(steps, index, ones[index], twos[index], seed, self.protocol)
            if attempt:
                self.kept_off.add(self._last_run(steps, twos if lost[1] else ones))
        self.not_compared.append(seed)
        self.last = []
        return None

    def _run(self, runner: SequenceRunner, steps: list[Step], singly: bool) -> list[Reply]:
        """A server that was lost before is as good as one that is lost now."""
        try:
            return runner.run(steps, singly)
        except (Closed, OSError, BadReply) as lost:
            if not hasattr(runner.backend, "supervisor"):
                raise
            return [Reply(Gone(f"{type(lost).__name__}: {lost}"), b"")] * len(steps)

    def _restore(self, side: str) -> bool:
        """Whether that side was lost; it is sound afterwards."""
        runner = getattr(self, side)
        if not hasattr(runner.backend, "supervisor") or runner.backend.supervisor.check(mended=True) is None:
            return False
        runner.close()
        setattr(self, side, SequenceRunner(runner.backend, self.protocol))
        return True

    @staticmethod
    def _last_run(steps: list[Step], replies: list[Reply]) -> tuple[bytes, ...]:
        """What it was lost by: the first command without a reply, or the one after which nobody had rights any more."""
        for index, (step, reply) in enumerate(zip(steps, replies)):
            if isinstance(reply.value, Gone):
                return step.argv
            if reply.raw.startswith((b"-NOPERM", b"-NOAUTH")):
                return steps[max(0, index - 1)].argv
        return ()

    def shared_seeds(self) -> tuple:
        """The makers of other types that both sides understand."""
        def knows(runner, seed):
            return not isinstance(runner.connections[0].run([seed(Gen(0))])[0].value, Error)
        self.subject.run([])
        self.oracle.run([])
        usable = []
        for seed in SEEDS:
            for runner in (self.subject, self.oracle):
                runner.connections[0].run([(b"FLUSHALL",)])
            if knows(self.subject, seed) and knows(self.oracle, seed):
                usable.append(seed)
        return tuple(usable)

    def shrink(self, found: Difference) -> Difference:
        """Delta debugging: drop chunks, halving them, as long as some difference remains; then shorten words."""
        deadline = time.monotonic() + SHRINK_SECONDS
        best = replace(found, steps=found.steps[:found.index + 1])
        chunk = max(1, len(best.steps) // 2)
        while time.monotonic() < deadline:
            at, shorter = 0, False
            while at < len(best.steps) and time.monotonic() < deadline:
                rest = best.steps[:at] + best.steps[at + chunk:]
                smaller = self.compare(rest, found.seed) if rest else None
                if smaller:
                    best, shorter = replace(smaller, steps=smaller.steps[:smaller.index + 1]), True
                else:
                    at += chunk
            if chunk == 1 and not shorter:
                break
            chunk = max(1, chunk // 2)
        for number in range(len(best.steps)):
            for place in range(1, len(best.steps[number].argv)):
                word = best.steps[number].argv[place]
                for simpler in (b"", word[:1], word[:len(word) // 2]):
                    if len(simpler) >= len(word) or word[-1:].isdigit() or time.monotonic() > deadline:
                        continue        # a number cut short might be a deadline that is due
                    argv = best.steps[number].argv
                    steps = list(best.steps)
                    steps[number] = replace(steps[number], argv=argv[:place] + (simpler,) + argv[place + 1:])
                    again = self.compare(steps, found.seed)
                    if again and again.index == best.index:
                        best = again
                        break
        return best

    def run(self, commands: int, seed: int, chosen: list[Family], until: float = float("inf")) -> tuple[int, Difference | None]:
        """Play random sequences; answer how many commands were compared, and the shrunken first difference."""
        foreign, done, number = self.shared_seeds(), 0, 0
        while done < commands and time.monotonic() < until:
            # Each sequence has a seed of its own: `--seed` of a report repeats it at once.
            steps = Gen(seed + number, foreign).sequence(chosen, SEQUENCE)
            found = self.compare(steps, seed + number)
            if found is None:
                # A reply that fails to come on both sides is a fault of the generators.
                lost = next((one for one in self.last if isinstance(one.value, Gone)), None)
                assert lost is None, (lost, steps[self.last.index(lost)])
            else:
                # Once more before shrinking, so that a hiccup of the machine is told from a difference.
                return done, self.shrink(found) if self.compare(found.steps, found.seed) else found
            done += len(steps)
            number += 1
        return done, None


def main() -> int:
    from kit.oracle import MISSING, find_oracle
    from kit.oracle_supervisor import LOSSES, OracleSupervisor
    from kit.backends import EmbeddedBackend, SupervisedBackend, ModelBackend, TcpBackend

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, help="the subject's port; without it the embedded engine is the subject")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--subject", choices=("embedded", "model", "redis"), default="embedded")
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--protocol", type=int, choices=(2, 3), action="append")
    parser.add_argument("--families", nargs="*", default=[])
    asked = parser.parse_args()
    binary = find_oracle()
    if binary is None:
        print(MISSING, file=sys.stderr)
        return 2
    with OracleSupervisor(binary, "--enable-debug-command", "yes") as server, OracleSupervisor(binary, "--enable-debug-command", "yes") as twin:
        oracle = SupervisedBackend(server)
        for protocol in asked.protocol or (2, 3):
            if asked.port:
                subject = TcpBackend(asked.host, asked.port)
            elif asked.subject == "redis":
                subject = SupervisedBackend(twin)
            else:
                subject = EmbeddedBackend() if asked.subject == "embedded" else ModelBackend()
            chosen = asked.families or (("strings", "keys") if asked.subject == "model" else
                                        EMBEDDED if isinstance(subject, EmbeddedBackend) else ())
            comparison = Comparison(subject, oracle, protocol)
            began = time.monotonic()
            done, found = comparison.run(asked.commands, asked.seed, families(*chosen))
            comparison.close()
            while LOSSES:
                print(LOSSES.pop(0))
            print(f"RESP{protocol}: {done} commands in {time.monotonic() - began:.1f} s, seed {asked.seed}")
            if found:
                print(found)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
