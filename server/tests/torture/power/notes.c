/* Notes what a program writes below one directory, and which of it the disk has been asked to keep, so that a
 * power cut can be played afterwards: `note.rs` reads the notes.
 *
 * It is loaded before the C library (LD_PRELOAD) and stands in for those of its functions by which SQLite and Rust
 * write files. Nothing here decides what a cut forgets, and no flush reaches the real disk: only the program dies.
 * C, because a library that is loaded like this cannot be written without `unsafe`.
 *
 * NOTED_DIRECTORY: which, as `realpath` writes it. NOTES: the file of the notes, which must not be there yet.
 *
 * The notes are in the order in which things happened, because everything that is noted is done under one lock. A
 * note that a kill cut off tells of something that nobody has been answered about. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* As `note.rs` has them. */
enum kind { OPENED = 1, WRITTEN, RESIZED, FLUSHED, REMOVED, RENAMED, DIRECTORY_MADE };
enum { IS_NEW = 1, IS_EMPTIED = 2 };

struct head {
    uint32_t kind;
    uint32_t handle;
    uint64_t number;
    uint64_t length;
};

/* File descriptors that can be followed. */
#define DESCRIPTORS 65536
/* How long a flush takes: about as long as on a good disk, so that a cut often falls into one. */
static const struct timespec FLUSH = {0, 1000000};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static int notes = -1;
static uint64_t noted;
static uint32_t handles;
/* By descriptor; 0: none of the files that are followed. */
static _Atomic uint32_t handle_of[DESCRIPTORS];

/* A run of which not everything is noted proves nothing. */
static void give_up(const char *why) {
    dprintf(2, "notes: %s (%s)\n", why, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("NOTED_DIRECTORY"), *path = getenv("NOTES");
    if (directory == NULL || path == NULL || strlen(directory) >= sizeof root) give_up("which directory?");
    strcpy(root, directory);
    notes = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (notes < 0) give_up("cannot make the notes");
}

static void note(enum kind kind, uint32_t handle, uint64_t number, const void *bytes, size_t length) {
    struct head head = {kind, handle, number, length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)bytes, length}};
    if (syscall(SYS_writev, notes, parts, 2) != (long)(sizeof head + length)) give_up("cannot write the notes");
    noted++;
}

/* What stands behind the directory in a whole path; none where it is another one. */
static const char *below(const char *path) {
    size_t length = strlen(root);
    if (strncmp(path, root, length) != 0) return NULL;
    if (path[length] == '\0') return "";
    return path[length] == '/' ? path + length + 1 : NULL;
}

/* The same of the path of something that has a name, or is to have it. */
static const char *named(const char *path, char whole[PATH_MAX]) {
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length + 2 > sizeof parent) return NULL;
    memcpy(parent, path, length);
    strcpy(parent + length, slash == NULL ? "." : length == 0 ? "/" : "");
    if (realpath(parent, whole) == NULL || strlen(whole) + strlen(name) + 2 > PATH_MAX) return NULL;
    strcat(whole, "/");
    strcat(whole, name);
    return below(whole);
}

/* The path of an open file. */
static const char *path_of(int fd, char whole[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, whole, PATH_MAX - 1);
    whole[length < 0 ? 0 : length] = '\0';
    return below(whole);
}

static uint32_t handle(int fd) {
    return fd >= 0 && fd < DESCRIPTORS ? atomic_load(&handle_of[fd]) : 0;
}

