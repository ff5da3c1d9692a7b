/* topo_conf.c - configuration versions: checked, stored, published to the cores, retired. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/rcu.h"
#include "dataplane/topo.h"

#define TAKE_UP_NS (4000 * NS_PER_MS) /* an apply always answers within 5 s */

typedef char path_list[CONF_HUNTS_MAX][CONF_PATH_MAX];

const struct snapshot *topo_snapshot(const struct topo *topo)
{
    return topo->published;
}

const struct snapshot *topo_read_lock(struct topo *topo)
{
    pthread_mutex_lock(&topo->read_lock);
    return topo->published;
}

void topo_read_unlock(struct topo *topo)
{
    pthread_mutex_unlock(&topo->read_lock);
}

static void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    rules_free(snapshot->rules);
    conf_free(snapshot->conf);
    free(snapshot->config_json);
    free(snapshot);
}

/* What the CONFIG record says: enough to read the records behind it. */
static int describe(struct snapshot *snapshot)
{
    json_t *hunts = json_array();
    for (uint32_t i = 0; i < snapshot->rules->hunt_count; i++)
        json_array_append_new(hunts, json_string(snapshot->rules->hunts[i].name));
    json_t *body = json_pack("{s:i, s:s, s:s, s:o}", "version", (int)snapshot->version, "digest",
                             snapshot->digest, "applied", snapshot->applied, "hunts", hunts);
    snapshot->config_json = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!snapshot->config_json)
        return -ENOMEM;
    snapshot->config_json_len = (uint32_t)strlen(snapshot->config_json);
    return 0;
}

/* Faults in a stored copy are faults in the operator's file. */
static void name_originals(struct diag_list *diags, const struct conf *conf, path_list originals)
{
    for (unsigned d = 0; d < diags->count; d++)
        for (uint32_t i = 0; i < conf->hunt_count; i++)
            if (!strcmp(diags->diags[d].file, conf->hunts[i].catalog))
                snprintf(diags->diags[d].file, sizeof diags->diags[d].file, "%s", originals[i]);
}

static int save_items(struct topo *topo)
{
    uint32_t count = items_count(topo->items);
    if (count == topo->items_saved)
        return 0;
    int fd =
        openat(topo->store.dir_fd, "items.txt", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "a");
    if (!out) {
        int rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    int rc = items_save(topo->items, topo->items_saved, out);
    if (!rc && (fflush(out) || fsync(fileno(out)) || fsync(topo->store.dir_fd)))
        rc = -errno;
    fclose(out);
    if (!rc)
        topo->items_saved = count;
    return rc;
}

/* Keys that need a restart keep the value that the daemon started with. */
static void keep_started(const struct topo *topo, struct conf *conf, struct diag_list *diags)
{
    conf->events.dedupe_window_ns = topo->conf->events.dedupe_window_ns;
    if (conf->events.lateness_ns <= conf->events.dedupe_window_ns)
        return;
    struct diag place = {0};
    snprintf(place.file, sizeof place.file, "%s", conf->file);
    diag_add(diags, &place, "conflict",
             "events.lateness is longer than the events.dedupe.window that troved runs with; the "
             "longer window needs a restart first");
}

static struct snapshot *build(struct topo *topo, struct conf *conf, struct diag_list *diags,
                              int *rc)
{
    path_list *originals = calloc(1, sizeof *originals);
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    *rc = -ENOMEM;
    if (!originals || !snapshot)
        goto fail;
    for (uint32_t i = 0; i < conf->hunt_count; i++)
        memcpy((*originals)[i], conf->hunts[i].catalog, CONF_PATH_MAX);
    *rc = store_catalogs(&topo->store, conf);
    if (*rc)
        goto fail;
    *rc = -EINVAL;
    snapshot->rules = rules_build(conf, 0, &topo->key, topo->items, diags);
    if (!snapshot->rules) {
        name_originals(diags, conf, *originals);
        goto fail;
    }
    *rc = save_items(topo);
    if (!*rc)
        *rc = store_save(&topo->store, conf);
    if (*rc < 0)
        goto fail;
    snapshot->version = snapshot->rules->version = (uint32_t)*rc;
    snprintf(snapshot->digest, sizeof snapshot->digest, "%016llx",
             (unsigned long long)hash64(&topo->key, conf->text, conf->text_len));
    text_time_format((int64_t)(clock_realtime_ns() / NS_PER_MS), snapshot->applied);
    *rc = describe(snapshot);
    if (*rc)
        goto fail;
    snapshot->conf = conf;
    free(originals);
    return snapshot;
fail:
    free(originals);
    snapshot_free(snapshot);
    return NULL;
}

int topo_first(struct topo *topo, struct diag_list *diags, char error[512])
{
    int rc;
    struct conf *conf = conf_load(topo->conf->file, topo->conf->text, topo->conf->text_len, diags);
    if (!conf)
        return -1;
    topo->published = build(topo, conf, diags, &rc);
    if (topo->published)
        return 0;
    conf_free(conf);
    if (!diags->count)
        snprintf(error, 512, "data_dir %s: cannot keep the configuration: %s", topo->store.path,
                 strerror(-rc));
    return -1;
}

static unsigned cores_at(const struct topo *topo, uint32_t version)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < topo->plan.core_count; i++)
        count += atomic_load_explicit(&topo->cores[i].version, memory_order_acquire) == version;
    return count;
}

