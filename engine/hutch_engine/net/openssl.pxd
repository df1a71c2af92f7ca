"""OpenSSL's C API, as function pointers found at run time in the libraries that Python's own `ssl` is linked with.

Nothing is linked and no header of OpenSSL is needed: `openssl_load` opens Python's module `_ssl` with dlopen, and dlsym then finds
each name below in that module's libssl and libcrypto, whatever other copies a program may have. 1.1.1 or later; what differs
between 1.1.1 and 3 is not used. Where `_ssl` is part of Python itself and its OpenSSL exports nothing, everything but TLS works.

Errors: OpenSSL keeps a queue of them for each thread, and SSL_get_error looks into it. Whoever sees a call fail empties the queue
(`openssl_reason`, ERR_clear_error), so that it is empty before each call.
"""
from libc.stddef cimport size_t

cdef extern from * nogil:
    """
    #ifndef HUTCH_OPENSSL
    #define HUTCH_OPENSSL
    typedef struct hutch_ssl SSL;
    typedef struct hutch_ssl_ctx SSL_CTX;
    typedef struct hutch_ssl_method SSL_METHOD;
    typedef struct hutch_bio BIO;
    typedef struct hutch_bio_method BIO_METHOD;
    typedef struct hutch_x509 X509;
    typedef struct hutch_x509_name X509_NAME;
    typedef struct hutch_x509_entry X509_NAME_ENTRY;
    typedef struct hutch_asn1_string ASN1_STRING;
    typedef int (*hutch_password_callback)(char *, int, int, void *);
    typedef int (*hutch_bio_write)(BIO *, const char *, int);
    typedef int (*hutch_bio_read)(BIO *, char *, int);
    typedef long (*hutch_bio_ctrl)(BIO *, int, long, void *);
    #endif
    """
    ctypedef struct SSL:
        pass
    ctypedef struct SSL_CTX:
        pass
    ctypedef struct SSL_METHOD:
        pass
    ctypedef struct BIO:
        pass
    ctypedef struct BIO_METHOD:
        pass
    ctypedef struct X509:
        pass
    ctypedef struct X509_NAME:
        pass
    ctypedef struct X509_NAME_ENTRY:
        pass
    ctypedef struct ASN1_STRING:
        pass
    ctypedef int (*PasswordCallback "hutch_password_callback")(char* text, int size, int writing, void* context) noexcept nogil
    ctypedef int (*BioWrite "hutch_bio_write")(BIO* bio, const char* data, int length) noexcept nogil
    ctypedef int (*BioRead "hutch_bio_read")(BIO* bio, char* data, int length) noexcept nogil
    ctypedef long (*BioCtrl "hutch_bio_ctrl")(BIO* bio, int what, long number, void* argument) noexcept nogil

cdef enum:                              # SSL_get_error
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_ZERO_RETURN = 6

cdef enum:                              # SSL_CTX_ctrl
    SSL_CTRL_MODE = 33
    SSL_CTRL_SET_READ_AHEAD = 41
    SSL_CTRL_SET_SESS_CACHE_SIZE = 42
    SSL_CTRL_SET_SESS_CACHE_MODE = 44
    SSL_CTRL_SET_DH_AUTO = 118
    SSL_CTRL_SET_MIN_PROTO_VERSION = 123
    SSL_CTRL_SET_MAX_PROTO_VERSION = 124

cdef enum:
    SSL_MODE_ENABLE_PARTIAL_WRITE = 1
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 2
    SSL_MODE_RELEASE_BUFFERS = 16
    SSL_SESS_CACHE_OFF = 0
    SSL_SESS_CACHE_SERVER = 2
    SSL_VERIFY_NONE = 0
    SSL_VERIFY_PEER = 1
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2
    SSL_FILETYPE_PEM = 1
    SSL_OP_CIPHER_SERVER_PREFERENCE = 1 << 22
    SSL_OP_NO_COMPRESSION = 1 << 17
    SSL_OP_NO_RENEGOTIATION = 1 << 30
    SSL_OP_NO_TLSV1 = 1 << 26
    SSL_OP_NO_TLSV1_1 = 1 << 28
    SSL_OP_NO_TLSV1_2 = 1 << 27
    SSL_OP_NO_TLSV1_3 = 1 << 29
    TLS1_VERSION = 0x0301
    TLS1_2_VERSION = 0x0303
    BIO_FLAGS_READ = 1
    BIO_FLAGS_WRITE = 2
    BIO_FLAGS_RETRY = 8
    BIO_CTRL_FLUSH = 11
    BIO_TYPE_SOURCE = 0x0400
    NID_COMMON_NAME = 13

