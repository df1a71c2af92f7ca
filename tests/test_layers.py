"""The house keeps its floors: imports only go down, within a room, too; no core function can touch Python; the door calls functions and
does not reach into structures; what points to functions is listed; files stay short; a name tells where it is defined,
and a docstring what it does.

Read from the sources, so that a mistake shows before anything is built. (The compiler proves that a `nogil`
function touches no Python; that the words are there is for us to see.) Each check is tried out on a small text that must fail.
"""
import re
import subprocess
from pathlib import Path

import pytest

from kit.engine_sources import (
    ENGINE, PACKAGE, careless_signatures, declared_names, function_pointers, hidden_function_pointers, homeless_names, imports_in, module_of,
    overlong, pointer_types, python_in, reaches, room_of, signatures, sources, undocumented, upward_imports)

ROOT = Path(__file__).resolve().parents[1]

# Lowest first. Within a room a module knows only those of lower lines, and none of its own line.
FLOORS = {
    "base": (
        "atomics checks compiler lock outcome random slice thread waker",
        "sha_pad",
        "bell clock glob growth hash leb128 memory numbers sha1 sha256",
        "buffer digest",
        "quote words"),
    "structures": (
        "bits compact_set geohash hash_field id_map intset json_number json_regex json_scan json_value listpack table wheel",
        "hash hyperloglog json_parse json_path json_survey json_write quicklist set sorted_tree stream_group stream_log",
        "bag json_find sorted_set stream"),
    "keyspace": (
        "entry journal",
        "snapshot value_type",
        "hash_type json_type list_type set_type stream_type string_type zset_type",
        "value_types",
        "keyspace",
        "loading prefetch"),
    "formats": (
        "crc64 lzf",
        "rdb",
        "rdb_module rdb_old rdb_set rdb_stream_reader rdb_stream_writer rdb_string",
        "rdb_hash rdb_json rdb_list rdb_skip rdb_stream rdb_zset",
        "rdb_values"),
    "commands": (
        "command reply",
        "call command_keys command_table",
        "command_names",
        "database expiry json_words lcs list object scan stream_words",
        "hash json json_array json_lengths json_scalar json_set keys set stream stream_claim stream_info stream_read string zset",
        "bitmap dump geo hash_expire hyperloglog set_operations sort stream_group zset_operations zset_range"),
    "state": ("config_table user", "config user_rules", "config_lines engine", "latency_events log"),
    "sessions": (
        "key_filter key_name monitor_records output_limit secrets wake_queue",
        "pubsub waiting watch",
        "keyspace_events monitor transaction",
        "tracking",
        "session",
        "session_text",
        "users"),
    "executor": (
        "effects error_stats eviction latency rights slow_log", "admission run", "serving transactions", "aftermath", "executor"),
    "scripting": (
        "cjson_number function_payload lua_api lua_numbers",
        "bit conversion lua_scratch state struct",
        "cjson_settings cmsgpack sandbox script_run shebang",
        "cjson_decode cjson_encode redis_library",
        "cjson function_api",
        "interpreter",
        "eval_commands function_library",
        "function_commands"),
    "persistence": (
        "files rdb_foreign rdb_output rdb_writer",
        "command_writer log_manifest log_replay rdb_input saving",
        "append_log rdb_load",
        "log_writer snapshot_job",
        "background",
        "log_load"),
    "net": ("client_eviction openssl poller resp_parser sockets", "transport", "tls", "connections", "inner_batch", "listener"),
    "control": (
        "acl_commands config_rewrite connection_commands crash_log debug_values introspection latency_commands oom_score "
        "persistence_commands process_title pubsub_commands slowlog_commands standalone tracking_commands",
        "client_commands config_commands info server_commands",
        "debug memory_commands"),
    "runtime": ("command_handlers housekeeping clock_moves", "engine"),
    "door": (
        "checksum classes codec descriptors lifetimes output spare_tls waits",
        "json_text msgpack",
        "cached_calls handle replies",
        "method_table session",
        "engine hot submissions",
        "hot_replies",
        "hot_collections",
        "hot_pipeline",
        "methods",
        "hot_async"),
}
ROOMS = list(FLOORS)
CORE = ROOMS[:-1]

