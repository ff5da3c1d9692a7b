/* recover_load.c - which checkpoint to begin with, and its partitions into the states. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/recover_impl.h"
#include "graph/items.h"

/* Why a checkpoint cannot be begun with. */
enum unfit {
    FIT,
    UNFIT_BAD,   /* it does not verify: set aside, the one before it may be good */
    UNFIT_IDS,   /* it is whole, but its ids are for a table of another size or window */
    UNFIT_FATAL, /* the error says what to do first */
};

static enum unfit fatal(char error[512], const struct recover_work *work, const char *name,
                        const char *what)
{
    snprintf(error, 512, "data_dir %.180s: checkpoint %s %.255s; nothing was changed",
             work->request->store->path, name, what);
    return UNFIT_FATAL;
}

/* What the file says of itself, against what there is. */
static enum unfit check_head(const struct recover_work *work, const struct checkpoint *c,
                             const char *name, char error[512])
{
    const struct recover_request *request = work->request;
    const struct checkpoint_head *head = &c->head;
    if (head->key_fingerprint != request->key->fingerprint)
        return fatal(error, work, name, "was written under another key than this data_dir's");
    if (head->partition_count != request->store->partition_count)
        return fatal(error, work, name, "has another number of partitions than this data_dir");
    if (head->item_count > items_count(request->items) ||
        items_hash(request->items, 0, head->item_count, 0) != head->item_hash)
        return fatal(error, work, name,
                     "names items that items.txt does not have in their places; restore items.txt "
                     "from a copy");
    return FIT;
}

/* Thread: its own. */
static int load_partitions(struct rebuild *rebuild)
{
    struct recover_work *work = rebuild->work;
    uint32_t count = work->request->store->partition_count;
    for (uint32_t p = rebuild->index; p < count; p += work->count) {
        if (atomic_load_explicit(&work->stop, memory_order_relaxed))
            return 0;
        int rc =
            checkpoint_load(&work->checkpoint, p, !work->no_ids, rebuild->state, rebuild->block);
        if (rc)
            return rc;
        atomic_fetch_add(&work->loaded, 1);
    }
    return 0;
}

static void clear_states(struct recover_work *work)
{
    for (uint32_t s = 0; s < work->request->shard_count; s++)
        state_clear(work->request->states[s]);
    atomic_store(&work->loaded, 0);
}

/* An errno of opening or loading, as a reason. */
static enum unfit judge(const struct recover_work *work, int rc, const char *name, char error[512])
{
    char what[256];
    if (rc == -EBADMSG)
        return UNFIT_BAD;
    if (rc == -ESTALE)
        return UNFIT_IDS;
    if (rc == -ENOSPC)
        return fatal(error, work, name,
                     "holds more than there is room for now: put limits.users, limits.claims and "
                     "limits.corrections back to what they were");
    if (rc == -EPROTONOSUPPORT)
        return fatal(error, work, name, "was written by a later version of Trove; run that one");
    snprintf(what, sizeof what, "cannot be read: %s", strerror(-rc));
    return fatal(error, work, name, what);
}

static void start_of(const struct checkpoint_head *head, struct replay_start *start)
{
    start->epoch = head->epoch;
    memset(start->ordinal, 0, sizeof start->ordinal);
    for (uint32_t s = 0; s < REPLAY_SHARDS_MAX; s++)
        start->number[s] = s < head->shard_count ? head->shard[s].number : 0;
}

/* begin_earlier has the journal read on from where a checkpoint of a window before this one does,
 * or from its beginning: the ids come from there. */
static void begin_earlier(struct recover_work *work, const struct checkpoint_id *ids, int count)
{
    const struct horizon *horizon = &work->request->store->horizon;
    const struct checkpoint_head *head = &work->checkpoint.head;
    uint64_t window_ns = work->request->window_ns;
    struct checkpoint older = {.fd = -1};
    work->start.all = true;
    for (int i = 0; i < count; i++) {
        bool good = checkpoint_open(&older, work->request->store->checkpoint_fd, ids[i]) == 0;
        bool early = good && older.head.created_ns + window_ns <= head->created_ns;
        if (early)
            start_of(&older.head, &work->start);
        checkpoint_close(&older);
        if (early)
            return;
    }
    work->start.epoch = horizon->epoch;
    memset(work->start.ordinal, 0, sizeof work->start.ordinal);
    for (uint32_t s = 0; s < REPLAY_SHARDS_MAX; s++)
        work->start.number[s] = s < horizon->shard_count ? horizon->number[s] : 0;
}

