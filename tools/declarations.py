"""Reads and checks the command declarations, engine/hutch_engine/commands/*.toml.

A declaration says everything there is to know of a command but how it works. What can be derived is
derived here, once: implied ACL categories, the legacy key triple, display texts. A mistake raises
DeclarationError, which names the file and the command.
"""
import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:                 # Python 3.10
    import tomli as tomllib

# In Redis's order, which is the order of its replies, and of the bits in commands/command.pxd.
FLAGS = {
    "write": 0, "readonly": 1, "denyoom": 2, "module": 3, "admin": 4, "pubsub": 5, "noscript": 6, "blocking": 7,
    "loading": 8, "stale": 9, "skip_monitor": 10, "skip_slowlog": 11, "asking": 12, "fast": 13, "no_auth": 14,
    "no_mandatory_keys": 15, "no_async_loading": 16, "no_multi": 17, "movablekeys": 18, "allow_busy": 19,
}
# Never in a reply: what else the executor and monitors must know of a command (commands/command.pxd says what they mean).
HIDDEN_FLAGS = {
    "channel": 32, "channels": 33,
    "needs_disk": 20, "secret_parameters": 21, "keeps_caching": 22, "secret_auth": 23, "may_replicate": 24, "protected": 25,
    "touches_arbitrary_keys": 26, "runs_in_multi": 27,
    "for_subscribers": 28, "runs_queue": 29, "secret": 30,
}
ACL_CATEGORIES = [
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo",
    "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
]
KEY_FLAGS = ["RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"]
KEY_ACCESS = KEY_FLAGS[:4]
GROUPS = {
    "bitmap", "cluster", "connection", "generic", "geo", "hash", "hyperloglog", "list", "module", "pubsub", "scripting",
    "sentinel", "server", "set", "sorted-set", "stream", "string", "transactions",
}
DOC_FLAGS = ["deprecated", "syscmd"]
ARGUMENT_TYPES = {"string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block"}
ARGUMENT_FLAGS = ["optional", "multiple", "multiple_token"]

# What a reply may be on the wire. "nil" and "nil-array" are RESP2's two ways to say nothing, "null" is RESP3's
# one; "none" is no reply at all; "queued" and errors go without saying.
RESP2_SHAPES = {"simple", "bulk", "integer", "nil", "nil-array", "array", "none"}
RESP3_SHAPES = RESP2_SHAPES - {"nil", "nil-array"} | {"null", "map", "set", "double", "boolean", "verbatim", "push",
                                                      "big-number"}

# What a compiled method of Python makes of a reply (door/replies).
PYTHON_REPLIES = {
    "value": "Any", "done": "bool | None", "truth": "bool", "number": "float | None", "numbers": "list[float | None]",
    "unique": "builtins.set[Any]", "pairs": "dict[Any, Any]",
}
# How a word of the command comes from the method's parameters: see docs/adding-a-command.md.
PYTHON_WORD = re.compile(r"(?P<literal>[A-Z~]+)|(?P<parameter>[a-z_0-9]+)"
                         r"(?P<how>\?|\*|#|%|~|\[\]|:int|:count|:score|:bit|&(?P<flag>[A-Z]+)|\+(?P<more>[a-z]+))?")

COMMAND_KEYS = {
    "python", "summary", "group", "since", "arity", "flags", "acl", "complexity", "handler", "reply", "keys", "legacy_keys",
    "arguments", "history", "tips", "doc_flags", "deprecated_since", "replaced_by",
}
ARGUMENT_KEYS = {"name", "type", "display_text", "key_spec", "token", "since", "deprecated_since", "flags", "arguments"}
VERSION = re.compile(r"\d+\.\d+\.\d+")
NAME = re.compile(r"[A-Z][A-Z0-9_.-]*")
HANDLER = re.compile(r"[a-z][a-z_.]*\.(cmd_[a-z0-9_]+)")


class DeclarationError(Exception):
    """A declaration that cannot be right. The message names the file and the command."""


