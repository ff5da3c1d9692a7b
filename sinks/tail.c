/* tail.c - from record to record, block to block, segment to segment of one journal. */
#include "sinks/tail.h"

#include <errno.h>

int tail_init(struct tail *tail, int dir_fd)
{
    *tail = (struct tail){0};
    return segment_reader_init(&tail->reader, dir_fd);
}

void tail_fini(struct tail *tail)
{
    segment_reader_fini(&tail->reader);
}

void tail_start(struct tail *tail, uint32_t number, uint64_t offset, uint64_t ordinal)
{
    segment_reader_close(&tail->reader);
    tail->reader.is_direct = tail->mark != NULL;
    tail->event = NULL;
    tail->block = tail->saved = (struct tail_point){0};
    tail->done = !tail->mark && !tail->newest && !number;
    tail->number = number;
    tail->offset = offset;
    tail->ordinal = ordinal;
}

static uint64_t position(const struct tail *tail)
{
    return atomic_load_explicit(&tail->mark->position, memory_order_acquire);
}

/* The last segment that there is something to read of; 0: none. */
static uint32_t last_number(const struct tail *tail)
{
    return tail->mark ? (uint32_t)(position(tail) >> 40) : tail->newest;
}

static uint64_t limit_of_segment(const struct tail *tail)
{
    if (!tail->mark)
        return UINT64_MAX;
    uint64_t at = position(tail);
    bool closed = tail->reader.id.number < at >> 40;
    return closed ? UINT64_MAX : at & (SEGMENT_POSITION(1, 0) - 1);
}

static int open_segment(struct tail *tail, uint32_t number)
{
    int rc = segment_reader_open(
        &tail->reader,
        (struct segment_id){.epoch = tail->epoch, .shard = tail->shard, .number = number});
    if (rc == -ENOENT)
        return -ESTALE;
    if (rc == -ENODATA) {
        /* The daemon died between making its last segment and writing to it. */
        if (tail->mark || number != tail->newest)
            return -EBADMSG;
        tail->done = true;
        return 0;
    }
    return rc ? rc : 1;
}

int tail_open(struct tail *tail)
{
    if (tail->done)
        return 0;
    if (tail->reader.fd >= 0)
        return 1;
    uint32_t last = last_number(tail);
    if (!last)
        return tail->number ? -ESTALE : 0;
    uint32_t number = tail->number ? tail->number : 1;
    if (number < tail->oldest)
        number = tail->oldest;
    int rc = number <= last ? open_segment(tail, number) : -ESTALE;
    /* An older segment may be gone, but only one that was accepted to its end. */
    if (rc == 1 && tail->reader.ordinal > tail->ordinal) {
        tail_start(tail, tail->number, tail->offset, tail->ordinal);
        return -ESTALE;
    }
    return rc;
}

int tail_seek(struct tail *tail, uint64_t ordinal)
{
    uint32_t number = 0, oldest = tail->oldest ? tail->oldest : 1;
    uint64_t before = UINT64_MAX; /* ordinal in front of that segment */
    tail_start(tail, 0, 0, 0);
    for (uint32_t n = last_number(tail); n >= oldest && before > ordinal; n--) {
        int rc = open_segment(tail, n);
        if (rc == -ESTALE)
            break;
        if (rc < 0)
            return rc;
        if (rc) {
            number = n;
            before = tail->reader.ordinal;
        }
    }
    tail_start(tail, number, 0, number && before > ordinal ? before : ordinal);
    return 0;
}

static int fault_errno(enum block_fault fault)
{
    return fault == BLOCK_UNREADABLE ? -EIO : -EBADMSG;
}

/* At the end of a segment: opens the next one.  Returns as tail_open. */
static int open_next(struct tail *tail)
{
    if (tail->reader.id.number < last_number(tail))
        return open_segment(tail, tail->reader.id.number + 1);
    if (tail->mark)
        return 0;
    /* A journal that ends before what was accepted of it is not the one that was read then. */
    if (tail->reader.ordinal < tail->ordinal)
        return -ESTALE;
    tail->done = true;
    return 0;
}

/* Enters the next block, and gives its first record. */
static const struct record *enter_block(struct tail *tail, uint64_t limit, enum block_fault *fault)
{
    struct tail_point next = {.id = tail->reader.id, .place = tail->reader.place};
    const struct record *record = segment_reader_next(&tail->reader, limit, fault);
    if (tail->reader.place.offset != next.place.offset) {
        tail->block = next;
        tail->event = NULL;
    }
    return record;
}

static void note_event(struct tail *tail, const struct record *record)
{
    if (record->kind != RECORD_OUTCOME)
        tail->event = record->kind == RECORD_CONFIG ? NULL : record;
}

/* Looks for a record from the end of a block on. */
static int next_block(struct tail *tail, const struct record **record)
{
    int rc = tail_open(tail);
    while (rc > 0) {
        enum block_fault fault;
        uint64_t limit = limit_of_segment(tail);
        *record = enter_block(tail, limit, &fault);
        if (*record)
            return 1;
        if (fault != BLOCK_END)
            return fault_errno(fault);
        rc = limit == UINT64_MAX ? open_next(tail) : 0;
    }
    return rc;
}

int tail_next(struct tail *tail, const struct record **record)
{
    do {
        enum block_fault fault;
        bool inside = tail->reader.at != tail->reader.end;
        int rc = inside ? 1 : next_block(tail, record);
        if (rc <= 0)
            return rc;
        if (inside)
            *record = segment_reader_next(&tail->reader, UINT64_MAX, &fault);
        note_event(tail, *record);
    } while (tail->reader.ordinal <= tail->ordinal);
    return 1;
}

void tail_accept(struct tail *tail)
{
    tail->number = tail->reader.id.number;
    tail->offset = tail->block.place.offset;
    tail->ordinal = tail->reader.ordinal;
}

void tail_save(struct tail *tail)
{
    tail->saved = tail->block;
}

void tail_rewind(struct tail *tail, uint32_t number, uint64_t offset, uint64_t ordinal)
{
    struct tail_point saved = tail->saved;
    bool back = saved.id.number && tail->reader.fd >= 0 &&
                segment_reader_return(&tail->reader, saved.id, &saved.place) == 0;
    if (!back) {
        tail_start(tail, number, offset, ordinal);
        return;
    }
    tail->block = saved; /* what is saved before anything is read again must not lie ahead */
    tail->event = NULL;
    tail->done = false;
    tail->number = number;
    tail->offset = offset;
    tail->ordinal = ordinal;
}
