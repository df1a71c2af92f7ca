"""Turns the command declarations into the engine's command table.

Writes two Cython files, neither of them to be edited or committed:

    commands/command_table.pyx       every command as a constant struct, with its COMMAND INFO and COMMAND DOCS
                                   replies encoded for both protocols, and a perfect hash over the names;
                                   the Cython around the data is tools/command_table.pyx.template
    runtime/command_handlers.pyx    puts the functions of the command modules into that table

They are two because handlers need the table (COMMAND reads it, EXEC and CLIENT run through the executor, which
looks commands up in it): a table that imported its handlers would close a circle. Nothing below door/handle.pyx
imports command_handlers; the door does, once.
"""
import sys
from pathlib import Path

from declarations import ACL_CATEGORIES, FLAGS, HIDDEN_FLAGS, KEY_FLAGS, DeclarationError, load

TEMPLATE = Path(__file__).with_name("command_table.pyx.template")
ENGINE = "hutch_engine"
MASK = (1 << 64) - 1


# ---- RESP, as far as declarations need it ----

class Simple(str):
    """A simple string; a plain str is a bulk string."""


class Set(list):
    """A set of RESP3; an array in RESP2."""


def encode(value, protocol):
    """The bytes of a reply. dict: map (a flat array in RESP2), list: array, str: bulk string, int: integer."""
    if isinstance(value, Simple):
        return b"+%s\r\n" % value.encode()
    if isinstance(value, str):
        data = value.encode()
        return b"$%d\r\n%s\r\n" % (len(data), data)
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, dict):
        head = b"%%%d\r\n" % len(value) if protocol == 3 else b"*%d\r\n" % (2 * len(value))
        return head + b"".join(encode(part, protocol) for pair in value.items() for part in pair)
    mark = b"~" if isinstance(value, Set) and protocol == 3 else b"*"
    return mark + b"%d\r\n" % len(value) + b"".join(encode(item, protocol) for item in value)


def simple_set(words):
    return Set(map(Simple, words))


def info_reply(command):
    """The command's element of COMMAND INFO."""
    return [
        command.fullname,
        command.arity,
        simple_set(flag for flag in command.flags if flag not in HIDDEN_FLAGS),
        *command.legacy_keys,
        simple_set("@" + category for category in command.acl),
        Set(command.tips),
        Set(map(key_spec_reply, command.keys)),
        # Redis sends an empty set, but a full array.
        [info_reply(sub) for sub in command.subcommands] or Set(),
    ]


def key_spec_reply(spec):
    begin, find = spec.begin, spec.find
    begin_numbers = {
        "index": lambda index: {"index": index},
        "keyword": lambda keyword, start: {"keyword": keyword, "startfrom": start},
        "unknown": dict,
    }[begin[0]](*begin[1:])
    find_numbers = {
        "range": lambda last, step, limit: {"lastkey": last, "keystep": step, "limit": limit},
        "keynum": lambda index, first, step: {"keynumidx": index, "firstkey": first, "keystep": step},
        "unknown": dict,
    }[find[0]](*find[1:])
    return {
        **({"notes": spec.notes} if spec.notes else {}),
        "flags": simple_set(spec.flags),
        "begin_search": {"type": begin[0], "spec": begin_numbers},
        "find_keys": {"type": find[0], "spec": find_numbers},
    }


def docs_reply(command):
    """The map that COMMAND DOCS pairs with the command's name. What is empty is left out."""
    docs = {"summary": command.summary, "since": command.since, "group": command.group}
    if command.complexity:
        docs["complexity"] = command.complexity
    if command.doc_flags:
        docs["doc_flags"] = simple_set(command.doc_flags)
    if command.deprecated_since:
        docs["deprecated_since"] = command.deprecated_since
    if command.replaced_by:
        docs["replaced_by"] = command.replaced_by
    if command.history:
        docs["history"] = Set(command.history)
    if command.arguments:
        docs["arguments"] = list(map(argument_reply, command.arguments))
    if command.subcommands:
        docs["subcommands"] = {sub.fullname: docs_reply(sub) for sub in command.subcommands}
    return docs


def argument_reply(argument):
    reply = {"name": argument.name, "type": argument.type}
    if argument.display_text:
        reply["display_text"] = argument.display_text
    if argument.key_spec >= 0:
        reply["key_spec_index"] = argument.key_spec
    if argument.token is not None:
        reply["token"] = argument.token
    if argument.since:
        reply["since"] = argument.since
    if argument.deprecated_since:
        reply["deprecated_since"] = argument.deprecated_since
    if argument.flags:
        reply["flags"] = simple_set(argument.flags)
    if argument.arguments:
        reply["arguments"] = list(map(argument_reply, argument.arguments))
    return reply


# ---- The perfect hash ----

