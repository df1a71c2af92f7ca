"""See config.pxd: reading and spelling values."""
from libc.errno cimport errno
from libc.stdio cimport snprintf
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strchr, strcmp, strerror, strlen
from posix.stat cimport S_ISDIR, stat, struct_stat
from posix.unistd cimport getcwd
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_slice,
                                       buffer_append_text, buffer_clear, buffer_init, buffer_insert, buffer_reserve,
                                       buffer_slice)
from hutch_engine.base.numbers cimport parse_double, parse_integer
from hutch_engine.commands.command_names cimport command_names_clear, command_names_init
from hutch_engine.base.slice cimport Slice, ascii_lower, slice_equals, slice_is, slice_of, slice_of_text
from hutch_engine.keyspace.keyspace cimport (EVENT_EVICTED, EVENT_EXPIRED, EVENT_GENERIC, EVENT_HASH, EVENT_KEY_MISS,
                                             EVENT_KEYEVENT, EVENT_KEYSPACE, EVENT_LIST, EVENT_MODULE, EVENT_NEW,
                                             EVENT_OVERWRITTEN, EVENT_SET, EVENT_STREAM, EVENT_STRING,
                                             EVENT_TYPE_CHANGED, EVENT_ZSET)
from hutch_engine.state.config_table cimport (
    KIND_YES_NO, KIND_INTEGER, KIND_MEMORY_OR_PERCENT, KIND_OCTAL, KIND_CHOICE, KIND_CHOICES, KIND_TEXT, KIND_ADDRESSES,
    KIND_DIRECTORY, KIND_FILE_NAME, KIND_PERCENTILES, KIND_HOST_NAME, KIND_TITLE, KIND_SAVE, KIND_LOCALE, KIND_MASTER,
    KIND_NODE_NAME, KIND_OUTPUT_LIMITS, KIND_EVENTS, KIND_OOM_VALUES, config_count, config_find, config_parameter)

cdef extern from "<stdlib.h>" nogil:
    char* realpath(const char* path, char* resolved)

cdef enum:
    PATH_BYTES = 4096
    MEMORY_DIGITS = 128          # as many and more are no size
    WORDS_AT_HAND = 32           # more words of a value than that take memory

cdef int64_t LONG_MAX = 9223372036854775807
cdef uint64_t UNSIGNED_MAX = 18446744073709551615


# ---- reading and spelling

cdef bint _refuse_choices(Buffer* error_out, const char* choices) noexcept nogil:
    cdef size_t i
    buffer_append_text(error_out, b"argument(s) must be one of the following: ")
    for i in range(strlen(choices)):
        buffer_append(error_out, choices + i, 1)
        if choices[i] == c',':
            buffer_append(error_out, b" ", 1)
    return False


cdef int _choice_index(const char* choices, Slice word) noexcept nogil:
    """Which of the names between the commas, or -1. Redis ignores their case."""
    cdef int index = 0
    cdef size_t start = 0, end
    cdef size_t length = strlen(choices)
    cdef size_t i
    cdef bint same
    while start <= length:
        end = start
        while end < length and choices[end] != c',':
            end += 1
        if end - start == word.length:
            same = True
            for i in range(word.length):
                if ascii_lower(word.data[i]) != ascii_lower(choices[start + i]):
                    same = False
                    break
            if same:
                return index
        index += 1
        start = end + 1
    return -1


cdef Slice _choice_name(const char* choices, int64_t index) noexcept nogil:
    cdef size_t start = 0, end = 0
    cdef size_t length = strlen(choices)
    while True:
        end = start
        while end < length and choices[end] != c',':
            end += 1
        if index == 0 or end >= length:
            return slice_of(choices + start, end - start)
        index -= 1
        start = end + 1


