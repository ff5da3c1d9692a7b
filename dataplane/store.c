/* store.c - files of the data directory; whatever is renamed into place is synced first, and its
 * directory after. */
#include "dataplane/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/segment.h"
#include "dataplane/base/write_all.h"
#include "dataplane/checkpoint.h"

#define FORMAT 1u

static int fault(const struct store *store, char error[512], const char *what)
{
    snprintf(error, 512, "data_dir %s: %s", store->path, what);
    return -1;
}

static int fault_errno(const struct store *store, char error[512], const char *what)
{
    snprintf(error, 512, "data_dir %s: cannot %s: %s", store->path, what, strerror(errno));
    return -1;
}

/* ---- small files ---- */

static int save(int dir_fd, const char *name, const void *data, size_t len)
{
    char temporary[96];
    snprintf(temporary, sizeof temporary, ".%.80s.new", name);
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, data, len, NULL);
    if (!rc && fsync(fd))
        rc = -errno;
    close(fd);
    if (!rc && renameat(dir_fd, temporary, dir_fd, name))
        rc = -errno;
    if (!rc && fsync(dir_fd))
        rc = -errno;
    return rc;
}

/* The whole file, NUL-terminated, the caller's to free; at most limit bytes. NULL with errno.
 * O_NONBLOCK: a pipe in a file's place must not hold up who opens it. */
static char *load(int dir_fd, const char *name, size_t limit, size_t *len)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    char *data = NULL;
    if (fstat(fd, &st))
        goto out;
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > limit) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        goto out;
    }
    data = malloc((size_t)st.st_size + 1);
    size_t got = 0;
    while (data && got < (size_t)st.st_size) {
        ssize_t n = read(fd, data + got, (size_t)st.st_size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (data && got < (size_t)st.st_size) {
        free(data); /* half of it would be taken for the whole */
        data = NULL;
        errno = EIO;
    }
    if (data) {
        data[got] = '\0';
        *len = got;
    }
out:
    close(fd);
    return data;
}

/* ---- opening ---- */

/* Makes the name of a directory durable: what is synced in it must not be lost with it.  Who may
 * not read the directory above did not make this one. */
static int sync_above(const char *path)
{
    char above[CONF_PATH_MAX + 4];
    snprintf(above, sizeof above, "%s/..", path);
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno;
    int rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

static int make_path(const char *path)
{
    char partial[CONF_PATH_MAX];
    int rc = 0;
    for (const char *at = path + 1; !rc; at++) {
        if (*at && *at != '/')
            continue;
        snprintf(partial, sizeof partial, "%.*s", (int)(at - path), path);
        bool made = mkdir(partial, 0750) == 0;
        if (!made && errno != EEXIST)
            return -errno;
        /* The last one again: a start before this one may have been killed in between. */
        if (made || !*at)
            rc = sync_above(partial);
        if (!*at)
            break;
    }
    return rc;
}

static int open_dir(int dir_fd, const char *name)
{
    if (mkdirat(dir_fd, name, 0750) && errno != EEXIST)
        return -1;
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int take_lock(struct store *store, char error[512])
{
    store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock_fd < 0)
        return fault_errno(store, error, "open its lock");
    char pid[32] = "";
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB)) {
        if (pread(store->lock_fd, pid, sizeof pid - 1, 0) < 0)
            pid[0] = '\0';
        snprintf(error, 512,
                 "data_dir %s is in use by troved, pid %.*s; stop that one (trovectl stop), or "
                 "give this one a data_dir of its own",
                 store->path, (int)strcspn(pid, "\n"), pid);
        return -1;
    }
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(store->lock_fd, 0) || pwrite(store->lock_fd, pid, (size_t)len, 0) != len)
        return fault_errno(store, error, "write its lock");
    return 0;
}

