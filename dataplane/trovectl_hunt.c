/* trovectl_hunt.c - `hunt test`: events against a configuration's hunts, and what must come out.
 *
 * FILE holds JSON lines.  The first names the configuration; each other one is an event with its
 * receive time and the outcomes that it must have:
 *
 *   {"config": "trove.yaml", "start": "2026-03-05T12:00:00Z"}
 *   {"at": "+0s", "event": {"user": "u-1", "type": "view", "item": "A4"}, "expect": ["step"]}
 *   {"at": "+0.2s", "event": {...}, "expect": ["spring-26 refusal:too_fast"]}
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/value.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/trovectl.h"
#include "graph/state.h"

#define TEST_EVENTS_MAX 100000u /* ids and users that a test has room for */
#define TEST_START      "2026-01-01T00:00:00Z"
#define ITEMS_LIMIT     100000000u

struct hunt_test {
    struct trovectl *ctl;
    char config[CONF_PATH_MAX];
    struct conf *conf;
    struct items *items;
    struct rules *rules;
    struct hash_key key;
    struct arena arena;
    struct state *state;
    uint64_t start_ns;
    unsigned line;
    unsigned events, mismatches;
    json_t *report; /* of the mismatches */
};

static int fault(struct hunt_test *test, const char *what)
{
    return trovectl_fail(test->ctl, TROVECTL_FAILED, "bad_test", "man trovectl", "%s:%u: %s",
                         test->ctl->file, test->line, what);
}

/* ---- the first line ---- */

/* The configuration stands beside the test unless its path is absolute. */
static bool find_config(struct hunt_test *test, const char *config)
{
    const char *slash = strrchr(test->ctl->file, '/');
    int dir_len = slash && config[0] != '/' ? (int)(slash - test->ctl->file) + 1 : 0;
    int len =
        snprintf(test->config, sizeof test->config, "%.*s%s", dir_len, test->ctl->file, config);
    return len < (int)sizeof test->config;
}

static int make_state(struct hunt_test *test)
{
    struct state_limits limits = {
        .partition_count = 1,
        .shard_count = 1,
        .dedupe_capacity = TEST_EVENTS_MAX,
        .users = TEST_EVENTS_MAX,
        .claims = TEST_EVENTS_MAX,
        .dedupe_window_ns = test->conf->events.dedupe_window_ns,
    };
    if (arena_open(&test->arena, state_footprint(&limits), -1, false))
        return fault(test, "not enough memory");
    test->state = state_init(&test->arena, &limits);
    return TROVECTL_OK;
}

static int load_rules(struct hunt_test *test)
{
    static const uint8_t seed[HASH_SEED_BYTES];
    struct diag_list diags = {0};
    hash_key_init(&test->key, seed);
    test->conf = conf_load_file(test->config, &diags);
    test->items = items_new(ITEMS_LIMIT);
    if (test->conf && test->items)
        test->rules = rules_build(test->conf, 1, &test->key, test->items, &diags);
    diag_print(&diags, test->ctl->err);
    diag_list_fini(&diags);
    return test->rules ? make_state(test) : fault(test, "its configuration cannot be used");
}

static int read_head(struct hunt_test *test, const json_t *head)
{
    const char *config = json_string_value(json_object_get(head, "config"));
    const char *start = json_string_value(json_object_get(head, "start"));
    int64_t start_ms;
    if (!config || !*config)
        return fault(test, "the first line must be {\"config\": FILE}");
    if (!start)
        start = TEST_START;
    if (text_time_parse((const uint8_t *)start, strlen(start), &start_ms))
        return fault(test, "start is not a time such as " TEST_START);
    if (!find_config(test, config))
        return fault(test, "the configuration's path is too long");
    test->start_ns = (uint64_t)start_ms * NS_PER_MS;
    return load_rules(test);
}

/* ---- events ---- */

static bool read_at(const struct hunt_test *test, const char *at, uint64_t *receive_ns)
{
    uint64_t after_ns;
    if (!at || *at != '+' || value_time(at + 1, strlen(at + 1), &after_ns))
        return false;
    return !__builtin_add_overflow(test->start_ns, after_ns, receive_ns) && *receive_ns < 1ull
                                                                                              << 63;
}

/* event_bytes gives the event's bytes, the caller's to free: a string stands for itself, an object
 * gets an id and a time where it has none. */
static char *event_bytes(const struct hunt_test *test, json_t *event, uint64_t receive_ns)
{
    char id[TEXT_UUID_LEN + 1];
    const char *raw = json_string_value(event);
    if (raw)
        return strdup(raw);
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012x", test->line);
    if (!json_object_get(event, "id"))
        json_object_set_new(event, "id", json_string(id));
    if (!json_object_get(event, "time"))
        json_object_set_new(event, "time", json_integer((json_int_t)(receive_ns / NS_PER_MS)));
    return json_dumps(event, JSON_COMPACT);
}

static json_t *name_outcome(const struct hunt_test *test, const struct outcome *outcome)
{
    const char *kind = outcome_kind_name(outcome->kind);
    bool step = outcome->kind == OUTCOME_visit && outcome->flags & OUTCOME_STEP;
    bool refusal = outcome->kind == OUTCOME_refusal || outcome->kind == OUTCOME_claim_refused;
    bool of_hunt = outcome->hunt != OUTCOME_NO_HUNT;
    return json_sprintf("%s%s%s%s%s", of_hunt ? test->rules->hunts[outcome->hunt].name : "",
                        of_hunt ? " " : "", step ? "step" : kind, refusal ? ":" : "",
                        refusal ? refusal_name(outcome->refusal) : "");
}

