/* crash_image.c - one image: put into the directory, recovered, and held against the oracles. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <xxhash.h>

#include "dataplane/base/segment_verify.h"
#include "dataplane/recover.h"
#include "tests/sim/crash.h"

static bool is_new(struct crash *sim, uint64_t hash)
{
    size_t at = hash & (sim->seen_room - 1);
    hash += !hash;
    for (; sim->seen[at]; at = (at + 1) & (sim->seen_room - 1))
        if (sim->seen[at] == hash)
            return false;
    sim->seen[at] = hash;
    return true;
}

static void clear_journal(struct crash *sim)
{
    struct segment_id *ids;
    unsigned unknown;
    char name[SEGMENT_NAME_MAX];
    int count = segment_list(sim->store.journal_fd, &ids, &unknown);
    for (int i = 0; i < count; i++) {
        segment_name(ids[i], name);
        (void)unlinkat(sim->store.journal_fd, name, 0);
    }
    free(ids);
    if (journal_stock_clear(sim->store.journal_fd) ||
        checkpoint_prune(&file_posix, sim->store.checkpoint_fd, 0) ||
        checkpoint_sweep(&file_posix, sim->store.checkpoint_fd))
        crash_die("cannot clear", sim->dir);
}

static void put_file(struct crash *sim, const struct kept_file *file)
{
    int fd = openat(sim->store.journal_fd, file->name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, file->data, file->bytes) != (ssize_t)file->bytes)
        crash_die("cannot write", file->name);
    close(fd);
}

/* An oracle that does not hold: everything that is needed to see it again. */
static void broken(struct crash *sim, const struct disk_crash *crash, const char *what,
                   const char *detail)
{
    fprintf(sim->err, "error: image %llu, after %u operations: %s %s\nthe files are left in %s\n",
            (unsigned long long)sim->images, crash->at, what, detail, sim->dir);
    exit(1);
}

void crash_image_recover(struct crash *sim, const struct disk_crash *crash, uint32_t shards,
                         struct crash_image *found)
{
    struct recovery recovery;
    struct replay replay;
    const struct record *record;
    char error[512];
    enum replay_step step;
    crash_states_open(sim, &found->states, shards);
    const struct recover_request request = {
        .store = &sim->store,
        .key = &sim->key,
        .items = sim->items,
        .states = found->states.state,
        .shard_count = shards,
        .threads = 1 + (uint32_t)(sim->images % 2),
        .alone = true,
    };
    if (recover(&request, &recovery, error))
        broken(sim, crash, "recovery says", error);
    if (recovery.differences)
        broken(sim, crash, "recovery", "made other outcomes than were recorded");
    if (recovery.set_aside)
        broken(sim, crash, "a checkpoint", "has its name and does not verify");
    sim->from_checkpoint += recovery.checkpoint.number != 0;
    sim->torn += recovery.torn;
    found->records = 0;
    if (replay_open(&replay, &sim->store, &sim->key, sim->items, error))
        broken(sim, crash, "reading says", error);
    while ((step = replay_next(&replay, &record)) != REPLAY_END) {
        if (step == REPLAY_FAULT)
            broken(sim, crash, "reading says", error);
        if (step == REPLAY_TAIL && replay_tail(&replay).torn)
            broken(sim, crash, "what was torn", "is still there");
        if (step != REPLAY_RECORD)
            continue;
        if (found->records == sim->history.count ||
            sim->history.record_hash[found->records++] !=
                XXH3_64bits(record, sizeof *record + record->body_len))
            broken(sim, crash, "a record is there", "that was never written so");
    }
    replay_close(&replay);
    found->hash = crash_states_hash(&found->states);
}

static bool same_journal(const struct segment_id *a, const struct segment_id *b)
{
    return a->epoch == b->epoch && a->shard == b->shard;
}

/* What recovery leaves is whole, to the last bit, but for segments that hold nothing. */
static void verify_image(struct crash *sim, const struct disk_crash *crash)
{
    struct segment_reader reader;
    struct segment_found found;
    struct segment_id *ids;
    unsigned unknown;
    int fd = sim->store.journal_fd, count = segment_list(fd, &ids, &unknown);
    for (int i = 0; i < count; i++) {
        bool followed = i + 1 < count && same_journal(&ids[i], &ids[i + 1]) &&
                        segment_holds_nothing(fd, ids[i + 1]) == 0;
        if (segment_reader_init(&reader, fd) ||
            segment_verify(&reader, ids[i], followed ? SEGMENT_FOLLOWED : SEGMENT_LAST, &found))
            crash_die("cannot verify", sim->dir);
        segment_reader_fini(&reader);
        if (found.state != SEGMENT_WHOLE && found.state != SEGMENT_EMPTY)
            broken(sim, crash, "a segment is not whole:", found.what);
    }
    free(count < 0 ? NULL : ids);
}

bool crash_image_check(struct crash_run *run, const struct disk_crash *crash,
                       const struct disk_atom *atoms, unsigned count)
{
    struct crash *sim = run->sim;
    struct crash_image found, again;
    if (!is_new(sim, disk_image(&run->disk, crash, atoms, count, -1) + sim->before))
        return false;
    sim->images++;
    clear_journal(sim);
    for (unsigned i = 0; i < sim->kept_count; i++)
        put_file(sim, &sim->kept[i]);
    disk_image(&run->disk, crash, atoms, count, sim->store.journal_fd);
    crash_image_recover(sim, crash, 1 + (uint32_t)(sim->images % 3), &found);
    if (found.records < sim->before + disk_told(&run->disk, crash->at))
        broken(sim, crash, "what was said to be durable", "is gone");
    uint64_t live = found.records ? sim->history.state_hash[found.records - 1] : sim->empty_hash;
    if (found.hash != live)
        broken(sim, crash, "the state", "is not that of the running shard");
    crash_states_close(&found.states);
    verify_image(sim, crash);
    crash_image_recover(sim, crash, 1 + (uint32_t)(sim->images % 2), &again);
    if (again.hash != found.hash || again.records != found.records)
        broken(sim, crash, "recovering once more", "changed something");
    crash_states_close(&again.states);
    return true;
}
