/* signature.c - HMAC-SHA-256 by libcrypto. */
#include "sinks/signature.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

int signature_make(const char *secret, size_t secret_len, uint64_t time_s, const char *body,
                   size_t len, char out[SIGNATURE_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t digest_len = 0;
    char head[32];
    int head_len = snprintf(head, sizeof head, "%" PRIu64 ".", time_s);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const unsigned char *)secret,
                                                 secret_len);
    int good = context && key && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
               EVP_DigestSignUpdate(context, head, (size_t)head_len) == 1 &&
               EVP_DigestSignUpdate(context, body, len) == 1;
    digest_len = sizeof digest;
    good = good && EVP_DigestSignFinal(context, digest, &digest_len) == 1;
    EVP_PKEY_free(key);
    EVP_MD_CTX_free(context);
    if (!good)
        return -ENOMEM;
    int at = snprintf(out, SIGNATURE_MAX, "t=%" PRIu64 ",v1=", time_s);
    for (size_t i = 0; i < digest_len; i++)
        at += snprintf(out + at, SIGNATURE_MAX - (size_t)at, "%02x", digest[i]);
    return 0;
}