static json_t *apply(const struct hunt_test *test, const char *bytes, uint64_t receive_ns)
{
    struct event event;
    struct outcome outcomes[STATE_OUTCOMES_MAX];
    size_t len = strlen(bytes);
    json_t *got = json_array();
    /* What is longer than any event is cut: too long it is still. */
    if (len > EVENT_BYTES_MAX)
        len = EVENT_BYTES_MAX;
    event_parse(&test->rules->limits, &test->key, (const uint8_t *)bytes, (uint32_t)len, &event);
    event.receive_ns = receive_ns;
    event.partition = 0;
    event.bytes = (const uint8_t *)bytes;
    event.len = (uint16_t)len;
    struct verdict verdict = state_apply(test->state, test->rules, &event, outcomes);
    if (verdict.result == RESULT_REJECTED)
        json_array_append_new(got, json_sprintf("rejected:%s", reason_name(verdict.reason)));
    if (verdict.result == RESULT_REFUSED)
        json_array_append_new(got, json_string("refused"));
    for (uint32_t i = 0; i < verdict.outcome_count; i++)
        json_array_append_new(got, name_outcome(test, &outcomes[i]));
    return got;
}

/* An expectation may leave out the hunt's name. */
static bool fits(const char *want, const char *got)
{
    const char *space = strchr(got, ' ');
    return want && (!strcmp(want, got) || (space && !strcmp(want, space + 1)));
}

static bool all_fit(const json_t *want, const json_t *got)
{
    bool fit = json_array_size(want) == json_array_size(got);
    for (size_t i = 0; fit && i < json_array_size(want); i++)
        fit = fits(json_string_value(json_array_get(want, i)),
                   json_string_value(json_array_get(got, i)));
    return fit;
}

static void print_list(const char *title, const json_t *list, FILE *out)
{
    const json_t *one;
    size_t i;
    fprintf(out, "  %s", title);
    json_array_foreach(list, i, one) fprintf(out, "%s %s", i ? "," : "", json_string_value(one));
    fputs(json_array_size(list) ? "\n" : " nothing\n", out);
}

static int test_event(struct hunt_test *test, json_t *line)
{
    uint64_t receive_ns;
    json_t *event = json_object_get(line, "event"), *want = json_object_get(line, "expect");
    if (!read_at(test, json_string_value(json_object_get(line, "at")), &receive_ns))
        return fault(test, "at must be a time after the start, such as \"+1.5s\"");
    if (!json_is_object(event) && !json_is_string(event))
        return fault(test, "event must be an object, or a string that holds its bytes");
    if (!json_is_array(want))
        return fault(test, "expect must be a list such as [\"award\"]");
    if (++test->events > TEST_EVENTS_MAX)
        return fault(test, "a test has at most 100,000 events");
    char *bytes = event_bytes(test, event, receive_ns);
    if (!bytes)
        return fault(test, "not enough memory");
    json_t *got = apply(test, bytes, receive_ns);
    free(bytes);
    if (!all_fit(want, got)) {
        test->mismatches++;
        json_array_append_new(test->report, json_pack("{s:i, s:O, s:O}", "line", (int)test->line,
                                                      "expected", want, "got", got));
        if (!test->ctl->json) {
            fprintf(test->ctl->out, "%s:%u: not as expected\n", test->ctl->file, test->line);
            print_list("expected", want, test->ctl->out);
            print_list("got     ", got, test->ctl->out);
        }
    }
    json_decref(got);
    return TROVECTL_OK;
}

static int test_line(struct hunt_test *test, const char *text)
{
    json_error_t error;
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    int code;
    if (!json_is_object(line))
        code = fault(test, line ? "not a JSON object" : error.text);
    else
        code = test->rules ? test_event(test, line) : read_head(test, line);
    json_decref(line);
    return code;
}

static int test_lines(struct hunt_test *test, FILE *in)
{
    char *text = NULL;
    size_t room = 0;
    int code = TROVECTL_OK;
    while (!code && getline(&text, &room, in) >= 0) {
        test->line++;
        if (text[strspn(text, " \t\r\n")])
            code = test_line(test, text);
    }
    free(text);
    if (!code && !test->events)
        code = fault(test, "no event in it");
    return code;
}

static int finish(struct hunt_test *test)
{
    FILE *out = test->ctl->out;
    if (test->ctl->json) {
        json_t *report = json_pack("{s:b, s:i, s:O}", "ok", (int)!test->mismatches, "events",
                                   (int)test->events, "mismatches", test->report);
        trovectl_print_json(report, out);
        json_decref(report);
    } else if (test->mismatches) {
        fprintf(out, "%u of %u events not as expected\n", test->mismatches, test->events);
    } else {
        fprintf(out, "ok  %s  %u events as expected\n", test->ctl->file, test->events);
    }
    return test->mismatches ? TROVECTL_FAILED : TROVECTL_OK;
}

int trovectl_hunt_test(struct trovectl *ctl)
{
    struct hunt_test test = {.ctl = ctl, .report = json_array()};
    FILE *in = fopen(ctl->file, "re");
    int code = in ? test_lines(&test, in)
                  : trovectl_fail(ctl, TROVECTL_FAILED, "unreadable", "trovectl help",
                                  "cannot read %s: %s", ctl->file, strerror(errno));
    if (in)
        fclose(in);
    if (!code)
        code = finish(&test);
    if (test.state)
        arena_close(&test.arena);
    rules_free(test.rules);
    items_free(test.items);
    conf_free(test.conf);
    json_decref(test.report);
    return code;
}
