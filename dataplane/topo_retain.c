/* topo_retain.c - what of the journal goes, once a checkpoint is made: what was wanted, what sinks
 * and leaderboards still need, what is told of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/topo.h"
#include "sinks/cursor.h"

static_assert(SINK_EPOCH_JOURNALS_MAX == CHECKPOINT_SHARDS_MAX, "journals of an epoch");

/* The configuration's, as it is now. */
struct plan_of {
    struct retention_wish wish;
    bool may_lose;
    uint32_t sink_count;
    char names[CONF_SINKS_MAX][CONF_NAME_MAX + 1];
};

static void read_conf(struct topo *topo, struct plan_of *plan)
{
    const struct conf *conf = topo_read_lock(topo)->conf;
    *plan = (struct plan_of){
        .wish = {.age_ns = conf->journal.retain_ns,
                 .bytes = conf->journal.retain_bytes,
                 .free_bytes = conf->journal.min_free_bytes},
        .may_lose = conf->overload.sink_full == CONF_SINK_DROP,
        .sink_count = conf->sink_count,
    };
    for (uint32_t i = 0; i < conf->sink_count; i++)
        memcpy(plan->names[i], conf->sinks[i].name, sizeof plan->names[i]);
    topo_read_unlock(topo);
}

/* A cursor as somebody's need. */
static void need_of(const struct sink_cursor *cursor, const char *who, struct retention_need *need)
{
    *need = (struct retention_need){
        .who = who, .epoch = cursor->epoch, .shard_count = cursor->shard_count};
    for (uint32_t s = 0; s < cursor->shard_count; s++)
        need->number[s] = cursor->at[s].number;
}

/* Who has no cursor yet needs everything: epoch 0 is in front of all. */
static void need_of_file(const struct topo *topo, const char *who, const char *suffix,
                         int (*read)(const char *path, struct sink_cursor *cursor),
                         struct retention_need *need)
{
    struct sink_cursor cursor = {0};
    char path[CONF_PATH_MAX + 96];
    snprintf(path, sizeof path, "%s/sinks/%s%s", topo->store.path, who, suffix);
    if (read(path, &cursor) || !cursor.version)
        cursor = (struct sink_cursor){0};
    need_of(&cursor, who, need);
}

static void tell_time(uint64_t ns, char text[TEXT_TIME_LEN + 1])
{
    text_time_format((int64_t)(ns / NS_PER_MS), text);
}

static void tell(struct topo *topo, const struct retention_done *done)
{
    char begins[TEXT_TIME_LEN + 1];
    if (!done->segments)
        return;
    tell_time(done->begins_ns, begins);
    fprintf(stderr,
            "retention: removed %llu segments, %llu MiB; the journal begins at %s with a "
            "checkpoint\n",
            (unsigned long long)done->segments, (unsigned long long)done->bytes >> 20, begins);
    if (done->lost_by)
        fprintf(stderr,
                "warning: sink '%s' had not read all of what was removed, and will not get it "
                "(overload.sink_full: drop)%s\n",
                done->lost_by, done->lost_count > 1 ? "; nor had others" : "");
    atomic_fetch_add(&topo->retained.removed_segments, done->segments);
    atomic_fetch_add(&topo->retained.removed_bytes, done->bytes);
    if (done->lost_by)
        atomic_fetch_add(&topo->retained.lost, 1);
}

static void note(struct topo *topo, const struct retention_done *done, int rc)
{
    struct retained *retained = &topo->retained;
    if (rc && rc != -atomic_load(&retained->error))
        fprintf(stderr, "error: what the journal need not keep could not be removed: %s\n",
                strerror(-rc));
    atomic_store(&retained->error, -rc);
    if (rc)
        return;
    atomic_store(&retained->bytes, done->kept_bytes);
    atomic_store(&retained->begins_ns, done->begins_ns);
    pthread_mutex_lock(&retained->lock);
    snprintf(retained->held_by, sizeof retained->held_by, "%s", done->held_by ? done->held_by : "");
    pthread_mutex_unlock(&retained->lock);
    tell(topo, done);
}

void topo_retain(struct topo *topo)
{
    struct plan_of *plan = malloc(sizeof *plan);
    struct retention_need *needs = calloc(CONF_SINKS_MAX + 1, sizeof *needs);
    struct retention_done done = {0};
    int rc = plan && needs ? 0 : -ENOMEM;
    if (!rc) {
        read_conf(topo, plan);
        const struct retention_request request = {
            .ops = &file_posix,
            .dir_fd = topo->store.dir_fd,
            .journal_fd = topo->store.journal_fd,
            .checkpoint_fd = topo->store.checkpoint_fd,
            .wish = plan->wish,
            .needs = needs,
            .need_count = plan->sink_count + 1,
            .may_lose = plan->may_lose,
            .now_ns = clock_realtime_ns(),
        };
        need_of_file(topo, "leaderboards", ".board", board_saved_at, &needs[plan->sink_count]);
        needs[plan->sink_count].must = true;
        for (uint32_t i = 0; i < plan->sink_count; i++)
            need_of_file(topo, plan->names[i], ".cursor", cursor_read, &needs[i]);
        bool wanted = plan->wish.age_ns || plan->wish.bytes || plan->wish.free_bytes;
        rc = retention_run(&request, &done);
        if (!rc && (wanted || done.begins_ns))
            rc = retention_thin(&request);
        else if (!rc)
            rc = checkpoint_prune(request.ops, request.checkpoint_fd, CHECKPOINT_KEPT);
    }
    note(topo, &done, rc);
    free(needs);
    free(plan);
}

int topo_retain_begin(struct topo *topo, char error[512])
{
    struct retention_done done;
    pthread_mutex_init(&topo->retained.lock, NULL);
    int rc = retention_finish(&file_posix, topo->store.dir_fd, topo->store.journal_fd, &done);
    if (!rc)
        rc = checkpoint_sweep(&file_posix, topo->store.checkpoint_fd);
    if (rc)
        snprintf(error, 512,
                 "data_dir %s: segments that the journal no longer has could not be "
                 "removed: %s",
                 topo->store.path, strerror(-rc));
    atomic_store(&topo->retained.begins_ns,
                 horizon_is_whole(&topo->store.horizon) ? 0 : topo->store.horizon.begins_ns);
    return rc ? -1 : 0;
}
