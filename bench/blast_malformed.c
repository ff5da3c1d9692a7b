/* blast_malformed.c - a table of broken events. */
#include <assert.h>
#include <string.h>

#include "bench/blast_malformed.h"

#define TEN(text) text text text text text text text text text text

/* $i id, $b id with a wrong digit, $t time, $u user, $y type, $e item. */
static const struct kind {
    enum reason reason;
    const char *text;
} kinds[] = {
    {REASON_syntax, "{\"id\":\"$i\",\"time\":$t,\"user\":\"$u\",\"type\":\"$y\",\"item\":\"$e"},
    {REASON_id_invalid, "{\"id\":\"$b\",\"time\":$t,\"user\":\"$u\",\"type\":\"$y\"}"},
    {REASON_time_range,
     "{\"id\":\"$i\",\"time\":9223372036854775808,\"user\":\"$u\",\"type\":\"$y\"}"},
    {REASON_user_length, "{\"id\":\"$i\",\"time\":$t,\"user\":\"" TEN("abcdef") "ghijk\","
                                                                                "\"type\":\"$y\"}"},
    {REASON_utf8, "{\"id\":\"$i\",\"time\":$t,\"user\":\"$u\xc3(\",\"type\":\"$y\"}"},
    {REASON_type_missing, "{\"id\":\"$i\",\"time\":$t,\"user\":\"$u\",\"item\":\"$e\"}"},
    {REASON_surrogate, "{\"id\":\"$i\",\"time\":$t,\"user\":\"\\ud83d$u\",\"type\":\"$y\"}"},
    {REASON_trailing, "{\"id\":\"$i\",\"time\":$t,\"user\":\"$u\",\"type\":\"$y\"} true"},
    {REASON_depth, "{\"data\":" TEN("[[[[[[[") TEN("]]]]]]]") "}"},
    {REASON_duplicate_key,
     "{\"id\":\"$i\",\"time\":$t,\"user\":\"$u\",\"time\":$t,\"type\":\"$y\"}"},
    {REASON_wrong_type, "{\"id\":\"$i\",\"time\":$t,\"user\":1042,\"type\":\"$y\"}"},
    {REASON_not_object, "[\"$i\",$t,\"$u\",\"$y\"]"},
    {REASON_time_invalid, "{\"id\":\"$i\",\"time\":\"noon\",\"user\":\"$u\",\"type\":\"$y\"}"},
    {REASON_id_missing, "{\"time\":$t,\"user\":\"$u\",\"type\":\"$y\",\"item\":\"$e\"}"},
    {REASON_type_unknown, "{\"id\":\"$i\",\"time\":$t,\"user\":\"$u\",\"type\":\"no-such-type\"}"},
};

uint32_t blast_malformed_count(void)
{
    return sizeof kinds / sizeof kinds[0];
}

static uint8_t *append(uint8_t *to, const uint8_t *out, const char *text, size_t len)
{
    assert((size_t)(to - out) + len <= BLAST_MALFORMED_BYTES_MAX);
    memcpy(to, text, len);
    return to + len;
}

static uint8_t *append_value(uint8_t *to, const uint8_t *out, const struct blast_values *values,
                             char which)
{
    const char *text = which == 't'   ? values->time
                       : which == 'u' ? values->user
                       : which == 'y' ? values->type
                       : which == 'e' ? values->item
                                      : values->id;
    uint8_t *end = append(to, out, text, strlen(text));
    if (which == 'b')
        to[9] = 'g';
    return end;
}

uint32_t blast_malformed_build(uint32_t kind, const struct blast_values *values, uint8_t *out,
                               enum reason *reason)
{
    uint8_t *to = out;
    for (const char *text = kinds[kind].text; *text; text++) {
        if (*text == '$')
            to = append_value(to, out, values, *++text);
        else
            to = append(to, out, text, 1);
    }
    *reason = kinds[kind].reason;
    return (uint32_t)(to - out);
}
