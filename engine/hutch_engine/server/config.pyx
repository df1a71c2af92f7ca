"""See config.pxd. Three parts: reading and spelling values, the table, and lines and files."""
from libc.errno cimport errno
from libc.stdio cimport FILE, fclose, ferror, fopen, fread, snprintf
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strerror, strlen
from posix.stat cimport S_ISDIR, stat, struct_stat
from posix.unistd cimport getcwd
from hutch_engine.base.buffer cimport (Buffer, buffer_append, buffer_append_integer, buffer_append_slice,
                                       buffer_append_text, buffer_clear, buffer_init, buffer_reserve, buffer_slice)
from hutch_engine.base.numbers cimport DOUBLE_TEXT_MAX, format_double, parse_double, parse_integer
from hutch_engine.base.slice cimport Slice, slice_equals, slice_is, slice_of, slice_of_text
from hutch_engine.keyspace.keyspace cimport (EVENT_EVICTED, EVENT_EXPIRED, EVENT_GENERIC, EVENT_HASH, EVENT_KEY_MISS,
                                             EVENT_KEYEVENT, EVENT_KEYSPACE, EVENT_LIST, EVENT_MODULE, EVENT_NEW,
                                             EVENT_OVERWRITTEN, EVENT_SET, EVENT_STREAM, EVENT_STRING,
                                             EVENT_TYPE_CHANGED, EVENT_ZSET)

cdef extern from "<stdlib.h>" nogil:
    char* realpath(const char* path, char* resolved)

cdef enum:                       # Parameter.kind
    KIND_YES_NO = 0
    KIND_INTEGER = 1
    KIND_MEMORY = 2
    KIND_MEMORY_OR_PERCENT = 3
    KIND_OCTAL = 4
    KIND_CHOICE = 5
    KIND_CHOICES = 6             # several at once: bit i - 1 for choice i, 0 for the first
    KIND_TEXT = 7                # from here on the value is a Buffer ...
    KIND_ADDRESSES = 8
    KIND_DIRECTORY = 9
    KIND_FILE_NAME = 10
    KIND_PERCENTILES = 11
    KIND_HOST_NAME = 12
    KIND_TITLE = 13
    KIND_SAVE = 14
    KIND_LOCALE = 15
    KIND_OUTPUT_LIMITS = 16      # ... and these have structures of their own
    KIND_EVENTS = 17
    KIND_OOM_VALUES = 18

cdef enum:
    PARAMETERS_MAX = 192
    WORDS_MAX = 64
    PATH_BYTES = 4096

cdef int64_t LONG_MAX = 9223372036854775807
cdef int64_t INT_MAX = 2147483647
cdef int64_t INT_MIN = -2147483648
cdef int64_t UNSIGNED_MAX = 4294967295

cdef Parameter[PARAMETERS_MAX] _table
cdef uint32_t _count = 0
cdef uint32_t _spare_numbers = 0
cdef uint32_t _spare_texts = 0
cdef Config _layout              # never read or written: gives the offsets of fields


# ---- reading and spelling

cdef bint _refuse(Buffer* error_out, const char* text) noexcept nogil:
    buffer_append_text(error_out, text)
    return False


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
                if (word.data[i] | 32) != (choices[start + i] | 32):
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


cdef bint config_parse_memory(Slice text, int64_t* bytes_out) noexcept nogil:
    cdef size_t i = 0
    cdef uint64_t value = 0
    cdef uint64_t unit = 1
    cdef bint too_much = False
    cdef Slice letters
    while i < text.length and c'0' <= text.data[i] <= c'9':
        if value > (<uint64_t>LONG_MAX - 9) // 10:
            too_much = True
        else:
            value = value * 10 + <uint64_t>(text.data[i] - c'0')
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
    if too_much or value > <uint64_t>LONG_MAX // unit:
        bytes_out[0] = -1
    else:
        bytes_out[0] = <int64_t>(value * unit)
    return True


cdef bint _next_word(Slice* rest, Slice* word_out) noexcept nogil:
    """Cut the next word off at spaces; False at the end."""
    cdef size_t start = 0, end
    while start < rest.length and rest.data[start] == c' ':
        start += 1
    end = start
    while end < rest.length and rest.data[end] != c' ':
        end += 1
    word_out[0] = slice_of(rest.data + start, end - start)
    rest[0] = slice_of(rest.data + end, rest.length - end)
    return end > start


cdef bint _in_range(const Parameter* parameter, int64_t value, Buffer* error_out) noexcept nogil:
    if value < 0 and parameter.flags & PARAMETER_UNSIGNED:
        return _refuse(error_out, b"argument must be greater or equal to 0")
    if value < parameter.low or value > parameter.high:
        buffer_append_text(error_out, b"argument must be between ")
        buffer_append_integer(error_out, parameter.low)
        buffer_append_text(error_out, b" and ")
        buffer_append_integer(error_out, parameter.high)
        buffer_append_text(error_out, b" inclusive")
        return False
    return True


