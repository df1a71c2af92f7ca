"""See engine.pxd."""
from libc.stdint cimport INT64_MAX, int32_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset
from hutch_engine.net.tls cimport tls_context_use
from hutch_engine.base.buffer cimport buffer_clear, buffer_init
from hutch_engine.base.clock cimport clock_coarse_ms, clock_init, monotonic_us
from hutch_engine.base.lock cimport lock_init, signal_init
from hutch_engine.base.memory cimport heap_clear, heap_free, heap_init, heap_try_zeroed
from hutch_engine.base.random cimport random_hex, random_init
from hutch_engine.keyspace.journal cimport journal_clear, journal_init
from hutch_engine.keyspace.keyspace cimport keyspace_clear, keyspace_init
from hutch_engine.persistence.append_log cimport append_log_free
from hutch_engine.commands.command_table cimport command_table_ids
from hutch_engine.control.crash_log cimport crash_log_end
from hutch_engine.executor.slow_log cimport slow_log_clear, slow_log_policy
from hutch_engine.runtime.housekeeping cimport housekeeping_start
from hutch_engine.scripting.function_commands cimport flags_of_script
from hutch_engine.scripting.interpreter cimport scripting_free
from hutch_engine.sessions.pubsub cimport pubsub_check
from hutch_engine.sessions.session cimport session_free
from hutch_engine.sessions.users cimport users_clear, users_init
from hutch_engine.sessions.waiting cimport waiting_check
from hutch_engine.state.config cimport config_clear, config_init
from hutch_engine.state.engine cimport (
    BLOCKED_KEY_OFFSET, SUBSCRIPTION_NAME_OFFSET, TOPIC_KINDS, TOPIC_NAME_OFFSET, WATCHED_KEY_OFFSET, CommandStats, Engine,
    engine_used_memory)
from hutch_engine.state.latency_events cimport latency_events_free
from hutch_engine.structures.table cimport table_clear, table_init
from hutch_engine.structures.wheel cimport Wheel

cdef extern from * nogil:
    """
    #include <pthread.h>
    #include <stdint.h>
    /* How often this process is a fork of one that had loaded the engine. An engine remembers the figure
     * of its making: in a child they differ, and the child's copy must not be touched (its threads are
     * gone and its lock may be taken for ever). */
    static uint64_t hutch_forks = 0;
    static void hutch_after_fork(void) { hutch_forks++; }
    static pthread_once_t hutch_fork_once = PTHREAD_ONCE_INIT;
    static void hutch_watch_forks_once(void) { pthread_atfork(NULL, NULL, hutch_after_fork); }
    static void hutch_watch_forks(void) { pthread_once(&hutch_fork_once, hutch_watch_forks_once); }
    """
    void hutch_watch_forks() noexcept
    const uint64_t hutch_forks

cdef bint engine_init(Engine* engine, int32_t databases, uint64_t seed) noexcept nogil:
    cdef int kind
    memset(engine, 0, sizeof(Engine))
    lock_init(&engine.lock)
    signal_init(&engine.housekeeping.signal)
    signal_init(&engine.pause.over)
    signal_init(&engine.journaling.wake)
    signal_init(&engine.journaling.log_wake)
    journal_init(&engine.journaling.journal)
    engine.journaling.rewrite_took_s = -1
    engine.persistence.last_save_took_s = -1
    heap_init(&engine.heap)
    clock_init(&engine.clock)
    random_init(&engine.random, seed)
    hutch_watch_forks()
    engine.forks = &hutch_forks
    engine.fork_generation = hutch_forks
    engine.net.wake_fd = -1
    engine.housekeeping.wakes_ms = INT64_MAX
    engine.statistics.started_us = monotonic_us()
    random_hex(&engine.random, engine.replication.run_id, 40)
    random_hex(&engine.random, engine.replication.id, 40)
    memset(engine.replication.id2, 48, 40)
    config_init(&engine.config)
    slow_log_policy(engine)
    engine.config.databases = databases
    if not keyspace_init(&engine.keyspace, &engine.heap, &engine.clock, &engine.random, databases):
        return False
    table_init(&engine.watches.keys, &engine.heap, &engine.keyspace.hash_key, WATCHED_KEY_OFFSET)
    table_init(&engine.waiting.keys, &engine.heap, &engine.keyspace.hash_key, BLOCKED_KEY_OFFSET)
    for kind in range(TOPIC_KINDS):
        table_init(&engine.pubsub.topics[kind], &engine.heap, &engine.keyspace.hash_key, TOPIC_NAME_OFFSET)
    table_init(&engine.pubsub.subscriptions, &engine.heap, &engine.keyspace.hash_key, SUBSCRIPTION_NAME_OFFSET)
    buffer_init(&engine.pubsub.message, NULL)
    buffer_init(&engine.tracking.changed, NULL)
    engine.keyspace.access_clock = <uint32_t>(clock_coarse_ms(&engine.clock) // 1000)
    engine.keyspace.guard = &engine.lock
    engine.statistics.commands = <CommandStats*>heap_try_zeroed(&engine.heap, command_table_ids(), sizeof(CommandStats))
    if engine.statistics.commands == NULL:
        engine_clear(engine)
        return False
    if not users_init(engine):
        engine_clear(engine)
        return False
    engine.statistics.startup_bytes = engine_used_memory(engine)
    engine.housekeeping.start = housekeeping_start
    engine.scripts.flags_of_script = flags_of_script
    waiting_check()
    pubsub_check()
    return True


cdef void engine_clear(Engine* engine) noexcept nogil:
    cdef int kind
    cdef uint32_t i
    engine.keyspace.guard = NULL         # nobody else looks any more
    crash_log_end(engine)
    scripting_free(engine)
    tls_context_use(engine, NULL)
    while engine.sessions.first != NULL:
        session_free(engine.sessions.first)
    while engine.sessions.ended != NULL:
        session_free(engine.sessions.ended)
    users_clear(engine)
    table_clear(&engine.watches.keys)
    table_clear(&engine.waiting.keys)
    for kind in range(TOPIC_KINDS):
        table_clear(&engine.pubsub.topics[kind])
    table_clear(&engine.pubsub.subscriptions)
    buffer_clear(&engine.pubsub.message)
    buffer_clear(&engine.tracking.changed)
    heap_free(&engine.heap, engine.waiting.time_outs, sizeof(Wheel))
    engine.waiting.time_outs = NULL
    engine.keyspace.journal = NULL
    append_log_free(engine)
    journal_clear(&engine.journaling.journal)
    keyspace_clear(&engine.keyspace)
    slow_log_clear(engine)
    latency_events_free(engine)
    config_clear(&engine.config)
    for i in range(command_table_ids() if engine.statistics.commands != NULL else 0):
        free(engine.statistics.commands[i].latency)
    heap_free(&engine.heap, engine.statistics.commands, command_table_ids() * sizeof(CommandStats))
    engine.statistics.commands = NULL
    heap_clear(&engine.heap)
    # The lock, the signals and the deferred frees stay usable: threads may still come, to find the engine closed.
