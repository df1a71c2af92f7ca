"""See growth.pxd."""
from libc.stdint cimport UINT64_MAX, uint64_t
from libc.string cimport memchr
from hutch_engine.base.compiler cimport likely, unlikely

cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <stdio.h>
    #include <string.h>
    static __thread const void *hutch_limited;
    static __thread uint64_t hutch_limit_bytes;
    /* The number behind `name` in that file, or the first number where name is empty; UINT64_MAX: there is none ("max"). */
    static uint64_t hutch_number_in(const char *path, const char *name) {
        char line[256];
        unsigned long long value;
        uint64_t found = UINT64_MAX;
        size_t length = strlen(name);
        FILE *file = fopen(path, "re");
        if (file == NULL) return found;
        while (fgets(line, sizeof(line), file) != NULL)
            if (strncmp(line, name, length) == 0 && sscanf(line + length, " %llu", &value) == 1) {
                found = value;
                break;
            }
        fclose(file);
        return found;
    }
    static uint64_t hutch_group_bytes(const char *limit, const char *used, const char *stat, const char *cache) {
        uint64_t most = hutch_number_in(limit, ""), now = hutch_number_in(used, ""), files;
        if (most == UINT64_MAX || now == UINT64_MAX) return UINT64_MAX;
        files = hutch_number_in(stat, cache);                   /* these pages the system takes back */
        if (files != UINT64_MAX) now = files < now ? now - files : 0;
        return now < most ? most - now : 0;
    }
    static uint64_t hutch_available_bytes(void) {
        uint64_t bytes = hutch_number_in("/proc/meminfo", "MemAvailable:"), group;
        if (bytes != UINT64_MAX) bytes *= 1024;
        group = hutch_group_bytes("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat",
                                  "inactive_file");
        if (group < bytes) bytes = group;
        group = hutch_group_bytes("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                                  "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file");
        return group < bytes ? group : bytes;
    }
    """
    const void* hutch_limited
    uint64_t hutch_limit_bytes
    uint64_t hutch_available_bytes() noexcept


cdef enum:
    OBJECT_BYTES_PER_LINE = 36      # a short bulk string has two lines: an object of some 56 bytes, and 8 in its list


cdef void growth_limit(const void* buffer, uint64_t bytes) noexcept nogil:
    global hutch_limited, hutch_limit_bytes
    hutch_limited = buffer if bytes else NULL
    hutch_limit_bytes = bytes


cdef int growth_judge(const void* buffer, uint64_t needed_bytes, uint64_t capacity, uint64_t wanted_capacity) noexcept nogil:
    if unlikely(buffer == hutch_limited) and needed_bytes > hutch_limit_bytes:
        return GROWTH_OVER_LIMIT
    if unlikely(wanted_capacity > GROWTH_FREE_BYTES) and wanted_capacity - capacity > hutch_available_bytes() // 2:
        return 1
    return 0


cdef bint growth_outgrows_memory(const char* data, uint64_t length) noexcept nogil:
    cdef const char* at = data
    cdef const char* end = data + length
    cdef uint64_t lines = 0
    if likely(length <= GROWTH_FREE_BYTES):
        return False
    while at != NULL and at < end:
        at = <const char*>memchr(at, c'\n', <size_t>(end - at))
        if at != NULL:
            at += 1
            lines += 1
    return length + lines * OBJECT_BYTES_PER_LINE > hutch_available_bytes()


cdef uint64_t growth_available_bytes() noexcept nogil:
    return hutch_available_bytes()
