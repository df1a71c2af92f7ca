"""See spare_tls.pxd. A wire's state is a C struct, which is made and freed without the GIL; its Python objects are made at the first
step of the handshake and given back with the GIL. Python's ssl is imported when it is first needed: a Python may have none."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from hutch_engine.base.atomics cimport atomic_add64
from hutch_engine.base.buffer cimport Buffer, buffer_append
from hutch_engine.net.poller cimport POLL_READ, POLL_WRITE
from hutch_engine.net.sockets cimport SOCKET_FAILED, SOCKET_WAIT, socket_read, socket_write
from hutch_engine.net.tls cimport TlsProvider, tls_provide
from hutch_engine.net.transport cimport GREET_FAILED, GREET_WAIT, GREETED, GreetOutcome, Transport, Wire
from hutch_engine.state.config cimport Config

cdef enum:
    READ_BYTES = 65536
    WRITE_BYTES = 65536              # sealed at once

cdef struct SpareContext:
    uint64_t users                   # atomic: the engine, and wires whose handshake has not begun
    PyObject* by_mode                # owned: a tuple of three SSLContexts, by tls-auth-clients

cdef struct SpareWire:
    SpareContext* context            # held until the handshake begins, then NULL
    int64_t mode
    PyObject* tls                    # owned: a _Tls; NULL before
    bint greeted
    bint owes                        # the last byte that was sealed is not said to be written yet, since not all of it is out
    char[200] problem

cdef Transport _transport
cdef TlsProvider _provider


class _Tls:
    """One client's: an SSLObject between two memories, and what of the one that goes out the socket has not taken."""

    __slots__ = ("incoming", "outgoing", "tls", "rest")

    def __init__(self, context):
        import ssl
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.rest = b""


# ---- contexts

cdef object _text(const Buffer* setting):
    return setting.data[:setting.length].decode("utf-8", "surrogateescape") if setting.length else None


cdef object _context(Config* config, object verify_mode):
    import ssl
    cdef bytes password = config.tls_key_file_pass.data[:config.tls_key_file_pass.length] if config.tls_key_file_pass.length else b""
    versions = {"tlsv1": ssl.TLSVersion.TLSv1, "tlsv1.1": ssl.TLSVersion.TLSv1_1, "tlsv1.2": ssl.TLSVersion.TLSv1_2,
                "tlsv1.3": ssl.TLSVersion.TLSv1_3}
    wanted = (_text(&config.tls_protocols) or "tlsv1.2 tlsv1.3").lower().split()
    if not set(wanted) <= set(versions):
        raise ValueError("Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.")
    if config.tls_ciphersuites.length:
        raise ValueError("Failed to configure ciphersuites: Python's ssl module cannot")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = min(versions[name] for name in wanted)
    context.maximum_version = max(versions[name] for name in wanted)
    context.options |= ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_NO_RENEGOTIATION", 1 << 30)
    context.verify_mode = verify_mode
    certificate, key = _text(&config.tls_cert_file), _text(&config.tls_key_file)
    for what, path in ("certificate", certificate), ("private key", key):
        try:
            open(path).close()
        except OSError as error:
            raise ValueError(f"Failed to load {what}: {path}: {error.strerror}") from None
    try:
        context.load_cert_chain(certificate, key, lambda: password)
    except (OSError, ValueError) as error:
        raise ValueError(f"Failed to load certificate and private key: {certificate}, {key}: {error}") from None
    if config.tls_ca_cert_file.length or config.tls_ca_cert_dir.length:
        try:
            context.load_verify_locations(_text(&config.tls_ca_cert_file), _text(&config.tls_ca_cert_dir))
        except (OSError, ValueError) as error:
            raise ValueError(f"Failed to configure CA certificate(s) file/directory: {error}") from None
    if config.tls_ciphers.length:
        try:
            context.set_ciphers(_text(&config.tls_ciphers))
        except (OSError, ValueError) as error:
            raise ValueError(f"Failed to configure ciphers: {error}") from None
    return context


