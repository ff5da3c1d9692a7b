/* file_parts.c - the rotated file sink: lines in files by the hour in which troved received what
 * led to them, as the journal orders it.
 *
 * Files are open while their hour is written, OPEN_MAX of them at most; a line of an hour whose
 * file is closed begins another file of that hour. A commit writes what is buffered (with zstd as a
 * frame of its own, so that a file can be cut at any commit), syncs, and saves the list of parts
 * under the commit's number, which the cursor then keeps. A part that was closed in a commit gets
 * its last name with the next one, when the cursor has followed: what has that name never changes.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/write_all.h"
#include "dataplane/base/zstd_frame.h"
#include "sinks/body.h"
#include "sinks/fault.h"
#include "sinks/part_file.h"

#define OPEN_MAX     8
#define BUFFER_BYTES (256u << 10)
#define ZSTD_LEVEL   3
#define HOUR_NS      (3600 * NS_PER_S)

/* What `closed` of a part in memory says; on disk, anything but 0 is closed. */
enum { CLOSED_NOW = 1, CLOSED_BEFORE, FINISHED };

/* An open part: the list has its place and what is committed. */
struct open_part {
    uint32_t index; /* in the list */
    int fd;         /* -1: this one is free */
    uint64_t written;
    uint64_t used_at; /* by turn */
    size_t used;      /* of the buffer */
    char *buffer;
};

struct sink_parts {
    const struct conf_sink *conf;
    const struct line_origin *origin;
    const char *state_path;
    int state_fd; /* -1: closed */
    uint64_t turn;
    struct zstd_frame *zstd;
    char *frame;
    struct open_part open[OPEN_MAX];
    struct part_list list;
    struct sink_fault fault;
};

static int fail_part(struct sink_parts *sink, int rc, const struct part *part)
{
    char path[PART_PATH_MAX];
    part_path(sink->list.directory, sink->conf->name, part, true, path);
    return fault_say(&sink->fault, rc, "%.180s: %s", path,
                     rc == -EBADMSG ? "it is shorter than what was committed of it"
                                    : strerror(-rc));
}

static void parts_free(void *arg);

static void *parts_make(const struct sink_setup *setup)
{
    struct sink_parts *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    sink->conf = setup->conf;
    sink->origin = setup->origin;
    sink->state_path = setup->state_path;
    sink->state_fd = -1;
    sink->zstd = zstd_frame_new(ZSTD_LEVEL);
    sink->frame = malloc(zstd_frame_bound(BUFFER_BYTES));
    bool all = sink->zstd && sink->frame;
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        sink->open[i].fd = -1;
        sink->open[i].buffer = malloc(BUFFER_BYTES);
        all &= sink->open[i].buffer != NULL;
    }
    if (all)
        return sink;
    parts_free(sink);
    return NULL;
}

/* ---- one open part ---- */

static struct part *part_of(struct sink_parts *sink, const struct open_part *open)
{
    return &sink->list.parts[open->index];
}

/* A file that was moved away or removed takes no more lines: it ends with what was committed, and
 * what comes after goes to a new one. */
static int check_place(struct sink_parts *sink, const struct open_part *open)
{
    char path[PART_PATH_MAX];
    struct stat there, ours;
    const struct part *part = part_of(sink, open);
    part_path(sink->list.directory, sink->conf->name, part, true, path);
    if (fstat(open->fd, &ours))
        return -errno;
    if (lstat(path, &there) == 0 && there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
        return 0;
    if (open->written > part->bytes && ftruncate(open->fd, (off_t)part->bytes))
        return -errno;
    return -ESTALE;
}

static int flush(struct sink_parts *sink, struct open_part *open)
{
    const char *bytes = open->buffer;
    size_t len = open->used;
    if (!len)
        return 0;
    int rc = check_place(sink, open);
    if (!rc && part_of(sink, open)->zstd) {
        len = zstd_frame_encode(sink->zstd, open->buffer, open->used, sink->frame,
                                zstd_frame_bound(BUFFER_BYTES));
        bytes = sink->frame;
        rc = len ? 0 : -ENOMEM;
    }
    if (!rc)
        rc = write_all(open->fd, bytes, len, &open->written);
    if (rc)
        return fail_part(sink, rc, part_of(sink, open));
    open->used = 0;
    return 0;
}

/* Writes and syncs what there is of it. */
static int settle(struct sink_parts *sink, struct open_part *open)
{
    int rc = flush(sink, open);
    if (!rc && open->written != part_of(sink, open)->bytes && fdatasync(open->fd))
        rc = fail_part(sink, -errno, part_of(sink, open));
    return rc;
}

static void shut(struct open_part *open)
{
    if (open->fd >= 0)
        close(open->fd);
    open->fd = -1;
    open->used = 0;
}

/* It takes no more lines. What it has is in the list from the next commit on. */
static int end_part(struct sink_parts *sink, struct open_part *open)
{
    int rc = settle(sink, open);
    if (rc)
        return rc;
    part_of(sink, open)->closed = CLOSED_NOW;
    part_of(sink, open)->bytes = open->written;
    shut(open);
    return 0;
}

/* ---- the list ---- */

/* Saves the list as it was at the last commit, and files that are to be. */
static int save_births(struct sink_parts *sink, const struct part *born)
{
    struct part_list *list = malloc(sizeof *list);
    if (!list)
        return -ENOMEM;
    int rc = part_list_load(sink->state_fd, sink->list.commit, list);
    if (!rc && list->count == PART_LIST_MAX)
        rc = -EMFILE;
    if (!rc) {
        list->version = sink->list.version;
        list->parts[list->count++] = *born;
        rc = part_list_save(sink->state_fd, list);
        sink->list.version = list->version;
    }
    free(list);
    return rc;
}

static struct open_part *free_place(struct sink_parts *sink, int *rc)
{
    struct open_part *oldest = &sink->open[0];
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        if (sink->open[i].fd < 0)
            return &sink->open[i];
        if (sink->open[i].used_at < oldest->used_at)
            oldest = &sink->open[i];
    }
    *rc = end_part(sink, oldest);
    return oldest;
}

