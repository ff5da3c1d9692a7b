/* http_chunk.h - the chunked transfer coding (RFC 9112 section 7.1), taken off byte by byte.
 *
 * A size is 1 to 8 hexadecimal digits and nothing else; extensions are read for their form and
 * ignored, at most HTTP_CHUNK_EXTENSION_MAX bytes of them in a body; trailers too, except those
 * that mean something in a head: they are refused.  Every line ends in CRLF.
 *
 * Memory:  none but its own.  Threads: any.
 */
#pragma once

#include <stdint.h>

#include "dataplane/http_head.h"

#define HTTP_CHUNK_EXTENSION_MAX 256
#define HTTP_CHUNK_NAME_MAX      32

struct http_chunk {
    uint32_t left;          /* of the chunk's data, or its size so far */
    uint32_t room;          /* that the body may still have */
    uint32_t trailer_bytes; /* that the trailers may still have */
    uint32_t offset;        /* bytes of the coded body so far; of the problem */
    uint16_t extension_bytes;
    uint16_t trailer_count; /* that may still come */
    uint8_t state;
    uint8_t digits;
    uint8_t problem; /* enum http_problem */
    uint8_t name_len;
    uint8_t name[HTTP_CHUNK_NAME_MAX]; /* of the trailer that is being read */
};

/* http_chunk_init begins a body of at most room bytes, its trailers bounded as headers are. */
void http_chunk_init(struct http_chunk *chunk, uint32_t room,
                     const struct http_head_limits *limits);

/* http_chunk_next reads on in bytes[*at, len) and moves *at behind what it has read.
 *
 * HTTP_MORE: either there is data, *count > 0 bytes before *at: call again; or all is read.
 * HTTP_DONE: the body is over, *at is behind it.  HTTP_BAD: chunk->problem says why (body_bytes
 * when a chunk is announced that the body has no room for), chunk->offset where; nothing behind is
 * read. */
enum http_progress http_chunk_next(struct http_chunk *chunk, const uint8_t *bytes, uint32_t len,
                                   uint32_t *at, uint32_t *count);
