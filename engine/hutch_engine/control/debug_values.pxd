"""How values are kept, in the words of DEBUG: listpacks and quicklists."""
from hutch_engine.commands.call cimport Call
from hutch_engine.keyspace.entry cimport Entry

cdef void debug_listpack(Call* call, const Entry* entry) noexcept nogil
"""DEBUG LISTPACK's answer. Redis prints to its standard output; that is the host's here, so the text is the reply."""
cdef void debug_quicklist(Call* call, const Entry* entry) noexcept nogil
"""The same for DEBUG QUICKLIST; with argv[3], other than 0, the elements too."""