void topo_retire(struct topo *topo)
{
    if (!topo->retired)
        return;
    rcu_wait();
    /* Who reads under the lock from here on finds the next one. */
    pthread_mutex_lock(&topo->read_lock);
    pthread_mutex_unlock(&topo->read_lock);
    while (topo->retired) {
        struct snapshot *next = topo->retired->retired_next;
        snapshot_free(topo->retired);
        topo->retired = next;
    }
}

void topo_drop(struct topo *topo)
{
    topo_retire(topo);
    snapshot_free(topo->published);
    topo->published = NULL;
    items_free(topo->items);
    topo->items = NULL;
}

static void publish(struct topo *topo, struct snapshot *next, struct apply_result *result)
{
    uint64_t deadline = clock_monotonic_ns() + TAKE_UP_NS;
    RING_RELEASE(&topo->published);
    struct snapshot *old = rcu_xchg_pointer(&topo->published, next);
    old->retired_next = topo->retired;
    topo->retired = old;
    while ((result->cores = cores_at(topo, next->version)) < topo->plan.core_count &&
           clock_monotonic_ns() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    result->pending = result->cores < topo->plan.core_count;
    if (!result->pending)
        topo_retire(topo);
}

static void ignore_difference(void *arg, char sign, const char *path, const char *from,
                              const char *to, bool hot)
{
    (void)arg, (void)sign, (void)path, (void)from, (void)to, (void)hot;
}

static int plan_sinks(struct topo *topo, const struct conf *conf, struct sinks_plan *plan,
                      struct diag_list *diags)
{
    int rc = sinks_plan(topo, conf, plan);
    if (rc != -EBUSY)
        return rc;
    struct diag place = {0};
    snprintf(place.file, sizeof place.file, "%s", conf->file);
    diag_add(
        diags, &place, "conflict",
        "%d sinks that were removed have not ended yet, as their disks do not answer; wait, or "
        "leave the sinks as they are",
        SINKS_LEAVING_MAX);
    return -EINVAL;
}

static int apply(struct topo *topo, struct conf *conf, struct apply_result *result,
                 struct diag_list *diags)
{
    struct sinks_plan plan;
    int rc;
    keep_started(topo, conf, diags);
    if (diags->count)
        return -EINVAL;
    result->changes = conf_diff(topo->published->conf, conf, ignore_difference, NULL);
    rc = plan_sinks(topo, conf, &plan, diags);
    if (rc)
        return rc;
    struct snapshot *next = build(topo, conf, diags, &rc);
    if (!next) {
        sinks_abandon(&plan);
        return rc;
    }
    result->version = next->version;
    if (next->version == result->version_before) {
        /* Word for word what runs already. The store kept no new version, and the cores need none.
         */
        sinks_abandon(&plan);
        next->conf = NULL;
        snapshot_free(next);
        conf_free(conf);
        result->cores = topo->plan.core_count;
        return 0;
    }
    sinks_enter(topo, &plan, conf);
    feed_configure(topo->feed.feed, &conf->feed);
    publish(topo, next, result);
    return 0;
}

int topo_apply(struct topo *topo, const char *file, const char *text, size_t len,
               uint32_t if_version, struct apply_result *result, struct diag_list *diags)
{
    uint64_t start = clock_monotonic_ns();
    if (atomic_load(&topo->stop_wanted))
        return -ESHUTDOWN;
    if (pthread_mutex_trylock(&topo->apply_lock))
        return -EBUSY;
    memset(result, 0, sizeof *result);
    result->version_before = topo->published->version;
    int rc = -ESTALE;
    if (!if_version || if_version == result->version_before) {
        struct conf *conf = conf_load(file, text, len, diags);
        rc = conf ? apply(topo, conf, result, diags) : -EINVAL;
        if (rc)
            conf_free(conf);
    }
    result->ms = (double)(clock_monotonic_ns() - start) / NS_PER_MS;
    pthread_mutex_unlock(&topo->apply_lock);
    return rc;
}
