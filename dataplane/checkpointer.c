/* checkpointer.c - ask, wait, write, partition after partition; then wait for the journals. */
#include "dataplane/checkpointer.h"

#include <errno.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "graph/items.h"

void checkpointer_init(struct checkpointer *c, const struct checkpointer_wiring *wiring)
{
    *c = (struct checkpointer){.wiring = *wiring, .writer = {.handle = -1}};
    for (unsigned i = 0; i < CHECKPOINT_KEPT; i++)
        c->made_with[i] = UINT64_MAX;
}

static uint64_t durable(const struct checkpointer *c, uint32_t shard)
{
    return atomic_load_explicit(&c->wiring.marks[shard]->ordinal, memory_order_acquire);
}

static uint64_t durable_in_all(const struct checkpointer *c)
{
    uint64_t sum = 0;
    for (uint32_t s = 0; s < c->wiring.shard_count; s++)
        sum += durable(c, s);
    return sum;
}

static int give_up(struct checkpointer *c, int rc)
{
    checkpoint_fini(&c->writer);
    c->step = CHECKPOINTER_IDLE;
    atomic_fetch_add(&c->failed, 1);
    atomic_store(&c->error, -rc);
    return rc;
}

/* What is durable of a journal now is in whatever is copied from now on: its reader may begin with
 * the segment in which that ends. */
static void say_where_to_begin(const struct checkpointer *c, struct checkpoint_head *head)
{
    for (uint32_t s = 0; s < c->wiring.shard_count; s++) {
        uint64_t position =
            atomic_load_explicit(&c->wiring.marks[s]->position, memory_order_acquire);
        head->shard[s].number = (uint32_t)(position >> 40);
    }
}

bool checkpointer_begin(struct checkpointer *c)
{
    uint64_t with = durable_in_all(c);
    bool known = true;
    for (unsigned i = 0; i < CHECKPOINT_KEPT; i++)
        known &= c->made_with[i] == with;
    if (c->step != CHECKPOINTER_IDLE || !mirror_done(c->wiring.mirror) || known)
        return false;
    struct checkpoint_head head = {
        .epoch = c->wiring.epoch,
        .number = ++c->number,
        .partition_count = c->wiring.partition_count,
        .shard_count = c->wiring.shard_count,
        .key_fingerprint = c->wiring.key_fingerprint,
        .created_ns = clock_realtime_ns(),
    };
    say_where_to_begin(c, &head);
    c->began_ns = clock_monotonic_ns();
    c->began_with = with;
    int rc = checkpoint_create(&c->writer, c->wiring.ops, c->wiring.dir_fd, &head);
    if (rc) {
        give_up(c, rc);
        return false;
    }
    c->step = CHECKPOINTER_COPY;
    mirror_ask(c->wiring.mirror, 0);
    return true;
}

/* Names are read behind those that are in the file: they stay where they are. */
static void name_items(struct checkpointer *c)
{
    uint32_t count = atomic_load_explicit(c->wiring.item_count, memory_order_acquire);
    c->items_hash = items_hash(c->wiring.items, c->items_hashed, count, c->items_hash);
    c->items_hashed = count;
    c->writer.head.item_count = count;
    c->writer.head.item_hash = c->items_hash;
}

static int take_copy(struct checkpointer *c)
{
    struct mirror *mirror = c->wiring.mirror;
    if (!mirror_done(mirror))
        return 0;
    uint32_t shard = mirror->id % c->wiring.shard_count;
    uint64_t *ordinal = &c->writer.head.shard[shard].ordinal;
    if (mirror->ordinal > *ordinal)
        *ordinal = mirror->ordinal;
    int rc = checkpoint_add(&c->writer, mirror->state, mirror->ordinal, mirror->version);
    if (rc)
        return give_up(c, rc);
    if (c->writer.count < c->wiring.partition_count) {
        mirror_ask(mirror, c->writer.count);
    } else {
        name_items(c);
        c->step = CHECKPOINTER_SYNC;
    }
    return 1;
}

static int finish(struct checkpointer *c)
{
    for (uint32_t s = 0; s < c->wiring.shard_count; s++)
        if (durable(c, s) < c->writer.head.shard[s].ordinal)
            return 0;
    int rc = checkpoint_finish(&c->writer);
    if (rc)
        return give_up(c, rc);
    atomic_store(&c->bytes, c->writer.offset);
    atomic_store(&c->made_ns, c->writer.head.created_ns);
    atomic_store(&c->took_ns, clock_monotonic_ns() - c->began_ns);
    c->made_with[c->number % CHECKPOINT_KEPT] = c->began_with;
    atomic_store(&c->error, 0);
    atomic_fetch_add(&c->made, 1);
    checkpoint_fini(&c->writer);
    c->step = CHECKPOINTER_IDLE;
    return 1;
}

int checkpointer_poll(struct checkpointer *c)
{
    switch (c->step) {
    case CHECKPOINTER_IDLE:
        return 0;
    case CHECKPOINTER_COPY:
        return take_copy(c);
    case CHECKPOINTER_SYNC:
        return finish(c);
    }
    return 0;
}

void checkpointer_fini(struct checkpointer *c)
{
    checkpoint_fini(&c->writer);
    c->step = CHECKPOINTER_IDLE;
}
