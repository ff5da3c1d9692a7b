/* blast_request.c - heads and bodies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_request.h"

#define LENGTH_DIGITS 10
#define HEAD_ROOM     (BLAST_REQUEST_HEAD_MAX + LENGTH_DIGITS + 4)

uint32_t blast_request_max(uint32_t batch, uint32_t event_bytes)
{
    return HEAD_ROOM + batch * (event_bytes + 1);
}

int blast_request_init(struct blast_request *request, struct blast_source *source, const char *host,
                       const char *path, const char *ack, uint32_t batch, uint32_t event_bytes)
{
    *request = (struct blast_request){.source = source, .batch = batch};
    int len = snprintf(request->head, sizeof request->head,
                       "POST %s HTTP/1.1\r\n"
                       "Host: %s\r\n"
                       "Content-Type: %s\r\n"
                       "%s%s%s"
                       "Content-Length: ",
                       path, host, batch > 1 ? "application/x-ndjson" : "application/json",
                       ack ? "Trove-Ack: " : "", ack ? ack : "", ack ? "\r\n" : "");
    if (len < 0 || (size_t)len >= sizeof request->head)
        return -ENAMETOOLONG;
    request->head_len = (uint32_t)len;
    request->buffer =
        malloc(blast_request_max(batch, event_bytes) + BLAST_DATAGRAM_MAX + BLAST_SLACK);
    return request->buffer ? 0 : -ENOMEM;
}

void blast_request_fini(struct blast_request *request)
{
    free(request->buffer);
    request->buffer = NULL;
}

/* Writes the head so that it ends where the body begins; returns its start. */
static uint8_t *put_head(const struct blast_request *request, uint8_t *body, uint32_t body_len)
{
    uint8_t *at = body;
    *--at = '\n';
    *--at = '\r';
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (uint8_t)('0' + body_len % 10);
        body_len /= 10;
    } while (body_len);
    at -= request->head_len;
    memcpy(at, request->head, request->head_len);
    return at;
}

struct blast_request_bytes blast_request_build(struct blast_request *request, uint64_t due_ns)
{
    struct blast_source *source = request->source;
    uint8_t *body = request->buffer + HEAD_ROOM;
    uint8_t *end = body;
    uint32_t events = 0;
    uint64_t next_ns;
    do {
        end += source->build(source, due_ns, end);
        source->settle(source, 1);
        events++;
        if (request->batch > 1)
            *end++ = '\n';
    } while (events < request->batch && source->due(source, &next_ns));
    uint8_t *start = put_head(request, body, (uint32_t)(end - body));
    return (struct blast_request_bytes){start, (uint32_t)(end - start), events};
}
