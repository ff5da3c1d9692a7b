/* redis_batch.c - arguments are written where they are sent from. */
#include "sinks/redis_batch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/text.h"

#define NUMBER_MAX 24u /* "$18446744073709551615\r\n" */

/* The most that one outcome takes in either buffer. */
#define OUTCOME_MAX (BODY_BYTES_MAX + 1024u)
static_assert(2 * EVENT_NAME_MAX + 2 * CONF_NAME_MAX + REDIS_SHA_MAX + 10 * NUMBER_MAX < 1024,
              "an outcome has room");

/* ---- RESP2: $LEN CR LF BYTES CR LF ---- */

/* Writes a number between its sign and the end of the line; returns where that ends. */
static char *put_count(char *out, char sign, uint64_t value)
{
    *out++ = sign;
    out += text_decimal_format(value, out);
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

static char *put_bytes(char *out, const void *bytes, size_t len)
{
    out = put_count(out, '$', len);
    if (len)
        memcpy(out, bytes, len);
    out += len;
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

static char *put_text(char *out, const char *text)
{
    return put_bytes(out, text, strlen(text));
}

/* ---- in ---- */

void redis_batch_clear(struct redis_batch *batch)
{
    batch->count = batch->new_count = batch->win_count = 0;
    batch->used = batch->win_used = 0;
}

bool redis_batch_is_full(const struct redis_batch *batch)
{
    return batch->count == REDIS_BATCH_MAX || sizeof batch->args - batch->used < OUTCOME_MAX ||
           sizeof batch->wins - batch->win_used < OUTCOME_MAX;
}

struct text {
    char body[BODY_BYTES_MAX];
    size_t len;
    uint8_t user[EVENT_NAME_MAX];
    size_t user_len;
};

static void add_entry(struct redis_batch *batch, const struct sink_item *item,
                      const struct text *text)
{
    char *begin = batch->args + batch->used, *at = begin, id[48];
    const struct outcome_view *view = &item->view;
    size_t len = text_decimal_format(item->epoch, id);
    id[len++] = '-';
    len += text_decimal_format(item->ordinal, id + len);
    at = put_bytes(at, id, len);
    at = put_text(at, outcome_kind_name(view->outcome.kind));
    at = put_bytes(at, view->hunt.text, view->hunt.len);
    at = put_bytes(at, text->user, text->user_len);
    at = put_bytes(at, text->body, text->len);
    batch->used += (size_t)(at - begin);
    batch->new_count++;
}

static void add_winner(struct redis_batch *batch, const struct sink_item *item,
                       const struct text *text, const struct redis_winners *winners)
{
    char *begin = batch->wins + batch->win_used, *at = begin;
    char key[CONF_NAME_MAX + EVENT_NAME_MAX + 2], epoch[16], ordinal[NUMBER_MAX];
    const struct outcome_name *hunt = &item->view.hunt;
    snprintf(key, sizeof key, "%s:%.*s", winners->name, (int)hunt->len, (const char *)hunt->text);
    snprintf(epoch, sizeof epoch, "%u", item->epoch);
    snprintf(ordinal, sizeof ordinal, "%" PRIu64, item->ordinal);
    at = put_count(at, '*', 8);
    at = put_text(at, "EVALSHA");
    at = put_text(at, winners->sha);
    at = put_text(at, "1");
    at = put_text(at, key);
    at = put_bytes(at, text->user, text->user_len);
    at = put_text(at, epoch);
    at = put_text(at, ordinal);
    at = put_bytes(at, text->body, text->len);
    batch->win_used += (size_t)(at - begin);
    batch->win_count++;
}

void redis_batch_add(struct redis_batch *batch, const struct sink_item *item,
                     enum conf_format format, const struct line_origin *origin, bool is_new,
                     const struct redis_winners *winners)
{
    struct text text;
    struct words said;
    assert(!redis_batch_is_full(batch));
    batch->entries[batch->count].is_new = is_new;
    batch->entries[batch->count].place = (struct sink_place){.epoch = item->epoch,
                                                             .shard = item->shard,
                                                             .ordinal = item->ordinal,
                                                             .partition = item->outcome->partition,
                                                             .seq = item->outcome->seq};
    batch->count++;
    batch->shard = item->shard;
    words_read(item->event, &said);
    text.len = body_write(format, item, &said, origin, text.body) - 1;
    text.user_len = line_user(item, &said, text.user);
    if (is_new)
        add_entry(batch, item, &text);
    if (winners)
        add_winner(batch, item, &text, winners);
}

/* ---- out, and what comes back ---- */

size_t redis_batch_head(const struct redis_batch *batch, const char *sha, const char *stream,
                        uint64_t max_length, char out[REDIS_HEAD_MAX])
{
    char max[NUMBER_MAX], *at = out;
    snprintf(max, sizeof max, "%" PRIu64, max_length);
    at = put_count(at, '*', 5 + (uint64_t)batch->new_count * REDIS_ENTRY_ARGS);
    at = put_text(at, "EVALSHA");
    at = put_text(at, sha);
    at = put_text(at, "1");
    at = put_text(at, stream);
    at = put_text(at, max);
    return (size_t)(at - out);
}

bool redis_batch_answer(const struct redis_batch *batch, const char *text, struct redis_added *out)
{
    char *rest, *why = NULL;
    out->added = strtoull(text, &rest, 10);
    out->repeats = *rest == ' ' ? strtoull(rest, &why, 10) : UINT64_MAX;
    if (out->added > batch->new_count || out->repeats > batch->new_count - out->added || !why ||
        *why != ' ')
        return false;
    out->why = why + 1;
    return !*out->why == (out->added + out->repeats == batch->new_count);
}

const struct sink_place *redis_batch_place(const struct redis_batch *batch, uint64_t n)
{
    uint32_t i = 0;
    while (!batch->entries[i].is_new || n--)
        i++;
    return &batch->entries[i].place;
}
