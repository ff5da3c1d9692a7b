/* part_file.c - files by the hour: named, made, cut, renamed. */
#include "sinks/part_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void hour_path(const char *directory, uint32_t hour, char out[PART_PATH_MAX])
{
    struct tm tm;
    time_t seconds = (time_t)hour * 3600;
    gmtime_r(&seconds, &tm);
    snprintf(out, PART_PATH_MAX, "%s/%04d/%02d/%02d/%02d", directory, tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour);
}

void part_path(const char *directory, const char *name, const struct part *part, bool open,
               char out[PART_PATH_MAX])
{
    hour_path(directory, part->hour, out);
    size_t len = strlen(out);
    snprintf(out + len, PART_PATH_MAX - len, "/%s-%06u.ndjson%s%s", name, part->number,
             part->zstd ? ".zst" : "", open ? ".open" : "");
}

int64_t part_number(const char *directory, const char *name, uint32_t hour)
{
    char path[PART_PATH_MAX];
    size_t len = strlen(name);
    unsigned long highest = 0;
    hour_path(directory, hour, path);
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 1 : -errno;
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *digits = entry->d_name + len + 1;
        if (strncmp(entry->d_name, name, len) != 0 || entry->d_name[len] != '-' ||
            strspn(digits, "0123456789") < 6 ||
            strncmp(digits + strspn(digits, "0123456789"), ".ndjson", 7) != 0)
            continue;
        unsigned long number = strtoul(digits, NULL, 10);
        if (number > highest && number < UINT32_MAX)
            highest = number;
    }
    closedir(dir);
    return (int64_t)highest + 1;
}

static int sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

/* Of a path's directory; the path is whole again afterwards. */
static int sync_parent(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    int rc = sync_path(*path ? path : "/");
    *slash = '/';
    return rc;
}

/* Creates the directories that lead to path, and syncs where one was added. */
static int make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdir(path, 0750) ? -errno : sync_parent(path);
        *slash = '/';
        if (rc && rc != -EEXIST)
            return rc;
    }
    return 0;
}

int part_create(const char *directory, const char *name, const struct part *part)
{
    char path[PART_PATH_MAX];
    part_path(directory, name, part, true, path);
    int rc = make_directories(path);
    if (rc)
        return rc;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    rc = sync_parent(path);
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

/* Cuts what no commit has confirmed. */
static int cut(int fd, uint64_t bytes)
{
    struct stat st;
    if (fstat(fd, &st))
        return -errno;
    if ((uint64_t)st.st_size < bytes)
        return -EBADMSG;
    if ((uint64_t)st.st_size == bytes)
        return 0;
    return ftruncate(fd, (off_t)bytes) || fdatasync(fd) ? -errno : 0;
}

int part_reopen(const char *directory, const char *name, const struct part *part)
{
    char path[PART_PATH_MAX];
    part_path(directory, name, part, true, path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = cut(fd, part->bytes);
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

int part_finish(const char *directory, const char *name, const struct part *part)
{
    char from[PART_PATH_MAX], to[PART_PATH_MAX];
    int fd = part_reopen(directory, name, part);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    close(fd);
    part_path(directory, name, part, true, from);
    part_path(directory, name, part, false, to);
    if (part->bytes == 0 ? unlink(from) : rename(from, to))
        return -errno;
    return sync_parent(to);
}
