"""Reads the engine's sources as far as tests/test_layers.py wants to know them: text in, what it says out."""
import re
from pathlib import Path

ENGINE = Path(__file__).resolve().parents[2] / "engine"
PACKAGE = "hutch_engine"

_TOKEN = re.compile(r'''("""|\'\'\')(?:\\.|(?!\1).)*\1|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*''', re.DOTALL)


def code_of(text):
    """Without comments, and with nothing in its strings; lines stay where they are."""
    def emptied(match):
        return ("" if match[0].startswith("#") else '""') + "\n" * match[0].count("\n")
    return _TOKEN.sub(emptied, text)


def logical_lines(text):
    """The code's lines, those joined that parentheses or a backslash hold together: (indentation, line)."""
    waiting, depth = "", 0
    for line in code_of(text).split("\n"):
        depth += sum(line.count(mark) for mark in "([{") - sum(line.count(mark) for mark in ")]}")
        waiting += " " + line if waiting else line
        if waiting.endswith("\\"):
            waiting = waiting[:-1]
        elif depth <= 0:
            if waiting.strip():
                yield len(waiting) - len(waiting.lstrip()), " ".join(waiting.split())
            waiting, depth = "", 0


# -- modules --------------------------------------------------------------------------------------------------

def sources():
    """All but hutch_engine/loader, which lies in no room: it only finds the others."""
    return sorted(path for kind in ("*.pyx", "*.pxd") for path in ENGINE.rglob(kind) if path.stem not in ("__init__", "loader"))


def module_of(path):
    return ".".join(path.relative_to(ENGINE).with_suffix("").parts)


def room_of(module):
    """hutch_engine.base.buffer: base."""
    parts = module.split(".")
    return parts[1] if len(parts) == 3 and parts[0] == PACKAGE else None


def imports_in(text, modules):
    """{module: names taken from it} for the engine's modules that the text imports, anywhere and in any form."""
    found = {}
    for _, line in logical_lines(text):
        line = line.replace("(", " ").replace(")", " ")
        taken = re.match(r"from ([\w.]+) c?import (.*)", line)
        plain = re.match(r"c?import (.*)", line)
        if taken and taken[1].split(".")[0] in (PACKAGE, ""):
            names = [name.split()[0] for name in taken[2].split(",") if name.strip()]
            if taken[1] in modules:
                found.setdefault(taken[1], set()).update(names)
            else:                        # from hutch_engine.base cimport lock
                for name in names:
                    found.setdefault(f"{taken[1]}.{name}", set())
        elif plain:
            for name in plain[1].split(","):
                if name.split() and name.split()[0].split(".")[0] == PACKAGE:
                    found.setdefault(name.split()[0], set())
    return found


# -- functions ------------------------------------------------------------------------------------------------

_FUNCTION = re.compile(r"(cdef|cpdef)\s+(?!extern\b|enum\b|struct\b|union\b|class\b|packed\b|public\b)[^=(]*?\b\w+\(")


def signatures(text):
    """Module-level C functions: their whole signature."""
    for indentation, line in logical_lines(text):
        if indentation == 0 and _FUNCTION.match(line) and not re.match(r"cdef [^(]*\(\s*\*", line):
            yield line


def declared_names(text):
    """Names of the functions that a .pxd declares at module level."""
    return [re.search(r"(\w+)\(", line)[1] for line in signatures(text)]


def undocumented(text):
    """Names of the functions that a .pxd declares or defines at module level without a docstring right below. A command's handler is
    described by its entry in the table of commands."""
    said, code, found, number = text.split("\n"), code_of(text).split("\n"), [], 0
    while number < len(code):
        first = number
        number += 1
        if not code[first].startswith(("cdef ", "cpdef ")):
            continue
        line = code[first]
        while line.count("(") > line.count(")") and number < len(code):
            line += " " + code[number].strip()
            number += 1
        names = [re.search(r"(\w+)\(", signature)[1] for signature in signatures(line)]
        below = said[number] if number < len(said) else ""
        if line.rstrip().endswith(":"):
            below = below.strip()
        found += [name for name in names if not name.startswith("cmd_") and not below.startswith('"""')]
    return found


# -- function pointers ----------------------------------------------------------------------------------------

def pointer_types(texts):
    """Names that some ctypedef gives to pointers to functions."""
    found = set()
    for text in texts:
        for _, line in logical_lines(text):
            match = re.match(r"ctypedef [^(]*\(\s*\*\s*(\w+)", line)
            if match:
                found.add(match[1])
    return found