@dataclass
class KeySpec:
    flags: list
    begin: tuple            # ("index", 1), ("keyword", "STREAMS", 1) or ("unknown",)
    find: tuple             # ("range", last, step, limit), ("keynum", index, first, step) or ("unknown",)
    notes: str = ""


@dataclass
class Argument:
    name: str
    type: str
    display_text: str = ""
    key_spec: int = -1
    token: str = None       # "" is a token too: SORT's BY takes one that is not written
    since: str = ""
    deprecated_since: str = ""
    flags: list = field(default_factory=list)
    arguments: list = field(default_factory=list)


@dataclass
class Parameter:
    name: str
    default: str = None     # Python text; None: it must be given
    kind: str = "plain"     # "plain", "rest" (*names), "keyword" (behind it), "options" (**names)


@dataclass
class PythonMethod:
    """The method of redis-py's that sends the command, as far as a compiled one can stand in for it."""
    name: str
    parameters: list
    words: list             # ways to say it, tried in order: each a list of (how, parameter or None, text or None)
    reply: str              # of PYTHON_REPLIES
    aliases: list
    by_hand: list           # "client", "pipeline": where the compiled method is written by hand


@dataclass
class Command:
    name: str               # as declared: "GETEX", "CLIENT LIST"
    where: str              # for messages: "string.toml, GETEX"
    summary: str
    group: str
    since: str
    arity: int
    complexity: str
    handler: str            # "" for a container that cannot be called itself
    reply: dict             # {"resp2": [...], "resp3": [...]}; {} for such a container
    flags: list             # in Redis's order, hidden ones last
    acl: list               # all categories, implied ones included, in Redis's order
    keys: list
    legacy_keys: tuple      # first, last, step
    arguments: list
    history: list
    tips: list
    doc_flags: list
    deprecated_since: str
    replaced_by: str
    python: PythonMethod = None
    subcommands: list = field(default_factory=list)

    @property
    def fullname(self):
        """As Redis writes it in replies: "client|list"."""
        return self.name.lower().replace(" ", "|")