cdef bint _read_number(const Parameter* parameter, Slice value, int64_t* number_out, Buffer* error_out) noexcept nogil:
    cdef int64_t number = 0
    cdef size_t i
    cdef int index
    cdef Slice rest, word
    if parameter.kind == KIND_YES_NO:
        if slice_is(value, b"yes"):
            number_out[0] = 1
        elif slice_is(value, b"no"):
            number_out[0] = 0
        else:
            return _refuse(error_out, b"argument must be 'yes' or 'no'")
        return True
    if parameter.kind == KIND_CHOICE:
        index = _choice_index(parameter.choices, value)
        if index < 0:
            return _refuse_choices(error_out, parameter.choices)
        number_out[0] = index
        return True
    if parameter.kind == KIND_CHOICES:
        rest = value
        while _next_word(&rest, &word):
            index = _choice_index(parameter.choices, word)
            if index < 0:
                return _refuse_choices(error_out, parameter.choices)
            if index > 0:
                number |= <int64_t>1 << (index - 1)
        # Saving and not saving exclude each other; Redis says it with the same words.
        if number & 3 == 3:
            return _refuse_choices(error_out, parameter.choices)
        number_out[0] = number
        return True
    if parameter.kind == KIND_INTEGER:
        if not parse_integer(value, &number):
            return _refuse(error_out, b"argument couldn't be parsed into an integer")
    elif parameter.kind == KIND_OCTAL:
        if value.length == 0 or value.length > 9:
            return _refuse(error_out, b"argument couldn't be parsed as an octal number")
        for i in range(value.length):
            if value.data[i] < c'0' or value.data[i] > c'7':
                return _refuse(error_out, b"argument couldn't be parsed as an octal number")
            number = number * 8 + (value.data[i] - c'0')
    elif parameter.kind == KIND_MEMORY_OR_PERCENT and value.length and value.data[value.length - 1] == c'%':
        if not parse_integer(slice_of(value.data, value.length - 1), &number) or number < 0:
            return _refuse(error_out, b"argument must be a memory or percent value")
        if number > 100:
            return _refuse(error_out, b"percentage argument must be less or equal to 100")
        number_out[0] = -number
        return True
    elif not config_parse_memory(value, &number):
        return _refuse(error_out, b"argument must be a memory or percent value"
                       if parameter.kind == KIND_MEMORY_OR_PERCENT else b"argument must be a memory value")
    elif parameter.kind == KIND_MEMORY_OR_PERCENT and number < 0:
        # Redis would take the overflown size for a percentage.
        return _refuse(error_out, b"argument must be a memory or percent value")
    if not _in_range(parameter, number, error_out):
        return False
    number_out[0] = number
    return True


