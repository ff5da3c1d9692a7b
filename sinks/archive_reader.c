/* archive_reader.c - from object to object, frame to frame, line to line. */
#include "sinks/archive_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/zstd_frame.h"
#include "sinks/archive_name.h"
#include "sinks/archive_object.h"

#define WINDOW_BYTES (4u << 20) /* of an object as it lies there: more than a frame */

/* Names in their order. */
struct names {
    struct archive_name *list;
    size_t count, room;
    size_t at;
};

struct archive_reader {
    struct archive_store *store;
    char journal[LINE_JOURNAL_MAX + 1];
    struct names objects;   /* at: the one being read, once `reading` */
    struct names manifests; /* at: the next one to be checked */
    bool reading;
    uint64_t ordinal; /* of the last record of that journal */

    uint64_t offset; /* in the object, behind the window */
    bool ended;      /* there is no more of it than the window has */
    size_t window_at, window_end, content_at, content_end;
    char window[WINDOW_BYTES];
    char content[ARCHIVE_LINE_MAX];
    struct archive_room record;
};

static __attribute__((format(printf, 3, 4))) int fail(char error[512], int rc, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, 512, format, args);
    va_end(args);
    return rc;
}

static const struct archive_name *current(const struct archive_reader *reader)
{
    return &reader->objects.list[reader->objects.at];
}

static int damaged(const struct archive_reader *reader, char error[512])
{
    char name[ARCHIVE_NAME_MAX];
    archive_name_format(current(reader), name);
    return fail(error, -EBADMSG,
                "%s is not what was archived, behind record %llu; get it once more", name,
                (unsigned long long)reader->ordinal);
}

/* ---- the list ---- */

static int keep(void *arg, const char *text)
{
    struct archive_reader *reader = arg;
    struct archive_name name;
    if (archive_name_parse(text, &name) || strcmp(name.journal, reader->journal) != 0)
        return 0;
    struct names *names = name.last ? &reader->manifests : &reader->objects;
    if (names->count == names->room) {
        size_t room = names->room ? 2 * names->room : 256;
        struct archive_name *list = realloc(names->list, room * sizeof *list);
        if (!list)
            return -ENOMEM;
        names->list = list;
        names->room = room;
    }
    names->list[names->count++] = name;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return archive_name_order(a, b);
}

static void sort(struct names *names)
{
    if (names->count)
        qsort(names->list, names->count, sizeof *names->list, compare);
}

int archive_reader_open(struct archive_reader **out, struct archive_store *store,
                        const char *journal, char error[512])
{
    struct archive_reader *reader = *out = calloc(1, sizeof *reader);
    if (!reader)
        return fail(error, -ENOMEM, "no memory to read the archive");
    reader->store = store;
    snprintf(reader->journal, sizeof reader->journal, "%s", journal);
    int rc = archive_store_list(store, keep, reader);
    if (rc)
        return fail(error, rc, "the archive cannot be listed: %s",
                    rc == -ENOMEM ? strerror(ENOMEM) : archive_store_error(store));
    if (!reader->objects.count)
        return fail(error, -ENOENT, "the archive has nothing of journal %s, this data directory's",
                    journal);
    sort(&reader->objects);
    sort(&reader->manifests);
    return 0;
}

void archive_reader_close(struct archive_reader *reader)
{
    if (!reader)
        return;
    free(reader->objects.list);
    free(reader->manifests.list);
    free(reader);
}

/* ---- objects ---- */

/* Compares the journals that two names are of. */
static int compare_journals(const struct archive_name *a, const struct archive_name *b)
{
    struct archive_name same = *b;
    same.first = a->first;
    return archive_name_order(a, &same);
}

static int check_line(struct archive_reader *reader, const char *line, size_t len, char error[512])
{
    const struct archive_name *name = current(reader);
    char head[ARCHIVE_HEAD_MAX];
    size_t head_len =
        archive_head_encode(reader->journal, name->epoch, name->shard, name->first, head);
    return head_len == len + 1 && memcmp(head, line, len) == 0 ? 0 : damaged(reader, error);
}

