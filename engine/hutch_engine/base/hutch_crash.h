/* What is written when the process dies of a fault (see control/crash_log.pxd): the handler, who installs it, and who is asked
 * for more. Within the handler nothing is called that is not safe there; no memory is taken, and no lock. */
#ifndef HUTCH_CRASH_H
#define HUTCH_CRASH_H
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#endif
#if defined(__has_include)
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#define HUTCH_HAS_BACKTRACE 1
#endif
#endif

enum { HUTCH_CRASH_SIGNALS = 5, HUTCH_CRASH_ENGINES = 32, HUTCH_CRASH_FRAMES = 100 };
typedef int (*hutch_crash_opener)(void *engine);                 /* a descriptor to write to */
typedef void (*hutch_crash_describer)(void *engine, int fd);

static const int hutch_crash_signals[HUTCH_CRASH_SIGNALS] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
static struct sigaction hutch_crash_before[HUTCH_CRASH_SIGNALS];
static void *hutch_crash_engines[HUTCH_CRASH_ENGINES];           /* who wants a report */
static int hutch_crash_count = 0;
static hutch_crash_opener hutch_crash_open;
static hutch_crash_describer hutch_crash_describe;
static pthread_mutex_t hutch_crash_lock = PTHREAD_MUTEX_INITIALIZER;

