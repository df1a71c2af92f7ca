"""See secrets.pxd. Which commands have them is said by their declarations, which parameters by the table of parameters."""
from libc.stddef cimport size_t
from hutch_engine.base.slice cimport Slice, slice_is, slice_of_text
from hutch_engine.commands.command cimport CMD_SECRET, CMD_SECRET_AUTH, CMD_SECRET_PARAMETERS, Command
from hutch_engine.state.config cimport PARAMETER_SENSITIVE, Parameter
from hutch_engine.state.config_table cimport config_find


cdef bint _is_sensitive(Slice name) noexcept nogil:
    cdef const Parameter* parameter = config_find(name)
    return parameter != NULL and parameter.flags & PARAMETER_SENSITIVE


cdef bint secrets_include(const Command* command, const Slice* argv, size_t argc, size_t index) noexcept nogil:
    cdef size_t first = 2 if command.parent != NULL else 1       # behind the command's name
    if command.flags & CMD_SECRET:
        return index >= first
    if command.flags & CMD_SECRET_AUTH:
        # Behind each such word, also one that may be a client's name: rather too much than a password.
        return (index > 2 and slice_is(argv[index - 1], b"auth")) or (index > 3 and slice_is(argv[index - 2], b"auth"))
    if command.flags & CMD_SECRET_PARAMETERS:
        return index > first and (index - first) & 1 and _is_sensitive(argv[index - 1])
    return False


cdef Slice secrets_shown(const Command* command, const Slice* argv, size_t argc, size_t index) noexcept nogil:
    return slice_of_text(b"(redacted)") if secrets_include(command, argv, argc, index) else argv[index]