def function_pointers(text, types):
    """("Struct.field") of fields that point to functions, in any struct or union of the text."""
    found, struct = [], None
    for indentation, line in logical_lines(text):
        opened = re.match(r"(?:cdef|ctypedef) (?:packed )?(?:struct|union) (\w+)\s*:", line)
        if opened:
            struct = opened[1] if indentation == 0 else struct
        elif indentation == 0:
            struct = None
        elif struct:
            inline = re.match(r"[^(]*\(\s*\*\s*(\w+)(?:\[\w*\])*\s*\)\s*\(", line)
            named = re.match(r"(?:const )?(\w+)(?:\[\w*\])*\s+(.*)", line)
            if inline:
                found.append(f"{struct}.{inline[1]}")
            elif named and named[1] in types:
                found += [f"{struct}.{name}" for name in re.findall(r"\w+", re.sub(r"\[\w*\]", "", named[2]))]
    return found


# -- Python ---------------------------------------------------------------------------------------------------

_PYTHON = (
    ("takes the GIL", re.compile(r"\bwith gil\b")),
    ("defines Python", re.compile(r"^(def|class|async|cpdef|cdef class|lambda)\b|^@")),
    ("speaks with CPython", re.compile(r"\bcpython\b|\bPyObject\b|\bPy[A-Z]\w*_\w+\(")),
    ("handles exceptions", re.compile(r"^(raise|try|except|finally|assert)\b")),
    ("imports Python", re.compile(r"^(import [\w.]+|from [\w.]+ import )")),
    ("has a Python object", re.compile(r"^(?:cdef |cdef inline |ctypedef )?(?:object|str|bytes|bytearray|list|dict|tuple|set|type)\s+\w+\s*(?:\(|=|,|$)"
                                       r"|[(,] ?(?:object|str|bytes|bytearray|list|dict|tuple|type) \w+ ?[,)=]")),
)


def python_in(text):
    """(what it does, the line) for every line that touches Python."""
    return [(what, line) for _, line in logical_lines(text) for what, pattern in _PYTHON if pattern.search(line)]


# -- what a layer's rule forbids: each answers the faults that it finds ------------------------------------------

def place_of(module, floors):
    """(floor, line within it) by a table {room: ("lowest modules", ..., "highest modules")}; None when it has no place there."""
    room = room_of(module)
    for line, names in enumerate(floors.get(room, ())):
        if module.split(".")[-1] in names.split():
            return list(floors).index(room), line
    return None


def upward_imports(module, text, modules, floors):
    here = place_of(module, floors)
    if here is None:
        return [f"{module} has no place: put it into FLOORS, above what it imports"]
    found = []
    for imported in sorted(set(imports_in(text, modules)) - {module}):
        there = place_of(imported, floors)
        if there is None:
            found.append(f"{module} imports {imported}, which has no place in FLOORS")
        elif there >= here:
            found.append(f"{module} imports {imported}, which lies {'above' if there > here else 'beside'} it")
    return found


def careless_signatures(text):
    """Functions that do not say that they need no Python, and raise nothing."""
    return [line for line in signatures(text) if not re.search(r"\)\s*noexcept nogil\s*:?", line)]


def reaches(text, modules, rooms):
    """{"room.module": names} that the text takes from these rooms."""
    return {module.partition(".")[2]: names for module, names in imports_in(text, modules).items() if room_of(module) in rooms}


def hidden_function_pointers(text, types):
    """Casts of something to one of the types of function pointers, other than of a function's own name."""
    return [name for _, line in logical_lines(text) for name in re.findall(r"<(\w+)>", line) if name in types]


def homeless_names(path, text, words):
    """Functions that neither their file's name nor one of the words begins; a handler begins with cmd where `cmd` is among the words."""
    return [name for name in declared_names(text) if not (
        name == path.stem or name.startswith(path.stem + "_") or name.lstrip("_").split("_")[0] in words)]


def overlong(lengths, limit, allowed):
    """Of {file: lines}: those above the limit that are not allowed, and those that are allowed in vain."""
    return ([f"{path} has {lines} lines" for path, lines in sorted(lengths.items()) if lines > limit and path not in allowed]
            + [f"{path} is short by now, strike it from the list" for path in allowed if lengths.get(path, 0) <= limit])
