"""What may follow the words that are typed: by the declarations of the commands, as COMMAND DOCS has them of any Redis.

A command's arguments are a tree: leaves (a key, a number, a token such as EX), choices, blocks, each perhaps optional or repeated. A
*state* is a row of such nodes that are still to come. Each word takes every state to those that it allows; options may come in any
order. The states that are left at the end say what may be typed next.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence, Union

STATES_MAX = 64              # that are followed at once; options in any order could be very many
WORDS_MAX = 400              # of a line that are looked at

_INTEGER = frozenset("0123456789+-")


@dataclass(frozen=True, eq=False)
class Node:
    """An argument, or several. `kind` is a COMMAND DOCS type: key, string, integer, double, pattern, unix-time, pure-token, oneof,
    block."""

    name: str
    kind: str
    token: str = ""
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    children: "tuple[Node, ...]" = ()
    place: int = 0                       # among its neighbours


@dataclass(frozen=True, eq=False)
class Again:
    """The next round of what may be repeated."""

    node: Node


@dataclass(frozen=True, eq=False)
class Value:
    """The value that follows a token which has been typed."""

    node: Node


Item = Union[Node, Again, Value, "frozenset[Node]"]


@dataclass
class Command:
    """A command, or a subcommand, as it is declared."""

    name: str                            # "CONFIG GET"
    summary: str = ""
    group: str = ""
    since: str = ""
    complexity: str = ""
    deprecated: str = ""
    arguments: "tuple[Node, ...]" = ()
    subcommands: "dict[str, Command] | None" = None

    @property
    def syntax(self) -> str:
        """The whole of it, as in a reference.

        >>> Command("GET", arguments=(Node("key", "key"),)).syntax
        'GET key'
        """
        if self.subcommands and not self.arguments:
            return f"{self.name} {'|'.join(name.rpartition(' ')[2].lower() for name in self.subcommands)}"
        return " ".join([self.name, *map(render, self.arguments)])


@dataclass
class Next:
    """What may be typed next: tokens, and leaves that stand for values, most likely ones first; `hint` is the syntax that is left."""

    tokens: "list[str]"
    values: "list[Node]"
    hint: str


# ---- from COMMAND DOCS

def _pairs(reply: Any) -> "Iterator[tuple[str, Any]]":
    if reply and isinstance(reply[0], tuple):            # a map of RESP3
        pairs = iter(reply)
    else:
        pairs = zip(reply[::2], reply[1::2])
    for name, value in pairs:
        yield _text(name), value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _node(reply: Any, place: int = 0) -> Node:
    fields = dict(_pairs(reply))
    flags = {_text(flag) for flag in fields.get("flags", ())}
    return Node(
        _text(fields.get("display_text") or fields.get("name", "")), _text(fields.get("type", "string")), _text(fields.get("token", "")),
        "optional" in flags, "multiple" in flags, "multiple_token" in flags, _nodes(fields.get("arguments", ())), place)


def _nodes(reply: Any) -> "tuple[Node, ...]":
    return tuple(_node(inner, place) for place, inner in enumerate(reply))


def _command(name: str, reply: Any) -> Command:
    fields = dict(_pairs(reply))
    flags = {_text(flag) for flag in fields.get("doc_flags", ())}
    replaced = _text(fields["replaced_by"]) if "replaced_by" in fields else "yes"
    subcommands = {inner.replace("|", " ").upper(): _command(inner.replace("|", " ").upper(), value)
                   for inner, value in _pairs(fields.get("subcommands", ()))}
    return Command(
        name, _text(fields.get("summary", "")), _text(fields.get("group", "")), _text(fields.get("since", "")),
        _text(fields.get("complexity", "")), replaced if "deprecated" in flags else "",
        _nodes(fields.get("arguments", ())), subcommands or None)


def read_docs(reply: Any) -> "dict[str, Command]":
    """The commands in a reply to COMMAND DOCS, in either protocol, by their names in capitals. O(bytes)"""
    return {name.upper(): _command(name.upper(), value) for name, value in _pairs(reply)}


def own_docs() -> "dict[str, Command]":
    """The commands of Hutch, for servers that do not document theirs."""
    from hutch_engine.door.engine import Engine
    from .resp import Reader
    engine = Engine(1)
    try:
        session = engine.session(ValueError)
        data = session.execute_raw(("COMMAND", "DOCS"))
        session.close()
    finally:
        engine.close()
    pieces = iter((data, b""))
    return read_docs(Reader(lambda _: next(pieces)).read())


# ---- as text

def _core(node: Node) -> str:
    """A node without its brackets and its repetition."""
    if node.kind == "pure-token":
        return node.token or node.name.upper()
    if node.kind == "oneof":
        inner = " | ".join(map(_once, node.children))
        inner = inner if node.optional and not node.token else f"<{inner}>"
    elif node.kind == "block":
        inner = " ".join(map(render, node.children))
    else:
        inner = node.name
    return f"{node.token} {inner}" if node.token else inner


def _once(node: Node) -> str:
    core = _core(node)
    if node.multiple:
        again = core if node.multiple_token or not node.token else _core(Node(node.name, node.kind, children=node.children))
        return f"{core} [{again} ...]"
    return core


def render(node: Node) -> str:
    """An argument as references write it.

    >>> render(Node("key", "key", multiple=True)), render(Node("seconds", "integer", "EX", optional=True))
    ('key [key ...]', '[EX seconds]')
    """
    return f"[{_once(node)}]" if node.optional else _once(node)


def _render_state(state: "Sequence[Item]") -> str:
    parts: "list[str]" = []
    for item in state:
        if isinstance(item, frozenset):
            parts.extend(render(node) for node in sorted(item, key=_place))
        elif isinstance(item, Again):
            node = item.node
            core = _core(node) if node.multiple_token or not node.token else _core(Node(node.name, node.kind, children=node.children))
            parts.append(f"[{core} ...]")
        elif isinstance(item, Value):
            parts.append(_core(Node(item.node.name, item.node.kind, children=item.node.children)))
        else:
            parts.append(render(item))
    return " ".join(parts)


def _place(node: Node) -> int:
    return node.place


def _row(nodes: "Sequence[Node]") -> "tuple[Item, ...]":
    """A row of nodes, with options beside each other as a set: they come in any order."""
    row: "list[Item]" = []
    run: "list[Node]" = []
    for node in nodes:
        if node.optional:
            run.append(node)
            continue
        if run:
            row.append(frozenset(run) if len(run) > 1 else run[0])
            run = []
        row.append(node)
    if run:
        row.append(frozenset(run) if len(run) > 1 else run[0])
    return tuple(row)


# ---- states

# A leaf is what fits ("token" or "value"), whose, and the state after it.

def _must(node: Node, rest: "tuple[Item, ...]", depth: int, after_token: bool = False) -> "Iterator[Any]":
    """The first leaves of a node that is there, with what follows each."""
    if depth > 12:                                       # nothing declared is nested so deep
        return
    if node.token and node.kind != "pure-token" and not after_token:
        follow = (Value(node), *rest)
        yield "token", node, (Value(node), Again(node), *rest) if node.multiple else follow
        return
    if node.multiple and not after_token:
        rest = (Again(node), *rest)
    if node.kind == "pure-token":
        yield "token", node, rest
    elif node.kind == "oneof":
        for child in node.children:
            yield from _must(child, rest, depth + 1)
    elif node.kind == "block":
        yield from _first((*_row(node.children), *rest), depth + 1)
    else:
        yield "value", node, rest


def _first(state: "tuple[Item, ...]", depth: int = 0) -> "Iterator[Any]":
    """All leaves that may come next in a state."""
    if not state or depth > 24:
        return
    head, rest = state[0], state[1:]
    if isinstance(head, frozenset):
        for node in sorted(head, key=_place):
            left = head - {node}
            yield from _must(node, (left, *rest) if left else rest, depth + 1)
        yield from _first(rest, depth + 1)
    elif isinstance(head, Again):
        # Behind one token, as in KEYS key [key ...], or with the token again, as in GET pattern [GET pattern ...].
        bare = bool(head.node.token) and not head.node.multiple_token
        yield from _must(head.node, (head, *rest) if bare else rest, depth + 1, after_token=bare)
        yield from _first(rest, depth + 1)
    elif isinstance(head, Value):
        yield from _must(head.node, rest, depth + 1, after_token=True)
    else:
        yield from _must(head, rest, depth + 1)
        if head.optional:
            yield from _first(rest, depth + 1)


def _fits(kind: str, node: Node, word: str) -> bool:
    if kind == "token":
        return word.upper() == (node.token or node.name).upper() or (node.token == '""' and word == "")
    if node.kind in ("integer", "unix-time"):
        return bool(word) and _INTEGER.issuperset(word)
    if node.kind == "double":
        try:
            float(word.lstrip("("))
        except ValueError:
            return False
    return True


def after(command: Command, words: "Sequence[bytes]") -> Next:
    """What may come after a command and these arguments. O(words)

    >>> after(Command("SET", arguments=(Node("key", "key"), Node("xx", "pure-token", "XX", optional=True))), [b"k"]).hint
    '[XX]'
    """
    states: "list[tuple[Item, ...]]" = [_row(command.arguments)]
    for word in words[:WORDS_MAX]:
        text = word.decode("utf-8", "replace")
        tokens: "dict[tuple[Item, ...], None]" = {}
        values: "dict[tuple[Item, ...], None]" = {}
        for state in states:
            for kind, node, rest in _first(state):
                if _fits(kind, node, text):
                    (tokens if kind == "token" else values)[rest] = None
        # A word that is a token is hardly ever meant as a value.
        states = [*(tokens or values)][:STATES_MAX]
        if not states:
            return Next([], [], "")
    found_tokens: "dict[str, None]" = {}
    found_values: "dict[Node, None]" = {}
    for state in states:
        for kind, node, _ in _first(state):
            if kind == "token":
                found_tokens[node.token or node.name.upper()] = None
            else:
                found_values[node] = None
    return Next(list(found_tokens), list(found_values), _render_state(states[0]) if states else "")


def find(commands: "Mapping[str, Command]", words: "Sequence[bytes]") -> "tuple[Command | None, int]":
    """The command that these words begin with, and how many of them are its name. None when there is none."""
    if not words:
        return None, 0
    command = commands.get(words[0].decode("utf-8", "replace").upper())
    if command is None:
        return None, 0
    if command.subcommands and len(words) > 1:
        inner = command.subcommands.get(f"{command.name} {words[1].decode('utf-8', 'replace').upper()}")
        if inner is not None:
            return inner, 2
    return command, 1
