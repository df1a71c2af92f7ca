"""See effects.pxd."""
from libc.stdint cimport INT64_MAX, int32_t, uint32_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.keyspace.keyspace cimport (
    CHORE_EFFECTS_LOST, EFFECT_READY, EFFECT_READY_ALL, EFFECT_TOUCHED, EFFECT_TOUCHED_ALL, Effect, Keyspace, keyspace_effects_clear,
    keyspace_expire_due, keyspace_now)
from hutch_engine.sessions.tracking cimport announce_effects, tracking_invalidate_all
from hutch_engine.sessions.waiting cimport waiting_note_ready, waiting_note_ready_all
from hutch_engine.sessions.watch cimport watch_touch, watch_touch_all
from hutch_engine.state.engine cimport BUSY_NOT, Engine, engine_guarded, engine_poke_housekeeping

cdef enum:
    PAST_DEADLINES = 64          # removed at once after a command that gave them; the rest by housekeeping


cdef void effects_announce(Engine* engine) noexcept nogil:
    announce_effects(engine)


cdef void _act_on_lost(Engine* engine) noexcept nogil:
    """Memory was refused for an effect, so nobody knows whom it was for: whoever may have waited for it is told. O(watched
    keys, keys waited for, tracked keys)."""
    cdef int32_t i
    engine.keyspace.chores &= ~<uint32_t>CHORE_EFFECTS_LOST
    watch_touch_all(engine, -1)
    for i in range(engine.keyspace.database_count):
        waiting_note_ready_all(engine, i)
    if engine.tracking_count != 0:
        tracking_invalidate_all(engine)


cdef void effects_act(Engine* engine) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef size_t i
    cdef Effect* effect
    cdef Slice key
    engine_guarded(engine)
    # A deadline given in the past (SET ... PXAT 1): the key is gone when its command has answered.
    # Not while a script lets others in: for it, time stands still.
    if keyspace.earliest_added_ms != INT64_MAX and not engine.cron_paused and engine.busy == BUSY_NOT \
            and keyspace.earliest_added_ms < keyspace_now(keyspace):
        keyspace_expire_due(keyspace, PAST_DEADLINES)
    effects_announce_new(engine)
    engine.announced = 0
    for i in range(keyspace.effect_count):
        effect = &keyspace.effects[i]
        key = slice_of(keyspace.effect_keys.data + effect.key_start, effect.key_length)
        if effect.kind == EFFECT_TOUCHED:
            watch_touch(engine, effect.database, key)
        elif effect.kind == EFFECT_TOUCHED_ALL:
            watch_touch_all(engine, effect.database)
        elif effect.kind == EFFECT_READY:
            waiting_note_ready(engine, effect.database, key)
        elif effect.kind == EFFECT_READY_ALL:
            waiting_note_ready_all(engine, effect.database)
    if keyspace.effect_count:
        keyspace_effects_clear(keyspace)
    if unlikely(keyspace.chores & CHORE_EFFECTS_LOST):
        _act_on_lost(engine)
    if keyspace.chores:
        engine.chores |= keyspace.chores
        keyspace.chores = 0
        engine_poke_housekeeping(engine)
    elif keyspace.earliest_added_ms < engine.housekeeping_wakes_ms:
        engine_poke_housekeeping(engine)
    keyspace.earliest_added_ms = INT64_MAX
