/* archive_hours.c - groups of objects, a line each in a file. */
#include "sinks/archive_hours.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/base/write_all.h"

#define ROW_MAX 320u

static int format_row(const struct archive_entry *entry, char row[ROW_MAX])
{
    return snprintf(row, ROW_MAX,
                    "%u %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s .\n",
                    entry->hour, entry->epoch, entry->shard, entry->first, entry->last,
                    entry->records, entry->content_bytes, entry->bytes, entry->sha256);
}

/* What format_row writes, and nothing else. */
static bool parse_row(const char *row, struct archive_entry *entry)
{
    char again[ROW_MAX];
    *entry = (struct archive_entry){0};
    /* NOLINTNEXTLINE(cert-err34-c): what does not come out the same is no row */
    int count = sscanf(row,
                       "%" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64
                       " %" SCNu64 " %" SCNu64 " %64s",
                       &entry->hour, &entry->epoch, &entry->shard, &entry->first, &entry->last,
                       &entry->records, &entry->content_bytes, &entry->bytes, entry->sha256);
    format_row(entry, again);
    return count == 9 && strcmp(row, again) == 0;
}

struct archive_group *archive_hours_find(struct archive_hours *hours, uint32_t epoch,
                                         uint32_t shard)
{
    for (uint32_t i = 0; i < hours->count; i++)
        if (hours->groups[i].epoch == epoch && hours->groups[i].shard == shard)
            return &hours->groups[i];
    return NULL;
}

/* Returns 1 when it was added, 0 when it was there. */
static int keep(struct archive_hours *hours, const struct archive_entry *entry)
{
    struct archive_group *group = archive_hours_find(hours, entry->epoch, entry->shard);
    if (!group && hours->count == ARCHIVE_GROUPS_MAX)
        return -ENOSPC;
    if (!group) {
        group = &hours->groups[hours->count++];
        *group = (struct archive_group){
            .hour = entry->hour, .epoch = entry->epoch, .shard = entry->shard};
    }
    if (group->count && group->entries[group->count - 1].first >= entry->first)
        return 0;
    if (group->count == group->room) {
        uint32_t room = group->room ? 2 * group->room : 16;
        struct archive_entry *entries = realloc(group->entries, room * sizeof *entries);
        if (!entries)
            return -ENOMEM;
        group->entries = entries;
        group->room = room;
    }
    group->entries[group->count++] = *entry;
    return 1;
}

static int load(struct archive_hours *hours)
{
    char row[ROW_MAX];
    struct archive_entry entry;
    int copy = dup(hours->fd), rc = 0;
    FILE *in = copy < 0 ? NULL : fdopen(copy, "r");
    if (!in)
        return -errno;
    rewind(in);
    while (rc >= 0 && fgets(row, sizeof row, in))
        if (parse_row(row, &entry))
            rc = keep(hours, &entry);
    fclose(in);
    return rc < 0 ? rc : 0;
}

static int write_rows(int fd, const struct archive_hours *hours, const struct archive_group *but)
{
    char row[ROW_MAX];
    for (uint32_t g = 0; g < hours->count; g++)
        for (uint32_t i = 0; &hours->groups[g] != but && i < hours->groups[g].count; i++) {
            int len = format_row(&hours->groups[g].entries[i], row);
            int rc = write_all(fd, row, (size_t)len, NULL);
            if (rc)
                return rc;
        }
    return fdatasync(fd) ? -errno : 0;
}

/* Of the directory that a path is in. */
static int sync_parent(const char *path)
{
    char parent[4096];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    int fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* The file as it is to be, under another name, and then under its own. */
static int replace(struct archive_hours *hours, const struct archive_group *but, const char *path)
{
    char next[4096];
    if (snprintf(next, sizeof next, "%s.tmp", path) >= (int)sizeof next)
        return -ENAMETOOLONG;
    int fd = open(next, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    int rc = write_rows(fd, hours, but);
    if (!rc && rename(next, path))
        rc = -errno;
    if (!rc)
        rc = sync_parent(path);
    if (rc) {
        close(fd);
        return rc;
    }
    close(hours->fd);
    hours->fd = fd;
    return 0;
}

int archive_hours_open(struct archive_hours *hours, const char *path)
{
    *hours = (struct archive_hours){0};
    hours->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (hours->fd < 0)
        return -errno;
    int rc = load(hours);
    /* What a crash left of a line must not be the beginning of the next one. */
    return rc ? rc : replace(hours, NULL, path);
}

void archive_hours_close(struct archive_hours *hours)
{
    for (uint32_t i = 0; i < hours->count; i++)
        free(hours->groups[i].entries);
    if (hours->fd >= 0)
        close(hours->fd);
    *hours = (struct archive_hours){.fd = -1};
}

int archive_hours_add(struct archive_hours *hours, const struct archive_entry *entry)
{
    char row[ROW_MAX];
    int rc = keep(hours, entry);
    if (rc <= 0)
        return rc;
    rc = write_all(hours->fd, row, (size_t)format_row(entry, row), NULL);
    return rc ? rc : fdatasync(hours->fd) ? -errno : 0;
}

int archive_hours_drop(struct archive_hours *hours, struct archive_group *group, const char *path)
{
    int rc = replace(hours, group, path);
    if (rc)
        return rc;
    free(group->entries);
    *group = hours->groups[--hours->count];
    return 0;
}

/* ---- the manifest ---- */

static void print_entry(const struct archive_entry *entry, const char *journal, FILE *out)
{
    char text[ARCHIVE_NAME_MAX];
    struct archive_name name = {
        .hour = entry->hour, .epoch = entry->epoch, .shard = entry->shard, .first = entry->first};
    snprintf(name.journal, sizeof name.journal, "%s", journal);
    archive_name_format(&name, text);
    fprintf(out,
            "{\"name\":\"%s\",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"records\":%" PRIu64
            ",\"bytes\":%" PRIu64 ",\"content_bytes\":%" PRIu64 ",\"content_sha256\":\"%s\"}",
            text, entry->first, entry->last, entry->records, entry->bytes, entry->content_bytes,
            entry->sha256);
}

size_t archive_manifest_encode(const struct archive_group *group, const char *journal, char **text)
{
    char hour[TEXT_TIME_LEN + 1];
    uint64_t records = 0;
    size_t len = 0;
    FILE *out = open_memstream(text, &len);
    if (!out)
        return 0;
    for (uint32_t i = 0; i < group->count; i++)
        records += group->entries[i].records;
    text_time_format((int64_t)group->hour * 3600 * 1000, hour);
    fprintf(out,
            "{\"archive\":1,\"journal\":\"%s\",\"epoch\":%u,\"shard\":%u,\"hour\":\"%s\","
            "\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"records\":%" PRIu64 ",\"objects\":[\n",
            journal, group->epoch, group->shard, hour, group->entries[0].first,
            group->entries[group->count - 1].last, records);
    for (uint32_t i = 0; i < group->count; i++) {
        fputs(i ? ",\n" : "", out);
        print_entry(&group->entries[i], journal, out);
    }
    fputs("\n]}\n", out);
    return fclose(out) ? 0 : len;
}
