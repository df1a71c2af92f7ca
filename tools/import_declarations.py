#!/usr/bin/env python3
"""Asks a running Redis what it knows of some commands and prints their declarations as TOML.

    tools/import_declarations.py --port 6379 --module commands.list LPUSH LPOP LLEN > commands/list.toml
    tools/import_declarations.py --port 6379 --module commands.hash --group hash

Subcommands come along with their container. Facts come from COMMAND INFO and COMMAND DOCS; the summary (in our own
words, so it is not printed) and the shape of the reply (the server does not know it) are left empty for a
person to write, and tools/command_table.py refuses the file until that is done.
"""
import argparse
import json
import socket

from declarations import ACL_CATEGORIES, FLAGS, KeySpec, implied_acl, legacy_keys

WIDTH = 116
# Flags that Redis does not show.
HIDDEN = {
    "DEBUG": ["protected"], "MODULE LOAD": ["protected"], "MODULE LOADEX": ["protected"], "MODULE UNLOAD": ["protected"],
    "SCAN": ["touches_arbitrary_keys"], "RANDOMKEY": ["touches_arbitrary_keys"],
    "EVAL": ["may_replicate"], "EVALSHA": ["may_replicate"], "FCALL": ["may_replicate"],
    "PUBLISH": ["may_replicate", "channel"], "SPUBLISH": ["may_replicate", "channel"], "PFCOUNT": ["may_replicate"],
    "EXEC": ["runs_in_multi", "runs_queue"], "DISCARD": ["runs_in_multi"], "MULTI": ["runs_in_multi"], "WATCH": ["runs_in_multi"],
    "QUIT": ["runs_in_multi", "for_subscribers"], "RESET": ["runs_in_multi", "for_subscribers"], "PING": ["for_subscribers", "needs_disk"],
    **dict.fromkeys(["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"], ["for_subscribers"]),
    **dict.fromkeys(["SUBSCRIBE", "SSUBSCRIBE"], ["for_subscribers", "channels"]),
    "PSUBSCRIBE": ["for_subscribers", "channel", "channels"],
    **dict.fromkeys(["ACL SETUSER", "ACL DELUSER", "ACL GETUSER"], ["secret"]),
    "AUTH": ["secret"], "HELLO": ["secret_auth"], "CLIENT": ["keeps_caching"],
    "CONFIG SET": ["secret_parameters"],
}


class Connection:
    """A RESP3 connection that gives arrays and sets as lists, maps as dicts, text as str."""

    def __init__(self, host, port):
        self.file = socket.create_connection((host, port)).makefile("rwb")
        self.call("HELLO", "3")

    def call(self, *words):
        encoded = [word.encode() for word in words]
        self.file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
        self.file.flush()
        return self.read()

    def read(self):
        line = self.file.readline().rstrip(b"\r\n").decode()
        kind, rest = line[:1], line[1:]
        if kind == "-":
            raise SystemExit(f"the server says: {rest}")
        if kind == "+":
            return rest
        if kind == ":":
            return int(rest)
        if kind == "$":
            return self.file.read(int(rest) + 2)[:-2].decode()
        if kind in "*~":
            return [self.read() for _ in range(int(rest))]
        if kind == "%":
            return {self.read(): self.read() for _ in range(int(rest))}
        if kind == "_":
            return None
        raise SystemExit(f"unexpected reply {line!r}")


def toml(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)        # numbers and texts are written alike


def block(items):
    """A list with one item a line, unless it is short."""
    line = toml(items)
    if len(items) <= 1 and len(line) < WIDTH - 13:
        return line
    return "[\n" + "".join(f"    {toml(item)},\n" for item in items) + "]"


def argument_lines(arguments, depth=1):
    """One argument a line; inner arguments indented below theirs (TOML 1.0 breaks lines inside lists only)."""
    lines = []
    for argument in arguments:
        inner = argument.pop("arguments", None)
        text = toml(argument)
        if inner:
            text = text[:-2] + ", arguments = [\n" + "".join(argument_lines(inner, depth + 1)) + "    " * depth + "] }"
        lines.append("    " * depth + text + ",\n")
    return lines


