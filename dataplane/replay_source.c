/* replay_source.c - records from elsewhere, laid out as a block of a journal has them: an event
 * with all that came of it, so that whoever looks ahead finds it. */
#include <string.h>

#include "dataplane/base/block.h"
#include "dataplane/replay_impl.h"

#define ROOM (BLOCK_BYTES - (uint32_t)sizeof(struct block_header))

static uint8_t *payload(const struct replay *replay)
{
    return replay->reader.buffer + sizeof(struct block_header);
}

/* pending returns the source's next record, which stays it until it is put; NULL: there is none. */
static const struct record *pending(struct replay *replay)
{
    struct replay_feed *feed = &replay->feed;
    if (!feed->record && feed->last > 0)
        feed->last =
            replay->source->next(replay->source->arg, &feed->record, &feed->version, replay->error);
    return feed->last > 0 ? feed->record : NULL;
}

static void put(struct replay *replay, const struct record *record)
{
    struct replay_feed *feed = &replay->feed;
    uint32_t bytes = record_bytes(record->body_len);
    if (record->kind != RECORD_OUTCOME)
        feed->story = feed->filled;
    memcpy(payload(replay) + feed->filled, record, sizeof *record + record->body_len);
    feed->filled += bytes;
    feed->record = NULL;
}

/* next_block fills the reader's block, to be given up to where a story ends.  A story that began in
 * the block before is moved to its front. */
static void next_block(struct replay *replay)
{
    struct replay_feed *feed = &replay->feed;
    struct segment_reader *reader = &replay->reader;
    const struct record *record;
    feed->filled -= reader->end;
    memmove(payload(replay), payload(replay) + reader->end, feed->filled);
    feed->story = reader->at = reader->end = 0;
    reader->block_count++;
    while ((record = pending(replay)) != NULL) {
        if (!feed->filled)
            reader->config_version = feed->version;
        if (record_bytes(record->body_len) > ROOM - feed->filled ||
            feed->version != reader->config_version)
            break;
        put(replay, record);
    }
    bool cut = record && record->kind == RECORD_OUTCOME && feed->story > 0;
    reader->end = cut ? feed->story : feed->filled;
}

enum replay_step replay_next_of_source(struct replay *replay, const struct record **record)
{
    struct segment_reader *reader = &replay->reader;
    for (;;) {
        *record = segment_reader_peek(reader, &reader->at);
        if (*record)
            return REPLAY_RECORD;
        next_block(replay);
        if (reader->end)
            continue;
        if (replay->feed.last > 0)
            return replay_fault(replay, "the archive has a record of %u bytes",
                                replay->feed.record->body_len);
        return replay->feed.last ? REPLAY_FAULT : REPLAY_END;
    }
}
