/* trovectl_story.c - explain and event: asked of the daemon, or read from a data directory. */
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/story.h"
#include "dataplane/trovectl_files.h"

/* ---- asking ---- */

static int read_story(struct trovectl *ctl, const struct story_request *asked, json_t **story)
{
    struct story_request request = *asked;
    struct trovectl_files files;
    char error[512];
    enum story_result result = STORY_FAULT;
    request.store = &files.store;
    request.key = &files.key;
    if (trovectl_files_open(ctl, &files, error))
        result = story_tell(&request, story, error);
    trovectl_files_close(&files);
    return trovectl_files_told(ctl, result, "trovectl status", error);
}

/* What means itself in a path and to a shell. */
static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void escape(char *path, size_t room, const char *text)
{
    size_t len = strlen(path);
    for (; *text && len + 4 <= room; text++)
        len += (size_t)snprintf(path + len, room - len, strchr(plain, *text) ? "%c" : "%%%02X",
                                (unsigned char)*text);
}

static int ask(struct trovectl *ctl, const char *path, json_t **story)
{
    struct trovectl_request request = {.method = "GET", .path = path};
    return trovectl_call(ctl, &request, story);
}

/* finish prints a story; one that came out differently than it was recorded is bad. */
static int finish(struct trovectl *ctl, json_t *story)
{
    bool same = json_is_true(json_object_get(story, "matches"));
    trovectl_show(ctl, story, trovectl_print_story);
    if (!same)
        fputs("error: what was recomputed differs from what was recorded: the journal was changed, "
              "or this is a bug; keep the data directory and report it\n",
              ctl->err);
    json_decref(story);
    return same ? TROVECTL_OK : TROVECTL_FAILED;
}

int trovectl_explain(struct trovectl *ctl)
{
    char path[1024] = "/v1/users/";
    json_t *story = NULL;
    struct story_request request = {.user = ctl->file, .hunt = ctl->hunt};
    if (!*ctl->file || strlen(ctl->file) > EVENT_USER_MAX)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "a user is 1 to %d bytes", EVENT_USER_MAX);
    if (ctl->config) {
        /* What if: a replay of this user. */
        ctl->user = ctl->file;
        return trovectl_replay(ctl);
    }
    escape(path, sizeof path, ctl->file);
    size_t len = strlen(path);
    snprintf(path + len, sizeof path - len, "/explain");
    if (ctl->hunt)
        trovectl_query(path, sizeof path, "hunt", ctl->hunt);
    int code = ctl->data_dir ? read_story(ctl, &request, &story) : ask(ctl, path, &story);
    return code ? code : finish(ctl, story);
}

int trovectl_event(struct trovectl *ctl)
{
    char path[128];
    uint64_t id[2];
    json_t *story = NULL;
    struct story_request request = {.id = id};
    if (strlen(ctl->file) != TEXT_UUID_LEN || text_uuid_parse((const uint8_t *)ctl->file, id) >= 0)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl explain USER",
                             "an event's id is a UUID in its canonical 36 characters");
    snprintf(path, sizeof path, "/v1/events/%s", ctl->file);
    int code = ctl->data_dir ? read_story(ctl, &request, &story) : ask(ctl, path, &story);
    return code ? code : finish(ctl, story);
}

/* ---- showing ---- */

/* Where a rule stands: the last two names of the path are enough to know the file by. */
static void print_rule(const json_t *rule, FILE *out)
{
    const char *file = json_string_value(json_object_get(rule, "file"));
    if (!file)
        return;
    const char *at = file + strlen(file);
    for (int slashes = 0; at > file; at--)
        if (at[-1] == '/' && ++slashes == 2)
            break;
    const char *text = field_text(rule, "text");
    bool given = json_is_true(json_object_get(rule, "given"));
    fprintf(out, "   <- %s:%llu  %s%s", at, (unsigned long long)field_count(rule, "line"),
            given ? text : field_text(rule, "key"), given ? "" : " (its default)");
}

static void print_items(const json_t *items, FILE *out)
{
    const json_t *item;
    size_t i;
    json_array_foreach(items, i, item)
    {
        fputs(i ? " > " : "", out);
        text_print(json_is_string(item) ? json_string_value(item) : "-", SIZE_MAX, out);
    }
}

static void print_named(const json_t *event, const char *key, const char *before, FILE *out)
{
    if (!before || !json_object_get(event, key))
        return;
    fputs(before, out);
    field_print(event, key, SIZE_MAX, out);
}

