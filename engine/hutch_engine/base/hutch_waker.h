/* Waking a thread that polls descriptors (see waker.pxd). */
#ifndef HUTCH_WAKER_H
#define HUTCH_WAKER_H
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

static int __attribute__((unused)) hutch_waker_open(int *read_fd, int *write_fd, int portable) {
#ifdef __linux__
    if (!portable) {
        *read_fd = *write_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        return *read_fd >= 0;
    }
#endif
    (void)portable;
    int ends[2];
    if (pipe(ends) != 0) return 0;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    }
    *read_fd = ends[0];
    *write_fd = ends[1];
    return 1;
}

static void __attribute__((unused)) hutch_waker_wake(int write_fd) {
    uint64_t one = 1;                    /* eventfd wants eight bytes, a pipe takes them too */
    ssize_t ignored;                     /* a full pipe or counter: a wake is waiting already */
    do ignored = write(write_fd, &one, sizeof one); while (ignored < 0 && errno == EINTR);
}

static void __attribute__((unused)) hutch_waker_drain(int read_fd) {
    char bytes[64];
    while (read(read_fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes) {}
}

static void __attribute__((unused)) hutch_waker_close(int read_fd, int write_fd) {
    if (read_fd >= 0) close(read_fd);
    if (write_fd >= 0 && write_fd != read_fd) close(write_fd);
}
#endif
