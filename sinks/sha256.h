/* sha256.h - SHA-256 (FIPS 180-4) of what comes piece by piece, and the HMAC of it (RFC 2104).
 * sha256.c is the only file that sees libcrypto.
 *
 * Memory:  a context each by malloc, ended by sha256_free.  Threads: one per context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SHA256_HEX 65u /* as text, with its NUL */

struct sha256;

/* sha256_new returns a context for the hash, sha256_new_hmac one for the HMAC under a key of
 * key_len bytes; NULL without memory. */
struct sha256 *sha256_new(void);
struct sha256 *sha256_new_hmac(const void *key, size_t key_len);
void sha256_free(struct sha256 *sha);

/* sha256_reset begins a hash anew, not an HMAC; sha256_update adds bytes.  What goes wrong in
 * between is told by sha256_final. */
void sha256_reset(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *bytes, size_t len);

/* sha256_final writes the digest in lower-case hexadecimal.  Returns 0 or -ENOMEM. */
int sha256_final(struct sha256 *sha, char hex[SHA256_HEX]);
