/* Shows a program another wall clock than the system's: `clock.rs` sets by how much they differ, while it runs.
 *
 * Only what tells the time of day is moved. Whatever else a clock is asked for, the monotonic one above all, is what it
 * was, as when an operator or NTP sets the clock.
 *
 * CLOCK_OFFSET: a file of eight bytes, the milliseconds to add. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000L

static const _Atomic int64_t *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) {
        dprintf(2, "clock: no CLOCK_OFFSET\n");
        abort();
    }
    close(file);
    offset = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    /* A system call is slower than the vdso, and there from the first moment on. */
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (failed != 0 || offset == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return failed;
    int64_t milliseconds = atomic_load(offset);
    now->tv_sec += milliseconds / 1000;
    now->tv_nsec += milliseconds % 1000 * 1000000;
    if (now->tv_nsec >= BILLION) now->tv_sec++, now->tv_nsec -= BILLION;
    if (now->tv_nsec < 0) now->tv_sec--, now->tv_nsec += BILLION;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
    if (told != NULL) *told = precise.tv_sec;
    return precise.tv_sec;
}