cdef const SSL_METHOD* (*TLS_server_method)() noexcept nogil
cdef SSL_CTX* (*SSL_CTX_new)(const SSL_METHOD* method) noexcept nogil
cdef void (*SSL_CTX_free)(SSL_CTX* context) noexcept nogil
cdef long (*SSL_CTX_ctrl)(SSL_CTX* context, int what, long number, void* argument) noexcept nogil
cdef unsigned long (*SSL_CTX_set_options)(SSL_CTX* context, unsigned long options) noexcept nogil
cdef unsigned long (*SSL_CTX_clear_options)(SSL_CTX* context, unsigned long options) noexcept nogil
cdef long (*SSL_CTX_set_timeout)(SSL_CTX* context, long seconds) noexcept nogil
cdef int (*SSL_CTX_set_session_id_context)(SSL_CTX* context, const unsigned char* text, unsigned int length) noexcept nogil
cdef void (*SSL_CTX_set_verify)(SSL_CTX* context, int mode, void* callback) noexcept nogil
cdef void (*SSL_CTX_set_default_passwd_cb)(SSL_CTX* context, PasswordCallback callback) noexcept nogil
cdef void (*SSL_CTX_set_default_passwd_cb_userdata)(SSL_CTX* context, void* userdata) noexcept nogil
cdef int (*SSL_CTX_use_certificate_chain_file)(SSL_CTX* context, const char* path) noexcept nogil
cdef int (*SSL_CTX_use_PrivateKey_file)(SSL_CTX* context, const char* path, int kind) noexcept nogil
cdef int (*SSL_CTX_check_private_key)(const SSL_CTX* context) noexcept nogil
cdef int (*SSL_CTX_load_verify_locations)(SSL_CTX* context, const char* file, const char* directory) noexcept nogil
cdef int (*SSL_CTX_set_cipher_list)(SSL_CTX* context, const char* text) noexcept nogil
cdef int (*SSL_CTX_set_ciphersuites)(SSL_CTX* context, const char* text) noexcept nogil
cdef SSL* (*SSL_new)(SSL_CTX* context) noexcept nogil
cdef void (*SSL_free)(SSL* ssl) noexcept nogil
cdef void (*SSL_set_bio)(SSL* ssl, BIO* reads, BIO* writes) noexcept nogil
cdef void (*SSL_set_accept_state)(SSL* ssl) noexcept nogil
cdef void (*SSL_set_verify)(SSL* ssl, int mode, void* callback) noexcept nogil
cdef int (*SSL_do_handshake)(SSL* ssl) noexcept nogil
cdef int (*SSL_read)(SSL* ssl, void* data, int length) noexcept nogil
cdef int (*SSL_write)(SSL* ssl, const void* data, int length) noexcept nogil
cdef int (*SSL_shutdown)(SSL* ssl) noexcept nogil
cdef int (*SSL_get_error)(const SSL* ssl, int outcome) noexcept nogil
cdef int (*SSL_has_pending)(const SSL* ssl) noexcept nogil
cdef X509* (*SSL_get1_peer_certificate)(const SSL* ssl) noexcept nogil
"""SSL_get_peer_certificate before OpenSSL 3. The caller owns what it answers; NULL without a certificate."""
cdef BIO_METHOD* (*BIO_meth_new)(int kind, const char* name) noexcept nogil
cdef int (*BIO_meth_set_write)(BIO_METHOD* method, BioWrite function) noexcept nogil
cdef int (*BIO_meth_set_read)(BIO_METHOD* method, BioRead function) noexcept nogil
cdef int (*BIO_meth_set_ctrl)(BIO_METHOD* method, BioCtrl function) noexcept nogil
cdef BIO* (*BIO_new)(const BIO_METHOD* method) noexcept nogil
cdef void (*BIO_set_data)(BIO* bio, void* data) noexcept nogil
cdef void* (*BIO_get_data)(BIO* bio) noexcept nogil
cdef void (*BIO_set_init)(BIO* bio, int init) noexcept nogil
cdef void (*BIO_set_flags)(BIO* bio, int flags) noexcept nogil
cdef void (*BIO_clear_flags)(BIO* bio, int flags) noexcept nogil
cdef int (*BIO_get_new_index)() noexcept nogil
cdef unsigned long (*ERR_get_error)() noexcept nogil
cdef void (*ERR_error_string_n)(unsigned long error, char* text, size_t size) noexcept nogil
cdef void (*ERR_clear_error)() noexcept nogil
cdef void (*X509_free)(X509* certificate) noexcept nogil
cdef X509_NAME* (*X509_get_subject_name)(const X509* certificate) noexcept nogil
cdef int (*X509_NAME_get_index_by_NID)(X509_NAME* name, int nid, int after) noexcept nogil
cdef X509_NAME_ENTRY* (*X509_NAME_get_entry)(const X509_NAME* name, int at) noexcept nogil
cdef ASN1_STRING* (*X509_NAME_ENTRY_get_data)(const X509_NAME_ENTRY* entry) noexcept nogil
cdef int (*ASN1_STRING_to_UTF8)(unsigned char** text_out, const ASN1_STRING* text) noexcept nogil
cdef void (*CRYPTO_free)(void* block, const char* file, int line) noexcept nogil

cdef bint openssl_load(const char* path, char* error_out, size_t error_size) noexcept nogil
"""Find all of the above in the module at `path`, "" for the program itself, once for the process; from any thread. False with the reason
in error_out when something is missing; then none of them may be called."""
cdef void openssl_reason(char* text_out, size_t size) noexcept nogil
"""Write why the last call failed, as OpenSSL puts it, and forget all errors of this thread. Requires openssl_load."""
