/* trovectl_segment.c - the files of a journal: listed, verified, written out as JSON lines. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/segment_verify.h"
#include "dataplane/base/utf8.h"
#include "dataplane/story_tell.h"
#include "dataplane/trovectl.h"

/* The journal of a data directory, and those of its segments that were asked for. */
struct journal_files {
    struct store store;
    struct segment_id *ids;
    int count;
    int first, end; /* asked for */
    unsigned unknown;
};

static int fail_at(struct trovectl *ctl, const char *next, const char *what, int rc)
{
    return trovectl_fail(ctl, TROVECTL_FAILED, "journal_unreadable", next, "data_dir %s: %s: %s",
                         ctl->data_dir, what, strerror(-rc));
}

/* pick narrows the files down to the one that is named. */
static int pick(struct trovectl *ctl, struct journal_files *files)
{
    struct segment_id id;
    files->end = files->count;
    if (!ctl->file)
        return TROVECTL_OK;
    if (segment_file_name_parse(ctl->file, &id))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl segment list --data-dir DIR",
                             "a segment is named like 000001-000-000001.seg, not '%.64s'",
                             ctl->file);
    for (int i = 0; i < files->count; i++) {
        const struct segment_id *at = &files->ids[i];
        if (at->epoch == id.epoch && at->shard == id.shard && at->number == id.number) {
            files->first = i;
            files->end = i + 1;
            return TROVECTL_OK;
        }
    }
    return trovectl_fail(ctl, TROVECTL_FAILED, "not_found", "trovectl segment list --data-dir DIR",
                         "data_dir %s has no segment %.64s", ctl->data_dir, ctl->file);
}

static int files_open(struct trovectl *ctl, struct journal_files *files)
{
    char error[512];
    *files = (struct journal_files){.store = STORE_CLOSED};
    if (!ctl->data_dir)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage",
                             "trovectl segment list --data-dir /var/lib/trove",
                             "say which data_dir: --data-dir DIR");
    if (store_view(&files->store, ctl->data_dir, error))
        return trovectl_fail(ctl, TROVECTL_FAILED, "journal_unreadable", "trovectl conf show", "%s",
                             error);
    files->count = segment_list(files->store.journal_fd, &files->ids, &files->unknown);
    if (files->count < 0)
        return fail_at(ctl, "trovectl conf show", "cannot list the journal", files->count);
    return pick(ctl, files);
}

static void files_close(struct journal_files *files)
{
    free(files->ids);
    store_close(&files->store);
}

static bool same_journal(const struct segment_id *a, const struct segment_id *b)
{
    return a->epoch == b->epoch && a->shard == b->shard;
}

static enum segment_stand stand_of(const struct journal_files *files, int at)
{
    const struct segment_id *id = &files->ids[at];
    bool next = at + 1 < files->count && same_journal(id, id + 1);
    /* One that was made after a failed write may hold nothing yet. */
    bool more = at + 2 < files->count && same_journal(id, id + 2);
    if (next && (more || segment_holds_nothing(files->store.journal_fd, id[1]) != 1))
        return SEGMENT_FOLLOWED;
    return id->epoch == files->ids[files->count - 1].epoch ? SEGMENT_OPEN : SEGMENT_LAST;
}

static json_t *name_of(struct segment_id id)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(id, name);
    return json_string(name);
}

/* ---- list ---- */

