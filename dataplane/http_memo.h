/* http_memo.h - heads that came before, letter for letter: a client that keeps its connection says
 * the same head with each request, but for the digits of Content-Length.
 *
 * What a head says is a function of its bytes and of the limits (http_head.h), and with as many
 * digits every offset stays where it was.  So bytes that are the same but for these digits need
 * only be compared, at a tenth of the cost.  Whatever differs is read by http_head_parse, which
 * alone refuses.  The memo holds no more than a few heads, one to a slot, the last one that came.
 *
 * Memory:  about 600 bytes a slot, in struct http_memo.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/http_head.h"

#define HTTP_MEMO_SLOTS 8
#define HTTP_MEMO_BYTES 512 /* the longest head that is remembered */

struct http_memo {
    struct http_memo_entry {
        struct http_head head;
        uint32_t len;                /* of the head; 0: none */
        uint32_t digits, digits_end; /* where Content-Length's digits lie; equal: it has none */
        uint8_t bytes[HTTP_MEMO_BYTES];
    } entries[HTTP_MEMO_SLOTS];
};

/* http_memo_init forgets all: at first, and whenever the limits change. */
void http_memo_init(struct http_memo *memo);

/* http_memo_find returns whether bytes[0, len) begin with the head that is remembered in a slot, in
 * any range: taken modulo HTTP_MEMO_SLOTS.  Then *head is what http_head_parse would have made of
 * it, and *end the offset behind it. */
bool http_memo_find(const struct http_memo *memo, uint32_t slot, const uint8_t *bytes, uint32_t len,
                    struct http_head *head, uint32_t *end);

/* http_memo_keep remembers a whole head of len bytes that http_head_parse has read in one piece;
 * one that is longer than HTTP_MEMO_BYTES is not kept. */
void http_memo_keep(struct http_memo *memo, uint32_t slot, const uint8_t *bytes, uint32_t len,
                    const struct http_head *head);
