/* admin_checkpoint.c - what the status says of checkpoints and of the last recovery. */
#include <string.h>

#include "dataplane/admin.h"
#include "dataplane/base/clock.h"
#include "dataplane/story_tell.h"

static json_t *name_json(struct checkpoint_id id)
{
    char name[CHECKPOINT_NAME_MAX];
    if (!id.number)
        return json_null();
    checkpoint_name(id, name);
    return json_string(name);
}

json_t *admin_recovery_json(const struct topo *topo)
{
    const struct recovery *r = &topo->recovery;
    return json_pack("{s:f, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "seconds", r->seconds,
                     "checkpoint", name_json(r->checkpoint), "set_aside", (json_int_t)r->set_aside,
                     "events", (json_int_t)r->events, "corrections", (json_int_t)r->corrections,
                     "segments", (json_int_t)r->segments, "torn", (json_int_t)r->torn,
                     "differences", (json_int_t)r->differences);
}

/* What a start would begin with: made by this run, or what this run began with. */
static uint64_t newest_ns(const struct topo *topo)
{
    uint64_t made_ns = atomic_load(&topo->checkpoint.checkpointer.made_ns);
    return made_ns ? made_ns : topo->recovery.checkpoint_ns;
}

json_t *admin_checkpoint_json(const struct topo *topo)
{
    const struct checkpointer *c = &topo->checkpoint.checkpointer;
    uint64_t now = clock_realtime_ns(), newest = newest_ns(topo);
    int error = atomic_load(&c->error);
    json_t *age = json_null();
    if (newest)
        age = json_real(now > newest ? (double)(now - newest) / NS_PER_S : 0.0);
    return json_pack(
        "{s:b, s:o, s:f, s:I, s:I, s:I, s:s?}", "enabled", (int)(topo->checkpoint.mirror != NULL),
        "age_s", age, "took_s", (double)atomic_load(&c->took_ns) / NS_PER_S, "bytes",
        (json_int_t)atomic_load(&c->bytes), "made", (json_int_t)atomic_load(&c->made), "failed",
        (json_int_t)atomic_load(&c->failed), "error", error ? strerror(error) : NULL);
}

json_t *admin_retained_json(struct topo *topo)
{
    struct retained *r = &topo->retained;
    uint64_t begins_ns = atomic_load(&r->begins_ns);
    int error = atomic_load(&r->error);
    pthread_mutex_lock(&r->lock);
    json_t *held_by = r->held_by[0] ? json_string(r->held_by) : json_null();
    pthread_mutex_unlock(&r->lock);
    return json_pack(
        "{s:I, s:o, s:I, s:I, s:I, s:o, s:s?}", "bytes", (json_int_t)atomic_load(&r->bytes),
        "begins", begins_ns ? story_time(begins_ns) : json_null(), "removed_segments",
        (json_int_t)atomic_load(&r->removed_segments), "removed_bytes",
        (json_int_t)atomic_load(&r->removed_bytes), "lost", (json_int_t)atomic_load(&r->lost),
        "held_by", held_by, "error", error ? strerror(error) : NULL);
}

void admin_checkpoint_warn(const struct topo *topo, json_t *warnings)
{
    int error = atomic_load(&topo->checkpoint.checkpointer.error);
    if (error)
        json_array_append_new(
            warnings, json_sprintf("the last checkpoint could not be made: %s -> make room on "
                                   "data_dir's disk; a start has more of the journal to read",
                                   strerror(error)));
    if (topo->recovery.set_aside)
        json_array_append_new(
            warnings, json_sprintf("%u checkpoints did not verify at start and were set aside: "
                                   "checkpoint/*.bad -> look after the disk, then remove them",
                                   topo->recovery.set_aside));
    if (atomic_load(&topo->retained.error))
        json_array_append_new(warnings,
                              json_sprintf("what the journal need not keep could not be removed: "
                                           "%s",
                                           strerror(atomic_load(&topo->retained.error))));
    if (atomic_load(&topo->retained.lost))
        json_array_append_new(
            warnings, json_string("a sink had not read what was removed from the journal -> raise "
                                  "journal.retain, or overload.sink_full: hold"));
}
