/* topo_correct.c - corrections from the control thread to the shard that owns their partition, and
 * what it answers. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/clock.h"
#include "dataplane/topo.h"

#define ANSWER_WAIT_NS (2 * NS_PER_S)
#define LOOK_NS        50000

static bool expired(uint64_t deadline_ns)
{
    if (clock_monotonic_ns() > deadline_ns)
        return true;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    return false;
}

/* ask asks one shard.  An answer that came after its time is passed over. */
static int ask(struct topo *topo, uint32_t shard, enum correction_wish wish,
               const struct correction *correction, uint64_t deadline_ns,
               struct correction_answer *answer)
{
    struct correction_link *link = &topo->corrections[shard];
    struct correction_ask question = {
        .token = ++topo->correction_token, .wish = (uint8_t)wish, .correction = *correction};
    memset(answer, 0, sizeof *answer);
    bool asked = false;
    while (answer->token != question.token) {
        if (!asked)
            asked = correction_ask_ring_push_burst(link->asks, &question, 1);
        if (!correction_answer_ring_pop_burst(link->answers, answer, 1) && expired(deadline_ns))
            return asked ? -ETIMEDOUT : -EBUSY;
    }
    return 0;
}

/* find asks every shard for the id, and for what is to be undone: an id is one partition's, and who
 * undoes a correction names it alone. */
static int find(struct topo *topo, const struct correction *correction, uint64_t deadline_ns,
                struct correction_answer *found)
{
    memset(found, 0, sizeof *found);
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        struct correction_answer answer;
        int rc = ask(topo, s, CORRECTION_FIND, correction, deadline_ns, &answer);
        if (rc)
            return rc;
        if (answer.found)
            found->used_in = answer.used_in;
        if (answer.undo_found)
            found->undone = answer.undone;
        found->found |= answer.found;
        found->undo_found |= answer.undo_found;
    }
    return 0;
}

/* An event goes to its user's partition, one with a tile to the tile's; so do corrections. */
static uint16_t partition_of(const struct topo *topo, const struct correction *c)
{
    uint64_t owner = c->tile[0] ? hash64(&topo->key, c->tile, strlen(c->tile))
                                : hash128(&topo->key, c->user, strlen(c->user)).hi;
    return event_partition(owner, topo->conf->partitions);
}

/* place says which partition decides. */
static int place(const struct topo *topo, const struct correction_answer *found,
                 struct correction *c)
{
    if (c->kind == CORRECTION_undo) {
        if (!found->undo_found || !found->undone.user[0])
            return -ENOENT;
        memcpy(c->user, found->undone.user, sizeof c->user);
        memcpy(c->hunt, found->undone.hunt, sizeof c->hunt);
        memcpy(c->tile, found->undone.tile, sizeof c->tile);
        c->partition = found->undone.partition;
    } else {
        c->partition = partition_of(topo, c);
    }
    return found->found && found->used_in != c->partition ? -EEXIST : 0;
}

static int wait_durable(const struct topo *topo, uint32_t shard, uint64_t ordinal,
                        uint64_t deadline_ns)
{
    struct journal *journal = topo->journals[shard].journal;
    while (atomic_load_explicit(&journal->mark.ordinal, memory_order_acquire) < ordinal) {
        /* It is decided, and will be durable once the disk takes it: not known is all to say. */
        if (journal_has_failed(journal) || expired(deadline_ns))
            return -ETIMEDOUT;
    }
    return 0;
}

int topo_correct(struct topo *topo, struct correction *correction, bool dry_run,
                 struct correction_answer *answer)
{
    struct correction_answer found;
    uint64_t deadline_ns = clock_monotonic_ns() + ANSWER_WAIT_NS;
    uint32_t shard_count = topo->plan.shard_count;
    assert(shard_count);
    if (atomic_load(&topo->stop_wanted))
        return -ESHUTDOWN;
    for (uint32_t s = 0; s < shard_count; s++)
        if (journal_is_refusing(topo->journals[s].journal))
            return -EIO;
    int rc = find(topo, correction, deadline_ns, &found);
    if (!rc)
        rc = place(topo, &found, correction);
    if (rc)
        return rc == -EBUSY ? -ETIMEDOUT : rc;
    uint32_t shard = correction->partition % shard_count;
    correction->receive_ns = clock_realtime_ns();
    rc =
        ask(topo, shard, dry_run ? CORRECTION_TRY : CORRECTION_DO, correction, deadline_ns, answer);
    if (!rc && !dry_run)
        rc = wait_durable(topo, shard, answer->ordinal, deadline_ns);
    return rc == -EBUSY ? -ETIMEDOUT : rc;
}
