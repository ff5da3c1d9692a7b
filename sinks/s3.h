/* s3.h - objects of one S3 bucket: made where there is none of the name, and read.
 *
 * Requests are addressed by path (ENDPOINT/BUCKET/KEY), signed by Signature Version 4 with the hash
 * of their body, and bounded in time.  Nothing is ever overwritten: what makes an object says
 * If-None-Match, so the second one of a name is refused by the server (412).
 *
 * Memory:  a client keeps one connection and one answer; buffers are the caller's.
 * Threads: one per client; *cancel may be set by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "sinks/sha256.h"

#define S3_KEY_MAX    1024u
#define S3_ANSWER_MAX (2u << 20) /* of a list: 1,000 keys with all that is told of them */

/* Where, and as whom.  All is the caller's, as long as the client. */
struct s3_target {
    const char *endpoint; /* http://HOST[:PORT] or https:// */
    const char *bucket, *region;
    const char *credentials;    /* path of the file, see s3_credentials.h */
    const struct conf_tls *tls; /* with https; NULL: whom the host trusts */
    uint64_t timeout_ns;        /* of a request, and a second more for each 64 KiB that it moves */
    const _Atomic bool *cancel; /* NULL: nobody does */
};

/* What is said of an object beside its bytes: where what it holds ends, and the hash of what it is
 * unpacked. */
struct s3_meta {
    uint64_t last;
    char sha256[SHA256_HEX];
};

struct s3;

/* s3_new returns NULL without memory. */
struct s3 *s3_new(const struct s3_target *target);
void s3_free(struct s3 *s3);

/* All that follow return 0 or a negative errno, of which s3_error says more: -EEXIST there is an
 * object of that name, -ENOENT there is none, -EACCES refused (403), -EREMOTEIO another status,
 * -EBADMSG an answer that makes no sense; or what http_client_call returns. */

/* s3_put makes an object of len bytes. */
int s3_put(struct s3 *s3, const char *key, const struct s3_meta *meta, const char *body,
           size_t len);

/* s3_put_file makes one of the first bytes of a file, in parts of room bytes, at most 10,000, where
 * they are more; unfinished uploads of the same name are ended first.  buffer has room for a part,
 * at least 5 MiB. */
int s3_put_file(struct s3 *s3, const char *key, const struct s3_meta *meta, int fd, uint64_t bytes,
                char *buffer, size_t room);

/* s3_head reads what is said of an object; last is 0 and sha256 "" where that is not said. */
int s3_head(struct s3 *s3, const char *key, struct s3_meta *meta);

/* s3_get reads at most room bytes from offset; *len is 0 at the end. */
int s3_get(struct s3 *s3, const char *key, uint64_t offset, char *buffer, size_t room, size_t *len);

/* s3_list calls each(arg, key) for every object whose key begins with prefix, in their order, until
 * it returns not 0: then that is returned. */
int s3_list(struct s3 *s3, const char *prefix, int (*each)(void *arg, const char *key), void *arg);

const char *s3_error(const struct s3 *s3);
/* s3_retry_after says how long the server asked to be left alone, with the last answer. */
uint64_t s3_retry_after(const struct s3 *s3);
