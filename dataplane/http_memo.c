/* http_memo.c - see http_memo.h. */
#include "dataplane/http_memo.h"

#include <string.h>

#include "dataplane/http_scan.h"

#define DIGITS_MAX 9 /* longer bodies than any limit allows */

void http_memo_init(struct http_memo *memo)
{
    for (unsigned i = 0; i < HTTP_MEMO_SLOTS; i++)
        memo->entries[i].len = 0;
}

/* read_length reads digits as http_field_length does; false: one is none, or the first is a zero
 * that has others behind it. */
static bool read_length(const uint8_t *digits, uint32_t count, uint64_t *length)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t digit = (uint32_t)digits[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *length = value;
    return digits[0] != '0' || count == 1;
}

bool http_memo_find(const struct http_memo *memo, uint32_t slot, const uint8_t *bytes, uint32_t len,
                    struct http_head *head, uint32_t *end)
{
    const struct http_memo_entry *e = &memo->entries[slot % HTTP_MEMO_SLOTS];
    uint32_t behind = e->digits_end;
    if (!e->len || len < e->len ||
        memcmp(bytes + behind, e->bytes + behind, e->len - behind) != 0 ||
        memcmp(bytes, e->bytes, e->digits) != 0)
        return false;
    uint64_t length = 0;
    if (behind > e->digits && !read_length(bytes + e->digits, behind - e->digits, &length))
        return false;
    *head = e->head;
    head->length = length;
    *end = e->len;
    return true;
}

void http_memo_keep(struct http_memo *memo, uint32_t slot, const uint8_t *bytes, uint32_t len,
                    const struct http_head *head)
{
    struct http_memo_entry *e = &memo->entries[slot % HTTP_MEMO_SLOTS];
    uint32_t at = head->length_at, end = at;
    while (end < len && end - at <= DIGITS_MAX && http_is(bytes[end], HTTP_DIGIT) &&
           head->flags & HTTP_HEAD_LENGTH)
        end++;
    if (len > HTTP_MEMO_BYTES || end - at > DIGITS_MAX)
        return;
    e->head = *head;
    e->len = len;
    e->digits = at;
    e->digits_end = end;
    memcpy(e->bytes, bytes, len);
}
