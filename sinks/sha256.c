/* sha256.c - libcrypto's EVP interface. */
#include "sinks/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct sha256 {
    EVP_MD_CTX *context;
    bool signs;
    bool failed;
};

static struct sha256 *make(bool signs)
{
    struct sha256 *sha = calloc(1, sizeof *sha);
    if (!sha)
        return NULL;
    sha->signs = signs;
    sha->context = EVP_MD_CTX_new();
    if (sha->context)
        return sha;
    free(sha);
    return NULL;
}

struct sha256 *sha256_new(void)
{
    struct sha256 *sha = make(false);
    if (sha)
        sha256_reset(sha);
    return sha;
}

struct sha256 *sha256_new_hmac(const void *key, size_t key_len)
{
    struct sha256 *sha = make(true);
    EVP_PKEY *secret = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key, key_len);
    if (sha)
        sha->failed =
            !secret || EVP_DigestSignInit(sha->context, NULL, EVP_sha256(), NULL, secret) != 1;
    EVP_PKEY_free(secret);
    return sha;
}

void sha256_free(struct sha256 *sha)
{
    if (sha)
        EVP_MD_CTX_free(sha->context);
    free(sha);
}

void sha256_reset(struct sha256 *sha)
{
    sha->failed = EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL) != 1;
}

void sha256_update(struct sha256 *sha, const void *bytes, size_t len)
{
    int good = sha->signs ? EVP_DigestSignUpdate(sha->context, bytes, len)
                          : EVP_DigestUpdate(sha->context, bytes, len);
    sha->failed |= good != 1;
}

int sha256_final(struct sha256 *sha, char hex[SHA256_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t signed_len = sizeof digest;
    unsigned len = 0;
    int good = sha->signs ? EVP_DigestSignFinal(sha->context, digest, &signed_len)
                          : EVP_DigestFinal_ex(sha->context, digest, &len);
    if (sha->failed || good != 1)
        return -ENOMEM;
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    return 0;
}