static json_t *list_one(struct segment_reader *reader, struct segment_id id)
{
    uint64_t bytes = 0, disk = 0;
    segment_bytes(reader->dir_fd, id, &bytes);
    segment_disk_bytes(reader->dir_fd, id, &disk);
    json_t *one = json_pack("{s:o, s:i, s:i, s:i, s:I, s:I, s:b}", "segment", name_of(id), "epoch",
                            (int)id.epoch, "shard", (int)id.shard, "number", (int)id.number,
                            "bytes", (json_int_t)bytes, "disk_bytes", (json_int_t)disk,
                            "compressed", segment_is_packed(reader->dir_fd, id));
    /* Each by itself: the chain is for verify. */
    struct segment_reader alone = {
        .dir_fd = reader->dir_fd, .fd = -1, .memory = reader->memory, .buffer = reader->memory};
    int rc = segment_reader_open(&alone, id);
    enum block_fault fault;
    const struct record *record = rc ? NULL : segment_reader_next(&alone, UINT64_MAX, &fault);
    json_object_set_new(one, "state",
                        json_string(rc == -ENODATA || (!rc && !record) ? "empty"
                                    : rc                               ? "damaged"
                                                                       : "readable"));
    if (record) {
        json_object_set_new(one, "first_ordinal", json_integer((json_int_t)alone.ordinal));
        json_object_set_new(one, "config", json_integer(alone.config_version));
        json_object_set_new(one, "begins", story_time(record->receive_ns));
    }
    alone.memory = NULL;
    segment_reader_fini(&alone);
    return one;
}

static void print_list(const json_t *list, FILE *out)
{
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        fprintf(out, "%-22s %-8s %8.1f MiB  %-27s  from record %llu  config v%llu",
                field_text(one, "segment"), field_text(one, "state"),
                (double)field_count(one, "bytes") / (1 << 20), field_text(one, "begins"),
                (unsigned long long)field_count(one, "first_ordinal"),
                (unsigned long long)field_count(one, "config"));
        if (json_is_true(json_object_get(one, "compressed")))
            fprintf(out, "  compressed to %.1f MiB",
                    (double)field_count(one, "disk_bytes") / (1 << 20));
        fputc('\n', out);
    }
    fprintf(out, "%zu segments\n", json_array_size(list));
}

int trovectl_segment_list(struct trovectl *ctl)
{
    struct journal_files files;
    struct segment_reader reader = {.fd = -1};
    int code = files_open(ctl, &files);
    if (!code && segment_reader_init(&reader, files.store.journal_fd))
        code = fail_at(ctl, "free -m", "no memory to read the journal", -ENOMEM);
    json_t *list = json_array();
    for (int i = files.first; !code && i < files.end; i++)
        json_array_append_new(list, list_one(&reader, files.ids[i]));
    if (!code && ctl->json)
        trovectl_print_json(list, ctl->out);
    else if (!code)
        print_list(list, ctl->out);
    json_decref(list);
    segment_reader_fini(&reader);
    files_close(&files);
    return code;
}

/* ---- verify ---- */

static const char *state_name(enum segment_state state)
{
    static const char *const names[] = {"whole", "empty", "unfinished", "damaged"};
    return names[state];
}

static json_t *verified(struct segment_id id, const struct segment_found *found)
{
    json_t *one = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I}", "segment", name_of(id), "state",
                            state_name(found->state), "bytes", (json_int_t)found->bytes, "blocks",
                            (json_int_t)found->blocks, "records", (json_int_t)found->records,
                            "offset", (json_int_t)found->offset);
    if (found->what)
        json_object_set_new(one, "what", json_string(found->what));
    return one;
}

/* first_number is that of the segment with which a journal begins: what retention has removed does
 * not count. */
static uint32_t first_number(const struct horizon *horizon, struct segment_id id)
{
    if (horizon_is_whole(horizon) || id.epoch != horizon->epoch || id.shard >= horizon->shard_count)
        return 1;
    return horizon->number[id.shard] ? horizon->number[id.shard] : 1;
}

/* gap_before adds the segments that are missing in front of one. */
static uint64_t gap_before(const struct journal_files *files, int at, json_t *list)
{
    struct segment_id id = files->ids[at], gap = id;
    bool same = at && same_journal(&id, &files->ids[at - 1]);
    uint32_t first = first_number(&files->store.horizon, id);
    gap.number = same ? files->ids[at - 1].number + 1 : 1;
    gap.number = gap.number < first ? first : gap.number;
    if (gap.number >= id.number)
        return 0;
    json_array_append_new(list, json_pack("{s:o, s:s, s:i, s:s}", "segment", name_of(gap), "state",
                                          "missing", "count", (int)(id.number - gap.number), "what",
                                          "it is not there, and a later one is"));
    return id.number - gap.number;
}

