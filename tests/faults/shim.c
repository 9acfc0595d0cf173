/* Between one process and its C library: records what it does to a folder, and makes a chosen call fail.

   SHIM_ROOT     the folder; only what is below it is recorded
   SHIM_RECORD   the file that records are appended to, in the order of the calls; empty: none
   SHIM_ORDER    a file that is mapped: which call fails, and how; a test changes it at any time

   Children are left alone: the variables are gone before the program looks at its environment. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, NAME = 4, READ = 8, DESCRIPTOR = 16, FORK = 32 };
enum { IN_FOLDER = WRITE | SYNC | NAME | READ };

struct order { /* tests/faults/shims.py packs it */
    int32_t kinds, error;
    int64_t countdown, fired, is_lasting;
};

static struct order *order;
static char root[PATH_MAX], skipped[4][PATH_MAX];
static size_t root_length;
static int record_fd = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside; /* our own calls are nobody's */

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("SHIM_ROOT"), *record = getenv("SHIM_RECORD"), *orders = getenv("SHIM_ORDER");
    if (folder == NULL) return;
    snprintf(root, sizeof root, "%s/", folder);
    root_length = strlen(root);
    const char *others[4] = {"images/", "pods/", "program/", "uv-cache/"};
    for (int i = 0; i < 4; i++) snprintf(skipped[i], PATH_MAX, "%.2000s%s", root, others[i]);
    if (record != NULL && *record) {
        int fd = REAL(open)(record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        record_fd = fcntl(fd, F_DUPFD_CLOEXEC, 700);
        REAL(close)(fd);
    }
    if (orders != NULL && *orders) {
        int fd = REAL(open)(orders, O_RDWR | O_CLOEXEC);
        order = mmap(NULL, sizeof *order, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        REAL(close)(fd);
    }
    unsetenv("LD_PRELOAD");
    unsetenv("SHIM_ROOT");
    unsetenv("SHIM_RECORD");
    unsetenv("SHIM_ORDER");
}

/* --- which file --- */

static int is_mine(const char *path) {
    size_t length = strlen(path);
    if (root_length == 0) return 0;
    if (length == root_length - 1 && strncmp(path, root, length) == 0) return 1; /* the folder itself */
    if (strncmp(path, root, root_length) != 0) return 0;
    for (int i = 0; i < 4; i++)
        if (strncmp(path, skipped[i], strlen(skipped[i])) == 0) return 0;
    return !(length > 4 && strcmp(path + length - 4, "-shm") == 0); /* SQLite makes it anew */
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_mine(path);
}

static int absolute(int folder_fd, const char *name, char *path) {
    char base[PATH_MAX] = "", link[64];
    if (name == NULL) return 0;
    if (name[0] != '/') {
        if (folder_fd == AT_FDCWD) {
            if (getcwd(base, sizeof base) == NULL) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder_fd);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
    } else if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
        return 0;
    return is_mine(path);
}

static int64_t inode_at(const char *path) {
    struct stat status;
    int before = errno;
    int64_t inode = fstatat(AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) == 0 ? (int64_t)status.st_ino : 0;
    errno = before;
    return inode;
}

static int64_t inode_of(int fd) {
    struct stat status;
    int before = errno;
    int64_t inode = fstat(fd, &status) == 0 ? (int64_t)status.st_ino : 0;
    errno = before;
    return inode;
}

/* --- what is recorded: kind, inode, offset, lengths, path, data --- */

static void note(char kind, int64_t inode, int64_t offset, const char *path, const void *data, size_t length) {
    if (record_fd < 0) return;
    int before = errno;
    struct __attribute__((packed)) { char kind; int64_t inode, offset; uint32_t path_length, length; } head = {
        kind, inode, offset, (uint32_t)strlen(path), (uint32_t)length};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, strlen(path)}, {(void *)data, length}};
    if (REAL(writev)(record_fd, parts, 3) < 0) abort();
    errno = before;
}

static int64_t position(void) {
    struct stat status;
    return record_fd >= 0 && fstat(record_fd, &status) == 0 ? status.st_size : 0;
}

/* --- what fails --- */

