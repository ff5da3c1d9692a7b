/* feed_rows.c - two states of the first rows, compared by user. */
#include "sinks/feed_rows.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/text.h"

#define STRING_MAX (6u * EVENT_USER_MAX + 2u)
#define ROW_MAX    (STRING_MAX + 128u)

static_assert(FEED_ROWS_MAX * (ROW_MAX + STRING_MAX + 2u) + 1024u < FEED_BYTES_MAX, "all fit");

static const struct board_row *find(const struct feed_rows *rows, const char *user, uint32_t guess)
{
    if (guess < rows->count && strcmp(rows->row[guess].user, user) == 0)
        return &rows->row[guess];
    for (uint32_t i = 0; i < rows->count; i++)
        if (strcmp(rows->row[i].user, user) == 0)
            return &rows->row[i];
    return NULL;
}

static bool is_same(const struct board_row *a, const struct board_row *b)
{
    return a->rank == b->rank && memcmp(a->value, b->value, sizeof a->value) == 0;
}

static size_t put_string(const char *text, char *out)
{
    return (size_t)text_json_encode((const uint8_t *)text, strlen(text), out, STRING_MAX);
}

static size_t put_row(const struct board_row *row, char *out)
{
    size_t at = (size_t)sprintf(out, "{\"rank\":%u,\"user\":", row->rank);
    at += put_string(row->user, out + at);
    at +=
        (size_t)sprintf(out + at, ",\"awards\":%" PRIu64 ",\"claims\":%" PRIu64 ",\"score\":%.4f}",
                        row->value[BOARD_AWARDS], row->value[BOARD_CLAIMS],
                        (double)row->value[BOARD_SCORE] / 65536.0);
    return at;
}

/* Writes the rows that are not as they were; *count says how many. */
static size_t put_rows(const struct feed_rows *before, const struct feed_rows *now, char *out,
                       uint32_t *count)
{
    size_t at = 0;
    *count = 0;
    for (uint32_t i = 0; i < now->count; i++) {
        const struct board_row *old = before ? find(before, now->row[i].user, i) : NULL;
        if (old && is_same(old, &now->row[i]))
            continue;
        if ((*count)++)
            out[at++] = ',';
        at += put_row(&now->row[i], out + at);
    }
    return at;
}

static size_t put_gone(const struct feed_rows *before, const struct feed_rows *now, char *out,
                       uint32_t *count)
{
    size_t at = 0;
    *count = 0;
    for (uint32_t i = 0; before && i < before->count; i++) {
        if (find(now, before->row[i].user, i))
            continue;
        if ((*count)++)
            out[at++] = ',';
        at += put_string(before->row[i].user, out + at);
    }
    return at;
}

size_t feed_rows_encode(const char *hunt, enum board_order by, uint64_t version, uint32_t users,
                        const struct feed_rows *before, const struct feed_rows *now,
                        char out[FEED_BYTES_MAX])
{
    static const char *const names[BOARD_ORDER_COUNT] = {"awards", "claims", "score"};
    uint32_t changed, gone;
    size_t at = (size_t)sprintf(out, "{\"hunt\":");
    at += put_string(hunt, out + at);
    at += (size_t)sprintf(
        out + at, ",\"by\":\"%s\",\"version\":%" PRIu64 ",\"full\":%s,\"users\":%u,\"rows\":[",
        names[by], version, before ? "false" : "true", users);
    at += put_rows(before, now, out + at, &changed);
    at += (size_t)sprintf(out + at, "],\"gone\":[");
    at += put_gone(before, now, out + at, &gone);
    at += (size_t)sprintf(out + at, "]}");
    return before && !changed && !gone ? 0 : at;
}