static void print_verified(const json_t *list, FILE *out)
{
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        fprintf(out, "%-22s %-10s %8llu blocks %10llu records %8.1f MiB",
                field_text(one, "segment"), field_text(one, "state"),
                (unsigned long long)field_count(one, "blocks"),
                (unsigned long long)field_count(one, "records"),
                (double)field_count(one, "bytes") / (1 << 20));
        if (json_object_get(one, "what"))
            fprintf(out, "  at offset %llu: %s", (unsigned long long)field_count(one, "offset"),
                    field_text(one, "what"));
        fputc('\n', out);
    }
}

/* verify_one returns 1 when the segment is not as it was written, 0, or a negative errno. */
static int verify_one(const struct journal_files *files, int at, struct segment_reader *reader,
                      json_t *list)
{
    struct segment_found found;
    int rc = segment_verify(reader, files->ids[at], stand_of(files, at), &found);
    if (rc)
        return rc;
    json_array_append_new(list, verified(files->ids[at], &found));
    if (found.state == SEGMENT_WHOLE)
        return 0;
    /* What was not read to its end has no chain to pass on. */
    segment_reader_fini(reader);
    rc = segment_reader_init(reader, files->store.journal_fd);
    return rc ? rc : found.state != SEGMENT_EMPTY;
}

static int verify_all(struct trovectl *ctl, const struct journal_files *files, json_t *list,
                      uint64_t *bad)
{
    struct segment_reader reader = {.fd = -1};
    int rc = segment_reader_init(&reader, files->store.journal_fd);
    char name[SEGMENT_NAME_MAX] = "the journal";
    for (int i = files->first; rc >= 0 && i < files->end; i++) {
        /* A crash in the middle of removing may leave some that do not count any more. */
        if (!ctl->file && !horizon_has(&files->store.horizon, files->ids[i]))
            continue;
        if (!ctl->file)
            *bad += gap_before(files, i, list);
        segment_name(files->ids[i], name);
        rc = verify_one(files, i, &reader, list);
        *bad += rc > 0;
    }
    segment_reader_fini(&reader);
    if (rc < 0)
        return fail_at(ctl, "dmesg | tail", name, rc);
    return TROVECTL_OK;
}

int trovectl_segment_verify(struct trovectl *ctl)
{
    struct journal_files files;
    uint64_t bad = 0;
    int code = files_open(ctl, &files);
    json_t *list = json_array();
    if (!code)
        code = verify_all(ctl, &files, list, &bad);
    if (!code && ctl->json)
        trovectl_print_json(list, ctl->out);
    else if (!code)
        print_verified(list, ctl->out);
    if (!code && !ctl->json)
        fprintf(ctl->out, "%d segments, %llu not as they were written\n", files.end - files.first,
                (unsigned long long)bad);
    if (!code && files.unknown)
        fprintf(ctl->err, "%u files in journal/ are not segments; they were not looked at\n",
                files.unknown);
    json_decref(list);
    files_close(&files);
    return code ? code : bad ? TROVECTL_FAILED : TROVECTL_OK;
}

/* ---- export ---- */

static bool is_utf8(const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        unsigned step = utf8_sequence(bytes + at, len - at);
        if (!step)
            return false;
        at += step;
    }
    return true;
}

/* The bytes as they came: as text, and where that cannot say them, in hexadecimal too. */
static void set_bytes(json_t *line, const struct record *record)
{
    const uint8_t *bytes = record_body(record);
    json_object_set_new(line, "text", story_text(bytes, record->body_len));
    if (!is_utf8(bytes, record->body_len))
        json_object_set_new(line, "hex", story_hex(bytes, record->body_len));
}