cdef bint _parse_bytes(Slice text, uint64_t* bytes_out) noexcept nogil:
    cdef size_t i = 0
    cdef uint64_t value = 0
    cdef uint64_t unit = 1
    cdef uint64_t digit
    cdef bint too_much = False
    cdef Slice letters
    while i < text.length and c'0' <= text.data[i] <= c'9':
        digit = <uint64_t>(text.data[i] - c'0')
        too_much = too_much or value > (UNSIGNED_MAX - digit) // 10
        value = value * 10 + digit
        i += 1
    letters = slice_of(text.data + i, text.length - i)
    if letters.length == 0 or slice_is(letters, b"b"):
        unit = 1
    elif slice_is(letters, b"k"):
        unit = 1000
    elif slice_is(letters, b"kb"):
        unit = 1024
    elif slice_is(letters, b"m"):
        unit = 1000 * 1000
    elif slice_is(letters, b"mb"):
        unit = 1024 * 1024
    elif slice_is(letters, b"g"):
        unit = 1000 * 1000 * 1000
    elif slice_is(letters, b"gb"):
        unit = 1024 * 1024 * 1024
    else:
        return False
    bytes_out[0] = (UNSIGNED_MAX if too_much else value) * unit
    return i < MEMORY_DIGITS


cdef bint config_parse_memory(Slice text, int64_t* bytes_out) noexcept nogil:
    return _parse_bytes(text, <uint64_t*>bytes_out)


cdef bint config_set(Config* config, const Parameter* parameter, Slice value, uint32_t flags, uint64_t* changed_out,
                     Buffer* error_out) noexcept nogil:
    cdef Slice[WORDS_AT_HAND] at_hand
    cdef Slice* words = at_hand
    cdef Buffer more
    cdef size_t count = 0, start = 0, i
    cdef bint good
    if not parameter.flags & PARAMETER_MULTI:
        return config_set_words(config, parameter, &value, 1, flags, changed_out, error_out)
    buffer_init(&more, NULL)
    if value.length:
        count = 1
        for i in range(value.length):
            count += value.data[i] == c' '
    if count > WORDS_AT_HAND:
        if not buffer_reserve(&more, count * sizeof(Slice)):
            return config_refuse(error_out, b"out of memory")
        words = <Slice*>more.data
    count = 0
    # Two spaces in a row have an empty word between them, which no parameter likes.
    for i in range(value.length + 1 if value.length else 0):
        if i == value.length or value.data[i] == c' ':
            words[count] = slice_of(value.data + start, i - start)
            count += 1
            start = i + 1
    good = config_set_words(config, parameter, words, count, flags, changed_out, error_out)
    buffer_clear(&more)
    return good


cdef inline bint _is_nothing(const Slice* words, size_t count) noexcept nogil:
    """`""` on a line of a file stands for no words at all."""
    return count == 0 or (count == 1 and words[0].length == 0)


cdef bint _in_range(const Parameter* parameter, int64_t value, Buffer* error_out) noexcept nogil:
    cdef char[80] text
    if value < 0 and parameter.flags & PARAMETER_UNSIGNED:
        return config_refuse(error_out, b"argument must be greater or equal to 0")
    if value < 0 and parameter.kind == KIND_MEMORY_OR_PERCENT:
        # Which an overflown size becomes, too.
        if value >= -100:
            return True
        return config_refuse(error_out, b"percentage argument must be less or equal to 100")
    if value < parameter.low or value > parameter.high:
        snprintf(text, sizeof(text), b"argument must be between %llo and %llo inclusive" if parameter.kind == KIND_OCTAL
                 else b"argument must be between %lld and %lld inclusive", <long long>parameter.low,
                 <long long>parameter.high)
        return config_refuse(error_out, text)
    return True


cdef bint _read_octal(Slice value, int64_t* number_out) noexcept nogil:
    """strtoll to the base of eight: spaces before it and signs are fine, and nothing at all is 0."""
    cdef size_t i = 0
    cdef bint negative
    cdef int64_t number = 0
    while i < value.length and (value.data[i] == c' ' or c'\t' <= value.data[i] <= c'\r'):
        i += 1
    negative = i < value.length and value.data[i] == c'-'
    if i < value.length and (negative or value.data[i] == c'+'):
        i += 1
        if i == value.length:
            return False
    elif i and i == value.length:
        return False
    while i < value.length and c'0' <= value.data[i] <= c'7':
        if number >= <int64_t>1 << 60:
            return False
        number = number * 8 + (value.data[i] - c'0')
        i += 1
    number_out[0] = -number if negative else number
    return i == value.length


