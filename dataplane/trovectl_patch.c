/* trovectl_patch.c - corrections: awards and tiles given, taken back, and either undone. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/base/text.h"
#include "dataplane/story_correction.h"
#include "dataplane/trovectl.h"

#define LIST_LIMIT "20"

/* ---- asking ---- */

/* make_key makes a UUID of version 4 (RFC 9562, 5.4). */
static bool make_key(char key[TEXT_UUID_LEN + 1])
{
    uint64_t id[2];
    if (getrandom(id, sizeof id, 0) != sizeof id)
        return false;
    id[0] = (id[0] & ~0xf000ull) | 0x4000;
    id[1] = (id[1] & ~(3ull << 62)) | 2ull << 62;
    text_uuid_format(id, key);
    return true;
}

static bool is_uuid(const char *text)
{
    uint64_t id[2];
    return strlen(text) == TEXT_UUID_LEN && text_uuid_parse((const uint8_t *)text, id) < 0 &&
           (id[0] || id[1]);
}

/* check_given holds the options against what the verb cannot do without. */
static int check_given(struct trovectl *ctl, const char *kind)
{
    bool undo = !strcmp(kind, "undo");
    const char *missing = !undo && !ctl->user   ? "user"
                          : !undo && !ctl->hunt ? "hunt"
                          : !ctl->reason        ? "reason"
                          : !ctl->ref           ? "ref"
                                                : NULL;
    if (missing)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "patch %s needs --%s: who decides says for whom, why and on which "
                             "ticket",
                             kind, missing);
    if (undo && !is_uuid(ctl->file))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl patch list",
                             "a correction's id is a UUID, not '%s'", ctl->file);
    if (ctl->id && !is_uuid(ctl->id))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "--id is a UUID, such as that of a correction to be tried again, not "
                             "'%s'",
                             ctl->id);
    return TROVECTL_OK;
}

/* body_of writes the request; NULL when a text is not UTF-8. */
static char *body_of(const struct trovectl *ctl, const char *kind)
{
    json_t *body =
        json_pack("{s:s, s:s*, s:s*, s:s*, s:s*, s:s, s:s}", "correction", kind, "user", ctl->user,
                  "hunt", ctl->hunt, "tile", ctl->tile, "undo",
                  strcmp(kind, "undo") ? NULL : ctl->file, "reason", ctl->reason, "ref", ctl->ref);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

/* ---- showing ---- */

static void print_subject(const json_t *c, FILE *out)
{
    fputs("user ", out);
    field_print(c, "user", SIZE_MAX, out);
    fputs("  hunt ", out);
    field_print(c, "hunt", SIZE_MAX, out);
    if (json_object_get(c, "tile")) {
        fputs("  tile ", out);
        field_print(c, "tile", SIZE_MAX, out);
    }
    if (json_object_get(c, "award"))
        fprintf(out, "  award %s", field_text(c, "award"));
}

void trovectl_print_corrected(const json_t *c, FILE *out)
{
    if (json_is_true(json_object_get(c, "dry_run"))) {
        fprintf(out, "would be %s  ", field_text(c, "result"));
        print_subject(c, out);
        fputs("\nnothing was changed\n", out);
        return;
    }
    fprintf(out, "%s  ", field_text(c, "result"));
    print_subject(c, out);
    fprintf(out, "\n%s  seq %s  by %s%s\n", field_text(c, "id"), field_text(c, "seq"),
            field_text(c, "by"),
            json_is_true(json_object_get(c, "repeat")) ? "  done before, nothing was changed" : "");
    fprintf(out, "undo: trovectl patch undo %s --reason TEXT --ref REF\n", field_text(c, "id"));
}

void trovectl_print_corrections(const json_t *corrections, FILE *out)
{
    const json_t *c;
    size_t i;
    json_array_foreach(json_object_get(corrections, "corrections"), i, c)
    {
        fprintf(out, "%s  %s  %-6s %s%s%s  ", field_text(c, "id"), field_text(c, "time"),
                field_text(c, "correction"), field_text(c, "result"),
                json_object_get(c, "refusal") ? " " : "",
                json_object_get(c, "refusal") ? field_text(c, "refusal") : "");
        print_subject(c, out);
        fprintf(out, "  seq %s  by %s  ", field_text(c, "seq"), field_text(c, "by"));
        field_print(c, "ref", SIZE_MAX, out);
        fputs(": ", out);
        field_print(c, "reason", SIZE_MAX, out);
        if (json_object_get(c, "undo"))
            fprintf(out, "  (undoes %s)", field_text(c, "undo"));
        if (json_object_get(c, "undone_by"))
            fprintf(out, "  (undone by %s)", field_text(c, "undone_by"));
        fputc('\n', out);
    }
}

/* ---- the verbs ---- */

static int patch(struct trovectl *ctl, const char *kind)
{
    char key[TEXT_UUID_LEN + 1];
    int code = check_given(ctl, kind);
    if (code)
        return code;
    if (!ctl->id && !make_key(key))
        return trovectl_fail(ctl, TROVECTL_FAILED, "no_random", "trovectl help",
                             "the system gives no random bytes for an id; name one with --id UUID");
    if (!ctl->id)
        ctl->id = key;
    char *body = body_of(ctl, kind);
    if (!body)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "locale",
                             "user, hunt, tile, reason and ref are UTF-8");
    struct trovectl_request request = {.method = "POST",
                                       .path = ctl->dry_run ? "/v1/corrections?dry_run=true"
                                                            : "/v1/corrections",
                                       .body = body,
                                       .body_len = strlen(body),
                                       .key = ctl->id,
                                       .member = "result"};
    json_t *answer = NULL;
    code = trovectl_call(ctl, &request, &answer);
    free(body);
    if (code == TROVECTL_UNREACHABLE && !ctl->dry_run)
        fprintf(ctl->err, "note: to try again so that it happens once: the same with --id %s\n",
                ctl->id);
    if (!code)
        trovectl_show(ctl, answer, trovectl_print_corrected);
    json_decref(answer);
    return code;
}

