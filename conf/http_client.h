/* http_client.h - requests by HTTP, over libcurl; the only file that sees it.
 *
 * Memory:  a client keeps its connection and one answer; both end with http_client_free.
 * Threads: one per client; *cancel may be set by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client;

struct http_request {
    const char *method, *url;
    const char *unix_path;      /* NULL: to the host of the url, over http or https */
    const char *const *headers; /* "Name: value", a NULL behind the last; or NULL */
    const char *body;           /* NULL: none */
    size_t body_len;
    size_t answer_max; /* bytes; a longer one is a failure */
    uint64_t timeout_ns;
    const _Atomic bool *cancel; /* NULL: nobody does */
    const char *sign;           /* "aws:amz:REGION:SERVICE": by Signature Version 4, with the hash
                                   that the header x-amz-content-sha256 says; NULL: not */
    const char *key;            /* "ID:SECRET" to sign with */
    const char *ca_file;        /* of https; NULL or "": whom the host trusts */
    const char *cert_file, *key_file; /* to show when asked; NULL or "": none */
};

struct http_answer {
    int status;
    const char *text; /* not terminated; until the next call */
    size_t len;
    uint64_t retry_after_s; /* RFC 9110 section 10.2.3; 0: not said */
    int64_t date_s;         /* since 1970, by the server's clock; 0: not said */
};

/* http_client_new returns NULL without memory. */
struct http_client *http_client_new(void);
void http_client_free(struct http_client *client);

/* http_client_call waits for the whole answer.  Returns 0, whatever the status, or a negative
 * errno, of which http_client_error says more: -ETIMEDOUT, -ECANCELED, -ECONNREFUSED ..., -EIO.
 * Redirects are answers. */
int http_client_call(struct http_client *client, const struct http_request *request,
                     struct http_answer *answer);
const char *http_client_error(const struct http_client *client);

/* http_client_header returns a header of the last answer, NULL when there is none of that name;
 * until the next call. */
const char *http_client_header(const struct http_client *client, const char *name);