static int read_key(struct store *store, char error[512])
{
    size_t len;
    char *key = load(store->dir_fd, "key", HASH_SEED_BYTES, &len);
    if (key && len == HASH_SEED_BYTES) {
        memcpy(store->seed, key, HASH_SEED_BYTES);
        free(key);
        return 0;
    }
    if (key || errno != ENOENT) {
        free(key);
        return fault(store, error,
                     "its file `key` is not 32 bytes; without the right one nothing in the "
                     "journal can be understood: restore it from a backup");
    }
    if (getrandom(store->seed, HASH_SEED_BYTES, 0) != HASH_SEED_BYTES)
        return fault_errno(store, error, "get random bytes");
    int rc = save(store->dir_fd, "key", store->seed, HASH_SEED_BYTES);
    if (rc) {
        errno = -rc;
        return fault_errno(store, error, "write its key");
    }
    return 0;
}

static int read_meta(struct store *store, uint32_t partition_count, char error[512])
{
    size_t len;
    char text[64];
    char *meta = load(store->dir_fd, "meta", 4096, &len);
    if (!meta) {
        int n = snprintf(text, sizeof text, "format %u\npartitions %u\n", FORMAT, partition_count);
        int rc = errno == ENOENT ? save(store->dir_fd, "meta", text, (size_t)n) : -errno;
        if (rc) {
            errno = -rc;
            return fault_errno(store, error, "write meta");
        }
        store->partition_count = partition_count;
        return 0;
    }
    unsigned format = 0, partitions = 0;
    int fields = sscanf(meta, "format %u\npartitions %u\n", &format, &partitions); /* NOLINT */
    free(meta);
    if (fields != 2)
        return fault(store, error, "its file `meta` is damaged: restore it from a backup");
    if (format != FORMAT)
        return fault(store, error, "was written by a later version of Trove; run that one");
    if (partitions != partition_count) {
        snprintf(error, 512,
                 "data_dir %s has %u partitions and keeps them for life, but the configuration "
                 "says partitions: %u; set it to %u, or use a new data_dir",
                 store->path, partitions, partition_count, partitions);
        return -1;
    }
    store->partition_count = partitions;
    return 0;
}

static int find_epoch(struct store *store, char error[512])
{
    struct segment_id *ids = NULL;
    unsigned unknown;
    int count = segment_list(store->journal_fd, &ids, &unknown);
    if (count < 0) {
        errno = -count;
        return fault_errno(store, error, "list its journal");
    }
    store->epoch = count ? ids[count - 1].epoch + 1 : 1;
    free(ids);
    struct checkpoint_id *made;
    count = checkpoint_list(store->checkpoint_fd, &made, &unknown);
    if (count < 0) {
        errno = -count;
        return fault_errno(store, error, "list its checkpoints");
    }
    if (count && made[0].epoch >= store->epoch)
        store->epoch = made[0].epoch + 1;
    if (store->horizon.epoch > store->epoch)
        store->epoch = store->horizon.epoch + 1;
    free(made);
    return 0;
}

static int read_horizon(struct store *store, char error[512])
{
    int rc = horizon_load(store->dir_fd, &store->horizon);
    if (rc == -EBADMSG)
        return fault(store, error,
                     "its file `horizon` is damaged; it says where the journal begins: restore it "
                     "from a copy");
    errno = -rc;
    return rc ? fault_errno(store, error, "read where its journal begins") : 0;
}

static void find_version(struct store *store)
{
    DIR *dir = fdopendir(dup(store->config_fd));
    if (!dir)
        return;
    rewinddir(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char *end;
        unsigned long version = strtoul(entry->d_name, &end, 10);
        bool ours = !strcmp(end, ".yaml") || !strcmp(end, ".catalogs");
        if (end >= entry->d_name + 6 && ours && version > store->version)
            store->version = (uint32_t)version;
    }
    closedir(dir);
}

