/* journal.c - seals, writes and syncs a group of blocks, and moves on from segment to segment. */
#include "dataplane/journal.h"

#include "dataplane/base/counter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/clock.h"

#define RETRY_MIN_NS (100 * NS_PER_MS)
#define RETRY_MAX_NS (5 * NS_PER_S)

int journal_init(struct journal *journal, const struct journal_wiring *wiring)
{
    assert(wiring->segment_bytes >= SEGMENT_HEADER_BYTES + BLOCK_BYTES);
    memset(journal, 0, sizeof *journal);
    journal->ops = wiring->ops;
    journal->stock = wiring->stock;
    journal->handle = journal->given_up = -1;
    journal->id = (struct segment_id){.epoch = wiring->epoch, .shard = wiring->shard};
    journal->header = (struct segment_header){
        .key_fingerprint = wiring->key_fingerprint,
        .epoch = wiring->epoch,
        .shard = wiring->shard,
        .shard_count = wiring->shard_count,
        .partition_count = wiring->partition_count,
    };
    journal->place.next_ordinal = 1;
    journal->end.place = journal->place;
    journal->kept_tail = &journal->kept;
    journal->segment_bytes = wiring->segment_bytes;
    journal->from_shard = wiring->from_shard;
    journal->to_shard = wiring->to_shard;
    journal->page = aligned_alloc(BLOCK_ALIGN, SEGMENT_HEADER_BYTES);
    return journal->page ? 0 : -ENOMEM;
}

const char *journal_state_name(enum journal_state state)
{
    static const char *const names[] = {"ok", "degraded", "disk_full", "failed"};
    return names[state];
}

/* ---- segments ---- */

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
    header->prev_end = journal->end.place.offset;
    header->prev_given_up = journal->end.given_up;
    header->file_id = 0;
    header->file_id = make_file_id(header);
    if (header->number == 1)
        journal->place.prev_hash = header->file_id;
    header->prev_hash = journal->place.prev_hash;
}

static void add_part(struct journal_group *group, void *data, uint32_t bytes, uint64_t offset)
{
    if (!group->part_count)
        group->from = offset;
    group->parts[group->part_count++] = (struct iovec){.iov_base = data, .iov_len = bytes};
}

/* Opens the segment behind the last one that holds something.  One that was opened before and
 * failed with its first group holds nothing, and is replaced. */
static int open_segment(struct journal *journal, uint32_t config_version)
{
    if (journal->end.number == SEGMENT_NUMBER_MAX)
        return -EOVERFLOW;
    journal->id.number = journal->end.number + 1;
    int handle = journal_stock_take(journal->stock, journal->id);
    if (handle < 0)
        return handle;
    journal->handle = handle;
    fill_header(journal, config_version);
    journal->place.file_id = journal->header.file_id;
    journal->place.offset = SEGMENT_HEADER_BYTES;
    segment_header_encode(&journal->header, journal->page);
    add_part(&journal->group, journal->page, SEGMENT_HEADER_BYTES, 0);
    counter_add(&journal->counters.segments, 1);
    return 0;
}

static void close_segment(struct journal *journal, int *handle, uint64_t bytes)
{
    /* What counts is durable; where the file cannot be cut, the next one says where it ends. */
    if (*handle >= 0)
        (void)journal->ops.close(journal->ops.disk, *handle, bytes);
    *handle = -1;
}

/* ---- giving back ---- */

static void release(struct journal *journal)
{
    while (journal->kept) {
        struct block_ref ref = {.block = journal->kept};
        journal->kept = ref.block->next;
        uint32_t pushed = block_ring_push_burst(journal->to_shard, &ref, 1);
        assert(pushed == 1);
    }
    journal->kept_tail = &journal->kept;
}

/* While there is no room for more than is on its way, the shard gets no block to fill. */
static bool keeps_back(const struct journal *journal)
{
    return !journal->ending && journal_stock_is_short(journal->stock);
}

static void record_durable(struct journal *journal, const struct block *block, uint64_t now_ns)
{
    uint32_t count = block->event_count;
    for (uint32_t at = 0, next; at < count; at = next) {
        uint64_t wire_ns = block->wire_ns[at];
        for (next = at + 1; next < count && block->wire_ns[next] == wire_ns;)
            next++; /* of one burst of a port */
        histogram_record_times(&journal->durable, now_ns > wire_ns ? now_ns - wire_ns : 0,
                               next - at);
    }
}

static void give_back(struct journal *journal, uint64_t now_ns)
{
    struct journal_group *group = &journal->group;
    for (; group->durable < group->sealed; group->durable++) {
        struct block *block = group->refs[group->durable].block;
        record_durable(journal, block, now_ns);
        block->next = NULL;
        *journal->kept_tail = block;
        journal->kept_tail = &block->next;
    }
    if (!keeps_back(journal))
        release(journal);
}

/* ---- groups ---- */

static void move_mark(struct journal *journal)
{
    uint64_t position = SEGMENT_POSITION(journal->id.number, journal->place.offset);
    atomic_store_explicit(&journal->mark.position, position, memory_order_release);
    atomic_store_explicit(&journal->mark.ordinal, journal->place.next_ordinal - 1,
                          memory_order_release);
}

