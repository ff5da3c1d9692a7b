/* signature.h - what proves to a webhook's receiver that a body is ours and fresh: HMAC-SHA-256
 * (RFC 2104) under a shared secret, of the time, a dot and the body.
 *
 * Memory:  the caller's.  Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_MAX 96u /* with its NUL */

/* signature_make writes "t=TIME,v1=HEX"; 0, or -ENOMEM. */
int signature_make(const char *secret, size_t secret_len, uint64_t time_s, const char *body,
                   size_t len, char out[SIGNATURE_MAX]);