cdef void* _context_new(Config* config, char* error_out, size_t error_size) noexcept with gil:
    cdef SpareContext* made
    cdef bytes text
    try:
        import ssl
        # In the order of TLS_CLIENTS_NO, _YES, _OPTIONAL.
        contexts = tuple(_context(config, mode) for mode in (ssl.CERT_NONE, ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL))
    except BaseException as error:
        text = str(error).encode("utf-8", "replace")
        snprintf(error_out, error_size, b"%s", PyBytes_AS_STRING(text))
        return NULL
    made = <SpareContext*>calloc(1, sizeof(SpareContext))
    if made == NULL:
        return NULL
    Py_INCREF(contexts)
    made.by_mode = <PyObject*>contexts
    made.users = 1
    return made


cdef void _forget(SpareContext* context) noexcept with gil:
    Py_DECREF(<object>context.by_mode)
    free(context)


cdef void _context_free(void* given) noexcept nogil:
    cdef SpareContext* context = <SpareContext*>given
    if atomic_add64(&context.users, <uint64_t>-1) == 1:
        _forget(context)


# ---- one client's

cdef bint _open(void* context, Wire* wire, int64_t mode) noexcept nogil:
    """Under the engine's lock, so without the GIL."""
    cdef SpareWire* made = <SpareWire*>calloc(1, sizeof(SpareWire))
    wire.transport = &_transport
    if made == NULL:
        return False
    made.context = <SpareContext*>context
    made.mode = mode
    atomic_add64(&made.context.users, 1)
    wire.state = made
    return True


cdef object _begin(SpareWire* state):
    made = _Tls((<tuple>state.context.by_mode)[state.mode])
    _context_free(state.context)
    state.context = NULL
    Py_INCREF(made)
    state.tls = <PyObject*>made
    return made


cdef bint _flush(Wire* wire, object tls) except -1:
    """Send what is sealed; False when the socket has no room for all of it. OSError when the socket has failed."""
    cdef ssize_t put
    cdef bytes rest = tls.rest
    if tls.outgoing.pending:
        rest += tls.outgoing.read()
    while rest:
        put = socket_write(wire.fd, PyBytes_AS_STRING(rest), <size_t>PyBytes_GET_SIZE(rest))
        if put == SOCKET_FAILED:
            raise OSError("the client went away")
        if put == SOCKET_WAIT:
            break
        rest = rest[put:]
    tls.rest = rest
    return not rest


cdef int _receive(Wire* wire, object tls) except -2:
    """One look at the socket: 1, something came or the stream has ended; 0, nothing is there."""
    cdef bytes data = PyBytes_FromStringAndSize(NULL, READ_BYTES)
    cdef ssize_t got = socket_read(wire.fd, PyBytes_AS_STRING(data), READ_BYTES)
    if got == SOCKET_FAILED:
        raise OSError("the client went away")
    if got == SOCKET_WAIT:
        return 0
    if got:
        tls.incoming.write(data[:got])
    else:
        tls.incoming.write_eof()
    return 1


cdef void _fails(Wire* wire, object error) noexcept:
    cdef bytes text
    cdef SpareWire* state = <SpareWire*>wire.state
    wire.over = True
    wire.end = SOCKET_FAILED
    try:
        text = str(error).encode("utf-8", "replace")
        snprintf(state.problem, sizeof(state.problem), b"%s", PyBytes_AS_STRING(text))
    except BaseException:
        pass


cdef GreetOutcome _greet(Wire* wire) noexcept with gil:
    cdef SpareWire* state = <SpareWire*>wire.state
    wire.changed = True
    try:
        import ssl
        tls = <object>state.tls if state.tls != NULL else _begin(state)
        while not state.greeted:
            if not _flush(wire, tls):
                wire.greets_for = POLL_WRITE
                return GREET_WAIT
            try:
                tls.tls.do_handshake()
                state.greeted = True
            except ssl.SSLWantReadError:
                _flush(wire, tls)
                if not _receive(wire, tls):
                    wire.greets_for = POLL_READ
                    return GREET_WAIT
            except ssl.SSLError:
                _flush(wire, tls)            # the alert
                raise
        if not _flush(wire, tls):
            wire.greets_for = POLL_WRITE
            return GREET_WAIT
        wire.greets_for = 0
        wire.unread = tls.incoming.pending != 0
        return GREETED
    except BaseException as error:
        _fails(wire, error)
        return GREET_FAILED


