/* board_save.c - the leaderboards and the position they are of, in one file that is replaced as a
 * whole. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/block.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/write_all.h"
#include "sinks/board_impl.h"

#define BOARD_MAGIC   0x4452424fu /* "OBRD" */
#define BOARD_FORMAT  1u
#define KEEP_NS       (2 * NS_PER_S)
#define KEEP_ENTRY_NS (20 * NS_PER_US) /* more, for each entry: 5 MiB/s at most */
#define SEQS_MAX      (RECORD_NO_PARTITION + 1u)

/* On disk, little-endian: this, then the hunts' names, the partitions' sequences, the entries. */
struct board_file {
    uint32_t magic;
    uint32_t crc; /* CRC-32C of all that follows, to the end of the file */
    uint32_t format;
    uint32_t hunt_count;
    uint32_t seq_count;
    uint32_t entry_count;
    uint64_t unranked;
    struct sink_cursor cursor;
};

struct board_seq {
    uint32_t partition;
    uint32_t reserved;
    uint64_t seq;
};

static size_t bytes_of(const struct board_file *head)
{
    return sizeof *head + (size_t)head->hunt_count * (EVENT_NAME_MAX + 1) +
           (size_t)head->seq_count * sizeof(struct board_seq) +
           (size_t)head->entry_count * sizeof(struct board_entry);
}

static uint32_t file_crc(const uint8_t *file, size_t bytes)
{
    size_t from = offsetof(struct board_file, format);
    return crc32c(0, file + from, bytes - from);
}

/* ---- saving ---- */

static uint8_t *image_of(const struct board *board, const struct sink_cursor *cursor, size_t *bytes)
{
    struct board_file head = {.magic = BOARD_MAGIC,
                              .format = BOARD_FORMAT,
                              .hunt_count = board->hunt_count,
                              .entry_count = board->used,
                              .unranked = board->unranked,
                              .cursor = *cursor};
    for (uint32_t p = 0; p < SEQS_MAX; p++)
        head.seq_count += board->last_seq[p] != 0;
    *bytes = bytes_of(&head);
    uint8_t *file = calloc(1, *bytes), *at = file ? file + sizeof head : NULL;
    if (!file)
        return NULL;
    memcpy(at, board->hunts, (size_t)head.hunt_count * sizeof board->hunts[0]);
    at += (size_t)head.hunt_count * sizeof board->hunts[0];
    for (uint32_t p = 0; p < SEQS_MAX; p++) {
        struct board_seq seq = {.partition = p, .seq = board->last_seq[p]};
        if (!seq.seq)
            continue;
        memcpy(at, &seq, sizeof seq);
        at += sizeof seq;
    }
    for (uint32_t i = 0; i < board->slot_count; i++) {
        if (!board->slots[i].hunt)
            continue;
        memcpy(at, &board->slots[i], sizeof board->slots[i]);
        at += sizeof board->slots[i];
    }
    memcpy(file, &head, sizeof head);
    head.crc = file_crc(file, *bytes);
    memcpy(file, &head, sizeof head);
    return file;
}

static int replace(const char *path, const uint8_t *data, size_t bytes)
{
    char temporary[CONF_PATH_MAX + 112], copy[CONF_PATH_MAX + 112];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, data, bytes, NULL);
    if (!rc && fsync(fd))
        rc = -errno;
    close(fd);
    if (!rc && rename(temporary, path))
        rc = -errno;
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!rc && (fd < 0 || fsync(fd)))
        rc = -errno;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* What could not be saved is saved later; until then the journal that it needs stays. */
void board_keep(void *sink, const struct sink_cursor *cursor)
{
    struct board *board = sink;
    uint64_t now = clock_monotonic_ns();
    size_t bytes;
    if (!board->path[0] || cursor->version == board->kept_version ||
        now - board->kept_ns < KEEP_NS + board->used * KEEP_ENTRY_NS)
        return;
    board->kept_ns = now;
    board->kept_version = cursor->version;
    uint8_t *file = image_of(board, cursor, &bytes);
    if (file)
        (void)replace(board->path, file, bytes);
    free(file);
}

