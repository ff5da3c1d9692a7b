/* disk.c - trove-disk: what a group of the journal costs on a disk, by each way of writing it and
 * on each kind of file.
 *
 *   trove-disk DIR GROUPS BYTES    GROUPS groups of BYTES to each of six files in DIR, in turn, so
 * that whatever else the disk does is the same for all: one JSON object a figure
 *
 * sync is pwritev2 and fdatasync, io_uring the two linked; zeros is a file as the journal makes it,
 * allocated one with room that was never written, used one that was full of something else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/block.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/histogram.h"
#include "dataplane/journal_file.h"
#include "dataplane/journal_uring.h"

#define GROUP_BYTES_MAX (1u << 20)

enum kind { ZEROS, ALLOCATED, USED, KINDS };

static const char *const kind_names[] = {"zeros", "allocated", "used"};

struct track {
    const char *way;
    enum kind kind;
    struct journal_file_ops ops;
    int handle;
    char name[32];
    struct histogram took;
};

static uint8_t group[GROUP_BYTES_MAX] __attribute__((aligned(BLOCK_ALIGN)));

static void fail(const char *what, int rc)
{
    fprintf(stderr, "error: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
    exit(1);
}

/* A file with room for bytes that were never written. */
static int allocate(int dir_fd, const char *name, uint64_t bytes)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes) || fsync(fd))
        fail(name, errno);
    (void)fcntl(fd, F_SETFL, O_DIRECT);
    return fd;
}

static void commit(struct track *track, uint32_t bytes, uint64_t offset)
{
    struct iovec part = {.iov_base = group, .iov_len = bytes};
    int rc = track->ops.commit(track->ops.disk, track->handle, &part, 1, offset);
    if (rc)
        fail(track->name, rc);
}

static void open_track(struct track *track, int dir_fd, unsigned count, uint32_t bytes)
{
    uint64_t room = (uint64_t)count * bytes;
    snprintf(track->name, sizeof track->name, "trove-disk-%s-%s", track->way,
             kind_names[track->kind]);
    (void)unlinkat(dir_fd, track->name, 0);
    track->handle = track->kind == ALLOCATED
                        ? allocate(dir_fd, track->name, room)
                        : track->ops.make(track->ops.disk, dir_fd, track->name, room, false);
    if (track->handle < 0)
        fail(track->name, track->handle);
    for (unsigned i = 0; track->kind == USED && i < count; i++)
        commit(track, bytes, (uint64_t)i * bytes);
}

static void print_figure(const struct track *track, const char *figure, double percentile,
                         uint32_t bytes)
{
    printf("{\"bench\":\"disk\",\"figure\":\"group_us_%s\",\"value\":%.1f,\"unit\":\"us\",\"peer\":"
           "null,"
           "\"at\":%u,\"way\":\"%s\",\"file\":\"%s\",\"runs\":%llu}\n",
           figure, (double)histogram_percentile(&track->took, percentile) / 1000.0, bytes,
           track->way, kind_names[track->kind], (unsigned long long)track->took.total);
}

static void close_track(struct track *track, int dir_fd, uint32_t bytes)
{
    print_figure(track, "p50", 50, bytes);
    print_figure(track, "p99", 99, bytes);
    print_figure(track, "p999", 99.9, bytes);
    (void)track->ops.close(track->ops.disk, track->handle, JOURNAL_FILE_WHOLE);
    (void)track->ops.remove(track->ops.disk, dir_fd, track->name);
}

static void run(struct track *tracks, unsigned track_count, unsigned count, uint32_t bytes)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned t = 0; t < track_count; t++) {
            uint64_t from_ns = clock_monotonic_ns();
            commit(&tracks[t], bytes, (uint64_t)i * bytes);
            histogram_record(&tracks[t].took, clock_monotonic_ns() - from_ns);
        }
}

int main(int argc, char **argv)
{
    static struct track tracks[2 * KINDS];
    static struct journal_uring *rings[KINDS];
    unsigned long count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long bytes = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (!count || count > 1000000 || !bytes || bytes > GROUP_BYTES_MAX || bytes % BLOCK_ALIGN) {
        fputs("usage: trove-disk DIR GROUPS BYTES, a multiple of 4096 up to 1048576\n", stderr);
        return 2;
    }
    int dir_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        fail(argv[1], errno);
    memset(group, 'x', sizeof group);
    unsigned track_count = 0;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        tracks[track_count++] =
            (struct track){.way = "sync", .kind = kind, .ops = journal_file_posix};
        int rc = journal_uring_new(&rings[kind]);
        if (rc)
            fprintf(stderr, "no io_uring here: %s\n", strerror(-rc));
        else
            tracks[track_count++] = (struct track){
                .way = "io_uring", .kind = kind, .ops = journal_uring_ops(rings[kind])};
    }
    for (unsigned t = 0; t < track_count; t++)
        open_track(&tracks[t], dir_fd, (unsigned)count, (uint32_t)bytes);
    run(tracks, track_count, (unsigned)count, (uint32_t)bytes);
    for (unsigned t = 0; t < track_count; t++)
        close_track(&tracks[t], dir_fd, (uint32_t)bytes);
    for (unsigned kind = 0; kind < KINDS; kind++)
        journal_uring_free(rings[kind]);
    return 0;
}
