/* archive_object.c - lines to frames to a file. */
#include "sinks/archive_object.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/write_all.h"
#include "dataplane/base/zstd_frame.h"

#define ZSTD_LEVEL 3
#define CONTENT_ROOM                                                                               \
    (ARCHIVE_LINE_MAX > ARCHIVE_FRAME_BYTES ? ARCHIVE_LINE_MAX : ARCHIVE_FRAME_BYTES)

int archive_object_init(struct archive_object *object)
{
    *object = (struct archive_object){.fd = -1};
    object->zstd = zstd_frame_new(ZSTD_LEVEL);
    object->sha = sha256_new();
    object->content = malloc(CONTENT_ROOM);
    object->line = malloc(ARCHIVE_LINE_MAX);
    object->frame = malloc(zstd_frame_bound(CONTENT_ROOM));
    bool all = object->zstd && object->sha && object->content && object->line && object->frame;
    return all ? 0 : -ENOMEM;
}

void archive_object_fini(struct archive_object *object)
{
    if (object->fd >= 0)
        close(object->fd);
    zstd_frame_free(object->zstd);
    sha256_free(object->sha);
    free(object->content);
    free(object->line);
    free(object->frame);
    *object = (struct archive_object){.fd = -1};
}

int archive_object_open(struct archive_object *object, const char *path)
{
    object->records = 0;
    object->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    return object->fd < 0 ? -errno : 0;
}

void archive_object_close(struct archive_object *object, const char *path)
{
    if (object->fd < 0)
        return;
    close(object->fd);
    (void)unlink(path);
    object->fd = -1;
}

static int flush(struct archive_object *object)
{
    size_t room = zstd_frame_bound(CONTENT_ROOM);
    if (!object->used)
        return 0;
    sha256_update(object->sha, object->content, object->used);
    size_t len =
        zstd_frame_encode(object->zstd, object->content, object->used, object->frame, room);
    int rc = len ? write_all(object->fd, object->frame, len, NULL) : -ENOMEM;
    object->bytes += len;
    object->used = 0;
    return rc;
}

static int add_bytes(struct archive_object *object, const char *bytes, size_t len)
{
    int rc = object->used && object->used + len > ARCHIVE_FRAME_BYTES ? flush(object) : 0;
    if (rc)
        return rc;
    memcpy(object->content + object->used, bytes, len);
    object->used += len;
    object->content_bytes += len;
    return 0;
}

size_t archive_head_encode(const char *journal, uint32_t epoch, uint32_t shard, uint64_t first,
                           char out[ARCHIVE_HEAD_MAX])
{
    return (size_t)snprintf(out, ARCHIVE_HEAD_MAX,
                            "{\"archive\":1,\"journal\":\"%.16s\",\"epoch\":%u,\"shard\":%u,"
                            "\"first\":%" PRIu64 "}\n",
                            journal, epoch, shard, first);
}

int archive_object_begin(struct archive_object *object, const char *journal, uint32_t epoch,
                         uint32_t shard, uint64_t first, uint64_t from_ns)
{
    char head[ARCHIVE_HEAD_MAX];
    if (ftruncate(object->fd, 0) || lseek(object->fd, 0, SEEK_SET) < 0)
        return -errno;
    sha256_reset(object->sha);
    object->epoch = epoch;
    object->shard = shard;
    object->first = first;
    object->from_ns = from_ns;
    object->last = object->records = 0;
    object->content_bytes = object->bytes = object->used = 0;
    return add_bytes(object, head, archive_head_encode(journal, epoch, shard, first, head));
}

int archive_object_add(struct archive_object *object, const struct archive_record *record)
{
    int rc = add_bytes(object, object->line, archive_line_encode(record, object->line));
    if (rc)
        return rc;
    object->last = record->ordinal;
    object->records++;
    return 0;
}

int archive_object_finish(struct archive_object *object)
{
    int rc = flush(object);
    return rc ? rc : sha256_final(object->sha, object->sha256);
}