static void set_outcome(json_t *line, const struct record *record)
{
    struct outcome_view view;
    if (outcome_decode(record_body(record), record->body_len, &view)) {
        json_object_set_new(line, "hex", story_hex(record_body(record), record->body_len));
        return;
    }
    json_t *outcome = view.outcome.kind == OUTCOME_duplicate ? tell_duplicate(record, &view)
                                                             : tell_outcome(&view);
    json_object_update_missing(line, outcome);
    json_decref(outcome);
}

static json_t *export_record(const struct record *record, uint64_t ordinal)
{
    static const char *const kinds[] = {
        [RECORD_EVENT] = "event",           [RECORD_DEAD] = "rejected",
        [RECORD_OUTCOME] = "outcome",       [RECORD_CONFIG] = "config",
        [RECORD_CORRECTION] = "correction",
    };
    const char *kind = record->kind < sizeof kinds / sizeof *kinds ? kinds[record->kind] : NULL;
    json_t *line = json_pack("{s:I, s:s, s:o}", "ordinal", (json_int_t)ordinal, "kind",
                             kind ? kind : "unknown", "received", story_time(record->receive_ns));
    if (record->partition != RECORD_NO_PARTITION)
        json_object_set_new(line, "seq", story_seq(record->partition, record->seq));
    if (record->flags & RECORD_LATE)
        json_object_set_new(line, "late", json_true());
    if (record->flags & RECORD_CLAMPED)
        json_object_set_new(line, "clamped", json_true());
    if (record->kind == RECORD_DEAD) {
        json_object_set_new(line, "reason", json_string(reason_name(record->reason)));
        json_object_set_new(line, "offset", json_integer(record->reason_offset));
    }
    if (record->kind == RECORD_OUTCOME)
        set_outcome(line, record);
    else
        set_bytes(line, record);
    return line;
}

static int export_one(struct trovectl *ctl, struct segment_reader *reader, struct segment_id id)
{
    char name[SEGMENT_NAME_MAX];
    enum block_fault fault = BLOCK_END;
    const struct record *record;
    segment_name(id, name);
    int rc = segment_reader_open(reader, id);
    if (rc == -ENODATA)
        return TROVECTL_OK;
    if (rc == -EBADMSG || rc == -EILSEQ || rc == -EPROTONOSUPPORT)
        return trovectl_fail(ctl, TROVECTL_FAILED, "damaged",
                             "trovectl segment verify --data-dir DIR",
                             "segment %s cannot be read: its header is damaged", name);
    if (rc)
        return fail_at(ctl, "dmesg | tail", name, rc);
    while (!ferror(ctl->out) && (record = segment_reader_next(reader, UINT64_MAX, &fault))) {
        json_t *line = export_record(record, reader->ordinal);
        json_dumpf(line, ctl->out, JSON_COMPACT);
        fputc('\n', ctl->out);
        json_decref(line);
    }
    if (fault == BLOCK_OK || fault == BLOCK_END)
        return TROVECTL_OK;
    return trovectl_fail(ctl, TROVECTL_FAILED, "damaged", "trovectl segment verify --data-dir DIR",
                         "segment %s ends at offset %llu in what is no whole block; everything "
                         "before it was written out",
                         name, (unsigned long long)reader->place.offset);
}

int trovectl_segment_export(struct trovectl *ctl)
{
    struct journal_files files;
    struct segment_reader reader = {.fd = -1};
    int code = files_open(ctl, &files);
    if (!code && segment_reader_init(&reader, files.store.journal_fd))
        code = fail_at(ctl, "free -m", "no memory to read the journal", -ENOMEM);
    for (int i = files.first; !code && i < files.end; i++)
        code = export_one(ctl, &reader, files.ids[i]);
    segment_reader_fini(&reader);
    files_close(&files);
    return code;
}
