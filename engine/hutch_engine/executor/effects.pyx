"""See effects.pxd."""
from libc.stdint cimport INT64_MAX, int32_t, uint32_t
from hutch_engine.base.compiler cimport unlikely
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.keyspace.keyspace cimport (
    CHORE_EFFECTS_LOST, EFFECT_EVENT, EFFECT_READY, EFFECT_READY_ALL, EFFECT_TOUCHED, EFFECT_TOUCHED_ALL, EVENT_FLUSHED,
    Effect, Keyspace, keyspace_effects_clear, keyspace_expire_due, keyspace_now)
from hutch_engine.sessions.keyspace_events cimport keyspace_events_publish
from hutch_engine.sessions.tracking cimport tracking_invalidate_all, tracking_note_changed
from hutch_engine.sessions.waiting cimport waiting_note_ready, waiting_note_ready_all
from hutch_engine.sessions.watch cimport watch_touch, watch_touch_all
from hutch_engine.state.engine cimport BUSY_NOT, Engine, engine_guarded, engine_wake_housekeeping

cdef enum:
    PAST_DEADLINES = 64          # removed at once after a command that gave them; the rest by housekeeping


cdef inline Slice _key_of(const Keyspace* keyspace, const Effect* effect) noexcept nogil:
    return slice_of(keyspace.effect_keys.data + effect.key_start, effect.key_length)


cdef void _tell_trackers(Engine* engine, size_t first) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef Effect* effect
    cdef bint flushed = False
    cdef size_t i
    for i in range(first, keyspace.effect_count):
        effect = &keyspace.effects[i]
        if effect.kind == EFFECT_TOUCHED:
            tracking_note_changed(engine, _key_of(keyspace, effect))
        elif effect.kind == EFFECT_TOUCHED_ALL and effect.event_class == EVENT_FLUSHED and not flushed:
            flushed = True
            tracking_invalidate_all(engine)


cdef void effects_announce(Engine* engine) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef size_t first = engine.execution.announced
    cdef size_t i
    engine.execution.announced = keyspace.effect_count
    if keyspace.event_classes:
        for i in range(first, keyspace.effect_count):
            if keyspace.effects[i].kind == EFFECT_EVENT:
                keyspace_events_publish(engine, &keyspace.effects[i], _key_of(keyspace, &keyspace.effects[i]))
    if unlikely(engine.tracking.sessions != 0):
        _tell_trackers(engine, first)


cdef void _act_on_lost(Engine* engine) noexcept nogil:
    """Memory was refused for an effect, so nobody knows whom it was for: whoever may have waited for it is told. O(watched
    keys, keys waited for, tracked keys)."""
    cdef int32_t i
    engine.keyspace.chores &= ~<uint32_t>CHORE_EFFECTS_LOST
    watch_touch_all(engine, -1)
    for i in range(engine.keyspace.database_count):
        waiting_note_ready_all(engine, i)
    if engine.tracking.sessions != 0:
        tracking_invalidate_all(engine)


cdef void effects_act(Engine* engine) noexcept nogil:
    cdef Keyspace* keyspace = &engine.keyspace
    cdef size_t i
    cdef Effect* effect
    cdef Slice key
    engine_guarded(engine)
    # A deadline given in the past (SET ... PXAT 1): the key is gone when its command has answered.
    # Not while a script lets others in: for it, time stands still.
    if keyspace.earliest_added_ms != INT64_MAX and not engine.housekeeping.cron_paused and engine.scripts.busy == BUSY_NOT \
            and keyspace.earliest_added_ms < keyspace_now(keyspace):
        keyspace_expire_due(keyspace, PAST_DEADLINES)
    effects_announce_new(engine)
    engine.execution.announced = 0
    for i in range(keyspace.effect_count):
        effect = &keyspace.effects[i]
        key = _key_of(keyspace, effect)
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
        engine.housekeeping.chores |= keyspace.chores
        keyspace.chores = 0
        engine_wake_housekeeping(engine)
    elif keyspace.earliest_added_ms < engine.housekeeping.wakes_ms:
        engine_wake_housekeeping(engine)
    keyspace.earliest_added_ms = INT64_MAX