static void begin_with(struct recover_work *work, const struct checkpoint_id *ids, int count,
                       struct recovery *recovery)
{
    const struct checkpoint_head *head = &work->checkpoint.head;
    uint64_t *seq = calloc(head->partition_count, sizeof *seq);
    for (uint32_t p = 0; seq && p < head->partition_count; p++)
        seq[p] = work->checkpoint.index[p].seq;
    work->start = (struct replay_start){.epoch = head->epoch, .seq = seq};
    for (uint32_t s = 0; s < head->shard_count; s++) {
        work->start.number[s] = head->shard[s].number;
        work->start.ordinal[s] = head->shard[s].ordinal;
    }
    work->seq = seq;
    if (work->no_ids)
        begin_earlier(work, ids, count);
    recovery->checkpoint = work->checkpoint.id;
    recovery->checkpoint_ns = head->created_ns;
}

/* try opens a checkpoint and loads it.  RECOVER_STOPPED, or 0 with *unfit. */
static int try(struct recover_work *work, struct checkpoint_id id, const char *name,
               enum unfit *unfit, char error[512])
{
    int rc = checkpoint_open(&work->checkpoint, work->request->store->checkpoint_fd, id);
    *unfit = rc ? judge(work, rc, name, error) : check_head(work, &work->checkpoint, name, error);
    if (*unfit)
        return 0;
    work->checkpoint.corrections = &work->corrections;
    rc = recover_step(work, load_partitions, "loading a checkpoint", error);
    if (rc == RECOVER_STOPPED)
        return rc;
    if (rc)
        *unfit = judge(work, rc, name, error);
    return 0;
}

static int set_aside(const struct recover_work *work, struct checkpoint_id id, const char *name,
                     char error[512])
{
    char kept[CHECKPOINT_NAME_MAX];
    int rc = checkpoint_set_aside(&file_posix, work->request->store->checkpoint_fd, id, kept);
    if (rc) {
        snprintf(error, 512,
                 "data_dir %s: checkpoint %s does not verify, and cannot be renamed: %s",
                 work->request->store->path, name, strerror(-rc));
        return -1;
    }
    fprintf(stderr, "checkpoint %s does not verify; it is kept as %s, the one before it is used\n",
            name, kept);
    return 0;
}

/* use begins with the first of some checkpoints, or says why not.  *again: the next one may do. */
static int use(struct recover_work *work, const struct checkpoint_id *ids, int count,
               struct recovery *recovery, bool *again, char error[512])
{
    char name[CHECKPOINT_NAME_MAX];
    enum unfit unfit = FIT;
    struct checkpoint_id id = ids[0];
    checkpoint_name(id, name);
    work->no_ids = false;
    int rc = try(work, id, name, &unfit, error);
    if (!rc && unfit == UNFIT_IDS) {
        checkpoint_close(&work->checkpoint);
        clear_states(work);
        work->no_ids = true;
        rc = try(work, id, name, &unfit, error);
    }
    if (!rc && unfit == FIT) {
        begin_with(work, ids + 1, count - 1, recovery);
        return 0;
    }
    checkpoint_close(&work->checkpoint);
    if (rc || unfit == UNFIT_FATAL)
        return rc ? rc : -1;
    clear_states(work);
    *again = unfit == UNFIT_BAD;
    recovery->set_aside += unfit == UNFIT_BAD;
    if (unfit == UNFIT_BAD && !work->request->look)
        return set_aside(work, id, name, error);
    return 0;
}

/* Without a checkpoint there must be the first record. */
static int need_whole(const struct recover_work *work, char error[512])
{
    const struct store *store = work->request->store;
    char begins[TEXT_TIME_LEN + 1];
    if (horizon_is_whole(&store->horizon))
        return 0;
    text_time_format((int64_t)(store->horizon.begins_ns / NS_PER_MS), begins);
    snprintf(error, 512,
             "data_dir %s: no checkpoint verifies, and the journal begins at %s only: restore a "
             "checkpoint from a copy, or checkpoint/*.bad under its own name; nothing was changed",
             store->path, begins);
    return -1;
}

int recover_load(struct recover_work *work, struct recovery *recovery, char error[512])
{
    struct checkpoint_id *ids = NULL;
    unsigned unknown = 0;
    bool again = true;
    int dir_fd = work->request->store->checkpoint_fd, rc = 0;
    int count = dir_fd < 0 ? 0 : checkpoint_list(dir_fd, &ids, &unknown);
    if (count < 0) {
        snprintf(error, 512, "data_dir %s: cannot list its checkpoints: %s",
                 work->request->store->path, strerror(-count));
        return -1;
    }
    if (unknown && !work->request->look)
        fprintf(stderr,
                "data_dir %s: %u files in checkpoint/ are no checkpoints; they are left alone\n",
                work->request->store->path, unknown);
    const struct checkpoint_id *with = work->request->with;
    for (int i = 0; i < count && !rc && again; i++) {
        again = false;
        if (with && (with->epoch != ids[i].epoch || with->number != ids[i].number))
            again = true;
        else
            rc = use(work, ids + i, count - i, recovery, &again, error);
    }
    free(ids);
    if (!rc && !recovery->checkpoint.number)
        rc = need_whole(work, error);
    return rc;
}
