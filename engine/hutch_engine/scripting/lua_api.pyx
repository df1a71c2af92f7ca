"""See lua_api.pxd."""
from libc.stdio cimport snprintf
from hutch_engine.base.atomics cimport atomic_load32, atomic_store32
from libc.stdint cimport uint32_t

cdef extern from "<dlfcn.h>" nogil:
    void* dlopen(const char* path, int flags) noexcept
    void* dlsym(void* library, const char* name) noexcept
    char* dlerror() noexcept
    int dlclose(void* library) noexcept
    const int RTLD_NOW
    const int RTLD_LOCAL

cdef uint32_t loaded = 0


cdef bint lua_api_is_loaded() noexcept nogil:
    return atomic_load32(&loaded) != 0


cdef bint _missing(void* library, const char* name, void** slot, const char** missing) noexcept nogil:
    cdef void* address = dlsym(library, name)
    if address == NULL:
        missing[0] = name
        return True
    slot[0] = address
    return False


cdef bint lua_api_load(const char* path, char* error, size_t error_room) noexcept nogil:
    cdef void* library
    cdef const char* missing = NULL
    if atomic_load32(&loaded):
        return True
    # Threads that race open the same file and write the same addresses.
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL)
    if library == NULL:
        snprintf(error, error_room, b"%s", dlerror())
        return False
    if _missing(library, b"lua_newstate", <void**>&lua_newstate, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_close", <void**>&lua_close, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_newthread", <void**>&lua_newthread, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_atpanic", <void**>&lua_atpanic, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_gettop", <void**>&lua_gettop, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_settop", <void**>&lua_settop, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushvalue", <void**>&lua_pushvalue, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_remove", <void**>&lua_remove, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_insert", <void**>&lua_insert, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_replace", <void**>&lua_replace, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_checkstack", <void**>&lua_checkstack, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_xmove", <void**>&lua_xmove, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_isnumber", <void**>&lua_isnumber, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_isstring", <void**>&lua_isstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_iscfunction", <void**>&lua_iscfunction, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_isuserdata", <void**>&lua_isuserdata, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_type", <void**>&lua_type, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_typename", <void**>&lua_typename, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_equal", <void**>&lua_equal, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_rawequal", <void**>&lua_rawequal, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_lessthan", <void**>&lua_lessthan, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_tonumber", <void**>&lua_tonumber, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_tointeger", <void**>&lua_tointeger, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_toboolean", <void**>&lua_toboolean, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_tolstring", <void**>&lua_tolstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_objlen", <void**>&lua_objlen, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_tocfunction", <void**>&lua_tocfunction, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_touserdata", <void**>&lua_touserdata, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_topointer", <void**>&lua_topointer, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_tothread", <void**>&lua_tothread, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushnil", <void**>&lua_pushnil, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushnumber", <void**>&lua_pushnumber, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushinteger", <void**>&lua_pushinteger, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushlstring", <void**>&lua_pushlstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushstring", <void**>&lua_pushstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushfstring", <void**>&lua_pushfstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushcclosure", <void**>&lua_pushcclosure, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushboolean", <void**>&lua_pushboolean, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushlightuserdata", <void**>&lua_pushlightuserdata, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pushthread", <void**>&lua_pushthread, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_gettable", <void**>&lua_gettable, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getfield", <void**>&lua_getfield, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_rawget", <void**>&lua_rawget, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_rawgeti", <void**>&lua_rawgeti, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_createtable", <void**>&lua_createtable, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_newuserdata", <void**>&lua_newuserdata, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getmetatable", <void**>&lua_getmetatable, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getfenv", <void**>&lua_getfenv, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_settable", <void**>&lua_settable, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_setfield", <void**>&lua_setfield, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_rawset", <void**>&lua_rawset, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_rawseti", <void**>&lua_rawseti, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_setmetatable", <void**>&lua_setmetatable, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_setfenv", <void**>&lua_setfenv, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_next", <void**>&lua_next, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_concat", <void**>&lua_concat, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_call", <void**>&lua_call, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_pcall", <void**>&lua_pcall, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_cpcall", <void**>&lua_cpcall, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_error", <void**>&lua_error, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_gc", <void**>&lua_gc, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_loadbuffer", <void**>&luaL_loadbuffer, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_load", <void**>&lua_load, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getstack", <void**>&lua_getstack, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getinfo", <void**>&lua_getinfo, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getlocal", <void**>&lua_getlocal, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getupvalue", <void**>&lua_getupvalue, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_setupvalue", <void**>&lua_setupvalue, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_getallocf", <void**>&lua_getallocf, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"lua_sethook", <void**>&lua_sethook, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_error", <void**>&luaL_error, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_where", <void**>&luaL_where, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_argerror", <void**>&luaL_argerror, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_typerror", <void**>&luaL_typerror, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checklstring", <void**>&luaL_checklstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_optlstring", <void**>&luaL_optlstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checknumber", <void**>&luaL_checknumber, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_optnumber", <void**>&luaL_optnumber, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checkinteger", <void**>&luaL_checkinteger, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_optinteger", <void**>&luaL_optinteger, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checkstack", <void**>&luaL_checkstack, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checktype", <void**>&luaL_checktype, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checkany", <void**>&luaL_checkany, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checkoption", <void**>&luaL_checkoption, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_newmetatable", <void**>&luaL_newmetatable, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_checkudata", <void**>&luaL_checkudata, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_getmetafield", <void**>&luaL_getmetafield, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_callmeta", <void**>&luaL_callmeta, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_register", <void**>&luaL_register, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_ref", <void**>&luaL_ref, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_unref", <void**>&luaL_unref, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_buffinit", <void**>&luaL_buffinit, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_prepbuffer", <void**>&luaL_prepbuffer, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_addlstring", <void**>&luaL_addlstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_addstring", <void**>&luaL_addstring, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_addvalue", <void**>&luaL_addvalue, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaL_pushresult", <void**>&luaL_pushresult, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaopen_base", <void**>&luaopen_base, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaopen_table", <void**>&luaopen_table, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaopen_string", <void**>&luaopen_string, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaopen_math", <void**>&luaopen_math, &missing):
        return _without(library, missing, error, error_room)
    if _missing(library, b"luaopen_os", <void**>&luaopen_os, &missing):
        return _without(library, missing, error, error_room)
    # The library stays open for ever: engines come and go, and may do so on any thread.
    atomic_store32(&loaded, 1)
    return True


cdef bint _without(void* library, const char* name, char* error, size_t error_room) noexcept nogil:
    snprintf(error, error_room, b"it does not export %s", name)
    dlclose(library)
    return False