cdef bint _read_choices(const Parameter* parameter, const Slice* words, size_t count, int64_t* number_out,
                        Buffer* error_out) noexcept nogil:
    cdef int64_t number = 0
    cdef size_t i
    cdef int index
    for i in range(count):
        index = _choice_index(parameter.choices, words[i])
        if index < 0:
            return _refuse_choices(error_out, parameter.choices)
        if index > 0:
            number |= <int64_t>1 << (index - 1)
    if count == 0:
        return _refuse_choices(error_out, parameter.choices)
    if number & ON_SIGNAL_SAVE and number & ON_SIGNAL_NOSAVE:
        return config_refuse(error_out, b"shutdown options SAVE and NOSAVE can't be used simultaneously")
    number_out[0] = number
    return True


cdef bint _read_number(const Parameter* parameter, Slice value, int64_t* number_out, Buffer* error_out) noexcept nogil:
    cdef int64_t number = 0
    cdef int index
    if parameter.kind == KIND_YES_NO:
        if slice_is(value, b"yes"):
            number_out[0] = 1
        elif slice_is(value, b"no"):
            number_out[0] = 0
        else:
            return config_refuse(error_out, b"argument must be 'yes' or 'no'")
        return True
    if parameter.kind == KIND_CHOICE:
        index = _choice_index(parameter.choices, value)
        if index < 0:
            return _refuse_choices(error_out, parameter.choices)
        number_out[0] = index
        return True
    if parameter.kind == KIND_INTEGER:
        if not parse_integer(value, &number):
            return config_refuse(error_out, b"argument couldn't be parsed into an integer")
    elif parameter.kind == KIND_OCTAL:
        if not _read_octal(value, &number):
            return config_refuse(error_out, b"argument couldn't be parsed as an octal number")
    elif not config_parse_memory(value, &number):
        if parameter.kind != KIND_MEMORY_OR_PERCENT:
            return config_refuse(error_out, b"argument must be a memory value")
        if value.length < 2 or value.data[value.length - 1] != c'%' or \
                not parse_integer(slice_of(value.data, value.length - 1), &number) or number < 0:
            return config_refuse(error_out, b"argument must be a memory or percent value")
        number = -number
    if not _in_range(parameter, number, error_out):
        return False
    number_out[0] = number
    return True


