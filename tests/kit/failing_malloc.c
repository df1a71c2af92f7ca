/* malloc that fails when a test says so: preloaded into a server's process by tests/kit/refusal.py.
 *
 * The file that HUTCH_MALLOC_CONTROL names holds two 64-bit numbers, shared with the test: how many more blocks are given (below 0: all)
 * and how many were refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static volatile int64_t *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HUTCH_MALLOC_CONTROL");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared;
    if (file < 0)
        return;
    shared = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED)
        control = shared;
}

static int refused(void) {
    if (!control || __atomic_load_n(&control[0], __ATOMIC_SEQ_CST) < 0)
        return 0;
    if (__atomic_fetch_sub(&control[0], 1, __ATOMIC_SEQ_CST) > 0)
        return 0;
    __atomic_store_n(&control[0], 0, __ATOMIC_SEQ_CST);          /* and all that follow */
    __atomic_fetch_add(&control[1], 1, __ATOMIC_SEQ_CST);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t bytes) { return refused() ? NULL : __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return refused() ? NULL : __libc_calloc(count, bytes); }
void *realloc(void *block, size_t bytes) { return refused() ? NULL : __libc_realloc(block, bytes); }
