/* blast_replay.c - sending what a file says, at the file's pace or at a rate. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/blast_replay.h"
#include "dataplane/base/clock.h"

#define STAMP         "@@@@"
#define STAMP_BYTES   13
#define OFFSET_MS_MAX (10ull * 366 * 24 * 3600 * 1000) /* ten years */

struct blast_replay_line {
    uint64_t at; /* of the event, in the file */
    uint64_t offset_ms;
    uint16_t len;
    uint16_t stamp; /* of the time, in the event; len when there is none */
};

static int parse_offset(const uint8_t *line, size_t len, uint64_t *offset_ms)
{
    uint64_t value = 0;
    size_t at = 0;
    for (; at < len && line[at] >= '0' && line[at] <= '9' && value <= OFFSET_MS_MAX; at++)
        value = value * 10 + (line[at] - '0');
    if (at == 0 || at == len || line[at] != '\t' || value > OFFSET_MS_MAX)
        return -EINVAL;
    *offset_ms = value;
    return (int)at + 1;
}

static bool is_stamp(const uint8_t *text)
{
    if (memcmp(text, STAMP STAMP STAMP "@", STAMP_BYTES) == 0)
        return true;
    if (text[4] != '+' && text[4] != '-')
        return false;
    for (int i = 5; i < STAMP_BYTES; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
    }
    return true;
}

static uint32_t find_stamp(const uint8_t *event, uint32_t len)
{
    const uint8_t *at = event;
    const uint8_t *end = event + len;
    while (end - at >= STAMP_BYTES && (at = memmem(at, (size_t)(end - at), STAMP, 4)) &&
           end - at >= STAMP_BYTES) {
        if (is_stamp(at))
            return (uint32_t)(at - event);
        at++;
    }
    return len;
}

static const char *parse_line(struct blast_replay *replay, const uint8_t *line, size_t len,
                              uint64_t datagram_bytes)
{
    struct blast_replay_line *out = &replay->lines[replay->count];
    uint64_t offset_ms;
    int skip = parse_offset(line, len, &offset_ms);
    if (skip < 0)
        return "does not begin with OFFSET_MS<TAB>";
    if (replay->count && offset_ms < out[-1].offset_ms)
        return "its offset is smaller than the one before";
    len -= (size_t)skip;
    line += skip;
    if (len == 0)
        return "holds no event";
    if (len > datagram_bytes)
        return "its event is longer than a datagram may be (see --max-datagram)";
    out->at = (uint64_t)(line - replay->file);
    out->len = (uint16_t)len;
    out->stamp = (uint16_t)find_stamp(line, (uint32_t)len);
    out->offset_ms = offset_ms;
    replay->count++;
    return NULL;
}

static int parse(struct blast_replay *replay, const char *file, uint64_t datagram_bytes,
                 char *fault, size_t room)
{
    assert(replay->file);
    uint64_t count = 1;
    const uint8_t *end = replay->file + replay->file_bytes;
    for (const uint8_t *at = replay->file; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        count++;
    replay->lines = calloc(count, sizeof *replay->lines);
    if (!replay->lines)
        return -ENOMEM;
    for (const uint8_t *at = replay->file; at < end;) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        const char *why = parse_line(replay, at, (size_t)(stop - at), datagram_bytes);
        if (why) {
            snprintf(fault, room, "%s:%lu: %s", file, replay->count + 1, why);
            return -EINVAL;
        }
        at = stop + 1;
    }
    return 0;
}

static int map(struct blast_replay *replay, const char *file)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) < 0 ? -errno : 0;
    if (rc == 0 && !S_ISREG(st.st_mode))
        rc = -EINVAL;
    if (rc == 0 && st.st_size == 0)
        rc = -ENODATA;
    if (rc == 0) {
        replay->file_bytes = (size_t)st.st_size;
        replay->file = mmap(NULL, replay->file_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (replay->file == MAP_FAILED) {
            replay->file = NULL;
            rc = -errno;
        }
    }
    close(fd);
    return rc;
}