int store_open(struct store *store, const char *path, uint32_t partition_count, char error[512])
{
    *store = (struct store)STORE_CLOSED;
    snprintf(store->path, sizeof store->path, "%s", path);
    int rc = make_path(path);
    if (rc) {
        errno = -rc;
        return fault_errno(store, error, "make it");
    }
    store->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir_fd < 0)
        return fault_errno(store, error, "open it");
    if (take_lock(store, error) || read_meta(store, partition_count, error) ||
        read_key(store, error))
        return -1;
    store->journal_fd = open_dir(store->dir_fd, "journal");
    store->config_fd = open_dir(store->dir_fd, "config");
    store->sinks_fd = open_dir(store->dir_fd, "sinks");
    store->checkpoint_fd = open_dir(store->dir_fd, "checkpoint");
    if (store->journal_fd < 0 || store->config_fd < 0 || store->sinks_fd < 0 ||
        store->checkpoint_fd < 0)
        return fault_errno(store, error, "make its directories");
    /* What a start before this one named, and could not sync, is going to be relied on. */
    if (fsync(store->dir_fd) || fsync(store->journal_fd))
        return fault_errno(store, error, "sync its directories");
    find_version(store);
    return read_horizon(store, error) ? -1 : find_epoch(store, error);
}

static int view_dir(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* What store_open would make is missing here: then it is no data directory. */
static int view_files(struct store *store, char error[512])
{
    size_t len = 0;
    unsigned format = 0;
    char *meta = load(store->dir_fd, "meta", 4096, &len);
    int fields = meta ? sscanf(meta, "format %u\npartitions %u\n", &format, /* NOLINT */
                               &store->partition_count)
                      : 0;
    free(meta);
    if (!fields)
        return fault(store, error, "is no data directory of troved: it has no file `meta`");
    uint32_t count = store->partition_count;
    if (fields != 2 || !count || count > 65536 || count & (count - 1))
        return fault(store, error, "its file `meta` is damaged: restore it from a backup");
    if (format != FORMAT)
        return fault(store, error, "was written by a later version of Trove; use that one");
    char *key = load(store->dir_fd, "key", HASH_SEED_BYTES, &len);
    bool good = key && len == HASH_SEED_BYTES;
    if (good)
        memcpy(store->seed, key, HASH_SEED_BYTES);
    free(key);
    return good ? 0 : fault(store, error, "its file `key` is not 32 bytes that can be read");
}

int store_view(struct store *store, const char *path, char error[512])
{
    *store = (struct store)STORE_CLOSED;
    snprintf(store->path, sizeof store->path, "%s", path);
    if (strlen(path) >= sizeof store->path)
        return fault(store, error, "its path is longer than 255 bytes");
    store->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir_fd < 0)
        return fault_errno(store, error, "open it");
    if (view_files(store, error))
        return -1;
    store->journal_fd = view_dir(store->dir_fd, "journal");
    store->config_fd = view_dir(store->dir_fd, "config");
    store->checkpoint_fd = view_dir(store->dir_fd, "checkpoint"); /* there may be none */
    if (store->journal_fd < 0 || store->config_fd < 0)
        return fault_errno(store, error, "open its directories");
    find_version(store);
    return read_horizon(store, error);
}