static int begin_part(struct sink_parts *sink, uint32_t hour, struct open_part **out)
{
    struct part part = {.hour = hour,
                        .born_ns = clock_realtime_ns(),
                        .zstd = sink->conf->compress == CONF_COMPRESS_ZSTD};
    int rc = 0;
    struct open_part *open = free_place(sink, &rc);
    if (rc)
        return rc;
    if (sink->list.count == PART_LIST_MAX)
        return fault_say(&sink->fault, -EMFILE, "more than %d files in one batch", PART_LIST_MAX);
    int64_t number = part_number(sink->list.directory, sink->conf->name, hour);
    part.number = (uint32_t)number;
    rc = number < 0 ? (int)number : save_births(sink, &part);
    int fd = rc ? rc : part_create(sink->list.directory, sink->conf->name, &part);
    if (fd < 0)
        return fail_part(sink, fd, &part);
    open->index = sink->list.count;
    open->fd = fd;
    open->written = 0;
    open->used = 0;
    sink->list.parts[sink->list.count++] = part;
    *out = open;
    return 0;
}

static struct open_part *find_part(struct sink_parts *sink, uint32_t hour)
{
    bool zstd = sink->conf->compress == CONF_COMPRESS_ZSTD;
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        struct open_part *open = &sink->open[i];
        if (open->fd >= 0 && part_of(sink, open)->hour == hour && part_of(sink, open)->zstd == zstd)
            return open;
    }
    return NULL;
}

/* ---- opening ---- */

/* Files of another directory, or closed ones, get their last name; the others are gone on with. */
static int recover_part(struct sink_parts *sink, const struct part *part, bool here)
{
    if (part->closed || !here) {
        int rc = part_finish(sink->list.directory, sink->conf->name, part);
        return rc ? fail_part(sink, rc, part) : 0;
    }
    struct open_part *open = NULL;
    for (unsigned i = 0; i < OPEN_MAX && !open; i++)
        if (sink->open[i].fd < 0)
            open = &sink->open[i];
    /* More than can be open were begun by a batch that did not come to its end: cut, and left. */
    int fd = part_reopen(sink->list.directory, sink->conf->name, part);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fail_part(sink, fd, part);
    if (!open) {
        close(fd);
        int rc = part_finish(sink->list.directory, sink->conf->name, part);
        return rc ? fail_part(sink, rc, part) : 0;
    }
    *open = (struct open_part){
        .index = sink->list.count, .fd = fd, .written = part->bytes, .buffer = open->buffer};
    sink->list.parts[sink->list.count++] = *part;
    return 0;
}

static int recover_parts(struct sink_parts *sink)
{
    bool here = strcmp(sink->list.directory, sink->conf->directory) == 0;
    uint32_t count = sink->list.count;
    int rc = 0;
    sink->list.count = 0; /* what stays moves down in it */
    for (uint32_t i = 0; !rc && i < count; i++) {
        struct part part = sink->list.parts[i];
        rc = recover_part(sink, &part, here);
    }
    if (rc)
        return rc;
    snprintf(sink->list.directory, sizeof sink->list.directory, "%s", sink->conf->directory);
    /* Both slots: the other one may be of a commit that the cursor never followed. */
    rc = part_list_save(sink->state_fd, &sink->list);
    return rc ? rc : part_list_save(sink->state_fd, &sink->list);
}

static void parts_close(void *arg)
{
    struct sink_parts *sink = arg;
    for (unsigned i = 0; i < OPEN_MAX; i++)
        shut(&sink->open[i]);
    if (sink->state_fd >= 0)
        close(sink->state_fd);
    sink->state_fd = -1;
}