cdef bint _read_limits(Config* config, Slice value, Buffer* error_out) noexcept nogil:
    cdef OutputLimit[3] limits
    cdef Slice rest = value
    cdef Slice word
    cdef Slice[4] words
    cdef size_t count = 0
    cdef int which, i
    while _next_word(&rest, &word):
        count += 1
    if count == 0 or count % 4:
        return _refuse(error_out, b"Wrong number of arguments in buffer limit configuration.")
    memcpy(limits, config.output_limits, sizeof(limits))
    rest = value
    while _next_word(&rest, &words[0]):
        for i in range(1, 4):
            _next_word(&rest, &words[i])
        if slice_is(words[0], b"normal"):
            which = 0
        elif slice_is(words[0], b"slave") or slice_is(words[0], b"replica"):
            which = 1
        elif slice_is(words[0], b"pubsub"):
            which = 2
        else:
            return _refuse(error_out, b"Invalid client class specified in buffer limit configuration.")
        if not config_parse_memory(words[1], &limits[which].hard_bytes) or limits[which].hard_bytes < 0 or \
                not config_parse_memory(words[2], &limits[which].soft_bytes) or limits[which].soft_bytes < 0 or \
                not parse_integer(words[3], &limits[which].soft_seconds) or limits[which].soft_seconds < 0:
            return _refuse(error_out, b"Error in hard, soft or soft_seconds setting in buffer limit configuration.")
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
            return _refuse(error_out, b"Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
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


cdef bint _read_oom_values(Config* config, Slice value, Buffer* error_out) noexcept nogil:
    cdef int64_t[3] numbers
    cdef Slice rest = value
    cdef Slice word
    cdef size_t count = 0
    while _next_word(&rest, &word):
        count += 1
    if count != 3:
        return _refuse(error_out, b"wrong number of arguments")
    rest = value
    count = 0
    while _next_word(&rest, &word):
        if not parse_integer(word, &numbers[count]) or numbers[count] < -2000 or numbers[count] > 2000:
            return _refuse(error_out, b"Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        count += 1
    memcpy(config.oom_score_adj_values, numbers, sizeof(numbers))
    return True


cdef bint _read_percentiles(Slice value, Buffer* text_out, Buffer* error_out) noexcept nogil:
    cdef Slice rest = value
    cdef Slice word
    cdef double number
    cdef char[DOUBLE_TEXT_MAX] digits
    while _next_word(&rest, &word):
        if not parse_double(word, &number):
            return _refuse(error_out, b"Invalid latency-tracking-info-percentiles parameters")
        if number < 0 or number > 100:
            return _refuse(error_out, b"latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
        if text_out.length:
            buffer_append(text_out, b" ", 1)
        buffer_append(text_out, digits, format_double(number, digits))
    return True


cdef bint _read_directory(Slice value, Buffer* text_out, Buffer* error_out) noexcept nogil:
    """Its absolute name. We are a guest: the process's own working directory stays where it is."""
    cdef char[PATH_BYTES] path
    cdef char[PATH_BYTES] resolved
    cdef struct_stat status
    if value.length >= PATH_BYTES:
        return _refuse(error_out, b"File name too long")
    memcpy(path, value.data, value.length)
    path[value.length] = 0
    if realpath(path, resolved) == NULL or stat(resolved, &status) != 0:
        return _refuse(error_out, strerror(errno))
    if not S_ISDIR(status.st_mode):
        return _refuse(error_out, b"Not a directory")
    buffer_append_text(text_out, resolved)
    return True


cdef bint _title_is_valid(Slice value) noexcept nogil:
    """Only {names} that Redis knows."""
    cdef size_t i = 0, end
    cdef Slice name
    while i < value.length:
        if value.data[i] == c'{':
            end = i + 1
            while end < value.length and value.data[end] != c'}':
                end += 1
            if end == value.length:
                return False
            name = slice_of(value.data + i + 1, end - i - 1)
            if _choice_index(b"title,listen-addr,server-mode,port,tls-port,unixsocket,config-file", name) < 0:
                return False
            i = end
        i += 1
    return True


cdef int _sign_of_number(Slice word) noexcept nogil:
    """-1, 0 or 1 for what strtoll reads to the end (nothing at all is a 0, as it is for strtoll), 2 for other text."""
    cdef size_t i = 0
    cdef bint negative, zero = True
    while i < word.length and (word.data[i] == 32 or 9 <= word.data[i] <= 13):
        i += 1
    negative = i < word.length and word.data[i] == c'-'
    if negative or (i < word.length and word.data[i] == c'+'):
        i += 1
        if i == word.length:
            return 2
    elif i == word.length and i:
        return 2                 # strtoll takes spaces only before digits
    while i < word.length and c'0' <= word.data[i] <= c'9':
        zero = zero and word.data[i] == c'0'
        i += 1
    if i < word.length and word.data[i] != 0:
        return 2
    return 0 if zero else (-1 if negative else 1)


cdef bint _save_points_are_valid(Slice value) noexcept nogil:
    """Pairs of seconds (positive) and changes (not negative), one space between the words."""
    cdef size_t start = 0, i, count = 0
    cdef int sign
    if value.length == 0:
        return True
    for i in range(value.length + 1):
        if i < value.length and value.data[i] != c' ':
            continue
        sign = _sign_of_number(slice_of(value.data + start, i - start))
        if sign == 2 or sign < 0 or (count % 2 == 0 and sign == 0):
            return False
        count += 1
        start = i + 1
    return count % 2 == 0


cdef bint _read_text(const Parameter* parameter, Slice value, Buffer* text_out, Buffer* error_out) noexcept nogil:
    cdef Slice rest = value
    cdef Slice word
    cdef size_t i, count
    cdef char c
    if parameter.kind == KIND_ADDRESSES:
        count = 0
        while _next_word(&rest, &word):
            count += 1
            if count > 16:
                return _refuse(error_out, b"Too many bind addresses specified.")
            if text_out.length:
                buffer_append(text_out, b" ", 1)
            buffer_append_slice(text_out, word)
        return True
    if parameter.kind == KIND_DIRECTORY:
        return _read_directory(value, text_out, error_out)
    if parameter.kind == KIND_PERCENTILES:
        return _read_percentiles(value, text_out, error_out)
    if parameter.kind == KIND_FILE_NAME:
        for i in range(value.length):
            if value.data[i] == c'/' or value.data[i] == c'\\':
                buffer_append_text(error_out, parameter.name)
                return _refuse(error_out, b" can't be a path, just a filename")
    elif parameter.kind == KIND_HOST_NAME:
        if value.length >= 256:
            return _refuse(error_out, b"Hostnames must be less than 256 characters")
        for i in range(value.length):
            c = value.data[i]
            if not (c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9' or c == c'-' or c == c'.'):
                return _refuse(error_out, b"Hostnames may only contain alphanumeric characters, hyphens or dots")
    elif parameter.kind == KIND_TITLE:
        if not _title_is_valid(value):
            return _refuse(error_out, b"template format is invalid or contains unknown variables")
    elif parameter.kind == KIND_SAVE:
        if not _save_points_are_valid(value):
            return _refuse(error_out, b"Invalid save parameters")
        if value.length:
            return _refuse(error_out, b"Hutch keeps its data in memory only for now: \"\" is the one value it takes")
    elif parameter.kind == KIND_LOCALE:
        # A library does not change its host's locale.
        if value.length and not slice_is(value, b"C") and not slice_is(value, b"POSIX"):
            return _refuse(error_out, b"Invalid locale name")
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
            buffer_append_integer(out, limit.hard_bytes)
            buffer_append(out, b" ", 1)
            buffer_append_integer(out, limit.soft_bytes)
            buffer_append(out, b" ", 1)
            buffer_append_integer(out, limit.soft_seconds)
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


cdef bint config_set(Config* config, const Parameter* parameter, Slice value, uint32_t flags, uint64_t* changed_out,
                     Buffer* error_out) noexcept nogil:
    cdef int64_t number
    cdef Buffer text
    cdef Buffer* place
    cdef bint good
    if not flags & (CONFIG_AT_START | CONFIG_ROLLBACK):
        if parameter.flags & PARAMETER_IMMUTABLE:
            return _refuse(error_out, b"can't set immutable config")
        if parameter.flags & PARAMETER_PROTECTED and not flags & CONFIG_PROTECTED_OK:
            return _refuse(error_out, b"can't set protected config")
    if parameter.kind == KIND_OUTPUT_LIMITS:
        good = _read_limits(config, value, error_out)
    elif parameter.kind == KIND_EVENTS:
        good = _read_events(config, value, error_out)
    elif parameter.kind == KIND_OOM_VALUES:
        good = _read_oom_values(config, value, error_out)
    elif _is_number(parameter):
        good = _read_number(parameter, value, &number, error_out)
        if good:
            if parameter.flags & PARAMETER_DEFAULT_ONLY and number != parameter.preset:
                return _refuse(error_out, b"Hutch does not have this yet: only the default is accepted")
            _number_of(config, parameter)[0] = number
    else:
        buffer_init(&text, NULL)
        good = _read_text(parameter, value, &text, error_out)
        if good and parameter.flags & PARAMETER_DEFAULT_ONLY and \
                not slice_equals(buffer_slice(&text), slice_of_text(parameter.preset_text)):
            good = _refuse(error_out, b"Hutch does not have this yet: only the default is accepted")
        if good and text.failed:
            good = _refuse(error_out, b"out of memory")
        if not good:
            buffer_clear(&text)
            return False
        place = _text_of(config, parameter)
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


# ---- the table

cdef Parameter* _add(const char* name, uint32_t kind, const void* field) noexcept nogil:
    """A new row; without a field of its own the value goes to the next spare one."""
    global _count, _spare_numbers, _spare_texts
    cdef Parameter* parameter = &_table[_count]
    if _count == PARAMETERS_MAX - 1 or _spare_numbers == CONFIG_SPARE_NUMBERS or _spare_texts == CONFIG_SPARE_TEXTS:
        return parameter         # the check at the end of this module reports it
    _count += 1
    memset(parameter, 0, sizeof(Parameter))
    parameter.name = name
    parameter.kind = kind
    parameter.changed = CHANGED_OTHER
    parameter.low = 0
    parameter.high = LONG_MAX
    parameter.preset_text = b""
    if field == NULL and kind < KIND_TEXT:
        field = &_layout.spare_numbers[_spare_numbers]
        _spare_numbers += 1
    elif field == NULL:
        field = &_layout.spare_texts[_spare_texts]
        _spare_texts += 1
    parameter.offset = <size_t>(<const char*>field - <const char*>&_layout)
    return parameter


cdef Parameter* _yes_no(const char* name, bint preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_YES_NO, field)
    parameter.preset = preset
    return parameter


cdef Parameter* _integer(const char* name, int64_t low, int64_t high, int64_t preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_INTEGER, field)
    parameter.low = low
    parameter.high = high
    parameter.preset = preset
    return parameter


cdef Parameter* _memory(const char* name, int64_t low, int64_t preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_MEMORY, field)
    parameter.low = low
    parameter.preset = preset
    return parameter


cdef Parameter* _choice(const char* name, const char* choices, int64_t preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_CHOICE, field)
    parameter.choices = choices
    parameter.preset = preset
    return parameter


cdef Parameter* _text(const char* name, const char* preset, const void* field=NULL) noexcept nogil:
    cdef Parameter* parameter = _add(name, KIND_TEXT, field)
    parameter.preset_text = preset
    return parameter


cdef Parameter* _also(Parameter* parameter, const char* alias) noexcept nogil:
    parameter.alias = alias
    return parameter


cdef Parameter* _flag(Parameter* parameter, uint32_t flags) noexcept nogil:
    parameter.flags |= flags
    return parameter


cdef Parameter* _touches(Parameter* parameter, uint64_t changed) noexcept nogil:
    parameter.changed |= changed
    return parameter


cdef void _fill_network() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    _touches(_integer(b"port", 0, 65535, 6379, &c.port), CHANGED_LISTENER)
    parameter = _flag(_touches(_text(b"bind", b"127.0.0.1 -::1", &c.bind), CHANGED_LISTENER), PARAMETER_MULTI)
    parameter.kind = KIND_ADDRESSES
    _text(b"bind-source-addr", b"")
    _flag(_text(b"unixsocket", b"", &c.unixsocket), PARAMETER_IMMUTABLE)
    parameter = _flag(_integer(b"unixsocketperm", 0, 0o777, 0, &c.unixsocketperm), PARAMETER_IMMUTABLE)
    parameter.kind = KIND_OCTAL
    _flag(_integer(b"tcp-backlog", 0, INT_MAX, 511, &c.tcp_backlog), PARAMETER_IMMUTABLE)
    _integer(b"tcp-keepalive", 0, INT_MAX, 300, &c.tcp_keepalive_s)
    _integer(b"timeout", 0, INT_MAX, 0, &c.timeout_s)
    _flag(_touches(_integer(b"maxclients", 1, UNSIGNED_MAX, 10000, &c.maxclients), CHANGED_CLIENTS), PARAMETER_UNSIGNED)
    _yes_no(b"protected-mode", True, &c.protected_mode)
    _flag(_integer(b"max-new-connections-per-cycle", 1, 1000, 10, &c.max_new_connections), PARAMETER_UNSIGNED)
    _flag(_integer(b"socket-mark-id", 0, UNSIGNED_MAX, 0), PARAMETER_IMMUTABLE | PARAMETER_UNSIGNED)
    _flag(_integer(b"io-threads", 1, 128, 1), PARAMETER_IMMUTABLE)
    _memory(b"proto-max-bulk-len", 1024 * 1024, 512 * 1024 * 1024, &c.proto_max_bulk_len)
    _flag(_memory(b"client-query-buffer-limit", 1024 * 1024, 1024 * 1024 * 1024, &c.client_query_buffer_limit),
          PARAMETER_UNSIGNED)
    _flag(_add(b"client-output-buffer-limit", KIND_OUTPUT_LIMITS, c.output_limits), PARAMETER_MULTI)
    _flag(_touches(_text(b"requirepass", b"", &c.requirepass), CHANGED_PASSWORD), PARAMETER_SENSITIVE)
    _flag(_choice(b"enable-debug-command", b"no,yes,local", ENABLE_NO, &c.enable_debug_command), PARAMETER_IMMUTABLE)
    _flag(_choice(b"enable-module-command", b"no,yes,local", 0), PARAMETER_IMMUTABLE | PARAMETER_DEFAULT_ONLY)
    _flag(_choice(b"enable-protected-configs", b"no,yes,local", 0, &c.enable_protected_configs), PARAMETER_IMMUTABLE)
    _flag(_text(b"aclfile", b""), PARAMETER_IMMUTABLE | PARAMETER_DEFAULT_ONLY)
    _integer(b"acllog-max-len", 0, LONG_MAX, 128, &c.acllog_max_len)
    _choice(b"acl-pubsub-default", b"allchannels,resetchannels", 1)


cdef void _fill_memory() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    _touches(_flag(_memory(b"maxmemory", 0, 0, &c.maxmemory), PARAMETER_UNSIGNED), CHANGED_MEMORY)
    _touches(_choice(b"maxmemory-policy",
                     b"volatile-lru,volatile-lfu,volatile-random,volatile-ttl,allkeys-lru,allkeys-lfu,allkeys-random,"
                     b"noeviction", POLICY_NOEVICTION, &c.maxmemory_policy), CHANGED_MEMORY | CHANGED_KEYSPACE)
    _integer(b"maxmemory-samples", 1, 64, 5, &c.maxmemory_samples)
    _integer(b"maxmemory-eviction-tenacity", 0, 100, 10, &c.maxmemory_eviction_tenacity)
    parameter = _memory(b"maxmemory-clients", 0, 0, &c.maxmemory_clients)
    parameter.kind = KIND_MEMORY_OR_PERCENT
    _touches(_integer(b"lfu-log-factor", 0, INT_MAX, 10, &c.lfu_log_factor), CHANGED_KEYSPACE)
    _touches(_integer(b"lfu-decay-time", 0, INT_MAX, 1, &c.lfu_decay_time), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-eviction", False, &c.lazyfree_lazy_eviction), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-expire", False, &c.lazyfree_lazy_expire), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-server-del", False, &c.lazyfree_lazy_server_del), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-user-del", False, &c.lazyfree_lazy_user_del), CHANGED_KEYSPACE)
    _touches(_yes_no(b"lazyfree-lazy-user-flush", False, &c.lazyfree_lazy_user_flush), CHANGED_KEYSPACE)
    _touches(_yes_no(b"activerehashing", True, &c.activerehashing), CHANGED_CRON)
    _touches(_integer(b"active-expire-effort", 1, 10, 1, &c.active_expire_effort), CHANGED_CRON)
    # Nothing needs defragmenting by hand here: what Redis built without jemalloc does is right for us.
    _flag(_yes_no(b"activedefrag", False), PARAMETER_DEFAULT_ONLY)
    _integer(b"active-defrag-cycle-max", 1, 99, 25)
    _integer(b"active-defrag-cycle-min", 1, 99, 1)
    _flag(_memory(b"active-defrag-ignore-bytes", 1, 100 * 1024 * 1024), PARAMETER_UNSIGNED)
    _integer(b"active-defrag-max-scan-fields", 1, LONG_MAX, 1000)
    _integer(b"active-defrag-threshold-lower", 0, 1000, 10)
    _integer(b"active-defrag-threshold-upper", 0, 1000, 100)
    _yes_no(b"jemalloc-bg-thread", True)
    _flag(_yes_no(b"disable-thp", True), PARAMETER_IMMUTABLE)
    # It would change the host process's standing with the kernel.
    _flag(_choice(b"oom-score-adj", b"no,yes,relative,absolute", 0), PARAMETER_DEFAULT_ONLY)
    _flag(_add(b"oom-score-adj-values", KIND_OOM_VALUES, c.oom_score_adj_values), PARAMETER_MULTI)


cdef void _fill_types() noexcept nogil:
    cdef Config* c = &_layout
    _also(_flag(_integer(b"hash-max-listpack-entries", 0, LONG_MAX, 512, &c.hash_max_listpack_entries), PARAMETER_UNSIGNED),
          b"hash-max-ziplist-entries")
    _also(_flag(_memory(b"hash-max-listpack-value", 0, 64, &c.hash_max_listpack_value), PARAMETER_UNSIGNED),
          b"hash-max-ziplist-value")
    _also(_integer(b"list-max-listpack-size", INT_MIN, INT_MAX, -2, &c.list_max_listpack_size), b"list-max-ziplist-size")
    _integer(b"list-compress-depth", 0, INT_MAX, 0, &c.list_compress_depth)
    _flag(_integer(b"set-max-intset-entries", 0, LONG_MAX, 512, &c.set_max_intset_entries), PARAMETER_UNSIGNED)
    _flag(_integer(b"set-max-listpack-entries", 0, LONG_MAX, 128, &c.set_max_listpack_entries), PARAMETER_UNSIGNED)
    _flag(_integer(b"set-max-listpack-value", 0, LONG_MAX, 64, &c.set_max_listpack_value), PARAMETER_UNSIGNED)
    _also(_flag(_integer(b"zset-max-listpack-entries", 0, LONG_MAX, 128, &c.zset_max_listpack_entries), PARAMETER_UNSIGNED),
          b"zset-max-ziplist-entries")
    _also(_flag(_memory(b"zset-max-listpack-value", 0, 64, &c.zset_max_listpack_value), PARAMETER_UNSIGNED),
          b"zset-max-ziplist-value")
    _flag(_memory(b"hll-sparse-max-bytes", 0, 3000, &c.hll_sparse_max_bytes), PARAMETER_UNSIGNED)
    _flag(_memory(b"stream-node-max-bytes", 0, 4096, &c.stream_node_max_bytes), PARAMETER_UNSIGNED)
    _integer(b"stream-node-max-entries", 0, LONG_MAX, 100, &c.stream_node_max_entries)
    _yes_no(b"vset-force-single-threaded-execution", False)


cdef void _fill_process() noexcept nogil:
    cdef Config* c = &_layout
    cdef Parameter* parameter
    _flag(_integer(b"databases", 1, INT_MAX, 16, &c.databases), PARAMETER_IMMUTABLE)
    parameter = _touches(_add(b"notify-keyspace-events", KIND_EVENTS, &c.notify_keyspace_events), CHANGED_EVENTS)
    _touches(_integer(b"hz", 0, INT_MAX, 10, &c.hz), CHANGED_CRON)
    _yes_no(b"dynamic-hz", True)
    _flag(_integer(b"tracking-table-max-keys", 0, LONG_MAX, 1000000, &c.tracking_table_max_keys), PARAMETER_UNSIGNED)
    _also(_integer(b"busy-reply-threshold", 0, LONG_MAX, 5000, &c.busy_reply_threshold_ms), b"lua-time-limit")
    _flag(_yes_no(b"daemonize", False, &c.daemonize), PARAMETER_IMMUTABLE)
    _flag(_choice(b"supervised", b"upstart,systemd,auto,no", 3), PARAMETER_IMMUTABLE)
    _flag(_text(b"pidfile", b"", &c.pidfile), PARAMETER_IMMUTABLE)
    _flag(_text(b"logfile", b"", &c.logfile), PARAMETER_IMMUTABLE)
    _choice(b"loglevel", b"debug,verbose,notice,warning,nothing", LOG_NOTICE, &c.loglevel)
    _flag(_yes_no(b"syslog-enabled", False), PARAMETER_IMMUTABLE | PARAMETER_DEFAULT_ONLY)
    _flag(_text(b"syslog-ident", b"redis"), PARAMETER_IMMUTABLE)
    _flag(_choice(b"syslog-facility", b"user,local0,local1,local2,local3,local4,local5,local6,local7", 1),
          PARAMETER_IMMUTABLE)
    parameter = _touches(_flag(_text(b"dir", b"", &c.dir), PARAMETER_PROTECTED), CHANGED_DIR)
    parameter.kind = KIND_DIRECTORY
    parameter = _flag(_text(b"dbfilename", b"dump.rdb", &c.dbfilename), PARAMETER_PROTECTED)
    parameter.kind = KIND_FILE_NAME
    _flag(_yes_no(b"always-show-logo", False, &c.always_show_logo), PARAMETER_IMMUTABLE)
    _flag(_yes_no(b"set-proc-title", True), PARAMETER_IMMUTABLE)
    parameter = _text(b"proc-title-template", b"{title} {listen-addr} {server-mode}")
    parameter.kind = KIND_TITLE
    parameter = _text(b"locale-collate", b"")
    parameter.kind = KIND_LOCALE
    parameter = _flag(_choice(b"shutdown-on-sigint", b"default,save,nosave,now,force", 0, &c.shutdown_on_sigint), PARAMETER_MULTI)
    parameter.kind = KIND_CHOICES
    parameter = _flag(_choice(b"shutdown-on-sigterm", b"default,save,nosave,now,force", 0, &c.shutdown_on_sigterm), PARAMETER_MULTI)
    parameter.kind = KIND_CHOICES
    _integer(b"shutdown-timeout", 0, INT_MAX, 10, &c.shutdown_timeout_s)
    _yes_no(b"crash-log-enabled", True)
    _yes_no(b"crash-memcheck-enabled", True)
    _yes_no(b"hide-user-data-from-log", False)
    _flag(_text(b"ignore-warnings", b""), PARAMETER_MULTI)
    _also(_flag(_text(b"server-cpulist", b""), PARAMETER_IMMUTABLE), b"server_cpulist")
    _also(_flag(_text(b"bio-cpulist", b""), PARAMETER_IMMUTABLE), b"bio_cpulist")
    _also(_flag(_text(b"aof-rewrite-cpulist", b""), PARAMETER_IMMUTABLE), b"aof_rewrite_cpulist")
    _also(_flag(_text(b"bgsave-cpulist", b""), PARAMETER_IMMUTABLE), b"bgsave_cpulist")
    _integer(b"slowlog-log-slower-than", -1, LONG_MAX, 10000, &c.slowlog_log_slower_than_us)
    _integer(b"slowlog-max-len", 0, LONG_MAX, 128, &c.slowlog_max_len)
    _integer(b"latency-monitor-threshold", 0, LONG_MAX, 0, &c.latency_monitor_threshold_ms)
    _yes_no(b"latency-tracking", True, &c.latency_tracking)
    parameter = _flag(_text(b"latency-tracking-info-percentiles", b"50 99 99.9"), PARAMETER_MULTI)
    parameter.kind = KIND_PERCENTILES
    _choice(b"propagation-error-behavior", b"ignore,panic,panic-on-replicas", 0)
    _choice(b"sanitize-dump-payload", b"no,yes,clients", 0)


cdef void _fill_persistence() noexcept nogil:
    cdef Parameter* parameter
    parameter = _flag(_text(b"save", b""), PARAMETER_MULTI)
    parameter.kind = KIND_SAVE
    _flag(_yes_no(b"appendonly", False), PARAMETER_DEFAULT_ONLY)
    parameter = _flag(_text(b"appendfilename", b"appendonly.aof"), PARAMETER_IMMUTABLE)
    parameter.kind = KIND_FILE_NAME
    parameter = _flag(_text(b"appenddirname", b"appendonlydir"), PARAMETER_IMMUTABLE)
    parameter.kind = KIND_FILE_NAME
    _choice(b"appendfsync", b"everysec,always,no", 0)
    _yes_no(b"no-appendfsync-on-rewrite", False)
    _integer(b"auto-aof-rewrite-percentage", 0, INT_MAX, 100)
    _memory(b"auto-aof-rewrite-min-size", 0, 64 * 1024 * 1024)
    _yes_no(b"aof-load-truncated", True)
    _yes_no(b"aof-use-rdb-preamble", True)
    _yes_no(b"aof-timestamp-enabled", False)
    _yes_no(b"aof-rewrite-incremental-fsync", True)
    _yes_no(b"rdbcompression", True)
    _flag(_yes_no(b"rdbchecksum", True), PARAMETER_IMMUTABLE)
    _yes_no(b"rdb-del-sync-files", False)
    _yes_no(b"rdb-save-incremental-fsync", True)
    _yes_no(b"stop-writes-on-bgsave-error", True)


cdef void _fill_replication() noexcept nogil:
    cdef Parameter* parameter
    _also(_flag(_text(b"replicaof", b""), PARAMETER_IMMUTABLE | PARAMETER_MULTI | PARAMETER_DEFAULT_ONLY), b"slaveof")
    _flag(_text(b"masterauth", b""), PARAMETER_SENSITIVE)
    _text(b"masteruser", b"")
    _also(_yes_no(b"replica-serve-stale-data", True), b"slave-serve-stale-data")
    _also(_yes_no(b"replica-read-only", True), b"slave-read-only")
    _also(_yes_no(b"replica-lazy-flush", False), b"slave-lazy-flush")
    _also(_yes_no(b"replica-ignore-maxmemory", True), b"slave-ignore-maxmemory")
    _yes_no(b"replica-ignore-disk-write-errors", False)
    _yes_no(b"replica-announced", True)
    _also(_text(b"replica-announce-ip", b""), b"slave-announce-ip")
    _also(_integer(b"replica-announce-port", 0, 65535, 0), b"slave-announce-port")
    _also(_integer(b"replica-priority", 0, INT_MAX, 100), b"slave-priority")
    _memory(b"replica-full-sync-buffer-limit", 0, 0)
    _also(_integer(b"min-replicas-to-write", 0, INT_MAX, 0), b"min-slaves-to-write")
    _also(_integer(b"min-replicas-max-lag", 0, INT_MAX, 10), b"min-slaves-max-lag")
    _also(_integer(b"repl-ping-replica-period", 1, INT_MAX, 10), b"repl-ping-slave-period")
    _integer(b"repl-timeout", 1, INT_MAX, 60)
    _memory(b"repl-backlog-size", 1, 1024 * 1024)
    _integer(b"repl-backlog-ttl", 0, LONG_MAX, 3600)
    _yes_no(b"repl-disable-tcp-nodelay", False)
    _yes_no(b"repl-diskless-sync", True)
    _integer(b"repl-diskless-sync-delay", 0, INT_MAX, 5)
    _integer(b"repl-diskless-sync-max-replicas", 0, INT_MAX, 0)
    _choice(b"repl-diskless-load", b"disabled,on-empty-db,swapdb", 0)
    _flag(_yes_no(b"cluster-enabled", False), PARAMETER_IMMUTABLE | PARAMETER_DEFAULT_ONLY)
    _flag(_text(b"cluster-config-file", b"nodes.conf"), PARAMETER_IMMUTABLE)
    _flag(_integer(b"cluster-port", 0, 65535, 0), PARAMETER_IMMUTABLE)
    _text(b"cluster-announce-ip", b"")
    parameter = _text(b"cluster-announce-hostname", b"")
    parameter.kind = KIND_HOST_NAME
    _text(b"cluster-announce-human-nodename", b"")
    _integer(b"cluster-announce-port", 0, 65535, 0)
    _integer(b"cluster-announce-bus-port", 0, 65535, 0)
    _integer(b"cluster-announce-tls-port", 0, 65535, 0)
    _integer(b"cluster-node-timeout", 0, LONG_MAX, 15000)
    _integer(b"cluster-migration-barrier", 0, INT_MAX, 1)
    _also(_integer(b"cluster-replica-validity-factor", 0, INT_MAX, 10), b"cluster-slave-validity-factor")
    _also(_yes_no(b"cluster-replica-no-failover", False), b"cluster-slave-no-failover")
    _yes_no(b"cluster-require-full-coverage", True)
    _yes_no(b"cluster-allow-reads-when-down", False)
    _yes_no(b"cluster-allow-pubsubshard-when-down", True)
    _yes_no(b"cluster-allow-replica-migration", True)
    _yes_no(b"cluster-slot-stats-enabled", False)
    _integer(b"cluster-compatibility-sample-ratio", 0, 100, 0)
    _flag(_memory(b"cluster-link-sendbuf-limit", 0, 0), PARAMETER_UNSIGNED)
    _choice(b"cluster-preferred-endpoint-type", b"ip,hostname,unknown-endpoint", 0)


cdef void config_init(Config* config) noexcept nogil:
    cdef uint32_t i
    cdef const Parameter* parameter
    cdef Buffer* text
    memset(config, 0, sizeof(Config))
    for i in range(_count):
        parameter = &_table[i]
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


cdef void config_clear(Config* config) noexcept nogil:
    cdef uint32_t i
    for i in range(_count):
        if _is_text(&_table[i]):
            buffer_clear(_text_of(config, &_table[i]))
    buffer_clear(&config.config_file)


cdef uint32_t config_count() noexcept nogil:
    return _count


cdef const Parameter* config_parameter(uint32_t index) noexcept nogil:
    return &_table[index]


cdef const Parameter* config_find(Slice name) noexcept nogil:
    cdef uint32_t i
    for i in range(_count):
        if slice_is(name, _table[i].name) or (_table[i].alias != NULL and slice_is(name, _table[i].alias)):
            return &_table[i]
    return NULL


# ---- lines and files

cdef bint _is_space(char c) noexcept nogil:
    return c == c' ' or c'\t' <= c <= c'\r'


cdef int _hex_digit(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    c |= 32
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    return -1


cdef char _escaped(char c) noexcept nogil:
    if c == c'n':
        return c'\n'
    if c == c'r':
        return c'\r'
    if c == c't':
        return c'\t'
    if c == c'b':
        return c'\b'
    if c == c'a':
        return 7
    return c


cdef bint config_split_words(Slice line, Buffer* storage, Slice* words, size_t limit, size_t* count_out) noexcept nogil:
    cdef size_t i = 0, count = 0
    cdef char* out
    cdef char* start
    cdef char quote
    cdef char c
    count_out[0] = 0
    # A word is never longer than its spelling: one reservation, and the words' addresses stay.
    if not buffer_reserve(storage, line.length + 1):
        return False
    out = storage.data + storage.length
    while True:
        while i < line.length and _is_space(line.data[i]):
            i += 1
        if i == line.length:
            break
        if count == limit:
            return False
        start = out
        quote = 0
        while i < line.length:
            c = line.data[i]
            if quote == c'"':
                if c == c'\\' and i + 3 < line.length and line.data[i + 1] == c'x' and \
                        _hex_digit(line.data[i + 2]) >= 0 and _hex_digit(line.data[i + 3]) >= 0:
                    out[0] = <char>(_hex_digit(line.data[i + 2]) * 16 + _hex_digit(line.data[i + 3]))
                    out += 1
                    i += 3
                elif c == c'\\' and i + 1 < line.length:
                    i += 1
                    out[0] = _escaped(line.data[i])
                    out += 1
                elif c == c'"':
                    if i + 1 < line.length and not _is_space(line.data[i + 1]):
                        return False
                    quote = 0
                    i += 1
                    break
                else:
                    out[0] = c
                    out += 1
            elif quote == c"'":
                if c == c'\\' and i + 1 < line.length and line.data[i + 1] == c"'":
                    i += 1
                    out[0] = c"'"
                    out += 1
                elif c == c"'":
                    if i + 1 < line.length and not _is_space(line.data[i + 1]):
                        return False
                    quote = 0
                    i += 1
                    break
                else:
                    out[0] = c
                    out += 1
            elif _is_space(c):
                break
            elif c == c'"' or c == c"'":
                quote = c
            else:
                out[0] = c
                out += 1
            i += 1
        if quote:
            return False
        words[count] = slice_of(start, <size_t>(out - start))
        count += 1
    storage.length = <size_t>(out - storage.data)
    count_out[0] = count
    return True


cdef void config_quote(Slice text, Buffer* out) noexcept nogil:
    cdef size_t i
    cdef char c
    cdef char[8] hexadecimal
    buffer_append(out, b"\"", 1)
    for i in range(text.length):
        c = text.data[i]
        if c == c'\\' or c == c'"':
            buffer_append(out, b"\\", 1)
            buffer_append(out, &c, 1)
        elif c == c'\n':
            buffer_append(out, b"\\n", 2)
        elif c == c'\r':
            buffer_append(out, b"\\r", 2)
        elif c == c'\t':
            buffer_append(out, b"\\t", 2)
        elif c == 7:
            buffer_append(out, b"\\a", 2)
        elif c == c'\b':
            buffer_append(out, b"\\b", 2)
        elif c < 32 or c == 127:
            snprintf(hexadecimal, 8, b"\\x%02x", <unsigned int><unsigned char>c)
            buffer_append(out, hexadecimal, 4)
        else:
            buffer_append(out, &c, 1)
    buffer_append(out, b"\"", 1)


cdef const char* _refusal(Slice directive) noexcept nogil:
    """Directives of a redis.conf that are no parameters, and why they cannot be followed."""
    if slice_is(directive, b"include"):
        return b"include is not followed: put the lines of that file here"
    if slice_is(directive, b"loadmodule"):
        return b"Hutch loads no modules"
    if slice_is(directive, b"rename-command"):
        return b"commands cannot be renamed"
    if slice_is(directive, b"user"):
        return b"ACL users are not supported yet: use requirepass"
    return NULL


cdef bint _is_obsolete(Slice directive) noexcept nogil:
    """Redis 8 still reads these names, and ignores them."""
    return slice_is(directive, b"list-max-ziplist-entries") or slice_is(directive, b"list-max-ziplist-value") or \
        slice_is(directive, b"lua-replicate-commands") or slice_is(directive, b"io-threads-do-reads")


cdef bint _parse_words(Config* config, Slice* words, size_t count, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef const Parameter* parameter
    cdef Buffer joined
    cdef const char* refusal = _refusal(words[0])
    cdef bint good
    cdef size_t i
    if refusal != NULL:
        return _refuse(error_out, refusal)
    if _is_obsolete(words[0]):
        return True
    parameter = config_find(words[0])
    if parameter == NULL or count < 2:
        return _refuse(error_out, b"Bad directive or wrong number of arguments" if parameter == NULL
                       else b"wrong number of arguments")
    if count == 2:
        # "no one" may come as one word from a command line, too
        return config_set(config, parameter, words[1], CONFIG_AT_START, changed_out, error_out)
    if not parameter.flags & PARAMETER_MULTI:
        return _refuse(error_out, b"wrong number of arguments")
    if slice_is(words[0], b"replicaof") or slice_is(words[0], b"slaveof"):
        if count == 3 and slice_is(words[1], b"no") and slice_is(words[2], b"one"):
            return True
    buffer_init(&joined, NULL)
    for i in range(1, count):
        if i > 1:
            buffer_append(&joined, b" ", 1)
        buffer_append_slice(&joined, words[i])
    good = config_set(config, parameter, buffer_slice(&joined), CONFIG_AT_START, changed_out, error_out)
    buffer_clear(&joined)
    return good


cdef bint config_parse_line(Config* config, Slice line, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef Buffer storage
    cdef Slice[WORDS_MAX] words
    cdef size_t count, start = 0
    cdef bint good = True
    while start < line.length and _is_space(line.data[start]):
        start += 1
    if start == line.length or line.data[start] == c'#':
        return True
    buffer_init(&storage, NULL)
    if not config_split_words(line, &storage, words, WORDS_MAX, &count):
        good = _refuse(error_out, b"Unbalanced quotes in configuration line")
    elif count:
        good = _parse_words(config, words, count, changed_out, error_out)
    buffer_clear(&storage)
    return good


cdef bint config_load_file(Config* config, const char* path, uint64_t* changed_out, Buffer* error_out) noexcept nogil:
    cdef char[PATH_BYTES] resolved
    cdef char[4096] piece
    cdef Buffer text
    cdef Slice line
    cdef size_t got, start = 0, end, number = 0
    cdef bint good = True
    cdef FILE* file = fopen(path, b"r")
    if file == NULL:
        buffer_append_text(error_out, b"can't open config file '")
        buffer_append_text(error_out, path)
        buffer_append_text(error_out, b"': ")
        return _refuse(error_out, strerror(errno))
    buffer_init(&text, NULL)
    while True:
        got = fread(piece, 1, sizeof(piece), file)
        if got == 0:
            break
        buffer_append(&text, piece, got)
    if ferror(file) or text.failed:
        good = _refuse(error_out, b"can't read the config file")
    fclose(file)
    while good and start < text.length:
        end = start
        while end < text.length and text.data[end] != c'\n':
            end += 1
        line = slice_of(text.data + start, end - start)
        number += 1
        good = config_parse_line(config, line, changed_out, error_out)
        if not good:
            buffer_append_text(error_out, b", at line ")
            buffer_append_integer(error_out, <int64_t>number)
            buffer_append_text(error_out, b" >>> '")
            buffer_append_slice(error_out, line)
            buffer_append_text(error_out, b"'")
        start = end + 1
    buffer_clear(&text)
    if good and realpath(path, resolved) != NULL:
        buffer_clear(&config.config_file)
        buffer_append_text(&config.config_file, resolved)
    return good


_fill_network()
_fill_memory()
_fill_types()
_fill_process()
_fill_persistence()
_fill_replication()
if _count >= PARAMETERS_MAX - 1 or _spare_numbers >= CONFIG_SPARE_NUMBERS or _spare_texts >= CONFIG_SPARE_TEXTS:
    raise SystemError("the table of parameters is too small")