static long unlocked(long result) {
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static int open_at(int directory, const char *path, int flags, mode_t mode) {
    pthread_mutex_lock(&lock);
    int is_new = (flags & O_CREAT) != 0 && syscall(SYS_faccessat, directory, path, F_OK) != 0;
    int fd = syscall(SYS_openat, directory, path, flags, mode);
    int error = errno;
    char whole[PATH_MAX];
    const char *inside = fd < 0 ? NULL : path_of(fd, whole);
    if (inside != NULL) {
        if (fd >= DESCRIPTORS) give_up("too many descriptors");
        atomic_store(&handle_of[fd], ++handles);
        int how = (is_new ? IS_NEW : 0) | ((flags & O_TRUNC) != 0 ? IS_EMPTIED : 0);
        note(OPENED, handles, how, inside, strlen(inside));
    }
    errno = error;
    return unlocked(fd);
}

static long write_at(int fd, const void *bytes, size_t length, off_t offset) {
    pthread_mutex_lock(&lock);
    long done = syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (done > 0) note(WRITTEN, handle(fd), offset, bytes, done);
    return unlocked(done);
}

static long resize(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    long done = syscall(SYS_ftruncate, fd, length);
    if (done == 0 && handle(fd) != 0) note(RESIZED, handle(fd), length, NULL, 0);
    return unlocked(done);
}

/* Whatever was noted before it began is kept once it is done. */
static long flush(long call, int fd) {
    if (handle(fd) == 0) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    uint64_t upto = noted;
    pthread_mutex_unlock(&lock);
    nanosleep(&FLUSH, NULL);
    pthread_mutex_lock(&lock);
    note(FLUSHED, handle(fd), upto, NULL, 0);
    return unlocked(0);
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if (((flags) & O_CREAT) != 0) {                                                                                    \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(directory, path, flags, mode);
}

/* Before it is closed: its number may be another file's at once. */
int close(int fd) {
    if (handle(fd) != 0) atomic_store(&handle_of[fd], 0);
    return syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (handle(fd) == 0) return syscall(SYS_write, fd, bytes, length);
    pthread_mutex_lock(&lock);
    long done = syscall(SYS_write, fd, bytes, length);
    if (done > 0) note(WRITTEN, handle(fd), lseek(fd, 0, SEEK_CUR) - done, bytes, done);
    return unlocked(done);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    if (handle(fd) == 0) return syscall(SYS_pwrite64, fd, bytes, length, offset);
    return write_at(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    return pwrite(fd, bytes, length, offset);
}

int ftruncate(int fd, off_t length) { return resize(fd, length); }
int ftruncate64(int fd, off64_t length) { return resize(fd, length); }
int fsync(int fd) { return flush(SYS_fsync, fd); }
int fdatasync(int fd) { return flush(SYS_fdatasync, fd); }

int unlink(const char *path) {
    char whole[PATH_MAX];
    pthread_mutex_lock(&lock);
    const char *inside = named(path, whole);
    long done = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (done == 0 && inside != NULL) note(REMOVED, 0, 0, inside, strlen(inside));
    return unlocked(done);
}

/* The two paths stand one behind the other, each with its end. */
int rename(const char *from, const char *to) {
    char before[PATH_MAX], after[PATH_MAX], both[2 * PATH_MAX];
    pthread_mutex_lock(&lock);
    const char *source = named(from, before), *target = named(to, after);
    if ((source == NULL) != (target == NULL)) give_up("something is moved into the directory or out of it");
    long done = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (done == 0 && source != NULL) {
        size_t first = strlen(source) + 1, second = strlen(target) + 1;
        memcpy(both, source, first);
        memcpy(both + first, target, second);
        note(RENAMED, 0, 0, both, first + second);
    }
    return unlocked(done);
}

int mkdir(const char *path, mode_t mode) {
    char whole[PATH_MAX];
    pthread_mutex_lock(&lock);
    long done = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    const char *inside = done == 0 ? named(path, whole) : NULL;
    if (inside != NULL) note(DIRECTORY_MADE, 0, 0, inside, strlen(inside));
    return unlocked(done);
}

/* What is written through memory cannot be noted. Only SQLite's index of its log may be, which is made anew
 * after a cut. */
static void *map(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    char whole[PATH_MAX];
    if (handle(fd) != 0 && (protection & PROT_WRITE) != 0 && (flags & MAP_SHARED) != 0) {
        const char *inside = path_of(fd, whole);
        size_t end = inside == NULL ? 0 : strlen(inside);
        if (end < 4 || strcmp(inside + end - 4, "-shm") != 0) give_up("a file is written through memory");
    }
    return (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return map(at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    return map(at, length, protection, flags, fd, offset);
}

/* Copies inside the system cannot be noted either: whoever asks for one then reads and writes. */
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t length, unsigned int flags) {
    if (handle(to) == 0) return syscall(SYS_copy_file_range, from, at, to, there, length, flags);
    errno = ENOSYS;
    return -1;
}

static ssize_t send_file(int to, int from, off_t *at, size_t length) {
    if (handle(to) == 0) return syscall(SYS_sendfile, to, from, at, length);
    errno = ENOSYS;
    return -1;
}

ssize_t sendfile(int to, int from, off_t *at, size_t length) { return send_file(to, from, at, length); }
ssize_t sendfile64(int to, int from, off64_t *at, size_t length) { return send_file(to, from, at, length); }
