"""Commands that ask how long values of one kind in a JSON document are, and the names of objects' members.

Of a path from the root each value found has its answer, null where it is of another kind; of a legacy path only the first has one, and what
there is to complain of the module says in other words for each command.
"""
from hutch_engine.commands.call cimport Call

cdef void cmd_json_strlen(Call* call) noexcept nogil
"""JSON.STRLEN key [path]: the lengths of strings, in bytes."""
cdef void cmd_json_arrlen(Call* call) noexcept nogil
"""JSON.ARRLEN key [path]: how many elements."""
cdef void cmd_json_objlen(Call* call) noexcept nogil
"""JSON.OBJLEN key [path]: how many members."""
cdef void cmd_json_objkeys(Call* call) noexcept nogil
"""JSON.OBJKEYS key [path]: the names of members."""
