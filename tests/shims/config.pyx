"""The parameter table, for tests: values as text in and out."""
from libc.stdint cimport uint64_t
from hutch_engine.base.buffer cimport Buffer, buffer_clear, buffer_init
from hutch_engine.base.quote cimport quote_append
from hutch_engine.base.slice cimport Slice, slice_of
from hutch_engine.state.config cimport (CONFIG_AT_START, PARAMETER_DEFAULT_ONLY, PARAMETER_HIDDEN, PARAMETER_IMMUTABLE,
    PARAMETER_PROTECTED, PARAMETER_SENSITIVE, Config, Parameter, config_clear, config_init, config_set,
    config_set_named, config_text)
from hutch_engine.state.config_lines cimport config_parse_line, config_split_words
from hutch_engine.state.config_table cimport config_count, config_find, config_is_idle, config_parameter


cdef bytes _taken(Buffer* buffer):
    cdef bytes text = buffer.data[:buffer.length] if buffer.length else b""
    buffer_clear(buffer)
    return text


cdef Slice _slice(bytes text):
    return slice_of(text, len(text))


class Refused(Exception):
    pass


cdef class Parameters:
    cdef Config config

    def __cinit__(self):
        config_init(&self.config)

    def __dealloc__(self):
        config_clear(&self.config)

    def names(self):
        cdef const Parameter* parameter
        for i in range(config_count()):
            parameter = config_parameter(i)
            yield parameter.name.decode()
            if parameter.alias != NULL:
                yield parameter.alias.decode()

    def get(self, name):
        cdef Buffer out
        cdef bytes word = name.encode()
        cdef const Parameter* parameter = config_find(_slice(word))
        if parameter == NULL:
            raise KeyError(name)
        buffer_init(&out, NULL)
        config_text(&self.config, parameter, &out)
        return _taken(&out).decode()

    def set(self, name, value, flags=0):
        """The CHANGED_ bits."""
        cdef Buffer error
        cdef uint64_t changed = 0
        cdef bytes word = name.encode()
        cdef bytes text = value.encode()
        buffer_init(&error, NULL)
        if not config_set_named(&self.config, _slice(word), _slice(text), flags, &changed, &error):
            raise Refused(_taken(&error).decode())
        return changed

    def line(self, bytes line):
        cdef Buffer error
        cdef uint64_t changed = 0
        buffer_init(&error, NULL)
        if not config_parse_line(&self.config, _slice(line), &changed, &error):
            raise Refused(_taken(&error).decode())


cdef list _kinds = ["yes-no", "integer", "memory", "memory-or-percent", "octal", "choice", "choices", "text", "addresses", "directory",
                    "file-name", "percentiles", "host-name", "title", "save", "locale", "node-name", "master", "output-limits", "events",
                    "oom-values"]


def rows():
    """What the table says of each parameter, as dicts."""
    cdef const Parameter* parameter
    for i in range(config_count()):
        parameter = config_parameter(i)
        yield {
            "name": parameter.name.decode(), "alias": parameter.alias.decode() if parameter.alias != NULL else "",
            "kind": _kinds[parameter.kind], "low": parameter.low, "high": parameter.high,
            "choices": parameter.choices.decode().split(",") if parameter.choices != NULL else [],
            "why": parameter.why.decode() if parameter.why != NULL else "",
            "immutable": parameter.flags & PARAMETER_IMMUTABLE != 0, "sensitive": parameter.flags & PARAMETER_SENSITIVE != 0,
            "protected": parameter.flags & PARAMETER_PROTECTED != 0, "hidden": parameter.flags & PARAMETER_HIDDEN != 0,
            "default_only": parameter.flags & PARAMETER_DEFAULT_ONLY != 0,
            "idle": config_is_idle(parameter), "spare": parameter.offset >= offset_of_spares(),
        }


cdef size_t offset_of_spares():
    cdef Config config
    return <size_t>(<char*>&config.spare_numbers - <char*>&config)


def split(bytes line):
    cdef Buffer storage
    cdef Slice[16] words
    cdef size_t count
    buffer_init(&storage, NULL)
    found = None
    if config_split_words(_slice(line), &storage, words, 16, &count):
        found = [words[i].data[:words[i].length] for i in range(count)]
    buffer_clear(&storage)
    return found


def quote(bytes text):
    cdef Buffer out
    buffer_init(&out, NULL)
    quote_append(&out, _slice(text))
    return _taken(&out)