int trovectl_patch_grant(struct trovectl *ctl)
{
    return patch(ctl, "grant");
}

int trovectl_patch_revoke(struct trovectl *ctl)
{
    return patch(ctl, "revoke");
}

int trovectl_patch_undo(struct trovectl *ctl)
{
    return patch(ctl, "undo");
}

static int read_corrections(struct trovectl *ctl, struct corrections_request *request,
                            json_t **corrections)
{
    struct store store;
    struct hash_key key;
    char error[512];
    enum story_result result = STORY_FAULT;
    if (store_view(&store, ctl->data_dir, error) == 0) {
        hash_key_init(&key, store.seed);
        request->store = &store;
        request->key = &key;
        result = corrections_tell(request, corrections, error);
    }
    store_close(&store);
    if (result == STORY_TOLD)
        return TROVECTL_OK;
    return trovectl_fail(ctl, TROVECTL_FAILED, "journal_unreadable", "trovectl patch list", "%s",
                         error);
}

static int fetch(struct trovectl *ctl, json_t **corrections)
{
    char path[512] = "/v1/corrections", *end;
    const char *limit = ctl->limit ? ctl->limit : LIST_LIMIT;
    unsigned long value = strtoul(limit, &end, 10);
    if (*limit < '0' || *limit > '9' || *end || value < 1 || value > CORRECTIONS_SHOWN_MAX)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl patch list",
                             "--limit is 1 to %u", CORRECTIONS_SHOWN_MAX);
    struct corrections_request request = {.user = ctl->user, .limit = (uint32_t)value};
    if (ctl->data_dir)
        return read_corrections(ctl, &request, corrections);
    trovectl_query(path, sizeof path, "limit", limit);
    if (ctl->user)
        trovectl_query(path, sizeof path, "user", ctl->user);
    struct trovectl_request call = {.method = "GET", .path = path, .member = "corrections"};
    return trovectl_call(ctl, &call, corrections);
}

int trovectl_patch_list(struct trovectl *ctl)
{
    json_t *corrections = NULL;
    int code = fetch(ctl, &corrections);
    if (!code)
        trovectl_show(ctl, corrections, trovectl_print_corrections);
    json_decref(corrections);
    return code;
}
