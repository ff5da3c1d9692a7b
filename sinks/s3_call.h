/* s3_call.h - one signed request, for the files that s3.h is made of: s3.c sends, s3_upload.c and
 * s3_list.c speak.
 *
 * Memory:  as s3.h.  Threads: the client's.
 */
#pragma once

#include "conf/http_client.h"
#include "sinks/s3.h"

#define S3_ID_MAX 1024u /* of an upload */

struct s3 {
    struct s3_target target;
    struct http_client *client;
    struct sha256 *sha;
    struct http_answer answer; /* the last one */
    uint64_t retry_after_ns;
    char error[256];
};

/* An answer's text is kept until the next request. */
struct s3_request {
    const char *method;
    const char *key;            /* "": the bucket; of characters that need no encoding */
    const char *query;          /* sorted, encoded, "name=" where there is no value; "": none */
    const struct s3_meta *meta; /* NULL: not said */
    const char *range;          /* "Range: ..."; NULL: all of it */
    bool create;                /* only where there is none */
    const char *body;
    size_t len;
    size_t answer_max;
};

/* s3_call sends and judges.  0: the status was 2xx. */
int s3_call(struct s3 *s3, const struct s3_request *request);

/* s3_fail keeps why, without what could speak to a terminal, and returns rc. */
int s3_fail(struct s3 *s3, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* s3_encode writes text for a query (RFC 3986 section 2.3); false: no room. */
bool s3_encode(const char *text, char *out, size_t room);
