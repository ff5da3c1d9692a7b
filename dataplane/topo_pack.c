/* topo_pack.c - the thread that compresses cold segments, beside whatever else the control core
 * does.
 *
 * It gives way, but not to everybody: a thread that gets no processor, or no disk, in the middle of
 * a file system's transaction holds up every sync there is.  So it has a low priority, and neither
 * the idle class of the scheduler nor that of the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/counter.h"
#include "dataplane/base/segment_packed.h"
#include "dataplane/topo.h"

#define LOOK_NS  NS_PER_S        /* between two looks at the journal */
#define RETRY_NS (60 * NS_PER_S) /* after a segment that could not be compressed */
#define TICK_NS  (50 * NS_PER_MS)

/* Smaller ones would not become so: a file takes a page at least. */
#define WORTH_BYTES (64u << 10)

#define NICE 10

static bool is_stopping(const void *arg)
{
    const struct topo *topo = arg;
    return atomic_load_explicit(&topo->phase, memory_order_acquire) != PHASE_RUN;
}

/* A segment of the running epoch is whole once the mark is in a later one. */
static bool is_sealed(const struct topo *topo, struct segment_id id)
{
    if (id.epoch != topo->store.epoch)
        return true;
    if (id.shard >= topo->plan.shard_count)
        return false;
    const struct segment_mark *mark = &topo->journals[id.shard].journal->mark;
    return id.number < atomic_load_explicit(&mark->position, memory_order_acquire) >> 40;
}

static bool is_cold(const struct topo *topo, struct segment_id id)
{
    struct stat st;
    char name[SEGMENT_NAME_MAX];
    segment_name(id, name);
    if (fstatat(topo->store.journal_fd, name, &st, AT_SYMLINK_NOFOLLOW) ||
        st.st_size < (off_t)WORTH_BYTES)
        return false;
    uint64_t written = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
    return written + topo->conf->journal.compress_after_ns <= clock_realtime_ns();
}

/* What a segment holds: behind the place where it was given up there may be anything. */
static int bytes_of(const struct topo *topo, struct segment_id id, uint64_t *bytes)
{
    struct segment_reader reader;
    enum block_fault fault = BLOCK_OK;
    int rc = segment_bytes(topo->store.journal_fd, id, bytes);
    if (rc)
        return rc;
    rc = segment_reader_init(&reader, topo->store.journal_fd);
    if (!rc)
        rc = segment_reader_open(&reader, id);
    while (!rc && segment_reader_next(&reader, UINT64_MAX, &fault))
        if (is_stopping(topo))
            rc = -EINTR;
    /* What is damaged stays as it is, for who mends it. */
    if (!rc && fault != BLOCK_END)
        rc = -EBADMSG;
    if (!rc && reader.stop < *bytes)
        *bytes = reader.stop;
    segment_reader_fini(&reader);
    return rc;
}

static int pack_one(struct topo *topo, struct segment_id id)
{
    uint64_t bytes, packed;
    struct pack_counters *counters = &topo->packed;
    int rc = bytes_of(topo, id, &bytes);
    if (!rc)
        rc = segment_pack(topo->store.journal_fd, id, bytes, is_stopping, topo, &packed);
    /* Somebody who keeps the journal's size may have been faster. */
    if (rc == -EINTR || rc == -ENOENT)
        return rc;
    atomic_store(&counters->error, -rc);
    if (rc)
        return rc;
    counter_add(&counters->segments, 1);
    counter_add(&counters->bytes, bytes);
    counter_add(&counters->packed_bytes, packed);
    return 0;
}

/* Compresses what has become cold, oldest first.  Returns 0, or a negative errno when one could
 * not be. */
static int pack_cold(struct topo *topo)
{
    struct segment_id *ids;
    unsigned unknown;
    int rc = 0, count = segment_list(topo->store.journal_fd, &ids, &unknown);
    for (int i = 0; i < count && !is_stopping(topo); i++) {
        if (!is_sealed(topo, ids[i]) || !is_cold(topo, ids[i]))
            continue;
        int one = pack_one(topo, ids[i]);
        rc = rc || one == -ENOENT ? rc : one;
    }
    free(count < 0 ? NULL : ids);
    return count < 0 ? count : rc;
}

static void wait_ns(const struct topo *topo, uint64_t ns)
{
    for (uint64_t until = clock_monotonic_ns() + ns;
         !is_stopping(topo) && clock_monotonic_ns() < until;)
        nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
}

void *pack_run(void *arg)
{
    struct topo *topo = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    while (!is_stopping(topo))
        wait_ns(topo, pack_cold(topo) ? RETRY_NS : LOOK_NS);
    return NULL;
}