static void print_award(const json_t *outcome, FILE *out)
{
    fprintf(out, ", %s", field_text(outcome, "award"));
    if (json_object_get(outcome, "items")) {
        fputs(": ", out);
        print_items(json_object_get(outcome, "items"), out);
    }
    print_named(outcome, "variant", ", variant ", out);
    print_named(outcome, "reward", ", reward ", out);
}

static void print_verdict(const json_t *outcome, const json_t *since, uint64_t now_ns, FILE *out)
{
    const char *kind = field_text(outcome, "outcome");
    const char *refusal = json_string_value(json_object_get(outcome, "refusal"));
    uint64_t depth = field_count(outcome, "depth");
    const char *hunt = json_string_value(json_object_get(outcome, "hunt"));
    fprintf(out, "    %-20s %s", hunt ? hunt : "(no hunt)", kind);
    if (refusal)
        fprintf(out, " %s", refusal);
    if (json_is_true(json_object_get(outcome, "step")))
        fprintf(out, depth == 1 ? ", start" : ", step");
    if (json_is_true(json_object_get(outcome, "item_unknown")))
        fputs(", item not in the catalog", out);
    if (json_is_true(json_object_get(outcome, "done")))
        fputs(", has won already", out);
    if (json_is_true(json_object_get(outcome, "stopped")))
        fputs(", walk stopped at its budget", out);
    if (since && hunt)
        fprintf(out, ", %.3f s after the last step",
                (double)(now_ns - (uint64_t)json_integer_value(since)) / NS_PER_S);
    if (depth)
        fprintf(out, ", depth %llu", (unsigned long long)depth);
    if (json_object_get(outcome, "score"))
        fprintf(out, ", score %.3f", field_real(outcome, "score"));
    if (json_object_get(outcome, "edges"))
        fprintf(out, ", %llu edges", (unsigned long long)field_count(outcome, "edges"));
    if (json_object_get(outcome, "award"))
        print_award(outcome, out);
}

/* print_outcomes keeps the time of each hunt's last step in steps. */
static void print_outcomes(const json_t *event, json_t *steps, FILE *out)
{
    const json_t *outcome;
    size_t i;
    uint64_t now_ns = field_count(event, "receive_ns");
    json_array_foreach(json_object_get(event, "outcomes"), i, outcome)
    {
        const char *hunt = json_string_value(json_object_get(outcome, "hunt"));
        bool step = json_is_true(json_object_get(outcome, "step"));
        bool paced = step || !strcmp(field_text(outcome, "refusal"), "too_fast");
        const json_t *since = hunt && paced ? json_object_get(steps, hunt) : NULL;
        print_verdict(outcome, since, now_ns, out);
        print_rule(json_object_get(outcome, "rule"), out);
        fputc('\n', out);
        const json_t *again = json_object_get(outcome, "recomputed");
        if (again) {
            fputs("    RECOMPUTED AS", out);
            print_verdict(again, NULL, now_ns, out);
            fputc('\n', out);
        }
        if (step && hunt)
            json_object_set_new(steps, hunt, json_integer((json_int_t)now_ns));
    }
}

static void print_correction(const json_t *event, FILE *out)
{
    print_named(event, "correction", "  ", out);
    print_named(event, "tile", " tile ", out);
    print_named(event, "undo", " ", out);
    print_named(event, "by", "  by ", out);
    print_named(event, "ref", "  ", out);
    print_named(event, "reason", ": ", out);
}

static void print_judged(const json_t *event, FILE *out)
{
    const json_t *flag;
    size_t i;
    print_named(event, "type", "  ", out);
    print_named(event, "item", " ", out);
    print_named(event, "tile", " tile ", out);
    json_array_foreach(json_object_get(event, "flags"), i, flag)
        fprintf(out, "  %s", json_is_string(flag) ? json_string_value(flag) : "-");
    if (json_object_get(event, "first_seq"))
        fprintf(out, "  repeats %s", field_text(event, "first_seq"));
    if (json_object_get(event, "reason"))
        fprintf(out, "  %s: %s", field_text(event, "reason"), field_text(event, "help"));
    print_rule(json_object_get(event, "rule"), out);
    print_rule(json_object_get(event, "clamped_rule"), out);
}

