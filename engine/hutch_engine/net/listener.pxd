"""The event loop: sockets in, batches of commands through the executor, replies out. No Python, no GIL.

One thread runs it (listener_start makes a native one; listener_run uses the caller's). It alone touches
Connections, their query buffers and what is on its way out (`sending`); a Session, its reply included, is
touched only under the engine's lock. So other threads may append to any session's reply under the lock and
call session_wake, and the bytes go out soon after.
"""
from libc.stddef cimport size_t
from hutch_engine.net.connections cimport Connection, Listener
from hutch_engine.state.engine cimport Engine

cdef Listener* listener_new(Engine* engine, bint portable_poller) noexcept nogil
"""Make a listener for an engine, which is borrowed; the caller frees it with listener_free. NULL when memory or descriptors
were refused. portable_poller: poll() even where epoll exists."""
cdef bint listener_open(Listener* listener, char* error_out, size_t error_size) noexcept nogil
"""Bind and listen on every address of config.bind and on config.unixsocket. config.port 0 means no TCP,
unless any_port asks for an ephemeral one. On failure False, a message in error_out, and nothing is left
open. engine.net.tcp_port tells the port that was bound. Takes the engine's lock for a moment."""
cdef bint listener_start(Listener* listener) noexcept nogil
"""Run the loop in a thread of its own. False when the system refuses one."""
cdef void listener_run(Listener* listener) noexcept nogil
"""Run the loop in the caller's thread; returns after listener_stop. Takes the engine's lock again and again."""
cdef void listener_stop(Listener* listener) noexcept nogil
"""End the loop and, if it runs in a thread of its own, join that. From any thread but the loop's own, without the engine's
lock."""
cdef void listener_free(Listener* listener) noexcept nogil
"""Stop, close every connection and socket, remove the Unix socket's file, free the sessions and the listener. Takes the
engine's lock."""
