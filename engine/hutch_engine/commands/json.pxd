"""JSON documents read and deleted: JSON.GET, JSON.MGET, JSON.TYPE, JSON.RESP, JSON.DEBUG, JSON.DEL."""
from hutch_engine.commands.call cimport Call

cdef enum:
    JSON_MODULE_VERSION = 20803  # 2.8.3, whose answers ours are

cdef void json_reply_modules(Call* call) noexcept nogil
"""The reply of MODULE LIST, which HELLO has, too: clients look there for a server that knows JSON."""
cdef void cmd_json_get(Call* call) noexcept nogil
"""JSON.GET key [INDENT text] [NEWLINE text] [SPACE text] [FORMAT STRING | EXPAND | EXPAND1] [path ...]: as text, or in RESP3
expanded."""
cdef void cmd_json_mget(Call* call) noexcept nogil
"""JSON.MGET key [key ...] path: the text of each; null where there is no document, or the path is wrong."""
cdef void cmd_json_type(Call* call) noexcept nogil
"""JSON.TYPE key [path]: null, boolean, integer, number, string, array or object."""
cdef void cmd_json_resp(Call* call) noexcept nogil
"""JSON.RESP key [path]: values as RESP, objects and arrays as arrays that begin with their bracket."""
cdef void cmd_json_debug(Call* call) noexcept nogil
"""JSON.DEBUG MEMORY key [path], JSON.DEBUG HELP."""
cdef void cmd_json_del(Call* call) noexcept nogil
"""JSON.DEL key [path]: how many values were deleted; those that lie in another one go with it and do not count."""
cdef void cmd_json_forget(Call* call) noexcept nogil
"""JSON.FORGET: JSON.DEL by another name."""