static int load_list(struct sink_parts *sink, uint64_t resume)
{
    struct part_list *list = &sink->list;
    sink->state_fd = open(sink->state_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (sink->state_fd < 0)
        return fault_say(&sink->fault, -errno, "%.180s: %s", sink->state_path, strerror(errno));
    int rc = part_list_load(sink->state_fd, resume, list);
    if (rc == -ENOENT && resume == SINK_RESUME_NONE) {
        memset(list, 0, offsetof(struct part_list, parts));
        rc = 0;
    }
    if (rc)
        fault_say(&sink->fault, rc,
                  "%.160s does not say how far the files of the cursor's commit are: %s",
                  sink->state_path, strerror(-rc));
    return rc;
}

static int parts_open(void *arg, uint64_t resume)
{
    struct sink_parts *sink = arg;
    assert(sink->state_fd < 0);
    sink->fault = (struct sink_fault){0};
    int rc = load_list(sink, resume);
    if (!rc)
        rc = recover_parts(sink);
    if (rc) {
        if (!sink->fault.text[0])
            fault_say(&sink->fault, rc, "%.180s: %s", sink->state_path, strerror(-rc));
        parts_close(sink);
    }
    return rc;
}

/* ---- batches ---- */

static int parts_deliver(void *arg, const struct sink_item *item)
{
    struct sink_parts *sink = arg;
    uint32_t hour = (uint32_t)(item->outcome->receive_ns / HOUR_NS);
    struct open_part *open = find_part(sink, hour);
    int rc = 0;
    if (open &&
        open->written + (part_of(sink, open)->zstd ? 0 : open->used) >= sink->conf->rotate_bytes) {
        rc = end_part(sink, open);
        open = NULL;
    }
    if (!rc && !open)
        rc = begin_part(sink, hour, &open);
    assert(rc || open);
    if (!rc && BUFFER_BYTES - open->used < BODY_BYTES_MAX)
        rc = flush(sink, open);
    if (rc)
        return rc;
    open->used_at = ++sink->turn;
    open->used += body_encode(sink->conf->format, item, sink->origin, open->buffer + open->used);
    return 0;
}

static bool is_old(const struct sink_parts *sink, const struct part *part, uint64_t now)
{
    return now > part->born_ns && now - part->born_ns >= sink->conf->rotate_after_ns;
}

/* Those that were closed at the commit before, which the cursor has: they get their last name and
 * leave the list. */
static int finish_parts(struct sink_parts *sink)
{
    struct part_list *list = &sink->list;
    uint32_t left = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->parts[i].closed == CLOSED_BEFORE) {
            int rc = part_finish(list->directory, sink->conf->name, &list->parts[i]);
            if (rc)
                return fail_part(sink, rc, &list->parts[i]);
            list->parts[i].closed = FINISHED;
        }
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->parts[i].closed == FINISHED)
            continue;
        for (unsigned o = 0; o < OPEN_MAX; o++)
            if (sink->open[o].fd >= 0 && sink->open[o].index == i)
                sink->open[o].index = left;
        list->parts[left++] = list->parts[i];
    }
    list->count = left;
    return 0;
}

/* Everything is written and synced; what is old enough is closed. */
static int settle_parts(struct sink_parts *sink)
{
    uint64_t now = clock_realtime_ns();
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        struct open_part *open = &sink->open[i];
        if (open->fd < 0)
            continue;
        bool old = is_old(sink, part_of(sink, open), now);
        int rc = old ? end_part(sink, open) : settle(sink, open);
        if (rc)
            return rc;
        part_of(sink, open)->bytes = open->written;
    }
    for (uint32_t i = 0; i < sink->list.count; i++)
        if (sink->list.parts[i].closed)
            sink->list.parts[i].closed = CLOSED_BEFORE;
    return 0;
}

static int parts_commit(void *arg, uint64_t *resume)
{
    struct sink_parts *sink = arg;
    int rc = finish_parts(sink);
    if (!rc)
        rc = settle_parts(sink);
    if (rc)
        return rc;
    sink->list.commit++;
    rc = part_list_save(sink->state_fd, &sink->list);
    if (rc)
        return fault_say(&sink->fault, rc, "%.180s: %s", sink->state_path, strerror(-rc));
    *resume = sink->list.commit;
    return 0;
}

static bool parts_due(const void *arg)
{
    const struct sink_parts *sink = arg;
    uint64_t now = clock_realtime_ns();
    for (uint32_t i = 0; i < sink->list.count; i++)
        if (sink->list.parts[i].closed || is_old(sink, &sink->list.parts[i], now))
            return true;
    return false;
}

static const struct sink_fault *parts_fault(void *arg)
{
    return &((struct sink_parts *)arg)->fault;
}

static void parts_free(void *arg)
{
    struct sink_parts *sink = arg;
    parts_close(sink);
    for (unsigned i = 0; i < OPEN_MAX; i++)
        free(sink->open[i].buffer);
    zstd_frame_free(sink->zstd);
    free(sink->frame);
    free(sink);
}

const struct sink_ops sink_parts_ops = {
    .type = "file",
    .make = parts_make,
    .free = parts_free,
    .open = parts_open,
    .deliver = parts_deliver,
    .commit = parts_commit,
    .close = parts_close,
    .due = parts_due,
    .fault = parts_fault,
};
