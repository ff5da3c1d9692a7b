/* topo_disk.c - each shard's journal and its stock of files, and the thread that keeps those. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/busy.h"
#include "dataplane/journal_probe.h"
#include "dataplane/topo.h"

#define KEEP_NS      (10 * NS_PER_MS)
#define PROBE_NS     (100 * NS_PER_MS) /* of a start, for trying both ways to the disk */
#define PROBE_MARGIN 20u               /* io_uring is used where it is faster by a twentieth */

static_assert(PLAN_PARTS_MAX <= BUSY_CORES_MAX, "every worker's core can be made busy");

static int make_stock(const struct topo *topo, uint32_t shard, uint64_t segment_bytes,
                      struct journal_thread *thread)
{
    struct journal_file_ops ops =
        thread->uring ? journal_uring_ops(thread->uring) : journal_file_posix;
    const struct conf *conf = topo->conf;
    uint64_t buffer = (uint64_t)conf->journal.buffer_blocks * BLOCK_BYTES;
    const struct journal_stock_wiring wiring = {
        .ops = ops,
        .dir_fd = topo->store.journal_fd,
        .shard = shard,
        .ahead = conf->journal.ahead,
        .reserve = journal_stock_reserve(buffer, segment_bytes, conf->journal.reserve),
        .segment_bytes = segment_bytes,
    };
    return journal_stock_init(&thread->stock, &wiring);
}

static int make_journal(struct topo *topo, uint32_t shard, struct block_ring *from_shard,
                        struct block_ring *to_shard)
{
    struct journal_thread *thread = &topo->journals[shard];
    uint64_t segment_bytes = topo->conf->journal.segment_bytes & ~(uint64_t)(BLOCK_ALIGN - 1);
    thread->topo = topo;
    if (make_stock(topo, shard, segment_bytes, thread))
        return -ENOMEM;
    thread->journal = aligned_alloc(64, arena_round(sizeof *thread->journal, 64));
    if (!thread->journal)
        return -ENOMEM;
    const struct journal_wiring wiring = {
        .ops = thread->stock.wiring.ops,
        .stock = &thread->stock,
        .epoch = topo->store.epoch,
        .shard = shard,
        .shard_count = topo->plan.shard_count,
        .partition_count = topo->conf->partitions,
        .key_fingerprint = topo->key.fingerprint,
        .segment_bytes = segment_bytes,
        .from_shard = from_shard,
        .to_shard = to_shard,
    };
    return journal_init(thread->journal, &wiring);
}

static void free_urings(struct topo *topo)
{
    for (uint32_t s = 0; s < topo->plan.shard_count; s++) {
        journal_uring_free(topo->journals[s].uring);
        topo->journals[s].uring = NULL;
    }
}

/* try_both measures as it will be: beside polling workers, at the priority of journals. */
static int try_both(const struct topo *topo, uint64_t took_ns[2])
{
    const struct journal_file_ops ways[2] = {journal_uring_ops(topo->journals[0].uring),
                                             journal_file_posix};
    struct busy busy = {0};
    struct sched_param before;
    int policy;
    bool known = pthread_getschedparam(pthread_self(), &policy, &before) == 0;
    priority_first(PRIORITY_JOURNAL);
    for (uint32_t c = 0; c < topo->plan.core_count && topo->conf->idle != CONF_IDLE_SLEEP; c++)
        (void)busy_start(&busy, topo->plan.cores[c].core);
    int rc = journal_probe(ways, topo->store.journal_fd, PROBE_NS, took_ns);
    busy_stop(&busy);
    if (known)
        (void)pthread_setschedparam(pthread_self(), policy, &before);
    return rc;
}

/* sync_is_better tries both ways.  Where there is little between them it is: its writes are
 * finished by the interrupt, not by a thread beside some worker.  Where they cannot be tried it is
 * io_uring: one submission. */
static bool sync_is_better(const struct topo *topo)
{
    uint64_t took_ns[2];
    if (try_both(topo, took_ns))
        return false;
    bool sync = took_ns[0] + took_ns[0] / PROBE_MARGIN >= took_ns[1];
    fprintf(stderr, "journal: a group takes %.0f us by io_uring, %.0f us by pwritev2: %s is used\n",
            (double)took_ns[0] / NS_PER_US, (double)took_ns[1] / NS_PER_US,
            sync ? "pwritev2" : "io_uring");
    return sync;
}

/* Where the kernel refuses, all journals go the other way, unless io_uring was asked for. */
static int make_urings(struct topo *topo, char error[512])
{
    int rc = 0;
    if (topo->conf->journal.io == CONF_IO_SYNC)
        return 0;
    for (uint32_t s = 0; !rc && s < topo->plan.shard_count; s++)
        rc = journal_uring_new(&topo->journals[s].uring);
    if (!rc && topo->conf->journal.io == CONF_IO_AUTO && topo->plan.shard_count &&
        sync_is_better(topo))
        free_urings(topo);
    if (!rc)
        return 0;
    if (topo->conf->journal.io == CONF_IO_URING) {
        snprintf(error, 512,
                 "journal.io is io_uring, and the kernel does not allow it: %s; allow it "
                 "(kernel.io_uring_disabled, seccomp), or set journal.io to auto or sync",
                 strerror(-rc));
        return -1;
    }
    fprintf(stderr, "journal: no io_uring here (%s): pwritev2 and fdatasync are used\n",
            strerror(-rc));
    free_urings(topo);
    return 0;
}

int topo_disk_make(struct topo *topo, struct block_ring **from_shard, struct block_ring **to_shard,
                   char error[512])
{
    int rc = journal_stock_clear(topo->store.journal_fd);
    if (rc)
        fprintf(stderr, "warning: data_dir %s: files that an earlier start had ready stay: %s\n",
                topo->store.path, strerror(-rc));
    if (make_urings(topo, error))
        return -1;
    rc = 0;
    for (uint32_t s = 0; !rc && s < topo->plan.shard_count; s++)
        rc = make_journal(topo, s, from_shard[s], to_shard[s]);
    /* The first segments, so that the first events need not wait for them.  Where there is no room,
     * the journals say so from the first event on. */
    for (uint32_t s = 0; !rc && s < topo->plan.shard_count; s++)
        (void)journal_stock_fill(&topo->journals[s].stock);
    if (rc)
        snprintf(error, 512, "no memory for the journals");
    return rc ? -1 : 0;
}

void topo_disk_fini(struct topo *topo)
{
    for (uint32_t s = 0; s < PLAN_PARTS_MAX; s++) {
        struct journal_thread *thread = &topo->journals[s];
        if (thread->journal && !thread->ended)
            journal_fini(thread->journal);
        free(thread->journal);
        journal_stock_fini(&thread->stock);
        journal_uring_free(thread->uring);
    }
}

static bool keep(struct topo *topo)
{
    bool made = false;
    for (uint32_t s = 0; s < topo->plan.shard_count; s++)
        made |= journal_stock_poll(&topo->journals[s].stock) > 0;
    return made;
}

void *stock_run(void *arg)
{
    struct topo *topo = arg;
    const struct timespec pause = {.tv_nsec = KEEP_NS};
    priority_first(PRIORITY_STOCK);
    while (atomic_load_explicit(&topo->phase, memory_order_acquire) < PHASE_END)
        if (!keep(topo))
            nanosleep(&pause, NULL);
    return NULL;
}