static int fails(int kind) {
    if (order == NULL || inside || !(order->kinds & kind)) return 0;
    int64_t left = __atomic_sub_fetch(&order->countdown, 1, __ATOMIC_SEQ_CST);
    if (left != 0 && !(left < 0 && order->is_lasting)) return 0;
    __atomic_add_fetch(&order->fired, 1, __ATOMIC_SEQ_CST);
    errno = order->error;
    return 1;
}

static int fails_at(int kind, int fd) {
    char path[PATH_MAX];
    return order != NULL && (order->kinds & kind) && path_of(fd, path) && fails(kind);
}

/* --- content --- */

#define CHANGE(type, fd, call, done)                                   \
    char path[PATH_MAX];                                               \
    int mine = path_of(fd, path);                                      \
    if (mine && fails(WRITE)) return -1;                               \
    if (!mine) return call;                                            \
    pthread_mutex_lock(&turn);                                         \
    type result = call;                                                \
    if (result >= 0) { done; }                                         \
    pthread_mutex_unlock(&turn);                                       \
    return result

static int64_t end_of(int fd, ssize_t written) { /* where it was written to, by what the descriptor says now */
    return lseek(fd, 0, SEEK_CUR) - written;
}

ssize_t write(int fd, const void *data, size_t length) {
    CHANGE(ssize_t, fd, REAL(write)(fd, data, length), note('w', inode_of(fd), end_of(fd, result), path, data, result));
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
    CHANGE(ssize_t, fd, REAL(pwrite)(fd, data, length, at), note('w', inode_of(fd), at, path, data, result));
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { return pwrite(fd, data, length, at); }

static void note_copied(int fd, const char *path, int64_t at, ssize_t length) {
    char *data = malloc(length ? length : 1);
    char through[64];
    snprintf(through, sizeof through, "/proc/self/fd/%d", fd);
    int reading = REAL(open)(through, O_RDONLY | O_CLOEXEC);
    if (REAL(pread)(reading, data, length, at) != length) abort();
    REAL(close)(reading);
    note('w', inode_of(fd), at, path, data, length);
    free(data);
}
ssize_t sendfile(int fd, int from, off_t *at, size_t length) {
    CHANGE(ssize_t, fd, REAL(sendfile)(fd, from, at, length), note_copied(fd, path, end_of(fd, result), result));
}
ssize_t sendfile64(int fd, int from, off64_t *at, size_t length) { return sendfile(fd, from, at, length); }

int ftruncate(int fd, off_t length) {
    CHANGE(int, fd, REAL(ftruncate)(fd, length), note('t', inode_of(fd), length, path, "", 0));
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

/* A failed sync loses what it should have written: the kernel does not try again. */
static int synced(int fd, int (*call)(int)) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return call(fd);
    int64_t since = position();
    if (fails(SYNC)) {
        note('x', inode_of(fd), since, path, "", 0);
        return -1;
    }
    int result = call(fd);
    if (result == 0) note('s', inode_of(fd), since, path, "", 0);
    return result;
}
int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }
int syncfs(int fd) {
    int64_t since = position();
    int result = REAL(syncfs)(fd);
    if (result == 0) note('S', 0, since, "", "", 0);
    return result;
}

ssize_t read(int fd, void *data, size_t length) { return fails_at(READ, fd) ? -1 : REAL(read)(fd, data, length); }
ssize_t pread(int fd, void *data, size_t length, off_t at) {
    return fails_at(READ, fd) ? -1 : REAL(pread)(fd, data, length, at);
}
ssize_t pread64(int fd, void *data, size_t length, off64_t at) { return pread(fd, data, length, at); }

/* --- names --- */

static int opened(int folder_fd, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int mine = absolute(folder_fd, name, path) && !inside;
    if (fails(DESCRIPTOR)) return -1;
    if (mine && fails(flags & O_CREAT ? NAME : READ)) return -1;
    if (!mine) return REAL(openat)(folder_fd, name, flags, mode);
    pthread_mutex_lock(&turn);
    int64_t before = inode_at(path);
    int fd = REAL(openat)(folder_fd, name, flags, mode);
    if (fd >= 0 && before == 0 && (flags & O_CREAT)) note('c', inode_of(fd), 0, path, "", 0);
    else if (fd >= 0 && (flags & O_TRUNC)) note('t', inode_of(fd), 0, path, "", 0);
    pthread_mutex_unlock(&turn);
    return fd;
}
#define MODE(flags) mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); \
    mode = va_arg(more, int); va_end(more); }
