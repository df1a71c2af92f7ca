"""scripting/{cjson,cmsgpack,struct,bit} for tests: a plain Lua state with these libraries, outside any engine."""
import importlib.util
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy
from hutch_engine.scripting.bit cimport lua_open_bit
from hutch_engine.scripting.cjson cimport lua_open_cjson
from hutch_engine.scripting.cmsgpack cimport lua_open_cmsgpack
from hutch_engine.scripting.lua_api cimport (
    LUA_ERRMEM, LUA_TSTRING, lua_CFunction, lua_State, lua_api_load, lua_call, lua_close, lua_cpcall, lua_createtable,
    lua_gettop, lua_newstate, lua_pushcfunction, lua_pushlstring, lua_pushnil, lua_pushstring, lua_rawseti,
    lua_setglobal, lua_settop, lua_tolstring, lua_touserdata, lua_type, luaL_loadbuffer, luaL_error, luaopen_base,
    luaopen_math, luaopen_string, luaopen_table)
from hutch_engine.scripting.struct cimport lua_open_struct

cdef struct Account:
    size_t used
    size_t most         # what may be used; an allocation beyond it fails
    size_t failed

cdef struct Job:
    const char* source
    size_t source_length
    size_t count
    const char** arguments
    size_t* lengths
    char* result        # owned, by malloc
    size_t result_length


cdef void* _allocate(void* context, void* block, size_t old_size, size_t new_size) noexcept nogil:
    cdef Account* account = <Account*>context
    cdef void* answer
    if new_size == 0:
        free(block)
        account.used -= old_size
        return NULL
    if new_size > old_size and account.used + new_size - old_size > account.most:
        account.failed += 1
        return NULL
    answer = realloc(block, new_size)
    if answer != NULL:
        account.used += new_size - old_size
    return answer


cdef void _open_one(lua_State* L, lua_CFunction function) noexcept nogil:
    lua_pushcfunction(L, function)
    lua_call(L, 0, 0)


cdef int _open(lua_State* L) noexcept nogil:
    _open_one(L, luaopen_base)
    _open_one(L, luaopen_table)
    _open_one(L, luaopen_string)
    _open_one(L, luaopen_math)
    lua_pushnil(L)
    lua_setglobal(L, b"newproxy")       # as in the sandbox
    lua_settop(L, 0)
    lua_open_cjson(L)
    lua_open_struct(L)
    lua_open_cmsgpack(L)
    lua_open_bit(L)
    if lua_gettop(L) != 0:
        luaL_error(L, b"the stack is not as it was")
    return 0


cdef int _work(lua_State* L) noexcept nogil:
    cdef Job* job = <Job*>lua_touserdata(L, 1)
    cdef const char* text
    cdef size_t length, i
    lua_createtable(L, 0, 0)
    for i in range(job.count):
        lua_pushlstring(L, job.arguments[i], job.lengths[i])
        lua_rawseti(L, -2, <int>(i + 1))
    lua_setglobal(L, b"ARGV")
    if luaL_loadbuffer(L, job.source, job.source_length, b"@user_script"):
        return luaL_error(L, b"%s", lua_tolstring(L, -1, NULL))
    lua_call(L, 0, 1)
    if lua_type(L, -1) != LUA_TSTRING:
        return luaL_error(L, b"the chunk returns no string")
    text = lua_tolstring(L, -1, &length)
    job.result = <char*>malloc(length + 1)
    memcpy(job.result, text, length)
    job.result_length = length
    return 0


cdef class Interpreter:
    """run(source, *arguments): what the chunk returns, a string; its errors are RuntimeErrors."""
    cdef lua_State* L
    cdef Account account

    def __cinit__(self, size_t most=1 << 40):
        cdef char[256] error
        cdef bytes path = importlib.util.find_spec("lupa.lua51").origin.encode()
        if not lua_api_load(path, error, sizeof(error)):
            raise ImportError(error.decode())
        self.account.most = 1 << 40
        self.L = lua_newstate(_allocate, &self.account)
        if self.L == NULL:
            raise MemoryError
        if lua_cpcall(self.L, _open, NULL):
            raise RuntimeError(self._top())
        self.account.most = most

    def __dealloc__(self):
        if self.L != NULL:
            lua_close(self.L)

    cdef bytes _top(self):
        cdef size_t length
        cdef const char* text = lua_tolstring(self.L, -1, &length)
        cdef bytes answer = text[:length] if text != NULL else b"?"
        lua_settop(self.L, 0)
        return answer

    @property
    def used(self):
        return self.account.used

    def limit(self, size_t extra):
        """Let the state have `extra` bytes more than it has now."""
        self.account.most = self.account.used + extra

    def unlimit(self):
        self.account.most = 1 << 40

    def run(self, bytes source, *arguments):
        cdef Job job
        cdef size_t i
        cdef int status
        cdef bytes one
        job.source = source
        job.source_length = len(source)
        job.count = len(arguments)
        job.arguments = <const char**>malloc(job.count * sizeof(char*) + 1)
        job.lengths = <size_t*>malloc(job.count * sizeof(size_t) + 1)
        job.result = NULL
        for i in range(job.count):
            one = arguments[i]
            job.arguments[i] = one
            job.lengths[i] = len(one)
        with nogil:
            status = lua_cpcall(self.L, _work, &job)
        free(job.arguments)
        free(job.lengths)
        if status == LUA_ERRMEM:
            lua_settop(self.L, 0)
            raise MemoryError
        if status:
            raise RuntimeError(self._top())
        try:
            return job.result[:job.result_length]
        finally:
            free(job.result)
