/* story_reject.c - one walk over the journals, keeping the newest dead letters. */
#include "dataplane/story_reject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREVIEW_BYTES 200u

/* A letter that may be shown, in a ring of the newest. */
struct letter {
    struct record record;
    uint8_t *bytes;
    uint64_t at; /* which one of those that match, from 0 */
};

struct letters {
    const struct reject_request *request;
    struct letter *ring;
    uint32_t limit;
    uint64_t matched;
    size_t bytes; /* held */
    uint64_t total;
    uint64_t by_reason[REASON_COUNT];
    uint64_t oldest; /* letters before it are not held any more */
};

bool reject_seq_parse(const char *text, uint32_t *partition, uint64_t *seq)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long first = strtoul(text, &end, 10);
    if (*end != ':' || first > UINT16_MAX || end[1] < '0' || end[1] > '9')
        return false;
    *partition = (uint32_t)first;
    *seq = strtoull(end + 1, &end, 10);
    return *end == '\0';
}

static bool matches(const struct reject_request *request, const struct record *record)
{
    if (request->one)
        return record->partition == request->partition && record->seq == request->seq;
    return !request->reason || !strcmp(request->reason, reason_name(record->reason));
}

static void forget(struct letters *letters)
{
    struct letter *letter = &letters->ring[letters->oldest++ % letters->limit];
    letters->bytes -= letter->record.body_len;
    free(letter->bytes);
    letter->bytes = NULL;
}

static void keep(struct letters *letters, const struct record *record)
{
    uint8_t *copy = malloc(record->body_len + 1);
    if (!copy)
        return;
    while (letters->oldest < letters->matched &&
           (letters->matched - letters->oldest >= letters->limit ||
            letters->bytes + record->body_len > REJECT_SHOWN_BYTES))
        forget(letters);
    memcpy(copy, record_body(record), record->body_len);
    letters->ring[letters->matched % letters->limit] =
        (struct letter){.record = *record, .bytes = copy, .at = letters->matched};
    letters->matched++;
    letters->bytes += record->body_len;
}

static void take(void *arg, const struct record *record)
{
    struct letters *letters = arg;
    if (record->kind != RECORD_DEAD)
        return;
    letters->total++;
    if (record->reason < REASON_COUNT)
        letters->by_reason[record->reason]++;
    if (matches(letters->request, record))
        keep(letters, record);
}

static json_t *tell_letter(const struct letter *letter, bool whole)
{
    const struct record *record = &letter->record;
    size_t shown = record->body_len;
    if (!whole && shown > PREVIEW_BYTES)
        shown = PREVIEW_BYTES;
    json_t *told = json_pack(
        "{s:o, s:o, s:s, s:s, s:i, s:I, s:o}", "seq", story_seq(record->partition, record->seq),
        "received", story_time(record->receive_ns), "reason", reason_name(record->reason), "help",
        reason_help(record->reason), "offset", (int)record->reason_offset, "bytes",
        (json_int_t)record->body_len, "text", story_text(letter->bytes, shown));
    if (whole)
        json_object_set_new(told, "hex", story_hex(letter->bytes, record->body_len));
    return told;
}

static int newest_first(const void *a, const void *b)
{
    const struct letter *x = a, *y = b;
    if (x->record.receive_ns != y->record.receive_ns)
        return x->record.receive_ns > y->record.receive_ns ? -1 : 1;
    return x->at > y->at ? -1 : x->at < y->at;
}

static json_t *finish(const struct reject_request *request, struct letters *letters)
{
    json_t *by_reason = json_object(), *shown = json_array();
    for (unsigned i = 0; i < REASON_COUNT; i++)
        if (letters->by_reason[i])
            json_object_set_new(by_reason, reason_name(i),
                                json_integer((json_int_t)letters->by_reason[i]));
    uint64_t held = letters->matched - letters->oldest;
    struct letter *sorted = calloc(held + 1, sizeof *sorted);
    for (uint64_t i = 0; sorted && i < held; i++)
        sorted[i] = letters->ring[(letters->oldest + i) % letters->limit];
    if (sorted)
        qsort(sorted, held, sizeof *sorted, newest_first);
    for (uint64_t i = 0; sorted && i < held; i++)
        json_array_append_new(shown, tell_letter(&sorted[i], request->whole));
    free(sorted);
    return json_pack("{s:I, s:o, s:I, s:o}", "total", (json_int_t)letters->total, "by_reason",
                     by_reason, "matched", (json_int_t)letters->matched, "rejects", shown);
}

enum story_result reject_tell(const struct reject_request *request, json_t **told, char error[512])
{
    struct letters letters = {.request = request, .limit = request->one ? 1 : request->limit};
    letters.ring = calloc(letters.limit, sizeof *letters.ring);
    struct story_walk over = {.store = request->store,
                              .key = request->key,
                              .bound = request->bound,
                              .bound_arg = request->bound_arg,
                              .deadline_ns = request->deadline_ns,
                              .take = take,
                              .arg = &letters};
    enum story_result result = STORY_FAULT;
    snprintf(error, 512, "no memory to read the journal");
    if (letters.ring)
        result = story_walk(&over, error);
    if (result == STORY_TOLD && request->one && !letters.matched)
        result = story_none(request->store, error, "rejected event of this number");
    if (result == STORY_TOLD)
        *told = finish(request, &letters);
    while (letters.ring && letters.oldest < letters.matched)
        forget(&letters);
    free(letters.ring);
    return result;
}