int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return opened(folder, name, flags, mode); }

#define RENAME(kind, call, to_folder, to_name, from_folder, from_name) \
    char from[PATH_MAX] = "", to[PATH_MAX] = "";                       \
    int mine = absolute(to_folder, to_name, to);                       \
    mine |= absolute(from_folder, from_name, from);                    \
    if (mine && fails(NAME)) return -1;                                \
    if (!mine) return call;                                            \
    pthread_mutex_lock(&turn);                                         \
    int result = call;                                                 \
    if (result == 0) note(kind, inode_at(to), 0, from, to, strlen(to)); \
    pthread_mutex_unlock(&turn);                                       \
    return result
int rename(const char *a, const char *b) { RENAME('r', REAL(rename)(a, b), AT_FDCWD, b, AT_FDCWD, a); }
int renameat(int x, const char *a, int y, const char *b) { RENAME('r', REAL(renameat)(x, a, y, b), y, b, x, a); }
int link(const char *a, const char *b) { RENAME('l', REAL(link)(a, b), AT_FDCWD, b, AT_FDCWD, a); }
int linkat(int x, const char *a, int y, const char *b, int flags) {
    RENAME('l', REAL(linkat)(x, a, y, b, flags), y, b, x, a);
}

#define NAMED(kind, call, folder, name)                                \
    char path[PATH_MAX];                                               \
    int mine = absolute(folder, name, path);                           \
    if (mine && fails(NAME)) return -1;                                \
    if (!mine) return call;                                            \
    pthread_mutex_lock(&turn);                                         \
    int64_t before = inode_at(path);                                   \
    int result = call;                                                 \
    if (result == 0) note(kind, kind == 'm' ? inode_at(path) : before, 0, path, "", 0); \
    pthread_mutex_unlock(&turn);                                       \
    return result
int mkdir(const char *name, mode_t mode) { NAMED('m', REAL(mkdir)(name, mode), AT_FDCWD, name); }
int mkdirat(int fd, const char *name, mode_t mode) { NAMED('m', REAL(mkdirat)(fd, name, mode), fd, name); }
int unlink(const char *name) { NAMED('u', REAL(unlink)(name), AT_FDCWD, name); }
int rmdir(const char *name) { NAMED('u', REAL(rmdir)(name), AT_FDCWD, name); }
int unlinkat(int fd, const char *name, int flags) { NAMED('u', REAL(unlinkat)(fd, name, flags), fd, name); }
int symlinkat(const char *to, int fd, const char *name) {
    char path[PATH_MAX];
    int mine = absolute(fd, name, path);
    if (mine && fails(NAME)) return -1;
    int result = REAL(symlinkat)(to, fd, name);
    if (mine && result == 0) note('y', inode_at(path), 0, path, to, strlen(to));
    return result;
}
int symlink(const char *to, const char *name) { return symlinkat(to, AT_FDCWD, name); }

/* --- descriptors and processes --- */

int socket(int a, int b, int c) { return fails(DESCRIPTOR) ? -1 : REAL(socket)(a, b, c); }
int socketpair(int a, int b, int c, int fds[2]) { return fails(DESCRIPTOR) ? -1 : REAL(socketpair)(a, b, c, fds); }
int pipe2(int fds[2], int flags) { return fails(DESCRIPTOR) ? -1 : REAL(pipe2)(fds, flags); }
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    return fails(DESCRIPTOR) ? -1 : REAL(accept4)(fd, address, length, flags);
}
int dup(int fd) { return fails(DESCRIPTOR) ? -1 : REAL(dup)(fd); }
pid_t fork(void) { return fails(FORK) ? -1 : REAL(fork)(); }
pid_t vfork(void) { return fork(); } /* our frame could not be returned from twice */