cdef bint _read_limits(Config* config, const Slice* words, size_t count, Buffer* error_out) noexcept nogil:
    cdef OutputLimit[3] limits
    cdef int64_t seconds
    cdef size_t i
    cdef int which
    if count % 4:
        return config_refuse(error_out, b"Wrong number of arguments in buffer limit configuration.")
    memcpy(limits, config.output_limits, sizeof(limits))
    for i in range(0, count, 4):
        if slice_is(words[i], b"normal"):
            which = 0
        elif slice_is(words[i], b"slave") or slice_is(words[i], b"replica"):
            which = 1
        elif slice_is(words[i], b"pubsub"):
            which = 2
        else:
            return config_refuse(error_out, b"Invalid client class specified in buffer limit configuration.")
        if not _parse_bytes(words[i + 1], &limits[which].hard_bytes) or \
                not _parse_bytes(words[i + 2], &limits[which].soft_bytes) or not _read_int(words[i + 3], &seconds) or \
                seconds < 0:
            return config_refuse(error_out, b"Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        limits[which].soft_seconds = seconds
    memcpy(config.output_limits, limits, sizeof(limits))
    return True


cdef int64_t _event_class(char letter) noexcept nogil:
    if letter == c'K':
        return EVENT_KEYSPACE
    if letter == c'E':
        return EVENT_KEYEVENT
    if letter == c'g':
        return EVENT_GENERIC
    if letter == c'$':
        return EVENT_STRING
    if letter == c'l':
        return EVENT_LIST
    if letter == c's':
        return EVENT_SET
    if letter == c'h':
        return EVENT_HASH
    if letter == c'z':
        return EVENT_ZSET
    if letter == c'x':
        return EVENT_EXPIRED
    if letter == c'e':
        return EVENT_EVICTED
    if letter == c't':
        return EVENT_STREAM
    if letter == c'm':
        return EVENT_KEY_MISS
    if letter == c'd':
        return EVENT_MODULE
    if letter == c'n':
        return EVENT_NEW
    if letter == c'o':
        return EVENT_OVERWRITTEN
    if letter == c'c':
        return EVENT_TYPE_CHANGED
    if letter == c'A':           # everything but misses and new keys
        return EVENT_GENERIC | EVENT_STRING | EVENT_LIST | EVENT_SET | EVENT_HASH | EVENT_ZSET | EVENT_EXPIRED | \
            EVENT_EVICTED | EVENT_STREAM | EVENT_MODULE
    return 0


cdef bint _read_events(Config* config, Slice value, Buffer* error_out) noexcept nogil:
    cdef int64_t classes = 0
    cdef int64_t one
    cdef size_t i
    for i in range(value.length):
        one = _event_class(value.data[i])
        if one == 0:
            return config_refuse(error_out, b"Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        classes |= one
    config.notify_keyspace_events = classes
    return True


cdef void _spell_events(int64_t classes, Buffer* out) noexcept nogil:
    cdef const char* letters = b"g$lshzxetdnoc"
    cdef int64_t everything = _event_class(c'A')
    cdef size_t i
    # Redis leaves n, o and c out beside an A; its clients may compare.
    if classes & everything == everything:
        buffer_append(out, b"A", 1)
    else:
        for i in range(strlen(letters)):
            if classes & _event_class(letters[i]):
                buffer_append(out, letters + i, 1)
    if classes & EVENT_KEYSPACE:
        buffer_append(out, b"K", 1)
    if classes & EVENT_KEYEVENT:
        buffer_append(out, b"E", 1)
    if classes & EVENT_KEY_MISS:
        buffer_append(out, b"m", 1)


cdef bint _read_oom_values(Config* config, const Slice* words, size_t count, Buffer* error_out) noexcept nogil:
    cdef int64_t[3] numbers
    cdef size_t i
    if count != 3:
        return config_refuse(error_out, b"wrong number of arguments")
    for i in range(3):
        if not _read_long(words[i], &numbers[i]) or numbers[i] < -2000 or numbers[i] > 2000:
            return config_refuse(error_out, b"Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
    memcpy(config.oom_score_adj_values, numbers, sizeof(numbers))
    return True


cdef bint _read_percentiles(const Slice* words, size_t count, Buffer* text_out, Buffer* error_out) noexcept nogil:
    cdef size_t i
    cdef double number
    cdef char[32] digits
    cdef int length
    if _is_nothing(words, count):
        return True
    for i in range(count):
        if not parse_double(words[i], &number):
            return config_refuse(error_out, b"Invalid latency-tracking-info-percentiles parameters")
        if number < 0 or number > 100:
            return config_refuse(error_out, b"latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
        length = snprintf(digits, sizeof(digits), b"%f", number)
        while digits[length - 1] == c'0':
            length -= 1
        if not c'0' <= digits[length - 1] <= c'9':      # the point
            length -= 1
        if i:
            buffer_append(text_out, b" ", 1)
        buffer_append(text_out, digits, <size_t>length)
    return True


cdef bint _read_directory(Slice value, Buffer* text_out, Buffer* error_out) noexcept nogil:
    """Its absolute name. We are a guest: the process's own working directory stays where it is."""
    cdef char[PATH_BYTES] path
    cdef char[PATH_BYTES] resolved
    cdef struct_stat status
    if value.length >= PATH_BYTES:
        return config_refuse(error_out, b"File name too long")
    memcpy(path, value.data, value.length)
    path[value.length] = 0
    if realpath(path, resolved) == NULL or stat(resolved, &status) != 0:
        return config_refuse(error_out, strerror(errno))
    if not S_ISDIR(status.st_mode):
        return config_refuse(error_out, b"Not a directory")
    buffer_append_text(text_out, resolved)
    return True


cdef bint _title_is_valid(Slice value) noexcept nogil:
    """Only {names} that Redis knows, and something that is not empty when the program has no name, socket or file."""
    cdef size_t i = 0, end
    cdef int index
    cdef bint says_something = False
    cdef Slice name
    while i < value.length:
        if value.data[i] == c'{':
            end = i + 1
            while end < value.length and value.data[end] != c'}':
                end += 1
            if end == value.length:
                return False
            name = slice_of(value.data + i + 1, end - i - 1)
            index = _choice_index(b"title,unixsocket,config-file,listen-addr,server-mode,port,tls-port", name)
            if index < 0:
                return False
            says_something = says_something or index > 2
            i = end
        elif value.data[i] != c' ':
            says_something = True
        i += 1
    return says_something


cdef bint _read_long(Slice word, int64_t* number_out) noexcept nogil:
    """What strtoll reads to the end, as Redis's older parameters do: nothing at all is a 0, too much is the most."""
    cdef size_t i = 0
    cdef bint negative
    cdef int64_t number = 0
    cdef int64_t digit
    while i < word.length and (word.data[i] == c' ' or c'\t' <= word.data[i] <= c'\r'):
        i += 1
    negative = i < word.length and word.data[i] == c'-'
    if negative or (i < word.length and word.data[i] == c'+'):
        i += 1
        if i == word.length:
            return False
    elif i == word.length and i:
        return False             # it takes spaces only before digits
    while i < word.length and c'0' <= word.data[i] <= c'9':
        digit = word.data[i] - c'0'
        number = number * 10 + digit if number <= (LONG_MAX - digit) // 10 else LONG_MAX
        i += 1
    number_out[0] = -number if negative else number
    return i == word.length or word.data[i] == 0


cdef bint _read_int(Slice word, int64_t* number_out) noexcept nogil:
    """The same, kept in 32 bits."""
    cdef bint good = _read_long(word, number_out)
    number_out[0] = <int32_t>number_out[0]
    return good


cdef bint _read_save_points(const Slice* words, size_t count, Buffer* text_out) noexcept nogil:
    """Pairs of seconds (positive) and changes (not negative), in digits with a blank between."""
    cdef size_t i
    cdef int64_t number
    for i in range(count):
        if not _read_long(words[i], &number) or number < (1 if i % 2 == 0 else 0):
            return False
        if i:
            buffer_append(text_out, b" ", 1)
        buffer_append_integer(text_out, number)
    return count % 2 == 0


cdef void _add_save_points(const Buffer* before, Buffer* text) noexcept nogil:
    """Each line of a file adds some to those of the lines before it."""
    if before.length and text.length:
        buffer_insert(text, 0, b" ", 1)
        buffer_insert(text, 0, before.data, before.length)


cdef bint _read_master(const Slice* words, size_t count, Buffer* error_out) noexcept nogil:
    """replicaof: `no one` is the one master that we can have."""
    cdef int64_t port
    if count != 2:
        return config_refuse(error_out, b"wrong number of arguments")
    if slice_is(words[0], b"no") and slice_is(words[1], b"one"):
        return True
    if not _read_long(words[1], &port) or port < 0 or port > 65535:
        return config_refuse(error_out, b"Invalid master port")
    return config_refuse(error_out, b"Hutch does not have this yet: only the default is accepted (it follows no master)")


cdef bint _read_addresses(const Slice* words, size_t count, Buffer* text_out, Buffer* error_out) noexcept nogil:
    cdef size_t i
    if count > 16:
        return config_refuse(error_out, b"Too many bind addresses specified.")
    if _is_nothing(words, count):
        return True
    for i in range(count):
        if words[i].length == 0:
            return config_refuse(error_out, b"Failed to bind to specified addresses.")
        if i:
            buffer_append(text_out, b" ", 1)
        buffer_append_slice(text_out, words[i])
    return True


cdef bint _read_text(const Parameter* parameter, const Slice* words, size_t count, Buffer* text_out,
                     Buffer* error_out) noexcept nogil:
    cdef Slice value = words[0] if count else slice_of(NULL, 0)
    cdef size_t i
    cdef char c
    if parameter.kind == KIND_ADDRESSES:
        return _read_addresses(words, count, text_out, error_out)
    if parameter.kind == KIND_DIRECTORY:
        return _read_directory(value, text_out, error_out)
    if parameter.kind == KIND_PERCENTILES:
        return _read_percentiles(words, count, text_out, error_out)
    if parameter.kind == KIND_MASTER:
        return _read_master(words, count, error_out)
    if parameter.kind == KIND_SAVE:
        if _is_nothing(words, count):
            return True
        return _read_save_points(words, count, text_out) or config_refuse(error_out, b"Invalid save parameters")
    if parameter.kind == KIND_FILE_NAME:
        if value.length == 0 and strcmp(parameter.name, b"dbfilename") != 0:
            buffer_append_text(error_out, parameter.name)
            return config_refuse(error_out, b" can't be empty")
        for i in range(value.length):
            if value.data[i] == c'/' or value.data[i] == c'\\':
                buffer_append_text(error_out, parameter.name)
                return config_refuse(error_out, b" can't be a path, just a dirname"
                                     if strcmp(parameter.name, b"appenddirname") == 0
                                     else b" can't be a path, just a filename")
    elif parameter.kind == KIND_HOST_NAME:
        if value.length >= 256:
            return config_refuse(error_out, b"Hostnames must be less than 256 characters")
        for i in range(value.length):
            c = value.data[i]
            if not (c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9' or c == c'-' or c == c'.'):
                return config_refuse(error_out, b"Hostnames may only contain alphanumeric characters, hyphens or dots")
    elif parameter.kind == KIND_NODE_NAME:
        for i in range(value.length):
            if value.data[i] == 0 or strchr(b"!#$%&()*+:;<>?@[]^{|}~", value.data[i]) != NULL:
                return config_refuse(error_out, b"Announced human node name contained invalid character")
    elif parameter.kind == KIND_TITLE:
        if not _title_is_valid(value):
            return config_refuse(error_out, b"template format is invalid or contains unknown variables")
    elif parameter.kind == KIND_LOCALE:
        # A library does not change its host's locale.
        if value.length and not slice_is(value, b"C") and not slice_is(value, b"POSIX"):
            return config_refuse(error_out, b"Invalid locale name")
    buffer_append_slice(text_out, value)
    return True


cdef int64_t* _number_of(const Config* config, const Parameter* parameter) noexcept nogil:
    return <int64_t*>(<char*>config + parameter.offset)


cdef Buffer* _text_of(const Config* config, const Parameter* parameter) noexcept nogil:
    return <Buffer*>(<char*>config + parameter.offset)


cdef bint _is_number(const Parameter* parameter) noexcept nogil:
    return parameter.kind < KIND_TEXT


cdef bint _is_text(const Parameter* parameter) noexcept nogil:
    return KIND_TEXT <= parameter.kind < KIND_OUTPUT_LIMITS


cdef void config_text(const Config* config, const Parameter* parameter, Buffer* out) noexcept nogil:
    cdef int64_t number
    cdef size_t i
    cdef char[PATH_BYTES] path
    cdef const OutputLimit* limit
    if _is_text(parameter):
        if parameter.kind == KIND_DIRECTORY and _text_of(config, parameter).length == 0:
            if getcwd(path, PATH_BYTES) != NULL:
                buffer_append_text(out, path)
            return
        buffer_append_slice(out, buffer_slice(_text_of(config, parameter)))
        return
    if parameter.kind == KIND_OUTPUT_LIMITS:
        for i in range(3):
            limit = &config.output_limits[i]
            buffer_append_text(out, b"normal " if i == 0 else (b" slave " if i == 1 else b" pubsub "))
            buffer_append(out, path, snprintf(path, PATH_BYTES, b"%llu %llu %lld", <unsigned long long>limit.hard_bytes,
                                              <unsigned long long>limit.soft_bytes, <long long>limit.soft_seconds))
        return
    if parameter.kind == KIND_EVENTS:
        _spell_events(config.notify_keyspace_events, out)
        return
    if parameter.kind == KIND_OOM_VALUES:
        for i in range(3):
            if i:
                buffer_append(out, b" ", 1)
            buffer_append_integer(out, config.oom_score_adj_values[i])
        return
    number = _number_of(config, parameter)[0]
    if parameter.kind == KIND_YES_NO:
        buffer_append_text(out, b"yes" if number else b"no")
    elif parameter.kind == KIND_CHOICE:
        buffer_append_slice(out, _choice_name(parameter.choices, number))
    elif parameter.kind == KIND_CHOICES:
        if number == 0:
            buffer_append_slice(out, _choice_name(parameter.choices, 0))
        i = 1
        while number:
            if number & 1:
                buffer_append_slice(out, _choice_name(parameter.choices, i))
                if number >> 1:
                    buffer_append(out, b" ", 1)
            number >>= 1
            i += 1
    elif parameter.kind == KIND_OCTAL:
        buffer_append(out, path, snprintf(path, PATH_BYTES, b"%o", <unsigned int>number))
    elif parameter.kind == KIND_MEMORY_OR_PERCENT and number < 0:
        buffer_append_integer(out, -number)
        buffer_append(out, b"%", 1)
    else:
        buffer_append_integer(out, number)


cdef bint _is_refused(const Parameter* parameter, bint is_default) noexcept nogil:
    """Would it promise what is not done?"""
    return parameter.flags & PARAMETER_DEFAULT_ONLY and not is_default


cdef bint _refuse_other(const Parameter* parameter, Buffer* error_out) noexcept nogil:
    """False, with the reason why there is only the default."""
    buffer_append_text(error_out, b"Hutch does not have this yet: only the default is accepted")
    if parameter.why != NULL:
        buffer_append_text(error_out, b" (")
        buffer_append_text(error_out, parameter.why)
        buffer_append_text(error_out, b")")
    return False


cdef bint config_set_words(Config* config, const Parameter* parameter, const Slice* words, size_t count, uint32_t flags,
                           uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef int64_t number
    cdef Buffer text
    cdef Buffer* place
    cdef bint good
    if not flags & (CONFIG_AT_START | CONFIG_ROLLBACK):
        if parameter.flags & PARAMETER_IMMUTABLE:
            return config_refuse(error_out, b"can't set immutable config")
        if parameter.flags & PARAMETER_PROTECTED and not flags & CONFIG_PROTECTED_OK:
            return config_refuse(error_out, b"can't set protected config")
    if parameter.kind == KIND_OUTPUT_LIMITS:
        good = _read_limits(config, words, count, error_out)
    elif parameter.kind == KIND_EVENTS:
        good = _read_events(config, words[0], error_out)
    elif parameter.kind == KIND_OOM_VALUES:
        good = _read_oom_values(config, words, count, error_out)
    elif _is_number(parameter):
        if parameter.kind == KIND_CHOICES:
            good = _read_choices(parameter, words, count, &number, error_out)
        else:
            good = _read_number(parameter, words[0], &number, error_out)
        if good and _is_refused(parameter, number == parameter.preset):
            return _refuse_other(parameter, error_out)
        if good:
            _number_of(config, parameter)[0] = number
    else:
        buffer_init(&text, NULL)
        good = _read_text(parameter, words, count, &text, error_out)
        if good and _is_refused(parameter, slice_equals(buffer_slice(&text), slice_of_text(parameter.preset_text))):
            good = _refuse_other(parameter, error_out)
        if good and text.failed:
            good = config_refuse(error_out, b"out of memory")
        if not good:
            buffer_clear(&text)
            return False
        place = _text_of(config, parameter)
        if parameter.kind == KIND_SAVE and flags & CONFIG_FROM_FILE:
            _add_save_points(place, &text)
        buffer_clear(place)
        place[0] = text
    if good:
        changed_out[0] |= parameter.changed
    return good


cdef bint config_set_named(Config* config, Slice name, Slice value, uint32_t flags, uint64_t* changed_out,
                           Buffer* error_out) noexcept nogil:
    cdef const Parameter* parameter = config_find(name)
    if parameter == NULL:
        buffer_append_text(error_out, b"Bad directive or wrong number of arguments")
        return False
    return config_set(config, parameter, value, flags, changed_out, error_out)


# ---- all of them

cdef void config_init(Config* config) noexcept nogil:
    cdef uint32_t i
    cdef const Parameter* parameter
    cdef Buffer* text
    memset(config, 0, sizeof(Config))
    for i in range(config_count()):
        parameter = config_parameter(i)
        if _is_number(parameter):
            _number_of(config, parameter)[0] = parameter.preset
        elif _is_text(parameter):
            text = _text_of(config, parameter)
            buffer_init(text, NULL)
            buffer_append_text(text, parameter.preset_text)
    config.output_limits[1].hard_bytes = 256 * 1024 * 1024
    config.output_limits[1].soft_bytes = 64 * 1024 * 1024
    config.output_limits[1].soft_seconds = 60
    config.output_limits[2].hard_bytes = 32 * 1024 * 1024
    config.output_limits[2].soft_bytes = 8 * 1024 * 1024
    config.output_limits[2].soft_seconds = 60
    config.oom_score_adj_values[1] = 200
    config.oom_score_adj_values[2] = 800
    buffer_init(&config.config_file, NULL)
    command_names_init(&config.names)
    buffer_init(&config.users, NULL)


cdef void config_clear(Config* config) noexcept nogil:
    cdef uint32_t i
    for i in range(config_count()):
        if _is_text(config_parameter(i)):
            buffer_clear(_text_of(config, config_parameter(i)))
    buffer_clear(&config.config_file)
    command_names_clear(&config.names)
    buffer_clear(&config.users)
