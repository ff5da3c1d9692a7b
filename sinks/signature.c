/* signature.c - the time and the body under one HMAC. */
#include "sinks/signature.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "sinks/sha256.h"

int signature_make(const char *secret, size_t secret_len, uint64_t time_s, const char *body,
                   size_t len, char out[SIGNATURE_MAX])
{
    char head[32], hex[SHA256_HEX];
    int head_len = snprintf(head, sizeof head, "%" PRIu64 ".", time_s);
    struct sha256 *sha = sha256_new_hmac(secret, secret_len);
    if (!sha)
        return -ENOMEM;
    sha256_update(sha, head, (size_t)head_len);
    sha256_update(sha, body, len);
    int rc = sha256_final(sha, hex);
    sha256_free(sha);
    if (!rc)
        snprintf(out, SIGNATURE_MAX, "t=%" PRIu64 ",v1=%s", time_s, hex);
    return rc;
}