/* ---- loading ---- */

static uint8_t *load_file(const char *path, size_t *bytes, int *rc)
{
    struct board_file head;
    uint8_t *file = NULL;
    FILE *in = fopen(path, "re");
    *rc = in ? -EBADMSG : -errno;
    if (!in)
        return NULL;
    if (fread(&head, sizeof head, 1, in) == 1 && head.magic == BOARD_MAGIC &&
        head.format == BOARD_FORMAT && head.hunt_count <= BOARD_HUNTS_MAX &&
        head.seq_count <= SEQS_MAX) {
        *bytes = bytes_of(&head);
        rewind(in);
        file = malloc(*bytes);
    }
    bool whole = file && fread(file, 1, *bytes, in) == *bytes && fgetc(in) == EOF &&
                 file_crc(file, *bytes) == head.crc &&
                 head.cursor.shard_count <= SINK_EPOCH_JOURNALS_MAX;
    fclose(in);
    if (whole) {
        *rc = 0;
        return file;
    }
    free(file);
    return NULL;
}

static int take_entries(struct board *board, const uint8_t *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, at += sizeof(struct board_entry)) {
        struct board_entry entry;
        memcpy(&entry, at, sizeof entry);
        if (!entry.hunt || entry.hunt > board->hunt_count || !entry.user_len ||
            entry.user_len > EVENT_USER_MAX)
            return -EBADMSG;
        if (board->used == board->limit) {
            board->unranked += entry.value[BOARD_AWARDS] + entry.value[BOARD_CLAIMS];
            continue;
        }
        struct board_entry *slot = board_slot(board, entry.hunt, entry.user, entry.user_len);
        board->used += !slot->hunt;
        *slot = entry;
    }
    return 0;
}

static int take(struct board *board, const uint8_t *file)
{
    struct board_file head;
    memcpy(&head, file, sizeof head);
    const uint8_t *at = file + sizeof head;
    board->hunt_count = head.hunt_count;
    board->unranked = head.unranked;
    memcpy(board->hunts, at, (size_t)head.hunt_count * sizeof board->hunts[0]);
    for (uint32_t i = 0; i < head.hunt_count; i++)
        board->hunts[i][EVENT_NAME_MAX] = '\0';
    at += (size_t)head.hunt_count * sizeof board->hunts[0];
    for (uint32_t i = 0; i < head.seq_count; i++, at += sizeof(struct board_seq)) {
        struct board_seq seq;
        memcpy(&seq, at, sizeof seq);
        if (seq.partition >= SEQS_MAX)
            return -EBADMSG;
        board->last_seq[seq.partition] = seq.seq;
    }
    return take_entries(board, at, head.entry_count);
}

static void forget(struct board *board)
{
    memset(board->slots, 0, board->slot_count * sizeof *board->slots);
    memset(board->last_seq, 0, sizeof board->last_seq);
    board->used = board->hunt_count = 0;
    board->unranked = 0;
}

void board_save_to(struct board *board, const char *path)
{
    snprintf(board->path, sizeof board->path, "%s", path);
    board->kept_ns = clock_monotonic_ns();
}

int board_load(struct board *board, const char *path, struct sink_cursor *cursor)
{
    size_t bytes;
    int rc;
    board_save_to(board, path);
    memset(cursor, 0, sizeof *cursor);
    uint8_t *file = load_file(path, &bytes, &rc);
    if (!file)
        return rc;
    rc = take(board, file);
    if (rc)
        forget(board);
    else
        memcpy(cursor, file + offsetof(struct board_file, cursor), sizeof *cursor);
    free(file);
    return rc;
}

int board_saved_at(const char *path, struct sink_cursor *cursor)
{
    size_t bytes;
    int rc;
    uint8_t *file = load_file(path, &bytes, &rc);
    if (!file)
        return rc;
    memcpy(cursor, file + offsetof(struct board_file, cursor), sizeof *cursor);
    free(file);
    return 0;
}