def name_hash(name, seed):
    """The same hash as in the template: first and last bytes of the name, case bit set, and its length."""
    data, order = name.encode(), sys.byteorder
    if len(data) >= 8:
        a, b = int.from_bytes(data[:8], order), int.from_bytes(data[-8:], order)
    elif len(data) >= 4:
        a, b = int.from_bytes(data[:4], order), int.from_bytes(data[-4:], order)
    else:
        a, b = data[0] | data[len(data) >> 1] << 8 | data[-1] << 16, 0
    a |= 0x2020202020202020
    b |= 0x2020202020202020
    mixed = ((a ^ seed) * 0x9E3779B97F4A7C15 + b * 0xC2B2AE3D27D4EB4F + len(data)) & MASK
    mixed ^= mixed >> 32
    mixed = mixed * 0xD6E8FEB86659FD93 & MASK
    return mixed ^ mixed >> 29


def perfect_hash(names):
    """(seed, displacements, slots): name i sits in slots[(hash >> 32) + displacements[hash] modulo the sizes].

    Hash and displace: names that share a bucket are moved together until all of them fall on free slots, the
    fullest buckets first. With two slots a name a seed that works is found at once.
    """
    size = 16
    while size < 2 * len(names):
        size *= 2
    buckets = size // 4
    for seed in range(1, 1000):
        groups = [[] for _ in range(buckets)]
        for i, name in enumerate(names):
            hashed = name_hash(name, seed)
            groups[hashed % buckets].append((hashed >> 32, i))
        slots, displacements = [None] * size, [0] * buckets
        for bucket in sorted(range(buckets), key=lambda bucket: -len(groups[bucket])):
            for displacement in range(size):
                places = [(high + displacement) % size for high, _ in groups[bucket]]
                if len(set(places)) == len(places) and all(slots[place] is None for place in places):
                    break
            else:
                break
            displacements[bucket] = displacement
            for place, (_, i) in zip(places, groups[bucket]):
                slots[place] = i
        else:
            # A stray name that falls on an empty slot is compared with command 0, and is not it.
            return seed, displacements, [slot or 0 for slot in slots]
    raise DeclarationError(f"no perfect hash for {len(names)} names: do two agree in length and first and last 8 bytes?")


# ---- Writing C and Cython ----

def c_string(data, width=96):
    """A C string literal, as adjacent pieces of bounded length. Octal escapes have three digits, so that no digit
    which follows can join them; backslashes are doubled for the Cython string around the C."""
    pieces, piece = [], ""
    for byte in data:
        character = chr(byte)
        if character in '"\\?':
            text = f"\\\\{byte:03o}"            # `?` could begin a trigraph
        elif 32 <= byte < 127:
            text = character
        else:
            text = f"\\\\{byte:03o}"
        if len(piece) + len(text) > width:
            pieces.append(piece)
            piece = ""
        piece += text
    pieces.append(piece)
    return "\n        ".join(f'"{piece}"' for piece in pieces)


def c_numbers(numbers):
    lines, numbers = [], list(numbers)
    for start in range(0, len(numbers), 24):
        lines.append("        " + ", ".join(map(str, numbers[start:start + 24])))
    return ",\n".join(lines) or "        0"


def bits(words, positions):
    return sum(1 << positions[word] for word in words)


def key_spec_row(spec):
    kinds = {"index": 1, "keyword": 2, "range": 1, "keynum": 2, "unknown": 3}
    begin, find = spec.begin, spec.find
    index = begin[1] if begin[0] == "index" else 0
    keyword, start = (c_string(begin[1].encode()), begin[2]) if begin[0] == "keyword" else ("0", 0)
    last, step, limit = find[1:] if find[0] == "range" else (0, 0, 0)
    keynum, first, step = find[1:] if find[0] == "keynum" else (0, 0, step)
    flags = bits(spec.flags, {flag: i for i, flag in enumerate(KEY_FLAGS)})
    return (f"{{{flags}, {kinds[begin[0]]}, {index}, {keyword}, {start}, {kinds[find[0]]}, {last}, {limit}, "
            f"{keynum}, {first}, {step}}}")


