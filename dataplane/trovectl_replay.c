/* trovectl_replay.c - a stretch of the journal decided once more, and what would differ. */
#include <linux/ioprio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf/conf.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/shadow.h"
#include "dataplane/trovectl_archive.h"
#include "dataplane/trovectl_files.h"

#define SHOWN 50u

/* Live traffic comes first: this takes what it leaves of the processor and of the disk. */
static void step_back(void)
{
    (void)!setpriority(PRIO_PROCESS, 0, 19);
    (void)!syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

static int read_time(struct trovectl *ctl, const char *option, const char *text, uint64_t *ns)
{
    int64_t ms;
    if (!text)
        return TROVECTL_OK;
    if (text_time_parse((const uint8_t *)text, strlen(text), &ms))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "%s is a time such as 2026-11-20T12:00:00Z, not '%.64s'", option,
                             text);
    *ns = (uint64_t)ms * NS_PER_MS;
    return TROVECTL_OK;
}

static int read_request(struct trovectl *ctl, struct shadow_request *request)
{
    char *end = NULL;
    unsigned long limit = ctl->limit ? strtoul(ctl->limit, &end, 10) : SHOWN;
    if (ctl->limit && (*ctl->limit < '0' || *ctl->limit > '9' || *end || limit > SHADOW_SHOWN_MAX))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help", "--limit is 0 to %u",
                             SHADOW_SHOWN_MAX);
    if (!ctl->archive && (ctl->credentials || ctl->region))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "--credentials and --region are of the bucket that --from-archive "
                             "names");
    if (!ctl->data_dir)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage",
                             "trovectl replay --data-dir /var/lib/trove",
                             "say which data_dir: --data-dir DIR");
    if (ctl->verify && ctl->config)
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "--verify compares with what was recorded, under the versions of the "
                             "time; --config asks what another one would do");
    *request = (struct shadow_request){
        .user = ctl->user, .hunt = ctl->hunt, .to_ns = UINT64_MAX, .limit = (uint32_t)limit};
    int code = read_time(ctl, "--from", ctl->from, &request->from_ns);
    return code ? code : read_time(ctl, "--to", ctl->to, &request->to_ns);
}

/* ---- showing ---- */

static void print_outcome(const json_t *outcome, FILE *out)
{
    if (json_is_string(outcome))
        fputs(json_string_value(outcome), out);
    else if (!json_is_object(outcome))
        fputs("nothing", out);
    else
        fprintf(out, "%s%s%s", field_text(outcome, "outcome"),
                json_object_get(outcome, "refusal") ? " " : "",
                json_object_get(outcome, "refusal") ? field_text(outcome, "refusal") : "");
}

static void print_difference(const json_t *one, FILE *out)
{
    const json_t *was = json_object_get(one, "recorded"), *is = json_object_get(one, "recomputed");
    const char *change = field_text(one, "change");
    const json_t *named = json_is_object(is) ? is : was;
    fprintf(out, "  %s %-12s %s  ",
            !strcmp(change, "now_won")         ? "+"
            : !strcmp(change, "no_longer_won") ? "-"
                                               : "~",
            field_text(one, "seq"), field_text(one, "received"));
    field_print(one, "user", 64, out);
    fputc(' ', out);
    if (json_is_object(named))
        field_print(named, "hunt", 64, out);
    fputs("  ", out);
    print_outcome(is, out);
    fputs("   was ", out);
    print_outcome(was, out);
    fputc('\n', out);
}

void trovectl_print_replay(const json_t *report, FILE *out)
{
    const json_t *list = json_object_get(report, "differences"), *one;
    double seconds = field_real(report, "seconds");
    uint64_t events = field_count(report, "events");
    size_t i;
    uint64_t corrections = field_count(report, "corrections");
    fprintf(out, "%llu events", (unsigned long long)events);
    if (corrections)
        fprintf(out, " and %llu corrections", (unsigned long long)corrections);
    fprintf(out, " in %.1f s, %.2f million a second; %llu of them in range\n", seconds,
            seconds > 0 ? (double)events / seconds / 1e6 : 0,
            (unsigned long long)field_count(report, "in_range"));
    fprintf(out,
            "same %llu   different %llu: now won %llu, no longer won %llu, claims moved %llu, now "
            "rejected %llu, otherwise %llu\n",
            (unsigned long long)field_count(report, "same"),
            (unsigned long long)field_count(report, "different"),
            (unsigned long long)field_count(report, "now_won"),
            (unsigned long long)field_count(report, "no_longer_won"),
            (unsigned long long)field_count(report, "claims_moved"),
            (unsigned long long)field_count(report, "now_rejected"),
            (unsigned long long)field_count(report, "otherwise"));
    if (json_object_get(report, "begins"))
        fprintf(out, "the journal begins at %s with a checkpoint, and so did this\n",
                field_text(report, "begins"));
    json_array_foreach(list, i, one) print_difference(one, out);
    fprintf(out, "state %s   nothing was changed, nothing was sent\n",
            field_text(report, "state_hash"));
}

/* ---- running ---- */

static int finish(struct trovectl *ctl, const json_t *report)
{
    bool same = !field_count(report, "different");
    if (ctl->json)
        trovectl_print_json(report, ctl->out);
    else
        trovectl_print_replay(report, ctl->out);
    if (same || ctl->config)
        return TROVECTL_OK;
    fputs("error: what was recomputed differs from what was recorded: the journal was changed, or "
          "this is a bug; keep the data directory and report it\n",
          ctl->err);
    return TROVECTL_FAILED;
}

static int run(struct trovectl *ctl, const struct shadow_request *asked)
{
    struct shadow_request request = *asked;
    struct trovectl_files files;
    char error[512];
    json_t *report = NULL;
    enum shadow_result result = SHADOW_FAULT;
    request.store = &files.store;
    request.key = &files.key;
    struct trovectl_archive archive = {0};
    bool ready = trovectl_files_open(ctl, &files, error);
    if (ready && ctl->archive) {
        ready = trovectl_archive_open(ctl, &files, &archive, error);
        request.source = &archive.source;
    }
    if (ready)
        result = shadow_run(&request, &report, error);
    trovectl_archive_close(&archive);
    trovectl_files_close(&files);
    if (result == SHADOW_FAULT && ctl->archive)
        return trovectl_fail(ctl, TROVECTL_FAILED, "archive_unreadable", "trovectl help", "%s",
                             error);
    if (result == SHADOW_CONF) {
        diag_print(request.faults, ctl->err);
        return trovectl_fail(ctl, TROVECTL_FAILED, "config_invalid", "trovectl conf check FILE",
                             "%s cannot be used", ctl->config);
    }
    if (result != SHADOW_DONE)
        return trovectl_files_told(ctl, STORY_FAULT, NULL, error);
    int code = finish(ctl, report);
    json_decref(report);
    return code;
}

int trovectl_replay(struct trovectl *ctl)
{
    struct shadow_request request;
    struct diag_list faults = {0};
    int code = read_request(ctl, &request);
    if (code)
        return code;
    step_back();
    request.faults = &faults;
    struct conf *conf = ctl->config ? conf_load_file(ctl->config, &faults) : NULL;
    request.conf = conf;
    if (ctl->config && !conf) {
        diag_print(&faults, ctl->err);
        code = trovectl_fail(ctl, TROVECTL_FAILED, "config_invalid", "trovectl conf check FILE",
                             "%s cannot be used", ctl->config);
    } else {
        code = run(ctl, &request);
    }
    conf_free(conf);
    diag_list_fini(&faults);
    return code;
}