/* Writes what is sealed, makes it durable, says so, and gives those blocks back. */
static int commit_group(struct journal *journal)
{
    struct journal_group *group = &journal->group;
    if (group->durable == group->sealed)
        return 0;
    uint64_t from_ns = clock_monotonic_ns();
    int rc = journal->ops.commit(journal->ops.disk, journal->handle, group->parts,
                                 group->part_count, group->from);
    if (rc)
        return rc;
    uint64_t now_ns = clock_monotonic_ns();
    group->part_count = 0;
    close_segment(journal, &journal->given_up, journal->end.place.offset);
    journal->end = (struct journal_end){.number = journal->id.number, .place = journal->place};
    move_mark(journal);
    histogram_record(&journal->sync, now_ns - from_ns);
    counter_add(&journal->counters.bytes, journal->place.offset - group->from);
    counter_add(&journal->counters.syncs, 1);
    counter_add(&journal->counters.blocks, group->sealed - group->durable);
    give_back(journal, now_ns);
    return 0;
}

static int seal_block(struct journal *journal)
{
    struct journal_group *group = &journal->group;
    struct block *block = group->refs[group->sealed].block;
    uint64_t bytes = arena_round(block->used, BLOCK_ALIGN);
    if (journal->handle >= 0 && journal->place.offset + bytes > journal->segment_bytes) {
        int rc = commit_group(journal);
        if (rc)
            return rc;
        close_segment(journal, &journal->handle, journal->place.offset);
    }
    if (journal->handle < 0) {
        int rc = open_segment(journal, block->config_version);
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

static int write_group(struct journal *journal)
{
    while (journal->group.sealed < journal->group.count) {
        int rc = seal_block(journal);
        if (rc)
            return rc;
    }
    return commit_group(journal);
}

/* ---- failing, and going on ---- */

/* Nothing is known of what was not durable: back to where that ends, and away from the file. */
static void give_up(struct journal *journal)
{
    bool holds = journal->handle >= 0 && journal->id.number == journal->end.number;
    if (holds) {
        journal->given_up = journal->handle;
        journal->handle = -1;
        journal->end.given_up = true;
        counter_add(&journal->counters.given_up, 1);
    }
    close_segment(journal, &journal->handle, JOURNAL_FILE_WHOLE);
    journal->place = journal->end.place;
    journal->group.sealed = journal->group.durable;
    journal->group.part_count = 0;
    counter_add(&journal->counters.error_count, 1);
    uint64_t wait_ns = RETRY_MIN_NS << (journal->tries < 6 ? journal->tries : 6);
    journal->retry_ns = clock_monotonic_ns() + (wait_ns < RETRY_MAX_NS ? wait_ns : RETRY_MAX_NS);
    journal->tries++;
}

static void say(struct journal *journal, enum journal_state state, int error)
{
    if (atomic_load_explicit(&journal->state, memory_order_relaxed) != (int)state)
        atomic_store(&journal->since_ns, clock_realtime_ns());
    atomic_store(&journal->error, error);
    atomic_store(&journal->state, (int)state);
}

static void say_how_it_is(struct journal *journal, int rc)
{
    int error = atomic_load(&journal->stock->error);
    bool full = error == ENOSPC || error == EDQUOT;
    if (rc)
        say(journal, journal->tries < JOURNAL_TRIES ? JOURNAL_DEGRADED : JOURNAL_FAILED, -rc);
    else if (error)
        say(journal, full ? JOURNAL_DISK_FULL : JOURNAL_DEGRADED, error);
    else
        say(journal, JOURNAL_OK, 0);
    bool refusing = keeps_back(journal) || journal->tries >= JOURNAL_TRIES;
    atomic_store(&journal->refusing, refusing);
    if (!refusing)
        release(journal);
}

static void take_group(struct journal *journal)
{
    struct journal_group *group = &journal->group;
    group->sealed = group->durable = 0;
    group->part_count = 0;
    group->count = block_ring_pop_burst(journal->from_shard, group->refs, SEGMENT_GROUP_BLOCKS);
}

int journal_poll(struct journal *journal)
{
    struct journal_group *group = &journal->group;
    if (group->durable == group->count)
        take_group(journal);
    if (journal->tries && clock_monotonic_ns() < journal->retry_ns)
        return -atomic_load_explicit(&journal->error, memory_order_relaxed);
    uint32_t waiting = group->count - group->durable;
    int rc = write_group(journal);
    while (rc) {
        give_up(journal);
        if (journal->tries > 1)
            break;
        rc = write_group(journal);
    }
    if (!rc)
        journal->tries = 0;
    say_how_it_is(journal, rc);
    return rc ? rc : (int)waiting;
}

void journal_end_soon(struct journal *journal)
{
    journal->ending = true;
}

void journal_fini(struct journal *journal)
{
    close_segment(journal, &journal->given_up, JOURNAL_FILE_WHOLE);
    close_segment(journal, &journal->handle, journal->place.offset);
    free(journal->page);
    journal->page = NULL;
}