static void print_event(const json_t *event, bool with_user, json_t *steps, FILE *out)
{
    fprintf(out, "%-12s %-27s  %s  %s", field_text(event, "seq"), field_text(event, "received"),
            field_text(event, "id"), field_text(event, "result"));
    print_named(event, "user", with_user ? "  user " : NULL, out);
    if (json_object_get(event, "correction"))
        print_correction(event, out);
    else
        print_judged(event, out);
    fputc('\n', out);
    if (json_object_get(event, "differs"))
        fprintf(out, "    DIFFERS: %s\n", field_text(event, "differs"));
    print_outcomes(event, steps, out);
    if (json_object_get(event, "bytes")) {
        print_named(event, "bytes", "    ", out);
        fputc('\n', out);
    }
}

static void print_hunt(const char *name, const json_t *hunt, FILE *out)
{
    const char *reason;
    json_t *count;
    fprintf(out, "hunt %s: %llu events, %llu awards", name,
            (unsigned long long)field_count(hunt, "events"),
            (unsigned long long)field_count(hunt, "awards"));
    if (field_count(hunt, "granted"))
        fprintf(out, ", granted %llu", (unsigned long long)field_count(hunt, "granted"));
    if (field_count(hunt, "revoked"))
        fprintf(out, ", revoked %llu", (unsigned long long)field_count(hunt, "revoked"));
    json_object_foreach(json_object_get(hunt, "refusals"), reason, count)
        fprintf(out, ", refused %s %lld", reason, (long long)json_integer_value(count));
    if (field_count(hunt, "depth"))
        fprintf(out, ", depth %llu", (unsigned long long)field_count(hunt, "depth"));
    fputc('\n', out);
}

/* A claim's tile is to be named as well, and which one is not for us to say. */
static bool was_refused(const json_t *events)
{
    const json_t *event, *outcome;
    size_t i, j;
    json_array_foreach(events, i, event) json_array_foreach(
        json_object_get(event, "outcomes"), j,
        outcome) if (!strcmp(field_text(outcome, "outcome"), "refusal")) return true;
    return false;
}

static bool is_plain(const char *name)
{
    return *name != '-' && !name[strspn(name, plain)];
}

/* print_next says how a refused user of one hunt is given the award all the same.  The line is
 * there to be typed: names that a shell would read otherwise are not in it. */
static void print_next(const json_t *story, FILE *out)
{
    const char *user = json_string_value(json_object_get(story, "user"));
    const char *hunt = json_string_value(json_object_get(story, "hunt"));
    if (!user || !hunt || !is_plain(user) || !is_plain(hunt))
        return;
    const json_t *standing = json_object_get(json_object_get(story, "hunts"), hunt);
    if (!field_count(standing, "awards") && was_refused(json_object_get(story, "events")))
        fprintf(out, "next   trovectl patch grant --user %s --hunt %s --reason TEXT --ref REF\n",
                user, hunt);
}

void trovectl_print_story(const json_t *story, FILE *out)
{
    const json_t *event;
    const char *name;
    json_t *hunt, *steps = json_object();
    size_t i;
    bool of_user = json_object_get(story, "user");
    bool same = json_is_true(json_object_get(story, "matches"));
    print_named(story, "user", "", out);
    fputs(of_user ? "  " : "", out);
    fprintf(out, "recomputed from the journal: %s\n",
            same ? "as recorded" : "DIFFERENT from what was recorded");
    if (json_object_get(story, "begins"))
        fprintf(out, "the journal begins at %s with a checkpoint; what was before is not told\n",
                field_text(story, "begins"));
    if (field_count(story, "not_shown"))
        fprintf(out, "%llu earlier events not shown\n",
                (unsigned long long)field_count(story, "not_shown"));
    json_array_foreach(json_object_get(story, "events"), i, event)
        print_event(event, !of_user, steps, out);
    json_object_foreach(json_object_get(story, "hunts"), name, hunt) print_hunt(name, hunt, out);
    if (field_count(story, "differences_elsewhere"))
        fprintf(out, "%llu differences in events of others in the same partition\n",
                (unsigned long long)field_count(story, "differences_elsewhere"));
    if (field_count(story, "unattributed"))
        fprintf(out,
                "%llu rejected events in the journal are no events and name nobody: "
                "trovectl rejects\n",
                (unsigned long long)field_count(story, "unattributed"));
    print_next(story, out);
    json_decref(steps);
}
