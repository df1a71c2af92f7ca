"""See transaction.pxd."""
from libc.stdint cimport uint32_t
from libc.string cimport memcpy
from hutch_engine.base.memory cimport heap_free, heap_try_alloc
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.commands.command cimport Command
from hutch_engine.sessions.watch cimport session_unwatch
from hutch_engine.state.engine cimport SESSION_DIRTY_CAS, SESSION_DIRTY_EXEC, SESSION_MULTI, QueuedCommand, Session


cdef bint session_queue(Session* session, const Command* command, Slice* argv, size_t argc) noexcept nogil:
    cdef QueuedCommand* queued
    cdef size_t bytes = sizeof(QueuedCommand) + argc * sizeof(Slice)
    cdef size_t i
    cdef char* at
    for i in range(argc):
        bytes += argv[i].length
    queued = <QueuedCommand*>heap_try_alloc(&session.engine.heap, bytes)
    if queued == NULL:
        return False
    queued.next = NULL
    queued.command = command
    queued.argc = argc
    queued.block_bytes = bytes
    queued.argv = <Slice*>(<char*>queued + sizeof(QueuedCommand))
    at = <char*>queued.argv + argc * sizeof(Slice)
    for i in range(argc):
        queued.argv[i] = slice_of(at, argv[i].length)
        if argv[i].length:
            memcpy(at, argv[i].data, argv[i].length)
        at += argv[i].length
    session.queue_end[0] = queued
    session.queue_end = &queued.next
    session.queue_length += 1
    session.queue_bytes += bytes
    return True


cdef void session_discard(Session* session) noexcept nogil:
    cdef QueuedCommand* queued = session.queue
    cdef QueuedCommand* following
    while queued != NULL:
        following = queued.next
        heap_free(&session.engine.heap, queued, queued.block_bytes)
        queued = following
    session.queue = NULL
    session.queue_end = &session.queue
    session.queue_length = 0
    session.queue_flags = 0
    session.queue_bytes = 0
    session.flags &= ~<uint32_t>(SESSION_MULTI | SESSION_DIRTY_CAS | SESSION_DIRTY_EXEC)
    session_unwatch(session)