# Fields that point to functions, which lets a lower room call a higher one: each with its reason. To be at most five.
FUNCTION_POINTERS = {
    "state/engine.pxd": {
        "Scripts.serve_others": "a script of the listener's client lets other clients in",
        "Scripts.look_at_signals": "the door asks Python whether Ctrl-C was pressed while a script runs",
        "Scripts.flags_of_script": "a script's first line changes the flags of EVAL",
        "Housekeeping.start": "runtime/housekeeping starts its thread at the first need",
    },
    "scripting/state.pxd": {"Scripting.free_libraries": "function_library frees its libraries with the interpreters, which lie below it"},
    # The table of types: a row's functions, filled while modules are imported; formats/ fills two of them from above.
    "keyspace/value_type.pxd": {f"ValueType.{name}": "keyspace knows no type by name" for name in (
        "free", "free_some", "effort", "copy", "memory", "length", "digest", "details", "listpack", "save", "load")},
    # No hook upward: both rows lie in net/, and the loop above them calls whichever a connection has.
    "net/transport.pxd": {f"Transport.{name}": "plain sockets and TLS, in one loop that knows neither" for name in (
        "greet", "read", "write", "shut", "free")},
    "net/tls.pxd": {f"TlsProvider.{name}": "the door has another way to TLS, by Python's ssl, where OpenSSL cannot be reached" for name in (
        "context_new", "context_free", "open", "common_name", "problem")},
    # No hook: called before the function that fills the struct returns.
    "commands/zset_operations.pyx": {"SetWalk.visit": "what is done with each member of a set or sorted set"},
}
# Where something that is no pointer to a function by its type is called as one.
FUNCTION_CASTS = {
    "executor/run.pyx": {"CommandHandler": "Command.handler, which the table of commands, far below, cannot name"},
}

# What the door takes from the rooms of data, where it should call the functions of commands. Must not grow.
DATA_ROOMS = ("structures", "keyspace", "formats")
DOOR_REACHES = {
    "checksum.pyx": {"formats.crc64": "crc64"},
    "hot.pyx": {"keyspace.keyspace": "FIND_NO_TOUCH keyspace_hash"},
}

# Python that runs once, when the module is imported; no command ever comes by.
AT_IMPORT = {
    "hutch_engine.base.numbers": ("raise MemoryError(",),
    "hutch_engine.commands.command_table": ("raise ImportError(",),
    "hutch_engine.formats.rdb_values": ("raise SystemError(",),
    "hutch_engine.keyspace.value_types": ("raise SystemError(",),
    "hutch_engine.scripting.cjson_decode": ("raise MemoryError(",),
    "hutch_engine.state.config_table": ("raise SystemError(",),
}
FILLED_AT_IMPORT = "hutch_engine.commands.command_table"     # Python runs its filling, once
RUN_AT_IMPORT = "hutch_engine.runtime.command_handlers"      # and so it does with this; generated

LONGEST_FILE = 1000
LONG_FILES = {}

# What the names of functions in a .pxd begin with, other than their file's name: by room, so that who meets a name knows where to
# look for it. `cmd` is a command's handler.
FIRST_WORDS = {
    "base": "invariant monotonic ticks heap parse read format ascii",
    "structures": "field geo hll id listpack sorted stream json",
    "keyspace": "entry hash encoding list string value type size record zset keyspace json",
    "formats": "module pack rdb",
    "commands": "cmd call slot slice error command writing key entry c id json reply stream",
    "state": "config session user selector pattern patterns first record rule",
    "sessions": "cmd topic topics session engine",
    "executor": "cmd evict execute serve transaction",
    "scripting": "cmd lua luaL cjson eval flags scripting script interpreter",
    "persistence": "directory file foreign manifest name path persistence replay",
    "net": "client clients words parser socket",
    "control": "cmd session config rewrite debug resident resizing persistence",
    "runtime": "",
    "door": "looked arguments descriptor method no decode shape taken take run interrupt raise hot life follow look wait",
}

SOURCES = sources()
MODULES = {module_of(path) for path in SOURCES} | {FILLED_AT_IMPORT, RUN_AT_IMPORT}
TEXTS = {path: path.read_text() for path in SOURCES}
POINTER_TYPES = pointer_types(TEXTS.values())


def short(path):
    return path.relative_to(ENGINE / PACKAGE).as_posix()


every_source = pytest.mark.parametrize("path", SOURCES, ids=short)
core_source = pytest.mark.parametrize("path", [path for path in SOURCES if room_of(module_of(path)) in CORE
                                               and module_of(path) != RUN_AT_IMPORT], ids=short)


def test_there_is_something_to_read():
    assert len(SOURCES) > 30
    assert imports_in(TEXTS[ENGINE / "hutch_engine/door/engine.pyx"], MODULES)


# ---- floors

