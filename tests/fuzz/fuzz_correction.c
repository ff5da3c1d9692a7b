/* fuzz_correction.c - any bytes as the body of a CORRECTION record: what decodes encodes to the
 * same bytes, and makes one line. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/correction.h"
#include "sinks/line.h"
#include "tests/fuzz/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct record *record)
{
    static struct line_origin origin;
    static char line[LINE_BYTES_MAX];
    struct record *outcome = make_record(RECORD_OUTCOME, NULL, 0);
    const struct sink_item item = {
        .event = record, .outcome = outcome, .view = {.outcome = {.kind = OUTCOME_granted}}};
    if (!origin.len)
        assert(line_origin_init(&origin, "p", "h", "j") == 0);
    size_t len = line_encode(&item, &origin, line);
    assert(len > 2 && len <= LINE_BYTES_MAX && line[0] == '{' && line[len - 2] == '}');
    assert(memchr(line, '\n', len) == line + len - 1);
    free(outcome);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > EVENT_BYTES_MAX)
        return 0;
    struct record *record = make_record(RECORD_CORRECTION, data, size);
    uint8_t body[CORRECTION_BODY_MAX];
    struct correction correction;
    if (correction_decode(record_body(record), record->body_len, &correction) == 0) {
        assert(size <= sizeof body && correction_encode(&correction, body) == size &&
               memcmp(body, data, size) == 0);
        assert(correction.kind < CORRECTION_KIND_COUNT && correction.user[0] && correction.hunt[0]);
    }
    check_line(record);
    free(record);
    return 0;
}
