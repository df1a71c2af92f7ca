/* The engine's mutex and its signal (see lock.pxd).
 *
 * Linux: a three-state futex mutex (Drepper, "Futexes Are Tricky", 2011, mutex 2): 0 free, 1 taken,
 * 2 taken and somebody may wait. The fast path is one compare-exchange to take and one exchange to
 * release, inline. `waiters` counts those inside the slow path so a holder can be asked to give way.
 * Elsewhere: pthread mutex and condition.
 *
 * In builds with checks a lock knows its owner, so that whoever needs it can ask (hutch_lock_is_mine).
 */
#ifndef HUTCH_LOCK_H
#define HUTCH_LOCK_H
#include <stdint.h>
#include <time.h>
#include <errno.h>

#ifndef HUTCH_CHECKS
#define HUTCH_CHECKS 0
#endif
#if HUTCH_CHECKS
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#define HUTCH_LOCK_OWNER uint64_t owner;
#define HUTCH_LOCK_TAKEN(l) __atomic_store_n(&(l)->owner, (uint64_t)(uintptr_t)pthread_self(), __ATOMIC_RELAXED)
#define HUTCH_LOCK_GIVEN(l) do { \
        if (!hutch_lock_is_mine(l)) { \
            fprintf(stderr, "hutch: invariant broken: a lock is released by a thread that does not hold it\n"); \
            abort(); \
        } \
        __atomic_store_n(&(l)->owner, 0, __ATOMIC_RELAXED); \
    } while (0)
#define hutch_lock_is_mine(l) (__atomic_load_n(&(l)->owner, __ATOMIC_RELAXED) == (uint64_t)(uintptr_t)pthread_self())
#define hutch_lock_forget_owner(l) ((l)->owner = 0)
#else
#define HUTCH_LOCK_OWNER
#define HUTCH_LOCK_TAKEN(l) ((void)0)
#define HUTCH_LOCK_GIVEN(l) ((void)0)
#define hutch_lock_is_mine(l) 1
#define hutch_lock_forget_owner(l) ((void)0)
#endif

#if defined(__linux__) && !defined(HUTCH_PORTABLE_LOCK)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sched.h>

typedef struct { uint32_t state; uint32_t waiters; uint32_t handovers; HUTCH_LOCK_OWNER } hutch_lock;
typedef struct { uint32_t sequence; uint32_t waiting; } hutch_signal;