def test_the_rooms_are_those_of_the_build():
    directories = {path.parent.name for path in SOURCES}
    assert directories == set(ROOMS)
    listed = re.search(r"^ROOMS = (\[.*?\])", (ROOT / "setup.py").read_text(), re.MULTILINE | re.DOTALL)
    assert re.findall(r'"(\w+)"', listed[1]) == ROOMS


def test_no_module_is_listed_that_is_gone_or_listed_twice():
    listed = [f"{PACKAGE}.{room}.{name}" for room, lines in FLOORS.items() for line in lines for name in line.split()]
    assert sorted(set(listed)) == sorted(listed)
    assert set(listed) == MODULES


@every_source
def test_imports_only_go_down(path):
    assert upward_imports(module_of(path), TEXTS[path], MODULES, FLOORS) == []


SMALL_HOUSE = {"base": ("slice", "buffer"), "keyspace": ("entry", "keyspace")}
SMALL_MODULES = {"hutch_engine.base.slice", "hutch_engine.base.buffer", "hutch_engine.keyspace.entry", "hutch_engine.keyspace.keyspace"}


@pytest.mark.parametrize("text", (
    "from hutch_engine.keyspace.entry cimport Entry",
    "from hutch_engine.keyspace.entry cimport (Entry,\n    # of what\n    entry_new)",
    "from hutch_engine.keyspace cimport entry",
    "from hutch_engine.keyspace cimport (\n    keyspace,\n    entry)",
    "from hutch_engine.keyspace cimport \\\n    entry",
    "cimport hutch_engine.keyspace.entry",
    "cimport hutch_engine.base.slice, hutch_engine.keyspace.entry as e",
    "import hutch_engine.keyspace.entry",
    "def f():\n    from hutch_engine.keyspace.entry import x",
    "from hutch_engine.base.buffer cimport Buffer",                       # beside it, in its own room
    "from hutch_engine.nowhere.thing cimport Thing",
))
def test_an_import_upward_is_seen(text):
    house = {"base": ("slice buffer",), "keyspace": ("entry", "keyspace")}
    assert upward_imports("hutch_engine.base.slice", "cdef int a\n" + text + "\n", SMALL_MODULES, house)


@pytest.mark.parametrize("module, text, right", (
    ("keyspace.entry", "from hutch_engine.base.buffer cimport Buffer", True),
    ("base.buffer", "from hutch_engine.base.slice cimport Slice", True),
    ("base.slice", "from hutch_engine.base.buffer cimport Buffer", False),
    ("keyspace.entry", "cimport hutch_engine.keyspace.keyspace", False), ("keyspace.new", "", False),
    ("base.slice", '"""from hutch_engine.keyspace.entry cimport Entry"""\n# import hutch_engine.keyspace.entry', True),
    ("keyspace.entry", "from hutch_engine.keyspace.entry cimport Entry", True)))
def test_the_order_within_a_room(module, text, right):
    assert (upward_imports(f"hutch_engine.{module}", text, SMALL_MODULES, SMALL_HOUSE) == []) == right


# ---- no Python below the door

@core_source
def test_core_functions_are_noexcept_nogil(path):
    filled = module_of(path) == FILLED_AT_IMPORT
    assert [line for line in careless_signatures(TEXTS[path]) if not (filled and line.startswith("cdef int fill("))] == []
    assert "DEF " not in TEXTS[path], "DEF is deprecated: use `cdef enum`"


def test_signatures_are_read():
    text = "cdef int a(int b,\n           int c) noexcept nogil:\n    pass\ncdef int x = f(1)\ncdef inline T* b() nogil\n"
    assert list(signatures(text)) == ["cdef int a(int b, int c) noexcept nogil:", "cdef inline T* b() nogil"]


@pytest.mark.parametrize("text", ("cdef int a(int b):\n    return b", "cdef inline int a(int b) nogil", "cpdef a()",
                                  "cdef void a(\n    int b) noexcept:\n", "cdef int a(int b): # noexcept nogil", "cdef int a(int b) except -1 nogil"))
def test_a_careless_signature_is_seen(text):
    assert careless_signatures(text)
    assert not careless_signatures("cdef int a(int (*f)(int) noexcept nogil,\n   int b) noexcept nogil:\n    return 0")


@core_source
def test_no_python_in_the_core(path):
    allowed = AT_IMPORT.get(module_of(path), ())
    assert [(what, line) for what, line in python_in(TEXTS[path]) if not line.startswith(allowed or "\0")] == []


def test_python_at_import_is_still_there():
    for module, lines in AT_IMPORT.items():
        text = next((TEXTS[path] for path in SOURCES if module_of(path) == module and path.suffix == ".pyx"), None)
        for line in lines:
            assert text is None or any(found.startswith(line) for _, found in python_in(text)), f"strike {line!r} of {module}"