static void hutch_crash_bytes(int fd, const char *bytes, size_t length) {
    while (length) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        bytes += written;
        length -= (size_t)written;
    }
}
static void hutch_crash_text(int fd, const char *text) { hutch_crash_bytes(fd, text, strlen(text)); }
static void hutch_crash_number(int fd, uint64_t number, unsigned base) {
    char digits[32];
    size_t at = sizeof digits;
    do { digits[--at] = "0123456789abcdef"[number % base]; number /= base; } while (number);
    hutch_crash_bytes(fd, digits + at, sizeof digits - at);
}
/* A line begins as those do that Redis writes within signal handlers. */
static void hutch_crash_line(int fd, const char *text) {
    hutch_crash_number(fd, (uint64_t)getpid(), 10);
    hutch_crash_text(fd, ":signal-handler (");
    hutch_crash_number(fd, (uint64_t)time(NULL), 10);
    hutch_crash_text(fd, ") ");
    hutch_crash_text(fd, text);
}
static const char *hutch_crash_name(int signal) {
    switch (signal) {
        case SIGSEGV: return "SIGSEGV"; case SIGBUS: return "SIGBUS"; case SIGFPE: return "SIGFPE";
        case SIGILL: return "SIGILL"; case SIGABRT: return "SIGABRT"; default: return "?";
    }
}
static void hutch_crash_head(int fd, int signal, const siginfo_t *info, void *context) {
    (void)context;
    hutch_crash_text(fd, "\n\n=== HUTCH CRASH REPORT: please send all of it to where you report bugs ===\n");
    hutch_crash_line(fd, "Hutch crashed by signal: ");
    hutch_crash_number(fd, (uint64_t)signal, 10);
    hutch_crash_text(fd, " (");
    hutch_crash_text(fd, hutch_crash_name(signal));
    hutch_crash_text(fd, "), si_code: ");
    if (info->si_code < 0) hutch_crash_text(fd, "-");
    hutch_crash_number(fd, (uint64_t)(info->si_code < 0 ? -(int64_t)info->si_code : info->si_code), 10);
    hutch_crash_text(fd, "\n");
    if (info->si_code > 0 && signal != SIGABRT) {
        hutch_crash_line(fd, "Accessing address: 0x");
        hutch_crash_number(fd, (uint64_t)(uintptr_t)info->si_addr, 16);
        hutch_crash_text(fd, "\n");
    } else if (info->si_code <= 0) {
        hutch_crash_line(fd, "Sent by PID: ");
        hutch_crash_number(fd, (uint64_t)info->si_pid, 10);
        hutch_crash_text(fd, "\n");
    }
#if defined(__linux__)
    {
        char name[17] = { 0 };
        prctl(PR_GET_NAME, name, 0, 0, 0);
        hutch_crash_line(fd, "Thread: ");
        hutch_crash_number(fd, (uint64_t)syscall(SYS_gettid), 10);
        hutch_crash_text(fd, " ");
        hutch_crash_text(fd, name);
        hutch_crash_text(fd, "\n");
    }
#if defined(__x86_64__) && defined(REG_RIP)
    hutch_crash_line(fd, "At the instruction: 0x");
    hutch_crash_number(fd, (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP], 16);
    hutch_crash_text(fd, "\n");
#endif
#endif
}
static void hutch_crash_handler(int signal, siginfo_t *info, void *context) {
    int i, fd;
    /* From here on, everything is as before us: a second fault ends the process, and so does the end of this function. */
    for (i = 0; i < HUTCH_CRASH_SIGNALS; i++)
        sigaction(hutch_crash_signals[i], &hutch_crash_before[i], NULL);
    for (i = 0; i < HUTCH_CRASH_ENGINES; i++) {
        void *engine = hutch_crash_engines[i];
        if (!engine) continue;
        fd = hutch_crash_open(engine);
        if (fd < 0) fd = STDERR_FILENO;
        hutch_crash_head(fd, signal, info, context);
#if HUTCH_HAS_BACKTRACE
        {
            void *frames[HUTCH_CRASH_FRAMES];
            int count = backtrace(frames, HUTCH_CRASH_FRAMES);
            hutch_crash_text(fd, "\n--- STACK TRACE ---\n");
            backtrace_symbols_fd(frames, count, fd);
        }
#endif
        hutch_crash_describe(engine, fd);                        /* last: what it reads may be what is broken */
        hutch_crash_text(fd, "\n=== HUTCH CRASH REPORT END ===\n\n");
        if (fd != STDERR_FILENO) close(fd);
    }
    /* To whoever stood here before, or the end that the system has for it. Blocked until we return. */
    raise(signal);
}
static int __attribute__((unused)) hutch_crash_is_ours(int index) {
    struct sigaction now;
    return sigaction(hutch_crash_signals[index], NULL, &now) == 0 && now.sa_flags & SA_SIGINFO
        && now.sa_sigaction == hutch_crash_handler;
}
static void __attribute__((unused)) hutch_crash_begin(void *engine, hutch_crash_opener open, hutch_crash_describer describe) {
    struct sigaction action;
    int i, place = -1;
    pthread_mutex_lock(&hutch_crash_lock);
    for (i = 0; i < HUTCH_CRASH_ENGINES; i++) {
        if (hutch_crash_engines[i] == engine) { place = -1; break; }
        if (!hutch_crash_engines[i] && place < 0) place = i;
    }
    if (place >= 0) {
        hutch_crash_open = open;
        hutch_crash_describe = describe;
        hutch_crash_engines[place] = engine;
        if (hutch_crash_count++ == 0) {
#if HUTCH_HAS_BACKTRACE
            void *frame;
            backtrace(&frame, 1);                                /* loads what it needs, which is not for a handler to do */
#endif
            memset(&action, 0, sizeof action);
            sigemptyset(&action.sa_mask);
            action.sa_flags = SA_SIGINFO | SA_ONSTACK;
            action.sa_sigaction = hutch_crash_handler;
            for (i = 0; i < HUTCH_CRASH_SIGNALS; i++)
                if (!hutch_crash_is_ours(i))
                    sigaction(hutch_crash_signals[i], &action, &hutch_crash_before[i]);
        }
    }
    pthread_mutex_unlock(&hutch_crash_lock);
}
static void __attribute__((unused)) hutch_crash_end(void *engine) {
    int i;
    pthread_mutex_lock(&hutch_crash_lock);
    for (i = 0; i < HUTCH_CRASH_ENGINES; i++)
        if (hutch_crash_engines[i] == engine) {
            hutch_crash_engines[i] = NULL;
            hutch_crash_count--;
            if (hutch_crash_count == 0) {
                int k;
                /* Somebody who came after us has ours to go on with: it stays, and finds no engine. */
                for (k = 0; k < HUTCH_CRASH_SIGNALS; k++)
                    if (hutch_crash_is_ours(k))
                        sigaction(hutch_crash_signals[k], &hutch_crash_before[k], NULL);
            }
        }
    pthread_mutex_unlock(&hutch_crash_lock);
}
#endif