static inline void hutch_lock_init(hutch_lock *l) {
    l->state = 0; l->waiters = 0; l->handovers = 0; hutch_lock_forget_owner(l);
}
static inline void hutch_lock_clear(hutch_lock *l) { (void)l; }
static inline int hutch_lock_try(hutch_lock *l) {
    uint32_t zero = 0;
    if (!__atomic_compare_exchange_n(&l->state, &zero, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return 0;
    HUTCH_LOCK_TAKEN(l);
    return 1;
}
static int __attribute__((noinline, unused)) hutch_lock_try_briefly(hutch_lock *l) {
    for (int i = 0; i < 32; i++) {
        if (__atomic_load_n(&l->state, __ATOMIC_RELAXED) == 0 && hutch_lock_try(l)) return 1;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    return 0;
}
static void __attribute__((noinline)) hutch_lock_slow(hutch_lock *l) {
    /* A short spin first: holders keep the lock for microseconds at most when all is well. */
    for (int i = 0; i < 64; i++) {
        if (__atomic_load_n(&l->state, __ATOMIC_RELAXED) == 0 && hutch_lock_try(l)) return;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    __atomic_fetch_add(&l->waiters, 1, __ATOMIC_RELAXED);
    while (__atomic_exchange_n(&l->state, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    __atomic_fetch_sub(&l->waiters, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&l->handovers, 1, __ATOMIC_RELAXED);
    HUTCH_LOCK_TAKEN(l);
}
static inline void hutch_lock_acquire(hutch_lock *l) { if (!hutch_lock_try(l)) hutch_lock_slow(l); }
static inline void hutch_lock_release(hutch_lock *l) {
    HUTCH_LOCK_GIVEN(l);
    if (__atomic_exchange_n(&l->state, 0, __ATOMIC_RELEASE) == 2)
        syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
static inline int hutch_lock_is_wanted(hutch_lock *l) {
    return __atomic_load_n(&l->waiters, __ATOMIC_RELAXED) != 0;
}
static void __attribute__((unused)) hutch_lock_give_way(hutch_lock *l) {
    /* An unfair mutex would be retaken before the woken waiter runs: stay off it until somebody had
     * it, or for a bounded number of yields. */
    uint32_t seen = __atomic_load_n(&l->handovers, __ATOMIC_RELAXED);
    hutch_lock_release(l);
    for (int i = 0; i < 100 && hutch_lock_is_wanted(l)
                    && __atomic_load_n(&l->handovers, __ATOMIC_RELAXED) == seen; i++)
        sched_yield();
    hutch_lock_acquire(l);
}

static inline void hutch_signal_init(hutch_signal *s) { s->sequence = 0; s->waiting = 0; }
static inline void hutch_signal_clear(hutch_signal *s) { (void)s; }
static inline uint32_t hutch_signal_prepare(hutch_signal *s) { return __atomic_load_n(&s->sequence, __ATOMIC_ACQUIRE); }
static int __attribute__((unused)) hutch_signal_wait(hutch_signal *s, uint32_t ticket, int64_t timeout_us) {
    struct timespec t, *limit = NULL;
    if (timeout_us >= 0) {
        t.tv_sec = timeout_us / 1000000; t.tv_nsec = (timeout_us % 1000000) * 1000; limit = &t;
    }
    __atomic_fetch_add(&s->waiting, 1, __ATOMIC_SEQ_CST);
    long r = 0; int timed_out = 0;
    if (__atomic_load_n(&s->sequence, __ATOMIC_SEQ_CST) == ticket) {
        r = syscall(SYS_futex, &s->sequence, FUTEX_WAIT_PRIVATE, ticket, limit, NULL, 0);
        timed_out = r != 0 && errno == ETIMEDOUT;
    }
    __atomic_fetch_sub(&s->waiting, 1, __ATOMIC_SEQ_CST);
    return !timed_out;
}
static inline void hutch_signal_raise(hutch_signal *s) {
    __atomic_fetch_add(&s->sequence, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&s->waiting, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &s->sequence, FUTEX_WAKE_PRIVATE, 0x7fffffff, NULL, NULL, 0);
}

#else
#include <pthread.h>
#include <sched.h>

typedef struct { pthread_mutex_t mutex; uint32_t waiters; HUTCH_LOCK_OWNER } hutch_lock;
typedef struct { pthread_mutex_t mutex; pthread_cond_t condition; uint32_t sequence; } hutch_signal;

static inline void hutch_lock_init(hutch_lock *l) {
    pthread_mutex_init(&l->mutex, NULL); l->waiters = 0; hutch_lock_forget_owner(l);
}
static inline void hutch_lock_clear(hutch_lock *l) { pthread_mutex_destroy(&l->mutex); }
static inline int hutch_lock_try(hutch_lock *l) {
    if (pthread_mutex_trylock(&l->mutex) != 0) return 0;
    HUTCH_LOCK_TAKEN(l);
    return 1;
}
static int __attribute__((noinline, unused)) hutch_lock_try_briefly(hutch_lock *l) {
    for (int i = 0; i < 4; i++) if (hutch_lock_try(l)) return 1;
    return 0;
}
static inline void hutch_lock_acquire(hutch_lock *l) {
    if (hutch_lock_try(l)) return;
    __atomic_fetch_add(&l->waiters, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&l->mutex);
    __atomic_fetch_sub(&l->waiters, 1, __ATOMIC_RELAXED);
    HUTCH_LOCK_TAKEN(l);
}
static inline void hutch_lock_release(hutch_lock *l) { HUTCH_LOCK_GIVEN(l); pthread_mutex_unlock(&l->mutex); }
static inline int hutch_lock_is_wanted(hutch_lock *l) { return __atomic_load_n(&l->waiters, __ATOMIC_RELAXED) != 0; }
static void __attribute__((unused)) hutch_lock_give_way(hutch_lock *l) {
    hutch_lock_release(l);
    for (int i = 0; i < 100 && hutch_lock_is_wanted(l); i++) sched_yield();
    hutch_lock_acquire(l);
}

static inline void hutch_signal_init(hutch_signal *s) {
    pthread_mutex_init(&s->mutex, NULL); pthread_cond_init(&s->condition, NULL); s->sequence = 0;
}
static inline void hutch_signal_clear(hutch_signal *s) {
    pthread_cond_destroy(&s->condition); pthread_mutex_destroy(&s->mutex);
}
static inline uint32_t hutch_signal_prepare(hutch_signal *s) { return __atomic_load_n(&s->sequence, __ATOMIC_ACQUIRE); }
static int __attribute__((unused)) hutch_signal_wait(hutch_signal *s, uint32_t ticket, int64_t timeout_us) {
    int r = 0;
    pthread_mutex_lock(&s->mutex);
    if (timeout_us < 0) {
        while (s->sequence == ticket && r == 0) r = pthread_cond_wait(&s->condition, &s->mutex);
    } else {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_sec += timeout_us / 1000000; t.tv_nsec += (timeout_us % 1000000) * 1000;
        if (t.tv_nsec >= 1000000000) { t.tv_sec++; t.tv_nsec -= 1000000000; }
        while (s->sequence == ticket && r == 0) r = pthread_cond_timedwait(&s->condition, &s->mutex, &t);
    }
    pthread_mutex_unlock(&s->mutex);
    return r != ETIMEDOUT;
}
static inline void hutch_signal_raise(hutch_signal *s) {
    pthread_mutex_lock(&s->mutex);
    __atomic_fetch_add(&s->sequence, 1, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&s->condition);
    pthread_mutex_unlock(&s->mutex);
}
#endif
#endif