@pytest.mark.parametrize("text", (
    "cdef void a() noexcept nogil:\n    with gil:\n        pass", "cdef bint a() noexcept with gil:", "def f():\n    pass",
    "cdef class A:\n    pass", "class A:\n    pass", "cpdef int f()", "cdef object a", "cdef f(object a):",
    "cdef void f(int b, dict a) noexcept:", "from cpython.bytes cimport PyBytes_Check", "    x = PyBytes_FromStringAndSize(NULL, 0)",
    "cdef PyObject* a", "    raise ValueError", "    try:\n        pass\n    finally:\n        pass",
    "import os", "from collections import deque", "cdef bytes a = b''", "@cython.final\ncdef struct A:", "    assert a"))
def test_python_is_seen(text):
    assert python_in(text)


def test_the_cores_own_words_are_no_python():
    assert not python_in('"""def of a class: raise"""\nfrom libc.string cimport memcpy\ncdef int list_length(List* list) noexcept nogil:\n'
                         '    # import os\n    cdef Set* set = f(b"try: raise")\n    return set.type\nctypedef struct Type:\n    int dict_size\n')


# ---- pointers to functions

@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("structures", "door")])
def test_function_pointers_are_listed(room):
    """Whoever adds one gives its reason here; the visitors of structures/ are called before their function returns, and are no hooks."""
    found = {short(path): set(pointers) for path in SOURCES if room_of(module_of(path)) == room
             for pointers in [function_pointers(TEXTS[path], POINTER_TYPES)] if pointers}
    assert found == {file: set(fields) for file, fields in FUNCTION_POINTERS.items() if file.startswith(room + "/")}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "door"])
def test_nothing_is_called_by_a_cast(room):
    found = {short(path): set(casts) for path in SOURCES if room_of(module_of(path)) == room
             for casts in [hidden_function_pointers(TEXTS[path], POINTER_TYPES)] if casts}
    assert found == {file: set(types) for file, types in FUNCTION_CASTS.items() if file.startswith(room + "/")}


@pytest.mark.parametrize("text, found", (
    ("cdef struct A:\n    int a\n    Finder find       # of what\n", ["A.find"]),
    ("cdef struct A:\n    const Finder find, other\n", ["A.find", "A.other"]),
    ("cdef struct A:\n    void (*call)(int a,\n        int b) noexcept nogil\n    int b\n", ["A.call"]),
    ("ctypedef struct A:\n    Finder[4] find\n\ncdef int f(Finder find) noexcept nogil\n", ["A.find"]),
    ("cdef struct A:\n    int find(\n", []), ("cdef int f(Finder find):\n    Finder a\n", []),
    ("cdef extern from 'x.h':\n    ctypedef struct A:\n        Finder find\n", [])))
def test_function_pointers_are_seen(text, found):
    types = pointer_types(["ctypedef int* (*Finder)(int a) noexcept nogil\nctypedef int Number\n"])
    assert types == {"Finder"}
    assert function_pointers(text, types) == found


def test_a_cast_to_a_function_is_seen():
    assert hidden_function_pointers("    (<Finder>command.handler)(call)\n    a = <Number>b\n", {"Finder"}) == ["Finder"]


# ---- the door

@pytest.mark.parametrize("path", [path for path in SOURCES if room_of(module_of(path)) == "door"], ids=short)
def test_the_door_does_not_reach_into_data(path):
    allowed = DOOR_REACHES.get(path.name, {})
    assert {module: " ".join(sorted(names)) for module, names in reaches(TEXTS[path], MODULES, DATA_ROOMS).items()} == allowed


def test_no_reach_is_listed_that_is_gone():
    assert set(DOOR_REACHES) <= {path.name for path in SOURCES if room_of(module_of(path)) == "door"}


def test_a_reach_is_seen():
    text = "from hutch_engine.structures.table cimport (Table,\n    table_find as find)\nfrom hutch_engine.keyspace cimport entry\n" \
           "from hutch_engine.commands.string cimport string_add\n"
    modules = {"hutch_engine.structures.table", "hutch_engine.keyspace.entry", "hutch_engine.commands.string"}
    assert reaches(text, modules, DATA_ROOMS) == {"structures.table": {"Table", "table_find"}, "keyspace.entry": set()}


# ---- names

@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".pxd"], ids=short)
def test_names_tell_where_they_are_from(path):
    assert homeless_names(path, TEXTS[path], FIRST_WORDS[path.parent.name].split()) == []