def load(directory):
    """All top-level commands of `directory`/*.toml in alphabetical order, their subcommands inside them."""
    found = {}
    for path in sorted(Path(directory).glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise DeclarationError(f"{path.name}: {error}") from None
        for name, table in tables.items():
            where = f"{path.name}, {name}"
            if name in found:
                raise DeclarationError(f"{where}: declared already in {found[name].where}")
            found[name] = _command(name, table, where)
    for name in sorted(found):
        command = found[name]
        container, _, short = name.partition(" ")
        if short:
            if container not in found:
                raise DeclarationError(f"{command.where}: there is no {container} to belong to")
            found[container].subcommands.append(command)
    _check_handlers(found.values())
    return [found[name] for name in sorted(found) if " " not in name]


def _check_handlers(commands):
    taken = {}
    for command in commands:
        _require(command.handler or command.subcommands, command.where, "a command without subcommands needs a handler")
        _require(bool(command.handler) == bool(command.reply), command.where, "`handler` and `reply` belong together")
        if command.handler:
            other = taken.setdefault(command.handler, command)
            _require(other is command, command.where, f"handler {command.handler} is taken by {other.where}")


def _require(holds, where, message):
    if not holds:
        raise DeclarationError(f"{where}: {message}")


def _known(table, keys, where):
    _require(isinstance(table, dict), where, f"a table is expected, not {table!r}")
    unknown = sorted(set(table) - set(keys))
    _require(not unknown, where, f"unknown key {', '.join(unknown)}")


def _take(table, key, kind, where, default=None):
    """table[key], which must be of the given type; without a default it must be there."""
    value = table.get(key, default)
    _require(value is not None, where, f"{key} is missing")
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    _require(right, where, f"{key} must be of type {kind.__name__}, not {value!r}")
    return value


def _version(table, key, where, default=None):
    value = _take(table, key, str, where, default)
    _require(value == default or VERSION.fullmatch(value), where, f"{key} must be a version like 6.2.0, not {value!r}")
    return value


def _words(table, key, allowed, where):
    """A list of words, each from `allowed` and only once, in the order of `allowed`."""
    value = _take(table, key, list, where, [])
    for word in value:
        _require(word in allowed, where, f"{key}: {word!r} is none of {', '.join(allowed)}")
    _require(len(set(value)) == len(value), where, f"{key}: a word appears twice")
    return [word for word in allowed if word in value]


def _texts(table, key, where):
    value = _take(table, key, list, where, [])
    _require(all(isinstance(text, str) and text for text in value), where, f"{key} must be a list of texts")
    return value


def _command(name, table, where):
    _known(table, COMMAND_KEYS, where)
    words = name.split(" ")
    _require(len(words) <= 2 and all(NAME.fullmatch(word) for word in words), where,
             "a name is one upper-case word, or two for a subcommand")
    flags = _words(table, "flags", [*FLAGS, *HIDDEN_FLAGS], where)
    _require(not {"write", "readonly"} <= set(flags), where, "flags: write and readonly exclude each other")
    keys = [_key_spec(spec, f"{where}, keys[{i}]") for i, spec in enumerate(_take(table, "keys", list, where, []))]
    arity = _take(table, "arity", int, where)
    _require(abs(arity) >= len(words), where, f"arity counts the name too: {arity} is too small")
    command = Command(
        name=name, where=where,
        summary=_take(table, "summary", str, where),
        group=_take(table, "group", str, where),
        since=_version(table, "since", where),
        arity=arity,
        complexity=_take(table, "complexity", str, where, ""),
        handler=_handler(table, where, words),
        reply=_reply(table, where),
        flags=flags,
        acl=_acl(_words(table, "acl", ACL_CATEGORIES, where), flags, where),
        keys=keys,
        legacy_keys=_legacy(table, keys, where),
        arguments=_arguments(table, len(keys), where),
        history=_history(table, where),
        tips=_texts(table, "tips", where),
        doc_flags=_words(table, "doc_flags", DOC_FLAGS, where),
        deprecated_since=_version(table, "deprecated_since", where, ""),
        replaced_by=_take(table, "replaced_by", str, where, ""),
        python=_python(table["python"], f"{where}, python") if "python" in table else None,
    )
    _require(command.summary.strip(), where, "the summary is empty")
    _require(command.group in GROUPS, where, f"group {command.group!r} is none of {', '.join(sorted(GROUPS))}")
    deprecated = "deprecated" in command.doc_flags
    _require(deprecated == bool(command.deprecated_since), where,
             "doc_flags `deprecated` and deprecated_since belong together")
    _check_key_positions(command)
    return command


def _python(table, where):
    _known(table, ("method", "words", "reply", "aliases", "by_hand"), where)
    text = _take(table, "method", str, where)
    try:
        function = ast.parse(f"def {text}: pass").body[0]
    except SyntaxError:
        raise DeclarationError(f"{where}: {text!r} is no signature") from None
    given = function.args
    _require(not given.posonlyargs, where, "no parameter of redis-py's is positional only")
    defaults = [None] * (len(given.args) - len(given.defaults)) + [ast.unparse(default) for default in given.defaults]
    parameters = [Parameter(argument.arg, default) for argument, default in zip(given.args, defaults)]
    if given.vararg:
        parameters.append(Parameter(given.vararg.arg, kind="rest"))
    parameters += [Parameter(argument.arg, default and ast.unparse(default), "keyword")
                   for argument, default in zip(given.kwonlyargs, given.kw_defaults)]
    if given.kwarg:
        parameters.append(Parameter(given.kwarg.arg, kind="options"))
    reply = _take(table, "reply", str, where)
    _require(reply in PYTHON_REPLIES, where, f"reply {reply!r} is none of {', '.join(PYTHON_REPLIES)}")
    ways = _take(table, "words", list, where)
    _require(bool(ways), where, "words: there must be a way to say it")
    return PythonMethod(
        name=function.name, parameters=parameters, words=[_python_words(way, parameters, where) for way in ways], reply=reply,
        aliases=_texts(table, "aliases", where), by_hand=_words(table, "by_hand", ["client", "pipeline"], where))


def _python_words(text, parameters, where):
    kinds = {parameter.name: parameter.kind for parameter in parameters}
    found = []
    for word in text.split():
        match = PYTHON_WORD.fullmatch(word)
        _require(match, where, f"words: {word!r} says nothing")
        if match["literal"]:
            found.append(("literal", None, match["literal"]))
            continue
        name, how = match["parameter"], match["how"] or ""
        _require(name in kinds, where, f"words: {name} is no parameter")
        if how == "#" and kinds[name] == "plain":
            found.append(("list_count", name, None))
            continue
        rest = match["more"] or (name if how in ("*", "#") else None)
        _require(rest is None or kinds.get(rest) == "rest", where, f"words: {word} needs a *{rest}")
        _require(how in ("*", "#") or kinds[name] in ("plain", "keyword"), where, f"words: {name} is not one value")
        how = {"": "word", "?": "optional", "*": "rest", "#": "rest_count", "%": "pairs", "~": "scores", "[]": "list"}.get(
            how, "flag" if match["flag"] else "list_or_words" if match["more"] else how[1:])
        found.append((how, name, match["flag"]))
    return found


def _handler(table, where, words):
    handler = _take(table, "handler", str, where, "")
    if handler:
        match = HANDLER.fullmatch(handler)
        _require(match, where, f"handler must look like commands.string.cmd_get, not {handler!r}")
        expected = "cmd_" + "_".join(words).lower().replace("-", "_").replace(".", "_")
        _require(match.group(1) == expected, where, f"the handler's name must be {expected}, not {match.group(1)}")
    return handler


def _reply(table, where):
    reply = table.get("reply", {})
    if isinstance(reply, list):
        reply = {"resp2": reply, "resp3": reply}
    _known(reply, ("resp2", "resp3"), f"{where}, reply")
    if not reply:
        return {}
    for key, allowed in (("resp2", RESP2_SHAPES), ("resp3", RESP3_SHAPES)):
        _require(reply.get(key), where, f"reply: no shape for {key}")
        _words(reply, key, sorted(allowed), where)
    return reply


def implied_acl(flags, categories):
    """The ACL categories that follow from the flags, as in Redis; scripting commands are not reads."""
    implied = {"fast" if "fast" in flags else "slow"}
    if "write" in flags:
        implied.add("write")
    if "readonly" in flags and "scripting" not in categories:
        implied.add("read")
    if "admin" in flags:
        implied |= {"admin", "dangerous"}
    return implied | {flag for flag in ("pubsub", "blocking") if flag in flags}


def _acl(explicit, flags, where):
    implied = implied_acl(flags, explicit)
    doubled = sorted(implied & set(explicit))
    _require(not doubled, where, f"acl: {', '.join(doubled)} is implied by the flags, leave it out")
    return [category for category in ACL_CATEGORIES if category in implied or category in explicit]


def _key_spec(table, where):
    _known(table, ("flags", "begin", "find", "notes"), where)
    flags = _words(table, "flags", KEY_FLAGS, where)
    access = [flag for flag in flags if flag in KEY_ACCESS]
    _require(len(access) == 1 or "not_key" in flags, where, f"flags: exactly one of {', '.join(KEY_ACCESS)} is needed")
    begin, find = table.get("begin"), table.get("find")
    if begin == "unknown":
        begin = ("unknown",)
    elif isinstance(begin, dict) and "keyword" in begin:
        _known(begin, ("keyword", "from"), where)
        begin = ("keyword", _take(begin, "keyword", str, where), _take(begin, "from", int, where))
        _require(begin[1].isupper() and begin[2], where, "begin: the keyword is upper case, `from` is not 0")
    else:
        _known(begin, ("index",), f"{where}, begin")
        begin = ("index", _take(begin, "index", int, where))
        _require(begin[1] >= 1, where, "begin: the index counts from the name, so it is at least 1")
    if find == "unknown":
        find = ("unknown",)
    elif isinstance(find, dict) and "keynum" in find:
        _known(find, ("keynum", "first", "step"), where)
        find = ("keynum", _take(find, "keynum", int, where), _take(find, "first", int, where),
                _take(find, "step", int, where, 1))
        _require(find[2] > find[1] >= 0 and find[3] >= 1, where, "find: the keys follow their number")
    else:
        _known(find, ("last", "step", "limit"), f"{where}, find")
        find = ("range", _take(find, "last", int, where), _take(find, "step", int, where, 1),
                _take(find, "limit", int, where, 0))
        _require(find[2] >= 1 and find[3] >= 0, where, "find: step is at least 1, limit at least 0")
        _require(not find[3] or find[1] == -1, where, "find: limit goes with last = -1 only")
    return KeySpec(flags, begin, find, _take(table, "notes", str, where, ""))


def _legacy(table, keys, where):
    given = _take(table, "legacy_keys", list, where, [])
    if given:
        _require(len(given) == 3 and all(isinstance(n, int) for n in given), where, "legacy_keys: three numbers")
        return tuple(given)
    return legacy_keys(keys)


def legacy_keys(keys):
    """First, last and step, as COMMAND showed keys before there were specifications: what one range can say.

    A single range says all. Of several, those that follow one another without a gap become one.
    """
    ranges = [spec for spec in keys if spec.begin[0] == "index" and spec.find[0] == "range"]
    if len(keys) == 1 and ranges:
        first, (_, last, step, _) = keys[0].begin[1], keys[0].find
        return first, first + last if last >= 0 else last, step
    first = last = 0
    for spec in ranges:
        index, (_, spec_last, step, _) = spec.begin[1], spec.find
        if step != 1 or last < 0 or (last and index != last + 1):
            continue
        first = first or index
        last = index + spec_last if spec_last >= 0 else spec_last
    return (first, last, 1) if first else (0, 0, 0)


def _check_key_positions(command):
    """A key that every call has must lie within the words that every call has; keys up to the end may be none. (The commands of modules
    count their words themselves.)"""
    if "module" in command.flags:
        return
    for i, spec in enumerate(command.keys):
        open_end = spec.find[0] == "range" and spec.find[1] < 0 and command.arity < 0
        if spec.begin[0] == "index" and not open_end and "no_mandatory_keys" not in command.flags:
            _require(spec.begin[1] < abs(command.arity), command.where,
                     f"keys[{i}]: index {spec.begin[1]} lies beyond arity {command.arity}")


def _history(table, where):
    history = _take(table, "history", list, where, [])
    for entry in history:
        _require(isinstance(entry, list) and len(entry) == 2 and all(isinstance(text, str) for text in entry)
                 and VERSION.fullmatch(entry[0]), where, "history: pairs of version and change")
    return history


def _arguments(table, key_specs, where):
    return [_argument(argument, key_specs, where) for argument in _take(table, "arguments", list, where, [])]


def _argument(table, key_specs, where):
    where = f"{where}, argument {table.get('name') if isinstance(table, dict) else table!r}"
    _known(table, ARGUMENT_KEYS, where)
    kind = _take(table, "type", str, where)
    _require(kind in ARGUMENT_TYPES, where, f"type {kind!r} is none of {', '.join(sorted(ARGUMENT_TYPES))}")
    nested = kind in ("oneof", "block")
    name = _take(table, "name", str, where)
    argument = Argument(
        name=name, type=kind,
        display_text=_take(table, "display_text", str, where, "" if nested else name),
        key_spec=_take(table, "key_spec", int, where, -1),
        token=table.get("token"),
        since=_version(table, "since", where, ""),
        deprecated_since=_version(table, "deprecated_since", where, ""),
        flags=_words(table, "flags", ARGUMENT_FLAGS, where),
        arguments=_arguments(table, key_specs, where),
    )
    _require(argument.token is None or isinstance(argument.token, str), where, "token must be a text")
    _require(kind != "pure-token" or argument.token is not None, where, "a pure-token needs its token")
    _require(nested == bool(argument.arguments), where, "oneof and block, and only they, hold arguments")
    _require(argument.key_spec < key_specs, where, f"there is no keys[{argument.key_spec}]")
    return argument
