/* fuzz_outcome.c - any bytes as the body of an OUTCOME record, and as a dead letter's: what decodes
 * encodes to the same bytes, and either makes one line. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/body.h"
#include "tests/fuzz/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A CloudEvent is the envelope and the same line in it. */
static void check_body(const struct sink_item *item, const struct line_origin *origin,
                       const char *line, size_t len)
{
    static char body[BODY_BYTES_MAX];
    size_t whole = body_encode(CONF_FORMAT_CLOUDEVENTS, item, origin, body);
    assert(whole > len + 1 && whole <= BODY_BYTES_MAX);
    assert(body[whole - 1] == '\n' && body[whole - 2] == '}');
    assert(memcmp(body + whole - 1 - len, line, len - 1) == 0);
}

static void check_line(const struct sink_item *item)
{
    static struct line_origin origin;
    static char line[LINE_BYTES_MAX];
    if (!origin.len)
        assert(line_origin_init(&origin, "p", "h", "j") == 0);
    size_t len = line_encode(item, &origin, line);
    assert(len > 2 && len <= LINE_BYTES_MAX && line[0] == '{' && line[len - 2] == '}');
    assert(memchr(line, '\n', len) == line + len - 1);
    check_body(item, &origin, line, len);
}

static void check_outcome(const uint8_t *data, size_t size)
{
    struct record *record = make_record(RECORD_OUTCOME, data, size);
    struct sink_item item = {.outcome = record};
    if (outcome_decode(record_body(record), record->body_len, &item.view) == 0) {
        uint8_t body[OUTCOME_BODY_MAX];
        assert(size <= sizeof body);
        assert(outcome_encode(&item.view, body) == size && memcmp(body, data, size) == 0);
        if (item.view.outcome.kind != OUTCOME_rejected)
            check_line(&item);
    }
    free(record);
}

static void check_dead(const uint8_t *data, size_t size)
{
    struct record *record = make_record(RECORD_DEAD, data, size);
    const struct sink_item item = {
        .event = record,
        .outcome = record,
        .view = {.outcome = {.kind = OUTCOME_rejected}},
    };
    check_line(&item);
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > EVENT_BYTES_MAX)
        return 0;
    check_outcome(data, size);
    check_dead(data, size);
    return 0;
}
