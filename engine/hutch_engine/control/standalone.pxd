"""What a server by itself answers when it is asked for replicas, modules or a cluster.

Stock clients send these commands to any server, and go by the answers: there are no replicas, no module is loaded, and this is no
node of a cluster.
"""
from hutch_engine.commands.call cimport Call

cdef void cmd_module_help(Call* call) noexcept nogil
cdef void cmd_module_list(Call* call) noexcept nogil
cdef void cmd_module_load(Call* call) noexcept nogil
cdef void cmd_module_loadex(Call* call) noexcept nogil
cdef void cmd_module_unload(Call* call) noexcept nogil
cdef void cmd_role(Call* call) noexcept nogil
cdef void cmd_wait(Call* call) noexcept nogil
cdef void cmd_waitaof(Call* call) noexcept nogil

# ---- of a cluster
cdef void cmd_asking(Call* call) noexcept nogil
cdef void cmd_cluster_addslots(Call* call) noexcept nogil
cdef void cmd_cluster_addslotsrange(Call* call) noexcept nogil
cdef void cmd_cluster_bumpepoch(Call* call) noexcept nogil
cdef void cmd_cluster_count_failure_reports(Call* call) noexcept nogil
cdef void cmd_cluster_countkeysinslot(Call* call) noexcept nogil
cdef void cmd_cluster_delslots(Call* call) noexcept nogil
cdef void cmd_cluster_delslotsrange(Call* call) noexcept nogil
cdef void cmd_cluster_failover(Call* call) noexcept nogil
cdef void cmd_cluster_flushslots(Call* call) noexcept nogil
cdef void cmd_cluster_forget(Call* call) noexcept nogil
cdef void cmd_cluster_getkeysinslot(Call* call) noexcept nogil
cdef void cmd_cluster_help(Call* call) noexcept nogil
cdef void cmd_cluster_info(Call* call) noexcept nogil
cdef void cmd_cluster_keyslot(Call* call) noexcept nogil
cdef void cmd_cluster_links(Call* call) noexcept nogil
cdef void cmd_cluster_meet(Call* call) noexcept nogil
cdef void cmd_cluster_myid(Call* call) noexcept nogil
cdef void cmd_cluster_myshardid(Call* call) noexcept nogil
cdef void cmd_cluster_nodes(Call* call) noexcept nogil
cdef void cmd_cluster_replicas(Call* call) noexcept nogil
cdef void cmd_cluster_replicate(Call* call) noexcept nogil
cdef void cmd_cluster_reset(Call* call) noexcept nogil
cdef void cmd_cluster_saveconfig(Call* call) noexcept nogil
cdef void cmd_cluster_set_config_epoch(Call* call) noexcept nogil
cdef void cmd_cluster_setslot(Call* call) noexcept nogil
cdef void cmd_cluster_shards(Call* call) noexcept nogil
cdef void cmd_cluster_slaves(Call* call) noexcept nogil
cdef void cmd_cluster_slot_stats(Call* call) noexcept nogil
cdef void cmd_cluster_slots(Call* call) noexcept nogil
cdef void cmd_readonly(Call* call) noexcept nogil
cdef void cmd_readwrite(Call* call) noexcept nogil
