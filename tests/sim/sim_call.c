/* sim_call.c - the system calls of the code under test: those on the simulated disk go there, the
 * clocks are the simulated ones, all else goes on to the system.  The linker leads them here
 * (--wrap, see meson.build). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_fault.h"

#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

static bool ours(int fd)
{
    return fd >= SIM_DISK_FD;
}

static long answer(long rc)
{
    if (rc >= 0)
        return rc;
    errno = (int)-rc;
    return -1;
}

/* ---- clocks ---- */

WRAP(int, clock_gettime, clockid_t clock, struct timespec *now)
{
    uint64_t ns = clock == CLOCK_REALTIME ? sim_clock_real_ns() : sim_clock.mono_ns;
    *now = (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    return 0;
}

WRAP(int, nanosleep, const struct timespec *for_, struct timespec *left)
{
    (void)left;
    sim_clock_pass((uint64_t)for_->tv_sec * NS_PER_S + (uint64_t)for_->tv_nsec);
    return 0;
}

WRAP(ssize_t, getrandom, void *data, size_t len, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)data)[i] = (uint8_t)random_next(&sim_random);
    return (ssize_t)len;
}

/* ---- files ---- */

int __real_openat64(int dir_fd, const char *path, int flags, ...);
int __wrap_openat64(int dir_fd, const char *path, int flags, ...);
int __wrap_openat64(int dir_fd, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!sim_disk_has(dir_fd, path))
        return __real_openat64(dir_fd, path, flags, mode);
    return (int)answer(sim_disk_open(dir_fd, path, flags));
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return __wrap_openat64(AT_FDCWD, path, flags, mode);
}

WRAP(int, close, int fd)
{
    return ours(fd) ? (int)answer(sim_disk_close(fd)) : __real_close(fd);
}

WRAP(ssize_t, read, int fd, void *data, size_t len)
{
    return ours(fd) ? answer(sim_disk_read(fd, data, len)) : __real_read(fd, data, len);
}

WRAP(ssize_t, write, int fd, const void *data, size_t len)
{
    return ours(fd) ? answer(sim_disk_write(fd, data, len)) : __real_write(fd, data, len);
}

WRAP(ssize_t, pread64, int fd, void *data, size_t len, off_t at)
{
    return ours(fd) ? answer(sim_disk_pread(fd, data, len, (uint64_t)at))
                    : __real_pread64(fd, data, len, at);
}

WRAP(ssize_t, pwrite64, int fd, const void *data, size_t len, off_t at)
{
    return ours(fd) ? answer(sim_disk_pwrite(fd, data, len, (uint64_t)at))
                    : __real_pwrite64(fd, data, len, at);
}

WRAP(ssize_t, pwritev64v2, int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    if (!ours(fd))
        return __real_pwritev64v2(fd, parts, count, at, flags);
    size_t len = 0, done = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    uint8_t *all = malloc(len);
    if (!all)
        return answer(-ENOMEM);
    for (int i = 0; i < count; done += parts[i++].iov_len)
        memcpy(all + done, parts[i].iov_base, parts[i].iov_len);
    ssize_t n = sim_disk_pwrite(fd, all, len, (uint64_t)at);
    free(all);
    return answer(n);
}

WRAP(int, fsync, int fd)
{
    return ours(fd) ? (int)answer(sim_disk_sync(fd)) : __real_fsync(fd);
}

WRAP(int, fdatasync, int fd)
{
    return ours(fd) ? (int)answer(sim_disk_sync(fd)) : __real_fdatasync(fd);
}

WRAP(int, ftruncate64, int fd, off_t bytes)
{
    return ours(fd) ? (int)answer(sim_disk_truncate(fd, (uint64_t)bytes))
                    : __real_ftruncate64(fd, bytes);
}

WRAP(int, fallocate64, int fd, int mode, off_t at, off_t bytes)
{
    return ours(fd) ? (int)answer(sim_disk_allocate(fd, (uint64_t)(at + bytes)))
                    : __real_fallocate64(fd, mode, at, bytes);
}

WRAP(int, fstat64, int fd, struct stat *st)
{
    return ours(fd) ? (int)answer(sim_disk_stat(fd, st)) : __real_fstat64(fd, st);
}

WRAP(int, stat64, const char *path, struct stat *st)
{
    return sim_disk_has(AT_FDCWD, path) ? (int)answer(sim_disk_stat_path(AT_FDCWD, path, st))
                                        : __real_stat64(path, st);
}

WRAP(int, faccessat, int dir_fd, const char *path, int mode, int flags)
{
    struct stat st;
    return sim_disk_has(dir_fd, path) ? (int)answer(sim_disk_stat_path(dir_fd, path, &st))
                                      : __real_faccessat(dir_fd, path, mode, flags);
}

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    long value = va_arg(args, long);
    va_end(args);
    return ours(fd) ? 0 : __real_fcntl64(fd, command, value);
}

