"""SUBSCRIBE and its kin, PUBLISH, PUBSUB."""
from hutch_engine.commands.call cimport Call

cdef void cmd_psubscribe(Call* call) noexcept nogil
cdef void cmd_publish(Call* call) noexcept nogil
cdef void cmd_pubsub_channels(Call* call) noexcept nogil
cdef void cmd_pubsub_help(Call* call) noexcept nogil
cdef void cmd_pubsub_numpat(Call* call) noexcept nogil
cdef void cmd_pubsub_numsub(Call* call) noexcept nogil
cdef void cmd_pubsub_shardchannels(Call* call) noexcept nogil
cdef void cmd_pubsub_shardnumsub(Call* call) noexcept nogil
cdef void cmd_punsubscribe(Call* call) noexcept nogil
cdef void cmd_spublish(Call* call) noexcept nogil
cdef void cmd_ssubscribe(Call* call) noexcept nogil
cdef void cmd_subscribe(Call* call) noexcept nogil
cdef void cmd_sunsubscribe(Call* call) noexcept nogil
cdef void cmd_unsubscribe(Call* call) noexcept nogil
