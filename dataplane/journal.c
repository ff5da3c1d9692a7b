/* journal.c - seals, writes and syncs a group of blocks, and moves on from segment to segment. */
#include "dataplane/journal.h"

#include "dataplane/base/counter.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/clock.h"

/* The blocks of one poll, in order: [0, durable) are with the shard again, [durable, sealed) wait
 * for a sync, some of them in parts yet to be written. */
struct group {
    struct block_ref refs[SEGMENT_GROUP_BLOCKS];
    uint32_t count;
    uint32_t sealed;
    uint32_t durable;
    int part_count;
    uint64_t from; /* offset of the first part, the others follow it */
    struct iovec parts[1 + SEGMENT_GROUP_BLOCKS];
    uint8_t header[SEGMENT_HEADER_BYTES] __attribute__((aligned(BLOCK_ALIGN)));
};

void journal_init(struct journal *journal, const struct journal_wiring *wiring)
{
    assert(wiring->segment_bytes >= SEGMENT_HEADER_BYTES + BLOCK_BYTES);
    memset(journal, 0, sizeof *journal);
    journal->ops = wiring->ops;
    journal->dir_fd = wiring->dir_fd;
    journal->handle = -1;
    journal->id = (struct segment_id){.epoch = wiring->epoch, .shard = wiring->shard};
    journal->header = (struct segment_header){
        .key_fingerprint = wiring->key_fingerprint,
        .epoch = wiring->epoch,
        .shard = wiring->shard,
        .shard_count = wiring->shard_count,
        .partition_count = wiring->partition_count,
    };
    journal->place.next_ordinal = 1;
    journal->segment_bytes = wiring->segment_bytes;
    journal->from_shard = wiring->from_shard;
    journal->to_shard = wiring->to_shard;
}

/* Unlike that of any other segment: nothing else was made for this place at this time. */
static uint64_t make_file_id(const struct segment_header *header)
{
    uint64_t id = XXH3_64bits(header, sizeof *header);
    return id ? id : 1;
}

static void fill_header(struct journal *journal, uint32_t config_version)
{
    struct segment_header *header = &journal->header;
    header->number = journal->id.number;
    header->created_ns = clock_realtime_ns();
    header->first_ordinal = journal->place.next_ordinal;
    header->config_version = config_version;
    header->file_id = 0;
    header->file_id = make_file_id(header);
    if (header->number == 1)
        journal->place.prev_hash = header->file_id;
    header->prev_hash = journal->place.prev_hash;
}

static void add_part(struct group *group, void *data, uint32_t bytes, uint64_t offset)
{
    if (!group->part_count)
        group->from = offset;
    group->parts[group->part_count++] = (struct iovec){.iov_base = data, .iov_len = bytes};
}

static int open_segment(struct journal *journal, struct group *group, uint32_t config_version)
{
    char name[SEGMENT_NAME_MAX];
    if (journal->id.number == SEGMENT_NUMBER_MAX)
        return -EOVERFLOW;
    journal->id.number++;
    segment_name(journal->id, name);
    int handle =
        journal->ops.open(journal->ops.disk, journal->dir_fd, name, journal->segment_bytes);
    if (handle < 0)
        return handle;
    journal->handle = handle;
    fill_header(journal, config_version);
    journal->place.file_id = journal->header.file_id;
    journal->place.offset = SEGMENT_HEADER_BYTES;
    segment_header_encode(&journal->header, group->header);
    add_part(group, group->header, SEGMENT_HEADER_BYTES, 0);
    counter_add(&journal->counters.segments, 1);
    return 0;
}

static int write_parts(struct journal *journal, struct group *group)
{
    int rc = journal->ops.write(journal->ops.disk, journal->handle, group->parts, group->part_count,
                                group->from);
    if (rc)
        return rc;
    group->part_count = 0;
    counter_add(&journal->counters.bytes, journal->place.offset - group->from);
    return 0;
}

