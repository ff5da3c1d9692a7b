/* file.c - the file sink: lines in a file that is as long as the cursor says, and no longer. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sinks/body.h"
#include "sinks/sink.h"

#define BUFFER_BYTES (256u << 10)

struct sink_file {
    char path[CONF_PATH_MAX];
    const struct line_origin *origin;
    enum conf_format format;
    int fd;           /* -1: closed */
    uint64_t written; /* length of the file */
    uint64_t committed;
    dev_t dev; /* of the file that is open */
    ino_t ino;
    size_t used; /* of the buffer, behind it */
    char buffer[BUFFER_BYTES];
};

static void *file_make(const struct sink_setup *setup)
{
    struct sink_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->fd = -1;
    file->origin = setup->origin;
    file->format = setup->conf->format;
    memcpy(file->path, setup->conf->path, sizeof file->path);
    return file;
}

static int sync_directory(const char *path)
{
    char copy[CONF_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

/* Creates the directories that lead to path, where there are none.  A name that a loss of power
 * could take away again would take the file with it. */
static int make_directories(const char *path)
{
    char copy[CONF_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(copy, 0750) == 0, last = !strchr(slash + 1, '/');
        int rc = made || errno == EEXIST ? 0 : -errno;
        /* The last one again: to sync it may have failed before. */
        if (!rc && (made || last))
            rc = sync_directory(copy);
        if (rc == -EACCES && !made)
            rc = 0; /* who may not read the directory above did not make this one */
        if (rc)
            return rc;
        *slash = '/';
    }
    return 0;
}

/* Cuts what no commit has confirmed. */
static int cut(struct sink_file *file, uint64_t resume)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    file->written = (uint64_t)st.st_size;
    if (file->written > resume) {
        if (ftruncate(file->fd, (off_t)resume) != 0)
            return -errno;
        file->written = resume;
    }
    file->committed = file->written;
    return 0;
}

static int file_open(void *sink, uint64_t resume)
{
    struct sink_file *file = sink;
    assert(file->fd < 0);
    file->used = 0;
    int rc = make_directories(file->path);
    if (rc)
        return rc;
    /* O_NONBLOCK: a pipe put in the file's place must not stop the thread; a file ignores it. */
    file->fd =
        open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (file->fd < 0)
        return -errno;
    rc = cut(file, resume);
    if (!rc)
        rc = sync_directory(file->path);
    if (rc) {
        close(file->fd);
        file->fd = -1;
    }
    return rc;
}

/* A file that was moved away or removed takes no more lines: it ends with what was committed, and
 * what comes after goes to a new one. */
static int check_place(struct sink_file *file)
{
    struct stat st;
    if (stat(file->path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
        return 0;
    if (file->written > file->committed && ftruncate(file->fd, (off_t)file->committed) != 0)
        return -errno;
    return -ESTALE;
}

static int flush(struct sink_file *file)
{
    size_t done = 0;
    int rc = file->used ? check_place(file) : 0;
    if (rc)
        return rc;
    while (done < file->used) {
        ssize_t n = write(file->fd, file->buffer + done, file->used - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
        file->written += (size_t)n;
    }
    file->used = 0;
    return 0;
}

static int file_deliver(void *sink, const struct sink_item *item)
{
    struct sink_file *file = sink;
    if (BUFFER_BYTES - file->used < BODY_BYTES_MAX) {
        int rc = flush(file);
        if (rc)
            return rc;
    }
    file->used += body_encode(file->format, item, file->origin, file->buffer + file->used);
    return 0;
}

static int file_commit(void *sink, uint64_t *resume)
{
    struct sink_file *file = sink;
    int rc = flush(file);
    if (!rc)
        *resume = file->committed = file->written;
    return rc;
}

static int file_sync(void *sink)
{
    const struct sink_file *file = sink;
    return fdatasync(file->fd) ? -errno : 0;
}

static void file_close(void *sink)
{
    struct sink_file *file = sink;
    if (file->fd < 0)
        return;
    /* Should the next open be of another path, nobody would cut it there. */
    if (file->written > file->committed)
        (void)!ftruncate(file->fd, (off_t)file->committed);
    close(file->fd);
    file->fd = -1;
}

static void file_free(void *sink)
{
    file_close(sink);
    free(sink);
}

const struct sink_ops sink_file_ops = {
    .type = "file",
    .make = file_make,
    .free = file_free,
    .open = file_open,
    .deliver = file_deliver,
    .commit = file_commit,
    .sync = file_sync,
    .late = true,
    .close = file_close,
};
