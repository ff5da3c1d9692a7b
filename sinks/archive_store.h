/* archive_store.h - where an archive is read from: a bucket, or a directory of downloaded objects.
 *
 * Memory:  the struct is the caller's.  Threads: one.
 */
#pragma once

#include "conf/conf.h"
#include "sinks/s3.h"

struct archive_store {
    struct s3 *s3; /* NULL: the directory */
    char root[CONF_PATH_MAX];
    char endpoint[CONF_PATH_MAX], bucket[CONF_PATH_MAX];
    char prefix[CONF_PATH_MAX]; /* "", or with a slash behind it */
    int fd;                     /* of the object read last; -1: none */
    char name[S3_KEY_MAX];      /* its name */
    char error[256];
};

/* archive_store_open takes a directory, or the URL of a bucket, ENDPOINT/BUCKET[/PREFIX], with the
 * rest of the target.  Returns 0, -EINVAL when it is no URL of a bucket, or another negative errno.
 * archive_store_close in either case. */
int archive_store_open(struct archive_store *store, const char *where,
                       const struct s3_target *target);
void archive_store_close(struct archive_store *store);

/* archive_store_list calls each(arg, name) for the name of every object, without the prefix, in any
 * order, until it returns not 0: then that is returned.  archive_store_read is s3_get of such a
 * name. Both return 0 or a negative errno, of which archive_store_error says more. */
int archive_store_list(struct archive_store *store, int (*each)(void *arg, const char *name),
                       void *arg);
int archive_store_read(struct archive_store *store, const char *name, uint64_t offset, char *buffer,
                       size_t room, size_t *len);
const char *archive_store_error(const struct archive_store *store);
