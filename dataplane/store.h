/* store.h - the data directory: who owns it, its key, its epochs, and every configuration version
 * that ever ran on it.
 *
 *   lock                    held while a daemon runs; its text is the daemon's pid
 *   key                     32 random bytes, made at first start: every hash of this directory
 * rests on it meta                    format and number of partitions, fixed for the directory's
 * life items.txt               the item dictionary, append-only (items.h) config/NNNNNN.yaml      a
 * version's text, config/NNNNNN.catalogs which stored catalog each hunt uses config/catalog-H.tsv
 * catalogs by the hash of their content journal/                segments (segment.h) sinks/ cursors
 * checkpoint/             the state of all partitions (checkpoint.h)
 * horizon                 where the journal begins, once something was removed (horizon.h)
 *
 * Memory:  the struct is the caller's.  Threads: the control thread, or any one at a time.
 */
#pragma once

#include <stdint.h>

#include "conf/conf.h"
#include "dataplane/base/hash.h"
#include "dataplane/horizon.h"

struct store {
    char path[CONF_PATH_MAX];
    int dir_fd, journal_fd, config_fd, sinks_fd, checkpoint_fd, lock_fd;
    uint8_t seed[HASH_SEED_BYTES];
    uint32_t partition_count;
    uint32_t epoch;         /* this start's: one more than the highest there is */
    struct horizon horizon; /* where the journal began when the store was opened */
    uint32_t version;       /* highest configuration version stored, 0: none */
};

/* A store that is not open. */
#define STORE_CLOSED                                                                               \
    {                                                                                              \
        .dir_fd = -1, .journal_fd = -1, .config_fd = -1, .sinks_fd = -1, .checkpoint_fd = -1,      \
        .lock_fd = -1                                                                              \
    }

/* store_open creates what is missing, takes the lock and reads the rest. Returns 0, or -1 with one
 * line in error that says how to fix it: in use by a pid, not writable, another number of
 * partitions. */
int store_open(struct store *store, const char *path, uint32_t partition_count, char error[512]);
void store_close(struct store *store);

/* store_view opens a data directory that exists, to read only: it makes nothing and takes no lock,
 * so that a daemon may be running on it.  epoch is 0.  Returns 0, or -1 with one line in error. */
int store_view(struct store *store, const char *path, char error[512]);

/* store_catalogs copies each hunt's catalog into the store and points the hunt at the copy, so that
 * what is checked, published and replayed is the same bytes. A catalog that cannot be read stays as
 * it is: loading it will say why. Returns 0 or a negative errno (the disk). */
int store_catalogs(struct store *store, struct conf *conf);

/* store_save keeps conf as the next version, unless it is word for word the newest one. Returns the
 * version, or a negative errno. */
int store_save(struct store *store, const struct conf *conf);

/* store_load reads a version back, its hunts pointing at stored catalogs. NULL with *diags filled
 * in when it cannot. */
struct conf *store_load(const struct store *store, uint32_t version, struct diag_list *diags);