def key_spec(spec):
    begin, find = spec["begin_search"], spec["find_keys"]
    result = {"flags": spec["flags"]}
    if begin["type"] == "index":
        result["begin"] = {"index": begin["spec"]["index"]}
    elif begin["type"] == "keyword":
        result["begin"] = {"keyword": begin["spec"]["keyword"], "from": begin["spec"]["startfrom"]}
    else:
        result["begin"] = "unknown"
    if find["type"] == "range":
        result["find"] = {"last": find["spec"]["lastkey"], "step": find["spec"]["keystep"],
                          "limit": find["spec"]["limit"]}
    elif find["type"] == "keynum":
        result["find"] = {"keynum": find["spec"]["keynumidx"], "first": find["spec"]["firstkey"],
                          "step": find["spec"]["keystep"]}
    else:
        result["find"] = "unknown"
    if isinstance(result["find"], dict):
        if result["find"]["step"] == 1:
            del result["find"]["step"]
        if not result["find"].get("limit"):
            result["find"].pop("limit", None)
    if spec.get("notes"):
        result["notes"] = spec["notes"]
    return result


def argument(entry):
    result = {"name": entry["name"], "type": entry["type"]}
    if entry.get("display_text", entry["name"]) != entry["name"]:
        result["display_text"] = entry["display_text"]
    if "key_spec_index" in entry:
        result["key_spec"] = entry["key_spec_index"]
    for key in ("token", "since", "deprecated_since", "flags"):
        if key in entry:
            result[key] = entry[key]
    if "arguments" in entry:
        result["arguments"] = [argument(inner) for inner in entry["arguments"]]
    return result


def explicit_acl(shown, flags):
    """The categories that the flags do not imply already."""
    implied = implied_acl(flags, shown)
    return [category for category in ACL_CATEGORIES if category in shown and category not in implied]


def declaration(info, docs, module):
    """The TOML of one command, and of its subcommands after it."""
    fullname, arity, flags, first, last, step, acl, tips, keys, subcommands = info
    name = fullname.upper().replace("|", " ")
    flags = [flag for flag in FLAGS if flag in flags]
    specs = [key_spec(spec) for spec in keys]
    parsed = [KeySpec(spec["flags"],
                      ("index", spec["begin"]["index"]) if "index" in spec["begin"] else ("other",),
                      ("range", spec["find"]["last"], spec["find"].get("step", 1), 0) if "last" in spec["find"]
                      else ("other",)) for spec in specs]
    lines = [("summary", '""'), ("group", toml(docs["group"])), ("since", toml(docs["since"])), ("arity", str(arity)),
             ("flags", toml(flags + HIDDEN.get(name, []))),
             ("acl", toml(explicit_acl([category[1:] for category in acl], flags)))]
    if docs.get("complexity"):
        lines.append(("complexity", toml(docs["complexity"])))
    if not subcommands or abs(arity) == 1:              # COMMAND is a container and a command by itself
        lines.append(("handler", toml(f"{module}.cmd_" + name.lower().replace(" ", "_").replace("-", "_"))))
        lines.append(("reply", "[]"))
    if specs:
        lines.append(("keys", block(specs)))
    if legacy_keys(parsed) != (first, last, step):
        lines.append(("legacy_keys", toml([first, last, step])))
    if docs.get("arguments"):
        lines.append(("arguments", "[\n" + "".join(argument_lines(map(argument, docs["arguments"]))) + "]"))
    for key in ("doc_flags", "deprecated_since", "replaced_by"):
        if docs.get(key):
            lines.append((key, toml(docs[key])))
    if docs.get("history"):
        lines.append(("history", block(docs["history"])))
    if tips:
        lines.append(("tips", toml(tips)))
    header = f'["{name}"]' if " " in name else f"[{name}]"
    text = header + "\n" + "".join(f"{key:10} = {value}\n" for key, value in lines)
    for sub in sorted(subcommands, key=lambda sub: sub[0]):
        text += "\n" + declaration(sub, docs["subcommands"][sub[0]], module)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--module", required=True, help="where the handlers live, for example commands.list")
    parser.add_argument("--group", help="all commands of this group")
    parser.add_argument("commands", nargs="*", metavar="COMMAND")
    options = parser.parse_args()
    server = Connection(options.host, options.port)
    names = [name.lower() for name in options.commands]
    if options.group:
        docs = server.call("COMMAND", "DOCS")
        names += sorted(name for name, doc in docs.items() if doc["group"] == options.group)
    if not names:
        parser.error("name some commands, or a group")
    parts = []
    for name in names:
        info = server.call("COMMAND", "INFO", name)[0]
        if info is None:
            raise SystemExit(f"the server has no command {name.upper()}")
        parts.append(declaration(info, server.call("COMMAND", "DOCS", name)[name], options.module))
    print("\n".join(parts), end="")


if __name__ == "__main__":
    main()
