"""CONFIG: reading and changing parameters of a running engine."""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.call cimport Call
from hutch_engine.state.engine cimport Engine

cdef void config_apply(Engine* engine, uint64_t changed) noexcept nogil
"""Let what CHANGED_ bits name take effect: the keyspace's copies, waiting threads. Requires the lock.
Whoever sets parameters at start calls it with all bits set."""
cdef bint config_configure(Engine* engine, Slice name, Slice value, Buffer* error_out) noexcept nogil
"""One parameter before the start (immutable ones too), checked and applied."""
cdef bint config_read(Engine* engine, Slice name, Buffer* out) noexcept nogil
"""Append the value of a parameter as CONFIG GET spells it. False: there is none of that name."""
cdef void rewrite_configuration(Call* call, bint all_of_it) noexcept nogil
"""CONFIG REWRITE; `all_of_it`: what is at its default, too."""

cdef void cmd_config_get(Call* call) noexcept nogil
cdef void cmd_config_help(Call* call) noexcept nogil
cdef void cmd_config_resetstat(Call* call) noexcept nogil
cdef void cmd_config_rewrite(Call* call) noexcept nogil
cdef void cmd_config_set(Call* call) noexcept nogil
