"""The house keeps its floors: imports only go down, and no core function can touch Python.

Read from the sources, so that a mistake shows before anything is built. (The compiler proves that a `nogil`
function touches no Python; that the words are there is for us to see.)
"""
import re
from pathlib import Path

import pytest

ENGINE = Path(__file__).resolve().parents[1] / "engine"
# Lowest first. Within the runtime, the table of all commands' handlers names every room, and lies on top.
FLOORS = ["base", "structures", "keyspace", "formats", "commands", "state", "sessions", "executor", "scripting", "net", "control",
          "runtime", "door"]
CORE = FLOORS[:-1]
FILLED_AT_IMPORT = "hutch_engine.commands.command_table"     # Python runs its filling, once
RUN_AT_IMPORT = "hutch_engine.runtime.command_handlers"      # and so it does with this

SOURCES = sorted(path for kind in ("*.pyx", "*.pxd") for path in ENGINE.rglob(kind)
                 if path.stem != "__init__")
CIMPORT = re.compile(r"^\s*(?:from\s+(hutch_engine[\w.]*)\s+c?import\s+(.*)|c?import\s+(hutch_engine[\w.]*))", re.MULTILINE)


def module_of(path):
    return ".".join(path.relative_to(ENGINE).with_suffix("").parts)


MODULES = {module_of(path) for path in SOURCES}


def floor_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 2 and parts[1] in FLOORS else None


def imports_of(path):
    """The engine's modules that a source names in import lines."""
    found = set()
    for match in CIMPORT.finditer(path.read_text()):
        origin, names, plain = match.groups()
        if plain:
            found.add(plain)
        elif origin in MODULES:
            found.add(origin)
        else:                            # from hutch_engine.base cimport lock
            found.update(f"{origin}.{name}" for name in re.findall(r"\w+", names) if f"{origin}.{name}" in MODULES)
    return found


def test_there_is_something_to_read():
    assert len(SOURCES) > 30
    assert imports_of(ENGINE / "hutch_engine/door/engine.pyx")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ENGINE / "hutch_engine")))
def test_imports_only_go_down(path):
    module = module_of(path)
    floor = floor_of(module)
    assert floor is not None, f"{module} is on no floor: add it to FLOORS, or move it"
    for imported in imports_of(path):
        assert FLOORS.index(floor_of(imported)) <= FLOORS.index(floor), \
            f"{module} ({floor}) imports {imported} ({floor_of(imported)}), which lies above it"


def test_no_circles():
    """Extension modules that import each other's functions do not load."""
    graph = {module: set() for module in MODULES}
    for path in SOURCES:
        for imported in imports_of(path) - {module_of(path)}:
            graph[module_of(path)].add(imported)
            graph.setdefault(imported, set())        # generated, and not built yet
    done, open_ = set(), []

    def visit(module):
        if module in done:
            return
        assert module not in open_, " -> ".join(open_[open_.index(module):] + [module])
        open_.append(module)
        for imported in sorted(graph[module]):
            visit(imported)
        open_.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)


FUNCTION = re.compile(r"^(cdef|cpdef)\s+(?!extern\b|enum\b|struct\b|union\b|class\b|packed\b)[^\n=]*?\b\w+\(", re.MULTILINE)


def signatures(text):
    """Module-level C functions: their whole signature, up to the closing parenthesis's line end."""
    for match in FUNCTION.finditer(text):
        at, depth = match.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        end = text.find("\n", at)
        yield " ".join(text[match.start():end if end >= 0 else len(text)].split())


def test_signatures_reads_them():
    text = "cdef int a(int b,\n           int c) noexcept nogil:\n    pass\ncdef int x = f(1)\ncdef inline T* b() nogil\n"
    assert list(signatures(text)) == ["cdef int a(int b, int c) noexcept nogil:", "cdef inline T* b() nogil"]


@pytest.mark.parametrize("path", [path for path in SOURCES if floor_of(module_of(path)) in CORE and module_of(path) != RUN_AT_IMPORT],
                         ids=lambda path: str(path.relative_to(ENGINE / "hutch_engine")))
def test_core_functions_are_noexcept_nogil(path):
    for signature in signatures(path.read_text()):
        head = signature.split("#")[0]
        if module_of(path) == FILLED_AT_IMPORT and head.startswith("cdef int fill("):
            continue
        assert re.search(r"\)\s*noexcept nogil\s*:?", head), f"say `noexcept nogil`: {signature}"
    assert "DEF " not in path.read_text(), "DEF is deprecated: use `cdef enum`"