/* Unpacks the next frame of the object.  1, 0 at its end, or -errno. */
static int next_frame(struct archive_reader *reader, char error[512])
{
    char name[ARCHIVE_NAME_MAX];
    size_t len = 0;
    for (;;) {
        size_t left = reader->window_end - reader->window_at;
        const char *frame = reader->window + reader->window_at;
        size_t frame_len = left ? zstd_frame_length(frame, left) : 0;
        if (frame_len) {
            reader->content_end =
                zstd_frame_decode(frame, frame_len, reader->content, sizeof reader->content);
            reader->content_at = 0;
            reader->window_at += frame_len;
            return reader->content_end == SIZE_MAX ? damaged(reader, error) : 1;
        }
        if (reader->ended || left == WINDOW_BYTES)
            return left ? damaged(reader, error) : 0;
        memmove(reader->window, frame, left);
        archive_name_format(current(reader), name);
        int rc = archive_store_read(reader->store, name, reader->offset, reader->window + left,
                                    WINDOW_BYTES - left, &len);
        if (rc)
            return fail(error, rc, "%s", archive_store_error(reader->store));
        reader->window_at = 0;
        reader->window_end = left + len;
        reader->offset += len;
        reader->ended = len < WINDOW_BYTES - left;
    }
}

/* The next line, without its end.  1, 0 at the end of the object, or -errno. */
static int next_line(struct archive_reader *reader, const char **line, size_t *len, char error[512])
{
    int rc = reader->content_at < reader->content_end ? 1 : next_frame(reader, error);
    if (rc <= 0)
        return rc;
    *line = reader->content + reader->content_at;
    const char *end = memchr(*line, '\n', reader->content_end - reader->content_at);
    if (!end)
        return damaged(reader, error);
    *len = (size_t)(end - *line);
    reader->content_at += *len + 1;
    return 1;
}

/* An object goes on where the one before it has ended. */
static int begin_object(struct archive_reader *reader, char error[512])
{
    const struct archive_name *name = current(reader);
    const char *line = "";
    size_t len = 0;
    if (!reader->objects.at || compare_journals(name - 1, name) != 0)
        reader->ordinal = 0;
    if (name->first != reader->ordinal + 1)
        return fail(error, -EBADMSG,
                    "records are missing: the archive of epoch %u, shard %u goes on with record "
                    "%llu behind %llu; get all objects of journal %s",
                    name->epoch, name->shard, (unsigned long long)name->first,
                    (unsigned long long)reader->ordinal, reader->journal);
    reader->reading = true;
    reader->ended = false;
    reader->offset = 0;
    reader->window_at = reader->window_end = reader->content_at = reader->content_end = 0;
    int rc = next_line(reader, &line, &len, error);
    if (!rc)
        rc = damaged(reader, error);
    return rc < 0 ? rc : check_line(reader, line, len, error);
}

/* Manifests name what has to be there: of the journal that was read to its end, and of those in
 * front of it; of all, once there is no other. */
static int check_manifests(struct archive_reader *reader, bool all, char error[512])
{
    const struct archive_name *read = current(reader);
    struct names *manifests = &reader->manifests;
    for (; manifests->at < manifests->count; manifests->at++) {
        const struct archive_name *name = &manifests->list[manifests->at];
        int order = compare_journals(name, read);
        if (order > 0 && !all)
            return 0;
        if (order != 0 || name->last > reader->ordinal)
            return fail(error, -EBADMSG,
                        "records are missing: the archive of epoch %u, shard %u ends with record "
                        "%llu, and its manifests name %llu; get all objects of journal %s",
                        name->epoch, name->shard, order ? 0 : (unsigned long long)reader->ordinal,
                        (unsigned long long)name->last, reader->journal);
    }
    return 0;
}

static int end_object(struct archive_reader *reader, char error[512])
{
    const struct archive_name *name = current(reader);
    bool last = reader->objects.at + 1 == reader->objects.count;
    bool over = last || compare_journals(name, name + 1) != 0;
    int rc = over ? check_manifests(reader, last, error) : 0;
    reader->reading = false;
    reader->objects.at++;
    return rc;
}

static int read_record(struct archive_reader *reader, struct archive_record *record,
                       char error[512])
{
    const char *line = NULL;
    size_t len = 0;
    int rc = next_line(reader, &line, &len, error);
    if (rc <= 0)
        return rc;
    if (archive_line_decode(line, len, &reader->record, record) ||
        record->ordinal != reader->ordinal + 1)
        return damaged(reader, error);
    reader->ordinal++;
    return 1;
}

int archive_reader_next(struct archive_reader *reader, struct archive_record *record,
                        char error[512])
{
    while (reader->objects.at < reader->objects.count) {
        int rc = reader->reading ? 0 : begin_object(reader, error);
        if (!rc)
            rc = read_record(reader, record, error);
        if (rc)
            return rc;
        rc = end_object(reader, error);
        if (rc)
            return rc;
    }
    return 0;
}
