"""See openssl.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf
from hutch_engine.base.atomics cimport atomic_load32, atomic_store32

cdef extern from "<dlfcn.h>" nogil:
    void* dlopen(const char* path, int flags) noexcept
    void* dlsym(void* library, const char* name) noexcept
    char* dlerror() noexcept
    int dlclose(void* library) noexcept
    const int RTLD_NOW
    const int RTLD_LOCAL

cdef enum:
    OLDEST_VERSION = 0x10101000      # 1.1.1

cdef uint32_t loaded = 0
cdef unsigned long (*OpenSSL_version_num)() noexcept nogil


cdef bint _find(void* library, const char* name, void** slot, const char** missing) noexcept nogil:
    cdef void* address = dlsym(library, name)
    missing[0] = name
    if address == NULL:
        return False
    slot[0] = address
    return True


cdef bint _without(void* library, const char* name, char* error_out, size_t error_size) noexcept nogil:
    snprintf(error_out, error_size, b"Python's OpenSSL cannot be reached: it does not export %s", name)
    dlclose(library)
    return False


cdef bint openssl_load(const char* path, char* error_out, size_t error_size) noexcept nogil:
    cdef void* library
    cdef const char* missing = NULL
    if atomic_load32(&loaded):
        return True
    if path == NULL:
        snprintf(error_out, error_size, b"this Python has no ssl module")
        return False
    # Threads that race open the same file and write the same addresses.
    library = dlopen(path if path[0] else NULL, RTLD_NOW | RTLD_LOCAL)
    if library == NULL:
        snprintf(error_out, error_size, b"Python's OpenSSL cannot be reached: %s", dlerror())
        return False
    if not _find(library, b"OpenSSL_version_num", <void**>&OpenSSL_version_num, &missing):
        return _without(library, missing, error_out, error_size)
    if OpenSSL_version_num() < OLDEST_VERSION:
        snprintf(error_out, error_size, b"Python's OpenSSL is older than 1.1.1")
        dlclose(library)
        return False
    if not _find(library, b"TLS_server_method", <void**>&TLS_server_method, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_new", <void**>&SSL_CTX_new, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_free", <void**>&SSL_CTX_free, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_ctrl", <void**>&SSL_CTX_ctrl, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_options", <void**>&SSL_CTX_set_options, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_clear_options", <void**>&SSL_CTX_clear_options, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_timeout", <void**>&SSL_CTX_set_timeout, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_session_id_context", <void**>&SSL_CTX_set_session_id_context, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_verify", <void**>&SSL_CTX_set_verify, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_default_passwd_cb", <void**>&SSL_CTX_set_default_passwd_cb, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_default_passwd_cb_userdata", <void**>&SSL_CTX_set_default_passwd_cb_userdata, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_use_certificate_chain_file", <void**>&SSL_CTX_use_certificate_chain_file, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_use_PrivateKey_file", <void**>&SSL_CTX_use_PrivateKey_file, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_check_private_key", <void**>&SSL_CTX_check_private_key, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_load_verify_locations", <void**>&SSL_CTX_load_verify_locations, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_cipher_list", <void**>&SSL_CTX_set_cipher_list, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_CTX_set_ciphersuites", <void**>&SSL_CTX_set_ciphersuites, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_new", <void**>&SSL_new, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_free", <void**>&SSL_free, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_set_bio", <void**>&SSL_set_bio, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_set_accept_state", <void**>&SSL_set_accept_state, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_set_verify", <void**>&SSL_set_verify, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_do_handshake", <void**>&SSL_do_handshake, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_read", <void**>&SSL_read, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_write", <void**>&SSL_write, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_shutdown", <void**>&SSL_shutdown, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_get_error", <void**>&SSL_get_error, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_has_pending", <void**>&SSL_has_pending, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"SSL_get1_peer_certificate", <void**>&SSL_get1_peer_certificate, &missing) and not _find(library, b"SSL_get_peer_certificate", <void**>&SSL_get1_peer_certificate, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_meth_new", <void**>&BIO_meth_new, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_meth_set_write", <void**>&BIO_meth_set_write, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_meth_set_read", <void**>&BIO_meth_set_read, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_meth_set_ctrl", <void**>&BIO_meth_set_ctrl, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_new", <void**>&BIO_new, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_set_data", <void**>&BIO_set_data, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_get_data", <void**>&BIO_get_data, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_set_init", <void**>&BIO_set_init, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_set_flags", <void**>&BIO_set_flags, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_clear_flags", <void**>&BIO_clear_flags, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"BIO_get_new_index", <void**>&BIO_get_new_index, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"ERR_get_error", <void**>&ERR_get_error, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"ERR_error_string_n", <void**>&ERR_error_string_n, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"ERR_clear_error", <void**>&ERR_clear_error, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"X509_free", <void**>&X509_free, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"X509_get_subject_name", <void**>&X509_get_subject_name, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"X509_NAME_get_index_by_NID", <void**>&X509_NAME_get_index_by_NID, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"X509_NAME_get_entry", <void**>&X509_NAME_get_entry, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"X509_NAME_ENTRY_get_data", <void**>&X509_NAME_ENTRY_get_data, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"ASN1_STRING_to_UTF8", <void**>&ASN1_STRING_to_UTF8, &missing):
        return _without(library, missing, error_out, error_size)
    if not _find(library, b"CRYPTO_free", <void**>&CRYPTO_free, &missing):
        return _without(library, missing, error_out, error_size)
    # The libraries stay open for ever: engines come and go, and may do so on any thread.
    atomic_store32(&loaded, 1)
    return True


cdef void openssl_reason(char* text_out, size_t size) noexcept nogil:
    cdef unsigned long error = ERR_get_error()
    if error:
        ERR_error_string_n(error, text_out, size)
    else:
        snprintf(text_out, size, b"no reason given")
    ERR_clear_error()
