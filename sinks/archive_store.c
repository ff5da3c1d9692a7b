/* archive_store.c - names and bytes, from a bucket or from files. */
#include "sinks/archive_store.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __attribute__((format(printf, 3, 4))) int fail(struct archive_store *store, int rc,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(store->error, sizeof store->error, format, args);
    va_end(args);
    return rc;
}

static int fail_s3(struct archive_store *store, int rc)
{
    return rc ? fail(store, rc, "%s", s3_error(store->s3)) : 0;
}

/* Takes a URL apart: scheme and host, the first word of the path, and what is left of it. */
static int split(struct archive_store *store, const char *url)
{
    const char *host = strstr(url, "://") + 3;
    size_t host_len = strcspn(host, "/");
    const char *bucket = host + host_len + (host[host_len] == '/');
    size_t bucket_len = strcspn(bucket, "/");
    const char *prefix = bucket + bucket_len + (bucket[bucket_len] == '/');
    size_t prefix_len = strlen(prefix);
    while (prefix_len && prefix[prefix_len - 1] == '/')
        prefix_len--;
    if (!host_len || !bucket_len || strlen(url) + 2 > sizeof store->endpoint || strpbrk(url, "?#@"))
        return fail(store, -EINVAL,
                    "an archive's URL is https://HOST/BUCKET or https://HOST/BUCKET/PREFIX");
    snprintf(store->endpoint, sizeof store->endpoint, "%.*s", (int)(host + host_len - url), url);
    snprintf(store->bucket, sizeof store->bucket, "%.*s", (int)bucket_len, bucket);
    snprintf(store->prefix, sizeof store->prefix, "%.*s%s", (int)prefix_len, prefix,
             prefix_len ? "/" : "");
    return 0;
}

int archive_store_open(struct archive_store *store, const char *where,
                       const struct s3_target *target)
{
    *store = (struct archive_store){.fd = -1};
    if (strncmp(where, "http://", 7) != 0 && strncmp(where, "https://", 8) != 0) {
        if (snprintf(store->root, sizeof store->root, "%s", where) >= (int)sizeof store->root)
            return fail(store, -ENAMETOOLONG, "the directory's name is too long");
        return 0;
    }
    int rc = split(store, where);
    if (rc)
        return rc;
    struct s3_target there = *target;
    there.endpoint = store->endpoint;
    there.bucket = store->bucket;
    store->s3 = s3_new(&there);
    return store->s3 ? 0 : fail(store, -ENOMEM, "no memory for a connection");
}

static void shut(struct archive_store *store)
{
    if (store->fd >= 0)
        close(store->fd);
    store->fd = -1;
}

void archive_store_close(struct archive_store *store)
{
    shut(store);
    s3_free(store->s3);
    store->s3 = NULL;
}

const char *archive_store_error(const struct archive_store *store)
{
    return store->error;
}

/* ---- names ---- */

/* Names go on without the prefix. */
struct listing {
    int (*each)(void *arg, const char *name);
    void *arg;
    size_t skip;
};

static int list_one(void *arg, const char *key)
{
    const struct listing *listing = arg;
    return listing->each(listing->arg, key + listing->skip);
}

static int list_files(struct archive_store *store, struct listing *listing)
{
    char *roots[] = {store->root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    int rc = tree ? 0 : -errno;
    const FTSENT *entry;
    listing->skip = strlen(store->root);
    while (!rc && (entry = fts_read(tree))) {
        bool file = entry->fts_info == FTS_F || entry->fts_info == FTS_NSOK;
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            rc = -entry->fts_errno;
        else if (file)
            rc = listing->each(listing->arg, entry->fts_path + listing->skip +
                                                 strspn(entry->fts_path + listing->skip, "/"));
    }
    if (tree)
        fts_close(tree);
    return rc < 0 ? fail(store, rc, "%.200s: %s", store->root, strerror(-rc)) : rc;
}

int archive_store_list(struct archive_store *store, int (*each)(void *arg, const char *name),
                       void *arg)
{
    struct listing listing = {each, arg, strlen(store->prefix)};
    if (!store->s3)
        return list_files(store, &listing);
    int rc = s3_list(store->s3, store->prefix, list_one, &listing);
    return rc < 0 ? fail_s3(store, rc) : rc;
}

/* ---- bytes ---- */

static int open_file(struct archive_store *store, const char *name)
{
    char path[CONF_PATH_MAX + S3_KEY_MAX + 2];
    if (store->fd >= 0 && strcmp(store->name, name) == 0)
        return 0;
    shut(store);
    snprintf(store->name, sizeof store->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s", store->root, name);
    store->fd = open(path, O_RDONLY | O_CLOEXEC);
    return store->fd < 0 ? fail(store, -errno, "%.200s: %s", path, strerror(errno)) : 0;
}

static int read_file(struct archive_store *store, const char *name, uint64_t offset, char *buffer,
                     size_t room, size_t *len)
{
    int rc = open_file(store, name);
    *len = 0;
    while (!rc && *len < room) {
        ssize_t n = pread(store->fd, buffer + *len, room - *len, (off_t)(offset + *len));
        if (n < 0 && errno != EINTR)
            rc = fail(store, -errno, "%.200s: %s", name, strerror(errno));
        if (n == 0)
            break;
        *len += n > 0 ? (size_t)n : 0;
    }
    return rc;
}

int archive_store_read(struct archive_store *store, const char *name, uint64_t offset, char *buffer,
                       size_t room, size_t *len)
{
    char key[S3_KEY_MAX];
    if (!store->s3)
        return read_file(store, name, offset, buffer, room, len);
    snprintf(key, sizeof key, "%s%s", store->prefix, name);
    return fail_s3(store, s3_get(store->s3, key, offset, buffer, room, len));
}
