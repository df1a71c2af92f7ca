"""The C API of Lua 5.1, as function pointers found at run time in the compiled module of `lupa`.

Nothing is linked: `lua_api_load` looks the module's file up by Python's import machinery, opens it with
dlopen and resolves each name below. Where that fails, everything but scripts works.

What C functions called by Lua may do, and what a library written here may rely on:

* Any function that "may raise" leaves by longjmp, past every frame of C up to the lua_pcall. A C function for
  Lua is therefore `noexcept nogil`, touches no Python object, and owns nothing across a call that may raise:
  memory it needs meanwhile is a userdata or a string on Lua's stack. Any call that allocates may raise
  (memory is bounded), as may any that runs metamethods.
* The allocator is the interpreter's own and counts bytes. LUAI_MAXCSTACK is 8000 slots: `lua_checkstack`
  or `luaL_checkstack` before pushing more than LUA_MINSTACK (20).
* A library opens with `cdef void lua_open_NAME(lua_State*) noexcept nogil`: it leaves its table as a global of
  the interpreter and the stack as it was. It is called once for each interpreter, under lua_cpcall, so it may raise.
  Afterwards the sandbox makes the table read-only and puts what scripts see in front of it; a library that makes
  tables for scripts (cjson.new) need not protect them. `luaL_register` with a library name needs the table
  `_LOADED` in the registry, which exists by then.
* Settings of a library live in the interpreter (upvalues, registry), never in C statics: there are many engines.
* `lua_Number` is double, `lua_Integer` ptrdiff_t, LUAL_BUFFERSIZE what luaL_Buffer has here.
"""
from libc.stddef cimport ptrdiff_t

cdef extern from * nogil:
    """
    #include <stddef.h>
    #include <stdio.h>
    #ifndef HUTCH_LUA_API
    #define HUTCH_LUA_API
    typedef struct lua_State lua_State;
    typedef int (*lua_CFunction)(lua_State *);
    typedef void *(*lua_Alloc)(void *, void *, size_t, size_t);
    typedef const char *(*lua_Reader)(lua_State *, void *, size_t *);
    typedef struct hutch_lua_Debug {          /* lua.h of 5.1, LUA_IDSIZE 60 */
        int event;
        const char *name, *namewhat, *what, *source;
        int currentline, nups, linedefined, lastlinedefined;
        char short_src[60];
        int i_ci;
    } lua_Debug;
    typedef void (*lua_Hook)(lua_State *, lua_Debug *);
    typedef struct hutch_luaL_Reg { const char *name; lua_CFunction func; } luaL_Reg;
    #define HUTCH_LUAL_BUFFERSIZE BUFSIZ
    typedef struct hutch_luaL_Buffer {        /* lauxlib.h of 5.1 */
        char *p; int lvl; lua_State *L; char buffer[HUTCH_LUAL_BUFFERSIZE];
    } luaL_Buffer;
    #endif
    """
    ctypedef struct lua_State:
        pass
    ctypedef int (*lua_CFunction)(lua_State* L) noexcept nogil
    ctypedef void* (*lua_Alloc)(void* context, void* block, size_t old_size, size_t new_size) noexcept nogil
    ctypedef const char* (*lua_Reader)(lua_State* L, void* context, size_t* length_out) noexcept nogil
    ctypedef struct lua_Debug:
        int event
        const char* name
        const char* namewhat
        const char* what
        const char* source
        int currentline
        int nups
        int linedefined
        int lastlinedefined
        char* short_src
    ctypedef void (*lua_Hook)(lua_State* L, lua_Debug* record) noexcept nogil
    ctypedef struct luaL_Reg:
        const char* name
        lua_CFunction func
    ctypedef struct luaL_Buffer:
        char* p
        int lvl
        lua_State* L
        char* buffer
    const int LUAL_BUFFERSIZE "HUTCH_LUAL_BUFFERSIZE"

cdef enum:                              # pseudo indices
    LUA_REGISTRYINDEX = -10000
    LUA_ENVIRONINDEX = -10001
    LUA_GLOBALSINDEX = -10002

cdef enum:
    LUA_MULTRET = -1
    LUA_MINSTACK = 20
    LUA_NOREF = -2

cdef enum:                              # lua_type
    LUA_TNONE = -1
    LUA_TNIL = 0
    LUA_TBOOLEAN = 1
    LUA_TLIGHTUSERDATA = 2
    LUA_TNUMBER = 3
    LUA_TSTRING = 4
    LUA_TTABLE = 5
    LUA_TFUNCTION = 6
    LUA_TUSERDATA = 7
    LUA_TTHREAD = 8