cdef ssize_t _read(Wire* wire, char* data, size_t length) noexcept with gil:
    cdef SpareWire* state = <SpareWire*>wire.state
    cdef size_t total = 0
    cdef bytes piece
    if wire.over:
        return wire.end
    wire.unread = False
    try:
        import ssl
        tls = <object>state.tls
        while total < length:
            try:
                piece = tls.tls.read(length - total)
            except ssl.SSLWantReadError:
                if total or not _receive(wire, tls):
                    break
                continue
            if not piece:
                wire.over = True
                wire.end = 0
                break
            memcpy(data + total, PyBytes_AS_STRING(piece), <size_t>PyBytes_GET_SIZE(piece))
            total += <size_t>PyBytes_GET_SIZE(piece)
        if tls.outgoing.pending:
            _flush(wire, tls)                # an answer to a change of keys; what has no room goes before the next reply
        if total == length:
            wire.unread = tls.tls.pending() != 0 or tls.incoming.pending != 0
    except BaseException as error:
        _fails(wire, error)
    if wire.over and total:
        wire.unread = True
    wire.changed = wire.changed or wire.unread
    return <ssize_t>total if total else wire.end if wire.over else SOCKET_WAIT


cdef ssize_t _write(Wire* wire, const char* data, size_t length) noexcept with gil:
    """Its memory takes all that it is given, but the loop is to come back while the socket has not: so the last byte is said to be
    written only when everything is out."""
    cdef SpareWire* state = <SpareWire*>wire.state
    cdef size_t count
    cdef size_t told = 0
    if wire.over:
        return SOCKET_FAILED
    try:
        tls = <object>state.tls
        if not _flush(wire, tls):
            return SOCKET_WAIT
        if state.owes:
            state.owes = False
            told = 1
        while told < length and told < WRITE_BYTES:
            count = length - told if length - told < WRITE_BYTES else WRITE_BYTES
            count = <size_t>tls.tls.write(data[told:told + count])
            told += count
            if not _flush(wire, tls):
                state.owes = True
                told -= 1
                break
    except BaseException as error:
        _fails(wire, error)
        return SOCKET_FAILED
    return <ssize_t>told if told else SOCKET_WAIT


cdef void _shut_with_gil(Wire* wire) noexcept with gil:
    tls = <object>(<SpareWire*>wire.state).tls
    try:
        tls.tls.unwrap()
    except BaseException:
        pass                                 # it waits for the other side's word, for which we do not
    try:
        _flush(wire, tls)
    except BaseException:
        pass


cdef void _shut(Wire* wire) noexcept nogil:
    cdef SpareWire* state = <SpareWire*>wire.state
    if state != NULL and state.tls != NULL and state.greeted and (not wire.over or wire.end == 0):
        _shut_with_gil(wire)


cdef void _drop(SpareWire* state) noexcept with gil:
    Py_DECREF(<object>state.tls)


cdef void _free(Wire* wire) noexcept nogil:
    cdef SpareWire* state = <SpareWire*>wire.state
    if state == NULL:
        return
    if state.context != NULL:
        _context_free(state.context)
    if state.tls != NULL:
        _drop(state)
    free(state)
    wire.state = NULL


cdef bint _common_name(const Wire* wire, Buffer* name_out) noexcept with gil:
    cdef bytes name
    try:
        certificate = (<object>(<SpareWire*>wire.state).tls).tls.getpeercert() or {}
        for names in certificate.get("subject", ()):
            for key, value in names:
                if key == "commonName":
                    name = value.encode()
                    if not name or b"\0" in name:
                        return False
                    buffer_append(name_out, PyBytes_AS_STRING(name), <size_t>PyBytes_GET_SIZE(name))
                    return True
    except BaseException:
        pass
    return False


cdef void _problem(const Wire* wire, char* text_out, size_t size) noexcept nogil:
    snprintf(text_out, size, b"%s", (<SpareWire*>wire.state).problem)


cdef void spare_tls_offer() noexcept nogil:
    tls_provide(&_provider, False)


def use_spare(bint always):
    """Tests: contexts that are made from now on are this module's, though the other way could be had; or as it must be again."""
    tls_provide(&_provider, always)


_transport.greet = _greet
_transport.read = _read
_transport.write = _write
_transport.shut = _shut
_transport.free = _free
_provider.context_new = _context_new
_provider.context_free = _context_free
_provider.open = _open
_provider.common_name = _common_name
_provider.problem = _problem
