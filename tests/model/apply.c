/* apply.c - events from stdin through event_parse and state_apply, what they led to as JSON lines.
 *
 *   apply CONFIG [SHARDS] <STREAM
 *
 * A line of the stream is RECEIVE_NS<TAB>EVENT, a backslash and any byte outside printable ASCII
 * written as \xHH; or `config FILE`, which takes up another configuration as a reload would; or the
 * word `reset`, which forgets everything; or `correct RECEIVE_NS<TAB>BODY`, a correction in the
 * form of base/correction.h.  Every event and every correction gives one line; the end, one line
 * with the hash of each partition that an event came to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/text.h"
#include "graph/items.h"
#include "tests/model/host.h"

#define LINE_MAX_BYTES (4 * 70000 + 64)

static const char *const result_names[RESULT_COUNT] = {"accepted", "duplicate", "rejected",
                                                       "refused"};

static void print_text(const char *text, size_t len)
{
    char quoted[6 * CONF_PATH_MAX + 2];
    int n = text_json_encode((const uint8_t *)text, len, quoted, sizeof quoted);
    fwrite(quoted, 1, n < 0 ? 0 : (size_t)n, stdout);
}

static void print_name(const char *name)
{
    if (name)
        print_text(name, strlen(name));
    else
        printf("null");
}

static void print_outcome(const struct host *host, const struct outcome *o)
{
    const struct rules_hunt *hunt =
        o->hunt == OUTCOME_NO_HUNT ? NULL : &host->rules->hunts[o->hunt];
    printf("{\"kind\":\"%s\",\"refusal\":\"%s\",\"flags\":%u,\"hunt\":", outcome_kind_name(o->kind),
           refusal_name(o->refusal), o->flags);
    print_name(hunt ? hunt->name : NULL);
    printf(",\"variant\":");
    print_name(hunt && o->variant ? hunt->variants[o->variant - 1].name : NULL);
    printf(",\"assigned\":%s", o->assigned ? "true" : "false");
    printf(
        ",\"depth\":%u,\"score\":%u,\"edges\":%u,\"first_seq\":%llu,\"award\":\"%016llx%016llx\"",
        o->depth, o->score, o->edge_count, (unsigned long long)o->first_seq,
        (unsigned long long)o->award_id[0], (unsigned long long)o->award_id[1]);
    printf(",\"items\":[");
    for (uint32_t i = 0; i < o->item_count; i++) {
        uint32_t len;
        const char *name = items_name(host->items, o->item[i], &len);
        if (i > 0)
            putchar(',');
        print_text(name, len);
    }
    printf("]}");
}

static void print_hashes(const struct host *host)
{
    for (uint32_t p = 0; p < host->conf->partitions; p++) {
        const struct state *state = host_state(host, p);
        if (state_seq(state, p) > 0)
            printf("{\"partition\":%u,\"seq\":%llu,\"hash\":\"%016llx\"}\n", p,
                   (unsigned long long)state_seq(state, p),
                   (unsigned long long)state_hash(state, p));
    }
}

/* Undoes the escapes in place; the new length, or -1. */
static long unescape(uint8_t *text)
{
    uint8_t *out = text;
    for (uint8_t *in = text; *in; out++) {
        if (*in != '\\') {
            *out = *in++;
            continue;
        }
        if (in[1] != 'x' || text_hex_digit(in[2]) < 0 || text_hex_digit(in[3]) < 0)
            return -1;
        *out = (uint8_t)(text_hex_digit(in[2]) << 4 | text_hex_digit(in[3]));
        in += 4;
    }
    return out - text;
}

static void print_answer(const struct host *host, const struct verdict *v, uint16_t partition,
                         const struct outcome *out)
{
    printf("{\"result\":\"%s\",\"reason\":\"%s\",\"offset\":%u,\"flags\":%u,\"partition\":%u,"
           "\"seq\":%llu,\"receive_ns\":%llu,\"left_early\":%u,\"outcomes\":[",
           result_names[v->result], reason_name(v->reason), v->reason_offset, v->flags, partition,
           (unsigned long long)v->seq, (unsigned long long)v->receive_ns, v->left_early);
    for (uint32_t i = 0; i < v->outcome_count; i++) {
        if (i > 0)
            putchar(',');
        print_outcome(host, &out[i]);
    }
    printf("]}\n");
}

/* Reads RECEIVE_NS<TAB>TEXT and undoes the escapes in the text; its length, or -1. */
static long take_line(char *line, uint64_t *receive_ns, const uint8_t **text)
{
    char *end;
    *receive_ns = strtoull(line, &end, 10);
    if (end == line || *end != '\t')
        return -1;
    *text = (const uint8_t *)end + 1;
    return unescape((uint8_t *)end + 1);
}

static int correct_line(struct host *host, char *line)
{
    uint64_t receive_ns;
    const uint8_t *body;
    struct correction correction;
    struct outcome out = {0};
    long len = take_line(line, &receive_ns, &body);
    if (len < 0 || correction_decode(body, (uint32_t)len, &correction))
        return -1;
    correction.receive_ns = receive_ns;
    struct verdict v = host_correct(host, &correction, &out);
    print_answer(host, &v, correction.partition, &out);
    return 0;
}

static int apply_line(struct host *host, char *line)
{
    uint64_t receive_ns;
    const uint8_t *bytes;
    long len = take_line(line, &receive_ns, &bytes);
    if (len < 0)
        return -1;
    struct event event;
    struct outcome out[STATE_OUTCOMES_MAX];
    struct verdict v = host_apply(host, receive_ns, bytes, (uint32_t)len, &event, out);
    print_answer(host, &v, event.partition, out);
    return 0;
}

static int run(struct host *host)
{
    static char line[LINE_MAX_BYTES];
    for (unsigned long number = 1; fgets(line, sizeof line, stdin); number++) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "reset") == 0) {
            host_reset(host);
        } else if (strncmp(line, "config ", 7) == 0) {
            if (host_load(host, line + 7))
                return 1;
        } else if (strncmp(line, "correct ", 8) == 0 ? correct_line(host, line + 8)
                                                     : apply_line(host, line)) {
            fprintf(stderr, "error: line %lu is neither an event nor a correction\n", number);
            return 1;
        }
    }
    print_hashes(host);
    return 0;
}

int main(int argc, char **argv)
{
    long shards = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    struct host host;
    if (argc < 2 || argc > 3 || shards < 1 || shards > HOST_SHARDS_MAX) {
        fprintf(stderr, "usage: apply CONFIG [SHARDS, 1 to %d]\n", HOST_SHARDS_MAX);
        return 2;
    }
    if (host_open(&host, argv[1], (uint32_t)shards))
        return 1;
    int status = run(&host);
    host_close(&host);
    return status;
}