cdef enum:                              # lua_pcall, luaL_loadbuffer
    LUA_ERRRUN = 2
    LUA_ERRSYNTAX = 3
    LUA_ERRMEM = 4
    LUA_ERRERR = 5

cdef enum:                              # lua_gc
    LUA_GCSTOP = 0
    LUA_GCRESTART = 1
    LUA_GCCOLLECT = 2
    LUA_GCCOUNT = 3
    LUA_GCCOUNTB = 4
    LUA_GCSTEP = 5

cdef enum:                              # lua_sethook
    LUA_MASKLINE = 1 << 2
    LUA_MASKCOUNT = 1 << 3


# ---- The state
cdef lua_State* (*lua_newstate)(lua_Alloc allocate, void* context) noexcept nogil
cdef void (*lua_close)(lua_State* L) noexcept nogil
cdef lua_State* (*lua_newthread)(lua_State* L) noexcept nogil
cdef lua_CFunction (*lua_atpanic)(lua_State* L, lua_CFunction panic) noexcept nogil

# ---- The stack
cdef int (*lua_gettop)(lua_State* L) noexcept nogil
cdef void (*lua_settop)(lua_State* L, int index) noexcept nogil
cdef void (*lua_pushvalue)(lua_State* L, int index) noexcept nogil
cdef void (*lua_remove)(lua_State* L, int index) noexcept nogil
cdef void (*lua_insert)(lua_State* L, int index) noexcept nogil
cdef void (*lua_replace)(lua_State* L, int index) noexcept nogil
cdef int (*lua_checkstack)(lua_State* L, int slots) noexcept nogil
cdef void (*lua_xmove)(lua_State* source, lua_State* target, int count) noexcept nogil

# ---- Looking at values
cdef int (*lua_isnumber)(lua_State* L, int index) noexcept nogil
cdef int (*lua_isstring)(lua_State* L, int index) noexcept nogil
cdef int (*lua_iscfunction)(lua_State* L, int index) noexcept nogil
cdef int (*lua_isuserdata)(lua_State* L, int index) noexcept nogil
cdef int (*lua_type)(lua_State* L, int index) noexcept nogil
cdef const char* (*lua_typename)(lua_State* L, int type) noexcept nogil
cdef int (*lua_equal)(lua_State* L, int index1, int index2) noexcept nogil
cdef int (*lua_rawequal)(lua_State* L, int index1, int index2) noexcept nogil
cdef int (*lua_lessthan)(lua_State* L, int index1, int index2) noexcept nogil
cdef double (*lua_tonumber)(lua_State* L, int index) noexcept nogil
cdef ptrdiff_t (*lua_tointeger)(lua_State* L, int index) noexcept nogil
cdef int (*lua_toboolean)(lua_State* L, int index) noexcept nogil
cdef const char* (*lua_tolstring)(lua_State* L, int index, size_t* length_out) noexcept nogil
cdef size_t (*lua_objlen)(lua_State* L, int index) noexcept nogil
cdef lua_CFunction (*lua_tocfunction)(lua_State* L, int index) noexcept nogil
cdef void* (*lua_touserdata)(lua_State* L, int index) noexcept nogil
cdef const void* (*lua_topointer)(lua_State* L, int index) noexcept nogil
cdef lua_State* (*lua_tothread)(lua_State* L, int index) noexcept nogil

# ---- Pushing values
cdef void (*lua_pushnil)(lua_State* L) noexcept nogil
cdef void (*lua_pushnumber)(lua_State* L, double number) noexcept nogil
cdef void (*lua_pushinteger)(lua_State* L, ptrdiff_t number) noexcept nogil
cdef void (*lua_pushlstring)(lua_State* L, const char* text, size_t length) noexcept nogil
cdef void (*lua_pushstring)(lua_State* L, const char* text) noexcept nogil
cdef const char* (*lua_pushfstring)(lua_State* L, const char* format, ...) noexcept nogil
cdef void (*lua_pushcclosure)(lua_State* L, lua_CFunction function, int upvalues) noexcept nogil
cdef void (*lua_pushboolean)(lua_State* L, int value) noexcept nogil
cdef void (*lua_pushlightuserdata)(lua_State* L, void* pointer) noexcept nogil
cdef int (*lua_pushthread)(lua_State* L) noexcept nogil

