"""See process_title.pxd."""
from libc.stddef cimport size_t
from hutch_engine.base.buffer cimport (
    Buffer, buffer_append, buffer_append_integer, buffer_append_slice, buffer_append_text, buffer_clear, buffer_init, buffer_slice)
from hutch_engine.base.slice cimport Slice, slice_is, slice_of, slice_of_text
from hutch_engine.state.config cimport Config, Parameter, config_text
from hutch_engine.state.config_table cimport config_find
from hutch_engine.state.engine cimport Engine

cdef extern from * nogil:
    """
    #include <stdio.h>
    #include <string.h>
    /* Linux shows as command line the bytes between two addresses, which lie on the stack, where the program's arguments came. They
       are fields 48 and 49 of /proc/self/stat; what we write there, it shows. */
    static char *hutch_arguments(size_t *bytes) {
        static char *found;
        static size_t length;
        static int looked;
        char text[2048], *at;
        unsigned long start = 0, end = 0;
        int field;
        FILE *file;
        if (!looked) {
            looked = 1;
            file = fopen("/proc/self/stat", "re");
            if (file) {
                size_t got = fread(text, 1, sizeof text - 1, file);
                fclose(file);
                text[got] = 0;
                at = strrchr(text, ')');             /* the program's name may have spaces */
                for (field = 2; at && field < 48; field++)
                    at = strchr(at + 1, ' ');
                if (at && sscanf(at, " %lu %lu", &start, &end) == 2 && start && end > start) {
                    found = (char *)start;
                    length = end - start;
                }
            }
        }
        *bytes = length;
        return found;
    }
    static void hutch_set_title(const char *title, size_t length) {
        size_t room;
        char *place = hutch_arguments(&room);
        if (!place)
            return;
        if (length > room - 1)
            length = room - 1;
        memset(place, 0, room);
        memcpy(place, title, length);
    }
    """
    void hutch_set_title(const char* title, size_t length)

cdef const char* PROGRAM = b"hutch-server"


cdef void _put_parameter(const Config* config, const char* name, Buffer* out) noexcept nogil:
    """Its value, or 0 for one that is not in this build (tls-port)."""
    cdef const Parameter* parameter = config_find(slice_of_text(name))
    if parameter == NULL:
        buffer_append_text(out, b"0")
    else:
        config_text(config, parameter, out)


cdef void _put_port(const Engine* engine, Buffer* out) noexcept nogil:
    if engine.net.tcp_port:          # of the listener's own choice, say
        buffer_append_integer(out, engine.net.tcp_port)
    elif engine.config.port:
        buffer_append_integer(out, engine.config.port)
    else:
        _put_parameter(&engine.config, b"tls-port", out)


cdef void _put_address(const Engine* engine, Buffer* out) noexcept nogil:
    cdef Slice addresses = buffer_slice(&engine.config.bind)
    cdef size_t length = 0
    cdef Buffer port
    buffer_init(&port, NULL)
    _put_port(engine, &port)
    if slice_is(buffer_slice(&port), b"0"):
        buffer_append_text(out, b"unixsocket:")
        buffer_append_slice(out, buffer_slice(&engine.config.unixsocket))
    else:
        while length < addresses.length and addresses.data[length] != c' ':
            length += 1
        if length:
            buffer_append(out, addresses.data, length)
        else:
            buffer_append_text(out, b"*")
        buffer_append_text(out, b":")
        buffer_append_slice(out, buffer_slice(&port))
    buffer_clear(&port)


cdef void _put_variable(const Engine* engine, Slice name, Buffer* out) noexcept nogil:
    """Of those that config takes in a template; {server-mode} has nothing to say of a server that stands alone."""
    if slice_is(name, b"title"):
        buffer_append_text(out, PROGRAM)
    elif slice_is(name, b"listen-addr"):
        _put_address(engine, out)
    elif slice_is(name, b"port"):
        buffer_append_integer(out, engine.net.tcp_port if engine.net.tcp_port else engine.config.port)
    elif slice_is(name, b"tls-port"):
        _put_parameter(&engine.config, b"tls-port", out)
    elif slice_is(name, b"unixsocket"):
        buffer_append_slice(out, buffer_slice(&engine.config.unixsocket))
    elif slice_is(name, b"config-file"):
        buffer_append_slice(out, buffer_slice(&engine.config.config_file))
        if engine.config.config_file.length == 0:
            buffer_append_text(out, b"-")


cdef void process_title_write(const Engine* engine, Buffer* out) noexcept nogil:
    cdef Slice template = buffer_slice(&engine.config.proc_title_template)
    cdef size_t begun = out.length
    cdef size_t i = 0, end
    while i < template.length:
        end = i
        if template.data[i] == c'{':
            while end < template.length and template.data[end] != c'}':
                end += 1
            _put_variable(engine, slice_of(template.data + i + 1, end - i - 1), out)
        elif template.data[i] != c' ' or out.length > begun:     # no blanks at the beginning
            buffer_append(out, template.data + i, 1)
        i = end + 1
    while out.length > begun and out.data[out.length - 1] == c' ':
        out.length -= 1


cdef void process_title_set(const Engine* engine) noexcept nogil:
    cdef Buffer title
    if not engine.logs_to_output or not engine.config.set_proc_title:
        return
    buffer_init(&title, NULL)
    process_title_write(engine, &title)
    if not title.failed:
        hutch_set_title(title.data, title.length)
    buffer_clear(&title)
