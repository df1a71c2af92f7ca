"""What the scripting rooms share: one Scripting an engine, two interpreters in it, and the script that runs.

Everything here is guarded by the engine's lock, which is held while a script runs (but see script_run.pxd).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.scripting.lua_api cimport lua_State, lua_getallocf
from hutch_engine.state.engine cimport Engine, Session
from hutch_engine.structures.table cimport Table

cdef enum:                              # Script.flags, Function.flags
    SCRIPT_NO_WRITES = 1 << 0
    SCRIPT_ALLOW_OOM = 1 << 1
    SCRIPT_ALLOW_STALE = 1 << 2
    SCRIPT_NO_CLUSTER = 1 << 3
    SCRIPT_ALLOW_CROSS_SLOT = 1 << 4
    SCRIPT_COMPATIBLE = 1 << 5          # EVAL without a shebang line: judged command by command

cdef enum:
    SCRIPT_KEY_OFFSET = 8               # of the name in a Script ...
    NAMED_KEY_OFFSET = 8                # ... in a Named
    DIGEST_LENGTH = 40
    TEXT_SLOTS = 256                    # Scripting.by_text
    VM_BYTES_MAX = 1 << 29              # what one interpreter may hold
    PROXIES_MAX = 24

cdef struct ScriptRun                   # one execution; on the C stack of its command
cdef struct Scripting
ctypedef void (*LibrariesFreer)(Scripting* scripting) noexcept nogil

cdef struct Interpreter:                # one lua_State; the context of its allocator
    lua_State* L                        # owned
    Engine* engine                      # borrowed
    Scripting* scripting                # borrowed
    uint64_t bytes                      # what Lua holds
    uint64_t last_new_bytes             # the size of the last new block, by which the allocator knows stacks
    bint has_stack                      # ... and knew one
    uint32_t runs_since_step            # until the collector is given a step
    int error_handler                   # references into the registry
    int runner                          # script_runner
    int globals
    int globals_metatable               # of the proxy in front of them
    int load_globals                    # what a library sees while it is loaded
    const void* proxy_marks[PROXIES_MAX]     # metatables of read-only tables, see sandbox
    uint32_t proxy_count
    bint for_functions

cdef struct Script:                     # of EVAL and SCRIPT LOAD; one heap block
    uint32_t flags
    int32_t reference                   # of its compiled function; the key follows at SCRIPT_KEY_OFFSET
    uint8_t digest_length               # 40: LEB128 length of the key ...
    char[DIGEST_LENGTH] digest          # ... and its bytes
    bint loaded                         # by SCRIPT LOAD: never evicted
    bint running
    uint64_t text_hash
    size_t text_length
    size_t block_bytes
    Script* newer                       # evictable ones, by their last use
    Script* older

cdef inline const char* script_text(const Script* script) noexcept nogil:
    """The script's text, script.text_length bytes behind the struct; borrowed from it."""
    return <const char*>script + sizeof(Script)

cdef struct Library

cdef struct Named:                      # an entry of the two tables: one heap block, the name behind it
    void* named                         # Library* or Function*; the name follows at NAMED_KEY_OFFSET

cdef struct Function:
    Named* entry                        # owned, and kept while it is out of the table: it goes back without memory
    Library* library                    # borrowed
    Function* next                      # of its library
    Buffer name                         # owned, as the two below
    Buffer description
    bint has_description
    int32_t reference
    uint32_t flags

cdef struct Library:
    Named* entry                        # owned, as a Function's
    Library* next                       # of a list on its way in
    Function* functions                 # owned
    uint32_t function_count
    Buffer name                         # owned
    Buffer code                         # owned: the whole text, shebang line too

cdef struct Scripting:
    Engine* engine                      # borrowed
    Interpreter eval
    Interpreter functions
    Session* session                    # owned: the client as which scripts run their commands
    ScriptRun* run                      # what runs, or NULL
    Table scripts                       # Script* by digest
    Script* by_text[TEXT_SLOTS]         # EVAL finds what it compiled without a SHA-1
    uint64_t scripts_bytes
    Script* newest                      # EVAL'ed, evictable
    Script* oldest
    uint32_t evictable
    Table libraries                     # Named of Library* by name
    Table function_table                # Named of Function* by name in lower case
    uint64_t libraries_bytes
    LibrariesFreer free_libraries       # function_library's, once there are any
    Library* loading                    # FUNCTION LOAD is running its text
    int64_t loading_until_us
    uint64_t random_state               # math.random, of both interpreters

cdef struct ScriptRun:
    Interpreter* interpreter
    Session* caller
    uint32_t flags                      # SCRIPT_*
    bint is_function
    bint read_only                      # EVAL_RO, FCALL_RO, or no-writes
    bint allow_oom
    bint short_of_memory                # when it began
    bint wrote
    bint killed
    bint timed_out                      # others are told BUSY
    Slice name                          # SHA-1 or function's name
    Slice* argv                         # the command that began it, for FUNCTION STATS
    size_t argc
    int64_t started_us                  # monotonic
    int64_t looked_us                   # ... of the last look at Python's signals
    int64_t let_in_us                # when others were let in last
    int64_t started_ms                  # Unix time
    uint64_t thread                     # who runs it

cdef inline Interpreter* interpreter_of(lua_State* L) noexcept nogil:
    """The interpreter of a C function that Lua called; borrowed."""
    cdef void* context
    lua_getallocf(L, &context)
    return <Interpreter*>context

cdef inline Scripting* scripting_of(Engine* engine) noexcept nogil:
    """What scripting keeps for this engine, borrowed; NULL before the first script."""
    return <Scripting*>engine.scripts.interpreters