# ---- Tables
cdef void (*lua_gettable)(lua_State* L, int index) noexcept nogil
cdef void (*lua_getfield)(lua_State* L, int index, const char* name) noexcept nogil
cdef void (*lua_rawget)(lua_State* L, int index) noexcept nogil
cdef void (*lua_rawgeti)(lua_State* L, int index, int position) noexcept nogil
cdef void (*lua_createtable)(lua_State* L, int array_slots, int record_slots) noexcept nogil
cdef void* (*lua_newuserdata)(lua_State* L, size_t size) noexcept nogil
cdef int (*lua_getmetatable)(lua_State* L, int index) noexcept nogil
cdef void (*lua_getfenv)(lua_State* L, int index) noexcept nogil
cdef void (*lua_settable)(lua_State* L, int index) noexcept nogil
cdef void (*lua_setfield)(lua_State* L, int index, const char* name) noexcept nogil
cdef void (*lua_rawset)(lua_State* L, int index) noexcept nogil
cdef void (*lua_rawseti)(lua_State* L, int index, int position) noexcept nogil
cdef int (*lua_setmetatable)(lua_State* L, int index) noexcept nogil
cdef int (*lua_setfenv)(lua_State* L, int index) noexcept nogil
cdef int (*lua_next)(lua_State* L, int index) noexcept nogil
cdef void (*lua_concat)(lua_State* L, int count) noexcept nogil

# ---- Running
cdef void (*lua_call)(lua_State* L, int arguments, int results) noexcept nogil
cdef int (*lua_pcall)(lua_State* L, int arguments, int results, int handler) noexcept nogil
cdef int (*lua_cpcall)(lua_State* L, lua_CFunction function, void* context) noexcept nogil
cdef int (*lua_error)(lua_State* L) noexcept nogil
cdef int (*lua_gc)(lua_State* L, int what, int data) noexcept nogil
cdef int (*luaL_loadbuffer)(lua_State* L, const char* text, size_t length, const char* name) noexcept nogil
cdef int (*lua_load)(lua_State* L, lua_Reader reader, void* context, const char* name) noexcept nogil

# ---- Looking at what runs
cdef int (*lua_getstack)(lua_State* L, int level, lua_Debug* record) noexcept nogil
cdef int (*lua_getinfo)(lua_State* L, const char* what, lua_Debug* record) noexcept nogil
cdef const char* (*lua_getlocal)(lua_State* L, const lua_Debug* record, int number) noexcept nogil
cdef const char* (*lua_getupvalue)(lua_State* L, int function, int number) noexcept nogil
cdef const char* (*lua_setupvalue)(lua_State* L, int function, int number) noexcept nogil
cdef lua_Alloc (*lua_getallocf)(lua_State* L, void** context_out) noexcept nogil
cdef int (*lua_sethook)(lua_State* L, lua_Hook hook, int mask, int count) noexcept nogil

# ---- The auxiliary library: argument checks raise
cdef int (*luaL_error)(lua_State* L, const char* format, ...) noexcept nogil
cdef void (*luaL_where)(lua_State* L, int level) noexcept nogil
cdef int (*luaL_argerror)(lua_State* L, int argument, const char* message) noexcept nogil
cdef int (*luaL_typerror)(lua_State* L, int argument, const char* type_name) noexcept nogil
cdef const char* (*luaL_checklstring)(lua_State* L, int argument, size_t* length_out) noexcept nogil
cdef const char* (*luaL_optlstring)(lua_State* L, int argument, const char* otherwise, size_t* length_out) noexcept nogil
cdef double (*luaL_checknumber)(lua_State* L, int argument) noexcept nogil
cdef double (*luaL_optnumber)(lua_State* L, int argument, double otherwise) noexcept nogil
cdef ptrdiff_t (*luaL_checkinteger)(lua_State* L, int argument) noexcept nogil
cdef ptrdiff_t (*luaL_optinteger)(lua_State* L, int argument, ptrdiff_t otherwise) noexcept nogil
cdef void (*luaL_checkstack)(lua_State* L, int slots, const char* message) noexcept nogil
cdef void (*luaL_checktype)(lua_State* L, int argument, int type) noexcept nogil
cdef void (*luaL_checkany)(lua_State* L, int argument) noexcept nogil
cdef int (*luaL_checkoption)(lua_State* L, int argument, const char* otherwise, const char** names) noexcept nogil
cdef int (*luaL_newmetatable)(lua_State* L, const char* type_name) noexcept nogil
cdef void* (*luaL_checkudata)(lua_State* L, int argument, const char* type_name) noexcept nogil
cdef int (*luaL_getmetafield)(lua_State* L, int index, const char* name) noexcept nogil
cdef int (*luaL_callmeta)(lua_State* L, int index, const char* name) noexcept nogil
cdef void (*luaL_register)(lua_State* L, const char* library_name, const luaL_Reg* functions) noexcept nogil
cdef int (*luaL_ref)(lua_State* L, int table) noexcept nogil
cdef void (*luaL_unref)(lua_State* L, int table, int reference) noexcept nogil