static void record_durable(struct journal *journal, const struct block *block, uint64_t now_ns)
{
    for (uint32_t i = 0; i < block->event_count; i++) {
        uint64_t wire_ns = block->wire_ns[i];
        histogram_record(&journal->durable, now_ns > wire_ns ? now_ns - wire_ns : 0);
    }
}

/* Writes what is sealed, makes it durable, says so, and gives those blocks back. */
static int sync_group(struct journal *journal, struct group *group)
{
    if (group->durable == group->sealed)
        return 0;
    int rc = write_parts(journal, group);
    if (rc)
        return rc;
    uint64_t from_ns = clock_monotonic_ns();
    rc = journal->ops.sync(journal->ops.disk, journal->handle);
    if (rc)
        return rc;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t position = SEGMENT_POSITION(journal->id.number, journal->place.offset);
    atomic_store_explicit(&journal->mark.position, position, memory_order_release);
    atomic_store_explicit(&journal->mark.ordinal, journal->place.next_ordinal - 1,
                          memory_order_release);
    histogram_record(&journal->sync, now_ns - from_ns);
    uint32_t count = group->sealed - group->durable;
    counter_add(&journal->counters.syncs, 1);
    counter_add(&journal->counters.blocks, count);
    for (uint32_t i = group->durable; i < group->sealed; i++)
        record_durable(journal, group->refs[i].block, now_ns);
    uint32_t pushed = block_ring_push_burst(journal->to_shard, &group->refs[group->durable], count);
    assert(pushed == count);
    group->durable = group->sealed;
    return 0;
}

/* Ends the segment: it is durable, cut and closed before the next one exists. */
static int end_segment(struct journal *journal, struct group *group)
{
    int rc = sync_group(journal, group);
    if (rc)
        return rc;
    int handle = journal->handle;
    journal->handle = -1;
    return journal->ops.close(journal->ops.disk, handle, journal->place.offset);
}

static int seal_block(struct journal *journal, struct group *group)
{
    struct block *block = group->refs[group->sealed].block;
    uint64_t bytes = arena_round(block->used, BLOCK_ALIGN);
    if (journal->handle >= 0 && journal->place.offset + bytes > journal->segment_bytes) {
        int rc = end_segment(journal, group);
        if (rc)
            return rc;
    }
    if (journal->handle < 0) {
        int rc = open_segment(journal, group, block->config_version);
        if (rc)
            return rc;
    }
    uint64_t offset = journal->place.offset;
    uint64_t from = group->part_count ? group->from : offset;
    block->group_pages = 1 + (uint32_t)((offset - from) / BLOCK_ALIGN);
    add_part(group, block->data, block_seal(block, &journal->place), offset);
    group->sealed++;
    return 0;
}

static int stop(struct journal *journal, int rc)
{
    counter_add(&journal->counters.error_count, 1);
    atomic_store_explicit(&journal->error, -rc, memory_order_release);
    return rc;
}

int journal_poll(struct journal *journal)
{
    int error = atomic_load_explicit(&journal->error, memory_order_relaxed);
    if (error)
        return -error;
    struct group group;
    group.sealed = group.durable = 0;
    group.part_count = 0;
    group.count = block_ring_pop_burst(journal->from_shard, group.refs, SEGMENT_GROUP_BLOCKS);
    while (group.sealed < group.count) {
        int rc = seal_block(journal, &group);
        if (rc)
            return stop(journal, rc);
    }
    int rc = sync_group(journal, &group);
    if (rc)
        return stop(journal, rc);
    return (int)group.count;
}

void journal_fini(struct journal *journal)
{
    if (journal->handle < 0)
        return;
    /* After a failure nobody knows what reached the disk: all of it stays for recovery to judge. */
    bool failed = atomic_load_explicit(&journal->error, memory_order_relaxed) != 0;
    uint64_t bytes = failed ? journal->segment_bytes : journal->place.offset;
    (void)journal->ops.close(journal->ops.disk, journal->handle, bytes);
    journal->handle = -1;
}
