/* Native threads (see thread.pxd). */
#ifndef HUTCH_THREAD_H
#define HUTCH_THREAD_H
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void (*hutch_thread_body)(void *);
typedef struct { hutch_thread_body body; void *context; } hutch_thread_task;

/* Where the handler of a fault stands when it was the stack that overflowed. */
enum { HUTCH_THREAD_SIGNAL_BYTES = 65536 };

static void *hutch_thread_main(void *p) {
    hutch_thread_task task = *(hutch_thread_task *)p;
    stack_t signals, none;
    free(p);
    memset(&signals, 0, sizeof signals);
    memset(&none, 0, sizeof none);
    none.ss_flags = SS_DISABLE;
    signals.ss_sp = malloc(HUTCH_THREAD_SIGNAL_BYTES);           /* untouched until a fault: no page of it is there */
    signals.ss_size = HUTCH_THREAD_SIGNAL_BYTES;
    if (signals.ss_sp) sigaltstack(&signals, NULL);
    task.body(task.context);
    if (signals.ss_sp) { sigaltstack(&none, NULL); free(signals.ss_sp); }
    return NULL;
}

static int __attribute__((unused)) hutch_thread_start(hutch_thread_body body, void *context, const char *name,
                                                      size_t stack_bytes, uint64_t *thread_out) {
    /* Signals stay with the host's own threads; but those that a fault in this very thread raises must find their
     * handler (faulthandler's): blocked, they would end the process without a word. */
    static const int synchronous[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
    hutch_thread_task *task = malloc(sizeof *task);
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t blocked, before;
    size_t i;
    int failed;
    if (!task) return 0;
    if (pthread_attr_init(&attributes)) { free(task); return 0; }
    if (stack_bytes) pthread_attr_setstacksize(&attributes, stack_bytes);
    if (!thread_out) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    task->body = body;
    task->context = context;
    sigfillset(&blocked);
    for (i = 0; i < sizeof synchronous / sizeof *synchronous; i++) sigdelset(&blocked, synchronous[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    failed = pthread_create(&thread, &attributes, hutch_thread_main, task);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) { free(task); return 0; }
#ifdef __linux__
    if (thread_out) pthread_setname_np(thread, name);      /* a detached one may be over by now */
#else
    (void)name;
#endif
    if (thread_out) *thread_out = (uint64_t)(uintptr_t)thread;
    return 1;
}
static inline void hutch_thread_join(uint64_t thread) { pthread_join((pthread_t)(uintptr_t)thread, NULL); }
static inline uint64_t hutch_thread_self(void) { return (uint64_t)(uintptr_t)pthread_self(); }
static inline void hutch_thread_pause_us(long us) {
    struct timespec t = { us / 1000000, us % 1000000 * 1000 };
    nanosleep(&t, NULL);
}
#endif
