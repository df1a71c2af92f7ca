"""See tls.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport INT32_MAX
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from hutch_engine.base.buffer cimport Buffer, buffer_append, buffer_append_text, buffer_clear, buffer_init, buffer_slice
from hutch_engine.base.compiler cimport likely, unlikely
from hutch_engine.base.slice cimport Slice, slice_is, slice_of
from hutch_engine.net.openssl cimport (
    ASN1_STRING, ASN1_STRING_to_UTF8, BIO, BIO_CTRL_FLUSH, BIO_FLAGS_READ, BIO_FLAGS_RETRY, BIO_FLAGS_WRITE, BIO_METHOD, BIO_TYPE_SOURCE,
    BIO_clear_flags, BIO_get_data, BIO_get_new_index, BIO_meth_new, BIO_meth_set_ctrl, BIO_meth_set_read, BIO_meth_set_write, BIO_new,
    BIO_set_data, BIO_set_flags, BIO_set_init, CRYPTO_free, ERR_clear_error, ERR_error_string_n, ERR_get_error, NID_COMMON_NAME, SSL, SSL_CTX,
    SSL_CTRL_MODE, SSL_CTRL_SET_DH_AUTO, SSL_CTRL_SET_MAX_PROTO_VERSION, SSL_CTRL_SET_MIN_PROTO_VERSION, SSL_CTRL_SET_READ_AHEAD,
    SSL_CTRL_SET_SESS_CACHE_MODE, SSL_CTRL_SET_SESS_CACHE_SIZE, SSL_CTX_check_private_key, SSL_CTX_clear_options, SSL_CTX_ctrl,
    SSL_CTX_free, SSL_CTX_load_verify_locations, SSL_CTX_new, SSL_CTX_set_cipher_list, SSL_CTX_set_ciphersuites,
    SSL_CTX_set_default_passwd_cb, SSL_CTX_set_default_passwd_cb_userdata, SSL_CTX_set_options, SSL_CTX_set_session_id_context,
    SSL_CTX_set_timeout, SSL_CTX_set_verify, SSL_CTX_use_PrivateKey_file, SSL_CTX_use_certificate_chain_file, SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_WRITE, SSL_ERROR_ZERO_RETURN, SSL_FILETYPE_PEM, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, SSL_MODE_ENABLE_PARTIAL_WRITE,
    SSL_MODE_RELEASE_BUFFERS, SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_NO_COMPRESSION, SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_TLSV1,
    SSL_OP_NO_TLSV1_1, SSL_OP_NO_TLSV1_2, SSL_OP_NO_TLSV1_3, SSL_SESS_CACHE_OFF, SSL_SESS_CACHE_SERVER, SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_do_handshake, SSL_free, SSL_get1_peer_certificate, SSL_get_error, SSL_has_pending, SSL_new,
    SSL_read, SSL_set_accept_state, SSL_set_bio, SSL_set_verify, SSL_shutdown, SSL_write, TLS1_VERSION, TLS_server_method, X509,
    X509_NAME, X509_NAME_ENTRY_get_data, X509_NAME_get_entry, X509_NAME_get_index_by_NID, X509_free, X509_get_subject_name,
    openssl_load, openssl_reason)
from hutch_engine.net.poller cimport POLL_READ, POLL_WRITE
from hutch_engine.net.sockets cimport SOCKET_FAILED, SOCKET_WAIT, socket_read, socket_write
from hutch_engine.net.transport cimport GREET_FAILED, GREET_WAIT, GREETED, GreetOutcome, Transport, Wire
from hutch_engine.state.config cimport TLS_CLIENTS_NO, TLS_CLIENTS_OPTIONAL, Config
from hutch_engine.state.engine cimport Engine

cdef enum:
    RECORD_BYTES = 16384             # the most that one record carries
    WRITE_AT_ONCE_BYTES = 1048576    # then others have their turn, however fast the client reads
    PATH_BYTES = 4096
    REASON_BYTES = 256
    PROTOCOL_1_0 = 1
    PROTOCOL_1_1 = 2
    PROTOCOL_1_2 = 4
    PROTOCOL_1_3 = 8

cdef struct Context:                 # Engine.net.tls
    SSL_CTX* openssl                 # owned: ours; or NULL, and then ...
    void* provided                   # ... owned: the provider's

cdef Transport _tls
cdef const TlsProvider* _provider = NULL
cdef bint _always_provided = False
cdef BIO_METHOD* _bio_method = NULL  # for good: how OpenSSL reads and writes our sockets


# ---- between OpenSSL and the socket: our own system calls, which raise no SIGPIPE

cdef int _bio_read(BIO* bio, char* data, int length) noexcept nogil:
    cdef ssize_t got = socket_read((<Wire*>BIO_get_data(bio)).fd, data, <size_t>length)
    BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_RETRY)
    if got == SOCKET_WAIT:
        BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_RETRY)
    return <int>got if got >= 0 else -1


cdef int _bio_write(BIO* bio, const char* data, int length) noexcept nogil:
    cdef ssize_t put = socket_write((<Wire*>BIO_get_data(bio)).fd, data, <size_t>length)
    BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_RETRY)
    if put == SOCKET_WAIT:
        BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_RETRY)
    return <int>put if put >= 0 else -1


cdef long _bio_ctrl(BIO* bio, int what, long number, void* argument) noexcept nogil:
    return what == BIO_CTRL_FLUSH    # nothing is kept back


cdef bint _has_bio_method() noexcept nogil:
    global _bio_method
    cdef BIO_METHOD* made
    if _bio_method != NULL:
        return True
    # Threads that race make one each, and one of them is kept for nothing.
    made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE, b"hutch socket")
    if made == NULL or not BIO_meth_set_read(made, _bio_read) or not BIO_meth_set_write(made, _bio_write) or \
            not BIO_meth_set_ctrl(made, _bio_ctrl):
        return False
    _bio_method = made
    return True


# ---- contexts

cdef bint _refuse(Buffer* error_out, const char* what, const char* which, bint say_why) noexcept nogil:
    """Always False. `say_why`: OpenSSL knows it."""
    cdef char[REASON_BYTES] reason
    buffer_append_text(error_out, what)
    buffer_append_text(error_out, which)
    if say_why:
        openssl_reason(reason, sizeof(reason))
        buffer_append_text(error_out, b": ")
        buffer_append_text(error_out, reason)
    return False


cdef bint _text_of(const Buffer* buffer, char* out) noexcept nogil:
    """As C has it, in PATH_BYTES; False when it is longer, or has a NUL in it."""
    cdef size_t i
    if buffer.length >= PATH_BYTES:
        return False
    for i in range(buffer.length):
        out[i] = buffer.data[i]
        if out[i] == 0:
            return False
    out[buffer.length] = 0
    return True


cdef int _password(char* text, int size, int writing, void* context) noexcept nogil:
    """Never asks at a terminal, as OpenSSL would by itself."""
    cdef const Buffer* password = <const Buffer*>context
    if password == NULL or password.length > <size_t>size:
        return -1
    if password.length:
        memcpy(text, password.data, password.length)
    return <int>password.length


cdef int _protocols(const Buffer* setting) noexcept nogil:
    """PROTOCOL_ bits; 0: it has a word that is none."""
    cdef size_t start = 0, end
    cdef int found = 0
    cdef Slice word
    while start < setting.length:
        if setting.data[start] == c' ':
            start += 1
            continue
        end = start
        while end < setting.length and setting.data[end] != c' ':
            end += 1
        word = slice_of(setting.data + start, end - start)
        if slice_is(word, b"tlsv1"):
            found |= PROTOCOL_1_0
        elif slice_is(word, b"tlsv1.1"):
            found |= PROTOCOL_1_1
        elif slice_is(word, b"tlsv1.2"):
            found |= PROTOCOL_1_2
        elif slice_is(word, b"tlsv1.3"):
            found |= PROTOCOL_1_3
        else:
            return 0
        start = end
    return found if found else PROTOCOL_1_2 | PROTOCOL_1_3


cdef bint _set_files(SSL_CTX* context, Config* config, Buffer* error_out) noexcept nogil:
    cdef char[PATH_BYTES] path
    cdef char[PATH_BYTES] directory
    cdef bint good
    if not _text_of(&config.tls_cert_file, path):
        return _refuse(error_out, b"Failed to load certificate: ", b"its path is too long", False)
    if SSL_CTX_use_certificate_chain_file(context, path) != 1:
        buffer_append_text(error_out, b"Failed to load certificate: ")
        return _refuse(error_out, path, b"", True)
    if not _text_of(&config.tls_key_file, path):
        return _refuse(error_out, b"Failed to load private key: ", b"its path is too long", False)
    SSL_CTX_set_default_passwd_cb(context, _password)
    SSL_CTX_set_default_passwd_cb_userdata(context, &config.tls_key_file_pass)
    good = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL)
    if not good or SSL_CTX_check_private_key(context) != 1:
        buffer_append_text(error_out, b"Failed to load private key: ")
        return _refuse(error_out, path, b"", True)
    if config.tls_ca_cert_file.length == 0 and config.tls_ca_cert_dir.length == 0:
        return True
    if not _text_of(&config.tls_ca_cert_file, path) or not _text_of(&config.tls_ca_cert_dir, directory):
        return _refuse(error_out, b"Failed to configure CA certificate(s) file/directory: ", b"a path is too long", False)
    if SSL_CTX_load_verify_locations(context, path if path[0] else NULL, directory if directory[0] else NULL) != 1:
        return _refuse(error_out, b"Failed to configure CA certificate(s) file/directory", b"", True)
    return True


cdef bint _set_ciphers(SSL_CTX* context, Config* config, Buffer* error_out) noexcept nogil:
    cdef char[PATH_BYTES] text
    if config.tls_ciphers.length and (not _text_of(&config.tls_ciphers, text) or SSL_CTX_set_cipher_list(context, text) != 1):
        return _refuse(error_out, b"Failed to configure ciphers", b"", True)
    if config.tls_ciphersuites.length and (not _text_of(&config.tls_ciphersuites, text) or
                                           SSL_CTX_set_ciphersuites(context, text) != 1):
        return _refuse(error_out, b"Failed to configure ciphersuites", b"", True)
    return True


cdef void _set_protocols(SSL_CTX* context, int protocols) noexcept nogil:
    # Those of the system's openssl.cnf do not count: what is asked for here is meant.
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_VERSION, NULL)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, 0, NULL)
    SSL_CTX_clear_options(context, SSL_OP_NO_TLSV1 | SSL_OP_NO_TLSV1_1 | SSL_OP_NO_TLSV1_2 | SSL_OP_NO_TLSV1_3)
    if not protocols & PROTOCOL_1_0:
        SSL_CTX_set_options(context, SSL_OP_NO_TLSV1)
    if not protocols & PROTOCOL_1_1:
        SSL_CTX_set_options(context, SSL_OP_NO_TLSV1_1)
    if not protocols & PROTOCOL_1_2:
        SSL_CTX_set_options(context, SSL_OP_NO_TLSV1_2)
    if not protocols & PROTOCOL_1_3:
        SSL_CTX_set_options(context, SSL_OP_NO_TLSV1_3)


cdef void _set_sessions(SSL_CTX* context, const Config* config) noexcept nogil:
    cdef unsigned char* owner = <unsigned char*>b"hutch"
    if config.tls_session_caching:
        SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_SERVER, NULL)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_SIZE, <long>config.tls_session_cache_size, NULL)
        SSL_CTX_set_timeout(context, <long>config.tls_session_cache_timeout_s)
        SSL_CTX_set_session_id_context(context, owner, 5)
    else:
        SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL)


cdef bint _fill(SSL_CTX* context, Config* config, int protocols, Buffer* error_out) noexcept nogil:
    _set_protocols(context, protocols)
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION)
    if config.tls_prefer_server_ciphers:
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE)
    SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS,
                 NULL)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, NULL)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_DH_AUTO, 1, NULL)
    _set_sessions(context, config)
    return _set_files(context, config, error_out) and _set_ciphers(context, config, error_out)


cdef void tls_provide(const TlsProvider* provider, bint always) noexcept nogil:
    global _provider, _always_provided
    _provider = provider
    _always_provided = always


cdef bint _make_openssl(Context* made, Config* config, Buffer* error_out) noexcept nogil:
    cdef int protocols = _protocols(&config.tls_protocols)
    if protocols == 0:
        return _refuse(error_out, b"Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.", b"",
                       False)
    ERR_clear_error()                # whatever this thread's Python has left there
    made.openssl = SSL_CTX_new(TLS_server_method()) if _has_bio_method() else NULL
    if made.openssl != NULL and _fill(made.openssl, config, protocols, error_out):
        ERR_clear_error()
        return True
    if error_out.length == 0:
        _refuse(error_out, b"Failed to make a TLS context", b"", True)
    ERR_clear_error()
    return False


cdef bint _make_provided(Context* made, Config* config, Buffer* error_out) noexcept nogil:
    cdef char[REASON_BYTES] reason
    reason[0] = 0
    made.provided = _provider.context_new(config, reason, sizeof(reason))
    if made.provided == NULL:
        _refuse(error_out, reason, b"", False)
    return made.provided != NULL


cdef void* tls_context_new(Engine* engine, Buffer* error_out) noexcept nogil:
    cdef Config* config = &engine.config
    cdef Context* context
    cdef char[REASON_BYTES] reason
    cdef bint provided = _provider != NULL and _always_provided
    cdef bint good
    if not provided and not openssl_load(engine.net.ssl_path, reason, sizeof(reason)):
        if _provider == NULL or engine.net.ssl_path == NULL:
            _refuse(error_out, b"TLS is not to be had: ", reason, False)
            return NULL
        provided = True
    if config.tls_cert_file.length == 0:
        _refuse(error_out, b"No tls-cert-file configured!", b"", False)
        return NULL
    if config.tls_key_file.length == 0:
        _refuse(error_out, b"No tls-key-file configured!", b"", False)
        return NULL
    if config.tls_auth_clients != TLS_CLIENTS_NO and config.tls_ca_cert_file.length == 0 and config.tls_ca_cert_dir.length == 0:
        _refuse(error_out, b"Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or "
                b"tls-auth-clients are enabled!", b"", False)
        return NULL
    context = <Context*>calloc(1, sizeof(Context))
    if context == NULL:
        _refuse(error_out, b"out of memory", b"", False)
    else:
        good = _make_provided(context, config, error_out) if provided else _make_openssl(context, config, error_out)
        if not good:
            tls_context_free(context)
            context = NULL
    return context


cdef void tls_context_free(void* given) noexcept nogil:
    cdef Context* context = <Context*>given
    if context == NULL:
        return
    if context.openssl != NULL:
        SSL_CTX_free(context.openssl)
    if context.provided != NULL:
        _provider.context_free(context.provided)
    free(context)


cdef void tls_context_use(Engine* engine, void* context) noexcept nogil:
    tls_context_free(engine.net.tls)
    engine.net.tls = context


# ---- one client's

cdef bint tls_open(Engine* engine, Wire* wire, int fd) noexcept nogil:
    cdef Context* context = <Context*>engine.net.tls
    cdef SSL* ssl
    cdef BIO* bio
    memset(wire, 0, sizeof(Wire))
    wire.transport = &_tls
    wire.fd = fd
    wire.greets_for = POLL_READ
    if context == NULL:
        return False
    if context.provided != NULL:
        return _provider.open(context.provided, wire, engine.config.tls_auth_clients)
    ssl = SSL_new(context.openssl)
    bio = BIO_new(_bio_method)
    if ssl == NULL or bio == NULL:
        if ssl != NULL:
            SSL_free(ssl)
        ERR_clear_error()
        return False
    BIO_set_data(bio, wire)
    BIO_set_init(bio, 1)
    SSL_set_bio(ssl, bio, bio)
    SSL_set_accept_state(ssl)
    SSL_set_verify(ssl, SSL_VERIFY_NONE if engine.config.tls_auth_clients == TLS_CLIENTS_NO else
                   SSL_VERIFY_PEER if engine.config.tls_auth_clients == TLS_CLIENTS_OPTIONAL else
                   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL)
    wire.state = ssl
    return True


cdef int _why(Wire* wire, int outcome) noexcept nogil:
    """What a call that did not go through waits for: SSL_ERROR_WANT_READ or _WRITE; 0: nothing, since it is over."""
    cdef int error = SSL_get_error(<SSL*>wire.state, outcome)
    if likely(error == SSL_ERROR_WANT_READ) or error == SSL_ERROR_WANT_WRITE:
        return error
    wire.over = True
    wire.end = 0 if error == SSL_ERROR_ZERO_RETURN else SOCKET_FAILED
    wire.problem = ERR_get_error()
    ERR_clear_error()
    return 0


cdef GreetOutcome _greet(Wire* wire) noexcept nogil:
    cdef int outcome = SSL_do_handshake(<SSL*>wire.state)
    cdef int why
    wire.changed = True
    if outcome == 1:
        wire.greets_for = 0
        # The first request may have come with the client's last words.
        wire.unread = SSL_has_pending(<SSL*>wire.state) != 0
        return GREETED
    why = _why(wire, outcome)
    wire.greets_for = POLL_WRITE if why == SSL_ERROR_WANT_WRITE else POLL_READ
    return GREET_WAIT if why else GREET_FAILED


cdef ssize_t _read(Wire* wire, char* data, size_t length) noexcept nogil:
    cdef SSL* ssl = <SSL*>wire.state
    cdef size_t total = 0
    cdef int got, why
    if unlikely(wire.over):
        return wire.end
    if unlikely(wire.read_waits_to_write):
        wire.read_waits_to_write = False
        wire.changed = True
    wire.unread = False
    while True:
        got = SSL_read(ssl, data + total, <int>(length - total if length - total < INT32_MAX else INT32_MAX))
        if likely(got > 0):
            total += <size_t>got
            if unlikely(total == length):
                if SSL_has_pending(ssl):
                    wire.unread = True
                    wire.changed = True
                return <ssize_t>total
            # What lies in OpenSSL's buffer is taken now. Only for a big argument the socket is asked again.
            if length <= RECORD_BYTES and likely(not SSL_has_pending(ssl)):
                return <ssize_t>total
            continue
        why = _why(wire, got)
        if unlikely(why == SSL_ERROR_WANT_WRITE):
            wire.read_waits_to_write = True
            wire.changed = True
        if unlikely(why == 0 and total != 0):
            wire.unread = True           # that it is over: no poller may tell of it
            wire.changed = True
        if total:
            return <ssize_t>total
        return SOCKET_WAIT if why else wire.end


cdef ssize_t _write(Wire* wire, const char* data, size_t length) noexcept nogil:
    cdef SSL* ssl = <SSL*>wire.state
    cdef size_t total = 0
    cdef int put, why
    if unlikely(wire.over):
        return SOCKET_FAILED
    if unlikely(wire.write_waits_to_read):
        wire.write_waits_to_read = False
        wire.changed = True
    while total < length and total < WRITE_AT_ONCE_BYTES:
        put = SSL_write(ssl, data + total, <int>(length - total if length - total < INT32_MAX else INT32_MAX))
        if likely(put > 0):
            total += <size_t>put
            continue
        why = _why(wire, put)
        if why == 0:
            return SOCKET_FAILED
        if unlikely(why == SSL_ERROR_WANT_READ):
            wire.write_waits_to_read = True
            wire.changed = True
        break
    return <ssize_t>total if total else SOCKET_WAIT


cdef void _shut(Wire* wire) noexcept nogil:
    # After an error OpenSSL is not to be asked for anything.
    if wire.state != NULL and wire.greets_for == 0 and (not wire.over or wire.end == 0):
        if SSL_shutdown(<SSL*>wire.state) < 0:
            ERR_clear_error()


cdef void _free(Wire* wire) noexcept nogil:
    if wire.state != NULL:
        SSL_free(<SSL*>wire.state)
        wire.state = NULL


cdef bint tls_common_name(const Wire* wire, Buffer* name_out) noexcept nogil:
    cdef X509* certificate
    cdef X509_NAME* subject
    cdef ASN1_STRING* found
    cdef unsigned char* text = NULL
    cdef int at, length, i
    cdef bint good = False
    if wire.transport != &_tls:
        return _provider.common_name(wire, name_out)
    certificate = SSL_get1_peer_certificate(<SSL*>wire.state)
    if certificate == NULL:
        return False
    subject = X509_get_subject_name(certificate)
    at = X509_NAME_get_index_by_NID(subject, NID_COMMON_NAME, -1)
    if at >= 0:
        found = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))
        length = ASN1_STRING_to_UTF8(&text, found)
        good = length > 0
        for i in range(length):
            if text[i] == 0:
                good = False         # "admin\0.example.com" shall not be admin
        if good:
            buffer_append(name_out, <const char*>text, <size_t>length)
        if text != NULL:
            CRYPTO_free(text, b"", 0)
    X509_free(certificate)
    ERR_clear_error()
    return good


cdef void tls_problem(const Wire* wire, char* text_out, size_t size) noexcept nogil:
    if wire.transport != &_tls:
        _provider.problem(wire, text_out, size)
    elif wire.problem:
        ERR_error_string_n(wire.problem, text_out, size)
    else:
        snprintf(text_out, size, b"the client went away")


_tls.greet = _greet
_tls.read = _read
_tls.write = _write
_tls.shut = _shut
_tls.free = _free
