/* blast_answer.h - where answers of HTTP/1.1 end in a stream of bytes, and which status they have
 * (RFC 9112 sections 4 and 6).
 *
 * Strict in what it takes: a status line, header lines that end in CRLF, and exactly one
 * Content-Length unless the status has no body.  A coding or a body that ends with the connection
 * is refused: no server of events needs them.
 *
 * Memory:  the caller's.  Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BLAST_ANSWER_HEAD_MAX 1024
#define BLAST_ANSWER_BODY_MAX (64u << 20)

struct blast_answer {
    uint32_t body_left;
    uint16_t status;   /* of the answer whose body is being skipped; 0: we are in a head */
    uint16_t head_len; /* of a head that came in pieces */
    bool closes;       /* an answer said that it is the last of its connection */
    uint8_t head[BLAST_ANSWER_HEAD_MAX];
};

/* blast_answer_take reads bytes up to the end of the next answer and adds their number to *taken.
 * Returns its status, in [200, 599]; 0 when all bytes were taken and it goes on; or -1 when this is
 * no HTTP that we understand. */
int blast_answer_take(struct blast_answer *answer, const uint8_t *bytes, uint32_t len,
                      uint32_t *taken);