static uint64_t line_due(struct blast_replay *replay, uint64_t number)
{
    if (replay->pacer)
        return blast_pacer_due(replay->pacer, number);
    return (uint64_t)((double)replay->lines[number].offset_ms * replay->pace * (double)NS_PER_MS);
}

static bool replay_due(struct blast_source *source, uint64_t *due_ns)
{
    struct blast_replay *replay = (struct blast_replay *)source;
    if (replay->next >= replay->count)
        return false;
    *due_ns = line_due(replay, replay->next);
    return *due_ns < replay->end_ns;
}

static void put_time(const struct blast_replay *replay, uint64_t due_ns, uint8_t *out)
{
    int64_t shift_ms = 0;
    if (out[4] != '@') {
        for (int i = 5; i < STAMP_BYTES; i++)
            shift_ms = shift_ms * 10 + (out[i] - '0');
        shift_ms = out[4] == '-' ? -shift_ms : shift_ms;
    }
    uint64_t rest = (replay->source.start_real_ns + due_ns) / NS_PER_MS + (uint64_t)shift_ms;
    for (int i = STAMP_BYTES - 1; i >= 0; i--, rest /= 10)
        out[i] = (uint8_t)('0' + rest % 10);
}

static uint32_t replay_build(struct blast_source *source, uint64_t due_ns, uint8_t *out)
{
    struct blast_replay *replay = (struct blast_replay *)source;
    const struct blast_replay_line *line = &replay->lines[replay->next++];
    memcpy(out, replay->file + line->at, line->len);
    if (line->stamp < line->len)
        put_time(replay, due_ns, out + line->stamp);
    assert(replay->pending_count < BLAST_BURST_MAX);
    replay->pending[replay->pending_count++] = line->len;
    return line->len;
}

static void replay_settle(struct blast_source *source, uint32_t sent)
{
    struct blast_replay *replay = (struct blast_replay *)source;
    for (uint32_t i = 0; i < sent; i++)
        source->tally.bytes += replay->pending[i];
    source->tally.sent += sent;
    source->tally.datagrams += sent;
    source->tally.unsent += replay->pending_count - sent;
    replay->pending_count = 0;
}

static void replay_abandon(struct blast_source *source, uint64_t since_ns)
{
    struct blast_replay *replay = (struct blast_replay *)source;
    uint64_t due_ns;
    while (replay_due(source, &due_ns) && due_ns < since_ns) {
        source->tally.unsent++;
        replay->next++;
    }
    replay->count = replay->next;
}

int blast_replay_open(struct blast_replay *replay, const char *file, uint64_t datagram_bytes,
                      char *fault, size_t room)
{
    *replay = (struct blast_replay){
        .source = {.due = replay_due,
                   .build = replay_build,
                   .settle = replay_settle,
                   .abandon = replay_abandon},
        .pace = 1,
        .end_ns = UINT64_MAX,
    };
    int rc = map(replay, file);
    if (rc < 0) {
        snprintf(fault, room, "--replay %s: %s", file,
                 rc == -ENODATA ? "no event in it" : strerror(-rc));
        return rc;
    }
    snprintf(fault, room, "--replay %s: out of memory for its index", file);
    rc = parse(replay, file, datagram_bytes, fault, room);
    if (rc < 0)
        blast_replay_close(replay);
    return rc;
}

void blast_replay_close(struct blast_replay *replay)
{
    free(replay->lines);
    if (replay->file)
        munmap(replay->file, replay->file_bytes);
    replay->lines = NULL;
    replay->file = NULL;
}

void blast_replay_limit(struct blast_replay *replay, uint64_t events, uint64_t duration_ns)
{
    if (events && events < replay->count)
        replay->count = events;
    if (duration_ns)
        replay->end_ns = duration_ns;
}