def test_no_first_word_is_listed_that_nobody_uses():
    used = {room: {name.lstrip("_").split("_")[0] for path in SOURCES if path.suffix == ".pxd" and path.parent.name == room
                   for name in homeless_names(path, TEXTS[path], ())} for room in ROOMS}
    assert {room: sorted(set(words.split()) - used[room]) for room, words in FIRST_WORDS.items()} == {room: [] for room in ROOMS}


def test_a_name_has_one_home():
    homes = {}
    for path in SOURCES:
        if path.suffix == ".pxd":
            for name in declared_names(TEXTS[path]):
                homes.setdefault(name, set()).add(short(path))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_a_homeless_name_is_seen():
    text = "cdef int table_find(int a) noexcept nogil\ncdef int id_of(int a) noexcept nogil\n" \
           "cdef int tableau() noexcept nogil\ncdef void find() noexcept nogil\n"
    assert homeless_names(Path("table.pxd"), text, ["id"]) == ["tableau", "find"]


@pytest.mark.parametrize("stub", sorted(ENGINE.rglob("*.pyi")), ids=short)
def test_stubs_import_what_there_is(stub):
    for module in re.findall(r"^from \.(\w+) import", stub.read_text(), re.MULTILINE):
        assert (stub.parent / f"{module}.pyx").exists() or (stub.parent / f"{module}.pyi").exists(), module


# ---- docstrings

@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".pxd" and path.stem != "lua_api"], ids=short)
def test_declared_functions_are_documented(path):
    """A .pxd is what readers of other files see of a module. Lua's own functions are described in Lua's manual."""
    assert undocumented(TEXTS[path]) == []


@pytest.mark.parametrize("text, found", (
    ("cdef int a(int b) noexcept nogil\n", ["a"]), ("cdef int a(int b) noexcept nogil", ["a"]),
    ("cdef int a() noexcept nogil\ncdef int b() noexcept nogil\n\"\"\"What b does.\"\"\"\n", ["a"]),
    ("cdef int a() noexcept nogil    # what it does\n", ["a"]), ("cdef int a() noexcept nogil\n    # What it does.\n", ["a"]),
    ("cdef int a() noexcept nogil\n\n\"\"\"Of something else.\"\"\"\n", ["a"]),
    ("cdef int a(int b,\n           int c) noexcept nogil\n# ----\n", ["a"]),
    ("cdef int a(int b,\n           int c) except -1\n\"\"\"What it does.\"\"\"\n", []),
    ("cdef inline int a() noexcept nogil:\n    return 1\n", ["a"]),
    ("cdef inline int a() noexcept nogil:\n    # Not a docstring.\n    return 1\n", ["a"]),
    ("cdef inline int a(\n        int b) noexcept nogil:    # why\n    \"\"\"What it does:\n    cdef int b()\n    \"\"\"\n    return 1\n", []),
    ("cdef void cmd_get(Call* call) noexcept nogil\n", []), ("cdef struct A:\n    int a\ncdef enum:\n    B = 1    # f(x)\n", []),
    ("cdef extern from 'x.h':\n    int a(int b) noexcept nogil\n", []), ("ctypedef int (*A)(int b) noexcept nogil\n", [])))
def test_an_undocumented_function_is_seen(text, found):
    assert undocumented(text) == found


# ---- sizes

def test_files_stay_short():
    listed = subprocess.run(["git", "ls-files", "*.py", "*.pyx", "*.pxd", "*.pyi", "*.h", "*.c"], cwd=ROOT, capture_output=True,
                            text=True)
    names = listed.stdout.split() if listed.returncode == 0 else [
        path.relative_to(ROOT).as_posix() for place in ("engine", "src", "tests", "tools", "bench")
        for kind in ("*.py", "*.pyx", "*.pxd") for path in (ROOT / place).rglob(kind) if not is_generated(path)]
    lengths = {name: (ROOT / name).read_bytes().count(b"\n") for name in names if (ROOT / name).exists()}
    assert len(lengths) > 300
    assert overlong(lengths, LONGEST_FILE, LONG_FILES) == []


def is_generated(path):
    """What the build makes is long, and nobody reads it."""
    return ENGINE in path.parents and path.suffix == ".pyx" and module_of(path) in (FILLED_AT_IMPORT, RUN_AT_IMPORT)


def test_an_overlong_file_is_seen():
    assert overlong({"a": 1000, "b": 1001, "c": 1500}, 1000, {"c": "why"}) == ["b has 1001 lines"]
    assert overlong({"a": 1000}, 1000, {"a": "why", "gone": "why"}) == [
        "a is short by now, strike it from the list", "gone is short by now, strike it from the list"]