void store_close(struct store *store)
{
    int *fds[] = {&store->journal_fd,    &store->config_fd, &store->sinks_fd,
                  &store->checkpoint_fd, &store->lock_fd,   &store->dir_fd};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

/* ---- configuration versions ---- */

static int store_catalog(struct store *store, char path[CONF_PATH_MAX])
{
    size_t len;
    char name[64];
    static const uint8_t public_seed[HASH_SEED_BYTES];
    struct hash_key key;
    char *text = load(AT_FDCWD, path, CONF_CATALOG_MAX, &len);
    if (!text)
        return 0; /* catalog_load says why; if it can read by then, store_save refuses */
    hash_key_init(&key, public_seed);
    struct hash128 hash = hash128(&key, text, len);
    snprintf(name, sizeof name, "catalog-%016llx%016llx.tsv", (unsigned long long)hash.hi,
             (unsigned long long)hash.lo);
    int rc = 0;
    if (faccessat(store->config_fd, name, F_OK, 0))
        rc = save(store->config_fd, name, text, len);
    free(text);
    if (!rc && snprintf(path, CONF_PATH_MAX, "%s/config/%s", store->path, name) >= CONF_PATH_MAX)
        rc = -ENAMETOOLONG;
    return rc;
}

int store_catalogs(struct store *store, struct conf *conf)
{
    for (uint32_t i = 0; i < conf->hunt_count; i++) {
        int rc = *conf->hunts[i].catalog ? store_catalog(store, conf->hunts[i].catalog) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

/* One line a hunt: the stored catalog's file name, "-" for none. */
static char *catalog_list(const struct conf *conf, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    if (!out)
        return NULL;
    for (uint32_t i = 0; i < conf->hunt_count; i++) {
        const char *slash = strrchr(conf->hunts[i].catalog, '/');
        fprintf(out, "%s\n", slash ? slash + 1 : "-");
    }
    fclose(out);
    return text;
}

static bool same(const struct store *store, const char *name, const char *text, size_t len)
{
    size_t stored_len;
    char *stored = load(store->config_fd, name, CONF_CATALOG_MAX, &stored_len);
    bool equal = stored && stored_len == len && !memcmp(stored, text, len);
    free(stored);
    return equal;
}

/* A version is kept with copies of its catalogs, or not at all. */
static bool catalogs_are_stored(const struct store *store, const struct conf *conf)
{
    char prefix[CONF_PATH_MAX + 16];
    size_t len = (size_t)snprintf(prefix, sizeof prefix, "%s/config/", store->path);
    for (uint32_t i = 0; i < conf->hunt_count; i++)
        if (*conf->hunts[i].catalog && strncmp(conf->hunts[i].catalog, prefix, len) != 0)
            return false;
    return true;
}

int store_save(struct store *store, const struct conf *conf)
{
    char yaml[32], catalogs[32];
    size_t list_len;
    if (!catalogs_are_stored(store, conf))
        return -EAGAIN;
    char *list = catalog_list(conf, &list_len);
    if (!list)
        return -ENOMEM;
    snprintf(yaml, sizeof yaml, "%06u.yaml", store->version);
    snprintf(catalogs, sizeof catalogs, "%06u.catalogs", store->version);
    int rc = 0;
    if (!store->version || !same(store, yaml, conf->text, conf->text_len) ||
        !same(store, catalogs, list, list_len)) {
        snprintf(yaml, sizeof yaml, "%06u.yaml", store->version + 1);
        snprintf(catalogs, sizeof catalogs, "%06u.catalogs", store->version + 1);
        rc = save(store->config_fd, catalogs, list, list_len);
        if (!rc)
            rc = save(store->config_fd, yaml, conf->text, conf->text_len);
        if (!rc)
            store->version++;
    }
    /* What is there already may be so since a start that was killed, or met a failed sync. */
    if (!rc && fsync(store->config_fd))
        rc = -errno;
    free(list);
    return rc ? rc : (int)store->version;
}

static bool point_at_catalogs(const struct store *store, struct conf *conf, char *list)
{
    char *rest = list;
    for (uint32_t i = 0; i < conf->hunt_count; i++) {
        char *name = strsep(&rest, "\n");
        if (!name || !*name || strchr(name, '/'))
            return false;
        snprintf(conf->hunts[i].catalog, CONF_PATH_MAX, "%.150s/config/%.90s", store->path, name);
    }
    return true;
}

struct conf *store_load(const struct store *store, uint32_t version, struct diag_list *diags)
{
    char yaml[32], catalogs[32];
    size_t text_len = 0, list_len = 0;
    snprintf(yaml, sizeof yaml, "%06u.yaml", version);
    snprintf(catalogs, sizeof catalogs, "%06u.catalogs", version);
    struct diag place = {0};
    snprintf(place.file, sizeof place.file, "%.200s/config/%s", store->path, yaml);
    char *text = load(store->config_fd, yaml, 4u << 20, &text_len);
    char *list = load(store->config_fd, catalogs, 1u << 20, &list_len);
    struct conf *conf = NULL;
    if (text && list)
        conf = conf_load(place.file, text, text_len, diags);
    else
        diag_add(diags, &place, "unreadable", "cannot read configuration version %u: %s", version,
                 strerror(errno));
    if (conf && !point_at_catalogs(store, conf, list)) {
        diag_add(diags, &place, "unreadable", "%s does not name a catalog for each hunt", catalogs);
        conf_free(conf);
        conf = NULL;
    }
    free(text);
    free(list);
    return conf;
}