def command_row(command, ids, spec_start):
    def reply(make):
        encoded = [make(protocol) for protocol in (2, 3)]
        texts = ",\n        ".join(map(c_string, encoded))
        return f"{{{texts}}},\n        {{{len(encoded[0])}, {len(encoded[1])}}}"

    name, short = command.fullname, command.fullname.rpartition("|")[2]
    parent = command.fullname.partition("|")[0] if "|" in command.fullname else None
    subs = [ids[sub.fullname] for sub in command.subcommands]
    first, last, step = command.legacy_keys
    return (
        f'    {{"{name}", "{short}", {len(name)}, {len(short)}, {command.arity}, '
        f"{bits(command.flags, {**FLAGS, **HIDDEN_FLAGS})}u, "
        f"{bits(command.acl, {category: i for i, category in enumerate(ACL_CATEGORIES)})}u,\n"
        f"        {first}, {last}, {step}, {spec_start}, {len(command.keys)}, "
        f"{subs[0] if subs else 0}, {len(subs)}, {-1 if parent is None else ids[parent]},\n"
        "        " + reply(lambda protocol: encode(info_reply(command), protocol)) + ",\n"
        "        " + reply(lambda protocol: encode(command.fullname, protocol) + encode(docs_reply(command), protocol))
        + "}"
    )


def render_table(commands):
    """The text of command_table.pyx."""
    everything = numbered(commands)
    ids = {command.fullname: i for i, command in enumerate(everything)}
    rows, specs = [], []
    for command in everything:
        rows.append(command_row(command, ids, len(specs)))
        specs += map(key_spec_row, command.keys)
    seed, displacements, slots = perfect_hash([command.fullname for command in commands])
    values = {
        "TOP_COUNT": len(commands), "ALL_COUNT": len(everything), "SPEC_COUNT": max(len(specs), 1),
        "LONGEST": max(len(command.fullname) for command in commands),
        "ACL_COUNT": len(ACL_CATEGORIES), "ACL_CATEGORIES": ", ".join(f'"{name}"' for name in ACL_CATEGORIES),
        "KEY_FLAG_COUNT": len(KEY_FLAGS), "KEY_FLAGS": ", ".join(f'"{name}"' for name in KEY_FLAGS),
        "SEED": seed, "BUCKETS": len(displacements), "SLOTS": len(slots),
        "DISPLACEMENT_NUMBERS": c_numbers(displacements), "SLOT_NUMBERS": c_numbers(slots),
        "SPEC_ROWS": ",\n".join(f"    {row}" for row in specs) or "    {0}",
        "COMMAND_ROWS": ",\n".join(rows),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    # The head of the template is about the template.
    text = text[text.index('"""The command table'):]
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def numbered(commands):
    """All commands in the order of their ids: top-level ones, then the subcommands of each."""
    return [*commands, *(sub for command in commands for sub in command.subcommands)]


def render_handlers(commands, engine, handlers):
    """The text of command_handlers.pyx. A handler has to be named in the .pxd of its module."""
    wanted, missing = {}, []
    for i, command in enumerate(numbered(commands)):
        if command.handler:
            module, _, function = command.handler.rpartition(".")
            contract = engine / (module.replace(".", "/") + ".pxd")
            if contract.exists() and f"{function}(" in contract.read_text(encoding="utf-8"):
                wanted.setdefault(module, []).append((i, function))
            else:
                missing.append(f"{command.where}: {function} is not declared in {contract.relative_to(engine)}")
    if missing and handlers is True:
        raise DeclarationError("\n".join(missing))
    lines = ['"""Puts the handlers into the command table. Written by tools/command_table.py: never edit."""',
             "from libc.stdint cimport uint32_t",
             f"from {ENGINE}.commands.call cimport CommandHandler",
             f"from {ENGINE}.commands.command_table cimport command_table_set_handler"]
    for module, functions in sorted(wanted.items()):
        lines.append(f"from {ENGINE}.{module} cimport (")
        lines += [f"    {function}," for _, function in functions]
        lines.append(")")
    lines += ["", "",
              "cdef void install(uint32_t id, CommandHandler handler) noexcept:",
              "    # Takes the typed pointer, so that the compiler checks every signature.",
              "    command_table_set_handler(id, <void*>handler)", "", ""]
    for _, functions in sorted(wanted.items()):
        lines += [f"install({i}, {function})" for i, function in functions]
    return "\n".join(lines) + "\n"


def write_if_changed(path, text):
    """Leaves an equal file alone, so that nothing is rebuilt for it."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def generate(declarations_dir, output, handlers_output=None, handlers=True):
    """Writes the table to `output`, and the file that names all handlers to `handlers_output` (without: beside it).

    handlers: True      every declared handler has to exist
              "present" those that exist are taken, the other commands stay without (for work in progress)
              False     no command_handlers.pyx at all, for tests of the table alone
    """
    declarations_dir, output = Path(declarations_dir), Path(output)
    commands = load(declarations_dir)
    if not commands:
        raise DeclarationError(f"{declarations_dir}: no declarations")
    table = render_table(commands)
    handlers_output = Path(handlers_output or output.with_name("command_handlers.pyx"))
    if handlers:
        write_if_changed(handlers_output, render_handlers(commands, declarations_dir.parent, handlers))
    elif handlers_output.exists():
        handlers_output.unlink()
    write_if_changed(output, table)