WRAP(int, flock, int fd, int operation)
{
    return ours(fd) ? 0 : __real_flock(fd, operation);
}

WRAP(int, dup, int fd)
{
    if (!ours(fd))
        return __real_dup(fd);
    return (int)answer(sim_disk_open(fd, ".", O_RDONLY));
}

/* A stream of the simulated disk is for reading, all at once. */
WRAP(FILE *, fdopen, int fd, const char *mode)
{
    if (!ours(fd))
        return __real_fdopen(fd, mode);
    struct stat st;
    int copy = memfd_create("sim", MFD_CLOEXEC);
    if (copy < 0 || sim_disk_stat(fd, &st))
        return NULL;
    uint8_t *data = malloc((size_t)st.st_size + 1);
    ssize_t n = data ? sim_disk_pread(fd, data, (size_t)st.st_size, 0) : -1;
    if (n != (ssize_t)st.st_size || __real_write(copy, data, (size_t)n) != n)
        n = -1;
    free(data);
    lseek(copy, 0, SEEK_SET);
    if (n < 0) {
        __real_close(copy);
        errno = EIO;
        return NULL;
    }
    sim_disk_close(fd);
    return __real_fdopen(copy, mode);
}

/* ---- names and directories ---- */

WRAP(int, renameat, int from_fd, const char *from, int to_fd, const char *to)
{
    return sim_disk_has(from_fd, from) ? (int)answer(sim_disk_rename(from_fd, from, to))
                                       : __real_renameat(from_fd, from, to_fd, to);
}

WRAP(int, rename, const char *from, const char *to)
{
    return sim_disk_has(AT_FDCWD, from) ? (int)answer(sim_disk_rename(AT_FDCWD, from, to))
                                        : __real_rename(from, to);
}

WRAP(int, unlinkat, int dir_fd, const char *path, int flags)
{
    return sim_disk_has(dir_fd, path) ? (int)answer(sim_disk_unlink(dir_fd, path))
                                      : __real_unlinkat(dir_fd, path, flags);
}

WRAP(int, unlink, const char *path)
{
    return sim_disk_has(AT_FDCWD, path) ? (int)answer(sim_disk_unlink(AT_FDCWD, path))
                                        : __real_unlink(path);
}

WRAP(int, mkdirat, int dir_fd, const char *path, mode_t mode)
{
    return sim_disk_has(dir_fd, path) ? (int)answer(sim_disk_mkdir(dir_fd, path))
                                      : __real_mkdirat(dir_fd, path, mode);
}

WRAP(int, mkdir, const char *path, mode_t mode)
{
    return sim_disk_has(AT_FDCWD, path) ? (int)answer(sim_disk_mkdir(AT_FDCWD, path))
                                        : __real_mkdir(path, mode);
}

/* An open directory of the simulated disk; what else is a DIR is the system's. */
struct sim_dir {
    uint64_t magic;
    int fd;
    unsigned at;
    struct dirent entry;
};

#define SIM_DIR_MAGIC 0x5249444d4953ull

static struct sim_dir *dir_of(DIR *dir)
{
    struct sim_dir *found = (void *)dir;
    return found->magic == SIM_DIR_MAGIC ? found : NULL;
}

WRAP(DIR *, fdopendir, int fd)
{
    if (!ours(fd))
        return __real_fdopendir(fd);
    struct sim_dir *dir = calloc(1, sizeof *dir);
    if (!dir || sim_disk_is_dead()) {
        free(dir);
        errno = EIO;
        return NULL;
    }
    dir->magic = SIM_DIR_MAGIC;
    dir->fd = fd;
    return (void *)dir;
}

WRAP(struct dirent *, readdir64, DIR *stream)
{
    struct sim_dir *dir = dir_of(stream);
    char name[SIM_DISK_PATH];
    if (!dir)
        return __real_readdir64(stream);
    if (!sim_disk_entry(dir->fd, &dir->at, name))
        return NULL;
    snprintf(dir->entry.d_name, sizeof dir->entry.d_name, "%s", name);
    return &dir->entry;
}

WRAP(void, rewinddir, DIR *stream)
{
    struct sim_dir *dir = dir_of(stream);
    if (dir)
        dir->at = 0;
    else
        __real_rewinddir(stream);
}

WRAP(int, closedir, DIR *stream)
{
    struct sim_dir *dir = dir_of(stream);
    if (!dir)
        return __real_closedir(stream);
    sim_disk_close(dir->fd);
    free(dir);
    return 0;
}