# ---- Building a string piece by piece
cdef void (*luaL_buffinit)(lua_State* L, luaL_Buffer* buffer) noexcept nogil
cdef char* (*luaL_prepbuffer)(luaL_Buffer* buffer) noexcept nogil
cdef void (*luaL_addlstring)(luaL_Buffer* buffer, const char* text, size_t length) noexcept nogil
cdef void (*luaL_addstring)(luaL_Buffer* buffer, const char* text) noexcept nogil
cdef void (*luaL_addvalue)(luaL_Buffer* buffer) noexcept nogil
cdef void (*luaL_pushresult)(luaL_Buffer* buffer) noexcept nogil

# ---- The standard libraries
cdef int (*luaopen_base)(lua_State* L) noexcept nogil
cdef int (*luaopen_table)(lua_State* L) noexcept nogil
cdef int (*luaopen_string)(lua_State* L) noexcept nogil
cdef int (*luaopen_math)(lua_State* L) noexcept nogil
cdef int (*luaopen_os)(lua_State* L) noexcept nogil

# ---- What lua.h has as macros

cdef inline int lua_upvalueindex(int number) noexcept nogil:
    return LUA_GLOBALSINDEX - number


cdef inline void lua_pop(lua_State* L, int count) noexcept nogil:
    lua_settop(L, -count - 1)


cdef inline void lua_newtable(lua_State* L) noexcept nogil:
    lua_createtable(L, 0, 0)


cdef inline void lua_pushcfunction(lua_State* L, lua_CFunction function) noexcept nogil:
    lua_pushcclosure(L, function, 0)


cdef inline const char* lua_tostring(lua_State* L, int index) noexcept nogil:
    return lua_tolstring(L, index, NULL)


cdef inline const char* luaL_checkstring(lua_State* L, int argument) noexcept nogil:
    return luaL_checklstring(L, argument, NULL)


cdef inline const char* luaL_optstring(lua_State* L, int argument, const char* otherwise) noexcept nogil:
    return luaL_optlstring(L, argument, otherwise, NULL)


cdef inline bint lua_isnil(lua_State* L, int index) noexcept nogil:
    return lua_type(L, index) == LUA_TNIL


cdef inline bint lua_isnoneornil(lua_State* L, int index) noexcept nogil:
    return lua_type(L, index) <= LUA_TNIL


cdef inline bint lua_istable(lua_State* L, int index) noexcept nogil:
    return lua_type(L, index) == LUA_TTABLE


cdef inline bint lua_isfunction(lua_State* L, int index) noexcept nogil:
    return lua_type(L, index) == LUA_TFUNCTION


cdef inline bint lua_isboolean(lua_State* L, int index) noexcept nogil:
    return lua_type(L, index) == LUA_TBOOLEAN


cdef inline bint lua_islightuserdata(lua_State* L, int index) noexcept nogil:
    return lua_type(L, index) == LUA_TLIGHTUSERDATA


cdef inline void lua_getglobal(lua_State* L, const char* name) noexcept nogil:
    lua_getfield(L, LUA_GLOBALSINDEX, name)


cdef inline void lua_setglobal(lua_State* L, const char* name) noexcept nogil:
    lua_setfield(L, LUA_GLOBALSINDEX, name)


cdef inline void luaL_getmetatable(lua_State* L, const char* type_name) noexcept nogil:
    lua_getfield(L, LUA_REGISTRYINDEX, type_name)


cdef inline void luaL_argcheck(lua_State* L, bint condition, int argument, const char* message) noexcept nogil:
    if not condition:
        luaL_argerror(L, argument, message)


cdef inline void luaL_addchar(luaL_Buffer* buffer, char c) noexcept nogil:
    if buffer.p >= buffer.buffer + LUAL_BUFFERSIZE:
        luaL_prepbuffer(buffer)
    buffer.p[0] = c
    buffer.p += 1


cdef inline void luaL_addsize(luaL_Buffer* buffer, size_t length) noexcept nogil:
    buffer.p += length

# ---- Finding it

cdef bint lua_api_load(const char* path, char* error, size_t error_room) noexcept nogil
"""Open the file (once a process) and resolve every pointer above; False, with a text, when that cannot be.
Idempotent; threads may race for it."""
cdef bint lua_api_is_loaded() noexcept nogil
