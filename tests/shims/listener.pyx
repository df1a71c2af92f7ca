"""An engine with a listener for Python tests, configured by keyword, without the door."""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from hutch_engine.base.atomics cimport atomic_load64
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_clear, buffer_init
from hutch_engine.base.clock cimport clock_now_ms
from hutch_engine.base.lock cimport lock_acquire, lock_release
from hutch_engine.base.slice cimport slice_of
from hutch_engine.sessions.users cimport users_password
from hutch_engine.state.config cimport CHANGED_PASSWORD, CONFIG_AT_START, config_set_named
from hutch_engine.state.engine cimport (
    PAUSE_ALL, PAUSE_WRITE, SESSION_CLOSE_NOW, SESSION_EMBEDDED, Engine, Session,
    engine_wake_listener, engine_end_pause, engine_pause)
from hutch_engine.runtime.engine cimport engine_clear, engine_init
from hutch_engine.sessions.session cimport session_free, session_new
from hutch_engine.sessions.wake_queue cimport session_wake
from hutch_engine.runtime.housekeeping cimport housekeeping_stop
from hutch_engine.net.listener cimport (
    Listener, listener_free, listener_new, listener_open, listener_start, listener_stop)
import hutch_engine.runtime.command_handlers   # fills the command table's handlers

import _ssl

cdef bytes _ssl_file = getattr(_ssl, "__file__", "").encode()


cdef class Server:
    cdef Engine* engine
    cdef Listener* listener
    cdef bytes ssl_path

    def __cinit__(self, bint portable=False, bint any_port=True, bint any_tls_port=False, bytes ssl_path=_ssl_file, **config):
        cdef char[512] problem
        cdef bint opened
        self.engine = <Engine*>calloc(1, sizeof(Engine))
        engine_init(self.engine, 16, 0)
        self.ssl_path = ssl_path
        self.engine.net.ssl_path = self.ssl_path
        if "bind" not in config:
            self.configure("bind", "127.0.0.1")
        for name, value in config.items():
            self.configure(name.replace("_", "-"), value)
        with nogil:
            self.listener = listener_new(self.engine, portable)
            self.listener.any_port = any_port
            self.listener.any_tls_port = any_tls_port
            opened = listener_open(self.listener, problem, sizeof(problem))
        if not opened:
            raise OSError(problem.decode())
        if not listener_start(self.listener):
            raise OSError("no thread")

    def __dealloc__(self):
        self.close()

    def close(self):
        if self.engine == NULL:
            return
        with nogil:
            if self.listener != NULL:
                listener_free(self.listener)
            housekeeping_stop(self.engine)
        sessions, account = self.engine.sessions.count, self.engine.client_bytes
        with nogil:
            engine_clear(self.engine)
        free(self.engine)
        self.engine = NULL
        return sessions, account

    def configure(self, str name, value):
        cdef bytes name_bytes = name.encode(), value_bytes = str(value).encode()
        cdef uint64_t changed = 0
        cdef Buffer error
        cdef bint done
        buffer_init(&error, NULL)
        lock_acquire(&self.engine.lock)
        done = config_set_named(&self.engine.config, slice_of(name_bytes, len(name_bytes)),
                                slice_of(value_bytes, len(value_bytes)), CONFIG_AT_START, &changed, &error)
        if changed & CHANGED_PASSWORD:
            users_password(self.engine, slice_of(value_bytes, len(value_bytes)))
        lock_release(&self.engine.lock)
        if not done:
            raise ValueError(error.data[:error.length])

    @property
    def port(self):
        return self.engine.net.tcp_port

    @property
    def tls_port(self):
        return self.engine.net.tls_port

    @property
    def client_bytes(self):
        return atomic_load64(&self.engine.client_bytes)

    def counter(self, str name):
        with nogil:
            lock_acquire(&self.engine.lock)
        try:
            return {"clients": self.engine.sessions.sockets, "received": self.engine.statistics.connections_received,
                    "rejected": self.engine.statistics.connections_rejected, "bytes_in": self.engine.statistics.bytes_in,
                    "bytes_out": atomic_load64(&self.engine.statistics.bytes_out), "commands": self.engine.statistics.commands_processed,
                    "query_closes": self.engine.statistics.query_limit_closes, "output_closes": self.engine.statistics.output_limit_closes,
                    "errors": self.engine.statistics.error_replies}[name]
        finally:
            lock_release(&self.engine.lock)

    def sessions(self):
        """[(id, address, local address, output bytes)]"""
        cdef Session* session
        found = []
        lock_acquire(&self.engine.lock)
        session = self.engine.sessions.first
        while session != NULL:
            found.append((session.id, session.address.data[:session.address.length],
                          session.local_address.data[:session.local_address.length], session.output_bytes))
            session = session.next
        lock_release(&self.engine.lock)
        return found

    def certificate_names(self):
        """{id: common name of the client's certificate}"""
        cdef Session* session
        found = {}
        lock_acquire(&self.engine.lock)
        session = self.engine.sessions.first
        while session != NULL:
            found[session.id] = session.certificate_name.data[:session.certificate_name.length] if session.certificate_name.length else b""
            session = session.next
        lock_release(&self.engine.lock)
        return found

    def append(self, uint64_t id, bytes reply):
        """What pub/sub does: another thread adds to a session's replies."""
        cdef Session* session
        lock_acquire(&self.engine.lock)
        session = self.engine.sessions.first
        while session != NULL:
            if session.id == id:
                buffer_append(&session.reply.buffer, reply, len(reply))
                session_wake(session)
            session = session.next
        lock_release(&self.engine.lock)

    def kill(self, uint64_t id):
        cdef Session* session
        lock_acquire(&self.engine.lock)
        session = self.engine.sessions.first
        while session != NULL:
            if session.id == id:
                session.flags |= SESSION_CLOSE_NOW
                session_wake(session)
            session = session.next
        lock_release(&self.engine.lock)

    def pause(self, long long ms, bint everything=False):
        lock_acquire(&self.engine.lock)
        engine_pause(self.engine, PAUSE_ALL if everything else PAUSE_WRITE, clock_now_ms(&self.engine.clock) + ms)
        lock_release(&self.engine.lock)

    def unpause(self):
        lock_acquire(&self.engine.lock)
        engine_end_pause(self.engine)
        engine_wake_listener(self.engine)
        lock_release(&self.engine.lock)
