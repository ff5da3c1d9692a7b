/* segment.c - names and headers of segment files, and the list of those in a directory. */
#include "dataplane/base/segment.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a name has room for; a number also has to fit in a mark's position. */
#define EPOCH_MAX 999999999u
#define SHARD_MAX 999u

#define PACKED ".zst"

static_assert(sizeof(struct segment_header) <= SEGMENT_HEADER_BYTES, "one page");

#define CRC_FROM (offsetof(struct segment_header, crc) + sizeof(uint32_t))

void segment_name(struct segment_id id, char name[SEGMENT_NAME_MAX])
{
    assert(id.epoch <= EPOCH_MAX && id.shard <= SHARD_MAX && id.number <= SEGMENT_NUMBER_MAX);
    int len = snprintf(name, SEGMENT_NAME_MAX, "%06u-%03u-%06u.seg", id.epoch, id.shard, id.number);
    assert(len > 0 && len < SEGMENT_NAME_MAX);
}

/* Reads decimal digits, few enough not to overflow. */
static const char *digits(const char *at, uint32_t *value)
{
    if (!at)
        return NULL;
    const char *from = at;
    *value = 0;
    for (; *at >= '0' && *at <= '9' && at - from < 9; at++)
        *value = *value * 10 + (uint32_t)(*at - '0');
    return at == from ? NULL : at;
}

static const char *literal(const char *at, const char *text)
{
    size_t len = strlen(text);
    return at && strncmp(at, text, len) == 0 ? at + len : NULL;
}

int segment_name_parse(const char *name, struct segment_id *id)
{
    struct segment_id found;
    const char *at = literal(digits(name, &found.epoch), "-");
    at = literal(digits(at, &found.shard), "-");
    at = literal(digits(at, &found.number), ".seg");
    if (!at || *at || found.shard > SHARD_MAX || found.number > SEGMENT_NUMBER_MAX)
        return -EINVAL;
    /* One name a segment: leading zeros neither missing nor too many. */
    char canonical[SEGMENT_NAME_MAX];
    segment_name(found, canonical);
    if (strcmp(name, canonical) != 0)
        return -EINVAL;
    *id = found;
    return 0;
}

void segment_packed_name(struct segment_id id, char name[SEGMENT_NAME_MAX])
{
    segment_name(id, name);
    strncat(name, PACKED, SEGMENT_NAME_MAX - strlen(name) - 1);
}

int segment_file_name_parse(const char *name, struct segment_id *id)
{
    char own[SEGMENT_NAME_MAX];
    size_t len = strlen(name), end = strlen(PACKED);
    if (len <= end || len >= sizeof own || strcmp(name + len - end, PACKED) != 0)
        return segment_name_parse(name, id);
    memcpy(own, name, len - end);
    own[len - end] = '\0';
    return segment_name_parse(own, id);
}

void segment_spare_name(uint32_t shard, uint32_t serial, char name[SEGMENT_NAME_MAX])
{
    assert(shard <= SHARD_MAX && serial <= EPOCH_MAX);
    int len = snprintf(name, SEGMENT_NAME_MAX, "spare-%03u-%06u.tmp", shard, serial);
    assert(len > 0 && len < SEGMENT_NAME_MAX);
}

void segment_temporary_name(struct segment_id id, char name[SEGMENT_NAME_MAX])
{
    assert(id.epoch <= EPOCH_MAX && id.shard <= SHARD_MAX && id.number <= SEGMENT_NUMBER_MAX);
    int len =
        snprintf(name, SEGMENT_NAME_MAX, "pack-%06u-%03u-%06u.tmp", id.epoch, id.shard, id.number);
    assert(len > 0 && len < SEGMENT_NAME_MAX);
}

bool segment_is_temporary(const char *name)
{
    uint32_t number;
    const char *at = literal(name, "spare-");
    if (!at)
        at = literal(digits(literal(name, "pack-"), &number), "-");
    at = literal(digits(at, &number), "-");
    at = literal(digits(at, &number), ".tmp");
    return at && !*at;
}

static uint32_t header_crc(const struct segment_header *header)
{
    return crc32c(0, (const uint8_t *)header + CRC_FROM, sizeof *header - CRC_FROM);
}

void segment_header_encode(const struct segment_header *header, uint8_t page[SEGMENT_HEADER_BYTES])
{
    struct segment_header disk = *header;
    disk.magic = SEGMENT_MAGIC;
    disk.format = SEGMENT_FORMAT;
    disk.crc = header_crc(&disk);
    memset(page, 0, SEGMENT_HEADER_BYTES);
    memcpy(page, &disk, sizeof disk);
}

int segment_header_decode(const uint8_t page[SEGMENT_HEADER_BYTES], struct segment_header *header)
{
    struct segment_header disk;
    memcpy(&disk, page, sizeof disk);
    if (disk.magic != SEGMENT_MAGIC || disk.crc != header_crc(&disk))
        return -EBADMSG;
    if (disk.format != SEGMENT_FORMAT)
        return -EPROTONOSUPPORT;
    *header = disk;
    return 0;
}

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_ids(const void *left, const void *right)
{
    const struct segment_id *a = left, *b = right;
    int order = compare_u32(a->epoch, b->epoch);
    if (!order)
        order = compare_u32(a->shard, b->shard);
    return order ? order : compare_u32(a->number, b->number);
}

struct id_list {
    struct segment_id *ids;
    size_t count;
    size_t room;
};

static int id_list_add(struct id_list *list, struct segment_id id)
{
    if (list->count == INT32_MAX)
        return -EOVERFLOW;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct segment_id *ids = reallocarray(list->ids, room, sizeof *ids);
        if (!ids)
            return -ENOMEM;
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count++] = id;
    return 0;
}

static int read_names(DIR *dir, struct id_list *list, unsigned *unknown)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        struct segment_id id;
        if (segment_is_temporary(entry->d_name))
            continue;
        if (segment_file_name_parse(entry->d_name, &id) != 0) {
            ++*unknown;
            continue;
        }
        int rc = id_list_add(list, id);
        if (rc)
            return rc;
    }
}

/* A segment and what it was compressed to are one. */
static void drop_twins(struct id_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!kept || compare_ids(&list->ids[kept - 1], &list->ids[i]) != 0)
            list->ids[kept++] = list->ids[i];
    list->count = kept;
}

int segment_list(int dir_fd, struct segment_id **ids, unsigned *unknown)
{
    *ids = NULL;
    *unknown = 0;
    /* Not a dup: that would share its place in the directory with other readers. */
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    struct id_list list = {0};
    int rc = read_names(dir, &list, unknown);
    closedir(dir);
    if (rc) {
        free(list.ids);
        return rc;
    }
    if (list.count)
        qsort(list.ids, list.count, sizeof *list.ids, compare_ids);
    drop_twins(&list);
    *ids = list.ids;
    return (int)list.count;
}

int segment_cut(int dir_fd, struct segment_id id, uint64_t offset)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(id, name);
    int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int rc = ftruncate(fd, (off_t)offset) || fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

ssize_t segment_pread(int fd, uint8_t *data, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, data + done, len - done, (off_t)(offset + done));
        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return -errno;
    }
    return (ssize_t)done;
}
