/* trovectl_checkpoint.c - the checkpoints of a data directory: listed, and held against its
 * journal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/checkpoint_verify.h"
#include "dataplane/story_tell.h"
#include "dataplane/trovectl_files.h"

#define LIST_NEXT "trovectl checkpoint list --data-dir DIR"

struct checkpoints {
    struct trovectl_files files;
    struct checkpoint_id *ids; /* the newest first */
    int count;
    int asked; /* index, -1: all */
};

static int open_all(struct trovectl *ctl, struct checkpoints *all)
{
    char error[512], name[CHECKPOINT_NAME_MAX];
    unsigned unknown;
    *all = (struct checkpoints){.files.store = STORE_CLOSED, .asked = -1};
    if (!ctl->data_dir)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage",
                             "trovectl checkpoint list --data-dir /var/lib/trove",
                             "say which data_dir: --data-dir DIR");
    if (!trovectl_files_open(ctl, &all->files, error))
        return trovectl_fail(ctl, TROVECTL_FAILED, "journal_unreadable", "trovectl conf show", "%s",
                             error);
    if (all->files.store.checkpoint_fd >= 0)
        all->count = checkpoint_list(all->files.store.checkpoint_fd, &all->ids, &unknown);
    if (all->count < 0)
        return trovectl_fail(ctl, TROVECTL_FAILED, "journal_unreadable", "dmesg | tail",
                             "data_dir %s: cannot list its checkpoints: %s", ctl->data_dir,
                             strerror(-all->count));
    for (int i = 0; ctl->file && i < all->count; i++) {
        checkpoint_name(all->ids[i], name);
        if (!strcmp(name, ctl->file))
            all->asked = i;
    }
    if (ctl->file && all->asked < 0)
        return trovectl_fail(ctl, TROVECTL_FAILED, "not_found", LIST_NEXT,
                             "data_dir %s has no checkpoint %.64s", ctl->data_dir, ctl->file);
    return TROVECTL_OK;
}

static void close_all(struct checkpoints *all)
{
    free(all->ids);
    trovectl_files_close(&all->files);
}

static json_t *name_of(struct checkpoint_id id)
{
    char name[CHECKPOINT_NAME_MAX];
    checkpoint_name(id, name);
    return json_string(name);
}

/* ---- list ---- */

static json_t *list_one(const struct checkpoints *all, struct checkpoint_id id)
{
    struct checkpoint c;
    uint64_t records = 0;
    int rc = checkpoint_open(&c, all->files.store.checkpoint_fd, id);
    json_t *one = json_pack("{s:o, s:s, s:I}", "checkpoint", name_of(id), "state",
                            rc ? "damaged" : "readable", "bytes", (json_int_t)c.bytes);
    for (uint32_t p = 0; !rc && p < c.head.partition_count; p++)
        records += c.index[p].seq;
    if (!rc) {
        json_object_set_new(one, "made", story_time(c.head.created_ns));
        json_object_set_new(one, "config", json_integer(c.head.config_version));
        json_object_set_new(one, "shards", json_integer(c.head.shard_count));
        json_object_set_new(one, "records", json_integer((json_int_t)records));
        json_object_set_new(one, "state_hash",
                            json_sprintf("%016llx", (unsigned long long)c.head.state_hash));
    }
    checkpoint_close(&c);
    return one;
}

static void print_list(const json_t *list, FILE *out)
{
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
        fprintf(out, "%-18s %-8s %8.1f MiB  %-27s  %llu records  config v%llu  state %s\n",
                field_text(one, "checkpoint"), field_text(one, "state"),
                (double)field_count(one, "bytes") / (1 << 20), field_text(one, "made"),
                (unsigned long long)field_count(one, "records"),
                (unsigned long long)field_count(one, "config"), field_text(one, "state_hash"));
    fprintf(out, "%zu checkpoints\n", json_array_size(list));
}

int trovectl_checkpoint_list(struct trovectl *ctl)
{
    struct checkpoints all;
    json_t *list = json_array();
    int code = open_all(ctl, &all);
    for (int i = 0; !code && i < all.count; i++)
        json_array_append_new(list, list_one(&all, all.ids[i]));
    if (!code)
        trovectl_show(ctl, list, print_list);
    json_decref(list);
    close_all(&all);
    return code;
}

/* ---- verify ---- */

static json_t *verified(struct checkpoint_id id, const struct checkpoint_proof *proof, int rc,
                        const char *error)
{
    const char *state = rc == -EBADMSG     ? "damaged"
                        : rc               ? "not known"
                        : proof->different ? "different"
                                           : "proved";
    json_t *one = json_pack("{s:o, s:s, s:I, s:i, s:i}", "checkpoint", name_of(id), "state", state,
                            "events", (json_int_t)proof->events, "partitions",
                            (int)proof->head.partition_count, "different", (int)proof->different);
    if (!rc && proof->from.number)
        json_object_set_new(one, "from", name_of(proof->from));
    if (!rc && proof->different)
        json_object_set_new(one, "first", json_integer(proof->first));
    if (rc && rc != -EBADMSG)
        json_object_set_new(one, "what", json_string(error));
    return one;
}

static void print_verified(const json_t *list, FILE *out)
{
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        const char *from = json_string_value(json_object_get(one, "from"));
        fprintf(out, "%-18s %-9s %llu events from %s", field_text(one, "checkpoint"),
                field_text(one, "state"), (unsigned long long)field_count(one, "events"),
                from ? from : "the first record");
        if (field_count(one, "different"))
            fprintf(out, "  %llu of %llu partitions differ, the first is %llu",
                    (unsigned long long)field_count(one, "different"),
                    (unsigned long long)field_count(one, "partitions"),
                    (unsigned long long)field_count(one, "first"));
        if (json_object_get(one, "what"))
            fprintf(out, "  %s", field_text(one, "what"));
        fputc('\n', out);
    }
}

/* From the first record, or from the checkpoint with which the journal begins: that one is held
 * against itself, which proves no more than that it is whole. */
static int verify_one(const struct checkpoints *all, int i, struct items *items, json_t *list)
{
    struct checkpoint_proof proof;
    char error[512];
    const struct horizon *horizon = &all->files.store.horizon;
    int rc = checkpoint_verify(&all->files.store, &all->files.key, items, all->ids[i],
                               horizon_is_whole(horizon) ? NULL : &horizon->base, &proof, error);
    json_array_append_new(list, verified(all->ids[i], &proof, rc, error));
    return rc || proof.different;
}

int trovectl_checkpoint_verify(struct trovectl *ctl)
{
    struct checkpoints all;
    char error[512];
    json_t *list = json_array();
    int bad = 0, code = open_all(ctl, &all);
    struct items *items = code ? NULL : story_items(&all.files.store, error);
    if (!code && !items)
        code = trovectl_fail(ctl, TROVECTL_FAILED, "journal_unreadable", "free -m", "%s", error);
    for (int i = 0; !code && i < all.count; i++)
        if (all.asked < 0 || all.asked == i)
            bad += verify_one(&all, i, items, list);
    if (!code)
        trovectl_show(ctl, list, print_verified);
    json_decref(list);
    items_free(items);
    close_all(&all);
    return code ? code : bad ? TROVECTL_FAILED : TROVECTL_OK;
}
